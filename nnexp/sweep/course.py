"""The course of a sweep: plans that are run one after the other, where a search goes by what came out before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nnexp.errors import InputError
from nnexp.report.tuning import Findings, Found
from nnexp.store.folder import RunFolder, finite, write_whole
from nnexp.store.runs import ENDED, TUNING, Run, Shelf
from nnexp.sweep.expand import Level, Search, Sweep, Trial, known_points
from nnexp.sweep.plan import Job, Plan, make_plan
from nnexp.sweep.search import Halving, Judge, Sampling, Searcher
from nnexp.sweep.settle import Settled
from nnexp.sweep.settle import stages as settling_stages
from nnexp.sweep.space import at_edge

Reader = Callable[[], Shelf]
"""Gives the runs as they are now."""
Planner = Callable[[Sweep, Shelf, Sequence[Trial], str], Plan]
"""Makes the plan of some trials of a sweep, in a folder whose name has this suffix."""


@dataclass(frozen=True)
class Stage:
    """A plan that is to be run before the next can be made."""

    plan: Plan
    title: str
    """What it is for, where a sweep has several stages."""


class Course:
    """Runs through a sweep: take each stage, run what its plan misses, take the next.

    After the last, `findings` says what a search or a tuning found. Everything is decided by the records of runs and
    in the order of the trials, so that a sweep that is given again takes the same course.
    """

    def __init__(self, sweep: Sweep, shelf: Shelf, plan: Planner = make_plan):
        """Plans what is known in advance. Raises InputError with all misfits."""
        self.sweep, self.plan = sweep, plan
        self.searched = sweep.search or sweep.tune
        self.findings: Findings | None = None
        self.settled: Settled | None = None
        """What is known so far, where seeds are added until it is."""
        self.tried: list[Job] = []
        """The runs of a search or a tuning that is over."""
        trials = sweep.trials or _probes(sweep)
        self.suffix = TUNING if sweep.tune is not None else "-settled" if sweep.settling is not None else ""
        self.first = plan(sweep, shelf, trials, self.suffix)
        self.sample = self.first.jobs
        """Some runs, one of each level at least: what can be told without training is told from these."""
        self.metric = self.first.judged_by(sweep.metric)
        if sweep.claim is not None:
            sweep.claim.measures(self.first)
        higher = self.first.metrics[self.metric]
        self.higher = higher if sweep.direction is None else sweep.direction == "maximize"
        if not sweep.trials:
            self.first = replace(self.first, jobs=[])

    @property
    def prunes(self) -> bool:
        """Whether some runs will end before their last epoch, or may not be run at all."""
        halves = self.searched is not None and isinstance(self.searched.strategy, Halving)
        return halves or self.sweep.settling is not None

    @property
    def later(self) -> list[dict[str, Any]]:
        """The runs that are not known yet: what sets each apart, as far as it is known."""
        found: list[dict[str, Any]] = []
        if self.sweep.settling is not None:
            count = self.sweep.settling.budget - len(self.sweep.seeds)
            more = {"seed": "if open"}
            return [{"case": lev.case, **level_of(lev), **more} for lev in self.sweep.levels for _ in range(count)]
        for level in self.sweep.levels if self.searched is not None else []:
            assert self.searched is not None
            known = {"case": level.case} | {key: tree.data for key, tree in level.combination.items()}
            keys = list(dict.fromkeys(axis.key for axis in self.searched.space.axes))
            if not self.sweep.trials:
                drawn = known | dict.fromkeys(keys, "drawn")
                found += [drawn | {"seed": s} for _ in range(self.searched.trials) for s in self.searched.seeds]
            if self.sweep.tune is not None:
                found += [known | dict.fromkeys(keys, "tuned") | {"seed": seed} for seed in self.sweep.seeds]
        return found

    def foreseen(self, shelf: Shelf) -> tuple[Plan, list[dict[str, Any]]]:
        """The runs that are known without training, in one plan; and `later` of those that are not."""
        if self.sweep.tune is None or not isinstance(self.sweep.tune.strategy, Sampling) or self.first.missing:
            return self.first, self.later
        jobs = [job for stage in self.stages(lambda: shelf) for job in stage.plan.jobs]
        return replace(self.first, jobs=jobs), []

    def stages(self, read: Reader) -> Iterator[Stage]:
        """The stages; `read` gives the runs as they are. A stage whose runs are all there is left out, but the last."""
        if self.sweep.settling is not None:
            yield from settling_stages(self, read)
            return
        if self.searched is None:
            yield Stage(self.first, "")
            return
        title = "tuning" if self.sweep.tune is not None else ""
        if isinstance(self.searched.strategy, Halving):
            yield from self._halving(self.searched.strategy, title, read)
        elif isinstance(self.searched.strategy, Sampling):
            yield Stage(self.first, title)
            self._conclude(self.searched, _by_point(self.first.jobs), read())
        else:
            yield from self._generations(self.searched, title, read)
        if self.sweep.tune is not None and any(found.best is not None for found in self._levels_found()):
            yield Stage(self._final(read()), "comparison")

    # -- searches that go by what came out -------------------------------------------------------------------------

    def _generations(self, search: Search, title: str, read: Reader) -> Iterator[Stage]:
        """Ask every level's searcher, run, tell, until none has more to ask."""
        plan = self.first
        searchers: dict[int, Searcher] = {
            level.number: search.strategy.searcher(search.space, level.lookup, search.trials, self.higher)
            for level in self.sweep.levels
        }
        asked: dict[tuple[int, int], list[Job]] = {}
        count = dict.fromkeys(searchers, 0)
        while True:
            new: list[Trial] = []
            now: dict[int, range] = {}
            for level in self.sweep.levels:
                points = searchers[level.number].ask()
                begin = count[level.number]
                count[level.number] += len(points)
                now[level.number] = range(begin, begin + len(points))
                for number, point in enumerate(points, begin):
                    new += level.runs(search.seeds, point, search.space, number)
            if not new:
                break
            added = self.plan(self.sweep, read(), new, self.suffix)
            plan = replace(added, jobs=refreshed(plan.jobs, read()) + added.jobs)
            asked |= _by_point(added.jobs)
            first, last = min(r.start for r in now.values()) + 1, max(count.values())
            yield Stage(plan, f"{title + ', ' if title else ''}trials {first} to {last} of {search.trials}")
            shelf = read()
            for number, trials in now.items():
                searchers[number].tell([self._score(asked[number, one], shelf) for one in trials])
        self._conclude(search, asked, read())

    def _halving(self, strategy: Halving, title: str, read: Reader) -> Iterator[Stage]:
        """Run all to a rung, prune, and so on; the rest to the end."""
        assert self.searched is not None
        points = _by_point(self.first.jobs)
        epochs = max(job.config["stop"]["epochs"] for job in self.first.jobs)
        judges: dict[int, Judge] = {
            level.number: strategy.judge(self.searched.trials, self.higher) for level in self.sweep.levels
        }
        left = set(points)
        for rung in strategy.rungs(epochs):
            known = self._scores_at(rung, points, left, read())
            if any(key not in known for key in left):
                shelf = read()
                jobs = [
                    replace(job, pause=rung if (key in left and key not in known) else None)
                    for key, group in points.items()
                    for job in refreshed(group, shelf, settled=key not in left or key in known)
                ]
                yield Stage(
                    replace(self.first, jobs=jobs),
                    f"{title + ', ' if title else ''}{len(left)} of {len(points)} trials to epoch {rung}",
                )
                known = self._scores_at(rung, points, left, read())
            left = self._prune(rung, points, left, known, judges, read())
        shelf = read()
        jobs = [job for key, group in points.items() for job in refreshed(group, shelf, settled=key not in left)]
        yield Stage(replace(self.first, jobs=jobs), f"{title + ', ' if title else ''}{len(left)} trials to the end")
        kept = {key: group if key in left else [] for key, group in points.items()}
        self._conclude(self.searched, kept, read(), points)

    def _scores_at(
        self, rung: int, points: dict[tuple[int, int], list[Job]], left: set[tuple[int, int]], shelf: Shelf
    ) -> dict[tuple[int, int], float | None]:
        """The mean score of each trial at the first row from epoch `rung` on; None for one that will have none.

        A trial that has not come so far, or has failed and may be tried again, is left out.
        """
        latest = {run.brief.fingerprint: run for run in shelf.runs}
        found: dict[tuple[int, int], float | None] = {}
        for key in left:
            values: list[float | None] = []
            for job in points[key]:
                run = latest.get(job.fingerprint)
                if run is None:
                    break
                value = _logged(run, self.metric, rung)
                if value is None and run.status not in ENDED:
                    break
                values.append(value)
            else:
                known = [value for value in values if value is not None]
                found[key] = sum(known) / len(known) if len(known) == len(values) else None
        return found

    def _prune(
        self,
        rung: int,
        points: dict[tuple[int, int], list[Job]],
        left: set[tuple[int, int]],
        scores: dict[tuple[int, int], float | None],
        judges: dict[int, Judge],
        shelf: Shelf,
    ) -> set[tuple[int, int]]:
        """Those that go on. The others are recorded as pruned, with the reason."""
        going: set[tuple[int, int]] = set()
        for number, judge in judges.items():
            here = {point: scores.get((level, point)) for level, point in left if level == number}
            going |= {(number, point) for point in judge.survivors(rung, here)}
            for point, value in here.items():
                if (number, point) not in going:
                    shown = "no score" if value is None else f"{self.metric} {value:.4g}"
                    reason = f"pruned after epoch {rung}: {shown}, not among the best {judge.share} of the trials"
                    for job in points[number, point]:
                        _record_as_pruned(job, shelf, reason)
        return going

    # -- what was found --------------------------------------------------------------------------------------------

    def _score(self, jobs: Sequence[Job], shelf: Shelf) -> float | None:
        """The mean score of a trial over its seeds; None where one has no score."""
        ended = shelf.ended()
        values = [ended[job.fingerprint].final.get(self.metric) if job.fingerprint in ended else None for job in jobs]
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known and len(known) == len(values) else None

    def _conclude(
        self,
        search: Search,
        scored: dict[tuple[int, int], list[Job]],
        shelf: Shelf,
        points: dict[tuple[int, int], list[Job]] | None = None,
    ) -> None:
        levels = []
        self.tried = [job for group in (points or scored).values() for job in group]
        for level in self.sweep.levels:
            own = {key: group for key, group in (points or scored).items() if key[0] == level.number}
            drawn = [_drawn(level, search, group[0].trial) for group in own.values()]
            scores = [self._score(scored[key], shelf) for key in own]
            known = [i for i, score in enumerate(scores) if score is not None]
            best = None
            if known:
                best = (max if self.higher else min)(known, key=lambda i: scores[i] or 0.0)
            edges = {}
            for key, value in (drawn[best] if best is not None else {}).items():
                side = at_edge(search.space.axis_of(key, drawn[best or 0], level.lookup).range, value)
                if side is not None:
                    edges[key] = side
            levels.append(Found(level_of(level), drawn, scores, best, edges))
        self.findings = Findings(self.metric, self.higher, search.strategy.independent, levels)

    def _final(self, shelf: Shelf) -> Plan:
        """The comparison at the tuned values; levels without any are left out."""
        assert self.searched is not None
        trials: list[Trial] = []
        for level, found in zip(self.sweep.levels, self._levels_found(), strict=True):
            if found.best is not None:
                trials += level.runs(self.sweep.seeds, found.points[found.best], self.searched.space)
        return self.plan(self.sweep, shelf, trials, "")

    def _levels_found(self) -> list[Found]:
        assert self.findings is not None
        return self.findings.levels

    def failed(self, shelf: Shelf) -> int:
        """How many runs of the tuning have failed: they are missed, and would be run again."""
        tuning = {job.fingerprint for job in self.tried} if self.sweep.tune is not None else set()
        last = {run.brief.fingerprint: run.status for run in shelf.runs}
        return sum(last.get(one) == "failed" for one in tuning)

    def write_findings(self, plan: Plan) -> None:
        """trials.json in the sweep's folder: every trial, what was chosen, and the curve."""
        assert self.findings is not None
        text = json.dumps(finite(self.findings.plain()), indent=1, ensure_ascii=False) + "\n"
        write_whole(plan.folder / "trials.json", lambda file: file.write(text.encode()))


