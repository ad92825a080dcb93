// Clients that are cut off again and again get every message exactly once, in order, whatever happens to the pods.
//
// `make test` runs it short, with all disasters in one run; `make recovery` with 200 clients for a minute, one disaster at a
// time. RECOVERY_SEED repeats what the clients decide; when each packet arrives is not decided here, so no two runs are
// the same.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { metric } from "./support/backend.mjs";
import { Balancer } from "./support/balancer.mjs";
import { PhoenixFollower, PlainFollower } from "./support/follower.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Publisher } from "./support/publisher.mjs";
import { Redis } from "./support/redis.mjs";
import { generator } from "./support/visitor.mjs";
import { within } from "./support/wait.mjs";

const CLIENTS = Number(process.env.RECOVERY_CLIENTS ?? 60);
const SECONDS = Number(process.env.RECOVERY_SECONDS ?? 10);
const SEED = Number(process.env.RECOVERY_SEED ?? Math.floor(Math.random() * 2 ** 31));
const FULL = SECONDS >= 30;

/** Messages a second. */
const RATE = 50;
/** How long a client is connected on average before it is cut. */
const CUT_AFTER = 2_000;
/** How long it stays away at most. */
const AWAY = 700;
/** How long the last messages may take to reach all. */
const SETTLED = 30_000;

const TOPIC = "room:recovery";
const HISTORY = 'history = { size = 5000, ttl = "5m" }';

async function configuration(t) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-recovery-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  await writeFile(file, `[presence]\nheartbeat = "1s"\nlease = "2s"\n[[channel]]\ntopic = "*"\njoin = "open"\n${HISTORY}\n`);
  return ["--config", file];
}

/** The pods that clients and the publisher may use. */
class Pods {
  balancer = new Balancer();
  #names = new Map();

  async start(t, options) {
    const pod = await Gateway.start(t, options);
    this.#names.set(pod, this.balancer.add(pod));
    return pod;
  }

