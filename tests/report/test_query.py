"""Conditions of `--where`: what each sign means, how they are joined, and Python's own evaluation of the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.errors import InputError
from nnexp.report.choose import matching
from nnexp.report.frame import Frame, frame
from nnexp.report.query import read, where
from nnexp.store.labels import Labels, change_labels
from nnexp.store.runs import Run, Shelf
from tests.command import nnexp
from tests.past import ADAM, past_run, past_sweep, read_all

ROWS: list[dict[str, Any]] = [
    {"seed": seed, "optimizer": name, "lr": lr, "status": status}
    for seed, (name, lr, status) in enumerate(
        [
            ("sgd", 0.1, "finished"),
            ("sgd", 1.0, "diverged"),
            ("adam", 0.1, "finished"),
            ("adam", 0.01, "finished"),
            ("nag", 0.01, "failed"),
            ("adam", 1.0, "finished"),
        ]
    )
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    """A run for each of ROWS."""
    root = tmp_path_factory.mktemp("runs")
    for row in ROWS:
        optimizer = {"name": row["optimizer"], "lr": row["lr"]}
        past_run(root, 0.5 + row["seed"] / 10, optimizer=optimizer, seed=row["seed"], status=row["status"])
    return frame(read_all(root))


SIGNS = {"=": "==", "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
spaces = st.sampled_from(["", " ", "  "])
atoms = st.one_of(
    st.tuples(st.just("seed"), st.sampled_from(list(SIGNS)), st.integers(-1, 6).map(repr)),
    st.tuples(
        st.sampled_from(["lr", "optimizer.lr"]), st.sampled_from(list(SIGNS)), st.sampled_from(["0.1", "1e-2", "1"])
    ),
    st.tuples(st.just("optimizer"), st.sampled_from(["=", "!="]), st.sampled_from(["sgd", "adam", "nag", "nobody"])),
    st.tuples(st.just("status"), st.sampled_from(["=", "!="]), st.sampled_from(["finished", "diverged"])),
)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> tuple[str, str]:
    """A condition, and the same as Python's."""
    kind = draw(st.sampled_from(["atom", "not", "and", "or"] if depth else ["atom"]))
    if kind == "atom":
        key, sign, value = draw(atoms)
        word = value if key in ("seed", "lr", "optimizer.lr") else repr(value)
        written = draw(st.sampled_from([value, f"'{value}'", f'"{value}"']))
        text = f"{key}{draw(spaces)}{sign}{draw(spaces)}{written}"
        return text, f"({key.removeprefix('optimizer.') if key == 'optimizer.lr' else key} {SIGNS[sign]} {word})"
    if kind == "not":
        text, python = draw(conditions(depth - 1))
        return (
            f"{draw(st.sampled_from(['not', 'NOT']))}{draw(spaces)}({draw(spaces)}{text}{draw(spaces)})",
            f"(not ({python}))",
        )
    parts = draw(st.lists(conditions(depth - 1), min_size=2, max_size=3))
    joint = draw(st.sampled_from([kind, kind.upper()]))
    # a mix without brackets is Python's, too: there, also, `and` binds closer than `or`
    bare = draw(st.booleans())
    text = f" {joint} ".join(part if bare else f"({part})" for part, _ in parts)
    python = f" {kind} ".join(part if bare else f"({part})" for _, part in parts)
    return (text, python) if bare else (f"({text})", f"({python})")


