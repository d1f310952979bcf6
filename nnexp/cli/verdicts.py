"""The end of a sweep that makes a claim: what was stated, when, and what the runs say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nnexp.report.judgement import Judged
    from nnexp.report.statement import Statement
    from nnexp.store.runs import Run, Shelf
    from nnexp.sweep.claims import Claim
    from nnexp.sweep.course import Course
    from nnexp.sweep.identity import Identity
    from nnexp.sweep.plan import Plan


@dataclass(frozen=True)
class Told:
    """A claim that was judged, with what belongs to it."""

    claim: Claim
    judged: Judged
    statement: Statement
    looks: dict[str, int] = field(default_factory=dict)
    """How often test scores were looked at, by data set, where this judgement is such a look."""

    @property
    def text(self) -> str:
        """The claim in a sentence."""
        return self.claim.rule.text or self.judged.statement

    @property
    def sentences(self) -> list[str]:
        """For people."""
        said = f": {self.claim.rule.text}" if self.claim.rule.text else ""
        lines = [f"the claim is {self.judged.word}{said}"]
        lines += [f"    {line}" for line in self.judged.sentences()]
        return [*lines, f"    {self.statement}", *(f"    {line}" for line in self.looked)]

    @property
    def looked(self) -> list[str]:
        """What is said of test scores."""
        counts = "; ".join(f"{n:,} look{'s' if n != 1 else ''} at {name}" for name, n in self.looks.items())
        return [f"it looks at test scores, as stated; so far {counts}"] if counts else []

    def plain(self) -> dict[str, Any]:
        """For programs."""
        rule = self.claim.rule
        looks = {"looks": self.looks} if self.looks else {}
        own = {"text": rule.text, "source": rule.source, **self.judged.plain()}
        return {**own, "stated": self.statement.plain(), **looks}


def stated(course: Course, identity: Identity, shelf: Shelf) -> Statement:
    """Write the claim of a sweep into its folder, before its first run. Raises InputError where that cannot be."""
    from nnexp.errors import InputError
    from nnexp.store.room import why_not
    from nnexp.sweep.claims import state

    statement = state(course, identity, shelf)
    try:
        statement.path.parent.mkdir(parents=True, exist_ok=True)
        statement.write()
    except OSError as error:
        raise InputError(why_not(statement.path.parent, error)) from None
    return statement


def concluded(claim: Claim, plan: Plan, shelf: Shelf, statement: Statement, keep: bool = True) -> Told:
    """Judge a claim by the runs of its sweep's last plan; a look at test scores is counted.

    With `keep` the judgement is written beside what was stated. Raises InputError where a look cannot be recorded.
    """
    from nnexp.report.rows import datasets_of
    from nnexp.store.looks import look

    judged = claim.judge(plan, shelf)
    looks: dict[str, int] = {}
    runs = runs_of(plan, shelf)
    if runs and (tested := claim.tested(plan)):
        looks = look(shelf.root, datasets_of(runs), ", ".join(tested), len(runs))
    if keep:
        statement.write(judged, also=plan.folder)
    return Told(claim, judged, statement, looks)


def runs_of(plan: Plan, shelf: Shelf) -> list[Run]:
    """The runs of a plan that are there."""
    mine = {job.fingerprint for job in plan.jobs}
    return list({run.brief.fingerprint: run for run in shelf.runs if run.brief.fingerprint in mine}.values())
