// A real Redis without persistence on a port of its own.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Child, freePort } from "./process.mjs";

export class Redis {
  #child;

  /** Starts one that ends with the test (or with the `scope` of a `describe`). */
  static async start(t) {
    const redis = new Redis();
    redis.folder = await mkdtemp(join(tmpdir(), "gateway-redis-"));
    redis.port = await freePort();
    redis.url = `redis://127.0.0.1:${redis.port}`;
    t.after(async () => {
      await redis.stop();
      await rm(redis.folder, { recursive: true });
    });
    await redis.start();
    return redis;
  }

  /** Starts it again, empty, on the same port. */
  async start() {
    const settings = { port: this.port, bind: "127.0.0.1", save: "", appendonly: "no", dir: this.folder, daemonize: "no" };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.#child = new Child("redis-server", args);
    await this.#child.line(/Ready to accept connections/);
  }

  /** Ends it; connections to it are closed. */
  async stop(signal = "SIGTERM") {
    await this.#child?.stop(signal);
  }

  /** Publishes as another program would; returns how many subscribers Redis sent it to. */
  publish(channel, message) {
    return this.command("PUBLISH", channel, message);
  }

  /** Runs a command; returns the reply, a map as an object. */
  async command(...words) {
    const cli = new Child("redis-cli", ["-p", String(this.port), "--json", ...words]);
    return JSON.parse(await cli.line(/./));
  }

  /** What the hash of a topic holds of pods that are known, as keys and metas. */
  async presence(topic) {
    const fields = Object.entries(await this.command("HGETALL", `gw:{${topic}}:p`)).filter(([field]) => field.includes(":"));
    const nodes = await this.command("SMEMBERS", "gw:nodes");
    const ofKnown = fields.filter(([field]) => nodes.includes(field.slice(0, field.indexOf(":"))));
    return ofKnown.map(([field, value]) => {
      const [key, meta] = JSON.parse(value);
      return { key, meta: { ...meta, phx_ref: field.slice(field.indexOf(":") + 1) } };
    });
  }
}
