"""Packs the shipped data sets from scikit-learn's copies into nnexp/components/data/ (run by hand, never by tests).

pip install scikit-learn && python tests/golden/make_datasets.py
"""

from pathlib import Path

import numpy as np
from sklearn import datasets

FOLDER = Path(__file__).parents[2] / "nnexp" / "components" / "data"

for name in ("iris", "wine", "breast_cancer", "diabetes", "digits"):
    bunch = datasets.load_diabetes(scaled=False) if name == "diabetes" else getattr(datasets, f"load_{name}")()
    x, t = bunch.data, bunch.target
    if name == "digits":
        x = x.astype(np.uint8)
    arrays = {
        "x": x,
        "t": t.astype(np.int64) if name != "diabetes" else t,
        "features": np.array(bunch.feature_names),
    }
    if name != "diabetes":
        arrays["classes"] = np.array([str(c) for c in bunch.target_names])
    np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
    print(name, x.shape, x.dtype, (FOLDER / f"{name}.npz").stat().st_size, "bytes")
