#!/usr/bin/env python3
"""Writes the manifests of the kustomize base and its components from the chart, so that both say the same.

`make k8s` runs it; a test fails when what it would write is not what is there.
"""

import subprocess
import sys
from pathlib import Path

import yaml

K8S = Path(__file__).resolve().parent
HEADER = "# Made from the chart by `make k8s`: change helm/gateway or k8s/values.yaml instead.\n"

# Where each kind goes. Pods of `helm test`, and what an overlay makes by itself, are left out.
PLACES = {
    "Deployment": "base/deployment.yaml",
    "PodDisruptionBudget": "base/poddisruptionbudget.yaml",
    "Service": "base/services.yaml",
    "ServiceAccount": "base/serviceaccount.yaml",
    "NetworkPolicy": "components/network-policy/networkpolicy.yaml",
    "Ingress": "components/ingress/ingress.yaml",
    "HorizontalPodAutoscaler": "components/hpa/autoscaler.yaml",
    "ScaledObject": "components/keda/autoscaler.yaml",
    "PodMonitor": "components/monitoring/podmonitor.yaml",
    "PrometheusRule": "components/monitoring/prometheusrule.yaml",
    "ConfigMap": "components/monitoring/dashboard.yaml",
}

# What only means something to Helm.
HELM_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")


class Dumper(yaml.SafeDumper):
    """Texts of several lines as they are, and lists indented below their key."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def represent_text(dumper, text):
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Dumper.add_representer(str, represent_text)


def render(*settings):
    """The chart's objects."""
    chart = K8S.parent / "helm" / "gateway"
    command = ["helm", "template", "gateway", str(chart), "--namespace", "gateway", "--values", str(K8S / "values.yaml"), *settings]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [obj for obj in yaml.safe_load_all(text) if obj]


def without_helm(obj):
    """The object without what only Helm needs."""
    for label in HELM_LABELS:
        obj["metadata"].get("labels", {}).pop(label, None)
    if obj["kind"] == "Deployment":
        # kustomize names the ConfigMap after its contents, so no checksum is needed.
        del obj["spec"]["template"]["metadata"]["annotations"]
        obj["spec"].pop("replicas", None)
    return obj


def manifests():
    """Path -> text of each file."""
    keda = [obj for obj in render("--set", "autoscaling.kind=keda") if obj["kind"] == "ScaledObject"]
    files = {}
    for obj in [*render(), *keda]:
        if obj["kind"] in PLACES:
            files.setdefault(PLACES[obj["kind"]], []).append(without_helm(obj))
    dump = {"Dumper": Dumper, "sort_keys": False, "width": 1000, "allow_unicode": True}
    return {path: HEADER + yaml.dump_all(objects, **dump) for path, objects in files.items()}


if __name__ == "__main__":
    for path, text in manifests().items():
        (K8S / path).write_text(text)
        sys.stderr.write(f"k8s/{path}\n")
