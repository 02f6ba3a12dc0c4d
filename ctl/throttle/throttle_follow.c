// SPDX-License-Identifier: GPL-2.0
/*
 * throttle follow: the controller of a migration. It reads from QEMU how fast
 * memory is transferred, tells it to the kernel, which throttles the guest when
 * that dirties memory faster, and ends with the migration. If it dies itself,
 * the kernel's watchdog lets the guest go.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "throttle/throttle.h"

#define QMP_TIMEOUT_MS 10000
#define POLL_MS 250
#define WATCHDOG_MS 10000

/* What an operator watches of the LPAR; there are no others while it migrates. */
#define STAGE_TEXT "migrating"

struct follow {
	struct qmp *qmp;
	const char *domain; /* of libvirt, which has the monitor; NULL: qmp */
	pid_t pid;
	const char *lpar; /* NULL: its stage is of no interest */
	uint32_t share; /* percent; 0 = the kernel's default */
	uint32_t watchdog_ms;
	uint64_t wait_ns; /* for the migration to begin; 0 = without end */
	bool attached;
	uint64_t rate; /* bytes per second that QEMU transfers */
	uint64_t delayed_us; /* of the guest, when it was asked last */
};

/* One answer to query-migrate. */
struct progress {
	char status[24];
	uint64_t passes; /* begun */
	uint64_t total;
	uint64_t remaining;
	uint64_t sent;
	double mbps;
	uint64_t total_ms;
	uint64_t downtime_ms;
};

static int ask(const struct follow *follow, struct qmp_reply *reply)
{
	if (follow->domain)
		return virsh_call(follow->domain, "query-migrate", reply, QMP_TIMEOUT_MS);
	return qmp_call(follow->qmp, "query-migrate", NULL, -1, reply, QMP_TIMEOUT_MS);
}

static int query(struct follow *follow, struct progress *progress)
{
	struct qmp_reply reply = { 0 };
	struct json_object *info, *ram;
	const char *status;
	int ret = ask(follow, &reply);

	if (ret)
		return ret;
	info = reply.result;
	status = json_object_get_string(json_object_object_get(info, "status"));
	ram = json_object_object_get(info, "ram");
	memset(progress, 0, sizeof(*progress));
	snprintf(progress->status, sizeof(progress->status), "%s", status ? status : "none");
	progress->passes = json_object_get_uint64(json_object_object_get(ram, "dirty-sync-count"));
	progress->total = json_object_get_uint64(json_object_object_get(ram, "total"));
	progress->remaining = json_object_get_uint64(json_object_object_get(ram, "remaining"));
	progress->sent = json_object_get_uint64(json_object_object_get(ram, "transferred"));
	progress->mbps = json_object_get_double(json_object_object_get(ram, "mbps"));
	progress->total_ms = json_object_get_uint64(json_object_object_get(info, "total-time"));
	progress->downtime_ms = json_object_get_uint64(json_object_object_get(info, "downtime"));
	json_object_put(info);
	return 0;
}

static bool is_one_of(const char *status, const char *const *names)
{
	for (; *names; names++)
		if (!strcmp(status, *names))
			return true;
	return false;
}

static bool is_running(const struct progress *progress)
{
	static const char *const names[] = { "active", "pre-switchover", "device", NULL };

	return is_one_of(progress->status, names);
}

static bool is_over(const struct progress *progress)
{
	static const char *const names[] = { "completed", "failed", "cancelled", NULL };

	return is_one_of(progress->status, names);
}

/* For show only: an LPAR that is gone by now has no stage. */
static void show_stage(const struct follow *follow, const struct progress *progress,
		       enum lpar_state state)
{
	uint64_t sent = progress->total - progress->remaining;
	bool migrates = state == LPAR_STATE_MIGRATING;
	struct stage stage = {
		.number = migrates ? progress->passes : 0,
		.progress = progress->total ? sent * 100 / progress->total : 0,
		.transfer_rate = migrates ? follow->rate : 0,
		.dirty_bytes = migrates ? progress->remaining : 0,
	};

	if (!follow->lpar)
		return;
	snprintf(stage.text, sizeof(stage.text), "%s", migrates ? STAGE_TEXT : "");
	stage_set(follow->lpar, &stage, state, migrates);
}

/*
 * Bytes per second, averaged over about a second. What the first pass transfers
 * says little, as it is all of memory, much of it zeros; 0 until it is over.
 */
static void note_rate(struct follow *follow, const struct progress *progress)
{
	uint64_t rate = progress->mbps * 1e6 / 8;

	if (progress->passes < 2 || !rate)
		return;
	follow->rate = follow->rate ? (3 * follow->rate + rate) / 4 : rate;
}

