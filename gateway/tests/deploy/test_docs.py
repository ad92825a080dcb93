"""What docs/OPERATIONS.md tells operators to type works."""

import re
import socket
import subprocess

import pytest
import yaml

import support

PAGE = (support.ROOT / "docs" / "OPERATIONS.md").read_text()


def block(language, contains):
    """The only block of code of a language that has this text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    found = [text for text in blocks if contains in text]
    assert len(found) == 1, contains
    return found[0]


@pytest.fixture
def redis_port(tmp_path):
    """A Redis of the machine; its port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if "Ready to accept" in line:
            break
    yield port
    process.kill()
    process.wait()


def test_the_smallest_values_render(tmp_path):
    values = tmp_path / "values.yaml"
    values.write_text(block("yaml", "helm-test"))
    kinds = [obj["kind"] for obj in support.template(values)]
    assert {"Deployment", "ConfigMap", "Service", "Pod"} <= set(kinds)


def test_the_user_of_redis_may_do_all_that_pods_do(redis_port):
    line = block("text", "ACL SETUSER").strip()
    assert support.output("redis-cli", "-p", redis_port, *line.replace("PASSWORD", "secret").split()) == "OK\n"
    support.output("redis-cli", "-p", redis_port, "CONFIG", "SET", "notify-keyspace-events", "Khgx")
    url = f"redis://gateway:secret@127.0.0.1:{redis_port}"
    findings = support.run(support.GATEWAY, "doctor", "--redis-url", url)
    assert findings.returncode == 0, findings.stdout
    for check in ("permissions", "events"):
        assert re.search(rf"^ok +{check}\b", findings.stdout, re.M), findings.stdout
    other = support.run("redis-cli", "-p", redis_port, "--user", "gateway", "--pass", "secret", "SET", "other", "1")
    assert "NOPERM" in other.stdout + other.stderr, "it may touch keys of others"


def test_the_settings_of_redis_are_real(redis_port):
    rows = re.findall(r"^\| `([a-z -]+)` \| (.+?) \|", PAGE.partition("## Redis")[2].partition("## Balancers")[0], re.M)
    assert len(rows) >= 4
    for name, _ in rows:
        setting = name.split()[0]
        assert support.output("redis-cli", "-p", redis_port, "CONFIG", "GET", setting).startswith(setting), name


def test_values_of_the_chart_that_are_named_exist():
    values = support.load(support.CHART / "values.yaml")
    tops = "|".join(values)
    for path in set(re.findall(rf"`((?:{tops})(?:\.\w+)+)`", PAGE)):
        found = values
        for key in path.split("."):
            if not isinstance(found, dict) or key not in found:
                # Many sections have the name of one of the gateway's: then it is a setting of that.
                assert f"`{path}`" in (support.ROOT / "docs" / "CONFIGURATION.md").read_text(), path
                break
            found = found[key]


def test_anchors_exist():
    headings = {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", PAGE, re.M)}
    for anchor in re.findall(r"\]\(#([\w-]+)\)", PAGE):
        assert anchor in headings, anchor


def test_values_that_are_shown_are_yaml():
    for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.S):
        assert isinstance(yaml.safe_load(text), dict)