  /** Sends nobody to it any more, and ends it. */
  end(pod, signal) {
    this.balancer.remove(this.#names.get(pod));
    this.#names.delete(pod);
    return pod.stop(signal);
  }

  get all() {
    return [...this.#names.keys()];
  }
}

function followers(balancer, count) {
  const kinds = ["1.8.16", "1.8.13", "1.8.16", undefined];
  return Array.from({ length: count }, (_, index) => {
    const random = generator(SEED + index);
    const version = kinds[index % kinds.length];
    const transport = balancer.transport(generator(~(SEED + index)));
    const rest = () => Math.floor(random() * AWAY);
    const options = { name: `client ${index + 1}`, version, url: balancer.url, transport, topic: TOPIC, rest };
    const follower = version ? new PhoenixFollower(options) : new PlainFollower(options);
    follower.random = random;
    return follower;
  });
}

/** Cuts a client at random points until the end. */
async function harass(follower, end) {
  for (;;) {
    const at = Date.now() + follower.random() * 2 * CUT_AFTER;
    if (at > end) return;
    await pause(at - Date.now());
    follower.cut();
  }
}

/** Runs clients against pods while `disasters` happen, and holds what each has got against what was sent. */
async function ordeal(t, pods, count, disasters) {
  // Printed at once: a run that hangs tells it, too.
  console.log(`RECOVERY_SEED=${SEED}`);
  const crowd = followers(pods.balancer, count);
  t.after(() => Promise.all(crowd.map((follower) => follower.stop())));
  crowd.forEach((follower) => follower.start());
  await Promise.all(crowd.map(({ name, joins }) => joins.count(`join of ${name}`, 1, 20_000)));

  const random = generator(SEED + count);
  const publisher = new Publisher({ topic: TOPIC, rate: RATE, name: SEED, pods: () => pods.all, random });
  const publishing = publisher.run();
  const end = Date.now() + SECONDS * 1_000;
  await Promise.all([disasters(), ...crowd.map((follower) => harass(follower, end))]);
  publisher.stop();
  await publishing;

  const total = publisher.sent;
  const behind = () => crowd.filter(({ numbers }) => numbers.at(-1) !== total);
  const settled = (async () => {
    while (behind().length > 0 && !crowd.some((follower) => follower.fault())) await pause(50);
  })();
  await within(SETTLED, `all ${total} messages at all clients`, settled).catch((error) => {
    const states = behind().map(({ name, numbers }) => `${name}: ${numbers.length}, last ${numbers.at(-1)}`);
    assert.fail(`${error.message}; seed ${SEED}\n${states.slice(0, 10).join("\n")}`);
  });
  const faults = crowd.map((follower) => follower.fault()).filter(Boolean);
  assert.deepEqual(faults.slice(0, 10), [], `${faults.length} of ${count} clients; seed ${SEED}`);
  for (const { name, numbers } of crowd) assert.equal(numbers.length, total, `${name}; seed ${SEED}`);
  assert.deepEqual(crowd.filter(({ unproved }) => unproved > 0).map(({ name }) => name), [], `not recovered; seed ${SEED}`);

  const sum = (of) => crowd.reduce((sum, follower) => sum + of(follower), 0);
  const [cuts, joins, losses] = [sum(({ cuts }) => cuts), sum(({ joins }) => joins.entries.length), sum(({ losses }) => losses)];
  t.diagnostic(
    `${total} messages to ${count} clients (${publisher.repeated} published again), ${cuts} cuts, ${joins} joins, ${losses} channels ended by the pod`,
  );
  assert.ok(cuts >= count, "the clients were cut");
  return { cuts, joins, losses, total };
}

const DISASTERS = {
  "nothing else happens": async () => {},
  "a pod is killed with -9": async ({ pods, start }) => {
    await pause(SECONDS * 500);
    await pods.end(pods.all[0], "SIGKILL");
    await start();
  },
  "a pod is stopped by SIGTERM": async ({ pods, start }) => {
    await pause(SECONDS * 500);
    assert.deepEqual(await pods.end(pods.all[0], "SIGTERM"), { code: 0, signal: null });
    await start();
  },
  "Redis cuts its subscribers": async ({ redis }) => {
    for (let times = 0; times < 5; times += 1) {
      await pause(SECONDS * 150);
      assert.ok((await redis.command("CLIENT", "KILL", "TYPE", "pubsub")) > 0);
    }
  },
};

/** One after the other. */
async function allDisasters({ pods, start, redis }) {
  const step = () => pause(SECONDS * 200);
  await step();
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
  await step();
  await pods.end(pods.all[0], "SIGKILL");
  await start();
  await step();
  assert.deepEqual(await pods.end(pods.all[0], "SIGTERM"), { code: 0, signal: null });
  await start();
  await redis.command("CLIENT", "KILL", "TYPE", "pubsub");
}

const RUNS = FULL ? Object.entries(DISASTERS) : [["pods die and stop, and Redis cuts its subscribers", allDisasters]];

for (const [name, disaster] of RUNS) {
  test(`${CLIENTS} clients on two pods for ${SECONDS} s, cut every 2 s, and ${name}`, async (t) => {
    const redis = await Redis.start(t);
    const args = await configuration(t);
    const pods = new Pods();
    const start = () => pods.start(t, { redis, args });
    await Promise.all([start(), start()]);
    await ordeal(t, pods, CLIENTS, () => disaster({ pods, start, redis }));
  });
}

describe("one embedded pod", () => {
  test(`${Math.ceil(CLIENTS / 2)} clients for ${SECONDS} s, cut every 2 s`, async (t) => {
    const pods = new Pods();
    const pod = await pods.start(t, { args: await configuration(t) });
    const { losses } = await ordeal(t, pods, Math.ceil(CLIENTS / 2), async () => {});
    assert.equal(losses, 0);
    assert.ok((await metric(pod, "gateway_recoveries_total", 'result="recovered"')) > 0);
    assert.equal(await metric(pod, "gateway_recoveries_total", 'result="not_recovered"'), 0);
  });
});
