// One client on the page: its connection, its topics, what it pushes, and its frames.

import { Client } from "./client.js";
import { jsonField } from "./json.js";
import { Log } from "./log.js";
import { PushForm } from "./push.js";
import { TopicList } from "./topics.js";

/** Fewer points are a speck, and say nothing. */
const SHORTEST_LINE = 4;

export class Panel {
  #part;
  #client;
  #connect;
  #topics;
  #push;
  #drawing = false;

  constructor(template, { id, name, user, url }) {
    this.element = template.content.cloneNode(true).firstElementChild;
    this.element.id = id;
    this.element.setAttribute("aria-label", name);
    this.#part = (part) => this.element.querySelector(`[data-part="${part}"]`);
    this.#part("name").textContent = name;
    this.#part("frames").setAttribute("aria-label", `Frames of the ${name.toLowerCase()}`);
    this.#describeErrors();

    const log = new Log(this.#part);
    this.#client = new Client({ changed: () => this.#draw(), frame: (frame) => log.add(frame) });
    this.#topics = new TopicList(this.#part, this.#client);
    this.#push = new PushForm(this.#part, this.#client, `Hello from ${user}`);
    this.#connection(url, user);
  }

  /** Connects and joins. */
  start(topic) {
    this.#connect();
    this.#client.join(topic, {});
  }

  #connection(url, user) {
    const form = this.#part("connection");
    const { url: address, params, token } = form.elements;
    address.value = url;
    params.value = JSON.stringify({ user_id: user });
    const read = jsonField(params, this.#part("connection-error"), (value) =>
      Object.values(value).some((param) => param !== null && typeof param === "object")
        ? "Params travel in the address: each must be a text, a number, true or false."
        : "",
    );
    this.#connect = () => {
      const read_ = read();
      if (read_ === undefined) return (form.closest("details").open = true);
      const shown = Object.entries(read_).map(([name, value]) => `${name}=${value}`);
      if (token.value.trim()) shown.push("token");
      this.#part("summary").textContent = `${pathOf(address.value)} ${shown.join(" ")}`;
      try {
        this.#client.connect({ url: address.value.replace(/\/(websocket)?$/, ""), params: read_, token: token.value.trim() });
      } catch (error) {
        this.#part("connection-error").textContent = `The browser refuses this address: ${error.message}`;
      }
    };
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#connect();
    });
    this.#part("toggle").addEventListener("click", () => {
      if (this.#client.state === "disconnected") this.#connect();
      else this.#client.disconnect();
    });
  }

  /** Ties each field to the text below it that says what is wrong. */
  #describeErrors() {
    for (const [part, field] of [["connection", "params"], ["join", "params"], ["push", "payload"]]) {
      const error = this.#part(`${part}-error`);
      error.id = `${this.element.id}-${part}-error`;
      this.#part(part).elements[field].setAttribute("aria-describedby", error.id);
    }
  }

  #draw() {
    if (this.#drawing) return;
    this.#drawing = true;
    // Several changes at once are one drawing; a page in the background needs none.
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#drawConnection();
      this.#topics.draw();
      this.#push.draw();
    });
  }

  #drawConnection() {
    const { state, closed, latencies } = this.#client;
    const shown = this.#part("state");
    shown.dataset.state = state;
    const words = stateInWords(state, closed);
    // Setting the same text again would be announced again.
    if (shown.textContent !== words) shown.textContent = words;
    this.#part("toggle").textContent = state === "disconnected" ? "Connect" : "Disconnect";
    const last = latencies.at(-1);
    this.#part("latency").textContent = last === undefined ? "" : `${last < 10 ? last.toFixed(1) : Math.round(last)} ms`;
    this.#part("line").setAttribute("points", latencies.length < SHORTEST_LINE ? "" : points(latencies));
  }
}

/** A line that ends at the right, with the newest; the longest round trip touches the top. */
function points(latencies) {
  const highest = Math.max(...latencies, 1);
  const left = 59 - 2 * (latencies.length - 1);
  return latencies.map((latency, index) => `${left + 2 * index},${(15 - (latency / highest) * 14).toFixed(1)}`).join(" ");
}

function stateInWords(state, closed) {
  if (state !== "waiting") return { disconnected: "Disconnected", connecting: "Connecting", connected: "Connected" }[state];
  // 1006 is the browser's word for all that failed before or without a close frame: it tells pages no more.
  const why = closed.code === 1006 ? "refused or out of reach" : [closed.code, closed.reason].filter(Boolean).join(" ");
  return `Trying again (${why})`;
}

function pathOf(url) {
  return URL.canParse(url) ? new URL(url).pathname : url;
}
