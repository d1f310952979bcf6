"""A page on paper: HTML printed to PDF by a Chromium that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from nnexp.errors import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
"""Programs that can print, all of one family."""
QUIET = (
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-dev-shm-usage",
)
"""No window, and no word to anybody."""
SECONDS = 120.0
MARK = b"\n% nnexp report\n"
"""Behind the end of a file, where readers look no further: what wrote it."""


def browser() -> str:
    """The program that prints. Raises InputError where there is none."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise InputError(
        "--format pdf: printing needs Chromium, and none is installed: apt-get install chromium "
        "(or write HTML, and print it from a browser)"
    )


def flags(profile: Path) -> list[str]:
    """Those of a Chromium that begins with nothing, in a folder of its own."""
    # its sandbox does not work for root
    alone = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return [*QUIET, *alone, f"--user-data-dir={profile}"]


def as_pdf(page: str) -> bytes:
    """A page of HTML as PDF. Raises InputError where the browser does not print."""
    program = browser()
    with tempfile.TemporaryDirectory(prefix="nnexp-print-", ignore_cleanup_errors=True) as folder:
        source, target = Path(folder, "page.html"), Path(folder, "page.pdf")
        source.write_text(page, encoding="utf-8")
        words = [*flags(Path(folder, "profile")), "--no-pdf-header-footer", f"--print-to-pdf={target}", source.as_uri()]
        try:
            done = subprocess.run(
                [program, *words], stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"--format pdf: {program} did not print: {error}") from None
        content = target.read_bytes() if target.is_file() else b""
        if not content.startswith(b"%PDF"):
            last = (done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
            raise InputError(f"--format pdf: {program} ended with {done.returncode} and printed nothing: {last}")
    return content.rstrip() + MARK
