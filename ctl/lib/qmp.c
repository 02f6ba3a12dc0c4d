// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's machine protocol: JSON objects, a line each. One command at a time; it has an
 * id, by which its answer is told from a late one to a command that was given up.
 * Everything has a deadline, and what QEMU says is not trusted: a guest may have taken
 * it over.
 *
 * A monitor serves one client, the next one waits for it to go. So lparctl has one of
 * its own in each guest that it has started, which only the holder of the LPAR's lock uses.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/lib.h"

#define READ_BYTES 65536
/* Hundreds of bytes for each of thousands of vCPUs, and no more than a host can spare. */
#define LINE_MOST_BYTES (8 << 20)
/* Before what a guest's agent says once it is in step: no JSON has it. */
#define AGENT_MARK 0xff

struct qmp {
	int fd;
	int64_t id; /* of the last command */
	char *buf; /* what was read and not yet used */
	size_t len, size;
};

/* Until the socket is ready; a signal does not end it, the deadline does. */
static int wait_for(const struct qmp *qmp, short events, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = qmp->fd, .events = events };
	uint64_t left;
	int ret;

	do {
		/* A socket that is always ready must not outwit it. */
		left = left_ns(deadline_ns);
		if (!left)
			return -ETIMEDOUT;
		ret = poll(&pfd, 1, poll_ms(left));
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	return ret ? 0 : -ETIMEDOUT;
}

static bool may_repeat(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static int read_some(struct qmp *qmp, uint64_t deadline_ns)
{
	ssize_t got;
	int ret;

	if (qmp->len >= LINE_MOST_BYTES)
		return -EMSGSIZE;
	if (qmp->size - qmp->len < READ_BYTES) {
		qmp->size = 2 * qmp->size + READ_BYTES;
		qmp->buf = xrealloc(qmp->buf, qmp->size);
	}
	do {
		ret = wait_for(qmp, POLLIN, deadline_ns);
		if (ret)
			return ret;
		got = read(qmp->fd, qmp->buf + qmp->len, qmp->size - qmp->len);
	} while (got < 0 && may_repeat());
	if (got <= 0)
		return got ? -errno : -EPIPE;
	qmp->len += got;
	return 0;
}

/* The next object, which is to be put. */
static int read_object(struct qmp *qmp, uint64_t deadline_ns, struct json_object **json)
{
	char *end = NULL, *line;
	size_t seen = 0;
	int ret;

	while (!qmp->len || !(end = memchr(qmp->buf + seen, '\n', qmp->len - seen))) {
		seen = qmp->len;
		ret = read_some(qmp, deadline_ns);
		if (ret)
			return ret;
	}
	*end++ = 0;
	line = memrchr(qmp->buf, AGENT_MARK, end - qmp->buf);
	*json = json_tokener_parse(line ? line + 1 : qmp->buf);
	qmp->len -= end - qmp->buf;
	memmove(qmp->buf, end, qmp->len);
	if (json_object_is_type(*json, json_type_object))
		return 0;
	json_object_put(*json);
	*json = NULL;
	return -EBADMSG;
}

/* A file descriptor goes along with the command that names it. */
static int send_line(struct qmp *qmp, const char *line, int pass, uint64_t deadline_ns)
{
	struct iovec iov = { .iov_base = (char *)line, .iov_len = strlen(line) };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t sent;
	int ret;

	if (pass >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass, sizeof(int));
	}
	while (iov.iov_len) {
		ret = wait_for(qmp, POLLOUT, deadline_ns);
		if (ret)
			return ret;
		/* A QEMU that is gone is an error here, not a signal. */
		sent = sendmsg(qmp->fd, &msg, MSG_NOSIGNAL);
		if (sent < 0 && may_repeat())
			continue;
		if (sent < 0)
			return -errno;
		msg.msg_control = NULL;
		msg.msg_controllen = 0;
		iov.iov_base = (char *)iov.iov_base + sent;
		iov.iov_len -= sent;
	}
	return 0;
}

