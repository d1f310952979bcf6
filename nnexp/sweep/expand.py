"""From one description to all its runs: grids, zipped lists, named cases and seeds. Nothing is ever capped."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from nnexp.components.base import Settings
from nnexp.config.draft import Draft, split_outside_brackets
from nnexp.config.load import SWEEP_KEYS, Loaded, list_keys, slug, validate
from nnexp.config.problems import explain, report
from nnexp.config.schema import RunName
from nnexp.config.yaml import Place, Tree, parse, scalar
from nnexp.errors import InputError, Problem

_CALL = re.compile(r"^(range|logspace)\((.*)\)$")


def _seed_list(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        return tuple(value) if isinstance(value, list) else value
    return tuple(range(value))


class SweepSpec(Settings):
    """What a sweep's YAML file may say, beside the keys of an experiment, which hold for all its runs."""

    name: RunName = Field("sweep", description="the sweep's name; the file's name where not given")
    base: str | None = Field(None, description="the configuration that the runs change")
    grid: dict[str, list[Any]] = Field(default_factory=dict, description="dotted keys to lists: every combination")
    zip: dict[str, list[Any]] = Field(default_factory=dict, description="dotted keys to lists that go in step")
    cases: dict[str, dict[str, Any]] = Field(default_factory=dict, description="named sets of dotted keys to values")
    seeds: Annotated[
        tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_seed_list, json_schema_input_type=int | list[int])
    ] = Field((0,), strict=False, min_length=1, description="a number of seeds from 0 on, or a list of them")


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
    default = slug(path.stem)
    try:
        spec = SweepSpec.model_validate({"name": draft.data.get("name", default), **given})
    except ValidationError as error:
        raise _spec_problems(error, given, draft, str(path)) from None
    draft.data["name"] = spec.name
    grid = {
        key: [_in_file(value, draft, ("grid", key, i)) for i, value in enumerate(values)]
        for key, values in spec.grid.items()
    }
    zipped = (
        [{key: [_in_file(v, draft, ("zip", key, i)) for i, v in enumerate(vs)] for key, vs in spec.zip.items()}]
        if spec.zip
        else []
    )
    for text in overrides:
        if text.startswith("zip("):
            zipped.append(_zip(text))
            continue
        key, values = _listed(text)
        if key in grid:
            grid.pop(key)
        if key in given or key in SWEEP_KEYS:
            raise InputError(
                f"command line: {text}: '{key}' belongs into the sweep's file"
                + (", or use --seeds N" if key == "seeds" else "")
            )
        grid[key] = values
    if "seed" in grid:
        raise InputError("'seed' is not part of a grid; say 'seeds: [1, 2, 3]' in the file, or --seeds N")
    fixed = {key: values[0] for key, values in grid.items() if len(values) == 1 and key not in spec.grid}
    grid = {key: values for key, values in grid.items() if key not in fixed}
    for key, values in grid.items():
        if not values:
            raise InputError(f"{path}: grid: '{key}' has no values")
    for group in zipped:
        lengths = {key: len(values) for key, values in group.items()}
        if len(set(lengths.values())) > 1:
            listed = ", ".join(f"{key} has {n}" for key, n in lengths.items())
            raise InputError(f"zip: lists that go in step must be equally long; {listed}")
    chosen = tuple(range(seeds)) if seeds is not None else spec.seeds
    if seeds is None and "seeds" not in given and "seed" in draft.data:
        chosen = (draft.data["seed"],)
    if len(set(chosen)) < len(chosen):
        raise InputError(f"{path}: seeds: the same seed stands there twice")
    for key, tree in sorted(fixed.items(), key=lambda item: item[0].count(".")):
        draft.assign(key, tree, list_keys())
    trials = list(_trials(draft, str(path), grid, zipped, spec.cases, chosen))
    plain = {
        "name": spec.name,
        "base": draft.data,
        "grid": {key: [tree.data for tree in trees] for key, trees in grid.items()},
        "zip": [{key: [tree.data for tree in trees] for key, trees in group.items()} for group in zipped],
        "cases": spec.cases,
        "seeds": list(chosen),
    }
    return Sweep(spec.name, plain, trials)


def _spec_problems(error: ValidationError, given: dict[str, Any], draft: Draft, name: str) -> InputError:
    problems = []
    for one in error.errors():
        path, message, hint, at_key = explain(dict(one), given, SweepSpec)
        problems.append(Problem(".".join(map(str, path)), message, hint, at_key))
    return report(problems, draft, name)


def _in_file(value: Any, draft: Draft, path: tuple) -> Tree:
    place = draft.place(path) or Place("grid")
    return Tree(value, {}, {(): place})


