"""How long the viewer's frames take, as the browser counts its own work."""

from __future__ import annotations

from typing import Any

_FRAME = "new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"


def measure_panning(page: Any, handle: str) -> tuple[float, list[float]]:
    """Unfold the whole tree, then drag it twenty times: processor seconds to draw it, and of each frame.

    `page` is Playwright's, `handle` the expression of the viewer's `__treeview`. Processor time of the page's main
    thread, because others use this machine too.
    """
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spend() -> float:
        metrics = {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}
        return metrics["TaskDuration"]

    before = spend()
    page.evaluate(f"{handle}.unfold()")
    page.evaluate(_FRAME)
    drawn = spend() - before
    box = page.locator(".game24-treeview canvas.tree").first.bounding_box()
    x, y = box["x"] + 300, box["y"] + 100
    page.mouse.move(x, y)
    page.mouse.down()
    frames = []
    for k in range(20):
        before = spend()
        page.mouse.move(x + 6 * k, y + 8 * k)
        page.evaluate(_FRAME)
        frames.append(spend() - before)
    page.mouse.up()
    session.detach()
    print(f"drawn in {drawn:.2f} s, frames of {1000 * sum(frames) / 20:.0f} ms, at most {1000 * max(frames):.0f} ms")
    return drawn, frames


_CUT = """[...document.querySelector('.game24-treeview').shadowRoot.querySelectorAll(
  '.title, .caption, .said, .legend span, .status, .field, .field .name, button:not(.move), output, .found')]
  .filter((e) => e.offsetParent && getComputedStyle(e).display !== 'inline' && (e.scrollWidth > e.clientWidth + 1
    || e.getBoundingClientRect().right > e.getRootNode().host.getBoundingClientRect().right + 1))
  .map((e) => e.className + ': ' + e.textContent)"""


def list_cut(page) -> list[str]:
    """The texts of the viewer that do not fit the boxes they stand in, or stand out of the viewer."""
    return page.evaluate(_CUT)
