"""A sweep expanded: its levels, every combination of grid and cases, and their trials. Nothing is ever capped."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nnexp.components.base import Component, Settings, families, members
from nnexp.config.draft import Draft, refusal, unnamed
from nnexp.config.load import Loaded, list_keys, slug, validate
from nnexp.config.problems import inner_fields, together
from nnexp.config.schema import BARE_NUMBERS, ExperimentConfig
from nnexp.config.yaml import Tree
from nnexp.errors import InputError, did_you_mean
from nnexp.report.standing import name_of
from nnexp.sweep.limits import Limits
from nnexp.sweep.search import RandomSearch, Sampling, Strategy
from nnexp.sweep.space import ChoiceRange, Space, names_of

if TYPE_CHECKING:
    from nnexp.sweep.claims import Claim
    from nnexp.sweep.settle import Settling

PROBES = 20
"""Random points that are validated of a search whose points are not known in advance."""
MOST_TOLD = 3
"""Trials of a search whose problems are told; the others have the same."""


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


def check_conditions(space: Space, levels: Sequence[Level], taken: Iterable[str]) -> None:
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


def every_level(
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


def first_trial(levels: Iterator[Level], search: Search | None, seeds: Sequence[int]) -> Trial:
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
