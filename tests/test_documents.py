"""Every configuration in configs/ trains, shortened, and every command in README.md and docs/ runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from nnexp.components.base import members
from nnexp.components.datasets import Dataset
from tests.command import folders, nnexp, nnexp_process

ROOT = Path(__file__).parent.parent
EXPERIMENTS = sorted((ROOT / "configs").glob("*.yaml"))
SWEEPS = sorted(
    path for folder in ("sweeps", "claims", "replications") for path in (ROOT / "configs" / folder).glob("*.yaml")
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WRITTEN = [page for page in PAGES if page.parent.name != "reference"]
"""Pages by hand; those of the reference are made, and their configurations are checked in tests/report."""


def commands(page: Path) -> list[list[str]]:
    """The words of each nnexp command on a page: in its `sh` blocks, and in indented lines that end in one."""
    text = page.read_text()
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    lines += [
        part for line in re.findall(r"^ {4}(python3 -m venv .*)$", text, re.MULTILINE) for part in line.split("&&")
    ]
    found = [shlex.split(line.replace(".venv/bin/", ""), comments=True) for line in lines]
    return [words[1:] for words in found if words and words[0] == "nnexp"]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a copy of configs/, as a user's checkout has it."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    return tmp_path


def require_package_of(path: Path) -> None:
    """Skip the test, by name, where the data set of the configuration comes with a package that is missing."""
    data_set = yaml.safe_load(path.read_text()).get("dataset", "digits")
    name = data_set if isinstance(data_set, str) else data_set["name"]
    package = getattr(members(Dataset).get(name), "package", None)
    if package is not None:
        pytest.importorskip(package)


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_configuration_trains(path: Path, checkout: Path) -> None:
    require_package_of(path)
    # what a plugin defines would stay in this process
    run = nnexp_process if "plugins:" in path.read_text() else nnexp
    outcome = run("train", f"configs/{path.name}", "stop.epochs=2", "--format", "json", cwd=checkout)
    assert outcome.code == 0, outcome.err
    final = json.loads((checkout / outcome.json["path"] / "run.json").read_text())["final"]  # test scores, too
    splits = {name.partition("_")[0] for name in final} - {"batch", "prequential"}
    losses = [final[f"{split}_loss"] for split in splits]
    assert splits in ({"train"}, {"train", "validation", "test"})  # a surface has no other splits
    assert all(0 <= loss < 10 for loss in losses)


@pytest.mark.slow
@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_sweep_runs(path: Path, checkout: Path) -> None:
    short = ("--tune", 2) if "\ntune:" in path.read_text() else ()
    words = ("sweep", str(path.relative_to(ROOT)), "stop.epochs=1", "--seeds", 1, *short)
    planned = nnexp(*words, "--dry-run", "--format", "json", cwd=checkout)
    assert planned.code == 0, planned.err
    assert not (checkout / "runs").exists()
    outcome = nnexp(*words, "--jobs", 1, "--format", "json", cwd=checkout)
    # some of these sweeps go to where training diverges, and exit code 3 says so
    assert outcome.code in (0, 3), outcome.err
    rows = outcome.json["rows"]
    compared = [row for row in planned.json["rows"] if row["seed"] == 0]  # a tuning has seeds of its own
    assert sum(row.get("runs", 1) for row in rows) == len(compared)
    assert len(folders(checkout / "runs")) == len(planned.json["rows"])


def test_every_example_starts_with_its_schema() -> None:
    for path in [*EXPERIMENTS, *SWEEPS]:
        schema = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", path.read_text().splitlines()[0])
        assert schema, path
        assert (path.parent / schema[1]).is_file(), path


@pytest.mark.parametrize(("name", "sweep"), [("schema.json", False), ("sweep.schema.json", True)])
def test_schema_is_current(name: str, sweep: bool) -> None:
    """If this fails: nnexp schema > configs/schema.json; nnexp schema --sweep > configs/sweep.schema.json

    In a process of its own, for in this one plugins may have been loaded.
    """
    told = nnexp_process("schema", *(["--sweep"] if sweep else []), cwd=ROOT).json
    assert json.loads((ROOT / "configs" / name).read_text()) == told


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_commands_of_a_page_run(page: Path, checkout: Path) -> None:
    for words in commands(page):
        target = checkout / "my.yaml"
        if words[0] == "init" and target.exists():
            target.unlink()
        outcome = nnexp(*words, cwd=checkout)
        # the sweep over initializations holds one that diverges
        allowed = {0, 3} if any("initialization.yaml" in word for word in words) else {0}
        assert outcome.code in allowed, f"{shlex.join(words)}\n{outcome.err}"
        assert outcome.out or outcome.err


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target, heading in re.findall(r"\]\(([^)#:]*)#?([^)#:]*)\)", page.read_text()):
            linked = page.parent / target if target else page
            assert linked.exists(), f"{page.name}: {target}"
            if heading:
                headings = [line.lstrip("# ") for line in linked.read_text().splitlines() if line.startswith("#")]
                assert heading in [text.lower().replace(" ", "-") for text in headings], f"{page.name}: #{heading}"


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.stem)
def test_configurations_on_a_page_are_valid(page: Path, checkout: Path) -> None:
    for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)):
        path = checkout / "configs" / f"block{number}.yaml"
        path.write_text(block)
        words = ["sweep", path, "--dry-run"] if re.search("^(grid|search|tune):", block, re.M) else ["check", path]
        outcome = (nnexp_process if "plugins:" in block else nnexp)(*words, cwd=checkout)
        assert outcome.code == 0, outcome.err
