/**
 * A search tree and its replay: the lists that Python wrote, and the statistics as they were at any moment.
 *
 * The event log is a list of differences (see game24lab.search.tree): playing the first `at` events gives the tree as
 * it was then. Events that belong together (the nodes of one selection, the lines of one draw) are one moment, and the
 * timeline goes from moment to moment. It does not know how anything is drawn.
 */

import { ALIVE, DEAD, STEPS, UNKNOWN } from "./palette.js";
import { clamp, lastOf, tidy, typeset } from "./words.js";

const COLUMNS = ["parent", "line", "label", "prior", "logprob", "value", "visits", "total", "followed", "tokens",
  "status", "expression", "same", "reason", "truth"];
export const STATUS_WORDS = { solved: "solved", wrong: "wrong value", illegal: "illegal line", pruned: "pruned",
  unfinished: "unfinished" };

/** Parallel lists as Python wrote them, with what drawing needs beside them: children, depths, moments. */
export class Tree {
  constructor(json) {
    for (const name of COLUMNS) this[name] = json[name];
    this.meta = json.meta ?? {};
    this.size = this.parent.length;
    this.children = this.parent.map(() => []);
    [this.labels, this.moves] = [[], []]; // texts as drawn, made when first asked for
    this.depth = new Int32Array(this.size);
    this.deepest = 0;
    for (let i = 1; i < this.size; i++) {
      this.children[this.parent[i]].push(i);
      this.deepest = Math.max(this.deepest, (this.depth[i] = this.depth[this.parent[i]] + 1));
    }
    this.logged = json.events?.length > 0;
    this.events = this.logged ? json.events : this.inventEvents();
    // beams, particles and samples count no visits: how often the search went on through a node stands for them
    const passed = new Int32Array(this.size);
    for (const [kind, node] of this.events) if (kind === "select") passed[node]++;
    this.counted = this.visits.some((visits) => visits > 0);
    if (!this.followed.some((n) => n > 0)) this.followed = passed;
    this.prunes = this.status.includes("pruned");
    const { followed, prior } = this;
    const better = (a, b) => followed[b] - followed[a] || (prior[b] ?? 0) - (prior[a] ?? 0) || a - b;
    for (const list of this.children) list.sort(better);
    const stop = lastOf(this.events), ends = stop[0] === "stop" && stop[1] > 0;
    this.committed = new Set(ends ? this.path(stop[1]) : this.descend(this.followed, this.size)); // in the end
    this.gatherIllegal();
    this.listMoments();
    this.rewind();
  }

  /** `crowds`: the first illegal line of a position -> all of them, where there are several; `spare`: the others. */
  gatherIllegal() {
    [this.crowds, this.spare] = [new Map(), new Set()];
    for (const list of this.children) {
      const alone = (i) => this.status[i] === "illegal" && !this.children[i].length && !this.committed.has(i);
      const lines = list.filter(alone).sort((a, b) => a - b);
      if (lines.length < 2) continue;
      this.crowds.set(lines[0], lines);
      for (const line of lines.slice(1)) this.spare.add(line);
    }
  }

  /** Without a log the nodes just appear, one after the other. */
  inventEvents() {
    let sampled = 0;
    return this.parent.map((_, i) => ["expand", i, this.visits[i], this.total[i], (sampled += this.tokens[i])]);
  }

  /** `kinds` and `ends` (events played) of the moments; `until`: events played when the next node is to appear. */
  listMoments() {
    [this.kinds, this.ends] = [[], []];
    this.until = new Int32Array(this.size).fill(this.events.length);
    let last = -1; // the node that appeared before
    this.events.forEach(([kind, node], at) => {
      const grows = kind === "expand" && last >= 0;
      const apart = grows && (!this.logged || (this.parent[node] !== this.parent[last] && this.parent[node] !== last));
      if (lastOf(this.kinds) !== kind || apart) { this.kinds.push(kind); this.ends.push(at); }
      this.ends[this.ends.length - 1] = at + 1;
      if (kind === "expand") { if (node) this.until[node - 1] = at; last = node; }
    });
  }

