// Child processes that never outlive the tests.

import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

import { Journal, within } from "./wait.mjs";

const running = new Set();
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")));
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));

/** A started program; its output is kept line by line. */
export class Child {
  stdout = new Journal();
  stderr = new Journal();

  constructor(command, args, options = {}) {
    this.name = `${command} ${args.join(" ")}`;
    this.process = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    running.add(this.process);
    createInterface({ input: this.process.stdout }).on("line", (line) => this.stdout.add(line));
    createInterface({ input: this.process.stderr }).on("line", (line) => this.stderr.add(line));
    this.exited = new Promise((resolve, reject) => {
      this.process.once("error", (error) => {
        running.delete(this.process);
        reject(error);
      });
      // "close" comes after the last output, "exit" may come before it.
      this.process.once("close", (code, signal) => {
        running.delete(this.process);
        resolve({ code, signal });
      });
    });
    // Whoever waits for the end gets the error; nobody has to.
    this.exited.catch(() => {});
  }

  /** The first line on stdout that matches; fails at once, with what was printed, when the program ends before. */
  async line(pattern, ms = 10_000) {
    const ended = this.exited.then(({ code, signal }) => {
      throw new Error(`${this.name} ended (${code ?? signal}):\n${this.output()}`);
    });
    ended.catch(() => {});
    return this.stdout.first(`${pattern} from ${this.name}`, (line) => pattern.test(line), ms, ended);
  }

  /** Sends a signal and waits for the end. */
  async stop(signal = "SIGTERM", ms = 10_000) {
    if (running.has(this.process)) this.process.kill(signal);
    return within(ms, `end of ${this.name} after ${signal}`, this.exited);
  }

  output() {
    return [...this.stdout.entries, ...this.stderr.entries].slice(-40).join("\n");
  }
}

/** A port below the range from which the kernel picks, so that nothing takes it while its owner is down. */
export async function freePort() {
  for (;;) {
    const port = 10_240 + Math.floor(Math.random() * (22_768 - 10_240));
    const free = await new Promise((resolve) => {
      const probe = createServer().once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
    });
    if (free) return port;
  }
}
