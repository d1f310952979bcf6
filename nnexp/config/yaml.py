"""YAML as people mean it: YAML 1.2 scalars, duplicate keys an error, and the place of every key and value kept.

PyYAML reads 1e-3 as text, `no` as false, 1:30 as 90 and 012 as 10; here a number is a number and the others stay
text, which a typed field then refuses with a hint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from nnexp.errors import InputError, nearest

KeyPath = tuple[str | int, ...]
MAX_NODES = 20_000
LONGEST = 120
"""Characters that are shown of a line."""

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*)$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_SPECIAL = {".inf": float("inf"), "+.inf": float("inf"), "-.inf": float("-inf"), ".nan": float("nan")}
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(frozen=True)
class Place:
    """Where something was written: a position in a file, or an argument of the command line."""

    source: str
    """The file's path as the user gave it, or `command line`."""
    line: int = 0
    """From 1; 0 where there is no file."""
    column: int = 0
    width: int = 1
    text: tuple[str, ...] = ()
    """The lines of the file, or the one argument."""

    @property
    def in_file(self) -> bool:
        return self.line > 0


@dataclass(frozen=True)
class Tree:
    """Plain data with the places of its keys and values."""

    data: Any
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)


def scalar(text: str) -> Any:
    """What a plain (unquoted) scalar means.

    >>> [scalar(s) for s in ("1e-3", "012", "no", "1:30", "true", "0x1f", "2026-01-01")]
    [0.001, '012', 'no', '1:30', True, '0x1f', '2026-01-01']
    """
    lower = text.lower()
    if lower in _CONSTANTS and text in (lower, lower.title(), lower.upper()):
        return _CONSTANTS[lower]
    if _INT.match(text):
        return int(text) if len(text) < 400 else text
    if _FLOAT.match(text):
        return float(text)
    return _SPECIAL.get(lower, text)


class _Loader(yaml.SafeLoader):
    """SafeLoader's scanner and parser; what scalars mean is decided by `scalar`."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> None:
        """No tag, so that every tag that a node has was written in the file."""


def read(path: Path) -> Tree:
    """The tree of a YAML file. Raises InputError, with the place, for anything that is not a YAML mapping."""
    shown = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{shown}: no such file{similar_file(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{shown} is a folder; give a YAML file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{shown} is not UTF-8 text (byte {error.start}: {error.reason})") from None
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror}") from None
    tree = parse(text, shown)
    if not isinstance(tree.data, dict):
        if tree.data is None:
            raise InputError(f"{shown} is empty; expected keys and values such as 'dataset: digits'")
        found = "a list" if isinstance(tree.data, list) else repr(tree.data)
        hint = _WITHOUT_SPACE if isinstance(tree.data, str) and ":" in tree.data else ""
        message = f"expected keys and values such as 'dataset: digits', found {found}"
        raise InputError(excerpt(tree.values[()], message, hint))
    return tree


def similar_file(path: Path) -> str:
    """What may have been meant by a YAML file that is not there: `; did you mean ...?`, or nothing."""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    deeper = sorted(path.parent.glob(f"*/{path.name}"))
    others = {p.name: p for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml") and p.is_file()}
    near = nearest(path.name, others)
    found = path.parent / near if near else deeper[0] if deeper else None
    return f"; did you mean '{found}'?" if found else ""


def parse(text: str, source: str) -> Tree:
    """The tree of YAML text that came from `source`. Raises InputError with the place of a syntax error."""
    lines = tuple(text.splitlines())
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise InputError(_syntax_error(error, source, lines)) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        column = error.position - (before.rfind("\n") + 1)
        place = Place(source, before.count("\n") + 1, column + 1, 1, lines)
        raise InputError(excerpt(place, f"the character U+{error.character:04X} is not allowed in YAML")) from None
    except RecursionError:
        raise InputError(f"{source}: nested too deeply") from None
    tree = Tree(None)
    data = None if node is None else _Builder(source, lines, tree).build(node, ())
    return Tree(data, tree.keys, tree.values)


class _Builder:
    """Turns PyYAML's nodes into plain data and notes the place of each."""

    def __init__(self, source: str, lines: tuple[str, ...], tree: Tree):
        self.source, self.lines, self.tree = source, lines, tree
        self.count = 0
        self.open: set[int] = set()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        self.tree.values[path] = self.place(node)
        self.count += 1
        if self.count > MAX_NODES:
            raise InputError(f"{self.source}: more than {MAX_NODES:,} values once its aliases are expanded")
        if node.tag is not None:
            shown = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.refuse(node, f"the tag {shown} is not supported; write the plain value")
        if isinstance(node, yaml.ScalarNode):
            return scalar(node.value) if node.style is None else node.value
        if id(node) in self.open:
            self.refuse(node, "an alias contains itself")
        self.open.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            result: Any = [self.build(child, (*path, i)) for i, child in enumerate(node.value)]
        else:
            result = self.mapping(node, path)
        self.open.discard(id(node))
        return result

    def mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.refuse(key_node, "a key must be a word")
            key = key_node.value
            if key == "<<" and key_node.style is None:
                self.refuse(key_node, "merge keys (<<) are not supported; use 'base: other.yaml'")
            if key in result:
                first = self.tree.keys[(*path, key)].line
                self.refuse(key_node, f"the key '{key}' stands twice; first in line {first}")
            self.tree.keys[(*path, key)] = self.place(key_node)
            result[key] = self.build(value_node, (*path, key))
            if getattr(value_node, "flow_style", None) is False:
                # what is wrong with a block of lines as a whole is shown at its key
                self.tree.values[(*path, key)] = self.tree.keys[(*path, key)]
        return result

    def place(self, node: yaml.Node) -> Place:
        start, end = node.start_mark, node.end_mark
        width = end.column - start.column if start.line == end.line else 1
        return Place(self.source, start.line + 1, start.column + 1, max(width, 1), self.lines)

    def refuse(self, node: yaml.Node, message: str) -> None:
        raise InputError(excerpt(self.place(node), message))


