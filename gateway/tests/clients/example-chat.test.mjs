// The chat example on two pods, in two tabs of a browser: messages, presence, and a pod that dies.

import assert from "node:assert/strict";
import { test } from "node:test";

import { launch, open, says, shows } from "./support/browser.mjs";
import { Example, QUICK_LEASE } from "./support/example.mjs";
import { Postgres } from "./support/postgres.mjs";
import { Failover } from "./support/failover.mjs";
import { Redis } from "./support/redis.mjs";

async function signIn(browser, proxy, { name, device }) {
  const { page, errors } = await open(browser, proxy.url);
  await page.fill("#name", name);
  await page.selectOption("#device", device);
  await page.press("#name", "Enter");
  await page.waitForSelector("#talk:not([hidden])");
  return { page, errors };
}

async function say(page, body) {
  await page.fill("#body", body);
  await page.press("#body", "Enter");
}

test("two tabs on different pods chat, and go on when a pod is killed", async (t) => {
  const [redis, postgres] = [await Redis.start(t), await Postgres.start(t)];
  const env = { ...QUICK_LEASE, DATABASE_URL: postgres.url };
  const pods = [await Example.start(t, "chat", { redis, env }), await Example.start(t, "chat", { redis, env })];
  const browser = await launch(t);
  const ann = await signIn(browser, await Failover.start(t, pods), { name: "ann", device: "desktop" });
  const bob = await signIn(browser, await Failover.start(t, pods.toReversed()), { name: "bob", device: "phone" });
  const tabs = [ann.page, bob.page];

  const both = ["ann (desktop)", "bob (phone)"];
  for (const page of tabs) await shows(page, "#people", both);
  await bob.page.type("#body", "h");
  await says(ann.page, "#typing", "bob is typing");
  await say(ann.page, "hello @bob");
  await say(bob.page, "hello ann");
  await says(bob.page, "#notifications", "ann in general: hello @bob");
  for (const page of tabs) {
    for (const line of ["ann: hello @bob", "bob: hello ann"]) await says(page, "#messages", line);
  }
  await say(bob.page, " ");
  await says(bob.page, "#problem", "can't be blank");

  await pods[0].stop("SIGKILL");
  await say(bob.page, "where are you?");
  await says(ann.page, "#messages", "bob: where are you?");
  await say(ann.page, "back on the other pod");
  await says(bob.page, "#messages", "ann: back on the other pod");
  // The dead pod's ann is gone as well: one of each.
  for (const page of tabs) await shows(page, "#people", both);
  for (const page of tabs) assert.equal(await page.locator("#messages > li").count(), 4, "each message once");

  // Signing out ends the user's connections on every pod.
  await ann.page.click("#leave");
  await ann.page.waitForSelector("#entrance:not([hidden])");
  await shows(bob.page, "#people", ["bob (phone)"]);
  for (const { errors } of [ann, bob]) assert.deepEqual(errors, []);
});

test("a room is shown to members only", async (t) => {
  const pod = await Example.start(t, "chat");
  const { page, errors } = await open(await launch(t), `http://${pod.public}/`);
  await page.fill("#name", "ann");
  await page.selectOption("#room", "staff");
  await page.click("#enter button");
  await says(page, "#refused", "staff: unauthorized");
  await says(page, "#connection", /^refused: unauthorized$/);
  assert.equal(await page.isVisible("#talk"), false);

  // Another room, on the same page.
  await page.selectOption("#room", "general");
  await page.click("#enter button");
  await page.waitForSelector("#talk:not([hidden])");
  await says(page, "#connection", /^connected$/);
  await say(page, "hello");
  await says(page, "#messages", "ann: hello");
  assert.equal(await page.locator("#messages > li").count(), 1);
  assert.deepEqual(errors, []);
});

test("pages come with a policy that lets in nothing from elsewhere", async (t) => {
  const pod = await Example.start(t, "chat");
  const { headers } = await fetch(`http://${pod.public}/page.js`);
  assert.equal(headers.get("x-content-type-options"), "nosniff");
  assert.match(headers.get("content-security-policy"), /^default-src 'none';.* connect-src 'self';/);
});
