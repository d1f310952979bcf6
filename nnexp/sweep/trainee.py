"""The process that trains for a Dask worker: runs come in as lines of JSON, news go out; it ends with its worker.

It is started with one BLAS thread in its environment, before NumPy is imported, and dies without harm to the worker.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import IO, Any


class Ear:
    """Hears what the Dask worker says: runs to train, signs of life, and the wish to stop."""

    def __init__(self, lines: IO[str]):
        self.runs: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.silence = 60.0
        """Seconds without a word after which nobody follows this run any more."""
        self._heard, self._stop, self._closed = monotonic(), False, False
        threading.Thread(target=self._listen, args=(lines,), daemon=True).start()

    def _listen(self, lines: IO[str]) -> None:
        for line in lines:
            said = json.loads(line)
            self._heard = monotonic()
            if "run" in said:
                self.silence, self._stop = said["silence"], False
                self.runs.put(said)
            elif "stop" in said:
                self._stop = True
        self._closed = True

    @property
    def alone(self) -> bool:
        """Whether nobody is there any more."""
        return self._closed or monotonic() - self._heard > self.silence

    def stop_asked(self) -> bool:
        return self._stop or self.alone

    def next(self) -> dict[str, Any] | None:
        """The next run; None where no other will come."""
        while not self.alone:
            try:
                return self.runs.get(timeout=0.1)
            except Empty:
                continue
        return None


def main() -> None:
    """Train what is asked for until the worker is gone."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # what a plugin prints is no answer
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ear = Ear(sys.stdin)
    said = threading.Lock()

    def say(**what: Any) -> None:
        with said, suppress(OSError):  # a worker that is gone is noticed by its silence
            answers.write(json.dumps(what) + "\n")

    import nnexp.sweep.warm  # noqa: F401  # all that a run needs, before its time is taken
    from nnexp.engine import compiling
    from nnexp.sweep.stock import Stock

    compiled = 0

    def heard(name: str) -> None:
        nonlocal compiled
        compiled += 1
        say(compiled=compiled)

    compiling.on_compile = heard
    stock = Stock()
    while (task := ear.next()) is not None:
        say(taken=True)
        say(result=_trained(task, stock, ear))


def _trained(task: dict[str, Any], stock: Any, ear: Ear) -> dict[str, Any]:
    from nnexp.errors import InputError
    from nnexp.store.runs import Damaged
    from nnexp.sweep.jobs import carry_out, failed
    from nnexp.sweep.limits import Limits

    told, root, places = task["run"], Path(task["root"]), task["places"]
    try:
        told["config"] = placed(told["config"], places)
        run = _begun(root / task["folder"], told["config"], places) if task["begun"] else None
    except (InputError, OSError, ValueError) as error:
        return failed(error)
    if isinstance(run, Damaged):
        return {"status": "failed", "reason": f"it cannot be gone on with: {run.why}"}
    return carry_out(told, run, root, stock, Limits(**task["limits"]), ear.stop_asked)


def _begun(path: Path, config: dict[str, Any], places: dict[str, str]) -> Any:
    """The run in a folder that was begun elsewhere, known by the paths of this machine."""
    from nnexp.config.load import fingerprint, load_data
    from nnexp.store.folder import RunFolder
    from nnexp.store.runs import read_run

    folder = RunFolder(path)
    record = folder.read_record()
    record["config"] = placed(record["config"], places)
    loaded = load_data(record["config"], str(path / "run.json"))
    record["fingerprint"] = fingerprint(loaded.config, record["data"])
    folder.write_record(record, durable=False)
    return read_run(path)


def placed(config: dict[str, Any], places: dict[str, str]) -> dict[str, Any]:
    """A configuration with the paths of this machine instead of those where it was written."""
    from nnexp.config.load import named_files
    from nnexp.config.plugins import load_plugins

    found = {**config, "plugins": [places.get(path, path) for path in config["plugins"]]}
    load_plugins(Path(path) for path in found["plugins"])
    for outer, key in named_files(found):
        found[outer] = {**found[outer], key: places.get(found[outer][key], found[outer][key])}
    return found


if __name__ == "__main__":
    main()
