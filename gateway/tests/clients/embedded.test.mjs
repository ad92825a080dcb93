// One pod without Redis: everything an application does with phoenix.js.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Client, VERSIONS } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";

for (const version of Object.keys(VERSIONS)) {
  describe(`phoenix.js ${version} on one embedded pod`, () => {
    const ours = scope();
    let gateway;
    before(async () => {
      gateway = await Gateway.start(ours, { env: { GATEWAY_SOCKET__ID: "user_socket:{user_id}" } });
    });

    test("a push is answered after its own broadcast has come", async (t) => {
      const alice = await Client.connect(t, gateway, { version });
      const room = await alice.join("room:own");
      assert.deepEqual(room.joins.entries, [{}]);
      const order = [];
      room.channel.on("new_msg", ({ n }) => order.push(`broadcast ${n}`));
      for (let n = 0; n < 20; n += 1) {
        const answer = await room.push("new_msg", { n });
        order.push(`reply ${n}`);
        assert.deepEqual(answer, { status: "ok", response: {} });
      }
      assert.deepEqual(order, Array.from({ length: 20 }, (_, n) => [`broadcast ${n}`, `reply ${n}`]).flat());
    });

    test("two clients see what the other one says, in order", async (t) => {
      const rooms = await Promise.all([1, 2].map(async () => (await Client.connect(t, gateway, { version })).join("room:two")));
      const [alice, bob] = rooms;
      await alice.push("new_msg", { text: "Grüße, 世界 🌍", nested: { list: [1, 2.5, null, true] } });
      await bob.push("new_msg", { text: "hello" });
      for (const room of rooms) {
        assert.deepEqual(await room.events.count("both messages", 2), [
          { event: "new_msg", payload: { text: "Grüße, 世界 🌍", nested: { list: [1, 2.5, null, true] } } },
          { event: "new_msg", payload: { text: "hello" } },
        ]);
      }
    });

    test("topics of one socket are apart", async (t) => {
      const alice = await Client.connect(t, gateway, { version });
      const [here, there] = [await alice.join("room:here"), await alice.join("room:there")];
      await here.push("new_msg", { to: "here" });
      await there.push("new_msg", { to: "there" });
      assert.deepEqual(here.events.entries, [{ event: "new_msg", payload: { to: "here" } }]);
      assert.deepEqual(there.events.entries, [{ event: "new_msg", payload: { to: "there" } }]);
    });

    test("who has left hears nothing, and may join again", async (t) => {
      const [alice, bob] = [await Client.connect(t, gateway, { version }), await Client.connect(t, gateway, { version })];
      const [left, stays] = [await alice.join("room:door"), await bob.join("room:door")];
      assert.equal(await left.leave(), "ok");
      await stays.push("new_msg", { n: 1 });
      const again = await alice.join("room:door");
      await stays.push("new_msg", { n: 2 });
      await again.received("new_msg", { n: 2 });
      assert.deepEqual(again.events.entries, [{ event: "new_msg", payload: { n: 2 } }]);
      assert.deepEqual(left.events.entries, []);
    });

    test("a second channel object takes the topic over", async (t) => {
      const alice = await Client.connect(t, gateway, { version });
      const first = await alice.join("room:twice");
      const second = await alice.join("room:twice");
      assert.deepEqual(await second.push("new_msg", { n: 1 }), { status: "ok", response: {} });
      assert.deepEqual(second.events.entries, [{ event: "new_msg", payload: { n: 1 } }]);
      assert.deepEqual(first.events.entries, []);
    });

    test("events that would steer other clients are refused and not relayed", async (t) => {
      const [alice, bob] = [await Client.connect(t, gateway, { version }), await Client.connect(t, gateway, { version })];
      const [room, other] = [await alice.join("room:tricks"), await bob.join("room:tricks")];
      for (const event of ["phx_close", "phx_error", "phx_reply", "presence_state", "presence_diff", "disconnect"]) {
        const answer = await room.push(event, {});
        assert.deepEqual(answer, { status: "error", response: { reason: "forbidden" } }, event);
      }
      await room.push("new_msg", { n: 1 });
      await other.received("new_msg", { n: 1 });
      assert.deepEqual(other.events.entries, [{ event: "new_msg", payload: { n: 1 } }]);
      assert.equal(other.channel.state, "joined");
      // What clients get of this kind is the gateway's own: a state with entries, a diff with both halves.
      for (const { event, payload } of other.presences.entries) {
        if (event === "presence_diff") assert.deepEqual(Object.keys(payload), ["joins", "leaves"]);
        else assert.equal(other.presences.entries.filter((entry) => entry.event === event).length, 1);
      }
    });

    test("a binary push reaches all as the same bytes", async (t) => {
      const [alice, bob] = [await Client.connect(t, gateway, { version }), await Client.connect(t, gateway, { version })];
      const rooms = [await alice.join("room:bytes"), await bob.join("room:bytes")];
      const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
      assert.deepEqual(await rooms[0].push("blob", bytes.buffer), { status: "ok", response: {} });
      for (const room of rooms) {
        const { payload } = await room.events.first("the blob", (entry) => entry.event === "blob");
        assert.ok(payload instanceof ArrayBuffer);
        assert.deepEqual(new Uint8Array(payload), bytes);
      }
    });

    test("heartbeats are answered", async (t) => {
      const alice = await Client.connect(t, gateway, { version, heartbeatIntervalMs: 20 });
      const answers = alice.messages;
      const answered = () => answers.entries.filter(({ topic, event }) => topic === "phoenix" && event === "phx_reply");
      await answers.first("three heartbeats", () => answered().length >= 3);
      for (const { payload } of answered()) assert.deepEqual(payload, { status: "ok", response: {} });
      assert.equal(alice.closed.entries.length, 0);
    });

    test("a disconnected user comes back by itself, others notice nothing", async (t) => {
      const [alice, bob] = [
        await Client.connect(t, gateway, { version, params: { user_id: "7" } }),
        await Client.connect(t, gateway, { version, params: { user_id: "8" } }),
      ];
      const [hers, his] = [await alice.join("room:kicked"), await bob.join("room:kicked")];
      const answer = await gateway.post("/api/v1/disconnect", { socket_id: "user_socket:7" });
      assert.equal(answer.status, 202);
      const [close] = await alice.closed.count("alice's socket closes", 1);
      assert.equal(close.code, 1001);
      await alice.opened.count("alice's socket opens again", 2);
      await hers.joins.count("alice's rejoin", 2);
      await his.push("new_msg", { n: 1 });
      await hers.received("new_msg", { n: 1 });
      assert.equal(bob.closed.entries.length, 0);
    });
  });
}
