#!/usr/bin/env python3
"""What a history costs Redis: CPU for each publish, and memory for each topic.

Starts a redis-server of its own on a free port of the loopback address, and runs the gateway's own script there, as pods do:
`EVAL` for a publication that is alone, `EVALSHA` for the others of a batch. Needs nothing but Python and redis-server.

    loadtest/history_redis.py [publications] [topics]
"""

import hashlib
import pathlib
import socket
import subprocess
import sys
import time

TEXT = (pathlib.Path(__file__).parent.parent / "gateway/src/redis/scripts/history_publish.lua").read_text()
# Pods leave the comments out.
SCRIPT = "\n".join(line.strip() for line in TEXT.splitlines() if line.strip() and not line.strip().startswith("--"))
SHA = hashlib.sha1(SCRIPT.encode()).hexdigest()
# An envelope of 200 bytes: a node, an event and a small object.
ENVELOPE = b"\x01\x00\x0a\x03" + bytes(8) + b"abcdefghijmsg" + b'{"text":"' + b"x" * 164 + b'"}'
TTL = "600000"
BATCH = 100


class Redis:
    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        arguments = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        for _ in range(100):
            try:
                self.socket = socket.create_connection(("127.0.0.1", self.port))
                break
            except OSError:
                time.sleep(0.05)
        self.replies = self.socket.makefile("rb")

    def send(self, commands):
        out = bytearray()
        for words in commands:
            out += b"*%d\r\n" % len(words)
            for word in words:
                word = word if isinstance(word, bytes) else str(word).encode()
                out += b"$%d\r\n%s\r\n" % (len(word), word)
        self.socket.sendall(out)
        return [self.reply() for _ in commands]

    def reply(self):
        line = self.replies.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"$":
            return self.replies.read(int(rest) + 2)[:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        return int(rest) if kind == b":" else rest

    def info(self, section, key):
        text = self.send([["INFO", section]])[0].decode()
        return float(next(line for line in text.splitlines() if line.startswith(key + ":")).split(":")[1])

    def cpu(self):
        return self.info("cpu", "used_cpu_user") + self.info("cpu", "used_cpu_sys")


def kept(topic, size, words):
    keys = [f"gw:{{{topic}}}:e", f"gw:{{{topic}}}:h", f"gw:{{{topic}}}:b"]
    return [*words, "3", *keys, "PUBLISH", ENVELOPE, "abcdefghijkl", str(size), TTL, "3600000", "0"]


def per_publish(redis, name, command, count):
    commands = [command] * BATCH
    redis.send(commands)
    before = redis.cpu()
    for _ in range(count // BATCH):
        redis.send(commands)
    print(f"{name:54} {(redis.cpu() - before) / count * 1e6:6.1f} µs")


def per_topic(redis, topics, messages):
    redis.send([["FLUSHALL"]])
    before = redis.info("memory", "used_memory")
    for first in range(0, topics, BATCH):
        names = [f"room:{number}" for number in range(first, first + BATCH)]
        redis.send([kept(name, 500, ["EVALSHA", SHA]) for name in names for _ in range(messages)])
    total = redis.info("memory", "used_memory") - before
    stream, place = redis.send([["MEMORY", "USAGE", "gw:{room:1}:h"], ["MEMORY", "USAGE", "gw:{room:1}:e"]])
    each = f"{total / topics:.0f} B each (stream {stream} B, place {place} B)"
    print(f"{topics} topics of {messages} messages: {total / 1e6:.0f} MB, {each}")


def main():
    publications = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    topics = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    redis = Redis()
    try:
        redis.send([["SCRIPT", "LOAD", SCRIPT]])
        print(f"CPU of Redis for each publish, {publications} publications of {len(ENVELOPE)} bytes, nobody subscribed:")
        for _ in range(3):
            per_publish(redis, "without history (PUBLISH)", ["PUBLISH", "gw:{t}:b", ENVELOPE], publications)
            by_hash, by_text = ["EVALSHA", SHA], ["EVAL", SCRIPT]
            per_publish(redis, "with history, behind another of its batch (EVALSHA)", kept("t", 500, by_hash), publications)
            per_publish(redis, "with history, alone (EVAL)", kept("t", 500, by_text), publications)
        for node_bytes in (4096, 1024):
            redis.send([["CONFIG", "SET", "stream-node-max-bytes", str(node_bytes)]])
            print(f"stream-node-max-bytes {node_bytes}:")
            for messages in (1, 10):
                per_topic(redis, topics, messages)
    finally:
        redis.process.terminate()
        redis.process.wait()


main()
