/**
 * The viewer: one tree, or two side by side on one budget of tokens, with the controls, the timeline and the inspector.
 *
 * `render({model, el})` draws what `model` holds, in a notebook (anywidget) and in the standalone page alike; a model
 * has get, set, on, off, save_changes, and in a notebook send.
 *
 *   tree, other         object   JSON of game24lab.search.tree.Tree (checked in Python); `other` {}: no second tree
 *   selected,           number   the selected node of each tree, -1 for none
 *   selected_other
 *   step                number   node `step` of `tree` has just appeared; the last node: the search is over
 *   budget              number   two trees: tokens that each may have sampled; -1: as many as they did
 *   colour, size, edge  string   what nodes and edges show, of COLOURS, SIZES, EDGES
 *   links               boolean  whether all equal positions are linked
 *   height              number   pixels; 0 fills the element's parent
 *   searchable          boolean  whether Python takes "search on from here" (a message {kind, name, node})
 *   explains            boolean  whether Python answers "why?": a message {kind, name, node}, sent back with `text`
 *   form, ...           object   with the explorer's form above the tree, see form.js
 *   plays               number   the replay begins anew whenever this has grown
 *
 * It does not know of the Game of 24, of models or of searches. For scripts and tests the element `.game24-treeview`
 * carries `__treeview` (see handle.js).
 */

import { Form } from "./form.js";
import { makeHandle } from "./handle.js";
import { describe, explain, listKeys, tell } from "./inspector.js";
import { readLink, writeLink } from "./links.js";
import { CHOICES, FONT, isDark, PURPOSES, shades, THEMES } from "./palette.js";
import { Pane } from "./pane.js";
import { awaitAnswer } from "./silence.js";
import { STYLE } from "./style.js";
import { clamp, count, h, icon, QUIET, tidy, typeset } from "./words.js";

const SECONDS = 20, SHORT = 4; // a replay takes no longer; one that Python asks for

export class Viewer {
  constructor(model, el) {
    Object.assign(this, { model, el, panes: [], active: null, matches: [], place: 0, playing: 0, opened: new Set() });
    this.look = { links: model.get("links") ?? true };
    for (const [name, words] of Object.entries(CHOICES)) this.look[name] = model.get(name) ?? Object.keys(words)[0];
    const widths = new Map(), measuring = document.createElement("canvas").getContext("2d");
    measuring.font = `600 12px ${FONT}`;
    this.measure = (text) => {
      if (!widths.has(text)) widths.set(text, measuring.measureText(text).width);
      return widths.get(text);
    };
    this.build();
    const differs = (name, here, then) => () => model.get(name) !== here() && then(model.get(name));
    this.changes = { tree: () => this.load(), other: () => this.load(), height: () => this.resize(),
      selected: () => this.panes[0].select(model.get("selected"), true),
      selected_other: () => this.panes[1]?.select(model.get("selected_other"), true),
      step: differs("step", () => this.panes[0].step, (step) => this.goTo(step)),
      budget: () => {
        const budget = this.readBudget(model.get("budget"));
        if (this.isPair && budget !== this.place) this.moveTo(budget);
      },
      searchable: () => this.inspect(), explains: () => this.inspect(),
      plays: () => { this.moveTo(0); this.play(SHORT); } };
    for (const name of [...Object.keys(CHOICES), "links"])
      this.changes[name] = differs(name, () => this.look[name], (value) => this.showAs(name, value));
    for (const [name, handler] of Object.entries(this.changes)) model.on(`change:${name}`, handler);
    model.on("msg:custom", (this.hear = (message) => this.take(message))); // from Python
    this.observer = new MutationObserver(() => this.dress());
    const attributeFilter = ["data-jp-theme-light", "data-vscode-theme-kind", "theme"];
    for (const part of [document.body, document.documentElement]) this.observer.observe(part, { attributeFilter });
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", (this.onScheme = () => this.dress()));
    if (!this.inPage) addEventListener("hashchange", (this.onHash = () => this.follow(location.hash)));
    this.papers = { beforeprint: () => this.print(true), afterprint: () => this.print(false) };
    for (const [name, handler] of Object.entries(this.papers)) addEventListener(name, handler);
    this.sizes = new ResizeObserver(() => requestAnimationFrame(() => this.resize()));
    this.sizes.observe(this.host);
    this.load();
    if (!this.inPage) this.follow(location.hash);
  }

  get isPair() { return this.panes.length > 1; }
  get inPage() { return this.model.get("height") > 0; }

  // ---- the page around the trees

