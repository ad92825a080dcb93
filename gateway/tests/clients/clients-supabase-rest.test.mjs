// Broadcasts by plain requests, below a mount with `dialect = "supabase"`. Names begin with the rows of docs/PROTOCOL.md that they
// prove.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";
import { bare, dialect, granted, Live, post, token } from "./support/supabase.mjs";

describe("REST broadcasts", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await dialect(ours);
  });

  /** A channel that hears all of a topic. */
  const listen = (t, topic, vsn = "2.0.0") => Live.create(t, gateway, "listener", { vsn }).join(topic);

  const batch = (...messages) => ({ messages });

  async function refused(response, status, body) {
    assert.equal(response.status, status);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    assert.deepEqual(await response.json(), body);
  }

  test("row 301: several are accepted with an empty answer, and heard in their order, each with an id", async (t) => {
    const [one, two] = [await listen(t, "batch:1"), await listen(t, "batch:2", "1.0.0")];
    const messages = [
      { topic: "batch:1", event: "a", payload: { n: 1 }, id: "first" },
      { topic: "batch:2", event: "b", payload: { text: "Grüße 🌍" }, private: false },
      { topic: "batch:1", event: "c", payload: { n: 3 } },
    ];
    const response = await post(gateway, "/broadcast", batch(...messages));
    assert.deepEqual([response.status, await response.text()], [202, ""]);
    await Promise.all([one.hears("c"), two.hears("b")]);
    const [a, c] = one.heard.entries;
    assert.deepEqual(a, { type: "broadcast", event: "a", payload: { n: 1 }, meta: { id: "first" } });
    assert.match(c.meta.id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    assert.deepEqual(two.heard.entries[0].payload, { text: "Grüße 🌍" });
  });

  test("row 301: an id is the message's own business: it is sent as often as it is said", async (t) => {
    const one = await listen(t, "once");
    const message = { topic: "once", event: "a", payload: {}, id: "the only one" };
    for (const event of ["a", "a again"]) {
      assert.equal((await post(gateway, "/broadcast", batch({ ...message, event }))).status, 202);
    }
    await post(gateway, "/broadcast", batch({ topic: "once", event: "end", payload: {} }));
    await one.hears("end");
    assert.deepEqual(one.events(), ["a", "a again", "end"]);
  });

  test("row 302: one is a frame of kind 4 for version 2, and JSON for version 1", async (t) => {
    const socket = await bare(t, gateway);
    socket.send(["1", "1", "realtime:single", "phx_join", { config: {} }]);
    await socket.frames.first("the reply", ([, , , event]) => event === "phx_reply");
    const old = await listen(t, "single", "1.0.0");
    const response = await post(gateway, "/broadcast/single/events/ev?apikey=k&vsn=2.0.0", Buffer.from('{ "z" : 1 }'), { type: null });
    assert.deepEqual([response.status, await response.text()], [202, ""]);
    const frame = await socket.frames.first("kind 4", (said) => Buffer.isBuffer(said));
    assert.deepEqual(frame, Buffer.concat([Buffer.from([4, 15, 2, 0, 1]), Buffer.from('realtime:singleev{ "z" : 1 }')]));
    assert.deepEqual(await old.hears("ev"), { type: "broadcast", event: "ev", payload: { z: 1 } });
  });

  test("row 302: topic and event are what the path says, decoded", async (t) => {
    const one = await listen(t, "a/b c:ü");
    await post(gateway, `/broadcast/${encodeURIComponent("a/b c:ü")}/events/${encodeURIComponent("e/1 ?")}`, { n: 1 });
    assert.deepEqual((await one.hears("e/1 ?")).payload, { n: 1 });
  });

  for (const at of ["/realtime/v1", "/socket", ""]) {
    test(`rows 301 and 302: they are served at ${at}/api`, async (t) => {
      const one = await listen(t, "paths");
      assert.equal((await post(gateway, "/broadcast", batch({ topic: "paths", event: "a", payload: {} }), { at })).status, 202);
      assert.equal((await post(gateway, "/broadcast/paths/events/b", {}, { at })).status, 202);
      await one.hears("b");
      assert.deepEqual(one.events(), ["a", "b"]);
    });
  }

  test("rows 286 and 301: of a batch, what is private goes to private channels, and what is not allowed is left out", async (t) => {
    const key = granted("listener", "secret");
    const inside = await Live.create(t, gateway, "listener", { key }).join("secret", { private: true });
    const outside = await listen(t, "secret");
    const message = (event, more) => ({ topic: "secret", event, payload: {}, ...more });
    const messages = [message("inside", { private: true }), message("outside"), message("end", { private: true })];
    assert.equal((await post(gateway, "/broadcast", batch(...messages))).status, 202);
    await outside.hears("outside");
    assert.equal((await post(gateway, "/broadcast", batch(...messages), { key })).status, 202);
    await inside.hears("end");
    assert.deepEqual(inside.events(), ["inside", "end"]);
  });

  test("row 302: one that is private and not allowed is refused", async (t) => {
    const path = "/broadcast/secret/events/e?private=true";
    const refusal = { message: "You do not have permissions to write to this Channel topic" };
    await refused(await post(gateway, path, {}), 403, refusal);
    await refused(await post(gateway, path, {}, { key: granted("ann", "secret", ["join"]) }), 403, refusal);
    const key = granted("ann", "secret");
    const inside = await Live.create(t, gateway, "ann", { key }).join("secret", { private: true });
    assert.equal((await post(gateway, path, {}, { key })).status, 202);
    await inside.hears("e");
  });

  test("row 303: another content type is refused", async () => {
    for (const type of ["text/plain", "application/x-www-form-urlencoded"]) {
      const response = await post(gateway, "/broadcast/room/events/e", "x=1", { type });
      assert.equal(response.status, 415);
      assert.match((await response.json()).error, /application\/json.*application\/octet-stream/);
    }
  });

  test("row 304: without a good token nothing is accepted", async () => {
    const body = batch({ topic: "room", event: "e", payload: {} });
    const stranger = token("ann", { secret: "of somebody else" });
    for (const path of ["/broadcast", "/broadcast/room/events/e"]) {
      for (const [key, headers] of [
        [null, {}],
        [stranger, {}],
        [null, { apikey: stranger }],
        [token("ann", { ttl: -3600 }), {}],
        // The header that comes first counts, even if the other one is good.
        [stranger, { apikey: token("ann") }],
      ]) {
        await refused(await post(gateway, path, body, { key, headers }), 401, { message: "Unauthorized" });
      }
      assert.equal((await post(gateway, path, body, { key: null, headers: { apikey: token("ann") } })).status, 202);
    }
  });

  test("row 301: a batch with a mistake is refused as a whole, with what is wrong", async (t) => {
    const one = await listen(t, "strict");
    const good = { topic: "strict", event: "good", payload: {} };
    const errors = async (body) => {
      const response = await post(gateway, "/broadcast", body);
      assert.equal(response.status, 422);
      return (await response.json()).errors;
    };
    assert.deepEqual(await errors(batch(good, { event: "e", payload: {} })), { messages: [{}, { topic: ["can't be blank"] }] });
    assert.deepEqual(await errors(batch({ topic: "strict", payload: [1] })), {
      messages: [{ event: ["can't be blank"], payload: ["is invalid"] }],
    });
    assert.deepEqual(await errors(batch({ ...good, topic: "x".repeat(300) })), { messages: [{ topic: ["is too long"] }] });
    assert.deepEqual(await errors({}), { messages: ["can't be blank"] });
    assert.deepEqual(await errors(batch()), { messages: ["can't be blank"] });
    assert.deepEqual(await errors({ messages: 7 }), { messages: ["is invalid"] });
    assert.deepEqual(await errors("{"), { messages: ["is invalid"] });
    await post(gateway, "/broadcast", batch({ ...good, event: "end" }));
    await one.hears("end");
    assert.deepEqual(one.events(), ["end"]);
  });

  test("row 302: what is no JSON is refused, and what is too large, too", async () => {
    const single = (body, options) => post(gateway, "/broadcast/room/events/e", body, options);
    assert.equal((await single("{")).status, 422);
    assert.equal((await single("")).status, 422);
    const large = "x".repeat(300 * 1024);
    assert.equal((await single(JSON.stringify({ large }))).status, 422);
    assert.equal((await single(Buffer.from(large), { type: "application/octet-stream" })).status, 422);
    const batches = batch({ topic: "room", event: "e", payload: { large } });
    assert.equal((await post(gateway, "/broadcast", batches)).status, 422);
  });

  test("a page may ask from anywhere the sockets may be opened from", async () => {
    const response = await fetch(`http://${gateway.public}/realtime/v1/api/broadcast`, {
      method: "OPTIONS",
      headers: { origin: "https://elsewhere.example", "access-control-request-headers": "apikey, authorization" },
    });
    assert.equal(response.status, 204);
    assert.equal(response.headers.get("access-control-allow-origin"), "*");
    assert.equal(response.headers.get("access-control-allow-headers"), "apikey, authorization");
    assert.match(response.headers.get("access-control-allow-methods"), /POST/);
  });

  test("other methods are refused", async () => {
    const response = await fetch(`http://${gateway.public}/realtime/v1/api/broadcast`);
    assert.equal(response.status, 405);
  });
});

