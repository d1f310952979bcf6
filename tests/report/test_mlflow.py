"""Runs in MLflow, read back by MLflow itself: nothing is lost, doubled, or said of the test split unasked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nnexp.errors import InputError
from nnexp.report.trackers import mlflow as ours
from nnexp.report.trackers.base import account, text_of
from nnexp.store.labels import change_labels
from nnexp.store.looks import NAME
from tests import past
from tests.command import Outcome, nnexp
from tests.past import ADAM, alter, past_sweep, read

pytest.importorskip("mlflow")

# SQLAlchemy 2.1 about a loader that MLflow asks it for; MLflow about its own old names
pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def past_run(root: Path, accuracy: float | None = None, **changes: Any) -> Path:
    """A past run that began at a time which the calendar knows."""
    return past.past_run(root, accuracy, **{"record_created": "2026-01-01T12:30:00.125000+00:00", **changes})


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database without runs: to make its tables takes MLflow two seconds."""
    folder = tmp_path_factory.mktemp("empty")
    ours.Mlflow(str(folder))
    return folder / ours.DATABASE


@pytest.fixture
def root(tmp_path: Path, empty: Path) -> Path:
    """A runs folder with a sweep of two and a run that diverged, beside an empty database."""
    (tmp_path / "there").mkdir()
    shutil.copy(empty, tmp_path / "there")
    runs = tmp_path / "runs"
    one, two = past_run(runs, 0.9, optimizer=ADAM, seed=0), past_run(runs, 0.8, optimizer=ADAM, seed=1)
    (one / "model.npz").write_bytes(b"parameters")
    for path in (one, two):
        (path / "config.yaml").write_text("seed: 0\n")
    past_sweep(runs, "grid-1a2b", [one, two], "2026-01-02")
    lost = past_run(runs, status="diverged", name="lost", record_reason="the loss is not finite")
    (lost / "config.yaml").write_text("seed: 0\n")
    change_labels([one], lambda labels: labels.with_tag("good").with_tag("best"))
    return runs


def export(root: Path, *words: object) -> Outcome:
    return nnexp("export", *words, "--to", "mlflow", "--out", "there", cwd=root.parent)


def client(root: Path) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{root.parent / 'there' / 'mlflow.db'}")


def found(root: Path) -> dict[str, Any]:
    """The runs that MLflow has, by nnexp's id."""
    there = client(root)
    runs = there.search_runs([one.experiment_id for one in there.search_experiments()])
    assert len({run.data.tags["nnexp.id"] for run in runs}) == len(runs), "no run twice"
    return {run.data.tags["nnexp.id"]: run for run in runs}


def paths(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.iterdir()) if path.name != "sweeps" and path.is_dir())


def test_all_that_is_known_is_there(root: Path) -> None:
    done = export(root, "grid", "lost")
    assert (done.code, done.out) == (0, ""), done.err
    assert done.err.splitlines()[0] == "there: 3 runs exported"
    assert "mlflow ui --backend-store-uri sqlite:///" in done.err
    there, runs = client(root), found(root)
    assert len(runs) == 3
    for path in paths(root):
        run = read(path)
        told = runs[run.id]
        assert told.data.params == {key: text_of(value) for key, value in run.config.items()}
        assert told.data.params["optimizer.lr"] == "0.1"
        assert told.data.params["architecture.hidden"] == "[6, 5]"
        assert told.data.params["stop.patience"] == "null"
        began = round(1000 * datetime.fromisoformat(run.record["created"]).timestamp())
        assert (told.info.run_name, told.info.start_time) == (path.name, began)
        columns = run.metrics()
        for name in set(columns) - {"epoch"}:
            history = there.get_metric_history(told.info.run_id, name)
            assert [(m.step, m.value) for m in history] == list(zip(columns["epoch"], columns[name], strict=True))
            assert [m.timestamp for m in history] == [began + min(250 * epoch, 500) for epoch in range(3)]
        final = {name: value for name, value in run.final.items() if not name.startswith("test_")}
        logged = {f"final_{name}": value for name, value in final.items()}
        assert {key: value for key, value in told.data.metrics.items() if key.startswith("final_")} == logged
        sweep = run.name != "lost"
        assert there.get_experiment(told.info.experiment_id).name == ("grid-1a2b" if sweep else "lost")
        assert told.data.tags.get("nnexp.sweep") == ("grid-1a2b" if sweep else None)
        assert told.data.tags["nnexp.seed"] == str(run.brief.seed)
        assert told.info.status == ("FINISHED" if sweep else "FAILED")
        files = there.list_artifacts(told.info.run_id)
        assert {file.path for file in files} == {"config.yaml", "metrics.csv", "model.npz"} & {
            file.name for file in path.iterdir()
        }
        for file in files:
            where = Path(told.info.artifact_uri.removeprefix("file://")) / file.path
            assert where.read_bytes() == (path / file.path).read_bytes()
            assert where.is_relative_to(root.parent / "there" / "artifacts")
    first = next(run for run in runs.values() if "nnexp.tags" in run.data.tags)
    assert first.data.tags["nnexp.tags"] == "best, good"


