"""What people say of a run afterwards: tags and a note, in a file of their own beside the run's record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from nnexp.errors import InputError

FILE = "notes.json"
FORMAT = 1
LONGEST = 64
"""Characters that a tag may have."""

_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class Labels:
    """A run's tags, in the order of the alphabet, and its note."""

    tags: tuple[str, ...] = ()
    note: str = ""

    def with_tag(self, tag: str) -> Labels:
        return replace(self, tags=tuple(sorted({*self.tags, tag})))

    def without_tag(self, tag: str) -> Labels:
        return replace(self, tags=tuple(one for one in self.tags if one != tag))


def check_tag(text: str) -> str:
    """The tag that a word of the command line means; a leading `@` is not part of it. Raises InputError.

    >>> check_tag("@good")
    'good'
    """
    tag = text.removeprefix("@")
    if re.fullmatch(r"last(~\d*)?", tag):
        raise InputError(f"tag '{text}': @last means the last run; choose another word")
    if _TAG.fullmatch(tag) and len(tag) <= LONGEST:
        return tag
    better = re.sub(r"[^A-Za-z0-9._-]+", "-", tag).strip("-._")[:LONGEST]
    hint = f"; perhaps '{better}'" if better else ""
    raise InputError(
        f"'{text}' is no tag: a tag is one word of letters, digits, '.', '_' and '-', at most {LONGEST}{hint}"
    )


def read_labels(run: Path) -> Labels:
    """The labels of a run's folder, none where nothing was said. Raises InputError where the file is damaged."""
    path = run / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Labels()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            raise ValueError(f"it has format {found['format']!r}, this nnexp reads {FORMAT}")
        tags, note = found["tags"], found["note"]
        if not (isinstance(tags, list) and isinstance(note, str) and all(isinstance(tag, str) for tag in tags)):
            raise TypeError("tags are a list of words and the note is text")
        return Labels(tuple(sorted(set(map(check_tag, tags)))), note)
    except (ValueError, KeyError, TypeError, RecursionError, InputError) as error:
        raise InputError(f"{path} is damaged ({error}); mend it, or delete it to be without tags and note") from None


def change_labels(runs: Iterable[Path], change: Callable[[Labels], Labels]) -> int:
    """Change the labels of runs; returns how many were another before. Raises InputError where one cannot be written.

    Every file is read before the first is written.
    """
    known = [(run, read_labels(run)) for run in runs]
    changed = [(run, change(before)) for run, before in known if change(before) != before]
    for run, labels in changed:
        _write(run / FILE, labels)
    return len(changed)


def _write(path: Path, labels: Labels) -> None:
    from nnexp.store.folder import write_whole

    text = json.dumps({"format": FORMAT, "tags": labels.tags, "note": labels.note}, indent=1, ensure_ascii=False)
    try:
        if labels == Labels():
            path.unlink(missing_ok=True)
        else:
            write_whole(path, lambda file: file.write(f"{text}\n".encode()))
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
