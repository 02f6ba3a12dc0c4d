// SPDX-License-Identifier: GPL-2.0
/*
 * Cluster software for the test guest: two members send each other heartbeats
 * over UDP, and keep a counter on their disks that the primary counts up and the
 * standby follows. A member that hears nothing for two periods of its monotonic
 * clock declares the other dead; a standby then takes over. Two primaries that
 * hear of each other are a split brain.
 *
 *   pair=ADDRESS      the other member (kernel command line)
 *   pair_role=standby primary otherwise
 *   pair_ms=300       period
 *
 * Each message has a number, so that loss, repetition and disorder show. On demand a
 * TCP stream of numbered words goes to the other as well.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "pair.h"

#define PAIR_PORT 7778 /* UDP and TCP */
#define DISK "/dev/vda"
#define SECTOR 512
/* What a flood may pile up while a guest has no time: a frame's page counts in full. */
#define RECEIVE_BYTES (16 << 20)
#define MAGIC 0x706169726b636f75ULL

struct message {
	uint64_t number;
	uint64_t count;
	uint32_t epoch; /* of take-overs */
	uint32_t is_primary;
};

/* What is on the disk. */
struct record {
	uint64_t magic;
	uint64_t count;
	uint64_t check; /* ~count */
};

static struct {
	pthread_mutex_t lock;
	int socket;
	atomic_uint period_ms;
	atomic_bool flooding;
	bool is_primary, peer_is_dead, has_heard;
	uint32_t epoch;
	uint64_t count, sent, received, expected;
	uint64_t lost, repeated, disordered, missed, changes, splits;
	int64_t heard_us, longest_us; /* silence, CLOCK_MONOTONIC */
	struct sockaddr_in peer;
	atomic_bool streaming;
	uint64_t stream_sent, stream_received, stream_wrong, stream_broken; /* words; streams */
	int disk;
	struct record *record;
} pair = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static void write_count(void)
{
	if (pair.disk < 0)
		return;
	pair.record->magic = MAGIC;
	pair.record->count = pair.count;
	pair.record->check = ~pair.count;
	if (pwrite(pair.disk, pair.record, SECTOR, 0) != SECTOR)
		printf("pair: disk: %m\n");
}

static void change_role(bool is_primary)
{
	pair.is_primary = is_primary;
	pair.changes++;
	printf("pair: now %s, epoch %u\n", is_primary ? "primary" : "standby", pair.epoch);
}

/* Lock held. */
static void send_message(void)
{
	struct message message = { pair.sent++, pair.count, pair.epoch, pair.is_primary };

	if (send(pair.socket, &message, sizeof(message), 0) != sizeof(message))
		printf("pair: message %lu was not sent: %m\n", (unsigned long)message.number);
}

/* ---- what comes from the other ---- */

static void check_number(uint64_t number)
{
	if (pair.received && number > pair.expected) {
		pair.lost += number - pair.expected;
		printf("pair: lost %lu before %lu\n", (unsigned long)(number - pair.expected),
		       (unsigned long)number);
	}
	if (pair.received && number + 1 == pair.expected)
		pair.repeated++;
	else if (pair.received && number < pair.expected)
		pair.disordered++;
	if (!pair.received || number >= pair.expected)
		pair.expected = number + 1;
	pair.received++;
}

static void hear(const struct message *message)
{
	int64_t now = now_us();

	if (pair.has_heard && now - pair.heard_us > pair.longest_us)
		pair.longest_us = now - pair.heard_us;
	pair.heard_us = now;
	pair.has_heard = true;
	if (pair.peer_is_dead)
		printf("pair: the other is back\n");
	pair.peer_is_dead = false;
	check_number(message->number);
	if (message->is_primary && pair.is_primary) {
		pair.splits++;
		printf("pair: split brain\n");
		if (message->epoch > pair.epoch)
			change_role(false);
	}
	if (message->is_primary && message->count != pair.count) {
		pair.count = message->count;
		pair.epoch = message->epoch;
		write_count();
	}
}

static void *receive(void *arg)
{
	struct message message;

	for (;;) {
		if (recv(pair.socket, &message, sizeof(message), 0) != sizeof(message))
			continue;
		pthread_mutex_lock(&pair.lock);
		hear(&message);
		pthread_mutex_unlock(&pair.lock);
	}
	return arg;
}

/* ---- what is sent ---- */

static void look_for_peer(void)
{
	int64_t silence = now_us() - pair.heard_us;

	if (!pair.has_heard || silence < 2000LL * pair.period_ms)
		return;
	if (!pair.peer_is_dead) {
		pair.missed++;
		printf("pair: silence of %ld us\n", (long)silence);
		pair.peer_is_dead = true;
		if (!pair.is_primary) {
			pair.epoch++;
			change_role(true);
		}
	}
}

static void *beat(void *arg)
{
	struct timespec next;

	clock_gettime(CLOCK_MONOTONIC, &next);
	for (;;) {
		pthread_mutex_lock(&pair.lock);
		look_for_peer();
		if (pair.is_primary && pair.has_heard) {
			pair.count++;
			write_count();
		}
		send_message();
		pthread_mutex_unlock(&pair.lock);
		next.tv_nsec += pair.period_ms % 1000 * 1000000L;
		next.tv_sec += pair.period_ms / 1000 + next.tv_nsec / 1000000000L;
		next.tv_nsec %= 1000000000L;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
	}
	return arg;
}

