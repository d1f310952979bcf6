"""L-BFGS: against PyTorch, SciPy, conjugate gradients and least squares; what it does where a search fails."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

from nnexp.components.optimizers import Lbfgs
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.experiment import Experiment
from nnexp.engine.steps import QuasiNewtonSteps
from nnexp.engine.trainer import Trainer
from tests.small import arrays, rows, trainer

NOTHING = np.empty((1, 0))
GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "lbfgs.json").read_text(encoding="utf-8"))


class Function:
    """An objective from a function θ -> (value, gradient); it counts how often it is asked."""

    def __init__(self, f: Any, θ: Any, dtype: str = "float64"):
        self.f, self.θ = f, np.array(θ, dtype)
        self.g, self.asked = np.zeros_like(self.θ), 0

    def total(self, x: np.ndarray, t: np.ndarray) -> float:
        self.asked += 1
        value, self.g[:] = self.f(self.θ)
        return float(value)

    def penalty(self, rows: int) -> float:
        return 0.0


def gone_down(function: Function, optimizer: Lbfgs, steps: int, lr: float | None = None) -> list[np.ndarray]:
    """θ after each update."""
    one, path = QuasiNewtonSteps(optimizer, function.θ, function.g), []
    for step in range(1, steps + 1):
        value = function.total(NOTHING, NOTHING)
        one.move(function, value, NOTHING, NOTHING, optimizer.lr if lr is None else lr, step)
        path.append(function.θ.copy())
    assert one.evaluations == function.asked
    return path


def rosenbrock(θ: np.ndarray) -> tuple[float, np.ndarray]:
    x, y = θ
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2, np.array([2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x)])


def bowl(D: int, seed: int = 0) -> tuple[np.ndarray, Any]:
    """A random positive definite matrix A, and θᵀ A θ / 2 with its gradient."""
    M = np.random.default_rng(seed).normal(size=(D, D))
    A = M @ M.T + np.eye(D)
    return A, lambda θ: (θ @ A @ θ / 2, A @ θ)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in GOLDEN["cases"].items()])
def test_as_pytorch(case: Any) -> None:
    A, b = np.array(GOLDEN["A"]), np.array(GOLDEN["b"])

    def f(θ: np.ndarray) -> tuple[float, np.ndarray]:
        z = A @ θ - b
        return np.log(np.cosh(z)).sum() + 0.05 * θ @ θ, A.T @ np.tanh(z) + 0.1 * θ

    optimizer = Lbfgs(**case["component"])
    searched = optimizer.line_search != "none"
    path = gone_down(Function(f, GOLDEN["start"]), optimizer, 60 if searched else len(case["after"]))
    if searched:  # two searches do not take the same steps; they end where f is flat to its last digit, √ε wide
        np.testing.assert_allclose(path[-1], case["after"][-1], atol=3e-8)
        assert f(path[-1])[0] == pytest.approx(case["value"], rel=1e-13)
    else:
        np.testing.assert_allclose(path, case["after"], rtol=1e-10, atol=1e-13)
        assert np.abs(np.diff(path, axis=0)).max() > 1e-3


def test_exact_searches_make_it_conjugate_gradients() -> None:
    # On a quadratic with exact line searches both go to the minimum of the same growing subspaces.
    D = 6
    A, f = bowl(D)
    start = np.random.default_rng(1).normal(size=D)
    θ, r = start.copy(), -A @ start
    p, expected = r.copy(), []
    for _ in range(D):
        α = r @ r / (p @ A @ p)
        θ, new = θ + α * p, r - α * (A @ p)
        p, r = new + new @ new / (r @ r) * p, new
        expected.append(θ)
    path = gone_down(Function(f, start), Lbfgs(c1=1e-8, c2=1e-7), D)
    np.testing.assert_allclose(path, expected, atol=1e-5)
    assert f(path[-1])[0] < 1e-10 * f(start)[0]


def test_rosenbrock_in_as_many_steps_as_l_bfgs_b() -> None:
    function = Function(rosenbrock, [-1.2, 1.0])
    path = gone_down(function, Lbfgs(), 45)
    theirs = minimize(rosenbrock, [-1.2, 1.0], jac=True, method="L-BFGS-B", options={"ftol": 0, "gtol": 1e-12})
    mine = next(k for k, θ in enumerate(path, 1) if rosenbrock(θ)[0] < 1e-20)
    assert mine <= 1.2 * theirs.nit
    np.testing.assert_array_equal(path[-1], [1.0, 1.0])


def test_stays_at_a_minimum() -> None:
    function = Function(rosenbrock, [-1.2, 1.0])
    path = gone_down(function, Lbfgs(), 80)
    assert rosenbrock(path[-1])[0] < 1e-28
    np.testing.assert_array_equal(path[-1], path[-20])


def test_a_kink_that_no_search_gets_past() -> None:
    # At |θ| = 0 nothing along -g meets the conditions: θ is left where it is, not thrown about.
    function = Function(lambda θ: (np.abs(θ).sum(), np.where(θ >= 0, 1.0, -1.0)), [0.0])
    assert gone_down(function, Lbfgs(), 3) == [0.0, 0.0, 0.0]


def test_a_search_that_fails_forgets_the_history() -> None:
    # After a few steps the function becomes another one, whose gradient the old pairs send uphill.
    _, f = bowl(4)
    function = Function(f, np.ones(4))
    one = QuasiNewtonSteps(Lbfgs(), function.θ, function.g)
    for step in range(1, 4):
        one.move(function, function.total(NOTHING, NOTHING), NOTHING, NOTHING, 1.0, step)
    one.slots["y"] *= -1  # directions of ascent
    one.slots["step"][:] = 0
    kept = int(one.slots["counts"][0])
    before = function.total(NOTHING, NOTHING)
    one.move(function, before, NOTHING, NOTHING, 1.0, 4)
    assert kept > 1
    assert one.slots["counts"][0] == 0
    assert f(function.θ)[0] < before


@pytest.mark.parametrize("curvature", [-1.0, 0.0])
def test_pairs_without_curvature_are_left_out(curvature: float) -> None:
    function = Function(lambda θ: (curvature / 2 * θ @ θ - θ.sum(), curvature * θ - 1), [0.0, 0.0])
    one = QuasiNewtonSteps(Lbfgs(line_search="none", lr=0.1), function.θ, function.g)
    for step in range(1, 5):
        one.move(function, function.total(NOTHING, NOTHING), NOTHING, NOTHING, 0.1, step)
    assert one.slots["counts"][0] == 0
    assert (function.θ > 0).all()


def test_keeps_as_many_pairs_as_asked_for_the_newest_ones() -> None:
    A, f = bowl(5)
    function = Function(f, np.ones(5))
    one = QuasiNewtonSteps(Lbfgs(history=3, line_search="none"), function.θ, function.g)
    steps = []
    for step in range(1, 9):
        one.move(function, function.total(NOTHING, NOTHING), NOTHING, NOTHING, 0.3, step)
        steps.append(one.slots["step"].copy())
    s, y = one._pairs()
    np.testing.assert_array_equal(s, steps[-4:-1])
    np.testing.assert_allclose(y, np.array(s) @ A, atol=1e-10)
    assert sum(array.size for name, array in one.slots.items() if name != "counts") == Lbfgs(history=3).state_size(5)


def test_the_newest_pair_is_met_exactly() -> None:
    # The secant condition: the direction for g = y is -s, whatever the older pairs.
    rng = np.random.default_rng(4)
    s, y = rng.normal(size=(3, 5)), rng.normal(size=(3, 5))
    y *= np.sign(np.sum(s * y, axis=1, keepdims=True))
    np.testing.assert_allclose(Lbfgs.direction(y[-1], s, y), -s[-1], rtol=1e-10)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_spoiled_gradient_is_seen(bad: float) -> None:
    function = Function(lambda θ: (1.0, np.array([1.0, bad])), [1.0, 1.0])
    with np.errstate(invalid="ignore"):
        (θ,) = gone_down(function, Lbfgs(), 1)
    assert not np.isfinite(θ[1])


def test_a_cliff_is_not_stepped_over() -> None:
    # Beyond 1 the function is not defined; the first trial step lands there.
    def f(θ: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(invalid="ignore", divide="ignore"):
            return float(-np.log(1 - θ[0]) - 3 * θ[0]), 1 / (1 - θ) - 3

    path = gone_down(Function(f, [0.0]), Lbfgs(lr=5.0), 20)
    assert path[-1][0] == pytest.approx(2 / 3, abs=1e-8)
    assert max(θ[0] for θ in path) < 1


def test_float32_stays_float32_and_comes_near() -> None:
    _, f = bowl(4)
    function = Function(f, np.ones(4), "float32")
    one = QuasiNewtonSteps(Lbfgs(), function.θ, function.g)
    for step in range(1, 30):
        one.move(function, function.total(NOTHING, NOTHING), NOTHING, NOTHING, 1.0, step)
    assert {str(array.dtype) for name, array in one.slots.items() if name != "counts"} == {"float32"}
    assert np.abs(function.θ).max() < 1e-5


# -- networks --------------------------------------------------------------------------------------


def experiment(**changes: Any) -> Trainer:
    config = {"optimizer": "lbfgs", "batch": "full", "precision": "float64", "architecture": "linear", "stop": 100}
    return Trainer(Experiment(ExperimentConfig.model_validate({**config, **changes})))


@pytest.mark.parametrize("strength", [0.1, 1e-3])
def test_softmax_regression_as_by_scipy(strength: float) -> None:
    one = experiment(dataset="iris", regularization={"name": "l2", "strength": strength})
    logged = rows(one)
    x, t = one.experiment.data.train.x, one.experiment.data.train.t
    F, C = x.shape[1], 3

    def f(v: np.ndarray) -> tuple[float, np.ndarray]:
        W, b = v[: F * C].reshape(F, C), v[F * C :]
        z = x @ W + b
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        value = -np.log(p[np.arange(len(t)), t]).mean() + strength / 2 * (W * W).sum()
        d = (p - np.eye(C)[t]) / len(t)
        return value, np.concatenate(((x.T @ d + strength * W).ravel(), d.sum(axis=0)))

    theirs = minimize(f, np.zeros(F * C + C), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-10})
    total = logged[-1]["train_loss"] + one.learner.penalty(len(x))
    assert total == pytest.approx(theirs.fun, abs=1e-8)
    assert np.abs(one.learner.g).max() < 1e-6
    assert logged[-1]["evaluations"] >= len(logged) - 1


def test_a_linear_network_is_least_squares() -> None:
    one = experiment(dataset="diabetes", loss="mse")
    logged = rows(one)
    data = one.experiment.data
    x = np.column_stack((data.train.x, np.ones(len(data.train))))
    t = (data.train.t - data.target_shift) / data.target_scale
    θ, *_ = np.linalg.lstsq(x, t, rcond=None)
    assert logged[-1]["train_loss"] == pytest.approx(np.mean((x @ θ - t) ** 2), rel=1e-12)
    np.testing.assert_allclose(one.network.value["output.weight"][:, 0], θ[:-1], rtol=1e-5, atol=1e-6)


def test_l1_never_rises() -> None:
    one = experiment(dataset="iris", regularization={"name": "l1", "strength": 0.01}, stop=40)
    totals = []
    for row in one.run():
        if hasattr(row, "values"):
            totals.append(row.values["train_loss"] + one.learner.penalty(1))
    assert totals[-1] < 0.6 * totals[0]
    assert max(np.diff(totals)) < 1e-12


@pytest.mark.parametrize("until", [1, 7, 20])
def test_goes_on_to_the_same_bits(until: int) -> None:
    changes: dict[str, Any] = {"optimizer": {"name": "lbfgs", "history": 4}, "batch": "full", "stop": {"epochs": 25}}
    changes |= {"regularization": "l2", "activation": "tanh"}
    whole, first, second = (trainer(**changes) for _ in range(3))
    logged = rows(whole)
    events = first.run()
    start = [next(events) for _ in range(until + 1)]
    second.restore({name: array.copy() for name, array in first.state().items()})
    assert len(start) + len(again := rows(second)) == len(logged)
    assert again == logged[until + 1 :]
    assert arrays(second) == arrays(whole)
