// The crate phoenix_channels_client 0.1.2.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { refusing } from "./support/backend.mjs";
import { bareSocket, Client } from "./support/client.mjs";
import { Foreign } from "./support/foreign.mjs";
import { Gateway } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";

const OK = { status: "ok", response: {} };

describe("phoenix_channels_client 0.1.2", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(ours, { env: { GATEWAY_SOCKET__ID: "user_socket:{user_id}" } });
  });

  const connect = (client, user = "rust", pod = gateway) =>
    client.does("connect", { url: `${pod.url}/websocket`, params: { user_id: user } });

  async function start(t, user, pod) {
    const client = Foreign.rust(t);
    await connect(client, user, pod);
    return client;
  }

  const join = (client, topic) => client.does("join", { topic, events: ["new_msg", "blob", "presence_state", "presence_diff"] });

  test("joins, pushes, is answered, and speaks with phoenix.js in both directions", async (t) => {
    const [client, topic] = [await start(t), "room:both"];
    await join(client, topic);
    const other = await (await Client.connect(t, gateway)).join(topic);
    const push = (event, payload) => client.ask("push", { topic, event, payload });
    assert.deepEqual(await push("new_msg", { from: "rust" }), { answer: { ok: {} } });
    await other.received("new_msg", { from: "rust" });
    await other.push("new_msg", { from: "phoenix.js" });
    await client.hears({ event: "new_msg", topic, payload: { from: "phoenix.js" } });
    assert.deepEqual(client.payloads(topic, "new_msg"), [{ from: "rust" }, { from: "phoenix.js" }]);
    const { failed } = await push("phx_close", {});
    assert.match(failed, /forbidden/);
  });

  test("is told why a join is refused", async (t) => {
    const client = await start(t, "rust", await refusing(t, "members only"));
    const { failed } = await client.ask("join", { topic: "hook:1" });
    assert.match(failed, /members only/);
  });

  test("reads bytes that others send", async (t) => {
    const [client, topic] = [await start(t), "room:bytes"];
    await join(client, topic);
    const other = await (await Client.connect(t, gateway)).join(topic);
    assert.deepEqual(await other.push("blob", Uint8Array.from([0, 1, 255]).buffer), OK);
    await client.hears({ event: "blob", topic, payload: [0, 1, 255] });
  });

  test("is shown who comes and goes as the events are, for it has no type for it", async (t) => {
    const [client, topic] = [await start(t, "crab"), "room:here"];
    await join(client, topic);
    const { payload } = await client.hears({ event: "presence_diff", topic });
    assert.deepEqual(Object.keys(payload.joins), ["crab"]);
  });

  test("leaves, and may join again", async (t) => {
    const [client, topic] = [await start(t), "room:again"];
    await join(client, topic);
    await client.does("leave", { topic });
    await join(client, topic);
    assert.deepEqual(await client.does("push", { topic, event: "new_msg", payload: {} }), { ok: {} });
  });

  test("its heartbeat, whose reference is no number and whose payload is null, is answered", async (t) => {
    // It sends one after 30 s, which cannot be set: this is the frame that it makes.
    const { socket, messages } = await bareSocket(t, gateway);
    socket.send('[null,"heartbeat:1","phoenix","heartbeat",null]');
    const answer = await messages.first("the answer", () => true);
    assert.deepEqual(answer, [null, "heartbeat:1", "phoenix", "phx_reply", OK]);
  });

  test("does not come back by itself, and a new one does", async (t) => {
    const [client, topic] = [await start(t, "fallen"), "room:back"];
    await join(client, topic);
    await gateway.post("/api/v1/disconnect", { socket_id: "user_socket:fallen" });
    const push = () => client.ask("push", { topic, event: "new_msg", payload: {} });
    while ((await push()).failed === undefined);
    assert.match((await push()).failed, /closed/);
    while (await client.does("is_joined", { topic }));
    await connect(client, "fallen");
    await join(client, topic);
    assert.deepEqual(await push(), { answer: { ok: {} } });
  });
});
