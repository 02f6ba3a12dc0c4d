// SPDX-License-Identifier: GPL-2.0
/*
 * The little of QEMU's machine protocol that is needed here: one command at a
 * time, one JSON object per line.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lparctl.h"

static int wait_readable(int fd, uint64_t deadline_ns)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left = deadline_ns - now_ns(CLOCK_MONOTONIC);
	int ret = poll(&pfd, 1, left > 0 ? left / NSEC_PER_MSEC + 1 : 0);

	if (ret < 0)
		return -errno;
	return ret ? 0 : -ETIMEDOUT;
}

/* Byte by byte: what follows the line stays in the socket. */
static int read_line(int fd, char *buf, size_t size, uint64_t deadline_ns)
{
	size_t len = 0;
	ssize_t got;
	int ret;

	while (len + 1 < size) {
		ret = wait_readable(fd, deadline_ns);
		if (ret)
			return ret;
		got = read(fd, buf + len, 1);
		if (got <= 0)
			return got ? -errno : -EPIPE;
		if (buf[len] == '\n')
			break;
		len++;
	}
	buf[len] = 0;
	return 0;
}

static void keep_reason(struct qmp_reply *reply, struct json_object *error)
{
	struct json_object *text = json_object_object_get(error, "desc");

	snprintf(reply->why, sizeof(reply->why), "%s",
		 text ? json_object_get_string(text) : "no reason");
}

/* QEMU's clock for events is CLOCK_REALTIME. */
static void keep_event(struct qmp_reply *reply, struct json_object *json)
{
	struct json_object *time = json_object_object_get(json, "timestamp");

	if (reply->event && !strcmp(json_text(json, "event"), reply->event))
		reply->event_ns = json_number(time, "seconds") * NSEC_PER_SEC +
				  json_number(time, "microseconds") * NSEC_PER_USEC;
}

/*
 * Wait for an object that has the key, and hand out its value; of events in
 * between one may be of interest. QEMU's own words are the reason of -EIO.
 */
static int expect(int fd, const char *key, uint64_t deadline_ns, struct qmp_reply *reply)
{
	struct json_object *json, *found;
	char line[16384];
	int ret;

	do {
		ret = read_line(fd, line, sizeof(line), deadline_ns);
		if (ret)
			return ret;
		json = json_tokener_parse(line);
		if (json_object_object_get_ex(json, "error", &found)) {
			keep_reason(reply, found);
			ret = -EIO;
		} else {
			ret = json_object_object_get_ex(json, key, &found);
		}
		if (ret > 0)
			reply->result = json_object_get(found);
		else if (!ret)
			keep_event(reply, json);
		json_object_put(json);
	} while (!ret);
	return ret < 0 ? ret : 0;
}

/* A file descriptor goes along with the command that names it. */
static int send_line(int fd, const char *line, int pass)
{
	struct iovec iov = { .iov_base = (char *)line, .iov_len = strlen(line) };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (pass >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &pass, sizeof(int));
	}
	/* A QEMU that is gone is an error here, not a signal. */
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Connect and leave the negotiation mode; returns a file descriptor. */
int qmp_open(const char *path, unsigned int timeout_ms)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct qmp_reply greeting = { 0 };
	int fd, ret = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)))
		ret = -errno;
	if (!ret)
		ret = expect(fd, "QMP", deadline_ns, &greeting);
	json_object_put(greeting.result);
	if (!ret)
		ret = qmp_command(fd, "qmp_capabilities", timeout_ms);
	if (!ret)
		return fd;
	close(fd);
	return ret;
}

/*
 * One command. Arguments are consumed; NULL = none. pass is a file descriptor
 * that QEMU gets a copy of, or -1. On success the reply's result is to be put; on
 * -EIO its why is QEMU's reason.
 */
int qmp_call(int fd, const char *command, struct json_object *arguments, int pass,
	     struct qmp_reply *reply, unsigned int timeout_ms)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ms * NSEC_PER_MSEC;
	struct json_object *json = json_object_new_object();
	char *line;
	int ret;

	json_put(json, "execute", command);
	if (arguments)
		json_object_object_add(json, "arguments", arguments);
	line = xprintf("%s\n", json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	ret = send_line(fd, line, pass);
	if (!ret)
		ret = expect(fd, "return", deadline_ns, reply);
	free(line);
	json_object_put(json);
	return ret;
}

int qmp_command(int fd, const char *command, unsigned int timeout_ms)
{
	struct qmp_reply reply = { 0 };
	int ret = qmp_call(fd, command, NULL, -1, &reply, timeout_ms);

	json_object_put(reply.result);
	return ret;
}
