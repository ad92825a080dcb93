// Who is present, as strictly as a client could want it: phoenix.js overlooks what must not happen.

import { Signal } from "./wait.mjs";

/** What one channel has been told, from its state on. `faults` gets a line for each thing that must not happen. */
export class Replica {
  /** By reference: the key and the meta. */
  held = new Map();
  changed = new Signal();
  /** How many diffs came since the state. */
  diffs = 0;

  #seen;
  #name;
  #faults;
  #watch;

  /** `watch` hears of each meta that comes and goes. */
  constructor(name, faults, watch = undefined) {
    this.#name = name;
    this.#faults = faults;
    this.#watch = watch;
  }

  /** Whether the state has come. */
  get known() {
    return this.#seen !== undefined;
  }

  /** Follows a channel of phoenix.js. */
  follow(channel) {
    channel.on("presence_state", (state) => this.#state(state));
    channel.on("presence_diff", (diff) => this.#diff(diff));
  }

  /** The connection or the membership has ended: what comes before the next state counts for nothing. */
  forget() {
    for (const { meta } of this.held.values()) this.#watch?.gone(meta);
    this.held.clear();
    this.#seen = undefined;
    this.diffs = 0;
    this.changed.fire();
  }

  #state(state) {
    if (this.known) this.#faults.push(`${this.#name}: a second presence_state in one membership`);
    this.forget();
    this.#seen = new Set();
    this.#take(state);
    this.changed.fire();
  }

  #diff({ joins, leaves }) {
    // What was still on its way to the membership before: phoenix.js cannot tell it apart.
    if (!this.known) return;
    this.diffs += 1;
    this.#take(joins);
    for (const { key, meta } of entries(leaves)) {
      const held = this.held.get(meta.phx_ref);
      if (held?.key !== key) this.#faults.push(`${this.#name}: ${key} ${meta.phx_ref} leaves, which it does not hold`);
      if (!held) continue;
      this.held.delete(meta.phx_ref);
      this.#watch?.gone(held.meta);
    }
    this.changed.fire();
  }

  #take(map) {
    for (const { key, meta } of entries(map)) {
      if (this.#seen.has(meta.phx_ref)) this.#faults.push(`${this.#name}: ${key} ${meta.phx_ref} comes twice`);
      this.#seen.add(meta.phx_ref);
      this.held.set(meta.phx_ref, { key, meta });
      this.#watch?.came(meta);
    }
  }
}

/** The metas of a map as the gateway and phoenix.js have it. */
export function* entries(map) {
  for (const [key, { metas }] of Object.entries(map)) for (const meta of metas) yield { key, meta };
}

/** The same map in a form that can be compared: the order of keys, of metas and within a meta says nothing. */
export function canonical(listed) {
  const sorted = (meta) => JSON.stringify(Object.fromEntries(Object.entries(meta).sort(([one], [other]) => (one < other ? -1 : 1))));
  return Array.from(listed, ({ key, meta }) => `${key} ${sorted(meta)}`).sort();
}
