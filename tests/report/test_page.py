"""Reports: the numbers of the tables, in pages that load nothing, sort, print, and say honestly what is not known."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Sequence
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nnexp import __version__
from nnexp.errors import InputError
from nnexp.report.judgement import Judged
from nnexp.report.page import printed
from nnexp.report.page.blocks import Code, Document, Facts, Figure, Fold, Points, Section, Table, Text
from nnexp.report.page.files import usual_place
from nnexp.report.page.html import as_page
from nnexp.report.page.inline import INKS
from nnexp.report.page.markdown import as_markdown
from nnexp.report.pictures.style import Picture
from nnexp.report.statement import Statement
from nnexp.report.tables import Column, Grid
from nnexp.report.tuning import Findings, Found
from tests.browser import Browser, chromium, required
from tests.command import nnexp
from tests.past import ADAM, alter, past_run, past_sweep, read

HERE = Path(__file__).parent
ACCURACY = {"sgd": (0.80, 0.82, 0.79, 0.81, 0.83, 0.80, 0.82), "adam": (0.90, 0.93, 0.91, 0.92, 0.94, 0.90, 0.95)}
HOSTILE = "<script>document.title='hacked'</script>&\"'`*_x_*[a](http://a.example)|$x^$ $\\frac{"
"""What means something to HTML, Markdown, SVG or matplotlib's mathematics."""


