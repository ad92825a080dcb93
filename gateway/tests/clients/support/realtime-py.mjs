// PyPI realtime, driven by `python/drive_realtime.py`.

import assert from "node:assert/strict";

import { Foreign } from "./foreign.mjs";
import { endpoint, token } from "./supabase.mjs";

/** The client, connected. */
export async function python(t, pod, user, { key = token(user), path } = {}) {
  const client = Foreign.python(t, "realtime", "drive_realtime");
  await client.does("connect", { url: endpoint(pod, path), key });
  return client;
}

/** A channel that is joined. */
export async function join(client, topic, options = {}) {
  await client.does("make", { topic, ...options });
  assert.equal(await client.does("subscribe", { topic }), "joined");
}

/** What the client heard in a topic. */
export const heard = (client) => client.heard.entries.flatMap(({ broadcast }) => broadcast ?? []);

export const hears = (client, event) => client.heard.first(event, ({ broadcast }) => broadcast?.event === event, 10_000);

/** What a client logs as an error: frames that it cannot read, among others. */
export const complaints = (client) => client.heard.entries.flatMap(({ complaint }) => complaint ?? []);