/* --- answers --- */

static void keep_reason(struct qmp_reply *reply, struct json_object *error)
{
	const char *text = json_text(error, "desc");

	snprintf(reply->why, sizeof(reply->why), "%s", *text ? text : "no reason");
}

/* QEMU's clock for events is CLOCK_REALTIME. */
static void keep_event(struct qmp_reply *reply, struct json_object *json)
{
	struct json_object *time = json_object_object_get(json, "timestamp");

	if (reply->event && !strcmp(json_text(json, "event"), reply->event))
		reply->event_ns = json_number(time, "seconds") * NSEC_PER_SEC +
				  json_number(time, "microseconds") * NSEC_PER_USEC;
}

/* An answer without an id is one to what QEMU could not read. */
static bool is_answer(const struct qmp *qmp, struct json_object *json)
{
	struct json_object *id = json_object_object_get(json, "id");

	if (json_object_object_get_ex(json, "event", NULL))
		return false;
	return !id ||
	       (json_object_is_type(id, json_type_int) && json_object_get_int64(id) == qmp->id);
}

/*
 * Wait for the answer to the last command; of events in between one may be of interest.
 * QEMU's own words are the reason of -EIO.
 */
static int wait_answer(struct qmp *qmp, uint64_t deadline_ns, struct qmp_reply *reply)
{
	struct json_object *json, *found;
	bool answered;
	int ret;

	do {
		/* Many events may have come at once. */
		ret = left_ns(deadline_ns) ? read_object(qmp, deadline_ns, &json) : -ETIMEDOUT;
		if (ret)
			return ret;
		answered = is_answer(qmp, json);
		if (!answered) {
			keep_event(reply, json);
		} else if (json_object_object_get_ex(json, "error", &found)) {
			keep_reason(reply, found);
			ret = -EIO;
		} else if (json_object_object_get_ex(json, "return", &found)) {
			reply->result = json_object_get(found);
		} else {
			ret = -EBADMSG;
		}
		json_object_put(json);
	} while (!answered);
	return ret;
}

/* --- connections --- */

/* A queue that is full makes connect() wait for that long. */
static int connect_to(struct qmp *qmp, const char *path, uint64_t deadline_ns)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct timeval limit;
	uint64_t left;
	int ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	do {
		left = left_ns(deadline_ns);
		if (!left)
			return -ETIMEDOUT;
		limit.tv_sec = left / NSEC_PER_SEC;
		/* 0 would be without a limit. */
		limit.tv_usec = left % NSEC_PER_SEC / NSEC_PER_USEC + 1;
		if (limit.tv_usec >= 1000000)
			limit.tv_usec = 999999;
		setsockopt(qmp->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		ret = connect(qmp->fd, (struct sockaddr *)&addr, sizeof(addr));
	} while (ret && may_repeat());
	return ret ? -errno : 0;
}

/* It leaves the negotiation mode. */
static int greet(struct qmp *qmp, uint64_t deadline_ns)
{
	struct json_object *json;
	int ret = read_object(qmp, deadline_ns, &json);

	if (ret)
		return ret;
	if (!json_object_object_get_ex(json, "QMP", NULL))
		ret = -EBADMSG;
	json_object_put(json);
	return ret ? ret : qmp_command(qmp, "qmp_capabilities", poll_ms(left_ns(deadline_ns)));
}

/* Is it the answer to that? Others are to what was said before. */
static bool is_token(struct json_object *json, int64_t token)
{
	struct json_object *answer = json_object_object_get(json, "return");

	return json_object_is_type(answer, json_type_int) && json_object_get_int64(answer) == token;
}

