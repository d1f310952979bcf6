"""Optimizers: how the parameters θ follow the gradient g."""

# The order of these imports is that of `nnexp list optimizer`.
# isort: off
from nnexp.components.optimizers.base import Minimizer, Optimizer
from nnexp.components.optimizers.momentum import Momentum, Nag, Sgd
from nnexp.components.optimizers.scaled import Adadelta, Adagrad, Rmsprop
from nnexp.components.optimizers.moments import Adam, Adamax, Adamw, Amsgrad, Moments, Nadam, Radam
from nnexp.components.optimizers.signs import Lion, Rprop
from nnexp.components.optimizers.quasi_newton import Lbfgs

# isort: on

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Adamw",
    "Amsgrad",
    "Lbfgs",
    "Lion",
    "Minimizer",
    "Moments",
    "Momentum",
    "Nadam",
    "Nag",
    "Optimizer",
    "Radam",
    "Rmsprop",
    "Rprop",
    "Sgd",
]
