// The frames of one client, newest first. At most KEPT are kept, whether shown, filtered out or waiting for the pause to end.

import { text } from "./frame.js";

const KEPT = 500;
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23",
});

export class Log {
  #list;
  #count;
  #filter;
  #pause;
  #frames = [];
  #fresh = [];
  #paused = false;
  #drawing = false;

  /** `part` finds the elements of the client by name. */
  constructor(part) {
    this.#list = part("frames");
    this.#count = part("count");
    this.#filter = part("filter");
    this.#pause = part("pause");
    this.#filter.addEventListener("input", () => this.#redraw());
    this.#filter.addEventListener("submit", (event) => event.preventDefault());
    this.#pause.addEventListener("click", () => this.#setPaused(!this.#paused));
    part("clear").addEventListener("click", () => {
      this.#frames = [];
      this.#fresh = [];
      this.#redraw();
    });
    this.#tell();
  }

  add(frame) {
    this.#fresh.push(frame);
    // Many frames at once cost one drawing.
    if (this.#drawing) return;
    this.#drawing = true;
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw();
    });
  }

  #setPaused(paused) {
    this.#paused = paused;
    this.#pause.textContent = paused ? "Resume" : "Pause";
    this.#draw();
  }

  #draw() {
    if (this.#paused) {
      this.#fresh = this.#fresh.slice(-KEPT);
      return this.#tell();
    }
    const fresh = this.#fresh.splice(0);
    this.#frames = [...this.#frames, ...fresh].slice(-KEPT);
    const matches = this.#matcher();
    const rows = fresh.slice(-KEPT).filter(matches).reverse().map(row);
    this.#list.prepend(...rows);
    while (this.#list.children.length > KEPT) this.#list.lastChild.remove();
    this.#tell();
  }

  #redraw() {
    this.#list.replaceChildren(...this.#frames.filter(this.#matcher()).reverse().map(row));
    this.#tell();
  }

  #tell() {
    const [kept, waiting] = [this.#frames.length, this.#fresh.length];
    const shown = this.#list.children.length;
    const counted = shown === kept ? `${kept}` : `${shown} of ${kept}`;
    this.#count.textContent = this.#paused ? `${counted}, paused, ${waiting} waiting` : counted;
  }

  #matcher() {
    const { text: words, direction, heartbeats } = this.#filter.elements;
    const wanted = words.value.toLowerCase();
    return (frame) => {
      if (!heartbeats.checked && frame.topic === "phoenix") return false;
      if (direction.value !== "both" && frame.sent !== (direction.value === "sent")) return false;
      return `${frame.topic} ${frame.event} ${text(frame.payload)}`.toLowerCase().includes(wanted);
    };
  }
}

function row(frame) {
  const { sent, at, topic, event, payload, ref, joinRef, size } = frame;
  const item = document.createElement("li");
  item.className = sent ? "sent" : "received";
  const details = element("details", "");
  const arrow = element("span", sent ? "↑" : "↓", "arrow");
  arrow.setAttribute("role", "img");
  arrow.setAttribute("aria-label", sent ? "sent" : "received");
  const summary = element("summary", "");
  const [event_, preview] = [element("span", event, "event"), element("span", text(payload), "preview")];
  if (payload?.status === "error" || event === "phx_error") event_.classList.add("bad");
  summary.append(arrow, element("time", CLOCK.format(at)), element("span", topic, "topic"), event_, preview);
  details.append(summary);
  // Made when it is looked at: most never are.
  details.addEventListener("toggle", () => {
    if (details.children.length > 1) return;
    const facts = `ref ${ref ?? "none"}, join ref ${joinRef ?? "none"}, ${size} bytes`;
    const full = element("pre", text(payload, 2));
    full.tabIndex = 0;
    details.append(element("p", facts, "facts"), full);
  });
  item.append(details);
  return item;
}

function element(name, content, className = "") {
  const made = document.createElement(name);
  made.textContent = content;
  if (className) made.className = className;
  return made;
}
