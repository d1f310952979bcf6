"""How cost grows with batch size, width, depth, examples and number of runs: python benchmarks/growth.py

For each of the five a picture and the exponent of a power law, fitted by least squares of log time on log size over the
upper half of the sizes, with its standard error. Sizes are measured in turn, each `--repeat` times; a point is the
median, its bar the quartiles. Inside the process one BLAS thread, float32, Adam; sweeps run on all cores. Pictures,
growth.csv (the points) and growth-fits.csv (the exponents) go into `--out`. `--quick` takes few and small sizes.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl

from nnexp import __version__
from nnexp.config.load import load_data
from nnexp.engine.experiment import Experiment
from nnexp.engine.surface import trainer_of
from nnexp.engine.trainer import Row

Times = dict[str, float]
"""Seconds by what took them."""


@dataclass(frozen=True)
class Quantity:
    """Something that can grow, the times that are measured against it, and how they should grow at most."""

    name: str
    axis: str
    title: str
    sizes: tuple[int, ...]
    quick: tuple[int, ...]
    measure: Callable[[int], Callable[[], Times]]
    """A size -> what measures once."""
    limits: dict[str, float]
    """For each time the exponent that the work itself has."""


@dataclass(frozen=True)
class Fit:
    """time = factor size^exponent over the sizes `first` to `last`."""

    exponent: float
    error: float
    factor: float
    first: int
    last: int


def fitted(sizes: Sequence[int], seconds: Sequence[float]) -> Fit:
    """Least squares of log seconds on log size over the upper half of the sizes, three at least.

    >>> one = fitted([1, 10, 100, 1000], [5.0, 2.0, 20.0, 200.0])
    >>> round(one.exponent, 6), round(one.factor, 6), one.first, one.last
    (1.0, 0.2, 10, 1000)
    """
    count = max(3, math.ceil(len(sizes) / 2))
    x, y = np.log(sizes[-count:]), np.log(seconds[-count:])
    spread = float(np.sum((x - x.mean()) ** 2))
    slope = float(np.sum((x - x.mean()) * (y - y.mean()))) / spread
    level = float(y.mean() - slope * x.mean())
    rest = float(np.sum((y - level - slope * x) ** 2))
    error = math.sqrt(rest / (count - 2) / spread)
    return Fit(slope, error, math.exp(level), sizes[-count], sizes[-1])


# -- what is measured --------------------------------------------------------------------------------------------------


def experiment(n: int, features: int, hidden: Sequence[int], batch: int, **changes: Any) -> Experiment:
    """Ten clouds of points, and a network of relu layers."""
    config = {
        "dataset": {"name": "blobs", "n": n, "features": features, "centers": 10},
        "architecture": {"name": "mlp", "hidden": list(hidden)},
        "batch": {"name": "mini", "size": batch},
        "optimizer": "adam",
        **changes,
    }
    return Experiment(load_data(config, "benchmarks/growth.py").config)


def of_steps(hidden: Sequence[int], batch: int) -> Callable[[], float]:
    """Seconds of a step on one batch; as many steps as take some milliseconds."""
    one = experiment(max(2 * batch, 1000), 64, hidden, batch)
    one.rehearse()
    trainer = trainer_of(one)
    one_batch = next(trainer.batches.indices(1))[:1]

    def seconds(count: int) -> float:
        index, lrs = one_batch.repeat(count, axis=0), [1e-6] * count
        started = time.perf_counter()
        trainer.learner.play(index, lrs)
        return time.perf_counter() - started

    seconds(3)
    count = max(3, math.ceil(0.02 / (seconds(3) / 3)))
    return lambda: seconds(count) / count


def batch_size(size: int) -> Callable[[], Times]:
    step = of_steps((128, 128), size)

    def once() -> Times:
        seconds = step()
        return {"a step": seconds, "an example of it": seconds / size}

    return once


def width(size: int) -> Callable[[], Times]:
    step = of_steps((size, size, size), 64)
    return lambda: {"a step": step()}


def depth(size: int) -> Callable[[], Times]:
    step = of_steps((64,) * size, 64)
    return lambda: {"a step": step()}


def examples(size: int) -> Callable[[], Times]:
    def once() -> Times:
        started = time.perf_counter()
        one = experiment(size, 20, (32,), 256, stop={"epochs": 2})
        prepared = time.perf_counter() - started
        one.rehearse()
        stamps, trained = [], []
        for event in trainer_of(one).run():
            if isinstance(event, Row):
                stamps.append(time.perf_counter())
                trained.append(float(event.values["seconds"] or 0.0))
        epoch = stamps[-1] - stamps[-2]
        return {"an epoch, evaluated": epoch, "its steps": trained[-1] - trained[-2], "drawing and preparing": prepared}

    return once


SWEEP = """\
name: growth
dataset: {name: moons, n: 100}
architecture: {name: mlp, hidden: [4]}
stop: {epochs: 1, steps: 2}
seeds: 10
grid:
  optimizer.lr: [VALUES]
