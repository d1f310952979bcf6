"""benchmarks/limits.py in a few seconds: every part is there, and the parts are the whole."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.benchmarks.script import script


def test_limits(tmp_path: Path) -> None:
    out = tmp_path / "limits.csv"
    said = script("limits.py", "--networks", "64-32-10", "--repeat", "1", "--budget", "0.02", "--csv", str(out))
    assert "64-32-10" in said
    (row,) = csv.DictReader(out.read_text(encoding="utf-8").splitlines())
    parts = ("gather", "products", "forward", "loss", "backward", "optimizer", "rest")
    assert sum(float(row[part]) for part in parts) == pytest.approx(float(row["step"]), rel=1e-6)
    assert all(float(row[part]) > 0 for part in parts[:-1])
