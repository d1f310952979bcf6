"""Sweeps in stages: tuned comparisons and searches, the same for any number of processes and interruptions."""

from __future__ import annotations

import csv
import io
import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from nnexp.store.runs import Run, Shelf
from nnexp.sweep.estimate import spread
from tests.command import Outcome, folders, nnexp, nnexp_process, start, until
from tests.past import CONFIG, alter, past_run, read, read_all
from tests.small import RUN, config_file, without_luck

LR = "optimizer.lr=log(1e-3,1)"
TWIN = """
from typing import Literal
from nnexp.components.optimizers import Optimizer


class Twin(Optimizer):
    name: Literal["twin"] = "twin"

    @staticmethod
    def rule(θ, g, c):
        return θ - c[0] * g
"""
"""Gradient descent under another name."""


def sweep(path: Path, *words: object, jobs: int = 1) -> Outcome:
    return nnexp("sweep", path, "-j", jobs, *words, cwd=path.parent)


def runs(path: Path) -> list[Run]:
    """The runs beside a configuration."""
    return [read(folder) for folder in folders(path.parent / "runs")]


def table(text: str) -> list[dict[str, str]]:
    """A CSV table without what differs between two runs of the same."""
    rows = list(csv.DictReader(io.StringIO(text)))
    return [{key: cell for key, cell in row.items() if key not in ("id", "train_seconds", "seconds")} for row in rows]


def findings(path: Path) -> Any:
    [found] = (path.parent / "runs" / "sweeps").glob("*/trials.json")
    return json.loads(found.read_text())


# -- tuned comparisons -----------------------------------------------------------------------------


def test_every_level_is_tuned_with_the_same_budget(tmp_path: Path) -> None:
    path = config_file(tmp_path, stop={"epochs": 1})
    result = sweep(path, "optimizer=sgd,adam", LR, "--tune", 5, "--seeds", 3)
    assert result.code == 0, result.err
    tuning = [run for run in runs(path) if run.record["seed"] >= 1_000_000]
    final = [run for run in runs(path) if run.record["seed"] < 1_000_000]
    assert (len(tuning), len(final)) == (10, 6)
    for name in ("sgd", "adam"):
        own = [run for run in tuning if run.config["optimizer.name"] == name]
        best = max(own, key=lambda run: run.final["validation_accuracy"] or 0)
        assert len(own) == 5
        found = [run for run in final if run.config["optimizer.name"] == name]
        assert {run.record["seed"] for run in found} == {0, 1, 2}
        [lr] = {run.config["optimizer.lr"] for run in found}
        assert lr in {
            r.config["optimizer.lr"] for r in own if r.final["validation_accuracy"] == best.final["validation_accuracy"]
        }
    lines = result.out.splitlines()
    assert lines[0] == "tuned by validation_accuracy, as expected of so many trials and as found"
    assert lines[5] == "validation_accuracy by optimizer"
    assert [row["level"] for row in findings(path)["levels"]] == [{"optimizer": "sgd"}, {"optimizer": "adam"}]
    again = sweep(path, "optimizer=sgd,adam", LR, "--tune", 5, "--seeds", 3)
    assert (again.code, again.out) == (0, result.out)
    assert len(runs(path)) == 16
    more = sweep(path, "optimizer=sgd,adam", LR, "--tune", 5, "--seeds", 4)
    assert more.code == 0
    assert len(runs(path)) == 18, "more seeds repeat no tuning"


def test_two_names_of_one_optimizer_do_not_differ(tmp_path: Path) -> None:
    (tmp_path / "twin.py").write_text(TWIN)
    path = config_file(tmp_path, plugins="twin.py", stop={"epochs": 2})
    words = ("optimizer=sgd,twin", LR, "--tune", 6, "--seeds", 4, "--format", "json", "-j", 1)
    result = nnexp_process("sweep", path, *words, cwd=tmp_path)
    assert result.code == 0, result.err
    one, other = result.json["rows"]
    assert {one["optimizer.name"], other["optimizer.name"]} == {"sgd", "twin"}
    assert (one["mean"], one["std"], one["n"]) == (other["mean"], other["std"], other["n"])
    assert len(folders(tmp_path / "runs")) == 2 * (6 + 4), "they are runs of their own"
    first, second = findings(path)["levels"]
    assert first["trials"] == second["trials"]


