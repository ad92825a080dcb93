// What a client may not do behind a back end's back: each test would pass on to others what it has no right to.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { Backend, gatewayWith } from "./support/backend.mjs";
import { Client } from "./support/client.mjs";

const KEY = "fedcba9876543210fedcba9876543210";
const FORBIDDEN = { status: "error", response: { reason: "forbidden" } };

/** A token of a user with these grants, good for ten minutes. */
function tokenOf(sub, channels) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const claims = { sub, channels, exp: Math.floor(Date.now() / 1000) + 600 };
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", KEY).update(signed).digest("base64url")}`;
}

/** A gateway whose topics `team:*` need a grant, with a back end that decides all events there. */
async function withGrants(t) {
  const backend = await Backend.start(t);
  const webhook = `{ url = "${backend.url}", secret = "env:WEBHOOK_SECRET" }`;
  const gateway = await gatewayWith(t, backend, {
    top: `[auth]\nhs256_secret = "${KEY}"\n`,
    channel: `[[channel]]\ntopic = "team:*"\njoin = "granted"\nwebhook = ${webhook}`,
  });
  return { backend, gateway };
}

test("who may not broadcast does not reach the back end either", async (t) => {
  const { backend, gateway } = await withGrants(t);
  const join = (sub, may) => Client.connect(t, gateway, { params: { token: tokenOf(sub, [{ topic: "team:*", may }]) } });
  const [reader, writer] = [await join("bob", ["join"]), await join("alice", ["join", "broadcast"])];
  const [his, hers] = [await reader.join("team:1"), await writer.join("team:1")];
  assert.deepEqual(await his.push("say", { n: 1 }), FORBIDDEN);
  assert.equal((await hers.push("say", { n: 2 })).status, "ok");
  assert.deepEqual(backend.bodies("event").map(({ payload }) => payload.n), [2]);
});

test("a renewal that takes the right away holds for what already waits", async (t) => {
  const { backend, gateway } = await withGrants(t);
  for (const [topic, may] of [["team:1", ["join"]], ["team:2", ["broadcast"]]]) {
    const client = await Client.connect(t, gateway, { params: { token: tokenOf("bob", ["team:*"]) } });
    const [room, other] = [await client.join(topic), await client.join("plain")];
    let release;
    const held = new Promise((resolve) => (release = resolve));
    backend.answer = async () => (await held, { ok: {} });
    const first = room.push("say", { topic, n: 1 });
    await backend.got("the first event", ({ payload }) => payload?.topic === topic);
    const second = room.push("say", { topic, n: 2 });
    // By another topic, so that it overtakes what waits behind the back end.
    const renewal = { access_token: tokenOf("bob", [{ topic: "team:*", may }]) };
    assert.equal((await other.push("access_token", renewal)).status, "ok");
    release();
    assert.equal((await first).status, "ok");
    assert.deepEqual(await second, FORBIDDEN, topic);
  }
  assert.deepEqual(backend.bodies("event").map(({ payload }) => payload.n), [1, 1]);
});

test("what only the gateway says is not decided by the back end", async (t) => {
  const { backend, gateway } = await withGrants(t);
  const client = await Client.connect(t, gateway, { params: { token: tokenOf("bob", ["team:*"]) } });
  for (const topic of ["hook:1", "team:1"]) {
    const room = await client.join(topic);
    assert.deepEqual(await room.push("token_expiring", { expires_in: 1 }), FORBIDDEN, topic);
  }
  assert.deepEqual(backend.bodies("event"), []);
});

test("what the back end says of a client stays, whatever the client says of itself", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend, { channel: "presence = true" });
  backend.answer = () => ({ ok: {}, presence: { key: "bob", meta: { role: "member", team: { id: 1 } } } });
  const room = await (await Client.connect(t, gateway)).join("hook:1", { meta: { role: "admin", color: "red" } });
  const shown = (what, matches) =>
    room.presences.first(what, ({ payload }) => payload.joins?.bob && matches(payload.joins.bob.metas[0]));
  await shown("the back end's meta alone", (meta) => meta.role === "member" && !("color" in meta));
  for (const [event, color] of [["update", "blue"], ["track", "green"]]) {
    const payload = { color, role: "admin", team: { id: 2 }, online_at: "1" };
    assert.equal((await room.push("presence", { event, payload })).status, "ok");
    const entry = await shown(event, (meta) => meta.color === color);
    const [meta] = entry.payload.joins.bob.metas;
    assert.deepEqual([meta.role, meta.team], ["member", { id: 1 }], event);
    assert.notEqual(meta.online_at, "1");
  }
  // Neither by going and coming back.
  await room.push("presence", { event: "untrack" });
  await room.push("presence", { event: "track", payload: { color: "white", role: "admin" } });
  const entry = await shown("track again", (meta) => meta.color === "white");
  assert.equal(entry.payload.joins.bob.metas[0].role, "member");
});

test("a client with many topics leaves the back end to others", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend, { settings: 'timeout = "5s"' });
  const [alice, bob] = [await Client.connect(t, gateway), await Client.connect(t, gateway)];
  const numbers = Array.from({ length: 70 }, (_, n) => n);
  const hers = await Promise.all(numbers.map((n) => alice.join(`events:${n}`)));
  const [plain, his] = [await alice.join("plain"), await bob.join("events:0")];
  const held = [];
  backend.answer = ({ payload }) => {
    if (payload.name === "bob") return { ok: {} };
    return new Promise((resolve) => held.push(() => resolve({ ok: {} })));
  };
  const pushes = hers.map((room) => room.push("decided", { name: "alice" }));
  // The gateway has read them all when it answers what came behind them.
  await plain.push("new_msg");
  assert.deepEqual(await his.push("decided", { name: "bob" }, 2_000), { status: "ok", response: {} });
  assert.ok(held.length <= 8, `${held.length} of hers are under way`);
  // Hers come in their turn.
  backend.answer = () => ({ ok: {} });
  await backend.requests.count("as many as may", 9);
  for (const release of held) release();
  for (const push of pushes) assert.equal((await push).status, "ok");
});
