// `leave_grace`: who reloads a page never left, on whichever pod the page finds itself again.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Balancer } from "./support/balancer.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Guest } from "./support/guest.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";

const GRACE = 5_000;
/** What a slow machine may add. */
const SLACK = 3_000;

describe("with leave_grace = 5s", { concurrency: true }, () => {
  const ours = scope();
  let redis;
  let pods;
  const start = () => Gateway.start(ours, { redis, env: { GATEWAY_PRESENCE__LEAVE_GRACE: `${GRACE}ms` } });
  before(async () => {
    redis = await Redis.start(ours);
    pods = await Promise.all([start(), start(), start()]);
  });

  const join = (t, topic) => Guest.join(t, pods[0], topic, "bob", { name: "Bob" });

  /** One who watches on each pod, and who they watch; `quiet` fails on any diff that they have got since. */
  async function audience(t, topic, come = () => join(t, topic)) {
    const watching = await Promise.all(pods.map((pod, index) => Guest.join(t, pod, topic, `watching ${index}`)));
    const bob = await come();
    const users = [...watching, bob].map(({ user }) => user);
    await Promise.all([...watching, bob].map((guest) => guest.shows(users)));
    const since = watching.map((guest) => guest.diffs);
    const quiet = async () => {
      // What comes before the marker has come by then.
      await watching[0].update("marker");
      await Promise.all(watching.map((guest) => guest.says("watching 0", "marker")));
      for (const [index, guest] of watching.entries()) {
        assert.deepEqual(guest.news(since[index]), ["+watching 0", "-watching 0"], `seen on pod ${index}`);
        assert.deepEqual(guest.faults, []);
      }
    };
    return { bob, watching, quiet };
  }

  /** The page is gone: its socket is closed, and phoenix.js with it. */
  const close = (guest) => guest.client.disconnect();

  for (const [where, to] of [["the same pod", 0], ["another pod", 1]]) {
    test(`a page that is reloaded and comes to ${where} is no diff for anybody`, async (t) => {
      const { bob, quiet } = await audience(t, `room:reload ${to}`);
      const [before] = bob.metas("bob");
      await close(bob);
      const again = await Guest.join(t, pods[to], `room:reload ${to}`, "bob", { name: "Bob" });
      assert.deepEqual(again.metas("bob"), [before], "with its reference and its time");
      // Nobody leaves late, either: the grace of whom it took over has to pass.
      await pause(GRACE + 500);
      await quiet();
    });
  }

  test("a client whose connection falls comes back by itself, at once, and is no diff for anybody", async (t) => {
    const { bob, quiet } = await audience(t, "room:fall");
    bob.client.socket.conn.terminate();
    await bob.room.joins.count("rejoin", 2);
    await pause(GRACE + 500);
    await quiet();
  });

  test("the clients of a pod that is stopped go on at another one, and are no diff for anybody", async (t) => {
    const stopped = await start();
    const { quiet } = await audience(t, "room:rolling", async () => {
      const balancer = new Balancer();
      const name = balancer.add(stopped);
      const carol = await Guest.join(t, balancer, "room:rolling", "carol", {}, { transport: balancer.transport() });
      balancer.remove(name);
      balancer.add(pods[1]);
      return carol;
    });
    assert.deepEqual(await stopped.stop("SIGTERM"), { code: 0, signal: null });
    await pause(GRACE + 500);
    await quiet();
  });

  test("who does not come back leaves when the grace is over", async (t) => {
    const { bob, watching } = await audience(t, "room:gone");
    const left = Date.now();
    await close(bob);
    await Promise.all(watching.map((guest) => guest.shows(["watching 0", "watching 1", "watching 2"], GRACE + SLACK)));
    assert.ok(Date.now() - left >= GRACE, `after ${Date.now() - left} ms`);
    for (const guest of watching) assert.deepEqual(guest.faults, []);
  });

});
