/**
 * What is said when nothing comes back from Python: a notebook that was opened and not run has no kernel.
 *
 * It does not know what was asked.
 */

const PATIENCE = 3000; // milliseconds
const HEARD = ["busy", "status", "tree", "other"].map((name) => `change:${name}`).concat("msg:custom");
export const SILENT = "No answer yet. A search needs a free kernel: run this notebook's cells, then search here.";

/** Call `say(SILENT)` where the model hears nothing of Python for a while after a question. */
export function awaitAnswer(model, say, patience = PATIENCE) {
  let heard = false;
  const hear = () => { heard = true; };
  for (const name of HEARD) model.on(name, hear);
  setTimeout(() => {
    for (const name of HEARD) model.off(name, hear);
    if (!heard) say(SILENT);
  }, patience);
}
