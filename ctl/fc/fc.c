// SPDX-License-Identifier: GPL-2.0
/*
 * Object fc: the Fibre Channel identities of LPARs. One is decoded into JSON at
 * once; people get text made from it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "fc/fc.h"

struct nl_family nl_fcnpiv = { .name = FCN_FAMILY_NAME, .version = FCN_FAMILY_VERSION };

/* clang-format off */
static const char *const port_names[] = {
	[FCN_PORT_ORIGINAL] = "original",
	[FCN_PORT_MAINTENANCE] = "maintenance",
};

static const char *const operation_names[] = {
	[FCN_OPERATION_NONE] = "none",
	[FCN_OPERATION_LOGIN] = "login",
	[FCN_OPERATION_LOGOUT] = "logout",
	[FCN_OPERATION_SOURCE] = "source",
	[FCN_OPERATION_DESTINATION] = "destination",
};

static const char *const step_names[] = {
	[FCN_STEP_IDLE] = "idle",
	[FCN_STEP_M_LOGIN] = "m-login",
	[FCN_STEP_M_VERIFY] = "m-verify",
	[FCN_STEP_IO_TO_M] = "io-to-m",
	[FCN_STEP_O_LOGOUT] = "o-logout",
	[FCN_STEP_O_GONE] = "o-gone",
	[FCN_STEP_ON_M] = "on-m",
	[FCN_STEP_M_LOGOUT] = "m-logout",
	[FCN_STEP_O_LOGIN] = "o-login",
	[FCN_STEP_O_VERIFY] = "o-verify",
	[FCN_STEP_O_HOLD] = "o-hold",
	[FCN_STEP_ARMED] = "armed",
	[FCN_STEP_O_FREE] = "o-free",
	[FCN_STEP_O_RETURN] = "o-return",
	[FCN_STEP_IO_TO_O] = "io-to-o",
};

static const char *const state_names[] = {
	[FCN_STATE_IDLE] = "idle",
	[FCN_STATE_BUSY] = "busy",
	[FCN_STATE_WAITING] = "waiting",
	[FCN_STATE_STUCK] = "stuck",
};

static const char *const result_names[] = {
	[FCN_RESULT_NONE] = "none",
	[FCN_RESULT_DONE] = "done",
	[FCN_RESULT_BACK] = "back",
};

static const char *const port_state_names[] = {
	[FCN_PORT_STATE_ABSENT] = "absent",
	[FCN_PORT_STATE_COMING] = "coming",
	[FCN_PORT_STATE_ACTIVE] = "active",
	[FCN_PORT_STATE_REFUSED] = "refused",
	[FCN_PORT_STATE_NO_NPIV] = "no-npiv",
	[FCN_PORT_STATE_LEAVING] = "leaving",
	[FCN_PORT_STATE_ELSEWHERE] = "elsewhere",
};

static const char *const gone_by_names[] = {
	[FCN_GONE_BY_NOBODY] = "nobody",
	[FCN_GONE_BY_FABRIC] = "fabric",
	[FCN_GONE_BY_GRACE] = "grace",
};

static const char *const event_names[] = {
	[FCN_EVENT_DEFINED] = "defined",
	[FCN_EVENT_DELETED] = "deleted",
	[FCN_EVENT_STEP] = "step",
};

#define NAMES(table) NAME, table, ARRAY_SIZE(table)

enum kind { U32, U64, FLAG, TEXT, NAME, WWN, BYTES };

/* An attribute of a message or a nest, and the key under which it is shown. */
struct value {
	const char *key;
	uint16_t type;
	enum kind kind;
	const char *const *names;
	size_t n_names;
};

