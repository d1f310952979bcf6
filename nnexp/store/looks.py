"""How often somebody has looked at test scores: one line a look, in the runs folder that they were read from.

A test split tells what a chosen level is worth only as long as nobody chooses by it. Looks cannot be undone, but they
can be counted, by data set; the count is shown beside the scores.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from nnexp.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: there two looks at the same moment may be counted as one
    fcntl = None  # type: ignore[assignment]

NAME = ".test-looks.jsonl"


def look(root: Path, datasets: Sequence[str], metric: str, runs: int) -> dict[str, int]:
    """Record a look at test scores of these data sets; how many looks there are now, this one included, by data set.

    The line is appended under a lock, so that looks at the same time are all there. A line that cannot be read counts
    for every data set. Raises InputError where the look cannot be recorded.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps({"when": now, "datasets": sorted(datasets), "metric": metric, "runs": runs}) + "\n"
    try:
        with (root / NAME).open("a+b") as file:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            before = file.read()
            torn = b"" if not before or before.endswith(b"\n") else b"\n"  # by a crash of the machine
            file.write(torn + line.encode())
    except OSError as error:
        raise InputError(f"--test: the look cannot be recorded in {root / NAME}: {error.strerror}") from None
    return {name: 1 + count for name, count in _counts(before, datasets).items()}


def so_far(root: Path, datasets: Sequence[str]) -> dict[str, int]:
    """How many looks there have been at test scores of these data sets, by data set. Raises InputError."""
    try:
        return _counts((root / NAME).read_bytes(), datasets)
    except FileNotFoundError:
        return dict.fromkeys(sorted(datasets), 0)
    except OSError as error:
        raise InputError(f"{root / NAME} cannot be read: {error.strerror}") from None


def _counts(lines: bytes, datasets: Sequence[str]) -> dict[str, int]:
    seen = [_datasets(text) for text in lines.splitlines()]
    return {name: sum(one is None or name in one for one in seen) for name in sorted(datasets)}


def _datasets(text: bytes) -> list[str] | None:
    """Those of a line; None where it cannot be read."""
    try:
        found = json.loads(text)["datasets"]
    except (ValueError, KeyError, TypeError):
        return None
    return found if isinstance(found, list) else None