"""
"""Runs of two steps, so that what is not training is all there is."""


def runs(largest: int) -> Callable[[int], Callable[[], Times]]:
    """A number of runs is planned; up to `largest`, also trained and compared."""

    def measure(size: int) -> Callable[[], Times]:
        values = ", ".join(f"{0.001 + 0.000001 * i:.6f}" for i in range(size // 10))

        def once() -> Times:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "growth.yaml"
                path.write_text(SWEEP.replace("VALUES", values))
                found = {"sweep --dry-run": nnexp(folder, "sweep", str(path), "--dry-run")}
                if size <= largest:
                    found["sweep"] = nnexp(folder, "sweep", str(path), "--quiet")
                    found["compare, the first time"] = nnexp(folder, "compare")
                    found["compare, again"] = nnexp(folder, "compare")
                return found

        return once

    return measure


def nnexp(folder: str, *words: str) -> float:
    """Seconds of a command from its start to its end, with its runs in `folder`."""
    environment = {**os.environ, "NNEXP_RUNS": str(Path(folder) / "runs")}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "nnexp", *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    if done.returncode != 0:
        raise SystemExit(f"nnexp {' '.join(words)}: {done.stderr.decode()}")
    return time.perf_counter() - started


TRAINED = 1000
"""Runs that are trained at most."""

QUANTITIES = (
    Quantity(
        "batch",
        "examples a batch",
        "Batch size: 64-128-128-10",
        tuple(2**i for i in range(13)),
        (8, 32, 128),
        batch_size,
        {"a step": 1, "an example of it": 0},
    ),
    Quantity(
        "width",
        "units a layer",
        "Width: three hidden layers, batches of 64",
        tuple(2**i for i in range(3, 12)),
        (8, 16, 32),
        width,
        {"a step": 2},
    ),
    Quantity(
        "depth",
        "hidden layers",
        "Depth: layers of 64 units, batches of 64",
        tuple(2**i for i in range(8)),
        (1, 2, 4),
        depth,
        {"a step": 1},
    ),
    Quantity(
        "examples",
        "examples",
        "Examples: 20-32-10, batches of 256",
        (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000),
        (1_000, 2_000, 4_000),
        examples,
        {"an epoch, evaluated": 1, "its steps": 1, "drawing and preparing": 1},
    ),
    Quantity(
        "runs",
        "runs",
        "Runs of two steps: whole commands",
        (10, 30, 100, 300, 1_000, 3_000, 10_000),
        (10, 20, 40),
        runs(TRAINED),
        {"sweep --dry-run": 1, "sweep": 1, "compare, the first time": 1, "compare, again": 1},
    ),
)


def points(quantity: Quantity, sizes: Sequence[int], repeat: int) -> dict[str, dict[int, list[float]]]:
    """Each time by size, measured in turn `repeat` times."""
    once = {size: quantity.measure(size) for size in sizes}
    found: dict[str, dict[int, list[float]]] = {name: {} for name in quantity.limits}
    for _ in range(repeat):
        for size in sizes:
            for name, seconds in once[size]().items():
                found[name].setdefault(size, []).append(seconds)
    return found


POINT = ("lower_quartile", "median", "upper_quartile")


# -- what becomes of it ------------------------------------------------------------------------------------------------


def quartiles(times: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    low, middle, high = np.quantile(times, (0.25, 0.5, 0.75))
    return float(low), float(middle), float(high)


def draw(quantity: Quantity, found: dict[str, dict[int, list[float]]], path: Path) -> None:
    """Time against size on logarithmic axes: medians with quartiles, and the power law where it was fitted."""
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    from nnexp.report.pictures import style

    with style.styled():
        figure, axes = style.blank()
        figure.set_size_inches(5.8, 2.8)
        axes.set_position((0.145, 0.17, 0.52, 0.73))
        axes.set(xscale="log", yscale="log", xlabel=quantity.axis, ylabel="time", title=quantity.title)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(EngFormatter(unit="s"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        ends = []
        for (name, times), colour, marker in zip(found.items(), style.COLOURS, style.MARKERS, strict=False):
            sizes = list(times)
            lower, middle, upper = (np.array(part) for part in zip(*map(quartiles, times.values()), strict=True))
            bars = (middle - lower, upper - middle)
            axes.errorbar(sizes, middle, bars, fmt=marker, color=colour, markersize=4, elinewidth=1)
            fit = fitted(sizes, middle.tolist())
            span = np.array([fit.first, fit.last])
            axes.plot(span, fit.factor * span**fit.exponent, color=colour, linewidth=1.2)
            ends.append((sizes[-1], middle[-1], f"{name}\n{fit.exponent:.2f} ± {fit.error:.2f}", colour))
        axes.margins(x=0.05)
        axes.autoscale_view()
        low, high = axes.get_ylim()
        if high < 100 * low:
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        _label(axes, ends)
        path.write_bytes(style.rendered(figure, "png", quantity.title))


def _label(axes: Any, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """What each series is, beside its end and clear of the others: end (x, y), text, colour."""
    gap = 0.17
    places: list[tuple[float, tuple[float, float], str, str]] = []
    ordered = sorted(ends, key=lambda end: end[1])
    for number, (x, y, text, colour) in enumerate(ordered):
        own = axes.transAxes.inverted().transform(axes.transData.transform((x, y)))[1]
        lowest = places[-1][0] + gap if places else 0.04
        highest = 0.96 - gap * (len(ordered) - 1 - number)  # so that there is room for those above
        places.append((min(max(own, lowest), highest), (x, y), text, colour))
    for height, point, text, colour in places:
        axes.annotate(
            text,
            point,
            (1.06, height),
            textcoords="axes fraction",
            color=colour,
            fontsize=8.5,
            va="center",
            linespacing=1.15,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.5, "shrinkB": 4, "shrinkA": 0},
        )


def surroundings() -> dict[str, Any]:
    """Versions and machine."""
    processor = platform.processor()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), processor)
    versions = {"nnexp": __version__, "python": platform.python_version(), "numpy": np.__version__}
    return {**versions, "processor": processor, "cores": os.cpu_count()}


def table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A CSV file, in which the quantities of `rows` take the place of what it held of them."""
    before: list[dict[str, Any]] = []
    if path.exists():
        with path.open(newline="") as file:
            before = [row for row in csv.DictReader(file) if row["quantity"] not in {r["quantity"] for r in rows}]
    order = [quantity.name for quantity in QUANTITIES]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted([*before, *rows], key=lambda row: order.index(row["quantity"])))


