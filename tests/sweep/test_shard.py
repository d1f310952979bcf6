"""Shards: disjoint, together the whole, the same each time, whatever is done already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnexp.errors import InputError
from nnexp.store.runs import Origin, Shelf
from nnexp.sweep.description import read_sweep
from nnexp.sweep.identity import Given, Identity
from nnexp.sweep.plan import Job, Plan, make_plan
from nnexp.sweep.records import Records
from nnexp.sweep.shard import Shard
from tests.past import past_run
from tests.small import config_file


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """Seven different runs."""
    folder = tmp_path_factory.mktemp("shards")
    described = read_sweep(config_file(folder), ["optimizer.lr=logspace(1e-3,1,7)"])
    return make_plan(described, Shelf(folder / "runs"))


@given(st.data())
def test_shards_share_the_work(plan: Plan, data: st.DataObject) -> None:
    # as many jobs as one likes, some of which compute the same
    keys = data.draw(st.lists(st.integers(0, 30), max_size=60))
    jobs = [replace(plan.jobs[0], fingerprint=str(key)) for key in keys]
    count = data.draw(st.integers(1, 12))
    shares = [Shard(number, count).of(jobs) for number in range(1, count + 1)]
    assert sorted(id(job) for share in shares for job in share) == sorted(map(id, jobs)), "each job once"
    known = [{job.fingerprint for job in share} for share in shares]
    assert sum(map(len, known)) == len(set(keys)), "what computes the same is in one shard"
    assert max(map(len, known)) - min(map(len, known)) <= 1, "as equal as can be"


def test_what_is_done_moves_nothing(plan: Plan, tmp_path: Path) -> None:
    def own(one: Plan) -> list[str]:
        return [job.fingerprint for job in replace(one, shard=Shard(2, 3)).own]

    before = own(plan)
    assert before == [plan.jobs[i].fingerprint for i in (1, 4)]
    for job in plan.jobs[:5:2]:
        past_run(tmp_path, 0.5, record_fingerprint=job.fingerprint)
    ended = Shelf(tmp_path).ended()

    def again(job: Job) -> Job:
        return replace(job, done=ended.get(job.fingerprint))

    later = replace(plan, jobs=[again(job) for job in plan.jobs], shard=Shard(2, 3))
    assert own(later) == before
    assert [job.fingerprint for job in later.missing] == before[:1]


def test_the_plan_is_written_whole(plan: Plan, tmp_path: Path) -> None:
    part = replace(plan, shard=Shard(1, 7))
    given = Given(tmp_path / "small.yaml", b"", ())
    Records(part).begin(given, Identity(tmp_path, Origin("small", "", "small.yaml", (), ""), "loss", False, ""))
    [known] = Shelf(plan.folder.parent.parent).sweeps
    assert list(known.cases) == [job.fingerprint for job in plan.jobs]
    assert len(part.missing) == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2", "'2' is no part of a whole; write 2/5"),
        ("a/b", "write 2/5"),
        ("-1/5", "write 2/5"),
        ("1.5/2", "write 2/5"),
        ("0/5", "the shards are 1/5 to 5/5"),
        ("6/5", "the shards are 1/5 to 5/5"),
        ("0/0", "there must be at least one shard"),
        ("1/99999999999999999999", "write 2/5"),
    ],
)
def test_what_is_no_shard(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        Shard.parse(text)


def test_a_shard_reads_as_it_is_written() -> None:
    assert str(Shard.parse(" 2 / 5 ")) == "2/5"
