"""Two-way tables: one key downwards, another across, a mean in each cell, and whether their effects interact."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.courses import final_scores
from nnexp.report.findings import p_in_words
from nnexp.report.grouping import Level, Levels, in_order, levels_of
from nnexp.report.guard import Guard, examine
from nnexp.report.interaction import Interaction, interaction
from nnexp.report.levels import by_unit, level_name, standings
from nnexp.report.numbers import decimals_for, number, score, signed
from nnexp.report.rows import groups_of, notes_on, numeric
from nnexp.report.statistics import Summary
from nnexp.report.tables import Column, Grid, headings
from nnexp.report.verdict import FEWEST, Outcomes
from nnexp.store.runs import Run


@dataclass(frozen=True)
class TwoWay:
    """The levels of two keys as rows and columns. What the table and the heat map show is from here."""

    levels: Levels
    metric: str
    higher: bool
    rows: list[Any]
    """The values of the first key, in order."""
    columns: list[Any]
    """The values of the second."""
    cells: dict[tuple[Any, Any], tuple[Level, Summary]]
    """Those pairs of values that there are runs of."""
    ended: dict[tuple[Any, Any], list[tuple[Hashable, float | None]]]
    """The score of each of their runs that ended, with its seed and data; None for one that failed."""

    @classmethod
    def of(cls, levels: Levels, metric: str) -> TwoWay:
        """Of levels of two keys."""
        rows, columns = (sorted({level.values[side] for level in levels.each}, key=in_order) for side in (0, 1))
        cells = {(level.values[0], level.values[1]): (level, level.summary(metric)) for level in levels.each}
        index = groups_of(levels.data, levels.keys)
        higher = levels.higher(metric)
        read = final_scores(levels.data, [index[cell] for cell in cells], metric, higher)
        ended = dict(zip(cells, read.outcomes, strict=True))
        return cls(levels, metric, higher, rows, columns, cells, ended)

    @property
    def means(self) -> list[float]:
        """All that there are."""
        return [s.mean for _, s in self.cells.values() if s.mean is not None]

    def failures(self, row: Any, column: Any) -> int:
        """How many runs of a cell failed."""
        return sum(v is None for _, v in self.ended.get((row, column), []))

    @property
    def best(self) -> frozenset[tuple[Any, Any]]:
        """The best cells: by their means or, where runs failed, by mean ranks of all runs with failures last."""
        found = standings([[v for _, v in ended] for ended in self.ended.values()], self.higher)
        known = {cell: v for (cell, (_, s)), v in zip(self.cells.items(), found, strict=True) if v is not None and s.n}
        if len(known) < 2:
            return frozenset()
        return frozenset(cell for cell, value in known.items() if value == min(known.values()))

    def marked(self, mark: str) -> str:
        """What a mark on the best cell means, in a sentence."""
        failed = any(self.failures(*cell) for cell in self.cells)
        return f"{mark} is the best" + (" by mean ranks, failed runs last" if failed else " mean")

    def outcomes(self, row: Any, column: Any) -> Outcomes:
        """The scores of a cell by seed and data; None for those that failed."""
        return by_unit(self.ended.get((row, column), []))


def two_way(runs: Sequence[Run], keys: Sequence[str], metric: str | None, config: Sequence[str], asked: Asked) -> Grid:
    """The table of `nnexp compare --pivot A,B`. Raises InputError for other than two keys, and without scores."""
    if len(keys) != 2 or keys[0] == keys[1]:
        found = ", ".join(keys) or "none"
        raise InputError(f"--pivot: a two-way table has two keys, as in --pivot optimizer,lr; found {found}")
    if metric is None:
        raise InputError("--pivot: none of these runs has a final score")
    table = TwoWay.of(levels_of(runs, keys), metric)
    data = table.levels.data
    names = [level_name(level.values, keys, headings(keys)) for level in table.levels.each]
    groups = groups_of(data, keys)
    called = {level.values: name for level, name in zip(table.levels.each, names, strict=True)}
    guard = examine(data, groups, keys, [called[values] for values in groups], metric, config)
    judged = _Judged(table, guard, asked)
    return _grid(table, judged)


class _Judged:
    """The largest part of a table without holes or failures, and its interaction."""

    def __init__(self, table: TwoWay, guard: Guard, asked: Asked):
        self.table, self.guard, self.margin = table, guard, asked.margin
        self.allowed = asked.allow_confounded
        if guard.incomparable and asked.explicit:
            raise InputError(f"no verdict can be given: {guard.incomparable}")
        scores: dict[tuple[Any, Any], dict[Hashable, float]] = {}
        for row in table.rows:
            for column in table.columns:
                found = table.outcomes(row, column)
                if found and None not in found.values():
                    scores[row, column] = {unit: v for unit, v in found.items() if v is not None}
        self.rows, self.columns = without_holes(table.rows, table.columns, scores)
        self.found: Interaction | None = None
        if len(self.rows) > 1 and len(self.columns) > 1 and not guard.incomparable:
            cells = {(i, j): scores[r, c] for i, r in enumerate(self.rows) for j, c in enumerate(self.columns)}
            self.found = interaction(cells, self.margin)

    @property
    def left_out(self) -> str:
        """Which rows and columns the interaction is without."""
        heads = [headings(self.table.levels.keys)[key] for key in self.table.levels.keys]
        lost = []
        for head, all_, kept in zip(
            heads, (self.table.rows, self.table.columns), (self.rows, self.columns), strict=True
        ):
            if gone := [number(v) for v in all_ if v not in kept]:
                lost.append(f"{head} {', '.join(gone)}")
        return " and ".join(lost)


def without_holes(rows: Sequence[Any], columns: Sequence[Any], whole: Any) -> tuple[list[Any], list[Any]]:
    """Rows and columns of which all cells are in `whole`: again and again that with the largest share of holes goes.

    >>> without_holes(["sgd", "adam"], [0.1, 1.0, 9.0], {("sgd", 0.1), ("adam", 0.1), ("adam", 1.0), ("sgd", 1.0)})
    (['sgd', 'adam'], [0.1, 1.0])
    """
    rows, columns = list(rows), list(columns)
    while rows and columns:
        by_row = [sum((r, c) not in whole for c in columns) / len(columns) for r in rows]
        by_column = [sum((r, c) not in whole for r in rows) / len(rows) for c in columns]
        if max(by_row) == 0:
            break
        if max(by_row) > max(by_column):
            rows.pop(by_row.index(max(by_row)))
        else:
            columns.pop(len(by_column) - 1 - by_column[::-1].index(max(by_column)))
    return rows, columns


# -- the table -------------------------------------------------------------------------------------


def _grid(table: TwoWay, judged: _Judged) -> Grid:
    keys, heads = table.levels.keys, headings(table.levels.keys)
    halves = [s.half for _, s in table.cells.values() if s.half]
    decimals = decimals_for(min(halves, default=None))
    counted = len({s.n for _, s in table.cells.values() if s.n}) > 1
    rows: list[dict[str, Any]] = []
    best, marked = set(), frozenset() if judged.guard.incomparable else table.best
    for place, value in enumerate(table.rows):
        row: dict[str, Any] = {keys[0]: value}
        for number_, column in enumerate(table.columns):
            spelled = f"{keys[1]}={number(column)}"
            if (value, column) not in table.cells:
                row |= {f"{spelled} n": 0}
                continue
            s, lost = table.cells[value, column][1], table.failures(value, column)
            row |= {f"cell {number_}": (s, lost), spelled: s.mean, f"{spelled} n": s.n, f"{spelled} failed": lost}
            row |= {f"{spelled} low": s.low, f"{spelled} high": s.high}
            if (value, column) in marked:
                best.add((place, f"cell {number_}"))
        rows.append(row)

    def shown(cell: tuple[Summary, int] | None) -> str:
        return "-" if cell is None else said(*cell, decimals, counted)

    columns = [Column(keys[0], heads[keys[0]], number, numeric(table.levels.data, keys[0]))]
    for number_, value in enumerate(table.columns):
        spelled = f"{keys[1]}={number(value)}"
        heading = number(value) if isinstance(value, str) else f"{heads[keys[1]]} {number(value)}"
        parts = (spelled, *(f"{spelled} {word}" for word in ("low", "high", "n", "failed")))
        columns.append(Column(f"cell {number_}", heading, shown, True, 0, parts))
    title = f"{table.metric}, {heads[keys[0]]} by {heads[keys[1]]}"
    meta = {"kind": "pivot", "by": keys, "metric": table.metric, "interaction": _document(judged)}
    told = _findings(judged)
    return Grid(columns, rows, frozenset(), title, _notes(judged, halves != []), meta, told, best_cells=frozenset(best))


def said(s: Summary, lost: int, decimals: int, counted: bool) -> str:
    """What stands in a cell: mean ± half of its interval, how many runs it is of where that differs, and the failed.

    >>> said(Summary(5, 0.9, 0.01, 0.0124), 1, 3, True), said(Summary(0, None, None, None), 2, 3, True)
    ('0.900 ± 0.012 (n 5, 1 ×)', '2 ×')
    """
    inside = [f"n {s.n}"] if counted and s.n else []
    inside += [f"{lost} ×"] if lost else []
    if s.mean is None:
        return inside[-1] if inside else "-"
    half = "" if s.half is None else f" ± {score(s.half, decimals)}"
    return f"{score(s.mean, decimals)}{half}" + (f" ({', '.join(inside)})" if inside else "")


def _document(judged: _Judged) -> dict[str, Any] | None:
    """The interaction as JSON has it."""
    found = judged.found
    if found is None:
        return None
    document: dict[str, Any] = {
        "pairing": "seed and data" if found.in_pairs else "none (Welch)",
        "n": found.n,
        "contrasts": found.contrasts,
        "p": found.p,
        "p_equivalent": found.p_equivalent,
        "verdict": _word(judged),
        "confounded": judged.guard.confounded,
    }
    if (d := found.largest) is not None:
        document |= {
            "rows": [judged.rows[i] for i in d.rows],
            "columns": [judged.columns[j] for j in d.columns],
            "effects": list(d.effects),
            "difference": d.size.mean,
            "difference_low": d.size.mean - d.half,
            "difference_high": d.size.mean + d.half,
        }
    return document


def _word(judged: _Judged) -> str:
    found = judged.found
    assert found is not None
    if judged.guard.confounded and not judged.allowed:
        return "confounded"
    return "equivalent" if found.equivalent else "depends" if found.depends else "inconclusive"


def _findings(judged: _Judged) -> list[str]:
    """Whether the effect of the rows depends on the columns, in sentences."""
    table, found, guard = judged.table, judged.found, judged.guard
    first, second = (headings(table.levels.keys)[key] for key in table.levels.keys)
    if guard.incomparable:
        return [f"no verdict: {guard.incomparable}"]
    if found is None:
        if len(table.rows) < 2 or len(table.columns) < 2:
            return [f"no interaction: {first} and {second} need two values each"]
        return ["no interaction: no two rows and two columns have all four cells filled and without failed runs"]
    if found.largest is None:
        return [f"no claim whether the effect of {first} depends on {second}: cells have one run, not {FEWEST}"]
    told = []
    size = _size(judged)
    p = f"p {p_in_words(found.p)}"
    on = f"{found.n} seeds" if found.in_pairs else f"unpaired runs, {found.n} at least"
    if guard.confounded and not judged.allowed:
        told.append(
            f"no verdict, for {guard.confounded}: what makes the difference is unknown "
            "(--allow-confounded judges all the same; --where compares like with like)"
        )
    elif guard.confounded:
        told.append(f"confounded, and judged all the same: {guard.confounded}")
    if guard.confounded and not judged.allowed:
        told.append(size)
    elif found.n < FEWEST:
        told.append(f"~ no claim whether the effect of {first} depends on {second}: {on}, and {FEWEST} are needed")
        told.append(size)
    elif found.equivalent:
        told.append(
            f"the effect of {first} is the same for every {second} within ±{judged.margin:g} by two one-sided tests "
            f"({on}, p {p_in_words(found.p_equivalent)})"
        )
        told.append(size)
    elif found.depends:
        told.append(f"the effect of {first} depends on {second} ({on}, {p})")
        told.append(size)
        if found.largest.half >= found.largest.size.mean:
            told.append("which of the cells make it is not known: that interval holds 0")
    else:
        told.append(f"~ whether the effect of {first} depends on {second} is undecided ({on}, {p})")
        told.append(size)
    return [*told, _basis(found)]


def _size(judged: _Judged) -> str:
    """The largest contrast, with the two effects that it is the difference of."""
    found = judged.found
    assert found is not None
    d = found.largest
    assert d is not None
    heads = headings(judged.table.levels.keys)
    keys = judged.table.levels.keys
    decimals = decimals_for(d.half if d.half > 1e-9 * d.size.mean else None)

    def named(key: str, value: Any) -> str:
        return number(value) if isinstance(value, str) else f"{heads[key]} {number(value)}"

    a, other = (named(keys[0], judged.rows[i]) for i in d.rows)
    b, beside = (named(keys[1], judged.columns[j]) for j in d.columns)
    effects = [signed(v, None, decimals) for v in d.effects]
    what = "" if found.contrasts == 1 else f"the largest of {found.contrasts} contrasts: "
    apart = f"{score(d.size.mean, decimals)} ± {score(d.half, decimals)} apart"
    return f"{what}{a} - {other} is {effects[0]} at {b} and {effects[1]} at {beside}, {apart}"


def _basis(found: Interaction) -> str:
    how = "exact" if found.exact else "sampled"
    several = found.contrasts > 1
    alone = f"; {found.alone} run{'s' if found.alone > 1 else ''} of seeds that not every cell has left out"
    if found.in_pairs:
        test = f"p: {how} sign flips of " + ("all residuals of a seed together" if several else "each seed's contrast")
        interval = "Student's" + (", Bonferroni's over all contrasts" if several else "")
        return f"{test}; ±: 95 % interval, {interval}{alone if found.alone else ''}"
    corrected = f", times {found.contrasts} contrasts (Bonferroni)" if several else ""
    return f"p and ± (95 %): Welch's t, for seeds do not match; it supposes means that are nearly normal{corrected}"


def _notes(judged: _Judged, intervals: bool) -> list[str]:
    table = judged.table
    notes = []
    if intervals:
        counts = {s.n for _, s in table.cells.values() if s.n}
        several = f"{min(counts)} to {max(counts)}" if len(counts) > 1 else f"{max(counts)}"
        star = "" if judged.guard.incomparable else f"; {table.marked('the star')}"
        notes.append(f"cells: mean ± half of its 95 % Student-t interval, of {several} seeds{star}")
    missing = len(table.rows) * len(table.columns) - len(table.cells)
    if missing:
        notes.append(f"{missing} cell{'s have' if missing > 1 else ' has'} no runs (-)")
    if judged.found is not None and judged.left_out:
        notes.append(f"the interaction is without {judged.left_out}: cells are missing there, or runs failed (×)")
    notes += [note[0].lower() + note[1:].rstrip(".") for note in table.levels.notes]
    return notes + notes_on(list(table.levels.runs), "; the means are without them")
