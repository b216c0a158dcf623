/**
 * The form of the explorer: what to search, how and how much, and how the search stands, on a line of its own.
 *
 * `form` of the model: {problems: [text], strategies: {name: {effort, start}}, modes: {name: help}, most}. Its answers
 * are the model's `problem`, `strategy`, `mode`, `effort` and `keep`; `status` is said, `busy` while a search runs. A
 * press on Search sends them all as one message, a press on Stop another. It does not know what is searched.
 */

import { awaitAnswer } from "./silence.js";
import { h, QUIET } from "./words.js";

const ANSWERS = ["problem", "strategy", "mode", "effort", "keep"];

export class Form {
  constructor(model) {
    const { problems, strategies, modes, most } = model.get("form");
    Object.assign(this, { model, strategies, shown: {} });
    const change = (name, read) => () => this.answer(name, read());
    const named = (name) => h("span", { class: "name" }, name);
    const field = (name, ...controls) => h("label", { class: "field" }, named(name), ...controls);
    const listed = problems.map((value) => h("option", { value }));
    this.problem = h("input", { type: "text", list: "problems", spellcheck: "false", "aria-label": "Puzzle", ...QUIET,
      change: change("problem", () => this.problem.value),
      keydown: (event) => { if (event.key === "Enter") this.search(); } });
    this.strategy = h("select", { "aria-label": "Strategy", ...QUIET, change: () => {
      const name = this.strategy.value, { start } = strategies[name];
      if (strategies[model.get("strategy")]?.effort !== strategies[name].effort) this.answer("effort", start);
      this.answer("strategy", name);
    } }, ...Object.keys(strategies).map((value) => h("option", { value }, value)));
    this.effort = h("input", { type: "range", min: "1", max: String(most), "aria-label": "Effort", ...QUIET,
      input: () => { this.said.value = this.effort.value; },
      change: change("effort", () => Number(this.effort.value)) });
    this.said = h("output");
    this.measure = h("span", { class: "name" });
    this.modes = Object.entries(modes).map(([name, title]) => h("button", { title, type: "button", ...QUIET,
      click: () => this.answer("mode", name) }, name));
    this.keep = h("input", { type: "checkbox", ...QUIET, change: change("keep", () => this.keep.checked) });
    this.go = h("button", { class: "primary", title: "Search", type: "button", ...QUIET, click: () => this.search() },
      "Search");
    this.stop = h("button", { title: "End the search with what it has found", type: "button", ...QUIET,
      click: () => model.send({ kind: "stop" }) }, "Stop");
    this.status = h("div", { class: "status", role: "status" });
    this.element = h("div", { class: "form", ...QUIET },
      field("Puzzle", h("span", { class: "row" }, this.problem), h("datalist", { id: "problems" }, ...listed)),
      field("Strategy", this.strategy),
      h("label", { class: "field" }, this.measure, h("span", { class: "row" }, this.effort, this.said)),
      h("div", { class: "field", role: "group", "aria-label": "Mode" }, named("Mode"),
        h("span", { class: "row modes group" }, ...this.modes)),
      h("span", { class: "field bare" }, h("span", { class: "row" }, this.go, this.stop)),
      h("div", { class: "last" }, this.status,
        h("label", { class: "keep", title: "Show the next tree beside this one, on one budget of tokens" }, this.keep,
          "keep beside")));
    this.show = this.show.bind(this);
    for (const name of [...ANSWERS, "status", "busy"]) model.on(`change:${name}`, this.show);
    this.show();
  }

  answer(name, value) {
    this.model.set(name, value);
    this.model.save_changes();
  }

  search() {
    if (this.model.get("busy")) return;
    this.model.set("problem", this.problem.value);
    awaitAnswer(this.model, (said) => { this.status.textContent = said; });
    // in the message too: what is set may reach Python after it
    this.model.send({ kind: "search", ...Object.fromEntries(ANSWERS.map((name) => [name, this.model.get(name)])) });
  }

  /** What the model holds; what is being typed or dragged stays until the model has another value. */
  show() {
    const { model } = this, busy = model.get("busy"), { effort } = this.strategies[model.get("strategy")];
    for (const name of ["problem", "effort"]) {
      if (this.shown[name] !== model.get(name)) this[name].value = this.shown[name] = model.get(name);
    }
    this.strategy.value = model.get("strategy");
    this.measure.textContent = effort || "one answer";
    this.effort.disabled = !effort;
    this.said.value = effort ? this.effort.value : "–";
    for (const button of this.modes)
      button.setAttribute("aria-pressed", String(button.textContent === model.get("mode")));
    this.keep.checked = model.get("keep");
    this.go.disabled = busy;
    this.stop.disabled = !busy;
    this.status.textContent = model.get("status");
    this.status.classList.toggle("busy", busy);
  }

  destroy() {
    for (const name of [...ANSWERS, "status", "busy"]) this.model.off(`change:${name}`, this.show);
  }
}
