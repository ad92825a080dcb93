// A proxy for plain requests in front of several pods, as a balancer without sticky sessions: each request goes to the next.

import { once } from "node:events";
import { Agent, createServer, request } from "node:http";

import { Journal } from "./wait.mjs";

export class Proxy {
  /** What came, as `{method, url, headers, body}`, in order. */
  requests = new Journal();
  /** Attempts to open a WebSocket, all of which are refused. */
  upgrades = new Journal();

  #agent = new Agent({ keepAlive: true });
  #next = 0;
  #pods;
  #swallows = () => false;
  #holds = () => false;
  #released = Promise.resolve();

  static async start(t, pods) {
    const proxy = new Proxy();
    proxy.#pods = [...pods];
    const server = createServer((incoming, outgoing) => void proxy.#pass(incoming, outgoing));
    server.on("upgrade", (incoming, socket) => {
      proxy.upgrades.add(incoming.url);
      socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n");
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    proxy.public = `127.0.0.1:${server.address().port}`;
    proxy.url = `ws://${proxy.public}/socket`;
    t.after(() => {
      server.close().closeAllConnections();
      proxy.#agent.destroy();
    });
    return proxy;
  }

  /** The next request for which `matches` holds gets no answer, and reaches no pod. */
  swallow(matches) {
    this.#swallows = matches;
  }

  /** The next request for which `matches` holds waits until the function that is returned is called. */
  hold(matches) {
    this.#holds = matches;
    let release;
    this.#released = new Promise((resolve) => (release = resolve));
    return release;
  }

  /** Only these pods get requests from now on. */
  use(pods) {
    this.#pods = [...pods];
  }

  async #pass(incoming, outgoing) {
    const chunks = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { method, url, headers } = incoming;
    this.requests.add({ method, url, headers, body: String(body) });
    if (this.#swallows({ method, url })) {
      this.#swallows = () => false;
      return;
    }
    if (this.#holds({ method, url })) {
      this.#holds = () => false;
      await this.#released;
    }
    // Its own order of pods: another request that comes meanwhile must not have it meet the same dead pod twice.
    const first = this.#next++ % this.#pods.length;
    this.#forward({ method, url, headers, body }, outgoing, [...this.#pods.slice(first), ...this.#pods.slice(0, first)]);
  }

  /** To the next pod; one that takes no connection is passed over, as balancers do. */
  #forward(message, outgoing, [pod, ...others]) {
    const [host, port] = pod.public.split(":");
    const { method, url, headers, body } = message;
    const upstream = request({ host, port, method, path: url, headers, agent: this.#agent }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
      answer.on("error", () => outgoing.destroy());
    });
    upstream.on("error", (error) => {
      if (outgoing.headersSent || outgoing.destroyed) return outgoing.destroy();
      // A connection that was kept and has been closed meanwhile took nothing either.
      const untaken = error.code === "ECONNREFUSED" || (upstream.reusedSocket && error.code === "ECONNRESET");
      if (untaken && others.length > 0) return this.#forward(message, outgoing, others);
      outgoing.writeHead(502).end();
    });
    // A client that has gone away waits for nothing.
    outgoing.on("close", () => outgoing.writableFinished || upstream.destroy());
    upstream.end(body);
  }
}
