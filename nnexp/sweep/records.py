"""What a sweep's folder holds: its file as given and as expanded, its plan, and a table of its runs as they stand.

    given.yaml    the file, byte for byte
    sweep.yaml    as it was expanded, the command line and the base files in it
    plan.json     where it comes from, versions, machine, how it was extended, and its runs
    runs.csv      every run: what varies, seed, status, scores
    state.json    how many runs are in which state, and when that and runs.csv were written

The runs themselves are the truth: the table is made of what they have come to, anew each time the sweep begins and
ends; while it goes on, of what its process hears. Nothing is read back but where the sweep comes from.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from nnexp.config.flat import flat
from nnexp.config.load import to_yaml
from nnexp.errors import InputError
from nnexp.report.frame import HIDDEN
from nnexp.report.standing import STATES, state_of
from nnexp.report.tables import csv_cell
from nnexp.runner import machine
from nnexp.store.folder import RunFolder, write_whole
from nnexp.store.parents import now
from nnexp.store.room import why_not
from nnexp.store.runs import Run, Shelf
from nnexp.store.scores import TEST
from nnexp.sweep.identity import Given, Identity
from nnexp.sweep.jobs import Result
from nnexp.sweep.plan import Job, Plan

EVERY = 1.0
"""Seconds between two writings while runs are run, at least."""
SHARE = 0.01
"""Of the time, what the writing may take."""


class Records:
    """The folder of a plan, kept up to date."""

    def __init__(self, plan: Plan):
        self.plan = plan
        self._where: dict[str, list[int]] = {}
        for number, job in enumerate(plan.jobs):
            self._where.setdefault(job.fingerprint, []).append(number)
        self._metrics = [name for name in plan.metrics if not name.startswith(TEST)]
        self._keys, self._settings = _varying(plan.jobs)
        self._cases = any(job.trial.case for job in plan.jobs)
        self._states = ["planned"] * len(plan.jobs)
        self._lines = [""] * len(plan.jobs)
        self._due = 0.0
        self._changed = True
        for job in plan.jobs:
            self._set_from(job.fingerprint, job.done or job.begun)

    def begin(self, given: Given, identity: Identity, first: bool = True) -> None:
        """Make the folder and say what the sweep is; not for the `first` time where it has had a stage already.

        Raises InputError where it cannot be written.
        """
        folder = self.plan.folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            before = _read(folder / "plan.json")
            plan = self._described(given, identity, before, first)
            text = json.dumps(plan, indent=1, ensure_ascii=False) + "\n"
            description = to_yaml(self.plan.sweep.spec, "the sweep as it was expanded").encode()
            write_whole(folder / "given.yaml", lambda file: file.write(given.text))
            write_whole(folder / "sweep.yaml", lambda file: file.write(description))
            write_whole(folder / "plan.json", lambda file: file.write(text.encode(errors="backslashreplace")))
            self.write()
        except OSError as error:
            raise InputError(why_not(folder, error)) from None

    def _described(self, given: Given, identity: Identity, before: Mapping[str, Any], first: bool) -> dict[str, Any]:
        jobs, started = self.plan.jobs, now()
        origin = identity.origin_of(self.plan)
        runs = [
            {"fingerprint": job.fingerprint, "case": job.trial.case, "seed": job.trial.seed, "label": job.trial.label}
            for job in jobs
        ]
        extended = list(before.get("extended", []))
        known = {run["fingerprint"] for run in before.get("runs", [])}
        if identity.extends and first and known:
            added = len(self._where) - len(known) if known < self._where.keys() else None  # None: not known in advance
            extended.append({"when": started, "runs": len(known), "added": added})
        told = machine()
        return {
            "begun": before.get("begun", started),
            "started": started,
            "command": sys.argv[1:],
            "file": str(given.file),
            "metric": identity.metric,
            "higher_is_better": identity.higher,
            "origin": {**vars(origin), "words": list(origin.words)},
            "versions": told["versions"],
            "machine": {"host": told["host"], **told["machine"]},
            "by_results": self.plan.sweep.by_results,
            "measures": self.plan.sweep.measures,
            "extended": extended,
            "runs": runs,
        }

    # -- while runs are run ----------------------------------------------------------------------------------------

    def begun(self, job: Job) -> None:
        """A run has begun."""
        self._set(job.fingerprint, "running")

    def ended(self, result: Result, root: Path) -> None:
        """A run has ended."""
        job = result.job
        folder = ""
        if job.begun is not None and job.begun.id == result.run_id:
            folder = job.begun.folder
        elif result.run_id is not None:
            place = RunFolder.place(root, job.config["name"], job.trial.label, job.trial.seed, result.run_id)
            folder = place.name if place.is_dir() else ""  # another sweep may call it otherwise
        self._set(job.fingerprint, result.status, result.seconds, result.final, folder)

    def look(self) -> None:
        """Write what has changed, if it is time to. Raises OSError."""
        begin = monotonic()
        if self._changed and begin >= self._due:
            self._due = begin + EVERY  # also where writing fails
            self.write(durable=False)
            self._due = begin + max(EVERY, (monotonic() - begin) / SHARE)

    def end(self, shelf: Shelf, over: bool) -> None:
        """Write the table once more, of the runs as they are, and whether the sweep's course is `over`.

        Raises OSError.
        """
        found = next((sweep for sweep in shelf.sweeps if sweep.path == self.plan.folder), None)
        there = {} if found is None else {run.brief.fingerprint: run for run in shelf.runs_of(found)}
        for key in self._where:
            self._set_from(key, there.get(key))
        self.write(over)

    def write(self, over: bool = False, durable: bool = True) -> None:
        """runs.csv and state.json. Raises OSError."""
        head = ["case"] if self._cases else []
        head += [*self._keys, "seed", "status", "seconds", *self._metrics, "run"]
        text = "".join([_line(head), *self._lines])
        write_whole(self.plan.folder / "runs.csv", lambda file: file.write(text.encode()), durable)
        told = {"written": now(), "over": over, "runs": len(self._states), "states": self.states}
        state = json.dumps(told, indent=1) + "\n"
        write_whole(self.plan.folder / "state.json", lambda file: file.write(state.encode()), durable)
        self._changed = False

    @property
    def states(self) -> dict[str, int]:
        """How many of the planned runs are in which state."""
        counts = Counter(self._states)
        return {state: counts[state] for state in STATES}

    def _set_from(self, key: str, run: Run | None) -> None:
        if run is None:
            self._set(key, "planned")
        else:
            self._set(key, run.status, run.brief.train_seconds, run.final, run.folder)

    def _set(
        self,
        key: str,
        status: str,
        seconds: float | None = None,
        final: Mapping[str, float | None] | None = None,
        folder: str = "",
    ) -> None:
        state, final = state_of(status), final or {}
        scores = [final.get(name) for name in self._metrics]
        for number in self._where[key]:
            trial = self.plan.jobs[number].trial
            cells: list[Any] = [trial.case] if self._cases else []
            cells += [*self._settings[number], trial.seed, state, seconds, *scores, folder]
            self._states[number], self._lines[number] = state, _line(cells)
        self._changed = True


def _read(path: Path) -> dict[str, Any]:
    """An earlier plan.json, nothing where there is none that can be used."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (FileNotFoundError, ValueError):
        return {}


def _line(cells: Sequence[Any]) -> str:
    """A row of the table as text."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow([csv_cell(cell) for cell in cells])
    return buffer.getvalue()


def _varying(jobs: Sequence[Job]) -> tuple[list[str], list[list[Any]]]:
    """The configuration's dotted keys in which the runs differ, but for the seed, and each run's values of them.

    What only some runs have counts where it differs among those. Runs that differ only in their seeds are looked at
    once.
    """
    kinds: dict[tuple[int, int | None], dict[str, Any]] = {}
    for job in jobs:
        key = (job.trial.level, job.trial.point)
        if key not in kinds:
            kinds[key] = flat(job.config)
    keys = dict.fromkeys(key for one in kinds.values() for key in one if key.split(".")[0] not in (*HIDDEN, "seed"))
    seen: dict[str, Any] = {}
    varying = [k for k in keys if any(seen.setdefault(k, one[k]) != one[k] for one in kinds.values() if k in one)]
    rows = {key: [one.get(name) for name in varying] for key, one in kinds.items()}
    return varying, [rows[job.trial.level, job.trial.point] for job in jobs]
