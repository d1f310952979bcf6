"""benchmarks/sweep.py, shortened, with whatever peers are installed."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.script import imported, script


@pytest.mark.slow
def test_table_and_csv_with_what_is_installed(tmp_path: Path):
    target = tmp_path / "sweep.csv"
    said = script("sweep.py", "--quick", "--networks", "64-32-10", "--csv", str(target))
    ways, frameworks = imported("peer_sweeps").WAYS, imported("frameworks").FRAMEWORKS
    with target.open() as file:
        rows = {row["framework"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["nnexp", "nnexp, scores at the end", *ways]
    losses = []
    for name, row in rows.items():
        missing = frameworks[ways[name][0]].missing() if name in ways else []
        assert row["missing"] == ", ".join(missing)
        assert (row["models_per_second"] == "") == bool(missing)
        if missing:
            assert f"not installed: {', '.join(missing)}" in said
        else:
            assert float(row["models_per_second"]) == pytest.approx(4 / float(row["median_seconds"]))
            losses.append(float(row["loss"]))
    assert rows["nnexp"]["loss"] == rows["nnexp, scores at the end"]["loss"]  # looking changes nothing
    assert max(losses) < np.log(10)


def test_score_by_hand():
    """x = [1, -1] through V = I: a = [1, 0]; z = [2, 0]: the loss is log(1 + e⁻²) for class 0, 2 more for class 1."""
    layers = [(np.eye(2), np.zeros(2)), (np.array([[2.0, 0.0], [0.0, 5.0]]), np.zeros(2))]
    x = np.array([[1.0, -1.0], [1.0, -1.0]])
    loss, accuracy = imported("peer_sweeps").score(layers, x, np.array([0, 1]))
    assert loss == pytest.approx(np.log1p(np.exp(-2.0)) + 1)
    assert accuracy == 0.5
