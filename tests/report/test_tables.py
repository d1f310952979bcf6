"""Tables: the same values for a terminal, a pipe, Markdown, CSV and JSON, and nothing cut in silence."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from nnexp.report.compare import compare
from nnexp.report.tables import JSON_FORMAT, Column, Grid, as_csv, as_json, as_markdown, headings, render
from tests.past import past_run, read_all

AWKWARD = 'a "quoted", one\nof | two lines'
VALUES = [0.1 + 0.2, 1 / 3, 1e-300, None, math.nan, True, 3, AWKWARD, (64, 32), {"name": "adam", "lr": 0.1}]
"""All kinds of values that a table holds."""


@pytest.fixture
def grid() -> Grid:
    rows = [{"key": index, "long.key": value} for index, value in enumerate(VALUES)]
    return Grid([Column("key", "key", right=True), Column("long.key", "key")], rows, frozenset([1]), notes=["a note"])


def shown(grid: Grid, width: int | None, every_column: bool = False) -> str:
    """What a terminal of this width shows, or a pipe."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=width is not None, color_system=None)
    render(grid, "table", console, every_column)
    return file.getvalue()


# -- for machines ----------------------------------------------------------------------------------


def test_csv_comes_back(grid: Grid) -> None:
    text = as_csv(grid)
    assert text.count("\r\n") == len(VALUES) + 1
    assert text.endswith("\r\n")
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert header == ["key", "long.key"], "keys in full, not headings"
    cells = [row[1] for row in rows]
    assert [float(cell) for cell in cells[:3]] == VALUES[:3], "to the bit"
    assert cells[3:8] == ["", "", "true", "3", AWKWARD]
    assert [json.loads(cell) for cell in cells[8:]] == [[64, 32], {"name": "adam", "lr": 0.1}]


def test_json_comes_back(grid: Grid) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    document = json.loads(as_json(grid), parse_constant=refuse)
    assert document["format"] == JSON_FORMAT
    assert document["notes"] == ["a note"]
    found = [row["long.key"] for row in document["rows"]]
    assert found == [*VALUES[:3], None, None, True, 3, AWKWARD, [64, 32], {"name": "adam", "lr": 0.1}]


def test_an_interval_is_two_numbers_for_machines(tmp_path: Path) -> None:
    for seed in range(3):
        past_run(tmp_path, 0.5 + seed / 10, seed=seed)
    found = compare(read_all(tmp_path))
    assert as_csv(found).splitlines()[0] == "name,n,mean,std,ci95_low,ci95_high,seconds"
    row = json.loads(as_json(found))["rows"][0]
    assert (row["ci95_low"] + row["ci95_high"]) / 2 == pytest.approx(row["mean"])


# -- for people ------------------------------------------------------------------------------------


def test_markdown(grid: Grid) -> None:
    lines = as_markdown(
        Grid(grid.columns, [{"key": 1, "long.key": "a|b"}, {"key": 2, "long.key": 0.5}], frozenset([1]))
    )
    assert lines.splitlines() == ["| key | key |", "|---:|---|", "| 1 | a\\|b |", "| **2** | **0.5** |"]
    titled = as_markdown(Grid(grid.columns, [], title="A title", notes=["a note"]))
    assert titled.startswith("A title:\n\n| key")
    assert titled.endswith("\na note\n")


def test_a_line_break_breaks_no_row(grid: Grid) -> None:
    assert all(line.startswith("|") for line in as_markdown(Grid(grid.columns, grid.rows)).splitlines())
    assert len(shown(Grid(grid.columns, grid.rows), None).splitlines()) == len(VALUES) + 1


def test_headings_are_short_where_they_can_be() -> None:
    keys = [
        "optimizer.name",
        "optimizer.lr",
        "optimizer.eps",
        "normalization.eps",
        "regularization.dropout.rate",
        "seed",
    ]
    assert list(headings(keys).values()) == ["optimizer", "lr", "optimizer.eps", "normalization.eps", "rate", "seed"]


def wide(columns: int, width: int = 10) -> Grid:
    """A table with the first column dear and the others ever less so."""
    names = [f"c{i}".ljust(width, "x") for i in range(columns)]
    return Grid([Column(name, name, rank=i) for i, name in enumerate(names)], [dict.fromkeys(names, 0.5)])


def test_a_pipe_gets_everything() -> None:
    lines = shown(wide(50), None).splitlines()
    assert len(lines) == 2
    assert len(lines[0].split()) == 50
    assert "…" not in "".join(lines)


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_terminal_hides_columns_and_says_so(width: int) -> None:
    text = shown(wide(12), width)
    lines = text.splitlines()
    assert all(cell_len(line) <= width for line in lines)
    visible = lines[0].split() or lines[1].split()
    assert visible == [column.heading for column in wide(12).columns][: len(visible)], "the dearest stay"
    assert f"{12 - len(visible)} columns hidden: " in text
    assert "(--columns all)" in text
    assert "hidden" not in shown(wide(12), width, every_column=True)
    assert "hidden" not in shown(wide(12), 400)


def test_a_comparison_fits_80_columns(tmp_path: Path) -> None:
    # what varies here is wider than a terminal: seven keys and four metrics
    for number in range(4):
        odd = number % 2
        past_run(
            tmp_path,
            0.5 + number / 10,
            optimizer={"name": "adam", "lr": 0.1 * (number + 1), "beta1": 0.9 - odd / 10, "beta2": 0.999 - odd / 10},
            architecture={"name": "mlp", "hidden": [number + 1] * 3},
            batch={"name": "mini", "size": 2**number, "shuffle": ("epoch", "never")[odd]},
            dataset={"name": "moons", "n": 60 + number, "noise": 0.1 * number},
            seed=number,
        )
    grid = compare(read_all(tmp_path), aggregate=False)
    text = shown(grid, 80)
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    assert "columns hidden: " in text
    assert "validation_accuracy" in text, "what is judged by is never hidden"
    piped = shown(grid, None)
    assert all(column.heading in piped for column in grid.columns)


def test_the_best_is_marked(grid: Grid) -> None:
    for text in (shown(grid, None), shown(grid, 80)):
        assert [line.split()[0] for line in text.splitlines() if " *" in line] == ["1"]


def test_a_pipe_gets_no_escape_codes(grid: Grid) -> None:
    assert "\x1b" not in shown(grid, None)
