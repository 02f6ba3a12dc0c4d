// SPDX-License-Identifier: GPL-2.0
/*
 * Numbered UDP datagrams, whose loss, repetition, reordering or damage shows.
 *
 *	wire send ADDRESS FIRST COUNT BYTES [MARK PRIORITY]
 *	wire stream ADDRESS FIRST COUNT		some thousands a second
 *	wire cycle ADDRESS FIRST COUNT STATE	each between hold and drain in file STATE
 *	wire receive COUNT			exits 0 if 0..COUNT-1 came in order
 *	wire tap IFNAME				is the guest of a tap; commands on stdin:
 *		send FIRST COUNT BYTES
 *		read COUNT SECONDS		so many more, in order, checksums right
 *		expect FIRST			that is the next to come
 *		close				as if it was killed
 *
 * "receive" prints "ready" when nothing can be missed any more, and waits until
 * SIGALRM ends its patience: how long a test takes until its frames go on is
 * its own affair. "tap" answers each command by a line that begins with "ok" or
 * "failed".
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 19017
#define BYTES_MIN 4
#define BYTES_MAX 1472
#define HOST_ADDRESS "10.9.0.1"
#define GUEST_ADDRESS "10.9.0.2"
/* Room for all that a test sends: a full socket would look like a lost frame,
 * or stop the sender whose frames are held uncopied.
 */
#define SOCKET_BUFFER (256 << 20)

struct __attribute__((packed)) frame {
	uint8_t to[6], from[6];
	uint16_t type;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t data[BYTES_MAX];
};

static uint32_t expected;

static void fill(uint8_t *data, uint32_t number, size_t bytes)
{
	memcpy(data, &number, BYTES_MIN);
	for (size_t i = BYTES_MIN; i < bytes; i++)
		data[i] = number * 31 + i;
}

/* The next one, intact? */
static bool check(const uint8_t *data, size_t bytes)
{
	uint8_t right[BYTES_MAX];
	uint32_t number;

	if (bytes < BYTES_MIN || bytes > BYTES_MAX)
		return false;
	memcpy(&number, data, BYTES_MIN);
	if (number != expected) {
		printf("failed: got %u, expected %u\n", number, expected);
		return false;
	}
	fill(right, number, bytes);
	if (memcmp(data, right, bytes)) {
		printf("failed: %u is damaged\n", number);
		return false;
	}
	expected++;
	return true;
}

static int die(const char *what)
{
	perror(what);
	return 1;
}

static int connect_to(const char *address)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = SOCKET_BUFFER;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		perror(address);
		exit(1);
	}
	return fd;
}

/* What the socket stamps on its datagrams, which they keep beside their bytes. */
static int stamp(int fd, int mark, int priority)
{
	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) ||
	    setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority)))
		return die("stamp");
	return 0;
}

static int send_datagrams(int fd, uint32_t first, uint32_t count, size_t bytes)
{
	uint8_t data[BYTES_MAX];

	for (uint32_t i = first; i < first + count; i++) {
		fill(data, i, bytes);
		if (send(fd, data, bytes, 0) != (ssize_t)bytes)
			return die("send");
	}
	return 0;
}

/* Slow enough for a drain to end meanwhile. */
static int stream(const char *address, uint32_t first, uint32_t count)
{
	static const uint32_t burst = 8;
	int fd = connect_to(address);

	for (uint32_t i = 0; i < count; i += burst) {
		if (send_datagrams(fd, first + i, count - i < burst ? count - i : burst, 64))
			return 1;
		usleep(500);
	}
	return 0;
}

static bool state_is(int fd, const char *wanted)
{
	char state[16] = "";

	return pread(fd, state, sizeof(state) - 1, 0) > 0 &&
	       !strncmp(state, wanted, strlen(wanted));
}

/* A frame that is held for sure, and goes on, so many times. */
static int cycle(const char *address, uint32_t first, uint32_t count, const char *path)
{
	int fd = connect_to(address), state = open(path, O_RDWR);
	uint8_t data[BYTES_MIN];

	for (uint32_t i = first; i < first + count; i++) {
		fill(data, i, sizeof(data));
		if (pwrite(state, "hold", 4, 0) != 4 || !state_is(state, "hold") ||
		    send(fd, data, sizeof(data), 0) != sizeof(data) ||
		    pwrite(state, "drain", 5, 0) != 5)
			return die("cycle");
		while (!state_is(state, "pass"))
			sched_yield();
	}
	return 0;
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Hands what comes to take() until so many were right; take() returns 0, 1 to skip or -1. */
static int receive(int fd, uint32_t count, int (*take)(int fd))
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	sigset_t none;

	sigemptyset(&none);
	while (expected < count) {
		/* SIGALRM is blocked but here, so that it is never missed. */
		if (ppoll(&pfd, 1, NULL, &none) != 1) {
			printf("failed: %u of %u came\n", expected, count);
			return 1;
		}
		if (take(fd) < 0)
			return 1;
	}
	return 0;
}

static void be_patient(void)
{
	struct sigaction action = { .sa_handler = on_alarm };
	sigset_t blocked;

	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	sigaction(SIGALRM, &action, NULL);
}

