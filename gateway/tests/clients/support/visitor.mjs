// Clients that come and go at random, and know what is true of them.

import { setTimeout as pause } from "node:timers/promises";

import { Presence } from "phoenix";
import { Presence as OlderPresence } from "phoenix-1-8-13";

import { VERSIONS } from "./client.mjs";
import { Replica } from "./replica.mjs";
import { Signal, within } from "./wait.mjs";

const PRESENCES = { "1.8.16": Presence, "1.8.13": OlderPresence };

let last;

/** Parses what all clients get only once: with hundreds of them in one process, that is most of the work. */
function decode(text, callback) {
  if (last?.text !== text) {
    const [join_ref, ref, topic, event, payload] = JSON.parse(text);
    last = { text, message: { join_ref, ref, topic, event, payload } };
  }
  return callback(last.message);
}

/** What a visitor does next, and how often. */
const DEEDS = [
  ["update", 50],
  ["toggle", 15],
  ["rejoin", 10],
  ["reload", 8],
  ["cut", 7],
  ["away", 10],
];

/** One tab of a user, on one topic. `truth` is the meta that the others should see, or null. */
export class Visitor {
  truth = null;

  #random;
  #socket;
  #channel;
  #presence;
  #shows;
  #version;
  #pod;
  #opened = new Signal();
  #over = false;
  #changes = 0;
  #lose = () => {};
  #loss;

  /**
   * `user` is its key; `seed` decides what it does; with `shows` it has a Presence; `faults` gets what must not happen,
   * `watch` hears of what its replica shows.
   */
  constructor(balancer, { number, user, topic, seed, shows, faults, watch }) {
    this.name = `client ${number}`;
    this.user = user;
    this.topic = topic;
    this.#random = generator(seed);
    this.#version = number % 4 === 0 ? "1.8.13" : "1.8.16";
    this.#shows = shows;
    this.replica = new Replica(this.name, faults, watch);
    // Which pod it gets is decided apart, since it is asked for whenever a connection falls.
    const transport = balancer.transport(generator(~seed), (pod) => (this.#pod = pod));
    this.#socket = new VERSIONS[this.#version](balancer.url, { transport, decode });
    this.#socket.onOpen(() => this.#opened.fire());
    this.#socket.onClose(() => this.#end());
    this.#begin();
  }

  /** Whether it wants to be in the topic. */
  get here() {
    return this.#channel !== undefined;
  }

  /** What phoenix.js' own class shows, if this client has one. */
  listed() {
    return this.#presence?.list((key, { metas }) => metas.map((meta) => ({ key, meta }))).flat();
  }

  /** Connects and joins. */
  async come() {
    this.#socket.connect();
    await this.#join();
  }

  /** Does nothing any more. */
  async quit() {
    this.#over = true;
    // Whatever it is about to do.
    this.#socket.connect = () => {};
    await this.#disconnect();
  }

  /** Does one thing after the other until a time, with pauses of `rest` ms at most. */
  async live(until, rest) {
    for (;;) {
      await pause(Math.min(this.#random() * rest, Math.max(until - Date.now(), 0)));
      if (this.#over || Date.now() >= until) return;
      const deed = this.#deed();
      if (this.here) await this[deed]();
      else await this.come();
    }
  }

  /** Resolves when it has joined, if it wants to. */
  async settled(ms = 15_000) {
    const joined = () => (!this.here || this.replica.known ? true : undefined);
    await this.replica.changed.until(ms, () => `${this.name} joins (${this.#channel?.state})`, joined);
  }

  /** Changes its meta; also the last word of a test, after which nothing else changes. */
  async update() {
    if (this.truth) await this.#change("update", this.#meta());
  }

  async toggle() {
    if (this.truth) await this.#change("untrack", null);
    else await this.#change("track", this.#meta());
  }

  async rejoin() {
    const connected = this.#socket.isConnected();
    const { ref } = this.#channel.leave();
    // What the old membership was told may be on its way until the answer comes; phoenix.js could not tell it apart.
    if (connected) await this.#unlessLost((resolve) => this.#onReply(ref, resolve));
    this.#end();
    await this.#join();
  }

  /** As a page does that is reloaded. */
  async reload() {
    this.#end();
    await this.#disconnect();
    this.#socket.connect();
    await this.settled();
  }

  /** The connection falls, and phoenix.js connects again by itself. */
  async cut() {
    this.#end();
    this.#socket.conn?.terminate();
    await this.settled();
  }

  /** Leaves, and comes back with its next deed. */
  async away() {
    this.#channel.leave();
    this.#channel = undefined;
    this.#end();
    await this.#disconnect();
  }

  #disconnect() {
    return within(10_000, `${this.name} disconnects`, new Promise((resolve) => this.#socket.disconnect(resolve)));
  }

  async #join() {
    // Joined before, phoenix.js would tell whichever pod it reaches in the end what was true of the first one it tried.
    await this.#opened.until(15_000, () => `${this.name} connects`, () => this.#socket.isConnected() || undefined);
    let said;
    const params = () => {
      this.replica.forget();
      said = this.#meta();
      return { user_id: this.user, meta: said };
    };
    this.#channel = this.#socket.channel(this.topic, params);
    this.replica.follow(this.#channel);
    if (this.#shows) this.#presence = new PRESENCES[this.#version](this.#channel);
    this.#channel.join(15_000).receive("ok", () => {
      this.#begin();
      this.truth = said;
    });
    await this.settled();
  }

  /** A membership begins, or there is none: what was asked of the one before is not answered any more. */
  #begin() {
    this.#lose();
    this.#loss = new Promise((resolve) => (this.#lose = resolve));
    this.truth = null;
  }

  #end() {
    this.#begin();
    this.replica.forget();
  }

  /** Resolves as `start` wants, or with "lost" when the membership ends before. */
  #unlessLost(start) {
    return Promise.race([new Promise(start), this.#loss.then(() => "lost")]);
  }

  #onReply(ref, resolve) {
    const hook = this.#socket.onMessage((message) => {
      if (message.event !== "phx_reply" || message.ref !== ref) return;
      this.#socket.off([hook]);
      resolve();
    });
  }

  /** Tells who it is, where it is, and which of its states this is. */
  #meta() {
    this.#changes += 1;
    return { client: this.name, at: this.#pod, change: this.#changes };
  }

  /** Asks the relay to change its presence; if the answer is lost, what the next join says is true. */
  async #change(event, meta) {
    // Pushed now, phoenix.js would keep it for the next membership, where it is not true any more.
    if (!this.replica.known || !this.#socket.isConnected()) return;
    const status = await this.#unlessLost((resolve) => {
      const push = this.#channel.push("presence", { event, payload: meta ?? {} }, 15_000);
      for (const status of ["ok", "error", "timeout"]) push.receive(status, () => resolve(status));
    });
    if (status === "lost") return;
    if (status !== "ok") throw new Error(`${this.name}: ${event} is answered ${status}`);
    this.truth = meta;
  }

  #deed() {
    let number = this.#random() * DEEDS.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [deed, weight] of DEEDS) {
      number -= weight;
      if (number < 0) return deed;
    }
    return "update";
  }
}

/** Random numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function generator(seed) {
  let state = Math.imul(seed + 1, 0x9e3779b1) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
