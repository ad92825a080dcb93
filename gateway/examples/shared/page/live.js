// What the pages of the examples share: the socket with its state shown, presence lists, and lines in a log.

import { Presence, Socket } from "/phoenix.mjs";

export const byId = (id) => document.getElementById(id);

/** The socket whose state is shown. */
let current;

function show(state, text) {
  byId("connection").dataset.state = state;
  byId("connection").textContent = text;
}

/** Connects to the gateway that served the page. `options` are those of phoenix.js. The state is shown in `#connection`. */
export function connect(options) {
  // One that never got through, as a name that is refused, would go on trying.
  current?.disconnect();
  const socket = new Socket("/socket", options);
  current = socket;
  const tell = (state, text) => socket === current && show(state, text);
  show("connecting", "connecting");
  socket.onOpen(() => tell("connected", "connected"));
  socket.onClose(() => tell("offline", "offline, trying again"));
  socket.connect();
  return socket;
}

/** Ends a connection whose join was refused: phoenix.js would try again for ever, with the same params. */
export function refused(socket, reason) {
  if (socket !== current) return;
  current = undefined;
  socket.disconnect();
  show("offline", `refused: ${reason}`);
}

/** Keeps a list of who is present in a channel; `describe` makes the text for a key and its metas. */
export function showPresence(channel, list, describe) {
  const presence = new Presence(channel);
  presence.onSync(() => fill(list, presence.list((key, { metas }) => describe(key, metas))));
  return presence;
}

/** Replaces the lines of a list. */
export function fill(list, lines) {
  list.replaceChildren(...lines.map(line));
}

/** Appends a line to a log, and shows it; the oldest of more than 200 go. */
export function append(log, text) {
  log.append(line(text));
  while (log.children.length > 200) log.firstElementChild.remove();
  log.scrollTop = log.scrollHeight;
}

function line(text) {
  const item = document.createElement("li");
  // Text, never HTML: it comes from others.
  item.textContent = text;
  return item;
}
