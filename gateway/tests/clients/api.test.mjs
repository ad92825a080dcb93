// The internal listener: probes, metrics, and broadcasts from back ends.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { Client } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";

describe("the internal listener of `gateway dev`", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(ours);
  });

  test("says that it lives, is ready, and how it fares", async (t) => {
    await Client.connect(t, gateway);
    assert.equal((await gateway.get("/livez")).status, 200);
    assert.equal((await gateway.get("/readyz")).status, 200);
    const metrics = await gateway.get("/metrics");
    assert.equal(metrics.status, 200);
    assert.match(await metrics.text(), /^gateway_connections \d+$/m);
  });

  test("broadcasts for a back end", async (t) => {
    const room = await (await Client.connect(t, gateway)).join("room:api");
    const message = { topic: "room:api", event: "new_msg", payload: { from: "back end" } };
    assert.equal((await gateway.post("/api/v1/broadcast", message)).status, 202);
    await room.received("new_msg", { from: "back end" });
  });

  test("refuses what a web page could send, and reserved events", async () => {
    const message = { topic: "room:api", event: "new_msg", payload: {} };
    const plain = await gateway.post("/api/v1/broadcast", message, { "content-type": "text/plain" });
    assert.equal(plain.status, 415);
    for (const event of ["phx_close", "presence_diff", "disconnect"]) {
      const answer = await gateway.post("/api/v1/broadcast", { ...message, event });
      assert.equal(answer.status, 400, event);
      assert.match(answer.headers.get("content-type"), /^application\/problem\+json/);
    }
    assert.equal((await gateway.get("/api/v1/broadcast")).status, 405);
  });
});

test("`gateway serve` wants a key on its API, and keeps to the patterns and events of its configuration", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "gateway-serve-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  await writeFile(file, CONFIG);
  const gateway = await Gateway.start(t, { command: "serve", args: ["--config", file] });
  const client = await Client.connect(t, gateway);
  const room = await client.join("room:1");

  const message = { topic: "room:1", event: "news", payload: { n: 1 } };
  assert.equal((await gateway.post("/api/v1/broadcast", message)).status, 401);
  assert.equal((await gateway.post("/api/v1/broadcast", message, { authorization: "Bearer wrong" })).status, 401);
  const answer = await gateway.post("/api/v1/broadcast", message, { authorization: "Bearer a-key-of-the-tests" });
  assert.equal(answer.status, 202);
  await room.received("news", { n: 1 });

  assert.equal((await room.push("new_msg", { n: 2 })).status, "ok");
  assert.deepEqual(await room.push("other", {}), { status: "error", response: { reason: "forbidden" } });
  const unmatched = await new Promise((resolve) => client.socket.channel("elsewhere").join().receive("error", resolve));
  assert.deepEqual(unmatched, { reason: "unmatched topic" });
});

const CONFIG = `
[socket]
check_origin = false

[api]
keys = ["a-key-of-the-tests"]

[[channel]]
topic = "room:*"
join = "open"
client_events = ["new_msg"]
`;
