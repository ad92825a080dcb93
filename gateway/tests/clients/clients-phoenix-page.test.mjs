// phoenix.js in a page that nobody looks at: it stays down while hidden, and comes back when it is shown.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";

import { chromium } from "playwright-core";

import { Gateway } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";

const CHROMIUM = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"];

const PACKAGES = { "1.8.16": "phoenix", "1.8.13": "phoenix-1-8-13" };

/** Runs in the page: two sockets, of which the second is never connected. */
function open(url) {
  const { Socket } = globalThis.Phoenix;
  const seen = (globalThis.seen = { log: [], joins: 0, opens: 0 });
  const logger = (kind, text) => seen.log.push(kind, text);
  const socket = (globalThis.socket = new Socket(url, { params: { user_id: "page" }, logger }));
  globalThis.idle = new Socket(url);
  socket.onOpen(() => (seen.opens += 1));
  const channel = socket.channel("room:page");
  channel.join().receive("ok", () => (seen.joins += 1));
  socket.connect();
}

/** Runs in the page: what a browser does when its tab is hidden or shown. */
function show(state) {
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
}

describe("a page with phoenix.js", () => {
  const ours = scope();
  let gateway;
  let browser;
  let server;
  before(async () => {
    gateway = await Gateway.start(ours, { env: { GATEWAY_SOCKET__ID: "user_socket:{user_id}" } });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: QUIET });
    server = createServer((_request, response) => response.setHeader("content-type", "text/html").end("<title>page</title>"));
    await once(server.listen(0, "127.0.0.1"), "listening");
  });
  after(async () => {
    server.close().closeAllConnections();
    await browser.close();
  });

  for (const [version, name] of Object.entries(PACKAGES)) {
    test(`phoenix.js ${version} does not reconnect while its page is hidden, and does at once when it is shown`, async () => {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/`);
      const path = new URL(`node_modules/${name}/priv/static/phoenix.js`, import.meta.url);
      await page.addScriptTag({ content: await readFile(path, "utf8") });
      await page.evaluate(open, gateway.url);
      await page.waitForFunction(() => globalThis.seen.joins === 1);

      await page.evaluate(show, "hidden");
      await gateway.post("/api/v1/disconnect", { socket_id: "user_socket:page" });
      await page.waitForFunction(() => globalThis.seen.log.includes("Not reconnecting as page is hidden!"));
      assert.equal(await page.evaluate(() => globalThis.socket.isConnected()), false);
      assert.equal(await page.evaluate(() => globalThis.seen.opens), 1);

      await page.evaluate(show, "visible");
      await page.waitForFunction(() => globalThis.seen.joins === 2);
      assert.equal(await page.evaluate(() => globalThis.idle.connectionState()), "closed", "it was never connected");

      // Closed by the page itself, it stays closed.
      await page.evaluate(() => new Promise((resolve) => globalThis.socket.disconnect(resolve)));
      await page.evaluate(show, "hidden");
      await page.evaluate(show, "visible");
      assert.equal(await page.evaluate(() => globalThis.socket.connectionState()), "closed");
      assert.equal(await page.evaluate(() => globalThis.seen.opens), 2);
      await page.close();
    });
  }
});
