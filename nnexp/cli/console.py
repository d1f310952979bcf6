"""Where output goes: stdout is data, stderr is talk; live displays only where a person watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from nnexp.store.labels import Labels
    from nnexp.store.runs import Damaged, Run

RunsOption = Annotated[
    Path | None, typer.Option("--runs", metavar="FOLDER", help="Where runs are kept (NNEXP_RUNS, else runs/).")
]
FormatOption = Annotated[
    str, typer.Option("--format", metavar="FORMAT", help="table, markdown, latex, html, csv or json.")
]
DocumentOption = Annotated[str, typer.Option("--format", metavar="FORMAT", help="table or json.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", "-S", metavar="KEY=VALUE", help="The same as KEY=VALUE behind the file.")
]


def out() -> Console:
    """stdout, for data."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=not sys.stdout.isatty())


def err() -> Console:
    """stderr, for progress, warnings and messages."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def text_width(console: Console) -> int:
    """How wide running text may be: the terminal's width, 100 at most."""
    return min(console.width, 100) if console.is_terminal else 100


def watched(console: Console) -> bool:
    """Whether a person watches this console, so that a live display makes sense."""
    return console.is_terminal and not console.is_dumb_terminal and not os.environ.get("CI")


def say(text: str) -> None:
    """A line of talk; a run does not end because nobody listens any more."""
    with suppress(BrokenPipeError):
        print(text, file=sys.stderr)


def runs_root(option: Path | None) -> Path:
    """The folder of the runs: the option, NNEXP_RUNS, or runs/."""
    from nnexp.store.runs import root_folder

    return option if option is not None else root_folder()


def not_override(config: Path, command: str) -> None:
    """Raises InputError where an override stands in the place of the configuration."""
    if "=" in str(config) and not config.exists():
        raise InputError(f"'{config}' is an override; the configuration comes first: nnexp {command} FILE {config}")


def check_format(how: str, allowed: Sequence[str]) -> str:
    """Raises InputError for a format that a command does not have."""
    if how not in allowed:
        raise InputError(f"--format: '{how}' is not one of {', '.join(allowed)}{did_you_mean(how, allowed)}")
    return how


def name_damaged(damaged: Sequence[Damaged], most: int = 5) -> None:
    """Say which folders were left out, and why; beyond `most`, how many more."""
    shown = damaged if len(damaged) <= most + 1 else damaged[:most]
    for one in shown:
        say(f"left out {one.path}: {one.why}")
    if len(shown) < len(damaged):
        say(f"left out {len(damaged) - len(shown)} more folders that cannot be read")


def counted(count: int, what: str) -> str:
    """A number of things: `1 run`, `2 runs`."""
    return f"{count:,} {what}{'s' if count != 1 else ''}"


def labels_of(run: Run) -> Labels:
    """A run's tags and note; where their file is damaged that is said, and there are none."""
    from nnexp.store.labels import Labels

    try:
        return run.labels
    except InputError as error:
        say(str(error))
        return Labels()


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


OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Values that differ.", autocompletion=complete_override),
]


def _behind_equals() -> tuple[str, str] | None:
    """Where bash asks: `optimizer=` and what is typed behind it, for bash takes `=` as a word of its own."""
    position = os.environ.get("COMP_CWORD", "")
    words = os.environ.get("COMP_WORDS", "").split()[: int(position) + 1] if position.isdigit() else []
    if len(words) > 1 and words[-1] == "=":
        return words[-2] + "=", ""
    if len(words) > 2 and words[-2] == "=":
        return words[-3] + "=", words[-1]
    return None


def experiment_for(loaded: Any) -> Any:
    """The experiment of a loaded configuration, misfits reported at their lines."""
    from nnexp.engine.experiment import Unfit
    from nnexp.engine.surface import kind_of

    try:
        return kind_of(loaded.config)(loaded.config)
    except Unfit as unfit:
        raise loaded.refuse(unfit.misfits) from None
