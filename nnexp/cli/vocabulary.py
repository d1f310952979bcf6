"""`nnexp list`, `explain`, `init` and `schema`: what a configuration can say, computed from the classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import check_format, out, say, text_width
from nnexp.cli.options import DocumentOption, FormatOption
from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from nnexp.components.base import Component


PluginOption = Annotated[
    list[Path] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with components of your own.")
]


def load(plugins: list[Path] | None) -> None:
    """Take up the components of these files."""
    if plugins:
        from nnexp.config.plugins import load_plugins

        load_plugins(plugins)


def complete_family(incomplete: str) -> list[str]:
    """Families, for the shell's completion."""
    from nnexp.report.vocabulary import families

    return [name for name in families() if name.startswith(incomplete)]


def complete_component(incomplete: str) -> list[str]:
    """Components, for the shell's completion."""
    from nnexp.components.base import members
    from nnexp.report.vocabulary import families

    names = {name for family in families().values() for name in members(family)}
    return sorted(name for name in names if name.startswith(incomplete))


def list_components(
    family: Annotated[
        str | None, typer.Argument(help="Only this family, such as optimizer.", autocompletion=complete_family)
    ] = None,
    how: FormatOption = "table",
    plugin: PluginOption = None,
) -> None:
    """List what a configuration can name."""
    from nnexp.components.base import members
    from nnexp.report.tables import FORMATS, Column, Grid, render
    from nnexp.report.vocabulary import families, first_sentence

    check_format(how, FORMATS)
    load(plugin)
    known = families()
    family = family and known_family(family)
    rows = []
    for name, cls in known.items():
        if family in (None, name):
            for label, member in members(cls).items():
                aliases = ", ".join(member.aliases)
                rows.append({"family": name, "name": label, "aliases": aliases, "what": first_sentence(member)})
    columns = [Column("family", "family"), Column("name", "name"), Column("what", "what it does")]
    if how in ("csv", "json") or (family and any(row["aliases"] for row in rows)):
        columns.insert(2, Column("aliases", "also"))
    if family is not None and how not in ("csv", "json"):
        columns = columns[1:]
    elif how == "table":
        previous = ""
        for row in rows:
            row["family"], previous = ("" if row["family"] == previous else row["family"]), row["family"] or previous
    render(Grid(columns, rows), how, out())


def known_family(word: str) -> str:
    """The family that a word names, in the singular or the plural. Raises InputError where it is none."""
    from nnexp.report.vocabulary import families

    known = families()
    for name in (word, word.removesuffix("s")):
        if name in known:
            return name
    guess = did_you_mean(word, known) or f"; one of {', '.join(known)}"
    raise InputError(f"'{word}' is not a family{guess}")


def explain(
    name: Annotated[str, typer.Argument(help="A component, such as adam.", autocompletion=complete_component)],
    how: DocumentOption = "table",
    plugin: PluginOption = None,
) -> None:
    """Explain a component: formula, fields, source, where implementations differ."""
    from nnexp.components.base import members, spellings
    from nnexp.report.vocabulary import described, families

    check_format(how, ("table", "json"))
    load(plugin)
    known = families()
    if name in known or name.removesuffix("s") in known:
        list_components(name, how)
        return
    family, _, rest = name.partition(".")
    if family in known and rest:
        found = [members(known[family])[spellings(known[family])[rest]]] if rest in spellings(known[family]) else []
    else:
        found = [members(cls)[spellings(cls)[name]] for cls in known.values() if name in spellings(cls)]
    if not found:
        if family in known and rest:
            one_of = f"; one of: {', '.join(members(known[family]))}"
            raise InputError(f"no {family} '{rest}'{did_you_mean(rest, spellings(known[family])) or one_of}")
        words = [*known, *(word for cls in known.values() for word in spellings(cls))]
        raise InputError(f"no component '{name}'{did_you_mean(name, words) or '; see: nnexp list'}")
    if how == "json":
        typer.echo(json.dumps([described(cls) for cls in found], indent=1, ensure_ascii=False))
        return
    for number, cls in enumerate(found):
        if number:
            typer.echo("")
        _explain(cls)


