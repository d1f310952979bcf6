"""What a comparison needs of a run: a few values, and the setting that it shares with runs of other seeds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from nnexp.config.flat import flat

COMPUTING = ("nnexp", "numpy", "numba")
"""Whose versions may change what comes out."""


@dataclass(frozen=True)
class Setting:
    """What runs that differ only in their seeds have in common."""

    config: dict[str, Any]
    """The filled configuration under dotted keys; None stands for the seed."""
    metrics: tuple[str, ...]
    """Names of the final scores."""
    higher_is_better: tuple[str, ...]
    made_with: tuple[str, ...] = ()
    """The versions of nnexp and of what computes for it, and the form of the loops."""

    @cached_property
    def text(self) -> str:
        """All of it as JSON; `of` reads it."""
        return json.dumps([self.config, self.metrics, self.higher_is_better, self.made_with])

    @cached_property
    def digest(self) -> bytes:
        return digest_of(self.text.encode())

    @classmethod
    def of(cls, content: list[Any]) -> Setting:
        """From the parsed `text`."""
        config, metrics, higher, made_with = content
        return cls(config, tuple(metrics), tuple(higher), tuple(made_with))


def digest_of(text: bytes) -> bytes:
    """What a setting is known by."""
    return hashlib.blake2b(text, digest_size=16).digest()


class Brief(NamedTuple):
    """A run in brief, as its record tells it."""

    id: str
    name: str
    label: str
    case: str | None
    status: str
    created: str
    epoch: int | None
    step: int | None
    parameters: int | None
    train_seconds: float | None
    fingerprint: str
    data: str
    """Hash of the table that the data were taken from."""
    seed: Any
    """The configuration's seed; None where it has none."""
    scores: list[float | None]
    """The final scores, in the order of the setting's metrics."""
    setting: Setting

    @classmethod
    def of(cls, record: dict[str, Any], known: dict[bytes, Setting] | None = None) -> Brief:
        """A valid record in brief. Its setting is taken from those that are known, or added to them."""
        config = flat(record["config"])
        final = record.get("final") or {}
        seed = config.get("seed")
        if "seed" in config:
            config["seed"] = None
        versions = [f"{name} {record['versions'][name]}" for name in COMPUTING if name in record["versions"]]
        made_with = (*versions, record["form"])
        setting = Setting(config, tuple(final), tuple(record["higher_is_better"]), made_with)
        if known is not None:
            setting = known.setdefault(setting.digest, setting)
        own = [record.get(key) for key in cls._fields[: cls._fields.index("seed")]]
        return cls._make([*own, seed, list(final.values()), setting])
