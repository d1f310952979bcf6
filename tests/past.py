"""Run folders as a past training would have left them, written by hand: any scores, in no time."""

from __future__ import annotations

import csv
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from nnexp.store.parents import FOLDER, Presence, at_work
from nnexp.store.record import FORMAT
from nnexp.store.runs import SWEEPS, Run, read_run

CONFIG: dict[str, Any] = {
    "name": "past",
    "seed": 0,
    "dataset": {"name": "moons", "n": 60, "preprocessing": [{"name": "standardize", "scale": "feature"}]},
    "architecture": {"name": "mlp", "hidden": [6, 5]},
    "optimizer": {"name": "sgd", "lr": 0.1},
    "stop": {"epochs": 2, "patience": None},
    "monitor": {"every": 1},
    "threads": 1,
}
ADAM: dict[str, Any] = {"name": "adam", "lr": 0.1, "beta1": 0.9}

_numbers = count(1)


def past_run(root: Path, accuracy: float | None = None, *, status: str = "finished", **changes: Any) -> Path:
    """A run folder. `changes` replace keys of the configuration; a key of the record is written `record_id=...`.

    The validation accuracy is `accuracy`, the losses 1 minus it; a run that did not finish has no scores.
    """
    number = next(_numbers)
    record = {key.removeprefix("record_"): value for key, value in changes.items() if key.startswith("record_")}
    config = {**CONFIG, **{key: value for key, value in changes.items() if not key.startswith("record_")}}
    final = {} if accuracy is None or status != "finished" else scores(accuracy)
    full: dict[str, Any] = {
        "format": FORMAT,
        "id": f"{number:06x}",
        "name": config["name"],
        "label": "",
        "seed": config["seed"],
        "status": status,
        "created": f"2026-01-01T00:00:{number:013.6f}+00:00",
        "fingerprint": f"{number:016x}",
        "data": "0" * 16,
        "config": config,
        "columns": ["epoch", "step", "validation_loss", "validation_accuracy", "seconds"],
        "higher_is_better": ["train_accuracy", "validation_accuracy", "test_accuracy"],
        "versions": {"nnexp": "0.1.0"},
        "machine": {"platform": "a machine", "processor": "a processor", "cores": 2},
        "form": "numpy",
        "host": platform.node(),
        "pid": 1,
        "command": ["train"],
        "parameters": 67,
        "epoch": 2,
        "step": 10,
        "reason": "2 epochs",
        "train_seconds": 0.5,
        "final": final,
        **record,
    }
    path = root / f"{full['name']}-s{full['seed']}-{full['id']}"
    path.mkdir(parents=True)
    (path / "run.json").write_text(json.dumps(full), encoding="utf-8")
    with (path / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(full["columns"])
        writer.writerows([epoch, 5 * epoch, 1.0 / (1 + epoch), 0.5 + epoch / 10, 0.25 * epoch] for epoch in range(3))
    return path


def scores(accuracy: float) -> dict[str, float]:
    """Scores on every split."""
    splits = ("train", "validation", "test")
    return {f"{split}_{name}": v for split in splits for name, v in (("loss", 1 - accuracy), ("accuracy", accuracy))}


def past_sweep(
    root: Path, name: str, runs: Sequence[Path], started: str, cases: Mapping[Path, str] | None = None
) -> Path:
    """A sweep's folder that plans these runs."""
    plan = [{"fingerprint": read(run).record["fingerprint"], "case": (cases or {}).get(run)} for run in runs]
    folder = root / SWEEPS / name
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text(json.dumps({"started": started, "runs": plan}), encoding="utf-8")
    return folder


def present(folder: Path, **changes: Any) -> Path:
    """A file in a sweep's folder as if this process were at work at it, with changes."""
    with Presence(folder):
        [(_, parent)] = at_work(folder).items()
    (folder / FOLDER).mkdir()
    path = folder / FOLDER / "one"
    path.write_text(json.dumps({**asdict(parent), **changes}))
    return path


def read(path: Path) -> Run:
    """A folder that is known to hold a run."""
    run = read_run(path)
    assert isinstance(run, Run), run
    return run


def read_all(root: Path) -> list[Run]:
    """The runs of a root, the oldest first."""
    return [read(path) for path in sorted(root.glob("[!.]*"), key=lambda p: p.name[-6:]) if path.name != SWEEPS]


def alter(folder: Path, **changes: Any) -> None:
    """Write other values into a run.json."""
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")