def _explain(cls: type[Component]) -> None:
    from nnexp.report.tables import Column, Grid, render
    from nnexp.report.vocabulary import described, dialect_lines, families, forms, place

    d = described(cls)
    console = out()
    also = f" (also {', '.join(d['aliases'])})" if d["aliases"] else ""
    typer.echo(f"{d['name']}: {d['family']}{also}\n")
    _paragraph(d["summary"])
    if d["formula"]:
        typer.echo("\n".join(f"    {line}" for line in d["formula"].splitlines()) + "\n")
    for text in d["notes"].split("\n\n"):
        if text:
            _paragraph(text)
    if d["fields"]:
        columns = [
            Column("field", "field"),
            Column("default", "default", str),
            Column("bounds", "allowed", str),
            Column("description", "meaning"),
        ]
        render(Grid(columns, d["fields"]), "table", console)
        typer.echo("")
    for line in dialect_lines(cls):
        _paragraph(line)
    if d["source"]:
        _paragraph(f"Source: {d['source']}")
    if d["differs"]:
        _paragraph(f"Where implementations differ: {d['differs']}")
    where = place(families()[cls.family])
    if where is not None:
        key = ".".join(where.keys)
        typer.echo("In YAML: " + "   or   ".join(f"{key}: {form}" for form in forms(cls)))


def _paragraph(text: str) -> None:
    import textwrap

    typer.echo(textwrap.fill(text, text_width(out()), break_on_hyphens=False, break_long_words=False) + "\n")


def schema(
    sweep: Annotated[bool, typer.Option("--sweep", help="The schema of sweep files instead.")] = False,
) -> None:
    """Print the JSON Schema of configurations, for editors."""
    typer.echo(json.dumps(json_schema(sweep), indent=1, ensure_ascii=False))


def json_schema(sweep: bool = False) -> dict[str, Any]:
    """The JSON Schema that editors complete from; a sweep's file may hold an experiment's keys beside its own."""
    from nnexp.config.schema import ExperimentConfig

    document = ExperimentConfig.model_json_schema()
    if sweep:
        from pydantic import TypeAdapter

        from nnexp.report.claims import AnyRule
        from nnexp.sweep.description import SweepSpec

        own = SweepSpec.model_json_schema()
        claim = TypeAdapter(AnyRule | None).json_schema()
        own["$defs"] |= claim.pop("$defs")
        own["properties"]["claim"] |= claim
        document["title"], document["description"] = own["title"], own["description"]
        document["properties"] |= own["properties"]
        document["$defs"] |= own.get("$defs", {})
        ranges = document["properties"]["space"]["additionalProperties"]
        document["patternProperties"] = {r"\.": ranges}
        document["$defs"]["Tuning"]["additionalProperties"] = ranges
    else:
        document["properties"]["base"] = {"type": "string", "description": "another YAML file that this one changes"}
    # a file may lean on its base for everything, so nothing is required
    document.pop("required", None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document}


def init(
    path: Annotated[Path, typer.Argument(help="The file to write.")] = Path("experiment.yaml"),
    dataset: Annotated[str, typer.Option(help="The data set to begin with.")] = "digits",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented configuration to start from."""
    from nnexp.components.base import members
    from nnexp.report.vocabulary import families

    known = members(families()["dataset"])
    if dataset not in known:
        raise InputError(
            f"--dataset: '{dataset}' is not a dataset{did_you_mean(dataset, known) or '; one of: ' + ', '.join(known)}"
        )
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file")
    if path.exists() and not force:
        raise InputError(f"{path} exists; choose another name, or --force to overwrite it")
    try:
        path.write_text(starter(dataset), encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    say(f"wrote {path}; look at it with: nnexp check {path}    train it with: nnexp train {path}")


def starter(dataset: str) -> str:
    """The commented starter configuration: every key with its default and its choices."""
    import textwrap

    from nnexp.components.base import Component, members
    from nnexp.components.grounds import TrainingGround
    from nnexp.config.load import to_yaml
    from nnexp.config.schema import ExperimentConfig
    from nnexp.report.vocabulary import families

    ground = members(TrainingGround)[dataset]
    lines = ["# An nnexp experiment. Every key but `dataset` may be left out; the values below are the defaults.", ""]
    for key, field in ExperimentConfig.model_fields.items():
        if key == "name" or (ground.keys is not None and key not in ground.keys):
            continue
        about = f"{field.description}"
        annotation = field.annotation
        family = next((f for k, f in families().items() if k == key), None)
        if isinstance(annotation, type) and issubclass(annotation, Component):
            family = annotation
        if family is not None:
            about += f"; one of {', '.join(members(family))}"
        lines += ["# " + line for line in textwrap.wrap(about, 96)]
        default = ground.precision if key == "precision" else field.default
        if key == "dataset":
            start = ground.starts_with
            value: Any = {"name": dataset, **start} if start else dataset
        elif isinstance(default, Component):
            given = {k: v for k, v in default.model_dump().items() if k != "name" and v is not None}
            value = default.label() if not given else {"name": default.label(), **_listed(given)}
        elif hasattr(default, "model_dump"):
            value = _listed(default.model_dump())
        else:
            value = list(default) if isinstance(default, tuple) else default
        lines += [to_yaml({key: value}).rstrip(), ""]
    return "\n".join(lines)


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}
