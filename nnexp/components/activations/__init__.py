"""Activations: the functions between the layers, with their derivatives.

The order of the imports is the order of `nnexp list activation`.
"""

# isort: off
from nnexp.components.activations.base import Activation, Call, ElementwiseActivation, RowActivation
from nnexp.components.activations.linear import Linear
from nnexp.components.activations.saturating import HardSigmoid, LecunTanh, Lif, Sigmoid, Softsign, Tanh
from nnexp.components.activations.rectified import (
    Celu,
    Elu,
    LeakyRelu,
    NoisyRelu,
    Prelu,
    Relu,
    Relu6,
    Selu,
    Softplus,
)
from nnexp.components.activations.gated import Gelu, HardSwish, Mish, Swish
from nnexp.components.activations.competing import Maxout, Softmax

__all__ = [
    "Activation",
    "Call",
    "Celu",
    "ElementwiseActivation",
    "Elu",
    "Gelu",
    "HardSigmoid",
    "HardSwish",
    "LeakyRelu",
    "LecunTanh",
    "Lif",
    "Linear",
    "Maxout",
    "Mish",
    "NoisyRelu",
    "Prelu",
    "Relu",
    "Relu6",
    "RowActivation",
    "Selu",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Softsign",
    "Swish",
    "Tanh",
]
