"""From one description to all its runs: grids, zipped lists, named cases and seeds. Nothing is ever capped."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from nnexp.components.base import Settings
from nnexp.config.draft import Draft, refusal, split_outside_brackets, unnamed, value_tree
from nnexp.config.load import SWEEP_KEYS, Loaded, list_keys, slug, validate
from nnexp.config.problems import problems_of, report, together
from nnexp.config.schema import BARE_NUMBERS, RunName
from nnexp.config.yaml import KeyPath, Place, Tree, scalar
from nnexp.errors import InputError, did_you_mean
from nnexp.sweep.limits import Limits

MOST_VALUES = 100_000
"""Values that `range` and `logspace` may name: beyond it is a slip of the finger."""


def _seed_list(value: Any) -> Any:
    if isinstance(value, list) and value:
        if any(value.count(seed) > 1 for seed in value):
            raise ValueError("must not hold the same seed twice")
        return tuple(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError("must be the number of seeds, or a list of them such as [0, 1, 2]")
    return tuple(range(value))


Values = Annotated[list[Any], Field(min_length=1)]


class SweepSpec(Settings):
    """What a sweep's YAML file may say, beside the keys of an experiment, which hold for all its runs."""

    name: RunName = Field("sweep", description="the sweep's name; the file's name where not given")
    base: str | None = Field(None, description="the configuration that the runs change")
    grid: dict[str, Values] = Field(default_factory=dict, description="dotted keys to lists: every combination")
    zip: dict[str, Values] = Field(default_factory=dict, description="dotted keys to lists that go in step")
    cases: dict[str, dict[str, Any]] = Field(default_factory=dict, description="named sets of dotted keys to values")
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=2**63)], ...],
        BeforeValidator(_seed_list, json_schema_input_type=int | list[int]),
    ] = Field((0,), strict=False, description="a number of seeds from 0 on, or a list of them")
    limits: Limits = Field(Limits(), description="what a run may need at most")


@dataclass(frozen=True)
class Trial:
    """One run of a sweep: its validated configuration and what sets it apart."""

    loaded: Loaded
    changes: dict[str, Any]
    """Dotted keys to values, in the order of the description."""
    case: str | None
    seed: int

    @property
    def label(self) -> str:
        """What differs, for the run folder's name."""
        parts = [f"{k.removesuffix('.name').rsplit('.', 1)[-1]}-{_word(v)}" for k, v in self.changes.items()]
        return slug("-".join(([self.case] if self.case else []) + parts)) if parts or self.case else ""


