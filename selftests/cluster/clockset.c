// SPDX-License-Identifier: GPL-2.0
/*
 * The clocks of the rig's hosts, which the emulator sets to the second:
 *
 *   clockset serve              tell the time on UDP port 7002
 *   clockset follow ADDRESS     set ours to that, every two seconds; says "set" once
 *
 * A real host has chrony or PTP for this.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#define PORT 7002
#define ROUNDS 50 /* of which the fastest counts */
#define NSEC 1000000000LL

/* An answer that comes late must not be taken for that to the next question. */
struct message {
	int64_t asked; /* by the clock of who asks */
	int64_t time;  /* what the other's shows */
};

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NSEC + now.tv_nsec;
}

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int serve(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) }, from;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t len = sizeof(from);
	struct message message;

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return fail("clockset");
	for (;; len = sizeof(from)) {
		if (recvfrom(fd, &message, sizeof(message), 0, (struct sockaddr *)&from, &len) !=
		    sizeof(message))
			continue;
		message.time = now_ns();
		sendto(fd, &message, sizeof(message), 0, (struct sockaddr *)&from, len);
	}
}

static bool ask(int fd, struct message *answer)
{
	const struct message question = { .asked = now_ns() };

	if (send(fd, &question, sizeof(question), 0) < 0)
		return false;
	do {
		if (recv(fd, answer, sizeof(*answer), 0) != sizeof(*answer))
			return false;
	} while (answer->asked != question.asked);
	return true;
}

/* Theirs minus ours; 0 when nobody answers. */
static int64_t measure(int fd)
{
	int64_t took, fastest = INT64_MAX, offset = 0;
	struct message answer;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		if (!ask(fd, &answer))
			continue;
		took = now_ns() - answer.asked;
		if (took >= fastest)
			continue;
		fastest = took;
		offset = answer.time - answer.asked - took / 2;
	}
	return offset;
}

static void shift_clock(int64_t offset)
{
	struct timex shift = { .modes = ADJ_SETOFFSET | ADJ_NANO };

	shift.time.tv_sec = offset / NSEC;
	shift.time.tv_usec = offset % NSEC;
	if (shift.time.tv_usec < 0) {
		shift.time.tv_sec--;
		shift.time.tv_usec += NSEC;
	}
	if (adjtimex(&shift) < 0)
		perror("clockset: adjtimex");
}

static int follow(const char *address)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct timeval patience = { .tv_sec = 1 };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	int round;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&at, sizeof(at)))
		return fail("clockset");
	for (round = 0;; round++) {
		int64_t offset = measure(fd);

		if (offset)
			shift_clock(offset);
		else
			round = -1;
		if (round == 1) {
			puts("set");
			fflush(stdout);
		}
		sleep(2);
	}
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "serve"))
		return serve();
	if (argc == 3 && !strcmp(argv[1], "follow"))
		return follow(argv[2]);
	fprintf(stderr, "usage: clockset serve | clockset follow ADDRESS\n");
	return 2;
}
