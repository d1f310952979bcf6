"""Keeping house: lists, tags, notes, the bin, runs trained again, side by side, and carried between machines."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.cells import cell_len

from nnexp.cli.keep import MANY
from nnexp.store.runs import Shelf
from tests.command import Outcome, nnexp
from tests.past import alter, past_run, past_sweep
from tests.small import EVERYTHING, config_file, log, model


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Four past runs, two of them a sweep's, the first an hour old, the next two and so on."""
    root = tmp_path / "runs"
    for number, status in enumerate(("finished", "finished", "diverged", "interrupted")):
        created = datetime.now(UTC) - timedelta(hours=4 - number, minutes=1)
        past_run(
            root,
            0.5 + number / 10,
            status=status,
            name="moons" if number < 3 else "spiral",
            seed=number,
            record_id=f"a{number}0000",
            record_created=created.isoformat(),
            record_label="" if number else "optimizer-adam",
        )
    past_sweep(root, "grid-1", [run.path for run in Shelf(root).runs[:2]], "2026")
    return root


def use(runs: Path, *words: object, **environment: str) -> Outcome:
    return nnexp(*words, cwd=runs.parent, **environment)


def listed(runs: Path, *words: object) -> list[str]:
    """The ids that `nnexp runs` lists."""
    result = use(runs, "runs", *words, "--format", "csv")
    assert result.code == 0, result.err
    return [row["id"] for row in csv.DictReader(io.StringIO(result.out, newline=""), strict=True)]


# -- the list --------------------------------------------------------------------------------------


def test_a_list(runs: Path) -> None:
    result = use(runs, "runs")
    assert (result.code, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[0].split() == ["run", "name", "what", "differs", "seed", "status", "age", "size"]
    assert lines[1].split()[:8] == ["a30000", "spiral", "-", "3", "interrupted", "1", "h", "1"]
    assert [line.split()[0] for line in lines[1:5]] == ["a30000", "a20000", "a10000", "a00000"]
    assert lines[5].startswith("4 runs, 5 kB, in runs")


def test_machines_get_everything(runs: Path) -> None:
    use(runs, "tag", "a0", "good")
    use(runs, "note", "a0", "a note, with a comma")
    document = use(runs, "runs", "--format", "json").json
    assert (document["format"], document["kind"], document["runs"]) == (1, "runs", 4)
    assert document["bytes"] == sum(row["size"] for row in document["rows"])
    row = document["rows"][-1]
    assert (row["id"], row["tags"], row["note"]) == ("a00000", ["good"], "a note, with a comma")
    size = sum(path.stat().st_size for path in (runs.parent / row["path"]).iterdir())
    assert row["size"] == size
    columns = next(csv.reader(io.StringIO(use(runs, "runs", "--where", "seed=3", "--format", "csv").out)))
    assert columns == list(document["rows"][0])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "3210"),
        (["--status", "finished"], "10"),
        (["--status", "finished", "--status", "diverged"], "210"),
        (["--sweep", "grid-1"], "10"),
        (["--sweep", "grid"], "10"),
        (["--where", "name=moons and seed>0"], "21"),
        (["--where", "validation_accuracy>0.55"], "1"),
        (["--since", "2.5 hours ago"], "32"),
        (["--tag", "good"], "20"),
        (["--where", "tag!=good"], "31"),
        (["--tag", "good", "--status", "diverged"], "2"),
        (["--sort", "-age"], "0123"),
        (["--sort", "name"], "2103"),
        (["--sort", "-id", "--top", "2"], "32"),
        (["--sort", "status"], "2103"),
        (["--status", "lost"], ""),
    ],
)
def test_choosing(runs: Path, words: list[str], expected: str) -> None:
    assert use(runs, "tag", "a0", "a2", "good").code == 0
    assert [one[1] for one in listed(runs, *words)] == list(expected)


def test_by_size(runs: Path) -> None:
    (Shelf(runs).runs[1].path / "big").write_bytes(bytes(5_000_000))
    assert listed(runs, "--sort", "-size")[0] == "a10000"
    assert listed(runs, "--sort", "size")[-1] == "a10000"
    assert "5.0 MB" in use(runs, "runs").out


