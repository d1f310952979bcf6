"""What besides the compared key differs between levels, so that a difference may not be the key's.

Three grades. *Incomparable*: scores of different examples, or of different losses, are not on one scale, and no option
makes a verdict of them. *Confounded*: another key of the configuration, the data behind a name, or the engine differs
between the levels; a verdict needs `--allow-confounded`. *Unequal*: parameters, updates, epochs or seconds differ. With
every other key the same, these follow from the compared key, and are part of what it does; they are told, because a
gain may have cost more of them.

A key that takes the same values in every level, as the seed does, is pooled and no confound. Keys of the compared
component are its own: a learning rate belongs to the optimizer that it was chosen for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from nnexp.report import frame as frames
from nnexp.report.frame import OUTCOME, Frame
from nnexp.report.numbers import duration, number
from nnexp.report.rows import plain
from nnexp.store.runs import Run

TRAINING_ONLY = ("dataset.preprocessing", "dataset.conditions", "dataset.scale_target")
"""Keys of the data that leave alone which examples are judged."""
ENDED = ("finished", "diverged", "failed")
"""Statuses that are outcomes."""
SLOWER = 1.5
"""Ratio of seconds from which on they are told; below, it may be the machine's other work."""


@dataclass(frozen=True)
class Guard:
    """What speaks against comparing the levels: sentences, or nothing."""

    incomparable: str = ""
    confounded: str = ""
    unequal: list[str] = field(default_factory=list)
    pooled: list[str] = field(default_factory=list)
    """Keys besides the seed that vary in the same way within every level."""


def examine(
    data: Frame,
    groups: Mapping[tuple, Sequence[int]],
    keys: Sequence[str],
    names: Sequence[str],
    metric: str,
    config: Sequence[str],
    matched: Collection[str] = (),
) -> Guard:
    """Look at the outcomes of all levels. `groups` are the rows of each level, `names` what the levels are called.

    `matched` are keys that may differ, for what they do was made equal.
    """
    status = data["status"]
    ended = {level: [data.runs[i] for i in index if status[i] in ENDED] for level, index in groups.items()}
    seen = data.take([i for index in groups.values() for i in index if status[i] in ENDED])
    varying = [c for c in frames.varying(seen, config) if c != "seed" and c not in keys and c not in matched]
    values = {column: _by_level(seen, keys, column) for column in varying}
    bundle = any(key in OUTCOME for key in keys)
    apart, pooled = [], []
    for column in varying:
        sets = list(values[column].values())
        if len(sets) > 1 and any(one != sets[0] for one in sets):
            defines = bundle and all(len(one) == 1 for one in sets)  # a case, a label, is what its keys are
            if not defines and not any(_owns(key, column) for key in keys):
                apart.append(column)
        elif not any(_owns(key, column) for key in keys):
            pooled.append(column)
    if not apart and len(pooled) > 1 and _joined_otherwise(seen, keys, pooled):
        apart = pooled
    components = [column for column in apart if column.endswith(".name")]
    apart = [c for c in apart if not any(c != name and _owns(name, c) for name in components)]
    incomparable = _incomparable(seen, [*varying, *keys], metric)
    called = dict(zip(groups, names, strict=True))
    reasons = []
    if apart:
        told = "; ".join(f"{column} ({_told(values[column], called)})" for column in apart[:3])
        more = f" and {len(apart) - 3} more" if len(apart) > 3 else ""
        reasons.append(f"besides {', '.join(keys)}, the levels differ in {told}{more}")
    if not incomparable and (conflict := _other_data(seen, ended)):
        reasons.append(conflict)
    if engine := _other_engine(ended, called):
        reasons.append(engine)
    return Guard(incomparable, "; ".join(reasons), _unequal(data, groups), pooled)


def _by_level(data: Frame, keys: Sequence[str], column: str) -> dict[tuple, set[Any]]:
    found: dict[tuple, set[Any]] = {}
    for *level, value in data.combinations(*keys, column):
        found.setdefault(tuple(map(plain, level)), set()).add(plain(value))
    return found


def _joined_otherwise(data: Frame, keys: Sequence[str], pooled: Sequence[str]) -> bool:
    """Whether columns that take the same values everywhere are combined in other ways in some levels."""
    found: dict[tuple, set[tuple]] = {}
    for row in data.combinations(*keys, *pooled):
        found.setdefault(tuple(map(plain, row[: len(keys)])), set()).add(tuple(map(plain, row[len(keys) :])))
    sets = list(found.values())
    return any(one != sets[0] for one in sets)


