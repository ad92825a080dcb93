// A real HAProxy in front of pods, as an operator would set it up: WebSockets tunnelled, pods asked for /readyz.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { Child, freePort } from "./process.mjs";

export class HAProxy {
  /** `pods` have a `name` and the ports `port` and `internalPort`, which they keep when they restart. */
  static async start(t, pods) {
    const proxy = new HAProxy();
    [proxy.port, proxy.stats] = [await freePort(), await freePort()];
    proxy.url = `ws://127.0.0.1:${proxy.port}/socket`;
    const folder = await mkdtemp(join(tmpdir(), "gateway-haproxy-"));
    const file = join(folder, "haproxy.cfg");
    await writeFile(file, proxy.#config(pods));
    proxy.child = new Child("haproxy", ["-db", "-f", file]);
    t.after(async () => {
      await proxy.child.stop("SIGKILL");
      await rm(folder, { recursive: true });
    });
    await Promise.all(pods.map(({ name }) => proxy.up(name)));
    return proxy;
  }

  #config(pods) {
    const server = ({ name, port, internalPort }) => `  server ${name} 127.0.0.1:${port} check port ${internalPort}`;
    return `global
  maxconn 9000
defaults
  mode http
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout check 2s
  retries 3
  option redispatch 1
frontend clients
  bind 127.0.0.1:${this.port}
  default_backend pods
frontend stats
  bind 127.0.0.1:${this.stats}
  stats enable
  stats uri /
backend pods
  balance leastconn
  option httpchk GET /readyz
  default-server inter 100ms fall 1 rise 1
${pods.map(server).join("\n")}
`;
  }

  /** Resolves when clients are sent to a pod. */
  async up(name) {
    const over = Date.now() + 10_000;
    while (!(await this.#isUp(name))) {
      if (Date.now() > over) throw new Error(`${name} is not up at HAProxy:\n${this.child.output()}`);
      await pause(20);
    }
  }

  async #isUp(name) {
    try {
      const page = await (await fetch(`http://127.0.0.1:${this.stats}/;csv`)).text();
      const [head, ...rows] = page.replace(/^# /, "").split("\n").map((line) => line.split(","));
      return rows.some((row) => row[head.indexOf("svname")] === name && row[head.indexOf("status")] === "UP");
    } catch {
      // It does not listen yet.
      return false;
    }
  }
}
