"""`nnexp claims`: run the sweeps that state a claim, judge each, and show one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import EVERYTHING, check_format, counted, out, runs_root, say
from nnexp.cli.options import FormatOption, JobsOption, QuietOption, RunsOption, SetOption
from nnexp.cli.planning import workers_for
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.cli.display import Display
    from nnexp.cli.verdicts import Told
    from nnexp.report.judgement import Judged
    from nnexp.report.tables import Grid
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.expand import Sweep
    from nnexp.sweep.identity import Given, Identity
    from nnexp.sweep.plan import Plan

ENDINGS = (".yaml", ".yml")


def claims(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Sweep files with a claim, or folders of them.")],
    settings: SetOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds 0 to N - 1 in place of each file's own.")] = None,
    jobs: JobsOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be run, with each plan's hash.")] = False,
    judge: Annotated[bool, typer.Option("--judge", help="Run nothing; judge by the runs that are there.")] = False,
    new: Annotated[bool, typer.Option("--new", help="A file has changed: begin another sweep.")] = False,
    extend: Annotated[bool, typer.Option("--extend", help="A file has more seeds or levels: add them.")] = False,
    quiet: QuietOption = False,
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """Run every sweep that states a claim, judge the claims, and print one table.

    Each claim is written into its sweep's folder before the first run. A file that cannot be used is named, and the
    others go on. Finished runs are not trained again.
    Exit code 0: all were judged, whatever the verdicts. 2: no file could be used, nothing was run. 3: a file could not
    be used, or runs failed or are missing; runs that diverged are outcomes. 130: interrupted; the same command goes on.
    """
    if new and extend:
        raise InputError("--new begins another sweep and --extend adds to the one that is there; give one of them")
    if dry_run and judge:
        raise InputError("--dry-run shows what would be run and --judge runs nothing; give one of them")
    from nnexp.report.tables import FORMATS, render

    check_format(how, FORMATS)
    files = _files(paths)
    workers = workers_for(jobs, not dry_run and not judge)
    root = runs_root(runs)
    asked = _Asked(root, workers, tuple(settings or ()), seeds, new, extend, judge)
    described, refused = _read(files, asked)
    plans = _plans(described, refused, asked) if dry_run else None
    if len(refused) == len(files):
        raise InputError(f"none of {counted(len(files), 'file')} can be used; nothing was run")
    if plans is not None:
        render(plans, how, out(), rest=EVERYTHING)
        raise typer.Exit(3 if refused else 0)
    if not judge:
        described = _state_all(described, asked, refused)
    told: list[_Row] = []
    interrupted = None
    for number, one in enumerate(described, 1):
        if not quiet and not judge:
            say(f"{number}/{len(described)}  {one.file}")
        try:
            row = _judge(one, asked) if judge else _run(one, asked, quiet)
        except InputError as error:
            _refuse(one.file, error, refused)
            continue
        except _Interrupted as end:
            interrupted = end.code
            break
        told.append(row)
        if not quiet and not judge:
            say(f"{'':{len(str(len(described)))}}   {row.told.judged.word}: {row.told.text}")
    if told and not quiet:
        render(table(told, refused), how, out(), rest=EVERYTHING)
    if interrupted is not None:
        say(f"interrupted; {len(described) - len(told)} of {len(described)} claims are left; the same command goes on")
        raise typer.Exit(interrupted)
    if refused and not told:
        raise typer.Exit(2)
    if refused or any(row.incomplete for row in told):
        raise typer.Exit(3)


@dataclass(frozen=True)
class _Asked:
    """What holds for all files."""

    root: Path
    workers: int
    words: tuple[str, ...]
    seeds: int | None
    new: bool
    extend: bool
    judge: bool


@dataclass(frozen=True)
class _Described:
    """A file that states a claim."""

    file: Path
    sweep: Sweep
    given: Given


@dataclass(frozen=True)
class _Row:
    """A file whose claim was judged."""

    file: Path
    told: Told
    plan: Plan
    seconds: float
    """Of training, in all its runs."""
    incomplete: bool
    """Whether some runs failed, or are not there."""


class _Interrupted(Exception):
    def __init__(self, code: int):
        super().__init__()
        self.code = code


def _files(paths: Sequence[Path]) -> list[Path]:
    """The files that are named, each once; of a folder the YAML files in it that state a claim. Raises InputError."""
    from nnexp.config.draft import Draft

    found: list[Path] = []
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        inside = sorted(one for one in path.iterdir() if one.suffix in ENDINGS and one.is_file())
        claiming = []
        for one in inside:
            try:
                if "claim" in Draft.from_file(one).data:
                    claiming.append(one)
            except InputError:
                claiming.append(one)  # it is read again, and refused by name
        if not claiming:
            raise InputError(f"{path}: no file of this folder states a claim ({len(inside)} YAML files)")
        found += claiming
    return list(dict.fromkeys(found))


def _read(files: Sequence[Path], asked: _Asked) -> tuple[list[_Described], list[Path]]:
    """The files that can be used, and those that cannot, which are told."""
    from nnexp.sweep.description import read_sweep
    from nnexp.sweep.identity import Given

    described: list[_Described] = []
    refused: list[Path] = []
    for file in files:
        try:
            sweep = read_sweep(file, asked.words, asked.seeds)
            if sweep.claim is None:
                raise InputError(
                    f"{file} states no claim; write for example claim: {{better: {{optimizer: adam}}, ...}}"
                )
            described.append(_Described(file, sweep, Given.of(file, asked.words, {"seeds": asked.seeds})))
        except InputError as error:
            _refuse(file, error, refused)
    return described, refused


def _refuse(file: Path, error: InputError, refused: list[Path]) -> None:
    text = str(error)
    say(text if str(file) in text else f"{file}: {text}")
    refused.append(file)


def _known(one: _Described, asked: _Asked, course: Course, shelf: Shelf) -> Identity:
    """Which sweep it is. Raises InputError where the file is not what it was."""
    from nnexp.sweep.identity import identify

    identity = identify(course, shelf, one.given, asked.new, asked.extend)
    if identity.told:
        raise InputError("\n".join([*identity.told, f"{one.file}: nothing was run"]))
    return identity


def _state_all(described: Sequence[_Described], asked: _Asked, refused: list[Path]) -> list[_Described]:
    """Write every claim down before the first run of any, for sweeps may share runs; those that could be planned."""
    from nnexp.cli.verdicts import stated
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course as Way

    if len(described) < 2:
        return list(described)
    shelf, able = Shelf(asked.root), []
    for one in described:
        try:
            course = Way(one.sweep, shelf)
            stated(course, _known(one, asked, course, shelf), shelf)
            able.append(one)
        except InputError as error:
            _refuse(one.file, error, refused)
    return able


def _run(one: _Described, asked: _Asked, quiet: bool) -> _Row:
    """Run what is missing of a file's sweep, and judge. Raises InputError, and _Interrupted."""
    from functools import partial

    from nnexp.cli.sweep import planned
    from nnexp.cli.underway import UnderWay, room
    from nnexp.cli.verdicts import concluded, stated
    from nnexp.store.runs import Shelf
    from nnexp.sweep.jobs import Orders

    sweep = one.sweep
    assert sweep.claim is not None
    with planned(sweep, asked.root, partial(_known, one, asked)) as (course, data, identity):
        orders = Orders(asked.root, asked.workers, sweep.limits, False, data)
        statement = stated(course, identity, Shelf(asked.root))
        with UnderWay(one.given, identity, _display(quiet)) as under_way, room():
            plan, shelf, _ = under_way.go(course, orders)
    if under_way.interrupted is not None:
        raise _Interrupted(under_way.interrupted)
    if course.findings is not None:
        course.write_findings(plan)
    return _row(one.file, concluded(sweep.claim, plan, shelf, statement), course, plan, shelf)


