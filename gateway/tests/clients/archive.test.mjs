// Two pods, one Redis, one Postgres: messages are stored before they are broadcast. As docs/ARCHIVE.md shows it.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { Client } from "./support/client.mjs";
import { Gateway, run } from "./support/gateway.mjs";
import { Postgres } from "./support/postgres.mjs";
import { Redis } from "./support/redis.mjs";
import { within } from "./support/wait.mjs";

const CHANNEL = `
[[channel]]
topic = "room:*"
join = "open"
archive = ["message:new"]
`;

/** A page of the archive, by the API of any pod. */
async function page(pod, query = "") {
  const response = await pod.get(`/api/v1/topics/${encodeURIComponent("room:1")}/archive${query}`);
  assert.equal(response.status, 200);
  return response.json();
}

test("archived messages reach both pods, are paged through, fail without the database and come again with it", async (t) => {
  const [redis, postgres] = await Promise.all([Redis.start(t), Postgres.start(t)]);
  const folder = await mkdtemp(join(tmpdir(), "gateway-archive-"));
  t.after(() => rm(folder, { recursive: true }));
  const config = join(folder, "gateway.toml");
  await writeFile(config, CHANNEL);
  const env = { GATEWAY_DATABASE__URL: postgres.url };
  // As an operator may do it by accident: both pods migrate at the same time.
  const migrations = [run(["migrate"], env), run(["migrate"], env)];
  for (const migration of migrations) assert.equal((await migration.exited).code, 0, migration.output());
  const pod = () => Gateway.start(t, { redis, env, args: ["--config", config] });
  const pods = [await pod(), await pod()];
  const rooms = await Promise.all(pods.map(async (pod) => (await Client.connect(t, pod)).join("room:1")));

  const answers = [];
  for (let n = 0; n < 6; n += 1) answers.push(await rooms[n % 2].push("message:new", { n }));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set(["ok"]));
  const expected = answers.map(({ response: { id, inserted_at } }, n) => ({ id, inserted_at, n, user_id: null }));
  for (const room of rooms) {
    const events = await room.events.count("messages of both pods", 6);
    assert.deepEqual(events, expected.map((payload) => ({ event: "message:new", payload })));
  }

  const first = await page(pods[0], "?limit=4");
  const second = await page(pods[1], `?limit=4&before=${first.next}`);
  const stored = [...first.messages, ...second.messages].map(({ payload }) => payload);
  assert.deepEqual(stored, expected.toReversed(), "the newest first, as they were broadcast");
  assert.equal(second.next, null);

  await postgres.stop();
  const lost = { text: "again", client_message_id: randomUUID() };
  for (const room of rooms) {
    const answer = await within(6_000, "an answer without the database", room.push("message:new", lost));
    assert.deepEqual(answer, { status: "error", response: { reason: "unavailable" } });
    assert.equal((await room.push("typing", {})).status, "ok", "what is not archived goes on");
  }
  for (const room of rooms) {
    await room.events.count("two that were not archived", 8);
    assert.equal(room.events.entries.filter(({ event }) => event === "message:new").length, 6, "and nothing was broadcast");
  }

  await postgres.start();
  // As an application does it: with the same id until it is ok.
  const again = async (room) => {
    for (;;) {
      const answer = await room.push("message:new", lost);
      if (answer.status === "ok") return answer.response;
    }
  };
  const receipts = await within(20_000, "the database is back", Promise.all([again(rooms[0]), again(rooms[1])]));
  assert.deepEqual(receipts[0], receipts[1], "both pods know it as one message");
  // Whatever comes twice comes before this.
  await rooms[0].push("end");
  for (const room of rooms) {
    await room.received("end", {});
    const events = room.events.entries.filter(({ payload }) => payload.text === "again");
    assert.deepEqual(events, [{ event: "message:new", payload: { ...lost, ...receipts[0], user_id: null } }], "once");
  }
  assert.equal(await postgres.sql("SELECT count(*) FROM gateway_messages"), "7");
  for (const pod of pods) assert.match(await (await pod.get("/metrics")).text(), /^gateway_store_up 1$/m);
});
