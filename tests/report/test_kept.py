"""Reports made anew from the numbers that are kept: page one, two pages of figures, and no run is needed."""

import json
import random
from pathlib import Path

import pytest
from first_page import list_pictures, read_answer, read_finding

from game24lab.cli import main as cli
from game24lab.report.kept import read_kept
from game24lab.report.sections import decoding, iteration, modes, rl, routing, runs, scaling, search, sft
from game24lab.report.show import show_report
from game24lab.report.write import _make_from_kept, write_report
from game24lab.runs.provenance import hide_paths
from game24lab.views.charts import svg

REPORTS = Path(__file__).parents[2] / "reports"
SECTIONS = {"countdown_report": runs, "demo_report": runs, "enough": modes, "exact_report": runs,
            "grpo_shipped": rl, "iteration_report": iteration, "lookahead_report": decoding, "modes": modes,
            "rl_report": rl, "router_report": routing, "scaling_report": scaling, "search_report": search,
            "sft_report": sft, "strict": modes, "without": modes, "without_training": modes}  # fmt: skip
KEPT = sorted(path.stem for path in REPORTS.glob("*.json") if path.stem in SECTIONS)


def test_every_kept_report_has_its_section():
    assert {path.stem for path in REPORTS.glob("*.pdf")} == set(SECTIONS) == set(KEPT)


@pytest.mark.parametrize("name", KEPT)
def test_a_kept_report_is_laid_out_from_its_numbers_alone(name):
    numbers = read_kept(REPORTS / f"{name}.json")
    report = SECTIONS[name].make_report([], numbers)
    assert read_answer(report)
    assert all(run["id"] in str(report.blocks) for run in numbers["runs"])


def shake(value, rng, key=""):
    """The same numbers, each share and mean another one."""
    if isinstance(value, dict):
        return {key: shake(part, rng, key) for key, part in value.items()}
    if isinstance(value, list):
        return [shake(part, rng, key) for part in value]
    if key == "useful":
        return 2 * value
    return value * rng.uniform(0.3, 0.9) if isinstance(value, float) else value


@pytest.mark.parametrize("name", KEPT)
def test_no_caption_begins_with_a_fixed_text(name, monkeypatch):
    """Other numbers, other sentences: what is said of a figure follows from what it draws."""
    monkeypatch.setattr(svg, "to_svg", lambda figure: "<svg/>")  # drawing takes seconds
    numbers = read_kept(REPORTS / f"{name}.json")
    section, told = SECTIONS[name], []
    for one in (numbers, shake(numbers, random.Random(0))):
        told.append([read_finding(picture) for picture in list_pictures(section.make_report([], one))])
    assert told[0]
    assert not [said for said in told[0] if said in told[1]]


@pytest.mark.parametrize("name", [path.stem for path in sorted(REPORTS.glob("*.json"))])
def test_no_kept_number_names_a_place_on_somebody_s_disk(name):
    numbers = json.loads((REPORTS / f"{name}.json").read_text())
    assert hide_paths(numbers) == numbers


def test_the_json_stays_as_it_was(tmp_path, capsys):
    before = (REPORTS / "enough.json").read_bytes()
    copy = tmp_path / "enough.json"
    copy.write_bytes(before)
    assert cli.main(["report", "--kind", "modes", str(copy)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "enough.pdf")
    assert (tmp_path / "enough.pdf").read_bytes()[:5] == b"%PDF-"
    assert copy.read_bytes() == before


def test_former_names_of_modes_are_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"title": "t", "runs": [], "arms": [{"mode": "unverified"}, {"mode": "blind"}]}))
    assert [arm["mode"] for arm in read_kept(path)["arms"]] == ["rules", "blind"]


def test_former_names_in_a_router_s_arms_are_read():
    numbers = read_kept(REPORTS / "router_report.json")
    assert "unverified" not in json.dumps(numbers["routers"])
    assert next(run["label"] for run in numbers["runs"]) == "rules, 5 strategies"


def test_a_kept_report_names_the_study_that_draws_the_rest(tmp_path):
    copy = tmp_path / "modes.json"
    copy.write_bytes((REPORTS / "modes.json").read_bytes())
    report = _make_from_kept("modes", modes, copy, None)
    assert "params/search/modes.yaml" in str(report.blocks[-1])


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "must be the JSON beside a report, got JSONDecodeError"), ("[]", "without title and runs"),
     ('{"runs": []}', "without title and runs"), ("[" * 100_000, "must be the JSON beside a report"),
     ('{"title": "t", "runs": []}', "must hold the numbers of a report of the kind search")],
)  # fmt: skip
def test_what_is_no_kept_report_is_refused_in_one_line(tmp_path, text, message):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        write_report("search", [path], tmp_path / "b.pdf")
    assert not (tmp_path / "b.pdf").exists()
    with pytest.raises(ValueError, match="from one JSON file or from run folders, got 2"):
        write_report("search", [path, tmp_path], tmp_path / "b.pdf")


def test_a_report_is_shown_inside_a_notebook():
    shown = show_report("runs", REPORTS / "demo_report.json", title="A & B")
    assert len(shown.pages) > 2
    assert all(page.startswith(b"<svg") for page in shown.pages)
    page = shown._repr_html_()
    assert page.count("<img ") == len(shown.pages)
    assert 'alt="A &amp; B, page 2"' in page
    with pytest.raises(ValueError, match="kind must be one of"):
        show_report("runz", REPORTS / "demo_report.json")
