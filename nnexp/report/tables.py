"""Tables: computed once as plain values, then shown for a terminal, as Markdown, LaTeX, HTML, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nnexp.report.numbers import number

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FORMATS = ("table", "markdown", "latex", "html", "csv", "json")
FOR_MACHINES = ("csv", "json")
"""Those with every key and full precision; the others are for people."""
JSON_FORMAT = 1
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a text begins with that a spreadsheet takes for a formula."""
FOLDED = 16
"""Characters to which a column of several words may be folded for the sake of one whose words would be cut."""


@dataclass(frozen=True)
class Column:
    """One column: its key in full, its heading, how its values are shown, and how dear it is when space is short."""

    key: str
    heading: str
    show: Callable[[Any], str] = number
    right: bool = False
    rank: int = 0
    """Columns of a higher rank are hidden first where the terminal is narrow."""
    parts: tuple[str, ...] = ()
    """For machines: the columns that stand in this one's place in CSV and JSON."""
    panel: int = 0
    """For people: 1 for a column of the second table, under the first; 2 for one that only machines see."""

    @property
    def machine_keys(self) -> tuple[str, ...]:
        return self.parts or (self.key,)


@dataclass(frozen=True)
class Grid:
    """A table: unrounded values, columns that say how to show them, rows that are best, and sentences below."""

    columns: list[Column]
    rows: list[dict[str, Any]]
    best: frozenset[int] = frozenset()
    title: str = ""
    notes: list[str] = field(default_factory=list)
    meta: dict[str, Any] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    """What the table says, in sentences that stand in front of the notes."""
    keyed: int = 1
    """How many columns at the left are repeated in a second table."""
    second: str = ""
    """The title of the second table."""
    before: list[Grid] = field(default_factory=list)
    """Tables that stand in front of this one, each with its own sentences."""
    best_cells: frozenset[tuple[int, str]] = frozenset()
    """Single cells that are best: the number of a row and the key of a column."""

    @property
    def sheets(self) -> list[Grid]:
        """All tables, one after the other."""
        return [*self.before, self]

    def is_best(self, index: int, column: Column) -> bool:
        return index in self.best or (index, column.key) in self.best_cells

    @property
    def sentences(self) -> list[str]:
        """What stands below the table."""
        return [*self.findings, *self.notes]

    @property
    def panels(self) -> list[tuple[str, list[Column]]]:
        """The tables that people see, one or two, each with its title."""
        first = [column for column in self.columns if column.panel == 0]
        other = [column for column in self.columns if column.panel == 1]
        return [(self.title, first), *([(self.second, [*first[: self.keyed], *other])] if other else [])]

    def cells(self, columns: Sequence[Column]) -> list[list[str]]:
        """What people read, a line each."""
        return [[column.show(row.get(column.key)).replace("\n", " ") for column in columns] for row in self.rows]

    def __str__(self) -> str:
        """Plain text, with the sentences below."""
        told = []
        for sheet in self.sheets:
            pages = [
                as_text(sheet, columns, title if number or self.before else "")
                for number, (title, columns) in enumerate(sheet.panels)
            ]
            told.append("\n".join(pages) + "".join(f"{text}\n" for text in sheet.sentences))
        return "\n".join(told)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from nnexp.report.typeset import as_html

        return as_html(self)


def headings(keys: Sequence[str]) -> dict[str, str]:
    """Short headings: the last part of a dotted key, `optimizer` for `optimizer.name`, in full where two would agree.

    >>> headings(["optimizer.name", "optimizer.lr", "dataset.name"])
    {'optimizer.name': 'optimizer', 'optimizer.lr': 'lr', 'dataset.name': 'dataset'}
    """
    short = {key: key.removesuffix(".name").rsplit(".", 1)[-1] for key in keys}
    counts = list(short.values())
    return {key: word if counts.count(word) == 1 else key.removesuffix(".name") for key, word in short.items()}


def render(grid: Grid, how: str, console: Console, every_column: bool = False, rest: str = "--columns all") -> None:
    """Write a table to the console in one of FORMATS. `rest`: the option that shows what a narrow terminal hides."""
    if how == "csv":
        console.file.write(as_csv(grid))
    elif how == "json":
        console.file.write(as_json(grid))
    elif how == "markdown":
        console.file.write(as_markdown(grid))
    elif how in ("latex", "html"):
        from nnexp.report.typeset import as_html, as_latex

        console.file.write(as_latex(grid) if how == "latex" else as_html(grid))
    else:
        _as_table(grid, console, every_column, rest)


