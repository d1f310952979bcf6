"""Pictures of levels: the numbers of the tables, the same bytes each time, and the same in letters."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.errors import InputError
from nnexp.report.compare import compare
from nnexp.report.grouping import levels_of
from nnexp.report.pictures import comparison, style
from nnexp.report.pictures.comparison import Comparison, spread
from nnexp.report.pictures.heat import Heat
from nnexp.report.pictures.learning import Curves, at
from nnexp.report.pictures.scales import Scale, marks, round_values
from nnexp.report.pictures.sensitivity import Sensitivity, over_key
from nnexp.report.pictures.strips import Strips
from nnexp.report.pictures.terminal import Page
from nnexp.report.statistics import summarize
from nnexp.store.runs import Run
from tests.command import Outcome, nnexp, nnexp_process
from tests.past import alter, past_run, read_all

pytest.importorskip("matplotlib")

RATES = (0.001, 0.01, 0.1, 1.0)


def log(path: Path, values: Sequence[float], each: float = 0.25) -> None:
    """A metrics.csv with these validation accuracies, a row an epoch of five steps."""
    with (path / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", "step", "validation_loss", "validation_accuracy", "seconds"])
        writer.writerows([e, 5 * e, 1.0 / (1 + e), v, each * e] for e, v in enumerate(values))
    alter(path, epoch=len(values) - 1)


@pytest.fixture
def grown(tmp_path: Path) -> list[Run]:
    """Two optimizers, four learning rates, three seeds; the largest rate of sgd diverges, and once that of adam."""
    root = tmp_path / "runs"
    for optimizer, bonus in (("sgd", 0.0), ("adam", 0.1)):
        for place, lr in enumerate(RATES):
            for seed in range(3):
                last = 0.5 + bonus + place / 10 + seed / 50
                lost = lr == 1.0 and (optimizer == "sgd" or seed == 2)
                path = past_run(
                    root, last, optimizer={"name": optimizer, "lr": lr}, seed=seed,
                    status="diverged" if lost else "finished",
                )  # fmt: skip
                log(path, [0.1, last] if lost else [0.1, 0.4 + seed / 50, last])
    return read_all(root)


KINDS: dict[str, Callable[[list[Run]], Comparison]] = {
    "curves": lambda runs: Curves(levels_of(runs, ["optimizer"])),
    "strips": lambda runs: Strips(levels_of(runs)),
    "sensitivity": lambda runs: Sensitivity(levels_of(runs, (), ["optimizer.lr"]), "optimizer.lr"),
    "grid": lambda runs: Heat(levels_of(runs, ["optimizer", "lr"])),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def texts(svg: bytes) -> str:
    return " ".join("".join(ElementTree.fromstring(svg).itertext()).split())


# -- learning curves -------------------------------------------------------------------------------


def test_the_mean_goes_as_far_as_every_seed(tmp_path: Path) -> None:
    values = {0: [0.1, 0.5, 0.6, 0.7], 1: [0.2, 0.4, 0.8], 2: [0.3, 0.6, 0.7]}
    for seed, curve in values.items():
        log(past_run(tmp_path, 0.7, seed=seed), curve)
    log(past_run(tmp_path, status="diverged", seed=3), [0.2, 0.1])
    log(past_run(tmp_path, status="interrupted", seed=4), [0.2, 0.3, 0.4, 0.5])
    drawn = Curves(levels_of(read_all(tmp_path)))
    [curve] = drawn.curves
    assert (curve.n, curve.xs) == (3, [0.0, 1.0, 2.0])
    assert curve.means == [summarize([v[epoch] for v in values.values()]) for epoch in range(3)]
    assert [(single.status, single.points) for single in curve.singles] == [
        ("diverged", [(0.0, 0.2), (1.0, 0.1)]),
        ("interrupted", [(0.0, 0.2), (1.0, 0.3), (2.0, 0.4), (3.0, 0.5)]),
        ("finished", [(2.0, 0.6), (3.0, 0.7)]),
    ]
    told = " ".join(drawn.caption())
    assert "means of 3 seeds; bands: 95 % Student-t interval of the mean" in told
    assert "A mean ends where the first of its runs does" in told
    assert "1 of 5 runs diverged: not in a mean" in told
    assert "1 of 5 runs is interrupted: not in a mean" in told


def test_the_band_that_is_drawn_is_the_interval(grown: list[Run]) -> None:
    drawn = Curves(levels_of(grown, ["optimizer.lr"]))
    with style.styled():
        [axes] = drawn.draw().axes
    for curve, band in zip(drawn.curves, axes.collections, strict=True):
        inside = band.get_paths()[0].vertices
        for x, mean in zip(curve.xs, curve.means, strict=True):
            assert mean.mean is not None
            assert mean.half is not None
            heights = inside[inside[:, 0] == x][:, 1]
            bottom = axes.get_ylim()[0]
            assert heights.min() == pytest.approx(max(mean.mean - mean.half, bottom))
            assert heights.max() == pytest.approx(mean.mean + mean.half)
    lines = {tuple(np.round(line.get_xydata()[-1], 12)) for line in axes.lines if len(line.get_xydata()) > 1}
    assert {(curve.xs[-1], round(curve.means[-1].mean or 0, 12)) for curve in drawn.curves} <= lines


@pytest.mark.parametrize(("over", "end"), [("epochs", 2.0), ("steps", 10.0), ("seconds", 0.5)])
def test_axes(grown: list[Run], over: str, end: float) -> None:
    drawn = Curves(levels_of(grown, ["optimizer"]), over=over)
    assert [curve.xs[-1] for curve in drawn.curves] == [end, end]
    assert f"over {over.replace('steps', 'updates')}" in drawn.words


def test_the_scores_before_training_do_not_flatten_the_curves(tmp_path: Path) -> None:
    for seed in range(3):
        log(past_run(tmp_path, 0.98, seed=seed), [0.1, 0.94, 0.96, 0.97, 0.975, 0.98])
    drawn = Curves(levels_of(read_all(tmp_path)))
    with style.styled():
        [axes] = drawn.draw().axes
    bottom, top = axes.get_ylim()
    assert 0.9 < bottom < 0.94 < 0.98 < top < 1
    assert "The axis leaves out the scores before training (0.10)." in drawn.caption()


def test_an_axis_of_examples(tmp_path: Path) -> None:
    for seed, n in enumerate((12, 13)):  # the last batch of an epoch has 3 examples, or 4, and no epoch has 5 updates
        batch = {"name": "mini", "size": 3, "drop_last": False}
        log(past_run(tmp_path, 0.7, seed=seed, batch=batch, record_examples=n), [0.1, 0.5, 0.7])
    [curve] = Curves(levels_of(read_all(tmp_path)), over="examples").curves
    assert curve.xs == [0.0, 13.0, 15.0, 26.0]
    alter(read_all(tmp_path)[0].path, examples=None)
    with pytest.raises(InputError, match=r"--x examples: \w+ looks at no examples; take --x updates"):
        Curves(levels_of(read_all(tmp_path)), over="examples")


def test_between_rows_a_curve_is_straight(tmp_path: Path) -> None:
    """Seconds differ from run to run: each is read where any of them has a row."""
    for seed, pace in enumerate((0.25, 0.4)):
        log(past_run(tmp_path, 0.7, seed=seed), [0.1, 0.5, 0.7], pace)
    [curve] = Curves(levels_of(read_all(tmp_path)), over="seconds").curves
    assert curve.xs == [0.0, 0.25, 0.4, 0.5]
    for x, mean in zip(curve.xs, curve.means, strict=True):
        both = [np.interp(x, np.arange(3) * pace, [0.1, 0.5, 0.7]) for pace in (0.25, 0.4)]
        assert mean.mean == pytest.approx(np.mean(both))
    [rest] = curve.singles
    assert rest.points[-1] == (0.8, 0.7)


def test_rows_within_epochs(tmp_path: Path) -> None:
    """They are points of the curve, over epochs and over updates; a run without them is read in between."""
    logs = [[(0, 0.1), (0.4, 0.2), (0.8, 0.6), (1, 0.5), (1.4, 0.9), (2, 0.7)], [(0, 0.1), (1, 0.5), (2, 0.7)]]
    for seed, rows in enumerate(logs):
        path = past_run(tmp_path, 0.7, seed=seed, monitor={"every": 1, "updates": 2})
        text = "".join(f"{e},{round(5 * e)},0.5,{v},{e / 4}\n" for e, v in rows)
        (path / "metrics.csv").write_text("epoch,step,validation_loss,validation_accuracy,seconds\n" + text)
    runs = read_all(tmp_path)
    for over, scale in (("epochs", 1), ("steps", 5)):
        [curve] = Curves(levels_of(runs), over=over).curves
        assert curve.xs == pytest.approx([scale * x for x in (0, 0.4, 0.8, 1, 1.4, 2)])
        for x, mean in zip(curve.xs, curve.means, strict=True):
            both = [np.interp(x / scale, *zip(*rows, strict=True)) for rows in logs]
            assert mean.mean == pytest.approx(np.mean(both))


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(-1, 1)), min_size=1, unique_by=lambda p: p[0]), st.floats(0, 1))
def test_a_value_between_rows(points: list[tuple[int, float]], share: float) -> None:
    points.sort()
    x = points[0][0] + share * (points[-1][0] - points[0][0])
    assert at([(float(a), b) for a, b in points], x) == pytest.approx(
        np.interp(x, *zip(*points, strict=True)), abs=1e-9
    )


def test_what_has_no_curve(tmp_path: Path) -> None:
    log(past_run(tmp_path, 0.7), [0.5])
    with pytest.raises(InputError, match=r"no run has two values of validation_accuracy in its metrics\.csv"):
        Curves(levels_of(read_all(tmp_path)))
    for number in range(8):
        log(past_run(tmp_path, 0.7, optimizer={"name": "sgd", "lr": 1.0 + number}), [0.5, 0.6])
    with pytest.raises(InputError, match="9 levels of lr are too many for one picture; choose 7 at most"):
        Curves(levels_of(read_all(tmp_path)))


def test_an_exact_zero_has_no_place_on_a_logarithmic_axis(tmp_path: Path) -> None:
    for seed, falling in enumerate(([1.0, 0.1, 0.01], [1.0, 0.1, 0.02, 0.0])):
        path = past_run(tmp_path, 0.7, seed=seed)
        log(path, falling)
        text = (path / "metrics.csv").read_text().replace("validation_accuracy", "train_loss")
        (path / "metrics.csv").write_text(text)
    drawn = Curves(levels_of(read_all(tmp_path)), "train_loss")
    assert drawn.logarithmic
    assert drawn.picture("svg").content
    assert drawn.page(Page(80)).plain()


# -- final values: the same numbers as the table ---------------------------------------------------


def table(runs: list[Run], *by: str) -> dict[tuple[object, ...], tuple[object, ...]]:
    grid = compare(runs, by)
    keys = grid.meta["by"]
    return {tuple(r[k] for k in keys): (r["n"], r["mean"], r["ci95_low"], r["ci95_high"]) for r in grid.rows}


def numbers(s: comparison.Summary) -> tuple[object, ...]:
    ends = comparison.interval(s) or (None, None)
    return (s.n, s.mean, *ends)


def test_strips_are_the_table(grown: list[Run]) -> None:
    drawn = Strips(levels_of(grown))
    assert {row[0].values: numbers(row[2]) for row in drawn.rows} == table(grown, "optimizer", "lr")
    means = [row[2].mean for row in drawn.rows if row[2].mean is not None]
    assert means == sorted(means, reverse=True), "the best first"
    assert drawn.rows[-1][0].label == "sgd, lr 1"
    assert drawn.said(drawn.rows[-1][0], drawn.rows[-1][2]) == "3 of 3 diverged"
    with style.styled():
        [axes] = drawn.draw().axes
    dots = [x for line in axes.lines if line.get_marker() == "o" for x in line.get_xdata()]
    crosses = [x for line in axes.lines if line.get_marker() == "x" for x in line.get_xdata()]
    assert (len(dots), len(crosses)) == (20, 4), "every run is seen"
    assert sorted(dots) == pytest.approx(sorted(drawn.at(v) for _, scores, _ in drawn.rows for v in scores))


@pytest.mark.parametrize("seeds", [1, 4, 5, 12])
def test_equal_values_stand_on_each_other_within_their_row(tmp_path: Path, seeds: int) -> None:
    for seed in range(seeds):
        past_run(tmp_path, 0.1, seed=seed)
        past_run(tmp_path, 0.9, seed=seed, optimizer={"name": "adam", "lr": 0.1})
    with style.styled():
        [axes] = Strips(levels_of(read_all(tmp_path))).draw().axes
    stacks = [line.get_ydata() for line in axes.lines if line.get_marker() == "o"]
    for row, stack in enumerate(stacks):
        assert len(set(stack)) == seeds, "every run is seen"
        assert row - 0.4 < min(stack) <= max(stack) < row + 0.1


def test_sensitivity_is_the_table(grown: list[Run]) -> None:
    drawn = Sensitivity(levels_of(grown, (), ["optimizer.lr"]), "optimizer.lr")
    found = {(*level.values, spot.value): numbers(spot.summary) for level, spots in drawn.lines for spot in spots}
    assert found == table(grown, "optimizer", "lr")
    assert drawn.scale.logarithmic
    with style.styled():
        [axes] = drawn.draw().axes
    assert list(axes.get_xticks()) == pytest.approx(np.log10(RATES))
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["0.001", "0.01", "0.1", "1"]
    marked = [line for line in axes.lines if line.get_marker() in ("o", "^")]
    hollow = [line for line in marked if line.get_markerfacecolor() == "white"]
    assert [tuple(line.get_xydata()[0]) for line in hollow] == [(0.0, pytest.approx(0.91))], (
        "one seed of adam's is lost"
    )
    assert len([line for line in axes.lines if line.get_marker() == "x"]) == 1
    bests = [drawn._best(spots) for _, spots in drawn.lines]
    assert bests[0].startswith("best 0.910")
    assert bests[0].endswith("at lr 1")


def test_no_line_crosses_where_nothing_was_left(tmp_path: Path) -> None:
    for lr, status in ((0.1, "finished"), (1.0, "diverged"), (10.0, "finished")):
        past_run(tmp_path, 0.5, optimizer={"name": "sgd", "lr": lr}, status=status)
    drawn = Sensitivity(levels_of(read_all(tmp_path), (), ["optimizer.lr"]), "optimizer.lr")
    [(_, spots)] = drawn.lines
    assert [[spot.value for spot in part] for part in drawn.parts(spots)] == [[0.1], [10.0]]


def test_a_hyperparameter_of_runs_that_all_diverged(tmp_path: Path) -> None:
    for momentum in (0.5, 0.9):
        past_run(tmp_path, optimizer={"name": "momentum", "lr": 0.1, "momentum": momentum}, status="diverged")
    past_run(tmp_path, 0.6)
    with pytest.raises(
        InputError, match=r"--over: no run with a value of optimizer\.momentum has a final validation_a"
    ):
        Sensitivity(levels_of(read_all(tmp_path), (), ["optimizer.momentum"]), "optimizer.momentum")


def test_the_usable_range_is_said_and_drawn(grown: list[Run]) -> None:
    drawn = Sensitivity(levels_of(grown, ["optimizer"], ["optimizer.lr"]), "optimizer.lr", within=0.1)
    adam, sgd = drawn.ranges
    assert adam is not None
    assert sgd is not None
    # means rise by 0.1 a decade, and at 1.0 runs diverged
    assert (adam.best, adam.low, adam.high, adam.above) == (0.1, pytest.approx(0.01), 0.1, True)
    assert (sgd.below, str(sgd)) == (False, "0.01 to 0.1 or more, at least 1 decade")
    with style.styled():
        [axes] = drawn.draw().axes
    thick = [line.get_xydata() for line in axes.lines if line.get_linewidth() == 3.6]
    assert [piece[0][0] for piece in thick] == pytest.approx([-2.0, -2.0])
    assert [piece[-1][1] for piece in thick] == pytest.approx([0.82, 0.72])
    page = drawn.page(Page(80)).plain()
    assert page.count("usable 0.01 to 0.1 or more, at least 1 decade") == 2
    assert "Usable range, of means at most 0.1 worse than the best of the line." in page
    own = Sensitivity(levels_of(grown, ["optimizer"], ["optimizer.lr"]), "optimizer.lr").ranges[0]
    assert own is not None
    assert own.within == pytest.approx(np.std([0.8, 0.82, 0.84], ddof=1)), "of the seeds at the best value"
    assert own.low == pytest.approx(10 ** (-1 - own.within / 0.1))
    with pytest.raises(InputError, match=r"--within: -1 is no size of a difference"):
        Sensitivity(levels_of(grown, ["optimizer"], ["optimizer.lr"]), "optimizer.lr", within=-1)


def test_a_thick_line_lies_on_its_line_on_a_logarithmic_axis(tmp_path: Path) -> None:
    for lr, loss in zip(RATES, (0.9, 0.02, 0.01, 0.5), strict=True):
        for seed in range(3):
            past_run(tmp_path, 1 - loss, optimizer={"name": "sgd", "lr": lr}, seed=seed)
    drawn = Sensitivity(levels_of(read_all(tmp_path), (), ["optimizer.lr"]), "optimizer.lr", "loss", within=0.1)
    assert drawn.logarithmic
    with style.styled():
        [axes] = drawn.draw().axes
    [thick] = [line.get_xydata() for line in axes.lines if line.get_linewidth() == 3.6]
    [thin] = [line.get_xydata() for line in axes.lines if line.get_linewidth() == 1.5]
    assert np.log10(thick[:, 1]) == pytest.approx(np.interp(thick[:, 0], thin[:, 0], np.log10(thin[:, 1])))


def test_which_hyperparameter(grown: list[Run]) -> None:
    assert over_key(grown, None) == over_key(grown, "lr") == "optimizer.lr"
    with pytest.raises(InputError, match=r"--over: optimizer.name must have numbers for values, found sgd; 'nnexp pl"):
        over_key(grown, "optimizer")
    with pytest.raises(InputError, match="--over: which hyperparameter"):
        over_key(grown[:3], None)


def test_a_grid_is_the_table(grown: list[Run]) -> None:
    drawn = Heat(levels_of(grown, ["optimizer", "lr"]))
    assert {key: numbers(s) for key, (_, s) in drawn.cells.items()} == table(grown, "optimizer", "lr")
    assert (drawn.rows, drawn.columns) == (["adam", "sgd"], list(RATES))
    assert drawn.best == {("adam", 0.1)}, "the best mean of cells is at lr 1, where a run failed"
    assert (drawn.shade(max(drawn.means)), drawn.shade(min(drawn.means))) == (1.0, 0.0)
    assert drawn.said("sgd", 1.0) == ("×", "3 of 3 ×")
    assert drawn.said("adam", 1.0)[1] == "1 of 3 ×"
    losses = Heat(levels_of(grown, ["optimizer", "lr"]), "loss")
    assert losses.shade(min(losses.means)) == 1.0


def test_a_repetition_counts_once_and_pooling_is_said(tmp_path: Path) -> None:
    for seed in (0, 0, 1):
        past_run(tmp_path, 0.5 + seed / 10, seed=seed, record_fingerprint=f"{seed:016x}")
    past_run(tmp_path, 0.9, seed=0, optimizer={"name": "adam", "lr": 0.5})
    drawn = Strips(levels_of(read_all(tmp_path), ["optimizer"]))
    assert [len(row[1]) for row in drawn.rows] == [1, 2]
    assert "1 more of the same configuration, seed and data: a repetition counts once." in drawn.caption()
    pooled = Strips(levels_of(read_all(tmp_path), ["dataset"]))
    assert any("Each mean also pools different optimizer.name" in line for line in pooled.caption())


# -- files -----------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("how", style.FORMATS)
def test_the_same_bytes_each_time(grown: list[Run], kind: str, how: str) -> None:
    first, second = (KINDS[kind](runs).picture(how) for runs in (grown, grown[::-1]))
    assert first == second, "in whatever order the runs come"
    for word in (b"CreationDate", b"ModDate", b"<dc:date>", b"tIME"):
        assert word not in first.content


@each_kind
def test_what_a_picture_says(grown: list[Run], kind: str) -> None:
    drawn = KINDS[kind](grown)
    content = drawn.picture("svg").content
    words = texts(content)
    for word in ("adam", "sgd", "validation_accuracy", "diverged", "95 % Student-t interval", drawn.words):
        assert word in words
    root = ElementTree.fromstring(content)
    _, _, width, height = map(float, (root.get("viewBox") or "").split())
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        move = re.search(r"translate\((\S+) (\S+)\)", text.get("transform", ""))
        x, y = (float(v) for v in (move.groups() if move else (text.get("x", 0), text.get("y", 0))))
        assert 0 <= x <= width
        assert 0 <= y <= height


def test_levels_differ_in_more_than_colour() -> None:
    inks = [comparison.Ink.of(number) for number in range(comparison.MOST)]
    for part in ("colour", "dashes", "marker"):
        assert len({getattr(ink, part) for ink in inks}) == len(inks)


# -- letters ---------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("width", [40, 80])
def test_letters(grown: list[Run], kind: str, width: int) -> None:
    drawn = KINDS[kind](grown)
    page = drawn.page(Page(width, ascii=False)).plain()
    if width == 80:
        assert max(map(len, page.splitlines())) <= width
    assert "×" in page
    assert "diverged" in page
    plain = drawn.page(Page(width, ascii=True)).plain()
    assert plain.isascii()
    assert "?" not in plain
    assert len(plain.splitlines()) == len(page.splitlines())


def test_letters_stand_where_the_values_are(grown: list[Run]) -> None:
    drawn = Sensitivity(levels_of(grown, (), ["optimizer.lr"]), "optimizer.lr")
    lines = drawn.page(Page(80)).plain().splitlines()
    field = [line.partition("┤")[2] or line.partition("│")[2] for line in lines[2:18]]
    rows = {line.index("a"): row for row, line in enumerate(field) for _ in range(1) if "a" in line}
    assert [rows[column] for column in sorted(rows)] == sorted(rows.values(), reverse=True), "better to the right"
    assert min(rows) == 0
    assert all(line.count("a") <= 2 for line in field)


def test_no_letter_hides_another(tmp_path: Path) -> None:
    for name in ("sgd", "adam", "nag"):
        log(past_run(tmp_path, 0.7, optimizer={"name": name, "lr": 0.1}), [0.1, 0.5, 0.7])
    page = Curves(levels_of(read_all(tmp_path))).page(Page(80)).plain()
    field = [line for line in page.splitlines() if "┤" in line or "│" in line]
    counts = [
        sum(line.partition("┤")[2].count(one) + line.partition("│")[2].count(one) for line in field) for one in "abc"
    ]
    assert min(counts) > 0.7 * max(counts)


def plot(runs: Sequence[Run], *words: object, **environment: str) -> Outcome:
    return nnexp("plot", *words, cwd=runs[0].path.parent.parent, **environment)


def test_commands(grown: list[Run], tmp_path: Path) -> None:
    first = plot(grown, "curves", "past", "--by", "optimizer")
    assert (first.code, first.err) == (0, "")
    assert first.out.startswith("validation_accuracy over epochs by optimizer\n\n")
    assert "\x1b" not in first.out
    assert first.out == plot(grown, "curves", "past", "--by", "optimizer", "--text").out
    for kind, words in {
        "curves": ["--by", "optimizer", "--x", "steps"],
        "strips": ["--metric", "loss"],
        "sensitivity": ["--over", "lr"],
        "grid": ["--where", "lr<0.5"],
    }.items():
        for how in style.FORMATS:
            result = plot(grown, kind, "past", *words, "--out", f"{kind}.{how}")
            assert (result.code, result.out, result.err) == (0, f"{kind}.{how}\n", "")
        assert (tmp_path / f"{kind}.pdf").read_bytes().startswith(b"%PDF")
        both = plot(grown, kind, "past", *words, "--out", f"{kind}.svg", "--text")
        assert both.out.endswith(f"\n{kind}.svg\n")
        assert both.out.count("\n") > 5
    coloured = plot(grown, "curves", "past", "--by", "optimizer", FORCE_COLOR="1", COLUMNS="80").out
    assert "\x1b[36m" in coloured
    plain = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert [line.rstrip() for line in plain.splitlines()] == first.out.splitlines()
    assert "\x1b" not in plot(grown, "curves", "past", "--by", "optimizer", FORCE_COLOR="1", NO_COLOR="1").out


def test_a_terminal_without_utf_8(grown: list[Run], tmp_path: Path) -> None:
    result = nnexp_process("plot", "strips", "past", cwd=tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (result.code, result.err) == (0, "")
    assert result.out.isascii()
    assert " x " in result.out


def test_runs_without_results(tmp_path: Path) -> None:
    for seed in range(2):
        log(past_run(tmp_path / "runs", status="diverged", seed=seed), [0.1, 0.2])
    runs = read_all(tmp_path / "runs")
    result = plot(runs, "strips")
    assert result.code == 2
    assert "none of these runs has a final score (2 diverged); 'nnexp plot curves' draws what there is" in result.err
    result = plot(runs, "curves", "--metric", "accuracy")
    assert result.code == 0
    assert "no mean" in result.out


# -- axes ------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 0.1)), min_size=1, max_size=8))
def test_labels_do_not_overlap(boxes: list[tuple[float, float]]) -> None:
    boxes.sort()
    wanted, sizes = zip(*boxes, strict=True)
    found = spread(wanted, sizes)
    ends = [(p - s / 2, p + s / 2) for p, s in zip(found, sizes, strict=True)]
    for (_, above), (below, _) in pairwise(ends):
        assert below >= above - 1e-6
    free = [(-1.0, 2.0), *boxes, (2.0, 2.0)]
    if all(a + s / 2 <= b - t / 2 for (a, s), (b, t) in pairwise(free)):
        assert found == pytest.approx(wanted, abs=1e-6), "nothing moves without need"


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_round_values_lie_inside(low: float, span: float, most: int) -> None:
    found = round_values(low, low + span, most)
    assert 1 <= len(found) <= most
    slack = 1e-6 * span + 1e-9 * abs(low)
    assert all(low - slack <= v <= low + span + slack for v in found)


def test_scales() -> None:
    assert [Scale.of([0, 0.01, 0.1, 1]).place(v) for v in (0, 0.01, 1)] == [-3, -2, 0]
    assert not Scale.of([-1, 1, 100]).logarithmic
    assert not Scale.of([16, 32, 48]).logarithmic
    assert Scale.of([16, 32, 64, 128]).logarithmic
    assert marks(-2, 1, logarithmic=True) == [
        (0, "0.01"),
        (pytest.approx(1 / 3), "0.1"),
        (pytest.approx(2 / 3), "1"),
        (1, "10"),
    ]
    assert [text for _, text in marks(math.log10(0.011), math.log10(0.019), True)] == [
        "0.012", "0.014", "0.016", "0.018",
    ]  # fmt: skip


def test_what_is_written_below() -> None:
    def texts(values: list[float], letters: int = 54) -> list[str]:
        ticks = Scale.of(values).below(values, letters)
        assert all(0 <= at <= 1 for at, _ in ticks)
        return [text for _, text in ticks]

    assert texts([16, 32, 64, 128, 256, 512, 1024]) == ["16", "32", "64", "128", "256", "512", "1024"]
    assert texts([0.0123, 0.3456, 0.7891]) == ["0.0123", "0.3456", "0.7891"], "few"
    drawn = [0.0005416, 0.0011, 0.0018, 0.0049, 0.0058, 0.0082, 0.0299, 0.1343]
    assert texts(drawn) == ["0.001", "0.01", "0.1"]
    assert texts([0.0, *drawn]) == ["0", "0.001", "0.01", "0.1"]
    assert texts([0.1, 0.11, 0.12, 0.13, 0.5, 0.9]) == ["0.1", "0.2", "0.5"], "not apart"
    assert texts([16, 32, 64, 128, 256, 512, 1024], 20) == ["100", "1000"]