/*
 * From now on, and for as long as throttle_beat() comes within the watchdog's time, a guest
 * dirties no faster than the limit in bytes per second, 0 = the share of the transfer rate
 * in percent, 0 = the kernel's default. A failure is for the caller to report, by nl_fail().
 */
int throttle_engage(pid_t pid, uint64_t limit, uint32_t share, uint32_t watchdog_ms)
{
	struct nlmsghdr *nlh = throttle_request(DT_CMD_ATTACH, pid);

	mnl_attr_put_u32(nlh, DT_A_MODE, limit ? DT_MODE_LIMIT : DT_MODE_AUTO);
	mnl_attr_put_u32(nlh, DT_A_TIMEOUT_MS, watchdog_ms);
	if (limit)
		mnl_attr_put_u64(nlh, DT_A_LIMIT, limit);
	if (share)
		mnl_attr_put_u32(nlh, DT_A_SHARE, share);
	return nl_send(nlh, NULL, NULL);
}

/* A guest that is gone needs it no more. */
void throttle_release(pid_t pid)
{
	nl_send(throttle_request(DT_CMD_DETACH, pid), NULL, NULL);
}

static int attach(struct follow *follow)
{
	int ret = throttle_engage(follow->pid, 0, follow->share, follow->watchdog_ms);

	follow->attached = !ret;
	return ret ? nl_fail("throttle", ret) : EXIT_OK;
}

static void note_delay(struct follow *follow)
{
	struct json_object *target;

	if (throttle_get(follow->pid, &target))
		return;
	follow->delayed_us = json_object_get_uint64(json_object_object_get(target, "delayed_us"));
	json_object_put(target);
}

static void detach(struct follow *follow)
{
	if (!follow->attached)
		return;
	note_delay(follow);
	throttle_release(follow->pid);
	follow->attached = false;
}

/* A sign of life, with the bytes per second that are transferred, 0 = not known. */
int throttle_beat(pid_t pid, uint64_t rate)
{
	struct nlmsghdr *nlh = throttle_request(DT_CMD_SET, pid);

	if (rate)
		mnl_attr_put_u64(nlh, DT_A_TRANSFER_RATE, rate);
	return nl_send(nlh, NULL, NULL);
}

static void show_progress(const struct follow *follow, const struct progress *progress)
{
	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[Kpass %" PRIu64 ", %.1f MiB to go, %.1f MiB/s", progress->passes,
		progress->remaining / 1048576.0, follow->rate / 1048576.0);
	if (is_over(progress))
		fputc('\n', stderr);
}

static int gone(int error)
{
	err("QEMU does not answer: %s", strerror(-error));
	return EXIT_FAILED;
}

/* Is it the end of another migration than the one before? A short one is not seen to run. */
static bool is_news(const struct progress *before, const struct progress *now)
{
	return strcmp(before->status, now->status) || before->total_ms != now->total_ms ||
	       before->sent != now->sent;
}

/* Until a migration runs, or one has ended meanwhile. */
static int wait_for_begin(struct follow *follow, struct progress *progress)
{
	uint64_t end_ns = now_ns(CLOCK_MONOTONIC) + follow->wait_ns;
	struct progress first;
	int ret;

	ret = query(follow, &first);
	*progress = first;
	for (;;) {
		if (ret)
			return gone(ret);
		if (is_running(progress) || (is_over(progress) && is_news(&first, progress)))
			return EXIT_OK;
		if (interrupted())
			return EXIT_FAILED;
		if (follow->wait_ns && now_ns(CLOCK_MONOTONIC) > end_ns) {
			err("no migration has begun");
			return EXIT_TIMEOUT;
		}
		/* virsh is a program of its own each time. */
		sleep_ms(follow->domain ? POLL_MS : POLL_MS / 5);
		ret = query(follow, progress);
	}
}

static int run(struct follow *follow, struct progress *progress)
{
	int ret = EXIT_OK;

	while (!ret && !interrupted() && !is_over(progress)) {
		note_rate(follow, progress);
		ret = throttle_beat(follow->pid, follow->rate);
		if (ret)
			ret = nl_fail("throttle", ret);
		show_stage(follow, progress, LPAR_STATE_MIGRATING);
		show_progress(follow, progress);
		sleep_ms(POLL_MS);
		note_delay(follow);
		if (!ret)
			ret = query(follow, progress);
		if (ret < 0)
			return gone(ret);
	}
	show_progress(follow, progress);
	return interrupted() ? EXIT_FAILED : ret;
}