/* An agent does not greet, and may have left half a line, or an answer, to who was here before. */
static int get_in_step(struct qmp *qmp, uint64_t deadline_ns)
{
	int64_t token = now_ns(CLOCK_REALTIME);
	char *line = xprintf(
		"%c{\"execute\":\"guest-sync-delimited\",\"arguments\":{\"id\":%" PRId64 "}}\n",
		AGENT_MARK, token);
	int ret = send_line(qmp, line, -1, deadline_ns);
	bool is_in_step = false;
	struct json_object *json;

	free(line);
	while (!ret && !is_in_step) {
		ret = left_ns(deadline_ns) ? read_object(qmp, deadline_ns, &json) : -ETIMEDOUT;
		if (!ret) {
			is_in_step = is_token(json, token);
			json_object_put(json);
		} else if (ret == -EBADMSG) {
			ret = 0;
		}
	}
	return ret;
}

static int open_with(const char *path, unsigned int timeout_ms, struct qmp **opened,
		     int (*begin)(struct qmp *qmp, uint64_t deadline_ns))
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	struct qmp *qmp = xalloc(sizeof(*qmp));
	int ret = 0;

	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (qmp->fd < 0)
		ret = -errno;
	if (!ret)
		ret = connect_to(qmp, path, deadline_ns);
	if (!ret && fcntl(qmp->fd, F_SETFL, O_NONBLOCK))
		ret = -errno;
	if (!ret)
		ret = begin(qmp, deadline_ns);
	if (ret) {
		qmp_close(qmp);
		qmp = NULL;
	}
	*opened = qmp;
	return ret;
}

/* -ETIMEDOUT also while somebody else has the monitor. To be closed. */
int qmp_open(const char *path, unsigned int timeout_ms, struct qmp **opened)
{
	return open_with(path, timeout_ms, opened, greet);
}

/* The same for the channel of a guest's agent, qemu-ga; -ETIMEDOUT also where none runs. */
int qmp_open_agent(const char *path, unsigned int timeout_ms, struct qmp **opened)
{
	return open_with(path, timeout_ms, opened, get_in_step);
}

void qmp_close(struct qmp *qmp)
{
	if (!qmp)
		return;
	if (qmp->fd >= 0)
		close(qmp->fd);
	free(qmp->buf);
	free(qmp);
}

/* Whose socket it is; QEMU listens itself. 0 = unknown. */
pid_t qmp_peer(const struct qmp *qmp)
{
	struct ucred ucred;
	socklen_t len = sizeof(ucred);

	return getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &ucred, &len) ? 0 : ucred.pid;
}

/* Who listens at a socket, without a word to it; 0 = nobody. */
pid_t qmp_listener(const char *path, unsigned int timeout_ms)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	struct qmp qmp = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	pid_t pid = 0;

	if (qmp.fd < 0)
		return 0;
	if (!connect_to(&qmp, path, deadline_ns))
		pid = qmp_peer(&qmp);
	close(qmp.fd);
	return pid;
}

/* --- commands --- */

/*
 * One command. Arguments are consumed; NULL = none. pass is a file descriptor
 * that QEMU gets a copy of, or -1. On success the reply's result is to be put; on
 * -EIO its why is QEMU's reason. After -ETIMEDOUT QEMU may still do it.
 */
int qmp_call(struct qmp *qmp, const char *command, struct json_object *arguments, int pass,
	     struct qmp_reply *reply, unsigned int timeout_ms)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	struct json_object *json = json_object_new_object();
	char *line;
	int ret;

	json_put(json, "execute", command);
	if (arguments)
		json_object_object_add(json, "arguments", arguments);
	json_put_s64(json, "id", ++qmp->id);
	line = xprintf("%s\n", json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	ret = send_line(qmp, line, pass, deadline_ns);
	if (!ret)
		ret = wait_answer(qmp, deadline_ns, reply);
	free(line);
	json_object_put(json);
	return ret;
}

int qmp_command(struct qmp *qmp, const char *command, unsigned int timeout_ms)
{
	struct qmp_reply reply = { 0 };
	int ret = qmp_call(qmp, command, NULL, -1, &reply, timeout_ms);

	json_object_put(reply.result);
	return ret;
}
