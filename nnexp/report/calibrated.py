"""What a kept calibration says of a comparison: one line below its table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from nnexp import __version__
from nnexp.report.numbers import decimals_for, score
from nnexp.report.verdict import FEWEST, Verdict
from nnexp.store.brief import Setting
from nnexp.store.calibrations import APART, SPLIT, START, Kept, kept
from nnexp.store.runs import Run

BESIDE = ("name", "seed", "threads", "monitor")
"""Keys that do not change what is computed."""
TRAINING_ONLY = ("dataset.preprocessing", "dataset.conditions", "dataset.scale_target")
"""Keys of the data that leave alone which examples are judged."""
NAMED = 3
"""Keys of another setting that are named."""


class Match(NamedTuple):
    """A calibration that fits a comparison."""

    found: Kept
    other: list[str]
    """Keys in which it differs from each level, at those of the nearest; none where it is one of the levels."""


def calibrated(
    runs: Sequence[Run], metric: str | None, verdicts: Sequence[Verdict | None]
) -> tuple[str, dict[str, Any]] | None:
    """A sentence on what comparisons like these can tell, and its numbers; None where nothing fits.

    A calibration fits by its data and its metric (that of the validation split for one of the test split). Of several,
    the one that differs least from any of the levels counts, then the newest. Where it differs, or was made by another
    version, the sentence says so.
    """
    judged = [verdict for verdict in verdicts if verdict is not None]
    if metric is None or not judged or not runs:
        return None
    there, _ = kept(runs[0].path.parent)
    there = [one for one in there if metric in (one.metric, one.metric.replace("validation_", "test_", 1))]
    if not there:
        return None
    settings = list({id(run.brief.setting): run.brief.setting for run in runs}.values())
    fits = [match for one in there if (match := _match(one, runs, settings)) is not None]
    if not fits:
        return None
    best = min(reversed(fits), key=lambda match: len(match.other))
    n = max(min(verdict.n for verdict in judged), FEWEST)
    return _told(best, n, all(verdict.in_pairs for verdict in judged), metric)


def _match(one: Kept, runs: Sequence[Run], settings: Sequence[Setting]) -> Match | None:
    if not one.drawn and not any(run.brief.data in one.data for run in runs):
        return None
    near = [keys for setting in settings if (keys := _apart(one.config, setting)) is not None]
    return Match(one, min(near, key=len)) if near else None


def _apart(config: dict[str, Any], setting: Setting) -> list[str] | None:
    """The keys in which a setting differs; None where other examples are judged."""
    other = setting.config
    keys = [
        key for key in {**config, **other} if key.partition(".")[0] not in BESIDE and config.get(key) != other.get(key)
    ]
    if any(key.startswith("dataset.") and not key.startswith(TRAINING_ONLY) for key in keys):
        return None
    # what one component has and another has not follows from the component
    names = [key for key in keys if key.endswith(".name")]
    return [key for key in keys if not any(key != name and key.startswith(name[:-4]) for name in names)]


def _told(match: Match, n: int, in_pairs: bool, metric: str) -> tuple[str, dict[str, Any]]:
    one, other = match
    kinds = (START, SPLIT) if in_pairs else (APART,)
    sizes = {kind: [_at(one.result, n, kind, part) for part in ("smallest", "low", "high")] for kind in kinds}
    parts = [_finds(n, sizes)]
    itself = next((error for error in one.result["errors"] if error["kind"] == kinds[-1]), None)
    if itself is not None:
        parts.append(f"against itself {itself['false']:,} of {itself['of']:,} comparisons got a claim")
    sampling, error, examples = one.sampling, None, None
    if sampling is not None:
        tested = metric.startswith("test_") and sampling["test_error"] is not None
        keys = ("test_error", "tested", "test") if tested else ("error", "examples", "validation")
        error, examples = sampling[keys[0]], sampling[keys[1]]
        parts.append(
            f"a score on {examples:,} {keys[2]} examples: ± {score(error, decimals_for(error))} (standard error)"
        )
    by = "" if one.metric == metric else f" by {one.metric}"
    named = ", ".join(other[:NAMED]) + (f" and {len(other) - NAMED} more" if len(other) > NAMED else "")
    apart = f", another setting ({named})" if other else ""
    apart += f", with nnexp {one.nnexp}" if one.nnexp != __version__ else ""
    told = {
        "name": one.name,
        "metric": one.metric,
        "seeds": one.result["seeds"],
        "n": n,
        "smallest": sizes,
        "false": None if itself is None else itself["false"],
        "comparisons": None if itself is None else itself["of"],
        "examples": examples,
        "split_error": error,
        "other": other,
        "nnexp": one.nnexp,
    }
    return f"calibrated{by} on {one.name} ({one.result['seeds']} seeds{apart}): {'; '.join(parts)}", told


def _finds(n: int, sizes: dict[str, list[float | None]]) -> str:
    """What n pairs, or unpaired runs, find 4 times in 5, in words."""
    known = {kind: size for kind, (size, *_) in sizes.items() if size is not None}
    what = f"{n} pairs" if APART not in sizes else f"{n} unpaired runs"
    if not known:
        return f"{what} find no difference 4 times in 5, for runs fail"
    if known.get(SPLIT) == 0:
        return f"{what} find any difference, for runs of one split have the same score"
    digits = decimals_for(min(size for size in known.values() if size))
    if APART in sizes:
        return f"{what} tell differences from {score(known[APART], digits)} on"
    ends = [
        f"{score(known[kind], digits)} ({what})"
        for kind, what in ((START, "same split and start"), (SPLIT, "same split only"))
        if kind in known
    ]
    return f"{what} tell differences from {' or '.join(ends)} on"


def _at(result: dict[str, Any], n: int, kind: str, part: str) -> float | None:
    """A number of the reach at n; between those that are kept √n times it is taken as linear in 1 / n."""
    known = {one["n"]: one[part] for one in result["reach"] if one["kind"] == kind and one[part] is not None}
    if not known or n < min(known):
        return None
    points = sorted((1 / count, value * count**0.5) for count, value in known.items())
    at, here = 1 / n, points[0][1]
    for (left, low), (right, high) in pairwise(points):
        if left <= at <= right:
            here = low + (high - low) * (at - left) / (right - left)
    return here / n**0.5
