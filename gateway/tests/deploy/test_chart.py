"""The chart: what it renders for each set of values, and what it refuses."""

import json

import pytest

import support
from support import CHART, environment, labels, of_kind, only, pod_template

SINGLE = CHART / "ci" / "single-values.yaml"
REDIS = 'redis.url="redis://redis:6379"'


def deployment(objects):
    return only(of_kind(objects, "Deployment", "gateway"))


@pytest.mark.parametrize("name", support.ci_values())
def test_lint_finds_nothing(name):
    support.output("helm", "lint", "--strict", "--quiet", CHART, "--values", support.ci_values()[name])


def test_it_has_the_version_of_the_program(gateway_version):
    chart = support.load(CHART / "Chart.yaml")
    assert (chart["version"], chart["appVersion"]) == (gateway_version, gateway_version)


def test_every_value_is_in_the_schema_and_nothing_else():
    schema = json.loads((CHART / "values.schema.json").read_text())

    def compare(path, values, schema):
        if "properties" not in schema:
            return
        assert schema["additionalProperties"] is False, path
        assert set(values) == set(schema["properties"]) - {"global"}, path
        for key, value in values.items():
            if isinstance(value, dict):
                compare(f"{path}.{key}", value, schema["properties"][key])

    compare("values", support.load(CHART / "values.yaml"), schema)


def test_a_rolling_update_never_takes_a_pod_before_another_serves(releases):
    for name, objects in releases.items():
        spec = deployment(objects)["spec"]
        assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}, name
        assert spec["minReadySeconds"] > 0, name


def test_the_time_to_stop_follows_from_the_drain(releases):
    seconds = {"hpa-gce": 310, "database": 130, "single": 70, "alb": 120}
    for name, expected in seconds.items():
        spec = deployment(releases[name])["spec"]["template"]["spec"]
        assert spec["terminationGracePeriodSeconds"] == expected, name


@pytest.mark.parametrize("timeout, expected", [("90s", 100), ("2m", 130), ("1h", 3610), ("1500ms", 12)])
def test_durations_are_read_as_the_gateway_reads_them(timeout, expected):
    objects = support.template(SINGLE, set_values=[f'drain.timeout="{timeout}"'])
    assert deployment(objects)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == expected


