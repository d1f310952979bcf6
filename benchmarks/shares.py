"""How often the intervals of variance shares hold the truth, by simulation: python benchmarks/shares.py

Each row draws `--designs` crossed designs whose variance components are known, takes them apart with the code of
`nnexp variance`, and counts the 95 % intervals that hold the true share. docs/statistics.md shows the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nnexp.report.variance import components

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
Parts = Mapping[tuple[int, ...], float]
"""The variance of each effect, a set of streams; together 1."""

ROUNDING = 1e-12
"""What an end of an interval may be off by: a share of exactly 0 is estimated as some 1e-32."""

DRAWS: dict[str, Draw] = {  # all with variance 1
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.uniform(-(3**0.5), 3**0.5, shape),
    "Student's t, 6 d.f.": lambda rng, shape: rng.standard_t(6, shape) / 1.5**0.5,
}
A: Parts = {(0,): 0.5, (1,): 0.2, (2,): 0.0, (0, 1): 0.2, (0, 1, 2): 0.1}
B: Parts = {(0,): 0.1, (1,): 0.1, (2,): 0.1, (0, 1): 0.2, (0, 1, 2): 0.5}
C: Parts = {(0,): 0.9, (1,): 0.05, (2,): 0.05}
D: Parts = {(0,): 0.5, (1,): 0.2, (0, 1): 0.3}


@dataclass(frozen=True)
class Truth:
    """A kind of design."""

    name: str
    parts: Parts
    blocks: int
    levels: int
    effects: str = "normal"

    @property
    def streams(self) -> int:
        return 1 + max(i for effect in self.parts for i in effect)

    @property
    def shares(self) -> list[float]:
        """Of each stream, of the interactions; then of each stream with its interactions."""
        alone = [self.parts[(i,)] for i in range(self.streams)]
        whole = [sum(v for effect, v in self.parts.items() if i in effect) for i in range(self.streams)]
        return [*alone, sum(v for effect, v in self.parts.items() if len(effect) > 1), *whole]


TRUTHS = [
    Truth("A", A, 10, 2),
    Truth("A", A, 16, 2),
    Truth("A", A, 5, 3),
    Truth("B", B, 16, 2),
    Truth("C", C, 16, 2),
    Truth("A", A, 16, 2, "uniform"),
    Truth("A", A, 16, 2, "Student's t, 6 d.f."),
    Truth("D", D, 10, 2),
]


def scores(truth: Truth, rng: np.random.Generator) -> np.ndarray:
    """Those of one design, (B, K, ..., K)."""
    y = np.zeros((truth.blocks, *[truth.levels] * truth.streams))
    for effect, variance in truth.parts.items():
        shape = (truth.blocks, *(truth.levels if i in effect else 1 for i in range(truth.streams)))
        y = y + variance**0.5 * DRAWS[truth.effects](rng, shape)
    return y


def coverage(truth: Truth, designs: int, seed: int = 0) -> np.ndarray:
    """How often the interval of each of the true shares holds it."""
    rng = np.random.default_rng(seed)
    names = [str(i) for i in range(truth.streams)]
    held = np.zeros(len(truth.shares))
    for _ in range(designs):
        found = components(scores(truth, rng), names)
        ends = [part.interval for part in found.parts] + [part.whole_interval for part in found.streams]
        held += [
            end is not None and end[0] - ROUNDING <= share <= end[1] + ROUNDING
            for share, end in zip(truth.shares, ends, strict=True)
        ]
    return held / designs


def main() -> None:
    """Simulate every truth and print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--designs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(
        "| truth | blocks x levels^streams | effects | shares (streams; interactions) | with interactions (streams) |"
    )
    print("|---|---|---|---|---|")
    for truth in TRUTHS:
        held = [f"{100 * share:.1f}" for share in coverage(truth, given.designs, given.seed)]
        alone, both, whole = held[: truth.streams], held[truth.streams], held[truth.streams + 1 :]
        design = f"{truth.blocks} x {truth.levels}^{truth.streams}"
        shares = f"{', '.join(alone)}; {both} % | {', '.join(whole)} %"
        print(f"| {truth.name} | {design} | {truth.effects} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
