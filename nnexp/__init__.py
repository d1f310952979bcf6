"""nnexp: controlled, quick, statistically sound experiments on how neural networks train."""

__version__ = "0.1.0"
