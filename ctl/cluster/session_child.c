// SPDX-License-Identifier: GPL-2.0
/*
 * Who speaks to volumes waits for the disks below them, for ever if these do not answer, and
 * nothing ends him. So a child does that, and is left behind then: a thread would keep the
 * files of the whole process, its locks too, and the process itself from ending.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/cluster.h"

#define POLL_MS 50
/* For one volume, where no caller is there to give up. */
#define ANSWER_NS (10 * (uint64_t)NSEC_PER_SEC)
/* A caller who gives up has another reason, if it was asked for less long. */
#define SILENT_NS (2 * (uint64_t)NSEC_PER_SEC)
#define READ_BYTES 4096
#define VOLUME_CHARS 128

struct child {
	pid_t pid;
	int from;
	char *line; /* what was read of the next one */
	size_t len;
	char volume[VOLUME_CHARS]; /* that it speaks to */
	struct json_object *result; /* NULL = none yet */
};

static int report = -1; /* of a child: where it tells of itself */

/* Even when it is killed it does what it was asked for, once there is an answer. */
static struct {
	pid_t pid; /* 0 = nobody */
	char volume[VOLUME_CHARS];
} left;

/* --- the child --- */

/* Whoever is not listened to any more is to do nothing more. */
static void tell(struct json_object *json)
{
	const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);

	if (dprintf(report, "%s\n", text) < 0)
		_exit(EXIT_FAILED);
	json_object_put(json);
}

/* A volume is going to be spoken to. */
void child_begins(const char *volume)
{
	struct json_object *json;

	if (report < 0)
		return;
	json = json_object_new_object();
	json_put(json, "volume", volume);
	tell(json);
}

static void be_child(struct session *session, child_work *work, int to, pid_t parent)
{
	struct json_object *json = json_object_new_object();
	int fd, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	/* Where its parent is killed, what it would do now nobody would undo. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_FAILED);
	for (fd = 0; fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	signal(SIGPIPE, SIG_IGN);
	session_forsake(session);
	report = to;
	err_capture(true);
	json_put_s64(json, "ret", work(session));
	json_put(json, "error", err_captured());
	json_object_object_add(json, "others", json_object_get(session->others));
	tell(json);
	_exit(EXIT_OK);
}

/* --- who has it --- */

static void take_line(struct child *child, const char *line)
{
	struct json_object *json = json_tokener_parse(line);

	if (json_object_object_get_ex(json, "ret", NULL))
		child->result = json_object_get(json);
	else
		snprintf(child->volume, sizeof(child->volume), "%s", json_text(json, "volume"));
	json_object_put(json);
}

/* False when there is nothing more to come. */
static bool read_child(struct child *child)
{
	ssize_t got;
	char *end;

	child->line = xrealloc(child->line, child->len + READ_BYTES);
	got = read(child->from, child->line + child->len, READ_BYTES);
	if (got <= 0)
		return got && errno == EINTR;
	child->len += got;
	while (!child->result && (end = memchr(child->line, '\n', child->len))) {
		*end++ = 0;
		take_line(child, child->line);
		child->len -= end - child->line;
		memmove(child->line, end, child->len);
	}
	return !child->result;
}

static int fail_given_up(const struct child *child, uint64_t silent_ns)
{
	if (!*child->volume)
		err("given up before a volume was spoken to");
	else if (silent_ns < SILENT_NS)
		err("given up while volume %s was spoken to", child->volume);
	else
		err("volume %s: its store does not answer", child->volume);
	return -ECANCELED;
}

/* Where nobody is there to give up. */
static int fail_silent(const char *volume)
{
	err("volume %s: its store does not answer: once it does, run 'lparctl cluster recover' on this host, which deletes what was taken of it",
	    volume);
	return -ETIMEDOUT;
}

/* Until it has done its work, or the caller gives up; if there is none, by the clock. */
static int listen_to(struct session *session, struct child *child)
{
	struct pollfd pfd = { .fd = child->from, .events = POLLIN };
	uint64_t heard_ns = now_ns(CLOCK_MONOTONIC);
	bool more = true, wanted = true;

	while (more && wanted) {
		if (poll(&pfd, 1, POLL_MS) > 0) {
			more = read_child(child);
			heard_ns = now_ns(CLOCK_MONOTONIC);
		} else if (session->idle) {
			wanted = session->idle(session);
		} else {
			wanted = now_ns(CLOCK_MONOTONIC) < heard_ns + ANSWER_NS;
		}
	}
	if (wanted)
		return 0;
	return session->idle ? fail_given_up(child, now_ns(CLOCK_MONOTONIC) - heard_ns)
			     : fail_silent(child->volume);
}

static int take_result(struct session *session, const struct child *child)
{
	const char *error = json_text(child->result, "error");

	if (!child->result) {
		err("volume %s: who was to speak to it has ended", child->volume);
		return -EIO;
	}
	if (*error)
		err("%s", error);
	json_object_put(session->others);
	session->others = json_object_get(json_object_object_get(child->result, "others"));
	return json_number(child->result, "ret");
}

static void leave_behind(const struct child *child)
{
	kill(child->pid, SIGKILL);
	left.pid = child->pid;
	snprintf(left.volume, sizeof(left.volume), "%s", child->volume);
}

static int await_left(void)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + ANSWER_NS;

	while (left.pid && !waitpid(left.pid, NULL, WNOHANG)) {
		if (now_ns(CLOCK_MONOTONIC) > deadline_ns)
			return fail_silent(left.volume);
		sleep_ms(POLL_MS);
	}
	left.pid = 0;
	return 0;
}

static int start_child(struct session *session, child_work *work, struct child *child)
{
	pid_t parent = getpid();
	int ends[2], ret;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	child->from = ends[0];
	child->pid = fork();
	ret = child->pid < 0 ? -errno : 0;
	if (!child->pid)
		be_child(session, work, ends[1], parent);
	close(ends[1]);
	if (ret)
		close(ends[0]);
	return ret;
}

/*
 * Work on volumes, of which nothing comes back but what it returns, its messages and
 * session->others. Returns -ECANCELED, with a message, when the caller gives up, or -ETIMEDOUT when
 * a store does not answer.
 */
int child_run(struct session *session, child_work *work)
{
	struct child child = { .volume = "" };
	int ret = await_left();

	if (ret)
		return ret;
	ret = start_child(session, work, &child);
	/* What is undone is so without help, too. */
	if (ret && !session->idle)
		return work(session);
	if (ret) {
		err("no process to speak to volumes: %s", strerror(-ret));
		return ret;
	}
	ret = listen_to(session, &child);
	if (ret)
		leave_behind(&child);
	else
		waitpid(child.pid, NULL, 0);
	if (!ret)
		ret = take_result(session, &child);
	close(child.from);
	free(child.line);
	json_object_put(child.result);
	return ret;
}
