"""Architectures: widths that a network can be built with, said in one way only."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError

from nnexp.components.activations import Linear
from nnexp.components.architectures import Architecture, Mlp
from nnexp.components.normalizations import NoNormalization
from nnexp.engine.network import Network
from tests.variants import each


@each("architecture", Architecture)
def test_a_network_of_its_widths(architecture: Architecture) -> None:
    widths = architecture.widths()
    assert isinstance(widths, tuple)
    assert all(isinstance(width, int) and width >= 1 for width in widths)
    network = Network(3, widths, 2, Linear(), NoNormalization(), (), np.dtype("float64"))
    assert [layer.outputs for layer in network.layers] == [*widths, 2]
    sizes = (3, *widths, 2)
    assert network.size == sum((i + 1) * o for i, o in pairwise(sizes))
    assert network.over(5, training=False).forward(np.ones((5, 3))).shape == (5, 2)


@each("architecture", Architecture)
def test_filled_is_the_same(architecture: Architecture) -> None:
    again = type(architecture).model_validate(architecture.model_dump())
    assert again == architecture
    assert again.widths() == architecture.widths()


def test_widths_are_said_in_one_way() -> None:
    assert Mlp(width=8, depth=2).widths() == Mlp(hidden=(8, 8)).widths() == (8, 8)
    for fields in (
        {"hidden": (8,), "width": 8, "depth": 1},
        {"width": 8},
        {"depth": 2},
        {"hidden": (8,), "depth": 1},
    ):
        with pytest.raises(ValidationError, match="width"):
            Mlp(**fields)
    for hidden in ((0,), (-1,), (2.5,), (True,)):
        with pytest.raises(ValidationError):
            Mlp(hidden=hidden)
