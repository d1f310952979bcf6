"""Verdicts in plain sentences: who won, by how much, and what that rests on."""

from __future__ import annotations

from collections.abc import Sequence

from nnexp.report.guard import Guard
from nnexp.report.numbers import decimals_for, signed
from nnexp.report.verdict import FEWEST, Verdict

SHOWN = 4
"""Levels of one verdict that have sentences of their own."""


def findings(
    told: Sequence[tuple[str, Verdict | None]],
    baseline: str,
    guard: Guard,
    allow_confounded: bool = False,
    margin: float | None = None,
    against_best: bool = False,
    unit: str = "",
    tested: str = "",
) -> list[str]:
    """What the verdicts on the levels say, in the order of the table; nothing where there are none.

    `against_best`: the baseline was named, and has the best mean of several, which it may have been named for. `unit`
    stands behind sizes; `tested`: what the test is made on, where that is not what the means are of.
    """
    judged = [(name, verdict) for name, verdict in told if verdict is not None]
    if not judged:
        return []
    decimals = decimals_of([(verdict.difference, verdict.half) for _, verdict in judged])
    lines: list[str] = []
    if guard.confounded:
        if not allow_confounded:
            lines.append(
                f"no verdict, for {guard.confounded}: what makes the difference is unknown "
                "(--allow-confounded judges all the same; --where compares like with like)"
            )
            return [*lines, *_basis(judged, tested)]
        lines.append(f"confounded, and judged all the same: {guard.confounded}")
    better = [(name, verdict) for name, verdict in judged if verdict.word == "better"]
    for word in ("better", "worse", "equivalent"):
        members = [(name, verdict) for name, verdict in judged if verdict.word == word]
        shown = _few(len(members))
        for name, verdict in members[:shown]:
            lines.append(_claim(name, baseline, verdict, decimals, margin, unit))
        if len(members) > shown:
            than = "to" if word == "equivalent" else "than"
            lines.append(f"{len(members) - shown} more levels are {word} {than} {baseline}")
    if not better and any(verdict.word == "worse" for _, verdict in judged):
        lines.append(f"no level is known to be better than {baseline}")
    if len(better) > 1:
        best = better[0][0]
        lines.append(
            f"how the {len(better)} that are better stand to each other is not tested here: --baseline '{best}'"
        )
    lines += _undecided(judged, baseline, decimals, unit)
    if against_best and any(verdict.word == "worse" for _, verdict in judged):
        lines.append(
            f"{baseline} has the best mean of these runs; if it was named for that, others come out worse by luck more "
            "often than in 5 of 100 tables, and new seeds would tell"
        )
    return [*lines, *_basis(judged, tested)]


def decimals_of(apart: Sequence[tuple[float | None, float | None]]) -> int:
    """How many decimals show differences with these half intervals; those that are rounding tell nothing.

    >>> decimals_of([(0.1, 0.0031), (0.1, 1e-17), (0.2, None)])
    4
    """
    halves = [half for difference, half in apart if half and half > 1e-9 * abs(difference or 0.0)]
    return decimals_for(min(halves) if halves else None)


def _few(count: int) -> int:
    """How many of so many are shown; one alone is never left out."""
    return SHOWN if count > SHOWN + 1 else count


def _claim(name: str, baseline: str, verdict: Verdict, decimals: int, margin: float | None, unit: str) -> str:
    size = _size(verdict, decimals, unit)
    if verdict.word == "equivalent":
        real = "; the difference is real, and too small to matter" if (verdict.p_holm or 1) <= 0.05 else ""
        shown = f"within ±{margin:g} by two one-sided tests ({_on(verdict)}, p {p_in_words(verdict.p_equivalent)})"
        return f"{name} is equivalent to {baseline}: {size}, {shown}{real}"
    return f"{name} is {verdict.word} than {baseline}: {size} ({_on(verdict)}, p {p_in_words(verdict.p_holm)})"


def _undecided(judged: Sequence[tuple[str, Verdict]], baseline: str, decimals: int, unit: str) -> list[str]:
    """Those without a claim: one sentence for all of the same reason, else one each."""
    reasons: dict[str, list[tuple[str, Verdict]]] = {}
    for name, verdict in judged:
        if verdict.word == "inconclusive":
            reasons.setdefault(verdict.why, []).append((name, verdict))
    lines = []
    for why, members in reasons.items():
        if why:
            names = "; ".join(name for name, _ in members[: _few(len(members))])
            more = f"; {len(members) - SHOWN} more" if len(members) > _few(len(members)) else ""
            lines.append(f"~ {names}{more}: no claim against {baseline}, for {why}{_needs(members[0][1])}")
            continue
        shown = _few(len(members))
        for name, verdict in members[:shown]:
            basis = f"{_size(verdict, decimals, unit)} ({_on(verdict)}, p {p_in_words(verdict.p_holm)})"
            lines.append(f"~ {name}: undecided against {baseline}, {basis}{_needs(verdict)}")
        if len(members) > shown:
            lines.append(f"~ {len(members) - shown} more levels are undecided against {baseline}")
    return lines


def _needs(verdict: Verdict) -> str:
    if verdict.more_seeds is None:
        return "" if verdict.why else "; too little between them for any number of seeds up to 1,000 (see --margin)"
    total = verdict.n + verdict.more_seeds
    if verdict.n < FEWEST or verdict.why:
        return f"; needs at least {total} seeds"
    return f"; about {total} seeds, {verdict.more_seeds} more, would settle it"


def _size(verdict: Verdict, decimals: int, unit: str) -> str:
    if verdict.difference is None:
        return "no difference of successes"
    return signed(verdict.difference, verdict.half, decimals) + (unit and f" {unit}")


def _on(verdict: Verdict) -> str:
    if verdict.in_pairs:
        return f"{verdict.n} pair{'s' if verdict.n != 1 else ''}"
    return f"{verdict.n} unpaired runs"


def p_in_words(p: float | None) -> str:
    return "unknown" if p is None else "< 0.0001" if p < 1e-4 else f"= {p:.2g}"


def _basis(judged: Sequence[tuple[str, Verdict]], tested: str) -> list[str]:
    """What p, ± and the pairs are, in a sentence."""
    verdicts = [verdict for _, verdict in judged if verdict.p is not None]
    if not verdicts:
        return []
    tests = []
    for in_pairs, what, units in (
        (True, "sign flips", "pairs of one seed and data"),
        (False, "divisions", "unpaired runs"),
    ):
        found = [verdict for verdict in verdicts if verdict.in_pairs == in_pairs]
        if found:
            how = "exact" if all(verdict.exact for verdict in found) else "sampled"
            tests.append(f"{how} {what} of {tested and f'{tested} of '}{units}")
    ranks = ", on ranks with failed runs last where any failed" if any(v.by_rank for v in verdicts) else ""
    count = f"; Holm's over {len(verdicts)} comparisons" if len(verdicts) > 1 else ""
    interval = "Student's" if all(v.in_pairs for v in verdicts) else "Welch's where unpaired"
    alone = sum(verdict.alone for verdict in verdicts if verdict.in_pairs)
    left = f"; {alone} run{'s' if alone > 1 else ''} without a partner left out" if alone else ""
    return [f"p: {' and '.join(tests)}{ranks}{count}; ±: 95 % intervals, {interval}{left}"]
