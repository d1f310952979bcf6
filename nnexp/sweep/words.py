"""What the words of a sweep's command line say: lists of values, lists that go in step, and ranges to search."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from nnexp.config.draft import split_outside_brackets, value_tree
from nnexp.config.load import SWEEP_KEYS
from nnexp.config.yaml import Place, Tree, scalar
from nnexp.errors import InputError, did_you_mean
from nnexp.sweep.space import KINDS, Axis, read_ranges

MOST_VALUES = 100_000
"""Values that `range` and `logspace` may name: beyond it is a slip of the finger."""


def command_line(
    overrides: Sequence[str],
) -> tuple[dict[str, list[Tree]], list[dict[str, list[Tree]]], list[Axis]]:
    """The lists of values that the overrides name, those that go in step, and the ranges. Raises InputError."""
    lists: dict[str, list[Tree]] = {}
    zips: list[dict[str, list[Tree]]] = []
    axes: list[Axis] = []
    for text in overrides:
        if text.startswith("zip("):
            zips.append(_zip(text))
            continue
        drawn = re.match(rf"\s*([A-Za-z_][\w-]*(?:\.[\w-]+)*)\s*=\s*({'|'.join(KINDS)})\((.*)\)\s*$", text)
        if drawn:
            key = drawn[1]
            axes.append(_range(text, *drawn.groups()))
        else:
            key, values = _listed(text, text)
        if key in (*SWEEP_KEYS, "base"):
            raise InputError(
                f"command line: {text}: '{key}' belongs into the sweep's file"
                + (", or use --seeds N" if key == "seeds" else "")
            )
        if key in lists or any(axis.key == key for axis in axes[: len(axes) - bool(drawn)]):
            raise InputError(f"command line: '{key}' is given twice")
        if not drawn:
            lists[key] = values
    return lists, zips, axes


def _range(text: str, key: str, kind: str, inside: str) -> Axis:
    """`optimizer.lr=log(1e-4,1)` as a range. Raises InputError."""
    words = split_outside_brackets(inside)
    values = [value_tree(word, text).data for word in words] if inside.strip() else []
    try:
        [one] = read_ranges({kind: values})
    except ValueError as error:
        raise InputError(f"command line: {text}: {error}") from None
    return Axis(key, one, Place("command line", text=(text,)))


def _listed(part: str, text: str) -> tuple[str, list[Tree]]:
    """`optimizer.lr=0.1,0.01`, `=range(1,4)` or `=logspace(1e-4,1,5)` -> the key and its values.

    `text` is the whole argument that it is part of.
    """
    key, equals, value = (word.strip() for word in part.partition("="))
    if not equals or not re.fullmatch(r"[A-Za-z_][\w-]*(\.[\w-]+)*", key):
        inside = "" if part == text else f"{text}: "
        raise InputError(f"command line: {inside}'{part}' is not KEY=VALUE,VALUE; for example optimizer=sgd,adam")
    place = Place("command line", text=(text,))
    call = re.match(r"(\w+)\((.*?)(\)?)$", value)
    if call:
        if call[1] not in ("range", "logspace", *KINDS):
            guess = did_you_mean(call[1], ("range", "logspace", *KINDS))
            raise InputError(f"command line: {text}: there is no {call[1]}(...){guess}")
        if call[1] in KINDS or not call[3] or "(" in call[2] or ")" in call[2]:
            raise InputError(f"command line: {text}: {call[1]}(...) is closed and stands alone")
        return key, [Tree(v, {}, {(): place}) for v in _series(text, call[1], call[2])]
    words = split_outside_brackets(value)
    if "" in words:
        what = "an empty value between commas" if len(words) > 1 else "no value; null is the default"
        raise InputError(f"command line: {text}: {what}")
    return key, [value_tree(word, text) for word in words]


def _series(text: str, kind: str, inside: str) -> list[int | float]:
    """The numbers of `range(start, stop, step)`, without stop as in Python, or `logspace(low, high, count)`."""
    numbers = [scalar(part) for part in split_outside_brackets(inside)]
    if not all(isinstance(n, int | float) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        raise InputError(f"command line: {text}: {kind}(...) takes finite numbers")
    if kind == "logspace":
        if len(numbers) != 3 or not isinstance(numbers[2], int) or numbers[2] < 2 or min(numbers[:2]) <= 0:
            raise InputError(f"command line: {text}: write logspace(LOW,HIGH,COUNT) with positive bounds, COUNT >= 2")
        low, high, count = numbers
    else:
        if len(numbers) not in (1, 2, 3) or (len(numbers) == 3 and numbers[2] == 0):
            raise InputError(f"command line: {text}: write range(STOP), range(START,STOP) or range(START,STOP,STEP)")
        start, stop, step = (0, numbers[0], 1) if len(numbers) == 1 else (*numbers, 1)[:3]
        count = math.ceil((stop - start) / step - 1e-9)
    if not 1 <= count <= MOST_VALUES:
        what = "is empty" if count < 1 else f"has {count:,} values, more than {MOST_VALUES:,}"
        raise InputError(f"command line: {text}: the {kind} {what}")
    if kind == "logspace":
        steps = [math.log10(low) + (math.log10(high) - math.log10(low)) * i / (count - 1) for i in range(count)]
        # 12 digits: 10**-3 comes out as 0.001 and the ends are the ends
        return [float(low), *(float(f"{10**step:.12g}") for step in steps[1:-1]), float(high)]
    whole = all(isinstance(n, int) for n in (start, step))
    return [start + i * step if whole else float(f"{start + i * step:.12g}") for i in range(count)]


def _zip(text: str) -> dict[str, list[Tree]]:
    """`zip(a=1,2 b=x,y)` -> lists that go in step."""
    if not text.endswith(")"):
        raise InputError(f"command line: {text}: zip( is not closed; write zip(a=1,2 b=x,y), in quotes for the shell")
    group: dict[str, list[Tree]] = {}
    for part in split_outside_brackets(text[len("zip(") : -1], " "):
        if part:
            key, values = _listed(part, text)
            if key in group:
                raise InputError(f"command line: {text}: '{key}' stands there twice")
            group[key] = values
    if not group:
        raise InputError(f"command line: {text}: nothing to zip; write zip(a=1,2 b=x,y)")
    return group
