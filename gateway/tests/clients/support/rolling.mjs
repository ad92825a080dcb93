// What a rolling restart needs: pods that keep their ports, many clients, and somebody who speaks all the time.

import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";

import { Gateway } from "./gateway.mjs";
import { freePort } from "./process.mjs";
import { within } from "./wait.mjs";

/** A place in the fleet: the same name and ports, whichever process is there. */
export class Place {
  static async create(t, name, options) {
    const place = new Place();
    Object.assign(place, { t, name, options, port: await freePort(), internalPort: await freePort() });
    await place.start();
    return place;
  }

  async start() {
    const { t, options, port, internalPort } = this;
    this.pod = await Gateway.start(t, { ...options, port, internalPort });
    this.stopping = false;
  }

  async stop(ms) {
    this.stopping = true;
    return this.pod.stop("SIGTERM", ms);
  }
}

/** Clients in several processes. */
export class Riders {
  #children = [];
  #ids = 0;
  #waiting = new Map();

  /** `count` clients in `rooms` rooms, `each` of them in a process. */
  constructor(t, { count, each, ...rest }) {
    this.options = { count, each, ...rest };
    const script = fileURLToPath(new URL("riders.mjs", import.meta.url));
    for (let from = 0; from < count; from += each) {
      const child = fork(script, [], { execArgv: [] });
      child.on("message", ({ id, value, error }) => {
        const { resolve, reject } = this.#waiting.get(id);
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      });
      child.once("exit", (code) => this.#waiting.forEach(({ reject }) => reject(new Error(`clients ended (${code})`))));
      this.#children.push({ child, from });
    }
    t.after(() => this.#children.forEach(({ child }) => child.disconnect()));
  }

  come() {
    const { count, each, url, rooms, recover } = this.options;
    const args = ({ from }) => ({ from, count: Math.min(each, count - from), url, rooms, size: count / rooms, recover });
    return this.#ask("come", args);
  }

  settled(ms) {
    return this.#ask("settled", () => ({ ms }));
  }

  watch() {
    return this.#ask("watch", () => ({}));
  }

  hears(last, ms) {
    return this.#ask("hears", () => ({ last, ms }));
  }

  async report() {
    return (await this.#ask("report", () => ({}))).flat();
  }

  /** As `Promise.all`, but who fails does not hide the others. */
  async #all(asked) {
    const outcomes = await Promise.allSettled(asked);
    const failed = outcomes.filter(({ status }) => status === "rejected").map(({ reason }) => reason.message);
    if (failed.length > 0) throw new Error(failed.join("\n"));
    return outcomes.map(({ value }) => value);
  }

  #ask(command, args) {
    const ask = ({ child, from }) => {
      const id = (this.#ids += 1);
      const answer = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
      child.send({ id, command, ...args({ from }) });
      return answer.finally(() => this.#waiting.delete(id));
    };
    return within(120_000, command, this.#all(this.#children.map(ask)));
  }
}

/** Says `tick` with a number that rises by one in each room, through pods that are not being stopped. */
export class Speaker {
  last = {};
  #over = false;

  constructor(places, { rooms, perSecond }) {
    this.done = this.#speak(places, rooms, 1000 / perSecond);
    // Whoever waits for the end gets the error.
    this.done.catch(() => {});
  }

  /** Resolves when the last one is sent: to each room one more, which all hear who are there now. */
  async stop() {
    this.#over = true;
    await this.done;
  }

  async #speak(places, rooms, gap) {
    const begun = Date.now();
    for (let count = 0; !this.#over; count += 1) {
      await this.#tick(places, `rolling:${count % rooms}`);
      await pause(Math.max(0, begun + (count + 1) * gap - Date.now()));
    }
    for (let room = 0; room < rooms; room += 1) await this.#tick(places, `rolling:${room}`);
  }

  async #tick(places, topic) {
    const open = places.filter(({ stopping }) => !stopping);
    const n = (this.last[topic] ?? 0) + 1;
    const { pod } = open[n % open.length];
    const answer = await pod.post("/api/v1/broadcast", { topic, event: "tick", payload: { n } });
    if (answer.status !== 202) throw new Error(`broadcast ${n} to ${topic}: ${answer.status}`);
    this.last[topic] = n;
  }
}

/** Lines that show when something happened: how many in each bucket of `width` ms. */
export function histogram(times, width) {
  const counts = [];
  for (const time of times) counts[Math.floor(time / width)] = (counts[Math.floor(time / width)] ?? 0) + 1;
  const most = Math.max(...counts.filter(Boolean));
  const bar = (count) => "=".repeat(Math.ceil((count / most) * 40));
  return Array.from(counts, (count = 0, index) => `${String(index * width).padStart(6)} ms ${String(count).padStart(5)} ${bar(count)}`);
}
