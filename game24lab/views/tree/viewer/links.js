/**
 * Links to a moment, `#at=12&node=5&colour=truth`: behind the address of a page, or put into the box of Find. `at` is a
 * moment of one tree, or tokens of two; `node` and `other` are what is selected. It does not know what a viewer does.
 */

export function writeLink({ place, panes, look: { colour, size, edge } }) {
  const nodes = Object.fromEntries(panes.map((pane, which) => [which ? "other" : "node", pane.selected]));
  return `#${new URLSearchParams({ at: place, ...nodes, colour, size, edge })}`;
}

/** {at, nodes, look} of a link; null for any other text. */
export function readLink(text) {
  if (!/^#at=\d{1,12}(&|$)/.test(text)) return null;
  const given = new URLSearchParams(text.slice(1)), look = {};
  for (const name of ["colour", "size", "edge"]) if (given.has(name)) look[name] = given.get(name);
  return { at: Number(given.get("at")), nodes: ["node", "other"].map((name) => parseInt(given.get(name), 10)), look };
}
