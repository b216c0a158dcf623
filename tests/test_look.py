"""What people look at: notebooks run in JupyterLab, then looked at in both themes and at two widths, and opened again.

Each notebook runs once, with its smoke set. `make test` looks at those of `FEW`, `make look` at all of them. With
GAME24LAB_PICTURES=FOLDER every look leaves a picture there.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from frames import list_cut
from jupyter_pages import PATIENCE, copy_notebook, open_notebook, save_notebook, take_picture, wait_for

from game24lab.runs.notebook import find_notebooks, match_notebook

ROOT = Path(__file__).parent.parent
FEW = ("00_start",)
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
# A training of three steps is over before its curve is drawn twice: these are longer than their smoke sets.
TRAININGS = {"03_sft": {"steps": 60, "evaluate_every": 30}, "03_sft_chains": {"steps": 40, "evaluate_every": 20},
             "04_critic": {"epochs": 10.0}, "04_critic_words": {"epochs": 30.0},
             "06_grpo": {"steps": 30, "evaluate_every": 15},
             "07_dpo": {"steps": 30, "evaluate_every": 15},
             "12_expert_iteration": {"rounds": 3, "lines": ["search"]}}  # fmt: skip
THEMES, WIDTHS = ("Light", "Dark"), (1400, 1000)

# Every 50 ms, while a cell is at work: how many points the first live figure has, and its lines as they are drawn.
_WATCH = """() => { window.points = []; window.watching = setInterval(() => {
  const plot = document.querySelector('.jp-OutputArea-output .js-plotly-plot');
  if (plot && plot !== window.seen) (window.seen = plot).scrollIntoView({ block: 'center' });
  const line = [...plot?.querySelectorAll('.scatterlayer .trace path') ?? []].map((e) => e.getAttribute('d')).join(' ');
  const now = plot?.calcdata && [Math.max(...plot.calcdata.map((trace) => trace.length)), line];
  const busy = [...document.querySelectorAll('.jp-InputPrompt')].some((e) => e.textContent.includes('*'));
  const last = window.points.at(-1);
  if (now && busy && (!last || last[0] !== now[0] || last[1] !== now[1])) window.points.push(now);
}, 50) }"""
# To a place of the notebook; where the next screen begins, negative at the end.
_SCROLL = """async (place) => { const panel = document.querySelector('.jp-Notebook .jp-WindowedPanel-outer')
    ?? document.querySelector('.jp-Notebook');
  panel.scrollTop = place;
  await new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)));
  const next = place + 0.8 * panel.clientHeight;
  return place + panel.clientHeight >= panel.scrollHeight - 2 ? -Math.round(next) : Math.round(next) }"""
# What leaves its cell or would have to be scrolled sideways.
_SIDEWAYS = """() => { const cell = (e) => [...document.querySelectorAll('.jp-Cell')].indexOf(e.closest('.jp-Cell'));
  const said = (e) => `cell ${cell(e)}: ${e.className.baseVal ?? e.className} ${e.scrollWidth} > ${e.clientWidth}: `
    + e.textContent.trim().slice(0, 60);
  const rolls = (e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth + 1;
  return [...document.querySelectorAll('.jp-Notebook .jp-OutputArea-output, .jp-Notebook .jp-OutputArea-output *,'
    + '.jp-Notebook .cm-scroller, .jp-Notebook .jp-RenderedMarkdown, .jp-Notebook .jp-RenderedMarkdown *')]
    .filter((e) => e.clientWidth && rolls(e)).map(said) }"""
# Words of cards and tables, folds open, that go on in the next line.
_BROKEN = """() => { const broken = [];
  for (const e of document.querySelectorAll('.jp-Notebook .jp-OutputArea-output .game24lab')) {
    const walk = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) for (const { 0: word, index } of walk.currentNode.data.matchAll(/[\\w.%]{2,20}/g)) {
      if (walk.currentNode.parentElement.closest('style')) break;
      const range = document.createRange();
      range.setStart(walk.currentNode, index);
      range.setEnd(walk.currentNode, index + word.length);
      const lines = [...range.getClientRects()].filter((box) => box.width > 1).map((box) => Math.round(box.top));
      if (new Set(lines).size > 1) broken.push(word);
    } }
  return broken.map((word) => `broken word: ${word}`) }"""
_RED = """() => [...document.querySelectorAll('.jp-Notebook [data-mime-type="application/vnd.jupyter.stderr"]')]
  .map((e) => `red box: ${e.innerText.slice(0, 80)}`)"""
# Of each code cell, what its outputs show: how many have an area on the screen, and what failed.
_SHOWN = """() => [...document.querySelectorAll('.jp-Notebook .jp-CodeCell')].map((cell) =>
  [...cell.querySelectorAll('.jp-OutputArea-child')].map((e) => e.querySelector('.jp-OutputArea-output'))
    .filter((e) => e && e.getBoundingClientRect().height > 4).length)"""
_FAILED = """() => [...document.querySelectorAll('.jp-Notebook .jp-OutputArea-output')].map((e) => e.innerText)
  .filter((text) =>
    /Error displaying widget|model not found|Traceback|FigureWidget\\(|VBox\\(|Javascript Error/.test(text))"""


@pytest.mark.parametrize("name", NOTEBOOKS if os.environ.get("GAME24LAB_LOOK") == "all" else FEW)
def test_a_notebook_is_run_looked_at_and_opened_again(name, lab, browser):
    said, faults = [], []
    given = yaml.safe_load((ROOT / "params" / "smoke" / f"{name}.yaml").read_text()) | TRAININGS.get(name, {})
    for key, value in given.items():
        if str(value).startswith("runs/smoke/"):  # of another run, which is not there
            _, _, needed, *rest = Path(value).parts
            given[key] = str(Path(run_headless(needed, lab[1].parent), *rest))
    parameters = {key: repr(value) for key, value in given.items()} | {"output": repr(f"runs/smoke/{name}")}
    file = copy_notebook(lab[1], name, **parameters)
    page, kernel = open_notebook(browser, lab, file, ".jp-CodeCell .jp-InputPrompt", said)
    page.evaluate(_WATCH)
    wait_for(lambda: page.evaluate("[...document.querySelectorAll('.jp-InputPrompt')].every("
                                   "(e) => !e.textContent.includes('*'))"), "the notebook to be done")  # fmt: skip
    points = page.evaluate("(clearInterval(window.watching), window.points)")
    assert kernel.ask("run.status") == "'finished'"
    if name in TRAININGS:
        grown = [count for count, _ in points]
        if len(set(grown)) < 3 or grown != sorted(grown) or len({line for _, line in points}) < 3:
            faults.append(f"live curves did not grow on the screen: {grown}")
    for theme in THEMES:
        page.evaluate(f"jupyterapp.commands.execute('apputils:change-theme', {{ theme: 'JupyterLab {theme}' }})")
        page.wait_for_function(f"document.body.dataset.jpThemeLight === '{str(theme == 'Light').lower()}'")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 1000})
            faults += [f"{theme}, {width} pixels: {fault}" for fault in look(page, f"{name}_{theme}_{width}")]
    shown = page.evaluate(_SHOWN)
    save_notebook(page, lab[1] / file)
    kernel.client.stop_channels()
    page.evaluate("jupyterapp.serviceManager.sessions.shutdownAll()")
    page.close()
    faults += reopen(browser, f"{lab[0]}/lab/tree/{file}?reset", shown, name, said)
    # how long JupyterLab's own parts take to start says how busy the machine is
    faults += [f"console: {line}" for line in said if "favicon" not in line and "to activate." not in line]
    assert not faults, "\n".join(faults)


def run_headless(name: str, home: Path) -> Path:
    """The folder of a run with the smoke set of that name, by the notebook that the set is for."""
    notebook = match_notebook(name, find_notebooks()).stem
    given = str(ROOT / "params" / "smoke" / f"{name}.yaml")
    command = [sys.executable, "-m", "game24lab", "run", notebook, "-f", given]
    subprocess.run([*command, "--output", str(home / name)], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return home / name


def look(page, picture: str) -> list[str]:
    """What is wrong with the page as it is, screen by screen as a reader scrolls."""
    faults, seen = [], 0
    while seen >= 0:  # what is out of sight may not be laid out
        seen = page.evaluate(_SCROLL, seen)
        take_picture(page, f"{picture}_{abs(seen):05}")
    page.evaluate("document.querySelectorAll('.jp-OutputArea-output details').forEach((e) => { e.open = true })")
    for question in (_SIDEWAYS, _FAILED, _BROKEN, _RED):
        faults += page.evaluate(question)
    page.evaluate("document.querySelectorAll('.jp-OutputArea-output details').forEach((e) => { e.open = false })")
    if page.locator(".game24-treeview").count():
        page.locator(".game24-treeview").first.scroll_into_view_if_needed()
        faults += [f"cut: {text}" for text in list_cut(page)]
    return faults


def reopen(browser, url: str, shown: list[int], name: str, said: list[str]) -> list[str]:
    """What a saved notebook no longer shows, opened without having been run."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    page.set_default_timeout(1000 * PATIENCE)
    page.on("console", lambda message: said.append(f"reopened: {message.text}")
            if message.type in ("error", "warning") else None)  # fmt: skip
    page.goto(url)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_function("window.jupyterapp !== undefined")
    faults = []
    try:
        wait_for(lambda: (look(page, f"{name}_reopened"), page.evaluate(_SHOWN))[1] == shown, "the outputs", 30)
    except AssertionError:
        faults = [f"reopened: outputs of each cell {page.evaluate(_SHOWN)}, before {shown}"]
    faults += [f"reopened: {fault}" for fault in look(page, f"{name}_reopened")]
    page.close()
    return faults
