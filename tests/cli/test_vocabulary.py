"""`nnexp list`, `explain`, `init` and `schema`: everything that a configuration can say, computed from the classes."""

from __future__ import annotations

import csv
import io
import json
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nnexp.components.base import Component, Documentation, families, members
from nnexp.config.draft import Draft
from nnexp.config.load import filled, load, load_data
from nnexp.config.schema import ExperimentConfig
from nnexp.config.yaml import Tree, parse
from nnexp.report.vocabulary import place
from tests.command import Outcome, nnexp
from tests.json_schema import fits
from tests.small import EVERYTHING, RUN, config_file

FAMILIES = families()
MEMBERS = [(family, name, cls) for family, base in FAMILIES.items() for name, cls in members(base).items()]
each_component = pytest.mark.parametrize(
    ("family", "name", "cls"), MEMBERS, ids=[f"{family}.{name}" for family, name, _ in MEMBERS]
)


def run(*words: object) -> Outcome:
    return nnexp(*words, cwd=Path.cwd())


# -- list ------------------------------------------------------------------------------------------


def test_list_holds_everything() -> None:
    result = run("list", "--format", "csv")
    assert (result.code, result.err) == (0, "")
    rows = list(csv.DictReader(io.StringIO(result.out)))
    assert [(row["family"], row["name"]) for row in rows] == [(family, name) for family, name, _ in MEMBERS]
    assert all(row["what"] for row in rows)
    shown = run("list").out
    assert all(f" {row['name']} " in shown for row in rows)
    assert len(shown.splitlines()) == len(rows) + 1


@pytest.mark.parametrize("family", FAMILIES)
def test_list_a_family(family: str) -> None:
    result = run("list", family)
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()[1:]] == list(members(FAMILIES[family]))
    assert run("list", family + "s").out == run("explain", family).out == result.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("list", "optimiser"), "'optimiser' is not a family; did you mean 'optimizer'?"),
        (("list", "zzz"), "'zzz' is not a family; one of activation, "),
        (("explain", "adm"), "no component 'adm'; did you mean 'adam'?"),
        (("explain", "qqqq"), "no component 'qqqq'; see: nnexp list"),
        (("explain", "optimizer.adm"), "did you mean 'adam'?"),
        (("list", "--format", "yaml"), "--format: 'yaml' is not one of"),
        (("explain", "adam", "--format", "csv"), "--format: 'csv' is not one of table, json"),
        (("init", "x.yaml", "--dataset", "digts"), "--dataset: 'digts' is not a dataset; did you mean 'digits'?"),
    ],
)
def test_misuse(words: tuple[str, ...], message: str) -> None:
    result = run(*words)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert not Path("x.yaml").exists()


# -- explain ---------------------------------------------------------------------------------------


@each_component
def test_explain(family: str, name: str, cls: type[Component]) -> None:
    result = run("explain", f"{family}.{name}")
    assert (result.code, result.err) == (0, "")
    text, words = result.out, " ".join(result.out.split())
    doc = Documentation.of(cls)
    assert text.startswith(f"{name}: {family}")
    assert doc.summary in words
    assert all(f"    {line}\n" in text for line in doc.formula.splitlines() if line)
    assert f"Source: {doc.source}" in words
    assert doc.source, "where it comes from"
    assert doc.differs in words
    assert all(alias in text.splitlines()[0] for alias in cls.aliases)
    for key, field in cls.model_fields.items():
        if key != "name":
            assert any(line.split()[:1] == [key] for line in text.splitlines())
            assert (field.description or "") in words
    assert run("explain", name).out.count(f"{name}: ") >= 1


@each_component
def test_explain_as_json(family: str, name: str, cls: type[Component]) -> None:
    [found] = run("explain", f"{family}.{name}", "--format", "json").json
    assert (found["family"], found["name"]) == (family, name)
    assert [field["field"] for field in found["fields"]] == [key for key in cls.model_fields if key != "name"]
    for field in found["fields"]:
        assert field["bounds"], f"{field['field']}: what is allowed"
        assert field["description"], f"{field['field']}: what it means"
        assert (field["default"] == "needed") == cls.model_fields[field["field"]].is_required()


