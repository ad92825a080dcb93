// The rules and the dashboard of the chart against a real Prometheus that scrapes real pods: silent while all is well, and
// each alert's expression true when its cause is made.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, describe, test } from "node:test";

import WebSocket from "ws";

import { answerToJoin, bareSocket, Client } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { freePort } from "./support/process.mjs";
import { Prometheus } from "./support/prometheus.mjs";
import { Redis } from "./support/redis.mjs";
import { scope } from "./support/scope.mjs";
import { within } from "./support/wait.mjs";

const ROOT = new URL("../../../", import.meta.url);
const KEY = "fedcba9876543210fedcba9876543210";
const AUTHORIZED = { authorization: `Bearer ${KEY}` };

const config = (nobody, more) => `
[socket]
check_origin = false
[auth]
required = false
hs256_secret = "0123456789abcdef0123456789abcdef"
${more}
[api]
keys = ["${KEY}"]
[[channel]]
topic = "room:*"
join = "open"
presence = true
[[channel]]
topic = "hook:*"
join = "webhook"
webhook = { url = "http://127.0.0.1:${nobody}/", secret = "0123456789abcdef", timeout = "1s" }
`;

/**
 * Nothing that the binary offers crashes a channel: that takes code of one's own. That a panic counts is shown in
 * gateway/tests/it, and that the alert follows from the count in gateway/tests/deploy.
 */
const MADE_ELSEWHERE = "GatewayChannelCrashes";

/** A token that is signed by a key that nobody knows. */
function foreignToken(kid) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const head = `${part({ alg: "HS256", typ: "JWT", kid })}.${part({ sub: "eve", exp: 4102444800 })}`;
  return `${head}.${createHmac("sha256", "f".repeat(32)).update(head).digest("base64url")}`;
}

/** Tries to connect; resolves with the socket, or with undefined when it was refused. */
function attempt(gateway, query = "") {
  const socket = new WebSocket(`${gateway.url}/websocket?vsn=2.0.0${query}`);
  return new Promise((resolve) => {
    socket.once("open", () => resolve(socket));
    socket.once("error", () => resolve(undefined));
  });
}

/** Opens so many at once. */
function crowd(gateway, count, query) {
  return Promise.all(Array.from({ length: count }, () => attempt(gateway, query)));
}

