"""What chart and overlays configure is what the gateway understands: it is asked itself."""

import re
import tomllib

import support
from support import check_config, environment, expand, of_kind, only

# What the Secrets hold that the values and overlays name.
SECRETS = {
    "GATEWAY_TOKEN_SECRET": "0123456789abcdef0123456789abcdef",
    "GATEWAY_API_KEY": "fedcba9876543210fedcba9876543210",
    "REDIS_USERNAME": "gateway",
    "REDIS_PASSWORD": "p%40ss",
    "DATABASE_USERNAME": "gateway",
    "DATABASE_PASSWORD": "secret",
}


def settings(objects):
    """The file and the environment of the gateway's container, as Kubernetes gives them."""
    deployment = only(of_kind(objects, "Deployment", "gateway"))
    spec = deployment["spec"]["template"]["spec"]
    volume = only([{"metadata": {"name": "config"}, **volume} for volume in spec["volumes"] if volume["name"] == "config"])
    maps = {obj["metadata"]["name"]: obj for obj in of_kind(objects, "ConfigMap")}
    text = maps[volume["configMap"]["name"]]["data"]["gateway.toml"]
    container = spec["containers"][0]
    env = dict(SECRETS)
    for name, value in environment(container).items():
        if value is None:
            value = env.get(name, "redis://redis:6379" if name == "GATEWAY_REDIS__URL" else None)
            assert value is not None, f"{name} comes from a Secret that the tests do not know"
        env[name] = expand(value, env)
    # TLS files and authorities of the release are not here.
    env = {name: value for name, value in env.items() if "TLS_" not in name and name != "SSL_CERT_FILE"}
    return text, env, container


def all_settings(releases, overlays):
    for name, objects in [*releases.items(), *overlays.items()]:
        yield name, *settings(objects)


def test_the_gateway_takes_what_is_rendered(releases, overlays):
    for name, text, env, container in all_settings(releases, overlays):
        assert container["args"] == ["serve", "--config", "/etc/gateway/config/gateway.toml"], name
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts["config"] == "/etc/gateway/config", name
        checked = check_config(text, env)
        assert checked.returncode == 0, f"{name}: {checked.stderr}"
        listen = tomllib.loads(checked.stdout)["listen"]
        assert (listen["public"], listen["internal"]) == ("0.0.0.0:4000", "0.0.0.0:4001"), name


def test_the_ports_are_the_gateways_own(releases):
    text, env, _ = settings(releases["single"])
    bare = {name: value for name, value in env.items() if "LISTEN" not in name}
    listen = tomllib.loads(check_config(text, bare).stdout)["listen"]
    assert (listen["public"], listen["internal"]) == ("0.0.0.0:4000", "0.0.0.0:4001")


def test_every_variable_is_a_setting_of_the_gateway(releases, overlays):
    """A name that the gateway ignores (no `__`), or refuses, must not be among them."""
    known = (support.ROOT / "docs" / "CONFIGURATION.md").read_text()
    for name, _, env, _ in all_settings(releases, overlays):
        for variable in env:
            if variable.startswith("GATEWAY_") and variable not in SECRETS:
                assert f"`{variable}`" in known, f"{name}: {variable}"


def test_values_arrive_as_settings(releases):
    text, env, _ = settings(releases["hpa-gce"])
    effective = tomllib.loads(check_config(text, env).stdout)
    assert effective["drain"] == {"delay": "10s", "batch": 200, "interval": "250ms", "timeout": "5m"}
    assert effective["limits"]["connections"] == 50000
    assert effective["log"] == {"format": "json", "level": "info"}
    assert effective["redis"]["url"].startswith("redis://redis")


def test_a_misspelt_variable_would_be_noticed(releases):
    text, env, _ = settings(releases["single"])
    refused = check_config(text, {**env, "GATEWAY_DRAIN__TIMEOUTS": "1s"})
    assert refused.returncode == 78 and "did you mean `GATEWAY_DRAIN__TIMEOUT`" in refused.stderr


def test_what_the_overlays_name_as_secrets_is_known(overlays):
    for name, objects in overlays.items():
        text, _, _ = settings(objects)
        for reference in re.findall(r"env:(\w+)", text):
            assert reference in SECRETS, f"{name}: {reference}"
