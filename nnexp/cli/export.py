"""`nnexp export`: past runs into MLflow or TensorBoard."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli.console import counted, name_damaged, runs_root, say
from nnexp.cli.options import RunsOption, SinceOption, WhereOption, complete_run
from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nnexp.store.runs import Run, Shelf

ENDED = ("finished", "diverged", "failed")
"""Statuses of runs that do not go on."""


def export(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Runs or sweeps as in `nnexp compare`. Nothing: the latest.",
            autocompletion=complete_run,
        ),
    ] = None,
    to: Annotated[str, typer.Option("--to", metavar="TRACKER", help="mlflow or tensorboard.")] = "",
    out: Annotated[
        str, typer.Option("--out", metavar="FOLDER", help="Where to; for mlflow also an address, such as http://...")
    ] = "",
    where: WhereOption = None,
    since: SinceOption = None,
    test: Annotated[
        bool, typer.Option("--test", help="Export the test scores, too; that is a look, and counted.")
    ] = False,
    runs: RunsOption = None,
) -> None:
    """Write runs that have ended into MLflow or TensorBoard.

    What is there already is left as it is, so exporting twice adds nothing.

    Another command, `nnexp runs export`, writes the archive that nnexp itself reads again.
    """
    from nnexp.report.firewall import look_at, told
    from nnexp.report.trackers import TRACKERS, account
    from nnexp.store.runs import Shelf

    archive = next((word for word in words or () if word.endswith((".tar.gz", ".tgz", ".zip"))), None)
    if archive:
        raise InputError(f"'{archive}': an archive for nnexp itself is written by: nnexp runs export RUN... {archive}")
    if to not in TRACKERS:
        guess = did_you_mean(to, TRACKERS) if to else ""
        found = f"'{to}' is none of" if to else "one of"
        archived = "" if guess else "; an archive for nnexp itself: nnexp runs export RUN... FILE"
        raise InputError(f"--to: {found} {', '.join(TRACKERS)}{guess}{archived}")
    if not out:
        raise InputError(f"--out: which folder? for example: nnexp export @last --to {to} --out {to}")
    shelf = Shelf(runs_root(runs))
    name_damaged(shelf.damaged)
    chosen = _chosen(shelf, words or [], where or [], since)
    tracker = TRACKERS[to](out)
    accounts = [account(run, _sweeps_of(shelf, run), test) for run in chosen]
    new = [one for one in accounts if not tracker.has(one)]
    looks = look_at([one.run for one in new], "export") if test and new else {}
    for one in new:
        tracker.write(one)
    there = f", {len(accounts) - len(new):,} there already" if len(new) < len(accounts) else ""
    say(f"{out}: {counted(len(new), 'run')} exported{there}")
    if looks:
        say(told(looks))
    say(f"look: {tracker.look}")


def _chosen(shelf: Shelf, words: Sequence[str], where: Sequence[str], since: str | None) -> list[Run]:
    """The runs that are meant and do not go on; the others are named. Raises InputError where none is left."""
    from nnexp.report.choose import begun_since, matching

    asked = bool(where) or since is not None
    chosen = shelf.select(words) if words else shelf.runs if asked else shelf.latest()
    chosen = matching(chosen if since is None else begun_since(chosen, since), where)
    ended = [run for run in chosen if run.status in ENDED]
    if len(ended) < len(chosen):
        states = ", ".join(sorted({run.status for run in chosen if run.status not in ENDED}))
        say(f"left out {counted(len(chosen) - len(ended), 'run')} that may go on ({states})")
    if not ended:
        raise InputError(f"no runs to export in {shelf.root}" if not shelf.runs else "no runs to export")
    return ended


def _sweeps_of(shelf: Shelf, run: Run) -> list[str]:
    return [sweep.name for sweep in shelf.sweeps if run.brief.fingerprint in sweep.cases]
