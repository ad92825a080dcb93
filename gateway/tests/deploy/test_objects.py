"""What holds for every object, of the chart and of the kustomize overlays."""

import kubernetes_validate
import pytest

import support
from support import containers, labels, of_kind, pod_specs, pod_template

# The oldest that the chart takes and is of interest, one between, and a new one.
KUBERNETES = ["1.29", "1.32", "1.36"]

# Kinds that Kubernetes does not have by itself, so that nothing here knows their schema.
FOREIGN = {
    "BackendConfig",
    "BackendTrafficPolicy",
    "GCPBackendPolicy",
    "HTTPRoute",
    "HealthCheckPolicy",
    "PodMonitor",
    "PrometheusRule",
    "ScaledObject",
    "ServiceMonitor",
}


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_would_take_every_object(everything, version):
    checked = set()
    for name, obj in everything:
        if obj["kind"] in FOREIGN:
            continue
        try:
            kubernetes_validate.validate(obj, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            pytest.fail(f"{name}: {error}")
        checked.add(obj["kind"])
    assert {"Deployment", "Service", "Ingress", "HorizontalPodAutoscaler", "NetworkPolicy", "Job", "Pod"} <= checked


def test_every_container_has_its_share_and_its_limit(everything):
    seen = 0
    for name, spec in pod_specs(everything):
        for container in containers(spec):
            resources = container["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), name
            assert "memory" in resources["limits"], name
            seen += 1
    assert seen > 10


def test_no_container_may_more_than_it_needs(everything):
    for name, spec in pod_specs(everything):
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True and pod["runAsUser"] > 0, name
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in containers(spec):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
        for volume in spec.get("volumes", []):
            assert "hostPath" not in volume, name


def test_no_pod_holds_a_token_for_the_api_server(everything):
    for name, spec in pod_specs(everything):
        assert spec["automountServiceAccountToken"] is False, name
    for name, obj in everything:
        if obj["kind"] == "ServiceAccount":
            assert obj["automountServiceAccountToken"] is False, name


def test_images_have_a_version(everything):
    for name, spec in pod_specs(everything):
        for container in containers(spec):
            _, _, tag = container["image"].rpartition("/")
            assert ":" in tag and not tag.endswith(":latest"), name


def sources(releases, overlays):
    return list(releases.items()) + list(overlays.items())


def test_selectors_choose_the_pods_that_are_meant(releases, overlays):
    for name, objects in sources(releases, overlays):
        templates = {obj["metadata"]["name"]: pod_template(obj)["metadata"]["labels"] for obj in objects if pod_template(obj)}
        gateways = [pod for pod, chosen in templates.items() if chosen.get("app.kubernetes.io/component") == "gateway"]
        assert len(gateways) == 1, name

        def chosen_by(selector):
            return [pod for pod, found in templates.items() if selector.items() <= found.items()]

        for obj in of_kind(objects, "Deployment"):
            assert chosen_by(obj["spec"]["selector"]["matchLabels"]) == [obj["metadata"]["name"]], name
        for service in of_kind(objects, "Service"):
            found = chosen_by(service["spec"]["selector"])
            assert len(found) == 1, f"{name}: {service['metadata']['name']} chooses {found}"
            if labels(service).get("app.kubernetes.io/component") in ("public", "internal"):
                assert found == gateways, name
        for kind in ("PodDisruptionBudget",):
            for obj in of_kind(objects, kind):
                assert chosen_by(obj["spec"]["selector"]["matchLabels"]) == gateways, name
        for kind in ("HorizontalPodAutoscaler", "ScaledObject"):
            for obj in of_kind(objects, kind):
                assert [obj["spec"]["scaleTargetRef"]["name"]] == gateways, name
        for pod in of_kind(objects, "Deployment", "gateway"):
            for spread in pod["spec"]["template"]["spec"]["topologySpreadConstraints"]:
                assert chosen_by(spread["labelSelector"]["matchLabels"]) == gateways, name


def test_named_ports_and_volumes_exist(releases, overlays):
    for name, objects in sources(releases, overlays):
        for obj in of_kind(objects, "Deployment"):
            spec = obj["spec"]["template"]["spec"]
            volumes = {volume["name"] for volume in spec.get("volumes", [])}
            for container in containers(spec):
                ports = {port["name"] for port in container["ports"]}
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    action = container.get(probe, {}).get("httpGet") or container.get(probe, {}).get("tcpSocket")
                    assert action is None or action["port"] in ports, name
                assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes, name
        gateway = of_kind(objects, "Deployment", "gateway")[0]["spec"]["template"]["spec"]["containers"][0]
        assert {port["name"]: port["containerPort"] for port in gateway["ports"]} == {"public": 4000, "internal": 4001}, name
        assert gateway["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "internal"}, name
        assert gateway["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "internal"}, name


def test_what_the_network_policy_opens_is_what_pods_listen_on(releases, overlays):
    found = 0
    for name, objects in sources(releases, overlays):
        for policy in of_kind(objects, "NetworkPolicy"):
            if policy["spec"]["podSelector"]["matchLabels"].get("app.kubernetes.io/component") != "gateway":
                continue
            ports = [rule["ports"] for rule in policy["spec"]["ingress"]]
            assert [port["port"] for rule in ports for port in rule] == ["public", "internal"], name
            internal = policy["spec"]["ingress"][1]
            assert internal["from"], f"{name}: the internal port is open to everybody"
            found += 1
    assert found >= 2