def test_two_cases_that_are_the_same(tmp_path: Path) -> None:
    config_file(tmp_path)
    path = tmp_path / "s.yaml"
    path.write_text(
        "base: small.yaml\ncases: {one: {}, two: {optimizer: adam}}\nseeds: 3\n"
        "tune: {optimizer.lr: {log: [1e-3, 1]}, batch.size: {choice: [4, 8]}, budget: 4, seeds: 2}\n"
    )
    result = sweep(path, "--format", "json")
    assert result.code == 0, result.err
    assert len(runs(path)) == 4 * 2 + 3, "what is the same is run once"
    one, other = findings(path)["levels"]
    assert one["best"] == other["best"]


def test_a_level_that_cannot_be_tuned_is_told(tmp_path: Path) -> None:
    path = config_file(tmp_path, loss="mse", activation="linear", dataset={"name": "diabetes"})
    words = (
        "optimizer=sgd,adam",
        "optimizer.lr=log(1e5,1e6)",
        "--tune",
        2,
        "--seeds",
        2,
        "--metric",
        "validation_loss",
    )
    result = sweep(path, *words)
    assert "warning: optimizer sgd: none of the 2 trials has a score" in result.err
    assert result.code == 0
    assert {run.config["optimizer.name"] for run in runs(path) if run.record["seed"] < 9} == {"adam"}


def test_nothing_can_be_tuned(tmp_path: Path) -> None:
    path = config_file(tmp_path, loss="mse", activation="linear", dataset={"name": "diabetes"})
    result = sweep(path, "optimizer=sgd", "optimizer.lr=log(1e5,1e6)", "--tune", 2, "--seeds", 2)
    assert result.code == 3
    assert "warning: none of the 2 trials has a score" in result.err
    assert len(runs(path)) == 2, "and nothing is compared"


@pytest.mark.parametrize("search", ["tpe", "halving", "sobol"])
def test_tuning_by_any_search(tmp_path: Path, search: str) -> None:
    if search != "sobol":
        pytest.importorskip("optuna")
    config_file(tmp_path, stop={"epochs": 4})
    path = tmp_path / "s.yaml"
    tune = f"{{optimizer.lr: {{log: [1e-3, 1]}}, budget: 6, seeds: 2, search: {search}}}"
    path.write_text(f"base: small.yaml\ngrid: {{optimizer: [sgd, adam]}}\nseeds: 2\ntune: {tune}\n")
    result = sweep(path, "--format", "json")
    assert result.code == 0, result.err
    assert [row["n"] for row in result.json["rows"]] == [2, 2]
    assert len(runs(path)) == 2 * 6 * 2 + 2 * 2
    for level in findings(path)["levels"]:
        assert level["curve"] is None, "the trials are no independent draws"
        scored = [trial["score"] for trial in level["trials"] if trial["score"] is not None]
        assert len(level["trials"]) == 6
        assert (len(scored) < 6) == (search == "halving")
        assert level["best"]["score"] == max(scored)


def test_a_tuning_run_that_fails_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = config_file(tmp_path)
    words = (LR, "--tune", 4, "--seeds", 2)
    with monkeypatch.context() as patch:
        without_luck(patch, lambda one: one.config.seed >= 1_000_000 and one.config.optimizer.lr > 0.1)
        result = sweep(path, *words)
    assert result.code == 3
    assert "RuntimeError: out of luck" in result.err
    again = sweep(path, *words)
    assert again.code == 0, "what failed is run again"


