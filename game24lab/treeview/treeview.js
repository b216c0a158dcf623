/**
 * The tree viewer: one ES module without outside code, used unchanged by the notebook widget (anywidget) and by the
 * standalone page. `render({model, el})` draws the tree that `model` holds; a model has get, set, on, off, save_changes.
 *
 *   tree      object  the JSON of game24lab.search.tree.Tree (checked in Python)
 *   selected  number  the selected node, -1 for none
 *   step      number  the replay stands where node `step` has just appeared; the last node means: the search is over
 *   colour    string  one of COLOURS
 *   height    number  pixels; 0 fills the element's parent
 *
 * The nodes are drawn on a canvas (10,000 stay fluid), everything else is DOM in a shadow root. Columns are depths, a
 * leaf has a row of its own, a node stands between its first and last child; subtrees beyond a budget of rows are folded.
 * Zooming out compresses the rows and leaves the columns as wide as the view, so that big trees stay readable.
 *
 * It does not know of the Game of 24, of models or of searches. Text that a model wrote reaches the page by textContent
 * and fillText only, never as markup. For scripts and tests `.game24-treeview` carries `__treeview` (see View.handle).
 */

const COLOURS = { value: "critic's value", mean: "mean value Q", truth: "truth", visits: "visits", prior: "prior" };
const COLUMNS = ["parent", "line", "label", "prior", "logprob", "value", "visits", "total", "followed", "tokens",
  "status", "expression", "same", "reason", "truth"];
const STATUS_WORDS = { solved: "solved", wrong: "wrong value", illegal: "illegal line", pruned: "pruned",
  unfinished: "unfinished" };
const QUIET = { "data-lm-suppress-shortcuts": "true" }; // for all that takes keys: keeps JupyterLab's shortcuts away
const ROW = 26, FAN = 50, GAP = 8, TOP = 30, PAD = 26; // pixels at zoom 1: row, curve, text gap, headings, margin
const CHILDREN = 8; // shown before "+n more"
const FONT = 'system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif';
const MONO = 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace';
const STEPS = 32; // shades of a scale; behind them the indices of the three flat colours
const UNKNOWN = STEPS + 1, ALIVE = STEPS + 2, DEAD = STEPS + 3;

// Colour belongs to the data (blue good, orange bad: safe for the colour-blind); the controls make do with ink.
const THEMES = {
  light: { bg: "#ffffff", panel: "#f6f7f9", line: "#e2e5ea", ink: "#1c2330", muted: "#667085", edge: "#d3d8e0",
    path: "#5b6779", mark: "#b3267a", rim: "rgba(28,35,48,.38)", unknown: "#c3c8d1", alive: "#1f6cb0", dead: "#c7621a",
    diverging: ["#b4470b", "#ec9f5b", "#e9e7e4", "#7db1da", "#1a61a4"],
    rising: ["#e6eaee", "#a9ced1", "#55a0a8", "#1d6d7b", "#07404d"] },
  dark: { bg: "#14171c", panel: "#1b1f26", line: "#2d333d", ink: "#e7eaef", muted: "#98a2b3", edge: "#39414d",
    path: "#a3aebf", mark: "#ff7ac0", rim: "rgba(231,234,239,.4)", unknown: "#5b6472", alive: "#62b0f2", dead: "#f09a52",
    diverging: ["#ff9d4f", "#b2662d", "#4b505a", "#4385bf", "#82c8ff"],
    rising: ["#333a45", "#2b626e", "#3c95a1", "#7ac8ce", "#d8f5f3"] },
};

const STYLE = `
:host { display: block; height: 100%; }
* { box-sizing: border-box; }
.view { display: flex; flex-direction: column; height: 100%; min-height: 260px; background: var(--bg); color: var(--ink);
  border: 1px solid var(--line); border-radius: 8px; overflow: hidden; container-type: inline-size;
  font: 13px/1.45 ${FONT}; font-variant-numeric: tabular-nums; }
.bar { display: flex; align-items: center; gap: 8px; padding: 7px 12px; flex-wrap: wrap; }
.top { border-bottom: 1px solid var(--line); }
.title { flex: 1 1 200px; min-width: 0; white-space: nowrap; overflow: hidden; text-overflow: ellipsis;
  color: var(--muted); }
.title b { color: var(--ink); font-size: 15px; font-weight: 650; margin-right: 8px; }
.main { display: flex; flex: 1; min-height: 0; }
.stage { position: relative; flex: 1; min-width: 0; min-height: 0; }
canvas.tree { position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none; }
canvas.tree:focus-visible { outline: 2px solid var(--muted); outline-offset: -2px; }
.side { width: 268px; border-left: 1px solid var(--line); background: var(--panel); overflow: auto; padding: 14px 16px; }
.side h3 { margin: 0 0 2px; font-size: 21px; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
.side h4 { margin: 16px 0 5px; font-size: 11px; font-weight: 600; color: var(--muted); }
.side pre { margin: 0; padding: 7px 9px; background: var(--bg); border: 1px solid var(--line); border-radius: 5px;
  font: 12px/1.45 ${MONO}; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 112px; overflow: auto;
  unicode-bidi: isolate; }
.side .sub { color: var(--muted); overflow-wrap: anywhere; max-height: 84px; overflow: auto; unicode-bidi: isolate; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 14px; margin: 14px 0 0; }
dt { color: var(--muted); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.move { display: grid; grid-template-columns: 1fr 42px 34px; gap: 8px; width: 100%; border: 0; padding: 2px 4px;
  text-align: left; background: none; border-radius: 4px; align-items: center; height: auto; }
.move span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.move span:last-child { text-align: right; }
.move .wide { grid-column: 1 / 4; text-align: left !important; }
.share { height: 6px; border-radius: 3px; overflow: hidden; background: var(--line); }
.share div { height: 100%; background: var(--muted); }
button, select, input[type=search] { font: inherit; color: inherit; background: var(--bg); border-radius: 6px;
  border: 1px solid var(--line); height: 28px; padding: 0 9px; margin: 0; }
button { cursor: pointer; } button.icon { width: 30px; padding: 0; display: inline-grid; place-items: center; }
button:hover, .move:hover { background: var(--line); }
button:focus-visible, select:focus-visible, input:focus-visible { outline: 2px solid var(--muted); outline-offset: 1px; }
input[type=search] { width: 150px; }
.found { color: var(--muted); font-size: 12px; } .found:empty { display: none; }
.group { display: inline-flex; } .group button { border-radius: 0; margin-left: -1px; }
.group button:first-child { border-radius: 6px 0 0 6px; margin-left: 0; }
.group button:last-child { border-radius: 0 6px 6px 0; }
svg { width: 14px; height: 14px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round;
  stroke-linejoin: round; }
.foot { border-top: 1px solid var(--line); }
input[type=range] { flex: 1; min-width: 90px; accent-color: var(--path); margin: 0; }
.said { color: var(--muted); min-width: 196px; text-align: right; font-size: 12px; }
.legend { display: flex; flex-wrap: wrap; align-items: center; gap: 3px 16px; padding: 0 12px 8px;
  color: var(--muted); font-size: 11.5px; }
.legend span { display: inline-flex; align-items: center; gap: 5px; } .legend canvas { display: block; }
@container (max-width: 680px) { .main { flex-direction: column; } .said { min-width: 0; }
  .side { width: auto; border-left: 0; border-top: 1px solid var(--line); max-height: 42%; } }
`;

