// Three pods, one Redis, and clients that come, go and change at random while one pod is killed and another restarted.
//
// `make test` runs it short, `make churn` with 300 clients for a minute. CHURN_SEED repeats what the clients decide; when
// each packet arrives is not decided here, so no two runs are the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { Balancer } from "./support/balancer.mjs";
import { Gateway } from "./support/gateway.mjs";
import { Redis } from "./support/redis.mjs";
import { canonical, entries } from "./support/replica.mjs";
import { Visitor } from "./support/visitor.mjs";
import { Signal } from "./support/wait.mjs";

const CLIENTS = Number(process.env.CHURN_CLIENTS ?? 48);
const SECONDS = Number(process.env.CHURN_SECONDS ?? 8);
const SEED = Number(process.env.CHURN_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** The longest pause between two deeds of a client. */
const REST = CLIENTS > 100 ? 6_000 : 1_500;
/** In a crowd, changes are gathered for longer: each diff goes to all. */
const COALESCE = CLIENTS > 100 ? 200 : 20;

const HEARTBEAT = 1_000;
const LEASE = 2_000;
/** What a slow machine may add to a bound. */
const SLACK = 3_000;
/** How long it may take until all agree: a lease and a heartbeat for what is left of the pods, and the slack. */
const AGREED = LEASE + HEARTBEAT + SLACK + 10_000;

const TOPIC = "room:churn";

/** How often each pod's clients are shown, over all lists, and since when they are not any more. */
class Traces {
  gone = new Map();
  changed = new Signal();
  #shown = new Map();

  came({ at }) {
    this.#shown.set(at, this.count(at) + 1);
  }

  left({ at }) {
    this.#shown.set(at, this.count(at) - 1);
    if (this.count(at) > 0) return;
    this.gone.set(at, Date.now());
    this.changed.fire();
  }

  count(at) {
    return this.#shown.get(at) ?? 0;
  }

  /** Resolves when no list shows a client of this pod. */
  async without(at, ms) {
    await this.changed.until(ms, () => `${at} forgotten (${this.count(at)} are shown)`, () => this.count(at) === 0 || undefined);
  }
}

/** What is awaited of a topic in which nobody does anything any more. */
class Crowd {
  faults = [];
  traces = new Traces();
  balancer = new Balancer();

  constructor(count) {
    const create = (number) =>
      new Visitor(this.balancer, {
        number,
        user: `user ${Math.floor(number / 1.5)}`,
        topic: TOPIC,
        seed: SEED + number,
        shows: CLIENTS <= 100 || number % 5 === 0,
        faults: this.faults,
        watch: { came: (meta) => this.traces.came(meta), gone: (meta) => this.traces.left(meta) },
      });
    this.visitors = Array.from({ length: count }, (_, index) => create(index + 1));
  }

  get present() {
    return this.visitors.filter((visitor) => visitor.here);
  }

  /** Resolves when the lists of all clients show what is true. */
  async agree() {
    await Promise.all(this.visitors.map((visitor) => visitor.settled()));
    const truth = new Map(this.visitors.filter(({ truth }) => truth).map((visitor) => [visitor.name, visitor]));
    await Promise.all(
      this.present.map(({ name, replica }) => {
        const what = () => `${name} shows what is true: ${difference(replica, truth)}`;
        const agrees = () => replica.held.size === truth.size && [...replica.held.values()].every((entry) => isTrue(entry, truth));
        return replica.changed.until(AGREED, what, () => agrees() || undefined);
      }),
    );
  }
}

function isTrue({ key, meta }, truth) {
  const visitor = truth.get(meta.client);
  return visitor?.user === key && visitor.truth.change === meta.change && visitor.truth.at === meta.at;
}

function difference({ held }, truth) {
  const lies = [...held.values()].filter((entry) => !isTrue(entry, truth));
  const shown = new Set([...held.values()].map(({ meta }) => meta.client));
  const lacking = [...truth.values()].filter(({ name }) => !shown.has(name)).map(({ truth }) => truth);
  return `not true: ${JSON.stringify(lies)}; lacking: ${JSON.stringify(lacking)}`;
}

test(`${CLIENTS} clients of three pods churn for ${SECONDS} s, one pod is killed and another restarted`, async (t) => {
  // Printed at once: a run that hangs tells it, too.
  console.log(`CHURN_SEED=${SEED}`);
  const redis = await Redis.start(t);
  const env = {
    GATEWAY_PRESENCE__HEARTBEAT: `${HEARTBEAT}ms`,
    GATEWAY_PRESENCE__LEASE: `${LEASE}ms`,
    GATEWAY_PRESENCE__COALESCE: `${COALESCE}ms`,
  };
  const start = () => Gateway.start(t, { redis, env });
  const [killed, restarted, steady] = await Promise.all([start(), start(), start()]);
  const crowd = new Crowd(CLIENTS);
  const [killedName, restartedName] = [killed, restarted, steady].map((pod) => crowd.balancer.add(pod));
  t.after(() => Promise.all(crowd.visitors.map((visitor) => visitor.quit())));

  await Promise.all(crowd.visitors.map((visitor) => visitor.come()));
  await crowd.agree();
  const began = Date.now();
  const end = began + SECONDS * 1_000;
  const lives = crowd.visitors.map((visitor) => visitor.live(end, REST));
  const disasters = (async () => {
    await pause(SECONDS * 250);
    assert.ok(crowd.traces.count(killedName) > 0, "somebody is on the pod that is killed");
    crowd.balancer.remove(killedName);
    await killed.stop("SIGKILL");
    const killedAt = Date.now();

    await pause(began + SECONDS * 500 - Date.now());
    assert.ok(crowd.traces.count(restartedName) > 0, "somebody is on the pod that is stopped");
    crowd.balancer.remove(restartedName);
    assert.deepEqual(await restarted.stop("SIGTERM"), { code: 0, signal: null });
    const stoppedAt = Date.now();
    const again = await start();
    crowd.balancer.add(again);
    return { killedAt, stoppedAt, pods: [again, steady] };
  })();
  const [{ killedAt, stoppedAt, pods }] = await Promise.all([disasters, ...lives]);

  await Promise.all([killedName, restartedName].map((name) => crowd.traces.without(name, AGREED)));
  await crowd.agree();
  // One more change of each who is there: nobody is deaf, and what comes late comes before it.
  await Promise.all(crowd.present.map((visitor) => visitor.update()));
  await crowd.agree();
  assert.deepEqual(crowd.faults, []);

  const lists = crowd.present.map((visitor) => canonical(visitor.replica.held.values()));
  const hash = canonical(await redis.presence(TOPIC));
  for (const [index, list] of lists.entries()) {
    assert.deepEqual(list, hash, `${crowd.present[index].name} shows what Redis holds`);
    const listed = crowd.present[index].listed();
    if (listed) assert.deepEqual(canonical(listed), hash, "and so does phoenix.js");
  }
  for (const pod of pods) {
    assert.deepEqual(canonical(entries(await pod.presence(TOPIC))), hash, "and what each pod tells");
  }

  const ghosts = crowd.traces.gone.get(killedName) - killedAt;
  const leaving = crowd.traces.gone.get(restartedName) - stoppedAt;
  t.diagnostic(`${hash.length} metas in ${lists.length} lists; ghosts of the killed pod for ${ghosts} ms, of the stopped one for ${leaving} ms`);
  assert.ok(ghosts <= LEASE + HEARTBEAT + SLACK, `ghosts of the killed pod for ${ghosts} ms`);
  assert.ok(leaving <= SLACK, `ghosts of the stopped pod for ${leaving} ms`);
});
