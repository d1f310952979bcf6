"""Data sets of the user's own: tables as CSV and Parquet files, arrays as NumPy's npz files."""

from __future__ import annotations

import re
from abc import abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from nnexp.components.datasets.base import Dataset, RegressionFields, Table
from nnexp.errors import InputError, Misfit, did_you_mean


class UserFile(RegressionFields, Dataset):
    """A file of the user's own."""

    path: str = Field(description="the file, relative to the configuration that names it")
    target: str = Field(description="name of the column to predict")
    task: Literal["auto", "classification", "regression"] = Field("auto", description="what the target is")
    missing: Literal["error", "drop", "keep"] = Field("error", description="what to do with missing values")

    input_paths: ClassVar = ("path",)
    ending: ClassVar[str]
    """What the names of such files end in."""
    part: ClassVar[str] = "column"
    """What the file holds under a name."""
    max_classes: ClassVar[int] = 20
    largest: ClassVar[float] = 1e100
    """Beyond it, squares and sums of squares may overflow."""

    def _file(self) -> Path:
        """The path of the file. Raises Misfit where it is not there."""
        path = Path(self.path)
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            near = [p.name for p in path.parent.glob(f"*{self.ending}") if p.is_file()] if path.parent.is_dir() else []
            raise Misfit("dataset.path", f"the file {self.path} {what}{did_you_mean(path.name, near)}")
        return path

    def _without_holes(self, holes: dict[str, int]) -> str:
        """The columns with missing values, and how many. Raises Misfit where they are an error."""
        listed = ", ".join(f"'{column}' ({count:,})" for column, count in list(holes.items())[:5])
        if self.missing == "error":
            raise Misfit(
                "dataset.missing",
                f"{self.path}: missing values in {listed}; say 'missing: drop' to leave those rows out, or "
                "'missing: keep' with 'preprocessing: [impute, standardize]'",
            )
        return listed

    def _require_rows(self, count: int, notes: list[str]) -> None:
        if count < 10:
            why = f" ({'; '.join(notes)})" if notes else ""
            raise Misfit("dataset.path", f"{self.path}: {count} usable rows; at least 10 are needed{why}")

    def _numbers(self, column: str, cells: Any) -> np.ndarray:
        """A pandas column, or an array, as float64 with NaN for what is missing. Raises Misfit beyond `largest`."""
        array = isinstance(cells, np.ndarray)
        values = cells.astype(np.float64, copy=False) if array else cells.to_numpy(dtype=np.float64, na_value=np.nan)
        most = max(np.fmax.reduce(values, axis=None, initial=0), -np.fmin.reduce(values, axis=None, initial=0))
        if most > self.largest:  # fmax and fmin do not see what is missing
            raise Misfit(
                "dataset.path",
                f"{self.path}: {self.part} '{column}' contains a value that is infinite or beyond {self.largest:g}",
            )
        return values

    def _target(self, cells: Any) -> tuple[np.ndarray, tuple[str, ...] | None]:
        """Class indices and the classes' names, or real numbers, from a pandas column without missing values."""
        import pandas as pd

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


