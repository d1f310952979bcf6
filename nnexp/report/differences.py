"""What differs between two runs: their configuration, their surroundings, what came out, and where they part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError
from nnexp.report.firewall import open_to
from nnexp.report.numbers import number
from nnexp.report.tables import Column, Grid
from nnexp.store.runs import Run

if TYPE_CHECKING:
    import numpy as np

ORIGIN = ("data", "form", "versions", "machine", "host", "git", "fingerprint")
"""What a record tells beside configuration and outcome."""
UNTIMED = "seconds"
"""The column of metrics.csv that is another in each run."""


# -- side by side ----------------------------------------------------------------------------------


def origin(record: dict[str, Any]) -> dict[str, Any]:
    """Versions, machine, form and so on under dotted keys."""
    from nnexp.config.load import flat

    return flat({key: record[key] for key in ORIGIN if key in record})


def differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """The keys whose values differ, None for one that is not there."""
    keys = dict.fromkeys([*one, *other])
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def difference(one: Run, other: Run, test: bool = False) -> Grid:
    """A row for each key in which two runs differ, and their scores; those of the test split on request."""
    rows: list[dict[str, Any]] = []
    for what, keys in (
        ("config", differing(one.config, other.config)),
        ("outcome", differing(_outcome(one), _outcome(other))),
        ("origin", differing(origin(one.record), origin(other.record))),
    ):
        if what == "origin" and rows and rows[0]["what"] == "config":
            keys.pop("fingerprint", None)  # it says no more than the configuration does
        rows += [
            {"what": what, "key": key, "a": a, "b": b, "difference": _apart(a, b) if what == "outcome" else None}
            for key, (a, b) in keys.items()
        ]
    for name in open_to(one.final | other.final, test):
        a, b = one.final.get(name), other.final.get(name)
        rows.append({"what": "score", "key": name, "a": a, "b": b, "difference": _apart(a, b)})
    columns = [
        Column("key", "key"),
        Column("a", one.id, number, True),
        Column("b", other.id, number, True),
        Column("difference", "difference", _signed, True),
    ]
    notes = [] if any(row["what"] == "config" for row in rows) else ["the configurations are the same"]
    if one.record["fingerprint"] == other.record["fingerprint"]:
        notes = ["the same computation: configuration, data and version of nnexp are the same"]
    meta = {"kind": "difference", "a": one.id, "b": other.id}
    return Grid([Column("what", "what"), *columns], rows, notes=notes, meta=meta)


def _outcome(run: Run) -> dict[str, Any]:
    keys = ("reason", "epoch", "step", "parameters", "train_seconds")
    return {"status": run.status, **{key: run.record.get(key) for key in keys}}


def _apart(a: Any, b: Any) -> float | None:
    numbers = isinstance(a, int | float) and isinstance(b, int | float)
    return b - a if numbers else None


def _signed(value: Any) -> str:
    return "" if value is None else ("+" if value > 0 else "") + number(value)


# -- trained again ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Parting:
    """The first row of metrics.csv in which two runs differ."""

    epoch: float
    columns: dict[str, tuple[float | None, float | None]]
    """Those that differ there: the first run's value and the second's."""


@dataclass(frozen=True)
class Reproduction:
    """What training a run again has shown."""

    status: tuple[str, str]
    """How the run ended, and how it ended this time."""
    parting: Parting | None
    log: str
    """What else differs in metrics.csv: columns or the number of rows; nothing where nothing does."""
    parameters: dict[str, float | None]
    """Arrays of the model that differ -> by how much at most; None where another shape or type says it all."""
    suspects: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    """What differs in data, versions, machine, threads and form."""

    @property
    def same(self) -> bool:
        return self.status[0] == self.status[1] and not (self.parting or self.log or self.parameters)


def reproduction(old: Run, new: Run) -> Reproduction:
    """Compare a run with another one of the same configuration, to the bit. Raises InputError for unreadable files."""
    parting, log = _compare_logs(old.path / "metrics.csv", new.path / "metrics.csv")
    parameters = _compare_models(old.path / "model.npz", new.path / "model.npz")
    suspects = differing(
        {**origin(old.record), "threads": old.config.get("threads")},
        {**origin(new.record), "threads": new.config.get("threads")},
    )
    return Reproduction((old.status, new.status), parting, log, parameters, suspects)


def _compare_logs(old: Path, new: Path) -> tuple[Parting | None, str]:
    """Two logs cell by cell, as they are written, but for the seconds."""
    (head, *before), (new_head, *after) = _cells(old), _cells(new)
    shared = [name for name in head if name in new_head and name != UNTIMED]
    only = [name for name in (*head, *new_head) if (name in head) != (name in new_head)]
    for row, new_row in zip(before, after, strict=False):
        one, other = dict(zip(head, row, strict=True)), dict(zip(new_head, new_row, strict=True))
        apart = {name: (_value(one[name]), _value(other[name])) for name in shared if one[name] != other[name]}
        if apart:
            epoch = one["epoch"]
            return Parting(int(epoch) if epoch.isdecimal() else float(epoch), apart), ""
    if only:
        return None, f"columns that only one of them has: {', '.join(only)}"
    if len(before) != len(after):
        return None, f"{len(before)} rows, and {len(after)} this time"
    return None, ""


def _cells(path: Path) -> list[list[str]]:
    import csv

    try:
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines(), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not rows or any(len(row) != len(rows[0]) for row in rows) or "epoch" not in rows[0]:
        raise InputError(f"{path} is damaged: rows of different lengths, or no column 'epoch'")
    return rows


def _value(cell: str) -> float | None:
    return float(cell) if cell else None


def _compare_models(old: Path, new: Path) -> dict[str, float | None]:
    """The arrays that differ in a bit. A run that diverged has none."""
    import numpy as np

    one, other = _arrays(old), _arrays(new)
    found: dict[str, float | None] = {}
    for name in dict.fromkeys([*one, *other]):
        a, b = one.get(name), other.get(name)
        if a is None or b is None or (a.dtype, a.shape) != (b.dtype, b.shape):
            found[name] = None
        elif a.tobytes() != b.tobytes():
            numeric = np.issubdtype(a.dtype, np.number)
            found[name] = float(np.max(np.abs(a.astype(float) - b.astype(float)))) if numeric and a.size else None
    return found


def _arrays(path: Path) -> dict[str, np.ndarray]:
    import numpy as np

    if not path.exists():
        return {}
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
        raise InputError(f"{path} is damaged: {error}") from None


def explained(suspects: Sequence[str]) -> list[str]:
    """What to try, given what differs."""
    return [text for key, text in HINTS.items() if any(one.split(".")[0] == key for one in suspects)]


HINTS = {
    "data": "the data are others now: a changed file, or a generator or package of another version",
    "form": "NNEXP_FORM=numpy or =fused chooses the form of the loops",
    "versions": "another NumPy or numba may round otherwise; pip install the versions above to be sure",
    "machine": "another processor may add in another order; on the same one the bits are the same",
}