def _owns(key: str, column: str) -> bool:
    """Whether a column is part of what a key names: `optimizer.lr` of `optimizer.name`; or the list that it is in."""
    return column.startswith(key.removesuffix(".name") + ".") or key.startswith(f"{column}.")


def _told(values: Mapping[tuple, set[Any]], called: Mapping[tuple, str]) -> str:
    parts = [
        f"{called.get(level, level)}: {', '.join(sorted(map(number, found))[:3])}" for level, found in values.items()
    ]
    return "; ".join(parts[:3]) + ("; ..." if len(parts) > 3 else "")


def _incomparable(data: Frame, varying: Sequence[str], metric: str) -> str:
    """Why the scores are not on one scale: they are of other examples, or of other losses."""
    differing = [c for c in varying if c.startswith("dataset.") and not c.startswith(TRAINING_ONLY)]
    if "dataset.name" in differing:
        found = ", ".join(sorted({str(name) for (name,) in data.combinations("dataset.name")}))
        return f"different data sets ({found}); compare them one by one: --where dataset=..., or all: --across dataset"
    split = [c for c in differing if c in ("dataset.validation", "dataset.test")]
    if split:
        return f"different splits ({', '.join(split)}): the runs are judged on different examples"
    if differing and _conflict(data):
        return f"different data ({', '.join(differing)}): the runs are judged on different examples"
    losses = [c for c in varying if c.split(".")[0] == "loss"]
    if losses and metric.endswith("_loss"):
        return f"{metric} is of different losses ({', '.join(losses)}), which have scales of their own"
    return ""


def _conflict(data: Frame) -> bool:
    """Whether runs of one seed have other data."""
    digests: dict[Any, str] = {}
    return any(digests.setdefault(run.brief.seed, run.brief.data) != run.brief.data for run in data.runs)


def _other_data(data: Frame, ended: Mapping[tuple, Sequence[Run]]) -> str:
    if _conflict(data):
        return "runs of one seed have other data under the same name (a changed file, or another version of it)"
    fixed = [{run.brief.data for run in runs} for runs in ended.values() if len(runs) > 1]
    whole = [found for found in fixed if len(found) == 1]  # drawn anew for each seed, they would be several
    return "the levels have other data under the same name" if any(one != whole[0] for one in whole) else ""


def _other_engine(ended: Mapping[tuple, Sequence[Run]], called: Mapping[tuple, str]) -> str:
    """Whether the levels were computed by other versions, or in another form of the loops."""
    settings = {level: {id(run.brief.setting): run.brief.setting for run in runs} for level, runs in ended.items()}
    found = {level: {one.made_with for one in known.values()} for level, known in settings.items() if known}
    sets = list(found.values())
    if len(sets) < 2 or all(one == sets[0] for one in sets):
        return ""
    everywhere = set.intersection(*({part for made in one for part in made} for one in sets))
    parts = []
    for level, one in list(found.items())[:3]:
        own = [part for made in sorted(one) for part in made if part not in everywhere]
        parts.append(f"{called.get(level, level)}: {', '.join(dict.fromkeys(own)) or 'as the others'}")
    return f"the engines differ ({'; '.join(parts)})"


def _unequal(data: Frame, groups: Mapping[tuple, Sequence[int]]) -> list[str]:
    """What the levels do not have the same of: parameters, updates, epochs, seconds."""
    found = []
    for column, what in (("parameters", "parameters"), ("step", "updates"), ("epoch", "epochs")):
        middle = [m for index in groups.values() if (m := _median(data, index, column)) is not None]
        if middle and min(middle) != max(middle):
            found.append(f"{what} ({min(middle):,.0f} to {max(middle):,.0f})")
    seconds = [m for index in groups.values() if (m := _median(data, index, "train_seconds")) is not None]
    if seconds and max(seconds) > SLOWER * min(seconds):
        found.append(f"time ({duration(min(seconds))} to {duration(max(seconds))})")
    return found


def _median(data: Frame, index: Sequence[int], column: str) -> float | None:
    values, status = data[column], data["status"]
    known = [values[i] for i in index if status[i] == "finished" and values[i] is not None]
    return median(known) if known else None
