"""One run's folder: config.yaml, metrics.csv, run.json, model.npz; checkpoint.npz while it can be resumed.

A finished run may keep state.npz: with model.npz what a run with more epochs goes on from.

Files that must be whole are written under a temporary name and renamed. Nothing is parsed out of a folder's name.
"""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import numpy as np

from nnexp.errors import InputError
from nnexp.store.room import Unwritable, why_not, writing

CHECKPOINT, STATE = "checkpoint.npz", "state.npz"


class RunFolder:
    """A folder that one process writes."""

    def __init__(self, path: Path):
        self.path = path
        self._metrics: IO[str] | None = None
        self._durable = True
        """Whether run.json as it stands is known to be on the disk."""
        self._columns: list[str] = []

    @classmethod
    def create(cls, root: Path, name: str, label: str, seed: int, run_id: str | None = None) -> RunFolder:
        """A new folder <name>-<label>-s<seed>-<id> below `root`. Raises InputError where it cannot be written.

        A `run_id` that was given out by `fresh_ids` may have a folder already, which was begun and not finished.
        """
        path = cls.place(root, name, label, seed, run_id or next(fresh_ids(root)))
        try:
            with writing(root):
                path.mkdir(parents=True, exist_ok=run_id is not None)
        except Unwritable:
            raise
        except OSError as error:
            raise InputError(why_not(root, error)) from None
        return cls(path)

    @staticmethod
    def place(root: Path, name: str, label: str, seed: int, run_id: str) -> Path:
        """Where the folder of a run is."""
        return root / "-".join(part for part in (name, label[:60].strip("-._"), f"s{seed}", run_id) if part)

    @property
    def id(self) -> str:
        """The folder's short id, for a new run's record."""
        return self.path.name.rsplit("-", 1)[-1]

    def tidy(self) -> None:
        """Remove what a killed process left half-written; for the one that goes on."""
        with writing(self.path):
            for stale in self.path.glob(".*.*.*"):
                stale.unlink(missing_ok=True)

    def write_config(self, text: str) -> None:
        """config.yaml: a copy of what run.json holds, for which nothing waits until it is on the disk."""
        write_whole(self.path / "config.yaml", lambda file: file.write(text.encode()), durable=False)

    def write_record(self, record: Mapping[str, Any], durable: bool = True) -> None:
        """run.json, whole or not at all. NaN and infinities become null."""
        text = json.dumps(finite(record), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        # an argument of the command line may hold bytes that are no text; JSON can say them only by their escapes
        content = text.encode(errors="backslashreplace")
        write_whole(self.path / "run.json", lambda file: file.write(content), durable)
        self._durable = durable

    def read_record(self) -> dict[str, Any]:
        """run.json as it stands."""
        return json.loads((self.path / "run.json").read_text(encoding="utf-8"))

    def beat(self) -> None:
        """Show that the run is alive."""
        with writing(self.path):
            os.utime(self.path / "run.json")

    def open_metrics(self, columns: list[str], before_epoch: int | None = None, step: int = 0) -> None:
        """Begin metrics.csv, or go on with it: then rows from `before_epoch` on are dropped first.

        But of the rows within epochs, those up to update `step` are kept. Raises InputError where there is nothing to
        go on with.
        """
        path = self.path / "metrics.csv"
        self._columns = columns
        if before_epoch is not None:

            def stays(line: str) -> bool:
                epoch, *cells = line.split(",")
                if epoch.isdecimal():
                    return int(epoch) < before_epoch
                return float(epoch) > 0 and int(cells[columns.index("step") - 1]) <= step

            try:
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
                whole = [line for line in lines[1:] if line.endswith("\n")]
                kept = [line for line in whole if stays(line)]
            except (OSError, ValueError, IndexError) as error:
                raise InputError(
                    f"{path} is damaged ({error}); delete checkpoint.npz beside it to start the run again"
                ) from None
            write_whole(path, lambda file: file.write("".join([*lines[:1], *kept]).encode()))
            with writing(self.path):
                self._metrics = path.open("a", newline="")
            return
        with writing(self.path):
            self._metrics = path.open("w", newline="")
        self._write_row(columns)

    def write_rows(self, lines: Sequence[str]) -> None:
        """metrics.csv with the header and the rows of another run, which this one goes on with."""
        write_whole(self.path / "metrics.csv", lambda file: file.write("".join(lines).encode()), durable=False)

    def append(self, row: Mapping[str, float | int | None]) -> None:
        """Add a row, every column of it, and flush. Numbers in full precision, nothing for None."""
        self._write_row(["" if row[column] is None else repr(row[column]) for column in self._columns])

    def _write_row(self, cells: list[str]) -> None:
        assert self._metrics is not None
        try:
            with writing(self.path):
                self._metrics.write(",".join(cells) + "\n")  # names and numbers: nothing that needs quotes
                self._metrics.flush()
        except OSError:
            file, self._metrics = self._metrics, None
            with suppress(OSError):  # it tries once more to write what it has just been refused
                file.close()
            raise

    def push_rows(self) -> None:
        """All rows of metrics.csv so far are on the disk: before a checkpoint, or a record that says how it ended."""
        if self._metrics is not None:
            with writing(self.path):
                os.fsync(self._metrics.fileno())

    def close(self) -> None:
        if self._metrics is not None:
            file, self._metrics = self._metrics, None
            with writing(self.path):
                file.close()

    def write_checkpoint(self, state: Mapping[str, np.ndarray]) -> None:
        """Everything to go on from here; the record and the rows before it are on the disk first."""
        self.push_rows()
        if not self._durable:
            with writing(self.path), (self.path / "run.json").open("rb+") as record:
                os.fsync(record.fileno())
            self._durable = True
        write_whole(self.path / CHECKPOINT, lambda file: np.savez(file, **dict[str, Any](state)))

    def read_checkpoint(self) -> dict[str, np.ndarray] | None:
        """The last checkpoint, or None where there is none. Raises InputError where it is damaged."""
        path = self.path / CHECKPOINT
        if not path.exists():
            return None
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
            raise InputError(f"{path} is damaged ({error}); delete it to start the run again") from None

    def remove_checkpoint(self) -> None:
        with writing(self.path):
            (self.path / CHECKPOINT).unlink(missing_ok=True)

    def write_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """state.npz: nothing waits until it is on the disk, for without it more epochs are trained from the first."""
        write_whole(self.path / STATE, lambda file: np.savez(file, **dict[str, Any](arrays)), durable=False)

    def write_model(self, arrays: Mapping[str, np.ndarray]) -> None:
        """model.npz. Not compressed: of real weights that saves a tenth, and takes ten times as long."""
        write_whole(self.path / "model.npz", lambda file: np.savez(file, **dict[str, Any](arrays)))


def fresh_ids(root: Path) -> Iterator[str]:
    """Ids that no folder below `root` has, each once."""
    taken = {name.rpartition("-")[2] for name in os.listdir(root)} if root.is_dir() else set()  # noqa: PTH208
    while True:
        found = secrets.token_hex(3)
        if found not in taken:
            taken.add(found)
            yield found


def write_whole(path: Path, write: Callable[[IO[bytes]], Any], durable: bool = True) -> None:
    """Write a file under a temporary name, push it to the disk and rename it: readers see the old or the new one.

    What is not `durable` is not pushed, which may take longer than a short run: a power cut may lose it. Raises
    Unwritable where there is no room.
    """
    with writing(path.parent):
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                write(file)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def finite(value: Any) -> Any:
    """Plain data with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
