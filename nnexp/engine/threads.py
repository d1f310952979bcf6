"""How many threads one training run takes, where the configuration leaves it to a measurement (`threads: auto`)."""

from __future__ import annotations

import os
from time import perf_counter

import numpy as np
import threadpoolctl

from nnexp.engine.experiment import Experiment
from nnexp.engine.surface import trainer_of
from nnexp.engine.trainer import Trainer

WORTH = 2.0
"""Seconds of training below which one thread is taken without trying others."""
TRIAL = 0.03
"""Seconds that a number of threads is tried for in a round, or one step where that takes longer."""
ROUNDS = 3
GAIN = 0.95
"""More threads must be quicker than by this factor: they leave less to other programs."""


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def settle(experiment: Experiment) -> None:
    """Put the quickest number of threads in place of `auto`, from then on part of the configuration."""
    if experiment.config.threads == "auto":
        chosen = _quickest(experiment)
        experiment.config = experiment.config.model_copy(update={"threads": chosen})


def _quickest(experiment: Experiment) -> int:
    """One thread, or as many as there are cores, by the time of real steps on a network that is thrown away."""
    if cores() == 1 or not experiment.data.features:
        return 1
    with threadpoolctl.threadpool_limits(1, user_api="blas"), np.errstate(all="ignore"):
        experiment.rehearse()
        trainer = trainer_of(experiment)
        if _pace(trainer, 1, trial=TRIAL / 10) * trainer.total_steps < WORTH:
            return 1
        choices = sorted({1, 2, cores()})
        paces = [[_pace(trainer, threads) for threads in choices] for _ in range(ROUNDS)]
        trainer.divide(1)
    best = dict(zip(choices, np.min(paces, axis=0).tolist(), strict=True))
    return min(choices, key=lambda threads: best[threads] * (GAIN if threads == 1 else 1.0))


def _pace(trainer: Trainer, threads: int, trial: float = TRIAL) -> float:
    """Seconds a step, over `trial` seconds or more."""
    with threadpoolctl.threadpool_limits(trainer.divide(threads), user_api="blas"):
        span = next(iter(trainer.batches.indices(1)))
        trainer.learner.play(span[:1], [0.0])  # builds the tapes, and wakes the threads
        seconds, steps, count = 0.0, 0, 1
        while seconds < trial:
            index = span[:count]
            started = perf_counter()
            trainer.learner.play(index, [0.0] * len(index))
            seconds += perf_counter() - started
            steps += len(index)
            count *= 2
    return seconds / steps
