// SPDX-License-Identifier: GPL-2.0
/*
 * lparbench: what bench_lpar.sh measures, and nothing beside it.
 *
 *	lparbench cuts LPAR N VCPUS	N cuts: microseconds from the deadline to the last
 *					vCPU stopped, one line each
 *	lparbench activate LPAR		milliseconds to activate and to deactivate
 *	lparbench hugepages MIB		milliseconds to reserve, zero and free huge pages
 *	lparbench memory WHAT MIB stream|random MS
 *					bytes per second; WHAT is a device or "hugetlb"
 *	lparbench switches CPU MS	context switches per second of two tasks on a CPU
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../guest/workload.h"
#include "../lpar/lparnl.h"

#define MSEC 1000000ULL
#define AHEAD_NS (25 * MSEC) /* of a cut: to arm it takes a while, see arm_ahead() */
#define AHEAD_MAX_NS (5000 * MSEC)
#define RUN_NS (5 * MSEC) /* between two cuts the guest runs */
#define PIECE_MIB 2

static struct lparnl nl;

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static int refused(const char *what, int error)
{
	fprintf(stderr, "%s: %s %s\n", what, strerror(-error), nl.error);
	return 1;
}

static uint64_t realtime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * 1000 * MSEC + ts.tv_nsec;
}

static void pause_ns(uint64_t ns)
{
	struct timespec ts = { .tv_nsec = ns };

	nanosleep(&ts, NULL);
}

/* ---- cuts ---- */

struct cut {
	uint32_t id;
	uint32_t state;
	uint32_t error;
	uint64_t done_ns;
};

static int take_point(const struct nlattr *attr, void *data)
{
	struct cut *cut = data;

	if (mnl_attr_get_type(attr) == LPAR_A_POINT_DONE_NS)
		cut->done_ns = mnl_attr_get_u64(attr);
	else if (mnl_attr_get_type(attr) == LPAR_A_POINT_ERROR)
		cut->error = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

static int take_cut(const struct nlmsghdr *header, void *data)
{
	struct cut *cut = data;
	const struct nlattr *attr;

	mnl_attr_for_each(attr, header, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attr) == LPAR_A_CUT_ID)
			cut->id = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == LPAR_A_CUT_STATE)
			cut->state = mnl_attr_get_u32(attr);
		else if (mnl_attr_get_type(attr) == LPAR_A_CUT_POINT)
			mnl_attr_parse_nested(attr, take_point, cut);
	}
	return MNL_CB_OK;
}

static int arm(const char *name, uint64_t deadline_ns, struct cut *cut)
{
	lparnl_start(&nl, nl.family, LPAR_CMD_CUT_ARM, 0);
	mnl_attr_put_u64(lparnl_message(&nl), LPAR_A_CUT_DEADLINE_NS, deadline_ns);
	mnl_attr_put_strz(lparnl_message(&nl), LPAR_A_CUT_LPAR, name);
	return lparnl_call(&nl, take_cut, cut);
}

/*
 * Arming waits for a grace period of RCU, for which an emulated host may need longer
 * than the deadline is ahead: the next cut is given more time then.
 */
static int arm_ahead(const char *name, uint64_t *deadline_ns, struct cut *cut)
{
	static uint64_t ahead_ns = AHEAD_NS;
	int error;

	do {
		*deadline_ns = realtime_ns() + ahead_ns;
		error = arm(name, *deadline_ns, cut);
		if (error == -ETIME)
			ahead_ns *= 2;
	} while (error == -ETIME && ahead_ns <= AHEAD_MAX_NS);
	return error;
}

static int look(struct cut *cut)
{
	lparnl_start(&nl, nl.family, LPAR_CMD_CUT_GET, NLM_F_DUMP);
	mnl_attr_put_u32(lparnl_message(&nl), LPAR_A_CUT_ID, cut->id);
	return lparnl_call(&nl, take_cut, cut);
}

static int take_vcpus(const struct nlmsghdr *header, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, header, sizeof(struct genlmsghdr)) if (mnl_attr_get_type(attr) ==
								       LPAR_A_GATE_VCPUS) *
		(uint32_t *)data = mnl_attr_get_u32(attr);
	return MNL_CB_OK;
}

/* A figure for fewer vCPUs than it says would be no figure. */
static int holds_vcpus(const char *name, uint32_t wanted)
{
	uint32_t vcpus = 0;

	lparnl_start(&nl, nl.family, LPAR_CMD_GET, 0);
	mnl_attr_put_strz(lparnl_message(&nl), LPAR_A_NAME, name);
	lparnl_call(&nl, take_vcpus, &vcpus);
	if (vcpus == wanted)
		return 0;
	fprintf(stderr, "%s: the gate saw %u vCPUs, not %u\n", name, vcpus, wanted);
	return 1;
}

