"""What is trained on: the family behind the key `dataset`, whose members are tables of examples and surfaces."""

from __future__ import annotations

from typing import ClassVar

from nnexp.components.base import Component


class TrainingGround(Component, family="dataset"):
    """Examples for a network to learn from, or a surface on which the parameters themselves are moved."""

    keys: ClassVar[frozenset[str] | None] = None
    """Keys of an experiment that mean something here; None: all."""
    precision: ClassVar[str] = "float32"
    """Of parameters and arithmetic, where the experiment does not say."""