/* A message each millisecond. */
static void *flood(void *arg)
{
	const struct timespec pause = { .tv_nsec = 1000000 };

	while (pair.flooding) {
		pthread_mutex_lock(&pair.lock);
		send_message();
		pthread_mutex_unlock(&pair.lock);
		nanosleep(&pause, NULL);
	}
	return arg;
}

/* ---- TCP ---- */

static void *stream_send(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t words[128], number = 0;
	size_t i;

	if (connect(fd, (struct sockaddr *)&pair.peer, sizeof(pair.peer)))
		printf("pair: stream: %m\n");
	while (pair.streaming) {
		for (i = 0; i < 128; i++)
			words[i] = number++;
		if (send(fd, words, sizeof(words), 0) != sizeof(words)) {
			pair.stream_broken += pair.streaming;
			break;
		}
		pair.stream_sent += 128;
	}
	close(fd);
	return arg;
}

static void stream_receive(int fd)
{
	uint64_t word, expected = 0;

	for (; recv(fd, &word, sizeof(word), MSG_WAITALL) == sizeof(word); expected++) {
		pair.stream_wrong += word != expected;
		pair.stream_received++;
	}
}

static void *stream_serve(void *arg)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PAIR_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&any, sizeof(any)) || listen(fd, 1))
		printf("pair: stream: %m\n");
	for (;;) {
		int from = accept(fd, NULL, NULL);

		if (from < 0)
			continue;
		stream_receive(from);
		close(from);
	}
	return arg;
}

/* ---- commands ---- */

static void forget(void)
{
	pair.lost = pair.repeated = pair.disordered = pair.missed = 0;
	pair.changes = pair.splits = pair.longest_us = 0;
}

/**
 * pair_command() - "show", "forget", "period MS", "flood 0|1", "stream 0|1"
 * @command: what to do
 * @answer: one line
 * @size: its size
 */
void pair_command(const char *command, char *answer, size_t size)
{
	unsigned int value;
	pthread_t thread;

	pthread_mutex_lock(&pair.lock);
	snprintf(answer, size, "ok");
	if (!strcmp(command, "forget")) {
		forget();
	} else if (sscanf(command, "period %u", &value) == 1 && value) {
		pair.period_ms = value;
	} else if (sscanf(command, "flood %u", &value) == 1) {
		if (!atomic_exchange(&pair.flooding, value) && value &&
		    !pthread_create(&thread, NULL, flood, NULL))
			pthread_detach(thread);
	} else if (sscanf(command, "stream %u", &value) == 1) {
		if (!atomic_exchange(&pair.streaming, value) && value &&
		    !pthread_create(&thread, NULL, stream_send, NULL))
			pthread_detach(thread);
	} else if (!strcmp(command, "show")) {
		snprintf(
			answer, size,
			"ok role=%s epoch=%u count=%lu sent=%lu received=%lu lost=%lu repeated=%lu "
			"disordered=%lu missed=%lu changes=%lu splits=%lu longest_us=%ld "
			"stream_sent=%lu stream_received=%lu stream_wrong=%lu stream_broken=%lu",
			pair.is_primary ? "primary" : "standby", pair.epoch,
			(unsigned long)pair.count, (unsigned long)pair.sent,
			(unsigned long)pair.received, (unsigned long)pair.lost,
			(unsigned long)pair.repeated, (unsigned long)pair.disordered,
			(unsigned long)pair.missed, (unsigned long)pair.changes,
			(unsigned long)pair.splits, (long)pair.longest_us,
			(unsigned long)pair.stream_sent, (unsigned long)pair.stream_received,
			(unsigned long)pair.stream_wrong, (unsigned long)pair.stream_broken);
	} else {
		snprintf(answer, size, "fail unknown pair command");
	}
	pthread_mutex_unlock(&pair.lock);
}

static void open_disk(void)
{
	pair.disk = open(DISK, O_RDWR | O_DIRECT | O_SYNC | O_CLOEXEC);
	pair.record = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pair.disk >= 0 && pread(pair.disk, pair.record, SECTOR, 0) == SECTOR &&
	    pair.record->magic == MAGIC && pair.record->check == ~pair.record->count)
		pair.count = pair.record->count;
}

static int connect_peer(const char *address)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(PAIR_PORT) };
	const int bytes = RECEIVE_BYTES;

	pair.peer = here;
	pair.socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return setsockopt(pair.socket, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	       inet_pton(AF_INET, address, &pair.peer.sin_addr) != 1 ||
	       bind(pair.socket, (struct sockaddr *)&here, sizeof(here)) ||
	       connect(pair.socket, (struct sockaddr *)&pair.peer, sizeof(pair.peer));
}

/**
 * pair_start() - be a member, if the kernel's command line says so
 *
 * The network is up.
 */
void pair_start(void)
{
	const char *peer = getenv("pair"), *role = getenv("pair_role"), *period = getenv("pair_ms");
	pthread_t thread;

	if (!peer)
		return;
	pair.period_ms = period ? atoi(period) : 1000;
	pair.is_primary = !role || strcmp(role, "standby");
	open_disk();
	if (connect_peer(peer))
		printf("pair: %s: %m\n", peer);
	else if (pthread_create(&thread, NULL, receive, NULL) ||
		 pthread_create(&thread, NULL, stream_serve, NULL) ||
		 pthread_create(&thread, NULL, beat, NULL))
		printf("pair: no thread: %m\n");
}
