"""What holds for every command: stdout is data, stderr is talk, pipes are respected, help helps and comes quickly."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nnexp.cli.contents import GROUPS, load
from nnexp.cli.main import EXIT_CODES
from nnexp.store.labels import change_labels
from tests.command import Outcome, nnexp, nnexp_process
from tests.past import past_run, past_sweep, present
from tests.small import config_file

COMMANDS = {name: entry for group in GROUPS.values() for name, entry in group.items()}

WORDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "small.yaml"),
    "sweep": ("sweep", "small.yaml", "optimizer=sgd,adam", "-j", "1"),
    "sweep --dry-run": ("sweep", "small.yaml", "optimizer=sgd,adam", "--dry-run"),
    "sweep --json": ("sweep", "small.yaml", "--json", "-j", "1"),
    "sweep --status": ("sweep", "--status"),
    "claims": ("claims", "claim.yaml", "-j", "1"),
    "claims --dry-run": ("claims", "claim.yaml", "--dry-run"),
    "stop": ("stop", "grid", "--no-wait"),
    "variance": ("variance", "small.yaml", "streams.data=1", "streams.split=1", "--blocks", "2", "-j", "1"),
    "variance --dry-run": ("variance", "small.yaml", "--dry-run"),
    "calibrate": ("calibrate", "small.yaml", "--seeds", "10", "--compare-n", "6", "-j", "1"),
    "calibrate --dry-run": ("calibrate", "small.yaml", "--dry-run"),
    "check": ("check", "small.yaml"),
    "compare": ("compare",),
    "compare --each": ("compare", "--each"),
    "report": ("report",),
    "report --format": ("report", "@last", "--format", "markdown"),
    "show": ("show",),
    "diff": ("diff", "@last~1", "@last"),
    "reproduce": ("reproduce", "trained"),
    "runs": ("runs",),
    "runs export": ("runs", "export", "@last", "new.zip"),
    "export": ("export", "trained", "--to", "tensorboard", "--out", "there"),
    "runs import": ("runs", "import", "old.tar.gz"),
    "tag": ("tag", "@last", "good"),
    "note": ("note", "@last", "a note"),
    "note to read": ("note", "@last~1"),
    "rm": ("rm", "@last"),
    "restore": ("restore", "removed"),
    "list": ("list",),
    "explain": ("explain", "adam"),
    "plot": ("plot", "components", "clip", "norm"),
    "plot run": ("plot", "run"),
    "plot curves": ("plot", "curves"),
    "plot curves --out": ("plot", "curves", "--out", "c.pdf", "--text"),
    "plot strips": ("plot", "strips"),
    "schema": ("schema",),
    "reference": ("reference", "batch"),
    "init": ("init", "new.yaml"),
}
"""A use of every command that prints something."""
each_use = pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in WORDS.items()])


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folder of a run that was trained, and an export of it."""
    folder = tmp_path_factory.mktemp("once")
    config_file(folder)
    assert nnexp("train", "small.yaml", "--quiet", cwd=folder).code == 0
    assert nnexp("runs", "export", "@last", "old.tar.gz", cwd=folder).code == 0
    [path] = (folder / "runs").iterdir()
    path.rename(folder / "trained")
    return folder


@pytest.fixture
def folder(tmp_path: Path, once: Path) -> Path:
    """A folder with a configuration, two past runs, one that was removed, one that lies elsewhere, and an export.

    This process counts as being at work at a sweep.
    """
    config_file(tmp_path)
    claim = {"better": {"optimizer": "adam"}, "than": {"optimizer": "sgd"}}
    config_file(tmp_path, "claim", stop=1, grid={"optimizer": ["adam", "sgd"]}, claim=claim)
    for seed in range(2):
        path = past_run(tmp_path / "runs", 0.5 + seed / 10, seed=seed)
        change_labels([path], lambda labels: replace(labels, note="noted before"))
    past_run(tmp_path / "runs" / ".bin", 0.5, name="removed")
    present(past_sweep(tmp_path / "runs", "grid-1", [], "2025-01-01"))
    shutil.copytree(once / "trained", tmp_path / "trained")
    shutil.copy(once / "old.tar.gz", tmp_path)
    return tmp_path


def test_every_command_is_used_here() -> None:
    assert {words[0] for words in WORDS.values()} == set(COMMANDS)