def _judge(one: _Described, asked: _Asked) -> _Row:
    """Judge by what is there. Raises InputError."""
    from nnexp.cli.verdicts import concluded
    from nnexp.store.runs import Shelf
    from nnexp.sweep.claims import state
    from nnexp.sweep.course import Course as Way

    assert one.sweep.claim is not None
    shelf = Shelf(asked.root)
    course = Way(one.sweep, shelf)
    identity = _known(one, asked, course, shelf)
    for stage in course.stages(lambda: shelf):
        plan = replace(stage.plan, folder=identity.folder(stage.plan))
        if plan.missing:
            break
    told = concluded(one.sweep.claim, plan, shelf, state(course, identity, shelf), keep=False)
    return _row(one.file, told, course, plan, shelf)


def _row(file: Path, told: Told, course: Course, plan: Plan, shelf: Shelf) -> _Row:
    from nnexp.cli.verdicts import runs_of

    runs = runs_of(plan, shelf)
    if course.sweep.tune is not None:
        runs += runs_of(replace(plan, jobs=course.tried), shelf)
    seconds = sum(run.brief.train_seconds or 0.0 for run in runs)
    missing = len({job.fingerprint for job in plan.jobs}) > len(runs_of(plan, shelf))
    return _Row(file, told, plan, seconds, missing or any(run.status not in ("finished", "diverged") for run in runs))


def _display(quiet: bool) -> Display:
    """What is shown while runs are run: of many sweeps not a line for each run."""
    from nnexp.cli.display import Plain, display_for

    class Brief(Plain):
        """A line for each stage, and for runs that fail or diverge."""

        def ended(self, result: Any) -> None:
            self._told_badly(result)

    display = display_for(quiet, False)
    return Brief() if type(display) is Plain else display


# -- tables ----------------------------------------------------------------------------------------


