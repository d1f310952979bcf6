"""The reference pages are those of the components as they are, whole, and the build refuses what lacks a part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nnexp.components.base import Component, Documentation, members
from nnexp.config.load import load_data
from nnexp.config.yaml import parse
from nnexp.report.vocabulary import described, families
from tests.command import nnexp, nnexp_process
from tests.report.test_pictures import PLUGIN

pytest.importorskip("matplotlib")

COMMITTED = Path(__file__).parent.parent.parent / "docs" / "reference"
LARGEST = 2_500_000
EVERY = [cls for family in families().values() for cls in members(family).values()]
each_component = pytest.mark.parametrize("cls", EVERY, ids=lambda cls: f"{cls.family}-{cls.label()}")


def section(cls: type[Component]) -> str:
    """What the committed page says of a component."""
    page = (COMMITTED / f"{cls.family}.md").read_text()
    return page.split(f"\n## {cls.label()}\n")[1].split("\n## ")[0]


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_the_committed_pages_are_current(tmp_path: Path) -> None:
    """If this fails: nnexp reference"""
    outcome = nnexp_process("reference", "--output", "made", cwd=tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert files(tmp_path / "made") == files(COMMITTED)
    for page in (tmp_path / "made").glob("*.md"):
        assert page.read_text() == (COMMITTED / page.name).read_text(), page.name
    assert sorted(outcome.out.split()) == sorted(f"made/{page.name}" for page in COMMITTED.glob("*.md"))
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*")) < LARGEST


@each_component
def test_a_section_holds_everything(cls: type[Component]) -> None:
    text, documentation = section(cls), Documentation.of(cls)
    plain = re.sub(r"\]\([a-z_.#0-9]+\)|[\[\]\\`]", "", text)
    assert f"```text\n{documentation.formula}\n```" in text
    assert f"```pycon\n{documentation.example}\n```" in text
    for part in (documentation.summary, documentation.source, documentation.differs, documentation.notes):
        for paragraph in part.split("\n\n"):
            assert re.sub(r"[\[\]\\`]", "", paragraph) in plain
    for alias in cls.aliases:
        assert f"`{alias}`" in text
    for field in described(cls)["fields"]:
        [row] = [line for line in text.splitlines() if line.startswith(f"| `{field['field']}` |")]
        cells = [cell.strip().replace("\\", "") for cell in re.split(r"(?<!\\)\|", row)]
        assert cells[2:5] == [field["default"], field["bounds"], field["description"].replace("\\", "")]
    for dialect, defaults in cls.dialects.items():
        [line] = [line for line in text.splitlines() if line.startswith(f"Defaults with dialect {dialect}: ")]
        assert all(key in line for key in defaults)


@each_component
def test_the_yaml_of_a_section_is_valid(cls: type[Component]) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", section(cls), re.DOTALL)
    if cls.family == "metric":
        assert blocks == []
        return
    [block] = blocks
    assert cls.label() in block
    if "..." not in block:  # what the reader has to fill in
        load_data({"dataset": "digits", **parse(block, "page").data}, "page")


def test_each_picture_is_shown() -> None:
    shown = {
        path for page in COMMITTED.glob("*.md") for path in re.findall(r"\]\((pictures/[^)]+)\)", page.read_text())
    }
    assert shown == {f"pictures/{path.name}" for path in (COMMITTED / "pictures").iterdir()}


def test_one_family(tmp_path: Path) -> None:
    (tmp_path / "pages" / "pictures").mkdir(parents=True)
    for name in ("clip-gone.svg", "loss-mse.svg"):
        (tmp_path / "pages" / "pictures" / name).write_text("")
    outcome = nnexp("reference", "clip", "-o", "pages", cwd=tmp_path)
    assert (outcome.code, outcome.out, outcome.err) == (0, "pages/clip.md\n", "")
    pictures = [f"pictures/clip-{name}.svg" for name in members(families()["clip"])]
    assert files(tmp_path / "pages") == sorted(["clip.md", "pictures/loss-mse.svg", *pictures])


def test_what_lacks_a_part_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    outcome = nnexp_process("reference", "--plugin", "mine.py", cwd=tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    first, last = outcome.err.splitlines()
    assert re.fullmatch(
        r"optimizer 'bare' \(nnexp_plugin_mine_\w+\.Bare\): its docstring has no formula and no source and no example",
        first,
    )
    assert last.startswith("The reference was not built")
    assert files(tmp_path) == ["mine.py"]


def test_a_plugins_component_has_its_section(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    outcome = nnexp_process("reference", "activation", "--plugin", "mine.py", "-o", "pages", cwd=tmp_path)
    assert outcome.code == 0, outcome.err
    text = (tmp_path / "pages" / "activation.md").read_text()
    assert "## wave\n\nWave.\n\n![wave](pictures/activation-wave.svg)" in text
    assert (tmp_path / "pages" / "pictures" / "activation-wave.svg").stat().st_size > 1000
