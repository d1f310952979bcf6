"""How long it takes to compare many finished runs, as whole processes: python benchmarks/compare.py

Two digits runs of 100 epochs are trained, sgd and adam; their folders are the models of `--runs` others in `--groups`
settings (optimizer, learning rate), with other seeds and scores. Cold is a process that finds no index and writes one;
warm are the `--repeat` processes after it. Memory is the largest resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

EPOCHS = 100
OPTIMIZERS = {"sgd": 0.05, "adam": 0.003}
INDEX = ".index.sqlite"
COMMANDS = {
    "nnexp --version": ["--version"],
    "nnexp compare": ["compare"],
    "nnexp compare --by optimizer,lr": ["compare", "--by", "optimizer,lr"],
    "nnexp compare --by lr --metric loss": ["compare", "--by", "lr", "--metric", "loss"],
    "nnexp compare --each --top 10": ["compare", "--each", "--top", "10"],
    "nnexp compare --where 'lr<0.01'": ["compare", "--where", "optimizer.lr<0.01"],
    "nnexp compare --by lr --summary best": ["compare", "--by", "lr", "--summary", "best"],
    "nnexp compare --by lr --reach 0.9": ["compare", "--by", "lr", "--reach", "0.9"],
    "nnexp compare --by lr --match updates": ["compare", "--by", "lr", "--match", "updates"],
    "nnexp show": ["show"],
    "nnexp sweep --dry-run (2 runs)": ["sweep", "configs/iris.yaml", "optimizer=sgd,adam", "--dry-run"],
}


def nnexp(words: list[str], root: Path) -> tuple[float, float]:
    """Seconds and MB of one process. Raises CalledProcessError where the command fails."""
    arguments = [sys.executable, "-m", "nnexp", *words]
    environment = {**os.environ, "NNEXP_RUNS": str(root)}
    started = time.perf_counter()
    process = subprocess.Popen(
        arguments, env=environment, cwd=Path(__file__).parent.parent, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        assert process.stderr is not None
        raise subprocess.CalledProcessError(process.returncode, arguments, stderr=process.stderr.read())
    # Linux counts in kB, macOS in bytes
    return seconds, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def templates(folder: Path) -> list[Path]:
    """A trained run of each optimizer."""
    for name, lr in OPTIMIZERS.items():
        words = [f"optimizer={name}", f"optimizer.lr={lr}", f"stop.epochs={EPOCHS}", "stop.patience=null", "--quiet"]
        nnexp(["train", "configs/digits.yaml", *words], folder)
    return sorted(path for path in folder.iterdir() if (path / "run.json").exists())


def settings(models: list[Path], groups: int) -> Iterator[tuple[Path, float]]:
    """`groups` pairs of a model and a learning rate."""
    for number in range(groups):
        yield models[number % len(models)], round(1e-4 * 1.2 ** (number // len(models)), 8)


def write_run(root: Path, model: Path, number: int, seed: int, lr: float, rng: random.Random) -> dict[str, Any]:
    """One run's folder, as training would have left it, but for its arrays; what a sweep's plan says of it."""
    record = json.loads((model / "run.json").read_text(encoding="utf-8"))
    luck = rng.gauss(0.0, 0.005)
    record["id"] = f"{number:06x}"
    record["label"] = f"lr-{lr:g}"
    record["seed"] = record["config"]["seed"] = seed
    record["config"]["optimizer"]["lr"] = lr
    record["fingerprint"] = f"{rng.getrandbits(64):016x}"
    record["created"] = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)).isoformat(
        timespec="microseconds"
    )
    record["train_seconds"] *= rng.uniform(0.9, 1.1)
    record["final"] = {name: value * (1.0 + luck) for name, value in record["final"].items()}
    path = root / f"digits-{record['label']}-s{seed}-{record['id']}"
    path.mkdir()
    (path / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (path / "metrics.csv").write_bytes((model / "metrics.csv").read_bytes())
    (path / "config.yaml").write_bytes((model / "config.yaml").read_bytes())
    return {"fingerprint": record["fingerprint"], "case": None, "seed": seed, "label": record["label"]}


def write_runs(root: Path, models: list[Path], runs: int, groups: int) -> None:
    """All runs, and the sweep that they belong to."""
    rng = random.Random(0)
    plan = []
    for group, (model, lr) in enumerate(settings(models, groups)):
        for number in range(group, runs, groups):
            plan.append(write_run(root, model, number, number // groups, lr, rng))
    sweep = root / "sweeps" / "digits-000000"
    sweep.mkdir(parents=True)
    started = "2026-01-01T00:00:00.000000+00:00"
    (sweep / "plan.json").write_text(json.dumps({"started": started, "runs": plan}), encoding="utf-8")


def main() -> None:
    """Make the folder, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=50, help="as many as runs: each run has a setting of its own")
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--keep", type=Path, help="make the runs here, or measure on those that are here")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root = given.keep or Path(temporary) / "runs"
        if not root.exists():
            root.mkdir(parents=True)
            started = time.perf_counter()
            write_runs(root, templates(Path(temporary) / "models"), given.runs, given.groups)
            print(f"{given.runs:,} runs in {given.groups:,} groups written in {time.perf_counter() - started:.1f} s")
            time.sleep(3)  # what has just been written is not kept in an index
        print(f"{'command':37} {'cold':>7} {'memory':>7} {'warm':>9} {'range':>14} {'memory':>7}")
        for name, words in COMMANDS.items():
            (root / INDEX).unlink(missing_ok=True)
            cold, cold_memory = nnexp(words, root)
            measured = [nnexp(words, root) for _ in range(given.repeat)]
            seconds = [s for s, _ in measured]
            span = f"{min(seconds):.2f} to {max(seconds):.2f}"
            memory = max(m for _, m in measured)
            warm = statistics.median(seconds)
            print(
                f"{name:37} {cold:5.2f} s {cold_memory:4.0f} MB {warm:7.2f} s {span:>14} {memory:4.0f} MB", flush=True
            )
        if (root / INDEX).exists():
            print(f"the index takes {(root / INDEX).stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