def test_the_edge_of_a_range(tmp_path: Path) -> None:
    path = config_file(tmp_path, stop={"epochs": 3})
    result = sweep(path, "optimizer.lr=log(1e-9,1e-5)", "--search", "sobol", "--trials", 32, "--metric", "train_loss")
    assert result.code == 0
    assert "the best optimizer.lr, " in result.err
    assert "lies at the upper edge of its range; a wider one may hold a better" in result.err
    assert "best of 32 trials: optimizer.lr=" in result.err


def test_the_direction_can_be_turned(tmp_path: Path) -> None:
    path = config_file(tmp_path, optimizer="sgd", stop={"epochs": 3})
    text = path.read_text() + "search: random\ntrials: 6\nspace: {optimizer.lr: {log: [1e-4, 1]}}\n"
    best = []
    for direction in ("maximize", "minimize"):
        path.write_text(f"{text}metric: train_loss\ndirection: {direction}\n")
        assert sweep(path).code == 0
        best.append(findings(path)["levels"][0])
        assert best[-1]["best"]["score"] == (max if direction == "maximize" else min)(
            trial["score"] for trial in best[-1]["trials"]
        )
    assert best[0]["best"] != best[1]["best"]


# -- searches --------------------------------------------------------------------------------------

SEARCHES = {
    "random": ("--search", "random", "--trials", 7),
    "sobol": ("--search", "sobol", "--trials", 7),
    "tpe": ("--search", "tpe", "--trials", 14),
    "halving": ("--search", "halving", "--trials", 7),
}


@pytest.mark.slow
@pytest.mark.parametrize("words", SEARCHES.values(), ids=SEARCHES)
def test_a_search_is_the_same_for_any_number_of_jobs(tmp_path: Path, words: tuple[object, ...]) -> None:
    if words[1] in ("tpe", "halving"):
        pytest.importorskip("optuna")
    found = []
    for jobs in (1, 2):
        (tmp_path / str(jobs)).mkdir()
        path = config_file(tmp_path / str(jobs), stop={"epochs": 5})
        result = sweep(path, LR, "optimizer=choice(sgd,adam)", *words, "--format", "csv", jobs=jobs)
        assert result.code == 0, result.err
        [told] = [line for line in result.err.splitlines() if line.startswith("best of")]
        again = sweep(path, LR, "optimizer=choice(sgd,adam)", *words, "--format", "csv")
        assert again.out == result.out
        assert "nothing to run" in again.err
        found.append((sorted(table(result.out), key=repr), told))  # equal scores may change places
    assert found[0] == found[1]
    assert len(found[0][0]) == words[-1]


