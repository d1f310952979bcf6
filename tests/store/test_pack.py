"""Exports: the same runs give the same bytes, come in whole or not at all, and can do no harm."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import InputError
from nnexp.store import pack
from nnexp.store.labels import change_labels
from nnexp.store.runs import Shelf
from tests.past import alter, past_run, past_sweep
from tests.store.test_bin import contents

ENDINGS = pytest.mark.parametrize("ending", ["tar.gz", "zip"])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """Three runs, two of them a sweep's."""
    root = tmp_path / "here"
    runs = [past_run(root, 0.5 + i / 10, record_fingerprint=f"{i:016x}") for i in range(3)]
    past_sweep(root, "grid-1", runs[:2], "2026")
    (runs[0] / "deep").mkdir()
    (runs[0] / "deep" / "more.bin").write_bytes(bytes(range(256)) * 100)
    (runs[0] / ".half.written").write_text("no part of the run")
    change_labels(runs[:1], lambda labels: labels.with_tag("good"))
    return root


def export(root: Path, target: Path, *words: str) -> pack.Manifest:
    shelf = Shelf(root)
    return pack.export(shelf, shelf.select(words) if words else shelf.runs, target)


def visible(root: Path) -> dict[str, bytes]:
    return {name: text for name, text in contents(root).items() if not any(p.startswith(".") for p in Path(name).parts)}


# -- there and back --------------------------------------------------------------------------------


@ENDINGS
def test_round_trip(here: Path, tmp_path: Path, ending: str) -> None:
    file, there = tmp_path / f"x.{ending}", tmp_path / "there"
    manifest = export(here, file)
    assert (len(manifest.runs), manifest.sweeps) == (3, ["grid-1"])
    done = pack.import_runs(file, there)
    assert (len(done.added), done.sweeps, done.kept) == (3, ["grid-1"], {})
    assert contents(there) == visible(here)
    again = pack.import_runs(file, there)
    assert (again.added, len(again.same), again.sweeps, again.kept) == ([], 3, [], {})
    assert contents(there) == visible(here)
    second = tmp_path / f"y.{ending}"
    export(there, second)
    assert second.read_bytes() == file.read_bytes(), "the same runs give the same bytes"


