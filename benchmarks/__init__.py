"""How fast is each side, where, and why? Parity first: a contender that the judge refuses is not timed.

- `nets`: what is computed; `contenders`: who computes it; `parity`: whether it is right; `questions`: what is asked.
- `timing` takes the samples and `statistics` says what they mean; `machine` pins, asserts and probes.
- `run` starts fresh processes of `worker`, and keeps every row in a file as it comes; `compare` holds two files
  against each other; `page` writes docs/performance.md from the committed files in `results`.
"""
