"""Compiled loops are kept where the user may write, are compiled once for all processes, and are not needed to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nnexp
from tests.command import nnexp_process
from tests.small import config_file

PACKAGE = Path(nnexp.__file__).parent
REHEARSE = """
import sys
from pathlib import Path
from nnexp.config.load import load
from nnexp.engine import compiling
from nnexp.engine.surface import kind_of

compiled = []
compiling.on_compile = compiled.append
config = load(Path(sys.argv[1])).config
kind_of(config)(config).rehearse()
print("\\n".join(compiled))
"""


def rehearsals(path: Path, cache: Path, count: int) -> list[list[str]]:
    """The loops that each of several processes has compiled, all started at once."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REHEARSE, str(path)],
            env={**os.environ, "NNEXP_CACHE": str(cache), "PYTHONPATH": str(PACKAGE.parent)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    return [output.split() for output in outputs]


def test_each_loop_is_compiled_by_one_process(tmp_path: Path) -> None:
    path, cache = config_file(tmp_path), tmp_path / "cache"
    written = {file.name for file in PACKAGE.rglob("*.nb?")}
    together = [name for names in rehearsals(path, cache, 2) for name in names]
    assert len(together) >= 5
    assert len(together) == len(set(together))
    assert rehearsals(path, cache, 1) == [[]], "they were kept"
    assert list(cache.rglob("*.nbc"))
    assert {file.name for file in PACKAGE.rglob("*.nb?")} == written, "the package's folder stays as it is"


def test_a_cache_folder_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    result = nnexp_process("train", config_file(tmp_path), cwd=tmp_path, NNEXP_CACHE=str(blocked / "cache"))
    assert result.code == 0, result.err
    assert result.err.count(f"compiled loops cannot be kept, for {blocked / 'cache'} cannot be written") == 1
    assert "compiling the loops that are needed" in result.err


def test_a_first_sweep_says_that_it_compiles(tmp_path: Path) -> None:
    path, cache = config_file(tmp_path), tmp_path / "cache"
    words = ("sweep", path, "--seeds", 2, "-j", 2)
    first = nnexp_process(*words, cwd=tmp_path, NNEXP_CACHE=str(cache))
    assert first.code == 0, first.err
    assert first.err.count("compiling the loops that are needed: once on a machine") == 1
    again = nnexp_process(*words, "optimizer.lr=0.3", cwd=tmp_path, NNEXP_CACHE=str(cache))
    assert again.code == 0
    assert "compiling" not in again.err


TRAINED = """
import sys
import numpy as np
from nnexp.config.load import load_data
from nnexp.engine.surface import kind_of, trainer_of
from nnexp.engine.trainer import Row
for name in sys.argv[1:]:
    given = {"dataset": "iris", "stop": 1, "threads": 1, "optimizer": name}
    config = load_data(given, "t").config
    rows = [event.values for event in trainer_of(kind_of(config)(config)).run() if isinstance(event, Row)]
    print(repr(rows[-1]["train_loss"]))
"""


def test_loops_that_several_processes_compiled_are_not_mistaken_for_each_other(tmp_path: Path) -> None:
    """Momentum and nag have loops of one form, and each process numbers what it compiles from 1."""

    def losses(*names: str) -> list[str]:
        environment = {**os.environ, "NNEXP_CACHE": str(tmp_path)}
        command = [sys.executable, "-c", TRAINED, *names]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()

    losses("sgd")  # compiles all but the loops of the other two
    [momentum], [nag] = losses("momentum"), losses("nag")
    assert momentum != nag
    assert losses("momentum", "nag", "momentum", "nag") == [momentum, nag, momentum, nag]
