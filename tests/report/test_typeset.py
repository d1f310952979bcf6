"""Tables as LaTeX and HTML: the same cells as in every other format, and nothing in them is read as a command."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.report.compare import compare
from nnexp.report.tables import FORMATS, Column, Grid, as_markdown
from nnexp.report.typeset import LATEX, as_html, as_latex, latex
from tests.command import nnexp
from tests.past import ADAM, past_run, read_all

PAGES = Path(__file__).with_name("pages")
"""A table of verdicts in each format: `nnexp compare --by optimizer --format FORMAT` of `grid`'s runs."""


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    for optimizer, bonus in (({"name": "sgd", "lr": 0.1}, 0.0), (ADAM, 0.2)):
        for seed in range(2):
            past_run(tmp_path / "runs", 0.6 + bonus + seed / 10, optimizer=optimizer, seed=seed)
    past_run(tmp_path / "runs", status="diverged", seed=2)
    return compare(read_all(tmp_path / "runs"), ["optimizer"])


def awkward(text: str) -> Grid:
    return Grid([Column("k", "k"), Column("v", text)], [{"k": text, "v": 1}], frozenset([0]), text, [text])


def cells_of_latex(page: str) -> list[list[str]]:
    """The cells of a LaTeX table, without bold and escapes."""
    rows = re.findall(r"^(.*) \\\\$", page, re.MULTILINE)
    back = {written: sign for sign, written in LATEX.items()}
    words = re.compile("|".join(re.escape(written) for written in sorted(back, key=len, reverse=True)))
    cells = []
    for row in rows:
        parts = [
            re.sub(r"^\\textbf\{(.*)\}$", r"\1", cell.removeprefix("{}")) for cell in re.split(r"(?<!\\) ?& ?", row)
        ]
        cells.append([words.sub(lambda match: back[match[0]], part) for part in parts])
    return cells


def cells_of_html(page: str) -> list[list[str]]:
    root = ElementTree.fromstring(f"<div>{page}</div>")
    return [["".join(cell.itertext()) for cell in row] for row in root.iter("tr")]


def cells_of_markdown(page: str) -> list[list[str]]:
    rows = [line for line in page.splitlines() if line.startswith("|") and not line.startswith("|--")]
    return [[cell.strip(" *") for cell in row.strip("|").split("|")] for row in rows]


def rounded(page: str) -> str:
    """Ten digits of each number: the last ones are the machine's."""
    return re.sub(r"-?\d+\.\d{6,}", lambda found: f"{float(found[0]):.10g}", page)


@pytest.mark.parametrize("how", FORMATS)
def test_a_page_of_each_format(grid: Grid, tmp_path: Path, how: str) -> None:
    page = nnexp("compare", "--by", "optimizer", "--format", how, cwd=tmp_path)
    assert (page.code, page.err) == (0, "")
    assert rounded(page.out) == rounded((PAGES / f"levels.{how}").read_bytes().decode())


def test_all_formats_agree(grid: Grid) -> None:
    plain = [row for _, columns in grid.panels for row in ([c.heading for c in columns], *grid.cells(columns))]
    assert cells_of_markdown(as_markdown(grid)) == plain
    assert cells_of_latex(as_latex(grid)) == plain
    assert cells_of_html(as_html(grid)) == plain
    words = "".join(ElementTree.fromstring(f"<div>{as_html(grid)}</div>").itertext())
    for text in (*(title for title, _ in grid.panels), *grid.findings, *grid.notes):
        assert text in words


def test_the_best_is_bold(grid: Grid) -> None:
    bold = ElementTree.fromstring(f"<div>{as_html(grid)}</div>").findall(".//tr/td/b")
    [best] = grid.best
    assert [cell.text for cell in bold] == [c for _, columns in grid.panels for c in grid.cells(columns)[best] if c]


@given(st.text(st.sampled_from([*LATEX, *"ab ()[]*'\"", "ü"]), min_size=1).map(str.strip).filter(bool))
def test_nothing_in_a_cell_is_a_command(text: str) -> None:
    page = as_latex(awkward(text))
    assert cells_of_latex(page) == [["k", text], [text, "1"]]
    shown = latex(text)
    assert not re.search(r"(?<!\\)[%&#_]", re.sub(r"\$[^$]*\$", "", shown)), "only signs that LaTeX prints"
    assert not re.search(r"^[\[*]", page.splitlines()[-5], re.MULTILINE), "not the argument of a line's end"
    html = as_html(awkward(text))
    assert cells_of_html(html) == [["k", text], [text, "1"]]


@pytest.mark.parametrize("how", FORMATS)
def test_every_command_that_lists_has_every_format(grid: Grid, tmp_path: Path, how: str) -> None:
    assert len(grid.rows) == 2
    for words in (["compare"], ["compare", "--each"], ["runs"], ["list", "optimizer"], ["diff", "@last", "@last~1"]):
        result = nnexp(*words, "--format", how, cwd=tmp_path)
        assert (result.code, result.err) == (0, "")
        assert result.out.strip()


def test_a_notebook_shows_a_table(grid: Grid) -> None:
    assert grid._repr_html_() == as_html(grid)
    lines = str(grid).splitlines()
    assert next(line.split()[:3] for line in lines if line.startswith("adam")) == ["adam", "*", "2"]
    assert lines[-1] == [*grid.findings, *grid.notes][-1]
