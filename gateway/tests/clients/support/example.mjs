// A built example as a process: from `EXAMPLES_DIR`, else the debug build.

import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { Child } from "./process.mjs";
import { within } from "./wait.mjs";

const KEY = "the key of the tests";
const EXAMPLES = process.env.EXAMPLES_DIR ?? fileURLToPath(new URL("../../../../target/debug/examples", import.meta.url));

export class Example {
  #child;

  /** Starts one that ends with the test, on free ports. With a `redis` several are one system; `env` says the rest. */
  static async start(t, name, { redis, env = {} } = {}) {
    const example = new Example();
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("GATEWAY_") && name !== "DATABASE_URL");
    const listen = { GATEWAY_LISTEN__PUBLIC: "127.0.0.1:0", GATEWAY_LISTEN__INTERNAL: "127.0.0.1:0" };
    const settings = { ...listen, GATEWAY_API__KEYS: JSON.stringify([KEY]), ...env };
    if (redis) settings.GATEWAY_REDIS__URL = redis.url;
    example.#child = new Child(`${EXAMPLES}/${name}`, [], { env: { ...Object.fromEntries(clean), ...settings } });
    t.after(() => example.stop("SIGKILL"));
    const line = await example.#child.line(/^listening /);
    [, example.public, example.internal] = /^listening public=(\S+) internal=(\S+)$/.exec(line);
    example.url = `ws://${example.public}/socket`;
    const ready = async () => (await fetch(`http://${example.internal}/readyz`)).status === 200;
    await within(10_000, "readiness", (async () => {
      while (!(await ready())) await pause(20);
    })());
    return example;
  }

  /** Who is present in a topic, by the API. */
  async presence(topic) {
    const url = `http://${this.internal}/api/v1/topics/${encodeURIComponent(topic)}/presence`;
    return (await fetch(url, { headers: { authorization: `Bearer ${KEY}` } })).json();
  }

  /** Broadcasts an event, by the API. */
  async broadcast(topic, event, payload) {
    const headers = { authorization: `Bearer ${KEY}`, "content-type": "application/json" };
    const body = JSON.stringify({ topic, event, payload });
    const { status } = await fetch(`http://${this.internal}/api/v1/broadcast`, { method: "POST", headers, body });
    if (status !== 202) throw new Error(`the broadcast was answered ${status}`);
  }

  /** Sends a signal; resolves with how the process ended. */
  stop(signal = "SIGTERM") {
    return this.#child.stop(signal);
  }
}

/** Leaves of dead pods are seen after some three seconds. */
export const QUICK_LEASE = { GATEWAY_PRESENCE__HEARTBEAT: "1s", GATEWAY_PRESENCE__LEASE: "3s" };
