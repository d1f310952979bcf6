"""`nnexp plot curves`, `strips`, `sensitivity`, ...: pictures of many runs, in a file or in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli.compare import select
from nnexp.cli.console import out, runs_root
from nnexp.cli.options import ByOption, RunsOption, RunWords, WhereOption, keys_of
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.report.grouping import Levels
    from nnexp.report.pictures.comparison import Comparison
    from nnexp.report.tasks import Tasks
    from nnexp.store.runs import Run

DrawnOption = Annotated[str | None, typer.Option(help="What is drawn, such as validation_loss.")]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="Write a .svg, .png or .pdf. Nothing: draw in the terminal, in letters."
    ),
]
TextOption = Annotated[bool, typer.Option("--text", help="Draw in the terminal beside writing --out, too.")]


def curves(
    words: RunWords = None,
    by: ByOption = None,
    where: WhereOption = None,
    metric: DrawnOption = None,
    over: Annotated[str, typer.Option("--x", metavar="AXIS", help="epochs, updates, examples or seconds.")] = "epochs",
    target: OutOption = None,
    text: TextOption = False,
    runs: RunsOption = None,
) -> None:
    """Learning curves: means over seeds with their 95 % bands, a line a level.

    A mean goes as far as every seed does; longer, diverged and unfinished runs are drawn thin, by themselves.
    """
    _check(target)
    from nnexp.report.axes import axis_of
    from nnexp.report.pictures.learning import Curves

    axis_of(over)
    _show(Curves(_levels(words, by, where, runs), metric, over), target, text)


def _strips(levels: Levels, metric: str | None) -> Comparison:
    """Final values: every seed a dot, a row a level, with the mean and its 95 % interval."""
    from nnexp.report.pictures.strips import Strips

    return Strips(levels, metric)


def _grid(levels: Levels, metric: str | None) -> Comparison:
    """A heat map of two keys: the mean over seeds for each pair of values, shaded and written out."""
    from nnexp.report.pictures.heat import Heat

    return Heat(levels, metric)


def _of_levels(picture: Callable[[Levels, str | None], Comparison]) -> Callable[..., None]:
    """The command that draws this picture of levels and a metric; its help is the picture's."""

    def draw(
        words: RunWords = None,
        by: ByOption = None,
        where: WhereOption = None,
        metric: DrawnOption = None,
        target: OutOption = None,
        text: TextOption = False,
        runs: RunsOption = None,
    ) -> None:
        _check(target)
        _show(picture(_levels(words, by, where, runs), metric), target, text)

    draw.__doc__ = picture.__doc__
    return draw


def _ranks(levels: Levels, tasks: Tasks) -> Comparison:
    """A critical-difference diagram: mean ranks over data sets; a bar joins levels that are not told apart."""
    from nnexp.report.pictures.ranks import Ranks

    return Ranks(levels, tasks)


def _profiles(levels: Levels, tasks: Tasks) -> Comparison:
    """Performance profiles over five data sets or more: the share of runs above a score, with 95 % bands."""
    from nnexp.report.pictures.profiles import Profiles

    return Profiles(levels, tasks)


def _of_tasks(picture: Callable[[Levels, Tasks], Comparison]) -> Callable[..., None]:
    """The command that draws this picture of levels on several tasks; its help is the picture's."""

    def draw(
        words: RunWords = None,
        across: Annotated[
            str, typer.Option("--across", metavar="KEY", help="The key whose values are the tasks.")
        ] = "dataset",
        by: ByOption = None,
        where: WhereOption = None,
        metric: DrawnOption = None,
        target: OutOption = None,
        text: TextOption = False,
        runs: RunsOption = None,
    ) -> None:
        _check(target)
        from nnexp.report.grouping import levels_of
        from nnexp.report.tasks import key_of, tasks_in

        chosen = _chosen(words, where, runs)
        key = key_of(chosen, across)
        levels = levels_of(chosen, keys_of(by), [key])
        _show(picture(levels, tasks_in(levels, key, metric)), target, text)

    draw.__doc__ = picture.__doc__
    return draw


def sensitivity(
    words: RunWords = None,
    over: Annotated[
        str | None, typer.Option("--over", metavar="KEY", help="The hyperparameter. Nothing: the one that varies.")
    ] = None,
    by: ByOption = None,
    where: WhereOption = None,
    metric: DrawnOption = None,
    within: Annotated[
        float | None,
        typer.Option(metavar="SIZE", help="How much worse than the best is usable. Nothing: its seeds' std."),
    ] = None,
    target: OutOption = None,
    text: TextOption = False,
    runs: RunsOption = None,
) -> None:
    """A final metric over a hyperparameter, such as the learning rate: means with 95 % bands, a line a level.

    With each level's usable range: where the mean is at most --within worse than its best, and how wide that is.
    """
    _check(target)
    from nnexp.report.grouping import levels_of
    from nnexp.report.pictures.sensitivity import Sensitivity, over_key

    chosen = _chosen(words, where, runs)
    key = over_key(chosen, over)
    _show(Sensitivity(levels_of(chosen, keys_of(by), [key]), key, metric, within), target, text)


def _check(target: Path | None) -> None:
    """Raises InputError for a file that cannot be written, before anything is read."""
    if target is None:
        return
    from nnexp.report.pictures.style import FORMATS, need_matplotlib

    if target.suffix.removeprefix(".") not in FORMATS:
        raise InputError(f"--out: '{target}' ends in none of {', '.join(f'.{how}' for how in FORMATS)}")
    if not target.parent.is_dir():
        raise InputError(f"--out: there is no folder {target.parent}")
    need_matplotlib()


def _chosen(words: list[str] | None, where: list[str] | None, runs: Path | None) -> list[Run]:
    """The runs that the words and conditions of a command mean. Raises InputError where there are none."""
    from nnexp.report.choose import matching

    chosen = matching(select(words, where, runs_root(runs)), where or ())
    if not chosen:
        raise InputError("no runs are left to draw" + (f" where {' and '.join(where)}" if where else ""))
    return chosen


def _levels(words: list[str] | None, by: list[str] | None, where: list[str] | None, runs: Path | None) -> Levels:
    """The levels of what `_chosen` finds."""
    from nnexp.report.grouping import levels_of

    return levels_of(_chosen(words, where, runs), keys_of(by))


def _show(drawn: Comparison, target: Path | None, text: bool) -> None:
    """Write the picture to its file, and print it in letters where there is none or both are wanted."""
    if target is None or text:
        from nnexp.report.pictures.terminal import Page

        console = out()
        drawn.page(Page.on(console)).print(console)
    if target is not None:
        content = drawn.picture(target.suffix.removeprefix(".")).content
        try:
            target.write_bytes(content)
        except OSError as error:
            raise InputError(f"cannot write {target}: {error.strerror}") from None
        typer.echo(target)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {
    "curves": (curves, "nnexp plot curves optimizers --by optimizer --out curves.svg"),
    "strips": (_of_levels(_strips), "nnexp plot strips optimizers --by optimizer --metric loss"),
    "sensitivity": (sensitivity, "nnexp plot sensitivity optimizers --over lr --by optimizer"),
    "grid": (_of_levels(_grid), "nnexp plot grid optimizers --by optimizer,lr"),
    "ranks": (_of_tasks(_ranks), "nnexp plot ranks several --by optimizer --out ranks.svg"),
    "profiles": (_of_tasks(_profiles), "nnexp plot profiles several --by optimizer"),
}
