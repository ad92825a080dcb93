// What a client of a topic with history is told, frame by frame, and when it is told that messages are lost.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { recoveringChannel } from "../../examples/recovery/recovering.mjs";
import { metric } from "./support/backend.mjs";
import { Client, VERSIONS } from "./support/client.mjs";
import { Frames } from "./support/frames.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";
import { Journal } from "./support/wait.mjs";

const CHANNELS = `
[limits]
outbox_bytes = "64KiB"
[socket]
max_frame_size = "32KiB"
[[channel]]
topic = "short:*"
join = "open"
history = { size = 5, ttl = "10m" }
[[channel]]
topic = "brief:*"
join = "open"
history = { size = 500, ttl = "1s" }
[[channel]]
topic = "present:*"
join = "open"
presence = true
history = { size = 500, ttl = "10m" }
[[channel]]
topic = "others:*"
join = "open"
broadcast_to = "others"
history = {}
[[channel]]
topic = "plain:*"
join = "open"
[[channel]]
topic = "*"
join = "open"
history = { size = 2000, ttl = "10m" }
`;

const V2 = "vsn=2.0.0&offsets=1";

/** Starts one pod, with or without Redis. */
async function start(t, redis) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-recovery-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  await writeFile(file, CHANNELS);
  return Gateway.start(t, { args: ["--config", file], redis });
}

