"""What travels between a sweep and its cluster: files that a run needs go out, the files of its folder come home.

What comes home is checked before it is written: plain names only, a valid record, of this very run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from time import monotonic
from typing import IO, Any

from nnexp.config.load import fingerprint, load_data, named_files
from nnexp.errors import InputError
from nnexp.runner import BEAT, here, write_config
from nnexp.store.folder import RunFolder, write_whole
from nnexp.store.pack import safe
from nnexp.store.record import wrong_with
from nnexp.sweep.remote import CHECKPOINT, METRICS

BLOCK = 4 << 20
"""Bytes of a file that travel at a time: Dask warns of tasks beyond 10 MB, and keeps them in its scheduler."""
RECORD = "run.json"
KEPT_HERE = ("config.yaml", "notes.json")
"""Files of a run's folder that are written here alone."""


class Refused(Exception):
    """What a worker sent cannot be what it should be; the text says why."""


@dataclass(frozen=True)
class Parcel:
    """An input file of a run, or the files of a folder that it names, known by what they hold."""

    path: Path
    files: dict[str, str]
    """Name -> SHA-256."""

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps([self.files, self.path.is_dir()]).encode()).hexdigest()[:32]

    def told(self) -> dict[str, Any]:
        """What a worker needs to know to have it or to miss it."""
        alone = not self.path.is_dir()
        size = self.path.stat().st_size if alone else 0
        inner = self.path.name if alone else ""
        return {"path": str(self.path), "digest": self.digest, "files": self.files, "inner": inner, "size": size}

    def contents(self) -> dict[str, Path]:
        """The files by their names."""
        return {name: self.path / name if self.path.is_dir() else self.path for name in self.files}


def parcels_of(config: Mapping[str, Any]) -> list[Parcel]:
    """All that a filled configuration names by path: plugins, data files, a saved model. Raises InputError."""
    paths = [*config["plugins"], *(config[outer][key] for outer, key in named_files(config))]
    return [_parcel(Path(path)) for path in dict.fromkeys(paths)]


def _parcel(path: Path) -> Parcel:
    try:
        found = [one for one in sorted(path.iterdir()) if one.is_file()] if path.is_dir() else [path]
        return Parcel(path, {one.name: _digest(one, one.stat().st_mtime_ns) for one in found})
    except OSError as error:
        raise InputError(f"{path} cannot be sent to the cluster: {error.strerror}") from None


@cache
def _digest(path: Path, changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blocks(path: Path) -> Iterator[tuple[int, bytes, str | None]]:
    """A file's bytes in pieces: the offset of each, and with the last the digest of the whole."""
    digest, offset = hashlib.sha256(), 0
    with path.open("rb") as file:
        block = file.read(BLOCK)
        while True:
            digest.update(block)
            following = file.read(BLOCK)
            yield offset, block, None if following else digest.hexdigest()
            if not following:
                return
            offset, block = offset + len(block), following


def _fill(content: bytes, file: IO[bytes]) -> None:
    file.write(content)


@dataclass
class Home:
    """A run's folder in runs/, while the run trains elsewhere."""

    path: Path
    run_id: str
    config: dict[str, Any]
    """The configuration by the paths of this machine."""
    fingerprint: str
    record: dict[str, Any] | None = None
    """run.json as it came last."""
    _beaten: float = field(default_factory=monotonic)

    def take(self, names: list[str], files: Mapping[str, tuple[int, bytes]]) -> None:
        """Write what has come. Raises Refused for what is not this run's, and OSError for a full disk, say.

        The record is written last, so that it speaks of nothing that is not there.
        """
        for name in names:
            if not isinstance(name, str) or "/" in name or not safe(name):
                raise Refused(f"its worker sent a file with the name {name!r}")
        coming = {name: what for name, what in files.items() if name not in KEPT_HERE and name in names}
        record = None if RECORD not in coming else self._checked(coming.pop(RECORD)[1])
        if coming or record:
            self.path.mkdir(parents=True, exist_ok=True)
        for name in sorted(coming, key=lambda name: (name != METRICS, name)):
            offset, content = coming[name]
            if offset:
                self._append(name, offset, content)
            else:
                write_whole(self.path / name, partial(_fill, content))
        if record is not None:
            self._write(record)
        elif monotonic() - self._beaten > BEAT and self.record is not None:
            RunFolder(self.path).beat()
            self._beaten = monotonic()
        if self.record is not None and self.record["status"] != "running" and CHECKPOINT not in names:
            RunFolder(self.path).remove_checkpoint()

    def _append(self, name: str, offset: int, content: bytes) -> None:
        with (self.path / name).open("r+b") as file:
            if file.seek(0, os.SEEK_END) < offset:
                raise Refused(f"its worker went on with {name} behind the end of what is here")
            file.truncate(offset)
            file.seek(offset)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    def _checked(self, content: bytes) -> dict[str, Any]:
        try:
            record = json.loads(content)
        except (ValueError, RecursionError):
            raise Refused("its worker sent a run.json that is not JSON") from None
        if (why := wrong_with(record)) is not None:
            raise Refused(f"its worker sent this: {why}")
        if record["id"] != self.run_id:
            raise Refused(f"its worker sent the record of another run, {record['id']}")
        if self.record is None or self.record["data"] != record["data"]:
            config = load_data(self.config, "the sweep's configuration").config
            if fingerprint(config, record["data"]) != self.fingerprint:
                raise Refused("its data set is another on the worker than here")
        return record

    def _write(self, record: dict[str, Any]) -> None:
        """The record by this machine's paths; as long as it trains, its process is the one that follows it here."""
        mine = here()
        if record["status"] != "running":  # then the record tells of the machine where it was trained
            mine = {key: mine[key] for key in ("command", "git")}
        folder = RunFolder(self.path)
        if not (self.path / "config.yaml").exists():
            write_config(folder, self.config)
        self.record = {**record, **mine, "config": self.config, "fingerprint": self.fingerprint}
        folder.write_record(self.record)
        self._beaten = monotonic()

    def lost(self, reason: str) -> None:
        """Its worker is gone: what came home can be gone on with."""
        if self.record is not None and self.record["status"] == "running":
            with suppress(OSError):
                self.record = {**self.record, "status": "interrupted", "reason": reason}
                RunFolder(self.path).write_record(self.record)

    def begun(self) -> Iterator[tuple[str, int, bytes, str | None]]:
        """The files that another worker needs to go on with this run, in blocks: name, offset, bytes, digest."""
        record = {**RunFolder(self.path).read_record(), "status": "interrupted"}
        text = json.dumps(record).encode()
        yield RECORD, 0, text, hashlib.sha256(text).hexdigest()
        # without a checkpoint it begins its log anew; an old one would only be mistaken for what it writes
        left_out = (RECORD, *KEPT_HERE) if (self.path / CHECKPOINT).exists() else (RECORD, METRICS, *KEPT_HERE)
        for path in sorted(self.path.iterdir()):
            if safe(path.name) and path.is_file() and path.name not in left_out:
                yield from ((path.name, *block) for block in blocks(path))
