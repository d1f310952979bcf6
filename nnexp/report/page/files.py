"""Where a report is written: which file, whether one that is there may be replaced, and all of it or nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnexp.errors import InputError, did_you_mean
from nnexp.report.page.blocks import Document
from nnexp.report.page.html import GENERATOR, as_page
from nnexp.report.page.markdown import as_markdown
from nnexp.report.page.printed import MARK, as_pdf, browser
from nnexp.store.folder import write_whole

if TYPE_CHECKING:
    from nnexp.store.runs import Run, SweepRecord

ENDINGS = {"html": (".html", ".htm"), "markdown": (".md", ".markdown"), "pdf": (".pdf",)}
"""What a file of each format ends in, first the usual."""
SEEN = 1000
"""Bytes at the beginning of a file in which a report says what wrote it."""


def format_of(how: str | None, target: Path | None) -> str:
    """The format that is meant, by its name or the file's ending; HTML where nothing is said. Raises InputError."""
    if how is not None and how not in ENDINGS:
        raise InputError(f"--format: '{how}' is not one of {', '.join(ENDINGS)}{did_you_mean(how, ENDINGS)}")
    if target is None:
        return how or "html"
    known = next((name for name, endings in ENDINGS.items() if target.suffix.lower() in endings), None)
    if known is None:
        listed = ", ".join(endings[0] for endings in ENDINGS.values())
        raise InputError(f"--out: '{target}' ends in none of {listed}")
    if how not in (None, known):
        raise InputError(f"--out: '{target}' is a name for {known}, and --format says {how}")
    return known


def usual_place(runs: Sequence[Run], sweep: SweepRecord | None, how: str) -> Path:
    """A file in the working folder, called as the sweep or the run is."""
    if sweep is not None:
        name = sweep.name if sweep.origin is None else f"{sweep.origin.name}{sweep.origin.part}"
    else:
        name = f"run-{runs[0].id}" if len(runs) == 1 else "runs"
    return Path(f"{safe(name)}-report{ENDINGS[how][0]}")


def safe(name: str) -> str:
    """A name as part of a file's: whatever it is, it leads to no other folder.

    >>> safe("../a b")
    'a-b'
    """
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-._")[:80] or "nameless"


def pictures_of(target: Path) -> Path:
    """The folder with the pictures of a report in Markdown."""
    return target.with_name(f"{target.stem}-pictures")


def check(target: Path, how: str, force: bool) -> None:
    """Raises InputError where a report could not be written, or would replace what nnexp has not written."""
    if how == "pdf":
        browser()
    if not target.parent.is_dir():
        raise InputError(f"--out: there is no folder {target.parent}")
    if target.is_dir():
        raise InputError(f"--out: {target} is a folder; name a file in it")
    ours = _ours(target, how)
    if target.exists() and not ours and not force:
        raise InputError(f"{target} is there already, and is no report of nnexp; --force writes over it")
    folder = pictures_of(target)
    if how == "markdown" and folder.exists() and not ours and not force:
        raise InputError(f"{folder} is there already; the pictures would go there, --force writes them all the same")


def _ours(path: Path, how: str) -> bool:
    """Whether nnexp wrote this file as a report."""
    try:
        content = path.read_bytes()
    except OSError:
        return False
    return content.endswith(MARK) if how == "pdf" else GENERATOR.encode() in content[:SEEN]


def write(document: Document, target: Path, how: str) -> None:
    """Write the report; each file is whole or as it was before. Raises InputError where it cannot be written."""
    try:
        if how == "markdown":
            folder = pictures_of(target)
            if document.figures:
                folder.mkdir(exist_ok=True)
            for figure in document.figures:
                _write(folder / f"{figure.name}.svg", figure.picture.content)
            _write(target, as_markdown(document, folder.name).encode(errors="backslashreplace"))
        else:
            page = as_page(document)
            _write(target, as_pdf(page) if how == "pdf" else page.encode(errors="backslashreplace"))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from None


def _write(path: Path, content: bytes) -> None:
    write_whole(path, lambda file: file.write(content), durable=False)