static int take_datagram(int fd)
{
	uint8_t data[BYTES_MAX];
	ssize_t bytes = recv(fd, data, sizeof(data), 0);

	return bytes > 0 && check(data, bytes) ? 0 : -1;
}

static int receive_datagrams(uint32_t count)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) ||
	    bind(fd, (struct sockaddr *)&at, sizeof(at)))
		return die("receive");
	puts("ready");
	if (receive(fd, count, take_datagram))
		return 1;
	printf("received %u in order\n", expected);
	return 0;
}

/* --- the guest of a tap --- */

static uint32_t add(uint32_t sum, const void *data, size_t bytes)
{
	const uint8_t *byte = data;

	for (size_t i = 0; i < bytes; i++)
		sum += i % 2 ? byte[i] : byte[i] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

/* 0 when the checksum in the datagram is right. */
static uint16_t udp_sum(const struct frame *frame)
{
	uint32_t sum = add(0, &frame->ip.saddr, 8) + IPPROTO_UDP + ntohs(frame->udp.len);

	return fold(add(sum, &frame->udp, ntohs(frame->udp.len)));
}

static int take_frame(int fd)
{
	static struct frame frame;
	ssize_t bytes = read(fd, &frame, sizeof(frame));
	size_t udp;

	if (bytes < 0)
		return -1;
	if (bytes < 42 || frame.type != htons(0x0800) || frame.ip.protocol != IPPROTO_UDP ||
	    frame.udp.dest != htons(PORT))
		return 1;
	udp = ntohs(frame.udp.len);
	if (udp < 8 || udp + 34 > (size_t)bytes || !frame.udp.check || udp_sum(&frame)) {
		printf("failed: a frame with a wrong checksum\n");
		return -1;
	}
	return check(frame.data, udp - 8) ? 0 : -1;
}

static int send_frames(int fd, const uint8_t *host_mac, uint32_t first, uint32_t count,
		       size_t bytes)
{
	struct frame frame = {
		.from = { 2, 0, 0, 9, 0, 2 },
		.type = htons(0x0800),
		.ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP },
	};

	memcpy(frame.to, host_mac, 6);
	inet_pton(AF_INET, GUEST_ADDRESS, &frame.ip.saddr);
	inet_pton(AF_INET, HOST_ADDRESS, &frame.ip.daddr);
	frame.ip.tot_len = htons(28 + bytes);
	frame.ip.check = htons(fold(add(0, &frame.ip, 20)));
	frame.udp.source = htons(PORT);
	frame.udp.dest = htons(PORT);
	frame.udp.len = htons(8 + bytes);
	for (uint32_t i = first; i < first + count; i++) {
		fill(frame.data, i, bytes);
		frame.udp.check = 0;
		frame.udp.check = htons(udp_sum(&frame));
		if (write(fd, &frame, 42 + bytes) != (ssize_t)(42 + bytes))
			return die("write to the tap");
	}
	return 0;
}

static int read_frames(int fd, uint32_t count, unsigned int seconds)
{
	int ret;

	alarm(seconds);
	ret = receive(fd, expected + count, take_frame);
	alarm(0);
	return ret;
}

static int open_tap(const char *name, uint8_t *host_mac)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR), sock = socket(AF_INET, SOCK_DGRAM, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) || ioctl(sock, SIOCGIFHWADDR, &ifr)) {
		perror(name);
		exit(1);
	}
	memcpy(host_mac, ifr.ifr_hwaddr.sa_data, 6);
	close(sock);
	return fd;
}

static int be_guest(const char *name)
{
	uint8_t host_mac[6];
	int fd = open_tap(name, host_mac), ret;
	char line[256];
	uint32_t a, b, c;

	puts("ok ready");
	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "send %u %u %u", &a, &b, &c) == 3)
			ret = send_frames(fd, host_mac, a, b, c);
		else if (sscanf(line, "read %u %u", &a, &b) == 2)
			ret = read_frames(fd, a, b);
		else if (sscanf(line, "expect %u", &expected) == 1)
			ret = 0;
		else if (!strcmp(line, "close\n"))
			ret = close(fd);
		else
			ret = 2;
		if (!ret)
			puts("ok");
		else if (ret == 2)
			puts("failed: what?");
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd;

	setvbuf(stdout, NULL, _IOLBF, 0);
	be_patient();
	if ((argc == 6 || argc == 8) && !strcmp(argv[1], "send")) {
		fd = connect_to(argv[2]);
		if (argc == 8 && stamp(fd, atoi(argv[6]), atoi(argv[7])))
			return 1;
		return send_datagrams(fd, atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	}
	if (argc == 5 && !strcmp(argv[1], "stream"))
		return stream(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (argc == 6 && !strcmp(argv[1], "cycle"))
		return cycle(argv[2], atoi(argv[3]), atoi(argv[4]), argv[5]);
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive_datagrams(atoi(argv[2]));
	if (argc == 3 && !strcmp(argv[1], "tap"))
		return be_guest(argv[2]);
	fputs("usage: wire send ADDRESS FIRST COUNT BYTES [MARK PRIORITY] |\n"
	      "            stream ADDRESS FIRST COUNT | cycle ADDRESS FIRST COUNT STATE |\n"
	      "            receive COUNT | tap IFNAME\n",
	      stderr);
	return 2;
}
