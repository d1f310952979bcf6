"""Tags and notes: what is written is read back, and what is damaged is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nnexp.errors import InputError
from nnexp.store.labels import FILE, LONGEST, Labels, change_labels, check_tag, read_labels
from nnexp.store.runs import Shelf
from tests.past import past_run, read


def test_tags_and_notes_are_read_back(tmp_path: Path) -> None:
    one, other = past_run(tmp_path, 0.5), past_run(tmp_path, 0.6)
    before = (one / "run.json").read_bytes()
    assert read(one).labels == Labels()
    assert change_labels([one, other], lambda labels: labels.with_tag("good")) == 2
    assert change_labels([one], lambda labels: labels.with_tag("best")) == 1
    assert change_labels([one], lambda labels: replace(labels, note="zwei Wörter\nund mehr")) == 1
    assert (read(one).tags, read(one).note) == (("best", "good"), "zwei Wörter\nund mehr")
    assert (one / "run.json").read_bytes() == before, "a run's record is its own"
    assert [path.name for path in one.iterdir() if path.name.startswith(".")] == []


def test_what_is_there_already_is_not_written(tmp_path: Path) -> None:
    path = past_run(tmp_path)
    assert change_labels([path], lambda labels: labels.with_tag("good")) == 1
    stamp = (path / FILE).stat().st_mtime_ns
    assert change_labels([path], lambda labels: labels.with_tag("good")) == 0
    assert (path / FILE).stat().st_mtime_ns == stamp


def test_without_anything_to_say_there_is_no_file(tmp_path: Path) -> None:
    path = past_run(tmp_path)
    change_labels([path], lambda labels: labels.with_tag("good"))
    assert change_labels([path], lambda labels: labels.without_tag("other")) == 0
    assert change_labels([path], lambda labels: labels.without_tag("good")) == 1
    assert not (path / FILE).exists()


def test_tags_select_runs(tmp_path: Path) -> None:
    runs = [past_run(tmp_path, name=name) for name in ("a", "b", "c")]
    change_labels(runs[:2], lambda labels: labels.with_tag("good"))
    shelf = Shelf(tmp_path)
    assert [run.name for run in shelf.select(["@good"])] == ["a", "b"]
    with pytest.raises(InputError, match=r"no run or sweep '@goo' \(3 runs in .*\); did you mean '@good'\?"):
        shelf.select(["@goo"])
    with pytest.raises(InputError, match="no run '@last~7'"):
        shelf.select(["@last~7"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"format": 2, "tags": [], "note": ""}',
        b'{"format": 1, "tags": "good", "note": ""}',
        b'{"format": 1, "tags": [1], "note": ""}',
        b'{"format": 1, "tags": ["a b"], "note": ""}',
        b'{"format": 1, "tags": [], "note": null}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = past_run(tmp_path)
    (path / FILE).write_bytes(content)
    with pytest.raises(InputError, match=r"notes\.json (is damaged|cannot be read)"):
        read_labels(path)
    good = past_run(tmp_path)
    with pytest.raises(InputError, match=r"notes\.json"):
        change_labels([good, path], lambda labels: labels.with_tag("good"))
    assert read_labels(good) == Labels(), "nothing is written before all is read"


@pytest.mark.parametrize("word", ["good", "a", "v1.2_x-y", "@good", "2026", "x" * LONGEST, "lastly"])
def test_a_tag(word: str) -> None:
    assert check_tag(word) == word.removeprefix("@")


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("my tag", "perhaps 'my-tag'"),
        ("", "is no tag"),
        ("@", "is no tag"),
        ("-x", "perhaps 'x'"),
        ("größe", "perhaps 'gr-e'"),
        ("a,b", "perhaps 'a-b'"),
        ("../x", "perhaps 'x'"),
        ("x" * (LONGEST + 1), "at most 64"),
        ("last", "@last means the last run"),
        ("@last~2", "@last means the last run"),
    ],
)
def test_what_is_no_tag(word: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        check_tag(word)


def test_a_file_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import os

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = past_run(tmp_path)
    change_labels([path], lambda labels: labels.with_tag("good"))
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left on device"):
        change_labels([path], lambda labels: labels.with_tag("better"))
    assert json.loads((path / FILE).read_text())["tags"] == ["good"]
