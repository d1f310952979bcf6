"""Runs as folders of TensorBoard: scalars by epoch, hyperparameters, the configuration as text."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from math import isfinite
from pathlib import Path
from typing import Any

from nnexp.engine.data import SPLITS
from nnexp.errors import InputError
from nnexp.report.trackers.base import Account, Tracker, text_of

MARK = "nnexp.json"
"""The file that says which run a folder holds; TensorBoard does not read it."""
PART = ".nnexp-part-"
"""How the name of a folder begins that is being written."""
FINAL = "final"
FAILED = ("diverged", "failed")


def tag_of(column: str) -> str:
    """The tag that a column of metrics.csv has in TensorBoard, which puts those with the same beginning together.

    >>> [tag_of(name) for name in ("train_loss", "validation_top5_accuracy", "lr")]
    ['train/loss', 'validation/top5_accuracy', 'lr']
    """
    split, _, name = column.partition("_")
    return f"{split}/{name}" if name and split in SPLITS else column


class Tensorboard(Tracker):
    """A folder for each run, below the one that is given, written with the package tensorboard alone."""

    name = "tensorboard"
    packages = ("tensorboard",)

    def __init__(self, place: str):
        super().__init__(place)
        if "://" in place:
            raise InputError(f"--out: '{place}' is an address; TensorBoard reads folders, so give a folder")
        self.folder = Path(place)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"--out: '{place}' is a file; give a folder")

    @property
    def look(self) -> str:
        return f"tensorboard --logdir {shlex.quote(str(self.folder))}"

    def has(self, account: Account) -> bool:
        path = self.folder / account.title
        if not path.exists():
            return False
        try:
            mark = json.loads((path / MARK).read_text(encoding="utf-8"))
            return account.covered(mark["stamp"], mark["tested"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path} is there and was not written by 'nnexp export'; choose another folder") from None

    def write(self, account: Account) -> None:
        path, part = self.folder / account.title, self.folder / f"{PART}{account.title}"
        try:
            shutil.rmtree(part, ignore_errors=True)  # of an export that was cut short
            part.mkdir(parents=True)
            _events(account, part)
            mark = {"stamp": account.stamp, "tested": account.tested}
            (part / MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")
            if path.exists():
                shutil.rmtree(path)
            part.rename(path)
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def _events(account: Account, folder: Path) -> None:
    """The file of events of a run."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(folder))
    try:
        for time, step, summary in _summaries(account):
            writer.add_event(Event(wall_time=time, step=step, summary=summary))
    finally:
        writer.close()


def _summaries(account: Account) -> Iterator[tuple[float, int, Any]]:
    """Time, step and content of what is written of a run."""
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb

    run = account.run
    hparams = {key: _plain(value) for key, value in account.params.items()}
    yield account.begun, 0, hparams_pb(hparams, trial_id=account.title, start_time_secs=account.begun)
    text = (run.path / "config.yaml").read_text(encoding="utf-8")
    yield account.begun, 0, text_pb("config", f"```yaml\n{text}```\n")
    labels = [*([f"tags: {', '.join(run.tags)}"] if run.tags else []), *([run.note] if run.note else [])]
    if labels:
        yield account.begun, 0, text_pb("note", "\n\n".join(labels))
    for point in account.points:
        for name, value in point.values.items():
            yield point.time, point.epoch, scalar_pb(tag_of(name), value)
    last = run.brief.epoch or 0
    for name, value in account.final.items():
        yield account.ended, last, scalar_pb(f"{FINAL}/{name}", value)
    yield account.ended, last, _end(account)


def _plain(value: Any) -> bool | float | str:
    """What the plugin for hyperparameters knows: truth values, finite numbers and words."""
    if isinstance(value, bool) or (isinstance(value, int | float) and isfinite(value)):
        return value
    return text_of(value)


def _end(account: Account) -> Any:
    """How the run ended, for the table of hyperparameters. The package's own way to say it needs TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_FAILURE if account.run.status in FAILED else api_pb2.STATUS_SUCCESS
    end = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=account.ended)
    content = plugin_data_pb2.HParamsPluginData(session_end_info=end)
    summary = Summary()
    summary.value.add(
        tag=metadata.SESSION_END_INFO_TAG,
        metadata=metadata.create_summary_metadata(content),
        tensor=metadata.NULL_TENSOR,
    )
    return summary
