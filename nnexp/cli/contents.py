"""The commands of the program: in which group each stands, what it says of itself, and where it is."""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.main import get_group


class Entry(NamedTuple):
    """A line of the program's help."""

    place: str
    """Where the function or the group is: module:name in nnexp.cli."""
    says: str
    """The first sentence of its docstring, here so that the help is printed without loading every command."""
    example: str


GROUPS: dict[str, dict[str, Entry]] = {
    "Experiments": {
        "train": Entry(
            "train:train",
            "Train one configuration and log every epoch.",
            "nnexp train configs/digits.yaml optimizer.lr=0.01",
        ),
        "sweep": Entry(
            "sweep:sweep",
            "Train every combination with every seed; skip what is finished; compare.",
            "nnexp sweep configs/digits.yaml optimizer=sgd,adam --seeds 5",
        ),
        "claims": Entry(
            "claims:claims",
            "Run every sweep that states a claim, judge the claims, and print one table.",
            "nnexp claims configs/claims",
        ),
        "stop": Entry(
            "stop:stop",
            "End a running sweep as Ctrl-C does: its runs write a checkpoint, and the same command goes on.",
            "nnexp stop digits",
        ),
        "check": Entry(
            "check:check",
            "Validate without training; show the filled configuration and the network.",
            "nnexp check configs/digits.yaml",
        ),
        "init": Entry("vocabulary:init", "Write a commented configuration to start from.", "nnexp init my.yaml"),
    },
    "Results": {
        "compare": Entry(
            "compare:compare",
            "Show past runs side by side: what differs, what came out, what is better, and whether that is known.",
            "nnexp compare --by optimizer",
        ),
        "report": Entry(
            "report:report",
            "Write a report on runs: the answer in words, pictures, tables that sort, and how to repeat it.",
            "nnexp report optimizers --by optimizer",
        ),
        "show": Entry(
            "compare:show", "Show one run: configuration, curves, final metrics, versions.", "nnexp show @last"
        ),
        "diff": Entry(
            "again:diff",
            "Show in what two runs differ: configuration, outcome, versions, machine; and their scores.",
            "nnexp diff @last~1 @last",
        ),
        "variance": Entry(
            "variance:variance",
            "Cross the random streams (split, init, shuffle, dropout, ...) and print each one's share of the variance.",
            "nnexp variance configs/digits.yaml",
        ),
        "calibrate": Entry(
            "calibrate:calibrate",
            "Compare a configuration with itself: how often the verdict is wrong, and what it can tell.",
            "nnexp calibrate configs/digits.yaml",
        ),
        "reproduce": Entry(
            "again:reproduce",
            "Train a run again in a temporary folder and say whether the bytes are the same.",
            "nnexp reproduce @last",
        ),
        "export": Entry(
            "export:export",
            "Write runs that have ended into MLflow or TensorBoard.",
            "nnexp export @last --to tensorboard --out tensorboard",
        ),
    },
    "Understanding": {
        "list": Entry("vocabulary:list_components", "List what a configuration can name.", "nnexp list optimizer"),
        "explain": Entry(
            "vocabulary:explain",
            "Explain a component: formula, fields, source, where implementations differ.",
            "nnexp explain adam",
        ),
        "plot": Entry(
            "plot:plot",
            "Draw pictures of components and of runs, as SVG, PNG or PDF.",
            "nnexp plot components activation",
        ),
    },
    "Housekeeping": {
        "runs": Entry(
            "runs:runs",
            "List past runs: size, age, tags, status; export and import them.",
            "nnexp runs --since '2 hours ago'",
        ),
        "tag": Entry(
            "keep:tag", "Give runs a tag, to select them by @TAG and --where tag=TAG.", "nnexp tag @last good"
        ),
        "note": Entry(
            "keep:note",
            "Write a note to a run, or print the one it has.",
            "nnexp note @last 'the first without dropout'",
        ),
        "rm": Entry("keep:rm", "Move runs to the bin; `nnexp restore` brings them back.", "nnexp rm @last"),
        "restore": Entry("keep:restore", "Bring runs back from the bin.", "nnexp restore 3f2a91"),
        "schema": Entry(
            "vocabulary:schema", "Print the JSON Schema of configurations, for editors.", "nnexp schema > schema.json"
        ),
        "reference": Entry(
            "plot:reference",
            "Write the reference: a page a family, with formulas, fields, sources and pictures.",
            "nnexp reference --output docs/reference",
        ),
    },
}


def load(name: str) -> Any:
    """The command of this name, with its options."""
    [(group, entry)] = [(group, entries[name]) for group, entries in GROUPS.items() if name in entries]
    module, _, attribute = entry.place.partition(":")
    function = getattr(import_module(f"nnexp.cli.{module}"), attribute)
    holder = typer.Typer(rich_markup_mode="rich", add_completion=False)
    shown: dict[str, Any] = {"rich_help_panel": group, "epilog": f"Example:  {entry.example}"}
    if isinstance(function, typer.Typer):
        holder.add_typer(function, name=name, **shown)
    else:
        holder.command(name, **shown)(function)
    return get_group(holder).commands[name]
