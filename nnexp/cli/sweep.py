"""`nnexp sweep`: many runs from one description, in parallel, and their comparison."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnexp.cli.console import EVERYTHING, check_format, name_damaged, not_override, out, runs_root, say
from nnexp.cli.options import FormatOption, JobsOption, QuietOption, RunsOption, SetOption, complete_override
from nnexp.cli.planning import confirm, show_plan, workers_for
from nnexp.cli.settle import BaselineOption, BudgetOption, MarginOption, UntilOption, settling, tell_settled
from nnexp.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from nnexp.report.tuning import Findings
    from nnexp.store.runs import Run, Shelf
    from nnexp.sweep.cluster import Cluster
    from nnexp.sweep.course import Course
    from nnexp.sweep.expand import Sweep
    from nnexp.sweep.identity import Identity
    from nnexp.sweep.plan import Plan


def sweep(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Argument(help="A sweep's YAML file, or one experiment's; with --status also a sweep's name.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUES]...",
            help="optimizer=sgd,adam  lr=logspace(1e-4,1,5)  'zip(a=1,2 b=x,y)'",
            autocompletion=complete_override,
        ),
    ] = None,
    settings: SetOption = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Seeds 0 to N - 1 for each combination.")] = None,
    search: Annotated[str | None, typer.Option(help="Try points of ranges: random, sobol, halving or tpe.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="Points that a search tries.")] = None,
    tune: Annotated[
        int | None, typer.Option(min=1, metavar="BUDGET", help="Tune the ranges in every level first, so many trials.")
    ] = None,
    jobs: JobsOption = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="tcp://HOST:PORT", help="Run on this Dask cluster; 'local' starts one.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the runs and stop.")] = False,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first run that fails.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="K/N", help="Run only this fixed part, as 2/5: one machine's share.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="What the comparison, and a search, judges by.")] = None,
    new: Annotated[bool, typer.Option("--new", help="The file has changed: begin another sweep.")] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="The file has more seeds or levels: add them to the sweep that is there.")
    ] = False,
    status: Annotated[bool, typer.Option("--status", help="Show how sweeps stand, also while they run.")] = False,
    json: Annotated[bool, typer.Option("--json", help="A line of JSON on stdout for all that happens.")] = False,
    until_settled: UntilOption = False,
    max_seeds: BudgetOption = None,
    margin: MarginOption = None,
    baseline: BaselineOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a very large sweep.")] = False,
    quiet: QuietOption = False,
    how: FormatOption = "table",
    runs: RunsOption = None,
) -> None:
    """Train every combination with every seed; skip what is finished; compare.

    Exit code 0: all finished. 2: wrong input, nothing was run. 3: some runs failed or diverged, or the disk is full.
    130: interrupted; the same command goes on.
    """
    given_options = {name for name in context.params if _is_given(context, name)}
    if status:
        from nnexp.cli.status import show_status

        _only(given_options, "--status", {"status", "config", "how", "runs"}, "only shows how sweeps stand")
        show_status(config, how, runs_root(runs))
        return
    if config is None:
        raise InputError(
            "which configuration? nnexp sweep FILE [KEY=VALUES]...; how sweeps stand: nnexp sweep --status"
        )
    not_override(config, "sweep")
    if new and extend:
        raise InputError("--new begins another sweep and --extend adds to the one that is there; give one of them")
    if json:
        _without(given_options, "--json", {"how": "--format", "quiet": "--quiet", "dry_run": "--dry-run"})
    if cluster is not None:
        from nnexp.sweep.cluster import check_address

        check_address(cluster)
    workers = workers_for(jobs, cluster is None and not dry_run and config.is_file())
    from nnexp.report.tables import FORMATS

    check_format(how, FORMATS)
    check_metric(metric)
    from nnexp.cli.display import JSON_LINES, display_for
    from nnexp.cli.underway import UnderWay, room
    from nnexp.cli.verdicts import concluded, stated
    from nnexp.store.runs import Shelf
    from nnexp.sweep.course import Course
    from nnexp.sweep.description import read_sweep
    from nnexp.sweep.identity import Given, identify
    from nnexp.sweep.jobs import Orders
    from nnexp.sweep.plan import make_plan
    from nnexp.sweep.shard import Shard

    part = None if shard is None else Shard.parse(shard)
    words = [*(overrides or []), *(settings or [])]
    options = {"search": search, "trials": trials, "tune": tune, "metric": metric}
    described = read_sweep(config, words, seeds, options, lambda count, first: confirm(count, first, workers, yes))
    described = settling(described, until_settled, max_seeds, margin, baseline)
    settled_by = {"max_seeds": max_seeds, "margin": margin, "baseline": baseline}
    given = Given.of(config, words, {"seeds": seeds, **options, "until_settled": until_settled or None, **settled_by})
    if part is not None and described.by_results:
        raise InputError(
            f"--shard: {described.by_results} chooses its runs by what came out before, so they cannot be divided "
            "among machines in advance; leave --shard out, or search with random or sobol"
        )
    root = runs_root(runs)
    if dry_run:
        shelf = _shelf(root)
        course = Course(described, shelf, partial(make_plan, far=cluster is not None))
        identity = identify(course, shelf, given, new, extend)
        for line in identity.told:
            say(line)
        if described.claim is not None:
            from nnexp.sweep.claims import state

            say(f"a claim: {state(course, identity, shelf).digest[:12]} is the hash of its plan")
        with _connected(cluster if cluster != "local" else None, jobs, workers) as machines:
            workers = workers if machines is None else machines.slots
        show_plan(course, shelf, part, workers, how)
        return
    display = display_for(quiet, json)
    known = partial(identify, given=given, new=new, extend=extend)
    with (
        _connected(cluster, jobs, workers) as machines,
        planned(described, root, known, far=cluster is not None) as (course, data, identity),
    ):
        if identity.told:
            raise InputError("\n".join([*identity.told, "nothing was run"]))
        metric = None if described.metric is None else course.metric
        orders = Orders(root, workers, described.limits, fail_fast, data, cluster=machines)
        statement = None if described.claim is None else stated(course, identity, Shelf(root))
        display.event("start", format=JSON_LINES, sweep=described.name, root=root, command=sys.argv[1:])
        with UnderWay(given, identity, display) as under_way, room():
            plan, shelf, stopped = under_way.go(course, orders, part)
    interrupted = under_way.interrupted
    if interrupted is None and not stopped and course.findings is not None and plan.told(shelf):
        course.write_findings(plan)
        display.event("findings", **course.findings.plain())
        if not json:
            _tell_findings(course.findings, described.tune is not None, how, quiet)
    if interrupted is None and not stopped and course.settled is not None and not json:
        tell_settled(course.settled, plan, how, quiet)
    claim = None
    over = interrupted is None and not stopped
    if described.claim is not None and statement is not None and over and plan.told(shelf):
        claim = concluded(described.claim, plan, shelf, statement)
        display.event("claim", **claim.plain())
    found = next((s for s in shelf.sweeps if s.path == plan.folder), None)
    members = [] if found is None else shelf.runs_of(found)
    if members and not quiet and not json:
        from nnexp.cli.compare import show_comparison

        show_comparison(members, [], metric, None, None, None, False, "auto", how, claim=claim)
        if claim is not None and how == "csv":
            for line in claim.sentences:
                say(line)
    code = _end(plan, course, shelf, members, interrupted, stopped, quiet or json)
    if under_way.tally is not None:
        best, states = under_way.tally.best, under_way.tally.counts
        told = {"status": _outcome(interrupted, stopped), "exit_code": code, "sweep": plan.folder.name}
        compare = f"nnexp compare {plan.folder.name}"
        display.event("end", **told, states=states, best=None if best is None else vars(best), compare=compare)
    if code:
        raise typer.Exit(code)


def _is_given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _flag(name: str) -> str:
    return {"how": "--format", "settings": "--set", "overrides": "KEY=VALUE"}.get(name, f"--{name.replace('_', '-')}")


def _only(given: set[str], option: str, allowed: set[str], why: str) -> None:
    """Raises InputError where an option stands beside one that it means nothing to."""
    for name in sorted(given - allowed):
        raise InputError(f"{option} {why}; leave {_flag(name)} out")


def _without(given: set[str], option: str, others: Mapping[str, str]) -> None:
    """Raises InputError where an option stands beside one that says otherwise where output goes."""
    for name, flag in others.items():
        if name in given:
            instead = "; for the plan: --dry-run --format json" if name == "dry_run" else ""
            raise InputError(
                f"{option} prints a line for all that happens, and nothing else; leave {flag} out{instead}"
            )


def _outcome(interrupted: int | None, stopped: bool) -> str:
    return "interrupted" if interrupted is not None else "stopped" if stopped else "finished"


def _shelf(root: Path) -> Shelf:
    from nnexp.store.runs import Shelf

    shelf = Shelf(root)
    name_damaged(shelf.damaged)
    return shelf


@contextmanager
def _connected(address: str | None, jobs: int | None, workers: int) -> Iterator[Cluster | None]:
    """The cluster at an address while this context is open; None where there is none to be."""
    if address is None:
        yield None
        return
    from nnexp.sweep.cluster import Cluster

    with Cluster(address, jobs, say, started=workers) as machines:
        yield machines


@contextmanager
def planned(
    described: Sweep, root: Path, identify: Callable[[Course, Shelf], Identity], far: bool = False
) -> Iterator[tuple[Course, Path | None, Identity]]:
    """The sweep's course, the folder of the data that its processes share, and which sweep it is; `far`: on a cluster.

    All hold while this context is open. A sweep that ends while this one is planned has its runs in the shelf, or
    tells of them in its locks; so the shelf is read with the locks open. Only where there are no runs yet that waits
    until the plan is known to be valid.
    """
    from nnexp.store.locks import Locks
    from nnexp.sweep.course import Course
    from nnexp.sweep.plan import make_plan
    from nnexp.sweep.stock import Stock, shared_folder

    with ExitStack() as stack:
        data = stack.enter_context(shared_folder())
        planner = partial(make_plan, stock=Stock(data), far=far)
        known = root.is_dir()
        if known:
            stack.enter_context(Locks(root).sweep())
        shelf = _shelf(root)
        course = Course(described, shelf, planner)
        identity = identify(course, shelf)
        if not known:
            stack.enter_context(Locks(root).sweep())
            if (shelf := _shelf(root)).runs:  # another sweep was quicker
                course = Course(described, shelf, planner)
                identity = identify(course, shelf)
        yield course, data, identity


def check_metric(word: str | None) -> None:
    """Raises InputError, before anything is run, for what is no metric's name."""
    from nnexp.components.base import members
    from nnexp.components.metrics import Metric
    from nnexp.engine.surface import READINGS

    names = ["loss", *members(Metric), *(reading.name for reading in READINGS)]  # type: ignore[type-abstract]
    known = [*names, *(f"{split}_{name}" for split in ("validation", "train", "test") for name in names)]
    if word is not None and word not in known:
        guess = did_you_mean(word, known) or f"; one of {', '.join(names)}"
        raise InputError(f"--metric: '{word}' is not a metric{guess}")


