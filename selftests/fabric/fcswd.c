// SPDX-License-Identifier: GPL-2.0
/*
 * usage: fcswd [-s SOCKET] [-l LOG] LINK...
 *        fcswd [-s SOCKET] -c COMMAND...
 * The switch itself: its links are network interfaces, or unix:PATH, where it
 * listens for QEMU's netdev "stream". The second form sends it a command, and
 * prints the answer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "../lib/die.h"
#include "fabric.h"

#define ETH_ALL 3
#define LENGTH_LEN 4 /* before each frame of a stream */
#define STREAM_MAX (64 * FRAME_MAX)
#define BATCH 64

/* The other side of a link. */
struct wire {
	int fd;	      /* -1: nobody is connected */
	int listener; /* -1: it is an interface */
	uint8_t data[STREAM_MAX];
	size_t len;
};

static struct fabric fabric;
static struct wire wire[LINKS_MAX];

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ULL + now.tv_nsec / 1000000;
}

static int unix_socket(const char *path, bool server)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (server)
		unlink(path);
	if (server ? bind(fd, (void *)&address, sizeof(address)) || listen(fd, 8)
		   : connect(fd, (void *)&address, sizeof(address)))
		die("%s", path);
	return fd;
}

static void join(int fd, int ifindex, unsigned short type)
{
	const struct packet_mreq membership = { .mr_ifindex = ifindex, .mr_type = type };

	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &membership, sizeof(membership)))
		die("PACKET_ADD_MEMBERSHIP");
}

/*
 * A read of a LUN comes as a burst of frames: a small buffer would lose some, and
 * fcoe reports that as an error of the disk.
 */
static int open_interface(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_ALL) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_ALL));
	int bytes = 64 << 20;

	if (fd < 0)
		die("AF_PACKET");
	address.sll_ifindex = if_nametoindex(name);
	if (!address.sll_ifindex || bind(fd, (void *)&address, sizeof(address)))
		die("%s", name);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
	join(fd, address.sll_ifindex, PACKET_MR_PROMISC);
	join(fd, address.sll_ifindex, PACKET_MR_ALLMULTI);
	return fd;
}

static void open_link(const char *name)
{
	struct link *link = fabric_add_link(&fabric, name);
	struct wire *end = link ? &wire[link - fabric.link] : NULL;

	if (!end) {
		fprintf(stderr, "fcswd: %d links at most\n", LINKS_MAX);
		exit(1);
	}
	end->fd = end->listener = -1;
	if (strncmp(name, "unix:", 5))
		end->fd = open_interface(name);
	else
		end->listener = unix_socket(name + 5, true);
}

/* --- frames --- */

static void write_all(struct wire *end, const uint8_t *data, size_t len)
{
	ssize_t done;

	while (len && end->fd >= 0) {
		done = send(end->fd, data, len, MSG_NOSIGNAL);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0) {
			close(end->fd);
			end->fd = -1;
			return;
		}
		data += done;
		len -= done;
	}
}

/* What an interface does not take is lost, as on a link. */
static void send_frame(struct fabric *sender, struct link *link, const uint8_t *frame, size_t len)
{
	struct wire *end = &wire[link - sender->link];
	const uint32_t length = htonl(len);

	if (end->listener < 0) {
		if (send(end->fd, frame, len, 0) < 0)
			note(sender, "%s: %s", link->name, strerror(errno));
		return;
	}
	write_all(end, (const uint8_t *)&length, sizeof(length));
	write_all(end, frame, len);
}

static void read_interface(struct link *link, struct wire *end)
{
	struct sockaddr_ll from;
	uint8_t frame[FRAME_MAX];
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		socklen_t from_len = sizeof(from);
		ssize_t len = recvfrom(end->fd, frame, sizeof(frame), 0, (void *)&from, &from_len);

		if (len < 0)
			return;
		/* Our own come back to us. */
		if (from.sll_pkttype != PACKET_OUTGOING)
			fabric_input(&fabric, link, frame, len);
	}
}

