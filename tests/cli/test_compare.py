"""`nnexp compare` and `nnexp show`: past runs as people and programs want them, whatever lies about in the folder."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.command import Outcome, nnexp
from tests.past import ADAM, alter, past_run, past_sweep, read, scores
from tests.small import config_file
from tests.store.test_runs import each_damage


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two optimizers, two seeds each, in runs/."""
    root = tmp_path / "runs"
    for optimizer, bonus in (({"name": "sgd", "lr": 0.1}, 0.0), (ADAM, 0.1)):
        for seed in range(2):
            past_run(root, 0.7 + bonus + seed / 100 + 1e-13, optimizer=optimizer, seed=seed)
    return root


def compare(runs: Path, *words: object, **environment: str) -> Outcome:
    return nnexp("compare", *words, cwd=runs.parent, **environment)


def show(runs: Path, *words: object) -> Outcome:
    return nnexp("show", *words, cwd=runs.parent)


# -- formats ---------------------------------------------------------------------------------------


def test_a_table(runs: Path) -> None:
    result = compare(runs)
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0] == ["validation_accuracy", "by", "optimizer"]
    assert lines[2][:3] == ["adam", "*", "2"]
    assert lines[3][:2] == ["sgd", "2"]


def test_csv(runs: Path) -> None:
    result = compare(runs, "--each", "--format", "csv")
    assert (result.code, result.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(result.out, newline=""), strict=True))
    found = {(row["optimizer.name"], int(row["seed"])): float(row["validation_accuracy"]) for row in rows}
    assert found == {
        (run.config["optimizer.name"], run.record["seed"]): run.final["validation_accuracy"]
        for run in map(read, runs.iterdir())
    }, "to the bit"


def test_json(runs: Path) -> None:
    past_run(runs, status="diverged", seed=9)
    document = compare(runs, "--by", "optimizer", "--format", "json").json
    assert (document["format"], document["kind"], document["by"]) == (1, "levels", ["optimizer.name"])
    assert document["metric"] == "validation_accuracy"
    assert [row["optimizer.name"] for row in document["rows"]] == ["adam", "sgd"]
    assert [row["diverged"] for row in document["rows"]] == [0, 1]
    assert document["notes"] == [
        "1 of 5 runs diverged; the means are without them",
        "levels are in the order of their mean ranks over all outcomes, with failed runs last",
    ]
    each = compare(runs, "--each", "--format", "json").json
    assert each["rows"][-1]["validation_accuracy"] is None


def test_markdown(runs: Path) -> None:
    text = compare(runs, "--format", "markdown").out
    assert text.splitlines()[2].startswith("| optimizer | n | mean | std | 95 % interval |")
    assert text.splitlines()[4].startswith("| **adam** | **2** | **0.8")


def test_80_columns(runs: Path) -> None:
    for number in range(4):
        past_run(
            runs,
            0.5 + number / 10,
            architecture={"name": "mlp", "hidden": [number + 1] * 4},
            batch={"name": "mini", "size": 2**number},
            dataset={"name": "moons", "n": 60 + number, "noise": 0.1 * number},
            precision=f"float{32 + 32 * (number % 2)}",
            seed=number,
        )
    terminal = {"FORCE_COLOR": "1", "COLUMNS": "80"}
    result = compare(runs, "--each", **terminal)
    plain = result.out.replace("\x1b[1;32m", "").replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert max(map(cell_len, plain.splitlines())) <= 80
    assert " columns hidden: " in plain
    assert "hidden: " not in compare(runs, "--each", "--columns", "all", **terminal).out
    piped = compare(runs, "--each")
    assert "\x1b" not in piped.out
    assert "hidden: " not in piped.out
    assert len(piped.out.splitlines()[0]) > 100


# -- selection and options -------------------------------------------------------------------------


