"""Past runs: what is damaged is named, what is dead is lost, and words select what they say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import InputError
from nnexp.store.record import Record
from nnexp.store.runs import SILENCE, TUNING, Damaged, Shelf, process_mark, read_run
from tests.past import alter, past_run, past_sweep, read

# -- damaged ---------------------------------------------------------------------------------------


def _cut(folder: Path) -> None:
    path = folder / "metrics.csv"
    path.write_bytes(path.read_bytes()[:-20])


def _emptied(name: str, content: bytes = b"") -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return damage


def _without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _as_folder(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").mkdir()


DAMAGES: list[tuple[str, Callable[[Path], None], str]] = [
    ("no record", _without("run.json"), "it has no run.json"),
    ("an empty record", _emptied("run.json"), "run.json is not valid JSON"),
    ("half a record", _emptied("run.json", b'{"id": "a", '), "run.json is not valid JSON"),
    ("no text", _emptied("run.json", b"\xff\xfe\x00"), "run.json is not valid JSON"),
    ("nested without end", _emptied("run.json", b"[" * 100_000), "run.json is not valid JSON"),
    ("a list", _emptied("run.json", b"[1, 2]"), "run.json is not a record"),
    ("a number", _emptied("run.json", b"3"), "run.json is not a record"),
    ("another format", lambda folder: alter(folder, format=99), "run.json has format 99, this nnexp reads 1"),
    ("unreadable", _as_folder, "run.json cannot be read: Is a directory"),
    ("no log", _without("metrics.csv"), "metrics.csv cannot be read: No such file or directory"),
    ("half a log", _cut, "metrics.csv does not end with epoch 2, the run's last"),
    ("an empty log", _emptied("metrics.csv"), "metrics.csv does not end with epoch 2, the run's last"),
    ("a strange status", lambda folder: alter(folder, status="done"), "run.json: 'status' cannot be 'done'"),
    ("a text score", lambda folder: alter(folder, final={"a_loss": "x"}), "run.json: 'final.a_loss' cannot be 'x'"),
]
each_damage = pytest.mark.parametrize(("damage", "why"), [pytest.param(d, w, id=name) for name, d, w in DAMAGES])


@each_damage
def test_damaged_folders_are_named_and_left_out(tmp_path: Path, damage: Callable[[Path], None], why: str) -> None:
    good, bad = past_run(tmp_path, 0.5), past_run(tmp_path, 0.6)
    damage(bad)
    shelf = Shelf(tmp_path)
    assert [run.path for run in shelf.runs] == [good]
    assert shelf.damaged == [Damaged(bad, why)]


REQUIRED = [key for key, field in Record.model_fields.items() if field.is_required()]


@pytest.mark.parametrize("key", REQUIRED)
def test_what_a_record_must_have(tmp_path: Path, key: str) -> None:
    path = past_run(tmp_path, 0.5)
    record = json.loads((path / "run.json").read_text())
    del record[key]
    (path / "run.json").write_text(json.dumps(record))
    found = read_run(path)
    assert isinstance(found, Damaged)
    assert key in found.why


@pytest.mark.parametrize("value", [None, 1, 2.5, True, "x", [1], [[1]], {"a": 1}, {"a": [None]}], ids=repr)
@pytest.mark.parametrize("key", list(Record.model_fields))
def test_whatever_a_record_holds_the_shelf_stands(tmp_path: Path, key: str, value: Any) -> None:
    from nnexp.report.compare import compare

    past_run(tmp_path, 0.5)
    alter(past_run(tmp_path, 0.6, optimizer={"name": "adam", "lr": 1.0}), **{key: value})
    shelf = Shelf(tmp_path)
    assert len(shelf.runs) + len(shelf.damaged) == 2
    for by in ([], ["optimizer"]):
        assert compare(shelf.runs, by=by).rows
    assert shelf.latest()
    assert shelf.ended()


def test_what_is_no_run_is_no_matter(tmp_path: Path) -> None:
    past_run(tmp_path, 0.5)
    (tmp_path / "README.md").write_text("stray")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "sweeps").write_text("a file where a folder should be")
    shelf = Shelf(tmp_path)
    assert (len(shelf.runs), shelf.damaged, shelf.sweeps) == (1, [], [])
    assert Shelf(tmp_path / "nothing").runs == []


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"started": "a", "runs": [1]}',
        '{"started": "a", "runs": [{"fingerprint": "f"}]}',
        "[" * 100_000,
    ],
)
def test_a_damaged_plan_is_named(tmp_path: Path, content: str) -> None:
    run = past_run(tmp_path, 0.5)
    folder = past_sweep(tmp_path, "s", [run], "2026-01-01")
    (folder / "plan.json").write_text(content)
    shelf = Shelf(tmp_path)
    assert [run.path for run in shelf.runs] == [run]
    assert [(one.path, "plan.json cannot be used" in one.why) for one in shelf.damaged] == [(folder, True)]


# -- curves ----------------------------------------------------------------------------------------


def test_curves(tmp_path: Path) -> None:
    path = past_run(tmp_path, 0.5)
    (path / "metrics.csv").write_text("epoch,batch_loss,seconds\n0,,0.0\n1,nan,0.1\n2,0.30000000000000004,0.2\n3,0.")
    metrics = read(path).metrics()
    assert metrics["epoch"] == [0.0, 1.0, 2.0]
    assert metrics["batch_loss"][0] is None
    assert repr(metrics["batch_loss"][1:]) == "[nan, 0.30000000000000004]"
    assert metrics["seconds"] == [0.0, 0.1, 0.2]


@pytest.mark.parametrize("content", [b"epoch,a\n1\n", b"epoch,a\n1,x\n", b"epoch,a\n1,\xff\n", b"epoch,a\n1,2,3\n"])
def test_curves_that_are_damaged(tmp_path: Path, content: bytes) -> None:
    path = past_run(tmp_path, 0.5)
    run = read(path)
    (path / "metrics.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"metrics\.csv is damaged"):
        run.metrics()
    (path / "metrics.csv").unlink()
    with pytest.raises(InputError, match=r"metrics\.csv cannot be read: No such file"):
        run.metrics()


@pytest.mark.parametrize("content", ["", "epoch,a\n", "epoch,a\n0,"])
def test_curves_that_have_not_begun(tmp_path: Path, content: str) -> None:
    path = past_run(tmp_path, 0.5)
    run = read(path)
    (path / "metrics.csv").write_text(content)
    assert list(run.metrics().values()) in ([], [[], []])


# -- the living and the lost -----------------------------------------------------------------------


def running(root: Path, pid: int, **changes: Any) -> str:
    """The status of a run that its record says is running."""
    process = process_mark(pid) if pid != 1 else None
    record = {"pid": pid, "process": process, **changes}
    return read(past_run(root, status="running", **{f"record_{key}": value for key, value in record.items()})).status


def test_a_run_lives_while_its_process_does(tmp_path: Path) -> None:
    assert running(tmp_path, os.getpid()) == "running"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        path = past_run(tmp_path, status="running", record_pid=child.pid, record_process=process_mark(child.pid))
        assert read(path).status == "running"
        child.kill()
        deadline = time.monotonic() + 10
        while read(path).status == "running" and time.monotonic() < deadline:  # dead, though nobody has waited for it
            time.sleep(0.01)
        assert read(path).status == "lost"
    assert read(path).status == "lost"


@pytest.mark.skipif(process_mark(os.getpid()) is None, reason="the system does not tell when a process began")
def test_a_process_with_the_same_number_is_another(tmp_path: Path) -> None:
    assert running(tmp_path, os.getpid(), process="0badb007-1") == "lost"
    assert running(tmp_path, os.getpid(), process=None) == "running"


def test_a_run_elsewhere_lives_while_it_gives_signs(tmp_path: Path) -> None:
    path = past_run(tmp_path, status="running", record_host="another")
    assert read(path).status == "running"
    then = time.time() - 2 * SILENCE
    os.utime(path / "run.json", (then, then))
    assert read(path).status == "lost"


# -- selection -------------------------------------------------------------------------------------


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    root = tmp_path / "runs"
    for number, name in enumerate(("first", "second", "second", "other")):
        past_run(root, 0.5, name=name, seed=number, record_id=f"a{number}f{number:03}")
    known = Shelf(root)
    past_sweep(root, "grid-abc123", [known.runs[0].path, known.runs[3].path], known.runs[3].record["created"])
    return Shelf(root)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("a1f001", [1]),
        ("a2f", [2]),
        ("a", [0, 1, 2, 3]),
        ("second", [1, 2]),
        ("seco", [1, 2]),
        ("second-s2", [2]),
        ("first", [0]),
        ("@last", [3]),
        ("@last~0", [3]),
        ("@last~3", [0]),
        ("grid-abc123", [0, 3]),
        ("grid", [0, 3]),
        ("FOLDER0", [0]),
        ("runs", [0, 1, 2, 3]),
        ("runs/sweeps/grid-abc123", [0, 3]),
    ],
)
def test_words_select_runs(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, expected: list[int]
) -> None:
    monkeypatch.chdir(tmp_path)
    word = word.replace("FOLDER0", str(shelf.runs[0].path))
    assert [run.record["seed"] for run in shelf.select([word])] == expected
    if len(expected) == 1:
        assert shelf.one(word).record["seed"] == expected[0]
    else:
        with pytest.raises(InputError, match=rf"names {len(expected)} runs \(a\df\d+, .*\); give one id, or @last"):
            shelf.one(word)


def test_several_words_name_each_run_once(shelf: Shelf) -> None:
    found = shelf.select(["second", "a1f001", "@last", "grid"])
    assert sorted(run.record["seed"] for run in found) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("secnd", r"no run or sweep 'secnd' \(4 runs in .*runs\); did you mean 'second'\?"),
        ("a1f002", "did you mean 'a"),
        ("grid-abc124", "did you mean 'grid-abc123'"),
        ("zzz", r"no run or sweep 'zzz' \(4 runs in .*runs\)$"),
        ("@last~4", r"no run '@last~4': .* holds 4, down to @last~3"),
        ("@first", "no run or sweep '@first'"),
    ],
)
def test_words_that_select_nothing(shelf: Shelf, word: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        shelf.select([word])


def test_a_name_does_not_mean_the_trials_of_its_tuning(tmp_path: Path) -> None:
    results, trials = ([past_run(tmp_path, 0.5, name="tuned", seed=seed) for seed in seeds] for seeds in ([0, 1], [8]))
    past_sweep(tmp_path, "tuned-abc", results, "2026-01-02")
    folder = past_sweep(tmp_path, "tuned-tuning-abc", trials, "2026-01-01")
    plan = json.loads((folder / "plan.json").read_text())
    plan["origin"] = {"name": "tuned", "part": TUNING, "file": "tuned.yaml", "words": [], "digest": "1"}
    (folder / "plan.json").write_text(json.dumps(plan))
    shelf = Shelf(tmp_path)
    assert [run.record["seed"] for run in shelf.select(["tuned"])] == [0, 1]
    assert [run.record["seed"] for run in shelf.select(["tuned-tuning"])] == [8]


def test_a_name_means_all_runs_of_its_sweep(tmp_path: Path) -> None:
    own = [past_run(tmp_path, 0.5, name="rates", seed=seed) for seed in (0, 1)]
    earlier, single = past_run(tmp_path, 0.5, name="iris", seed=2), past_run(tmp_path, 0.5, name="rates", seed=3)
    folder = past_sweep(tmp_path, "rates-abc", [earlier, *own], "2026-01-02")
    plan = json.loads((folder / "plan.json").read_text())
    plan["origin"] = {"name": "rates", "part": "", "file": "rates.yaml", "words": [], "digest": "1"}
    (folder / "plan.json").write_text(json.dumps(plan))
    assert [run.path for run in Shelf(tmp_path).select(["rates"])] == [earlier, *own, single]


def test_the_latest(shelf: Shelf, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    assert {run.record["seed"] for run in shelf.latest()} == {0, 3}, "the sweep is the latest"
    past_run(root, 0.5, seed=9)
    assert [run.record["seed"] for run in Shelf(root).latest()] == [0, 1, 2, 3, 9], "a single run is newer"
    for seed in range(10, 20):
        past_run(root, 0.5, seed=seed)
    assert [run.record["seed"] for run in Shelf(root).latest()] == list(range(10, 20))
    assert Shelf(tmp_path / "nothing").latest() == []


def test_the_latest_compares_something(shelf: Shelf, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    members = {run.id for run in shelf.latest()}
    shared, own = past_run(root, 0.5, seed=30), past_run(root, 0.6, seed=31)
    folder = past_sweep(root, "small-calibration-abc", [shared, own], "2026-02-01")
    assert {run.record["seed"] for run in Shelf(root).latest()} == {30, 31}, "an earlier version did not say what it is"
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, "measures": True}))
    assert {run.id for run in Shelf(root).latest()} == members
    assert Shelf(root).select(["@best"])[0].id in members
    assert [run.record["seed"] for run in Shelf(root).select(["small-calibration"])] == [30, 31]
    past_sweep(root, "later-abc", [shared], "2026-01-31")
    assert [run.record["seed"] for run in Shelf(root).latest()] == [30], "a sweep has it, too"


def test_the_latest_measures_where_nothing_else_is_there(tmp_path: Path) -> None:
    folder = past_sweep(tmp_path, "v-1", [past_run(tmp_path, 0.5, seed=seed) for seed in (1, 2)], "2026-02-01")
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, "measures": True}))
    assert [run.record["seed"] for run in Shelf(tmp_path).latest()] == [1, 2]


def test_a_sweep_counts_each_planned_run_once(tmp_path: Path) -> None:
    # the same computation four times: what has ended stands for it, the latest of those
    runs = [
        past_run(tmp_path, 0.1 * number, status=status, record_fingerprint="f")
        for number, status in enumerate(("finished", "interrupted", "diverged", "failed"))
    ]
    past_sweep(tmp_path, "s", runs[:1], "2026", cases={runs[0]: "a case"})
    shelf = Shelf(tmp_path)
    members = shelf.runs_of(shelf.sweeps[0])
    assert [(run.path, run.record["case"]) for run in members] == [(runs[2], "a case")]
    assert shelf.ended()["f"].path == runs[2]
    assert shelf.resumable()["f"].path == runs[1]


def test_an_unended_run_stands_for_its_plan(tmp_path: Path) -> None:
    runs = [past_run(tmp_path, status=status, record_fingerprint="f") for status in ("failed", "interrupted")]
    past_sweep(tmp_path, "s", runs[:1], "2026")
    shelf = Shelf(tmp_path)
    assert [run.path for run in shelf.runs_of(shelf.sweeps[0])] == [runs[1]]
    assert shelf.ended() == {}
