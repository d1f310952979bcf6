"""Runs as TensorBoard's folders, read back by TensorBoard itself, its table of hyperparameters among it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.report.trackers import base
from nnexp.report.trackers.tensorboard import MARK, PART
from nnexp.store.labels import Labels, change_labels
from nnexp.store.looks import NAME
from tests import past
from tests.command import Outcome, nnexp
from tests.past import ADAM, alter, read

pytest.importorskip("tensorboard")


def past_run(root: Path, accuracy: float | None = None, **changes: Any) -> Path:
    """A past run that began at a time which the calendar knows."""
    path = past.past_run(root, accuracy, **{"record_created": "2026-01-01T12:30:00.125000+00:00", **changes})
    (path / "config.yaml").write_text("seed: 0\noptimizer: {name: adam}\n")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A runs folder with two finished runs and one that diverged."""
    runs = tmp_path / "runs"
    past_run(runs, 0.9, optimizer=ADAM)
    labelled = past_run(runs, 0.8, seed=1)
    past_run(runs, status="diverged", name="lost")
    change_labels([labelled], lambda labels: Labels(("good",), "the *one* to keep"))
    return runs


def export(root: Path, *words: object) -> Outcome:
    return nnexp("export", *words, "--to", "tensorboard", "--out", "tb/here", cwd=root.parent)


def events(path: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(path)).Reload()


def hyperparameters(folder: Path) -> Any:
    """What the tab of hyperparameters shows, as the plugin's own backend makes it."""
    from tensorboard import context
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    backend = backend_context.Context(base_plugin.TBContext(data_provider=provider, logdir=str(folder)))
    asked, id = context.RequestContext(), "experiment"
    experiment = backend.experiment_from_metadata(
        asked, id, True, backend.hparams_metadata(asked, id), backend.hparams_from_data_provider(asked, id, 100)
    )
    every = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_RUNNING, api_pb2.STATUS_UNKNOWN]
    request = api_pb2.ListSessionGroupsRequest(allowed_statuses=every, slice_size=100, include_metrics=True)
    for info in experiment.metric_infos:
        request.col_params.add().metric.MergeFrom(info.name)
    groups = list_session_groups.Handler(asked, backend, id, request).run().session_groups
    return experiment, groups


def test_curves_scores_and_words(root: Path) -> None:
    done = export(root, "past", "lost")
    assert (done.code, done.out) == (0, ""), done.err
    assert done.err.splitlines() == ["tb/here: 3 runs exported", "look: tensorboard --logdir tb/here"]
    paths = sorted(root.iterdir())
    assert sorted(path.name for path in (root.parent / "tb" / "here").iterdir()) == [path.name for path in paths]
    for path in paths:
        run, told = read(path), events(root.parent / "tb" / "here" / path.name)
        begun = datetime.fromisoformat(run.record["created"]).timestamp()
        columns = run.metrics()
        tags = {"validation_loss": "validation/loss", "validation_accuracy": "validation/accuracy"}
        for name in set(columns) - {"epoch"}:
            found = told.Tensors(tags.get(name, name))
            assert [event.step for event in found] == columns["epoch"]
            assert [event.wall_time for event in found] == [begun + min(0.25 * epoch, 0.5) for epoch in range(3)]
            assert [_number(event) for event in found] == pytest.approx(columns[name], rel=1e-6)
        final = {name: value for name, value in run.final.items() if not name.startswith("test_")}
        scores = {tag: told.Tensors(tag) for tag in told.Tags()["tensors"] if tag.startswith("final/")}
        assert {tag: (_number(one), one.step) for tag, [one] in scores.items()} == {
            f"final/{name}": (pytest.approx(value), 2) for name, value in final.items()
        }
        assert _text(told, "config") == "```yaml\nseed: 0\noptimizer: {name: adam}\n```\n"
        assert ("note" in told.Tags()["tensors"]) == (run.brief.seed == 1)
        if run.brief.seed == 1:
            assert _text(told, "note") == "tags: good\n\nthe *one* to keep"


def _number(event: Any) -> float:
    from tensorboard.util import tensor_util

    value = tensor_util.make_ndarray(event.tensor_proto)
    assert value.dtype == np.float32
    return float(value)


def _text(told: Any, tag: str) -> str:
    [event] = told.Tensors(tag)
    assert told.SummaryMetadata(tag).plugin_data.plugin_name == "text"
    [text] = event.tensor_proto.string_val
    return text.decode()


