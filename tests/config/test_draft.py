"""Files and overrides laid over each other: one rule, every value with its place, in whatever order they are given."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from nnexp.config.draft import Draft, names_several, split_outside_brackets, split_override
from nnexp.config.load import apply_overrides, list_keys, load
from nnexp.config.schema import ExperimentConfig
from nnexp.config.yaml import parse

MERGES: list[tuple[str, str, str, dict[str, Any]]] = [
    ("another key is added", "seed: 3", "precision: float64", {"seed": 3, "precision": "float64"}),
    ("a value replaces a value", "seed: 3", "seed: 4", {"seed": 4}),
    ("null replaces a value", "loss: mse", "loss: null", {"loss": None}),
    ("mappings merge", "monitor: {every: 2}", "monitor: {train: false}", {"monitor": {"every": 2, "train": False}}),
    (
        "a component of the same name keeps its other fields",
        "optimizer: {name: sgd, lr: 1}",
        "optimizer: {name: sgd}",
        {"optimizer": {"name": "sgd", "lr": 1}},
    ),
    (
        "so does its short form",
        "optimizer: {name: sgd, lr: 1}",
        "optimizer: sgd",
        {"optimizer": {"name": "sgd", "lr": 1}},
    ),
    (
        "and one without a name",
        "optimizer: {name: sgd, lr: 1}",
        "optimizer: {lr: 2}",
        {"optimizer": {"name": "sgd", "lr": 2}},
    ),
    (
        "an alias is the same name",
        "optimizer: {name: sgd, lr: 1}",
        "optimizer: gd",
        {"optimizer": {"name": "sgd", "lr": 1}},
    ),
    (
        "fields go into a short form",
        "optimizer: sgd",
        "optimizer: {lr: 2}",
        {"optimizer": {"name": "sgd", "lr": 2}},
    ),
    (
        "another name starts anew",
        "optimizer: {name: momentum, lr: 1, momentum: 0.5}",
        "optimizer: {name: nag, lr: 2}",
        {"optimizer": {"name": "nag", "lr": 2}},
    ),
    ("so does its short form", "optimizer: {name: sgd, lr: 1}", "optimizer: nag", {"optimizer": "nag"}),
    (
        "without a name, the default is meant",
        "optimizer: {lr: 1}",
        "optimizer: {name: adam, eps: 2}",
        {"optimizer": {"name": "adam", "lr": 1, "eps": 2}},
    ),
    (
        "the default is another name, too",
        "optimizer: {lr: 1}",
        "optimizer: {name: sgd}",
        {"optimizer": {"name": "sgd"}},
    ),
    (
        "a list replaces a list",
        "regularization: [l1, l2]",
        "regularization: [dropout]",
        {"regularization": ["dropout"]},
    ),
    (
        "widths replace width and depth",
        "architecture: {width: 3, depth: 2}",
        "architecture: {hidden: [4]}",
        {"architecture": {"name": "mlp", "hidden": [4]}},
    ),
    (
        "width and depth replace widths",
        "architecture: {hidden: [4]}",
        "architecture: {width: 3, depth: 2}",
        {"architecture": {"name": "mlp", "width": 3, "depth": 2}},
    ),
    (
        "a bare number is the epochs",
        "stop: {epochs: 5, patience: 2}",
        "stop: 20",
        {"stop": {"epochs": 20, "patience": 2}},
    ),
    ("and can be added to", "stop: 20", "stop: {patience: 2}", {"stop": {"epochs": 20, "patience": 2}}),
]


@pytest.mark.parametrize(("base", "over", "expected"), [row[1:] for row in MERGES], ids=[row[0] for row in MERGES])
def test_merging(base: str, over: str, expected: dict[str, Any]) -> None:
    draft = Draft(parse(base, "base"))
    draft.overlay(parse(over, "over"))
    assert draft.data == expected


def test_a_draft_owns_its_data() -> None:
    tree = parse("architecture: {hidden: [3]}", "")
    draft = Draft(tree)
    twin = draft.copy()
    twin.data["architecture"]["hidden"].append(4)
    draft.data["architecture"]["hidden"].append(5)
    assert tree.data == {"architecture": {"hidden": [3]}}
    assert draft.data["architecture"]["hidden"] == [3, 5]
    assert twin.data["architecture"]["hidden"] == [3, 4]


# -- bases ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A file over a base in another folder, over a base of its own in a third."""
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "deep" / "deeper" / "root.yaml").write_text(
        "dataset: {name: moons, n: 50, noise: 0.3}\noptimizer: {name: momentum, lr: 0.5}\nseed: 1\nstop: 5\n"
    )
    (tmp_path / "deep" / "middle.yaml").write_text(
        "base: deeper/root.yaml\ndataset: {n: 60}\noptimizer: {momentum: 0.8}\nseed: 2\n"
    )
    path = tmp_path / "leaf.yaml"
    path.write_text("base: deep/middle.yaml\ndataset:\n  n: 70\nstop: {patience: 3}\n")
    return path