async function publish(gateway, topic, numbers, padding = "") {
  for (const n of numbers) {
    const answer = await gateway.post("/api/v1/broadcast", { topic, event: "tick", payload: { n, padding } });
    assert.equal(answer.status, 202);
  }
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const numbers = (frames) => frames.map(([, , , , { n }]) => n);

let names = 0;
/** A topic that nobody else uses. */
const fresh = (prefix) => `${prefix}:${(names += 1)}`;

/** Joins once to learn where the topic is. */
async function position(t, gateway, topic) {
  const client = await Frames.connect(t, gateway, V2);
  const { status, response } = await client.join(topic, { recover: true });
  assert.equal(status, "ok");
  client.close();
  return response.recovery;
}

for (const backend of ["one embedded pod", "a pod with Redis"]) {
  describe(backend, () => {
    const ours = scope();
    let redis;
    let gateway;
    before(async () => {
      redis = backend === "a pod with Redis" ? await Redis.start(ours) : undefined;
      gateway = await start(ours, redis);
    });

    test("`recover: true` asks where the topic is, and replays nothing", async (t) => {
      const topic = fresh("room");
      const before = await position(t, gateway, topic);
      assert.deepEqual(before, { epoch: before.epoch, offset: 0, recovered: false });
      assert.match(before.epoch, /^.{4,}$/);
      await publish(gateway, topic, [1, 2]);
      const client = await Frames.connect(t, gateway, V2);
      assert.deepEqual((await client.join(topic, { recover: true })).response.recovery, { ...before, offset: 2 });
      await publish(gateway, topic, [3]);
      assert.deepEqual(await client.events("tick", 1), [[null, "o:3", topic, "tick", { n: 3, padding: "" }]]);
    });

    for (const [version, query] of [["version 2", V2], ["version 1", "offsets=1"]]) {
      test(`${version}: what was missed comes behind the reply, before what is live`, async (t) => {
        const topic = fresh("room");
        const { epoch } = await position(t, gateway, topic);
        await publish(gateway, topic, range(1, 300));
        const client = await Frames.connect(t, gateway, query);
        const { response } = await client.join(topic, { recover: { epoch, offset: 7 } });
        assert.deepEqual(response, { recovery: { epoch, offset: 7, recovered: true } });
        await publish(gateway, topic, range(301, 303));
        const ticks = await client.events("tick", 296);
        assert.deepEqual(numbers(ticks), range(8, 303));
        assert.deepEqual(ticks.map(([, ref]) => ref), range(8, 303).map((offset) => `o:${offset}`));
        assert.equal(client.entries.entries[0][3], "phx_reply");
      });
    }

    test("who has missed nothing is told so", async (t) => {
      const topic = fresh("room");
      await publish(gateway, topic, [1, 2]);
      const { epoch, offset } = await position(t, gateway, topic);
      const client = await Frames.connect(t, gateway, V2);
      assert.deepEqual((await client.join(topic, { recover: { epoch, offset } })).response.recovery, { epoch, offset: 2, recovered: true });
      await publish(gateway, topic, [3]);
      assert.deepEqual(numbers(await client.events("tick", 1)), [3]);
    });

    test("without `offsets=1` frames are as always, and without `recover` so is the reply", async (t) => {
      const topic = fresh("room");
      const plain = await Frames.connect(t, gateway, "vsn=2.0.0");
      assert.deepEqual(await plain.join(topic, {}), { status: "ok", response: {} });
      const asking = await Frames.connect(t, gateway, "vsn=2.0.0");
      assert.equal((await asking.join(topic, { recover: true })).response.recovery.offset, 0);
      const offsets = await Frames.connect(t, gateway, V2);
      assert.deepEqual((await offsets.join(topic, { recover: false })).response, {});
      await publish(gateway, topic, [1]);
      const tick = [topic, "tick", { n: 1, padding: "" }];
      assert.deepEqual(await plain.events("tick", 1), [[null, null, ...tick]]);
      assert.deepEqual(await asking.events("tick", 1), [[null, null, ...tick]]);
      assert.deepEqual(await offsets.events("tick", 1), [[null, "o:1", ...tick]]);
    });

    test("a topic without history ignores the param, and has no offsets", async (t) => {
      const topic = fresh("plain");
      const client = await Frames.connect(t, gateway, V2);
      for (const recover of [true, "anything", { epoch: "e", offset: 1 }]) {
        assert.deepEqual(await client.join(topic, { recover }), { status: "ok", response: {} });
      }
      await publish(gateway, topic, [1]);
      assert.deepEqual(await client.events("tick", 1), [[null, null, topic, "tick", { n: 1, padding: "" }]]);
    });

    test("a param of another shape is refused", async (t) => {
      const client = await Frames.connect(t, gateway, V2);
      for (const recover of ["true", 1, [], {}, { epoch: "e" }, { epoch: "e", offset: -1 }, { epoch: 1, offset: 1 }]) {
        const answer = await client.join(fresh("room"), { recover });
        assert.deepEqual(answer, { status: "error", response: { reason: "invalid_payload" } }, JSON.stringify(recover));
      }
    });

    test("what cannot be proved is not recovered: unknown epoch, an offset that never was, trimmed, expired", async (t) => {
      const told = async (topic, recover) => {
        const client = await Frames.connect(t, gateway, V2);
        const { response } = await client.join(topic, { recover });
        const offset = response.recovery.offset;
        await publish(gateway, topic, [offset + 1]);
        const [tick] = await client.events("tick", 1);
        assert.equal(tick[1], `o:${offset + 1}`, "nothing is replayed, and the position is that of the next message");
        return response.recovery;
      };
      const topic = fresh("short");
      await publish(gateway, topic, range(1, 8));
      const { epoch } = await position(t, gateway, topic);
      assert.deepEqual(await told(topic, { epoch: "another", offset: 8 }), { epoch, offset: 8, recovered: false });
      assert.deepEqual(await told(topic, { epoch, offset: 90 }), { epoch, offset: 9, recovered: false });
      assert.deepEqual(await told(topic, { epoch, offset: 2 }), { epoch, offset: 10, recovered: false });

      const brief = fresh("brief");
      await publish(gateway, brief, [1, 2]);
      const first = await position(t, gateway, brief);
      // Time itself is tested here: the ttl is one second.
      await pause(1_500);
      assert.deepEqual(await told(brief, { epoch: first.epoch, offset: 1 }), { ...first, offset: 2, recovered: false });
    });

    test("with presence: reply, what was missed, presence_state, what is live", async (t) => {
      const topic = fresh("present");
      const other = await Frames.connect(t, gateway, V2);
      const { epoch } = (await other.join(topic, { recover: true, user_id: "other" })).response.recovery;
      await publish(gateway, topic, range(1, 200));
      const client = await Frames.connect(t, gateway, V2);
      await client.join(topic, { recover: { epoch, offset: 0 }, user_id: "me" });
      await client.events("presence_diff", 1);
      const kinds = client.entries.entries.map(([, , , event]) => event);
      assert.deepEqual(kinds, ["phx_reply", ...Array(200).fill("tick"), "presence_state", "presence_diff"]);
    });

    test("a client's own message, which it did not get, comes when it recovers", async (t) => {
      const topic = fresh("others");
      const client = await Frames.connect(t, gateway, V2);
      const { epoch } = (await client.join(topic, { recover: true })).response.recovery;
      assert.equal((await client.reply(client.send(topic, "tick", { n: 1 }, "1"))).status, "ok");
      await publish(gateway, topic, [2]);
      assert.deepEqual(numbers(await client.events("tick", 1)), [2]);
      const again = await Frames.connect(t, gateway, V2);
      await again.join(topic, { recover: { epoch, offset: 0 } });
      assert.deepEqual(numbers(await again.events("tick", 2)), [1, 2]);
    });

    test("more than an outbox holds is sent as the client reads", async (t) => {
      const topic = fresh("room");
      const { epoch } = await position(t, gateway, topic);
      const padding = "x".repeat(4_000);
      await publish(gateway, topic, range(1, 400), padding);
      const client = await Frames.connect(t, gateway, V2);
      client.socket.pause();
      const reply = client.join(topic, { recover: { epoch, offset: 0 } });
      const live = publish(gateway, topic, range(401, 410), padding);
      await live;
      client.socket.resume();
      assert.equal((await reply).response.recovery.recovered, true);
      assert.deepEqual(numbers(await client.events("tick", 410, 15_000)), range(1, 410));
    });

    test("binary pushes are refused where there is a history", async (t) => {
      const client = await Frames.connect(t, gateway, V2);
      const topic = fresh("room");
      await client.join(topic, {});
      const text = new TextEncoder();
      const fields = ["1", "9", topic, "blob"].map((field) => text.encode(field));
      client.socket.send(Buffer.concat([Uint8Array.of(0, ...fields.map(({ length }) => length)), ...fields, Uint8Array.of(1, 2)]));
      assert.deepEqual(await client.reply("9"), { status: "error", response: { reason: "binary_not_supported" } });
    });

    test("many who come back at once all get everything", async (t) => {
      const topic = fresh("room");
      const { epoch } = await position(t, gateway, topic);
      await publish(gateway, topic, range(1, 300));
      const reads = async () => {
        // As a script returns it, it is one JSON string.
        const stats = await redis?.command("EVAL", "return redis.call('INFO', 'commandstats')", "0");
        return Number(/cmdstat_xrange:calls=(\d+)/.exec(stats ?? "")?.[1] ?? 0);
      };
      const before = await reads();
      const clients = await Promise.all(range(1, 60).map(() => Frames.connect(t, gateway, V2)));
      await Promise.all(clients.map((client) => client.join(topic, { recover: { epoch, offset: 0 } })));
      for (const client of clients) assert.deepEqual(numbers(await client.events("tick", 300, 15_000)), range(1, 300));
      const ranges = (await reads()) - before;
      t.diagnostic(`${ranges} ranges were read for ${clients.length} clients of 300 messages each`);
      // Each alone would need nine or more for each of its three pages.
      assert.ok(ranges < clients.length * 3 * 9, "clients that come back together share what is read");
    });

    for (const version of Object.keys(VERSIONS)) {
      test(`phoenix.js ${version} with the recipe misses nothing, and without offsets=1 gets some twice`, async (t) => {
        const topic = fresh("room");
        const run = async (params) => {
          const client = await Client.connect(t, gateway, { version, params });
          const channel = recoveringChannel(client.socket, topic);
          const [got, joins] = [new Journal(), new Journal()];
          channel.on("tick", ({ n }) => got.add(n));
          channel.join().receive("ok", ({ recovery }) => joins.add(recovery));
          await joins.count("join", 1);
          return { client, got, joins };
        };
        const [good, naive] = [await run({ offsets: 1 }), await run({})];
        await publish(gateway, topic, [1, 2]);
        for (const { got } of [good, naive]) await got.count("the first messages", 2);
        for (const { client } of [good, naive]) client.socket.conn.terminate();
        await publish(gateway, topic, [3]);
        for (const { joins, got } of [good, naive]) {
          await joins.count("rejoin", 2);
          await got.first("the missed message", (n) => n === 3);
        }
        assert.deepEqual(good.got.entries, [1, 2, 3]);
        assert.deepEqual([good.joins.entries[1].recovered, good.joins.entries[1].offset], [true, 2]);
        assert.deepEqual(naive.got.entries, [1, 2, 1, 2, 3]);
      });
    }

    test("what became of it is counted", async () => {
      const count = (result) => metric(gateway, "gateway_recoveries_total", `result="${result}"`);
      assert.ok((await count("recovered")) > 0);
      assert.ok((await count("not_recovered")) >= 4);
    });
  });
}

test("a flushed Redis ends the channels of those who recover, and they learn what they missed", async (t) => {
  const redis = await Redis.start(t);
  const gateway = await start(t, redis);
  const client = await Client.connect(t, gateway, { params: { offsets: 1 } });
  const channel = recoveringChannel(client.socket, "room:flush");
  const [got, joins] = [new Journal(), new Journal()];
  channel.on("tick", ({ n }) => got.add(n));
  channel.join().receive("ok", ({ recovery }) => joins.add(recovery));
  await joins.count("join", 1);
  const indifferent = await client.join("room:flush2");
  await publish(gateway, "room:flush", [1, 2]);
  await publish(gateway, "room:flush2", [1]);
  await got.count("the first messages", 2);

  await redis.command("FLUSHALL");
  await publish(gateway, "room:flush", [3]);
  const [first, second] = await joins.count("rejoin", 2, 10_000);
  assert.equal(second.recovered, false);
  assert.notEqual(second.epoch, first.epoch);
  await publish(gateway, "room:flush", [4]);
  await got.first("what comes later", (n) => n === 4);
  assert.equal(await metric(gateway, "gateway_recoveries_total", 'result="lost"'), 1);
  assert.equal(await metric(gateway, "gateway_recoveries_total", 'result="not_recovered"'), 1);

  await publish(gateway, "room:flush2", [2]);
  await indifferent.events.first("who did not ask goes on", ({ payload }) => payload.n === 2);
  assert.equal(indifferent.joins.entries.length, 1);
});

test("the documentation quotes the recipe as it is", () => {
  const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");
  const recipe = read("../../examples/recovery/recovering.mjs");
  const code = recipe.slice(recipe.indexOf("export function"));
  assert.ok(read("../../../docs/HISTORY.md").includes(`\`\`\`js\n${code}\`\`\``), "docs/HISTORY.md has the recipe verbatim");
});
