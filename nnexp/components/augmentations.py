"""Augmentations: random changes of the training examples, drawn anew for each batch; evaluation sees none of them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
from pydantic import BeforeValidator, Field

from nnexp.components.base import Component, Count, Fraction, NonNegative, Positive
from nnexp.errors import Misfit

Shape = Annotated[tuple[Count, Count], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)]


class Augmentation(Component, family="augmentation"):
    """A random change of a batch."""


class InputAugmentation(Augmentation):
    """A change of the inputs as preprocessing has left them."""

    @abstractmethod
    def change(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """A changed copy of the inputs x, shape (B, F)."""


class ImageAugmentation(Augmentation):
    """A change of images, before preprocessing: a pixel that is left free becomes 0."""

    shape: Shape | None = Field(None, description="height and width of an image; null: what the data set says")

    def size(self, features: int, known: tuple[int, int] | None) -> tuple[int, int]:
        """Height H and width W of images with so many pixels, where a data set's are `known` or the shape is given.

        Raises Misfit where neither is so, or it does not fit.
        """
        shape = self.shape or known
        where, set_it = f"augmentation.{self.label()}", "set shape: [height, width]"
        if shape is None:
            raise Misfit(where, f"the data set does not say that its {features} features are an image; {set_it}")
        height, width = shape
        if height * width != features:
            raise Misfit(where, f"{height} x {width} pixels are not the {features} features of an example; {set_it}")
        return shape

    @abstractmethod
    def change(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Changed copies of the images, shape (B, H, W)."""


