# SPDX-License-Identifier: GPL-2.0
"""What run-tests prints."""

import os
import re
import sys
import threading

NOTES_SHOWN = 30    # of what a failed test said about itself
LAST_WORDS = 20     # lines of its standard error
SLOWEST = 40        # tests that are named

OF_KERNEL = re.compile(r"\[ *\d+\.\d{6}\]")


def say(text):
    print(f"run-tests: {text}", file=sys.stderr, flush=True)


def read(path):
    if not os.path.isfile(path):
        return ""
    with open(path, errors="replace") as f:
        return f.read()


def notes(outcome):
    lines = [line for line in outcome.printed.splitlines() if line.startswith("# ")]
    return lines[:NOTES_SHOWN]


def last_words(outcome):
    """The end of what a test wrote to standard error; another may have shared its VM."""
    console = read(f"{outcome.log}/console")
    begin = re.search(rf"lparkit: \S*/{re.escape(outcome.name)}\.\w+ begins", console)
    own = re.split(r"lparkit: \S+ begins", console[begin.end() if begin else 0:])[0]
    lines = [line for line in own.splitlines() if line.strip() and not OF_KERNEL.match(line)]
    return lines[-LAST_WORDS:]


def of_hostvm(outcome):
    """What hostvm said, if that is why it failed."""
    if not outcome.of_vm:
        return []
    return read(f"{outcome.log}/hostvm").splitlines()[-LAST_WORDS:]


def one(outcome, bench):
    """As soon as it is there."""
    say(f"{outcome.kernel:<6} {outcome.name:<32} {'FAILED' if outcome.failed else 'ok':<6} "
        f"{outcome.seconds:4.0f} s")
    if bench:
        print(outcome.printed, end="", flush=True)
    if not outcome.failed and not bench:
        return
    for why in outcome.results.failures:
        say(f"         {why}")
    for line in notes(outcome):
        say(f"           {line}")
    if outcome.failed:
        say(f"         log: {os.path.relpath(outcome.log)}")


def table(heading, outcomes):
    print(f"\n{heading}")
    print(f"  {'test':<36} {'passed':>6} {'failed':>6} {'skipped':>7} {'time':>6}")
    for o in sorted(outcomes, key=lambda o: o.name):
        r = (o.again if o.unsteady else o).results
        print(f"  {o.name:<36} {r.passed:>6} {len(r.failures):>6} {r.skipped:>7} {o.seconds:>4.0f} s")


def why(outcome):
    for reason in outcome.results.failures:
        print(f"  {reason}")
    for line in notes(outcome) + last_words(outcome) + of_hostvm(outcome):
        print(f"    {line}")


def failures(outcomes):
    """Once more where it is looked for, the end: what failed, and where its log is."""
    for o in outcomes:
        if o.failed and not o.unsteady:
            print(f"\nFAILED: {o.kernel} {o.name}, log: {os.path.relpath(o.log)}")
            why(o)
            if o.unforgivable():
                print(f"  no second run: {o.unforgivable()}")
            if o.again:
                print(f"  and once more, alone, log: {os.path.relpath(o.again.log)}")
                why(o.again)


def unsteady(outcomes):
    found = [o for o in outcomes if o.unsteady]
    if found:
        print("\nunsteady: failed, but passed when run once more, alone")
    for o in found:
        print(f"  {o.kernel} {o.name}, logs: {os.path.relpath(o.log)} {os.path.relpath(o.again.log)}")
        for reason in o.results.failures:
            print(f"    {reason}")
        for line in of_hostvm(o):
            print(f"      {line}")


def left(outcomes):
    found = [o for o in outcomes if o.left]
    if found:
        print("\nleft behind, so that what was to follow had to run in another VM")
    for o in found:
        print(f"  {o.kernel} {o.name}: {', '.join(o.left)}")


def booted_again(outcomes):
    found = [o for o in outcomes if o.booted_again]
    if found:
        print("\nVMs that were booted again")
    for o in found:
        for line in o.booted_again:
            print(f"  {o.kernel} {o.name}: {line}")


class Times:
    """Where the time went: seconds by kernel and kind."""

    KINDS = ("preparing", "boots", "tests", "leaks")

    def __init__(self):
        self.spent = {}
        self.lock = threading.Lock()

    def add(self, kernel, kind, seconds):
        with self.lock:
            spent = self.spent.setdefault(kernel, dict.fromkeys(self.KINDS, 0))
            spent[kind] += seconds

    def show(self, outcomes, passed):
        """passed: seconds on the clock."""
        print(f"\nwhere the time went, of {passed / 60:.0f} min, in s (VMs run beside each other)")
        print("  kernel" + "".join(f"{kind:>11}" for kind in self.KINDS))
        for kernel, spent in self.spent.items():
            print(f"  {kernel:<6}" + "".join(f"{spent[kind]:>11.0f}" for kind in self.KINDS))
        print("  the slowest tests")
        for o in sorted(outcomes, key=lambda o: o.seconds, reverse=True)[:SLOWEST]:
            print(f"  {o.seconds:>6.0f} {o.kernel} {o.name}")


def conclude(outcomes):
    """The last lines; returns the exit status."""
    results = [(o.again if o.unsteady else o).results for o in outcomes]
    passed, failed, skipped = (sum(getattr(r, what) for r in results)
                               for what in ("passed", "failed", "skipped"))
    if skipped:
        print(f"\n{skipped} skipped")
    print(f"\n{passed} passed, {failed} failed", flush=True)
    return 1 if failed or not passed else 0
