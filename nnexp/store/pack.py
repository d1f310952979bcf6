"""Runs and sweeps in one file, to carry them between machines: written with checksums, and verified when read."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nnexp import __version__
from nnexp.errors import InputError
from nnexp.store.bin import bin_of, move, whole_sweeps
from nnexp.store.folder import write_whole
from nnexp.store.runs import ENDED, SWEEPS, Run, Shelf, read_run

FORMAT = 1
"""Version of the layout."""
MANIFEST = "manifest.json"
ENDINGS = (".tar.gz", ".tgz", ".zip")
BLOCK = 1 << 20
LARGEST_MANIFEST = 200 * BLOCK
LARGE, RATIO = 1 << 30, 100
"""A file that says it holds more than LARGE bytes, RATIO times its own size or more, is a bomb and no export."""
STALE = 24 * 3600
"""Seconds after which the folder of an import that was killed is removed by the next one."""

_UNPACKING = ".import-"
_EARLIEST = (1980, 1, 1, 0, 0, 0)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class FileEntry(_Strict):
    """A file of the export."""

    path: str = Field(max_length=1000)
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class Manifest(_Strict):
    """The first file of an export: what the others are."""

    format: int
    kind: Literal["nnexp runs"]
    nnexp: str = Field(description="the version that wrote it")
    runs: list[str] = Field(description="the runs' folders")
    sweeps: list[str] = Field(description="the sweeps' folders, without sweeps/")
    files: list[FileEntry]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)


@dataclass
class Imported:
    """What an import did: names of folders."""

    added: list[str] = field(default_factory=list)
    same: list[str] = field(default_factory=list)
    """Runs that were there already, the same to the byte."""
    kept: dict[str, str] = field(default_factory=dict)
    """Runs that were left as they are here, or not taken -> why."""
    replaced: list[str] = field(default_factory=list)
    """Unended runs that went to the bin, for the import had them with their end."""
    sweeps: list[str] = field(default_factory=list)
    """Sweeps that were added, or whose plan has grown."""


# -- writing ---------------------------------------------------------------------------------------


def export(shelf: Shelf, runs: Sequence[Run], target: Path) -> Manifest:
    """Write these runs to a .tar.gz or .zip, with each sweep all of whose runs they are. Raises InputError.

    The same runs give the same bytes. A run that is still running is refused.
    """
    for run in runs:
        if run.status == "running":
            raise InputError(
                f"run {run.id} is still running (process {run.record['pid']}); export it when it has ended"
            )
    sweeps = sorted(sweep.path for sweep in whole_sweeps(shelf, {run.path.resolve() for run in runs}))
    folders = {path.name: path for path in sorted((run.path for run in runs), key=lambda path: path.name)}
    if len(folders) < len(runs):
        raise InputError("two of the runs have folders of the same name; export them one after the other")
    named = [*folders.items(), *((f"{SWEEPS}/{path.name}", path) for path in sweeps)]
    try:
        found = [(f"{name}/{inner}", path / inner) for name, path in named for inner in _files(path)]
        entries = [_entry(name, path) for name, path in found]
        manifest = Manifest(
            format=FORMAT,
            kind="nnexp runs",
            nnexp=__version__,
            runs=list(folders),
            sweeps=[path.name for path in sweeps],
            files=entries,
        )
        _write(target, manifest, [path for _, path in found])
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from None
    return manifest


def _files(folder: Path) -> list[str]:
    """The files of a folder, the hidden ones and links left out."""
    found = []
    for where, inside, names in os.walk(folder):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        for name in names:
            path = Path(where, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                found.append(path.relative_to(folder).as_posix())
    return sorted(found)


def _entry(name: str, path: Path) -> FileEntry:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(path=name, size=file.tell(), sha256=digest)


def _write(target: Path, manifest: Manifest, paths: list[Path]) -> None:
    """Under a temporary name beside the target, then renamed."""
    text = (json.dumps(manifest.model_dump(), indent=1) + "\n").encode()

    def pack(raw: IO[bytes]) -> None:
        with _zip(raw) if target.name.endswith(".zip") else _tar(raw) as add:
            add(MANIFEST, len(text), io.BytesIO(text))
            for entry, path in zip(manifest.files, paths, strict=True):
                with path.open("rb") as file:
                    watched = _Hashed(file)
                    add(entry.path, entry.size, watched)
                if (watched.size, watched.digest) != (entry.size, entry.sha256):
                    raise InputError(f"{path} changed while it was exported; try again")

    write_whole(target, pack)


class _Hashed:
    """A file that is read once, with the checksum of what was read."""

    def __init__(self, file: IO[bytes]):
        self._file, self._hash, self.size = file, hashlib.sha256(), 0

    def read(self, count: int = -1) -> bytes:
        block = self._file.read(count)
        self._hash.update(block)
        self.size += len(block)
        return block

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def _tar(raw: IO[bytes]) -> Iterator[Any]:
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=raw, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):

        def add(name: str, size: int, file: Any) -> None:
            info = tarfile.TarInfo(name)
            info.size, info.mode = size, 0o644
            archive.addfile(info, file)

        yield add


@contextmanager
def _zip(raw: IO[bytes]) -> Iterator[Any]:
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:

        def add(name: str, size: int, file: Any) -> None:
            info = zipfile.ZipInfo(name, _EARLIEST)
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            info.file_size = size
            with archive.open(info, "w") as entry:
                shutil.copyfileobj(file, entry, BLOCK)

        yield add


# -- reading ---------------------------------------------------------------------------------------


def import_runs(source: Path, root: Path) -> Imported:
    """Take the runs of an export into runs/. Raises InputError where the file is wrong, and then nothing has changed.

    Everything is unpacked and verified in a hidden folder inside runs/ first. A run that is there is kept, unless it
    did not end and the export has its end; so a second import changes nothing.
    """
    new = not root.exists()
    try:
        root.mkdir(parents=True, exist_ok=True)
        _sweep_up(root)
        unpacked = Path(tempfile.mkdtemp(dir=root, prefix=_UNPACKING))
    except OSError as error:
        raise InputError(f"cannot write to {root}: {error.strerror}; choose another folder with NNEXP_RUNS") from None
    try:
        manifest = _unpack(source, unpacked)
        arrived = [_arrived(unpacked / name, source) for name in manifest.runs]
        for name in manifest.sweeps:
            _plan(unpacked / SWEEPS / name, source)
        return _take(arrived, manifest, unpacked, root)
    except OSError as error:
        raise InputError(f"cannot import into {root}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
        if new:
            with suppress(OSError):  # it is not empty, and stays
                root.rmdir()


def _sweep_up(root: Path) -> None:
    """Remove what an import that was killed has left."""
    for path in root.glob(f"{_UNPACKING}*"):
        if time.time() - path.stat().st_mtime > STALE:
            shutil.rmtree(path, ignore_errors=True)


def _unpack(source: Path, folder: Path) -> Manifest:
    """Every file of the export, each of the size and with the checksum that the manifest says."""
    try:
        with source.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic[:2] == b"\x1f\x8b":
                members = _tar_members(raw)
            elif magic[:4] == b"PK\x03\x04":
                members = _zip_members(raw)
            else:
                raise _no_export(source, "it is neither a .tar.gz nor a .zip")
            return _unpack_members(members, source, folder)
    except FileNotFoundError:
        raise InputError(f"{source}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{source} is a folder; give the file that 'nnexp runs export' wrote") from None
    # zipfile raises NotImplementedError for a compression or an encryption that it does not know
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InputError(f"{source} is damaged or cut short ({error}); nothing was imported") from None


def _no_export(source: Path, why: str) -> InputError:
    return InputError(f"{source} is no export of nnexp: {why}; 'nnexp runs export' writes one")


def _unpack_members(members: Iterator[_Member], source: Path, folder: Path) -> Manifest:
    first = next(members, None)
    if first is None or first.name != MANIFEST:
        raise _no_export(source, f"it does not begin with {MANIFEST}")
    manifest = _manifest(first.read(LARGEST_MANIFEST + 1), source)
    if manifest.size > max(LARGE, RATIO * source.stat().st_size):
        raise InputError(
            f"{source}: {source.stat().st_size:,} bytes that are to become {manifest.size:,} are no runs; refused"
        )
    free = shutil.disk_usage(folder).free
    if manifest.size > free:
        raise InputError(f"{source} needs {manifest.size:,} bytes where {free:,} are free; nothing was imported")
    first.allow(manifest)
    waiting = {entry.path: entry for entry in manifest.files}
    for member in members:
        entry = waiting.pop(member.name, None)
        if not member.plain:
            raise InputError(f"{source}: '{member.name}' is no plain file; refused")
        if entry is None:
            raise InputError(f"{source}: '{member.name}' is not in the manifest, or stands twice; refused")
        _unpack_one(member, entry, source, folder / entry.path)
    if waiting:
        raise InputError(f"{source} is cut short: '{next(iter(waiting))}' is missing; nothing was imported")
    return manifest


def _unpack_one(member: _Member, entry: FileEntry, source: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left, digest = entry.size, hashlib.sha256()
    with path.open("xb") as file:
        while block := member.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                break
            digest.update(block)
            file.write(block)
    if left or digest.hexdigest() != entry.sha256:
        raise InputError(f"{source}: '{entry.path}' is not as the manifest says; nothing was imported")


def _manifest(text: bytes, source: Path) -> Manifest:
    try:
        data = json.loads(text)
        found = data.get("format") if isinstance(data, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise InputError(
                f"{source} was written by a newer nnexp ({data.get('nnexp')}): format {found}, this one reads {FORMAT}"
            )
        if found != FORMAT:
            raise _no_export(source, f"{MANIFEST} has no format that is known")
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        raise _no_export(source, f"{MANIFEST}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise _no_export(source, f"{MANIFEST} is not valid JSON") from None
    allowed = {*manifest.runs, *(f"{SWEEPS}/{name}" for name in manifest.sweeps)}
    for name in allowed:
        if not safe(name) or name.count("/") != name.startswith(f"{SWEEPS}/") or name == SWEEPS:
            raise InputError(f"{source}: '{name}' is no name of a run's folder; refused")
    seen: set[str] = set()
    for entry in manifest.files:
        if not safe(entry.path) or not any(entry.path.startswith(f"{name}/") for name in _outer(entry.path, allowed)):
            raise InputError(f"{source}: the path '{entry.path}' leads out of the runs; refused")
        if entry.path.casefold() in seen:
            raise InputError(f"{source}: the path '{entry.path}' stands twice; refused")
        seen.add(entry.path.casefold())
    return manifest


def _outer(path: str, allowed: set[str]) -> set[str]:
    """The folders of runs and sweeps that a path lies in."""
    parts = path.split("/")
    return {"/".join(parts[:count]) for count in (1, 2)} & allowed


def safe(path: str) -> bool:
    """Whether a path stays below the folder that it is taken from, on every system, and hides nothing."""
    return all(
        part and not part.startswith(".") and len(part.encode()) <= 255 and part.isprintable()
        for part in path.split("/")
    ) and not set(path) & set('\\:*?"<>|')


class _Member:
    """A file of an archive, while it is being read."""

    def __init__(self, name: str, plain: bool, file: IO[bytes] | None, limit: _Limited | None = None):
        self.name, self.plain, self._file, self._limit = name, plain, file, limit

    def read(self, count: int) -> bytes:
        return b"" if self._file is None else self._file.read(count)

    def allow(self, manifest: Manifest) -> None:
        """From here on the archive may be as long as the manifest says, and not longer."""
        if self._limit is not None:
            self._limit.left = manifest.size + 4096 * (len(manifest.files) + 16)


class _Limited(io.RawIOBase):
    """A stream that refuses to give more than it may: tar's headers can ask for as much as they like."""

    def __init__(self, stream: gzip.GzipFile, left: int):
        self._stream, self.left = stream, left

    def readable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        block = self._stream.read(count)
        self.left -= len(block)
        if self.left < 0:
            raise tarfile.ReadError("more data than the manifest says")
        return block