@ENDINGS
def test_the_same_bytes_later(here: Path, tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / f"x.{ending}", tmp_path / f"another.name.{ending}"
    export(here, first)
    for path in here.rglob("run.json"):
        os.utime(path, (1e9, 1e9))
        path.chmod(0o600)
    monkeypatch.setattr("time.time", lambda: 2e9)
    shelf = Shelf(here)
    pack.export(shelf, shelf.runs[::-1], second)
    assert first.read_bytes() == second.read_bytes()


def test_ordinary_tools_can_read_it(here: Path, tmp_path: Path) -> None:
    export(here, tmp_path / "x.tar.gz")
    export(here, tmp_path / "x.zip")
    with tarfile.open(tmp_path / "x.tar.gz") as tar, zipfile.ZipFile(tmp_path / "x.zip") as zipped:
        assert tar.getnames() == zipped.namelist()
        assert tar.getnames()[0] == "manifest.json"
        for name in tar.getnames():
            file = tar.extractfile(name)
            assert file is not None
            assert file.read() == zipped.read(name)


def test_a_sweep_comes_with_all_of_its_runs_only(here: Path, tmp_path: Path) -> None:
    runs = Shelf(here).runs
    assert export(here, tmp_path / "a.zip", runs[0].id).sweeps == []
    assert export(here, tmp_path / "b.zip", runs[0].id, runs[1].id).sweeps == ["grid-1"]
    assert export(here, tmp_path / "c.zip", "grid-1").sweeps == ["grid-1"]


def test_a_running_run_is_not_exported(here: Path, tmp_path: Path) -> None:
    from nnexp.store.runs import process_mark

    past_run(here, status="running", record_pid=os.getpid(), record_process=process_mark(os.getpid()))
    with pytest.raises(InputError, match="is still running"):
        export(here, tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_a_lost_run_is_lost_on_the_other_side_at_once(here: Path, tmp_path: Path) -> None:
    lost = past_run(here, status="running", record_host="another", record_id="105700")
    os.utime(lost / "run.json", (1e9, 1e9))
    export(here, tmp_path / "x.zip")
    pack.import_runs(tmp_path / "x.zip", tmp_path / "there")
    assert Shelf(tmp_path / "there").one("105700").status == "lost"


# -- what is there already -------------------------------------------------------------------------


def imported(here: Path, there: Path, **changes: Any) -> pack.Imported:
    """Import one run into a folder that has it already, with other values in its record."""
    file = here.parent / "x.zip"
    first = Shelf(here).runs[0]
    export(here, file, first.id)
    pack.import_runs(file, there)
    alter(there / first.path.name, **changes)
    return pack.import_runs(file, there)


def test_a_finished_run_is_kept(here: Path, tmp_path: Path) -> None:
    done = imported(here, tmp_path / "there", train_seconds=9.0)
    assert (done.added, done.replaced) == ([], [])
    assert list(done.kept.values()) == ["it is here, finished"]
    assert Shelf(tmp_path / "there").runs[0].record["train_seconds"] == 9.0


@pytest.mark.parametrize("status", ["interrupted", "failed", "running"])
def test_an_unended_run_is_replaced_by_its_end(here: Path, tmp_path: Path, status: str) -> None:
    done = imported(here, tmp_path / "there", status=status, final=None, process="0badb007-1")
    assert (done.added, len(done.replaced), done.kept) == ([], 1, {})
    assert [run.status for run in Shelf(tmp_path / "there").runs] == ["finished"]
    assert len(Shelf(tmp_path / "there" / ".bin").runs) == 1, "what was there is in the bin"


def test_another_run_in_a_folder_of_that_name_is_kept(here: Path, tmp_path: Path) -> None:
    done = imported(here, tmp_path / "there", fingerprint="f" * 16)
    assert list(done.kept.values()) == ["a folder of that name is here, of another run"]


def test_a_damaged_folder_is_kept(here: Path, tmp_path: Path) -> None:
    done = imported(here, tmp_path / "there", status="strange")
    assert list(done.kept.values()) == ["a folder of that name is here, and damaged"]


def test_the_same_computation_is_not_taken_twice(here: Path, tmp_path: Path) -> None:
    twin = past_run(tmp_path / "there", 0.5, record_fingerprint=f"{0:016x}", record_id="77777a")
    export(here, tmp_path / "x.zip")
    done = pack.import_runs(tmp_path / "x.zip", tmp_path / "there")
    assert len(done.added) == 2
    assert list(done.kept.values()) == ["the same computation is here, finished: 77777a"]
    assert twin.is_dir()
    members = Shelf(tmp_path / "there")
    assert len(members.runs_of(members.sweeps[0])) == 2, "and the sweep has all its runs"


def test_a_plan_that_has_grown_is_taken_and_one_that_shrank_is_not(here: Path, tmp_path: Path) -> None:
    small, large, there = tmp_path / "small.zip", tmp_path / "large.zip", tmp_path / "there"
    export(here, small)
    plan = here / "sweeps" / "grid-1" / "plan.json"
    grown = json.loads(plan.read_text())
    grown["runs"].append({"fingerprint": f"{2:016x}", "case": None})
    plan.write_text(json.dumps(grown))
    export(here, large)
    for file, taken in ((small, ["grid-1"]), (large, ["grid-1"]), (small, []), (large, [])):
        assert pack.import_runs(file, there).sweeps == taken
    assert len(Shelf(there).sweeps[0].cases) == 3
    other = json.loads(plan.read_text())
    other["runs"][0]["fingerprint"] = "e" * 16
    (there / "sweeps" / "grid-1" / "plan.json").write_text(json.dumps(other))
    assert pack.import_runs(large, there).kept == {"sweeps/grid-1": "its plan here has other runs"}


# -- what is no export, or a wrong one -------------------------------------------------------------

RUN = b'{"id": "a"}'


def entry(path: str, content: bytes = RUN, **changes: Any) -> dict[str, Any]:
    return {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest(), **changes}


def manifest(*files: dict[str, Any], **changes: Any) -> bytes:
    document = {"format": 1, "kind": "nnexp runs", "nnexp": "0.1.0", "runs": ["r"], "sweeps": [], "files": list(files)}
    return json.dumps({**document, **changes}).encode()


def tar(*members: tuple[str, bytes], types: bytes = tarfile.REGTYPE, link: str = "") -> bytes:
    """A .tar.gz of these files; all but the first are of the type."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for number, (name, content) in enumerate(members):
            info = tarfile.TarInfo(name)
            info.type = types if number else tarfile.REGTYPE
            info.linkname = link if number else ""
            info.size = len(content) if info.type == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(*members: tuple[str, bytes], mode: int = 0o100644, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number, (name, content) in enumerate(members):
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode if number else 0o100644) << 16
            archive.writestr(info, content, method if number else zipfile.ZIP_DEFLATED)
    return file.getvalue()


def both(*members: tuple[str, bytes]) -> list[bytes]:
    return [tar(*members), zipped(*members)]


def leading_out(path: str) -> list[bytes]:
    """An export whose manifest names a path, and holds it."""
    return both(("manifest.json", manifest(entry(path))), (path, RUN))


GOOD = entry("r/run.json")
NAMES = [
    "/etc/passwd",
    "../x",
    "r/../../x",
    "r/../x",
    "s/run.json",
    "run.json",
    "r",
    "r/",
    "r//x",
    "r/./x",
    "r/.hidden",
    ".bin/x",
    "sweeps/x",
    "sweeps/s/plan.json",
    "c:/x",
    "r/c:x",
    "r\\..\\x",
    "r/a\nb",
    "r/" + "x" * 300,
]
WRONG: list[tuple[str, list[bytes], str]] = [
    *((f"path {name[:20]!r}", leading_out(name), "leads out of the runs; refused") for name in NAMES),
    *(
        (f"run {name!r}", both(("manifest.json", manifest(runs=[name]))), "is no name of a run's folder; refused")
        for name in ("..", ".", "", "/", "a/b", "sweeps", "sweeps/x/y", ".bin", "a\\b")
    ),
    ("sweep ..", both(("manifest.json", manifest(runs=[], sweeps=[".."]))), "is no name of a run's folder"),
    ("nothing", [b""], "it is neither a .tar.gz nor a .zip"),
    ("text", [b"dataset: moons\n"], "it is neither a .tar.gz nor a .zip"),
    ("another gzip", [gzip.compress(b"x" * 9999)], "is damaged or cut short"),
    ("another archive", both(("readme.txt", b"hello")), "it does not begin with manifest.json"),
    ("an empty archive", [tar()], "it does not begin with manifest.json"),
    ("manifest late", both(("r/run.json", RUN), ("manifest.json", manifest(GOOD))), "does not begin with"),
    ("manifest no JSON", both(("manifest.json", b"{")), "manifest.json is not valid JSON"),
    ("manifest deep", both(("manifest.json", b"[" * 100_000)), "manifest.json is not valid JSON"),
    ("manifest a list", both(("manifest.json", b"[]")), "manifest.json has no format that is known"),
    ("no format", both(("manifest.json", b"{}")), "manifest.json has no format that is known"),
    ("newer", both(("manifest.json", manifest(format=2, nnexp="9.1"))), "was written by a newer nnexp (9.1): format 2"),
    ("another kind", both(("manifest.json", manifest(kind="cats"))), "manifest.json: kind: Input should be"),
    ("unknown key", both(("manifest.json", manifest(more=1))), "manifest.json: more: Extra inputs"),
    ("negative", both(("manifest.json", manifest(entry("r/x", size=-1)))), "files.0.size: Input should be greater"),
    ("not in it", both(("manifest.json", manifest(GOOD)), ("r/more", RUN)), "'r/more' is not in the manifest"),
    ("missing", both(("manifest.json", manifest(GOOD))), "is cut short: 'r/run.json' is missing"),
    ("listed twice", both(("manifest.json", manifest(GOOD, entry("R/RUN.json"), runs=["r", "R"]))), "stands twice"),
    ("twice", [tar(("manifest.json", manifest(GOOD)), ("r/run.json", RUN), ("r/run.json", RUN))], "or stands twice"),
    ("longer", both(("manifest.json", manifest(GOOD)), ("r/run.json", RUN + b" ")), "is not as the manifest says"),
    ("shorter", both(("manifest.json", manifest(GOOD)), ("r/run.json", RUN[:-1])), "is not as the manifest says"),
    ("altered", both(("manifest.json", manifest(GOOD)), ("r/run.json", b'{"id": "b"}')), "is not as the manifest says"),
    ("no run", both(("manifest.json", manifest(GOOD)), ("r/run.json", RUN)), "r: run.json has format None"),
    ("no record", both(("manifest.json", manifest(entry("r/x"))), ("r/x", RUN)), "r: it has no run.json"),
    (
        "no plan",
        both(("manifest.json", manifest(entry("sweeps/s/x"), runs=[], sweeps=["s"])), ("sweeps/s/x", RUN)),
        "plan.json cannot be used",
    ),
    *(
        (
            f"tar {what}",
            [tar(("manifest.json", manifest(GOOD)), ("r/run.json", RUN), types=kind, link="/etc/passwd")],
            told,
        )
        for what, kind, told in (
            ("symlink", tarfile.SYMTYPE, "'r/run.json' is no plain file; refused"),
            ("hard link", tarfile.LNKTYPE, "'r/run.json' is no plain file; refused"),
            ("device", tarfile.CHRTYPE, "'r/run.json' is no plain file; refused"),
            ("pipe", tarfile.FIFOTYPE, "'r/run.json' is no plain file; refused"),
            ("folder", tarfile.DIRTYPE, "'r/run.json' is no plain file; refused"),
        )
    ),
    (
        "zip symlink",
        [zipped(("manifest.json", manifest(GOOD)), ("r/run.json", RUN), mode=0o120777)],
        "'r/run.json' is no plain file; refused",
    ),
    (
        "zip of another method",
        [zipped(("manifest.json", manifest(GOOD)), ("r/run.json", RUN), method=zipfile.ZIP_LZMA)],
        "is no plain file; refused",
    ),
    ("bomb by its own word", both(("manifest.json", manifest(entry("r/x", size=1 << 40)))), "are no runs; refused"),
    (
        "bomb in a file",
        both(("manifest.json", manifest(GOOD)), ("r/run.json", bytes(50 << 20))),
        "is not as the manifest says",
    ),
]


@pytest.mark.parametrize(("contents_", "told"), [pytest.param(c, t, id=name) for name, c, t in WRONG])
def test_wrong_exports_are_refused_and_change_nothing(tmp_path: Path, contents_: list[bytes], told: str) -> None:
    root = tmp_path / "runs"
    for content in contents_:
        file = tmp_path / "x"
        file.write_bytes(content)
        with pytest.raises(InputError) as error:
            pack.import_runs(file, root)
        assert told in str(error.value)
        assert str(file) in str(error.value)
        assert sorted(tmp_path.rglob("*")) == [file]


@ENDINGS
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_truncated_export(here: Path, tmp_path: Path, ending: str, part: float) -> None:
    file = tmp_path / f"x.{ending}"
    export(here, file)
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(InputError, match="is damaged or cut short"):
        pack.import_runs(file, tmp_path / "there")
    assert not (tmp_path / "there").exists()


@ENDINGS
def test_any_flipped_byte_is_found_or_without_effect(here: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"x.{ending}"
    export(here, file, "grid-1")
    whole = file.read_bytes()
    expected = {
        name: text for name, text in visible(here).items() if not name.startswith(Shelf(here).runs[2].path.name)
    }
    refused = 0
    for position in range(0, len(whole), max(len(whole) // 60, 1)):
        file.write_bytes(whole[:position] + bytes([whole[position] ^ 0x40]) + whole[position + 1 :])
        there = tmp_path / f"there{position}"
        try:
            pack.import_runs(file, there)
        except InputError:
            refused += 1
            assert not there.exists()
        else:
            assert contents(there) == expected
    assert refused > 40


def test_headers_that_ask_for_memory(tmp_path: Path) -> None:
    # a header of a name's length, megabytes long: tarfile would read it whole before anyone sees the name
    text = manifest(GOOD)
    first = tarfile.TarInfo("manifest.json")
    first.size = len(text)
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 300 << 20
    raw = io.BytesIO()
    with gzip.open(raw, "wb", compresslevel=1) as out:
        out.write(first.tobuf() + text + bytes(-len(text) % 512) + long.tobuf())
        for _ in range(300):
            out.write(b"x" * (1 << 20))
    file = tmp_path / "x"
    file.write_bytes(raw.getvalue())
    with pytest.raises(InputError, match="more data than the manifest says"):
        pack.import_runs(file, tmp_path / "runs")


def test_a_disk_that_is_too_small(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export(here, tmp_path / "x.zip")
    monkeypatch.setattr("shutil.disk_usage", lambda path: _Usage())
    with pytest.raises(InputError, match=r"needs [\d,]+ bytes where 5 are free"):
        pack.import_runs(tmp_path / "x.zip", tmp_path / "there")


class _Usage:
    free = 5


def test_a_disk_that_fills_up(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    export(here, tmp_path / "x.zip")
    before = (tmp_path / "x.zip").read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*x\.zip: No space left on device"):
        export(here, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


def test_an_import_that_is_killed_leaves_the_runs_alone(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(here, tmp_path / "x.zip")
    there = tmp_path / "there"
    renamed: list[Path] = []
    rename: Callable[[Path, Path], Path] = Path.rename

    def stop(self: Path, target: Path) -> Path:
        if renamed:
            raise KeyboardInterrupt
        renamed.append(Path(target))
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", stop)
        with pytest.raises(KeyboardInterrupt):
            pack.import_runs(tmp_path / "x.zip", there)
    assert [run.path for run in Shelf(there).runs] == renamed
    done = pack.import_runs(tmp_path / "x.zip", there)
    assert (len(done.added), len(done.same)) == (2, 1)
    assert contents(there) == visible(here)


def test_what_a_killed_import_left_is_swept_up(here: Path, tmp_path: Path) -> None:
    export(here, tmp_path / "x.zip")
    there = tmp_path / "there"
    for name, age in ((".import-old", 2 * pack.STALE), (".import-new", 0)):
        (there / name).mkdir(parents=True)
        stamp = (there / name).stat().st_mtime - age
        os.utime(there / name, (stamp, stamp))
    pack.import_runs(tmp_path / "x.zip", there)
    assert [path.name for path in there.glob(".import*")] == [".import-new"]


@pytest.mark.parametrize(("name", "told"), [("none", "none: no such file"), ("folder", "folder is a folder")])
def test_no_file(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=told):
        pack.import_runs(tmp_path / name, tmp_path / "runs")
