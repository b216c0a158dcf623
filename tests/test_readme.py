"""README is true, and the two pages behind it: commands, notebooks, rooms and files exist, snippets run. (Numbers:
test_numbers.)"""

import json
import re
import subprocess
import sys

import documented
import pytest
import test_architecture

from game24lab.cli.arguments import COMMANDS
from game24lab.tasks.numbers.puzzles import write_puzzle
from game24lab.views.tree.animation import animate_svg
from game24lab.views.tree.files import read_tree

README = documented.read("README.md")
EXTEND = documented.read("docs/extend.md")
LINES = 140  # of README: what is longer is not read


@pytest.mark.parametrize("command", documented.find_commands(README))
def test_commands_are_understood(command):
    documented.check_command(command)


def test_the_two_commands_and_the_others_are_there():
    said = {tuple(command.split()[:2]) for command in documented.find_commands(README)}
    assert {("make", "demo"), ("make", "test"), ("make", "lab"), ("make", "lint"), ("make", "results")} <= said
    assert {name for program, name in said if program == "game24lab"} >= set(COMMANDS)


def test_the_first_screen_says_the_number_and_what_helped():
    """Before the first command: a number with an interval, what helped, the picture; and a rank is explained first."""
    first = README.partition("```")[0]
    assert re.search(r"\d+\.\d % \[\d+, \d+\]", first)
    assert "nothing else to help them" in first
    assert "](docs/tree.svg)" in first
    assert re.search(r"\branks?\b[^.]*", README)[0].endswith("rank 1 the easiest")
    assert len(README.splitlines()) <= LINES


def test_the_picture_grows_follows_the_theme_and_is_what_the_command_draws():
    picture, tree = documented.read("docs/tree.svg"), read_tree(documented.ROOT / "docs/tree.json")
    assert picture == animate_svg(tree)
    assert f"after {tree.sampled:,} tokens" in README
    assert tree.meta["solved"]
    assert write_puzzle(tree.meta["problem"]) in README
    assert "@keyframes" in picture
    assert "prefers-color-scheme: dark" in picture
    assert "prefers-reduced-motion" in picture
    assert "<script" not in picture


def test_the_first_notebook_leads_to_all_others():
    notebooks = {path.name for path in (documented.ROOT / "notebooks").glob("*.ipynb")}
    linked = set(re.findall(r"\]\((\d\d_\w+\.ipynb)\)", documented.read("notebooks/00_start.ipynb")))
    assert linked == notebooks - {"00_start.ipynb"}


def test_snippets_run():
    """In a process of its own, each by itself: what they register stays there. The strategy is used as README says."""
    snippets = [*documented.find_blocks(README, "python"), *documented.find_blocks(EXTEND, "python")]
    assert len(snippets) == 4
    (strategy,) = (snippet for snippet in snippets if "STRATEGIES[" in snippet)
    arm = re.search(r'`(\{"algorithm": "shortest_of_n".*?\})`', EXTEND)[1]
    use = f"""
environment = lab.open_environment("game24", held_out=5)
policy = lab.load_policy(lab.find_pretrained("policy"))
rows = lab.evaluate(environment.task, environment.held_out, {{"mine": {arm}}}, policy)
assert rows["candidates"].tolist() == [16] * 5 and rows["sampled_tokens"].gt(16).all()"""
    code = "import json, sys\nfor snippet in json.load(sys.stdin): exec(compile(snippet, 'README', 'exec'), {})"
    ended = subprocess.run([sys.executable, "-c", code], input=json.dumps([*snippets, strategy + use]),
                           capture_output=True, text=True, cwd=documented.ROOT)  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert "tree search" in ended.stdout
    assert "'output': 1.0" in ended.stdout


def test_every_notebook_is_listed():
    listed = set(re.findall(r"\(notebooks/(\w+)\.ipynb\)", README))
    assert listed == {path.stem for path in (documented.ROOT / "notebooks").glob("*.ipynb")}


def test_the_map_is_that_of_the_architecture():
    rooms = {room: int(floor) for floor, room in re.findall(r"^\| (\d) \| `(\w+)/` \|", EXTEND, flags=re.M)}
    assert rooms == {room: floor for room, floor in test_architecture.FLOORS.items() if room != "__main__"}


def test_paths_exist():
    text = README + EXTEND + documented.read("docs/machines.md")
    for path in re.findall(r"`((?:tests|params|tasks|models|evaluation|reports|docs)/[\w/.]*)`", text):
        assert any((documented.ROOT / top / path).exists() for top in ("", "game24lab")), path


def test_links_lead_somewhere():
    documented.check_links("README.md")
    documented.check_links("game24lab/pretrained/README.md")
