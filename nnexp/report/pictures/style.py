"""How every picture looks: one size, colours that colour-blind readers tell apart, and the same bytes each time."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE, SKY, BLACK = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#222222"
"""M. Okabe and K. Ito 2008, Color Universal Design."""
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, "#E69F00", "#777777")
MARKERS = ("o", "^", "s", "D", "v", "P", "X")
GREY, FAINT = "#777777", "#DDDDDD"
FORMATS = ("svg", "png", "pdf")

SETTINGS: dict[str, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelpad": 3.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": BLACK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "axes.xmargin": 0.0,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": BLACK,
    "ytick.labelcolor": BLACK,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handlelength": 1.8,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "nnexp",
    "pdf.fonttype": 42,
}


@dataclass(frozen=True)
class Picture:
    """A file's content, and what is to be seen in words."""

    content: bytes
    words: str


def need_matplotlib() -> None:
    """Raises InputError where matplotlib is not installed."""
    try:
        import matplotlib.figure
    except ImportError:
        raise InputError("pictures need matplotlib, which is not installed: pip install matplotlib") from None
    assert matplotlib


def blank() -> tuple[Figure, Axes]:
    """An empty figure of the size that all pictures have, and its axes. Call it within `styled`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2, 2.8))
    # fixed margins: what a layout engine measures depends on the fonts of the machine
    axes = figure.add_axes((0.16, 0.17, 0.805, 0.73))
    axes.locator_params(axis="x", nbins=8)
    axes.locator_params(axis="y", nbins=6)
    return figure, axes


def blank_pair() -> tuple[Figure, Axes, Axes]:
    """An empty figure with two axes side by side and room for a legend at the right. Call it within `styled`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.2))
    return figure, figure.add_axes((0.07, 0.16, 0.31, 0.75)), figure.add_axes((0.46, 0.16, 0.31, 0.75))


def legend_above(axes: Axes) -> None:
    """A legend in one line over the picture, for pictures without room in them."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(-0.03, 0.98),
        ncols=3,
        borderpad=0,
        columnspacing=1.2,
        handletextpad=0.4,
        handlelength=1.4,
    )


@contextmanager
def styled() -> Iterator[None]:
    """Within it matplotlib has these settings and its own defaults, whatever the user's are."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def rendered(figure: Figure, how: str, title: str) -> bytes:
    """The figure as a file of one of FORMATS; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    if how == "png":
        figure.savefig(buffer, format="png", dpi=150, metadata={"Software": None, "Title": title})
        return buffer.getvalue()
    if how == "pdf":
        nameless = {"Creator": None, "Producer": None, "CreationDate": None}
        figure.savefig(buffer, format="pdf", metadata={**nameless, "Title": title})
        return buffer.getvalue()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    return _light(buffer.getvalue().decode()).encode()


def _light(svg: str) -> str:
    """The same picture in fewer bytes: hundredths of a point, short names, and a style that is used often said once."""
    svg = re.sub(r" *<metadata>.*?</metadata>\n", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]*>", lambda tag: re.sub(r"(-?\d+\.\d{2})\d+", r"\1", tag[0]), svg)
    svg = re.sub(r' transform="rotate\(-0 [^"]*"', "", svg)
    svg = re.sub(r" +\n", "\n", re.sub(r"\n +", "\n", svg))
    marks = dict.fromkeys(re.findall(r' id="([mp][0-9a-f]{10})"', svg))
    for number, mark in enumerate(marks):
        svg = svg.replace(mark, f"m{number}")
    styles = Counter(re.findall(r' style="([^"]*)"', svg))
    often = [style for style, count in styles.items() if count > 2]
    for number, style in enumerate(often):
        svg = svg.replace(f' style="{style}"', f' class="s{number}"')
    rules = "\n".join(f".s{number}{{{style}}}" for number, style in enumerate(often))
    return svg.replace("</style>", f"\n{rules}\n</style>", 1)
