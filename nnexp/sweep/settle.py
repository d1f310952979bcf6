"""A sweep that adds seeds until each level's verdict is settled: the course that `--until-settled` takes."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError, did_you_mean
from nnexp.report.sequential import ALPHA, LEAST, Verdict, earliest, judge, looks
from nnexp.store.folder import finite, write_whole
from nnexp.sweep.expand import Level, Sweep, Trial

if TYPE_CHECKING:
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course, Reader, Stage
    from nnexp.sweep.plan import Job, Plan

RECORD = "settled.json"
"""In the sweep's folder: the verdicts, and by which rule."""


@dataclass(frozen=True)
class Settling:
    """The rule by which seeds are added."""

    budget: int
    """The most seeds that a level gets."""
    margin: float | None
    """Differences below it are as good as none; None: no level is called equivalent."""
    baseline: int
    """The number of the level that the others are compared to."""


@dataclass(frozen=True)
class Comparison:
    """One level beside the baseline."""

    level: Level
    verdict: Verdict
    lost: int
    """Seeds of which one run of the pair has no score: it failed or diverged."""

    @property
    def goes_on(self) -> bool:
        """Whether more seeds may settle it. A mean says nothing of runs without a score."""
        return not self.verdict.settled and self.lost == 0


@dataclass(frozen=True)
class Settled:
    """What a sweep came to."""

    metric: str
    higher: bool
    rule: Settling
    baseline: Level
    comparisons: list[Comparison]
    seeds: int
    """The seeds of the baseline, which has as many as any."""

    def plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        rows = [
            {
                "level": str(one.level),
                "verdict": one.verdict.word,
                "pairs": one.verdict.n,
                "settled_at": one.verdict.at,
                "mean": one.verdict.mean,
                "std": one.verdict.std,
                "without_score": one.lost,
            }
            for one in self.comparisons
        ]
        told = {"metric": self.metric, "higher_is_better": self.higher, "baseline": str(self.baseline)}
        rule = {"max_seeds": self.rule.budget, "margin": self.rule.margin, "error_rate": ALPHA}
        return {**told, **rule, "levels": rows}


def until_settled(described: Sweep, budget: int, margin: float | None, baseline: str | None) -> Sweep:
    """The sweep with as many seeds as the first look needs, and the rule for more. Raises InputError."""
    if described.search is not None or described.tune is not None:
        raise InputError("--until-settled adds seeds to the levels of a grid or cases; it does not go with a search")
    if described.claim is not None:
        raise InputError("--until-settled adds seeds by what came out, and a claim is judged by the seeds of its plan")
    if len(described.levels) < 2:
        raise InputError(
            "--until-settled compares levels, and this sweep has one; give it several, such as optimizer=sgd,adam"
        )
    if len(described.seeds) > budget:
        raise InputError(f"--max-seeds: {budget} are fewer than the {len(described.seeds)} seeds of the sweep")
    number = _named(described.levels, baseline) if baseline is not None else 0
    first = list(itertools.islice(_order(described.seeds), max(LEAST, len(described.seeds))))
    trials = [trial for level in described.levels for trial in level.runs(first, {}, None)]
    return replace(described, trials=trials, seeds=tuple(first), settling=Settling(budget, margin, number))


def _order(seeds: Sequence[int]) -> Iterator[int]:
    """The seeds that are given, and then all others from 0 on."""
    yield from seeds
    yield from (seed for seed in itertools.count() if seed not in seeds)


def _named(levels: Sequence[Level], word: str) -> int:
    """The level that a word means: by all of its text, its case, or a value that no other level has."""
    names = [
        {str(level), *str(level).split(", "), *(part.split(" ", 1)[-1] for part in str(level).split(", "))}
        for level in levels
    ]
    exact = [i for i, level in enumerate(levels) if word in (str(level), level.case)]
    found = exact or [i for i, known in enumerate(names) if word in known]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(map(str, levels[:6]))
    if found:
        raise InputError(f"--baseline: '{word}' may mean {len(found)} levels; write one in full: {listed}")
    guess = did_you_mean(word, [name for known in names for name in known])
    raise InputError(f"--baseline: no level is '{word}'{guess}; the levels are: {listed}")


