// phoenix.js' own Presence class, driven by what the gateway sends: on one embedded pod, and on two with a Redis.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Presence } from "phoenix";
import { Presence as Presence17 } from "phoenix-1-7-23";
import { Presence as OlderPresence } from "phoenix-1-8-13";

import { Client, Room } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";
import { Journal } from "./support/wait.mjs";

const PRESENCES = { "1.8.16": Presence, "1.8.13": OlderPresence, "1.7.23": Presence17 };

/** A client with a Presence on a topic; `seen` holds what its hooks were told, `synced` the keys after each sync. */
class Member {
  seen = new Journal();
  synced = new Journal();

  /** Connects and joins, with what the join says of the client. */
  static async join(t, gateway, topic, params, { version = "1.8.16", options } = {}) {
    const member = new Member();
    member.client = await Client.connect(t, gateway, { version });
    const channel = member.client.socket.channel(topic, params);
    member.presence = new PRESENCES[version](channel, options);
    const metas = (entry) => entry?.metas.map((meta) => ({ ...meta }));
    member.presence.onJoin((key, current, joined) => member.seen.add({ joins: key, current: metas(current), metas: metas(joined) }));
    member.presence.onLeave((key, current, left) => member.seen.add({ leaves: key, current: metas(current), metas: metas(left) }));
    member.presence.onSync(() => member.synced.add(member.keys()));
    member.room = new Room(channel, member.client.messages);
    await member.room.joins.count(`join of ${topic}`, 1);
    return member;
  }

  keys() {
    return this.presence.list((key) => key).sort();
  }

  /** The metas under a key. */
  metas(key) {
    return this.presence.list((listed, entry) => [listed, entry.metas]).find(([listed]) => listed === key)?.[1] ?? [];
  }

  /** Resolves when the class shows exactly these keys. */
  async shows(...keys) {
    const wanted = JSON.stringify(keys.sort());
    if (JSON.stringify(this.keys()) === wanted) return;
    const shown = () => JSON.stringify(this.keys()) === wanted;
    await this.synced.first(`${wanted}, and not ${JSON.stringify(this.keys())}`, shown);
  }

  /** Resolves when what the class shows fulfills a condition. */
  async until(what, condition) {
    if (!condition()) await this.synced.first(what, condition);
  }

  async change(event, payload = {}) {
    assert.deepEqual(await this.room.push("presence", { event, payload }), { status: "ok", response: {} });
  }
}

