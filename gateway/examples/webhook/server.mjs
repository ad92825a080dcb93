// A back end for `join = "webhook"`, without dependencies: WEBHOOK_SECRET=… PORT=8080 node server.mjs
// It lets people with a name into support:*, shows them to each other, and passes on what they say.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const SECRET = process.env.WEBHOOK_SECRET;
const TOLERANCE = 5 * 60; // seconds that a request may be old: nobody can send an older one again

function isGenuine(headers, body) {
  const age = Math.abs(Date.now() / 1000 - Number(headers["webhook-timestamp"]));
  const signed = `${headers["webhook-id"]}.${headers["webhook-timestamp"]}.${body}`;
  const expected = Buffer.from(`v1,${createHmac("sha256", SECRET).update(signed).digest("base64")}`);
  const given = Buffer.from(headers["webhook-signature"] ?? "");
  return age < TOLERANCE && given.length === expected.length && timingSafeEqual(given, expected);
}

const decide = {
  join({ params, socket }) {
    const name = params.name?.trim();
    if (!name) return { error: { reason: "a name is needed" } };
    return {
      ok: { you_are: name },
      assigns: { name, sent: 0 },
      presence: { key: name, meta: { socket: socket.uuid } },
      broadcast: [{ event: "entered", payload: { name }, to: "others" }],
    };
  },
  event({ event, payload, assigns }) {
    if (event === "close") return { ok: {}, stop: true };
    if (!payload.text) return { error: { errors: { text: "can't be blank" } } };
    const { name, sent } = assigns;
    return {
      ok: { sent: sent + 1 },
      assigns: { name, sent: sent + 1 },
      broadcast: [{ event: "message", payload: { name, text: payload.text } }],
    };
  },
  leave({ assigns, reason }) {
    console.log(`${assigns?.name} is gone: ${reason}`);
    return {};
  },
};

const server = createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  if (!isGenuine(request.headers, body)) return response.writeHead(401).end();
  const message = JSON.parse(body);
  response.setHeader("content-type", "application/json").end(JSON.stringify(decide[message.type](message)));
});
server.listen(process.env.PORT ?? 8080, "127.0.0.1", () => console.log(`listening on port ${server.address().port}`));
