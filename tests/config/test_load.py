"""The front door: short forms, defaults filled in and read back, where values came from, names and identity."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from nnexp.components.base import Component, members
from nnexp.config.load import THREAD_VARIABLES, filled, fingerprint, flat, load, load_data, slug, to_yaml
from nnexp.config.problems import component_fields
from nnexp.config.schema import ExperimentConfig, Stop
from nnexp.config.seeds import Streams
from nnexp.errors import InputError
from tests.command import folders, nnexp
from tests.variants import variants

COMPONENTS = {key: family for key, family in component_fields(ExperimentConfig) if key != "dataset"}
CHOICES = [
    pytest.param(key, one.model_dump(), id=f"{key}-{number}-{one.label()}")
    for key, family in component_fields(ExperimentConfig)
    for number, one in enumerate(variants(family))
]
"""Every component that a configuration can name, in every variant."""
NAMES = [(key, name) for key, family in COMPONENTS.items() for name in members(family)]
ALIASES = [
    (key, alias, name)
    for key, family in component_fields(ExperimentConfig)
    for name, cls in members(family).items()
    for alias in cls.aliases
]


def config(**data: Any) -> ExperimentConfig:
    return load_data({"dataset": "moons", **data}, "test").config


def needed(key: str, name: str) -> dict[str, Any]:
    """Values for the fields that a component cannot do without."""
    fields = members(COMPONENTS[key])[name].model_fields
    return {field: 0.5 for field, info in fields.items() if info.is_required()}


# -- short and long forms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("key", "name"), [row for row in NAMES if not needed(*row)])
def test_the_short_form_is_the_long_form(key: str, name: str) -> None:
    short, long = config(**{key: name}), config(**{key: {"name": name}})
    assert short == long
    chosen = getattr(short, key)
    assert (chosen[0] if isinstance(chosen, tuple) else chosen).label() == name


@pytest.mark.parametrize(("key", "alias", "name"), ALIASES)
def test_an_alias_is_the_name(key: str, alias: str, name: str) -> None:
    assert config(**{key: alias}) == config(**{key: name})


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ({"stop": 7}, {"stop": {"epochs": 7}}),
        ({"optimizer": {"lr": 0.5}}, {"optimizer": {"name": "adam", "lr": 0.5}}),
        ({"regularization": "l2"}, {"regularization": ["l2"]}),
        ({"regularization": {"name": "l2", "strength": 1}}, {"regularization": [{"name": "l2", "strength": 1.0}]}),
        ({"regularization": "none"}, {"regularization": []}),
        ({"regularization": None}, {}),
        (
            {"dataset": {"name": "moons", "preprocessing": "center"}},
            {"dataset": {"name": "moons", "preprocessing": ["center"]}},
        ),
        ({"loss": None}, {}),
    ],
)
def test_short_forms(short: dict[str, Any], long: dict[str, Any]) -> None:
    assert config(**short) == config(**long)


# -- every default, there and back ---------------------------------------------------------------------------------


def fields_missing(model: BaseModel, data: dict[str, Any]) -> list[str]:
    """Fields, at any depth, that the plain data does not have."""
    missing = []
    for key in type(model).model_fields:
        value = getattr(model, key)
        missing += [key] if key not in data else []
        if isinstance(value, Streams):  # it holds what is given, and no more
            continue
        for inner, plain in [(value, data.get(key))] if isinstance(value, BaseModel) else []:
            missing += [f"{key}.{name}" for name in fields_missing(inner, plain or {})]
        if isinstance(value, tuple):
            for number, inner in enumerate(one for one in value if isinstance(one, BaseModel)):
                missing += [f"{key}.{number}.{name}" for name in fields_missing(inner, data[key][number])]
    return missing


@pytest.mark.parametrize(("key", "component"), CHOICES)
def test_filled_in_written_and_read_back(key: str, component: dict[str, Any], tmp_path: Path) -> None:
    first = config(**{key: {name: list(v) if isinstance(v, tuple) else v for name, v in component.items()}})
    data = filled(first)
    assert fields_missing(first, data) == []
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(data, "filled in"), encoding="utf-8")
    again = load(path).config
    assert again == first
    assert filled(again) == data
    assert load_data(data, "again").config == first


def test_a_name_comes_first() -> None:
    def check(data: Any) -> None:
        if isinstance(data, dict):
            assert "name" not in data or next(iter(data)) == "name"
        for inner in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
            check(inner)

    check(filled(config(regularization=["l2", "dropout"])))


# -- where a value came from ---------------------------------------------------------------------------------------


@pytest.fixture
def two_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with c.yaml over b.yaml."""
    monkeypatch.chdir(tmp_path)
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    Path("b.yaml").write_text("dataset: moons\noptimizer: {lr: 0.5}\nregularization: [l2]\nstop: 7\n")
    Path("c.yaml").write_text("base: b.yaml\nseed: 3\nmonitor:\n  every: 2\n")
    return tmp_path


