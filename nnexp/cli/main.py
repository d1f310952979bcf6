"""The program `nnexp`: its commands in groups, and what happens to errors."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    print("under construction", file=sys.stderr)
