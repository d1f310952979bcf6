"""Pictures show what the formulas say, all alike, light, and the same bytes each time."""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from nnexp.components.base import Component, members
from nnexp.components.datasets import Table
from nnexp.components.losses import Loss
from nnexp.components.optimizers import Optimizer
from nnexp.engine.loops import elementwise
from nnexp.report.pictures import curves, paths, points, style
from nnexp.report.pictures.components import ARTISTS, picture
from nnexp.report.pictures.style import Picture
from nnexp.report.pictures.undrawable import Undrawable
from nnexp.report.vocabulary import families
from tests.command import nnexp, nnexp_process
from tests.variants import each

pytest.importorskip("matplotlib")

DRAWN = [cls for name in ARTISTS for cls in members(families()[name]).values()]
each_drawn = pytest.mark.parametrize("cls", DRAWN, ids=lambda cls: f"{cls.family}-{cls.label()}")
SVG = "{http://www.w3.org/2000/svg}"
LARGEST = 30_000


@cache
def drawn_or_reason(cls: type[Component]) -> Picture | str:
    try:
        return picture(cls)
    except Undrawable as why:
        return str(why)


# -- every component -------------------------------------------------------------------------------


@each_drawn
def test_has_a_picture_or_a_reason(cls: type[Component]) -> None:
    drawn = drawn_or_reason(cls)
    if isinstance(drawn, str):
        assert len(drawn) > 10
        return
    root = ElementTree.fromstring(drawn.content)
    assert (root.tag, root.get("viewBox")) == (f"{SVG}svg", "0 0 302.4 201.6")
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == f"{cls.label()}: {drawn.words}"
    assert len(drawn.content) < LARGEST
    words = "".join(root.itertext())
    assert re.search(r"[a-zθ]", words.replace(title.text or "", "")), "the axes have names"
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.get("x", 0)) <= 302.4, text.text
        assert 0 <= float(text.get("y", 0)) <= 201.6, text.text


def test_most_components_have_one() -> None:
    undrawn = [cls.label() for cls in DRAWN if isinstance(drawn_or_reason(cls), str)]
    assert len(undrawn) < len(DRAWN) / 8, undrawn


@pytest.mark.parametrize("how", ["svg", "png", "pdf"])
@pytest.mark.parametrize("family", ARTISTS)
def test_the_same_bytes_each_time(family: str, how: str) -> None:
    cls = next(iter(members(families()[family]).values()))
    assert picture(cls, how) == picture(cls, how)


def test_numbers_to_read_keep_their_digits() -> None:
    cls = members(families()["initialization"])["he_normal"]
    assert "std 0.0884" in picture(cls).content.decode()


def test_the_users_settings_do_not_matter() -> None:
    import matplotlib as mpl

    cls = next(iter(members(families()["activation"]).values()))
    before = picture(cls)
    with mpl.rc_context({"lines.linewidth": 9.0, "font.size": 20.0}):
        assert picture(cls) == before
        assert mpl.rcParams["lines.linewidth"] == 9.0


# -- what is drawn ---------------------------------------------------------------------------------


@each("one", families()["activation"])
def test_the_derivative_of_an_activation_is_its_slope(one: Any) -> None:
    z = np.linspace(-4, 4, 41) + 0.0137
    step = 1e-5
    above, below = (curves.activation_curves(one, z + sign * step)[0] for sign in (1, -1))
    slope = curves.activation_curves(one, z)[1]
    assert slope == pytest.approx((above - below) / (2 * step), rel=1e-4, abs=1e-6)


@each("one", families()["loss"])
def test_the_slope_of_a_loss_is_its_derivative(one: Loss) -> None:
    what, x, value, slope = curves.loss_curves(one)
    assert what
    middle = np.arange(1, len(x) - 1)
    central = (value[2:] - value[:-2]) / (x[2:] - x[:-2])
    smooth = np.abs(slope[2:] - slope[:-2]) < 0.25 * (1 + np.abs(central))
    assert smooth.mean() > 0.9
    assert slope[middle][smooth] == pytest.approx(central[smooth], rel=0.01, abs=0.03)


@each("one", families()["optimizer"], lambda one: hasattr(one, "rule"))
def test_a_path_is_the_engines(one: Optimizer) -> None:
    lr, path = paths.best_path(one)
    one = one.model_copy(update={"lr": lr})
    slots, rule = one.kernel()
    θ = np.array(paths.START)
    state = [np.full(2, one.start().get(name, 0.0)) for name in slots]
    step = elementwise.update(rule, len(slots), len(one.coefficients(lr, 1)))
    for t in range(1, paths.STEPS + 1):
        step(θ, θ * (1.0, paths.STEEP), *state, np.array(one.coefficients(lr, t)))
        assert path[t] == pytest.approx(θ, rel=1e-9, abs=1e-12)
    assert paths.valley(θ) < paths.valley(np.array(paths.START))


