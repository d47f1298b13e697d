"""Metrics, scraped from the port on which a real Ray exports them, as Prometheus does."""

import subprocess
import sys

SCRAPE = """
import re, sys, time, urllib.request
import ray
from workflows.metrics import count_failure, count_movie, count_segment, show_queue
ray.init(address="local", num_cpus=1, include_dashboard=False, object_store_memory=150 * 2**20, log_to_driver=False)

@ray.remote
def work():
    count_segment(250, 7, {"decode": 1.5, "detect": 4.0, "write": 0.0})
    count_segment(0, 0, {})
    count_movie()

ray.get(work.remote())
show_queue(3, 1, 2)
count_failure("probe", "VideoDecodeError")
(node,) = ray.nodes()
page, end = "", time.monotonic() + 60
while time.monotonic() < end and not ("castmine_segments" in page and "castmine_workers" in page):
    time.sleep(0.5)
    try:
        page = urllib.request.urlopen(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics").read()
        page = page.decode()
    except OSError:
        continue
for name, tags, number in re.findall(r"^ray_castmine_(\\w+){(.*)} (\\S+)$", page, re.MULTILINE):
    stage = re.findall(r'stage="(\\w+)"', tags)
    print(name, *stage, float(number))
"""


def test_what_workers_did_and_how_the_queue_stands_is_exported_to_prometheus() -> None:
    done = subprocess.run([sys.executable, "-c", SCRAPE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == [
        "faces_total 7.0",
        "failures_total probe 1.0",
        "frames_total 250.0",
        "jobs_queued 3.0",
        "jobs_running 1.0",
        "movies_total 1.0",
        "segments_total 2.0",
        "stage_seconds_total decode 1.5",
        "stage_seconds_total detect 4.0",
        "workers 2.0",
    ]
