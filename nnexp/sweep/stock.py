"""The data sets of a sweep: each loaded and prepared once, and a large one once on the machine for all processes."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import pickle
import shutil
import struct
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from nnexp.components.datasets import Dataset
from nnexp.config.schema import ExperimentConfig
from nnexp.config.seeds import Seeds
from nnexp.engine.data import SPLITS, Data, Loaded, load
from nnexp.engine.surface import kind_of
from nnexp.store.runs import process_mark

LARGE = 4 << 20
"""Bytes from which on a data set lies in a file that all processes map; a smaller one is quicker prepared by each."""
KEPT = 64
"""Data sets that a process keeps, as long as they are small."""
MOST = 4 << 30
"""Bytes of files: beyond it the oldest go, and are made again by who needs them."""
TABLES = 4
"""Tables that a process keeps."""
PREFIX = "nnexp-data-"
ALIGNED = 64
T = TypeVar("T", Data, Loaded)


class Stock:
    """Tables and prepared data by what they depend on; arrays are read-only. Without a folder nothing is shared."""

    def __init__(self, folder: Path | None = None, large: int = LARGE):
        self.folder, self.large = folder, large
        self._kept: OrderedDict[str, Data] = OrderedDict()
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()

    def prepared(self, config: ExperimentConfig, alone: bool = False) -> Data:
        """The data of a configuration. Raises Misfit or InputError as `Experiment.prepare` does.

        What is wanted `alone`, by one run only, is put into no file.
        """
        key = data_key(config)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        data = self._opened(key) or self._made(key, config, alone)
        self._kept[key] = data
        held = sum(one.nbytes for one in self._kept.values())
        while len(self._kept) > 1 and (len(self._kept) > KEPT or held > KEPT * LARGE):
            held -= self._kept.popitem(last=False)[1].nbytes
        return data

    def _made(self, key: str, config: ExperimentConfig, alone: bool) -> Data:
        loaded = self._table(config.dataset, config.seeds) if isinstance(config.dataset, Dataset) else None
        data = kind_of(config).prepare(config, loaded)
        if not alone and data.nbytes >= self.large:
            data = self._shared(key, data)
        for split in SPLITS:
            for array in (data.split(split).x, data.split(split).t):
                array.setflags(write=False)
        return data

    def _table(self, dataset: Dataset, seed: Seeds) -> Loaded:
        """A data set's table. All seeds share it, unless it is drawn: then it is not kept."""
        key = _digest({"table": dataset.model_dump(mode="json")})
        found = self._loaded.get(key) or self._opened(key)
        if found is None:
            found = load(dataset, seed)
            if found.drawn:
                return found
            if found.nbytes >= self.large:
                found = self._shared(key, found)
        self._loaded[key] = found
        while len(self._loaded) > TABLES:
            self._loaded.popitem(last=False)
        return found

    def _shared(self, key: str, made: T) -> T:
        """The same in a file that all processes map, where there can be one."""
        if self.folder is not None:
            with suppress(OSError):  # a full disk: then this process has its own copy
                self._make_room(made.nbytes)
                _write(self.folder / key, made)
                return self._opened(key) or made
        return made

    def _opened(self, key: str) -> Any:
        if self.folder is None:
            return None
        with suppress(FileNotFoundError):
            return _read(self.folder / key)
        return None

    def _make_room(self, size: int) -> None:
        assert self.folder is not None
        files = sorted((path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.iterdir())
        held = size + sum(length for _, length, _ in files)
        for _, length, path in files:
            if held > MOST:
                path.unlink(missing_ok=True)  # who has it mapped keeps it
                held -= length


def data_key(config: ExperimentConfig) -> str:
    """What the data depend on: all of `dataset`, its seeds, the precision, augmentations and a saved model."""
    told = {
        "dataset": config.dataset.model_dump(mode="json"),
        "seeds": [config.seeds.of(purpose) for purpose in ("data", "split", "condition")],
        "precision": config.precision,
        "augmentation": [one.label() for one in config.augmentation],
        "initialization": config.initialization.model_dump(mode="json") if config.initialization.input_paths else None,
    }
    return _digest(told)


def _digest(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]


def _write(path: Path, data: Data | Loaded) -> None:
    """One file: the length of its head, the head (a pickle with the places of the arrays), the arrays' bytes."""
    buffers: list[pickle.PickleBuffer] = []
    body = pickle.dumps(data, protocol=5, buffer_callback=buffers.append)
    views = [buffer.raw() for buffer in buffers]
    places, end = [], 0
    for view in views:
        places.append((end, view.nbytes))
        end += -(-view.nbytes // ALIGNED) * ALIGNED
    head = pickle.dumps((body, places))
    start = -(-(8 + len(head)) // ALIGNED) * ALIGNED
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(struct.pack("<Q", len(head)) + head)
            for (offset, _), view in zip(places, views, strict=True):
                file.seek(start + offset)
                file.write(view)
            file.truncate(start + end)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _read(path: Path) -> Any:
    """The data in a file, its arrays read-only views of the file itself. Raises FileNotFoundError."""
    with path.open("rb") as file:
        mapped = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    (length,) = struct.unpack("<Q", mapped[:8])
    body, places = pickle.loads(mapped[8 : 8 + length])
    start = -(-(8 + length) // ALIGNED) * ALIGNED
    return pickle.loads(body, buffers=[mapped[start + offset : start + offset + size] for offset, size in places])


@contextmanager
def shared_folder() -> Iterator[Path | None]:
    """A folder for the files of one sweep, which goes when the sweep ends; those of killed sweeps go, too.

    None where no folder can be made.
    """
    root = Path(tempfile.gettempdir())
    _sweep_up(root)
    mark = process_mark(os.getpid())
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{mark}-"))
    except OSError:
        yield None
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep_up(root: Path) -> None:
    """Remove what sweeps have left that were killed, where the system tells which processes live."""
    if process_mark(os.getpid()) is None:
        return
    for path in root.glob(f"{PREFIX}*"):
        pid, _, rest = path.name.removeprefix(PREFIX).partition("-")
        if pid.isdigit() and not rest.startswith(f"{process_mark(int(pid))}-"):
            shutil.rmtree(path, ignore_errors=True)
