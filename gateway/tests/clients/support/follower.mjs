// Clients that want every message of a topic, and note what they get.

import WebSocket from "ws";

import { recoveringChannel } from "../../../examples/recovery/recovering.mjs";
import { VERSIONS } from "./client.mjs";
import { Journal } from "./wait.mjs";

/** What all followers have: `numbers` in the order in which they came, and what the joins were told. */
class Follower {
  numbers = [];
  joins = new Journal();
  losses = 0;
  cuts = 0;
  over = false;

  /** The first number that is not the next one, as a sentence. */
  fault() {
    const index = this.numbers.findIndex((number, at) => number !== at + 1);
    if (index < 0) return undefined;
    return `${this.name}: ${this.numbers.slice(Math.max(0, index - 3), index + 4)} at ${index}`;
  }

  /** Joins that could not be proved, but for the first. */
  get unproved() {
    return this.joins.entries.slice(1).filter(({ recovered }) => recovered !== true).length;
  }
}

/** phoenix.js with the recipe of the documentation. */
export class PhoenixFollower extends Follower {
  /** The codes with which its connections closed. */
  closes = [];
  #socket;

  /** `url` and `transport` as a balancer has them; `rest` makes how many ms it waits before it connects again, if not as usual. */
  constructor({ name, version, url, transport, topic, rest }) {
    super();
    this.name = `${name} (phoenix.js ${version})`;
    this.#socket = new VERSIONS[version](url, { transport, params: { offsets: 1 }, reconnectAfterMs: rest });
    this.#socket.onClose(({ code }) => this.closes.push(code));
    const channel = recoveringChannel(this.#socket, topic);
    channel.on("tick", ({ n }) => this.numbers.push(n));
    channel.onError(() => (this.losses += this.#socket.isConnected() ? 1 : 0));
    this.join = () => channel.join().receive("ok", ({ recovery }) => this.joins.add(recovery ?? {}));
  }

  start() {
    this.#socket.connect();
    this.join();
  }

  /** Cuts the connection without a word. */
  cut() {
    this.cuts += 1;
    this.#socket.conn?.terminate();
  }

  async stop() {
    this.over = true;
    await new Promise((resolve) => this.#socket.disconnect(resolve));
  }
}

/** Version 1 of the serializer over a bare WebSocket. */
export class PlainFollower extends Follower {
  #options;
  #socket;
  #position = true;
  #joinRef = 0;

  constructor({ name, ...options }) {
    super();
    this.name = `${name} (version 1)`;
    this.#options = options;
  }

  start() {
    const { url, transport: Transport, rest } = this.#options;
    const socket = new Transport(`${url}/websocket?offsets=1`);
    this.#socket = socket;
    socket.on("open", () => this.#join(socket));
    socket.on("message", (data) => this.#read(socket, JSON.parse(String(data))));
    // The close follows.
    socket.on("error", () => {});
    socket.on("close", () => {
      if (!this.over) setTimeout(() => this.over || this.start(), rest());
    });
  }

  #join(socket) {
    this.#joinRef += 1;
    const join = { topic: this.#options.topic, event: "phx_join", payload: { recover: this.#position }, ref: `${this.#joinRef}` };
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(join));
  }

  #read(socket, { event, payload, ref }) {
    if (event === "phx_reply" && ref === `${this.#joinRef}`) {
      if (payload.status !== "ok") return void setTimeout(() => this.#join(socket), 200);
      this.#position = payload.response.recovery;
      this.joins.add(payload.response.recovery);
    } else if (event === "phx_error") {
      this.losses += 1;
      setTimeout(() => this.#join(socket), 100);
    } else if (event === "tick") {
      this.numbers.push(payload.n);
      this.#position = { epoch: this.#position.epoch, offset: Number(ref.slice(2)) };
    }
  }

  cut() {
    this.cuts += 1;
    this.#socket.terminate();
  }

  async stop() {
    this.over = true;
    this.#socket.terminate();
  }
}
