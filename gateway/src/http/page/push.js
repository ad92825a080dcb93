// The form that pushes an event to a topic and shows the answer.

import { text } from "./frame.js";
import { jsonField } from "./json.js";

export class PushForm {
  #client;
  #topics;
  #answer;
  #pushes = 0;

  constructor(part, client, greeting) {
    this.#client = client;
    this.#answer = part("answer");
    const form = part("push");
    const { topic, event: name, payload } = form.elements;
    this.#topics = topic;
    payload.value = JSON.stringify({ text: greeting }, null, 2);
    const read = jsonField(payload, part("push-error"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const value = read();
      if (value !== undefined) this.#push(topic.value, name.value, value);
    });
    payload.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      form.requestSubmit();
    });
  }

  /** Offers the topics that there are; the chosen one stays. */
  draw() {
    const names = [...this.#client.topics.keys()];
    const offered = [...this.#topics.options].map(({ value }) => value);
    if (names.join("\n") === offered.join("\n")) return;
    const chosen = this.#topics.value;
    this.#topics.replaceChildren(...names.map((name) => new Option(name, name)));
    if (names.includes(chosen)) this.#topics.value = chosen;
  }

  async #push(name, event, payload) {
    const topic = this.#client.topics.get(name);
    if (topic?.state !== "joined") return this.#tell("error", `${name || "The topic"} is not joined`);
    this.#pushes += 1;
    const mine = this.#pushes;
    this.#tell("", "Waiting for the answer");
    const { status, response, ms } = await topic.push(event, payload);
    // Only the answer to the last push is shown; the frames show all.
    if (mine !== this.#pushes) return;
    const words = { timeout: "No answer within 10 s", closed: "The topic ended before the answer" }[status];
    this.#tell(status === "ok" ? "ok" : "error", words ?? `${status} ${text(response)} in ${ms.toFixed(1)} ms`);
  }

  #tell(status, words) {
    this.#answer.dataset.status = status;
    this.#answer.textContent = words;
  }
}
