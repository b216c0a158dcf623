/**
 * A context that writes what is drawn on it as SVG, for paper, where a canvas is squeezed and blurred: the part of a
 * canvas's context that the painter uses, with whole circles as its only arcs. It does not know what is drawn.
 */

const NAMESPACE = "http://www.w3.org/2000/svg";
const round = (x) => Math.round(100 * x) / 100;

function make(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes))
    element.setAttribute(name, typeof value === "number" ? round(value) : value);
  return element;
}

export class Vector {
  /** `measuring` is a canvas's context, which knows how wide a text is. */
  constructor(width, height, measuring) {
    this.element = make("svg", { class: "paper", viewBox: `0 0 ${round(width)} ${round(height)}` });
    Object.assign(this, { measuring, path: "", dash: [], globalAlpha: 1, lineWidth: 1, font: "10px sans-serif" });
    Object.assign(this, { fillStyle: "#000000", strokeStyle: "#000000" });
  }

  add(tag, attributes) {
    const element = make(tag, { opacity: this.globalAlpha, ...attributes });
    this.element.append(element);
    return element;
  }

  draw(...parts) { this.path += parts.map((part) => (typeof part === "number" ? `${round(part)} ` : part)).join(""); }

  // ---- as a canvas's context has them

  beginPath() { this.path = ""; }
  moveTo(x, y) { this.draw("M", x, y); }
  lineTo(x, y) { this.draw(this.path ? "L" : "M", x, y); }
  bezierCurveTo(...numbers) { this.draw("C", ...numbers); }
  closePath() { this.draw("Z"); }
  rect(x, y, wide, high) { this.draw("M", x, y, "h", wide, "v", high, "h", -wide, "Z"); }
  arc(x, y, r) { this.draw("M", x - r, y, "a", r, r, "0 1 0 ", 2 * r, 0, "a", r, r, "0 1 0 ", -2 * r, 0, "Z"); }

  roundRect(x, y, wide, high, r) {
    const corner = (dx, dy) => ["a", r, r, "0 0 1 ", dx, dy];
    this.draw("M", x + r, y, "h", wide - 2 * r, ...corner(r, r), "v", high - 2 * r, ...corner(-r, r),
      "h", 2 * r - wide, ...corner(-r, -r), "v", 2 * r - high, ...corner(r, -r), "Z");
  }

  setLineDash(dash) { this.dash = dash; }
  clearRect() { this.element.replaceChildren(); }
  fill() { this.add("path", { d: this.path, fill: this.fillStyle }); }

  stroke() {
    this.add("path", { d: this.path, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth,
      "stroke-dasharray": this.dash.join(" ") || "none" });
  }

  fillRect(x, y, width, height) { this.add("rect", { x, y, width, height, fill: this.fillStyle }); }

  measureText(text) {
    this.measuring.font = this.font;
    return this.measuring.measureText(text);
  }

  /** The halo of the text that is filled next. */
  strokeText() {
    this.halo = { stroke: this.strokeStyle, "stroke-width": this.lineWidth, "paint-order": "stroke" };
  }

  fillText(text, x, y) {
    const [, weight, size, family] = /^(?:(\d+) )?([\d.]+)px (.*)$/.exec(this.font);
    this.add("text", { x, y, ...this.halo, fill: this.fillStyle, "dominant-baseline": "central",
      "font-size": Number(size), "font-weight": weight ?? "400", "font-family": family }).textContent = text;
    this.halo = {};
  }
}
