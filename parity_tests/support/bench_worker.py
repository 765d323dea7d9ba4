"""A worker of `handgrad bench` that measures nothing: the same rows each time, and at once."""

import json
import sys

job = json.loads(sys.stdin.readline())
print(json.dumps({"environment": {"numpy": "2", "probe_seconds": 1e-4}}), flush=True)
for case in job["cases"]:
    size = len(case["name"])
    seconds = {name: [[size * times * 1e-6] * 9] for name, times in (("NumPy", 1.0), ("PyTorch", 2.0))}
    print(json.dumps({"row": {"case": case, "seconds": seconds, "dirty": 0, "blocks": 18}}), flush=True)
