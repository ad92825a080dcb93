// npm phoenix by long polling: what a page does whose network lets no WebSocket through.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Socket } from "phoenix";
import WebSocket from "ws";

import { Client, LONG_POLLS } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { freePort } from "./support/process.mjs";
import { Proxy } from "./support/proxy.mjs";
import { Journal } from "./support/wait.mjs";

/** A gateway at which clients may poll. */
function start(t, { window = "2s", env = {}, ...options } = {}) {
  const longpoll = { GATEWAY_SOCKET__LONGPOLL: "true", GATEWAY_SOCKET__LONGPOLL_WINDOW: window };
  return Gateway.start(t, { ...options, env: { ...longpoll, ...env } });
}

/** A client that polls, by a proxy that shows what it sends. */
async function behindProxy(t, { window, env, ...options } = {}) {
  const gateway = await start(t, { window, env });
  const proxy = await Proxy.start(t, [gateway]);
  const client = await Client.connect(t, proxy, { transport: LONG_POLLS[options.version ?? "1.8.16"], ...options });
  return { gateway, proxy, client };
}

const bodies = (proxy) => proxy.requests.entries.filter(({ method }) => method === "POST");
const polls = (proxy) => proxy.requests.entries.filter(({ method }) => method === "GET");

for (const version of Object.keys(LONG_POLLS)) {
  const transport = LONG_POLLS[version];

  test(`phoenix.js ${version} joins, pushes, replies, broadcasts and presence by fetch`, async (t) => {
    const gateway = await start(t);
    const alice = await Client.connect(t, gateway, { version, transport, params: { user_id: "alice" } });
    const bob = await Client.connect(t, gateway, { transport: WebSocket, params: { user_id: "bob" } });
    const [room, other] = [await alice.join("room:1"), await bob.join("room:1")];
    assert.deepEqual(await room.push("new_msg", { n: 1 }), { status: "ok", response: {} });
    assert.deepEqual(await other.push("new_msg", { n: 2 }), { status: "ok", response: {} });
    await room.received("new_msg", { n: 2 });
    await other.received("new_msg", { n: 2 });
    for (const { events } of [room, other]) assert.deepEqual(events.entries.map(({ payload }) => payload.n), [1, 2]);
    assert.deepEqual(Object.keys(await gateway.presence("room:1")).sort(), ["alice", "bob"]);
    await room.presences.first("bob is there", ({ event, payload }) => event === "presence_diff" && payload.joins.bob);
    assert.equal(await room.leave(), "ok");
  });

  test(`phoenix.js ${version} comes back by polling after its pod was killed and started again`, async (t) => {
    const port = await freePort();
    const killed = await start(t, { port });
    const alice = await Client.connect(t, killed, { version, transport });
    const room = await alice.join("room:1");
    await killed.stop("SIGKILL");
    await alice.closed.count("the poll fails", 1);
    await start(t, { port });
    await room.joins.count("rejoin", 2, 10_000);
    assert.deepEqual(await room.push("new_msg", { n: 1 }), { status: "ok", response: {} });
  });

  test(`phoenix.js ${version}: after a 410 with a token in hand it connects and joins again`, async (t) => {
    const gateway = await start(t, { env: { GATEWAY_SOCKET__ID: "user:{user_id}" } });
    const alice = await Client.connect(t, gateway, { version, transport, params: { user_id: "7" } });
    const room = await alice.join("room:1");
    assert.equal((await gateway.post("/api/v1/disconnect", { socket_id: "user:7" })).status, 202);
    const [closed] = await alice.closed.count("the session is gone", 1);
    assert.deepEqual([closed.code, closed.reason], [3410, "session_gone"]);
    await room.joins.count("rejoin", 2, 10_000);
  });

  test(`phoenix.js ${version}: a proxy that lets no WebSocket through makes it fall back`, async (t) => {
    const gateway = await start(t);
    const proxy = await Proxy.start(t, [gateway]);
    const kept = new Map();
    const sessionStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value) };
    const options = { version, transport: WebSocket, longPollFallbackMs: 1_000, sessionStorage };
    const alice = await Client.connect(t, proxy, options);
    const room = await alice.join("room:1");
    assert.deepEqual(await room.push("new_msg", { n: 1 }), { status: "ok", response: {} });
    assert.ok(proxy.upgrades.entries.length > 0, "it has tried");
    assert.equal(alice.socket.conn.constructor, transport);
  });
}

