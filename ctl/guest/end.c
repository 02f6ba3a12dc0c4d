// SPDX-License-Identifier: GPL-2.0
/*
 * The end of a guest: QEMU is ended, and what it had is given back.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fc/fc.h"
#include "guest/guest.h"

#define QUIT_TIMEOUT_NS (10 * NSEC_PER_SEC) /* for QEMU to quit, or to die */

/* What a QEMU that was killed leaves behind. */
void guest_forget_run(const char *name)
{
	char path[PATH_MAX];

	unlink(run_path(path, sizeof(path), name, "qmp.sock"));
	unlink(run_path(path, sizeof(path), name, "lparctl.sock"));
	unlink(run_path(path, sizeof(path), name, "console.sock"));
	unlink(run_path(path, sizeof(path), name, "console.lock"));
	unlink(run_path(path, sizeof(path), name, "agent.sock"));
	unlink(run_path(path, sizeof(path), name, "qemu.pid"));
	unlink(run_path(path, sizeof(path), name, "process"));
	unlink(run_path(path, sizeof(path), name, "watched"));
	unlink(run_path(path, sizeof(path), name, "lpar.conf"));
	place_clear(name);
}

/* Is the process, or with 0 anybody, no member any more, and the memory nobody's? */
static bool has_left(const struct lpar *lpar, pid_t pid)
{
	return !lpar->holder && !(pid ? lpar_has_member(lpar, pid) : lpar->n_members);
}

/* Poll until has_left(). */
int guest_wait_left(const char *name, pid_t pid)
{
	uint64_t deadline = now_ns(CLOCK_MONOTONIC) + QUIT_TIMEOUT_NS;
	struct lpar lpar;
	bool gone;
	int ret;

	for (;;) {
		ret = lpar_get(name, &lpar);
		gone = ret || has_left(&lpar, pid);
		lpar_free(&lpar);
		if (gone || now_ns(CLOCK_MONOTONIC) > deadline)
			return !gone ? -ETIMEDOUT : ret == -ENOENT ? 0 : ret;
		sleep_ms(20);
	}
}

/* True when the process of the pidfd ends in time. */
static bool ends(int pidfd, uint64_t timeout_ns)
{
	struct pollfd pfd = { .fd = pidfd, .events = POLLIN };

	return poll(&pfd, 1, poll_ms(timeout_ns)) == 1;
}

/* The guest is asked, and ends in time: QEMU may be as slow to answer as the guest. */
static bool powers_down(const char *name, int pidfd, uint64_t timeout_ns)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ns;
	char path[PATH_MAX];
	struct qmp *qmp;
	int ret;

	if (!timeout_ns)
		return false;
	ret = qmp_open(run_monitor(path, sizeof(path), name), poll_ms(timeout_ns), &qmp);
	if (!ret)
		ret = qmp_command(qmp, "system_powerdown", poll_ms(left_ns(deadline_ns)));
	qmp_close(qmp);
	return !ret && ends(pidfd, left_ns(deadline_ns));
}

static bool ends_by(int pidfd, int signal)
{
	syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
	return ends(pidfd, QUIT_TIMEOUT_NS);
}

/*
 * Gently, then firmly, then by force. QEMU takes SIGTERM for "quit", whoever has its
 * monitors: its disks are flushed. *how is by what.
 */
static int end_guest(const char *name, const struct process *process, uint64_t timeout_ns,
		     const char **how)
{
	int pidfd = process_open(process);

	if (pidfd < 0)
		return pidfd == -ESRCH ? guest_wait_left(name, process->pid) : pidfd;
	if (powers_down(name, pidfd, timeout_ns)) {
		*how = GUEST_POWERED_DOWN;
		say("%s: guest powered down", name);
	} else if (ends_by(pidfd, SIGTERM)) {
		*how = GUEST_QUIT;
		say("%s: QEMU quit", name);
	} else {
		*how = GUEST_KILLED;
		syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		say("%s: QEMU killed", name);
	}
	if (!ends(pidfd, QUIT_TIMEOUT_NS)) {
		close(pidfd);
		return -ETIMEDOUT;
	}
	close(pidfd);
	return guest_wait_left(name, process->pid);
}