static int one_cut(const char *name, uint32_t vcpus)
{
	struct cut cut = { 0 };
	uint64_t deadline_ns;
	int error = arm_ahead(name, &deadline_ns, &cut);

	while (!error && (cut.state == LPAR_CUT_ARMED || !cut.done_ns)) {
		pause_ns(MSEC);
		error = look(&cut);
	}
	if (error || cut.error)
		return refused("cut", error ? error : (int)cut.error);
	if (holds_vcpus(name, vcpus))
		return 1;
	printf("%.1f\n", (double)(int64_t)(cut.done_ns - deadline_ns) / 1000);
	error = lparnl_do(&nl, LPAR_CMD_GATE_OPEN, name);
	pause_ns(RUN_NS);
	return error ? refused("open", error) : 0;
}

static int cuts(const char *name, int count, uint32_t vcpus)
{
	int ret = 0;

	lparnl_open(&nl);
	while (count-- && !ret)
		ret = one_cut(name, vcpus);
	return ret;
}

/* ---- reservation ---- */

static void print_times(uint64_t start, uint64_t reserved, uint64_t released, uint64_t end)
{
	printf("%.3f %.3f\n", (double)(reserved - start) / MSEC, (double)(end - released) / MSEC);
}

static int activate(const char *name)
{
	uint64_t start, reserved;
	int error;

	lparnl_open(&nl);
	start = clock_ns();
	error = lparnl_do(&nl, LPAR_CMD_ACTIVATE, name);
	reserved = clock_ns();
	if (!error)
		error = lparnl_do(&nl, LPAR_CMD_DEACTIVATE, name);
	if (error)
		return refused(name, error);
	print_times(start, reserved, reserved, clock_ns());
	return 0;
}

static int set_hugepages(unsigned int pages)
{
	FILE *file = fopen("/proc/sys/vm/nr_hugepages", "r+");
	unsigned int is = 0;

	if (!file)
		return -1;
	fprintf(file, "%u\n", pages);
	fflush(file);
	rewind(file);
	if (fscanf(file, "%u", &is) != 1 || is != pages)
		fprintf(stderr, "%u huge pages of %u\n", is, pages);
	fclose(file);
	return is == pages ? 0 : -1;
}

static void *map_hugetlb(size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB | MAP_POPULATE, -1, 0);
}

/* The kernel zeroes a huge page when it is touched first, not when it is reserved. */
static int hugepages(unsigned int mib)
{
	uint64_t start = clock_ns(), reserved;
	void *at;

	if (set_hugepages(mib / PIECE_MIB))
		return 1;
	at = map_hugetlb(mib * MIB);
	if (at == MAP_FAILED)
		return fail("mmap");
	reserved = clock_ns();
	munmap(at, mib * MIB);
	if (set_hugepages(0))
		return 1;
	print_times(start, reserved, reserved, clock_ns());
	return 0;
}

/* ---- memory ---- */

static void *map_device(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return MAP_FAILED;
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int memory(const char *what, size_t mib, const char *how, unsigned int ms)
{
	size_t bytes = mib * MIB;
	void *at = !strcmp(what, "hugetlb") ? map_hugetlb(bytes) : map_device(what, bytes);

	if (at == MAP_FAILED)
		return fail(what);
	stream_pass(at, bytes); /* faults are not what is measured */
	printf("%lu\n", (unsigned long)measure(!strcmp(how, "stream") ? stream_pass : random_pass,
					       at, bytes, ms));
	return 0;
}

/* ---- context switches ---- */

/* Takes the ball and gives it back. */
static void play(int from, int to)
{
	char ball;

	while (read(from, &ball, 1) == 1 && write(to, &ball, 1) == 1)
		;
}

static int switches(int cpu, unsigned int ms)
{
	uint64_t start, end, rounds = 0;
	int ping[2], pong[2];
	cpu_set_t set;
	char ball = 0;
	pid_t child;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) || pipe(ping) || pipe(pong))
		return fail("switches");
	child = fork();
	if (!child) {
		play(ping[0], pong[1]);
		_exit(0);
	}
	start = clock_ns();
	do {
		if (write(ping[1], &ball, 1) != 1 || read(pong[0], &ball, 1) != 1)
			return fail("switches");
		end = clock_ns();
		rounds++;
	} while (end - start < ms * MSEC);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	printf("%.0f\n", 2.0 * rounds * 1e9 / (end - start));
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(verb, "cuts") && argc == 5)
		return cuts(argv[2], atoi(argv[3]), atoi(argv[4]));
	if (!strcmp(verb, "activate") && argc == 3)
		return activate(argv[2]);
	if (!strcmp(verb, "hugepages") && argc == 3)
		return hugepages(atoi(argv[2]));
	if (!strcmp(verb, "memory") && argc == 6)
		return memory(argv[2], atoi(argv[3]), argv[4], atoi(argv[5]));
	if (!strcmp(verb, "switches") && argc == 4)
		return switches(atoi(argv[2]), atoi(argv[3]));
	fputs("usage: lparbench cuts LPAR N VCPUS | activate LPAR | hugepages MIB |\n"
	      "                 memory DEVICE|hugetlb MIB stream|random MS | switches CPU MS\n",
	      stderr);
	return 2;
}
