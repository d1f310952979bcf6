"""The line below a comparison that a kept calibration gives: which one fits, and what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nnexp.report.calibrated import _at
from nnexp.report.compare import compare
from nnexp.report.tables import Grid
from nnexp.store.calibrations import APART, FOLDER, SPLIT, START, keep, kept
from tests.past import ADAM, past_run, read_all

FACTORS = {START: 0.5, SPLIT: 1, APART: 2}
SGD = {"name": "sgd", "lr": 0.1}


def reach(n: int, kind: str, size: float | None) -> dict[str, Any]:
    low, high = (None, None) if size is None else (0.8 * size, 1.2 * size)
    return {"n": n, "kind": kind, "smallest": size, "low": low, "high": high, "by_t": size}


def calibration(root: Path, **changes: Any) -> Path:
    """A kept calibration of the past runs' setting, with other parts."""
    first = read_all(root)[0]
    sizes = {6: 0.08, 10: 0.05, 20: 0.03, 30: 0.02}
    result = {
        "seeds": 40,
        "std": 0.04,
        "reach": [reach(n, kind, factor * size) for n, size in sizes.items() for kind, factor in FACTORS.items()],
        "errors": [{"n": 10, "kind": SPLIT, "false": 33, "of": 1000, "missed": 0.05}],
    }
    document = {
        "name": "past",
        "created": "2026-01-01T00:00:00+00:00",
        "nnexp": "0.1.0",
        "dataset": "moons",
        "metric": "validation_accuracy",
        "higher_is_better": True,
        "n": 10,
        "config": first.brief.setting.config,
        "data": [first.brief.data],
        "drawn": False,
        "result": result,
        "sampling": {
            "split": "validation", "examples": 12, "error": 0.1, "how": "binomial", "tested": 48, "test_error": 0.05
        },
    }  # fmt: skip
    return keep(root, {**document, **changes})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Eight runs each of two optimizers."""
    for seed in range(8):
        past_run(tmp_path, 0.5 + seed / 100, optimizer=SGD, seed=seed)
        past_run(tmp_path, 0.6 + seed / 90, optimizer=ADAM, seed=seed)
    return tmp_path


def line(root: Path, **options: Any) -> str:
    """What the comparison by optimizer says of calibration."""
    return "".join(note for note in table(root, **options).notes if note.startswith("calibrated"))


def table(root: Path, **options: Any) -> Grid:
    return compare(read_all(root), ["optimizer.name"], **options)


def test_nothing_is_kept(root: Path) -> None:
    grid = table(root)
    assert not any("calibrated" in note for note in grid.notes)
    assert "calibration" not in grid.meta


def test_what_eight_pairs_tell(root: Path) -> None:
    calibration(root)
    size = _at({"reach": [reach(6, SPLIT, 0.08), reach(10, SPLIT, 0.05)]}, 8, SPLIT, "smallest")
    assert 0.05 < size < 0.08  # type: ignore[operator]
    said = line(root)
    assert said.startswith("calibrated on past (40 seeds): 8 pairs tell differences from ")
    assert f"from {size / 2:.3f} (same split and start) or {size:.3f} (same split only) on; against itself" in said
    assert "against itself 33 of 1,000 comparisons got a claim" in said
    assert "a score on 12 validation examples: ± 0.10 (standard error)" in said
    told = table(root).meta["calibration"]
    assert (told["n"], told["other"], told["split_error"]) == (8, [], 0.1)
    assert told["smallest"][SPLIT] == pytest.approx([size, 0.8 * size, 1.2 * size])  # type: ignore[operator]


def test_test_scores_have_the_error_of_the_test_split(root: Path) -> None:
    from nnexp.report.asked import Asked

    calibration(root)
    said = line(root, metric="test_accuracy", asked=Asked(test=True))
    assert said.startswith("calibrated by validation_accuracy on past")
    assert "a score on 48 test examples: ± 0.050 (standard error)" in said


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": "validation_loss"},
        {"data": ["another table"]},
        {"n": "ten"},
    ],
    ids=str,
)
def test_a_calibration_that_does_not_fit(root: Path, changes: dict[str, Any]) -> None:
    calibration(root, **changes)
    assert line(root) == ""


def test_other_examples_do_not_fit(root: Path) -> None:
    config = read_all(root)[0].brief.setting.config
    calibration(root, config={**config, "dataset.n": 100})
    calibration(root, config={**config, "dataset.validation": 0.5})
    assert line(root) == ""


def test_data_that_each_seed_draws_fit_by_their_description(root: Path) -> None:
    calibration(root, data=["one", "another"], drawn=True)
    assert line(root)


def test_another_setting_is_said_to_be_one(root: Path) -> None:
    config = read_all(root)[0].brief.setting.config
    calibration(root, config={**config, "stop.epochs": 99, "optimizer.name": "lion", "optimizer.beta9": 1})
    assert "(40 seeds, another setting (optimizer.name, stop.epochs)):" in line(root)
    calibration(root, config={**config, "dataset.preprocessing": []})
    assert "another setting (dataset.preprocessing)" in line(root), "the nearest one"
    calibration(root)
    assert "(40 seeds):" in line(root), "that of a level is nearer still"


def test_another_version_is_named(root: Path) -> None:
    calibration(root, nnexp="0.0.1")
    assert "(40 seeds, with nnexp 0.0.1):" in line(root)


def test_of_equally_near_ones_the_newest_counts(root: Path) -> None:
    config = read_all(root)[0].brief.setting.config
    calibration(root, name="old", config={**config, "stop.epochs": 7}, created="2026-01-01")
    calibration(root, name="new", config={**config, "stop.epochs": 8}, created="2026-01-02")
    assert "calibrated on new" in line(root)


def test_unpaired_levels(tmp_path: Path) -> None:
    for seed in range(7):
        past_run(tmp_path, 0.5 + seed / 100, optimizer=SGD, seed=seed)
        past_run(tmp_path, 0.6 + seed / 90, optimizer=ADAM, seed=100 + seed)
    calibration(tmp_path)
    said = line(tmp_path)
    assert "7 unpaired runs tell differences from 0.14" in said
    assert "against itself" not in said


def test_fewer_than_six_pairs_are_told_what_six_tell(tmp_path: Path) -> None:
    for seed in range(3):
        past_run(tmp_path, 0.5 + seed / 100, optimizer=SGD, seed=seed)
        past_run(tmp_path, 0.6 + seed / 90, optimizer=ADAM, seed=seed)
    calibration(tmp_path)
    assert "6 pairs tell differences from 0.040 (same split and start) or 0.080 (same split only) on" in line(tmp_path)


def test_where_runs_fail_nothing_may_be_found(root: Path) -> None:
    path = calibration(root, sampling=None)
    document = json.loads(path.read_text())
    for one in document["result"]["reach"]:
        one |= {"smallest": None, "low": None, "high": None}
    path.write_text(json.dumps(document))
    assert line(root).startswith(
        "calibrated on past (40 seeds): 8 pairs find no difference 4 times in 5, for runs fail"
    )


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', '{"format": 2}', "\x00"])
def test_a_damaged_file_is_left_out(root: Path, text: str) -> None:
    path = calibration(root)
    path.write_text(text)
    assert line(root) == ""
    assert [one.path for one in kept(root)[1]] == [path]


@pytest.mark.parametrize("result", [{}, {"reach": 1}, {"reach": [1], "errors": []}, {"reach": [], "errors": [{}]}])
def test_a_result_that_cannot_be_read(root: Path, result: dict[str, Any]) -> None:
    calibration(root, result={"seeds": 40, "std": 0.1, **result})
    assert line(root) == ""
    assert len(kept(root)[1]) == 1


def test_a_sampling_error_that_cannot_be_read(root: Path) -> None:
    calibration(root, sampling={"error": 0.1})
    assert line(root) == ""
    assert len(kept(root)[1]) == 1


def test_one_file_for_each_configuration_and_metric(root: Path) -> None:
    paths = {calibration(root), calibration(root, created="2026-02-02"), calibration(root, metric="validation_loss")}
    assert {path.parent for path in paths} == {root / FOLDER}
    assert len(paths) == 2
    assert [one.created[:7] for one in kept(root)[0]] == ["2026-01", "2026-02"]


def test_no_luck_where_the_split_decides(root: Path) -> None:
    path = calibration(root)
    document = json.loads(path.read_text())
    for one in document["result"]["reach"]:
        one |= {"smallest": 0.0, "low": 0.0, "high": 0.0}
    path.write_text(json.dumps(document))
    assert "8 pairs find any difference, for runs of one split have the same score" in line(root)


def test_between_and_beyond_the_kept_counts() -> None:
    """Where the difference is c / √n, so it is in between and beyond."""
    result = {"reach": [reach(n, SPLIT, n**-0.5) for n in (6, 10, 20, 30)]}
    for n in (6, 7, 10, 15, 30, 100):
        assert _at(result, n, SPLIT, "smallest") == pytest.approx(n**-0.5)
    assert _at(result, 10, APART, "smallest") is None
    result["reach"][0] = reach(6, SPLIT, None)
    assert _at(result, 8, SPLIT, "smallest") is None
    assert _at(result, 12, SPLIT, "smallest") == pytest.approx(12**-0.5)
