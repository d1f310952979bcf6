"""Scores of many tasks together: on one scale, their interquartile mean, and the share of runs above a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnexp.report.permutation import SEED
from nnexp.report.statistics import LEVEL

FEWEST_TASKS = 5
"""Tasks below which runs of all tasks together are not summed up."""
REPLICATES = 2_000
"""Bootstrap samples that an interval is read off; fewer where there are very many runs."""
WORK = 200_000
"""Runs times samples beyond which fewer are drawn, though never below a quarter."""
STEPS = 101
"""Scores τ from 0 to 1 at which a profile is computed."""


def on_one_scale(levels: Sequence[Sequence[float | None]], higher: bool) -> list[list[float]]:
    """The scores of one task from 0, its worst run of any level, to 1, its best; runs that failed (None) count as 0.

    Where all scores are the same they are all 1.

    >>> on_one_scale([[0.5, 0.7], [0.6, None]], higher=True)
    [[0.0, 1.0], [0.5, 0.0]]
    """
    known = [v for level in levels for v in level if v is not None]
    worst, best = (min(known, default=0.0), max(known, default=0.0))[:: 1 if higher else -1]

    def place(v: float | None) -> float:
        if v is None:
            return 0.0
        # halves, for the difference of two large numbers may be more than a float holds
        return 1.0 if best == worst else round((v / 2 - worst / 2) / (best / 2 - worst / 2), 12)

    return [[place(v) for v in level] for level in levels]


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float


def interquartile_mean(tasks: Sequence[Sequence[float]]) -> Estimate:
    """The mean of the middle half of all runs of a level, each task weighing the same, with its bootstrap interval.

        IQM = 2 ∫ from 1/4 to 3/4 of Q(u) du,    Q the quantile function of the runs with weights 1 / (tasks runs_task)

    The interval is of a stratified bootstrap: the runs of each task are drawn again with replacement, tasks stay as
    they are, and the 2.5 % and 97.5 % quantiles of 2,000 such means (500 of very many runs) are its ends. With few
    seeds it is too narrow.
    Source: R. Agarwal, M. Schwarzer, P. S. Castro, A. Courville and M. G. Bellemare, "Deep reinforcement learning at
    the edge of the statistical precipice", NeurIPS 2021.
    Differs: their library, rliable, cuts off a whole number of runs at each end (scipy.stats.trim_mean); here a run
    that the cut goes through counts in part. Where the number of runs is a multiple of four both are the same.

    >>> interquartile_mean([[0.0, 0.4], [0.6, 1.0]]).value
    0.5
    """
    values, weights = _together(tasks)
    drawn = _middle(_resampled(tasks), weights)
    low, high = np.quantile(drawn, [LEVEL / 2, 1 - LEVEL / 2])
    return Estimate(round(float(_middle(values[None], weights)[0]), 12), float(low), float(high))


@dataclass(frozen=True)
class Profile:
    """For each score τ the share of runs above it, and the ends of its band."""

    taus: list[float]
    shares: list[float]
    low: list[float]
    high: list[float]


def profile(tasks: Sequence[Sequence[float]]) -> Profile:
    """The performance profile of a level: the share of its runs with a score above τ, each task weighing the same.

        share(τ) = 1 / tasks sum_t 1 / runs_t #{i: x_ti > τ}

    The band is pointwise, of the same stratified bootstrap as `interquartile_mean`'s interval; source as there.

    >>> found = profile([[0.0, 1.0], [0.5, 1.0]])
    >>> [found.shares[found.taus.index(tau)] for tau in (0.0, 0.5, 1.0)]
    [0.75, 0.5, 0.0]
    """
    taus = np.round(np.linspace(0.0, 1.0, STEPS), 12)
    values, weights = _together(tasks)
    drawn = _resampled(tasks)
    each = np.array([(drawn > tau) @ weights for tau in taus])
    low, high = np.quantile(each, [LEVEL / 2, 1 - LEVEL / 2], axis=1)
    shares = [float(round(share, 12)) for share in ((values[None, :] > taus[:, None]) @ weights)]
    return Profile(taus.tolist(), shares, low.tolist(), high.tolist())


def _together(tasks: Sequence[Sequence[float]]) -> tuple[np.ndarray, np.ndarray]:
    """The runs of all tasks, and their weights, which sum to 1."""
    weights = [1 / (len(tasks) * len(runs)) for runs in tasks for _ in runs]
    return np.array([v for runs in tasks for v in runs], dtype=float), np.array(weights)


def _resampled(tasks: Sequence[Sequence[float]]) -> np.ndarray:
    """Rows of runs, drawn with replacement within each task."""
    rng = np.random.default_rng(SEED)
    rows = max(REPLICATES // 4, min(REPLICATES, WORK // sum(map(len, tasks))))
    parts = [np.asarray(runs, float)[rng.integers(len(runs), size=(rows, len(runs)))] for runs in tasks]
    return np.concatenate(parts, axis=1)


def _middle(rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean of each row between its first and third quartile."""
    if weights.min() == weights.max():  # sorting the values alone is quicker
        ordered, of_each = np.sort(rows, axis=1), weights[None]
    else:
        order = np.argsort(rows, axis=1, kind="stable")
        ordered, of_each = np.take_along_axis(rows, order, axis=1), weights[order]
    ends = np.cumsum(of_each, axis=1)
    inside = np.clip(np.minimum(ends, 0.75) - np.maximum(ends - of_each, 0.25), 0.0, None)
    return (ordered * inside).sum(axis=1) / inside.sum(axis=1)
