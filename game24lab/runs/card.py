"""What a run came to, as the card at the end of its notebook and of `game24lab run`: as text and as HTML.

It reads a run's manifest and folder alone; the sentence with the result is the notebook's own. Text is shown as it is,
never as markup. It does not know what a run computes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from game24lab.runs.printable import clean, escape, keep_units

# Of what a run leaves, what a person opens, in this order.
FILES = {"tree.html": "the search tree", "trees.html": "two trees on one budget", "records.parquet": "every row",
         "notebook.ipynb": "the notebook as it ran", "params.yaml": "its parameters"}  # fmt: skip
FOLDERS = {"checkpoint": "the model", "router": "the router"}
# Facts of a manifest, with what they count.
TOKENS = {"sampled_tokens": "sampled", "probe_tokens": "sampled by the probe",
          "evaluation_tokens": "sampled to evaluate", "training_tokens": "learnt from",
          "tokens": "written"}  # fmt: skip
_SESSION = "JPY_SESSION_NAME"  # where Jupyter tells a kernel which notebook it serves
_STYLE = """<style>
.game24lab.card {font: 13px/1.5 system-ui, sans-serif; border: 1px solid rgba(128, 128, 128, .5); border-radius: 6px;
  border-left: 5px solid #0072B2; padding: 8px 14px; margin: 6px 0; max-width: 62em; overflow-wrap: anywhere}
.game24lab.card b {font-size: 15px}
.game24lab.card p {margin: 2px 0}
.game24lab.card dl {display: grid; grid-template-columns: max-content 1fr; gap: 0 1em; margin: 6px 0 0}
.game24lab.card dt, .game24lab.card dd {float: none; clear: none; width: auto; margin: 0; padding: 0; font-weight: 400}
.game24lab.card dt {opacity: .7}
</style>"""


@dataclass(frozen=True)
class Card:
    """The result in a sentence, then facts by name. `files`: path and meaning; `links`: where their links begin."""

    title: str
    result: str
    facts: tuple[tuple[str, str], ...]
    files: tuple[tuple[Path, str], ...] = ()
    links: str | None = None

    def __str__(self) -> str:
        facts = [*self.facts, *((f"{path}", told) for path, told in self.files)]
        width = max((len(name) for name, _ in facts), default=0)
        lines = [self.title, f"  {self.result}", *(f"  {name:<{width}}  {value}" for name, value in facts)]
        return "\n".join(clean(line, 2_000) for line in lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def link(path: Path) -> str:
            name = escape(clean(path))
            if self.links is None:
                return f"<code>{name}</code>"
            return f'<a href="{escape(clean(os.path.relpath(path, self.links), 2_000))}">{name}</a>'

        facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(clean(value, 2_000))}</dd>" for name, value in self.facts)
        files = "".join(f"<dt>{escape(told)}</dt><dd>{link(path)}</dd>" for path, told in self.files)
        return (f'{_STYLE}<div class="game24lab card"><p><b>{keep_units(escape(clean(self.result, 2_000)))}</b></p>'
                f"<p>{escape(clean(self.title, 2_000))}</p><dl>{facts}{files}</dl></div>")  # fmt: skip


def make_card(folder: str | Path, manifest: Mapping[str, Any]) -> Card:
    """The card of a run from its manifest, which may be one of an earlier version: then no sentence was kept."""
    folder = Path(folder)
    result = manifest.get("result") or f"{manifest['status']}; its notebook has kept no sentence about the result"
    facts = manifest.get("facts") or {}
    counts = {told: facts[name] for name, told in TOKENS.items() if isinstance(facts.get(name), int | float)}
    told = [("tokens", ", ".join(f"{number:,.0f} {what}" for what, number in counts.items()) or "none counted")]
    told += [("open next", manifest["then"])] if manifest.get("then") else []
    files = [(folder / name, what) for name, what in (FOLDERS | FILES).items() if (folder / name).exists()]
    title = f"{manifest['name']}: {manifest['status']}, {_write_time(manifest)}, in {folder}"
    return Card(title, result, tuple(told), tuple(files), _find_links(folder))


def _write_time(manifest: Mapping[str, Any]) -> str:
    """How long all sessions of a run have taken together, as far as they say."""
    spent = timedelta()
    for session in manifest["sessions"]:
        if session.get("start") and session.get("end"):
            spent += datetime.fromisoformat(session["end"]) - datetime.fromisoformat(session["start"])
    seconds = spent.total_seconds()
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _find_links(folder: Path) -> str | None:
    """Where links of this kernel's notebook begin: at its own folder where it is open in a browser, in the run's where
    it is executed headless, for there it is kept. None where no notebook is running."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        return None
    path = Path(os.environ.get(_SESSION, ""))
    by_hand = "IPKernelApp" in shell.config and path.suffix == ".ipynb" and path.is_file()
    return str(path.parent if by_hand else folder)
