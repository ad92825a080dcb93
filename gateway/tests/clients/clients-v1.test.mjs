// npm phoenix-channels 1.0.0: what phoenix.js was before Phoenix 1.3, with version 1 of the serializer.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import phoenixChannels from "phoenix-channels";

import { refusing } from "./support/backend.mjs";
import { answerToJoin, Client, Room } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";
import { Journal, within } from "./support/wait.mjs";

const { Presence, Socket } = phoenixChannels;
const OK = { status: "ok", response: {} };

/** A connected socket of the old client; `delays` holds the number of each try to reconnect or rejoin. */
async function connect(t, gateway, params = {}, options = {}) {
  const [opened, closed, messages] = [new Journal(), new Journal(), new Journal()];
  const socket = new Socket(gateway.url, { params, reconnectAfterMs: () => 20, ...options });
  socket.onOpen(() => opened.add(true));
  socket.onClose((event) => closed.add(event));
  socket.onMessage((message) => messages.add(message));
  t.after(() => {
    // Its `disconnect` forgets these timers, which would keep node running.
    clearInterval(socket.heartbeatTimer);
    socket.reconnectTimer.reset();
    socket.disconnect();
  });
  socket.connect();
  await opened.count("the socket opens", 1);
  return { socket, opened, closed, messages };
}

async function join(client, topic, params = {}) {
  const room = new Room(client.socket.channel(topic, params), client.messages);
  await room.joins.count(`join of ${topic}`, 1);
  return room;
}

/** Follows who is there, as this version's README does: its Presence has functions, no class. */
function follow(channel) {
  const shown = new Journal();
  let presences = {};
  const show = (next) => {
    presences = next;
    shown.add(Presence.list(presences, (key) => key).sort());
  };
  channel.on("presence_state", (state) => show(Presence.syncState(presences, state)));
  channel.on("presence_diff", (diff) => show(Presence.syncDiff(presences, diff)));
  return shown;
}

describe("phoenix-channels 1.0.0", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await Gateway.start(ours, { env: { GATEWAY_SOCKET__ID: "user_socket:{user_id}" } });
  });

  test("joins, pushes, is answered, and speaks with a client of today in both directions", async (t) => {
    const room = await join(await connect(t, gateway), "room:both");
    const modern = await (await Client.connect(t, gateway)).join("room:both");
    assert.deepEqual(await room.push("new_msg", { from: "old" }), OK);
    await modern.received("new_msg", { from: "old" });
    assert.deepEqual(await modern.push("new_msg", { from: "new" }), OK);
    await room.received("new_msg", { from: "new" });
    assert.deepEqual(await room.push("phx_close", {}), { status: "error", response: { reason: "forbidden" } });
    assert.equal(room.channel.state, "joined");
  });

  test("is told why a join is refused", async (t) => {
    const client = await connect(t, await refusing(t, "members only"));
    const answer = await answerToJoin(client, "hook:1");
    assert.deepEqual(answer, { status: "error", response: { reason: "members only" } });
  });

  test("gets no bytes, which version 1 cannot carry, and goes on", async (t) => {
    const client = await connect(t, gateway);
    const room = await join(client, "room:bytes");
    const modern = await (await Client.connect(t, gateway)).join("room:bytes");
    assert.deepEqual(await modern.push("blob", Uint8Array.from([1, 2, 3]).buffer), OK);
    await modern.push("new_msg", { n: 1 });
    await room.received("new_msg", { n: 1 });
    assert.deepEqual(room.events.entries, [{ event: "new_msg", payload: { n: 1 } }]);
    assert.equal(client.closed.entries.length, 0);
  });

  test("shows who is there", async (t) => {
    const params = (user_id) => ({ user_id, meta: { of: user_id } });
    const alice = await connect(t, gateway);
    const channel = alice.socket.channel("room:presence", params("alice"));
    const shown = follow(channel);
    channel.join();
    const shows = (...keys) => shown.first(`${keys}`, (listed) => JSON.stringify(listed) === JSON.stringify(keys));
    await shows("alice");
    const bob = await (await Client.connect(t, gateway)).join("room:presence", params("bob"));
    await shows("alice", "bob");
    const before = shown.entries.length;
    await bob.leave();
    await shown.count("bob goes", before + 1);
    assert.deepEqual(shown.entries.at(-1), ["alice"]);
  });

  test("its heartbeats are answered", async (t) => {
    const client = await connect(t, gateway, {}, { heartbeatIntervalMs: 20 });
    const answers = () => client.messages.entries.filter(({ topic, event }) => topic === "phoenix" && event === "phx_reply");
    await client.messages.first("three heartbeats", () => answers().length >= 3);
    for (const { payload } of answers()) assert.deepEqual(payload, OK);
    assert.equal(client.closed.entries.length, 0);
  });

  test("comes back by itself, and joins again", async (t) => {
    const client = await connect(t, gateway, { user_id: "v1" });
    const room = await join(client, "room:back");
    await gateway.post("/api/v1/disconnect", { socket_id: "user_socket:v1" });
    await client.opened.count("it opens again", 2);
    await room.joins.count("rejoin", 2);
    assert.deepEqual(await room.push("new_msg", { n: 1 }), OK);
  });

  test("leaves, and joins again once the gateway has closed the old membership", async (t) => {
    const client = await connect(t, gateway);
    const left = await join(client, "room:again");
    const closed = client.messages.first("phx_close", ({ topic, event }) => topic === "room:again" && event === "phx_close");
    left.channel.leave();
    await closed;
    const again = await join(client, "room:again");
    assert.deepEqual(await again.push("new_msg", { n: 1 }), OK);
    assert.deepEqual(left.events.entries, []);
  });

  test("cannot join again sooner: the end of the old membership, which names no reference, hits the new one", async (t) => {
    const client = await connect(t, gateway);
    const left = await join(client, "room:soon");
    left.channel.leave();
    const soon = new Room(client.socket.channel("room:soon"), client.messages);
    const closed = new Promise((resolve) => soon.channel.onClose(resolve));
    await within(5_000, "the new channel closes", closed);
    assert.equal(soon.channel.state, "closed");
    // It still waits for the answer to its join, and node for it.
    soon.channel.joinPush.cancelTimeout();
  });
});
