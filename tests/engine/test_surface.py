"""Training on surfaces: paths that are known in closed form, noise, divergence, going on to the same bits."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest

from nnexp.components.base import members
from nnexp.components.optimizers import Minimizer
from nnexp.components.surfaces import Surface
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.experiment import Unfit
from nnexp.engine.surface import LOGGED, SurfaceExperiment, kind_of, trainer_of
from nnexp.engine.trainer import Trainer
from tests.small import arrays, rows
from tests.variants import each


def trainer(dataset: Any, **changes: Any) -> Trainer:
    config = ExperimentConfig.model_validate({"dataset": dataset, "stop": 30, **changes})
    assert kind_of(config) is SurfaceExperiment
    return trainer_of(SurfaceExperiment(config))


def path(dataset: Any, **changes: Any) -> np.ndarray:
    """θ in each row of the log, shape (rows, D)."""
    logged = rows(trainer(dataset, **changes))
    return np.array([[value for key, value in row.items() if key.startswith("theta")] for row in logged])


def sgd(lr: float) -> dict[str, Any]:
    return {"name": "sgd", "lr": lr}


QUADRATIC: dict[str, Any] = {"name": "quadratic", "spectrum": (1.0, 4.0)}


def test_gradient_descent_on_a_quadratic() -> None:
    # Each coordinate shrinks by 1 - η λ a step.
    found = path(QUADRATIC, optimizer=sgd(0.1))
    k = np.arange(31)[:, None]
    np.testing.assert_allclose(found, (1 - 0.1 * np.array([1.0, 4.0])) ** k, rtol=1e-12)


def test_momentum_on_a_quadratic() -> None:
    # θ_{k+1} = (1 + μ - η λ) θ_k - μ θ_{k-1}
    found = path(QUADRATIC, optimizer={"name": "momentum", "lr": 0.1, "momentum": 0.8})
    expected = (1.8 - 0.1 * np.array([1.0, 4.0])) * found[1:-1] - 0.8 * found[:-2]
    np.testing.assert_allclose(found[2:], expected, rtol=1e-10, atol=1e-13)


def test_a_turn_changes_nothing_for_momentum_but_for_adam() -> None:
    turned = QUADRATIC | {"rotated": True}
    for optimizer, same in (({"name": "momentum", "lr": 0.1}, True), ({"name": "adam", "lr": 0.1}, False)):
        losses = [[row["train_loss"] for row in rows(trainer(d, optimizer=optimizer))] for d in (QUADRATIC, turned)]
        assert np.allclose(*losses, rtol=1e-10) == same


def test_what_is_logged() -> None:
    one = trainer("rosenbrock", optimizer=sgd(0.001), stop=3)
    logged = rows(one)
    assert [*logged[0], "seconds"] == one.experiment.columns
    surface = one.config.dataset
    assert isinstance(surface, Surface)
    for row in logged:
        θ = np.array([row["theta1"], row["theta2"]])
        assert row["train_loss"] == surface.value(θ)
        assert row["train_gradient_norm"] == pytest.approx(np.linalg.norm(surface.gradient(θ)), rel=1e-15)
        assert row["train_distance"] == pytest.approx(np.hypot(*(θ - 1)), rel=1e-15)
        assert row["step"] == row["epoch"]
    assert [row["batch_loss"] for row in logged[1:]] == [row["train_loss"] for row in logged[:-1]]
    assert one.outcome is not None
    assert one.outcome.final == {key: logged[-1][key] for key in logged[-1] if key.startswith("train_")}


@each("surface", Surface)
def test_every_surface_can_be_gone_down(surface: Surface) -> None:
    logged = rows(trainer(surface.model_dump(exclude_none=True), optimizer={"name": "adam", "lr": 0.01}))
    assert len(logged) == 31
    assert ("train_distance" in logged[0]) == (len(surface.minima()) > 0)
    assert sum(key.startswith("theta") for key in logged[0]) == min(surface.size(), LOGGED)
    if not surface.noise:
        assert logged[-1]["train_loss"] < logged[0]["train_loss"]


@pytest.mark.parametrize("optimizer", members(Minimizer))
def test_every_optimizer_finds_a_minimum(optimizer: str) -> None:
    rates = {
        "sgd": 0.005,
        "momentum": 0.002,
        "nag": 0.002,
        "adadelta": 30.0,
        "adagrad": 0.5,
        "lion": 0.02,
        "lbfgs": 1.0,
    }
    lr = rates.get(optimizer, 0.05)
    fields = {"name": optimizer, "lr": lr}
    schedule = {} if optimizer == "rprop" else {"schedule": "cosine"}
    logged = rows(trainer("himmelblau", optimizer=fields, stop=1500, **schedule))
    assert logged[-1]["train_loss"] < 1e-3
    assert logged[-1]["train_distance"] < 0.02


def test_dimensions_beyond_those_logged() -> None:
    one = trainer({"name": "quadratic", "dimension": 50, "condition": 5.0}, optimizer=sgd(0.1))
    logged = rows(one)
    assert one.network.size == 50
    assert f"theta{LOGGED}" in logged[0]
    assert f"theta{LOGGED + 1}" not in logged[0]
    assert logged[0]["train_distance"] == pytest.approx(50**0.5)


# -- randomness ------------------------------------------------------------------------------------


def test_noise_is_on_the_gradient_and_has_its_size() -> None:
    flat = {"name": "quadratic", "spectrum": (0.0,) * 10, "noise": 0.5}
    steps = np.diff(path(flat, optimizer=sgd(1.0), stop=2000), axis=0)
    assert steps.std() == pytest.approx(0.5, rel=0.03)
    assert abs(steps.mean()) < 0.02
    assert abs(np.corrcoef(steps[1:, 0], steps[:-1, 0])[0, 1]) < 0.1


def test_noise_is_of_the_seed_not_of_the_optimizer() -> None:
    flat = {"name": "quadratic", "spectrum": (0.0, 0.0), "noise": 1.0}
    one, same, other = (path(flat, optimizer=sgd(lr), seed=seed) for lr, seed in ((1.0, 3), (2.0, 3), (1.0, 4)))
    np.testing.assert_allclose(same[1] - same[0], 2 * (one[1] - one[0]), rtol=1e-12)
    assert not np.allclose(one, other)


def test_sgd_with_noise_ends_as_far_away_as_theory_says() -> None:
    # θ ← (1 - ηλ) θ - η σ n has the stationary variance η σ² / (λ (2 - ηλ)).
    η, λ, σ = 0.2, 2.0, 0.5
    dataset = {"name": "quadratic", "spectrum": (λ,) * 10, "noise": σ}
    found = path(dataset, optimizer=sgd(η), stop=5000)[100:]
    assert found.var() == pytest.approx(η * σ**2 / (λ * (2 - η * λ)), rel=0.05)


def test_scatter_moves_the_start() -> None:
    starts = np.array([path({"name": "rosenbrock", "scatter": 0.5}, seed=seed, stop=1)[0] for seed in range(200)])
    np.testing.assert_allclose(starts.mean(axis=0), [-1.2, 1.0], atol=0.12)
    np.testing.assert_allclose(starts.std(axis=0), 0.5, rtol=0.15)
    assert path("rosenbrock", seed=0, stop=1)[0].tolist() == path("rosenbrock", seed=1, stop=1)[0].tolist()


# -- the loop --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [{"name": "adam", "lr": 0.05}, {"name": "momentum", "lr": 1e-4}, "lbfgs"], ids=lambda o: str(o)[:16]
)
@pytest.mark.parametrize("until", [0, 1, 13])
def test_goes_on_to_the_same_bits(optimizer: Any, until: int) -> None:
    dataset = {"name": "rosenbrock", "noise": 0.0 if optimizer == "lbfgs" else 0.3}
    stop = {"epochs": 30, "patience": 20, "metric": "train_loss"}
    whole, first, second = (trainer(dataset, optimizer=optimizer, stop=stop) for _ in range(3))
    logged = rows(whole)
    list(islice(first.run(), until + 1))
    second.restore({name: array.copy() for name, array in first.state().items()})
    assert rows(second) == logged[until + 1 :]
    assert arrays(second) == arrays(whole)


def test_stops_as_it_is_told() -> None:
    assert len(path("beale", stop={"epochs": 50, "steps": 7})) == 8
    assert len(path("beale", stop={"epochs": 50}, monitor={"every": 10})) == 6
    patient = trainer(QUADRATIC, optimizer=sgd(0.5), stop={"epochs": 500, "patience": 3, "metric": "train_loss"})
    rows(patient)
    assert patient.learner.t < 500
    assert patient.outcome is not None
    assert "stopped early" in patient.outcome.reason


def test_schedule_and_clip_are_obeyed() -> None:
    steps = np.diff(path("rosenbrock", optimizer=sgd(0.1), clip={"name": "norm", "max": 1.0}, stop=3), axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 0.1, rtol=1e-6)
    logged = rows(trainer("rosenbrock", optimizer=sgd(1e-4), schedule={"name": "exponential", "gamma": 0.5}, stop=3))
    assert [row["lr"] for row in logged] == [1e-4, 1e-4, 5e-5, 2.5e-5]


@pytest.mark.parametrize(("dataset", "lr"), [("rosenbrock", 1.0), ("saddle", 0.5), (QUADRATIC, 0.6)])
def test_divergence_is_seen(dataset: Any, lr: float) -> None:
    one = trainer(dataset, optimizer=sgd(lr), stop=10_000)
    rows(one)
    assert one.outcome is not None
    assert one.outcome.status == "diverged"
    assert one.outcome.step == one.learner.t < 5000


def test_precision_is_float64_where_nothing_is_said() -> None:
    assert trainer("beale").network.θ.dtype == np.float64
    assert trainer("beale", precision="float32").network.θ.dtype == np.float32
    assert ExperimentConfig.model_validate({"dataset": {"name": "iris"}}).precision == "float32"


def test_what_means_nothing_is_refused() -> None:
    keys = {
        "architecture": "linear",
        "activation": "tanh",
        "normalization": "batch",
        "loss": "mse",
        "batch": "full",
        "initialization": "zeros",
        "regularization": "l2",
    }
    with pytest.raises(Unfit) as refused:
        trainer("rosenbrock", **keys)
    assert [misfit.path for misfit in refused.value.misfits] == list(keys)
