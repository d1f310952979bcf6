"""Initializers: what the weights are before the first step.

A weight matrix has shape (fan_in, fan_out) = (I, O). Draws are made in float64 and cast, so that float32 and float64
runs of one seed start at the same point.
"""

from __future__ import annotations

from abc import abstractmethod
from math import ceil, sqrt
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from zipfile import BadZipFile, is_zipfile

import numpy as np
from pydantic import BeforeValidator, Field

from nnexp.components.base import Component, Decay, NonNegative, Positive
from nnexp.errors import Misfit

TRUNCATED_STD = 0.87962566103423978
"""The standard deviation of N(0, 1) within ±2."""


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Initializer(Component, family="initialization"):
    """A distribution for the weights, and a constant for the biases unless a member draws them, too."""

    to_unit_variance: ClassVar[bool] = False
    """Whether each layer's weights are scaled, once drawn, so that its outputs on training data have variance 1."""

    @property
    def legacy(self) -> bool:
        """Whether the draws come from NumPy's legacy generator, `np.random.RandomState(seed)`."""
        return False

    bias: float = Field(0.0, description="what every bias starts with")
    output_bias: float | Annotated[tuple[float, ...], BeforeValidator(_as_tuple)] | None = Field(
        None, description="what the output's biases start with, one number or one for each output; null: as the others"
    )

    @abstractmethod
    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """A weight matrix of shape (fan_in, fan_out), float64."""

    @abstractmethod
    def spread(self, fan_in: int, fan_out: int) -> float:
        """The standard deviation of such a matrix's weights."""

    def saved(self) -> dict[str, np.ndarray] | None:
        """The arrays of a model to go on from, by name; None where the parameters are drawn. Raises Misfit."""
        return None

    def draw_bias(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        """A layer's biases, shape (fan_out,), float64."""
        return np.full(fan_out, self.bias)


class He(Initializer):
    """Weights whose variance, gain² / fan_in, keeps the size of the activations through relu layers."""

    gain: Positive = Field(2**0.5, description="gain; √2 makes up for the half that relu cuts")

    def std(self, fan_in: int) -> float:
        return self.gain / fan_in**0.5

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.std(fan_in)


class HeNormal(He):
    """Normal weights with variance gain² / fan_in.

        W ~ N(0, std²),   std = gain / √fan_in,   gain = √2

    Source: K. He, X. Zhang, S. Ren and J. Sun 2015, ICCV; PyTorch's kaiming_normal_ (mode fan_in).

    Differs: Keras truncates the normal at two standard deviations.

        >>> HeNormal().std(fan_in=8)
        0.5
    """

    name: Literal["he_normal"] = "he_normal"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.normal(0.0, self.std(fan_in), (fan_in, fan_out))


class HeUniform(He):
    """Uniform weights with variance gain² / fan_in.

        W ~ U(-a, a),   a = √3 gain / √fan_in,   gain = √2

    Source: K. He, X. Zhang, S. Ren and J. Sun 2015, ICCV; PyTorch's kaiming_uniform_.

        >>> w = HeUniform().draw(np.random.default_rng(0), 6, 1000)
        >>> bool(abs(w).max() <= 1.0)
        True
    """

    name: Literal["he_uniform"] = "he_uniform"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = 3**0.5 * self.std(fan_in)
        return rng.uniform(-a, a, (fan_in, fan_out))


class Xavier(Initializer):
    """Weights whose variance, 2 gain² / (fan_in + fan_out), suits both the activations and the gradients."""

    gain: Positive = Field(
        1.0, description="gain; 1 for linear and tanh, 4 for sigmoid (Glorot), 5/3 for tanh (PyTorch)"
    )

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.gain * (2.0 / (fan_in + fan_out)) ** 0.5

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.std(fan_in, fan_out)


class XavierNormal(Xavier):
    """Normal weights with variance 2 gain² / (fan_in + fan_out).

        W ~ N(0, std²),   std = gain √(2 / (fan_in + fan_out))

    Source: X. Glorot and Y. Bengio 2010, AISTATS; PyTorch's xavier_normal_.

        >>> XavierNormal().std(fan_in=4, fan_out=4)
        0.5
    """

    name: Literal["xavier_normal"] = "xavier_normal"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.normal(0.0, self.std(fan_in, fan_out), (fan_in, fan_out))


class XavierUniform(Xavier):
    """Uniform weights with variance 2 gain² / (fan_in + fan_out).

        W ~ U(-a, a),   a = gain √(6 / (fan_in + fan_out))

    Source: X. Glorot and Y. Bengio 2010, AISTATS, equation 16; PyTorch's xavier_uniform_.

        >>> w = XavierUniform().draw(np.random.default_rng(0), 3, 3)
        >>> bool(abs(w).max() <= 1.0)
        True
    """

    name: Literal["xavier_uniform"] = "xavier_uniform"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = 3**0.5 * self.std(fan_in, fan_out)
        return rng.uniform(-a, a, (fan_in, fan_out))


class Normal(Initializer):
    """Normal weights of one standard deviation, whatever the layer's size.

        W ~ N(0, std²)

    Too small a std lets the signal vanish from layer to layer, too large a one lets it explode.

    Source: A. Krizhevsky, I. Sutskever and G. Hinton 2012, NIPS (std 0.01).

        >>> Normal(std=0.01).draw(np.random.default_rng(0), 2, 3).shape
        (2, 3)
    """

    name: Literal["normal"] = "normal"
    std: NonNegative = Field(0.01, description="standard deviation")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.normal(0.0, self.std, (fan_in, fan_out))

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.std


class Uniform(Initializer):
    """Uniform weights within one bound, whatever the layer's size.

        W ~ U(-limit, limit)

    Source: D. Rumelhart, G. Hinton and R. Williams 1986, Nature 323 (small random weights break the symmetry).

        >>> round(Uniform(limit=0.3).spread(10, 10), 4)
        0.1732
    """

    name: Literal["uniform"] = "uniform"
    limit: NonNegative = Field(0.05, description="the largest weight")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.uniform(-self.limit, self.limit, (fan_in, fan_out))

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.limit / sqrt(3)


class TruncatedNormal(Initializer):
    """Normal weights without the tails beyond two standard deviations, scaled up to the standard deviation asked for.

        W ~ N(0, σ²) within ±2σ,   σ = std / 0.87962566

    Source: TensorFlow's and Keras's truncated normal; the factor is the standard deviation of N(0, 1) within ±2.

    Differs: PyTorch's trunc_normal_ cuts at ±2 (not ±2σ), and it and Keras's TruncatedNormal do not scale up; Keras's
    VarianceScaling does.

        >>> w = TruncatedNormal(std=0.87962566).draw(np.random.default_rng(0), 50, 50)
        >>> bool(1.9 < abs(w).max() <= 2)
        True
    """

    name: Literal["truncated_normal"] = "truncated_normal"
    std: NonNegative = Field(0.02, description="standard deviation of what is left")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        from scipy.special import ndtr, ndtri

        u = rng.uniform(ndtr(-2.0), ndtr(2.0), (fan_in, fan_out))
        return self.std / TRUNCATED_STD * ndtri(u)

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.std


class Orthogonal(Initializer):
    """Weights whose columns (or rows, the fewer) are orthogonal: a linear layer of them keeps lengths and angles.

        A ~ N(0, 1),   A = Q R,   W = gain Q sign(diag R)

    The signs make Q uniform over all orthogonal matrices.

    Source: A. Saxe, J. McClelland and S. Ganguli 2014, ICLR; F. Mezzadri 2007; PyTorch's orthogonal_.

        >>> w = Orthogonal().draw(np.random.default_rng(0), 4, 3)
        >>> bool(np.allclose(w.T @ w, np.eye(3)))
        True
    """

    name: Literal["orthogonal"] = "orthogonal"
    gain: Positive = Field(1.0, description="gain; √2 for relu")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return self.gain * _orthogonal(rng, fan_in, fan_out)

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.gain / sqrt(max(fan_in, fan_out))


class Lsuv(Initializer):
    """Orthogonal weights, scaled layer by layer until each layer's outputs on training examples have variance 1.

        W orthogonal,   W ← W / std(h W) for one layer after the other,   h the layer's inputs for 512 examples

    Source: D. Mishkin and J. Matas 2016, ICLR (layer-sequential unit-variance).

    Differs: the paper repeats the division until the variance is within 0.1 of 1; without a bias in between one is
    exact.

        >>> Lsuv.to_unit_variance
        True
    """

    name: Literal["lsuv"] = "lsuv"
    to_unit_variance: ClassVar = True

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return _orthogonal(rng, fan_in, fan_out)

    def spread(self, fan_in: int, fan_out: int) -> float:
        return 1 / sqrt(max(fan_in, fan_out))


class Sparse(Initializer):
    """Normal weights of which most are zero: each input reaches only a few units.

        W ~ N(0, std²);   in each row ⌈sparsity fan_out⌉ weights, chosen at random, are 0

    Source: J. Martens 2010, ICML (Deep learning via Hessian-free optimization); PyTorch's sparse_.

        >>> w = Sparse(sparsity=0.75).draw(np.random.default_rng(0), 3, 8)
        >>> (w == 0).sum(axis=1).tolist()
        [6, 6, 6]
    """

    name: Literal["sparse"] = "sparse"
    sparsity: Decay = Field(0.9, description="share of zeros in each row")
    std: NonNegative = Field(0.01, description="standard deviation of the others")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        w = rng.normal(0.0, self.std, (fan_in, fan_out))
        for row in w:
            row[rng.permutation(fan_out)[: self._zeros(fan_out)]] = 0.0
        return w

    def _zeros(self, fan_out: int) -> int:
        return ceil(self.sparsity * fan_out)

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.std * sqrt(1 - self._zeros(fan_out) / fan_out)


class LecunNormal(Initializer):
    """Normal weights with variance 1 / fan_in, which keeps the size of the activations through linear and selu layers.

        W ~ N(0, std²),   std = 1 / √fan_in

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp.

    Differs: Keras truncates the normal at two standard deviations.

        >>> LecunNormal().spread(fan_in=16, fan_out=8)
        0.25
    """

    name: Literal["lecun_normal"] = "lecun_normal"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return rng.normal(0.0, 1 / sqrt(fan_in), (fan_in, fan_out))

    def spread(self, fan_in: int, fan_out: int) -> float:
        return 1 / sqrt(fan_in)


class LecunUniform(Initializer):
    """Uniform weights with variance 1 / fan_in.

        W ~ U(-a, a),   a = √(3 / fan_in)

    Source: Y. LeCun, L. Bottou, G. Orr and K.-R. Müller 1998, Efficient BackProp.

        >>> LecunUniform().spread(fan_in=16, fan_out=8)
        0.25
    """

    name: Literal["lecun_uniform"] = "lecun_uniform"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = sqrt(3 / fan_in)
        return rng.uniform(-a, a, (fan_in, fan_out))

    def spread(self, fan_in: int, fan_out: int) -> float:
        return 1 / sqrt(fan_in)


class PyTorchDefault(Initializer):
    """What a PyTorch linear layer starts with: small uniform weights, and biases drawn alike.

        W ~ U(-a, a),   b ~ bias + U(-a, a),   a = 1 / √fan_in

    The variance is 1 / (3 fan_in), a sixth of He's: deep relu networks start with a fading signal.

    Source: PyTorch's Linear.reset_parameters (kaiming_uniform_ with a = √5).

        >>> w = PyTorchDefault().draw(np.random.default_rng(0), 4, 1000)
        >>> bool(0.49 < abs(w).max() <= 0.5)
        True
    """

    name: Literal["pytorch"] = "pytorch"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = 1 / sqrt(fan_in)
        return rng.uniform(-a, a, (fan_in, fan_out))

    def draw_bias(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = 1 / sqrt(fan_in)
        return self.bias + rng.uniform(-a, a, fan_out)

    def spread(self, fan_in: int, fan_out: int) -> float:
        return 1 / sqrt(3 * fan_in)


class SklearnDefault(Initializer):
    """What scikit-learn's networks start with: Glorot's uniform weights, and biases drawn alike.

        W ~ U(-a, a),   b ~ bias + U(-a, a),   a = √(factor / (fan_in + fan_out))

    Source: scikit-learn's MLPClassifier (X. Glorot and Y. Bengio 2010).

    With `generator: legacy` weights and biases are drawn from `np.random.RandomState(seed)`, layer by layer: the very
    numbers of scikit-learn's `random_state=seed`. `shuffle: sklearn` goes on with the same generator.

    Differs: scikit-learn takes the factor 2 by itself where the activation is logistic; here it is said.

        >>> round(SklearnDefault().spread(fan_in=2, fan_out=4), 4)
        0.5774
    """

    name: Literal["sklearn"] = "sklearn"
    factor: Positive = Field(6.0, description="6; 2 for sigmoid")
    generator: Literal["pcg64", "legacy"] = Field(
        "pcg64", description="the `init` stream of the seed, or scikit-learn's RandomState(seed)"
    )

    @property
    def legacy(self) -> bool:
        return self.generator == "legacy"

    def bound(self, fan_in: int, fan_out: int) -> float:
        """a, the largest weight."""
        return sqrt(self.factor / (fan_in + fan_out))

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = self.bound(fan_in, fan_out)
        return rng.uniform(-a, a, (fan_in, fan_out))

    def draw_bias(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        a = self.bound(fan_in, fan_out)
        return self.bias + rng.uniform(-a, a, fan_out)

    def spread(self, fan_in: int, fan_out: int) -> float:
        return self.bound(fan_in, fan_out) / sqrt(3)


class Constant(Initializer):
    """The same weight everywhere.

        W = value

    All units of a layer compute the same and get the same gradient: they stay identical for ever.

    Source: none; the control experiment for breaking the symmetry.

        >>> Constant(value=0.5).draw(np.random.default_rng(0), 1, 2).tolist()
        [[0.5, 0.5]]
    """

    name: Literal["constant"] = "constant"
    value: float = Field(0.1, description="every weight")

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return np.full((fan_in, fan_out), self.value)

    def spread(self, fan_in: int, fan_out: int) -> float:
        return 0.0


class SavedModel(Initializer):
    """The parameters that another run ended with: to learn on from there, with new data or another optimizer.

        θ = θ of the run,   running statistics alike

    The inputs are prepared as they were for that model: with what its preprocessing had learned, and its target's
    scale. Architecture, normalization, preprocessing and classes must be the same. The optimizer begins anew.

    Source: none; the model.npz of a run's folder (docs/guide.md says what is in it).

        >>> SavedModel(path="runs/online-s0-3f2a91").draw(np.random.default_rng(), 1, 2).tolist()
        [[0.0, 0.0]]
    """

    name: Literal["model"] = "model"
    path: str = Field(description="a run's folder, or its model.npz; relative to the configuration that names it")
    input_paths: ClassVar = ("path",)

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return np.zeros((fan_in, fan_out))

    def spread(self, fan_in: int, fan_out: int) -> float:
        return 0.0

    def saved(self) -> dict[str, np.ndarray]:
        given = Path(self.path)
        path = given / "model.npz" if given.is_dir() else given
        if not path.is_file():
            why = "; only a finished run has one" if given.is_dir() else ""
            raise Misfit("initialization.path", f"the file {path} does not exist{why}")
        if not is_zipfile(path):
            raise Misfit("initialization.path", f"{path} is not a model.npz")
        try:
            with np.load(path, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, BadZipFile) as error:
            raise Misfit("initialization.path", f"{path} cannot be read: {error}") from None


class Zeros(Initializer):
    """All weights zero.

        W = 0

    With hidden layers only the output's bias learns at first: the hidden units stay identical.

    Source: none; right for a linear model, the control experiment for deeper ones.

        >>> Zeros().draw(np.random.default_rng(0), 1, 2).tolist()
        [[0.0, 0.0]]
    """

    name: Literal["zeros"] = "zeros"

    def draw(self, rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
        return np.zeros((fan_in, fan_out))

    def spread(self, fan_in: int, fan_out: int) -> float:
        return 0.0


def _orthogonal(rng: np.random.Generator, fan_in: int, fan_out: int) -> np.ndarray:
    """A random matrix (fan_in, fan_out) with orthonormal columns, or rows where they are fewer."""
    q, r = np.linalg.qr(rng.normal(size=(max(fan_in, fan_out), min(fan_in, fan_out))))
    q = q * np.sign(np.diag(r))
    return q if fan_in >= fan_out else q.T