@each_component
def test_what_explain_says_in_yaml_is_valid(family: str, name: str, cls: type[Component]) -> None:
    lines = [line for line in run("explain", f"{family}.{name}").out.splitlines() if line.startswith("In YAML: ")]
    if family == "metric":
        assert lines == []
        return
    [line] = lines
    for text in line.removeprefix("In YAML: ").split("   or   "):
        if "..." in text:  # what the reader has to fill in
            continue
        [(key, value)] = parse(text, "explain").data.items()
        draft = Draft(Tree(RUN))
        draft.assign(key, Tree(value))
        one = attrgetter(key)(load_data(draft.data, "explain").config)
        assert isinstance(one[0] if isinstance(one, tuple) else one, cls)


def test_explain_a_name_of_two_families() -> None:
    text = run("explain", "linear").out
    assert "linear: activation" in text
    assert "linear: architecture" in text


@pytest.mark.parametrize("name", [alias for _, _, cls in MEMBERS for alias in cls.aliases])
def test_explain_by_another_spelling(name: str) -> None:
    assert name in run("explain", name).out.splitlines()[0].partition("(also ")[2]


# -- init ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", members(FAMILIES["dataset"]))
def test_init_writes_what_check_accepts(tmp_path: Path, dataset: str) -> None:
    package = getattr(members(FAMILIES["dataset"])[dataset], "package", None)
    if package is not None:
        pytest.importorskip(package)
    result = nnexp("init", "mine.yaml", "--dataset", dataset, cwd=tmp_path)
    assert (result.code, result.out) == (0, "")
    assert "nnexp check mine.yaml" in result.err
    text = (tmp_path / "mine.yaml").read_text()
    columns = {"a": np.arange(200.0), "label": ["xy"[i % 2] for i in range(200)]}
    table = pd.DataFrame(columns)
    table.to_csv(tmp_path / "data.csv", index=False)
    if dataset == "parquet":
        table.to_parquet(tmp_path / "data.parquet")
    np.savez(tmp_path / "data.npz", x=columns["a"][:, None], y=columns["label"])
    assert nnexp("check", "mine.yaml", cwd=tmp_path).code == 0
    keys = [line.partition(":")[0] for line in text.splitlines() if line[:1].isalpha()]
    meant = members(FAMILIES["dataset"])[dataset].keys or ExperimentConfig.model_fields
    assert keys == [key for key in ExperimentConfig.model_fields if key != "name" and key in meant]
    for key, family in FAMILIES.items():
        if key in keys:
            assert all(name in text for name in members(family)), f"{key}: every choice is there"
    refused = nnexp("init", "mine.yaml", cwd=tmp_path)
    assert refused.code == 2
    assert "mine.yaml exists; choose another name, or --force to overwrite it" in refused.err
    assert (tmp_path / "mine.yaml").read_text() == text
    assert nnexp("init", "mine.yaml", "--force", cwd=tmp_path).code == 0


def test_init_says_the_defaults(tmp_path: Path) -> None:
    nnexp("init", "mine.yaml", cwd=tmp_path)
    given = filled(load(tmp_path / "mine.yaml").config)
    assert given == {**filled(ExperimentConfig.model_validate({"dataset": "digits", "name": "mine"})), "loss": None} | {
        "architecture": given["architecture"]
    }
    assert given["architecture"]["hidden"] == [32]


def test_init_where_it_cannot_write(tmp_path: Path) -> None:
    for path in ("no/such/folder.yaml", "."):
        result = nnexp("init", path, cwd=tmp_path)
        assert (result.code, result.out) == (2, "")
    assert list(tmp_path.iterdir()) == []


# -- schema ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    result = run("schema")
    assert (result.code, result.err) == (0, "")
    return result.json


