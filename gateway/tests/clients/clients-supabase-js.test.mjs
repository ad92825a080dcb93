// npm @supabase/realtime-js against a mount with `dialect = "supabase"`, in both versions of its serializer. Names begin with the
// rows of docs/PROTOCOL.md that they prove. Node 20 runs 2.109.0 at the newest.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { freePort } from "./support/process.mjs";
import { scope } from "./support/scope.mjs";
import { bare, dialect, granted, kick, Live, post, token } from "./support/supabase.mjs";

const bytes = (...values) => Uint8Array.from(values).buffer;

for (const vsn of ["2.0.0", "1.0.0"]) {
  describe(`@supabase/realtime-js 2.109.0, vsn ${vsn}`, () => {
    const ours = scope();
    let gateway;
    before(async () => {
      gateway = await dialect(ours);
    });

    const live = (t, user, options = {}) => Live.create(t, gateway, user, { vsn, ...options });

    for (const path of ["/realtime/v1", "/socket"]) {
      test(`row 269: connects with its API key at ${path}, joins and leaves`, async (t) => {
        const client = live(t, "ann", { path });
        const seat = await client.join("first");
        assert.match(client.opened.entries[0], new RegExp(`${path}/websocket\\?apikey=[^&]+&vsn=${vsn}$`));
        assert.equal(seat.channel.state, "joined");
        assert.equal(await client.client.removeChannel(seat.channel), "ok");
        assert.equal(seat.count("CLOSED"), 1);
      });
    }

    test("row 279: is heard by the others, and not by itself", async (t) => {
      const [ann, bob] = [await live(t, "ann").join("talk"), await live(t, "bob").join("talk")];
      await ann.say("first", { text: "Grüße 🌍", half: 0.5 });
      await ann.say("second");
      await bob.hears("second");
      const [first] = bob.heard.entries;
      assert.deepEqual(first, { type: "broadcast", event: "first", payload: { text: "Grüße 🌍", half: 0.5 } });
      await bob.say("back");
      await ann.hears("back");
      assert.deepEqual(ann.events(), ["back"]);
      assert.deepEqual(bob.events(), ["first", "second"]);
    });

    test("row 278: hears itself if it wants to", async (t) => {
      const ann = await live(t, "ann").join("echo", { broadcast: { self: true } });
      await ann.say("mine", { n: 1 });
      assert.deepEqual(await ann.hears("mine"), { type: "broadcast", event: "mine", payload: { n: 1 } });
    });

    test("row 280: is told when a broadcast is on its way, if it asked for that", async (t) => {
      const ann = await live(t, "ann").join("ack", { broadcast: { ack: true, self: true } });
      await ann.say("mine", { n: 1 });
      // The gateway answers after the broadcast.
      assert.deepEqual(ann.events(), ["mine"]);
    });

    test("rows 272 and 273: tracks, is shown to the others under its key, and changes what it shows", async (t) => {
      const listen = { presence: true };
      const ann = await live(t, "ann").join("here", { presence: { key: "ann" } }, listen);
      assert.equal(await ann.channel.track({ at: "desk" }), "ok");
      await ann.shows("ann");
      const bob = await live(t, "bob").join("here", { presence: { key: "bob" } }, listen);
      await bob.shows("ann");
      assert.equal(bob.channel.presenceState().ann[0].at, "desk");
      assert.equal(await bob.channel.track({ at: "door" }), "ok");
      await ann.shows("ann", "bob");
      const { newPresences } = await ann.presences.first("bob comes", ({ event, key }) => event === "join" && key === "bob");
      assert.equal(newPresences[0].at, "door");
      assert.equal(await ann.channel.track({ at: "window" }), "ok");
      const moved = (event, presences, at) => (change) => change.event === event && change.key === "ann" && change[presences][0].at === at;
      await bob.presences.first("ann is at the window", moved("join", "newPresences", "window"));
      await bob.presences.first("ann is not at the desk", moved("leave", "leftPresences", "desk"));
      // Its own list keeps the old entry: it takes away the reference by which that would be found (docs/CLIENTS.md).
      assert.equal(bob.channel.presenceState().ann.at(-1).at, "window");
    });

    test("row 276: untracks, and leaves by going away", async (t) => {
      const listen = { presence: true };
      const ann = live(t, "ann");
      const [seat, bob] = [await ann.join("bye", { presence: { key: "ann" } }, listen), await live(t, "bob").join("bye", {}, listen)];
      await seat.channel.track({ n: 1 });
      await bob.shows("ann");
      assert.equal(await seat.channel.untrack(), "ok");
      await bob.shows();
      await seat.channel.track({ n: 2 });
      await bob.shows("ann");
      await ann.end();
      await bob.shows();
    });

    test("row 277: without a key it gets one of its own", async (t) => {
      const listen = { presence: true };
      const seats = await Promise.all(["ann", "bob"].map((user) => live(t, user).join("keyless", {}, listen)));
      for (const seat of seats) await seat.channel.track({});
      await seats[0].presences.first("both are there", () => seats[0].keys().length === 2);
      assert.equal(new Set(seats[0].keys()).size, 2);
    });

    test("row 286: a private channel and a public one of the same name are two", async (t) => {
      const seat = (user, isPrivate) => live(t, user, { key: granted(user, "secret") }).join("secret", { private: isPrivate });
      const [ann, bob, eve] = [await seat("ann", true), await seat("bob", true), await seat("eve", false)];
      await ann.say("inside");
      await bob.hears("inside");
      await eve.say("outside");
      assert.deepEqual(await eve.channel.httpSend("end", {}), { success: true });
      assert.deepEqual(await ann.channel.httpSend("end", {}), { success: true });
      await Promise.all([bob, eve].map((listener) => listener.hears("end")));
      assert.deepEqual(bob.events(), ["inside", "end"]);
      assert.deepEqual(eve.events(), ["end"]);
    });

    test("row 287: a private channel is for those whose token grants it", async (t) => {
      const reason = "Unauthorized: You do not have permissions to read from this Channel topic: secret";
      assert.equal(await live(t, "ann").room("secret", { private: true }).refused(), reason);
      const mute = { key: granted("mute", "secret", ["join"]) };
      const [muted, bob] = [live(t, "mute", mute), live(t, "bob", { key: granted("bob", "secret") })];
      const [seat, listener] = [await muted.join("secret", { private: true }), await bob.join("secret", { private: true })];
      await seat.say("unheard");
      await listener.say("heard");
      await seat.hears("heard");
      await assert.rejects(seat.channel.httpSend("unheard", {}), /You do not have permissions/);
      assert.deepEqual(listener.events(), []);
    });

    test("a token of setAuth goes into the join, and grants what the key does not", async (t) => {
      const client = live(t, "ann");
      await client.client.setAuth(granted("ann", "members"));
      const seat = await client.join("members", { private: true });
      assert.deepEqual(await seat.channel.httpSend("e", { n: 1 }), { success: true });
      await seat.hears("e");
    });

    test("row 293: a bad token of setAuth ends the channel, and says why", async (t) => {
      const client = live(t, "ann");
      const seat = await client.join("renewed");
      await client.client.setAuth(token("ann", { ttl: 7200 }));
      await seat.say("still here");
      await client.client.setAuth(token("ann", { secret: "of somebody else" }));
      const told = await seat.told.first("the reason", ({ status }) => status === "error");
      const message = "Failed to validate JWT signature";
      assert.deepEqual(told, { extension: "system", status: "error", message, channel: "renewed" });
      await seat.states.first("the end", ({ status }) => status === "CLOSED");
    });

    test("row 293: a token of setAuth that grants less ends the channel", async (t) => {
      const client = live(t, "ann", { key: granted("ann", "members") });
      const seat = await client.join("members", { private: true });
      await client.client.setAuth(token("ann"));
      await seat.told.first("the reason", ({ message }) => /no longer have permission/.test(message));
      await seat.states.first("the end", ({ status }) => status === "CLOSED");
    });

    test("row 294: a new API key is no token, and changes nothing", async (t) => {
      const client = live(t, "ann");
      const seat = await client.join("kept", { broadcast: { self: true, ack: true } });
      await client.client.setAuth("sb_publishable_something");
      await seat.say("still here");
      assert.deepEqual(seat.events(), ["still here"]);
      assert.deepEqual(seat.told.entries, []);
    });

    test("row 308: a join for Postgres changes is refused with a reason", async (t) => {
      const seat = live(t, "ann").room("changes");
      seat.channel.on("postgres_changes", { event: "*", schema: "public" }, () => {});
      const reason = "PostgresChangesNotSupported: This server offers Broadcast and Presence, but no Postgres changes";
      assert.equal(await seat.refused(), reason);
    });

    test("row 301: speaks before it has joined, by REST", async (t) => {
      t.mock.method(console, "warn", () => {});
      const [listener, speaker] = [await live(t, "bob").join("rest"), live(t, "ann")];
      const seat = speaker.room("rest");
      await seat.say("early", { n: 1 });
      const { event, payload, meta } = await listener.hears("early");
      assert.deepEqual({ event, payload }, { event: "early", payload: { n: 1 } });
      assert.equal(typeof meta?.id, "string");
      assert.deepEqual(speaker.opened.entries, []);
    });

    for (const path of ["/realtime/v1", "/socket"]) {
      test(`row 302: httpSend says one thing by REST, at ${path}`, async (t) => {
        const listener = await live(t, "bob").join("http: a/b");
        const seat = live(t, "ann", { path }).room("http: a/b");
        assert.deepEqual(await seat.channel.httpSend("e/1 ?", { z: 1 }), { success: true });
        const { event, payload } = await listener.hears("e/1 ?");
        assert.deepEqual({ event, payload }, { event: "e/1 ?", payload: { z: 1 } });
      });
    }

    test("row 304: by REST, too, it is told when its key is not good", async (t) => {
      const seat = live(t, "ann", { key: token("ann", { secret: "of somebody else" }) }).room("locked");
      await assert.rejects(seat.channel.httpSend("e", { z: 1 }), /^Error: Unauthorized$/);
    });

    test("comes back when the gateway has closed its connection, and joins again", async (t) => {
      const fallen = live(t, `fallen ${vsn}`);
      const seat = await fallen.join("back", { presence: { key: "fallen" } }, { presence: true });
      await seat.channel.track({ n: 1 });
      await kick(gateway, `fallen ${vsn}`);
      await fallen.opened.count("it connects again", 2, 10_000);
      await seat.subscribed(2);
      const bob = await live(t, "bob").join("back");
      await bob.say("news");
      await seat.hears("news");
      assert.notEqual(fallen.closed.entries[0], 1000);
    });

    test("comes back when its pod was killed and started again", async (t) => {
      const port = await freePort();
      const pod = await dialect(t, { port });
      const seat = await Live.create(t, pod, "ann", { vsn }).join("killed");
      await pod.stop("SIGKILL");
      await seat.states.first("it is told", ({ status }) => status === "CHANNEL_ERROR");
      const again = await dialect(t, { port });
      await seat.subscribed(2, 15_000);
      assert.equal((await post(again, "/broadcast/killed/events/news", { n: 1 })).status, 202);
      await seat.hears("news");
    });

    test("stays when its pod stops, at another one", async (t) => {
      const [first, second] = [await dialect(t), await dialect(t)];
      let now = first;
      const client = Live.create(t, () => now, "ann", { vsn });
      const seat = await client.join("drained");
      now = second;
      await first.stop("SIGTERM");
      assert.deepEqual(await client.closed.count("the goodbye", 1), [1012]);
      await seat.subscribed(2);
    });
  });
}

