"""The index of a runs folder: what was read of it before, so that only what has changed is read again.

It is one SQLite file in the runs folder, and only a cache: without it, with a damaged one, or where it can be neither
read nor written, the folders are read as if it had never been. An entry is used only while `run.json` and `metrics.csv`
are, by size, times and inode, the files that it was made from. It is made only from files that have rested for a
while: one that changes twice within a tick of the file system's clock looks the same after the second change (git
calls such entries racily clean).
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nnexp import __version__
from nnexp.store.brief import Brief, Setting, digest_of

NAME = ".index.sqlite"
FORMAT = 3
"""Version of the tables and of what they hold; to be raised when Brief, Record or `flat` mean something else."""
WORTHWHILE = 64
"""Folders that must have been read, or must have gone, before the index is written: fewer are read again as quickly."""
REST = 2_000_000_000
"""Nanoseconds that a file must have rested before it is kept: the coarsest clock, FAT's, ticks every two seconds."""
PATIENCE = 1.0
"""Seconds that another process is waited for; reading all the folders does not take much longer."""

Stamp = tuple[int, ...]
"""Times of change, size and inode of a run's two files; zeros for a file that is not there."""
Entry = tuple[Stamp, Brief]

_ABSENT = (0, 0, 0, 0)
_TABLES = """
    DROP TABLE IF EXISTS version;
    DROP TABLE IF EXISTS settings;
    DROP TABLE IF EXISTS entries;
    CREATE TABLE version (text TEXT);
    CREATE TABLE settings (digest BLOB PRIMARY KEY, content BLOB) WITHOUT ROWID;
    CREATE TABLE entries (folder BLOB PRIMARY KEY, setting BLOB, content BLOB, checksum INTEGER) WITHOUT ROWID;
"""


def stamp_of(folder: str) -> Stamp | None:
    """What tells whether a run's files are still the same; None where there is no run.json to be seen."""
    try:
        r = os.stat(f"{folder}/run.json")  # noqa: PTH116, a Path for each of 10,000 runs takes longer than the call
    except OSError:
        return None
    record = (r.st_mtime_ns, r.st_ctime_ns, r.st_size, r.st_ino)
    try:
        m = os.stat(f"{folder}/metrics.csv")  # noqa: PTH116
    except OSError:
        return record + _ABSENT
    return (*record, m.st_mtime_ns, m.st_ctime_ns, m.st_size, m.st_ino)


def rested(stamp: Stamp, now: int) -> bool:
    """Whether the files were last changed long enough before `now`, in ns, when they had not been read yet."""
    return max(stamp[0], stamp[1], stamp[4], stamp[5]) < now - REST


class Index:
    """The index of the runs folder `root`. No method raises for what is wrong with the file."""

    def __init__(self, root: Path):
        self.path = root / NAME
        self.settings: dict[bytes, Setting] = {}

    def read(self) -> dict[str, Entry]:
        """The entries by the names of their folders; nothing where there is no index that can be used."""
        if not self.path.exists():
            return {}
        try:
            with closing(self._open("ro")) as database:
                database.execute("BEGIN")  # all three are of one moment
                if not _fits(database):
                    return {}
                settings = database.execute("SELECT digest, content FROM settings").fetchall()
                rows = database.execute("SELECT folder, setting, content, checksum FROM entries").fetchall()
            return self._entries(settings, rows)
        except (sqlite3.Error, OSError, ValueError, TypeError, RecursionError):
            self.settings = {}
            return {}

    def _entries(
        self, settings: list[tuple[bytes, bytes]], rows: list[tuple[bytes, bytes, bytes, int]]
    ) -> dict[str, Entry]:
        """The rows that are whole: a bit that flipped on the disk is noticed, and its run read again."""
        settings = [(digest, content) for digest, content in settings if digest_of(content) == digest]
        parsed = json.loads(b"[" + b",".join([content for _, content in settings]) + b"]")
        self.settings = {digest: Setting.of(one) for (digest, _), one in zip(settings, parsed, strict=True)}
        known = self.settings
        rows = [row for row in rows if row[1] in known and _checksum(row[0], row[1], row[2]) == row[3]]
        values = json.loads(b"[" + b",".join([row[2] for row in rows]) + b"]")
        return {
            os.fsdecode(row[0]): (tuple(one[:8]), Brief._make([*one[8:], known[row[1]]]))
            for row, one in zip(rows, values, strict=True)
        }

    def write(self, new: Mapping[str, Entry], gone: Iterable[str]) -> None:
        """Add and replace entries, remove those of folders that have gone. Where that cannot be, nothing happens."""
        rows = [_row(folder, stamp, brief) for folder, (stamp, brief) in new.items()]
        settings = {brief.setting.digest: brief.setting for _, brief in new.values()}
        pairs = [(digest, setting.text.encode()) for digest, setting in settings.items()]
        removed = [(os.fsencode(folder),) for folder in gone]
        try:
            self._write(pairs, rows, removed)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                return  # locked, read-only, a full disk
            with suppress(OSError, sqlite3.Error):
                self.path.unlink(missing_ok=True)
                self._write(pairs, rows, removed)

    def _write(self, settings: list[tuple], rows: list[tuple], removed: list[tuple]) -> None:
        with closing(self._open("rwc")) as database:
            # a crash of the machine may leave a damaged file; what is wrong with it is noticed, and it is made anew
            database.execute("PRAGMA synchronous=OFF")
            database.execute("BEGIN IMMEDIATE")
            if not _fits(database):
                for statement in _TABLES.split(";"):
                    database.execute(statement)
                database.execute("INSERT INTO version VALUES (?)", (_version(),))
            database.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", settings)
            database.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?)", rows)
            if removed:
                database.executemany("DELETE FROM entries WHERE folder = ?", removed)
                database.execute("DELETE FROM settings WHERE digest NOT IN (SELECT setting FROM entries)")
            database.execute("COMMIT")

    def _open(self, mode: str) -> sqlite3.Connection:
        uri = f"file:{quote(os.fsencode(self.path))}?mode={mode}"
        return sqlite3.connect(uri, uri=True, timeout=PATIENCE, isolation_level=None)


def _version() -> str:
    return f"{FORMAT}, nnexp {__version__}"


def _fits(database: sqlite3.Connection) -> bool:
    """Whether the tables are there, and of this version."""
    if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'version'").fetchone():
        return False
    return database.execute("SELECT text FROM version").fetchall() == [(_version(),)]


def _row(folder: str, stamp: Stamp, brief: Brief) -> tuple[bytes, bytes, bytes, int]:
    key = os.fsencode(folder)
    values: list[Any] = [*stamp, *brief[:-1]]
    content = json.dumps(values, separators=(",", ":")).encode()
    return key, brief.setting.digest, content, _checksum(key, brief.setting.digest, content)


def _checksum(folder: bytes, setting: bytes, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(setting, zlib.crc32(folder)))
