/**
 * One tree on a canvas: what is unfolded, where one looks, what is selected, and the hands that change it.
 *
 * Zooming out compresses the rows and leaves the columns as wide as the view, so that big trees stay readable. What the
 * panes of a viewer share (look, theme, replay) is the viewer's; a pane tells it of selections.
 */

import { Folds, layOut } from "./folds.js";
import { brief } from "./inspector.js";
import { Frame, TOP } from "./painter.js";
import { Tree } from "./replay.js";
import { Vector } from "./vector.js";
import { clamp, count, h, QUIET, tidy, typeset } from "./words.js";

const PAD = 26; // margin
const LEAST = 0.6; // zoom below which words are not read; a tree that is wider has narrower columns
const HINT = "Search tree. Arrow keys move the selection, Enter folds, space plays, comma and full stop step, " +
  "plus and minus zoom, 0 fits.";

export class Pane {
  /** `name` is the model's name of the tree, `pick` that of the selected node. */
  constructor(viewer, name, pick) {
    Object.assign(this, { viewer, name, pick, folds: new Folds(), zoom: 1, tx: 0, ty: 0, width: 0, height: 0 });
    Object.assign(this, { selected: -1, hover: -1, matches: [], twins: [], touched: false, at: 0, answers: new Map() });
    this.measure = viewer.measure;
    this.caption = h("div", { class: "caption" });
    this.canvas = h("canvas", { class: "tree", tabindex: "0", role: "application", "aria-label": HINT, ...QUIET });
    this.tip = h("div", { class: "tip", role: "tooltip", hidden: "" });
    this.stage = h("div", { class: "stage" }, this.canvas, this.tip);
    this.element = h("div", { class: "pane" }, this.caption, this.stage);
    this.ctx = this.canvas.getContext("2d");
    this.listen();
    this.observer = new ResizeObserver(() => this.measureStage());
    this.observer.observe(this.stage);
  }

  get now() { return this.tree.at(this.at); }
  get step() { return this.now.step; }

