/**
 * The look of everything around the canvas; it holds inside the viewer's shadow root only.
 */

import { FONT, MONO } from "./palette.js";

export const STYLE = `
:host { display: block; height: 100%; }
* { box-sizing: border-box; }
.view { display: flex; flex-direction: column; height: 100%; min-height: 260px;
  background: var(--bg); color: var(--ink); position: relative;
  border: 1px solid var(--line); border-radius: 8px; overflow: hidden; container-type: inline-size;
  font: 13px/1.45 ${FONT}; font-variant-numeric: tabular-nums; }
.bar { display: flex; align-items: center; gap: 8px; padding: 7px 12px; flex-wrap: wrap; }
.top { border-bottom: 1px solid var(--line); }
.tools { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 6px; }
.title { flex: 1 0 auto; max-width: 100%; color: var(--muted); overflow-wrap: anywhere; }
.title b { color: var(--ink); font-size: 15px; font-weight: 650; margin-right: 8px; }
.main { display: flex; flex: 1; min-height: 0; }
.stages { display: flex; flex: 1; min-width: 0; min-height: 0; }
.pane { display: flex; flex-direction: column; flex: 1; min-width: 0; min-height: 0; }
.pane + .pane { border-left: 1px solid var(--line); }
.caption { display: none; padding: 5px 12px; color: var(--muted); font-size: 12px; min-height: 46px;
  overflow-wrap: anywhere; border-bottom: 1px solid var(--line); }
.caption b { color: var(--ink); font-weight: 650; margin-right: 8px; }
.pair .caption { display: block; }
.stage { position: relative; flex: 1; min-width: 0; min-height: 0; }
canvas.tree { position: absolute; inset: 0 auto auto 0; touch-action: none; }
canvas.tree:focus-visible { outline: 2px solid var(--muted); outline-offset: -2px; }
.tip { position: absolute; z-index: 2; max-width: min(320px, 90%); padding: 6px 9px; pointer-events: none;
  background: var(--panel); border: 1px solid var(--line); border-radius: 6px; box-shadow: 0 2px 8px rgba(0,0,0,.18);
  font-size: 12px; overflow-wrap: anywhere; unicode-bidi: isolate; }
[hidden] { display: none !important; } .tip .facts { color: var(--muted); }
.help { position: absolute; z-index: 3; inset: 40px 16px auto auto; max-width: 420px; padding: 12px 16px;
  background: var(--panel); border: 1px solid var(--line); border-radius: 8px; box-shadow: 0 4px 16px rgba(0,0,0,.25); }
.help dl { margin: 0 0 8px; grid-template-columns: 92px 1fr; } .help dt { color: var(--ink); }
.help dd { text-align: left; }
.side { width: 268px; border-left: 1px solid var(--line); background: var(--panel); overflow: auto;
  padding: 14px 16px; }
.side .of { color: var(--muted); font-size: 11px; font-weight: 600; }
.offers { display: flex; gap: 6px; margin-top: 12px; } .offers .on { flex: auto; padding: 0 5px; }
.side .answer { margin-top: 8px; padding: 7px 9px; background: var(--bg); border: 1px solid var(--line);
  border-radius: 5px; overflow-wrap: anywhere; white-space: pre-line; } .side .why { color: var(--muted); }
.side h3 { margin: 0 0 2px; font-size: 21px; font-weight: 650; line-height: 1.25; overflow-wrap: anywhere; }
.side h4 { margin: 16px 0 5px; font-size: 11px; font-weight: 600; color: var(--muted); }
.side pre { margin: 0; padding: 7px 9px; background: var(--bg); border: 1px solid var(--line); border-radius: 5px;
  font: 12px/1.45 ${MONO}; white-space: pre-wrap; overflow-wrap: anywhere; max-height: 112px; overflow: auto;
  unicode-bidi: isolate; }
.side .sub { color: var(--muted); overflow-wrap: anywhere; max-height: 84px; overflow: auto; unicode-bidi: isolate; }
dl { display: grid; grid-template-columns: auto 1fr; gap: 3px 14px; margin: 14px 0 0; }
summary { margin-top: 6px; color: var(--muted); font-size: 12px; cursor: pointer; } details dl { margin-top: 4px; }
summary:focus-visible { outline: 2px solid var(--muted); outline-offset: 1px; }
dt { color: var(--muted); } dd { margin: 0; text-align: right; overflow-wrap: anywhere; }
.move { display: grid; grid-template-columns: 1fr 42px 34px; gap: 8px; width: 100%; border: 0; padding: 2px 4px;
  text-align: left; background: none; border-radius: 4px; align-items: center; height: auto; }
.move span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.move span:last-child { text-align: right; }
.move .wide { grid-column: 1 / 4; text-align: left !important; }
.share { height: 6px; border-radius: 3px; overflow: hidden; background: var(--line); }
.share div { height: 100%; background: var(--muted); }
button, select, input[type=search], input[type=text] { font: inherit; color: inherit; background: var(--bg);
  border: 1px solid var(--line); border-radius: 6px; height: 28px; padding: 0 9px; margin: 0; }
button { cursor: pointer; } button.icon { width: 30px; padding: 0; display: inline-grid; place-items: center; }
button[aria-pressed=true] { background: var(--line); }
button:hover, .move:hover { background: var(--line); }
button:focus-visible, select:focus-visible, input:focus-visible { outline: 2px solid var(--muted);
  outline-offset: 1px; }
.looks { display: inline-flex; gap: 6px; } .opens { display: none; }
.tools select { padding: 0 3px; } select { max-width: 190px; }
.find { position: relative; display: inline-block; } /* room for "1 of 1,000", so that no button moves */
input[type=search] { width: 176px; padding-right: 84px; }
.found { position: absolute; right: 9px; top: 0; line-height: 28px; color: var(--muted); font-size: 12px;
  white-space: nowrap; pointer-events: none; }
.group { display: inline-flex; } .group button { border-radius: 0; margin-left: -1px; }
.group button:first-child { border-radius: 6px 0 0 6px; margin-left: 0; }
.group button:last-child { border-radius: 0 6px 6px 0; }
svg { width: 14px; height: 14px; fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linecap: round;
  stroke-linejoin: round; }
.foot { border-top: 1px solid var(--line); }
input[type=range] { flex: 1; min-width: 90px; accent-color: var(--path); margin: 0; }
.said { color: var(--muted); min-width: min(390px, 100%); text-align: right; font-size: 12px; }
.pair .said { min-width: min(230px, 100%); }
.legend { display: flex; flex-wrap: wrap; align-items: center; gap: 3px 16px; padding: 0 12px 8px;
  color: var(--muted); font-size: 11.5px; }
.legend span { display: inline-flex; align-items: center; gap: 5px; } .legend canvas { display: block; }
.form { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: 8px 10px; padding: 10px 12px;
  border-bottom: 1px solid var(--line); align-items: end; }
.field { display: grid; grid-template-rows: auto 28px; gap: 2px; min-width: 0; margin: 0; padding: 0; border: 0; }
.bare { grid-template-rows: 28px; }
.field > .name { color: var(--muted); font-size: 12px; white-space: nowrap; padding: 0; }
.field input[type=text], .field select { width: 100%; max-width: none; min-width: 0; }
.field .row { display: flex; align-items: center; gap: 8px; min-width: 0; } .field .row button { flex: 1 0 auto; }
.field .row output { min-width: 28px; text-align: right; } .field .modes { gap: 0; }
.field .modes button { padding: 0 6px; }
.primary { background: var(--ink); color: var(--bg); border-color: var(--ink); font-weight: 600; }
.primary:hover { background: var(--path); } button:disabled, input:disabled { opacity: .5; cursor: default; }
.form .last { grid-column: 1 / -1; display: flex; flex-wrap: wrap; gap: 2px 16px; min-height: 19px; }
.form .status { flex: 1 1 300px; overflow-wrap: anywhere; }
.form .keep { display: inline-flex; align-items: center; gap: 6px; white-space: nowrap; }
.form .status.busy::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 8px;
  border-radius: 50%; background: var(--mark); animation: beat 1s ease-in-out infinite alternate; }
@keyframes beat { from { opacity: .25; } }
@media (prefers-reduced-motion: reduce) { .form .status.busy::before { animation: none; } }
@container (max-width: 980px) { .pair .main { flex-direction: column; }
  .pair .side { width: auto; border-left: 0; border-top: 1px solid var(--line); max-height: 32%; }
  .pair .side dl { grid-template-columns: repeat(3, auto 1fr); margin-top: 8px; } }
@container (max-width: 860px) { .opens { display: inline-block; } .looks { display: none; }
  .looking .looks { display: flex; flex-wrap: wrap; order: 1; width: 100%; }
  .looking .opens { background: var(--line); } }
@container (max-width: 680px) { .main, .stages { flex-direction: column; } .said, .pair .said { min-width: 0; }
  .pane + .pane { border-left: 0; border-top: 1px solid var(--line); }
  .side { width: auto; border-left: 0; border-top: 1px solid var(--line); max-height: 42%; }
  .pair .side dl { grid-template-columns: auto 1fr; } }
.paper { display: none; }
@media print { .view { height: auto; border: 0; } .tools, .foot, .form, .help, .tip, canvas.tree { display: none; }
  .main, .pair .main { display: contents; } .stages { flex: none; } .legend { order: 1; }
  .paper { display: block; width: 100%; height: auto; max-height: 75vh; fill: initial; stroke: none; }
  .side, .pair .side { order: 2; width: auto; max-height: none; border: 0; break-inside: avoid; }
  .side dl, .pair .side dl { grid-template-columns: repeat(3, auto 1fr); }
  .offers, .side .move, .side details, h4:has(+ .move) { display: none; } }
`;
