// The example `donations` on two pods, in Chromium: tabs on different pods are one audience, and survive their pod.

import assert from "node:assert/strict";
import { before, describe, test } from "node:test";

import { launch, open, says } from "./support/browser.mjs";
import { Client } from "./support/client.mjs";
import { Example, QUICK_LEASE } from "./support/example.mjs";
import { Postgres } from "./support/postgres.mjs";
import { Failover } from "./support/failover.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";
import { eventually } from "./support/wait.mjs";

const REFRESH_SECONDS = 2;

describe("donations on two pods", () => {
  const all = scope();
  let browser, pods, tabs;

  before(async () => {
    const [redis, postgres] = await Promise.all([Redis.start(all), Postgres.start(all)]);
    const env = {
      DATABASE_URL: postgres.url,
      DONATIONS_ADMINS: "siti:secret-of-siti",
      DONATIONS_REFRESH_SECONDS: String(REFRESH_SECONDS),
      ...QUICK_LEASE,
    };
    // At once, so that both find an empty database.
    pods = await Promise.all([1, 2].map(() => Example.start(all, "donations", { redis, env })));
    browser = await launch(all);
    tabs = {
      ann: await watch("ann", [pods[0], pods[1]]),
      bob: await watch("bob", [pods[1], pods[0]]),
    };
  });

  /** A donor's tab that is served by the first of these pods that lives. */
  async function watch(name, pods) {
    const proxy = await Failover.start(all, pods);
    const { page, complaints } = await open(browser, proxy.url);
    await page.fill("#name", name);
    await page.click("#watch button");
    await says(page, "#connection", /^connected$/);
    return { page, complaints, proxy };
  }

  const give = async ({ page }, amount) => {
    await page.fill("#amount", amount);
    await page.click("#give button");
  };

  test("two tabs on different pods see each other's presence and donations", async () => {
    assert.deepEqual([...new Set(tabs.ann.proxy.chosen)], [pods[0].public]);
    assert.deepEqual([...new Set(tabs.bob.proxy.chosen)], [pods[1].public]);
    for (const { page } of Object.values(tabs)) await says(page, "#people", /^ann, since \S+.*\nbob, since \S+.*$/);
    await give(tabs.ann, "150000");
    await give(tabs.bob, "250000");
    for (const { page } of Object.values(tabs)) {
      await says(page, "#log", /ann gave IDR\s150,000/);
      await says(page, "#log", /bob gave IDR\s250,000/);
      await says(page, "#raised", /^IDR\s400,000$/);
      await says(page, "#donors", /^2$/);
    }
  });

  test("what cannot be given is told to the donor, and nobody else", async () => {
    await give(tabs.ann, "-5");
    await says(tabs.ann.page, "#problem", /^amount must be a positive whole number of rupiah/);
    await give(tabs.ann, "1.5");
    await says(tabs.ann.page, "#problem", /^amount must be/);
    await give(tabs.ann, "1000");
    await says(tabs.bob.page, "#raised", /^IDR\s401,000$/);
    await says(tabs.ann.page, "#problem", /^$/);
  });

  test("an admin sees donors of both pods and the bank, and asks for figures that only this admin gets", async (t) => {
    const proxy = await Failover.start(t, [pods[1]]);
    const { page, complaints } = await open(browser, proxy.url);
    t.after(() => page.close());
    await page.fill("#token", "guessed");
    await page.click("#open button");
    await says(page, "#not-opened", /^unauthorized$/);
    await says(page, "#connection", /^refused: unauthorized$/);
    await page.fill("#token", "secret-of-siti");
    await page.click("#open button");
    await says(page, "#total", /^IDR\s401,000$/);
    await says(page, "#people", /^siti, admin, since/);
    await says(page, "#recent", /bob gave IDR\s250,000 to campaign 1/);

    await tabs.ann.page.fill("#amount", "99000");
    await tabs.ann.page.click("#bank");
    for (const tab of Object.values(tabs)) await says(tab.page, "#log", /ann gave IDR\s99,000 by bank transfer/);
    await says(page, "#recent", /ann gave IDR\s99,000 to campaign 1 by bank transfer/);
    await says(page, "#total", /^IDR\s500,000$/);
    await page.click("#ask button");
    await says(page, "#answer", /^Campaign 1: IDR\s500,000 of IDR\s50,000,000 by 4 donations$/);
    assert.deepEqual(complaints, []);
  });

  test("a refresh comes once per period, though both pods make it", async (t) => {
    const rooms = await Promise.all(
      pods.map(async (pod) => (await Client.connect(t, pod)).join("campaign:2", { user_id: "counter" })),
    );
    const refreshes = async ({ events }) => {
      // Enough of them for two in one period to be seen.
      await events.first("four refreshes", () => events.entries.filter(isRefresh).length >= 4, 20_000);
      return events.entries.filter(isRefresh).map(({ payload }) => payload);
    };
    const isRefresh = ({ event }) => event === "campaign_refreshed";
    const [here, there] = await Promise.all(rooms.map(refreshes));
    const turns = here.map(({ timestamp }) => Math.floor(Date.parse(timestamp) / (REFRESH_SECONDS * 1_000)));
    assert.equal(new Set(turns).size, turns.length, `turns ${turns}`);
    const both = (payloads) => payloads.map(({ timestamp }) => timestamp).slice(-3);
    const common = both(here).filter((timestamp) => both(there).includes(timestamp));
    assert.ok(common.length >= 2, `${both(here)} on one pod, ${both(there)} on the other`);
    const { timestamp: _, ...totals } = here.at(-1);
    assert.deepEqual(totals, { campaign_id: "2", raised: 0, goal: 20_000_000, donors: 0 });
  });

  test("when a pod is killed its tab moves to the other, and lists and totals are right again", async () => {
    for (const { complaints } of Object.values(tabs)) assert.deepEqual(complaints, []);
    const metas = async () => (await pods[1].presence("campaign:1")).ann?.metas ?? [];
    const [{ phx_ref: dead }] = await metas();
    await pods[0].stop("SIGKILL");
    // Until the dead pod's lease ends, ann is there twice.
    await eventually(20_000, "ann is there once, by the other pod", async () => {
      const refs = (await metas()).map(({ phx_ref }) => phx_ref);
      return refs.length === 1 && refs[0] !== dead;
    });
    assert.equal(tabs.ann.proxy.chosen.at(-1), pods[1].public);
    await says(tabs.ann.page, "#connection", /^connected$/);
    for (const { page } of Object.values(tabs)) await says(page, "#people", /^ann, since [^×\n]+\nbob, since [^×\n]+$/);
    await give(tabs.bob, "7000");
    await says(tabs.ann.page, "#log", /bob gave IDR\s7,000/);
    await give(tabs.ann, "3000");
    for (const { page } of Object.values(tabs)) await says(page, "#raised", /^IDR\s510,000$/);
  });
});

