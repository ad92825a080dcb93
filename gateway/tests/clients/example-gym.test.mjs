// The gym example on two pods, in two tabs of a browser: status by role, presence by role, and a pod that dies.

import assert from "node:assert/strict";
import { test } from "node:test";

import { launch, open, says, shows } from "./support/browser.mjs";
import { Example, QUICK_LEASE } from "./support/example.mjs";
import { Failover } from "./support/failover.mjs";
import { Redis } from "./support/redis.mjs";

async function enter(browser, proxy, { name, role }) {
  const { page, errors } = await open(browser, proxy.url);
  await page.fill("#name", name);
  await page.selectOption("#role", role);
  await page.press("#name", "Enter");
  await page.waitForSelector("#floor:not([hidden])");
  return { page, errors };
}

async function complete(page, exercise) {
  await page.fill("#exercise-name", exercise);
  await page.press("#exercise-name", "Enter");
}

test("a trainer and a participant on different pods, one of which is killed", async (t) => {
  const redis = await Redis.start(t);
  const pods = [await Example.start(t, "gym", { redis, env: QUICK_LEASE }), await Example.start(t, "gym", { redis, env: QUICK_LEASE })];
  const browser = await launch(t);
  const ann = await enter(browser, await Failover.start(t, pods), { name: "ann", role: "participant" });
  const tom = await enter(browser, await Failover.start(t, pods.toReversed()), { name: "tom", role: "trainer" });

  await shows(tom.page, "#people", ["ann (participant)", "tom (trainer)"]);
  await shows(ann.page, "#people", ["tom (trainer)"]);
  await shows(tom.page, "#status", ["ann: 0 completed"]);
  await complete(ann.page, "squats");
  await shows(ann.page, "#status", ["you: 1 completed"]);
  await shows(tom.page, "#status", ["ann: 1 completed"]);
  await says(tom.page, "#log", "ann completed squats");
  await tom.page.click("#start");
  for (const { page } of [ann, tom]) await says(page, "#log", "tom has started the session");

  const reconnects = ann.page.waitForEvent("websocket");
  await pods[0].stop("SIGKILL");
  await reconnects;
  // The other pod goes on counting where the dead one ended.
  await complete(ann.page, "rows");
  await shows(ann.page, "#status", ["you: 2 completed"]);
  await shows(tom.page, "#status", ["ann: 2 completed"]);
  await shows(ann.page, "#people", ["tom (trainer)"]);
  await ann.page.close();
  // Neither the closed tab nor the dead pod keeps her there.
  await shows(tom.page, "#people", ["tom (trainer)"]);
  for (const { errors } of [ann, tom]) assert.deepEqual(errors, []);
});