def test_twice_adds_nothing(root: Path) -> None:
    assert export(root, "grid").code == 0
    before = found(root)
    change_labels([next(paths(root))], lambda labels: labels.with_tag("later"))
    again = export(root, "grid", "lost")
    assert again.err.splitlines()[0] == "there: 1 run exported, 2 there already"
    after = found(root)
    assert {key: after[key].to_dictionary() for key in before} == {
        key: run.to_dictionary() for key, run in before.items()
    }
    assert len(after) == 3


def test_what_was_cut_short_or_has_another_end_is_told_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    def stopped(self: Any, run_id: str, path: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifact", stopped)
        assert export(root, "lost").code == 130
    [half] = found(root).values()
    assert half.info.status == "RUNNING"
    assert export(root, "lost").err.splitlines()[0] == "there: 1 run exported"
    [whole] = found(root).values()
    assert (whole.info.status, whole.info.run_id == half.info.run_id) == ("FAILED", False)
    path = root / whole.info.run_name
    alter(path, status="failed", reason="trained again", ended="2026-02-01T00:00:00+00:00")
    assert export(root, "lost").err.splitlines()[0] == "there: 1 run exported"
    [other] = found(root).values()
    assert other.data.tags["nnexp.reason"] == "trained again"
    assert other.info.end_time == 1000 * datetime.fromisoformat("2026-02-01T00:00:00+00:00").timestamp()


def test_an_id_of_another_folder_is_another_run(root: Path) -> None:
    assert export(root, "lost").code == 0
    [path] = [path for path in paths(root) if path.name.startswith("lost")]
    alter(path, created="2026-03-01T00:00:00+00:00")
    assert export(root, "lost").err.splitlines()[0] == "there: 1 run exported"
    there = client(root)
    runs = there.search_runs([one.experiment_id for one in there.search_experiments()])
    assert len(runs) == 2
    assert len({run.data.tags["nnexp.id"] for run in runs}) == 1


def test_test_scores_only_when_asked_for_and_counted(root: Path) -> None:
    assert export(root, "grid", "lost").code == 0
    assert not (root / NAME).exists()
    there = client(root)
    for run in found(root).values():
        assert not [key for key in run.data.metrics if "test" in key]
        for file in there.list_artifacts(run.info.run_id):
            assert b"test_" not in Path(run.info.artifact_uri.removeprefix("file://"), file.path).read_bytes()
    asked = export(root, "grid", "lost", "--test")
    assert asked.err.splitlines()[:2] == [
        "there: 2 runs exported, 1 there already",  # what diverged has no test scores
        "test scores are for the last look, after choosing by validation; so far 1 look at moons",
    ]
    scores = {run.data.metrics.get("final_test_accuracy") for run in found(root).values()}
    assert scores == {0.9, 0.8, None}
    for words in (("--test",), ()):  # they stay there, and nothing is looked at again
        again = export(root, "grid", *words)
        assert again.err.splitlines()[0] == "there: 0 runs exported, 2 there already"
        assert len((root / NAME).read_text().splitlines()) == 1


def test_limits(root: Path) -> None:
    from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, MAX_PARAM_VAL_LENGTH

    weights = {f"class {i} (ä/b:{i % 7}) {'x' * 30 * (i % 12)}": i / 7 for i in range(140)}
    many = past_run(
        root,
        0.7,
        name="many",
        loss={"name": "cross_entropy", "class_weights": weights},
        architecture={"name": "mlp", "hidden": list(range(10_000, 12_000))},
    )
    (many / "config.yaml").write_text("seed: 0\n")
    rows = [f"{epoch},{5 * epoch},{1 / (1 + epoch)},{'' if epoch else 'nan'},{epoch}" for epoch in range(700)]
    header = "epoch,step,validation_loss,validation_accuracy,seconds"
    (many / "metrics.csv").write_text("\n".join([header, *rows, ""]))
    alter(many, epoch=699)
    done = export(root, "many")
    assert done.code == 0, done.err
    [told] = found(root).values()
    kept = {key: value for key, value in told.data.params.items() if key.startswith("loss.class_weights.")}
    assert sorted(kept.values()) == sorted(text_of(value) for value in weights.values())
    assert max(map(len, kept)) <= MAX_ENTITY_KEY_LENGTH
    hidden = told.data.params["architecture.hidden"]
    assert (len(hidden), hidden[:8], hidden[-1]) == (MAX_PARAM_VAL_LENGTH, "[10000, ", "…")
    history = client(root).get_metric_history(told.info.run_id, "validation_loss")
    assert [(m.step, m.value) for m in history] == [(epoch, 1 / (1 + epoch)) for epoch in range(700)]
    [only] = client(root).get_metric_history(told.info.run_id, "validation_accuracy")
    assert only.value != only.value, "the empty cells are left out, NaN stays"


def test_a_database_by_its_address(root: Path) -> None:
    uri = f"sqlite:///{root.parent / 'there' / 'mlflow.db'}"
    done = nnexp("export", "lost", "--to", "mlflow", "--out", uri, cwd=root.parent)
    assert done.err.splitlines() == [f"{uri}: 1 run exported", f"look: mlflow ui --backend-store-uri {uri}"]
    [told] = found(root).values()
    assert told.info.artifact_uri.startswith((root.parent / "there" / "artifacts").as_uri())


def test_places_that_cannot_be(root: Path) -> None:
    client(root).delete_experiment(client(root).create_experiment("lost"))
    refused = export(root, "lost")
    assert refused.code == 2
    assert "--out there: the experiment 'lost' was deleted there; 'mlflow experiments restore'" in refused.err
    (root.parent / "old" / "0").mkdir(parents=True)
    (root.parent / "old" / "0" / "meta.yaml").write_text("name: Default\n")
    words = ("export", "lost", "--to", "mlflow", "--out")
    refused = nnexp(*words, "old", cwd=root.parent)
    assert (refused.code, "in the way of MLflow before 3.7" in refused.err) == (2, True)
    assert [path.name for path in (root.parent / "old").iterdir()] == ["0"]
    refused = nnexp(*words, "gopher://there", cwd=root.parent)
    assert (refused.code, "--out gopher://there: MLflow says: " in refused.err) == (2, True)
    (root.parent / "broken").mkdir()
    (root.parent / "broken" / "mlflow.db").write_text("no database, but long enough to be read as one " * 30)
    refused = nnexp(*words, "broken", cwd=root.parent)
    assert refused.code == 2
    assert "--out broken: (sqlite3.DatabaseError) file is not a database" in refused.err


def test_times_of_a_run_that_goes_on_from_another(root: Path) -> None:
    path = past_run(root, 0.9, record_ended="2026-01-01T12:31:00.125000+00:00")
    begun = datetime.fromisoformat(read(path).record["created"]).timestamp()
    (path / "metrics.csv").write_text("epoch,validation_loss,seconds\n0,1,0\n1,1,\n2,,100\n")
    told = account(read(path))
    assert [point.time - begun for point in told.points] == pytest.approx([0, 0, 60])
    assert [point.values for point in told.points] == [
        {"validation_loss": 1.0, "seconds": 0.0},
        {"validation_loss": 1.0},
        {"seconds": 100.0},
    ]
    alter(path, ended="soon")
    with pytest.raises(InputError, match=r"run.json: 'ended' is no time: soon"):
        account(read(path))
    alter(path, ended=None)
    run = read(path)
    assert account(run).ended == begun + run.record["train_seconds"]
    (path / "metrics.csv").write_text("epoch,validation_loss,seconds\n0,1\n")
    with pytest.raises(InputError, match=r"metrics.csv is damaged"):
        account(run)
