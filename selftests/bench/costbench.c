// SPDX-License-Identifier: GPL-2.0
/*
 * costbench: does something COUNT times and prints for how long CPUs were busy
 * meanwhile, in ns. In a host VM that counts instructions, that is how many they took.
 *
 *	costbench send ADDRESS COUNT		datagrams of 22 bytes
 *	costbench drain DEV COUNT		a netbuf's drain, to the last of its frames
 *	costbench release DEV COUNT		the same of a sch_plug
 *	costbench read|write PATH STRIDE FIRST COUNT
 *						blocks of 4 KiB, one in each STRIDE bytes
 *	costbench calls COUNT			system calls
 *	costbench switches COUNT		turns of two tasks, two context switches each
 *	costbench gate LPAR COUNT COUNTERS...	close and open, of minikvms that spin
 *	costbench cut LPAR COUNT COUNTERS...	cut and open
 *	costbench rest LPAR COUNT COUNTERS...	the same without either
 *	costbench spin LPAR MS COUNTERS...	nothing; these also print the guests' turns
 *	costbench faults SOCKET MS		of a dirtyguest: also prints how many there were
 *
 * Busy is what tasks had of all CPUs, workers of the kernel, interrupts in between and
 * guests included, by /proc/schedstat; as one CPU's instructions are also another's time,
 * only one may be busy.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "../lpar/lparnl.h"
#include "../lpar/minikvm.h"
#include "commands.h"

#define BLOCK 4096
#define PORT 19017
#define DATAGRAM_BYTES 22
#define SOCKET_BUFFER (256 << 20) /* for frames that are held */
#define MSEC 1000000ULL
#define SETTLE_NS (20 * MSEC) /* what was begun ends */
#define TURN_NS (5 * MSEC)    /* of a vCPU: a tick */
#define ARM_NS (60 * MSEC)    /* to arm a cut takes some grace periods */
#define CLOSED_NS (5 * MSEC)
#define PATIENCE_NS (60000 * MSEC)

static struct lparnl nl;
static const struct minikvm_shared *guests[8];
static unsigned int nr_guests;
static uint64_t seen[8][MINIKVM_VCPUS_MAX]; /* turns of each vCPU when its gate was last closed */

static uint64_t clock_now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000 * MSEC + ts.tv_nsec;
}

static void pause_ns(uint64_t ns)
{
	struct timespec ts = { .tv_sec = ns / (1000 * MSEC), .tv_nsec = ns % (1000 * MSEC) };

	nanosleep(&ts, NULL);
}

/* Of this task only what it had before it last gave up its CPU: so it sleeps first. */
static uint64_t busy_ns(void)
{
	uint64_t sum = 0, ns;
	char line[512];
	FILE *file;

	pause_ns(SETTLE_NS);
	file = fopen("/proc/schedstat", "r");
	if (!file)
		die("schedstat");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "cpu%*u %*u %*u %*u %*u %*u %*u %" SCNu64, &ns) == 1)
			sum += ns;
	fclose(file);
	return sum;
}

static void print_since(uint64_t start)
{
	printf("%" PRIu64 "\n", busy_ns() - start);
}

/* ---- frames ---- */

static int send_frames(const char *address, unsigned int count)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), bytes = SOCKET_BUFFER;
	char data[DATAGRAM_BYTES] = "";
	uint64_t start;

	if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) ||
	    connect(fd, (struct sockaddr *)&to, sizeof(to)))
		die("connect to %s", address);
	start = busy_ns();
	while (count--)
		if (send(fd, data, sizeof(data), 0) != sizeof(data))
			die("send");
	print_since(start);
	return 0;
}

static int open_of(const char *dev, const char *file, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", dev, file);
	fd = open(path, flags);
	if (fd < 0)
		die("open %s", path);
	return fd;
}

static uint64_t read_number(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		die("read");
	return strtoull(text, NULL, 10);
}

static void let_go_by_netbuf(const char *dev)
{
	int fd = open_of(dev, "netbuf/state", O_WRONLY);

	if (write(fd, "drain", 5) != 5)
		die("drain %s", dev);
	close(fd);
}

static void let_go_by_plug(const char *dev)
{
	struct tc_plug_qopt release = { .action = TCQ_PLUG_RELEASE_INDEFINITE };
	struct mnl_socket *sock = mnl_socket_open(NETLINK_ROUTE);
	char buffer[MNL_SOCKET_BUFFER_SIZE];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct tcmsg *tc;
	ssize_t bytes;

	header->nlmsg_type = RTM_NEWQDISC;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	tc = mnl_nlmsg_put_extra_header(header, sizeof(*tc));
	tc->tcm_ifindex = if_nametoindex(dev);
	tc->tcm_parent = TC_H_ROOT;
	mnl_attr_put_strz(header, TCA_KIND, "plug");
	mnl_attr_put(header, TCA_OPTIONS, sizeof(release), &release);
	if (!sock || mnl_socket_sendto(sock, header, header->nlmsg_len) < 0)
		die("release %s", dev);
	bytes = mnl_socket_recvfrom(sock, buffer, sizeof(buffer));
	if (bytes < 0 || mnl_cb_run(buffer, bytes, 0, 0, NULL, NULL) < 0)
		die("release %s", dev);
	mnl_socket_close(sock);
}

