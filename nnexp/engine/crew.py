"""Threads that work beside the main one, many times in short turns, without being woken each time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nnexp.engine.tape import attend

PATIENCE = 100_000
"""How often a thread looks for its next job before it sleeps: well under a millisecond."""


class Crew:
    """Helpers for the main thread. A job must release the interpreter's lock for most of its time.

    To wake a sleeping thread takes as long as several small training steps, so a helper that has done a job looks for
    the next one for a while, in compiled code.
    """

    def __init__(self, helpers: int):
        self.size = helpers
        self._helpers = [_Helper() for _ in range(helpers)]

    def begin(self, jobs: Sequence[Callable[[], Any]]) -> None:
        """Give each helper a job."""
        for helper, job in zip(self._helpers, jobs, strict=True):
            helper.begin(job)

    def finish(self) -> None:
        """Wait until all jobs are done. Raises what one of them raised."""
        for helper in self._helpers:
            helper.finish()

    def dismiss(self) -> None:
        """End the threads."""
        for helper in self._helpers:
            helper.begin(None)


class _Helper:
    """One thread."""

    def __init__(self) -> None:
        self.given, self.finished = np.zeros(1, np.int64), np.zeros(1, np.int64)
        self.job: Callable[[], Any] | None = None
        self.error: BaseException | None = None
        self.asleep = False
        self.lock, self.bell = threading.Lock(), threading.Semaphore(0)
        threading.Thread(target=self._work, daemon=True).start()

    def begin(self, job: Callable[[], Any] | None) -> None:
        with self.lock:
            self.job = job
            self.given[0] += 1
            wake, self.asleep = self.asleep, False
        if wake:
            self.bell.release()

    def finish(self) -> None:
        while not attend(self.finished, self.given[0] - 1, PATIENCE):
            pass
        if self.error is not None:
            error, self.error = self.error, None
            raise error

    def _work(self) -> None:
        taken = 0
        while True:
            if not attend(self.given, taken, PATIENCE):
                with self.lock:
                    self.asleep = self.given[0] == taken
                    sleep = self.asleep
                if sleep:
                    self.bell.acquire()
            taken += 1
            if self.job is None:
                return
            try:
                self.job()
            except BaseException as error:  # it is raised where the job was given
                self.error = error
            self.finished[0] += 1
