"""Every page of the built site opened in headless Chromium, at two widths, light and dark: complaints, and pictures.

    python docs/site/look.py                     all pages of build/site/html
    python docs/site/look.py --pictures DIR      and a picture of each, to look at

A complaint is an error or a warning of the console, a file that is missing, a request that leaves the disk, a page that
is wider than its window, text that is cut off where nobody can scroll to it, and a name in a table that is torn within
a word. It does not know what a page says.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WIDTHS = (1400, 900)
THEMES = ("light", "dark")
LEAST = 600_000  # milliseconds that a busy machine gets
# Elements with text of their own that stick out of the window, or of a box that hides what is too much
_CUT = """() => {
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, script, style, math, .sidebar-drawer, .toc-drawer, template, noscript")) continue;
    const box = element.getBoundingClientRect(), style = getComputedStyle(element);
    if (!box.width || !box.height || style.visibility === "hidden" || style.position === "fixed") continue;
    if (element.closest(".visually-hidden, .skip-to-content, .headerlink, .back-to-top")) continue;
    let edge = innerWidth;
    for (let above = element.parentElement; above && above !== document.body; above = above.parentElement) {
      const { overflowX } = getComputedStyle(above), { right, width } = above.getBoundingClientRect();
      if (overflowX === "auto" || overflowX === "scroll") { edge = Infinity; break; }
      if (overflowX === "hidden" && width) { edge = Math.min(edge, right); break; }
    }
    if (box.right > edge + 1) found.push(element.tagName + ": " + element.textContent.trim().slice(0, 60));
  }
  return found.slice(0, 5);
}"""

# Words of code in cells of tables that stand on more than one line; at a hyphen a browser may break
_TORN = """() => {
  const found = new Set();
  for (const code of document.querySelectorAll("td code")) {
    const walk = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
    for (let node; (node = walk.nextNode()); ) {
      for (const word of node.data.matchAll(/[^\\s?-]+/g)) {
        const range = document.createRange();
        range.setStart(node, word.index);
        range.setEnd(node, word.index + word[0].length);
        if (new Set([...range.getClientRects()].map((box) => Math.round(box.top))).size > 1) found.add(word[0]);
      }
    }
  }
  return [...found].slice(0, 5);
}"""


def list_pages(site: Path) -> list[Path]:
    """The pages of a site that somebody may open; trees are shown within others."""
    return sorted(path for path in site.rglob("*.html") if "_static" not in path.parts)


def look(browser, site: Path, pages: list[Path], pictures: Path | None = None) -> Iterator[str]:
    """The complaints about some pages, one a line."""
    for theme in THEMES:
        for width in WIDTHS:
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme,
                                          reduced_motion="reduce")  # fmt: skip
            context.set_offline(True)
            context.set_default_timeout(LEAST)
            for path in pages:
                where = f"{path.relative_to(site)} at {width}, {theme}"
                yield from (f"{where}: {said}" for said in _open(context, path, pictures, f"{width}_{theme}", site))
            context.close()


def _open(context, path: Path, pictures: Path | None, suffix: str, site: Path) -> list[str]:
    """The complaints about one page as it is opened."""
    said: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(f"asks for {request.url[:80]}")
            if not request.url.startswith(("file:", "data:", "blob:")) else None)  # fmt: skip
    page.on("requestfailed", lambda request: said.append(f"misses {request.url[-80:]}"))
    page.goto(path.as_uri(), wait_until="load")
    if page.locator("div.figure").count():
        page.wait_for_function("document.documentElement.dataset.figures === 'live'")
    for frame in page.frames[1:]:
        page.locator(f"iframe[src$='{Path(frame.url).name}']").first.scroll_into_view_if_needed()
        frame.wait_for_selector(".game24-treeview canvas.tree")
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    said += [f"is {wide} pixels wider than its window"] if wide > 0 else []
    said += [f"cuts {text}" for text in page.evaluate(_CUT)]
    said += [f"tears {text}" for text in page.evaluate(_TORN)]
    if pictures is not None:
        page.evaluate("scrollTo(0, 0)")
        if page.frames[1:]:  # what is out of the window is not painted within frames
            width, height = page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
            page.set_viewport_size({"width": width, "height": height})
            for frame in page.frames[1:]:
                frame.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        name = path.relative_to(site).with_suffix("").as_posix().replace("/", "_")
        page.screenshot(path=pictures / f"{name}_{suffix}.png", full_page=True)
    page.close()
    return said


def main(words: list[str] | None = None) -> int:
    """Look at all pages, or those named; 0 where there is nothing to complain about."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as index.html (default: all)")
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site" / "html", metavar="DIR")
    parser.add_argument("--pictures", type=Path, metavar="DIR")
    options = parser.parse_args(words)
    pages = [options.site / name for name in options.pages] or list_pages(options.site)
    if options.pictures is not None:
        options.pictures.mkdir(parents=True, exist_ok=True)
    count = 0
    with sync_playwright() as playwright:
        flags = ["--no-sandbox"] if os.geteuid() == 0 else []
        program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=program, args=flags, timeout=LEAST)
        for complaint in look(browser, options.site, pages, options.pictures):
            print(complaint, flush=True)
            count += 1
        browser.close()
    print(f"{len(pages)} pages, {len(WIDTHS)} widths, {len(THEMES)} themes: {count or 'no'} complaints")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
