"""A configuration before validation: files and overrides laid over each other, each value with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnexp.components.base import families, members
from nnexp.config.yaml import KeyPath, Place, Tree, excerpt, parse, read
from nnexp.errors import InputError

_SWEEP_WORDS = re.compile(r"^(range|logspace|zip)\(")


class Draft:
    """Plain nested data with the place of each key and value.

    One rule lays a value over another: mappings merge key by key, but a mapping (or short form) with another `name`
    replaces the old component, and so does a list. A short form of the same name changes nothing. A field that says
    the same as others (`width` and `depth` for `hidden`) takes their place.
    """

    def __init__(self, tree: Tree | None = None):
        self.data: dict[str, Any] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        if tree is not None:
            self.overlay(tree)

    @classmethod
    def from_file(cls, path: Path, _open: tuple[Path, ...] = ()) -> Draft:
        """The file over its `base`, over the base's base, and so on. Raises InputError."""
        tree = read(path)
        if "base" not in tree.data:
            return cls(tree)
        place = tree.values[("base",)]
        base = tree.data["base"]
        if not isinstance(base, str):
            raise InputError(excerpt(place, f"base: expected the name of a YAML file, found {base!r}"))
        target = path.parent / base
        here = path.resolve()
        if target.resolve() in (*_open, here):
            raise InputError(excerpt(place, f"base: {base} leads back to this file"))
        if not target.is_file():
            raise InputError(excerpt(place, f"base: no such file: {target}"))
        draft = cls.from_file(target, (*_open, here))
        del tree.data["base"]
        draft.overlay(tree)
        return draft

    def copy(self) -> Draft:
        """An independent copy."""
        import copy

        twin = Draft()
        twin.data, twin.keys, twin.values = copy.deepcopy(self.data), dict(self.keys), dict(self.values)
        return twin

    def overlay(self, tree: Tree) -> None:
        """Lay a whole tree over this one."""
        for key, value in tree.data.items():
            self._lay(self.data, (key,), value, tree, (key,))

    def assign(self, dotted: str, value: Tree, lists: frozenset[str] = frozenset()) -> None:
        """Set the value at `a.b.c`; a list's members are addressed by name, as in `regularization.dropout.rate`.

        `lists` names the dotted keys that hold lists of components.
        """
        parts = dotted.split(".")
        place = value.values.get((), Place("command line"))
        if not all(parts):
            raise InputError(f"{place.source}: '{dotted}' is not a key; write for example optimizer.lr=0.01")
        holder: Any = self.data
        path: KeyPath = ()
        for number, part in enumerate(parts[:-1]):
            slot: str | int = self._member(holder, part, path, place) if isinstance(holder, list) else part
            path = (*path, slot)
            is_list = ".".join(parts[: number + 1]) in lists
            inner = _opened(None if isinstance(holder, dict) and slot not in holder else holder[slot], is_list)
            if inner is None:
                shown = ".".join(parts[: number + 1])
                raise InputError(
                    f"{place.source}: {dotted}: '{shown}' is {holder[slot]!r}, which has no keys of its own"
                )
            holder[slot] = inner
            self.keys.setdefault(path, place)
            self.values.setdefault(path, place)
            holder = inner
        last: str | int = self._member(holder, parts[-1], path, place) if isinstance(holder, list) else parts[-1]
        if isinstance(holder, dict) and isinstance(last, str):
            # two arguments of one command line that contradict each other both stay, to be told
            here = {r for r, p in self.keys.items() if r[:-1] == path and p.source == place.source and not p.in_file}
            self._drop(holder, path, [r for r in _rivals(path, holder, last) if (*path, r) not in here])
        self._lay(holder, (*path, last), value.data, value, ())
        self.keys[(*path, last)] = place

    def _drop(self, holder: dict[str, Any], path: KeyPath, keys: Iterable[str]) -> None:
        for key in keys:
            holder.pop(key, None)
            self._forget((*path, key))

    def _member(self, holder: list, name: str, path: KeyPath, place: Place) -> int:
        """The index of the list's member called `name`; added where there is none."""
        for index, item in enumerate(holder):
            if item == name or (isinstance(item, dict) and item.get("name") == name):
                holder[index] = _opened(item, False)
                return index
        holder.append({"name": name})
        self.values[(*path, len(holder) - 1)] = place
        return len(holder) - 1

    def _lay(self, holder: Any, path: KeyPath, value: Any, tree: Tree, source: KeyPath) -> None:
        """Put `value`, which stands at `source` in `tree`, over holder[path[-1]], which stands at `path` here."""
        old = holder.get(path[-1]) if isinstance(holder, dict) else holder[path[-1]]
        if source in tree.keys:
            self.keys[path] = tree.keys[source]
        if isinstance(old, dict) and isinstance(value, str) and old.get("name") == value:
            return
        if isinstance(old, str) and isinstance(value, dict) and value.get("name", old) == old and "name" not in path:
            old = holder[path[-1]] = {"name": old}
        if isinstance(old, dict) and isinstance(value, dict) and value.get("name", old.get("name")) == old.get("name"):
            for key, inner in value.items():
                self._drop(old, path, _rivals(path, old, key) - value.keys())
                self._lay(old, (*path, key), inner, tree, (*source, key))
            return
        self._forget(path)
        holder[path[-1]] = _copied(value)
        depth = len(source)
        for mine, theirs in ((self.keys, tree.keys), (self.values, tree.values)):
            for place_path, place in theirs.items():
                if place_path[:depth] == source:
                    mine[(*path, *place_path[depth:])] = place

    def _forget(self, path: KeyPath) -> None:
        for places in (self.keys, self.values):
            for known in [p for p in places if p[: len(path)] == path and len(p) > len(path)]:
                del places[known]

    def place(self, path: KeyPath, at_key: bool = False) -> Place | None:
        """Where the value (or key) at `path` was written, or the nearest enclosing one; None for a default."""
        while path:
            place = self.keys.get(path) if at_key else self.values.get(path)
            place = place or self.values.get(path) or self.keys.get(path)
            if place is not None:
                return place
            path = path[:-1]
        return None


