"""What of a run's curve is judged: its best row, its area, when it reaches a target, at equal sizes and lengths."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import nnexp
from nnexp.components.batching import FullBatch, MiniBatch, SingleExample
from nnexp.engine.data import Batches
from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.axes import along, examples_seen
from nnexp.report.compare import compare
from nnexp.report.matching import nearest_pairs
from nnexp.report.summaries import mean_height
from nnexp.report.tables import Grid, as_csv, as_json, as_markdown
from nnexp.report.typeset import as_html, as_latex
from nnexp.store.runs import Run
from tests.command import nnexp as command
from tests.past import ADAM, alter, past_run, read, read_all

SGD: dict[str, Any] = {"name": "sgd", "lr": 0.1}
NOISE = [0.0, 0.004, -0.003, 0.002, -0.001, 0.003, 0.001, -0.002]
PACE = 0.25
"""Seconds of an epoch."""


def curve(path: Path, values: Sequence[float | None], pace: float = PACE, steps: int = 5) -> Path:
    """Give a run a metrics.csv with these validation accuracies, a row an epoch of so many steps."""
    with (path / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", "step", "validation_accuracy", "seconds"])
        writer.writerows([e, steps * e, "" if v is None else v, pace * e] for e, v in enumerate(values))
    last = len(values) - 1
    alter(path, epoch=last, step=steps * last, train_seconds=pace * last)
    return path


def grown(
    root: Path, values: Sequence[float], count: int = 8, pace: float = PACE, steps: int = 5, **changes: Any
) -> None:
    """A level: so many seeds, each with this curve and a little noise."""
    for seed in range(count):
        own = [v + NOISE[seed] for v in values]
        curve(past_run(root, own[-1], seed=seed, **changes), own, pace, steps)


def table(root: Path, by: str = "optimizer", metric: str | None = None, **asked: Any) -> Grid:
    return compare(read_all(root), by=[by], metric=metric, asked=Asked(**asked))


def cell(grid: Grid, name: str, key: str) -> Any:
    [row] = [row for row in grid.rows if row["optimizer.name"] == name]
    return row[key]


def words(grid: Grid) -> dict[str, str]:
    return {row["optimizer.name"]: row["verdict"] for row in grid.rows}


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """sgd rises slowly; adam is there at once, and falls in the end."""
    grown(tmp_path, [0.1, 0.5, 0.6, 0.7, 0.8], optimizer=SGD)
    grown(tmp_path, [0.1, 0.8, 0.9, 0.85, 0.75], optimizer=ADAM, pace=0.5)
    return tmp_path


# -- last, best, area ------------------------------------------------------------------------------


def test_curves_are_read_only_when_they_are_asked_for(two: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Run, "metrics", lambda *_: pytest.fail("metrics.csv was read"))
    assert words(table(two)) == words(table(two, summary="last")) == {"sgd": "baseline", "adam": "worse"}
    assert table(two).meta == {
        "kind": "levels", "by": ["optimizer.name"], "metric": "validation_accuracy", "baseline": "sgd",
        "margin": None, "confounded": "",
    }  # fmt: skip


def test_best(two: Path) -> None:
    grid = table(two, summary="best")
    assert words(grid) == {"sgd": "baseline", "adam": "better"}
    assert cell(grid, "adam", "mean") == pytest.approx(0.9 + np.mean(NOISE))
    gain = cell(grid, "adam", "optimism"), cell(grid, "adam", "optimism_n"), cell(grid, "sgd", "optimism")
    assert gain == (pytest.approx(0.15), 8, pytest.approx(0.0))
    assert grid.title == "best validation_accuracy of all rows by optimizer"
    [note] = [note for note in grid.notes if "optimistic" in note]
    assert note.startswith("the best of 5 rows is chosen by the score that is shown")
    assert "longer runs" not in note
    assert (grid.meta["summary"], grid.meta["rows"]) == ("best", [5, 5])


def test_the_best_of_a_loss_is_the_least_and_of_longer_runs_is_said(two: Path) -> None:
    curve(past_run(two, 0.7, seed=0, optimizer={"name": "nag", "lr": 0.1}), [0.2, 0.7])
    for run in read_all(two):
        text = (run.path / "metrics.csv").read_text().replace("validation_accuracy", "validation_loss")
        (run.path / "metrics.csv").write_text(text)
    grid = table(two, metric="validation_loss", summary="best")
    assert cell(grid, "sgd", "mean") == pytest.approx(0.1 + np.mean(NOISE))
    assert cell(grid, "sgd", "optimism") == pytest.approx(-0.7)
    assert any("the best of 2 to 5 rows" in note and "noisy curves and longer runs" in note for note in grid.notes)


def test_area(two: Path) -> None:
    grid = table(two, summary="area")
    for name, values in (("sgd", [0.1, 0.5, 0.6, 0.7, 0.8]), ("adam", [0.1, 0.8, 0.9, 0.85, 0.75])):
        assert cell(grid, name, "mean") == pytest.approx(np.trapezoid(values) / 4 + np.mean(NOISE))
    assert words(grid) == {"sgd": "baseline", "adam": "better"}
    assert grid.meta | {"x": "epochs", "from": 0.0, "to": 4.0} == grid.meta
    assert not any("shortest" in note for note in grid.notes)


def test_an_area_ends_where_the_shortest_curve_does(two: Path) -> None:
    grid = table(two, summary="area", x="seconds")  # sgd ends at 1 s, where adam has had two epochs
    assert cell(grid, "adam", "mean") == pytest.approx(np.trapezoid([0.1, 0.8, 0.9]) / 2 + np.mean(NOISE))
    assert cell(grid, "sgd", "mean") == pytest.approx(np.trapezoid([0.1, 0.5, 0.6, 0.7, 0.8]) / 4 + np.mean(NOISE))
    assert any(re.match(r"area: trapezoids from 0 to 1 seconds, .* the shortest curve, that of \w+, ends", note)
               for note in grid.notes)  # fmt: skip


@pytest.mark.parametrize("start", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("end", [2.25, 3.0, 4.0])
def test_a_mean_height(start: float, end: float) -> None:
    xs, values = [0.0, 1.0, 1.5, 3.0, 4.0], [0.3, 0.1, 0.4, 0.2, 0.9]
    fine = np.union1d(np.linspace(start, end, 7), [x for x in xs if start < x < end])
    expected = np.trapezoid(np.interp(fine, xs, values), fine) / (end - start)
    assert mean_height(list(zip(xs, values, strict=True)), start, end) == pytest.approx(expected)


def test_scores_that_are_missing_or_not_finite(two: Path) -> None:
    curve(past_run(two, 0.9, seed=8, optimizer=SGD), [0.1, None, math.nan, 0.7, 0.8])
    curve(past_run(two, 0.9, seed=9, optimizer=SGD), [math.nan, math.inf])
    grid = table(two, summary="best")
    assert cell(grid, "sgd", "n") == 9, "the best of the finite ones"
    assert cell(grid, "sgd", "succeeded")[:2] == (9, 10), "none: it failed, as with a final score that is not finite"
    assert cell(table(two, summary="area"), "sgd", "succeeded")[:2] == (8, 10), "an area through NaN is none"
    curve(past_run(two, 0.9, seed=10, optimizer=SGD), [None, None])
    grid = table(two, summary="best")
    assert cell(grid, "sgd", "succeeded")[:2] == (9, 10)
    assert "1 of 19 runs have no validation_accuracy; they are left out" in grid.notes


def test_runs_that_diverged_have_failed_whatever_is_read(two: Path) -> None:
    curve(past_run(two, seed=8, optimizer=SGD, status="diverged"), [0.1, 0.99])
    for asked in ({"summary": "best"}, {"summary": "area"}, {"match": "updates"}):
        grid = table(two, **asked)
        assert cell(grid, "sgd", "succeeded")[:2] == (8, 9)
        assert cell(grid, "sgd", "mean") < 0.9
    assert table(two, match="updates").meta["match"]["at"] == 20.0, "and they shorten nothing"


# -- time to target --------------------------------------------------------------------------------


def test_time_to_a_target(two: Path) -> None:
    grid = table(two, reach=0.7)
    assert words(grid) == {"sgd": "baseline", "adam": "better"}
    times = [3 if 0.7 + e >= 0.7 else 4 for e in NOISE]
    assert cell(grid, "sgd", "mean") == pytest.approx(np.mean(times))
    assert cell(grid, "adam", "mean") == 1.0
    assert cell(grid, "adam", "reached") == (8, 8)
    assert (cell(grid, "sgd", "median"), cell(grid, "adam", "median")) == (3.0, 1.0)
    assert cell(grid, "sgd", "error") == pytest.approx(stats.sem(times))
    low, high = stats.ttest_1samp(1.0 - np.array(times), 0).confidence_interval(0.95)
    assert cell(grid, "adam", "difference_low") == pytest.approx(low)
    assert cell(grid, "adam", "difference_high") == pytest.approx(high)
    assert grid.title == "epochs until validation_accuracy is at least 0.7 by optimizer"
    assert grid.findings[0].startswith("adam is better than sgd: -2.38 ± 0.43 epochs (8 pairs, p = 0.0078)")
    assert "exact sign flips of log-rank scores of pairs of one seed and data" in grid.findings[-1]
    assert grid.meta["tau"] == 4.0
    assert grid.rows[0]["optimizer.name"] == "adam", "the quickest first"
    assert grid.best == frozenset({0})
    assert "p_better" not in {column.key for column in grid.columns}


@pytest.mark.parametrize(("x", "times"), [("updates", (15, 5)), ("seconds", (0.75, 0.5)), ("examples", (36, 12))])
def test_time_to_a_target_along_other_axes(tmp_path: Path, x: str, times: tuple[float, float]) -> None:
    """Batches of 3 of 12 examples: four updates, one of them more in the next epoch."""
    batch = {"name": "mini", "size": 3}
    for optimizer, values, pace in ((SGD, [0.1, 0.5, 0.6, 0.7, 0.8], 0.25), (ADAM, [0.1, 0.8, 0.9, 0.9, 0.9], 0.5)):
        for seed in range(6):
            past = past_run(tmp_path, values[-1], seed=seed, optimizer=optimizer, batch=batch, record_examples=12)
            curve(past, values, pace, 4 if x == "examples" else 5)
    grid = table(tmp_path, reach=0.7, x=x)
    assert (cell(grid, "sgd", "mean"), cell(grid, "adam", "mean")) == times
    assert grid.meta["x"] == x


def test_runs_that_never_arrive(two: Path) -> None:
    """Two of sgd diverge, one early stops, of which one diverges after it had arrived."""
    curve(past_run(two, seed=8, optimizer=SGD, status="diverged"), [0.1, 0.2])
    curve(past_run(two, seed=9, optimizer=SGD, status="diverged"), [0.1, 0.9])
    curve(past_run(two, 0.3, seed=10, optimizer=SGD), [0.1, 0.2, 0.3])
    past_run(two, seed=11, optimizer=SGD, status="interrupted")
    grid = table(two, reach=0.7)
    assert cell(grid, "sgd", "reached") == (9, 11)
    times = [1.0, *(3 if 0.7 + e >= 0.7 else 4 for e in NOISE)]
    curve_ = stats.ecdf(stats.CensoredData(uncensored=times, right=[2.0, 1e9])).sf
    area = 1 + sum(float(curve_.evaluate(t)) for t in (1, 2, 3))
    assert cell(grid, "sgd", "mean") == pytest.approx(area)
    told = " ".join(grid.notes)
    assert "2 of 19 runs never arrive; they are censored, not there yet when they ended, and the 1 that" in told
    assert "1 of them ended before τ" in told


def test_nobody_arrives_or_everybody_at_once(two: Path) -> None:
    with pytest.raises(
        InputError, match=r"--reach 0\.99: in no run is validation_accuracy ever at least that; the best"
    ):
        table(two, reach=0.99)
    grid = table(two, reach=0.05)
    assert (cell(grid, "sgd", "mean"), cell(grid, "adam", "mean"), grid.meta["tau"]) == (0.0, 0.0, 0.0)
    assert words(grid) == {"sgd": "baseline", "adam": "inconclusive"}


def test_below_six_seeds_there_is_no_claim(tmp_path: Path) -> None:
    grown(tmp_path, [0.1, 0.2, 0.8], 5, optimizer=SGD)
    grown(tmp_path, [0.1, 0.9, 0.9], 5, optimizer=ADAM)
    grid = table(tmp_path, reach=0.7)
    assert words(grid) == {"sgd": "baseline", "adam": "inconclusive"}
    assert "5 pairs cannot decide" in grid.findings[0]


def test_one_level_is_shown_without_a_verdict(tmp_path: Path) -> None:
    grown(tmp_path, [0.1, 0.2, 0.8], 2, optimizer=SGD)
    for asked in ({"reach": 0.7}, {"summary": "best"}, {"summary": "area"}):
        grid = table(tmp_path, **asked)
        assert len(grid.rows) == 1
        assert "verdict" not in {column.key for column in grid.columns}


def test_several_runs_of_a_seed_are_one_unit(tmp_path: Path) -> None:
    for lr in (0.1, 0.2):
        for name, values in (("sgd", [0.1, 0.2, 0.8]), ("nag", [0.1, 0.9, 0.9])):
            grown(tmp_path, values, 6, optimizer={"name": name, "lr": lr})
    grid = table(tmp_path, reach=0.7)
    assert (cell(grid, "nag", "pairs"), cell(grid, "nag", "n"), cell(grid, "nag", "p")) == (6, 12, 2 / 2**6)


def test_at_most_for_a_loss(two: Path) -> None:
    for run in read_all(two):
        text = (run.path / "metrics.csv").read_text().replace("validation_accuracy", "validation_loss")
        (run.path / "metrics.csv").write_text(text)
    grid = table(two, metric="loss", reach=0.2)
    assert grid.title.startswith("epochs until validation_loss is at most 0.2")
    assert cell(grid, "sgd", "mean") == 0.0


# -- fair pairs ------------------------------------------------------------------------------------


def test_matched_by_updates(tmp_path: Path) -> None:
    grown(tmp_path, [0.1, 0.5, 0.6, 0.7, 0.8], optimizer=SGD)
    grown(tmp_path, [0.1, 0.4, 0.9], optimizer=ADAM, steps=7)
    grid = table(tmp_path, match="updates")
    assert cell(grid, "sgd", "mean") == pytest.approx(0.6 + np.mean(NOISE)), "after 10 updates; 15 are too many"
    assert cell(grid, "adam", "mean") == pytest.approx(0.9 + np.mean(NOISE)), "after 14"
    assert (cell(grid, "sgd", "read_at"), cell(grid, "adam", "read_at")) == (10.0, 14.0)
    assert grid.meta["match"] == {"by": "updates", "at": 14.0, "read": [10.0, 14.0]}
    assert re.match(r"matched by updates: .* up to 14 updates, at 10 to 14; the shortest run, \w+, ends", grid.notes[0])
    assert any(note.startswith("the levels do not have the same updates (10 to 14)") for note in grid.notes)
    assert cell(grid, "sgd", "seconds") == pytest.approx(2 * PACE), "the time is that of the rows that were read"


def test_what_was_matched_is_not_called_unequal(two: Path) -> None:
    notes = table(two).notes
    assert any("time (1.00 s to 2.00 s)" in note for note in notes)
    notes = table(two, match="seconds").notes
    assert not any("time (" in note for note in notes)
    assert any("the levels do not have the same updates (10 to 20), epochs (2 to 4)" in note for note in notes)
    grid = table(two, match="seconds", summary="best")
    assert cell(grid, "adam", "mean") == pytest.approx(0.9 + np.mean(NOISE)), "the best of the rows up to there"
    grid = table(two, match="seconds", reach=0.7)
    assert grid.meta["tau"] == 4.0, "sgd's epochs in 1 s; adam has arrived before"


@pytest.mark.parametrize(("schedule", "word"), [("constant", "better"), ("cosine", "confounded")])
def test_lengths_that_were_matched_are_no_confound(tmp_path: Path, schedule: str, word: str) -> None:
    """Unless the rate at a given update depends on how long the run goes on."""
    for optimizer, epochs, values in ((SGD, 4, [0.1, 0.5, 0.6, 0.7, 0.8]), (ADAM, 2, [0.1, 0.8, 0.9])):
        stop = {"epochs": epochs, "patience": None}
        grown(tmp_path, values, optimizer=optimizer, stop=stop, schedule={"name": schedule})
    assert words(table(tmp_path))["adam"] == "confounded"
    assert words(table(tmp_path, match="updates"))["adam"] == word


def sized(root: Path, optimizer: dict[str, Any], sizes: dict[int, tuple[int, float]], count: int = 6) -> None:
    """Runs by width: their number of parameters and their score."""
    for width, (parameters, value) in sizes.items():
        for seed in range(count):
            architecture = {"name": "mlp", "hidden": [width]}
            changes = {"architecture": architecture, "record_parameters": parameters}
            past_run(root, value + NOISE[seed], seed=seed, optimizer=optimizer, **changes)


def test_matched_by_parameters(tmp_path: Path) -> None:
    sized(tmp_path, SGD, {8: (100, 0.6), 16: (200, 0.7), 64: (900, 0.99)})
    sized(tmp_path, ADAM, {7: (95, 0.65), 18: (215, 0.75), 30: (400, 0.1)})
    assert words(table(tmp_path))["adam"] == "confounded", "other widths"
    grid = table(tmp_path, match="params")
    assert words(grid) == {"sgd": "baseline", "adam": "better"}
    assert cell(grid, "sgd", "mean") == pytest.approx(0.65 + np.mean(NOISE[:6]))
    assert (cell(grid, "adam", "n"), cell(grid, "adam", "pairs")) == (12, 6)
    assert grid.notes[:2] == [
        "matched by parameters, as near as 10 %: 100 ~ 95; 200 ~ 215; a seed's score is its mean over the sizes",
        "12 of 36 runs have no partner of their size in every level; they are left out",
    ]
    assert grid.meta["match"] == {"by": "params", "tolerance": 0.1, "parameters": [[100, 95], [200, 215]]}
    assert not any("do not have the same parameters" in note for note in grid.notes)


def test_other_keys_are_confounds_at_equal_parameters_too(tmp_path: Path) -> None:
    sized(tmp_path, SGD, {8: (100, 0.6)})
    sized(tmp_path, ADAM, {7: (95, 0.65)})
    for run in read_all(tmp_path):
        if run.config["optimizer.name"] == "adam":
            alter(run.path, config={**run.record["config"], "activation": "tanh"})
    grid = table(tmp_path, match="params")
    assert words(grid)["adam"] == "confounded"
    assert "the levels differ in activation" in grid.findings[0]


def test_sizes_that_nothing_pairs_with(tmp_path: Path) -> None:
    sized(tmp_path, SGD, {8: (100, 0.6), 16: (200, 0.6)}, 2)
    sized(tmp_path, ADAM, {7: (80, 0.65)}, 2)
    told = r"--match params: adam \(80 parameters\) has no size within 10 % of one of sgd \(100, 200\)"
    with pytest.raises(InputError, match=told):
        table(tmp_path, match="params")
    sized(tmp_path, ADAM, {18: (210, 0.65)}, 2)
    sized(tmp_path, {"name": "nag", "lr": 0.1}, {8: (100, 0.6)}, 2)
    with pytest.raises(InputError, match=r"no size of sgd \(100, 200 parameters\) is there in all levels within 10 %"):
        table(tmp_path, match="params")


def test_nearest_pairs() -> None:
    assert nearest_pairs([100, 104], [100, 101]) == {100: 100, 101: 104}, "each once"
    assert nearest_pairs([110], [100]) == {100: 110}
    assert nearest_pairs([112], [100]) == {}
    assert nearest_pairs([], [100]) == {}


# -- what cannot be asked --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"summary": "bset"}, "--summary: 'bset' is not one of last, best, area; did you mean 'best'"),
        ({"match": "update"}, "--match: 'update' is not one of params, updates, seconds; did you mean 'updates'"),
        ({"summary": "area", "x": "epohcs"}, "--x: 'epohcs' is not one of epochs, updates, examples, seconds"),
        ({"x": "updates"}, "--x is the axis of --summary area and of --reach"),
        ({"x": "updates", "summary": "best"}, "--x is the axis of --summary area and of --reach"),
        ({"reach": math.nan}, "--reach: nan is no score to reach"),
        ({"reach": math.inf}, "--reach: inf is no score to reach"),
        ({"reach": 0.5, "summary": "best"}, "--reach judges when a score is reached and --summary what it is"),
        ({"summary": "area", "x": "examples"}, "--x examples: .* does not say how many there are"),
    ],
)
def test_what_cannot_be_asked(two: Path, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        table(two, **asked)


def test_metrics_without_rows(two: Path) -> None:
    with pytest.raises(InputError, match="--summary best: no finished run has rows of train_accuracy in its metrics"):
        table(two, metric="train_accuracy", summary="best")
    with pytest.raises(InputError, match="--metric: 'test_accuracy' looks at the test split"):
        table(two, metric="test_accuracy", reach=0.5)
    with pytest.raises(InputError, match=r"no finished run has rows of test_accuracy .* test scores are taken once"):
        table(two, metric="test_accuracy", reach=0.5, test=True)


def test_levels_that_cannot_be_matched(tmp_path: Path) -> None:
    grown(tmp_path, [0.1, 0.8], 2, optimizer=SGD)
    for how in ("params", "updates", "seconds"):
        with pytest.raises(InputError, match=f"--match {how}: fair pairs are of two levels, and here there is one"):
            table(tmp_path, match=how)
    late = curve(past_run(tmp_path, 0.7, seed=0, optimizer=ADAM), [0.1, 0.7])
    (late / "metrics.csv").write_text("epoch,step,validation_accuracy,seconds\n0,0,0.1,9.0\n1,5,0.7,10.0\n")
    with pytest.raises(InputError, match=r"--match seconds: \w+ has no row up to 0\.25 seconds, where \w+ ends"):
        table(tmp_path, match="seconds")
    with pytest.raises(InputError, match=r"--summary area: \w+ ends at 0\.25 seconds, before there are two places"):
        table(tmp_path, summary="area", x="seconds")


def test_rows_of_runs_and_runs_without_an_end(tmp_path: Path) -> None:
    past_run(tmp_path, status="diverged", optimizer=SGD)
    past_run(tmp_path, status="diverged", optimizer=SGD, seed=1)
    with pytest.raises(InputError, match=r"--reach 0\.5: none of these runs has finished"):
        table(tmp_path, reach=0.5)
    with pytest.raises(InputError, match="--summary, --reach and --match are for levels, and here every run has a row"):
        compare(read_all(tmp_path), aggregate=False, asked=Asked(summary="best"))


# -- every way to show them ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked", [{"summary": "best"}, {"summary": "area"}, {"reach": 0.7}, {"match": "updates"}], ids=str
)
def test_every_format_has_the_same_numbers(two: Path, asked: dict[str, Any]) -> None:
    grid = table(two, **asked)
    document = json.loads(as_json(grid))
    rows = list(csv.DictReader(io.StringIO(as_csv(grid), newline=""), strict=True))
    for told, row in zip(rows, document["rows"], strict=True):
        assert {key: float(told[key]) for key in ("mean", "difference") if told[key]} == {
            key: row[key] for key in ("mean", "difference") if row[key] is not None
        }
    own = {"best": "optimism", "area": "mean", "reach": "arrived", "last": "read_at"}[document["summary"]]
    assert own in rows[0]
    shown = [cell for _, columns in grid.panels for line in grid.cells(columns) for cell in line if cell]
    for text in (as_markdown(grid), as_html(grid), str(grid)):
        assert all(one in text for one in shown)
    assert "\\toprule" in as_latex(grid)


def test_from_python(two: Path) -> None:
    grid = nnexp.compare(nnexp.load(two), by="optimizer", asked=Asked(reach=0.7, x="updates"))
    assert grid.rows == table(two, reach=0.7, x="updates").rows


# -- examples seen ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "batching",
    [
        FullBatch(),
        SingleExample(),
        MiniBatch(size=4),
        MiniBatch(size=4, drop_last=True),
        MiniBatch(size=5),
        MiniBatch(size=10),
        MiniBatch(size=4, sampling="replacement"),
    ],
    ids=str,
)
def test_examples_are_those_of_the_batches(batching: Any, tmp_path: Path) -> None:
    batches = Batches(np.zeros((10, 1)), np.zeros(10), batching, seed=0)
    counts = [0]
    for epoch in (1, 2, 3):
        counts += [len(one) for span in batches.indices(epoch) for one in span]
    full, rest = batching.sizes(10)
    totals = np.cumsum(counts).tolist()
    assert [examples_seen(step, batching.rows(10), full, rest) for step in range(len(totals))] == totals
    run = read(past_run(tmp_path, 0.7, batch=batching.model_dump(), record_examples=10))
    assert along(run, {"step": [0.0, 3.0, None]}, "examples") == [0, totals[3] if len(totals) > 3 else None, None]


def test_a_run_that_failed_before_it_began_has_no_examples(two: Path) -> None:
    for run in read_all(two):
        alter(run.path, examples=12, config={**run.record["config"], "batch": {"name": "full"}})
    failed = past_run(two, seed=8, optimizer=SGD, status="failed", batch={"name": "full"})
    (failed / "metrics.csv").unlink()
    assert cell(table(two, reach=0.7, x="examples"), "sgd", "reached") == (8, 9)
    (failed / "metrics.csv").write_text("epoch,step,validation_accuracy,seconds\n")
    grid = table(two, reach=0.7, x="examples")
    assert cell(grid, "sgd", "reached") == (8, 9)
    assert cell(grid, "sgd", "failed") == 1


def test_a_line_search_looks_at_all_examples_in_each_evaluation(tmp_path: Path) -> None:
    run = read(past_run(tmp_path, 0.7, batch=FullBatch().model_dump(), record_examples=10))
    assert along(run, {"step": [0.0, 1.0], "evaluations": [0.0, 3.0]}, "examples") == [0, 30]


@pytest.mark.parametrize(
    ("options", "judged", "meaning"),
    [
        ("--summary best", "best validation_accuracy of all rows", "| best - last | mean of the best row less"),
        ("--summary area --x updates", "mean height of validation_accuracy over 0 to 20 updates", "| mean | of their"),
        ("--reach 0.6", "epochs until validation_accuracy is at least 0.6", "| restricted mean | of the times, cut at"),
        ("--match seconds", "validation_accuracy", "| at seconds | where the runs were read"),
    ],
)
def test_a_report_says_what_was_judged(two: Path, options: str, judged: str, meaning: str) -> None:
    done = command("report", "--runs", ".", "--where", "seed>=0", *options.split(), "--out", "r.md", cwd=two)
    assert (done.code, done.out) == (0, "r.md\n"), done.err
    text = (two / "r.md").read_text()
    assert f"**Compared with sgd in {judged}, adam is " in text
    assert meaning in text
    told = command("compare", "--runs", ".", "--where", "seed>=0", *options.split(), "--format", "json", cwd=two).json
    assert all(finding.rstrip(".") in text for finding in told["findings"] if not finding.startswith("p: "))
