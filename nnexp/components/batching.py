"""Batch modes: how many examples make one update, and in which order they come."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from pydantic import Field

from nnexp.components.base import Component, Count
from nnexp.errors import Misfit


class Batching(Component, family="batch"):
    """A rule for cutting the N training examples of an epoch into batches of B."""

    shuffle: Literal["epoch", "once", "never"] = Field(
        "epoch", description="a new order each epoch, one order for all epochs, or the file's order"
    )

    @abstractmethod
    def rows(self, n: int) -> int:
        """B, the examples of a batch, for n training examples. Raises Misfit where there are too few."""

    def sizes(self, n: int) -> tuple[int, int]:
        """How many full batches an epoch has, and how many examples its smaller last batch (0: none)."""
        return n // self.rows(n), n % self.rows(n)

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

    Source: H. Robbins and S. Monro 1951 (stochastic approximation).

        >>> SingleExample().sizes(100)
        (100, 0)
    """

    name: Literal["single"] = "single"
    aliases: ClassVar = ("stochastic",)

    def rows(self, n: int) -> int:
        return 1
