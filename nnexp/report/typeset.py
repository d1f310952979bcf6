"""Tables for papers and pages: LaTeX with booktabs and HTML, the best rows in bold, what is written in them escaped."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from nnexp.report.tables import Grid

LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "…": r"\ldots{}",
    "√": r"$\surd$",
}
GREEK = "alpha beta gamma delta varepsilon theta lambda mu pi rho sigma varphi Delta Sigma"
LATEX |= {letter: rf"$\{name}$" for letter, name in zip("αβγδεθλμπρσφΔΣ", GREEK.split(), strict=True)}
"""What LaTeX needs in the place of a sign; other letters stand as they are (UTF-8)."""
_LATEX = str.maketrans(LATEX)


def as_latex(grid: Grid) -> str:
    """A `table` with a `tabular` in booktabs' lines, to be read in with \\input; the notes are comments below it."""
    return "% \\usepackage{booktabs}\n" + "".join(_one_as_latex(one) for one in grid.sheets)


def _one_as_latex(grid: Grid) -> str:
    lines: list[str] = []
    for title, columns in grid.panels:
        lines += [r"\begin{table}", r"\centering"]
        lines += [rf"\caption{{{latex(title)}}}"] if title else []
        lines += [rf"\begin{{tabular}}{{{''.join('r' if column.right else 'l' for column in columns)}}}", r"\toprule"]
        lines += [_latex_row([latex(column.heading) for column in columns]), r"\midrule"]
        for index, row in enumerate(grid.cells(columns)):
            cells = zip([latex(cell) for cell in row], columns, strict=True)
            lines.append(_latex_row([rf"\textbf{{{c}}}" if c and grid.is_best(index, one) else c for c, one in cells]))
        lines += [r"\bottomrule", r"\end{tabular}", r"\end{table}"]
    lines += [f"% {' '.join(sentence.split())}" for sentence in grid.sentences]
    return "\n".join(lines) + "\n"


def latex(text: str) -> str:
    """Text as LaTeX writes it.

    >>> latex("95 % of n_1 & {2}")
    '95 \\\\% of n\\\\_1 \\\\& \\\\{2\\\\}'
    """
    return text.translate(_LATEX)


def _latex_row(cells: Sequence[str]) -> str:
    # a row that began with a bracket would be read as the argument of the \\ before it
    first = "{}" + cells[0] if cells and cells[0].startswith(("[", "*")) else "".join(cells[:1])
    return " & ".join([first, *cells[1:]]) + r" \\"


def as_html(grid: Grid) -> str:
    """`table` elements, without a page around them; the notes are paragraphs below."""
    return "".join(_one_as_html(one) for one in grid.sheets)


def _one_as_html(grid: Grid) -> str:
    lines = []
    for title, columns in grid.panels:
        lines += ['<table class="nnexp">']
        lines += [f"<caption>{escape(title)}</caption>"] if title else []
        sides = [' style="text-align: right"' if column.right else ' style="text-align: left"' for column in columns]
        heads = "".join(f"<th{side}>{escape(c.heading)}</th>" for side, c in zip(sides, columns, strict=True))
        lines += [f"<thead><tr>{heads}</tr></thead>", "<tbody>"]
        for index, row in enumerate(grid.cells(columns)):
            both = zip([escape(cell) for cell in row], columns, strict=True)
            shown = [f"<b>{cell}</b>" if cell and grid.is_best(index, column) else cell for cell, column in both]
            cells = "".join(f"<td{side}>{cell}</td>" for side, cell in zip(sides, shown, strict=True))
            lines.append(f"<tr>{cells}</tr>")
        lines += ["</tbody>", "</table>"]
    lines += [f"<p>{escape(sentence)}</p>" for sentence in grid.sentences]
    return "\n".join(lines) + "\n"
