# SPDX-License-Identifier: GPL-2.0
"""What a kernel complains of in its log, and what is the emulator's fault."""

import re

START_MARK = "lparkit: test starts"
TEST_MARK = re.compile(r"lparkit: (\S+) begins")
# Where allocations fail on purpose, kmemleak's own do, too: it says so once, and scans more.
DEFECTS = (
    r"WARNING:|BUG:|KASAN|INFO: (possible|suspicious|task|rcu)|lockdep|"
    r"kmemleak(?!: Cannot allocate a scan area)|"
    r"UBSAN|Oops|[Ii]nvalid wait context|ODEBUG|general protection|soft lockup|Kernel panic")
# Only the kernel's lines: what commands write to standard error has no time.
SPLATS = re.compile(rf"\[ *\d+\.\d{{6}}\].*({DEFECTS}|Call Trace)")
OOPSES = re.compile(r"Oops|Kernel panic|KASAN: |general protection fault")

# Flags that no processor sets (Intel SDM, volume 1, 3.4.3). QEMU's TCG computes the flags
# from operands when somebody asks for them, and at times takes an operand for them.
FLAGS = re.compile(r"\bEFLAGS: ([0-9a-f]{8})\b")
NO_FLAGS = 0xffc08028
HEAD = 12       # lines from the first of a report to its registers


def has_impossible_flags(line):
    flags = FLAGS.search(line)
    return flags is not None and int(flags[1], 16) & NO_FLAGS != 0


def find(console):
    """Returns [(test, line), ...] that the kernel complains of, a test of "" while it
    booted; and the same of registers that cannot be, with all that a test complained of
    from that report on left out."""
    boot, _, tests = console.partition(START_MARK)
    complaints = [("", line) for line in boot.splitlines() if OOPSES.search(line)]
    stumbles, test, head = [], "", []
    for number, line in enumerate(tests.splitlines()):
        mark = TEST_MARK.search(line)
        if mark:
            test, head = mark[1], []
        elif stumbles and stumbles[-1][0] == test:
            continue
        elif has_impossible_flags(line):
            stumbles.append((test, line.strip()))
            while head and head.pop() >= number - HEAD:
                complaints.pop()
        elif SPLATS.search(line):
            complaints.append((test, line.strip()))
            head.append(number)
    return complaints, stumbles
