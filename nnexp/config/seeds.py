"""Which seed each random stream of a run has: the run's own, or one that is given to this stream alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, model_serializer

from nnexp.components.base import Settings

Seed = Annotated[int, Field(ge=0, lt=2**63)]


class Streams(Settings):
    """Random streams with seeds of their own; one that is null follows `seed`."""

    data: Seed | None = Field(None, description="examples of a data set that is drawn; null: as seed")
    split: Seed | None = Field(None, description="which examples train, validate and test; null: as seed")
    condition: Seed | None = Field(None, description="what conditions change in the training split; null: as seed")
    pretrain: Seed | None = Field(None, description="order and noise while pre-training; null: as seed")
    init: Seed | None = Field(None, description="parameters before the first step; null: as seed")
    shuffle: Seed | None = Field(None, description="order of the examples in each epoch; null: as seed")
    augment: Seed | None = Field(None, description="random changes of the examples; null: as seed")
    dropout: Seed | None = Field(None, description="dropout and other noise within the network; null: as seed")
    noise: Seed | None = Field(None, description="noise on the gradients of a surface; null: as seed")

    @model_serializer
    def _given(self) -> dict[str, int]:
        return {name: value for name, value in self if value is not None}


@dataclass(frozen=True)
class Seeds:
    """The seeds of one run."""

    seed: int
    streams: Streams

    def of(self, purpose: str) -> int:
        """The seed of a stream.

        >>> seeds = Seeds(5, Streams(init=3))
        >>> seeds.of("init"), seeds.of("shuffle")
        (3, 5)
        """
        own: int | None = getattr(self.streams, purpose, None)
        return self.seed if own is None else own
