"""`make docs`: the pages of the site gathered, the notebooks run and their outputs made live, then Sphinx.

    python docs/site/build.py            all of it, into build/site/html
    python docs/site/build.py NAME ...   the notebooks of these parameter sets alone, such as 05_search

A notebook runs with its smallest set, params/smoke, and not again while notebook, set and the runs it takes up are as
they were; `--fresh` runs all anew, as after a change of the package. This module does not know what a page says.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

from badges import NONE, read_repository, set_badge, write
from pages import ROOT, gather
from sphinx.cmd.build import main as sphinx

from game24lab.runs.notebook import match_notebook, read_overrides, run_notebook
from game24lab.runs.project import list_notebooks
from game24lab.runs.run import find_inputs

SET = ROOT / "params" / "smoke"
SITE = ROOT / "build" / "site"
NOTEBOOKS = {path.stem: path for path in list_notebooks(ROOT / "notebooks")}


def main(words: list[str] | None = None) -> int:
    """Run what has to run, gather, build; the exit status of Sphinx, for which a warning is an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--fresh", action="store_true", help="run the notebooks anew")
    options = parser.parse_args(words)
    SITE.mkdir(parents=True, exist_ok=True)
    os.chdir(SITE)  # stages find each other's runs there, as in a project
    files = sorted(SET.glob("*.yaml"))
    unknown = sorted(set(options.names) - {file.stem for file in files})
    if unknown:
        parser.error(f"NAME must be one of {', '.join(file.stem for file in files)}, got {unknown[0]!r}")
    for file in files:
        if not options.names or file.stem in options.names:
            execute(file, options.fresh)
    if options.names:
        return 0
    return build({file.stem: SITE / "runs" / SET.name / file.stem for file in files})


def build(runs: dict[str, Path]) -> int:
    """Build the site in the current folder from finished runs of notebooks; the exit status of Sphinx."""
    source, html, new = (Path(name).absolute() for name in ("source", "html", "source.new"))
    shutil.rmtree(new, ignore_errors=True)
    repository = read_repository(ROOT / "pyproject.toml")
    print(f"Colab badges of {repository}" if repository else NONE)
    gather(new, runs, NOTEBOOKS, repository)
    renew(source, new)
    settings = Path(__file__).parent
    status = sphinx(["--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", str(settings),
                     "--define", f"html_static_path={settings / 'static'},{source / 'figures'}",
                     "--doctree-dir", str(source.parent / "doctrees"), str(source), str(html)])  # fmt: skip
    print(f"site: {html / 'index.html'}" if status == 0 else "the site has warnings, see above")
    return status


def renew(source: Path, new: Path) -> None:
    """Put a folder in the place of another; files that are as they were keep their time, so that Sphinx skips them."""
    for path in new.rglob("*"):
        old = source / path.relative_to(new)
        if path.is_file() and old.is_file() and path.read_bytes() == old.read_bytes():
            shutil.copystat(old, path)
    shutil.rmtree(source, ignore_errors=True)
    new.rename(source)


def execute(file: Path, fresh: bool) -> None:
    """Run the notebook of a parameter set, unless it has run as it is now, by the runs that it takes up."""
    notebook = match_notebook(file.stem, NOTEBOOKS)
    folder = SITE / "runs" / SET.name / file.stem
    told = json.loads(notebook.read_text(encoding="utf-8"))
    set_badge(told, "", notebook.stem)  # what is run does not hang on it
    values = read_overrides(file)
    made_of = write(told) + file.read_text(encoding="utf-8") + json.dumps(find_inputs(folder, values), sort_keys=True)
    mark, sources = folder / ".sources", hashlib.sha256(made_of.encode()).hexdigest()
    if fresh or not mark.exists() or mark.read_text() != sources:
        shutil.rmtree(folder, ignore_errors=True)
    run = run_notebook(notebook, values, folder.relative_to(SITE))
    mark.write_text(sources)
    print(f"{file.stem}: {'already there' if run.before == 'finished' else 'has run'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