static const struct value identity_values[] = {
	{ "time_ns", FCN_A_EVENT_TIME_NS, U64, NULL, 0 },
	{ "seq", FCN_A_EVENT_SEQ, U64, NULL, 0 },
	{ "event", FCN_A_EVENT, NAMES(event_names) },
	{ "lpar", FCN_A_LPAR, TEXT, NULL, 0 },
	{ "operation", FCN_A_OPERATION, NAMES(operation_names) },
	{ "port", FCN_A_PORT, NAMES(port_names) },
	{ "step", FCN_A_STEP, NAMES(step_names) },
	{ "state", FCN_A_STATE, NAMES(state_names) },
	{ "result", FCN_A_RESULT, NAMES(result_names) },
	{ "goes_back", FCN_A_GOES_BACK, FLAG, NULL, 0 },
	{ "reason", FCN_A_REASON, TEXT, NULL, 0 },
	{ "away", FCN_A_AWAY, FLAG, NULL, 0 },
	{ "remaining_ms", FCN_A_REMAINING_MS, U64, NULL, 0 },
	{ "wwnn", FCN_A_WWNN, WWN, NULL, 0 },
	{ "wwpn_original", FCN_A_WWPN_ORIGINAL, WWN, NULL, 0 },
	{ "wwpn_maintenance", FCN_A_WWPN_MAINTENANCE, WWN, NULL, 0 },
	{ "parent", FCN_A_PARENT, WWN, NULL, 0 },
	{ "login_ms", FCN_A_LOGIN_MS, U32, NULL, 0 },
	{ "storage_ms", FCN_A_STORAGE_MS, U32, NULL, 0 },
	{ "move_ms", FCN_A_MOVE_MS, U32, NULL, 0 },
	{ "logout_ms", FCN_A_LOGOUT_MS, U32, NULL, 0 },
	{ "grace_ms", FCN_A_GRACE_MS, U32, NULL, 0 },
	{ "gone_by", FCN_A_GONE_BY, NAMES(gone_by_names) },
	{ "token", FCN_A_TOKEN, BYTES, NULL, 0 },
	{ "receipt", FCN_A_RECEIPT, BYTES, NULL, 0 },
	{ "used", FCN_A_USED, BYTES, NULL, 0 },
	{ "has_come", FCN_A_HAS_COME, FLAG, NULL, 0 },
};

static const struct value view_values[] = {
	{ "state", FCN_A_VIEW_STATE, NAMES(port_state_names) },
	{ "host", FCN_A_VIEW_HOST, U32, NULL, 0 },
	{ "targets", FCN_A_VIEW_TARGETS, U32, NULL, 0 },
	{ "busy", FCN_A_VIEW_BUSY, U32, NULL, 0 },
	{ "matches", FCN_A_VIEW_MATCHES, FLAG, NULL, 0 },
	{ "held", FCN_A_VIEW_HELD, FLAG, NULL, 0 },
};

static const struct value lun_values[] = {
	{ "id", FCN_A_LUN_ID, TEXT, NULL, 0 },
	{ "sectors", FCN_A_LUN_SECTORS, U64, NULL, 0 },
	{ "block_size", FCN_A_LUN_BLOCK_SIZE, U32, NULL, 0 },
	{ "number", FCN_A_LUN_NUMBER, U64, NULL, 0 },
	{ "disk", FCN_A_LUN_DISK, TEXT, NULL, 0 },
};
/* clang-format on */

/* A request about an identity; to be sent by nl_send(). */
struct nlmsghdr *fc_request(enum fcn_cmd cmd, const char *lpar)
{
	struct nlmsghdr *nlh = nl_begin(&nl_fcnpiv, cmd, NLM_F_ACK);

	mnl_attr_put_strz(nlh, FCN_A_LPAR, lpar);
	return nlh;
}

int fc_fail(const char *lpar, int error)
{
	char what[64];

	snprintf(what, sizeof(what), "LPAR %s", lpar);
	return nl_fail(what, error);
}

/* --- what an identity is --- */

static struct json_object *decode_value(const struct value *value, const struct nlattr *attr)
{
	char text[64];
	uint32_t number;

	switch (value->kind) {
	case U64:
		return json_object_new_uint64(mnl_attr_get_u64(attr));
	case U32:
		return json_object_new_uint64(mnl_attr_get_u32(attr));
	case FLAG:
		return json_object_new_boolean(mnl_attr_get_u32(attr));
	case TEXT:
		return json_object_new_string(mnl_attr_get_str(attr));
	case WWN:
		wwn_format(text, sizeof(text), mnl_attr_get_u64(attr));
		return json_object_new_string(text);
	case BYTES:
		token_format(text, sizeof(text), mnl_attr_get_payload(attr),
			     mnl_attr_get_payload_len(attr));
		return json_object_new_string(text);
	case NAME:
		number = mnl_attr_get_u32(attr);
		return json_object_new_string(number < value->n_names ? value->names[number]
								      : "unknown");
	}
	return NULL;
}

