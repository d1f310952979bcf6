"""From a data set to what training needs: stratified splits, preprocessing fitted on training, one precision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from nnexp.components.batching import Batching
from nnexp.components.datasets import Dataset, Table
from nnexp.components.preprocessing import Fitted
from nnexp.engine import streams
from nnexp.engine.streams import stream
from nnexp.errors import Misfit

SPLITS = ("train", "validation", "test")
"""The parts that a table is cut into, in the order in which scores are shown."""
WINDOW = 1 << 18
"""Bytes of examples that are gathered at once, ahead of their batches."""


@dataclass(frozen=True)
class Split:
    """Examples of one split in the file's order: x (N, F) in the run's precision, t (N,) as loaded."""

    x: np.ndarray
    t: np.ndarray

    def __len__(self) -> int:
        return len(self.t)


@dataclass(frozen=True)
class Data:
    """A data set, split and prepared."""

    train: Split
    validation: Split
    test: Split
    features: tuple[str, ...]
    """The names of the columns of x, after preprocessing."""
    classes: tuple[str, ...] | None
    fitted: tuple[Fitted, ...]
    target_shift: float
    target_scale: float
    """Real targets are trained on as (t - shift) / scale."""
    digest: str
    """A hash of the whole table before splitting."""
    notes: tuple[str, ...]
    raw: np.ndarray | None = None
    """The training inputs in front of the preprocessing, (N, F) float64, for augmentations that change those."""

    @property
    def task(self) -> str:
        return "regression" if self.classes is None else "classification"

    @property
    def nbytes(self) -> int:
        raw = 0 if self.raw is None else self.raw.nbytes
        return raw + sum(s.x.nbytes + s.t.nbytes for s in (self.train, self.validation, self.test))

    def split(self, name: str) -> Split:
        return getattr(self, name)


def prepare(
    dataset: Dataset, seed: int, precision: str, keep_raw: bool = False, saved: Mapping[str, np.ndarray] | None = None
) -> Data:
    """Load, split, change the training split as the conditions say, fit the preprocessing on it, and cast.

    With `keep_raw` the training inputs in front of the preprocessing are kept, too. With the arrays of a `saved` model
    the inputs are prepared as they were for it. Raises Misfit or InputError.
    """
    table = dataset.load(stream(seed, "data"))
    parts = split_indices(table, dataset.validation, dataset.test, stream(seed, "split"))
    xs, ts = [table.x[index] for index in parts], [table.t[index] for index in parts]
    notes, classes = list(table.notes), None if table.classes is None else len(table.classes)
    for condition in dataset.conditions:
        rng = stream(seed, "condition", crc32(condition.label().encode()))
        xs[0], ts[0], note = condition.apply(xs[0], ts[0], classes, rng)
        notes.append(note)
    raw = xs[0] if keep_raw else None
    fitted: list[Fitted] = []
    features = table.features
    for step in dataset.preprocessing:
        if not step.takes_missing:
            _refuse_missing(xs, features)
        one = step.fit(xs[0], features)
        if saved is not None:
            one = _as_saved(one, saved, len(fitted))
        fitted.append(one)
        features = one.names(features)
        xs = [one(x) for x in xs]
    _refuse_missing(xs, features)
    shift, scale = 0.0, 1.0
    if table.classes is None and getattr(dataset, "scale_target", False):
        shift = float(ts[0].mean())
        scale = float(ts[0].std()) or 1.0
    if saved is not None:
        _check_saved(saved, len(fitted), table.classes)
        shift, scale = float(saved["target.shift"]), float(saved["target.scale"])
    told = table.told.copy()
    for _, array in sorted(saved.items() if saved is not None else ()):
        told.update(array.tobytes())
    digest = told.hexdigest()[:16]
    dtype = np.dtype(precision)
    with np.errstate(over="ignore"):
        xs = [np.ascontiguousarray(x, dtype) for x in xs]
    if not all(np.isfinite(x).all() for x in xs):
        raise Misfit("dataset.preprocessing", f"the inputs are too large for {precision}; begin with standardize")
    train, validation, tested = (Split(x, t) for x, t in zip(xs, ts, strict=True))
    told_of = (features, table.classes, tuple(fitted), shift, scale, digest, tuple(notes))
    return Data(train, validation, tested, *told_of, raw)


def _as_saved(one: Fitted, saved: Mapping[str, np.ndarray], number: int) -> Fitted:
    """What the same step had learned for a saved model. Raises Misfit where its preprocessing was another."""
    prefix, here = f"preprocessing{number}.", one.arrays()
    there = {name.removeprefix(prefix): array for name, array in saved.items() if name.startswith(prefix)}
    if here.keys() != there.keys() or any(here[name].shape != array.shape for name, array in there.items()):
        raise Misfit(
            "dataset.preprocessing",
            f"step {number + 1} is not that of the model in initialization.path, or its features are others",
        )
    return type(one)(**there)


def _check_saved(saved: Mapping[str, np.ndarray], steps: int, classes: tuple[str, ...] | None) -> None:
    """Raises Misfit where a saved model had more preprocessing, or other classes."""
    if any(name.startswith(f"preprocessing{steps}.") for name in saved):
        raise Misfit("dataset.preprocessing", "the model in initialization.path was trained with more steps")
    theirs = tuple(saved["classes"].tolist()) if "classes" in saved else None
    if theirs != classes:
        told = [", ".join(names) if names else "a real target" for names in (theirs, classes)]
        raise Misfit("initialization.path", f"the model was trained for {told[0]}, and this data set has {told[1]}")


def _refuse_missing(xs: list[np.ndarray], features: tuple[str, ...]) -> None:
    """A later step would put there what is not the mean of the feature. Raises Misfit."""
    if any(np.isnan(x).any() for x in xs):
        bad = np.any([np.isnan(x).any(axis=0) for x in xs], axis=0)
        missing = [name for name, one in zip(features, bad, strict=True) if one]
        raise Misfit(
            "dataset.preprocessing",
            f"values are missing in {', '.join(map(repr, missing[:5]))}; begin with impute: [impute, standardize]",
        )


def split_indices(
    table: Table, validation: float, test: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sorted indices of training, validation and test examples, drawn at random, stratified where there are classes.

    Each class is cut at the same shares by largest remainders, so that the sizes of the splits are exact to one
    example a class and every class keeps at least one training example. Where the data set says itself which examples
    are the test split, `test` is not asked for, and validation is cut from the others.
    """
    n = len(table.t)
    if table.test is not None:
        others = np.flatnonzero(~table.test)
        rest = Table(table.x, table.t[others], table.features, table.classes)
        train, held, _ = split_indices(rest, validation * n / len(others), 0.0, rng)
        return others[train], others[held], np.flatnonzero(table.test)
    groups = (
        [np.arange(n)] if table.classes is None else [np.flatnonzero(table.t == c) for c in range(len(table.classes))]
    )
    groups = [rng.permutation(group) for group in groups]
    test_counts = _shares([len(g) for g in groups], test)
    held_counts = _shares([len(g) for g in groups], test + validation)
    held_counts = [max(pair) for pair in zip(held_counts, test_counts, strict=True)]  # remainders may fall otherwise
    parts: list[list[np.ndarray]] = [[], [], []]
    for group, n_test, n_held in zip(groups, test_counts, held_counts, strict=True):
        parts[2].append(group[:n_test])
        parts[1].append(group[n_test:n_held])
        parts[0].append(group[n_held:])
    train, held, tested = (np.sort(np.concatenate(part)) for part in parts)
    return train, held, tested