def test_80_columns(runs: Path) -> None:
    for run in Shelf(runs).runs:
        alter(run.path, label="optimizer-adam-lr-0.001-hidden-64x32x16", name="a-name-of-a-great-length-indeed")
        use(runs, "tag", run.id, "keep")
        use(runs, "tag", run.id, "a-tag-of-more-than-twenty-letters")
        use(runs, "note", run.id, "what I saw\non the second day was that it took longer than before")
    result = use(runs, "runs", FORCE_COLOR="1", COLUMNS="80")
    assert max(map(cell_len, result.out.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines())) <= 80
    piped = use(runs, "runs").out
    assert "what I saw on the second day was that it took longer than before" in piped, "nothing is cut in a pipe"
    assert "a-tag-of-more-than-twenty-letters keep" in piped


def test_a_run_of_no_known_age(runs: Path) -> None:
    alter(Shelf(runs).runs[0].path, created="when it was")
    line = use(runs, "runs").out.splitlines()[4].split()
    assert (line[0], line[5:7]) == ("a00000", ["-", "1"])


def test_nothing_to_list(tmp_path: Path, runs: Path) -> None:
    result = use(runs, "runs", "--status", "failed")
    assert (result.code, result.out, result.err) == (0, "", "none of the 4 runs in runs\n")
    result = nnexp("runs", "--runs", "none", cwd=tmp_path)
    assert (result.code, result.out) == (0, "")
    assert "no runs in none; train one first" in result.err
    assert nnexp("runs", "--runs", "none", "--format", "json", cwd=tmp_path).json["rows"] == []


def test_a_damaged_note_is_told_and_stops_no_list(runs: Path) -> None:
    (Shelf(runs).runs[0].path / "notes.json").write_text("{")
    for words in (("runs",), ("show", "a0")):
        result = use(runs, *words)
        assert result.code == 0
        assert "notes.json is damaged" in result.err


# -- tags and notes --------------------------------------------------------------------------------


def test_tags(runs: Path) -> None:
    result = use(runs, "tag", "grid-1", "a20000", "good")
    assert (result.code, result.out, result.err) == (0, "", "tagged 3 runs 'good'; compare them: nnexp compare @good\n")
    assert "tagged 1 run 'good'; 3 had it before" in use(runs, "tag", "moons", "a3", "good").err
    rows = use(runs, "compare", "@good", "--each", "--format", "json").json["rows"]
    assert {row["seed"] for row in rows} == {0, 1, 2, 3}
    assert "tags: good" in use(runs, "show", "a0").out
    assert use(runs, "show", "a0", "--format", "json").json["tags"] == ["good"]
    assert use(runs, "tag", "@good", "good", "--remove").err == "took 'good' from 4 runs\n"
    assert use(runs, "compare", "@good").code == 2


def test_notes(runs: Path) -> None:
    assert use(runs, "note", "a0").err.startswith("run a00000 has no note")
    assert use(runs, "note", "a0", "  seen on Monday ").code == 0
    assert use(runs, "note", "a0").out == "seen on Monday\n"
    assert "note: seen on Monday" in use(runs, "show", "a0").out
    use(runs, "tag", "a0", "good")
    assert use(runs, "note", "a0", "").err == "run a00000 has no note any more\n"
    assert "tags: good" in use(runs, "show", "a0").out, "tags stay"


# -- the bin ---------------------------------------------------------------------------------------


def test_removed_and_restored(runs: Path) -> None:
    result = use(runs, "rm", "grid-1", "a30000")
    assert result.code == 0
    assert "moved 3 runs and the sweep grid-1 to the bin" in result.err
    assert "nnexp restore RUN" in result.err
    assert listed(runs) == ["a20000"]
    assert "the bin holds" in use(runs, "runs").out
    assert listed(runs, "--bin") == ["a30000", "a10000", "a00000"]
    assert use(runs, "restore", "a30000").code == 0
    result = use(runs, "restore", "grid-1")
    assert "restored 2 runs and the sweep grid-1" in result.err
    assert listed(runs) == ["a30000", "a20000", "a10000", "a00000"]
    assert len(use(runs, "compare", "grid-1", "--each", "--format", "json").json["rows"]) == 2


def test_rm_says_how_to_undo_it(runs: Path) -> None:
    said = use(runs, "rm", "@last").err
    assert "bring back: nnexp restore a30000 " in said
    assert use(runs, "restore", "a30000").code == 0