def _tell_findings(findings: Findings, tuned: bool, how: str, quiet: bool) -> None:
    """What a search found: a table for people where it tuned, the best in a line where it did not, and warnings."""
    from nnexp.report.tables import FOR_MACHINES, render
    from nnexp.report.tuning import best_line, table, warnings

    if quiet:
        return
    if tuned and how not in FOR_MACHINES:
        render(table(findings), how, out(), rest=EVERYTHING)
        out().print()
    elif not tuned:
        for found in findings.levels:
            if found.best is not None:
                say(best_line(findings, found))
    for warning in warnings(findings):
        say(f"warning: {warning}")


def _end(
    plan: Plan,
    course: Course,
    shelf: Shelf,
    members: list[Run],
    interrupted: int | None,
    stopped: bool,
    quiet: bool,
) -> int:
    """Say the closing lines. Returns the exit code."""
    own = {job.fingerprint for job in plan.own}
    counts = Counter(run.status for run in members if run.brief.fingerprint in own)
    if not quiet:
        say(f"show it again: nnexp compare {plan.folder.name}")
    settled = {job.fingerprint for job in plan.own if job.settled}
    pruned = sum(run.status == "pruned" and run.brief.fingerprint in settled for run in members)
    left = len(own) - counts["finished"] - counts["diverged"] - pruned
    still = "the same command goes on"
    if not course.sweep.by_results:  # otherwise more may come
        still = f"{left} run{'s are' if left != 1 else ' is'} left; {still}"
    if interrupted is not None:
        say(f"interrupted; {still}")
        return interrupted
    if stopped and left:
        say(f"stopped at the first run that failed; {still}")
    if plan.shard is not None and not quiet:
        say(f"carry it to the other shards: nnexp runs export {plan.folder.name} shard-{plan.shard.number}.tar.gz")
    return 3 if len(own) > counts["finished"] + pruned or course.failed(shelf) else 0
