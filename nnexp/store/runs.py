"""Reading past runs: every folder below runs/, the damaged ones named and left out."""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from nnexp.errors import InputError, did_you_mean
from nnexp.store.brief import Brief, Setting
from nnexp.store.index import WORTHWHILE, Entry, Index, rested, stamp_of
from nnexp.store.labels import Labels, read_labels
from nnexp.store.scores import ranked

SWEEPS = "sweeps"
TUNING = "-tuning"
"""What stands behind a sweep's name in that of its tuning."""
CLAIM = "claim.json"
"""In a sweep's folder: what was claimed of its runs, from before the first of them on."""
ENDED = ("finished", "diverged")
"""Statuses of runs whose outcome is known and would be the same again."""
RESUMABLE = ("interrupted", "lost", "pruned")
"""Statuses of runs that can go on from their checkpoints."""
TAIL = 8192
"""Bytes at the end of metrics.csv that are sure to hold a whole row."""
SILENCE = 120
"""Seconds without a sign of life after which a run on another machine counts as lost."""


def process_mark(pid: int) -> str | None:
    """What tells a living process from a later one with the same number; None for a dead one and outside Linux."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except (OSError, ValueError):
        return None
    return None if state == "Z" else f"{boot[:8]}-{fields[18]}"


def lives(host: str, pid: int, mark: str | None, sign: Path) -> bool:
    """Whether a process goes on; one on another machine by the age of a file that it touches now and then."""
    if os.name == "posix" and host == platform.node():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return mark is None or mark == process_mark(pid)
    return time.time() - sign.stat().st_mtime < SILENCE


def root_folder() -> Path:
    """Where runs are written: NNEXP_RUNS, or runs/ in the working folder."""
    return Path(os.environ.get("NNEXP_RUNS") or "runs")


class Run:
    """A past or present run, as its run.json tells it: in brief, and in full where that is asked for."""

    def __init__(self, path: Path, record: dict[str, Any], brief: Brief | None = None):
        self.place = str(path)
        self.brief = Brief.of(record) if brief is None else brief
        self.record = record

    @classmethod
    def known(cls, place: str, brief: Brief) -> Run:
        """A run whose record is read when it is asked for."""
        run = cls.__new__(cls)
        run.place, run.brief = place, brief
        return run

    @cached_property
    def path(self) -> Path:
        return Path(self.place)

    @property
    def folder(self) -> str:
        """The folder's name."""
        return self.place.rpartition(os.sep)[2]

    @cached_property
    def record(self) -> dict[str, Any]:
        """All of run.json. Raises InputError where the folder was removed or damaged since the run was found."""
        found = read_run(self.path)
        if isinstance(found, Damaged):
            raise InputError(f"{self.path} has changed since it was found: {found.why}")
        return {**found.record, **self._instead}

    _instead: Mapping[str, Any] = {}
    """What holds instead of the record's own."""

    def with_case(self, case: str | None) -> Run:
        """The run as a sweep's, which gives it this case."""
        run = Run.known(self.place, self.brief._replace(case=case))
        run._instead = {"case": case}
        if "record" in self.__dict__:
            run.record = {**self.record, "case": case}
        return run

    @property
    def id(self) -> str:
        return self.brief.id

    @property
    def name(self) -> str:
        return self.brief.name

    @property
    def status(self) -> str:
        """The recorded status; a run whose process is gone is `lost`."""
        return self.brief.status if self.brief.status != "running" else self._found

    @cached_property
    def _found(self) -> str:
        return "running" if self._alive() else "lost"

    def _alive(self) -> bool:
        record = self.record
        return lives(record["host"], record["pid"], record.get("process"), self.path / "run.json")

    @property
    def config(self) -> dict[str, Any]:
        """The filled configuration under dotted keys."""
        config = self.brief.setting.config
        return config | {"seed": self.brief.seed} if "seed" in config else dict(config)

    @property
    def final(self) -> dict[str, float | None]:
        """Losses and metrics of the final parameters on every split; empty for a run that did not finish."""
        return dict(zip(self.brief.setting.metrics, self.brief.scores, strict=True))

    @cached_property
    def labels(self) -> Labels:
        """Tags and note. Raises InputError where their file is damaged."""
        return read_labels(self.path)

    @property
    def tags(self) -> tuple[str, ...]:
        return self.labels.tags

    @property
    def note(self) -> str:
        return self.labels.note

    def metrics(self, names: Collection[str] | None = None) -> dict[str, list[float | None]]:
        """The columns of metrics.csv; None for an empty cell. A half-written row is not read. Raises InputError.

        Only those of these `names` that are there, which is quicker, or all.
        """
        path = self.path / "metrics.csv"
        try:
            text = path.read_text(encoding="utf-8")
            header, *rows = list(csv.reader(text[: text.rfind("\n") + 1].splitlines())) or [[]]
            if any(len(row) != len(header) for row in rows):
                raise ValueError(f"a row has other columns than the {len(header)} of the first line")
            wanted = [(at, name) for at, name in enumerate(header) if names is None or name in names]
            return {name: [float(row[at]) if row[at] else None for row in rows] for at, name in wanted}
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror}") from None
        except (ValueError, csv.Error) as error:
            raise InputError(f"{path} is damaged: {error}") from None


