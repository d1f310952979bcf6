"""A sweep on a Dask cluster of real processes on this machine: the table is the local one, whatever is killed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nnexp.config.load import filled, fingerprint, load
from nnexp.engine.surface import kind_of
from nnexp.runner import begin, train
from nnexp.store.runs import Shelf
from nnexp.sweep import remote
from nnexp.sweep.cluster import Worker
from nnexp.sweep.dispatch import _Dispatch
from nnexp.sweep.jobs import Ear, Orders
from nnexp.sweep.limits import Limits
from nnexp.sweep.parcels import BLOCK, Home, Parcel, Refused, blocks, parcels_of
from tests.command import Outcome, folders, nnexp, nnexp_process, start, until
from tests.past import read
from tests.small import EVERYTHING, config_file, log, model
from tests.sweep.test_crash import GRID, PLUGIN, deadly, results, statuses, under_way, untimed

pytest.importorskip("distributed")

LONG: dict[str, Any] = {**EVERYTHING, "stop": {"epochs": 1500, "patience": 1500}, "monitor": {"checkpoint": 0.05}}
"""Some seconds of work a run."""


def process_of_dask(*words: object, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "dask.log").open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *map(str, words), "--no-dashboard"],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


class Dask:
    """A scheduler and its workers."""

    def __init__(self, folder: Path):
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = process_of_dask("scheduler", "--host", "127.0.0.1", "--port", port, folder=folder)
        self.workers: list[subprocess.Popen[bytes]] = []
        self._until("Scheduler at:", 1)

    def worker(self) -> subprocess.Popen[bytes]:
        """A worker that has registered."""
        words = ("worker", self.address, "--nthreads", 1, "--no-nanny", "--local-directory", self.folder)
        worker = process_of_dask(*words, folder=self.folder)
        self.workers.append(worker)
        self._until("Registered to:", len(self.workers))
        return worker

    def workers_there(self, count: int) -> None:
        """Let there be so many, one after the other."""
        for _ in range(count - sum(worker.poll() is None for worker in self.workers)):
            self.worker()

    def _until(self, text: str, count: int) -> None:
        deadline = time.monotonic() + 60
        while (self.folder / "dask.log").read_text().count(text) < count:
            assert time.monotonic() < deadline, (self.folder / "dask.log").read_text()
            time.sleep(0.02)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    found = Dask(tmp_path_factory.mktemp("dask"))
    yield found
    found.end()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]]]:
    """The sweep on this machine alone, and its table."""
    path = config_file(tmp_path_factory.mktemp("local"), **LONG)
    result = nnexp_process("sweep", path, *GRID, "-j", 2, "--format", "csv", cwd=path.parent)
    assert result.code == 0, result.err
    return path.parent, untimed(result.out)


def same(result: Outcome, folder: Path, local: tuple[Path, list[list[str]]]) -> None:
    assert result.code == 0, result.err
    assert untimed(result.out) == local[1]
    assert len(folders(folder / "runs")) == 4
    assert results(folder) == results(local[0])
    for path in folders(folder / "runs"):
        assert sorted(os.listdir(path)) == ["config.yaml", "metrics.csv", "model.npz", "run.json"]  # noqa: PTH208
    assert not (folder / "runs" / ".claims").exists()


def test_a_scheduler_without_workers_and_one_that_dies(tmp_path: Path) -> None:
    alone = Dask(tmp_path)
    try:
        words = ("sweep", config_file(tmp_path, **LONG), "--seeds", 2, "--cluster", alone.address)
        result = nnexp_process(*words, cwd=tmp_path)
        assert result.code == 2
        assert f"{alone.address} has no workers; start some (dask worker {alone.address} --nthreads 1)" in result.err
        assert not (tmp_path / "runs").exists()
        alone.worker()
        with start(*words, cwd=tmp_path) as process:
            until(lambda: bool(under_way(tmp_path)), process)
            alone.scheduler.kill()
            _, err = process.communicate(timeout=100)
    finally:
        alone.end()
    assert process.returncode == 1, err
    assert "the same command goes on with what was brought here" in err
    assert "died" not in err
    (run,) = Shelf(tmp_path / "runs").runs
    assert run.status == "interrupted"
    assert (run.path / "checkpoint.npz").exists()


def test_a_killed_worker_costs_no_more_than_since_the_last_checkpoint(
    tmp_path: Path, dask: Dask, local: tuple[Path, list[list[str]]]
) -> None:
    dask.workers_there(1)
    victim = dask.worker()
    path = config_file(tmp_path, **LONG)
    with start("sweep", path, *GRID, "--cluster", dask.address, "--format", "csv", cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == 2, process)
        before = tmp_path / "before"
        process.send_signal(signal.SIGSTOP)  # the picture of a moment
        shutil.copytree(tmp_path / "runs", before)
        victim.kill()
        victim.wait()
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=100)
    same(Outcome(process.returncode, out, err), tmp_path, local)
    told = [line for line in err.splitlines() if "its worker process died (lost with tcp://127.0.0.1:" in line]
    assert len(told) == 1, err
    assert "it is tried again (2 of 3)" in told[0]
    label, seed = told[0].split()[0], told[0].split()[2].rstrip(":")
    (run,) = (one for one in folders(tmp_path / "runs") if f"{label}-s{seed}-" in one.name)
    with np.load(before / run.name / "checkpoint.npz") as file:
        epoch = json.loads(str(file["numbers"]))["epoch"]
    assert epoch > 1
    kept = (before / run.name / "metrics.csv").read_text().splitlines()[: epoch + 1]
    assert (run / "metrics.csv").read_text().splitlines()[: len(kept)] == kept, "these rows hold the seconds of then"


def test_ctrl_c_brings_the_checkpoints_here(tmp_path: Path, dask: Dask, local: tuple[Path, list[list[str]]]) -> None:
    dask.workers_there(2)
    path = config_file(tmp_path, **LONG)
    words = ("sweep", path, *GRID, "--cluster", dask.address, "--format", "csv")
    with start(*words, cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == 2, process)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "the same command goes on" in err
    stopped = Shelf(tmp_path / "runs").runs
    assert [run.status for run in stopped] == ["interrupted"] * 2
    assert all(run.record["reason"].startswith("interrupted at step") for run in stopped)
    assert all((run.path / "checkpoint.npz").exists() for run in stopped)
    same(nnexp_process(*words, cwd=tmp_path), tmp_path, local)
    assert {run.id for run in stopped} < {run.id for run in Shelf(tmp_path / "runs").runs}


@pytest.mark.slow
def test_a_local_cluster_leaves_ctrl_c_to_the_command(tmp_path: Path) -> None:
    path = config_file(tmp_path, **LONG)
    with start("sweep", path, "--seeds", 2, "--cluster", "local", "-j", 2, cwd=tmp_path) as process:
        until(lambda: len(under_way(tmp_path)) == 2, process)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        _, err = process.communicate(timeout=100)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    reasons = [run.record["reason"] for run in Shelf(tmp_path / "runs").runs]
    assert len(reasons) == 2
    assert all(reason.startswith("interrupted at step") for reason in reasons), reasons


def test_a_search_that_goes_by_results(tmp_path: Path, dask: Dask) -> None:
    pytest.importorskip("optuna")
    dask.workers_there(2)
    path = config_file(tmp_path, stop={"epochs": 9})
    words = ("sweep", path, "optimizer.lr=log(1e-3,0.3)", "--search", "halving", "--trials", 5, "--format", "csv")
    here = nnexp(*words, "-j", 1, "--runs", "here", cwd=tmp_path)
    there = nnexp_process(*words, "--cluster", dask.address, "--runs", "there", cwd=tmp_path)
    assert (here.code, there.code) == (0, 0), there.err
    tables = [sorted(row[1:] for row in untimed(one.out)) for one in (there, here)]  # ids differ, and with them ties
    assert tables[0] == tables[1]
    found = [
        {run.config["optimizer.lr"]: (run.status, log(run.path)) for run in Shelf(tmp_path / name).runs}
        for name in ("here", "there")
    ]
    assert found[0] == found[1]
    assert "pruned" in {status for status, _ in found[0].values()}


def test_runs_that_kill_their_process_or_exceed_a_limit(tmp_path: Path, dask: Dask) -> None:
    dask.workers_there(2)
    there = [worker for worker in dask.workers if worker.poll() is None]
    path = deadly(tmp_path, "kill", "'no'")
    result = nnexp_process("sweep", path, "--cluster", dask.address, cwd=tmp_path)
    assert result.code == 3, result.err
    story = "given up: 3 worker processes died at it (3 x killed by SIGKILL after epoch 3)"
    assert statuses(tmp_path) == {"kill": ("failed", story), "no": ("finished", "4 epochs")}
    assert f"failed: how-kill seed 0: {story}" in result.err
    words = ("sweep", path, "schedule.how=hang", "limits.seconds=1", "--cluster", dask.address, "--fail-fast")
    result = nnexp_process(*words, cwd=tmp_path)
    assert result.code == 3, result.err
    assert statuses(tmp_path)["hang"][0] == "failed"
    assert statuses(tmp_path)["hang"][1].startswith("limits.seconds: it took longer than 1 s")
    assert all(worker.poll() is None for worker in there)


# -- bad input -----------------------------------------------------------------------------------------------------


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    path = config_file(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = nnexp("sweep", path, "--cluster", f"tcp://127.0.0.1:{port}", cwd=tmp_path)
    assert result.code == 2
    assert f"nothing answers at tcp://127.0.0.1:{port}: Connection refused" in result.err
    assert f"dask scheduler --port {port}" in result.err
    assert not (tmp_path / "runs").exists()


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = nnexp("sweep", config_file(tmp_path), "--cluster", "local", cwd=tmp_path)
    assert result.code == 2
    assert "pip install 'nnexp[cluster]'" in result.err


def test_a_worker_with_another_version(tmp_path: Path, dask: Dask) -> None:
    dask.workers_there(2)
    script = tmp_path / "later.py"
    script.write_text(
        "import sys, nnexp\nnnexp.__version__ = '99.0'\nfrom nnexp.cli.main import main\n"
        f"sys.argv[1:] = ['sweep', {str(config_file(tmp_path))!r}, '--cluster', {dask.address!r}]\nmain()\n"
    )
    done = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    from nnexp import __version__

    assert done.stderr.count(f" runs nnexp {__version__}, and this is 99.0; install the same there") >= 2
    assert not (tmp_path / "runs").exists()


# -- what travels --------------------------------------------------------------------------------------------------


def csv_file(folder: Path) -> Path:
    path = folder / "flowers.csv"
    path.write_text("a,b,kind\n" + "".join(f"{i % 7},{i % 5},{'xy'[i % 2]}\n" for i in range(60)))
    return path


def test_a_run_on_a_machine_without_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin and a data file that the worker has not are sent; the run comes home by the paths of this machine."""
    monkeypatch.setattr(remote, "home", lambda key: tmp_path / "worker")
    (tmp_path / "here").mkdir()
    data, plugin = csv_file(tmp_path / "here"), tmp_path / "here" / "deadly.py"
    plugin.write_text(PLUGIN)
    dataset = {"name": "csv", "path": str(data), "target": "kind"}
    path = config_file(tmp_path / "here", dataset=dataset, plugins=[str(plugin)], schedule="deadly", threads=1)
    loaded = load(path).config
    experiment = kind_of(loaded)(loaded)
    config = experiment.config
    known_by = fingerprint(config, experiment.data.digest)
    parcels = {parcel.digest: (parcel, parcel.told()) for parcel in parcels_of(filled(config))}
    assert [parcel.path for parcel, _ in parcels.values()] == [plugin, data]
    (tmp_path / "here").rename(tmp_path / "away")
    task = {
        "run": {"config": filled(config), "fingerprint": known_by, "label": "", "case": None, "run_id": "abc123"}
        | {"resume": None, "source": None, "pause": None, "alone": True, "again": False},
        "begun": False,
        "folder": "small-s0-abc123",
        "parcels": [told for _, told in parcels.values()],
        "limits": Limits().model_dump(),
        "hard_seconds": None,
        "silence": 60.0,
        "environment": {},
    }
    answer = remote.begin("key", "token", task)
    assert (answer["state"], sorted(answer["missing"])) == ("missing", sorted(parcels))
    for digest, (parcel, told) in parcels.items():
        (name,) = told["files"]
        for block in blocks(tmp_path / "away" / parcel.path.name):
            remote.deliver("key", f"files/{digest}", name, *block)
    answer = remote.begin("key", "token", task)
    (tmp_path / "away").rename(tmp_path / "here")
    home = Home(tmp_path / "runs" / "small-s0-abc123", "abc123", filled(config), known_by)
    while True:
        home.take(answer["names"], answer["files"])
        if answer["state"] != "running":
            break
        answer = remote.follow("token", False)
    assert answer["told"]["status"] == "finished", answer
    remote.release("key")
    run = read(home.path)
    assert run.record["fingerprint"] == known_by
    assert run.record["config"]["dataset"]["path"] == str(data)
    folder = begin(experiment, tmp_path / "alone")
    train(experiment, folder)
    assert (log(run.path), model(run.path)) == (log(folder.path), model(folder.path))
    assert (run.path / "config.yaml").read_text().partition("\n")[2] == (
        folder.path / "config.yaml"
    ).read_text().partition("\n")[2]


