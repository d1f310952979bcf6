"""Wrong input ends with exit code 2 and a message that says where it is, what was found and what would be right."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nnexp.components.optimizers import Momentum
from tests.command import Outcome, nnexp

MOONS = "dataset: moons\n"
CSV = "dataset: {name: csv, path: t.csv, target: kind%s}\n"
ROWS = [f"{i},{'red' if i % 2 else 'blue'},{'ab'[i % 3 > 0]}" for i in range(30)]
CLAIMED = "grid: {optimizer: [sgd, adam], batch.size: [4, 8]}\n"
PLAN = '{"started": "2026-01-01", "runs": []}'
BINARY = b"\x89PNG\r\n\x1a\n\x00\x00"


@dataclass(frozen=True)
class Case:
    """Files by name (None: a folder), a command line, and what the message must contain."""

    id: str
    files: dict[str, str | bytes | None]
    command: str
    told: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)


def train(id: str, text: str | bytes, *told: str, **others: str | None) -> Case:
    """A configuration c.yaml, and other YAML files by name, given to `nnexp train`."""
    return Case(id, {"c.yaml": text, **{f"{name}.yaml": other for name, other in others.items()}}, "train c.yaml", told)


def moons(id: str, text: str, *told: str) -> Case:
    """A configuration that is wrong from its second line on."""
    return train(id, MOONS + text, *told)


def line(id: str, command: str, *told: str, text: str = MOONS) -> Case:
    """A command line that is wrong, with a configuration c.yaml that is not."""
    return Case(id, {"c.yaml": text}, command, told)


def override(id: str, words: str, *told: str, text: str = MOONS) -> Case:
    """Overrides that are wrong."""
    return line(id, f"train c.yaml {words}", *told, text=text)


def sweep(id: str, text: str, *told: str) -> Case:
    """A sweep that is wrong from its second line on."""
    return line(id, "sweep c.yaml", *told, text=MOONS + text)


def sweep_words(id: str, words: str, *told: str) -> Case:
    """Words of `nnexp sweep` that are wrong."""
    return line(id, f"sweep c.yaml {words}", *told)


def csv(id: str, table: str | bytes | None, *told: str, fields: str = "") -> Case:
    """A table t.csv with the target `kind`, and other fields of the data set; None: a folder."""
    return Case(id, {"c.yaml": CSV % fields, "t.csv": table}, "train c.yaml", told)


def table(*rows: str, header: str = "size,colour,kind") -> str:
    return "\n".join([header, *rows, ""])


def column(*values: object, header: str = "a,kind") -> str:
    """A table with these values of `a` and two classes in turn."""
    return table(*(f"{value},{i % 2}" for i, value in enumerate(values)), header=header)


def arrays(**named: np.ndarray) -> bytes:
    """The bytes of an npz file."""
    file = BytesIO()
    np.savez(file, **named)
    return file.getvalue()


YAML = [
    train("tab", "dataset: moons\noptimizer:\n\tname: adam\n", "c.yaml:3:1  a tab; YAML is indented with spaces"),
    moons(
        "bracket", "architecture:\n  hidden: [64, 32\nstop: 3\n", "c.yaml:3:11  this bracket is not closed", "line 4"
    ),
    train("brace", "dataset: {name: moons, n: 100\n", "c.yaml:1:10  this bracket is not closed"),
    moons("brackets-mixed", "batch: {size: 3]\n", "c.yaml:2:16  expected ',' or '}', but got ']'"),
    moons(
        "bracket-too-many", "architecture: {hidden: [3]}}\n", "c.yaml:2:28  this closes a bracket that was not opened"
    ),
    train("quote", "dataset: 'moons\nseed: 3\n", "c.yaml:1:10  this quote is not closed"),
    moons("key-twice", "seed: 1\nseed: 2\n", "c.yaml:3:1  the key 'seed' stands twice; first in line 2", "| ^^^^"),
    moons(
        "key-twice-below", "batch:\n  size: 4\n  size: 8\n", "c.yaml:4:3  the key 'size' stands twice; first in line 3"
    ),
    moons("key-twice-in-line", "batch: {size: 4, size: 8}\n", "c.yaml:2:18  the key 'size' stands twice"),
    train(
        "alias-bomb",
        "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdef")),
        "c.yaml: more than 20,000 values once its aliases are expanded",
    ),
    moons("alias-of-itself", "stop: &s\n  epochs: *s\n", "c.yaml:2:7  an alias contains itself"),
    train(
        "alias-of-nothing", "dataset: *moons\n", "c.yaml:1:10  this refers to nothing", "^ put text that begins with &"
    ),
    train(
        "python-call",
        "dataset: !!python/object/apply:os.system [ls]\n",
        "c.yaml:1:10  the tag !!python/object/apply:os",
    ),
    train("python-name", "dataset: !!python/name:os.system\n", "c.yaml:1:10  the tag !!python/name:os.system is not"),
    train(
        "own-tag", "dataset: !moons {n: 100}\n", "c.yaml:1:10  the tag !moons is not supported; write the plain value"
    ),
    moons(
        "merge-key",
        "stop: &s {epochs: 3}\nmonitor:\n  <<: *s\n",
        "c.yaml:4:3  merge keys (<<)",
        "use 'base: other.yaml'",
    ),
    train("empty", "", "c.yaml is empty; expected keys and values such as 'dataset: digits'"),
    train("only-a-comment", "# dataset: moons\n", "c.yaml is empty"),
    train("list", "- dataset: moons\n", "c.yaml:1:1  expected keys and values such as 'dataset: digits', found a list"),
    train("word", "moons\n", "c.yaml:1:1  expected keys and values", "found 'moons'", "| ^^^^^"),
    train("no-space", "dataset:moons\n", "c.yaml:1:1  expected keys and values", "^ a space must follow the ':'"),
    moons(
        "no-space-below", "seed:1\nstop: 3\n", "c.yaml:2:1  a line without ': '", "^^^^^^ a space must follow the ':'"
    ),
    moons(
        "no-space-in-name",
        "optimizer:\n  name:adam\n",
        "c.yaml:3:3  optimizer: 'name:adam'",
        "a space must follow the ':'",
    ),
    train(
        "no-colon-first", "dataset moons\nseed: 1\n", "c.yaml:1:1  a line without ': '", "^^ write it as 'key: value'"
    ),
    moons("no-colon", "seed 1\nstop: 3\n", "c.yaml:2:1  a line without ': '", "| ^^^^^^ write it as 'key: value'"),
    moons("two-colons", "optimizer: name: adam\n", "c.yaml:2:16  a second ':' in one line; put the value in quotes"),
    moons("two-commas", "architecture: {hidden: [3,, 4]}\n", "c.yaml:2:27  a value is missing before ','"),
    moons("no-key", ": 3\n", "c.yaml:2:1  a ':' without a key"),
    moons("indented-more", "  seed: 3\n", "c.yaml:2:3  this line is indented more than the one above", "^^^^^^^"),
    moons("indented-oddly", "batch:\n  name: mini\n size: 3\n", "c.yaml:4:2  this line's indentation fits none"),
    train(
        "two-documents", "dataset: moons\n---\nseed: 3\n", "c.yaml:2:1  a second document begins here; a file holds one"
    ),
    moons("at-sign", "name: @home\n", "c.yaml:2:7  found character '@' that cannot start", "^ put the value in quotes"),
    moons("list-as-key", "? [a, b]\n: 3\n", "c.yaml:2:3  a key must be a word"),
    moons("nested-deeply", "seed: " + "[" * 3000 + "\n", "c.yaml: nested too deeply"),
    train(
        "control-character", b"dataset: moons\nseed: \x00\n", "c.yaml:2:7  the character U+0000 is not allowed in YAML"
    ),
    train("not-utf-8", "name: café\n".encode("latin-1"), "c.yaml is not UTF-8 text (byte 9: "),
    train("binary", BINARY, "c.yaml is not UTF-8 text (byte 0: "),
    line("no-such-file", "train d.yaml", "d.yaml: no such file; did you mean 'c.yaml'?"),
    Case(
        "file-in-folder",
        {"configs/c.yaml": MOONS},
        "train c.yaml",
        ("c.yaml: no such file; did you mean 'configs/c.yaml'?",),
    ),
    line("no-such-folder", "check confgs/c.yaml", "confgs/c.yaml: no such file; there is no folder confgs"),
    Case("folder", {"configs": None}, "train configs", ("configs is a folder; give a YAML file",)),
]

KEYS = [
    train(
        "key",
        "datset: moons\n",
        "c.yaml:1:1  datset: unknown key",
        "1 problem in c.yaml; nothing was run.",
        "^^^^^^ did you mean 'dataset'?   (allowed: name, seed, ",
    ),
    moons("key-capital", "Optimizer: adam\n", "c.yaml:2:1  Optimizer: unknown key", "^ did you mean 'optimizer'?"),
    moons("key-number", "1: 2\n", "c.yaml:2:1  1: unknown key", "| ^ (allowed: name, seed, "),
    moons("key-nonsense", "xyzzy: 1\n", "c.yaml:2:1  xyzzy: unknown key", "^^^^^ (allowed: name, seed, "),
    moons("key-crlf", "sede: 1\r\n", "c.yaml:2:1  sede: unknown key", "^^^^ did you mean 'seed'?"),
    moons(
        "key-below",
        "monitor:\n  evry: 3\n",
        "c.yaml:3:3  monitor.evry: unknown key",
        "^^^^ did you mean 'every'?   (allowed: every, ",
    ),
    moons(
        "key-of-component",
        "optimizer: {name: momentum, momentun: 0.9}\n",
        "c.yaml:2:29  optimizer.momentun: unknown key for optimizer 'momentum'",
        "^^^^^^^^ did you mean 'momentum'?   (allowed: lr, momentum, dampening",
    ),
    moons(
        "key-of-another",
        "optimizer:\n  name: sgd\n  momentum: 0.9\n",
        "c.yaml:4:3  optimizer.momentum: unknown key for optimizer 'sgd'",
        "^^^^^^^^ a key of momentum, nag",
        "(allowed: lr)",
    ),
    moons(
        "key-of-the-default",
        "optimizer: {beta3: 0.9}\n",
        "c.yaml:2:13  optimizer.beta3: unknown key for optimizer 'adam'",
        "beta1",
    ),
    moons(
        "key-in-words",
        "optimizer: {learning_rate: 1}\n",
        "c.yaml:2:13  optimizer.learning_rate: unknown",
        "did you mean 'lr'?",
    ),
    moons(
        "key-where-none-is",
        "architecture: {name: linear, width: 3}\n",
        "c.yaml:2:30  ",
        "a key of mlp   (allowed: none but name)",
    ),
    moons(
        "key-in-list",
        "regularization:\n  - {name: l2, strenght: 1}\n",
        "c.yaml:3:16  regularization.l2.strenght: unknown key",
        "did you mean 'strength'?",
    ),
    moons(
        "field-at-top",
        "lr: 0.1\n",
        "c.yaml:2:1  lr: unknown key",
        "^^ did you mean 'optimizer.lr' or 'pretrain.lr'?",
    ),
    moons(
        "field-of-two-at-top",
        "momentum: 0.9\n",
        "c.yaml:2:1",
        "did you mean 'normalization.momentum' or 'optimizer.momentum' or 'pretrain.momentum'?",
    ),
    moons("field-like-another-key", "validation: 0.1\n", "c.yaml:2:1", "did you mean 'dataset.validation'?"),
    moons("field-with-underscore", "batch_size: 16\n", "c.yaml:2:1", "did you mean 'batch.size'?"),
    moons("field-in-words", "learning_rate: 0.1\n", "c.yaml:2:1", "did you mean 'optimizer.lr'?"),
    moons(
        "component-at-top",
        "dropout: 0.1\n",
        "c.yaml:2:1  dropout: unknown key",
        "did you mean 'regularization: dropout'?",
    ),
    moons("key-of-sweeps", "gird: {}\n", "c.yaml:2:1  gird: unknown key", "^^^^ did you mean 'grid'?"),
]

VALUES = [
    train(
        "nothing-needed",
        "seed: 3\n",
        "c.yaml: dataset: missing; it is needed (where the examples come from, or ",
    ),
    train("no-name", "dataset:\n  n: 50\n", "c.yaml:1:1  dataset: 'name' is missing; one of: ", "| ^^^^^^^"),
    moons(
        "name-as-key", "regularization: {l2: 0.1}\n", "c.yaml:2:17  regularization: 'name' is missing; write 'name: l2'"
    ),
    train(
        "csv-without-path",
        "dataset: {name: csv, target: a}\n",
        "c.yaml:1:10  dataset.path: missing; it is needed for dataset 'csv'",
        "(the file",
    ),
    moons("negative", "optimizer: {lr: -0.1}\n", "c.yaml:2:17  optimizer.lr: must be >= 0, found -0.1", "^^^^\n"),
    moons(
        "word-for-number",
        "optimizer:\n  lr: fast\n",
        "c.yaml:3:7  optimizer.lr: must be a number, found 'fast'",
        "|       ^^^^\n",
    ),
    moons(
        "quoted-number",
        "optimizer: {lr: '0.1'}\n",
        "c.yaml:2:17  optimizer.lr: must be a number, found '0.1'",
        "^^^^^ write it without quotes",
    ),
    moons(
        "decimal-comma",
        "optimizer:\n  lr: 0,1\n",
        "c.yaml:3:7  optimizer.lr: must be a number, found '0,1'",
        "^^^ write a decimal point",
    ),
    moons(
        "underscore", "optimizer: {lr: 1_000.5}\n", "optimizer.lr: must be a number, found '1_000.5'", "^ write 1000.5"
    ),
    moons(
        "per-cent",
        "optimizer: {lr: 20%}\n",
        "optimizer.lr: must be a number, found '20%'",
        "^^^ write 0.2",
    ),
    moons("true-for-number", "optimizer: {lr: true}\n", "c.yaml:2:17  optimizer.lr: must be a number, found true"),
    moons("nothing-for-number", "optimizer:\n  lr:\n", "c.yaml:3:6  optimizer.lr: must be a number, found null"),
    moons(
        "list-for-number",
        "optimizer: {lr: [0.1, 1]}\n",
        "must be a number, found [0.1, 1]",
        "^^ several values are for the grid of 'nnexp sweep'",
    ),
    moons("nan", "optimizer: {lr: .nan}\n", "c.yaml:2:17  optimizer.lr: must be a finite number, found nan"),
    moons("inf", "optimizer: {lr: .inf}\n", "c.yaml:2:17  optimizer.lr: must be a finite number, found inf"),
    moons(
        "too-large-for-float",
        "optimizer: {lr: 1e999}\n",
        "c.yaml:2:17  optimizer.lr: must be a finite number, found inf",
    ),
    moons(
        "number-for-list",
        "architecture: {hidden: 64}\n",
        "c.yaml:2:24  architecture.hidden: must be a list such as [64, 32], found 64",
        "^^ write [64]",
    ),
    moons(
        "fraction-for-list",
        "architecture: {hidden: 64.5}\n",
        "architecture.hidden: must be a list such as [64, 32], found 64.5",
        "^^^^\n",
    ),
    moons(
        "text-for-list",
        "architecture:\n  hidden: 64, 32\n",
        "c.yaml:3:11  architecture.hidden: must be a list",
        "^^^^^^ write [64, 32]",
    ),
    moons(
        "members",
        "architecture: {hidden: [64, 32.5, wide, true, 0]}\n",
        "c.yaml:2:29  architecture.hidden.1: must be a whole number, found 32.5",
        "c.yaml:2:35  architecture.hidden.2: must be a whole number, found 'wide'",
        "c.yaml:2:41  architecture.hidden.3: must be a whole number, found true",
        "c.yaml:2:47  architecture.hidden.4: must be >= 1, found 0",
        "4 problems in c.yaml; nothing was run.",
    ),
    moons(
        "list-in-list",
        "architecture: {hidden: [[3]]}\n",
        "c.yaml:2:25  architecture.hidden.0: must be a whole number, found [3]",
    ),
    moons("leading-zero", "seed: 012\n", "c.yaml:2:7  seed: must be a whole number, found '012'", "^^^ write 12"),
    moons("sexagesimal", "seed: 1:30\n", "c.yaml:2:7  seed: must be a whole number, found '1:30'", "^^^^\n"),
    moons("hexadecimal", "seed: 0x1f\n", "c.yaml:2:7  seed: must be a whole number, found '0x1f'", "^^^^ write 31"),
    moons(
        "whole-with-underscore",
        "seed: 1_000\n",
        "c.yaml:2:7  seed: must be a whole number, found '1_000'",
        "^^^^^ write 1000",
    ),
    moons("no-octal", "seed: 0o9\n", "c.yaml:2:7  seed: must be a whole number, found '0o9'", "^^^\n"),
    moons("no-percentage", "optimizer: {lr: 1.2.3%}\n", "c.yaml:2:17  optimizer.lr: must be a number, found '1.2.3%'"),
    moons(
        "quoted-truth", "monitor: {train: 'true'}\n", "must be true or false, found 'true'", "^ write it without quotes"
    ),
    moons("quoted-truth-for-number", "optimizer: {lr: 'true'}\n", "must be a number, found 'true'", "^^^^^^\n"),
    moons("decimal-point", "seed: 1.0\n", "c.yaml:2:7  seed: must be a whole number, found 1.0", "^^^ write 1"),
    moons("true-for-whole", "seed: true\n", "c.yaml:2:7  seed: must be a whole number, found true", "^^^^\n"),
    moons("negative-seed", "seed: -1\n", "c.yaml:2:7  seed: must be >= 0, found -1"),
    moons("huge", f"seed: {10**20}\n", f"c.yaml:2:7  seed: must be < 9,223,372,036,854,775,808, found {10**20}"),
    moons(
        "longer-than-a-line", f"seed: {'9' * 500}\n", "c.yaml:2:7  seed: must be a whole number, found '999", "9...\n"
    ),
    moons("no-epochs", "stop: 0\n", "c.yaml:2:7  stop.epochs: must be >= 1, found 0"),
    moons("target-without-bound", "stop: {target: {metric: train_loss}}\n", "c.yaml:2:16  stop.target: say either at_"),
    moons(
        "target-with-two-bounds",
        "stop: {target: {metric: train_loss, at_most: 1, at_least: 0}}\n",
        "c.yaml:2:16  stop.target: say either at_least or at_most",
    ),
    moons(
        "target-without-metric",
        "stop: {target: {at_least: 0.9}}\n",
        "c.yaml:2:16  stop.target.metric: missing; it is needed",
        "(what must be reached: validation_accuracy or another column)",
    ),
    moons(
        "target-misspelt",
        "stop: {target: {metric: train_loss, at_most: 1, evry: 3}}\n",
        "c.yaml:2:49  stop.target.evry: unknown key",
        "did you mean 'every'?   (allowed: metric, at_least, at_most, every)",
    ),
    moons("target-number", "stop: {target: 0.9}\n", "c.yaml:2:16  stop.target: must be keys and values, found 0.9"),
    moons("no-look", "stop: {target: {metric: train_loss, at_most: 1, every: 0}}\n", "stop.target.every: must be >= 1"),
    moons("word-for-dialect", "stop: {dialect: sklern}\n", "must be one of keras, sklearn", "did you mean 'sklearn'?"),
    moons(
        "word-for-epochs",
        "stop: never\n",
        "c.yaml:2:7  stop: must be a number of epochs, or keys",
        "{epochs: 20, ",
        "found 'never'",
    ),
    moons(
        "yes",
        "monitor: {train: yes}\n",
        "c.yaml:2:18  monitor.train: must be true or false, found 'yes'",
        "^^^ write true",
    ),
    moons(
        "off",
        "batch: {drop_last: off}\n",
        "c.yaml:2:20  batch.drop_last: must be true or false, found 'off'",
        "^^^ write false",
    ),
    moons(
        "one-for-true",
        "monitor: {train: 1}\n",
        "c.yaml:2:18  monitor.train: must be true or false, found 1",
        "^ write true",
    ),
    moons(
        "unknown-member",
        "optimizer: adamm\n",
        "c.yaml:2:12  optimizer: 'adamm' is not an optimizer; did you mean 'adam'?",
        "^^^^^\n",
    ),
    moons(
        "unknown-member-long",
        "loss:\n  name: mse_loss\n",
        "c.yaml:3:9  loss: 'mse_loss' is not a loss; did you mean 'mse'?",
        "^^^^^^^^\n",
    ),
    moons(
        "class-weights-word",
        "loss: {name: cross_entropy, class_weights: balance}\n",
        "c.yaml:2:44  loss.class_weights: must be balanced, or a list of positive numbers, one a class, such as ",
        "found 'balance'",
        "1 problem in c.yaml",
    ),
    moons(
        "class-weights-negative",
        "loss: {name: cross_entropy, class_weights: [1, -2]}\n",
        "c.yaml:2:44  loss.class_weights: must be positive numbers, one a class; -2 is not",
        "1 problem in c.yaml",
    ),
    moons(
        "alpha-above-one",
        "loss: {name: focal, alpha: 2}\n",
        "c.yaml:2:28  loss.alpha: one number, the weight of the second of two classes, must be between 0 and 1, "
        "found 2; weights of all classes are a list, such as [1, 2.5]",
        "1 problem in c.yaml",
    ),
    moons(
        "alpha-word",
        "loss: {name: focal, alpha: balance}\n",
        "c.yaml:2:28  loss.alpha: must be balanced, or a list of positive numbers, one a class, such as ",
        "found 'balance'",
        "1 problem in c.yaml",
    ),
    moons(
        "alpha-negative",
        "loss: {name: focal, alpha: [1, -2]}\n",
        "c.yaml:2:28  loss.alpha: must be positive numbers, one a class; -2 is not",
        "1 problem in c.yaml",
    ),
    moons(
        "focal-class-weights",
        "loss: {name: focal, class_weights: [1, 2]}\n",
        "c.yaml:2:7  loss: focal has no class_weights; its weights of the classes are called alpha",
        "1 problem in c.yaml",
    ),
    moons(
        "all-smooth",
        "loss: {name: bce, label_smoothing: 1}\n",
        "c.yaml:2:36  loss.label_smoothing: must be < 1, found 1",
    ),
    moons(
        "quantile-in-percent",
        "loss: {name: quantile, level: 90}\n",
        "c.yaml:2:31  loss.level: must be < 1, found 90",
    ),
    moons(
        "nothing-near", "optimizer: xyz\n", "c.yaml:2:12  optimizer: 'xyz' is not an optimizer; one of: sgd, momentum, "
    ),
    moons("null-member", "optimizer:\n", "c.yaml:2:11  optimizer: found null; name an optimizer: sgd, "),
    moons(
        "list-for-member",
        "optimizer: [adam, sgd]\n",
        "c.yaml:2:12  optimizer: found ['adam', 'sgd']",
        "several values are for the grid of 'nnexp sweep'",
    ),
    moons(
        "list-for-name",
        "optimizer: {name: [adam]}\n",
        "c.yaml:2:19  optimizer: ['adam'] is not an optimizer; did you mean 'adam'?",
    ),
    moons(
        "unknown-in-list",
        "regularization: [l2, dropot]\n",
        "c.yaml:2:22  regularization.1: 'dropot' is not",
        "did you mean 'dropout'?",
        "| " + " " * 21 + "^^^^^^\n",
    ),
    moons("twice-in-list", "regularization: [l2, l1, l2]\n", "c.yaml:2:17  regularization: 'l2' stands there twice"),
    moons(
        "null-in-list",
        "regularization:\n  - l2\n  -\n",
        "c.yaml:4:4  regularization.1: found null; name a regularization: l2, ",
    ),
    moons("width-alone", "architecture: {width: 3}\n", "c.yaml:2:15  architecture: 'width' and 'depth' go together"),
    moons(
        "width-and-hidden",
        "architecture:\n  width: 3\n  depth: 1\n  hidden: [3]\n",
        "c.yaml:2:1  architecture: give either 'hidden' or",
        "| ^^^^^^^^^^^^\n",
    ),
    moons(
        "depth-beyond-memory",
        "architecture: {width: 4, depth: 1000000000}\n",
        "c.yaml:2:33  architecture.depth: must be <= 1,000, found 1000000000",
    ),
    moons(
        "choice",
        "precision: float23\n",
        "c.yaml:2:12  precision: must be one of float32, float64; found 'float23'",
        "^^^^^^^ did you mean 'float32'?",
    ),
    moons(
        "out-of-the-folder", "name: ../../x\n", "c.yaml:2:7  name: must consist of a-z, A-Z, 0-9, ", "found '../../x'"
    ),
    moons("number-for-text", "name: 3\n", "c.yaml:2:7  name: must be text, found 3", "^ put it in quotes"),
    train(
        "empty-range",
        "dataset:\n  name: moons\n  preprocessing: {name: minmax, low: 2}\n",
        "c.yaml:3:18  dataset.preprocessing: low (2) must be below high (1)",
    ),
    train(
        "nothing-to-learn-from",
        "dataset:\n  name: moons\n  validation: 0.5\n  test: 0.5\n",
        "c.yaml:1:1  dataset: validation (0.5) and test (0.5) leave nothing",
    ),
    train(
        "components-text",
        "dataset:\n  name: moons\n  preprocessing: {name: pca, components: all}\n",
        "c.yaml:3:42  dataset.preprocessing.components: must be a number of components from 1, or a share of the "
        "variance between 0 and 1; found 'all'",
    ),
    train(
        "components-percent",
        "dataset:\n  name: moons\n  preprocessing: [standardize, {name: pca, components: 95%}]\n",
        "c.yaml:3:56  dataset.preprocessing.pca.components: must be a number of components from 1",
        "found '95%'",
    ),
    train(
        "rate-above-one",
        "dataset:\n  name: moons\n  conditions: {name: label_noise, rate: 20}\n",
        "c.yaml:3:41  dataset.conditions.rate: must be <= 1, found 20",
    ),
    train(
        "condition-near",
        "dataset: {name: moons, conditions: [label_nosie]}\n",
        "c.yaml:1:37  dataset.conditions.0: 'label_nosie' is not a condition; did you mean 'label_noise'?",
    ),
    train(
        "condition-twice",
        "dataset: {name: moons, conditions: [sorted, sorted]}\n",
        "dataset.conditions: 'sorted' stands there twice",
    ),
    train(
        "no-second-domain",
        "dataset: {name: two_domains, test: 0}\n",
        "c.yaml:1:10  dataset: the test split is the second domain; with test 0 of n 400 it has 0 examples",
    ),
    train(
        "too-much-to-generate",
        "dataset: {name: sparse_bag_of_words, n: 1000000, features: 1000}\n",
        "c.yaml:1:10  dataset: n x features is 1,000,000,000; at most 100,000,000 numbers are generated",
    ),
    train(
        "more-clouds-than-points",
        "dataset: {name: blobs, n: 10, centers: 20}\n",
        "c.yaml:1:10  dataset: n (10) is too small for 20 centers, each a class",
    ),
    Case(
        "environment",
        {"c.yaml": MOONS},
        "train c.yaml",
        ("environment variable OMP_NUM_THREADS: OMP_NUM_THREADS=1000: threads: must be a whole number from 1 to 256",),
        {"OMP_NUM_THREADS": "1000"},
    ),
]

BASES = [
    train(
        "base-missing",
        "base: bas.yaml\n",
        "c.yaml:1:7  base: the file bas.yaml does not exist; did you mean 'base.yaml'?",
        base=MOONS,
    ),
    train("base-folder", "base: sub.yaml\n", "c.yaml:1:7  base: the file sub.yaml is a folder", sub=None),
    train("base-itself", "base: c.yaml\n", "c.yaml:1:7  base: c.yaml leads back to this file"),
    train(
        "base-cyclic", "base: b.yaml\n", "b.yaml:2:7  base: c.yaml leads back to this file", b="seed: 2\nbase: c.yaml\n"
    ),
    train("base-list", "base: [b.yaml]\n", "c.yaml:1:7  base: must be the name of a YAML file, found ['b.yaml']"),
    train("base-null", "base:\nseed: 3\n", "c.yaml:1:6  base: must be the name of a YAML file, found null"),
    train("base-not-yaml", "base: b.yaml\n", "b.yaml:2:7  this bracket is not closed", b="dataset: moons\nname: [x\n"),
    train(
        "base-is-a-sweep",
        "base: b.yaml\n",
        "b.yaml:2:1  'seeds' makes this file a sweep; run it with: nnexp sweep c.yaml",
        b=MOONS + "seeds: 3\n",
    ),
    train(
        "base-and-file",
        "base: b.yaml\nseed: -1\n",
        "c.yaml:2:7  seed: must be >= 0, found -1",
        "b.yaml:2:17  optimizer.lr: must be a number, found 'fast'",
        "2 problems in c.yaml; nothing was run.",
        b=MOONS + "optimizer: {lr: fast}\n",
    ),
    train(
        "base-of-another-name",
        "base: b.yaml\noptimizer: {name: sgd, momentum: 0.5}\n",
        "c.yaml:2:24  optimizer.momentum: unknown key for optimizer 'sgd'",
        b=MOONS + "optimizer: {name: momentum, momentum: 0.9}\n",
    ),
]

OVERRIDES = [
    override(
        "no-equals", "optimizer.lr", "command line: 'optimizer.lr' is not an override; write KEY=VALUE without spaces"
    ),
    override("spaces", "seed = 3", "command line: 'seed' is not an override; write KEY=VALUE without spaces"),
    override(
        "two-dots",
        "optimizer..lr=1",
        "command line: optimizer..lr=1: 'optimizer..lr' is not a key; write for example optimizer.lr=0.01",
    ),
    override(
        "bad-value-yaml",
        "architecture.hidden=[1",
        "command line: architecture.hidden=[1: the value is not valid YAML: expected ',' or ']'",
    ),
    override(
        "key-twice-in-value",
        "'optimizer={lr: 1, lr: 2}'",
        "command line: optimizer={lr: 1, lr: 2}: the value is not valid YAML: the key 'lr' stands twice",
    ),
    override(
        "override-key",
        "optimizr.lr=1",
        "command line: optimizr.lr=1: optimizr: unknown key; did you mean 'optimizer'?",
        "1 problem in c.yaml",
    ),
    override(
        "override-key-below",
        "optimizer.l=1",
        "command line: optimizer.l=1: unknown key for optimizer 'adam'; did you mean 'lr'?",
    ),
    override("override-field-at-top", "lr=1", "command line: lr=1: unknown key; did you mean 'optimizer.lr' or"),
    override(
        "override-key-of-another",
        "optimizer.momentum=0.5",
        "command line: optimizer.momentum=0.5: unknown key for optimizer 'adam'; a key of momentum, ",
    ),
    override("override-base", "base=b.yaml", "command line: base=b.yaml: 'base' belongs into a file"),
    override("override-value", "optimizer.lr=fast", "command line: optimizer.lr=fast: must be a number, found 'fast'"),
    override("override-nothing", "seed=", "command line: seed=: must be a whole number, found null"),
    override(
        "override-member",
        "optimizer.name=adamm",
        "command line: optimizer.name=adamm: optimizer: 'adamm' is not an optimizer; did you mean 'adam'?",
    ),
    override("override-twice", "seed=1 seed=2", "command line: 'seed' is given twice"),
    override(
        "override-twice-by-option", "optimizer=adam -S optimizer.name=sgd", "command line: 'optimizer' is given twice"
    ),
    override(
        "under-a-number",
        "seed.x=1",
        "command line: seed.x=1: 'seed' is 3, which has no keys of its own",
        text=MOONS + "seed: 3\n",
    ),
    override(
        "under-a-field",
        "optimizer.lr.x=1",
        "command line: optimizer.lr.x=1: optimizer.lr: must be a number, found {'x': 1}",
    ),
    override(
        "into-a-list",
        "architecture.hidden.0=5",
        "command line: architecture.hidden.0=5: 'architecture.hidden' is a list; give all of it",
        text=MOONS + "architecture: {hidden: [3, 4]}\n",
    ),
    override(
        "member-of-list",
        "regularization.l2.strength=-1",
        "command line: regularization.l2.strength=-1: must be >= 0, found -1",
        text=MOONS + "regularization: [l1, l2]\n",
    ),
    override(
        "unknown-member-of-list",
        "regularization.dropuot.rate=0.1",
        "command line: regularization.dropuot.rate=0.1: ",
        "'dropuot' is not a regularization; did you mean 'dropout'?",
    ),
    override(
        "width-by-override",
        "architecture.width=3",
        "command line: architecture.width=3: architecture: 'width' and 'depth' go together",
    ),
    override(
        "override-does-not-take-the-blame",
        "dataset.noise=0.2",
        "c.yaml:1:10  dataset: validation (0.5) and test (0.5) leave",
        text="dataset: {name: moons, validation: 0.5, test: 0.5}\n",
    ),
    override(
        "file-and-overrides",
        "optimizer.lr=fast batch=huge",
        "c.yaml:2:1  sede: unknown key",
        "command line: batch=huge: 'huge' is not a batch; one of: full, mini, single",
        "command line: optimizer.lr=fast: must be a number, found 'fast'",
        "3 problems in c.yaml; nothing was run.",
        text=MOONS + "sede: 3\n",
    ),
    override(
        "several",
        "optimizer=sgd,adam stop=3",
        "command line: optimizer=sgd,adam: several values for one run",
        "\n    nnexp sweep c.yaml optimizer=sgd,adam stop=3\n",
    ),
    override(
        "logspace",
        "'optimizer.lr=logspace(1e-4,1,5)'",
        "several values for one run",
        "\n    nnexp sweep c.yaml 'optimizer.lr=logspace(1e-4,1,5)'\n",
    ),
    override(
        "several-seeds",
        "seed=1,2",
        "command line: seed=1,2: several values for one run",
        "\n    nnexp sweep c.yaml --seeds N\n",
    ),
    line(
        "override-first",
        "train seed=3 c.yaml",
        "'seed=3' is an override; the configuration comes first: nnexp train FILE seed=3",
    ),
    line(
        "override-first-check",
        "check seed=3 c.yaml",
        "'seed=3' is an override; the configuration comes first: nnexp check FILE seed=3",
    ),
    line(
        "override-first-sweep",
        "sweep seed=3 c.yaml",
        "'seed=3' is an override; the configuration comes first: nnexp sweep FILE seed=3",
    ),
    line(
        "train-a-sweep",
        "train c.yaml",
        "c.yaml:2:1  'seeds' makes this file a sweep; run it with: nnexp sweep c.yaml",
        text=MOONS + "seeds: 3\n",
    ),
]

MISFITS = [
    train(
        "cross-entropy-of-numbers",
        "dataset: diabetes\nloss: cross_entropy\n",
        "c.yaml:2:7  loss: cross_entropy needs classes as targets",
        "real-valued; try mse",
        "^^^^^^^^^^^^^\n",
    ),
    train(
        "two-classes-of-three",
        "dataset: iris\nloss:\n  name: bce\n",
        "c.yaml:2:1  loss: binary_cross_entropy needs two classes, but this target has 3; try cross_entropy",
        "| ^^^^\n",
    ),
    train(
        "counts-of-classes",
        "dataset: iris\nloss: poisson\n",
        "c.yaml:2:7  loss: poisson needs a real target, but this one has 3 classes; try cross_entropy",
    ),
    train(
        "standardized-counts",
        "dataset:\n  name: diabetes\n  scale_target: true\nloss: poisson\n",
        "c.yaml:3:17  dataset.scale_target: poisson needs the target as it is, not standardized; ",
        "say 'scale_target: false'",
    ),
    Case(
        "negative-counts",
        {
            "c.yaml": "dataset: {name: csv, path: t.csv, target: n, scale_target: false}\nloss: poisson\n",
            "t.csv": table(*(f"{i},{i - 1.5}" for i in range(30)), header="a,n"),
        },
        "train c.yaml",
        ("c.yaml:2:7  loss: poisson needs targets of 0 or more, but the smallest is -1.5; try mse",),
    ),
    train(
        "softmax-of-numbers",
        "dataset: diabetes\nloss: {name: mse, output: softmax}\n",
        "c.yaml:2:7  loss: mse of a softmax needs classes as targets, but this target is real-valued; try mse",
    ),
    train(
        "weights-of-other-classes",
        "dataset: iris\nloss: {name: cross_entropy, class_weights: [1, 2]}\n",
        "c.yaml:2:44  loss.class_weights: 2 numbers for 3 classes",
    ),
    train(
        "alpha-of-other-classes",
        "dataset: iris\nloss: {name: focal, alpha: [1, 2]}\n",
        "c.yaml:2:28  loss.alpha: 2 numbers for 3 classes",
    ),
    train(
        "one-alpha-of-three-classes",
        "dataset: iris\nloss: {name: focal, alpha: 0.25}\n",
        "c.yaml:2:28  loss.alpha: one number weighs two classes; for 3 give a list of 3",
    ),
    train(
        "batch-too-large",
        "dataset: {name: moons, n: 20}\nbatch: {size: 64}\n",
        "c.yaml:2:15  batch.size: a batch of 64 is more than the 12 training examples; use a smaller size, or",
    ),
    train(
        "batch-too-large-by-default",
        "dataset: {name: moons, n: 20}\n",
        "c.yaml: batch.size: a batch of 32 is more than the 12 training examples",
    ),
    train(
        "patience-without-validation",
        "dataset: {name: moons, validation: 0}\nstop:\n  patience: 2\n",
        "c.yaml:3:13  stop.patience: 'validation_loss' is not logged, for dataset.validation is 0",
        "one of batch_loss, train_loss",
    ),
    moons(
        "patience-without-train",
        "stop: {patience: 2, metric: train_loss}\nmonitor: {train: false}\n",
        "c.yaml:2:18  stop.patience: 'train_loss' is not logged, for monitor.train is false",
    ),
    moons(
        "metric",
        "stop: {metric: validation_acuracy}\n",
        "c.yaml:2:16  stop.metric: 'validation_acuracy' is not logged; did you mean 'validation_accuracy'?",
    ),
    moons(
        "batch-of-one-normalized",
        "normalization: batch\nbatch: single\n",
        "c.yaml:2:16  normalization: batch normalization needs batches of at least 2 examples; use layer",
    ),
    train(
        "last-batch-of-one-normalized",
        "dataset: {name: moons, n: 60}\nnormalization: batch\nbatch: {size: 7}\n",
        "c.yaml:3:8  batch: the last of the 36 training examples is a batch of its own",
        "say 'drop_last: true' or another size than 7",
    ),
    moons(
        "replacement-in-order",
        "batch: {sampling: replacement, shuffle: never}\n",
        "c.yaml:2:19  batch.sampling: draws with replacement have no fixed order; 'shuffle: never' does not go with",
    ),
    moons(
        "seed-beyond-the-legacy-order",
        "batch: {shuffle: sklearn}\nseed: 4294967296\n",
        "c.yaml:3:7  seed: scikit-learn's generator takes seeds below 2**32 = 4,294,967,296, not 4,294,967,296",
    ),
    moons(
        "seed-beyond-the-legacy-weights",
        "initialization: {name: sklearn, generator: legacy}\nseed: 4294967296\n",
        "c.yaml:3:7  seed: scikit-learn's generator takes seeds below 2**32",
    ),
    moons(
        "stream-of-batches",
        "batch: {stream: true}\n",
        "c.yaml:2:9  batch.stream: unknown key for batch 'mini'",
        "a key of single",
    ),
    moons(
        "stream-normalized",
        "normalization: batch\nbatch: {name: single, stream: true}\n",
        "c.yaml:2:16  normalization: batch normalization needs batches of at least 2 examples",
    ),
    train(
        "plateau-without-validation",
        "dataset: {name: moons, validation: 0}\nschedule: plateau\n",
        "c.yaml:2:11  schedule.metric: 'validation_loss' is not logged, for dataset.validation is 0",
        "set schedule.metric to one of batch_loss, train_loss",
    ),
    moons(
        "plateau-of-another-metric",
        "schedule: {name: plateau, metric: validation_acuracy}\n",
        "c.yaml:2:35  schedule.metric: 'validation_acuracy' is not logged; did you mean 'validation_accuracy'?",
    ),
    moons(
        "target-metric",
        "stop: {target: {metric: validation_acuracy, at_least: 0.9}}\n",
        "c.yaml:2:25  stop.target.metric: 'validation_acuracy' is not logged; did you mean 'validation_accuracy'?",
    ),
    moons(
        "target-without-objective",
        "stop: {target: {metric: batch_objective, at_most: 0.1}}\n",
        "c.yaml:2:25  stop.target.metric: 'batch_objective' is not logged, for monitor.objective is false",
    ),
    moons(
        "target-within-an-epoch-of-an-epoch",
        "stop: {target: {metric: batch_loss, at_most: 0.1, every: 5}}\n",
        "c.yaml:2:58  stop.target.every: 'batch_loss' is of a whole epoch, and looked at when that ends; leave 'every'",
    ),
    moons(
        "target-without-stream",
        "stop: {target: {metric: prequential_accuracy, at_least: 0.9}}\n",
        "c.yaml:2:25  stop.target.metric: 'prequential_accuracy' is not logged, for batch.stream is not true",
    ),
    moons("rows-within-none", "monitor: {updates: 0}\n", "c.yaml:2:20  monitor.updates: must be >= 1, found 0"),
    moons("rows-within-half", "monitor: {updates: 2.5}\n", "monitor.updates: must be a whole number, found 2.5"),
    moons(
        "rows-within-too-far",
        "batch: full\nmonitor: {updates: 20}\n",
        "c.yaml:3:20  monitor.updates: an epoch has 1 update, so rows within one cannot be 20 apart; use fewer, or",
    ),
    train(
        "rows-within-on-a-surface",
        "dataset: rosenbrock\nmonitor: {updates: 1}\n",
        "c.yaml:2:20  monitor.updates: on a surface each update is an epoch, and has its row; use monitor.every",
    ),
    moons("pretraining-name", "pretrain: autoencode\n", "'autoencode' is not a pretrain; did you mean 'auto"),
    moons("pretraining-k", "pretrain: {name: rbm, k: 0}\n", "c.yaml:2:26  pretrain.k: must be"),
    moons("pretraining-noise", "pretrain: {name: autoencoder, noise: 1}\n", "pretrain.noise: must be"),
    moons("pretraining-key", "pretrain: {name: autoencoder, k: 2}\n", "pretrain.k: unknown key", "of rbm"),
    moons(
        "pretraining-tied-rbm", "pretrain: {name: rbm, tied: true}\n", "pretrain.tied: unknown key", "of autoencoder"
    ),
    moons("pretraining-persistent", "pretrain: {name: rbm, persistent: 1}\n", "pretrain.persistent: must be true or"),
    moons(
        "pretraining-tied-maxout",
        "activation: {name: maxout, pieces: 3}\npretrain: {name: ae, tied: true}\n",
        "c.yaml:3:28  pretrain.tied: maxout has 3 linear maps a unit, whose transpose is no decoder; use tied: false",
    ),
    moons(
        "pretraining-nothing",
        "architecture: linear\npretrain: autoencoder\n",
        "c.yaml:3:11  pretrain: architecture: linear has no hidden layer to pre-train; leave pretrain out, or",
    ),
    moons(
        "pretraining-batch",
        "batch: full\npretrain: {name: autoencoder, batch: 1000}\n",
        "c.yaml:3:38  pretrain.batch: a batch of 1000 is more than the",
    ),
    moons(
        "pretraining-batch-of-one-normalized",
        "normalization: batch\npretrain: {name: autoencoder, batch: 1}\n",
        "c.yaml:3:38  pretrain.batch: batch normalization needs batches of at least 2 examples",
    ),
    moons(
        "pretraining-before-a-stream",
        "batch: {name: single, stream: true}\npretrain: autoencoder\n",
        "c.yaml:3:11  pretrain: with batch.stream no example is seen in advance",
    ),
    moons(
        "rbm-of-other-units",
        "activation: [sigmoid, tanh]\narchitecture: {hidden: [3, 3]}\npretrain: rbm\n",
        "c.yaml:4:11  pretrain: rbm is for activation: sigmoid, found tanh; use that, or autoencoder",
    ),
    moons(
        "rbm-normalized",
        "activation: sigmoid\nnormalization: layer\npretrain: rbm\n",
        "c.yaml:4:11  pretrain: rbm has no place for normalization: layer; leave it out, or use autoencoder",
    ),
    moons(
        "rbm-with-shortcuts",
        "activation: sigmoid\narchitecture: {hidden: [3, 3], residual: 1}\npretrain: rbm\n",
        "c.yaml:4:11  pretrain: rbm layers cannot have shortcuts between them; use autoencoder",
    ),
    moons(
        "rbm-of-numbers-that-are-no-probabilities",
        "activation: sigmoid\npretrain: {name: rbm, visible: bernoulli}\n",
        "c.yaml:3:32  pretrain.visible: bernoulli units want inputs in [0, 1], found -",
        "use gaussian, or dataset.preprocessing: minmax",
    ),
    train(
        "several-misfits",
        "dataset: {name: diabetes, validation: 0}\nloss: cross_entropy\nbatch: {size: 1000}\nstop: {patience: 3}\n",
        "c.yaml:2:7  loss: ",
        "c.yaml:3:15  batch.size: ",
        "c.yaml:4:18  stop.patience: ",
        "3 problems in c.yaml; nothing was run.",
    ),
]

CONDITIONS = [
    train(
        "limit-above-the-split",
        "dataset: {name: moons, n: 100, conditions: {name: limit, examples: 61}}\n",
        "c.yaml:1:68  dataset.conditions.limit.examples: 61 examples; the training split has 60",
    ),
    train(
        "limit-below-the-classes",
        "dataset:\n  name: digits\n  conditions: [sorted, {name: limit, examples: 9}]\n",
        "c.yaml:3:48  dataset.conditions.limit.examples: 9 examples for 10 classes; each needs one at least",
    ),
    train(
        "noise-of-a-size-on-labels",
        "dataset:\n  name: moons\n  conditions: {name: label_noise, size: 2}\n",
        "c.yaml:3:41  dataset.conditions.label_noise.size: size is for a real target; labels have only a rate",
    ),
    train(
        "imbalance-of-a-real-target",
        "dataset: {name: diabetes, conditions: imbalance}\n",
        "c.yaml:1:39  dataset.conditions.imbalance: imbalance is for classes, and the target is a real number",
    ),
    train(
        "imbalance-of-too-few",
        "dataset: {name: moons, n: 100, conditions: {name: imbalance, ratio: 80}}\n",
        "dataset.conditions.imbalance.ratio: with 30 examples of the first class, a ratio of 80 leaves none",
    ),
    override(
        "limit-by-override",
        "dataset.conditions.limit.examples=1000",
        "command line: dataset.conditions.limit.examples=1000: 1,000 examples; the training split has 240",
    ),
    train(
        "components-of-too-few-features",
        "dataset:\n  name: iris\n  preprocessing: [standardize, {name: pca, components: 5}]\n",
        "c.yaml:3:56  dataset.preprocessing.pca.components: 5 components of 4 features; the 90 training examples vary "
        "in 4 directions",
    ),
    train(
        "categories-of-a-measurement",
        "dataset:\n  name: iris\n  preprocessing: {name: one_hot, columns: [petal width (cm)]}\n",
        "c.yaml:3:18  dataset.preprocessing.one_hot: the feature 'petal width (cm)' has values such as 0.",
    ),
    train(
        "categories-of-nothing",
        "dataset:\n  name: iris\n  preprocessing: {name: one_hot, columns: [petal widht (cm)]}\n",
        "c.yaml:3:43  dataset.preprocessing.one_hot.columns: no feature 'petal widht (cm)'; did you mean 'petal width",
    ),
    train(
        "layer-of-one-feature",
        "dataset: {name: function_1d, preprocessing: layer}\n",
        "c.yaml:1:45  dataset.preprocessing.layer: every example would become 0, for there is only one feature",
    ),
]

FILES = [
    train(
        "no-arrays",
        "dataset: {name: npz, path: t.npz}\n",
        "c.yaml:1:28  dataset.path: the file /",
        "/t.npz does not exist",
    ),
    Case(
        "arrays-near",
        {"c.yaml": "dataset: {name: npz, path: t.npz}\n", "tt.npz": "x"},
        "train c.yaml",
        ("/t.npz does not exist; did you mean 'tt.npz'?",),
    ),
    Case(
        "arrays-in-no-archive",
        {"c.yaml": "dataset: {name: npz, path: t.npz}\n", "t.npz": BINARY},
        "train c.yaml",
        ("c.yaml:1:28  dataset.path: ", "t.npz cannot be read as npz: File is not a zip file"),
    ),
    Case(
        "array-not-there",
        {
            "c.yaml": "dataset: {name: npz, path: t.npz, target: labels}\n",
            "t.npz": arrays(x=np.ones((30, 2)), y=np.arange(30) % 2),
        },
        "train c.yaml",
        ("c.yaml:1:43  dataset.target: ", "t.npz has no array 'labels'; it has x, y"),
    ),
    train(
        "no-parquet-file",
        "dataset: {name: parquet, path: t.parquet, target: a}\n",
        "c.yaml:1:32  dataset.path: the file /",
        "/t.parquet does not exist",
    ),
]

LAYERS = [
    moons(
        "no-model",
        "initialization: {name: model, path: old}\n",
        "c.yaml:2:37  initialization.path: the file /",
        "/old does not exist",
    ),
    Case(
        "no-archive-as-model",
        {"c.yaml": MOONS + "initialization: {name: model, path: old.npz}\n", "old.npz": BINARY},
        "train c.yaml",
        ("c.yaml:2:37  initialization.path: ", "old.npz is not a model.npz"),
    ),
    Case(
        "model-of-something-else",
        {"c.yaml": MOONS + "initialization: {name: model, path: old.npz}\n", "old.npz": arrays(x=np.ones(3))},
        "train c.yaml",
        ("c.yaml:1:10  dataset.preprocessing: step 1 is not that of the model in initialization.path",),
    ),
    moons("model-of-nothing", "initialization: model\n", "initialization.path: missing; it is needed for"),
    moons(
        "activations-too-many",
        "activation: [relu, tanh]\n",
        "c.yaml:2:13  activation: 2 activations for 1 hidden layer; give one for all of them, or a list with one for",
        "several to compare are for 'nnexp sweep'",
    ),
    moons(
        "activations-too-few",
        "activation: [relu]\narchitecture: {hidden: [3, 4]}\n",
        "c.yaml:2:13  activation: 1 activation for 2 hidden layers",
    ),
    moons("activations-none", "activation: []\n", "c.yaml:2:13  activation: must hold at least one"),
    moons("activation-in-a-list", "activation: [relu, thanh]\n", "'thanh' is not an activation; did you mean 'tanh'?"),
    moons(
        "field-in-a-list-of-activations",
        "activation:\n  - {name: elu, alfa: 2}\n",
        "c.yaml:3:17  activation.elu.alfa: unknown key for activation 'elu'",
        "did you mean 'alpha'?",
    ),
    override("part-of-a-list-of-activations", "activation.alpha=2", "activation", text=MOONS + "activation: [elu]\n"),
    moons(
        "groups-of-a-layer",
        "normalization: {name: group, groups: 5}\n",
        "c.yaml:2:38  normalization.groups: 5 groups do not divide a layer of 32 units into equal parts",
    ),
    moons(
        "limit-on-normalized-weights",
        "normalization: weight\nregularization: max_norm\n",
        "c.yaml:3:17  regularization: max_norm limits the weights' length, which weight normalization makes",
    ),
    moons(
        "shortcut-over-too-few",
        "architecture: {hidden: [4, 4], residual: 2}\n",
        "residual: a shortcut over 2 needs at least 3 hidden layers, found 2",
    ),
    moons(
        "shortcut-between-widths",
        "architecture: {hidden: [4, 5], residual: 1}\n",
        "residual: layers that a shortcut joins must be of one width, found [4, 5]",
    ),
    moons("one-piece", "activation: {name: maxout, pieces: 1}\n", "activation.pieces: must be >= 2, found 1"),
    moons("penalty-on-what", "regularization: {name: l2, on: bias}\n", "on: must be one of weights, all; found 'bias'"),
    moons("constraint-of-zero", "regularization: {name: max_norm, max: 0}\n", "max: must be > 0, found 0"),
    moons(
        "search-with-a-noisy-activation",
        "optimizer: lbfgs\nbatch: full\nactivation: noisy_relu\n",
        "c.yaml:4:13  activation: lbfgs compares losses, which the noise of noisy_relu would change",
    ),
    moons(
        "search-with-a-constraint",
        "optimizer: lbfgs\nbatch: full\nregularization: max_norm\n",
        "c.yaml:4:17  regularization: lbfgs finds a lowest point, which max_norm would leave",
    ),
    moons(
        "search-with-augmentation",
        "optimizer: lbfgs\nbatch: full\naugmentation: noise\n",
        "c.yaml:4:15  augmentation: lbfgs compares losses of one set of examples, which augmentations change",
    ),
    moons(
        "augmented-stream",
        "batch: {name: single, stream: true}\naugmentation: noise\n",
        "c.yaml:3:15  augmentation: a stream's examples are predicted and learned from as they come",
    ),
    moons(
        "images-of-no-square",
        "augmentation: shift\n",
        "c.yaml:2:15  augmentation.shift: the data set does not say that its 2 features are an image; set shape: [",
    ),
    moons(
        "images-of-another-shape",
        "augmentation: {name: flip, shape: [2, 2]}\n",
        "augmentation.flip: 2 x 2 pixels are not the 2 features of an example; set shape: [height, width]",
    ),
    moons("augmentation-twice", "augmentation: [noise, noise]\n", "'noise' stands there twice"),
    moons("angle-too-large", "augmentation: {name: rotate, degrees: 270}\n", "degrees: must be <= 180, found 270"),
]

SURFACES = [
    train(
        "network-on-a-surface",
        "dataset: rosenbrock\narchitecture: {name: mlp, hidden: [8]}\nbatch: full\n",
        "c.yaml:2:15  architecture: rosenbrock is a surface, on which θ itself is the parameter; 'architecture' means",
        "c.yaml:3:8  batch: rosenbrock is a surface",
        "2 problems",
    ),
    train(
        "penalty-on-a-surface",
        "dataset: saddle\nregularization: l2\nloss: mse\n",
        "c.yaml:2:17  regularization: saddle is a surface",
        "c.yaml:3:7  loss: saddle is a surface",
    ),
    train("start-too-long", "dataset: {name: beale, start: [1, 2, 3]}\n", "'start' has 3 numbers, but θ has 2 here"),
    train("start-of-one", "dataset: {name: quadratic, start: [1]}\n", "'start' has 1 number, but θ has 2 here"),
    train("start-in-words", "dataset: {name: beale, start: [1, high]}\n", "must be a number, found 'high'"),
    train("start-is-no-list", "dataset: {name: beale, start: 1}\n", "dataset.start: must be a list"),
    train(
        "quadratic-said-twice",
        "dataset: {name: quadratic, spectrum: [1, 2], condition: 5}\n",
        "give either 'spectrum' or 'dimension' and 'condition', not both",
    ),
    train("no-curvature", "dataset: {name: quadratic, spectrum: []}\n", "dataset.spectrum"),
    train("condition-below-one", "dataset: {name: quadratic, condition: 0.5}\n", "dataset.condition: must be >= 1"),
    train("splits-of-a-surface", "dataset: {name: beale, test: 0.1}\n", "dataset.test: unknown key for dataset"),
    train("near-surface", "dataset: rosenbrok\n", "'rosenbrok' is not a dataset; did you mean 'rosenbrock'?"),
    train(
        "validation-on-a-surface",
        "dataset: beale\nstop: {patience: 5}\n",
        "c.yaml:2:18  stop.patience: 'validation_loss' is not logged, for a surface has no examples to validate on",
        "set stop.metric to one of batch_loss, train_loss, train_distance, train_gradient_norm",
    ),
    train(
        "rprop-on-a-surface",
        "dataset: beale\noptimizer: rprop\nschedule: cosine\n",
        "c.yaml:3:11  schedule",
    ),
    train(
        "search-with-noise",
        "dataset: {name: beale, noise: 0.1}\noptimizer: lbfgs\n",
        "c.yaml:1:31  dataset.noise: lbfgs compares losses, which noise does not go with",
    ),
]

SEARCHES = [
    moons("search-in-mini-batches", "optimizer: lbfgs\n", "lbfgs compares losses of all examples; say batch: full"),
    moons(
        "search-with-dropout",
        "optimizer: lbfgs\nbatch: full\nregularization: dropout\n",
        "c.yaml:4:17  regularization: lbfgs compares losses, which dropout would change",
    ),
    moons(
        "search-with-clipping",
        "optimizer: lbfgs\nbatch: full\nclip: norm\n",
        "c.yaml:4:7  clip: lbfgs learns the curvature from gradients, which clipping would bend",
    ),
    moons("conditions-in-disorder", "optimizer: {name: lbfgs, c1: 0.9, c2: 0.1}\n", "'c1' must be below 'c2'"),
    moons("no-history", "optimizer: {name: lbfgs, history: 0}\n", "optimizer.history: must be >= 1, found 0"),
    moons("search-misspelt", "optimizer: {name: lbfgs, line_search: wolfe}\n", "optimizer.line_search", "strong_wolfe"),
]

TABLES = [
    Case(
        "no-table",
        {"c.yaml": CSV % ""},
        "train c.yaml",
        ("c.yaml:1:28  dataset.path: the file /", "/t.csv does not exist\n", "^^^^^\n"),
    ),
    Case(
        "near-table",
        {"c.yaml": CSV % "", "tt.csv": "a"},
        "train c.yaml",
        ("/t.csv does not exist; did you mean 'tt.csv'?",),
    ),
    csv("table-folder", None, "c.yaml:1:28  dataset.path: the file /", "/t.csv is a folder\n"),
    csv("table-empty", "", "c.yaml:1:28  dataset.path: ", "t.csv is empty; a header line and rows are needed"),
    csv("table-header-only", table(), "c.yaml:1:28  dataset.path: ", "0 usable rows; at least 10 are needed"),
    csv(
        "table-latin-1",
        table(*ROWS).replace("red", "röd").encode("latin-1"),
        "t.csv is not UTF-8 text",
        "save it as UTF-8",
    ),
    csv("table-binary", BINARY, "c.yaml:1:28  dataset.path: ", "t.csv is not UTF-8 text"),
    csv(
        "target",
        table(*ROWS, header="size,colour,sort"),
        "c.yaml:1:43  dataset.target: ",
        "has no column 'kind'; it has size, colour, sort",
    ),
    csv(
        "target-near",
        table(*ROWS, header="size,colour,Kind"),
        "c.yaml:1:43  dataset.target: ",
        "has no column 'kind'; did you mean 'Kind'?",
    ),
    csv(
        "target-without-header",
        table(*ROWS[1:], header="0.5,3,1"),
        "has no column 'kind'; it has 0.5, 3, 1; is the header line missing?",
    ),
    csv(
        "separator",
        table(*ROWS).replace(",", ";"),
        "its one column is 'size;colour;kind': is the separator really ','?",
    ),
    csv(
        "separator-too-long",
        table(*ROWS),
        "c.yaml:1:60  dataset.separator: must be 1 character long, found ';;'",
        fields=", separator: ;;",
    ),
    csv(
        "separator-tab-unquoted",
        table(*ROWS),
        "dataset.separator: must be 1 character long",
        '^^ write "\\t", in double quotes',
        fields=r", separator: \t",
    ),
    csv(
        "separator-line-end",
        table(*ROWS),
        "dataset.separator: must be a character such as ','",
        fields=r', separator: "\n"',
    ),
    csv(
        "dropped-column",
        table(*ROWS),
        "c.yaml:1:56  dataset.drop.0: ",
        "has no column 'color'; did you mean 'colour'?",
        fields=", drop: [color]",
    ),
    csv(
        "dropped-text",
        table(*ROWS),
        "c.yaml:1:55  dataset.drop: must be a list of names, found 'colour'",
        "^^^^^^ write [colour]",
        fields=", drop: colour",
    ),
    csv(
        "no-feature-left",
        table(*ROWS),
        "dataset.features: ",
        "no column is left to learn from",
        fields=", features: []",
    ),
    csv(
        "target-as-feature",
        table(*ROWS),
        "dataset.features: the target 'kind' cannot be a feature too",
        fields=", features: [size, kind]",
    ),
    csv("row-too-long", table(*ROWS, "1,2,3,4"), "cannot be read as CSV: line 32 has 4 cells, not 3"),
    csv(
        "rows-longer-than-header",
        table(*ROWS, header="colour,kind"),
        "cannot be read as CSV: line 2 has 3 cells, not 2",
    ),
    csv(
        "row-too-short",
        table("a,0,red", "b,1", *(f"a,{i},red" for i in range(20)), header="kind,size,colour"),
        "missing values in 'colour' (1)",
    ),
    csv(
        "quote-in-table",
        table(*ROWS, '1,"red,a'),
        "cannot be read as CSV: the quote that opens in line 32 is not closed",
    ),
    csv("column-twice", table(*ROWS, header="size,size,kind"), "the column name 'size' stands twice in the header"),
    csv("column-without-name", table(*ROWS, header=",colour,kind"), "column 1 has no name in the header"),
    csv(
        "missing",
        table(*ROWS, ",red,a", ",blue,b", "3,,a"),
        "c.yaml:1:10  dataset.missing: ",
        "missing values in 'size' (2), 'colour' (1); say 'missing: drop'",
    ),
    csv(
        "missing-dropped",
        column(*range(5), *[""] * 20),
        "5 usable rows; at least 10 are needed (20 rows with missing values were left out",
        fields=", missing: drop",
    ),
    csv(
        "missing-kept",
        table(*ROWS, ",red,a"),
        "c.yaml:1:10  dataset.preprocessing: values are missing in 'size'; begin with impute: [impute, ",
        fields=", missing: keep",
    ),
    csv(
        "imputed-too-late",
        table(*ROWS, ",red,a"),
        "c.yaml:1:79  dataset.preprocessing: values are missing in 'size'; begin with impute",
        fields=", missing: keep, preprocessing: [standardize, impute]",
    ),
    csv(
        "too-many-texts",
        column(*(f"n{i}" for i in range(60))),
        "c.yaml:1:10  dataset.text: ",
        "column 'a' is text with 60 different values",
        "leave it out with 'drop: [a]'",
    ),
    csv(
        "text-refused",
        table(*ROWS),
        "dataset.text: ",
        "column 'colour' is text with 2 different values",
        "or say 'text: one_hot'",
        fields=", text: error",
    ),
    csv(
        "only-text-left-out",
        table(*("red,a", "blue,b") * 9, header="colour,kind"),
        "every feature column is text and was left out",
        fields=", text: drop",
    ),
    csv(
        "spoiled-number",
        column(*range(30), "?"),
        "c.yaml:1:28  dataset.path: ",
        "column 'a' is numbers but for some text such as '?'",
    ),
    csv(
        "decimal-commas",
        column(*(f'"{i},5"' for i in range(30))),
        "column 'a' has a decimal comma, as in '0,5'; write a point",
    ),
    csv(
        "infinite-value",
        column(*range(30), "inf"),
        "c.yaml:1:28  dataset.path: ",
        "column 'a' contains a value that is infinite or beyond 1e+100",
    ),
    csv(
        "infinite-target",
        table(*(f"{i},{i / 8}" for i in range(30)), "3,-inf", header="a,kind"),
        "column 'kind' contains a value that is infinite",
    ),
    csv(
        "too-large-for-float32",
        column(*(i * 1e39 for i in range(30))),
        "dataset.preprocessing: the inputs are too large for float32; begin with standardize",
        fields=", preprocessing: none",
    ),
    csv(
        "text-for-real-target",
        table(*(f"{i},{i / 8}" for i in range(30)), "3,none of it", header="a,kind"),
        "c.yaml:1:55  dataset.task: ",
        "the target 'kind' is text, such as 'none of it'",
        fields=", task: regression",
    ),
    csv(
        "class-for-each-row",
        table(*(f"{i},n{i}" for i in range(30)), header="a,kind"),
        "c.yaml:1:43  dataset.target: ",
        "has 30 classes in 30 rows; is it the right column",
    ),
    csv(
        "one-class",
        table(*(f"{i},7" for i in range(30)), header="a,kind"),
        "c.yaml:1:43  dataset.target: ",
        "the target 'kind' has only one class, '7'",
    ),
    csv(
        "one-value",
        table(*(f"{i},0.5" for i in range(30)), header="a,kind"),
        "c.yaml:1:43  dataset.target: ",
        "the target 'kind' has only one value, 0.5",
    ),
]

SWEEPS = [
    sweep(
        "grid-key",
        "grid:\n  optimizr: [sgd, adam]\nseeds: 3\n",
        "c.yaml:3:3  optimizr: unknown key",
        "^^^^^^^^ did you mean 'optimizer'?",
        "1 problem in c.yaml",
    ),
    sweep(
        "grid-key-below",
        "grid:\n  optimizer.lrr: [0.1, 1]\nseeds: 3\n",
        "c.yaml:3:3  optimizer.lrr: unknown key for optimizer 'adam'",
        "^^ did you mean 'lr'?",
        "1 problem in",
    ),
    sweep(
        "one-bad-of-many",
        "grid:\n  optimizer.lr: [0.1, -1, 1]\n  batch.size: [8, 16]\nseeds: 3\n",
        "c.yaml:3:23  optimizer.lr: must be >= 0, found -1",
        "^^\n",
        "1 problem in c.yaml",
    ),
    sweep(
        "two-bad-of-many",
        "grid:\n  optimizer.lr: [0.1, fast]\n  batch.size: [8, 0]\nseeds: 3\n",
        "c.yaml:3:23  optimizer.lr: must be a number, found 'fast'",
        "c.yaml:4:19  batch.size: must be >= 1, found 0",
        "2 problems in c.yaml; nothing was run.",
    ),
    sweep(
        "grid-key-inside",
        "grid:\n  optimizer: [sgd, {name: momentum, momentun: 1}]\n",
        "c.yaml:3:37  optimizer.momentun: unknown key for optimizer 'momentum'",
        "^^^^^^^^ did you mean 'momentum'?",
    ),
    sweep(
        "not-for-all",
        "grid:\n  optimizer: [sgd, nag]\n  optimizer.momentum: [0.8, 0.9]\n",
        "c.yaml:4:3  optimizer.momentum: unknown key for optimizer 'sgd'",
        "^ a key of momentum",
        "1 problem in",
    ),
    sweep(
        "beside-the-grid",
        "optimizer: {lr: -1}\ngrid:\n  batch.size: [8, 16]\nseeds: 3\n",
        "c.yaml:2:17  optimizer.lr: must be >= 0, found -1",
        "1 problem in c.yaml",
    ),
    sweep(
        "grid-misspelt",
        "gird: {optimizer: [sgd, adam]}\nseeds: 3\n",
        "c.yaml:2:1  gird: unknown key",
        "^^^^ did you mean 'grid'?",
    ),
    sweep(
        "grid-empty-list",
        "grid:\n  optimizer: []\n",
        "c.yaml:3:14  grid.optimizer: must hold at least 1 value, found []",
    ),
    sweep(
        "grid-word",
        "grid:\n  optimizer: sgd\n",
        "c.yaml:3:14  grid.optimizer: must be a list of values, found 'sgd'",
        "^^^ write [sgd]",
    ),
    sweep(
        "grid-nested",
        "grid:\n  optimizer:\n    lr: [0.1, 1]\n",
        "c.yaml:3:3  grid.optimizer: must be a list of values",
        "^^^^^^^^^ write dotted keys, such as optimizer.lr",
    ),
    sweep(
        "grid-range",
        "grid:\n  optimizer.lr: logspace(1e-4, 1, 5)\n",
        "c.yaml:3:17  grid.optimizer.lr: must be a list of values",
        "^ range(...) and logspace(...) are for the command line",
    ),
    sweep("grid-null", "grid:\n", "c.yaml:2:6  grid: must be keys and values, found null", "^ write {} for none"),
    sweep(
        "grid-of-seeds",
        "grid:\n  seed: [1, 2]\n",
        "c.yaml:3:3  'seed' is not part of a grid; say 'seeds: [1, 2, 3]' in the file, or --seeds N",
        "^^^^\n",
    ),
    sweep(
        "grid-under-a-number",
        "seed: 3\ngrid:\n  seed.x: [1, 2]\n",
        "c.yaml:4:3  seed.x: 'seed' is 3, which has no keys of its own",
    ),
    sweep(
        "grid-two-dots",
        "grid:\n  optimizer..lr: [1, 2]\n",
        "c.yaml:3:3  optimizer..lr: this is not a key; write for example optimizer.lr",
    ),
    sweep(
        "grid-and-zip",
        "grid:\n  optimizer: [sgd]\nzip:\n  optimizer: [adam]\n",
        "c.yaml:3:3  'optimizer' (grid) and 'optimizer' (zip) set the same value; leave one of them out",
    ),
    sweep(
        "zip-unequal",
        "zip:\n  optimizer: [sgd, adam]\n  optimizer.lr: [0.1]\n",
        "c.yaml:3:3  zip: lists that go in step must be equally long; optimizer has 2, optimizer.lr has 1",
    ),
    sweep(
        "zip-value",
        "zip:\n  optimizer: [sgd, adam]\n  optimizer.lr: [0.1, fast]\n",
        "c.yaml:4:23  optimizer.lr: must be a number, found 'fast'",
    ),
    sweep("zip-empty", "zip:\n  optimizer: []\n", "c.yaml:3:14  zip.optimizer: must hold at least 1 value"),
    sweep(
        "case-key",
        "cases:\n  a: {batch.size: 8}\n  b: {batch.siez: 16}\nseeds: 3\n",
        "c.yaml:4:7  batch.siez: unknown key for batch 'mini'",
        "^^^^^^^^^^ did you mean 'size'?",
        "1 problem in",
    ),
    sweep(
        "case-value",
        "cases:\n  a:\n    batch.size: small\n",
        "c.yaml:4:17  batch.size: must be a whole number, found 'small'",
    ),
    sweep(
        "case-member",
        "cases:\n  a: {optimizer: {name: adamm}}\n",
        "c.yaml:3:25  optimizer: 'adamm' is not an optimizer; did you mean 'adam'?",
    ),
    sweep(
        "case-null", "cases:\n  a:\n", "c.yaml:3:5  cases.a: must be keys and values, found null", "^ write {} for none"
    ),
    sweep("case-of-a-seed", "cases:\n  a: {seed: 3}\n", "c.yaml:3:7  'seed' is not part of a grid"),
    sweep(
        "seeds-negative",
        "seeds: -1\n",
        "c.yaml:2:8  seeds: must be the number of seeds, or a list of them such as [0, 1, 2]; found -1",
    ),
    sweep("seeds-word", "seeds: five\n", "c.yaml:2:8  seeds: must be the number of seeds", "found 'five'"),
    sweep("seeds-none", "seeds: []\n", "c.yaml:2:8  seeds: must be the number of seeds", "found []"),
    sweep("seeds-twice", "seeds: [1, 2, 1]\n", "c.yaml:2:8  seeds: must not hold the same seed twice"),
    sweep("seeds-negative-in-list", "seeds: [1, -1]\n", "c.yaml:2:12  seeds.1: must be >= 0, found -1"),
    sweep(
        "seeds-huge", f"seeds: [{10**20}]\n", "c.yaml:2:9  seeds.0: must be < 9,223,372,036,854,775,808", "1 problem in"
    ),
    sweep(
        "seed-of-a-sweep",
        "seed: [1, 2]\ngrid: {batch.size: [8, 16]}\n",
        "c.yaml:2:7  seed: must be a whole number, found [1, 2]",
        "1 problem in",
    ),
    sweep("limits-word", "limits: {seconds: long}\n", "c.yaml:2:19  limits.seconds: must be a number, found 'long'"),
    sweep("limits-zero", "limits:\n  megabytes: 0\n", "c.yaml:3:14  limits.megabytes: must be > 0, found 0"),
    sweep("limits-unknown", "limits: {second: 3}\n", "c.yaml:2:10  limits.second: unknown key", "'seconds'"),
    sweep_words("limits-of-nothing", "limits.seconds=0", "command line: limits.seconds=0: must be a number > 0"),
    sweep_words("limits-as-a-word", "limits.megabytes=many", "limits.megabytes=many: must be a number > 0"),
    sweep_words("limits-typing-error", "limits.second=3", "'limits.second' is no limit; did you mean 'seconds'?"),
    sweep_words("limits-in-a-list", "limits.seconds=3,4", "limits.seconds: a limit is one number for all runs"),
    sweep("claim-word", CLAIMED + "claim: better\n", "c.yaml:3:8  claim: must be keys and values such as {better: {"),
    sweep(
        "claim-no-rule",
        CLAIMED + "claim: {beter: {optimizer: adam}}\n",
        "c.yaml:3:8  claim: says no rule; give one of better, ratio, exact, all",
        "did you mean 'better'?",
    ),
    sweep(
        "claim-two-rules",
        CLAIMED + "claim: {better: {optimizer: adam}, ratio: {optimizer: sgd}}\n",
        "c.yaml:3:8  claim: says better and ratio; give one of",
    ),
    sweep(
        "claim-key",
        CLAIMED + "claim: {better: {optimizer: adam}, than: {optimizer: sgd}, bye: 3}\n",
        "c.yaml:3:60  claim.bye: unknown key",
        "^^^ did you mean 'by'?",
    ),
    sweep(
        "claim-half",
        CLAIMED + "claim: {better: {optimizer: adam}}\n",
        "claim.than: missing; it is needed",
        "(the levels that they are compared with)",
    ),
    sweep(
        "claim-swept-key",
        CLAIMED + "claim:\n  better: {optimizer: adam}\n  than: {optimizr: sgd}\n",
        "c.yaml:5:10  claim.than.optimizr: the sweep does not vary 'optimizr'; did you mean 'optimizer'?",
        "(it varies optimizer, batch.size)",
    ),
    sweep(
        "claim-not-swept",
        CLAIMED + "claim:\n  better: {loss: mse}\n  than: {optimizer: sgd}\n",
        "c.yaml:4:12  claim.better.loss: the sweep does not vary 'loss' (it varies optimizer, batch.size)",
    ),
    sweep(
        "claim-value",
        CLAIMED + "claim:\n  better: {optimizer: adma}\n  than: {batch.size: 16}\n",
        "c.yaml:4:23  claim.better.optimizer: no level has optimizer adma; did you mean 'adam'? (there is sgd, adam)",
        "c.yaml:5:22  claim.than.batch.size: no level has batch.size 16 (there is 4, 8)",
        "2 problems in c.yaml",
    ),
    sweep(
        "claim-case-of-none",
        CLAIMED + "claim: {better: adam, than: {optimizer: sgd}}\n",
        "claim.better: 'adam' would be the name of a case, and the sweep has none; say swept keys",
    ),
    sweep(
        "claim-case",
        "cases: {low: {optimizer.lr: 0.1}, high: {optimizer.lr: 1.0}}\nclaim: {better: hihg, than: low}\n",
        "c.yaml:3:17  claim.better: no level has case hihg; did you mean 'high'? (there is low, high)",
    ),
    sweep(
        "claim-combination",
        "cases: {low: {optimizer.lr: 0.1}, high: {optimizer.lr: 1.0}}\n"
        "claim: {better: {case: low, optimizer.lr: 1.0}, than: high}\n",
        "claim.better: no level has all of low, optimizer.lr 1",
    ),
    sweep(
        "claim-both-sides",
        CLAIMED + "claim: {better: {optimizer: adam}, than: {batch.size: 4}}\n",
        "claim.better: the two sides must not share a level, and both hold optimizer adam, size 4",
    ),
    sweep(
        "claim-empty-side",
        CLAIMED + "claim: {better: {}, than: {batch.size: 4}}\n",
        "c.yaml:3:17  claim.better: must be swept keys and their values, such as {optimizer: adam}",
    ),
    sweep(
        "claim-ratio-of-nothing",
        CLAIMED + "claim: {ratio: {optimizer: adam}, to: {optimizer: sgd}, above: 0}\n",
        "c.yaml:3:64  claim.above: must be > 0, found 0",
    ),
    sweep(
        "claim-exactly-what",
        CLAIMED + "claim: {exact: {optimizer: adam}, value: 1.0, at_most: 2.0}\n",
        "claim: say what is exact: one of value, same_as, at_least, at_most",
    ),
    sweep(
        "claim-of-one",
        CLAIMED + "claim: {all: [{better: {optimizer: adam}, than: {optimizer: sgd}}]}\n",
        "c.yaml:3:14  claim.all: must be a list of two claims or more",
    ),
    sweep(
        "claims-within",
        CLAIMED + "claim:\n  all:\n  - {better: {optimizer: adam}, than: {optimizer: sgd}, by: x}\n  - {all: []}\n",
        "c.yaml:5:61  claim.all.0.by: must be a number, found 'x'",
        "c.yaml:6:6  claim.all.1.all: claims inside 'all' are about one metric each",
    ),
    sweep(
        "claim-metric",
        CLAIMED + "claim: {better: {optimizer: adam}, than: {optimizer: sgd}, metric: acuracy}\n",
        "c.yaml:3:68  claim.metric: no run will have 'acuracy'; did you mean 'accuracy'? (there is validation_loss",
        "seconds, epochs, steps, parameters)",
    ),
    sweep(
        "claim-about-a-search",
        "space: {optimizer.lr: {log: [0.001, 1]}}\nsearch: random\ntrials: 3\n"
        "claim: {better: {optimizer.lr: 0.1}, than: {optimizer.lr: 1.0}}\n",
        "c.yaml:5:1  claim: it is about the levels of a grid or of cases, and 'search' tries points",
    ),
    line(
        "claim-until-settled",
        "sweep c.yaml --until-settled",
        "--until-settled adds seeds by what came out, and a claim is judged by the seeds of its plan",
        text=MOONS + CLAIMED + "claim: {better: {optimizer: adam}, than: {optimizer: sgd}}\n",
    ),
    line("train-a-claim", "train c.yaml", "c.yaml:2:1  'claim' makes this file a sweep", text=MOONS + "claim: {}\n"),
    line("claims-of-nothing", "claims none.yaml", "none.yaml", "none of 1 file can be used; nothing was run"),
    line("claims-without-one", "claims c.yaml", "c.yaml states no claim; write for example claim: {better:"),
    line("claims-in-a-folder", "claims .", ".: no file of this folder states a claim (1 YAML files)"),
    line("claims-two-ways", "claims c.yaml --judge --dry-run", "--dry-run shows what would be run and --judge runs"),
    line("claims-new-and-more", "claims c.yaml --new --extend", "--new begins another sweep and --extend adds"),
    line("claims-format", "claims c.yaml --format tabel", "--format: 'tabel' is not one of table"),
    sweep("sweep-out-of-the-folder", "name: ../x\nseeds: 3\n", "c.yaml:2:7  name: must consist of a-z", "found '../x'"),
    line(
        "sweep-misfits",
        "sweep c.yaml",
        "c.yaml:3:22  batch.size: a batch of 64 is",
        "c.yaml:3:26  batch.size: a batch of 99 is",
        "2 problems in",
        text="dataset: {name: moons, n: 30}\ngrid:\n  batch.size: [4, 8, 64, 99]\n  loss: [mse, mae]\nseeds: 2\n",
    ),
    sweep_words(
        "sweep-override-key",
        "optimizer.lrr=0.1,1 --seeds 3",
        "command line: optimizer.lrr=0.1,1: unknown key for optimizer 'adam'; did you mean 'lr'?",
        "1 problem in",
    ),
    sweep_words(
        "sweep-override-value",
        "optimizer.lr=0.1,fast --seeds 3",
        "command line: optimizer.lr=0.1,fast: must be a number, found 'fast'",
        "1 problem in",
    ),
    sweep_words(
        "sweep-misfit",
        "loss=mse,bce dataset=iris",
        "command line: loss=mse,bce: binary_cross_entropy needs two classes",
        "1 problem in",
    ),
    sweep_words(
        "empty-value", "optimizer=sgd,,adam", "command line: optimizer=sgd,,adam: an empty value between commas"
    ),
    sweep_words("no-value", "optimizer=", "command line: optimizer=: no value; null is the default"),
    sweep_words(
        "sweep-no-equals",
        "optimizer",
        "command line: 'optimizer' is not KEY=VALUE,VALUE; for example optimizer=sgd,adam",
    ),
    sweep_words("sweep-twice", "optimizer=sgd optimizer=adam", "command line: 'optimizer' is given twice"),
    sweep_words("sweep-seed", "seed=1,2", "command line: seed=1,2: 'seed' is not part of a grid", "--seeds N"),
    sweep_words(
        "sweep-seeds", "seeds=3", "command line: seeds=3: 'seeds' belongs into the sweep's file, or use --seeds N"
    ),
    sweep_words(
        "sweep-value-yaml",
        "'architecture.hidden=[1,[2]'",
        "command line: architecture.hidden=[1,[2]: the value is not valid YAML: expected ','",
    ),
    sweep_words(
        "logspace-too-short",
        "'optimizer.lr=logspace(1e-4,1)'",
        "command line: optimizer.lr=logspace(1e-4,1): write logspace(LOW,HIGH,COUNT)",
    ),
    sweep_words(
        "logspace-of-zero",
        "'optimizer.lr=logspace(0,1,5)'",
        "write logspace(LOW,HIGH,COUNT) with positive bounds, COUNT >= 2",
    ),
    sweep_words("logspace-infinite", "'optimizer.lr=logspace(1,.inf,5)'", "logspace(...) takes finite numbers"),
    sweep_words(
        "logspace-open",
        "'optimizer.lr=logspace(1e-4,1,5'",
        "command line: optimizer.lr=logspace(1e-4,1,5: logspace(...) is closed and stands alone",
    ),
    sweep_words(
        "logspace-misspelt", "'optimizer.lr=logspac(1e-4,1,5)'", "there is no logspac(...); did you mean 'logspace'?"
    ),
    sweep_words("range-empty", "'batch.size=range(3,3)'", "command line: batch.size=range(3,3): the range is empty"),
    sweep_words("range-without-end", "'batch.size=range(1,.inf)'", "range(...) takes finite numbers"),
    sweep_words(
        "range-too-long", "'batch.size=range(1,1000000001)'", "the range has 1,000,000,000 values, more than 100,000"
    ),
    sweep_words(
        "range-step-zero", "'batch.size=range(1,2,0)'", "write range(STOP), range(START,STOP) or range(START,STOP,STEP)"
    ),
    sweep_words("range-among-others", "'batch.size=range(8,32,8),64'", "range(...) is closed and stands alone"),
    sweep_words(
        "zip-words-unequal",
        "'zip(optimizer=sgd,adam optimizer.lr=1)'",
        "command line: zip(optimizer=sgd,adam optimizer.lr=1): zip: lists that go in step",
        "optimizer has 2",
    ),
    sweep_words(
        "zip-open", "'zip(optimizer=sgd,adam'", "zip( is not closed; write zip(a=1,2 b=x,y), in quotes for the shell"
    ),
    sweep_words("zip-of-nothing", "'zip()'", "command line: zip(): nothing to zip"),
    sweep_words(
        "sweep-metric",
        "optimizer=sgd,adam --metric accurracy",
        "--metric: 'accurracy' is not a metric; did you mean 'accuracy'?",
    ),
]

SPACES = [
    sweep(
        "range-without-search",
        "space:\n  optimizer.lr: {log: [1e-4, 1]}\n",
        "c.yaml:3:17  the range of 'optimizer.lr' needs a search, such as 'search: random' with 'trials: 20'",
    ),
    sweep_words(
        "range-word-without-search",
        "'optimizer.lr=log(1e-4,1)'",
        "command line: optimizer.lr=log(1e-4,1): the range of 'optimizer.lr' needs a search",
        "(--search random --trials 20), or a budget to tune it (--tune 20)",
    ),
    sweep("trials-of-nothing", "trials: 5\n", "c.yaml:2:1  trials: there is nothing to search"),
    sweep("search-of-nothing", "search: random\n", "c.yaml:2:1  search: there is nothing to search"),
    sweep_words("cluster-word", "--cluster locl", "--cluster: 'locl' is not the address", "did you mean 'local'?"),
    sweep_words("cluster-without-scheme", "--cluster node1:8786", "did you mean 'tcp://node1:8786'?"),
    sweep_words("cluster-without-port", "--cluster tcp://node1", "did you mean 'tcp://node1:8786'?"),
    sweep_words("cluster-dashboard", "--cluster http://node1:8787/status", "did you mean 'tcp://node1:8786'?"),
    sweep_words("cluster-port", "--cluster tls://node1:87860", "did you mean 'tls://node1:8786'?"),
    sweep_words("cluster-empty", "--cluster ''", "did you mean 'tcp://HOST:8786'?"),
    sweep_words("search-word-of-nothing", "--search sobol", "command line: --search sobol: there is nothing to search"),
    sweep(
        "search-without-trials",
        "search: sobol\noptimizer.lr: {log: [1e-4, 1]}\n",
        "c.yaml:2:1  search: how many trials? say for example 'trials: 20'",
    ),
    sweep_words("search-without-trials-words", "'optimizer.lr=log(1,2)' --search sobol", "sobol: how many trials?"),
    sweep(
        "search-unknown",
        "search: sobel\ntrials: 3\noptimizer.lr: {log: [1, 2]}\n",
        "c.yaml:2:9  search: 'sobel' is no search; did you mean 'sobol'?",
    ),
    sweep(
        "search-key",
        "search: {name: random, sead: 3}\ntrials: 3\noptimizer.lr: {log: [1, 2]}\n",
        "c.yaml:2:9  search: unknown key 'sead' of random; did you mean 'seed'?",
    ),
    sweep("search-number", "search: 3\n", "c.yaml:2:9  search: must be one of random, halving, sobol, tpe"),
    sweep("trials-none", "search: random\ntrials: 0\n", "c.yaml:3:9  trials: must be >= 1, found 0"),
    sweep(
        "range-upside-down",
        "search: random\ntrials: 3\nspace:\n  optimizer.lr: {uniform: [1, 0.1]}\n",
        "c.yaml:5:17  space.optimizer.lr: uniform: [1, 0.1] is empty; the lower bound comes first: [0.1, 1]",
    ),
    sweep(
        "range-of-one",
        "search: random\ntrials: 3\nbatch.size: {int: [8, 8]}\ndataset.n: 3\n",
        "c.yaml:4:13  batch.size: int: [8, 8] holds one value; set that, without a range",
    ),
    sweep(
        "log-of-zero",
        "optimizer.lr: {log: [0, 1]}\n",
        "c.yaml:2:15  optimizer.lr: log: a logarithmic range has positive bounds, found 0; use uniform for it",
    ),
    sweep_words("log-negative", "'optimizer.lr=log(-1,1)'", "log(-1,1): log: a logarithmic range has positive bounds"),
    sweep_words("log-of-one-bound", "'optimizer.lr=log(1)'", "log(1): log: must be the two bounds, such as [0.001, 1]"),
    sweep_words("log-of-nothing", "'optimizer.lr=log()'", "log(): log: must be the two bounds"),
    sweep_words("uniform-infinite", "'optimizer.lr=uniform(0,.inf)'", "the bounds must be finite numbers, found inf"),
    sweep_words("int-of-halves", "'batch.size=int(1.5,3)'", "int: the bounds must be whole numbers, found 1.5"),
    sweep_words("range-open", "'optimizer.lr=log(1e-4,1'", "log(1e-4,1: log(...) is closed and stands alone"),
    sweep_words("range-misspelt", "'optimizer.lr=uniforn(0,1)'", "no uniforn(...); did you mean 'uniform'?"),
    sweep_words("choice-of-one", "'optimizer=choice(adam)'", "choice: a choice of one is no choice; set the value"),
    sweep(
        "range-inside",
        "optimizer:\n  lr: {log: [1, 2]}\n",
        "c.yaml:3:7  optimizer.lr: a range has no place inside a component; write space: {optimizer.lr: ...}",
    ),
    sweep("range-of-components", "optimizer: {choice: [sgd, adam]}\n", "write space: {optimizer: ...}"),
    sweep(
        "choice-twice-in-space",
        "space: {optimizer: {choice: [sgd, sgd]}}\n",
        "c.yaml:2:20  space.optimizer: choice: must not hold the same value twice",
    ),
    sweep(
        "range-bare", "space: {optimizer.lr: 0.1}\n", "space.optimizer.lr: must be a range (log, uniform, int, choice)"
    ),
    sweep(
        "range-two-kinds",
        "optimizer.lr: {log: [1, 2], uniform: [1, 2]}\n",
        "c.yaml:2:15  optimizer.lr: says log and uniform; give one of log, uniform, int, choice",
    ),
    sweep(
        "range-of-no-kind",
        "space: {optimizer.lr: {lgo: [1, 2]}}\n",
        "space.optimizer.lr: 'lgo' is no part of a range; did you mean 'log'?",
    ),
    sweep(
        "several-ranges-without-condition",
        "space:\n  optimizer.lr: [{log: [1, 2]}, {log: [3, 4], when: {optimizer: sgd}}]\n",
        "c.yaml:3:17  space.optimizer.lr: of several ranges for one key, each needs a condition",
    ),
    sweep(
        "two-ranges-at-once",
        "search: random\ntrials: 3\nspace:\n  optimizer.lr:\n  - {log: [1, 2], when: {optimizer: adam}}\n"
        "  - {log: [3, 4], when: {dataset: moons}}\n",
        "two ranges of optimizer.lr hold at once; their conditions must exclude each other",
    ),
    sweep(
        "condition-key",
        "search: random\ntrials: 3\nbatch.size: {int: [2, 8], when: {optimiser: sgd}}\n",
        "c.yaml:4:13  batch.size: when: there is no key 'optimiser'; did you mean 'optimizer'?",
    ),
    sweep(
        "condition-value",
        "search: random\ntrials: 3\ngrid: {optimizer: [sgd, adam]}\n"
        "batch.size: {int: [2, 8], when: {optimizer: adm}}\n",
        "c.yaml:5:13  batch.size: when: optimizer is never adm, but sgd or adam; did you mean 'adam'?",
    ),
    sweep(
        "condition-empty",
        "batch.size: {int: [2, 8], when: {}}\n",
        "c.yaml:2:13  batch.size: when: 'when' must hold keys and values, such as {optimizer: adam}",
    ),
    sweep(
        "space-key",
        "search: random\ntrials: 3\nspace: {optimizer.lrr: {log: [1, 2]}}\n",
        "c.yaml:4:24  optimizer.lrr: unknown key for optimizer 'adam'",
        "did you mean 'lr'?",
    ),
    sweep(
        "range-out-of-bounds",
        "search: random\ntrials: 50\nspace: {optimizer.lr: {uniform: [-2, -1]}}\n",
        "c.yaml:4:23  optimizer.lr: must be >= 0, found -1.",
        "3 problems in c.yaml",
    ),
    sweep(
        "more-trials-than-points",
        "search: random\ntrials: 9\nspace: {batch.size: {int: [2, 4]}}\n",
        "c.yaml:4:21  9 trials of a space that has 3 points; ask for 3, or use grid",
    ),
    sweep(
        "range-and-grid",
        "search: random\ntrials: 2\ngrid: {optimizer.lr: [1, 2]}\nspace: {optimizer.lr: {log: [1, 2]}}\n",
        "'optimizer.lr' (grid) and 'optimizer.lr' (a range) set the same value; leave one of them out",
    ),
    sweep_words("range-of-seeds", "'seed=int(1,9)' --search random --trials 3", "'seed' is not part of a grid"),
    sweep(
        "judged-by-test",
        "search: random\ntrials: 2\nmetric: test_accuracy\nspace: {optimizer.lr: {log: [1, 2]}}\n",
        "c.yaml:4:1  metric: test scores are not for choosing; say validation_accuracy",
    ),
    sweep_words(
        "sweep-judged-by-test", "--metric test_accuracy", "test scores are not for choosing; say validation_accuracy"
    ),
    sweep(
        "judged-by-nothing",
        "search: random\ntrials: 2\nmetric: acuracy\nspace: {optimizer.lr: {log: [1, 2]}}\n",
        "no run has the metric 'acuracy'; did you mean 'accuracy'?",
    ),
    sweep("direction", "direction: up\n", "c.yaml:2:12  direction: must be one of maximize, minimize; found 'up'"),
    sweep("direction-of-nothing", "direction: maximize\n", "c.yaml:2:1  direction: there is nothing to search"),
    sweep("tune-without-budget", "tune: {optimizer.lr: {log: [1, 2]}}\n", "tune.budget: missing; it is needed"),
    sweep("tune-of-nothing", "tune: {budget: 3}\n", "c.yaml:2:1  tune: there is nothing to tune; give it a range"),
    sweep_words("tune-word-of-nothing", "--tune 3", "command line: --tune 3: there is nothing to tune"),
    sweep("tune-key", "tune: {budgte: 3, optimizer.lr: {log: [1, 2]}}\n", "tune.budgte: unknown key", "'budget'"),
    sweep("tune-number", "tune: 3\n", "c.yaml:2:7  tune: must be keys and values, found 3"),
    sweep(
        "tune-range",
        "tune: {budget: 3, optimizer.lr: {log: [2, 1]}}\n",
        "c.yaml:2:33  tune.optimizer.lr: log: [2, 1] is empty",
    ),
    sweep(
        "tune-and-search",
        "search: random\ntune: {budget: 3, optimizer.lr: {log: [1, 2]}}\n",
        "c.yaml:2:1  search: a sweep searches or tunes; 'tune' has a search and a budget of its own",
    ),
    sweep(
        "tune-and-space",
        "space: {batch.size: {int: [2, 4]}}\ntune: {budget: 3, optimizer.lr: {log: [1, 2]}}\n",
        "c.yaml:2:21  'batch.size' is searched and 'tune' is there; put it under 'tune'",
    ),
    line(
        "trained-space", "train c.yaml", "'space' makes this file a sweep; run it with: nnexp sweep", text="space: {}\n"
    ),
    override("trained-range", "'optimizer.lr=log(1e-4,1)'", "several values for one run", "nnexp sweep c.yaml"),
    sweep_words(
        "a-million-runs",
        "'optimizer.lr=logspace(1e-4,1,1000)' 'batch.size=range(2,12)' --seeds 100",
        "1,000,000 runs, about ",
        "; to go on all the same: --yes",
    ),
]

COMMANDS = [
    line("no-command", "trian c.yaml", "No such command 'trian'. Did you mean 'train', 'variance'?"),
    line("option", "train c.yaml --fromat json", "No such option: --fromat", "--format"),
    line("no-configuration", "train", "which configuration? for example: nnexp train configs/digits.yaml"),
    line("no-configuration-check", "check", "Missing argument 'config'"),
    line("format", "train c.yaml --format jsn", "--format: 'jsn' is not one of table, json; did you mean 'json'?"),
    line(
        "format-of-sweep",
        "sweep c.yaml --format tabel",
        "--format: 'tabel' is not one of table, markdown, latex, html, csv, json; did",
    ),
    line("sweep-of-nothing", "sweep", "which configuration? nnexp sweep FILE [KEY=VALUES]..."),
    line("new-and-extend", "sweep c.yaml --new --extend", "--new begins another sweep and --extend adds to the one"),
    line("extend-nothing", "sweep c.yaml --extend", "--extend: there is no sweep 'c' in runs; leave --extend out"),
    line(
        "json-and-format", "sweep c.yaml --json --format csv", "--json prints a line for all that happens", "--format"
    ),
    line("json-and-table", "sweep c.yaml --json --format table", "leave --format out"),
    line("json-and-quiet", "sweep c.yaml --json --quiet", "leave --quiet out"),
    line(
        "json-of-a-plan", "sweep c.yaml --json --dry-run", "leave --dry-run out; for the plan: --dry-run --format json"
    ),
    line("status-of-nothing", "sweep --status", "no sweeps in runs; run one: nnexp sweep FILE"),
    line("status-and-jobs", "sweep --status --jobs 2", "--status only shows how sweeps stand; leave --jobs out"),
    line("status-and-override", "sweep --status c seed=3", "leave KEY=VALUE out"),
    line("status-format", "sweep --status --format jsn", "--format: 'jsn' is not one of", "did you mean 'json'?"),
    Case(
        "status-of-a-file",
        {"c.yaml": MOONS, "past/sweeps/moons-1/plan.json": PLAN},
        "sweep --status c.yaml",
        ("no sweep of c.yaml in past; run it: nnexp sweep c.yaml",),
        {"NNEXP_RUNS": "past"},
    ),
    Case(
        "status-unknown",
        {"past/sweeps/moons-1/plan.json": PLAN},
        "sweep --status mons-1",
        ("no sweep 'mons-1' (1 sweep in past); did you mean 'moons-1'?",),
        {"NNEXP_RUNS": "past"},
    ),
    line("stop-nothing", "stop moons", "no sweeps in runs; run one: nnexp sweep FILE"),
    Case(
        "stop-unknown",
        {"past/sweeps/moons-1/plan.json": PLAN},
        "stop mons-1",
        ("no sweep 'mons-1' (1 sweep in past); did you mean 'moons-1'?",),
        {"NNEXP_RUNS": "past"},
    ),
    Case(
        "stop-what-does-not-run",
        {"past/sweeps/moons-1/plan.json": PLAN},
        "stop moons",
        ("the sweep moons-1 is not running; how they stand: nnexp sweep --status moons",),
        {"NNEXP_RUNS": "past"},
    ),
    Case(
        "stop-what-has-died",
        {"past/sweeps/moons-1/plan.json": PLAN, "past/sweeps/moons-1/.parents/one": "{}"},
        "stop moons-1",
        ("the sweep moons-1 is not running",),
        {"NNEXP_RUNS": "past"},
    ),
    line("no-jobs", "sweep c.yaml --jobs 0", "Invalid value for '--jobs'", "greater than or equal to"),
    line("no-seeds", "sweep c.yaml --seeds 0", "Invalid value for '--seeds'"),
    Case(
        "jobs-of-environment",
        {"c.yaml": MOONS},
        "sweep c.yaml",
        ("environment variable NNEXP_JOBS: must be a whole number >= 1, found 'all'",),
        {"NNEXP_JOBS": "all"},
    ),
    line("resume-unknown", "train --resume abc123", "no run or sweep 'abc123' (0 runs in runs)"),
    line(
        "resume-and-configuration",
        "train c.yaml --resume abc123",
        "--resume goes on with a run as it is; give no configuration",
    ),
    line("show-nothing", "show", "no run or sweep '@last' (0 runs in runs)"),
    line("compare-nothing", "compare", "no runs in runs; train one first: nnexp train"),
    line("compare-by-and-each", "compare --by seed --each", "--by averages and --each does not; give one of them"),
    line("compare-columns", "compare --columns some", "--columns: 'some' is neither auto nor all"),
    line("explain-unknown", "explain adamm", "no component 'adamm'; did you mean 'adam'?"),
    line("explain-in-family", "explain optimizer.relu", "no optimizer 'relu'; one of: sgd, "),
    line("explain-family", "explain optimiser", "no component 'optimiser'; did you mean 'optimizer'?"),
    line("list-unknown", "list optimzer", "'optimzer' is not a family; did you mean 'optimizer'?"),
    line("list-nothing-near", "list xyz", "'xyz' is not a family; one of "),
    line("plot-unknown", "plot componets", "No such command 'componets'. Did you mean 'components'?"),
    line("plot-family", "plot components optimzer", "'optimzer' is not a family; did you mean 'optimizer'?"),
    line("plot-nothing-near", "plot components xyz", "'xyz' is not a family; one of activation, "),
    line(
        "plot-without-family",
        "plot components relu",
        "'relu' is a component; write: nnexp plot components activation relu",
    ),
    line("plot-family-without-pictures", "plot components metric", "there are no pictures of the family metric; there"),
    line("plot-name", "plot components activation rleu", "no activation 'rleu'; did you mean 'relu'?"),
    line("plot-name-nothing-near", "plot components clip xyz", "no clip 'xyz'; one of: norm, value"),
    line(
        "plot-needs-more",
        "plot components dataset csv",
        "no picture of dataset 'csv': it cannot be drawn without your path and target",
    ),
    line(
        "plot-format",
        "plot components clip --format pgn",
        "--format: 'pgn' is not one of svg, png, pdf; did you mean 'png'?",
    ),
    line("plot-in-a-file", "plot components clip -o c.yaml", "--output: cannot make the folder c.yaml: File exists"),
    line(
        "plot-below-a-file",
        "plot components clip -o c.yaml/a",
        "--output: cannot make the folder c.yaml/a: Not a directory",
    ),
    Case(
        "plot-over-a-folder",
        {"pictures": None, "pictures/clip-norm.svg": None},
        "plot components clip norm",
        ("cannot write pictures/clip-norm.svg: Is a directory",),
    ),
    line("plot-plugin", "plot components --plugin mine.py", "mine.py cannot be read: No such file or directory"),
    line("plot-curves-nothing", "plot curves", "no runs in runs; train one first: nnexp train"),
    line("plot-curves-ending", "plot curves -o c.gif", "--out: 'c.gif' ends in none of .svg, .png, .pdf"),
    line("plot-curves-no-ending", "plot curves -o c", "--out: 'c' ends in none of .svg, .png, .pdf"),
    line("plot-curves-no-folder", "plot grid -o no/c.svg", "--out: there is no folder no"),
    line("plot-curves-axis", "plot curves --x epohcs", "--x: 'epohcs' is not one of epochs, updates, examples, "),
    line("report-nothing", "report", "no runs in runs; train one first: nnexp train"),
    line("report-format", "report --format htlm", "--format: 'htlm' is not one of html, markdown, pdf; did you mean"),
    line("report-ending", "report --out c.txt", "--out: 'c.txt' ends in none of .html, .md, .pdf"),
    line("report-no-ending", "report --out c", "--out: 'c' ends in none of .html, .md, .pdf"),
    line("report-two-formats", "report --out c.md --format html", "--out: 'c.md' is a name for markdown, and --format"),
    line("report-no-folder", "report --out no/c.html", "--out: there is no folder no"),
    Case("report-a-folder", {"c.html": None}, "report --out c.html", ("--out: c.html is a folder; name a file in it",)),
    Case(
        "report-there", {"c.html": "mine"}, "report -o c.html", ("c.html is there already, and is no report of nnexp",)
    ),
    line("plot-no-run", "plot run", "no run or sweep '@last' (0 runs in runs)"),
    line(
        "plot-run-format", "plot run --format pgn", "--format: 'pgn' is not one of svg, png, pdf; did you mean 'png'?"
    ),
    line("reference-family", "reference optimzer", "'optimzer' is not a family; did you mean 'optimizer'?"),
    line("reference-in-a-file", "reference clip -o c.yaml", "--output: cannot make the folder c.yaml: File exists"),
    Case(
        "reference-over-a-folder",
        {"pages": None, "pages/batch.md": None},
        "reference batch -o pages",
        ("cannot write the reference to pages: Is a directory",),
    ),
    line("init-dataset", "init x.yaml --dataset digts", "--dataset: 'digts' is not a dataset; did you mean 'digits'?"),
    line("init-exists", "init c.yaml", "c.yaml exists; choose another name, or --force to overwrite it"),
    Case("init-folder", {"sub": None}, "init sub --force", ("sub is a folder; name a file",)),
    line("init-nowhere", "init sub/x.yaml", "cannot write sub/x.yaml: No such file or directory"),
    line(
        "runs-in-a-file",
        "train c.yaml --runs c.yaml",
        "cannot write to c.yaml: Not a directory; choose another folder",
    ),
    line("sweep-in-a-file", "sweep c.yaml --runs c.yaml", "cannot write to c.yaml: Not a directory"),
]

CASES = [
    *YAML,
    *KEYS,
    *VALUES,
    *BASES,
    *OVERRIDES,
    *MISFITS,
    *CONDITIONS,
    *LAYERS,
    *SURFACES,
    *SEARCHES,
    *TABLES,
    *FILES,
    *SWEEPS,
    *SPACES,
    *COMMANDS,
]

PLACE = re.compile(r"(\S+\.yaml):(\d+):(\d+)  \S")


def run(case: Case, folder: Path) -> Outcome:
    for name, content in case.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8", newline="")
    return nnexp(*shlex.split(case.command), cwd=folder, **case.environment)


def check_places(message: str, folder: Path) -> None:
    """Each problem is told once and counted, and its line is shown with the caret under its column."""
    lines = message.splitlines()
    heads = [line for line in lines if re.match(PLACE.pattern + "|command line: |environment |c.yaml: ", line)]
    assert len(heads) == len(set(heads))
    counted = re.fullmatch(r"(\d+) problems? in c\.yaml; nothing was run\.", lines[-1])
    assert counted is None or int(counted[1]) == len(heads)
    for number, head in enumerate(lines):
        place = PLACE.match(head)
        if place is None:
            continue
        written = (folder / place[1]).read_bytes().decode().splitlines()[int(place[2]) - 1]
        shown = next(i for i in range(number + 1, number + 3) if lines[i].startswith(f"{place[2]:>6} | "))
        assert lines[shown][9:].rstrip() == re.sub(r"[\t\0]", " ", written[:120]).rstrip()
        assert re.fullmatch(r" {7}\| " + " " * (int(place[3]) - 1) + r"\^+( \S.*)?", lines[shown + 1])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_wrong_input(case: Case, tmp_path: Path) -> None:
    outcome = run(case, tmp_path)
    assert "Traceback" not in outcome.err
    assert "nnexp failed" not in outcome.err
    assert [fragment for fragment in case.told if fragment not in outcome.err] == [], outcome.err
    assert outcome.code == 2
    assert outcome.out == ""
    assert not (tmp_path / "runs").exists()
    check_places(outcome.err, tmp_path)


def test_each_case_has_a_name_of_its_own() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_the_whole_text(tmp_path: Path) -> None:
    text = """\
