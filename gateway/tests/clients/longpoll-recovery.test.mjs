// Two pods behind a balancer that sends each request to the next one, and topics with history: whoever polls misses nothing,
// also when the pod that has its session dies.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { LONG_POLLS } from "./support/client.mjs";
import { PhoenixFollower } from "./support/follower.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Proxy } from "./support/proxy.mjs";
import { Publisher } from "./support/publisher.mjs";
import { Redis } from "./support/redis.mjs";
import { eventually } from "./support/wait.mjs";

/** How long messages are sent; LONGPOLL_SECONDS=60 (`make longpoll`) for the whole proof. */
const SECONDS = Number(process.env.LONGPOLL_SECONDS ?? 8);
const PER_SECOND = 20;
/** How long the last messages may take to reach all. */
const SETTLED = 30_000;

const TOPIC = "room:recovery";
const SETTINGS = `
[socket]
longpoll = true
[drain]
timeout = "5s"
[[channel]]
topic = "*"
join = "open"
history = { size = 5000, ttl = "5m" }
`;

async function configuration(t) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-longpoll-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  await writeFile(file, SETTINGS);
  return ["--config", file];
}

/** Three clients of each version, in the topic. */
async function followers(t, proxy) {
  const crowd = Object.entries(LONG_POLLS).flatMap(([version, transport]) =>
    [1, 2, 3].map((n) => new PhoenixFollower({ name: `client ${n}`, version, url: proxy.url, transport, topic: TOPIC })),
  );
  t.after(() => Promise.all(crowd.map((follower) => follower.stop())));
  crowd.forEach((follower) => follower.start());
  await Promise.all(crowd.map(({ name, joins }) => joins.count(`join of ${name}`, 1, 20_000)));
  return crowd;
}

for (const signal of ["SIGKILL", "SIGTERM"]) {
  test(`${SECONDS} s of ${PER_SECOND} messages a second reach each client once and in order, though ${signal} ends the pod of its session`, async (t) => {
    const redis = await Redis.start(t);
    const args = await configuration(t);
    const start = () => Gateway.start(t, { redis, args });
    const pods = await Promise.all([start(), start()]);
    const proxy = await Proxy.start(t, pods);
    const crowd = await followers(t, proxy);
    const publisher = new Publisher({ topic: TOPIC, rate: PER_SECOND, name: signal, pods: () => pods });
    const publishing = publisher.run();

    // Both pods, one after the other: so each client loses the pod that has its session. The balancer is not told.
    for (const dead of [...pods]) {
      await pause((SECONDS * 1_000) / 3);
      pods.splice(pods.indexOf(dead), 1);
      const ended = await dead.stop(signal);
      assert.deepEqual(ended, signal === "SIGTERM" ? { code: 0, signal: null } : { code: null, signal });
      pods.push(await start());
      proxy.use(pods);
    }
    await pause((SECONDS * 1_000) / 3);
    publisher.stop();
    await publishing;

    const total = publisher.sent;
    assert.ok(total >= SECONDS * PER_SECOND * 0.9, `${total} messages`);
    const behind = () => crowd.filter(({ numbers }) => numbers.at(-1) !== total);
    const settled = () => behind().length === 0 || crowd.some((follower) => follower.fault());
    await eventually(SETTLED, `all ${total} messages at all clients`, settled).catch((error) => {
      assert.fail(`${error.message}: ${behind().map(({ name, numbers }) => `${name} has ${numbers.length}`)}`);
    });
    assert.deepEqual(crowd.map((follower) => follower.fault()).filter(Boolean), []);
    for (const { name, numbers, joins, closes, unproved } of crowd) {
      assert.equal(numbers.length, total, name);
      assert.equal(unproved, 0, `${name}: ${JSON.stringify(joins.entries)}`);
      assert.ok(joins.entries.length >= 2, `${name} has joined again`);
      // 410 where the other pod is asked; no answer where the poll waited at the dead one.
      assert.deepEqual(closes.filter((code) => ![3410, 1011].includes(code)), [], name);
    }
    const [joins, closes] = [crowd.flatMap(({ joins }) => joins.entries), crowd.flatMap(({ closes }) => closes)];
    const gone = closes.filter((code) => code === 3410).length;
    t.diagnostic(
      `${total} messages to ${crowd.length} clients (${publisher.repeated} published again), ${joins.length} joins, ${gone} sessions gone by 410`,
    );
  });
}
