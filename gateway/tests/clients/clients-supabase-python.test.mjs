// PyPI realtime against a mount with `dialect = "supabase"`. Names begin with the rows of docs/PROTOCOL.md that they prove.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { Foreign } from "./support/foreign.mjs";
import { freePort } from "./support/process.mjs";
import { complaints, heard, hears, join, python } from "./support/realtime-py.mjs";
import { scope } from "./support/scope.mjs";
import { dialect, endpoint, granted, kick, Live, post, token } from "./support/supabase.mjs";

describe("realtime 2.34.1", () => {
  const ours = scope();
  let gateway;
  before(async () => {
    gateway = await dialect(ours);
  });

  for (const path of ["/realtime/v1", "/socket"]) {
    test(`row 269: connects with its API key at ${path}, joins and leaves`, async (t) => {
      const client = await python(t, gateway, "ann", { path });
      await join(client, "first");
      await client.hears({ topic: "first", state: "SUBSCRIBED", error: null });
      await client.does("leave", { topic: "first" });
      await client.hears({ topic: "first", state: "CLOSED", error: null });
      assert.deepEqual(complaints(client), []);
    });
  }

  test("rows 278 and 279: is heard by the others, and by itself if it wants to", async (t) => {
    const [ann, bob] = [await python(t, gateway, "ann"), await python(t, gateway, "bob")];
    await join(ann, "talk", { config: { broadcast: { self: true, ack: false } } });
    await join(bob, "talk");
    await ann.does("send", { topic: "talk", event: "first", payload: { text: "Grüße 🌍", half: 0.5 } });
    await hears(bob, "first");
    await bob.does("send", { topic: "talk", event: "second", payload: {} });
    await hears(ann, "second");
    const first = { event: "first", payload: { text: "Grüße 🌍", half: 0.5 } };
    assert.deepEqual(heard(bob), [first]);
    assert.deepEqual(heard(ann), [first, { event: "second", payload: {} }]);
    assert.deepEqual([...complaints(ann), ...complaints(bob)], []);
  });

  test("row 280: is told when a broadcast is on its way, if it asked for that", async (t) => {
    const ann = await python(t, gateway, "ann");
    await join(ann, "ack", { config: { broadcast: { self: true, ack: true } } });
    assert.equal(await ann.does("send_acknowledged", { topic: "ack", event: "mine", payload: {} }), "ok");
    assert.deepEqual(heard(ann).map(({ event }) => event), ["mine"]);
  });

  test("rows 272, 273, 276 and 306: tracks and untracks, and is shown who is there", async (t) => {
    const [ann, bob] = [await python(t, gateway, "ann"), await python(t, gateway, "bob")];
    await join(ann, "here", { presence: true, config: { presence: { key: "ann", enabled: true } } });
    await ann.does("track", { topic: "here", payload: { at: "desk" } });
    const [{ at }] = (await ann.hears({ topic: "here", came: "ann" })).metas;
    assert.equal(at, "desk");
    await join(bob, "here", { presence: true, config: { presence: { key: "bob", enabled: true } } });
    const state = await bob.heard.first("who is there", ({ here }) => here?.ann);
    assert.equal(state.here.ann[0].at, "desk");
    const seen = (what, times) => {
      const enough = () => bob.heard.entries.filter((said) => said[what] === "ann").length === times;
      return bob.heard.first(`ann ${what} ${times} times`, enough);
    };
    await ann.does("untrack", { topic: "here" });
    await seen("went", 1);
    await ann.does("track", { topic: "here", payload: {} });
    await seen("came", 2);
    await ann.does("close");
    await seen("went", 2);
    assert.deepEqual([...complaints(ann), ...complaints(bob)], []);
  });

  test("row 308: a join for Postgres changes is refused with a reason", async (t) => {
    const client = await python(t, gateway, "ann");
    await client.does("make", { topic: "changes", changes: true });
    await client.does("subscribe", { topic: "changes" });
    const { error } = await client.hears({ topic: "changes", state: "CHANNEL_ERROR" });
    assert.match(error, /PostgresChangesNotSupported: This server offers Broadcast and Presence/);
  });

  test("rows 286 and 287: a private channel is for those whose token grants it", async (t) => {
    const config = { private: true };
    const stranger = await python(t, gateway, "stranger");
    await stranger.does("make", { topic: "secret", config });
    await stranger.does("subscribe", { topic: "secret" });
    const { error } = await stranger.hears({ topic: "secret", state: "CHANNEL_ERROR" });
    assert.match(error, /Unauthorized: You do not have permissions to read from this Channel topic: secret/);
    const ann = await python(t, gateway, "ann", { key: granted("ann", "secret") });
    await join(ann, "secret", { config });
    const eve = await python(t, gateway, "eve");
    await join(eve, "secret");
    await ann.does("http_send", { topic: "secret", event: "inside", payload: {} });
    await hears(ann, "inside");
    await eve.does("http_send", { topic: "secret", event: "outside", payload: {} });
    await hears(eve, "outside");
    assert.deepEqual([heard(ann).length, heard(eve).length], [1, 1]);
  });

  test("rows 293 and 307: a token of set_auth is taken, a bad one ends the channel", async (t) => {
    const ann = await python(t, gateway, "ann");
    await join(ann, "renewed", { config: { broadcast: { self: true, ack: true } } });
    await ann.does("set_auth", { token: token("ann", { ttl: 7200 }) });
    assert.equal(await ann.does("send_acknowledged", { topic: "renewed", event: "mine", payload: {} }), "ok");
    await ann.does("set_auth", { token: token("ann", { secret: "of somebody else" }) });
    await ann.hears({ topic: "renewed", state: "CLOSED", error: null });
    // It hands a system message of an error to nobody, but reads it.
    assert.deepEqual(complaints(ann), []);
  });

  test("row 302: http_send says something by REST, without a connection of its own", async (t) => {
    const [listener, speaker] = [await python(t, gateway, "bob"), await python(t, gateway, "ann")];
    const seat = await Live.create(t, gateway, "carol").join("http: a/b");
    await join(listener, "http: a/b");
    await speaker.does("make", { topic: "http: a/b" });
    await speaker.does("http_send", { topic: "http: a/b", event: "e/1 ?", payload: { z: 1 } });
    await hears(listener, "e/1 ?");
    assert.deepEqual(heard(listener), [{ event: "e/1 ?", payload: { z: 1 } }]);
    // Bytes are for version 2.
    await speaker.does("http_send", { topic: "http: a/b", event: "blob", raw: [0, 255] });
    await speaker.does("http_send", { topic: "http: a/b", event: "last", payload: {} });
    await Promise.all([hears(listener, "last"), seat.hears("last")]);
    assert.deepEqual(heard(listener).map(({ event }) => event), ["e/1 ?", "last"]);
    assert.deepEqual(seat.events(), ["e/1 ?", "blob", "last"]);
  });

  test("row 304: by REST, too, it is told when its key is not good", async (t) => {
    const client = await python(t, gateway, "ann");
    await client.does("make", { topic: "locked" });
    await client.does("set_auth", { token: token("ann", { secret: "of somebody else" }) });
    const { failed } = await client.ask("http_send", { topic: "locked", event: "e", payload: {} });
    assert.match(failed, /Unauthorized/);
  });

  test("gives up when its key is refused so often as it tries", async (t) => {
    const client = Foreign.python(t, "realtime", "drive_realtime");
    const key = token("ann", { secret: "of somebody else" });
    const { failed } = await client.ask("connect", { url: endpoint(gateway), key, backoff: 0.01, retries: 2 });
    assert.match(failed, /HTTP 401/);
  });

  test("comes back when the gateway has closed its connection, and joins again", async (t) => {
    const client = await python(t, gateway, "fallen");
    await join(client, "back");
    await kick(gateway, "fallen");
    await client.hears({ topic: "back", state: "CHANNEL_ERROR" });
    const subscribed = () => client.heard.entries.filter(({ state }) => state === "SUBSCRIBED").length === 2;
    await client.heard.first("it joins again", subscribed, 10_000);
    assert.equal((await post(gateway, "/broadcast/back/events/news", { n: 1 })).status, 202);
    await hears(client, "news");
  });

  test("comes back when its pod was killed and started again", async (t) => {
    const port = await freePort();
    const pod = await dialect(t, { port });
    const client = await python(t, pod, "ann");
    await join(client, "killed");
    await pod.stop("SIGKILL");
    await client.hears({ topic: "killed", state: "CHANNEL_ERROR" });
    const again = await dialect(t, { port });
    const subscribed = () => client.heard.entries.filter(({ state }) => state === "SUBSCRIBED").length === 2;
    await client.heard.first("it joins again", subscribed, 20_000);
    assert.equal((await post(again, "/broadcast/killed/events/news", { n: 1 })).status, 202);
    await hears(client, "news");
  });
});
