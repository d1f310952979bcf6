"""What a report says of runs, in the order in which one reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp import __version__
from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.choose import matching
from nnexp.report.compare import compare, count_look
from nnexp.report.grouping import Levels, levels_of
from nnexp.report.numbers import number
from nnexp.report.page import answer as answers
from nnexp.report.page import origin
from nnexp.report.page.answer import told
from nnexp.report.page.blocks import Block, Document, Facts, Fold, Points, Section, Table, Text
from nnexp.report.page.design import design
from nnexp.report.page.figures import Tell, figures
from nnexp.report.rows import datasets_of
from nnexp.report.statement import judged_in
from nnexp.report.tables import Column, Grid, headings

if TYPE_CHECKING:
    from nnexp.store.runs import Run, Shelf, SweepRecord

OPEN = 30
"""Runs up to which their table is shown unfolded."""
MOST = 1000
"""Runs in it, at most."""
NAMED = 3
"""Data sets that a title names."""

MEANINGS = {
    "n": "runs that finished with a score; the same computation counts once",
    "mean": "of their scores",
    "restricted mean": "of the times, cut at τ; runs that never arrive count as the curve of Kaplan and Meier has them",
    "std": "their standard deviation, by n - 1",
    "interval": "Student-t interval of the mean: of seeds drawn anew it holds the true mean 95 times in 100",
    "succeeded": "how many of the runs that ended have a score, with the 95 % interval of that share by Wilson",
    "reached": "how many of the runs that ended came to the target",
    "median": "the first time by which half of them have arrived",
    "error": "standard error of the restricted mean, Greenwood's",
    "gain": "mean of the best row less the last one, ± half its 95 % interval: how optimistic the best row is",
    "read_at": "where the runs were read, in the mean",
    "seconds": "mean time of training",
    "pairs": "in the second table: pairs of one seed and data; unpaired, the runs of the smaller level",
    "apart": "mean of the level minus that of the baseline, ± half its 95 % interval",
    "p_holm": "how often chance alone makes such a difference, by permutation, with Holm's correction",
    "g": "Hedges' g: the difference in standard deviations between seeds",
    "p_better": "how often the level beats the baseline for a seed; ties count half, failures last",
    "verdict": "better, worse, equivalent (within the margin) or inconclusive",
    "more_seeds": "about how many more seeds would settle what is inconclusive",
}
"""What columns of the table of levels are, by their keys; by the heading where that makes a difference."""


@dataclass(frozen=True)
class Wish:
    """What a report is to be about, as the command line says it."""

    by: tuple[str, ...] = ()
    metric: str | None = None
    where: tuple[str, ...] = ()
    asked: Asked = field(default_factory=Asked)
    words: tuple[str, ...] = ()
    """Those of the command, behind `nnexp report`."""


def compose(runs: Sequence[Run], sweep: SweepRecord | None, root: Path, wish: Wish, tell: Tell) -> Document:
    """The report on these runs. `sweep`: whose runs they are; `tell` hears what is done next.

    Raises InputError as `compare` does; a look at test scores is counted once.
    """
    tell("comparing")
    grid = compare(runs, wish.by, wish.metric, wish.where, asked=wish.asked)
    runs = matching(runs, wish.where, wish.asked.test)
    levels = levels_of(runs, grid.meta.get("by") or (None if grid.meta["kind"] == "runs" else wish.by))
    count_look(grid, root)
    each = grid if grid.meta["kind"] == "runs" else _each(runs, wish)
    tell("reading the records of the runs")
    records = [run.record for run in runs[:MOST]]
    drawn = figures(runs, grid, tell)
    title, lead = _title(runs, levels, sweep, grid)
    sections = [Section("Answer", answers.answer(grid, runs, levels))]
    if claim := _claim(sweep):
        sections.append(Section("Claim", claim))
    if drawn.strips:
        sections.append(Section("Final values", [*drawn.strips]))
    notes: list[Block] = [Points([answers.sentence(note) for note in grid.notes])] if grid.notes else []
    if grid is not each:
        meant = Fold("What the columns mean", [Facts(_meanings([*grid.before, grid]))])
        tables = [block for one in grid.before for block in _of_one(one)]
        sections.append(Section("Levels", [*tables, Table(grid), *notes, meant]))
    if drawn.curves:
        sections.append(Section("Learning curves", [*drawn.curves]))
    if drawn.keys:
        sections.append(Section("Over the values that varied", [*drawn.keys]))
    if failed := _failed(runs):
        sections.append(Section("Runs without a result", failed))
    sections.append(Section("Single runs", [*_single(each, len(runs)), *(notes if grid is each else [])]))
    if said := _said(runs):
        sections.append(Section("Notes", [Facts(said)]))
    sections.append(Section("Design", design(runs, levels, grid, root, sweep)))
    sections.append(Section("Configurations", origin.configurations(levels)))
    sections.append(Section("Reproduction", origin.again(runs, sweep, wish.words)))
    if drawn.missing:
        sections.append(Section("Left out", [Points(drawn.missing)]))
    sections.append(Section("Made with", origin.versions(records)))
    days = sorted({run.brief.created[:10] for run in runs})
    begun = " to ".join(dict.fromkeys((days[0], days[-1])))
    parts = [
        *datasets_of(runs),
        *([told(len(levels.each), "level")] if len(runs) > 1 else []),
        told(len(runs), "run"),
        begun,
    ]
    footer = f"Written by nnexp {__version__} from the runs in {root}; nothing in this page is loaded from elsewhere."
    return Document(title, " · ".join(parts), sections, lead, footer, drawn.missing)


def sweep_of(runs: Sequence[Run], shelf: Shelf) -> SweepRecord | None:
    """The latest sweep that has these runs so far, and no others."""
    prints, places = {run.brief.fingerprint for run in runs}, {run.place for run in runs}
    for sweep in reversed(shelf.sweeps):
        if prints <= sweep.cases.keys() and places == {run.place for run in shelf.runs_of(sweep)}:
            return sweep
    return None


def _title(runs: Sequence[Run], levels: Levels, sweep: SweepRecord | None, grid: Grid) -> tuple[str, str]:
    """The question, and what else the sweep's file says of it."""
    question, lead = origin.described(sweep) if sweep is not None else ("", "")
    if question:
        return question, lead
    names = datasets_of(runs)
    where = f" on {', '.join(names) if len(names) <= NAMED else f'{len(names)} data sets'}"
    what = grid.meta["metric"] or "what comes out"
    if len(levels.each) > 1:
        heads = list(headings(levels.keys).values())
        shown = heads if len(heads) <= 3 else [*heads[:2], f"{len(heads) - 2} more"]
        keys = " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
        return f"How {'does' if len(heads) == 1 else 'do'} {keys} change {what}{where}?", lead
    called = ", ".join(sorted({run.name for run in runs}))
    if len(runs) == 1:
        return f"Run {runs[0].id} of {called}, seed {runs[0].brief.seed}{where}", lead
    return f"What does {called} come to{where}, over {told(len(runs), 'run')}?", lead


