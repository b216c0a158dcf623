"""What the widgets share: one style, judged lines, and what stands where no widget can.

Text may be a model's: it is shown, never taken as markup. It does not know what is shown or where it came from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

from game24lab.runs.printable import clean, escape

_FEW = 12  # lines that are seen at one glance without a strip
VIEW = "application/vnd.jupyter.widget-view+json"  # the part of an output that is a live widget
# Two class names each: JupyterLab's own rules for tables have as many, and stand before these.
_STYLE = """<style>
.game24lab {font: 13px/1.5 system-ui, sans-serif; overflow-x: auto}
.game24lab table {border-collapse: collapse; font-size: 13px}
.game24lab pre {font: 13px/1.6 ui-monospace, "DejaVu Sans Mono", monospace; margin: 4px 0}
.game24lab.lines tbody td {padding: 1px 10px; text-align: left; white-space: pre-wrap; overflow-wrap: anywhere;
  font-family: ui-monospace, "DejaVu Sans Mono", monospace}
.game24lab.lines tbody td:first-child {text-align: right; opacity: .6; white-space: nowrap; overflow-wrap: normal}
.game24lab.lines tbody td:last-child {font-family: system-ui, sans-serif; opacity: .85}
.game24lab.lines tbody td.fold {padding: 0; text-align: left; opacity: 1; white-space: normal}
.game24lab.lines .fold summary {cursor: pointer; padding: 1px 10px; font-family: system-ui, sans-serif; opacity: .85}
.game24lab.lines .strip {display: flex; gap: 1px; margin: 4px 0 8px; max-width: 48em}
.game24lab.lines .strip i {flex: 1 1 2px; max-width: 10px; height: 14px}
.game24lab.numbers tr th, .game24lab.numbers tr td {padding: 2px 6px; text-align: right; vertical-align: top;
  white-space: nowrap}