def _rivals(path: KeyPath, component: dict[str, Any], key: str) -> set[str]:
    """Fields of the component at `path` that say in another way what `key` says."""
    family = families().get(str(path[-1])) if path else None
    known = members(family) if family else {}
    fitting = [cls for name, cls in known.items() if component.get("name", name) == name]
    groups = [group for cls in fitting for group in cls.alternatives]
    return {field for group in groups if key not in group for field in group if any(key in g for g in groups)}


def _opened(value: Any, is_list: bool) -> Any:
    """A value in the form that has keys: short form -> mapping, one component -> list; None where it has none."""
    if is_list and not isinstance(value, list):
        return [] if value in (None, "none") else [_opened(value, False)]
    if value is None:
        return {}
    if isinstance(value, str):
        return {"name": value}
    return value if isinstance(value, dict | list) else None


def _copied(value: Any) -> Any:
    import copy

    return copy.deepcopy(value)


def split_override(text: str, source: str = "command line") -> tuple[str, Tree]:
    """`optimizer.lr=0.01` -> the dotted key and the value's tree, parsed as YAML. Raises InputError."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise InputError(f"{source}: '{text}' is not an override; write KEY=VALUE, for example optimizer.lr=0.01")
    if not re.fullmatch(r"[A-Za-z_][\w.-]*", key):
        raise InputError(f"{source}: '{key}' is not a key; write for example optimizer.lr=0.01")
    try:
        tree = parse(value, source)
    except InputError as error:
        raise InputError(f"{source}: {text}: the value is not valid YAML ({str(error).splitlines()[0]})") from None
    place = Place(source, text=(text,))
    return key, Tree(tree.data, dict.fromkeys(tree.keys, place), dict.fromkeys({(), *tree.values}, place))


def names_several(text: str) -> bool:
    """Whether an override's value lists several values for a sweep: `a,b` outside brackets, `range(..)`, `zip(..)`."""
    if _SWEEP_WORDS.match(text):
        return True
    value = text.partition("=")[2].strip()
    return bool(_SWEEP_WORDS.match(value)) or len(split_outside_brackets(value)) > 1


def split_outside_brackets(text: str, separator: str = ",") -> list[str]:
    """Cut at separators that stand in no bracket and no quotes.

    >>> split_outside_brackets("a,[1,2],'x,y'")
    ['a', '[1,2]', "'x,y'"]
    """
    parts, depth, quote, current = [], 0, "", ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char in "[{(":
            depth += 1
        elif char in "]})":
            depth -= 1
        elif char == separator and depth == 0:
            parts.append(current)
            current = ""
            continue
        current += char
    return [part.strip() for part in (*parts, current)]
