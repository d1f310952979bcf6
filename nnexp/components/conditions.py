"""Conditions: what is done to the training split for a controlled experiment; validation and test stay as they are.

Numbers are exact, not expected ones, and what a larger number does includes what a smaller one does: the labels that
are wrong at a rate of 0.1 are wrong at 0.2 too. So runs of one seed differ in nothing else.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from nnexp.components.base import Component, Count, Fraction, Positive
from nnexp.errors import Misfit

Changed = tuple[np.ndarray, np.ndarray, str]
"""The training split's inputs and targets, and a sentence that says in numbers what was done."""


class Condition(Component, family="condition"):
    """A change of the training split, before preprocessing is fitted."""

    @abstractmethod
    def apply(self, x: np.ndarray, t: np.ndarray, classes: int | None, rng: np.random.Generator) -> Changed:
        """The changed copy of the training examples x (N, F) and t (N,), class indices, or real where classes is None.

        Raises Misfit where it cannot be done.
        """


class Limit(Condition):
    """Fewer examples to learn from: how much more of them would help can be read from a few sizes.

        N ← examples,   a class with the share of the training split that it had, and with one example at least

    The examples of a smaller limit are among those of a larger one.

    Source: C. Cortes, L. Jackel, S. Solla, V. Vapnik and J. Denker 1993, Learning Curves, NIPS 6.

        >>> t = np.array([0] * 60 + [1] * 30)
        >>> x, t, note = Limit(examples=30).apply(np.zeros((90, 1)), t, 2, np.random.default_rng(0))
        >>> np.bincount(t).tolist(), note
        ([20, 10], '30 of 90 training examples')
    """

    name: Literal["limit"] = "limit"
    examples: Count = Field(100, description="examples that are left in the training split")

    def apply(self, x: np.ndarray, t: np.ndarray, classes: int | None, rng: np.random.Generator) -> Changed:
        n = len(t)
        if self.examples > n:
            raise Misfit(
                "dataset.conditions.limit.examples", f"{self.examples:,} examples; the training split has {n:,}"
            )
        groups = [np.arange(n)] if classes is None else [np.flatnonzero(t == c) for c in range(classes)]
        present = sum(len(group) > 0 for group in groups)
        if self.examples < present:
            raise Misfit(
                "dataset.conditions.limit.examples",
                f"{self.examples} examples for {present} classes; each needs one at least",
            )
        # Examples queue by how much of their class stands before them, so that a shorter queue holds the same shares.
        place = np.empty(n)
        for group in groups:
            order = rng.permutation(group)
            place[order] = (np.arange(len(group)) + 0.5) / max(len(group), 1)
            place[order[:1]] = 0.0
        chosen = np.sort(np.lexsort((rng.permutation(n), place))[: self.examples])
        return x[chosen], t[chosen], f"{self.examples:,} of {n:,} training examples"


class LabelNoise(Condition):
    """Wrong targets in the training split, which only learning by heart can get right.

        classes       round(rate N) labels become another class, each of the others alike
        real target   round(rate N) targets become t + size std(t) ε,   ε ~ N(0, 1)

    Which examples they are does not depend on the rate: those of a smaller rate are among those of a larger one, with
    the same wrong labels. A few targets with a large `size` are outliers for a regression.

    Source: C. Zhang, S. Bengio, M. Hardt, B. Recht and O. Vinyals 2017, ICLR (corrupted labels); D. Angluin and
    P. Laird 1988, Machine Learning 2 (random classification noise).

    Differs: in Zhang et al. each label is replaced with a probability, by any class, its own among them, so that of a
    rate r only r (C - 1) / C are wrong.

        >>> t = np.zeros(100, int)
        >>> x, wrong, note = LabelNoise(rate=0.2).apply(np.zeros((100, 1)), t, 3, np.random.default_rng(0))
        >>> int((wrong != t).sum()), note
        (20, '20 of 100 training labels are wrong')
    """

    name: Literal["label_noise"] = "label_noise"
    rate: Fraction = Field(0.2, description="share of the training examples whose target is changed")
    size: Positive | None = Field(
        None, description="for a real target: the noise in its standard deviations; null: 1, and for classes"
    )

    def apply(self, x: np.ndarray, t: np.ndarray, classes: int | None, rng: np.random.Generator) -> Changed:
        n = len(t)
        count = round(self.rate * n)
        chosen = rng.permutation(n)[:count]
        t = t.copy()
        if classes is None:
            size = 1.0 if self.size is None else self.size
            t[chosen] += size * t.std() * rng.normal(size=count)
            note = f"{count:,} of {n:,} training targets have noise of {size:g} standard deviations"
            return x, t, note
        if self.size is not None:
            raise Misfit("dataset.conditions.label_noise.size", "size is for a real target; labels have only a rate")
        t[chosen] = (t + rng.integers(1, classes, n))[chosen] % classes
        return x, t, f"{count:,} of {n:,} training labels are wrong"


