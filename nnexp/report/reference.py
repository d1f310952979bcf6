"""The reference pages: one Markdown page a family, with a section and a picture a component, and an index."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nnexp.components import base
from nnexp.components.base import Component, Documentation, members
from nnexp.errors import InputError
from nnexp.report.pictures.components import picture
from nnexp.report.pictures.style import need_matplotlib
from nnexp.report.pictures.undrawable import Undrawable
from nnexp.report.tables import Column, Grid, as_markdown
from nnexp.report.vocabulary import described, dialect_lines, families, first_sentence, forms, place

NEEDED = ("summary", "formula", "source", "example")
"""Parts of a docstring without which there is no page."""
GUIDE = "../guide.md"
INDEX = "index.md"


@dataclass
class Reference:
    """Files by their path below the folder of the reference; made for all families or for some."""

    files: dict[str, bytes] = field(default_factory=dict)

    def write(self, folder: Path) -> list[Path]:
        """Write the files, and take away what an earlier build left behind and this one has not made.

        Raises InputError where the folder cannot be written.
        """
        try:
            for name, content in self.files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            for page in self.files:
                for old in folder.glob(f"pictures/{Path(page).stem}-*.svg") if page.endswith(".md") else ():
                    if old.relative_to(folder).as_posix() not in self.files:
                        old.unlink()
        except OSError as error:
            raise InputError(f"cannot write the reference to {folder}: {error.strerror}") from None
        return [folder / name for name in self.files]


def build(only: str | None = None) -> Reference:
    """The pages and pictures of one family, or of all of them and the index.

    Raises InputError where a component's docstring lacks a part, naming each such class and what it lacks, and where
    matplotlib is not installed.
    """
    need_matplotlib()
    chosen = {name: family for name, family in families().items() if only in (None, name)}
    _check(chosen)
    reference = Reference()
    for family in chosen.values():
        for name, content in _page(family):
            reference.files[name] = content
    if only is None:
        reference.files[INDEX] = _index().encode()
    return reference


def _check(chosen: dict[str, type[Component]]) -> None:
    """Raises InputError where a docstring lacks a part."""
    lacking = []
    for family in chosen.values():
        for cls in members(family).values():
            documentation = Documentation.of(cls)
            missing = [part for part in NEEDED if not getattr(documentation, part)]
            if missing:
                where = f"{family.family} '{cls.label()}' ({cls.__module__}.{cls.__qualname__})"
                lacking.append(f"{where}: its docstring has no {' and no '.join(missing)}")
    if lacking:
        raise InputError("\n".join([*lacking, "The reference was not built; nnexp explain shows what is there."]))


# -- one family ------------------------------------------------------------------------------------


def _page(family: type[Component]) -> Iterator[tuple[str, bytes]]:
    """The page of a family and its pictures, as names and contents."""
    sections = []
    for name, cls in members(family).items():
        shown = ""
        try:
            drawn = picture(cls)
        except Undrawable:
            pass
        else:
            path = f"pictures/{family.family}-{name}.svg"
            yield path, drawn.content
            shown = f"![{name}]({path})\n\n*{_escaped(drawn.words[0].upper() + drawn.words[1:])}.*"
        sections.append(_section(cls, shown))
    yield f"{family.family}.md", "\n".join([_head(family), *sections]).encode()


def _head(family: type[Component]) -> str:
    """What the family is, where its members stand in a configuration, and a table of them."""
    name = family.family
    lines = [f"[Reference]({INDEX}) · [Guide]({GUIDE})", "", f"# {name}", ""]
    lines += [paragraph + "\n" for paragraph in _paragraphs(inspect.getdoc(family) or "")]
    lines += [paragraph + "\n" for paragraph in _paragraphs(sys.modules[family.__module__].__doc__ or "")[1:]]
    lines += [_where(family), ""]
    lines += ["| name | what it does |", "|---|---|"]
    for label, cls in members(family).items():
        lines.append(f"| [`{label}`](#{label}) | {_text(first_sentence(cls), cls).replace('|', chr(92) + '|')} |")
    return "\n".join([*lines, ""])


def _where(family: type[Component]) -> str:
    where = place(family)
    if where is None:
        return "These are not chosen: all that fit the target are computed."
    inside = f" inside `{where.keys[0]}`" if len(where.keys) > 1 else ""
    default = "needed" if where.default == "needed" else f"default `{where.default}`"
    return f"Key in a configuration: `{where.keys[-1]}`{inside} ({_escaped(where.about)}); {default}."


def _paragraphs(text: str) -> list[str]:
    return [_escaped(" ".join(part.split())) for part in text.split("\n\n") if not part.startswith(" ")]


def _section(cls: type[Component], shown: str) -> str:
    """All that a component says of itself."""
    d = described(cls)
    lines = [f"## {d['name']}", ""]
    if d["aliases"]:
        lines += [f"Also: {', '.join(f'`{alias}`' for alias in d['aliases'])}.", ""]
    lines += [_text(d["summary"], cls), ""]
    if shown:
        lines += [shown, ""]
    lines += ["```text", d["formula"], "```", ""]
    lines += [_text(note, cls) + "\n" for note in d["notes"].split("\n\n") if note]
    lines += _yaml(cls)
    if d["fields"]:
        columns = [
            Column("field", "field", lambda name: f"`{name}`"),
            Column("default", "default", str),
            Column("bounds", "allowed", str),
            Column("description", "meaning", _escaped),
        ]
        lines += [as_markdown(Grid(columns, d["fields"]))]
    lines += [f"{line}.\n" for line in dialect_lines(cls)]
    if d["differs"]:
        lines += [f"**Differs:** {_text(d['differs'], cls)}", ""]
    lines += [f"**Source:** {_text(d['source'], cls)}", ""]
    lines += ["```pycon", d["example"], "```", ""]
    return "\n".join(lines)


def _yaml(cls: type[Component]) -> list[str]:
    """How a configuration names it, or nothing for what is not chosen."""
    where = place(families()[cls.family])
    if where is None:
        return []
    *outer, key = where.keys
    chosen = f"{key}: {forms(cls)[-1]}"
    if outer:
        chosen = f"{outer[0]}:\n  name: digits\n  {chosen}"
    return ["```yaml", chosen, "```", ""]


# -- the index -------------------------------------------------------------------------------------


def _index() -> str:
    lines = [f"[Guide]({GUIDE})", "", "# Reference", ""]
    lines += [
        "Everything that a configuration can name, a page a family: for each member its formula, its fields, where",
        "implementations differ, the source, and an example worked out by hand. `nnexp reference` makes these pages",
        "from the components' own docstrings and fields. The same in a terminal, and the pictures alone:",
        "",
    ]
    lines += ["```sh", "nnexp list optimizer", "nnexp explain adam", "nnexp plot components optimizer adam", "```", ""]
    lines += [*_paragraphs(base.__doc__ or "")[-1:], ""]
    lines += ["| family | what it is | members |", "|---|---|---|"]
    for name, family in families().items():
        what = _paragraphs(inspect.getdoc(family) or "")[0].split(". ")[0].rstrip(".")
        links = ", ".join(f"[{label}]({name}.md#{label})" for label in members(family))
        lines.append(f"| [{name}]({name}.md) | {what} | {links} |")
    return "\n".join([*lines, ""])


# -- text ------------------------------------------------------------------------------------------


def _text(text: str, cls: type[Component]) -> str:
    """Markdown for a sentence of a component's: signs escaped, and names of other components linked."""
    return re.sub(r"`([a-z][a-z0-9_]*)`", lambda found: _linked(found[1], cls), _escaped(text))


def _linked(word: str, cls: type[Component]) -> str:
    homes = [name for name, family in families().items() if word in members(family)]
    if len(homes) != 1 or word == cls.label() or word in cls.model_fields:
        return f"`{word}`"
    return f"[`{word}`]({'' if homes[0] == cls.family else homes[0] + '.md'}#{word})"


def _escaped(text: Any) -> str:
    """Text whose signs mean themselves in Markdown; what stands in backticks is left as it is."""
    parts = str(text).split("`")
    for number in range(0, len(parts), 2):
        parts[number] = re.sub(r"([*<\[\]\\])", r"\\\1", parts[number])
    return "`".join(parts)
