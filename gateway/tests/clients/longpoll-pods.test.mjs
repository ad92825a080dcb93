// Two pods behind a balancer that sends each request to the next one: sessions of long-poll clients need no sticky balancer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Client, LONG_POLLS } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Proxy } from "./support/proxy.mjs";
import { Redis } from "./support/redis.mjs";

/** How long messages are sent; LONGPOLL_SECONDS=60 (`make longpoll`) for the whole proof. */
const SECONDS = Number(process.env.LONGPOLL_SECONDS ?? 10);
const PER_SECOND = 20;

async function pods(t) {
  const redis = await Redis.start(t);
  const env = { GATEWAY_SOCKET__LONGPOLL: "true", GATEWAY_DRAIN__TIMEOUT: "5s" };
  const both = await Promise.all([1, 2].map(() => Gateway.start(t, { redis, env })));
  return { both, proxy: await Proxy.start(t, both) };
}

/** The pod that holds the one session there is. */
async function holder(both) {
  const counts = await Promise.all(
    both.map(async (pod) => Number(/^gateway_connections (\d+)$/m.exec(await (await pod.get("/metrics")).text())[1])),
  );
  assert.deepEqual([...counts].sort(), [0, 1]);
  return both[counts.indexOf(1)];
}

/** Broadcasts numbers by the pods in turn, evenly, until `count` are out. */
async function send(pods, count) {
  const began = performance.now();
  for (let n = 0; n < count; n += 1) {
    await pause(Math.max(0, began + (n * 1000) / PER_SECOND - performance.now()));
    const message = { topic: "room:1", event: "new_msg", payload: { n } };
    assert.equal((await pods[n % pods.length].post("/api/v1/broadcast", message)).status, 202);
  }
}

for (const version of Object.keys(LONG_POLLS)) {
  test(`phoenix.js ${version} loses nothing in ${SECONDS} s of ${PER_SECOND} messages a second`, async (t) => {
    const { both, proxy } = await pods(t);
    const client = await Client.connect(t, proxy, { version, transport: LONG_POLLS[version] });
    const room = await client.join("room:1");
    const count = SECONDS * PER_SECOND;
    await send(both, count);
    await room.received("new_msg", { n: count - 1 });
    assert.deepEqual(room.events.entries.map(({ payload }) => payload.n), Array.from({ length: count }, (_, n) => n));
    assert.equal(room.joins.entries.length, 1, "one session all the time");
    assert.equal(client.closed.entries.length, 0);
  });
}

for (const signal of ["SIGKILL", "SIGTERM"]) {
  test(`after ${signal} of the pod with its session it is told so, and joins again at the other`, async (t) => {
    const { both, proxy } = await pods(t);
    const client = await Client.connect(t, proxy, { transport: LONG_POLLS["1.8.16"] });
    const room = await client.join("room:1");
    const dead = await holder(both);
    const alive = both.find((pod) => pod !== dead);
    const stopped = dead.stop(signal);
    await room.joins.count("rejoin", 2, 10_000);
    await stopped;
    await send([alive], 2 * PER_SECOND);
    await room.received("new_msg", { n: 2 * PER_SECOND - 1 });
    const numbers = room.events.entries.map(({ payload }) => payload.n);
    assert.deepEqual(numbers, Array.from({ length: 2 * PER_SECOND }, (_, n) => n));
    assert.deepEqual(await room.push("new_msg", { n: "push" }), { status: "ok", response: {} });
  });
}

test("after SIGTERM of the other pod it goes on without a gap", async (t) => {
  const { both, proxy } = await pods(t);
  const client = await Client.connect(t, proxy, { transport: LONG_POLLS["1.8.16"] });
  const room = await client.join("room:1");
  const alive = await holder(both);
  const stopped = both.find((pod) => pod !== alive).stop("SIGTERM");
  await send([alive], 3 * PER_SECOND);
  await stopped;
  await room.received("new_msg", { n: 3 * PER_SECOND - 1 }, 10_000);
  const numbers = room.events.entries.map(({ payload }) => payload.n);
  assert.deepEqual(numbers, Array.from({ length: 3 * PER_SECOND }, (_, n) => n));
  assert.equal(room.joins.entries.length, 1);
});
