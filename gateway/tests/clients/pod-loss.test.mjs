// A pod is killed, or told to stop.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { bareSocket, Client, VERSIONS } from "./support/client.mjs";
import { Gateway } from "./support/gateway.mjs";
import { freePort } from "./support/process.mjs";
import { within } from "./support/wait.mjs";

for (const version of Object.keys(VERSIONS)) {
  test(`phoenix.js ${version} comes back after its pod was killed and started again`, async (t) => {
    const port = await freePort();
    const killed = await Gateway.start(t, { port });
    const alice = await Client.connect(t, killed, { version });
    const room = await alice.join("room:phoenix");
    await killed.stop("SIGKILL");
    await alice.closed.count("the socket falls", 1);

    await Gateway.start(t, { port });
    await alice.opened.count("the socket opens again", 2, 10_000);
    await room.joins.count("rejoin", 2, 10_000);
    assert.deepEqual(await room.push("new_msg", { n: 1 }), { status: "ok", response: {} });
    assert.deepEqual(room.events.entries, [{ event: "new_msg", payload: { n: 1 } }]);
  });
}

describe("an orderly stop", () => {
  for (const signal of ["SIGTERM", "SIGINT"]) {
    test(`${signal} closes sockets with 1012 and ends with exit code 0`, async (t) => {
      const gateway = await Gateway.start(t);
      const joined = await bareSocket(t, gateway);
      joined.socket.send('["1","1","room:stop","phx_join",{}]');
      await joined.messages.first("join", ([, , topic, event]) => topic === "room:stop" && event === "phx_reply");
      const idle = await bareSocket(t, gateway);

      const ended = await gateway.stop(signal);
      for (const { closed } of [joined, idle]) assert.equal((await within(5_000, "close", closed)).code, 1012);
      assert.deepEqual(ended, { code: 0, signal: null });
    });
  }
});
