"""What a sweep shows while it runs: a live table for a person, a line a run for a pipe, JSON lines for a program."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

from nnexp.cli.console import counted, err, say, watched

if TYPE_CHECKING:
    from nnexp.sweep.jobs import Result
    from nnexp.sweep.plan import Job
    from nnexp.sweep.tally import Tally

JSON_LINES = 1
"""Version of the events."""
NAMED = 4
"""Runs under way that are shown by name."""


class Display:
    """Shows nothing; what the others show is what they do beyond it."""

    def stage(self, tally: Tally, title: str, processes: int, where: str = "") -> None:
        """A stage begins: what it has to do."""

    def begun(self, job: Job) -> None:
        """A run has begun."""

    def ended(self, result: Result) -> None:
        """A run has ended; the tally knows."""

    def said(self, text: str) -> None:
        """Something has happened that is no result."""

    def stage_over(self) -> None:
        """No more runs of the stage will come."""

    def event(self, name: str, **fields: Any) -> None:
        """Something for programs."""


class Plain(Display):
    """A line for each run that ends."""

    def stage(self, tally: Tally, title: str, processes: int, where: str = "") -> None:
        self.tally = tally
        if title:
            say(title)
        plan = tally.plan
        there = sum(job.done is not None for job in plan.own)
        already = f", {there} already there" if there else ""
        if plan.longer:
            already += f", {plan.longer} going on from finished runs with fewer epochs"
        work = f"{processes} process{'es' if processes > 1 else ''}{where}" if processes else "nothing to run"
        say(f"{counted(len(plan.jobs), 'run')}{plan.share}{already}, {work}; {plan.folder}")

    def ended(self, result: Result) -> None:
        if not self._told_badly(result) and result.status == "finished":
            from nnexp.report.numbers import score

            tally = self.tally
            shown = tally.metric if tally.metric in result.final else next(iter(result.final), None)
            scored = f"  {shown} {score(result.final[shown])}" if shown is not None else ""
            say(f"{tally.ended:>{len(str(tally.missing))}}/{tally.missing}  {result.job.trial.called}{scored}")

    def _told_badly(self, result: Result) -> bool:
        """Say it of a run that failed or diverged, in every display that people see."""
        bad = result.status in ("failed", "diverged")
        if bad:
            say(f"{result.status}: {result.job.trial.called}: {result.reason}")
        return bad

    def said(self, text: str) -> None:
        say(text)


class Live(Plain):
    """A table that stands below what is said and is drawn four times a second."""

    _live: Any = None

    def stage(self, tally: Tally, title: str, processes: int, where: str = "") -> None:
        super().stage(tally, title, processes, where)
        if processes:
            from rich.live import Live as RichLive

            self._live = RichLive(
                get_renderable=lambda: drawn(tally, title), console=err(), refresh_per_second=4, transient=True
            )
            self._live.start()

    def ended(self, result: Result) -> None:
        self._told_badly(result)

    def stage_over(self) -> None:
        if self._live is not None:
            self._live.stop()


class JsonLines(Display):
    """One JSON object a line on stdout. Who reads may go away: the sweep goes on."""

    def __init__(self) -> None:
        self._listened = True

    def stage(self, tally: Tally, title: str, processes: int, where: str = "") -> None:
        self.tally = tally
        plan = tally.plan
        told = {"sweep": plan.folder.name, "folder": str(plan.folder), "title": title, "metric": tally.metric}
        self.event("stage", **told, runs=tally.total, missing=tally.missing, processes=processes, states=tally.counts)

    def begun(self, job: Job) -> None:
        self.event("begun", **_identity(job))

    def ended(self, result: Result) -> None:
        told = {"run": result.run_id, "status": result.status, "reason": result.reason, "seconds": result.seconds}
        best = None if self.tally.best is None else vars(self.tally.best)
        progress = {"states": self.tally.counts, "best": best}
        from nnexp.report.firewall import open_to

        final = open_to(result.final, test=False)
        self.event("ended", **_identity(result.job), **told, final=final, **progress)

    def said(self, text: str) -> None:
        self.event("message", text=text)

    def event(self, name: str, **fields: Any) -> None:
        if not self._listened:
            return
        from nnexp.store.folder import finite

        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"event": name, "time": time, **finite(fields)}, allow_nan=False, default=str)
        try:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
        except BrokenPipeError:
            self._listened = False
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 (for what is flushed when the program ends)


def display_for(quiet: bool, as_json: bool) -> Display:
    """The display that is asked for, and that the terminal can show."""
    if as_json:
        return JsonLines()
    if quiet:
        return Display()
    return Live() if watched(err()) else Plain()


def _identity(job: Job) -> dict[str, Any]:
    trial = job.trial
    changes = {key: value for key, value in trial.changes.items() if key not in ("case", "seed")}
    return {"fingerprint": job.fingerprint, "case": trial.case, "seed": trial.seed, "changes": changes}


def drawn(tally: Tally, title: str = "") -> Any:
    """The live table."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from nnexp.report.numbers import duration, score

    def line(text: str, style: str) -> Text:
        return Text(text, style=style, no_wrap=True, overflow="ellipsis")

    rate, counts = tally.per_minute, tally.counts
    head = Table.grid(padding=(0, 2))
    head.add_row(
        line(tally.plan.folder.name, "bold"),
        ProgressBar(total=max(tally.total, 1), completed=tally.over, width=20),
        Text(f"{tally.over}/{tally.total}", no_wrap=True),
        Text(f"{rate:,.0f} runs/min" if rate is not None else "", style="dim", no_wrap=True),
        Text(f"{duration(tally.left)} left" if rate is not None else "", style="dim", no_wrap=True),
    )
    styles = {"failed": "red", "diverged": "yellow", "pruned": "dim"}
    words = Text("  ", no_wrap=True, overflow="ellipsis")
    for state, word in (*SHOWN.items(), *(("interrupted", "waiting") for _ in range(counts["interrupted"] > 0))):
        words.append(f"{word} {counts[state]}   ", style=styles.get(state, "") if counts[state] else "dim")
    rows: list[Any] = [head, words]
    if tally.best is not None:
        rows.append(line(f"  best so far: {tally.best.metric} {score(tally.best.value)} ({tally.best.run})", "green"))
    now = monotonic()
    under_way = list(tally.running.values())
    for job, begun in under_way[:NAMED]:
        rows.append(line(f"  {duration(now - begun):>8}  {job.trial.called}", "dim"))
    if len(under_way) > NAMED:
        rows.append(line(f"            and {len(under_way) - NAMED} more", "dim"))
    return Group(*rows)


SHOWN = {"running": "running", "finished": "done", "failed": "failed", "diverged": "diverged", "pruned": "pruned"}
"""States that the table always has, and what they are called there."""
