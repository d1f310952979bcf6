"""Runs nnexp's command line, in this process where it can be (quick) or in one of its own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

QUIET_VARIABLES = ("NNEXP_RUNS", "NNEXP_JOBS", "NNEXP_DEBUG", "NNEXP_FORM", "FORCE_COLOR", "NO_COLOR", "COLUMNS", "CI")


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


def start(*words: object, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if name not in QUIET_VARIABLES}
    return subprocess.Popen(
        [sys.executable, "-m", "nnexp", *map(str, words)],
        cwd=cwd,
        env=clean | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def nnexp_process(*words: object, cwd: Path, **environment: str) -> Outcome:
    """Run a command in a process of its own and wait for it."""
    with start(*words, cwd=cwd, **environment) as process:
        out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


def folders(root: Path) -> Sequence[Path]:
    """The run folders below a runs/ folder."""
    return sorted(path for path in root.glob("*") if path.is_dir() and path.name != "sweeps")
