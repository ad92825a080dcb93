// Redis goes away and comes back while clients stay connected.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Client } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Redis } from "./support/redis.mjs";
import { within } from "./support/wait.mjs";

test("without Redis pushes fail soon and sockets stay; with Redis back everything flows again by itself", async (t) => {
  const redis = await Redis.start(t);
  const pods = [await Gateway.start(t, { redis }), await Gateway.start(t, { redis })];
  const clients = await Promise.all(pods.map((pod) => Client.connect(t, pod)));
  const rooms = await Promise.all(clients.map((client) => client.join("room:1")));
  assert.equal((await rooms[0].push("new_msg", { before: true })).status, "ok");
  await rooms[1].received("new_msg", { before: true });

  await redis.stop("SIGKILL");
  for (const room of rooms) {
    const answer = await within(5_000, "an answer without Redis", room.push("new_msg", { during: true }));
    assert.deepEqual(answer, { status: "error", response: { reason: "unavailable" } });
  }

  await redis.start();
  await within(20_000, "both pods subscribe again", bothPodsHear(redis));
  for (const room of rooms) await room.received("new_msg", { after: true });

  for (const [from, room] of rooms.entries()) {
    assert.deepEqual(await room.push("new_msg", { from }), { status: "ok", response: {} });
    for (const other of rooms) await other.received("new_msg", { from });
  }
  for (const client of clients) {
    assert.equal(client.closed.entries.length, 0, "no socket fell");
    assert.equal(client.opened.entries.length, 1);
  }
  for (const room of rooms) assert.equal(room.joins.entries.length, 1, "nobody had to rejoin");
});

/** Publishes as a foreign program until Redis has two subscribers: no client takes part. */
async function bothPodsHear(redis) {
  while ((await redis.publish("gw:{room:1}:b", '{"event":"new_msg","payload":{"after":true}}')) < 2) await pause(50);
}
