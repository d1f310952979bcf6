"""One training run in nnexp beside scikit-learn, PyTorch, JAX and Keras: python benchmarks/peers.py --csv peers.csv

Microseconds a training step: gathering, forward, loss, backward, Adam; float32, cross-entropy, ReLU, a new order each
epoch, the same data and the same initial weights. Each framework runs in a process of its own, which is stopped while
another is measured; they are measured in turn, `--repeat` times each, and a figure is the median with the quartiles.
Each is first tried in several settings (threads, and what else it has), and the quickest one is measured. What its
first call takes longer than a later one is told apart, as compiling; caches on disk are as they are found.

Frameworks that are not installed are named, and their cells stay empty: pip install 'nnexp[bench]'
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from frameworks import FRAMEWORKS, THREAD_VARIABLES, Framework, Work, data_for, save_task

NETWORKS = {
    "64-32-10": Work(64, (32,), 32, "plain", 20),
    "64-128-128-10": Work(64, (128, 128), 64, "plain", 20),
    "784-256-256-10": Work(784, (256, 256), 128, "plain", 8),
    "784-8x128-10": Work(784, (128,) * 8, 64, "plain", 4),
    "784-3x1024-10": Work(784, (1024,) * 3, 256, "plain", 2),
}
VARIANTS = ("plain", "batch_norm", "dropout")
TRIES = 2
"""Measured trainings in which a setting is tried, after a first one."""
HOPELESS = 3.0
"""A setting this many times slower than another one is not tried further."""
RELATIVE, ABSOLUTE = 0.15, 0.02
"""How far a final loss may be from the median of all, since orders and masks differ."""


@dataclass(frozen=True)
class Line:
    """One cell of the table, as the CSV has it."""

    network: str
    batch: int
    variant: str
    framework: str
    missing: str
    settings: str = ""
    rounds: int = 0
    steps: int = 0
    median_us: float | None = None
    lower_quartile_us: float | None = None
    upper_quartile_us: float | None = None
    least_us: float | None = None
    compile_seconds: float | None = None
    loss: float | None = None

    def __str__(self) -> str:
        if self.median_us is None:
            return "missing" if self.missing else "-"
        return f"{self.median_us:.4g} ({self.lower_quartile_us:.4g}-{self.upper_quartile_us:.4g})"


class Worker:
    """A framework with one choice of settings in a process of its own, stopped between two trainings."""

    def __init__(self, kind: type[Framework], work: Work, settings: dict[str, Any], folder: Path):
        self.kind, self.settings = kind, settings
        path = folder / "task.npz"
        save_task(path, kind.name, work, settings, data_for(work.inputs))
        inherited = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
        script = Path(__file__).with_name("frameworks.py")
        self._errors = folder / "stderr"
        with self._errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(script), str(path)],
                env=inherited | kind.environment(settings),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.first = self._answer()

    def _answer(self) -> dict[str, float]:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            self.process.wait()
            raise SystemExit(f"{self.kind.name} {self.settings} failed:\n{self._errors.read_text()[-3000:]}")
        self.process.send_signal(signal.SIGSTOP)  # its threads wait without turning
        return json.loads(text)

    def train(self) -> dict[str, float]:
        """Train once: the seconds it took and the loss at the end."""
        assert self.process.stdin is not None
        self.process.stdin.write("train\n")
        self.process.stdin.flush()
        self.process.send_signal(signal.SIGCONT)
        return self._answer()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def best(kind: type[Framework], work: Work, stack: ExitStack) -> Worker:
    """A worker with the settings that are quickest when they are tried."""
    chosen, quickest = None, float("inf")
    for settings in kind.choices(os.cpu_count() or 1):
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        worker = Worker(kind, work, settings, folder)
        stack.callback(worker.close)
        seconds = worker.first["seconds"]
        for _ in range(TRIES):
            seconds = min(seconds, worker.train()["seconds"])
            if seconds > HOPELESS * quickest:
                break
        if seconds < quickest:
            worker, chosen, quickest = chosen, worker, seconds
        if worker is not None:
            worker.close()
    assert chosen is not None
    return chosen


def measure(name: str, work: Work, kinds: Sequence[type[Framework]], repeat: int) -> Iterator[Line]:
    """All frameworks on one network, in turn."""
    steps = work.epochs * (len(data_for(work.inputs)[0]) // work.batch)
    with ExitStack() as stack:
        able = [kind for kind in kinds if not kind.missing() and work.variant in kind.variants]
        workers = {kind: best(kind, work, stack) for kind in able}
        answers: dict[type[Framework], list[dict[str, float]]] = {kind: [] for kind in able}
        for _ in range(repeat):
            for kind, worker in workers.items():
                answers[kind].append(worker.train())
    for kind in kinds:
        line = Line(name, work.batch, work.variant, kind.name, ", ".join(kind.missing()))
        if kind in workers:
            seconds = [answer["seconds"] for answer in answers[kind]]
            us = [second / steps * 1e6 for second in seconds]
            quartiles = statistics.quantiles(us, n=4, method="inclusive") if len(us) > 1 else [us[0]] * 3
            line = replace(
                line,
                settings=", ".join(f"{key} {value}" for key, value in workers[kind].settings.items()),
                rounds=repeat,
                steps=steps,
                median_us=quartiles[1],
                lower_quartile_us=quartiles[0],
                upper_quartile_us=quartiles[2],
                least_us=min(us),
                compile_seconds=max(workers[kind].first["since_start"] - statistics.median(seconds), 0.0),
                loss=answers[kind][-1]["loss"],
            )
        yield line


def astray(lines: Sequence[Any]) -> list[str]:
    """What to say of final losses that are not close to the others', on one network."""
    losses = {line.framework: line.loss for line in lines if line.loss is not None}
    middle = statistics.median(losses.values()) if losses else 0.0
    return [
        f"{lines[0].network}, {lines[0].variant}: {name} ends at a loss of {loss:.4g}, the median is {middle:.4g}"
        for name, loss in losses.items()
        if not abs(loss - middle) <= RELATIVE * middle + ABSOLUTE
    ]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns, the first one flush left."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = [
        [row[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        for row in [heads, *rows]
    ]
    return "\n".join("  ".join(line) for line in lines)


def show(lines: Sequence[Line], kinds: Sequence[type[Framework]]) -> None:
    """Steps, compiling, losses and the chosen settings."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for line in lines:
        groups.setdefault((line.variant, line.network), []).append(line)
    names = [kind.name for kind in kinds]
    heads = ["network, variant", *names]

    def rows(cell: Any) -> list[list[str]]:
        return [
            [f"{network}, {variant}", *(cell(line) if line.median_us is not None else str(line) for line in group)]
            for (variant, network), group in groups.items()
        ]

    print("\nmicroseconds a training step, median (quartiles)")
    ratios = []
    for group in groups.values():
        own = next((one.median_us for one in group if one.framework == "nnexp"), None)
        others = [one.median_us for one in group if one.framework != "nnexp" and one.median_us is not None]
        ratios.append(f"{own / min(others):.2f}" if own is not None and others else "-")
    full = [[*row, ratio] for row, ratio in zip(rows(str), ratios, strict=True)]
    print(table([*heads, "nnexp / best peer"], full))
    print("\nseconds of compiling and preparing")
    print(table(heads, rows(lambda line: f"{line.compile_seconds:.2f}")))
    print("\nmean loss of the last epoch")
    print(table(heads, rows(lambda line: f"{line.loss:.4f}")))
    print("\nsettings")
    print(table(heads, rows(lambda line: line.settings)))


def surroundings(kinds: Sequence[type[Any]]) -> dict[str, Any]:
    """Versions, machine, date and command, to stand beside the figures."""
    processor = platform.processor()
    if (info := Path("/proc/cpuinfo")).is_file():
        found = [row for row in info.read_text().splitlines() if row.startswith("model name")]
        processor = found[0].partition(":")[2].strip() if found else processor
    versions = {"python": platform.python_version()}
    for kind in kinds:
        versions |= {} if kind.missing() else kind.versions()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": versions,
        "missing": {kind.name: kind.missing() for kind in kinds if kind.missing()},
        "machine": {
            "platform": platform.platform(),
            "processor": processor,
            "cores": os.cpu_count(),
            "load": list(os.getloadavg()),
        },
    }


def announce(told: dict[str, Any]) -> None:
    """Machine, versions, and what is missing."""
    print(f"{told['machine']['processor']}, {told['machine']['cores']} cores; ", end="")
    print(", ".join(f"{name} {version}" for name, version in told["versions"].items()))
    for name, packages in told["missing"].items():
        print(f"{name} is left empty; not installed: {', '.join(packages)}")


def save(path: Path, lines: Sequence[Any], told: dict[str, Any]) -> None:
    """The lines as a CSV, and beside it a JSON file with versions and machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(lines[0])])
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)
    path.with_suffix(".json").write_text(json.dumps(told, indent=2) + "\n")


