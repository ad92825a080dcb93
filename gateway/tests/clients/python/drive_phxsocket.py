"""Drives phxsocket: threads, integer references, no reconnect of its own."""

import phxsocket

import stage


class Driver:
    def connect(self, url, params, heartbeat):
        """Connects, also again: the client object stays, as its README has it."""
        self.client = phxsocket.Client(url, params)
        self.client.heartbeat_interval = heartbeat
        self.client.on_message = self.on_any
        self.client.on_close = lambda _client: stage.say(closed=None)
        return self.client.connect()

    def reconnect(self):
        return self.client.connect()

    def on_any(self, message):
        if message.topic == "phoenix":
            stage.say(heartbeat=message.ref, payload=message.payload)

    def join(self, topic, params):
        channel = self.client.channel(topic, params)
        channel.on_message = lambda _client, event, payload: stage.say(event=event, topic=topic, payload=payload)
        channel.on_close = lambda: stage.say(event="phx_close", topic=topic, payload={})
        return channel.join()

    def push(self, topic, event, payload):
        return self.client.channels[topic].push(event, payload, reply=True).wait_for_response()

    def leave(self, topic):
        done, what = self.client.channels[topic].leave()
        return {"done": done, "what": what}

    def close(self):
        self.client.close()


stage.obey(Driver())
