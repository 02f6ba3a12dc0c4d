/* SPDX-License-Identifier: GPL-2.0 */
/* What the fuzzers of netlink families have in common. */
#ifndef SELFTESTS_FUZZ_H
#define SELFTESTS_FUZZ_H

#include <sys/socket.h>
#include <sys/time.h>

#include "lparnl.h"

#define ANSWER_SECONDS 60
#define MESSAGES_PER_QUESTION 64

static struct lparnl nl;
static uint64_t state;
static unsigned long accepted, refused;

/* xorshift64*: the same everywhere, unlike random(). */
static uint32_t random_u32(void)
{
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return (state * 0x2545f4914f6cdd1dULL) >> 32;
}

static uint32_t below(uint32_t limit)
{
	return random_u32() % limit;
}

static bool one_in(uint32_t limit)
{
	return !below(limit);
}

/* Below @limit, mostly; else anything. */
__attribute__((unused)) static uint32_t mostly_below(uint32_t limit)
{
	return one_in(8) ? random_u32() : below(limit);
}

/* Attributes of up to 64 random bytes, of type @max + 1 at most. */
static void put_random_attrs(struct nlmsghdr *message, uint32_t max)
{
	uint8_t bytes[64];

	for (unsigned int i = below(6); i; i--) {
		for (unsigned int j = 0; j < sizeof(bytes); j++)
			bytes[j] = random_u32();
		mnl_attr_put(message, below(max + 2), below(sizeof(bytes)), bytes);
	}
}

/* Flips bits and sets bytes behind the header; may cut off the end. */
static void mutate_bytes(struct nlmsghdr *message)
{
	uint8_t *bytes = (uint8_t *)message;

	for (unsigned int i = below(4); i; i--) {
		uint32_t at = NLMSG_HDRLEN + below(message->nlmsg_len - NLMSG_HDRLEN);

		bytes[at] = one_in(2) ? random_u32() : bytes[at] ^ 1U << below(8);
	}
	if (one_in(4))
		message->nlmsg_len -= below(message->nlmsg_len - NLMSG_HDRLEN + 1);
}

/*
 * Sends a command, up to one above @cmd_max or any: a third with random attributes, the
 * others with what @put_plausible puts. Half of all are then mutated.
 */
__attribute__((unused)) static void send_nonsense(uint32_t cmd_max, uint32_t attr_max,
						  void (*put_plausible)(struct nlmsghdr *message,
									uint8_t cmd))
{
	uint8_t cmd = one_in(16) ? random_u32() : below(cmd_max + 2);

	lparnl_start(&nl, nl.family, cmd, one_in(8) ? NLM_F_DUMP : 0);
	if (one_in(3))
		put_random_attrs(lparnl_message(&nl), attr_max);
	else
		put_plausible(lparnl_message(&nl), cmd);
	if (one_in(2))
		mutate_bytes(lparnl_message(&nl));
	lparnl_send(&nl);
}

/* Takes what has been answered so far, and counts it. */
static void count_answers(void)
{
	static char reply[LPARNL_BYTES];
	int fd = mnl_socket_get_fd(nl.sock);
	ssize_t bytes;

	while ((bytes = recv(fd, reply, sizeof(reply), MSG_DONTWAIT)) >= 0 || errno == ENOBUFS) {
		struct nlmsghdr *header = (struct nlmsghdr *)reply;
		struct nlmsgerr *ack = mnl_nlmsg_get_payload(header);

		if (bytes < (ssize_t)(NLMSG_HDRLEN + sizeof(*ack)) ||
		    header->nlmsg_type != NLMSG_ERROR)
			continue;
		if (ack->error)
			refused++;
		else
			accepted++;
	}
}

/* The same seed gives the same messages. Ends the program without the family. */
static void start_fuzzing(const char *family, unsigned long seed)
{
	struct timeval patience = { .tv_sec = ANSWER_SECONDS };

	printf("# seed %lu\n", seed);
	fflush(stdout);
	state = seed * 0x9e3779b97f4a7c15ULL | 1;
	lparnl_open_family(&nl, family);
	setsockopt(mnl_socket_get_fd(nl.sock), SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
}

static void require_answer(int (*ask)(void), unsigned long count)
{
	int error = ask();

	if (error == -ENOENT)
		return;
	printf("# after message %lu: the module answered %s\n", count, strerror(-error));
	exit(1);
}

/*
 * Has @send_one send a message, @count times. Every now and then @ask asks for
 * something that is not there, and has to be told so.
 */
static void fuzz(unsigned long count, void (*send_one)(void), int (*ask)(void))
{
	for (unsigned long i = 0; i < count; i++) {
		send_one();
		count_answers();
		if (i % MESSAGES_PER_QUESTION == 0)
			require_answer(ask, i);
	}
	require_answer(ask, count);
	printf("# %lu messages: %lu accepted, %lu refused, others without an answer\n", count,
	       accepted, refused);
}

#endif /* SELFTESTS_FUZZ_H */
