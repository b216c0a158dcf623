"""The pages of docs/ are true: every strategy and trainer has one, with an equation, and what they name exists."""

import dataclasses
import importlib
import re

import documented
import pytest

from game24lab.evaluation.arms import INSIDE, STRATEGIES, find_strategy
from game24lab.search.engine import bind

TRAINERS = ("sft", "critic", "grpo", "dpo")
DOCUMENTS = sorted(str(path.relative_to(documented.ROOT)) for path in (documented.ROOT / "docs").rglob("*.md"))
PAGES = {document: documented.read(document) for document in DOCUMENTS}
INDEX = PAGES["docs/index.md"]
each_document = pytest.mark.parametrize("document", DOCUMENTS)


def find_section(name):
    """The page of a strategy or trainer, and its part that is about it alone."""
    found = [(document, part) for document, text in PAGES.items()
             for part in re.split(r"^(?=## )", text, flags=re.M) if part.startswith(f"## `{name}`\n")]  # fmt: skip
    assert len(found) == 1, f"{name}: one section is needed, got {len(found)}"
    return found[0]


@pytest.mark.parametrize("name", [*STRATEGIES, *INSIDE, *TRAINERS])
def test_every_strategy_and_trainer_has_its_section(name):
    document, part = find_section(name)
    assert "$$" in part
    commands = documented.find_commands(part)
    for point in ("Code", "Run", "Result"):
        assert re.search(rf"^- {point}: ", part, flags=re.M), f"{document}, {name}: {point}"
    assert f"| `{name}` |" in INDEX
    assert f"]({document.removeprefix('docs/')})" in re.search(rf"^\| `{name}` \|.*$", INDEX, flags=re.M)[0]
    if name in TRAINERS:
        assert (f"game24lab.training.{name}", "train") in documented.find_references(part)
        assert re.search(r"^- Curve: ", part, flags=re.M)
        assert any(re.search(rf"run \d\d_{name}\b", command) for command in commands)
    else:
        algorithm = find_strategy(name)
        assert (algorithm.__module__, name) in documented.find_references(part)
        if name in STRATEGIES:
            assert f"game24lab run 09_strategies -f params/strategies/{name}.yaml" in commands
            assert f"[row `{name}`](../results.md#every-strategy-under-one-meter)" in part
            assert f"| `{name}` |" in PAGES["docs/results.md"]


@pytest.mark.parametrize("name", [*STRATEGIES, *INSIDE, *TRAINERS])
def test_parameters_that_a_section_explains_exist(name):
    """Those that an equation explains ($T$ = `softmax_temp`), or that are given a value (`by="answer"`)."""
    _, part = find_section(name)
    if name in TRAINERS:
        config = getattr(importlib.import_module(f"game24lab.training.{name}"), f"{name.upper()}Config", None)
        known = {field.name for field in dataclasses.fields(config)} if config else set()
    else:
        known = set(bind(find_strategy(name), {}))
    said = set(re.findall(r"`(\w+)=", part)) | set(re.findall(r"=\s`([a-z_]+)`", part))
    assert said <= known | {"loss_type"}, said - known


@each_document
def test_commands_are_understood(document):
    for command in documented.find_commands(PAGES[document]):
        documented.check_command(command)


@each_document
def test_modules_and_functions_exist(document):
    for module, name in documented.find_references(PAGES[document]):
        documented.check_reference(module, name)


@each_document
def test_links_lead_somewhere(document):
    documented.check_links(document)


def test_the_index_leads_to_every_page():
    linked = set(re.findall(r"\]\(([\w/-]+\.md)\)", INDEX))
    assert linked >= {document.removeprefix("docs/") for document in DOCUMENTS} - {"index.md"}
