"""Runs put together by level: which count, what sets them apart, and what a mean over them would hide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nnexp.errors import InputError
from nnexp.report.firewall import not_test
from nnexp.report.frame import (
    OUTCOME,
    Frame,
    config_columns,
    default_metric,
    essential,
    frame,
    higher_is_better,
    metric_columns,
    missing,
    resolve,
)
from nnexp.report.numbers import number
from nnexp.report.rows import distinct, groups_of, named_metric, varies_within
from nnexp.report.statistics import Summary, summarize
from nnexp.report.tables import headings
from nnexp.store.runs import Run
from nnexp.store.scores import TEST


@dataclass(frozen=True)
class Level:
    """The runs that have the same values of some keys."""

    values: tuple[Any, ...]
    label: str
    runs: list[Run]

    @property
    def finished(self) -> list[Run]:
        return [run for run in self.runs if run.status == "finished"]

    @property
    def unfinished(self) -> list[Run]:
        """Diverged, failed, interrupted, pruned, lost and running: they have no final scores."""
        return [run for run in self.runs if run.status != "finished"]

    def scores(self, metric: str) -> list[float]:
        """The final values of those that have one."""
        return [float(v) for v in (run.final.get(metric) for run in self.runs) if not missing(v) and v is not None]

    def summary(self, metric: str) -> Summary:
        return summarize(self.scores(metric))


@dataclass(frozen=True)
class Levels:
    """All levels of some keys, numbers in their order and words in the alphabet's."""

    keys: list[str]
    each: list[Level]
    data: Frame
    """A row a run that counts."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what the means do not say."""

    @property
    def runs(self) -> Sequence[Run]:
        return self.data.runs

    @property
    def title(self) -> str:
        """The keys as people say them."""
        return " and ".join(headings(self.keys).values())

    def metric(self, word: str | None) -> str:
        """The final metric that is meant, or the one to judge by. Raises InputError."""
        metrics = [name for name in metric_columns(self.runs) if not name.startswith(TEST)]
        if word is not None:
            not_test("--metric", word)
        if not metrics:
            found = ", ".join(f"{count} {status}" for status, count in Counter(r.status for r in self.runs).items())
            raise InputError(f"none of these runs has a final score ({found}); 'nnexp plot curves' draws what there is")
        return named_metric(word, metrics) if word else default_metric(self.runs, metrics) or metrics[0]

    def higher(self, metric: str) -> bool:
        return higher_is_better(self.runs, metric)


def levels_of(runs: Sequence[Run], by: Sequence[str] | None = None, without: Sequence[str] = ()) -> Levels:
    """The levels of the keys `by`; without any, of those that vary, but for the seed and for `without`.

    Repetitions of one computation count once. Raises InputError for a key that no run has.
    """
    runs = sorted(runs, key=lambda run: (run.brief.created, run.place))  # so that a picture does not depend on it
    data = frame(runs)
    kept = distinct(runs)
    notes = []
    if len(kept) < len(runs):
        repeats = len(runs) - len(kept)
        notes.append(f"{repeats} more of the same configuration, seed and data: a repetition counts once.")
        data = data.take(kept)
    metrics = metric_columns(runs)
    config = config_columns(data, metrics)
    differ = differing(data, config)
    for key in by or ():
        not_test("--by", key)
        if key in metrics:
            raise InputError(f"--by: '{key}' is a metric; judge by it with --metric {key}, and average by a key")
    keys = [resolve(key, [*config, *OUTCOME]) for key in by or ()] or [
        key for key in differ if key not in ("seed", *without)
    ]
    held = [*keys, *without]
    pooled = [key for key in differ if key not in (*held, "seed") and varies_within(data, held, key)]
    if pooled:
        notes.append(f"Each mean also pools different {', '.join(pooled[:4])}; add --by for them.")
    heads = {key: "" if key.endswith(".name") or key == "case" else f"{word} " for key, word in headings(keys).items()}
    levels = []
    for values, index in groups_of(data, keys).items():
        said = [f"{heads[key]}{number(v)}" for key, v in zip(keys, values, strict=True) if v is not None]
        levels.append(Level(values, ", ".join(said) or "all runs", [data.runs[i] for i in index]))
    return Levels(keys, sorted(levels, key=lambda level: [in_order(v) for v in level.values]), data, notes)


def in_order(value: Any) -> tuple[int, float, str]:
    """What to sort values of one key by: numbers first, then words; what is missing last."""
    if value is None:
        return (2, 0.0, "")
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))


def differing(data: Frame, config: Sequence[str]) -> list[str]:
    """The keys that set runs apart; where a sweep has cases, these and what they do not imply."""
    found = essential(data, config)
    if None not in data["case"] and len(set(data["case"])) > 1:
        return ["case", *(key for key in found if varies_within(data, ["case"], key))]
    return found


def ended_otherwise(runs: Sequence[Run], consequence: str) -> list[str]:
    """A sentence for each way to end in which runs did not finish, with what that means for the picture."""
    found = Counter(run.status for run in runs if run.status != "finished")
    total = f"{len(runs)} run{'s' if len(runs) > 1 else ''}"
    said = {"pruned": "pruned by a search", "running": "still running"}
    return [
        f"{count} of {total} {'' if status in ('diverged', 'failed') else 'is ' if count == 1 else 'are '}"
        f"{said.get(status, status)}{consequence}"
        for status, count in found.items()
    ]
