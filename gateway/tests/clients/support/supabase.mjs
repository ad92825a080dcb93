// npm `@supabase/realtime-js` as an application uses it, with journals around its callbacks, and a gateway that speaks its
// dialect. Node 20 has no WebSocket: `ws` is it.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { RealtimeClient } from "@supabase/realtime-js";
import WebSocket from "ws";

import { Gateway } from "./gateway.mjs";
import { Journal } from "./wait.mjs";

const SECRET = "a shared secret of the tests of this dialect";

/** Of the API. */
const KEY = "k3y";

const base64url = (value) => Buffer.from(value).toString("base64url");

/** An API key or an access token: Supabase makes both alike. It is good for `ttl` seconds. */
export function token(sub, { ttl = 3600, secret = SECRET, ...claims } = {}) {
  const said = { role: "authenticated", sub, exp: Math.floor(Date.now() / 1000) + ttl, ...claims };
  const input = `${base64url(JSON.stringify({ alg: "HS256", typ: "JWT" }))}.${base64url(JSON.stringify(said))}`;
  return `${input}.${base64url(createHmac("sha256", secret).update(input).digest())}`;
}

/** A token that grants something in a private channel: `["join"]`, say, or all. */
export const granted = (sub, topic, may = ["join", "broadcast", "presence"], more = {}) =>
  token(sub, { channels: [{ topic: `realtime:${topic}`, may }], ...more });

/** A gateway with the dialect at `/socket` and at `/realtime/v1`; its sockets are named after their users. */
export async function dialect(t, options = {}) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-supabase-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  const socket = 'check_origin = false\ndialect = "supabase"\nid = "user_socket:{sub}"\n';
  const channel = '[[channel]]\ntopic = "realtime:*"\njoin = "open"\npresence = true\n';
  const keys = `[auth]\nhs256_secret = "${SECRET}"\n[api]\nkeys = ["${KEY}"]\n`;
  await writeFile(file, `[socket]\n${socket}[[mount]]\npath = "/realtime/v1"\n${socket}${keys}${channel}`);
  const env = { GATEWAY_DRAIN__DELAY: "0s", ...options.env };
  return Gateway.start(t, { command: "serve", args: ["--config", file], ...options, env });
}

/** Ends all sockets of a user, on all pods. */
export async function kick(gateway, user) {
  const answer = await gateway.post("/api/v1/disconnect", { socket_id: `user_socket:${user}` }, { authorization: `Bearer ${KEY}` });
  assert.equal(answer.status, 202, await answer.text());
}

/** The address of a pod's sockets, for clients. */
export const endpoint = (pod, path = "/realtime/v1") => `ws://${pod.public}${path}`;

/** A client that has one connection at most, with what happened to it. */
export class Live {
  opened = new Journal();
  /** The codes with which its connections ended. */
  closed = new Journal();
  /** What came, as `{binary, data}`. */
  frames = new Journal();

  /**
   * Connects at the first `subscribe` and disconnects with the test. `pod` may be a function that says which pod a connection
   * goes to; `options` go to realtime-js.
   */
  static create(t, pod, user, { key = token(user), path, vsn = "2.0.0", ...options } = {}) {
    const live = new Live();
    const chosen = typeof pod === "function" ? pod : () => pod;
    class Transport extends WebSocket {
      constructor(url, protocols) {
        const { pathname, search } = new URL(url);
        super(`ws://${chosen().public}${pathname}${search}`, protocols);
        this.on("open", () => live.opened.add(url));
        this.on("close", (code) => live.closed.add(code));
        this.on("message", (data, binary) => live.frames.add({ binary, data: binary ? Buffer.from(data) : String(data) }));
      }
    }
    const settings = { transport: Transport, reconnectAfterMs: () => 20, params: { apikey: key }, vsn, ...options };
    live.client = new RealtimeClient(endpoint(chosen(), path), settings);
    t.after(() => live.end());
    return live;
  }

  async end() {
    const { reconnectTimer } = this.client;
    // It would connect again for every channel that is left.
    this.client.connect = () => {};
    await this.client.disconnect();
    reconnectTimer.reset();
    for (const channel of this.client.getChannels()) channel.teardown();
  }

