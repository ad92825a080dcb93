import { Presence } from "./presence.js";

const PATIENCE = 10_000;
const REJOIN_AFTER = [1_000, 2_000, 5_000, 10_000];

/**
 * One topic of one client. Its `state`: "joining", "joined", "refused" (with `reason`), "failed" (it is joined again
 * soon), "closed" (by the server), "offline" (joined again with the connection).
 */
export class Topic {
  state = "offline";
  reason = "";
  presence = new Presence();

  #client;
  #joinRef = null;
  #waiting = new Map();
  #failures = 0;
  #rejoin;

  constructor(client, name, params) {
    this.#client = client;
    this.name = name;
    this.params = params;
  }

  async join() {
    clearTimeout(this.#rejoin);
    this.#giveUp("closed");
    this.presence.reset();
    this.#joinRef = this.#client.nextRef();
    this.#become("joining");
    const { status, response } = await this.#request(this.#joinRef, "phx_join", this.params);
    // "closed": another join or the end of the connection came first, and has said what is.
    if (status === "ok") {
      this.#failures = 0;
      this.#become("joined");
    } else if (status === "error") {
      this.#become("refused", reasonOf(response));
    } else if (status === "timeout") {
      this.#send(this.#client.nextRef(), "phx_leave", {});
      this.#fail("no answer to the join");
    }
  }

  /** Resolves with `{status, response, ms}`; a status of our own is "timeout" or "closed". */
  push(event, payload) {
    return this.#request(this.#client.nextRef(), event, payload);
  }

  leave() {
    clearTimeout(this.#rejoin);
    if (this.state === "joined" || this.state === "joining") this.#send(this.#client.nextRef(), "phx_leave", {});
    this.#giveUp("closed");
  }

  /** The connection has opened. */
  online() {
    this.#failures = 0;
    if (this.state === "offline" || this.state === "failed") this.join();
  }

  /** The connection is gone. */
  offline() {
    clearTimeout(this.#rejoin);
    this.#giveUp("closed");
    this.presence.reset();
    if (this.state !== "refused" && this.state !== "closed") this.#become("offline");
  }

  receive({ joinRef, ref, event, payload }) {
    // A frame of an earlier join of this topic.
    if (joinRef && joinRef !== this.#joinRef) return;
    if (event === "phx_reply") return this.#answer(ref, payload);
    if (event === "phx_error") return this.#fail("the channel crashed");
    if (event === "phx_close") {
      this.#giveUp("closed");
      this.presence.reset();
      return this.#become("closed");
    }
    if (this.presence.take(event, payload)) this.#client.changed();
  }

  #become(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.#client.changed();
  }

  #fail(reason) {
    this.#giveUp("closed");
    this.presence.reset();
    this.#become("failed", reason);
    const delay = REJOIN_AFTER[Math.min(this.#failures, REJOIN_AFTER.length - 1)];
    this.#failures += 1;
    this.#rejoin = setTimeout(() => this.join(), delay);
  }

  #send(ref, event, payload) {
    this.#client.send({ joinRef: this.#joinRef, ref, topic: this.name, event, payload });
  }

  #request(ref, event, payload) {
    return new Promise((resolve) => {
      const sent = performance.now();
      const timer = setTimeout(() => this.#answer(ref, { status: "timeout", response: {} }), PATIENCE);
      this.#waiting.set(ref, ({ status, response }) => {
        clearTimeout(timer);
        resolve({ status, response, ms: performance.now() - sent });
      });
      this.#send(ref, event, payload);
    });
  }

  #answer(ref, answer) {
    const resolve = this.#waiting.get(ref);
    this.#waiting.delete(ref);
    resolve?.(answer);
  }

  #giveUp(status) {
    for (const ref of [...this.#waiting.keys()]) this.#answer(ref, { status, response: {} });
  }
}

function reasonOf(response) {
  return typeof response?.reason === "string" ? response.reason : JSON.stringify(response);
}
