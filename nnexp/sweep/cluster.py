"""A Dask cluster that a sweep's runs train on: its address, its workers and what they are, and calls of theirs.

Everything goes through the scheduler, so that only its address must be reached. The client lives in a thread with a
loop of its own.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import re
import secrets
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

from nnexp import __version__
from nnexp.errors import InputError, nearest
from nnexp.sweep import remote
from nnexp.sweep.start import without_interrupts

LOCAL = "local"
PORT = 8786
"""Where a Dask scheduler listens unless it is told otherwise."""
REACHED = 5.0
"""Seconds within which something must answer at the address."""
SPOKEN = 15.0
"""Seconds within which it must answer as a scheduler, and a worker must come."""
LOOK = 1.0
"""Seconds between two looks at which workers are there, for a hundred of them."""

T = TypeVar("T")


class Lost(Exception):
    """A worker is gone, or cannot do what it was asked; the text says which and why."""


class ClusterGone(ConnectionError):
    """The scheduler is gone, and all workers with it."""


@dataclass(eq=False)
class Worker:
    """A worker of the cluster that runs this version of nnexp."""

    address: str
    threads: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    held: set[str] = field(default_factory=set)
    """Parcels that it was sent, by their digests."""
    receiving: asyncio.Lock = field(default_factory=asyncio.Lock)


def check_address(text: str) -> str:
    """An address of a scheduler, or `local`. Raises InputError with the nearest right one."""
    if text == LOCAL:
        return text
    whole = re.fullmatch(r"(tcp|tls)://(\[[0-9a-fA-F:.]+\]|[\w.-]+):(\d{1,5})", text)
    if whole and 0 < int(whole[3]) < 65536:
        return text
    parts = re.fullmatch(r"(?:(tcp|tls|https?|dask):/*)?(\[[^\]]*\]|[\w.-]+)(?::(\d*))?(/.*)?", text)
    near = f"tcp://HOST:{PORT}"
    if re.fullmatch(r"\w{1,7}", text) and nearest(text, [LOCAL]):
        near = LOCAL
    elif parts:
        port = int(parts[3] or 0)
        # a browser's address is the dashboard's, which has a port of its own
        usual = not 0 < port < 65536 or (parts[1] or "").startswith("http")
        near = f"{'tls' if parts[1] == 'tls' else 'tcp'}://{parts[2]}:{PORT if usual else port}"
    raise InputError(f"--cluster: '{text}' is not the address of a Dask scheduler; did you mean '{near}'?")


class Cluster:
    """A connection to a Dask cluster, open while this context is. Raises InputError where it cannot be used."""

    def __init__(self, address: str, most: int | None, say: Callable[[str], None], started: int = 1):
        """`most` runs at a time, None: as many as its workers have threads; `local` starts `started` workers."""
        self.address, self.most, self.say, self.started = check_address(address), most, say, started
        self.key = secrets.token_hex(8)
        """What this sweep is known by on the workers."""
        self.workers: dict[str, Worker] = {}
        self.gone: str | None = None
        """Why the whole cluster can be used no more."""
        self._refused: dict[str, str] = {}
        self._about: dict[str, str] = {}
        self._client: Any = None
        self._stack = AsyncExitStack()

    def __str__(self) -> str:
        return "a local cluster" if self.address == LOCAL else self.address

    @property
    def slots(self) -> int:
        """How many runs it trains at a time, as it is now."""
        threads = sum(worker.threads for worker in self.workers.values())
        return threads if self.most is None else min(threads, self.most)

    def __enter__(self) -> Cluster:
        if importlib.util.find_spec("distributed") is None:
            raise InputError(
                "--cluster needs the package distributed, which is not installed: pip install 'nnexp[cluster]'"
            )
        if self.address != LOCAL:
            self._probe()  # before the import of distributed, which takes a second
        self._loop = asyncio.new_event_loop()
        with without_interrupts():
            self._thread = threading.Thread(target=self._run, name="nnexp-cluster", daemon=True)
            self._thread.start()
        try:
            self.do(self._open())
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def begin(self, what: Coroutine[Any, Any, T]) -> Any:
        """Let something run in the cluster's loop: a future, as those of concurrent.futures."""
        return asyncio.run_coroutine_threadsafe(what, self._loop)

    def do(self, what: Coroutine[Any, Any, T]) -> T:
        """Let something run in the cluster's loop and wait for it."""
        future = self.begin(what)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def _close(self) -> None:
        with suppress(Exception):
            self.begin(self._stack.aclose()).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)

    def _run(self) -> None:
        self._loop.run_forever()
        self._loop.close()

    def _probe(self) -> None:
        """Whether something listens at the address. Raises InputError, at once where that can be known at once."""
        host, _, port = self.address.partition("://")[2].rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=REACHED).close()
            return
        except TimeoutError:
            why = f"no answer within {REACHED:g} s"
        except socket.gaierror:
            why = f"there is no host '{host}'"
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
        raise InputError(
            f"--cluster: nothing answers at {self.address}: {why}; a scheduler is started with: "
            f"dask scheduler --port {port}"
        )

    # -- in the loop -----------------------------------------------------------------------------------------------

    async def _open(self) -> None:
        from distributed import Client

        if not os.environ.get("NNEXP_DEBUG"):  # what matters is said in sentences
            for name in [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]:
                logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        address = await self._start() if self.address == LOCAL else self.address
        try:
            self._client = await Client(address, asynchronous=True, timeout=SPOKEN, set_as_default=False)
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"--cluster: what answers at {address} is not a Dask scheduler, or one of another version of Dask "
                f"({error or type(error).__name__})"
            ) from None
        self._stack.push_async_callback(self._client.close, timeout=3)
        self._stack.push_async_callback(self._release)
        self._about = remote.about()
        try:
            found = await self._client.run_on_scheduler(remote.about)
        except Exception as error:
            raise InputError(f"--cluster: {_unfit(f'the scheduler at {address}', error)}") from None
        if (why := _unfit(f"the scheduler at {address}", found)) is not None:
            self._refused[address] = why
        await self._first_look(address)
        watch = asyncio.create_task(self._watch())
        self._stack.callback(watch.cancel)

    async def _start(self) -> str:
        """A cluster of this machine, with a worker process for each run."""
        from distributed import LocalCluster

        cluster = await self._stack.enter_async_context(
            LocalCluster(
                n_workers=self.started,
                threads_per_worker=1,
                processes=True,
                asynchronous=True,
                dashboard_address="127.0.0.1:0",  # any free port: the usual one may be taken
                memory_limit=0,
                silence_logs=logging.CRITICAL,
            )
        )
        return str(cluster.scheduler_address)

    async def _first_look(self, address: str) -> None:
        """Wait for the first worker. Raises InputError where there is none, or one is not fit for a sweep."""
        with suppress(TimeoutError):
            await self._client.wait_for_workers(1, timeout=REACHED)
        count = await self._look()
        if self._refused:
            raise InputError("\n".join(f"--cluster: {why}" for why in self._refused.values()))
        if count and not self.workers:
            raise InputError(f"--cluster: none of the {count} workers at {address} answers; is the network in order?")
        if not self.workers:
            raise InputError(
                f"--cluster: the scheduler at {address} has no workers; start some (dask worker {address} "
                "--nthreads 1), or wait until the first has come"
            )

    async def _watch(self) -> None:
        """Keep the list of workers true."""
        while self.gone is None:
            await asyncio.sleep(max(LOOK, LOOK * len(self.workers) / 100))
            try:
                refused = set(self._refused)
                await self._look()
                for address in self._refused.keys() - refused:
                    self.say(f"not used: {self._refused[address]}")
            except Exception as error:
                self.gone = self.gone or f"the scheduler at {self.address} is gone ({_words(error)})"
        for worker in self.workers.values():
            worker.gone.set()

    async def _look(self) -> int:
        """How many workers are there; new ones are asked what they are, once more where they do not answer."""
        there = (await self._client.scheduler.identity(n_workers=-1))["workers"]
        for address in self.workers.keys() - there.keys():
            self.workers.pop(address).gone.set()
        new = [address for address in there if address not in self.workers and address not in self._refused]
        answers: dict[str, Any] = {}
        if new:
            with suppress(TimeoutError):
                asked = self._client.run(remote.about, workers=new, on_error="return")
                answers = await asyncio.wait_for(asked, SPOKEN)
        others: dict[str, list[str]] = {}
        for address, found in answers.items():
            if isinstance(found, OSError):  # it has just gone
                continue
            if (why := _unfit(f"the worker {address}", found)) is not None:
                self._refused[address] = why
                continue
            self.workers[address] = Worker(address, there[address]["nthreads"])
            differ = {one: version for one, version in found.items() if version != self._about[one]}
            if differ:
                what = ", ".join(f"{one} {version} (here {self._about[one]})" for one, version in differ.items())
                others.setdefault(what, []).append(address)
        for what, addresses in others.items():
            more = f" and {len(addresses) - 3} others" if len(addresses) > 3 else ""
            self.say(f"warning: {', '.join(addresses[:3])}{more}: {what}; runs there need not be the same to the bit")
        return len(there)

    async def call(self, worker: Worker, function: Callable[..., T], *args: Any) -> T:
        """A function of nnexp.sweep.remote as a task of this worker alone.

        Raises Lost where the worker is gone or the function fails, ClusterGone where the scheduler is gone.
        """
        self.check()
        if worker.gone.is_set():
            raise Lost(f"lost with {worker.address}")
        future = self._client.submit(function, *args, workers=[worker.address], pure=False, allow_other_workers=False)
        answer, gone = asyncio.ensure_future(_awaited(future)), asyncio.ensure_future(worker.gone.wait())
        try:
            await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
            if answer.done() and not answer.cancelled() and answer.exception() is None:
                return answer.result()
        finally:
            answer.cancel()
            gone.cancel()
            if not answer.done():
                with suppress(Exception):
                    await future.cancel()
        self.check()
        if not answer.done() or answer.cancelled():
            raise Lost(f"lost with {worker.address}")
        raise Lost(f"{worker.address} cannot train it, {_words(answer.exception())},")

    def check(self) -> None:
        """Raises ClusterGone where it can be used no more."""
        if self.gone is None and self._client.status != "running":
            self.gone = f"the connection to the scheduler at {self.address} was lost"
        if self.gone is not None:
            raise ClusterGone(f"{self.gone}; the same command goes on with what was brought here")

    async def _release(self) -> None:
        """Let the workers end the processes that train, and forget what they were sent."""
        if self.workers and self.gone is None:
            with suppress(Exception):
                asked = self._client.run(remote.release, self.key, workers=list(self.workers), on_error="ignore")
                await asyncio.wait_for(asked, 3)


async def _awaited(future: Any) -> Any:
    return await future


def _words(error: object) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")


def _unfit(who: str, found: object) -> str | None:
    """Why a machine cannot be used that has said this of itself; None where it can."""
    install = f"install the same there: pip install 'nnexp[cluster]=={__version__}'"
    if not isinstance(found, dict):
        return f"{who} cannot import nnexp ({_words(found)}); {install}"
    if found["nnexp"] != __version__:
        return f"{who} runs nnexp {found['nnexp']}, and this is {__version__}; {install}"
    return None
