"""One run in its folder: logged, interrupted, resumed to the same bytes, and honest about how it ended."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp import __version__, runner
from nnexp.components.preprocessing import Preprocessing
from nnexp.config.load import load
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import trainer as training
from nnexp.engine.experiment import Experiment
from nnexp.engine.trainer import Row, Tick, Trainer
from nnexp.errors import InputError
from nnexp.runner import begin, reopen, train
from nnexp.store.folder import RunFolder
from nnexp.store.record import Record, wrong_with
from tests.past import alter, read
from tests.small import EVERYTHING, RUN, log, model
from tests.variants import described, variants

Watch = Callable[[Trainer, Row | Tick], None]


def experiment(**changes: Any) -> Experiment:
    return Experiment(ExperimentConfig.model_validate({"name": "small", **RUN, **changes}))


def run(root: Path, **changes: Any) -> tuple[Path, dict[str, Any]]:
    """A small run from start to end: its folder and its record."""
    one = experiment(**changes)
    folder = begin(one, root)
    return folder.path, train(one, folder)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# -- what is in the folder -------------------------------------------------------------------------


def test_a_finished_run(tmp_path: Path) -> None:
    folder, record = run(tmp_path, **EVERYTHING)
    assert files(folder) == {"config.yaml", "metrics.csv", "run.json", "model.npz"}
    assert json.loads((folder / "run.json").read_text()) == record
    assert wrong_with(record) is None
    assert set(record) <= set(Record.model_fields), "the record's layout is written in one place"
    one = read(folder)
    assert (one.status, one.name, one.id) == ("finished", "small", folder.name[-6:])
    assert (record["epoch"], record["step"]) == (one.metrics()["epoch"][-1], one.metrics()["step"][-1])
    assert record["versions"]["nnexp"] == __version__
    assert record["columns"] == list(one.metrics())
    assert record["parameters"] == sum(
        int(np.prod(shape)) for name, (_, shape, _) in model(folder).items() if name.startswith(("hidden", "output"))
    )
    assert record["examples"] == 36
    assert 0 < record["train_seconds"] < record["wall_seconds"]
    assert record["created"] < record["ended"]
    assert "validation_accuracy" in record["higher_is_better"]
    assert "validation_loss" not in record["higher_is_better"]


def test_a_run_without_any_choice(tmp_path: Path) -> None:
    _, record = run(tmp_path, stop=1)
    assert (record["label"], record["seed"], record["reason"]) == ("", 0, "1 epoch")


def test_a_run_that_cannot_be_begun_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: RunFolder, record: object, durable: bool = True) -> None:
        (folder.path / ".run.json.half").write_text("{")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunFolder, "write_record", full)
    with pytest.raises(OSError, match="No space left"):
        begin(experiment(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_rows_are_there_as_they_come(tmp_path: Path) -> None:
    one = experiment()
    folder = begin(one, tmp_path)
    seen: list[tuple[int, int]] = []

    def watch(trainer: Trainer, event: Row | Tick) -> None:
        if isinstance(event, Row):
            lines = (folder.path / "metrics.csv").read_text().splitlines()
            values = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
            assert {k: float(v) if v else None for k, v in values.items()} == event.values, "to the last digit"
            seen.append((len(lines) - 1, trainer.learner.t))

    train(one, folder, watch)
    assert seen == [(1, 0), (2, 5), (3, 10), (4, 15), (5, 20)], "the first row comes before the first step"


def test_the_written_config_gives_the_same_numbers(tmp_path: Path) -> None:
    folder, record = run(tmp_path / "first", **EVERYTHING)
    loaded = load(folder / "config.yaml")
    again = Experiment(loaded.config)
    assert again.config.model_dump() == Experiment(loaded.config).config.model_dump()
    second = begin(again, tmp_path / "second")
    found = train(again, second)
    assert (found["fingerprint"], found["final"]) == (record["fingerprint"], record["final"])
    assert log(second.path) == log(folder)
    assert model(second.path) == model(folder)


def test_a_model_predicts_without_nnexp(tmp_path: Path) -> None:
    raw = experiment(dataset={**RUN["dataset"], "preprocessing": "none"}, precision="float64").data.test
    folder, record = run(tmp_path, activation="tanh", stop=20, precision="float64")
    with np.load(folder / "model.npz") as file:
        arrays = dict(file)
    h = (raw.x - arrays["preprocessing0.shift"]) / arrays["preprocessing0.scale"]
    for layer in ("hidden1", "hidden2"):
        h = np.tanh(h @ arrays[f"{layer}.weight"] + arrays[f"{layer}.bias"])
    z = h @ arrays["output.weight"] + arrays["output.bias"]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert np.mean(p.argmax(axis=1) == raw.t) == record["final"]["test_accuracy"]
    assert -np.mean(np.log(p[np.arange(len(raw.t)), raw.t])) == pytest.approx(record["final"]["test_loss"], rel=1e-12)


@pytest.mark.parametrize("step", variants(Preprocessing), ids=described)
def test_a_model_has_the_arrays_of_its_preprocessing(step: Preprocessing, tmp_path: Path) -> None:
    dataset = {**RUN["dataset"], "preprocessing": [{"name": step.label(), **step.model_dump()}]}
    raw = experiment(dataset={**RUN["dataset"], "preprocessing": "none"}, precision="float64").data
    folder, record = run(tmp_path, dataset=dataset, precision="float64", stop=1)
    assert record["status"] == "finished"
    data = experiment(dataset=dataset, precision="float64").data
    with np.load(folder / "model.npz", allow_pickle=False) as file:
        saved = {name.partition(".")[2]: file[name] for name in file if name.startswith("preprocessing0.")}
        assert file["hidden1.weight"].shape[0] == data.train.x.shape[1]
    (fitted,) = data.fitted
    assert set(saved) == set(fitted.arrays())
    np.testing.assert_array_equal(type(fitted)(**saved)(raw.test.x), data.test.x)


# -- stopping and going on -------------------------------------------------------------------------


def stop_after(count: int) -> tuple[Watch, Callable[[], bool]]:
    """A watcher that counts events, and a question that is answered yes after `count` of them."""
    events: list[Row | Tick] = []
    return lambda trainer, event: events.append(event), lambda: len(events) >= count


@pytest.mark.parametrize("count", [1, 2, 6, 7, 12, 13, 19])
def test_resumed_runs_end_alike(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TICK", -1.0)  # an event after each step
    folder, _ = run(tmp_path / "whole", **EVERYTHING)
    one = experiment(**EVERYTHING)
    begun = begin(one, tmp_path / "parts")
    record = train(one, begun, *stop_after(count))
    assert record["status"] == read(begun.path).status == "interrupted"
    assert record["reason"] == f"interrupted at step {record['step']}"
    assert files(begun.path) == {"config.yaml", "metrics.csv", "run.json", "checkpoint.npz"}
    finished = train(*reopen(read(begun.path)))
    assert finished["status"] == "finished"
    assert log(begun.path) == log(folder)
    assert model(begun.path) == model(folder)
    assert files(begun.path) == files(folder)
    assert finished["wall_seconds"] > record["wall_seconds"]


@pytest.mark.parametrize("count", [1, 2, 3, 5, 6, 7, 13, 14])
def test_runs_with_rows_within_epochs_end_alike(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Killed some events after its checkpoint: rows that come again are dropped, those before it stay.
    monkeypatch.setattr(training, "TICK", -1.0)
    fields = {**EVERYTHING, "monitor": {"updates": 3, "checkpoint": 0.0}}
    folder, _ = run(tmp_path / "whole", **fields)
    one = experiment(**fields)
    begun = begin(one, tmp_path / "parts")
    train(one, begun, *stop_after(count))
    checkpoint = (begun.path / "checkpoint.npz").read_bytes()
    train(*reopen(read(begun.path)), *stop_after(4))
    (begun.path / "checkpoint.npz").write_bytes(checkpoint)
    train(*reopen(read(begun.path)))
    assert log(begun.path) == log(folder)
    assert model(begun.path) == model(folder)


@pytest.mark.parametrize("count", [1, 10, 17, 18])
def test_runs_resumed_in_pretraining_end_alike(tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TICK", -1.0)  # 16 events before the first row
    fields = {**EVERYTHING, "pretrain": {"name": "autoencoder", "epochs": 2, "batch": 8}}
    folder, whole = run(tmp_path / "whole", **fields)
    one = experiment(**fields)
    begun = begin(one, tmp_path / "parts")
    record = train(one, begun, *stop_after(count))
    assert (record["status"], "pretraining" in record) == ("interrupted", count > 16)
    finished = train(*reopen(read(begun.path)))
    assert finished["pretraining"] == whole["pretraining"]
    assert [found["layer"] for found in whole["pretraining"]] == ["hidden1", "hidden2"]
    assert wrong_with(finished) is None
    assert set(finished) <= set(Record.model_fields)
    assert log(begun.path) == log(folder)
    assert model(begun.path) == model(folder)


def test_interrupted_again_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "TICK", -1.0)
    folder, _ = run(tmp_path / "whole", **EVERYTHING)
    one = experiment(**EVERYTHING)
    begun = begin(one, tmp_path / "parts")
    times = 0
    while train(one, begun, *stop_after(3))["status"] == "interrupted":
        one, begun = reopen(read(begun.path))
        times += 1
    assert times > 5
    assert log(begun.path) == log(folder)
    assert model(begun.path) == model(folder)


class Crash(Exception):
    """What no run expects."""


def crash_at(event_number: int) -> Watch:
    left = [event_number]

    def watch(trainer: Trainer, event: Row | Tick) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Crash("in the middle")

    return watch


@pytest.mark.parametrize(("checkpoint", "kept"), [(0.0, True), (3600.0, False)])
def test_a_failed_run_goes_on_from_its_last_checkpoint(
    tmp_path: Path, checkpoint: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "TICK", -1.0)
    folder, _ = run(tmp_path / "whole", **EVERYTHING)
    one = experiment(**EVERYTHING, monitor={"checkpoint": checkpoint})
    begun = begin(one, tmp_path / "parts")
    with pytest.raises(Crash):
        train(one, begun, crash_at(15))
    found = read(begun.path)
    assert (found.status, found.record["reason"]) == ("failed", "Crash: in the middle")
    assert ("checkpoint.npz" in files(begun.path)) is kept
    assert not [name for name in files(begun.path) if name.startswith(".")]
    train(*reopen(found))
    assert log(begun.path) == log(folder)
    assert model(begun.path) == model(folder)


def test_a_second_interruption_is_an_interruption(tmp_path: Path) -> None:
    one = experiment()
    folder = begin(one, tmp_path)

    def watch(trainer: Trainer, event: Row | Tick) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(one, folder, watch)
    assert read(folder.path).status == "interrupted"


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = experiment()
    folder = begin(one, tmp_path)
    full = OSError(errno.ENOSPC, "No space left on device")

    def fail(*args: Any) -> None:
        raise full

    def watch(trainer: Trainer, event: Row | Tick) -> None:
        monkeypatch.setattr(RunFolder, "append", fail)
        monkeypatch.setattr(RunFolder, "write_record", fail)

    with pytest.raises(OSError, match="No space left") as raised:
        train(one, folder, watch)
    assert raised.value is full


def test_a_run_that_goes_on_says_nothing_of_its_end(tmp_path: Path) -> None:
    one = experiment()
    folder = begin(one, tmp_path)
    train(one, folder, *stop_after(2))
    seen: list[dict[str, Any]] = []
    again, folder = reopen(read(folder.path))
    train(again, folder, lambda trainer, event: seen.append(folder.read_record()))
    assert {record["status"] for record in seen} == {"running"}
    assert not any("reason" in record or "ended" in record for record in seen)


def test_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "BEAT", -1.0)
    one = experiment()
    folder = begin(one, tmp_path)
    times: list[float] = []

    def watch(trainer: Trainer, event: Row | Tick) -> None:
        times.append((folder.path / "run.json").stat().st_mtime)
        os.utime(folder.path / "run.json", (0, 0))

    train(one, folder, watch)
    assert len(times) == 5
    assert min(times) > 1e9


# -- refusals --------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(tmp_path: Path) -> RunFolder:
    one = experiment()
    folder = begin(one, tmp_path / "runs")
    train(one, folder, *stop_after(2))
    return folder


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: (path / "checkpoint.npz").write_bytes(b"PK"), r"checkpoint\.npz is damaged"),
        (lambda path: np.savez(path / "checkpoint.npz", a=1), r"checkpoint\.npz does not fit this run"),
        (lambda path: (path / "metrics.csv").unlink(), r"metrics\.csv is damaged"),
    ],
)
def test_a_run_that_cannot_go_on_stays_as_it_was(
    interrupted: RunFolder, damage: Callable[[Path], Any], message: str
) -> None:
    before = interrupted.read_record()
    damage(interrupted.path)
    with pytest.raises(InputError, match=message):
        train(*reopen(read(interrupted.path)))
    assert interrupted.read_record() == before
    (interrupted.path / "checkpoint.npz").unlink()
    assert train(*reopen(read(interrupted.path)))["status"] == "finished", "as the message advises"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"status": "finished", "epoch": 1}, r"has finished: nothing to resume; to train it again: nnexp train .*yaml"),
        ({"status": "diverged"}, "has diverged: nothing to resume"),
        ({"status": "running", "pid": os.getpid(), "process": None}, r"is still running \(process \d+\)"),
        ({"data": "another", "fingerprint": "f"}, "cannot be resumed: the data set has changed"),
        ({"fingerprint": "f"}, "cannot be resumed: the configuration or nnexp's version has changed"),
        ({"config": {"dataset": "nothing"}}, "'nothing' is not a dataset"),
    ],
)
def test_what_cannot_be_resumed(interrupted: RunFolder, changes: dict[str, Any], message: str) -> None:
    alter(interrupted.path, **{"pid": os.getpid(), **changes})
    with pytest.raises(InputError, match=message):
        reopen(read(interrupted.path))


def test_data_that_have_gone_or_changed(tmp_path: Path) -> None:
    table = tmp_path / "mine.csv"
    table.write_text("a,b,label\n" + "".join(f"{i},{i * i % 7},{'xy'[i % 2]}\n" for i in range(40)))
    changes = {"dataset": {"name": "csv", "path": str(table), "target": "label"}}
    one = experiment(**changes)
    folder = begin(one, tmp_path / "runs")
    train(one, folder, *stop_after(2))
    text = table.read_text()
    table.write_text(text.replace("39,", "40,"))
    with pytest.raises(InputError, match="the data set has changed"):
        reopen(read(folder.path))
    table.unlink()
    with pytest.raises(InputError, match=r"cannot be resumed: dataset\.path: .*mine\.csv"):
        reopen(read(folder.path))
    table.write_text(text)
    assert train(*reopen(read(folder.path)))["status"] == "finished"


# -- divergence ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", ["diabetes", "digits"])
def test_a_diverged_run_is_recorded(tmp_path: Path, dataset: str) -> None:
    folder, record = run(
        tmp_path, dataset=dataset, optimizer={"name": "sgd", "lr": 1e6}, loss=None, activation="linear"
    )
    assert record["status"] == read(folder).status == "diverged"
    assert record["reason"].endswith(f" at step {record['step']}")
    assert record["step"] >= 1
    assert record["final"] == {}
    assert files(folder) == {"config.yaml", "metrics.csv", "run.json"}
    assert read(folder).metrics()["epoch"][0] == 0


# -- surroundings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "files_", "expected"),
    [
        ("ref: refs/heads/main\n", {"refs/heads/main": "0123abc\n"}, "0123abc"),
        ("0123abc\n", {}, "0123abc"),
        ("ref: refs/heads/packed\n", {}, None),
    ],
)
def test_the_commit_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, files_: dict[str, str], expected: str | None
) -> None:
    for name, text in {"HEAD": head, **files_}.items():
        path = tmp_path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "inside").mkdir()
    monkeypatch.chdir(tmp_path / "inside")
    assert begin(experiment(), tmp_path / "runs").read_record()["git"] == expected
