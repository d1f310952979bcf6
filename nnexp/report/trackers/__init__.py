"""Programs that other people keep their runs in, and what a past run becomes there."""

from nnexp.report.trackers.base import Tracker, account
from nnexp.report.trackers.mlflow import Mlflow
from nnexp.report.trackers.tensorboard import Tensorboard

TRACKERS: dict[str, type[Tracker]] = {cls.name: cls for cls in (Mlflow, Tensorboard)}

__all__ = ["TRACKERS", "Tracker", "account"]
