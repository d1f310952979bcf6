"""A configuration with its data: what does not go together, and the network and learner that are built of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from nnexp.components.activations import Activation, ElementwiseActivation, Sigmoid
from nnexp.components.augmentations import ImageAugmentation
from nnexp.components.batching import SingleExample
from nnexp.components.datasets import Dataset
from nnexp.components.metrics import metrics_for
from nnexp.components.normalizations import StandardizingNormalization, WeightNormalization
from nnexp.components.pretraining import Autoencoder, Rbm
from nnexp.components.regularizers import Activity, Constraint, Noise, Penalty
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import compiling
from nnexp.engine.data import SPLITS, Data, Loaded, prepare
from nnexp.engine.learner import Learner
from nnexp.engine.network import Network
from nnexp.engine.pretrain import Pretrainer
from nnexp.errors import Misfit, did_you_mean

OF_AN_EPOCH = ("batch_", "prequential_")
"""How columns begin that are gathered over an epoch."""

OF_DATA = ("preprocessing", "target", "classes")
"""What the names of arrays in model.npz begin with that are not the network's."""

_rehearsed: set[tuple[str, str]] = set()
"""The forms and configurations whose loops this process has loaded."""


class Experiment:
    """A configuration together with its data: complete, and known to fit together."""

    why_no_validation: ClassVar[str] = "dataset.validation is 0"

    def __init__(self, config: ExperimentConfig, data: Data | None = None):
        """Load the data and fill what depends on them. Raises Unfit with every misfit, or InputError."""
        try:
            data = data or self.prepare(config)
        except Misfit as misfit:
            raise Unfit([misfit]) from None
        if config.loss is None:
            name = "cross_entropy" if data.classes is not None else "mse"
            config = ExperimentConfig.model_validate({**config.model_dump(), "loss": name})
        assert config.loss is not None
        self.config, self.data, self.loss = config, data, config.loss
        self.metrics = metrics_for(data.task)
        self.penalties = [r for r in config.regularization if isinstance(r, Penalty)]
        self.noises = [r for r in config.regularization if isinstance(r, Noise)]
        self.activities = [r for r in config.regularization if isinstance(r, Activity)]
        self.constraints = [r for r in config.regularization if isinstance(r, Constraint)]
        misfits = list(self._misfits())
        if misfits:
            raise Unfit(misfits)
        self.loss = self.loss.fitted(self.data.train.t, self.n_classes)

    @staticmethod
    def prepare(config: ExperimentConfig, loaded: Loaded | None = None) -> Data:
        """The data of a configuration; its table may be `loaded` already. Raises Misfit or InputError."""
        assert isinstance(config.dataset, Dataset)
        keep_raw = any(isinstance(one, ImageAugmentation) for one in config.augmentation)
        saved = config.initialization.saved()
        return prepare(config.dataset, config.seeds, config.precision, keep_raw, saved, loaded)

    @property
    def image(self) -> tuple[int, int] | None:
        """Height and width of an example, where the data set says that it is an image."""
        return self.config.dataset.image if isinstance(self.config.dataset, Dataset) else None

    @property
    def activations(self) -> tuple[Activation, ...]:
        """The activation of all hidden layers, or those of each."""
        given = self.config.activation
        return (given,) if isinstance(given, Activation) else given

    @property
    def n_classes(self) -> int | None:
        return None if self.data.classes is None else len(self.data.classes)

    @property
    def examples(self) -> int | None:
        """Of the training split; None where training looks at none."""
        return len(self.data.train)

    @property
    def splits(self) -> list[str]:
        """The splits that are evaluated for each row."""
        return [
            *(["train"] if self.config.monitor.train else []),
            *(["validation"] if len(self.data.validation) else []),
        ]

    @property
    def columns(self) -> list[str]:
        """The columns of metrics.csv."""
        names = ["loss", *(metric.name for metric in self.metrics)]
        scores = [f"{split}_{name}" for split in self.splits for name in names]
        objective = ["batch_objective"] if self.config.monitor.objective else []
        prequential = [f"prequential_{name}" for name in names] if self.streams else []
        return ["epoch", "step", "lr", "batch_loss", *objective, *prequential, *scores, *self.extras, "seconds"]

    @property
    def streams(self) -> bool:
        """Whether each example is predicted before it is learned from."""
        return isinstance(self.config.batch, SingleExample) and self.config.batch.stream

    @property
    def legacy_streams(self) -> list[str]:
        """The streams that are drawn from NumPy's legacy generator, which is one for all of them."""
        init = ["init"] if self.config.initialization.legacy else []
        return [*init, *(["shuffle"] if self.config.batch.shuffle == "sklearn" else [])]

    @property
    def extras(self) -> list[str]:
        """The columns that are no scores."""
        return ["evaluations"] if self.config.optimizer.searches else []

    def higher_is_better(self, column: str) -> bool:
        """Whether a column such as validation_accuracy is to be large."""
        return any(column.endswith(f"_{metric.name}") and metric.higher_is_better for metric in self.metrics)

    @property
    def chance(self) -> dict[str, float]:
        """What a guess scores that knows nothing, by metric, where that is known."""
        guesses = {metric.name: metric.chance(self.n_classes) for metric in self.metrics}
        return {name: guess for name, guess in guesses.items() if guess is not None}

    def _misfits(self) -> Iterator[Misfit]:
        config, n = self.config, len(self.data.train)
        rows = 0
        bias = config.initialization.output_bias
        try:
            outputs = self.loss.outputs(self.n_classes)
            if isinstance(bias, tuple) and len(bias) != outputs:
                yield Misfit("initialization.output_bias", f"{len(bias)} numbers for {outputs} outputs")
            data = self.data
            self.loss.examine(np.concatenate([data.split(name).t for name in SPLITS]), self.n_classes)
            if not self.loss.takes_scaled and (data.target_shift, data.target_scale) != (0, 1):
                text = f"{self.loss.label()} needs the target as it is, not standardized; say 'scale_target: false'"
                yield Misfit("dataset.scale_target", text)
        except Misfit as misfit:
            yield misfit
        try:
            rows = config.batch.rows(n)
        except Misfit as misfit:
            yield misfit
        norm = config.normalization
        before = list(self._misfits_of_layers())
        yield from before or self._misfits_of_a_saved_model()
        yield from self._misfits_of_augmentations()
        yield from self._misfits_of_pretraining()
        if rows and isinstance(norm, StandardizingNormalization) and norm.over == "batch":
            if rows == 1:
                yield Misfit("normalization", "batch normalization needs batches of at least 2 examples; use layer")
            elif config.batch.sizes(n)[1] == 1:
                yield Misfit(
                    "batch",
                    f"the last of the {n} training examples is a batch of its own, which batch normalization cannot "
                    f"use; say 'drop_last: true' or another size than {rows}",
                )
        if rows and rows != n and config.optimizer.searches:
            yield Misfit("batch", f"{config.optimizer.label()} compares losses of all examples; say batch: full")
        if self.noises and config.optimizer.searches:
            noise = self.noises[0].label()
            yield Misfit("regularization", f"{config.optimizer.label()} compares losses, which {noise} would change")
        if self.constraints and config.optimizer.searches:
            limit = self.constraints[0].label()
            yield Misfit(
                "regularization", f"{config.optimizer.label()} finds a lowest point, which {limit} would leave"
            )
        drawing = next((f for f in self.activations if isinstance(f, ElementwiseActivation) and type(f).spread), None)
        if drawing is not None and config.optimizer.searches:
            name = drawing.label()
            yield Misfit(
                "activation", f"{config.optimizer.label()} compares losses, which the noise of {name} would change"
            )
        updates = config.monitor.updates
        if updates is not None and rows:
            steps = config.batch.steps(n)
            if updates > steps:
                an_epoch = f"an epoch has {_counted(steps, 'update')}, so rows within one cannot be {updates:,} apart"
                yield Misfit("monitor.updates", f"{an_epoch}; use fewer, or monitor.every")
        yield from self._misfits_of_training()

    def _misfits_of_training(self) -> Iterator[Misfit]:
        """What does not go together whatever is trained."""
        config, optimizer = self.config, self.config.optimizer
        if not optimizer.scales_with_lr and config.schedule.label() != "constant":
            yield Misfit("schedule", f"{optimizer.label()} finds its own step sizes, so a schedule has no effect on it")
        if optimizer.searches and config.clip is not None:
            yield Misfit("clip", f"{optimizer.label()} learns the curvature from gradients, which clipping would bend")
        if config.schedule.watched is not None:
            yield from self._unlogged("schedule.metric", config.schedule.watched, "schedule.metric")
        stop = config.stop
        yield from self._unlogged("stop.metric", stop.metric, "stop.patience" if stop.patience is not None else None)
        if stop.target is not None:
            yield from self._unlogged("stop.target.metric", stop.target.metric, "stop.target.metric")
            if stop.target.every is not None and stop.target.metric.startswith(OF_AN_EPOCH):
                yield Misfit(
                    "stop.target.every",
                    f"'{stop.target.metric}' is of a whole epoch, and looked at when that ends; leave 'every' out",
                )
        legacy_seeds = {purpose: config.seeds.of(purpose) for purpose in self.legacy_streams}
        for purpose, seed in legacy_seeds.items():
            if seed >= 2**32:
                key = "seed" if getattr(config.streams, purpose) is None else f"streams.{purpose}"
                yield Misfit(key, f"scikit-learn's generator takes seeds below 2**32 = {2**32:,}, not {seed:,}")
                break
        if len(set(legacy_seeds.values())) > 1:
            yield Misfit(
                "streams",
                "scikit-learn draws parameters and order from one generator; give init and shuffle the same seed",
            )
        if config.batch.sampling == "replacement" and config.batch.shuffle in ("never", "sklearn"):
            yield Misfit(
                "batch.sampling",
                f"draws with replacement have no fixed order; 'shuffle: {config.batch.shuffle}' does not go with them",
            )

    def _misfits_of_layers(self) -> Iterator[Misfit]:
        config, widths = self.config, self.config.architecture.widths()
        norm, activations = config.normalization, self.activations
        if isinstance(config.activation, Activation):
            activations = activations * len(widths)
        elif len(activations) != len(widths):
            yield Misfit(
                "activation",
                f"{_counted(len(activations), 'activation')} for {_counted(len(widths), 'hidden layer')}; give one "
                "for all of them, or a list with one for each; several to compare are for 'nnexp sweep'",
            )
            return
        if isinstance(norm, StandardizingNormalization):
            for width, f in zip(widths, activations, strict=True):
                try:
                    norm.groups_of(width * (f.inputs_per_unit if norm.where == "before" else 1))
                except Misfit as misfit:
                    yield misfit
                    break
        if isinstance(norm, WeightNormalization) and self.constraints:
            yield Misfit(
                "regularization",
                f"{self.constraints[0].label()} limits the weights' length, which weight normalization makes a "
                "parameter of its own; leave one of them out",
            )

    def _misfits_of_augmentations(self) -> Iterator[Misfit]:
        config, raw = self.config, self.data.raw
        for one in config.augmentation:
            if isinstance(one, ImageAugmentation) and raw is not None:
                try:
                    one.size(raw.shape[1], self.image)
                except Misfit as misfit:
                    yield misfit
        if config.augmentation and config.optimizer.searches:
            name = config.optimizer.label()
            yield Misfit("augmentation", f"{name} compares losses of one set of examples, which augmentations change")
        if config.augmentation and self.streams:
            yield Misfit(
                "augmentation", "a stream's examples are predicted and learned from as they come; leave it out"
            )

    def _misfits_of_pretraining(self) -> Iterator[Misfit]:
        config, data, pretraining = self.config, self.data.train, self.config.pretrain
        if pretraining is None:
            return
        if not config.architecture.widths():
            what = f"architecture: {config.architecture.label()} has no hidden layer to pre-train"
            yield Misfit("pretrain", f"{what}; leave pretrain out, or use mlp")
            return
        if pretraining.batch > len(data):
            yield Misfit(
                "pretrain.batch",
                f"a batch of {pretraining.batch} is more than the {len(data)} training examples; use fewer",
            )
        norm = config.normalization if isinstance(config.normalization, StandardizingNormalization) else None
        if pretraining.batch == 1 and norm is not None and norm.over == "batch":
            yield Misfit("pretrain.batch", "batch normalization needs batches of at least 2 examples")
        if self.streams:
            yield Misfit("pretrain", "with batch.stream no example is seen in advance; leave one of them out")
        if isinstance(pretraining, Autoencoder) and pretraining.tied:
            several = [one for one in self.activations if one.inputs_per_unit > 1]
            if several:
                what = f"{several[0].label()} has {several[0].inputs_per_unit} linear maps a unit"
                yield Misfit("pretrain.tied", f"{what}, whose transpose is no decoder; use tied: false")
        if not isinstance(pretraining, Rbm):
            return
        others = [one.label() for one in self.activations if not isinstance(one, Sigmoid)]
        if others:
            yield Misfit("pretrain", f"rbm is for activation: sigmoid, found {others[0]}; use that, or autoencoder")
        if norm is not None:
            yield Misfit(
                "pretrain", f"rbm has no place for normalization: {norm.label()}; leave it out, or use autoencoder"
            )
        if config.architecture.shortcut is not None:
            yield Misfit("pretrain", "rbm layers cannot have shortcuts between them; use autoencoder")
        if pretraining.visible == "bernoulli" and (data.x.min() < 0 or data.x.max() > 1):
            yield Misfit(
                "pretrain.visible",
                f"bernoulli units want inputs in [0, 1], found {data.x.min():.3g} to {data.x.max():.3g}; use gaussian, "
                "or dataset.preprocessing: minmax",
            )

    def _misfits_of_a_saved_model(self) -> Iterator[Misfit]:
        saved = self.config.initialization.saved()
        if saved is None:
            return
        try:
            here = {name: array.shape for name, array in self.network(np.random.default_rng(0)).kept().items()}
        except Misfit:  # of the loss, which is told already
            return
        there = {name: array.shape for name, array in saved.items() if not name.startswith(OF_DATA)}
        for name in sorted(here.keys() | there.keys()):
            if here.get(name) != there.get(name):
                shapes = [" x ".join(map(str, found[name])) if name in found else "none" for found in (here, there)]
                yield Misfit(
                    "initialization.path",
                    f"the model is of another network: {name} is {shapes[1]} there and {shapes[0]} here",
                )
                return

    def _unlogged(self, path: str, column: str, needed_by: str | None) -> Iterator[Misfit]:
        """What is wrong with a key `path` that names a column, where `needed_by` is the key that makes use of it."""
        known = [name for name in self.columns[3:-1] if name not in self.extras]
        names = ["loss", *(metric.name for metric in self.metrics)]
        scores = [f"{split}_{name}" for split in ("train", "validation", "prequential") for name in names]
        if column not in (possible := ["batch_loss", "batch_objective", *scores]):
            guess = did_you_mean(column, possible) or f"; one of {', '.join(known)}"
            yield Misfit(path, f"'{column}' is not logged{guess}")
        elif needed_by is not None and column not in known:
            why = {
                "train": "monitor.train is false",
                "validation": self.why_no_validation,
                "batch": "monitor.objective is false",
                "prequential": "batch.stream is not true",
            }[column.partition("_")[0]]
            yield Misfit(needed_by, f"'{column}' is not logged, for {why}; set {path} to one of {', '.join(known)}")

    def network(self, rng: np.random.Generator) -> Network:
        """The network, not yet initialized; noise draws from `rng`."""
        config = self.config
        return self._network(self.data.train.x.shape[1], config.architecture.widths(), config.activation, rng)

    def _network(
        self,
        inputs: int,
        widths: Sequence[int],
        activation: Activation | Sequence[Activation],
        rng: np.random.Generator,
    ) -> Network:
        config = self.config
        return Network(
            inputs,
            widths,
            self.loss.outputs(self.n_classes),
            activation,
            config.normalization,
            self.noises,
            np.dtype(config.precision),
            rng,
            config.architecture.shortcut,
            self.activities,
        )

    def learner(self, network: Network) -> Learner:
        config = self.config
        return Learner(network, self.loss, config.optimizer, self.penalties, config.clip, self.constraints)

    def encoded(self, t: np.ndarray) -> np.ndarray:
        """Targets as the loss wants them."""
        if self.data.classes is None:
            t = (t - self.data.target_shift) / self.data.target_scale
        return self.loss.encode(t, self.n_classes, np.dtype(self.config.precision))

    def rehearse(self) -> None:
        """Load or compile every loop that this experiment needs, by one step of a network with few units a layer.

        Once a process: another seed needs the same loops.
        """
        config = self.config
        needs = compiling.form(), config.model_copy(update={"seed": 0, "name": ""}).model_dump_json()
        if needs in _rehearsed:
            return
        dtype = np.dtype(config.precision)
        width = getattr(config.normalization, "groups", 1)
        if isinstance(config.activation, Activation):
            each = (config.activation,) * min(len(config.architecture.widths()), 2)
        else:
            each = tuple(dict.fromkeys(config.activation))
        net = self._network(1, (width,) * len(each), each, np.random.default_rng(0))
        learner = self.learner(net)
        x, t = np.zeros((2, 1), dtype), self.encoded(self.data.train.t[:2])
        learner.attach(x, t)
        learner.play(np.arange(2)[None], [0.0])
        learner.outputs(x)
        if config.pretrain is not None:
            once = config.pretrain.model_copy(update={"epochs": 1, "batch": 2})
            for _ in Pretrainer(once, net, config.initialization, x, 0).run():
                pass
        _rehearsed.add(needs)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


class Unfit(Exception):
    """A valid configuration whose parts or data do not go together; `misfits` says where."""

    def __init__(self, misfits: list[Misfit]):
        super().__init__("; ".join(f"{m.path}: {m.message}" for m in misfits))
        self.misfits = misfits
