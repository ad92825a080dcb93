// Clients in other languages: a small driver of each does as it is told, line by line (`python/stage.py` says how).

import { fileURLToPath } from "node:url";

import { Child } from "./process.mjs";
import { Journal } from "./wait.mjs";

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url));

const VENVS = process.env.PYTHON_CLIENTS ?? path("../../../../target/clients-venv");
const RUST = process.env.RUST_CLIENT ?? path("../../../../target/clients-rust/debug/rust-client");

export class Foreign {
  /** What the client has heard, as its driver tells it. */
  heard = new Journal();

  #child;
  #answers = new Journal();
  #orders = 0;
  #failure;

  /** Starts the driver of a Python client; `venv` is the one that its packages are in. */
  static python(t, venv, driver) {
    return new Foreign(t, `${VENVS}/${venv}/bin/python`, [path(`../python/${driver}.py`)]);
  }

  static rust(t) {
    return new Foreign(t, RUST, []);
  }

  constructor(t, command, args) {
    this.#child = new Child(command, args, { stdio: ["pipe", "pipe", "pipe"] });
    t.after(() => this.#child.stop("SIGKILL"));
    const passOn = this.#child.stdout.add.bind(this.#child.stdout);
    this.#child.stdout.add = (line) => {
      passOn(line);
      const said = JSON.parse(line);
      ("answer" in said || "failed" in said ? this.#answers : this.heard).add(said);
    };
    this.#failure = this.#child.exited.then(() => {
      throw new Error(`${this.#child.name} ended:\n${this.#child.output()}`);
    });
    this.#failure.catch(() => {});
  }

  /** Has an order performed; resolves with `{answer}` or `{failed}`. */
  async ask(what, fields = {}) {
    this.#orders += 1;
    const number = this.#orders;
    this.#child.process.stdin.write(`${JSON.stringify({ do: what, ...fields })}\n`);
    const enough = () => this.#answers.entries.length >= number;
    await this.#answers.first(`the answer to ${what} from ${this.#child.name}`, enough, 15_000, this.#failure);
    return this.#answers.entries[number - 1];
  }

  /** Has an order performed; fails unless it succeeds. */
  async does(what, fields) {
    const { answer, failed } = await this.ask(what, fields);
    if (failed !== undefined) throw new Error(`${what}: ${failed}`);
    return answer;
  }

  /** Resolves with the first thing heard that has these fields (compared as JSON). */
  hears(fields, ms = 10_000) {
    const matches = (said) => Object.entries(fields).every(([name, value]) => JSON.stringify(said[name]) === JSON.stringify(value));
    return this.heard.first(`${JSON.stringify(fields)} from ${this.#child.name}`, matches, ms, this.#failure);
  }

  /** The payloads of an event of a topic, in the order in which they came. */
  payloads(topic, event) {
    return this.heard.entries.filter((said) => said.topic === topic && said.event === event).map(({ payload }) => payload);
  }
}
