// A real Postgres with data of its own on a port of its own. It refuses to run as root: then it runs as the user whom its
// package has made.

import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { Child, freePort } from "./process.mjs";
import { within } from "./wait.mjs";

const LIBRARY = "/usr/lib/postgresql";

function programs() {
  const newest = readdirSync(LIBRARY).sort((a, b) => Number(b) - Number(a))[0];
  return join(LIBRARY, newest, "bin");
}

function owner() {
  if (process.getuid() !== 0) return {};
  const { uid, gid } = statSync("/var/lib/postgresql");
  return { uid, gid };
}

export class Postgres {
  #child;

  /** Starts one with an empty database `gateway` that ends with the test (or with the `scope` of a `describe`). */
  static async start(t) {
    const postgres = new Postgres();
    postgres.folder = mkdtempSync(join(tmpdir(), "gateway-postgres-"));
    postgres.port = await freePort();
    postgres.url = `postgres://gateway:hunter2@127.0.0.1:${postgres.port}/gateway`;
    t.after(async () => {
      await postgres.stop();
      rmSync(postgres.folder, { recursive: true });
    });
    const password = join(postgres.folder, "password");
    writeFileSync(password, "hunter2");
    const { uid, gid } = owner();
    if (uid !== undefined) for (const path of [postgres.folder, password]) chownSync(path, uid, gid);
    chmodSync(postgres.folder, 0o700);
    const auth = ["--username=gateway", "--auth=scram-sha-256", `--pwfile=${password}`];
    const made = postgres.#run("initdb", [...auth, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", postgres.#data()]);
    const { code } = await made.exited;
    if (code !== 0) throw new Error(made.output());
    await postgres.start();
    await postgres.sql("CREATE DATABASE gateway", "postgres");
    return postgres;
  }

  /** Starts it again after a stop, with its data on the same port. */
  async start() {
    const settings = { listen_addresses: "127.0.0.1", unix_socket_directories: this.folder, fsync: "off", lc_messages: "C" };
    const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    this.#child = this.#run("postgres", ["-D", this.#data(), "-p", String(this.port), ...args]);
    const ready = (line) => line.includes("ready to accept connections");
    await this.#child.stderr.first("postgres is ready", ready, 20_000);
  }

  /** Ends it at once; connections to it break. */
  async stop() {
    await this.#child?.stop("SIGQUIT");
  }

  /** Runs SQL; resolves with what it prints. */
  async sql(text, database = "gateway") {
    const args = ["-h", "127.0.0.1", "-p", String(this.port), "-U", "gateway", "-d", database, "-qXAtc", text];
    const child = this.#run("psql", args, { PGPASSWORD: "hunter2" });
    const { code } = await within(10_000, text, child.exited);
    if (code !== 0) throw new Error(child.output());
    return child.stdout.entries.join("\n");
  }

  #data() {
    return join(this.folder, "data");
  }

  #run(program, args, env = {}) {
    return new Child(join(programs(), program), args, { ...owner(), cwd: this.folder, env: { ...process.env, ...env } });
  }
}
