// Tokens as phoenix.js sends them, made by node's own cryptography: in every algorithm, by both ways, renewed and ended.

import assert from "node:assert/strict";
import { constants, createHmac, generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { Presence } from "phoenix";
import WebSocket from "ws";

import { Client, Room, VERSIONS, WITH_AUTH_TOKEN } from "./support/client.mjs";
import { Gateway, run } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";
import { within } from "./support/wait.mjs";

const SECRET = "a shared secret of the tests, which is long enough for each of the three";
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const KEYS = {
  RS256: rsa, RS384: rsa, RS512: rsa, PS256: rsa, PS384: rsa, PS512: rsa,
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  EdDSA: generateKeyPairSync("ed25519"),
};

const base64url = (value) => Buffer.from(value).toString("base64url");

function signature(alg, key, input) {
  const hash = `sha${alg.slice(2)}`;
  switch (alg.slice(0, 2)) {
    case "HS": return createHmac(hash, SECRET).update(input).digest();
    case "RS": return sign(hash, input, key);
    case "PS": return sign(hash, input, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
    case "ES": return sign(hash, input, { key, dsaEncoding: "ieee-p1363" });
    default: return sign(null, input, key);
  }
}

const now = () => Math.floor(Date.now() / 1000);

/** A token of a user, good for so many seconds; `kid` defaults to the algorithm. */
function token(sub, { alg = "HS256", kid = alg, ttl = 3600, channels = ["room:*"] } = {}) {
  const claims = { sub, exp: now() + ttl, channels };
  const input = `${base64url(JSON.stringify({ alg, kid }))}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${base64url(signature(alg, KEYS[alg]?.privateKey, Buffer.from(input)))}`;
}

/** `gateway serve` with these keys, one topic pattern for each rule. */
async function serve(t, auth) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-auth-"));
  t.after(() => rm(folder, { recursive: true }));
  const config = join(folder, "gateway.toml");
  const channels = [["room:*", "granted"], ["known:*", "authenticated"]];
  const lines = channels.map(([topic, rule]) => `[[channel]]\ntopic = "${topic}"\njoin = "${rule}"\npresence = true\n`);
  await writeFile(config, `[socket]\ncheck_origin = false\n[auth]\n${await auth(folder)}\n${lines.join("")}`);
  const gateway = await Gateway.start(t, { command: "serve", args: ["--config", config] });
  return { gateway, config };
}

const shared = () => `hs256_secret = "${SECRET}"`;

describe("tokens made by others", () => {
  const ours = scope();
  const gateways = {};
  before(async () => {
    const hmac = ["HS256", "HS384", "HS512"].map((alg) => `[[auth.key]]\nkid = "${alg}"\nalg = "${alg}"\nsecret = "${SECRET}"\n`).join("");
    gateways.files = await serve(ours, async (folder) => {
      const keys = Object.entries(KEYS).map(async ([alg, { publicKey }]) => {
        const file = join(folder, `${alg}.pem`);
        await writeFile(file, publicKey.export({ type: "spki", format: "pem" }));
        return `[[auth.key]]\nkid = "${alg}"\nalg = "${alg}"\npublic_key_file = "${file}"\n`;
      });
      return hmac + (await Promise.all(keys)).join("");
    });
    const keys = Object.entries(KEYS).map(([alg, { publicKey }]) => ({ ...publicKey.export({ format: "jwk" }), kid: alg, alg, use: "sig" }));
    const provider = createServer((_, response) => response.end(JSON.stringify({ keys })));
    await new Promise((resolve) => provider.listen(0, "127.0.0.1", resolve));
    ours.after(() => provider.close());
    gateways.provider = await serve(ours, () => `jwks_url = "http://127.0.0.1:${provider.address().port}/"\n${hmac}`);
  });

  for (const source of ["files", "provider"]) {
    for (const alg of ["HS256", "HS384", "HS512", ...Object.keys(KEYS)]) {
      test(`${alg} with keys from ${source}`, async (t) => {
        const { gateway } = gateways[source];
        const client = await Client.connect(t, gateway, { authToken: token("alice", { alg }) });
        const room = await client.join("room:1");
        assert.deepEqual(await room.push("hello"), { status: "ok", response: {} });
        const [header, claims, good] = token("alice", { alg }).split(".");
        const bad = Buffer.from(good, "base64url");
        bad[bad.length >> 1] ^= 1;
        assert.equal(await refused(gateway, `${header}.${claims}.${base64url(bad)}`), 403);
        const other = base64url(JSON.stringify({ sub: "bob", exp: now() + 60 }));
        assert.equal(await refused(gateway, `${header}.${other}.${good}`), 403);
      });
    }
  }
});

test("gateway token signs with a private key, as its kind says", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "gateway-auth-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = (alg) => join(folder, `${alg}.pem`);
  const algorithms = ["RS256", "ES256", "ES384", "EdDSA"];
  for (const alg of algorithms) await writeFile(file(alg), KEYS[alg].publicKey.export({ type: "spki", format: "pem" }));
  const keys = algorithms.map((alg) => `[[auth.key]]\nkid = "my ${alg}"\nalg = "${alg}"\npublic_key_file = "${file(alg)}"\n`);
  const { gateway } = await serve(t, () => `audience = "app"\n${keys.join("")}`);
  for (const alg of algorithms) {
    const key = join(folder, `${alg}.key`);
    await writeFile(key, KEYS[alg].privateKey.export({ type: "pkcs8", format: "pem" }));
    const minted = await run(["token", "--key", key, "--kid", `my ${alg}`, "--sub", "alice", "--claim", "aud=app"]).line(/./);
    assert.equal(JSON.parse(Buffer.from(minted.split(".")[0], "base64url")).alg, alg);
    const client = await Client.connect(t, gateway, { authToken: minted });
    await client.join("known:1");
  }
});