def _tar_members(raw: IO[bytes]) -> Iterator[_Member]:
    with gzip.GzipFile(fileobj=raw, mode="rb") as plain:
        limited = _Limited(plain, LARGEST_MANIFEST)
        with tarfile.open(fileobj=limited, mode="r|") as archive:
            for info in archive:
                yield _Member(info.name, info.isreg(), archive.extractfile(info) if info.isreg() else None, limited)
        while limited.read(BLOCK):  # to its end, where the checksum of the whole stands
            pass


def _zip_members(raw: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(raw) as archive:
        for info in archive.infolist():
            mode = info.external_attr >> 16
            plain = not info.is_dir() and not info.flag_bits & 1 and stat.S_IFMT(mode) in (0, stat.S_IFREG)
            if not plain or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                yield _Member(info.filename, False, None)
                continue
            with archive.open(info) as file:
                yield _Member(info.filename, True, file)


# -- taking in -------------------------------------------------------------------------------------


def _arrived(path: Path, source: Path) -> Run:
    """An unpacked run that can be read. Raises InputError."""
    found = read_run(path)
    if not isinstance(found, Run):
        raise InputError(f"{source}: {path.name}: {found.why}; nothing was imported")
    if found.record["status"] == "running":  # its process is gone, and its age is to say so here too
        os.utime(path / "run.json", (0, 0))
    return found


def _plan(path: Path, source: Path) -> dict[str, Any]:
    """A sweep's plan with its fingerprints. Raises InputError."""
    try:
        plan = json.loads((path / "plan.json").read_text(encoding="utf-8"))
        plan["known"] = {run["fingerprint"] for run in plan["runs"]}
        return plan
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{source}: {path.name}: plan.json cannot be used ({type(error).__name__}: {error})") from None


def _take(arrived: list[Run], manifest: Manifest, unpacked: Path, root: Path) -> Imported:
    """Rename what is new into runs/, each folder at once."""
    shelf = Shelf(root)
    ended = shelf.ended()
    here = {run.path.name: run for run in shelf.runs}
    sums = {entry.path: entry.sha256 for entry in manifest.files}
    done = Imported()
    coming: list[tuple[Run, Run | None]] = []
    for run in arrived:
        name = run.path.name
        there, twin = here.get(name), ended.get(run.brief.fingerprint)
        why = None
        if there is None and (root / name).exists():
            why = "a folder of that name is here, and damaged"
        elif there is not None and _same(root, name, sums):
            done.same.append(name)
            continue
        elif there is not None and there.brief.fingerprint != run.brief.fingerprint:
            why = "a folder of that name is here, of another run"
        elif there is not None and (there.status == "running" or there.status in ENDED or run.status not in ENDED):
            why = f"it is here, {there.status}"
        elif there is None and twin is not None:
            why = f"the same computation is here, {twin.status}: {twin.id}"
        if why is not None:
            done.kept[name] = why
            continue
        coming.append((run, there))
    if coming and hasattr(os, "sync"):
        os.sync()  # what is renamed below is on the disk first
    for run, there in coming:
        name = run.path.name
        if there is not None:
            move(there.path, bin_of(root), "replace")
            done.replaced.append(name)
        else:
            done.added.append(name)
        run.path.rename(root / name)
    for name in manifest.sweeps:
        _take_sweep(unpacked / SWEEPS / name, root / SWEEPS / name, done)
    return done


def _take_sweep(new: Path, old: Path, done: Imported) -> None:
    """A sweep that is not here, or whose plan here is a part of the new one."""
    if old.exists():
        ours, theirs = _plan(old, old)["known"], _plan(new, new)["known"]
        if not ours < theirs:
            if not theirs <= ours:
                done.kept[f"{SWEEPS}/{new.name}"] = "its plan here has other runs"
            return
        move(old, bin_of(old.parent.parent) / SWEEPS, "replace")
    old.parent.mkdir(exist_ok=True)
    new.rename(old)
    done.sweeps.append(old.name)


def _same(root: Path, name: str, sums: dict[str, str]) -> bool:
    """Whether a run's folder holds the files of the manifest, and no others."""
    theirs = {path: digest for path, digest in sums.items() if path.startswith(f"{name}/")}
    ours = [f"{name}/{inner}" for inner in _files(root / name)]
    return sorted(theirs) == ours and all(_entry(path, root / path).sha256 == theirs[path] for path in ours)
