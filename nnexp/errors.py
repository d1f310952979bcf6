"""What nnexp says when its input is wrong: a sentence that names the place, the finding and the nearest good word."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


class InputError(Exception):
    """The user's input cannot be used. The command line prints the text and exits with code 2."""


class Misfit(Exception):
    """Two parts of a valid configuration do not go together, or data do not fit them.

    `path` is the dotted key where the user can change it.
    """

    def __init__(self, path: str, message: str):
        super().__init__(message)
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a configuration, at a dotted key."""

    path: str
    message: str
    hint: str = ""
    """What to do about it, short enough to stand behind the caret."""
    at_key: bool = False
    """Whether the caret belongs under the key rather than under its value."""
    keys: tuple[str | int, ...] | None = None
    """The path in its parts, where it cannot be told from its dots."""


def nearest(word: object, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, or None where none is near.

    >>> nearest("momentun", ["lr", "momentum"])
    'momentum'
    >>> nearest("Adam", ["adam", "adamax"])
    'adam'
    """
    known = {candidate.lower(): candidate for candidate in candidates}
    text = str(word).lower()
    matches = difflib.get_close_matches(text, known, n=1, cutoff=0.6)
    if not matches:
        inside = (k for k in known if len(text) > 2 and len(k) > 1 and (k in text or text in k))
        matches = sorted(inside, key=len)[:1]
    return known[matches[0]] if matches else None


def did_you_mean(word: object, candidates: Iterable[str]) -> str:
    """`; did you mean 'x'?`, or nothing where no candidate is near."""
    near = nearest(word, candidates)
    return f"; did you mean '{near}'?" if near else ""
