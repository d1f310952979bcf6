"""From one description to all its runs: grids, zipped lists, named cases, ranges and seeds. Nothing is ever capped."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import BeforeValidator, Field, ValidationError

from nnexp.components.base import Component, Count, Settings, families, members
from nnexp.config.draft import Draft, refusal, unnamed
from nnexp.config.load import SWEEP_KEYS, Loaded, list_keys, slug, validate
from nnexp.config.problems import inner_fields, problems_of, report, together
from nnexp.config.schema import BARE_NUMBERS, ExperimentConfig, RunName
from nnexp.config.yaml import KeyPath, Place, Tree
from nnexp.errors import InputError, did_you_mean
from nnexp.report.standing import name_of
from nnexp.sweep.limits import Limits
from nnexp.sweep.search import AnyStrategy, RandomSearch, Sampling, Strategy
from nnexp.sweep.space import KINDS, Axis, ChoiceRange, Space, looks_like_range, names_of, read_ranges
from nnexp.sweep.words import command_line

if TYPE_CHECKING:
    from nnexp.sweep.claims import Claim
    from nnexp.sweep.settle import Settling

TUNING_SEEDS = 1_000_000
"""Seeds of tuning trials begin here, where those of a comparison do not come."""
PROBES = 20
"""Random points that are validated of a search whose points are not known in advance."""
MOST_TOLD = 3
"""Trials of a search whose problems are told; the others have the same."""


def _seed_list(value: Any) -> Any:
    if isinstance(value, list) and value:
        if any(value.count(seed) > 1 for seed in value):
            raise ValueError("must not hold the same seed twice")
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be the number of seeds, or a list of them such as [0, 1, 2]")
    return tuple(range(value))


Values = Annotated[list[Any], Field(min_length=1)]
AnyRange: Any = Union[tuple(KINDS.values())]  # noqa: UP007 (the members are computed)
AnyRanges = Annotated[Any, BeforeValidator(lambda value: value, json_schema_input_type=AnyRange | list[AnyRange])]
"""For the JSON Schema: what is wrong with a range is told by `read_ranges`."""


class Tuning(Settings):
    """What `tune` says, beside a range for each key that it tunes."""

    budget: Count = Field(description="trials for each level of the comparison")
    seeds: Count = Field(1, description="seeds of each trial, apart from those of the comparison")
    search: AnyStrategy = Field(RandomSearch(), description="how the trials are chosen")


class SweepSpec(Settings):
    """What a sweep's YAML file may say, beside the keys of an experiment, which hold for all its runs."""

    name: RunName = Field("sweep", description="the sweep's name; the file's name where not given")
    base: str | None = Field(None, description="the configuration that the runs change")
    grid: dict[str, Values] = Field(default_factory=dict, description="dotted keys to lists: every combination")
    zip: dict[str, Values] = Field(default_factory=dict, description="dotted keys to lists that go in step")
    cases: dict[str, dict[str, Any]] = Field(default_factory=dict, description="named sets of dotted keys to values")
    space: dict[str, AnyRanges] = Field(
        default_factory=dict, description="dotted keys to ranges, or to lists of ranges with conditions: see search"
    )
    search: AnyStrategy | None = Field(None, description="how points of the space are chosen; null: no search")
    trials: Count | None = Field(None, description="points of the space that are tried in each combination of the rest")
    tune: Tuning | None = Field(
        None, description="keys to ranges, and a budget: tune these in each combination, then compare at the best"
    )
    metric: str | None = Field(
        None, description="what a search judges by; null: the first validation metric, as nnexp compare does"
    )
    direction: Literal["maximize", "minimize"] | None = Field(
        None, description="whether the metric is to be large; null: as the metric itself says"
    )
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63)], ...],
        BeforeValidator(_seed_list, json_schema_input_type=int | list[int]),
    ] = Field((0,), strict=False, description="a number of seeds from 0 on, or a list of them")
    limits: Limits = Field(Limits(), description="what a run may need at most")
    claim: Any = Field(None, description="what is claimed of the runs before they are run, and judged by them")