def test_pods_are_taken_away_one_by_one_and_not_before_the_last_has_drained(releases):
    autoscaler = only(of_kind(releases["hpa-gce"], "HorizontalPodAutoscaler"))
    down = autoscaler["spec"]["behavior"]["scaleDown"]
    assert down == {"stabilizationWindowSeconds": 900, "policies": [{"type": "Pods", "value": 1, "periodSeconds": 370}]}
    scaled = only(of_kind(releases["keda-envoy"], "ScaledObject"))
    behavior = scaled["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 130}]


def test_the_autoscaler_looks_at_connections_first_and_the_cpu_second(releases):
    spec = only(of_kind(releases["hpa-gce"], "HorizontalPodAutoscaler"))["spec"]
    connections, cpu = spec["metrics"]
    assert connections["pods"] == {
        "metric": {"name": "gateway_connections"},
        "target": {"type": "AverageValue", "averageValue": "20000"},
    }
    assert cpu["resource"]["name"] == "cpu"
    assert "replicas" not in deployment(releases["hpa-gce"])["spec"], "an upgrade would undo the autoscaler"


def test_secrets_never_stand_in_plain_sight(releases):
    for name in ("redis-acl-tls", "database", "hpa-gce"):
        pod = pod_template(deployment(releases[name]))["spec"]["containers"][0]
        for variable in pod["env"]:
            if variable["name"].endswith(("PASSWORD", "USERNAME")):
                assert set(variable["valueFrom"]) == {"secretKeyRef"}, variable
    url = environment(pod_template(deployment(releases["redis-acl-tls"]))["spec"]["containers"][0])["GATEWAY_REDIS__URL"]
    assert url == "rediss://$(REDIS_USERNAME):$(REDIS_PASSWORD)@redis.example.com:6380"


def test_what_a_url_refers_to_stands_before_it(releases):
    for name, objects in releases.items():
        names = list(environment(pod_template(deployment(objects))["spec"]["containers"][0]))
        for service in ("REDIS", "DATABASE"):
            if f"{service}_PASSWORD" in names:
                assert names.index(f"{service}_PASSWORD") < names.index(f"GATEWAY_{service}__URL"), name


def test_a_changed_configuration_is_a_new_revision():
    def checksum(*values):
        return pod_template(deployment(support.template(SINGLE, set_values=values)))["metadata"]["annotations"]

    before = checksum()
    assert checksum('secrets={"KEY": "another"}') != before
    assert checksum("podAnnotations={}") == before


def test_the_internal_port_is_on_a_service_of_its_own_that_no_balancer_has(releases):
    for name, objects in releases.items():
        services = {service["metadata"]["name"]: service["spec"] for service in of_kind(objects, "Service")}
        assert [port["targetPort"] for port in services["gw-gateway"]["ports"]] == ["public"], name
        assert [port["targetPort"] for port in services["gw-gateway-internal"]["ports"]] == ["internal"], name
        assert services["gw-gateway-internal"]["type"] == "ClusterIP", name
        for ingress in of_kind(objects, "Ingress"):
            for rule in ingress["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    assert path["backend"]["service"] == {"name": "gw-gateway", "port": {"name": "public"}}, name


def test_balancers_keep_websockets(releases):
    def annotations(name):
        return only(of_kind(releases[name], "Ingress"))["metadata"]["annotations"]

    nginx = annotations("redis-acl-tls")
    assert nginx["nginx.ingress.kubernetes.io/proxy-read-timeout"] == "86400"
    assert nginx["nginx.ingress.kubernetes.io/proxy-send-timeout"] == "86400"
    assert annotations("database") == {"haproxy.org/load-balance": "leastconn"}
    other = support.template(
        support.ci_values()["database"], set_values=['ingress.controller="haproxy-ingress"']
    )
    assert only(of_kind(other, "Ingress"))["metadata"]["annotations"] == {
        "haproxy-ingress.github.io/timeout-tunnel": "86400s",
        "haproxy-ingress.github.io/balance-algorithm": "leastconn",
    }
    alb = annotations("alb")
    assert alb["alb.ingress.kubernetes.io/load-balancer-attributes"] == "idle_timeout.timeout_seconds=4000"
    assert alb["alb.ingress.kubernetes.io/target-type"] == "ip"
    assert alb["alb.ingress.kubernetes.io/scheme"] == "internet-facing", "one of the user's own"
    assert "deregistration_delay.timeout_seconds=120" in alb["alb.ingress.kubernetes.io/target-group-attributes"]
    backend = only(of_kind(releases["hpa-gce"], "BackendConfig"))["spec"]
    assert (backend["timeoutSec"], backend["connectionDraining"]) == (86400, {"drainingTimeoutSec": 310})
    service = only(of_kind(releases["hpa-gce"], "Service", "public"))
    assert json.loads(service["metadata"]["annotations"]["cloud.google.com/backend-config"]) == {"default": "gw-gateway"}
    policy = only(of_kind(releases["gke-gateway"], "GCPBackendPolicy"))["spec"]
    assert (policy["default"]["timeoutSec"], policy["targetRef"]["name"]) == (86400, "gw-gateway")
    route = only(of_kind(releases["keda-envoy"], "HTTPRoute"))["spec"]["rules"][0]
    assert route["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    assert route["backendRefs"] == [{"name": "gw-gateway", "port": 4000}]
    envoy = only(of_kind(releases["keda-envoy"], "BackendTrafficPolicy"))["spec"]
    assert envoy["timeout"]["http"] == {"requestTimeout": "0s", "maxConnectionDuration": "0s"}


def test_the_database_is_migrated_before_new_pods_start(releases):
    job = only(of_kind(releases["database"], "Job"))
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    container = job["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == ["migrate"]
    # Hooks run before anything else of the release is there, so it may lean on nothing of it.
    assert "envFrom" not in container and "volumeMounts" not in container
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert list(environment(container)) == ["DATABASE_USERNAME", "DATABASE_PASSWORD", "GATEWAY_DATABASE__URL"]
    for name, objects in releases.items():
        assert name == "database" or not of_kind(objects, "Job"), f"{name} has no database"


def test_helm_test_joins_for_real(releases):
    def arguments(name):
        return only([pod for pod in of_kind(releases[name], "Pod") if pod["metadata"]["name"].endswith("-join")])["spec"][
            "containers"
        ][0]["args"]

    join = arguments("redis-acl-tls")
    assert join[:2] == ["join", "room:helm-test"]
    assert join[join.index("--url") + 1] == "ws://gw-gateway:4000/socket"
    assert join[-2:] == ["--sub", "helm-test"]
    assert arguments("database")[-2:] == ["--token", "env:TEST_TOKEN"]
    for word in {"join", "doctor", "--url", "--sub", "--token", "--payload"}:
        command = ["join", "--help"] if word.startswith("--") else ["--help"]
        assert word in support.output(support.GATEWAY, *command)
    assert [pod["metadata"]["name"] for pod in of_kind(releases["alb"], "Pod")] == ["gw-gateway-test-doctor"], "over TLS"


def test_a_metric_has_one_monitor_and_it_finds_its_target(releases):
    objects = releases["redis-acl-tls"]
    monitor = only(of_kind(objects, "ServiceMonitor"))
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    chosen = [service for service in of_kind(objects, "Service") if wanted <= labels(service).items()]
    assert [service["metadata"]["name"] for service in chosen] == ["gw-gateway-internal"]
    assert monitor["spec"]["endpoints"][0]["port"] == chosen[0]["spec"]["ports"][0]["name"]
    pods = only(of_kind(releases["hpa-gce"], "PodMonitor"))["spec"]
    template = pod_template(deployment(releases["hpa-gce"]))
    assert pods["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    assert pods["podMetricsEndpoints"][0]["port"] in [port["name"] for port in template["spec"]["containers"][0]["ports"]]


def test_rules_and_dashboard_are_those_of_the_files(releases):
    rule = only(of_kind(releases["redis-acl-tls"], "PrometheusRule"))
    text = (CHART / "files" / "rules.yaml").read_text()
    text = text.replace("docs/OPERATIONS.md", "https://git.example.com/gateway/docs/OPERATIONS.md")
    assert rule["spec"] == support.load_all(text)[0]
    dashboard = only([obj for obj in of_kind(releases["redis-acl-tls"], "ConfigMap") if "dashboard" in obj["metadata"]["name"]])
    assert json.loads(dashboard["data"]["gateway.json"]) == json.loads((CHART / "files" / "dashboard.json").read_text())


REFUSED = [
    ([], ['config=""'], "set `config`"),
    ([SINGLE], ["replicaCount=2"], "2 pods need Redis between them"),
    ([SINGLE], ["terminationGracePeriodSeconds=60"], "needs at least 70"),
    ([SINGLE], ['drain={"timeout": "30s", "delay": "30s"}'], "drain.delay (30s) must be shorter than drain.timeout (30s)"),
    ([SINGLE], ['drain.timeout="30"'], "drain/timeout"),
    ([SINGLE], ['config="[drain]\\ntimeout = \\"5s\\"\\n"'], "[drain] in `config`"),
    ([SINGLE], ["replicas=3"], "replicas"),
    ([SINGLE], ['redis.url="redis.example.com:6379"'], "redis/url"),
    ([SINGLE], ['redis.url="redis://:$(REDIS_PASSWORD)@r"'], "redis.existingSecret.passwordKey is not set"),
    ([SINGLE], ['redis.existingSecret.name="r"'], "no key of it"),
    ([SINGLE], ['redis.existingSecret.urlKey="url"'], "no name"),
    ([SINGLE], [REDIS, "autoscaling.enabled=true", "limits.connections=20000"], "must be more than autoscaling.connectionsPerPod"),
    ([SINGLE], [REDIS, "autoscaling.enabled=true", "autoscaling.maxReplicas=2"], "minReplicas is more than maxReplicas"),
    ([SINGLE], [REDIS, "autoscaling.enabled=true", "autoscaling.scaleDown.periodSeconds=30"], "several would drain at once"),
    ([SINGLE], [REDIS, "autoscaling.enabled=true", 'drain.timeout="30m"'], "more than Kubernetes allows"),
    ([SINGLE], [REDIS, "autoscaling.enabled=true", 'autoscaling.kind="keda"'], "serverAddress is needed"),
    ([SINGLE], [REDIS, "replicaCount=2", 'database.url="sqlite:///data/gateway.db"'], "cannot share SQLite"),
    ([SINGLE], ["ingress.enabled=true"], "ingress.hosts is empty"),
    ([SINGLE], ["httpRoute.enabled=true"], "httpRoute.parentRefs is empty"),
    ([SINGLE], ["metrics.serviceMonitor.enabled=true", "metrics.podMonitor.enabled=true"], "each pod would count twice"),
    ([SINGLE], ["balancerTimeoutSeconds=60"], "balancerTimeoutSeconds"),
    ([SINGLE], ["resources.limits.memory=null"], "memory"),
]


@pytest.mark.parametrize("files, values, message", REFUSED, ids=[case[2] for case in REFUSED])
def test_what_cannot_be_right_is_refused_with_a_reason(files, values, message):
    assert message in support.template_error(*files, set_values=values)
