"""How much memory an experiment takes: estimated from configuration and data before, measured while it trains."""

from __future__ import annotations

import ctypes
import platform
from pathlib import Path

import numpy as np

from nnexp.engine.data import SPLITS
from nnexp.engine.experiment import Experiment
from nnexp.engine.learner import BLOCK, EVALUATED
from nnexp.engine.network import Network
from nnexp.engine.surface import SurfaceExperiment

PROCESS = Path("/proc/self")
"""Where Linux tells of this process."""


def estimate(experiment: Experiment) -> dict[str, int]:
    """Bytes of the arrays that are held while an experiment trains, by what they are for.

    Beside parameters, gradients (of each thread that a batch is divided among) and the optimizer's slots: the
    activations of all batch shapes, evaluation included, with the batch, the loss and the outputs of the largest split;
    the data as they are held, with targets as the loss wants them and an epoch's order; the best parameters, where
    early stopping keeps them; and what pre-training takes for the layer that needs most.
    """
    config, data = experiment.config, experiment.data
    if isinstance(experiment, SurfaceExperiment):
        return _of_parameters(experiment, experiment.surface.size())
    network = experiment.network(np.random.default_rng(0))
    parts = _of_parameters(experiment, network.size)
    if config.stop.patience is not None and config.stop.restore_best:
        parts["best"] = parts["parameters"] + sum(array.nbytes for array in network.running.values())
    n, t = len(data.train), data.train.t[:1]
    if config.pretrain is not None:  # a layer's inputs, their reconstruction, and a model with its optimizer's state
        rows = 4 * min(EVALUATED, n)
        sizes = [
            2 * n * layer.inputs + 8 * layer.inputs * layer.mapped + rows * (layer.inputs + layer.mapped)
            for layer in network.layers[:-1]
        ]
        parts["pretraining"] = max(sizes) * network.dtype.itemsize
    encoded = experiment.encoded(t)
    targets = 0 if np.may_share_memory(encoded, t) else encoded.nbytes
    total = sum(len(data.split(name)) for name in SPLITS)
    order = 0 if config.batch.shuffle == "never" else 8 * n
    parts["activations"] = _activations(experiment, network, encoded.nbytes)
    parts["data"] = data.nbytes + total * targets + order
    return parts


def _of_parameters(experiment: Experiment, D: int) -> dict[str, int]:
    width, threads = np.dtype(experiment.config.precision).itemsize, experiment.config.threads
    return {
        "parameters": D * width,
        "gradients": D * width * (1 if threads == "auto" else threads),
        "optimizer": experiment.config.optimizer.state_size(D) * width,
    }


def _activations(experiment: Experiment, network: Network, target: int) -> int:
    """Bytes of buffers, a batch and its targets of `target` bytes each among them, and of outputs."""
    config, data = experiment.config, experiment.data
    n, width = len(data.train), network.outputs * network.dtype.itemsize
    rows, rest = config.batch.rows(n), config.batch.sizes(n)[1]
    largest = max(len(data.split(name)) for name in SPLITS)
    network.over(rows, training=True)
    network.over(min(EVALUATED, largest) if network.rows_by_themselves else largest, training=False)
    losses = 3 * width * (rows + rest + min(largest, max(1, BLOCK // width)))
    evaluated = largest * (width + 8)
    predicted = n * width if experiment.streams else 0
    return network.buffer_bytes + rows * (target + 8) + losses + evaluated + predicted


class Meter:
    """The memory that this process takes from here on.

    The kernel keeps the largest resident set of a process. Linux allows to set it back (5 into /proc/self/clear_refs),
    which is done when a meter is made, after the heap's free memory was given back: otherwise a training would use
    unseen what an earlier one of the same worker left there. That costs half a millisecond, and nothing while training.
    tracemalloc would count NumPy's arrays to the byte, but slows each small allocation of a step down; `ru_maxrss`
    cannot be set back, and tells the largest of a worker's runs for all that follow.

    Memory counts when it is first written to, and the kernel counts it in lots, so that differences below about 1 MB
    mean nothing. Where the kernel does not tell (not Linux, or /proc is read-only), nothing is told.
    """

    def __init__(self) -> None:
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)
        try:
            (PROCESS / "clear_refs").write_text("5")
        except OSError:
            self.start = None
        else:
            self.start = _status("VmRSS")

    @property
    def added(self) -> int | None:
        """Bytes of the largest resident set so far, beyond what was resident when this was made."""
        peak = self.whole
        return None if peak is None or self.start is None else max(peak - self.start, 0)

    @property
    def whole(self) -> int | None:
        """Bytes of the largest resident set so far, Python and its libraries included."""
        return None if self.start is None else _status("VmHWM")


def _status(key: str) -> int | None:
    """A number of bytes that the kernel tells of this process."""
    try:
        for line in (PROCESS / "status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return None
    return None
