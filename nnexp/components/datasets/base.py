"""What a data set is: a whole table of examples, and how it is split and prepared."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, model_validator

from nnexp.components.base import AS_LIST, MEMBER, Component
from nnexp.components.conditions import Condition
from nnexp.components.grounds import TrainingGround
from nnexp.components.preprocessing import Preprocessing, Standardize

Share = Annotated[float, Field(ge=0, lt=1)]
Examples = Annotated[int, Field(ge=10, le=10_000_000)]


@dataclass(frozen=True)
class Table:
    """A data set as loaded: N examples with F features and one target each."""

    x: np.ndarray
    """(N, F) float64; NaN where a value is missing."""
    t: np.ndarray
    """(N,) class indices, or real numbers where `classes` is None."""
    features: tuple[str, ...]
    classes: tuple[str, ...] | None
    test: np.ndarray | None = None
    """(N,) True for the examples of the test split, where the data set itself says which they are."""
    notes: tuple[str, ...] = field(default=())
    """Sentences on what was done while reading, for the user."""


class Dataset(TrainingGround):
    """Examples to learn from, and how they are split and prepared."""

    image: ClassVar[tuple[int, int] | None] = None
    """Height and width in pixels, where an example is an image, row by row."""
    package: ClassVar[str | None] = None
    """A package beyond nnexp's own that it needs, which an extra installs."""

    validation: Share = Field(0.2, description="share of the examples for validation: choosing and early stopping")
    test: Share = Field(0.2, description="share of the examples for the test, looked at once at the end")
    preprocessing: Annotated[tuple[Annotated[Preprocessing, MEMBER], ...], AS_LIST] = Field(
        (Standardize(),), description="what is done to the inputs, in this order"
    )

    conditions: Annotated[tuple[Annotated[Condition, MEMBER], ...], AS_LIST] = Field(
        (), description="what is done to the training split before preprocessing, in this order"
    )

    @model_validator(mode="after")
    def _leave_something_to_learn_from(self) -> Dataset:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation ({self.validation:g}) and test ({self.test:g}) leave nothing to learn from")
        return self

    @abstractmethod
    def load(self, rng: np.random.Generator) -> Table:
        """The whole table. Only generated data sets use `rng`, the experiment's `data` stream.

        Raises Misfit or InputError where a file cannot be used.
        """


class RegressionFields(Component):
    """Beside Dataset, what data sets with a real target have in addition."""

    scale_target: bool = Field(
        True, description="standardize a real target for training (metrics are in its own units)"
    )
