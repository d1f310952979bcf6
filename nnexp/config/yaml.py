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

from nnexp.errors import InputError

KeyPath = tuple[str | int, ...]
MAX_NODES = 20_000

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


_Loader.yaml_implicit_resolvers = {}


def read(path: Path) -> Tree:
    """The tree of a YAML file. Raises InputError, with the place, for anything that is not a YAML mapping."""
    shown = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{shown}: no such file{_similar_file(path)}") from None
    except IsADirectoryError:
        raise InputError(f"{shown} is a folder; give a YAML file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{shown} is not UTF-8 text (byte {error.start}: {error.reason})") from None
    except OSError as error:
        raise InputError(f"{shown} cannot be read: {error.strerror}") from None
    tree = parse(text, shown)
    if not isinstance(tree.data, dict):
        found = "empty" if tree.data is None else f"a {type(tree.data).__name__}"
        raise InputError(f"{shown}: expected keys and values such as 'dataset: digits'; the file is {found}")
    return tree


def _similar_file(path: Path) -> str:
    from nnexp.errors import did_you_mean

    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}"
    others = {p.name: p for p in path.parent.iterdir() if p.suffix in (".yaml", ".yml")}
    return did_you_mean(path.name, others)


def parse(text: str, source: str) -> Tree:
    """The tree of YAML text that came from `source`. Raises InputError with the place of a syntax error."""
    lines = tuple(text.splitlines())
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        raise InputError(_syntax_error(error, source, lines)) from None
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not valid YAML: {error}") from None
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
        if isinstance(node, yaml.ScalarNode):
            if node.tag.startswith("tag:yaml.org,2002:") is False and node.tag != "!":
                self.refuse(node, f"the tag {node.tag} is not supported; write the plain value")
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
    shown = []
    if 0 < number < len(place.text) and place.text[number - 1].strip():
        shown.append(f"  {number:4} | {place.text[number - 1]}")
    if number < len(place.text):
        shown.append(f"  {number + 1:4} | {place.text[number]}")
        shown.append("       | " + " " * (place.column - 1) + "^" * place.width + (f" {hint}" if hint else ""))
    return "\n".join((head, *shown))


def _syntax_error(error: yaml.MarkedYAMLError, source: str, lines: tuple[str, ...]) -> str:
    mark = error.problem_mark or error.context_mark
    problem = error.problem or "not valid YAML"
    if mark is None:
        return f"{source}: {problem}"
    line = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line[: mark.column + 1]:
        problem = "a tab; YAML is indented with spaces"
    elif "mapping values are not allowed" in problem:
        problem = "a second ':' in one line; is the line before it indented differently, or a value in need of quotes?"
    elif "could not find expected ':'" in problem:
        problem = "a key without ':'"
    elif "found character" in problem and "cannot start any token" in problem:
        problem += "; put the value in quotes"
    elif error.context and "flow" in error.context:
        problem = f"a bracket that is not closed ({problem})"
    return excerpt(Place(source, mark.line + 1, mark.column + 1, 1, lines), problem)
