"""From a data set to what training needs: stratified splits, preprocessing fitted on training, one precision."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from nnexp.components.batching import Batching
from nnexp.components.datasets import Dataset, Table
from nnexp.components.preprocessing import Fitted
from nnexp.config.seeds import Seeds
from nnexp.engine import streams
from nnexp.engine.streams import stream
from nnexp.errors import Misfit

SPLITS = ("train", "validation", "test")
"""The parts that a table is cut into, in the order in which scores are shown."""
BLOCK = 1 << 20
"""Bytes of a table that are prepared at once: what is in between never takes the memory of the table again."""


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
    preparing: int = 0
    """Bytes of arrays that stood beside each other at most while this was loaded and prepared."""
    drawn: bool = False
    """Whether the table was drawn, so that another seed has another one."""

    @property
    def task(self) -> str:
        return "regression" if self.classes is None else "classification"

    @property
    def nbytes(self) -> int:
        raw = 0 if self.raw is None else self.raw.nbytes
        return raw + sum(s.x.nbytes + s.t.nbytes for s in (self.train, self.validation, self.test))

    def split(self, name: str) -> Split:
        return getattr(self, name)


@dataclass(frozen=True)
class Loaded:
    """A data set's whole table, and what is known of it once it was looked through."""

    table: Table
    digest: str
    """The SHA-256 of all values."""
    complete: bool
    """Whether no value of x is missing or infinite."""
    drawn: bool
    """Whether it was drawn from the seed's `data` stream; other seeds share it if not."""

    @property
    def nbytes(self) -> int:
        return self.table.x.nbytes + self.table.t.nbytes


def load(dataset: Dataset, seed: int | Seeds) -> Loaded:
    """Load a data set. Raises Misfit or InputError."""
    rng = stream(seed, "data")
    before, source = rng.bit_generator.state, rng.bit_generator.seed_seq
    table = dataset.load(rng)
    drawn = rng.bit_generator.state != before or source.n_children_spawned > 0  # type: ignore[attr-defined]
    told = hashlib.sha256()
    for array in (table.x, table.t, table.test):
        if array is not None:
            # its own memory, without the copy that tobytes makes; text has no such form
            plain = np.ascontiguousarray(array)
            told.update(plain.tobytes() if plain.dtype.kind == "U" else plain.data)
    complete = all(np.isfinite(x).all() for x in _blocks(table.x, np.arange(len(table.x)), ()))
    return Loaded(table, told.hexdigest(), complete, drawn)


def prepare(
    dataset: Dataset,
    seed: int | Seeds,
    precision: str,
    keep_raw: bool = False,
    saved: Mapping[str, np.ndarray] | None = None,
    loaded: Loaded | None = None,
) -> Data:
    """Load, split, change the training split as the conditions say, fit the preprocessing on it, and cast.

    With `keep_raw` the training inputs in front of the preprocessing are kept, too. With the arrays of a `saved` model
    the inputs are prepared as they were for it. What is `loaded` already is not loaded again. Beside the table there
    are at most the training inputs in float64 while steps are fitted on them, and then the splits in `precision`, which
    are written a few rows at a time. Raises Misfit or InputError.
    """
    loaded = loaded or load(dataset, seed)
    table, digest = loaded.table, _told(loaded, saved)
    parts = split_indices(table, dataset.validation, dataset.test, stream(seed, "split"))
    ts = [table.t[index] for index in parts]
    notes, classes = list(table.notes), None if table.classes is None else len(table.classes)
    sources = [(table.x, index) for index in parts]
    wanted = dataset.preprocessing or dataset.conditions or keep_raw
    x = table.x[parts[0]] if wanted else table.x[:0]
    for condition in dataset.conditions:
        rng = stream(seed, "condition", crc32(condition.label().encode()))
        x, ts[0], note = condition.apply(x, ts[0], classes, rng)
        notes.append(note)
    raw = x if keep_raw else None
    if dataset.conditions:
        sources[0] = (x, np.arange(len(x)))
    fitted: list[Fitted] = []
    features, fitting = table.features, x.nbytes
    for step in dataset.preprocessing:
        if fitted:
            before, x = x.nbytes, fitted[-1](x)
            fitting = max(fitting, before + x.nbytes)
        if not loaded.complete and not step.takes_missing:
            _refuse_missing(sources, fitted, features)
        one = step.fit(x, features)
        if saved is not None:
            one = _as_saved(one, saved, len(fitted))
        fitted.append(one)
        features = one.names(features)
    del x
    if not loaded.complete:
        _refuse_missing(sources, fitted, features)
    shift, scale = 0.0, 1.0
    if table.classes is None and getattr(dataset, "scale_target", False):
        shift = float(ts[0].mean())
        scale = float(ts[0].std()) or 1.0
    if saved is not None:
        _check_saved(saved, len(fitted), table.classes)
        shift, scale = float(saved["target.shift"]), float(saved["target.scale"])
    xs = []
    for source, index in sources:
        xs.append(np.empty((len(index), len(features)), np.dtype(precision)))
        first = 0
        for block in _blocks(source, index, fitted):
            with np.errstate(over="ignore"):
                xs[-1][first : first + len(block)] = block
            if not np.isfinite(xs[-1][first : first + len(block)]).all():
                what = f"the inputs are too large for {precision}; begin with standardize"
                raise Misfit("dataset.preprocessing", what)
            first += len(block)
    train, validation, tested = (Split(x, t) for x, t in zip(xs, ts, strict=True))
    told_of = (features, table.classes, tuple(fitted), shift, scale, digest, tuple(notes))
    held = loaded.nbytes + sum(index.nbytes + t.nbytes for index, t in zip(parts, ts, strict=True))
    written = sum(x.nbytes for x in xs) + (sources[0][0].nbytes if keep_raw or dataset.conditions else 0)
    return Data(train, validation, tested, *told_of, raw, held + max(fitting, written), loaded.drawn)


