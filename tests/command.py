"""Runs nnexp's command line, in this process where it can be (quick) or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

QUIET_VARIABLES = (
    "NNEXP_RUNS",
    "NNEXP_JOBS",
    "NNEXP_DEBUG",
    "NNEXP_FORM",
    "NNEXP_START",
    "FORCE_COLOR",
    "NO_COLOR",
    "COLUMNS",
    "CI",
)


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def nnexp(*words: object, cwd: Path, **environment: str) -> Outcome:
    """Run a command in this process, in the folder `cwd`, with these environment variables and none of nnexp's own."""
    from nnexp.cli.main import main

    out, err = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        for name in QUIET_VARIABLES:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["nnexp", *map(str, words)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = end.code
    return Outcome(int(code or 0), out.getvalue(), err.getvalue())


@contextlib.contextmanager
def start(*words: object, cwd: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A command in a process of its own, which leads its own group; a test that fails leaves none of it behind."""
    clean = {name: value for name, value in os.environ.items() if name not in QUIET_VARIABLES}
    with subprocess.Popen(
        [sys.executable, "-m", "nnexp", *map(str, words)],
        cwd=cwd,
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def nnexp_process(*words: object, cwd: Path, **environment: str) -> Outcome:
    """Run a command in a process of its own and wait for it."""
    with start(*words, cwd=cwd, **environment) as process:
        out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


def until(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60.0) -> None:
    """Wait for something that a running process does. It must come before the process and the time end."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the process ended too early"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def folders(root: Path) -> Sequence[Path]:
    """The run folders below a runs/ folder."""
    return sorted(path for path in root.glob("[!.]*") if path.is_dir() and path.name != "sweeps")
