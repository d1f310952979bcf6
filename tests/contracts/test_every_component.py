"""What holds for every component of every family: documentation, spelling, frozen fields."""

from __future__ import annotations

import doctest
import inspect
import sys
from operator import attrgetter
from typing import Any

import pytest
from pydantic import ValidationError

from nnexp.components.base import Component, Documentation, families, members, spellings
from nnexp.config.load import filled, load_data, to_yaml
from nnexp.config.schema import ExperimentConfig
from nnexp.config.yaml import parse
from nnexp.errors import InputError
from nnexp.report.vocabulary import place
from tests.variants import described, variants

FAMILIES = families()
EVERY = [cls for family in FAMILIES.values() for cls in members(family).values()]
each_component = pytest.mark.parametrize("cls", EVERY, ids=lambda cls: f"{cls.family}-{cls.label()}")
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def needed(cls: type[Component]) -> dict[str, Any]:
    """Values for the fields without a default: text, as for the name of a file or column."""
    return {key: "something" for key, field in cls.model_fields.items() if field.is_required()}


def placed(family: type[Component], value: Any) -> dict[str, Any]:
    """A configuration that has `value` where components of the family stand."""
    where = place(family)
    assert where is not None
    key, *inner = where.keys
    return {"dataset": {"name": "iris", inner[0]: value}} if inner else {"dataset": "iris", key: value}


def found(family: type[Component], config: ExperimentConfig) -> Component:
    """The component at that place, out of its list where it stands in one."""
    where = place(family)
    assert where is not None
    value = attrgetter(".".join(where.keys))(config)
    return value[0] if isinstance(value, tuple) else value


def takes_a_place(cls: type[Component]) -> bool:
    """Whether a configuration has a key for the family. Metrics are computed, not chosen."""
    return place(FAMILIES[cls.family]) is not None


# -- documentation ---------------------------------------------------------------------------------


@each_component
def test_documentation_has_its_parts(cls: type[Component]) -> None:
    documentation = Documentation.of(cls)
    for part in ("summary", "formula", "source", "example"):
        assert getattr(documentation, part), f"the docstring has no {part}"
    assert documentation.summary.endswith(".")
    assert "\n" not in documentation.summary
    assert ">>>" in documentation.example


@each_component
def test_the_example_runs(cls: type[Component]) -> None:
    globs = vars(sys.modules[cls.__module__]).copy()
    tests = doctest.DocTestFinder(recurse=False).find(cls, globs=globs)
    assert tests
    for test in tests:
        assert test.examples
        said: list[str] = []
        runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=said.append)
        assert not runner.failures, "".join(said)


@each_component
def test_every_field_is_described(cls: type[Component]) -> None:
    for key, field in cls.model_fields.items():
        assert key == "name" or field.description, f"{key} has no description"


def test_every_key_of_the_experiment_is_described() -> None:
    settings = [ExperimentConfig, *(type(f.default) for f in ExperimentConfig.model_fields.values())]
    for cls in settings:
        for key, field in getattr(cls, "model_fields", {}).items():
            assert key == "name" or field.description, f"{cls.__name__}.{key} has no description"


@each_family
def test_a_family_is_documented(family: type[Component]) -> None:
    assert inspect.getdoc(family)
    assert members(family)


# -- names -----------------------------------------------------------------------------------------


@each_family
def test_names_and_aliases_are_unique(family: type[Component]) -> None:
    words = [word for name, cls in members(family).items() for word in (name, *cls.aliases)]
    assert len(set(words)) == len(words)
    assert set(spellings(family)) == set(words)
    classes = [cls for cls in EVERY if issubclass(cls, family)]
    assert len(classes) == len(members(family)), "two members have one name"
    assert all(word == word.lower() and word.replace("_", "a").isalnum() for word in words)


@each_component
def test_a_name_reads_as_text(cls: type[Component]) -> None:
    for word in (cls.label(), *cls.aliases):
        assert parse(f"key: {word}", "test").data == {"key": word}


# -- classes ---------------------------------------------------------------------------------------


@each_component
def test_is_final_and_has_one_formula(cls: type[Component]) -> None:
    assert not cls.__subclasses__()
    assert not inspect.isabstract(cls)
    assert isinstance(cls.family, str)
    family = FAMILIES[cls.family]
    assert issubclass(cls, family)
    # What a class above has implemented is not implemented again, except the family's own and other marked defaults.
    above = [base for base in cls.__mro__[1:] if issubclass(base, family) and base is not family]
    for base in above:
        routines = {name: value for name, value in vars(base).items() if inspect.isroutine(value)}
        written = {name for name in routines if not name.startswith("_") and name not in base.__abstractmethods__}
        written -= {name for name, value in routines.items() if getattr(value, "is_default", False)}
        assert not written & set(vars(cls)), f"{cls.__name__} overrides {base.__name__}"


@each_component
def test_is_frozen_and_strict(cls: type[Component]) -> None:
    one = cls(**needed(cls))
    for key in cls.model_fields:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(one, key, getattr(one, key))
    with pytest.raises(ValidationError, match="Extra inputs"):
        cls(**needed(cls), nonsense=1)
    assert hash(one) == hash(cls(**needed(cls)))
    for key, field in cls.model_fields.items():
        if field.annotation is float:
            for bad in ("1", float("nan"), float("inf"), True, None):
                with pytest.raises(ValidationError):
                    cls(**{**needed(cls), key: bad})


# -- configurations --------------------------------------------------------------------------------


@each_component
def test_short_and_long_form_are_the_same(cls: type[Component]) -> None:
    if not takes_a_place(cls):
        return
    family = FAMILIES[cls.family]
    for word in (cls.label(), *cls.aliases):
        long = load_data(placed(family, {"name": word, **needed(cls)}), "test").config
        assert type(found(family, long)) is cls
        if not needed(cls):
            assert load_data(placed(family, word), "test").config == long


@each_component
def test_a_filled_configuration_reads_back_the_same(cls: type[Component]) -> None:
    if not takes_a_place(cls):
        return
    family = FAMILIES[cls.family]
    ones = [one for one in variants(family) if type(one) is cls] or [cls(**needed(cls))]
    for one in ones:
        config = load_data(placed(family, one.model_dump()), "test").config
        text = to_yaml(filled(config))
        again = load_data(parse(text, "test").data, "test").config
        assert again == config, text
        assert to_yaml(filled(again)) == text
        if not cls.input_paths:
            assert found(family, again) == one, described(one)


@each_family
def test_a_near_name_is_suggested(family: type[Component]) -> None:
    if not takes_a_place(next(iter(members(family).values()))):
        return
    for name in members(family):
        if len(name) > 4:
            with pytest.raises(InputError, match=f"did you mean '{name}'"):
                load_data(placed(family, name + name[-1]), "test")


def test_the_schema_for_editors_has_every_name() -> None:
    text = str(ExperimentConfig.model_json_schema())
    for cls in EVERY:
        assert not takes_a_place(cls) or f"'{cls.label()}'" in text


@each_component
def test_a_dialect_is_a_choice_with_defaults_of_its_own(cls: type[Component]) -> None:
    for dialect, defaults in cls.dialects.items():
        spoken = cls(**needed(cls), dialect=dialect)
        assert {key: getattr(spoken, key) for key in defaults} == defaults
        field = next(key for key, value in defaults.items() if isinstance(value, float))
        assert getattr(cls(**needed(cls), dialect=dialect, **{field: 0.123}), field) == 0.123
        assert any(cls.model_fields[key].default != value for key, value in defaults.items())
