"""The file of the image, as far as it can be checked without building it. `make image` builds and runs it."""

import re
import tomllib

import support
from support import CHART

DOCKERFILE = (support.ROOT / "Dockerfile").read_text()
STAGES = re.split(r"^FROM ", DOCKERFILE, flags=re.M)


def test_hadolint_finds_nothing():
    hadolint = support.ROOT / "target" / "venv" / "bin" / "hadolint"
    assert support.output(hadolint, support.ROOT / "Dockerfile") == ""


def test_the_layer_of_dependencies_knows_all_manifests():
    """A new member of the workspace has to be copied before the first build, or cargo does not find it."""
    members = tomllib.loads((support.ROOT / "Cargo.toml").read_text())["workspace"]["members"]
    first_build = STAGES[1].partition("RUN ")[0]
    ignore = (support.ROOT / ".dockerignore").read_text().splitlines()
    for member in members:
        assert f"COPY {member}/Cargo.toml {member}/" in first_build, member
        assert f"!{member}" in ignore or f"!{member}/Cargo.toml" in ignore, member


def test_the_layer_of_dependencies_is_built_without_the_sources():
    """Cargo looks for a target that names no path; one that names it may be missing while another one is built."""
    manifest = tomllib.loads((support.ROOT / "gateway" / "Cargo.toml").read_text())
    for kind in ("example", "test", "bench"):
        for target in manifest.get(kind, []):
            assert "path" in target, f"{kind} {target['name']}"


def test_what_the_sources_include_is_copied():
    """Files outside of the package that end up in the binary; what only tests include is not built."""
    ignore = (support.ROOT / ".dockerignore").read_text().splitlines()
    second_build = STAGES[1].rpartition("COPY gateway gateway")[0]
    included = set()
    for source in (support.ROOT / "gateway" / "src").rglob("*.rs"):
        if "tests" in source.parts or source.name == "lib.rs":
            continue
        for path in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', source.read_text()):
            path = (source.parent / path).resolve().relative_to(support.ROOT)
            if path.parts[0] != "gateway":
                included.add(path.parts[0])
    assert included == {"migrations"}
    for folder in included:
        assert f"COPY {folder} {folder}" in second_build and f"!{folder}" in ignore, folder


def test_both_builds_are_those_of_the_script():
    assert STAGES[1].count(".ci/build-static") == 3, "copied once, run twice"
    assert "cargo" not in STAGES[1].replace("COPY Cargo", "").replace("so cargo would take", "")


def test_the_last_stage_adds_one_file_for_nobody():
    last = STAGES[-1]
    assert re.findall(r"^(?:COPY|ADD|RUN) .*$", last, re.M) == ["COPY --from=build /image/gateway /gateway"]
    assert "USER 65532:65532" in last
    assert "HEALTHCHECK" not in DOCKERFILE, "Kubernetes has probes, and the image has nothing that could ask"


def test_it_starts_as_the_chart_starts_it():
    deployment = (CHART / "templates" / "deployment.yaml").read_text()
    args = re.search(r"args: \[(.+)\]", deployment)[1].split(", ")
    command = re.search(r"^CMD \[(.+)\]$", DOCKERFILE, re.M)[1].replace('"', "").split(", ")
    assert args == command
    ports = re.findall(r"containerPort: (\d+)", deployment)
    assert re.search(r"^EXPOSE (.+)$", DOCKERFILE, re.M)[1].split() == ports
    values = support.template(CHART / "ci" / "single-values.yaml")
    context = support.only(support.of_kind(values, "Deployment"))["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {context['runAsUser']}:{context['runAsGroup']}" in DOCKERFILE


def test_the_compiler_is_the_one_that_the_workspace_needs():
    wanted = tomllib.loads((support.ROOT / "Cargo.toml").read_text())["workspace"]["package"]["rust-version"]
    assert f"rust:{wanted}-" in DOCKERFILE
