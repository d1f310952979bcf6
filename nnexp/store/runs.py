"""Reading past runs: every folder below runs/, the damaged ones named and left out."""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nnexp.config.load import flat
from nnexp.errors import InputError, did_you_mean
from nnexp.store.folder import FORMAT

STATUSES = ("running", "finished", "diverged", "failed", "interrupted", "lost")
SWEEPS = "sweeps"
SILENCE = 120
"""Seconds without a sign of life after which a run on another machine counts as lost."""


def root_folder() -> Path:
    """Where runs are written: NNEXP_RUNS, or runs/ in the working folder."""
    return Path(os.environ.get("NNEXP_RUNS") or "runs")


@dataclass(frozen=True)
class Run:
    """A past or present run, as its run.json tells it."""

    path: Path
    record: dict[str, Any]

    @property
    def id(self) -> str:
        return self.record["id"]

    @property
    def name(self) -> str:
        return self.record["name"]

    @property
    def sweep(self) -> str | None:
        return self.record.get("sweep")

    @cached_property
    def status(self) -> str:
        """The recorded status; a run whose process is gone is `lost`."""
        status = self.record["status"]
        if status != "running":
            return status
        return "running" if self._alive() else "lost"

    def _alive(self) -> bool:
        if os.name == "posix" and self.record.get("host") == platform.node():
            try:
                os.kill(int(self.record["pid"]), 0)
            except ProcessLookupError:
                return False
            except PermissionError:
                return True
            return True
        return time.time() - (self.path / "run.json").stat().st_mtime < SILENCE

    @cached_property
    def config(self) -> dict[str, Any]:
        """The filled configuration under dotted keys."""
        return flat(self.record["config"])

    @property
    def final(self) -> dict[str, float | None]:
        """Losses and metrics of the final parameters on every split; empty for a run that did not finish."""
        return self.record.get("final") or {}

    def metrics(self) -> dict[str, list[float | None]]:
        """The columns of metrics.csv; None for an empty cell. A half-written last row is left out."""
        try:
            with (self.path / "metrics.csv").open(newline="") as file:
                rows = list(csv.reader(file))
        except OSError as error:
            raise InputError(f"{self.path / 'metrics.csv'} cannot be read: {error.strerror}") from None
        columns: dict[str, list[float | None]] = {name: [] for name in rows[0]} if rows else {}
        for row in rows[1:]:
            if len(row) != len(columns):
                continue
            for name, cell in zip(columns, row, strict=True):
                columns[name].append(float(cell) if cell else None)
        return columns


@dataclass(frozen=True)
class Damaged:
    """A folder that looks like a run's but cannot be read."""

    path: Path
    why: str


def read_run(path: Path) -> Run | Damaged:
    """One run's folder."""
    try:
        record = json.loads((path / "run.json").read_text())
    except FileNotFoundError:
        return Damaged(path, "it has no run.json")
    except OSError as error:
        return Damaged(path, f"run.json cannot be read: {error.strerror}")
    except (ValueError, RecursionError):
        return Damaged(path, "run.json is not valid JSON")
    needed = {"id": str, "name": str, "status": str, "config": dict, "created": str, "seed": int}
    if not isinstance(record, dict):
        return Damaged(path, "run.json is not a record")
    if record.get("format") != FORMAT:
        return Damaged(path, f"run.json has format {record.get('format')!r}, this nnexp reads {FORMAT}")
    for key, kind in needed.items():
        if not isinstance(record.get(key), kind):
            return Damaged(path, f"run.json has no usable '{key}'")
    return Run(path, record)


def read_all(root: Path) -> tuple[list[Run], list[Damaged]]:
    """All runs below `root`, the oldest first, and the damaged folders."""
    runs: list[Run] = []
    damaged: list[Damaged] = []
    if not root.is_dir():
        return runs, damaged
    for path in sorted(root.iterdir()):
        if not path.is_dir() or path.name == SWEEPS or path.name.startswith("."):
            continue
        found = read_run(path)
        if isinstance(found, Run):
            runs.append(found)
        else:
            damaged.append(found)
    runs.sort(key=lambda run: (run.record["created"], run.id))
    return runs, damaged


def latest(runs: Sequence[Run]) -> list[Run]:
    """The latest sweep, or the latest runs that belong to none (ten at most)."""
    if not runs:
        return []
    sweep = runs[-1].sweep
    if sweep is not None:
        return [run for run in runs if run.sweep == sweep]
    return [run for run in runs if run.sweep is None][-10:]


def select(runs: Sequence[Run], words: Sequence[str], root: Path) -> list[Run]:
    """Runs named by id (or its start), folder, name, sweep, `@last` or `@last~2`. Raises InputError where none fits."""
    chosen: dict[str, Run] = {}
    for word in words:
        found = _find(runs, word, root)
        if not found:
            known = {run.id for run in runs} | {run.name for run in runs} | {run.sweep for run in runs if run.sweep}
            where = f"no runs in {root}" if not runs else f"{len(runs)} runs in {root}"
            raise InputError(f"no run or sweep '{word}' ({where}){did_you_mean(word, known)}")
        chosen |= {run.id: run for run in found}
    return [run for run in runs if run.id in chosen] + [r for i, r in chosen.items() if r not in runs]


def _find(runs: Sequence[Run], word: str, root: Path) -> list[Run]:
    last = re.fullmatch(r"@last(?:~(\d+))?", word)
    if last:
        back = int(last[1] or 0)
        return [runs[-1 - back]] if back < len(runs) else []
    for match in (lambda run: run.id == word, lambda run: run.sweep == word, lambda run: run.name == word):
        found = [run for run in runs if match(run)]
        if found:
            return found
    path = Path(word)
    if path.is_dir():
        inside = [run for run in runs if run.path.resolve() == path.resolve()]
        if inside:
            return inside
        if path.parent.name == SWEEPS:
            return [run for run in runs if run.sweep == path.name]
        own = read_run(path)
        if isinstance(own, Run):
            return [own]
        return read_all(path)[0]
    found = [run for run in runs if run.path.name == word] or [run for run in runs if run.id.startswith(word)]
    return found or [run for run in runs if run.path.name.startswith(word) or (run.sweep or "").startswith(word)]


def one(runs: Sequence[Run], word: str, root: Path) -> Run:
    """The one run that a word names. Raises InputError where it names several."""
    found = select(runs, [word], root)
    if len(found) > 1:
        listed = ", ".join(run.id for run in found[:6]) + (", ..." if len(found) > 6 else "")
        raise InputError(f"'{word}' names {len(found)} runs ({listed}); give one id, or @last")
    return found[0]