  build() {
    const button = (name, title, click) =>
      h("button", { class: "icon", title, "aria-label": title, click, ...QUIET }, icon(name));
    const group = (...buttons) => h("span", { class: "group" }, ...buttons);
    const active = (act) => () => act(this.active);
    this.titleBar = h("div", { class: "title" });
    this.boxes = Object.fromEntries(Object.entries(CHOICES).map(([name, words]) => [name, h("select", {
      "aria-label": name[0].toUpperCase() + name.slice(1), title: PURPOSES[name], ...QUIET,
      change: () => this.showAs(name, this.boxes[name].value) },
      ...Object.entries(words).map(([value, text]) => h("option", { value }, `${name}: ${text}`)))]));
    this.viewButton = h("button", { class: "opens", title: "What colour, size and width show", "aria-expanded": "false",
      ...QUIET, click: () => {
        const open = this.root.classList.toggle("looking");
        this.viewButton.setAttribute("aria-expanded", String(open));
      } }, "View");
    this.linkButton = button("links", "Link equal positions", () => this.showAs("links", !this.look.links));
    this.searchBox = h("input", { type: "search", placeholder: "Find", "aria-label": "Search the text of nodes",
      ...QUIET, input: () => this.follow(this.searchBox.value) || this.search(), keydown: (event) => {
        if (event.key === "Enter") this.nextMatch(event.shiftKey ? -1 : 1);
        else if (event.key === "Escape") { this.searchBox.value = ""; this.search(); this.active.canvas.focus(); }
      } });
    this.found = h("span", { class: "found", role: "status" });
    this.stages = h("div", { class: "stages" });
    this.side = h("aside", { class: "side", "aria-live": "polite", "aria-label": "Selected node" });
    this.playButton = button("play", "Replay the search (space)", () => this.play());
    this.slider = h("input", { type: "range", min: "0", step: "1", ...QUIET,
      input: () => { this.stop(); this.moveTo(Number(this.slider.value)); },
      keydown: (event) => {
        const way = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
        if (way) { event.preventDefault(); this.stepBy(way); }
      } });
    [this.said, this.legend] = [h("span", { class: "said" }), h("div", { class: "legend" })];
    this.help = listKeys(() => this.showHelp(false));
    this.form = this.model.get("form") && new Form(this.model);
    this.root = h("div", { class: "view", ...QUIET }, this.form?.element,
      h("div", { class: "bar top" }, this.titleBar, h("div", { class: "tools" },
        h("span", { class: "find" }, this.searchBox, this.found),
        this.viewButton, h("span", { class: "looks" }, ...Object.values(this.boxes)), this.linkButton,
        group(button("unfold", "Unfold all", () => this.unfold(true)),
          button("fold", "Fold back", () => this.unfold(false))),
        group(button("minus", "Zoom out (−)", active((pane) => pane.zoomBy(1 / 1.4))),
          button("plus", "Zoom in (+)", active((pane) => pane.zoomBy(1.4))),
          button("fit", "Fit (0)", active((pane) => pane.fit()))),
        group(button("share", "Copy a link to this moment", () => this.share()),
          button("help", "Keys (?)", () => this.showHelp())))),
      h("div", { class: "main" }, this.stages, this.side), this.help,
      h("div", { class: "bar foot" }, group(button("back", "One moment back (,)", () => this.stepBy(-1)),
        this.playButton,
        button("next", "One moment on (.)", () => this.stepBy(1))), this.slider, this.said), this.legend);
    // JupyterLab sees the keys of a shadow root at its host
    this.host = h("div", { class: "game24-treeview", ...QUIET });
    this.host.__treeview = makeHandle(this);
    const shadow = this.host.attachShadow({ mode: "open" }), sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE); // a constructed sheet: allowed under the strictest content policy
    shadow.adoptedStyleSheets = [sheet];
    shadow.append(this.root);
    this.el.append(this.host);
  }

  /** As high as Python says, the form not counted; higher where all stands in one column. */
  resize() {
    const height = this.model.get("height"), wide = this.host.clientWidth || 1000, { length } = this.panes;
    const below = wide <= 680 ? 260 * length - 100 : wide <= 980 && length > 1 ? 140 : 0;
    const more = (this.form?.element.offsetHeight ?? 0) + below;
    this.host.style.height = height > 0 ? `${height + more}px` : "100%";
  }

  /** Theme, colours and legend. */
  dress() {
    this.theme = isDark() && !this.onPaper ? THEMES.dark : THEMES.light;
    for (const name of ["bg", "panel", "line", "ink", "muted", "path", "mark"])
      this.root.style.setProperty(`--${name}`, this.theme[name]);
    this.root.style.colorScheme = this.theme === THEMES.dark ? "dark" : "light";
    this.fills = shades(this.theme, this.look.colour);
    for (const [name, box] of Object.entries(this.boxes)) box.value = this.look[name];
    this.linkButton.setAttribute("aria-pressed", String(this.look.links));
    this.legend.replaceChildren(...explain({ ...this, trees: this.panes.map((pane) => pane.tree) }));
    this.say();
    this.inspect();
    for (const pane of this.panes) pane.draw();
  }

  /** On paper all is light, and the trees are as sharp as its letters. */
  print(begins) {
    this.onPaper = begins;
    this.dress();
    for (const pane of this.panes) if (begins) pane.print(); else pane.endPrint();
  }

  showAs(name, value) {
    this.look[name] = name === "links" || value in CHOICES[name] ? value : Object.keys(CHOICES[name])[0];
    this.dress();
    this.push(name, this.look[name]);
  }

  unfold(all) { for (const pane of this.panes) pane.unfold(all); }

  // ---- the trees

  /** Take the model's trees. A replay that stood at the end follows trees that have grown, any other stays. */
  load() {
    const following = this.panes.every((pane) => pane.now.end), before = this.panes.length;
    this.stop();
    const names = [["tree", "selected"], ["other", "selected_other"]].filter(([name]) => this.model.get(name)?.parent);
    while (this.panes.length > names.length) this.panes.pop().destroy();
    for (const [name, pick] of names.slice(this.panes.length)) {
      const pane = new Pane(this, name, pick);
      this.panes.push(pane);
      this.stages.append(pane.element);
    }
    this.root.classList.toggle("pair", this.isPair);
    for (const pane of this.panes) {
      const json = this.model.get(pane.name);
      if (json !== pane.json) pane.load((pane.json = json));
    }
    if (!this.panes.includes(this.active)) this.active = this.panes[0];
    const trees = this.panes.map((pane) => pane.tree), [tree] = trees;
    const stops = trees.flatMap((one) => one.ends.map((at) => one.sampledAt(at)));
    this.stops = this.isPair ? [...new Set(stops)].sort((a, b) => a - b) : tree.ends.map((_, moment) => moment);
    this.most = this.stops[this.stops.length - 1];
    this.slider.max = this.most;
    const purpose = this.isPair ? "Budget: tokens sampled by each" : "Replay: moments of the search";
    this.slider.setAttribute("aria-label", purpose);
    const problems = [...new Set(trees.map(({ meta }) => tidy([].concat(meta.problem ?? "").join(" "), 80)))];
    const facts = this.isPair ? [] : [tree.meta.strategy, tree.meta.mode].map((fact) => tidy(fact ?? "", 40));
    this.end = h("span");
    this.titleBar.replaceChildren(h("b", {}, problems.join("  |  ")), facts.filter(Boolean).join("  ·  "), this.end);
    const step = this.model.get("step") ?? tree.size - 1, budget = this.readBudget(this.model.get("budget"));
    this.dress();
    if (before === this.panes.length && following) this.moveTo(this.most);
    else if (this.isPair) this.moveTo(budget);
    else if (step >= tree.size - 1) this.moveTo(this.most);
    else this.goTo(step);
    this.search();
    this.resize();
  }

  readBudget(budget) { return budget == null || budget < 0 ? this.most : budget; }

  turnTo(pane) {
    if (pane === this.active) return;
    this.active = pane;
    this.noteSelection(pane);
  }

  /** A selection: told to the model, read in the inspector, and the same position marked in the tree beside. */
  noteSelection(pane) {
    this.active = pane;
    const wanted = pane.selected < 0 ? "" : pane.tree.label[pane.selected];
    for (const other of this.panes) {
      const searched = other !== pane && wanted ? other.tree.label : [];
      const twins = searched.flatMap((label, i) => (label === wanted ? [i] : []));
      if (twins.length || other.twins.length) { other.twins = twins; other.draw(); }
    }
    this.inspect();
    this.push(pane.pick, pane.selected);
  }

  inspect() {
    const pane = this.active, { model } = this;
    const send = (kind) => model.get(kind === "why" ? "explains" : "searchable") && model.send
      && ((node) => {
        awaitAnswer(model, (said) => { pane.answers.set(node, said); this.inspect(); });
        model.send({ kind, name: pane.name, node });
      });
    const head = this.isPair ? [h("div", { class: "of" }, tidy(pane.tree.meta.strategy ?? "", 40))] : [];
    this.side.replaceChildren(...head,
      ...describe(pane, { searchOn: send("search on"), ask: send("why"), answers: pane.answers }));
  }

  /** A message of Python's: the answer to a "why?", or a moment to go to. */
  take({ kind, name, node, text, link }) {
    if (kind === "follow") this.follow(link);
    if (kind !== "why") return;
    this.panes.find((pane) => pane.name === name)?.answers.set(node, typeset(tidy(text, 600)));
    this.inspect();
  }

  // ---- links to a moment

  /** Go to the moment of a link; whether it was one. */
  follow(text) {
    const link = readLink(text);
    if (!link) return false;
    this.stop();
    for (const [name, value] of Object.entries(link.look)) this.showAs(name, value);
    this.moveTo(link.at);
    this.panes.forEach((pane, which) => { if (link.nodes[which] <= pane.step) pane.select(link.nodes[which]); });
    return true;
  }

  async share() {
    const link = writeLink(this);
    if (!this.inPage) history.replaceState(null, "", link);
    try {
      await navigator.clipboard.writeText(this.inPage ? link : location.href);
      this.found.textContent = "link copied";
    } catch { // no right to the clipboard: it can be copied by hand
      this.searchBox.value = link;
      this.searchBox.select();
    }
  }

  showHelp(open = this.help.hidden) {
    this.help.hidden = !open;
    if (open) this.help.querySelector("button").focus();
    else this.active.canvas.focus();
  }

  // ---- the timeline: `place` is a moment of one tree, or tokens that each of two may have sampled

  moveTo(place) {
    this.place = clamp(Math.round(place ?? 0), 0, this.most);
    for (const pane of this.panes) pane.show(this.isPair ? pane.tree.within(this.place) : pane.tree.ends[this.place]);
    this.settle();
  }

  /** To where a node has just appeared and the next one has not. */
  goTo(step, pane = this.panes[0]) {
    const { tree } = pane, at = tree.until[clamp(Math.round(step ?? 0), 0, tree.size - 1)];
    if (this.isPair) return this.moveTo(tree.sampledAt(at));
    this.place = tree.momentAt(at);
    pane.show(at);
    this.settle();
  }

  stepBy(way) {
    this.stop();
    const { stops, place } = this;
    const next = way > 0 ? stops.find((stop) => stop > place) : stops.findLast((stop) => stop < place);
    if (next !== undefined) this.moveTo(next);
  }

  settle() {
    this.say();
    this.inspect();
    this.push("step", this.panes[0].step);
    if (this.isPair) this.push("budget", this.place < this.most ? this.place : -1);
  }

  say() {
    const [{ tree, now }] = this.panes;
    this.slider.value = this.place;
    for (const pane of this.panes) pane.entitle();
    this.end.textContent = this.isPair || !this.panes[0].outcome() ? "" : `  ·  ${this.panes[0].outcome()}`;
    this.said.textContent = this.isPair ? `each at ${count(this.place)} of ${count(this.most)} tokens sampled`
      : [`${count(this.place + 1)} of ${count(this.most + 1)}`, tell(tree, now),
        `node ${count(now.step)} of ${count(tree.size - 1)}`,
        `${count(now.sampled)} tokens sampled`].join("  ·  ");
  }

  play(seconds = SECONDS) {
    if (this.playing) return this.stop();
    if (this.place >= this.most) this.moveTo(0);
    const pace = Math.max(this.isPair ? 25 : 6, this.most / seconds) / 1000, from = this.place; // a millisecond
    let began = null;
    const tick = (time) => {
      began ??= time;
      const place = Math.min(this.most, from + Math.floor((time - began) * pace));
      if (place !== this.place) this.moveTo(place);
      if (place >= this.most) this.stop();
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

  // ---- the search for text

  search() {
    const wanted = this.searchBox.value.trim().toLowerCase();
    for (const pane of this.panes) { pane.matches = pane.tree.find(wanted); pane.draw(); }
    this.matches = this.panes.flatMap((pane) => pane.matches.map((node) => [pane, node]));
    this.found.textContent = wanted ? `${count(this.matches.length)} found` : "";
  }

  nextMatch(way) {
    const { matches, active } = this;
    if (!matches.length) return;
    const at = matches.findIndex(([pane, node]) => pane === active && node === active.selected);
    const next = at < 0 ? 0 : (at + way + matches.length) % matches.length, [pane, node] = matches[next];
    pane.select(node);
    this.found.textContent = `${count(next + 1)} of ${count(matches.length)}`;
  }

  push(name, value) {
    if (this.model.get(name) === value) return;
    this.model.set(name, value);
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.model.save_changes(), 40);
  }

  destroy() {
    this.stop();
    for (const [name, handler] of Object.entries(this.changes)) this.model.off(`change:${name}`, handler);
    this.model.off("msg:custom", this.hear); this.form?.destroy();
    if (this.onHash) removeEventListener("hashchange", this.onHash);
    for (const [name, handler] of Object.entries(this.papers)) removeEventListener(name, handler);
    for (const pane of this.panes) pane.destroy();
    for (const observer of [this.observer, this.sizes]) observer.disconnect();
    this.scheme.removeEventListener("change", this.onScheme);
    this.host.remove();
  }
}

export function render({ model, el }) {
  const viewer = new Viewer(model, el);
  return () => viewer.destroy();
}

export default { render };