.game24lab.numbers tr .text {text-align: left}
.game24lab.numbers tr .wrapped {white-space: normal; overflow-wrap: break-word; min-width: 8em}
.game24lab.numbers .wrapped span {display: inline-block; margin-right: .6em}
.game24lab.numbers .wrapped pre {white-space: pre-wrap; overflow-wrap: break-word; word-break: normal; max-width: 60vw}
.game24lab.numbers tr {border-bottom: 1px solid rgba(128, 128, 128, .3)}
.game24lab.numbers .up {background: rgba(0, 158, 115, .16)}
.game24lab.numbers .down {background: rgba(213, 94, 0, .16)}
.game24lab.numbers pre {max-height: 22em; overflow: auto}
.game24lab.numbers .bar {display: block; width: 80px; height: 5px; background: rgba(128, 128, 128, .25)}
.game24lab.numbers .bar i {display: block; float: left; height: 5px; background: #0072B2}
.game24lab.sides {display: flex; flex-wrap: wrap; gap: 12px}
.game24lab.sides > div {flex: 1 1 18em; min-width: 0; border: 1px solid #8884; border-radius: 4px; padding: 6px 10px}
.game24lab.sides pre {white-space: pre-wrap; overflow-wrap: anywhere}
.game24lab.sides .looked {border-bottom: 2px solid #0072B2}
.game24lab.sides .changed {background: #E69F0055; border-bottom: 2px solid #D55E00; font-weight: 600}
.game24lab.sides p {margin: 0}
.game24lab-sentence {white-space: normal !important; overflow: visible !important; height: auto !important}
</style>"""


def wrap(kind: str, body: str) -> str:
    """A part of a page in the common style; `kind` is one of lines, numbers, sides."""
    return f'{_STYLE}<div class="game24lab {kind}">{body}</div>'


def make_sentence() -> widgets.Label:
    """A label that goes on in the next line where it is longer than its cell, and is not cut there."""
    label = widgets.Label()
    label.add_class("game24lab-sentence")
    return label


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

    def list_folds(self) -> Sequence[tuple[int, int, str]]:
        """Lines that stand behind a fold: the first, the one behind the last, and what is said of them together."""
        return ()

    def summarise(self) -> str:
        """All lines together in one sentence."""
        raise NotImplementedError

    def _list_lines(self) -> Iterator[tuple[int, str, str, str, str]]:
        """The lines with their places; a verdict's words stand where they change, its sign and colour everywhere."""
        before = ""
        for place, (sign, colour, text, said) in enumerate(self.judge_lines()):
            yield place, sign, colour, clean(text), "" if said == before else said
            before = said

    def __str__(self) -> str:
        lines = list(self._list_lines())
        width = max((len(text) for *_, text, _ in lines), default=0)
        body = [f"{place:4} {sign} {text:{width}}  {said}".rstrip() for place, sign, _, text, said in lines]
        return "\n".join([*filter(None, [clean(self.title, 2_000)]), *body, self.summarise()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = []
        for place, sign, colour, text, said in self._list_lines():
            cells = "".join(f"<td>{escape(cell)}</td>" for cell in (place, sign, text, said))
            rows.append(f'<tr style="border-left: 6px solid {colour}; background: {colour}22">{cells}</tr>')
        shown, place = [], 0
        for begin, end, said in self.list_folds():
            fold = f"<details><summary>{escape(said)}</summary>{make_table((), rows[begin:end])}</details>"
            shown += [*rows[place:begin], f'<tr><td class="fold" colspan="4">{fold}</td></tr>']
            place = end
        title = f"<p>{escape(clean(self.title, 2_000))}</p>" if self.title else ""
        strip = "".join(f'<i style="background: {colour}" title="{place}: {escape(said)}"></i>'
                        for place, (_, colour, _, said) in enumerate(self.judge_lines()))  # fmt: skip
        strip = f'<div class="strip">{strip}</div>' if len(rows) > _FEW else ""  # all of a long answer at one glance
        table = make_table((), [*shown, *rows[place:]])
        return wrap("lines", f"{title}{strip}{table}<p>{escape(self.summarise())}</p>")


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
        if is_headless():
            del bundle[VIEW]
        return {**bundle, "text/html": f"<p>{escape(self._tell())}</p>{self._draw_still()}"}


class Chooser(Panel):
    """A list to choose one of several from, `chosen`, and HTML of the chosen one, which `_draw` writes.

    Buttons go to the one before and to the next. `kinds`, a word for each, are offered as a filter where they differ:
    `kind` is the one that is listed, "" for all.
    """

    def __init__(self, names: Sequence[str], first: int, description: str, kinds: Sequence[str] = ()) -> None:
        self._names, self._kinds = list(names), list(kinds)
        self.chosen = widgets.Dropdown(options=self._list(""), value=first, description=description,
                                       layout={"width": "auto", "max_width": "48em"})  # fmt: skip
        counts = Counter(self._kinds)
        listed = [(f"all ({len(names)})", ""), *((f"{kind} ({count})", kind) for kind, count in counts.most_common())]
        self.kind = widgets.Dropdown(options=listed, description="of these", layout={"width": "auto"})
        self._view = widgets.HTML(layout={"max_height": "40em", "overflow": "auto"})
        buttons = [widgets.Button(icon=icon, tooltip=tooltip, layout={"width": "36px"})
                   for icon, tooltip in (("chevron-left", "one back"), ("chevron-right", "one on"))]  # fmt: skip
        for button, way in zip(buttons, (-1, 1), strict=True):
            button.on_click(lambda _, way=way: self.step(way))
        self.chosen.observe(self._show, "value")
        self.kind.observe(self._filter, "value")
        row = [*([self.kind] if len(counts) > 1 else []), self.chosen, *(buttons if len(names) > 1 else [])]
        super().__init__([widgets.HBox(row, layout={"flex_flow": "row wrap"}), self._view])
        self._show()

    def step(self, way: int) -> None:
        """Go so many places on in the list; at its ends nothing happens."""
        place = self.chosen.index + way
        if 0 <= place < len(self.chosen.options):
            self.chosen.index = place

    def _list(self, kind: str) -> list[tuple[str, int]]:
        return [(name, place) for place, name in enumerate(self._names) if not kind or self._kinds[place] == kind]

    def _filter(self, _: Any) -> None:
        before, listed = self.chosen.value, self._list(self.kind.value)
        self.chosen.options = listed
        if before in [place for _, place in listed]:
            self.chosen.value = before

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


def is_headless() -> bool:
    """Whether this is a notebook that nobody watches: what it shows has to be there without widgets."""
    return get_ipython() is not None and not takes_widgets()