def test_large_files_travel_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "home", lambda key: tmp_path / "worker")
    for size in (0, 1, BLOCK, BLOCK + 1, 2 * BLOCK):
        source = tmp_path / "source"
        source.write_bytes(os.urandom(size))
        parts = list(blocks(source))
        assert all(len(block) <= BLOCK for _, block, _ in parts)
        for part in parts:
            remote.deliver("key", "files/x", "source", *part)
        assert (tmp_path / "worker/files/x/source").read_bytes() == source.read_bytes()
    with pytest.raises(OSError, match="damaged"):
        remote.deliver("key", "files/y", "source", 0, b"other", "0" * 64)
    assert not (tmp_path / "worker/files/y/source").exists()


def test_what_several_runs_want_at_once_is_sent_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "home", lambda key: tmp_path / "worker")
    source = tmp_path / "table.csv"
    source.write_bytes(os.urandom(2 * BLOCK + 1))
    offsets: list[int] = []

    class Near:
        key = "key"

        async def call(self, worker: Worker, function: Callable[..., None], *args: Any) -> None:
            offsets.append(args[3])
            await asyncio.to_thread(function, *args)

    parcel = Parcel(source, {source.name: hashlib.sha256(source.read_bytes()).hexdigest()})
    near: Any = Near()
    dispatch = _Dispatch(deque(), Orders(tmp_path, 1, cluster=near), near, lambda: False, Ear())

    async def at_once() -> None:
        worker = Worker("tcp://127.0.0.1:1", threads=4)
        await asyncio.gather(*(dispatch._provide([parcel], worker) for _ in range(4)))

    asyncio.run(at_once())
    assert offsets == [0, BLOCK, 2 * BLOCK]
    assert (tmp_path / "worker" / "files" / parcel.digest / source.name).read_bytes() == source.read_bytes()


