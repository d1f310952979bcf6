"""What an experiment's YAML file may say: one field a key, each with its default."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from nnexp.components.activations import Activation, Relu
from nnexp.components.architectures import Architecture, Mlp
from nnexp.components.augmentations import Augmentation
from nnexp.components.base import AS_LIST, MEMBER, ONE_OR_EACH, Count, NonNegative, Settings, members, spellings
from nnexp.components.batching import Batching, MiniBatch
from nnexp.components.clipping import Clipping
from nnexp.components.datasets import Dataset as Dataset  # a branch of the family behind the key `dataset`
from nnexp.components.grounds import TrainingGround
from nnexp.components.initializers import HeNormal, Initializer
from nnexp.components.losses import Loss
from nnexp.components.metrics import Metric as Metric  # a family, though no key of its own
from nnexp.components.normalizations import NoNormalization, Normalization
from nnexp.components.optimizers import Adam, Minimizer
from nnexp.components.pretraining import Pretraining
from nnexp.components.regularizers import Regularizer
from nnexp.components.schedules import ConstantSchedule, Schedule
from nnexp.components.surfaces import Surface as Surface  # the other one
from nnexp.config.seeds import Seeds, Streams

RunName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


def _in_one_sentence(value: Any, validated: ValidatorFunctionWrapHandler) -> Any:
    """A number of threads or `auto`: what is neither is one problem, not one for each."""
    try:
        return validated(value)
    except ValidationError:
        raise ValueError("must be a whole number from 1 to 256, or auto") from None


class Target(Settings):
    """What is good enough: training ends when `metric` has reached it, also within an epoch."""

    metric: str = Field(description="what must be reached: validation_accuracy or another column")
    at_least: float | None = Field(None, description="good enough from this value up")
    at_most: float | None = Field(None, description="good enough from this value down")
    every: Count | None = Field(
        None, description="updates between two looks within an epoch; each evaluates a split; null: ten looks an epoch"
    )

    @model_validator(mode="after")
    def _one_bound(self) -> Target:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("say either at_least or at_most")
        return self

    def reached(self, value: float) -> bool:
        """Whether a value of the metric is good enough; NaN is not."""
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0.0)

    def __str__(self) -> str:
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        return f"{self.metric} {bound}"


class Stop(Settings):
    """When training ends: whatever comes first. `stop: 20` is short for `stop: {epochs: 20}`."""

    epochs: Count = Field(30, description="passes over the training split")
    steps: Count | None = Field(None, description="updates; null: as many as the epochs have")
    patience: Count | None = Field(None, description="epochs without improvement on `metric` before stopping early")
    min_delta: NonNegative = Field(0.0, description="how much better than the best counts as an improvement")
    metric: str = Field("validation_loss", description="what `patience` watches: validation_loss or another column")
    restore_best: bool = Field(True, description="with `patience`: end with the parameters of the best epoch")
    dialect: Literal["keras", "sklearn"] = Field(
        "keras", description="scikit-learn counts on after gains below min_delta, and waits for one epoch more"
    )
    target: Target | None = Field(None, description="a metric and the value that is good enough; null: none")


class Monitor(Settings):
    """What is logged while training."""

    every: Count = Field(1, description="epochs between two rows of metrics.csv; the last epoch always has one")
    updates: Count | None = Field(
        None, description="updates between two rows within an epoch, which nothing but readers looks at; null: none"
    )
    train: bool = Field(True, description="evaluate the whole training split for each row")
    objective: bool = Field(False, description="log batch_objective: batch_loss with the penalties added")
    checkpoint: NonNegative = Field(10.0, description="seconds between two checkpoints to resume from")
    keep_state: bool | None = Field(
        None, description="keep at the end what more epochs would go on from; null: where it is a megabyte at most"
    )
    beside: ClassVar[tuple[str, ...]] = ("keep_state",)
    """Keys that change nothing of what a run computes, and are no part of what it is known by."""


BARE_NUMBERS = {"stop": "epochs"}
"""Keys with fields of their own -> the field that is meant where a bare number stands."""


def _stop_epochs(value: Any) -> Any:
    if isinstance(value, dict | Stop):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return {BARE_NUMBERS["stop"]: value}
    raise ValueError("must be a number of epochs, or keys and values such as {epochs: 20, patience: 5}")


def _one_or_more(value: Any) -> Any:
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


class ExperimentConfig(Settings):
    """One experiment, with every default filled in."""

    name: RunName = Field("run", description="first part of the run folder's name; the file's name where not given")
    seed: int = Field(0, ge=0, lt=2**63, description="one seed for all random streams")
    streams: Streams = Field(Streams(), description="random streams with seeds of their own; the others follow seed")
    plugins: Annotated[tuple[str, ...], BeforeValidator(_one_or_more, json_schema_input_type=str | list[str])] = Field(
        (), description="Python files with components of your own, relative to this file"
    )
    dataset: Annotated[TrainingGround, MEMBER] = Field(
        description="where the examples come from, or a surface to go down"
    )
    architecture: Annotated[Architecture, MEMBER] = Field(Mlp(), description="layers and units")
    activation: Annotated[Annotated[Activation, MEMBER] | tuple[Annotated[Activation, MEMBER], ...], ONE_OR_EACH] = (
        Field(Relu(), description="function of the hidden units, or a list with one for each layer")
    )
    normalization: Annotated[Normalization, MEMBER] = Field(NoNormalization(), description="of the hidden layers")
    loss: Annotated[Loss, MEMBER] | None = Field(
        None, description="what is minimized; null: cross_entropy for classes, mse for a real target"
    )
    optimizer: Annotated[Minimizer, MEMBER] = Field(Adam(), description="how the parameters follow the gradient")
    batch: Annotated[Batching, MEMBER] = Field(MiniBatch(), description="examples an update, and their order")
    initialization: Annotated[Initializer, MEMBER] = Field(HeNormal(), description="parameters before the first step")
    pretrain: Annotated[Pretraining, MEMBER] | None = Field(
        None, description="what the hidden layers learn from the inputs alone before training; null: nothing"
    )
    schedule: Annotated[Schedule, MEMBER] = Field(ConstantSchedule(), description="how the learning rate changes")
    regularization: Annotated[tuple[Annotated[Regularizer, MEMBER], ...], AS_LIST] = Field(
        (), description="a regularizer or a list of them"
    )
    augmentation: Annotated[tuple[Annotated[Augmentation, MEMBER], ...], AS_LIST] = Field(
        (), description="random changes of the training examples, in this order"
    )
    clip: Annotated[Clipping, MEMBER] | None = Field(None, description="a limit on the gradient; null: none")
    stop: Annotated[Stop, BeforeValidator(_stop_epochs, json_schema_input_type=int | Stop)] = Field(
        Stop(), description="when training ends"
    )
    monitor: Monitor = Field(Monitor(), description="what is logged")
    precision: Literal["float32", "float64"] = Field(
        "float32", description="of parameters and arithmetic; on a surface float64 where nothing is said"
    )
    threads: Annotated[Annotated[int, Field(ge=1, le=256)] | Literal["auto"], WrapValidator(_in_one_sentence)] = Field(
        "auto",
        description="that share a run's work; auto: as many as are quickest, by measurement; in a sweep always 1",
    )

    @property
    def seeds(self) -> Seeds:
        """The seed of each random stream."""
        return Seeds(self.seed, self.streams)

    @model_validator(mode="before")
    @classmethod
    def _precision_of_its_ground(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "precision" in data:
            return data
        dataset = data.get("dataset")
        name = dataset.get("name") if isinstance(dataset, dict) else getattr(dataset, "name", dataset)
        ground = members(TrainingGround).get(spellings(TrainingGround).get(str(name), ""))
        return data if ground is None else {**data, "precision": ground.precision}
