"""What the widgets share: one style, judged lines, and what stands where no widget can.

Text may be a model's: it is shown, never taken as markup. It does not know what is shown or where it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

from game24lab.runs.printable import clean, escape

# Two class names each: JupyterLab's own rules for tables have as many, and stand before these.
_STYLE = """<style>
.game24lab {font: 13px/1.5 system-ui, sans-serif; overflow-x: auto}
.game24lab table {border-collapse: collapse; font-size: 13px}
.game24lab pre {font: 13px/1.6 ui-monospace, "DejaVu Sans Mono", monospace; margin: 4px 0}
.game24lab.lines tbody td {padding: 1px 10px; text-align: left; white-space: pre-wrap; overflow-wrap: anywhere;
  font-family: ui-monospace, "DejaVu Sans Mono", monospace}
.game24lab.lines tbody td:first-child {text-align: right; opacity: .6}
.game24lab.lines tbody td:last-child {font-family: system-ui, sans-serif; opacity: .85}
.game24lab.numbers tr th, .game24lab.numbers tr td {padding: 2px 9px; text-align: right; vertical-align: top;
  white-space: nowrap}
.game24lab.numbers tr .text {text-align: left}
.game24lab.numbers tr {border-bottom: 1px solid rgba(128, 128, 128, .3)}
.game24lab.numbers .up {background: rgba(0, 158, 115, .16)}
.game24lab.numbers .down {background: rgba(213, 94, 0, .16)}
.game24lab.numbers pre {max-height: 22em; overflow: auto}
.game24lab.numbers .bar {display: block; width: 110px; height: 5px; background: rgba(128, 128, 128, .25)}
.game24lab.numbers .bar i {display: block; float: left; height: 5px; background: #0072B2}
.game24lab.sides {display: flex; flex-wrap: wrap; gap: 12px}
.game24lab.sides > div {flex: 1 1 18em; min-width: 0; border: 1px solid #8884; border-radius: 4px; padding: 6px 10px}
.game24lab.sides pre {white-space: pre-wrap; overflow-wrap: anywhere}
.game24lab.sides .looked {border-bottom: 2px solid #0072B2}
.game24lab.sides .changed {background: #E69F0055; border-bottom: 2px solid #D55E00; font-weight: 600}
.game24lab.sides p {margin: 0}
</style>"""


def wrap(kind: str, body: str) -> str:
    """A part of a page in the common style; `kind` is one of lines, numbers, sides."""
    return f'{_STYLE}<div class="game24lab {kind}">{body}</div>'


def make_table(heads: Iterable[str], rows: Iterable[str]) -> str:
    """A table of headings and of rows, `<tr>...</tr>` each, all HTML already."""
    return f"<table><thead><tr>{''.join(heads)}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


class JudgedLines:
    """Text read line by line with a verdict on each: a coloured table in notebooks, aligned lines as plain text.

    A verdict is told by a sign and in words besides its colour.
    """

    @property
    def title(self) -> str:
        """What stands above the lines."""
        return ""

    def judge_lines(self) -> Sequence[tuple[str, str, str, str]]:
        """Of each line: the sign and the colour of the verdict, the text, and the verdict in words."""
        raise NotImplementedError

    def summarise(self) -> str:
        """All lines together in one sentence."""
        raise NotImplementedError

    def __str__(self) -> str:
        lines = [(sign, clean(text), said) for sign, _, text, said in self.judge_lines()]
        width = max((len(text) for _, text, _ in lines), default=0)
        body = [f"{place:4} {sign} {text:{width}}  {said}".rstrip() for place, (sign, text, said) in enumerate(lines)]
        return "\n".join([*filter(None, [clean(self.title, 2_000)]), *body, self.summarise()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for place, (sign, colour, text, said) in enumerate(self.judge_lines()):
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in (place, sign, clean(text), said))
            rows.append(f'<tr style="border-left: 6px solid {colour}; background: {colour}22">{cells}</tr>')
        title = f"<p>{escape(clean(self.title, 2_000))}</p>" if self.title else ""
        return wrap("lines", f"{title}{make_table((), rows)}<p>{escape(self.summarise())}</p>")


class Panel(widgets.VBox):
    """Controls above HTML. Where no front end takes the widget, its output is the same HTML, as it stood."""

    def _tell(self) -> str:
        """What the controls say, as text."""
        raise NotImplementedError

    def _draw_still(self) -> str:
        """The HTML below the controls."""
        return self._view.value

    def _repr_mimebundle_(self, **kwargs: Any) -> dict[str, Any]:
        bundle = super()._repr_mimebundle_(**kwargs)
        return {**bundle, "text/html": f"<p>{escape(self._tell())}</p>{self._draw_still()}"}


class Chooser(Panel):
    """A list to choose one of several from, `chosen`, and HTML of the chosen one, which `_draw` writes."""

    def __init__(self, names: Sequence[str], first: int, description: str) -> None:
        self.chosen = widgets.Dropdown(
            options=[(name, place) for place, name in enumerate(names)], value=first, description=description,
            layout={"width": "auto", "max_width": "48em"},
        )  # fmt: skip
        self._view = widgets.HTML(layout={"max_height": "40em", "overflow": "auto"})
        self.chosen.observe(self._show, "value")
        super().__init__([self.chosen, self._view])
        self._show()

    def _draw(self) -> str:
        raise NotImplementedError

    def _show(self, _: Any = None) -> None:
        self._view.value = self._draw()

    def _tell(self) -> str:
        return self.chosen.label


def takes_widgets() -> bool:
    """Whether a browser shows this notebook's widgets. As tqdm, it goes by the settings of the kernel."""
    shell = get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
