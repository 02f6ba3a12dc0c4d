# SPDX-License-Identifier: GPL-2.0
"""What became of a test, and what its VM printed of it."""

import re
import time

import tap

BEGIN = re.compile(r"# begin: ")
END = re.compile(r"# end: status (\d+)$")

TIME_OUT, DIED, COMPLAINT = 124, 125, 126
KILLED = 128 + 9
LEFT = re.compile(r"^# left: (.*)$", re.M)
# timeout(1) ends with KILLED, too, when its TERM was not enough.
WHY = {TIME_OUT: "time-out", DIED: "the VM died", COMPLAINT: "the kernel complained",
       KILLED: "killed, by others or after a time-out"}

# Tests of the machine itself: what they fail for does not pass.
STEADY = ("lint/", "build/")


class Outcome:
    def __init__(self, kernel, name, log, printed="", seconds=0):
        self.kernel, self.name, self.log = kernel, name, log
        self.printed, self.seconds = printed, seconds
        self.results = tap.parse(printed)
        self.again = None       # the Outcome of its second run
        self.complaint = False  # of the kernel
        self.of_vm = False      # its VM ended, or hostvm said something of it
        self.booted_again = []  # lines of hostvm's, of its VM that had died at boot

    @property
    def failed(self):
        return bool(self.results.failures)

    @property
    def left(self):
        """What it has left behind in a VM that others wanted to use, though it passed."""
        return [] if self.failed else LEFT.findall(self.printed)

    @property
    def unsteady(self):
        return self.failed and self.again is not None and not self.again.failed

    def unforgivable(self):
        """Why it counts as failed whatever it does when it is run again, or ""."""
        if self.complaint:
            return "the kernel complained"
        if self.results.data:
            return "wrong data"
        if self.name == "build" or self.name.startswith(STEADY):
            return "the same source"
        return ""

    def complained(self):
        self.complaint = True
        self.vm_failed(WHY[COMPLAINT])

    def vm_failed(self, why):
        self.of_vm = True
        self.results.fail(why)


class Part:
    """What one test printed; a status of None: it did not end."""

    def __init__(self):
        self.text, self.status, self.seconds = "", None, 0
        self.start = time.monotonic()

    def end(self, status=None):
        self.status, self.seconds = status, time.monotonic() - self.start


def judge(kernel, name, log, part):
    outcome = Outcome(kernel, name, log, part.text, part.seconds)
    if part.status in (TIME_OUT, KILLED):
        outcome.results.fail(WHY[part.status])
    elif part.status is None:
        outcome.vm_failed("the VM ended while it ran")
    elif part.status and not outcome.failed:
        outcome.results.fail(f"exit status {part.status}")
    elif not outcome.failed and "/bench_" in name:
        # It prints figures, and no results.
        outcome.results.passed, outcome.results.skipped = 1, 0
    return outcome


class Watch:
    """Reads what a sequence prints while it runs, with this machine's clock: those of a VM
    may be slow, or set by a test.  boots, tests, leaks: the seconds they took."""

    def __init__(self, stream):
        self.parts = []
        start = mark = time.monotonic()
        for line in stream:
            end = END.match(line)
            if BEGIN.match(line):
                self.parts.append(Part())
            elif end and self.parts:
                self.parts[-1].end(int(end[1]))
                mark = time.monotonic()
            elif self.parts and self.parts[-1].status is None:
                self.parts[-1].text += line
        if self.parts and self.parts[-1].status is None:
            self.parts[-1].end()
            mark = time.monotonic()
        self.tests = sum(part.seconds for part in self.parts)
        self.boots = mark - start - self.tests
        self.leaks = time.monotonic() - mark
