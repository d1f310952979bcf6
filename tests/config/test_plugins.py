"""Components of a user's own: named explicitly, trained with like any other, refused with a reason.

Each test runs nnexp in a process of its own, for what a plugin defines stays in the process that loaded it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.command import folders, nnexp_process

PARTS = '''
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from nnexp.components.activations import ElementwiseActivation
from nnexp.components.base import Positive, select
from nnexp.components.losses import ElementwiseLoss
from nnexp.components.optimizers import Optimizer


class Halved(Optimizer):
    """Step half as far as sgd."""

    name: Literal["halved"] = "halved"
    share: Positive = Field(0.5, description="share of the step")

    def coefficients(self, lr, t):
        return (lr * self.share,)

    @staticmethod
    def rule(θ, g, c):
        (η,) = c
        return θ - η * g


class Steep(ElementwiseActivation):
    """Relu with a slope of two."""

    name: Literal["steep"] = "steep"

    @staticmethod
    def value(z, e, c):
        return select(z > 0, 2 * z, 0 * z)

    @staticmethod
    def slope(z, y, e, c):
        return 2 * (y > 0)


class Quarter(ElementwiseLoss):
    """A quarter of the squared error."""

    name: Literal["quarter"] = "quarter"

    @staticmethod
    def value(z, t, c):
        return (z - t) * (z - t) / 4

    @staticmethod
    def slope(z, t, c):
        return (z - t) / 2
'''
RUN = """
dataset: {name: moons, n: 60}
plugins: [parts/mine.py]
optimizer: {name: halved, lr: 0.2}
activation: steep
loss: quarter
stop: 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a configuration and, in another one, the plugin that it names."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "mine.py").write_text(PARTS, encoding="utf-8")
    (tmp_path / "run.yaml").write_text(RUN)
    return tmp_path


def metrics(runs: Path) -> list[list[str]]:
    """The rows of each run's metrics.csv, without the seconds."""
    return [
        [line.rpartition(",")[0] for line in (run / "metrics.csv").read_text().splitlines()] for run in folders(runs)
    ]


def test_trains_and_gives_the_same_numbers_again(folder: Path) -> None:
    for _ in range(2):
        outcome = nnexp_process("train", "run.yaml", "-q", cwd=folder)
        assert (outcome.code, outcome.err) == (0, "")
    first, second = metrics(folder / "runs")
    assert first == second
    assert len(first) == 5
    # The filled configuration names the plugin by its full path, so that it can be trained from anywhere.
    stored = folders(folder / "runs")[0] / "config.yaml"
    assert nnexp_process("train", stored, "-q", cwd=folder / "parts").code == 0
    assert metrics(folder / "parts" / "runs") == [first]


def test_the_formula_is_the_users(folder: Path) -> None:
    def losses(*words: str) -> list[str]:
        runs = folder / "-".join(["runs", *words]).replace("=", "-")
        assert nnexp_process("train", "run.yaml", *words, "-q", "--runs", runs, cwd=folder).code == 0
        return [row.split(",")[3:] for row in metrics(runs)[0][1:]]

    # Half of twice the rate is sgd's own step; relu with another slope is another network.
    plain = losses("activation=relu", "optimizer=sgd", "optimizer.lr=0.1")
    assert losses("activation=relu") == plain
    assert losses() != plain
    assert losses("activation=relu", "loss=mse") != plain


def test_a_sweep_takes_it_to_its_workers(folder: Path) -> None:
    outcome = nnexp_process("sweep", "run.yaml", "optimizer=halved,sgd", "--seeds", 2, "--jobs", 2, cwd=folder)
    assert outcome.code == 0, outcome.err
    assert "halved" in outcome.out
    again = nnexp_process("sweep", "run.yaml", "optimizer=halved,sgd", "--seeds", 2, cwd=folder)
    assert "4 already there" in again.err
    # Another text is another component: what it computed before counts no more.
    plugin = folder / "parts" / "mine.py"
    plugin.write_text(plugin.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    changed = nnexp_process("sweep", "run.yaml", "optimizer=halved", "--seeds", 2, "--dry-run", cwd=folder)
    assert "2 to run" in changed.out


def test_list_and_explain_know_it(folder: Path) -> None:
    listed = nnexp_process("list", "optimizer", "--plugin", "parts/mine.py", cwd=folder)
    assert "halved" in listed.out
    explained = nnexp_process("explain", "halved", "--plugin", "parts/mine.py", cwd=folder)
    assert "Step half as far as sgd." in explained.out
    assert "share of the step" in explained.out
    assert nnexp_process("explain", "halved", cwd=folder).code == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1 / 0\n", "mine.py:1: the plugin failed: ZeroDivisionError: division by zero"),
        ("def f(:\n", "mine.py:1: invalid syntax"),
        ("x = 1\n", "defines no component"),
        (PARTS.replace("halved", "adam"), "the optimizer 'adam' exists already; choose another name"),
        (None, "cannot be read: No such file or directory"),
    ],
    ids=["fails", "syntax", "empty", "taken", "missing"],
)
def test_what_cannot_be_used_is_refused_at_its_place(folder: Path, text: str | None, message: str) -> None:
    plugin = folder / "parts" / "mine.py"
    if text is None:
        plugin.unlink()
    else:
        plugin.write_text(text, encoding="utf-8")
    outcome = nnexp_process("train", "run.yaml", cwd=folder)
    assert outcome.code == 2
    assert outcome.err.startswith("run.yaml:3:11  plugins: ")
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not (folder / "runs").exists()


def test_nothing_is_loaded_that_is_not_named(folder: Path) -> None:
    (folder / "run.yaml").write_text(RUN.replace("plugins: [parts/mine.py]\n", ""))
    outcome = nnexp_process("train", "run.yaml", cwd=folder, PYTHONPATH=str(folder / "parts"))
    assert outcome.code == 2
    assert "'halved' is not an optimizer" in outcome.err
