"""The runs of `nnexp calibrate`: one configuration against itself, and how far its split of the data can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from nnexp.config.schema import ExperimentConfig
from nnexp.config.yaml import Place, Tree
from nnexp.engine.data import Data
from nnexp.engine.streams import stream
from nnexp.engine.surface import kind_of, trainer_of
from nnexp.report.calibration import Sampling
from nnexp.store.runs import Run
from nnexp.sweep.expand import Sweep, Trial
from nnexp.sweep.stock import Stock
from nnexp.sweep.variance import only_trial

OF_DATA = ("data", "split", "condition")
"""Random streams that say which examples train and which are judged."""
OF_START = ("pretrain", "init")
"""Those that say where training starts."""
NEAR, FAR = 2_000_000, 3_000_000
"""Seeds of the second and of the third runs begin here, where those of comparisons and tunings do not come."""
MODELS = 5
"""Trained models whose scores are resampled."""
RESAMPLES = 200
"""Draws of the examples of a split, for each model."""


def shared(config: ExperimentConfig, near: bool) -> list[str]:
    """The streams that a seed's second run, or its third, takes from its first; but for those that are held fixed."""
    names: tuple[str, ...] = OF_DATA
    if near:
        one_generator = config.initialization.legacy and config.batch.shuffle == "sklearn"
        names += (*OF_START, *(["shuffle"] if one_generator else []))
    return [name for name in names if getattr(config.streams, name) is None]


def threefold(described: Sweep, seeds: int) -> Sweep:
    """The sweep of so many seeds, each trained three times.

    The first run is what `nnexp train` and `nnexp sweep` do with that seed. The second has its data, split and initial
    parameters, the third its data and split; all other streams are drawn anew. Raises InputError for a description of
    several configurations, and with every problem.
    """
    config = only_trial(described, "calibrate").loaded.config
    [level] = described.levels
    place = Place("nnexp calibrate")
    trials: list[Trial] = []
    for seed in range(seeds):
        trials += level.runs([seed], {}, None)
        for near, first in ((True, NEAR), (False, FAR)):
            own: dict[str, Any] = {f"streams.{name}": seed for name in shared(config, near)}
            own["name"] = f"{config.name[:58]}-again"  # a name of their own, so that comparisons by name have none
            fixed = {key: Tree(value, {(): place}, {(): place}) for key, value in own.items()}
            trials += replace(level, fixed={**level.fixed, **fixed}).runs([first + seed], {}, None)
    name = f"{described.name[:51]}-calibration"
    spec = {**described.spec, "calibration": {"seeds": seeds}}
    return replace(described, name=name, spec=spec, trials=trials, measures=True)


def sampling(runs: Sequence[Run], trials: Sequence[Trial], metric: str) -> Sampling | None:
    """How much a score of these finished runs is by the examples that it was measured on; None where that is unknown.

    An accuracy a on M examples has the standard error √(a (1 - a) / M) (binomial). Other metrics are measured again
    on examples drawn with replacement from the split, with saved models of some of the runs (the bootstrap of B.
    Efron 1979). The test split is not looked at: its error is that of the same score on as many examples as it has.
    """
    split, _, name = metric.partition("_")
    if not runs or split != "validation":  # a training score is no sample of what the model has not seen
        return None
    config = trials[0].loaded.config
    stock = Stock()
    data = stock.prepared(config)
    size, tested = len(data.split(split)), len(data.test)
    if not data.features or size < 2:  # a surface has no examples
        return None
    if name == "accuracy":
        known = [value for run in runs if (value := run.final.get(metric)) is not None]
        variance, how = math.fsum(a * (1 - a) for a in known) / len(known) / size, "binomial"
    else:
        chosen = list(zip(runs, trials, strict=True))[:MODELS]
        found = [_resampled(run, trial, stock, split, metric) for run, trial in chosen]
        spread = [one for one in found if one is not None]
        if not spread:
            return None
        variance, how = math.fsum(spread) / len(spread), f"resampled, {len(spread)} models"
    error = math.sqrt(variance)
    return Sampling(split, size, error, how, tested, error * math.sqrt(size / tested) if tested else None)


def _resampled(run: Run, trial: Trial, stock: Stock, split: str, metric: str) -> float | None:
    """The variance of a run's score over draws of its examples; None where its model is not there or does not fit."""
    config = trial.loaded.config
    data: Data = stock.prepared(config)
    trainer = trainer_of(kind_of(config)(config, data))
    try:
        with np.load(run.path / "model.npz", allow_pickle=False) as saved:
            for name, array in trainer.network.kept().items():
                array[:] = saved[name]
    except (OSError, KeyError, ValueError):
        return None
    rng, size = stream(0, "resample"), len(data.split(split))
    drawn = [rng.integers(size, size=size) for _ in range(RESAMPLES)]
    values = np.array([scores[metric] for scores in trainer.rescore(split, drawn)])
    known = values[np.isfinite(values)]
    return float(known.var(ddof=1)) if len(known) > 1 else None
