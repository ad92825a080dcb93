"""The rules for Prometheus: each alert fires when its cause has lasted for its time, not before, and not without it."""

import json
import re

import pytest
import yaml

import support
from support import CHART

RULES = CHART / "files" / "rules.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
METRICS = support.ROOT / "docs" / "METRICS.md"
OPERATIONS = support.ROOT / "docs" / "OPERATIONS.md"

STEP = 15
# All is well in 41 samples (0 to 10 min); the cause stands in the next one.
BEGIN = 41 * STEP

POD = 'job="gateway",namespace="prod",instance="10.0.0.1:4001",pod="gateway-1"'
OTHER = 'job="gateway",namespace="prod",instance="10.0.0.2:4001",pod="gateway-2"'
ONE = {"job": "gateway", "namespace": "prod", "instance": "10.0.0.1:4001", "pod": "gateway-1"}
ALL = {"job": "gateway", "namespace": "prod"}


def series(name, values, labels="", pod=POD):
    return {"series": f"{name}{{{pod}{',' if labels else ''}{labels}}}", "values": values}


def buckets(name, fast, slow):
    """A histogram of what is fast (up to 1 ms) and slow (1 to 2 s)."""
    total = " ".join(["0+30x40", "1230+30x400"])
    quick = total if not slow else "0+30x40 1200+0x400"
    return [
        series(f"{name}_bucket", quick if fast else "0x440", 'le="0.001"'),
        series(f"{name}_bucket", quick, 'le="1.024"'),
        series(f"{name}_bucket", total, 'le="2.048"'),
        series(f"{name}_bucket", total, 'le="+Inf"'),
    ]


def rises(jump, first=None):
    """A counter that stands still, then grows by so much in each sample; by more in the first, if need be."""
    return f"0x40 {first or jump}+{jump}x400"


# Alert -> (the series of its cause, the labels of what fires beside its name and severity).
CAUSES = {
    "GatewayAbsent": ([series("gateway_connections", "5x40 stale")], {}),
    "GatewayTargetDown": ([series("up", "1x40 0x400"), series("gateway_connections", "5x40 stale")], ONE),
    "GatewayRestarting": (
        [series("process_start_time_seconds", "0x38 1 2 3x400"), series("gateway_connections", "5x400")],
        ONE,
    ),
    "GatewayFileDescriptors": (
        [
            series("process_open_fds", "100x40 850x400"),
            series("process_max_fds", "1000x440"),
            series("gateway_connections", "5x440"),
            # Another program, whose descriptors are none of the gateway's business.
            {"series": 'process_open_fds{job="other",instance="b"}', "values": "950x440"},
            {"series": 'process_max_fds{job="other",instance="b"}', "values": "1000x440"},
        ],
        ONE,
    ),
    "GatewayUnbalanced": (
        [series("gateway_connections", "1000x40 4000x400"), series("gateway_connections", "1000x440", pod=OTHER)],
        ALL,
    ),
    "GatewayRedisDown": ([series("gateway_redis_up", "1x40 0x400")], ONE),
    "GatewayRedisReconnecting": ([series("gateway_redis_reconnects_total", "0x40 8x400")], ONE),
    "GatewayJoinsUnavailable": (
        [
            series("gateway_joins_total", rises(5), 'result="unavailable"'),
            series("gateway_joins_total", "0+10x440", 'result="ok"'),
        ],
        ALL,
    ),
    "GatewayBroadcastSlow": (buckets("gateway_broadcast_seconds", True, True), ALL),
    "GatewayBroadcastsDropped": (
        [
            series("gateway_broadcasts_dropped_total", rises(1), 'reason="version"'),
            series("gateway_broadcasts_dropped_total", "0+9x440", 'reason="duplicate"'),
        ],
        {**ALL, "reason": "version"},
    ),
    "GatewayPresenceSlow": (buckets("gateway_presence_convergence_seconds", True, True), ALL),
    "GatewayFull": (
        [
            series("gateway_connects_total", rises(3), 'result="connections"'),
            series("gateway_connects_total", "0+30x440", 'result="accepted"'),
        ],
        ALL,
    ),
    "GatewayConnectsRefused": (
        [
            series("gateway_connects_total", rises(60, 600), 'result="unauthorized"'),
            series("gateway_connects_total", "0+30x440", 'result="accepted"'),
        ],
        ALL,
    ),
    "GatewayDisconnects": (
        [
            series("gateway_disconnects_total", rises(500), 'reason="client_gone"'),
            series("gateway_connections", "1000x40 500x400"),
        ],
        ALL,
    ),
    "GatewaySlowConsumers": (
        [series("gateway_outbox_overflows_total", rises(20)), series("gateway_connections", "1000x440")],
        ONE,
    ),
    "GatewayTokensRefused": (
        [
            series("gateway_tokens_refused_total", rises(20, 100), 'reason="signature"'),
            series("gateway_connects_total", "0+30x440", 'result="accepted"'),
        ],
        ALL,
    ),
    "GatewayChannelCrashes": ([series("gateway_channel_crashes_total", rises(1))], ONE),
    "GatewayWebhookCircuitOpen": ([series("gateway_webhook_circuits_open", "0x40 1x400")], ONE),
    "GatewayWebhookFailing": (
        [
            series("gateway_webhook_seconds_count", rises(5, 50), 'kind="join",result="timeout"'),
            series("gateway_webhook_seconds_count", "0+20x440", 'kind="join",result="ok"'),
        ],
        ALL,
    ),
    "GatewayJwksFailing": (
        [
            series("gateway_jwks_fetches_total", rises(1), 'result="failed"'),
            series("gateway_jwks_fetches_total", "3x440", 'result="ok"'),
        ],
        {**ONE, "result": "failed"},
    ),
}

