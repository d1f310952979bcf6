"""nnexp against the numbers that PyTorch computed in float64 (README.md), in both forms of the loops."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from nnexp.components.activations import Activation
from nnexp.components.base import MEMBER, Component, members
from nnexp.components.initializers import Initializer
from nnexp.components.losses import Loss
from nnexp.components.normalizations import Normalization
from nnexp.components.optimizers import Optimizer
from nnexp.components.regularizers import L2, Penalty
from nnexp.components.schedules import Schedule
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import compiling
from nnexp.engine.experiment import Experiment
from nnexp.engine.learner import Learner, loss_stage
from nnexp.engine.network import Network
from nnexp.engine.stages import ActivationStage, Buffers, NormalizationStage, RunningNormalizationStage
from nnexp.engine.trainer import Trainer
from tests.forms import running

FOLDER = Path(__file__).parent
FLOAT64 = np.dtype(np.float64)
RTOL = 1e-10
ULP = 2.3e-16
"""One rounding error of a number near 1. Used in atol where a result is a difference of such numbers."""


@cache
def golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def cases(name: str, only: Callable[[Any], bool] = lambda case: True) -> Any:
    """Parametrizes a test over the cases of a golden file for which `only` holds."""
    chosen = [pytest.param(case, id=key) for key, case in golden(name)["cases"].items() if only(case)]
    return pytest.mark.parametrize("case", chosen)


def make(family: type[Component], fields: Any) -> Any:
    """A component from its fields, by the way that a configuration takes."""
    return TypeAdapter(Annotated[family, MEMBER]).validate_python(fields)


def array(values: Any) -> np.ndarray:
    return np.array(values, dtype=FLOAT64)


def agree(found: Any, expected: Any, atol: float = 0.0, rtol: float = RTOL) -> None:
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


@pytest.fixture(params=compiling.FORMS, scope="module")
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    """One of the two forms of every loop, whatever form other tests had built and cached before."""
    with running(request.param):
        yield request.param


# -- optimizers and penalties ----------------------------------------------------------------------


class GivenGradient:
    """Stands in for a network: what its parameters' gradient is comes from outside, in place of a batch."""

    dtype, outputs = FLOAT64, 1

    def __init__(self, start: np.ndarray):
        self.θ, self.g = start.copy(), np.zeros_like(start)
        self.size, self.weights = len(start), len(start) - 1

    def over(self, rows: int, training: bool) -> GivenGradient:
        assert training
        return self

    def forward(self, x: np.ndarray) -> np.ndarray:
        self.given = x
        return np.zeros((1, 1))

    def backward(self, d: np.ndarray) -> None:
        self.g[:] = self.given


def trajectory(optimizer: Optimizer, penalties: list[Penalty], file: Any, rates: list[float]) -> dict[str, np.ndarray]:
    """The parameters after each step, by the step's number as text."""
    network: Any = GivenGradient(array(file["start"]))
    learner = Learner(network, make(Loss, "mse"), optimizer, penalties)
    after = {}
    for t, (g, lr) in enumerate(zip(file["gradients"], rates, strict=True), 1):
        learner.step(array(g), np.zeros((1, 1)), lr)
        after[str(t)] = network.θ.copy()
    return after


@pytest.mark.usefixtures("form")
@cases("optimizers")
def test_optimizer(case: Any) -> None:
    # No atol: coordinates with tiny gradients start at 0, so that a small error in a small step is seen.
    file = golden("optimizers")
    optimizer = make(Optimizer, case["component"])
    steps = len(file["gradients"])
    after = trajectory(optimizer, [], file, file["rates"] if case["scheduled"] else [optimizer.lr] * steps)
    for t, expected in case["after"].items():
        agree(after[t], expected)


@pytest.mark.usefixtures("form")
@cases("penalties")
def test_penalty(case: Any) -> None:
    # L1 swings weights across 0 by η λ, so what is left is a difference: 60 rounding errors near 1.
    file = golden("penalties")
    optimizer = make(Optimizer, case["optimizer"])
    penalty = make(Penalty, case["component"])
    after = trajectory(optimizer, [penalty], file, [optimizer.lr] * len(file["gradients"]))
    for t, expected in case["after"].items():
        agree(after[t], expected, atol=60 * ULP)


