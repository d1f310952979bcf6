"""Streams: each purpose, seed and index has its own numbers, always the same."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

from nnexp import __version__
from nnexp.config.load import filled, fingerprint
from nnexp.config.schema import ExperimentConfig
from nnexp.engine.experiment import Unfit
from nnexp.engine.streams import PURPOSES, stream
from nnexp.engine.trainer import Trainer
from tests.small import RUN, trainer


def test_the_same_again() -> None:
    for purpose in PURPOSES:
        np.testing.assert_array_equal(stream(3, purpose, 1).random(10), stream(3, purpose, 1).random(10))


def test_the_same_in_another_process() -> None:
    # Text hashes differ between processes; a purpose's key must not.
    script = "from nnexp.engine.streams import *; print([stream(3, purpose).random() for purpose in PURPOSES])"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str([stream(3, purpose).random() for purpose in PURPOSES])


def test_streams_are_independent() -> None:
    keys = [(seed, purpose, *index) for seed in (0, 1, 2**63 - 1) for purpose in PURPOSES for index in ((), (0,), (1,))]
    draws = {key: stream(*key).normal(size=2000) for key in keys}
    for a, b in combinations(keys, 2):
        assert abs(np.corrcoef(draws[a], draws[b])[0, 1]) < 0.12, (a, b)  # 5 standard errors of 1/√2000


def test_drawing_from_one_does_not_move_another() -> None:
    first, second = stream(0, "init"), stream(0, "dropout")
    expected = stream(0, "dropout").random(5)
    first.random(1000)
    np.testing.assert_array_equal(second.random(5), expected)


def test_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()
    stream(0, "init").random(10)
    np.testing.assert_array_equal(np.random.get_state()[1], before)


def test_a_purpose_has_to_be_known() -> None:
    with pytest.raises(AssertionError, match="luck"):
        stream(0, "luck")


# -- seeds of their own ----------------------------------------------------------------------------


def parts(one: Trainer) -> dict[str, bytes]:
    """What each stream decides before the first update, to the bit."""
    order = one.batches.order(1)
    assert order is not None
    data = one.experiment.data
    return {
        "init": one.network.θ.tobytes(),
        "shuffle": order.tobytes(),
        "split": np.concatenate([data.validation.x, data.test.x]).tobytes(),
        "dropout": one.noise_rng.random(5).tobytes(),
    }


@pytest.mark.parametrize("own", ["init", "shuffle", "split", "dropout"])
def test_a_seed_of_its_own_changes_one_stream(own: str) -> None:
    fixed = {"regularization": "dropout", "dataset": "iris"}
    base, other = parts(trainer(**fixed)), parts(trainer(**fixed, streams={own: 7}))
    changed = parts(trainer(**fixed, seed=7))
    assert {name for name in base if base[name] != other[name]} == {own}
    if own != "split":  # weights and orders do not depend on which examples they are for
        assert other[own] == changed[own]


def test_the_run_s_own_seed_is_no_other() -> None:
    same, plain = trainer(seed=3, streams={"init": 3, "shuffle": 3}), trainer(seed=3)
    assert parts(same) == parts(plain)
    known, empty = fingerprint(plain.config, "data"), trainer(seed=3, streams={})
    assert fingerprint(empty.config, "data") == known != fingerprint(same.config, "data")


def test_runs_without_seeds_of_their_own_are_known_as_before() -> None:
    """The fingerprint of a configuration as it was before there was the key `streams`, for this version of nnexp."""
    config = ExperimentConfig.model_validate(RUN)
    identity = {key: value for key, value in filled(config).items() if key not in ("name", "streams")}
    later = ("keep_state", "updates")
    identity["monitor"] = {key: value for key, value in identity["monitor"].items() if key not in later}
    text = json.dumps([identity | {"plugins": []}, "data", __version__], sort_keys=True, ensure_ascii=True)
    assert fingerprint(config, "data") == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_one_generator_has_one_seed() -> None:
    """scikit-learn's parameters and order come from one generator."""
    dialect = {
        "initialization": {"name": "sklearn", "generator": "legacy"},
        "batch": {"name": "mini", "shuffle": "sklearn"},
    }
    with pytest.raises(Unfit, match="give init and shuffle the same seed"):
        trainer(**dialect, streams={"init": 1})
    both = trainer(**dialect, streams={"init": 1, "shuffle": 1})
    assert both.network.θ.tobytes() == trainer(**dialect, seed=1).network.θ.tobytes()
