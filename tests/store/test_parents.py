"""Who is at work at a sweep: only who lives, and each is asked by itself."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnexp.store.parents import FOLDER, Presence, ask_to_stop, at_work
from nnexp.store.runs import SILENCE, process_mark
from tests.past import present


def test_present_while_it_is_open(tmp_path: Path) -> None:
    assert at_work(tmp_path) == {}
    with Presence(tmp_path) as one, Presence(tmp_path) as other:
        one.tell(10, 4, 2.0)
        found = sorted(at_work(tmp_path).values(), key=lambda parent: parent.ended)
        assert [(parent.missing, parent.ended, parent.seconds) for parent in found] == [(0, 0, 0.0), (10, 4, 2.0)]
        assert {parent.pid for parent in found} == {os.getpid()}
        asked = next(path for path, parent in at_work(tmp_path).items() if parent.missing)
        ask_to_stop(asked)
        assert (one.asked_to_stop(), other.asked_to_stop()) == (True, False)
        assert len(at_work(tmp_path)) == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(process_mark(os.getpid()) is None, reason="only Linux tells processes of one number apart")
def test_a_number_that_another_process_has_got(tmp_path: Path) -> None:
    path = present(tmp_path, process="another boot-12345")
    assert at_work(tmp_path) == {}
    with Presence(tmp_path):
        assert not path.exists(), "what a killed process has left goes with the next"
        assert len(at_work(tmp_path)) == 1


def test_a_process_that_is_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    present(tmp_path, pid=gone.pid)
    assert at_work(tmp_path) == {}


def test_on_another_machine_its_last_sign_decides(tmp_path: Path) -> None:
    path = present(tmp_path, host="elsewhere", pid=1)
    assert list(at_work(tmp_path)) == [path]
    long_ago = time.time() - SILENCE - 1
    os.utime(path, (long_ago, long_ago))
    assert at_work(tmp_path) == {}


def test_what_cannot_be_read_is_nobody(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir()
    for name, text in (("a", ""), ("b", "{}"), ("c", "[]"), ("d.stop", "")):
        (tmp_path / FOLDER / name).write_text(text)
    assert at_work(tmp_path) == {}
    with Presence(tmp_path):
        assert len(list((tmp_path / FOLDER).iterdir())) == 1


def test_leaving_where_nothing_can_be_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk that has become read-only; the file is then that of a process that is gone."""

    def refused(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with Presence(tmp_path):
        monkeypatch.setattr(Path, "unlink", refused)
    assert len(at_work(tmp_path)) == 1, "this process lives"
