"""`nnexp train`: what it prints, how it ends, and that nothing but the plug stops it from going on where it was."""

from __future__ import annotations

import csv
import errno
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from nnexp.store.folder import RunFolder
from tests.command import Outcome, folders, nnexp, nnexp_process, start, until
from tests.past import alter, read
from tests.small import EVERYTHING, config_file, log, model

LONG: dict[str, Any] = {
    **EVERYTHING,
    "stop": {"epochs": 2000, "patience": 2000},
    "monitor": {"checkpoint": 0},
}
"""Some seconds of work, with a checkpoint after each epoch; the best epoch is remembered."""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return config_file(tmp_path)


def the_run(folder: Path) -> Path:
    """The one run folder."""
    [found] = folders(folder / "runs")
    return found


# -- what it prints --------------------------------------------------------------------------------


def test_rows_within_an_epoch(small: Path, tmp_path: Path) -> None:
    result = nnexp("train", small, "stop=1", "monitor.updates=2", cwd=tmp_path)
    assert result.code == 0
    told = [line.split()[1] for line in result.err.splitlines() if line.startswith("epoch")]
    assert told == ["0/1", "0.40/1", "0.80/1", "1/1"]
    run = read(the_run(tmp_path))
    assert run.metrics()["epoch"] == [0, 0.4, 0.8, 1]
    shown = nnexp("show", run.id, cwd=tmp_path)
    assert (shown.code, "train_loss and validation_loss by epoch" in shown.out) == (0, True)
    for words in (("compare", run.id), ("runs",), ("plot", "curves", run.id, "-o", "c.svg")):
        assert nnexp(*words, cwd=tmp_path).code == 0, words


def test_a_run(small: Path, tmp_path: Path) -> None:
    result = nnexp("train", small, cwd=tmp_path)
    assert result.code == 0
    folder = the_run(tmp_path)
    run = read(folder)
    lines = result.err.splitlines()
    assert lines[0] == f"writing runs/{folder.name}"
    assert [line.split()[1] for line in lines if line.startswith("epoch")] == ["0/4", "1/4", "2/4", "3/4", "4/4"]
    assert f"nnexp show {run.id}" in lines[-1]
    assert "nnexp compare small" in lines[-1]
    table = [line.split() for line in result.out.splitlines()]
    assert table[0] == ["split", "examples", "loss", "accuracy"]
    assert [row[:2] for row in table[1:]] == [["train", "36"], ["validation", "12"]]
    assert float(table[2][2]) == pytest.approx(run.final["validation_loss"], abs=1e-4)
    assert f"test scores, when the choice is made: nnexp show {run.id} --test (each look is counted)" in lines
    assert "test_loss" in run.final


def test_a_stream(small: Path, tmp_path: Path) -> None:
    result = nnexp("train", small, "batch={name: single, stream: true}", "stop=1", cwd=tmp_path)
    assert result.code == 0, result.err
    run = read(the_run(tmp_path))
    table = [line.split() for line in result.out.splitlines()]
    assert [row[:2] for row in table[1:]] == [
        ["train", "36"],
        ["validation", "12"],
        ["prequential", "36"],
    ]
    assert float(table[3][3]) == pytest.approx(run.final["prequential_accuracy"], abs=1e-4)
    assert run.metrics()["prequential_accuracy"] == [None, run.final["prequential_accuracy"]]
    assert "prequential_accuracy" in run.record["higher_is_better"]
    compared = nnexp("compare", "--metric", "prequential_accuracy", "--format", "csv", cwd=tmp_path)
    assert str(run.final["prequential_accuracy"]) in compared.out


