// What phoenix.js says of itself: its logger is the only window on what it sends, drops and gives up.

import { Journal } from "./wait.mjs";

/** Pass `diary.logger` as the socket's `logger`. */
export class Diary {
  /** All entries, as `{kind, text, data}`. */
  entries = new Journal();
  /** What went out, as `{topic, event, joinRef, ref, payload}`; heartbeats are apart. */
  pushes = new Journal();
  heartbeats = new Journal();

  logger = (kind, text, data) => {
    this.entries.add({ kind, text, data });
    if (kind !== "push") return;
    const [, topic, event, joinRef, ref] = /^(\S+) (\S+) \((\S+), (\S+)\)$/.exec(text);
    const push = { topic, event, joinRef, ref, payload: data };
    (topic === "phoenix" ? this.heartbeats : this.pushes).add(push);
  };

  /** The events that went out on a topic, in order. */
  sent(topic) {
    return this.pushes.entries.filter((push) => push.topic === topic).map(({ event }) => event);
  }

  /** Resolves with the `count`th push of an event on a topic. */
  push(topic, event, count = 1) {
    const all = () => this.pushes.entries.filter((push) => push.topic === topic && push.event === event);
    return this.pushes.first(`${event} number ${count} on ${topic}`, () => all().length >= count).then(() => all()[count - 1]);
  }

  /** Resolves with the first entry whose text matches. */
  wrote(pattern, matches = () => true) {
    return this.entries.first(`${pattern} from phoenix.js' logger`, (entry) => pattern.test(entry.text) && matches(entry.data));
  }
}
