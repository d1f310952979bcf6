"""A filled configuration as one row of dotted keys; it needs nothing else of nnexp, so that reading runs is quick."""

from __future__ import annotations

from typing import Any


def flat(data: dict[str, Any]) -> dict[str, Any]:
    """A filled configuration as dotted keys, as `nnexp compare` names them; members of lists by their name.

    >>> flat({"optimizer": {"name": "sgd", "lr": 0.1}, "regularization": [{"name": "l2", "strength": 0.01}]})
    {'optimizer.name': 'sgd', 'optimizer.lr': 0.1, 'regularization': 'l2', 'regularization.l2.strength': 0.01}
    """
    result: dict[str, Any] = {}

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{prefix}.{key}" if prefix else key, inner)
        elif isinstance(value, list) and all(isinstance(item, dict) for item in value):
            result[prefix] = "+".join(str(item.get("name", "?")) for item in value) or "none"
            for item in value:
                walk(f"{prefix}.{item.get('name', '?')}", {k: v for k, v in item.items() if k != "name"})
        else:
            result[prefix] = value

    walk("", data)
    return result
