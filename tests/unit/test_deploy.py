"""The files in deploy/ are valid, agree with each other, and name settings that exist."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import kubernetes.client
import kubernetes_validate
import pytest
import yaml
from kserve import models as kserve

from scripts.launcher import drain, processes
from scripts.launcher.front import keeps_connections
from scripts.launcher.properties import Properties
from scripts.paths import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
UNIT = DEPLOY / "systemd" / "sentiment.service"
# After drain_seconds, the longest that the launcher takes to stop, with some seconds to spare.
STOP_SECONDS = drain.LONGEST_SECONDS + processes.STOP_SECONDS + 5


def documents(path: Path) -> list[Any]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


BASE = Properties.read(ROOT / "config.properties")
CONTAINER = Properties.read(DEPLOY / "container.properties")
SETTINGS = BASE.values | CONTAINER.values
PORTS = {name: port for name, (_, port) in Properties(BASE.path, SETTINGS).ports().items()}
HTTP, METRICS = PORTS["inference_address"], PORTS["metrics_address"]
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = documents(DEPLOY / "compose.yaml")[0]
SERVERS = [COMPOSE["services"][name] for name in ("sentiment-1", "sentiment-2")]
FRONT = COMPOSE["services"]["front"]
DEPLOYMENT, SERVICE, _, POLICY = documents(KUBERNETES / "sentiment.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
RUNTIME, INFERENCE_SERVICE = documents(KUBERNETES / "kserve.yaml")
# The containers of Kubernetes and KServe: container, volumes, seconds until SIGKILL.
PODS = [
    (POD["containers"][0], POD["volumes"], POD["terminationGracePeriodSeconds"]),
    (
        RUNTIME["spec"]["containers"][0],
        RUNTIME["spec"]["volumes"],
        INFERENCE_SERVICE["spec"]["predictor"]["terminationGracePeriodSeconds"],
    ),
]


def test_the_front_of_compose_notices_hosts_that_vanish() -> None:
    sysctls = Properties.read(DEPLOY / "sysctl.d" / "60-sentiment-front.conf").values
    assert {name: str(value) for name, value in FRONT["sysctls"].items()} == sysctls
    assert sysctls


@pytest.mark.parametrize("name", ["sentiment.yaml", "autoscaler.yaml"])
def test_kubernetes_accepts_the_manifests(name: str) -> None:
    for document in documents(KUBERNETES / name):
        kubernetes_validate.validate(document, "1.37", strict=True)


@pytest.mark.parametrize(
    ("document", "kind"),
    [(RUNTIME, "V1alpha1ServingRuntime"), (INFERENCE_SERVICE, "V1beta1InferenceService")],
)
def test_kserve_accepts_the_manifests(document: dict[str, Any], kind: str) -> None:
    assert list(problems(document, kind)) == []


def problems(data: Any, kind: str, path: str = "") -> Iterator[str]:
    """Where `data` differs from a model of KServe's or Kubernetes' client; raises ValueError.

    The models are generated from the same definitions as the schemas in the cluster.
    """
    primitives = {"str": str, "int": int, "bool": bool}
    if kind == "object":
        return
    if kind in primitives:
        if type(data) is not primitives[kind]:
            yield f"{path} is not a {kind}"
    elif item := re.fullmatch(r"[Ll]ist\[(.+)\]", kind):
        for value in data:
            yield from problems(value, item[1], f"{path}[]")
    elif item := re.fullmatch(r"[Dd]ict[(\[]str, (.+)[)\]]", kind):
        for value in data.values():
            yield from problems(value, item[1], f"{path}{{}}")
    else:
        model = getattr(kserve, kind, None) or getattr(kubernetes.client, kind)
        names = {json: name for name, json in model.attribute_map.items()}
        unknown = data.keys() - names.keys()
        yield from (f"{path}.{name} is unknown" for name in sorted(unknown))
        known = {name: value for name, value in data.items() if name not in unknown}
        model(**{names[name]: value for name, value in known.items()})  # required fields, enums
        for name, value in known.items():
            yield from problems(value, model.openapi_types[names[name]], f"{path}.{name}")


def test_compose_accepts_its_file() -> None:
    check = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    completed = subprocess.run(
        [sys.executable, *check, DEPLOY / "compose.yaml"], capture_output=True, text=True
    )
    assert completed.returncode == 0, completed.stdout


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the paths of this checkout, since systemd checks that commands exist."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / UNIT.name
    path.write_text(UNIT.read_text(encoding="utf-8").replace("/srv/sentiment", str(ROOT)))
    return path


def test_systemd_accepts_the_unit(unit: Path) -> None:
    completed = subprocess.run(
        ["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False
    )
    assert (completed.returncode, completed.stderr) == (0, "")  # unknown settings are warnings


def test_the_unit_is_hardened(unit: Path) -> None:
    # The exposure is 1.2 of 10; the threshold is in tenths.
    check = ["systemd-analyze", "security", "--offline=yes", "--threshold=13", str(unit)]
    completed = subprocess.run(check, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stdout


def test_systemd_and_containers_run_commands_that_exist() -> None:
    text = UNIT.read_text(encoding="utf-8")
    commands = re.findall(r"^ExecStart(?:Post)?=/srv/sentiment/\.venv/bin/(.+)", text, re.MULTILINE)
    words = [command.split() for command in commands]
    words += [yaml.safe_load(command) for command in re.findall(r"CMD (\[.+\])", DOCKERFILE)]
    assert {tuple(command[:3]) for command in words} == {
        ("python", "-m", "scripts.launcher"),
        ("sentiment", "ready", "--wait"),
        ("sentiment", "ready"),
    }
    for program, *arguments in words:
        command = [Path(sys.executable).with_name(program), *arguments, "--help"]
        completed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert completed.returncode == 0, completed.stderr


def test_containers_change_settings_that_exist() -> None:
    assert CONTAINER.values.keys() <= BASE.values.keys()
    # The management address is not among them.
    hosts = {name: host for name, (host, _) in Properties(BASE.path, SETTINGS).ports().items()}
    public = {name for name, host in hosts.items() if host != "127.0.0.1"}
    assert public == {"inference_address", "metrics_address"}


def test_ports_are_those_of_the_server() -> None:
    assert f"EXPOSE {HTTP} {METRICS}\n" in DOCKERFILE
    names = {port["name"]: port["containerPort"] for port in POD["containers"][0]["ports"]}
    assert names == {"http": HTTP, "metrics": METRICS}
    services = {port["targetPort"]: port["port"] for port in SERVICE["spec"]["ports"]}
    assert services == names
    rules = [port["port"] for rule in POLICY["spec"]["ingress"] for port in rule["ports"]]
    assert rules == list(names)
    assert [port["containerPort"] for port in PODS[1][0]["ports"]] == [HTTP]
    assert RUNTIME["spec"]["annotations"]["prometheus.kserve.io/port"] == str(METRICS)
    backends = re.findall(r"server (\S+) ", FRONT["environment"]["BACKENDS"])
    assert backends == [f"sentiment-{i}:{HTTP}" for i in (1, 2)]
    scraped = yaml.safe_load(COMPOSE["configs"]["prometheus"]["content"])["scrape_configs"][0]
    targets = scraped["static_configs"][0]["targets"]
    assert targets == [f"sentiment-{i}:{METRICS}" for i in (1, 2)]


@pytest.mark.parametrize("pod", PODS)
def test_probes_use_ports_of_the_container(pod: tuple[dict[str, Any], Any, int]) -> None:
    container = pod[0]
    http = container["ports"][0].get("name", HTTP)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["port"] == http


def test_a_stop_is_longer_than_the_drain() -> None:
    needed = float(SETTINGS.get("drain_seconds", "5")) + STOP_SECONDS
    for container, _, grace in PODS:
        assert grace >= needed + int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    for server in [*SERVERS, FRONT]:
        assert int(server["stop_grace_period"].removesuffix("s")) >= needed
    timeout = re.search(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(encoding="utf-8"), re.MULTILINE)
    assert timeout is not None
    assert int(timeout[1]) >= needed


def test_containers_can_write_to_two_folders() -> None:
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user is not None
    assert f"chown {user[1]}:{user[2]} .run" in DOCKERFILE
    for server in SERVERS:
        assert server["read_only"]
        assert [folder.partition(":")[0] for folder in server["tmpfs"]] == [
            "/tmp",
            "/srv/sentiment/.run",
        ]
        assert f"uid={user[1]},gid={user[2]}" in server["tmpfs"][1]
    assert POD["securityContext"]["runAsUser"] == int(user[1])
    for container, volumes, _ in PODS:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert mounts == {"tmp": "/tmp", "run": "/srv/sentiment/.run"}
        assert [volume["name"] for volume in volumes] == list(mounts)


def test_files_that_are_copied_or_mounted_exist() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    for pattern in {name for line in copied for name in line.split()}:
        assert list(ROOT.glob(pattern)), pattern
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (DEPLOY / source).is_file(), f"{name}: {source}"


def test_compose_fills_in_the_settings_of_the_front(tmp_path: Path) -> None:
    settings = {k: v for k, v in FRONT["environment"].items() if not k.startswith("NGINX_")}
    templates = sorted((DEPLOY / "nginx").glob("*.conf"))
    texts = [path.read_text(encoding="utf-8") for path in templates]
    assert settings.keys() == set(re.findall(r"\$\{([A-Z_]+)\}", "".join(texts)))
    assert settings["MAX_BODY_BYTES"] == SETTINGS["max_request_size"]
    assert int(settings["BODY_BUFFER_BYTES"]) == 6 * int(SETTINGS["max_request_size"])
    mounted = {volume.split(":")[0] for volume in FRONT["volumes"]}
    assert mounted == {"/dev/null", *(f"./nginx/{path.name}" for path in templates)}

    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if nginx is None or shutil.which("openssl") is None:
        pytest.skip("nginx or openssl is not installed")
    make = ["openssl", "req", "-x509", "-noenc", "-newkey", "rsa:2048", "-subj", "/CN=test"]
    keys = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "certificate.pem")]
    subprocess.run([*make, *keys], check=True, capture_output=True)
    (tmp_path / "clients.conf").write_text("0123456789abcdef client;\n")
    (tmp_path / "token.conf").symlink_to("/dev/null")
    (tmp_path / "temp").mkdir()
    settings |= {
        # The container's nginx has it; Debian's may be older.
        "KEEPALIVE_MIN_TIMEOUT": settings["KEEPALIVE_MIN_TIMEOUT"] if keeps_connections() else "",
        "CERTIFICATE": str(tmp_path / "certificate.pem"),
        "CERTIFICATE_KEY": str(tmp_path / "key.pem"),
        "CLIENTS": str(tmp_path / "clients.conf"),
        # Names of containers are unknown here.
        "BACKENDS": re.sub(r"sentiment-\d", "127.0.0.1", settings["BACKENDS"]),
    }
    for path, text in zip(templates, texts, strict=True):
        (tmp_path / path.name).write_text(Template(text).safe_substitute(settings))
    command = [nginx, "-t", "-p", f"{tmp_path}/", "-c", "nginx.conf", "-e", "error.log"]
    completed = subprocess.run(command, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr


def test_the_autoscaler_uses_a_metric_of_the_server(tmp_path: Path) -> None:
    rule = documents(KUBERNETES / "adapter.yaml")[0]["rules"]["custom"][0]
    autoscaler = documents(KUBERNETES / "autoscaler.yaml")[0]["spec"]
    assert autoscaler["metrics"][0]["pods"]["metric"]["name"] == rule["name"]["as"]
    assert autoscaler["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]
    series = rule["seriesQuery"].partition("{")[0]
    declared = documents(ROOT / "metrics.yaml")[0]["ts_metrics"]["counter"]
    assert series in {metric["name"] for metric in declared}

    query = rule["metricsQuery"].replace("<<.Series>>", series)
    query = query.replace("<<.LabelMatchers>>", 'namespace="a"').replace("<<.GroupBy>>", "pod")
    rules = {"groups": [{"name": "adapter", "rules": [{"record": "queue", "expr": query}]}]}
    promtool("check", "rules", write(tmp_path / "rules.yml", yaml.safe_dump(rules)))


def test_prometheus_accepts_its_configurations(tmp_path: Path) -> None:
    shutil.copy(DEPLOY / "prometheus" / "alerts.yml", tmp_path)
    compose = COMPOSE["configs"]["prometheus"]["content"]
    # Debian's Prometheus has no discovery of pods.
    cluster = (KUBERNETES / "prometheus.yaml").read_text(encoding="utf-8")
    discovery = "kubernetes_sd_configs: [{role: pod}]"
    assert discovery in cluster
    static = cluster.replace(discovery, "static_configs: [{targets: [localhost]}]")
    for content in (compose, static):
        # The job of the alerts and the dashboard.
        assert [j["job_name"] for j in yaml.safe_load(content)["scrape_configs"]] == ["sentiment"]
        promtool("check", "config", write(tmp_path / "prometheus.yml", content))


def promtool(*arguments: str) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed")
    completed = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)
