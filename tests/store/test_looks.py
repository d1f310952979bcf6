"""Looks at test scores are counted, by data set, whoever looks at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nnexp.errors import InputError
from nnexp.store.looks import NAME, look


def test_counted_by_data_set(tmp_path: Path) -> None:
    assert look(tmp_path, ["digits"], "test_loss", 3) == {"digits": 1}
    assert look(tmp_path, ["iris", "digits"], "test_loss", 3) == {"digits": 2, "iris": 1}
    assert look(tmp_path, ["iris"], "test_loss", 3) == {"iris": 2}


def test_looks_at_the_same_time_are_all_there(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: look(tmp_path, ["digits"], "test_loss", 1)["digits"], range(40)))
    assert sorted(counts) == list(range(1, 41))


def test_a_damaged_line_counts_for_all(tmp_path: Path) -> None:
    look(tmp_path, ["digits"], "test_loss", 1)
    with (tmp_path / NAME).open("a") as file:
        file.write('{"datasets": 3}\n{"when": "2026')
    assert look(tmp_path, ["digits"], "test_loss", 1) == {"digits": 4}
    assert look(tmp_path, ["iris"], "test_loss", 1) == {"iris": 3}


def test_a_look_that_cannot_be_recorded_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(InputError, match=r"--test: the look cannot be recorded in .*: Is a directory"):
        look(tmp_path, ["digits"], "test_loss", 1)
