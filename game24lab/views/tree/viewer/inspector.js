/**
 * The words around the picture: the legend, the timeline's account of a moment, and all that is known of one node.
 */

import { COLOURS, EDGES, SIZES, STEPS } from "./palette.js";
import { paintNode } from "./painter.js";
import { STATUS_WORDS } from "./replay.js";
import { count, h, QUIET, signed, tidy, typeset } from "./words.js";

const LINES = 4; // from a position that stand unfolded

/** A little drawing of 14 pixels' height. */
export function swatch(width, draw) {
  const dpr = globalThis.devicePixelRatio || 1;
  const canvas = h("canvas", { width: width * dpr, height: 14 * dpr, "aria-hidden": "true" });
  const ctx = canvas.getContext("2d");
  Object.assign(canvas.style, { width: `${width}px`, height: "14px" });
  ctx.scale(dpr, dpr);
  draw(ctx);
  return canvas;
}

/** The legend: what colour, size and width show, and the marks that these trees have. */
export function explain({ theme, trees, look, fills }) {
  const any = (holds) => trees.some((tree) => tree.status.some((status, node) => holds(tree, node, status)));
  const entry = (words, width, draw) => h("span", {}, swatch(width, draw), words);
  const dot = (words, status, fill, hollow) =>
    entry(words, 15, (ctx) => paintNode(ctx, theme, status, 7.5, 7, status === "solved" ? 3.4 : 4.5, fill, hollow));
  const entries = [];
  if (look.colour === "truth") {
    entries.push(dot("alive: solvable", "open", theme.alive), dot("dead: out of reach", "open", theme.dead, true));
    if (any((tree, node, status) => tree.truth[node] == null && status !== "illegal"))
      entries.push(dot("unknown", "open", theme.unknown));
  } else {
    const most = (list) => count(Math.max(...trees.map(list)));
    const ends = { visits: ["0", most((tree) => (tree.counted ? tree.visits : tree.followed)[0])], prior: ["0", "1"],
      depth: ["0", most((tree) => tree.deepest)] };
    const [low, high] = ends[look.colour] ?? ["−1", "+1"], shown = fills.slice(0, STEPS + 1);
    const bar = swatch(88, (ctx) => shown.forEach((fill, k) => {
      ctx.fillStyle = fill; ctx.fillRect((k * 88) / (STEPS + 1), 3, 4, 8);
    }));
    entries.push(h("span", {}, `${COLOURS[look.colour]}  ${low}`, bar, high));
  }
  if (trees.some((tree) => tree.prunes)) entries.push(dot("kept", "kept", theme.unknown));
  for (const [status, words] of Object.entries(STATUS_WORDS))
    if (trees.some((tree) => tree.status.includes(status))) entries.push(dot(words, status, theme.unknown));
  const sizes = [[3, 2.2], [11, 4], [22.5, 6]];
  entries.push(entry(`size: ${SIZES[look.size]}`, 30, (ctx) =>
    sizes.forEach(([x, r]) => paintNode(ctx, theme, "open", x, 7, r, theme.unknown))));
  entries.push(entry(`width: ${EDGES[look.edge]}`, 26, (ctx) => {
    ctx.fillStyle = theme.edge;
    ctx.beginPath(); ctx.moveTo(0, 6.5); ctx.lineTo(26, 3); ctx.lineTo(26, 11); ctx.lineTo(0, 7.5); ctx.fill();
  }));
  entries.push(entry("principal line", 20, (ctx) => { ctx.fillStyle = theme.path; ctx.fillRect(0, 5.5, 20, 3); }));
  if (any((tree, node) => tree.same[node] != null)) entries.push(h("span", {}, "≡ same position as an earlier node"));
  return entries;
}

/** What the present moment of the replay did, in a few words. */
export function tell(tree, now) {
  if (now.end) return "the end";
  const nodes = [...now.delta.keys()], some = nodes.length, value = some === 1 ? tree.valueAt(nodes[0], now) : null;
  const deepest = nodes.reduce((a, b) => (tree.depth[b] > tree.depth[a] ? b : a)), [, gain] = now.delta.get(deepest);
  const words = { select: `select, ${count(tree.depth[deepest])} deep`, expand: `expand ${count(some)}`,
    evaluate: value == null ? `evaluate ${count(some)}` : `evaluate ${signed(value)}`,
    backup: `back up ${signed(gain)}`,
    prune: `prune ${count(some)}`, stop: "stop" };
  return words[now.kind];
}

