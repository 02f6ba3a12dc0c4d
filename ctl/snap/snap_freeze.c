// SPDX-License-Identifier: GPL-2.0
/*
 * snap take --fs-freeze: the file systems of a guest stand still while a state is taken, so
 * that they need no journal in it. The guest's agent, qemu-ga, freezes and thaws them.
 *
 * A process of its own speaks to the agent. What ends lparctl does not end it: it has a session
 * of its own, and ignores signals that ask it to end. It thaws as soon as the state is taken, lparctl
 * is gone, or the limit is over, whatever comes first; and goes on asking for a while if the agent
 * does not do it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lpar/lpar.h"
#include "snap/snap_freeze.h"

#define LIMIT_MIN_NS (10 * NSEC_PER_MSEC)
#define LIMIT_MAX_NS (60 * NSEC_PER_SEC)
#define ANSWER_MS 5000 /* for an agent that is there */
#define THAW_NS (60 * NSEC_PER_SEC) /* for one that does not thaw what it has frozen */
#define AGAIN_MS 200

/* What the process that freezes and thaws has to say, once after each. */
struct report {
	int ret; /* 0 or a negative errno */
	bool is_late; /* thawed because the limit was over */
	bool is_stuck; /* not thawed, as far as is known */
	int64_t count; /* of file systems */
	char why[160]; /* of -EIO */
};

/**
 * snap_freeze_set() - whose file systems, and for how long
 * @freeze: result
 * @agent: an LPAR whose guest has agent=yes, or a socket, with a slash in its name
 * @limit: a time
 *
 * Return: exit code; an error was said.
 */
int snap_freeze_set(struct snap_freeze *freeze, const char *agent, const char *limit)
{
	char path[PATH_MAX];

	if (!agent || !*agent)
		return usage(
			"--fs-freeze wants --agent: an LPAR, or the socket of its guest's agent");
	if (limit && !*limit)
		return usage("--agent is for --fs-freeze");
	if (!limit || parse_time(limit, &freeze->limit_ns) || freeze->limit_ns < LIMIT_MIN_NS ||
	    freeze->limit_ns > LIMIT_MAX_NS)
		return usage("--fs-freeze wants a time from 10ms to 60s");
	if (!strchr(agent, '/'))
		agent = run_path(path, sizeof(path), agent, "agent.sock");
	if (strlen(agent) >= sizeof(freeze->agent))
		return usage("%s: the name of a socket is shorter", agent);
	strcpy(freeze->agent, agent);
	return EXIT_OK;
}

/* --- the process that freezes and thaws --- */

/* A number of file systems; -EIO with the agent's reason. */
static int count_of(struct qmp *qmp, const char *command, int timeout_ms, struct report *report)
{
	struct qmp_reply reply = { 0 };
	int ret = qmp_call(qmp, command, NULL, -1, &reply, timeout_ms);

	if (ret == -EIO)
		snprintf(report->why, sizeof(report->why), "%s", reply.why);
	report->count = ret ? 0 : json_object_get_int64(reply.result);
	json_object_put(reply.result);
	return ret;
}

/* 1 if they stand still, 0 if not, or a negative errno. */
static int is_frozen(struct qmp *qmp)
{
	struct qmp_reply reply = { 0 };
	int ret = qmp_call(qmp, "guest-fsfreeze-status", NULL, -1, &reply, ANSWER_MS);
	const char *text = json_object_get_string(reply.result);

	if (!ret)
		ret = !text || strcmp(text, "thawed");
	json_object_put(reply.result);
	return ret;
}

/* The connection may be broken, then it is another one. */
static int thaw_once(struct qmp **qmp, const char *agent, struct report *report)
{
	int ret = *qmp ? 0 : qmp_open_agent(agent, ANSWER_MS, qmp);

	if (!ret)
		ret = count_of(*qmp, "guest-fsfreeze-thaw", ANSWER_MS, report);
	if (ret && ret != -EIO && ret != -ETIMEDOUT) {
		qmp_close(*qmp);
		*qmp = NULL;
	}
	return ret;
}

/*
 * Until they do not stand still any more. The first answer is what is told: somebody else, or
 * the agent itself, may have thawed them before.
 */
static void thaw(struct qmp **qmp, const char *agent, struct report *report)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + THAW_NS;
	struct report again;

	report->ret = thaw_once(qmp, agent, report);
	while (!*qmp || is_frozen(*qmp)) {
		report->is_stuck = !left_ns(deadline_ns);
		if (report->is_stuck)
			return;
		sleep_ms(AGAIN_MS);
		thaw_once(qmp, agent, &again);
	}
}

static void tell(int fd, const struct report *report)
{
	/* Who has asked may be gone. */
	send(fd, report, sizeof(*report), MSG_NOSIGNAL);
}

/* Until the state is taken, or whoever takes it is gone. False: the limit is over. */
static bool wait_for_take(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		ret = poll(&pfd, 1, poll_ms(left_ns(deadline_ns)));
	} while (ret < 0 && errno == EINTR);
	return ret > 0;
}

