// Many phoenix.js clients in a process of their own, which note what a rolling restart does to them. Started by `Riders`
// (support/rolling.mjs), which asks and is answered by messages.

import { Socket } from "phoenix";
import WebSocket from "ws";

import { entries } from "./replica.mjs";
import { Signal } from "./wait.mjs";

let last;

/** Parses what all clients of a room get only once. */
function decode(text, callback) {
  if (last?.text !== text) {
    const [join_ref, ref, topic, event, payload] = JSON.parse(text);
    last = { text, message: { join_ref, ref, topic, event, payload } };
  }
  return callback(last.message);
}

/** One client in one room, which nobody ever leaves. */
class Rider {
  changed = new Signal();
  opened = [];
  closed = [];
  joins = 0;
  failures = 0;
  heard = 0;
  faults = [];

  /** Who is there, by reference. */
  #members = new Map();
  #size;
  #rooms;
  #room;
  #watching = false;
  #joined = false;
  #fresh = true;
  #position;

  constructor({ url, number, rooms, size, recover }) {
    this.name = `rider ${number}`;
    [this.#size, this.#rooms, this.#room] = [size, rooms, number % rooms];
    this.topic = `rolling:${this.#room}`;
    this.socket = new Socket(url, { transport: WebSocket, decode, params: recover ? { offsets: 1 } : {} });
    this.socket.onOpen(() => this.opened.push(Date.now()));
    this.socket.onError(() => (this.failures += 1));
    this.socket.onClose(({ code }) => {
      this.#joined = false;
      this.closed.push({ at: Date.now(), code });
    });
    const params = () => ({ user_id: this.name, ...(recover && { recover: this.#position ?? true }) });
    this.channel = this.socket.channel(this.topic, params);
    this.channel.on("tick", ({ n }) => this.#tick(n));
    this.channel.on("presence_state", (state) => this.#state(state));
    this.channel.on("presence_diff", (diff) => this.#diff(diff));
    if (recover) this.#follow();
  }

  come() {
    this.socket.connect();
    this.channel.join(30_000).receive("ok", ({ recovery }) => {
      this.joins += 1;
      this.#joined = true;
      // Without recovery, what was sent while it was away is lost; within one membership nothing may be.
      this.#fresh = !recovery?.recovered;
      if (recovery) this.#position = { epoch: recovery.epoch, offset: recovery.offset };
      this.changed.fire();
    });
  }

  /** Remembers where it is in the history: the ten lines that an application needs. */
  #follow() {
    this.socket.onMessage(({ topic, ref }) => {
      const [, offset] = /^o:(\d+)$/.exec(ref ?? "") ?? [];
      if (topic === this.topic && offset && this.#position) this.#position.offset = Number(offset);
    });
  }

  #tick(n) {
    if (n <= this.heard) this.faults.push(`${this.name}: ${n} comes after ${this.heard}`);
    else if (!this.#fresh && n !== this.heard + 1) this.faults.push(`${this.name}: ${n} comes after ${this.heard}, without a reconnect`);
    this.#fresh = false;
    this.heard = Math.max(n, this.heard);
    this.changed.fire();
  }

  #state(state) {
    const members = new Map(Array.from(entries(state), ({ key, meta }) => [meta.phx_ref, key]));
    if (this.#watching) {
      for (const [ref, key] of this.#members) {
        if (!members.has(ref)) this.faults.push(`${this.name}: ${key} is not ${ref} any more after a rejoin`);
      }
    }
    this.#members = members;
    this.changed.fire();
  }

  #diff({ joins, leaves }) {
    for (const [sign, map] of [["-", leaves], ["+", joins]]) {
      for (const { key, meta } of entries(map)) {
        if (this.#watching) this.faults.push(`${this.name}: presence ${sign}${key} ${meta.phx_ref}`);
        if (sign === "+") this.#members.set(meta.phx_ref, key);
        else this.#members.delete(meta.phx_ref);
      }
    }
    this.changed.fire();
  }

  /** From now on nobody comes and nobody goes. What happened before, when all came at once, does not count. */
  watch() {
    this.#watching = true;
    Object.assign(this, { opened: [], closed: [], joins: 0, failures: 0 });
  }

  /** Resolves when it is in its room and shows all who are. */
  settled(ms) {
    const what = () => `${this.#joined ? "joined" : "NOT JOINED"}: ${this.name} in ${this.topic} (${this.channel.state}), lacks ${this.#lacking()}, connects ${this.opened.length}, failures ${this.failures}`;
    return this.changed.until(ms, what, () => (this.#joined && this.#members.size === this.#size) || undefined);
  }

  #lacking() {
    const names = Array.from({ length: this.#size }, (_, index) => `rider ${index * this.#rooms + this.#room}`);
    const there = new Set(this.#members.values());
    return names.filter((name) => !there.has(name)).join(", ") || `nobody, and has ${this.#members.size} of ${this.#size}`;
  }

  /** Resolves when it has heard up to a number. */
  hears(n, ms) {
    return this.changed.until(ms, () => `${this.name} hears ${n} (${this.heard})`, () => this.heard >= n || undefined);
  }
}

let riders = [];

/** Resolves when all have done it; else says who has not, the worst first. */
async function all(deed) {
  const outcomes = await Promise.allSettled(riders.map(deed));
  const failed = outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
  if (failed.length > 0) throw new Error(`${failed.length} of ${riders.length}: ${failed.sort().slice(0, 5).join("; ")}`);
}

const commands = {
  come({ from, count, ...rest }) {
    riders = Array.from({ length: count }, (_, index) => new Rider({ number: from + index, ...rest }));
    riders.forEach((rider) => rider.come());
  },
  settled: ({ ms }) => all((rider) => rider.settled(ms)),
  watch: () => riders.forEach((rider) => rider.watch()),
  hears: ({ last, ms }) => all((rider) => rider.hears(last[rider.topic] ?? 0, ms)),
  report: () =>
    riders.map(({ name, opened, closed, joins, failures, faults }) => ({ name, opened, closed, joins, failures, faults })),
};

process.on("message", async ({ id, command, ...args }) => {
  try {
    const value = await commands[command](args);
    process.send({ id, value: command === "report" ? value : null });
  } catch (error) {
    process.send({ id, error: error.message });
  }
});
process.on("disconnect", () => process.exit());