def _claim(sweep: SweepRecord | None) -> list[Block]:
    """What was claimed of the sweep, when, and what became of it."""
    try:
        found = judged_in(sweep.path) if sweep is not None else None
    except InputError as error:
        return [Text(answers.sentence(str(error)))]
    if found is None:
        return []
    statement, judged = found
    text, source = statement.wording
    said = [*([f"source: {source}"] if source else []), *judged.sentences(), str(statement)]
    head = answers.sentence(f"the claim is {judged.word}: {text or judged.statement}")
    return [Text(head, "strong"), Points([answers.sentence(line) for line in said])]


def _of_one(grid: Grid) -> list[Block]:
    """The table of one task, and what is known of it."""
    names = [answers.name_of(grid, row) for row in grid.rows]
    lines = [line for line in (*grid.findings, *grid.notes) if not line.startswith(answers.BASIS)]
    said = [answers.sentence(line, names) for line in lines]
    return [Table(grid), *([Points(said)] if said else []), *answers.basis(grid)]


def _meanings(grids: Sequence[Grid]) -> list[tuple[str, str]]:
    """What the columns of tables of levels are, in the order of the tables; docs/statistics.md says it in full."""
    columns = {column.key: column.heading for grid in grids for column in grid.columns if column.key in MEANINGS}
    return [(heading, MEANINGS.get(heading, MEANINGS[key])) for key, heading in columns.items()]


def _each(runs: Sequence[Run], wish: Wish) -> Grid:
    """A row a run."""
    return compare(runs, (), wish.metric, aggregate=False, asked=Asked(test=wish.asked.test))


def _single(each: Grid, count: int) -> list[Block]:
    shown = replace(each, rows=each.rows[:MOST], best=frozenset(i for i in each.best if i < MOST), title="")
    table = Table(shown)
    more = (
        [Text(f"The first {MOST:,} of {count:,}; all: nnexp compare --each --format csv.", "small")]
        if count > MOST
        else []
    )
    return [table, *more] if count <= OPEN else [Fold(f"{told(count, 'run')}, one a row", [table, *more])]


def _failed(runs: Sequence[Run]) -> list[Block]:
    """Runs that ended without a result, and why."""
    bad = [run for run in runs if run.status != "finished"][:MOST]
    if not bad:
        return []
    rows = []
    for run in bad:
        try:
            reason = str(run.record.get("reason") or "")
        except InputError as error:
            reason = str(error)
        rows.append({"id": run.id, "label": run.brief.label or run.name, "seed": run.brief.seed, "status": run.status,
                     "epoch": run.brief.epoch, "reason": reason})  # fmt: skip
    columns = [
        Column("id", "run"),
        Column("label", "what differs"),
        Column("seed", "seed", right=True),
        Column("status", "status"),
        Column("epoch", "epochs", number, True),
        Column("reason", "why"),
    ]
    table = Table(Grid(columns, rows))
    return [table] if len(rows) <= OPEN else [Fold(f"{told(len(bad), 'run')}, one a row", [table])]


def _said(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Tags and notes that people gave to runs."""
    rows = []
    for run in runs[:MOST]:
        try:
            parts = [*(f"@{tag}" for tag in run.tags), run.note]
        except InputError as error:
            parts = [str(error)]
        if text := " ".join(part for part in parts if part):
            rows.append((run.id, text))
    return rows
