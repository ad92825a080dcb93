"""Drives phoenix-channels-python-client in version 1 or 2 of the protocol: it listens, reconnects and rejoins."""

import asyncio

from phoenix_channels_python_client import PHXChannelsClient
from phoenix_channels_python_client.utils import make_message

import stage


class Driver:
    async def connect(self, url, version, heartbeat):
        async def reconnected():
            stage.say(reconnected=True)

        self.client = PHXChannelsClient(
            url,
            api_key="is put into the query",
            protocol_version=version,
            heartbeat_interval_s=heartbeat,
            on_heartbeat_ack=lambda: stage.say(heartbeat=True),
            on_reconnect=reconnected,
        )
        await self.client.__aenter__()

    async def join(self, topic):
        async def hear(message):
            stage.say(event=str(message.event), topic=message.topic, ref=message.ref, payload=message.payload)

        await self.client.subscribe_to_topic(topic, hear)

    async def push(self, topic, event, payload, ref):
        """The client has no method for it; this is what its parts allow. The answer comes as an event."""
        join_ref = self.client.get_current_subscriptions()[topic].join_ref
        message = make_message(event=event, topic=topic, ref=ref, payload=payload, join_ref=join_ref)
        await self.client.get_protocol_handler().send_message(self.client.connection, message)

    async def leave(self, topic):
        await self.client.unsubscribe_from_topic(topic)


asyncio.run(stage.obey_async(Driver()))
