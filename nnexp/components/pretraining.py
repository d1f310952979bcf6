"""Pre-training: where the hidden layers start, learned from the inputs alone, layer by layer, before training."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, Count, Decay, Positive


class Pretraining(Component, family="pretrain"):
    """A model of the inputs of a hidden layer that gives the layer its parameters; then comes the next layer.

    The inputs of a layer are what the layers below, already pre-trained, make of the training split in evaluation.
    Targets are not looked at.
    """

    epochs: Count = Field(20, description="passes over the training split for each hidden layer")
    lr: Positive = Field(0.01, description="learning rate η")
    batch: Count = Field(32, description="B, examples an update; the smaller last batch of an epoch is left out")


class Autoencoder(Pretraining):
    """Train each hidden layer to keep what its inputs can be reconstructed from; with `noise`, from damaged inputs.

        h = f(x̃ W + b),   x̂ = h V + c,   minimize the mean of (x̂ - x)² by Adam
        x̃ = 0 where u < noise, else x,   u ~ U(0, 1)
        tied: V = Wᵀ, so that dloss/dW has two parts, x̃ᵀ dloss/d(x̃ W) + (hᵀ dloss/dx̂)ᵀ

    The hidden layer is the network's own, from its initial parameters on, with its activation and normalization; V and
    c, which are forgotten afterwards, are drawn by the initialization. Regularization takes no part. A narrow layer, or
    noise, keeps it from copying its inputs, and so do tied weights. With linear units the best that it can do is PCA.

    Source: Y. Bengio, P. Lamblin, D. Popovici and H. Larochelle 2007, NIPS 19; noise and tied weights: P. Vincent,
    H. Larochelle, Y. Bengio and P.-A. Manzagol 2008, ICML.

    Differs: in these papers inputs in [0, 1] have a cross-entropy as their loss.

        >>> Autoencoder(noise=0.5).damaged(np.array([3.0, 4.0, 5.0]), np.array([0.2, 0.5, 0.9])).tolist()
        [0.0, 4.0, 5.0]
    """

    name: Literal["autoencoder"] = "autoencoder"
    aliases: ClassVar = ("ae",)
    noise: Decay = Field(0.0, description="share of the inputs that are set to 0, drawn anew for each batch")
    tied: bool = Field(False, description="whether V is the transpose of W, and no parameters of its own")

    def damaged(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        """The inputs x̃ of x, shape (B, I), with chances u in [0, 1) of the same shape."""
        return np.where(u < self.noise, x.dtype.type(0), x)


class Rbm(Pretraining):
    """Train each hidden layer as a restricted Boltzmann machine, by contrastive divergence (CD-k).

        p(v, h) ∝ exp(a·v + b·h + v W h),   v in {0, 1} (bernoulli), or with -½‖v‖² added, v real (gaussian)
        p(h = 1 | v) = σ(b + v W);   p(v = 1 | h) = σ(a + W h), or v | h ~ N(a + W h, 1)
        g = <v p(h | v)> of the data - <v p(h | v)> of their chains, after k steps of v -> h -> v
        persistent: the chains go on from where they were at the last update, not from the data
        m ← μ m + η g,   W ← W + m;   a and b likewise, with <v> and <p(h | v)>

    g estimates the gradient of the mean log-likelihood ln p(v); it is exact as k grows. States are sampled on the
    way, and in the averages hidden units count with their probabilities. b and W become the layer's, a, from 0 on, is
    forgotten. For sigmoid units, whose output is p(h = 1 | v). Gaussian units want standardized inputs, and a smaller
    rate than Bernoulli units do. There are B persistent chains for each layer, which begin at the first batch; they
    keep up with the machine only where it changes slowly, so they want a smaller rate, too.

    Source: G. Hinton 2002, Neural Computation 14; layer by layer: G. Hinton, S. Osindero and Y.-W. Teh 2006, Neural
    Computation 18; in practice: G. Hinton 2010, UTML TR 2010-003; persistent chains: T. Tieleman 2008, ICML.

    Differs: Hinton's guide also takes the probabilities of the reconstructed visible units, which adds a bias that no k
    removes; scikit-learn's BernoulliRBM is always persistent, and its chains begin with all hidden units off.

        >>> W, a, b = np.array([[2.0]]), np.array([1.0]), np.array([-2.0])
        >>> Rbm.hidden(np.array([[1.0]]), W, b).tolist()
        [[0.5]]
        >>> Rbm.visible_mean(np.array([[1.0]]), W, a, gaussian=True).tolist()
        [[3.0]]
    """

    name: Literal["rbm"] = "rbm"
    aliases: ClassVar = ("dbn",)
    lr: Positive = Field(0.03, description="learning rate η")
    k: Count = Field(1, description="steps of the Markov chains for each update")
    persistent: bool = Field(False, description="whether the chains go on from update to update (PCD)")
    momentum: Decay = Field(0.5, description="μ, the share of the last step that is kept")
    visible: Literal["gaussian", "bernoulli"] = Field(
        "gaussian", description="what the first layer's inputs are; those of layers above are bernoulli"
    )

    @staticmethod
    def hidden(v: np.ndarray, W: np.ndarray, b: np.ndarray) -> np.ndarray:
        """p(h = 1 | v), shape (B, O), for v (B, I)."""
        return _sigmoid(v @ W + b)

    @staticmethod
    def visible_mean(h: np.ndarray, W: np.ndarray, a: np.ndarray, gaussian: bool) -> np.ndarray:
        """The mean of v given h (B, O), shape (B, I): p(v = 1 | h), or the middle of the Gaussian."""
        mean = h @ W.T + a
        return mean if gaussian else _sigmoid(mean)

    def contrast(
        self,
        v: np.ndarray,
        W: np.ndarray,
        a: np.ndarray,
        b: np.ndarray,
        gaussian: bool,
        rng: np.random.Generator,
        chains: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The estimate g for W (I, O), a (I,) and b (O,), as means over the examples v (B, I).

        The chains begin at v; or at `chains`, as many states of the visible units, which they move on in place.
        """
        p = first = self.hidden(v, W, b)
        chain = v
        if chains is not None:
            chain, p = chains, self.hidden(chains, W, b)
        for _ in range(self.k):
            mean = self.visible_mean(_coin(p, rng), W, a, gaussian)
            chain = mean + rng.standard_normal(mean.shape, mean.dtype.type) if gaussian else _coin(mean, rng)
            p = self.hidden(chain, W, b)
        if chains is not None:
            chains[:] = chain
        return (v.T @ first - chain.T @ p) / len(v), (v - chain).mean(axis=0), (first - p).mean(axis=0)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    half: Any = z.dtype.type(0.5)
    return half + half * np.tanh(half * z)


def _coin(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """1 with probability p, else 0."""
    return (rng.random(p.shape, p.dtype.type) < p).astype(p.dtype)
