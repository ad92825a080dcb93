// A back end for webhooks whose behaviour a test sets, request by request.

import { createHmac, timingSafeEqual } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Gateway } from "./gateway.mjs";
import { freePort } from "./process.mjs";
import { Journal } from "./wait.mjs";

export const SECRET = "0123456789abcdef0123456789abcdef";

/** Whether a request carries the signature that the contract asks for. */
export function isSigned(headers, body, secret = SECRET) {
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const expected = Buffer.from(`v1,${createHmac("sha256", secret).update(signed).digest("base64")}`);
  const given = Buffer.from(headers["webhook-signature"] ?? "");
  return given.length === expected.length && timingSafeEqual(given, expected);
}

export class Backend {
  /** All requests, as `{headers, body, text}`; `body` is the parsed JSON. */
  requests = new Journal();
  /** Called with the request's body and the response; what it returns is answered as JSON, unless it is undefined. */
  answer = () => ({ ok: {} });

  #server;
  #sockets = new Set();

  static async start(t) {
    const backend = new Backend();
    backend.port = await freePort();
    backend.url = `http://127.0.0.1:${backend.port}/hooks?tenant=1`;
    t.after(() => backend.stop());
    await backend.start();
    return backend;
  }

  /** Starts it again on the same port. */
  start() {
    this.#server = createServer(async (request, response) => {
      let text = "";
      for await (const chunk of request) text += chunk;
      const body = JSON.parse(text);
      this.requests.add({ headers: request.headers, method: request.method, url: request.url, body, text });
      const answer = await this.answer(body, response, request);
      if (answer !== undefined) response.end(JSON.stringify(answer));
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    return new Promise((resolve) => this.#server.listen(this.port, "127.0.0.1", resolve));
  }

  /** Dies: connections break, and nothing listens. */
  async stop() {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  /** How many connections are open. */
  get connections() {
    return this.#sockets.size;
  }

  /** The bodies of a kind that have come. */
  bodies(type) {
    return this.requests.entries.map(({ body }) => body).filter((body) => body.type === type);
  }

  /** Resolves with the first request for which `matches` holds. */
  got(what, matches, ms) {
    return this.requests.first(what, ({ body }) => matches(body), ms);
  }
}

/**
 * A gateway whose topics `hook:*` belong to the back end, beside plain ones. `settings` go into the webhook's table,
 * `channel` into its pattern.
 */
export async function gatewayWith(t, backend, { settings = 'timeout = "1s"', channel = "", top = "", ...options } = {}) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-webhook-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  const webhook = `{ url = "${backend.url}", secret = "env:WEBHOOK_SECRET", ${settings} }`;
  const text = `${top}
[socket]
check_origin = false
id = "user_socket:{user_id}"
[api]
keys = ["k3y"]
[[channel]]
topic = "hook:*"
join = "webhook"
webhook = ${webhook}
${channel}
[[channel]]
topic = "events:*"
join = "open"
webhook = ${webhook.replace(" }", ', events = ["decided"] }')}
[[channel]]
topic = "*"
join = "open"
`;
  await writeFile(file, text);
  const args = ["--config", file];
  return Gateway.start(t, { command: "serve", args, env: { WEBHOOK_SECRET: SECRET, GATEWAY_DRAIN__DELAY: "0s" }, ...options });
}

/** The sum of a metric's samples that contain all these texts. */
export async function metric(gateway, name, ...labels) {
  const page = await (await gateway.get("/metrics")).text();
  const lines = page.split("\n").filter((line) => new RegExp(`^${name}[ {]`).test(line));
  const wanted = lines.filter((line) => labels.every((label) => line.includes(label)));
  return wanted.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}

/** A gateway whose back end refuses each join of `hook:*` with this reason. */
export async function refusing(t, reason) {
  const backend = await Backend.start(t);
  backend.answer = () => ({ error: reason });
  return gatewayWith(t, backend);
}