def stages(course: Course, read: Reader) -> Iterator[Stage]:
    """All levels with the first seeds; then more for those that are open, and for the baseline, look by look.

    What is settled depends on the records of the runs in the order of the seeds, so that the same command takes the
    same course. A stage whose runs are all there is left out, but the last.
    """
    from nnexp.sweep.course import Stage, refreshed

    sweep = course.sweep
    rule = sweep.settling
    assert rule is not None
    jobs: list[Job] = list(course.first.jobs)
    plan: Plan = course.first
    count = {level.number: len(sweep.seeds) for level in sweep.levels}
    first = max(earliest(rule.budget, len(sweep.levels) - 1), len(sweep.seeds))
    steps = [n for n in looks(first, rule.budget) if n > len(sweep.seeds)]
    title = f"{len(sweep.seeds)} seeds of each level"
    while True:
        shown = bool(plan.missing)
        if shown:
            yield Stage(plan, title)
        shelf = read()
        course.settled = _judged(course, jobs, shelf)
        going = [one.level for one in course.settled.comparisons if one.goes_on]
        if not going or not steps:
            if not shown:
                yield Stage(plan, title)
            return
        n = steps.pop(0)
        baseline = sweep.levels[rule.baseline]
        new: list[Trial] = []
        for level in [baseline, *going]:
            seeds = itertools.islice(_order(sweep.seeds), count[level.number], n)
            new += level.runs(seeds, {}, None)
            count[level.number] = n
        added = course.plan(sweep, shelf, new, course.suffix)
        jobs = [*refreshed(jobs, shelf, settled=True), *added.jobs]
        plan = replace(course.first, jobs=jobs)
        total = len(sweep.levels) - 1
        title = f"to {n} seeds: {len(going)} of {total} comparison{'s' if total > 1 else ''} open"


def _judged(course: Course, jobs: Sequence[Job], shelf: Shelf) -> Settled:
    """The verdicts as the runs stand."""
    rule, ended = course.sweep.settling, shelf.ended()
    assert rule is not None
    scores: dict[int, dict[int, float | None]] = {}
    for job in jobs:
        run = ended.get(job.fingerprint)
        value = run.final.get(course.metric) if run is not None else None
        scores.setdefault(job.trial.level, {})[job.trial.seed] = value
    base = scores[rule.baseline]
    others = [level for level in course.sweep.levels if level.number != rule.baseline]
    differences, lost = [], []
    for level in others:
        pairs = [(value, base[seed]) for seed, value in scores[level.number].items()]
        differences.append([one - other for one, other in pairs if one is not None and other is not None])
        lost.append(len(pairs) - len(differences[-1]))
    verdicts = judge(differences, rule.budget, rule.margin, course.higher)
    verdicts = [replace(v, word="open", at=None) if gone else v for v, gone in zip(verdicts, lost, strict=True)]
    comparisons = [Comparison(*one) for one in zip(others, verdicts, lost, strict=True)]
    baseline = course.sweep.levels[rule.baseline]
    return Settled(course.metric, course.higher, rule, baseline, comparisons, len(base))


def write_record(settled: Settled, plan: Plan) -> str | None:
    """settled.json in the sweep's folder. Returns a warning where it was looked at by another rule before."""
    path, warning = plan.folder / RECORD, None
    new = settled.plain()
    try:
        old = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        old = None
    rule = ("max_seeds", "margin", "metric", "baseline")
    changed = [key for key in rule if isinstance(old, dict) and old.get(key) != new[key]]
    looked = old.get("looked_at", []) if isinstance(old, dict) else []
    if changed:
        looked = [*looked, {key: old.get(key) for key in rule}]
    if looked:
        warning = (
            "these runs were judged by another rule before "
            f"({', '.join(f'{key} {looked[-1].get(key)}' for key in rule)}): "
            "verdicts that were chosen among several rules are wrong more often than the error rate says"
        )
    text = json.dumps(finite({**new, "looked_at": looked}), indent=1, ensure_ascii=False) + "\n"
    write_whole(path, lambda file: file.write(text.encode()))
    return warning