# -- what is data and what is talk -----------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        "train",
        "sweep",
        "claims",
        "variance",
        "calibrate",
        "check",
        "compare",
        "show",
        "diff",
        "reproduce",
        "runs",
        "list",
        "explain",
        "schema",
    ],
)
def test_json_on_stdout(folder: Path, command: str) -> None:
    words = WORDS[command] if command == "schema" else (*WORDS[command], "--format", "json")
    result = nnexp(*words, cwd=folder)
    assert result.code == 0
    assert isinstance(json.loads(result.out), dict | list)


@pytest.mark.parametrize(
    "command",
    [
        "sweep",
        "sweep --dry-run",
        "claims",
        "claims --dry-run",
        "variance",
        "variance --dry-run",
        "calibrate",
        "compare",
        "diff",
        "runs",
        "list",
    ],
)
def test_csv_on_stdout(folder: Path, command: str) -> None:
    header, *rows = csv.reader(io.StringIO(nnexp(*WORDS[command], "--format", "csv", cwd=folder).out, newline=""))
    assert rows
    assert {len(row) for row in rows} == {len(header)}


@each_use
@pytest.mark.parametrize("environment", [{}, {"NO_COLOR": "1"}, {"NO_COLOR": "1", "FORCE_COLOR": "1"}], ids=str)
def test_no_colours_where_none_are_wanted(folder: Path, words: tuple[str, ...], environment: dict[str, str]) -> None:
    result = nnexp(*words, cwd=folder, **environment)
    assert result.code == 0
    assert "\x1b[3" not in result.out + result.err, "a colour"
    if not environment:
        assert "\x1b" not in result.out + result.err, "a pipe gets text alone"


def test_colours_where_they_are_wanted(folder: Path) -> None:
    past_run(folder / "runs", 0.9, optimizer={"name": "nag", "lr": 1.0})
    assert "\x1b[1;32m" in nnexp("compare", "--each", cwd=folder, FORCE_COLOR="1").out


@pytest.mark.parametrize("command", ["train", "sweep", "claims", "variance", "calibrate", "reproduce"])
def test_quiet_is_silent(folder: Path, command: str) -> None:
    assert nnexp(*WORDS[command], "--quiet", cwd=folder) == Outcome(0, "", "")


@pytest.mark.parametrize("command", ["train", "sweep"])
def test_no_live_display_in_continuous_integration(folder: Path, command: str) -> None:
    result = nnexp(*WORDS[command], cwd=folder, CI="true", FORCE_COLOR="1")
    assert "\x1b[2K" not in result.err, "no line is erased"
    assert result.err.count("\n") > 3


# -- pipes -----------------------------------------------------------------------------------------


@pytest.mark.slow
@each_use
def test_a_closed_pipe_is_no_failure(folder: Path, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "nnexp", *words], cwd=folder, stdout=writer, stderr=subprocess.PIPE, text=True
    )
    os.close(writer)
    assert done.returncode == 0
    for word in ("Traceback", "BrokenPipe", "Exception", "nnexp failed"):
        assert word not in done.stderr


def test_the_first_line_of_many(folder: Path) -> None:
    command = f"{sys.executable} -m nnexp list | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True)
    assert done.stdout.split() == ["family", "name", "what", "it", "does"]
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full disk to offer")
def test_a_full_disk_is_a_failure(folder: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "nnexp", "list"], cwd=folder, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1
    assert done.stderr == "nnexp failed: [Errno 28] No space left on device\n"


# -- help ------------------------------------------------------------------------------------------


def test_help_lists_the_commands_and_the_exit_codes() -> None:
    result = nnexp("--help", cwd=Path.cwd(), COLUMNS="200")
    assert (result.code, result.err) == (0, "")
    words = " ".join(result.out.split())
    for name, entry in COMMANDS.items():
        assert f" {name} " in words
        assert entry.example in words
    assert EXIT_CODES in words
    for code in (
        "0 done",
        "1 a run failed or diverged",
        "2 wrong input",
        "3 a sweep",
        "4 a reproduced",
        "130 Ctrl-C",
        "143 SIGTERM",
    ):
        assert code in EXIT_CODES


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_an_example(command: str) -> None:
    result = nnexp(command, "--help", cwd=Path.cwd(), COLUMNS="200")
    assert (result.code, result.err) == (0, "")
    assert f"Example: {COMMANDS[command].example}" in " ".join(result.out.split())
    assert nnexp(command, "-h", cwd=Path.cwd(), COLUMNS="200").out == result.out


@pytest.mark.parametrize(
    "command", ["train", "sweep", "claims", "check", "compare", "show", "diff", "reproduce", "runs", "list", "explain"]
)
def test_help_names_the_formats_that_there_are(folder: Path, command: str) -> None:
    words = " ".join(nnexp(command, "--help", cwd=folder, COLUMNS="200").out.split())
    said = re.search(r"--format FORMAT (.*?)\.", words)
    assert said is not None
    formats = re.split(r", | or ", said[1])
    for how in ("table", "markdown", "csv", "json"):
        result = nnexp(*WORDS[command], "--format", how, cwd=folder)
        assert (result.code == 0) == (how in formats), how