  /** The first moment that `holds`, where all after it do too; the last where none does. */
  findMoment(holds) {
    let [low, high] = [0, this.ends.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.ends[middle])) high = middle; else low = middle + 1;
    }
    return low;
  }

  /** The moment that an event belongs to, by the number of events played. */
  momentAt(at) { return this.findMoment((end) => end >= at); }

  sampledAt(at) { return at > 0 ? this.events[at - 1][4] : 0; }

  /** Tokens that the whole search sampled. */
  get cost() { return this.sampledAt(this.events.length); }

  /** Events played when the search had sampled at most so many tokens; at least the start is there. */
  within(budget) {
    if (budget >= this.cost) return this.events.length;
    return this.ends[Math.max(0, this.findMoment((end) => this.sampledAt(end) > budget) - 1)];
  }

  rewind() {
    const [N, W, n] = [0, 0, 0].map(() => new Float64Array(this.size));
    const known = new Uint8Array(this.size).fill(this.logged ? 0 : 1), pruned = new Uint8Array(this.size);
    this.now = { at: 0, step: 0, sampled: 0, before: "", route: new Set(), delta: new Map(), N, W, n, known, pruned };
    if (!this.logged) { N.set(this.visits); W.set(this.total); n.set(this.followed); }
  }

  /**
   * The statistics after `at` events: N, W, n (of the line), known values, pruned nodes; what the present moment
   * changed (`kind`, `delta`), the paths selected last (`route`), and for each node how many are below it (`below`)
   * and the tokens sampled for it and below it (`spent`; for nodes that are there, those of the whole search: the log
   * does not say for which line a duplicate was paid).
   */
  at(at) {
    if (at < this.now.at) this.rewind();
    const now = this.now;
    if (at === now.at) return now;
    const moment = this.momentAt(at), from = moment ? this.ends[moment - 1] : 0;
    now.delta.clear();
    for (; now.at < at; now.at++) {
      const [kind, node, visits, total, sampled] = this.events[now.at];
      if (now.at >= from) {
        const was = now.delta.get(node) ?? [0, 0];
        now.delta.set(node, [was[0] + visits - now.N[node], was[1] + total - now.W[node]]);
      }
      now.N[node] = visits; now.W[node] = total; now.sampled = sampled;
      if (kind === "expand") now.step = node;
      else if (kind === "select") {
        if (now.before !== "select") now.route.clear();
        now.n[node]++; now.route.add(node); now.pruned[node] = 0; // gone on from after all
      } else if (kind === "evaluate") now.known[node] = 1;
      else if (kind === "prune") now.pruned[node] = 1;
      now.before = kind;
    }
    [now.kind, now.moment, now.end] = [this.kinds[moment], moment, at === this.events.length];
    if (now.end) { // the lists themselves have the last word
      now.step = this.size - 1;
      now.N.set(this.visits); now.W.set(this.total); now.n.set(this.followed); now.known.fill(1);
      now.route.clear();
    }
    [now.below, now.spent] = [new Int32Array(this.size), new Float64Array(this.size)];
    for (let i = now.step; i >= 0; i--) {
      now.spent[i] += this.tokens[i];
      if (!i) break;
      now.below[this.parent[i]] += now.below[i] + 1; now.spent[this.parent[i]] += now.spent[i];
    }
    now.principal = now.end ? this.committed : new Set(this.descend(now.n, now.step));
    return now;
  }

  /** The most followed line. */
  descend(n, step) {
    const path = [0];
    for (;;) {
      const better = (a, b) => (b <= step && n[b] > (a < 0 ? 0 : n[a]) ? b : a);
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
  /** Where the search went on from a position: children hang under its first node, in beams under each of its own. */
  childrenOf(node) { return this.children[node].length ? this.children[node] : this.children[this.first(node)]; }

  /** The critic's value once the replay has seen it; a repeated position has that of the first. */
  valueAt(node, now) {
    const first = this.first(node);
    return now.known[node] || now.known[first] ? this.value[node] ?? this.value[first] : null;
  }

  q(node, now) { return now.N[node] ? now.W[node] / now.N[node] : null; }

  visitsAt(node, now) { return this.counted ? now.N[node] : now.n[node]; }

  /** What the size of a node shows, as a share of the root's. */
  weight(node, now, size) {
    const [part, whole] = size === "tokens" ? [now.spent[node], now.spent[0]]
      : [this.visitsAt(node, now), this.visitsAt(0, now)];
    return clamp(part / Math.max(1, whole), 0, 1);
  }

  /** What the width of the edge to a node shows, from 0 to 1. */
  strength(node, now, edge) {
    if (edge === "prior") return clamp(this.prior[node] ?? 0, 0, 1);
    return clamp(now.n[node] / Math.max(1, this.visitsAt(0, now)), 0, 1);
  }

  /** The bonus U of PUCT (AlphaZero) or UCT for a line, from the parameters that the search ran with; else null. */
  bonus(node, now) {
    const { pb_c_init, pb_c_base, c_init, c_base, w_exp, gumbel_scale } = this.meta.parameters ?? {};
    const [init, base] = [pb_c_init ?? c_init, pb_c_base ?? c_base], N = now.N[this.parent[node]], n = now.n[node];
    if (!node || !N || this.status[node] === "illegal") return null;
    if (w_exp != null) return w_exp * Math.sqrt(Math.log(N) / Math.max(1, n));
    if (init == null || base == null || gumbel_scale != null || this.prior[node] == null) return null;
    return (this.prior[node] * (Math.log((N + base + 1) / base) + init) * Math.sqrt(N)) / (n + 1);
  }

  labelOf(node) {
    return (this.labels[node] ??= typeset(tidy(this.label[node], 26)) || (STATUS_WORDS[this.status[node]] ?? "…"));
  }

  /** What stands before the equals sign of the line; where lines are token ids, what they say. */
  moveOf(node) {
    const said = this.meta.moves;
    if (Array.isArray(said) && said.length === this.label.length) return tidy(String(said[node]), 20);
    const line = this.line[node].slice(0, 60), equals = line.indexOf("=");
    return (this.moves[node] ??= typeset(tidy(equals > 0 ? line.slice(0, equals) : line, 20)));
  }

  /** A node counts as pruned only once the replay has seen it happen; "kept" is one that was gone on from instead. */
  statusAt(node, now) {
    const status = this.status[node];
    const alive = (status === "open" || status === "pruned") && !now.pruned[node];
    if (this.prunes && node && now.n[node] && alive) return "kept";
    return status === "pruned" && !(now.pruned[node] || now.end) ? "open" : status;
  }

  /** Nodes whose text holds what is wanted, in small letters. */
  find(wanted) {
    const texts = [this.label, this.line, this.expression, this.reason, this.status], found = [];
    for (let i = 0; wanted && i < this.size; i++)
      if (texts.some((list) => list[i].toLowerCase().includes(wanted))) found.push(i);
    return found;
  }

  /** Index into `shades` for a node's fill. */
  shade(node, now, colour) {
    const scaled = (x, low, high) => (x == null ? UNKNOWN : Math.round(clamp((x - low) / (high - low), 0, 1) * STEPS));
    if (colour === "truth") return this.truth[node] == null ? UNKNOWN : this.truth[node] ? ALIVE : DEAD;
    if (colour === "depth") return scaled(this.depth[node], 0, Math.max(1, this.deepest));
    if (colour === "visits")
      return scaled(Math.log1p(this.visitsAt(node, now)) / Math.log1p(Math.max(1, this.visitsAt(0, now))), 0, 1);
    if (colour === "prior") return scaled(this.prior[node] == null ? null : Math.sqrt(this.prior[node]), 0, 1);
    return scaled(colour === "mean" ? this.q(node, now) : this.valueAt(node, now), -1, 1);
  }
}