  /** A channel that nobody has subscribed to yet; it listens to all broadcasts, and to who is there if `presence`. */
  room(topic, config = {}, { presence = false } = {}) {
    return new Seat(this.client.channel(topic, { config }), presence);
  }

  /** A channel that is joined. */
  async join(topic, config, listen) {
    const seat = this.room(topic, config, listen);
    await seat.subscribe();
    return seat;
  }
}

/** A channel of one client. */
export class Seat {
  /** What `subscribe` told, as `{status, error}`. */
  states = new Journal();
  /** Broadcasts as the application gets them. */
  heard = new Journal();
  /** Who came and who went, and each `sync` with who is there then. */
  presences = new Journal();
  /** The `system` messages. */
  told = new Journal();

  constructor(channel, presence) {
    this.channel = channel;
    channel.on("broadcast", { event: "*" }, (message) => this.heard.add(message));
    channel.on("system", {}, (message) => this.told.add(message));
    if (!presence) return;
    channel.on("presence", { event: "sync" }, () => this.presences.add({ event: "sync", keys: this.keys() }));
    for (const event of ["join", "leave"]) channel.on("presence", { event }, (change) => this.presences.add(change));
  }

  /** Subscribes, without waiting. */
  begin() {
    this.channel.subscribe((status, error) => this.states.add({ status, error }));
  }

  /** Subscribes; fails unless it succeeds. */
  async subscribe() {
    this.begin();
    await this.subscribed(1);
  }

  /** Resolves when it has been joined so many times. */
  subscribed(times, ms = 10_000) {
    const enough = () => this.count("SUBSCRIBED") >= times;
    return this.states.first(`${this.channel.topic} is joined ${times} times`, enough, ms);
  }

  /** How often it was told this. */
  count(status) {
    return this.states.entries.filter((state) => state.status === status).length;
  }

  /** Subscribes; resolves with the error that it is told, and leaves. */
  async refused() {
    this.begin();
    const { status, error } = await this.states.first("an answer to the join", () => true, 10_000);
    this.channel.teardown();
    assert.equal(status, "CHANNEL_ERROR");
    return error.message;
  }

  /** The keys of those who are there, by the class of the client. */
  keys() {
    return Object.keys(this.channel.presenceState()).sort();
  }

  /** Resolves when exactly these are there. */
  async shows(...keys) {
    const wanted = keys.sort().join();
    await this.presences.first(`${wanted} in ${this.channel.topic}`, () => this.keys().join() === wanted);
  }

  /** Says something; fails unless realtime-js says that it went well. */
  async say(event, payload = {}, options = {}) {
    assert.equal(await this.channel.send({ type: "broadcast", event, payload }, options), "ok");
  }

  /** Resolves with the first message of this event. */
  hears(event, ms = 5_000) {
    return this.heard.first(`${event} in ${this.channel.topic}`, (message) => message.event === event, ms);
  }

  /** The events that it heard, in order. */
  events() {
    return this.heard.entries.map(({ event }) => event);
  }
}

/** A bare WebSocket of the dialect in version 2, for what the client hides. */
export async function bare(t, pod, { key = token("bare"), vsn = "2.0.0" } = {}) {
  const socket = new WebSocket(`${endpoint(pod)}/websocket?apikey=${key}&vsn=${vsn}`);
  t.after(() => socket.terminate());
  const frames = new Journal();
  socket.on("message", (data, binary) => frames.add(binary ? Buffer.from(data) : JSON.parse(String(data))));
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  return { frames, socket, send: (frame) => socket.send(Buffer.isBuffer(frame) ? frame : JSON.stringify(frame)) };
}

/** Posts to a REST route below `/realtime/v1/api`. A string or bytes are sent as they are, anything else as JSON. */
export function post(pod, path, body, { key = token("rest"), headers = {}, at = "/realtime/v1", type = "application/json" } = {}) {
  const raw = typeof body === "string" || body instanceof Uint8Array;
  return fetch(`http://${pod.public}${at}/api${path}`, {
    method: "POST",
    headers: { ...(type && { "content-type": type }), ...(key && { authorization: `Bearer ${key}` }), ...headers },
    body: raw ? body : JSON.stringify(body),
    signal: AbortSignal.timeout(5_000),
  });
}
