"""Calibrations that are kept in a runs folder: a JSON file for each configuration and metric, the newest one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnexp.errors import InputError
from nnexp.store.folder import finite, write_whole
from nnexp.store.room import why_not
from nnexp.store.runs import Damaged

START, SPLIT, APART = "start", "split", "apart"
"""What two runs that are compared share: data, split and initial parameters; data and split; nothing."""
FOLDER = ".calibrations"
FORMAT = 1
PARTS: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "created": str,
    "nnexp": str,
    "dataset": str,
    "metric": str,
    "higher_is_better": bool,
    "n": int,
    "config": dict,
    "data": list,
    "drawn": bool,
    "result": dict,
    "sampling": (dict, type(None)),
}
"""What a file holds, and as what."""

REACH, ERRORS = {"n", "kind", "smallest", "low", "high"}, {"n", "kind", "false", "of"}
"""What the rows of two parts of a result have."""
SAMPLING = {"error", "examples", "test_error", "tested"}
"""What is read of how much a score is by its examples."""


@dataclass(frozen=True)
class Kept:
    """A calibration that was made before."""

    path: Path
    name: str
    created: str
    nnexp: str
    """The version that made it."""
    dataset: str
    metric: str
    higher_is_better: bool
    n: int
    """Pairs of the comparisons with itself."""
    config: dict[str, Any]
    """The filled configuration under dotted keys, without the seed."""
    data: list[str]
    """Hashes of the tables that the runs were made on."""
    drawn: bool
    """Whether each seed has a table of its own."""
    result: dict[str, Any]
    """What `Calibration` has, as plain data."""
    sampling: dict[str, Any] | None
    """What `Sampling` has, as plain data."""


def keep(root: Path, document: dict[str, Any]) -> Path:
    """Write a calibration, whole, in the place of an earlier one of this configuration and metric.

    `document` has PARTS. Returns the file. Raises Unwritable where there is no room, InputError where it cannot be
    written.
    """
    told = json.dumps([document["config"], document["metric"]], sort_keys=True)
    path = root / FOLDER / f"{document['name']}-{hashlib.sha256(told.encode()).hexdigest()[:8]}.json"
    text = json.dumps(finite({"format": FORMAT, **document}), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        path.parent.mkdir(exist_ok=True)
        write_whole(path, lambda file: file.write(text.encode()))
    except OSError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(why_not(path.parent, error)) from None
    return path


def kept(root: Path) -> tuple[list[Kept], list[Damaged]]:
    """The calibrations of a runs folder, the oldest first, and the files that cannot be read."""
    found: list[Kept] = []
    damaged: list[Damaged] = []
    try:
        paths = sorted((root / FOLDER).glob("*.json"))
    except OSError:
        return [], []
    for path in paths:
        one = _read(path)
        if isinstance(one, Kept):
            found.append(one)
        else:
            damaged.append(one)
    return sorted(found, key=lambda one: one.created), damaged


def _read(path: Path) -> Kept | Damaged:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        return Damaged(path, f"it cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        return Damaged(path, "it is not valid JSON")
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        return Damaged(path, f"it is no calibration of format {FORMAT}")
    for key, kind in PARTS.items():
        if not isinstance(document.get(key), kind):
            return Damaged(path, f"it has no '{key}', or not as it should be")
    for part, keys in (("reach", REACH), ("errors", ERRORS)):
        rows = document["result"].get(part)
        if not isinstance(rows, list) or not all(isinstance(row, dict) and keys <= row.keys() for row in rows):
            return Damaged(path, f"its '{part}' cannot be read")
    if not {"seeds", "std"} <= document["result"].keys():
        return Damaged(path, "it has no 'seeds' or no 'std'")
    sampling = document["sampling"]
    if sampling is not None and not sampling.keys() >= SAMPLING:
        return Damaged(path, "its 'sampling' cannot be read")
    return Kept(path, **{key: document[key] for key in PARTS})
