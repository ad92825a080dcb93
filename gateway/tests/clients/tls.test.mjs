// wss:// with stock phoenix.js: the gateway ends TLS itself, and its certificate is replaced while clients are connected.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import tls from "node:tls";

import WebSocket from "ws";

import { Client, VERSIONS } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { within } from "./support/wait.mjs";

/** A self-signed certificate for localhost: the paths of both files. */
function certificate(directory, name) {
  const [crt, key] = ["crt", "key"].map((extension) => join(directory, `${name}.${extension}`));
  const request =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost " +
    "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
  execFileSync("openssl", [...request.split(" "), "-keyout", key, "-out", crt], { stdio: "ignore" });
  return { crt, key };
}

/** A WebSocket that trusts one certificate, as phoenix.js takes it for its transport. */
function trusting(crt) {
  const ca = readFileSync(crt);
  return class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { ca });
    }
  };
}

/** The fingerprint of the certificate that new connections get. */
function served({ public: address }) {
  const [host, port] = address.split(":");
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host, port: Number(port), rejectUnauthorized: false }, () => {
      resolve(socket.getPeerX509Certificate().fingerprint256);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

for (const version of Object.keys(VERSIONS)) {
  test(`phoenix.js ${version} over wss, before and after a new certificate`, async (t) => {
    const directory = mkdtempSync(join(tmpdir(), "gateway-tls-"));
    t.after(() => rmSync(directory, { recursive: true }));
    const [files, next] = [certificate(directory, "served"), certificate(directory, "next")];
    const env = { GATEWAY_LISTEN__TLS_CERT_FILE: files.crt, GATEWAY_LISTEN__TLS_KEY_FILE: files.key };
    const gateway = await Gateway.start(t, { env });
    gateway.url = `wss://${gateway.public.replace("127.0.0.1", "localhost")}/socket`;

    const before = await Client.connect(t, gateway, { version, transport: trusting(files.crt) });
    const room = await before.join("room:tls");
    assert.deepEqual(await room.push("new_msg", { text: "Grüße" }), { status: "ok", response: {} });
    await room.received("new_msg", { text: "Grüße" });

    const old = await served(gateway);
    copyFileSync(next.crt, files.crt);
    copyFileSync(next.key, files.key);
    const replaced = async () => {
      while ((await served(gateway)) === old) await pause(50);
    };
    await within(20_000, "the new certificate", replaced());

    const after = await Client.connect(t, gateway, { version, transport: trusting(next.crt) });
    const sameRoom = await after.join("room:tls");
    await sameRoom.push("new_msg", { text: "after" });
    await room.received("new_msg", { text: "after" });
    assert.equal(before.closed.entries.length, 0, "the connection of before goes on");
  });
}
