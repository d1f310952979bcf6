"""How sweeps stand: their runs by state, the best so far, how fast it goes. Told by the runs and by who is at work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnexp.errors import InputError, did_you_mean
from nnexp.report.frame import default_metric, higher_is_better, metric_columns
from nnexp.store.parents import Parent, at_work
from nnexp.store.runs import Run, Shelf, SweepRecord, relative_to_runs

STATES = ("planned", "running", "finished", "failed", "diverged", "pruned", "interrupted")
"""What a run of a sweep can be."""


def state_of(status: str) -> str:
    """A run's status as one of STATES: who is lost, or waits for what a search decides, can be gone on with."""
    return {"lost": "interrupted", "paused": "interrupted"}.get(status, status)


@dataclass(frozen=True)
class Best:
    """The best run so far."""

    value: float
    metric: str
    run: str
    """What sets it apart."""


def name_of(label: str, seed: Any) -> str:
    """What a run of a sweep is called: what sets it apart."""
    return " ".join(filter(None, (label, f"seed {seed}")))


@dataclass(frozen=True)
class Standing:
    """A sweep as it stands now."""

    name: str
    state: str
    """`under way`, `ended`, or `interrupted`: nobody is at work, and there is more to do."""
    counts: dict[str, int]
    metric: str | None
    best: Best | None
    per_minute: float | None
    """Runs a minute of those at work; None where none of theirs has ended."""
    left: float | None
    """Seconds, at that speed."""
    running: list[str]
    """The runs under way, each in words."""
    failures: list[str]
    """Those that failed or diverged, with the reason."""
    command: list[str]
    """The words of the command line that began it last."""

    @property
    def row(self) -> dict[str, Any]:
        """All of it in a row of a table."""
        best = {"best": None, "best_run": None} if self.best is None else {"best": self.best.value}
        told = {"sweep": self.name, "state": self.state, "runs": sum(self.counts.values()), **self.counts}
        told |= {"per_minute": self.per_minute, "left": self.left, "metric": self.metric}
        return told | best | ({} if self.best is None else {"best_run": self.best.run})


def find_sweeps(shelf: Shelf, word: str | None) -> list[SweepRecord]:
    """The sweeps that a word means: a name, its beginning, a folder, or the file that they come from.

    Without a word those that a process is at work at, or else the latest. Raises InputError where there is none.
    """
    if not shelf.sweeps:
        raise InputError(f"no sweeps in {shelf.root}; run one: nnexp sweep FILE")
    if word is None:
        return [sweep for sweep in shelf.sweeps if at_work(sweep.path)] or shelf.sweeps[-1:]
    path = Path(word)
    exact = [sweep for sweep in shelf.sweeps if sweep.name == word or sweep.path.resolve() == path.resolve()]
    if exact:
        return exact
    if path.is_file():
        told = relative_to_runs(path, shelf.root)
        found = [sweep for sweep in shelf.sweeps if sweep.origin is not None and sweep.origin.file == told]
        if not found:
            raise InputError(f"no sweep of {word} in {shelf.root}; run it: nnexp sweep {word}")
        return found
    found = [sweep for sweep in shelf.sweeps if sweep.name.startswith(word)]
    if not found:
        names = [sweep.name for sweep in shelf.sweeps]
        words = [*names, *(sweep.origin.name for sweep in shelf.sweeps if sweep.origin is not None)]
        count = f"{len(names)} sweep{'s' if len(names) != 1 else ''}"
        raise InputError(f"no sweep '{word}' ({count} in {shelf.root}){did_you_mean(word, words)}")
    return found


def standing(sweep: SweepRecord, shelf: Shelf) -> Standing:
    """How a sweep stands. Raises InputError where its plan cannot be read any more."""
    runs = shelf.runs_of(sweep)
    plan = _read(sweep.path / "plan.json")
    metric = plan.get("metric") or default_metric(runs, metric_columns(runs))
    higher = plan.get("higher_is_better", metric is not None and higher_is_better(runs, metric))
    counts = Counter(state_of(run.status) for run in runs)
    counts["planned"] = len(sweep.cases) - len(runs)
    parents = list(at_work(sweep.path).values())
    more = counts["planned"] + counts["running"] + counts["interrupted"]
    if parents:
        state = "under way"
    else:
        # what else a search will ask for is not in its plan
        over = more == 0 and (not plan.get("by_results") or _read(sweep.path / "state.json").get("over"))
        state = "ended" if over else "interrupted"
    rate = rate_of(parents)
    labels = {run["fingerprint"]: run.get("label", "") for run in plan.get("runs", [])}

    def name(run: Run) -> str:  # as it is called in this sweep, of which it may be by chance
        return name_of(labels.get(run.brief.fingerprint, run.brief.label), run.brief.seed)

    return Standing(
        sweep.name,
        state,
        {one: counts[one] for one in STATES},
        metric,
        None if metric is None else _best(runs, metric, higher, name),
        rate,
        None if rate is None else more / rate * 60,
        [name(run) + _epoch(run) for run in runs if run.status == "running"],
        [f"{run.status}: {name(run)}: {run.record['reason']}" for run in runs if run.status in ("failed", "diverged")],
        [str(word) for word in plan.get("command", [])],
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    return found if isinstance(found, dict) else {}


def _best(runs: Sequence[Run], metric: str, higher: bool, name: Callable[[Run], str]) -> Best | None:
    """The best of some runs; None where none has a score."""
    scored = [(value, run) for run in runs if (value := run.final.get(metric)) is not None and value == value]
    if not scored:
        return None
    value, run = (max if higher else min)(scored, key=lambda pair: pair[0])
    return Best(value, metric, name(run))


def rate_of(parents: Sequence[Parent]) -> float | None:
    """Runs a minute of some processes together, as they last said; None where none of their runs has ended."""
    return sum(one.ended / max(one.seconds, 1e-9) * 60 for one in parents) or None


def _epoch(run: Run) -> str:
    """How far a run has come; nothing where it has logged nothing yet."""
    epochs = (run.record["config"].get("stop") or {}).get("epochs")
    try:
        rows = run.metrics().get("epoch", [])
    except InputError:
        rows = []
    return f", epoch {int(rows[-1] or 0)} of {epochs}" if rows else ""
