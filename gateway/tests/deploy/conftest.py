"""Tests of what runs the gateway: chart, manifests, rules, dashboard, image, and the page for operators.

`make test-deploy` runs them, with helm, kubectl, promtool and hadolint from target/. They need the built binary: what the
chart configures is checked by the gateway itself.
"""

import pytest

import support


@pytest.fixture(scope="session")
def releases():
    """Every set of values in helm/gateway/ci, rendered: name -> objects."""
    return {name: support.template(file) for name, file in support.ci_values().items()}


@pytest.fixture(scope="session")
def overlays():
    """Every kustomize overlay, built: name -> objects."""
    return {path.parent.name: support.kustomize(path.parent) for path in support.overlay_files()}


@pytest.fixture(scope="session")
def everything(releases, overlays):
    """All objects, each with a name that tells where it comes from."""
    sources = {**releases, **{f"k8s/{name}": objects for name, objects in overlays.items()}}
    return [
        (f"{name}: {obj['kind']}/{obj['metadata']['name']}", obj) for name, objects in sources.items() for obj in objects
    ]


@pytest.fixture(scope="session")
def gateway_version():
    """The workspace's version."""
    return support.workspace_version()
