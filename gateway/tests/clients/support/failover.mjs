// One address before several pods, as a load balancer is, for whole pages.

import { once } from "node:events";
import { connect, createServer } from "node:net";

export class Failover {
  /** The pods that its connections went to, by address. */
  chosen = [];

  /** Starts one that ends with the test. Each connection goes to the first of the pods that accepts it. */
  static async start(t, pods) {
    const proxy = new Failover();
    const sockets = new Set();
    const server = createServer((client) => {
      sockets.add(client);
      client.on("close", () => sockets.delete(client)).on("error", () => {});
      forward(client, pods.map((pod) => pod.public), proxy.chosen);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    t.after(() => {
      server.close();
      sockets.forEach((socket) => socket.destroy());
    });
    proxy.url = `http://127.0.0.1:${server.address().port}/`;
    return proxy;
  }
}

function forward(client, [address, ...others], chosen) {
  if (!address) return client.destroy();
  const [host, port] = address.split(":");
  const pod = connect(Number(port), host);
  const next = () => forward(client, others, chosen);
  pod.once("error", next);
  pod.once("connect", () => {
    pod.off("error", next);
    chosen.push(address);
    // What ends on one side ends on the other.
    pod.on("error", () => {}).on("close", () => client.destroy());
    client.on("close", () => pod.destroy());
    client.pipe(pod).pipe(client);
  });
}
