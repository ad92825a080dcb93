// The page of `gateway dev` in Chromium, as somebody uses it who has never seen it.

import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import { launch, open, says } from "./support/browser.mjs";
import { Gateway, run } from "./support/gateway.mjs";
import { scope } from "./support/scope.mjs";

const CONFIGURATION = `
[socket]
path = "/live"
[auth]
hs256_secret = "0123456789abcdef0123456789abcdef"
[[channel]]
topic = "*"
join = "granted"
presence = true
`;
const PHONE = { viewport: { width: 390, height: 844 } };

describe("the playground", () => {
  const all = scope();
  let browser, gateway, address;

  before(async () => {
    gateway = await Gateway.start(all);
    browser = await launch(all);
    address = `http://${gateway.public}/`;
  });

  /** A page whose clients have joined, that ends with the test, and must have had no complaint. */
  async function start(t, options = {}) {
    const { page, complaints } = await open(browser, address, options);
    t.after(() => page.close());
    for (const client of ["#first", "#second"]) await says(page, `${client} .topics`, /room:lobby\s*joined/);
    return { page, complaints };
  }

  const frames = (client) => `${client} [data-part=frames]`;
  const push = (page, client, payload) =>
    page.fill(`${client} [name=payload]`, payload).then(() => page.click(`${client} [data-part=push] button`));

  test("both clients connect and join; each sees the other's presence, latency and messages", async (t) => {
    const { page, complaints } = await start(t);
    for (const client of ["#first", "#second"]) {
      await says(page, `${client} .state`, /^Connected$/);
      await says(page, `${client} .topics`, /2 present\s*ann\s*bob/);
      await says(page, `${client} [data-part=latency]`, /^[\d.]+ ms$/);
    }
    await push(page, "#first", '{"text": "from the first"}');
    await says(page, "#first [data-part=answer]", /^ok \{\} in [\d.]+ ms$/);
    await says(page, frames("#second"), /new_msg\s*\{"text":"from the first"\}/);
    await push(page, "#second", '{"text": "and back"}');
    await says(page, frames("#first"), /new_msg\s*\{"text":"and back"\}/);

    await page.click("#second [data-part=toggle]");
    await says(page, "#second .state", /^Disconnected$/);
    await says(page, "#first .topics", /1 present\s+ann$/);
    await page.click("#second [data-part=toggle]");
    await says(page, "#first .topics", /2 present\s*ann\s*bob/);
    await says(page, "#second .topics", /2 present\s*ann\s*bob/);
    assert.deepEqual(complaints, []);
  });

  test("what is no JSON, or no object, is told and not sent", async (t) => {
    const { page, complaints } = await start(t);
    for (const [payload, told] of [
      ['{\n  "text": "Hi",\n}', /line 3, column 1: Expected double-quoted property name/],
      ['{"text": ', /line 1, column 10/],
      ["[1, 2]", /must be an object, .* not a list/],
      ["null", /must be an object, .* not null/],
      ["hello", /This is no JSON/],
    ]) {
      await push(page, "#first", payload);
      await says(page, "#first [data-part=push-error]", told);
      assert.equal(await page.getAttribute("#first [name=payload]", "aria-invalid"), "true");
      assert.ok(await page.$eval("#first [name=payload]", (field) => field === document.activeElement), "the field has the focus");
    }
    await page.fill("#first [data-part=join] [name=topic]", "room:2");
    await page.fill("#first [data-part=join] [name=params]", "{");
    await page.click("#first [data-part=join] button");
    await says(page, "#first [data-part=join-error]", /This is no JSON/);
    // Whatever was sent before this one would stand before it.
    await push(page, "#first", '{"text": "good"}');
    await says(page, frames("#first"), /"good"/);
    await says(page, "#first [data-part=push-error]", /^$/);
    const sent = await page.$$eval(`${frames("#first")} .sent .event`, (events) => events.map(({ textContent }) => textContent));
    assert.deepEqual(sent, ["new_msg", "phx_join"]);
    assert.deepEqual(complaints, []);
  });

  test("other topics are joined with params, pushed to, and left; an error reply is shown", async (t) => {
    const { page, complaints } = await start(t);
    await page.fill("#first [data-part=join] [name=topic]", "game:7");
    await page.fill("#first [data-part=join] [name=params]", '{"meta": {"team": "red"}}');
    await page.press("#first [data-part=join] [name=params]", "Enter");
    await says(page, "#first .topics", /game:7\s*joined.*1 present/s);
    await page.click('#first [aria-label="Present in game:7"] summary');
    await says(page, '#first [aria-label="Present in game:7"] pre', /"team": "red"/);

    await page.selectOption("#first [data-part=push] [name=topic]", "game:7");
    await page.fill("#first [data-part=push] [name=event]", "phx_mine");
    await push(page, "#first", "{}");
    await says(page, "#first [data-part=answer]", /^error \{"reason":"forbidden"\}/);
    await page.click('#first [aria-label="Leave: game:7"]');
    await says(page, frames("#first"), /phx_leave/);
    assert.equal(await page.$('#first [aria-label="Leave: game:7"]'), null);
    assert.deepEqual(complaints, []);
  });

  test("frames are filtered, opened, paused, cleared, and at most 500 of them are kept", async (t) => {
    const { page, complaints } = await start(t);
    const list = frames("#first");
    await push(page, "#first", '{"text": "needle", "deep": {"er": [1]}}');
    await says(page, list, /phx_reply.*"needle"/s);
    await page.selectOption("#first [name=direction]", "sent");
    await page.fill("#first [name=text]", "NEEDLE");
    await page.waitForFunction((list) => document.querySelectorAll(`${list} li`).length === 1, list);
    await page.click(`${list} summary`);
    await says(page, `${list} pre`, /\n {2}"deep": \{\n/);
    await page.selectOption("#first [name=direction]", "both");
    await page.fill("#first [name=text]", "");

    await page.click("#first [data-part=pause]");
    await push(page, "#second", '{"text": "while paused"}');
    await says(page, "#first [data-part=count]", /paused, [1-9]\d* waiting/);
    assert.doesNotMatch(await page.innerText(list), /while paused/);
    await page.click("#first [data-part=pause]");
    await says(page, list, /while paused/);
    await page.click("#first [data-part=clear]");
    await page.waitForFunction((list) => document.querySelector(list).children.length === 0, list);

    const messages = Array.from({ length: 600 }, (_, number) => ({ topic: "room:lobby", event: "tick", payload: { number } }));
    assert.equal((await gateway.post("/api/v1/broadcast/batch", { messages })).status, 202);
    await says(page, list, /"number":599\}/);
    await page.check("#first [name=heartbeats]");
    await says(page, "#first [data-part=count]", /^500$/);
    assert.equal(await page.$$eval(`${list} li`, ({ length }) => length), 500);
    assert.deepEqual(complaints, []);
  });

  test("all can be done with the keyboard", async (t) => {
    const { page, complaints } = await start(t);
    const named = () =>
      page.evaluate(() => {
        const { activeElement: element } = document;
        return element.getAttribute("aria-label") ?? element.labels?.[0]?.textContent.trim() ?? element.textContent.trim();
      });
    /** Presses Tab until the element with this name has the focus. */
    const tabTo = async (name) => {
      for (let presses = 0; presses < 40; presses += 1) {
        await page.keyboard.press("Tab");
        if (name.test(await named())) return;
      }
      assert.fail(`Tab does not reach ${name}`);
    };
    await tabTo(/^Disconnect$/);
    await page.keyboard.press("Enter");
    await says(page, "#first .state", /^Disconnected$/);
    await page.keyboard.press("Enter");
    await says(page, "#first .state", /^Connected$/);
    await tabTo(/^Connection/);
    await page.keyboard.press("Enter");
    await tabTo(/^Params/);
    await tabTo(/^Topic$/);
    await page.keyboard.type("room:keys");
    await page.keyboard.press("Enter");
    await says(page, "#first .topics", /room:keys\s*joined/);
    await tabTo(/^Topic/);
    await page.keyboard.press("ArrowDown");
    await tabTo(/^Payload/);
    await page.keyboard.press("Control+A");
    await page.keyboard.type('{"by": "keyboard"}');
    await page.keyboard.press("Control+Enter");
    await says(page, "#first [data-part=answer]", /^ok/);
    await says(page, frames("#first"), /room:keys\s*new_msg\s*\{"by":"keyboard"\}/);
    await tabTo(/^Pause$/);
    await tabTo(/^Frames of the first client$/);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForSelector(`${frames("#first")} details[open]`);
    // Whatever has the focus has a name, here and in the second client.
    for (let presses = 0; presses < 25; presses += 1) {
      assert.notEqual(await named(), "", await page.evaluate(() => document.activeElement.outerHTML));
      await page.keyboard.press("Tab");
    }
    assert.deepEqual(complaints, []);
  });

  for (const colorScheme of ["light", "dark"]) {
    test(`on a phone, ${colorScheme}, one client is shown at a time and nothing is too wide`, async (t) => {
      const { page, complaints } = await start(t, { ...PHONE, colorScheme });
      assert.deepEqual([await page.isVisible("#first"), await page.isVisible("#second")], [true, false]);
      await page.check("[value=second]");
      assert.deepEqual([await page.isVisible("#first"), await page.isVisible("#second")], [false, true]);
      await push(page, "#second", JSON.stringify({ text: "long ".repeat(200), word: "x".repeat(500) }));
      await says(page, "#second [data-part=answer]", /^ok/);
      await page.click("#second [data-part=frames] summary");
      for (const details of await page.$$("#second details:not([open])")) await details.evaluate((it) => (it.open = true));
      const [content, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= screen, `${content} px on a screen of ${screen} px`);
      assert.deepEqual(complaints, []);
    });
  }

  test("the gateway goes and comes back: both states are told, and the topics are joined again", async (t) => {
    const mortal = await Gateway.start(t);
    const { page } = await open(browser, `http://${mortal.public}/`);
    t.after(() => page.close());
    await says(page, "#first .topics", /joined/);
    await mortal.stop("SIGKILL");
    await says(page, "#first .state", /^Trying again \(refused or out of reach\)$/);
    await says(page, "#first .topics", /waits for the connection/);
    await Gateway.start(t, { port: Number(mortal.public.split(":")[1]) });
    await says(page, "#first .state", /^Connected$/);
    await says(page, "#first .topics", /joined\s+Leave\s+2 present/);
  });
});

test("the sockets of the configuration are offered; a token opens what asks for one", async (t) => {
  const file = join(tmpdir(), `playground-${process.pid}.toml`);
  t.after(() => rm(file));
  await writeFile(file, CONFIGURATION);
  const gateway = await Gateway.start(t, { args: ["--config", file] });
  const browser = await launch(t);
  const { page } = await open(browser, `http://${gateway.public}/`);
  assert.equal(await page.inputValue("#first [name=url]"), `ws://${gateway.public}/live`);
  await says(page, "#first .state", /^Trying again \(refused/);

  const token = await run(["token", "--config", file, "--sub", "carol", "--channel", "room:*"]).line(/\./);
  await page.click("#first .settings > summary");
  await page.fill("#first [name=token]", token);
  await page.click("#first [data-part=connection] button");
  await says(page, "#first .topics", /joined\s+Leave\s+1 present\s+carol/);
  await page.fill("#first [data-part=join] [name=topic]", "other:1");
  await page.click("#first [data-part=join] button");
  await says(page, "#first .topics", /refused: unauthorized/);
});
