// A Phoenix client without a library: connects, comes back, keeps the heartbeat, and shows every frame that passes.

import { decode, encode } from "./frame.js";
import { Topic } from "./topic.js";

const RETRY_AFTER = [10, 50, 100, 150, 200, 250, 500, 1_000, 2_000, 5_000];
// phoenix.js asks every 30 seconds; here the answers are the latency that the page shows.
const HEARTBEAT = 5_000;
const KEPT_LATENCIES = 30;

/** `state` is "disconnected", "connecting", "connected" or "waiting" (for the next try; `closed` says why). */
export class Client {
  state = "disconnected";
  closed = null;
  topics = new Map();
  /** The last round trips of heartbeats, in milliseconds. */
  latencies = [];

  #observer;
  #options;
  #socket = null;
  #attempts = 0;
  #ref = 0;
  #retry;
  #beating;
  #beat = null;

  /** `observer.changed()` is called when something else than a frame is to be shown, `observer.frame(…)` for each frame. */
  constructor(observer) {
    this.#observer = observer;
  }

  /** `url` without query, `params` as an object, `token` may be empty. */
  connect(options) {
    this.disconnect();
    this.#options = options;
    this.#attempts = 0;
    this.#open();
  }

  disconnect() {
    clearTimeout(this.#retry);
    const socket = this.#socket;
    this.#ended();
    this.#become("disconnected");
    socket?.close(1000);
  }

  join(name, params) {
    const topic = this.topics.get(name) ?? new Topic(this, name, params);
    topic.params = params;
    this.topics.set(name, topic);
    if (this.state === "connected") topic.join();
    else this.changed();
  }

  leave(name) {
    this.topics.get(name)?.leave();
    this.topics.delete(name);
    this.changed();
  }

  nextRef() {
    this.#ref += 1;
    return String(this.#ref);
  }

  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    const data = encode(frame);
    this.#socket.send(data);
    this.#observer.frame({ sent: true, at: new Date(), size: data.length, ...frame });
  }

  changed() {
    this.#observer.changed();
  }

  #open() {
    const { url, params, token } = this.#options;
    const socket = new WebSocket(`${url}/websocket?${new URLSearchParams({ ...params, vsn: "2.0.0" })}`, protocols(token));
    socket.binaryType = "arraybuffer";
    // What an earlier connection still does is of no interest.
    const current = (act) => (event) => this.#socket === socket && act(event);
    socket.addEventListener("open", current(() => this.#opened()));
    socket.addEventListener("message", current(({ data }) => this.#receive(data)));
    socket.addEventListener("close", current((closed) => this.#closed(closed)));
    this.#socket = socket;
    this.#become("connecting");
  }

  #opened() {
    this.#attempts = 0;
    this.closed = null;
    this.#become("connected");
    this.#heartbeat();
    this.#beating = setInterval(() => this.#heartbeat(), HEARTBEAT);
    for (const topic of this.topics.values()) topic.online();
  }

  #closed({ code, reason }) {
    this.#ended();
    this.closed = { code, reason };
    const delay = RETRY_AFTER[Math.min(this.#attempts, RETRY_AFTER.length - 1)];
    this.#attempts += 1;
    this.#retry = setTimeout(() => this.#open(), delay);
    this.#become("waiting");
  }

  #ended() {
    clearInterval(this.#beating);
    this.#socket = null;
    this.#beat = null;
    this.latencies = [];
    for (const topic of this.topics.values()) topic.offline();
  }

  #become(state) {
    this.state = state;
    this.changed();
  }

  #heartbeat() {
    // No answer to the last one: the connection is dead, whatever TCP thinks.
    if (this.#beat) {
      this.#socket.close(1000);
      return this.#closed({ code: 1000, reason: "no answer to a heartbeat" });
    }
    const ref = this.nextRef();
    this.send({ joinRef: null, ref, topic: "phoenix", event: "heartbeat", payload: {} });
    this.#beat = { ref, sent: performance.now() };
  }

  #receive(data) {
    const frame = decode(data);
    this.#observer.frame({ sent: false, at: new Date(), size: data.length ?? data.byteLength, ...frame });
    if (this.#beat && frame.ref === this.#beat.ref) {
      this.latencies = [...this.latencies, performance.now() - this.#beat.sent].slice(-KEPT_LATENCIES);
      this.#beat = null;
      return this.changed();
    }
    this.topics.get(frame.topic)?.receive(frame);
  }
}

/** A token travels as phoenix.js sends its `authToken`: in a subprotocol, so that no log of URLs has it. */
function protocols(token) {
  if (!token) return [];
  const bytes = String.fromCharCode(...new TextEncoder().encode(token));
  const encoded = btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  return ["phoenix", `base64url.bearer.phx.${encoded}`];
}