def _probes(sweep: Sweep) -> list[Trial]:
    """A run of each level of a search whose points are not known yet, for what can be told without training."""
    search = sweep.search or sweep.tune
    assert search is not None
    found = []
    for level in sweep.levels:
        for point in known_points(search, level)[:1]:
            found += level.runs(search.seeds[:1], point, search.space, 0)
    return found


def level_of(level: Level) -> dict[str, Any]:
    """What sets a level apart, in plain data."""
    case = {"case": level.case} if level.case is not None else {}
    return case | {key: tree.data for key, tree in level.combination.items()}


def _drawn(level: Level, search: Search, trial: Trial) -> dict[str, Any]:
    keys = {axis.key for axis in search.space.axes}
    return {key: value for key, value in trial.changes.items() if key in keys}


def _by_point(jobs: Sequence[Job]) -> dict[tuple[int, int], list[Job]]:
    """The jobs of each trial: by level and point, a job for each seed."""
    found: dict[tuple[int, int], list[Job]] = {}
    for job in jobs:
        assert job.trial.point is not None
        found.setdefault((job.trial.level, job.trial.point), []).append(job)
    return found


def refreshed(jobs: Sequence[Job], shelf: Shelf, settled: bool = False) -> list[Job]:
    """Jobs with the runs that are there now; `settled` ones are not to be run, however they stand."""
    ended, begun = shelf.ended(), shelf.resumable()
    found = []
    for job in jobs:
        done, going = ended.get(job.fingerprint), begun.get(job.fingerprint)
        source = None if going else job.source
        done = done or (going if settled else None)
        found.append(replace(job, done=done, begun=going, source=source, pause=None, settled=settled))
    return found


def _logged(run: Run, metric: str, rung: int) -> float | None:
    """The metric in the first row of a run's log at the end of an epoch from one on; None where there is none."""
    try:
        columns = run.metrics()
    except InputError:
        return None
    for epoch, value in zip(columns.get("epoch", ()), columns.get(metric, ()), strict=False):
        if epoch is not None and epoch >= rung and epoch.is_integer():
            return value
    return run.final.get(metric)


def _record_as_pruned(job: Job, shelf: Shelf, reason: str) -> None:
    """Say in the record of a job's run that it was pruned; its log and checkpoint stay."""
    run = shelf.resumable().get(job.fingerprint)
    if run is not None and run.status != "pruned":
        RunFolder(run.path).write_record({**run.record, "status": "pruned", "reason": reason})
