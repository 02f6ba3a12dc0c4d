#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""How many times slower than the world a host VM's clocks should run, now.

    slowness.py BASE    prints N for hostvm --slow, where BASE is enough on an idle machine

An emulated CPU looks N times faster from inside.  Where others use the machine as well,
it gets only a share of a real one, and N is BASE divided by that share.
"""

import math
import os
import sys
import time

SLOWEST = 100
LOOK_S = 1.0


def spin(until):
    while time.monotonic() < until:
        pass


def share():
    """What a busy process for each CPU gets of them, 0 to 1."""
    cpus = len(os.sched_getaffinity(0))
    start, before = time.monotonic(), os.times()
    children = []
    for _ in range(cpus):
        pid = os.fork()
        if pid == 0:
            spin(start + LOOK_S)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    after, elapsed = os.times(), time.monotonic() - start
    used = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return min(1.0, used / (elapsed * cpus))


def slowness(base):
    """N for now; at most SLOWEST, with which a very busy machine must make do."""
    return min(SLOWEST, math.ceil(base / max(share(), 0.01) - 0.3))


def main():
    try:
        base = int(sys.argv[1])
    except (IndexError, ValueError):
        sys.exit("usage: slowness.py BASE, a whole number such as 4")
    if not 1 <= base <= SLOWEST:
        sys.exit(f"slowness.py: BASE is 1 to {SLOWEST}, not {base}")
    print(slowness(base))


if __name__ == "__main__":
    main()
