"""Commands, code references and snippets in documentation: found in its text, and held against what there is."""

import importlib
import re
import shlex
from pathlib import Path

import pytest

from game24lab.cli.arguments import make_parser
from game24lab.runs.notebook import check_overrides, find_notebook, parse_override, read_overrides

ROOT = Path(__file__).parent.parent


def read(document):
    return (ROOT / document).read_text(encoding="utf-8")


def find_blocks(text, language=""):
    """The fenced blocks of a language, "" for those without one."""
    return [block for name, block in re.findall(r"^```(\w*)\n(.*?)^```", text, flags=re.M | re.S) if name == language]


def find_commands(text):
    """All commands of this project, in blocks and in the running text, without their comments."""
    lines = [line for block in find_blocks(text) for line in block.splitlines()]
    lines += re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))
    found = [re.split(r" +# ", line)[0].strip() for line in lines]
    return [line for line in found if re.match(r"(game24lab|make|python -m game24lab\S*|torchrun) ", line)]


def find_references(text):
    """Names of modules, and of what is in them behind a colon: `game24lab.search.mcts:mcts`."""
    return re.findall(r"`(game24lab(?:\.\w+)+)(?::(\w+))?`", text)


def check_command(line):
    """Raises where a command would not be understood, or names a notebook, parameter or file that does not exist."""
    program, *words = shlex.split(line)
    if program == "make":
        targets = re.findall(r"^(\w+):", read("Makefile"), flags=re.M)
        assert words[0] in targets, line
    elif program in ("python", "torchrun"):
        module = words[words.index("-m") + 1]
        assert importlib.util.find_spec(module), line
    else:
        if all(word.startswith("-") for word in words[1:]) and words[0] != "run":  # mentioned, or one without arguments
            with pytest.raises(SystemExit, match=r"^0$"):
                make_parser().parse_args([*words, "--help"])
            return
        options = make_parser().parse_args(words)
        if words[0] == "run" and options.name:
            notebook = find_notebook(options.name)
            for file in options.file:
                assert check_overrides(notebook, read_overrides(ROOT / file)) is not None, line
            check_overrides(notebook, {name: parse_override(notebook, name, text) for name, text in options.parameter})


def check_reference(module, name):
    """Raises where a module does not exist or has no such name."""
    found = importlib.import_module(module)
    assert not name or hasattr(found, name), f"{module}:{name}"


def check_links(document):
    """Raises where a link leads nowhere, be it a file or a heading in one."""
    for target in re.findall(r"\]\(([^)\s]+)\)", read(document)):
        if not target.startswith("http"):
            path, _, heading = target.partition("#")
            file = (ROOT / document).parent / path if path else ROOT / document
            assert file.exists(), f"{document}: {target}"
            assert not heading or heading in list_headings(file), f"{document}: {target}"


def list_headings(file):
    """The headings of a file as links name them."""
    titles = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.M)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
