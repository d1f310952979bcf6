"""Which runs are meant: by tag, condition, age, status and sweep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nnexp.errors import InputError
from nnexp.report.choose import begun_since, check_statuses, matching, moment, of_sweep
from nnexp.report.compare import compare
from nnexp.store.labels import change_labels
from nnexp.store.runs import Shelf
from tests.past import past_run, past_sweep

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    for i in range(4):
        path = past_run(tmp_path, 0.5 + i / 10, seed=i)
        change_labels([path], lambda labels, i=i: labels.with_tag("even" if i % 2 == 0 else "odd"))
    change_labels([path], lambda labels: labels.with_tag("best"))
    return Shelf(tmp_path)


@pytest.mark.parametrize(
    ("conditions", "seeds"),
    [
        ([], [0, 1, 2, 3]),
        (["tag=even"], [0, 2]),
        (["tag == '@even'"], [0, 2]),
        (["tag!=even"], [1, 3]),
        (["tags=odd and tag=best"], [3]),
        (["tag=odd", "tag=even"], []),
        (["tag=odd and seed<3"], [1]),
        (["seed<3 and tag=odd"], [1]),
        (["seed>0", "tag!=best"], [1, 2]),
        (["tag=none"], []),
    ],
)
def test_conditions(shelf: Shelf, conditions: list[str], seeds: list[int]) -> None:
    assert [run.record["seed"] for run in matching(shelf.runs, conditions)] == seeds
    if seeds:
        assert len(compare(shelf.runs, conditions=conditions, aggregate=False).rows) == len(seeds)
    else:
        with pytest.raises(InputError, match=f"no runs are left to compare where {conditions[0]}"):
            compare(shelf.runs, conditions=conditions)


@pytest.mark.parametrize("text", ["tag", "tag<good", "tag=", "tag=a b", "tag>=x"])
def test_conditions_that_are_none(shelf: Shelf, text: str) -> None:
    with pytest.raises(InputError, match=r"--where: 'tag|no tag|is not a condition"):
        matching(shelf.runs, [text])


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("2 hours ago", timedelta(hours=2)),
        ("2 hours", timedelta(hours=2)),
        ("2h", timedelta(hours=2)),
        ("an hour ago", timedelta(hours=1)),
        ("1.5 days", timedelta(hours=36)),
        ("90 min", timedelta(minutes=90)),
        ("30 mins", timedelta(minutes=30)),
        ("45 s", timedelta(seconds=45)),
        ("3 Weeks Ago", timedelta(weeks=3)),
        ("a month", timedelta(days=30)),
        ("0 days", timedelta()),
    ],
)
def test_moments_before_now(text: str, ago: timedelta) -> None:
    assert moment(text, NOW) == NOW - ago


def test_dates() -> None:
    assert moment("2026-11-01T10:00+02:00", NOW) == datetime(2026, 11, 1, 8, tzinfo=UTC)
    assert moment("2026-11-01", NOW) == datetime(2026, 11, 1).astimezone()
    assert moment("2026-11-01 10:30", NOW) == datetime(2026, 11, 1, 10, 30).astimezone()
    local = NOW.astimezone()
    assert moment("today", NOW) == local.replace(hour=0)
    assert moment("yesterday", NOW) == local.replace(hour=0) - timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is no time"),
        ("soon", "'soon' is no time; write '2 hours ago'"),
        ("2 hors ago", "'hor' is no unit of time; did you mean 'hour'?"),
        ("-2 hours", "is no time"),
        ("2026-13-01", "is no time"),
        ("9999999999 years", "before the beginning of time"),
    ],
)
def test_what_is_no_time(text: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        moment(text, NOW)
    assert told in str(error.value)


def test_ages(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for hours, stamp in ((1, "+00:00"), (3, "+00:00"), (5, "Z"), (7, "")):
        created = (now - timedelta(hours=hours)).isoformat().removesuffix("+00:00") + stamp
        past_run(tmp_path, seed=hours, record_created=created)
    past_run(tmp_path, seed=99, record_created="long ago")
    runs = Shelf(tmp_path).runs
    assert {run.record["seed"] for run in begun_since(runs, "4 hours ago")} == {1, 3}
    assert {run.record["seed"] for run in begun_since(runs, "1 day")} == {1, 3, 5, 7}


def test_statuses() -> None:
    assert check_statuses(["finished", "lost"]) == ["finished", "lost"]
    with pytest.raises(InputError, match=r"a run is never 'finishd'; did you mean 'finished'\?"):
        check_statuses(["finishd"])
    with pytest.raises(InputError, match=r"a run is never 'xyz'; one of running, finished, .*lost"):
        check_statuses(["xyz"])


def test_sweeps(shelf: Shelf) -> None:
    for number in (1, 2):
        past_sweep(shelf.root, f"grid-{number}", [run.path for run in shelf.runs[:number]], f"2026-0{number}")
    known = Shelf(shelf.root)
    assert len(of_sweep(known, "grid-1")) == 1
    assert len(of_sweep(known, "grid")) == 2, "the latest that begins so"
    assert len(of_sweep(known, str(shelf.root / "sweeps" / "grid-1"))) == 1
    with pytest.raises(InputError, match=r"no sweep 'grod-1' \(2 sweeps in .*\); did you mean 'grid-1'\?"):
        of_sweep(known, "grod-1")
