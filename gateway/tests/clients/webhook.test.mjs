// A back end decides: what it is sent, and what becomes of its answers.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import WebSocket from "ws";

import { Backend, gatewayWith, isSigned, metric, SECRET } from "./support/backend.mjs";
import { answerToJoin, bareSocket, Client } from "./support/client.mjs";
import { kinds, wrongAnswer, wrongRequest } from "./support/contract.mjs";
import { Child, freePort } from "./support/process.mjs";
import { Journal, within } from "./support/wait.mjs";

/** Starts both; at the end all that was posted is held against the documented contract. */
async function start(t, options) {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend, options);
  t.after(() => {
    for (const { body, text, headers, method, url } of backend.requests.entries) {
      assert.equal(wrongRequest(body), undefined);
      assert.ok(isSigned(headers, text), "the signature is right");
      assert.ok(!isSigned(headers, text, "another secret") && !isSigned(headers, `${text} `));
      assert.deepEqual([method, url, headers["content-type"]], ["POST", "/hooks?tenant=1", "application/json"]);
      assert.deepEqual([headers["webhook-id"], headers["webhook-timestamp"]], [body.id, String(body.timestamp)]);
      assert.ok(Math.abs(Date.now() / 1000 - body.timestamp) < 60);
    }
    const ids = backend.requests.entries.map(({ body }) => body.id);
    assert.equal(new Set(ids).size, ids.length, "each request has its own id");
  });
  return { backend, gateway };
}

describe("joins", () => {
  test("the back end lets in, keeps its assigns, and speaks right after the reply", async (t) => {
    const { backend, gateway } = await start(t);
    backend.answer = ({ type, params }) =>
      type === "join"
        ? {
            ok: { hello: params.name },
            assigns: { role: "host", nested: [1, { a: null }] },
            push: [{ event: "only_you", payload: { n: 1 } }],
            broadcast: [{ event: "entered", payload: { name: params.name } }, { event: "for_others", to: "others" }],
          }
        : { ok: { seen: true } };
    const alice = await Client.connect(t, gateway, { params: { user_id: "7" } });
    const hers = await alice.join("hook:1", { name: "alice" });
    assert.deepEqual(hers.joins.entries, [{ hello: "alice" }]);
    assert.deepEqual(await hers.events.count("the broadcast and the push", 2), [
      { event: "entered", payload: { name: "alice" } },
      { event: "only_you", payload: { n: 1 } },
    ]);
    const bob = await Client.connect(t, gateway);
    await bob.join("hook:1", { name: "bob" });
    const more = await hers.events.count("what bob's join says to others", 4);
    assert.deepEqual(more.slice(2), [
      { event: "entered", payload: { name: "bob" } },
      { event: "for_others", payload: {} },
    ]);
    assert.deepEqual(await hers.push("ask", { q: 1 }), { status: "ok", response: { seen: true } });

    const [join] = backend.bodies("join");
    const [event] = backend.bodies("event");
    assert.deepEqual([join.topic, join.params, join.assigns], ["hook:1", { name: "alice" }, null]);
    assert.deepEqual([join.socket.id, join.socket.user], ["user_socket:7", null]);
    assert.deepEqual([event.event, event.payload, event.assigns], ["ask", { q: 1 }, { role: "host", nested: [1, { a: null }] }]);
    assert.equal(event.join_id, join.join_id);
    assert.deepEqual(event.socket, join.socket);
    assert.notEqual(backend.bodies("join")[1].join_id, join.join_id);
    assert.equal(typeof event.ref, "string");
    assert.deepEqual(kinds, ["join", "event", "leave"]);
  });

  test("the back end refuses, with a text or an object", async (t) => {
    const { backend, gateway } = await start(t);
    const alice = await Client.connect(t, gateway);
    backend.answer = () => ({ error: "members only" });
    assert.deepEqual(await answerToJoin(alice, "hook:1"), { status: "error", response: { reason: "members only" } });
    backend.answer = () => ({ error: { reason: "full", limit: 3 } });
    assert.deepEqual(await answerToJoin(alice, "hook:1"), { status: "error", response: { reason: "full", limit: 3 } });
    backend.answer = () => ({ ok: {} });
    await alice.join("hook:2");
    assert.deepEqual(backend.bodies("leave"), [], "nobody leaves who was not let in");
    assert.equal(await metric(gateway, "gateway_webhook_seconds_count", 'kind="join"', 'result="error"'), 2);
    assert.equal(await metric(gateway, "gateway_webhook_seconds_count", 'kind="join"', 'result="ok"'), 1);
  });

  test("presence is what the back end says, else the UUID, never what a client claims", async (t) => {
    const { backend, gateway } = await start(t, { channel: "presence = true" });
    backend.answer = ({ params }) => ({ ok: {}, ...(params.key && { presence: { key: params.key, meta: { admin: true, ...params.extra } } }) });
    const [alice, bob] = [await Client.connect(t, gateway), await Client.connect(t, gateway, { params: { user_id: "root" } })];
    const hers = await alice.join("hook:1", { key: "alice", user_id: "root", meta: { admin: "claimed" } });
    const shown = await hers.presences.first("alice is shown", ({ event }) => event === "presence_diff");
    assert.deepEqual(Object.keys(shown.payload.joins), ["alice"]);
    assert.equal(shown.payload.joins.alice.metas[0].admin, true);
    const his = await bob.join("hook:1", { user_id: "root", meta: { color: "red" } });
    const [{ socket }] = backend.bodies("join").slice(1);
    const joins = (entry) => Object.keys(entry.payload.joins ?? {});
    const diff = await hers.presences.first("bob is shown", (entry) => joins(entry).includes(socket.uuid));
    assert.equal(diff.payload.joins[socket.uuid].metas[0].color, "red");
    // The client may still change its own meta; the back end is not asked.
    assert.equal((await his.push("presence", { event: "update", payload: { color: "blue" } })).status, "ok");
    await hers.presences.first("bob's update", ({ payload }) => payload.joins?.[socket.uuid]?.metas[0].color === "blue");
    assert.deepEqual(backend.bodies("event"), []);
  });

  test("other patterns keep their rule, and the back end hears only of its events", async (t) => {
    const { backend, gateway } = await start(t);
    const [alice, bob] = [await Client.connect(t, gateway), await Client.connect(t, gateway)];
    const [hers, his] = [await alice.join("events:1"), await bob.join("events:1")];
    backend.answer = () => ({ ok: { decided: true }, assigns: { n: 1 } });
    assert.deepEqual(await hers.push("other", { n: 1 }), { status: "ok", response: {} });
    assert.deepEqual(await hers.push("decided", { n: 2 }), { status: "ok", response: { decided: true } });
    assert.deepEqual(await hers.push("decided", { n: 3 }), { status: "ok", response: { decided: true } });
    assert.deepEqual(await hers.push("phx_close"), { status: "error", response: { reason: "forbidden" } });
    await his.push("other", { n: 4 });
    await his.received("other", { n: 4 });
    assert.deepEqual(his.events.entries.map(({ payload }) => payload.n), [1, 4], "what the back end decides is not relayed");
    assert.equal(await hers.leave(), "ok");
    assert.deepEqual(backend.bodies("event").map(({ payload, assigns }) => [payload.n, assigns]), [[2, null], [3, { n: 1 }]]);
    assert.equal(backend.requests.entries.length, 2, "neither joins nor leaves");
  });
});

