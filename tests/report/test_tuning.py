"""The tuning curve against exhaustive enumeration, and what is said of edges."""

from __future__ import annotations

import itertools
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.report.tables import as_text
from nnexp.report.tuning import Findings, Found, expected_best, table, warnings

scores = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


@given(scores, st.booleans())
def test_the_expected_best_of_k(values: list[float], higher: bool) -> None:
    best = max if higher else min
    exhaustive = [mean(best(chosen) for chosen in itertools.combinations(values, k)) for k in range(1, len(values) + 1)]
    assert expected_best(values, higher) == pytest.approx(exhaustive, abs=1e-9)


def test_of_many() -> None:
    curve = expected_best([float(i) for i in range(1, 1001)], higher=True)
    assert curve is not None
    # the expected maximum of k of 1 ... n is k (n + 1) / (k + 1)
    assert curve == pytest.approx([k * 1001 / (k + 1) for k in range(1, 1001)])
    assert curve == sorted(curve)


def test_a_trial_without_a_score_counts_as_the_worst() -> None:
    assert expected_best([0.5, None, 0.9], True) == expected_best([0.5, 0.5, 0.9], True)
    assert expected_best([0.5, None, 0.9], False) == expected_best([0.5, 0.9, 0.9], False)
    assert expected_best([None, None], True) is None


def test_the_table_and_the_warnings() -> None:
    findings = Findings(
        "validation_accuracy",
        True,
        True,
        [
            Found({"optimizer": "sgd"}, [{"lr": 0.1}, {"lr": 0.9}, {"lr": 0.2}], [0.5, 0.9, 0.7], 1, {"lr": "upper"}),
            Found({"optimizer": "adam"}, [{"lr": 0.1}, {"lr": 0.9}, {"lr": 0.2}], [None, None, None], None, {}),
        ],
    )
    lines = as_text(table(findings), table(findings).columns).splitlines()
    assert " ".join(lines[0].split()) == "optimizer lr best of 1 best of 2 of all 3 no score"
    assert lines[1].split() == ["sgd", "0.9", "0.7000", "0.8333", "0.9000", "0"]
    assert warnings(findings) == [
        "optimizer sgd: the best lr, 0.9, lies at the upper edge of its range; a wider one may hold a better",
        "optimizer adam: none of the 3 trials has a score",
    ]
