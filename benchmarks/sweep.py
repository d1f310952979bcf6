"""Models a second of a sweep: `nnexp sweep` beside PyTorch, JAX and scikit-learn: python benchmarks/sweep.py

A sweep trains one network from `--runs` seeds on all cores; time is from starting the command to its end, when the
table is printed: importing, compiling and starting processes included. Each command is run `--repeat` times, in turn;
a figure is the median with the range. Caches on disk are as the first, unmeasured round of nnexp leaves them.

What each does besides training: `nnexp` evaluates the training and the validation examples and logs them after each
epoch, keeps every run's folder with its model, and compares the runs; `nnexp, scores at the end` is the same with
`monitor: {every: EPOCHS, train: false}`. The peers' scripts (benchmarks/peer_sweeps.py) log and save nothing, and score
the validation examples once. `processes` are as many as there are cores, with one thread each.

Frameworks that are not installed are named, and their cells stay empty: pip install 'nnexp[bench]'
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
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from frameworks import FRAMEWORKS, LEARNING_RATE, Work, clouds, digits
from peer_sweeps import WAYS
from peers import NETWORKS, announce, astray, save, surroundings, table

EPOCHS = {"64-32-10": 100, "64-128-128-10": 40, "784-256-256-10": 4, "784-8x128-10": 4, "784-3x1024-10": 3}
MOST_RUNS = {"784-3x1024-10": 8}
"""Where fewer runs say as much."""
HELD = 0.2
"""Share of the examples that are held out."""
OWN = ("nnexp", "nnexp, scores at the end")


@dataclass(frozen=True)
class Line:
    """One cell of the table, as the CSV has it."""

    network: str
    variant: str
    framework: str
    missing: str
    runs: int
    epochs: int
    rounds: int = 0
    median_seconds: float | None = None
    least_seconds: float | None = None
    most_seconds: float | None = None
    models_per_second: float | None = None
    loss: float | None = None

    def __str__(self) -> str:
        if self.models_per_second is None:
            return "missing"
        return f"{self.models_per_second:.3g} ({self.least_seconds:.3g}-{self.most_seconds:.3g} s)"


def examples(work: Work, quick: bool) -> tuple[np.ndarray, np.ndarray]:
    """Examples in any order, of which four fifths make whole batches: x (N, F), t (N,)."""
    x, t = digits(1280) if work.inputs == 64 else clouds(1280 if quick else 5120, work.inputs)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], t[order]


class Contest:
    """The commands of one network's sweeps in a folder of their own."""

    def __init__(self, work: Work, runs: int, folder: Path, quick: bool = False):
        self.work, self.runs, self.folder = work, runs, folder
        x, t = examples(work, quick)
        kept = len(x) - round(HELD * len(x))
        task = json.dumps({"work": asdict(work), "runs": runs})
        split = {"x": x[:kept], "t": t[:kept], "held_x": x[kept:], "held_t": t[kept:]}
        np.savez(folder / "task.npz", told=np.array(task), **split)
        np.savez(folder / "data.npz", x=x, y=t)
        config = {
            "name": "contest",
            "dataset": {"name": "npz", "path": "data.npz", "validation": HELD, "test": 0, "preprocessing": []},
            "architecture": {"name": "mlp", "hidden": list(work.hidden)},
            "optimizer": {"name": "adam", "lr": LEARNING_RATE},
            "batch": {"name": "mini", "size": work.batch},
            "stop": work.epochs,
        }
        (folder / "config.yaml").write_text(json.dumps(config))  # JSON is YAML

    def run(self, name: str) -> tuple[float, float]:
        """Seconds of one sweep, and the mean loss of its runs on the examples held out."""
        if name not in OWN:
            script = Path(__file__).with_name("peer_sweeps.py")
            seconds, said = self._timed([str(script), name, str(self.folder / "task.npz")], self._environment(name))
            told = json.loads(said.splitlines()[-1])
            if told["runs"] != self.runs:
                raise SystemExit(f"{name}: {told['runs']} runs instead of {self.runs}")
            return seconds, told["loss"]
        words = ["sweep", "config.yaml", "--seeds", str(self.runs)]
        if name == OWN[1]:
            words += [f"monitor.every={self.work.epochs}", "monitor.train=false"]
        with tempfile.TemporaryDirectory() as runs:
            seconds, _ = self._timed(["-m", "nnexp", *words], {"NNEXP_RUNS": runs})
            records = [json.loads(path.read_text()) for path in Path(runs).rglob("run.json")]
        finished = [record["final"]["validation_loss"] for record in records if record["status"] == "finished"]
        if len(finished) != self.runs:
            raise SystemExit(f"{name}: {len(finished)} finished runs instead of {self.runs}")
        return seconds, statistics.mean(finished)

    @staticmethod
    def _environment(name: str) -> dict[str, str]:
        framework, _ = WAYS[name]
        threads = (os.cpu_count() or 1) if name == "jax, vmap" else 1
        return FRAMEWORKS[framework].environment({"threads": threads})

    def _timed(self, arguments: list[str], environment: dict[str, str]) -> tuple[float, str]:
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, *arguments],
            env={**os.environ, **environment},
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode:
            raise SystemExit(f"{arguments} failed:\n{(done.stdout + done.stderr)[-3000:]}")
        return seconds, done.stdout