class TableFile(UserFile):
    """A table with named columns."""

    features: tuple[str, ...] | None = Field(None, strict=False, description="columns to use; null: all but the target")
    drop: tuple[str, ...] = Field((), strict=False, description="columns to leave out, such as an id")
    text: Literal["one_hot", "drop", "error"] = Field("one_hot", description="what to do with text columns")

    max_categories: ClassVar[int] = 50

    def load(self, rng: np.random.Generator) -> Table:
        frame = self._read()
        columns = self._columns(frame)
        notes: list[str] = []
        if frame[self.target].isna().any():
            count = int(frame[self.target].isna().sum())
            notes.append(f"{count:,} rows without a value in the target '{self.target}' were left out")
            frame = frame[frame[self.target].notna()]
        holes = {column: int(frame[column].isna().sum()) for column in columns if frame[column].isna().any()}
        if holes and self.missing != "keep":
            listed = self._without_holes(holes)
            kept = frame.dropna(subset=columns)
            notes.append(f"{len(frame) - len(kept):,} rows with missing values were left out ({listed})")
            frame = kept
        self._require_rows(len(frame), notes)
        for column in (*columns, self.target):
            self._refuse_other_kinds(column, frame[column])
        x, names = self._encode(frame, columns, notes)
        t, classes = self._target(frame[self.target])
        return Table(x, t, names, classes, notes=tuple(notes))

    @abstractmethod
    def _read(self) -> Any:
        """The table as a pandas frame. Raises Misfit or InputError."""

    def _refuse_other_kinds(self, column: str, cells: Any) -> None:
        """A column is numbers, booleans or text. Raises Misfit for anything else."""
        import datetime

        import pandas as pd

        first = next(iter(cells.dropna()), None) if pd.api.types.is_object_dtype(cells) else None
        dated = pd.api.types.is_datetime64_any_dtype(cells) or pd.api.types.is_timedelta64_dtype(cells)
        if dated or isinstance(first, datetime.date | datetime.time | datetime.timedelta):
            what = "dates or times"
        elif pd.api.types.is_complex_dtype(cells):
            what = "complex numbers"
        elif isinstance(first, bytes) or (first is not None and not np.isscalar(first)):
            what = f"of values of the kind {type(first).__name__}"
        else:
            return
        out = "" if column == self.target else f"; leave it out with 'drop: [{column}]', or make numbers of it"
        raise Misfit("dataset.path", f"{self.path}: column '{column}' is {what}{out}")

    def _refuse_twice(self, names: list[str], hint: str = "") -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise Misfit("dataset.path", f"{self.path}: the column name '{twice[0]}' stands twice in the header{hint}")

    def _columns(self, frame: Any) -> list[str]:
        known = list(frame.columns)

        def require(key: str, column: str) -> None:
            """`key` is the dotted key, below dataset, that names the column."""
            if column not in known:
                hint = did_you_mean(column, known)
                if len(known) == 1:
                    hint = f"; its one column is '{known[0]}'{self._one_column()}"
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

    def _one_column(self) -> str:
        """What to add where the file has one column."""
        return ""

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


class Csv(TableFile):
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
    separator: str = Field(",", min_length=1, max_length=1, description="character between two cells")

    starts_with: ClassVar = {"path": "data.csv", "target": "label"}
    ending: ClassVar = ".csv"

    @field_validator("separator")
    @classmethod
    def _between_cells(cls, separator: str) -> str:
        if separator in '"\r\n' or not separator.isascii():
            raise ValueError("must be a character such as ',' or ';', and neither a quote nor the end of a line")
        return separator

    def _one_column(self) -> str:
        return f": is the separator really '{self.separator}'?"

    def _read(self) -> Any:
        import pandas as pd

        path = self._file()
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
        self._refuse_twice(names, _numbers_only(names))
        frame.columns = [str(column).strip() for column in frame.columns]
        return frame


class Parquet(TableFile):
    """A Parquet file of your own: named and typed columns, quicker to read and smaller than the same table as CSV.

        the same fields as csv, but for the separator

    Numbers, booleans, text and categories are read; columns of dates, lists or records have to be left out with `drop`.
    Needs the package pyarrow: pip install pyarrow.

    Source: Apache Parquet; read by pandas with pyarrow.

        >>> Parquet(path="flowers.parquet", target="species").task
        'auto'
    """

    name: Literal["parquet"] = "parquet"
    package: ClassVar = "pyarrow"

    starts_with: ClassVar = {"path": "data.parquet", "target": "label"}
    ending: ClassVar = ".parquet"

    def _read(self) -> Any:
        import decimal

        import pandas as pd

        path = self._file()
        try:
            import pyarrow
        except ImportError:
            raise Misfit(
                "dataset.name", "reading Parquet files needs the package pyarrow: pip install pyarrow"
            ) from None
        try:
            frame = pd.read_parquet(path, engine="pyarrow")
        except (pyarrow.lib.ArrowException, OSError, ValueError) as error:
            why = str(error).replace(f"Could not open Parquet input source '{path}': ", "").split(". ")[0]
            raise Misfit("dataset.path", f"{self.path} cannot be read as Parquet: {why}") from None
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()  # what was an index is a column as others are
        frame.columns = [str(column) for column in frame.columns]
        self._refuse_twice(list(frame.columns))
        for column in frame.columns:
            cells = frame[column]
            if cells.dtype == object and isinstance(next(iter(cells.dropna()), None), decimal.Decimal):
                frame[column] = cells.astype(np.float64)
        return frame


