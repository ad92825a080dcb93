// Three pods behind HAProxy are restarted one after the other, while clients listen and somebody speaks all the time.
//
// `make test` runs it with 60 clients, `make rolling` with 2,000. The topics have a history and clients ask for what they missed, so
// nothing may be lost nor come twice. With ROLLING_RECOVER=0 they have none: nothing may be lost within a membership.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { HAProxy } from "./support/haproxy.mjs";
import { Redis } from "./support/redis.mjs";
import { histogram, Place, Riders, Speaker } from "./support/rolling.mjs";

const CLIENTS = Number(process.env.ROLLING_CLIENTS ?? 60);
const RECOVER = process.env.ROLLING_RECOVER !== "0";

const PODS = 3;
const LARGE = CLIENTS > 200;
const ROOM = LARGE ? 50 : 20;
const PER_SECOND = 50;
const BATCH = LARGE ? 10 : 4;
const INTERVAL = 100;
const DELAY = LARGE ? 2_000 : 500;
/** For how long who left may be away without a diff. */
const GRACE = LARGE ? 20_000 : 8_000;
/** How long it may take until everybody is back, on a slow machine. */
const BACK = LARGE ? 60_000 : 20_000;

/** One pattern for all, with history if that is to be tried. */
async function config(t) {
  const folder = await mkdtemp(join(tmpdir(), "gateway-rolling-"));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "gateway.toml");
  const history = RECOVER ? 'history = { size = 5000, ttl = "10m" }\n' : "";
  await writeFile(file, `[[channel]]\ntopic = "*"\njoin = "open"\npresence = true\n${history}`);
  return file;
}

test(`${PODS} pods are restarted one by one under ${CLIENTS} clients: nobody flaps, nothing is lost or comes twice`, async (t) => {
  const [redis, file] = [await Redis.start(t), await config(t)];
  const env = {
    GATEWAY_DRAIN__DELAY: `${DELAY}ms`,
    GATEWAY_DRAIN__BATCH: String(BATCH),
    GATEWAY_DRAIN__INTERVAL: `${INTERVAL}ms`,
    GATEWAY_PRESENCE__LEAVE_GRACE: `${GRACE}ms`,
  };
  const options = { redis, env, args: ["--config", file] };
  const places = await Promise.all(Array.from({ length: PODS }, (_, index) => Place.create(t, `pod${index}`, options)));
  const proxy = await HAProxy.start(t, places);
  const rooms = CLIENTS / ROOM;
  const riders = new Riders(t, { count: CLIENTS, each: 500, url: proxy.url, rooms, recover: RECOVER });
  await riders.come();
  await riders.settled(BACK);
  await riders.watch();
  const speaker = new Speaker(places, { rooms, perSecond: PER_SECOND });

  const restarts = [];
  for (const place of places) {
    const begun = Date.now();
    assert.deepEqual(await place.stop(60_000), { code: 0, signal: null });
    const stopped = Date.now();
    await place.start();
    await proxy.up(place.name);
    await riders.settled(BACK);
    restarts.push({ name: place.name, begun, stopped, over: Date.now() });
  }
  await speaker.stop();
  await riders.hears(speaker.last, BACK);

  const report = await riders.report();
  for (const restart of restarts) checkSpread(t, restart, report);
  assert.deepEqual(report.flatMap(({ faults }) => faults).slice(0, 20), []);
  for (const { name, closed, opened, joins, failures } of report) {
    assert.ok(closed.every(({ code }) => code === 1012), `${name} is closed with 1012 only: ${JSON.stringify(closed)}`);
    assert.ok(closed.length <= PODS, `${name} is sent away once by each pod at most, and not ${closed.length} times`);
    assert.deepEqual([opened.length, joins], [closed.length, closed.length], `${name} comes back at once`);
    assert.equal(failures, 0, `${name} sees no error`);
  }
  const said = Object.values(speaker.last).reduce((sum, n) => sum + n, 0);
  const moved = report.reduce((sum, { closed }) => sum + closed.length, 0);
  t.diagnostic(`${said} messages to ${rooms} rooms, ${moved} reconnects, no fault`);
});

/** Who was on the pod comes back little by little. */
function checkSpread(t, { name, begun, stopped, over }, report) {
  const during = (times) => times.filter((at) => at >= begun && at < over).map((at) => at - begun);
  const closed = during(report.flatMap(({ closed }) => closed.map(({ at }) => at))).sort((one, other) => one - other);
  const opened = during(report.flatMap(({ opened }) => opened));
  t.diagnostic(`${name} took ${stopped - begun} ms to stop; ${opened.length} reconnects by the time since the signal:`);
  for (const line of histogram(opened, LARGE ? 500 : 100)) t.diagnostic(line);
  assert.ok(closed.length >= CLIENTS / PODS / 2, `${closed.length} clients were on ${name}`);
  assert.ok(closed[0] >= DELAY - 100, `the first is closed after ${closed[0]} ms`);
  // A pause between two batches is a quarter shorter at most; the clocks of processes and their delays take some, too.
  const least = (Math.ceil(closed.length / BATCH) - 1) * INTERVAL * 0.75 * 0.8;
  const span = closed.at(-1) - closed[0];
  assert.ok(span >= least, `${closed.length} are closed within ${span} ms, expected at least ${least}`);
}
