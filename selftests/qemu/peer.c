// SPDX-License-Identifier: GPL-2.0
/*
 * The host's side of the test guest's patterns.
 *
 *   peer net ADDRESS MIB        exchange MIB with the guest, both ways at once
 *   peer disk PATH SEED MIB     check what the guest has written
 *
 * Exit status: 0 every byte is right, 1 it is not, 2 wrong usage.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../guest/workload.h"

#define PAGE_BYTES 4096

static uint64_t buf_out[PAGE_BYTES / 8], buf_in[DISK_CHUNK / 8];
static uint64_t bytes;

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int connect_guest(const char *address)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(GUEST_PORT) };
	struct timeval patience = { .tv_sec = 60 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return -1;
	return fd;
}

static void *send_pattern(void *arg)
{
	int fd = *(int *)arg;

	for (uint64_t at = 0; at < bytes; at += PAGE_BYTES) {
		pattern_fill(buf_out, PAGE_BYTES, SEED_TO_GUEST, at);
		if (send(fd, buf_out, PAGE_BYTES, 0) != PAGE_BYTES)
			break;
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static int receive_pattern(int fd)
{
	for (uint64_t at = 0; at < bytes; at += PAGE_BYTES) {
		if (recv(fd, buf_in, PAGE_BYTES, MSG_WAITALL) != PAGE_BYTES)
			return fail("peer: receive");
		if (pattern_check(buf_in, PAGE_BYTES, SEED_FROM_GUEST, at) >= 0) {
			fprintf(stderr, "peer: wrong data at byte %lu\n", (unsigned long)at);
			return 1;
		}
	}
	return 0;
}

/* The guest's last word is how much of what it got was right. */
static int exchange(const char *address)
{
	int fd = connect_guest(address);
	uint64_t right = 0;
	pthread_t sender;
	int ret;

	if (fd < 0 || send(fd, &bytes, 8, 0) != 8)
		return fail(address);
	if (pthread_create(&sender, NULL, send_pattern, &fd))
		return fail("peer: thread");
	ret = receive_pattern(fd);
	pthread_join(sender, NULL);
	if (ret)
		return ret;
	if (recv(fd, &right, 8, MSG_WAITALL) != 8 || right != bytes) {
		fprintf(stderr, "peer: the guest got %lu right bytes of %lu\n",
			(unsigned long)right, (unsigned long)bytes);
		return 1;
	}
	return 0;
}

static int check_disk(const char *path, uint64_t seed)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return fail(path);
	for (uint64_t at = 0; at < bytes; at += DISK_CHUNK) {
		if (pread(fd, buf_in, DISK_CHUNK, at) != (ssize_t)DISK_CHUNK)
			return fail(path);
		if (pattern_check(buf_in, DISK_CHUNK, seed, at) >= 0) {
			fprintf(stderr, "peer: %s: wrong data after byte %lu\n", path,
				(unsigned long)at);
			return 1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 4 && !strcmp(argv[1], "net")) {
		bytes = strtoul(argv[3], NULL, 0) * MIB;
		return exchange(argv[2]);
	}
	if (argc == 5 && !strcmp(argv[1], "disk")) {
		bytes = strtoul(argv[4], NULL, 0) * MIB;
		return check_disk(argv[2], strtoul(argv[3], NULL, 0));
	}
	fprintf(stderr, "usage: peer net ADDRESS MIB | disk PATH SEED MIB\n");
	return 2;
}
