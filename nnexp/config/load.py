"""The front door: a file (or plain data) and overrides in, a validated and filled ExperimentConfig out."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nnexp import __version__
from nnexp.components.base import AS_LIST, Component, families, members
from nnexp.config.draft import Draft, names_several, refusal, split_override, unnamed
from nnexp.config.environment import THREAD_VARIABLES
from nnexp.config.flat import flat as flat
from nnexp.config.plugins import digest, load_plugins
from nnexp.config.problems import SWEEP_KEYS, component_fields, problems_of, report
from nnexp.config.schema import ExperimentConfig
from nnexp.config.yaml import KeyPath, Place, Tree, excerpt, scalar
from nnexp.errors import InputError, Misfit, Problem


@dataclass(frozen=True)
class Loaded:
    """A valid configuration together with where its values were written."""

    config: ExperimentConfig
    draft: Draft
    name: str
    """What to call the input in messages."""

    def refuse(self, misfits: Sequence[Misfit]) -> InputError:
        """The error for parts that do not go together, each at its place."""
        problems = [Problem(m.path, m.message, keys=_path_of(m.path.split("."), self.draft.data)) for m in misfits]
        return report(problems, self.draft, self.name)

    def origin(self, dotted: str) -> str:
        """Where the value at a dotted key came from: a line, an override, the environment or the default."""
        path = _path_of(dotted.split("."), self.draft.data)
        place = None if path is None else self.draft.place(path)
        if place is None:
            return "default"
        return f"{place.source}:{place.line}" if place.in_file else place.source


def _path_of(parts: Sequence[str], data: Any) -> KeyPath | None:
    """The path of a dotted key in plain data, where lists' members go by their names; None where it is not given."""
    path: KeyPath = ()
    for number, part in enumerate(parts):
        if isinstance(data, list):
            names = [one.get("name") if isinstance(one, dict) else one for one in data]
            if part not in names:
                return None
            path, data = (*path, names.index(part)), data[names.index(part)]
        elif isinstance(data, dict) and part in data:
            path, data = (*path, part), data[part]
        elif isinstance(data, str):  # a short form says only the name
            return path if part in ("name", data) and number == len(parts) - 1 else None
        elif not (isinstance(data, dict) and data.get("name") == part):  # a lone member of a list is skipped
            return None
    return path if data is not None else None


