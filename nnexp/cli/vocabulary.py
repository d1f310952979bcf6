"""`nnexp list`, `explain`, `init` and `schema`: what a configuration can say, computed from the classes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import DocumentOption, FormatOption, check_format, out, say, text_width
from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from nnexp.components.base import Component


def _families() -> dict[str, type[Component]]:
    import nnexp.config.schema as schema  # importing it defines every family
    from nnexp.components.base import families

    assert schema
    return families()


PluginOption = Annotated[
    list[Path] | None, typer.Option("--plugin", metavar="FILE", help="A Python file with components of your own.")
]


def _load(plugins: list[Path] | None) -> None:
    if plugins:
        from nnexp.config.plugins import load_plugins

        load_plugins(plugins)


def _complete_family(incomplete: str) -> list[str]:
    return [name for name in _families() if name.startswith(incomplete)]


def _complete_component(incomplete: str) -> list[str]:
    from nnexp.components.base import members

    names = {name for family in _families().values() for name in members(family)}
    return sorted(name for name in names if name.startswith(incomplete))


def list_components(
    family: Annotated[
        str | None, typer.Argument(help="Only this family, such as optimizer.", autocompletion=_complete_family)
    ] = None,
    how: FormatOption = "table",
    plugin: PluginOption = None,
) -> None:
    """List what a configuration can name."""
    from nnexp.components.base import Documentation, members
    from nnexp.report.tables import FORMATS, Column, Grid, render

    check_format(how, FORMATS)
    _load(plugin)
    known = _families()
    if family is not None and family not in known:
        singular = family.removesuffix("s")
        if singular not in known:
            guess = did_you_mean(family, known) or f"; one of {', '.join(known)}"
            raise InputError(f"'{family}' is not a family{guess}")
        family = singular
    rows = []
    for name, cls in known.items():
        if family in (None, name):
            for label, member in members(cls).items():
                summary = Documentation.of(member).summary.split(". ")[0].rstrip(".")
                rows.append({"family": name, "name": label, "aliases": ", ".join(member.aliases), "what": summary})
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


def explain(
    name: Annotated[str, typer.Argument(help="A component, such as adam.", autocompletion=_complete_component)],
    how: DocumentOption = "table",
    plugin: PluginOption = None,
) -> None:
    """Explain a component: formula, fields, source, where implementations differ."""
    from nnexp.components.base import members, spellings

    check_format(how, ("table", "json"))
    _load(plugin)
    known = _families()
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
        typer.echo(json.dumps([_described(cls) for cls in found], indent=1, ensure_ascii=False))
        return
    for number, cls in enumerate(found):
        if number:
            typer.echo("")
        _explain(cls)


def _described(cls: type[Component]) -> dict[str, Any]:
    """Everything the class says of itself, as plain data."""
    from nnexp.components.base import Documentation

    doc = Documentation.of(cls)
    fields = [
        {"field": key, "default": _default(field), "bounds": _bounds(field), "description": field.description or ""}
        for key, field in cls.model_fields.items()
        if key != "name"
    ]
    described = {"family": cls.family, "name": cls.label(), "aliases": list(cls.aliases), **vars(doc)}
    return {**described, "fields": fields, "dialects": cls.dialects}


def _explain(cls: type[Component]) -> None:
    from nnexp.report.tables import Column, Grid, render

    d = _described(cls)
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
    for dialect, defaults in d["dialects"].items():
        _paragraph(f"Defaults with dialect {dialect}: " + ", ".join(f"{k} {v:g}" for k, v in defaults.items()))
    if d["source"]:
        _paragraph(f"Source: {d['source']}")
    if d["differs"]:
        _paragraph(f"Where implementations differ: {d['differs']}")
    fields = sorted(d["fields"], key=lambda f: f["default"] != "needed")[:2]
    given = {f["field"]: f["default"].replace("needed", "...") for f in fields if f["default"] != "null"}
    sample = ", ".join(f"{field}: {value}" for field, value in given.items())
    family = d["family"] if d["family"] != "preprocessing" else "dataset.preprocessing"
    short = [] if "..." in sample else [f"{family}: {d['name']}"]
    long = [f"{family}: {{name: {d['name']}, {sample}}}"] if sample else []
    if d["family"] != "metric":
        typer.echo("In YAML: " + "   or   ".join(short + long))


def _paragraph(text: str) -> None:
    import textwrap

    typer.echo(textwrap.fill(text, text_width(out()), break_on_hyphens=False, break_long_words=False) + "\n")


def _default(field: Any) -> str:
    if field.is_required():
        return "needed"
    value = field.default
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(getattr(v, "name", str(v)) for v in value) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bounds(field: Any) -> str:
    """What a field accepts, in a few signs."""
    return _accepted(field.annotation, field.metadata)


def _accepted(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    from typing import Annotated, Literal, get_args, get_origin

    from nnexp.components.base import Component

    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _accepted(arguments[0], [m for meta in arguments[1:] for m in getattr(meta, "metadata", [meta])])
    if type(None) in arguments:
        return _accepted(next(a for a in arguments if a is not type(None)), metadata)
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, arguments))
    if get_origin(annotation) is tuple:
        return "list of " + _accepted(arguments[0]).replace("number", "numbers")
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return annotation.family
    words = {bool: "true | false", int: "whole number", float: "number", str: "text"}
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [f"{signs[k]} {getattr(m, k):g}" for m in metadata for k in signs if getattr(m, k, None) is not None]
    return " ".join(filter(None, (words.get(annotation, ""), " and ".join(bounds))))


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
        from nnexp.sweep.expand import SweepSpec

        own = SweepSpec.model_json_schema()
        document["title"], document["description"] = own["title"], own["description"]
        document["properties"] |= own["properties"]
        document["$defs"] |= own.get("$defs", {})
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

    known = members(_families()["dataset"])
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

    ground = members(TrainingGround)[dataset]
    lines = ["# An nnexp experiment. Every key but `dataset` may be left out; the values below are the defaults.", ""]
    for key, field in ExperimentConfig.model_fields.items():
        if key == "name" or (ground.keys is not None and key not in ground.keys):
            continue
        about = f"{field.description}"
        annotation = field.annotation
        family = next((f for k, f in _families().items() if k == key), None)
        if isinstance(annotation, type) and issubclass(annotation, Component):
            family = annotation
        if family is not None:
            about += f"; one of {', '.join(members(family))}"
        lines += ["# " + line for line in textwrap.wrap(about, 96)]
        default = ground.precision if key == "precision" else field.default
        if key == "dataset":
            value: Any = dataset
            if dataset == "csv":
                value = {"name": "csv", "path": "data.csv", "target": "label"}
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
