"""How long commands take as whole processes, and how much memory they need at most: python benchmarks/commands.py

Each command runs once to warm the caches (the first line's time includes compiling, where this machine has not run
nnexp before), then `--repeat` times. Times are medians with the range; memory is the largest resident set.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIGS = Path(__file__).parent.parent / "configs"
COMMANDS = {
    "nnexp --help": ["--help"],
    "nnexp list": ["list"],
    "nnexp check configs/digits.yaml": ["check", str(CONFIGS / "digits.yaml")],
    "nnexp train configs/iris.yaml": ["train", str(CONFIGS / "iris.yaml")],
    "nnexp train configs/digits.yaml": ["train", str(CONFIGS / "digits.yaml")],
    "nnexp compare": ["compare"],
}


def run(words: list[str], folder: str) -> tuple[float, float]:
    """Seconds and MB of one process. Raises CalledProcessError where the command fails."""
    arguments = [sys.executable, "-m", "nnexp", *words]
    started = time.perf_counter()
    process = subprocess.Popen(
        arguments, env={**os.environ, "NNEXP_RUNS": folder}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    # Linux counts in kB, macOS in bytes
    return seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    print(f"{'command':34} {'first':>8} {'median':>8} {'range':>15} {'memory':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, words in COMMANDS.items():
            first, _ = run(words, folder)
            measured = [run(words, folder) for _ in range(repeat)]
            seconds = [s for s, _ in measured]
            memory = max(m for _, m in measured)
            span = f"{min(seconds):.2f} to {max(seconds):.2f} s"
            print(f"{name:34} {first:6.2f} s {statistics.median(seconds):6.2f} s {span:>15} {memory:5.0f} MB")


if __name__ == "__main__":
    main()