def excerpt(place: Place, message: str, hint: str = "") -> str:
    """`file:line:column  message`, the line itself, and a caret line with the hint."""
    head = f"{place.source}:{place.line}:{place.column}  {message}"
    number = place.line - 1
    # of a long line, the part around the column; tabs and control characters as spaces, so that the caret stands right
    cut = max(0, place.column - LONGEST // 2) if number < len(place.text) and len(place.text[number]) > LONGEST else 0
    shown = [
        f"  {i + 1:4} | {''.join(c if c.isprintable() else ' ' for c in place.text[i][cut : cut + LONGEST])}"
        for i in (number - 1, number)
        if 0 <= i < len(place.text) and (i == number or place.text[i].strip())
    ]
    if number < len(place.text):
        width = min(place.width, LONGEST - (place.column - 1 - cut))
        shown.append("       | " + " " * (place.column - 1 - cut) + "^" * max(width, 1) + (f" {hint}" if hint else ""))
    return "\n".join((head, *shown))


_WITHOUT_SPACE = "a space must follow the ':'"


def _syntax_error(error: yaml.MarkedYAMLError, source: str, lines: tuple[str, ...]) -> str:
    """PyYAML's error in plain words, at the place that has to be changed."""
    mark, context, problem = error.problem_mark, error.context or "", error.problem or ""
    begun = error.context_mark or mark
    hint = ""
    if mark.line < len(lines) and "\t" in lines[mark.line][: mark.column + 1]:
        problem = "a tab; YAML is indented with spaces"
    elif "quoted scalar" in context:
        mark, problem = begun, "this quote is not closed"
    elif "flow" in context and mark.line > begun.line:
        found = "" if mark.line >= len(lines) else f"; {problem} in line {mark.line + 1}"
        mark, problem = begun, f"this bracket is not closed{found}"
    elif "could not find expected ':'" in problem:
        return _without_colon(begun.line, source, lines)
    elif "mapping values are not allowed" in problem:
        if ":" in lines[mark.line][: mark.column]:
            problem = "a second ':' in one line; put the value in quotes, or on lines of its own"
        else:
            before = max((i for i in range(mark.line) if lines[i].partition("#")[0].strip()), default=0)
            if ":" not in lines[before]:
                return _without_colon(before, source, lines)
            problem = "this line is indented more than the one above, which has a value already"
            return excerpt(_line(mark.line, source, lines), problem)
    elif "but found '<block mapping start>'" in problem:
        problem = "this line's indentation fits none of the lines above"
        return excerpt(_line(mark.line, source, lines), problem)
    elif "but found ']'" in problem or "but found '}'" in problem:
        problem = "this closes a bracket that was not opened"
    elif "but found ':'" in problem:
        problem = "a ':' without a key"
    elif "expected the node content" in problem:
        problem = f"a value is missing before {problem.rpartition(' ')[2]}"
    elif "another document" in problem:
        problem = "a second document begins here; a file holds one"
    elif "undefined alias" in problem or context.endswith(("an alias", "an anchor")):
        mark, hint = begun, "put text that begins with & or * in quotes"
        problem = "this refers to nothing"
    elif "cannot start any token" in problem:
        hint = "put the value in quotes"
    return excerpt(Place(source, mark.line + 1, mark.column + 1, 1, lines), problem, hint)


def _without_colon(number: int, source: str, lines: tuple[str, ...]) -> str:
    hint = _WITHOUT_SPACE if ":" in lines[number] else "write it as 'key: value'"
    return excerpt(_line(number, source, lines), "a line without ': '", hint)


def _line(number: int, source: str, lines: tuple[str, ...]) -> Place:
    """The whole of a line, without the space around it."""
    text = lines[number]
    start = len(text) - len(text.lstrip())
    return Place(source, number + 1, start + 1, len(text.strip()), lines)
