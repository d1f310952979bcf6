"""The front door: a file (or plain data) and overrides in, a validated and filled ExperimentConfig out."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nnexp import __version__
from nnexp.components.base import Component, families, members
from nnexp.config.draft import Draft, names_several, split_override
from nnexp.config.problems import explain, report
from nnexp.config.schema import ExperimentConfig
from nnexp.config.yaml import Place, Tree, scalar
from nnexp.errors import InputError, Misfit, Problem

THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
SWEEP_KEYS = ("grid", "zip", "cases", "seeds")


@dataclass(frozen=True)
class Loaded:
    """A valid configuration together with where its values were written."""

    config: ExperimentConfig
    draft: Draft
    name: str
    """What to call the input in messages."""

    def refuse(self, misfits: Sequence[Misfit]) -> InputError:
        """The error for parts that do not go together, each at its place."""
        return report([Problem(m.path, m.message) for m in misfits], self.draft, self.name)

    def origin(self, dotted: str) -> str:
        """Where the value at a dotted key came from: a line, an override, the environment or the default."""
        place = self.draft.place(tuple(dotted.split(".")))
        if place is None or not _was_given(self.draft.data, dotted.split(".")):
            return "default"
        return f"{place.source}:{place.line}" if place.in_file else place.source


def _was_given(data: Any, parts: Sequence[str]) -> bool:
    for number, part in enumerate(parts):
        if isinstance(data, list):
            data = next((d for d in data if d == part or (isinstance(d, dict) and d.get("name") == part)), None)
        elif isinstance(data, dict) and part in data:
            data = data[part]
        else:
            return isinstance(data, str) and part == "name" and number == len(parts) - 1
    return data is not None


def load(path: Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read a configuration file with its bases, apply `KEY=VALUE` overrides, validate and fill.

    Raises InputError with every problem at its place.
    """
    draft = Draft.from_file(path)
    for key in SWEEP_KEYS:
        if key in draft.data:
            raise InputError(f"{path}: this file describes a sweep ('{key}'); run it with: nnexp sweep {path}")
    for text in overrides:
        if names_several(text):
            raise InputError(
                f"command line: {text}: several values for one run; to train one run for each:\n"
                f"    nnexp sweep {path} {' '.join(overrides)}"
            )
    apply_overrides(draft, overrides)
    draft.data.setdefault("name", slug(path.stem))
    return validate(draft, str(path))


def load_data(data: dict[str, Any], name: str) -> Loaded:
    """Validate plain data, such as a filled configuration that was stored with a run."""
    return validate(Draft(Tree(data)), name)


def apply_overrides(draft: Draft, overrides: Iterable[str], source: str = "command line") -> None:
    """Set `KEY=VALUE` values: whole components first, so that the order on the command line does not matter."""
    parsed = [split_override(text, source) for text in overrides]
    seen: set[str] = set()
    for key, _ in parsed:
        if key in seen:
            raise InputError(f"{source}: '{key}' is given twice")
        seen.add(key)
    for key, tree in sorted(parsed, key=lambda item: item[0].count(".")):
        draft.assign(key, tree, list_keys())


@cache
def list_keys() -> frozenset[str]:
    """Dotted keys that hold a list of components."""
    found: set[str] = set()
    for key, field in ExperimentConfig.model_fields.items():
        annotation = field.annotation
        if isinstance(field.default, tuple):
            found.add(key)
        elif isinstance(annotation, type) and issubclass(annotation, Component):
            for cls in members(annotation).values():
                found |= {
                    f"{key}.{name}"
                    for name, inner in cls.model_fields.items()
                    if isinstance(inner.default, tuple) and any(isinstance(v, Component) for v in inner.default)
                }
    return frozenset(found)


def validate(draft: Draft, name: str) -> Loaded:
    """Fill and validate a draft. Raises InputError with every problem at its place."""
    draft = draft.copy()
    _name_defaults(draft)
    _threads_from_environment(draft)
    _resolve_paths(draft)
    try:
        config = ExperimentConfig.model_validate(draft.data)
    except ValidationError as error:
        problems = []
        for one in error.errors():
            path, message, hint, at_key = explain(dict(one), draft.data, ExperimentConfig)
            problems.append(Problem(".".join(map(str, path)), message, hint, at_key))
        raise report(problems, draft, name) from None
    return Loaded(config, draft, name)


def _name_defaults(draft: Draft) -> None:
    """`optimizer: {lr: 0.01}` means the default optimizer."""
    for key, field in ExperimentConfig.model_fields.items():
        value = draft.data.get(key)
        if isinstance(value, dict) and "name" not in value and isinstance(field.default, Component):
            draft.data[key] = {"name": field.default.label(), **value}


def _threads_from_environment(draft: Draft) -> None:
    if "threads" in draft.data:
        return
    for variable in THREAD_VARIABLES:
        text = os.environ.get(variable, "")
        if text.isdigit() and int(text) > 0:
            draft.data["threads"] = int(text)
            draft.values[("threads",)] = Place(f"environment variable {variable}", text=(f"{variable}={text}",))
            return


def _resolve_paths(draft: Draft) -> None:
    """Make the paths of input files absolute: relative to the file they were written in, or to the working folder."""
    dataset = draft.data.get("dataset")
    if not isinstance(dataset, dict):
        return
    member = members(families()["dataset"]).get(str(dataset.get("name")))
    for key in member.input_paths if member else ():
        value = dataset.get(key)
        if not isinstance(value, str):
            continue
        place = draft.place(("dataset", key))
        folder = Path(place.source).parent if place is not None and place.in_file else Path()
        dataset[key] = str((folder / Path(value).expanduser()).resolve())


def slug(text: str) -> str:
    """Text as part of a folder's name: letters, digits, '.', '-' and '_' only, 64 at most.

    >>> slug("my run: lr=0.1/../x")
    'my-run-lr-0.1-x'
    """
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    text = re.sub(r"\.{2,}", "-", text)
    text = re.sub(r"-{2,}", "-", text).strip("-._")
    return text[:64] or "run"


def filled(config: ExperimentConfig) -> dict[str, Any]:
    """The configuration as plain data with every default, names first: what config.yaml holds."""
    return _plain(config.model_dump())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        ordered = {"name": value["name"], **value} if "name" in value else value
        return {key: _plain(inner) for key, inner in ordered.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value


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


def to_yaml(data: dict[str, Any], comment: str = "", width: int = 100) -> str:
    """Plain data as YAML text that `load` reads back to the same, in lines of about `width` characters."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Top-level keys on lines of their own; no anchors; quotes for text that our loader would read otherwise."""

        def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
            node = super().represent_mapping(tag, mapping, flow_style)
            if mapping is data:
                node.flow_style = False
            return node

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = None if isinstance(scalar(text), str) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, text_node)
    style = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": width - 16}
    text = yaml.dump(data, Dumper=Dumper, **style)
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text


def fingerprint(config: ExperimentConfig, data_hash: str) -> str:
    """What a run is known by: its filled configuration but for the name, its data and the engine's version."""
    identity = {key: value for key, value in filled(config).items() if key != "name"}
    text = json.dumps([identity, data_hash, __version__], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