const ICONS = { play: "M4.5 2.5v9l7-4.5z", pause: "M4.5 2.5v9M9.5 2.5v9", plus: "M7 2.5v9M2.5 7h9", minus: "M2.5 7h9",
  fit: "M2 5V2h3M9 2h3v3M12 9v3H9M5 12H2V9", unfold: "M4 5l3-3 3 3M4 9l3 3 3-3", fold: "M4 2l3 3 3-3M4 12l3-3 3 3" };

// ---------------------------------------------------------------------------------------------------- small helpers

const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
const signed = (x) => (x > 0 ? "+" : x < 0 ? "−" : "") + Math.abs(x).toFixed(2);
const lastOf = (list) => list[list.length - 1];

/** An element; strings among the children become text nodes, never markup. */
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value);
  element.append(...children.filter((child) => child != null));
  return element;
}

function icon(name) {
  const make = (tag, attributes) => {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const svg = make("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
  svg.append(make("path", { d: ICONS[name] }));
  return svg;
}

/** One short line of foreign text: no control or direction characters, cut to a length. */
function tidy(text, most) {
  const clean = String(text).slice(0, 4 * most).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  const characters = [...clean];
  return characters.length > most ? characters.slice(0, most - 1).join("") + "…" : clean;
}

/** Real signs in place of the keyboard's. */
const typeset = (text) => text.replace(/ \* /g, " × ").replace(/ \/ /g, " ÷ ").replace(/-(?=[ \d(])/g, "−");

function mix(stops, t) {
  const at = t * (stops.length - 1), low = Math.min(Math.floor(at), stops.length - 2);
  const [a, b] = [stops[low], stops[low + 1]].map((stop) => [1, 3, 5].map((k) => parseInt(stop.slice(k, k + 2), 16)));
  return `rgb(${a.map((channel, k) => Math.round(channel + (b[k] - channel) * (at - low))).join(",")})`;
}

/** Black or white, whichever can be read on a fill. */
function contrast(fill) {
  const hex = fill[0] === "#";
  const [r, g, b] = hex ? [1, 3, 5].map((k) => parseInt(fill.slice(k, k + 2), 16)) : fill.match(/\d+/g).map(Number);
  return 0.3 * r + 0.59 * g + 0.11 * b > 140 ? "#14171c" : "#ffffff";
}

/** All fills of a scale in a theme: STEPS + 1 shades, then unknown, alive, dead. */
function shades(theme, colour) {
  const stops = colour === "visits" || colour === "prior" ? theme.rising : theme.diverging;
  const scale = Array.from({ length: STEPS + 1 }, (_, k) => mix(stops, k / STEPS));
  return [...scale, theme.unknown, theme.alive, theme.dead];
}

/** The notebook's theme where there is one (JupyterLab, VS Code, Colab), else the system's. */
function isDark() {
  const { jpThemeLight, vscodeThemeKind } = document.body.dataset;
  if (jpThemeLight) return jpThemeLight === "false";
  if (vscodeThemeKind) return /dark|contrast$/.test(vscodeThemeKind);
  const colab = document.documentElement.getAttribute("theme");
  return colab ? colab === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

// ------------------------------------------------------------------------------------------- the tree and its replay

/** Parallel lists as Python wrote them, with what drawing needs beside them: children, depths, the replay. */
class Tree {
  constructor(json) {
    for (const name of COLUMNS) this[name] = json[name];
    this.meta = json.meta ?? {};
    this.events = json.events ?? [];
    this.size = this.parent.length;
    this.children = this.parent.map(() => []);
    [this.labels, this.moves] = [[], []]; // texts as drawn, made when first asked for
    this.depth = new Int32Array(this.size);
    for (let i = 1; i < this.size; i++) {
      this.children[this.parent[i]].push(i);
      this.depth[i] = this.depth[this.parent[i]] + 1;
    }
    const better = (a, b) => this.followed[b] - this.followed[a] || (this.prior[b] ?? 0) - (this.prior[a] ?? 0) || a - b;
    for (const list of this.children) list.sort(better);
    // where the replay stops for step k: before the event that makes node k + 1 appear
    this.until = new Int32Array(this.size).fill(this.events.length);
    this.events.forEach(([kind, node], at) => { if (kind === "expand" && node) this.until[node - 1] = at; });
    this.rewind();
  }

  rewind() {
    const { size } = this, logged = this.events.length > 0;
    const [N, W, n] = [0, 0, 0].map(() => new Float64Array(size));
    const known = new Uint8Array(size).fill(logged ? 0 : 1), pruned = new Uint8Array(size);
    this.now = { step: -1, at: 0, sampled: 0, route: [], N, W, n, known, pruned };
    if (!logged) { this.now.N.set(this.visits); this.now.W.set(this.total); this.now.n.set(this.followed); }
  }

  /** The statistics as they were at a step: N, W, n (of the line), known values, pruned nodes, nodes below each. */
  at(step) {
    if (step < this.now.step) this.rewind();
    const now = this.now;
    if (step === now.step) return now;
    for (; now.at < this.until[step]; now.at++) {
      const [kind, node, visits, total, sampled] = this.events[now.at];
      now.N[node] = visits; now.W[node] = total; now.sampled = sampled;
      if (kind === "select") { now.n[node]++; if (node) now.route.push(node); else now.route = [0]; }
      else if (kind === "evaluate") now.known[node] = 1;
      else if (kind === "prune") now.pruned[node] = 1;
    }
    const end = step === this.size - 1;
    if (end) { // the lists themselves have the last word
      now.N.set(this.visits); now.W.set(this.total); now.n.set(this.followed); now.known.fill(1);
      now.route = [];
    }
    now.step = step;
    now.below = new Int32Array(this.size);
    for (let i = step; i > 0; i--) now.below[this.parent[i]] += now.below[i] + 1;
    now.principal = new Set(this.principal(now, end));
    return now;
  }

  /** The line the search committed to; before that, or without one, the most followed line. */
  principal(now, end) {
    const stop = lastOf(this.events);
    if (end && stop?.[0] === "stop" && stop[1] > 0) return this.path(stop[1]);
    const path = [0];
    for (;;) {
      const better = (a, b) => (b <= now.step && now.n[b] > (a < 0 ? 0 : now.n[a]) ? b : a);
      const best = this.children[lastOf(path)].reduce(better, -1);
      if (best < 0) return path;
      path.push(best);
    }
  }

  path(node) {
    const path = [];
    for (; node >= 0; node = this.parent[node]) path.push(node);
    return path.reverse();
  }

  first(node) { return this.same[node] ?? node; }
  /** The critic's value once the replay has seen it; a repeated position has that of the first. */
  valueAt(node, now) {
    const first = this.first(node);
    return now.known[node] || now.known[first] ? this.value[node] ?? this.value[first] : null;
  }

  q(node, now) { return now.N[node] ? now.W[node] / now.N[node] : null; }

  labelOf(node) {
    return (this.labels[node] ??= typeset(tidy(this.label[node], 26)) || (STATUS_WORDS[this.status[node]] ?? "…"));
  }

  /** What stands before the equals sign of the line. */
  moveOf(node) {
    const line = this.line[node].slice(0, 60), equals = line.indexOf("=");
    return (this.moves[node] ??= typeset(tidy(equals > 0 ? line.slice(0, equals) : line, 20)));
  }

  /** A node counts as pruned only once the replay has seen it happen. */
  statusAt(node, now) {
    const known = now.pruned[node] || !this.events.length || now.step === this.size - 1;
    return this.status[node] === "pruned" && !known ? "open" : this.status[node];
  }

  /** Index into `shades` for a node's fill. */
  shade(node, now, colour) {
    const scaled = (x, low, high) => (x == null ? UNKNOWN : Math.round(clamp((x - low) / (high - low), 0, 1) * STEPS));
    if (colour === "truth") return this.truth[node] == null ? UNKNOWN : this.truth[node] ? ALIVE : DEAD;
    if (colour === "visits") return scaled(Math.log1p(now.N[node]) / Math.log1p(Math.max(1, now.N[0])), 0, 1);
    if (colour === "prior") return scaled(this.prior[node] == null ? null : Math.sqrt(this.prior[node]), 0, 1);
    return scaled(colour === "mean" ? this.q(node, now) : this.valueAt(node, now), -1, 1);
  }
}

// ------------------------------------------------------------------------------------------------- folding and layout

/** Which subtrees are open: the user's word where there is one, else the most visited that fit a budget of rows. */
class Folds {
  constructor() { this.user = new Map(); this.more = new Map(); this.pinned = new Set(); this.auto = new Set(); }

  isOpen(node) { return this.user.get(node) ?? this.auto.has(node); }

  shown(tree, node) {
    const all = tree.children[node], most = this.more.get(node) ?? CHILDREN;
    return all.length <= most + 1 ? all : all.filter((child, rank) => rank < most || this.pinned.has(child));
  }

  /** Open by visits until so many rows are used up; the committed line in any case. */
  choose(tree, most) {
    this.auto = new Set();
    const end = tree.at(tree.size - 1), waiting = new Set([0]);
    for (const node of end.principal) this.pinned.add(node);
    for (let rows = 1; waiting.size; ) {
      let best = -1, weight = -1;
      for (const node of waiting) {
        const w = tree.followed[node] + (end.principal.has(node) ? 1e9 : 0);
        if (w > weight) [best, weight] = [node, w];
      }
      waiting.delete(best);
      const shown = this.shown(tree, best);
      if (best && !end.principal.has(best) && rows + shown.length > most) continue;
      rows += shown.length;
      this.auto.add(best);
      for (const child of shown) if (tree.children[child].length) waiting.add(child);
    }
  }

  /** Make a node visible: open its ancestors and show it among its siblings. */
  reveal(tree, node) {
    for (const up of tree.path(node)) {
      this.pinned.add(up);
      if (up !== node && !this.isOpen(up)) this.user.set(up, true);
    }
  }
}

/** Rows and columns of what is open, in pixels at zoom 1. `nodes` stands in reading order; `chips` are the "+n more". */
function layOut(tree, folds, measure) {
  const nodes = [], chips = [], y = new Float64Array(tree.size).fill(NaN), stack = [0];
  const labels = [], moves = [];
  let rows = 0;
  while (stack.length) {
    const entry = stack.pop();
    if (entry < 0) { chips.push({ node: ~entry, y: rows++ * ROW }); continue; }
    nodes.push(entry);
    const d = tree.depth[entry];
    labels[d] = Math.max(labels[d] ?? 0, measure(tree.labelOf(entry)));
    moves[d] = Math.max(moves[d] ?? 0, measure(tree.moveOf(entry)) * 0.92);
    const shown = folds.isOpen(entry) ? folds.shown(tree, entry) : [];
    if (!shown.length) { y[entry] = rows++ * ROW; continue; }
    if (shown.length < tree.children[entry].length) stack.push(~entry);
    for (let k = shown.length - 1; k >= 0; k--) stack.push(shown[k]);
  }
  const low = new Float64Array(tree.size).fill(Infinity), high = new Float64Array(tree.size).fill(-Infinity);
  for (let k = nodes.length - 1; k >= 0; k--) {
    const node = nodes[k], up = tree.parent[node];
    if (Number.isNaN(y[node])) y[node] = (low[node] + high[node]) / 2;
    if (up >= 0) { low[up] = Math.min(low[up], y[node]); high[up] = Math.max(high[up], y[node]); }
  }
  const x = [0];
  for (let d = 1; d < labels.length; d++) x[d] = x[d - 1] + labels[d - 1] + FAN + moves[d] + 44;
  const span = Float64Array.from(low, (value, node) => (Number.isFinite(value) ? high[node] - value : 0));
  const ranked = [...nodes].sort((a, b) => tree.visits[b] - tree.visits[a] || a - b);
  const open = Uint8Array.from(low, (value) => (Number.isFinite(value) ? 1 : 0));
  const width = lastOf(x) + lastOf(labels) + 70, height = Math.max(1, rows - 1) * ROW;
  return { nodes, chips, ranked, x, y, span, open, moves, width, height };
}

// -------------------------------------------------------------------------------------------------------- the painter

/** The path of a node by its status, so that colour is never the only mark. */
function trace(ctx, status, x, y, r) {
  ctx.beginPath();
  if (status === "solved") {
    for (let k = 0; k < 10; k++) {
      const reach = (k % 2 ? 0.46 : 1) * (r * 1.25 + 2.5), angle = (k * Math.PI) / 5 - Math.PI / 2;
      ctx.lineTo(x + reach * Math.cos(angle), y + reach * Math.sin(angle));
    }
    ctx.closePath();
  } else if (status === "illegal") traceCross(ctx, x, y, Math.max(3, r * 0.8));
  else if (status === "unfinished") ctx.rect(x - r * 0.85, y - r * 0.85, r * 1.7, r * 1.7);
  else ctx.arc(x, y, r, 0, 2 * Math.PI);
}

function traceCross(ctx, x, y, r) {
  ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r); ctx.moveTo(x + r, y - r); ctx.lineTo(x - r, y + r);
}

/** One node. `hollow`: a dead position where colour shows the truth. */
function paintNode(ctx, theme, status, x, y, r, fill, hollow = false) {
  const pruned = status === "pruned", illegal = status === "illegal", wrong = status === "wrong";
  if (wrong) r = Math.max(r, 4);
  trace(ctx, status, x, y, r);
  ctx.setLineDash(pruned ? [2.5, 2.5] : []);
  ctx.lineWidth = illegal ? 1.8 : hollow ? Math.max(1.6, r * 0.4) : 1;
  ctx.fillStyle = hollow || pruned ? theme.bg : fill;
  ctx.strokeStyle = illegal ? theme.muted : hollow ? fill : pruned || status === "solved" ? theme.ink : theme.rim;
  if (!illegal) ctx.fill();
  ctx.stroke();
  ctx.setLineDash([]);
  if (!wrong) return;
  ctx.beginPath(); traceCross(ctx, x, y, r / 2);
  ctx.lineWidth = 1.4; ctx.strokeStyle = hollow ? fill : contrast(fill); ctx.stroke();
}

/** One picture of a view; afterwards it knows what lies under a point. `pills` are [x0, y0, x1, y1, node, action]. */
class Frame {
  constructor(ctx, view) {
    const { tree, layout, zoom, step } = view;
    Object.assign(this, { ctx, view, tree, layout, zoom, step, theme: view.theme, now: tree.at(step), pills: [] });
    this.root = Math.max(1, this.now.N[0]);
    this.size = clamp(12 * zoom, 10.5, 18); // of letters; they grow and shrink less than the tree
    this.row = ROW * zoom;
    this.withMoves = zoom > 0.5 && view.sx > 0.8;
    this.inside = layout.nodes.filter((node) => this.isInside(node));
    this.crowd = this.inside.length > 1500;
    this.labels = this.placeLabels();
  }

  x(node) { return this.view.tx + this.layout.x[this.tree.depth[node]] * this.view.sx; }
  y(node) { return this.view.ty + this.layout.y[node] * this.zoom; }
  isThere(node) { return node >= 0 && node <= this.step && !Number.isNaN(this.layout.y[node]); }
  isInside(node) { return node <= this.step && this.y(node) > -30 && this.y(node) < this.view.height + 30; }

  radius(node) {
    const { now, zoom } = this;
    const full = (now.N[node] ? 3.6 + 8 * Math.sqrt(now.N[node] / this.root) : 3) * clamp(zoom, 0.7, 1.6);
    return Math.max(1.1, Math.min(full, 0.5 * (this.row + this.layout.span[node] * zoom)));
  }

  /** Widths of the labels that have room: none overlaps another of its column, the most visited come first. */
  placeLabels() {
    const { view, tree, layout, size } = this, { x } = layout, labels = new Map(), taken = new Map();
    const place = (node) => {
      const d = tree.depth[node], y = this.y(node), slot = 1e6 * d + Math.floor(y / (size * 1.2));
      if ([-1, 0, 1].some((k) => Math.abs((taken.get(slot + k) ?? Infinity) - y) < size * 1.2)) return;
      const wide = (view.measure(tree.labelOf(node)) * size) / 12;
      if (d + 1 < x.length && wide > (x[d + 1] - x[d]) * view.sx - 24) return;
      taken.set(slot, y);
      labels.set(node, wide);
    };
    if (this.isThere(view.selected) && this.isInside(view.selected)) place(view.selected);
    for (const node of layout.ranked) if (this.isInside(node)) place(node);
    return labels;
  }

  /** Where the label of a node ends and its edges begin. */
  end(node) {
    const r = this.radius(node), wide = this.labels.get(node);
    return this.x(node) + (wide === undefined ? 0.7 * r : r + GAP + wide + 5);
  }

  paint() {
    this.ctx.clearRect(0, 0, this.view.width, this.view.height);
    Object.assign(this.ctx, { textBaseline: "middle", textAlign: "left", lineJoin: "round", direction: "ltr" });
    for (const part of ["Edges", "Links", "Nodes", "Words", "Chips", "Rings", "Headings"]) this[`paint${part}`]();
    return this;
  }

  /** What is under a point: a pill, else the node of the nearest row within reach; null for none. */
  find(x, y) {
    const pill = this.pills.find(([x0, y0, x1, y1]) => x >= x0 && x <= x1 && y >= y0 && y <= y1);
    if (pill) return { node: pill[4], action: pill[5] };
    let best = null, least = Infinity;
    for (const node of this.inside) {
      const r = this.radius(node), away = Math.abs(y - this.y(node)), middle = this.x(node);
      if (away >= least || away > Math.max(r, this.row / 2, 4)) continue;
      if (x < middle - r - 5 || x > Math.max(middle + r + 4, this.end(node))) continue;
      [best, least] = [{ node, action: "select" }, away];
    }
    return best;
  }

  /** Edges in bundles of equal looks: thousands of curves in a few strokes. */
  paintEdges() {
    const { ctx, theme, tree, now, zoom, crowd } = this, route = new Set(now.route), bundles = new Map(), drawn = [];
    for (const node of this.layout.nodes) {
      const up = tree.parent[node];
      if (up < 0 || node > this.step) continue;
      const y = this.y(node), rank = route.has(node) ? 2 : now.principal.has(node) ? 1 : 0;
      if (Math.max(y, this.y(up)) < 0 || Math.min(y, this.y(up)) > this.view.height) continue;
      if (crowd && !rank && Math.abs(y - (drawn[up] ?? -9)) < 1.5) continue; // its neighbour's edge covers it
      drawn[up] = y;
      const key = 10 * rank + Math.round(clamp(8 * Math.sqrt(now.n[node] / this.root), 0, 8));
      if (!bundles.has(key)) bundles.set(key, []);
      bundles.get(key).push(node);
    }
    for (const key of [...bundles.keys()].sort((a, b) => a - b)) {
      ctx.globalAlpha = crowd && key < 10 ? clamp((4 * this.row) / ROW, 0.6, 1) : 1;
      ctx.strokeStyle = [theme.edge, theme.path, theme.mark][Math.floor(key / 10)];
      ctx.lineWidth = Math.max(crowd ? 0.5 : 1, (1 + (key % 10) * 0.75) * clamp(zoom, 0.3, 1.4));
      const nodes = bundles.get(key);
      for (let k = 0; k < nodes.length; k += 150) { // a longer path is slower than several
        ctx.beginPath();
        for (const node of nodes.slice(k, k + 150)) this.traceEdge(node);
        ctx.stroke();
      }
    }
    ctx.globalAlpha = 1;
  }

  traceEdge(node) {
    const { ctx, tree } = this, up = tree.parent[node];
    const [x0, x1, y0, y1] = [this.end(up), this.x(node), this.y(up), this.y(node)];
    const move = this.withMoves ? (this.layout.moves[tree.depth[node]] * this.size) / 12 + 22 * this.zoom : 0;
    const turn = Math.min(x1, Math.max(x0 + 12, x1 - move)), middle = (x0 + turn) / 2;
    ctx.moveTo(x0, y0);
    ctx.bezierCurveTo(middle, y0, middle, y1, turn, y1);
    if (move) ctx.lineTo(x1, y1);
  }

  /** Links between equal positions, for the selected and the hovered node. */
  paintLinks() {
    const { ctx, tree, view } = this, pointed = [view.selected, view.hover].filter((node) => node >= 0);
    const shown = pointed.map((node) => tree.first(node));
    Object.assign(ctx, { strokeStyle: this.theme.mark, lineWidth: 1.3 });
    ctx.setLineDash([4, 3]);
    for (const node of this.layout.nodes) {
      const first = tree.same[node];
      if (first == null || !shown.includes(first) || !this.isThere(node) || !this.isThere(first)) continue;
      const [x0, x1, y0, y1] = [this.end(node) + 9, this.end(first) + 9, this.y(node), this.y(first)];
      const bend = 40 + Math.min(90, Math.abs(y0 - y1) * 0.2);
      ctx.beginPath(); ctx.moveTo(x0, y0); ctx.bezierCurveTo(x0 + bend, y0, x1 + bend, y1, x1, y1); ctx.stroke();
    }
    ctx.setLineDash([]);
  }

  /** Nodes with their shapes; in a crowd little bars, one a pixel row and column, the most visited first. */
  paintNodes() {
    const { ctx, view, tree, now, crowd } = this, fills = view.fills, taken = new Set();
    for (const node of crowd ? this.layout.ranked : this.inside) {
      if (crowd && !this.isInside(node)) continue;
      const x = this.x(node), y = this.y(node), r = this.radius(node), shade = tree.shade(node, now, view.colour);
      const status = tree.statusAt(node, now), spot = 1e5 * tree.depth[node] + Math.round(y);
      const tiny = crowd && r < 4 && status !== "solved";
      if (tiny && taken.has(spot)) continue;
      taken.add(spot);
      if (tiny) { ctx.fillStyle = fills[shade]; ctx.fillRect(x - r, y - 0.6 * r, 2 * r, 1.2 * r); }
      else paintNode(ctx, this.theme, status, x, y, r, fills[shade], shade === DEAD);
    }
  }

  write(text, x, y, colour, scale = 1, halo = 0, bold = false) {
    const { ctx } = this;
    ctx.font = `${bold ? 600 : 400} ${this.size * scale}px ${FONT}`;
    if (halo) { Object.assign(ctx, { strokeStyle: this.theme.bg, lineWidth: halo }); ctx.strokeText(text, x, y + 0.5); }
    ctx.fillStyle = colour; ctx.fillText(text, x, y + 0.5);
  }

  /** Labels beside nodes, moves on edges, and what is folded under a node. */
  paintWords() {
    const { ctx, theme, tree, now } = this;
    for (const [node, wide] of this.labels) {
      const x = this.x(node), y = this.y(node), r = this.radius(node), after = x + r + GAP + wide + GAP;
      const principal = now.principal.has(node), folded = !this.layout.open[node] && now.below[node];
      const faint = now.N[0] && !now.N[node] && tree.status[node] !== "solved";
      this.write(tree.labelOf(node), x + r + GAP, y, faint ? theme.muted : theme.ink, 1, 3, principal);
      if (folded && this.row > 11) this.paintPill(`+${folded}`, after + 2, y, node, "open");
      else if (tree.same[node] != null) this.write("≡", after, y, theme.muted);
      if (!this.withMoves || !node) continue;
      const move = tree.moveOf(node), broad = (this.view.measure(move) * this.size) / 12, left = x - r - 12 - 0.9 * broad;
      ctx.fillStyle = theme.bg; ctx.fillRect(left - 5, y - this.size / 2, 0.9 * broad + 10, this.size); // a gap in the edge
      this.write(move, left, y, principal ? theme.ink : theme.muted, 0.92);
    }
  }

  paintChips() {
    const { tree, layout, view, step } = this, count = (nodes) => nodes.filter((node) => node <= step).length;
    for (const { node, y } of layout.chips) {
      const middle = view.ty + y * this.zoom, hidden = count(tree.children[node]) - count(view.folds.shown(tree, node));
      if (hidden && this.row > 11 && middle > 0 && middle < view.height)
        this.paintPill(`+${hidden} more`, view.tx + layout.x[tree.depth[node] + 1] * view.sx - 8, middle, node, "more");
    }
  }

  paintPill(words, x, y, node, action) {
    const { ctx, theme, size } = this, tall = Math.min(size + 5, this.row - 1.5);
    ctx.font = `${size * 0.88}px ${FONT}`;
    const wide = ctx.measureText(words).width + 12;
    ctx.beginPath(); ctx.roundRect(x, y - tall / 2, wide, tall, tall / 2);
    Object.assign(ctx, { fillStyle: theme.panel, strokeStyle: theme.line, lineWidth: 1 });
    ctx.fill(); ctx.stroke();
    this.write(words, x + 6, y, theme.muted, 0.88);
    this.pills.push([x, y - tall / 2, x + wide, y + tall / 2, node, action]);
  }

  /** Rings: found by search, appeared just now, under the pointer, selected. */
  paintRings() {
    const { ctx, view, theme } = this, ring = (node, strokeStyle, lineWidth) => {
      if (!this.isThere(node)) return;
      Object.assign(ctx, { strokeStyle, lineWidth });
      ctx.beginPath(); ctx.arc(this.x(node), this.y(node), this.radius(node) + 3.5, 0, 2 * Math.PI); ctx.stroke();
    };
    for (const node of view.matches) ring(node, theme.mark, 2);
    if (this.step < this.tree.size - 1) ring(this.step, theme.mark, 1.5);
    if (view.hover !== view.selected) ring(view.hover, theme.muted, 1.2);
    ring(view.selected, theme.ink, 2);
  }

  paintHeadings() {
    const { ctx, view, theme, layout } = this;
    Object.assign(ctx, { fillStyle: theme.bg, globalAlpha: 0.88 });
    ctx.fillRect(0, 0, view.width, TOP - 4);
    Object.assign(ctx, { fillStyle: theme.muted, globalAlpha: 1, font: `11px ${FONT}` });
    let free = -Infinity;
    layout.x.forEach((at, d) => {
      const x = view.tx + at * view.sx - 6;
      if (x < free) return;
      ctx.fillText(d ? `step ${d}` : "start", x, 14);
      free = x + 48;
    });
  }
}

// ------------------------------------------------------------------------------------- the words: legend and inspector

/** A little drawing of 14 pixels' height. */
function swatch(width, draw) {
  const dpr = globalThis.devicePixelRatio || 1;
  const canvas = h("canvas", { width: width * dpr, height: 14 * dpr, "aria-hidden": "true" }), ctx = canvas.getContext("2d");
  Object.assign(canvas.style, { width: `${width}px`, height: "14px" });
  ctx.scale(dpr, dpr);
  draw(ctx);
  return canvas;
}

/** The legend: what colour shows, and the marks that this tree has. */
function explain({ theme, tree, colour, fills }) {
  const entry = (words, width, draw) => h("span", {}, swatch(width, draw), words);
  const dot = (words, status, fill, hollow) =>
    entry(words, 15, (ctx) => paintNode(ctx, theme, status, 7.5, 7, status === "solved" ? 3.4 : 4.5, fill, hollow));
  const entries = [];
  if (colour === "truth") {
    entries.push(dot("alive: solvable", "open", theme.alive), dot("dead: out of reach", "open", theme.dead, true));
    const unknown = tree.truth.some((truth, node) => truth == null && tree.status[node] !== "illegal");
    if (unknown) entries.push(dot("unknown", "open", theme.unknown));
  } else {
    const [low, high] = { visits: ["0", String(tree.visits[0])], prior: ["0", "1"] }[colour] ?? ["−1", "+1"];
    const bar = swatch(88, (ctx) => fills.slice(0, STEPS + 1).forEach((fill, k) => {
      ctx.fillStyle = fill; ctx.fillRect((k * 88) / (STEPS + 1), 3, 4, 8);
    }));
    entries.push(h("span", {}, `${COLOURS[colour]}  ${low}`, bar, high));
  }
  for (const [status, words] of Object.entries(STATUS_WORDS))
    if (tree.status.includes(status)) entries.push(dot(words, status, theme.unknown));
  const sizes = [[3, 2.2], [11, 4], [22.5, 6]];
  entries.push(entry("visits", 30, (ctx) => sizes.forEach(([x, r]) => paintNode(ctx, theme, "open", x, 7, r, theme.unknown))));
  entries.push(entry("principal line", 20, (ctx) => { ctx.fillStyle = theme.path; ctx.fillRect(0, 5.5, 20, 3); }));
  if (tree.same.some((same) => same != null)) entries.push(h("span", {}, "≡ same position as an earlier node"));
  return entries;
}

/** The inspector: everything known of the selected node at this step. */
function describe(view) {
  const { tree, selected: node, step } = view, now = tree.at(step);
  if (node < 0 || node > step) return [h("div", { class: "sub" }, "Click a node to read it.")];
  const maybe = (x, write = signed) => (x == null ? "–" : write(x)), count = (x) => x.toLocaleString("en");
  const facts = { Status: STATUS_WORDS[tree.status[node]] ?? tree.status[node],
    Truth: tree.truth[node] == null ? null : tree.truth[node] ? "alive" : "dead",
    "Critic's value": maybe(tree.valueAt(node, now)), "Mean value Q": maybe(tree.q(node, now)),
    "Visits N": count(now.N[node]), "Line followed n": count(now.n[node]),
    "Prior P": maybe(tree.prior[node], (p) => `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`),
    "Log-probability": maybe(tree.logprob[node]), Tokens: count(tree.tokens[node]), Node: `${node}, depth ${tree.depth[node]}` };
  const parts = [h("h3", { dir: "auto" }, tree.labelOf(node)),
    h("div", { class: "sub", dir: "auto" }, typeset(tidy(tree.expression[node], 400)) || (node ? "" : "the start"))];
  const add = (title, ...elements) => parts.push(h("h4", {}, title), ...elements);
  if (tree.line[node]) add("Line as sampled", h("pre", { dir: "auto" }, tree.line[node].slice(0, 20000)));
  if (tree.reason[node]) add("Why not", h("div", { class: "sub", dir: "auto" }, tidy(tree.reason[node], 400)));
  const known = Object.entries(facts).filter(([, value]) => value != null);
  parts.push(h("dl", {}, ...known.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])));

  const jump = (i, ...cells) =>
    h("button", { class: "move", click: () => view.select(i), title: tidy(tree.line[i], 200), ...QUIET }, ...cells);
  const kids = tree.children[tree.first(node)].filter((child) => child <= step);
  const most = kids.reduce((a, child) => Math.max(a, now.n[child]), 1);
  const share = (part) => {
    const fill = h("div");
    fill.style.width = `${100 * part}%`;
    return h("div", { class: "share" }, fill);
  };
  if (kids.length) add(`Lines from here (${kids.length})`, ...kids.slice(0, 40).map((i) =>
    jump(i, h("span", {}, tree.moveOf(i) || tree.labelOf(i)), share(now.n[i] / most), h("span", {}, count(now.n[i])))));
  const equal = [];
  for (let i = 0; i <= step && equal.length < 8; i++)
    if (i !== node && tree.first(i) === tree.first(node)) equal.push(i);
  const title = (i) => h("span", { class: "wide" }, `node ${i}:  ${tree.moveOf(i) || "start"}`);
  if (equal.length) add("Same position", ...equal.map((i) => jump(i, title(i))));
  return parts;
}

// ----------------------------------------------------------------------------------------------------------- the view

class View {
  constructor(model, el) {
    Object.assign(this, { model, el, folds: new Folds(), zoom: 1, tx: 0, ty: 0, width: 0, height: 0 });
    Object.assign(this, { hover: -1, matches: [], touched: false, playing: 0, widths: new Map() });
    this.build();
    this.measuring = document.createElement("canvas").getContext("2d");
    this.measuring.font = `600 12px ${FONT}`;
    this.measure = (text) => {
      if (!this.widths.has(text)) this.widths.set(text, this.measuring.measureText(text).width);
      return this.widths.get(text);
    };
    this.changes = { tree: () => this.load(), selected: () => this.select(model.get("selected"), true),
      step: () => model.get("step") !== this.step && this.goTo(model.get("step")),
      colour: () => model.get("colour") !== this.colour && this.paintAs(model.get("colour")), height: () => this.resize() };
    for (const [name, handler] of Object.entries(this.changes)) model.on(`change:${name}`, handler);
    this.observers = [new ResizeObserver(() => this.measureStage()), new MutationObserver(() => this.dress())];
    this.observers[0].observe(this.stage);
    const attributeFilter = ["data-jp-theme-light", "data-vscode-theme-kind", "theme"];
    for (const part of [document.body, document.documentElement]) this.observers[1].observe(part, { attributeFilter });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", (this.onScheme = () => this.dress()));
    this.load();
    this.resize();
  }

  /** What scripts and tests may rely on; positions are in the coordinates of the page. */
  handle() {
    const act = {};
    for (const name of ["select", "goTo", "toggle", "fit", "stop"]) act[name] = (value) => { this[name](value); };
    const positionOf = (node) => {
      if (node > this.step || Number.isNaN(this.layout.y[node])) return null;
      const box = this.canvas.getBoundingClientRect(), { x, y } = this.anchor(node);
      return { x: box.x + x, y: box.y + y };
    };
    const state = () => {
      const { tree, step, selected, colour, zoom, tx, ty } = this;
      return { step, selected, colour, zoom, tx, ty, nodes: tree.size, shown: this.layout.nodes.filter((i) => i <= step),
        visits: Array.from(tree.at(step).N), matches: [...this.matches], pills: this.frame?.pills ?? [],
        theme: this.theme === THEMES.dark ? "dark" : "light", playing: !!this.playing };
    };
    return { ...act, unfold: () => this.unfold(true), positionOf, state };
  }

  build() {
    const button = (name, title, click) => h("button", { class: "icon", title, "aria-label": title, click, ...QUIET }, icon(name));
    const group = (...buttons) => h("span", { class: "group" }, ...buttons);
    this.titleBar = h("div", { class: "title" });
    this.colourBox = h("select", { "aria-label": "Colour", title: "What the colour of a node shows", ...QUIET,
      change: () => this.paintAs(this.colourBox.value) },
      ...Object.entries(COLOURS).map(([value, words]) => h("option", { value }, words)));
    this.searchBox = h("input", { type: "search", placeholder: "Search", "aria-label": "Search the text of nodes", ...QUIET,
      input: () => this.search(), keydown: (event) => {
        if (event.key === "Enter") this.nextMatch(event.shiftKey ? -1 : 1);
        else if (event.key === "Escape") { this.searchBox.value = ""; this.search(); this.canvas.focus(); }
      } });
    this.found = h("span", { class: "found", role: "status" });
    this.canvas = h("canvas", { class: "tree", tabindex: "0", role: "application", ...QUIET,
      "aria-label": "Search tree. Arrow keys move the selection, Enter folds, space plays, plus and minus zoom, 0 fits." });
    this.stage = h("div", { class: "stage" }, this.canvas);
    this.side = h("aside", { class: "side", "aria-live": "polite", "aria-label": "Selected node" });
    this.playButton = button("play", "Replay the search (space)", () => this.play());
    this.slider = h("input", { type: "range", min: "0", step: "1", "aria-label": "Replay: nodes expanded so far", ...QUIET,
      input: () => { this.stop(); this.goTo(Number(this.slider.value)); } });
    this.said = h("span", { class: "said" });
    this.legend = h("div", { class: "legend" });
    this.root = h("div", { class: "view", ...QUIET },
      h("div", { class: "bar top" }, this.titleBar, this.searchBox, this.found, this.colourBox,
        group(button("unfold", "Unfold all", () => this.unfold(true)), button("fold", "Fold back", () => this.unfold(false))),
        group(button("minus", "Zoom out (−)", () => this.zoomBy(1 / 1.4)), button("plus", "Zoom in (+)", () => this.zoomBy(1.4)),
          button("fit", "Fit (0)", () => this.fit()))),
      h("div", { class: "main" }, this.stage, this.side),
      h("div", { class: "bar foot" }, this.playButton, this.slider, this.said), this.legend);
    // JupyterLab sees the keys of a shadow root at its host
    this.host = h("div", { class: "game24-treeview", ...QUIET });
    this.host.__treeview = this.handle();
    const shadow = this.host.attachShadow({ mode: "open" }), sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE); // a constructed sheet: allowed under the strictest content policy
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.root);
    this.el.append(this.host);
    this.ctx = this.canvas.getContext("2d");
    this.listen();
  }

  listen() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return [event.clientX - box.x, event.clientY - box.y];
    };
    const down = new Map();
    let moved = 0;
    const on = (name, handler, options) => this.canvas.addEventListener(name, handler, options);
    on("pointerdown", (event) => {
      this.canvas.focus({ preventScroll: true });
      this.canvas.setPointerCapture(event.pointerId);
      if (!down.size) moved = 0;
      down.set(event.pointerId, at(event));
    });
    on("pointermove", (event) => {
      const [x, y] = at(event), before = down.get(event.pointerId);
      if (!before) {
        const hit = this.frame?.find(x, y), hover = hit?.node ?? -1;
        this.canvas.style.cursor = hit ? "pointer" : "grab";
        if (hover !== this.hover) { this.hover = hover; this.draw(); }
        return;
      }
      moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1];
      if (other) { // two fingers: zoom about the one that rests
        const far = (p) => Math.hypot(p[0] - other[0], p[1] - other[1]);
        this.zoomBy(far([x, y]) / Math.max(1, far(before)), ...other);
      } else if (moved > 3) this.pan(x - before[0], y - before[1]);
      down.set(event.pointerId, [x, y]);
    });
    for (const name of ["pointerup", "pointercancel"]) on(name, (event) => {
      const hit = name === "pointerup" && moved <= 3 && this.frame?.find(...at(event));
      down.delete(event.pointerId);
      if (hit) this.act(hit.node, hit.action);
    });
    on("pointerleave", () => { this.hover = -1; this.draw(); });
    on("dblclick", (event) => {
      const hit = this.frame?.find(...at(event));
      if (hit?.action === "select") this.toggle(hit.node);
    });
    on("wheel", (event) => {
      // in a notebook the wheel scrolls the page until the tree has been clicked
      const idle = this.model.get("height") > 0 && this.host.shadowRoot.activeElement !== this.canvas;
      if (idle && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-clamp(event.deltaY * (event.deltaMode ? 20 : 1), -240, 240) / 400), ...at(event));
    }, { passive: false });
    on("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { tree, selected } = this, sideways = (way) => {
      const level = this.layout.nodes.filter((i) => i <= this.step && tree.depth[i] === tree.depth[selected]);
      return this.select(level[level.indexOf(selected) + way] ?? selected);
    };
    const inward = () => {
      if (!this.layout.open[selected] && tree.children[selected].length) this.toggle(selected);
      const child = this.folds.shown(tree, selected).find((i) => i <= this.step);
      if (child !== undefined) this.select(child);
    };
    const keys = { ArrowUp: () => sideways(-1), ArrowDown: () => sideways(1), ArrowRight: inward,
      ArrowLeft: () => tree.parent[selected] >= 0 && this.select(tree.parent[selected]), Home: () => this.select(0),
      Enter: () => this.toggle(selected), " ": () => this.play(), "/": () => this.searchBox.focus(),
      "+": () => this.zoomBy(1.4), "=": () => this.zoomBy(1.4), "-": () => this.zoomBy(1 / 1.4), 0: () => this.fit(),
      ",": () => this.goTo(this.step - 1), ".": () => this.goTo(this.step + 1) };
    if (!keys[event.key]) return;
    event.preventDefault(); event.stopPropagation();
    if (selected < 0 && event.key.startsWith("Arrow")) this.select(0);
    else keys[event.key]();
  }

  act(node, action) {
    if (action === "select") this.select(node);
    else if (action === "open") this.toggle(node);
    else { this.folds.more.set(node, (this.folds.more.get(node) ?? CHILDREN) + 12); this.arrange(node); }
  }

  // ---- state: each of these is called by the user's hands and by the model alike

  push(name, value) {
    if (this.model.get(name) === value) return;
    this.model.set(name, value);
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.model.save_changes(), 40);
  }

  /** Take the model's tree; one that has grown keeps folds, pan, zoom and selection, another one starts anew. */
  load() {
    const old = this.tree, tree = (this.tree = new Tree(this.model.get("tree"))), end = old && old.size - 1;
    const grown = old && tree.size > end && tree.label[0] === old.label[0] && tree.line[end] === old.line[end];
    const following = !old || this.step >= end, before = grown && this.anchor(this.selected);
    if (!grown) Object.assign(this, { folds: new Folds(), touched: false });
    this.stop();
    this.folds.choose(this.tree, this.rows);
    const last = this.tree.size - 1, wanted = this.model.get("step");
    this.step = following && old ? last : clamp(wanted, 0, last);
    this.selected = clamp(this.model.get("selected"), -1, last);
    if (this.selected > 0) this.folds.reveal(this.tree, this.selected);
    this.colour = this.model.get("colour");
    this.slider.max = last;
    const { problem, strategy, mode, answer, solved } = this.tree.meta;
    const outcome = answer ? `${solved ? "solved" : "answer"}: ${typeset(tidy(answer, 60))}` : solved === false && "not solved";
    const facts = [tidy(strategy ?? "", 40), tidy(mode ?? "", 40), outcome].filter(Boolean);
    this.titleBar.replaceChildren(h("b", {}, tidy([].concat(problem ?? "").join(" "), 80)), facts.join("  ·  "));
    this.arrange(0, before);
    if (!this.touched) this.fit();
    this.dress();
    this.push("step", this.step);
  }

  /** Lay out anew and keep a node where it stands on the screen. */
  arrange(node, before = this.anchor(node)) {
    this.layout = layOut(this.tree, this.folds, this.measure);
    if (before && !Number.isNaN(this.layout.y[before.node])) {
      const after = this.anchor(before.node);
      this.tx += before.x - after.x; this.ty += before.y - after.y;
    }
    this.draw();
  }

  /** A node and where it stands on the canvas; the root for one that is folded away. */
  anchor(node) {
    if (!this.layout) return null;
    const { x, y } = this.layout, kept = node > 0 && !Number.isNaN(y[node]) ? node : 0;
    return { node: kept, x: this.tx + x[this.tree.depth[kept]] * this.sx, y: this.ty + y[kept] * this.zoom };
  }

  select(node, byModel = false) {
    node = clamp(node ?? -1, -1, this.tree.size - 1);
    if (node === this.selected && byModel) return;
    this.selected = node;
    if (node > this.step) this.goTo(node);
    if (node >= 0 && Number.isNaN(this.layout.y[node])) { this.folds.reveal(this.tree, node); this.arrange(0); }
    if (node >= 0) {
      const { x, y } = this.anchor(node);
      const dx = clamp(x, 40, this.width - 110) - x, dy = clamp(y, TOP + 20, this.height - 24) - y;
      if (this.width && (dx || dy)) this.pan(dx, dy);
    }
    this.side.replaceChildren(...describe(this));
    this.draw();
    this.push("selected", node);
  }

  goTo(step) {
    this.step = clamp(Math.round(step ?? 0), 0, this.tree.size - 1);
    this.say();
    this.side.replaceChildren(...describe(this));
    this.draw();
    this.push("step", this.step);
  }

  paintAs(colour) {
    this.colour = colour in COLOURS ? colour : "value";
    this.dress();
    this.push("colour", this.colour);
  }

  toggle(node) {
    if (node < 0 || !this.tree.children[node].length) return;
    this.folds.user.set(node, !this.folds.isOpen(node));
    this.arrange(node);
  }

  unfold(all) {
    this.folds = new Folds();
    this.folds.choose(this.tree, this.rows);
    if (all) for (let node = 0; node < this.tree.size; node++) {
      this.folds.user.set(node, true);
      this.folds.more.set(node, Infinity);
    } else if (this.selected > 0) this.folds.reveal(this.tree, this.selected);
    this.arrange(0);
    this.fit();
  }

  play() {
    if (this.playing) return this.stop();
    if (this.step >= this.tree.size - 1) this.goTo(0);
    const pace = Math.max(8, this.tree.size / 20) / 1000; // steps a millisecond: at most 20 seconds for a whole search
    const from = this.step;
    let began = null;
    const tick = (time) => {
      began ??= time;
      const step = Math.min(this.tree.size - 1, from + Math.floor((time - began) * pace));
      if (step !== this.step) this.goTo(step);
      if (step >= this.tree.size - 1) this.stop();
      else this.playing = requestAnimationFrame(tick);
    };
    this.playing = requestAnimationFrame(tick);
    this.playButton.replaceChildren(icon("pause"));
    this.side.setAttribute("aria-live", "off");
  }

  stop() {
    cancelAnimationFrame(this.playing);
    this.playing = 0;
    this.playButton.replaceChildren(icon("play"));
    this.side.setAttribute("aria-live", "polite");
  }

  search() {
    const wanted = this.searchBox.value.trim().toLowerCase(), { tree } = this;
    const texts = [tree.label, tree.line, tree.expression, tree.reason, tree.status];
    this.matches = [];
    if (wanted) for (let i = 0; i < tree.size; i++)
      if (texts.some((list) => list[i].toLowerCase().includes(wanted))) this.matches.push(i);
    this.found.textContent = wanted ? `${this.matches.length} found` : "";
    this.draw();
  }

  nextMatch(way) {
    const { matches } = this;
    if (!matches.length) return;
    const at = matches.indexOf(this.selected), next = at < 0 ? 0 : (at + way + matches.length) % matches.length;
    this.select(matches[next]);
    this.found.textContent = `${next + 1} of ${matches.length}`;
  }

  // ---- pan and zoom: rows are `zoom` high; columns are as wide, but never narrower than fills the view

  /** Rows that are unfolded at first: as many as can be read at once. */
  get rows() { return clamp(Math.floor(((this.height || 560) - TOP - PAD) / 15.5), 14, 60); }

  get sx() { return Math.max(this.zoom, clamp((this.width - 2 * PAD) / this.layout.width, 0, 1.3)); }

  pan(dx, dy) {
    this.touched = true;
    this.tx = clamp(this.tx + dx, 80 - this.layout.width * this.sx, this.width - 80);
    this.ty = clamp(this.ty + dy, 60 - this.layout.height * this.zoom, this.height - 40);
    this.draw();
  }

  zoomBy(factor, x = this.width / 2, y = this.height / 2) {
    const wx = (x - this.tx) / this.sx, wy = (y - this.ty) / this.zoom; // what is under the point stays there
    const least = Math.min(0.3, (this.height - 80) / this.layout.height);
    this.zoom = clamp(this.zoom * factor, Math.max(0.0005, least / 2), 4);
    this.tx = x - wx * this.sx; this.ty = y - wy * this.zoom;
    this.pan(0, 0);
  }

  fit() {
    if (!this.width) return;
    const { width, height } = this.layout;
    const [high, wide] = [(this.height - TOP - 2 * PAD) / height, (this.width - 2 * PAD) / width];
    this.zoom = clamp(Math.min(high, Math.max(0.6, wide)), 0.0005, 1.25);
    this.tx = Math.max(PAD, (this.width - width * this.sx) / 2);
    this.ty = TOP + (this.height - TOP - height * this.zoom) / 2;
    this.touched = false;
    this.draw();
  }

  resize() {
    const height = this.model.get("height");
    this.host.style.height = height > 0 ? `${height}px` : "100%";
  }

  measureStage() {
    const box = this.stage.getBoundingClientRect(), dpr = globalThis.devicePixelRatio || 1;
    [this.width, this.height] = [box.width, box.height];
    this.canvas.width = Math.round(box.width * dpr); this.canvas.height = Math.round(box.height * dpr);
    this.ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    if (!this.touched) { this.folds.choose(this.tree, this.rows); this.arrange(0); this.fit(); }
    this.draw(true);
  }

  draw(atOnce = false) {
    const frame = () => {
      this.drawing = 0;
      if (this.width && this.layout) this.frame = new Frame(this.ctx, this).paint();
    };
    if (atOnce) { cancelAnimationFrame(this.drawing); frame(); }
    else this.drawing ||= requestAnimationFrame(frame);
  }

  // ---- the words around the canvas

  dress() {
    this.theme = isDark() ? THEMES.dark : THEMES.light;
    for (const name of ["bg", "panel", "line", "ink", "muted", "path"])
      this.root.style.setProperty(`--${name}`, this.theme[name]);
    this.root.style.colorScheme = this.theme === THEMES.dark ? "dark" : "light";
    this.fills = shades(this.theme, this.colour);
    this.colourBox.value = this.colour;
    this.legend.replaceChildren(...explain(this));
    this.say();
    this.side.replaceChildren(...describe(this));
    this.draw();
  }

  say() {
    const { sampled } = this.tree.at(this.step), tokens = `${sampled.toLocaleString("en")} tokens sampled`;
    this.slider.value = this.step;
    this.said.textContent = `node ${this.step} of ${this.tree.size - 1}  ·  ${tokens}`;
  }

  destroy() {
    this.stop();
    for (const [name, handler] of Object.entries(this.changes)) this.model.off(`change:${name}`, handler);
    for (const observer of this.observers) observer.disconnect();
    this.scheme.removeEventListener("change", this.onScheme);
    cancelAnimationFrame(this.drawing);
    this.host.remove();
  }
}

function render({ model, el }) {
  const view = new View(model, el);
  return () => view.destroy();
}

export default { render };
