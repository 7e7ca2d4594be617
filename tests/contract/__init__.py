"""The contract of the runner's seam: what `launchpad.runner.host` promises, asked of every host that stands behind it.

`contract_…(host, world)` is asked of the in-memory host and of the real machine; `machine_…(host, world)` only of the
real one, judged from outside by the kernel, Docker or Btrfs. All of it is standard library, because the real machine
answers inside a guest where there is nothing else (`driver.py`).
"""