/** A node in a few words, for the tooltip. */
export function brief(pane, node) {
  const { tree, folds } = pane, now = tree.at(pane.at), many = folds.crowd(tree, node, now.step);
  const value = tree.valueAt(node, now), visits = tree.visitsAt(node, now), status = tree.statusAt(node, now);
  const tokens = (many.length ? many : [node]).reduce((sum, i) => sum + tree.tokens[i], 0);
  const truth = tree.truth[node] == null ? "" : tree.truth[node] ? "alive" : "dead";
  const facts = [STATUS_WORDS[status] ?? (status === "open" ? "" : status), truth,
    value == null ? "" : `value ${signed(value)}`, visits ? `${count(visits)} visits` : "", `${count(tokens)} tokens`];
  const line = many.length ? "" : typeset(tidy(tree.line[node], 120));
  return [h("b", { dir: "auto" }, folds.labelOf(tree, node, now.step)), line && h("div", { dir: "auto" }, line),
    h("div", { class: "facts" }, facts.filter(Boolean).join("  ·  ")),
    !many.length && tree.reason[node] && h("div", { dir: "auto" }, tidy(tree.reason[node], 160))].filter(Boolean);
}

/** The inspector of a node that stands for several illegal lines: each with its reason. */
function describeCrowd(pane, lines) {
  const { tree } = pane, tokens = lines.reduce((sum, line) => sum + tree.tokens[line], 0);
  const entry = (line) => h("button", { class: "move", title: tidy(tree.line[line], 200), ...QUIET,
    click: () => pane.select(line) }, h("span", { class: "wide", dir: "auto" }, `✕ ${tree.moveOf(line)}`),
  h("span", { class: "wide why", dir: "auto" }, tidy(tree.reason[line], 200)));
  return [h("h3", {}, `${count(lines.length)} illegal lines`),
    h("div", { class: "sub" }, `of one position, ${count(tokens)} tokens together`),
    ...lines.slice(0, 60).map(entry)];
}

/** What is looked at rarely: folded until it is opened, and then open for every node. */
function fold(pane, name, title, ...parts) {
  const { opened } = pane.viewer, open = opened.has(name) ? { open: "" } : {};
  const toggle = ({ target }) => { if (target.open) opened.add(name); else opened.delete(name); };
  return h("details", { ...open, toggle }, h("summary", QUIET, title), ...parts);
}

/**
 * The inspector: everything known of the selected node at this moment. `can` holds what is offered besides: `searchOn`
 * and `ask` (why a position is dead, or how it is solved), calls with the node; `answers`, what was answered, by node.
 */