for (const version of Object.keys(PRESENCES)) {
  for (const count of [1, 2]) {
    describe(`Presence of phoenix.js ${version} on ${count === 1 ? "one embedded pod" : "two pods with Redis"}`, () => {
      const ours = scope();
      let pods;
      before(async () => {
        const redis = count === 2 ? await Redis.start(ours) : undefined;
        pods = await Promise.all(Array.from({ length: count }, () => Gateway.start(ours, { redis })));
      });
      let joined = 0;
      /** Each one at the next pod. */
      const join = (t, topic, user_id, meta = {}, options = undefined) => {
        joined += 1;
        return Member.join(t, pods[joined % count], topic, { user_id, meta }, { version, options });
      };

      test("who is there comes with the state, and who joins later with a diff", async (t) => {
        const alice = await join(t, "room:state", "u1", { name: "Alice" });
        await alice.shows("u1");
        const bob = await join(t, "room:state", "u2", { name: "Bob" });
        await Promise.all([alice.shows("u1", "u2"), bob.shows("u1", "u2")]);
        // The first thing that Bob's class was told is the state: Alice, whom it did not know.
        const [first] = bob.seen.entries;
        assert.equal(first.joins, "u1");
        assert.equal(first.current, undefined);
        assert.deepEqual(first.metas, alice.metas("u1"));
        assert.equal(first.metas[0].name, "Alice");
        const [state] = bob.room.presences.entries;
        assert.equal(state.event, "presence_state");
      });

      test("a diff's joins are added, and its leaves taken away", async (t) => {
        const alice = await join(t, "room:diffs", "u1");
        const bob = await join(t, "room:diffs", "u2");
        await alice.shows("u1", "u2");
        const [bobs] = alice.metas("u2");
        assert.equal(await bob.room.leave(), "ok");
        await alice.shows("u1");
        const left = alice.seen.entries.at(-1);
        assert.deepEqual(left, { leaves: "u2", current: [], metas: [bobs] });
      });

      test("a client that is cut off leaves", async (t) => {
        const alice = await join(t, "room:cut", "u1");
        const bob = await join(t, "room:cut", "u2");
        await alice.shows("u1", "u2");
        bob.client.socket.reconnectTimer.callback = () => {};
        bob.client.socket.conn.terminate();
        await alice.shows("u1");
      });

      test("one of a user's two tabs closes, and the user stays", async (t) => {
        const alice = await join(t, "room:tabs", "u1");
        const tabs = [await join(t, "room:tabs", "u2", { tab: 0 })];
        await alice.shows("u1", "u2");
        tabs.push(await join(t, "room:tabs", "u2", { tab: 1 }));
        await alice.until("both tabs", () => alice.metas("u2").length === 2);
        const second = alice.seen.entries.filter((entry) => entry.joins === "u2").at(-1);
        assert.equal(second.metas.length, 1, "only the new one is reported");
        assert.equal(second.current.length, 1);
        await tabs[0].room.leave();
        await alice.until("one tab", () => alice.metas("u2").length === 1);
        assert.equal(alice.metas("u2")[0].tab, 1);
        const left = alice.seen.entries.at(-1);
        assert.deepEqual([left.leaves, left.current.length, left.metas.length], ["u2", 1, 1]);
      });

      test("an update leaves one meta, and nobody seems to go away", async (t) => {
        const alice = await join(t, "room:update", "u1", { status: "here" });
        const bob = await join(t, "room:update", "u2");
        await bob.shows("u1", "u2");
        const [before] = bob.metas("u1");
        const syncs = bob.synced.entries.length;
        await alice.change("update", { status: "busy" });
        await bob.until("the new meta", () => bob.metas("u1")[0]?.status === "busy");
        const [after] = bob.metas("u1");
        assert.equal(bob.metas("u1").length, 1);
        assert.equal(after.phx_ref_prev, before.phx_ref);
        assert.equal(after.online_at, before.online_at);
        assert.ok(bob.synced.entries.slice(syncs).every((keys) => keys.includes("u1")), "never offline");
      });

      test("untrack hides a client, and track shows it again", async (t) => {
        const alice = await join(t, "room:untrack", "u1");
        const bob = await join(t, "room:untrack", "u2");
        await bob.shows("u1", "u2");
        await alice.change("untrack");
        await bob.shows("u2");
        await alice.change("track", { back: true });
        await bob.shows("u1", "u2");
        assert.equal(bob.metas("u1")[0].back, true);
      });

      test("after a rejoin diffs wait for the new state, which replaces the old one", async (t) => {
        const alice = await join(t, "room:rejoin", "u1");
        const bob = await join(t, "room:rejoin", "u2");
        const carol = await join(t, "room:rejoin", "u3");
        await alice.shows("u1", "u2", "u3");
        // Alice's socket is cut, and while she is away Bob goes and Dave comes.
        const seen = alice.seen.entries.length;
        alice.client.socket.conn.terminate();
        await bob.room.leave();
        const dave = await join(t, "room:rejoin", "u4");
        await alice.room.joins.count("alice's rejoin", 2);
        for (const member of [alice, carol, dave]) await member.shows("u1", "u3", "u4");
        const told = alice.seen.entries.slice(seen);
        assert.deepEqual(told.filter((entry) => entry.leaves === "u2").map((entry) => entry.current), [[]]);
        assert.deepEqual(told.filter((entry) => entry.joins === "u4").map((entry) => entry.current), [undefined]);
        assert.deepEqual(told.filter((entry) => entry.joins === "u3" || entry.leaves === "u3"), [], "Carol was there all the time");
        assert.equal(alice.presence.inPendingSyncState(), false);
        // The states: one for each join.
        const states = alice.room.presences.entries.filter(({ event }) => event === "presence_state");
        assert.equal(states.length, 2);
      });

      // From 1.8.9 on the class bears them; before, one member with such a key breaks the lists of all others.
      if (version === "1.7.23") {
        test("keys such as constructor are too much for the class", () => {
          const joins = { constructor: { metas: [{ phx_ref: "1" }] } };
          assert.throws(() => PRESENCES[version].syncDiff({}, { joins, leaves: {} }), TypeError);
        });
      } else test("keys such as __proto__ are keys", async (t) => {
        const keys = ["__proto__", "constructor", "hasOwnProperty", "toString"];
        const alice = await join(t, "room:proto", "u1");
        const odd = [];
        for (const key of keys) odd.push(await join(t, "room:proto", key, { key }));
        await alice.shows("u1", ...keys);
        for (const key of keys) assert.deepEqual(alice.metas(key).map((meta) => meta.key), [key]);
        const late = await join(t, "room:proto", "u2");
        await late.shows("u1", "u2", ...keys);
        for (const member of odd) await member.room.leave();
        await alice.shows("u1", "u2");
      });

      test("the list by a function of one's own", async (t) => {
        const alice = await join(t, "room:list", "u1", { name: "Alice" });
        const bob = await join(t, "room:list", "u2", { name: "Bob" });
        await Promise.all([alice.shows("u1", "u2"), bob.shows("u1", "u2")]);
        const names = alice.presence.list((key, { metas: [first] }) => `${key}: ${first.name}`);
        assert.deepEqual(names.sort(), ["u1: Alice", "u2: Bob"]);
        const entries = alice.presence.list();
        assert.deepEqual(entries.map(({ metas }) => metas.length), [1, 1]);
      });

      test("with other names for the events the class hears nothing, and the plain one everything", async (t) => {
        const events = { state: "my_state", diff: "my_diff" };
        const renamed = await join(t, "room:names", "u1", {}, { events });
        const plain = await join(t, "room:names", "u2");
        await plain.shows("u1", "u2");
        assert.deepEqual(renamed.keys(), []);
        // The gateway's own state and diff under the names that this one listens to.
        const [state, diff] = [{ u1: { metas: [{ phx_ref: "1" }] } }, { joins: { u2: { metas: [{ phx_ref: "2" }] } }, leaves: {} }];
        renamed.room.channel.trigger("my_state", state, null, renamed.room.channel.joinRef());
        renamed.room.channel.trigger("my_diff", diff, null, renamed.room.channel.joinRef());
        await renamed.shows("u1", "u2");
      });

      test("diffs that come before the state wait for it", async (t) => {
        const alice = await join(t, "room:pending", "u1");
        await join(t, "room:pending", "u2").then((bob) => Promise.all([alice.shows("u1", "u2"), bob.shows("u1", "u2")]));
        // Another Presence on the same channel has no state yet. It gets the diff of the leave of u2 first, then the state.
        const late = new PRESENCES[version](alice.room.channel);
        const told = [];
        late.onLeave((key, current) => told.push([key, current.metas]));
        const state = Object.fromEntries(["u1", "u2"].map((key) => [key, { metas: alice.metas(key) }]));
        const leaves = { u2: state.u2 };
        alice.room.channel.trigger("presence_diff", { joins: {}, leaves }, null, alice.room.channel.joinRef());
        assert.deepEqual([late.list(), told], [[], []]);
        alice.room.channel.trigger("presence_state", state, null, alice.room.channel.joinRef());
        assert.deepEqual(late.list((key) => key), ["u1"]);
        assert.deepEqual(told, [["u2", []]]);
      });

      test("fifty clients join at once, and each shows all", async (t) => {
        const users = Array.from({ length: 50 }, (_, n) => `user ${n}`);
        const members = await Promise.all(users.map((user) => join(t, "room:fifty", user)));
        await Promise.all(members.map((member) => member.shows(...users)));
        const [first, ...others] = members;
        await Promise.all(others.map((member) => member.room.leave()));
        await first.shows(users[0]);
      });
    });
  }
}
