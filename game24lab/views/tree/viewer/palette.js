/**
 * What can be shown by colour, size and width, and the colours themselves, light and dark. Knows no tree.
 */

export const COLOURS = { value: "critic's value", mean: "mean value Q", truth: "truth", visits: "visits",
  prior: "prior", depth: "depth" };
export const SIZES = { visits: "visits", tokens: "tokens" }; // tokens sampled for a node and all below it
export const EDGES = { visits: "visits", prior: "prior" };
export const CHOICES = { colour: COLOURS, size: SIZES, edge: EDGES };
export const PURPOSES = { colour: "What the colour of a node shows", size: "What the size of a node shows",
  edge: "What the width of an edge shows" };
export const FONT = 'system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif';
export const MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace';
export const STEPS = 32; // shades of a scale; behind them the indices of the three flat colours
export const UNKNOWN = STEPS + 1, ALIVE = STEPS + 2, DEAD = STEPS + 3;

// Colour belongs to the data (blue good, orange bad: safe for the colour-blind); the controls make do with ink.
export const THEMES = {
  light: { bg: "#ffffff", panel: "#f6f7f9", line: "#e2e5ea", ink: "#1c2330", muted: "#667085", edge: "#8a94a3",
    path: "#5b6779", mark: "#b3267a", rim: "rgba(28,35,48,.38)", unknown: "#c3c8d1", alive: "#1f6cb0", dead: "#c7621a",
    diverging: ["#b4470b", "#ec9f5b", "#e9e7e4", "#7db1da", "#1a61a4"],
    rising: ["#e6eaee", "#a9ced1", "#55a0a8", "#1d6d7b", "#07404d"] },
  dark: { bg: "#14171c", panel: "#1b1f26", line: "#2d333d", ink: "#e7eaef", muted: "#98a2b3", edge: "#646f81",
    path: "#a3aebf", mark: "#ff7ac0", rim: "rgba(231,234,239,.4)", unknown: "#5b6472",
    alive: "#62b0f2", dead: "#f09a52",
    diverging: ["#ff9d4f", "#b2662d", "#4b505a", "#4385bf", "#82c8ff"],
    rising: ["#333a45", "#2b626e", "#3c95a1", "#7ac8ce", "#d8f5f3"] },
};

export function mix(stops, t) {
  const at = t * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
  const [a, b] = [stops[low], stops[low + 1]].map((stop) => [1, 3, 5].map((k) => parseInt(stop.slice(k, k + 2), 16)));
  return `rgb(${a.map((channel, k) => Math.round(channel + (b[k] - channel) * (at - low))).join(",")})`;
}

/** Black or white, whichever can be read on a fill. */
export function contrast(fill) {
  const hex = fill[0] === "#";
  const [r, g, b] = hex ? [1, 3, 5].map((k) => parseInt(fill.slice(k, k + 2), 16)) : fill.match(/\d+/g).map(Number);
  return 0.3 * r + 0.59 * g + 0.11 * b > 140 ? "#14171c" : "#ffffff";
}

/** All fills of a scale in a theme: STEPS + 1 shades, then unknown, alive, dead. */
export function shades(theme, colour) {
  const stops = colour === "value" || colour === "mean" ? theme.diverging : theme.rising;
  const scale = Array.from({ length: STEPS + 1 }, (_, k) => mix(stops, k / STEPS));
  return [...scale, theme.unknown, theme.alive, theme.dead];
}

/** The notebook's theme where there is one (JupyterLab, VS Code, Colab), else the system's. */
export function isDark() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return /dark|contrast$/.test(vscodeThemeKind);
  const colab = document.documentElement.getAttribute("theme");
  return colab ? colab === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}
