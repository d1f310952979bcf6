"""Ctrl-C and SIGTERM: the first asks for a clean end with a checkpoint, the second ends at once."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType

from nnexp.cli.console import say

INTERRUPTED = 130
TERMINATED = 143


class Interrupt:
    """While this context is open, the first signal only sets `asked`; `exit_code` says which one it was."""

    def __init__(self, what: str = "finishing this step and writing a checkpoint"):
        self.asked = False
        self.exit_code = INTERRUPTED
        self.what = what
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interrupt:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.exit_code = INTERRUPTED if number == signal.SIGINT else TERMINATED
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        say(f"\n{self.what}; again to stop at once")

    def ask(self, who: str) -> None:
        """Ask for a clean end as the first signal does, on behalf of another process."""
        self.asked = True
        say(f"asked to end by {who}: {self.what}; Ctrl-C to stop at once")
