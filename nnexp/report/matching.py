"""Fair pairs: levels compared at equal numbers of parameters, updates or training seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nnexp.errors import InputError
from nnexp.report.frame import Frame
from nnexp.report.numbers import number
from nnexp.store.runs import Run

TOLERANCE = 0.1
"""How far two numbers of parameters may be apart, as a share of the larger one, and count as equal."""
PERCENT = f"{100 * TOLERANCE:.0f} %"
SHOWN = 4
"""Sizes that a sentence names."""


@dataclass(frozen=True)
class Matched:
    """The runs that are compared, and what was made equal."""

    data: Frame
    keys: Sequence[str] = ()
    """Keys that may differ between levels, for what they do is equal."""
    equal: tuple[str, ...] = ()
    """What was made as nearly equal as the notes say."""
    notes: Sequence[str] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def matched_levels(
    data: Frame,
    groups: Mapping[tuple, Sequence[int]],
    names: Sequence[str],
    baseline: int,
    keys: Sequence[str],
    how: str,
) -> Matched:
    """The runs of the levels that can be compared at equal `how`. Updates and seconds are equal where runs are read.

    Raises InputError for one level, and where nothing can be matched.
    """
    if len(groups) < 2:
        raise InputError(f"--match {how}: fair pairs are of two levels, and here there is one; --by another KEY")
    if how == "params":
        return _same_sizes(data, groups, names, baseline, keys)
    return Matched(data, keys_of_length(data.runs))


def _same_sizes(
    data: Frame, groups: Mapping[tuple, Sequence[int]], names: Sequence[str], baseline: int, keys: Sequence[str]
) -> Matched:
    """Match the sizes of each level with the nearest of the baseline; a size stays where every level has it.

    Raises InputError where none does.
    """
    counts = data["parameters"]
    members = list(groups.values())
    found = [sorted({counts[i] for i in index if counts[i] is not None}) for index in members]
    paired = [nearest_pairs(sizes, found[baseline]) for sizes in found]
    for name, sizes, pairs in zip(names, found, paired, strict=True):
        if not pairs:
            raise InputError(
                f"--match params: {name} ({_listed(sizes)} parameters) has no size within {PERCENT} of one of "
                f"{names[baseline]} ({_listed(found[baseline])})"
            )
    common = [size for size in found[baseline] if all(size in pairs for pairs in paired)]
    if not common:
        raise InputError(
            f"--match params: no size of {names[baseline]} ({_listed(found[baseline])} parameters) is there in all "
            f"levels within {PERCENT}; compare fewer of them, with --where"
        )
    kept = [
        i
        for index, pairs in zip(members, paired, strict=True)
        for i in index
        if counts[i] in {pairs[size] for size in common}
    ]
    rows = sorted(kept)
    told = [" ~ ".join(dict.fromkeys(f"{pairs[size]:,}" for pairs in paired)) for size in common]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    notes = [
        f"matched by parameters, as near as {PERCENT}: {'; '.join(told[:SHOWN])}{more}"
        + ("; a seed's score is its mean over the sizes" if len(told) > 1 else "")
    ]
    if left := len(data) - len(rows):
        notes.append(f"{left} of {len(data)} runs have no partner of their size in every level; they are left out")
    sizes = [[pairs[size] for pairs in paired] for size in common]
    meta = {"match": {"by": "params", "tolerance": TOLERANCE, "parameters": sizes}}
    return Matched(data.take(rows), _of_size(data, keys), ("parameters",), notes, meta)


def nearest_pairs(sizes: Sequence[int], others: Sequence[int]) -> dict[int, int]:
    """For each of `others` the one of `sizes` that is paired with it, the nearest pairs first, within TOLERANCE.

    >>> nearest_pairs([105, 99, 210, 400], [100, 200, 300])
    {100: 99, 200: 210}
    """
    apart = sorted((abs(a - b) / max(a, b, 1), b, a) for a in sizes for b in others)
    found: dict[int, int] = {}
    for distance, b, a in apart:
        if distance <= TOLERANCE and b not in found and a not in found.values():
            found[b] = a
    return dict(sorted(found.items()))


def _of_size(data: Frame, keys: Sequence[str]) -> list[str]:
    """The keys of the architecture that are numbers, or lists of them, and are not compared."""
    columns = [column for column in data.columns if column.startswith("architecture.") and column not in keys]
    return [c for c in columns if all(_numeric(value) for (value,) in data.combinations(c))]


def _numeric(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_numeric, value))
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _listed(sizes: Sequence[int]) -> str:
    more = f" and {len(sizes) - SHOWN} more" if len(sizes) > SHOWN + 1 else ""
    return (", ".join(f"{size:,}" for size in sizes[: SHOWN if more else None]) + more) or "no known number of"


BUDGET = ("stop.epochs", "stop.steps")
"""Keys that only say how long a run goes on, where its schedule does not look at its end."""


def keys_of_length(runs: Sequence[Run]) -> tuple[str, ...]:
    """Keys that may differ between runs that are read at an equal length: none where a schedule depends on them."""
    from nnexp.components.base import members
    from nnexp.components.schedules import Schedule

    known = members(Schedule)  # type: ignore[type-abstract]
    for run in {id(run.brief.setting): run for run in runs}.values():
        given = run.record["config"].get("schedule") or {}
        kind = known.get(given.get("name", ""))
        if given and (kind is None or kind.model_validate(given).looks_at_end):
            return ()
    return BUDGET


def limit_of(ends: Mapping[str, float]) -> tuple[float, str]:
    """The largest number that all runs have reached, and the run that ends there, from where each ends by its id."""
    shortest = min(ends, key=lambda one: ends[one])
    return ends[shortest], shortest


def told_limit(limit: float, unit: str, shortest: str, read: Sequence[float]) -> str:
    """Where runs were read, in a sentence."""
    low, high = min(read), max(read)
    at = f"at {number(low)}" if low == high else f"at {number(low)} to {number(high)}"
    return (
        f"matched by {unit}: every run is read at its last row up to {number(limit)} {unit}, {at}; "
        f"the shortest run, {shortest}, ends there"
    )
