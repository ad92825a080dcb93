// npm `phoenix` as an application uses it, with promises around its callbacks. Node 20 has no WebSocket: `ws` is it.

import { LongPoll, Socket } from "phoenix";
import { Socket as Socket17 } from "phoenix-1-7-23";
import { LongPoll as OlderLongPoll, Socket as OlderSocket } from "phoenix-1-8-13";
import WebSocket from "ws";

import { Journal, within } from "./wait.mjs";

/**
 * The newest version; the last but one rule about close codes (1.8.13 stays down after a close with 1000); and the last
 * of 1.7, which has no `authToken` and does not tell channels why their connection failed.
 */
export const VERSIONS = { "1.8.16": Socket, "1.8.13": OlderSocket, "1.7.23": Socket17 };

/** Those whose sockets have an `authToken`. */
export const WITH_AUTH_TOKEN = Object.keys(VERSIONS).filter((version) => !version.startsWith("1.7."));

/** Their transports that poll, by fetch where there is no XMLHttpRequest, as here; 1.7 cannot do without. */
export const LONG_POLLS = { "1.8.16": LongPoll, "1.8.13": OlderLongPoll };

/** A connected socket, with what happened to its connection. */
export class Client {
  opened = new Journal();
  closed = new Journal();
  messages = new Journal();

  /** Connects and disconnects with the test. `options` go to phoenix.js. */
  static async connect(t, gateway, { version = "1.8.16", ...options } = {}) {
    const client = new Client();
    client.socket = new VERSIONS[version](gateway.url, { transport: WebSocket, ...options });
    client.socket.onOpen(() => client.opened.add(Date.now()));
    client.socket.onClose((event) => client.closed.add(event));
    client.socket.onMessage((message) => client.messages.add(message));
    t.after(() => client.disconnect());
    client.socket.connect();
    await client.opened.count("the socket opens", 1);
    return client;
  }

  /** Joins a topic; fails unless the answer is ok. */
  async join(topic, params = {}) {
    const room = new Room(this.socket.channel(topic, params), this.messages);
    await room.joins.count(`join of ${topic}`, 1);
    return room;
  }

  disconnect() {
    return within(5_000, "disconnect", new Promise((resolve) => this.socket.disconnect(resolve)));
  }
}

/**
 * A joined topic; `events` holds what came, in order, as `{event, payload}`, but for who is there: `dev` has presence on,
 * and what comes of it is in `presences`.
 */
export class Room {
  events = new Journal();
  presences = new Journal();
  joins = new Journal();

  #messages;

  /** `messages` is the journal of all that the channel's socket gets. */
  constructor(channel, messages) {
    this.channel = channel;
    this.#messages = messages;
    const passOn = channel.onMessage.bind(channel);
    channel.onMessage = (event, payload, ref, joinRef) => {
      // phoenix.js passes its own events (`chan_reply_…`, `phx_…`) through here, too.
      if (/^presence_/.test(event)) this.presences.add({ event, payload });
      else if (!/^(chan_reply_|phx_)/.test(event)) this.events.add({ event, payload });
      return passOn(event, payload, ref, joinRef);
    };
    // The hooks stay for rejoins, so this counts each successful join.
    channel.join().receive("ok", (response) => this.joins.add(response));
  }

  /** Pushes; resolves with the answer's status and response. */
  push(event, payload = {}, ms = 10_000) {
    return new Promise((resolve) => {
      const push = this.channel.push(event, payload, ms);
      for (const status of ["ok", "error", "timeout"]) {
        push.receive(status, (response) => resolve({ status, response }));
      }
    });
  }

  /** Resolves when an event with this payload has come (compared as JSON). */
  received(event, payload, ms) {
    const wanted = JSON.stringify(payload);
    const matches = (entry) => entry.event === event && JSON.stringify(entry.payload) === wanted;
    return this.events.first(`${event} ${wanted} on ${this.channel.topic}`, matches, ms);
  }

  /**
   * Leaves; resolves with the status of the gateway's answer. phoenix.js itself reports "ok" as soon as the push is on
   * its way, so what another client does then may still reach this one.
   */
  async leave() {
    const { ref } = this.channel.leave();
    const what = `the answer to the leave of ${this.channel.topic}`;
    const answer = await this.#messages.first(what, (message) => message.event === "phx_reply" && message.ref === ref);
    return answer.payload.status;
  }
}

/** Tries to join a topic once; resolves with the status and the response, and leaves again. */
export function answerToJoin(client, topic, params = {}) {
  return new Promise((resolve) => {
    const channel = client.socket.channel(topic, params);
    const push = channel.join();
    for (const status of ["ok", "error", "timeout"]) {
      push.receive(status, (response) => {
        // phoenix.js would try again for ever.
        channel.leave();
        resolve({ status, response });
      });
    }
  });
}

/** A bare WebSocket, for what phoenix.js hides. */
export async function bareSocket(t, gateway) {
  const socket = new WebSocket(`${gateway.url}/websocket?vsn=2.0.0`);
  t.after(() => socket.terminate());
  const closed = new Promise((resolve) => socket.once("close", (code, reason) => resolve({ code, reason: String(reason) })));
  const messages = new Journal();
  socket.on("message", (data, isBinary) => messages.add(isBinary ? data : JSON.parse(String(data))));
  await within(5_000, "the bare socket opens", new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject)));
  return { socket, closed, messages };
}
