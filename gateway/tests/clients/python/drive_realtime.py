"""Drives realtime, Supabase's Python client: version 1 of the protocol, asyncio, reconnects and rejoins by itself."""

import asyncio
import logging

from realtime import AsyncRealtimeClient

import stage


class Complaints(logging.Handler):
    """What the client logs as an error: above all frames that it could not read."""

    def emit(self, record):
        stage.say(complaint=record.getMessage())


class Driver:
    def __init__(self):
        logging.getLogger("realtime").addHandler(Complaints(level=logging.ERROR))
        logging.getLogger("realtime").propagate = False

    async def connect(self, url, key, backoff=0.05, retries=60):
        self.client = AsyncRealtimeClient(url, key, initial_backoff=backoff, max_retries=retries)
        await self.client.connect()

    async def make(self, topic, config=None, presence=False, changes=False):
        """A channel that nobody has subscribed to yet."""
        full = {"broadcast": {"ack": False, "self": False}, "presence": {"key": "", "enabled": False}, "private": False}
        full.update(config or {})
        channel = self.client.channel(topic, {"config": full})
        channel.on_broadcast("*", lambda message: stage.say(topic=topic, broadcast=message))
        channel.on_system(lambda payload: stage.say(topic=topic, system=payload.model_dump()))
        if presence:
            channel.on_presence_sync(lambda: stage.say(topic=topic, here=channel.presence_state()))
            channel.on_presence_join(lambda key, _now, new: stage.say(topic=topic, came=key, metas=new))
            channel.on_presence_leave(lambda key, _now, gone: stage.say(topic=topic, went=key, metas=gone))
        if changes:
            channel.on_postgres_changes("*", lambda _payload: None, schema="public")
        return None

    async def subscribe(self, topic):
        def state(status, error):
            stage.say(topic=topic, state=status.value, error=None if error is None else str(error))

        await self.channel(topic).subscribe(state)
        return self.channel(topic).state.value

    def channel(self, topic):
        return self.client.channels[f"realtime:{topic}"]

    async def send(self, topic, event, payload):
        await self.channel(topic).send_broadcast(event, payload)

    async def send_acknowledged(self, topic, event, payload):
        """The client's own `send_broadcast` hands no answer out; its `push` does."""
        answered = asyncio.get_running_loop().create_future()
        push = await self.channel(topic).push("broadcast", {"type": "broadcast", "event": event, "payload": payload})
        for status in ("ok", "error"):
            push.receive(status, lambda *_, status=status: answered.done() or answered.set_result(status))
        push.receive("timeout", lambda: answered.done() or answered.set_result("timeout"))
        return await answered

    async def http_send(self, topic, event, payload=None, raw=None):
        await self.channel(topic).http_send(event, payload if raw is None else bytes(raw))

    async def track(self, topic, payload):
        await self.channel(topic).track(payload)

    async def untrack(self, topic):
        await self.channel(topic).untrack()

    async def set_auth(self, token):
        await self.client.set_auth(token)

    async def leave(self, topic):
        await self.channel(topic).unsubscribe()

    async def close(self):
        await self.client.close()


asyncio.run(stage.obey_async(Driver()))