test("150 pushes of one turn are two bodies, and all are answered in order", async (t) => {
  const { proxy, client } = await behindProxy(t);
  const room = await client.join("room:1");
  const before = bodies(proxy).length;
  const answers = await Promise.all(Array.from({ length: 150 }, (_, n) => room.push("new_msg", { n })));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set(["ok"]));
  assert.deepEqual(room.events.entries.map(({ payload }) => payload.n), Array.from({ length: 150 }, (_, n) => n));
  assert.deepEqual(bodies(proxy).slice(before).map(({ body }) => body.split("\n").length), [100, 50]);
});

test("its bodies are lines, and those of one turn go together", async (t) => {
  const { proxy, client } = await behindProxy(t);
  const room = await client.join("room:1");
  const before = bodies(proxy).length;
  await Promise.all([1, 2, 3].map((n) => room.push("new_msg", { n })));
  const [sent, ...others] = bodies(proxy).slice(before);
  assert.deepEqual(others, []);
  assert.equal(sent.headers["content-type"], "application/x-ndjson");
  assert.deepEqual(sent.body.split("\n").map((line) => JSON.parse(line)[4]), [{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test("what it sends while a body is under way waits, and goes together behind it", async (t) => {
  const { proxy, client } = await behindProxy(t);
  const room = await client.join("room:1");
  const before = bodies(proxy).length;
  const release = proxy.hold(({ method }) => method === "POST");
  const first = room.push("new_msg", { n: 1 });
  await proxy.requests.first("the first body", () => bodies(proxy).length > before);
  // Each in a turn of its own.
  const later = [];
  for (const n of [2, 3]) {
    later.push(room.push("new_msg", { n }));
    await pause(0);
  }
  release();
  for (const answer of await Promise.all([first, ...later])) assert.deepEqual(answer, { status: "ok", response: {} });
  const sent = bodies(proxy).slice(before).map(({ body }) => body.split("\n").map((line) => JSON.parse(line)[4].n));
  assert.deepEqual(sent, [[1], [2, 3]]);
});

test("a refused connection closes with 1008, and is tried again", async (t) => {
  const gateway = await start(t);
  const socket = new Socket(gateway.url, { transport: LONG_POLLS["1.8.16"], vsn: "3.0.0" });
  const closed = new Journal();
  socket.onClose(({ code, reason }) => closed.add([code, reason]));
  t.after(() => socket.disconnect());
  socket.connect();
  const refusals = await closed.count("refusals", 2);
  assert.deepEqual(refusals.slice(0, 2), [[1008, "forbidden"], [1008, "forbidden"]]);
});

test("a binary push goes as base64 and is answered", async (t) => {
  const { proxy, client } = await behindProxy(t);
  const room = await client.join("room:1");
  const other = await (await Client.connect(t, proxy, { transport: LONG_POLLS["1.8.16"] })).join("room:1");
  assert.deepEqual(await room.push("bytes", new Uint8Array([1, 2, 3]).buffer), { status: "ok", response: {} });
  // Who polls gets no binary messages, and goes on.
  assert.deepEqual(await other.push("new_msg", { n: 1 }), { status: "ok", response: {} });
  assert.deepEqual(other.events.entries, [{ event: "new_msg", payload: { n: 1 } }]);
});

test("its token is in the query, behind a param of that name", async (t) => {
  const { proxy, client } = await behindProxy(t, { params: { token: "mine" } });
  await client.join("room:1");
  const [first, ...later] = proxy.requests.entries.map(({ url }) => new URL(url, "http://x").searchParams.getAll("token"));
  assert.deepEqual(first, ["mine"]);
  for (const tokens of later) {
    assert.equal(tokens.length, 2);
    assert.match(tokens[1], /^lp\./);
  }
});

test("its auth token is a header, and there is none without one", async (t) => {
  for (const authToken of ["tok", undefined]) {
    const { proxy, client } = await behindProxy(t, { authToken });
    await client.join("room:1");
    for (const { headers } of polls(proxy)) assert.equal(headers["x-phoenix-authtoken"], authToken);
  }
});

test("a body that is not answered in time closes, and it comes back", async (t) => {
  const { proxy, client } = await behindProxy(t, { window: "300ms", longpollerTimeout: 1_500 });
  const room = await client.join("room:1");
  proxy.swallow(({ method }) => method === "POST");
  void room.push("new_msg", { n: 1 });
  const [closed] = await client.closed.count("the body times out", 1);
  assert.equal(closed.code, 1005);
  await room.joins.count("rejoin", 2, 10_000);
});
