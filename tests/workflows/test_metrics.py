"""Metrics of a real harvest, scraped from the port on which Ray exports them, as Prometheus does."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

SCRAPE = """
import json, re, sys, threading, time, urllib.request
import ray
from workflows.config import load_config
from workflows.harvest.run import harvest

ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=150 * 2**20, log_to_driver=False)
(node,) = ray.nodes()
largest, last = {}, {}

def scrape():
    url = f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"
    page = urllib.request.urlopen(url).read().decode()
    for name, tags, number in re.findall(r"^ray_castmine_(\\w+){(.*)} (\\S+)$", page, re.MULTILINE):
        key = " ".join([name, *re.findall(r'(?:stage|error)="(\\w+)"', tags)])
        last[key] = float(number)
        largest[key] = max(last[key], largest.get(key, 0))

def watch():
    while True:
        time.sleep(0.5)
        try:
            scrape()
        except OSError:
            pass

threading.Thread(target=watch, daemon=True).start()
movies, dataset, models = sys.argv[1:]
summary = harvest(movies, dataset, models, load_config(None, ["run.workers=1"]))
end = time.monotonic() + 60
while time.monotonic() < end and not ("movies_total" in last and last.get("workers") == 0):
    time.sleep(0.5)
print(json.dumps({"largest": largest, "last": last, "stages": summary.stages(), "usage": summary.usage.workers}))
"""
QUICK = {"RAY_metrics_report_interval_ms": "500"}
"""Ray's own is 10 s."""


def test_what_a_harvest_did_and_how_its_queue_stood_is_exported_to_prometheus(
    clips: Path, pack_folder: Path, tmp_path: Path
) -> None:
    movies = tmp_path / "movies"
    movies.mkdir()
    shutil.copyfile(clips / "street.mp4", movies / "street.mp4")
    (movies / "broken.mp4").write_bytes(b"no movie")
    command = [sys.executable, "-c", SCRAPE, *map(str, (movies, tmp_path / "dataset", pack_folder))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env=os.environ | QUICK)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    counted = {name: number for name, number in found["last"].items() if "_total" in name}
    spent = {name.split()[1]: counted.pop(name) for name in list(counted) if name.startswith("stage_seconds_total")}
    assert counted == {
        "segments_total": 1,
        "frames_total": 105,
        "faces_total": 180,
        "movies_total": 1,
        "failures_total VideoDecodeError probe": 1,
    }
    assert spent.keys() >= {"load", "open", "decode", "shots", "detect", "track", "chips", "embed", "write"}
    assert all(abs(spent[stage] - found["stages"][stage]) < 0.01 for stage in ("decode", "detect", "embed", "write"))
    assert all(spent[stage] > found["stages"][stage] - 0.01 for stage in ("load", "open")), "of the broken one too"
    gauges = {name: number for name, number in found["largest"].items() if "_total" not in name}
    assert (gauges["workers"], gauges["jobs_running"]) == (1, 1), "while it worked"
    assert gauges.keys() == {"workers", "jobs_running", "jobs_queued"}
    assert all(found["last"][name] == 0 for name in gauges), "and none stands for ever"