def test_damaged_folders_are_removed_by_name(runs: Path) -> None:
    bad = Shelf(runs).runs[0].path
    (bad / "run.json").unlink()
    assert use(runs, "rm", bad.name).code == 0
    assert not bad.exists()
    assert use(runs, "restore", bad.name).code == 0
    assert use(runs, "rm", f"runs/{bad.name}").code == 0
    assert not bad.exists()


def test_many_are_asked_about(runs: Path) -> None:
    for _ in range(MANY):
        past_run(runs, 0.5, name="many")
    result = use(runs, "rm", "runs")
    assert (result.code, result.err) == (2, f"this would move {MANY + 4} runs to the bin; --yes goes on\n")
    assert use(runs, "rm", "many").code == 0, "so many are not"
    assert use(runs, "restore", "many").code == 0
    assert use(runs, "rm", "runs", "--yes").code == 0
    assert listed(runs) == []


def test_the_bin_is_emptied_when_that_is_confirmed(runs: Path) -> None:
    assert "the bin of runs is empty" in use(runs, "rm", "--empty-bin").err
    use(runs, "rm", "a0")
    result = use(runs, "rm", "--empty-bin")
    assert (result.code, listed(runs, "--bin")) == (2, ["a00000"])
    assert "this would delete the bin for good (1 run, 1 kB); --yes goes on" in result.err
    assert use(runs, "rm", "--empty-bin", "--yes").code == 0
    assert not (runs / ".bin").exists()


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="the system has no terminals to offer")
@pytest.mark.parametrize("answer", ["y", "n"])
def test_a_person_is_asked(runs: Path, answer: str) -> None:
    use(runs, "rm", "a0")
    controller, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "nnexp", "rm", "--empty-bin"],
        cwd=runs.parent,
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        os.close(terminal)
        os.write(controller, f"{answer}\n".encode())
        out, err = process.communicate(timeout=60)
    os.close(controller)
    assert (process.returncode, out) == (0, "")
    assert "delete the bin for good (1 run, 1 kB)? [y/N]" in err
    assert (runs / ".bin").exists() == (answer == "n")


def test_a_sweep_trains_a_removed_run_again(tmp_path: Path) -> None:
    config_file(tmp_path)
    words = ("sweep", "small.yaml", "--seeds", 2, "-j", 1)
    assert nnexp(*words, cwd=tmp_path).code == 0
    assert nnexp("rm", "@last", cwd=tmp_path).code == 0
    assert "2 runs, 1 already there, 1 process" in nnexp(*words, cwd=tmp_path).err


# -- trained again ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one trained run."""
    folder = tmp_path_factory.mktemp("trained")
    config_file(folder, **EVERYTHING)
    assert nnexp("train", "small.yaml", cwd=folder).code == 0
    return folder


@pytest.fixture
def again(trained: Path, tmp_path: Path) -> Path:
    """A copy of that run's folder, to be changed."""
    import shutil

    [path] = (path for path in (trained / "runs").iterdir())
    shutil.copytree(trained / "runs", tmp_path / "runs")
    return tmp_path / "runs" / path.name


def reproduce(again: Path, *words: object, **environment: str) -> Outcome:
    return nnexp("reproduce", *words, cwd=again.parent.parent, **environment)


def test_a_run_is_reproduced(again: Path) -> None:
    before = {path.name: path.read_bytes() for path in again.iterdir()}
    result = reproduce(again)
    assert result.code == 0
    assert result.out.startswith("reproduced: ")
    assert "metrics.csv and the final parameters are the same to the bit" in result.out
    assert {path.name: path.read_bytes() for path in again.iterdir()} == before
    assert [path.name for path in again.parent.iterdir()] == [again.name], "nothing is written into runs/"
    document = reproduce(again, "--format", "json").json
    assert (document["same"], document["metrics"]["epoch"], document["parameters"], document["suspects"]) == (
        True,
        None,
        {},
        {},
    )
    assert reproduce(again, "--quiet") == Outcome(0, "", "")


