"""Conditions as people write them: `dataset=digits and (optimizer=adam or not lr>=0.1)`, read by hand, without eval."""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from nnexp.config.yaml import scalar
from nnexp.errors import InputError
from nnexp.report.choose import UNKNOWN, began, moment
from nnexp.report.frame import Frame, missing, resolve
from nnexp.report.numbers import number
from nnexp.store.labels import check_tag
from nnexp.store.scores import ranked

ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TIMES = ("started", "created", "age")
"""Columns that are compared with times: when a run began, and how long ago that was."""
OWN = ("tag", "tags", "note", "started", "age")
"""Columns that a condition knows beside those of the frame."""
_SIGN = re.compile(r"\s*(==|!=|<=|>=|!~|=|<|>|~)\s*")
_KEY = re.compile(r"[\w.@-]+")
_WORD = re.compile(r"(and|or|not)(?![\w.@=<>!~-])", re.IGNORECASE)
_MARK = re.compile(r"@([\w.-]+)(?:~(\d+))?(?=[\s)]|$)")
_BORDER = re.compile(r"\s+(?:and|or)(?=[\s(]|$)", re.IGNORECASE)


def where(data: Frame, conditions: Sequence[str]) -> list[int]:
    """The rows that meet all conditions. Raises InputError for what is no condition, and for a column no run has."""
    kept = [True] * len(data)
    for text in conditions:
        kept = [a and b for a, b in zip(kept, read(text).holds(data), strict=True)]
    return [i for i, one in enumerate(kept) if one]


class Term(ABC):
    """Something that is true or not of each row."""

    @abstractmethod
    def holds(self, data: Frame) -> list[bool]: ...

    @property
    @abstractmethod
    def keys(self) -> tuple[str, ...]:
        """The columns that it names, as they were written."""


@dataclass(frozen=True)
class Not(Term):
    term: Term

    def holds(self, data: Frame) -> list[bool]:
        return [not one for one in self.term.holds(data)]

    @property
    def keys(self) -> tuple[str, ...]:
        return self.term.keys


@dataclass(frozen=True)
class Every(Term):
    """Terms joined by `and`."""

    terms: tuple[Term, ...]

    def holds(self, data: Frame) -> list[bool]:
        return [all(row) for row in zip(*(term.holds(data) for term in self.terms), strict=True)]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for term in self.terms for key in term.keys)


@dataclass(frozen=True)
class Some(Term):
    """Terms joined by `or`."""

    terms: tuple[Term, ...]

    def holds(self, data: Frame) -> list[bool]:
        return [any(row) for row in zip(*(term.holds(data) for term in self.terms), strict=True)]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(key for term in self.terms for key in term.keys)


@dataclass(frozen=True)
class Mark(Term):
    """`@last`, `@last~2`, `@best`, or the tag `@good`: of all rows that are looked at."""

    word: str
    back: int | None

    def holds(self, data: Frame) -> list[bool]:
        if self.back is None and any(self.word in run.tags for run in data.runs):
            return [self.word in run.tags for run in data.runs]
        if self.word not in ("last", "best"):
            check_tag(self.word)
            return [False] * len(data)
        if self.word == "best":
            order = ranked(data.runs)
        else:
            order = sorted(data.runs, key=lambda run: (run.brief.created, run.place), reverse=True)
        chosen = order[self.back or 0 :][:1]
        return [run in chosen for run in data.runs]

    @property
    def keys(self) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Condition(Term):
    """A column, a sign and a value. `text` is all of it, for messages."""

    text: str
    key: str
    sign: str
    value: str

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,)

    def holds(self, data: Frame) -> list[bool]:
        sign = "=" if self.sign == "==" else self.sign
        if self.key in ("tag", "tags"):
            return self._tags(data, sign)
        if self.key == "note":
            return self._texts([run.note for run in data.runs], sign)
        if self.key in TIMES and (sign in ORDER or self.key != "created"):
            return self._times(data, sign)
        column = data[resolve(self.key, [*data.columns, *OWN])]
        if sign in ("~", "!~"):
            return self._texts([None if missing(value) else number(value) for value in column], sign)
        wanted = scalar(self.value)
        if sign in ORDER:
            if isinstance(wanted, bool) or not isinstance(wanted, int | float):
                raise InputError(f"--where: '{self.text}': {sign} needs a number, not '{self.value}'")
            compare = ORDER[sign]
            return [isinstance(v, int | float) and not isinstance(v, bool) and compare(v, wanted) for v in column]
        return [same(value, wanted) == (sign == "=") for value in column]

    def _tags(self, data: Frame, sign: str) -> list[bool]:
        if sign in ORDER:
            raise InputError(f"--where: '{self.text}': a run has a tag or has not; write tag=good or tag!=good")
        if sign in ("~", "!~"):
            found = [any(self.value in tag for tag in run.tags) for run in data.runs]
        else:
            tag = check_tag(self.value)
            found = [tag in run.tags for run in data.runs]
        return [one == (sign[0] != "!") for one in found]

    def _texts(self, texts: Sequence[str | None], sign: str) -> list[bool]:
        """Whether texts hold the value (or, with =, are it), whatever the case of their letters."""
        if sign in ORDER:
            raise InputError(f"--where: '{self.text}': a note is text; write note~word for those that contain it")
        wanted = self.value.lower()
        if sign in ("=", "!="):
            return [(text is not None and text.lower() == wanted) == (sign == "=") for text in texts]
        return [(text is not None and wanted in text.lower()) == (sign == "~") for text in texts]

    def _times(self, data: Frame, sign: str) -> list[bool]:
        if sign not in ORDER:
            example = "age<2d" if self.key == "age" else "started>-2d or started<2026-11-01"
            raise InputError(f"--where: '{self.text}': times are compared by <, <=, > or >=, as in {example}")
        border = moment(self.value.removeprefix("-") if self.value[1:2].isdigit() else self.value, option="--where")
        compare = ORDER[{"<": ">", "<=": ">=", ">": "<", ">=": "<="}[sign] if self.key == "age" else sign]
        return [(begin := began(run)) != UNKNOWN and compare(begin, border) for run in data.runs]


