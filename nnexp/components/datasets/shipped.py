"""Data sets that travel inside the package (../data/SOURCES.md names source and licence), without scikit-learn."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from nnexp.components.datasets.base import Dataset, RegressionFields, Table

FOLDER = Path(__file__).parent.parent / "data"


class Shipped(Dataset):
    """A small public data set that travels inside the package."""

    def load(self, rng: np.random.Generator) -> Table:
        return _read(self.label())


@cache
def _read(label: str) -> Table:
    """A file's table, read once in a process and never written; the largest has 1 MB."""
    with np.load(FOLDER / f"{label}.npz", allow_pickle=False) as file:
        classes = tuple(file["classes"].tolist()) if "classes" in file else None
        table = Table(file["x"].astype(np.float64), file["t"], tuple(file["features"].tolist()), classes)
    for array in (table.x, table.t):
        array.setflags(write=False)
    return table


class Iris(Shipped):
    """150 irises of three species, 4 lengths in cm. Two of the species overlap a little.

        N = 150, F = 4, C = 3

    Source: R. A. Fisher 1936, Annals of Eugenics 7; UCI Machine Learning Repository, CC BY 4.0.

        >>> Iris().load(np.random.default_rng()).x.shape
        (150, 4)
    """

    name: Literal["iris"] = "iris"


class Wine(Shipped):
    """178 wines of three growers, 13 chemical measurements of very different scales.

        N = 178, F = 13, C = 3

    Source: S. Aeberhard and M. Forina 1991; UCI Machine Learning Repository, CC BY 4.0.

        >>> Wine().load(np.random.default_rng()).x.shape
        (178, 13)
    """

    name: Literal["wine"] = "wine"


class BreastCancer(Shipped):
    """569 tumours, malignant or benign, 30 measurements of cell nuclei.

        N = 569, F = 30, C = 2

    Source: W. Wolberg, O. Mangasarian, N. Street and W. Street 1993; UCI Machine Learning Repository, CC BY 4.0.

        >>> BreastCancer().load(np.random.default_rng()).classes
        ('malignant', 'benign')
    """

    name: Literal["breast_cancer"] = "breast_cancer"


class Digits(Shipped):
    """1797 handwritten digits, 8 x 8 pixels from 0 to 16.

        N = 1797, F = 64, C = 10

    Source: E. Alpaydin and C. Kaynak 1998; UCI Machine Learning Repository, CC BY 4.0.

        >>> Digits().load(np.random.default_rng()).x.shape
        (1797, 64)
    """

    name: Literal["digits"] = "digits"
    image: ClassVar = (8, 8)


class Diabetes(RegressionFields, Shipped):
    """442 patients, 10 measurements; the target is how far the disease went in a year, from 25 to 346.

        N = 442, F = 10, real target

    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani 2004, Annals of Statistics 32.

        >>> Diabetes().load(np.random.default_rng()).classes is None
        True
    """

    name: Literal["diabetes"] = "diabetes"