def table(rows: Sequence[_Row], refused: Sequence[Path] = ()) -> Grid:
    """A row a claim, with one for each of its parts below it where it has several."""
    from nnexp.report.numbers import duration, number
    from nnexp.report.tables import Column, Grid

    columns = [
        Column("name", "file", str, False, 0, ("file",)),
        Column("says", "claim", str, False, 0, ("part", "claim", "rule", "metric")),
        Column("n", "n", number, True),
        Column("interval", "estimate [95 %]", str, True, 0, ("estimate", "low", "high")),
        Column("above", "above", lambda bar: "" if bar is None else number(bar), True, 1, ("bar",)),
        Column("verdict", "verdict", str, False, 0, ("verdict", "why", "runs", "failed", "capped")),
        Column("stated", "stated", str, False, 2, ("before_runs", "plan")),
        Column("seconds", "time", lambda value: "" if value is None else duration(value), True, 1),
    ]
    shown: list[dict[str, Any]] = []
    for row in rows:
        judged, statement = row.told.judged, row.told.statement
        both = {"file": str(row.file), "before_runs": statement.when == "before", "plan": statement.digest}
        own = {"part": None, "claim": row.told.text, "seconds": row.seconds}
        own |= {"name": row.file.name, "says": row.told.text}
        shown.append(both | _cells(judged) | own | {"stated": statement.when})
        for part, one in enumerate(judged.parts, 1):
            own = {"part": part, "claim": one.statement, "seconds": None, "name": "", "says": f"  {one.statement}"}
            shown.append(both | _cells(one) | own | {"stated": ""})
    words = [row.told.judged.word for row in rows]
    counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    title = f"{len(rows)} claim{'s' if len(rows) != 1 else ''}: {counts}"
    notes = [line for row in rows for line in _notes(row)]
    notes += _looked(rows)
    notes += [f"{file} could not be used" for file in refused]
    meta = {"kind": "claims", "refused": [str(file) for file in refused]}
    return Grid(columns, shown, title=title, notes=notes, meta=meta, keyed=2)


def _cells(judged: Judged) -> dict[str, Any]:
    """What a row says of a judgement."""
    keys = ("rule", "metric", "n", "estimate", "low", "high", "bar", "why", "runs", "failed", "capped")
    shown = "" if judged.parts else judged.interval
    above = None if judged.rule == "exact" else judged.bar
    return {key: getattr(judged, key) for key in keys} | {"verdict": judged.word, "interval": shown, "above": above}


def _notes(row: _Row) -> list[str]:
    """What the row of a claim does not say."""
    judged, statement = row.told.judged, row.told.statement
    lines = []
    for part in judged.parts or (judged,):
        counts = ((part.failed, "failed or diverged"), (part.capped, "never reached the target"))
        said = [f"{count} of {part.runs} runs {what}, and count" for count, what in counts if count]
        lines += [f"{part.statement}: {text}" for text in (*said, part.why) if text]
    lines += [] if statement.when == "before" else [str(statement)]
    return [f"{row.file.name}: {line}" for line in lines]


def _looked(rows: Sequence[_Row]) -> list[str]:
    """How often test scores were looked at, by data set."""
    looks: dict[str, int] = {}
    for row in rows:
        looks |= row.told.looks
    counts = "; ".join(f"{n:,} look{'s' if n != 1 else ''} at {name}" for name, n in looks.items())
    return [f"claims about test scores look at them, as stated; so far {counts}"] if counts else []


def _plans(described: Sequence[_Described], refused: list[Path], asked: _Asked) -> Grid:
    """A row a claim that would be run. What cannot be planned is refused."""
    from nnexp.report.numbers import duration, number
    from nnexp.report.tables import Column, Grid
    from nnexp.store.runs import Shelf
    from nnexp.sweep.claims import state
    from nnexp.sweep.course import Course as Way
    from nnexp.sweep.estimate import elapsed, total

    columns = [
        Column("name", "file", str, False, 0, ("file",)),
        Column("claim", "claim", str),
        Column("runs", "runs", number, True),
        Column("missing", "to run", number, True),
        Column("seconds", "about", duration, True),
        Column("short", "plan", str, False, 0, ("plan", "before_runs")),
    ]
    shelf, rows = Shelf(asked.root), []
    for one in described:
        assert one.sweep.claim is not None
        try:
            course = Way(one.sweep, shelf)
            identity = _known(one, asked, course, shelf)
            statement = state(course, identity, shelf)
        except InputError as error:
            _refuse(one.file, error, refused)
            continue
        plan, later = course.foreseen(shelf)
        todo = plan.missing
        cost = total(todo, todo or course.sample, len(later)) if todo or later else None
        missing = len(todo) + len(later)
        rule = one.sweep.claim.rule
        measures = one.sweep.claim.measures(course.first)
        said = [part.statement(m.name) for (_, part), m in zip(one.sweep.claim.singles, measures, strict=True)]
        row: dict[str, Any] = {"file": str(one.file), "name": one.file.name, "claim": rule.text or "; ".join(said)}
        row |= {"runs": len(plan.jobs) + len(later), "missing": missing, "plan": statement.digest}
        seconds = None if cost is None else elapsed(cost.seconds, missing, asked.workers)
        row |= {"seconds": seconds or 0.0, "short": statement.digest[:12], "before_runs": statement.before_runs}
        rows.append(row)
    notes = ["nothing was run; to show later that a claim came first, give its plan's hash to somebody now"]
    notes += [f"{file} could not be used" for file in refused]
    return Grid(columns, rows, notes=notes, meta={"kind": "plan", "refused": [str(file) for file in refused]})