def same(value: Any, wanted: Any) -> bool:
    """Whether a cell is what was asked for; a missing one is `null`, a list is compared as it is written."""
    if isinstance(value, tuple):
        return str(list(value)).replace(" ", "") == str(wanted).replace(" ", "")
    return value == wanted or (missing(value) and wanted is None) or str(value) == str(wanted)


# -- reading ---------------------------------------------------------------------------------------


def read(text: str) -> Term:
    """The term that a text means. `not` binds closer than `and`, `and` closer than `or`. Raises InputError."""
    reader = _Reader(text)
    term = reader.some()
    if not reader.done():
        stray = reader.next() == ")"
        reader.refuse("a ')' that closes nothing" if stray else f"no 'and' or 'or' before '{reader.rest()}'")
    return term


class _Reader:
    """Where in a text the reading stands."""

    def __init__(self, text: str):
        self.text, self.at = text, 0

    def some(self) -> Term:
        terms = [self.every()]
        while self.word("or"):
            terms.append(self.every())
        return terms[0] if len(terms) == 1 else Some(tuple(terms))

    def every(self) -> Term:
        terms = [self.one()]
        while self.word("and"):
            terms.append(self.one())
        return terms[0] if len(terms) == 1 else Every(tuple(terms))

    def one(self) -> Term:
        if self.word("not"):
            return Not(self.one())
        if self.next() == "(":
            opened = self.at
            self.at += 1
            term = self.some()
            if self.next() != ")":
                self.refuse(f"the '(' at character {opened + 1} is not closed")
            self.at += 1
            return term
        mark = _MARK.match(self.text, self.at)
        if mark:
            self.at = mark.end()
            return Mark(mark[1], None if mark[2] is None else int(mark[2]))
        return self.condition()

    def condition(self) -> Term:
        self.skip()
        start = self.at
        key = _KEY.match(self.text, start)
        sign = _SIGN.match(self.text, key.end()) if key else None
        if key is None or sign is None or _WORD.fullmatch(key[0]):
            self.no_condition(start)
        self.at = sign.end()
        value = self.value()
        if not value:
            self.no_condition(start)
        return Condition(self.text[start : self.at].strip(), key[0], sign[1], value)

    def value(self) -> str:
        """What stands behind a sign: in quotes, or up to `and`, `or`, a closing bracket of more, or the end."""
        quote = self.text[self.at : self.at + 1]
        if quote in ("'", '"'):
            end = self.text.find(quote, self.at + 1)
            if end < 0:
                self.refuse(f"a {quote} that is not closed")
            value, self.at = self.text[self.at + 1 : end], end + 1
            return value
        start, depth = self.at, 0
        while self.at < len(self.text):
            sign = self.text[self.at]
            if (sign == ")" and depth == 0) or (depth == 0 and _BORDER.match(self.text, self.at)):
                break
            depth += (sign in "([{") - (sign in ")]}")
            self.at += 1
        return self.text[start : self.at].strip()

    def word(self, word: str) -> bool:
        """Go past this word, if it is what comes next."""
        self.skip()
        found = _WORD.match(self.text, self.at)
        if found is None or found[1].lower() != word:
            return False
        self.at = found.end()
        return True

    def next(self) -> str:
        self.skip()
        return self.text[self.at : self.at + 1]

    def done(self) -> bool:
        return not self.next()

    def rest(self) -> str:
        return self.text[self.at :].strip()

    def skip(self) -> None:
        while self.text[self.at : self.at + 1].isspace():
            self.at += 1

    def no_condition(self, start: int) -> NoReturn:
        end = _BORDER.search(self.text, start)
        part = self.text[start : end.start() if end else None].strip() or self.text.strip()
        raise InputError(f"--where: '{part}' is not a condition; write KEY=VALUE, for example optimizer.lr<0.1")

    def refuse(self, why: str) -> NoReturn:
        raise InputError(f"--where: '{self.text.strip()}': {why}")