@dataclass(frozen=True)
class Trial:
    """One run of a sweep: its validated configuration and what sets it apart."""

    loaded: Loaded
    changes: dict[str, Any]
    """Dotted keys to values, in the order of the description."""
    case: str | None
    seed: int
    level: int = 0
    """Which combination of grid and cases it belongs to."""
    point: int | None = None
    """Which trial of a search it is, from 0."""

    @property
    def label(self) -> str:
        """What differs, for the run folder's name."""
        parts = [f"{k.removesuffix('.name').rsplit('.', 1)[-1]}-{_word(v)}" for k, v in self.changes.items()]
        return slug("-".join(([self.case] if self.case else []) + parts)) if parts or self.case else ""

    @property
    def called(self) -> str:
        """What it is called in messages."""
        return name_of(self.label, self.seed)


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return "-".join([str(value.get("name", ""))] + [f"{k}-{v}" for k, v in value.items() if k != "name"]).strip("-")
    if isinstance(value, list):
        return "x".join(_word(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Search:
    """Points of a space to try in every level."""

    strategy: Strategy
    space: Space
    trials: int
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """One combination of grid and cases: what a comparison compares."""

    number: int
    base: Draft
    source: str
    """What to call the input in messages."""
    fixed: dict[str, Tree]
    """What holds in all levels."""
    case: str | None
    of_case: dict[str, Tree]
    combination: dict[str, Tree]

    @cached_property
    def _own(self) -> dict[str, Any]:
        draft = self.base.copy()
        draft.assign_all((self.fixed | self.of_case | self.combination).items(), list_keys())
        return draft.data

    def lookup(self, key: str) -> Any:
        """What this level has at a dotted key."""
        return value_at(self._own, key)

    def __str__(self) -> str:
        parts = [f"{_short(key)} {_word(tree.data)}" for key, tree in self.combination.items()]
        return ", ".join(([self.case] if self.case else []) + parts)

    def runs(
        self, seeds: Iterable[int], values: Mapping[str, Any], space: Space | None, point: int | None = None
    ) -> list[Trial]:
        """A run for each seed, at these values of the keys of a space. Raises InputError with every problem."""
        drawn: dict[str, Tree] = {}
        for key, value in values.items():
            assert space is not None
            place = space.axis_of(key, dict(values), self.lookup).source
            drawn[key] = Tree(value, {(): place}, {(): place})
        changes = self.combination | drawn
        draft = self.base.copy()
        draft.assign_all((self.fixed | self.of_case | changes).items(), list_keys())
        if self.case is not None:
            draft.data["name"] = slug(f"{self.base.data['name']}-{self.case}")
        draft.data["threads"] = 1
        plain = {key: tree.data for key, tree in changes.items()}
        found = []
        for seed in seeds:
            seeded = draft.copy()
            seeded.data["seed"] = seed
            found.append(Trial(validate(seeded, self.source), plain, self.case, seed, self.number, point))
        return found


def value_at(data: Any, key: str) -> Any:
    """What a draft's data say at a dotted key, with the defaults of components and keys; None for nothing."""
    top, *parts = unnamed(key).split(".")
    field = ExperimentConfig.model_fields.get(top)
    value = data.get(top, field.default if field is not None else None)
    if top in BARE_NUMBERS and isinstance(value, int):
        value = {BARE_NUMBERS[top]: value}
    family = families().get(top)
    for part in parts:
        if isinstance(value, list | tuple):
            value = next((one for one in value if names_of(top, one) == [part]), None)
            continue
        if isinstance(value, Settings):
            value = getattr(value, part, None)
            continue
        holder = value if isinstance(value, dict) else {"name": value}
        if part in holder:
            value = holder[part]
            continue
        [name] = names_of(top, value)
        member = members(family).get(name) if family is not None else type(field.default) if field else None
        inner = member.model_fields.get(part) if member is not None else None
        value = inner.get_default(call_default_factory=True) if inner is not None else None
    if isinstance(value, Component):
        return value.label()
    return [one.label() if isinstance(one, Component) else one for one in value] if isinstance(value, tuple) else value


def _short(key: str) -> str:
    return unnamed(key).rsplit(".", 1)[-1]


@dataclass(frozen=True)
class Sweep:
    """A sweep, expanded and validated."""

    name: str
    spec: dict[str, Any]
    """The description in plain data: base file's content, grid, zip, cases, seeds, and what a search has."""
    trials: list[Trial]
    """The runs that are known in advance: all but those of a search that goes by results."""
    levels: list[Level]
    seeds: tuple[int, ...]
    search: Search | None = None
    tune: Search | None = None
    metric: str | None = None
    direction: str | None = None
    limits: Limits = field(default_factory=Limits)
    settling: Settling | None = None
    """The rule by which seeds are added until it is known; None: the seeds are those."""
    claim: Claim | None = None
    """What is claimed of the runs."""
    measures: bool = False
    """Whether the runs measure a configuration, as those of `nnexp calibrate` and `variance`, and compare nothing."""

    @property
    def by_results(self) -> str:
        """What chooses runs by what came out before, in a word; nothing where all are known in advance."""
        if self.settling is not None:
            return "--until-settled"
        if self.tune is not None:
            return "tune"
        return self.search.strategy.label if self.search is not None and self.search.strategy.by_results else ""


Confirm = Callable[[int, Callable[[], Trial]], None]
"""Asks whether so many runs are meant; the function makes the first of them."""


def read_sweep(
    path: Path,
    overrides: Sequence[str] = (),
    seeds: int | None = None,
    options: Mapping[str, Any] | None = None,
    confirm: Confirm = lambda count, first: None,
) -> Sweep:
    """A sweep from a YAML file (of a sweep, or of one experiment) and overrides such as `optimizer=sgd,adam`.

    `options` are keys of the file that the command line sets: search, trials, metric, and `tune` for its budget.
    `confirm` is asked before anything is expanded. Raises InputError with every problem of every run.
    """
    draft = Draft.from_file(path)
    given: dict[str, Any] = {}
    for key in SWEEP_KEYS:
        if key in draft.data:
            given[key] = draft.data.pop(key)
    if draft.data.get("base") is None:
        draft.data.pop("base", None)
    own, own_zips, own_axes = command_line(overrides)
    if len(own.get("name", ())) == 1:
        draft.assign("name", own.pop("name")[0])
    taken = {*own, *(key for group in own_zips for key in group), *(axis.key for axis in own_axes)}
    _from_options(draft, given, options or {})
    axes, tuned = _axes_in_file(draft, given, taken)
    try:
        spec = SweepSpec.model_validate({"name": draft.data.get("name", slug(path.stem)), **given})
    except ValidationError as error:
        raise report(problems_of(error, given, SweepSpec), draft, str(path)) from None
    limits = _limits(own, spec.limits)
    draft.data["name"] = spec.name
    grid = {
        key: [_in_file(value, draft, ("grid", key, i), ("grid", key)) for i, value in enumerate(values)]
        for key, values in spec.grid.items()
        if key not in taken
    }
    in_step = {
        key: [_in_file(v, draft, ("zip", key, i), ("zip", key)) for i, v in enumerate(vs)]
        for key, vs in spec.zip.items()
        if key not in taken
    }
    cases = {
        name: {
            key: _in_file(v, draft, ("cases", name, key), ("cases", name, key))
            for key, v in changes.items()
            if key not in taken
        }
        for name, changes in spec.cases.items()
    }
    (tuned if spec.tune is not None else axes).extend(own_axes)
    _each_once(own, own_zips, grid, in_step, cases, axes + tuned)
    fixed = {key: values[0] for key, values in own.items() if len(values) == 1}
    grid |= {key: values for key, values in own.items() if key not in fixed}
    zipped = [group for group in (in_step, *own_zips) if group]
    for group in zipped:
        lengths = {key: len(values) for key, values in group.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{key} has {n}" for key, n in lengths.items())
            raise _refusal(next(iter(group.values())), f"zip: lists that go in step must be equally long; {listed}")
    chosen = tuple(range(seeds)) if seeds is not None else spec.seeds
    if seeds is None and "seeds" not in given and "seed" in draft.data:
        chosen = (draft.data["seed"],)
    search, tune = _searches(spec, axes, tuned, chosen, draft)
    count = (
        max(len(cases), 1) * math.prod(map(len, grid.values())) * math.prod(len(next(iter(g.values()))) for g in zipped)
    )
    levels = _levels(draft, str(path), fixed, grid, zipped, cases)
    looking = search or tune
    tried = looking.trials * len(looking.seeds) if looking is not None else 0
    confirm(
        count * (tried + len(chosen) if tune else tried if search else len(chosen)),
        lambda: _first(levels, looking, chosen),
    )
    known = list(_levels(draft, str(path), fixed, grid, zipped, cases))
    if looking is not None:
        _check_conditions(looking.space, known, taken)
    claim = _claim(given, search is not None, known, draft, str(path))
    trials = expand(known, looking, looking.seeds if looking is not None else chosen, str(path))
    plain: dict[str, Any] = {
        "name": spec.name,
        "base": draft.data,
        "grid": {
            key: [tree.data for tree in trees] for key, trees in [*grid.items(), *((k, [t]) for k, t in fixed.items())]
        },
        "zip": [{key: [tree.data for tree in trees] for key, trees in group.items()} for group in zipped],
        "cases": {name: {key: tree.data for key, tree in changes.items()} for name, changes in cases.items()},
        "seeds": list(chosen),
        "limits": limits.model_dump(),
    }
    if looking is not None:
        plain |= _described(looking, "search" if search else "tune", spec)
    if claim is not None:
        plain["claim"] = spec.claim
    found = (spec.name, plain, trials, known, chosen, search, tune, spec.metric, spec.direction, limits)
    return Sweep(*found, claim=claim)


def _claim(
    given: Mapping[str, Any], searched: bool, levels: Sequence[Level], draft: Draft, source: str
) -> Claim | None:
    """What is claimed of these levels; None where nothing is. Raises InputError."""
    if given.get("claim") is None:
        return None
    if searched:
        place = draft.place(("claim",), at_key=True) or Place("the sweep")
        raise refusal(
            place,
            "claim",
            "it is about the levels of a grid or of cases, and 'search' tries points; with 'tune' "
            "each level is tuned first",
        )
    from nnexp.sweep.claims import read_claim

    return read_claim(given["claim"], levels, draft, source)


def _limits(own: dict[str, list[Tree]], given: Limits) -> Limits:
    """The file's limits under those of the command line, such as `limits.seconds=60`, which are taken out of `own`."""
    for key in [key for key in own if key.startswith("limits.")]:
        values, name = [tree.data for tree in own.pop(key)], key.removeprefix("limits.")
        if len(values) > 1:
            raise InputError(f"command line: {key}: a limit is one number for all runs")
        try:
            given = Limits.model_validate({**given.model_dump(), name: values[0]})
        except ValidationError as error:
            first = error.errors()[0]
            if first["type"] == "extra_forbidden":
                raise InputError(
                    f"command line: '{key}' is no limit{did_you_mean(name, list(Limits.model_fields))}; "
                    f"one of {', '.join(Limits.model_fields)}"
                ) from None
            raise InputError(f"command line: {key}={values[0]}: must be a number > 0") from None
    return given


def _axes_in_file(draft: Draft, given: dict[str, Any], taken: set[str]) -> tuple[list[Axis], list[Axis]]:
    """The ranges of `space` and those of `tune`, which are taken out of it. Raises InputError.

    Ranges at dotted keys of their own count as those of the one that is there.
    """
    found: dict[str, list[Axis]] = {"space": [], "tune": []}
    errors: list[InputError] = []
    places: list[tuple[str, KeyPath, Any]] = []
    dotted = [key for key, value in draft.data.items() if "." in key and looks_like_range(value)]
    places += [("tune" if "tune" in given else "space", (key,), draft.data.pop(key)) for key in dotted]
    if isinstance(given.get("space"), dict):
        places += [("space", ("space", key), value) for key, value in given["space"].items()]
    if isinstance(given.get("tune"), dict):
        ranges = {k: v for k, v in given["tune"].items() if "." in k or looks_like_range(v)}
        places += [("tune", ("tune", key), value) for key, value in ranges.items()]
        given["tune"] = {key: value for key, value in given["tune"].items() if key not in ranges}
    for kind, path, value in places:
        key = str(path[-1])
        place = draft.place(path) or Place("the sweep")
        if key in taken:
            continue
        try:
            found[kind] += [Axis(key, one, place) for one in read_ranges(value)]
        except ValueError as error:
            errors.append(refusal(place, ".".join(map(str, path)), str(error)))
    if errors:
        raise together(errors, place.source)
    for path in _ranges_inside(draft.data, ()):
        key = ".".join(map(str, path))
        place = draft.place(path) or Place("the sweep")
        raise refusal(place, key, f"a range has no place inside a component; write space: {{{key}: ...}}")
    return found["space"], found["tune"]


def _ranges_inside(data: Any, path: KeyPath) -> Iterator[KeyPath]:
    """Where ranges stand inside an experiment's own keys."""
    for key, value in data.items() if isinstance(data, dict) else ():
        words = value.keys() - {"name"} if isinstance(value, dict) else set()  # a default name may have been added
        if words and KINDS.keys() | {"when"} >= words:
            yield (*path, key)
        else:
            yield from _ranges_inside(value, (*path, key))


def _from_options(draft: Draft, given: dict[str, Any], options: Mapping[str, Any]) -> None:
    """Keys that the command line sets stand over those of the file."""
    tuned = given["tune"] if isinstance(given.get("tune"), dict) else {}
    for key, value in options.items():
        if value is None:
            continue
        if key == "tune":
            given["tune"] = tuned = {**tuned, "budget": value}
        elif key == "search" and (tuned or options.get("tune") is not None):
            given["tune"] = tuned = {**tuned, "search": value}
        else:
            given[key] = value
        place = Place("command line", text=(f"--{key} {value}",))
        draft.keys[(key,)] = draft.values[(key,)] = place


def _searches(
    spec: SweepSpec, axes: list[Axis], tuned: list[Axis], seeds: tuple[int, ...], draft: Draft
) -> tuple[Search | None, Search | None]:
    """What is searched, or tuned. Raises InputError for one without the other of what it needs."""

    def refuse(key: str, message: str) -> InputError:
        return refusal(draft.place((key,), at_key=True) or Place("the sweep"), key, message)

    if spec.metric is not None and spec.metric.startswith("test_"):
        raise refuse("metric", f"test scores are not for choosing; say validation_{spec.metric.removeprefix('test_')}")
    if spec.tune is not None:
        for key in ("search", "trials"):
            if getattr(spec, key) is not None:
                raise refuse(key, "a sweep searches or tunes; 'tune' has a search and a budget of its own")
        if axes:
            raise refusal(axes[0].source, "", f"'{axes[0].key}' is searched and 'tune' is there; put it under 'tune'")
        if not tuned:
            raise refuse("tune", "there is nothing to tune; give it a range, such as optimizer.lr: {log: [1e-4, 1]}")
    elif axes and spec.search is None:
        raise refusal(
            axes[0].source,
            "",
            f"the range of '{axes[0].key}' needs a search, such as 'search: random' with 'trials: 20' "
            "(--search random --trials 20), or a budget to tune it (--tune 20)",
        )
    elif not axes:
        for key in ("search", "trials", "direction"):
            if getattr(spec, key) is not None:
                raise refuse(key, "there is nothing to search; say space: {optimizer.lr: {log: [1e-4, 1]}}, or a grid")
    elif spec.trials is None:
        raise refuse("search", "how many trials? say for example 'trials: 20'")
    strategy = spec.tune.search if spec.tune is not None else spec.search
    if strategy is not None:
        strategy.require()
    if not axes and not tuned:
        return None, None
    try:
        space = Space(axes or tuned)
    except ValueError as error:
        raise refusal((axes or tuned)[0].source, "", str(error)) from None
    if spec.tune is not None:
        apart = (seed for seed in itertools.count(TUNING_SEEDS) if seed not in seeds)
        own = tuple(itertools.islice(apart, spec.tune.seeds))
        return None, Search(spec.tune.search, space, spec.tune.budget, own)
    assert spec.search is not None
    assert spec.trials is not None
    return Search(spec.search, space, spec.trials, seeds), None


def _check_conditions(space: Space, levels: Sequence[Level], taken: Iterable[str]) -> None:
    """Raises InputError for a condition on a key that is not there, or on a value that it never has.

    Keys that the command line sets, `taken`, may leave ranges of the file without use.
    """
    narrowed = {unnamed(key) for key in taken}
    known = [*ExperimentConfig.model_fields, *inner_fields(ExperimentConfig)]
    for axis in space.axes:
        for key, wanted in axis.range.when.items():
            where = f"{axis.key}: when"
            if key not in known and key.split(".")[0] not in list_keys():
                raise refusal(axis.source, where, f"there is no key '{key}'{did_you_mean(key, known)}")
            searched = [other.range for other in space.axes if unnamed(other.key) == key]
            if any(not isinstance(one, ChoiceRange) for one in searched):
                raise refusal(
                    axis.source, where, f"'{key}' is drawn from a range of numbers; a condition needs a choice"
                )
            values = [v for one in searched if isinstance(one, ChoiceRange) for v in one.values]
            values = values or [level.lookup(key) for level in levels]
            possible = list(dict.fromkeys(_word(name) for value in values for name in names_of(key, value)))
            for word in (_word(name) for value in wanted for name in names_of(key, value)):
                if word not in possible and key not in narrowed:
                    guess = did_you_mean(word, possible)
                    listed = " or ".join(possible[:6]) or "nothing"
                    raise refusal(axis.source, where, f"{key} is never {word}, but {listed}{guess}")


def expand(levels: Iterable[Level], search: Search | None, seeds: Sequence[int], source: str) -> list[Trial]:
    """Every level, with every point of a search that is known in advance, and for each all seeds.

    Of a search that goes by results nothing is known, but random points are tried, so that what is wrong is told
    before anything is trained. Raises InputError with all problems at once.
    """
    errors: list[InputError] = []
    found: list[Trial] = []
    for level in levels:
        points: list[dict[str, Any]] = [{}]
        try:
            if search is not None:
                points = known_points(search, level)
        except InputError as error:
            errors.append(error)
            continue
        told = 0
        for number, point in enumerate(points):
            try:
                if search is None:
                    found += level.runs(seeds, {}, None)
                else:
                    found += level.runs(search.seeds, point, search.space, number)
            except InputError as error:
                errors.append(error)
                told += 1
                if told == MOST_TOLD:
                    break
    if errors:
        raise together(errors, source)
    return found if search is None or isinstance(search.strategy, Sampling) else []


def known_points(search: Search, level: Level) -> list[dict[str, Any]]:
    """The points of a search that are known in advance; of one that goes by results, some that might come.

    Raises InputError.
    """
    known = search.strategy if isinstance(search.strategy, Sampling) else RandomSearch()
    count = search.trials if known is search.strategy else min(search.trials, PROBES)
    try:
        return known.points(search.space, level.lookup, count)
    except ValueError as error:
        if known is not search.strategy:
            return []
        raise refusal(search.space.axes[0].source, "", str(error)) from None


def _described(search: Search, kind: str, spec: SweepSpec) -> dict[str, Any]:
    """A search in plain data, as sweep.yaml keeps it."""
    ranges: dict[str, list[Any]] = {}
    for axis in search.space.axes:
        one = axis.range.model_dump(by_alias=True, exclude_defaults=True)
        ranges.setdefault(axis.key, []).append(_listed_tuples(one))
    strategy = {"name": search.strategy.label, **search.strategy.model_dump()}
    judged = {key: getattr(spec, key) for key in ("metric", "direction") if getattr(spec, key) is not None}
    if kind == "tune":
        return {"tune": {**ranges, "budget": search.trials, "seeds": list(search.seeds), "search": strategy}, **judged}
    return {"space": ranges, "search": strategy, "trials": search.trials, **judged}


def _listed_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed_tuples(inner) for key, inner in value.items()}
    return [_listed_tuples(inner) for inner in value] if isinstance(value, tuple | list) else value


def _refusal(trees: Sequence[Tree], message: str) -> InputError:
    """The error for a key of the description, at the place of the key that has these values."""
    place = trees[0].keys.get((), trees[0].values[()])
    return refusal(place, "", message)


def _each_once(
    own: dict[str, list[Tree]],
    own_zips: list[dict[str, list[Tree]]],
    grid: dict[str, list[Tree]],
    in_step: dict[str, list[Tree]],
    cases: dict[str, dict[str, Tree]],
    axes: Sequence[Axis],
) -> None:
    """Raises InputError where two parts of the description set the same value: one of them would silently not count.

    Only a single field on the command line stands over a component that the file spells out.
    """
    here = [("command line", key, values) for group in (own, *own_zips) for key, values in group.items()]
    there = [("grid", *item) for item in grid.items()] + [("zip", *item) for item in in_step.items()]
    searched: dict[str, list[Tree]] = {}
    for axis in axes:
        values = axis.range.values if isinstance(axis.range, ChoiceRange) else (None,)
        searched.setdefault(axis.key, []).extend(Tree(v, {(): axis.source}, {(): axis.source}) for v in values)
    there += [("a range", *item) for item in searched.items()]
    for case in cases or [None]:
        changes = {} if case is None else cases[case]
        parts = [*here, *there, *((f"case '{case}'", key, [tree]) for key, tree in changes.items())]
        for _, key, trees in parts:
            if key in ("seed", "seeds"):
                raise _refusal(trees, "'seed' is not part of a grid; say 'seeds: [1, 2, 3]' in the file, or --seeds N")
        for (where, key, trees), (other, inner, _) in itertools.permutations(parts, 2):
            rest = inner.removeprefix(f"{key}.")
            wins = other == "command line" != where
            same = unnamed(inner) == unnamed(key)
            if same or (rest != inner and not wins and any(_says(tree.data, key, rest) for tree in trees)):
                raise _refusal(
                    trees, f"'{key}' ({where}) and '{inner}' ({other}) set the same value; leave one of them out"
                )


def _says(value: Any, key: str, rest: str) -> bool:
    """Whether the value given to `key` sets the field `rest` below it, too."""
    if key in BARE_NUMBERS and isinstance(value, int):
        return rest == BARE_NUMBERS[key]
    for part in rest.split("."):
        if isinstance(value, list):
            value = next((one for one in value if isinstance(one, dict) and one.get("name") == part), None)
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return False
    return value is not None


def _in_file(value: Any, draft: Draft, path: KeyPath, key: KeyPath) -> Tree:
    """The value that stands at `path` under the dotted key at `key`, with the places of all that is in it."""
    keys, values = (
        {known[len(path) :]: place for known, place in places.items() if known[: len(path)] == path}
        for places in (draft.keys, draft.values)
    )
    return Tree(value, {**keys, (): draft.keys[key]}, values)


def _levels(
    draft: Draft,
    source: str,
    fixed: dict[str, Tree],
    grid: dict[str, list[Tree]],
    zipped: list[dict[str, list[Tree]]],
    cases: dict[str, dict[str, Tree]],
) -> Iterator[Level]:
    """Every case with every combination."""
    names: list[str | None] = list(cases) or [None]
    for number, (case, combination) in enumerate(itertools.product(names, _combinations(grid, zipped))):
        yield Level(number, draft, source, fixed, case, cases[case] if case is not None else {}, combination)


def _first(levels: Iterator[Level], search: Search | None, seeds: Sequence[int]) -> Trial:
    """The first run of all. Raises InputError."""
    level = next(levels)
    if search is None:
        return level.runs(seeds[:1], {}, None)[0]
    points = known_points(Search(search.strategy, search.space, 1, search.seeds), level)
    return level.runs(search.seeds[:1], points[0], search.space, 0)[0]


def _combinations(grid: dict[str, list[Tree]], zipped: list[dict[str, list[Tree]]]) -> Iterator[dict[str, Tree]]:
    axes: list[list[dict[str, Tree]]] = [[{key: tree} for tree in trees] for key, trees in grid.items()]
    for group in zipped:
        keys = list(group)
        axes.append([dict(zip(keys, values, strict=True)) for values in zip(*group.values(), strict=True)])
    for parts in itertools.product(*axes):
        merged: dict[str, Tree] = {}
        for part in parts:
            merged |= part
        yield merged
