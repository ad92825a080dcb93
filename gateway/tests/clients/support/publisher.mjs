// Publishes numbers to a topic at a steady pace, each once, whatever happens to the pods.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

/** Publishes 1, 2, 3 … as `tick` until told to stop. What may or may not have been sent is sent again with the same key. */
export class Publisher {
  sent = 0;
  repeated = 0;

  #over = false;
  #options;

  /** `rate` a second, by any of `pods()`, which may change; `name` is in the keys, `random` chooses. */
  constructor({ topic, rate, name, pods, random = Math.random }) {
    this.#options = { topic, rate, name, pods, random };
  }

  async run() {
    const began = Date.now();
    while (!this.#over) {
      const wait = began + (this.sent * 1_000) / this.#options.rate - Date.now();
      if (wait > 0) await pause(wait);
      await this.#send(this.sent + 1);
      this.sent += 1;
    }
  }

  async #send(n) {
    const { topic, name, pods, random } = this.#options;
    const message = { topic, event: "tick", payload: { n }, idempotency_key: `${name}-${n}` };
    const deadline = Date.now() + 20_000;
    for (;;) {
      const all = pods();
      const pod = all[Math.floor(random() * all.length)];
      const answer = await pod.post("/api/v1/broadcast", message).catch((error) => error);
      if (answer.status === 202) return;
      this.repeated += 1;
      assert.ok(Date.now() < deadline, `message ${n} was not taken: ${answer.status ?? answer}`);
      await pause(50);
    }
  }

  stop() {
    this.#over = true;
  }
}
