"""Trains one experiment into one run folder: start, watch, interrupt, resume, finish."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from nnexp.config.load import filled, fingerprint, load_data, to_yaml
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import compiling
from nnexp.engine.data import SPLITS, Data
from nnexp.engine.experiment import Experiment, Unfit
from nnexp.engine.memory import Meter, estimate
from nnexp.engine.surface import kind_of, trainer_of
from nnexp.engine.threads import settle
from nnexp.engine.trainer import Row, Tick, Trainer
from nnexp.errors import InputError
from nnexp.longer import hand_over, kept
from nnexp.store.folder import RunFolder
from nnexp.store.parents import now
from nnexp.store.record import FORMAT
from nnexp.store.room import Unwritable
from nnexp.store.runs import Run, process_mark

Watcher = Callable[[Trainer, Row | Tick], None]
COMPILING = 0.5
"""Seconds of compiling after which the user is told."""
BEAT = 10.0
"""Seconds between two signs of life."""


class Notice:
    """Says once that loops are being compiled, where it takes time."""

    def __init__(self, say: Callable[[str], None]):
        self.say, self.since, self.said = say, 0.0, False

    def look(self, count: int) -> None:
        """`count` loops were compiled up to now, the last of them perhaps not yet to the end."""
        if count and not self.since:
            self.since = monotonic()
        if self.since and not self.said and monotonic() - self.since > COMPILING:
            self.said = True
            self.say("compiling the loops that are needed: once on a machine, a few seconds ...")


@contextmanager
def compiling_told(say: Callable[[str], None]) -> Iterator[None]:
    """While this context is open the user is told when loops are compiled in this process."""
    notice, count = Notice(say), 0

    def heard(name: str) -> None:
        nonlocal count
        count += 1
        notice.look(count)

    before, compiling.on_compile = compiling.on_compile, heard
    try:
        yield
    finally:
        compiling.on_compile = before


def begin(
    experiment: Experiment,
    root: Path,
    label: str = "",
    extra: Mapping[str, Any] | None = None,
    run_id: str | None = None,
) -> RunFolder:
    """Make the folder of a new run; `label` says what differs from its siblings, `extra` goes into run.json."""
    settle(experiment)
    config = experiment.config
    folder = RunFolder.create(root, config.name, label, config.seed, run_id)
    plain = filled(config)
    record = {
        "format": FORMAT,
        "id": folder.id,
        "name": config.name,
        "label": label,
        "seed": config.seed,
        "status": "running",
        "created": now(),
        "fingerprint": fingerprint(config, experiment.data.digest),
        "data": experiment.data.digest,
        "config": plain,
        "columns": experiment.columns,
        "higher_is_better": [c for c in _score_names(experiment) if experiment.higher_is_better(c)],
        **(extra or {}),
        **_surroundings(),
    }
    try:
        write_config(folder, plain)
        folder.write_record(record, durable=False)  # before its first checkpoint there is nothing to lose
    except OSError:  # a full disk, say
        shutil.rmtree(folder.path, ignore_errors=True)
        raise
    return folder


def write_config(folder: RunFolder, plain: Mapping[str, Any]) -> None:
    """A run's config.yaml."""
    comment = f"{folder.path.name}: every default filled in; training it again gives the same numbers"
    folder.write_config(to_yaml(dict(plain), comment))


