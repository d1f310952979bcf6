"""The program `nnexp`: its commands in groups, and what happens to errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from nnexp import __version__
from nnexp.cli.again import diff, reproduce
from nnexp.cli.check import check
from nnexp.cli.compare import compare, show
from nnexp.cli.export import export
from nnexp.cli.keep import note, restore, rm, tag
from nnexp.cli.plot import plot, reference
from nnexp.cli.runs import runs
from nnexp.cli.stop import stop
from nnexp.cli.sweep import sweep
from nnexp.cli.train import train
from nnexp.cli.variance import variance
from nnexp.cli.vocabulary import explain, init, list_components, schema
from nnexp.errors import InputError

EXIT_CODES = (
    "Exit codes: 0 done; 1 a run failed or diverged; 2 wrong input; 3 a sweep finished with failed or diverged runs; "
    "4 a reproduced run is not the same; 130 Ctrl-C, 143 SIGTERM (a checkpoint was written)."
)

app = typer.Typer(
    name="nnexp",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=EXIT_CODES,
)

GROUPS: dict[str, dict[str, tuple[Callable[..., Any] | typer.Typer, str]]] = {
    "Experiments": {
        "train": (train, "nnexp train configs/digits.yaml optimizer.lr=0.01"),
        "sweep": (sweep, "nnexp sweep configs/digits.yaml optimizer=sgd,adam --seeds 5"),
        "stop": (stop, "nnexp stop digits"),
        "check": (check, "nnexp check configs/digits.yaml"),
        "init": (init, "nnexp init my.yaml"),
    },
    "Results": {
        "compare": (compare, "nnexp compare --by optimizer"),
        "show": (show, "nnexp show @last"),
        "diff": (diff, "nnexp diff @last~1 @last"),
        "variance": (variance, "nnexp variance configs/digits.yaml"),
        "reproduce": (reproduce, "nnexp reproduce @last"),
        "export": (export, "nnexp export @last --to tensorboard --out tensorboard"),
    },
    "Understanding": {
        "list": (list_components, "nnexp list optimizer"),
        "explain": (explain, "nnexp explain adam"),
        "plot": (plot, "nnexp plot components activation"),
    },
    "Housekeeping": {
        "runs": (runs, "nnexp runs --since '2 hours ago'"),
        "tag": (tag, "nnexp tag @last good"),
        "note": (note, "nnexp note @last 'the first without dropout'"),
        "rm": (rm, "nnexp rm @last"),
        "restore": (restore, "nnexp restore 3f2a91"),
        "schema": (schema, "nnexp schema > schema.json"),
        "reference": (reference, "nnexp reference --output docs/reference"),
    },
}
for group, commands in GROUPS.items():
    for name, (function, example) in commands.items():
        said = function.info.help if isinstance(function, typer.Typer) else function.__doc__
        shown: dict[str, Any] = {
            "rich_help_panel": group,
            "short_help": f"{(said or '').split(chr(10))[0]}\n[dim]{example}[/dim]",
            "epilog": f"Example:  {example}",
        }
        if isinstance(function, typer.Typer):
            app.add_typer(function, name=name, **shown)
        else:
            app.command(name, **shown)(function)


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