def lines(quantity: Quantity, found: dict[str, dict[int, list[float]]]) -> Iterator[dict[str, Any]]:
    """The fits of a quantity, as rows."""
    for name, times in found.items():
        fit = fitted(list(times), [statistics.median(some) for some in times.values()])
        yield {
            "quantity": quantity.name,
            "time": name,
            "from": fit.first,
            "to": fit.last,
            "exponent": f"{fit.exponent:.3f}",
            "standard_error": f"{fit.error:.3f}",
            "of_the_work": quantity.limits[name],
            "seconds_at_the_end": f"{statistics.median(times[fit.last]):.4g}",
        }


def main() -> None:
    """Measure, print the exponents, draw and write."""
    names = [quantity.name for quantity in QUANTITIES]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="some of the quantities")
    parser.add_argument("--repeat", type=int, default=5, help="times that each size is measured")
    parser.add_argument("--quick", action="store_true", help="few and small sizes, to see that it runs")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "performance")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    print(f"{'against':9} {'time of':24} {'sizes':>19} {'exponent':>15} {'of the work':>12}")
    for quantity in QUANTITIES:
        if quantity.name not in given.only:
            continue
        with threadpoolctl.threadpool_limits(1, user_api="blas"):
            found = points(quantity, quantity.quick if given.quick else quantity.sizes, given.repeat)
        fits = list(lines(quantity, found))
        for row in fits:
            sizes, exponent = f"{row['from']:,} to {row['to']:,}", f"{row['exponent']} ± {row['standard_error']}"
            print(f"{row['quantity']:9} {row['time']:24} {sizes:>19} {exponent:>15} {row['of_the_work']:>12g}")
        measured = [
            {
                "quantity": quantity.name,
                "time": name,
                "size": size,
                **{name: f"{value:.6g}" for name, value in zip(POINT, quartiles(some), strict=True)},
                "repeats": len(some),
            }
            for name, times in found.items()
            for size, some in times.items()
        ]
        table(given.out / "growth.csv", measured)
        table(given.out / "growth-fits.csv", [{**row, **surroundings()} for row in fits])
        draw(quantity, found, given.out / f"growth-{quantity.name}.png")


if __name__ == "__main__":
    main()