def measure(network: str, contest: Contest, names: Sequence[str], repeat: int) -> Iterator[Line]:
    """All sweeps on one network, in turn."""
    missing = {name: [] if name in OWN else FRAMEWORKS[WAYS[name][0]].missing() for name in names}
    able = [name for name in names if not missing[name]]
    if OWN[0] in able:
        with tempfile.TemporaryDirectory() as folder:
            Contest(replace(contest.work, epochs=1), 2, Path(folder)).run(OWN[0])
    answers: dict[str, list[tuple[float, float]]] = {name: [] for name in able}
    for _ in range(repeat):
        for name in able:
            answers[name].append(contest.run(name))
    for name in names:
        line = Line(network, "plain", name, ", ".join(missing[name]), contest.runs, contest.work.epochs)
        if name in able:
            seconds = [one for one, _ in answers[name]]
            middle = statistics.median(seconds)
            line = replace(
                line,
                rounds=repeat,
                median_seconds=middle,
                least_seconds=min(seconds),
                most_seconds=max(seconds),
                models_per_second=contest.runs / middle,
                loss=answers[name][-1][1],
            )
        yield line


def show(groups: Sequence[Sequence[Line]], names: Sequence[str]) -> None:
    """Models a second, and the losses."""
    rows, losses = [], []
    for group in groups:
        rate = {line.framework: line.models_per_second for line in group if line.models_per_second is not None}
        others = [value for name, value in rate.items() if name not in OWN]
        ratios = [f"{rate[name] / max(others):.2f}" if name in rate and others else "-" for name in OWN]
        head = f"{group[0].network}, {group[0].runs} runs of {group[0].epochs} epochs"
        rows.append([head, *map(str, group), *ratios])
        losses.append([head, *("missing" if line.loss is None else f"{line.loss:.4f}" for line in group)])
    print("\nmodels a second, by the median (range of seconds a sweep)")
    print(table(["sweep", *names, *(f"{name} / best peer" for name in OWN)], rows))
    print("\nmean loss on the examples held out")
    print(table(["sweep", *names], losses))


def main() -> None:
    """Measure and print tables."""
    assert __doc__ is not None
    known = [*OWN, *WAYS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=list(NETWORKS), default=list(NETWORKS), metavar="NAME")
    parser.add_argument("--peers", nargs="+", choices=known, default=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--runs", type=int, help="runs of every sweep; 64, and 8 for the widest network")
    parser.add_argument("--repeat", type=int, default=3, help="rounds in which all are measured")
    parser.add_argument("--csv", type=Path, help="where the figures go; versions and machine go beside, as JSON")
    parser.add_argument("--quick", action="store_true", help="four runs of two epochs, once: to see that it works")
    given = parser.parse_args()
    names = [name for name in known if name in given.peers]
    used = {"nnexp": FRAMEWORKS["nnexp"]} | {WAYS[name][0]: FRAMEWORKS[WAYS[name][0]] for name in names if name in WAYS}
    told = surroundings(list(used.values()))
    announce(told)
    groups: list[list[Line]] = []
    wrong = []
    for network in given.networks:
        work = replace(NETWORKS[network], epochs=2 if given.quick else EPOCHS[network])
        runs = given.runs or (4 if given.quick else MOST_RUNS.get(network, 64))
        with tempfile.TemporaryDirectory() as folder:
            contest = Contest(work, runs, Path(folder), given.quick)
            found = list(measure(network, contest, names, 1 if given.quick else given.repeat))
        print(f"{network}: " + "; ".join(f"{line.framework} {line}" for line in found), flush=True)
        groups.append(found)
        wrong += astray(found)
        if given.csv:
            save(given.csv, [line for group in groups for line in group], told)
    show(groups, names)
    if wrong:
        raise SystemExit("\n".join(["", "not all have trained the same function:", *wrong]))


if __name__ == "__main__":
    main()