@given(conditions())
def test_pythons_own_evaluation(data: Frame, both: tuple[str, str]) -> None:
    text, python = both
    expected = [i for i, row in enumerate(ROWS) if eval(python, {}, row)]
    assert where(data, [text]) == expected


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("optimizer=adam and lr<0.1 or seed=0", [0, 3]),
        ("seed=0 or optimizer=adam and lr<0.1", [0, 3]),
        ("(seed=0 or optimizer=adam) and lr<1", [0, 2, 3]),
        ("not optimizer=adam and lr<1", [0, 4]),
        ("not (optimizer=adam and lr<1)", [0, 1, 4, 5]),
        ("not not seed=3", [3]),
        ("optimizer~A", [2, 3, 4, 5]),
        ("optimizer!~ada", [0, 1, 4]),
        ("architecture.hidden=[6, 5] and seed=1", [1]),
        ("architecture.hidden~6", [0, 1, 2, 3, 4, 5]),
        ("preprocessing=null and seed<2", []),
        ("stop.patience=null and seed<2", [0, 1]),
        ("validation_accuracy>=0.7 and status=finished", [2, 3, 5]),
        ("status = finished", [0, 2, 3, 5]),
        ("@last", [5]),
        ("@last~1 or @last~5", [0, 4]),
        ("@best", [5]),
        ("@best~1 and optimizer=adam", [3]),
        ("@best~99", []),
        ("@nothing", []),
        ("name=past", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_what_is_meant(data: Frame, text: str, seeds: list[int]) -> None:
    assert where(data, [text]) == seeds


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "'' is not a condition; write KEY=VALUE"),
        ("lr", "'lr' is not a condition; write KEY=VALUE"),
        ("lr=", "'lr=' is not a condition"),
        ("lr=1 and", "'lr=1 and' is not a condition"),
        ("lr=1 and and seed=2", "is not a condition"),
        ("or lr=1", "'or lr=1' is not a condition"),
        ("(lr=1", "the '(' at character 1 is not closed"),
        ("seed=1 and (lr=1 or lr=2", "the '(' at character 12 is not closed"),
        ("lr=1)", "a ')' that closes nothing"),
        ("()", "')' is not a condition"),
        ("name='a", "a ' that is not closed"),
        ("name='a' b=1", "no 'and' or 'or' before 'b=1'"),
        ("(lr=1) seed=2", "no 'and' or 'or' before 'seed=2'"),
        ("lr<slow", "--where: 'lr<slow': < needs a number, not 'slow'"),
        ("lrr=3", "no run has 'lrr'; did you mean 'lr'?"),
        ("seed=0 or optimzer=sgd", "no run has 'optimzer'; did you mean 'optimizer'?"),
        ("startd>-2d", "no run has 'startd'; did you mean 'started'?"),
        ("started=-2d", "--where: 'started=-2d': times are compared by <, <=, > or >=, as in started>-2d"),
        ("started>soon", "--where: 'soon' is no time; write '2 hours ago'"),
        ("started>-2 hors", "--where: 'hor' is no unit of time; did you mean 'hour'?"),
        ("age=2d", "as in age<2d"),
        ("note<3", "a note is text; write note~word"),
        ("tag<3", "a run has a tag or has not; write tag=good or tag!=good"),
        ("tag=a b", "'a b' is no tag"),
    ],
)
def test_what_is_no_condition(data: Frame, text: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        where(data, [text])
    assert told in str(error.value)


@given(st.text(st.sampled_from("ab =<>!~()'\"@-andort1.[]"), max_size=25))
def test_whatever_is_written_is_read_or_refused(text: str) -> None:
    said = ""
    try:
        read(text)
    except InputError as error:
        said = str(error)
    assert said == "" or said.startswith("--where: ")


def test_the_columns_that_are_named() -> None:
    assert read("a=1 or not (b.c<2 and @best) and tag=x").keys == ("a", "b.c", "tag")


def test_times(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    for hours in (1, 5, 30):
        past_run(tmp_path, seed=hours, record_created=(now - timedelta(hours=hours)).isoformat())
    past_run(tmp_path, seed=99, record_created="long ago")
    runs = Shelf(tmp_path).runs

    def seeds(text: str) -> list[int]:
        return sorted(run.brief.seed for run in matching(runs, [text]))

    for text in ("started>-2h", "started > 2 hours ago", "age<2h", "created>-2h", "age < 2 hours and seed<90"):
        assert seeds(text) == [1], text
    assert seeds("started>-1d or seed=99") == [1, 5, 99]
    assert seeds("started<-1d") == seeds("age>=1d") == [30], "who knows when the last one began"
    assert seeds(f"started<{(now + timedelta(days=2)).date()}") == [1, 5, 30]
    assert seeds("created~long") == seeds("created='long ago'") == [99]


def test_tags_and_notes(tmp_path: Path) -> None:
    for seed, labels in enumerate((Labels(("good",), "A first try"), Labels(("good", "odd")), Labels())):
        change_labels([past_run(tmp_path, seed=seed)], lambda _, labels=labels: labels)
    runs = Shelf(tmp_path).runs

    def seeds(text: str) -> list[int]:
        return [run.brief.seed for run in matching(runs, [text])]

    assert seeds("@good") == seeds("tag=good") == seeds("tags='@good'") == seeds("tag~goo") == [0, 1]
    assert seeds("not @good") == seeds("tag!=good") == seeds("tag!~o") == [2]
    assert seeds("@good and not tag=odd") == seeds("note~first") == seeds("note='a first try'") == [0]
    assert seeds("@odd or note!~first") == [1, 2]


def test_best(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    folders = [past_run(root, 0.5 + seed / 10, seed=seed) for seed in range(3)]
    past_run(root, status="diverged", seed=9)
    shelf = Shelf(root)
    assert shelf.one("@best").brief.seed == 2
    assert shelf.one("@best~1").brief.seed == 1
    assert nnexp("show", "@best", "--format", "json", cwd=tmp_path).json["seed"] == 2
    past_sweep(root, "grid", folders[:2], "2027")
    assert Shelf(root).one("@best").brief.seed == 1, "of the latest sweep"
    with pytest.raises(InputError, match=r"no run '@best~7': 2 of the latest runs in .* have a final score"):
        Shelf(root).one("@best~7")
    change_labels(folders[:1], lambda labels: labels.with_tag("best"))
    assert Shelf(root).one("@best").brief.seed == 0, "who has a tag of this name means the tag"


def test_commands(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    for seed in range(3):
        past_run(root, 0.5 + seed / 10, seed=seed)
        past_run(root, 0.6 + seed / 10, seed=seed, optimizer=ADAM)
    for words in (["--where", "dataset=moons and (optimizer=adam or seed=0)"], ["--where", "optimizer=adam or seed=0"]):
        rows = nnexp("compare", "--each", "--format", "json", *words, cwd=tmp_path).json["rows"]
        assert len(rows) == 4
        assert len(nnexp("runs", "--format", "json", *words, cwd=tmp_path).json["rows"]) == 4
        assert "adam" in nnexp("plot", "strips", *words, cwd=tmp_path).out
    assert len(nnexp("compare", "--each", "--format", "json", "--where", "@best", cwd=tmp_path).json["rows"]) == 1
    assert isinstance(Shelf(root).one("@best"), Run)
