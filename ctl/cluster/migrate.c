// SPDX-License-Identifier: GPL-2.0
/*
 * A guest's state to and from a file: QEMU's migration stream through a pipe,
 * so that it is counted, and given a digest, on its way. Runs in a thread of
 * its own for each guest: no netlink here.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"

#define PUMP_BYTES (256 << 10)
#define POLL_MS 100
/* From the end of the stream until QEMU says so. */
#define SETTLE_NS (30 * NSEC_PER_SEC)
/* For a QEMU to end that has closed its end of the pipe. */
#define END_MS 1000
/* QEMU's default of 128 MiB/s is for links that others use too. */
#define BANDWIDTH INT64_MAX

struct pump {
	struct guest *guest;
	int from;
	int to; /* -1 = nowhere */
	unsigned char *buf;
	EVP_MD_CTX *digest;
};

static int failed(struct guest *guest, const char *what, int error)
{
	if (!*guest->why)
		snprintf(guest->why, sizeof(guest->why), "%s: %s", what, strerror(-error));
	return error;
}

/* Until the pipe is ready, or the operation is cancelled. */
static int wait_ready(struct pump *pump, int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	while (!pump->guest->session->cancelled) {
		if (poll(&pfd, 1, POLL_MS) > 0)
			return 0;
	}
	return -ECANCELED;
}

/* A pipe does not block: it may have room for less than all. */
static int write_all(struct pump *pump, const unsigned char *data, size_t len)
{
	ssize_t done;
	int ret;

	for (; len; data += done, len -= done) {
		ret = wait_ready(pump, pump->to, POLLOUT);
		if (ret)
			return ret;
		done = write(pump->to, data, len);
		if (done < 0 && errno != EAGAIN)
			return -errno;
		if (done < 0)
			done = 0;
	}
	return 0;
}

/* From one to the other until the end. */
static int pump_all(struct pump *pump)
{
	ssize_t got;
	int ret;

	for (;;) {
		ret = wait_ready(pump, pump->from, POLLIN);
		if (ret)
			return ret;
		got = read(pump->from, pump->buf, PUMP_BYTES);
		if (got <= 0)
			return got ? -errno : 0;
		EVP_DigestUpdate(pump->digest, pump->buf, got);
		ret = pump->to < 0 ? 0 : write_all(pump, pump->buf, got);
		if (ret)
			return ret;
		pump->guest->moved += got;
	}
}

static int run_pump(struct guest *guest, int from, int to, char *hex)
{
	struct pump pump = { guest, from, to, xalloc(PUMP_BYTES), EVP_MD_CTX_new() };
	int ret;

	EVP_DigestInit_ex(pump.digest, EVP_sha256(), NULL);
	ret = pump_all(&pump);
	digest_end(pump.digest, hex);
	free(pump.buf);
	return ret;
}

/* Wait for the end that QEMU has come to. */
static int settle(struct guest *guest)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + SETTLE_NS;
	struct json_object *info;
	bool completed, over;
	int ret;

	for (;;) {
		ret = guest_call(guest, "query-migrate", NULL, -1, &info);
		if (ret)
			return ret;
		completed = !strcmp(json_text(info, "status"), "completed");
		over = completed || !strcmp(json_text(info, "status"), "failed");
		if (over && !completed)
			snprintf(guest->why, sizeof(guest->why), "QEMU's migration failed: %s",
				 json_text(info, "error-desc"));
		json_object_put(info);
		if (over)
			return completed ? 0 : -EIO;
		if (guest->session->cancelled)
			return -ECANCELED;
		if (now_ns(CLOCK_MONOTONIC) > deadline_ns)
			return failed(guest, "QEMU's migration", -ETIMEDOUT);
		sleep_ms(20);
	}
}

/* Give QEMU its end of the pipe and tell it to use it. */
static int hand_over(struct guest *guest, const char *command, int fd)
{
	struct json_object *name = json_object_new_object();
	struct json_object *uri = json_object_new_object();
	int ret;

	json_put(name, "fdname", "lparkit");
	json_put(uri, "uri", "fd:lparkit");
	ret = guest_call(guest, "getfd", name, fd, NULL);
	if (ret) {
		json_object_put(uri);
		return ret;
	}
	return guest_call(guest, command, uri, -1, NULL);
}

