"""claim.json in a sweep's folder: what was claimed of its runs, when, and what became of it.

It holds every version of claim and plan that was stated, when that was, how many of the runs were there already, and
the last judgement. A statement is known by a hash of the claim, the description and the fingerprints of the runs; how
the claim is worded, and its source, stand beside it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nnexp.errors import InputError
from nnexp.report.judgement import Judged
from nnexp.store.folder import finite, write_whole
from nnexp.store.parents import now
from nnexp.store.runs import CLAIM

FORMAT = 1
SHOWN = 12
"""Digits of a statement's hash."""


class Statement:
    """claim.json: what was stated of a sweep, from before its first run on."""

    def __init__(self, path: Path, statements: list[dict[str, Any]], digest: str, written: bool = True):
        """`written`: whether the file has the statement of this digest already."""
        self.path, self.statements, self.digest, self.written = path, statements, digest, written

    @property
    def current(self) -> dict[str, Any]:
        """The statement that holds: the first of this claim and plan."""
        return next(one for one in self.statements if one["hash"] == self.digest)

    @property
    def before_runs(self) -> bool:
        """Whether it was made before any of the runs was there, and before another version was judged."""
        return not self.current["runs_there"] and not self.current.get("after_verdict", False)

    @property
    def when(self) -> str:
        """`before` the first run, `after` it, or `not yet`."""
        return "not yet" if not self.written else "before" if self.before_runs else "after"

    @property
    def wording(self) -> tuple[str, str]:
        """The claim in a sentence, and where it is claimed, as the sweep's file words it; '' for what it leaves out."""
        text, source = (self.current.get(key) for key in ("text", "source"))
        return str(text or ""), str(source or "")

    def __str__(self) -> str:
        current, first = self.current, self.statements[0]
        when = f"{current['stated'][:16].replace('T', ' ')} UTC"
        if not self.written:
            return f"not stated yet (plan {self.digest[:SHOWN]})"
        known = f"plan {self.digest[:SHOWN]}, {when}"
        if self.before_runs:
            return f"stated before the first run ({known})"
        count = current["runs_there"]
        there = (
            f"when {count} {'run was' if count == 1 else 'runs were'} there" if count else "after it had been judged"
        )
        if current is first:
            return f"stated {there} already, so it is no prediction ({known})"
        what = [key for key in ("claim", "plan") if current[key] != first[key]]
        return f"{' and '.join(what)} changed {there}, so it is no prediction ({known})"

    def plain(self) -> dict[str, Any]:
        """What is told of it."""
        current = self.current
        told = {key: current[key] for key in ("hash", "stated", "runs_there")}
        return {**told, "before_runs": self.before_runs, "versions": len(self.statements)}

    def write(self, judged: Judged | None = None, also: Path | None = None) -> None:
        """Write it, with the judgement where there is one; into the folder `also`, too."""
        if judged is not None:
            self.current.setdefault("judged", now())
        verdict = None if judged is None else judged.plain()
        document = {"format": FORMAT, "current": self.digest, "statements": self.statements, "verdict": verdict}
        text = json.dumps(finite(document), indent=1, ensure_ascii=False) + "\n"
        for folder in {self.path.parent, also or self.path.parent}:
            write_whole(folder / CLAIM, lambda file: file.write(text.encode()))
        self.written = True


def stated_in(path: Path) -> list[dict[str, Any]]:
    """The statements in a claim.json; none where it is not there. Raises InputError where it is damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["statements"]
        if all(isinstance(one[key], str) for one in found for key in ("hash", "stated", "claim", "plan")):
            return [one for one in found if isinstance(one["runs_there"], int)]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} cannot be used ({error}); move it away, and the claim counts as stated anew"
        ) from None
    raise InputError(f"{path} is damaged; move it away, and the claim counts as stated anew")


def judged_in(folder: Path) -> tuple[Statement, Judged] | None:
    """What was stated of a sweep and judged when it last ended; None where there is neither."""
    try:
        document = json.loads((folder / CLAIM).read_text(encoding="utf-8"))
        statement = Statement(folder / CLAIM, stated_in(folder / CLAIM), str(document["current"]))
        return None if document["verdict"] is None else (statement, Judged.read(document["verdict"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise InputError(f"{folder / CLAIM} cannot be used ({error})") from None