def as_csv(grid: Grid) -> str:
    """RFC 4180 with full keys and full precision; empty cells for missing values.

    Several tables stand below each other, in the columns of all of them.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    found = dict.fromkeys(key for one in grid.sheets for column in one.columns for key in column.machine_keys)
    writer.writerow(found)
    for one in grid.sheets:
        own = {key for column in one.columns for key in column.machine_keys}
        for row in one.rows:
            writer.writerow([csv_cell(row.get(key) if key in own else None) for key in found])
    return buffer.getvalue()


def csv_cell(value: Any) -> Any:
    """A value as CSV has it: nothing for what is missing, JSON for lists, full precision.

    A text that a spreadsheet would compute gets an apostrophe in front: a name out of somebody's file must not run.

    >>> [csv_cell(value) for value in (0.1, None, True, [1, 2], "=1+1", "-x", -1)]
    ['0.1', '', 'true', '[1, 2]', "'=1+1", "'-x", -1]
    """
    if isinstance(value, str):
        return f"'{value}" if value.startswith(FORMULA) else value
    if value is None or (isinstance(value, float) and value != value):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return (
        json.dumps(value)
        if isinstance(value, tuple | list | dict)
        else repr(value)
        if isinstance(value, float)
        else value
    )


def as_json(grid: Grid) -> str:
    """Versioned, unrounded, null for missing; the tables in front of it under `tables`."""
    document = {"format": JSON_FORMAT, **_document(grid)}
    return json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _document(grid: Grid) -> dict[str, Any]:
    keys = [key for column in grid.columns for key in column.machine_keys]
    rows = [{key: _null(row.get(key)) for key in keys} for row in grid.rows]
    findings = {"findings": grid.findings} if grid.findings else {}
    before = {"tables": [_document(one) for one in grid.before]} if grid.before else {}
    return {**grid.meta, **before, "rows": rows, **findings, "notes": grid.notes}


def _null(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:
        return None
    return list(value) if isinstance(value, tuple) else value


def as_markdown(grid: Grid) -> str:
    """A pipe table with what is best in bold, the title above and the notes below."""
    return "\n".join(_one_as_markdown(one) for one in grid.sheets)


def _one_as_markdown(grid: Grid) -> str:
    lines: list[str] = []
    for title, columns in grid.panels:
        lines += [*([""] if lines else []), *([f"{title}:", ""] if title else [])]
        lines.append("| " + " | ".join(column.heading for column in columns) + " |")
        lines.append("|" + "|".join("---:" if column.right else "---" for column in columns) + "|")
        for index, cells in enumerate(grid.cells(columns)):
            shown = [cell.replace("|", "\\|") for cell in cells]
            marked = zip(shown, columns, strict=True)
            shown = [f"**{cell}**" if cell and grid.is_best(index, column) else cell for cell, column in marked]
            lines.append("| " + " | ".join(shown) + " |")
    below = "".join(f"\n{text}\n" for text in grid.sentences)
    return "\n".join(lines) + "\n" + below


def _as_table(grid: Grid, console: Console, every_column: bool, rest: str) -> None:
    for place, one in enumerate(grid.sheets):
        if place:
            console.file.write("\n")
        _one_as_table(one, console, every_column, rest)


def _one_as_table(grid: Grid, console: Console, every_column: bool, rest: str) -> None:
    hidden: list[Column] = []
    for place, (title, columns) in enumerate(grid.panels):
        if console.is_terminal:
            if not every_column:
                hidden += _hide(grid, columns, console)
            console.print(_rich(grid, columns, title, console.width))
        else:
            console.file.write(("\n" if place else "") + as_text(grid, columns, title))
    if grid.findings and not console.is_terminal:
        console.file.write("\n")
    notes = grid.sentences
    if hidden:
        names = ", ".join(column.heading for column in hidden[-6:])
        more = f" and {len(hidden) - 6} more" if len(hidden) > 6 else ""
        notes.append(f"{len(hidden)} column{'s' if len(hidden) > 1 else ''} hidden: {names}{more} ({rest})")
    for note in notes:
        console.print(note, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _hide(grid: Grid, columns: list[Column], console: Console) -> list[Column]:
    """Take away columns of a rank, the highest and rightmost first, until the table fits; those, from left to right."""
    hidden: list[Column] = []
    while len(columns) > 2 and _width(grid, columns, console) > console.width:
        least = max(range(len(columns)), key=lambda i: (columns[i].rank, i))
        if columns[least].rank == 0:
            break
        hidden.append(columns.pop(least))
    return hidden[::-1]


def _marked(grid: Grid, columns: Sequence[Column]) -> list[list[str]]:
    """Cells, with a star behind the first cell of the best rows, and behind single cells that are best."""
    cells = grid.cells(columns)
    starred = {key for _, key in grid.best_cells}
    for index, row in enumerate(cells):
        if grid.best:
            row[0] += " *" if index in grid.best else "  "
        for place, column in enumerate(columns):
            if column.key in starred:
                row[place] += " *" if (index, column.key) in grid.best_cells else "  "
    return cells


def _width(grid: Grid, columns: Sequence[Column], console: Console) -> int:
    """What the table takes where nothing is folded."""
    from rich.measure import Measurement

    return Measurement.get(console, console.options.update_width(10_000), _rich(grid, columns, "", 10_000)).maximum


def as_text(grid: Grid, columns: Sequence[Column], title: str = "") -> str:
    """Plain columns, nothing cut: what a pipe gets."""
    from rich.cells import cell_len

    rows = [[column.heading for column in columns], *_marked(grid, columns)]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(columns))]
    lines = [title] if title else []
    for row in rows:
        padded = [
            " " * (width - cell_len(cell)) + cell if column.right else cell + " " * (width - cell_len(cell))
            for cell, column, width in zip(row, columns, widths, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def _uncut(rows: Sequence[Sequence[str]], headings: Sequence[str], width: int) -> set[int]:
    """Columns of single words, which folding would cut, where the others can be folded to make room for them."""
    widths = [max(map(len, cells)) for cells in zip(headings, *rows, strict=True)]
    single = {i for i, cells in enumerate(zip(headings, *rows, strict=True)) if not any(" " in cell for cell in cells)}
    room = width - FOLDED * (len(widths) - len(single)) - 3 * len(widths)
    return single if sum(widths[i] for i in single) <= room else set()


def _rich(grid: Grid, columns: Sequence[Column], title: str, width: int) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        title=Text(title) if title else None,
        title_justify="left",
        pad_edge=False,
    )
    rows = _marked(grid, columns)
    uncut = _uncut(rows, [column.heading for column in columns], width)
    for place, column in enumerate(columns):
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(Text(column.heading), justify=justify, overflow="fold", no_wrap=place in uncut)
    for index, row in enumerate(rows):
        styles = ["bold green" if grid.is_best(index, column) else "" for column in columns]
        table.add_row(*(Text(cell, style=style) for cell, style in zip(row, styles, strict=True)))
    return table
