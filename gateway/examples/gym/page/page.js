import { append, byId, connect, fill, refused, showPresence } from "/live.js";

/** What this participant has done: told again when the connection comes back, on whatever pod. */
let completed = [];

byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("refused").textContent = "";
  join(byId("name").value.trim(), byId("role").value, byId("session").value.trim());
});

function join(name, role, session) {
  const socket = connect({ params: { name, role } });
  const channel = socket.channel(`training_session:${session}`, () => ({ completed }));
  const log = (text) => append(byId("log"), text);
  const participants = new Map();
  const showStatus = () => fill(byId("status"), [...participants].map(([who, count]) => `${who}: ${count} completed`));

  showPresence(channel, byId("people"), (who, [{ role }]) => `${who} (${role})`);
  channel.on("participant_status", (status) => {
    completed = status.completed;
    participants.clear();
    participants.set("you", completed.length);
    showStatus();
  });
  channel.on("overall_status", (status) => {
    participants.clear();
    for (const [who, count] of Object.entries(status.participants)) participants.set(who, count);
    showStatus();
  });
  channel.on("status_updated", ({ name, exercise, completed }) => {
    participants.set(name, completed);
    showStatus();
    log(`${name} completed ${exercise}`);
  });
  channel.on("training_session_started", ({ trainer }) => log(`${trainer} has started the session`));
  channel.join().receive("ok", () => {
    for (const id of ["floor", "present"]) byId(id).hidden = false;
    byId("entrance").hidden = true;
    byId("title").textContent = `Session ${session}, as ${role} ${name}`;
    byId("people-title").textContent = role === "participant" ? "Trainers here" : "Here now";
    byId("exercise-fields").hidden = role !== "participant";
    byId("start").hidden = role !== "trainer";
  }).receive("error", ({ reason }) => {
    byId("refused").textContent = reason;
    refused(socket, reason);
  });

  // Assigned, not added: after a refusal somebody comes in again.
  byId("exercise").onsubmit = (event) => {
    event.preventDefault();
    const exercise = byId("exercise-name").value.trim();
    channel.push("complete_exercise", { name: exercise })
      .receive("ok", () => {
        byId("problem").textContent = "";
        log(`you completed ${exercise}`);
      })
      .receive("error", ({ reason, errors }) => (byId("problem").textContent = reason ?? `the name ${errors.name}`));
  };
  byId("start").onclick = async () => {
    const response = await fetch(`/training_sessions/${encodeURIComponent(session)}/start`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ trainer: name }),
    });
    byId("problem").textContent = response.ok ? "" : `not started: ${response.status}`;
  };
}
