"""What infra/ holds fits together and the pins, and keeps Ray to those who may use it; `ray up` takes its file."""

import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from ray._private.runtime_env.packaging import get_excludes_from_ignore_files
from ray.autoscaler._private.util import prepare_config, validate_config

from harvest.faces.sessions import FOR_CUDA
from workflows.config import RunConfig, load_config

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINS = dict(
    line.split("#")[0].strip().split("==")
    for line in (INFRA / "constraints.txt").read_text().splitlines()
    if "==" in line
)
MANIFESTS = sorted(INFRA.rglob("kuberay/**/*.yaml"))


def documents() -> list[tuple[Path, dict[str, Any]]]:
    found = [(path, document) for path in MANIFESTS for document in yaml.safe_load_all(path.read_text())]
    nightly = next(document for path, document in found if document["kind"] == "ConfigMap")
    return [*found, (INFRA / "kuberay/nightly.yaml", yaml.safe_load(nightly["data"]["rayjob.yaml"]))]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for _, document in documents() if document["kind"] == kind]


def cluster() -> dict[str, Any]:
    (found,) = of_kind("RayCluster")
    return dict(found["spec"])


def launched() -> dict[str, Any]:
    return dict(yaml.safe_load((INFRA / "ray/cluster.yaml").read_text()))


