"""The board: what it says of runs, that nothing a run holds becomes markup, and the page in a real browser."""

import html
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pandas as pd
import pytest
from demo_runs import ARMS, make_rows, make_runs, make_training
from graded_runs import PUZZLES, add_grades

from game24lab.cli import main as cli
from game24lab.evaluation.tables import summarise
from game24lab.report.board import find_all, measure_seconds, read_entry, write_board
from game24lab.runs.run import start_run
from game24lab.views.board import make_page
from game24lab.views.charts.inline import HEIGHT, WIDTH, Series, draw_bar, draw_chart

HOSTILE = "</script></style><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202e"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs as a demo leaves them, a second training, one that failed with hostile text, one at work."""
    folder = tmp_path_factory.mktemp("board") / "runs"
    make_runs(folder)
    parameters = {"size": "tiny", "steps": 900, "lr": 3e-3, "seed": 1, "output": str(folder / "again")}
    with start_run(folder / "again/03_sft", "03_sft", parameters) as run:
        run.write_records(make_training(900), "training")
    run = start_run(folder / "failed", HOSTILE, {HOSTILE: HOSTILE, "seed": 2})
    run.write_records(make_rows(10, arms={HOSTILE: ARMS["greedy"]}))
    run.fail(f"RuntimeError: {HOSTILE}")
    start_run(folder / "at_work", "06_grpo", {"seed": 0})
    return folder


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    return write_board(runs, tmp_path_factory.mktemp("page") / "board.html")


def read_rows(text, heading):
    """The cells of the table rows under a heading, as text."""
    part = text.partition(f"<h2>{heading}</h2>")[2].partition("<h2>")[0]
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", part, flags=re.S)
    strip = lambda cell: html.unescape(re.sub(r"<[^>]*>", "", cell)).strip()  # noqa: E731
    return [[strip(cell) for cell in re.findall(r"<td.*?>(.*?)</td>", row, flags=re.S)] for row in rows if "<td" in row]


def test_every_run_is_there_with_its_best_result(runs, page):
    rows = read_rows(page.read_text(), "Runs")
    assert [row[0] for row in rows] == ["03_sft", "04_critic", "05_search", "again/03_sft", "failed", "at_work"]
    states = [row[2] for row in rows]
    assert states[:4] == ["finished"] * 4
    assert states[4] == "failed"
    assert rows[4][5].startswith("RuntimeError: </script></style><script>")
    assert states[5] == "running"
    table = summarise(make_rows())
    best = table.loc[table["accuracy"].idxmax()]
    assert rows[2][5] == (f"{100 * best.accuracy:.1f} % [{100 * best.low:.0f}, {100 * best.high:.0f}] "
                          f"{best.arm}, {best['mode']}")  # fmt: skip
    assert rows[2][6] == f"{best.sampled_tokens:,.0f}"


def test_attempts_are_those_of_the_tables(page):
    rows = [row for row in read_rows(page.read_text(), "Attempts") if row[0] == "05_search"]
    known = summarise(make_rows()).set_index("arm")
    assert {row[1] for row in rows} == set(known.index)
    for row in rows:
        arm = known.loc[row[1]]
        assert row[2].startswith({"rules": "the rules: moves", "verified": "the rules, and"}[arm["mode"]])
        assert row[3:5] == ["100", "100"]
        assert row[5] == f"{100 * arm.accuracy:.1f} % [{100 * arm.low:.0f}, {100 * arm.high:.0f}]"
        assert row[6] == (f"{arm.sampled_tokens:,.0f}" if arm.sampled_tokens >= 100 else f"{arm.sampled_tokens:.3g}")
    shares = [float(row[5].split(" %")[0]) for row in rows]
    assert shares == sorted(shares, reverse=True)


def test_parameters_that_differ_stand_side_by_side(page):
    rows = read_rows(page.read_text(), "Parameters that differ")
    assert rows == [["steps", "3000", "900"], ["lr", "0.001", "0.003"], ["seed", "0", "1"]]


def test_curves_are_drawn_from_the_logs(page):
    text = page.read_text()
    charts = re.findall(r'<svg class="chart".*?</svg>', text, flags=re.S)
    titles = [re.search(r'aria-label="([^"]*)"', chart)[1] for chart in charts]
    assert titles == ["loss", "accuracy", "solved"]
    assert charts[0].count('class="line"') == 3  # 03_sft, 04_critic, again
    assert charts[1].count('class="mark"') == 11 + 4, "one a measurement"
    for chart in charts:
        root = ElementTree.fromstring(chart)
        for path in root.iter("path"):
            for x, y in re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", path.get("d")):
                assert 0 <= float(x) <= WIDTH
                assert 0 <= float(y) <= HEIGHT


def test_no_text_of_a_run_is_markup(page):
    text = page.read_text()
    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert text.count("</style>") == 1
    assert html.escape("</script></style><script>") in text
    body = re.sub(r"(?s)<style>.*?</style>", "", text)
    assert not re.findall(r"<[^>]*\b(?:src|href|style|on\w+)\s*=", body)


def test_a_broken_table_is_told_and_loses_nothing(tmp_path):
    make_runs(tmp_path / "runs")
    (tmp_path / "runs/03_sft/training.parquet").write_bytes(b"PAR1 not a table")
    (tmp_path / "runs/04_critic/manifest.json").write_text("{")
    page = write_board(tmp_path / "runs", tmp_path / "board.html").read_text()
    rows = read_rows(page, "Runs")
    assert [row[0] for row in rows] == ["03_sft", "05_search"]
    assert "training.parquet: not a readable table" in " ".join(rows[0])
    assert "manifest.json: no run's manifest" in html.unescape(page).partition("<h2>Not read</h2>")[2]
    (tmp_path / "runs/03_sft/manifest.json").write_text("{")
    (tmp_path / "runs/05_search/manifest.json").write_text("{")
    with pytest.raises(ValueError, match="no run's manifest"):
        write_board(tmp_path / "runs", tmp_path / "board.html")


def test_attempts_of_chains_are_read_by_stage(tmp_path):
    with start_run(tmp_path / "runs/06", "06_grpo", {"seed": 0}) as run:
        for stage, skill in (("start", 0.2), ("end", 0.9)):
            add_grades(run, stage, skill=skill, puzzles=PUZZLES[:8])
    runs, notes = find_all(tmp_path / "runs")
    entry = read_entry(runs[0], tmp_path / "runs")
    assert (notes, entry.error) == ([], "")
    assert [(result.arm, result.mode, result.problems) for result in entry.results] == [
        ("greedy (start)", "blind", 8), ("greedy (end)", "blind", 8)]  # fmt: skip
    assert entry.results[0].accuracy < entry.results[1].accuracy


def test_runs_of_earlier_versions_are_read(tmp_path):
    folder = Path(__file__).parents[1] / "old_runs" / "demo"
    page = write_board(folder, tmp_path / "board.html").read_text()
    rows = read_rows(page, "Runs")
    assert [row[0] for row in rows] == ["01_puzzles", "03_sft", "04_critic", "05_search"]
    assert rows[1][3] == "6 min 07 s"
    assert not [row for row in rows if "parquet" in " ".join(row)]
    assert [row for row in read_rows(page, "Attempts") if row[0] == "05_search"]


def test_the_command_writes_the_page(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["board", str(runs)]) == 0
    assert capsys.readouterr().out == "board.html\n"
    assert (tmp_path / "board.html").read_text().startswith("<!doctype html>")
    (tmp_path / "empty").mkdir()
    assert cli.main(["board", "empty"]) == 2
    assert "empty: no run here" in capsys.readouterr().err
    assert cli.main(["board", str(runs), "-o", "none/board.html"]) == 2
    assert "none: there is no such folder to write to" in capsys.readouterr().err


@pytest.mark.parametrize(("sessions", "seconds"), [
    ([], 0.0),
    ([{"start": "2026-11-28T02:00:00.000+00:00", "end": "2026-11-28T02:01:30.500+00:00"}], 90.5),
    ([{"start": "2026-11-28T02:00:00+00:00", "end": "2026-11-28T02:00:10+00:00"}] * 3, 30.0),
    ([{"start": "2026-11-28T02:00:00+00:00", "end": None}], math.nan),
    ([{"start": "yesterday", "end": "today"}], math.nan),
    ([{}], math.nan),
])  # fmt: skip
def test_durations(sessions, seconds):
    assert measure_seconds(sessions) == pytest.approx(seconds, nan_ok=True)


# ---------------------------------------------------------------------------------------------------------- charts
@pytest.mark.parametrize(
    "values", [[5.0], [1.0, 1.0], [0.0, 0.0], [-1e9, 1e9], [1e-9, 2e-9], [math.nan, 3.0, math.inf]]
)
@pytest.mark.parametrize("log", [False, True])
def test_charts_of_any_numbers_are_wellformed_and_within(values, log):
    series = [Series(HOSTILE, "r0", list(range(1, len(values) + 1)), values, [math.nan] * len(values), values)]
    chart = draw_chart(HOSTILE, series, across="step", log=log)
    root = ElementTree.fromstring(chart)
    points = [tuple(map(float, pair)) for path in root.iter("path") for pair in
              re.findall(r"M(-?[\d.]+) (-?[\d.]+)", path.get("d"))]  # fmt: skip
    assert points
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    assert len({text.text for text in root.iter("text") if text.get("class") == "tick"}) >= 2


def test_a_long_curve_is_thinned_and_ends_where_it_ends():
    chart = draw_chart("loss", [Series("a", "r0", list(range(100_000)), [1.0] * 99_999 + [7.0])], across="step")
    line = next(path for path in ElementTree.fromstring(chart).iter("path") if path.get("class") == "line")
    assert 300 < line.get("d").count("L") < 500
    *_, before, last = re.findall(r"(-?[\d.]+) (-?[\d.]+)", line.get("d"))
    assert float(last[1]) < float(before[1])


def test_a_chart_without_points_is_refused():
    with pytest.raises(ValueError, match="at least one finite point, got none"):
        draw_chart("x", [Series("a", "r0", [1.0], [math.nan])], across="step")
    with pytest.raises(ValueError, match="at least one run, got none"):
        make_page("x", [])


@pytest.mark.parametrize(
    ("ends", "width"), [((0.5, 0.4, 0.6), 50), ((1.0, 0.9, 1.0), 100), ((0.2, math.nan, math.nan), 20)]
)
def test_a_bar_is_as_long_as_its_share(ends, width):
    fill = next(one for one in ElementTree.fromstring(draw_bar(*ends)).iter("rect") if one.get("class") == "fill")
    assert float(fill.get("width")) == width


# --------------------------------------------------------------------------------------------------------- browser
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 900, 420])
def test_the_page_in_a_browser(browser, page, theme, width):
    """Nothing is asked for, nothing complains, nothing scrolls sideways, and it follows the theme."""
    complaints, requests = [], []
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: requests.append(request.url))
    tab.goto(page.as_uri())
    assert tab.title().startswith("Runs in ")
    assert tab.locator("tbody tr").count() > 12
    assert tab.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)"}[theme]
    assert complaints == []
    assert requests == [page.as_uri()]
    tab.close()


def test_a_box_hides_a_run_everywhere(browser, page):
    tab = browser.new_page(viewport={"width": 1400, "height": 900})
    tab.goto(page.as_uri())

    def shown():
        return tab.evaluate("[...document.querySelectorAll('.r0')].filter((e) => e.getClientRects().length).length")

    before = shown()
    assert before >= 4
    tab.locator("#b0").uncheck()
    assert shown() == 0
    assert tab.locator("#b0").is_visible()
    tab.locator("#b0").check()
    assert shown() == before
    tab.close()


@pytest.mark.parametrize("width", [1000, 1400])
def test_no_word_of_the_table_of_runs_is_broken(browser, tmp_path, width):
    page = write_board(Path(__file__).parents[1] / "old_runs" / "demo", tmp_path / "board.html")
    tab = browser.new_page(viewport={"width": width, "height": 900})
    tab.goto(page.as_uri())
    words = tab.evaluate("""() => { const broken = [], walk = document.createTreeWalker(
        document.querySelector('table'), NodeFilter.SHOW_TEXT);
      while (walk.nextNode()) for (const { 0: word, index } of walk.currentNode.data.matchAll(/[\\w.%,]{2,20}/g)) {
        const range = document.createRange();
        range.setStart(walk.currentNode, index); range.setEnd(walk.currentNode, index + word.length);
        if (new Set([...range.getClientRects()].map((box) => box.top)).size > 1) broken.push(word);
      } return broken }""")
    tab.close()
    assert words == []


def test_a_run_without_attempts_says_its_sentence(tmp_path):
    run = start_run(tmp_path / "runs/a", "04_critic", {"seed": 0})
    run.finish(result="AUC 0.93 [0.91, 0.95] <b>", brier=0.1)
    rows = read_rows(write_board(tmp_path / "runs", tmp_path / "board.html").read_text(), "Runs")
    assert rows[0][-3] == "AUC 0.93 [0.91, 0.95] <b>"


def test_manifests_with_odd_facts_do_not_break_the_page(tmp_path):
    with start_run(tmp_path / "runs/a", "01_puzzles", {"seed": 0}) as run:
        run.write_records(pd.DataFrame({"anything": [1]}), "records")
    path = tmp_path / "runs/a/manifest.json"
    manifest = json.loads(path.read_text()) | {"facts": ["no mapping"], "start": None}
    path.write_text(json.dumps(manifest))
    rows = read_rows(write_board(tmp_path / "runs", tmp_path / "board.html").read_text(), "Runs")
    assert rows[0][0] == "a"
    assert rows[0][2] == "finished"