def _trials(
    draft: Draft,
    name: str,
    grid: dict[str, list[Tree]],
    zipped: list[dict[str, list[Tree]]],
    cases: dict[str, dict[str, Any]],
    seeds: Sequence[int],
) -> Iterator[Trial]:
    """Every case with every combination, and for each all seeds. Raises InputError with all problems at once."""
    messages: dict[str, None] = {}
    found: list[Trial] = []
    names: list[str | None] = list(cases) or [None]
    for case, combination in itertools.product(names, _combinations(grid, zipped)):
        changes: dict[str, Tree] = {}
        if case is not None:
            changes = {key: _in_file(value, draft, ("cases", case, key)) for key, value in cases[case].items()}
        changes |= combination
        trial = draft.copy()
        try:
            for key, tree in sorted(changes.items(), key=lambda item: item[0].count(".")):
                trial.assign(key, tree, list_keys())
            if case is not None:
                trial.data["name"] = slug(f"{draft.data['name']}-{case}")
            trial.data["threads"] = 1
            for seed in seeds:
                seeded = trial.copy()
                seeded.data["seed"] = seed
                loaded = validate(seeded, name)
                found.append(Trial(loaded, {key: tree.data for key, tree in combination.items()}, case, seed))
        except InputError as error:
            messages[str(error)] = None
    if messages:
        raise InputError("\n".join(messages))
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


def _listed(text: str) -> tuple[str, list[Tree]]:
    """`optimizer.lr=0.1,0.01`, `=range(1,4)` or `=logspace(1e-4,1,5)` -> the key and its values."""
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w.-]*", key.strip()):
        raise InputError(f"command line: '{text}' is not KEY=VALUE,VALUE; for example optimizer=sgd,adam")
    place = Place("command line", text=(text,))
    call = _CALL.match(value.strip())
    if call:
        return key.strip(), [Tree(v, {}, {(): place}) for v in _series(text, call[1], call[2])]
    trees = []
    for part in split_outside_brackets(value):
        if part == "":
            raise InputError(f"command line: {text}: an empty value between commas")
        try:
            trees.append(Tree(parse(part, "command line").data, {}, {(): place}))
        except InputError as error:
            raise InputError(f"command line: {text}: {str(error).splitlines()[0]}") from None
    return key.strip(), trees


def _series(text: str, kind: str, inside: str) -> list[int | float]:
    """The numbers of `range(start, stop, step)`, without stop as in Python, or `logspace(low, high, count)`."""
    numbers = [scalar(part) for part in split_outside_brackets(inside)]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) for n in numbers):
        raise InputError(f"command line: {text}: {kind}(...) takes numbers")
    if kind == "logspace":
        if len(numbers) != 3 or not isinstance(numbers[2], int) or numbers[2] < 2 or min(numbers[:2]) <= 0:
            raise InputError(f"command line: {text}: write logspace(LOW,HIGH,COUNT) with positive bounds, COUNT >= 2")
        low, high, count = numbers
        steps = [math.log10(low) + (math.log10(high) - math.log10(low)) * i / (count - 1) for i in range(count)]
        # 12 digits: 10**-3 comes out as 0.001 and the ends are the ends
        return [float(low), *(float(f"{10**step:.12g}") for step in steps[1:-1]), float(high)]
    if len(numbers) not in (1, 2, 3) or (len(numbers) == 3 and numbers[2] == 0):
        raise InputError(f"command line: {text}: write range(STOP), range(START,STOP) or range(START,STOP,STEP)")
    start, stop, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]
    count = math.ceil((stop - start) / step - 1e-9)
    if count < 1:
        raise InputError(f"command line: {text}: the range is empty")
    whole = all(isinstance(n, int) for n in (start, step))
    return [start + i * step if whole else float(f"{start + i * step:.12g}") for i in range(count)]


def _zip(text: str) -> dict[str, list[Tree]]:
    """`zip(a=1,2 b=x,y)` -> lists that go in step."""
    if not text.endswith(")"):
        raise InputError(f"command line: {text}: zip( is not closed; write zip(a=1,2 b=x,y), in quotes for the shell")
    group: dict[str, list[Tree]] = {}
    for part in split_outside_brackets(text[len("zip(") : -1], " "):
        if part:
            key, values = _listed(part)
            if key in group:
                raise InputError(f"command line: {text}: '{key}' stands there twice")
            group[key] = values
    if not group:
        raise InputError(f"command line: {text}: nothing to zip; write zip(a=1,2 b=x,y)")
    return group
