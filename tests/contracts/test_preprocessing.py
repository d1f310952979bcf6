"""Preprocessing: numbers by hand, scikit-learn's numbers, and what holds for every step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from nnexp.components.base import members
from nnexp.components.preprocessing import Preprocessing, Scaled
from nnexp.errors import Misfit
from tests.variants import each

KINDS = members(Preprocessing)
NAMES = ("a", "b")
TRAINING = np.array([[1.0, 10.0], [3.0, 40.0], [5.0, 10.0], [7.0, 40.0]])
"""Means 4 and 25; variances (9 + 1 + 1 + 9)/4 = 5 and 225, covariance 15; of all together (20 + 900)/8 = 115."""
NEW = np.array([[9.0, 70.0]])
"""The means and (5, 45)."""

λ = 115 + np.array([1, -1]) * 12325**0.5
"""Eigenvalues of [[5, 15], [15, 225]]: 230/2 ± √(110² + 15²), with the directions (15, λ₁ - 5) and (λ₁ - 5, -15)."""
PRINCIPAL = np.array([15 * 5 + (λ[0] - 5) * 45, (λ[0] - 5) * 5 - 15 * 45]) / np.hypot(15, λ[0] - 5)

BY_HAND = [
    ("center", {}, [5, 45]),
    ("standardize", {}, [5 / 5**0.5, 45 / 15]),
    ("standardize", {"scale": "global"}, [5 / 115**0.5, 45 / 115**0.5]),
    ("minmax", {}, [8 / 6, 60 / 30]),
    ("minmax", {"low": -1.0, "high": 1.0}, [-1 + 2 * 8 / 6, -1 + 2 * 2]),
    ("impute", {}, [9, 70]),
    # The first component explains 226/230 = 98 % of the variance.
    ("pca", {}, PRINCIPAL[:1]),
    ("pca", {"components": 1}, PRINCIPAL[:1]),
    ("pca", {"components": 0.99}, PRINCIPAL),
    ("pca", {"components": 2}, PRINCIPAL),
    ("whiten", {"kind": "pca", "eps": 0.0}, PRINCIPAL / λ**0.5),
    ("whiten", {"kind": "pca", "eps": 100.0}, PRINCIPAL / (λ + 100) ** 0.5),
    # Of a matrix C of order 2, √C = (C + s I) / √(tr C + 2s) with s = √det C = √(5 · 225 - 15²) = 30.
    ("whiten", {"eps": 0.0}, np.array([255 * 5 - 15 * 45, 35 * 45 - 15 * 5]) * 290**0.5 / (35 * 255 - 15 * 15)),
    ("layer", {}, [-1, 1]),
    ("layer", {"eps": 100.0}, [-30.5 / (30.5**2 + 100) ** 0.5, 30.5 / (30.5**2 + 100) ** 0.5]),
    ("one_hot", {}, [0, 0, 0, 0, 70]),
    ("one_hot", {"columns": ("b",)}, [9, 0, 0]),
]


@pytest.mark.parametrize(("name", "fields", "expected"), BY_HAND)
def test_by_hand(name: str, fields: dict, expected: list[float]) -> None:
    fitted = KINDS[name](**fields).fit(TRAINING, NAMES)
    np.testing.assert_allclose(fitted(NEW)[0], expected, rtol=1e-13)


def test_every_step_was_calculated_by_hand() -> None:
    assert {name for name, _, _ in BY_HAND} == set(KINDS)


# -- every step ------------------------------------------------------------------------------------


@each("step", Preprocessing)
def test_leaves_its_input_and_names_its_output(step: Preprocessing) -> None:
    before = TRAINING.copy()
    fitted = step.fit(TRAINING, NAMES)
    found = fitted(TRAINING)
    np.testing.assert_array_equal(TRAINING, before)
    names = fitted.names(NAMES)
    assert found.shape == (len(TRAINING), len(names))
    assert len(set(names)) == len(names)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()


@each("step", Preprocessing)
def test_works_example_by_example(step: Preprocessing) -> None:
    fitted = step.fit(TRAINING, NAMES)
    one_by_one = [fitted(row[None])[0] for row in TRAINING]
    np.testing.assert_allclose(fitted(TRAINING), one_by_one, rtol=1e-13, atol=1e-13)


@each("step", Preprocessing)
def test_does_not_depend_on_the_order_of_the_examples(step: Preprocessing) -> None:
    np.testing.assert_allclose(step.fit(TRAINING[::-1], NAMES)(NEW), step.fit(TRAINING, NAMES)(NEW), rtol=1e-13)


@each("step", Preprocessing)
def test_its_arrays_are_all_that_is_needed(step: Preprocessing, tmp_path: Path) -> None:
    fitted = step.fit(TRAINING, NAMES)
    np.savez(tmp_path / "fitted.npz", **fitted.arrays())
    with np.load(tmp_path / "fitted.npz", allow_pickle=False) as file:
        again = type(fitted)(**file)
    np.testing.assert_array_equal(again(NEW), fitted(NEW))
    assert again.names(NAMES) == fitted.names(NAMES)


def per_feature(step: Preprocessing) -> bool:
    return isinstance(step.fit(TRAINING, NAMES), Scaled)


@each("step", Preprocessing, per_feature)
def test_a_step_of_each_feature_keeps_its_order(step: Preprocessing) -> None:
    found = step.fit(TRAINING, NAMES)(TRAINING)
    assert found.shape == TRAINING.shape
    for column, values in zip(found.T, TRAINING.T, strict=True):
        np.testing.assert_array_equal(
            np.sign(np.subtract.outer(column, column)), np.sign(np.subtract.outer(values, values))
        )


@each("step", Preprocessing, lambda step: getattr(step, "eps", 0.0) == 0.0 and step.label() != "whiten")
def test_again_changes_nothing(step: Preprocessing) -> None:
    fitted = step.fit(TRAINING, NAMES)
    once = fitted(TRAINING)
    np.testing.assert_allclose(step.fit(once, fitted.names(NAMES))(once), once, rtol=1e-12, atol=1e-12)


# -- missing values, ranges, categories --------------------------------------------------------------


def test_missing_values_become_the_mean_of_the_others() -> None:
    x = np.array([[1.0, np.nan], [np.nan, np.nan], [5.0, np.nan]])
    fitted = KINDS["impute"]().fit(x)
    # A feature without any value becomes 0.
    np.testing.assert_array_equal(fitted(x), [[1, 0], [3, 0], [5, 0]])


def test_an_empty_range_is_refused() -> None:
    with pytest.raises(ValidationError, match="below high"):
        KINDS["minmax"](low=1.0, high=1.0)


def test_categories_are_those_of_the_training_split() -> None:
    x = np.array([[2.0, 0.5, 1.0], [7.0, 1.5, 0.0], [np.nan, 2.0, 1.0], [3.0, 4.0, 1.0]])
    fitted = KINDS["one_hot"]().fit(x, ("kind", "size", "flag"))
    assert fitted.names(("kind", "size", "flag")) == ("kind=2", "kind=3", "kind=7", "size", "flag")
    np.testing.assert_array_equal(fitted(x), [[1, 0, 0, 0.5, 1], [0, 0, 1, 1.5, 0], [0, 0, 0, 2, 1], [0, 1, 0, 4, 1]])
    np.testing.assert_array_equal(fitted(np.array([[5.0, 9.0, 9.0]])), [[0, 0, 0, 9, 9]])


def test_categories_as_scikit_learn_makes_them() -> None:
    theirs = pytest.importorskip("sklearn.preprocessing")
    rng = np.random.default_rng(0)
    x, new = rng.integers(-3, 4, (60, 4)).astype(float), rng.integers(-6, 7, (40, 4)).astype(float)
    encoder = theirs.OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(x)
    np.testing.assert_array_equal(KINDS["one_hot"]().fit(x, tuple("abcd"))(new), encoder.transform(new))


@pytest.mark.parametrize(
    ("columns", "most", "message"),
    [
        (("aa",), 10, "no feature 'aa'; did you mean 'a'"),
        (("a",), 3, r"'a' has 4 different values .* at most 3"),
        (("b",), 10, r"'b' has values such as 10.5"),
    ],
)
def test_what_cannot_be_categories(columns: tuple[str, ...], most: int, message: str) -> None:
    with pytest.raises(Misfit, match=message) as raised:
        KINDS["one_hot"](columns=columns, most=most).fit(TRAINING + np.array([0, 0.5]), NAMES)
    assert raised.value.path.startswith("dataset.preprocessing.one_hot")


# -- directions ------------------------------------------------------------------------------------


def correlated(n: int, features: int, decades: float = 1.0) -> np.ndarray:
    """Inputs with a mean, correlations, and standard deviations over some powers of ten."""
    rng = np.random.default_rng(n + features)
    scales = np.logspace(0, -decades, features)
    return rng.normal(size=(n, features)) * scales @ np.linalg.qr(rng.normal(size=(features, features)))[0] + 3


@pytest.mark.parametrize("components", [1, 3, 6, 0.5, 0.9, 0.999])
def test_components_as_scikit_learn_finds_them(components: float) -> None:
    theirs = pytest.importorskip("sklearn.decomposition")
    x, new = correlated(200, 6), correlated(50, 6)
    reference = theirs.PCA(components, svd_solver="full").fit(x)
    fitted = KINDS["pca"](components=components).fit(x)
    np.testing.assert_allclose(fitted(new), reference.transform(new), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("n", "features"), [(200, 6), (20, 6), (6, 20)])
def test_whitened_as_scikit_learn_does_it(n: int, features: int) -> None:
    theirs = pytest.importorskip("sklearn.decomposition")
    x = correlated(n, features)
    rank = min(n - 1, features)
    reference = theirs.PCA(rank, whiten=True, svd_solver="full").fit_transform(x) * (n / (n - 1)) ** 0.5
    found = KINDS["whiten"](kind="pca", eps=0.0).fit(x)(x)
    np.testing.assert_allclose(found, reference, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("kind", ["pca", "zca"])
@pytest.mark.parametrize("decades", [1.0, 6.0])
def test_whitened_inputs_have_the_identity_for_covariance(kind: str, decades: float) -> None:
    x = correlated(300, 8, decades)
    found = KINDS["whiten"](kind=kind, eps=0.0).fit(x)(x)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-8)
    np.testing.assert_allclose(found.T @ found / 300, np.eye(8), atol=1e-8)


def test_eps_spares_directions_of_little_variance() -> None:
    # With variances λ the whitened ones are λ / (λ + eps), in the same directions.
    x = correlated(300, 5)
    found = KINDS["whiten"](eps=0.01).fit(x)(x)
    λ, V = np.linalg.eigh(np.cov(x.T, bias=True))
    np.testing.assert_allclose(np.cov(found.T, bias=True), V * (λ / (λ + 0.01)) @ V.T, atol=1e-12)


def test_zca_stays_nearest_to_the_features() -> None:
    # Of all whitening matrices, the symmetric positive one, the inverse root of the covariance.
    x = correlated(300, 5)
    matrix = KINDS["whiten"](eps=0.0).fit(x).arrays()["matrix"]
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-12)
    assert np.linalg.eigvalsh(matrix).min() > 0
    np.testing.assert_allclose(np.linalg.inv(matrix @ matrix), np.cov(x.T, bias=True), rtol=1e-10)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e8 + 0.1])
@pytest.mark.parametrize(
    "step", [KINDS["pca"](components=0.999), KINDS["whiten"](eps=0.0), KINDS["whiten"](kind="pca", eps=0.0)]
)
def test_features_without_variance_say_nothing(step: Preprocessing, constant: float) -> None:
    x = correlated(48, 4)  # the mean of 48 times 1e8 + 0.1 is another number
    x[:, 1] = constant
    x[:, 3] = x[:, 2]  # and two that are the same are one direction
    fitted = step.fit(x)
    new = correlated(20, 4)
    other = new.copy()
    other[:, 1] += 1e6
    np.testing.assert_array_equal(fitted(new), fitted(other))
    matrix = fitted.arrays()["matrix"]
    assert np.linalg.matrix_rank(matrix) == 2
    assert np.abs(matrix).max() < 1e3


def test_signs_are_fixed() -> None:
    # The largest weight of each direction is positive; of equal ones, the first.
    for x in (correlated(100, 5), np.array([[1.0, -1.0], [-1.0, 1.0]]), np.array([[-1.0, 1.0], [1.0, -1.0]])):
        matrix = KINDS["pca"](components=0.999).fit(x).arrays()["matrix"]
        largest = np.abs(matrix).max(axis=0) * (1 - 1e-9)
        for column, size in zip(matrix.T, largest, strict=True):
            assert column[np.abs(column) >= size][0] > 0


def test_more_components_than_directions() -> None:
    step = KINDS["pca"](components=3)
    with pytest.raises(Misfit, match="3 components of 2 features"):
        step.fit(TRAINING)
    with pytest.raises(Misfit, match="3 components of 4 features; the 3 training examples vary in 2 directions"):
        step.fit(correlated(3, 4))
    with pytest.raises(Misfit, match="all the same"):
        step.fit(np.ones((5, 4)))


@pytest.mark.parametrize("components", [0, -1, 0.0, 1.0, 1.5, True, "all", None])
def test_components_are_a_number_or_a_share(components: object) -> None:
    with pytest.raises(ValidationError, match="share of the variance between 0 and 1") as raised:
        KINDS["pca"](components=components)
    assert len(raised.value.errors()) == 1


# -- each example ----------------------------------------------------------------------------------


def test_each_example_for_itself() -> None:
    x = np.vstack([correlated(30, 6), np.full((1, 6), 0.1), np.zeros((1, 6))])
    found = KINDS["layer"]().fit(x)(x)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found[:30].var(axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(found[30:], 0, atol=1e-12)


def test_one_feature_alone_cannot_be_compared() -> None:
    with pytest.raises(Misfit, match="only one feature"):
        KINDS["layer"]().fit(np.ones((4, 1)))
