// The built gateway as a process: `GATEWAY_BIN`, else the debug build.

import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { Child } from "./process.mjs";
import { within } from "./wait.mjs";

const BINARY = process.env.GATEWAY_BIN ?? fileURLToPath(new URL("../../../../target/debug/gateway", import.meta.url));

/**
 * Runs a command of the binary, without anything that the environment may configure. `through` is a program that is given
 * the command line to run.
 */
export function run(args, env = {}, through = []) {
  const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("GATEWAY_"));
  const [program, ...rest] = [...through, BINARY, ...args];
  return new Child(program, rest, { env: { ...Object.fromEntries(clean), ...env } });
}

export class Gateway {
  #child;

  /**
   * Starts one that ends with the test (or with the `scope` of a `describe`).
   * `command` and `args` go to the binary, `redis` is a `Redis`, `port` and
   * `internalPort` are those of the listeners (0: any), `through` the program that runs it.
   */
  static async start(t, { command = "dev", args = [], env = {}, redis, port = 0, internalPort = 0, through = [] } = {}) {
    const gateway = new Gateway();
    const all = [command, ...args, "--listen", `127.0.0.1:${port}`, "--internal-listen", `127.0.0.1:${internalPort}`];
    if (redis) all.push("--redis-url", redis.url);
    gateway.#child = run(all, env, through);
    t.after(() => gateway.stop("SIGKILL"));
    const line = await gateway.#child.line(/^listening /);
    const [, open, internal] = /^listening public=(\S+) internal=(\S+)$/.exec(line) ?? [];
    if (!open || gateway.#child.stdout.entries[0] !== line) throw new Error(`first line on stdout: ${gateway.#child.output()}`);
    gateway.public = open;
    gateway.internal = internal;
    gateway.url = `ws://${open}/socket`;
    await within(10_000, "readiness", gateway.#ready());
    return gateway;
  }

  /** Listening is not yet ready: the first connection to Redis may still be on its way. */
  async #ready() {
    while ((await this.get("/readyz")).status !== 200) await pause(20);
  }

  /** Asks the internal listener. */
  get(path) {
    return fetch(`http://${this.internal}${path}`, { signal: AbortSignal.timeout(5_000) });
  }

  /** Posts JSON to the internal listener; `headers` may bring a key or another content type. */
  post(path, body, headers = {}) {
    return fetch(`http://${this.internal}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(5_000),
    });
  }

  /** Resolves with the first line of its log that matches. */
  logged(pattern, ms = undefined) {
    return this.#child.stderr.first(`${pattern} in the log`, (line) => pattern.test(line), ms);
  }

  /** Who is present in a topic, by the API. */
  async presence(topic) {
    return (await this.get(`/api/v1/topics/${encodeURIComponent(topic)}/presence`)).json();
  }

  /** Freezes it (`SIGSTOP`) and lets it go on (`SIGCONT`): a pod that hangs, whose connections stay open. */
  signal(name) {
    this.#child.process.kill(name);
  }

  /** Sends a signal; resolves with how the process ended. */
  stop(signal = "SIGTERM", ms = undefined) {
    return this.#child.stop(signal, ms);
  }
}