def test_good_enough(small: Path, tmp_path: Path) -> None:
    words = (
        "stop.target.metric=train_accuracy",
        "stop.target.at_least=0.8",
        "stop.target.every=1",
        "optimizer.lr=0.01",
    )
    result = nnexp("train", small, *words, cwd=tmp_path)
    assert result.code == 0, result.err
    run = read(the_run(tmp_path))
    step, epoch = run.record["step"], run.record["epoch"]
    assert step % 5 > 0, "within an epoch"
    assert run.metrics()["step"][-1] == step
    assert run.metrics()["train_accuracy"][-1] == run.final["train_accuracy"] >= 0.8
    score = f"{run.final['train_accuracy']:.4g}"
    reason = f"train_accuracy at least 0.8 reached ({score}) at step {step}, in epoch {epoch}"
    assert run.record["reason"] == reason
    assert reason in result.err


def test_a_long_run_prints_a_few_lines(small: Path, tmp_path: Path) -> None:
    result = nnexp("train", small, "stop=500", cwd=tmp_path)
    shown = [line for line in result.err.splitlines() if line.startswith("epoch")]
    assert 8 <= len(shown) <= 15
    assert shown[-1].startswith("epoch 500/500")
    assert len(read(the_run(tmp_path)).metrics()["epoch"]) == 501, "but logs every epoch"


def test_quiet(small: Path, tmp_path: Path) -> None:
    assert nnexp("train", small, "-q", cwd=tmp_path) == Outcome(0, "", "")
    assert read(the_run(tmp_path)).status == "finished"


def test_json(small: Path, tmp_path: Path) -> None:
    result = nnexp("train", small, "--format", "json", cwd=tmp_path)
    folder = the_run(tmp_path)
    record = read(folder).record
    final = {name: value for name, value in record["final"].items() if not name.startswith("test_")}
    assert len(final) == 4
    assert result.json == {"path": f"runs/{folder.name}", **record, "final": final}
    assert "epoch 4/4" in result.err


def test_overrides_are_in_the_name_and_the_record(small: Path, tmp_path: Path) -> None:
    nnexp("train", small, "optimizer=sgd", "-S", "optimizer.lr=0.5", "seed=3", cwd=tmp_path)
    run = read(the_run(tmp_path))
    assert run.path.name.startswith("small-optimizer-sgd-seed-3-lr-0.5-s3-")
    assert (run.config["optimizer.name"], run.config["optimizer.lr"], run.record["seed"]) == ("sgd", 0.5, 3)
    assert run.record["command"][0] == "train"


def test_where_runs_are_kept(small: Path, tmp_path: Path) -> None:
    for number, (words, environment) in enumerate(
        [((), {}), ((), {"NNEXP_RUNS": "by_variable"}), (("--runs", "by_option"), {"NNEXP_RUNS": "not_here"})]
    ):
        assert nnexp("train", small, *words, cwd=tmp_path, **environment).code == 0
        assert len(list(tmp_path.glob("*/*/run.json"))) == number + 1
    assert [len(folders(tmp_path / name)) for name in ("runs", "by_variable", "by_option")] == [1, 1, 1]


# -- the same numbers ------------------------------------------------------------------------------


def test_another_process_gives_the_same_bytes(tmp_path: Path) -> None:
    path = config_file(tmp_path, **EVERYTHING)
    assert nnexp("train", path, "--runs", "here", "-q", cwd=tmp_path).code == 0
    assert nnexp_process("train", path, "--runs", "there", "-q", cwd=tmp_path) == Outcome(0, "", "")
    [here], [there] = folders(tmp_path / "here"), folders(tmp_path / "there")
    assert log(here) == log(there)
    assert model(here) == model(there)
    written = there / "config.yaml"
    assert nnexp("train", written, "--runs", "again", "-q", cwd=tmp_path).code == 0
    [again] = folders(tmp_path / "again")
    assert log(again) == log(here)


# -- stopped and gone on with ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The long run as it is when nothing happens. How often a checkpoint is written changes no number."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = config_file(folder, **{**LONG, "monitor": {"checkpoint": 3600}})
    assert nnexp("train", path, "-q", cwd=folder).code == 0
    return the_run(folder)


