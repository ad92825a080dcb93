// A back end that hangs, dies, lies or is slow: only what it decides waits, and not for long.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Backend, gatewayWith, isSigned, metric } from "./support/backend.mjs";
import { answerToJoin, Client } from "./support/client.mjs";
import { scope } from "./support/scope.mjs";
import { within } from "./support/wait.mjs";

const TIMEOUT = 1_000;
/** What an answer may take beyond the webhook's timeout on a busy machine. */
const SLACK = 1_500;

const UNAVAILABLE = { status: "error", response: { reason: "unavailable" } };
const LATE = { status: "error", response: { reason: "timeout" } };

/** Resolves with what a promise brings; fails when it takes longer than the webhook's timeout allows. */
async function inTime(what, promise, ms = TIMEOUT + SLACK) {
  return within(ms, what, promise);
}

/** An answer that never comes. */
const hang = () => undefined;

const letIn = () => ({ ok: {} });

/** Another topic on the same socket, a plain one and one of a webhook's pattern, and another socket. */
async function bystanders(t, gateway, alice) {
  const bob = await Client.connect(t, gateway);
  const rooms = [await alice.join("plain"), await alice.join("events:1"), await bob.join("plain")];
  return {
    async goOn() {
      const asked = performance.now();
      for (const room of rooms) {
        assert.deepEqual(await inTime(`a push to ${room.channel.topic}`, room.push("new_msg", { n: 1 }), 900), { status: "ok", response: {} });
      }
      assert.ok(performance.now() - asked < TIMEOUT, "they do not wait for the back end");
    },
  };
}

/** What a back end can do wrong with a request. */
const FAULTS = {
  "status 500": (_, response) => void response.writeHead(500).end("{}"),
  "status 401, since it does not know our signature": ({ type }, response, request) => {
    return isSigned(request.headers, "", "wrong secret") ? letIn(type) : void response.writeHead(401).end();
  },
  "a redirect": (_, response) => void response.writeHead(307, { location: "/elsewhere" }).end(),
  "no JSON": (_, response) => void response.end("<html>hello</html>"),
  "half of a JSON": (_, response) => void response.end('{"ok": {'),
  "a huge body": (_, response) => void response.end(`{"ok": {"a": "${"a".repeat(300_000)}"}}`),
  "a huge body without a length": (_, response) => {
    response.on("error", () => {});
    for (let n = 0; n < 40; n += 1) response.write(" ".repeat(10_000));
    response.end('{"ok": {}}');
  },
  "death before an answer": (_, response) => void response.destroy(),
  "death in the middle of an answer": (_, response) => {
    response.writeHead(200, { "content-length": "1000" });
    response.write('{"ok": ', () => response.destroy());
  },
};

describe("answers that are none", () => {
  const ours = scope();
  let backend;
  let gateway;
  before(async () => {
    backend = await Backend.start(ours);
    gateway = await gatewayWith(ours, backend);
  });

  for (const [fault, answer] of Object.entries(FAULTS)) {
    test(fault, async (t) => {
      backend.answer = letIn;
      const alice = await Client.connect(t, gateway);
      const room = await alice.join("hook:1");
      const others = await bystanders(t, gateway, alice);
      backend.answer = (body, ...rest) => (body.type === "leave" ? letIn() : answer(body, ...rest));
      const before = backend.requests.entries.length;
      assert.deepEqual(await inTime("the push", room.push("e", {})), UNAVAILABLE);
      await others.goOn();
      assert.deepEqual(await inTime("the join", answerToJoin(alice, "hook:2")), UNAVAILABLE);
      await others.goOn();
      const posted = backend.requests.entries.slice(before).filter(({ body }) => body.type !== "leave");
      assert.deepEqual(posted.map(({ url }) => url), ["/hooks?tenant=1", "/hooks?tenant=1"], "neither repeated nor followed");
      backend.answer = letIn;
      assert.deepEqual(await room.push("e", {}), { status: "ok", response: {} });
      assert.equal(room.channel.state, "joined");
    });
  }
});

test("a back end that hangs: pushes and joins are answered in time, and nothing else waits", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend);
  backend.answer = letIn;
  const alice = await Client.connect(t, gateway);
  const room = await alice.join("hook:1");
  const others = await bystanders(t, gateway, alice);
  backend.answer = hang;
  // Those that wait behind the first are not answered one timeout after the other.
  const begun = performance.now();
  const pushes = [1, 2, 3, 4].map((n) => room.push("e", { n }));
  await backend.got("the first push", ({ payload }) => payload?.n === 1);
  await others.goOn();
  for (const push of pushes) assert.deepEqual(await inTime("a push", push), LATE);
  assert.ok(performance.now() - begun > TIMEOUT * 0.9, "the back end had its time");
  assert.deepEqual(backend.bodies("event").map(({ payload }) => payload.n), [1], "those were never sent");

  // Until a join is answered its socket's other messages wait (not the heartbeat, and not what others say); no longer.
  const bob = await Client.connect(t, gateway, { heartbeatIntervalMs: 50 });
  const joined = answerToJoin(bob, "hook:2");
  await backend.got("bob's join", ({ topic }) => topic === "hook:2");
  const beats = () => bob.messages.entries.filter(({ topic, event }) => topic === "phoenix" && event === "phx_reply").length;
  const sofar = beats();
  await others.goOn();
  await bob.messages.first("a heartbeat meanwhile", () => beats() > sofar, 900);
  assert.deepEqual(await inTime("bob's join", joined), LATE);
  await bob.join("plain");
  await backend.got("the back end may have let bob in", (body) => body.type === "leave" && body.reason === "aborted");
  assert.equal(await metric(gateway, "gateway_webhook_seconds_count", 'kind="event"', 'result="timeout"'), 4);
});

