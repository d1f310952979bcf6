"""How worker processes start: forked from a process that has imported everything while the command reads its files."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from nnexp.config.environment import THREAD_VARIABLES
from nnexp.errors import InputError

FORKSERVER = "forkserver"


def default_jobs() -> int:
    """The cores that this process may use, or NNEXP_JOBS."""
    text = os.environ.get("NNEXP_JOBS", "")
    if text and not (text.isdigit() and int(text) > 0):
        raise InputError(f"environment variable NNEXP_JOBS: must be a whole number >= 1, found '{text}'")
    if text:
        return int(text)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_method() -> str:
    """`forkserver` where the system has it and no environment variable NNEXP_START says `spawn`."""
    can = FORKSERVER in multiprocessing.get_all_start_methods()
    return FORKSERVER if can and os.environ.get("NNEXP_START") != "spawn" else "spawn"


def start_early(modules: list[str]) -> None:
    """Start the process that workers are forked from, which imports these modules while this one goes on."""
    if start_method() != FORKSERVER:
        return
    from multiprocessing import forkserver

    multiprocessing.set_forkserver_preload(["nnexp.sweep.warm", *modules])
    with one_thread(), without_interrupts():
        forkserver.ensure_running()


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Threads and processes started meanwhile never see Ctrl-C, from their first moment on: it is for the parent."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # it lets interrupts in when it starts, so that must be over
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def one_thread() -> Iterator[None]:
    """Workers started meanwhile inherit one BLAS thread; it must be set before they import NumPy."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
