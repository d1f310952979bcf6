"""The program `nnexp`: its commands in groups, and what happens to errors."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nnexp import __version__
from nnexp.cli.contents import GROUPS, load
from nnexp.errors import InputError

EXIT_CODES = (
    "Exit codes: 0 done; 1 a run failed or diverged; 2 wrong input; 3 a sweep finished with failed or diverged runs; "
    "4 a reproduced run is not the same; 130 Ctrl-C, 143 SIGTERM (a checkpoint was written)."
)


class _Contents(TyperGroup):
    """A group that loads a command when it is called: the others are known to it by name and first sentence."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in self.commands:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_Contents,
    name="nnexp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)


def _promise() -> None:
    """Stands for a command that is not loaded."""


for group, entries in GROUPS.items():
    for name, entry in entries.items():
        short = f"{entry.says}\n[dim]{entry.example}[/dim]"
        app.command(name, rich_help_panel=group, short_help=short)(_promise)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"nnexp {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Controlled, quick experiments on how neural networks train, from YAML files."""


def main() -> None:
    """Run the command line; turn errors into a message and an exit code."""
    debug = bool(os.environ.get("NNEXP_DEBUG"))
    try:
        app()
    except InputError as error:
        if debug:
            raise
        print(error, file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # the reader of the pipe had enough: no failure of ours
            sys.exit(0)
        raise
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:  # a full disk, a folder that went away
        if debug:
            raise
        print(f"nnexp failed: {error}", file=sys.stderr)
        sys.exit(1)
    except MemoryError as error:
        if debug:
            raise
        print(f"nnexp failed: out of memory ({error}); a smaller network or batch needs less", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        print(f"nnexp failed: {type(error).__name__}: {error}", file=sys.stderr)
        print("This is a mistake in nnexp, not in your input; NNEXP_DEBUG=1 shows where.", file=sys.stderr)
        sys.exit(1)
