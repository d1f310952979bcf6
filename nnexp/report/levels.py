"""One row a level: its mean over seeds with an interval, and the verdict on it against the baseline."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.errors import InputError, did_you_mean
from nnexp.report import frame as frames
from nnexp.report.asked import Wanted
from nnexp.report.calibrated import calibrated
from nnexp.report.courses import Read, final_scores
from nnexp.report.findings import decimals_of, findings
from nnexp.report.frame import Frame
from nnexp.report.guard import Guard, examine
from nnexp.report.matching import Matched, matched_levels
from nnexp.report.numbers import decimals_for, duration, number, score, signed
from nnexp.report.rows import (
    best_of,
    column_of,
    datasets_of,
    distinct,
    groups_of,
    notes_on,
    numeric,
    ordered_by,
    varies_within,
)
from nnexp.report.statistics import Summary, summarize, wilson
from nnexp.report.tables import Column, Grid, headings
from nnexp.report.verdict import Outcomes, Verdict, judge
from nnexp.store.runs import Run

UNENDED = ("pruned", "interrupted", "lost", "running")
"""Statuses that are no outcome, counted where there are any."""


def levels(runs: Sequence[Run], data: Frame, differing: list[str], wanted: Wanted) -> Grid:
    """The table of levels. Raises InputError for an unknown baseline, and where a verdict is asked that cannot be.

    `differing` are the keys in which the runs differ.
    """
    keys, metric, asked, top = wanted.keys, wanted.metric, wanted.asked, wanted.top
    counted = distinct(runs)
    repeats = len(runs) - len(counted)
    runs, data = [runs[i] for i in counted], data.take(counted)
    groups = groups_of(data, keys)
    heads = headings(keys)
    names = [level_name(level, keys, heads) for level in groups]
    baseline = _baseline(asked.baseline, list(groups), names)
    matched = Matched(data)
    if asked.match is not None:
        matched = matched_levels(data, groups, names, baseline, keys, asked.match)
        groups = groups_of(matched.data, keys)
    members = list(groups.values())
    higher = frames.higher_is_better(runs, metric or "")
    if asked.curves:
        from nnexp.report.summaries import of_curves

        read = of_curves(matched.data, members, metric, higher, asked)
    else:
        read = final_scores(matched.data, members, metric, higher)
    data, outcomes = read.data, read.outcomes
    judged = _judged(read, groups, names, wanted, baseline, matched.keys)
    rows = [
        {**dict(zip(keys, level, strict=True)), **_summary(data, index, ended), **_cells(verdict)}
        for (level, index), ended, verdict in zip(groups.items(), outcomes, judged.verdicts, strict=True)
    ]
    for row, more in zip(rows, read.cells, strict=False):
        row |= more
    failed = any(value is None for ended in outcomes for _, value in ended)
    columns = _columns(data, keys, heads, rows, failed, any(judged.verdicts), read)
    tested = f"test_{(metric or '').partition('_')[2]}"
    if asked.test and metric != tested:
        columns[-1:-1] = _test_column(data, members, rows, tested)  # in front of the time
    ranking = _best_first(outcomes, read.higher)
    order = ranking if wanted.sort is None else _sorted(rows, wanted.sort, metric, columns)
    rows = [rows[i] for i in order]
    shown = rows[:top]
    best = best_of([row["mean"] for row in rows], "" if read.unit else metric or "", runs, top)
    if failed:  # by ranks; nothing where nothing succeeded
        best = frozenset(i for i, row in enumerate(shown) if order[i] == ranking[0] and len(rows) > 1 and row["n"])
    notes = [*matched.notes, *read.notes, *notes_on(data.runs, "" if read.unit else "; the means are without them")]
    if failed and wanted.sort is None and len(rows) > 1:
        notes.append("levels are in the order of their mean ranks over all outcomes, with failed runs last")
    if read.unmeasured:
        notes.append(f"{read.unmeasured} of {len(data)} runs have no {metric}; they are left out")
    if repeats:
        notes.append(f"{repeats} more of the same configuration, seed and data: a repetition counts once")
    pooled = [key for key in differing if key not in (*keys, "seed") and varies_within(data, keys, key)]
    if pooled:
        notes.append(f"each mean also pools different {', '.join(pooled[:4])}; add --by for them")
    if pooled and failed and any(judged.verdicts):
        notes.append("of the runs that a level pools, one that failed makes its seed count as failed")
    unequal = [what for what in judged.guard.unequal if not what.startswith(matched.equal)]
    if unequal and any(judged.verdicts):
        notes.append(f"the levels do not have the same {', '.join(unequal)}")
    if judged.guard.incomparable:
        notes.append(f"no verdict: {judged.guard.incomparable}")
    if len(shown) < len(rows):
        notes.append(f"{len(shown)} of {len(rows)} levels shown")
    meta: dict[str, Any] = {"kind": "levels", "by": keys, "metric": metric, **matched.meta, **read.meta}
    if asked.test:
        seen = [data.runs[j] for i in order[:top] for j in members[i]]
        meta["tested"] = {"datasets": datasets_of(seen), "runs": len(seen)}
    against = names[baseline]
    if any(judged.verdicts):
        meta |= {"baseline": against, "margin": asked.margin, "confounded": judged.guard.confounded}
    if not asked.curves and (known := calibrated(runs, metric, judged.verdicts)) is not None:
        notes.append(known[0])
        meta["calibration"] = known[1]
    told = [(names[i], judged.verdicts[i]) for i in order]
    against_best = asked.baseline is not None and len(rows) > 2 and ranking[0] == baseline
    return Grid(
        columns,
        shown,
        best,
        f"{read.what} by {', '.join(heads[key] for key in keys)}",
        notes,
        meta,
        findings=findings(
            told, against, judged.guard, asked.allow_confounded, asked.margin, against_best, read.unit, read.tested
        ),
        keyed=len(keys),
        second=f"difference to {against}",
    )


def _sorted(rows: Sequence[dict[str, Any]], sort: str, metric: str | None, columns: Sequence[Column]) -> list[int]:
    """The order of the rows by a column. Raises InputError."""
    descending, word = sort.startswith("-"), sort.lstrip("-")
    word = {"value": "mean", metric: "mean"}.get(word, word)
    word = {"p": "p_holm"}.get(word, word)
    for_machines = [part for column in columns for part in column.parts]
    key = word if word in for_machines else column_of(word, [column for column in columns if not column.parts])
    numbered = [{"place": i, key: row.get(key)} for i, row in enumerate(rows)]
    return [row["place"] for row in ordered_by(numbered, key, descending)]


def level_name(level: tuple, keys: Sequence[str], heads: dict[str, str]) -> str:
    """What a level is called in a sentence, and behind --baseline: `adam`, `lr 0.1`, `adam, lr 0.1`."""
    parts = []
    for key, value in zip(keys, level, strict=True):
        word = number(value)
        plain = isinstance(value, str) and key.endswith((".name", "case", "name", "label"))
        parts.append(word if plain else f"{heads[key]} {word}")
    return ", ".join(parts)


def _summary(data: Frame, index: Sequence[int], ended: Sequence[tuple[Hashable, float | None]]) -> dict[str, Any]:
    s = summarize([value for _, value in ended if value is not None])
    status = [data["status"][i] for i in index]
    share = wilson(s.n, len(ended)) if ended else (None, None)
    seconds = [data["train_seconds"][i] for i in index]
    known = [float(v) for v in seconds if v is not None]
    row: dict[str, Any] = {
        "n": s.n,
        "mean": s.mean,
        "std": s.std,
        "ci95_low": s.low,
        "ci95_high": s.high,
        "interval": s,
        "succeeded": (s.n, len(ended), *share),
        "success": s.n / len(ended) if ended else None,
        "success_low": share[0],
        "success_high": share[1],
        "seconds": sum(known) / len(known) if known else None,
    }
    return row | {name: status.count(name) for name in ("diverged", "failed", *UNENDED)}


@dataclass(frozen=True)
class _Judged:
    verdicts: list[Verdict | None]
    guard: Guard


def _judged(
    read: Read,
    groups: dict[tuple, list[int]],
    names: list[str],
    wanted: Wanted,
    baseline: int,
    matched: Sequence[str],
) -> _Judged:
    asked = wanted.asked
    nothing: list[Verdict | None] = [None] * len(groups)
    if wanted.metric is None or len(groups) < 2:
        return _Judged(nothing, Guard())
    guard = examine(read.data, groups, wanted.keys, names, wanted.metric, wanted.config, matched)
    if guard.incomparable:
        if asked.explicit:
            raise InputError(f"no verdict can be given: {guard.incomparable}")
        return _Judged(nothing, guard)
    units = [by_unit(ended) for ended in read.outcomes]
    confounded = "" if asked.allow_confounded else guard.confounded
    scored = None if read.scored is None else read.scored(baseline)
    verdicts = judge(units, baseline, read.higher, asked.margin, confounded, scored)
    if not asked.explicit and all(verdict is None or verdict.n < 2 for verdict in verdicts):
        verdicts = nothing  # nothing to tell but that there is one seed
    return _Judged(verdicts, guard)


def by_unit(ended: Sequence[tuple[Hashable, float | None]]) -> Outcomes:
    """One outcome a unit: where a level pools several runs of a seed, their mean; failed if any of them failed."""
    found: dict[Hashable, list[float | None]] = {}
    for unit, value in ended:
        found.setdefault(unit, []).append(value)
    outcomes: dict[Hashable, float | None] = {}
    for unit, values in found.items():
        known = [value for value in values if value is not None]
        outcomes[unit] = math.fsum(known) / len(known) if len(known) == len(values) else None
    return outcomes


def _baseline(word: str | None, found: Sequence[tuple], names: Sequence[str]) -> int:
    """The level that a word means: its name or its values, with commas between several. Raises InputError."""
    if word is None:
        return 0
    plain = [",".join(number(value) for value in level) for level in found]
    wanted = word.replace(" ", "").lower()
    for spelled in (names, plain):
        for i, one in enumerate(spelled):
            if one.replace(" ", "").lower() == wanted:
                return i
    for i, level in enumerate(found):  # 1e-2 for 0.01
        if len(level) == 1 and isinstance(level[0], int | float) and _as_number(word) == level[0]:
            return i
    listed = ", ".join(plain[:8]) + (f" and {len(plain) - 8} more" if len(plain) > 8 else "")
    raise InputError(f"--baseline: no level is '{word}'{did_you_mean(word, [*plain, *names])} (there is {listed})")


def _as_number(word: str) -> float | None:
    try:
        return float(word)
    except ValueError:
        return None


def _best_first(outcomes: Sequence[Sequence[tuple[Hashable, float | None]]], higher: bool) -> list[int]:
    """The order of the levels: by their means, or by their mean ranks where runs failed, with failures last."""
    values = standings([[v for _, v in ended] for ended in outcomes], higher)
    return sorted(range(len(values)), key=lambda i: (values[i] is None, values[i] or 0.0))


def standings(outcomes: Sequence[Sequence[float | None]], higher: bool) -> list[float | None]:
    """What levels are put in order by, the best the smallest: their means, or their mean ranks where runs failed.

    None in an outcome is a failure, and stands last; None for a level without outcomes.

    >>> standings([[0.5, 0.7], [0.9, None]], higher=True), standings([[0.5], [0.9], []], higher=True)
    ([4.0, 4.0], [-0.5, -0.9, None])
    """
    sign = -1.0 if higher else 1.0
    values = [[math.inf if v is None else sign * v for v in ended] for ended in outcomes]
    if any(math.inf in ended for ended in values):
        from bisect import bisect_left, bisect_right

        everything = sorted(v for ended in values for v in ended)
        values = [[bisect_left(everything, v) + bisect_right(everything, v) for v in ended] for ended in values]
    return [summarize(ended).mean for ended in values]


def _cells(verdict: Verdict | None) -> dict[str, Any]:
    """What a row says of its verdict; of the baseline only that it is one."""
    if verdict is None:
        return {"verdict": "baseline"}
    low = high = None
    if verdict.difference is not None and verdict.half is not None:
        low, high = verdict.difference - verdict.half, verdict.difference + verdict.half
    return {
        "pairs": verdict.n,
        "pairing": "seed and data" if verdict.in_pairs else "none (Welch)",
        "apart": (verdict.difference, verdict.half),
        "difference": verdict.difference,
        "difference_low": low,
        "difference_high": high,
        "p": verdict.p,
        "p_holm": verdict.p_holm,
        "p_equivalent": verdict.p_equivalent,
        "p_success": verdict.p_success,
        "g": verdict.effect,
        "p_better": verdict.superiority,
        "verdict": verdict.word,
        "more_seeds": verdict.more_seeds,
    }


def _columns(
    data: Frame,
    keys: list[str],
    heads: dict[str, str],
    rows: Sequence[dict[str, Any]],
    failed: bool,
    judged: bool,
    read: Read,
) -> list[Column]:
    known = [s.half for row in rows if (s := row["interval"]).half]
    decimals = decimals_for(min(known) if known else None)
    columns = [Column(key, heads[key], number, numeric(data, key)) for key in keys]
    columns.append(Column("n", "n", number, True))
    columns.append(Column("mean", read.mean, lambda v: score(v, decimals), True))
    columns.append(Column("std", "std", lambda v: score(v, decimals), True, 1))
    columns.append(
        Column("interval", "95 % interval", lambda s: _interval(s, decimals), True, parts=("ci95_low", "ci95_high"))
    )
    columns += read.columns
    if failed:
        parts = ("success", "success_low", "success_high")
        columns.append(Column("succeeded", "succeeded", _succeeded, True, 0, parts))
    for name in ("diverged", "failed", *UNENDED):
        if any(row[name] for row in rows):
            columns.append(Column(name, name, _count, True, 1))
    time = Column("seconds", "time", duration, True, 2)
    if not judged:
        return [*columns, time]
    finer = decimals_of([row["apart"] for row in rows if "apart" in row])
    apart = ("difference", "difference_low", "difference_high")
    columns += [
        Column("pairs", "n", _or_nothing, True, 1, ("pairs", "pairing"), 1),
        Column("apart", "difference", lambda v: signed(v[0], v[1], finer) if v else "", True, 0, apart, 1),
        Column("p_holm", "p", chance, True, 0, ("p", "p_holm", "p_equivalent", "p_success"), 1),
        Column("g", "g", lambda v: "" if v is None else score(v, 2), True, 2, (), 1),
    ]
    if read.scored is None:
        columns.append(Column("p_better", "P(A>B)", lambda v: "" if v is None else score(v, 2), True, 3, (), 1))
    columns += [
        Column("verdict", "verdict", number, False, 0, (), 1),
        Column("more_seeds", "seeds", lambda v: "" if v is None else f"+{v}", True, 1, (), 1),
    ]
    return [*columns, time]


def _test_column(
    data: Frame, groups: Sequence[Sequence[int]], rows: Sequence[dict[str, Any]], metric: str
) -> list[Column]:
    """The mean test score of each level with its interval, put into the rows; nothing where no run has one."""
    if metric not in data.columns:
        return []
    values, halves = data[metric], []
    for row, index in zip(rows, groups, strict=True):
        s = summarize([float(values[i]) for i in index if values[i] is not None and math.isfinite(values[i])])
        row |= {metric: s.mean, f"{metric}_low": s.low, f"{metric}_high": s.high, "tested": s}
        halves.append((s.mean, s.half))
    decimals = decimals_of(halves)
    parts = (metric, f"{metric}_low", f"{metric}_high")

    def shown(s: Summary) -> str:
        return score(s.mean, decimals) + ("" if s.half is None else f" ± {score(s.half, decimals)}")

    return [Column("tested", metric, shown, True, 0, parts)]


def chance(p: float | None) -> str:
    """A p as people read it."""
    if p is None:
        return ""
    return "<0.0001" if p < 1e-4 else f"{p:.2g}"


def _succeeded(counts: tuple[int, int, float | None, float | None]) -> str:
    good, ended, low, high = counts
    return "-" if low is None or high is None else f"{good}/{ended} ({low:.2f} to {high:.2f})"


def _or_nothing(value: Any) -> str:
    return "" if value is None else number(value)


def _interval(s: Summary, decimals: int) -> str:
    return "-" if s.half is None else f"{score(s.low, decimals)} to {score(s.high, decimals)}"


def _count(value: Any) -> str:
    return str(value) if value else "-"
