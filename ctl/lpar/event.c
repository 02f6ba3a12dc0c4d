// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says in the events of LPARs.
 */
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "lpar/lpar.h"

/* clang-format off */
static const char *const event_names[] = {
	[LPAR_EVENT_CREATED] = "created",
	[LPAR_EVENT_DELETED] = "deleted",
	[LPAR_EVENT_CHANGED] = "changed",
	[LPAR_EVENT_STATE] = "state",
	[LPAR_EVENT_STAGE] = "stage",
	[LPAR_EVENT_MEMBER_ADDED] = "member-added",
	[LPAR_EVENT_MEMBER_REMOVED] = "member-removed",
	[LPAR_EVENT_VIOLATION] = "violation",
	[LPAR_EVENT_GATE_CLOSED] = "gate-closed",
	[LPAR_EVENT_GATE_OPENED] = "gate-opened",
	[LPAR_EVENT_GATE_TIMEOUT] = "gate-timeout",
	[LPAR_EVENT_MEMORY_HELD] = "memory-held",
	[LPAR_EVENT_MEMORY_RELEASED] = "memory-released",
	[LPAR_EVENT_CUT_ARMED] = "cut-armed",
	[LPAR_EVENT_CUT_FIRED] = "cut-fired",
	[LPAR_EVENT_CUT_CANCELLED] = "cut-cancelled",
	[LPAR_EVENT_MEMORY_FAILED] = "memory-failed",
	[LPAR_EVENT_STRAYED] = "strayed",
	[LPAR_EVENT_IRQ_STRAYED] = "irq-strayed",
};
/* clang-format on */

static const char *event_name(uint32_t event)
{
	return event < ARRAY_SIZE(event_names) ? event_names[event] : "unknown";
}

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
static struct json_object *decode(const struct nlmsghdr *nlh)
{
	struct json_object *json = json_object_new_object();
	const struct nlattr **tb = nl_attrs(nlh);

	put_u64(json, "time_ns", tb[LPAR_A_EVENT_TIME_NS]);
	put_u64(json, "seq", tb[LPAR_A_EVENT_SEQ]);
	put_name(json, "event", tb[LPAR_A_EVENT], event_name);
	put_str(json, "name", tb[LPAR_A_NAME]);
	put_name(json, "state", tb[LPAR_A_STATE], state_name);
	put_str(json, "reason", tb[LPAR_A_REASON]);
	put_u32(json, "pid", tb[LPAR_A_PID]);
	put_str(json, "comm", tb[LPAR_A_COMM]);
	put_u32(json, "cpu", tb[LPAR_A_CPU]);
	put_u32(json, "irq", tb[LPAR_A_IRQ]);
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

const struct event_source lpar_events = {
	.object = "lpar",
	.family = &nl_lpar,
	.seq = LPAR_A_EVENT_SEQ,
	.decode = decode,
	.events = event_names,
	.n_events = ARRAY_SIZE(event_names),
};
