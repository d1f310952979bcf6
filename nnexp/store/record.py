"""What run.json holds: the layout that every run is written in and read back by."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

FORMAT = 1
"""Version of the layout."""


class Record(BaseModel):
    """A run's record. What comes after `surroundings` is there once the run has trained."""

    model_config = ConfigDict(frozen=True, strict=True)

    format: int
    id: str = Field(min_length=1)
    name: str
    label: str = Field("", description="what differs from the run's siblings, as in the folder's name")
    case: str | None = Field(None, description="in a sweep with cases: its case")
    seed: int
    status: Literal["running", "finished", "diverged", "failed", "interrupted", "pruned"]
    created: str = Field(description="in UTC, ISO 8601")
    fingerprint: str = Field(description="equal for runs that compute the same")
    data: str = Field(description="hash of the prepared data")
    config: dict[str, Any] = Field(description="the filled configuration")
    columns: list[str] = Field(description="of metrics.csv")
    higher_is_better: list[str] = Field(description="metrics that are to be large")

    versions: dict[str, str]
    machine: dict[str, Any]
    form: str = Field(description="of the loops: fused or numpy")
    host: str
    pid: int = Field(gt=0, lt=2**31)
    process: str | None = Field(None, description="tells the process from a later one with the same pid")
    command: list[str]
    git: str | None = None

    continued: dict[str, Any] | None = Field(
        None,
        description="the finished run that this one goes on from: its id under 'run', its last epoch under 'epoch'",
    )
    parameters: int | None = None
    examples: int | None = Field(None, description="of the training split; None where there are none, as on a surface")
    epoch: int | None = None
    step: int | None = None
    reason: str = Field("", description="why it ended")
    ended: str | None = None
    train_seconds: float | None = None
    wall_seconds: float | None = None
    memory: dict[str, int | None] | None = Field(
        None, description="bytes: estimated; peak of data and training; of the whole process"
    )
    pretraining: list[dict[str, Any]] | None = Field(
        None, description="each layer's reconstruction error before and after pre-training"
    )
    final: dict[str, float | None] | None = Field(None, description="scores of the final parameters")


def wrong_with(record: Any) -> str | None:
    """What is wrong with the content of a run.json, or None."""
    if not isinstance(record, dict):
        return "run.json is not a record"
    if record.get("format") != FORMAT:
        return f"run.json has format {record.get('format')!r}, this nnexp reads {FORMAT}"
    try:
        Record.model_validate(record)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            return f"run.json has no '{key}'"
        shown = repr(first["input"])
        return f"run.json: '{key}' cannot be {shown if len(shown) <= 40 else shown[:37] + '...'}"
    return None
