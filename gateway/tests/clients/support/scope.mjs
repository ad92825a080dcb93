// Cleaning up after a `describe`, whose hooks know no `t.after`.

import { after } from "node:test";

/** Call it inside `describe` and pass it where a test passes its `t`: what `before` starts, ends after the last test. */
export function scope() {
  const undo = [];
  after(async () => {
    for (const step of undo.reverse()) await step();
  });
  return { after: (step) => undo.push(step) };
}