@pytest.mark.parametrize("command", COMMANDS)
def test_the_list_of_commands_says_what_their_own_help_says(command: str) -> None:
    assert load(command).help.split("\n")[0] == COMMANDS[command].says


@pytest.mark.parametrize("width", ["80", "60"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help_fits_the_terminal(command: str, width: str) -> None:
    result = nnexp(*command.split(), "--help", cwd=Path.cwd(), COLUMNS=width)
    assert max(map(len, result.out.splitlines())) <= int(width)


def test_alone_it_shows_its_help() -> None:
    result = nnexp(cwd=Path.cwd())
    assert result.code == 2
    assert "Usage: nnexp" in result.out + result.err


def test_a_command_that_does_not_exist() -> None:
    result = nnexp("trian", cwd=Path.cwd())
    assert (result.code, result.out) == (2, "")
    assert "Did you mean 'train'" in result.err


def test_the_version() -> None:
    from nnexp import __version__

    assert nnexp("--version", cwd=Path.cwd()).out == f"nnexp {__version__}\n"
    assert nnexp_process("--version", cwd=Path.cwd()) == Outcome(0, f"nnexp {__version__}\n", "")


# -- completion ------------------------------------------------------------------------------------


def completed(folder: Path, line: str) -> list[str]:
    """What bash offers behind this line, in which it has set `=` apart."""
    words = line.split()
    position = len(words) if line.endswith(" ") else len(words) - 1
    environment = {"_NNEXP_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(position)}
    result = nnexp(cwd=folder, **environment)
    assert (result.code, result.err) == (0, "")
    return result.out.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("nnexp ", list(COMMANDS)),
        ("nnexp tr", ["train"]),
        ("nnexp compare --met", ["--metric"]),
        ("nnexp list opt", ["optimizer"]),
        ("nnexp explain ada", ["adadelta", "adagrad", "adam", "adamw"]),
        ("nnexp show 0", ["0"]),
        ("nnexp compare pa", ["past"]),
        ("nnexp train --resume @", ["@last"]),
        ("nnexp runs ", ["export", "import"]),
        ("nnexp rm pa", ["past"]),
        ("nnexp restore re", ["removed"]),
    ],
)
def test_completion(folder: Path, line: str, offered: list[str]) -> None:
    found = completed(folder, line)
    for word in offered:
        assert any(one.startswith(word) for one in found), word
    assert all(one.startswith(line.split(" ")[-1]) for one in found)


@pytest.mark.parametrize("command", ["train small.yaml", "sweep small.yaml", "check small.yaml"])
def test_completion_of_overrides(folder: Path, command: str) -> None:
    keys = completed(folder, f"nnexp {command} opt")
    assert "optimizer=" in keys
    assert "optimizer.lr=" in keys
    assert {"sgd", "adam"} <= set(completed(folder, f"nnexp {command} optimizer ="))
    found = completed(folder, f"nnexp {command} optimizer = ad")
    assert "adam" in found
    assert "sgd" not in found
    assert "optimizer=adam" in completed(folder, f"nnexp {command} optimizer=ad"), "as other shells ask"


# -- quickness -------------------------------------------------------------------------------------

HEAVY = {"numpy", "numba", "pandas", "scipy", "pebble", "threadpoolctl"}


@pytest.mark.parametrize(
    ("words", "allowed"),
    [
        (("--help",), set()),
        (("--version",), set()),
        (("compare", "--help"), set()),
        (("runs", "--runs", "none"), HEAVY - {"numba", "pandas", "scipy", "pebble", "threadpoolctl"}),
        (("train", "no_such_file.yaml"), HEAVY - {"numba", "pandas", "scipy", "pebble"}),
        (("list",), HEAVY - {"numba", "pandas", "scipy", "pebble"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_heavy_libraries_wait_until_they_are_needed(words: tuple[str, ...], allowed: set[str]) -> None:
    script = (
        "import sys; from nnexp.cli.main import main; sys.argv = ['nnexp', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: print('\\n' + ' '.join(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "typer" in loaded
    assert HEAVY & loaded <= allowed
    commands = {entry.place.partition(":")[0] for name, entry in COMMANDS.items() if name not in words}
    assert words[0] in COMMANDS or not {f"nnexp.cli.{name}" for name in commands} & loaded
