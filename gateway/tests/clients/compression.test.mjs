// permessage-deflate under stock phoenix.js, as npm `ws` and Chromium speak it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { before, describe, test } from "node:test";

import WebSocket from "ws";

import { metric } from "./support/backend.mjs";
import { launch } from "./support/browser.mjs";
import { Client, VERSIONS } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";

/** Some 12 KB that shrink to a few percent. */
const LONG = { lines: Array.from({ length: 400 }, (_, n) => `line ${n} of a long message`) };
const SIZE = JSON.stringify(LONG).length;

/** A transport for phoenix.js that compresses all it sends; `opened` gets its sockets. */
function compressing(opened, options = {}) {
  return class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { perMessageDeflate: { threshold: 0, ...options } });
      opened.push(this);
    }
  };
}

describe("compression", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(ours, { env: { GATEWAY_SOCKET__COMPRESS: "true" } });
  });

  const counted = async () => {
    const names = ["bytes_received", "bytes_sent", "compression_input_bytes", "compression_output_bytes"];
    const [received, sent, input, output] = await Promise.all(names.map((name) => metric(gateway, `gateway_${name}_total`)));
    return { received, sent, input, output };
  };

  for (const version of Object.keys(VERSIONS)) {
    for (const [what, options] of [["", {}], [" with a small window", { serverMaxWindowBits: 10 }]]) {
      test(`phoenix.js ${version} on ws${what}: join, push, reply, broadcast, presence, all compressed`, async (t) => {
        const opened = [];
        const transport = compressing(opened, options);
        const topic = `room:${version}${what}`;
        const alice = await (await Client.connect(t, gateway, { version, transport })).join(topic, { user_id: "alice" });
        const bob = await (await Client.connect(t, gateway, { version, transport })).join(topic, { user_id: "bob" });
        assert.deepEqual(opened.map(({ extensions }) => extensions), ["permessage-deflate", "permessage-deflate"]);
        await alice.presences.first("bob is there", ({ payload }) => JSON.stringify(payload).includes("bob"));

        const was = await counted();
        assert.deepEqual(await alice.push("say", LONG), { status: "ok", response: {} });
        await alice.received("say", LONG);
        await bob.received("say", LONG);
        const is = await counted();
        assert.ok(is.received - was.received < SIZE / 4, "the push was compressed");
        assert.ok(is.sent - was.sent < SIZE / 2, "both copies of the broadcast were");
        assert.ok(is.input - was.input > 2 * SIZE && is.output - was.output < SIZE / 2, "and are counted so");
      });
    }
  }

  test("those who do not compress hear the same", async (t) => {
    const opened = [];
    const transport = class extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols, { perMessageDeflate: false });
        opened.push(this);
      }
    };
    const plain = await (await Client.connect(t, gateway, { transport })).join("room:mixed");
    const compressed = await (await Client.connect(t, gateway, { transport: compressing(opened) })).join("room:mixed");
    assert.deepEqual(opened.map(({ extensions }) => extensions), ["", "permessage-deflate"]);
    await plain.push("say", LONG);
    await compressed.push("answer", LONG);
    for (const room of [plain, compressed]) {
      await room.received("say", LONG);
      await room.received("answer", LONG);
    }
  });

  test("a page in Chromium, which offers it by itself", async (t) => {
    const module = await readFile(new URL("node_modules/phoenix/priv/static/phoenix.mjs", import.meta.url));
    const server = createServer((request, response) => {
      const isModule = request.url === "/phoenix.mjs";
      response.setHeader("content-type", isModule ? "application/javascript" : "text/html");
      response.end(isModule ? module : "<!doctype html><title>page</title>");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    t.after(() => server.close().closeAllConnections());
    const page = await (await launch(t)).newPage();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    const was = await counted();
    const seen = await page.evaluate(
      async ({ url, message }) => {
        const { Presence, Socket } = await import("/phoenix.mjs");
        const socket = new Socket(url);
        socket.connect();
        const channel = socket.channel("room:chromium", { user_id: "page" });
        const presence = new Presence(channel);
        const heard = new Promise((resolve) => channel.on("say", resolve));
        const present = new Promise((resolve) => presence.onSync(() => presence.list().length && resolve(presence.list().length)));
        const answer = (push) =>
          new Promise((resolve) => ["ok", "error", "timeout"].forEach((status) => push.receive(status, () => resolve(status))));
        const answers = [await answer(channel.join()), await answer(channel.push("say", message))];
        const result = { answers, heard: await heard, present: await present, extensions: socket.conn.extensions };
        socket.disconnect();
        return result;
      },
      { url: gateway.url, message: LONG },
    );
    assert.deepEqual(seen, {
      answers: ["ok", "ok"],
      heard: LONG,
      present: 1,
      extensions: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    });
    const is = await counted();
    assert.ok(is.received - was.received < SIZE / 2 && is.sent - was.sent < SIZE / 2, "both ways");
  });
});
