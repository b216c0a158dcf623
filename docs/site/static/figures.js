/** Makes the figures of a notebook's page live: Plotly, from this folder, draws the JSON that stands beside each picture.
 *  It follows the theme's light and dark. Without scripts the pictures stay. */

(() => {
  if (window.game24labFigures) return;
  window.game24labFigures = true;
  const here = new URL(".", document.currentScript.src);

  const isDark = () => {
    const chosen = document.body.dataset.theme;
    return chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  };
  const ink = () => ({ "font.color": isDark() ? "#d5d8dd" : "#30343b", paper_bgcolor: "transparent",
    plot_bgcolor: "transparent" });

  const draw = async (box) => {
    const figure = JSON.parse(box.querySelector("script[type='application/json']").textContent);
    const place = document.createElement("div");
    box.append(place);
    const { width, ...layout } = figure.layout;
    await Plotly.newPlot(place, figure.data, { ...layout, autosize: true }, { responsive: true, displaylogo: false });
    box.classList.add("live");
    const dress = () => Plotly.relayout(place, ink());
    await dress();
    await Plotly.Plots.resize(place);
    new MutationObserver(dress).observe(document.body, { attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", dress);
  };

  const begin = () => {
    const boxes = [...document.querySelectorAll("div.figure")].filter((box) => !box.dataset.begun);
    if (!boxes.length) return;
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", here).href;
    script.onload = async () => {
      for (const box of boxes) {
        box.dataset.begun = "yes";
        await draw(box);
      }
      document.documentElement.dataset.figures = "live";
    };
    document.head.append(script);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
