// One address for several pods.

import WebSocket from "ws";

/** Stands for the pods, as a load balancer does: each connection goes to one of those that live. */
export class Balancer {
  /** What phoenix.js is told to connect to. */
  url = "ws://balancer.invalid/socket";

  #names = 0;
  #pods = new Map();

  /** Connections may go to this gateway from now on; returns how its clients call it. */
  add(gateway) {
    this.#names += 1;
    const name = `pod ${this.#names}`;
    this.#pods.set(name, gateway);
    return name;
  }

  remove(name) {
    this.#pods.delete(name);
  }

  /** A transport for phoenix.js; `chosen` is called with the name of the pod that a connection goes to. */
  transport(random = Math.random, chosen = () => {}) {
    const pods = this.#pods;
    return class extends WebSocket {
      constructor(url, protocols) {
        const names = [...pods.keys()];
        const name = names[Math.floor(random() * names.length)];
        chosen(name);
        super(url.replace("balancer.invalid", pods.get(name).public), protocols);
      }
    };
  }
}
