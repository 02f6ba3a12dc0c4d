// SPDX-License-Identifier: GPL-2.0
/* Events of a family as they come; what "monitor" of each object does. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lib/lib.h"

/* Longer waits are made of several. */
#define WAIT_MAX_MS 60000

/* Takes --count or --timeout, if it is next; *ret is the exit code. */
bool watch_option(struct watch *watch, struct args *args, int *ret)
{
	const char *value;

	*ret = EXIT_OK;
	if (next_option(args, "--count", &value)) {
		if (!value || parse_uint(value, UINT64_MAX, &watch->count))
			*ret = usage("--count needs a number");
		return true;
	}
	if (next_option(args, "--timeout", &value)) {
		if (!value || parse_time(value, &watch->timeout_ns) || !watch->timeout_ns)
			*ret = usage("--timeout needs a time such as 30s");
		return true;
	}
	return false;
}

static void note_lost(struct watch *watch, const struct nlattr *attr)
{
	uint64_t seq = attr ? mnl_attr_get_u64(attr) : 0;

	if (watch->last_seq && seq > watch->last_seq + 1)
		err("%" PRIu64 " events were lost", seq - watch->last_seq - 1);
	watch->last_seq = seq;
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	struct watch *watch = data;

	note_lost(watch, nl_attrs(nlh)[watch->seq]);
	if (!watch->show(nlh, watch->data))
		return MNL_CB_OK;
	return ++watch->seen == watch->count ? MNL_CB_STOP : MNL_CB_OK;
}

/* How long to wait for the next event, in milliseconds; 0: the time is over, -1: for ever. */
static int wait_ms(const struct watch *watch, uint64_t start_ns)
{
	int64_t left = start_ns + watch->timeout_ns - now_ns(CLOCK_MONOTONIC);

	if (!watch->timeout_ns)
		return -1;
	if (left <= 0)
		return 0;
	return left / NSEC_PER_MSEC < WAIT_MAX_MS ? left / NSEC_PER_MSEC + 1 : WAIT_MAX_MS;
}

/* Until enough events were shown, or the time is over. Returns the exit code. */
int watch_events(struct watch *watch)
{
	uint64_t start_ns = now_ns(CLOCK_MONOTONIC);
	struct mnl_socket *sock = nl_subscribe(watch->family);
	int ms, ret;

	/* Who waits for this line misses nothing of what he does next. */
	fputs("listening\n", stderr);
	do {
		ms = wait_ms(watch, start_ns);
		ret = nl_receive(sock, ms, on_event, watch);
		/* What was lost shows in the next sequence number. */
		if (ret == -ENOBUFS || ret == -EINTR || ret == -ETIMEDOUT)
			ret = 0;
		/* Events that come faster than they can be shown must not outwit the time. */
	} while (!ret && ms);
	mnl_socket_close(sock);
	if (ret > 0)
		return EXIT_OK;
	if (!ret)
		return watch->count ? EXIT_TIMEOUT : EXIT_OK;
	err("monitor: %s", strerror(-ret));
	return EXIT_FAILED;
}

/* monitor [--count N] [--timeout TIME], of an object that has no other options */
int watch_verb(struct watch *watch, struct args *args, const char *object)
{
	int ret = EXIT_OK;

	while (!ret && args->argc)
		if (!watch_option(watch, args, &ret))
			ret = usage("'%s' is unknown to %s monitor", next_arg(args), object);
	return ret ? ret : watch_events(watch);
}
