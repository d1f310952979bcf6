"""Test scores are shown by --test alone, whichever the command, and each look is counted in one place."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from nnexp.store.looks import NAME
from tests.command import Outcome, nnexp
from tests.past import ADAM, past_run, past_sweep

TEST_SCORE = 0.123456
"""What no other number of these runs is."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with two optimizers, two seeds each, in a sweep; and a run that diverged."""
    root = tmp_path_factory.mktemp("seen") / "runs"
    final = {"train_loss": 0.3, "train_accuracy": 0.6, "validation_loss": 0.4, "validation_accuracy": 0.5}
    tested = final | {"test_loss": TEST_SCORE, "test_accuracy": TEST_SCORE}
    for number, change in enumerate(({}, {"optimizer": ADAM})):
        for seed in range(2):
            past_run(root, 0.5, seed=seed, record_final=tested, record_id=f"{number}{seed}aaaa", **change)
    past_run(root, status="diverged", record_id="ffaaaa", name="lost")
    past_sweep(root, "grid", [path for path in sorted(root.iterdir()) if "lost" not in path.name], "2026")
    return root


def use(runs: Path, words: str) -> Outcome:
    result = nnexp(*shlex.split(words), cwd=runs.parent)
    assert result.code == 0, result.err
    return result


def looks(runs: Path) -> list[int]:
    """The number of runs in each look that was recorded."""
    path = runs / NAME
    return [json.loads(line)["runs"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    "words",
    [
        "show 00aaaa",
        "show 00aaaa --format json",
        "diff 00aaaa 10aaaa",
        "diff 00aaaa 10aaaa --format json",
        "compare",
        "compare --each --columns all",
        "compare --by optimizer --format json",
        "runs --columns all",
        "runs --format json",
        "sweep --status",
        "plot strips grid",
        "plot curves grid --metric loss",
    ],
)
def test_without_being_asked_nothing_shows_them(runs: Path, words: str) -> None:
    before = looks(runs)
    said = use(runs, words)
    assert str(TEST_SCORE)[:6] not in said.out + said.err
    # the record names what is to be large
    assert not re.search(r"test[_ ](loss|accuracy)", re.sub(r'"higher_is_better": \[[^]]*\]', "", said.out))
    assert looks(runs) == before


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ("show 00aaaa --test", 1),
        ("diff 00aaaa 10aaaa --test", 2),
        ("compare --test --by optimizer", 4),
        ("compare --test --each --columns all", 4),
    ],
)
def test_asked_for_they_are_shown_and_counted(runs: Path, words: str, count: int) -> None:
    before = looks(runs)
    said = use(runs, words.replace("compare", "compare grid"))
    assert str(TEST_SCORE)[:5] in said.out
    number = len(before) + 1
    told = f"so far {number} look{'s' if number > 1 else ''} at moons"
    assert told in " ".join((said.out + said.err).split())
    assert looks(runs) == [*before, count]


def test_that_no_run_scores_so_well_is_a_look(runs: Path) -> None:
    before = looks(runs)
    done = nnexp("compare", "grid", "--test", "--where", "test_accuracy>0.5", cwd=runs.parent)
    assert (done.code, done.out) == (2, "")
    assert "no runs are left to compare where test_accuracy>0.5" in done.err
    assert looks(runs) == [*before, 4]
    assert nnexp("compare", "grid", "--test", "--where", "seed>9", cwd=runs.parent).code == 2
    assert looks(runs) == [*before, 4]


def test_in_json_too(runs: Path) -> None:
    before = len(looks(runs))
    shown = use(runs, "show 00aaaa --test --format json").json
    assert (shown["final"]["test_loss"], shown["looks"]) == (TEST_SCORE, {"moons": before + 1})
    compared = use(runs, "diff 00aaaa 10aaaa --test --format json").json
    assert compared["looks"] == {"moons": before + 2}
    assert "looks" not in use(runs, "show 00aaaa --format json").json


def test_a_person_is_told_where_they_are(runs: Path) -> None:
    assert "test scores, when the choice is made: nnexp show 00aaaa --test" in use(runs, "show 00aaaa").out
    assert "test scores" not in use(runs, "show ffaaaa").out


def test_where_there_are_none(runs: Path) -> None:
    before = looks(runs)
    for words, told in (
        ("show ffaaaa --test", "--test: run ffaaaa (diverged) has no test scores"),
        ("show ffaaaa --test --format json", "--test: run ffaaaa (diverged) has no test scores"),
    ):
        refused = nnexp(*words.split(), cwd=runs.parent)
        assert (refused.code, refused.out, refused.err.strip()) == (2, "", told)
    assert looks(runs) == before
    assert use(runs, "diff ffaaaa 00aaaa --test").out.count(f"{TEST_SCORE:.4g}") == 2
    assert looks(runs) == [*before, 1]