def instructions() -> list[tuple[str, str]]:
    """Instruction and arguments of each line of the Dockerfile, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (INFRA / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in text.splitlines() if line.strip()]  # type: ignore[misc]


def test_every_object_of_kubernetes_has_a_kind_a_name_and_the_namespace() -> None:
    assert {document["kind"] for _, document in documents()} >= {
        "RayCluster",
        "RayJob",
        "CronJob",
        "Role",
        "RoleBinding",
    }
    for path, document in documents():
        assert document["apiVersion"], path
        assert document["metadata"]["name"], path
        assert document["metadata"]["namespace"] == "castmine", path


def test_there_is_a_job_for_each_stage_on_the_cluster_that_is_declared() -> None:
    jobs = {job["metadata"]["name"]: job["spec"] for job in of_kind("RayJob")}
    assert set(jobs) == {f"castmine-{name}" for name in ("harvest", "train", "cluster", "report", "nightly")}
    labels = [document["metadata"]["name"] for document in of_kind("RayCluster")]
    for spec in jobs.values():
        assert [spec["clusterSelector"]["ray.io/cluster"]] == labels


def test_versions_are_those_of_the_pins() -> None:
    assert cluster()["rayVersion"] == PINS["ray"] == ray.__version__
    arguments = dict(line.split("=", 1) for word, line in instructions() if word == "ARG" and "=" in line)
    assert PROJECT["requires-python"] == f">={arguments['PYTHON']}"
    assert "constraints.txt" in next(line for word, line in instructions() if word == "RUN" and "pip install" in line)
    images = re.findall(
        r"castmine:(\d[\w.-]+)",
        "".join(path.read_text() for path in INFRA.rglob("*") if path.is_file() and path.suffix != ".png"),
    )
    assert set(images) == {f"{PROJECT['version']}-{device}" for device in ("cpu", "cuda")}


def test_the_image_is_built_from_what_there_is_and_runs_as_no_root() -> None:
    words = [word for word, _ in instructions()]
    assert set(words) <= {"ARG", "FROM", "RUN", "USER", "WORKDIR", "ENV", "VOLUME", "CMD"}
    users = [line for word, line in instructions() if word == "USER"]
    assert users == ["castmine"]
    assert words.index("USER") < len(words) - 1 - words[::-1].index("RUN"), "the last check runs as that user"
    kept = [line[1:] for line in (INFRA / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    assert all((ROOT / path).exists() for path in kept)
    install = next(line for word, line in instructions() if word == "RUN" and "pip install" in line)
    extras, others = re.findall(r'"/src\[([\w,]+)\]"([\w ]*)', install)[0]
    assert set(others.split()) <= set(PINS), "what is added by hand is pinned too"
    assert set(extras.split(",")) <= set(PROJECT["optional-dependencies"])
    assert install.index("pip uninstall -y onnxruntime") < install.index("onnxruntime-gpu")


def test_what_is_told_of_a_gpu_names_the_version_that_is_pinned() -> None:
    assert FOR_CUDA.endswith(f" onnxruntime-gpu=={PINS['onnxruntime-gpu']}")
    assert PINS["onnxruntime-gpu"] == PINS["onnxruntime"]
    assert f"    {FOR_CUDA}\n" in (INFRA / "README.md").read_text()


@pytest.mark.parametrize("path", sorted(INFRA.rglob("*.sh")), ids=lambda path: path.name)
def test_every_script_is_shell(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    assert os.access(path, os.X_OK)


def test_ray_up_takes_its_file() -> None:
    schema = json.loads((Path(ray.__file__).parent / "autoscaler/ray-schema.json").read_text())
    jsonschema.validate(launched(), schema)
    validate_config(prepare_config(launched()))


def test_docker_is_told_each_option_once_on_every_machine() -> None:
    """As Ray joins them: a node type's own fields take the place of the cluster's, the two lists then add up."""
    for node in launched()["available_node_types"].values():
        docker = launched()["docker"] | node.get("docker", {})
        options = [*docker["run_options"], *docker.get("worker_run_options", [])]
        assert len(options) == len(set(options)) == 5


def test_the_head_gives_away_no_core_and_machines_come_only_for_work() -> None:
    nodes = launched()["available_node_types"]
    assert nodes["head"]["resources"] == {"CPU": 0}
    assert [nodes[name]["min_workers"] for name in ("cpu", "gpu")] == [0, 0]
    assert cluster()["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert {group["groupName"]: group["minReplicas"] for group in cluster()["workerGroupSpecs"]} == {"cpu": 0, "gpu": 0}
    assert cluster()["enableInTreeAutoscaling"] is True


def test_a_pod_has_memory_for_a_worker_on_each_of_its_cores() -> None:
    (group,) = [group for group in cluster()["workerGroupSpecs"] if group["groupName"] == "cpu"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    store = int(group["rayStartParams"]["object-store-memory"])
    assert (
        int(limits["memory"].removesuffix("Gi")) * 2**30 - store >= int(limits["cpu"]) * RunConfig().memory_gb * 2**30
    )


def test_nobody_outside_reaches_ray_and_nobody_inside_without_its_token() -> None:
    head = cluster()["headGroupSpec"]
    assert (head["serviceType"], head["enableIngress"]) == ("ClusterIP", False)
    assert cluster()["authOptions"]["mode"] == "token"
    (policy,) = of_kind("NetworkPolicy")
    assert policy["spec"]["podSelector"]["matchLabels"] == {"ray.io/cluster": "castmine"}
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    (start,) = [line for line in launched()["head_start_ray_commands"] if "--head" in line]
    assert "--dashboard-host=127.0.0.1" in start
    assert "--env RAY_AUTH_MODE=token" in launched()["docker"]["run_options"]


def test_no_container_runs_as_root_or_may_become_it() -> None:
    pods = [
        cluster()["headGroupSpec"],
        *cluster()["workerGroupSpecs"],
        of_kind("CronJob")[0]["spec"]["jobTemplate"]["spec"],
    ]
    for pod in (each["template"]["spec"] for each in pods):
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"]


def test_movies_and_models_are_mounted_to_be_read() -> None:
    for group in (cluster()["headGroupSpec"], *cluster()["workerGroupSpecs"]):
        mounts = {
            mount["mountPath"]: mount.get("readOnly", False)
            for mount in group["template"]["spec"]["containers"][0]["volumeMounts"]
        }
        assert mounts == {"/movies": True, "/models": True, "/datasets": False}


VERBS = {"get": {"get"}, "create": {"create"}, "delete": {"delete", "get", "list", "watch"}}
"""What a command of kubectl asks of the API server; `delete` waits for what has a finalizer, as a RayJob has: without
`list` and `watch` it meets 403 again and again, for ever."""


def test_two_nights_never_overlap_and_the_pod_may_do_what_its_script_does_and_no_more() -> None:
    (cron,) = of_kind("CronJob")
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    (role,), (binding,) = of_kind("Role"), of_kind("RoleBinding")
    script = of_kind("ConfigMap")[0]["data"]["create.sh"]
    (rule,) = role["rules"]
    assert (rule["apiGroups"], rule["resources"]) == (["ray.io"], ["rayjobs"])
    asked = set(re.findall(r"kubectl (\w+)", script))
    assert set(rule["verbs"]) == set().union(*(VERBS[command] for command in asked))
    account = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["serviceAccountName"]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert account == binding["subjects"][0]["name"] == of_kind("ServiceAccount")[0]["metadata"]["name"]


FAKE_KUBECTL = """#!/bin/sh
# An API server of one RayJob: what was asked is noted; `get` answers the next line of the file `states`.
echo "$1 $2" >> asked
[ "$1" = get ] || exit 0
head -n 1 states; sed -i 1d states
"""


@pytest.mark.parametrize(
    ("states", "status", "asked"),
    [
        pytest.param(["", "Running", "Complete"], 0, ["delete", "create"], id="the first night"),
        pytest.param(["Failed", "Running", "Complete"], 0, ["delete", "create"], id="after a night that failed"),
        pytest.param(["Complete", "Running", "Failed"], 1, ["delete", "create"], id="a job that fails"),
        pytest.param(["Running", "Running", "Complete"], 0, [], id="a job whose pod was lost is waited for"),
        pytest.param(["ValidationFailed", "Running", "Complete"], 0, ["delete", "create"], id="after a refused job"),
        pytest.param(["", "ValidationFailed"], 1, ["delete", "create"], id="a job that is refused"),
        pytest.param(["", "", "rayjob/castmine-nightly", "Complete"], 0, ["delete", "create"], id="not begun yet"),
        pytest.param(["", "Running", "", ""], 1, ["delete", "create"], id="a job that somebody deletes"),
    ],
)
def test_the_nightly_script_creates_one_job_and_ends_as_it_does(
    tmp_path: Path, states: list[str], status: int, asked: list[str]
) -> None:
    (tmp_path / "kubectl").write_text(FAKE_KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "states").write_text("".join(f"{state}\n" for state in states))
    script = of_kind("ConfigMap")[0]["data"]["create.sh"]
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "POLL_S": "0"}
    ran = subprocess.run(["sh", "-c", script], cwd=tmp_path, env=environment, timeout=20, check=False)
    assert ran.returncode == status
    verbs = [line.split()[0] for line in (tmp_path / "asked").read_text().splitlines()]
    assert [verb for verb in verbs if verb != "get"] == asked


def test_a_pod_that_waits_for_a_night_ends_before_the_second_next() -> None:
    (cron,) = of_kind("CronJob")
    assert 86400 < cron["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] < 2 * 86400


def test_a_submitted_job_takes_the_code_along_and_little_else() -> None:
    """What Ray packs of a checkout, by its own rules."""
    ignored = get_excludes_from_ignore_files(ROOT, include_gitignore=True)
    for path in (".git/config", ".venv/bin/python", "tests/conftest.py", "demo/index.html", "films/alien.mp4"):
        assert any(ignores(ROOT / path) for ignores in ignored), path
    for path in ("workflows/__main__.py", "workflows/report/templates", "harvest/movie.py", "infra/constraints.txt"):
        assert not any(ignores(ROOT / path) for ignores in ignored), path


def test_the_runtime_environment_is_one_of_rays() -> None:
    environment = yaml.safe_load((INFRA / "ray/runtime-env.yaml").read_text())
    assert ray.runtime_env.RuntimeEnv(**environment).to_dict()["env_vars"]["RAY_USAGE_STATS_ENABLED"] == "0"


def test_the_example_of_a_corpus_is_a_configuration() -> None:
    config = load_config(INFRA / "corpus.yaml")
    assert (config.corpus.movies, config.corpus.dataset) == ("/movies", "/datasets/films")