static struct json_object *decode_values(const struct value *values, size_t n,
					 const struct nlattr **tb)
{
	struct json_object *json = json_object_new_object();
	size_t i;

	for (i = 0; i < n; i++)
		if (tb[values[i].type])
			json_object_object_add(json, values[i].key,
					       decode_value(&values[i], tb[values[i].type]));
	return json;
}

static struct json_object *decode_lun(const struct nlattr *nest)
{
	const struct nlattr *tb[FCN_A_LUN_MAX + 1];

	nl_parse(tb, ARRAY_SIZE(tb), nest);
	return decode_values(lun_values, ARRAY_SIZE(lun_values), tb);
}

static struct json_object *decode_view(const struct nlattr *nest)
{
	const struct nlattr *tb[FCN_A_VIEW_MAX + 1];
	struct json_object *json, *paths = json_object_new_array();
	const struct nlattr *attr;

	nl_parse(tb, ARRAY_SIZE(tb), nest);
	json = decode_values(view_values, ARRAY_SIZE(view_values), tb);
	mnl_attr_for_each_nested(attr, nest)
		if (mnl_attr_get_type(attr) == FCN_A_VIEW_LUN)
			json_object_array_add(paths, decode_lun(attr));
	json_object_object_add(json, "paths", paths);
	return json;
}

/* Which port a view is of. */
static const char *port_of(const struct nlattr *nest)
{
	const struct nlattr *tb[FCN_A_VIEW_MAX + 1];
	uint32_t port = FCN_PORT_ORIGINAL;

	nl_parse(tb, ARRAY_SIZE(tb), nest);
	if (tb[FCN_A_VIEW_PORT])
		port = mnl_attr_get_u32(tb[FCN_A_VIEW_PORT]);
	return port < ARRAY_SIZE(port_names) ? port_names[port] : "unknown";
}

/* A reply or an event; of an identity also its ports and LUNs. */
struct json_object *fc_decode(const struct nlmsghdr *nlh)
{
	const struct nlattr **tb = nl_attrs(nlh);
	struct json_object *json, *expected;
	const struct nlattr *attr;

	json = decode_values(identity_values, ARRAY_SIZE(identity_values), tb);
	if (tb[FCN_A_EVENT])
		return json;
	expected = json_object_new_array();
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == FCN_A_LUN)
			json_object_array_add(expected, decode_lun(attr));
		else if (mnl_attr_get_type(attr) == FCN_A_VIEW)
			json_object_object_add(json, port_of(attr), decode_view(attr));
	}
	json_object_object_add(json, "luns", expected);
	return json;
}

static int on_identity(const struct nlmsghdr *nlh, void *data)
{
	json_object_array_add(data, fc_decode(nlh));
	return MNL_CB_OK;
}

/* An identity, to be put; -ENOENT when the LPAR has none. Nothing is printed. */
int fc_get(const char *lpar, struct json_object **identity)
{
	struct json_object *identities = json_object_new_array();
	int ret = nl_send(fc_request(FCN_CMD_GET, lpar), on_identity, identities);

	if (!ret && !json_object_array_length(identities))
		ret = -EBADMSG;
	if (!ret)
		*identity = json_object_get(json_object_array_get_idx(identities, 0));
	json_object_put(identities);
	return ret;
}

/* --- show --- */

static const char *port_state(struct json_object *identity, const char *port)
{
	return json_text(json_object_object_get(identity, port), "state");
}

static void print_identities(struct json_object *identities)
{
	static const char *const head[] = { "LPAR",	   "STATE", "STEP",   "ORIGINAL",
					    "MAINTENANCE", "AWAY",  "RESULT", "REASON" };
	struct json_object *json;
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(identities); i++) {
		json = json_at(identities, i);
		table_row((const char *const[]){ json_text(json, "lpar"), json_text(json, "state"),
						 json_text(json, "step"),
						 port_state(json, "original"),
						 port_state(json, "maintenance"),
						 json_flag(json, "away") ? "yes" : "no",
						 json_text(json, "result"),
						 json_text(json, "reason") },
			  ARRAY_SIZE(head));
	}
	table_print();
}

