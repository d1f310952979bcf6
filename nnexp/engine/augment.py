"""Augmented batches: random changes of inputs, and of targets where examples are mixed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnexp.components.augmentations import Augmentation, ImageAugmentation, InputAugmentation, Mixup
from nnexp.components.preprocessing import Fitted
from nnexp.config.seeds import Seeds
from nnexp.engine.streams import stream


@dataclass(frozen=True)
class Mixed:
    """Two encoded targets for each example of a batch; the loss is λ loss(first) + (1 - λ) loss(second)."""

    first: np.ndarray
    second: np.ndarray
    λ: float


Targets = np.ndarray | Mixed


class Augmenter:
    """Changes batches of training examples: images as they were loaded, the rest as preprocessing left it."""

    def __init__(
        self,
        chosen: Sequence[Augmentation],
        fitted: Sequence[Fitted],
        dtype: np.dtype,
        seed: int | Seeds,
        known: tuple[int, int] | None = None,
    ):
        """`known` is the data set's own shape of images; changed inputs are prepared by the steps `fitted`."""
        self.images = [one for one in chosen if isinstance(one, ImageAugmentation)]
        self.others = [one for one in chosen if not isinstance(one, ImageAugmentation)]
        self.fitted, self.dtype, self.seed, self.known = fitted, dtype, seed, known

    @property
    def takes_raw(self) -> bool:
        """Whether the inputs that it changes are those in front of the preprocessing."""
        return bool(self.images)

    def __call__(self, x: np.ndarray, t: np.ndarray, epoch: int, position: int) -> tuple[np.ndarray, Targets]:
        """The changed batch, the `position`-th of its epoch: inputs (B, F) become (B, G) in the run's precision."""
        rng = stream(self.seed, "augment", epoch, position)
        targets: Targets = t
        for image in self.images:
            x = image.change(x.reshape(len(x), *image.size(x.shape[1], self.known)), rng).reshape(len(x), -1)
        if self.images:
            for step in self.fitted:
                x = step(x)
            x = np.ascontiguousarray(x, self.dtype)
        for one in self.others:
            if isinstance(one, Mixup):
                λ, order = one.draw(len(x), rng)
                share = x.dtype.type(λ)
                x, targets = share * x + (1 - share) * x[order], Mixed(t, t[order], λ)
            else:
                assert isinstance(one, InputAugmentation)
                x = one.change(x, rng)
        return x, targets
