"""What a sweep has to do: every trial validated against its data, what is there already, what is missing."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nnexp.config.load import filled, fingerprint, to_yaml
from nnexp.config.problems import together
from nnexp.engine.surface import kind_of
from nnexp.engine.trainer import Unfit
from nnexp.errors import InputError, Misfit
from nnexp.store.folder import write_whole
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


@dataclass(frozen=True)
class Plan:
    """A sweep's jobs, and its folder below runs/sweeps/."""

    sweep: Sweep
    jobs: list[Job]
    folder: Path
    metrics: list[str]
    """What the runs will be scored by, on every split that they have."""
    shard: Shard | None = None
    """The part of the jobs that is run here; None: all of them."""

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
        return list({job.fingerprint: job for job in self.own if job.done is None}.values())

    def write(self) -> None:
        """The sweep's folder: its description, and the plan that says which runs belong to it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot write to {self.folder}: {error.strerror}; choose another folder with NNEXP_RUNS"
            ) from None
        description = to_yaml(self.sweep.spec, "the sweep as it was expanded")
        write_whole(self.folder / "sweep.yaml", lambda file: file.write(description.encode()))
        runs = [
            {"fingerprint": job.fingerprint, "case": job.trial.case, "seed": job.trial.seed, "label": job.trial.label}
            for job in self.jobs
        ]
        plan = {"started": datetime.now(UTC).isoformat(timespec="microseconds"), "runs": runs}
        text = json.dumps(plan, indent=1) + "\n"
        write_whole(self.folder / "plan.json", lambda file: file.write(text.encode()))


def make_plan(sweep: Sweep, shelf: Shelf, stock: Stock | None = None) -> Plan:
    """Validate every trial against its data. Raises InputError with all misfits, before anything is run."""
    ended, begun = shelf.ended(), shelf.resumable()
    stock = stock or Stock()
    jobs: list[Job] = []
    errors: list[InputError] = []
    metrics: dict[str, None] = {}
    for trial in sweep.trials:
        config = trial.loaded.config
        try:
            experiment = kind_of(config)(config, stock.prepared(config))
        except Misfit as misfit:
            errors.append(trial.loaded.refuse([misfit]))
            continue
        except Unfit as unfit:
            errors.append(trial.loaded.refuse(unfit.misfits))
            continue
        known_by = fingerprint(experiment.config, experiment.data.digest)
        plain = filled(experiment.config)
        jobs.append(Job(trial, plain, known_by, ended.get(known_by), begun.get(known_by)))
        splits = [split for split in ("validation", "train", "test") if len(experiment.data.split(split))]
        names = ["loss", *(metric.name for metric in experiment.metrics)]
        metrics |= dict.fromkeys(f"{split}_{name}" for split in splits for name in names)
    if errors:
        raise together(errors, sweep.trials[0].loaded.name)
    digest = hashlib.sha256(json.dumps([job.fingerprint for job in jobs]).encode()).hexdigest()[:6]
    return Plan(sweep, jobs, shelf.root / SWEEPS / f"{sweep.name}-{digest}", list(metrics))
