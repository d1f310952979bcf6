"""Steps played from tapes against the same steps made by Python, to the bit; and batches divided among threads."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from nnexp.components.activations import Activation, RowActivation
from nnexp.components.losses import Loss
from nnexp.components.normalizations import Normalization
from nnexp.components.optimizers import Minimizer
from nnexp.components.regularizers import Regularizer
from nnexp.config.load import load_data
from nnexp.engine import compiling
from nnexp.engine.calls import Draw
from nnexp.engine.crew import Crew
from nnexp.engine.experiment import Experiment, Unfit
from nnexp.engine.loops import losses
from nnexp.engine.surface import trainer_of
from nnexp.engine.tape import Meeting, Tape, Unplayable, is_numpys
from nnexp.engine.trainer import Row, Tick, Trainer
from tests.variants import described, variants

pytestmark = pytest.mark.skipif(compiling.plain(), reason="the plain form has no tapes")

REAL = {"dataset": {"name": "linear_regression", "n": 60}}
CLASSES = {"dataset": {"name": "blobs", "n": 60, "features": 5, "centers": 2}}


def plain_data(one: Any) -> dict[str, Any]:
    return one.model_dump(mode="json")


BASE = {"architecture": {"name": "mlp", "hidden": [6, 6]}, "batch": {"name": "mini", "size": 16}, "stop": 2}


def whole(config: dict[str, Any]) -> dict[str, Any]:
    """What a configuration leaves out, filled in; L-BFGS wants all examples in one batch."""
    searching = dict(config.get("optimizer", {})).get("name") == "lbfgs"
    return {**BASE, **({"batch": {"name": "full"}} if searching else {}), **config}


def fits(config: dict[str, Any]) -> bool:
    """Whether a loss goes with a target."""
    try:
        Experiment(load_data(whole(config), "test").config)
    except Unfit:
        return False
    return True


def alternatives() -> list[Any]:
    """Configurations that differ in one component from a small one."""
    found = []
    for family, key in (
        (Activation, "activation"),
        (Normalization, "normalization"),
        (Minimizer, "optimizer"),
        (Regularizer, "regularization"),
    ):
        for one in variants(family):
            value = [plain_data(one)] if key == "regularization" else plain_data(one)
            found.append(pytest.param({**CLASSES, key: value}, id=f"{key}-{described(one)}"))
    for one in variants(Loss):
        tries = [{**data, "loss": plain_data(one)} for data in (CLASSES, REAL)]
        fitting = [config for config in tries if fits(config)]
        # none where the loss is of counts, for which there is no example
        found += [pytest.param(c, id=f"loss-{described(one)}-{c['dataset']['name']}") for c in fitting]
    return found


def trained(config: dict[str, Any], threads: int = 1, played: bool = True) -> tuple[Trainer, list[dict[str, Any]]]:
    """A trainer at its end, and its rows; not played: every step made by Python."""
    trainer = trainer_of(Experiment(load_data(whole(config), "test").config))
    trainer.divide(threads)
    if not played:
        trainer.learner.player = lambda rows: None  # type: ignore[method-assign]
    rows = [event.values for event in trainer.run() if isinstance(event, Row)]
    trainer.learner.dismiss()
    return trainer, [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("config", alternatives())
def test_played_steps_are_pythons(config: dict[str, Any], precision: str) -> None:
    config = {**config, "precision": precision}
    (one, rows), (other, expected) = trained(config), trained(config, played=False)
    if one.network.outputs == 1:  # NumPy has a matrix-vector product for this, which adds up in another order
        tolerance = 1e-4 if precision == "float32" else 1e-11
        np.testing.assert_allclose(one.network.θ, other.network.θ, tolerance, tolerance / 100)
        return
    np.testing.assert_array_equal(one.network.θ, other.network.θ)
    for name, array in one.network.running.items():
        np.testing.assert_array_equal(array, other.network.running[name])
    assert rows == expected


def test_most_configurations_are_played() -> None:
    """What Python has to do by itself is the exception: whole rows, normal numbers, limits, line searches."""
    for one in variants(Activation):
        z = np.zeros((2, 2))
        if isinstance(one, RowActivation) or type(one).spread is not None or (one.learned and one.transcends):
            continue
        if not all(is_numpys(ufunc) for ufunc, *_ in one.exponentials(z, z)):
            continue
        trainer, _ = trained({**CLASSES, "activation": plain_data(one)})
        assert trainer.learner.player(16) is not None, described(one)


@pytest.mark.parametrize("normalization", ["none", "layer", "weight"])
@pytest.mark.parametrize("threads", [2, 3])
def test_divided_batches_give_the_same_up_to_rounding(threads: int, normalization: str) -> None:
    config = {**CLASSES, "normalization": normalization, "precision": "float64", "regularization": ["l2"]}
    (one, rows), (other, expected) = trained(config, threads), trained(config)
    np.testing.assert_allclose(one.network.θ, other.network.θ, rtol=1e-9, atol=1e-12)
    assert rows[0] == expected[0]
    for row, wanted in zip(rows[1:], expected[1:], strict=True):
        assert row == pytest.approx(wanted, rel=1e-9)


def test_divided_batches_give_the_same_bits_again() -> None:
    config = {**CLASSES, "regularization": [{"name": "dropout", "rate": 0.3}]}
    (one, rows), (other, again) = trained(config, 2), trained(config, 2)
    np.testing.assert_array_equal(one.network.θ, other.network.θ)
    assert rows == again


def test_a_batch_with_statistics_of_its_own_is_not_divided() -> None:
    trainer, _ = trained({**CLASSES, "normalization": "batch"}, 2)
    assert trainer.divide(2) == 2
    assert trained(CLASSES)[0].divide(2) == 1


def test_dropout_draws_what_numpy_draws() -> None:
    for dtype in ("f4", "f8"):
        rng, same = np.random.default_rng(3), np.random.default_rng(3)
        u, value = np.zeros((7, 5), dtype), np.zeros((1, 1))
        loop = losses.elementwise_loss(_first, _first, 0)
        stand_in = (loop, np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)), np.zeros(1))
        tape = Tape([(Draw(rng, "uniform"), u), stand_in], stand_in, [])
        for _ in range(2):
            assert tape.play([], value) == 1
            np.testing.assert_array_equal(u, same.random(u.shape, dtype))
        assert rng.bit_generator.state == same.bit_generator.state


def _first(z: Any, t: Any, c: Any) -> Any:
    return z


def test_what_only_python_can_do_is_named() -> None:
    with pytest.raises(Unplayable, match="test_what_only_python_can_do_is_named"):
        Tape([(test_what_only_python_can_do_is_named,)], (), [])
    with pytest.raises(Unplayable, match="normal"):
        Tape([(Draw(np.random.default_rng(0), "normal"), np.zeros((2, 2)))], (), [])


def test_steps_end_at_the_first_value_that_is_not_finite() -> None:
    config = {**CLASSES, "optimizer": {"name": "sgd", "lr": 1e30}, "loss": "mse", "stop": {"epochs": 3}}
    with np.errstate(all="ignore"):
        (one, _), (other, _) = trained(config), trained(config, played=False)
        divided, _ = trained(config, 2)
    assert one.outcome is not None
    assert one.outcome == other.outcome
    assert divided.outcome is not None
    assert divided.outcome.step == one.outcome.step


def test_divided_batches_go_on_from_a_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nnexp.engine.trainer.TICK", -1.0)
    config = {**CLASSES, "regularization": [{"name": "dropout", "rate": 0.3}]}
    undisturbed, rows = trained(config, 2)
    one = trainer_of(Experiment(undisturbed.config, undisturbed.experiment.data))
    one.divide(2)
    events = one.run()
    for _ in range(4):
        event = next(events)
    assert isinstance(event, Tick)
    other = trainer_of(Experiment(undisturbed.config, undisturbed.experiment.data))
    other.divide(2)
    other.restore({name: array.copy() for name, array in one.state().items()})
    rest = [event.values for event in other.run() if isinstance(event, Row)]
    np.testing.assert_array_equal(other.network.θ, undisturbed.network.θ)
    assert [{name: value for name, value in row.items() if name != "seconds"} for row in rest] == rows[-len(rest) :]
    for trainer in (one, other):
        trainer.learner.dismiss()


def test_crew_does_all_jobs_and_tells_of_errors() -> None:
    crew, done = Crew(2), []
    for number in range(50):
        crew.begin([lambda n=number: done.append(n), lambda n=number: done.append(n)])
        crew.finish()
    assert sorted(done) == sorted([*range(50), *range(50)])

    def fail() -> None:
        raise ValueError("no")

    crew.begin([fail, lambda: None])
    with pytest.raises(ValueError, match="no"):
        crew.finish()
    before = threading.active_count()
    crew.dismiss()
    for _ in range(1000):
        if threading.active_count() == before - 2:
            break
        threading.Event().wait(0.01)
    assert threading.active_count() == before - 2


def test_meeting_places_are_apart() -> None:
    meeting = Meeting(2)
    one, two = meeting.place(), meeting.place()
    assert one[1] is two[1]
    assert one[2] is not two[2]