ORIGINS = {
    "name": "default",
    "seed": "c.yaml:2",
    "dataset.name": "b.yaml:1",
    "dataset.n": "default",
    "optimizer.name": "default",
    "optimizer.lr": "b.yaml:2",
    "optimizer.beta1": "command line",
    "regularization.l2.strength": "command line",
    "stop.epochs": "b.yaml:4",
    "stop.patience": "default",
    "monitor.every": "c.yaml:4",
    "monitor.train": "default",
    "loss": "default",
    "loss.name": "default",
    "threads": "environment variable OMP_NUM_THREADS",
}


def test_origins(two_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    loaded = load(Path("c.yaml"), ["optimizer.beta1=0.8", "regularization.l2.strength=0.5"])
    assert {key: loaded.origin(key) for key in ORIGINS} == ORIGINS


@pytest.mark.parametrize(
    ("text", "key", "origin"),
    [
        ("regularization: l2", "regularization", "f.yaml:2"),
        ("regularization: l2", "regularization.l2.strength", "default"),
        ("regularization: {name: l2, strength: 0.5}", "regularization.l2.strength", "f.yaml:2"),
        ("regularization:\n  - l1\n  - name: l2\n    strength: 0.5", "regularization.l2.strength", "f.yaml:5"),
        ("regularization:\n  - l1\n  - l2", "regularization.l2.strength", "default"),
        ("optimizer: sgd", "optimizer.name", "f.yaml:2"),
        ("optimizer: sgd", "optimizer.lr", "default"),
        ("optimizer: {lr: 1}", "optimizer.name", "default"),
        ("architecture: {hidden: [3]}", "architecture.hidden", "f.yaml:2"),
        ("loss: null", "loss", "default"),
    ],
)
def test_origin_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, key: str, origin: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_text(f"dataset: moons\n{text}\n")
    assert load(Path("f.yaml")).origin(key) == origin


def test_check_prints_origins(two_files: Path) -> None:
    words = ("check", "c.yaml", "optimizer.beta1=0.8", "regularization.l2.strength=0.5", "--origin")
    told = nnexp(*words, "--format", "json", cwd=two_files, OMP_NUM_THREADS="2").json
    assert set(told["origin"]) == set(flat(told["config"]))
    assert told["origin"].items() >= {key: value for key, value in ORIGINS.items() if key != "loss"}.items()
    table = nnexp(*words, cwd=two_files).out
    assert re.search(r"^optimizer\.lr +0\.5 +b\.yaml:2$", table, re.MULTILINE)
    assert re.search(r"^optimizer\.beta1 +0\.8 +command line$", table, re.MULTILINE)


def test_the_files_name_is_the_default_name(two_files: Path) -> None:
    Path("my run (2).yaml").write_text("base: b.yaml\n")
    assert load(Path("my run (2).yaml")).config.name == "my-run-2"
    assert load(Path("c.yaml"), ["name=other"]).config.name == "other"


# -- threads -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environment", "text", "threads"),
    [
        ({}, "", "auto"),
        ({"OMP_NUM_THREADS": "3"}, "", 3),
        ({"MKL_NUM_THREADS": "4", "OMP_NUM_THREADS": "3"}, "", 4),
        ({"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "4", "OMP_NUM_THREADS": "3"}, "", 2),
        ({"OMP_NUM_THREADS": "3"}, "threads: 2\n", 2),
        ({"OMP_NUM_THREADS": ""}, "", "auto"),
        ({"OMP_NUM_THREADS": "0"}, "", "auto"),
        ({"OMP_NUM_THREADS": "4,2"}, "", "auto"),
    ],
)
def test_threads(
    two_files: Path, monkeypatch: pytest.MonkeyPatch, environment: dict, text: str, threads: object
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    Path("t.yaml").write_text(f"base: b.yaml\n{text}")
    assert load(Path("t.yaml")).config.threads == threads


# -- paths ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def csv_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration in a folder of its own, over a base in another that names a file; elsewhere is the work."""
    (tmp_path / "base").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "base" / "b.yaml").write_text("dataset: {name: csv, path: data/t.csv, target: kind}\n")
    (tmp_path / "own" / "c.yaml").write_text("base: ../base/b.yaml\nseed: 3\n")
    (tmp_path / "own" / "d.yaml").write_text("base: ../base/b.yaml\ndataset: {path: ../t.csv}\n")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "overrides", "expected"),
    [
        ("c.yaml", [], "base/data/t.csv"),
        ("d.yaml", [], "t.csv"),
        ("c.yaml", ["dataset.path=t.csv"], "work/t.csv"),
        ("c.yaml", ["dataset={name: csv, path: x/t.csv, target: kind}"], "work/x/t.csv"),
        ("c.yaml", ["dataset.path=~/t.csv"], "t.csv"),
    ],
)
def test_paths_are_relative_to_where_they_are_written(
    csv_files: Path, file: str, overrides: list[str], expected: str
) -> None:
    for path in (Path("..") / "own" / file, csv_files / "own" / file):
        dataset = load(path, overrides).config.dataset
        assert dataset.model_dump()["path"] == str(csv_files / expected)