def test_words(runs: Path) -> None:
    first = sorted(runs.iterdir())[0]
    assert first.name in show(runs, first.name[-6:]).out
    assert first.name in show(runs, first).out
    assert compare(runs, "@last", "@last~1", "--each", "--format", "json").json["rows"][1]["seed"] == 0
    past_sweep(runs, "grid-1", [first], "2026-02")
    for words in (["grid-1"], ["grid"], ["runs/sweeps/grid-1"], []):
        assert len(compare(runs, *words, "--each", "--format", "json").json["rows"]) == 1, words
    result = compare(runs, "past", "--each", "--top", 3)
    assert "3 of 4 runs shown" in result.out


def test_a_name_that_a_sweep_has_too(runs: Path) -> None:
    shared = sorted(runs.iterdir())
    own = past_run(runs, 0.5, name="rates")
    past_sweep(runs, "rates-0a1b2c", [own], "2026-02")
    assert len(compare(runs, "rates", "--each", "--format", "json").json["rows"]) == 1
    past_sweep(runs, "rates-3d4e5f", [own, *shared], "2026-03")
    for word in ("rates", "rates-3d4e5f"):
        result = compare(runs, word, "--each", "--format", "json")
        assert {row["id"] for row in result.json["rows"]} == {read(path).id for path in (own, *shared)}


