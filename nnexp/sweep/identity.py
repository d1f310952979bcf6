"""Whether a sweep is one that has been begun, one of those that has changed since, or a new one.

A sweep is known by its runs (one whose runs go by what came out: by its description). Where its file, its name and the
words of the command line are those of an earlier sweep but its runs are others, then what the file says has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from nnexp import __version__
from nnexp.config.draft import unnamed
from nnexp.config.flat import flat
from nnexp.config.schema import BARE_NUMBERS
from nnexp.config.yaml import read
from nnexp.errors import InputError
from nnexp.report.numbers import number
from nnexp.store.runs import CLAIM, SWEEPS, Origin, Shelf, SweepRecord, relative_to_runs
from nnexp.sweep.course import Course
from nnexp.sweep.plan import Plan, identity_of

DIGITS = 15
"""Of numbers in a difference, so that two that differ look different."""
NOTHING = "(nothing)"
MOST = 20
"""Differences that are shown."""


@dataclass(frozen=True)
class Given:
    """A sweep as it was given: its file, and what the command line says of its runs."""

    file: Path
    text: bytes
    words: tuple[str, ...]

    @classmethod
    def of(cls, file: Path, overrides: Sequence[str], options: Mapping[str, Any]) -> Given:
        """`options` by their names, None where one is not given. Limits are no part of what a run is."""
        words = [text for text in overrides if not text.strip().startswith("limits.")]
        words += [f"--{name} {value}" for name, value in options.items() if value is not None]
        return cls(file, file.read_bytes(), tuple(sorted(words)))


@dataclass(frozen=True)
class Identity:
    """Which sweep of a runs/ folder this is."""

    root: Path
    origin: Origin
    metric: str
    """What its runs are judged by."""
    higher: bool
    """Whether that is to be large."""
    tail: str
    """What its folders' names end with, behind the sweep's name and the part."""
    before: SweepRecord | None = None
    """The sweep that it goes on with or extends; None for a new one."""
    extends: bool = False
    told: list[str] = field(default_factory=list)
    """What has changed since an earlier sweep, a line a key, where that is refused."""

    def folder(self, plan: Plan) -> Path:
        """The folder of one of its plans."""
        return self.root / SWEEPS / f"{self.origin.name}{plan.part}{self.tail}"

    def origin_of(self, plan: Plan) -> Origin:
        return replace(self.origin, part=plan.part)


def identify(course: Course, shelf: Shelf, given: Given, new: bool = False, extend: bool = False) -> Identity:
    """Find what a sweep is. Raises InputError for one to extend that is not there, or would lose runs."""
    sweep, first = course.sweep, course.first
    sample = sorted({job.fingerprint for job in course.sample})
    text = json.dumps([identity_of(sweep, course.sample), sample])
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    origin = Origin(sweep.name, first.part, relative_to_runs(given.file, shelf.root), given.words, digest)
    own = f"{sweep.name}{first.part}-"
    namesakes = [s for s in shelf.sweeps if _named(s, origin) or (s.origin is None and s.name.startswith(own))]

    def tail(record: SweepRecord) -> str:
        return record.name.removeprefix(own[:-1])

    fresh = Identity(shelf.root, origin, course.metric, course.higher, _free(shelf.root, sweep.name, first))
    same = [s for s in namesakes if _same(s, origin, first, sample, sweep.by_results)]
    if same:
        return replace(fresh, tail=tail(same[-1]), before=same[-1])
    changed = next((s for s in reversed(namesakes) if s.origin == origin and shelf.runs_of(s)), None)
    if extend:
        able = [s for s in namesakes if _only_more(s, course, sample)]
        if not namesakes:
            raise InputError(f"--extend: there is no sweep '{sweep.name}' in {shelf.root}; leave --extend out")
        if not able:
            latest = changed or namesakes[-1]
            raise InputError(
                f"--extend: this is not {latest.name} with more seeds or levels:\n"
                + "\n".join(f"    {line}" for line in differences(latest, course))
                + "\nnothing was run; --new begins another sweep, which uses the runs that both have"
            )
        latest = ([s for s in able if s.origin == origin] or able)[-1]
        return replace(fresh, tail=tail(latest), before=latest, extends=True)
    if changed is not None and not new:
        return replace(fresh, told=_told(changed, course, shelf, given, _only_more(changed, course, sample)))
    return fresh


def _named(record: SweepRecord, origin: Origin) -> bool:
    return record.origin is not None and (record.origin.name, record.origin.part) == (origin.name, origin.part)


def _same(record: SweepRecord, origin: Origin, first: Plan, sample: list[str], by_results: str) -> bool:
    if record.origin is not None:
        return record.origin.digest == origin.digest
    return record.name == first.folder.name if by_results else set(record.cases) == set(sample)


def _free(root: Path, name: str, first: Plan) -> str:
    """The end of a name that no folder has yet."""
    digest = first.folder.name.rpartition("-")[2]
    tails = (f"-{digest}" if number == 1 else f"-{digest}-{number}" for number in count(1))
    parts = {first.part, ""}
    return next(tail for tail in tails if not any(_taken(root / SWEEPS / f"{name}{part}{tail}") for part in parts))


def _taken(folder: Path) -> bool:
    """Whether there is a folder, with more in it than a claim that was stated and not yet run."""
    return folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} != {CLAIM})


# -- what has changed ----------------------------------------------------------------------------------------------


def _told(record: SweepRecord, course: Course, shelf: Shelf, given: Given, can_extend: bool) -> list[str]:
    """What to say of a sweep that has changed since it was begun."""
    there, planned = len(shelf.runs_of(record)), len(record.cases)
    head = f"{given.file} is not what it was when the sweep {record.name} was begun, of which {there} of {planned}"
    lines = [f"{head} run{'s are' if planned != 1 else ' is'} there:"]
    lines += [f"    {line}" for line in differences(record, course)]
    if can_extend:
        lines.append("--extend adds what is new to that sweep, and runs only that;")
    return [*lines, "--new begins another sweep beside it, which uses the runs that both have"]


def differences(record: SweepRecord, course: Course) -> list[str]:
    """What a sweep says otherwise than an earlier one: `key: old -> new`. Raises InputError."""
    before, now = described(read(record.path / "sweep.yaml").data), described(course.sweep.spec)
    lines = []
    for key in dict.fromkeys([*before, *now]):
        old, new = (number(side[key], DIGITS) if key in side else NOTHING for side in (before, now))
        if old != new:
            lines.append(f"{key}: {old} -> {new}")
    if not lines:
        plan = json.loads((record.path / "plan.json").read_text(encoding="utf-8"))
        version = plan.get("versions", {}).get("nnexp", "another version")
        changed = f"{version} -> {__version__}" if version != __version__ else "the same; so it is the data"
        lines = ["the description: the same", f"nnexp: {changed}"]
    more = [f"and {len(lines) - MOST} more"] if len(lines) > MOST else []
    return lines[:MOST] + more


def described(spec: Mapping[str, Any]) -> dict[str, Any]:
    """A sweep's description under dotted keys; what has one value in all runs under its own key.

    >>> described({"base": {"stop": {"epochs": 5}}, "grid": {"batch.size": [8], "loss": ["a", "b"]}, "seeds": [0]})
    {'stop.epochs': 5, 'batch.size': 8, 'grid.loss': ['a', 'b'], 'seeds': [0]}
    """
    found = flat({key: value for key, value in spec["base"].items() if key != "name"})
    for key, values in spec["grid"].items():
        if len(values) == 1:
            value = values[0]
            said = [BARE_NUMBERS[key]] if key in BARE_NUMBERS and isinstance(value, int) else value
            for inner in said if isinstance(said, list | dict) else ():  # what it replaces in the file is no matter
                found.pop(f"{key}.{inner}", None)
            found[unnamed(key)] = value
        else:
            found[f"grid.{key}"] = values
    for group in spec.get("zip", ()):
        found |= {f"zip.{key}": values for key, values in group.items()}
    found |= {f"cases.{name}": changes for name, changes in spec.get("cases", {}).items()}
    others = ("name", "base", "grid", "zip", "cases", "limits", "seeds", "claim")
    found |= flat({key: value for key, value in spec.items() if key not in others})
    return found | {"seeds": spec["seeds"]}


def _only_more(record: SweepRecord, course: Course, sample: list[str]) -> bool:
    """Whether a sweep is an earlier one with more seeds or levels, so that no run of that one is lost."""
    if not course.sweep.by_results:
        return set(record.cases) < set(sample)
    if not (record.path / "sweep.yaml").exists():
        return False
    before, now = read(record.path / "sweep.yaml").data, course.sweep.spec
    # the seeds of a search decide what it tries next; those of a tuning are apart from the comparison's
    seeds = set(before["seeds"]) <= set(now["seeds"]) if course.sweep.tune else before["seeds"] == now["seeds"]
    grids = before["grid"].keys() == now["grid"].keys() and all(
        len(now["grid"][key]) >= len(values) and all(value in now["grid"][key] for value in values)
        for key, values in before["grid"].items()
    )
    cases = bool(before["cases"]) == bool(now["cases"]) and before["cases"].items() <= now["cases"].items()
    rest = [
        {k: v for k, v in side.items() if k not in ("seeds", "grid", "cases", "limits", "claim")}
        for side in (before, now)
    ]
    return seeds and grids and cases and rest[0] == rest[1]
