import { append, byId, connect, refused, showPresence } from "/live.js";

byId("enter").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("refused").textContent = "";
  const response = await fetch("/session", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ user: byId("name").value.trim() }),
  });
  if (!response.ok) {
    byId("refused").textContent = response.status === 422 ? (await response.json()).errors.user : `not signed in: ${response.status}`;
    return;
  }
  const { token, user_id: user } = await response.json();
  chat(token, user, byId("device").value, byId("room").value);
});

function chat(token, user, device, name) {
  const socket = connect({ authToken: token, params: { device } });
  const room = socket.channel(`room:${name}`);
  const seen = new Set();
  let typing;

  // What comes while the history is read comes twice, and so does the history after a reconnect.
  const show = ({ id, body, user_id: by, inserted_at: at }) => {
    if (seen.has(id)) return;
    seen.add(id);
    append(byId("messages"), `${new Date(at).toLocaleTimeString()} ${by}: ${body}`);
    byId("typing").textContent = "\u00a0";
  };
  showPresence(room, byId("people"), (who, metas) => `${who} (${metas.map((meta) => meta.device).join(", ")})`);
  room.on("messages:history", ({ messages }) => messages.forEach(show));
  room.on("message:new", show);
  room.on("typing:start", ({ user_id: by }) => {
    byId("typing").textContent = `${by} is typing`;
    clearTimeout(typing);
    typing = setTimeout(() => (byId("typing").textContent = "\u00a0"), 3000);
  });
  room.join()
    .receive("ok", () => {
      for (const id of ["talk", "around"]) byId(id).hidden = false;
      byId("entrance").hidden = true;
      byId("title").textContent = `Room ${name}, as ${user}`;
      byId("body").focus();
    })
    .receive("error", ({ reason }) => {
      byId("refused").textContent = `${name}: ${reason}`;
      refused(socket, reason);
    });

  const notifications = socket.channel(`notifications:${user}`);
  notifications.on("mentioned", ({ room, user_id: by, body }) => append(byId("notifications"), `${by} in ${room}: ${body}`));
  notifications.join();

  let told = 0;
  // Assigned, not added: after a refusal somebody signs in again.
  byId("body").oninput = () => {
    if (Date.now() - told < 2000) return;
    told = Date.now();
    room.push("typing:start", {});
  };
  byId("say").onsubmit = (event) => {
    event.preventDefault();
    room.push("message:new", { body: byId("body").value })
      .receive("ok", () => {
        byId("body").value = byId("problem").textContent = "";
      })
      .receive("error", ({ reason, errors }) => {
        byId("problem").textContent = reason ?? `The message ${errors.body}`;
      });
  };
  byId("leave").onclick = async () => {
    await fetch("/session", { method: "DELETE", headers: { authorization: `Bearer ${token}` } });
    socket.disconnect();
    location.reload();
  };
}
