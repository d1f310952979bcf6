"""The answer in words: what the verdicts say, and what cannot be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from nnexp.report.frame import higher_is_better
from nnexp.report.grouping import Levels
from nnexp.report.levels import level_name
from nnexp.report.numbers import score
from nnexp.report.page.blocks import Block, Points, Text
from nnexp.report.tables import Grid, headings
from nnexp.report.verdict import FEWEST

if TYPE_CHECKING:
    from nnexp.store.runs import Run

BASIS = "p: "
"""How the last of the findings begins, which says what the numbers in the others are."""
NO_VERDICT = "no verdict: "
SAID = {"better": "better", "equivalent": "equivalent", "worse": "worse", "inconclusive": "undecided"}
"""The verdicts, and how a sentence says them."""
NAMED = 3
"""Levels of one verdict that the first sentence names."""


def answer(grid: Grid, runs: Sequence[Run], levels: Levels) -> list[Block]:
    """What is known, first in one sentence."""
    metric = grid.meta["metric"]
    if metric is None:
        return [Text(f"No answer: none of {told(len(runs), 'run')} has a final score ({statuses(runs)}).", "strong")]
    if grid.meta["kind"] == "runs":
        return _of_runs(grid, runs, levels, metric)
    small = basis(grid)
    plain = [line for line in grid.findings if not line.startswith(BASIS)]
    if not grid.findings:
        return [Text(_no_verdict(grid, metric), "strong")]
    names = [name_of(grid, row) for row in grid.rows]
    said = [sentence(line, names) for line in plain]
    if grid.meta["kind"] == "tasks":
        return [Text(said[0], "strong"), *([Points(said[1:])] if said[1:] else [])]
    words = {row["verdict"] for row in grid.rows}
    if "confounded" in words:
        return [Text(said[0], "strong"), Points(said[1:]), *small] if said[1:] else [Text(said[0], "strong"), *small]
    if "better" not in words:
        said += _best(grid)
    return [Text(_in_short(grid, grid.meta.get("judged", metric)), "strong"), Points(said), *small]


def basis(grid: Grid) -> list[Block]:
    """What the numbers in the findings are."""
    return [Text(line, "small") for line in grid.findings if line.startswith(BASIS)]


def _best(grid: Grid) -> list[str]:
    """The best mean, where no level is known to be better than the baseline: not to be taken for a winner."""
    best = [row for place, row in enumerate(grid.rows) if place in grid.best and row["mean"] is not None]
    if len(best) != 1 or best[0]["verdict"] in ("baseline", "equivalent"):
        return []
    shown = {one.key: one.show(best[0][one.key]) for one in grid.columns if one.key in ("mean", "interval")}
    size = f"{shown['mean']} (95 % interval {shown['interval']})"
    return [f"The best mean is that of {name_of(grid, best[0])}, {size}; that it is the best may be luck."]


def sentence(line: str, names: Sequence[str] = ()) -> str:
    """A line below a table as a sentence. A name at its beginning stays as it is written.

    >>> sentence("2 of 9 runs diverged"), sentence("~ adam: undecided", ["adam"]), sentence("the levels differ")
    ('2 of 9 runs diverged.', 'adam: undecided.', 'The levels differ.')
    """
    line = line.removeprefix("~ ")
    named = line.startswith(tuple(names)) if names else False
    return (line if named else line[:1].upper() + line[1:]) + ("" if line.endswith((".", "?")) else ".")


def _in_short(grid: Grid, what: str) -> str:
    """What is known of all levels, those of a verdict named where they are few."""
    baseline = spoken(grid.meta["baseline"])
    groups = {word: [spoken(name_of(grid, row)) for row in grid.rows if row["verdict"] == word] for word in SAID}
    parts = []
    for word, members in groups.items():
        if members:
            who = _listed(members) if len(members) <= NAMED else told(len(members), "level")
            parts.append(f"{who} {'is' if len(members) == 1 else 'are'} {SAID[word]}")
    if all(row["verdict"] in ("baseline", "inconclusive") for row in grid.rows):
        who = "any of the levels differs" if len(grid.rows) > 2 else f"{groups['inconclusive'][0]} differs"
        return f"Undecided: it is not known whether {who} from {baseline} in {what}."
    return f"Compared with {baseline} in {what}, {'; '.join(parts)}."


def spoken(name: str) -> str:
    """A level's name within a sentence that has commas of its own.

    >>> spoken("adam"), spoken("adam, lr 0.1, size 16")
    ('adam', 'adam (lr 0.1, size 16)')
    """
    first, comma, rest = name.partition(", ")
    return f"{first} ({rest})" if comma else name


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def name_of(grid: Grid, row: Mapping[str, Any]) -> str:
    """What a row is called in the findings."""
    heads = headings(grid.meta["by"])
    return level_name(tuple(row[key] for key in grid.meta["by"]), grid.meta["by"], heads)


def _no_verdict(grid: Grid, metric: str) -> str:
    for note in grid.notes:
        if note.startswith(NO_VERDICT):
            return f"No verdict: {note.removeprefix(NO_VERDICT)}."
    counts = sorted({row["n"] for row in grid.rows})
    if len(grid.rows) == 1:
        [row] = grid.rows
        half = row["interval"].half
        around = "" if half is None else f", and its mean lies within ± {score(half)}"
        return f"{metric} is {score(row['mean'])} over {told(row['n'], 'seed')}{around}; there is no other level."
    return (
        f"No verdict in {metric}: with {told(counts[-1], 'seed')} to a level, what is luck is unknown; "
        f"from {FEWEST} seeds on there can be one."
    )


def _of_runs(grid: Grid, runs: Sequence[Run], levels: Levels, metric: str) -> list[Block]:
    known = [row for row in grid.rows if row.get(metric) is not None]
    if len(grid.rows) == 1 and known:
        lines = f"One run: {metric} {score(known[0][metric])}. How much of that is luck, other seeds would tell."
        return [Text(lines, "strong")]
    best = (max if higher_is_better(runs, metric) else min)(known, key=lambda row: row[metric])
    labels = [level.label for level in levels.each if any(run.id == best["id"] for run in level.runs)]
    setting = f" ({labels[0]})" if labels and len(levels.each) > 1 else ""
    return [
        Text(
            f"No verdict: every run stands for itself. The best {metric} is {score(best[metric])}, "
            f"of run {best['id']}{setting}; how much of that is luck, other seeds would tell.",
            "strong",
        )
    ]


def statuses(runs: Sequence[Run]) -> str:
    """How runs ended: `3 finished, 1 diverged`."""
    found = Counter(run.status for run in runs)
    return ", ".join(f"{count:,} {status}" for status, count in found.most_common())


def told(count: int, what: str) -> str:
    """A number of things."""
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def spans(numbers: Sequence[int]) -> str:
    """Whole numbers in few words.

    >>> spans([3, 0, 1, 2, 7])
    '0 to 3, 7'
    """
    ordered = sorted(set(numbers))
    runs = [[n for _, n in group] for _, group in groupby(enumerate(ordered), lambda pair: pair[1] - pair[0])]
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(parts)