  // ---- the hands

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
      this.point(-1);
      this.canvas.setPointerCapture(event.pointerId);
      if (!down.size) moved = 0;
      down.set(event.pointerId, at(event));
    });
    on("pointermove", (event) => {
      const [x, y] = at(event), before = down.get(event.pointerId);
      if (!before) {
        const hit = this.frame?.find(x, y), hover = hit?.node ?? -1;
        this.canvas.style.cursor = hit ? "pointer" : "grab";
        this.point(hit?.action === "more" ? -1 : hover, x, y);
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
    on("pointerleave", () => this.point(-1));
    on("dblclick", (event) => {
      const hit = this.frame?.find(...at(event));
      if (hit?.action === "select") this.toggle(hit.node);
    });
    on("wheel", (event) => {
      // in a notebook the wheel scrolls the page until the tree has been clicked
      if (this.viewer.inPage && !this.isFocused && !event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      this.zoomBy(Math.exp(-clamp(event.deltaY * (event.deltaMode ? 20 : 1), -240, 240) / 400), ...at(event));
    }, { passive: false });
    on("focus", () => this.viewer.turnTo(this));
    on("keydown", (event) => this.key(event));
  }

  /** The node under the pointer, -1 for none: a ring, and a few words beside the pointer. */
  point(node, x = 0, y = 0) {
    if (node !== this.hover) { this.hover = node; this.draw(); }
    const { tip } = this, known = node >= 0 && node <= this.step;
    tip.hidden = !known;
    if (!known) return;
    tip.replaceChildren(...brief(this, node));
    const { offsetWidth: wide, offsetHeight: high } = tip;
    tip.style.left = `${clamp(x + 14, 4, Math.max(4, this.width - wide - 4))}px`;
    tip.style.top = `${y + 18 + high < this.height ? y + 18 : Math.max(4, y - high - 12)}px`;
  }

  get isFocused() { return this.canvas.getRootNode().activeElement === this.canvas; }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { tree, selected, viewer, step } = this, sideways = (way) => {
      const level = this.layout.nodes.filter((i) => i <= step && tree.depth[i] === tree.depth[selected]);
      return this.select(level[level.indexOf(selected) + way] ?? selected);
    };
    const inward = () => {
      if (!this.layout.open[selected] && tree.children[selected].length) this.toggle(selected);
      const child = this.folds.shown(tree, selected).find((i) => i <= step);
      if (child !== undefined) this.select(child);
    };
    const keys = { ArrowUp: () => sideways(-1), ArrowDown: () => sideways(1), ArrowRight: inward,
      ArrowLeft: () => tree.parent[selected] >= 0 && this.select(tree.parent[selected]), Home: () => this.select(0),
      Enter: () => this.toggle(selected), " ": () => viewer.play(), "/": () => viewer.searchBox.focus(),
      "+": () => this.zoomBy(1.4), "=": () => this.zoomBy(1.4), "-": () => this.zoomBy(1 / 1.4), 0: () => this.fit(),
      ",": () => viewer.stepBy(-1), ".": () => viewer.stepBy(1), "?": () => viewer.showHelp() };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault(); event.stopPropagation();
    if (selected < 0 && event.key.startsWith("Arrow")) this.select(0);
    else keys[event.key]();
  }

  act(node, action) {
    if (action === "select") this.select(node);
    else if (action === "open" || action === "spread") this.toggle(node);
    else { this.folds.showMore(node); this.arrange(node); }
  }

  // ---- state

  /** Take a tree; one that has grown keeps folds, pan, zoom and selection, another one starts anew. */
  load(json) {
    const old = this.tree, tree = (this.tree = new Tree(json)), end = old && old.size - 1;
    const grown = old && tree.size > end && tree.label[0] === old.label[0] && tree.line[end] === old.line[end];
    const before = grown && this.anchor(this.selected);
    if (!grown) Object.assign(this, { folds: new Folds(), touched: false, answers: new Map() });
    this.folds.choose(tree, this.rows);
    this.at = tree.events.length;
    this.selected = clamp(this.viewer.model.get(this.pick) ?? 0, -1, tree.size - 1);
    if (this.selected > 0) this.folds.reveal(tree, this.selected);
    this.arrange(0, before);
    if (!this.touched) this.fit();
  }

  /** Show the tree as it was after so many events. */
  show(at) {
    this.at = at;
    this.point(-1);
    if (this.folds.keepUp(this.step, this.now.end)) {
      this.arrange(0);
      if (!this.touched) this.fit();
    }
    this.draw();
  }

  /** The picture as SVG beside the canvas, for paper. */
  print() {
    const paper = new Vector(this.width, this.height, this.ctx);
    new Frame(paper, this).paint();
    this.stage.append(paper.element);
  }

  endPrint() { this.stage.querySelector(".paper")?.remove(); }

  /** The line above the tree where two stand side by side. */
  entitle() {
    const { strategy, mode } = this.tree.meta, { sampled, step } = this.now;
    const lines = [[tidy(mode ?? "", 40), this.outcome()], [`${count(step + 1)} of ${count(this.tree.size)} nodes`,
      `${count(sampled)} of ${count(this.tree.cost)} tokens`]].map((facts) => facts.filter(Boolean).join("  ·  "));
    this.caption.replaceChildren(h("div", {}, h("b", {}, tidy(strategy ?? "", 40)), lines[0]), h("div", {}, lines[1]));
  }

  /** What the search came to, once the replay is there. */
  outcome() {
    const { answer, solved } = this.tree.meta;
    if (!this.now.end) return "";
    if (!answer) return solved === false ? "not solved" : "";
    return `${solved ? "solved" : "answer"}: ${typeset(tidy(answer, 60))}`;
  }

  /** Lay out anew and keep a node where it stands on the screen. */
  arrange(node, before = this.anchor(node)) {
    this.layout = layOut(this.tree, this.folds, this.measure);
    if (this.width && this.fill < 0.7) this.layout = layOut(this.tree, this.folds, this.measure, true);
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

  isShown(node) { return node >= 0 && node <= this.step && !Number.isNaN(this.layout.y[node]); }

  select(node, byModel = false) {
    node = clamp(node ?? -1, -1, this.tree.size - 1);
    if (node === this.selected && byModel) return;
    this.selected = node;
    if (node > this.step) this.viewer.goTo(node, this);
    if (node >= 0 && Number.isNaN(this.layout.y[node])) { this.folds.reveal(this.tree, node); this.arrange(0); }
    if (node >= 0) {
      const { x, y } = this.anchor(node);
      const dx = clamp(x, 40, this.width - 110) - x, dy = clamp(y, TOP + 20, this.height - 24) - y;
      if (this.width && (dx || dy)) this.pan(dx, dy);
    }
    this.draw();
    this.viewer.noteSelection(this);
  }

  toggle(node) {
    if (node < 0) return;
    if (this.folds.toggleSpread(this.tree, node)) return this.arrange(this.tree.parent[node]);
    if (!this.tree.children[node].length) return;
    this.folds.user.set(node, !this.folds.isOpen(node));
    this.arrange(node);
  }

  unfold(all) {
    this.folds = new Folds();
    this.folds.choose(this.tree, this.rows);
    if (all) { this.folds.openAll(this.tree); this.folds.keepUp(this.step, this.now.end); }
    else if (this.selected > 0) this.folds.reveal(this.tree, this.selected);
    this.arrange(0);
    this.fit();
  }

  // ---- pan and zoom: rows are `zoom` high; columns are as wide, but never narrower than fills the view

  /** Rows that are unfolded at first: as many as can be read at once. */
  get rows() { return clamp(Math.floor(((this.height || 560) - TOP - PAD) / 15.5), 14, 60); }

  /** The width of the view as a share of that of the tree. */
  get fill() { return (this.width - 2 * PAD) / this.layout.width; }

  /** Columns as they fit the view; wider ones for who zooms in. */
  get sx() { return Math.max(this.zoom * Math.min(1, this.fill / LEAST), clamp(this.fill, 0.1, 1.3)); }

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
    const high = (this.height - TOP - 2 * PAD) / height;
    this.zoom = clamp(Math.min(high, Math.max(LEAST, this.fill)), 0.0005, 1.25);
    this.tx = Math.max(PAD, (this.width - width * this.sx) / 2);
    this.ty = TOP + (this.height - TOP - height * this.zoom) / 2;
    this.touched = false;
    this.draw();
  }

  measureStage() {
    const box = this.stage.getBoundingClientRect(), dpr = globalThis.devicePixelRatio || 1;
    for (const side of ["width", "height"]) { // whole pixels: a canvas that is scaled is blurred
      this.canvas[side] = Math.floor(box[side] * dpr);
      this.canvas.style[side] = `${(this[side] = this.canvas[side] / dpr)}px`;
    }
    this.ctx.setTransform(dpr, 0, 0, dpr, 0, 0);
    if (!this.touched) { this.folds.choose(this.tree, this.rows); this.arrange(0); this.fit(); }
    this.draw(true);
  }

  draw(atOnce = false) {
    const frame = () => {
      this.drawing = 0;
      if (this.width && this.layout && this.viewer.theme) this.frame = new Frame(this.ctx, this).paint();
    };
    if (atOnce) { cancelAnimationFrame(this.drawing); frame(); }
    else this.drawing ||= requestAnimationFrame(frame);
  }

  destroy() {
    this.observer.disconnect();
    cancelAnimationFrame(this.drawing);
    this.element.remove();
  }
}
