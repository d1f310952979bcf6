"""What a sweep, a log and a start cost beside training itself: python benchmarks/overheads.py

Each figure is a median (or the smallest, where said) of `--repeat` times, beside the bar that it is to stay under.
`--runs` is the number of two-step runs that the cost of a run is measured with; 10000 takes some minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIGS = Path(__file__).parent.parent / "configs"
DIGITS = str(CONFIGS / "digits.yaml")


def run(words: list[str], runs: str, **environment: str) -> tuple[float, float, float, str]:
    """Wall seconds, CPU seconds of the process itself, its largest MB, and what it printed to stderr."""
    arguments = [sys.executable, "-m", "nnexp", *words]
    began = time.perf_counter()
    with subprocess.Popen(
        arguments,
        env={**os.environ, "NNEXP_RUNS": runs, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}:\n{told}")
    memory = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return seconds, usage.ru_utime + usage.ru_stime, memory, told


def records(runs: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in Path(runs).glob("*/run.json")]


def line(what: str, found: str, bar: str = "") -> None:
    print(f"{what:62} {found:>22}  {bar}", flush=True)


def in_folders(repeat: int, measure: Callable[[str], float]) -> list[float]:
    found = []
    for _ in range(repeat):
        with tempfile.TemporaryDirectory() as folder:
            found.append(measure(folder))
    return found


def help_text(repeat: int) -> None:
    seconds = [run(["--help"], "/nowhere")[0] for _ in range(repeat)]
    line("nnexp --help, smallest and median", f"{min(seconds):.3f}, {statistics.median(seconds):.3f} s", "< 0.2 s")


def first_compile(repeat: int) -> None:
    """From the command to the first step with an empty cache, less the same with a warm one."""

    def cold(folder: str) -> float:
        words, cache = ["train", DIGITS, "stop.steps=1"], f"{folder}/cache"
        first = run(words, f"{folder}/runs", NNEXP_CACHE=cache)
        assert "compiling the loops" in first[3]
        return first[0]

    seconds = in_folders(min(repeat, 3), cold)
    line("the first command on a machine: train digits for a step", f"{statistics.median(seconds):.2f} s", "< 5 s")


def starting(repeat: int, jobs: int) -> None:
    """From the command to the first trained step, with workers that are forked or started from nothing."""
    words = ["sweep", DIGITS, "stop.steps=1", "--seeds", str(jobs), "-j", str(jobs), "-q"]
    found: dict[str, list[float]] = {"forkserver": [], "spawn": []}
    for _ in range(repeat):
        for method, seconds in found.items():
            with tempfile.TemporaryDirectory() as folder:
                seconds.append(run(words, folder, NNEXP_START=method)[0])
    for method, seconds in found.items():
        line(f"a sweep of {jobs} runs of a step, workers by {method}", f"{statistics.median(seconds):.2f} s")


def sixty_four(repeat: int, jobs: int) -> None:
    """Wall time of 64 runs of digits beside half the sum of what they took themselves."""
    shares, walls, of_runs = [], [], []
    for _ in range(min(repeat, 5)):
        with tempfile.TemporaryDirectory() as folder:
            wall = run(["sweep", DIGITS, "--seeds", "64", "-j", str(jobs)], folder)[0]
            done = records(folder)
            shares.append(wall / (sum(one["train_seconds"] for one in done) / jobs))
            of_runs.append(wall / (sum(one["wall_seconds"] for one in done) / jobs))
            walls.append(wall)
    line(f"64 runs of digits on {jobs} processes, command to table", f"{statistics.median(walls):.2f} s")
    line("  over the runs' own updates / processes", f"{statistics.median(shares):.2f}", "<= 1.15")
    line("  over the runs' own time, evaluation included, / processes", f"{statistics.median(of_runs):.2f}", "")


def a_run(count: int, jobs: int) -> None:
    """The cost of a run in a sweep of many runs of two steps: to the parent, and altogether."""
    words = ["sweep", DIGITS, "stop={epochs: 1, steps: 2}", "-j", str(jobs), "-q", "--seeds"]
    figures = []
    for number in (max(count // 10, 10), count):
        with tempfile.TemporaryDirectory() as folder:
            wall, parent, memory, _ = run([*words, str(number)], folder)
            training = sum(one["train_seconds"] for one in records(folder)) / jobs
            figures.append((number, wall - training, parent, memory))
    (few, wall0, parent0, memory0), (many, wall1, parent1, memory1) = figures
    more = many - few
    line(f"a run of {many}: parent's CPU time", f"{(parent1 - parent0) / more * 1e3:.2f} ms", "< 10 ms")
    line("  wall time beyond training, all processes at work", f"{(wall1 - wall0) / more * 1e3:.2f} ms", "< 10 ms")
    line("  memory of the parent", f"{(memory1 - memory0) / more * 1e3:.1f} kB", "its record")


def logging(repeat: int) -> None:
    """The share of a digits run that goes into rows, records and the display; evaluation is told apart."""
    from nnexp.cli.progress import Progress
    from nnexp.config.load import load
    from nnexp.engine.surface import kind_of
    from nnexp.engine.trainer import Trainer
    from nnexp.runner import begin, train
    from nnexp.store.folder import RunFolder

    spent = dict.fromkeys(("append", "beat", "score", "show"), 0.0)

    def timed(owner: Any, name: str, part: str) -> None:
        inner = getattr(owner, name)

        def outer(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            result = inner(*args, **kwargs)
            spent[part] += time.perf_counter() - began
            return result

        setattr(owner, name, outer)

    for owner, name, part in (
        (RunFolder, "append", "append"),
        (RunFolder, "beat", "beat"),
        (Trainer, "score", "score"),
        (Progress, "__call__", "show"),
    ):
        timed(owner, name, part)
    config = load(Path(DIGITS)).config
    whole = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeat + 1):
            experiment = kind_of(config)(config)
            run_folder = begin(experiment, Path(folder))
            with Progress(experiment, "digits") as progress:
                record = train(experiment, run_folder, progress)
            if number == 0:  # loads the loops
                spent |= dict.fromkeys(spent, 0.0)
            else:
                whole += record["wall_seconds"]
    logged = spent["append"] + spent["beat"] + spent["show"]
    line("rows, signs of life and progress, of a digits run's time", f"{logged / whole:.2%}", "< 2 %")
    line("  evaluation of two splits each epoch, of the same", f"{spent['score'] / whole:.1%}")


def rows_within_epochs(repeat: int) -> None:
    """What `monitor.updates` adds to a digits run of 40 epochs with 34 updates each: medians of interleaved runs."""
    from nnexp.config.load import load
    from nnexp.engine.surface import kind_of
    from nnexp.runner import begin, train

    found: dict[int | None, list[tuple[float, float]]] = {None: [], 17: [], 5: []}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeat + 1):
            for updates, times in found.items():
                config = load(Path(DIGITS)).config
                monitor = config.monitor.model_copy(update={"updates": updates})
                config = config.model_copy(update={"monitor": monitor})
                experiment = kind_of(config)(config)
                record = train(experiment, begin(experiment, Path(folder)))
                if number:  # the first loads the loops
                    times.append((record["wall_seconds"], record["train_seconds"]))
    plain = [statistics.median(part) for part in zip(*found[None], strict=True)]
    for updates in (17, 5):
        whole, steps = (
            statistics.median(part) / without
            for part, without in zip(zip(*found[updates], strict=True), plain, strict=True)
        )
        what = f"a row every {updates} updates of digits, beside a row an epoch: whole, steps"
        line(what, f"{whole:.2f}, {steps:.2f} times")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    print(f"{'':62} {'measured':>22}  bar")
    help_text(given.repeat)
    first_compile(given.repeat)
    starting(given.repeat, given.jobs)
    sixty_four(given.repeat, given.jobs)
    a_run(given.runs, given.jobs)
    logging(given.repeat)
    rows_within_epochs(given.repeat)


if __name__ == "__main__":
    main()