# -- activations -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("biased", [False, True])
@cases("activations")
def test_activation(case: Any, biased: bool) -> None:
    grid = array(golden("activations")["z"]).reshape(-1, 3)
    buffers = Buffers(FLOAT64)
    buffers.rewind(len(grid))
    z, gradient = grid.copy(), np.empty(3)
    bias = (np.zeros(3), gradient) if biased else None
    stage = ActivationStage(make(Activation, case["component"]), z, bias, buffers)
    value = stage.forward(z).copy()
    slope = stage.backward(np.ones_like(grid))
    # Slopes are computed from the output as differences of numbers near their limits (1 - y², y + α).
    largest = np.abs(case["slope"]).max()
    value_rtol, slope_rtol, atol = RTOL, RTOL, 4 * ULP * largest
    if case["torch"] == "F.softplus(z)":
        # PyTorch returns z itself above 20, and 1 as its slope: both are off by about exp(-20) = 2.1e-9.
        value_rtol, atol = 3e-9, 3e-9
    if case["torch"] == "F.hardsigmoid(z)":
        slope_rtol = 3e-8  # PyTorch's 1/6 is rounded to float32
    agree(value.ravel(), case["value"], rtol=value_rtol)
    agree(slope.ravel(), case["slope"], atol, slope_rtol)
    if biased:
        agree(gradient, slope.sum(axis=0), atol=4 * ULP)


# -- losses ----------------------------------------------------------------------------------------


@pytest.mark.usefixtures("form")
@cases("losses")
def test_loss(case: Any) -> None:
    loss, classes = make(Loss, case["component"]), case["classes"]
    z = array(case["z"])
    t = np.array(case["t"], dtype=np.int64 if classes else FLOAT64)
    assert loss.outputs(classes) == z.shape[1]
    stage = loss_stage(loss, *z.shape, FLOAT64)
    # ln(Σ) and p - 1 lose what is below one rounding error of Σ or p, which are near 1 for confident logits.
    agree(stage(z, loss.encode(t, classes, FLOAT64)), case["value"], atol=ULP)
    agree(stage.d, case["gradient"], atol=ULP)


# -- normalizations --------------------------------------------------------------------------------


@pytest.mark.usefixtures("form")
@pytest.mark.parametrize("where", ["before", "after"])
@cases("normalizations")
def test_normalization(case: Any, where: str) -> None:
    file = golden("normalizations")
    norm = make(Normalization, case["component"] | {"where": where})
    γ, β = array(file["gamma"]), array(file["beta"]) * norm.centred
    running = (np.zeros(4), np.ones(4)) if "running_mean" in case["training"][0] else None

    def stage_of(x: np.ndarray) -> tuple[NormalizationStage, np.ndarray, np.ndarray]:
        x̂ = x if where == "before" else np.empty_like(x)  # before the activation x̂ overwrites x
        gγ, gβ = np.empty(4), np.empty(4)
        return NormalizationStage(norm, x, x̂, np.empty_like(x), γ, β, gγ, gβ, running), gγ, gβ

    # x - mean loses digits where the mean is 100 and the spread 0.1: an error of 1e-14 becomes 1e-13 of x̂,
    # and r = 1/√(var + ε) = 316 where the spread is 0.
    atol = 1e-12
    for given, expected in zip(file["batches"], case["training"], strict=True):
        x = array(given["x"])
        stage, gγ, gβ = stage_of(x)
        agree(stage.forward(x), expected["y"], atol)
        agree(stage.backward(array(given["dy"])), expected["dx"], 316 * atol)
        agree(gγ, expected["dgamma"], atol)
        if "dbeta" in expected:
            agree(gβ, expected["dbeta"], atol)
        if running is not None:
            agree(running[0], expected["running_mean"])
            agree(running[1], expected["running_var"])
    x = array(file["evaluated"])
    if running is None:
        evaluation: Any = stage_of(x)[0]
    else:
        evaluation = RunningNormalizationStage(norm, x, np.empty_like(x), γ, β, running)
    agree(evaluation.forward(x), case["evaluation"], atol)


# -- schedules -------------------------------------------------------------------------------------


@pytest.mark.parametrize("per", ["epoch", "step"])
@cases("schedules", lambda case: "values" not in case)
def test_schedule(case: Any, per: str) -> None:
    file = golden("schedules")
    component = case["component"] | {"per": per}
    schedule = make(Schedule, component)
    # Beyond its length PyTorch's cosine rises again, nnexp's stays at the end (its docstring's `Differs:`).
    until = (schedule.only_falls and component.get("length")) or file["epochs"]
    expected = case["rates"][: until + 1]
    expected += [expected[-1]] * (file["epochs"] - len(expected))
    atol = file["lr"] * ULP  # 1 + cos(π) in PyTorch's recursion
    found = [file["lr"] * schedule.factor(done, file["epochs"]) for done in range(file["epochs"])]
    agree(found, expected, atol)
    # The same through the trainer. With full batches an epoch is one step.
    optimizer = {"name": "sgd", "lr": file["lr"]}
    config = {"dataset": "iris", "batch": "full", "optimizer": optimizer, "schedule": component}
    trainer = Trainer(Experiment(ExperimentConfig.model_validate(config | {"stop": file["epochs"]})))
    agree([trainer.lr(done) for done in range(file["epochs"])], expected, atol)


