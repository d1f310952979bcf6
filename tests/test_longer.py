"""More epochs from a finished run: to the bit what training from the first epoch gives, or refused with the reason."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp import longer
from nnexp.config.load import fingerprint
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.experiment import Experiment
from nnexp.engine.surface import kind_of
from nnexp.engine.trainer import Row, Tick, Trainer
from nnexp.errors import InputError
from nnexp.longer import Finished, of_more_epochs, why_not
from nnexp.runner import begin, reopen, train
from nnexp.store.record import Record, wrong_with
from nnexp.store.runs import Run
from tests.past import alter, read
from tests.small import RUN, log, model

DROPOUT = {"name": "dropout", "rate": 0.3}
STATEFUL: dict[str, Any] = {"optimizer": "adam", "normalization": "batch", "regularization": (DROPOUT, "l2"), "seed": 1}
"""Moments, running statistics, noise."""
SURFACE: dict[str, Any] = {"dataset": {"name": "rosenbrock", "noise": 0.1}, "optimizer": {"name": "adam", "lr": 0.1}}


def experiment(**changes: Any) -> Experiment:
    base = {} if isinstance(changes.get("dataset"), dict) else RUN
    config = ExperimentConfig.model_validate({"name": "small", "threads": 1, **base, **changes})
    return kind_of(config)(config)


def before(runs: list[Run], one: Experiment) -> Run | None:
    return Finished(runs).before(one.config, one.data.digest)


def run(root: Path, epochs: int, stop: dict[str, Any] | None = None, **changes: Any) -> Run:
    """A run from the first to the last of so many epochs."""
    one = experiment(**changes, stop={"epochs": epochs, **(stop or {})})
    folder = begin(one, root)
    train(one, folder)
    return read(folder.path)


def gone_on(
    source: Run, root: Path, epochs: int, stop: dict[str, Any] | None = None, **changes: Any
) -> tuple[Run, list[float]]:
    """A run that goes on from `source`, and the epochs of the rows that it trained itself."""
    one = experiment(**changes, stop={"epochs": epochs, **(stop or {})})
    assert why_not(one.config, source) is None
    of_more_epochs(one, source)
    assert before([source], one) is source
    seen: list[float] = []

    def watch(trainer: Trainer, event: Row | Tick) -> None:
        if isinstance(event, Row):
            seen.append(event.values["epoch"] or 0)

    folder = begin(one, root)
    train(one, folder, watch, source=source)
    return read(folder.path), seen


def state(one: Run) -> dict[str, Any]:
    """state.npz to the bit, but for the seconds."""
    with np.load(one.path / "state.npz", allow_pickle=False) as file:
        found: dict[str, Any] = {name: file[name].tobytes() for name in file.files if name != "numbers"}
        numbers = str(file["numbers"])
    head, _, rest = numbers.partition('"seconds": ')
    return found | {"numbers": head + rest.partition(",")[2]}


SAME = ("status", "reason", "epoch", "step", "final", "parameters", "columns", "fingerprint", "pretraining")

CAN: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "state": (STATEFUL, {}),
    "sgd": ({"optimizer": "sgd"}, {}),
    "float64": ({**STATEFUL, "precision": "float64"}, {}),
    "lbfgs": ({"optimizer": "lbfgs", "batch": "full"}, {}),
    "step by step": ({**STATEFUL, "schedule": {"name": "step", "size": 7, "per": "step", "warmup": 3}}, {}),
    "cosine of a length": ({"schedule": {"name": "cosine", "length": 5}}, {}),
    "plateau": ({"schedule": {"name": "plateau", "patience": 0, "threshold": 0.1}}, {}),
    "a plateau cut later": (
        {"optimizer": {"name": "sgd", "lr": 3.0}, "schedule": {"name": "plateau", "patience": 1}},
        {},
    ),
    "still patient": (STATEFUL, {"patience": 20}),
    "the best is not the last": ({**STATEFUL, "optimizer": {"name": "sgd", "lr": 3.0}}, {"patience": 20}),
    "stopped early": ({**STATEFUL, "optimizer": {"name": "sgd", "lr": 3.0}}, {"patience": 1}),
    "stopped early later": ({**STATEFUL, "optimizer": {"name": "sgd", "lr": 3.0}}, {"patience": 5}),
    "target reached": (
        {"optimizer": {"name": "sgd", "lr": 0.5}},
        {"target": {"metric": "train_loss", "at_most": 0.29}},
    ),
    "target not reached": (STATEFUL, {"target": {"metric": "train_accuracy", "at_least": 1.1}}),
    "target reached later": (
        {"optimizer": {"name": "sgd", "lr": 0.5}},
        {"target": {"metric": "train_loss", "at_most": 0.12}},
    ),
    "stopped by steps": (STATEFUL, {"steps": 18}),
    "later stopped by steps": (STATEFUL, {"steps": 28}),
    "a row left out": ({**STATEFUL, "monitor": {"every": 3}}, {}),
    "a row left out before a target": (
        {"optimizer": {"name": "sgd", "lr": 0.5}, "monitor": {"every": 3}},
        {"target": {"metric": "train_loss", "at_most": 0.12}},
    ),
    "every other row": ({**STATEFUL, "monitor": {"every": 2}}, {"patience": 20}),
    "rows within epochs": ({**STATEFUL, "monitor": {"updates": 2}}, {}),
    "rows within epochs, and every third": ({**STATEFUL, "monitor": {"updates": 2, "every": 3}}, {}),
    "a stream": ({"batch": {"name": "single", "stream": True}, "monitor": {"objective": True}}, {}),
    "pre-trained": ({"pretrain": {"name": "autoencoder", "epochs": 2, "batch": 8}, "regularization": (DROPOUT,)}, {}),
    "scikit-learn's order": ({"batch": {"name": "mini", "size": 8, "shuffle": "sklearn"}}, {}),
    "mixed up": ({**STATEFUL, "augmentation": ("mixup",)}, {}),
    "several threads": ({"regularization": (DROPOUT,), "threads": 2}, {}),
    "a surface": (SURFACE, {}),
}


@pytest.mark.parametrize("name", CAN)
def test_the_same_bits_as_from_the_first_epoch(name: str, tmp_path: Path) -> None:
    changes, stop = CAN[name]
    whole = run(tmp_path / "whole", 9, stop, **changes)
    short = run(tmp_path / "short", 4, stop, **changes)
    before = {path: path.read_bytes() for path in short.path.iterdir()}
    long, seen = gone_on(short, tmp_path / "long", 9, stop, **changes)
    assert {key: long.record.get(key) for key in SAME} == {key: whole.record.get(key) for key in SAME}
    assert log(long.path) == log(whole.path)
    assert model(long.path) == model(whole.path)
    assert state(long) == state(whole)
    assert long.record["continued"] == {"run": short.id, "epoch": short.record["epoch"]}
    assert all(epoch > short.record["epoch"] for epoch in seen), "nothing is trained again"
    assert bool(seen) == (whole.record["epoch"] > short.record["epoch"])
    assert wrong_with(long.record) is None
    assert set(long.record) <= set(Record.model_fields)
    assert before == {path: path.read_bytes() for path in short.path.iterdir()}, "the old run stays as it is"
    assert not (long.path / "checkpoint.npz").exists()


def test_again_and_again(tmp_path: Path) -> None:
    last = run(tmp_path, 1, **STATEFUL)
    for epochs in (2, 3, 7, 9):
        last, _ = gone_on(last, tmp_path, epochs, **STATEFUL)
    whole = run(tmp_path / "whole", 9, **STATEFUL)
    assert (log(last.path), model(last.path), state(last)) == (log(whole.path), model(whole.path), state(whole))
    assert last.record["continued"]["epoch"] == 7


CANNOT: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"schedule": "cosine"}, {}, "schedule: cosine depends on the number of epochs"),
    ({"schedule": "one_cycle"}, {}, "schedule: one_cycle depends on the number of epochs"),
    ({"schedule": "polynomial"}, {}, "schedule: polynomial depends on the number of epochs"),
    ({"monitor": {"keep_state": False}}, {}, "it kept no state.npz; monitor.keep_state: true"),
    ({"monitor": {"every": 3}}, {"patience": 20}, "its last row, of epoch 4, is none of every 3 epochs"),
    ({"monitor": {"every": 3}, "schedule": "plateau"}, {}, "its last row, of epoch 4, is none of every 3 epochs"),
]


@pytest.mark.parametrize(("changes", "stop", "why"), CANNOT)
def test_what_would_have_been_another_run(
    changes: dict[str, Any], stop: dict[str, Any], why: str, tmp_path: Path
) -> None:
    short = run(tmp_path, 4, stop, **changes)
    more = experiment(**changes, stop={"epochs": 9, **stop})
    assert why in (why_not(more.config, short) or "")
    assert before([short], more) is None
    with pytest.raises(InputError, match="cannot go on with more epochs: "):
        of_more_epochs(more, short)


def test_another_form_or_other_versions(tmp_path: Path) -> None:
    short = run(tmp_path, 4)
    for changed in ({"form": "another"}, {"versions": {**short.record["versions"], "numpy": "1.0"}}):
        alter(short.path, **changed)
        assert "other versions or another form" in (why_not(experiment(stop=9).config, read(short.path)) or "")


def test_only_more_epochs_of_the_same(tmp_path: Path) -> None:
    runs = [run(tmp_path, epochs) for epochs in (2, 4, 6)]
    assert before(runs, experiment(stop=5)) is runs[1]
    assert before(runs, experiment(stop=7)) is runs[2]
    assert before(runs, experiment(stop=2)) is None
    assert before(runs, experiment(stop=7, seed=1)) is None
    assert before(runs, experiment(stop=7, optimizer="sgd")) is None
    with pytest.raises(InputError, match=r"nothing but stop\.epochs may be another"):
        of_more_epochs(experiment(stop=7, optimizer="sgd"), runs[0])
    with pytest.raises(InputError, match="was trained for 4; more than these are wanted, not 4"):
        of_more_epochs(experiment(stop=4), runs[1])


def test_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(longer, "LARGEST", 100)
    large = run(tmp_path, 2, optimizer="adam")
    assert not (large.path / "state.npz").exists()
    asked = run(tmp_path, 2, optimizer="adam", monitor={"keep_state": True})
    assert set(state(asked)) == {"numbers", "slot.m", "slot.v", "predicted"}, "the parameters are in model.npz"
    assert asked.record["fingerprint"] == large.record["fingerprint"], "what is kept is no part of what is computed"
    gone_on(asked, tmp_path, 3, optimizer="adam")
    restored = run(tmp_path, 4, {"patience": 20}, optimizer="adam", monitor={"keep_state": True})
    assert set(state(restored)) == {"numbers", "slot.m", "slot.v", "predicted", "parameters"}
    assert experiment().config.monitor.keep_state is None
    assert fingerprint(experiment().config, "") == fingerprint(experiment(monitor={"keep_state": True}).config, "")


@pytest.mark.parametrize("damaged", ["state.npz", "model.npz", "metrics.csv"])
def test_what_cannot_be_read_is_trained_again(damaged: str, tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", 9, **STATEFUL)
    short = run(tmp_path, 4, **STATEFUL)
    path = short.path / damaged
    if damaged == "metrics.csv":  # without its last row
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    else:
        os.truncate(path, path.stat().st_size // 2)
    one = experiment(**STATEFUL, stop=9)
    folder = begin(one, tmp_path)
    record = train(one, folder, source=short)
    assert "continued" not in record
    assert (log(folder.path), model(folder.path)) == (log(whole.path), model(whole.path))


class Crash(BaseException):
    """What ends a process."""


def test_killed_before_and_after_its_first_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", 9, **STATEFUL)
    short = run(tmp_path, 4, **STATEFUL)

    def crash(trainer: Trainer, event: Row | Tick) -> None:
        raise Crash

    def killed(folder: Any) -> None:
        """As a killed process leaves it."""
        alter(folder.path, status="running", pid=2**31 - 1)

    one = experiment(**STATEFUL, stop=9)
    folder = begin(one, tmp_path)
    with pytest.raises(Crash):
        train(one, folder, crash, source=short)
    killed(folder)
    assert read(folder.path).record["continued"]["run"] == short.id
    # without its source it begins anew, and says so
    one, folder = reopen(read(folder.path))
    with pytest.raises(Crash):
        train(one, folder, crash)
    assert "continued" not in read(folder.path).record
    killed(folder)
    # with it, it goes on; and from its own checkpoint without
    one, folder = reopen(read(folder.path))
    asked = iter([False, True])
    assert train(one, folder, stop_asked=lambda: next(asked), source=short)["epoch"] == 6
    record = train(*reopen(read(folder.path)))
    assert record["continued"] == {"run": short.id, "epoch": 4}
    assert (log(folder.path), model(folder.path)) == (log(whole.path), model(whole.path))