def main() -> None:
    """Measure and print tables."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS), metavar="NAME")
    parser.add_argument("--peers", nargs="+", choices=list(FRAMEWORKS), default=list(FRAMEWORKS), metavar="NAME")
    parser.add_argument("--repeat", type=int, default=9, help="rounds in which all are measured")
    parser.add_argument("--csv", type=Path, help="where the figures go; versions and machine go beside, as JSON")
    parser.add_argument("--quick", action="store_true", help="two epochs and two rounds: to see that it works")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through what closes the workers, stopped as they are
    kinds = [FRAMEWORKS[name] for name in FRAMEWORKS if name in given.peers]
    told = surroundings(kinds)
    announce(told)
    lines, wrong = [], []
    for variant in given.variants:
        for name in given.networks:
            work = replace(NETWORKS[name], variant=variant)
            work = replace(work, epochs=2) if given.quick else work
            found = list(measure(name, work, kinds, 2 if given.quick else given.repeat))
            print(f"{name}, batch {work.batch}, {variant}: ", end="")
            print("; ".join(f"{line.framework} {line}" for line in found), flush=True)
            lines += found
            wrong += astray(found)
            if given.csv:
                save(given.csv, lines, told)
    show(lines, kinds)
    if wrong:
        raise SystemExit("\n".join(["", "not all have trained the same function:", *wrong]))


if __name__ == "__main__":
    main()