static int write_state(struct guest *guest, const char *path, const int *ends)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = fd < 0 ? -errno : 0;

	if (!ret)
		ret = run_pump(guest, ends[0], fd, guest->digest);
	if (!ret && fsync(fd))
		ret = -errno;
	if (fd >= 0)
		close(fd);
	return ret ? failed(guest, path, ret) : 0;
}

static char *state_path(const struct guest *guest)
{
	char *file = xprintf("%s" STATE_SUFFIX, guest->name);
	char *path = session_file(guest->session, file);

	free(file);
	return path;
}

/* The state of a guest that stands, to its file; the reason of a failure is in guest->why. */
int migrate_out(struct guest *guest)
{
	char *path = state_path(guest);
	int ends[2], ret;

	guest->moved = 0;
	ret = pipe2(ends, O_CLOEXEC) ? -errno : 0;
	if (!ret) {
		ret = guest_set_bandwidth(guest, BANDWIDTH);
		if (!ret)
			ret = hand_over(guest, "migrate", ends[1]);
		close(ends[1]);
		guest->migrates = !ret;
		if (!ret)
			ret = write_state(guest, path, ends);
		close(ends[0]);
	}
	/* A stream that nobody reads any more ends by itself. */
	if (!ret)
		ret = settle(guest);
	if (!ret) {
		guest->migrates = false;
		ret = guest_set_bandwidth(guest, guest->bandwidth);
	}
	guest->size = guest->moved;
	free(path);
	return ret;
}

/* To a pipe, or nowhere; -EBADMSG when it is not what was saved. */
static int read_state(struct guest *guest, const char *path, int to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char hex[DIGEST_CHARS + 1];
	int ret = fd < 0 ? -errno : 0;

	if (!ret)
		ret = run_pump(guest, fd, to, hex);
	if (fd >= 0)
		close(fd);
	if (!ret && strcmp(hex, guest->digest)) {
		snprintf(guest->why, sizeof(guest->why), DAMAGED, path);
		ret = -EBADMSG;
	}
	return ret ? failed(guest, path, ret) : 0;
}

/* Is the file what was saved? */
int migrate_check(struct guest *guest)
{
	char *path = state_path(guest);
	int ret;

	guest->moved = 0;
	ret = read_state(guest, path, -1);
	free(path);
	return ret;
}

/* A QEMU that does not take a stream says why, and ends. */
static void note_last_words(struct guest *guest)
{
	struct pollfd pfd = { .fd = process_open(&guest->process), .events = POLLIN };
	char words[sizeof(guest->why) - 32];

	if (pfd.fd == -ESRCH || (pfd.fd >= 0 && poll(&pfd, 1, END_MS) == 1)) {
		guest_last_words(guest->name, words, sizeof(words));
		snprintf(guest->why, sizeof(guest->why), "QEMU has ended: %s", words);
	}
	if (pfd.fd >= 0)
		close(pfd.fd);
}

/* Only our end: one that QEMU reads from is not what it expects if that does not block. */
static int pipe_to(int *ends)
{
	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	return fcntl(ends[1], F_SETFL, O_NONBLOCK) ? -errno : 0;
}

/* And back, to a QEMU that waits for it. */
int migrate_in(struct guest *guest)
{
	char *path = state_path(guest);
	int ends[2], ret;

	guest->moved = 0;
	ret = pipe_to(ends);
	if (!ret) {
		ret = hand_over(guest, "migrate-incoming", ends[0]);
		close(ends[0]);
		if (!ret)
			ret = read_state(guest, path, ends[1]);
		close(ends[1]);
	}
	if (!ret)
		ret = settle(guest);
	if (ret && ret != -ECANCELED && ret != -EBADMSG)
		note_last_words(guest);
	free(path);
	return ret;
}
