"""More epochs from where a finished run ended: what it keeps for that, which runs can go on, and how another begins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from nnexp.config.load import fingerprint
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import compiling
from nnexp.engine.experiment import Experiment
from nnexp.engine.trainer import Trainer
from nnexp.errors import InputError
from nnexp.store.folder import STATE, RunFolder
from nnexp.store.runs import Run

LARGEST = 1 << 20
"""Bytes of a state that is kept where nothing is said."""


def kept(trainer: Trainer) -> dict[str, np.ndarray] | None:
    """A copy of the state at the end, without what model.npz will hold; None where it is not to be kept.

    To be called at the last row, before the parameters of the best epoch are put back.
    """
    wanted = trainer.config.monitor.keep_state
    if wanted is False or trainer.config.schedule.looks_at_end:
        return None
    state = trainer.state()
    prefix = "best." if trainer.restores_best else ""
    for name in ("parameters", *(f"running.{name}" for name in trainer.network.running)):
        del state[prefix + name]
    if wanted is None and sum(array.nbytes for array in state.values()) > LARGEST:
        return None
    return {name: array.copy() for name, array in state.items()}


def hand_over(source: Path, trainer: Trainer, folder: RunFolder) -> bool:
    """Put a new run where the finished run in the folder `source` ended: its trainer, and its rows of metrics.csv.

    False, and nothing has happened, where the files of that run can no longer be read.
    """
    try:
        header, *rows = (source / "metrics.csv").read_text(encoding="utf-8").splitlines(keepends=True)
        state = _whole(trainer, _read(source / STATE), _read(source / "model.npz"))
        ended = json.loads(str(state["numbers"]))["epoch"] - 1
        last = int(rows[-1].partition(",")[0])
    except Exception:  # NumPy and zipfile raise many kinds for what is damaged, gone, or of another network
        return False
    if last != ended:
        return False
    trainer.restore(state)
    due = (trainer.epoch - 1) % trainer.config.monitor.every == 0 or trainer.at_end
    folder.write_rows([header, *(rows if due else rows[:-1])])
    return True


def why_not(config: ExperimentConfig, run: Run) -> str | None:
    """Why an experiment cannot go on from a run of the same configuration with fewer epochs; None where it can.

    Where it can, the bits are those of training from the first epoch.
    """
    if run.status != "finished":
        return f"it has not finished (status {run.status})"
    if config.schedule.looks_at_end:
        return (
            f"schedule: {config.schedule.label()} depends on the number of epochs, so with more of them the first "
            "ones would have been others"
        )
    if not (run.path / STATE).exists():
        return f"it kept no {STATE}; monitor.keep_state: true keeps one, however large"
    watched = config.stop.patience is not None or config.schedule.watched is not None
    if watched and (run.record.get("epoch") or 0) % config.monitor.every:
        return (
            f"its last row, of epoch {run.record['epoch']}, is none of every {config.monitor.every} epochs "
            "(monitor.every), and what watches the rows has seen it"
        )
    here = compiling.form(), compiling.versions()
    if (run.record["form"], run.record["versions"]) != here:
        return "it was trained by other versions or another form of the loops, whose bits may differ"
    return None


def of_more_epochs(experiment: Experiment, run: Run) -> None:
    """Raises InputError unless an experiment is that of a run with more epochs, and can go on from there."""
    known = run.record["config"]["stop"]["epochs"]
    config = experiment.config
    if run.status != "finished":
        raise InputError(f"run {run.id} cannot go on with other values: {why_not(config, run)}")
    if fingerprint(with_epochs(config, known), experiment.data.digest) != run.record["fingerprint"]:
        raise InputError(
            f"run {run.id} cannot go on with these values: nothing but stop.epochs may be another, and data and "
            f"nnexp's version must be the run's; from the first epoch: nnexp train {run.path}/config.yaml KEY=VALUE"
        )
    if config.stop.epochs <= known:
        raise InputError(
            f"stop.epochs: run {run.id} was trained for {known}; more than these are wanted, not {config.stop.epochs}"
        )
    if (why := why_not(config, run)) is not None:
        raise InputError(f"run {run.id} cannot go on with more epochs: {why}")


class Finished:
    """The finished runs of a runs folder, asked for those that more epochs can go on from."""

    def __init__(self, runs: Iterable[Run]):
        self._runs: dict[str, Run] = {}
        self._epochs: dict[object, set[int]] = {}
        for run in runs:
            epochs = run.brief.setting.config.get("stop.epochs")
            if run.brief.status == "finished" and isinstance(epochs, int):
                self._runs[run.brief.fingerprint] = run
                self._epochs.setdefault(run.brief.seed, set()).add(epochs)

    def before(self, config: ExperimentConfig, digest: str) -> Run | None:
        """The run with the most epochs that a configuration with more of them, and these data, can go on from."""
        if config.schedule.looks_at_end:
            return None
        known = self._epochs.get(config.seed, set())
        for epochs in sorted((one for one in known if one < config.stop.epochs), reverse=True):
            run = self._runs.get(fingerprint(with_epochs(config, epochs), digest))
            if run is not None and why_not(config, run) is None:
                return run
        return None


def with_epochs(config: ExperimentConfig, epochs: int) -> ExperimentConfig:
    """The same configuration with another number of epochs."""
    return config.model_copy(update={"stop": config.stop.model_copy(update={"epochs": epochs})})


def _read(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _whole(trainer: Trainer, state: Mapping[str, np.ndarray], model: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A kept state with what it has left to the model: the parameters at the end, or else those of the best epoch."""
    prefix = "best." if "parameters" in state else ""
    network, begun = trainer.network, trainer.network.θ.copy()
    try:
        for name, array in network.value.items():  # views of θ
            array[:] = model[name]
        parameters = network.θ.copy()
    finally:
        network.θ[:] = begun
    running = {f"{prefix}running.{name}": model[f"running.{name}"] for name in network.running}
    return {**state, f"{prefix}parameters": parameters, **running}
