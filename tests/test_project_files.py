"""The files that people expect at the root of a project: one version, links and commands that are true, a workflow that
runs the two commands."""

import re
import subprocess
import tomllib

import documented
import pytest
import yaml

DOCUMENTS = ("CONTRIBUTING.md", "CHANGELOG.md")
PROJECT = tomllib.loads(documented.read("pyproject.toml"))["project"]


def test_the_version_is_said_once_and_repeated_rightly():
    citation = yaml.safe_load(documented.read("CITATION.cff"))
    assert citation["version"] == PROJECT["version"]
    assert re.findall(r"^## (\d\S*)", documented.read("CHANGELOG.md"), flags=re.M)[0] == PROJECT["version"]
    literal = re.compile(rf"[\"']{re.escape(PROJECT['version'])}[\"']")
    saying = [path for path in (documented.ROOT / "game24lab").rglob("*.py") if literal.search(path.read_text())]
    assert not saying


def test_the_citation_has_what_its_format_demands():
    citation = yaml.safe_load(documented.read("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == "MIT" == PROJECT["license"]
    assert all("name" in author or "family-names" in author for author in citation["authors"])


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_and_commands_are_true(document):
    documented.check_links(document)
    for command in documented.find_commands(documented.read(document)):
        documented.check_command(command)


def test_contributing_names_files_that_exist_and_all_that_can_be_added():
    text = documented.read("CONTRIBUTING.md")
    for path in re.findall(r"`((?:tests|params|docs|game24lab|reports|\.github)/[\w./]*)`", text):
        assert "NAME" in path or (documented.ROOT / path).exists(), path
    added = re.findall(r"^\| an? (\w+) \|", text, flags=re.M)
    assert {"task", "strategy", "reward", "notebook"} <= set(added)


def test_the_workflow_runs_the_two_commands_of_the_readme_on_the_oldest_python():
    workflow = yaml.safe_load(documented.read(".github/workflows/checks.yaml"))
    job = workflow["jobs"]["checks"]
    steps = [step["run"] for step in job["steps"] if "run" in step]
    section = documented.read("README.md").partition("## Two commands")[2].partition("\n## ")[0]
    two = re.findall(r"^make \w+", section, flags=re.M)
    assert len(two) == 2
    assert {"make lint", *two} <= set(steps)
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert oldest in job["strategy"]["matrix"]["python"]
    assert "make docs" in [step.get("run") for step in workflow["jobs"]["docs"]["steps"]]


def test_what_the_site_needs_is_pinned():
    lines = documented.read("constraints.txt").splitlines()
    pins = {line.partition("==")[0].lower().replace("_", "-") for line in lines}
    wanted = {re.split(r"[<>=\[]", one)[0].lower() for extra in ("docs", "dev", "lab")
              for one in PROJECT["optional-dependencies"][extra]}  # fmt: skip
    assert wanted <= pins


@pytest.mark.parametrize("target", ["chains", "search", "router", "lookahead", "ablation", "scaling", "iteration"])
def test_what_make_would_run_is_understood(target):
    """Hours of work must not end at a mistyped option; lines in shell loops, with variables of theirs, are left out."""
    asked = ["make", "--dry-run", target]
    said = subprocess.run(asked, cwd=documented.ROOT, capture_output=True, text=True, check=True).stdout
    lines = [re.sub(r"^\S*/(?=game24lab )", "", line) for line in said.replace("\\\n", " ").splitlines()]
    commands = [line for line in lines if line.startswith("game24lab ") and "$" not in line]
    assert commands
    for line in commands:
        documented.check_command(line)