def test_a_trainee_that_dies_in_the_middle_of_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    says = """print('{"taken": true}'); print('{"resu', end='', flush=True)"""
    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda words, **how: popen([words[0], "-c", says], **how))
    trainee = remote.Trainee({})
    assert trainee.spoken.wait(30)
    assert (trainee.alive, trainee.result) == (False, None)
    assert trainee.taken is not None
    trainee.end()


def a_run(folder: Path) -> tuple[dict[str, tuple[int, bytes]], dict[str, Any]]:
    """The files of a finished run, as a worker sends them, and its record."""
    config = load(config_file(folder)).config
    experiment = kind_of(config)(config)
    done = begin(experiment, folder / "worker")
    train(experiment, done)
    return {path.name: (0, path.read_bytes()) for path in done.path.iterdir()}, done.read_record()


def test_what_comes_home_is_checked(tmp_path: Path) -> None:
    files, record = a_run(tmp_path)
    path = tmp_path / "runs" / "small-s0-x"

    def home(run_id: str = record["id"], known_by: str = record["fingerprint"]) -> Home:
        return Home(path, run_id, record["config"], known_by)

    for name in ("../run.json", "/etc/x", ".hidden", "a/b", "c:d", "", "..", 3):
        with pytest.raises(Refused, match="a file with the name"):
            home().take([name], {name: (0, b"")})  # type: ignore[dict-item, list-item]
    for content, why in (
        (b"{", "not JSON"),
        (b"[]", "not a record"),
        (json.dumps({**record, "status": "splendid"}).encode(), "'status' cannot be 'splendid'"),
        (json.dumps({**record, "data": "0" * 16}).encode(), "data set is another"),
    ):
        with pytest.raises(Refused, match=why):
            home().take(["run.json"], {"run.json": (0, content)})
    with pytest.raises(Refused, match="another run"):
        home(run_id="abcdef").take(list(files), files)
    assert not path.exists(), "nothing is written before all is right"
    home().take([*files, "notes.json"], {**files, "notes.json": (0, b"{}")})
    found = sorted(one.name for one in path.iterdir())
    assert found == ["config.yaml", "metrics.csv", "model.npz", "run.json", "state.npz"]
    assert read(path).status == "finished"


def test_a_log_grows_at_home(tmp_path: Path) -> None:
    files, record = a_run(tmp_path)
    whole = files["metrics.csv"][1]
    home = Home(tmp_path / "runs" / "x", record["id"], record["config"], record["fingerprint"])
    running = json.dumps({**record, "status": "running"}).encode()
    home.take(["metrics.csv", "run.json"], {"metrics.csv": (0, whole[:50]), "run.json": (0, running)})
    assert read(home.path).status == "running", "this process follows it"
    assert read(home.path).record["pid"] == os.getpid()
    home.take(["metrics.csv", "run.json"], {"metrics.csv": (50, whole[50:])})
    assert (home.path / "metrics.csv").read_bytes() == whole
    with pytest.raises(Refused, match="behind the end"):
        home.take(["metrics.csv"], {"metrics.csv": (len(whole) + 1, b"x")})
    home.lost("its worker was lost")
    assert read(home.path).status == "interrupted"
