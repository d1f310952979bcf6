"""A configuration before validation: files and overrides laid over each other, each value with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nnexp.components.base import Component, families, members, spellings
from nnexp.config.schema import BARE_NUMBERS, ExperimentConfig
from nnexp.config.yaml import KeyPath, Place, Tree, excerpt, parse, read, similar_file
from nnexp.errors import InputError

_SWEEP_WORDS = re.compile(r"^(range|logspace|zip|log|uniform|int|choice)\(")


class Draft:
    """Plain nested data with the place of each key and value.

    One rule lays a value over another: mappings merge key by key, but a mapping (or short form) with another `name`
    replaces the old component, and so does a list. A short form of the same name changes nothing; `stop: 20` sets the
    epochs. A field that says the same as others (`width` and `depth` for `hidden`) takes their place.
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
            found = "null" if base is None else repr(base)
            raise InputError(excerpt(place, f"base: must be the name of a YAML file, found {found}"))
        target = path.parent / base
        here = path.resolve()
        if target.resolve() in (*_open, here):
            raise InputError(excerpt(place, f"base: {base} leads back to this file"))
        if not target.is_file():
            what = "is a folder" if target.is_dir() else f"does not exist{similar_file(target)}"
            raise InputError(excerpt(place, f"base: the file {target} {what}"))
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

    def assign_all(self, values: Iterable[tuple[str, Tree]], lists: frozenset[str]) -> None:
        """Set several values: whole components first, so that their order does not matter."""
        for dotted, value in sorted(values, key=lambda item: unnamed(item[0]).count(".")):
            self.assign(dotted, value, lists)

    def assign(self, dotted: str, value: Tree, lists: frozenset[str] = frozenset()) -> None:
        """Set the value at `a.b.c`; a list's members are addressed by name, as in `regularization.dropout.rate`.

        `lists` names the dotted keys that hold lists of components. A component's name stands for the component.
        """
        parts = unnamed(dotted).split(".")
        place = value.values.get((), Place("command line"))
        key_place = value.keys.get((), place)
        if not all(parts):
            raise refusal(key_place, dotted, "this is not a key; write for example optimizer.lr")
        holder: Any = self.data
        path: KeyPath = ()
        for number, part in enumerate(parts):
            shown = ".".join(parts[:number])
            if isinstance(holder, list) and shown not in lists:
                raise refusal(key_place, dotted, f"'{shown}' is a list; give all of it, as in {shown}=[64,32]")
            slot: str | int = self._member(holder, part, path, place) if isinstance(holder, list) else part
            path = (*path, slot)
            if number == len(parts) - 1:
                break
            is_list = ".".join(parts[: number + 1]) in lists
            inner = _opened(None if isinstance(holder, dict) and slot not in holder else holder[slot], is_list)
            if inner is None:
                shown = ".".join(parts[: number + 1])
                raise refusal(key_place, dotted, f"'{shown}' is {holder[slot]!r}, which has no keys of its own")
            holder[slot] = inner
            self._name_default(path, inner)
            self.keys.setdefault(path, place)
            self.values.setdefault(path, place)
            holder = inner
        owner, last = path[:-1], path[-1]
        if isinstance(holder, dict) and isinstance(last, str):
            # two arguments of one command line that contradict each other both stay, to be told
            here = {r for r, p in self.keys.items() if r[:-1] == owner and p.source == place.source and not p.in_file}
            self._drop(holder, owner, [r for r in _rivals(owner, holder, last) if (*owner, r) not in here])
        self._lay(holder, path, value.data, value, ())
        self.keys[path] = key_place

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
        if len(path) == 1 and path[0] in BARE_NUMBERS and isinstance(value, int) and not isinstance(value, bool):
            inner = BARE_NUMBERS[path[0]]
            tree = Tree(None, {}, {(inner,): tree.values[source]} if source in tree.values else {})
            value, source = {inner: value}, ()
        if isinstance(old, dict) and isinstance(value, str) and _name(path, old) == _name(path, value):
            return
        if isinstance(old, str) and isinstance(value, dict) and _name(path, value) in (None, _name(path, old)):
            old = holder[path[-1]] = {"name": old}
        if isinstance(old, dict) and isinstance(value, dict) and _name(path, value) in (None, _name(path, old)):
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
        self._name_default(path, holder[path[-1]])

    def _name_default(self, path: KeyPath, value: Any) -> None:
        """`optimizer: {lr: 0.01}` over nothing means the default optimizer."""
        field = ExperimentConfig.model_fields.get(str(path[0])) if len(path) == 1 else None
        if isinstance(value, dict) and "name" not in value and field and isinstance(field.default, Component):
            value["name"] = field.default.label()
            self.values[(*path, "name")] = Place("default")

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


def _name(path: KeyPath, component: Any) -> str | None:
    """The name of the component at `path`, not an alias of it; None where none is given."""
    name = component if isinstance(component, str) else component.get("name")
    family = families().get(str(path[-1]))
    return (spellings(family) if family else {}).get(str(name), name)


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


def unnamed(dotted: str) -> str:
    """`optimizer.name` -> `optimizer`: to name a component is to choose it."""
    return dotted.removesuffix(".name")


def refusal(place: Place, dotted: str, message: str) -> InputError:
    """The error for a dotted key that cannot be set; it names the key where the place does not."""
    if place.in_file:
        return InputError(excerpt(place, f"{dotted}: {message}" if dotted else message))
    return InputError(": ".join((place.source, *place.text, message)))


def split_override(text: str, source: str = "command line") -> tuple[str, Tree]:
    """`optimizer.lr=0.01` -> the dotted key and the value's tree, parsed as YAML. Raises InputError."""
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise InputError(
            f"{source}: '{text}' is not an override; write KEY=VALUE without spaces, for example optimizer.lr=0.01"
        )
    if key == "base":
        raise InputError(f"{source}: {text}: 'base' belongs into a file")
    if not re.fullmatch(r"[A-Za-z_][\w-]*(\.[\w-]+)*", key):
        raise InputError(f"{source}: {text}: '{key}' is not a key; write for example optimizer.lr=0.01")
    return key, value_tree(value, text, source)


def value_tree(value: str, text: str, source: str = "command line") -> Tree:
    """The tree of a value inside the argument `text`, which is the place of all of it. Raises InputError."""
    place = Place(source, text=(text,))
    try:
        tree = parse(value, source)
    except InputError as error:
        why = str(error).splitlines()[0].partition("  ")[2]
        raise InputError(f"{source}: {text}: the value is not valid YAML: {why}") from None
    return Tree(tree.data, dict.fromkeys(tree.keys, place), dict.fromkeys({(), *tree.values}, place))


def names_several(text: str) -> bool:
    """Whether an override's value lists several values for a sweep: `a,b` outside brackets, `range(..)`, `log(..)`."""
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
