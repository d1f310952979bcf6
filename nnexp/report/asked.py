"""How the levels of a comparison are to be judged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnexp.errors import InputError, did_you_mean

SUMMARIES = ("last", "best", "area")
"""What a run can be judged by: its final score, the best of its rows, the mean height of its curve."""
MATCHES = ("params", "updates", "seconds")
"""What levels can be given equal shares of."""


@dataclass(frozen=True)
class Asked:
    """How levels are to be judged."""

    baseline: str | None = None
    """The level that the others are compared with; None for the first in the order of the runs."""
    margin: float | None = None
    """The smallest difference that matters."""
    allow_confounded: bool = False
    test: bool = False
    """Show test scores, too; a look that is to be recorded."""
    summary: str = "last"
    """What of a run is judged: one of SUMMARIES."""
    x: str | None = None
    """The axis of an area and of a time to target, as report/axes.py names them; None for epochs."""
    reach: float | None = None
    """Judge when the metric is first as good as this, rather than how good it is."""
    match: str | None = None
    """Compare at equal: one of MATCHES."""
    pivot: bool = False
    """A table of two keys, one downwards and one across, with their interaction."""
    across: str | None = None
    """The key whose values are tasks, such as dataset: a table for each, and ranks over all of them."""

    def __post_init__(self) -> None:
        for option, word, words in (("--summary", self.summary, SUMMARIES), ("--match", self.match, MATCHES)):
            if word is not None and word not in words:
                raise InputError(f"{option}: '{word}' is not one of {', '.join(words)}{did_you_mean(word, words)}")
        if self.x is not None:
            from nnexp.report.axes import axis_of

            axis_of(self.x)
            if self.reach is None and self.summary != "area":
                raise InputError("--x is the axis of --summary area and of --reach; give one of them with it")
        if self.reach is not None and not math.isfinite(self.reach):
            raise InputError(f"--reach: {self.reach:g} is no score to reach; give a number, such as 0.95")
        if self.reach is not None and self.summary != "last":
            raise InputError("--reach judges when a score is reached and --summary what it is; give one of them")
        if self.margin is not None and not 0 < self.margin < math.inf:
            raise InputError(
                f"--margin: {self.margin:g} is not the size of a difference; give the smallest one that matters, in "
                "units of the metric, as a number above 0, whichever way is better"
            )

    @property
    def curves(self) -> bool:
        """Whether more than the final scores must be read."""
        return self.summary != "last" or self.reach is not None or self.match in ("updates", "seconds")

    @property
    def explicit(self) -> bool:
        """Whether a verdict was asked for, rather than shown because it can be."""
        return self.baseline is not None or self.margin is not None


@dataclass(frozen=True)
class Wanted:
    """Which table of levels is wanted."""

    keys: list[str]
    """Whose values the levels are."""
    metric: str | None
    """None where no run has finished."""
    config: Sequence[str]
    """The columns that hold configuration."""
    sort: str | None
    """The column that rows are in the order of, a - in front for the largest first; None for the best first."""
    top: int | None
    """How many rows are shown; None for all."""
    asked: Asked
