// SPDX-License-Identifier: GPL-2.0
/*
 * Object monitor: the events of all modules in one stream, one line or one JSON object each;
 * for hooks and for the journal, if these are asked for.
 *
 * One socket listens to all families, so that what comes keeps its order. A module that is
 * loaded later is heard from then on; what it has said before is told as lost.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "fc/fc.h"
#include "lpar/lpar.h"
#include "net/netbuf.h"
#include "throttle/throttle.h"

#define WAIT_MAX_NS (10 * NSEC_PER_SEC)
/* Fewer hooks than this run at a time, or some are looked at late. */
#define FDS_MAX 65

static const struct event_source *const sources[] = {
	&lpar_events,
	&netbuf_events,
	&throttle_events,
	&fc_events,
};

struct monitor {
	/* Which are shown; NULL: all. */
	const char *object, *lpar, *event;
	uint64_t count; /* 0: without end */
	uint64_t seen;
	uint64_t next_seq[ARRAY_SIZE(sources)]; /* 0: any */
	bool has_come[ARRAY_SIZE(sources)]; /* and is to be listened to */
	struct mnl_socket *sock;
	struct hooks *hooks;
	struct journal *journal;
};

/* Of any object, if that is NULL */
static bool knows_event(const char *object, const char *name)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		for (j = 0; j < sources[i]->n_events; j++)
			if (!strcmp(sources[i]->events[j], name) &&
			    (!object || !strcmp(sources[i]->object, object)))
				return true;
	return false;
}

static bool knows_object(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++)
		if (!strcmp(sources[i]->object, name))
			return true;
	return false;
}

/*
 * An event is about an LPAR also when it is about a cut of it, its buffer or its port. A cut
 * of so many that an event cannot name them may be one of it.
 */
static bool is_about(struct json_object *event, const char *name)
{
	struct json_object *lpars = json_object_object_get(event, "cut_lpars");
	bool of_lpar = !strcmp(json_text(event, "object"), "lpar");
	const char *key = of_lpar ? "name" : "lpar";
	size_t i;

	if (!strcmp(json_text(event, key), name))
		return true;
	for (i = 0; i < json_count(lpars); i++)
		if (!strcmp(json_text_at(lpars, i), name))
			return true;
	return of_lpar && !*json_text(event, key) && !lpars;
}

static bool is_wanted(const struct monitor *monitor, struct json_object *event)
{
	return (!monitor->object || !strcmp(json_text(event, "object"), monitor->object)) &&
	       (!monitor->event || !strcmp(json_text(event, "event"), monitor->event)) &&
	       (!monitor->lpar || is_about(event, monitor->lpar));
}

/* Prints and puts. */
static void print_event(struct json_object *event)
{
	char when[64] = "-", *text;

	if (options.json) {
		json_print(event);
		return;
	}
	if (json_number(event, "time_ns"))
		format_instant(when, sizeof(when), json_number(event, "time_ns"));
	text = event_text(event);
	printf("%s %s\n", when, text);
	fflush(stdout);
	free(text);
	json_object_put(event);
}

static void note_lost(struct monitor *monitor, size_t i, uint64_t seq)
{
	if (monitor->next_seq[i] && seq > monitor->next_seq[i])
		err("%" PRIu64 " events of %s were lost", seq - monitor->next_seq[i],
		    sources[i]->object);
	monitor->next_seq[i] = seq + 1;
}

static int show(struct monitor *monitor, size_t i, const struct nlmsghdr *nlh)
{
	struct json_object *event = sources[i]->decode(nlh);

	note_lost(monitor, i, json_number(event, "seq"));
	json_put(event, "object", sources[i]->object);
	if (!*json_text(event, "event") || !is_wanted(monitor, event)) {
		json_object_put(event);
		return MNL_CB_OK;
	}
	if (monitor->hooks)
		hooks_call(monitor->hooks, event);
	if (monitor->journal)
		journal_send(monitor->journal, event);
	if (monitor->hooks || monitor->journal)
		json_object_put(event);
	else
		print_event(event);
	return ++monitor->seen == monitor->count ? MNL_CB_STOP : MNL_CB_OK;
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	struct monitor *monitor = data;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		if (nl_has_come(nlh, sources[i]->family->name))
			monitor->has_come[i] = true;
		else if (sources[i]->family->id == nlh->nlmsg_type)
			return show(monitor, i, nlh);
	}
	return MNL_CB_OK;
}

/* All that are there; whoever only looks is told when none is. */
static int subscribe_all(struct monitor *monitor)
{
	size_t i, n = 0;
	int ret;

	monitor->sock = nl_subscribe_comers();
	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		ret = nl_join(monitor->sock, sources[i]->family);
		if (ret && ret != -ENOENT) {
			err("events of %s: %s", sources[i]->object, strerror(-ret));
			return ret;
		}
		n += !ret;
	}
	if (!n && !monitor->hooks && !monitor->journal)
		return nl_check(&nl_lpar);
	return 0;
}

/*
 * Not before all of a message was read: there is one buffer for all that the kernel says. What
 * was lost may have been about a module that came: each is looked for.
 */
