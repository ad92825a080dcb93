// Supabase's clients at two pods that share one Redis, all kinds of them in one topic.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { QUICK_LEASE } from "./support/example.mjs";
import { complaints, heard, hears, join, python } from "./support/realtime-py.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";
import { dialect, Live, post } from "./support/supabase.mjs";

const key = (presence) => ({ presence: { key: presence, enabled: true } });

describe("@supabase/realtime-js 2.109.0 and realtime 2.34.1 at two pods", () => {
  const ours = scope();
  let redis;
  const pods = {};
  before(async () => {
    redis = await Redis.start(ours);
    pods.A = await dialect(ours, { redis, env: QUICK_LEASE });
    pods.B = await dialect(ours, { redis, env: QUICK_LEASE });
  });

  test("rows 278 to 285: version 2, version 1 and Python hear each other, on both pods, in one order", async (t) => {
    const seats = {};
    for (const pod of ["A", "B"]) {
      for (const vsn of ["2.0.0", "1.0.0"]) {
        seats[`${vsn} at ${pod}`] = await Live.create(t, pods[pod], `${vsn} at ${pod}`, { vsn }).join("mixed", { broadcast: { self: true } });
      }
    }
    const snakes = { A: await python(t, pods.A, "python at A"), B: await python(t, pods.B, "python at B") };
    const config = { broadcast: { self: true, ack: true } };
    for (const client of Object.values(snakes)) await join(client, "mixed", { config });

    for (const [name, seat] of Object.entries(seats)) await seat.say(`from ${name}`, { by: name });
    for (const [pod, client] of Object.entries(snakes)) {
      await client.does("send", { topic: "mixed", event: `from python at ${pod}`, payload: { by: pod } });
    }
    await seats["2.0.0 at A"].say("blob", Uint8Array.from([255]).buffer);
    assert.equal((await post(pods.A, "/broadcast", { messages: [{ topic: "mixed", event: "batch", payload: { n: 1 } }] })).status, 202);
    assert.equal((await post(pods.B, "/broadcast/mixed/events/single", { n: 2 })).status, 202);

    const speakers = [...Object.keys(seats), "python at A", "python at B"].map((name) => `from ${name}`);
    const all = [...speakers, "blob", "batch", "single"].sort();
    const readable = all.filter((event) => event !== "blob");
    for (const [name, seat] of Object.entries(seats)) {
      const wanted = name.startsWith("2") ? all : readable;
      await seat.heard.count(`all at ${name}`, wanted.length);
      assert.deepEqual(seat.events().sort(), wanted, name);
    }
    for (const client of Object.values(snakes)) {
      for (const event of readable) await hears(client, event);
      assert.deepEqual(heard(client).map(({ event }) => event).sort(), readable);
      assert.deepEqual(complaints(client), []);
    }
    const orders = Object.values(seats).map((seat) => seat.events().filter((event) => event !== "blob"));
    orders.push(...Object.values(snakes).map((client) => heard(client).map(({ event }) => event)));
    for (const order of orders) assert.deepEqual(order, orders[0]);
  });

  test("rows 273 and 306: all of them see who is there, on both pods", async (t) => {
    const two = await Live.create(t, pods.A, "two").join("crowd", key("two"), { presence: true });
    const one = await Live.create(t, pods.B, "one", { vsn: "1.0.0" }).join("crowd", key("one"), { presence: true });
    const snake = await python(t, pods.B, "snake");
    await join(snake, "crowd", { presence: true, config: key("snake") });
    await two.channel.track({ n: 2 });
    await one.channel.track({ n: 1 });
    await snake.does("track", { topic: "crowd", payload: { n: 3 } });
    for (const seat of [two, one]) await seat.shows("one", "snake", "two");
    const everybody = ({ here }) => Object.keys(here ?? {}).sort().join() === "one,snake,two";
    await snake.heard.first("all are there", everybody);
    await snake.does("untrack", { topic: "crowd" });
    for (const seat of [two, one]) await seat.shows("one", "two");
    assert.deepEqual(complaints(snake), []);
  });

  for (const vsn of ["2.0.0", "1.0.0"]) {
    test(`a pod is killed: vsn ${vsn} goes to the other one, is there again, and nobody is left over`, async (t) => {
      const doomed = await dialect(t, { redis, env: QUICK_LEASE });
      const topic = `killed ${vsn}`;
      let pod = doomed;
      const moved = Live.create(t, () => pod, "moved", { vsn });
      const seat = await moved.join(topic, key("moved"), { presence: true });
      await seat.channel.track({ at: "first" });
      const gone = Live.create(t, () => doomed, "gone", { vsn, reconnectAfterMs: () => 3_600_000 });
      await (await gone.join(topic, key("gone"), { presence: true })).channel.track({ at: "first" });
      const bob = await Live.create(t, pods.B, "bob", { vsn }).join(topic, {}, { presence: true });
      await bob.shows("gone", "moved");

      pod = pods.A;
      await doomed.stop("SIGKILL");
      await seat.subscribed(2, 15_000);
      assert.equal(await seat.channel.track({ at: "second" }), "ok");
      // The killed pod's lease has to run out.
      const left = (key) => bob.presences.first(`${key} leaves`, (change) => change.event === "leave" && change.key === key, 20_000);
      for (const key of ["gone", "moved"]) assert.deepEqual((await left(key)).leftPresences.map(({ at }) => at), ["first"]);
      assert.deepEqual(bob.keys(), ["moved"]);
      assert.equal(bob.channel.presenceState().moved.at(-1).at, "second");
      const late = await Live.create(t, pods.A, "late", { vsn }).join(topic, {}, { presence: true });
      await late.shows("moved");
      assert.deepEqual(late.channel.presenceState().moved.map(({ at }) => at), ["second"]);
      await bob.say("news");
      await seat.hears("news");
    });
  }
});