export function describe(pane, can) {
  const { tree, selected: node } = pane, now = tree.at(pane.at);
  if (node < 0 || node > now.step) return [h("div", { class: "sub" }, "Click a node to read it.")];
  const crowd = pane.folds.crowd(tree, node, now.step);
  if (crowd.length) return describeCrowd(pane, crowd);
  const u = tree.bonus(node, now), status = tree.statusAt(node, now);
  const [more, gain] = (!now.end && now.delta.get(node)) || [0, 0];
  const maybe = (x, write = signed) => (x == null ? null : write(x));
  const change = (x, write) => (x ? ` (${write(x)})` : "");
  const facts = { Verdict: STATUS_WORDS[status] ?? status,
    Truth: tree.truth[node] == null ? null : tree.truth[node] ? "alive" : "dead",
    "Critic's value": maybe(tree.valueAt(node, now)), "Mean value Q": maybe(tree.q(node, now)),
    "Visits N": tree.counted ? count(now.N[node]) + change(more, (x) => `+${x}`) : null,
    "Prior P": maybe(tree.prior[node], (p) => `${(100 * p).toFixed(p < 0.1 ? 1 : 0)} %`),
    "Tokens here and below": now.end ? count(now.spent[node]) : null };
  const rare = { "Bonus U": u == null ? null : u.toFixed(2),
    "Sum W": now.N[node] ? signed(now.W[node]) + change(gain, signed) : null,
    [tree.counted ? "Line followed n" : "Gone on from"]: node || now.n[node] ? count(now.n[node]) : null,
    "Log-probability": maybe(tree.logprob[node]), [now.end ? "Tokens" : "Tokens in the end"]: count(tree.tokens[node]),
    Node: `${node}, depth ${tree.depth[node]}` };
  const list = (some) => h("dl", {}, ...Object.entries(some).flatMap(([name, value]) =>
    (value == null ? [] : [h("dt", {}, name), h("dd", {}, value)])));
  const parts = [h("h3", { dir: "auto" }, tree.labelOf(node)),
    h("div", { class: "sub", dir: "auto" }, typeset(tidy(tree.expression[node], 400)) || (node ? "" : "the start"))];
  const add = (title, ...elements) => parts.push(h("h4", {}, title), ...elements);
  const buttons = [], offer = (call, title, words = title) =>
    buttons.push(h("button", { class: "on", title, click: () => call(node), ...QUIET }, words));
  if (can.searchOn && (status === "open" || status === "kept" || status === "pruned"))
    offer(can.searchOn, "Search on from here", "Search on");
  if (can.ask && tree.truth[node] != null)
    offer(can.ask, tree.truth[node] ? "Which way is left?" : "Why is this dead?");
  if (buttons.length) parts.push(h("div", { class: "offers" }, ...buttons));
  if (can.answers?.has(node))
    parts.push(h("div", { class: "answer", role: "status", dir: "auto" }, can.answers.get(node)));
  if (tree.line[node]) add("Line as sampled", h("pre", { dir: "auto" }, tree.line[node].slice(0, 20000)));
  if (tree.reason[node]) add("Why not", h("div", { class: "sub", dir: "auto" }, tidy(tree.reason[node], 400)));
  parts.push(list(facts), fold(pane, "facts", "More", list(rare)));

  const jump = (i, ...cells) =>
    h("button", { class: "move", click: () => pane.select(i), title: tidy(tree.line[i], 200), ...QUIET }, ...cells);
  const kids = tree.childrenOf(node).filter((child) => child <= now.step && !tree.spare.has(child));
  const sign = (i) => (tree.status[i] === "illegal" ? "✕ " : tree.same[i] != null ? "≡ " : "");
  const nameLine = (i) => sign(i) + (pane.folds.crowd(tree, i, now.step).length
    ? pane.folds.labelOf(tree, i, now.step) : tree.moveOf(i) || tree.labelOf(i));
  const most = kids.reduce((a, child) => Math.max(a, now.n[child]), 0);
  const share = (part) => {
    const fill = h("div");
    fill.style.width = `${100 * part}%`;
    return h("div", { class: "share" }, fill);
  };
  const lines = kids.slice(0, 40).map((i) => (most
    ? jump(i, h("span", {}, nameLine(i)), share(now.n[i] / most), h("span", {}, count(now.n[i])))
    : jump(i, h("span", { class: "wide" }, nameLine(i)))));
  const few = lines.length > LINES + 1 ? LINES : lines.length;
  if (kids.length) add(`Lines from here (${kids.length})`, ...lines.slice(0, few));
  if (few < lines.length) parts.push(fold(pane, "lines", `${lines.length - few} more`, ...lines.slice(few)));
  const equal = [];
  for (let i = 0; i <= now.step && equal.length < 8; i++)
    if (i !== node && tree.first(i) === tree.first(node)) equal.push(i);
  const title = (i) => h("span", { class: "wide" }, `node ${i}:  ${tree.moveOf(i) || "start"}`);
  if (equal.length) add("Same position", ...equal.map((i) => jump(i, title(i))));
  return parts;
}

const KEYS = { "arrow keys": "move the selection", "Enter": "fold or unfold what is selected", "Home": "to the start",
  "space": "play the search, or pause", ", and .": "one moment back, one on", "+ − 0": "zoom in, out, fit",
  "/": "find text", "?": "this list" };

/** The list of keys, closed at first. */
export function listKeys(close) {
  const keys = Object.entries(KEYS).flatMap(([key, what]) => [h("dt", {}, key), h("dd", {}, what)]);
  return h("div", { class: "help", role: "dialog", "aria-label": "Keys", hidden: "",
    keydown: (event) => { if (event.key === "Escape") close(); } }, h("dl", {}, ...keys),
  h("button", { click: close, ...QUIET }, "Close"));
}
