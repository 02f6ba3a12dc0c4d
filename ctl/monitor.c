// SPDX-License-Identifier: GPL-2.0
/*
 * Object monitor: events as they come, one line or one JSON object each.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "lparctl.h"

struct monitor {
	const char *lpar; /* NULL: all */
	int event; /* -1: all */
	uint64_t count; /* 0: without end */
	uint64_t seen;
	uint64_t last_seq;
	uint64_t timeout_ns; /* 0: none */
};

static struct json_object *cut_lpars(const struct nlmsghdr *nlh)
{
	struct json_object *json = json_object_new_array();
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == LPAR_A_CUT_LPAR)
			json_object_array_add(json, json_object_new_string(mnl_attr_get_str(attr)));
	return json;
}

static void put_str(struct json_object *json, const char *key, const struct nlattr *attr)
{
	if (attr)
		json_put(json, key, mnl_attr_get_str(attr));
}

static void put_u32(struct json_object *json, const char *key, const struct nlattr *attr)
{
	if (attr)
		json_put_u64(json, key, mnl_attr_get_u32(attr));
}

static void put_u64(struct json_object *json, const char *key, const struct nlattr *attr)
{
	if (attr)
		json_put_u64(json, key, mnl_attr_get_u64(attr));
}

static void put_name(struct json_object *json, const char *key, const struct nlattr *attr,
		     const char *(*name)(uint32_t number))
{
	if (attr)
		json_put(json, key, name(mnl_attr_get_u32(attr)));
}

static void put_stage(struct json_object *json, const struct nlattr *attr)
{
	struct stage stage = { 0 };

	if (!attr)
		return;
	stage_decode(&stage, attr);
	json_object_object_add(json, "stage", stage_json(&stage));
}

/* What fits the event is there; the order is that of the text output. */
static struct json_object *decode(const struct nlmsghdr *nlh, const struct nlattr **tb)
{
	struct json_object *json = json_object_new_object();

	put_u64(json, "time_ns", tb[LPAR_A_EVENT_TIME_NS]);
	put_u64(json, "seq", tb[LPAR_A_EVENT_SEQ]);
	put_name(json, "event", tb[LPAR_A_EVENT], event_name);
	put_str(json, "name", tb[LPAR_A_NAME]);
	put_name(json, "state", tb[LPAR_A_STATE], state_name);
	put_str(json, "reason", tb[LPAR_A_REASON]);
	put_u32(json, "pid", tb[LPAR_A_PID]);
	put_str(json, "comm", tb[LPAR_A_COMM]);
	put_u32(json, "cpu", tb[LPAR_A_CPU]);
	put_u64(json, "violations", tb[LPAR_A_VIOLATIONS]);
	put_name(json, "gate", tb[LPAR_A_GATE], gate_name);
	put_stage(json, tb[LPAR_A_STAGE]);
	put_u32(json, "cut_id", tb[LPAR_A_CUT_ID]);
	put_name(json, "cut_action", tb[LPAR_A_CUT_ACTION], cut_action_name);
	put_name(json, "cut_state", tb[LPAR_A_CUT_STATE], cut_state_name);
	put_u64(json, "cut_deadline_ns", tb[LPAR_A_CUT_DEADLINE_NS]);
	if (tb[LPAR_A_CUT_LPAR])
		json_object_object_add(json, "cut_lpars", cut_lpars(nlh));
	return json;
}

/* " key=value" for each key behind the first three; nests are flattened. */
static void print_values(struct json_object *json, int skip)
{
	json_object_object_foreach(json, key, value) {
		if (skip-- > 0)
			continue;
		if (json_object_is_type(value, json_type_object))
			print_values(value, 0);
		else if (json_object_is_type(value, json_type_string))
			printf(" %s=\"%s\"", key, json_object_get_string(value));
		else
			printf(" %s=%s", key, json_object_get_string(value));
	}
}

/* Prints and frees. */
static void print_event(struct json_object *json, const struct nlattr **tb)
{
	char when[64] = "-";

	if (options.json) {
		json_print(json);
		return;
	}
	if (tb[LPAR_A_EVENT_TIME_NS])
		format_instant(when, sizeof(when), mnl_attr_get_u64(tb[LPAR_A_EVENT_TIME_NS]));
	printf("%s %s", when, event_name(mnl_attr_get_u32(tb[LPAR_A_EVENT])));
	print_values(json, 3);
	putchar('\n');
	fflush(stdout);
	json_object_put(json);
}

