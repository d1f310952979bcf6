"""Where output goes: stdout is data, stderr is talk; live displays only where a person watches."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from nnexp.store.labels import Labels
    from nnexp.store.runs import Damaged, Run


EVERYTHING = "--format markdown"
"""Where a command has no --columns: the option that shows what a narrow terminal hides."""


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


def experiment_for(loaded: Any) -> Any:
    """The experiment of a loaded configuration, misfits reported at their lines."""
    from nnexp.engine.experiment import Unfit
    from nnexp.engine.surface import kind_of

    try:
        return kind_of(loaded.config)(loaded.config)
    except Unfit as unfit:
        raise loaded.refuse(unfit.misfits) from None
