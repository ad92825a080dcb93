// The commands of the binary, as an operator types them.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Client } from "./support/client.mjs";
import { Gateway, run } from "./support/gateway.mjs";
import { freePort } from "./support/process.mjs";
import { Redis } from "./support/redis.mjs";
import { within } from "./support/wait.mjs";

const ANYWHERE = ["--listen", "127.0.0.1:0", "--internal-listen", "127.0.0.1:0"];

/** Runs a command to its end. */
async function finished(t, args, env) {
  const child = run(args, env);
  t.after(() => child.stop("SIGKILL"));
  const { code } = await within(15_000, `end of gateway ${args.join(" ")}`, child.exited);
  return { code, output: child.output() };
}

async function fileWith(t, text) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-cli-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  await writeFile(file, text);
  return file;
}

describe("exit codes", () => {
  test("64: an unknown command or flag", async (t) => {
    assert.equal((await finished(t, ["surf"])).code, 64);
    assert.equal((await finished(t, ["dev", "--colour"])).code, 64);
  });

  test("69: Redis is not there at start", async (t) => {
    const nobody = `redis://127.0.0.1:${await freePort()}`;
    assert.equal((await finished(t, ["dev", ...ANYWHERE, "--redis-url", nobody])).code, 69);
  });

  test("78: no configuration, or a wrong one, which is named with what was meant", async (t) => {
    assert.equal((await finished(t, ["serve", ...ANYWHERE])).code, 78);
    const file = await fileWith(t, '[socket]\ncheck_orgin = false\n[[channel]]\ntopic = "room:*"\njoin = "open"\n');
    const { code, output } = await finished(t, ["check", "--config", file]);
    assert.equal(code, 78);
    assert.match(output, /check_origin/);
  });
});

test("`gateway check` accepts README's configuration and keeps the secrets to itself", async (t) => {
  const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
  const [, sample] = /```toml\n([\s\S]*?)```/.exec(readme) ?? [];
  const [key, secret] = ["0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"];
  const env = { GATEWAY_API_KEY: key, GATEWAY_TOKEN_SECRET: secret };
  const { code, output } = await finished(t, ["check", "--config", await fileWith(t, sample)], env);
  assert.equal(code, 0, output);
  assert.match(output, /room:\*/);
  assert.ok(!output.includes(key) && !output.includes(secret));
});

test("`gateway publish` reaches clients, through the API or through Redis", async (t) => {
  const alone = await Gateway.start(t);
  const room = await (await Client.connect(t, alone)).join("room:cli");
  const api = ["publish", "room:cli", "new_msg", '{"by":"api"}', "--api-url", `http://${alone.internal}`];
  const first = await finished(t, api);
  assert.equal(first.code, 0, first.output);
  await room.received("new_msg", { by: "api" });

  const redis = await Redis.start(t);
  const shared = await Gateway.start(t, { redis });
  const other = await (await Client.connect(t, shared)).join("room:cli");
  const second = await finished(t, ["publish", "room:cli", "new_msg", '{"by":"redis"}', "--redis-url", redis.url]);
  assert.equal(second.code, 0, second.output);
  await other.received("new_msg", { by: "redis" });
});

test("`gateway join` joins as a client does, and says so by its exit code", async (t) => {
  const config = '[socket]\ncheck_origin = false\n[auth]\nhs256_secret = "0123456789abcdef0123456789abcdef"\n[[channel]]\ntopic = "room:*"\njoin = "granted"\n';
  const file = await fileWith(t, config);
  const gateway = await Gateway.start(t, { command: "serve", args: ["--config", file] });
  const join = (...args) => finished(t, ["join", ...args, "--url", gateway.url]);

  const minted = await join("room:1", "--sub", "alice", "--config", file);
  assert.deepEqual(minted, { code: 0, output: '{"response":{},"status":"ok"}' });
  const { output: token } = await finished(t, ["token", "--sub", "bob", "--channel", "room:2", "--config", file]);
  assert.equal((await join("room:2", "--token", token)).code, 0);
  const elsewhere = await join("room:1", "--token", token);
  assert.equal(elsewhere.code, 64);
  assert.match(elsewhere.output, /unauthorized/);
  assert.equal((await join("room:1")).code, 64, "a handshake without a token");
  const padding = JSON.stringify({ padding: "x".repeat(70_000) });
  assert.equal((await join("room:1", "--sub", "alice", "--config", file, "--payload", padding)).code, 0);

  await gateway.stop();
  assert.equal((await join("room:1", "--token", token)).code, 69);
});

test("`gateway tail` prints what is broadcast, a JSON line each", async (t) => {
  const redis = await Redis.start(t);
  const gateway = await Gateway.start(t, { redis });
  const tail = run(["tail", "room:cli", "--redis-url", redis.url]);
  t.after(() => tail.stop("SIGKILL"));
  // Only Redis knows when it listens: other programs publish until someone does.
  const foreign = () => redis.publish("gw:{room:cli}:b", '{"event":"knock","payload":{}}');
  await within(10_000, "tail listens", (async () => {
    while ((await foreign()) < 1) await pause(20);
  })());
  const room = await (await Client.connect(t, gateway)).join("room:cli");
  await room.push("new_msg", { n: 1 });
  const line = JSON.parse(await tail.line(/new_msg/));
  assert.equal(line.event, "new_msg");
  assert.deepEqual(line.payload, { n: 1 });
});
