"""The manifests without Helm: they are the chart's, and each overlay is whole."""

import importlib.util

from support import K8S, labels, of_kind, only


def generator():
    spec = importlib.util.spec_from_file_location("generate", K8S / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_base_is_what_the_chart_says(monkeypatch):
    monkeypatch.setenv("PATH", str(K8S.parent / "target" / "tools" / "bin"), prepend=":")
    for path, text in generator().manifests().items():
        assert (K8S / path).read_text() == text, f"k8s/{path} is old: run `make k8s`"


def test_every_file_is_used(overlays):
    assert set(overlays) == {"production", "production-keda", "try"}
    mentioned = "".join(file.read_text() for file in K8S.rglob("kustomization.yaml"))
    for file in K8S.rglob("*"):
        if file.is_file() and file.suffix in (".yaml", ".toml") and file.name != "kustomization.yaml":
            assert file.name in mentioned or file.name == "values.yaml", file


def test_all_objects_are_in_the_namespace_of_the_overlay(overlays):
    for name, objects in overlays.items():
        namespace = only(of_kind(objects, "Namespace"))["metadata"]["name"]
        for obj in objects:
            assert obj["kind"] == "Namespace" or obj["metadata"]["namespace"] == namespace, f"{name}: {obj['metadata']}"


def test_what_is_referred_to_is_there(overlays):
    for name, objects in overlays.items():
        gateway = only(of_kind(objects, "Deployment", "gateway"))["spec"]["template"]["spec"]
        maps = [obj["metadata"]["name"] for obj in of_kind(objects, "ConfigMap")]
        config = only([{"metadata": volume, **volume} for volume in gateway["volumes"]])["configMap"]["name"]
        assert config in maps and config.startswith("gateway-config-"), f"{name}: a changed file must be a new name"
        assert gateway["serviceAccountName"] in [obj["metadata"]["name"] for obj in of_kind(objects, "ServiceAccount")]
    secrets = {obj["metadata"]["name"].rsplit("-", 1)[0] for obj in of_kind(overlays["try"], "Secret")}
    assert secrets == {"gateway-redis", "gateway-secrets"}
    assert not of_kind(overlays["production"], "Secret"), "secrets of production stand in no repository"
    comment = (K8S / "overlays" / "production" / "kustomization.yaml").read_text()
    assert all(f"create secret generic {secret} " in comment for secret in secrets)


def test_one_autoscaler_each(overlays):
    kinds = {name: [obj["kind"] for obj in objects] for name, objects in overlays.items()}
    assert "HorizontalPodAutoscaler" in kinds["production"] and "ScaledObject" not in kinds["production"]
    assert "ScaledObject" in kinds["production-keda"] and "HorizontalPodAutoscaler" not in kinds["production-keda"]
    query = only(of_kind(overlays["production-keda"], "ScaledObject"))["spec"]["triggers"][0]["metadata"]["query"]
    namespace = only(of_kind(overlays["production-keda"], "Namespace"))["metadata"]["name"]
    deployment = only(of_kind(overlays["production-keda"], "Deployment", "gateway"))["metadata"]["name"]
    assert query == f'sum(gateway_connections{{namespace="{namespace}", pod=~"{deployment}-.*"}})'


def test_nothing_is_left_of_helm(overlays):
    for name, objects in overlays.items():
        for obj in objects:
            assert not any("helm" in label for label in labels(obj)), f"{name}: {obj['metadata']['name']}"