describe("monitoring", { concurrency: false }, () => {
  const t = scope();
  const made = new Set();
  let prometheus;
  let alerts;
  let redis;
  let files;
  let nobody;
  let ports;
  let a;
  let b;
  let alice;
  let room;

  /** Starts a pod under a name that Prometheus knows; resolves when it has been scraped. */
  async function start(name, file, through = []) {
    const args = ["--config", join(files, file)];
    const pod = await Gateway.start(t, { command: "serve", args, redis, internalPort: ports[name], through });
    await prometheus.until(`up{pod="${name}"} == 1`);
    return pod;
  }

  /** Resolves when the alert's expression is true; it was not, before. */
  async function fires(name, ms) {
    made.add(name);
    await prometheus.until(alerts.get(name), ms);
  }

  /** Pushes and changes presence until the slow ones among them, on a busy machine, are less than one in a hundred. */
  async function work() {
    const slow = ["GatewayBroadcastSlow", "GatewayPresenceSlow"].map((name) => alerts.get(name)).join(" or ");
    do {
      for (let n = 0; n < 20; n += 1) {
        assert.equal((await room.push("new_msg", { n })).status, "ok");
        assert.equal((await room.push("presence", { event: "update", payload: { n } })).status, "ok");
      }
    } while ((await prometheus.query(`(${slow})`)).length > 0);
  }

  before(async () => {
    files = await mkdtemp(join(tmpdir(), "gateway-monitoring-"));
    t.after(() => rm(files, { recursive: true }));
    nobody = await freePort();
    await writeFile(join(files, "pod.toml"), config(nobody, ""));
    const jwks = `jwks_url = "http://127.0.0.1:${nobody}/jwks"\n[limits]\nconnections = 45`;
    await writeFile(join(files, "troubled.toml"), config(nobody, jwks));
    redis = await Redis.start(t);
    const [portA, portB, portC] = [await freePort(), await freePort(), await freePort()];
    ports = { "gateway-a": portA, "gateway-b": portB, "gateway-c": portC };
    prometheus = await Prometheus.start(t, ports);
    [a, b] = await Promise.all([start("gateway-a", "pod.toml"), start("gateway-b", "pod.toml")]);
    const rules = await prometheus.rules();
    alerts = new Map(rules.filter((rule) => rule.type === "alerting").map((rule) => [rule.name, rule.query]));
    alice = await Client.connect(t, a);
    room = await alice.join("room:1");
    const bob = await (await Client.connect(t, b)).join("room:1");
    await within(30_000, "pushes that are as fast as they should be", work());
    await bob.received("new_msg", { n: 19 });
    await prometheus.until("sum(gateway_messages_delivered_total) >= 40");
  });

  test("while all is well no alert's expression is true", async () => {
    assert.ok(alerts.size > 15);
    for (const [name, expression] of alerts) {
      assert.deepEqual(await prometheus.query(expression), [], name);
    }
  });

  test("Prometheus evaluates all rules, and the recorded ones have values", async () => {
    await prometheus.until("namespace:gateway_broadcast_seconds:p99_5m");
    for (const rule of await prometheus.rules()) {
      assert.notEqual(rule.health, "err", `${rule.name}: ${rule.lastError}`);
      if (rule.type === "recording") {
        const [{ metric }] = await prometheus.until(rule.name);
        assert.equal(metric.namespace, "prod", rule.name);
      }
    }
  });

  test("promtool finds nothing to say about the metrics", async () => {
    const page = await (await a.get("/metrics")).text();
    assert.equal(prometheus.lint(page), "");
  });

  test("every panel of the dashboard shows something", async () => {
    const { panels } = JSON.parse(await readFile(new URL("helm/gateway/files/dashboard.json", ROOT), "utf8"));
    const values = { namespace: "prod", pod: "gateway-.*", __rate_interval: "1m" };
    for (const panel of panels) {
      for (const { expr } of panel.targets ?? []) {
        const expression = expr.replace(/\$(\w+)/g, (_, name) => values[name]);
        assert.ok((await prometheus.query(expression)).length > 0, `${panel.title}: ${expression}`);
      }
    }
  });

  test("the rule for prometheus-adapter gives the connections of each pod", async () => {
    const adapter = await readFile(new URL("k8s/prometheus-adapter/values.yaml", ROOT), "utf8");
    const [, series] = /seriesQuery: '(.*)'/.exec(adapter);
    const [, query] = /metricsQuery: '(.*)'/.exec(adapter);
    assert.equal((await prometheus.query(series)).length, 2);
    const expression = query
      .replace("<<.Series>>", "gateway_connections")
      .replace("<<.LabelMatchers>>", 'namespace="prod",pod=~"gateway-a|gateway-b"')
      .replace("<<.GroupBy>>", "pod");
    const found = (await prometheus.query(expression)).map(({ metric, value }) => [metric.pod, value[1]]);
    assert.deepEqual(found.sort(), [["gateway-a", "1"], ["gateway-b", "1"]]);
  });

  test("clients that are refused", async () => {
    const refused = Array.from({ length: 60 }, () => fetch(`http://${a.public}/socket/websocket`));
    assert.ok((await Promise.all(refused)).every(({ status }) => status >= 400));
    await fires("GatewayConnectsRefused");
    await crowd(a, 30, `&token=${foreignToken()}`);
    await fires("GatewayTokensRefused");
  });

  test("a pod that has all that it may, few descriptors, no way to the identity provider, and then dies", async () => {
    const c = await start("gateway-c", "troubled.toml", ["prlimit", "--nofile=80:80"]);
    await attempt(c, `&token=${foreignToken("new")}`);
    await fires("GatewayJwksFailing");
    const sockets = await crowd(c, 60);
    assert.ok(sockets.includes(undefined) && sockets.some((socket) => socket));
    await fires("GatewayFull");
    await fires("GatewayFileDescriptors");
    await c.stop("SIGKILL");
    await fires("GatewayTargetDown");
  });

  test("a crowd on one pod, which then falls off", async () => {
    const sockets = await crowd(a, 500);
    assert.ok(sockets.every((socket) => socket));
    await fires("GatewayUnbalanced");
    for (const socket of sockets) socket.terminate();
    await fires("GatewayDisconnects");
  });

  test("clients that do not read", async () => {
    const lazy = await Promise.all(Array.from({ length: 6 }, () => bareSocket(t, b)));
    for (const { socket, messages } of lazy) {
      socket.send(JSON.stringify(["1", "1", "room:flood", "phx_join", {}]));
      await messages.first("the reply to the join", (message) => message[3] === "phx_reply");
      socket._socket.pause();
    }
    const payload = { text: "x".repeat(200_000) };
    const flood = async () => {
      while ((await prometheus.query("sum(gateway_outbox_overflows_total) >= 6")).length === 0) {
        const sent = Array.from({ length: 5 }, () => b.post("/api/v1/broadcast", { topic: "room:flood", event: "e", payload }, AUTHORIZED));
        for (const { status } of await Promise.all(sent)) assert.equal(status, 202);
      }
    };
    await within(40_000, "all overflow", flood());
    await fires("GatewaySlowConsumers");
  });

  test("a webhook's back end that is not there", async () => {
    for (let n = 0; n < 6; n += 1) {
      assert.equal((await answerToJoin(alice, `hook:${n}`)).status, "error");
    }
    await fires("GatewayWebhookFailing");
    await fires("GatewayWebhookCircuitOpen");
  });

  test("what other programs publish wrongly", async () => {
    assert.equal(await redis.publish("gw:{room:1}:b", "no JSON"), 2);
    await fires("GatewayBroadcastsDropped");
  });

  test("a slow Redis", async () => {
    // However many were fast before.
    const both = `(${alerts.get("GatewayBroadcastSlow")}) and (${alerts.get("GatewayPresenceSlow")})`;
    const slowDown = async () => {
      for (let n = 0; (await prometheus.query(both)).length === 0; n += 1) {
        await redis.command("CLIENT", "PAUSE", "700", "ALL");
        const pushes = [room.push("slow", { n }), room.push("presence", { event: "update", payload: { slow: n } })];
        for (const { status } of await Promise.all(pushes)) assert.equal(status, "ok");
      }
    };
    await within(60_000, "slow broadcasts", slowDown());
    await fires("GatewayBroadcastSlow");
    await fires("GatewayPresenceSlow");
  });

  test("a Redis that goes, and comes back without its data, again and again", async () => {
    await redis.stop();
    await fires("GatewayRedisDown");
    const joins = Array.from({ length: 5 }, (_, n) => answerToJoin(alice, `room:new-${n}`));
    for (const { status } of await Promise.all(joins)) assert.equal(status, "error");
    await fires("GatewayJoinsUnavailable");
    for (let n = 0; n < 3; n += 1) {
      await redis.start();
      await prometheus.until('min(gateway_redis_up{pod=~"gateway-[ab]"}) == 1', 30_000);
      if (n < 2) await redis.stop();
      if (n < 2) await prometheus.until("max(gateway_redis_up) == 0");
    }
    await fires("GatewayRedisReconnecting");
  });

  test("pods that start again and again, and pods that are all gone", async () => {
    // Starts within the same second look like one.
    const again = async () => {
      while ((await prometheus.query(alerts.get("GatewayRestarting"))).length === 0) {
        await b.stop("SIGKILL");
        await prometheus.until('up{pod="gateway-b"} == 0');
        b = await start("gateway-b", "pod.toml");
      }
    };
    await within(40_000, "GatewayRestarting", again());
    await fires("GatewayRestarting");
    await Promise.all([a.stop("SIGKILL"), b.stop("SIGKILL")]);
    await fires("GatewayAbsent");
  });

  test("each alert has had its cause", () => {
    assert.deepEqual([...alerts.keys()].filter((name) => !made.has(name)), [MADE_ELSEWHERE]);
  });
});