describe("bytes, @supabase/realtime-js 2.109.0", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await dialect(ours);
  });

  test("rows 282, 284 and 285: go to clients of version 2, not to those of version 1, which go on", async (t) => {
    const join = (user, vsn) => Live.create(t, gateway, user, { vsn }).join("bytes");
    const [ann, bob, old] = [await join("ann", "2.0.0"), await join("bob", "2.0.0"), await join("old", "1.0.0")];
    await ann.say("blob", bytes(0, 1, 255));
    await ann.say("json", { n: 1 });
    await Promise.all([bob.hears("json"), old.hears("json")]);
    const [{ payload }] = bob.heard.entries;
    assert.ok(payload instanceof ArrayBuffer);
    assert.deepEqual([...new Uint8Array(payload)], [0, 1, 255]);
    assert.deepEqual(old.heard.entries, [{ type: "broadcast", event: "json", payload: { n: 1 } }]);
  });

  test("row 302: httpSend sends bytes, too", async (t) => {
    const listener = await Live.create(t, gateway, "bob").join("http bytes");
    const seat = Live.create(t, gateway, "ann").room("http bytes");
    assert.deepEqual(await seat.channel.httpSend("blob", Uint8Array.from([7, 8])), { success: true });
    const { payload } = await listener.hears("blob");
    assert.deepEqual([...new Uint8Array(payload)], [7, 8]);
  });

  test("row 305: nothing but text and kind 4 comes to it", async (t) => {
    const live = Live.create(t, gateway, "ann");
    const seat = await live.join("kinds", { broadcast: { self: true, ack: true } }, { presence: true });
    await seat.channel.track({ n: 1 });
    await seat.say("json", { n: 1 });
    await seat.say("blob", bytes(1));
    await post(gateway, "/broadcast/kinds/events/rest", { n: 2 });
    await seat.hears("rest");
    const kinds = live.frames.entries.filter(({ binary }) => binary).map(({ data }) => data[0]);
    assert.deepEqual(kinds, [4, 4, 4]);
  });

  test("row 282: kind 4 has no references, and the payload as it was sent", async (t) => {
    const [ann, bob] = [await bare(t, gateway), await bare(t, gateway)];
    const join = ["1", "1", "realtime:raw", "phx_join", { config: { broadcast: {} } }];
    for (const socket of [ann, bob]) {
      socket.send(join);
      await socket.frames.first("the reply", ([, , , event]) => event === "phx_reply");
    }
    ann.send(Buffer.concat([Buffer.from([3, 1, 1, 12, 3, 0, 1]), Buffer.from('12realtime:rawcur{ "y" : 2 }')]));
    const frame = await bob.frames.first("kind 4", (said) => Buffer.isBuffer(said));
    assert.deepEqual(frame, Buffer.concat([Buffer.from([4, 12, 3, 0, 1]), Buffer.from('realtime:rawcur{ "y" : 2 }')]));
  });
});