VALID: list[dict[str, Any]] = [
    RUN,
    {**RUN, **EVERYTHING},
    {"dataset": "digits"},
    {"base": "other.yaml"},
    {"base": "other.yaml", "optimizer": {"name": "sgd", "lr": 1e-3}},
    {"dataset": "iris", "stop": 20, "regularization": "none"},
    {"dataset": "iris", "regularization": [{"name": "dropout"}, "l2"]},
    {"dataset": {"name": "csv", "path": "a.csv", "target": "b"}, "loss": None},
]
INVALID: list[dict[str, Any]] = [
    {"dataset": "digit"},
    {"dataset": "digits", "optimiser": "adam"},
    {"dataset": "digits", "optimizer": {"name": "adam", "lr": "fast"}},
    {"dataset": "digits", "optimizer": {"name": "adam", "lr": -1}},
    {"dataset": "digits", "optimizer": {"name": "adam", "momentum": 0.9}},
    {"dataset": "digits", "batch": {"name": "mini", "size": 0}},
    {"dataset": "digits", "batch": {"name": "mini", "size": 2.5}},
    {"dataset": "digits", "stop": {"epochs": True}},
    {"dataset": "digits", "precision": "float16"},
    {"dataset": "digits", "name": "a b"},
    {"dataset": {"name": "csv", "path": "a.csv"}},
    {"dataset": "digits", "regularization": [["l2"]]},
]


def plain(config: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(config))


@pytest.mark.parametrize("config", VALID)
def test_schema_accepts(schema: dict[str, Any], config: dict[str, Any]) -> None:
    assert fits(plain(config), schema)


@pytest.mark.parametrize("config", INVALID)
def test_schema_refuses(schema: dict[str, Any], config: dict[str, Any]) -> None:
    assert not fits(plain(config), schema)


@each_component
def test_schema_knows_each_member(schema: dict[str, Any], family: str, name: str, cls: type[Component]) -> None:
    if family == "metric" or any(field.is_required() for field in cls.model_fields.values()):
        return
    for value in (name, {"name": name}, cls.model_validate({}).model_dump(mode="json")):
        where = place(FAMILIES[family])
        assert where is not None
        outer, *inner = where.keys
        member = {outer: {**RUN[outer], inner[0]: [value]}} if inner else {outer: value}
        assert fits(plain({"dataset": "digits", **member}), schema)
    assert not fits({"dataset": "digits", family: {"name": name, "no_such_field": 1}}, schema)


def test_schema_accepts_a_filled_configuration(schema: dict[str, Any], tmp_path: Path) -> None:
    found = filled(load(config_file(tmp_path, **EVERYTHING)).config)
    assert fits(plain(found), schema)


def test_schema_of_sweeps() -> None:
    found = run("schema", "--sweep").json
    good: dict[str, Any] = {"base": "a.yaml", "grid": {"optimizer.lr": [0.1]}, "cases": {"a": {"stop": 3}}, "seeds": 5}
    assert fits(good, found)
    assert fits({**good, "seeds": [1, 2]}, found)
    several = [{"log": [0.1, 1], "when": {"optimizer": "sgd"}}, {"int": [1, 2], "when": {"optimizer": ["adam"]}}]
    for right in (
        {"space": {"optimizer.lr": {"log": [1e-4, 1]}}, "search": "sobol", "trials": 4, "direction": "maximize"},
        {"optimizer.lr": {"uniform": [0, 1]}, "search": {"name": "tpe", "batch": 8}, "metric": "validation_loss"},
        {"space": {"optimizer.lr": several, "activation": {"choice": ["relu", {"name": "elu"}]}}},
        {"tune": {"budget": 3, "seeds": 2, "optimizer.lr": several, "search": "random"}},
        {"claim": {"better": {"optimizer": "adam"}, "than": "a", "by": 0.1}},
        {"claim": {"all": [{"ratio": "a", "to": "b"}, {"exact": {"optimizer.lr": 0.1}, "at_most": 1}]}},
    ):
        assert fits({**good, **right}, found), right
    wrongs: list[dict[str, Any]] = [{"grid": {"optimizer.lr": 0.1}}, {"seeds": "five"}, {"cases": [1]}, {"grids": {}}]
    wrongs += [{"space": {"optimizer.lr": {"lgo": [1, 2]}}}, {"optimizer.lr": 0.1}, {"trials": 0}, {"direction": "up"}]
    wrongs += [{"tune": {"optimizer.lr": {"log": [1, 2]}}}, {"tune": {"budget": 3, "optimizer.lr": 3}}]
    wrongs += [{"claim": {"better": "a", "then": "b"}}, {"claim": {"all": [{"all": []}, {}]}}, {"claim": "better"}]
    for wrong in wrongs:
        assert not fits({**good, **wrong}, found)
