"""Which of many runs are meant: by conditions on configuration, scores and tags, and by their age."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nnexp.errors import InputError, did_you_mean
from nnexp.store.runs import Run, Shelf
from nnexp.store.scores import TEST

UNITS = {
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=30),
    "year": timedelta(days=365),
}
SHORT = {"s": "second", "sec": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week"}

UNKNOWN = datetime.min.replace(tzinfo=UTC)
"""Before every other time."""

_AGO = re.compile(r"^\s*(\d+(?:\.\d+)?|an?)\s*([A-Za-z]+?)s?(?:\s+ago)?\s*$")


def matching(runs: Sequence[Run], conditions: Sequence[str], test: bool = False) -> list[Run]:
    """The runs that meet all conditions, such as `optimizer.lr<0.1 and (tag=good or @best)`.

    Raises InputError; for conditions on test scores, too, unless `test` says that looks at them are counted. Where no
    run meets such a condition, there is nothing to show and the look is counted here.
    """
    if not conditions:
        return list(runs)
    from nnexp.report.firewall import look_at, not_test
    from nnexp.report.frame import frame
    from nnexp.report.query import read, where

    named = [(text, read(text).keys) for text in conditions]
    if not test:
        for text, keys in named:
            not_test("--where", text, keys)
    if not runs:
        return []
    found = [runs[i] for i in where(frame(runs), conditions)]
    if not found and any(key.startswith(TEST) for _, keys in named for key in keys):
        look_at(runs, "where")
    return found


def moment(text: str, now: datetime | None = None, option: str = "--since") -> datetime:
    """The time that people mean: `2 hours ago`, `3d`, `yesterday`, or a date such as 2026-11-01. Raises InputError.

    A date without a zone is in this machine's time. `option` is what a message calls the place where the text stands.

    >>> now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    >>> [moment(text, now).isoformat()[:16] for text in ("2 hours ago", "90 min", "a week ago")]
    ['2026-11-21T10:00', '2026-11-21T10:30', '2026-11-14T12:00']
    """
    now = now or datetime.now(UTC)
    word = text.strip().lower()
    midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    if word in ("today", "yesterday"):
        return midnight - timedelta(days=word == "yesterday")
    match = _AGO.match(word)
    if match:
        unit = SHORT.get(match[2], match[2])
        if unit not in UNITS:
            raise InputError(
                f"{option}: '{match[2]}' is no unit of time{did_you_mean(match[2], UNITS)}; "
                f"one of {', '.join(f'{one}s' for one in UNITS)}"
            )
        try:
            return now - UNITS[unit] * (1.0 if match[1].startswith("a") else float(match[1]))
        except OverflowError:
            raise InputError(f"{option}: '{text}' is before the beginning of time") from None
    try:
        found = datetime.fromisoformat(text.strip())
        return found if found.tzinfo is not None else found.astimezone()
    except (ValueError, OverflowError, OSError):
        raise InputError(
            f"{option}: '{text}' is no time; write '2 hours ago', '3 days', yesterday, or a date such as 2026-11-01"
        ) from None


def begun_since(runs: Sequence[Run], text: str) -> list[Run]:
    """The runs that began at that time or later. Raises InputError."""
    begin = moment(text)
    return [run for run in runs if began(run) >= begin]


def began(run: Run) -> datetime:
    """When a run began; UNKNOWN where its record does not tell."""
    try:
        found = datetime.fromisoformat(run.brief.created)
    except ValueError:
        return UNKNOWN
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def check_statuses(words: Sequence[str]) -> list[str]:
    """Statuses that a run can have. Raises InputError for another word."""
    from typing import get_args

    from nnexp.store.record import Record

    known = [*get_args(Record.model_fields["status"].annotation), "lost"]
    for word in words:
        if word not in known:
            guess = did_you_mean(word, known) or f"; one of {', '.join(known)}"
            raise InputError(f"--status: a run is never '{word}'{guess}")
    return list(words)


def of_sweep(shelf: Shelf, word: str) -> list[Run]:
    """The runs of the sweep that a name, its beginning or its folder means. Raises InputError."""
    exact = [sweep for sweep in shelf.sweeps if sweep.name == word or sweep.path.resolve() == Path(word).resolve()]
    found = exact or [sweep for sweep in shelf.sweeps if sweep.name.startswith(word)]
    if not found:
        names = [sweep.name for sweep in shelf.sweeps]
        count = f"{len(names)} sweep{'s' if len(names) != 1 else ''}"
        raise InputError(f"--sweep: no sweep '{word}' ({count} in {shelf.root}){did_you_mean(word, names)}")
    return shelf.runs_of(found[-1])