def test_more_trials_keep_the_earlier_ones(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    for search in ("random", "sobol"):
        before = len(runs(path)) if (tmp_path / "runs").exists() else 0
        assert sweep(path, LR, "--search", search, "--trials", 3).code == 0
        more = sweep(path, LR, "--search", search, "--trials", 5)
        assert "5 runs, 3 already there" in more.err
        assert len(runs(path)) == before + 5


def test_a_pruned_run_says_so_and_keeps_its_curve(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    path = config_file(tmp_path, stop={"epochs": 6})
    result = sweep(path, LR, "--search", "halving", "--trials", 8)
    assert result.code == 0, result.err
    pruned = [run for run in runs(path) if run.status == "pruned"]
    assert len(pruned) >= 3
    assert f"{len(pruned)} of 8 runs were pruned by a search" in result.out
    for run in pruned:
        epoch = run.record["epoch"]
        assert epoch in (1, 3)
        assert run.record["reason"].startswith(f"pruned after epoch {epoch}: validation_accuracy 0.")
        assert run.metrics()["epoch"] == list(range(epoch + 1))
    assert len(findings(path)["levels"][0]["trials"]) == 8
    # a sweep that wants such a run in full goes on with it
    lr = pruned[0].config["optimizer.lr"]
    full = sweep(path, f"optimizer.lr={lr!r}")
    assert full.code == 0, full.err
    assert read(pruned[0].path).status == "finished"
    assert len(runs(path)) == 8
    assert read(pruned[0].path).metrics()["epoch"] == list(range(7))


def test_a_search_looks_at_the_ends_of_epochs(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    found = {}
    for updates in ("null", "2"):
        (tmp_path / updates).mkdir()
        path = config_file(tmp_path / updates, stop={"epochs": 6})
        words = (f"monitor.updates={updates}", "monitor.every=2", "--search", "halving", "--trials", 6)
        result = sweep(path, LR, *words)
        assert result.code == 0, result.err
        found[updates] = [
            (run.record["status"], run.record["epoch"], run.record["reason"], run.final)
            for run in sorted(runs(path), key=lambda run: run.config["optimizer.lr"])
        ]
        assert "pruned" in {status for status, *_ in found[updates]}
    assert found["null"] == found["2"]


def test_a_run_that_fails_in_halving_is_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    path = config_file(tmp_path, stop={"epochs": 4})
    words = (LR, "--search", "halving", "--trials", 5)
    made = count(1)
    with monkeypatch.context() as patch:
        without_luck(patch, lambda one: next(made) == 2)
        result = sweep(path, *words)
    assert result.code == 3
    assert "RuntimeError: out of luck" in result.err
    again = sweep(path, *words)
    assert again.code == 0, again.err
    assert {trial["score"] is None for trial in findings(path)["levels"][0]["trials"]} == {True, False}


@pytest.mark.slow
def test_a_halving_that_was_killed_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    tables = []
    for name in ("disturbed", "undisturbed"):
        (tmp_path / name).mkdir()
        path = config_file(tmp_path / name, stop={"epochs": 40}, dataset={"name": "moons", "n": 3000})
        words = ("sweep", path, LR, "--search", "halving", "--trials", 6, "-j", 1, "--format", "csv")
        for pruned in (1, 3) if name == "disturbed" else ():
            with start(*words, cwd=path.parent) as process:
                shelf = lambda: Shelf(path.parent / "runs").runs  # noqa: B023, E731
                until(lambda: sum(run.status == "pruned" for run in shelf()) >= pruned, process)  # noqa: B023
                process.kill()
        result = nnexp(*words, cwd=path.parent)
        assert result.code == 0, result.err
        tables.append(sorted(table(result.out), key=repr))
        assert len(runs(path)) == 6
    assert tables[0] == tables[1]


def test_a_failed_trial_of_tpe_does_not_stop_it(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    path = config_file(tmp_path, loss="mse", activation="linear", dataset={"name": "diabetes"}, stop={"epochs": 1})
    result = sweep(path, "optimizer=sgd", "optimizer.lr=log(1e-3,1e7)", "--search", "tpe", "--trials", 14)
    assert result.code == 3, "some diverge"
    statuses = [run.status for run in runs(path)]
    assert len(statuses) == 14
    assert 1 <= statuses.count("diverged") < 14


# -- planning --------------------------------------------------------------------------------------


def planned(path: Path, *words: object) -> Any:
    result = sweep(path, *words, "--dry-run", "--format", "json")
    assert (result.code, result.err) == (0, "")
    return result.json


def test_a_dry_run_counts_what_is_not_known_yet(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    tuned = planned(path, "optimizer=sgd,adam", LR, "--tune", 3, "--seeds", 2)
    assert (tuned["runs"], tuned["missing"], len(tuned["rows"])) == (10, 10, 10)
    assert sum(row["optimizer.lr"] == "tuned" for row in tuned["rows"]) == 4
    assert not (tmp_path / "runs").exists()
    assert sweep(path, "optimizer=sgd,adam", LR, "--tune", 3, "--seeds", 2).code == 0
    tuned = planned(path, "optimizer=sgd,adam", LR, "--tune", 3, "--seeds", 3)
    assert (tuned["runs"], tuned["missing"], len(tuned["rows"])) == (12, 2, 12)
    assert [row["seed"] for row in tuned["rows"] if row["state"] == "to run"] == [2, 2]
    pytest.importorskip("optuna")
    led = planned(path, LR, "--search", "tpe", "--trials", 12)
    assert (led["runs"], [row["optimizer.lr"] for row in led["rows"]]) == (12, ["drawn"] * 12)


def test_a_dry_run_says_what_it_costs(tmp_path: Path) -> None:
    path = config_file(tmp_path, stop={"epochs": 200})
    few = planned(path, "--seeds", 2)
    many = planned(path, "--seeds", 20)
    assert (few["processes"], many["processes"]) == (1, 1)
    assert many["seconds"] > few["seconds"] > 0
    assert many["bytes"] == pytest.approx(10 * few["bytes"], rel=0.01)
    assert sweep(path, "--seeds", 2).code == 0
    taken = sum(sum(f.stat().st_size for f in run.path.iterdir()) for run in runs(path))
    assert few["bytes"] == pytest.approx(taken, rel=0.5)
    assert "seconds" not in planned(path, "--seeds", 2)


def test_a_dry_run_says_what_the_seeds_can_detect(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    unknown = sweep(path, "optimizer=sgd,adam", "--seeds", 4, "--dry-run").out
    assert "which difference 4 seeds can detect is not known: no runs of moons that differ only in their" in unknown
    assert "one seed cannot tell a difference from chance" in sweep(path, "--dry-run").out
    assert sweep(path, "--seeds", 3).code == 0
    for run, value in zip(runs(path), (0.7, 0.8, 0.9), strict=True):
        alter(run.path, final={"validation_accuracy": value, "validation_loss": 1 - value})
    # by hand: the spread of 0.7, 0.8, 0.9 is 0.1; for 3 against 3 the least effect of power 0.8 is 3.07 (G*Power)
    assert planned(path, "optimizer=sgd,adam", "--seeds", 3)["detectable"] == pytest.approx(0.307, abs=5e-4)
    assert planned(path, "optimizer=sgd,adam", "--seeds", 17)["detectable"] == pytest.approx(0.0991, abs=5e-5)
    other = config_file(tmp_path, "other", dataset={**RUN["dataset"], "n": 61})
    assert planned(other, "--seeds", 3)["detectable"] is None


def test_a_grid_of_a_million_runs_is_asked_about(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    words = ("optimizer.lr=logspace(1e-4,1,1000)", "batch.size=range(2,12)", "--seeds", 100)
    result = sweep(path, *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("1,000,000 runs, about ")
    assert "on 1 process" in result.err
    assert "; to go on all the same: --yes" in result.err
    assert not (tmp_path / "runs").exists()
    assert sweep(path, "optimizer.lr=logspace(1e-4,1,1000)", "--seeds", 11, "--dry-run").code == 2


def test_the_spread_is_that_of_good_settings(tmp_path: Path) -> None:
    for lr, values in ((0.1, (0.90, 0.92)), (0.2, (0.93, 0.97)), (1e-6, (0.1, 0.8)), (0.3, (0.7, 0.8, 0.9))):
        for seed, value in enumerate(values):
            past_run(tmp_path, value, seed=seed, optimizer={"name": "sgd", "lr": lr})
    for higher, name, expected in (
        (True, "validation_accuracy", (0.02**2 / 2 + 0.04**2 / 2) / 2),
        (False, "validation_loss", (0.02**2 / 2 + 0.04**2 / 2) / 2),
        (False, "validation_accuracy", (0.7**2 / 2 + 2 * 0.1**2) / 3),
    ):
        found = spread(read_all(tmp_path), CONFIG["dataset"], name, higher)
        assert found is not None
        assert found.std == pytest.approx(expected**0.5)
        assert found.settings == 2
    assert spread(read_all(tmp_path), {"name": "iris"}, "validation_loss", False) is None
