"""A sweep given again goes on; one whose file has changed is refused, begun anew, or extended."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from nnexp.sweep.identity import described
from tests.command import Outcome, folders, nnexp
from tests.small import config_file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    config_file(tmp_path, stop={"epochs": 1})
    path = tmp_path / "s.yaml"
    path.write_text("base: small.yaml\ngrid: {optimizer: [sgd, adam]}\nseeds: 2\n")
    return path


def sweep(path: Path, *words: object) -> Outcome:
    return nnexp("sweep", path.name, "-j", 1, *words, cwd=path.parent)


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def sweeps(path: Path) -> list[Path]:
    return sorted((path.parent / "runs" / "sweeps").iterdir())


def plan(folder: Path) -> Any:
    return json.loads((folder / "plan.json").read_text())


def count(path: Path) -> int:
    return len(folders(path.parent / "runs"))


def test_what_has_changed_is_told_and_nothing_is_run(file: Path) -> None:
    assert sweep(file).code == 0
    [folder] = sweeps(file)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    change(file, "seeds: 2", "seeds: 2\nbatch: {size: 4}\nregularization: [l2]")
    change(file.parent / "small.yaml", "epochs: 1", "epochs: 2")
    result = sweep(file)
    assert (result.code, result.out) == (2, "")
    lines = result.err.splitlines()
    assert (
        lines[0] == f"s.yaml is not what it was when the sweep {folder.name} was begun, of which 4 of 4 runs are there:"
    )
    assert lines[1:-2] == ["    batch.size: 8 -> 4", "    stop.epochs: 1 -> 2", "    regularization: (nothing) -> [l2]"]
    assert lines[-2:] == [
        "--new begins another sweep beside it, which uses the runs that both have",
        "nothing was run",
    ]
    assert count(file) == 4
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    dry = sweep(file, "--dry-run")
    assert dry.code == 0
    assert "batch.size: 8 -> 4" in dry.err


def test_new_begins_another_and_goes_on_with_it(file: Path) -> None:
    assert sweep(file).code == 0
    change(file, "seeds: 2", "seeds: [1, 2]")
    assert sweep(file).code == 2
    result = sweep(file, "--new")
    assert result.code == 0
    assert "4 runs, 2 already there" in result.err
    assert (len(sweeps(file)), count(file)) == (2, 6)
    for words in ((), ("--new",), ("--extend",)):
        again = sweep(file, *words)
        assert again.code == 0
        assert "4 runs, 4 already there, nothing to run" in again.err
        assert len(sweeps(file)) == 2


def test_extend_runs_what_is_new_in_the_same_folder(file: Path) -> None:
    assert sweep(file).code == 0
    [folder] = sweeps(file)
    begun = plan(folder)["begun"]
    change(file, "[sgd, adam]", "[sgd, adam, nag]")
    change(file, "seeds: 2", "seeds: 3")
    refused = sweep(file)
    assert refused.code == 2
    assert "    grid.optimizer: [sgd, adam] -> [sgd, adam, nag]\n    seeds: [0, 1] -> [0, 1, 2]\n" in refused.err
    assert "--extend adds what is new to that sweep, and runs only that;" in refused.err
    result = sweep(file, "--extend")
    assert result.code == 0
    assert f"9 runs, 4 already there, 1 process; runs/sweeps/{folder.name}" in result.err
    assert (sweeps(file), count(file)) == ([folder], 9)
    written = plan(folder)
    assert [(one["runs"], one["added"]) for one in written["extended"]] == [(4, 5)]
    assert (written["begun"], len(written["runs"])) == (begun, 9)
    assert len(list(csv.DictReader((folder / "runs.csv").read_text().splitlines()))) == 9
    assert "nothing to run" in sweep(file).err
    assert [(one["runs"], one["added"]) for one in plan(folder)["extended"]] == [(4, 5)]


def test_less_than_there_was(file: Path) -> None:
    assert sweep(file).code == 0
    change(file, "seeds: 2", "seeds: 3")
    assert sweep(file, "--extend").code == 0
    [folder] = sweeps(file)
    change(file, "seeds: 3", "seeds: 2")
    result = sweep(file)
    assert result.code == 2
    assert "seeds: [0, 1, 2] -> [0, 1]" in result.err
    assert "--extend adds" not in result.err
    lost = sweep(file, "--extend")
    assert lost.code == 2
    assert f"--extend: this is not {folder.name} with more seeds or levels:\n    seeds: [0, 1, 2] -> [0, 1]" in lost.err
    assert sweep(file, "--new").code == 0
    assert [path.name for path in sweeps(file)] == [folder.name, f"{folder.name}-2"]
    assert "nothing to run; runs/sweeps/" + f"{folder.name}-2" in sweep(file).err


def test_other_words_are_another_sweep(file: Path) -> None:
    assert sweep(file).code == 0
    for words in (("batch.size=4",), ("--seeds", 3), ("optimizer=sgd,nag",)):
        result = sweep(file, *words)
        assert result.code == 0, result.err
    assert len(sweeps(file)) == 4
    change(file, "seeds: 2", "seeds: 2\nbatch: {size: 6}")
    assert sweep(file, "batch.size=4").code == 0, "what the words say stands over the file"
    assert "batch.size: 8 -> 6" in sweep(file, "--seeds", 3).err


def test_the_words_may_extend_an_earlier_sweep(file: Path) -> None:
    assert sweep(file).code == 0
    result = sweep(file, "--seeds", 3, "--extend")
    assert result.code == 0
    assert "6 runs, 4 already there" in result.err
    assert len(sweeps(file)) == 1
    assert "nothing to run" in sweep(file, "--seeds", 3).err
    assert len(sweeps(file)) == 1
    other = sweep(file, "stop=2", "--extend")
    assert other.code == 2
    assert "    stop: (nothing) -> 2" in other.err or "stop.epochs: 1 -> 2" in other.err


def test_what_computes_the_same_is_the_same_sweep(file: Path) -> None:
    assert sweep(file).code == 0
    text = "# a remark\nbase: small.yaml\nseeds: [1, 0]\nlimits: {seconds: 100}\ngrid:\n  optimizer: [adam, sgd]\n"
    file.write_text(text)
    result = sweep(file)
    assert result.code == 0
    assert "nothing to run" in result.err
    [folder] = sweeps(file)
    assert (folder / "given.yaml").read_text() == text


def test_a_sweep_without_runs_is_not_in_the_way(file: Path) -> None:
    assert sweep(file).code == 0
    for run in folders(file.parent / "runs"):
        run.rename(file.parent / run.name)
    change(file, "seeds: 2", "seeds: [5]")
    assert sweep(file).code == 0


def test_files_of_one_name(file: Path) -> None:
    assert sweep(file).code == 0
    (file.parent / "other").mkdir()
    other = file.parent / "other" / "s.yaml"
    other.write_text("base: ../small.yaml\nseeds: 3\n")
    result = nnexp("sweep", "other/s.yaml", "-j", 1, cwd=file.parent)
    assert result.code == 0, "another file is another sweep"
    assert len(sweeps(file)) == 2


def test_another_version(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sweep(file).code == 0
    monkeypatch.setattr("nnexp.config.load.__version__", "99.0")
    monkeypatch.setattr("nnexp.sweep.identity.__version__", "99.0")
    result = sweep(file)
    assert result.code == 2
    assert "    the description: the same\n    nnexp: 0.1.0 -> 99.0\n" in result.err


def test_a_tuned_comparison(file: Path) -> None:
    text = file.read_text() + "tune: {optimizer.lr: {log: [1e-3, 1]}, budget: 2}\n"
    file.write_text(text)
    assert sweep(file).code == 0
    before = sweeps(file)
    assert len({path.name.rpartition("-")[2] for path in before}) == 1, "its two folders have one digest"
    assert count(file) == 2 * 2 + 2 * 2
    change(file, "budget: 2", "budget: 3")
    refused = sweep(file)
    assert refused.code == 2
    assert "    tune.budget: 2 -> 3" in refused.err
    assert sweep(file, "--extend").code == 2, "other trials might give other values"
    file.write_text(text.replace("seeds: 2", "seeds: 3"))
    refused = sweep(file)
    assert refused.code == 2
    assert "--extend adds" in refused.err
    assert sweep(file, "--extend").code == 0
    assert sweeps(file) == before
    assert count(file) == 2 * 2 + 2 * 3, "only the new seeds are run"


def test_a_description_under_dotted_keys() -> None:
    spec = {
        "name": "s",
        "base": {"name": "s", "stop": {"epochs": 5, "patience": 2}, "optimizer": {"name": "sgd", "lr": 0.1}},
        "grid": {"stop": [3], "optimizer.lr": [0.1, 0.2], "optimizer": ["sgd"]},
        "zip": [{"a": [1, 2]}],
        "cases": {"one": {"seed.x": 1}},
        "seeds": [0],
        "limits": {"seconds": 3},
        "search": {"name": "tpe", "batch": 4},
    }
    assert described(spec) == {
        "stop": 3,
        "stop.patience": 2,
        "optimizer.name": "sgd",
        "optimizer": "sgd",
        "optimizer.lr": 0.1,
        "grid.optimizer.lr": [0.1, 0.2],
        "zip.a": [1, 2],
        "cases.one": {"seed.x": 1},
        "search.name": "tpe",
        "search.batch": 4,
        "seeds": [0],
    }