# A fleet that has work to do and is well, with the trickle of refusals and of slow clients that every fleet has.
HEALTHY = [
    *[entry for pod in (POD, OTHER) for entry in (
        series("up", "1x440", pod=pod),
        series("gateway_connections", "10000x440", pod=pod),
        series("gateway_redis_up", "1x440", pod=pod),
        series("gateway_redis_reconnects_total", "2x440", pod=pod),
        series("process_start_time_seconds", "1000x440", pod=pod),
        series("process_open_fds", "10200x440", pod=pod),
        series("process_max_fds", "1000000x440", pod=pod),
        series("gateway_joins_total", "0+100x440", 'result="ok"', pod=pod),
        series("gateway_joins_total", "0x440", 'result="unavailable"', pod=pod),
        series("gateway_connects_total", "0+100x440", 'result="accepted"', pod=pod),
        series("gateway_connects_total", "0+5x440", 'result="unauthorized"', pod=pod),
        series("gateway_tokens_refused_total", "0+5x440", 'reason="expired"', pod=pod),
        series("gateway_disconnects_total", "0+100x440", 'reason="client_closed"', pod=pod),
        series("gateway_disconnects_total", "0x40 10000x400", 'reason="draining"', pod=pod),
        series("gateway_outbox_overflows_total", "0+1x440", pod=pod),
        series("gateway_channel_crashes_total", "0x440", pod=pod),
        series("gateway_webhook_circuits_open", "0x440", pod=pod),
        series("gateway_webhook_seconds_count", "0+100x440", 'kind="join",result="ok"', pod=pod),
        series("gateway_webhook_seconds_count", "0+30x440", 'kind="join",result="error"', pod=pod),
        series("gateway_jwks_fetches_total", "0+1x440", 'result="ok"', pod=pod),
    )],
    *buckets("gateway_broadcast_seconds", True, False),
    *buckets("gateway_presence_convergence_seconds", True, False),
]


def rules(kind="alert"):
    return [rule for group in support.load(RULES)["groups"] for rule in group["rules"] if kind in rule]


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)([smh])", duration).groups()
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def case_of(alert):
    """The alert's cause, asked one sample before the alert's time is over, and when it is."""
    inputs, labels = CAUSES[alert["alert"]]
    over = BEGIN + seconds(alert.get("for", "0s"))
    fired = {"exp_labels": {**labels, **alert["labels"]}}
    ask = {"alertname": alert["alert"]}
    return {
        "name": alert["alert"],
        "interval": f"{STEP}s",
        "input_series": inputs,
        "alert_rule_test": [
            {**ask, "eval_time": f"{over - STEP}s", "exp_alerts": []},
            {**ask, "eval_time": f"{over}s", "exp_alerts": [fired]},
        ],
    }


def test_each_alert_fires_after_its_time_and_not_in_a_healthy_fleet(tmp_path):
    alerts = rules()
    assert {alert["alert"] for alert in alerts} == set(CAUSES)
    healthy = {
        "name": "healthy",
        "interval": f"{STEP}s",
        "input_series": HEALTHY,
        "alert_rule_test": [
            {"alertname": alert["alert"], "eval_time": f"{minutes}m", "exp_alerts": []}
            for alert in alerts
            for minutes in (1, 5, 12, 30, 60, 100)
        ],
    }
    # Texts are looked at below; promtool would want them word for word.
    bare = support.load(RULES)
    for group in bare["groups"]:
        for rule in group["rules"]:
            rule.pop("annotations", None)
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(bare))
    cases = {"rule_files": ["rules.yaml"], "evaluation_interval": f"{STEP}s", "tests": [*map(case_of, alerts), healthy]}
    (tmp_path / "cases.yaml").write_text(yaml.safe_dump(cases))
    support.output("promtool", "test", "rules", tmp_path / "cases.yaml")