def test_an_absolute_path_stays(csv_files: Path) -> None:
    path = str(csv_files / "other" / "t.csv")
    assert load(Path("../own/c.yaml"), [f"dataset.path={path}"]).config.dataset.model_dump()["path"] == path


# -- names ---------------------------------------------------------------------------------------------------------


@given(st.text(max_size=100) | st.text("./\\~-_ a", max_size=100))
def test_a_slug_is_the_name_of_one_folder_and_of_a_run(text: str) -> None:
    found = slug(text)
    root = Path("/runs")
    assert (root / found).resolve().parent == root
    assert slug(found) == found
    assert config(name=found).name == found


@pytest.mark.parametrize("name", ["", "../../x", "..", ".hidden", "a/b", "a\\b", "-x", "a b", "ä", "x" * 65, "a\n"])
def test_a_name_cannot_leave_the_folder_of_runs(name: str) -> None:
    with pytest.raises(InputError, match="name: must consist of a-z"):
        config(name=name)


def test_a_runs_folder_is_inside_whatever_the_overrides_say(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "..x..yaml").write_text(
        "dataset: {name: csv, path: t.csv, target: kind}\nbatch: full\nstop: 1\n"
    )
    rows = "".join(f"{i},{i % 2}\n" for i in range(20))
    (tmp_path / "t.csv").write_text(f"size,kind\n{rows}")
    outcome = nnexp("train", "sub/..x..yaml", "dataset.path=sub/../../" + tmp_path.name + "/t.csv", "-q", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    (folder,) = folders(tmp_path / "runs")
    assert re.fullmatch(r"x-path-sub-.*-t\.csv-s0-[0-9a-f]{6}", folder.name)
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "sub", "t.csv"}


