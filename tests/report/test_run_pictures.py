"""Learning curves: the numbers of metrics.csv, a colour a run, full lines for validation and dashes for training."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from nnexp.errors import InputError
from nnexp.report.pictures import runs as pictures
from nnexp.report.pictures import style
from tests.command import nnexp
from tests.past import ADAM, past_run, read
from tests.small import config_file

pytest.importorskip("matplotlib")


def texts(svg: bytes) -> str:
    return " ".join("".join(ElementTree.fromstring(svg).itertext()).split())


def test_one_run(tmp_path: Path) -> None:
    config_file(tmp_path)
    assert nnexp("train", "small.yaml", "--quiet", cwd=tmp_path).code == 0
    outcome = nnexp("plot", "run", cwd=tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    [path] = (tmp_path / "pictures").iterdir()
    [folder] = [folder for folder in (tmp_path / "runs").iterdir() if folder.name != "sweeps"]
    assert outcome.out == f"pictures/run-{folder.name[-6:]}.svg\n" == f"pictures/{path.name}\n"
    words = texts(path.read_bytes())
    for word in ("loss", "accuracy", "epoch", "train", "validation", f"small {folder.name[-6:]}"):
        assert word in words
    nnexp("plot", "run", folder.name[-6:], "--format", "png", "-o", ".", cwd=tmp_path)
    assert (tmp_path / f"run-{folder.name[-6:]}.png").read_bytes().startswith(b"\x89PNG")


def test_runs_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    folders = [past_run(tmp_path, 0.5), past_run(tmp_path, 0.6, seed=1), past_run(tmp_path, 0.7, optimizer=ADAM)]
    runs = [read(folder) for folder in folders]
    assert pictures.labels(runs) == ["sgd, seed 0", "sgd, seed 1", "adam, seed 0"]
    drawn = pictures.learning_curves(runs)
    assert "adam, seed 0" in texts(drawn.content)
    assert drawn == pictures.learning_curves(runs)
    same = [read(past_run(tmp_path, 0.5)) for _ in range(2)]
    assert pictures.labels(same) == [f"past {run.id}" for run in same]


def test_the_curves_are_the_numbers_of_the_log() -> None:
    n = 1000
    log: pictures.Columns = {
        "epoch": [float(i) for i in range(n)],
        "validation_loss": [1.0 / (1 + i) for i in range(n)],
    }
    log["train_loss"] = [None if i % 2 else float("nan") if i == 4 else 2.0 for i in range(n)]
    with style.styled():
        _, axes, _ = style.blank_pair()
        pictures._draw(axes, log, "loss", style.BLUE)
        validation, train = axes.lines
    x, y = validation.get_data()
    assert len(x) <= pictures.MOST + 1
    assert (x[0], x[-1]) == (0, n - 1)
    assert np.array_equal(np.asarray(y), 1 / (1 + np.asarray(x)))
    assert validation.get_linestyle() == "-"
    assert train.get_linestyle() == "--"
    assert set(train.get_ydata()) == {2.0}
    assert 4 not in train.get_xdata()


def test_what_cannot_be_drawn_is_said(tmp_path: Path) -> None:
    many = [read(past_run(tmp_path, 0.5, seed=seed)) for seed in range(8)]
    with pytest.raises(InputError, match="8 runs are too many for one picture; choose 7 at most"):
        pictures.learning_curves(many)
    (many[0].path / "metrics.csv").write_text("epoch,step\n0,0\n")
    with pytest.raises(InputError, match=r"metrics\.csv holds no losses or metrics to draw"):
        pictures.learning_curves(many[:1])
    (many[0].path / "metrics.csv").write_text("epoch,validation_loss\n0,1.0\n1,0.01\n")
    assert pictures.learning_curves(many[:1]).words == f"loss over the epochs of {many[0].id}"


def on_surfaces(folder: Path, **texts: str) -> list[pictures.Run]:
    """Short runs, one for each configuration."""
    shelf = folder / "runs"
    for name, text in texts.items():
        (folder / f"{name}.yaml").write_text(text + "\nstop: 30\n")
        assert nnexp("train", f"{name}.yaml", "--quiet", cwd=folder).code in (0, 1)
    return sorted((read(one) for one in shelf.iterdir() if (one / "run.json").is_file()), key=lambda run: run.name)


def test_runs_on_a_surface_show_their_paths(tmp_path: Path) -> None:
    runs = on_surfaces(
        tmp_path,
        a="dataset: {name: rosenbrock, start: [-1.5, 2]}\noptimizer: {name: adam, lr: 0.1}",
        b="dataset: {name: rosenbrock, start: [-1, -1]}\noptimizer: {name: sgd, lr: 0.1}",  # diverges
        c="dataset: beale\noptimizer: adam",
        d="dataset: {name: quadratic, dimension: 3}\noptimizer: adam",
    )
    both = runs[:2]
    drawn = pictures.learning_curves(both)
    assert drawn.words == f"loss and path over the epochs of {both[0].id}, {both[1].id}"
    assert "θ₁" in texts(drawn.content)
    assert "θ₁" not in texts(pictures.learning_curves(both, metric="distance").content)
    ground = pictures.ground_of(both)
    assert ground is not None
    assert pictures.ground_of(runs[1:3]) is None  # two surfaces
    assert pictures.ground_of(runs[3:]) is None  # three coordinates
    with style.styled():
        _, axes, _ = style.blank_pair()
        logs = [run.metrics() for run in both]
        pictures._draw_paths(axes, ground, logs)
        minima, way, start, *_ = axes.lines
        assert np.array_equal(way.get_xydata()[0], [-1.5, 2])
        assert np.array_equal(way.get_xydata()[:, 0], logs[0]["theta1"])
        assert np.array_equal(start.get_xydata(), [[-1.5, 2]])
        assert np.array_equal(minima.get_xydata(), [[1, 1]])
        assert max(map(abs, (*axes.get_xlim(), *axes.get_ylim()))) < 2 * pictures.FAR
        for points in (way.get_xydata(), minima.get_xydata()):
            assert (points[:, 0] >= axes.get_xlim()[0]).all()
            assert (points[:, 0] <= axes.get_xlim()[1]).all()
