"""How the levels of a comparison are to be judged."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnexp.errors import InputError


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
    pivot: bool = False
    """A table of two keys, one downwards and one across, with their interaction."""
    across: str | None = None
    """The key whose values are tasks, such as dataset: a table for each, and ranks over all of them."""

    def __post_init__(self) -> None:
        if self.margin is not None and not 0 < self.margin < math.inf:
            raise InputError(
                f"--margin: {self.margin:g} is not the size of a difference; give the smallest one that matters, in "
                "units of the metric, as a number above 0, whichever way is better"
            )

    @property
    def explicit(self) -> bool:
        """Whether a verdict was asked for, rather than shown because it can be."""
        return self.baseline is not None or self.margin is not None