class Outliers(Condition):
    """Inputs far from all others, with their targets as they were.

        round(rate N) examples:   x ← x + size std(x) s,   s a sign, -1 or 1, for each feature

    std is each feature's standard deviation in the training split, so features of all scales are moved alike.
    Those of a smaller rate are among those of a larger one.

    Source: P. Huber 1964, Annals of Mathematical Statistics 35 (contamination of a share of the sample).

        >>> x = np.tile([[1.0], [3.0]], (5, 1))
        >>> moved, t, note = Outliers(rate=0.1, size=4.0).apply(x, np.zeros(10), None, np.random.default_rng(0))
        >>> np.abs(moved - x).sum().item(), note
        (4.0, '1 of 10 training examples moved by 4 standard deviations')
    """

    name: Literal["outliers"] = "outliers"
    rate: Fraction = Field(0.05, description="share of the training examples that are moved")
    size: Positive = Field(5.0, description="how far, in standard deviations of each feature")

    def apply(self, x: np.ndarray, t: np.ndarray, classes: int | None, rng: np.random.Generator) -> Changed:
        n = len(t)
        count = round(self.rate * n)
        chosen = rng.permutation(n)[:count]
        known = ~np.isnan(x)
        mean = np.where(known, x, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        variance = np.where(known, (x - mean) ** 2, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        x = x.copy()
        x[chosen] += self.size * np.sqrt(variance) * rng.choice([-1.0, 1.0], (count, x.shape[1]))
        return x, t, f"{count:,} of {n:,} training examples moved by {self.size:g} standard deviations"


class Imbalance(Condition):
    """Some classes are rare: their numbers fall geometrically from the first class to the last.

        N_c = round(m ratio^(-c / (C - 1))),   c = 0, ..., C - 1;   m as large as the training split allows

    Validation and test keep the balance they had, so a score there says what it costs.

    Source: Y. Cui, M. Jia, T.-Y. Lin, Y. Song and S. Belongie 2019, CVPR (long-tailed CIFAR).

    Differs: Cui et al. shrink each class from the number it has, so that the ratio is exact only where all have the
    same; here it is exact up to rounding.

        >>> t = np.repeat([0, 1, 2], 100)
        >>> x, t, note = Imbalance(ratio=100.0).apply(np.zeros((300, 1)), t, 3, np.random.default_rng(0))
        >>> note
        '111 of 300 training examples: 100 of the largest class, 1 of the smallest'
    """

    name: Literal["imbalance"] = "imbalance"
    ratio: Annotated[float, Field(ge=1)] = Field(10.0, description="examples of the largest class for one of the last")

    def apply(self, x: np.ndarray, t: np.ndarray, classes: int | None, rng: np.random.Generator) -> Changed:
        if classes is None:
            raise Misfit("dataset.conditions.imbalance", "imbalance is for classes, and the target is a real number")
        n = len(t)
        shares = self.ratio ** -(np.arange(classes) / (classes - 1))
        largest = int((np.bincount(t, minlength=classes) / shares).min() * (1 + 1e-12))
        counts = np.rint(largest * shares).astype(int)
        if counts[-1] == 0:
            raise Misfit(
                "dataset.conditions.imbalance.ratio",
                f"with {largest:,} examples of the first class, a ratio of {self.ratio:g} leaves none of the last",
            )
        chosen = [rng.permutation(np.flatnonzero(t == c))[:count] for c, count in enumerate(counts)]
        kept = np.sort(np.concatenate(chosen))
        told = f"{counts[0]:,} of the largest class, {counts[-1]:,} of the smallest"
        return x[kept], t[kept], f"{len(kept):,} of {n:,} training examples: {told}"


class Sorted(Condition):
    """Examples in the order of their class or target, as files often have them.

        t₁ ≤ t₂ ≤ ... ≤ t_N

    Training sees the order only with `batch.shuffle: never`; the default, a new order each epoch, is the control.

    Source: L. Bottou 2012, Stochastic Gradient Descent Tricks, in Neural Networks: Tricks of the Trade (shuffle the
    examples).

        >>> x, t, note = Sorted().apply(np.arange(3.0)[:, None], np.array([2, 0, 1]), 3, np.random.default_rng(0))
        >>> x[:, 0].tolist(), t.tolist()
        ([1.0, 2.0, 0.0], [0, 1, 2])
    """

    name: Literal["sorted"] = "sorted"

    def apply(self, x: np.ndarray, t: np.ndarray, classes: int | None, rng: np.random.Generator) -> Changed:
        order = np.argsort(t, kind="stable")
        what = "target" if classes is None else "class"
        return x[order], t[order], f"the training examples stand sorted by their {what} (batch.shuffle: never keeps it)"
