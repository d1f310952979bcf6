"""Pictures of components: one a component, drawn from its own formulas by the artist of its family."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from nnexp.components.base import Component
from nnexp.errors import InputError, Misfit
from nnexp.report.pictures import arrows, curves, paths, points
from nnexp.report.pictures.style import Picture, blank, rendered, styled
from nnexp.report.pictures.undrawable import Undrawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Artist = Callable[["Axes", Any], str]
"""Draws a component into the axes and says in words what is seen. Raises Undrawable, with the reason, where it cannot.

It asks what a component can do (has it a `forward`, or a `value` and a `slope`?) and names none."""

ARTISTS: dict[str, Artist] = {
    "activation": curves.activation,
    "clip": arrows.limit,
    "dataset": points.dataset,
    "initialization": points.initializer,
    "loss": curves.loss,
    "optimizer": paths.optimizer,
    "preprocessing": points.preprocessing,
    "regularization": curves.regularizer,
    "schedule": curves.schedule,
}
"""The families that have pictures."""


def picture(cls: type[Component], how: str = "svg") -> Picture:
    """The picture of a component with its default fields, as one of the formats `svg`, `png` and `pdf`.

    Raises Undrawable where there is nothing to draw, with the reason.
    """
    artist = ARTISTS.get(cls.family)
    if artist is None:
        raise Undrawable(f"there are no pictures of the family {cls.family}")
    needed = [key for key, field in cls.model_fields.items() if field.is_required()]
    if needed:
        raise Undrawable(f"it cannot be drawn without your {' and '.join(needed)}")
    with styled(), np.errstate(all="ignore"):
        figure, axes = blank()
        try:
            words = artist(axes, cls.model_validate({}))
        except (InputError, Misfit) as error:
            raise Undrawable(str(error)) from None
        return Picture(rendered(figure, how, f"{cls.label()}: {words}"), words)