@dataclass(frozen=True)
class Damaged:
    """A folder that looks like a run's but cannot be read."""

    path: Path
    why: str


def read_run(path: Path, settings: dict[bytes, Setting] | None = None) -> Run | Damaged:
    """One run's folder. `settings` are those already known, for runs that share theirs."""
    try:
        record = json.loads((path / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Damaged(path, "it has no run.json")
    except OSError as error:
        return Damaged(path, f"run.json cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        return Damaged(path, "run.json is not valid JSON")
    from nnexp.store.record import wrong_with

    why = wrong_with(record)
    if why is None and record["status"] == "finished":
        why = _unlogged(path / "metrics.csv", record.get("epoch"))
    if why is not None:
        return Damaged(path, why)
    try:
        return Run(path, record, Brief.of(record, settings))
    except RecursionError:
        return Damaged(path, "run.json: 'config' is nested too deeply")


def _unlogged(metrics: Path, epoch: int | None) -> str | None:
    """What is missing in the log of a run that finished with this epoch, or None."""
    try:
        with metrics.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            last = file.read().rpartition(b"\n")[0].rpartition(b"\n")[2]
    except OSError as error:
        return f"metrics.csv cannot be read: {error.strerror}"
    if last.partition(b",")[0] != str(epoch).encode():
        return f"metrics.csv does not end with epoch {epoch}, the run's last"
    return None


def relative_to_runs(file: Path, root: Path) -> str:
    """A path as it is seen from runs/, so that both may move; in full where that cannot be."""
    try:
        return Path(os.path.relpath(file.resolve(), root.resolve())).as_posix()
    except ValueError:  # another drive
        return str(file.resolve())


@dataclass(frozen=True)
class Origin:
    """Where a sweep comes from: the file and the words of the command line that describe it."""

    name: str
    part: str
    """What stands behind the name where a sweep has two folders: TUNING, or nothing."""
    file: str
    """The configuration, relative to the runs/ folder where it can be."""
    words: tuple[str, ...]
    digest: str = field(compare=False)
    """Equal for sweeps of the same runs."""


@dataclass(frozen=True)
class SweepRecord:
    """A sweep's plan: the runs that it consists of, known by what they compute."""

    path: Path
    started: str
    cases: dict[str, str | None]
    """Fingerprint of each planned run -> the name of its case."""
    origin: Origin | None = None
    """None for a plan that was written by an earlier version."""
    measures: bool = False
    """Whether its runs measure a configuration, and compare nothing."""

    @property
    def name(self) -> str:
        return self.path.name


def _may_be_run(entry: os.DirEntry[str]) -> bool:
    if entry.name == SWEEPS or entry.name.startswith("."):
        return False
    return entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and Path(entry.path).is_dir())


class Shelf:
    """Everything below one runs/ folder, read once: runs (the oldest first), sweeps, and the damaged folders.

    What has not changed since an earlier reading is taken from the index.
    """

    def __init__(self, root: Path):
        self.root = root
        self.runs: list[Run] = []
        self.damaged: list[Damaged] = []
        self.sweeps: list[SweepRecord] = []
        if not root.is_dir():
            return
        self._read_runs()
        self.runs.sort(key=lambda run: (run.brief.created, run.place))
        for path in sorted(root.glob(f"{SWEEPS}/*/plan.json")):
            self._read_sweep(path)
        self.sweeps.sort(key=lambda sweep: sweep.started)

    def _read_runs(self) -> None:
        with os.scandir(self.root) as entries:
            names = sorted(entry.name for entry in entries if _may_be_run(entry))
        index = Index(self.root)
        known = index.read()
        begun = time.time_ns()
        new: dict[str, Entry] = {}
        before = str(self.root / "-")[:-1]
        for name in names:
            place = before + name
            stamp = stamp_of(place)
            entry = known.pop(name, None)
            if entry is not None and entry[0] == stamp:
                self.runs.append(Run.known(place, entry[1]))
                continue
            found = read_run(Path(place), index.settings)
            if isinstance(found, Damaged):
                self.damaged.append(found)
            elif found.brief.status == "running":
                self.runs.append(found)
            else:
                self.runs.append(Run.known(place, found.brief))
                if stamp is not None and rested(stamp, begun):
                    new[name] = (stamp, found.brief)
        if len(new) + len(known) >= WORTHWHILE:
            index.write(new, gone=known)

    def _read_sweep(self, path: Path) -> None:
        try:
            plan = json.loads(path.read_text(encoding="utf-8"))
            cases = {str(run["fingerprint"]): None if run["case"] is None else str(run["case"]) for run in plan["runs"]}
            told = plan.get("origin")
            origin = None if told is None else Origin(**{**told, "words": tuple(told["words"])})
            self.sweeps.append(
                SweepRecord(path.parent, str(plan["started"]), cases, origin, bool(plan.get("measures")))
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            self.damaged.append(Damaged(path.parent, f"plan.json cannot be used ({type(error).__name__}: {error})"))

    def runs_of(self, sweep: SweepRecord) -> list[Run]:
        """The sweep's runs as far as they exist, in its order; of a plan entry the latest finished, else the latest."""
        best: dict[str, Run] = {}
        for run in self.runs:
            key = run.brief.fingerprint
            if key in sweep.cases and (key not in best or run.status in ENDED or best[key].status not in ENDED):
                best[key] = run
        return [best[key].with_case(case) for key, case in sweep.cases.items() if key in best]

    def ended(self) -> dict[str, Run]:
        """Runs that finished or diverged, by fingerprint: training them again would give the same."""
        return {run.brief.fingerprint: run for run in self.runs if run.status in ENDED}

    def resumable(self) -> dict[str, Run]:
        """Runs that ended too early, by fingerprint; those that a search has pruned among them."""
        return {run.brief.fingerprint: run for run in self.runs if run.status in RESUMABLE}

    def latest(self) -> list[Run]:
        """The latest sweep, or the latest runs (ten at most) where they are newer than every sweep.

        What was run to measure one configuration is passed over, unless there is nothing else.
        """
        sweeps = [sweep for sweep in self.sweeps if not sweep.measures]
        runs = self._but_for(self.runs, [sweep for sweep in self.sweeps if sweep.measures])
        members = self.runs_of(sweeps[-1]) if sweeps else []
        ended = max((sweeps[-1].started, *(run.brief.created for run in members))) if members else ""
        return members if members and runs[-1].brief.created <= ended else runs[-10:]

    def select(self, words: Sequence[str]) -> list[Run]:
        """Runs named by id (or its start), folder, name, their sweep's name, `@last`, `@last~2`, `@best` or `@tag`.

        `@best` is the best of the latest sweep or runs by the metric that they are judged by. Raises InputError.
        """
        chosen: dict[str, Run] = {}
        for word in words:
            found = self._find(word)
            if not found and re.match(r"@last(~|$)", word) and self.runs:
                raise InputError(
                    f"no run '{word}': {self.root} holds {len(self.runs)}, down to @last~{len(self.runs) - 1}"
                )
            if not found and re.match(r"@best(~|$)", word) and self.runs:
                scored = len(ranked(self.latest()))
                raise InputError(f"no run '{word}': {scored} of the latest runs in {self.root} have a final score")
            if not found:
                for sweep in self.sweeps:
                    if sweep.name.startswith(word) or sweep.path.resolve() == Path(word).resolve():
                        raise InputError(f"no run of the sweep '{sweep.name}' is there")
                known = {run.id for run in self.runs} | {run.name for run in self.runs}
                known |= {sweep.name for sweep in self.sweeps}
                if word.startswith("@"):
                    known = {"@last", "@best"} | {f"@{tag}" for run in self.runs for tag in run.tags}
                count = len(self.runs)
                where = f"{count} run{'s' if count != 1 else ''} in {self.root}"
                raise InputError(f"no run or sweep '{word}' ({where}){did_you_mean(word, known)}")
            chosen |= {run.place: run for run in found}
        return list(chosen.values())

    def _find(self, word: str) -> list[Run]:
        last = re.fullmatch(r"@last(?:~(\d+))?", word)
        if last:
            back = int(last[1] or 0)
            return [self.runs[-1 - back]] if back < len(self.runs) else []
        tagged = [run for run in self.runs if word[1:] in run.tags] if word.startswith("@") else []
        if tagged:
            return tagged
        best = re.fullmatch(r"@best(?:~(\d+))?", word)
        if best:
            place = int(best[1] or 0)
            return ranked(self.latest())[place : place + 1]
        for sweep in self.sweeps:
            if sweep.name == word:
                return self.runs_of(sweep)
        for match in (lambda run: run.id == word, lambda run: run.folder == word):
            found = [run for run in self.runs if match(run)]
            if found:
                return found
        found = self._called(word)
        if found:
            return found
        path = Path(word)
        inside = self._inside(path) if path.is_dir() else []
        if inside:
            return inside
        found = [run for run in self.runs if run.id.startswith(word) or run.folder.startswith(word)]
        if found:
            return self._without_trials(found)
        starts = [sweep for sweep in self.sweeps if sweep.name.startswith(word)]
        return self.runs_of(starts[-1]) if starts else []

    def _called(self, name: str) -> list[Run]:
        """The runs of sweeps of this name, in their order, whatever their own names; then the others of this name."""
        found: dict[str, Run] = {}
        for sweep in reversed(self.sweeps):
            if sweep.name.rpartition("-")[0] == name and not sweep.measures:
                found |= {run.place: run for run in self.runs_of(sweep) if run.place not in found}
        named = self._without_trials([run for run in self.runs if run.name == name])
        return [*found.values(), *(run for run in named if run.place not in found)]

    def _without_trials(self, runs: list[Run]) -> list[Run]:
        """Runs but for the trials of a tuning, which are no results; its own name (`<sweep>-tuning`) selects those."""
        return self._but_for(runs, [s for s in self.sweeps if s.origin is not None and s.origin.part == TUNING])

    def _but_for(self, runs: list[Run], sweeps: list[SweepRecord]) -> list[Run]:
        """Runs but for those that only these sweeps have; all where no other is left."""
        if not sweeps:
            return runs
        inner = {fingerprint for sweep in sweeps for fingerprint in sweep.cases}
        inner -= {fingerprint for sweep in self.sweeps if sweep not in sweeps for fingerprint in sweep.cases}
        return [run for run in runs if run.brief.fingerprint not in inner] or runs

    def _inside(self, path: Path) -> list[Run]:
        for sweep in self.sweeps:
            if sweep.path.resolve() == path.resolve():
                return self.runs_of(sweep)
        found = [run for run in self.runs if run.path.resolve() == path.resolve()]
        if found:
            return found
        own = read_run(path)
        return [own] if isinstance(own, Run) else Shelf(path).runs

    def one(self, word: str) -> Run:
        """The one run that a word names. Raises InputError where it names several."""
        found = self.select([word])
        if len(found) > 1:
            listed = ", ".join(run.id for run in found[:6]) + (", ..." if len(found) > 6 else "")
            raise InputError(f"'{word}' names {len(found)} runs ({listed}); give one id, or @last")
        return found[0]
