"""benchmarks/peers.py and its frameworks, shortened, with whatever peers are installed."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.benchmarks.script import imported, script


@pytest.fixture(scope="module")
def frameworks() -> ModuleType:
    return imported("frameworks")


def test_table_and_csv_with_what_is_installed(tmp_path: Path, frameworks: ModuleType):
    target = tmp_path / "peers.csv"
    networks = ("--networks", "64-32-10", "--variants", "plain", "batch_norm")
    peers = ("--peers", "nnexp", "scikit-learn", "jax")
    said = script("peers.py", "--quick", *networks, *peers, "--csv", str(target))
    assert "nnexp / best peer" in said
    with target.open() as file:
        rows = list(csv.DictReader(file))
    told = json.loads(target.with_suffix(".json").read_text())
    assert len(rows) == 6
    for row in rows:
        kind = frameworks.FRAMEWORKS[row["framework"]]
        if kind.missing():
            assert row["median_us"] == ""
            assert row["missing"] == ", ".join(kind.missing())
            assert f"{kind.name} is left empty; not installed: {row['missing']}" in said
        elif row["variant"] in kind.variants:
            assert 0 < float(row["least_us"]) <= float(row["median_us"])
            assert set(kind.versions()) <= set(told["versions"])
        else:
            assert row["median_us"] == row["missing"] == ""
    assert told["machine"]["cores"] >= 1


def test_a_loss_far_from_the_others_is_named():
    peers = imported("peers")
    lines = [
        peers.Line("n", 32, "plain", name, "", loss=loss) for name, loss in zip("abc", (1.0, 1.01, 2.3), strict=True)
    ]
    assert len(peers.astray(lines)) == 1
    assert "c ends at a loss of 2.3" in peers.astray(lines)[0]
    assert peers.astray(lines[:2]) == []
    assert peers.astray([*lines[:2], peers.Line("n", 32, "plain", "d", "", loss=float("nan"))])


def installed() -> list[Any]:
    """Each framework that is here with each variant that it has; in CI those are nnexp and scikit-learn."""
    kinds = imported("frameworks").FRAMEWORKS
    names = ("nnexp", "torch", "jax", "keras", "scikit-learn")
    pairs = [(name, variant) for name in names for variant in ("plain", "batch_norm")]
    return [(name, variant) for name, variant in pairs if not kinds[name].missing() and variant in kinds[name].variants]


@pytest.mark.parametrize(("name", "variant"), installed())
def test_every_framework_takes_the_same_steps(frameworks: ModuleType, name: str, variant: str, tmp_path: Path):
    """With all examples in one batch the order does not matter: after ten steps the loss is that of NumPy's."""
    x, t = frameworks.clouds(examples=200, inputs=12)
    work = frameworks.Work(12, (16, 16), 200, variant, 10)
    assert answered(frameworks, name, work, x, t, tmp_path) == pytest.approx(by_hand(work, x, t), rel=2e-4)


def answered(frameworks: ModuleType, name: str, work, x: np.ndarray, t: np.ndarray, folder: Path) -> float:
    """The loss that a process of the framework's own tells after its first training."""
    kind, task = frameworks.FRAMEWORKS[name], folder / "task.npz"
    settings = kind.choices(1)[0]
    frameworks.save_task(task, name, work, settings, (x, t))
    return json.loads(script("frameworks.py", str(task), **kind.environment(settings)))["loss"]


def by_hand(work, x: np.ndarray, t: np.ndarray) -> float:
    """The loss before the last of the steps, in float64 and with everything written out."""
    x, weights = x.astype(float), [w.astype(float) for w in work.weights()]
    norm = work.variant == "batch_norm"
    gains = [np.ones(w.shape[1]) for w in weights[:-1]]
    biases = [np.zeros(w.shape[1]) for w in weights]
    θ = [*weights, *biases, *(gains if norm else [])]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in θ]
    hidden, rows = len(weights) - 1, np.arange(len(x))
    for step in range(1, work.epochs + 1):
        a, kept = x, []
        for number in range(hidden):
            u = a @ weights[number]
            r = 1 / np.sqrt(u.var(0) + 1e-5)
            û = (u - u.mean(0)) * r
            z = û * gains[number] + biases[number] if norm else u + biases[number]
            kept.append((a, û, r, z))
            a = np.maximum(z, 0)
        z = a @ weights[-1] + biases[-1]
        y = np.exp(z - z.max(1, keepdims=True))
        y /= y.sum(1, keepdims=True)
        loss = -np.log(y[rows, t]).mean()
        d = y.copy()
        d[rows, t] -= 1
        d /= len(x)
        dW, db, dγ = [a.T @ d], [d.sum(0)], []
        d = d @ weights[-1].T
        for number in reversed(range(hidden)):
            a, û, r, z = kept[number]
            d = d * (z > 0)
            db.insert(0, d.sum(0))
            if norm:
                dγ.insert(0, (d * û).sum(0))
                h = d * gains[number]
                d = r * (h - h.mean(0) - û * (h * û).mean(0))
            dW.insert(0, a.T @ d)
            d = d @ weights[number].T
        for p, g, (m, v) in zip(θ, [*dW, *db, *dγ], moments, strict=True):
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= 0.001 * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return float(loss)