def _word(value: Any) -> str:
    if isinstance(value, dict):
        return "-".join([str(value.get("name", ""))] + [f"{k}-{v}" for k, v in value.items() if k != "name"]).strip("-")
    if isinstance(value, list):
        return "x".join(_word(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Sweep:
    """A sweep, expanded and validated."""

    name: str
    spec: dict[str, Any]
    """The description in plain data: base file's content, grid, zip, cases, seeds."""
    trials: list[Trial]
    limits: Limits = field(default_factory=Limits)


def read_sweep(path: Path, overrides: Sequence[str] = (), seeds: int | None = None) -> Sweep:
    """A sweep from a YAML file (of a sweep, or of one experiment) and overrides such as `optimizer=sgd,adam`.

    Raises InputError with every problem of every run.
    """
    draft = Draft.from_file(path)
    given: dict[str, Any] = {}
    for key in SWEEP_KEYS:
        if key in draft.data:
            given[key] = draft.data.pop(key)
    if draft.data.get("base") is None:
        draft.data.pop("base", None)
    own, own_zips = _command_line(overrides)
    if len(own.get("name", ())) == 1:
        draft.assign("name", own.pop("name")[0])
    try:
        spec = SweepSpec.model_validate({"name": draft.data.get("name", slug(path.stem)), **given})
    except ValidationError as error:
        raise report(problems_of(error, given, SweepSpec), draft, str(path)) from None
    limits = _limits(own, spec.limits)
    draft.data["name"] = spec.name
    taken = {*own, *(key for group in own_zips for key in group)}
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
    _each_once(own, own_zips, grid, in_step, cases)
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
    trials = list(_trials(draft, str(path), fixed, grid, zipped, cases, chosen))
    plain = {
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
    return Sweep(spec.name, plain, trials, limits)


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


def _command_line(overrides: Sequence[str]) -> tuple[dict[str, list[Tree]], list[dict[str, list[Tree]]]]:
    """The lists of values that the overrides name, and those that go in step."""
    lists: dict[str, list[Tree]] = {}
    zips: list[dict[str, list[Tree]]] = []
    for text in overrides:
        if text.startswith("zip("):
            zips.append(_zip(text))
            continue
        key, values = _listed(text, text)
        if key in (*SWEEP_KEYS, "base"):
            raise InputError(
                f"command line: {text}: '{key}' belongs into the sweep's file"
                + (", or use --seeds N" if key == "seeds" else "")
            )
        if key in lists:
            raise InputError(f"command line: '{key}' is given twice")
        lists[key] = values
    return lists, zips


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
) -> None:
    """Raises InputError where two parts of the description set the same value: one of them would silently not count.

    Only a single field on the command line stands over a component that the file spells out.
    """
    here = [("command line", key, values) for group in (own, *own_zips) for key, values in group.items()]
    there = [("grid", *item) for item in grid.items()] + [("zip", *item) for item in in_step.items()]
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


def _trials(
    draft: Draft,
    name: str,
    fixed: dict[str, Tree],
    grid: dict[str, list[Tree]],
    zipped: list[dict[str, list[Tree]]],
    cases: dict[str, dict[str, Tree]],
    seeds: Sequence[int],
) -> Iterator[Trial]:
    """Every case with every combination, and for each all seeds. Raises InputError with all problems at once."""
    errors: list[InputError] = []
    found: list[Trial] = []
    names: list[str | None] = list(cases) or [None]
    for case, combination in itertools.product(names, _combinations(grid, zipped)):
        changes = fixed | (cases[case] if case is not None else {}) | combination
        trial = draft.copy()
        try:
            trial.assign_all(changes.items(), list_keys())
            if case is not None:
                trial.data["name"] = slug(f"{draft.data['name']}-{case}")
            trial.data["threads"] = 1
            for seed in seeds:
                seeded = trial.copy()
                seeded.data["seed"] = seed
                loaded = validate(seeded, name)
                found.append(Trial(loaded, {key: tree.data for key, tree in combination.items()}, case, seed))
        except InputError as error:
            errors.append(error)
    if errors:
        raise together(errors, name)
    yield from found


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


def _listed(part: str, text: str) -> tuple[str, list[Tree]]:
    """`optimizer.lr=0.1,0.01`, `=range(1,4)` or `=logspace(1e-4,1,5)` -> the key and its values.

    `text` is the whole argument that it is part of.
    """
    key, equals, value = (word.strip() for word in part.partition("="))
    if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*(\.[\w-]+)*", key):
        inside = "" if part == text else f"{text}: "
        raise InputError(f"command line: {inside}'{part}' is not KEY=VALUE,VALUE; for example optimizer=sgd,adam")
    place = Place("command line", text=(text,))
    call = re.match(r"(\w+)\((.*?)(\)?)$", value)
    if call:
        if call[1] not in ("range", "logspace"):
            guess = did_you_mean(call[1], ("range", "logspace"))
            raise InputError(f"command line: {text}: there is no {call[1]}(...){guess}")
        if not call[3] or "(" in call[2] or ")" in call[2]:
            raise InputError(f"command line: {text}: {call[1]}(...) is closed and stands alone")
        return key, [Tree(v, {}, {(): place}) for v in _series(text, call[1], call[2])]
    words = split_outside_brackets(value)
    if "" in words:
        what = "an empty value between commas" if len(words) > 1 else "no value; null is the default"
        raise InputError(f"command line: {text}: {what}")
    return key, [value_tree(word, text) for word in words]


def _series(text: str, kind: str, inside: str) -> list[int | float]:
    """The numbers of `range(start, stop, step)`, without stop as in Python, or `logspace(low, high, count)`."""
    numbers = [scalar(part) for part in split_outside_brackets(inside)]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise InputError(f"command line: {text}: {kind}(...) takes finite numbers")
    if kind == "logspace":
        if len(numbers) != 3 or not isinstance(numbers[2], int) or numbers[2] < 2 or min(numbers[:2]) <= 0:
            raise InputError(f"command line: {text}: write logspace(LOW,HIGH,COUNT) with positive bounds, COUNT >= 2")
        low, high, count = numbers
    else:
        if len(numbers) not in (1, 2, 3) or (len(numbers) == 3 and numbers[2] == 0):
            raise InputError(f"command line: {text}: write range(STOP), range(START,STOP) or range(START,STOP,STEP)")
        start, stop, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]
        count = math.ceil((stop - start) / step - 1e-9)
    if not 1 <= count <= MOST_VALUES:
        what = "is empty" if count < 1 else f"has {count:,} values, more than {MOST_VALUES:,}"
        raise InputError(f"command line: {text}: the {kind} {what}")
    if kind == "logspace":
        steps = [math.log10(low) + (math.log10(high) - math.log10(low)) * i / (count - 1) for i in range(count)]
        # 12 digits: 10**-3 comes out as 0.001 and the ends are the ends
        return [float(low), *(float(f"{10**step:.12g}") for step in steps[1:-1]), float(high)]
    whole = all(isinstance(n, int) for n in (start, step))
    return [start + i * step if whole else float(f"{start + i * step:.12g}") for i in range(count)]


def _zip(text: str) -> dict[str, list[Tree]]:
    """`zip(a=1,2 b=x,y)` -> lists that go in step."""
    if not text.endswith(")"):
        raise InputError(f"command line: {text}: zip( is not closed; write zip(a=1,2 b=x,y), in quotes for the shell")
    group: dict[str, list[Tree]] = {}
    for part in split_outside_brackets(text[len("zip(") : -1], " "):
        if part:
            key, values = _listed(part, text)
            if key in group:
                raise InputError(f"command line: {text}: '{key}' stands there twice")
            group[key] = values
    if not group:
        raise InputError(f"command line: {text}: nothing to zip; write zip(a=1,2 b=x,y)")
    return group
