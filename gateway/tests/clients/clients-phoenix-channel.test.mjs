// What phoenix.js does by itself with its channels, against the gateway: it gives up, waits, tries again.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Backend, gatewayWith } from "./support/backend.mjs";
import { Client, Room, VERSIONS } from "./support/client.mjs";
import { Diary } from "./support/diary.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";
import { Journal, within } from "./support/wait.mjs";

const SOON = 10;
const KEY = { authorization: "Bearer k3y" };
const OK = { status: "ok", response: {} };

const letIn = () => ({ ok: {} });

/** An answer of a back end that comes when the test wants it to. */
function held(answer = letIn()) {
  let release;
  const promise = new Promise((resolve) => (release = () => resolve(answer)));
  return { promise, release };
}

const bytes = (text) => [...new TextEncoder().encode(text)];

/** Hands over a frame as if the gateway had sent it on this connection. */
function receive(client, head, ...parts) {
  const data = Uint8Array.from([...head, ...parts.flat()]).buffer;
  client.socket.conn.onmessage({ data });
}

for (const version of Object.keys(VERSIONS)) {
  describe(`channels of phoenix.js ${version}`, () => {
    const ours = scope();
    let backend;
    let redis;
    let gateway;
    before(async () => {
      backend = await Backend.start(ours);
      redis = await Redis.start(ours);
      gateway = await gatewayWith(ours, backend, { redis, settings: 'timeout = "5s"', channel: "history = {}" });
    });

    /** A client that writes a diary and rejoins soon; `rejoins` holds the number of each try. */
    async function start(t, options = {}) {
      const [diary, rejoins] = [new Diary(), []];
      const rejoinAfterMs = (tries) => {
        rejoins.push(tries);
        return SOON;
      };
      const client = await Client.connect(t, gateway, { version, logger: diary.logger, rejoinAfterMs, ...options });
      return { client, diary, rejoins };
    }

    const eventsOf = (topic) => backend.bodies("event").filter((body) => body.topic === topic).map(({ event }) => event);

    test("a join that is not answered in time is left and tried again, and the late answer counts for nothing", async (t) => {
      const { client, diary, rejoins } = await start(t);
      const late = held();
      let joins = 0;
      backend.answer = ({ type }) => (type === "join" && (joins += 1) === 1 ? late.promise : letIn());
      const channel = client.socket.channel("hook:late", {});
      const outcomes = new Journal();
      const push = channel.join(400);
      for (const status of ["ok", "timeout"]) push.receive(status, () => outcomes.add({ status, ref: channel.joinRef() }));
      const first = await diary.push("hook:late", "phx_join");
      assert.deepEqual(await diary.push("hook:late", "phx_leave").then(({ joinRef }) => joinRef), first.joinRef);
      const second = await diary.push("hook:late", "phx_join", 2);
      assert.notEqual(second.joinRef, first.joinRef);
      assert.equal(rejoins[0], 1);
      late.release();
      const { ref } = await outcomes.first("the join", ({ status }) => status === "ok");
      assert.notEqual(ref, first.joinRef);
      await diary.wrote(/dropping outdated message/, ({ joinRef }) => joinRef === first.joinRef);
      assert.equal(channel.state, "joined");
    });

    test("what is pushed before the join is answered goes out after it, in order", async (t) => {
      const { client, diary } = await start(t);
      const join = held();
      backend.answer = ({ type }) => (type === "join" ? join.promise : letIn());
      const room = new Room(client.socket.channel("hook:early", {}), client.messages);
      const answers = ["one", "two"].map((event) => room.push(event));
      await backend.got("the join", ({ topic }) => topic === "hook:early");
      assert.deepEqual(diary.sent("hook:early"), ["phx_join"]);
      join.release();
      assert.deepEqual(await Promise.all(answers), [OK, OK]);
      assert.deepEqual(diary.sent("hook:early"), ["phx_join", "one", "two"]);
      assert.deepEqual(eventsOf("hook:early"), ["one", "two"]);
    });

    test("what was pushed before the join was answered does not go out after its timeout", async (t) => {
      const { client, diary } = await start(t);
      const join = held();
      backend.answer = ({ type }) => (type === "join" ? join.promise : letIn());
      const room = new Room(client.socket.channel("hook:given-up", {}), client.messages);
      assert.equal((await room.push("hurried", {}, 20)).status, "timeout");
      const patient = room.push("patient");
      join.release();
      assert.deepEqual(await patient, OK);
      assert.deepEqual(diary.sent("hook:given-up"), ["phx_join", "patient"]);
      assert.deepEqual(eventsOf("hook:given-up"), ["patient"]);
    });

    test("a refused join is tried again, and what was pushed meanwhile waits until one is not refused", async (t) => {
      const { client, diary, rejoins } = await start(t);
      let refusals = 2;
      backend.answer = ({ type }) => (type === "join" && (refusals -= 1) >= 0 ? { error: "not yet" } : letIn());
      const channel = client.socket.channel("hook:refused", {});
      const reasons = new Journal();
      const room = new Room(channel, client.messages);
      channel.joinPush.receive("error", ({ reason }) => reasons.add({ reason, state: channel.state }));
      const waiting = room.push("waiting");
      assert.deepEqual(await waiting, OK);
      assert.deepEqual(reasons.entries, Array(2).fill({ reason: "not yet", state: "errored" }));
      assert.deepEqual(rejoins, [1, 2]);
      assert.deepEqual(diary.sent("hook:refused"), ["phx_join", "phx_join", "phx_join", "waiting"]);
    });

    test("phx_error tells the channel its reason, and it joins again after the first delay", async (t) => {
      const { client, diary, rejoins } = await start(t);
      backend.answer = letIn;
      const room = await client.join("hook:error", { recover: true });
      const errors = new Journal();
      room.channel.onError((reason) => errors.add({ reason, state: room.channel.state }));
      // What the topic kept is gone: the gateway cannot go on without saying so, and ends this channel alone.
      await redis.command("FLUSHALL");
      const broadcast = { topic: "hook:error", event: "tick", payload: {} };
      assert.equal((await gateway.post("/api/v1/broadcast", broadcast, KEY)).status, 202);
      const [{ reason, state }] = await errors.count("phx_error", 1);
      assert.deepEqual({ reason, state }, { reason: { reason: "unavailable" }, state: "errored" });
      await room.joins.count("rejoin", 2);
      assert.deepEqual(rejoins, [1]);
      assert.deepEqual(diary.sent("hook:error"), ["phx_join", "phx_join"]);
      assert.equal(client.closed.entries.length, 0, "the socket stays");
      assert.deepEqual(await room.push("new_msg"), OK);
    });

    test("a channel that was left does not rejoin when the socket fails, and hears nothing of it", async (t) => {
      backend.answer = letIn;
      const { client, diary } = await start(t, { params: { user_id: "left" } });
      const [stays, goes] = [await client.join("room:stays"), await client.join("room:goes")];
      const failures = new Journal();
      for (const { channel } of [stays, goes]) channel.onError(() => failures.add(channel.topic));
      assert.equal(await goes.leave(), "ok");
      await gateway.post("/api/v1/disconnect", { socket_id: "user_socket:left" }, KEY);
      await stays.joins.count("rejoin", 2);
      assert.deepEqual(await stays.push("new_msg"), OK);
      assert.deepEqual(failures.entries, ["room:stays"]);
      assert.deepEqual(diary.sent("room:goes"), ["phx_join", "phx_leave"]);
    });

    test("a push times out when it is told to, after 10 s otherwise, and a late answer counts for nothing", async (t) => {
      const { client } = await start(t);
      const late = held();
      backend.answer = ({ event }) => (event === "slow" ? late.promise : letIn());
      const room = await client.join("hook:timeout");
      const outcomes = [];
      const send = (event, timeout) => {
        const push = room.channel.push(event, {}, timeout);
        for (const status of ["ok", "timeout"]) push.receive(status, () => outcomes.push(`${event} ${status}`));
        return push;
      };
      const quick = send("quick", 2_000);
      const answered = ({ event, ref }) => event === "phx_reply" && ref === quick.ref;
      await client.messages.first("the quick answer", answered);
      const { ref } = send("slow", 30);
      assert.equal((await room.push("slow", {}, 60)).status, "timeout");
      assert.deepEqual(outcomes, ["quick ok", "slow timeout"]);
      late.release();
      await client.messages.first("the late answer", (message) => message.event === "phx_reply" && message.ref === ref);
      assert.deepEqual(outcomes, ["quick ok", "slow timeout"]);
      const usual = room.channel.push("usual");
      assert.equal(usual.timeout, 10_000);
      await within(5_000, "the usual answer", new Promise((resolve) => usual.receive("ok", resolve)));
    });

    test("a binary push and a binary reply are read", async (t) => {
      const { client } = await start(t);
      const never = held();
      backend.answer = ({ event }) => (event === "question" ? never.promise : letIn());
      const room = await client.join("hook:binary");
      const [joinRef, topic] = [bytes(room.channel.joinRef()), bytes("hook:binary")];
      const pushed = new Journal();
      room.channel.on("bytes", (payload, ref) => pushed.add({ payload, ref }));
      // As `row_068_a_push_is_kind_0_without_a_ref` has it.
      receive(client, [0, joinRef.length, topic.length, 5], joinRef, topic, bytes("bytes"), [1, 0, 255]);
      const { payload, ref: none } = await pushed.first("the push", () => true);
      assert.deepEqual([...new Uint8Array(payload)], [1, 0, 255]);
      assert.equal(none ?? null, null);
      const question = room.channel.push("question");
      const answer = new Promise((resolve) => question.receive("ok", resolve));
      const ref = bytes(question.ref);
      // As `row_069_a_reply_is_kind_1` has it.
      receive(client, [1, joinRef.length, ref.length, topic.length, 2], joinRef, ref, topic, bytes("ok"), [7, 8]);
      assert.deepEqual([...new Uint8Array(await within(1_000, "the reply", answer))], [7, 8]);
      never.release();
    });

    test("what carries an outdated join reference is dropped: the end of the first channel does not end the second", async (t) => {
      backend.answer = letIn;
      const { client, diary } = await start(t);
      const first = await client.join("room:again");
      const outdated = first.channel.joinRef();
      const second = await client.join("room:again");
      const closes = ({ event, joinRef }) => event === "phx_close" && joinRef === outdated;
      await diary.wrote(/dropping outdated message/, closes);
      assert.equal(second.channel.state, "joined");
      assert.deepEqual(await second.push("new_msg", { n: 1 }), OK);
      assert.deepEqual(second.events.entries, [{ event: "new_msg", payload: { n: 1 } }]);
    });
  });
}