def _told(loaded: Loaded, saved: Mapping[str, np.ndarray] | None) -> str:
    """What data are known by: the digest of the table, or of it and the arrays that it is prepared with."""
    if saved is None:
        return loaded.digest[:16]
    told = hashlib.sha256(loaded.digest.encode())
    for _, array in sorted(saved.items()):
        told.update(array.tobytes())
    return told.hexdigest()[:16]


def _blocks(x: np.ndarray, index: np.ndarray, steps: Sequence[Fitted]) -> Iterator[np.ndarray]:
    """The rows `index` of x (N, F), a few at a time, changed by all `steps`: in all (n, G)."""
    rows = max(1, BLOCK // max(x.shape[1] * x.itemsize, 1))
    for first in range(0, len(index), rows):
        block = x[index[first : first + rows]]
        for step in steps:
            block = step(block)
        yield block


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


def _refuse_missing(
    sources: Sequence[tuple[np.ndarray, np.ndarray]], steps: Sequence[Fitted], features: tuple[str, ...]
) -> None:
    """A later step would put there what is not the mean of the feature. Raises Misfit."""
    bad = np.zeros(len(features), bool)
    for x, index in sources:
        for block in _blocks(x, index, steps):
            bad |= np.isnan(block).any(axis=0)
    if bad.any():
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
        seed: int | Seeds,
        legacy: np.random.RandomState | None = None,
    ):
        """x (N, F) with targets t (N, ...); `shuffle: sklearn` draws from `legacy`, from its present state on."""
        self.x, self.t, self.batching, self.seed = x, t, batching, seed
        if batching.shuffle == "sklearn":
            number = seed if isinstance(seed, int) else seed.of("shuffle")
            self._legacy = streams.legacy(number) if legacy is None else legacy
            self._legacy_start = self._legacy.get_state()
            self._legacy_order, self._legacy_epoch = np.arange(len(x)), 0
        self.rows = batching.rows(len(x))
        full, self.rest = batching.sizes(len(x))
        self.steps = full + (self.rest > 0)

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

    def indices(self, epoch: int, start: int = 0) -> Iterator[np.ndarray]:
        """Which examples are in the batches of an epoch from the `start`-th on: (K, B), then the rest, (1, rest)."""
        order = self.order(epoch)
        if order is None:
            order = np.arange(len(self.x))
        full = len(self.x) // self.rows
        if start < full:
            yield order[start * self.rows : full * self.rows].reshape(-1, self.rows)
        if self.rest and start < self.steps:
            yield order[None, full * self.rows :]
