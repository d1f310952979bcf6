"""Options and arguments that several commands share, and what the shell completes them with."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from nnexp.errors import InputError

# -- completion ------------------------------------------------------------------------------------


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids and names of runs, for the shell's completion."""
    from nnexp.store.runs import root_folder

    return _words_for_runs(root_folder(), incomplete)


def complete_sweep(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of sweeps, for the shell's completion."""
    from nnexp.store.runs import Shelf, root_folder

    return [sweep.name for sweep in Shelf(root_folder()).sweeps if sweep.name.startswith(incomplete)]


def complete_removed(ctx: typer.Context, incomplete: str) -> list[str]:
    """Ids and names of what is in the bin, for the shell's completion."""
    from nnexp.store.bin import bin_of
    from nnexp.store.runs import root_folder

    return _words_for_runs(bin_of(root_folder()), incomplete)


def _words_for_runs(root: Path, incomplete: str) -> list[str]:
    from nnexp.store.runs import Shelf

    shelf = Shelf(root)
    words = [word for run in reversed(shelf.runs) for word in (run.id, run.name)] + [s.name for s in shelf.sweeps]
    if incomplete.startswith("@"):
        with suppress(InputError):  # a damaged note: there is nothing to offer, and no place to say why
            words += [f"@{tag}" for run in shelf.runs for tag in run.tags]
    return [word for word in dict.fromkeys(("@last", "@best", *words)) if word.startswith(incomplete)]


def complete_override(ctx: typer.Context, incomplete: str) -> list[str]:
    """`key=` and `key=member` for the shell's completion."""
    from nnexp.components.base import families, members
    from nnexp.config.schema import ExperimentConfig

    words: dict[str, None] = {}
    for key, field in ExperimentConfig.model_fields.items():
        words[f"{key}="] = None
        family = families().get(key)
        for name, cls in members(family).items() if family else ():
            words[f"{key}={name}"] = None
            words |= {f"{key}.{inner}=": None for inner in cls.model_fields if inner != "name"}
        if family is None and hasattr(field.default, "model_dump"):
            words |= {f"{key}.{inner}=": None for inner in type(field.default).model_fields}
    key, typed = _behind_equals() or ("", incomplete)
    return [word.removeprefix(key) for word in words if word.startswith(key + typed)]


def _behind_equals() -> tuple[str, str] | None:
    """Where bash asks: `optimizer=` and what is typed behind it, for bash takes `=` as a word of its own."""
    position = os.environ.get("COMP_CWORD", "")
    words = os.environ.get("COMP_WORDS", "").split()[: int(position) + 1] if position.isdigit() else []
    if len(words) > 1 and words[-1] == "=":
        return words[-2] + "=", ""
    if len(words) > 2 and words[-2] == "=":
        return words[-3] + "=", words[-1]
    return None


def _score(word: str) -> float:
    """The score behind --reach. Raises InputError."""
    try:
        return float(word)
    except ValueError:
        raise InputError(f"--reach: '{word}' is no number; give the score to reach, such as 0.95") from None


# -- which runs ------------------------------------------------------------------------------------

RunsOption = Annotated[
    Path | None, typer.Option("--runs", metavar="FOLDER", help="Where runs are kept (NNEXP_RUNS, else runs/).")
]
RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="An id, folder or @last.", autocompletion=complete_run)]
RunWords = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[RUN]...",
        help="Ids or their first letters, names, sweeps, folders, @last, @last~2, @best, @tag. Nothing: the latest.",
        autocompletion=complete_run,
    ),
]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COND", help="Only runs with, say, 'dataset=digits and lr<0.1' or tag=good."),
]
SinceOption = Annotated[str | None, typer.Option("--since", metavar="TIME", help="'2 hours ago', 3d, 2026-11-01.")]

# -- how they are judged ---------------------------------------------------------------------------

ByOption = Annotated[
    list[str] | None,
    typer.Option("--by", metavar="KEY", help="The keys whose values are compared. Nothing: those that vary."),
]
MetricOption = Annotated[str | None, typer.Option("--metric", help="What to judge by, such as validation_loss.")]
BaselineOption = Annotated[
    str | None,
    typer.Option("--baseline", metavar="LEVEL", help="Compare with this level; the first one otherwise."),
]
MarginOption = Annotated[
    float | None,
    typer.Option("--margin", metavar="SIZE", help="The smallest difference that matters, for 'equivalent'."),
]
ConfoundedOption = Annotated[
    bool, typer.Option("--allow-confounded", help="Judge levels that differ in other keys, too.")
]
TestOption = Annotated[bool, typer.Option("--test", help="Show test scores, too; each look is counted.")]
SummaryOption = Annotated[
    str,
    typer.Option("--summary", metavar="WHAT", help="Judge each run by its last score, its best row, or its area."),
]
ReachOption = Annotated[
    float | None,
    typer.Option("--reach", metavar="VALUE", parser=_score, help="Judge how soon the metric is as good as this."),
]
AxisOption = Annotated[
    str | None,
    typer.Option("--x", metavar="AXIS", help="For area and --reach: epochs, updates, examples or seconds."),
]
MatchOption = Annotated[
    str | None, typer.Option("--match", metavar="WHAT", help="Fair pairs: at equal params, updates or seconds.")
]

# -- what is to be run -----------------------------------------------------------------------------

OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Values that differ.", autocompletion=complete_override),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", "-S", metavar="KEY=VALUE", help="The same as KEY=VALUE behind the file.")
]
JobsOption = Annotated[int | None, typer.Option("--jobs", "-j", min=1, help="Processes; all cores by default.")]
CostOption = Annotated[bool, typer.Option("--dry-run", help="Say how many runs and how long, and stop.")]
ManyOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before very many runs.")]

# -- how it is printed -----------------------------------------------------------------------------

FormatOption = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="table, markdown, latex, html, csv or json.")
]
DocumentOption = Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def keys_of(by: list[str] | None) -> list[str]:
    """The keys behind --by, which may be given several times, and several at once."""
    return [key.strip() for word in by or [] for key in word.split(",") if key.strip()]