static int let_go(const char *dev, unsigned int count, void (*how)(const char *dev))
{
	int sent = open_of(dev, "statistics/tx_packets", O_RDONLY);
	uint64_t before = read_number(sent), start = busy_ns(), begun = clock_now(CLOCK_MONOTONIC);

	how(dev);
	while (read_number(sent) - before < count) {
		errno = ETIMEDOUT;
		if (clock_now(CLOCK_MONOTONIC) - begun > PATIENCE_NS)
			die("%s", dev);
		pause_ns(SETTLE_NS);
	}
	print_since(start);
	return 0;
}

/* ---- blocks ---- */

/* In an order of its own, so that nothing is in sequence; each block once. */
static int blocks(bool writes, const char *path, unsigned int stride, unsigned int first,
		  unsigned int count)
{
	static char block[BLOCK] __attribute__((aligned(BLOCK)));
	int fd = open(path, (writes ? O_WRONLY : O_RDONLY) | O_DIRECT);
	const unsigned int step = 127; /* odd: all places of a power of two */
	uint64_t bytes, start;
	unsigned int places;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &bytes))
		die("open %s", path);
	memset(block, first + 1, sizeof(block));
	places = bytes / stride;
	errno = ENOSPC;
	if (first + count > places)
		die("%s has %u places", path, places);
	start = busy_ns();
	for (unsigned int i = first; i < first + count; i++) {
		off_t at = (off_t)(i * step % places) * stride;

		if ((writes ? pwrite(fd, block, BLOCK, at) : pread(fd, block, BLOCK, at)) != BLOCK)
			die("%s", path);
	}
	print_since(start);
	return 0;
}

/* ---- calls, switches ---- */

static int calls(unsigned int count)
{
	uint64_t start = busy_ns();

	while (count--)
		syscall(SYS_getppid);
	print_since(start);
	return 0;
}

/* Takes the ball and gives it back. */
static void play(int from, int to)
{
	char ball;

	while (read(from, &ball, 1) == 1 && write(to, &ball, 1) == 1)
		;
}

static int switches(unsigned int count)
{
	int ping[2], pong[2];
	uint64_t start;
	char ball = 0;
	pid_t child;

	if (pipe(ping) || pipe(pong))
		die("pipe");
	child = fork();
	if (!child) {
		play(ping[0], pong[1]);
		_exit(0);
	}
	start = busy_ns();
	while (count--)
		if (write(ping[1], &ball, 1) != 1 || read(pong[0], &ball, 1) != 1)
			die("switches");
	print_since(start);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}

/* ---- gate and cut ---- */

static void map_guests(int count, char **paths)
{
	for (int i = 0; i < count && nr_guests < 8; i++) {
		int fd = open(paths[i], O_RDONLY);

		guests[nr_guests] = mmap(NULL, sizeof(**guests), PROT_READ, MAP_SHARED, fd, 0);
		if (guests[nr_guests++] == MAP_FAILED)
			die("map %s", paths[i]);
		close(fd);
	}
}

static uint64_t guest_turns(void)
{
	uint64_t turns = 0;

	for (unsigned int i = 0; i < nr_guests; i++)
		for (unsigned int j = 0; j < guests[i]->nr_vcpus; j++)
			turns += guests[i]->vcpu[j].guest;
	return turns;
}

static void see_turns(void)
{
	for (unsigned int i = 0; i < nr_guests; i++)
		for (unsigned int j = 0; j < guests[i]->nr_vcpus; j++)
			seen[i][j] = guests[i]->vcpu[j].guest;
}

static bool all_have_turned(void)
{
	for (unsigned int i = 0; i < nr_guests; i++)
		for (unsigned int j = 0; j < guests[i]->nr_vcpus; j++)
			if (guests[i]->vcpu[j].guest == seen[i][j])
				return false;
	return true;
}

static void done(const char *what, int error)
{
	if (!error)
		return;
	fprintf(stderr, "costbench: %s: %s %s\n", what, strerror(-error), nl.error);
	exit(1);
}

/* For how long a gate is open between two closings: each vCPU has its turn. */
static uint64_t open_ns(void)
{
	unsigned int vcpus = 0;

	for (unsigned int i = 0; i < nr_guests; i++)
		vcpus += guests[i]->nr_vcpus;
	return vcpus * TURN_NS;
}

static void close_now(const char *name)
{
	pause_ns(open_ns());
	done("close", lparnl_do(&nl, LPAR_CMD_GATE_CLOSE, name));
}

