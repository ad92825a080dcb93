// Two clients of the gateway, without a library, so that the frames can be read: [join_ref, ref, topic, event, payload].
const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket/websocket?vsn=2.0.0`;
document.getElementById("url").textContent = url.split("/websocket")[0];
const topic = () => document.getElementById("topic").value || "room:lobby";

class Client {
  constructor(section) {
    this.status = section.querySelector("[role=status]");
    this.list = section.querySelector("ol");
    section.querySelector("form").addEventListener("submit", (submitted) => {
      submitted.preventDefault();
      const input = submitted.target.elements.text;
      if (input.value) this.push("new_msg", { text: input.value });
      input.value = "";
    });
    this.connect();
  }

  connect() {
    this.ref = 0;
    this.socket = new WebSocket(url);
    this.socket.addEventListener("open", () => this.join());
    this.socket.addEventListener("message", (message) => this.receive(JSON.parse(message.data)));
    this.socket.addEventListener("close", (closed) => {
      clearInterval(this.heartbeat);
      this.status.textContent = `closed (${closed.code}), trying again`;
      setTimeout(() => this.connect(), 1000);
    });
    this.heartbeat = setInterval(() => this.send([null, this.next(), "phoenix", "heartbeat", {}]), 30000);
  }

  next() {
    this.ref += 1;
    return String(this.ref);
  }

  join() {
    if (this.topic) this.send([this.joinRef, this.next(), this.topic, "phx_leave", {}]);
    this.topic = topic();
    this.joinRef = this.next();
    this.send([this.joinRef, this.joinRef, this.topic, "phx_join", {}]);
  }

  push(event, payload) {
    this.send([this.joinRef, this.next(), this.topic, event, payload]);
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }

  receive(frame) {
    const [, ref, from, event, payload] = frame;
    if (from === "phoenix") return;
    if (event === "phx_reply" && ref === this.joinRef) {
      this.status.textContent = payload.status === "ok" ? `joined ${from}` : `not joined: ${payload.response.reason}`;
    }
    const item = document.createElement("li");
    item.textContent = JSON.stringify(frame);
    this.list.prepend(item);
    while (this.list.children.length > 100) this.list.lastChild.remove();
  }
}

const clients = [...document.querySelectorAll("section")].map((section) => new Client(section));
document.getElementById("join").addEventListener("click", () => clients.forEach((client) => client.join()));