@cases("schedules", lambda case: "values" in case)
def test_schedule_that_watches(case: Any) -> None:
    file = golden("schedules")
    optimizer = {"name": "sgd", "lr": file["lr"]}
    config = {"dataset": "iris", "batch": "full", "optimizer": optimizer, "schedule": case["component"]}
    trainer = Trainer(Experiment(ExperimentConfig.model_validate(config)))
    rates = []
    for epoch, value in enumerate(case["values"], 1):
        trainer.epoch = epoch
        trainer._heed({case["component"].get("metric", "validation_loss"): value})
        rates.append(trainer.lr(epoch))
    agree(rates, case["rates"])


# -- initializations -------------------------------------------------------------------------------


@cases("initializations")
def test_initialization(case: Any) -> None:
    # Both sides are samples of 200,000 numbers, from different generators: the bounds are about five standard
    # errors of a difference (std/√n for the mean, std/√(2n) for the std). Only uniform ones have an edge.
    file = golden("initializations")
    component = make(Initializer, case["component"])
    w = component.draw(np.random.default_rng(0), file["inputs"], file["outputs"])
    assert w.shape == (file["inputs"], file["outputs"])
    agree(w.mean(), case["mean"], atol=0.016 * case["std"])
    agree(w.std(), case["std"], rtol=0.012, atol=ULP)
    uniform = case["largest"] < 2 * case["std"]
    agree(np.abs(w).max(), case["largest"], rtol=1e-4 if uniform else 0.25)


# -- whole networks --------------------------------------------------------------------------------


@pytest.mark.usefixtures("form")
@cases("networks")
def test_network(case: Any) -> None:
    file = golden("networks")
    inputs, *widths, outputs = file["sizes"]
    activation, loss = make(Activation, case["activation"]), make(Loss, case["loss"])
    normalization = make(Normalization, case["normalization"])
    network = Network(inputs, widths, outputs, activation, normalization, (), FLOAT64)
    assert set(network.value) == set(case["parameters"])
    for name, value in network.value.items():
        value[:] = (file["start"] | case["start"])[name]
    penalties = [L2(strength=case["l2"])] if case["l2"] else []
    optimizer = make(Optimizer, case["optimizer"])
    learner = Learner(network, loss, optimizer, penalties)
    x = array(file["x"])
    t = loss.encode(np.array(file["t"]), outputs, FLOAT64)
    losses = [learner.step(x[rows], t[rows], optimizer.lr) for rows in file["batches"]]
    agree(losses, case["losses"])
    # Parameters and outputs pass near 0 as sums of terms near 1. Rounding the starting weights in another way
    # changes PyTorch's own results by up to 1e-13 after these 50 steps.
    for name, expected in case["parameters"].items():
        agree(network.value[name], expected, atol=1e-12)
    assert set(network.running) == set(case["running"])
    for name, expected in case["running"].items():
        agree(network.running[name], expected, atol=1e-12)
    agree(learner.outputs(x[:6]), case["outputs"], atol=1e-12)


# -- nothing is left out ---------------------------------------------------------------------------

FILES: dict[str, tuple[type[Component], str, str]] = {
    "optimizers": (Optimizer, "optimizers", "component"),
    "penalties": (Penalty, "penalties", "component"),
    "activations": (Activation, "activations", "component"),
    "losses": (Loss, "losses", "component"),
    "normalizations": (Normalization, "networks", "normalization"),
    "schedules": (Schedule, "schedules", "component"),
    "initializations": (Initializer, "initializations", "component"),
}


@pytest.mark.parametrize(("family", "file", "key"), FILES.values(), ids=FILES)
def test_every_member_has_a_case(family: type[Component], file: str, key: str) -> None:
    covered = {case[key]["name"] for case in golden(file)["cases"].values()}
    covered |= {case[family.family]["name"] for case in golden("networks")["cases"].values() if family.family in case}
    alone = {k for k, cls in members(family).items() if not any(f.is_required() for f in cls.model_fields.values())}
    assert covered == alone, "add a case to make_trajectories.py (README.md says how)"


FAMILIES = [Optimizer, Activation, Loss, Normalization, Penalty]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.family)
def test_every_option_has_a_case(family: type[Component]) -> None:
    files = ("optimizers", "activations", "losses", "normalizations", "networks", "penalties")
    known = [case for file in files for case in golden(file)["cases"].values()]
    given = [case[key] for case in known for key in ("component", family.family) if key in case]
    for name, cls in members(family).items():
        tried = [fields for fields in given if fields["name"] == name]
        for option in set(cls.model_fields) - {"name"}:
            default = cls.model_fields[option].default
            assert any(f.get(option, default) != default for f in tried), f"{name}.{option} has only its default"


def test_files_are_of_one_version() -> None:
    versions = {path.name: json.loads(path.read_text())["torch_version"] for path in FOLDER.glob("*.json")}
    assert set(versions.values()) == {"2.13.0+cpu"}, versions
