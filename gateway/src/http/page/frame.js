// Frames of protocol version 2: [join_ref, ref, topic, event, payload] as text. Bytes come in a form of their own.

/** What is sent: text. */
export function encode({ joinRef, ref, topic, event, payload }) {
  return JSON.stringify([joinRef, ref, topic, event, payload]);
}

/** What has come: text, or the `ArrayBuffer` of a binary frame. */
export function decode(data) {
  if (typeof data !== "string") return decodeBinary(data);
  const [joinRef, ref, topic, event, payload] = JSON.parse(data);
  return { joinRef, ref, topic, event, payload };
}

// Kind by kind, the strings before the payload; their lengths stand first, a byte each.
const BINARY = [
  ["joinRef", "topic", "event"],
  ["joinRef", "ref", "topic", "status"],
  ["topic", "event"],
];

function decodeBinary(data) {
  const bytes = new Uint8Array(data);
  const names = BINARY[bytes[0]];
  const frame = { joinRef: null, ref: null };
  let at = 1 + names.length;
  for (const [index, name] of names.entries()) {
    const end = at + bytes[1 + index];
    frame[name] = new TextDecoder().decode(bytes.subarray(at, end));
    at = end;
  }
  const { status, ...rest } = frame;
  const payload = bytes.slice(at);
  return status === undefined ? { ...rest, payload } : { ...rest, event: "phx_reply", payload: { status, response: payload } };
}

/** A payload as JSON; bytes are told, not shown. */
export function text(payload, indent) {
  const shown = (_key, value) => (value instanceof Uint8Array ? `${value.length} bytes` : value);
  return JSON.stringify(payload, shown, indent) ?? "";
}