def rows(root: Path) -> int:
    return sum(path.read_text().count("\n") for path in root.glob("*/metrics.csv"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "status"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "interrupted"), (signal.SIGKILL, -9, "lost")],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_stopped_run_goes_on_to_the_same_bytes(
    tmp_path: Path, undisturbed: Path, number: signal.Signals, code: int, status: str
) -> None:
    path = config_file(tmp_path, **LONG)
    with start("train", path, cwd=tmp_path) as process:
        until(lambda: rows(tmp_path / "runs") > 100, process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    folder = the_run(tmp_path)
    run = read(folder)
    assert (process.returncode, run.status, out) == (code, status, "")
    assert 100 <= len(run.metrics()["epoch"]) < 2001
    assert "Traceback" not in err
    if status == "interrupted":
        assert err.splitlines()[-1] == f"{run.record['reason']}; go on with: nnexp train --resume {run.id}"
    again = nnexp("train", "--resume", run.id, cwd=tmp_path)
    assert again.code == 0
    assert log(folder) == log(undisturbed)
    assert model(folder) == model(undisturbed)
    assert {p.name for p in folder.iterdir()} == {"config.yaml", "metrics.csv", "run.json", "model.npz"}


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """The folder of a run that was interrupted after two rows."""
    path = config_file(tmp_path, **EVERYTHING)
    append = RunFolder.append

    def append_and_interrupt(folder: RunFolder, row: Mapping[str, Any]) -> None:
        append(folder, row)
        if row["epoch"] == 1:
            signal.raise_signal(signal.SIGINT)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunFolder, "append", append_and_interrupt)
        result = nnexp("train", path, cwd=tmp_path)
    assert result.code == 130
    return the_run(tmp_path)


def test_resume_by_name_folder_or_last(tmp_path: Path, interrupted: Path) -> None:
    result = nnexp("train", "--resume", "@last", "--format", "json", cwd=tmp_path)
    assert (result.code, result.json["status"]) == (0, "finished")
    for word in ("@last", "small", interrupted.name, f"runs/{interrupted.name}"):
        result = nnexp("train", "--resume", word, cwd=tmp_path)
        assert (result.code, result.out) == (2, "")
        assert "has finished: nothing to resume; to train it again: nnexp train " in result.err


def test_a_damaged_checkpoint_is_named(tmp_path: Path, interrupted: Path) -> None:
    checkpoint = interrupted / "checkpoint.npz"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    before = (interrupted / "run.json").read_bytes()
    result = nnexp("train", "--resume", "@last", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert f"{interrupted.name}/checkpoint.npz is damaged" in result.err
    assert read(interrupted).record["reason"].startswith("interrupted at step")
    assert before == (interrupted / "run.json").read_bytes()


def test_a_run_under_way_is_left_alone(tmp_path: Path, interrupted: Path) -> None:
    alter(interrupted, status="running", pid=os.getpid())
    result = nnexp("train", "--resume", "@last", cwd=tmp_path)
    assert result.code == 2
    assert f"is still running (process {os.getpid()})" in result.err


def test_resume_takes_a_run_as_it_is(tmp_path: Path, small: Path, interrupted: Path) -> None:
    for words, told in (((small,), "give no configuration"), (("-S", "seed=3"), "it has not finished (status inter")):
        result = nnexp("train", *words, "--resume", "@last", cwd=tmp_path)
        assert result.code == 2
        assert told in result.err
    assert "no run or sweep 'nothing'" in nnexp("train", "--resume", "nothing", cwd=tmp_path).err


# -- runs that fail --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "ideas"),
    [
        ({"dataset": "digits"}, ["optimizer.lr=0.01"]),
        (
            {"dataset": {"name": "diabetes", "preprocessing": "none", "scale_target": False}},
            ["standardize", "scale_target"],
        ),
    ],
    ids=["digits", "diabetes"],
)
def test_divergence(tmp_path: Path, changes: dict[str, Any], ideas: list[str]) -> None:
    path = config_file(tmp_path, **changes, optimizer={"name": "sgd", "lr": 1e6}, activation="linear", stop=9)
    result = nnexp("train", path, cwd=tmp_path)
    assert (result.code, result.out) == (1, "")
    run = read(the_run(tmp_path))
    assert run.status == "diverged"
    said, hint = result.err.splitlines()[-2:]
    assert said == f"diverged: {run.record['reason']}"
    assert f" at step {run.record['step']}" in said
    assert hint.startswith("try a smaller learning rate (optimizer.lr=")
    assert all(idea in hint for idea in ideas)
    quiet = nnexp("train", path, "-q", cwd=tmp_path)
    assert (quiet.code, quiet.err.splitlines()[-2:]) == (1, [said, hint]), "an error is not talk"


