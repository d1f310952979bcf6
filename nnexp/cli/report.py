"""`nnexp report`: what runs say, as one page to read, to keep and to print."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Annotated

import typer

from nnexp.cli.compare import selected
from nnexp.cli.console import name_damaged, runs_root, say
from nnexp.cli.options import (
    AxisOption,
    BaselineOption,
    ByOption,
    ConfoundedOption,
    MarginOption,
    MatchOption,
    MetricOption,
    ReachOption,
    RunsOption,
    RunWords,
    SummaryOption,
    TestOption,
    WhereOption,
    keys_of,
)

QUIET_FOR = 2.0
"""Seconds after which it is said what takes so long, and between two such lines."""


def report(
    words: RunWords = None,
    target: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FILE", help="Where to write it. Nothing: NAME-report.html in this folder."
        ),
    ] = None,
    how: Annotated[
        str | None,
        typer.Option("--format", metavar="FORMAT", help="html, markdown or pdf. Nothing: as --out ends, else html."),
    ] = None,
    by: ByOption = None,
    where: WhereOption = None,
    metric: MetricOption = None,
    baseline: BaselineOption = None,
    margin: MarginOption = None,
    allow_confounded: ConfoundedOption = False,
    test: TestOption = False,
    summary: SummaryOption = "last",
    reach: ReachOption = None,
    over: AxisOption = None,
    match: MatchOption = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is no report of nnexp.")] = False,
    runs: RunsOption = None,
) -> None:
    """Write a report on runs: the answer in words, pictures, tables that sort, and how to repeat it.

    HTML is one file that loads nothing from elsewhere; Markdown has its pictures in a folder beside it; PDF is
    printed by an installed Chromium. The numbers are those of 'nnexp compare'.
    """
    from nnexp.report.page.files import check, format_of, usual_place, write

    kind = format_of(how, target)
    if target is not None:
        check(target, kind, force)
    from nnexp.report.asked import Asked
    from nnexp.report.page.compose import Wish, compose, sweep_of
    from nnexp.store.runs import Shelf

    asked = Asked(baseline, margin, allow_confounded, test, summary=summary, x=over, reach=reach, match=match)
    keys = tuple(keys_of(by))
    root = runs_root(runs)
    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    chosen = selected(words, where, shelf)
    sweep = sweep_of(chosen, shelf)
    place = target or usual_place(chosen, sweep, kind)
    if target is None:
        check(place, kind, force)
    # "the latest" means others later
    named = [] if words or where else [sweep.name] if sweep is not None else [run.id for run in chosen]
    wish = Wish(keys, metric, tuple(where or ()), asked, (*named, *sys.argv[2:]))
    document = compose(chosen, sweep, root, wish, _slow(monotonic()))
    for sentence in document.left_out:
        say(sentence)
    write(document, place, kind)
    typer.echo(place)


def _slow(started: float) -> Callable[[str], None]:
    """What says what is done, where it takes a while."""
    last = started

    def tell(what: str) -> None:
        nonlocal last
        if monotonic() - last > QUIET_FOR:
            last = monotonic()
            say(f"{what} ({last - started:.0f} s)")

    return tell
