// Waiting for events with a deadline, so that a test that hangs says what it was waiting for.

import { setTimeout as pause } from "node:timers/promises";

/** Settles as the promise does, or fails after `ms` with the name of what was awaited. */
export async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again, for what tells nobody when it changes; resolves when the answer is true. */
export async function eventually(ms, what, ask) {
  const deadline = Date.now() + ms;
  while (!(await ask())) {
    if (Date.now() > deadline) throw new Error(`not within ${ms} ms: ${what}`);
    await pause(50);
  }
}

/** Tells those who wait that they should look again. */
export class Signal {
  #waiting = new Set();

  fire() {
    for (const check of this.#waiting) check();
  }

  /**
   * Resolves with what `look` returns, once that is not undefined; it is asked now and whenever the signal is fired.
   * `what` makes the name of what was awaited. When `failure`, a promise, is rejected before, so is this.
   */
  async until(ms, what, look, failure = undefined) {
    let check;
    let timer;
    const found = new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what()}`)), ms);
      failure?.catch(reject);
      check = () => {
        const value = look();
        if (value !== undefined) resolve(value);
      };
      this.#waiting.add(check);
      check();
    });
    try {
      return await found;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(check);
    }
  }
}

/** A list that grows and can be waited for. */
export class Journal {
  entries = [];
  #grown = new Signal();

  add(entry) {
    this.entries.push(entry);
    this.#grown.fire();
  }

  /**
   * Resolves with the first entry for which `matches` holds, present or future. When `failure`, a promise, is rejected
   * before, so is this.
   */
  async first(what, matches, ms = 5_000, failure = undefined) {
    return this.#grown.until(ms, () => what, () => this.entries.find(matches), failure);
  }

  /** Resolves with all entries once there are `count` of them. */
  async count(what, count, ms = 5_000) {
    const enough = () => (this.entries.length >= count ? this.entries : undefined);
    return this.#grown.until(ms, () => `${what} (${this.entries.length} of ${count})`, enough);
  }
}
