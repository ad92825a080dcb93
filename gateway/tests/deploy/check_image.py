"""The built image, run by runc as Kubernetes would: nobody's user, nothing writable, no capability, no shell.

`.ci/image` runs this with IMAGE_ROOT, the file system of the image, and IMAGE_CONFIG, what buildah tells of it.
"""

import json
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request
import uuid
from pathlib import Path

import pytest

import support

IMAGE_ROOT = Path(os.environ["IMAGE_ROOT"])
CONFIG = json.loads(Path(os.environ["IMAGE_CONFIG"]).read_text())["OCIv1"]["config"]
USER = 65532

GATEWAY_TOML = """
[listen]
public = "127.0.0.1:0"
internal = "127.0.0.1:0"
[socket]
check_origin = false
[[channel]]
topic = "room:*"
join = "open"
"""


class Container:
    """One run of the image."""

    def __init__(self, folder, args, hosts="127.0.0.1 localhost\n", resolv=""):
        self.name = f"gateway-test-{uuid.uuid4()}"
        bundle = folder / self.name
        bundle.mkdir()
        subprocess.run(["runc", "spec"], cwd=bundle, check=True)
        for file, text in {"hosts": hosts, "resolv.conf": resolv, "gateway.toml": GATEWAY_TOML}.items():
            (bundle / file).write_text(text)
        spec = json.loads((bundle / "config.json").read_text())
        uid, gid = map(int, CONFIG["User"].split(":"))
        spec["root"] = {"path": str(IMAGE_ROOT), "readonly": True}
        nothing = {kind: [] for kind in ("bounding", "effective", "permitted", "ambient")}
        spec["process"] = {
            **spec["process"],
            "terminal": False,
            "user": {"uid": uid, "gid": gid},
            "args": [*CONFIG["Entrypoint"], *args],
            "cwd": "/",
            "capabilities": nothing,
            "noNewPrivileges": True,
        }
        # The network of the machine, so that Redis and clients are on loopback.
        spec["linux"]["namespaces"] = [space for space in spec["linux"]["namespaces"] if space["type"] != "network"]
        spec["mounts"] = [
            *[mount for mount in spec["mounts"] if mount["destination"] in ("/proc", "/dev")],
            *[
                {"destination": place, "source": str(bundle / file), "type": "bind", "options": ["bind", "ro"]}
                for place, file in {
                    "/etc/hosts": "hosts",
                    "/etc/resolv.conf": "resolv.conf",
                    "/etc/gateway/config/gateway.toml": "gateway.toml",
                }.items()
            ],
        ]
        (bundle / "config.json").write_text(json.dumps(spec))
        self.process = subprocess.Popen(
            ["runc", "run", "--bundle", bundle, self.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wait(self):
        """Its exit code and all that it wrote."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err

    def kill(self, which):
        subprocess.run(["runc", "kill", self.name, which.name], check=True)

    def remove(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        subprocess.run(["runc", "delete", "--force", self.name], capture_output=True, check=False)


@pytest.fixture
def container(tmp_path):
    """Starts containers that end with the test. Mount points must exist, since the root is read-only."""
    for place in ("etc/gateway/config", "proc", "dev"):
        (IMAGE_ROOT / place).mkdir(parents=True, exist_ok=True)
    for file in ("etc/hosts", "etc/resolv.conf", "etc/gateway/config/gateway.toml"):
        (IMAGE_ROOT / file).touch()
    started = []

    def start(*args, **options):
        started.append(Container(tmp_path, args, **options))
        return started[-1]

    yield start
    for one in started:
        one.remove()


@pytest.fixture
def redis(tmp_path):
    """A Redis of the machine; its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tmp_path],
        stdout=subprocess.PIPE,
        text=True,
    )
    for line in process.stdout:
        if "Ready to accept" in line:
            break
    yield port
    process.kill()
    process.wait()


def test_the_image_holds_one_file_and_names_nobody_as_its_user():
    files = [path for path in IMAGE_ROOT.rglob("*") if path.is_file() and path.stat().st_size]
    assert files == [IMAGE_ROOT / "gateway"]
    assert CONFIG["User"] == f"{USER}:{USER}"
    assert CONFIG["Entrypoint"] == ["/gateway"]
    assert CONFIG["Cmd"] == ["serve", "--config", "/etc/gateway/config/gateway.toml"]
    assert set(CONFIG["ExposedPorts"]) == {"4000/tcp", "4001/tcp"}


def test_the_binary_needs_no_library():
    found = subprocess.run(["ldd", IMAGE_ROOT / "gateway"], capture_output=True, text=True, check=False)
    assert "statically linked" in found.stdout + found.stderr or "not a dynamic executable" in found.stderr


def test_it_has_the_version_of_the_workspace(container):
    assert container("--version").wait() == (0, f"gateway {support.workspace_version()}\n")


def test_it_serves_a_real_join_and_stops_in_order(container):
    gateway = container(*CONFIG["Cmd"])
    public, internal = re.fullmatch(r"listening public=(\S+) internal=(\S+)\n", gateway.process.stdout.readline()).groups()
    with urllib.request.urlopen(f"http://{internal}/readyz", timeout=5) as ready:
        assert ready.status == 200
    code, written = container("join", "room:1", "--url", f"ws://{public}/socket").wait()
    assert (code, json.loads(written)) == (0, {"response": {}, "status": "ok"})
    gateway.kill(signal.SIGTERM)
    code, written = gateway.wait()
    assert code == 0, written


def test_it_finds_redis_by_the_hosts_file(container, redis):
    code, written = container("doctor", "--redis-url", f"redis://redis.test:{redis}", hosts="127.0.0.1 redis.test\n").wait()
    assert code == 0 and re.search(r"^ok +version", written, re.M), written


def answer(query):
    """The answer to one question: 127.0.0.1 for A, nothing for anything else."""
    name_end = query.index(b"\0", 12) + 5
    kind = struct.unpack("!H", query[name_end - 4 : name_end - 2])[0]
    count = 1 if kind == 1 else 0
    head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, count, 0, 0) + query[12:name_end]
    return head + (b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([127, 0, 0, 1]) if count else b"")


def test_it_finds_redis_by_dns(container, redis):
    """A static glibc is on its own: what it needs for names must be in it."""
    asked = []
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.41.0.53", 53))

    def serve():
        while True:
            try:
                query, client = server.recvfrom(512)
            except OSError:
                return
            asked.append(query)
            server.sendto(answer(query), client)

    threading.Thread(target=serve, daemon=True).start()
    try:
        resolv = "nameserver 127.41.0.53\nsearch prod.svc.cluster.test\noptions ndots:5\n"
        began = time.monotonic()
        code, written = container("doctor", "--redis-url", f"redis://redis:{redis}", resolv=resolv).wait()
        assert code == 0 and re.search(r"^ok +version", written, re.M), written
        assert time.monotonic() - began < 20
        assert any(b"\x05redis\x04prod\x03svc\x07cluster" in query for query in asked), "it follows the search list"
    finally:
        server.close()
