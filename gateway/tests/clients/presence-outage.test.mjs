// Redis stops to report changes, loses everything, or is started again empty, while clients of three pods are present.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Gateway } from "./support/gateway.mjs";
import { Guest } from "./support/guest.mjs";
import { Redis } from "./support/redis.mjs";
import { canonical, entries } from "./support/replica.mjs";
import { within } from "./support/wait.mjs";

const HEARTBEAT = 2_000;
const LEASE = 4_000;
/** What a slow machine may add to a bound. */
const SLACK = 3_000;

const SETTING = "notify-keyspace-events";
const TOPIC = "room:outage";

/** Three pods that use a Redis, at its address or at another one. */
function pods(t, redis, url = redis.url) {
  const env = { GATEWAY_PRESENCE__HEARTBEAT: `${HEARTBEAT}ms`, GATEWAY_PRESENCE__LEASE: `${LEASE}ms` };
  return Promise.all([1, 2, 3].map(() => Gateway.start(t, { redis: { url }, env })));
}

/** Alice, Bob and Carol, each on a pod of their own, who see each other. */
async function guests(t, pods) {
  const all = await Promise.all(["alice", "bob", "carol"].map((user, index) => Guest.join(t, pods[index], TOPIC, user)));
  await Promise.all(all.map((guest) => guest.shows(["alice", "bob", "carol"])));
  return all;
}

/** Asks until an answer is as wanted. */
async function answered(what, ms, ask) {
  const asking = (async () => {
    while (!(await ask())) await pause(20);
  })();
  await within(ms, what, asking);
}

/** Resolves when Redis holds what the guests show, and all guests and pods agree. */
async function healed(ms, redis, pods, guests) {
  const same = async () => {
    const [shown, ...others] = guests.map(({ replica }) => JSON.stringify(canonical(replica.held.values())));
    if (others.some((other) => other !== shown)) return false;
    return JSON.stringify(canonical(await redis.presence(TOPIC))) === shown;
  };
  await answered("Redis holds what everybody shows", ms, same);
  const held = JSON.stringify(canonical(await redis.presence(TOPIC)));
  // A pod answers for the nodes whose lease it finds, and those are told again, too.
  const told = async (pod) => JSON.stringify(canonical(entries(await pod.presence(TOPIC)))) === held;
  await Promise.all(pods.map((pod) => answered("a pod lists what Redis holds", ms, () => told(pod))));
}

/** Resolves when the time has passed in which a pod that was forgotten would be taken for dead, and all still agree. */
async function outlasts(guests, marker) {
  // Nothing happens here, if all is well: it is the time itself that could do harm.
  await pause(LEASE + HEARTBEAT);
  await marker.update("marker");
  await Promise.all(guests.map((guest) => guest.says(marker.user, "marker")));
}

