// Long polling from a page in a real browser: its XMLHttpRequest, its rules for other sites, its failing WebSocket.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { before, describe, test } from "node:test";

import { chromium } from "playwright-core";

import { Gateway } from "./support/gateway.mjs";
import { Proxy } from "./support/proxy.mjs";
import { scope } from "./support/scope.mjs";

const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

describe("long polling in a browser", () => {
  const ours = scope();
  let gateway;
  let proxy;
  let page;
  before(async () => {
    const env = { GATEWAY_SOCKET__LONGPOLL: "true", GATEWAY_SOCKET__LONGPOLL_WINDOW: "2s" };
    gateway = await Gateway.start(ours, { env });
    proxy = await Proxy.start(ours, [gateway]);
    const module = await readFile(new URL("node_modules/phoenix/priv/static/phoenix.mjs", import.meta.url));
    const server = createServer((request, response) => {
      const isModule = request.url === "/phoenix.mjs";
      response.setHeader("content-type", isModule ? "application/javascript" : "text/html");
      response.end(isModule ? module : "<!doctype html><title>page</title>");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    ours.after(() => server.close().closeAllConnections());
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
    ours.after(() => browser.close());
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
  });

  /** In the page: connects, joins, says something; resolves with what came and what carried it. */
  const visit = (options) =>
    page.evaluate(async ({ url, name, polls, ...options }) => {
      const { LongPoll, Socket } = await import("/phoenix.mjs");
      const socket = new Socket(url, { ...options, ...(polls ? { transport: LongPoll } : {}) });
      socket.connect();
      const channel = socket.channel(`room:${name}`, {});
      const said = new Promise((resolve) => channel.on("say", resolve));
      const answer = (push) =>
        new Promise((resolve) => ["ok", "error", "timeout"].forEach((status) => push.receive(status, () => resolve(status))));
      const joined = await answer(channel.join());
      const pushed = await answer(channel.push("say", { from: name }));
      const polled = socket.conn instanceof LongPoll;
      const heard = await said;
      socket.disconnect();
      return { joined, pushed, polled, heard };
    }, options);

  test("a page in a browser polls by XMLHttpRequest", async () => {
    // The auth token is a header of its own: the browser asks first whether it may send it.
    const seen = await visit({ url: proxy.url, name: "polls", polls: true, authToken: "tok" });
    assert.deepEqual(seen, { joined: "ok", pushed: "ok", polled: true, heard: { from: "polls" } });
    const methods = new Set(proxy.requests.entries.map(({ method }) => method));
    assert.deepEqual([...methods].sort(), ["GET", "OPTIONS", "POST"]);
  });

  test("a page in a browser falls back where WebSockets are blocked", async () => {
    const seen = await visit({ url: proxy.url, name: "falls-back", longPollFallbackMs: 2_000 });
    assert.deepEqual(seen, { joined: "ok", pushed: "ok", polled: true, heard: { from: "falls-back" } });
    assert.ok(proxy.upgrades.entries.length > 0, "it has tried");
  });

  test("a page in a browser stays with WebSockets where they work", async () => {
    // Where phoenix.js keeps that it had to fall back.
    await page.evaluate(() => sessionStorage.clear());
    const seen = await visit({ url: gateway.url, name: "stays", longPollFallbackMs: 5_000 });
    assert.deepEqual(seen, { joined: "ok", pushed: "ok", polled: false, heard: { from: "stays" } });
  });
});
