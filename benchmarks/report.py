"""How long a report takes, as whole processes: python benchmarks/report.py

The runs are those of compare.py: `--runs` of them in `--groups` settings of digits, 100 epochs each, with the index of
an earlier command. `--out` keeps the last page of each format.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from compare import nnexp, templates, write_runs

FORMATS = {"html": "r.html", "markdown": "r.md", "pdf": "r.pdf"}


def main() -> None:
    """Make the folder, measure, print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--groups", type=int, default=10)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--formats", default=",".join(FORMATS), help="of html, markdown, pdf")
    parser.add_argument("--out", type=Path, help="a folder for the pages")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        root, place = Path(temporary, "runs"), given.out or Path(temporary)
        root.mkdir()
        write_runs(root, templates(Path(temporary) / "models"), given.runs, given.groups)
        time.sleep(3)  # what has just been written is not kept in an index
        nnexp(["compare"], root)
        print(f"{given.runs:,} runs in {given.groups:,} groups")
        print(f"{'format':10} {'median':>8} {'range':>15} {'memory':>8} {'size':>8}")
        for how in given.formats.split(","):
            target = (place / FORMATS[how]).resolve()
            measured = [nnexp(["report", "--out", str(target)], root) for _ in range(given.repeat)]
            seconds = [s for s, _ in measured]
            span = f"{min(seconds):.2f} to {max(seconds):.2f}"
            memory, size = max(m for _, m in measured), target.stat().st_size / 1e3
            print(
                f"{how:10} {statistics.median(seconds):6.2f} s {span:>15} {memory:5.0f} MB {size:5.0f} kB", flush=True
            )


if __name__ == "__main__":
    main()