static void close_by_cut(const char *name)
{
	uint64_t now = clock_now(CLOCK_REALTIME), deadline = now + open_ns() + ARM_NS;

	lparnl_start(&nl, nl.family, LPAR_CMD_CUT_ARM, 0);
	mnl_attr_put_u64(lparnl_message(&nl), LPAR_A_CUT_DEADLINE_NS, deadline);
	mnl_attr_put_strz(lparnl_message(&nl), LPAR_A_CUT_LPAR, name);
	done("cut", lparnl_call(&nl, NULL, NULL));
	now = clock_now(CLOCK_REALTIME);
	pause_ns((now < deadline ? deadline - now : 0) + CLOSED_NS);
}

static void leave_open(const char *name)
{
	(void)name;
	pause_ns(open_ns());
}

static void one_round(const char *name, void (*shut)(const char *name))
{
	uint64_t turns;

	shut(name);
	turns = guest_turns();
	pause_ns(CLOSED_NS);
	if (shut == leave_open)
		return;
	errno = EBUSY;
	if (guest_turns() != turns)
		die("a guest runs though its gate is closed");
	errno = ETIMEDOUT;
	if (!all_have_turned())
		die("a vCPU had no turn while its gate was open");
	see_turns();
	done("open", lparnl_do(&nl, LPAR_CMD_GATE_OPEN, name));
}

/* Only one CPU is online: guests turn only while this sleeps. */
static int rounds(const char *name, unsigned int count, void (*shut)(const char *name))
{
	uint64_t start, turns;

	lparnl_open(&nl);
	while (!all_have_turned())
		pause_ns(TURN_NS);
	if (shut)
		one_round(name, shut); /* what is made at first is there */
	start = busy_ns();
	turns = guest_turns();
	if (!shut)
		pause_ns(count * MSEC);
	while (shut && count--)
		one_round(name, shut);
	start = busy_ns() - start;
	printf("%" PRIu64 " %" PRIu64 "\n", start, guest_turns() - turns);
	return 0;
}

/* ---- write faults ---- */

/* The pages that a dirtyguest has found in the log; "count" protects them again. */
static uint64_t tell_guest(const char *path, const char *command)
{
	struct sockaddr_un address = socket_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t pages = 0;
	FILE *file;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect to %s", path);
	if (dprintf(fd, "%s\n", command) < 0)
		die("send");
	file = fdopen(fd, "r");
	if (fscanf(file, "%*u %" SCNu64, &pages) == EOF && ferror(file))
		die("%s", command);
	fclose(file);
	return pages;
}

/* Shorter than it takes to write all pages: then each turn of the guest is a fault. */
static int faults(const char *path, unsigned int ms)
{
	uint64_t pages = tell_guest(path, "count"), start = busy_ns();

	tell_guest(path, "go");
	pause_ns(ms * MSEC);
	tell_guest(path, "stop");
	start = busy_ns() - start;
	printf("%" PRIu64 " %" PRIu64 "\n", start, tell_guest(path, "count") - pages);
	return 0;
}

static int do_rounds(const char *verb, int argc, char **argv)
{
	void (*shut)(const char *name) = !strcmp(verb, "gate")	 ? close_now
					 : !strcmp(verb, "cut")	 ? close_by_cut
					 : !strcmp(verb, "rest") ? leave_open
								 : NULL;

	map_guests(argc - 4, argv + 4);
	return rounds(argv[2], atoi(argv[3]), shut);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	bool writes = !strcmp(verb, "write");

	if (!strcmp(verb, "send") && argc == 4)
		return send_frames(argv[2], atoi(argv[3]));
	if (!strcmp(verb, "drain") && argc == 4)
		return let_go(argv[2], atoi(argv[3]), let_go_by_netbuf);
	if (!strcmp(verb, "release") && argc == 4)
		return let_go(argv[2], atoi(argv[3]), let_go_by_plug);
	if ((writes || !strcmp(verb, "read")) && argc == 6)
		return blocks(writes, argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
	if (!strcmp(verb, "calls") && argc == 3)
		return calls(atoi(argv[2]));
	if (!strcmp(verb, "switches") && argc == 3)
		return switches(atoi(argv[2]));
	if ((!strcmp(verb, "gate") || !strcmp(verb, "cut") || !strcmp(verb, "rest") ||
	     !strcmp(verb, "spin")) &&
	    argc > 4)
		return do_rounds(verb, argc, argv);
	if (!strcmp(verb, "faults") && argc == 4)
		return faults(argv[2], atoi(argv[3]));
	fputs("usage: costbench send ADDRESS COUNT | drain DEV COUNT | release DEV COUNT |\n"
	      "                 read|write PATH STRIDE FIRST COUNT | calls COUNT | switches COUNT |\n"
	      "                 gate|cut|rest|spin LPAR COUNT COUNTERS... | faults SOCKET MS\n",
	      stderr);
	return 2;
}
