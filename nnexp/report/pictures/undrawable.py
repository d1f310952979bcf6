"""Why a component has no picture."""

from __future__ import annotations


class Undrawable(Exception):
    """There is nothing sensible to draw; the text says why, as the end of 'no picture of NAME: ...'."""
