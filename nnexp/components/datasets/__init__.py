"""Data sets: where the examples come from.

`load` gives the whole table; splitting, conditions, preprocessing and casting are the engine's work. The order of the
imports is the order of `nnexp list dataset`.
"""

# isort: off
from nnexp.components.datasets.base import Dataset, RegressionFields, Table
from nnexp.components.datasets.shipped import Shipped
from nnexp.components.datasets.packaged import Mnist5k
from nnexp.components.datasets.generated import Generated, Plane
from nnexp.components.datasets.files import Csv, Npz, Parquet, UserFile

__all__ = [
    "Csv",
    "Dataset",
    "Generated",
    "Mnist5k",
    "Npz",
    "Parquet",
    "Plane",
    "RegressionFields",
    "Shipped",
    "Table",
    "UserFile",
]