class Page(HTMLParser):
    """What a reader finds in a page: tables, their exact values, the text, and all tags with their attributes."""

    def __init__(self, text: str):
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.exact: list[list[list[str | None]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self._cell: str | None = None
        self._silent = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag in ("script", "style"):
            self._silent = tag
        if tag == "table":
            self.tables.append([])
            self.exact.append([])
        if tag == "tr":
            self.tables[-1].append([])
            self.exact[-1].append([])
        if tag in ("td", "th"):
            self._cell = ""
            self.exact[-1][-1].append(found.get("data-v"))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._silent:
            self._silent = ""
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append(self._cell)
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        self.words += data
        if self._cell is not None:
            self._cell += data


def two_levels(folder: Path, name: str = "past", **changes: object) -> Path:
    """A folder with runs of two optimizers on seven seeds, one of which diverged, and the sweep that they make up."""
    root = folder / "runs"
    paths = []
    for optimizer, values in ACCURACY.items():
        for seed, value in enumerate(values):
            settings = {"name": optimizer, "lr": 0.1} if optimizer == "sgd" else ADAM
            paths.append(past_run(root, value, name=name, seed=seed, optimizer=settings, **changes))
    sweep = past_sweep(root, "optimizers-0a1b2c", paths, "2026-01-02")
    plan = json.loads((sweep / "plan.json").read_text())
    plan["command"] = ["sweep", "my file.yaml", "optimizer=sgd,adam", "--seeds", "7"]
    plan["origin"] = {"name": "optimizers", "part": "", "file": "../my file.yaml", "words": ["--seeds 7"], "digest": ""}
    (sweep / "plan.json").write_text(json.dumps(plan))
    (sweep / "given.yaml").write_text(
        "# yaml-language-server: $schema=s.json\n# Is adam better than sgd? Each at its default\n# learning rate.\n"
        "#     nnexp compare\ngrid: {optimizer: [sgd, adam]}\n"
    )
    return folder


@pytest.fixture(scope="module")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return two_levels(tmp_path_factory.mktemp("levels"))


def written(folder: Path, *words: object) -> str:
    """What a command prints that has to succeed; what it says of its progress on a slow machine does not matter."""
    done = nnexp(*words, cwd=folder)
    assert done.code == 0, done.err
    return done.out


def report(folder: Path, *words: object) -> Page:
    """The page that a command writes."""
    return Page((folder / written(folder, "report", *words).strip()).read_text(encoding="utf-8"))


def text_of(page: Page) -> str:
    return " ".join(page.words.split())


# -- what it says --------------------------------------------------------------------------------------------------


def test_the_numbers_are_those_of_compare(levels: Path) -> None:
    page = report(levels, "--out", "n.html")
    told = nnexp("compare", "--format", "json", cwd=levels).json
    found = list(csv.DictReader(io.StringIO(nnexp("compare", "--format", "csv", cwd=levels).out, newline="")))
    text = nnexp("compare", "--columns", "all", cwd=levels).out
    latex = nnexp("compare", "--format", "latex", cwd=levels).out
    markdown = nnexp("compare", "--format", "markdown", cwd=levels).out
    first, second = page.tables[:2]
    assert first[0][:3] == ["optimizer", "n", "mean"]
    shown_keys = {"n": "n", "mean": "mean", "std": "std", "95 % interval": "ci95_low", "time": "seconds"}
    other_keys = {"n": "pairs", "difference": "difference", "p": "p_holm", "g": "g", "P(A>B)": "p_better"}
    compared = 0
    for number, keys in ((0, shown_keys), (1, other_keys)):
        heads = page.tables[number][0]
        for row, cells, json_row, csv_row in zip(
            page.exact[number][1:], page.tables[number][1:], told["rows"], found, strict=True
        ):
            assert cells[0] == json_row["optimizer.name"]
            for head, exact, cell in zip(heads, row, cells, strict=True):
                if head not in keys or exact is None:
                    continue
                compared += 1
                assert float(exact) == json_row[keys[head]] == float(csv_row[keys[head]])
                assert f"{cell.replace('+', '')}" in text.replace("+", "")
                assert cell.replace(" ± ", r" $\pm$ ").replace("<", "$<$") in latex
                assert cell in markdown
    assert compared == 2 * 5 + 5
    assert second[1][-2] == "better"
    for sentence in told["findings"]:
        assert sentence.rstrip(".") in text_of(page)


def test_what_stands_in_it_and_in_which_order(levels: Path) -> None:
    pytest.importorskip("matplotlib")
    page = report(levels, "optimizers", "--out", "o.html", "--margin", "0.01")
    words = text_of(page)
    order = [
        "Is adam better than sgd?",
        "2 levels · 14 runs · 2026-01-01",
        "Each at its default learning rate.",
        "Compared with sgd in validation_accuracy, adam is better.",
        "Final values",
        "Levels",
        "difference to sgd",
        "Learning curves",
        "Single runs",
        "Design",
        "0 to 6, the same in every level",
        "they share split, initial weights and order of the batches",
        "hash 0000000000000000",
        "Configurations",
        "lr: 0.1",
        "Reproduction",
        "nnexp sweep 'my file.yaml' optimizer=sgd,adam --seeds 7",
        "nnexp report optimizers --out o.html --margin 0.01",
        "Made with",
        "a processor; a machine; 2 cores",
    ]
    places = [words.find(one) for one in order]
    assert -1 not in places, order[places.index(-1)]
    assert places == sorted(places)


def test_the_latest_is_named_for_later(levels: Path) -> None:
    assert "nnexp report optimizers-0a1b2c --out l.html" in text_of(report(levels, "--out", "l.html"))


def test_the_same_runs_give_the_same_page(levels: Path) -> None:
    report(levels, "--out", "same.html")
    before = (levels / "same.html").read_bytes()
    assert nnexp("report", "--out", "same.html", cwd=levels).code == 0
    assert (levels / "same.html").read_bytes() == before


def test_runs_without_a_result_are_told_with_the_reason(tmp_path: Path) -> None:
    two_levels(tmp_path)
    path = past_run(tmp_path / "runs", status="diverged", seed=7, record_reason="the loss became nan at step 3")
    page = report(tmp_path, path.name[-6:], *(p.name for p in (tmp_path / "runs").glob("past-*")))
    assert "diverged 2 the loss became nan at step 3" in text_of(Page("<p>" + " ".join(page.tables[2][1]) + "</p>"))
    assert "14 finished, 1 diverged" in text_of(page)


@pytest.mark.parametrize("status", ["diverged", "failed", "interrupted"])
def test_no_run_has_a_score(tmp_path: Path, status: str) -> None:
    for seed in range(2):
        past_run(tmp_path / "runs", status=status, seed=seed)
    page = report(tmp_path)
    assert f"No answer: none of 2 runs has a final score (2 {status})." in text_of(page)


def test_one_run(tmp_path: Path) -> None:
    path = past_run(tmp_path / "runs", 0.75)
    page = report(tmp_path)
    assert (tmp_path / f"run-{path.name[-6:]}-report.html").exists()
    assert "One run: validation_accuracy 0.7500. How much of that is luck" in text_of(page)
    assert f"nnexp reproduce {path.name[-6:]}" in text_of(page)


def test_levels_of_one_seed_have_no_verdict(tmp_path: Path) -> None:
    for lr in (0.1, 0.2, 0.3):
        past_run(tmp_path / "runs", 0.5 + lr, optimizer={"name": "sgd", "lr": lr})
    words = text_of(report(tmp_path))
    assert "No verdict: every run stands for itself. The best validation_accuracy is 0.8000, of run " in words
    assert "(lr 0.3); how much of that is luck" in words
    page = report(tmp_path, "--by", "lr", "--force")
    assert "No verdict in validation_accuracy: with 1 seed to a level, what is luck is unknown" in text_of(page)


def test_a_look_at_single_runs_is_told(tmp_path: Path) -> None:
    for seed in range(2):
        past_run(tmp_path / "runs", 0.5, optimizer={"name": "sgd", "lr": 0.1 + seed})
    assert "Test scores are for the last look, after choosing by validation; so far 1 look" in text_of(
        report(tmp_path, "--test")
    )


def test_one_level(tmp_path: Path) -> None:
    for seed in range(3):
        past_run(tmp_path / "runs", 0.5 + seed / 10, seed=seed)
    assert "validation_accuracy is 0.6000 over 3 seeds, and its mean lies within ± 0.2484" in text_of(report(tmp_path))


def test_too_few_seeds_are_undecided_and_the_best_is_no_winner(tmp_path: Path) -> None:
    for seed in range(3):
        past_run(tmp_path / "runs", 0.5 + seed / 100, seed=seed)
        past_run(tmp_path / "runs", 0.7 + seed / 90, seed=seed, optimizer=ADAM)
    words = text_of(report(tmp_path))
    assert "Undecided: it is not known whether adam differs from sgd in validation_accuracy." in words
    assert "needs at least 6 seeds" in words
    assert re.search(
        r"The best mean is that of adam, 0\.\d+ \(95 % interval .*?\); that it is the best may be luck", words
    )


def test_confounded_levels_are_not_judged(tmp_path: Path) -> None:
    for seed in range(7):
        past_run(tmp_path / "runs", 0.5 + seed / 100, seed=seed)
        past_run(tmp_path / "runs", 0.7 + seed / 90, seed=seed, optimizer=ADAM, stop={"epochs": 9})
    words = text_of(report(tmp_path, "past", "--by", "optimizer"))
    assert "No verdict, for besides optimizer.name, the levels differ in stop.epochs" in words
    assert "adam is better" not in words
    assert "Compared with" not in words
    words = text_of(report(tmp_path, "past", "--by", "optimizer", "--allow-confounded"))
    assert "adam is better than sgd" in words


def test_different_data_sets_are_not_judged(tmp_path: Path) -> None:
    for seed in range(3):
        past_run(tmp_path / "runs", 0.5, seed=seed)
        past_run(tmp_path / "runs", 0.7, seed=seed, dataset={"name": "circles"}, record_data="1" * 16)
    assert "No verdict: different data sets (circles, moons)" in text_of(report(tmp_path, "--by", "dataset"))


DATA_SETS = ("moons", "circles", "spiral", "xor", "iris")


def several_data_sets(folder: Path) -> None:
    """Two optimizers on five data sets, each with seven seeds; the second data set has another winner."""
    for number, dataset in enumerate(DATA_SETS):
        for optimizer, values in ACCURACY.items():
            for seed, value in enumerate(values):
                settings = {"name": optimizer, "lr": 0.1} if optimizer == "sgd" else ADAM
                accuracy = 1.6 - value if dataset == "circles" else value
                past_run(folder / "runs", accuracy, seed=seed, optimizer=settings, dataset={"name": dataset},
                         record_data=f"{number}" * 16)  # fmt: skip


def test_several_data_sets(tmp_path: Path, browser: Browser) -> None:
    pytest.importorskip("matplotlib")
    several_data_sets(tmp_path)
    words = ("past", "--by", "optimizer")
    page = report(tmp_path, *words, "--out", "s.html")
    told = nnexp("compare", *words, cwd=tmp_path).out
    order = [
        "change validation_accuracy on 5 data sets?",
        "circles · iris · moons · spiral · xor · 2 levels · 70 runs",
        "No claim about ranks, for 5 data sets cannot decide between 2 levels",
        "validation_accuracy by optimizer, moons",
        "difference to sgd, moons",
        "adam is better than sgd: +0.1114",
        "validation_accuracy by optimizer, circles",
        "difference to sgd, circles",
        "adam is worse than sgd: -0.1114",
        "validation_accuracy by optimizer, spiral",
        "ranks of validation_accuracy by optimizer over 5 data sets",
        "Single runs",
    ]
    places, begin = [], 0
    for one in order:
        places.append(text_of(page).find(one, begin))
        assert places[-1] >= 0, one
        begin = places[-1]
    assert page.words.count("p: exact sign flips") == 5
    ranks = page.tables[10]
    assert ranks[0][0] == "optimizer"
    assert all(cell in told for row in ranks[1:] for cell in row)
    drawn = [str(found["aria-label"]) for tag, found in page.tags if tag == "svg"]
    assert [label.split(" of ")[0] for label in drawn] == ["mean ranks", "performance profiles"]
    browser.events.clear()
    browser.open(tmp_path / "s.html")
    assert browser.complaints == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    report_text = (tmp_path / written(tmp_path, "report", *words, "--format", "markdown").strip()).read_text()
    assert re.findall(r"!\[.*?\]\(.*/(.*?)\)", report_text) == ["ranks.svg", "profiles.svg"]
    assert "validation_accuracy by optimizer, circles:\n\n| optimizer |" in report_text


def test_a_look_over_several_data_sets_counts_once(tmp_path: Path) -> None:
    several_data_sets(tmp_path)
    words = text_of(report(tmp_path, "past", "--by", "optimizer", "--test", "--out", "t.html"))
    assert "1 look at circles; 1 look at iris; 1 look at moons; 1 look at spiral; 1 look at xor" in words
    assert len((tmp_path / "runs" / ".test-looks.jsonl").read_text().splitlines()) == 1


SAYS = "optimizer adam is better than optimizer sgd in validation_accuracy"


def claimed(sweep: Path, **wording: str) -> None:
    """A claim of a sweep that was stated and judged."""
    judged = Judged("supported", "", "difference", SAYS, "validation_accuracy", 7, True, 0.111, 0.103, 0.119, 0.0, 14)
    stated = {"hash": "ab" * 16, "stated": "2026-01-01T09:30:00+00:00", "claim": "c", "plan": "p", "runs_there": 0}
    Statement(sweep / "claim.json", [{**stated, "after_verdict": False, "said": {}, **wording}], "ab" * 16).write(
        judged
    )


def test_a_claim_with_its_wording_and_source(tmp_path: Path) -> None:
    two_levels(tmp_path)
    sweep = tmp_path / "runs" / "sweeps" / "optimizers-0a1b2c"
    assert "Claim" not in [section.strip() for section in report(tmp_path, "--out", "r.html").words.split("\n")]
    claimed(sweep, text="Adam <b>always</b> wins.", source="a *lecture*")
    lines = [
        "The claim is supported: Adam <b>always</b> wins.",
        "Source: a *lecture*.",
        f"Supported: {SAYS}; difference +0.1110 [0.1030, 0.1190], n = 7.",
        "Stated before the first run (plan abababababab, 2026-01-01 09:30 UTC).",
    ]
    words = text_of(report(tmp_path, "--out", "r.html"))
    places = [words.find(line) for line in ("adam is better.", "Claim", *lines, "Final values")]
    assert -1 not in places
    assert places == sorted(places)
    written(tmp_path, "report", "--out", "r.md")
    text = unescape((tmp_path / "r.md").read_text()).replace("\\", "")
    assert "## Claim\n\n**The claim is supported: Adam <b>always</b> wins.**\n\n- Source: a *lecture*.\n" in text
    assert all(line in text for line in lines)


def test_a_claim_that_an_earlier_version_wrote_has_no_wording(tmp_path: Path) -> None:
    two_levels(tmp_path)
    sweep = tmp_path / "runs" / "sweeps" / "optimizers-0a1b2c"
    claimed(sweep)
    words = text_of(report(tmp_path, "--out", "r.html"))
    assert f"The claim is supported: {SAYS}." in words
    assert "Source:" not in words
    (sweep / "claim.json").write_text("{")
    assert "claim.json cannot be used" in text_of(report(tmp_path, "--out", "r.html")), "the rest is told all the same"


def test_how_levels_were_tuned(tmp_path: Path) -> None:
    two_levels(tmp_path)
    sweep = tmp_path / "runs" / "sweeps" / "optimizers-0a1b2c"
    points = [{"optimizer.lr": 0.01}, {"optimizer.lr": 3.0}]
    levels = [
        Found({"optimizer": "sgd"}, points, [0.7, 0.8], 1, {"optimizer.lr": "upper"}),
        Found({"optimizer": "adam"}, points, [0.9, None], 0, {}),
        Found({"optimizer": "rprop"}, points, [None, None], None, {}),
    ]
    (sweep / "trials.json").write_text(json.dumps(Findings("validation_accuracy", True, True, levels).plain()))
    tune = (
        "tune: {optimizer.lr: [{log: [0.01, 3]}], budget: 2, seeds: [1000000, 1000001, 1000002], search: {name: sobol}}"
    )
    (sweep / "sweep.yaml").write_text(tune + "\n")
    words = text_of(report(tmp_path, "--out", "r.html"))
    how = "2 trials a level (sobol search), each judged by validation_accuracy, the mean over seeds 1000000 to 1000002"
    assert f"tuned: optimizer.lr{how}" in words
    found = "optimizer sgd: lr 3 (the upper edge of its range), scored 0.8000; optimizer adam: lr 0.01, scored 0.9000"
    assert f"tuned to{found}; optimizer rprop: no trial has a score" in words
    written(tmp_path, "report", "--out", "r.md")
    assert f"| tuned: optimizer.lr | {how} |" in (tmp_path / "r.md").read_text()
    (sweep / "sweep.yaml").write_text("search: {name: random}\n")  # its trials are the runs
    assert "tuned" not in text_of(report(tmp_path, "--out", "r.html"))
    (sweep / "sweep.yaml").write_text(tune + "\n")
    (sweep / "trials.json").write_text('{"levels": [1]}')
    assert "trials.json or sweep.yaml in the sweep's folder cannot be used" in text_of(
        report(tmp_path, "--out", "r.html")
    )


def test_test_scores_are_a_look(levels: Path) -> None:
    report(levels, "--out", "v.html")
    assert not (levels / "runs" / ".test-looks.jsonl").exists()
    assert "test_accuracy" not in (levels / "v.html").read_text()  # nor does any part of it hide there
    assert "0 at moons so far" in text_of(report(levels, "--out", "v.html"))
    for count in (1, 2):
        page = report(levels, "--test", "--out", "t.html")
        assert f"so far {count} look{'s' if count > 1 else ''} at moons" in text_of(page)
        assert f"{count} at moons so far" in text_of(page)
        assert len((levels / "runs" / ".test-looks.jsonl").read_text().splitlines()) == count
    assert "test_accuracy" in page.tables[0][0]


def test_a_sweep_whose_files_are_damaged(tmp_path: Path) -> None:
    two_levels(tmp_path)
    sweep = tmp_path / "runs" / "sweeps" / "optimizers-0a1b2c"
    (sweep / "given.yaml").write_bytes(b"# \xff?\n")
    [first, *_] = (tmp_path / "runs").glob("past-*")
    (first / "metrics.csv").write_text("epoch,step,validation_loss,validation_accuracy,seconds\n1,x\n2,1,1,1,1\n")
    (first / "notes.json").write_text("{")
    page = report(tmp_path, "optimizers")
    assert "�?" in text_of(page)
    assert "There is no picture of curves:" in text_of(page)
    assert "notes.json is damaged" in text_of(page)
    (sweep / "given.yaml").unlink()
    assert "How does optimizer change validation_accuracy on moons?" in text_of(report(tmp_path, "optimizers"))


def test_a_question_is_the_sweeps_own(tmp_path: Path) -> None:
    two_levels(tmp_path)
    sweep = tmp_path / "runs" / "sweeps" / "optimizers-0a1b2c"
    plan = json.loads((sweep / "plan.json").read_text())
    plan["origin"]["words"] = ["optimizer=sgd,adam"]  # the file's question is not about these
    (sweep / "plan.json").write_text(json.dumps(plan))
    assert "How does optimizer change validation_accuracy on moons?" in text_of(report(tmp_path))


def test_optimizers_on_a_surface(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for optimizer in ({"name": "sgd", "lr": 0.1}, ADAM):
        final = {"train_loss": 0.5 + optimizer["lr"], "train_distance": 1.0}
        surface = {"dataset": {"name": "rosenbrock"}, "optimizer": optimizer}
        names = ["epoch", "step", "train_loss", "train_distance", "theta1", "theta2", "seconds"]
        path = past_run(tmp_path / "runs", **surface, record_final=final, record_columns=names)
        rows = [f"{epoch},{epoch},{8 / (epoch + 1)},1,0,0,0" for epoch in range(3)]
        (path / "metrics.csv").write_text("\n".join([",".join(names), *rows, ""]))
    page = report(tmp_path)
    assert "How does optimizer change train_loss on rosenbrock?" in text_of(page)
    assert "every run stands for itself" in text_of(page)
    [words] = [found["aria-label"] for tag, found in page.tags if tag == "svg"]
    assert str(words).startswith("loss and path over the epochs of ")


# -- files ---------------------------------------------------------------------------------------------------------


def test_only_reports_are_replaced(levels: Path) -> None:
    for name in ("mine.html", "mine.md"):
        (levels / name).write_text("mine")
        done = nnexp("report", "--out", name, cwd=levels)
        assert (done.code, done.out) == (2, "")
        assert f"{name} is there already, and is no report of nnexp; --force writes over it" in done.err
        assert (levels / name).read_text() == "mine"
        for words in (["--force"], []):
            assert written(levels, "report", "--out", name, *words) == f"{name}\n"
    (levels / "new-pictures").mkdir()
    done = nnexp("report", "--out", "new.md", cwd=levels)
    assert (done.code, done.out) == (2, "")
    assert "new-pictures is there already" in done.err
    assert not (levels / "new.md").exists()


def test_nothing_half_written_is_left(levels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(levels.rglob("*"))
    monkeypatch.setattr("nnexp.report.page.files.as_page", lambda document: 1 / 0)
    assert nnexp("report", "--out", "half.html", cwd=levels).code == 1
    assert sorted(levels.rglob("*")) == before


@pytest.mark.parametrize("name", ["../../up", "/etc/passwd", "a/b", "..", "", "a\0b", "-rf", "é"])
def test_a_name_leads_to_no_other_folder(tmp_path: Path, name: str) -> None:
    run = read(past_run(tmp_path / "runs", 0.5))
    folder = past_sweep(tmp_path / "runs", "s-1", [run.path], "2026-01-01")
    from nnexp.store.runs import Origin, SweepRecord

    for how in ("html", "markdown", "pdf"):
        origin = Origin(name, "", "", (), "")
        place = usual_place([run], SweepRecord(folder, "", {}, origin), how)
        assert place.parent == Path()
        assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*-report\.(html|md|pdf)", place.name)


def test_without_matplotlib_the_page_says_what_is_missing(levels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    done = nnexp("report", "--out", "bare.html", cwd=levels)
    assert done.code == 0
    page = Page((levels / "bare.html").read_text())
    assert "svg" not in {tag for tag, _ in page.tags}
    assert "adam is better" in text_of(page)
    for told in (done.err, text_of(page)):
        assert "The pictures are left out, for matplotlib is not installed" in told
        assert "pip install 'nnexp[plot]'" in told


def test_without_a_browser_there_is_no_pdf(levels: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done = nnexp("report", "--format", "pdf", cwd=levels, PATH=str(tmp_path))
    assert (done.code, done.out) == (2, "")
    assert "printing needs Chromium, and none is installed: apt-get install chromium" in done.err
    broken = tmp_path / "chromium"
    broken.write_text("#!/bin/sh\necho no display >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(InputError, match="chromium ended with 3 and printed nothing: no display"):
        printed.as_pdf("<p>")


# -- in a real browser, and on paper ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory):
    with chromium(tmp_path_factory.mktemp("browser")) as one:
        yield one


def column(browser: Browser, table: int, place: int) -> list[str]:
    found = (
        f"[...document.querySelectorAll('table')[{table}].tBodies[0].rows].map(row => row.cells[{place}].textContent)"
    )
    return browser.run(f"JSON.stringify({found})") and json.loads(browser.run(f"JSON.stringify({found})"))


def test_a_page_in_chromium(levels: Path, browser: Browser) -> None:
    pytest.importorskip("matplotlib")
    report(levels, "--out", "b.html")
    browser.events.clear()
    browser.open(levels / "b.html")
    assert browser.complaints == []
    assert browser.asked_for == [(levels / "b.html").as_uri()], "nothing is loaded"
    assert browser.run("document.querySelectorAll('svg').length") == 2
    assert browser.run("document.title") == "Is adam better than sgd?"
    table = (
        len(json.loads(browser.run("JSON.stringify([...document.querySelectorAll('table')].map(t => t.caption))"))) - 1
    )
    heads = [
        head.strip() for head in browser.run(f"document.querySelectorAll('table')[{table}].tHead.innerText").split("\t")
    ]
    place = heads.index("validation_accuracy")
    head = f"document.querySelectorAll('table')[{table}].tHead.rows[0].cells[{place}]"
    given = column(browser, table, 0)
    numbers = sorted(f"{value:.4f}" for values in ACCURACY.values() for value in values)
    browser.run(f"{head}.firstElementChild.click()")
    assert column(browser, table, place) == numbers
    assert browser.run(f"{head}.ariaSort") == "ascending"
    browser.run(f"{head}.firstElementChild.focus()")
    browser.press("Enter", "\r")
    assert column(browser, table, place) == numbers[::-1]
    assert browser.run(f"{head}.ariaSort") == "descending"
    browser.press(" ", " ")
    assert column(browser, table, 0) == given
    assert browser.run(f"{head}.ariaSort") == "none"
    browser.run(
        f"document.querySelectorAll('table')[{table}].tHead.rows[0].cells[{heads.index('optimizer')}].firstElementChild.click()"
    )
    assert column(browser, table, heads.index("optimizer")) == ["adam"] * 7 + ["sgd"] * 7
    assert browser.run(f"{head}.ariaSort") == "none"
    assert browser.complaints == []


def test_missing_values_are_sorted_last(tmp_path: Path, browser: Browser) -> None:
    rows = [{"v": value} for value in (3.0, None, -1e-7, float("nan"), 20.0)]
    grid = Grid([Column("v", "v", lambda v: "" if v is None else f"{v:.1f}", True)], rows)
    (tmp_path / "p.html").write_text(as_page(Document("t", "", [Section("s", [Table(grid)])])))
    browser.open(tmp_path / "p.html")
    for order in (["-0.0", "3.0", "20.0"], ["20.0", "3.0", "-0.0"]):
        browser.run("document.querySelector('th button').click()")
        assert column(browser, 0, 0)[:3] == order


def test_it_can_be_read_in_the_dark_and_on_a_phone(levels: Path, browser: Browser) -> None:
    """Text stands out against what is behind it, and nothing but tables and pictures is wider than the page."""
    pytest.importorskip("matplotlib")
    report(levels, "--out", "d.html")
    browser.open(levels / "d.html")
    for scheme in ("light", "dark"):
        browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page = browser.run("getComputedStyle(document.body).backgroundColor")
        dark = brightness(page) < 0.1
        assert dark == (scheme == "dark")
        for element in ("p", ".subtitle", "td", "th", "dt", "code", "td.better", "svg text", "summary"):
            said = f"getComputedStyle(document.querySelector('{element}'))"
            ink = browser.run(f"{said}.{'fill' if 'svg' in element else 'color'}")
            assert contrast(ink, page) > 4.5, (element, scheme)
    for width in (320, 390, 1200):
        browser.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 400
        )
        assert browser.run("document.documentElement.scrollWidth") <= width
    browser.ask("Emulation.clearDeviceMetricsOverride")
    browser.ask("Emulation.setEmulatedMedia", features=[])


def test_colours_of_pictures_stand_out_on_a_dark_page() -> None:
    for name, _, dark in INKS.values():
        if name not in ("paper", "faint", "edge"):
            assert contrast(dark, "#141413") > 4.5, name


def contrast(one: str, other: str) -> float:
    """The ratio of brightness, as the Web Content Accessibility Guidelines define it."""
    low, high = sorted((brightness(one), brightness(other)))
    return (high + 0.05) / (low + 0.05)


def brightness(colour: str) -> float:
    found = (
        re.findall(r"[\d.]+", colour)[:3]
        if colour.startswith("rgb")
        else [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    )
    parts = [float(v) / 255 for v in found]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def hostile_folder(folder: Path) -> Path:
    """Runs whose names, labels, values, notes and reasons are code."""
    root = folder / "runs"
    for seed in range(3):
        for word in ("a", HOSTILE):
            path = past_run(
                root, 0.5 + seed / 10, name="past", seed=seed, record_label="x", record_case=word,
                optimizer={"name": word, "lr": 0.1, HOSTILE.replace(".", ""): 1},
            )  # fmt: skip
            alter(path, name=HOSTILE, label=HOSTILE, machine={"processor": HOSTILE}, versions={"nnexp": HOSTILE})
    (path / "notes.json").write_text(json.dumps({"format": 1, "tags": [], "note": HOSTILE + "\u202e\n# x\n- y"}))
    past_run(root, status="failed", seed=9, record_reason=HOSTILE)
    return folder


def test_code_in_names_is_text(tmp_path: Path, browser: Browser) -> None:
    hostile_folder(tmp_path)
    page = report(tmp_path, "--where", "seed<99", "--out", "h.html")
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not {"a", "img", "iframe"} & {tag for tag, _ in page.tags}
    assert not [key for _, found in page.tags for key in found if key.startswith("on")]
    assert HOSTILE in page.words
    assert "\u202e" not in page.words
    browser.events.clear()
    browser.open(tmp_path / "h.html")
    assert browser.complaints == []
    assert browser.run("document.title") != "hacked"
    assert browser.asked_for == [(tmp_path / "h.html").as_uri()]
    shown = browser.run("document.body.innerText")
    assert HOSTILE in shown


def test_the_policy_of_a_page_forbids_all_but_its_own_script(tmp_path: Path, browser: Browser) -> None:
    page = as_page(Document("t", "", []))
    inside = page.replace(
        "</main>", "<script>document.title = 'hacked'</script><img src='http://127.0.0.1:9/x.png'></main>"
    )
    assert inside != page
    (tmp_path / "x.html").write_text(inside)
    browser.events.clear()
    browser.open(tmp_path / "x.html")
    assert browser.run("document.title") == "t"
    assert len(browser.complaints) == 2


def test_the_pdf_has_the_text(levels: Path) -> None:
    pytest.importorskip("matplotlib")
    required(*printed.BROWSERS, package="chromium")
    reader = required("pdftotext", package="poppler-utils")
    (levels / "p.pdf").write_bytes(b"%PDF-1.4 an earlier report" + printed.MARK)
    assert written(levels, "report", "--format", "pdf", "--out", "p.pdf") == "p.pdf\n"
    assert (levels / "p.pdf").read_bytes().endswith(printed.MARK)
    done = subprocess.run([reader, "p.pdf", "-"], cwd=levels, capture_output=True, text=True, check=True)
    words = " ".join(done.stdout.split())
    cells = [cell for row in report(levels, "--out", "q.html").tables[0] for cell in row]
    for said in (
        "Is adam better than sgd?",
        "Compared with sgd in validation_accuracy, adam is better.",
        *cells,
        "(folded; the HTML page has it)",
        "nnexp sweep 'my file.yaml' optimizer=sgd,adam --seeds 7",
    ):
        assert said in words, said
    assert "beta1" not in words, "configurations stay folded"
    (levels / "mine.pdf").write_bytes(b"%PDF-1.4 mine")
    assert nnexp("report", "--out", "mine.pdf", cwd=levels).code == 2


def test_headings_are_on_every_page_of_paper(tmp_path: Path, browser: Browser) -> None:
    reader = required("pdftotext", package="poppler-utils")
    grid = Grid([Column("v", "heading", right=True)], [{"v": number} for number in range(100)])
    (tmp_path / "t.html").write_text(as_page(Document("t", "", [Section("s", [Table(grid)])])))
    browser.open(tmp_path / "t.html")
    (tmp_path / "t.pdf").write_bytes(b64decode(browser.ask("Page.printToPDF")["data"]))
    done = subprocess.run([reader, "t.pdf", "-"], cwd=tmp_path, capture_output=True, text=True, check=True)
    pages = [page for page in done.stdout.split("\f") if re.search(r"^\d+$", page, re.MULTILINE)]
    assert len(pages) > 1
    assert all("heading" in page for page in pages)


# -- formats -------------------------------------------------------------------------------------------------------

SVG = b"""<?xml version="1.0"?>
<svg xmlns:xlink="http://www.w3.org/1999/xlink" width="9pt" height="9pt" xmlns="http://www.w3.org/2000/svg">
<title>t</title><defs><style type="text/css">*{stroke-linecap: butt}
.s0{fill: #222222}
</style><path id="m0" d="M 0 0"/></defs>
<g clip-path="url(#m0)" style="fill: #ffffff"><use xlink:href="#m0" class="s0"/>
<text>id="m0" &lt;b&gt;</text></g></svg>"""


def every_block() -> Document:
    """A document that has every kind of block, and signs that must be escaped in each."""
    awkward = "a<b> & *c* | d_"
    columns = [Column("k", "key|"), Column("v", "v", right=True), Column("verdict", "verdict")]
    rows = [{"k": awkward, "v": 0.123456789, "verdict": "better"}, {"k": "x", "v": None, "verdict": "baseline"}]
    blocks = [
        Text(awkward, "strong"), Text("1. plain"), Text(awkward, "small"), Points([awkward, "- b"]),
        Code("```\n<x> $HOME", "sh"), Facts([("word", awkward)]),
        Table(Grid(columns, rows, frozenset([0]), "title_")),
        Figure("one", Picture(SVG, awkward)), Figure("two", Picture(SVG, "two"), True),
        Fold(awkward, [Text("inside")]),
    ]  # fmt: skip
    return Document(awkward, "@sub", [Section("Head", blocks)], "# lead", "foot")


@pytest.mark.parametrize("ending", ["html", "md"])
def test_golden_page(ending: str) -> None:
    """The body of a page and the whole of a text, as they were looked at. To write them anew, delete the files."""
    page = as_page(every_block()) if ending == "html" else as_markdown(every_block(), "pictures")
    if ending == "html":
        page = page[page.index("<main>") : page.index("<script>")]
    page = page.replace(__version__, "VERSION")
    golden = HERE / f"page.{ending}"
    if not golden.exists():
        golden.write_text(page, encoding="utf-8")
        pytest.fail(f"{golden} was written; look at it")
    assert page == golden.read_text(encoding="utf-8")


def test_two_pictures_on_a_page_share_no_name() -> None:
    page = Page(as_page(every_block()))
    names = [found["id"] for _, found in page.tags if "id" in found]
    assert len(set(names)) == len(names)
    assert [found["href"] for tag, found in page.tags if tag == "use"] == ["#p1-m0", "#p2-m0"]
    assert 'id="m0" <b>' in page.words


def test_markdown_and_its_pictures(levels: Path) -> None:
    pytest.importorskip("matplotlib")
    assert written(levels, "report", "--format", "markdown") == "optimizers-report.md\n"
    text = (levels / "optimizers-report.md").read_text()
    links = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert links == ["optimizers-report-pictures/strips.svg", "optimizers-report-pictures/curves.svg"]
    assert all((levels / link).read_bytes().startswith(b"<?xml") for link in links)
    told = nnexp("compare", "--format", "markdown", cwd=levels).out
    rows = [unescape(line).replace("\\", "") for line in text.splitlines() if line.startswith("| ")]
    assert [line for line in told.splitlines() if line.startswith("| ") and line not in rows] == []
    shutil.rmtree(levels / "optimizers-report-pictures")
    (levels / "optimizers-report.md").unlink()


@given(st.text(st.sampled_from("<>&*_`[]()|~#-+=.!\\:@1 ab\n\t\u202e"), max_size=30))
@settings(deadline=None)
@example("http://a.b")
@example("www.a.b")
def test_no_sign_means_anything_in_markdown(text: str) -> None:
    from markdown_it import MarkdownIt

    blocks = [Text(text), Points([text]), Facts([(text, text)]), Fold(text, [Text("inside")])]
    written = as_markdown(Document("t", "s", [Section("s", blocks)], text), "p")
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").parse(written)
    inner = [child for token in tokens for child in token.children or []]
    allowed = {"text", "text_special", "html_inline", "softbreak"}
    assert {child.type for child in inner} <= allowed, written
    assert {child.content for child in inner if child.type == "html_inline"} <= {"<sub>", "</sub>"}
    assert [token.tag for token in tokens if token.type == "heading_open"] == ["h1", "h2"]
    assert sum(token.type == "bullet_list_open" for token in tokens) == 1
    shown = " ".join("".join(one if one.isprintable() or one.isspace() else "\ufffd" for one in text).split())
    cells = ["".join(child.content for child in token.children or []) for token in tokens if token.type == "inline"]
    assert "inside" in cells
    folded = [token.content for token in tokens if token.type == "html_block" and "summary" in token.content]
    assert [unescape(line) for line in folded] == [f"<details><summary>{shown}</summary>\n"]
    assert all(line.count("<") == 3 for line in folded)
    if shown:
        assert cells.count(shown) >= 4, (shown, cells)
