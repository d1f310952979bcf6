"""How often two-way tables, ranks and interquartile means are wrong, by simulation: python benchmarks/several.py

Three tables, for docs/several.md, each of `--sweeps` sweeps whose truth is known, judged with the code of `nnexp
compare`. Interactions: scores have effects of rows, columns and seeds (of the same variance as a run's own) and no
interaction, or one cell that is σ√2 or 2σ√2 better, σ² the variance of what a run adds. Ranks: levels are equal on
average on every data set, or the last is one or two standard deviations better of what a data set adds. Interquartile
means: scores of six data sets around means of their own.
"""

from __future__ import annotations

import argparse

import numpy as np
from verdicts import SHAPES

from nnexp.report.interaction import interaction
from nnexp.report.profiles import interquartile_mean
from nnexp.report.ranks import critical_difference, friedman, mid_ranks

Tally = tuple[float, float]


def interactions(
    shape: str, n: int, rows: int, columns: int, sweeps: int, shift: float, seed: int, in_pairs: bool = True
) -> Tally:
    """The share of tables with a claim, and of largest contrasts' intervals that hold what they are of."""
    rng = np.random.default_rng(seed)
    claims = held = 0
    for _ in range(sweeps):
        truth = rng.normal(size=(1, rows, 1)) + rng.normal(size=(1, 1, columns))
        of_seeds = rng.normal(size=(n, 1, 1) if in_pairs else (n, rows, columns))
        y = SHAPES[shape](rng, (n, rows, columns)) + of_seeds + truth
        y[:, -1, -1] += shift * 2**0.5
        cells = {
            (a, b): {s if in_pairs else (s, a, b): float(y[s, a, b]) for s in range(n)}
            for a in range(rows)
            for b in range(columns)
        }
        found = interaction(cells)
        assert found.largest is not None
        claims += found.depends
        d = found.largest
        corner = (d.rows[0] == rows - 1) - (d.rows[1] == rows - 1)
        side = (d.columns[0] == columns - 1) - (d.columns[1] == columns - 1)
        held += abs(d.size.mean - corner * side * shift * 2**0.5) <= d.half
    return claims / sweeps, held / sweeps


def ranks(tasks: int, levels: int, sweeps: int, shift: float, seed: int) -> Tally:
    """The share of sweeps where ranks are said to differ, and where two levels are told apart."""
    rng = np.random.default_rng(seed)
    claims = apart = 0
    for _ in range(sweeps):
        scores = rng.normal(size=(tasks, levels))
        scores[:, -1] += shift
        found = friedman([mid_ranks((-row).tolist()) for row in scores])
        claims += found.p <= 0.05
        reach = max(found.mean_ranks) - min(found.mean_ranks)
        apart += found.p <= 0.05 and reach >= critical_difference(tasks, levels)
    return claims / sweeps, apart / sweeps


def middles(shape: str, n: int, sweeps: int, seed: int) -> float:
    """The share of bootstrap intervals that hold the interquartile mean of all runs that there could be."""
    rng = np.random.default_rng(seed)
    means = np.linspace(0.2, 0.8, 6)[:, None]
    everything = np.sort((means + 0.1 * SHAPES[shape](rng, (6, 200_000))).ravel())
    truth = everything[len(everything) // 4 : -(len(everything) // 4)].mean()
    held = 0
    for _ in range(sweeps):
        found = interquartile_mean((means + 0.1 * SHAPES[shape](rng, (6, n))).tolist())
        held += found.low <= truth <= found.high
    return held / sweeps


def main() -> None:
    """Simulate and print the tables as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("| scores | seeds | table | false claims | interval holds | power σ√2 | 2σ√2 |")
    print("|---|---:|---|---:|---:|---:|---:|")
    for shape, n, rows, columns, in_pairs in (
        ("normal", 6, 2, 2, True),
        ("normal", 10, 2, 2, True),
        ("skewed", 10, 2, 2, True),
        ("normal", 8, 3, 4, True),
        ("skewed", 8, 3, 4, True),
        ("heavy tails", 8, 3, 4, True),
        ("normal", 8, 2, 2, False),
        ("skewed", 8, 2, 2, False),
        ("normal", 8, 3, 4, False),
    ):
        null, half, whole = (
            interactions(shape, n, rows, columns, given.sweeps, shift, given.seed + place, in_pairs)
            for place, shift in enumerate((0.0, 1.0, 2.0))
        )
        cells = " | ".join(f"{100 * share:.1f} %" for share in (*null, half[0], whole[0]))
        print(f"| {shape}{'' if in_pairs else ', unpaired'} | {n} | {rows} x {columns} | {cells} |", flush=True)
    print("\n| data sets | levels | false 'differ' | false pairs | power 1σ: differ | a pair | 2σ: differ | a pair |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for tasks, levels in ((5, 3), (5, 5), (10, 3), (10, 5), (20, 5)):
        found = [ranks(tasks, levels, given.sweeps, d, given.seed + i) for i, d in enumerate((0.0, 1.0, 2.0))]
        cells = " | ".join(f"{100 * share:.1f} %" for pair in found for share in pair)
        print(f"| {tasks} | {levels} | {cells} |", flush=True)
    print("\n| scores | 3 seeds | 5 | 10 | 30 |")
    print("|---|---:|---:|---:|---:|")
    for shape in SHAPES:
        shares = [middles(shape, n, given.sweeps, given.seed) for n in (3, 5, 10, 30)]
        print(f"| {shape} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |", flush=True)


if __name__ == "__main__":
    main()