def load(path: Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read a configuration file with its bases, apply `KEY=VALUE` overrides, validate and fill.

    Raises InputError with every problem at its place.
    """
    draft = Draft.from_file(path)
    for key in SWEEP_KEYS:
        place = draft.place((key,), at_key=True)
        if place is not None:
            raise InputError(excerpt(place, f"'{key}' makes this file a sweep; run it with: nnexp sweep {path}"))
    for text in overrides:
        if names_several(text):
            words = ["--seeds N" if word.startswith("seed=") else shlex.quote(word) for word in overrides]
            raise InputError(
                f"command line: {text}: several values for one run; to train one run for each:\n"
                f"    nnexp sweep {path} {' '.join(words)}"
            )
    apply_overrides(draft, overrides)
    draft.data.setdefault("name", slug(path.stem))
    return validate(draft, str(path))


def load_data(data: dict[str, Any], name: str) -> Loaded:
    """Validate plain data, such as a filled configuration that was stored with a run."""
    return validate(Draft(Tree(data)), name)


def apply_overrides(draft: Draft, overrides: Iterable[str], source: str = "command line") -> None:
    """Set `KEY=VALUE` values; their order does not matter."""
    parsed = [split_override(text, source) for text in overrides]
    seen: set[str] = set()
    for key, _ in parsed:
        if unnamed(key) in seen:
            raise InputError(f"{source}: '{unnamed(key)}' is given twice")
        seen.add(unnamed(key))
    draft.assign_all(parsed, list_keys())


@cache
def list_keys() -> frozenset[str]:
    """Dotted keys that hold a list of components."""
    found: set[str] = set()
    for key, field in ExperimentConfig.model_fields.items():
        annotation = field.annotation
        if isinstance(field.default, tuple) and key in families():
            found.add(key)
        elif isinstance(annotation, type) and issubclass(annotation, Component):
            for cls in members(annotation).values():
                found |= {f"{key}.{name}" for name, inner in cls.model_fields.items() if AS_LIST in inner.metadata}
    return frozenset(found)


def validate(draft: Draft, name: str) -> Loaded:
    """Fill and validate a draft. Raises InputError with every problem at its place."""
    draft = draft.copy()
    _threads_from_environment(draft)
    _load_plugins(draft)
    _resolve_paths(draft)
    try:
        config = ExperimentConfig.model_validate(draft.data)
    except ValidationError as error:
        raise report(problems_of(error, draft.data, ExperimentConfig), draft, name) from None
    return Loaded(config, draft, name)


def _threads_from_environment(draft: Draft) -> None:
    if "threads" in draft.data:
        return
    for variable in THREAD_VARIABLES:
        text = os.environ.get(variable, "")
        if text.isdigit() and int(text) > 0:
            draft.data["threads"] = int(text)
            draft.values[("threads",)] = Place(f"environment variable {variable}", text=(f"{variable}={text}",))
            return


def _load_plugins(draft: Draft) -> None:
    """Make the paths of the plugins absolute, and load them. Raises InputError at the place that names one."""
    given = draft.data.get("plugins")
    paths = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    found: list[Any] = []
    for number, value in enumerate(paths):
        place = draft.place(("plugins", number)) or Place("the configuration")
        if not isinstance(value, str):
            found.append(value)
            continue
        path = _beside(place, value)
        try:
            load_plugins([path])
        except InputError as error:
            raise refusal(place, "plugins", str(error)) from None
        found.append(str(path))
    if paths:
        draft.data["plugins"] = found


def _beside(place: Place | None, value: str) -> Path:
    """A path as its writer meant it: relative to the file it stands in, or to the working folder."""
    folder = Path(place.source).parent if place is not None and place.in_file else Path()
    return (folder / Path(value).expanduser()).resolve()


def _resolve_paths(draft: Draft) -> None:
    """Make the paths of input files absolute: relative to the file they were written in, or to the working folder."""
    for outer, key in named_files(draft.data):
        draft.data[outer][key] = str(_beside(draft.place((outer, key)), draft.data[outer][key]))


def named_files(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Where plain data name input files: the keys of each path. Plugins are not among them."""
    for outer, family in component_fields(ExperimentConfig):
        given = data.get(outer)
        if not isinstance(given, dict):
            continue
        member = members(family).get(str(given.get("name")))
        for key in member.input_paths if member else ():
            if isinstance(given.get(key), str):
                yield outer, key


def slug(text: str) -> str:
    """Text as part of a folder's name: letters, digits, '.', '-' and '_' only, 64 at most.

    >>> slug("my run: lr=0.1/../x")
    'my-run-lr-0.1-x'
    """
    text = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    text = re.sub(r"\.{2,}", "-", text)
    text = re.sub(r"-{2,}", "-", text).strip("-._")
    return text[:64] or "run"


def filled(config: ExperimentConfig) -> dict[str, Any]:
    """The configuration as plain data with every default, names first: what config.yaml holds."""
    return _plain(config.model_dump())


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        ordered = {"name": value["name"], **value} if "name" in value else value
        return {key: _plain(inner) for key, inner in ordered.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value


def to_yaml(data: dict[str, Any], comment: str = "", width: int = 100) -> str:
    """Plain data as YAML text that `load` reads back to the same, in lines of about `width` characters."""
    import yaml

    # libyaml's is the same, six times as fast
    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
        """Top-level keys on lines of their own; no anchors; quotes for text that our loader would read otherwise."""

        def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
            node = super().represent_mapping(tag, mapping, flow_style)
            if mapping is data:
                node.flow_style = False
            return node

        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
        style = None if isinstance(scalar(text), str) else "'"
        style = style if text.isprintable() else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Dumper.add_representer(str, text_node)
    style = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": width - 16}
    text = yaml.dump(data, Dumper=Dumper, **style)
    return "".join(f"# {line}\n" for line in comment.splitlines()) + text


def fingerprint(config: ExperimentConfig, data_hash: str) -> str:
    """What a run is known by: its filled configuration but for the name, its data and the engine's version."""
    identity = {key: value for key, value in filled(config).items() if key != "name"}
    # what a file of data holds is in the data's hash; where it lies is no matter
    identity["dataset"] = {key: v for key, v in identity["dataset"].items() if key not in config.dataset.input_paths}
    identity["monitor"] = {key: v for key, v in identity["monitor"].items() if key not in config.monitor.beside}
    if config.monitor.updates is None:  # as it was before there could be rows within an epoch
        del identity["monitor"]["updates"]
    identity["plugins"] = [digest(Path(path)) for path in config.plugins]
    if not identity["streams"]:  # as it was before single streams could have seeds of their own
        del identity["streams"]
    text = json.dumps([identity, data_hash, __version__], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
