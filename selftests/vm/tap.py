# SPDX-License-Identifier: GPL-2.0
"""Counts the results in TAP, and in the KTAP of KUnit, which nests it."""

import re

RESULT = re.compile(r"^( *)(not )?ok\b\s*(\d*)\s*-?\s*(.*)$")
PLAN = re.compile(r"^( *)1\.\.(\d+)(.*)$")


class Results:
    """What one test printed; only the innermost results count."""

    def __init__(self):
        self.passed = 0
        self.skipped = 0
        self.failures = []
        self.data = False   # a result says that data were wrong, lost or repeated
        self._open = {}     # indentation -> [planned, seen, failed]

    @property
    def failed(self):
        return len(self.failures)

    def fail(self, why):
        self.failures.append(why)

    def _level(self, indent):
        return self._open.setdefault(indent, [None, 0, False])

    def _close(self, indent, name):
        planned, seen, _ = self._open.pop(indent)
        if planned is not None and planned != seen:
            self.fail(f"{name}: {seen} of {planned} planned tests ran")

    def _result(self, indent, bad, text):
        name, _, directive = text.partition("# ")
        name = name.strip()
        children = sorted(i for i in self._open if i > indent)
        counted = any(self._open[i][1] for i in children)
        child_failed = any(self._open[i][2] for i in children)
        for i in children:
            self._close(i, name)
        level = self._level(indent)
        level[1] += 1
        level[2] |= bad
        if bad:
            self.data |= text.endswith("# data")
            # A suite that failed only because a test of it did is no news.
            if not child_failed:
                self.fail(name)
        elif directive.upper().startswith("SKIP"):
            self.skipped += not counted
        elif not counted:
            self.passed += 1

    def line(self, line):
        plan, result = PLAN.match(line), RESULT.match(line)
        if line.startswith("Bail out!"):
            self.fail(line.strip())
        elif plan:
            self._level(len(plan[1]))[0] = int(plan[2])
            if plan[2] == "0":
                self.skipped += 1
        elif result:
            self._result(len(result[1]), bool(result[2]), result[4])

    def end(self):
        """Call after the last line."""
        planned = self._open.get(0, [None])[0]
        for indent in sorted(self._open, reverse=True):
            self._close(indent, "the test")
        if planned is None and not self.failures:
            self.fail("no plan")


def parse(text):
    results = Results()
    for line in text.splitlines():
        results.line(line)
    results.end()
    return results