test("a page whose origin may not connect may not broadcast either", async (t) => {
  const gateway = await dialect(t, { env: { GATEWAY_SOCKET__CHECK_ORIGIN: '["https://app.example"]' } });
  const from = (origin) => post(gateway, "/broadcast/room/events/e", {}, { at: "/socket", headers: { origin } });
  assert.equal((await from("https://app.example")).status, 202);
  assert.equal((await from("https://elsewhere.example")).status, 403);
});

test("row 301: over the limit of its address a request is answered 429", async (t) => {
  const gateway = await dialect(t, { env: { GATEWAY_LIMITS__CONNECTS_PER_SECOND: "1" } });
  const ask = () => post(gateway, "/broadcast/room/events/e", {});
  let response = await ask();
  assert.equal(response.status, 202);
  while (response.status === 202) response = await ask();
  assert.equal(response.status, 429);
  assert.ok(Number(response.headers.get("retry-after")) >= 1);
  assert.deepEqual(await response.json(), { message: "Too many requests" });
});

test("rows 301, 302: what any pod is told is heard on all, and without Redis it is told that nothing is known", async (t) => {
  const redis = await Redis.start(t);
  const [one, two] = [await dialect(t, { redis }), await dialect(t, { redis })];
  const seat = await Live.create(t, two, "bob").join("once");
  const body = { messages: [{ topic: "once", event: "a", payload: {}, id: "the only one" }] };
  for (const pod of [one, two]) assert.equal((await post(pod, "/broadcast", body)).status, 202);
  await seat.hears("a");
  await post(one, "/broadcast/once/events/end", {});
  await seat.hears("end");
  assert.deepEqual(seat.events(), ["a", "a", "end"]);
  await redis.stop();
  const response = await post(one, "/broadcast/once/events/lost", {});
  assert.equal(response.status, 503);
  assert.equal(typeof (await response.json()).message, "string");
});
