"""`nnexp.load` and `nnexp.compare`: what run folders hold as a pandas frame, and the numbers of the command from it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import nnexp as package
from nnexp.errors import InputError
from nnexp.report.asked import Asked
from nnexp.report.firewall import open_to
from nnexp.store.labels import change_labels
from nnexp.store.runs import Run
from tests.command import nnexp
from tests.past import ADAM, past_run, past_sweep, read, read_all


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Run]:
    """Two optimizers, three seeds each, one more that diverged, in runs/ of the working folder."""
    root = tmp_path / "runs"
    for optimizer, bonus in (({"name": "sgd", "lr": 0.1}, 0.0), (ADAM, 0.1)):
        for seed in range(3):
            past_run(root, 0.7 + bonus + seed / 100 + 1e-13, optimizer=optimizer, seed=seed)
    change_labels([past_run(root, status="diverged", seed=9)], lambda labels: labels.with_tag("odd"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NNEXP_RUNS", raising=False)
    return read_all(root)


def test_a_row_a_run(runs: list[Run]) -> None:
    data = package.load("runs")
    assert list(data["id"]) == [run.id for run in runs]
    assert list(data["optimizer.name"]) == ["sgd"] * 3 + ["adam"] * 3 + ["sgd"]
    assert list(data["status"]) == ["finished"] * 6 + ["diverged"]
    for run, row in zip(runs[:6], data.to_dict("records"), strict=False):
        assert all(row[key] == value for key, value in open_to(run.final, test=False).items()), "to the bit"
        assert row["seed"] == run.record["seed"]
        assert Path(row["path"]).resolve() == run.path.resolve()
    assert data["validation_accuracy"].isna().tolist() == [False] * 6 + [True]
    assert data["tags"].iloc[-1] == ("odd",)
    assert "<table" in data._repr_html_()
    assert package.load().equals(data)


def test_test_scores_on_request(runs: list[Run]) -> None:
    data = package.load("runs")
    assert not [name for name in data.columns if name.startswith("test_")]
    tested = package.load("runs", test=True)
    assert list(tested["test_accuracy"][:6]) == [run.final["test_accuracy"] for run in runs[:6]]
    assert tested.attrs["looks"] == {"moons": 1}
    assert package.load("runs", where="test_accuracy<2", test=True).attrs["looks"] == {"moons": 2}
    with pytest.raises(InputError, match="--where: 'test_accuracy<2' looks at the test split"):
        package.load("runs", where="test_accuracy<2")
    with pytest.raises(InputError, match="curves hold no test scores"):
        package.load("runs", curves=True, test=True)


def test_a_row_an_epoch(runs: list[Run]) -> None:
    data = package.load("runs", curves=True)
    assert len(data) == 3 * len(runs)
    for run in runs:
        part = data[data["id"] == run.id]
        for name, column in run.metrics().items():
            assert list(part[name]) == column
        assert set(part["optimizer.name"]) == {run.config["optimizer.name"]}
    assert len(set(data.columns)) == len(data.columns)


def test_which_runs(runs: list[Run]) -> None:
    past_sweep(Path("runs"), "grid", [run.path for run in runs[:2]], "2026", {runs[0].path: "plain"})
    assert len(package.load("grid")) == len(package.load("runs/sweeps/grid")) == 2
    assert [case if isinstance(case, str) else None for case in package.load("grid")["case"]] == ["plain", None]
    for word in (runs[3].id, str(runs[3].path), runs[3].path):
        assert list(package.load(word)["id"]) == [runs[3].id]
    assert len(package.load("@odd")) == 1
    assert len(package.load(where="optimizer=adam")) == len(package.load(where=["optimizer=adam", "seed<9"])) == 3


def test_the_numbers_of_the_command(runs: list[Run]) -> None:
    data = package.load()
    found = package.compare(data, by="optimizer")
    told = nnexp("compare", *data["id"], "--by", "optimizer", "--format", "json", cwd=Path.cwd()).json
    for row, other in zip(found.rows, told["rows"], strict=True):
        assert {key: row.get(key) for key in other} == other
    assert "<table" in found._repr_html_()
    filtered = package.compare(data[data["optimizer.name"] == "adam"], metric="loss", aggregate=False)
    assert [row["id"] for row in filtered.rows] == [run.id for run in runs[3:6]][::-1]
    curves = package.load(curves=True)
    assert package.compare(curves, by="optimizer").rows == found.rows, "a run counts once"


def test_a_look_at_test_scores_is_counted(runs: list[Run]) -> None:
    data = package.load()
    with pytest.raises(InputError, match="'test_accuracy' looks at the test split"):
        package.compare(data, by="optimizer", metric="test_accuracy")
    for number in (1, 2):
        found = package.compare(data, by="optimizer", asked=Asked(test=True))
        assert found.meta["tested"]["looks"] == {"moons": number}
        assert f"so far {number} look" in found.notes[-1]
    assert "so far 3 looks at moons" in nnexp("compare", "--where", "seed<9", "--test", cwd=Path.cwd()).out


def test_a_sweep_keeps_its_cases(runs: list[Run]) -> None:
    cases = {run.path: ("plain", "other")[number % 2] for number, run in enumerate(runs[:4])}
    past_sweep(Path("runs"), "grid", list(cases), "2026", cases)
    assert {row["case"] for row in package.compare(package.load("grid"), by="case").rows} == {"plain", "other"}


def test_what_is_refused(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run or sweep 'grod'"):
        package.load("grod")
    with pytest.raises(InputError, match="no run has 'optimzer'; did you mean 'optimizer'"):
        package.load(where="optimzer=adam")
    with pytest.raises(InputError, match="no runs in runs where seed=77"):
        package.load("runs", where="seed=77")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no runs in empty"):
        package.load("empty")
    data = package.load()
    with pytest.raises(InputError, match="the frame has no column 'path', which nnexp"):
        package.compare(data.drop(columns="path"))
    (read(runs[0].path).path / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"has changed since it was loaded: run\.json is not valid JSON"):
        package.compare(data)
    with pytest.raises(AttributeError, match="module 'nnexp' has no attribute 'lod'"):
        package.lod  # noqa: B018


def test_the_package_itself_is_light() -> None:
    script = "import nnexp, sys; print([m for m in ('numpy', 'pandas', 'pydantic', 'typer') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
