"""A fixed part of a sweep's runs, for one of several machines that share the work without knowing of each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nnexp.errors import InputError

if TYPE_CHECKING:
    from nnexp.sweep.plan import Job


@dataclass(frozen=True)
class Shard:
    """Part `number` of `count`, from 1 on: every `count`-th of the plan's distinct runs."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """`2/5` as it stands on the command line. Raises InputError.

        >>> Shard.parse("2/5")
        Shard(number=2, count=5)
        """
        match = re.fullmatch(r"\s*(\d{1,9})\s*/\s*(\d{1,9})\s*", text)
        if not match:
            raise InputError(f"--shard: '{text}' is no part of a whole; write 2/5 for the second of five")
        number, count = int(match[1]), int(match[2])
        if not 1 <= number <= count:
            raise InputError(
                f"--shard: '{text}': the shards are 1/{count} to {count}/{count}"
                if count
                else f"--shard: '{text}': there must be at least one shard"
            )
        return cls(number, count)

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def of(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs of this shard: by their position in the whole plan, so what is already done moves none of them.

        Jobs that compute the same are one, and lie in one shard.
        """
        position = {key: i for i, key in enumerate(dict.fromkeys(job.fingerprint for job in jobs))}
        return [job for job in jobs if position[job.fingerprint] % self.count == self.number - 1]
