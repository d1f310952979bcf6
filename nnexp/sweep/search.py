"""How a search chooses points of a space: at random, evenly, by halving, or by what came out before."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field, ValidationError

from nnexp.components.base import Count, Settings
from nnexp.engine.streams import stream
from nnexp.errors import InputError, did_you_mean
from nnexp.sweep.space import Space

if TYPE_CHECKING:
    import optuna

Lookup = Callable[[str], Any]
ATTEMPTS = 20
"""Points that are drawn for each one wanted before a space counts as used up."""


class Searcher:
    """A search under way over one space: `ask` for the next points, train them, `tell` how good they were."""

    @abstractmethod
    def ask(self) -> list[dict[str, Any]]:
        """The next points, none at the end. Those of one call may be tried in any order."""

    @abstractmethod
    def tell(self, scores: Sequence[float | None]) -> None:
        """How good the points of the last `ask` were, in its order; None for one that diverged or failed."""


class Strategy(Settings):
    """How points are chosen. A member names itself in `label` and makes a `searcher`."""

    label: ClassVar[str] = ""
    """The name in YAML."""
    independent: ClassVar[bool] = False
    """Whether the points are independent draws, so that the expected best of k of them can be told."""
    by_results: ClassVar[bool] = True
    """Whether what is run depends on what other runs came to."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="of the search, beside those of the runs")

    @abstractmethod
    def searcher(self, space: Space, lookup: Lookup, trials: int, higher: bool) -> Searcher:
        """A search for `trials` points; `lookup` is what keys have that are not searched.

        `higher` says whether scores are to be large. Raises ValueError where the space has fewer points.
        """

    def require(self) -> None:
        """Raises InputError where a package is missing."""


class Sampling(Strategy):
    """A strategy whose points do not depend on what comes out: all are known in advance."""

    by_results = False

    @abstractmethod
    def places(self, dimensions: int) -> Iterator[np.ndarray]:
        """Places u (dimensions,) in [0, 1), without end; the first ones are the same however many are taken."""

    def searcher(self, space: Space, lookup: Lookup, trials: int, higher: bool) -> Searcher:
        return _Known(self.points(space, lookup, trials))

    def points(self, space: Space, lookup: Lookup, trials: int) -> list[dict[str, Any]]:
        """The first `trials` distinct points; one where no range holds. Raises ValueError where the space has fewer."""
        found: dict[str, dict[str, Any]] = {}
        places = self.places(len(space))
        for _ in range(ATTEMPTS * trials + 1000):
            u = next(places)
            point = space.point(lambda i, axis, u=u: axis.range.at(float(u[i])), lookup)  # type: ignore[misc]
            found.setdefault(repr(point), point)
            if len(found) == trials:
                return list(found.values())
        if list(found.values()) == [{}]:  # no range holds here: there is one thing to try
            return [{}]
        raise ValueError(f"{trials} trials of a space that has {len(found)} points; ask for {len(found)}, or use grid")


class _Known(Searcher):
    def __init__(self, points: list[dict[str, Any]]):
        self.points = points

    def ask(self) -> list[dict[str, Any]]:
        points, self.points = self.points, []
        return points

    def tell(self, scores: Sequence[float | None]) -> None:
        """What came out changes nothing."""


class Independent(Sampling):
    """Sampling by independent uniform draws, one stream of random numbers a trial."""

    def places(self, dimensions: int) -> Iterator[np.ndarray]:
        k = 0
        while True:
            yield stream(self.seed, "search", k).random(dimensions)
            k += 1


class RandomSearch(Independent):
    """Independent uniform draws.

        u_k ~ U(0, 1)^d

    Source: J. Bergstra and Y. Bengio, "Random search for hyper-parameter optimization", JMLR 2012.
    """

    label = "random"
    independent = True


class SobolSearch(Sampling):
    """Sobol's sequence, scrambled: points that leave smaller gaps than random ones.

    It fills every axis, and every pair of axes, evenly; best in numbers that are powers of 2.

    Source: I. M. Sobol, USSR Computational Mathematics and Mathematical Physics 1967; A. B. Owen's scrambling (1998)
        as SciPy does it.
    """

    label = "sobol"

    def places(self, dimensions: int) -> Iterator[np.ndarray]:
        from scipy.stats import qmc

        sequence = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(self.seed))
        yield from sequence.random_base2(6)
        power = 6
        while True:  # as many again each time: powers of 2 only, which SciPy wants
            yield from sequence.random_base2(power)
            power += 1


class TpeSearch(Strategy):
    """The tree-structured Parzen estimator: points that are likely among the good ones and unlikely among the others.

        x_next = argmax l(x) / g(x),    l the density of the best points so far, g that of the others

    It is Optuna's. Points are chosen `batch` at a time and told in the order of the trials, however many processes
    there are, so that the same search gives the same points; a batch waits for the last of the one before.

    Source: J. Bergstra, R. Bardenet, Y. Bengio and B. Kégl, "Algorithms for hyper-parameter optimization", NeurIPS
        2011.
    """

    label = "tpe"

    startup: Count = Field(10, description="random points before the first that is chosen")
    batch: Count = Field(4, description="points that are chosen at once; more processes than these have nothing to do")

    def require(self) -> None:
        _optuna()

    def searcher(self, space: Space, lookup: Lookup, trials: int, higher: bool) -> Searcher:
        optuna = _optuna()
        sampler = optuna.samplers.TPESampler(seed=self.seed, n_startup_trials=self.startup)
        study = optuna.create_study(direction="maximize" if higher else "minimize", sampler=sampler)
        return _Asking(study, space, lookup, trials, self.batch, higher)


