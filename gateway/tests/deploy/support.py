"""What the tests share: where things are, running tools, walking through objects."""

import os
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "helm" / "gateway"
K8S = ROOT / "k8s"
TOOLS = ROOT / "target" / "tools" / "bin"
GATEWAY = Path(os.environ.get("GATEWAY_BIN", ROOT / "target" / "debug" / "gateway"))

# libyaml's loader, ten times faster, where it is there.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def run(*command, env=None, cwd=ROOT):
    """Runs a program to its end; what it wrote is kept."""
    path = f"{TOOLS}:{os.environ['PATH']}"
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    command = [str(word) for word in command]
    return subprocess.run(
        command, cwd=cwd, env={**clean, "PATH": path, **(env or {})}, capture_output=True, text=True, timeout=60
    )


def output(*command, **options):
    """What a program printed; it must have succeeded."""
    done = run(*command, **options)
    assert done.returncode == 0, f"{command} exited with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def load_all(text):
    """The documents of a YAML stream that are not empty."""
    return [document for document in yaml.load_all(text, LOADER) if document]


def load(path):
    """The only document of a YAML file."""
    return yaml.load(Path(path).read_text(), LOADER)


def ci_values():
    """The sets of values that the chart is tested with."""
    return {file.name.removesuffix("-values.yaml"): file for file in sorted((CHART / "ci").glob("*-values.yaml"))}


def template(*files, set_values=(), release="gw", namespace="prod"):
    """What `helm template` renders."""
    options = [word for file in files for word in ("--values", file)]
    options += [word for value in set_values for word in ("--set-json", value)]
    return load_all(output("helm", "template", release, CHART, "--namespace", namespace, *options))


def template_error(*files, set_values=()):
    """What `helm template` complains about."""
    options = [word for file in files for word in ("--values", file)]
    options += [word for value in set_values for word in ("--set-json", value)]
    done = run("helm", "template", "gw", CHART, *options)
    assert done.returncode != 0, f"it was rendered:\n{done.stdout[:2000]}"
    return done.stderr


def overlay_files():
    """The overlays that can be applied."""
    return sorted(K8S.glob("overlays/*/kustomization.yaml"))


def kustomize(folder):
    """What `kubectl kustomize` builds."""
    return load_all(output("kubectl", "kustomize", folder))


def workspace_version():
    """The version of the program."""
    return tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]


def of_kind(objects, kind, component=None):
    """Those of a kind, and of a component if one is named."""
    found = [obj for obj in objects if obj["kind"] == kind]
    if component is None:
        return found
    return [obj for obj in found if labels(obj).get("app.kubernetes.io/component") == component]


def only(objects):
    """The only one there is."""
    assert len(objects) == 1, [obj["metadata"]["name"] for obj in objects]
    return objects[0]


def labels(obj):
    """The labels of an object."""
    return obj["metadata"].get("labels", {})


def pod_template(obj):
    """The template of what makes pods, the pod itself, or None."""
    if obj["kind"] == "Pod":
        return obj
    if obj["kind"] in ("Deployment", "Job", "StatefulSet", "DaemonSet"):
        return obj["spec"]["template"]
    return None


def pod_specs(objects):
    """Pairs of a name and the pod that it makes."""
    for name, obj in objects:
        pod = pod_template(obj)
        if pod:
            yield name, pod["spec"]


def containers(spec):
    """All containers of a pod."""
    return spec.get("initContainers", []) + spec["containers"]


def environment(container):
    """The variables of a container by name: a value, or None when a Secret holds it."""
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def expand(value, variables):
    """What Kubernetes makes of $(NAME)."""
    return re.sub(r"\$\((\w+)\)", lambda match: variables.get(match[1], match[0]), value)


def check_config(text, env):
    """Runs `gateway check` on a configuration."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        return run(GATEWAY, "check", "--config", file.name, env=env)
