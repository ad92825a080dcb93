// The three Python clients of PyPI that speak Phoenix Channels: what each can do, and what it cannot.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { refusing } from "./support/backend.mjs";
import { Client } from "./support/client.mjs";
import { Foreign } from "./support/foreign.mjs";
import { Gateway } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";

const OK = { status: "ok", response: {} };
const env = { GATEWAY_SOCKET__ID: "user_socket:{user_id}" };

const address = (gateway) => `${gateway.url}/websocket`;

const kick = (gateway, user) => gateway.post("/api/v1/disconnect", { socket_id: `user_socket:${user}` });

describe("phx-events 0.4.1", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(ours, { env });
  });

  /** A client that has joined these topics, and listens to three events. */
  async function start(t, topics, user) {
    const client = Foreign.python(t, "phx-events", "drive_phx_events");
    await connect(client, gateway, topics, user);
    return client;
  }

  const connect = (client, pod, topics, user) =>
    client.does("connect", { url: `${address(pod)}?user_id=${user}`, topics, events: ["new_msg", "presence_state", "presence_diff"] });

  test("joins, and hears what others say, who is there, and who comes", async (t) => {
    const client = await start(t, ["room:one", "room:two"], "py");
    for (const topic of ["room:one", "room:two"]) await client.hears({ event: "phx_reply", topic, ref: null, payload: OK });
    const other = await (await Client.connect(t, gateway)).join("room:two", { user_id: "js" });
    await other.push("new_msg", { text: "Grüße 🌍", half: 0.5 });
    await client.hears({ event: "new_msg", topic: "room:two", payload: { text: "Grüße 🌍", half: 0.5 } });
    await client.hears({ event: "presence_state", topic: "room:two" });
    const came = () => client.payloads("room:two", "presence_diff").flatMap(({ joins }) => Object.keys(joins));
    await client.heard.first("both come", () => came().length === 2);
    assert.deepEqual(came().sort(), ["js", "py"]);
    assert.deepEqual(client.payloads("room:one", "new_msg"), []);
  });

  test("is told why a join is refused", async (t) => {
    const client = Foreign.python(t, "phx-events", "drive_phx_events");
    await connect(client, await refusing(t, "members only"), ["hook:1"], "py");
    const payload = { status: "error", response: { reason: "members only" } };
    await client.hears({ event: "phx_reply", topic: "hook:1", payload });
  });

  test("cannot push", async (t) => {
    const client = await start(t, ["room:mute"], "mute");
    assert.equal(await client.does("can_push"), false);
  });

  test("ends with its connection, and a new one goes on", async (t) => {
    const client = await start(t, ["room:back"], "gone");
    await kick(gateway, "gone");
    await client.hears({ closed: null });
    await connect(client, gateway, ["room:back"], "gone");
    const other = await (await Client.connect(t, gateway)).join("room:back");
    await other.push("new_msg", { n: 1 });
    await client.hears({ event: "new_msg", topic: "room:back", payload: { n: 1 } });
  });

  test("sends no heartbeats: an idle timeout below the pings of its library, 20 s, closes it", async (t) => {
    const strict = await Gateway.start(t, { env: { ...env, GATEWAY_SOCKET__IDLE_TIMEOUT: "1s" } });
    const client = Foreign.python(t, "phx-events", "drive_phx_events");
    await connect(client, strict, ["room:idle"], "idle");
    const { closed } = await client.heard.first("the close", (said) => "closed" in said);
    assert.match(closed, /^ConnectionClosedError: .*1002/);
  });
});

describe("phxsocket 0.1.5", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(ours, { env });
  });

  async function start(t, { user = "py", heartbeat = 5, pod = gateway } = {}) {
    const client = Foreign.python(t, "others", "drive_phxsocket");
    assert.equal(await client.does("connect", { url: address(pod), params: { user_id: user }, heartbeat }), true);
    return client;
  }

  test("joins, pushes, is answered, and speaks with a client of today in both directions", async (t) => {
    const client = await start(t);
    assert.deepEqual(await client.does("join", { topic: "room:both", params: {} }), {});
    const modern = await (await Client.connect(t, gateway)).join("room:both");
    const push = (event, payload) => client.does("push", { topic: "room:both", event, payload });
    assert.deepEqual(await push("new_msg", { from: "phxsocket" }), OK);
    await modern.received("new_msg", { from: "phxsocket" });
    await modern.push("new_msg", { from: "phoenix.js" });
    await client.hears({ event: "new_msg", topic: "room:both", payload: { from: "phoenix.js" } });
    assert.deepEqual(client.payloads("room:both", "new_msg"), [{ from: "phxsocket" }, { from: "phoenix.js" }]);
    assert.deepEqual(await push("phx_error", {}), { status: "error", response: { reason: "forbidden" } });
  });

  test("is told why a join is refused", async (t) => {
    const client = await start(t, { pod: await refusing(t, "members only") });
    const { failed } = await client.ask("join", { topic: "hook:1", params: {} });
    assert.equal(failed, "ChannelConnectError: {'reason': 'members only'}");
  });

  test("is shown who is there as the events are, for it has no class for it", async (t) => {
    const client = await start(t);
    await client.does("join", { topic: "room:here", params: { user_id: "snake", meta: { at: "desk" } } });
    await client.hears({ event: "presence_state", topic: "room:here", payload: {} });
    const { payload } = await client.hears({ event: "presence_diff", topic: "room:here" });
    assert.equal(payload.joins.snake.metas[0].at, "desk");
  });

  test("its heartbeats are answered, and their references stay integers", async (t) => {
    const client = await start(t, { heartbeat: 0.05 });
    for (const heartbeat of [0, 1, 2]) await client.hears({ heartbeat, payload: OK });
  });

  test("leaves, though it says that it failed", async (t) => {
    const client = await start(t);
    await client.does("join", { topic: "room:leave", params: {} });
    const { done, what } = await client.does("leave", { topic: "room:leave" });
    assert.equal(done, false);
    assert.match(what, /'SentMessage' object has no attribute 'response'/);
    await client.hears({ event: "phx_close", topic: "room:leave", payload: {} });
  });

  test("comes back when it is told to, and joins again when it is told to", async (t) => {
    const client = await start(t, { user: "fallen" });
    await client.does("join", { topic: "room:back", params: {} });
    await kick(gateway, "fallen");
    await client.hears({ closed: null });
    const topic = "room:back";
    assert.match((await client.ask("push", { topic, event: "new_msg", payload: {} })).failed, /^SocketClosedError/);
    assert.equal(await client.does("reconnect"), true);
    assert.deepEqual(await client.does("join", { topic, params: {} }), {});
    assert.deepEqual(await client.does("push", { topic, event: "new_msg", payload: {} }), OK);
  });
});

