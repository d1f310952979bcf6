"""The runs of `nnexp variance`: one configuration, its random streams crossed, in blocks of seeds of their own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from nnexp.config.schema import ExperimentConfig
from nnexp.config.seeds import Streams
from nnexp.config.yaml import Place, Tree
from nnexp.engine.experiment import Experiment, Unfit
from nnexp.engine.surface import kind_of, trainer_of
from nnexp.errors import InputError
from nnexp.sweep.expand import Sweep, Trial
from nnexp.sweep.stock import Stock

STEPS = 2
"""Updates after which a stream has changed something, or changes nothing."""


@dataclass(frozen=True)
class Design:
    """Which streams are crossed, and how often."""

    factors: list[tuple[str, ...]]
    """The streams of each factor: one, but for those that draw from one generator."""
    held: list[str]
    """Streams to which the configuration gives seeds of their own: they stay as they are."""
    levels: int
    blocks: int

    @property
    def names(self) -> list[str]:
        return ["+".join(factor) for factor in self.factors]

    @property
    def runs(self) -> int:
        return self.blocks * self.levels ** len(self.factors)

    def __str__(self) -> str:
        crossed = f"{self.levels} seeds each of {', '.join(self.names)}"
        crossed += ", crossed" if len(self.factors) > 1 else ""
        held = f"; held fixed: {', '.join(self.held)}" if self.held else ""
        return f"{self.runs} runs: {crossed}, {self.blocks} times with other seeds{held}"

    def seeds(self, first: int) -> list[dict[str, int]]:
        """The seeds of each run: its block's `seed`, and those of the streams. The order is that of the scores.

        >>> Design([("init",), ("shuffle",)], [], levels=2, blocks=1).seeds(0)[1]
        {'seed': 0, 'init': 0, 'shuffle': 1}
        """
        found = []
        for block in range(self.blocks):
            begin = first + block * self.levels
            for chosen in product(range(self.levels), repeat=len(self.factors)):
                own = {s: begin + k for factor, k in zip(self.factors, chosen, strict=True) for s in factor}
                found.append({"seed": begin, **own})
        return found


def design(config: ExperimentConfig, levels: int, blocks: int) -> Design:
    """Cross the streams that change something, but for those that have a seed of their own already.

    Whether a stream changes something is tried: data and parameters after two updates, with another seed for it.
    Raises InputError where nothing is random, Unfit for a configuration that cannot be trained.
    """
    held = [name for name, seed in config.streams if seed is not None]
    stock = Stock()
    base = _Trace(config, stock)
    legacy = base.experiment.legacy_streams if isinstance(base.experiment, Experiment) else []
    together = tuple(legacy) if len(legacy) > 1 else ()
    factors: list[tuple[str, ...]] = []
    for name in Streams.model_fields:
        factor = together if name in together else (name,)
        if factor in factors or any(one in held for one in factor):
            continue
        if name == "pretrain":
            changes = config.pretrain is not None
        else:
            seeds = dict.fromkeys(factor, config.seed + 1 if config.seed + 1 < 2**32 else 0)
            streams = config.streams.model_copy(update=seeds)
            changes = _Trace(config.model_copy(update={"streams": streams}), stock).digest != base.digest
        if changes:
            factors.append(factor)
    if not factors:
        raise InputError(
            "no random stream changes this run"
            + (f" but those that are held fixed ({', '.join(held)})" if held else "")
            + "; there is no variance to take apart"
        )
    return Design(factors, held, levels, blocks)


class _Trace:
    """What two updates leave behind."""

    def __init__(self, config: ExperimentConfig, stock: Stock):
        stop = config.stop.model_copy(update={"steps": STEPS, "patience": None, "target": None})
        short = config.model_copy(update={"stop": stop, "pretrain": None, "threads": 1})
        self.experiment = kind_of(short)(short, stock.prepared(short))
        told = hashlib.blake2b()
        with np.errstate(all="ignore"):
            trainer = trainer_of(self.experiment)
            for array in (self.experiment.data.train.x, self.experiment.data.train.t, trainer.network.θ):
                told.update(np.ascontiguousarray(array).tobytes())
            for _ in trainer.run():
                pass
        told.update(trainer.network.θ.tobytes())
        self.digest = told.digest()


def only_trial(described: Sweep, command: str = "variance") -> Trial:
    """The one configuration of a description. Raises InputError, in the name of a command, where it has several."""
    if described.search is not None or described.tune is not None:
        raise InputError(f"{command} takes one configuration; leave the search out")
    if len(described.levels) > 1:
        raise InputError(
            f"{command} takes one configuration, and this has {len(described.levels)}; choose one value for each key"
        )
    return described.trials[0]


def crossed(described: Sweep, chosen: Design) -> Sweep:
    """The sweep of all runs of a design. Raises InputError with every problem."""
    [level] = described.levels
    place = Place("nnexp variance")
    trials: list[Trial] = []
    for number, seeds in enumerate(chosen.seeds(described.seeds[0])):
        own = {  # what has the block's seed follows it, so that the first cell is what `nnexp train` does
            f"streams.{name}": Tree(seed, {(): place}, {(): place})
            for name, seed in seeds.items()
            if seed != seeds["seed"]
        }
        cell = replace(level, number=number, combination={**level.combination, **own})
        trials += cell.runs([seeds["seed"]], {}, None)
    told: dict[str, Any] = {"streams": chosen.names, "levels": chosen.levels, "blocks": chosen.blocks}
    name = f"{described.name[:54]}-variance"
    return replace(described, name=name, spec={**described.spec, "variance": told}, trials=trials, measures=True)


def designed(described: Sweep, levels: int, blocks: int) -> Design:
    """The design for a description of one configuration. Raises InputError, also for what cannot be trained."""
    trial = only_trial(described)
    try:
        return design(trial.loaded.config, levels, blocks)
    except Unfit as unfit:
        raise trial.loaded.refuse(unfit.misfits) from None