static void join_comers(struct monitor *monitor, bool all)
{
	uint16_t before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sources); i++) {
		before = sources[i]->family->id;
		if ((monitor->has_come[i] || all) && !nl_join(monitor->sock, sources[i]->family) &&
		    (monitor->has_come[i] || sources[i]->family->id != before))
			/* A module begins at 1 when it is loaded. */
			monitor->next_seq[i] = 1;
		monitor->has_come[i] = false;
	}
}

/* Until an event comes, a hook is to be looked at, or the time is over. */
static int wait_event(struct monitor *monitor, uint64_t deadline_ns)
{
	struct pollfd pfd[FDS_MAX] = { { .fd = mnl_socket_get_fd(monitor->sock),
					 .events = POLLIN } };
	size_t n = 1;
	int ret;

	if (monitor->hooks)
		n += hooks_poll(monitor->hooks, pfd + 1, FDS_MAX - 1, &deadline_ns);
	if (poll(pfd, n, poll_ms(left_ns(deadline_ns))) < 0 && errno != EINTR)
		return -errno;
	if (monitor->hooks)
		hooks_look(monitor->hooks);
	ret = pfd[0].revents ? nl_receive(monitor->sock, 0, on_event, monitor) : 0;
	if (ret == -ENOBUFS)
		err("events were lost, as they came faster than they were read");
	join_comers(monitor, ret == -ENOBUFS);
	return ret;
}

static int run(struct monitor *monitor, uint64_t timeout_ns)
{
	uint64_t now, end_ns = timeout_ns ? now_ns(CLOCK_MONOTONIC) + timeout_ns : UINT64_MAX;
	int ret;

	/* Who waits for this line misses nothing of what he does next. */
	fputs("listening\n", stderr);
	tell_systemd("READY=1");
	do {
		now = now_ns(CLOCK_MONOTONIC);
		ret = wait_event(monitor, end_ns - now > WAIT_MAX_NS ? now + WAIT_MAX_NS : end_ns);
		if (ret == -ENOBUFS || ret == -EINTR || ret == -ETIMEDOUT)
			ret = 0;
		/* Events that come faster than they can be shown must not outwit the time. */
	} while (!ret && now_ns(CLOCK_MONOTONIC) < end_ns && !interrupted() && !ferror(stdout));
	if (ret > 0)
		return EXIT_OK;
	if (!ret)
		return monitor->count && !interrupted() ? EXIT_TIMEOUT : EXIT_OK;
	err("monitor: %s", strerror(-ret));
	return EXIT_FAILED;
}

static int parse(struct args *args, struct monitor *monitor, uint64_t *timeout_ns)
{
	struct watch watch = { 0 };
	int ret = EXIT_OK;

	while (!ret && args->argc) {
		if (next_option(args, "--lpar", &monitor->lpar)) {
			if (!monitor->lpar || *monitor->lpar == '-' ||
			    !name_is_valid(monitor->lpar))
				return usage("--lpar needs the name of an LPAR");
		} else if (next_option(args, "--event", &monitor->event)) {
			if (!monitor->event || !knows_event(NULL, monitor->event))
				return usage("--event needs an event: see lparctl(8)");
		} else if (next_option(args, "--object", &monitor->object)) {
			if (!monitor->object || !knows_object(monitor->object))
				return usage("--object needs lpar, netbuf, throttle or fc");
		} else if (next_flag(args, "--hooks")) {
			monitor->hooks = monitor->hooks ? monitor->hooks : hooks_new();
		} else if (next_flag(args, "--journal")) {
			monitor->journal = monitor->journal ? monitor->journal : journal_open();
			ret = monitor->journal ? EXIT_OK : EXIT_FAILED;
		} else if (!watch_option(&watch, args, &ret)) {
			return usage("'%s' is unknown to monitor", next_arg(args));
		}
	}
	if (!ret && monitor->object && monitor->event &&
	    !knows_event(monitor->object, monitor->event))
		return usage("%s has no event %s: see lparctl(8)", monitor->object, monitor->event);
	if (!ret && options.json && (monitor->hooks || monitor->journal))
		return usage("-j has no effect with --hooks and --journal");
	monitor->count = watch.count;
	*timeout_ns = watch.timeout_ns;
	return ret;
}

/*
 * monitor [--object OBJECT] [--lpar NAME] [--event EVENT] [--count N] [--timeout TIME]
 *	[--hooks] [--journal]
 */
int monitor_verb(struct args *args)
{
	struct monitor monitor = { 0 };
	uint64_t timeout_ns = 0;
	int ret = parse(args, &monitor, &timeout_ns);

	/* Hooks that run are to end with us. */
	if (monitor.hooks)
		interrupt_catch(0);
	if (!ret && subscribe_all(&monitor))
		ret = EXIT_FAILED;
	if (!ret)
		ret = run(&monitor, timeout_ns);
	if (monitor.sock)
		mnl_socket_close(monitor.sock);
	hooks_free(monitor.hooks);
	journal_close(monitor.journal);
	return ret;
}
