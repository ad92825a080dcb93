// One user in a topic, whose list is kept strictly.

import assert from "node:assert/strict";

import { Client, Room } from "./client.mjs";
import { Replica } from "./replica.mjs";

/** A client that is present. It fails its test, in the end, on what must never come: see `faults`. */
export class Guest {
  faults = [];

  /** Connects to a pod and joins; `options` go to phoenix.js. */
  static async join(t, pod, topic, user, meta = {}, options = {}) {
    const guest = new Guest();
    guest.user = user;
    guest.client = await Client.connect(t, pod, options);
    const channel = guest.client.socket.channel(topic, { user_id: user, meta });
    guest.replica = new Replica(user, guest.faults);
    guest.client.socket.onClose(() => guest.replica.forget());
    guest.replica.follow(channel);
    guest.room = new Room(channel, guest.client.messages);
    await guest.room.joins.count(`join of ${topic}`, 1);
    await guest.until("itself", () => guest.metas(user).length > 0);
    return guest;
  }

  /** What it shows under a key. */
  metas(user) {
    return [...this.replica.held.values()].filter(({ key }) => key === user).map(({ meta }) => meta);
  }

  /** The keys that it shows, each once for each meta. */
  keys() {
    return Array.from(this.replica.held.values(), ({ key }) => key).sort();
  }

  /** Resolves when a condition on what it shows holds. */
  async until(what, condition, ms = 5_000) {
    const shows = () => `${this.user} shows ${what}, and not ${JSON.stringify(this.keys())}`;
    await this.replica.changed.until(ms, shows, () => condition() || undefined);
  }

  /** Resolves when it shows exactly these users, one meta each. */
  shows(users, ms) {
    const wanted = JSON.stringify([...users].sort());
    return this.until(wanted, () => JSON.stringify(this.keys()) === wanted, ms);
  }

  /** Resolves when it shows one meta of a user, which says this. */
  says(user, name, ms) {
    const one = () => this.metas(user).length === 1 && this.metas(user)[0].name === name;
    return this.until(`${user} as ${name}`, one, ms);
  }

  async update(name) {
    const answer = await this.room.push("presence", { event: "update", payload: { name } });
    assert.deepEqual(answer, { status: "ok", response: {} });
  }

  /** Who came and who went since a number of diffs, as `+user` and `-user`. */
  news(since) {
    const diffs = this.room.presences.entries.filter(({ event }) => event === "presence_diff").slice(since);
    const signed = (sign, map) => Object.entries(map).flatMap(([user, { metas }]) => metas.map(() => `${sign}${user}`));
    return diffs.flatMap(({ payload }) => [...signed("+", payload.joins), ...signed("-", payload.leaves)]);
  }

  /** How many diffs it has got. */
  get diffs() {
    return this.room.presences.entries.filter(({ event }) => event === "presence_diff").length;
  }
}
