/**
 * What scripts and tests may rely on of a viewer: its state as plain numbers, where nodes stand, a few things to do.
 *
 * It does not know how any of that comes about.
 */

import { THEMES } from "./palette.js";

/** Positions are in the coordinates of the page, `which` is 0 or 1. */
export function makeHandle(viewer) {
  const positionOf = (node, which = 0) => {
    const pane = viewer.panes[which], box = pane.canvas.getBoundingClientRect();
    if (!pane.isShown(node)) return null;
    const { x, y } = pane.anchor(node);
    return { x: box.x + x, y: box.y + y };
  };
  const tellPane = (pane) => {
    const { tree, now, step, selected, zoom, tx, ty } = pane;
    return { step, selected, zoom, tx, ty, nodes: tree.size, shown: pane.layout.nodes.filter((i) => i <= step),
      events: pane.at, kind: now.kind, sampled: now.sampled, visits: Array.from(now.N), totals: Array.from(now.W),
      matches: [...pane.matches], twins: [...pane.twins], pills: pane.frame?.pills ?? [] };
  };
  const state = () => ({ ...tellPane(viewer.panes[0]), ...viewer.look, place: viewer.place, most: viewer.most,
    other: viewer.isPair ? tellPane(viewer.panes[1]) : null,
    theme: viewer.theme === THEMES.dark ? "dark" : "light", playing: !!viewer.playing });
  const act = (name) => (value, which = 0) => { viewer.panes[which][name](value); };
  return { state, positionOf, select: act("select"), toggle: act("toggle"), fit: act("fit"),
    unfold: () => viewer.unfold(true), goTo: (step) => viewer.goTo(step), moveTo: (place) => viewer.moveTo(place),
    stop: () => viewer.stop() };
}
