// SPDX-License-Identifier: GPL-2.0
/*
 * Object monitor: events as they come, one line or one JSON object each.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "lpar/lpar.h"

/* Which events are shown. */
struct filter {
	const char *lpar; /* NULL: all */
	int event; /* -1: all */
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

/* The name of a process is whatever its user likes. */
static void print_text(const char *key, struct json_object *value)
{
	char *text = json_printable(value);

	printf(" %s=\"%s\"", key, text);
	free(text);
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
			print_text(key, value);
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

/*
 * An event is about an LPAR also when it is about a cut of it. A cut of so many that
 * an event cannot name them may be one of it.
 */
static bool is_about(const struct nlmsghdr *nlh, const char *name)
{
	const struct nlattr *attr;
	bool named = false;
	uint16_t type;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		type = mnl_attr_get_type(attr);
		if (type != LPAR_A_NAME && type != LPAR_A_CUT_LPAR)
			continue;
		if (!strcmp(mnl_attr_get_str(attr), name))
			return true;
		named = true;
	}
	return !named;
}

static bool show_event(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr **tb = nl_attrs(nlh);
	const struct filter *filter = data;

	if (!tb[LPAR_A_EVENT])
		return false;
	if (filter->lpar && !is_about(nlh, filter->lpar))
		return false;
	if (filter->event >= 0 && mnl_attr_get_u32(tb[LPAR_A_EVENT]) != (uint32_t)filter->event)
		return false;
	print_event(decode(nlh, tb), tb);
	return true;
}

static int parse(struct args *args, struct watch *watch, struct filter *filter)
{
	const char *value = NULL;
	int ret = EXIT_OK;

	while (!ret && args->argc) {
		if (next_option(args, "--lpar", &filter->lpar)) {
			if (!filter->lpar)
				return usage("--lpar needs a name");
		} else if (next_option(args, "--event", &value)) {
			filter->event = value ? event_number(value) : -1;
			if (filter->event < 0)
				return usage("--event needs an event: see lparctl(8)");
		} else if (!watch_option(watch, args, &ret)) {
			return usage("'%s' is unknown to monitor", next_arg(args));
		}
	}
	return ret;
}

/* monitor [--lpar NAME] [--event EVENT] [--count N] [--timeout TIME] */
int monitor_verb(struct args *args)
{
	struct filter filter = { .event = -1 };
	struct watch watch = {
		.family = &nl_lpar, .seq = LPAR_A_EVENT_SEQ, .show = show_event, .data = &filter
	};
	int ret = parse(args, &watch, &filter);

	return ret ? ret : watch_events(&watch);
}