static void take_frames(struct link *link, struct wire *end)
{
	size_t at = 0, len;

	while (end->len - at >= LENGTH_LEN) {
		len = get_be(end->data + at, LENGTH_LEN);
		if (len > STREAM_MAX - LENGTH_LEN) {
			end->len = 0;
			close(end->fd);
			end->fd = -1;
			return;
		}
		if (end->len - at < LENGTH_LEN + len)
			break;
		fabric_input(&fabric, link, end->data + at + LENGTH_LEN, len);
		at += LENGTH_LEN + len;
	}
	end->len -= at;
	memmove(end->data, end->data + at, end->len);
}

static void read_stream(struct link *link, struct wire *end)
{
	ssize_t got = recv(end->fd, end->data + end->len, sizeof(end->data) - end->len, 0);

	if (got > 0) {
		end->len += got;
		take_frames(link, end);
		return;
	}
	note(&fabric, "%s: disconnected", link->name);
	close(end->fd);
	end->fd = -1;
	end->len = 0;
	link_set(&fabric, link, false);
	link_set(&fabric, link, true);
}

/* --- commands --- */

static void serve(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char line[512];
	ssize_t len = fd < 0 ? -1 : recv(fd, line, sizeof(line) - 1, 0);
	FILE *out = len > 0 ? fdopen(fd, "w") : NULL;

	if (!out) {
		if (fd >= 0)
			close(fd);
		return;
	}
	line[len] = 0;
	fabric_command(&fabric, line, out);
	fclose(out);
}

/* Prints the answer; 1 when it is an error. */
static int command(const char *path, char **words, int n)
{
	char text[4096] = "";
	int fd = unix_socket(path, false), i;
	bool failed = false;
	size_t len = 0;
	ssize_t got;

	for (i = 0; i < n; i++)
		len += snprintf(text + len, sizeof(text) - len, "%s%s", i ? " " : "", words[i]);
	if (len >= 512 || send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
		die("%s", path);
	while ((got = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[got] = 0;
		failed |= !strncmp(text, "error", 5);
		fputs(text, stdout);
	}
	return failed;
}

/* --- main --- */

static int wait_ms(uint64_t next)
{
	uint64_t now = now_ms();

	return next > now ? (int)(next - now) : 0;
}

/* Links first, then the control socket. */
static void poll_all(int control, uint64_t next)
{
	struct pollfd fds[LINKS_MAX + 1];
	unsigned int i;

	for (i = 0; i < fabric.n_links; i++)
		fds[i] = (struct pollfd){
			.fd = wire[i].fd >= 0 ? wire[i].fd : wire[i].listener,
			.events = POLLIN,
		};
	fds[i] = (struct pollfd){ .fd = control, .events = POLLIN };
	if (poll(fds, fabric.n_links + 1, wait_ms(next)) <= 0)
		return;
	fabric.now_ms = now_ms();
	for (i = 0; i < fabric.n_links; i++) {
		if (!fds[i].revents)
			continue;
		if (wire[i].listener < 0)
			read_interface(&fabric.link[i], &wire[i]);
		else if (wire[i].fd < 0)
			wire[i].fd = accept4(wire[i].listener, NULL, NULL, SOCK_CLOEXEC);
		else
			read_stream(&fabric.link[i], &wire[i]);
	}
	if (fds[i].revents)
		serve(control);
}

int main(int argc, char **argv)
{
	const char *path = "/run/fcswd";
	int c, control;

	fabric_init(&fabric);
	while ((c = getopt(argc, argv, "+s:l:c")) != -1) {
		switch (c) {
		case 's':
			path = optarg;
			break;
		case 'l':
			fabric.log = fopen(optarg, "w");
			if (!fabric.log)
				die("%s", optarg);
			break;
		case 'c':
			return command(path, argv + optind, argc - optind);
		default:
			return 2;
		}
	}
	signal(SIGPIPE, SIG_IGN);
	fabric.send = send_frame;
	for (; optind < argc; optind++)
		open_link(argv[optind]);
	control = unix_socket(path, true);
	for (;;)
		poll_all(control, fabric_run(&fabric, now_ms()));
}