# -- identity ------------------------------------------------------------------------------------------------------

Leaf = tuple[str | int, ...]


def leaves(value: Any, path: Leaf = ()) -> Iterator[Leaf]:
    """The path of every field, at any depth, that is not a component itself."""
    if isinstance(value, BaseModel):
        for key in type(value).model_fields:
            yield from leaves(getattr(value, key), (*path, key))
    elif isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        for number, one in enumerate(value):
            yield from leaves(one, (*path, number))
    else:
        yield path


def altered(value: Any, path: Leaf) -> Any:
    """The same with another value, right or wrong, at one leaf."""
    if not path:
        if isinstance(value, bool):
            return not value
        more: dict[type, Any] = {int: 1, float: 1.0, str: "x", tuple: (__file__,)}
        return "other" if value is None else value + more[type(value)]
    first, rest = path[0], path[1:]
    if isinstance(value, BaseModel):
        return value.model_copy(update={str(first): altered(getattr(value, str(first)), rest)})
    return tuple(altered(one, rest) if number == first else one for number, one in enumerate(value))


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_whatever_but_its_name_differs_makes_another_run() -> None:
    one = config(loss="mse", regularization=["l2", "dropout"], dataset={"name": "moons", "preprocessing": ["minmax"]})
    same = [path for path in leaves(one) if fingerprint(altered(one, path), "data") == fingerprint(one, "data")]
    assert same == [("name",), ("monitor", "keep_state")]
    assert {("seed",), ("optimizer", "lr"), ("regularization", 1, "rate"), ("threads",)} < set(leaves(one))


def test_neither_form_nor_order_makes_another_run() -> None:
    short = config(optimizer="sgd", seed=3)
    long = load_data(dict(reversed(filled(short).items())), "again").config
    assert fingerprint(long, "data") == fingerprint(short, "data")


def test_other_data_make_another_run() -> None:
    assert fingerprint(config(), "data") != fingerprint(config(), "other data")


def test_a_configuration_is_frozen() -> None:
    one = config()
    for model in (one, one.stop, one.optimizer):
        assert isinstance(model, ExperimentConfig | Stop | Component)
        with pytest.raises(ValueError, match="frozen"):
            model.__setattr__(next(iter(type(model).model_fields)), 3)


# -- anything ------------------------------------------------------------------------------------------------------

ANYWHERE = [
    *("null", "true", "1", "-1", "1.0", "1e999", ".nan", "abc", "'1'", "012", "0x", "0o9", "..%", "name:adam", "l2"),
    *(
        "[]",
        "[a]",
        "[1, 2]",
        "[[1]]",
        "[null]",
        "[{a: 1}]",
        "{}",
        "{a: 1}",
        "{name: [1]}",
        "{name: {a: 1}}",
        "{name: csv}",
    ),
]


@pytest.mark.parametrize("key", [*ExperimentConfig.model_fields, "stop.epochs", "optimizer.lr", "optimizer.name"])
@pytest.mark.parametrize("text", ["dataset: moons", "dataset: {name: csv, path: a, target: b}\nregularization: [l1]"])
def test_anything_anywhere_is_taken_or_refused(key: str, text: str, tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    family = dict(component_fields(ExperimentConfig)).get(key)
    inner = {field for cls in members(family).values() for field in cls.model_fields} if family else set()
    messages = []
    for dotted in (key, f"{key}.x", *(f"{key}.{field}" for field in sorted(inner))):
        for value in ANYWHERE:
            try:
                load(path, [f"{dotted}={value}"])
            except InputError as error:
                messages.append(str(error))
    assert len(messages) > 10
    assert [message for message in messages if not message.startswith(("command line: ", f"{path}:"))] == []