class Hills:
    """What a surface must be able to say to be drawn: two valleys with a pass between them."""

    def size(self) -> int:
        return 2

    def first(self) -> np.ndarray:
        return np.array([0.5, 1.0])

    def minima(self) -> np.ndarray:
        return np.array([[-1.0, 0.0], [1.0, 0.0]])

    def saddles(self) -> np.ndarray:
        return np.array([[0.0, 0.0]])

    def value(self, θ: np.ndarray) -> Any:
        return (θ[0] ** 2 - 1) ** 2 + θ[1] ** 2


def test_a_surface_and_all_that_is_known_of_it_is_in_sight() -> None:
    with style.styled():
        _, axes = style.blank()
        assert "contour" in points.dataset(axes, Hills())
        lines = {line.get_label(): line.get_xydata() for line in axes.lines}
        for label, known in (("start", [[0.5, 1.0]]), ("minimum", Hills().minima()), ("saddle", Hills().saddles())):
            assert np.array_equal(lines[label], known)
        low, high = zip(axes.get_xlim(), axes.get_ylim(), strict=True)
        assert all((np.array(low) < lines[label]).all() and (lines[label] < np.array(high)).all() for label in lines)


@pytest.mark.parametrize("levels", [None, ("a", "b"), tuple("abcdefghij")], ids=["real", "classes", "many classes"])
@pytest.mark.parametrize("features", [1, 2, 5])
def test_examples_of_any_kind_can_be_drawn(features: int, levels: tuple[str, ...] | None) -> None:
    rng = np.random.default_rng(0)
    x, n = rng.normal(size=(200, features)), 200
    x[3, 0] = np.nan
    t = x[:, -1] if levels is None else np.arange(n) % len(levels)
    t = np.nan_to_num(t)
    table = Table(x, t, tuple(f"x{i}" for i in range(features)), levels)
    with style.styled():
        _, axes = style.blank()
        words = points.dataset(axes, SimpleNamespace(load=lambda rng: table))
        assert words.startswith(f"{points.MOST} of its 200 examples")
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        drawn = sum(len(line.get_xdata()) for line in axes.lines if line.get_linestyle() == "None")
        assert drawn + len(axes.texts) >= points.MOST


def test_a_jump_of_the_slope_is_a_gap() -> None:
    x = np.linspace(-1, 1, 41)
    assert list(curves._jumps((x > 0).astype(float))) == [21]
    assert list(curves._jumps(np.sign(x))) == [20, 21]
    assert list(curves._jumps(np.tanh(3 * x))) == []
    assert list(curves._jumps(np.zeros(41))) == []


# -- the command -----------------------------------------------------------------------------------

PLUGIN = '''
from typing import Literal
import numpy as np
from nnexp.components.activations import Relu
from nnexp.components.optimizers import Optimizer

Activation = next(base for base in Relu.__mro__[1:] if hasattr(base, "transcend"))

class Cosine(Activation):
    """Wave.

        y = cos(z)
        y' = -sin(z)

    Source: none.

        >>> float(Cosine.value(0.0, 1.0, ()))
        1.0
    """
    name: Literal["wave"] = "wave"
    slope_reads = frozenset("z")

    @staticmethod
    def value(z, e, c):
        return np.cos(z)

    @staticmethod
    def slope(z, y, e, c):
        return -np.sin(z)

class Bare(Optimizer):
    """Stand still."""
    name: Literal["bare"] = "bare"

    @staticmethod
    def rule(θ, g, c):
        return θ
'''


def test_draws_a_family(tmp_path: Path) -> None:
    outcome = nnexp("plot", "components", "clip", "--format", "png", "-o", "a/b", cwd=tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.out.splitlines() == [f"a/b/clip-{name}.png" for name in members(families()["clip"])]
    for line in outcome.out.splitlines():
        assert (tmp_path / line).read_bytes().startswith(b"\x89PNG")


def test_draws_one_by_any_of_its_names(tmp_path: Path) -> None:
    outcome = nnexp("plot", "components", "activations", "silu", cwd=tmp_path)
    assert (outcome.code, outcome.out) == (0, "pictures/activation-swish.svg\n")
    cls = members(families()["activation"])["swish"]
    assert (tmp_path / "pictures" / "activation-swish.svg").read_bytes() == picture(cls).content


def test_says_what_it_cannot_draw(tmp_path: Path) -> None:
    outcome = nnexp("plot", "components", "dataset", cwd=tmp_path)
    assert outcome.code == 0
    assert "no picture of dataset 'csv': it cannot be drawn without your path and target\n" in outcome.err
    assert len(outcome.out.splitlines()) == len(list((tmp_path / "pictures").iterdir()))


def test_draws_a_plugins_component(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    outcome = nnexp_process("plot", "components", "activation", "wave", "--plugin", "mine.py", cwd=tmp_path)
    assert (outcome.code, outcome.err, outcome.out) == (0, "", "pictures/activation-wave.svg\n")


@pytest.mark.parametrize("words", [("plot", "components"), ("reference",)], ids=" ".join)
def test_without_matplotlib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    outcome = nnexp(*words, cwd=tmp_path)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "pictures need matplotlib, which is not installed: pip install matplotlib\n"
    assert list(tmp_path.iterdir()) == []
