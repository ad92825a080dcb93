// docs/CLIENTS.md names the clients and versions that are installed and tested, and no others.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { VERSIONS } from "./support/client.mjs";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

const ROWS = read("../../../docs/CLIENTS.md")
  .split("\n")
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .filter((cells) => /^(npm|PyPI|crates\.io) `/.test(cells[1] ?? ""));

/** The clients that are installed, as `registry name version`. */
function installed() {
  const npm = Object.entries(JSON.parse(read("package.json")).dependencies).map(([name, version]) => {
    const [, of, at] = /^npm:([^@]+)@(.+)$/.exec(version) ?? [null, name, version];
    return ["npm", of, at];
  });
  const lists = readdirSync(new URL("python", import.meta.url)).filter((name) => name.endsWith(".txt"));
  const pypi = lists.flatMap((list) => read(`python/${list}`).match(/^[^#\s]+==\S+/gm)).map((line) => ["PyPI", ...line.split("==")]);
  const crates = [...read("rust/Cargo.toml").matchAll(/^(\S+) = "=(\S+)"$/gm)].map(([, name, version]) => ["crates.io", name, version]);
  return [...npm, ...pypi, ...crates].filter(([, name]) => /^(phoenix|phx|@supabase\/realtime|realtime$)/.test(name)).map((client) => client.join(" "));
}

test("the table has the clients and versions that are installed", () => {
  const listed = ROWS.flatMap(([, client, versions]) => {
    const [, registry, name] = /^(\S+) `([^`]+)`$/.exec(client);
    return versions.split(", ").map((version) => `${registry} ${name} ${version}`);
  });
  assert.deepEqual(listed.sort(), installed().sort());
  const phoenix = listed.filter((client) => client.startsWith("npm phoenix ")).map((client) => client.split(" ").at(-1));
  assert.deepEqual(phoenix.sort(), Object.keys(VERSIONS).sort());
});

test("the tests that it names exist, and speak of their client's version", () => {
  for (const cells of ROWS) {
    const files = cells.at(-2).match(/`[^`]+`/g).map((name) => name.slice(1, -1));
    const text = files.map((name) => {
      assert.ok(existsSync(new URL(`${name}.test.mjs`, import.meta.url)), name);
      return read(`${name}.test.mjs`);
    });
    if (cells[1] !== "npm `phoenix`") assert.ok(text.join("").includes(` ${cells[2]}`), `${cells[1]} ${cells[2]}`);
  }
});