def test_another_form_rounds_otherwise_and_is_named(again: Path) -> None:
    recorded = json.loads((again / "run.json").read_text())["form"]
    other = "numpy" if recorded == "fused" else "fused"
    result = reproduce(again, NNEXP_FORM=other)
    assert f"  form  {recorded}, now {other}" in result.out
    assert result.code in (0, 4)


def test_a_log_that_was_changed_by_hand(again: Path) -> None:
    path = again / "metrics.csv"
    lines = path.read_text().splitlines()
    cells = lines[3].split(",")
    position = lines[0].split(",").index("train_loss")
    cells[position] = repr(float(cells[position]) + 0.125)
    path.write_text("\n".join([*lines[:3], ",".join(cells), *lines[4:], ""]))
    result = reproduce(again)
    assert result.code == 4
    assert "not the same" in result.out
    assert "metrics.csv differs from epoch 2 on:" in result.out
    assert "(by 0.125)" in result.out
    assert (
        "as they were; so this is a mistake in nnexp, or in\na file of the run that was changed by hand" in result.out
    )
    document = reproduce(again, "--format", "json").json
    assert (document["same"], document["metrics"]["epoch"]) == (False, 2)
    assert list(document["metrics"]["columns"]) == ["train_loss"]


def test_another_seed_is_another_run(again: Path) -> None:
    record = json.loads((again / "run.json").read_text())
    alter(again, config={**record["config"], "seed": 77}, versions={**record["versions"], "numpy": "1.0"})
    result = reproduce(again)
    assert result.code == 4
    assert "metrics.csv differs from epoch 0 on:" in result.out
    assert "the final parameters differ: " in result.out
    assert "  versions.numpy  1.0, now " in result.out
    assert "another NumPy or numba may round otherwise" in result.out


def test_a_diverged_run_is_reproduced(tmp_path: Path) -> None:
    config_file(tmp_path, loss="mse", activation="linear", optimizer={"name": "sgd", "lr": 1e6})
    assert nnexp("train", "small.yaml", "-q", cwd=tmp_path).code == 1
    result = nnexp("reproduce", cwd=tmp_path)
    assert result.code == 0
    assert "metrics.csv is the same to the bit" in result.out


def test_an_unended_run_has_nothing_to_compare_with(runs: Path) -> None:
    result = use(runs, "reproduce", "a3")
    assert (result.code, result.out) == (2, "")
    assert "run a30000 is interrupted: it has no end to compare with; nnexp train --resume a30000" in result.err


# -- side by side ----------------------------------------------------------------------------------


def test_diff(runs: Path) -> None:
    result = use(runs, "diff", "a0", "a1")
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0] == ["what", "key", "a00000", "a10000", "difference"]
    assert ["config", "seed", "0", "1"] in lines
    assert ["score", "validation_accuracy", "0.5", "0.6", "+0.1"] in lines
    assert "test_" not in result.out
    assert "test_accuracy" in use(runs, "diff", "a0", "a1", "--test").out
    document = use(runs, "diff", "a0", "a1", "--format", "json").json
    assert (document["kind"], document["a"], document["b"]) == ("difference", "a00000", "a10000")


# -- between machines ------------------------------------------------------------------------------


def untimed(table: str) -> list[list[str]]:
    return [row[:-1] for row in csv.reader(io.StringIO(table))]


@pytest.mark.slow
def test_shards_brought_together_are_the_whole_sweep(tmp_path: Path) -> None:
    words = ("sweep", "small.yaml", "optimizer=sgd,adam", "--seeds", 3, "-j", 1)
    whole = tmp_path / "whole"
    whole.mkdir()
    config_file(whole)
    expected = nnexp(*words, "--format", "csv", cwd=whole)
    name = Shelf(whole / "runs").sweeps[0].name
    files = []
    for number in (1, 2, 3, 4):
        machine = tmp_path / f"machine{number}"
        machine.mkdir()
        config_file(machine)
        result = nnexp(*words, "--shard", f"{number}/4", cwd=machine)
        assert result.code == 0, "the other shards' runs are no failures"
        assert f"6 runs, {2 if number < 3 else 1} in shard {number}/4, 1 process; runs/sweeps/{name}" in result.err
        assert f"nnexp runs export {name} shard-{number}.tar.gz" in result.err
        assert "nothing to run" in nnexp(*words, "--shard", f"{number}/4", cwd=machine).err
        file = machine / f"shard-{number}.tar.gz"
        assert nnexp("runs", "export", name, file, cwd=machine).code == 0
        files.append(file)
    there = tmp_path / "machine1"
    result = nnexp("runs", "import", *files, cwd=there)
    assert result.code == 0
    assert [line.split(": ")[1] for line in result.err.splitlines()] == [
        "2 already there",
        "2 new",
        "1 new",
        "1 new",
    ]
    table = nnexp("compare", name, "--format", "csv", cwd=there)
    assert untimed(table.out) == untimed(nnexp("compare", "--format", "csv", cwd=whole).out)
    assert untimed(table.out) == untimed(expected.out)
    again = nnexp(*words, cwd=there)
    assert "6 runs, 6 already there, nothing to run" in again.err

    def results(root: Path) -> dict[str, object]:
        return {run.record["fingerprint"]: (log(run.path), model(run.path)) for run in Shelf(root / "runs").runs}

    assert results(there) == results(whole), "to the bit"