def train(
    experiment: Experiment,
    folder: RunFolder,
    watch: Watcher = lambda trainer, event: None,
    stop_asked: Callable[[], bool] = lambda: False,
    source: Run | None = None,
) -> dict[str, Any]:
    """Train, or go on from the folder's checkpoint. Returns the final record, which is also in run.json.

    A run without a checkpoint begins where the finished run `source` ended, if there is one that it can go on from
    (`longer.why_not`) and that can still be read.
    `watch` sees each event after it was written; when `stop_asked` says so, a checkpoint is written and the status is
    `interrupted`; so it is on a full disk, as far as that can be written. Any other exception leaves the status
    `failed` with its text, and all go on to the caller.
    """
    started = monotonic()
    folder.tidy()
    before = folder.read_record()
    spent = before.get("wall_seconds") or 0.0
    ending = ("reason", "ended")
    record = {key: value for key, value in before.items() if key not in ending}
    record |= {"status": "running", **_surroundings()}
    if record != before:  # not what `begin` has just written
        folder.write_record(record)
    try:
        with (
            _blas().limit(limits=1, user_api="blas"),
            np.errstate(all="ignore"),
        ):
            experiment.rehearse()
            meter = Meter()
            trainer = trainer_of(experiment)
            threads = experiment.config.threads
            assert threads != "auto"  # `begin` settled it
            state = folder.read_checkpoint()
            if state is not None:
                _restore(trainer, state, folder)
            elif source is not None and hand_over(source.path, trainer, folder):
                record["continued"] = {"run": source.id, "epoch": trainer.epoch - 1}
                spent = source.record.get("wall_seconds") or 0.0
                folder.write_record(record, durable=False)
            else:
                record.pop("continued", None)  # it was, and did not come as far as a checkpoint
            going_on = state is not None or "continued" in record
            folder.open_metrics(experiment.columns, trainer.epoch if going_on else None, trainer.learner.t)
            record["parameters"] = trainer.network.size
            record["examples"] = experiment.examples
            with _blas().limit(limits=trainer.divide(threads), user_api="blas"):
                stopped, at_end = _follow(trainer, folder, watch, stop_asked)
            trainer.divide(1)
            folder.push_rows()
    except BaseException as error:
        if isinstance(error, InputError) and not isinstance(error, Unwritable):
            folder.write_record(before)  # it cannot go on, and nothing was done: what the record said stays true
            raise
        status = "interrupted" if isinstance(error, KeyboardInterrupt | Unwritable) else "failed"
        reason = str(error) if isinstance(error, Unwritable) else f"{type(error).__name__}: {error}".rstrip(": ")
        record |= {"status": status, "reason": reason, "wall_seconds": spent + monotonic() - started}
        with suppress(OSError):  # a full disk, say: the first error is the one to tell
            folder.write_record(record)
        raise
    finally:
        folder.close()
    record["wall_seconds"] = spent + monotonic() - started
    record |= {
        "ended": now(),
        "train_seconds": trainer.seconds,
        "epoch": max(trainer.epoch - 1, 0),
        "step": trainer.learner.t,
    }
    record["memory"] = _memory(experiment, meter)
    if trainer.pretrained:
        record["pretraining"] = trainer.pretrained
    if stopped:
        record |= {"status": "interrupted", "reason": f"interrupted at step {trainer.learner.t}"}
        folder.write_record(record)
        return record
    outcome = trainer.outcome
    assert outcome is not None
    record |= {
        "status": outcome.status,
        "reason": outcome.reason,
        "epoch": outcome.epoch,
        "step": outcome.step,
        "final": outcome.final,
    }
    try:
        if outcome.status == "finished":
            folder.write_model(_model(trainer))
            if at_end is not None:
                folder.write_state(at_end)
        folder.write_record(record)
    except Unwritable as error:
        with suppress(OSError):
            folder.write_record({**record, "status": "interrupted", "reason": str(error), "final": None})
        raise
    folder.remove_checkpoint()
    return record


def _follow(
    trainer: Trainer, folder: RunFolder, watch: Watcher, stop_asked: Callable[[], bool]
) -> tuple[bool, dict[str, np.ndarray] | None]:
    """Write rows and checkpoints as they come due.

    Returns whether training was stopped on request, and what is to be kept of its state at the end.
    """
    at_end = None if trainer.outcome is not None or not trainer.at_end else kept(trainer)
    every = trainer.config.monitor.checkpoint
    saved = beaten = monotonic()
    for event in trainer.run():
        if isinstance(event, Row):
            folder.append(event.values)
            if trainer.at_end:
                at_end = kept(trainer)
        watch(trainer, event)
        if trainer.outcome is not None:
            continue
        if stop_asked():
            folder.write_checkpoint(trainer.state())
            return True, None
        at = monotonic()
        if at - saved >= every:
            folder.write_checkpoint(trainer.state())
            saved = beaten = monotonic()
        if at - beaten >= BEAT:
            folder.beat()
            beaten = at
    return False, at_end


def give_up(path: Path, reason: str) -> None:
    """Record that a run failed whose process is gone."""
    folder = RunFolder(path)
    folder.tidy()
    folder.write_record({**folder.read_record(), "status": "failed", "reason": reason, "ended": now()})


