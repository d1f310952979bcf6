"""A user's own components: Python files that a configuration names, loaded once in each process."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from nnexp.components.base import Component, families, members, spellings
from nnexp.config.schema import ExperimentConfig
from nnexp.errors import InputError

_loaded: dict[Path, str] = {}


def digest(path: Path) -> str:
    """What a plugin's text is known by. Raises InputError where the file cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError as error:
        raise InputError(f"the plugin {path} cannot be read: {error.strerror}") from None


def load_plugins(paths: Iterable[Path]) -> None:
    """Run these files and take up the components that they define.

    Only files that a configuration or an option names are run, never anything found by itself. Raises InputError for
    a file that is missing or fails, and for a component whose name is taken.
    """
    added = False
    for path in paths:
        path = path.resolve()
        text = digest(path)
        if _loaded.get(path) == text:
            continue
        if path in _loaded:
            raise InputError(f"the plugin {path} has changed since it was loaded; run the command again")
        _run(path, text)
        _loaded[path] = text
        added = True
    if added:
        _rebuild()


def _run(path: Path, text: str) -> None:
    taken = {family: dict(spellings(cls)) for family, cls in families().items()}
    name = f"nnexp_plugin_{path.stem}_{text}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"the plugin {path} is not a Python file; its name should end in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno or 1}: {error.msg}") from None
    except Exception as error:
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
        place = f"{path}:{lines[-1]}" if lines else str(path)
        raise InputError(f"{place}: the plugin failed: {type(error).__name__}: {error}") from None
    mine = [cls for cls in vars(module).values() if isinstance(cls, type) and issubclass(cls, Component)]
    mine = [cls for cls in mine if cls.__module__ == name and cls.label()]
    if not mine:
        raise InputError(f"the plugin {path} defines no component; it needs a class such as 'class Mine(Optimizer)'")
    for cls in mine:
        for word in (cls.label(), *cls.aliases):
            if word in taken.get(cls.family, {}):
                raise InputError(f"{path}: the {cls.family} '{word}' exists already; choose another name")


def _rebuild() -> None:
    """Let the configuration's unions accept the new members, first those inside components."""
    for cls in members(families()["dataset"]).values():
        cls.model_rebuild(force=True)
    ExperimentConfig.model_rebuild(force=True)
