"""nnexp: controlled, quick, statistically sound experiments on how neural networks train.

In a notebook: `nnexp.load("runs")` is a pandas frame of past runs, `nnexp.compare(frame, by="optimizer")` their table.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nnexp.report.notebook import compare, load

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "load"]


def __getattr__(name: str) -> object:
    """What notebooks use is imported when it is asked for: `import nnexp` is for the command line, too."""
    if name in ("compare", "load"):
        from nnexp.report import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module 'nnexp' has no attribute '{name}'")
