"""Losses: how far the network's outputs are from the targets, and the gradient to begin with.

The order of the imports is the order of `nnexp list loss`.
"""

# isort: off
from nnexp.components.losses.base import ElementwiseLoss, Loss, MarginLoss, SoftmaxLoss, SoftTargets
from nnexp.components.losses.classes import BinaryCrossEntropy, CrossEntropy, Focal, KlDivergence
from nnexp.components.losses.distances import Huber, LogCosh, Mae, Mse, Poisson, Quantile
from nnexp.components.losses.margins import Hinge

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "ElementwiseLoss",
    "Focal",
    "Hinge",
    "Huber",
    "KlDivergence",
    "LogCosh",
    "Loss",
    "Mae",
    "MarginLoss",
    "Mse",
    "Poisson",
    "Quantile",
    "SoftTargets",
    "SoftmaxLoss",
]
