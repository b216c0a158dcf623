/**
 * One picture of one tree on a canvas: edges, links between equal positions, nodes, words. A pane says what stands
 * where.
 *
 * Status is a shape, so that colour is never the only mark: star solved, crossed circle wrong, cross illegal, dashed
 * circle pruned, circle with a ring kept, square unfinished. In a crowd of nodes neighbours that would cover each other
 * are drawn once, which keeps 10,000 fluid. Foreign text goes through fillText only.
 */

import { ROW } from "./folds.js";
import { contrast, DEAD, FONT } from "./palette.js";
import { clamp } from "./words.js";

const GAP = 8; // between a node and its label
const MANY = 300; // rings say nothing where there are more
export const TOP = 30; // height of the headings

/** The path of a node by its status, so that colour is never the only mark. */
export function trace(ctx, status, x, y, r) {
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

export function traceCross(ctx, x, y, r) {
  ctx.moveTo(x - r, y - r); ctx.lineTo(x + r, y + r); ctx.moveTo(x + r, y - r); ctx.lineTo(x - r, y + r);
}

/** One node. `hollow`: a dead position where colour shows the truth. */
export function paintNode(ctx, theme, status, x, y, r, fill, hollow = false) {
  const [pruned, illegal, wrong, kept] = ["pruned", "illegal", "wrong", "kept"].map((word) => word === status);
  if (wrong || pruned) r = Math.max(r, 4);
  trace(ctx, status, x, y, r);
  ctx.setLineDash(pruned ? [2.5, 2.5] : []);
  ctx.lineWidth = illegal ? 1.8 : hollow ? Math.max(1.6, r * 0.4) : 1;
  ctx.fillStyle = hollow || pruned ? theme.bg : fill;
  ctx.strokeStyle = illegal ? theme.muted : hollow ? fill : pruned || status === "solved" ? theme.ink : theme.rim;
  if (!illegal) ctx.fill();
  ctx.stroke();
  ctx.setLineDash([]);
  if (kept) { ctx.beginPath(); ctx.arc(x, y, r + 2.2, 0, 2 * Math.PI); ctx.strokeStyle = theme.ink; ctx.stroke(); }
  if (!wrong) return;
  ctx.beginPath(); traceCross(ctx, x, y, r / 2);
  ctx.lineWidth = 1.4; ctx.strokeStyle = hollow ? fill : contrast(fill); ctx.stroke();
}

/** One picture of a view; afterwards it knows what lies under a point. `pills` are [x0, y0, x1, y1, node, action]. */
export class Frame {
  constructor(ctx, view) {
    const { tree, layout, zoom } = view, now = tree.at(view.at), { look, theme, fills } = view.viewer;
    Object.assign(this, { ctx, view, tree, layout, zoom, now, look, theme, fills, step: now.step, pills: [] });
    this.size = clamp(12 * zoom, 10.5, 18); // of letters; they grow and shrink less than the tree
    this.row = ROW * zoom;
    this.withMoves = !layout.narrow && zoom > 0.5 && view.sx > 0.8;
    this.inside = layout.nodes.filter((node) => this.isInside(node));
    this.crowd = this.inside.length > 1500;
    this.labels = this.placeLabels();
  }

  x(node) { return this.view.tx + this.layout.x[this.tree.depth[node]] * this.view.sx; }
  y(node) { return this.view.ty + this.layout.y[node] * this.zoom; }
  label(node) { return this.view.folds.labelOf(this.tree, node, this.step); }
  isThere(node) { return node >= 0 && node <= this.step && !Number.isNaN(this.layout.y[node]); }
  isInside(node) { return node <= this.step && this.y(node) > -30 && this.y(node) < this.view.height + 30; }

  radius(node) {
    const { now, zoom } = this, weight = this.tree.weight(node, now, this.look.size);
    const full = (weight ? 3.6 + 8 * Math.sqrt(weight) : 3) * clamp(zoom, 0.7, 1.6);
    return Math.max(1.1, Math.min(full, 0.5 * (this.row + this.layout.span[node] * zoom)));
  }

  /** Widths of the labels that have room: none overlaps another of its column, the most visited come first. */
  placeLabels() {
    const { view, tree, layout, size } = this, { x } = layout, labels = new Map(), taken = new Map();
    const place = (node) => {
      const d = tree.depth[node], y = this.y(node), slot = 1e6 * d + Math.floor(y / (size * 1.2));
      if ([-1, 0, 1].some((k) => Math.abs((taken.get(slot + k) ?? Infinity) - y) < size * 1.2)) return;
      const wide = (view.measure(this.label(node)) * size) / 12;
      if (d + 1 < x.length && wide > (x[d + 1] - x[d]) * view.sx - (layout.narrow ? 14 : 24)) return;
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
    const { ctx, theme, tree, now, zoom, crowd } = this, bundles = new Map(), drawn = [];
    for (const node of this.layout.nodes) {
      const up = tree.parent[node];
      if (up < 0 || node > this.step) continue;
      const y = this.y(node), rank = now.route.has(node) ? 2 : now.principal.has(node) ? 1 : 0;
      if (Math.max(y, this.y(up)) < 0 || Math.min(y, this.y(up)) > this.view.height) continue;
      if (crowd && !rank && Math.abs(y - (drawn[up] ?? -9)) < 1.5) continue; // its neighbour's edge covers it
      drawn[up] = y;
      const key = 10 * rank + Math.round(8 * Math.sqrt(tree.strength(node, now, this.look.edge)));
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

  /** Links between equal positions: faint for all, strong for the selected and the hovered node. */
  paintLinks() {
    const { ctx, tree, view, theme, crowd } = this, pointed = [view.selected, view.hover].filter((node) => node >= 0);
    const strong = new Set(pointed.map((node) => tree.first(node)));
    const drawn = this.look.links && !crowd ? this.inside : this.inside.filter((node) => strong.has(tree.first(node)));
    for (const node of drawn) {
      const first = tree.same[node];
      if (first == null || !this.isThere(first)) continue;
      const marked = strong.has(first);
      Object.assign(ctx, { strokeStyle: marked ? theme.mark : theme.muted, lineWidth: marked ? 1.4 : 0.8 });
      ctx.globalAlpha = marked ? 1 : 0.45;
      ctx.setLineDash(marked ? [4, 3] : [1.5, 3]);
      const [x0, x1, y0, y1] = [this.end(node) + 9, this.end(first) + 9, this.y(node), this.y(first)];
      const bend = 40 + Math.min(90, Math.abs(y0 - y1) * 0.2);
      ctx.beginPath(); ctx.moveTo(x0, y0); ctx.bezierCurveTo(x0 + bend, y0, x1 + bend, y1, x1, y1); ctx.stroke();
    }
    ctx.globalAlpha = 1;
    ctx.setLineDash([]);
  }

  /** Nodes with their shapes; in a crowd little bars, one a pixel row and column, the most visited first. */
  paintNodes() {
    const { ctx, tree, now, crowd, fills } = this, taken = new Set();
    for (const node of crowd ? this.layout.ranked : this.inside) {
      if (crowd && !this.isInside(node)) continue;
      const x = this.x(node), y = this.y(node), r = this.radius(node), shade = tree.shade(node, now, this.look.colour);
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
      const faint = tree.visitsAt(0, now) && !tree.visitsAt(node, now) && tree.status[node] !== "solved";
      this.write(this.label(node), x + r + GAP, y, faint ? theme.muted : theme.ink, 1, 3, principal);
      if (folded && this.row > 11) this.paintPill(`+${folded}`, after + 2, y, node, "open");
      else if (tree.same[node] != null) this.write("≡", after, y, theme.muted);
      if (this.view.folds.crowd(tree, node, this.step).length && this.row > 11)
        this.paintPill("each", after + 2, y, node, "spread");
      if (!this.withMoves || !node) continue;
      const move = this.view.folds.moveOf(tree, node, this.step);
      const broad = (0.9 * this.view.measure(move) * this.size) / 12;
      const left = x - r - 12 - broad;
      ctx.fillStyle = theme.bg;
      ctx.fillRect(left - 5, y - this.size / 2, broad + 10, this.size); // a gap in the edge
      this.write(move, left, y, principal ? theme.ink : theme.muted, 0.92);
    }
  }

  paintChips() {
    const { tree, layout, view, step } = this, count = (nodes) => nodes.filter((node) => node <= step).length;
    for (const { node, y } of layout.chips) {
      const middle = view.ty + y * this.zoom, { folds } = view;
      const hidden = count(folds.gather(tree, node)) - count(folds.shown(tree, node));
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

  /** Rings: found by search, equal to what is selected beside, touched just now, under the pointer, selected. */
  paintRings() {
    const { ctx, view, theme, now } = this, ring = (node, strokeStyle, lineWidth, dash = [], away = 3.5) => {
      if (!this.isThere(node) || !this.isInside(node)) return;
      Object.assign(ctx, { strokeStyle, lineWidth });
      ctx.setLineDash(dash);
      ctx.beginPath(); ctx.arc(this.x(node), this.y(node), this.radius(node) + away, 0, 2 * Math.PI); ctx.stroke();
    };
    for (const node of view.matches.slice(0, 4 * MANY)) ring(node, theme.mark, 2);
    for (const node of view.twins) ring(node, theme.mark, 1.4, [3, 2], 6.5);
    if (!now.end && now.delta.size <= MANY) for (const node of now.delta.keys()) ring(node, theme.mark, 1.5);
    if (view.hover !== view.selected) ring(view.hover, theme.muted, 1.2);
    ring(view.selected, theme.ink, 2);
    ctx.setLineDash([]);
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
