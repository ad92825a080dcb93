// A bare WebSocket whose frames are looked at one by one, in either version of the serializer.

import WebSocket from "ws";

import { Journal, within } from "./wait.mjs";

export class Frames {
  /** What came, as [join_ref, ref, topic, event, payload]; of version 1 without the first. */
  entries = new Journal();

  #ref = 0;

  /** Connects with this query; `vsn=2.0.0` among it chooses version 2. */
  static async connect(t, gateway, query) {
    const frames = new Frames();
    frames.isV2 = query.includes("vsn=2");
    frames.socket = new WebSocket(`${gateway.url}/websocket?${query}`);
    t.after(() => frames.socket.terminate());
    frames.socket.on("message", (data) => frames.entries.add(frames.#read(JSON.parse(String(data)))));
    await within(5_000, "the socket opens", new Promise((resolve, reject) => frames.socket.once("open", resolve).once("error", reject)));
    return frames;
  }

  #read(frame) {
    return this.isV2 ? frame : [undefined, frame.ref, frame.topic, frame.event, frame.payload];
  }

  send(topic, event, payload, joinRef = null) {
    this.#ref += 1;
    const ref = `${this.#ref}`;
    const frame = this.isV2 ? [joinRef ?? ref, ref, topic, event, payload] : { topic, event, payload, ref };
    this.socket.send(JSON.stringify(frame));
    return ref;
  }

  /** Joins; resolves with the status and the response. */
  async join(topic, payload) {
    const ref = this.send(topic, "phx_join", payload);
    return this.reply(ref);
  }

  async reply(ref) {
    const [, , , , { status, response }] = await this.first("a reply", ([, to, , event]) => event === "phx_reply" && to === ref);
    return { status, response };
  }

  first(what, matches, ms) {
    return this.entries.first(what, matches, ms);
  }

  /** Resolves with all that came with an event, once there are `count`. */
  async events(event, count, ms = 5_000) {
    const all = () => this.entries.entries.filter(([, , , name]) => name === event);
    await this.first(`${count} times ${event}`, () => all().length >= count, ms);
    return all();
  }

  close() {
    this.socket.terminate();
  }
}