def reopen(
    run: Run, prepared: Callable[[ExperimentConfig], Data | None] = lambda config: None
) -> tuple[Experiment, RunFolder]:
    """What `train` needs to go on with a run that did not end. Raises InputError where it cannot go on.

    `prepared` gives the data of a configuration, where somebody has them.
    """
    if run.status in ("finished", "diverged"):
        raise InputError(
            f"run {run.id} has {run.status}: nothing to resume; to train it again: nnexp train {run.path}/config.yaml"
        )
    if run.status == "running":
        raise InputError(f"run {run.id} is still running (process {run.record['pid']})")
    loaded = load_data(run.record["config"], str(run.path / "run.json"))
    try:
        experiment = kind_of(loaded.config)(loaded.config, prepared(loaded.config))
    except Unfit as unfit:
        raise InputError(f"run {run.id} cannot be resumed: {unfit}") from None
    found = fingerprint(experiment.config, experiment.data.digest)
    if found != run.record["fingerprint"]:
        changed = (
            "the data set" if experiment.data.digest != run.record["data"] else "the configuration or nnexp's version"
        )
        raise InputError(f"run {run.id} cannot be resumed: {changed} has changed since it began")
    return experiment, RunFolder(run.path)


def _restore(trainer: Trainer, state: dict[str, np.ndarray], folder: RunFolder) -> None:
    try:
        trainer.restore(state)
    except (KeyError, ValueError) as error:
        raise InputError(f"{folder.path / 'checkpoint.npz'} does not fit this run: {error}") from None


def _model(trainer: Trainer) -> dict[str, np.ndarray]:
    """The final parameters by name, with running statistics and fitted preprocessing: enough to predict with."""
    arrays = dict(trainer.network.value)
    arrays |= {f"running.{name}": array for name, array in trainer.network.running.items()}
    data = trainer.experiment.data
    for number, fitted in enumerate(data.fitted):
        arrays |= {f"preprocessing{number}.{name}": array for name, array in fitted.arrays().items()}
    if data.classes is not None:
        arrays["classes"] = np.array(data.classes)
    if data.features:  # a surface has no target
        arrays["target.shift"], arrays["target.scale"] = np.array(data.target_shift), np.array(data.target_scale)
    return arrays


def _memory(experiment: Experiment, meter: Meter) -> dict[str, int | None]:
    """Bytes of what this training took: as estimated before, as measured, and with Python and its libraries."""
    peak = None if meter.added is None else meter.added + experiment.data.nbytes
    return {"estimated": sum(estimate(experiment).values()), "peak": peak, "process": meter.whole}


def _score_names(experiment: Experiment) -> list[str]:
    names = ["loss", *(metric.name for metric in experiment.metrics)]
    scored = (*SPLITS, "prequential") if experiment.streams else SPLITS
    return [f"{split}_{name}" for split in scored for name in names]


def here() -> dict[str, Any]:
    """What a record says of the process that trains, for one that follows a run on another machine."""
    found = _surroundings()
    return {key: found[key] for key in ("host", "pid", "process", "command", "git")}


def _surroundings() -> dict[str, Any]:
    """Versions, machine and process, for run.json."""
    return {
        **machine(),
        "form": compiling.form(),
        "pid": os.getpid(),
        "process": _mark(os.getpid()),
        "command": sys.argv[1:],
        "git": _commit(Path.cwd()),
    }


@cache
def machine() -> dict[str, Any]:
    """Versions and machine: the same for all runs of a process."""
    return {
        "versions": compiling.versions(),
        "machine": {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "host": platform.node(),
    }


_mark = cache(process_mark)


@cache
def _blas() -> Any:
    """The control of the BLAS libraries' threads; to look for the libraries takes a millisecond."""
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor()


@cache
def _commit(working: Path) -> str | None:
    """The commit of the git checkout that a folder is in when it is first asked for, read without running git."""
    try:
        for folder in (working, *working.parents):
            head = folder / ".git" / "HEAD"
            if head.is_file():
                text = head.read_text().strip()
                if not text.startswith("ref: "):
                    return text
                return (folder / ".git" / text.removeprefix("ref: ")).read_text().strip()
    except OSError:  # a checkout that cannot be read is no reason not to train
        return None
    return None
