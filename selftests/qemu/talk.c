// SPDX-License-Identifier: GPL-2.0
/*
 * talk SOCKET LINE [SECONDS]: send one line to a Unix socket and print the answer.
 *
 * A line that begins with a brace goes to QEMU's QMP, after its handshake and past
 * its events; any other is a command for the test guest (see ../guest/guest.c).
 * Exit status: 0 answered well, 1 refused, 2 wrong usage, 4 no answer in time.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../guest/workload.h"

enum { ANSWERED, REFUSED, USAGE, SILENT = 4 };

static char answer[65536];
static uint64_t deadline_ns;

static int open_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(at.sun_path, path, sizeof(at.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at))) {
		perror(path);
		exit(REFUSED);
	}
	return fd;
}

static void send_line(int fd, const char *line)
{
	if (dprintf(fd, "%s\n", line) < 0) {
		perror("talk: send");
		exit(SILENT);
	}
}

/* One line at a time: a byte a read, so that nothing is read ahead. */
static void read_line(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	size_t length = 0;

	while (length < sizeof(answer) - 1) {
		int64_t left_ms = ((int64_t)(deadline_ns - clock_ns())) / 1000000;

		if (left_ms <= 0 || poll(&pfd, 1, left_ms) != 1 ||
		    read(fd, answer + length, 1) != 1) {
			fprintf(stderr, "talk: no answer\n");
			exit(SILENT);
		}
		if (answer[length] == '\n')
			break;
		length++;
	}
	answer[length] = '\0';
}

static bool starts_with(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* The answer to a command; events come in between. */
static void qmp(int fd, const char *line)
{
	send_line(fd, line);
	do {
		read_line(fd);
	} while (!starts_with(answer, "{\"return\"") && !starts_with(answer, "{\"error\""));
}

int main(int argc, char **argv)
{
	bool good;
	int fd;

	if (argc < 3 || argc > 4) {
		fprintf(stderr, "usage: talk SOCKET LINE [SECONDS]\n");
		return USAGE;
	}
	deadline_ns = clock_ns() + (argc > 3 ? atoi(argv[3]) : 30) * 1000000000ULL;
	fd = open_socket(argv[1]);
	if (argv[2][0] == '{') {
		read_line(fd); /* the greeting */
		qmp(fd, "{\"execute\":\"qmp_capabilities\"}");
		qmp(fd, argv[2]);
		good = starts_with(answer, "{\"return\"");
	} else {
		send_line(fd, argv[2]);
		read_line(fd);
		good = starts_with(answer, "ok");
	}
	puts(answer);
	return good ? ANSWERED : REFUSED;
}