static void print_result(const struct follow *follow, const struct progress *progress)
{
	struct json_object *json;

	if (!options.json) {
		say("%s: %" PRIu64 " passes in %.1f s, stopped for %" PRIu64
		    " ms; the guest was delayed for %.1f s",
		    progress->status, progress->passes, progress->total_ms / 1e3,
		    progress->downtime_ms, follow->delayed_us / 1e6);
		return;
	}
	json = json_object_new_object();
	json_put(json, "status", progress->status);
	json_put_u64(json, "passes", progress->passes);
	json_put_u64(json, "total_ms", progress->total_ms);
	json_put_u64(json, "downtime_ms", progress->downtime_ms);
	json_put_u64(json, "transfer_rate", follow->rate);
	json_put_u64(json, "delayed_us", follow->delayed_us);
	json_print(json);
}

static int follow_migration(struct follow *follow)
{
	struct progress progress;
	int ret;

	interrupt_catch(0);
	ret = wait_for_begin(follow, &progress);
	if (!ret && is_running(&progress)) {
		ret = attach(follow);
		if (ret)
			return ret;
		ret = run(follow, &progress);
		detach(follow);
		show_stage(follow, &progress, LPAR_STATE_ACTIVE);
	}
	if (ret)
		return ret;
	print_result(follow, &progress);
	return strcmp(progress.status, "completed") ? EXIT_FAILED : EXIT_OK;
}

static int parse_share(struct follow *follow, const char *value)
{
	uint64_t share;

	if (!value || parse_uint(value, DIRTYTHROTTLE_SHARE_MAX, &share) || !share)
		return usage("--share needs a percentage, 1 to 100");
	follow->share = share;
	return EXIT_OK;
}

/* Without one a controller that dies would leave a slow guest behind. */
static int set_watchdog(struct follow *follow, const char *value)
{
	if (throttle_parse_watchdog(value, &follow->watchdog_ms) ||
	    follow->watchdog_ms < DIRTYTHROTTLE_TIMEOUT_MIN_MS)
		return usage("--watchdog needs a time such as 10s");
	return EXIT_OK;
}

static int parse_target(struct follow *follow, const char *value)
{
	if (!value)
		return usage("--target needs a process id or an LPAR");
	follow->pid = throttle_pid(value, &follow->lpar);
	return follow->pid ? EXIT_OK : EXIT_FAILED;
}

static int parse(struct args *args, struct follow *follow)
{
	const char *value;
	int ret = EXIT_OK;

	while (!ret && args->argc) {
		if (next_option(args, "--target", &value)) {
			ret = parse_target(follow, value);
		} else if (next_option(args, "--share", &value)) {
			ret = parse_share(follow, value);
		} else if (next_option(args, "--watchdog", &value)) {
			ret = set_watchdog(follow, value);
		} else if (next_option(args, "--wait", &value)) {
			if (!value || parse_time(value, &follow->wait_ns) || !follow->wait_ns)
				return usage("--wait needs a time such as 30s");
		} else {
			return usage("'%s' is unknown to throttle follow", next_arg(args));
		}
	}
	return ret;
}

/* The guest of a domain, unless another process was named. */
static int find_domain(struct follow *follow)
{
	if (!follow->pid)
		follow->pid = virsh_pid(follow->domain);
	if (follow->pid)
		return EXIT_OK;
	err("%s: its process is not known; does it run? If libvirt is not the system's, name it by --target",
	    follow->domain);
	return EXIT_FAILED;
}

static int open_monitor(struct follow *follow, const char *path)
{
	int ret = qmp_open(path, QMP_TIMEOUT_MS, &follow->qmp);

	if (ret) {
		err("%s: %s", path, strerror(-ret));
		return EXIT_FAILED;
	}
	if (!follow->pid)
		follow->pid = qmp_peer(follow->qmp);
	return EXIT_OK;
}

/*
 * follow QMP-SOCKET | --libvirt DOMAIN [--target PID|LPAR] [--share PERCENT] [--watchdog TIME]
 * [--wait TIME]
 */
int throttle_follow_verb(struct args *args)
{
	struct follow follow = { .watchdog_ms = WATCHDOG_MS };
	bool by_libvirt = next_option(args, "--libvirt", &follow.domain);
	const char *path = by_libvirt ? follow.domain : next_arg(args);
	int ret;

	if (!path || *path == '-')
		return usage("QEMU's QMP socket, or --libvirt and a domain, is missing");
	ret = parse(args, &follow);
	if (!ret)
		ret = by_libvirt ? find_domain(&follow) : open_monitor(&follow, path);
	if (!ret)
		ret = follow_migration(&follow);
	qmp_close(follow.qmp);
	return ret;
}