class _Asking(Searcher):
    """A search that Optuna leads; the study lives in memory, and is made anew from the runs that are there."""

    def __init__(self, study: optuna.Study, space: Space, lookup: Lookup, trials: int, batch: int, higher: bool):
        self.study, self.space, self.lookup = study, space, lookup
        self.left, self.batch = trials, batch
        self.worst = -math.inf if higher else math.inf
        self.asked: list[Any] = []

    def ask(self) -> list[dict[str, Any]]:
        count = min(self.batch, self.left)
        self.left -= count
        self.asked = [self.study.ask() for _ in range(count)]
        return [self._point(trial) for trial in self.asked]

    def _point(self, trial: Any) -> dict[str, Any]:
        # an axis is known to Optuna by its key and its number, as one key may have several
        return self.space.point(lambda i, axis: axis.range.suggest(trial, f"{axis.key} {i}"), self.lookup)

    def tell(self, scores: Sequence[float | None]) -> None:
        for trial, score in zip(self.asked, scores, strict=True):
            self.study.tell(trial, self.worst if score is None else score)


class Halving(Independent):
    """Random points, of which the worse are pruned early: asynchronous successive halving (ASHA).

        rung k, after first factor^k epochs: a run goes on if it is among the best 1 / factor of those judged so far

    The rule is Optuna's. All runs are trained up to a rung first, and are then judged in the order of the trials, so
    that the same search prunes the same runs, however many processes there are. Of the first trials, which have few
    others to be compared with, more go on.

    Source: L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020.
    """

    label = "halving"
    by_results = True

    factor: Annotated[int, Field(ge=2)] = Field(3, description="of so many, one goes on")
    first: Count = Field(1, description="epochs before the first are pruned")

    def require(self) -> None:
        _optuna()

    def rungs(self, epochs: int) -> list[int]:
        """
        >>> Halving().rungs(30), Halving(factor=2, first=5).rungs(20)
        ([1, 3, 9, 27], [5, 10])
        """
        found = []
        rung = self.first
        while rung < epochs:
            found.append(rung)
            rung *= self.factor
        return found

    def judge(self, trials: int, higher: bool) -> Judge:
        """Who decides which of so many trials go on."""
        optuna = _optuna()
        pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=self.first, reduction_factor=self.factor)
        direction = "maximize" if higher else "minimize"
        sampler = optuna.samplers.RandomSampler(seed=self.seed)
        return Judge(optuna.create_study(direction=direction, sampler=sampler, pruner=pruner), trials, self.factor)


class Judge:
    """Says at each rung which trials go on."""

    def __init__(self, study: optuna.Study, trials: int, factor: int):
        self.share = f"1/{factor}"
        """How many go on, in words."""
        self.trials = [study.ask() for _ in range(trials)]

    def survivors(self, epoch: int, scores: Mapping[int, float | None]) -> list[int]:
        """Of the trials by number, with their scores after `epoch`, those that go on; None is pruned."""
        found = []
        for number in sorted(scores):
            score, trial = scores[number], self.trials[number]
            if score is None:
                continue
            trial.report(score, epoch)
            if not trial.should_prune():
                found.append(number)
        return found


def _optuna() -> Any:
    """The package, without its log lines. Raises InputError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise InputError(
            "search: tpe and halving need the package optuna, which is not installed: pip install 'nnexp[search]'"
        ) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def strategies(of: type[Strategy] = Strategy) -> dict[str, type[Strategy]]:
    """Every strategy by its name."""
    found: dict[str, type[Strategy]] = {}
    for cls in of.__subclasses__():
        found |= {cls.label: cls} if cls.label else strategies(cls)
    return found


def _read(value: Any) -> Strategy:
    """`sobol` or `{name: sobol, seed: 3}`. Raises ValueError."""
    given = {"name": value} if isinstance(value, str) else value
    known = strategies()
    words = ", ".join(known)
    if not isinstance(given, dict) or "name" not in given:
        raise ValueError(f"must be one of {words}, or keys and values such as {{name: sobol, seed: 1}}")
    name = given["name"]
    if name not in known:
        raise ValueError(f"'{name}' is no search{did_you_mean(name, known) or f'; one of {words}'}")
    cls = known[name]
    fields = {key: inner for key, inner in given.items() if key != "name"}
    unknown = next((key for key in fields if key not in cls.model_fields), None)
    if unknown is not None:
        allowed = ", ".join(cls.model_fields)
        raise ValueError(f"unknown key '{unknown}' of {name}{did_you_mean(unknown, cls.model_fields)} ({allowed})")
    try:
        return cls.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{first['loc'][0]}: {first['msg']}, found {first['input']!r}") from None


AnyStrategy = Annotated[Strategy, BeforeValidator(_read, json_schema_input_type=str | dict[str, Any])]
"""A field that takes a strategy by name, or with its keys."""
