/** Tells the trees within a page which theme the page has: they are documents of their own, which nobody else tells. */

(() => {
  const tell = () => {
    const chosen = document.body.dataset.theme, dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const theme = chosen === "dark" || (chosen !== "light" && dark) ? "dark" : "light";
    for (const frame of document.querySelectorAll("iframe.tree")) frame.contentWindow?.postMessage({ theme }, "*");
  };
  document.addEventListener("DOMContentLoaded", () => {
    for (const frame of document.querySelectorAll("iframe.tree")) frame.addEventListener("load", tell);
    new MutationObserver(tell).observe(document.body, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
    tell();
  });
})();
