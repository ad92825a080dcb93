// What phoenix.js does by itself with its connection, against the gateway: heartbeats, buffers, and when it comes back.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { LongPoll, Socket } from "phoenix";
import WebSocket from "ws";

import { Client, Room, VERSIONS } from "./support/client.mjs";
import { Diary } from "./support/diary.mjs";
import { Gateway } from "./support/gateway.mjs";
import { freePort } from "./support/process.mjs";
import { scope } from "./support/scope.mjs";
import { Journal, within } from "./support/wait.mjs";

const OK = { status: "ok", response: {} };
const env = { GATEWAY_SOCKET__ID: "user_socket:{user_id}" };

/** What `onError` of a channel is told when its connection fails: nothing, before 1.8. */
const failure = (version, reason) => (version.startsWith("1.7.") ? undefined : { source: "transport", reason });

const kick = (gateway, user) => gateway.post("/api/v1/disconnect", { socket_id: `user_socket:${user}` });

for (const version of Object.keys(VERSIONS)) {
  describe(`the socket of phoenix.js ${version}`, () => {
    const ours = scope();
    let gateway;
    before(async () => {
      gateway = await Gateway.start(ours, { env });
    });

    test("a heartbeat that is not answered closes the connection, and the client comes back when the pod does", async (t) => {
      const frozen = await Gateway.start(t, { env });
      const closes = new Journal();
      class Watched extends WebSocket {
        close(code, reason) {
          closes.add({ code, reason });
          super.close(code, reason);
        }
      }
      const client = await Client.connect(t, frozen, { version, transport: Watched, heartbeatIntervalMs: 300 });
      const room = await client.join("room:heartbeat");
      const errors = new Journal();
      room.channel.onError((reason) => errors.add({ reason }));
      frozen.signal("SIGSTOP");
      t.after(() => frozen.signal("SIGCONT"));
      const [{ reason }] = await errors.count("the channel hears of it", 1);
      assert.deepEqual(reason, failure(version, "heartbeat_timeout"));
      assert.deepEqual((await closes.count("the close", 1))[0], { code: 1000, reason: "heartbeat timeout" });
      frozen.signal("SIGCONT");
      await room.joins.count("rejoin", 2, 10_000);
      assert.deepEqual(await room.push("new_msg"), OK);
    });

    test("after a disconnect of its own it neither sends heartbeats nor comes back", async (t) => {
      const beat = { version, heartbeatIntervalMs: 20 };
      const [gone, other] = [new Diary(), new Diary()];
      const tries = [];
      const reconnectAfterMs = (number) => tries.push(number);
      const client = await Client.connect(t, gateway, { ...beat, logger: gone.logger, reconnectAfterMs });
      await client.join("room:gone");
      await gone.heartbeats.count("heartbeats", 2);
      await client.disconnect();
      const sofar = gone.heartbeats.entries.length;
      // As long as another one needs for ten.
      await Client.connect(t, gateway, { ...beat, logger: other.logger });
      await other.heartbeats.count("the other one's heartbeats", 10);
      assert.equal(gone.heartbeats.entries.length, sofar);
      assert.deepEqual(tries, []);
      assert.equal(client.opened.entries.length, 1);
      assert.equal(client.socket.isConnected(), false);
    });

    test("channels hear why their connection failed, those that were left do not", async (t) => {
      const client = await Client.connect(t, gateway, { version, params: { user_id: "why" } });
      const [stays, goes] = [await client.join("room:why"), await client.join("room:left")];
      const told = new Journal();
      for (const { channel } of [stays, goes]) channel.onError((reason) => told.add({ topic: channel.topic, reason }));
      await goes.leave();
      await kick(gateway, "why");
      await stays.joins.count("rejoin", 2);
      assert.deepEqual(told.entries, [{ topic: "room:why", reason: failure(version, "connection_closed") }]);
    });

    test("a channel that joins while nothing listens is told so, and joins when something does", async (t) => {
      const port = await freePort();
      const socket = new VERSIONS[version](`ws://127.0.0.1:${port}/socket`, { transport: WebSocket, reconnectAfterMs: () => 50 });
      t.after(() => new Promise((resolve) => socket.disconnect(resolve)));
      const channel = socket.channel("room:early");
      const errors = new Journal();
      channel.onError((reason) => errors.add({ reason }));
      const room = new Room(channel, new Journal());
      socket.connect();
      const [{ reason }] = await errors.count("the channel hears of it", 1);
      assert.deepEqual(reason, failure(version, "connection_error"));
      await Gateway.start(t, { port });
      await room.joins.count("join", 1, 10_000);
      assert.deepEqual(await room.push("new_msg"), OK);
    });

    test("ping() measures a heartbeat, and says when there is no connection", async (t) => {
      const client = await Client.connect(t, gateway, { version });
      const measured = new Promise((resolve) => assert.equal(client.socket.ping(resolve), true));
      const ms = await within(5_000, "the answer to the ping", measured);
      assert.ok(ms >= 0 && ms < 5_000, `${ms} ms`);
      await client.disconnect();
      assert.equal(client.socket.ping(() => {}), false);
    });

    test("what was sent before the socket opened goes out then, before anybody hears that it is open", async (t) => {
      const diary = new Diary();
      const socket = new VERSIONS[version](gateway.url, { transport: WebSocket, logger: diary.logger });
      t.after(() => new Promise((resolve) => socket.disconnect(resolve)));
      const sent = [];
      const waiting = [];
      class Watched extends WebSocket {
        send(data) {
          sent.push(JSON.parse(data)[3]);
          super.send(data);
        }
      }
      socket.transport = Watched;
      socket.onOpen(() => waiting.push(socket.sendBuffer.length, [...sent]));
      const room = new Room(socket.channel("room:buffer"), new Journal());
      const answer = room.push("new_msg", { n: 1 });
      assert.deepEqual([diary.sent("room:buffer"), sent], [["phx_join"], []]);
      socket.connect();
      assert.deepEqual(await answer, OK);
      assert.deepEqual(waiting, [0, ["phx_join"]]);
      assert.deepEqual(room.events.entries, [{ event: "new_msg", payload: { n: 1 } }]);
    });

    test("references start again after the largest", async (t) => {
      const client = await Client.connect(t, gateway, { version });
      const room = await client.join("room:refs");
      // From here on adding one makes no difference.
      client.socket.ref = 2 ** 53;
      for (const ref of ["0", "1"]) {
        const push = room.channel.push("new_msg", {});
        const answer = new Promise((resolve) => push.receive("ok", resolve));
        assert.equal(push.ref, ref);
        assert.deepEqual(await within(5_000, "the answer", answer), {});
      }
    });

    test("an encoder and a decoder of one's own are used", async (t) => {
      const seen = { encoded: [], decoded: [] };
      const encode = ({ join_ref, ref, topic, event, payload }, callback) => {
        seen.encoded.push(event);
        callback(JSON.stringify([join_ref, ref, topic, event, payload]));
      };
      const decode = (text, callback) => {
        const [join_ref, ref, topic, event, payload] = JSON.parse(text);
        seen.decoded.push(event);
        callback({ join_ref, ref, topic, event, payload });
      };
      const client = await Client.connect(t, gateway, { version, encode, decode });
      const room = await client.join("plain:coder");
      assert.deepEqual(await room.push("new_msg", { n: 1 }), OK);
      assert.deepEqual(seen.encoded, ["phx_join", "new_msg"]);
      assert.deepEqual(seen.decoded.filter((event) => !event.startsWith("presence_")), ["phx_reply", "new_msg", "phx_reply"]);
    });
  });
}

test("an encoder of one's own is used on the WebSocket only", () => {
  const encode = () => {};
  assert.equal(new Socket("/socket", { transport: WebSocket, encode }).encode, encode);
  const polling = new Socket("/socket", { transport: LongPoll, encode });
  assert.equal(polling.encode, polling.defaultEncoder);
});
