/** Tells the trees within a page which theme the page has: they are documents of their own, which nobody else tells.
 *  Long names in tables may break where their parts meet. */

(() => {
  const tell = () => {
    const chosen = document.body.dataset.theme, dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = chosen === "dark" || (chosen !== "light" && dark) ? "dark" : "light";
    for (const frame of document.querySelectorAll("iframe.tree")) frame.contentWindow?.postMessage({ theme }, "*");
  };
  const part = () => {
    for (const code of document.querySelectorAll("td code, td code *")) {
      for (const text of [...code.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)) {
        const parts = text.data.split(/(?<=[@/.:,_])/);
        text.replaceWith(...parts.flatMap((piece, place) => (place ? [document.createElement("wbr"), piece] : [piece])));
      }
    }
  };
  document.addEventListener("DOMContentLoaded", () => {
    part();
    for (const frame of document.querySelectorAll("iframe.tree")) frame.addEventListener("load", tell);
    new MutationObserver(tell).observe(document.body, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
  });
})();
