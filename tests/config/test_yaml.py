"""YAML 1.2 scalars, the place of every key and value, and text that says the same as the data it came from."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.config.load import to_yaml
from nnexp.config.yaml import KeyPath, Place, excerpt, parse

INF = float("inf")

SCALARS: list[tuple[str, Any]] = [
    # numbers
    ("0", 0),
    ("-17", -17),
    ("+3", 3),
    ("1e-3", 0.001),
    ("1E5", 1e5),
    ("-2.5e+3", -2500.0),
    ("1.", 1.0),
    (".5", 0.5),
    ("-0.0", -0.0),
    (".inf", INF),
    ("-.inf", -INF),
    (".INF", INF),
    # truth and nothing
    ("true", True),
    ("False", False),
    ("TRUE", True),
    ("null", None),
    ("~", None),
    ("", None),
    # what YAML 1.1 takes for something else stays text
    ("yes", "yes"),
    ("no", "no"),
    ("On", "On"),
    ("off", "off"),
    ("y", "y"),
    ("012", "012"),
    ("0x1f", "0x1f"),
    ("0o17", "0o17"),
    ("0b11", "0b11"),
    ("1_000", "1_000"),
    ("1:30", "1:30"),
    ("2026-01-01", "2026-01-01"),
    ("=", "="),
    # what only looks like a number
    ("1e", "1e"),
    ("e3", "e3"),
    (".", "."),
    ("1.2.3", "1.2.3"),
    ("nan", "nan"),
    ("inf", "inf"),
    ("tRUE", "tRUE"),
    ("9" * 400, "9" * 400),
    # text
    ("adam", "adam"),
    ("two words", "two words"),
    ("x # a comment", "x"),
    ("x#y", "x#y"),
]


@pytest.mark.parametrize(("text", "value"), SCALARS, ids=[text[:20] for text, _ in SCALARS])
def test_scalars(text: str, value: Any) -> None:
    for found in (parse(f"a: {text}\n", "").data["a"], parse(f"- {text}\n- 0\n", "").data[0]):
        assert type(found) is type(value)
        assert repr(found) == repr(value)


def test_nan_is_a_number() -> None:
    assert repr(parse("[.nan, .NaN, .NAN]", "").data) == "[nan, nan, nan]"


@pytest.mark.parametrize("quote", ["'", '"'])
def test_what_stands_in_quotes_is_text(quote: str) -> None:
    for text in ("1", "0.5", "true", "null", "~", ".inf", ""):
        assert parse(f"a: {quote}{text}{quote}", "").data == {"a": text}


def test_anchors_stand_for_the_same_value() -> None:
    assert parse("a: &x {n: 1e3}\nb: *x\n", "").data == {"a": {"n": 1000.0}, "b": {"n": 1000.0}}


def test_keys_are_text() -> None:
    assert parse("1: a\ntrue: b\nnull: c\n'no': d\n", "").data == {"1": "a", "true": "b", "null": "c", "no": "d"}


# -- places --------------------------------------------------------------------------------------------------------

PLACES_TEXT = """\
# a comment
name: x
optimizer:
  name: adam
  lr:   1e-3   # small
layers: [64, {width: 32}]

members:
  - l2
  - name: dropout
    rate: 0.5
