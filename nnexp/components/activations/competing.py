"""Activations in which pre-activations compete: the units of a layer for one sum, or the pieces of a unit."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from nnexp.components.activations.base import RowActivation


class Softmax(RowActivation):
    """Turn the layer's pre-activations into shares of 1.

        y = exp(z - max z) / Σ exp(z - max z)
        dz = y (dy - Σ y dy)

    Between layers it makes a soft choice among the units. As the network's output it belongs to the loss:
    cross_entropy, or mse with `output: softmax`.

    Source: J. Bridle 1990, NIPS.

        >>> y = np.empty((1, 2))
        >>> Softmax().forward(np.array([[0.0, np.log(3.0)]]), y)
        >>> y.round(6).tolist()
        [[0.25, 0.75]]
    """

    name: Literal["softmax"] = "softmax"

    def forward(self, z: np.ndarray, y: np.ndarray) -> None:
        np.subtract(z, z.max(axis=1, keepdims=True), out=y)
        np.exp(y, out=y)
        y /= y.sum(axis=1, keepdims=True)

    def backward(self, z: np.ndarray, y: np.ndarray, dy: np.ndarray, dz: np.ndarray) -> None:
        np.subtract(dy, np.einsum("ij,ij->i", y, dy)[:, None], out=dz)
        dz *= y


class Maxout(RowActivation):
    """Give each unit several linear pieces and let the largest be its output.

        y_j = max_k z_jk,   k = 1 ... pieces
        dz_jk = dy_j for the first largest piece, else 0

    Each unit learns its own convex, piecewise linear activation; the layer has `pieces` times the weights. A unit's
    pieces are neighbouring columns of the weight matrix.

    Source: I. Goodfellow, D. Warde-Farley, M. Mirza, A. Courville and Y. Bengio 2013, ICML. PyTorch has no function
    for it.

        >>> y = np.empty((1, 2))
        >>> Maxout(pieces=2).forward(np.array([[1.0, 3.0, -2.0, -5.0]]), y)
        >>> y.tolist()
        [[3.0, -2.0]]
    """

    name: Literal["maxout"] = "maxout"
    pieces: Annotated[int, Field(ge=2, le=100)] = Field(2, description="k, linear pieces of each unit")

    @property
    def inputs_per_unit(self) -> int:
        return self.pieces

    def forward(self, z: np.ndarray, y: np.ndarray) -> None:
        np.max(self._pieces(z), axis=2, out=y)

    def backward(self, z: np.ndarray, y: np.ndarray, dy: np.ndarray, dz: np.ndarray) -> None:
        largest = self._pieces(z).argmax(axis=2)[:, :, None]
        dz[:] = 0
        np.put_along_axis(self._pieces(dz), largest, dy[:, :, None], axis=2)

    def _pieces(self, z: np.ndarray) -> np.ndarray:
        return z.reshape(len(z), -1, self.pieces)
