# SPDX-License-Identifier: GPL-2.0
"""Which tests share a host VM, and which VM is next."""

import threading

# s: the time limits of the tests in one boot; so that two VMs at a time are done alike late.
MOST = {"debug": 5000}
MOST_STOCK = 2000


class Boot:
    """Tests of one kernel whose VMs would be alike, run in one, one after another."""

    def __init__(self, kernel, test):
        self.kernel = kernel
        self.tests = [test]

    def limit(self):
        return sum(test.limit(self.kernel) for test in self.tests)

    def has_room_for(self, test):
        # What has more disks than a test asks for is as good.
        first = self.tests[0]
        return (first.shape() == test.shape() and
                first.disks()[:len(test.disks())] == test.disks() and
                self.limit() + test.limit(self.kernel) <= MOST.get(self.kernel, MOST_STOCK))


def share(todo):
    """Boots for [(kernel, test), ...]."""
    boots = []
    for kernel, test in sorted(todo, key=lambda kt: len(kt[1].disks()), reverse=True):
        for boot in boots:
            if boot.kernel == kernel and boot.has_room_for(test):
                boot.tests.append(test)
                break
        else:
            boots.append(Boot(kernel, test))
    return boots


def alone(todo):
    return [Boot(kernel, test) for kernel, test in todo]


class Queue:
    """Boots that wait for their turn, those that may take longest first.

    It has a source to begin with, and each boot that was taken is one: more may come
    until every source is closed.
    """

    def __init__(self):
        self._boots = []
        self._sources = 1
        self._stopped = False
        self._changed = threading.Condition()

    def add(self, boots):
        with self._changed:
            self._boots += boots
            self._boots.sort(key=lambda boot: (boot.kernel == "debug", boot.limit()), reverse=True)
            self._changed.notify_all()

    def take(self):
        """Waits for a Boot; None: no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._boots or self._stopped or not self._sources)
            if self._stopped or not self._boots:
                return None
            self._sources += 1
            return self._boots.pop(0)

    def close(self):
        with self._changed:
            self._sources -= 1
            self._changed.notify_all()

    def stop(self):
        """No boot is taken any more."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