def test_another_folder(runs: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    past_run(elsewhere, 0.5, name="other")
    for result in (compare(runs, "--runs", "elsewhere"), compare(runs, NNEXP_RUNS="elsewhere")):
        assert len(result.out.splitlines()) == 2
    assert len(compare(runs, "elsewhere").out.splitlines()) == 2


def test_options(runs: Path) -> None:
    by = compare(runs, "--by", "optimizer,seed", "--format", "json").json
    assert by["by"] == ["optimizer.name", "seed"]
    assert by == compare(runs, "--by", "optimizer", "--by", "seed", "--format", "json").json
    rows = compare(runs, "--where", "optimizer=sgd", "--where", "seed<1", "--each", "--format", "json").json["rows"]
    assert len(rows) == 1
    losses = compare(runs, "--metric", "loss", "--sort", "-mean", "--format", "json").json
    assert losses["metric"] == "validation_loss"
    assert [row["optimizer.name"] for row in losses["rows"]] == ["sgd", "adam"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], "no run or sweep 'nothing' (4 runs in runs)"),
        (["@last~9"], "no run '@last~9': runs holds 4, down to @last~3"),
        (["--by", "optimzer"], "no run has 'optimzer'; did you mean 'optimizer'?"),
        (["--metric", "validation_los"], "did you mean 'validation_loss'?"),
        (["--by", "lr", "--each"], "--by averages and --each does not; give one of them"),
        (
            ["--format", "cvs"],
            "--format: 'cvs' is not one of table, markdown, latex, html, csv, json; did you mean",
        ),
        (["--columns", "some"], "--columns: 'some' is neither auto nor all"),
        (["--where", "lr"], "--where: 'lr' is not a condition"),
    ],
)
def test_misuse(runs: Path, words: list[str], message: str) -> None:
    result = compare(runs, *words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


def test_no_runs_yet(tmp_path: Path) -> None:
    result = nnexp("compare", cwd=tmp_path)
    assert (result.code, result.out) == (2, "")
    assert "no runs in runs; train one first: nnexp train" in result.err
    assert nnexp("show", cwd=tmp_path).code == 2


# -- verdicts --------------------------------------------------------------------------------------


@pytest.fixture
def eight(tmp_path: Path) -> Path:
    """Three optimizers with eight seeds each, in runs/."""
    root = tmp_path / "runs"
    for name, bonus in (("sgd", 0.0), ("nag", 0.1), ("momentum", 0.0)):
        for seed in range(8):
            luck = (seed * 7 % 5 - seed % 3) / 500
            changes = {"optimizer": {"name": name, "lr": 0.1}, "seed": seed}
            past_run(root, 0.7 + bonus + (luck if name == "momentum" else seed / 100), **changes)
    return root


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_verdict_in_a_terminal(eight: Path, columns: int) -> None:
    terminal = {"FORCE_COLOR": "1", "NO_COLOR": "1", "COLUMNS": str(columns), "TERM": "xterm", "TTY_COMPATIBLE": "1"}
    result = compare(eight, "past", **terminal)
    assert result.code == 0
    text = re.sub("\x1b\\[[0-9;]*m", "", result.out)
    assert all(cell_len(line) <= columns for line in text.splitlines())
    assert "difference to sgd" in text
    assert re.search(r"nag \* +8 +\+0\.1.* ± .* better", text)
    assert ("P(A>B)" in text.partition("hidden")[0]) == (columns >= 80)


def test_a_baseline_and_a_margin(eight: Path) -> None:
    document = compare(eight, "past", "--baseline", "momentum", "--margin", "0.08", "--format", "json").json
    assert (document["baseline"], document["margin"], document["confounded"]) == ("momentum", 0.08, "")
    words = {row["optimizer.name"]: row["verdict"] for row in document["rows"]}
    assert words == {"nag": "better", "sgd": "equivalent", "momentum": "baseline"}
    assert any(text.startswith("nag is better than momentum: +0.1") for text in document["findings"])


@pytest.mark.parametrize(
    ("words", "title"),
    [
        ("--summary best", "best validation_accuracy of all rows by optimizer"),
        ("--summary area --x seconds", "mean height of validation_accuracy over 0 to 0.5 seconds by optimizer"),
        ("--reach 0.6 --x updates", "updates until validation_accuracy is at least 0.6 by optimizer"),
        ("--match updates", "validation_accuracy by optimizer"),
        ("--match params", "validation_accuracy by optimizer"),
    ],
)
@pytest.mark.parametrize("how", ["table", "markdown", "latex", "html", "csv", "json"])
def test_what_is_judged(eight: Path, words: str, title: str, how: str) -> None:
    result = compare(eight, "past", "--by", "optimizer", *words.split(), "--format", how)
    assert (result.code, result.err) == (0, "")
    if how in ("table", "markdown", "html"):
        assert title in result.out
    if how == "json":
        assert {row["verdict"] for row in result.json["rows"]} >= {"baseline"}
        assert {"summary", "match"} & set(result.json)


def test_a_confounded_comparison(eight: Path) -> None:
    for seed in range(8):
        past_run(eight, 0.9, optimizer=ADAM, seed=seed, stop={"epochs": 9, "patience": None})
    result = compare(eight, "past", "--by", "optimizer")
    assert "confounded" in result.out
    assert "besides optimizer.name, the levels differ in stop.epochs" in result.out
    allowed = compare(eight, "past", "--by", "optimizer", "--allow-confounded", "--format", "json").json
    assert {row["verdict"] for row in allowed["rows"]} >= {"better", "baseline"}


def test_looks_at_the_test_split_are_counted(eight: Path) -> None:
    refused = compare(eight, "past", "--metric", "test_accuracy")
    assert (refused.code, refused.out) == (2, "")
    assert "--metric: 'test_accuracy' looks at the test split" in refused.err
    assert not (eight / ".test-looks.jsonl").exists()
    assert "test_" not in compare(eight, "past").out
    first = compare(eight, "past", "--test", "--top", 1)
    assert "test_accuracy" in first.out
    assert "so far 1 look at moons" in first.out
    document = compare(eight, "past", "--test", "--metric", "test_accuracy", "--format", "json").json
    assert document["tested"] == {"datasets": ["moons"], "runs": 24, "looks": {"moons": 2}}
    lines = [json.loads(line) for line in (eight / ".test-looks.jsonl").read_text().splitlines()]
    assert [(line["metric"], line["runs"]) for line in lines] == [("validation_accuracy", 8), ("test_accuracy", 24)]
    assert compare(eight).code == 0, "the file is no run"


# -- damage ----------------------------------------------------------------------------------------


@each_damage
def test_damaged_runs_are_named_and_left_out(runs: Path, damage: Callable[[Path], None], why: str) -> None:
    before = compare(runs)
    bad = past_run(runs, 0.99, optimizer={"name": "nag", "lr": 1.0})
    damage(bad)
    result = compare(runs)
    assert (result.code, result.out) == (0, before.out)
    assert result.err == f"left out runs/{bad.name}: {why}\n"


def test_many_damaged_runs_are_counted(runs: Path) -> None:
    for number in range(10):
        (runs / f"empty{number}").mkdir()
    result = compare(runs)
    assert result.code == 0
    assert len(result.err.splitlines()) == 6
    assert result.err.splitlines()[-1] == "left out 5 more folders that cannot be read"


def test_a_damaged_plan(runs: Path) -> None:
    folder = past_sweep(runs, "grid", sorted(runs.iterdir()), "2026")
    (folder / "plan.json").write_text("{")
    result = compare(runs)
    assert result.code == 0
    assert result.err.startswith("left out runs/sweeps/grid: plan.json cannot be used")


def test_runs_that_are_not_there_any_more(runs: Path) -> None:
    gone = past_run(runs, 0.5)
    folder = past_sweep(runs, "grid-1", [gone], "2027")
    shutil.rmtree(gone)
    assert compare(runs).code == 0
    for word in ("grid-1", "grid", folder):
        result = compare(runs, word)
        assert (result.code, result.err) == (2, "no run of the sweep 'grid-1' is there\n")


# -- show ------------------------------------------------------------------------------------------


def test_show(tmp_path: Path) -> None:
    assert nnexp("train", config_file(tmp_path), "stop=20", "-q", cwd=tmp_path).code == 0
    result = nnexp("show", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    [folder] = (tmp_path / "runs").iterdir()
    run = read(folder)
    text = result.out
    assert text.startswith(f"runs/{folder.name}\nfinished (20 epochs), begun ")
    assert "hidden: [6, 5]" in text
    assert "train_loss and validation_loss by epoch\n" in text
    assert "train_accuracy and validation_accuracy by epoch\n" in text
    assert any("⠁" <= char <= "⣿" for char in text)
    assert not any(line.startswith("test  ") for line in text.splitlines()), "test scores are kept back"
    tested = nnexp("show", "--test", cwd=tmp_path).out
    table = {line.split()[0]: line.split()[1:] for line in tested.splitlines() if line.startswith("test  ")}
    assert float(table["test"][0]) == pytest.approx(run.final["test_loss"], abs=1e-4)
    for value in (*run.record["versions"].values(), run.record["data"], run.record["fingerprint"]):
        assert value in text
    document = nnexp("show", "--test", "--format", "json", cwd=tmp_path).json
    assert document["metrics"] == run.metrics()
    assert document.items() >= run.record.items()


def test_show_a_diverged_run(runs: Path) -> None:
    path = past_run(runs, status="diverged", record_reason="the loss became nan at step 3", record_final={})
    (path / "metrics.csv").write_text("epoch,train_loss,seconds\n0,1.5,0.0\n1,nan,0.1\n")
    result = show(runs)
    assert result.code == 0
    assert "diverged (the loss became nan at step 3)" in result.out
    assert "by epoch" not in result.out, "one point is no curve"

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    found = json.loads(show(runs, "--format", "json").out, parse_constant=refuse)
    assert found["metrics"]["train_loss"] == [1.5, None]


def test_show_what_is_left_of_a_run(runs: Path) -> None:
    path = past_run(runs, status="failed", record_reason="OSError: no space")
    for content, said in ((b"epoch,a\n1,x\n", "metrics.csv is damaged"), (None, "metrics.csv cannot be read")):
        (path / "metrics.csv").unlink()
        if content is not None:
            (path / "metrics.csv").write_bytes(content)
        result = show(runs)
        assert result.code == 0
        assert said in result.err
        assert "failed (OSError: no space)" in result.out
        assert show(runs, "--format", "json").json["metrics"] == {}
        (path / "metrics.csv").touch()


def test_show_the_least(runs: Path) -> None:
    alter(sorted(runs.iterdir())[-1], final={"odd": 1.0, **scores(0.5)}, parameters=None, step=None)
    assert show(runs).code == 0


def test_show_names_one_run(runs: Path) -> None:
    result = show(runs, "past")
    assert result.code == 2
    assert "'past' names 4 runs (" in result.err
