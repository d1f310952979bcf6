"""Has PyTorch compute, in float64, the numbers that test_trajectories.py holds nnexp to.

Run by hand, never by the tests, in an environment of its own (nnexp is not imported):

    pip install torch==2.13.0 numpy keras==3.15.1 jax      # torch in its CPU build, 2.13.0+cpu
    KERAS_BACKEND=jax JAX_ENABLE_X64=1 python tests/golden/make_trajectories.py

Each case has a `component`, as a configuration would write it, and a `torch` text: the very expression
that was evaluated here to make its numbers. Inputs are rounded to a few digits and stored beside the results.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import keras
import numpy as np
import torch
from torch.nn import functional as F

FOLDER = Path(__file__).parent
STEPS = 60
CURRENT: list[dict[str, Any]] = []
"""The parameter groups of the case under way."""
KEPT = sorted({1, 2, 3, 4, 5, *range(10, STEPS + 1, 10)})
"""Steps after which the parameters are stored."""


# -- writing ---------------------------------------------------------------------------------------


def text_of(value: Any, indent: str = "") -> str:
    """JSON with one line for each list of numbers; floats in full (their shortest exact form)."""
    inner = indent + "  "
    if isinstance(value, dict) and indent and not any(isinstance(v, (dict, list)) for v in value.values()):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        rows = [f"{inner}{json.dumps(k, ensure_ascii=False)}: {text_of(v, inner)}" for k, v in value.items()]
        return "{\n" + ",\n".join(rows) + "\n" + indent + "}"
    if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return "[\n" + ",\n".join(inner + text_of(v, inner) for v in value) + "\n" + indent + "]"
    return json.dumps(value, ensure_ascii=False)


def write(name: str, **content: Any) -> None:
    path = FOLDER / f"{name}.json"
    head = {"made_by": "make_trajectories.py", "torch_version": torch.__version__}
    path.write_text(text_of(head | content) + "\n", encoding="utf-8")
    json.loads(path.read_text(encoding="utf-8"))
    print(f"{path.name}: {len(content['cases'])} cases, {path.stat().st_size / 1000:.0f} kB")


def short(array: np.ndarray, digits: int = 6) -> list[Any]:
    """An input as a list of numbers of a few digits."""
    return np.vectorize(lambda v: float(f"{v:.{digits}g}"))(array).tolist()


def exact(tensor: torch.Tensor) -> Any:
    return tensor.detach().tolist()


def leaf(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


# -- optimizers and penalties ----------------------------------------------------------------------

OPTIMIZERS: list[tuple[dict[str, Any], str]] = [
    ({"name": "sgd", "lr": 0.1}, "torch.optim.SGD(groups, lr=0.1)"),
    ({"name": "momentum", "lr": 0.05}, "torch.optim.SGD(groups, lr=0.05, momentum=0.9)"),
    ({"name": "momentum", "lr": 0.05, "momentum": 0.0}, "torch.optim.SGD(groups, lr=0.05, momentum=0.0)"),
    (
        {"name": "momentum", "lr": 0.05, "momentum": 0.5, "dampening": 0.3},
        "torch.optim.SGD(groups, lr=0.05, momentum=0.5, dampening=0.3)",
    ),
    (
        {"name": "momentum", "lr": 0.05, "momentum": 0.99, "dampening": 0.99},
        "torch.optim.SGD(groups, lr=0.05, momentum=0.99, dampening=0.99)",
    ),
    (
        {"name": "momentum", "lr": 0.05, "momentum": 0.8, "variant": "sutskever"},
        "InKeras(groups, keras.optimizers.SGD(0.05, momentum=0.8))",
    ),
    ({"name": "nag", "lr": 0.05}, "torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)"),
    (
        {"name": "nag", "lr": 0.05, "variant": "sutskever"},
        "InKeras(groups, keras.optimizers.SGD(0.05, momentum=0.9, nesterov=True))",
    ),
    (
        {"name": "nag", "lr": 0.01, "momentum": 0.99},
        "torch.optim.SGD(groups, lr=0.01, momentum=0.99, nesterov=True)",
    ),
    ({"name": "adagrad"}, "torch.optim.Adagrad(groups)"),
    (
        {"name": "adagrad", "lr": 0.1, "initial_accumulator": 0.1, "eps": 1e-3},
        "torch.optim.Adagrad(groups, lr=0.1, initial_accumulator_value=0.1, eps=1e-3)",
    ),
    ({"name": "adagrad", "dialect": "keras"}, "InKeras(groups, keras.optimizers.Adagrad())"),
    (
        {"name": "adagrad", "lr": 0.1, "eps": 1e-2, "initial_accumulator": 0.0, "dialect": "keras"},
        "InKeras(groups, keras.optimizers.Adagrad(0.1, epsilon=1e-2, initial_accumulator_value=0.0))",
    ),
    ({"name": "rmsprop"}, "torch.optim.RMSprop(groups)"),
    ({"name": "rmsprop", "centered": True}, "torch.optim.RMSprop(groups, centered=True)"),
    ({"name": "rmsprop", "momentum": 0.9}, "torch.optim.RMSprop(groups, momentum=0.9)"),
    (
        {"name": "rmsprop", "lr": 0.002, "alpha": 0.95, "eps": 1e-4, "centered": True, "momentum": 0.5},
        "torch.optim.RMSprop(groups, lr=0.002, alpha=0.95, eps=1e-4, centered=True, momentum=0.5)",
    ),
    ({"name": "rmsprop", "dialect": "keras"}, "InKeras(groups, keras.optimizers.RMSprop())"),
    (
        {"name": "rmsprop", "lr": 0.01, "momentum": 0.9, "eps": 1e-3, "dialect": "keras"},
        "InKeras(groups, keras.optimizers.RMSprop(0.01, momentum=0.9, epsilon=1e-3))",
    ),
    (
        {"name": "rmsprop", "centered": True, "eps": 1e-3, "dialect": "keras"},
        "InKeras(groups, keras.optimizers.RMSprop(centered=True, epsilon=1e-3))",
    ),
    (
        {"name": "rmsprop", "dialect": "tensorflow1"},
        "InKeras(groups, keras.optimizers.RMSprop(epsilon=1e-10), _velocities=1.0)",
    ),
    (
        {"name": "rmsprop", "lr": 0.001, "alpha": 0.9, "eps": 1e-6},
        "torch.optim.RMSprop(groups, lr=0.001, alpha=0.9, eps=1e-6)",
    ),
    (
        {"name": "rmsprop", "lr": 0.05, "alpha": 0.0, "eps": 0.1},
        "torch.optim.RMSprop(groups, lr=0.05, alpha=0.0, eps=0.1)",
    ),
    ({"name": "adadelta"}, "torch.optim.Adadelta(groups)"),
    (
        {"name": "adadelta", "lr": 0.5, "rho": 0.95, "eps": 1e-8},
        "torch.optim.Adadelta(groups, lr=0.5, rho=0.95, eps=1e-8)",
    ),
    ({"name": "adadelta", "dialect": "keras"}, "InKeras(groups, keras.optimizers.Adadelta())"),
    ({"name": "adam", "dialect": "keras"}, "InKeras(groups, keras.optimizers.Adam())"),
    (
        {"name": "adam", "lr": 0.01, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "dialect": "keras"},
        "InKeras(groups, keras.optimizers.Adam(0.01, beta_1=0.8, beta_2=0.95, epsilon=1e-3))",
    ),
    ({"name": "amsgrad"}, "torch.optim.Adam(groups, amsgrad=True)"),
    (
        {"name": "amsgrad", "lr": 0.01, "beta1": 0.5, "beta2": 0.9, "eps": 1e-4},
        "torch.optim.Adam(groups, lr=0.01, betas=(0.5, 0.9), eps=1e-4, amsgrad=True)",
    ),
    (
        {"name": "amsgrad", "lr": 0.01, "beta1": 0.8, "beta2": 0.95, "bias_correction": False},
        "without_correction(torch.optim.Adam(groups, lr=0.01, betas=(0.8, 0.95), amsgrad=True))",
    ),
    ({"name": "adamw"}, "torch.optim.AdamW(groups, **decay(0.01))"),
    (
        {"name": "adamw", "lr": 0.05, "beta1": 0.7, "beta2": 0.99, "eps": 1e-5, "weight_decay": 0.5},
        "torch.optim.AdamW(groups, lr=0.05, betas=(0.7, 0.99), eps=1e-5, **decay(0.5))",
    ),
    ({"name": "adamax"}, "torch.optim.Adamax(groups)"),
    (
        {"name": "adamax", "lr": 0.01, "beta1": 0.7, "beta2": 0.99, "eps": 1e-4},
        "torch.optim.Adamax(groups, lr=0.01, betas=(0.7, 0.99), eps=1e-4)",
    ),
    ({"name": "nadam"}, "torch.optim.NAdam(groups)"),
    (
        {"name": "nadam", "lr": 0.01, "beta1": 0.7, "beta2": 0.99, "eps": 1e-4, "momentum_decay": 0.1},
        "torch.optim.NAdam(groups, lr=0.01, betas=(0.7, 0.99), eps=1e-4, momentum_decay=0.1)",
    ),
    ({"name": "nadam", "dialect": "keras"}, "InKeras(groups, keras.optimizers.Nadam())"),
    ({"name": "radam"}, "torch.optim.RAdam(groups)"),
    (
        {"name": "radam", "lr": 0.01, "beta1": 0.7, "beta2": 0.99, "eps": 1e-4},
        "torch.optim.RAdam(groups, lr=0.01, betas=(0.7, 0.99), eps=1e-4)",
    ),
    ({"name": "radam", "threshold": 4.0}, "EarlyRAdam(groups)"),
    ({"name": "rprop"}, "torch.optim.Rprop(groups)"),
    (
        {"name": "rprop", "lr": 0.2, "down": 0.4, "up": 1.5, "smallest": 0.1, "largest": 1.0},
        "torch.optim.Rprop(groups, lr=0.2, etas=(0.4, 1.5), step_sizes=(0.1, 1.0))",
    ),
    ({"name": "lion"}, "InKeras(groups, keras.optimizers.Lion(1e-4))"),
    (
        {"name": "lion", "lr": 0.01, "beta1": 0.7, "beta2": 0.95, "weight_decay": 0.1},
        "InKeras(groups, keras.optimizers.Lion(0.01, beta_1=0.7, beta_2=0.95, weight_decay=0.1))",
    ),
    ({"name": "adam"}, "torch.optim.Adam(groups)"),
    (
        {"name": "adam", "lr": 0.01, "beta1": 0.5, "beta2": 0.9, "eps": 1e-4},
        "torch.optim.Adam(groups, lr=0.01, betas=(0.5, 0.9), eps=1e-4)",
    ),
    (
        {"name": "adam", "lr": 0.05, "beta1": 0.95, "beta2": 0.98, "eps": 1e-12},
        "torch.optim.Adam(groups, lr=0.05, betas=(0.95, 0.98), eps=1e-12)",
    ),
    (
        {"name": "adam", "lr": 0.01, "beta1": 0.0, "beta2": 0.0},
        "torch.optim.Adam(groups, lr=0.01, betas=(0.0, 0.0))",
    ),
    (
        {"name": "adam", "lr": 0.01, "bias_correction": False},
        "without_correction(torch.optim.Adam(groups, lr=0.01))",
    ),
    (
        {"name": "adam", "lr": 0.01, "beta1": 0.8, "beta2": 0.95, "eps": 1e-3, "bias_correction": False},
        "without_correction(torch.optim.Adam(groups, lr=0.01, betas=(0.8, 0.95), eps=1e-3))",
    ),
]

SCHEDULED: list[tuple[dict[str, Any], str]] = [
    ({"name": "sgd"}, "torch.optim.SGD(groups)"),
    ({"name": "momentum"}, "torch.optim.SGD(groups, momentum=0.9)"),
    ({"name": "nag"}, "torch.optim.SGD(groups, momentum=0.9, nesterov=True)"),
    ({"name": "adagrad"}, "torch.optim.Adagrad(groups)"),
    ({"name": "rmsprop"}, "torch.optim.RMSprop(groups)"),
    ({"name": "adadelta"}, "torch.optim.Adadelta(groups)"),
    ({"name": "adam"}, "torch.optim.Adam(groups)"),
    ({"name": "amsgrad"}, "torch.optim.Adam(groups, amsgrad=True)"),
    ({"name": "adamw"}, "torch.optim.AdamW(groups, **decay(0.01))"),
    ({"name": "adamax"}, "torch.optim.Adamax(groups)"),
    ({"name": "nadam"}, "torch.optim.NAdam(groups)"),
    ({"name": "radam"}, "torch.optim.RAdam(groups)"),
    ({"name": "rprop"}, "torch.optim.Rprop(groups)"),
    ({"name": "momentum", "variant": "sutskever"}, "InKeras(groups, keras.optimizers.SGD(momentum=0.9))"),
    (
        {"name": "nag", "variant": "sutskever"},
        "InKeras(groups, keras.optimizers.SGD(momentum=0.9, nesterov=True))",
    ),
    (
        {"name": "rmsprop", "momentum": 0.9, "dialect": "keras"},
        "InKeras(groups, keras.optimizers.RMSprop(momentum=0.9))",
    ),
    ({"name": "adam", "dialect": "keras"}, "InKeras(groups, keras.optimizers.Adam())"),
    ({"name": "nadam", "dialect": "keras"}, "InKeras(groups, keras.optimizers.Nadam())"),
    ({"name": "lion"}, "InKeras(groups, keras.optimizers.Lion())"),
]

PENALTIES: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"name": "l2", "strength": 0.1}, {"name": "sgd", "lr": 0.1}, "torch.optim.SGD(groups, lr=0.1)"),
    (
        {"name": "l2", "strength": 0.1},
        {"name": "momentum", "lr": 0.05, "dampening": 0.2},
        "torch.optim.SGD(groups, lr=0.05, momentum=0.9, dampening=0.2)",
    ),
    ({"name": "l2", "strength": 0.01}, {"name": "adam", "lr": 0.01}, "torch.optim.Adam(groups, lr=0.01)"),
    ({"name": "l2", "strength": 2.0}, {"name": "adam", "lr": 0.05}, "torch.optim.Adam(groups, lr=0.05)"),
    ({"name": "l1", "strength": 0.1}, {"name": "sgd", "lr": 0.1}, "torch.optim.SGD(groups, lr=0.1)"),
    ({"name": "l1", "strength": 0.01}, {"name": "adam", "lr": 0.01}, "torch.optim.Adam(groups, lr=0.01)"),
    ({"name": "elastic", "strength": 0.1}, {"name": "sgd", "lr": 0.1}, "torch.optim.SGD(groups, lr=0.1)"),
    (
        {"name": "elastic", "strength": 0.02, "l1_ratio": 0.2},
        {"name": "adam", "lr": 0.01},
        "torch.optim.Adam(groups, lr=0.01)",
    ),
    (
        {"name": "l2", "strength": 1.2, "dialect": "sklearn"},
        {"name": "sgd", "lr": 0.1},
        "torch.optim.SGD(groups, lr=0.1)",
    ),
    ({"name": "l2", "strength": 0.1, "on": "all"}, {"name": "sgd", "lr": 0.1}, "torch.optim.SGD(groups, lr=0.1)"),
    ({"name": "l1", "strength": 0.1, "on": "all"}, {"name": "sgd", "lr": 0.1}, "torch.optim.SGD(groups, lr=0.1)"),
    ({"name": "elastic", "strength": 0.1, "on": "all"}, {"name": "sgd", "lr": 0.1}, "torch.optim.SGD(groups, lr=0.1)"),
]


def without_correction(adam: torch.optim.Adam) -> torch.optim.Adam:
    """Adam without bias correction, by a rate and an ε of each step that undo it.

    η m / (√v + ε) = (η c₁/√c₂) m̂ / (√v̂ + ε/√c₂)  where  m̂ = m/c₁, v̂ = v/c₂, c = 1 - βᵗ.
    """
    t = 0
    given = [(group["lr"], group["eps"]) for group in adam.param_groups]

    def before(*_: Any) -> None:
        nonlocal t
        t += 1
        for group, (lr, eps) in zip(adam.param_groups, given, strict=True):
            c1, c2 = (1 - beta**t for beta in group["betas"])
            group["lr"], group["eps"] = lr * c1 / c2**0.5, eps / c2**0.5

    adam.register_step_pre_hook(before)
    return adam


class InKeras:
    """A Keras optimizer behind torch's interface, on copies of the parameters that Keras owns.

    Keyword arguments fill the optimizer's state vectors before the first step.
    """

    def __init__(self, groups: list[dict[str, Any]], optimizer: Any, **state: float):
        self.param_groups = [dict(group, lr=float(optimizer.learning_rate)) for group in groups]
        self.parameters = [p for group in groups for p in group["params"]]
        self.optimizer = optimizer
        self.variables = [keras.Variable(p.detach().numpy().copy(), dtype="float64") for p in self.parameters]
        optimizer.build(self.variables)
        for name, value in state.items():
            for variable in getattr(optimizer, name):
                variable.assign(variable * 0 + value)

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        if self.param_groups[0]["lr"] != float(self.optimizer.learning_rate):
            self.optimizer.learning_rate = self.param_groups[0]["lr"]
        self.optimizer.apply([p.grad.numpy() for p in self.parameters], self.variables)
        with torch.no_grad():
            for p, variable in zip(self.parameters, self.variables, strict=True):
                p.copy_(torch.tensor(np.array(variable.value)))


class EarlyRAdam:
    """RAdam by the paper's Algorithm 2, in Python's own floats: torch has no other threshold than 5."""

    def __init__(self, groups: list[dict[str, Any]]):
        self.param_groups = groups
        self.parameters = [p for group in groups for p in group["params"]]
        self.m, self.v = ([torch.zeros_like(p) for p in self.parameters] for _ in range(2))
        self.t = 0

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = None

    def step(self) -> None:
        self.t += 1
        b1, b2, t = 0.9, 0.999, self.t
        rho_inf = 2 / (1 - b2) - 1
        rho = rho_inf - 2 * t * b2**t / (1 - b2**t)
        with torch.no_grad():
            for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
                v.copy_(b2 * v + (1 - b2) * p.grad**2)
                m.copy_(b1 * m + (1 - b1) * p.grad)
                m_hat = m / (1 - b1**t)
                if rho > 4:
                    scale = (1 - b2**t) ** 0.5 / (v.sqrt() + 1e-8)
                    r = ((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho)) ** 0.5
                    p.copy_(p - 0.001 * r * m_hat * scale)
                else:
                    p.copy_(p - 0.001 * m_hat)


def decay(strength: float) -> dict[str, Any]:
    """Decoupled weight decay on every parameter, also where a group says 0."""
    for group in CURRENT:
        group["weight_decay"] = strength
    return {}


def gradients() -> tuple[list[float], list[list[float]]]:
    """Where twelve parameters start, and their gradients at each step: easy, zero, tiny and huge."""
    rng = np.random.default_rng(20)
    t = np.arange(STEPS)
    start = {
        "normal": (0.5, rng.normal(size=STEPS)),
        "small": (-0.25, 1e-3 * rng.normal(size=STEPS)),
        "always 0": (0.75, np.zeros(STEPS)),
        "sparse": (1.5, np.where(t % 7 == 3, rng.normal(size=STEPS), 0.0)),
        "1e-12": (0.0, np.full(STEPS, 1e-12)),
        "1e6": (0.0, 1e6 * rng.normal(size=STEPS)),
        "alternating": (-1.0, np.where(t % 2, 1.0, -1.0)),
        "1e-12 with 1e6 in between": (0.0, np.where(t % 20 == 9, 1e6, 1e-12)),
        "constant": (2.3, np.full(STEPS, 0.5)),
        "growing": (0.0, 1e-6 * 1.5**t),
        "shrinking": (0.0, -(0.7**t)),
        "0 at first": (-0.5, np.where(t < 10, 0.0, rng.normal(size=STEPS))),
    }
    return [s for s, _ in start.values()], short(np.array([g for _, g in start.values()]).T)


START, GRADIENTS = gradients()
RATES = [round(0.1 * (1 - t / 40) ** 2, 6) if t != 30 else 0.5 for t in range(STEPS)]
"""A rate that falls to 0, jumps once and rises again."""


def trajectory(text: str, rates: list[float] | None, penalty: dict[str, Any] | None = None) -> dict[str, Any]:
    """The parameters after some steps. The last of the twelve is a bias: penalties touch it with `on: all` only."""
    weights, bias = leaf(START[:-1]), leaf(START[-1:])
    given = penalty or {"name": "l2", "strength": 0.0}
    share = {"l1": 1.0, "l2": 0.0}.get(given["name"], given.get("l1_ratio", 0.5))
    l1, l2 = given["strength"] * share, given["strength"] * (1 - share)
    l2 /= len(START) if given.get("dialect") == "sklearn" else 1  # the test's batch has as many rows as numbers
    everywhere = given.get("on") == "all"
    groups = [{"params": [weights], "weight_decay": l2}, {"params": [bias], "weight_decay": l2 * everywhere}]
    CURRENT[:] = groups
    optimizer = eval(text, globals(), {"groups": groups})
    after = {}
    for t, g in enumerate(GRADIENTS, 1):
        if rates is not None:
            for group in optimizer.param_groups:
                group["lr"] = rates[t - 1]
        optimizer.zero_grad()
        g = torch.tensor(g)
        loss = g[:-1] @ weights + g[-1:] @ bias
        if l1:
            loss = loss + l1 * (weights.abs().sum() + everywhere * bias.abs().sum())
        loss.backward()
        optimizer.step()
        if t in KEPT:
            after[str(t)] = exact(torch.cat([weights, bias]))
    return after


def spelled(component: dict[str, Any]) -> str:
    """A case's name: the component's and its fields."""
    return " ".join([component["name"], *(f"{k}={v}" for k, v in component.items() if k != "name")])


def optimizers() -> None:
    cases = {
        spelled(c): {"component": c, "torch": text, "scheduled": False, "after": trajectory(text, None)}
        for c, text in OPTIMIZERS
    } | {
        f"{spelled(c)} scheduled": {
            "component": c,
            "torch": text,
            "scheduled": True,
            "after": trajectory(text, RATES),
        }
        for c, text in SCHEDULED
    }
    write("optimizers", start=START, rates=RATES, gradients=GRADIENTS, cases=cases)


def penalties() -> None:
    cases = {}
    for penalty, optimizer, text in PENALTIES:
        what = {"l2": " with weight_decay=λ", "l1": " on loss + λ Σ|w|"}
        cases[f"{spelled(penalty)}, {spelled(optimizer)}"] = {
            "component": penalty,
            "optimizer": optimizer,
            "torch": text + what.get(penalty["name"], " with weight_decay=λ (1 - ρ), on loss + λ ρ Σ|w|"),
            "after": trajectory(text, None, penalty),
        }
    write("penalties", start=START, gradients=GRADIENTS, cases=cases)


# -- L-BFGS: of a function, not of given gradients -------------------------------------------------


def lbfgs() -> None:
    """f(θ) = Σ ln cosh(A θ - b) + 0.05 ‖θ‖², convex; steps of a given length, and the minimum by a line search."""
    rng = np.random.default_rng(12)
    A, b, start = (short(rng.normal(scale=0.4, size=size), 3) for size in ((12, 6), 12, 6))
    A_, b_ = torch.tensor(A, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)

    def value(θ: torch.Tensor) -> torch.Tensor:
        z = A_ @ θ - b_
        return torch.log(torch.cosh(z)).sum() + 0.05 * (θ * θ).sum()

    cases = {}
    for history, lr, steps, search in ((100, 0.5, 20, None), (3, 0.8, 20, None), (100, 1.0, 1, "strong_wolfe")):
        # without a search one call of step() is one iteration; with it, one call goes to the minimum
        iterations = 1 if search is None else 500
        text = f"torch.optim.LBFGS([θ], lr={lr}, max_iter={iterations}, history_size={history}, tolerance_grad=1e-14, "
        text += f"tolerance_change=0, line_search_fn={search!r})"
        θ = leaf(start)
        optimizer = eval(text, {"torch": torch, "θ": θ})

        def closure(θ: torch.Tensor = θ, optimizer: Any = optimizer) -> torch.Tensor:
            optimizer.zero_grad()
            loss = value(θ)
            loss.backward()
            return loss

        after = []
        for _ in range(steps):
            optimizer.step(closure)
            after.append(exact(θ))
        component = {"name": "lbfgs", "lr": lr, "history": history, "line_search": search or "none"}
        cases[spelled(component)] = {"component": component, "torch": text, "after": after, "value": exact(value(θ))}
    write("lbfgs", A=A, b=b, start=start, cases=cases)


# -- activations -----------------------------------------------------------------------------------

GRID = [0.0, 1e-8, -1e-8, 0.5, -0.5, 3.0, -3.0, 20.0, -20.0, 20.5, -20.5, 50.0, -50.0, 1000.0, -1000.0]
GRID += [1.0, -1.0, 6.0]

ACTIVATIONS: list[tuple[dict[str, Any], str]] = [
    ({"name": "linear"}, "z * 1"),
    ({"name": "sigmoid"}, "torch.sigmoid(z)"),
    ({"name": "tanh"}, "torch.tanh(z)"),
    ({"name": "relu"}, "F.relu(z)"),
    ({"name": "leaky_relu"}, "F.leaky_relu(z)"),
    ({"name": "leaky_relu", "negative_slope": 0.3}, "F.leaky_relu(z, 0.3)"),
    ({"name": "leaky_relu", "negative_slope": 1.5}, "F.leaky_relu(z, 1.5)"),
    ({"name": "elu"}, "F.elu(z)"),
    ({"name": "elu", "alpha": 0.2}, "F.elu(z, 0.2)"),
    ({"name": "elu", "alpha": 3.0}, "F.elu(z, 3.0)"),
    ({"name": "softplus"}, "F.softplus(z)"),
    ({"name": "softplus"}, "F.softplus(z, threshold=700.0)"),
    ({"name": "swish"}, "F.silu(z)"),
    ({"name": "swish", "beta": 0.3}, "z * torch.sigmoid(0.3 * z)"),
    ({"name": "swish", "beta": 2.5}, "z * torch.sigmoid(2.5 * z)"),
    ({"name": "relu6"}, "F.relu6(z)"),
    ({"name": "selu"}, "F.selu(z)"),
    ({"name": "celu"}, "F.celu(z)"),
    ({"name": "celu", "alpha": 0.25}, "F.celu(z, 0.25)"),  # PyTorch rounds 1/α to float32: a power of 2 stays exact
    ({"name": "softsign"}, "F.softsign(z)"),
    ({"name": "gelu"}, "F.gelu(z)"),
    ({"name": "gelu", "approximate": "tanh"}, "F.gelu(z, approximate='tanh')"),
    ({"name": "mish"}, "F.mish(z)"),
    ({"name": "hard_sigmoid"}, "F.hardsigmoid(z)"),
    ({"name": "hard_swish"}, "F.hardswish(z)"),
    ({"name": "prelu"}, "F.prelu(z, torch.tensor(0.25))"),
    ({"name": "prelu", "start": -0.5}, "F.prelu(z, torch.tensor(-0.5))"),
    ({"name": "noisy_relu"}, "F.relu(z)"),  # in evaluation
    ({"name": "lecun_tanh"}, "1.7159 * torch.tanh(2 * z / 3)"),
    ({"name": "lif"}, "soft_lif(z, 0.002, 0.02, 0.05)"),
    ({"name": "lif", "t_ref": 0.01, "tau": 0.03, "gamma": 0.4}, "soft_lif(z, 0.01, 0.03, 0.4)"),
]


def soft_lif(z: torch.Tensor, t_ref: float, tau: float, gamma: float) -> torch.Tensor:
    """The soft leaky integrate-and-fire rate times t_ref; below u = -30, where j is exp(u) γ, ln(1 + 1/j) is -ln j."""
    u = (z - 1) / gamma
    j = gamma * F.softplus(torch.clamp(u, min=-30.0), threshold=700.0)
    return t_ref / (t_ref + tau * torch.where(u > -30, torch.log1p(1 / j), -u - np.log(gamma)))


def activations() -> None:
    cases = {}
    for component, text in ACTIVATIONS:
        z = leaf(GRID)
        y = eval(text, globals(), {"z": z})
        y.sum().backward()
        cases[text] = {"component": component, "torch": text, "value": exact(y), "slope": exact(z.grad)}
    write("activations", z=GRID, cases=cases)


# -- losses ----------------------------------------------------------------------------------------

LOGITS = {
    "ordinary": ([[0.3, -1.2, 2.0], [0.0, 0.0, 0.0], [-0.7, 0.4, 0.1], [5.0, -3.0, 1.5]], [2, 0, 0, 1]),
    "extreme": (
        [
            [1000.0, -1000.0, 0.0],
            [-1000.0, -1000.0, -1000.0],
            [1e-8, -1e-8, 0.0],
            [40.0, 0.0, -40.0],
            [1e4, 1e4, 0.0],
        ],
        [1, 2, 0, 0, 2],
    ),
    "confident": ([[30.0, 0.0, 0.0]], [0]),
    "confident and wrong": ([[30.0, 0.0, 0.0]], [1]),
}
LOGIT = {
    "ordinary": ([[0.3], [-1.2], [2.0], [0.0], [0.0]], [1, 0, 0, 1, 0]),
    "extreme": ([[1000.0], [1000.0], [-1000.0], [-1000.0], [1e-8], [40.0], [-40.0]], [0, 1, 0, 1, 1, 1, 0]),
    "confident": ([[30.0]], [1]),
    "confident and wrong": ([[-30.0]], [1]),
}
PAIRS = {
    "ordinary": ([[0.3, -0.2], [-1.2, 0.7], [2.0, 1.5], [0.0, 0.0], [0.0, 0.0]], [1, 0, 0, 1, 0]),
    "extreme": ([[500.0, -500.0], [-500.0, 500.0], [1e-8, 0.0], [30.0, -10.0], [-10.0, 10.0]], [0, 0, 1, 1, 1]),
    "confident and wrong": ([[15.0, -15.0]], [1]),
}
REAL = {
    "ordinary": ([[0.3], [-1.2], [2.0], [0.25]], [0.5, -1.0, -2.0, 0.25]),
    "extreme": ([[1e6], [-1e6], [1e-12], [3.0]], [0.0, 2.5, 0.0, 3.0]),
}

COUNTS = {
    "ordinary": ([[0.3], [-1.2], [2.0], [0.0]], [0.0, 3.0, 7.0, 1.0]),
    "extreme": ([[100.0], [-1000.0], [1e-8], [-40.0]], [5.0, 2.5, 0.0, 1e6]),
}
ONE_HOT = "F.one_hot(t, 3).double()"
SMOOTHED = "(0.8 * F.one_hot(t, 3) + 0.2 / 3)"
P_TARGET = "F.softmax(z, 1)[range(len(t)), t]"


def sigmoid_focal_loss(inputs: Any, targets: Any, alpha: float, gamma: float) -> Any:
    """torchvision.ops.sigmoid_focal_loss with reduction="mean", written out: torchvision is not needed."""
    p = torch.sigmoid(inputs)
    p_t = p * targets + (1 - p) * (1 - targets)
    alpha_t = alpha * targets + (1 - alpha) * (1 - targets)
    ce_loss = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    return (alpha_t * (ce_loss * ((1 - p_t) ** gamma))).mean()


SIGMOID_FOCAL = "sigmoid_focal_loss(z[:, 1] - z[:, 0], t.double(), {alpha}, {gamma})"

LOSSES: list[tuple[dict[str, Any], int | None, dict[str, Any], str]] = [
    ({"name": "cross_entropy"}, 3, LOGITS, "F.cross_entropy(z, t)"),
    ({"name": "cross_entropy", "label_smoothing": 0.2}, 3, LOGITS, "F.cross_entropy(z, t, label_smoothing=0.2)"),
    (
        {"name": "cross_entropy", "class_weights": [0.5, 3.0, 1.0]},
        3,
        LOGITS,
        "F.cross_entropy(z, t, weight=torch.tensor([0.5, 3.0, 1.0]))",
    ),
    (
        {"name": "cross_entropy", "label_smoothing": 0.3, "class_weights": [0.5, 3.0, 1.0]},
        3,
        LOGITS,
        "F.cross_entropy(z, t, weight=torch.tensor([0.5, 3.0, 1.0]), label_smoothing=0.3)",
    ),
    ({"name": "focal"}, 3, LOGITS, f"((1 - {P_TARGET}) ** 2 * F.cross_entropy(z, t, reduction='none')).mean()"),
    (
        {"name": "focal", "gamma": 1.0},
        3,
        LOGITS,
        f"((1 - {P_TARGET}) * F.cross_entropy(z, t, reduction='none')).mean()",
    ),
    ({"name": "focal", "gamma": 0.0}, 3, LOGITS, "F.cross_entropy(z, t)"),
    (
        {"name": "focal", "alpha": [0.5, 3.0, 1.0]},
        3,
        LOGITS,
        f"(torch.tensor([0.5, 3.0, 1.0])[t] * (1 - {P_TARGET}) ** 2 * F.cross_entropy(z, t, reduction='none')).mean()",
    ),
    ({"name": "focal", "alpha": 0.25}, 2, PAIRS, SIGMOID_FOCAL.format(gamma=2.0, alpha=0.25)),
    ({"name": "focal", "alpha": 0.7, "gamma": 3.0}, 2, PAIRS, SIGMOID_FOCAL.format(gamma=3.0, alpha=0.7)),
    (
        {"name": "kl_divergence", "label_smoothing": 0.2},
        3,
        LOGITS,
        f"F.kl_div(F.log_softmax(z, 1), {SMOOTHED}, reduction='batchmean')",
    ),
    (
        {"name": "kl_divergence", "label_smoothing": 0.0},
        3,
        LOGITS,
        f"F.kl_div(F.log_softmax(z, 1), {ONE_HOT}, reduction='batchmean')",
    ),
    ({"name": "binary_cross_entropy"}, 2, LOGIT, "F.binary_cross_entropy_with_logits(z, t[:, None].double())"),
    (
        {"name": "binary_cross_entropy", "label_smoothing": 0.2},
        2,
        LOGIT,
        "F.binary_cross_entropy_with_logits(z, 0.8 * t[:, None] + 0.1)",
    ),
    (
        {"name": "binary_cross_entropy", "pos_weight": 2.5},
        2,
        LOGIT,
        "F.binary_cross_entropy_with_logits(z, t[:, None].double(), pos_weight=torch.tensor(2.5))",
    ),
    (
        {"name": "binary_cross_entropy", "label_smoothing": 0.2, "pos_weight": 0.4},
        2,
        LOGIT,
        "F.binary_cross_entropy_with_logits(z, 0.8 * t[:, None] + 0.1, pos_weight=torch.tensor(0.4))",
    ),
    ({"name": "mse"}, 3, LOGITS, f"F.mse_loss(z, {ONE_HOT})"),
    ({"name": "mse"}, None, REAL, "F.mse_loss(z, t[:, None])"),
    ({"name": "mse", "output": "softmax"}, 3, LOGITS, f"F.mse_loss(F.softmax(z, 1), {ONE_HOT})"),
    ({"name": "mse", "output": "sigmoid"}, 3, LOGITS, f"F.mse_loss(torch.sigmoid(z), {ONE_HOT})"),
    ({"name": "mae"}, 3, LOGITS, f"F.l1_loss(z, {ONE_HOT})"),
    ({"name": "mae"}, None, REAL, "F.l1_loss(z, t[:, None])"),
    ({"name": "huber"}, 3, LOGITS, f"F.huber_loss(z, {ONE_HOT})"),
    ({"name": "huber", "delta": 0.6}, None, REAL, "F.huber_loss(z, t[:, None], delta=0.6)"),
    ({"name": "log_cosh"}, 3, LOGITS, f"(torch.logaddexp(z - {ONE_HOT}, {ONE_HOT} - z) - np.log(2)).mean()"),
    ({"name": "log_cosh"}, None, REAL, "(torch.logaddexp(z - t[:, None], t[:, None] - z) - np.log(2)).mean()"),
    ({"name": "quantile"}, None, REAL, "F.l1_loss(z, t[:, None]) / 2"),
    (
        {"name": "quantile", "level": 0.9},
        None,
        REAL,
        "(0.9 * F.relu(t[:, None] - z) + (1 - 0.9) * F.relu(z - t[:, None])).mean()",
    ),
    ({"name": "poisson"}, None, COUNTS, "F.poisson_nll_loss(z, t[:, None], log_input=True, full=False)"),
    ({"name": "hinge"}, 2, LOGIT, "F.relu(1 - (2 * t[:, None] - 1) * z).mean()"),
    ({"name": "hinge", "squared": True}, 2, LOGIT, "(F.relu(1 - (2 * t[:, None] - 1) * z) ** 2).mean()"),
    ({"name": "hinge"}, 3, LOGITS, "3 * F.multi_margin_loss(z, t)"),
    ({"name": "hinge", "squared": True}, 3, LOGITS, "3 * F.multi_margin_loss(z, t, p=2)"),
]


def losses() -> None:
    cases = {}
    for component, classes, inputs, text in LOSSES:
        options = [f"{key} {value}" for key, value in component.items() if key != "name"]
        for kind, (z, t) in inputs.items():
            leaf_z, target = leaf(z), torch.tensor(t, dtype=torch.float64 if classes is None else torch.int64)
            value = eval(text, globals(), {"z": leaf_z, "t": target})
            value.backward()
            target_of = "real" if classes is None else "classes"
            cases[", ".join([component["name"], *options, target_of, kind])] = {
                "component": component,
                "torch": text,
                "classes": classes,
                "z": z,
                "t": t,
                "value": exact(value),
                "gradient": exact(leaf_z.grad),
            }
            assert torch.isfinite(value), (text, kind)
            assert torch.isfinite(leaf_z.grad).all(), (text, kind)
    write("losses", cases=cases)


# -- normalizations --------------------------------------------------------------------------------

NORMALIZATIONS: list[tuple[dict[str, Any], str]] = [
    ({"name": "batch"}, "torch.nn.BatchNorm1d(4)"),
    ({"name": "batch", "eps": 0.01, "momentum": 0.3}, "torch.nn.BatchNorm1d(4, eps=0.01, momentum=0.3)"),
    ({"name": "batch", "momentum": 1.0}, "torch.nn.BatchNorm1d(4, momentum=1.0)"),
    ({"name": "layer"}, "torch.nn.LayerNorm(4)"),
    ({"name": "batch", "evaluate": "batch"}, "torch.nn.BatchNorm1d(4, track_running_stats=False)"),
    ({"name": "batch", "dialect": "keras"}, "InKerasToo(keras.layers.BatchNormalization())"),
    (
        {"name": "batch", "dialect": "keras", "momentum": 0.5, "eps": 1e-5},
        "InKerasToo(keras.layers.BatchNormalization(momentum=0.5, epsilon=1e-5))",
    ),
    ({"name": "layer", "eps": 0.01}, "torch.nn.LayerNorm(4, eps=0.01)"),
    ({"name": "group"}, "torch.nn.GroupNorm(2, 4)"),
    ({"name": "group", "groups": 1, "eps": 0.01}, "torch.nn.GroupNorm(1, 4, eps=0.01)"),
    ({"name": "rms"}, "torch.nn.RMSNorm(4, eps=1e-5)"),
    ({"name": "rms", "eps": 0.01}, "torch.nn.RMSNorm(4, eps=0.01)"),
]


class InKerasToo(torch.nn.BatchNorm1d):
    """A Keras batch normalization, written out in float64.

    Keras takes moments in float32, mean(x²) - mean(x)²: two digits are left where the mean is 100 and the spread 0.1.
    """

    def __init__(self, layer: Any):
        super().__init__(4, eps=layer.epsilon, momentum=1 - layer.momentum)
        self.layer = layer
        layer.build((None, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.layer.set_weights([*(p.detach().numpy() for p in (self.weight, self.bias)), *self.layer.get_weights()[2:]])
        there = torch.tensor(np.array(self.layer(x.detach().numpy(), training=self.training)))
        here = F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, self.training, 0.0, self.eps
        )
        assert torch.allclose(here, there, rtol=1e-2, atol=1e-2), (here, there)
        if self.training:
            share, batch = self.momentum, x.detach()
            self.running_mean = self.running_mean + share * (batch.mean(0) - self.running_mean)
            self.running_var = self.running_var + share * (batch.var(0, unbiased=False) - self.running_var)
        mean, var = (torch.tensor(value) for value in self.layer.get_weights()[2:])
        assert torch.allclose(self.running_mean, mean, rtol=1e-6)
        assert torch.allclose(self.running_var, var, rtol=1e-5, atol=1e-3)
        return here


def normalizations() -> None:
    rng = np.random.default_rng(21)
    gamma, beta = short(rng.normal(1, 0.3, 4), 4), short(rng.normal(0, 0.5, 4), 4)

    def batch(rows: int) -> list[list[float]]:
        """Columns with an ordinary, an offset, a tiny and no spread; one row of equal numbers."""
        x = rng.normal([0, 100, 0, 2], [1, 0.1, 1e-3, 0], (rows, 4))
        x[-1] = 2.0
        return short(x, 5)

    sizes = (6, 3, 2)
    inputs = [{"x": batch(B), "dy": short(rng.normal(0, 1, (B, 4)), 4)} for B in sizes]
    evaluated = batch(3)
    cases = {}
    for component, text in NORMALIZATIONS:
        norm = eval(text).double()
        with torch.no_grad():
            norm.weight.copy_(torch.tensor(gamma))
            if getattr(norm, "bias", None) is not None:
                norm.bias.copy_(torch.tensor(beta))
        steps = []
        for given in inputs:
            norm.zero_grad()
            x = leaf(given["x"])
            y = norm(x)
            y.backward(torch.tensor(given["dy"]))
            step = {"y": y, "dx": x.grad, "dgamma": norm.weight.grad}
            if getattr(norm, "bias", None) is not None:
                step |= {"dbeta": norm.bias.grad}
            if getattr(norm, "running_mean", None) is not None:
                step |= {"running_mean": norm.running_mean, "running_var": norm.running_var}
            steps.append({key: exact(value) for key, value in step.items()})
        norm.eval()
        cases[spelled(component)] = {
            "component": component,
            "torch": text,
            "training": steps,
            "evaluation": exact(norm(torch.tensor(evaluated))),
        }
    write("normalizations", gamma=gamma, beta=beta, batches=inputs, evaluated=evaluated, cases=cases)


# -- schedules -------------------------------------------------------------------------------------

SCHEDULES: list[tuple[dict[str, Any], str]] = [
    ({"name": "constant"}, "ConstantLR(sgd, factor=1.0)"),
    ({"name": "step", "size": 5, "gamma": 0.5}, "StepLR(sgd, step_size=5, gamma=0.5)"),
    ({"name": "step", "size": 3}, "StepLR(sgd, step_size=3)"),
    ({"name": "step", "size": 1, "gamma": 0.93}, "StepLR(sgd, step_size=1, gamma=0.93)"),
    ({"name": "cosine"}, "CosineAnnealingLR(sgd, T_max=20)"),
    ({"name": "cosine", "final": 0.1}, "CosineAnnealingLR(sgd, T_max=20, eta_min=0.1 * 0.2)"),
    ({"name": "cosine", "length": 12}, "CosineAnnealingLR(sgd, T_max=12)"),
    ({"name": "exponential"}, "ExponentialLR(sgd, gamma=0.95)"),
    ({"name": "exponential", "gamma": 0.5}, "ExponentialLR(sgd, gamma=0.5)"),
    ({"name": "inverse"}, "LambdaLR(sgd, lambda done: 1 / (1 + done))"),
    ({"name": "inverse", "decay": 0.3, "power": 0.5}, "LambdaLR(sgd, lambda done: (1 + 0.3 * done) ** -0.5)"),
    ({"name": "inverse_sqrt"}, "LambdaLR(sgd, lambda done: 1 / (1 + done) ** 0.5)"),
    ({"name": "polynomial"}, "PolynomialLR(sgd, total_iters=20)"),
    ({"name": "polynomial", "power": 2.5, "length": 12}, "PolynomialLR(sgd, total_iters=12, power=2.5)"),
    ({"name": "cosine_restarts", "length": 6}, "CosineAnnealingWarmRestarts(sgd, T_0=6)"),
    (
        {"name": "cosine_restarts", "length": 3, "multiply": 2, "final": 0.1},
        "CosineAnnealingWarmRestarts(sgd, T_0=3, T_mult=2, eta_min=0.1 * 0.2)",
    ),
    ({"name": "one_cycle"}, "OneCycleLR(sgd, max_lr=0.2, total_steps=20, cycle_momentum=False)"),
    (
        {"name": "one_cycle", "rise": 0.5, "div": 10.0, "final_div": 100.0},
        "OneCycleLR(sgd, 0.2, 20, pct_start=0.5, cycle_momentum=False, div_factor=10.0, final_div_factor=100.0)",
    ),
    ({"name": "constant", "warmup": 5}, "LinearLR(sgd, start_factor=0.1, total_iters=5)"),
    (
        {"name": "step", "size": 4, "gamma": 0.5, "warmup": 6, "warmup_start": 0.3},
        "SequentialLR(sgd, [LinearLR(sgd, 0.3, total_iters=6), StepLR(sgd, 4, gamma=0.5)], [6])",
    ),
    (
        {"name": "polynomial", "warmup": 4},
        "SequentialLR(sgd, [LinearLR(sgd, 0.1, total_iters=4), PolynomialLR(sgd, 16)], [4])",
    ),
]


# Metrics as they come: one that falls with pauses and noise, one that rises and stays, one that only gets worse.
WATCHED = {
    "falling": [
        *(2.0, 1.0, 0.99995, 0.99994, 0.7, 0.71, 0.72, 0.69, 0.69, 0.69, 0.69, 0.5, 0.51, 0.52, 0.53),
        *(0.54, 0.49, 0.55, 0.5, 0.5, 0.5, 0.48, 0.48, 0.48, 0.48, 0.47, 0.47, 0.47, 0.47, 0.46),
    ],
    "rising": [
        *(0.1, 0.3, 0.30002, 0.5, 0.5, 0.5, 0.5, 0.6, 0.58, 0.59, 0.6, 0.61, 0.61, 0.61, 0.61),
        *(0.7, 0.69, 0.69, 0.69, 0.69, 0.69, 0.69, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8),
    ],
    "worse": [1.0 + 0.1 * k for k in range(30)],
}
PLATEAUS: list[tuple[dict[str, Any], str, str]] = [
    ({"name": "plateau"}, "falling", "ReduceLROnPlateau(sgd)"),
    ({"name": "plateau"}, "worse", "ReduceLROnPlateau(sgd)"),
    ({"name": "plateau", "patience": 0, "gamma": 0.5}, "falling", "ReduceLROnPlateau(sgd, factor=0.5, patience=0)"),
    (
        {"name": "plateau", "patience": 2, "gamma": 0.3, "cooldown": 3},
        "falling",
        "ReduceLROnPlateau(sgd, factor=0.3, patience=2, cooldown=3)",
    ),
    (
        {"name": "plateau", "patience": 1, "gamma": 0.5, "threshold": 0.05},
        "falling",
        "ReduceLROnPlateau(sgd, factor=0.5, patience=1, threshold=0.05)",
    ),
    (
        {"name": "plateau", "patience": 1, "gamma": 0.5, "threshold": 0.15, "threshold_mode": "abs"},
        "falling",
        "ReduceLROnPlateau(sgd, factor=0.5, patience=1, threshold=0.15, threshold_mode='abs')",
    ),
    (
        {"name": "plateau", "patience": 1, "gamma": 0.2, "min_lr": 0.003},
        "worse",
        "ReduceLROnPlateau(sgd, factor=0.2, patience=1, min_lr=0.003)",
    ),
    (
        {"name": "plateau", "patience": 0, "gamma": 0.1, "eps": 1e-5, "cooldown": 1},
        "worse",
        "ReduceLROnPlateau(sgd, patience=0, eps=1e-5, cooldown=1)",
    ),
    (
        {"name": "plateau", "metric": "validation_accuracy", "patience": 2, "gamma": 0.5},
        "rising",
        "ReduceLROnPlateau(sgd, mode='max', factor=0.5, patience=2)",
    ),
    (
        {"name": "plateau", "metric": "validation_accuracy", "patience": 1, "threshold": 0.07, "threshold_mode": "abs"},
        "rising",
        "ReduceLROnPlateau(sgd, mode='max', patience=1, threshold=0.07, threshold_mode='abs')",
    ),
    (
        {"name": "plateau", "metric": "validation_accuracy", "patience": 1, "gamma": 0.5, "threshold": 0.2},
        "rising",
        "ReduceLROnPlateau(sgd, mode='max', factor=0.5, patience=1, threshold=0.2)",
    ),
]


def schedules() -> None:
    epochs, lr = 20, 0.2
    cases = {}
    for component, text in SCHEDULES:
        sgd = torch.optim.SGD([leaf([0.0])], lr=lr)
        schedule = eval(text, vars(torch.optim.lr_scheduler), {"sgd": sgd})
        rates = []
        for _ in range(epochs):
            rates.append(sgd.param_groups[0]["lr"])
            sgd.step()
            schedule.step()
        cases[spelled(component)] = {"component": component, "torch": text, "rates": rates}
    for component, watched, text in PLATEAUS:
        sgd = torch.optim.SGD([leaf([0.0])], lr=lr)
        schedule = eval(text, vars(torch.optim.lr_scheduler), {"sgd": sgd})
        rates = []
        for value in WATCHED[watched]:
            sgd.step()
            schedule.step(value)
            rates.append(sgd.param_groups[0]["lr"])
        case = {"component": component, "torch": text, "values": WATCHED[watched], "rates": rates}
        cases[f"{spelled(component)} {watched}"] = case
    write("schedules", epochs=epochs, lr=lr, cases=cases)


# -- initializations -------------------------------------------------------------------------------

INITIALIZATIONS: list[tuple[dict[str, Any], str]] = [
    ({"name": "he_normal"}, "kaiming_normal_(w, nonlinearity='relu')"),
    ({"name": "he_normal", "gain": 1.0}, "kaiming_normal_(w, nonlinearity='linear')"),
    ({"name": "he_uniform"}, "kaiming_uniform_(w, nonlinearity='relu')"),
    ({"name": "he_uniform", "gain": 1.0}, "kaiming_uniform_(w, nonlinearity='linear')"),
    ({"name": "xavier_normal"}, "xavier_normal_(w)"),
    ({"name": "xavier_normal", "gain": 4.0}, "xavier_normal_(w, gain=4.0)"),
    ({"name": "xavier_uniform"}, "xavier_uniform_(w)"),
    ({"name": "xavier_uniform", "gain": 5 / 3}, "xavier_uniform_(w, gain=calculate_gain('tanh'))"),
    ({"name": "normal"}, "normal_(w, std=0.01)"),
    ({"name": "normal", "std": 0.5}, "normal_(w, std=0.5)"),
    ({"name": "uniform"}, "uniform_(w, -0.05, 0.05)"),
    (
        {"name": "truncated_normal", "std": 0.87962566},
        "trunc_normal_(w, std=1.0, a=-2.0, b=2.0)",
    ),
    ({"name": "lecun_normal"}, "kaiming_normal_(w, nonlinearity='linear')"),
    ({"name": "lecun_uniform"}, "kaiming_uniform_(w, nonlinearity='linear')"),
    ({"name": "orthogonal"}, "orthogonal_(w)"),
    ({"name": "orthogonal", "gain": 2.0}, "orthogonal_(w, gain=2.0)"),
    ({"name": "lsuv"}, "orthogonal_(w)"),
    ({"name": "sparse"}, "sparse_(w, sparsity=0.9)"),
    ({"name": "sparse", "sparsity": 0.25, "std": 2.0}, "sparse_(w, sparsity=0.25, std=2.0)"),
    ({"name": "pytorch"}, "kaiming_uniform_(w, a=5**0.5)"),
    ({"name": "sklearn"}, "xavier_uniform_(w)"),
    ({"name": "sklearn", "factor": 2.0}, "xavier_uniform_(w, gain=3**-0.5)"),
    ({"name": "constant", "value": -0.3}, "constant_(w, -0.3)"),
    ({"name": "zeros"}, "zeros_(w)"),
]


def initializations() -> None:
    inputs, outputs = 100, 2000
    cases = {}
    for component, text in INITIALIZATIONS:
        torch.manual_seed(22)
        w = torch.empty(outputs, inputs)
        eval(text, vars(torch.nn.init), {"w": w})
        moments = {"mean": exact(w.mean()), "std": exact(w.std()), "largest": exact(w.abs().max())}
        cases[spelled(component)] = {"component": component, "torch": text, **moments}
    write("initializations", inputs=inputs, outputs=outputs, cases=cases)


# -- whole networks --------------------------------------------------------------------------------

BATCH, LAYER = {"name": "batch"}, {"name": "layer"}
GROUP, RMS, WEIGHT = {"name": "group"}, {"name": "rms"}, {"name": "weight"}
PRELU, SOFTMAX, MAXOUT = {"name": "prelu"}, {"name": "softmax"}, {"name": "maxout"}
SWISH = {"name": "swish", "learn": "layer"}
ADAM = ({"name": "adam", "lr": 0.02}, "torch.optim.Adam(groups, lr=0.02)")
MOMENTUM = ({"name": "momentum", "lr": 0.05}, "torch.optim.SGD(groups, lr=0.05, momentum=0.9)")
SGD = ({"name": "sgd", "lr": 0.2}, "torch.optim.SGD(groups, lr=0.2)")
NAG = ({"name": "nag", "lr": 0.05}, "torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True)")
RMSPROP = ({"name": "rmsprop"}, "torch.optim.RMSprop(groups)")
ADAGRAD = ({"name": "adagrad", "lr": 0.05}, "torch.optim.Adagrad(groups, lr=0.05)")
ADADELTA = ({"name": "adadelta"}, "torch.optim.Adadelta(groups)")
NONE = {"name": "none"}
MODULES = {
    "relu": torch.nn.ReLU(),
    "tanh": torch.nn.Tanh(),
    "sigmoid": torch.nn.Sigmoid(),
    "leaky_relu": torch.nn.LeakyReLU(),
    "elu": torch.nn.ELU(),
    "softplus": torch.nn.Softplus(),
    "swish": torch.nn.SiLU(),
}
LOSS = {"cross_entropy": "F.cross_entropy(z, t)", "mse": "F.mse_loss(z, F.one_hot(t, 3).double())"}


class MaxPieces(torch.nn.Module):
    """Maxout behind a linear map with `pieces` columns for each unit."""

    def __init__(self, pieces: int):
        super().__init__()
        self.pieces = pieces

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z.unflatten(1, (-1, self.pieces)).amax(2)


class LearnedSwish(torch.nn.Module):
    """z sigmoid(β z) with a learned β, one for the layer or one for each unit."""

    def __init__(self, count: int, beta: float):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.full((count,), beta))

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return z * torch.sigmoid(self.weight * z)


def module_of(activation: dict[str, Any], width: int) -> torch.nn.Module:
    name = activation["name"]
    if name == "prelu":
        return torch.nn.PReLU(width if activation.get("per") == "unit" else 1, activation.get("start", 0.25))
    if name == "swish" and "learn" in activation:
        return LearnedSwish(width if activation["learn"] == "unit" else 1, activation.get("beta", 1.0))
    if name == "maxout":
        return MaxPieces(activation.get("pieces", 2))
    return torch.nn.Softmax(dim=1) if name == "softmax" else MODULES[name]


NETWORKS: list[tuple[str | dict[str, Any], dict[str, Any], str, tuple[dict[str, Any], str], float]] = [
    *[
        (activation, normalization, "cross_entropy", optimizer, 0.0)
        for activation in ("relu", "tanh")
        for normalization in (NONE, BATCH, LAYER)
        for optimizer in (ADAM, MOMENTUM)
    ],
    ("relu", BATCH | {"where": "after", "momentum": 0.5}, "cross_entropy", ADAM, 0.0),
    ("tanh", BATCH | {"where": "after"}, "cross_entropy", MOMENTUM, 0.01),
    ("swish", BATCH | {"where": "after"}, "cross_entropy", NAG, 0.0),
    ("relu", LAYER | {"where": "after"}, "cross_entropy", ADAGRAD, 0.0),
    ("softplus", LAYER | {"where": "after"}, "mse", RMSPROP, 0.0),
    ("leaky_relu", BATCH, "cross_entropy", ADAGRAD, 0.01),
    ("sigmoid", NONE, "cross_entropy", ADADELTA, 0.0),
    ("elu", NONE, "mse", SGD, 0.01),
    ("swish", LAYER, "cross_entropy", ADAM, 0.1),
    ("relu", GROUP, "cross_entropy", ADAM, 0.0),
    ("tanh", GROUP | {"where": "after"}, "cross_entropy", MOMENTUM, 0.0),
    ("relu", RMS, "cross_entropy", ADAM, 0.0),
    ("tanh", RMS | {"where": "after"}, "cross_entropy", MOMENTUM, 0.0),
    ("relu", WEIGHT, "cross_entropy", ADAM, 0.0),
    ("tanh", WEIGHT, "cross_entropy", MOMENTUM, 0.01),
    (PRELU, NONE, "cross_entropy", ADAM, 0.01),
    (PRELU | {"per": "unit", "start": 0.1}, BATCH, "cross_entropy", MOMENTUM, 0.0),
    (SWISH, NONE, "cross_entropy", ADAM, 0.0),
    (SWISH | {"learn": "unit", "beta": 1.5}, LAYER, "cross_entropy", MOMENTUM, 0.0),
    (SOFTMAX, NONE, "cross_entropy", ADAM, 0.0),
    (MAXOUT, NONE, "cross_entropy", ADAM, 0.01),
    (MAXOUT | {"pieces": 3}, BATCH, "cross_entropy", MOMENTUM, 0.0),
    (MAXOUT, LAYER | {"where": "after"}, "cross_entropy", MOMENTUM, 0.0),
]
SIZES = (5, 8, 6, 3)


def build(
    activation: dict[str, Any], normalization: dict[str, Any], start: dict[str, Any]
) -> tuple[Any, dict[str, torch.Tensor]]:
    """A torch network with the given start, and its parameters by nnexp's names (weights still (out, in))."""
    norm, where = normalization["name"], normalization.get("where", "before")
    modules: list[torch.nn.Module] = []
    named: dict[str, torch.Tensor] = {}
    for number, (inputs, outputs) in enumerate(pairwise(SIZES)):
        last = number == len(SIZES) - 2
        name = "output" if last else f"hidden{number + 1}"
        mapped = outputs * (activation.get("pieces", 2) if activation["name"] == "maxout" and not last else 1)
        linear = torch.nn.Linear(inputs, mapped, bias=last or norm != "batch" or where == "after")
        named[f"{name}.weight"] = linear.weight
        if linear.bias is not None:
            named[f"{name}.bias"] = linear.bias
        if norm == "weight" and not last:
            linear = torch.nn.utils.parametrizations.weight_norm(linear)
            parts_of = linear.parametrizations.weight
            named[f"{name}.weight"], named[f"{name}.gain"] = parts_of.original1, parts_of.original0
        parts: list[torch.nn.Module] = [linear]
        if not last:
            parts.append(module_of(activation, mapped))
            for parameter in parts[-1].parameters():
                named[f"{name}.activation"] = parameter
            width = mapped if where == "before" else outputs
            layers: dict[str, Any] = {
                "batch": lambda width=width: torch.nn.BatchNorm1d(width, momentum=normalization.get("momentum", 0.1)),
                "layer": lambda width=width: torch.nn.LayerNorm(width),
                "group": lambda width=width: torch.nn.GroupNorm(2, width),
                "rms": lambda width=width: torch.nn.RMSNorm(width, eps=1e-5),
            }
            if norm in layers:
                layer = layers[norm]()
                named[f"{name}.gamma"] = layer.weight
                if norm != "rms":
                    named[f"{name}.beta"] = layer.bias
                parts.insert(1 if where == "before" else 2, layer)
        modules += parts
    with torch.no_grad():
        for name, parameter in named.items():
            if name in start:
                value = torch.tensor(start[name])
                count = parameter.numel() // value.numel()  # maxout's further pieces start with other signs
                value = torch.cat([value * (-0.7) ** k for k in range(count)], dim=-1)
                parameter.copy_(value.T if name.endswith(".weight") else value.reshape(parameter.shape))
    return torch.nn.Sequential(*modules), named