/* A guest that is held in the gate cannot power itself down. */
static void thaw(const struct lpar *lpar)
{
	if (lpar->gate == LPAR_GATE_CLOSED && !nl_simple(LPAR_CMD_GATE_OPEN, lpar->name))
		say("%s: thawed", lpar->name);
}

/*
 * A guest that has powered itself down: it is a member until it has ended. What deactivation
 * refuses, it refuses after that.
 */
static void wait_ended(const char *name)
{
	char path[PATH_MAX];

	if (!access(run_path(path, sizeof(path), name, "lpar.conf"), F_OK))
		guest_wait_left(name, 0);
}

/* The QEMU that was started last, if it still runs, whether it is a member or not. */
int guest_find_noted(const char *name, struct process *process)
{
	char path[PATH_MAX], text[64];
	unsigned long long start;

	if (read_text(run_path(path, sizeof(path), name, "process"), text, sizeof(text)) ||
	    sscanf(text, "%d %llu", &process->pid, &start) != 2)
		return -ESRCH;
	process->start = start;
	return process_lives(process) ? 0 : -ESRCH;
}

/*
 * Its number is a member's before and after we look: it was not given to another between. Or a
 * forced deactivation has left it outside.
 */
int guest_find_process(const struct lpar *lpar, struct process *process)
{
	struct lpar now;
	int ret = process_find(lpar_guest_pid(lpar), process);

	if (ret)
		return guest_find_noted(lpar->name, process);
	ret = lpar_get(lpar->name, &now);
	if (!ret && lpar_guest_pid(&now) != process->pid)
		ret = guest_find_noted(lpar->name, process);
	lpar_free(&now);
	return ret;
}

/*
 * Before anything is given back: whoever starts it somewhere else then finds that it does not
 * run here, not even after a crash. One that has ended with its host is stopped once more by
 * its unit, which is no wish of anybody's. As the host goes down systemd stops units in its own
 * order, and tells any QEMU to end: then nobody's end is a wish, unless it is said.
 */
static int record_end(const struct lpar *lpar, enum guest_end end, bool had_guest, bool host_ends)
{
	if (end == GUEST_LOST)
		return 0;
	if (end == GUEST_LEFT)
		return running_forget(lpar->name);
	if (host_ends)
		return had_guest ? running_keep(lpar->name) : 0;
	if (end == GUEST_STOPPED)
		return had_guest || !running_is_kept(lpar->name) ? running_forget(lpar->name) : 0;
	if (had_guest)
		return running_keep(lpar->name);
	return guest_ended_itself(lpar) ? running_forget(lpar->name) : 0;
}

/* Exit code; *how: GUEST_... by what it has ended, if there was a guest. */
int guest_stop(const struct lpar *lpar, uint64_t timeout_ns, enum guest_end end, const char **how)
{
	struct process process;
	bool had_guest = !guest_find_process(lpar, &process), host_ends = host_goes_down();
	int ret = 0, recorded;

	*how = GUEST_NONE;
	if (had_guest) {
		thaw(lpar);
		ret = end_guest(lpar->name, &process, timeout_ns, how);
	} else {
		wait_ended(lpar->name);
	}
	if (ret) {
		err("LPAR %s: QEMU, pid %d, does not go: %s", lpar->name, process.pid,
		    strerror(-ret));
		return ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;
	}
	recorded = record_end(lpar, end, had_guest, host_ends);
	guest_forget_run(lpar->name);
	if (lpar_is_fenced(lpar)) {
		ret = deactivate(lpar->name, false);
		if (ret)
			return lpar_fail(lpar->name, ret);
		say("%s: deactivated", lpar->name);
	}
	irqs_restore(lpar->name, lpar->cpus);
	ret = fc_guest_logout(lpar->name);
	return recorded ? EXIT_FAILED : ret;
}
