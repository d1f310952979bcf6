"""What is told of a run to programs that keep runs, whichever it is; and what such a program has to do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from math import isnan
from typing import Any, ClassVar, NamedTuple

from nnexp.errors import InputError
from nnexp.report.firewall import open_to
from nnexp.store.runs import Run

ROW = "epoch"
"""The column of metrics.csv that counts its rows; all others are told as curves."""


class Point(NamedTuple):
    """A row of metrics.csv."""

    epoch: int
    time: float
    """In seconds since 1970: when the run began, and the seconds of training up to here."""
    values: dict[str, float]


@dataclass(frozen=True)
class Account:
    """A run as it is told elsewhere."""

    run: Run
    sweeps: tuple[str, ...]
    """Those that it belongs to, the latest last."""
    params: dict[str, Any]
    """The filled configuration under dotted keys."""
    points: list[Point]
    final: dict[str, float]
    """Scores of the final parameters; those of the test split only on request."""
    begun: float
    ended: float

    @property
    def title(self) -> str:
        return self.run.folder

    @property
    def experiment(self) -> str:
        """What it is put under: its latest sweep, else its name."""
        return self.sweeps[-1] if self.sweeps else self.run.name

    @property
    def tested(self) -> bool:
        """Whether it tells test scores."""
        return open_to(self.final, test=False) != self.final

    @property
    def stamp(self) -> str:
        """Equal for the same run with the same end."""
        record = self.run.record
        return f"{record['created']} {self.run.status} {record.get('ended')}"

    def covered(self, stamp: str | None, tested: bool) -> bool:
        """Whether an export with this stamp, with or without test scores, tells as much."""
        return stamp == self.stamp and (tested or not self.tested)


def account(run: Run, sweeps: Sequence[str] = (), test: bool = False) -> Account:
    """What a run that has ended has to tell. Raises InputError where its files cannot be read."""
    record = run.record
    begun = _moment(run, "created")
    wall = record.get("wall_seconds") or record.get("train_seconds") or 0.0
    ended = max(begun, begun + wall if record.get("ended") is None else _moment(run, "ended"))
    columns = run.metrics()
    points = []
    for number, row in enumerate(columns.get(ROW, [])):
        values = {name: cells[number] for name, cells in columns.items() if name != ROW}
        told = {name: value for name, value in values.items() if value is not None}
        seconds = told.get("seconds", 0.0)
        # a run that goes on from another one's end counts that one's seconds, too
        time = min(begun + (0.0 if isnan(seconds) else seconds), ended)
        points.append(Point(int(row or 0), time, told))
    final = {name: value for name, value in open_to(run.final, test).items() if value is not None}
    return Account(run, tuple(sweeps), run.config, points, final, begun, ended)


def _moment(run: Run, key: str) -> float:
    """Seconds since 1970."""
    try:
        return datetime.fromisoformat(run.record[key]).timestamp()
    except ValueError:
        raise InputError(f"{run.path / 'run.json'}: '{key}' is no time: {run.record[key]}") from None


def text_of(value: Any) -> str:
    """A value as it stands in a YAML file, in one line.

    >>> [text_of(v) for v in (None, True, 0.1, "adam", [64, 32], (0.5, None))]
    ['null', 'true', '0.1', 'adam', '[64, 32]', '[0.5, null]']
    """
    if isinstance(value, list | tuple):
        return f"[{', '.join(text_of(one) for one in value)}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


class Tracker(ABC):
    """A place where runs are kept. A run that is there with the same end is left as it is."""

    name: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]
    """What has to be installed, by the names that are imported; the extra is called as the tracker."""

    def __init__(self, place: str):
        """`place` is what stands behind --out. Raises InputError where that cannot be; nothing is written yet."""
        missing = [package for package in self.packages if find_spec(package) is None]
        if missing:
            raise InputError(
                f"--to {self.name} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
                f"installed: pip install 'nnexp[{self.name}]'"
            )
        self.place = place

    @abstractmethod
    def has(self, account: Account) -> bool:
        """Whether the run is there, whole, and with as much as the account tells. Raises InputError."""

    @abstractmethod
    def write(self, account: Account) -> None:
        """Put a run there, in place of what an earlier export has left of it. Raises InputError."""

    @property
    @abstractmethod
    def look(self) -> str:
        """The command that shows what was written, or the place."""