def test_promtool_takes_the_rules():
    assert "SUCCESS" in support.output("promtool", "check", "rules", RULES)


@pytest.mark.parametrize("alert", rules(), ids=lambda alert: alert["alert"])
def test_each_alert_says_what_to_do(alert):
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    texts = alert["annotations"]
    assert set(texts) == {"summary", "description", "runbook_url"}
    page, _, anchor = texts["runbook_url"].partition("#")
    assert page == "docs/OPERATIONS.md" and anchor == alert["alert"].lower()
    assert f"### {alert['alert']}\n" in OPERATIONS.read_text(), "no such entry in the runbook"


def test_the_runbook_has_no_entry_for_an_alert_that_is_gone():
    names = re.findall(r"^### (Gateway\w+)$", OPERATIONS.read_text(), re.M)
    assert names == [alert["alert"] for alert in rules()]


def documented():
    """Metrics by docs/METRICS.md, which another test compares with what a gateway serves."""
    return dict(re.findall(r"^\| `([a-z_]+)(?:\{[a-z,]+\})?` \| (\w+) \|", METRICS.read_text(), re.M))


def metrics_in(expression):
    """The gateway's metrics in an expression, without the names of recording rules."""
    without_strings = re.sub(r'"[^"]*"', '""', expression)
    return set(re.findall(r"(?<![:\w])(?:gateway|process)_\w+", without_strings))


def panels(dashboard):
    for panel in dashboard["panels"]:
        yield panel
        yield from panel.get("panels", [])


def expressions():
    for rule in rules("expr"):
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in panels(json.loads(DASHBOARD.read_text())):
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]


def test_every_metric_that_is_named_exists():
    known = documented()
    assert len(known) > 30
    for where, expression in expressions():
        for name in metrics_in(expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            assert name in known or known.get(base) == "histogram", f"{where}: {name}"


def test_counters_are_never_read_without_their_rate():
    known = documented()
    for where, expression in expressions():
        for name in metrics_in(expression):
            base = re.sub(r"_(bucket|sum|count)$", "", name)
            if known.get(name) == "counter" or known.get(base) == "histogram":
                bare = re.sub(rf"(?:rate|increase)\(\s*{name}(?:\{{[^}}]*\}})?\[", "", expression)
                assert name not in metrics_in(bare), f"{where}: {name}"


def test_label_values_that_are_named_exist():
    page = METRICS.read_text()
    for where, expression in expressions():
        for values in re.findall(r'(?:result|reason|cause)[!=]~?"([^"$]+)"', expression):
            for value in values.split("|"):
                assert f"`{value}`" in page, f"{where}: {value}"


def test_recording_rules_that_are_named_exist():
    recorded = {rule["record"] for rule in rules("record")}
    for where, expression in expressions():
        for name in re.findall(r"namespace:\w+(?::\w+)?", expression):
            assert name in recorded, f"{where}: {name}"


def test_the_dashboard_is_whole():
    dashboard = json.loads(DASHBOARD.read_text())
    assert dashboard["uid"] and dashboard["title"]
    found = [panel for panel in panels(dashboard) if panel["type"] != "row"]
    assert len(found) >= 15
    ids = [panel["id"] for panel in panels(dashboard)]
    assert len(ids) == len(set(ids))
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    for panel in found:
        assert panel["title"] and panel["description"], panel["id"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            assert set(re.findall(r"\$(\w+)", target["expr"])) <= variables | {"__rate_interval"}, panel["title"]
    boxes = [panel["gridPos"] for panel in found]
    for index, a in enumerate(boxes):
        assert a["x"] + a["w"] <= 24
        for b in boxes[:index]:
            apart = a["x"] >= b["x"] + b["w"] or b["x"] >= a["x"] + a["w"] or a["y"] >= b["y"] + b["h"] or b["y"] >= a["y"] + a["h"]
            assert apart, "two panels overlap"


def test_the_rule_for_prometheus_adapter_names_the_autoscalers_metric():
    rule = support.load(support.K8S / "prometheus-adapter" / "values.yaml")["rules"]["custom"][0]
    assert rule["name"]["as"] == support.load(CHART / "values.yaml")["autoscaling"]["metric"]
    assert metrics_in(rule["seriesQuery"]) <= set(documented())