/** The status that a token is refused with. */
function refused(gateway, token) {
  const socket = new WebSocket(`${gateway.url}/websocket?vsn=2.0.0&token=${token}`);
  socket.on("error", () => {});
  const answer = new Promise((resolve) => {
    socket.once("unexpected-response", (_, response) => resolve(response.statusCode));
    socket.once("open", () => resolve("open"));
  });
  return within(5_000, "an answer", answer).finally(() => socket.terminate());
}

for (const version of WITH_AUTH_TOKEN) {
  describe(`phoenix.js ${version} with tokens`, () => {
    const ours = scope();
    let gateway;
    before(async () => {
      ({ gateway } = await serve(ours, shared));
    });

    test("by authToken and by params", async (t) => {
      for (const options of [{ authToken: token("alice") }, { params: { token: token("alice") } }]) {
        const client = await Client.connect(t, gateway, { version, ...options });
        await client.join("room:1");
      }
    });

    test("without a good one the socket does not open, and goes on trying until it has one", async (t) => {
      let current = "bad";
      const socket = new VERSIONS[version](gateway.url, { transport: WebSocket, params: () => ({ token: current }), reconnectAfterMs: () => 50 });
      t.after(() => socket.disconnect());
      const failed = new Promise((resolve) => socket.onError(resolve));
      const opened = new Promise((resolve) => socket.onOpen(resolve));
      socket.connect();
      await within(5_000, "an error", failed);
      assert.equal(socket.isConnected(), false);
      current = token("alice");
      await within(5_000, "the socket opens", opened);
    });

    test("the connection ends with its token, and comes back with the next one", async (t) => {
      const ttls = [4, 3600];
      const params = () => ({ token: token("alice", { ttl: ttls.length > 1 ? ttls.shift() : ttls[0] }) });
      const client = await Client.connect(t, gateway, { version, params, reconnectAfterMs: () => 50, rejoinAfterMs: () => 50 });
      const room = await client.join("room:1");
      const { payload } = await room.events.first("the warning", ({ event }) => event === "token_expiring");
      assert.ok(payload.expires_in >= 0 && payload.expires_in <= 4);
      await client.closed.first("a close with 4001", ({ code }) => code === 4001, 10_000);
      await client.opened.count("the socket opens again", 2);
      await room.joins.count("the channel joins again", 2);
      assert.deepEqual(await room.push("hello"), { status: "ok", response: {} });
    });

    test("a client that renews its token stays", async (t) => {
      const client = await Client.connect(t, gateway, { version, params: { token: token("alice", { ttl: 4 }) } });
      const left = await Client.connect(t, gateway, { version, params: { token: token("bob", { ttl: 4 }) }, reconnectAfterMs: () => 60_000 });
      const room = await client.join("room:1");
      // What an application does.
      const renewed = new Promise((resolve) => {
        room.channel.on("token_expiring", () => {
          room.channel.push("access_token", { access_token: token("alice") }).receive("ok", resolve);
        });
      });
      await within(5_000, "the renewal", renewed);
      await left.closed.first("the other one's end", ({ code }) => code === 4001, 10_000);
      assert.deepEqual(await room.push("hello"), { status: "ok", response: {} });
      assert.equal(client.closed.entries.length, 0);
    });

    test("a topic that is not granted any more closes, and is not joined again", async (t) => {
      const client = await Client.connect(t, gateway, { version, authToken: token("alice", { channels: ["room:a", "room:b"] }), rejoinAfterMs: () => 20 });
      const [a, b] = [await client.join("room:a"), await client.join("room:b")];
      const closed = new Promise((resolve) => a.channel.onClose(resolve));
      const answer = await b.push("access_token", { access_token: token("alice", { channels: ["room:b"] }) });
      assert.deepEqual(answer, { status: "ok", response: {} });
      await within(5_000, "the close of room:a", closed);
      assert.equal(a.channel.state, "closed");
      assert.deepEqual(await b.push("hello"), { status: "ok", response: {} });
      assert.equal(a.joins.entries.length, 1);
      const again = new Promise((resolve) => client.socket.channel("room:a").join().receive("error", resolve));
      assert.deepEqual(await within(5_000, "the refusal", again), { reason: "unauthorized" });
    });

    test("presence shows the token's subject", async (t) => {
      const client = await Client.connect(t, gateway, { version, params: { token: token("alice"), user_id: "mallory" } });
      const channel = client.socket.channel("known:1", { user_id: "mallory" });
      const presence = new Presence(channel);
      const shown = new Promise((resolve) => presence.onSync(() => {
        const keys = presence.list((key) => key);
        if (keys.length) resolve(keys);
      }));
      new Room(channel, client.messages);
      assert.deepEqual(await within(5_000, "a presence", shown), ["alice"]);
    });
  });
}

test("phoenix.js 1.7.23, which has no authToken, brings its token as a connect param", async (t) => {
  const { gateway } = await serve(t, shared);
  const client = await Client.connect(t, gateway, { version: "1.7.23", params: { token: token("alice") } });
  await client.join("room:1");
});

test("gateway token prints a token that gets in", async (t) => {
  const { gateway, config } = await serve(t, shared);
  const child = run(["token", "--config", config, "--sub", "alice", "--ttl", "5m", "--channel", "room:1", "--claim", "role=admin"]);
  const minted = await child.line(/./);
  const claims = JSON.parse(Buffer.from(minted.split(".")[1], "base64url"));
  assert.deepEqual({ ...claims, iat: 0, exp: claims.exp - claims.iat }, { sub: "alice", iat: 0, exp: 300, channels: ["room:1"], role: "admin" });
  const client = await Client.connect(t, gateway, { authToken: minted });
  await client.join("room:1");
  const denied = new Promise((resolve) => client.socket.channel("room:2").join().receive("error", resolve));
  assert.deepEqual(await within(5_000, "the refusal", denied), { reason: "unauthorized" });
});
