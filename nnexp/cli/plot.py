"""`nnexp plot` and `nnexp reference`: pictures of components and of runs, and the pages that show them."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli import plot_levels
from nnexp.cli.console import check_format, name_damaged, runs_root, say
from nnexp.cli.options import RunsOption, RunWords
from nnexp.cli.vocabulary import PluginOption, complete_component, complete_family, known_family, load
from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from nnexp.components.base import Component

OutputOption = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the pictures go; it is made if need be.")
]
PictureOption = Annotated[str, typer.Option("--format", metavar="FORMAT", help="svg, png or pdf.")]

plot = typer.Typer(no_args_is_help=True, help="Draw pictures of components and of runs, as SVG, PNG or PDF.")
for name, (draw, example) in plot_levels.COMMANDS.items():
    plot.command(name, epilog=f"Example:  {example}")(draw)


@plot.command("components", epilog="Example:  nnexp plot components schedule cosine --format png")
def components(
    family: Annotated[
        str | None,
        typer.Argument(help="Only this family, such as activation.", autocompletion=complete_family),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(help="Only this member, such as relu.", autocompletion=complete_component)
    ] = None,
    output: OutputOption = Path("pictures"),
    how: PictureOption = "svg",
    plugin: PluginOption = None,
) -> None:
    """Draw each activation, schedule, initializer, data set and so on, one picture a component.

    The files are FAMILY-NAME.svg; their paths are printed. Components are drawn with their default fields.
    """
    from nnexp.report.pictures.components import picture
    from nnexp.report.pictures.style import FORMATS, need_matplotlib
    from nnexp.report.pictures.undrawable import Undrawable

    check_format(how, FORMATS)
    load(plugin)
    chosen = _chosen(family, name)
    need_matplotlib()
    folder = _folder(output)
    started, told = monotonic(), 0.0
    for number, cls in enumerate(chosen):
        elapsed = monotonic() - started
        if elapsed - told > 2:
            told = elapsed
            say(f"drawn {number} of {len(chosen)}")
        try:
            drawn = picture(cls, how)
        except Undrawable as why:
            if len(chosen) == 1:
                raise InputError(f"no picture of {cls.family} '{cls.label()}': {why}") from None
            say(f"no picture of {cls.family} '{cls.label()}': {why}")
            continue
        _write(folder / f"{cls.family}-{cls.label()}.{how}", drawn.content)


@plot.command("run", epilog="Example:  nnexp plot run @last --format png")
def run(
    words: RunWords = None,
    metric: Annotated[
        str | None, typer.Option(help="What the right half shows, such as accuracy. Nothing: the first metric.")
    ] = None,
    output: OutputOption = Path("pictures"),
    how: PictureOption = "svg",
    runs: RunsOption = None,
) -> None:
    """Draw the learning curves of runs: loss and metric over the epochs, training against validation.

    Without a name it is the last run. The file is run-ID.svg, or runs-ID-ID.svg for several.
    """
    from nnexp.report.pictures.runs import learning_curves
    from nnexp.report.pictures.style import FORMATS, need_matplotlib
    from nnexp.store.runs import Shelf

    check_format(how, FORMATS)
    shelf = Shelf(runs_root(runs))
    name_damaged(shelf.damaged)
    chosen = shelf.select(words or ["@last"])
    need_matplotlib()
    drawn = learning_curves(chosen, metric, how)
    kind = "run" if len(chosen) == 1 else "runs"
    _write(_folder(output) / f"{kind}-{'-'.join(one.id for one in chosen)}.{how}", drawn.content)


def _write(path: Path, content: bytes) -> None:
    """Write a picture and print its path. Raises InputError where that cannot be."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None
    typer.echo(path)


def _chosen(family: str | None, name: str | None) -> list[type[Component]]:
    """The components to draw. Raises InputError where a word names none, or the family has no pictures."""
    from nnexp.components.base import members, spellings
    from nnexp.report.pictures.components import ARTISTS
    from nnexp.report.vocabulary import families

    known = families()
    if family is None:
        return [cls for key, base in known.items() if key in ARTISTS for cls in members(base).values()]
    homes = [key for key, base in known.items() if family in spellings(base)]
    if name is None and homes and family not in known and family.removesuffix("s") not in known:
        raise InputError(f"'{family}' is a component; write: nnexp plot components {homes[0]} {family}")
    family = known_family(family)
    if family not in ARTISTS:
        raise InputError(f"there are no pictures of the family {family}; there are of {', '.join(sorted(ARTISTS))}")
    words = spellings(known[family])
    if name is None:
        return list(members(known[family]).values())
    if name not in words:
        guess = did_you_mean(name, words) or f"; one of: {', '.join(members(known[family]))}"
        raise InputError(f"no {family} '{name}'{guess}")
    return [members(known[family])[words[name]]]


def _folder(path: Path) -> Path:
    """The folder, made if need be. Raises InputError where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output: cannot make the folder {path}: {error.strerror}") from None
    return path


def reference(
    family: Annotated[
        str | None,
        typer.Argument(help="Only the page of this family, such as activation.", autocompletion=complete_family),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where the pages go; it is made if need be.")
    ] = Path("docs/reference"),
    plugin: PluginOption = None,
) -> None:
    """Write the reference: a page a family, with formulas, fields, sources and pictures.

    It ends with exit code 2, and writes nothing, where a component's docstring lacks its formula, source or example.
    """
    load(plugin)
    only = family and known_family(family)
    from nnexp.report.reference import build

    built = build(only)
    for path in built.write(_folder(output)):
        if path.suffix == ".md":
            typer.echo(path)
