"""What a search found in each level: the best trial, what fewer trials would have found, and what lies at an edge."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.report.numbers import number, score
from nnexp.report.tables import Column, Grid, headings


@dataclass(frozen=True)
class Found:
    """What the search found in one level."""

    level: dict[str, Any]
    """What sets the level apart: `case`, and dotted keys to values."""
    points: list[dict[str, Any]]
    """Each trial's dotted keys and drawn values."""
    scores: list[float | None]
    """Each trial's score, the mean over its seeds; None for one that diverged, failed or was pruned."""
    best: int | None
    """The number of the best trial; None where none has a score."""
    edges: dict[str, str]
    """Keys whose best value lies at an edge of its range, and which: `lower` or `upper`."""


@dataclass(frozen=True)
class Findings:
    """What a search found, in all levels."""

    metric: str
    higher: bool
    """Whether the metric is to be large."""
    independent: bool
    """Whether the trials were independent draws."""
    levels: list[Found]

    def curve(self, found: Found) -> list[float] | None:
        """The expected best of 1, 2, ... trials; None where it cannot be told from these."""
        return expected_best(found.scores, self.higher) if self.independent else None

    def plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        levels = []
        for found in self.levels:
            trials = [{"values": p, "score": s} for p, s in zip(found.points, found.scores, strict=True)]
            best = None if found.best is None else trials[found.best]
            curve = self.curve(found)
            levels.append({"level": found.level, "best": best, "edges": found.edges, "curve": curve, "trials": trials})
        return {"metric": self.metric, "higher_is_better": self.higher, "levels": levels}


def expected_best(scores: Sequence[float | None], higher: bool) -> list[float] | None:
    """The expected best of k of these n trials, drawn without replacement, for k = 1 to n.

        E[best of k] = sum_{i=k}^n C(i - 1, k - 1) / C(n, k) s_(i),    s_(1) the worst, s_(n) the best

    Where the trials are independent draws, it is an unbiased estimate of what a search with k trials finds. A trial
    without a score counts as the worst that has one. None where no trial has a score.

    Source: R. Tang et al., "Showing your work doesn't always work", ACL 2020.

    >>> expected_best([0.5, 0.9, 0.7], higher=True)
    [0.7, 0.8333333333333333, 0.9]
    """
    known = [s for s in scores if s is not None]
    if not known:
        return None
    worst = min(known) if higher else max(known)
    ordered = sorted((worst if s is None else s for s in scores), reverse=not higher)
    n = len(ordered)
    found = []
    for k in range(1, n + 1):
        weight, parts = k / n, []
        for i in range(n, k - 1, -1):
            parts.append(weight * ordered[i - 1])
            weight *= (i - k) / (i - 1) if i > 1 else 0.0
        found.append(math.fsum(parts))
    return found


def shown_budgets(n: int) -> list[int]:
    """The numbers of trials that a table shows: powers of 2 below n.

    >>> shown_budgets(20)
    [1, 2, 4, 8, 16]
    """
    return [2**power for power in range(20) if 2**power < n]


def table(findings: Findings) -> Grid:
    """A row a level: what was chosen, its score, and the expected best of fewer trials."""
    keys = list(dict.fromkeys(key for found in findings.levels for key in found.level))
    tuned = list(dict.fromkeys(key for found in findings.levels for point in found.points for key in point))
    heads = headings([key for key in (*keys, *tuned) if key != "case"]) | {"case": "case"}
    n = max((len(found.points) for found in findings.levels), default=0)
    budgets = shown_budgets(n) if findings.independent else []
    columns = [Column(key, heads[key], number) for key in keys]
    columns += [Column(f"tuned.{key}", heads[key], number, True) for key in tuned]
    columns += [Column(f"best_of_{k}", f"best of {k}", score, True, 1) for k in budgets]
    columns += [Column("score", f"of all {n}", score, True)]
    rows = []
    for found in findings.levels:
        row: dict[str, Any] = dict(found.level)
        if found.best is not None:
            row |= {f"tuned.{key}": value for key, value in found.points[found.best].items()}
            row["score"] = found.scores[found.best]
        curve = findings.curve(found)
        row |= {f"best_of_{k}": curve[k - 1] for k in budgets} if curve is not None else {}
        row["bad"] = sum(one is None for one in found.scores)
        rows.append(row)
    if any(row["bad"] for row in rows):
        columns.append(Column("bad", "no score", number, True, 1))
    expected = ", as expected of so many trials and as found" if budgets else ""
    return Grid(columns, rows, title=f"tuned by {findings.metric}{expected}", meta={"kind": "tuning"})


def warnings(findings: Findings) -> list[str]:
    """A sentence for each best value that lies at the edge of its range, and for each level without a result."""
    told = []
    for found in findings.levels:
        where = ", ".join(
            f"{key.removesuffix('.name').rsplit('.', 1)[-1]} {number(v)}" for key, v in found.level.items()
        )
        prefix = f"{where}: " if where else ""
        if found.best is None:
            told.append(f"{prefix}none of the {len(found.points)} trials has a score")
            continue
        for key, side in found.edges.items():
            value = number(found.points[found.best][key])
            told.append(
                f"{prefix}the best {key}, {value}, lies at the {side} edge of its range; a wider one may hold a better"
            )
    return told


def best_line(findings: Findings, found: Found) -> str:
    """What the best trial of a level is, in a line."""
    if found.best is None:
        return ""
    settings = found.level | found.points[found.best]
    listed = ", ".join(f"{key}={number(value)}" for key, value in settings.items())
    return f"best of {len(found.points)} trials: {listed}; {findings.metric} {score(found.scores[found.best])}"