def test_the_table_of_hyperparameters(root: Path) -> None:
    from tensorboard.plugins.hparams import api_pb2

    assert export(root, "past", "lost").code == 0
    experiment, groups = hyperparameters(root.parent / "tb" / "here")
    kinds = {info.name: info.type for info in experiment.hparam_infos}
    assert kinds["optimizer.lr"] == api_pb2.DATA_TYPE_FLOAT64
    assert kinds["optimizer.name"] == kinds["architecture.hidden"] == api_pb2.DATA_TYPE_STRING
    by_name = {group.name: group for group in groups}
    assert sorted(by_name) == sorted(path.name for path in root.iterdir())
    for path in root.iterdir():
        run, group = read(path), by_name[path.name]
        hparams = {key: value.string_value or value.number_value for key, value in group.hparams.items()}
        assert (hparams["optimizer.name"], hparams["optimizer.lr"]) == (run.config["optimizer.name"], 0.1)
        assert (hparams["seed"], hparams["architecture.hidden"]) == (run.brief.seed, "[6, 5]")
        assert (hparams["stop.patience"], set(hparams)) == ("null", set(run.config))
        [session] = group.sessions
        assert session.status == (api_pb2.STATUS_FAILURE if run.name == "lost" else api_pb2.STATUS_SUCCESS)
        begun = datetime.fromisoformat(run.record["created"]).timestamp()
        assert (session.start_time_secs, session.end_time_secs) == (begun, begun + 0.5)
        scores = {value.name.tag: value.value for value in group.metric_values}
        if run.name != "lost":
            assert scores["final/validation_accuracy"] == pytest.approx(run.final["validation_accuracy"])
        assert scores["validation/accuracy"] == pytest.approx(0.7)


def test_twice_adds_nothing_and_another_end_is_told_anew(root: Path) -> None:
    assert export(root, "past", "lost").code == 0
    here = root.parent / "tb" / "here"
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*") if path.is_file()}
    assert len(before) == 6
    assert export(root, "past", "lost").err.splitlines()[0] == "tb/here: 0 runs exported, 3 there already"
    assert before == {path: path.stat().st_mtime_ns for path in here.rglob("*") if path.is_file()}
    [lost] = root.glob("lost*")
    (here / f"{PART}{lost.name}").mkdir()  # an export that was cut short
    (here / f"{PART}{lost.name}" / "events").write_text("half")
    alter(lost, ended="2026-01-02T00:00:00+00:00")
    assert export(root, "past", "lost").err.splitlines()[0] == "tb/here: 1 run exported, 2 there already"
    after = {path for path in here.rglob("*") if path.is_file()}
    assert len(after) == 6
    assert {path.parent.name for path in after ^ set(before)} == {lost.name}


def test_test_scores_only_when_asked_for_and_counted(root: Path) -> None:
    here = root.parent / "tb" / "here"
    assert export(root, "past").code == 0
    assert not (root / NAME).exists()
    assert not any(b"test_" in path.read_bytes() or b"test/" in path.read_bytes() for path in here.glob("*/events*"))
    asked = export(root, "past", "--test").err.splitlines()
    assert asked[0] == "tb/here: 2 runs exported"
    assert asked[1].endswith("so far 1 look at moons")
    [path] = root.glob("past-s1-*")
    assert _number(events(here / path.name).Tensors("final/test_accuracy")[0]) == pytest.approx(0.8)
    assert export(root, "past").err.splitlines()[0] == "tb/here: 0 runs exported, 2 there already"
    refused = export(root, "lost", "--test")
    assert (refused.code, len((root / NAME).read_text().splitlines())) == (2, 1)
    assert f"--test: run {read(next(root.glob('lost*'))).id} (diverged) has no test scores" in refused.err
    assert not list(here.glob("lost*"))


def test_only_runs_that_have_ended(root: Path) -> None:
    past_run(root, status="interrupted", name="half")
    done = export(root, "past", "half")
    assert done.err.splitlines()[:2] == ["left out 1 run that may go on (interrupted)", "tb/here: 2 runs exported"]
    refused = export(root, "half")
    assert (refused.code, refused.err.splitlines()[-1]) == (2, "no runs to export")
    conditioned = export(root, "--where", "seed=1")
    assert conditioned.err.splitlines()[0] == "tb/here: 0 runs exported, 1 there already"


def test_a_folder_of_somebody_else_is_left_alone(root: Path) -> None:
    [lost] = root.glob("lost*")
    theirs = root.parent / "tb" / "here" / lost.name
    theirs.mkdir(parents=True)
    (theirs / "events").write_text("theirs")
    refused = export(root, "lost")
    assert refused.code == 2
    assert "is there and was not written by 'nnexp export'; choose another folder" in refused.err
    assert [path.name for path in theirs.iterdir()] == ["events"]
    (theirs / MARK).mkdir()
    assert export(root, "lost").code == 2


@pytest.mark.parametrize(("to", "package"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow")])
def test_without_the_package(root: Path, monkeypatch: pytest.MonkeyPatch, to: str, package: str) -> None:
    found = base.find_spec
    monkeypatch.setattr(base, "find_spec", lambda name: None if name == package else found(name))
    refused = nnexp("export", "past", "--to", to, "--out", "x", cwd=root.parent)
    assert (refused.code, refused.out) == (2, "")
    assert f"--to {to} needs {package}" in refused.err
    assert f"pip install 'nnexp[{to}]'" in refused.err
    assert not (root.parent / "x").exists()