for (const version of ["1.0", "2.0"]) {
  describe(`phoenix-channels-python-client 0.4.1, protocol ${version}`, () => {
    const ours = scope();
    let gateway;
    before(async () => {
      gateway = await Gateway.start(ours, { env });
    });

    async function start(t, { user = "py", heartbeat = 30, pod = gateway } = {}) {
      const client = Foreign.python(t, "others", "drive_phoenix_channels_python_client");
      await client.does("connect", { url: `${address(pod)}?user_id=${user}`, version, heartbeat });
      return client;
    }

    test(`joins, pushes, is answered, and ${version === "2.0" ? "hears no broadcast" : "hears what others say"}`, async (t) => {
      const client = await start(t);
      const topic = "room:both";
      await client.does("join", { topic });
      const modern = await (await Client.connect(t, gateway)).join(topic);
      await modern.push("new_msg", { from: "phoenix.js" });
      await client.does("push", { topic, event: "new_msg", payload: { from: "python" }, ref: "77" });
      // The gateway answers after the broadcast, so whatever it hears has come by now.
      await client.hears({ event: "phx_reply", topic, ref: "77", payload: OK });
      await modern.received("new_msg", { from: "python" });
      const expected = version === "2.0" ? [] : [{ from: "phoenix.js" }, { from: "python" }];
      assert.deepEqual(client.payloads(topic, "new_msg"), expected);
    });

    test(`is shown who is there when it joins${version === "2.0" ? ", and no changes" : ", and who comes"}`, async (t) => {
      const client = await start(t, { user: "watcher" });
      const topic = "room:here";
      const other = await (await Client.connect(t, gateway)).join(topic, { user_id: "earlier" });
      await other.presences.first("the other one is there", ({ event }) => event === "presence_diff");
      await client.does("join", { topic });
      const { payload } = await client.hears({ event: "presence_state", topic });
      assert.deepEqual(Object.keys(payload), ["earlier"]);
      await other.presences.count("it comes", 3);
      await client.does("push", { topic, event: "new_msg", payload: {}, ref: "78" });
      await client.hears({ event: "phx_reply", topic, ref: "78" });
      const came = client.payloads(topic, "presence_diff").flatMap(({ joins }) => Object.keys(joins));
      assert.deepEqual(came, version === "2.0" ? [] : ["watcher"]);
    });

    test("is told why a join is refused", async (t) => {
      const client = await start(t, { pod: await refusing(t, "members only") });
      const { failed } = await client.ask("join", { topic: "hook:1" });
      assert.equal(failed, "PHXTopicError: members only");
    });

    test("its heartbeats are answered", async (t) => {
      const client = await start(t, { heartbeat: 0.05 });
      const acknowledged = () => client.heard.entries.filter(({ heartbeat }) => heartbeat).length >= 3;
      await client.heard.first("three heartbeats", acknowledged);
    });

    test("comes back by itself, and joins again", async (t) => {
      const client = await start(t, { user: "fallen" });
      const topic = "room:back";
      await client.does("join", { topic });
      await kick(gateway, "fallen");
      await client.hears({ reconnected: true });
      await client.does("push", { topic, event: "new_msg", payload: {}, ref: "79" });
      await client.hears({ event: "phx_reply", topic, ref: "79", payload: OK });
    });

    test("leaves", async (t) => {
      const client = await start(t);
      await client.does("join", { topic: "room:leave" });
      await client.does("leave", { topic: "room:leave" });
      await client.does("join", { topic: "room:leave" });
    });

    test("gives up for good when its connection is refused", async (t) => {
      const locked = await Gateway.start(t, { env: { ...env, GATEWAY_AUTH__HS256_SECRET: "a secret that nobody else knows at all" } });
      const client = Foreign.python(t, "others", "drive_phoenix_channels_python_client");
      const { failed } = await client.ask("connect", { url: address(locked), version, heartbeat: 30 });
      assert.match(failed, /^PHXConnectionError: .*403/);
    });
  });
}