class Npz(UserFile):
    """Arrays of your own, as numpy.savez writes them: one with the inputs, one with the targets.

        x (N, F) numbers;   (N, ...), such as pictures, become F = the product of the other axes
        y (N,) or (N, 1):   text, booleans, or whole numbers with at most 20 different values -> classes
                            other numbers -> a real target

    Nothing in the file is executed: arrays of Python objects are refused.

    Source: NumPy's npz format, read with allow_pickle=False.

        >>> Npz(path="flowers.npz", target="species").inputs
        'x'
    """

    name: Literal["npz"] = "npz"
    inputs: str = Field("x", description="name of the array with the inputs")
    target: str = Field("y", description="name of the array with the targets")

    starts_with: ClassVar = {"path": "data.npz"}
    ending: ClassVar = ".npz"
    part: ClassVar = "array"

    def load(self, rng: np.random.Generator) -> Table:
        import pandas as pd

        x, t = self._arrays()
        if x.dtype.kind not in "biuf":
            raise Misfit("dataset.inputs", f"{self.path}: the array '{self.inputs}' holds {_kind(x)}, not numbers")
        if x.ndim < 2 or x[:1].size == 0:
            needed = "rows of examples, (N, F), are needed"
            raise Misfit("dataset.inputs", f"{self.path}: the array '{self.inputs}' has the shape {x.shape}; {needed}")
        if t.dtype.kind not in "biufUS":
            raise Misfit("dataset.target", f"{self.path}: the array '{self.target}' holds {_kind(t)}")
        if t.ndim == 0 or t.shape[1:] not in ((), (1,)):
            hint = "; of one-hot rows, save y.argmax(axis=1)" if t.ndim == 2 else ""
            needed = f"one target an example, (N,), is needed{hint}"
            raise Misfit("dataset.target", f"{self.path}: the array '{self.target}' has the shape {t.shape}; {needed}")
        if len(x) != len(t):
            raise Misfit(
                "dataset.target", f"{self.path}: '{self.inputs}' has {len(x):,} rows and '{self.target}' {len(t):,}"
            )
        notes = [] if x.ndim == 2 else [f"inputs of the shape {x.shape[1:]} are taken as {x[0].size:,} features"]
        x = self._numbers(self.inputs, x.reshape(len(x), -1))
        cells = pd.Series(np.char.decode(t.ravel(), "utf-8") if t.dtype.kind == "S" else t.ravel())
        known = cells.notna().to_numpy()
        if not known.all():
            notes.append(f"{(~known).sum():,} rows without a value in the target '{self.target}' were left out")
        holes = np.isnan(x).any(axis=1) & known
        if holes.any() and self.missing != "keep":
            listed = self._without_holes({self.inputs: int(np.isnan(x[known]).sum())})
            notes.append(f"{holes.sum():,} rows with missing values were left out ({listed})")
            known = known & ~holes
        self._require_rows(int(known.sum()), notes)
        if not known.all():
            x, cells = x[known], cells[known]
        t, classes = self._target(cells)
        return Table(x, t, tuple(f"x{i + 1}" for i in range(x.shape[1])), classes, notes=tuple(notes))

    def _arrays(self) -> tuple[np.ndarray, np.ndarray]:
        """The inputs and the targets as they are in the file. Raises Misfit."""
        import zipfile
        import zlib

        path = self._file()
        try:
            with zipfile.ZipFile(path) as archive:
                known = [name.removesuffix(".npy") for name in archive.namelist()]
        except (zipfile.BadZipFile, OSError) as error:
            with path.open("rb") as file:
                alone = file.read(6) == b"\x93NUMPY"
            why = "it is one array (npy); write numpy.savez(path, x=x, y=y)" if alone else str(error)
            raise Misfit("dataset.path", f"{self.path} cannot be read as npz: {why}") from None
        for key, array in (("inputs", self.inputs), ("target", self.target)):
            if array not in known:
                guess = did_you_mean(array, known) or f"; it has {', '.join(known[:20]) or 'none'}"
                raise Misfit(f"dataset.{key}", f"{self.path} has no array '{array}'{guess}")
        found = []
        with np.load(path, allow_pickle=False) as file:
            for array in (self.inputs, self.target):
                try:
                    found.append(file[array])
                except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
                    pickled = "allow_pickle" in str(error)
                    why = "holds Python objects, not numbers" if pickled else f"cannot be read: {error}"
                    raise Misfit("dataset.path", f"{self.path}: the array '{array}' {why}") from None
        return found[0], found[1]


def _kind(array: np.ndarray) -> str:
    """What an array of no use holds."""
    kinds = {"U": "text", "S": "text", "c": "complex numbers", "M": "dates", "m": "durations", "V": "records"}
    return kinds.get(array.dtype.kind, str(array.dtype))


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