def test_a_dry_run_shows_the_shard(tmp_path: Path) -> None:
    config_file(tmp_path)
    lines = nnexp("sweep", "small.yaml", "--seeds", 5, "--shard", "2/3", "--dry-run", cwd=tmp_path).out.splitlines()
    assert [line.split()[0] for line in lines[1:-1]] == ["2", "5"]
    assert lines[-1] == "5 runs, 2 in shard 2/3, 2 to run; nothing was run"


def test_data_may_lie_elsewhere_on_another_machine(tmp_path: Path) -> None:
    table = "a,b,kind\n" + "".join(f"{i % 7},{i % 5},{i % 2}\n" for i in range(60))
    known = []
    for name in ("one", "two"):
        folder = tmp_path / name / "data"
        folder.mkdir(parents=True)
        (folder / "t.csv").write_text(table)
        (folder / "c.yaml").write_text("dataset: {name: csv, path: t.csv, target: kind}\nstop: 1\n")
        assert nnexp("train", "c.yaml", "-q", cwd=folder).code == 0
        known.append(Shelf(folder / "runs").runs[0].record["fingerprint"])
    assert known[0] == known[1], "where a file lies is no part of what is computed"
    (folder / "t.csv").write_text(table.replace("6,", "5,"))
    assert nnexp("train", "c.yaml", "-q", cwd=folder).code == 0
    assert Shelf(folder / "runs").runs[1].record["fingerprint"] != known[0]


def test_export_and_import(runs: Path, tmp_path: Path) -> None:
    result = use(runs, "runs", "export", "grid-1", "a3", "x.tar.gz")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("x.tar.gz: 3 runs and 1 sweep, ")
    assert "nnexp runs import x.tar.gz" in result.err
    result = use(runs, "runs", "import", "x.tar.gz", "--runs", "elsewhere")
    assert (result.code, result.err) == (0, "x.tar.gz into elsewhere: 3 new, the sweep grid-1\n")
    assert use(runs, "runs", "import", "x.tar.gz", "--runs", "elsewhere").err.endswith(": 3 already there\n")
    assert use(runs, "runs", "export", "--where", "seed=0", "y.zip").err.startswith("y.zip: 1 run, ")
    assert use(runs, "runs", "export", "moons", "x.tar.gz", "--force").err.startswith("x.tar.gz: 3 runs")
    alter(tmp_path / "elsewhere" / Shelf(runs).runs[0].path.name, train_seconds=7.0)
    result = use(runs, "runs", "import", "x.tar.gz", "--runs", "elsewhere")
    assert "1 new, 1 already there, 1 left as it is here" in result.err
    assert "a00000: it is here, finished" in result.err


def test_running_runs_stay(runs: Path) -> None:
    from nnexp.store.runs import process_mark

    path = past_run(
        runs, status="running", name="now", record_pid=os.getpid(), record_process=process_mark(os.getpid())
    )
    result = use(runs, "runs", "export", "runs", "x.zip")
    assert (result.code, "left out 1 run still running" in result.err) == (0, True)
    result = use(runs, "rm", "now")
    assert (result.code, path.is_dir()) == (2, True)
    assert "is still running" in result.err
    assert use(runs, "tag", "now", "good").code == 0, "a tag does no harm to one"