test("a back end that is slow, but in time", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend);
  backend.answer = async () => {
    await pause(TIMEOUT / 2);
    return { ok: { slow: true } };
  };
  const alice = await Client.connect(t, gateway);
  const room = await alice.join("hook:1");
  assert.deepEqual(room.joins.entries, [{ slow: true }]);
  const others = await bystanders(t, gateway, alice);
  const push = room.push("e", {});
  await others.goOn();
  assert.deepEqual(await push, { status: "ok", response: { slow: true } });
});

test("a back end that is away is left alone after five failures, and found again", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend);
  backend.answer = letIn;
  const alice = await Client.connect(t, gateway);
  const room = await alice.join("hook:1");
  const others = await bystanders(t, gateway, alice);
  const sent = await room.push("e", {});
  assert.equal(sent.status, "ok");
  await backend.stop();
  for (let n = 0; n < 5; n += 1) assert.deepEqual(await inTime("a push", room.push("e", { n })), UNAVAILABLE);
  assert.equal(await metric(gateway, "gateway_webhook_circuits_open"), 1);
  const asked = performance.now();
  assert.deepEqual(await room.push("e", {}), UNAVAILABLE);
  assert.deepEqual(await answerToJoin(alice, "hook:2"), UNAVAILABLE);
  assert.ok(performance.now() - asked < 200, "at once, without a try");
  assert.ok((await metric(gateway, "gateway_webhook_seconds_count", 'result="shed"')) >= 2);
  await others.goOn();
  await backend.start();
  const came = await inTime("it answers again", (async () => {
    for (;;) {
      const answer = await room.push("e", { again: true });
      if (answer.status === "ok") return answer;
      await pause(50);
    }
  })(), 8_000);
  assert.deepEqual(came, { status: "ok", response: {} });
  assert.equal(await metric(gateway, "gateway_webhook_circuits_open"), 0);
  await alice.join("hook:2");
});

test("status 500 and nonsense do not cut off anybody else, 503 does", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend);
  backend.answer = letIn;
  const room = await (await Client.connect(t, gateway)).join("hook:1");
  let status = 500;
  backend.answer = (_, response) => void response.writeHead(status).end();
  for (let n = 0; n < 8; n += 1) assert.deepEqual(await room.push("e"), UNAVAILABLE);
  assert.equal(backend.bodies("event").length, 8);
  assert.equal(await metric(gateway, "gateway_webhook_circuits_open"), 0);
  status = 503;
  for (let n = 0; n < 8; n += 1) assert.deepEqual(await room.push("e"), UNAVAILABLE);
  assert.equal(backend.bodies("event").length, 13);
  assert.equal(await metric(gateway, "gateway_webhook_circuits_open"), 1);
});

test("a back end that is restarted in between is not noticed", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend, { settings: 'timeout = "3s"' });
  backend.answer = letIn;
  const room = await (await Client.connect(t, gateway)).join("hook:1");
  await backend.stop();
  await backend.start();
  assert.deepEqual(await room.push("e", { n: 1 }), { status: "ok", response: {} });
  // Away for a moment: the second try finds it.
  await backend.stop();
  const push = room.push("e", { n: 2 });
  await pause(50);
  await backend.start();
  assert.deepEqual(await push, { status: "ok", response: {} });
  assert.deepEqual(backend.bodies("event").map(({ payload }) => payload.n), [1, 2]);
});

test("no more than 64 calls are under way at once", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend, { settings: 'timeout = "10s"' });
  const release = [];
  let [running, most] = [0, 0];
  backend.answer = async ({ type }) => {
    if (type === "leave") return {};
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => release.push(resolve));
    running -= 1;
    return { ok: {} };
  };
  const clients = await Promise.all(Array.from({ length: 80 }, () => Client.connect(t, gateway)));
  const joins = clients.map((client) => client.join("hook:1"));
  await backend.requests.count("the first calls", 64);
  while (release.length > 0 || running > 0) {
    release.shift()?.();
    await pause(1);
  }
  await Promise.all(joins);
  assert.deepEqual([backend.bodies("join").length, most], [80, 64]);
});

test("SIGTERM with calls under way ends in time, and the back end is told of all ends", async (t) => {
  const backend = await Backend.start(t);
  const gateway = await gatewayWith(t, backend, { settings: 'timeout = "30s"' });
  backend.answer = letIn;
  const clients = await Promise.all([1, 2, 3].map(() => Client.connect(t, gateway, { reconnectAfterMs: () => 60_000 })));
  const rooms = await Promise.all(clients.map((client) => client.join("hook:1")));
  backend.answer = ({ type }) => (type === "leave" ? {} : undefined);
  rooms[0].push("e", {});
  clients[1].socket.channel("hook:2").join();
  await backend.got("the event", ({ type }) => type === "event");
  await backend.got("the join", ({ topic }) => topic === "hook:2");
  const begun = performance.now();
  assert.deepEqual(await gateway.stop("SIGTERM"), { code: 0, signal: null });
  assert.ok(performance.now() - begun < 9_500, `${performance.now() - begun} ms`);
  const left = backend.bodies("leave").map(({ join_id }) => join_id);
  for (const { join_id } of backend.bodies("join")) assert.ok(left.includes(join_id), "also of the join that was never answered");
});