def arrays_of(named: dict[str, torch.Tensor]) -> dict[str, Any]:
    """The parameters by name: weights (in, out), everything else a list."""
    return {k: exact(p.T if k.endswith(".weight") else p.reshape(-1)) for k, p in named.items()}


def networks() -> None:
    rng = np.random.default_rng(23)
    start: dict[str, Any] = {}
    for name, (inputs, outputs) in zip(("hidden1", "hidden2", "output"), pairwise(SIZES), strict=True):
        start[f"{name}.weight"] = short(rng.normal(0, (2 / inputs) ** 0.5, (inputs, outputs)), 5)
        start[f"{name}.bias"] = short(rng.normal(0, 0.1, outputs), 4)
        if name != "output":
            start[f"{name}.gamma"] = short(rng.normal(1, 0.1, outputs), 4)
            start[f"{name}.beta"] = short(rng.normal(0, 0.1, outputs), 4)
            start[f"{name}.gain"] = short(rng.uniform(0.5, 2, outputs), 4)
    x = short(rng.normal(0, 1, (24, SIZES[0])), 4)
    t = rng.integers(0, SIZES[-1], 24).tolist()
    batches = [rng.permutation(24)[: 8 if step % 3 else 5].tolist() for step in range(1, 51)]
    X, T = torch.tensor(x), torch.tensor(t)
    cases = {}
    for activation, normalization, loss, (optimizer, text), decay in NETWORKS:
        activation = {"name": activation} if isinstance(activation, str) else activation
        net, named = build(activation, normalization, start)
        begin = arrays_of(named)
        weights = [p for name, p in named.items() if name.endswith(".weight")]
        others = [p for name, p in named.items() if not name.endswith(".weight")]
        groups = [{"params": weights, "weight_decay": decay}, {"params": others}]
        steps = eval(text, globals(), {"groups": groups})
        seen = []
        for rows in batches:
            steps.zero_grad()
            value = eval(LOSS[loss], globals(), {"z": net(X[rows]), "t": T[rows]})
            value.backward()
            steps.step()
            seen.append(exact(value))
        net.eval()
        where = normalization.get("where", "before")
        case = f"{spelled(activation)}, {normalization['name']} {where}, {loss}, {optimizer['name']}, l2 {decay}"
        assert case not in cases
        cases[case] = {
            "activation": activation,
            "normalization": normalization,
            "loss": {"name": loss},
            "optimizer": optimizer,
            "l2": decay,
            "torch": text,
            "start": {name: value for name, value in begin.items() if value != start.get(name)},
            "losses": seen,
            "parameters": arrays_of(named),
            "running": {
                f"hidden{i}.{key}": exact(getattr(layer, f"running_{key}"))
                for i, layer in enumerate((m for m in net if isinstance(m, torch.nn.BatchNorm1d)), 1)
                for key in ("mean", "var")
            },
            "outputs": exact(net(X[:6])),
        }
    write("networks", sizes=list(SIZES), start=start, x=x, t=t, batches=batches, cases=cases)


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    keras.config.set_floatx("float64")
    for make in (
        optimizers,
        lbfgs,
        penalties,
        activations,
        losses,
        normalizations,
        schedules,
        initializations,
        networks,
    ):
        make()