/* Whatever the agent says to the first, it may have done it. */
static void hold(struct qmp *qmp, const struct snap_freeze *freeze, int fd)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + freeze->limit_ns;
	struct report report = { 0 };

	report.ret = count_of(qmp, "guest-fsfreeze-freeze", poll_ms(freeze->limit_ns), &report);
	tell(fd, &report);
	if (!report.ret)
		report.is_late = !wait_for_take(fd, deadline_ns);
	thaw(&qmp, freeze->agent, &report);
	tell(fd, &report);
	qmp_close(qmp);
}

/* --- whoever takes the state --- */

static int open_agent(const char *agent, struct qmp **qmp)
{
	int ret = qmp_open_agent(agent, ANSWER_MS, qmp);

	if (ret == -ENOENT || ret == -ECONNREFUSED)
		err("%s: no guest has a channel for its agent there; agent=yes gives it one",
		    agent);
	else if (ret == -ETIMEDOUT)
		err("%s: no agent answers: does qemu-ga run in the guest, and nobody else speak to it?",
		    agent);
	else if (ret)
		err("%s: %s", agent, strerror(-ret));
	return ret;
}

static int insist_on_thawed(const char *agent, struct qmp *qmp)
{
	int ret = is_frozen(qmp);

	if (ret > 0)
		err("%s: the guest's file systems are frozen already, by somebody else", agent);
	else if (ret)
		err("%s: the agent does not say whether file systems are frozen: %s", agent,
		    strerror(-ret));
	return ret;
}

static int start_holder(struct snap_freeze *freeze, struct qmp *qmp)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		err("cannot make a socket: %s", strerror(errno));
		return -1;
	}
	freeze->pid = fork();
	if (!freeze->pid) {
		setsid();
		signal(SIGINT, SIG_IGN);
		signal(SIGTERM, SIG_IGN);
		signal(SIGHUP, SIG_IGN);
		close(pair[0]);
		hold(qmp, freeze, pair[1]);
		_exit(0);
	}
	close(pair[1]);
	freeze->fd = pair[0];
	if (freeze->pid > 0)
		return 0;
	err("cannot start a process: %s", strerror(errno));
	close(freeze->fd);
	return -1;
}

/* False: it was killed. */
static bool hear(const struct snap_freeze *freeze, struct report *report)
{
	ssize_t got;

	do {
		got = recv(freeze->fd, report, sizeof(*report), 0);
	} while (got < 0 && errno == EINTR);
	return got == sizeof(*report);
}

static void say_why(const struct snap_freeze *freeze, const char *what, const struct report *report)
{
	if (report->ret == -EIO)
		err("%s: the agent does not %s: %s", freeze->agent, what, report->why);
	else if (report->ret == -ETIMEDOUT)
		err("%s: the agent does not %s in time", freeze->agent, what);
	else
		err("%s: the agent does not %s: %s", freeze->agent, what, strerror(-report->ret));
}

/* Waits until they are thawed. */
static void end_holder(struct snap_freeze *freeze, struct report *report)
{
	struct qmp *qmp = NULL;

	shutdown(freeze->fd, SHUT_WR);
	if (!hear(freeze, report)) {
		memset(report, 0, sizeof(*report));
		thaw(&qmp, freeze->agent, report);
		qmp_close(qmp);
	}
	close(freeze->fd);
	waitpid(freeze->pid, NULL, 0);
	if (report->is_stuck)
		err("%s: the guest may stand still: its agent was asked to thaw for %lld s",
		    freeze->agent, THAW_NS / NSEC_PER_SEC);
}

/**
 * snap_freeze() - let the file systems stand still
 * @freeze: whose; snap_thaw() is due if this succeeds, and comes by itself if we do not get there
 *
 * Return: exit code; an error was said, and nothing stands still if that can be had.
 */
int snap_freeze(struct snap_freeze *freeze)
{
	struct report report = { 0 }, end;
	struct qmp *qmp;
	int ret = open_agent(freeze->agent, &qmp);

	if (ret)
		return EXIT_FAILED;
	ret = insist_on_thawed(freeze->agent, qmp);
	ret = ret ? ret : start_holder(freeze, qmp);
	qmp_close(qmp);
	if (ret)
		return EXIT_FAILED;
	if (!hear(freeze, &report))
		report.ret = -EINTR;
	if (!report.ret && report.count > 0)
		return EXIT_OK;
	if (report.ret == -EINTR)
		err("the process that was to thaw the guest was killed");
	else if (report.ret)
		say_why(freeze, "freeze", &report);
	else
		err("%s: the agent has no file system to freeze", freeze->agent);
	end_holder(freeze, &end);
	return EXIT_FAILED;
}

/**
 * snap_thaw() - let them go on
 * @freeze: of snap_freeze()
 *
 * Return: exit code; if it is not EXIT_OK they did not stand still all the time, or may do so now,
 * and that was said.
 */
int snap_thaw(struct snap_freeze *freeze)
{
	struct report report;

	end_holder(freeze, &report);
	if (report.is_late)
		err("%s: the file systems were thawed before the state was taken: the time was over",
		    freeze->agent);
	else if (report.ret)
		say_why(freeze, "thaw", &report);
	else if (report.count <= 0)
		err("%s: somebody else has thawed the file systems before", freeze->agent);
	else
		return report.is_stuck ? EXIT_FAILED : EXIT_OK;
	return EXIT_FAILED;
}
