"""Data sets: where the examples come from.

`load` gives the whole table; splitting, preprocessing and casting are the engine's work. Shipped data travel inside
the package (data/SOURCES.md names source and licence), so importing scikit-learn is never needed.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from nnexp.components.base import AS_LIST, MEMBER, NonNegative
from nnexp.components.grounds import TrainingGround
from nnexp.components.preprocessing import Preprocessing, Standardize
from nnexp.errors import InputError, Misfit, did_you_mean

Share = Annotated[float, Field(ge=0, lt=1)]
Examples = Annotated[int, Field(ge=10, le=10_000_000)]


@dataclass(frozen=True)
class Table:
    """A data set as loaded: N examples with F features and one target each."""

    x: np.ndarray
    """(N, F) float64; NaN where a value is missing."""
    t: np.ndarray
    """(N,) class indices, or real numbers where `classes` is None."""
    features: tuple[str, ...]
    classes: tuple[str, ...] | None
    notes: tuple[str, ...] = field(default=())
    """Sentences on what was done while reading, for the user."""


class Dataset(TrainingGround):
    """Examples to learn from, and how they are split and prepared."""

    validation: Share = Field(0.2, description="share of the examples for validation: choosing and early stopping")
    test: Share = Field(0.2, description="share of the examples for the test, looked at once at the end")
    preprocessing: Annotated[tuple[Annotated[Preprocessing, MEMBER], ...], AS_LIST] = Field(
        (Standardize(),), description="what is done to the inputs, in this order"
    )

    @model_validator(mode="after")
    def _leave_something_to_learn_from(self) -> Dataset:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation ({self.validation:g}) and test ({self.test:g}) leave nothing to learn from")
        return self

    @abstractmethod
    def load(self, rng: np.random.Generator) -> Table:
        """The whole table. Only generated data sets use `rng`, the experiment's `data` stream.

        Raises Misfit or InputError where a file cannot be used.
        """


class RegressionFields(Dataset):
    """What data sets with a real target have in addition."""

    scale_target: bool = Field(
        True, description="standardize a real target for training (metrics are in its own units)"
    )


class Shipped(Dataset):
    """A small public data set that travels inside the package."""

    def load(self, rng: np.random.Generator) -> Table:
        with np.load(Path(__file__).parent / "data" / f"{self.label()}.npz", allow_pickle=False) as file:
            classes = tuple(file["classes"].tolist()) if "classes" in file else None
            return Table(file["x"].astype(np.float64), file["t"], tuple(file["features"].tolist()), classes)


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


class Diabetes(Shipped, RegressionFields):
    """442 patients, 10 measurements; the target is how far the disease went in a year, from 25 to 346.

        N = 442, F = 10, real target

    Source: B. Efron, T. Hastie, I. Johnstone and R. Tibshirani 2004, Annals of Statistics 32.

        >>> Diabetes().load(np.random.default_rng()).classes is None
        True
    """

    name: Literal["diabetes"] = "diabetes"


class Generated(Dataset):
    """Points in the plane, drawn anew for each seed. `rng` comes from the seed, so runs of one seed share them."""

    n: Examples = Field(400, description="examples")
    noise: NonNegative = Field(0.1, description="standard deviation of the noise on the points")


class Moons(Generated):
    """Two interleaving half circles: not linearly separable, easy for a small network.

        x₁ = (cos φ, sin φ),   x₂ = (1 - cos φ, ½ - sin φ),   φ ~ U(0, π),   plus N(0, noise²)

    Source: scikit-learn's make_moons.

    Differs: φ is random, not evenly spaced.

        >>> Moons(n=10).load(np.random.default_rng(0)).t.tolist()
        [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    """

    name: Literal["moons"] = "moons"

    def load(self, rng: np.random.Generator) -> Table:
        t = np.arange(self.n) * 2 // self.n
        φ = rng.uniform(0, np.pi, self.n)
        x = np.where(t == 0, np.cos(φ), 1 - np.cos(φ)), np.where(t == 0, np.sin(φ), 0.5 - np.sin(φ))
        return _plane(np.stack(x, axis=1), self.noise, t, rng)


class Spiral(Generated):
    """Interleaved spiral arms: needs depth or width, and patience.

        x = r (cos φ, sin φ),   φ = 2π (class / C + turns r),   r ~ U(0, 1),   plus N(0, noise²)

    Source: K. Lang and M. Witbrock 1988 (the two-spirals problem).

        >>> Spiral(n=12, arms=3).load(np.random.default_rng(0)).classes
        ('0', '1', '2')
    """

    name: Literal["spiral"] = "spiral"
    noise: NonNegative = Field(0.02, description="standard deviation of the noise on the points")
    arms: Annotated[int, Field(ge=2, le=20)] = Field(2, description="C, spiral arms, each a class")
    turns: NonNegative = Field(1.5, description="turns of each arm")

    def load(self, rng: np.random.Generator) -> Table:
        t = np.arange(self.n) * self.arms // self.n
        r = rng.uniform(0, 1, self.n)
        φ = 2 * np.pi * (t / self.arms + self.turns * r)
        return _plane(np.stack((r * np.cos(φ), r * np.sin(φ)), axis=1), self.noise, t, rng)


class Xor(Generated):
    """Four clouds at the corners of a square, opposite corners of one class: the smallest problem that is not linear.

        x = corner + N(0, noise²),   class = [corner₁ ≠ corner₂]

    Source: M. Minsky and S. Papert 1969, Perceptrons.

        >>> table = Xor(n=12, noise=0).load(np.random.default_rng(0))
        >>> bool(((table.x[:, 0] != table.x[:, 1]) == table.t).all())
        True
    """

    name: Literal["xor"] = "xor"

    def load(self, rng: np.random.Generator) -> Table:
        corner = np.arange(self.n) % 4
        x = np.stack((corner // 2, corner % 2), axis=1).astype(np.float64)
        return _plane(x, self.noise, (corner // 2 != corner % 2).astype(np.int64), rng)


def _plane(x: np.ndarray, noise: float, t: np.ndarray, rng: np.random.Generator) -> Table:
    classes = tuple(str(c) for c in range(int(t.max()) + 1))
    return Table(x + rng.normal(0, noise, x.shape), t, ("x1", "x2"), classes)


class Csv(RegressionFields):
    """A comma-separated file of your own: a header line, a column with the target, the others as features.

        task: auto    text, booleans, or whole numbers with at most 20 different values -> classes
                      other numbers -> a real target
        text: one_hot each text column becomes one 0/1 feature a value, up to 50 values
        missing: error an empty cell or NA is an error that names its column; `drop` leaves the example out;
                      `keep` leaves it to `preprocessing: [impute, standardize]`

    Source: RFC 4180; read by pandas.

        >>> Csv(path="flowers.csv", target="species").missing
        'error'
    """

    name: Literal["csv"] = "csv"
    path: str = Field(description="the file, relative to the configuration that names it")
    target: str = Field(description="name of the column to predict")
    features: tuple[str, ...] | None = Field(None, strict=False, description="columns to use; null: all but the target")
    drop: tuple[str, ...] = Field((), strict=False, description="columns to leave out, such as an id")
    task: Literal["auto", "classification", "regression"] = Field("auto", description="what the target is")
    text: Literal["one_hot", "drop", "error"] = Field("one_hot", description="what to do with text columns")
    missing: Literal["error", "drop", "keep"] = Field("error", description="what to do with missing values")
    separator: str = Field(",", min_length=1, max_length=1, description="character between two cells")

    input_paths: ClassVar = ("path",)
    max_categories: ClassVar[int] = 50
    max_classes: ClassVar[int] = 20
    largest: ClassVar[float] = 1e100
    """Beyond it, squares and sums of squares may overflow."""

    @field_validator("separator")
    @classmethod
    def _between_cells(cls, separator: str) -> str:
        if separator in '"\r\n' or not separator.isascii():
            raise ValueError("must be a character such as ',' or ';', and neither a quote nor the end of a line")
        return separator

    def load(self, rng: np.random.Generator) -> Table:
        frame = self._read()
        columns = self._columns(frame)
        notes: list[str] = []
        if frame[self.target].isna().any():
            count = int(frame[self.target].isna().sum())
            notes.append(f"{count} rows without a value in the target '{self.target}' were left out")
            frame = frame[frame[self.target].notna()]
        holes = {column: int(frame[column].isna().sum()) for column in columns if frame[column].isna().any()}
        if holes and self.missing != "keep":
            listed = ", ".join(f"'{column}' ({count})" for column, count in list(holes.items())[:5])
            if self.missing == "error":
                raise Misfit(
                    "dataset.missing",
                    f"{self.path}: missing values in {listed}; say 'missing: drop' to leave those rows out, or "
                    "'missing: keep' with 'preprocessing: [impute, standardize]'",
                )
            kept = frame.dropna(subset=columns)
            notes.append(f"{len(frame) - len(kept)} rows with missing values were left out ({listed})")
            frame = kept
        if len(frame) < 10:
            why = f" ({'; '.join(notes)})" if notes else ""
            raise Misfit("dataset.path", f"{self.path}: {len(frame)} usable rows; at least 10 are needed{why}")
        x, names = self._encode(frame, columns, notes)
        t, classes = self._target(frame)
        return Table(x, t, names, classes, tuple(notes))

    def _read(self) -> Any:
        import pandas as pd

        path = Path(self.path)
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            here = [p.name for p in path.parent.glob("*.csv") if p.is_file()] if path.parent.is_dir() else []
            raise Misfit("dataset.path", f"the file {self.path} {what}{did_you_mean(path.name, here)}")
        try:
            with path.open(encoding="utf-8-sig") as file:
                # with the first row, so that a header that is too short for it is an error
                first = pd.read_csv(file, sep=self.separator, header=None, nrows=2, dtype=str, na_filter=False)
            frame = pd.read_csv(path, sep=self.separator, skipinitialspace=True, encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise Misfit("dataset.path", f"{self.path} is not UTF-8 text ({error.reason}); save it as UTF-8") from None
        except pd.errors.EmptyDataError:
            raise Misfit("dataset.path", f"{self.path} is empty; a header line and rows are needed") from None
        except pd.errors.ParserError as error:
            raise Misfit("dataset.path", f"{self.path} cannot be read as CSV: {_plain(str(error))}") from None
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}") from None
        names = [str(name).strip() for name in first.values[0]]
        if "" in names:
            raise Misfit("dataset.path", f"{self.path}: column {names.index('') + 1} has no name in the header")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Misfit(
                "dataset.path",
                f"{self.path}: the column name '{twice[0]}' stands twice in the header{_numbers_only(names)}",
            )
        frame.columns = [str(column).strip() for column in frame.columns]
        return frame

    def _columns(self, frame: Any) -> list[str]:
        known = list(frame.columns)

        def require(key: str, column: str) -> None:
            """`key` is the dotted key, below dataset, that names the column."""
            if column not in known:
                hint = did_you_mean(column, known)
                if len(known) == 1:
                    hint = f"; its one column is '{known[0]}': is the separator really '{self.separator}'?"
                raise Misfit(
                    f"dataset.{key}",
                    f"{self.path} has no column '{column}'"
                    f"{hint or '; it has ' + ', '.join(known[:20])}{_numbers_only(known)}",
                )

        require("target", self.target)
        for number, column in enumerate(self.features or ()):
            require(f"features.{number}", column)
        for number, column in enumerate(self.drop):
            require(f"drop.{number}", column)
        if self.features is not None and self.target in self.features:
            raise Misfit("dataset.features", f"the target '{self.target}' cannot be a feature too")
        chosen = self.features if self.features is not None else known
        columns = [c for c in chosen if c != self.target and c not in self.drop]
        if not columns:
            raise Misfit("dataset.features", f"{self.path}: no column is left to learn from")
        return columns

    def _encode(self, frame: Any, columns: list[str], notes: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        import pandas as pd

        blocks, names = [], []
        for column in columns:
            cells = frame[column]
            if pd.api.types.is_numeric_dtype(cells):
                blocks.append(self._numbers(column, cells)[:, None])
                names.append(column)
                continue
            if self.text != "drop":
                self._refuse_spoiled_numbers(column, cells)
            categories = sorted(cells.dropna().astype(str).unique())
            if self.text == "error" or (self.text == "one_hot" and len(categories) > self.max_categories):
                some = ", ".join(repr(c) for c in categories[:3])
                raise Misfit(
                    "dataset.text",
                    f"{self.path}: column '{column}' is text with {len(categories)} different values ({some}, ...); "
                    f"leave it out with 'drop: [{column}]'"
                    + ("" if len(categories) > self.max_categories else ", or say 'text: one_hot'"),
                )
            if self.text == "drop":
                notes.append(f"the text column '{column}' was left out")
                continue
            text = cells.astype(object).where(cells.notna(), None).map(lambda v: None if v is None else str(v))
            hot = np.stack([(text == category).to_numpy(dtype=np.float64) for category in categories], axis=1)
            hot[text.isna().to_numpy()] = np.nan
            blocks.append(hot)
            names.extend(f"{column}={category}" for category in categories)
        if not blocks:
            raise Misfit("dataset.text", f"{self.path}: every feature column is text and was left out")
        return np.concatenate(blocks, axis=1), tuple(names)

    def _numbers(self, column: str, cells: Any) -> np.ndarray:
        values = cells.to_numpy(dtype=np.float64)
        if (np.abs(values) > self.largest).any():
            raise Misfit(
                "dataset.path",
                f"{self.path}: column '{column}' contains a value that is infinite or beyond {self.largest:g}",
            )
        return values

    def _refuse_spoiled_numbers(self, column: str, cells: Any) -> None:
        """Text that is mostly different numbers was not meant as categories. Raises Misfit with what spoils it."""
        import pandas as pd

        text = cells.dropna().astype(str).str.strip()
        numbers = pd.to_numeric(text.str.replace(",", ".", regex=False), errors="coerce")
        if numbers.nunique() <= self.max_classes or numbers.isna().mean() > 0.5:
            return
        other, comma = text[numbers.isna()], text[text.str.contains(",", regex=False)]
        if len(other):
            what = f"is numbers but for some text such as '{other.iloc[0]}'; an empty cell or NA is a missing value"
        elif len(comma):
            what = f"has a decimal comma, as in '{comma.iloc[0]}'; write a point"
        else:
            what = "has numbers with too many digits"
        raise Misfit("dataset.path", f"{self.path}: column '{column}' {what}")

    def _target(self, frame: Any) -> tuple[np.ndarray, tuple[str, ...] | None]:
        import pandas as pd

        cells = frame[self.target]
        numeric = pd.api.types.is_numeric_dtype(cells) and not pd.api.types.is_bool_dtype(cells)
        if self.task == "regression" and not numeric:
            text = cells.astype(str)
            other = text[pd.to_numeric(text, errors="coerce").isna()]
            raise Misfit(
                "dataset.task",
                f"{self.path}: the target '{self.target}' is text, such as '{[*other, *text][0]}', so it cannot be a "
                "real target",
            )
        if numeric:
            self._numbers(self.target, cells)
        values = cells.unique()
        whole = numeric and bool(np.all(np.mod(values.astype(np.float64), 1) == 0))
        few = len(values) <= self.max_classes
        if self.task == "classification" or (self.task == "auto" and (not numeric or (whole and few))):
            labels = sorted(values, key=lambda v: (float(v), "") if numeric else (0.0, str(v)))
            shown = tuple(f"{v:g}" if numeric else str(v) for v in labels)
            if len(labels) < 2:
                raise Misfit(
                    "dataset.target", f"{self.path}: the target '{self.target}' has only one class, '{shown[0]}'"
                )
            if len(labels) > len(cells) // 2:
                raise Misfit(
                    "dataset.target",
                    f"{self.path}: the target '{self.target}' has {len(labels)} classes in {len(cells)} rows; "
                    "is it the right column, or should it be 'task: regression'?",
                )
            index = {label: i for i, label in enumerate(labels)}
            return np.array([index[v] for v in cells], dtype=np.int64), shown
        if len(values) < 2:
            raise Misfit("dataset.target", f"{self.path}: the target '{self.target}' has only one value, {values[0]:g}")
        return cells.to_numpy(dtype=np.float64), None


def _plain(problem: str) -> str:
    """pandas' words on a file that is not CSV, in plain ones."""
    cells = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", problem)
    quote = re.search(r"EOF inside string starting at row (\d+)", problem)
    if cells:
        return f"line {cells[2]} has {cells[3]} cells, not {cells[1]}"
    return f"the quote that opens in line {int(quote[1]) + 1} is not closed" if quote else problem.strip()


def _numbers_only(names: list[str]) -> str:
    """A question for a header that looks like data."""
    numbers = all(re.fullmatch(r"[-+.\deE]+", name) for name in names)
    return "; is the header line missing?" if numbers else ""
