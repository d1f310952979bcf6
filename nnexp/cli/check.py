"""`nnexp check`: everything about a run that can be known before it: configuration, layers, steps, memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nnexp.cli.console import check_format, experiment_for, not_override, out, text_width
from nnexp.cli.options import DocumentOption, OverridesArgument, SetOption

if TYPE_CHECKING:
    from nnexp.engine.experiment import Experiment
    from nnexp.engine.surface import SurfaceExperiment


def check(
    config: Annotated[Path, typer.Argument(help="A YAML file.")],
    overrides: OverridesArgument = None,
    settings: SetOption = None,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value came from.")] = False,
    how: DocumentOption = "table",
) -> None:
    """Validate without training; show the filled configuration and the network.

    Exit code 0: it can be trained. 2: it cannot, and the messages say where.
    """
    check_format(how, ("table", "json"))
    not_override(config, "check")
    from nnexp.components.surfaces import Surface
    from nnexp.config.load import filled, flat, load, to_yaml

    loaded = load(config, [*(overrides or []), *(settings or [])])
    experiment = experiment_for(loaded)
    plain = filled(experiment.config)
    on_surface = isinstance(experiment.config.dataset, Surface)
    facts = (_surface_facts if on_surface else _facts)(experiment)
    if how == "json":
        document: dict[str, Any] = {"config": plain, **facts}
        if origin:
            document["origin"] = {key: loaded.origin(key) for key in flat(plain)}
        typer.echo(json.dumps(document, indent=1, ensure_ascii=False))
        return
    if origin:
        from nnexp.report.tables import Column, Grid, render

        rows = [{"key": key, "value": value, "origin": loaded.origin(key)} for key, value in flat(plain).items()]
        columns = [Column("key", "key"), Column("value", "value"), Column("origin", "from", str)]
        render(Grid(columns, rows), "table", out())
    else:
        typer.echo(to_yaml(plain, width=text_width(out())))
    (_print_surface_facts if on_surface else _print_facts)(experiment, facts)


def _facts(experiment: Experiment) -> dict[str, Any]:
    """Layers, steps and memory, as plain data."""
    import numpy as np

    from nnexp.engine.data import SPLITS

    data, config = experiment.data, experiment.config
    network = experiment.network(np.random.default_rng(0))
    batch = config.batch
    n = len(data.train)
    rows = batch.rows(n)
    steps = batch.steps(n)
    total = steps * config.stop.epochs
    if config.stop.steps is not None:
        total = min(total, config.stop.steps)
    layers = []
    for layer in network.layers:
        parts = ["linear with weight norm" if layer.has_gain else "linear"]
        norm = layer.norm
        if norm is not None and norm.where == "before":
            parts.append(f"{norm.name} norm")
        if layer.activation is not None:
            parts.append(layer.activation.name)
        parts += [f"{activity.kind} activity" for activity in layer.activities]
        if norm is not None and norm.where == "after":
            parts.append(f"{norm.name} norm")
        parts += [f"{noise.label()} {noise.coefficients()[0]:g}" for noise in layer.noises]
        if layer.name in network.joins:
            parts.append("shortcut")
        layers.append(
            {
                "layer": layer.name,
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "parts": " + ".join(parts),
                "parameters": sum(p.size for p in layer.parameters()),
            }
        )
    return {
        "task": data.task,
        "examples": {split: len(data.split(split)) for split in SPLITS},
        "features": len(data.features),
        "classes": list(data.classes) if data.classes is not None else None,
        "layers": layers,
        "parameters": network.size,
        "batch": rows,
        "steps_per_epoch": steps,
        "steps": total,
        **_memory(experiment),
        "notes": list(data.notes),
    }


def _memory(experiment: Experiment) -> dict[str, Any]:
    """What training will take, by what it is for, and in all; and what preparing the data took, in bytes."""
    from nnexp.engine.memory import estimate

    parts = estimate(experiment)
    return {"bytes": parts, "memory": {"training": sum(parts.values()), "preparing": experiment.data.preparing}}


def _print_memory(facts: dict[str, Any]) -> None:
    from nnexp.report.numbers import size

    parts = ", ".join(f"{name} {size(count)}" for name, count in facts["bytes"].items())
    training, preparing = facts["memory"]["training"], facts["memory"]["preparing"]
    typer.echo(f"memory        {size(training)} ({parts}), beside about 180 MB of Python and its libraries")
    if preparing > training:
        typer.echo(f"              {size(preparing)} before it, while the data are prepared")


def _print_facts(experiment: Experiment, facts: dict[str, Any]) -> None:
    from nnexp.report.tables import Column, Grid, render

    columns = [
        Column("layer", "layer"),
        Column("inputs", "in", right=True),
        Column("outputs", "out", right=True),
        Column("parts", "made of"),
        Column("parameters", "parameters", lambda n: f"{n:,}", True),
    ]
    render(Grid(columns, facts["layers"]), "table", out())
    examples = ", ".join(f"{count:,} {split}" for split, count in facts["examples"].items())
    what = f"{len(facts['classes'])} classes" if facts["classes"] else "a real target"
    typer.echo(f"data          {facts['features']} features, {what}; {examples}")
    typer.echo(f"loss          {experiment.loss.label()}")
    typer.echo(f"parameters    {facts['parameters']:,}")
    an_epoch = f"{facts['steps_per_epoch']:,} an epoch (batches of {facts['batch']:,})"
    typer.echo(f"steps         {an_epoch}, {facts['steps']:,} in all")
    _print_memory(facts)
    for note in facts["notes"]:
        typer.echo(f"note          {note}")


def _surface_facts(experiment: SurfaceExperiment) -> dict[str, Any]:
    """The start and what is known of the surface, as plain data."""
    surface, start, stop = experiment.surface, experiment.start(), experiment.config.stop
    return {
        "task": "surface",
        "start": start.tolist(),
        "start_loss": float(surface.value(start)),
        "minima": surface.minima().tolist(),
        "saddles": surface.saddles().tolist(),
        "parameters": len(start),
        "steps": stop.epochs if stop.steps is None else min(stop.epochs, stop.steps),
        **_memory(experiment),
    }


def _print_surface_facts(experiment: SurfaceExperiment, facts: dict[str, Any]) -> None:
    from nnexp.report.numbers import number

    def points(these: list[list[float]]) -> str:
        shown = [number(point[:4] if len(point) <= 4 else [*point[:3], "..."]) for point in these]
        return ", ".join(shown) or "none known"

    typer.echo(f"start         {points([facts['start']])}, loss {number(facts['start_loss'])}")
    typer.echo(f"minima        {points(facts['minima'])}")
    typer.echo(f"saddles       {points(facts['saddles'])}")
    typer.echo(f"parameters    {facts['parameters']:,}")
    typer.echo(f"steps         {facts['steps']:,}, one an epoch")
    _print_memory(facts)
