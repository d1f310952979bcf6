"""What a sweep will cost, before it is run: seconds from a few real steps, megabytes, and what its seeds can tell."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from nnexp.config.flat import flat
from nnexp.config.load import load_data
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.surface import kind_of, trainer_of
from nnexp.engine.trainer import Row
from nnexp.longer import kept
from nnexp.report.statistics import detectable_difference
from nnexp.store.runs import Run
from nnexp.sweep.plan import Job

STEPS = 20
"""Updates that are made to measure one."""
TIMES = 3
"""How often they are made."""
PATIENCE = 20.0
"""Seconds after which no further shape is measured; the rest counts as the mean of the others."""
WORKER = 1.5
"""Seconds that a worker process takes to start."""
OVERHEAD = 6_000
"""Bytes of run.json and config.yaml."""
BESIDE = ("seed", "name", "threads", "monitor")
"""Keys in which runs of one setting may differ."""
CELL = 18
"""Bytes of a number in metrics.csv."""


@dataclass(frozen=True)
class Cost:
    """What one run takes: seconds of one process, and bytes that it leaves on the disk."""

    seconds: float
    bytes: float


@dataclass(frozen=True)
class Spread:
    """How much runs differ that differ in nothing but their seeds."""

    std: float
    runs: int
    settings: int


def measure(config: ExperimentConfig) -> Cost:
    """The cost of a run by its first steps and its first row. Pre-training is not counted, an early end not foreseen.

    Raises Unfit for a configuration that cannot be trained.
    """
    import threadpoolctl

    begin = perf_counter()
    stop = config.stop.model_copy(update={"steps": STEPS, "patience": None, "target": None})
    short = config.model_copy(update={"stop": stop, "pretrain": None})
    with threadpoolctl.threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        experiment = kind_of(short)(short)
        prepared = perf_counter()
        experiment.rehearse()
        step = row = made = math.inf
        for _ in range(TIMES):  # the quickest counts: what comes between is not the run's
            before = perf_counter()
            trainer = trainer_of(experiment)
            ready = perf_counter()
            made = min(made, ready - before)
            for number, event in enumerate(trainer.run()):
                if number == 0 and isinstance(event, Row):
                    row = min(row, perf_counter() - ready)
            step = min(step, trainer.seconds / max(trainer.learner.t, 1))
    set_up = (prepared - begin) + made
    an_epoch = trainer.batches.steps
    steps = an_epoch * config.stop.epochs if config.stop.steps is None else config.stop.steps
    rows = 2 + steps // an_epoch // config.monitor.every
    rows += 0 if config.monitor.updates is None else steps // config.monitor.updates
    seconds = set_up + steps * step + (rows + 1) * row
    size = trainer.network.size * trainer.network.dtype.itemsize
    size += sum(array.nbytes for array in (kept(trainer) or {}).values())
    return Cost(seconds, OVERHEAD + size + rows * len(experiment.columns) * CELL)


def shape(config: dict[str, Any]) -> tuple[Any, ...]:
    """What the time of a run depends on: all of its filled configuration but seeds, the name and real numbers."""
    return tuple(
        (key, repr(value))
        for key, value in flat(config).items()
        if key.partition(".")[0] not in ("seed", "streams", "name") and not isinstance(value, float)
    )


def total(jobs: Sequence[Job], of: Sequence[Job], more: int = 0) -> Cost:
    """The cost of all jobs, and of `more` runs like the mean of `of`; one of each shape there is measured."""
    costs: dict[tuple[Any, ...], Cost] = {}
    begin = perf_counter()
    for job in of:
        key = shape(job.config)
        if key not in costs and perf_counter() - begin < PATIENCE:
            costs[key] = measure(load_data(job.config, "the sweep's configuration").config)
    if not costs:
        return Cost(0.0, 0.0)
    known = [costs[key] for job in of if (key := shape(job.config)) in costs]
    mean = Cost(sum(c.seconds for c in known) / len(known), sum(c.bytes for c in known) / len(known))
    parts = [costs.get(shape(job.config), mean) for job in jobs] + [mean] * more
    shares = [job.share for job in jobs] + [1.0] * more
    seconds = math.fsum(c.seconds * share for c, share in zip(parts, shares, strict=True))
    return Cost(seconds, math.fsum(c.bytes for c in parts))


def elapsed(seconds: float, runs: int, workers: int) -> float:
    """Seconds on the clock for so many of computing."""
    used = max(min(workers, runs), 1)
    return seconds / used + (WORKER if used > 1 else 0.0)


def spread(runs: Iterable[Run], dataset: Any, metric: str, higher: bool) -> Spread | None:
    """The pooled standard deviation over seeds of finished runs of a data set; None where no setting has two seeds.

        s^2 = sum_g (n_g - 1) s_g^2 / sum_g (n_g - 1)

    Runs with seeds of their own for some streams are left out. Only the better half of the settings g counts: far from
    the best, where learning rates are too small or too large, runs differ by much more than those that a comparison is
    about.
    """
    wanted, groups = flat({"dataset": dataset}), dict[str, dict[int, float]]()
    known: dict[int, str | None] = {}  # of a setting, which many runs share
    for run in runs:
        setting, value = run.brief.setting, run.final.get(metric)
        if id(setting) not in known:
            own = {key: inner for key, inner in setting.config.items() if key.partition(".")[0] == "dataset"}
            rest = {key: inner for key, inner in setting.config.items() if key.partition(".")[0] not in BESIDE}
            apart = any(key.partition(".")[0] == "streams" for key in setting.config)
            known[id(setting)] = repr(rest) if own == wanted and not apart else None
        group = known[id(setting)]
        if value is None or group is None or run.status != "finished":
            continue
        groups.setdefault(group, {})[run.brief.seed] = value
    several = [list(values.values()) for values in groups.values() if len(values) > 1]
    if not several:
        return None
    several.sort(key=lambda values: math.fsum(values) / len(values), reverse=higher)
    several = several[: (len(several) + 1) // 2]
    squares = math.fsum(float(np.var(values)) * len(values) for values in several)
    freedom = sum(len(values) - 1 for values in several)
    return Spread(math.sqrt(squares / freedom), sum(map(len, several)), len(several))


def tells(seeds: int, found: Spread | None, metric: str, dataset: str) -> tuple[str, float | None]:
    """A sentence on the difference between two levels that so many seeds can detect, and that difference."""
    if seeds < 2:
        return "one seed cannot tell a difference from chance; more with --seeds N", None
    if found is None:
        unknown = f"which difference {seeds} seeds can detect is not known"
        return f"{unknown}: no runs of {dataset} that differ only in their seeds are there", None
    least = detectable_difference(seeds, found.std)
    source = f"{found.runs} runs of {dataset}"
    source += f" in the better {found.settings} settings" if found.settings > 1 else ""
    detected = f"{seeds} seeds detect a difference of {least:.2g} in {metric} four times in five"
    return f"{detected} (at the 5 % level; spread {found.std:.2g}, from {source})", least
