/**
 * Small things that draw no tree: page elements, short lines of foreign text, numbers as words.
 *
 * Text that a model wrote becomes text nodes here, never markup.
 */

// for all that takes keys: keeps JupyterLab's shortcuts away
export const QUIET = { "data-lm-suppress-shortcuts": "true" };
export const ICONS = { play: "M4.5 2.5v9l7-4.5z", pause: "M4.5 2.5v9M9.5 2.5v9", plus: "M7 2.5v9M2.5 7h9",
  minus: "M2.5 7h9", fit: "M2 5V2h3M9 2h3v3M12 9v3H9M5 12H2V9",
  unfold: "M4 5l3-3 3 3M4 9l3 3 3-3", fold: "M4 2l3 3 3-3M4 12l3-3 3 3",
  back: "M4 2.5v9M10.5 2.5v9L6 7z", next: "M10 2.5v9M3.5 2.5v9L8 7z",
  share: "M5.5 8.5l3-3M6 4l1.5-1.5a2.5 2.5 0 0 1 3.5 3.5L9.5 7.5M8 10l-1.5 1.5a2.5 2.5 0 0 1-3.5-3.5L4.5 6.5",
  help: "M4.8 5a2.2 2.2 0 1 1 3.3 1.9c-.8.5-1.1.9-1.1 1.8M7 11.4v.1",
  links: "M2.5 3.5a1 1 0 1 0 2 0a1 1 0 1 0-2 0M2.5 10.5a1 1 0 1 0 2 0a1 1 0 1 0-2 0M4.5 3.5h3a3.5 3.5 0 0 1 0 7h-3" };

export const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
export const signed = (x) => (x > 0 ? "+" : x < 0 ? "−" : "") + Math.abs(x).toFixed(2);
export const count = (x) => x.toLocaleString("en");
export const lastOf = (list) => list[list.length - 1];

/** An element; strings among the children become text nodes, never markup. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value);
  element.append(...children.filter((child) => child != null));
  return element;
}

export function icon(name) {
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
export function tidy(text, most) {
  const clean = String(text).slice(0, 4 * most).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\s]+/gu, " ").trim();
  const characters = [...clean];
  return characters.length > most ? characters.slice(0, most - 1).join("") + "…" : clean;
}

/** Real signs in place of the keyboard's. */
export const typeset = (text) => text.replace(/ \* /g, " × ").replace(/ \/ /g, " ÷ ").replace(/-(?=[ \d(])/g, "−");
