// The first page of README.md: its snippet works in a browser exactly as it stands there.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { test } from "node:test";

import { launch } from "./support/browser.mjs";
import { Gateway } from "./support/gateway.mjs";

test("two pages made of README's snippet see each other's messages", async (t) => {
  const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
  const [, snippet] = /```html\n([\s\S]*?)```/.exec(readme) ?? [];
  assert.ok(snippet, "README.md has a html snippet");
  assert.ok(snippet.trimEnd().split("\n").length <= 10, "of at most ten lines");

  const gateway = await Gateway.start(t);
  // As README says: from a web server of this machine.
  const server = createServer((_request, response) => response.setHeader("content-type", "text/html").end(snippet));
  await once(server.listen(0, "127.0.0.1"), "listening");
  t.after(() => server.close().closeAllConnections());
  const url = `http://127.0.0.1:${server.address().port}/chat.html`;

  // The snippet names the default port; the browser is told where that is today.
  const address = /"ws:\/\/([^/"]+)\/socket"/.exec(snippet)?.[1];
  const browser = await launch(t, [`--host-resolver-rules=MAP ${address} ${gateway.public}`]);

  const open = async () => {
    const page = await browser.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
    await page.route(/^https:/, serveFromNpm);
    await page.goto(url);
    await page.waitForFunction(() => document.querySelector("#log").textContent.includes("joined"), null, { timeout: 10_000 });
    return { page, errors };
  };
  const pages = [await open(), await open()];
  for (const [number, { page }] of pages.entries()) {
    await page.fill("#text", `hello from page ${number}`);
    await page.press("#text", "Enter");
    for (const { page } of pages) {
      const shown = (text) => document.querySelector("#log").textContent.includes(text);
      await page.waitForFunction(shown, `hello from page ${number}`, { timeout: 10_000 });
    }
  }
  for (const { errors } of pages) assert.deepEqual(errors, []);
});

/** Answers for the CDN with the files of the same package and version. */
async function serveFromNpm(route) {
  const [, version, path] = /^https:\/\/cdn\.jsdelivr\.net\/npm\/phoenix@([^/]+)\/(.+)$/.exec(route.request().url()) ?? [];
  const folder = new URL("node_modules/phoenix/", import.meta.url);
  const installed = JSON.parse(await readFile(new URL("package.json", folder), "utf8")).version;
  if (version !== installed) return route.abort();
  return route.fulfill({
    body: await readFile(new URL(path, folder)),
    contentType: "application/javascript",
    headers: { "access-control-allow-origin": "*" },
  });
}