/* An event is about an LPAR also when it is about a cut of it. */
static bool is_about(const struct nlmsghdr *nlh, const char *name)
{
	const struct nlattr *attr;
	uint16_t type;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		type = mnl_attr_get_type(attr);
		if ((type == LPAR_A_NAME || type == LPAR_A_CUT_LPAR) &&
		    !strcmp(mnl_attr_get_str(attr), name))
			return true;
	}
	return false;
}

static void note_lost(struct monitor *monitor, const struct nlattr *attr)
{
	uint64_t seq = attr ? mnl_attr_get_u64(attr) : 0;

	if (monitor->last_seq && seq > monitor->last_seq + 1)
		err("%" PRIu64 " events were lost", seq - monitor->last_seq - 1);
	monitor->last_seq = seq;
}

static int on_event(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr **tb = nl_attrs(nlh);
	struct monitor *monitor = data;

	if (!tb[LPAR_A_EVENT])
		return MNL_CB_OK;
	note_lost(monitor, tb[LPAR_A_EVENT_SEQ]);
	if (monitor->lpar && !is_about(nlh, monitor->lpar))
		return MNL_CB_OK;
	if (monitor->event >= 0 && mnl_attr_get_u32(tb[LPAR_A_EVENT]) != (uint32_t)monitor->event)
		return MNL_CB_OK;
	print_event(decode(nlh, tb), tb);
	return ++monitor->seen == monitor->count ? MNL_CB_STOP : MNL_CB_OK;
}

/* How long to wait for the next event, in milliseconds; -1 for ever. */
static int wait_ms(const struct monitor *monitor, uint64_t start_ns)
{
	int64_t left = start_ns + monitor->timeout_ns - now_ns(CLOCK_MONOTONIC);

	if (!monitor->timeout_ns)
		return -1;
	if (left <= 0)
		return 0;
	/* Longer waits are made of several. */
	return left / NSEC_PER_MSEC < 60000 ? left / NSEC_PER_MSEC + 1 : 60000;
}

static int watch(struct monitor *monitor)
{
	uint64_t start_ns = now_ns(CLOCK_MONOTONIC);
	struct mnl_socket *sock = nl_subscribe(&nl_lpar);
	int ms, ret;

	/* Who waits for this line misses nothing of what he does next. */
	fputs("listening\n", stderr);
	do {
		ms = wait_ms(monitor, start_ns);
		ret = nl_receive(sock, ms, on_event, monitor);
		/* What was lost shows in the next sequence number. */
		if (ret == -ENOBUFS || ret == -EINTR || (ret == -ETIMEDOUT && ms))
			ret = 0;
	} while (!ret);
	mnl_socket_close(sock);
	if (ret > 0)
		return EXIT_OK;
	if (ret == -ETIMEDOUT)
		return monitor->count ? EXIT_TIMEOUT : EXIT_OK;
	err("monitor: %s", strerror(-ret));
	return EXIT_FAILED;
}

/* monitor [--lpar NAME] [--event EVENT] [--count N] [--timeout TIME] */
int monitor_object(struct args *args)
{
	struct monitor monitor = { .event = -1 };
	const char *value = NULL;

	while (args->argc) {
		if (next_option(args, "--lpar", &monitor.lpar)) {
			if (!monitor.lpar)
				return usage("--lpar needs a name");
		} else if (next_option(args, "--event", &value)) {
			monitor.event = value ? event_number(value) : -1;
			if (monitor.event < 0)
				return usage("--event needs an event: see lparctl(8)");
		} else if (next_option(args, "--count", &value)) {
			if (!value || parse_uint(value, UINT64_MAX, &monitor.count))
				return usage("--count needs a number");
		} else if (next_option(args, "--timeout", &value)) {
			if (!value || parse_time(value, &monitor.timeout_ns) || !monitor.timeout_ns)
				return usage("--timeout needs a time such as 30s");
		} else {
			return usage("'%s' is unknown to monitor", next_arg(args));
		}
	}
	return watch(&monitor);
}
