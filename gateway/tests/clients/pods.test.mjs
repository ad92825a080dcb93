// Two pods that share one Redis serve the same topics.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Client } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";

const MESSAGES = 1_000;

describe("two pods and one Redis", () => {
  const ours = scope();
  let redis;
  const pods = {};
  before(async () => {
    redis = await Redis.start(ours);
    pods.A = await Gateway.start(ours, { redis });
    pods.B = await Gateway.start(ours, { redis });
  });

  const pairs = ["A", "B"].flatMap((from) => ["A", "B"].map((to) => ({ from, to })));
  for (const { from, to } of pairs) {
    test(`a message from pod ${from} reaches a client of pod ${to}`, async (t) => {
      const topic = `room:${from}${to}`;
      const sender = await (await Client.connect(t, pods[from])).join(topic);
      const receiver = await (await Client.connect(t, pods[to])).join(topic);
      assert.deepEqual(await sender.push("new_msg", { from, to }), { status: "ok", response: {} });
      // The answer means that the sender has seen its own message.
      assert.deepEqual(sender.events.entries, [{ event: "new_msg", payload: { from, to } }]);
      await receiver.received("new_msg", { from, to });
    });
  }

  test("all clients of both pods see four senders in the same order, nothing lost, nothing twice", async (t) => {
    const join = async (pod) => (await Client.connect(t, pods[pod])).join("room:order");
    const senders = await Promise.all(["A", "A", "B", "B"].map(join));
    const listeners = await Promise.all(["A", "B"].map(join));
    const everyone = [...senders, ...listeners];

    const tooEarly = [];
    const send = async (room, sender) => {
      const seen = new Set();
      room.channel.on("new_msg", (message) => message.sender === sender && seen.add(message.n));
      const answers = Array.from({ length: MESSAGES }, (_, n) =>
        room.push("new_msg", { sender, n }, 60_000).then(({ status }) => {
          if (!seen.has(n)) tooEarly.push(`${sender}/${n}`);
          return status;
        }),
      );
      return Promise.all(answers);
    };
    const answers = await Promise.all(senders.map(send));
    assert.deepEqual(new Set(answers.flat()), new Set(["ok"]));
    assert.deepEqual(tooEarly, [], "answered before its own broadcast came");

    // Whatever comes twice comes before this, for all see one order.
    await senders[0].push("end", {});
    const total = senders.length * MESSAGES + 1;
    const [first, ...others] = await Promise.all(
      everyone.map(async (room) => {
        await room.received("end", {}, 20_000);
        return room.events.entries.map(({ event, payload }) => `${event} ${payload.sender} ${payload.n}`);
      }),
    );
    assert.equal(first.length, total);
    assert.equal(new Set(first).size, total);
    for (const order of others) assert.deepEqual(order, first);
    for (const sender of senders.keys()) {
      const own = first.filter((line) => line.startsWith(`new_msg ${sender} `));
      assert.deepEqual(own, Array.from({ length: MESSAGES }, (_, n) => `new_msg ${sender} ${n}`));
    }
  });

  test("what another program publishes reaches the clients of both pods", async (t) => {
    const rooms = await Promise.all(["A", "B"].map(async (pod) => (await Client.connect(t, pods[pod])).join("room:1")));
    const reached = await redis.publish("gw:{room:1}:b", '{"event":"new_msg","payload":{"a":1}}');
    assert.equal(reached, 2, "each pod subscribes once");
    for (const room of rooms) await room.received("new_msg", { a: 1 });
  });

  test("a disconnect asked of one pod closes the user's sockets on both", async (t) => {
    const env = { GATEWAY_SOCKET__ID: "user_socket:{user_id}" };
    const named = await Promise.all([1, 2].map(() => Gateway.start(t, { redis, env })));
    const clients = await Promise.all(named.map((pod) => Client.connect(t, pod, { params: { user_id: "7" } })));
    const other = await Client.connect(t, named[1], { params: { user_id: "8" } });
    assert.equal((await named[0].post("/api/v1/disconnect", { socket_id: "user_socket:7" })).status, 202);
    for (const client of clients) {
      const [close] = await client.closed.count("the socket closes", 1);
      assert.equal(close.code, 1001);
      await client.opened.count("the socket opens again", 2);
    }
    assert.equal(other.closed.entries.length, 0);
  });
});