dataset: moons
optimizer:
  name: momentum
  momentun: 0.9
loss: mse_loss
"""
    allowed = ", ".join(name for name in Momentum.model_fields if name != "name")
    assert (
        run(train("", text), tmp_path).err
        == f"""\
c.yaml:4:3  optimizer.momentun: unknown key for optimizer 'momentum'
     3 |   name: momentum
     4 |   momentun: 0.9
       |   ^^^^^^^^ did you mean 'momentum'?   (allowed: {allowed})
c.yaml:5:7  loss: 'mse_loss' is not a loss; did you mean 'mse'?
     4 |   momentun: 0.9
     5 | loss: mse_loss
       |       ^^^^^^^^
2 problems in c.yaml; nothing was run.
"""
    )


def test_all_problems_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """\
stop: {patience: 0, epochs: 0}
loss: mse_loss
sede: 3
dataset: {name: moons, n: 5}
optimizer:
  lr: fast
  name: momentum
  momentun: 0.9
"""
    outcome = run(override("", "precision=16", text=text), tmp_path)
    *rest, last = outcome.err.splitlines()
    told = [re.split("  | must", line)[0] + " " + re.split("[: ]", line.split("  ", 1)[-1])[0] for line in rest]
    told = [line for line in told if line.startswith(("c.yaml", "command"))]
    assert told == [
        "c.yaml:1:18 stop.patience",
        "c.yaml:1:29 stop.epochs",
        "c.yaml:2:7 loss",
        "c.yaml:3:1 sede",
        "c.yaml:4:27 dataset.n",
        "c.yaml:6:7 optimizer.lr",
        "c.yaml:8:3 optimizer.momentun",
        "command line: precision=16: command",
    ]
    assert last == "8 problems in c.yaml; nothing was run."
    check_places(outcome.err, tmp_path)


# -- with a run that has finished --------------------------------------------------------------------------------------

PAST = [
    ("train --resume @last", "has finished: nothing to resume; to train it again: nnexp train runs/c-s0-"),
    ("train --resume @last seed=1", "nothing but stop.epochs may be another"),
    ("train --resume @last stop.epochs=1", "more than these are wanted, not 1"),
    ("train --resume @last stop.epochs=0", "stop.epochs"),
    ("train --resume @last~3", "no run '@last~3': runs holds 1, down to @last~0"),
    ("show x", "no run or sweep 'x' (1 run in runs)"),
    ("compare y", "no run or sweep 'y' (1 run in runs)"),
    ("compare --metric acuracy", "no run has the metric 'acuracy'; did you mean 'accuracy'?"),
    ("compare --by optimzer.lr", "no run has 'optimzer.lr'; did you mean 'optimizer.lr'?"),
    ("compare --where optimizer.lr", "--where: 'optimizer.lr' is not a condition; write KEY=VALUE"),
    ("compare --where 'optimizr.lr < 1'", "no run has 'optimizr.lr'; did you mean 'optimizer.lr'?"),
    ("compare --where '(seed=0'", "--where: '(seed=0': the '(' at character 1 is not closed"),
    ("compare --where 'seed=0 or optimizr=sgd'", "no run has 'optimizr'; did you mean 'optimizer'?"),
    ("compare --where 'started>-2 hors'", "--where: 'hor' is no unit of time; did you mean 'hour'?"),
    ("compare --where 'age=2d'", "--where: 'age=2d': times are compared by <, <=, > or >=, as in age<2d"),
    (
        "runs --where 'test_accuracy>0.9'",
        "--where: 'test_accuracy>0.9' looks at the test split, which is not for choos",
    ),
    ("runs export x.zip --where 'not test_loss<1'", "--where: 'not test_loss<1' looks at the test split"),
    ("export", "--to: one of mlflow, tensorboard; an archive for nnexp itself: nnexp runs export RUN... FILE"),
    ("export @last --to mlfow --out x", "--to: 'mlfow' is none of mlflow, tensorboard; did you mean 'mlflow'?"),
    ("export @last new.zip --to mlflow", "'new.zip': an archive for nnexp itself is written by: nnexp runs export RUN"),
    ("export @last --to tensorboard", "--out: which folder? for example: nnexp export @last --to tensorboard --out"),
    ("export @lst --to tensorboard --out x", "no run or sweep '@lst' (1 run in runs); did you mean '@last'?"),
    ("export --to tensorboard --out http://x", "--out: 'http://x' is an address; TensorBoard reads folders"),
    ("export --to tensorboard --out c.yaml", "--out: 'c.yaml' is a file; give a folder"),
    ("export --where 'test_loss<1' --to tensorboard --out x", "--where: 'test_loss<1' looks at the test split"),
    ("show @bst", "no run or sweep '@bst' (1 run in runs); did you mean '@best'?"),
    ("compare --sort acuracy", "no run has 'acuracy'; did you mean '"),
    ("compare --by optimizer --baseline adm", "--baseline: no level is 'adm'; did you mean 'adam'? (there is adam)"),
    ("compare --pivot optimizer", "--pivot: a two-way table has two keys, as in --pivot optimizer,lr; found optimizer"),
    (
        "compare --pivot lr,lr",
        "--pivot: a two-way table has two keys, as in --pivot optimizer,lr; found optimizer.lr, op",
    ),
    ("compare --pivot optimizer,lrr", "no run has 'lrr'; did you mean 'lr'?"),
    ("compare --pivot optimizer,validation_loss", "--pivot: 'validation_loss' is a metric; judge by it with --metric"),
    (
        "compare --pivot optimizer,lr --by lr",
        "--pivot shows every pair of values of its two keys; --by does not go with",
    ),
    ("compare --pivot optimizer,lr --test", "--pivot shows every pair of values of its two keys; --test does not go"),
    ("compare --pivot optimizer,lr --metric test_loss", "--metric: 'test_loss' looks at the test split"),
    ("compare --pivot optimizer,lr --margin 0", "--margin: 0 is not the size of a difference"),
    ("compare --by optimizer --across datset", "no run has 'datset'; did you mean 'dataset'?"),
    (
        "compare --by optimizer --across dataset",
        "--across: all of these runs have dataset.name moons; there is one task",
    ),
    (
        "compare --by optimizer --across optimizer",
        "--across: optimizer.name is what is compared; give --by another key",
    ),
    ("compare --each --across dataset", "--across averages and --each does not; give one of them"),
    ("plot ranks", "--across: all of these runs have dataset.name moons; there is one task"),
    ("plot ranks --across datset", "no run has 'datset'; did you mean 'dataset'?"),
    ("plot profiles --across seed", "--across: seed pairs runs, and is no task"),
    ("plot ranks --metric test_accuracy", "--across: all of these runs have dataset.name moons"),
    (
        "compare --baseline adam",
        "--baseline and --margin compare levels, and here every run has a row",
    ),
    ("compare --by optimizer --margin -0.01", "--margin: -0.01 is not the size of a difference; give the smallest one"),
    ("compare --by optimizer --margin nan", "--margin: nan is not the size of a difference"),
    ("compare --metric test_accuracy", "--metric: 'test_accuracy' looks at the test split, which is not for choosing"),
    ("compare --sort -test_loss", "--sort: '-test_loss' looks at the test split"),
    ("compare --where 'seed=0 and test_loss<1'", "--where: 'seed=0 and test_loss<1' looks at the test split"),
    ("compare --summary bset", "--summary: 'bset' is not one of last, best, area; did you mean 'best'?"),
    (
        "compare --summary best",
        "--summary, --reach and --match are for levels, and here every run has a row; say by what",
    ),
    (
        "compare --summary area --x epohc",
        "--x: 'epohc' is not one of epochs, updates, examples, seconds; did you mean 'e",
    ),
    ("compare --x updates", "--x is the axis of --summary area and of --reach; give one of them with it"),
    ("compare --by optimizer --reach high", "--reach: 'high' is no number; give the score to reach, such as 0.95"),
    ("compare --by optimizer --reach nan", "--reach: nan is no score to reach; give a number, such as 0.95"),
    (
        "compare --by optimizer --reach 1.5",
        "--reach 1.5: in no run is validation_accuracy ever at least that; the best",
    ),
    ("compare --by optimizer --reach 0.5 --summary best", "--reach judges when a score is reached and --summary what"),
    ("compare --by optimizer --metric test_loss --reach 1", "--metric: 'test_loss' looks at the test split"),
    (
        "compare --by optimizer --test --metric test_loss --reach 1",
        "no finished run has rows of test_loss in its metri",
    ),
    ("compare --by optimizer --match params", "--match params: fair pairs are of two levels, and here there is one"),
    ("compare --by optimizer --match updates", "--match updates: fair pairs are of two levels, and here there is one"),
    ("compare --by optimizer --match seconds", "--match seconds: fair pairs are of two levels, and here there is one"),
    ("compare --by optimizer --match epochs", "--match: 'epochs' is not one of params, updates, seconds"),
    ("plot run abc", "no run or sweep 'abc' (1 run in runs)"),
    ("plot run --metric acuracy", "--metric: no run has 'acuracy'; did you mean 'accuracy'?"),
    ("plot curves --metric acuracy", "no run has the metric 'acuracy'; did you mean 'accuracy'?"),
    ("plot curves --by optimzer", "no run has 'optimzer'; did you mean 'optimizer'?"),
    ("plot curves --by validation_loss", "--by: 'validation_loss' is a metric; judge by it with --metric"),
    ("plot curves --where seed=9", "no runs are left to draw where seed=9"),
    ("plot curves abc", "no run or sweep 'abc' (1 run in runs)"),
    ("plot strips --metric test_accuracy", "--metric: 'test_accuracy' looks at the test split, which is not for choos"),
    ("plot curves --metric test_loss", "--metric: 'test_loss' looks at the test split"),
    ("plot grid --where 'seed=0 or not (test_loss>1)'", "--where: 'seed=0 or not (test_loss>1)' looks at the test"),
    ("plot strips --metric acuracy", "no run has the metric 'acuracy'; did you mean 'accuracy'?"),
    ("plot sensitivity", "--over: which hyperparameter? no key with numbers varies in these runs"),
    ("plot sensitivity --over lrr", "no run has 'lrr'; did you mean 'lr'?"),
    ("plot sensitivity --over lr", "--over: optimizer.lr has one value in these runs; a curve needs two"),
    ("plot sensitivity --over loss", "--over: loss.name must have numbers for values, found cross_entropy"),
    (
        "plot sensitivity --over lr --within -0.1",
        "--within: -0.1 is no size of a difference; how much worse is still us",
    ),
    ("plot sensitivity --over lr --within nan", "--within: nan is no size of a difference"),
    ("plot grid", "--by: a grid has two keys, as in --by optimizer,lr; these runs differ in no key"),
    ("plot grid --by optimizer", "--by: a grid has two keys, as in --by optimizer,lr; found optimizer.name"),
    ("report abc", "no run or sweep 'abc' (1 run in runs)"),
    ("report --by optimzer", "no run has 'optimzer'; did you mean 'optimizer'?"),
    ("report --metric acuracy", "no run has the metric 'acuracy'; did you mean 'accuracy'?"),
    ("report --metric test_accuracy", "--metric: 'test_accuracy' looks at the test split, which is not for choosing"),
    ("report --by optimizer --baseline adm", "--baseline: no level is 'adm'; did you mean 'adam'? (there is adam)"),
    ("report --margin -1", "--margin: -1 is not the size of a difference; give the smallest one that matters"),
    ("report --margin 1", "--baseline and --margin compare levels, and here every run has a row"),
    ("report --reach high", "--reach: 'high' is no number; give the score to reach, such as 0.95"),
    ("report --match size", "--match: 'size' is not one of params, updates, seconds"),
    ("report --where seed=9", "no runs are left to compare where seed=9"),
    ("report --where 'optimizr.lr < 1'", "no run has 'optimizr.lr'; did you mean 'optimizer.lr'?"),
    ("report --where 'test_loss<1'", "--where: 'test_loss<1' looks at the test split"),
    ("plot run -o c.yaml", "--output: cannot make the folder c.yaml: File exists"),
    ("compare --where 'tag < 3'", "--where: 'tag < 3': a run has a tag or has not; write tag=good or tag!=good"),
    ("compare @good", "no run or sweep '@good' (1 run in runs)"),
    ("show @lst", "no run or sweep '@lst' (1 run in runs); did you mean '@last'?"),
    ("runs last", "'nnexp runs last': no such command; runs of a name: nnexp runs --where name=last; of a sweep: "),
    ("runs exprt @last x.zip", "'nnexp runs exprt': no such command; did you mean 'export'?"),
    (
        "runs --format tabel",
        "--format: 'tabel' is not one of table, markdown, latex, html, csv, json; did",
    ),
    ("runs --columns some", "--columns: 'some' is neither auto nor all"),
    ("runs --sort sise", "--sort: 'sise' is not one of age, size, "),
    ("runs --status finish", "--status: a run is never 'finish'; did you mean 'finished'?"),
    ("runs --since 'long ago'", "--since: 'long ago' is no time; write '2 hours ago', '3 days', yesterday, or a date"),
    ("runs --since '2 hors ago'", "--since: 'hor' is no unit of time; did you mean 'hour'?"),
    ("runs --sweep grid", "--sweep: no sweep 'grid' (0 sweeps in runs)"),
    ("runs --tag 'my tag'", "'my tag' is no tag: a tag is one word of letters, digits, '.', '_' and '-', at most 64"),
    ("runs --where 'optimizr.lr < 1'", "no run has 'optimizr.lr'; did you mean 'optimizer.lr'?"),
    ("runs export @last", "'@last': the file comes last and ends in .tar.gz or .zip: nnexp runs export RUN... FILE"),
    ("runs export x.tar.gz", "export which runs? for example: nnexp runs export @last x.tar.gz, or a sweep's name"),
    ("runs export y x.zip", "no run or sweep 'y' (1 run in runs)"),
    ("runs export @last nowhere/x.zip", "cannot write nowhere/x.zip: No such file or directory"),
    ("runs export --where seed=9 x.zip", "no runs to export"),
    ("runs import none.zip", "none.zip: no such file"),
    ("runs import runs", "runs is a folder; give the file that 'nnexp runs export' wrote"),
    (
        "runs import c.yaml",
        "c.yaml is no export of nnexp: it is neither a .tar.gz nor a .zip; 'nnexp runs export' writes",
    ),
    ("tag @last", "which tag? it comes last: nnexp tag @last good"),
    (
        "tag @last 'my tag'",
        "'my tag' is no tag: a tag is one word of letters, digits, '.', '_' and '-', at most 64; perhaps",
    ),
    ("tag @last last", "tag 'last': @last means the last run; choose another word"),
    ("tag x good", "no run or sweep 'x' (1 run in runs)"),
    ("tag @last good --remove", "none of the 1 run has the tag 'good'"),
    ("note x 'a note'", "no run or sweep 'x' (1 run in runs)"),
    ("rm", "remove which runs? for example: nnexp rm @last, or a sweep's name (nnexp runs lists them)"),
    ("rm x", "no run or sweep 'x' (1 run in runs)"),
    ("rm @last --empty-bin", "--empty-bin deletes all that is in the bin; name no runs beside it"),
    ("restore @last", "the bin of runs is empty"),
    ("reproduce x", "no run or sweep 'x' (1 run in runs)"),
    ("reproduce --format csv", "--format: 'csv' is not one of table, json"),
    ("diff @last @last", "'@last' and '@last' are the same run, "),
    ("diff @last @last~1", "no run '@last~1': runs holds 1, down to @last~0"),
    ("variance c.yaml optimizer=sgd,adam", "variance takes one configuration, and this has 2"),
    ("variance c.yaml --metric test_accuracy", "--metric: variance is judged by validation; say validation_accuracy"),
    ("variance c.yaml --metric acuracy", "--metric: 'acuracy' is not a metric; did you mean 'accuracy'?"),
    ("variance c.yaml optimizer.lr=log(1e-3,1) --set batch=full", "the range of 'optimizer.lr' needs a search"),
    (
        "variance c.yaml streams.data=1 streams.split=1 streams.init=1 streams.shuffle=1",
        "no random stream changes this run but those that are held fixed (data, split, init, shuffle)",
    ),
    ("calibrate", "no calibrations in runs; make one: nnexp calibrate configs/digits.yaml"),
    ("calibrate --seeds 20", "calibrate what? the configuration comes first: nnexp calibrate FILE [KEY=VALUE]..."),
    ("calibrate optimizer=sgd", "'optimizer=sgd' is an override; the configuration comes first: nnexp calibrate FILE"),
    ("calibrate none.yaml", "none.yaml: no such file"),
    ("calibrate c.yaml optimizer=sgd,adam", "calibrate takes one configuration, and this has 2; choose one value"),
    ("calibrate c.yaml --metric test_accuracy", "--metric: 'test_accuracy' looks at the test split, which is not for"),
    ("calibrate c.yaml --metric acuracy", "--metric: 'acuracy' is not a metric; did you mean 'accuracy'?"),
    ("calibrate c.yaml --seeds 1", "--seeds: 1 is too few to know how much seeds differ; at least 10, better 40"),
    (
        "calibrate c.yaml --compare-n 5",
        "--compare-n: with 5 the verdict makes no claim, and so no false one; at least 6",
    ),
    ("calibrate c.yaml --seeds 10 --compare-n 12", "--compare-n: 12 pairs need as many seeds, and --seeds is 10"),
    ("calibrate c.yaml optimizer.lr=log(1e-3,1)", "the range of 'optimizer.lr' needs a search"),
    ("calibrate c.yaml optimizr=sgd", "optimizr=sgd: unknown key; did you mean 'optimizer'?"),
    ("calibrate c.yaml --format yaml", "--format: 'yaml' is not one of table, markdown, latex, html, csv, json"),
    ("train c.yaml streams.inti=3", "streams.inti=3: unknown key; did you mean 'init'?"),
    ("train c.yaml streams.init=-3", "streams.init=-3: must be >= 0, found -3"),
    ("train c.yaml streams=3", "streams=3: must be keys and values"),
    ("sweep c.yaml --until-settled", "--until-settled compares levels, and this sweep has one"),
    ("sweep c.yaml optimizer=sgd,adam --max-seeds 20", "--max-seeds belongs to --until-settled"),
    ("sweep c.yaml optimizer=sgd,adam --margin 0.1", "--margin belongs to --until-settled"),
    ("sweep c.yaml optimizer=sgd,adam --until-settled --margin -0.1", "--margin: must be a number > 0"),
    ("sweep c.yaml optimizer=sgd,adam --until-settled --margin nan", "--margin: must be a number > 0"),
    (
        "sweep c.yaml optimizer=sgd,adam --until-settled --baseline adma",
        "--baseline: no level is 'adma'; did you mean 'adam'?",
    ),
    (
        "sweep c.yaml optimizer=sgd,adam batch.size=8,16 --until-settled --baseline adam",
        "--baseline: 'adam' may mean 2 levels; write one in full",
    ),
    ("sweep c.yaml optimizer=sgd,adam --until-settled --seeds 60", "--max-seeds: 50 are fewer than the 60 seeds"),
    (
        "sweep c.yaml optimizer.lr=log(1e-3,1) --search random --trials 3 --until-settled",
        "--until-settled adds seeds to the levels of a grid or cases; it does not go with a search",
    ),
    (
        "sweep c.yaml optimizer=sgd,adam --until-settled --shard 1/2",
        "--until-settled chooses its runs by what came out",
    ),
    ("sweep c.yaml --shard 3/2", "--shard: '3/2': the shards are 1/2 to 2/2"),
    ("sweep c.yaml --shard two", "--shard: 'two' is no part of a whole; write 2/5 for the second of five"),
    (
        "compare --format tabel",
        "--format: 'tabel' is not one of table, markdown, latex, html, csv, json; did",
    ),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run."""
    folder = tmp_path_factory.mktemp("finished")
    small = "dataset: {name: moons, n: 60}\nbatch: {size: 8}\nstop: 1\n"
    assert run(train("", small), folder).code == 0
    return folder


@pytest.mark.parametrize(("command", "told"), PAST, ids=[command for command, _ in PAST])
def test_wrong_words_for_past_runs(command: str, told: str, finished: Path) -> None:
    before = sorted(finished.rglob("*"))
    outcome = nnexp(*shlex.split(command), cwd=finished)
    assert told in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.code == 2
    assert outcome.out == ""
    assert sorted(finished.rglob("*")) == before


def test_too_little_memory_is_not_called_a_mistake(tmp_path: Path) -> None:
    outcome = run(override("", "'architecture.hidden=[10000000,10000000]' -q"), tmp_path)
    assert outcome.code == 1
    assert outcome.err.startswith("nnexp failed: out of memory (")
    assert "mistake" not in outcome.err