test("the back end learns who the client has proved to be, and only that", async (t) => {
  const key = "fedcba9876543210fedcba9876543210";
  const top = `[auth]\nhs256_secret = "${key}"\nrequired = false\n`;
  const { backend, gateway } = await start(t, { top, channel: "presence = true" });
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: "alice", exp: Math.floor(Date.now() / 1000) + 600 })}`;
  const token = `${signed}.${createHmac("sha256", key).update(signed).digest("base64url")}`;
  const alice = await Client.connect(t, gateway, { params: { token, user_id: "root" } });
  const hers = await alice.join("hook:1", { user_id: "root" });
  const { payload } = await hers.presences.first("alice is shown", ({ event }) => event === "presence_diff");
  assert.deepEqual(Object.keys(payload.joins), ["alice"]);
  await (await Client.connect(t, gateway, { params: { user_id: "root" } })).join("hook:2");
  assert.deepEqual(backend.bodies("join").map(({ socket }) => socket.user), ["alice", null]);
  // A new token is for the gateway, whatever the pattern's events are.
  assert.deepEqual(await hers.push("access_token", { access_token: token }), { status: "ok", response: {} });
  assert.deepEqual(backend.bodies("event"), []);
});

describe("events", () => {
  test("all that an answer can bring", async (t) => {
    const { backend, gateway } = await start(t);
    const [alice, bob] = [await Client.connect(t, gateway), await Client.connect(t, gateway)];
    const [hers, his] = [await alice.join("hook:1"), await bob.join("hook:1")];
    const answers = {
      nothing: {},
      error: { error: { errors: { text: "can't be blank" } } },
      speaks: {
        ok: { done: 1 },
        assigns: [1],
        broadcast: [{ event: "all", payload: { n: 1 } }, { event: "rest", payload: { n: 2 }, to: "others" }],
        push: [{ event: "you", payload: { n: 3 } }],
      },
    };
    backend.answer = ({ event, type }, response) => {
      if (event === "empty") return void response.writeHead(204).end();
      return type === "event" ? answers[event] : { ok: {} };
    };
    assert.deepEqual(await hers.push("empty"), { status: "ok", response: {} });
    assert.deepEqual(await hers.push("nothing"), { status: "ok", response: {} });
    assert.deepEqual(await hers.push("error"), { status: "error", response: { errors: { text: "can't be blank" } } });
    assert.deepEqual(await hers.push("speaks"), { status: "ok", response: { done: 1 } });
    assert.deepEqual(hers.events.entries, [
      { event: "all", payload: { n: 1 } },
      { event: "you", payload: { n: 3 } },
    ]);
    await his.events.count("what the others get", 2);
    assert.deepEqual(his.events.entries, [
      { event: "all", payload: { n: 1 } },
      { event: "rest", payload: { n: 2 } },
    ]);
    await hers.push("nothing");
    assert.deepEqual(backend.bodies("event").at(-1).assigns, [1]);
    for (const answer of Object.values(answers)) assert.equal(wrongAnswer("event", answer), undefined);
  });

  test("the back end ends a channel, and the client does not come back", async (t) => {
    const { backend, gateway } = await start(t);
    backend.answer = ({ event }) => (event === "bye" ? { ok: { last: true }, stop: true } : { ok: {} });
    const alice = await Client.connect(t, gateway);
    const room = await alice.join("hook:1");
    const closed = new Promise((resolve) => room.channel.onClose(resolve));
    assert.deepEqual(await room.push("bye"), { status: "ok", response: { last: true } });
    await within(5_000, "phx_close", closed);
    const leave = await backend.got("the leave", ({ type }) => type === "leave");
    assert.equal(leave.body.reason, "stopped");
    assert.equal(backend.bodies("join").length, 1);
  });

  test("one at a time and in order, also when answers are slow; others of the socket go on", async (t) => {
    const { backend, gateway } = await start(t, { settings: 'timeout = "5s"' });
    let running = 0;
    backend.answer = async ({ type, payload }) => {
      if (type !== "event") return { ok: {} };
      running += 1;
      assert.equal(running, 1, "no two calls of a channel at once");
      await new Promise((resolve) => setTimeout(resolve, (payload.n * 7) % 20));
      running -= 1;
      return { ok: { n: payload.n }, broadcast: [{ event: "said", payload: { n: payload.n } }] };
    };
    const alice = await Client.connect(t, gateway);
    const [room, other] = [await alice.join("hook:1"), await alice.join("plain")];
    const numbers = Array.from({ length: 30 }, (_, n) => n);
    const answered = new Journal();
    const pushes = numbers.map((n) => room.push("e", { n }).then(({ response }) => answered.add(response.n)));
    assert.equal((await other.push("new_msg", {})).status, "ok");
    assert.ok(answered.entries.length < 30, "it did not wait for them");
    await Promise.all(pushes);
    assert.deepEqual(answered.entries, numbers);
    assert.deepEqual(room.events.entries.map(({ payload }) => payload.n), numbers);
    assert.deepEqual(backend.bodies("event").map(({ payload }) => payload.n), numbers);
    assert.equal(backend.connections, 1, "one connection is kept and used again");
  });

  test("bytes are refused: the contract is JSON", async (t) => {
    const { backend, gateway } = await start(t);
    const room = await (await Client.connect(t, gateway)).join("hook:1");
    const answer = await room.push("blob", Uint8Array.from([1, 2]).buffer);
    assert.deepEqual(answer, { status: "error", response: { reason: "binary_not_supported" } });
    assert.deepEqual(backend.bodies("event"), []);
  });

  test("answers that are not in the contract change nothing, and the document agrees", async (t) => {
    const { backend, gateway } = await start(t);
    const alice = await Client.connect(t, gateway);
    const room = await alice.join("hook:1");
    let answer;
    backend.answer = () => answer;
    const event = { event: "e" };
    for (answer of [
      { ok: {}, error: {} },
      { ok: [] },
      { okay: {} },
      { presence: {} },
      { stop: "yes" },
      { push: [{ event: "" }] },
      { push: [{ ...event, to: "others" }] },
      { broadcast: [event, { payload: {} }] },
      { broadcast: [{ ...event, payload: [] }] },
      { broadcast: [{ ...event, topic: "hook:2" }] },
      { broadcast: Array(101).fill(event) },
      [],
      "ok",
    ]) {
      assert.deepEqual(await room.push("e"), { status: "error", response: { reason: "unavailable" } }, JSON.stringify(answer));
      assert.notEqual(wrongAnswer("event", answer), undefined, JSON.stringify(answer));
    }
    // What a schema does not say: names of the protocol itself, and the size of what is kept.
    for (answer of [{ broadcast: [event, { event: "phx_close" }] }, { push: [{ event: "presence_diff" }] }, { assigns: "a".repeat(16_384) }]) {
      assert.deepEqual(await room.push("e"), { status: "error", response: { reason: "unavailable" } });
    }
    for (answer of [{}, { ok: {}, stop: true }, { ok: {}, presence: { key: "" } }, { error: "no", assigns: {} }]) {
      assert.deepEqual(await answerToJoin(alice, "hook:2"), { status: "error", response: { reason: "unavailable" } });
      assert.notEqual(wrongAnswer("join", answer), undefined, JSON.stringify(answer));
    }
    assert.deepEqual(room.events.entries, []);
    assert.equal(room.channel.state, "joined");
    // The back end may believe that those joins came about.
    const last = backend.bodies("join").at(-1).join_id;
    await backend.got("the leave of the last of them", ({ type, join_id }) => type === "leave" && join_id === last);
    assert.ok(backend.bodies("leave").every(({ topic, reason }) => topic === "hook:2" && reason === "aborted"));
  });
});

describe("leaves", () => {
  test("each end of a channel is told with its reason and the last assigns", async (t) => {
    const { backend, gateway } = await start(t);
    backend.answer = ({ type, topic }) => ({ ok: {}, ...(type === "join" && { assigns: { topic } }) });
    const left = (topic, reason) => backend.got(`${topic} ${reason}`, (body) => body.type === "leave" && body.topic === topic && body.reason === reason);
    const alice = await Client.connect(t, gateway);
    const [one] = [await alice.join("hook:left"), await alice.join("hook:gone")];
    // phoenix.js itself leaves a topic before it joins it again.
    const bare = await bareSocket(t, gateway);
    for (const ref of ["1", "2"]) {
      bare.socket.send(JSON.stringify([ref, ref, "hook:twice", "phx_join", {}]));
      await bare.messages.first(`the answer to join ${ref}`, ([, answered, , event]) => event === "phx_reply" && answered === ref);
    }
    assert.equal(await one.leave(), "ok");
    const { body } = await left("hook:left", "left");
    assert.deepEqual(body.assigns, { topic: "hook:left" });
    assert.equal(body.join_id, backend.bodies("join")[0].join_id);
    await left("hook:twice", "replaced");
    await alice.disconnect();
    await left("hook:gone", "socket_closed");
    bare.socket.terminate();
    await left("hook:twice", "socket_closed");
    assert.equal(backend.bodies("leave").length, 4);
  });
});

test("a trace goes on", async (t) => {
  const { backend, gateway } = await start(t);
  const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const headers = { traceparent, tracestate: "vendor=1" };
  const socket = new WebSocket(`${gateway.url}/websocket?vsn=2.0.0`, { headers });
  t.after(() => socket.terminate());
  await within(5_000, "open", new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject)));
  socket.send(JSON.stringify(["1", "1", "hook:1", "phx_join", {}]));
  const { headers: sent } = await backend.got("the join", ({ type }) => type === "join");
  assert.deepEqual([sent.traceparent, sent.tracestate], [traceparent, "vendor=1"]);
  const alice = await Client.connect(t, gateway);
  await alice.join("hook:2");
  assert.equal(backend.requests.entries.at(-1).headers.traceparent, undefined);
});

test("the sample back end does what its page says", async (t) => {
  const port = await freePort();
  const file = fileURLToPath(new URL("../../examples/webhook/server.mjs", import.meta.url));
  const sample = new Child(process.execPath, [file], { env: { ...process.env, PORT: String(port), WEBHOOK_SECRET: SECRET } });
  t.after(() => sample.stop("SIGKILL"));
  await sample.line(/^listening/);
  const gateway = await gatewayWith(t, { url: `http://127.0.0.1:${port}/` }, { channel: "presence = true" });
  const [alice, bob] = [await Client.connect(t, gateway), await Client.connect(t, gateway)];
  assert.deepEqual(await answerToJoin(alice, "hook:1"), { status: "error", response: { reason: "a name is needed" } });
  const [hers, his] = [await alice.join("hook:1", { name: "alice" }), await bob.join("hook:1", { name: "bob" })];
  await hers.received("entered", { name: "bob" });
  const blank = await his.push("message", { text: "" });
  assert.deepEqual(blank, { status: "error", response: { errors: { text: "can't be blank" } } });
  assert.deepEqual(await his.push("message", { text: "hi" }), { status: "ok", response: { sent: 1 } });
  assert.deepEqual(await his.push("message", { text: "ho" }), { status: "ok", response: { sent: 2 } });
  await hers.received("message", { name: "bob", text: "ho" });
  assert.equal(await his.leave(), "ok");
  await sample.line(/^bob is gone: left$/);
  const forged = await fetch(`http://127.0.0.1:${port}/`, { method: "POST", body: "{}", headers: { "webhook-id": "a", "webhook-timestamp": "1" } });
  assert.equal(forged.status, 401);
});