static void path_rows(struct json_object *identity, const char *port)
{
	struct json_object *view = json_object_object_get(identity, port);
	struct json_object *paths = json_object_object_get(view, "paths"), *lun;
	char size[32];
	size_t i;

	for (i = 0; i < json_count(paths); i++) {
		lun = json_at(paths, i);
		format_size(size, sizeof(size), json_number(lun, "sectors") * 512);
		table_row((const char *const[]){ port, json_text(lun, "disk"),
						 json_text(lun, "number"), size,
						 json_text(lun, "id") },
			  5);
	}
}

static void print_paths(struct json_object *identity)
{
	static const char *const head[] = { "PORT", "DISK", "LUN", "SIZE", "ID" };

	table_row(head, ARRAY_SIZE(head));
	path_rows(identity, "original");
	path_rows(identity, "maintenance");
	table_print();
}

/* The names, by which the storage's administrator zones and masks. */
static void print_names(struct json_object *identity)
{
	static const struct {
		const char *label, *key;
	} name[] = {
		{ "original", "wwpn_original" },
		{ "maintenance", "wwpn_maintenance" },
		{ "node", "wwnn" },
		{ "parent", "parent" },
		{ "token", "token" },
		{ "receipt", "receipt" },
		{ "used", "used" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(name); i++)
		if (*json_text(identity, name[i].key))
			printf("%-12s %s\n", name[i].label, json_text(identity, name[i].key));
}

static int add_identity(const char *lpar, struct json_object *identities)
{
	struct json_object *identity;
	int ret = fc_get(lpar, &identity);

	if (ret)
		return fc_fail(lpar, ret);
	json_object_array_add(identities, identity);
	return EXIT_OK;
}

/* show [LPAR]...: with names also world wide names and paths */
int fc_show_verb(struct args *args)
{
	struct json_object *identities = json_object_new_array();
	bool named = args->argc;
	int ret = EXIT_OK;
	size_t i;

	if (!named) {
		ret = nl_send(nl_begin(&nl_fcnpiv, FCN_CMD_GET, NLM_F_DUMP), on_identity,
			      identities);
		ret = ret ? nl_fail("fc", ret) : EXIT_OK;
	}
	while (!ret && args->argc)
		ret = add_identity(next_arg(args), identities);
	if (!ret && options.json) {
		json_print(identities);
		return EXIT_OK;
	}
	if (!ret)
		print_identities(identities);
	for (i = 0; !ret && named && i < json_count(identities); i++) {
		print_names(json_at(identities, i));
		print_paths(json_at(identities, i));
	}
	json_object_put(identities);
	return ret;
}

/* --- monitor --- */

const struct event_source fc_events = {
	.object = "fc",
	.family = &nl_fcnpiv,
	.seq = FCN_A_EVENT_SEQ,
	.decode = fc_decode,
	.events = event_names,
	.n_events = ARRAY_SIZE(event_names),
};

static bool show_event(const struct nlmsghdr *nlh, void *data)
{
	struct json_object *json = fc_decode(nlh);
	char when[64];

	(void)data;
	if (options.json) {
		json_print(json);
		return true;
	}
	format_instant(when, sizeof(when), json_number(json, "time_ns"));
	printf("%s %s %s %s %s %s %s\n", when, json_text(json, "event"), json_text(json, "lpar"),
	       json_text(json, "operation"), json_text(json, "step"), json_text(json, "state"),
	       json_text(json, "reason"));
	fflush(stdout);
	json_object_put(json);
	return true;
}

/* monitor [--count N] [--timeout TIME] */
int fc_monitor_verb(struct args *args)
{
	struct watch watch = { .family = &nl_fcnpiv, .seq = FCN_A_EVENT_SEQ, .show = show_event };

	return watch_verb(&watch, args, "fc");
}