def test_a_diverged_pretraining_is_told(tmp_path: Path) -> None:
    config_file(tmp_path, pretrain={"name": "autoencoder", "batch": 8, "lr": 1e30})
    outcome = nnexp("train", "small.yaml", cwd=tmp_path)
    assert outcome.code == 1
    assert "diverged: the reconstruction error of hidden1 became" in outcome.err
    assert "try a smaller learning rate (pretrain.lr=0.01)" in outcome.err
    shown = nnexp("show", cwd=tmp_path)
    assert shown.code == 0
    assert "in pre-training)" in shown.out


def test_a_pretrained_run_shows_its_reconstructions(tmp_path: Path) -> None:
    config_file(tmp_path, pretrain={"name": "autoencoder", "batch": 8, "epochs": 2})
    outcome = nnexp("train", "small.yaml", "--format", "json", cwd=tmp_path)
    assert outcome.code == 0
    assert [found["layer"] for found in outcome.json["pretraining"]] == ["hidden1", "hidden2"]
    text = nnexp("show", cwd=tmp_path).out
    for found in outcome.json["pretraining"]:
        assert re.search(rf"{found['layer']} +{found['before']:.4f} +{found['after']:.4f}\n", text)


def test_a_full_disk(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunFolder, "append", fail)
    result = nnexp("train", small, cwd=tmp_path)
    assert result.code == 1
    assert "No space left on device" in result.err
    assert "mistake in nnexp" not in result.err
    assert read(the_run(tmp_path)).status == "failed"


def test_a_mistake_of_ours_is_called_so(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise ZeroDivisionError("one by nothing")

    monkeypatch.setattr(RunFolder, "append", fail)
    result = nnexp("train", small, cwd=tmp_path)
    assert result.code == 1
    assert "nnexp failed: ZeroDivisionError: one by nothing" in result.err
    assert "NNEXP_DEBUG=1" in result.err
    assert "Traceback" not in result.err
    with pytest.raises(ZeroDivisionError):
        nnexp("train", small, cwd=tmp_path, NNEXP_DEBUG="1")


def test_a_run_goes_on_when_nobody_listens(small: Path, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "nnexp", "train", str(small)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=writer, stderr=writer) as process:
        os.close(writer)
        assert process.wait(timeout=60) == 0
    assert read(the_run(tmp_path)).status == "finished"


# -- the log ---------------------------------------------------------------------------------------


def test_the_log_is_plain_csv(small: Path, tmp_path: Path) -> None:
    nnexp("train", small, "-q", cwd=tmp_path)
    content = (the_run(tmp_path) / "metrics.csv").read_bytes()
    assert b"\r" not in content
    header, *data = csv.reader(io.StringIO(content.decode("ascii")))
    assert header[:4] == ["epoch", "step", "lr", "batch_loss"]
    assert header[-1] == "seconds"
    assert [row[:2] for row in data] == [["0", "0"], ["1", "5"], ["2", "10"], ["3", "15"], ["4", "20"]]
    assert data[0][3] == "", "no batch before the first step"
    seconds = [float(row[-1]) for row in data]
    assert seconds == sorted(seconds)
