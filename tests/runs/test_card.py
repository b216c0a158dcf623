"""The card of a run: result, tokens, where it lies and what to open next; as text and as HTML, never as markup."""

import json

from game24lab.runs.card import make_card
from game24lab.runs.run import MANIFEST, read_run, start_run

RESULT = "Of 100 problems, by the rules mcts solves 97.0 % [91.5, 99.0] at 145 tokens."


def finish(folder, **more):
    run = start_run(folder, "05_search", {"seed": 0, "output": str(folder)})
    run.path("tree.html").write_text("x")
    return run, run.finish(result=RESULT, then="09_strategies: every other way", sampled_tokens=14500, **more)


def test_a_finished_run_gives_its_card_and_keeps_it(tmp_path):
    run, card = finish(tmp_path / "run", lesson="x")
    assert (card.result, dict(card.facts)["tokens"]) == (RESULT, "14,500 sampled")
    assert dict(card.facts)["open next"] == "09_strategies: every other way"
    kept = read_run(run.folder).manifest
    assert (kept["result"], kept["facts"]) == (RESULT, {"sampled_tokens": 14500, "lesson": "x"})
    text = str(make_card(run.folder, kept))
    for said in (RESULT, "05_search: finished", "14,500 sampled", "open next", str(tmp_path / "run" / "tree.html")):
        assert said in text
    assert make_card(run.folder, kept) == card


def test_looked_at_again_it_shows_what_was_kept(tmp_path):
    finish(tmp_path / "run")
    again = start_run(tmp_path / "run", "05_search", {"seed": 0, "output": "elsewhere"})
    assert again.finish(result="something else").result == RESULT


def test_a_manifest_of_an_earlier_version_has_a_card_too(tmp_path):
    run, _ = finish(tmp_path / "run")
    path = run.folder / MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["result"], manifest["then"]
    path.write_text(json.dumps(manifest | {"facts": None, "sessions": []}))
    card = make_card(run.folder, read_run(run.folder).manifest)
    assert "kept no sentence" in card.result
    assert dict(card.facts) == {"tokens": "none counted"}


def test_text_is_text(tmp_path):
    run = start_run(tmp_path / "run", "05_search", {"output": "x"})
    card = run.finish(result='<img src=x onerror="alert(1)"> \x1b[31m', then="<b>next</b>")
    html = card._repr_html_()
    assert "<img" not in html
    assert "<b>next" not in html
    assert "&lt;img" in html
    assert "\x1b" not in html + str(card)


def test_it_says_how_long_all_sessions_took_together(tmp_path):
    run, _ = finish(tmp_path / "run")
    sessions = [{"start": "2026-01-01T00:00:00+00:00", "end": "2026-01-01T00:30:00+00:00"},
                {"start": "2026-01-02T00:00:00+00:00", "end": "2026-01-02T00:30:00+00:00"},
                {"start": "2026-01-02T01:00:00+00:00", "end": None}]  # fmt: skip
    card = make_card(run.folder, dict(read_run(run.folder).manifest) | {"sessions": sessions})
    assert "60 min" in card.title


def test_a_number_keeps_its_unit_on_its_line(tmp_path):
    _, card = finish(tmp_path / "run")
    assert "97.0\u00a0% [91.5" in card._repr_html_()
    assert "97.0 % [91.5" in str(card)