nothing:
last: "quoted"
"""

KEYS = {
    ("name",): "2:1 name",
    ("optimizer",): "3:1 optimizer",
    ("optimizer", "lr"): "5:3 lr",
    ("layers", 1, "width"): "6:15 width",
    ("members", 1, "name"): "10:5 name",
    ("members", 1, "rate"): "11:5 rate",
    ("nothing",): "12:1 nothing",
}
VALUES = {
    ("name",): "2:7 x",
    ("optimizer",): "3:1 optimizer",  # a block stands at its key
    ("optimizer", "name"): "4:9 adam",
    ("optimizer", "lr"): "5:9 1e-3",
    ("layers",): "6:9 [64, {width: 32}]",
    ("layers", 0): "6:10 64",
    ("layers", 1): "6:14 {width: 32}",
    ("layers", 1, "width"): "6:22 32",
    ("members",): "8:1 members",
    ("members", 0): "9:5 l2",
    ("members", 1): "10:5 n",  # a block in a list: where it begins
    ("members", 1, "rate"): "11:11 0.5",
    ("nothing",): "12:9 ",
    ("last",): '13:7 "quoted"',
}


def written(place: Place) -> str:
    """What stands at a place."""
    start = place.column - 1
    return place.text[place.line - 1][start : start + place.width]


@pytest.mark.parametrize(("what", "expected"), [("keys", KEYS), ("values", VALUES)])
def test_places(what: str, expected: dict[KeyPath, str]) -> None:
    places = getattr(parse(PLACES_TEXT, "file.yaml"), what)
    assert {path: f"{places[path].line}:{places[path].column} {written(places[path])}" for path in expected} == expected
    assert {place.source for place in places.values()} == {"file.yaml"}


def test_every_key_and_value_has_a_place() -> None:
    tree = parse(PLACES_TEXT, "")

    def paths(data: Any, path: KeyPath) -> list[KeyPath]:
        items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
        return [path, *(inner for key, value in items for inner in paths(value, (*path, key)))]

    assert set(tree.values) == set(paths(tree.data, ()))
    assert set(tree.keys) == {path for path in tree.values if path and isinstance(path[-1], str)}


def test_an_excerpt_shows_the_line_before_and_the_caret() -> None:
    place = parse("a: 1\nb: {c: 2}\n", "f.yaml").values[("b", "c")]
    assert excerpt(place, "wrong", "why").splitlines() == [
        "f.yaml:2:8  wrong",
        "     1 | a: 1",
        "     2 | b: {c: 2}",
        "       |        ^ why",
    ]


def test_an_excerpt_of_a_long_line_shows_its_part_around_the_place() -> None:
    text = f"a: [{'x, ' * 200}here, {'y, ' * 200}]"
    head, shown, caret = excerpt(parse(text, "f.yaml").values[("a", 200)], "wrong").splitlines()
    assert head == "f.yaml:1:605  wrong"
    assert len(shown) < 140
    assert shown[caret.index("^") :].startswith("here")
    assert caret.count("^") == len("here")


def test_an_excerpt_is_safe_to_print() -> None:
    place = Place("f.yaml", 1, 3, 1, ("\tx\x1b[31my\x07",))
    assert excerpt(place, "wrong").splitlines()[1:] == ["     1 |  x [31my ", "       |   ^"]


# -- there and back ------------------------------------------------------------------------------------------------

text = st.text(st.characters(codec="utf-8"), max_size=12)
words = st.sampled_from(
    ["no", "1e-3", "012", "1:30", "~", "null", "<<", "=", "- a", "a: b", "#", " x", "x ", "a\nb", "&a", "!t"]
)
numbers = st.integers() | st.floats(allow_nan=False)
plain = st.recursive(
    st.none() | st.booleans() | numbers | text | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text | words, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(text | words, plain, max_size=5), st.integers(min_value=20, max_value=120))
def test_plain_data_comes_back(data: dict[str, Any], width: int) -> None:
    again = parse(to_yaml(data, width=width), "").data
    assert again == data
    assert repr(again) == repr(data)  # 1 is not 1.0 or true, 0.0 is not -0.0


@given(st.dictionaries(text.filter(str.isalnum), plain, max_size=5))
def test_each_key_is_written_at_its_place(data: dict[str, Any]) -> None:
    tree = parse(to_yaml(data, width=1000), "")
    found = {path: parse(f"{written(place)}: 0", "").data for path, place in tree.keys.items() if len(path) == 1}
    assert found == {(key,): {key: 0} for key in data}


def test_a_comment_stands_before_the_data() -> None:
    written_out = to_yaml({"a": 1}, "two\nlines")
    assert written_out == "# two\n# lines\na: 1\n"
