/**
 * Which subtrees stand open, and where every node goes: columns are depths, a leaf has a row of its own, a node stands
 * between its first and last child, and subtrees beyond a budget of rows are folded. The illegal lines of a position
 * stand in one node with their number. It does not know the screen.
 */

import { lastOf } from "./words.js";

export const ROW = 26, FAN = 50; // pixels at zoom 1: height of a row, width of a curve
const CHILDREN = 8; // shown before "+n more"
const AHEAD = 12; // nodes that there is room for from the start

/** Which subtrees are open: the user's word where there is one, else the most followed that fit a budget of rows. */
export class Folds {
  constructor() {
    this.user = new Map(); this.more = new Map(); this.pinned = new Set(); this.auto = new Set();
    this.spread = new Set(); // positions whose illegal lines stand one by one
    this.whole = false; // all is unfolded: then as far as a replay has come, or will soon
    this.horizon = Infinity; // the last node that has a place
  }

  isOpen(node) { return this.user.get(node) ?? this.auto.has(node); }

  /** The children of a node, its illegal lines as one; those that were looked for stand for themselves. */
  gather(tree, node) {
    const known = tree.children[node], all = this.horizon < tree.size ? known.filter((i) => i <= this.horizon) : known;
    return this.spread.has(node) ? all : all.filter((child) => !tree.spare.has(child) || this.pinned.has(child));
  }

  shown(tree, node) {
    const all = this.gather(tree, node), most = this.more.get(node) ?? CHILDREN;
    return all.length <= most + 1 ? all : all.filter((child, rank) => rank < most || this.pinned.has(child));
  }

  /** The illegal lines that a node stands for, itself first; none for a node that stands for itself. */
  crowd(tree, node, step = Infinity) {
    const lines = this.spread.has(tree.parent[node]) ? [] : tree.crowds.get(node) ?? [];
    const known = lines.filter((line) => line <= step && (line === node || !this.pinned.has(line)));
    return known.length > 1 ? known : [];
  }

  labelOf(tree, node, step) {
    const { length } = this.crowd(tree, node, step);
    return length ? `${length} illegal lines` : tree.labelOf(node);
  }

  moveOf(tree, node, step) { return this.crowd(tree, node, step).length ? "" : tree.moveOf(node); }

  /** Show the illegal lines beside a node one by one, or as one again; whether there is anything to show so. */
  toggleSpread(tree, node) {
    const up = tree.parent[node];
    if (!tree.crowds.has(node) && !tree.spare.has(node)) return false;
    if (!this.spread.delete(up)) this.spread.add(up);
    return true;
  }

  /** Open by visits until so many rows are used up; the committed line in any case. */
  choose(tree, most) {
    this.auto = new Set();
    const { committed } = tree, waiting = new Set([0]);
    for (const node of committed) this.pinned.add(node);
    for (let rows = 1; waiting.size; ) {
      let best = -1, weight = -1;
      for (const node of waiting) {
        const w = tree.followed[node] + (committed.has(node) ? 1e9 : 0);
        if (w > weight) [best, weight] = [node, w];
      }
      waiting.delete(best);
      const shown = this.shown(tree, best);
      if (best && !committed.has(best) && rows + shown.length > most) continue;
      rows += shown.length;
      this.auto.add(best);
      for (const child of shown) if (tree.children[child].length) waiting.add(child);
    }
  }

  /** Show twelve more of a node's children. */
  showMore(node) { this.more.set(node, (this.more.get(node) ?? CHILDREN) + 12); }

  /** Room for what a replay has reached and as many nodes again; whether that is other room than before. */
  keepUp(step, end) {
    const near = !end && step <= this.horizon && this.horizon <= 4 * step + AHEAD;
    if (!this.whole || near || (end && this.horizon === Infinity)) return false;
    this.horizon = end ? Infinity : 2 * step + AHEAD;
    return true;
  }

  openAll(tree) {
    this.whole = true;
    for (let node = 0; node < tree.size; node++) {
      this.user.set(node, true); this.more.set(node, Infinity); this.spread.add(node);
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

/**
 * Rows and columns of what is open, in pixels at zoom 1. `nodes` stand in reading order, `chips` are the "+n more".
 * `narrow` leaves no room for moves between the columns, as they are wide enough for labels then.
 */
export function layOut(tree, folds, measure, narrow = false) {
  const nodes = [], chips = [], y = new Float64Array(tree.size).fill(NaN), stack = [0];
  const labels = [], moves = [];
  let rows = 0;
  while (stack.length) {
    const entry = stack.pop();
    if (entry < 0) { chips.push({ node: ~entry, y: rows++ * ROW }); continue; }
    nodes.push(entry);
    const d = tree.depth[entry];
    labels[d] = Math.max(labels[d] ?? 0, measure(folds.labelOf(tree, entry)));
    moves[d] = narrow ? 0 : Math.max(moves[d] ?? 0, measure(folds.moveOf(tree, entry)) * 0.92);
    const shown = folds.isOpen(entry) ? folds.shown(tree, entry) : [];
    if (!shown.length) { y[entry] = rows++ * ROW; continue; }
    if (shown.length < folds.gather(tree, entry).length) stack.push(~entry);
    for (let k = shown.length - 1; k >= 0; k--) stack.push(shown[k]);
  }
  const low = new Float64Array(tree.size).fill(Infinity), high = new Float64Array(tree.size).fill(-Infinity);
  for (let k = nodes.length - 1; k >= 0; k--) {
    const node = nodes[k], up = tree.parent[node];
    if (Number.isNaN(y[node])) y[node] = (low[node] + high[node]) / 2;
    if (up >= 0) { low[up] = Math.min(low[up], y[node]); high[up] = Math.max(high[up], y[node]); }
  }
  const x = [0];
  for (let d = 1; d < labels.length; d++) x[d] = x[d - 1] + labels[d - 1] + FAN + moves[d] + (narrow ? 24 : 44);
  const span = Float64Array.from(low, (value, node) => (Number.isFinite(value) ? high[node] - value : 0));
  const worth = tree.counted ? tree.visits : tree.followed, ranked = [...nodes];
  ranked.sort((a, b) => worth[b] - worth[a] || a - b);
  const open = Uint8Array.from(low, (value) => (Number.isFinite(value) ? 1 : 0));
  const width = lastOf(x) + lastOf(labels) + 70, height = Math.max(1, rows - 1) * ROW;
  return { nodes, chips, ranked, x, y, span, open, moves, narrow, width, height };
}
