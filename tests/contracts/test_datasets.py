"""Data sets: whole tables, the same for the same seed, and a file that says the same as what was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nnexp.components.base import members
from nnexp.components.datasets import Csv, Dataset, Generated, Shipped, Table
from nnexp.errors import Misfit
from tests.variants import each, each_member


def loaded(dataset: Dataset, seed: int = 0) -> Table:
    return dataset.load(np.random.default_rng(seed))


@each("dataset", Dataset)
def test_the_table_is_whole(dataset: Dataset) -> None:
    table = loaded(dataset)
    n, features = table.x.shape
    assert table.t.shape == (n,)
    assert len(table.features) == features == len(set(table.features))
    assert table.x.dtype == np.float64
    assert np.isfinite(table.x).all()
    if table.classes is None:
        assert table.t.dtype == np.float64
        assert np.isfinite(table.t).all()
        assert np.ptp(table.t) > 0
    else:
        assert table.t.dtype == np.int64
        assert set(table.t.tolist()) == set(range(len(table.classes)))
        assert len(set(table.classes)) == len(table.classes) >= 2
    assert n >= 10


@each("dataset", Dataset)
def test_the_same_for_the_same_seed(dataset: Dataset) -> None:
    first, again, other = loaded(dataset), loaded(dataset), loaded(dataset, seed=1)
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.t, again.t)
    assert np.array_equal(first.x, other.x) == (not isinstance(dataset, Generated))


@each_member("cls", Generated)
@pytest.mark.parametrize("n", [10, 11, 101])
def test_as_many_as_asked_for_in_even_classes(cls: type[Generated], n: int) -> None:
    table = loaded(cls(n=n))
    assert len(table.t) == n
    assert np.ptp(np.bincount(table.t)) <= 1 or np.ptp(np.bincount(table.t)) <= n % 4


@each_member("cls", Generated)
def test_noise_is_added_to_the_points(cls: type[Generated]) -> None:
    clean, noisy = (loaded(cls(n=5000, noise=noise)) for noise in (0.0, 0.5))
    assert (noisy.x - clean.x).std() == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(clean.t, noisy.t)


@each_member("cls", Shipped)
def test_a_file_of_the_same_numbers_is_the_same_table(cls: type[Shipped], tmp_path: Path) -> None:
    # Written as CSV and read back: the same inputs, targets and names, whether classes or real numbers.
    table = loaded(cls())
    labels = table.t if table.classes is None else [f"class {i:02}" for i in table.t]
    lines = [",".join([*(f'"{name}"' for name in table.features), "wanted"])]
    lines += [",".join([*map(repr, row), str(label)]) for row, label in zip(table.x.tolist(), labels, strict=True)]
    file = tmp_path / "table.csv"
    file.write_text("\n".join(lines), encoding="utf-8")
    again = loaded(Csv(path=str(file), target="wanted", task="auto" if table.classes else "regression"))
    np.testing.assert_allclose(again.x, table.x, rtol=1e-15)
    np.testing.assert_allclose(again.t, table.t, rtol=1e-15)
    assert again.features == table.features
    assert (again.classes is None) == (table.classes is None)
    assert again.notes == ()


# -- files -----------------------------------------------------------------------------------------

ROWS = [f"{i},{'red' if i % 2 else 'blue'},{i % 3}" for i in range(12)]


def written(folder: Path, *changed: str, header: str = "size,colour,kind") -> str:
    file = folder / "table.csv"
    file.write_text("\n".join([header, *changed, *ROWS[len(changed) :]]), encoding="utf-8")
    return str(file)


def test_text_becomes_one_feature_a_value(tmp_path: Path) -> None:
    table = loaded(Csv(path=written(tmp_path), target="kind"))
    assert table.features == ("size", "colour=blue", "colour=red")
    assert table.x[:2].tolist() == [[0, 1, 0], [1, 0, 1]]
    assert table.classes == ("0", "1", "2")
    assert table.t.tolist() == [i % 3 for i in range(12)]


def test_columns_can_be_chosen_and_left_out(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert loaded(Csv(path=path, target="kind", drop=("colour",))).features == ("size",)
    assert loaded(Csv(path=path, target="kind", features=("size",))).features == ("size",)
    assert loaded(Csv(path=path, target="size", task="regression", text="drop")).features == ("kind",)


def test_missing_values_are_an_error_or_left_out_or_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "0,blue,0", ",red,1")
    with pytest.raises(Misfit, match=r"missing values in 'size' \(1\)"):
        loaded(Csv(path=path, target="kind"))
    dropped = loaded(Csv(path=path, target="kind", missing="drop"))
    assert len(dropped.t) == 11
    assert "1 rows with missing values were left out" in dropped.notes[0]
    kept = loaded(Csv(path=path, target="kind", missing="keep"))
    assert np.isnan(kept.x).sum() == 1
    assert np.isnan(kept.x[1, 0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target": "knid"}, "no column 'knid'.*did you mean 'kind'"),
        ({"target": "kind", "features": ("sise",)}, "no column 'sise'.*did you mean 'size'"),
        ({"target": "kind", "drop": ("color",)}, "no column 'color'.*did you mean 'colour'"),
        ({"target": "kind", "features": ("kind",)}, "cannot be a feature too"),
        ({"target": "colour", "task": "regression"}, "is text"),
        ({"target": "kind", "separator": ";"}, "is the separator really ';'"),
        ({"target": "kind", "drop": ("size", "colour")}, "no column is left"),
        ({"target": "kind", "text": "error"}, "'colour' is text with 2 different values"),
    ],
)
def test_refuses_what_the_file_does_not_have(tmp_path: Path, fields: dict, message: str) -> None:
    with pytest.raises(Misfit, match=message) as raised:
        loaded(Csv(path=written(tmp_path), **fields))
    assert raised.value.path.startswith("dataset.")


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    written(tmp_path)
    with pytest.raises(Misfit, match=r"does not exist; did you mean 'table\.csv'"):
        loaded(Csv(path=str(tmp_path / "tabel.csv"), target="kind"))


def test_a_shipped_table_has_its_file() -> None:
    for cls in members(Shipped).values():
        assert len(loaded(cls()).t) > 100