test("totals that a page has counted wrongly are the server's a moment later, and so are those of the dashboard", async (t) => {
  const pod = await Example.start(t, "donations", { env: { DONATIONS_REFRESH_SECONDS: "86400" } });
  const browser = await launch(t);
  const { page: ann, complaints } = await open(browser, `http://${pod.public}/`);
  await ann.fill("#name", "ann");
  await ann.click("#watch button");
  await says(ann, "#goal", /50,000,000/);
  const { page: admin } = await open(browser, `http://${pod.public}/`);
  await admin.fill("#token", "admin-token");
  await admin.click("#open button");
  await says(admin, "#total", /^IDR\s0$/);

  // As when a page joins while somebody gives: told, but not in the totals, or twice in them.
  await pod.broadcast("campaign:1", "donation_received", { amount: 5_000, donor: "Budi", timestamp: new Date().toISOString() });
  await says(ann, "#log", /Budi gave IDR\s5,000/);
  await says(ann, "#raised", /^IDR\s0$/);
  await says(ann, "#donors", /^0$/);

  const bob = await (await Client.connect(t, pod)).join("campaign:1", { user_id: "bob" });
  await bob.push("update_campaign", { raised: 70_000 });
  await says(ann, "#raised", /^IDR\s70,000$/);
  await says(admin, "#total", /^IDR\s70,000$/);
  assert.deepEqual(complaints, []);
});
