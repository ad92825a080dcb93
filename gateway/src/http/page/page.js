// The playground: two clients side by side, and which of them is shown.

import { Panel } from "./panel.js";

const CLIENTS = [
  { id: "first", name: "First client", user: "ann" },
  { id: "second", name: "Second client", user: "bob" },
];

const origin = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
const paths = await (await fetch("playground/sockets.json")).json();
const addresses = paths.map((path) => origin + path);
document.getElementById("sockets").append(...addresses.map((address) => new Option(address, address)));

const panels = CLIENTS.map((client) => {
  const panel = new Panel(document.getElementById("client"), { ...client, url: addresses[0] ?? `${origin}/socket` });
  document.getElementById("clients").append(panel.element);
  return panel;
});

// A small screen has no room for two.
const views = document.querySelectorAll("[name=view]");
const show = (view) => {
  document.body.dataset.view = view;
  for (const panel of panels) panel.element.hidden = view !== "both" && view !== panel.element.id;
};
for (const radio of views) radio.addEventListener("change", () => show(radio.value));
const first = matchMedia("(max-width: 40rem)").matches ? "first" : "both";
for (const radio of views) radio.checked = radio.value === first;
show(first);
for (const panel of panels) panel.start("room:lobby");