def _shares(sizes: list[int], share: float) -> list[int]:
    """How many of each group make up round(share x total), by largest remainders; at least one of a group stays."""
    exact = [size * share for size in sizes]
    counts = [int(value + 1e-9) for value in exact]
    missing = round(sum(sizes) * share) - sum(counts)
    by_remainder = sorted(range(len(sizes)), key=lambda i: (counts[i] - exact[i], i))
    for i in by_remainder[: max(missing, 0)]:
        counts[i] += 1
    return [min(count, size - 1) for count, size in zip(counts, sizes, strict=True)]


class Batches:
    """Cuts the training split into batches, in the order that the batch mode and the seed's `shuffle` stream say."""

    def __init__(
        self,
        x: np.ndarray,
        t: np.ndarray,
        batching: Batching,
        seed: int,
        legacy: np.random.RandomState | None = None,
    ):
        """x (N, F) with targets t (N, ...); `shuffle: sklearn` draws from `legacy`, from its present state on."""
        self.x, self.t, self.batching, self.seed = x, t, batching, seed
        if batching.shuffle == "sklearn":
            self._legacy = streams.legacy(seed) if legacy is None else legacy
            self._legacy_start = self._legacy.get_state()
            self._legacy_order, self._legacy_epoch = np.arange(len(x)), 0
        self.rows = batching.rows(len(x))
        full, self.rest = batching.sizes(len(x))
        self.steps = full + (self.rest > 0)
        per_batch = max(self.rows * x.shape[1] * x.itemsize, 1)
        self.window = max(1, WINDOW // per_batch)
        """Batches that are gathered at once."""
        rows = min(self.window * self.rows, len(x))
        if batching.shuffle != "never":
            self.x_window = np.empty((rows, x.shape[1]), x.dtype)
            self.t_window = np.empty((rows, *t.shape[1:]), t.dtype)

    def order(self, epoch: int) -> np.ndarray | None:
        """The permutation of an epoch, counted from 1; None for the file's order."""
        if self.batching.shuffle == "never":
            return None
        if self.batching.shuffle == "sklearn":
            return self._shuffled_again(epoch)
        index = epoch if self.batching.shuffle == "epoch" else 0
        return self.batching.order(stream(self.seed, "shuffle", index), len(self.x))

    def _shuffled_again(self, epoch: int) -> np.ndarray:
        """scikit-learn's order: each epoch's is that of the one before, shuffled by one generator that goes on.

        It depends on all epochs before, so after an interruption they are drawn again.
        """
        if epoch < self._legacy_epoch:
            self._legacy.set_state(self._legacy_start)
            self._legacy_order, self._legacy_epoch = np.arange(len(self.x)), 0
        while self._legacy_epoch < epoch:
            indices = np.arange(len(self.x))
            self._legacy.shuffle(indices)
            self._legacy_order = self._legacy_order[indices]
            self._legacy_epoch += 1
        return self._legacy_order

    def seen(self, epoch: int, count: int) -> np.ndarray:
        """The first `count` examples of an epoch, as indices."""
        order = self.order(epoch)
        return np.arange(count) if order is None else order[:count]

    def epoch(self, epoch: int, start: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The batches (x, t) of an epoch from the `start`-th on. The arrays are overwritten by the next batches."""
        order = self.order(epoch)
        B, n = self.rows, min(self.steps * self.rows, len(self.x))
        if order is None:
            for first in range(start * B, n, B):
                yield self.x[first : min(first + B, n)], self.t[first : min(first + B, n)]
            return
        for window in range(start // self.window, -(-self.steps // self.window)):
            first = window * self.window * B
            index = order[first : min(first + self.window * B, n)]
            size = len(index)
            # mode="clip" lets take write straight into the buffer
            x = np.take(self.x, index, axis=0, out=self.x_window[:size], mode="clip")
            t = np.take(self.t, index, axis=0, out=self.t_window[:size], mode="clip")
            for k in range(max(start - window * self.window, 0) * B, size, B):
                yield x[k : k + B], t[k : k + B]
