// The topics of one client, each with who is there.

import { text } from "./frame.js";
import { jsonField } from "./json.js";

const STATES = {
  joining: "joining",
  joined: "joined",
  refused: "refused",
  failed: "failed, trying again",
  closed: "closed by the server",
  offline: "waits for the connection",
};

export class TopicList {
  #client;
  #list;
  #rows = new Map();

  constructor(part, client) {
    this.#client = client;
    this.#list = part("topics");
    const form = part("join");
    const { topic, params } = form.elements;
    const read = jsonField(params, part("join-error"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = read();
      if (value === undefined) return;
      client.join(topic.value.trim(), value);
      topic.value = "";
    });
  }

  draw() {
    const topics = this.#client.topics;
    for (const [name, row] of this.#rows) {
      if (topics.has(name)) continue;
      row.element.remove();
      this.#rows.delete(name);
    }
    for (const topic of topics.values()) {
      if (!this.#rows.has(topic.name)) {
        const row = new TopicRow(topic.name, this.#client);
        this.#rows.set(topic.name, row);
        this.#list.append(row.element);
      }
      this.#rows.get(topic.name).draw(topic);
    }
  }
}

class TopicRow {
  element = document.createElement("li");
  #state = document.createElement("span");
  #again = document.createElement("button");
  #present = document.createElement("p");
  #people = document.createElement("ul");
  #shown = "";

  constructor(name, client) {
    const head = document.createElement("div");
    head.className = "row";
    const title = document.createElement("code");
    title.textContent = name;
    this.#state.className = "topic-state";
    this.#state.setAttribute("role", "status");
    const leave = document.createElement("button");
    for (const [button, word] of [[this.#again, "Join again"], [leave, "Leave"]]) {
      button.type = "button";
      button.textContent = word;
      button.setAttribute("aria-label", `${word}: ${name}`);
    }
    leave.addEventListener("click", () => client.leave(name));
    this.#again.addEventListener("click", () => client.join(name, client.topics.get(name).params));
    head.append(title, this.#state, this.#again, leave);
    this.#people.className = "people";
    this.#people.setAttribute("aria-label", `Present in ${name}`);
    this.element.append(head, this.#present, this.#people);
  }

  draw({ state, reason, presence }) {
    this.#state.dataset.state = state;
    const words = reason ? `${STATES[state]}: ${reason}` : STATES[state];
    if (this.#state.textContent !== words) this.#state.textContent = words;
    this.#again.hidden = state === "joined" || state === "joining";
    this.#drawPeople(presence.people);
  }

  #drawPeople(people) {
    const entries = people ? [...people].sort(([one], [other]) => one.localeCompare(other)) : [];
    const shown = people ? text(entries) : "";
    // Who looks at somebody's details keeps them open when nothing has changed.
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.#present.textContent = people ? `${entries.length} present` : "";
    const open = new Set([...this.#people.querySelectorAll("details[open]")].map(({ dataset }) => dataset.key));
    this.#people.replaceChildren(...entries.map(([key, metas]) => person(key, metas, open.has(key))));
  }
}

function person(key, metas, open) {
  const [item, details, summary, meta] = ["li", "details", "summary", "pre"].map((name) => document.createElement(name));
  details.dataset.key = key;
  details.open = open;
  summary.textContent = metas.length > 1 ? `${key} ×${metas.length}` : key;
  meta.textContent = JSON.stringify(metas, null, 2);
  meta.tabIndex = 0;
  details.append(summary, meta);
  item.append(details);
  return item;
}
