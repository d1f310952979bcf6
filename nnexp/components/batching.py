"""Batch modes: how many examples make one update, and in which order they come."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from nnexp.components.base import Component, Count
from nnexp.errors import Misfit


class Batching(Component, family="batch"):
    """A rule for cutting the N training examples of an epoch into batches of B."""

    shuffle: Literal["epoch", "once", "never", "sklearn"] = Field(
        "epoch",
        description="a new order each epoch, one order for all epochs, the file's order, or scikit-learn's order",
    )
    sampling: Literal["permutation", "replacement"] = Field(
        "permutation", description="each example once an epoch, or N uniform draws with replacement"
    )

    @abstractmethod
    def rows(self, n: int) -> int:
        """B, the examples of a batch, for n training examples. Raises Misfit where there are too few."""

    def sizes(self, n: int) -> tuple[int, int]:
        """How many full batches an epoch has, and how many examples its smaller last batch (0: none)."""
        return n // self.rows(n), n % self.rows(n)

    def order(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """The examples of an epoch in the order in which they are used, as indices (n,)."""
        return rng.permutation(n) if self.sampling == "permutation" else rng.integers(n, size=n)

    def steps(self, n: int) -> int:
        """Updates an epoch."""
        full, rest = self.sizes(n)
        return full + (rest > 0)


class FullBatch(Batching):
    """All training examples in one batch: one update an epoch, along the exact gradient.

        B = N

    Source: A.-L. Cauchy 1847 (gradient descent).

        >>> FullBatch().sizes(100)
        (1, 0)
    """

    name: Literal["full"] = "full"

    def rows(self, n: int) -> int:
        return n


class MiniBatch(Batching):
    """A few examples a batch: an estimate of the gradient with noise that falls as 1/√B.

        1 <= B <= N;   the last batch has the rest, or is left out with drop_last

    Source: L. Bottou, F. Curtis and J. Nocedal 2018, SIAM Review 60 (an overview).

        >>> MiniBatch(size=32).sizes(100), MiniBatch(size=32, drop_last=True).sizes(100)
        ((3, 4), (3, 0))
    """

    name: Literal["mini"] = "mini"
    size: Count = Field(32, description="B, examples a batch")
    drop_last: bool = Field(False, description="leave out the smaller last batch of an epoch")

    def rows(self, n: int) -> int:
        if self.size > n:
            raise Misfit(
                "batch.size",
                f"a batch of {self.size} is more than the {n} training examples; use a smaller size, or batch: full",
            )
        return self.size

    def sizes(self, n: int) -> tuple[int, int]:
        full, rest = divmod(n, self.rows(n))
        return full, 0 if self.drop_last else rest


class SingleExample(Batching):
    """One example a batch: N noisy updates an epoch. The same to the bit as `mini` with size 1.

        B = 1

    With `stream: true` it is online learning: the examples arrive in the file's order (unless `shuffle` says
    otherwise), and each is predicted, in evaluation, before it is learned from. metrics.csv then has prequential
    columns: the loss and the metrics of these predictions over the epoch. They are an honest estimate in the first
    epoch only (`stop: 1`), for later the examples are known.

    Source: H. Robbins and S. Monro 1951 (stochastic approximation); A. P. Dawid 1984, JRSS A 147 (the prequential
    approach).

        >>> SingleExample().sizes(100)
        (100, 0)
        >>> SingleExample().shuffle, SingleExample(stream=True).shuffle
        ('epoch', 'never')
    """

    name: Literal["single"] = "single"
    aliases: ClassVar = ("stochastic",)
    stream: bool = Field(False, description="predict each example before it is learned from; in order by default")

    @model_validator(mode="before")
    @classmethod
    def _in_order(cls, data: Any) -> Any:
        return {"shuffle": "never", **data} if isinstance(data, dict) and data.get("stream") is True else data

    def rows(self, n: int) -> int:
        return 1
