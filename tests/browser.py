"""A real Chromium without a window, spoken to in the DevTools protocol over a pipe: pages as a reader meets them."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select
from typing import Any

import pytest

from nnexp.report.page.printed import BROWSERS, flags

SECONDS = 60.0
"""That an answer may take."""


def required(*programs: str, package: str) -> str:
    """The first of these programs that is installed. Without one the test is skipped, and in CI fails."""
    for name in programs:
        if found := shutil.which(name):
            return found
    message = f"needs {programs[0]}, of the Debian package {package}"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


class Browser:
    """One page of a browser."""

    def __init__(self, write: int, read: int):
        self._write, self._read = write, read
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        """All that it has told without being asked."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A command, and its result. Raises AssertionError for a refusal."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            assert select([self._read], [], [], SECONDS)[0], "the browser says nothing"
            part = os.read(self._read, 1 << 20)
            assert part, "the browser has ended"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def open(self, path: Path) -> None:
        """Show a file, and wait until it is there."""
        before = len(self.of("Page.loadEventFired"))
        self.ask("Page.navigate", url=path.as_uri())
        while len(self.of("Page.loadEventFired")) == before:
            self.events.append(self._next())

    def run(self, script: str) -> Any:
        """The value of an expression in the page, from outside of what its security policy forbids."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str, text: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key, text=text if kind == "keyDown" else "",
                     windowsVirtualKeyCode=13 if key == "Enter" else 32)  # fmt: skip

    def of(self, method: str) -> list[dict[str, Any]]:
        """What it has told of one kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Errors and warnings of pages: in scripts, in loading, by the security policy."""
        said = [entry for entry in self.of("Runtime.consoleAPICalled") if entry["type"] in ("error", "warning")]
        return [*said, *self.of("Runtime.exceptionThrown"), *self.of("Log.entryAdded")]

    @property
    def asked_for(self) -> list[str]:
        """Every address that was requested."""
        return [event["request"]["url"] for event in self.of("Network.requestWillBeSent")]


@contextmanager
def chromium(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own in this folder; it ends with the context."""
    program = required(*BROWSERS, package="chromium")
    to_read, to_write = os.pipe()
    from_read, from_write = os.pipe()
    words = [program, *flags(folder / "profile"), "--remote-debugging-pipe", "about:blank"]
    with (folder / "chromium.log").open("wb") as log:
        pid = os.posix_spawn(
            program,
            words,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, log.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, log.fileno(), 2),
                # through numbers that nothing has, for one of the pipes may be 3 or 4 itself
                (os.POSIX_SPAWN_DUP2, to_read, 200),
                (os.POSIX_SPAWN_DUP2, from_write, 201),
                (os.POSIX_SPAWN_DUP2, 200, 3),
                (os.POSIX_SPAWN_DUP2, 201, 4),
            ],
            setpgroup=0,
        )
    os.close(to_read)
    os.close(from_write)
    try:
        yield Browser(to_write, from_read)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(to_write)
        os.close(from_read)
