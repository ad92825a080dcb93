// A channel of stock phoenix.js that misses nothing while it is away. The socket has to connect with `offsets: 1`:
//
//   const socket = new Socket("/socket", { params: { offsets: 1 } })
//   const channel = recoveringChannel(socket, "room:lobby")
//   channel.join().receive("ok", ({ recovery }) => { if (!recovery?.recovered) loadFromBackEnd() })

export function recoveringChannel(socket, topic, params = {}) {
  let position = true; // "where is the topic?", until the first answer
  const channel = socket.channel(topic, () => ({ ...params, recover: position }));
  channel.onMessage = (event, payload, ref) => {
    const isJoinReply = event === "phx_reply" && ref === channel.joinRef();
    if (isJoinReply && payload.response?.recovery) position = payload.response.recovery;
    if (position.epoch && /^o:\d+$/.test(ref)) position = { ...position, offset: Number(ref.slice(2)) };
    return payload;
  };
  return channel;
}
