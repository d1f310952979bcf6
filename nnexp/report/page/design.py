"""The design of an experiment as its runs tell it: what varied, what was the same in all, how levels are paired."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError
from nnexp.report.frame import HIDDEN, config_columns, higher_is_better, metric_columns, missing, varying
from nnexp.report.grouping import Levels, in_order
from nnexp.report.numbers import duration, number, score
from nnexp.report.page.answer import spans, statuses, told
from nnexp.report.page.blocks import Block, Facts, Fold
from nnexp.report.rows import datasets_of, plain, varies_within
from nnexp.report.tables import Grid, headings
from nnexp.store.looks import so_far

if TYPE_CHECKING:
    from nnexp.store.runs import Run, SweepRecord

MOST = 12
"""Values of a key that are written out."""
NOTHING: tuple[Any, ...] = (None, "none", "", (), [], {})
"""Values that say that something is not there."""


def design(
    runs: Sequence[Run], levels: Levels, grid: Grid, root: Path, sweep: SweepRecord | None = None
) -> list[Block]:
    """What varied, how it was tuned, n, seeds, pairing, data; below it, folded, what was the same in all runs."""
    rows = [(key.removesuffix(".name"), _values([level.values[i] for level in levels.each]))
            for i, key in enumerate(levels.keys)]  # fmt: skip
    rows = [(f"varied: {key}", said) for key, said in rows]
    config = config_columns(levels.data, metric_columns(runs))
    pooled = [key for key in varying(levels.data, config) if key not in (*levels.keys, "seed")]
    pooled = [key for key in pooled if varies_within(levels.data, levels.keys, key)]
    rows += [(f"pooled: {key.removesuffix('.name')}", _values(levels.data[key])) for key in pooled]
    rows += _tuned(sweep.path) if sweep is not None else []
    rows.append(("runs", f"{told(len(runs), 'run')}: {statuses(runs)}"))
    rows.append(("seeds", _seeds(levels)))
    if metric := grid.meta["metric"]:
        way = "higher" if higher_is_better(runs, metric) else "lower"
        rows.append(("judged by", f"{metric} of the final parameters; {way} is better"))
    if "baseline" in grid.meta:
        rows.append(("compared with", grid.meta["baseline"]))
        rows.append(("pairs", _pairs(grid)))
        margin = grid.meta["margin"]
        rows.append(("smallest difference that matters", "none given" if margin is None else number(margin)))
    rows.append(("data", _data(runs)))
    looks = so_far(root, datasets_of(runs))
    rows.append(("looks at test scores", ", ".join(f"{count} at {name} so far" for name, count in looks.items())))
    rows += _effort(runs)
    shared = _shared(runs)
    return [Facts(rows), *([Fold("What all runs share", [Facts(shared)])] if shared else [])]


def _tuned(folder: Path) -> list[tuple[str, str]]:
    """How a sweep was tuned, and what was found; nothing where it was not."""
    if not (folder / "trials.json").is_file():
        return []
    from nnexp.config.yaml import read

    try:
        tune = read(folder / "sweep.yaml").data.get("tune")
        if tune is None:  # a search, whose trials are the runs
            return []
        found = json.loads((folder / "trials.json").read_text(encoding="utf-8"))
        keys = list(dict.fromkeys(key for one in found["levels"] for trial in one["trials"] for key in trial["values"]))
        counts = dict.fromkeys(number(end(len(one["trials"]) for one in found["levels"])) for end in (min, max))
        seeds = f"{'the mean over seeds' if len(tune['seeds']) > 1 else 'that of seed'} {spans(tune['seeds'])}"
        how = f"{' to '.join(counts)} trials a level ({tune['search']['name']} search), each judged by "
        how += f"{found['metric']}, {seeds}"
        heads = headings(keys)
        best = [_found(one, heads) for one in found["levels"][:MOST]]
        best += [f"and {len(found['levels']) - MOST} more"] if len(found["levels"]) > MOST else []
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return [("tuned", "how, cannot be told: trials.json or sweep.yaml in the sweep's folder cannot be used")]
    return [(f"tuned: {', '.join(key.removesuffix('.name') for key in keys)}", how), ("tuned to", "; ".join(best))]


def _found(level: Mapping[str, Any], heads: Mapping[str, str]) -> str:
    """The best trial of a level."""
    name = ", ".join(
        number(value) if key == "case" else f"{headings([key])[key]} {number(value)}"
        for key, value in level["level"].items()
    )
    said = "no trial has a score"
    if (best := level["best"]) is not None:
        at = {key: f" (the {side} edge of its range)" for key, side in level["edges"].items()}
        values = ", ".join(f"{heads[key]} {number(value)}{at.get(key, '')}" for key, value in best["values"].items())
        said = f"{values}, scored {score(best['score'])}"
    return f"{name}: {said}" if name else said


def _values(found: Sequence[Any]) -> str:
    ordered = sorted({plain(value) for value in found}, key=in_order)
    more = f" and {len(ordered) - MOST} more" if len(ordered) > MOST else ""
    return ", ".join(number(value) for value in ordered[:MOST]) + more


def _seeds(levels: Levels) -> str:
    """Which seeds the levels have, and whether they are the same."""
    sets = [{run.brief.seed for run in level.runs} for level in levels.each]
    everything = set.union(*sets)
    listed = spans([s for s in everything if isinstance(s, int)]) or "none"
    if len(sets) == 1 or all(one == sets[0] for one in sets):
        return f"{listed}{', the same in every level' if len(sets) > 1 else ''}"
    return f"{listed}; {min(map(len, sets))} to {max(map(len, sets))} to a level, not the same in all"


def _pairs(grid: Grid) -> str:
    pairing = {row["pairing"] for row in grid.rows if "pairing" in row}
    if pairing == {"seed and data"}:
        return "runs of one seed and data: they share split, initial weights and order of the batches"
    if "seed and data" in pairing:
        return "runs of one seed and data where there are any; the others are compared unpaired, by Welch"
    return "none: the levels have different seeds or data, and are compared by Welch"


def _data(runs: Sequence[Run]) -> str:
    hashes = Counter(run.brief.data for run in runs)
    names = ", ".join(datasets_of(runs))
    if len(hashes) == 1:
        return f"{names}, hash {next(iter(hashes))}"
    shown = ", ".join(list(hashes)[:4]) + (", ..." if len(hashes) > 4 else "")
    return f"{names}, {len(hashes)} hashes ({shown})"


def _effort(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """Parameters, and the time that training took."""
    rows = []
    parameters = sorted({run.brief.parameters for run in runs if run.brief.parameters is not None})
    if parameters:
        ends = [f"{count:,}" for count in dict.fromkeys((parameters[0], parameters[-1]))]
        rows.append(("parameters", " to ".join(ends)))
    seconds = [run.brief.train_seconds for run in runs if run.brief.train_seconds is not None]
    if seconds:
        rows.append(("training", f"{duration(sum(seconds))} in all, {duration(median(seconds))} a run (median)"))
    return rows


def _shared(runs: Sequence[Run]) -> list[tuple[str, str]]:
    """The keys of the configuration that all runs have with one value, a line for each first part."""
    settings = list({id(run.brief.setting): run.brief.setting for run in runs}.values())
    first, *others = settings
    found: dict[str, list[str]] = {}
    for key, value in first.config.items():
        top, _, rest = key.partition(".")
        if top in (*HIDDEN, "seed") or missing(value) or value in NOTHING or isinstance(value, bool):
            continue
        if all(key in other.config and other.config[key] == value for other in others):
            said = number(value)
            found.setdefault(top, []).append(said if rest in ("", "name") else f"{rest} {said}")
    return [(top, ", ".join(parts)) for top, parts in found.items()]
