"""Where runs come from, and how to get them again: commands, descriptions, configurations, versions, machines."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnexp.report.grouping import Levels
from nnexp.report.page.answer import spans, told
from nnexp.report.page.blocks import Block, Code, Facts, Fold, Text

if TYPE_CHECKING:
    from nnexp.store.runs import Run, SweepRecord

MOST = 200
"""Configurations that a page holds."""
FEW = 20
"""Runs that a command names one by one."""
LONGEST = 160
"""Characters of a question, for a title."""


def described(sweep: SweepRecord) -> tuple[str, str]:
    """The question that a sweep's file asks in its first comment, and what else stands there; nothing where it is not
    about the whole sweep, for the command line says what varies.
    """
    if sweep.origin is None or any(not word.startswith("--") for word in sweep.origin.words):
        return "", ""
    lines = []
    for line in _read(sweep.path / "given.yaml").splitlines():
        if not line.startswith("#"):
            break
        text = line[1:]
        if not text.startswith("    ") and "yaml-language-server" not in text:
            lines.append(text.strip())
    whole = " ".join(" ".join(lines).split())
    question, mark, rest = whole.partition("?")
    is_one = mark and ". " not in question and len(question) <= LONGEST
    return (question + mark, rest.strip()) if is_one else ("", whole)


def again(runs: Sequence[Run], sweep: SweepRecord | None, words: Sequence[str]) -> list[Block]:
    """The commands that give the same runs and this page. `words` are those of `nnexp report`."""
    blocks: list[Block] = []
    ids = [run.id for run in runs[:FEW]]
    if sweep is None:
        more = f"; the first {FEW} of {len(runs)}" if len(runs) > FEW else ""
        blocks.append(Text(f"Each run is trained again by its id, and compared to the byte{more}:"))
        blocks.append(Code("\n".join(shlex.join(["nnexp", "reproduce", one]) for one in ids), "sh"))
    elif command := _command(sweep):
        same = (
            "The same numbers to the byte, with the same versions on such a machine; what is finished is not run again:"
        )
        blocks += [Text(same), Code(command, "sh")]
    blocks += [Text("This page:"), Code(shlex.join(["nnexp", "report", *words]), "sh")]
    if sweep is not None or len(runs) <= FEW:
        named = ids if sweep is None else [sweep.name]
        blocks.append(Text("The runs in one file for others, who take them in by nnexp runs import:"))
        blocks.append(Code(shlex.join(["nnexp", "runs", "export", *named, "runs.tar.gz"]), "sh"))
    if sweep is not None:
        for name, what in (("given.yaml", "as it was given"), ("sweep.yaml", "as it was expanded, all in one file")):
            if text := _read(sweep.path / name):
                blocks.append(Fold(f"The sweep's description {what}: {name}", [Code(text.strip("\n"), "yaml")]))
    return blocks


def _command(sweep: SweepRecord) -> str:
    """The command that ran a sweep last; nothing where its plan does not tell."""
    command = plan_of(sweep).get("command")
    return shlex.join(["nnexp", *map(str, command)]) if isinstance(command, list) and command else ""


def configurations(levels: Levels) -> list[Block]:
    """The filled configuration of each level, folded: that of its first seed for each setting that it pools."""
    folds: list[Fold] = []
    count = 0
    for level in levels.each:
        settings: dict[int, list[Run]] = {}
        for run in level.runs:
            settings.setdefault(id(run.brief.setting), []).append(run)
        for runs in settings.values():
            count += 1
            if count > MOST:
                continue
            seeds = spans([run.brief.seed for run in runs if isinstance(run.brief.seed, int)])
            others = f", for all of seeds {seeds}" if len(runs) > 1 else ""
            whose = f"{level.label}: " if len(levels.each) > 1 else ""
            folds.append(Fold(f"{whose}config.yaml of run {runs[0].id}{others}", [Code(_filled(runs[0]), "yaml")]))
    blocks: list[Block] = list(folds)
    if count > MOST:
        blocks.append(Text(f"{count - MOST} more are in the folders of the runs.", "small"))
    return blocks if len(blocks) <= 8 else [Fold(told(count, "configuration"), blocks)]


def _filled(run: Run) -> str:
    """A run's filled configuration: its file, or where that is gone, what its record says."""
    if text := _read(run.path / "config.yaml").strip("\n"):
        return text
    from nnexp.config.load import to_yaml

    return to_yaml(run.record["config"]).strip("\n")


def versions(records: Sequence[dict[str, Any]]) -> list[Block]:
    """What computed the runs: each combination that there was, with how many runs it computed."""
    rows: list[tuple[str, str]] = []
    for title, say in (("versions", _versions), ("machine", _machine), ("code", _code)):
        found = Counter(say(record) for record in records)
        for text, count in found.most_common():
            if text:
                rows.append((title, text if len(found) == 1 else f"{text} ({told(count, 'run')})"))
    return [Facts(rows)]


def _versions(record: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in record["versions"].items()) + f"; {record['form']} loops"


def _machine(record: dict[str, Any]) -> str:
    machine = record["machine"]
    parts = [str(machine[key]) for key in ("processor", "platform") if machine.get(key)]
    return "; ".join([*parts, *([f"{machine['cores']} cores"] if machine.get("cores") else [])])


def _code(record: dict[str, Any]) -> str:
    return f"git {record['git']}" if record.get("git") else ""


def plan_of(sweep: SweepRecord) -> dict[str, Any]:
    """plan.json; nothing where it cannot be read any more."""
    try:
        found = json.loads(_read(sweep.path / "plan.json"))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read(path: Path) -> str:
    """A file's text, with signs in the place of bytes that are none; nothing where there is no file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
