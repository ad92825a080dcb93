// docs/openapi/webhooks.json as a judge of what goes over the wire.

import { readFileSync } from "node:fs";

import Ajv from "ajv/dist/2020.js";

const document = JSON.parse(readFileSync(new URL("../../../../docs/openapi/webhooks.json", import.meta.url), "utf8"));

const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema(document, "webhooks");

function judge(name, value) {
  const validate = ajv.getSchema(`webhooks#/components/schemas/${name}`);
  return validate(value) ? undefined : `${name}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`;
}

/** What is wrong with the body of a request. */
export function wrongRequest(body) {
  const name = { join: "JoinRequest", event: "EventRequest", leave: "LeaveRequest" }[body.type];
  return name ? judge(name, body) : `unknown type ${body.type}`;
}

/** What is wrong with an answer to a request of a type. */
export function wrongAnswer(type, body) {
  return judge({ join: "JoinAnswer", event: "EventAnswer" }[type], body);
}

/** The kinds of request that the document knows. */
export const kinds = Object.keys(document.webhooks);
