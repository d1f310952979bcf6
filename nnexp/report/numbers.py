"""Numbers as people read them: digits that follow the uncertainty, durations, sizes, sparklines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

BARS = "▁▂▃▄▅▆▇█"


def number(value: object, digits: int = 4) -> str:
    """A value in `digits` significant digits, without a tail of zeros for whole numbers.

    >>> [number(v) for v in (0.98333333, 12, 1e-05, 0.1, None, True, "adam", 123456.0, [64, 32])]
    ['0.9833', '12', '1e-05', '0.1', '-', 'true', 'adam', '123456', '[64, 32]']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(number(v, digits) for v in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {number(v, digits)}" for key, v in value.items()) + "}"
    if not isinstance(value, float):
        return str(value)
    if math.isnan(value):
        return "-"
    if value == int(value) and abs(value) < 1e15 if math.isfinite(value) else False:
        return str(int(value))
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e15:
        text = f"{value:.0f}"
    return text


def score(value: float | None, decimals: int = 4) -> str:
    """A loss or metric with fixed decimals, so that columns line up; exponents only where needed."""
    if value is None or math.isnan(value):
        return "-"
    if value != 0 and (abs(value) >= 1e5 or abs(value) < 10.0**-decimals):
        return f"{value:.3g}"
    return f"{value:.{decimals}f}"


def signed(value: float | None, half: float | None, decimals: int) -> str:
    """A difference with its sign, and half its interval; nothing for None.

    >>> signed(0.0121, 0.0042, 4), signed(-0.5, None, 2), signed(None, None, 4)
    ('+0.0121 ± 0.0042', '-0.50', '')
    """
    if value is None:
        return ""
    text = ("+" if value >= 0 else "") + score(value, decimals)
    return text if half is None else f"{text} ± {score(half, decimals)}"


def decimals_for(uncertainty: float | None, fallback: int = 4) -> int:
    """How many decimals show two significant digits of an uncertainty.

    >>> [decimals_for(u) for u in (0.0031, 0.25, 12.0)]
    [4, 2, 0]
    """
    if uncertainty is None or not math.isfinite(uncertainty) or uncertainty <= 0:
        return fallback
    return min(max(1 - math.floor(math.log10(uncertainty)), 0), 8)


def duration(seconds: float | None) -> str:
    """Seconds as people say them.

    >>> [duration(s) for s in (0.0123, 3.21, 75, 4000)]
    ['12 ms', '3.21 s', '1 min 15 s', '1 h 06 min']
    """
    if seconds is None or not math.isfinite(seconds):
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    if seconds < 3600:
        return f"{int(seconds // 60)} min {int(seconds % 60):02d} s"
    return f"{int(seconds // 3600)} h {int(seconds % 3600 // 60):02d} min"


def age(seconds: float) -> str:
    """How long ago, in its largest unit.

    >>> [age(s) for s in (7, 200, 8000, 200_000, 9_000_000, float("inf"))]
    ['7 s', '3 min', '2 h', '2 d', '3 months', '-']
    """
    if not math.isfinite(seconds):
        return "-"
    for unit, length in (("years", 365), ("months", 30)):
        if seconds >= 2 * 86400 * length:
            return f"{seconds / 86400 / length:.0f} {unit}"
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def size(n_bytes: float) -> str:
    """Bytes as people say them.

    >>> [size(n) for n in (12, 34_500, 5_600_000)]
    ['12 B', '34 kB', '5.6 MB']
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:.{0 if unit == 'kB' else 1}f} {unit}"
    return f"{n_bytes:.0f} B"


def sparkline(values: Sequence[float | None], width: int = 24) -> str:
    """A curve as a line of bars, at most `width` of them; gaps for missing values.

    >>> sparkline([3.0, 2.0, 1.0, None, 1.0])
    '█▅▁ ▁'
    """
    if len(values) > width:
        values = [values[round(i * (len(values) - 1) / (width - 1))] for i in range(width)]
    known = [v for v in values if v is not None and math.isfinite(v)]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1.0
    return "".join(
        " " if v is None or not math.isfinite(v) else BARS[int((v - low) / span * (len(BARS) - 1) + 0.5)]
        for v in values
    )


def logarithms(values: Sequence[float | None]) -> list[float | None]:
    """log₁₀ of a loss's values, so that its whole fall can be seen; None where there is none.

    >>> logarithms([1.0, 0.01, 0.0, None])
    [0.0, -2.0, None, None]
    """
    return [math.log10(v) if v is not None and v > 0 else None for v in values]


@dataclass(frozen=True)
class Plot:
    """Curves drawn in braille dots, and which of them went through each cell."""

    margins: list[str]
    """What stands left of each line: the range at its ends."""
    cells: list[str]
    """The dots of each line."""
    owners: list[list[int]]
    """For each cell the sum of 2ⁱ over the curves i that have a dot in it."""
    axis: str
    """The line below, with the range of x."""

    def __str__(self) -> str:
        lines = [margin + cells.rstrip("⠀") for margin, cells in zip(self.margins, self.cells, strict=True)]
        return "\n".join([*lines, self.axis])


def plot(series: Sequence[Sequence[float | None]], xs: Sequence[float], width: int = 60, height: int = 10) -> Plot:
    """Curves over xs as braille dots. Missing and infinite values are left out; at least one value is needed.

    >>> print(plot([[0.0, 1.0]], [0, 1], width=4, height=1))
    0.0000 ┤⣀⠤⠖⠉
            0  1
    """
    known = [
        [(x, v) for x, v in zip(xs, values, strict=True) if v is not None and math.isfinite(v)] for values in series
    ]
    points = [point for curve in known for point in curve]
    x_low, x_high = min(p[0] for p in points), max(p[0] for p in points)
    low, high = min(p[1] for p in points), max(p[1] for p in points)
    x_span, span = (x_high - x_low) or 1.0, (high - low) or 1.0
    dots = [[0] * width for _ in range(height)]
    owners = [[0] * width for _ in range(height)]
    bits = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
    for i, curve in enumerate(known):
        for (x0, y0), (x1, y1) in pairwise([*curve[:1], *curve]):
            steps = max(2, int(abs(x1 - x0) / x_span * 2 * width), int(abs(y1 - y0) / span * 4 * height))
            for k in range(steps + 1):
                column = round((x0 + (x1 - x0) * k / steps - x_low) / x_span * (2 * width - 1))
                row = round((high - y0 - (y1 - y0) * k / steps) / span * (4 * height - 1))
                dots[row // 4][column // 2] |= bits[row % 4][column % 2]
                owners[row // 4][column // 2] |= 1 << i
    labels = ["" for _ in range(height)]
    labels[0], labels[-1] = score(high), score(low)
    margin = max(map(len, labels))
    left, right = number(float(x_low)), number(float(x_high))
    return Plot(
        [f"{label:>{margin}} ┤" for label in labels],
        ["".join(chr(0x2800 + cell) for cell in row) for row in dots],
        owners,
        " " * (margin + 2) + left + right.rjust(width - len(left)),
    )
