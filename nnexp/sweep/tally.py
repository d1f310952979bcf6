"""How far a stage of a sweep has come: counts by state, the best so far, runs a minute, the time that is left."""

from __future__ import annotations

from collections import Counter
from time import monotonic

from nnexp.report.standing import STATES, Best, state_of
from nnexp.sweep.jobs import Result
from nnexp.sweep.plan import Job, Plan


class Tally:
    """What this process knows of the runs of a plan that are its own."""

    def __init__(self, plan: Plan, metric: str, higher: bool):
        self.plan, self.metric, self.higher = plan, metric, higher
        self.started = monotonic()
        self.best: Best | None = None
        self.running: dict[str, tuple[Job, float]] = {}
        """The runs under way, by fingerprint, and when each was begun."""
        self.ended = 0
        """Runs that have ended since this stage began."""
        self.missing = len(plan.missing)
        self._states: dict[str, str] = {}
        for job in plan.own:
            self._states[job.fingerprint] = _at_first(job)
            if job.done is not None:
                self._consider(job, job.done.final.get(metric))

    @property
    def counts(self) -> dict[str, int]:
        """How many runs are in which state, all STATES."""
        counts = Counter(self._states.values())
        return {state: counts[state] for state in STATES}

    @property
    def total(self) -> int:
        return len(self._states)

    @property
    def over(self) -> int:
        """Runs that nothing is left to do for."""
        return self.total - self.missing + self.ended

    @property
    def seconds(self) -> float:
        """Since it began."""
        return max(monotonic() - self.started, 1e-9)

    @property
    def per_minute(self) -> float | None:
        """Runs a minute; None before the first has ended."""
        return self.ended / self.seconds * 60 if self.ended else None

    @property
    def left(self) -> float | None:
        """Seconds that are left, at the speed until now."""
        return None if self.per_minute is None else (self.missing - self.ended) / self.per_minute * 60

    def begun(self, job: Job) -> bool:
        """A run has begun; False where that is known."""
        if job.fingerprint in self.running:
            return False
        self.running[job.fingerprint] = job, monotonic()
        self._states[job.fingerprint] = "running"
        return True

    def drop(self, job: Job) -> None:
        """A run has not begun after all."""
        self.running.pop(job.fingerprint, None)
        self._states[job.fingerprint] = _at_first(job)

    def add(self, result: Result) -> None:
        """A run has ended."""
        self.running.pop(result.job.fingerprint, None)
        self._states[result.job.fingerprint] = state_of(result.status)
        self.ended += result.status != "interrupted"
        self._consider(result.job, result.final.get(self.metric))

    def _consider(self, job: Job, value: float | None) -> None:
        if value is None or value != value:
            return
        if self.best is None or (value > self.best.value if self.higher else value < self.best.value):
            self.best = Best(value, self.metric, job.trial.called)


def _at_first(job: Job) -> str:
    run = job.done or job.begun
    return "planned" if run is None else state_of(run.status)
