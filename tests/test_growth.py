"""benchmarks/growth.py: it runs as a whole in a small form, and its exponents are those of known power laws."""

from __future__ import annotations

import csv
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parent.parent / "benchmarks" / "growth.py"


@pytest.fixture(scope="module")
def growth() -> Any:
    spec = importlib.util.spec_from_file_location("growth", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["growth"] = module  # dataclasses look for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules["growth"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_an_exact_power_law(growth: ModuleType) -> None:
    sizes = [1, 2, 4, 8, 16, 32]
    fit = growth.fitted(sizes, [9.0, 9.0, 9.0, *(3.0 * n**1.5 for n in sizes[3:])])
    assert fit.exponent == pytest.approx(1.5)
    assert fit.factor == pytest.approx(3.0)
    assert fit.error == pytest.approx(0, abs=1e-7)
    assert (fit.first, fit.last) == (8, 32), "the upper half"


def test_the_standard_error_is_that_of_least_squares(growth: ModuleType) -> None:
    stats = pytest.importorskip("scipy.stats")
    np = pytest.importorskip("numpy")
    sizes, seconds = [2, 5, 10, 20, 50], [1.0, 2.2, 4.5, 8.0, 23.0]
    known = stats.linregress(np.log(sizes[-3:]), np.log(seconds[-3:]))
    fit = growth.fitted(sizes, seconds)
    assert (fit.exponent, fit.error) == (pytest.approx(known.slope), pytest.approx(known.stderr))


@pytest.mark.slow
def test_it_runs(growth: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    for name in ("NNEXP_FORM", "NNEXP_JOBS"):
        monkeypatch.delenv(name, raising=False)
    given = ["growth.py", "--quick", "--repeat", "1", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", given)
    growth.main()
    points, fits = rows(tmp_path / "growth.csv"), rows(tmp_path / "growth-fits.csv")
    expected = {(q.name, time, str(size)) for q in growth.QUANTITIES for time in q.limits for size in q.quick}
    assert {(row["quantity"], row["time"], row["size"]) for row in points} == expected
    assert all(float(row["median"]) > 0 for row in points)
    assert [(row["quantity"], row["time"]) for row in fits] == [
        (q.name, t) for q in growth.QUANTITIES for t in q.limits
    ]
    for quantity in growth.QUANTITIES:
        picture = (tmp_path / f"growth-{quantity.name}.png").read_bytes()
        assert picture.startswith(b"\x89PNG")
        assert len(picture) < 60_000
    monkeypatch.setattr(sys, "argv", [*given, "--only", "depth"])
    growth.main()
    again = rows(tmp_path / "growth.csv")
    assert {tuple(row.values())[:3] for row in again} == {tuple(row.values())[:3] for row in points}
    assert [row for row in again if row["quantity"] != "depth"] == [row for row in points if row["quantity"] != "depth"]