describe("without keyspace notifications", { concurrency: true }, () => {
  test("the gateway turns them on again, and nothing that happens meanwhile is missed for more than a heartbeat", async (t) => {
    const redis = await Redis.start(t);
    const [a, b, c] = await pods(t, redis);
    const [alice, bob, carol] = await guests(t, [a, b, c]);
    await redis.command("CONFIG", "SET", SETTING, "");
    await bob.update("deaf");
    await carol.room.leave();
    const dave = await Guest.join(t, c, TOPIC, "dave");
    await Promise.all([
      ...[alice, bob, dave].map((guest) => guest.says("bob", "deaf", HEARTBEAT + SLACK)),
      ...[alice, bob, dave].map((guest) => guest.shows(["alice", "bob", "dave"], HEARTBEAT + SLACK)),
    ]);
    const flags = async () => (await redis.command("CONFIG", "GET", SETTING))[SETTING];
    await answered("the flags are back", HEARTBEAT + SLACK, async () => /^(?=.*K)(?=.*h)(?=.*g)(?=.*x)/.test(await flags()));
    for (const guest of [alice, bob, carol, dave]) assert.deepEqual(guest.faults, []);
    assert.equal(alice.metas("bob")[0].phx_ref, dave.metas("bob")[0].phx_ref);
  });

  test("where the gateway may not turn them on it says so, polls, and is a heartbeat late at most", async (t) => {
    const redis = await Redis.start(t);
    await redis.command("CONFIG", "SET", SETTING, "Khgx");
    await redis.command("ACL", "SETUSER", "gateway", "on", ">secret", "allkeys", "allchannels", "+@all", "-config");
    const all = await pods(t, redis, `redis://gateway:secret@127.0.0.1:${redis.port}`);
    const [alice, bob, carol] = await guests(t, all);
    await redis.command("CONFIG", "SET", SETTING, "");
    await Promise.all(all.map((pod) => pod.logged(/Set notify-keyspace-events.*Khgx/, HEARTBEAT + SLACK)));
    for (const [round, changed] of [bob, carol, alice].entries()) {
      await changed.update(`round ${round}`);
      await Promise.all([alice, bob, carol].map((guest) => guest.says(changed.user, `round ${round}`, HEARTBEAT + SLACK)));
    }
    assert.deepEqual(await redis.command("CONFIG", "GET", SETTING), { [SETTING]: "" });
    // The operator does what the log says.
    await redis.command("CONFIG", "SET", SETTING, "Khgx");
    await bob.room.leave();
    await Promise.all([alice, carol].map((guest) => guest.shows(["alice", "carol"], HEARTBEAT + SLACK)));
    for (const guest of [alice, bob, carol]) assert.deepEqual(guest.faults, []);
  });
});

describe("when Redis has lost everything", { concurrency: true }, () => {
  test("by FLUSHALL, it is told again within two heartbeats, and nobody who is there leaves", async (t) => {
    const redis = await Redis.start(t);
    const all = await pods(t, redis);
    const [alice, bob, carol] = await guests(t, all);
    const dave = await Guest.join(t, all[1], TOPIC, "dave");
    await Promise.all([alice, bob, carol].map((guest) => guest.shows(["alice", "bob", "carol", "dave"])));
    const before = alice.diffs;
    await redis.command("FLUSHALL");
    // Meanwhile life goes on.
    await bob.update("meanwhile");
    await dave.room.leave();
    const erin = await Guest.join(t, all[2], TOPIC, "erin");
    const there = [alice, bob, carol, erin];
    const bound = 2 * HEARTBEAT + SLACK;
    await Promise.all(there.map((guest) => guest.says("bob", "meanwhile", bound)));
    await Promise.all(there.map((guest) => guest.shows(["alice", "bob", "carol", "erin"], bound)));
    await healed(bound, redis, all, there);
    await outlasts(there, carol);
    for (const guest of there) assert.deepEqual(guest.faults, []);
    assert.deepEqual(alice.news(before).sort(), ["+bob", "+carol", "+erin", "-bob", "-carol", "-dave"]);
  });

  test("since it was started again empty, the same holds once it is back", async (t) => {
    const redis = await Redis.start(t);
    const all = await pods(t, redis);
    const [alice, bob, carol] = await guests(t, all);
    const dave = await Guest.join(t, all[1], TOPIC, "dave");
    await Promise.all([alice, bob, carol].map((guest) => guest.shows(["alice", "bob", "carol", "dave"])));
    const before = alice.diffs;
    await redis.stop("SIGKILL");
    await bob.update("meanwhile");
    await dave.room.leave();
    await redis.start();
    const there = [alice, bob, carol];
    const bound = 2 * HEARTBEAT + SLACK;
    await Promise.all(there.map((guest) => guest.says("bob", "meanwhile", bound)));
    await healed(bound, redis, all, there);
    await Promise.all(there.map((guest) => guest.shows(["alice", "bob", "carol"], bound)));
    await outlasts(there, carol);
    for (const guest of there) assert.deepEqual(guest.faults, []);
    for (const guest of there) assert.equal(guest.client.opened.entries.length, 1, "no socket fell");
    assert.deepEqual(alice.news(before).sort(), ["+bob", "+carol", "-bob", "-carol", "-dave"]);
  });
});
