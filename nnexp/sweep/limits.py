"""What a run of a sweep may need at most, and how it is held to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Annotated

from pydantic import Field

from nnexp.components.base import Settings

try:
    import resource
except ImportError:  # Windows has no such limits; memory is looked at between steps only
    resource = None  # type: ignore[assignment]

MB = 1_000_000


class Exceeded(Exception):
    """A run needs more than it may; the text names the limit."""


class Limits(Settings):
    """What a run may need at most: beyond it is recorded as failed, and the sweep goes on."""

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="wall-clock seconds, those before an interruption included"
    )
    megabytes: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="memory of the run's process, of which Python and its libraries take about 150"
    )

    @property
    def any(self) -> bool:
        return self != Limits()

    @property
    def hard_seconds(self) -> float | None:
        """When a run that does not end by itself is ended from outside: it is stuck within a step."""
        return None if self.seconds is None else self.seconds * 1.1 + 5

    def why_seconds(self) -> str:
        return f"limits.seconds: it took longer than {self.seconds:g} s"

    def why_megabytes(self, found: str = "") -> str:
        return f"limits.megabytes: its process needed more than {self.megabytes:g} MB{found}"

    @contextmanager
    def held(self, stop_asked: Callable[[], bool], spent: float = 0.0) -> Iterator[Callable[[], bool]]:
        """`stop_asked` for a run that begins now and had `spent` seconds before: it raises Exceeded beyond a limit.

        An array that would take more memory than is left is refused before it is there, where the system can do that.
        """
        started = monotonic() - spent

        def asked() -> bool:
            if self.seconds is not None and monotonic() - started > self.seconds:
                raise Exceeded(self.why_seconds())
            if self.megabytes is not None and (now := resident()) > self.megabytes * MB:
                raise Exceeded(self.why_megabytes(f" ({now / MB:.0f} MB)"))
            return stop_asked()

        if self.megabytes is None:
            yield asked
            return
        asked()  # where Python and its libraries alone are too much, LLVM would end the process without a word
        with _no_more_than(int(self.megabytes * MB)):
            try:
                yield asked
            except MemoryError as error:
                raise Exceeded(self.why_megabytes(f" ({error})")) from None


def resident() -> int:
    """Bytes of memory that this process holds; the most that it ever held where the system does not tell more."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        if resource is None:
            return 0
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


@contextmanager
def _no_more_than(size: int) -> Iterator[None]:
    """Refuse memory beyond `size` bytes; on Linux only."""
    if resource is None or not Path("/proc/self/status").exists():
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    lines = Path("/proc/self/status").read_text().splitlines()
    data = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:")), 0)
    # address space that is not in use counts as well, so what matters is what may be added
    resource.setrlimit(resource.RLIMIT_DATA, (data + max(size - resident(), MB), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)