def test_two_bases_deep(chain: Path) -> None:
    assert Draft.from_file(chain).data == {
        "dataset": {"name": "moons", "n": 70, "noise": 0.3},
        "optimizer": {"name": "momentum", "lr": 0.5, "momentum": 0.8},
        "seed": 2,
        "stop": {"epochs": 5, "patience": 3},
    }


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("dataset.noise", "deep/deeper/root.yaml:1:38"),
        ("dataset.n", "leaf.yaml:3:6"),
        ("optimizer.lr", "deep/deeper/root.yaml:2:33"),
        ("optimizer.momentum", "deep/middle.yaml:3:23"),
        ("seed", "deep/middle.yaml:4:7"),
        ("stop.epochs", "deep/deeper/root.yaml:4:7"),
        ("stop.patience", "leaf.yaml:4:18"),
    ],
)
def test_each_value_keeps_its_place(chain: Path, monkeypatch: pytest.MonkeyPatch, key: str, place: str) -> None:
    monkeypatch.chdir(chain.parent)
    found = Draft.from_file(Path("leaf.yaml")).place(tuple(key.split(".")))
    assert found is not None
    assert f"{found.source}:{found.line}:{found.column}" == place


def test_a_place_goes_with_its_value() -> None:
    draft = Draft(parse("optimizer: {name: momentum, momentum: 0.5}", "base"))
    draft.overlay(parse("seed: 1\noptimizer: {name: sgd, lr: 2}", "over"))
    assert {place.source for key, place in draft.values.items() if key[0] == "optimizer"} == {"over"}
    assert ("optimizer", "momentum") not in draft.keys


def test_a_default_has_no_place() -> None:
    assert Draft(parse("seed: 1", "f.yaml")).place(("optimizer", "lr")) is None


# -- overrides -----------------------------------------------------------------------------------------------------


def overridden(text: str, *overrides: str) -> dict[str, Any]:
    draft = Draft(parse(text, "f.yaml"))
    apply_overrides(draft, overrides)
    return draft.data


OVERRIDES: list[tuple[str, str, dict[str, Any]]] = [
    ("", "seed=3", {"seed": 3}),
    ("seed: 1", "seed=3", {"seed": 3}),
    ("", "optimizer.lr=0.5", {"optimizer": {"name": "adam", "lr": 0.5}}),
    ("optimizer: sgd", "optimizer.lr=1e-2", {"optimizer": {"name": "sgd", "lr": 0.01}}),
    ("optimizer: {name: sgd, lr: 1}", "optimizer=sgd", {"optimizer": {"name": "sgd", "lr": 1}}),
    ("optimizer: {name: sgd, lr: 1}", "optimizer=nag", {"optimizer": "nag"}),
    ("optimizer: {name: sgd, lr: 1}", "optimizer.name=nag", {"optimizer": "nag"}),
    ("optimizer: {lr: 1}", "optimizer=adam", {"optimizer": {"name": "adam", "lr": 1}}),
    ("optimizer: {name: sgd, lr: 1}", "optimizer={name: nag}", {"optimizer": {"name": "nag"}}),
    ("", "architecture.hidden=[4, 2]", {"architecture": {"name": "mlp", "hidden": [4, 2]}}),
    ("architecture: {hidden: [3]}", "architecture.width=2", {"architecture": {"name": "mlp", "width": 2}}),
    ("stop: 20", "stop.patience=2", {"stop": {"epochs": 20, "patience": 2}}),
    ("stop: {patience: 2}", "stop=20", {"stop": {"epochs": 20, "patience": 2}}),
    ("name: a", "name=b", {"name": "b"}),
    # members of a list, by name
    ("", "regularization.l2.strength=1", {"regularization": [{"name": "l2", "strength": 1}]}),
    ("regularization: none", "regularization.l2.strength=1", {"regularization": [{"name": "l2", "strength": 1}]}),
    ("regularization: l2", "regularization.l2.strength=1", {"regularization": [{"name": "l2", "strength": 1}]}),
    (
        "regularization: [l1, {name: l2, strength: 0.5}]",
        "regularization.l2.strength=1",
        {"regularization": ["l1", {"name": "l2", "strength": 1}]},
    ),
    (
        "regularization: [l1]",
        "regularization.dropout.rate=0.1",
        {"regularization": ["l1", {"name": "dropout", "rate": 0.1}]},
    ),
    ("regularization: [l1]", "regularization=[l2]", {"regularization": ["l2"]}),
    ("regularization: [l1]", "regularization=none", {"regularization": "none"}),
    (
        "dataset: {name: moons, preprocessing: [center]}",
        "dataset.preprocessing.minmax.low=-1",
        {"dataset": {"name": "moons", "preprocessing": ["center", {"name": "minmax", "low": -1}]}},
    ),
]


