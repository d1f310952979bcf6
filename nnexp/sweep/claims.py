"""The claim of a sweep: read with its places, stated before the first run, judged by the runs it was made about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError, create_model

from nnexp.components.base import Settings
from nnexp.config.draft import Draft, unnamed
from nnexp.config.problems import problems_of, report
from nnexp.config.yaml import KeyPath
from nnexp.errors import InputError, Problem, did_you_mean, nearest
from nnexp.report.claims import QUANTITIES, All, Rule, Single, rules, said
from nnexp.report.judgement import Judged, Measure, Reading
from nnexp.report.numbers import number
from nnexp.report.rows import named_metric
from nnexp.report.statement import Statement, stated_in
from nnexp.store.parents import now
from nnexp.store.runs import CLAIM
from nnexp.sweep.space import names_of

if TYPE_CHECKING:
    from nnexp.store.runs import Run, Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.expand import Level
    from nnexp.sweep.identity import Identity
    from nnexp.sweep.plan import Job, Plan

EXAMPLE = "such as {better: {optimizer: adam}, than: {optimizer: sgd}, by: 0.005}"


@dataclass(frozen=True)
class Claim:
    """A claim whose sides are known levels of its sweep."""

    rule: Rule
    sides: dict[KeyPath, tuple[int, ...]]
    """The path of each selection, such as ("all", 0, "better"), and the numbers of the levels that it means."""
    draft: Draft
    name: str
    """What to call the file in messages."""

    @property
    def singles(self) -> list[tuple[KeyPath, Single]]:
        """The rules about one metric, with their paths."""
        return singles_of(self.rule)

    def measures(self, plan: Plan) -> list[Measure]:
        """The metric of each of them. Raises InputError for one that no run will have."""
        found, problems = [], []
        for path, rule in self.singles:
            try:
                found.append(_measure(rule.metric, plan))
            except InputError as error:
                problems.append(_problem((*path, "metric"), str(error)))
        if problems:
            raise report(problems, self.draft, self.name)
        return found

    def judge(self, plan: Plan, shelf: Shelf) -> Judged:
        """What the runs of the plan say of it."""
        runs = _Runs(plan, shelf)
        parts = []
        for (path, rule), measure in zip(self.singles, self.measures(plan), strict=True):
            sides = [runs.of(self.sides[*path, name], measure.name) for name in rule.sides]
            parts.append(rule.judge(sides, measure))
        return self.rule.judge(parts) if isinstance(self.rule, All) else parts[0]

    def tested(self, plan: Plan) -> list[str]:
        """The metrics of the test split that it looks at."""
        return list(dict.fromkeys(m.name for m in self.measures(plan) if m.name.startswith("test_")))


def singles_of(rule: Rule) -> list[tuple[KeyPath, Single]]:
    """The rules about one metric that a rule consists of."""
    if isinstance(rule, All):
        return [(("all", i), part) for i, part in enumerate(rule.all)]
    assert isinstance(rule, Single)
    return [((), rule)]


# -- reading ---------------------------------------------------------------------------------------


def read_claim(data: Any, levels: Sequence[Level], draft: Draft, name: str) -> Claim:
    """The claim that stands at the key `claim`. Raises InputError with every problem at its place."""
    problems: list[Problem] = []
    rule = _rule(data, (), problems)
    sides: dict[KeyPath, tuple[int, ...]] = {}
    if rule is not None and not problems:
        for path, single in singles_of(rule):
            for key, selection in single.sides.items():
                found = _select(selection, (*path, key), levels, problems)
                sides[*path, key] = found
            chosen = [sides[*path, key] for key in single.sides]
            both = sorted(set.intersection(*map(set, chosen))) if len(chosen) > 1 else []
            if both:
                text = f"the two sides must not share a level, and both hold {levels[both[0]]}"
                problems.append(_problem((*path, single.key), text))
    if problems or rule is None:
        raise report(problems, draft, name)
    return Claim(rule, sides, draft, name)


def _problem(path: KeyPath, message: str, hint: str = "", at_key: bool = False) -> Problem:
    keys = ("claim", *path)
    return Problem(".".join(map(str, keys)), message, hint, at_key, keys)


def _rule(data: Any, path: KeyPath, problems: list[Problem]) -> Rule | None:
    """A rule; None where something is wrong with it, which is added to the problems."""
    known = rules() if not path else rules(Single)
    words = ", ".join(known)
    if not isinstance(data, dict):
        found = "null" if data is None else repr(data)
        problems.append(_problem(path, f"must be keys and values {EXAMPLE}; found {found}"))
        return None
    named = [key for key in known if key in data]
    if len(named) != 1:
        if path and "all" in data:
            problems.append(_problem((*path, "all"), "claims inside 'all' are about one metric each", at_key=True))
            return None
        guess = next((hint for key in data if not named and (hint := nearest(key, known))), None)
        what = f"says {' and '.join(named)}" if named else "says no rule"
        hint = f"did you mean '{guess}'?" if guess else ""
        problems.append(_problem(path, f"{what}; give one of {words}, {EXAMPLE}", hint))
        return None
    [key] = named
    cls, before = known[key], len(problems)
    if cls is All:
        if not isinstance(data["all"], list) or len(data["all"]) < 2:
            problems.append(_problem(("all",), "must be a list of two claims or more, each about one metric"))
            return None
        parts = [_rule(part, (*path, "all", i), problems) for i, part in enumerate(data["all"])]
        if len(problems) > before:
            return None
        data = {**data, "all": tuple(parts)}
    holder = create_model("Holder", __base__=Settings, claim=(cls, ...))
    try:
        return holder.model_validate({"claim": data}).claim  # type: ignore[attr-defined]
    except ValidationError as error:
        for one in problems_of(error, {"claim": data}, holder):
            keys = ("claim", *path, *(one.keys or ("claim",))[1:])
            problems.append(replace(one, path=".".join(map(str, keys)), keys=keys))
        return None


def _select(
    selection: Mapping[str, Any], path: KeyPath, levels: Sequence[Level], problems: list[Problem]
) -> tuple[int, ...]:
    """The numbers of the levels that a selection means; none where it means nothing, which is told."""
    varied = list(dict.fromkeys(unnamed(key) for level in levels for key in (*level.of_case, *level.combination)))
    varied += ["case"] if any(level.case is not None for level in levels) else []
    before = len(problems)
    for key, wanted in selection.items():
        plain = unnamed(key)
        at = (*path, key) if len(path) and not (key == "case" and len(selection) == 1) else path
        if key == "case" and "case" not in varied:
            text = f"'{wanted}' would be the name of a case, and the sweep has none; say swept keys and their values"
            problems.append(_problem(at, f"{text}, such as {{optimizer: adam}}"))
        elif not any(_related(plain, one) for one in varied):
            listed = ", ".join(varied) or "nothing"
            guess = did_you_mean(key, varied)
            problems.append(_problem(at, f"the sweep does not vary '{key}'{guess} (it varies {listed})", at_key=True))
        elif not any(_has(level, plain, wanted) for level in levels):
            there = list(dict.fromkeys(_word(plain, level, wanted) for level in levels))
            guess = did_you_mean(number(wanted), there)
            listed = ", ".join(there[:8]) + (f" and {len(there) - 8} more" if len(there) > 8 else "")
            problems.append(_problem(at, f"no level has {key} {number(wanted)}{guess} (there is {listed})"))
    found = [i for i, level in enumerate(levels) if all(_has(level, unnamed(k), v) for k, v in selection.items())]
    if not found and len(problems) == before:
        problems.append(_problem(path, f"no level has all of {said(selection)}"))
    return tuple(found)


def _related(key: str, varied: str) -> bool:
    return key == varied or key.startswith(f"{varied}.") or varied.startswith(f"{key}.")


def _word(key: str, level: Level, wanted: Any) -> str:
    """What a level has at a key, in the form in which it is wanted: a component in full, or by its name."""
    have = level.case if key == "case" else level.lookup(key)
    return number(have) if isinstance(wanted, dict) else ", ".join(map(number, _names(key, have))) or "none"


def _has(level: Level, key: str, wanted: Any) -> bool:
    """Whether a level has a value at a key; of a component the fields that are named count."""
    if key == "case":
        return level.case == wanted
    have = level.lookup(key)
    if isinstance(wanted, dict):
        named = "name" not in wanted or _names(key, have) == _names(key, wanted)
        return named and all(_has(level, f"{key}.{k}", v) for k, v in wanted.items() if k != "name")
    if isinstance(wanted, list) and any(isinstance(one, dict) for one in wanted):
        return _listed(have) == wanted
    return _names(key, have) == _names(key, wanted)


def _names(key: str, value: Any) -> list[Any]:
    return [] if value is None or value == "none" else names_of(key, value)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


# -- judging ---------------------------------------------------------------------------------------


def _measure(word: str | None, plan: Plan) -> Measure:
    """The metric that a word means. Raises InputError."""
    if word in QUANTITIES:
        return Measure(word, higher=False)
    if word is None:
        name = plan.judged_by(None)
    else:
        try:
            name = named_metric(word, list(plan.metrics))
        except InputError:
            listed = ", ".join([*plan.metrics, *QUANTITIES])
            plain = [name for known in plan.metrics for name in (known.partition("_")[2], known)]
            guess = did_you_mean(word, [*plain, *QUANTITIES])
            raise InputError(f"no run will have '{word}'{guess} (there is {listed})") from None
    return Measure(name, plan.metrics[name], plan.chance.get(name))


class _Runs:
    """The runs of a plan as a claim looks at them."""

    def __init__(self, plan: Plan, shelf: Shelf):
        self._seeds = plan.sweep.seeds
        self._jobs: dict[tuple[int, int], Job] = {(job.trial.level, job.trial.seed): job for job in plan.jobs}
        self._found = {run.brief.fingerprint: run for run in shelf.runs} | shelf.ended()

    def of(self, levels: Sequence[int], metric: str) -> dict[Hashable, list[Reading]]:
        """What the runs of these levels have, by seed and data; a run that is not there is told."""
        found: dict[Hashable, list[Reading]] = {}
        for level in levels:
            for seed in self._seeds:
                job = self._jobs.get((level, seed))
                run = None if job is None else self._found.get(job.fingerprint)
                reading = _read(run, metric)
                found.setdefault((seed, run.brief.data if run is not None else None), []).append(reading)
        return found


def _read(run: Run | None, metric: str) -> Reading:
    if run is None or run.status not in ("finished", "diverged", "failed"):
        return Reading(None, "missing")
    value = getattr(run.brief, QUANTITIES[metric]) if metric in QUANTITIES else run.final.get(metric)
    if run.status != "finished" or value is None or value - value != 0:
        return Reading(None, "failed")
    capped = metric in ("seconds", "epochs", "steps") and _never_arrived(run)
    return Reading(float(value), "capped" if capped else "measured")


def _never_arrived(run: Run) -> bool:
    """Whether a run ended without reaching its target."""
    has_target = run.brief.setting.config.get("stop.target.metric") is not None
    return has_target and "not reached: " in str(run.record.get("reason"))


# -- what was stated, and when ---------------------------------------------------------------------


def state(course: Course, identity: Identity, shelf: Shelf) -> Statement:
    """The statement of a sweep's claim; it is not written. Raises InputError where an earlier one is damaged."""
    sweep = course.sweep
    assert sweep.claim is not None
    sample = sorted({job.fingerprint for job in course.sample})
    described = {key: value for key, value in sweep.spec.items() if key not in ("claim", "limits")}
    claim, plan = _digest(sweep.claim.rule.plain()), _digest([described, sample])
    digest = _digest([claim, plan])
    folders = {identity.folder(replace(course.first, part=part)) for part in (course.first.part, "")}
    statements = [one for folder in sorted(folders) for one in stated_in(folder / CLAIM)]
    statements = list({one["hash"]: one for one in reversed(statements)}.values())
    statements.sort(key=lambda one: str(one["stated"]))
    written = any(one["hash"] == digest for one in statements)
    if not written:
        mine = {*sample, *(key for record in shelf.sweeps if record.path in folders for key in record.cases)}
        there = sum(run.brief.fingerprint in mine for run in shelf.runs)
        seen = any("judged" in one for one in statements)
        told = {
            "claim": claim,
            "plan": plan,
            "runs_there": there,
            "after_verdict": seen,
            "said": sweep.claim.rule.plain(),
        }
        statements.append({"hash": digest, "stated": now(), **told})
    statement = Statement(identity.folder(course.first) / CLAIM, statements, digest, written)
    statement.current.update(text=sweep.claim.rule.text, source=sweep.claim.rule.source)  # as they are worded now
    return statement


def _digest(plain: Any) -> str:
    text = json.dumps(plain, sort_keys=True, default=list)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