class Noise(InputAugmentation):
    """Add normal noise to the inputs.

        x ← x + std n,   n ~ N(0, 1)

    std is in units of the preprocessed inputs: of their standard deviation, after `standardize`.

    Source: C. Bishop 1995, Neural Computation 7 (noise in training acts like a penalty on the slope).

        >>> Noise(std=0.0).change(np.array([[1.0, 2.0]]), np.random.default_rng(0)).tolist()
        [[1.0, 2.0]]
    """

    name: Literal["noise"] = "noise"
    std: NonNegative = Field(0.1, description="standard deviation of the noise")

    def change(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        n = rng.standard_normal(x.shape, dtype=x.dtype)
        n *= x.dtype.type(self.std)
        n += x
        return n


class Mixup(Augmentation):
    """Learn from lines between two examples instead of the examples.

        x ← λ x + (1 - λ) x',   loss ← λ loss(t) + (1 - λ) loss(t'),   λ ~ Beta(α, α)

    (x', t') is another example of the batch; λ is one for the batch. For cross-entropy the two losses together are that
    of the mixed target.

    Source: H. Zhang, M. Cissé, Y. Dauphin and D. Lopez-Paz 2018, ICLR.

    Differs: the paper's equation has one λ for each pair; its own program, like this, one for a batch.

        >>> λ, order = Mixup(alpha=0.4).draw(4, np.random.default_rng(0))
        >>> 0 <= λ <= 1, sorted(order.tolist())
        (True, [0, 1, 2, 3])
    """

    name: Literal["mixup"] = "mixup"
    alpha: Positive = Field(0.2, description="α; near 0 most λ are near 0 or 1, with 1 they are uniform")

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[float, np.ndarray]:
        """λ, and the other example for each of `rows` examples, as an index."""
        return float(rng.beta(self.alpha, self.alpha)), rng.permutation(rows)


class Shift(ImageAugmentation):
    """Move each image by a few pixels, up or down and left or right.

        image[i, j] ← image[i - a, j - b],   a, b ~ uniform on -pixels ... pixels

    Source: P. Simard, D. Steinkraus and J. Platt 2003, ICDAR (translations of handwritten digits).

        >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
        >>> sorted(np.unique(Shift(pixels=1).change(image, np.random.default_rng(0))).tolist())[0]
        0.0
    """

    name: Literal["shift"] = "shift"
    pixels: Annotated[int, Field(ge=0)] = Field(1, description="the furthest that an image is moved, in pixels")

    def change(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        B, H, W = images.shape
        by = rng.integers(-self.pixels, self.pixels + 1, (2, B, 1, 1))
        return _taken(images, np.arange(H)[:, None] - by[0], np.arange(W) - by[1])


class Flip(ImageAugmentation):
    """Mirror each image with a probability.

        image[i, j] ← image[i, W - 1 - j]   with probability p (axis: horizontal; vertical mirrors i)

    For images whose class is the same in the mirror: not for digits.

    Source: A. Krizhevsky, I. Sutskever and G. Hinton 2012, NIPS, section 4.1.

        >>> Flip(p=1.0).change(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.random.default_rng(0)).tolist()
        [[[2.0, 1.0], [4.0, 3.0]]]
    """

    name: Literal["flip"] = "flip"
    p: Fraction = Field(0.5, description="probability that an image is mirrored")
    axis: Literal["horizontal", "vertical"] = Field("horizontal", description="left to right, or upside down")

    def change(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        mirrored = images[:, :, ::-1] if self.axis == "horizontal" else images[:, ::-1]
        return np.where((rng.random(len(images)) < self.p)[:, None, None], mirrored, images)


class Rotate(ImageAugmentation):
    """Turn each image about its middle by a random angle.

        angle ~ U(-degrees, degrees);   a pixel is the bilinear mean of the four around the place that it comes from

    Source: P. Simard, D. Steinkraus and J. Platt 2003, ICDAR.

        >>> image = np.arange(9.0).reshape(1, 3, 3)
        >>> np.allclose(Rotate(degrees=0.0).change(image, np.random.default_rng(0)), image)
        True
    """

    name: Literal["rotate"] = "rotate"
    degrees: Annotated[float, Field(ge=0, le=180)] = Field(10.0, description="the largest angle, in degrees")

    def change(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        B, H, W = images.shape
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees, (B, 1, 1)))
        i, j = np.arange(H)[:, None] - (H - 1) / 2, np.arange(W) - (W - 1) / 2
        row = np.cos(angle) * i + np.sin(angle) * j + (H - 1) / 2
        column = np.cos(angle) * j - np.sin(angle) * i + (W - 1) / 2
        up, left = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
        down, right = row - up, column - left
        return (
            (1 - down) * (1 - right) * _taken(images, up, left)
            + (1 - down) * right * _taken(images, up, left + 1)
            + down * (1 - right) * _taken(images, up + 1, left)
            + down * right * _taken(images, up + 1, left + 1)
        )


class Cutout(ImageAugmentation):
    """Set a square at a random place of each image to 0.

        image[i, j] ← 0   where |i - a| and |j - b| are within the square,   (a, b) ~ uniform on all pixels

    The square may reach beyond the border.

    Source: T. DeVries and G. Taylor 2017, arXiv 1708.04552.

        >>> image = np.ones((1, 5, 5))
        >>> int(Cutout(pixels=1).change(image, np.random.default_rng(0)).sum())
        24
    """

    name: Literal["cutout"] = "cutout"
    pixels: Count = Field(2, description="side of the square, in pixels")

    def change(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        B, H, W = images.shape
        first = rng.integers(0, (H, W), (B, 2)) - (self.pixels - 1) // 2
        i, j = np.arange(H) - first[:, :1], np.arange(W) - first[:, 1:]
        rows, columns = (i >= 0) & (i < self.pixels), (j >= 0) & (j < self.pixels)
        return np.where(rows[:, :, None] & columns[:, None, :], 0, images)


def _taken(images: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The pixels at these rows and columns, of shapes that broadcast to (B, H, W); 0 outside."""
    B, H, W = images.shape
    inside = (rows >= 0) & (rows < H) & (columns >= 0) & (columns < W)
    found = images[np.arange(B)[:, None, None], np.clip(rows, 0, H - 1), np.clip(columns, 0, W - 1)]
    return np.where(inside, found, 0)
