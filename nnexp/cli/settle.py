"""What `nnexp sweep --until-settled` asks for and prints."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import out, say
from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.report.tables import Grid
    from nnexp.sweep.expand import Sweep
    from nnexp.sweep.plan import Plan
    from nnexp.sweep.settle import Comparison, Settled

BUDGET = 50
UntilOption = Annotated[
    bool, typer.Option("--until-settled", help="Add seeds where they are needed, until each verdict is settled.")
]
BudgetOption = Annotated[
    int | None,
    typer.Option("--max-seeds", min=6, max=200, help=f"The most, with --until-settled; {BUDGET} by default."),
]
MarginOption = Annotated[
    float | None, typer.Option(help="With --until-settled: levels that differ by less are called equivalent.")
]
BaselineOption = Annotated[
    str | None, typer.Option(metavar="LEVEL", help="With --until-settled: what the others are compared to; the first.")
]


def settling(described: Sweep, until: bool, budget: int | None, margin: float | None, baseline: str | None) -> Sweep:
    """The sweep as the options want it. Raises InputError for those that do not go together."""
    if not until:
        given = {"--max-seeds": budget, "--margin": margin, "--baseline": baseline}
        for option, value in given.items():
            if value is not None:
                raise InputError(f"{option} belongs to --until-settled")
        return described
    if margin is not None and not (margin > 0 and math.isfinite(margin)):
        raise InputError(f"--margin: must be a number > 0, in the units of the metric, found {margin:g}")
    from nnexp.sweep.settle import until_settled

    return until_settled(described, BUDGET if budget is None else budget, margin, baseline)


def tell_settled(settled: Settled, plan: Plan, how: str, quiet: bool) -> None:
    """The verdicts: into the sweep's folder, and for people."""
    from nnexp.report.tables import render
    from nnexp.sweep.settle import write_record

    warning = write_record(settled, plan)
    if quiet:
        return
    if how in ("table", "markdown"):
        render(table(settled), how, out())
        out().print()
    else:
        for one in settled.comparisons:
            say(f"{one.level}: {_word(one)} after {one.verdict.n} pairs")
    if warning:
        say(f"warning: {warning}")


def table(settled: Settled) -> Grid:
    """A row a comparison, and sentences on what it rests on."""
    from nnexp.report.numbers import number, score
    from nnexp.report.tables import Column, Grid

    def signed(value: Any) -> str:
        return "" if value is None else ("+" if value > 0 else "") + score(value)

    columns = [
        Column("level", "level"),
        Column("verdict", "verdict"),
        Column("mean", "difference", signed, True),
        Column("std", "std", score, True),
        Column("pairs", "seeds", number, True),
        Column("settled_at", "settled at", number, True),
    ]
    rows = []
    for one in settled.comparisons:
        v = one.verdict
        row = {"level": str(one.level), "verdict": _word(one), "mean": v.mean, "std": v.std, "pairs": v.n}
        rows.append(row | {"settled_at": v.at})
    direction = "higher" if settled.higher else "lower"
    title = f"{settled.metric} against {settled.baseline}, paired by seed; {direction} is better"
    return Grid(columns, rows, title=title, notes=sentences(settled), meta={"kind": "settled"})


def _word(one: Comparison) -> str:
    return one.verdict.word if one.verdict.settled else "inconclusive"


def sentences(settled: Settled) -> list[str]:
    """By which rule, with what it saved; what is open, and why."""
    budget, count = settled.rule.budget, len(settled.comparisons)
    used = settled.seeds + sum(one.verdict.n + one.lost for one in settled.comparisons)
    told = [
        f"at most 5 % of such sweeps say anything wrong, however often one looks: sign-flip tests of the paired "
        f"differences, their error rate spent evenly over {budget} seeds"
        + (f" and shared by {count} comparisons" if count > 1 else ""),
        f"{used} runs of {(count + 1) * budget} that the budget allows",
    ]
    told.append(
        "a mean that was stopped when it was clear is somewhat too large; intervals and p values that suppose a number "
        "of seeds fixed in advance do not hold for these runs"
    )
    lost = [one for one in settled.comparisons if one.lost]
    if lost:
        listed = ", ".join(f"{one.level} ({one.lost})" for one in lost)
        told.append(
            f"no score in some runs of the pair, so a mean says nothing and no seeds were added: {listed}; "
            "nnexp compare counts them"
        )
    still = [one for one in settled.comparisons if one.goes_on]
    if still:
        which = ", ".join(str(one.level) for one in still)
        hint = "" if settled.rule.margin is not None else "; with --margin they may turn out to be equivalent"
        told.append(f"the budget of {budget} seeds is spent and not enough for {which}{hint}")
    return told
