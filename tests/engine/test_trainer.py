"""The trainer: the same numbers again, from any step on, and an honest end."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest

from nnexp.components.activations import Activation, ElementwiseActivation
from nnexp.components.base import members
from nnexp.components.losses import Loss, Mse
from nnexp.components.normalizations import Normalization
from nnexp.components.optimizers import Optimizer
from nnexp.components.regularizers import Regularizer
from nnexp.components.schedules import Schedule
from nnexp.config.load import filled
from nnexp.config.schema import ExperimentConfig
from nnexp.engine import trainer as module
from nnexp.engine.experiment import Experiment, Unfit
from nnexp.engine.learner import Learner
from nnexp.engine.network import Network
from nnexp.engine.trainer import Row, Tick, Trainer
from nnexp.errors import Misfit
from tests.small import EVERYTHING, RUN, arrays, batches_of, rows, trained, trainer, without_seconds
from tests.variants import each, each_member

# -- the same again --------------------------------------------------------------------------------


def test_same_seed_same_numbers() -> None:
    one, other = trainer(**EVERYTHING), trainer(**EVERYTHING)
    assert rows(one) == rows(other)
    assert arrays(one) == arrays(other)
    assert one.outcome == other.outcome


def test_other_seed_other_numbers() -> None:
    assert rows(trainer(seed=1)) != rows(trainer(seed=2))


def test_same_numbers_in_another_process() -> None:
    one = trainer(**EVERYTHING)
    found = rows(one)
    script = (
        "import json, sys; from nnexp.config.load import load_data;"
        "from nnexp.engine.experiment import Experiment; from nnexp.engine.trainer import Row, Trainer;"
        "one = Trainer(Experiment(load_data(json.loads(sys.argv[1]), 'test').config));"
        "rows = [event.values for event in one.run() if isinstance(event, Row)];"
        "print(json.dumps([rows, one.network.θ.tobytes().hex()]))"
    )
    command = [sys.executable, "-c", script, json.dumps(filled(one.config))]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    there, parameters = json.loads(result.stdout)
    assert [{k: v for k, v in row.items() if k != "seconds"} for row in there] == found
    assert parameters == one.network.θ.tobytes().hex()


@each_member("cls", Optimizer)
def test_the_optimizer_changes_nothing_else(cls: type[Optimizer]) -> None:
    default, other = trainer(), trainer(optimizer={"name": cls.label(), "lr": 0.123})
    for split in ("train", "validation", "test"):
        mine, theirs = (one.experiment.data.split(split) for one in (default, other))
        np.testing.assert_array_equal(mine.x, theirs.x)
        np.testing.assert_array_equal(mine.t, theirs.t)
    np.testing.assert_array_equal(default.network.θ, other.network.θ)
    for epoch in (1, 2):
        np.testing.assert_array_equal(default.batches.order(epoch), other.batches.order(epoch))
    assert default.noise_rng.bit_generator.state == other.noise_rng.bit_generator.state


# -- going on later --------------------------------------------------------------------------------


def saved(one: Trainer) -> dict[str, np.ndarray]:
    """The state as it comes back from a file."""
    file = io.BytesIO()
    np.savez(file, **one.state())
    file.seek(0)
    with np.load(file, allow_pickle=False) as loaded:
        return dict(loaded)


def resumes_alike(one: Trainer, ticks: bool = True) -> int:
    """Stop at every event, go on in a new trainer: the rest must be the same. Returns the stops."""
    events, states = [], [saved(one)]
    for event in one.run():
        events.append(repr(without_seconds(event)) if isinstance(event, Row) else event)
        if one.outcome is None:
            states.append(saved(one))
    assert not ticks or sum(isinstance(event, Tick) for event in events) >= one.learner.t - 1
    for done, state in enumerate(states):
        again = Trainer(one.experiment)
        again.restore(state)
        rest = [repr(without_seconds(event)) if isinstance(event, Row) else event for event in again.run()]
        assert rest == events[done:], f"after {done} events"
        assert arrays(again) == arrays(one)
        assert again.outcome == one.outcome
        assert {k: v.tobytes() for k, v in again.best.items()} == {k: v.tobytes() for k, v in one.best.items()}
    return len(states)


@pytest.mark.parametrize("shuffle", ["epoch", "once", "never", "sklearn"])
@pytest.mark.parametrize(("every", "patience"), [(1, 1), (1, 9), (2, 2), (2, 9)])
def test_resumes_at_any_step(every: int, patience: int, shuffle: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", -1.0)
    changes = {
        "batch": {"name": "mini", "size": 8, "shuffle": shuffle},
        "stop": {**EVERYTHING["stop"], "patience": patience},
        "monitor": {"every": every},
        "precision": "float64",
    }
    one = trainer(**{**EVERYTHING, **changes})
    resumes_alike(one)
    assert one.learner.t == 25 or patience < 9


SKLEARN = {
    "batch": {"name": "mini", "size": 8, "shuffle": "sklearn"},
    "initialization": {"name": "sklearn", "generator": "legacy"},
    "regularization": {"name": "l2", "strength": 0.1, "dialect": "sklearn"},
    "stop": {"epochs": 8, "patience": 1, "min_delta": 0.2, "metric": "batch_objective", "dialect": "sklearn"},
    "monitor": {"objective": True},
}
PLATEAU = {"name": "plateau", "gamma": 0.5, "patience": 0, "metric": "train_loss", "threshold": 0.2, "warmup": 2}
REMEMBERS: dict[str, dict[str, Any]] = {
    "sklearn": SKLEARN,
    "replacement": {"batch": {"name": "mini", "size": 8, "sampling": "replacement"}},
    "stream": {"batch": {"name": "single", "stream": True}, "stop": 2},
    "shuffled stream": {"batch": {"name": "single", "stream": True, "shuffle": "epoch"}, "stop": 2},
    "plateau": {"schedule": PLATEAU, "stop": 12},
    "plateau by step": {"schedule": PLATEAU | {"per": "step", "cooldown": 1}, "stop": 12},
    "target": {"stop": {"epochs": 8, "target": {"metric": "validation_loss", "at_most": 0.4, "every": 2}}},
    "target beside patience": {
        "stop": {"epochs": 30, "patience": 3, "target": {"metric": "train_accuracy", "at_least": 0.85}}
    },
    "target of the batches": {"stop": {"epochs": 30, "target": {"metric": "batch_loss", "at_most": 0.5}}},
    "target out of reach": {"stop": {"epochs": 3, "target": {"metric": "train_loss", "at_most": 0.0, "every": 1}}},
}
"""What else has a past that the rest of a run depends on."""


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("changes", REMEMBERS.values(), ids=REMEMBERS)
def test_resumes_whatever_it_remembers(changes: dict[str, Any], every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", -1.0)
    rate = {"optimizer": {"name": "adam", "lr": 0.02}}
    resumes_alike(trainer(**rate, **changes | {"monitor": changes.get("monitor", {}) | {"every": every}}))


@pytest.mark.parametrize(
    ("changes", "updates"),
    [(EVERYTHING, 1), (EVERYTHING, 3), (REMEMBERS["stream"], 17), (REMEMBERS["target"], 2)],
)
def test_resumes_with_rows_within_epochs(changes: dict[str, Any], updates: int, monkeypatch: Any) -> None:
    # After each batch a row or a tick, and where there was a row no tick.
    monkeypatch.setattr(module, "TICK", -1.0)
    one = trainer(**changes, monitor={"updates": updates})
    assert resumes_alike(one, ticks=False) >= one.learner.t


@pytest.mark.parametrize("steps", [1, 5, 7, 13])
def test_resumes_to_a_number_of_steps(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", -1.0)
    one = trainer(**{**EVERYTHING, "stop": {"epochs": 10, "steps": steps}})
    resumes_alike(one)
    assert one.learner.t == steps


def test_resumes_to_the_same_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", -1.0)
    one = trainer(loss="mse", optimizer={"name": "sgd", "lr": 1e2}, activation="linear")
    with np.errstate(all="ignore"):
        assert resumes_alike(one) > 2
    assert one.outcome is not None
    assert one.outcome.status == "diverged"


PRETRAINED: dict[str, dict[str, Any]] = {
    "autoencoder": {**EVERYTHING, "pretrain": {"name": "autoencoder", "noise": 0.2, "epochs": 2, "batch": 8}},
    "tied": {**EVERYTHING, "pretrain": {"name": "autoencoder", "tied": True, "epochs": 2, "batch": 8}},
    "rbm": {
        "activation": "sigmoid",
        "normalization": "weight",
        "pretrain": {"name": "rbm", "k": 2, "epochs": 2, "batch": 8},
    },
    "persistent": {"activation": "sigmoid", "pretrain": {"name": "rbm", "persistent": True, "epochs": 2, "batch": 8}},
}


@pytest.mark.parametrize("changes", PRETRAINED.values(), ids=PRETRAINED)
def test_interrupted_pretraining_begins_again(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK", -1.0)
    one = trainer(**changes)
    events, states = [], [saved(one)]
    for event in one.run():
        events.append(repr(without_seconds(event)) if isinstance(event, Row) else event)
        states.append(saved(one))
    first = next(i for i, event in enumerate(events) if isinstance(event, str))
    assert first == 2 * 2 * 4, "a tick for each update: two layers, two epochs, four batches"
    assert states[1]["parameters"].tobytes() == states[0]["parameters"].tobytes(), "a layer is handed over when done"
    assert states[first]["parameters"].tobytes() != states[0]["parameters"].tobytes()
    for done, state in enumerate(states[:-1]):
        again = Trainer(one.experiment)
        again.restore(state)
        rest = [repr(without_seconds(event)) if isinstance(event, Row) else event for event in again.run()]
        assert rest == (events if done <= first else events[done:]), f"after {done} events"
        assert arrays(again) == arrays(one)
        assert (again.outcome, again.pretrained) == (one.outcome, one.pretrained)


def test_refuses_the_state_of_another_network() -> None:
    state = trainer().state()
    with pytest.raises(ValueError, match="parameters has"):
        trainer(architecture={"name": "mlp", "hidden": (7,)}).restore(state)


# -- how it ends -----------------------------------------------------------------------------------


def test_rows_of_an_uneventful_run() -> None:
    one = trainer(monitor={"every": 3})
    found = rows(one)
    assert [row["epoch"] for row in found] == [0, 3, 4]
    assert [row["step"] for row in found] == [0, 15, 20]
    assert found[0]["batch_loss"] is None
    assert [*found[0], "seconds"] == one.experiment.columns
    assert one.outcome is not None
    assert (one.outcome.status, one.outcome.epoch, one.outcome.step) == ("finished", 4, 20)
    for name, value in found[-1].items():
        if name.startswith(("train_", "validation_")):
            assert one.outcome.final[name] == value
    assert "test_loss" in one.outcome.final


@pytest.mark.parametrize("updates", [1, 3, 5])
def test_rows_within_epochs(updates: int) -> None:
    # Every so many updates, 5 of which are an epoch; each epoch's end has its own row as ever.
    found = rows(trainer(monitor={"updates": updates, "objective": True}, regularization="l2"))
    steps = [step for step in range(21) if step % 5 == 0 or step % updates == 0]
    assert [row["step"] for row in found] == steps
    assert [row["epoch"] for row in found] == [step / 5 for step in steps]
    for row in found:
        assert isinstance(row["epoch"], int) == (row["step"] % 5 == 0)
        if row["step"]:  # what the run would have ended with there
            short = trained(stop={"steps": row["step"]}, monitor={"objective": True}, regularization="l2")
            assert short.outcome is not None
            scores = {name: value for name, value in short.outcome.final.items() if not name.startswith("test_")}
            assert scores == {name: row[name] for name in scores}
    gathered = {row["step"]: row["batch_loss"] for row in found}
    if updates == 1:  # of the epoch so far: batches of 8, and one of 4
        assert gathered[5] * 36 == pytest.approx(gathered[4] * 32 + (gathered[5] * 36 - gathered[4] * 32))
        losses = [gathered[k] * k - (gathered[k - 1] * (k - 1) if k > 1 else 0) for k in range(1, 5)]
        assert gathered[4] == pytest.approx(np.mean(losses), rel=1e-12)
        assert len(set(losses)) == 4


@pytest.mark.parametrize("changes", [EVERYTHING, *REMEMBERS.values()], ids=["everything", *REMEMBERS])
def test_nothing_watches_the_rows_within_epochs(changes: dict[str, Any]) -> None:
    # Early stopping, schedules, targets and the best parameters: all as without them, to the bit.
    monitor = changes.get("monitor", {})
    changes = {"optimizer": {"name": "adam", "lr": 0.02}, **changes}
    one, other = trainer(**changes), trainer(**changes | {"monitor": monitor | {"updates": 2}})
    expected, found = rows(one), rows(other)
    assert len(found) > len(expected)
    assert [row for row in found if isinstance(row["epoch"], int)] == expected
    assert arrays(one) == arrays(other)
    assert one.outcome == other.outcome
    numbers = [json.loads(str(ended.state()["numbers"])) for ended in (one, other)]
    for kept in numbers:
        del kept["seconds"]
    assert numbers[0] == numbers[1]


def test_rows_within_epochs_beside_rows_of_every_third() -> None:
    found = rows(trainer(monitor={"updates": 2, "every": 3}))
    assert [row["step"] for row in found] == [0, 2, 4, 6, 8, 12, 14, 15, 16, 18, 20]  # 10 ends an epoch


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 20, 21])
def test_steps_are_exact(steps: int) -> None:
    one = trainer(stop={"epochs": 4, "steps": steps})
    found = rows(one)
    expected = min(steps, 20)
    assert one.learner.t == expected
    assert one.outcome is not None
    assert (one.outcome.status, one.outcome.step) == ("finished", expected)
    assert found[-1]["step"] == expected
    assert found[-1]["epoch"] == one.outcome.epoch == -(-expected // 5)


def test_batch_loss_is_the_mean_over_the_examples() -> None:
    # At learning rate 0 the parameters stay: the mean over an epoch's batches, the smaller last one weighing
    # less, is the loss of the training split.
    for row in rows(trainer(optimizer={"name": "sgd", "lr": 0.0}, precision="float64"))[1:]:
        assert row["batch_loss"] == pytest.approx(row["train_loss"], rel=1e-12)


@each_member("f", Activation)
@each_member("norm", Normalization)
def test_divergence_is_an_outcome(f: type[Activation], norm: type[Normalization]) -> None:
    one = trainer(
        optimizer={"name": "sgd", "lr": 1e30},
        loss="mse",
        architecture={"name": "mlp", "hidden": (6, 12)},
        activation=f.label(),
        normalization=norm.label(),
    )
    found = rows(one)
    assert one.outcome is not None
    assert one.outcome.status == "diverged"
    assert f"at step {one.learner.t}" in one.outcome.reason
    assert one.outcome.step == one.learner.t <= 20
    assert one.outcome.epoch == -(-one.learner.t // 5)
    assert one.outcome.final == {}
    assert found[0]["epoch"] == 0


def test_early_stopping_restores_the_best() -> None:
    # A rate that grows tenfold each epoch spoils what was learned.
    spoiling = {
        "optimizer": {"name": "sgd", "lr": 0.05},
        "schedule": {"name": "step", "size": 1, "gamma": 10.0},
        "normalization": "batch",
        "activation": "tanh",
    }
    one = trainer(**spoiling, stop={"epochs": 30, "patience": 2})
    found = rows(one)
    best = min(range(len(found)), key=lambda i: found[i]["validation_loss"])
    assert one.outcome is not None
    assert len(found) == best + 3
    assert one.outcome.epoch == best + 2
    assert one.best_epoch == best
    assert one.outcome.final["validation_loss"] == found[best]["validation_loss"]
    assert one.outcome.final["train_loss"] == found[best]["train_loss"]
    until_best = trained(**spoiling, stop={"epochs": 30, "steps": best * 5})
    assert one.network.θ.tobytes() == until_best.network.θ.tobytes()
    for name, array in one.network.running.items():
        assert array.tobytes() == until_best.network.running[name].tobytes()
    kept = trained(**spoiling, stop={"epochs": 30, "patience": 2, "restore_best": False})
    assert kept.outcome is not None
    assert kept.outcome.final["train_loss"] == found[-1]["train_loss"]


def test_early_stopping_knows_what_is_better() -> None:
    # A metric that rises: the best epoch is the first with the highest value, not the untrained one.
    rising = {"optimizer": {"name": "adam", "lr": 0.02}}
    one = trainer(**rising, stop={"epochs": 40, "patience": 10, "metric": "validation_accuracy"})
    found = rows(one)
    accuracies = [row["validation_accuracy"] for row in found]
    assert one.best_epoch == accuracies.index(max(accuracies)) > 0
    assert accuracies[0] < max(accuracies)
    assert one.outcome is not None
    assert one.outcome.final["validation_accuracy"] == max(accuracies)


@pytest.mark.parametrize("shuffle", ["epoch", "never"])
@pytest.mark.parametrize("dataset", [{"name": "moons", "n": 60}, "diabetes"])
def test_a_stream_predicts_before_it_learns(dataset: Any, shuffle: str) -> None:
    # By hand: a learner that is shown one example after the other in the file's order, or in the shuffled one.
    stream = {"name": "single", "stream": True, "shuffle": shuffle}
    fields: dict[str, Any] = {"dataset": dataset, "batch": stream, "regularization": "dropout", "precision": "float64"}
    found = rows(trainer(**fields, stop=2))[1:]
    one = trainer(**fields, stop=2)
    data, learner = one.experiment.data, one.learner
    for epoch, row in enumerate(found, 1):
        order = one.batches.order(epoch) if shuffle == "epoch" else range(len(data.train))
        assert order is not None
        losses, answers = [], []
        for i in order:
            z = learner.outputs(data.train.x[i : i + 1])
            t = one.encoded["train"][i : i + 1]
            losses.append(learner.mean_loss(z, t))
            answers.append(one.experiment.loss.decide(z)[0] if data.classes else z[0, 0] * data.target_scale)
            learner.step(data.train.x[i : i + 1], t, 0.001)
        assert row["prequential_loss"] == pytest.approx(np.mean(losses), rel=1e-12)
        t = data.train.t[list(order)]
        if data.classes:
            assert row["prequential_accuracy"] == pytest.approx(np.mean(answers == t), rel=1e-12)
        else:
            rmse = np.sqrt(np.mean((np.array(answers) + data.target_shift - t) ** 2))
            assert row["prequential_rmse"] == pytest.approx(rmse, rel=1e-12)


def test_to_predict_first_changes_nothing() -> None:
    fields: dict[str, Any] = {"regularization": "dropout", "stop": 2}
    streamed = trainer(batch={"name": "single", "stream": True}, **fields)
    single = trainer(batch={"name": "single", "shuffle": "never"}, **fields)
    found = [{k: v for k, v in row.items() if not k.startswith("prequential_")} for row in rows(streamed)]
    assert found == rows(single)
    assert arrays(streamed) == arrays(single)
    assert streamed.outcome is not None
    assert single.outcome is not None
    assert streamed.outcome.final.items() > single.outcome.final.items()


RISING: dict[str, Any] = {"optimizer": {"name": "adam", "lr": 0.02}, "batch": {"name": "mini", "size": 4}}
"""Nine steps an epoch. The validation accuracy first passes 0.8 within an epoch."""


@pytest.mark.parametrize("every", [None, 1, 2, 4, 9, 100])
def test_a_target_ends_training_within_an_epoch(every: int | None) -> None:
    # Looked at after each step, the metric says at which look it is first good enough.
    full = trainer(**RISING, stop=20)
    looked, step = [], full.learner.step

    def and_look(x: np.ndarray, t: np.ndarray, lr: float) -> float:
        loss = step(x, t, lr)
        looked.append(full.score("validation")["validation_accuracy"])
        return loss

    full.learner.step = and_look  # type: ignore[method-assign]
    full.learner.player = lambda rows: None  # type: ignore[method-assign]
    rows(full)
    per = every or 1
    due = [t for t in range(1, 181) if t % 9 == 0 or t % 9 % per == 0]
    expected = next(t for t in due if looked[t - 1] >= 0.8)
    target = {"metric": "validation_accuracy", "at_least": 0.8, "every": every}
    one = trainer(**RISING, stop={"epochs": 20, "patience": 20, "target": target})
    found = rows(one)
    assert one.outcome is not None
    assert (one.outcome.status, one.outcome.step) == ("finished", expected)
    assert one.outcome.epoch == found[-1]["epoch"] == -(-expected // 9)
    assert found[-1]["step"] == expected
    assert found[-1]["validation_accuracy"] == one.outcome.final["validation_accuracy"] >= 0.8
    assert f"validation_accuracy at least 0.8 reached ({found[-1]['validation_accuracy']:.4g})" in one.outcome.reason
    assert f"at step {expected}, in epoch {-(-expected // 9)}" in one.outcome.reason
    until = trained(**RISING, stop={"epochs": 20, "steps": expected})
    assert arrays(one) == arrays(until)


def test_a_target_that_is_not_reached_changes_nothing() -> None:
    one = trainer(stop={"epochs": 4, "target": {"metric": "train_loss", "at_most": -1.0, "every": 1}})
    plain = trainer(stop=4)
    assert rows(one) == rows(plain)
    assert arrays(one) == arrays(plain)
    assert one.outcome is not None
    assert one.outcome.reason == "4 epochs; not reached: train_loss at most -1"


def test_a_target_may_be_reached_before_the_first_step() -> None:
    one = trainer(stop={"target": {"metric": "validation_loss", "at_most": 100.0}})
    assert [row["step"] for row in rows(one)] == [0]
    assert one.outcome is not None
    assert (one.outcome.status, one.outcome.epoch, one.outcome.step) == ("finished", 0, 0)


def test_looks_are_no_training_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # A clock that counts its readings: what passes between the reading before a look and the one after is left out.
    now = iter(range(100_000))
    monkeypatch.setattr(module, "perf_counter", lambda: float(next(now)))
    target = {"metric": "train_loss", "at_most": 0.0, "every": 1}
    one, plain = trainer(stop={"epochs": 1, "target": target}), trainer(stop=1)
    score = one.score

    def slow(split: str) -> dict[str, float]:
        for _ in range(1000):
            next(now)
        return score(split)

    monkeypatch.setattr(one, "score", slow)
    rows(one)
    rows(plain)
    assert one.seconds <= plain.seconds + 5


def test_patience_counts_as_scikit_learn_does() -> None:
    # Small gains move the best, but only a large one ends the counting, and it goes on for one epoch more.
    losses = [1.0, 0.95, 0.9, 0.85, 0.5, 0.45, 0.46, 0.44, 0.2, 0.21]
    ends = {}
    for dialect in ("keras", "sklearn"):
        one = trainer(stop={"patience": 3, "min_delta": 0.1, "metric": "batch_loss", "dialect": dialect})
        for epoch, loss in enumerate(losses, 1):
            one.epoch = epoch
            one._watch({"batch_loss": loss})
            if one.enough:
                break
        ends[dialect] = (one.epoch, one.best_value, one.best_epoch, one.enough)
    # Keras: 1.0, then 0.85, 0.5 and 0.2. scikit-learn: counts 1, 2, 3, none, 1, 2, 3, none.
    assert ends == {"keras": (8, 0.5, 5, True), "sklearn": (10, 0.2, 9, False)}
    stops = trainer(stop={"patience": 3, "min_delta": 0.1, "metric": "batch_loss", "dialect": "sklearn"})
    for epoch, loss in enumerate([1.0, 0.95, 0.9, 0.85, 0.8], 1):
        stops.epoch = epoch
        stops._watch({"batch_loss": loss})
        assert stops.enough == (epoch == 5)
    assert stops.best_epoch == 5


def test_the_objective_is_the_loss_with_its_penalties() -> None:
    # At learning rate 0 the parameters stay, so every batch sees the same weights.
    still: dict[str, Any] = {"optimizer": {"name": "sgd", "lr": 0.0}, "stop": 1, "precision": "float64"}
    logged = {"monitor": {"objective": True}, "batch": {"name": "mini", "size": 8}}
    for dialect in ("pytorch", "sklearn"):
        l2 = {"name": "l2", "strength": 0.3, "dialect": dialect}
        one = trainer(**still, **logged, regularization=(l2, {"name": "l1", "strength": 0.2}))
        w = one.network.θ[: one.network.weights]
        row = rows(one)[1]
        # 36 examples: four batches of 8 and one of 4. λ/B times B is λ for each of the five.
        share = 1.0 if dialect == "pytorch" else 5 / 36
        expected = 0.3 / 2 * np.sum(w**2) * share + 0.2 * np.sum(abs(w))
        assert row["batch_objective"] - row["batch_loss"] == pytest.approx(expected, rel=1e-12)
    plain = rows(trainer(**still, **logged))
    assert plain[1]["batch_objective"] == plain[1]["batch_loss"]


def test_min_delta_is_what_counts_as_better() -> None:
    one = trainer(stop={"epochs": 10, "patience": 2, "min_delta": 100.0})
    assert [row["epoch"] for row in rows(one)] == [0, 1, 2]
    assert one.best_epoch == 0


def test_patience_on_an_unknown_column() -> None:
    with pytest.raises(Unfit, match=r"stop\.patience: 'validation_loss' is not logged"):
        trainer(dataset={"name": "moons", "n": 60, "validation": 0.0}, stop={"patience": 1})


@pytest.mark.parametrize(
    ("batch", "where"),
    [
        ("single", "normalization"),
        ({"name": "mini", "size": 7}, "batch"),
        ({"name": "mini", "size": 1}, "normalization"),
    ],
)
def test_batch_statistics_need_two_examples(batch: Any, where: str) -> None:
    with pytest.raises(Unfit) as raised:
        trainer(normalization="batch", batch=batch)
    assert [misfit.path for misfit in raised.value.misfits] == [where]


# -- learning rates --------------------------------------------------------------------------------


@each("schedule", Schedule)
def test_the_rate_that_is_logged_is_the_rate_that_was_used(schedule: Schedule) -> None:
    one = trainer(optimizer={"name": "sgd", "lr": 0.1}, schedule=schedule.model_dump())
    used, step = [], one.learner.step
    one.learner.step = lambda x, t, lr: (used.append(lr), step(x, t, lr))[1]  # type: ignore[method-assign]
    one.learner.player = lambda rows: None  # type: ignore[method-assign]
    found = rows(one)
    assert used[0] == found[0]["lr"] == one.lr(0)
    assert used[0] == 0.1 or schedule.warmup or not schedule.only_falls
    assert [row["lr"] for row in found[1:]] == [used[row["step"] - 1] for row in found[1:]]
    if schedule.per == "epoch":
        assert all(len(set(used[i : i + 5])) == 1 for i in range(0, 20, 5))


def test_a_plateau_cuts_the_rate_of_the_next_epoch() -> None:
    # A threshold that nothing can pass: every epoch after the first is a bad one.
    plateau = {"name": "plateau", "gamma": 0.5, "patience": 1, "threshold": 1e6, "threshold_mode": "abs"}
    found = rows(trainer(optimizer={"name": "sgd", "lr": 0.4}, schedule=plateau, stop=8))
    assert [row["lr"] for row in found] == [0.4, 0.4, 0.4, 0.4, 0.2, 0.2, 0.1, 0.1, 0.05]
    warm = rows(trainer(optimizer={"name": "sgd", "lr": 0.4}, schedule=plateau | {"warmup": 3}, stop=8))
    assert [row["lr"] for row in warm] == pytest.approx([0.04, 0.04, 0.16, 0.28, 0.4, 0.4, 0.2, 0.2, 0.1], rel=1e-12)
    floor = rows(trainer(optimizer={"name": "sgd", "lr": 0.4}, schedule=plateau | {"min_lr": 0.15}, stop=8))
    assert [row["lr"] for row in floor][4:] == [0.2, 0.2, 0.15, 0.15, 0.15]


# -- theorems --------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_equal_units_stay_equal(precision: str) -> None:
    # Units with the same weights get the same gradient: without a random start they never part.
    for initializer in ("zeros", {"name": "constant", "value": 0.3}):
        for cls in members(Optimizer).values():
            one = trained(initialization=initializer, optimizer=cls.label(), precision=precision, activation="tanh")
            first, second, out = (one.network.value[f"{name}.weight"] for name in ("hidden1", "hidden2", "output"))
            assert (first == first[:, :1]).all()
            assert (second == second[:1, :1]).all()
            assert (out == out[:1]).all()
            assert np.ptp(one.network.value["output.bias"]) > 0


def test_gradient_descent_on_a_linear_model_finds_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    t = x @ [1.0, -2.0, 3.0] + 0.5 + rng.normal(size=40)
    kind = {cls.label(): cls for cls in members(Activation).values()}["linear"]
    network = Network(3, (), 1, kind(), members(Normalization)["none"](), (), np.dtype("float64"))
    learner = Learner(network, Mse(), members(Optimizer)["sgd"](), ())
    for _ in range(1000):
        learner.step(x, t[:, None], 0.2)
    expected, *_ = np.linalg.lstsq(np.column_stack([x, np.ones(40)]), t, rcond=None)
    np.testing.assert_allclose(network.value["output.weight"][:, 0], expected[:3], rtol=1e-10)
    np.testing.assert_allclose(network.value["output.bias"], expected[3:], rtol=1e-10)


@each_member("cls", Loss)
def test_every_loss_trains(cls: type[Loss]) -> None:
    training = {"loss": cls.label(), "optimizer": {"name": "adam", "lr": 0.02}, "stop": 30}
    try:
        cls().outputs(2)
    except Misfit:  # it is for real targets only
        found = rows(trainer(**training, dataset={"name": "diabetes", "scale_target": cls.takes_scaled}))
        assert found[-1]["train_loss"] < found[0]["train_loss"]
        assert found[-1]["train_r2"] > 0.3
        return
    found = rows(trainer(**training))
    assert found[-1]["train_loss"] < 0.6 * found[0]["train_loss"]
    assert found[-1]["train_accuracy"] > 0.8


def test_a_penalty_is_not_in_the_reported_loss() -> None:
    still = {"optimizer": {"name": "sgd", "lr": 0.0}, "stop": 1}
    plain = rows(trainer(**still))
    for cls in members(Regularizer).values():
        found = rows(trainer(**still, regularization=cls.label()))
        assert [row["train_loss"] for row in found] == [row["train_loss"] for row in plain]


# -- memory and precision --------------------------------------------------------------------------


@pytest.mark.parametrize("normalization", ["none", "batch", "layer"])
@each_member("cls", ElementwiseActivation)
def test_steps_allocate_nothing_large(cls: type[Activation], normalization: str) -> None:
    one = trainer(
        dataset={"name": "digits", "validation": 0.0, "test": 0.5},
        architecture={"name": "mlp", "hidden": (256, 128)},
        batch={"name": "mini", "size": 32},
        activation=cls.label(),
        normalization=normalization,
        regularization=("dropout", "l2"),
    )
    batches = list(batches_of(one.batches, 1))[:7]
    for batch in batches[:2]:
        one.learner.step(*batch, 0.01)
    index = next(one.batches.indices(1))
    one.learner.play(index[:1], [0.01])
    tracemalloc.start()
    try:
        for batch in batches[2:]:
            one.learner.step(*batch, 0.01)
        if one.learner.player(32) is not None:
            one.learner.play(index[:5], [0.01] * 5)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    smallest = 32 * 128 * 4  # the activations of one layer
    assert peak < smallest / 2


@each_member("cls", Optimizer)
def test_optimizers_allocate_nothing_large(cls: type[Optimizer]) -> None:
    one = trainer(architecture={"name": "mlp", "hidden": (256, 128)}, optimizer=cls.label())
    batches = batches_of(one.batches, 1)
    one.learner.step(*next(batches), 0.01)
    tracemalloc.start()
    try:
        one.learner.step(*next(batches), 0.01)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < one.network.θ.nbytes / 10


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_one_precision_from_data_to_state(precision: str) -> None:
    for changes in ({**RUN, **EVERYTHING}, {"dataset": "diabetes", "stop": 1}):
        one = trained(**{**changes, "precision": precision})
        data = one.experiment.data
        found = [data.train.x, data.validation.x, data.test.x, one.batches.x]
        found += [one.network.θ, one.network.g, *one._arrays().values(), *one.best.values()]
        found += [array for array in one.encoded.values() if array.dtype.kind == "f"]
        found += [a for training in (True, False) for a in one.network._buffers[training].arrays]
        assert {str(array.dtype) for array in found} == {precision}


def test_rehearsal_changes_nothing() -> None:
    rehearsed = trainer(**EVERYTHING)
    rehearsed.experiment.rehearse()
    assert rows(rehearsed) == rows(trainer(**EVERYTHING))


def test_a_real_target_is_scored_in_its_own_units() -> None:
    one = trainer(dataset="diabetes", stop=2)
    data = one.experiment.data
    rows(one)
    assert one.outcome is not None
    z = one.learner.outputs(data.test.x)[:, 0].astype(float)
    missed = data.test.t - (z * data.target_scale + data.target_shift)
    assert one.outcome.final["test_rmse"] == pytest.approx(np.sqrt(np.mean(missed**2)), rel=1e-9)
    scaled = np.sqrt(one.outcome.final["test_loss"]) * data.target_scale
    assert one.outcome.final["test_rmse"] == pytest.approx(scaled, rel=1e-4)


def test_the_loss_is_filled_by_the_kind_of_target() -> None:
    for dataset in ("iris", "diabetes"):
        config = ExperimentConfig.model_validate({"dataset": dataset})
        assert config.loss is None
        experiment = Experiment(config)
        assert experiment.config.loss == experiment.loss
        assert experiment.loss.outputs(experiment.n_classes) == (3 if dataset == "iris" else 1)
