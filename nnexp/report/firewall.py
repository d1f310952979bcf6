"""The test split is not for choosing: who may see its scores, what they are left out of, and how looks are counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from nnexp.errors import InputError
from nnexp.store.looks import look
from nnexp.store.runs import Run
from nnexp.store.scores import TEST

V = TypeVar("V")


def not_test(option: str, word: str, names: Sequence[str] = ()) -> None:
    """Raises InputError where a word, or one of the names in it, is a score on the test split."""
    if any(name.startswith(TEST) for name in names or (word,)):
        raise InputError(
            f"{option}: '{word}' looks at the test split, which is not for choosing; choose by validation, and look at "
            "what was chosen with nnexp compare --test (looks are counted)"
        )


def open_to(scores: Mapping[str, V], test: bool) -> dict[str, V]:
    """The scores that may be shown; those on the test split only on request.

    >>> open_to({"validation_loss": 0.3, "test_loss": 0.4}, test=False)
    {'validation_loss': 0.3}
    """
    return {name: value for name, value in scores.items() if test or not name.startswith(TEST)}


def look_at(runs: Sequence[Run], metric: str) -> dict[str, int]:
    """Record a look at the test scores of single runs, in the folder that they lie in; how many there are now.

    Raises InputError where none has a test score, and where the look cannot be recorded.
    """
    from nnexp.report.rows import datasets_of

    seen = [run for run in runs if any(name.startswith(TEST) for name in run.final)]
    if not seen:
        one = f"run {runs[0].id} ({runs[0].status}) has no"
        raise InputError(f"--test: {one if len(runs) == 1 else f'none of {len(runs):,} runs has'} test scores")
    counts: dict[str, int] = {}
    for root in sorted({run.path.parent for run in seen}):
        inside = [run for run in seen if run.path.parent == root]
        for name, count in look(root, datasets_of(inside), metric, len(inside)).items():
            counts[name] = max(count, counts.get(name, 0))
    return counts


def unseen(run_id: str) -> str:
    """Where the test scores of a run are to be seen."""
    return f"test scores, when the choice is made: nnexp show {run_id} --test (each look is counted)"


def told(looks: Mapping[str, int]) -> str:
    """How many looks there were, in a sentence.

    >>> told({"digits": 2})
    'test scores are for the last look, after choosing by validation; so far 2 looks at digits'
    """
    counts = "; ".join(f"{count:,} look{'s' if count != 1 else ''} at {name}" for name, count in looks.items())
    return f"test scores are for the last look, after choosing by validation; so far {counts}"
