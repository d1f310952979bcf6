"""Runs in MLflow: a database in a folder, or the server that an address names."""

from __future__ import annotations

import logging
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

from nnexp.errors import InputError
from nnexp.report.trackers.base import Account, Tracker, text_of

DATABASE, ARTIFACTS = "mlflow.db", "artifacts"
"""What a folder holds that is given to --out."""
FILES = ("config.yaml", "metrics.csv", "model.npz")
"""Artifacts, as far as a run has them. run.json is none, for it holds the test scores."""
STATUS = {"finished": "FINISHED", "diverged": "FAILED", "failed": "FAILED"}
"""MLflow's word for how a run ended."""
FINAL = "final_"
ID, STAMP, TESTED = "nnexp.id", "nnexp.stamp", "nnexp.tested"
"""Tags that a run is found by."""
UNDONE = "RUNNING"
"""The status of a run that an export has begun and not come to the end of."""
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""What MLflow reads where the user has said nothing: nobody is told of its use, a server that is not there is given up
after seconds, and stdout stays nnexp's."""

_STRANGE = re.compile(r"[^\w.\- ]")


class Mlflow(Tracker):
    """An experiment for each sweep, or name of runs without one; a run for each run."""

    name = "mlflow"
    packages = ("mlflow", "sqlalchemy", "alembic")

    def __init__(self, place: str):
        super().__init__(place)
        self.artifacts: Path | None = None
        """Where a local database's artifacts lie; a server decides for itself."""
        if "://" not in place:
            self._local(Path(place))
        else:
            self.uri = place
            if place.startswith("sqlite:///"):
                self.artifacts = Path(place.removeprefix("sqlite:///")).absolute().parent / ARTIFACTS
        self._experiments: dict[str, str] = {}
        with _told_plainly(self.place):
            self._client = _client(self.uri)

    def _local(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise InputError(f"--out: '{folder}' is a file; give a folder, or a database as sqlite:///{folder}")
        if list(folder.glob("*/meta.yaml")):
            raise InputError(
                f"--out: {folder} holds runs in the way of MLflow before 3.7, which MLflow no longer writes; give "
                "another folder (mlflow migrate-filestore makes a database of the old one)"
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror}") from None
        self.uri = f"sqlite:///{folder.absolute() / DATABASE}"
        self.artifacts = folder.absolute() / ARTIFACTS

    @property
    def look(self) -> str:
        if self.uri.startswith(("http://", "https://")):
            return self.uri
        return f"mlflow ui --backend-store-uri {shlex.quote(self.uri)}"

    def has(self, account: Account) -> bool:
        return any(self._covers(run, account) for run in self._found(account))

    def _covers(self, run: Any, account: Account) -> bool:
        tags = run.data.tags
        return run.info.status != UNDONE and account.covered(tags.get(STAMP), tags.get(TESTED) == "true")

    def write(self, account: Account) -> None:
        from mlflow.entities import Metric, Param, RunTag
        from mlflow.utils import validation as limits

        old = self._found(account)
        with _told_plainly(self.place):
            experiment = self._experiment(account.experiment)
            tags = {key: cut(value, limits.MAX_TAG_VAL_LENGTH) for key, value in tags_of(account).items()}
            begun = _milliseconds(account.begun)
            run = self._client.create_run(experiment, begun, tags, account.title).info.run_id
            params = [
                Param(key, cut(value, limits.MAX_PARAM_VAL_LENGTH))
                for key, value in params_of(account.params, limits.MAX_ENTITY_KEY_LENGTH).items()
            ]
            for part in _parts(params, limits.MAX_PARAMS_TAGS_PER_BATCH):
                self._client.log_batch(run, params=part)
            metrics = [
                Metric(name, value, _milliseconds(point.time), point.epoch)
                for point in account.points
                for name, value in point.values.items()
            ]
            last = account.run.brief.epoch or 0
            ended = _milliseconds(account.ended)
            metrics += [Metric(f"{FINAL}{name}", value, ended, last) for name, value in account.final.items()]
            for part in _parts(metrics, limits.MAX_METRICS_PER_BATCH):
                self._client.log_batch(run, metrics=part)
            for file in FILES:
                if (path := account.run.path / file).is_file():
                    self._client.log_artifact(run, str(path))
            for one in old:
                self._client.delete_run(one.info.run_id)
            self._client.log_batch(run, tags=[RunTag(TESTED, text_of(account.tested))])
            self._client.set_terminated(run, STATUS[account.run.status], ended)

    def _found(self, account: Account) -> list[Any]:
        """What earlier exports have made of this run, in any experiment."""
        with _told_plainly(self.place):
            known = [one.experiment_id for one in _all(self._client.search_experiments)]
            wanted = f"tags.`{ID}` = '{account.run.id}'"
            runs = _all(self._client.search_runs, experiment_ids=known, filter_string=wanted) if known else []
        # ids are short: that of another runs folder may be the same
        return [run for run in runs if run.data.tags.get(STAMP, "").split(" ")[0] == account.run.brief.created]

    def _experiment(self, name: str) -> str:
        """The id of an experiment, which is made where there is none."""
        if name not in self._experiments:
            found = self._client.get_experiment_by_name(name)
            if found is not None and found.lifecycle_stage != "active":
                raise InputError(
                    f"--out {self.place}: the experiment '{name}' was deleted there; 'mlflow experiments restore' "
                    "brings it back, 'mlflow gc' takes it away for good"
                )
            place = None if self.artifacts is None else self.artifacts.as_uri()
            self._experiments[name] = found.experiment_id if found else self._client.create_experiment(name, place)
        return self._experiments[name]


def tags_of(account: Account) -> dict[str, str]:
    """What is told of a run beside its configuration and scores."""
    run, record = account.run, account.run.record
    told = {
        ID: run.id,
        STAMP: account.stamp,
        "nnexp.seed": text_of(run.brief.seed),
        "nnexp.status": run.status,
        "nnexp.reason": record.get("reason", ""),
        "nnexp.sweep": ", ".join(account.sweeps),
        "nnexp.case": run.brief.case or "",
        "nnexp.label": run.brief.label,
        "nnexp.tags": ", ".join(run.tags),
        "nnexp.parameters": "" if record.get("parameters") is None else str(record["parameters"]),
        "nnexp.fingerprint": run.brief.fingerprint,
        "nnexp.data": run.brief.data,
        "nnexp.version": record["versions"].get("nnexp", ""),
        "mlflow.note.content": run.note,
        "mlflow.source.git.commit": record.get("git") or "",
    }
    return {key: value for key, value in told.items() if value}


def params_of(config: Mapping[str, Any], longest: int) -> dict[str, str]:
    """A configuration as MLflow takes it: keys of the signs and the length that it allows, no two the same.

    >>> params_of({"optimizer.lr": 0.1, "loss.class_weights.a/b": 2, "loss.class_weights.a:b": 3}, 250)
    {'optimizer.lr': '0.1', 'loss.class_weights.a_b': '2', 'loss.class_weights.a_b_2': '3'}
    """
    told: dict[str, str] = {}
    for key, value in config.items():
        plain = _STRANGE.sub("_", key)
        if len(plain) > longest:
            plain = f"{plain[: longest - 13]}_{sha256(key.encode()).hexdigest()[:8]}"
        free, number = plain, 2
        while free in told:
            free, number = f"{plain}_{number}", number + 1
        told[free] = text_of(value)
    return told


def cut(text: str, longest: int) -> str:
    """A text of the length that is allowed; the whole one stands in the run's own files.

    >>> cut("0123456789", 6)
    '01234…'
    """
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _client(uri: str) -> Any:
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=uri)


@contextmanager
def _told_plainly(place: str) -> Iterator[None]:
    """MLflow's errors as InputError, and its talk about the tables of a new database left out."""
    talkers = [logging.getLogger(name) for name in ("mlflow", "alembic")]
    before = [talker.level for talker in talkers]
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    for talker in talkers:
        talker.setLevel(logging.ERROR)
    try:
        yield
    except MlflowException as error:
        raise InputError(f"--out {place}: MLflow says: {str(error).splitlines()[0]}") from None
    except (SQLAlchemyError, OSError) as error:
        raise InputError(f"--out {place}: {str(error).splitlines()[0]}") from None
    finally:
        for talker, level in zip(talkers, before, strict=True):
            talker.setLevel(level)


def _all(search: Any, **words: Any) -> list[Any]:
    """Every page of a search."""
    found: list[Any] = []
    token = None
    while True:
        page = search(**words, page_token=token)
        found += page
        if not (token := page.token):
            return found


def _parts(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _milliseconds(time: float) -> int:
    return round(1000 * time)