@pytest.mark.parametrize(
    ("text", "override", "expected"), OVERRIDES, ids=[f"{row[1]} on {row[0]}" for row in OVERRIDES]
)
def test_override(text: str, override: str, expected: dict[str, Any]) -> None:
    assert overridden(text or "{}", override) == expected


def test_the_order_of_overrides_does_not_matter() -> None:
    overrides = [
        "optimizer.name=momentum",
        "optimizer.momentum=0.5",
        "regularization=[l2]",
        "regularization.l2.strength=0.5",
        "stop=7",
        "stop.patience=2",
    ]
    text = "dataset: moons\noptimizer: {name: sgd, lr: 1}\nregularization: dropout"
    first = overridden(text, *overrides)
    assert first["optimizer"] == {"name": "momentum", "momentum": 0.5}
    assert first["regularization"] == [{"name": "l2", "strength": 0.5}]
    assert first["stop"] == {"epochs": 7, "patience": 2}
    assert all(overridden(text, *order) == first for order in permutations(overrides))


def test_an_override_is_the_place_of_all_it_says() -> None:
    draft = Draft(parse("dataset: moons", "f.yaml"))
    apply_overrides(draft, ["optimizer={name: momentum, lr: 1}"])
    for path in [("optimizer",), ("optimizer", "name"), ("optimizer", "lr")]:
        place = draft.place(path)
        assert place is not None
        assert (place.source, place.text) == ("command line", ("optimizer={name: momentum, lr: 1}",))


def test_another_optimizer_starts_from_its_own_defaults(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("dataset: moons\noptimizer: {name: sgd, lr: 0.5}\n")
    fresh = ExperimentConfig.model_validate({"dataset": "moons", "optimizer": "adam"}).optimizer
    assert load(path, ["optimizer=adam"]).config.optimizer == fresh
    assert load(path, ["optimizer=sgd"]).config.optimizer.lr == 0.5
    assert load(path, ["optimizer=adam", "optimizer.lr=0.5"]).config.optimizer == fresh.model_copy(update={"lr": 0.5})


def test_lists_of_components_are_known() -> None:
    assert list_keys() == {"regularization", "augmentation", "dataset.preprocessing", "dataset.conditions"}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("seed=3", "seed", 3),
        ("optimizer.lr=1e-3", "optimizer.lr", 1e-3),
        ("name=a=b", "name", "a=b"),
        ("loss=null", "loss", None),
        ("loss=", "loss", None),
        ("name='3'", "name", "3"),
        ("batch={name: mini, size: 8}", "batch", {"name": "mini", "size": 8}),
    ],
)
def test_splitting_an_override(text: str, key: str, value: Any) -> None:
    found, tree = split_override(text)
    assert (found, tree.data) == (key, value)


@pytest.mark.parametrize(
    ("text", "several"),
    [
        ("a=1", False),
        ("a=1,2", True),
        ("a=[1,2]", False),
        ("a=[1,2],[3]", True),
        ("a={x: 1, y: 2}", False),
        ("a='x,y'", False),
        ("a=range(3)", True),
        ("a=logspace(1e-3,1,4)", True),
        ("zip(a=1,2 b=3,4)", True),
    ],
)
def test_what_names_several_values(text: str, several: bool) -> None:
    assert names_several(text) == several


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", [""]),
        ("a,b", ["a", "b"]),
        (" a , b ", ["a", "b"]),
        ("a,,b", ["a", "", "b"]),
        ("[a,b],(c,d),{e,f}", ["[a,b]", "(c,d)", "{e,f}"]),
        ('"a,b",c', ['"a,b"', "c"]),
        ("[[a,b],c],d", ["[[a,b],c]", "d"]),
    ],
)
def test_splitting_outside_brackets(text: str, parts: list[str]) -> None:
    assert split_outside_brackets(text) == parts
