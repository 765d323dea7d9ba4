"""A fresh process that measures: a job as JSON on standard input, a row as JSON per line on standard output."""

import json
import os
import sys
from typing import Any

from benchmarks import machine
from handgrad.stopping import end_with_the_starter


def main() -> None:
    """Pin, assert, calibrate; then the environment as the first line, and a line for every case of the job."""
    job = json.loads(sys.stdin.readline())
    end_with_the_starter(lambda: os._exit(1))
    # What libraries print goes where errors go; only rows leave on standard output.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def answer(found: dict[str, Any]) -> None:
        answers.write(json.dumps(found) + "\n")
        answers.flush()

    try:
        work(job, answer)
    except machine.NotAsAskedError as error:
        answer({"error": str(error)})


def work(job: dict[str, Any], answer: Any) -> None:
    threads = job["threads"]
    machine.pin(threads)  # before anything that starts threads is loaded; and too many are refused at once
    import torch

    from benchmarks.contenders import take_own
    from benchmarks.questions import QUESTIONS, Settings
    from handgrad.machine.environment import environment

    torch.set_num_threads(threads)
    machine.assert_threads(threads)
    kernels = machine.assert_kernels(job["variant"])
    probe = machine.Probe()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = environment(device, "float32")
    del found["dtype"]
    answer({"environment": {**found, "kernels": kernels, "probe_seconds": float(f"{probe.usual:.4g}")}})
    settings = Settings(threads, job["quick"], job["judge"], tuple(job["contenders"]), probe)
    take_own(settings.contenders)
    question = QUESTIONS[job["question"]]
    for case in job["cases"]:
        answer({"row": {"case": case, **question.measure(case, settings)}})


if __name__ == "__main__":
    main()
