"""Drives phx-events, which listens: it joins the topics it was given before it connected, and cannot push."""

import asyncio

from phx_events.client import PHXChannelsClient
from phx_events.phx_messages import PHXEvent

import stage


class Driver:
    async def connect(self, url, topics, events):
        """Connects, and waits until each join is answered."""
        client = PHXChannelsClient(url)
        answered = [client.register_topic_subscription(topic) for topic in topics]
        for event in [PHXEvent.reply, *events]:
            client.register_event_handler(event, [self.hear])
        self.client = client
        self.processing = asyncio.create_task(self.process())
        for answer in answered:
            await asyncio.wait_for(answer.wait(), 5)

    async def process(self):
        async with self.client:
            try:
                await self.client.start_processing()
                stage.say(closed=None)
            except Exception as error:
                stage.say(closed=stage.failure(error))

    async def hear(self, message, _client):
        stage.say(event=str(message.event), topic=message.topic, ref=message.ref, payload=message.payload)

    async def can_push(self):
        """Whether the client has a method for it."""
        return any(name in ("push", "send", "send_message") for name in dir(self.client))


asyncio.run(stage.obey_async(Driver()))
