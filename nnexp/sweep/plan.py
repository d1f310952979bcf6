"""What a sweep has to do: every trial validated against its data, what is there already, what is missing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnexp.config.load import filled, fingerprint
from nnexp.config.problems import together
from nnexp.engine.experiment import Experiment, Unfit
from nnexp.engine.surface import kind_of
from nnexp.errors import InputError, Misfit
from nnexp.longer import Finished
from nnexp.report.rows import named_metric
from nnexp.store.folder import CHECKPOINT
from nnexp.store.runs import SWEEPS, Run, Shelf
from nnexp.sweep.expand import Sweep, Trial
from nnexp.sweep.shard import Shard
from nnexp.sweep.stock import Stock


@dataclass(frozen=True)
class Job:
    """A trial with what it is known by, and the earlier run that makes it unnecessary or can be gone on with."""

    trial: Trial
    config: dict[str, Any]
    fingerprint: str
    done: Run | None
    begun: Run | None
    source: Run | None = None
    """A finished run with fewer epochs that a new one can go on from."""
    pause: int | None = None
    """The epoch to stop after, with a checkpoint; null: none."""
    settled: bool = False
    """Whether a search has decided that it does not go on."""

    @property
    def share(self) -> float:
        """The share of its epochs that is still to be trained, as far as a run with fewer epochs tells."""
        done = 0 if self.source is None else self.source.brief.epoch or 0
        return 1 - done / self.config["stop"]["epochs"]


@dataclass(frozen=True)
class Plan:
    """A sweep's jobs, and its folder below runs/sweeps/."""

    sweep: Sweep
    jobs: list[Job]
    folder: Path
    metrics: dict[str, bool]
    """What the runs will be scored by, on every split that they have, and whether it is to be large."""
    shard: Shard | None = None
    """The part of the jobs that is run here; None: all of them."""
    part: str = ""
    """What stands behind the sweep's name where it has two folders: `-tuning`, or nothing."""
    chance: dict[str, float] = field(default_factory=dict)
    """What a guess scores that knows nothing, by those metrics of which that is known."""

    @property
    def own(self) -> list[Job]:
        """The jobs that are run here."""
        return self.jobs if self.shard is None else self.shard.of(self.jobs)

    @property
    def share(self) -> str:
        """What part of the whole is run here, for behind the number of all runs; nothing where it is all."""
        return "" if self.shard is None else f", {len(self.own)} in shard {self.shard}"

    @property
    def missing(self) -> list[Job]:
        """What is to be run; the same computation only once."""
        return list({job.fingerprint: job for job in self.own if job.done is None and not job.settled}.values())

    @property
    def longer(self) -> int:
        """How many of the missing go on from a finished run with fewer epochs."""
        return sum(job.source is not None for job in self.missing)

    def told(self, shelf: Shelf) -> bool:
        """Whether these runs tell what the sweep came to: with a shard, once those of the others are here, too."""
        ended = shelf.ended() if self.shard is not None else {}
        return self.shard is None or all(job.fingerprint in ended for job in self.jobs)

    def judged_by(self, word: str | None) -> str:
        """The metric that a word means, or the one that `nnexp compare` chooses. Raises InputError."""
        if word is not None:
            return named_metric(word, list(self.metrics))
        large = (name for split in ("validation", "train") for name in self.metrics if name.startswith(split))
        return next((name for name in large if self.metrics[name]), next(iter(self.metrics)))


def make_plan(
    sweep: Sweep,
    shelf: Shelf,
    trials: Sequence[Trial] | None = None,
    suffix: str = "",
    stock: Stock | None = None,
    far: bool = False,
) -> Plan:
    """Validate every trial against its data: those of the sweep, or others of it, in a folder of their own.

    Where seeds share one table, the first seed of each configuration speaks for the others. Where its runs train `far`
    away, on machines that have none of the finished runs, they begin with their first epoch. Raises InputError with all
    misfits, before anything is run.
    """
    ended, begun, finished = shelf.ended(), shelf.resumable(), Finished(shelf.runs)
    stock = stock or Stock()
    jobs: list[Job] = []
    errors: list[InputError] = []
    metrics: dict[str, bool] = {}
    chance: dict[str, float] = {}
    chosen = sweep.trials if trials is None else trials
    fit: dict[str, Experiment] = {}
    for trial in chosen:
        config = trial.loaded.config
        but_for_the_seed = config.model_copy(update={"seed": 0}).model_dump_json()
        experiment = fit.get(but_for_the_seed)
        if experiment is None:
            try:
                experiment = kind_of(config)(config, stock.prepared(config))
            except Misfit as misfit:
                errors.append(trial.loaded.refuse([misfit]))
                continue
            except Unfit as unfit:
                errors.append(trial.loaded.refuse(unfit.misfits))
                continue
            if not experiment.data.drawn:
                fit[but_for_the_seed] = experiment
        complete = experiment.config.model_copy(update={"seed": config.seed})
        known_by = fingerprint(complete, experiment.data.digest)
        done, going = ended.get(known_by), begun.get(known_by)
        whole = done or (going and (going.path / CHECKPOINT).exists())
        source = None if whole or far else finished.before(complete, experiment.data.digest)
        jobs.append(Job(trial, filled(complete), known_by, done, going, source))
        splits = [split for split in ("validation", "train", "test") if len(experiment.data.split(split))]
        names = ["loss", *(metric.name for metric in experiment.metrics)]
        scores = [f"{split}_{name}" for split in splits for name in names]
        metrics |= {score: experiment.higher_is_better(score) for score in scores if score not in metrics}
        chance |= {f"{split}_{name}": value for split in splits for name, value in experiment.chance.items()}
    if errors:
        raise together(errors, chosen[0].loaded.name)
    digest = hashlib.sha256(json.dumps(identity_of(sweep, jobs)).encode()).hexdigest()[:6]
    folder = shelf.root / SWEEPS / f"{sweep.name}{suffix}-{digest}"
    return Plan(sweep, jobs, folder, metrics, part=suffix, chance=chance)


def identity_of(sweep: Sweep, jobs: Sequence[Job]) -> Any:
    """What makes a sweep the same sweep: its runs, or its description where the runs go by what came out."""
    if sweep.by_results:
        return {key: value for key, value in sweep.spec.items() if key not in ("limits", "claim")}
    return sorted({job.fingerprint for job in jobs})
