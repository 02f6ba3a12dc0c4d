// SPDX-License-Identifier: GPL-2.0
/*
 * Object netbuf: netdevs hold their frames, and send them on. A buffer is
 * decoded into JSON at once; people get text made from it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>
#include <pcap/pcap.h>

#include "lpar/lpar.h"
#include "net/netbuf.h"

#define DRAIN_TIMEOUT_NS (60 * (uint64_t)NSEC_PER_SEC)
/* A drain tells when it is over; if that got lost, look all the same. */
#define DRAIN_POLL_MS 500

/* clang-format off */
static const char *const state_names[] = {
	[NETBUF_STATE_PASS] = "pass",
	[NETBUF_STATE_HOLD] = "hold",
	[NETBUF_STATE_DRAIN] = "drain",
};

static const char *const policy_names[] = {
	[NETBUF_POLICY_TAIL_DROP] = "tail-drop",
	[NETBUF_POLICY_HEAD_DROP] = "head-drop",
	[NETBUF_POLICY_PASS] = "pass",
};

static const char *const unmatched_names[] = {
	[NETBUF_UNMATCHED_PASS] = "pass",
	[NETBUF_UNMATCHED_DROP] = "drop",
};

static const char *const direction_names[] = {
	[NETBUF_INGRESS] = "ingress",
	[NETBUF_EGRESS] = "egress",
};

static const char *const event_names[] = {
	[NETBUF_EVENT_ATTACHED] = "attached",
	[NETBUF_EVENT_DETACHED] = "detached",
	[NETBUF_EVENT_STATE] = "state",
	[NETBUF_EVENT_HIGH_WATER] = "high-water",
	[NETBUF_EVENT_DROP] = "drop",
	[NETBUF_EVENT_MOVED] = "moved",
};

static const char *const copy_names[] = { "yes", "no" };

/* Numbers of a direction, in the order in which they are shown. */
static const struct {
	const char *name;
	uint16_t type;
} counters[] = {
	{ "bytes", NETBUF_A_QUEUE_BYTES },
	{ "peak_bytes", NETBUF_A_QUEUE_PEAK_BYTES },
	{ "held", NETBUF_A_QUEUE_HELD },
	{ "drained", NETBUF_A_QUEUE_DRAINED },
	{ "loaded", NETBUF_A_QUEUE_LOADED },
	{ "flushed", NETBUF_A_QUEUE_FLUSHED },
	{ "dropped_limit", NETBUF_A_QUEUE_DROPPED_LIMIT },
	{ "dropped_memory", NETBUF_A_QUEUE_DROPPED_MEMORY },
	{ "dropped_filter", NETBUF_A_QUEUE_DROPPED_FILTER },
	{ "dropped_below", NETBUF_A_QUEUE_DROPPED_BELOW },
	{ "passed_limit", NETBUF_A_QUEUE_PASSED_LIMIT },
	{ "unholdable", NETBUF_A_QUEUE_UNHOLDABLE },
	{ "uncopied", NETBUF_A_QUEUE_UNCOPIED },
};

#define NAMES(names) names, ARRAY_SIZE(names)
/* clang-format on */

struct nl_family nl_netbuf = { .name = NETBUF_FAMILY_NAME, .version = NETBUF_FAMILY_VERSION };

struct nlmsghdr *netbuf_request(enum netbuf_cmd cmd, const char *name)
{
	struct nlmsghdr *nlh = nl_begin(&nl_netbuf, cmd, NLM_F_ACK);

	mnl_attr_put_strz(nlh, NETBUF_A_IFNAME, name);
	return nlh;
}

int netbuf_fail(const char *name, int error)
{
	return nl_fail(name, error);
}

static int send_simple(enum netbuf_cmd cmd, const char *name)
{
	int ret = nl_send(netbuf_request(cmd, name), NULL, NULL);

	return ret ? netbuf_fail(name, ret) : EXIT_OK;
}

/* --- what a buffer is --- */

static void put_name(struct json_object *json, const char *key, const char *const *names, size_t n,
		     const struct nlattr *attr)
{
	uint32_t number = attr ? mnl_attr_get_u32(attr) : 0;

	if (attr)
		json_put(json, key, number < n ? names[number] : "unknown");
}

static void decode_queue(struct json_object *json, const struct nlattr *nest)
{
	const struct nlattr *tb[NETBUF_A_QUEUE_MAX + 1];
	struct json_object *queue = json_object_new_object();
	uint32_t direction;
	size_t i;

	if (nl_parse(tb, ARRAY_SIZE(tb), nest) || !tb[NETBUF_A_QUEUE_DIRECTION] ||
	    mnl_attr_get_u32(tb[NETBUF_A_QUEUE_DIRECTION]) > NETBUF_EGRESS) {
		json_object_put(queue);
		return;
	}
	direction = mnl_attr_get_u32(tb[NETBUF_A_QUEUE_DIRECTION]);
	if (tb[NETBUF_A_QUEUE_FRAMES])
		json_put_u64(queue, "frames", mnl_attr_get_u32(tb[NETBUF_A_QUEUE_FRAMES]));
	if (tb[NETBUF_A_QUEUE_PEAK_FRAMES])
		json_put_u64(queue, "peak_frames",
			     mnl_attr_get_u32(tb[NETBUF_A_QUEUE_PEAK_FRAMES]));
	for (i = 0; i < ARRAY_SIZE(counters); i++)
		if (tb[counters[i].type])
			json_put_u64(queue, counters[i].name,
				     mnl_attr_get_u64(tb[counters[i].type]));
	json_object_object_add(json, direction_names[direction], queue);
}

static void decode_settings(struct json_object *json, const struct nlattr **tb)
{
	if (tb[NETBUF_A_LPAR] && *mnl_attr_get_str(tb[NETBUF_A_LPAR]))
		json_put(json, "lpar", mnl_attr_get_str(tb[NETBUF_A_LPAR]));
	if (tb[NETBUF_A_LIMIT_FRAMES])
		json_put_u64(json, "limit_frames", mnl_attr_get_u32(tb[NETBUF_A_LIMIT_FRAMES]));
	if (tb[NETBUF_A_LIMIT_BYTES])
		json_put_u64(json, "limit_bytes", mnl_attr_get_u64(tb[NETBUF_A_LIMIT_BYTES]));
	if (tb[NETBUF_A_LIMIT_TOTAL])
		json_put_u64(json, "limit_total", mnl_attr_get_u64(tb[NETBUF_A_LIMIT_TOTAL]));
	if (tb[NETBUF_A_TOTAL_BYTES])
		json_put_u64(json, "total_bytes", mnl_attr_get_u64(tb[NETBUF_A_TOTAL_BYTES]));
	put_name(json, "policy", NAMES(policy_names), tb[NETBUF_A_POLICY]);
	if (tb[NETBUF_A_HIGH_WATER])
		json_put_u64(json, "high_water", mnl_attr_get_u32(tb[NETBUF_A_HIGH_WATER]));
	put_name(json, "copy", NAMES(copy_names), tb[NETBUF_A_ZERO_COPY]);
	if (tb[NETBUF_A_FILTER_TEXT])
		json_put(json, "filter", mnl_attr_get_str(tb[NETBUF_A_FILTER_TEXT]));
	put_name(json, "unmatched", NAMES(unmatched_names), tb[NETBUF_A_UNMATCHED]);
	if (tb[NETBUF_A_WARNING])
		json_put(json, "warning", mnl_attr_get_str(tb[NETBUF_A_WARNING]));
}

/* Of a reply or an event. */
static struct json_object *decode(const struct nlmsghdr *nlh)
{
	struct json_object *json = json_object_new_object();
	const struct nlattr **tb = nl_attrs(nlh);
	const struct nlattr *attr;

	if (tb[NETBUF_A_EVENT_TIME_NS])
		json_put_u64(json, "time_ns", mnl_attr_get_u64(tb[NETBUF_A_EVENT_TIME_NS]));
	if (tb[NETBUF_A_EVENT_SEQ])
		json_put_u64(json, "seq", mnl_attr_get_u64(tb[NETBUF_A_EVENT_SEQ]));
	put_name(json, "event", NAMES(event_names), tb[NETBUF_A_EVENT]);
	if (tb[NETBUF_A_IFNAME])
		json_put(json, "name", mnl_attr_get_str(tb[NETBUF_A_IFNAME]));
	if (tb[NETBUF_A_IFINDEX])
		json_put_u64(json, "ifindex", mnl_attr_get_u32(tb[NETBUF_A_IFINDEX]));
	put_name(json, "state", NAMES(state_names), tb[NETBUF_A_STATE]);
	decode_settings(json, tb);
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == NETBUF_A_QUEUE)
			decode_queue(json, attr);
	}
	return json;
}

static int on_buffer(const struct nlmsghdr *nlh, void *data)
{
	json_object_array_add(data, decode(nlh));
	return MNL_CB_OK;
}

/* A buffer, to be put; -ENOENT when none is attached. Nothing is printed. */
int netbuf_get(const char *name, struct json_object **buffer)
{
	struct json_object *buffers = json_object_new_array();
	int ret = nl_send(netbuf_request(NETBUF_CMD_GET, name), on_buffer, buffers);

	if (!ret && !json_count(buffers))
		ret = -EBADMSG;
	if (!ret)
		*buffer = json_object_get(json_at(buffers, 0));
	json_object_put(buffers);
	return ret;
}

static int get_buffer(const char *name, struct json_object *buffers)
{
	struct json_object *buffer;
	int ret = netbuf_get(name, &buffer);

	if (ret)
		return netbuf_fail(name, ret);
	json_object_array_add(buffers, buffer);
	return EXIT_OK;
}

static const char *text(struct json_object *json, const char *key)
{
	const char *value = json_object_get_string(json_object_object_get(json, key));

	return value ? value : "";
}

/* --- show --- */

static uint64_t number(struct json_object *buffer, const char *direction, const char *key)
{
	struct json_object *queue = json_object_object_get(buffer, direction);

	return json_object_get_uint64(json_object_object_get(queue, key));
}

static uint64_t dropped(struct json_object *buffer, const char *direction)
{
	return number(buffer, direction, "dropped_limit") +
	       number(buffer, direction, "dropped_memory") +
	       number(buffer, direction, "dropped_filter") +
	       number(buffer, direction, "dropped_below");
}

static void buffer_row(struct json_object *buffer)
{
	char ingress[32], egress[32], drops[32], bytes[32];
	const char *cell[] = {
		text(buffer, "name"), text(buffer, "state"),  ingress, egress, bytes, drops,
		text(buffer, "lpar"), text(buffer, "filter"),
	};

	snprintf(ingress, sizeof(ingress), "%" PRIu64, number(buffer, "ingress", "frames"));
	snprintf(egress, sizeof(egress), "%" PRIu64, number(buffer, "egress", "frames"));
	snprintf(drops, sizeof(drops), "%" PRIu64,
		 dropped(buffer, "ingress") + dropped(buffer, "egress"));
	snprintf(bytes, sizeof(bytes), "%" PRIu64,
		 number(buffer, "ingress", "bytes") + number(buffer, "egress", "bytes"));
	table_row(cell, ARRAY_SIZE(cell));
}

static void print_buffers(struct json_object *buffers)
{
	static const char *const head[] = { "NETDEV", "STATE",	 "INGRESS", "EGRESS",
					    "BYTES",  "DROPPED", "LPAR",    "FILTER" };
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(buffers); i++)
		buffer_row(json_at(buffers, i));
	table_print();
}

/* show [NETDEV]... */
int netbuf_show_verb(struct args *args)
{
	struct json_object *buffers = json_object_new_array();
	int ret = EXIT_OK;

	if (!args->argc) {
		ret = nl_send(nl_begin(&nl_netbuf, NETBUF_CMD_GET, NLM_F_DUMP), on_buffer, buffers);
		ret = ret ? netbuf_fail("netbuf", ret) : EXIT_OK;
	}
	while (!ret && args->argc)
		ret = get_buffer(next_arg(args), buffers);
	if (!ret && options.json) {
		json_print(buffers);
		return EXIT_OK;
	}
	if (!ret)
		print_buffers(buffers);
	json_object_put(buffers);
	return ret;
}

/* --- attach, set, detach --- */

static const char *put_number(struct nlmsghdr *nlh, uint16_t type, const char *const *names,
			      size_t n, const char *value)
{
	int number = find_word(names, n, value);

	if (number < 0)
		return "one of the words that 'lparctl help' lists";
	mnl_attr_put_u32(nlh, type, number);
	return NULL;
}

static const char *put_filter(struct nlmsghdr *nlh, const char *expression)
{
	static char why[512];
	struct bpf_program program = { 0 };
	pcap_t *pcap;

	if (!*expression) {
		mnl_attr_put(nlh, NETBUF_A_FILTER, 0, NULL);
		return NULL;
	}
	pcap = pcap_open_dead(DLT_EN10MB, NETBUF_FRAME_MAX);
	if (pcap_compile(pcap, &program, expression, 1, PCAP_NETMASK_UNKNOWN)) {
		snprintf(why, sizeof(why), "a pcap-filter(7) expression: %s", pcap_geterr(pcap));
		pcap_close(pcap);
		return why;
	}
	mnl_attr_put(nlh, NETBUF_A_FILTER, program.bf_len * sizeof(*program.bf_insns),
		     program.bf_insns);
	mnl_attr_put_strz(nlh, NETBUF_A_FILTER_TEXT, expression);
	pcap_freecode(&program);
	pcap_close(pcap);
	return strlen(expression) > NETBUF_FILTER_TEXT_MAX ? "a shorter expression" : NULL;
}

static const char *put_u32(struct nlmsghdr *nlh, uint16_t type, const char *value, uint32_t max)
{
	uint64_t number;

	if (parse_uint(value, max, &number) || !number)
		return "a number of at least 1";
	mnl_attr_put_u32(nlh, type, number);
	return NULL;
}

static const char *put_bytes(struct nlmsghdr *nlh, const char *value)
{
	uint64_t bytes;

	if (parse_size(value, &bytes) || !bytes)
		return "a size such as 64M";
	mnl_attr_put_u64(nlh, NETBUF_A_LIMIT_BYTES, bytes);
	return NULL;
}

static const char *put_lpar(struct nlmsghdr *nlh, const char *value)
{
	if (*value && !name_is_valid(value))
		return "the name of an LPAR, or \"\" for none";
	mnl_attr_put_strz(nlh, NETBUF_A_LPAR, value);
	return NULL;
}

static const char *put_limit_frames(struct nlmsghdr *nlh, const char *value)
{
	return put_u32(nlh, NETBUF_A_LIMIT_FRAMES, value, UINT32_MAX);
}

static const char *put_high_water(struct nlmsghdr *nlh, const char *value)
{
	return put_u32(nlh, NETBUF_A_HIGH_WATER, value, 100);
}

static const char *put_policy(struct nlmsghdr *nlh, const char *value)
{
	return put_number(nlh, NETBUF_A_POLICY, NAMES(policy_names), value);
}

static const char *put_copy(struct nlmsghdr *nlh, const char *value)
{
	return put_number(nlh, NETBUF_A_ZERO_COPY, NAMES(copy_names), value);
}

static const char *put_unmatched(struct nlmsghdr *nlh, const char *value)
{
	return put_number(nlh, NETBUF_A_UNMATCHED, NAMES(unmatched_names), value);
}

/* clang-format off */
static const struct setting settings[] = {
	{ "--lpar", put_lpar, false },
	{ "--limit-frames", put_limit_frames, false },
	{ "--limit-bytes", put_bytes, false },
	{ "--policy", put_policy, false },
	{ "--high-water", put_high_water, false },
	{ "--copy", put_copy, false },
	{ "--unmatched", put_unmatched, false },
	{ "--filter", put_filter, false },
	{ NULL, NULL, false },
};
/* clang-format on */

static int configure(enum netbuf_cmd cmd, struct args *args)
{
	const char *name = next_arg(args);
	struct nlmsghdr *nlh;
	int ret;

	if (!name || *name == '-')
		return usage("the netdev is missing");
	nlh = netbuf_request(cmd, name);
	ret = put_settings(nlh, args, settings, "netbuf");
	if (ret)
		return ret;
	ret = nl_send(nlh, NULL, NULL);
	if (ret)
		return netbuf_fail(name, ret);
	if (*nl_warning())
		err("%s: warning: %s", name, nl_warning());
	return EXIT_OK;
}

int netbuf_attach_verb(struct args *args)
{
	return configure(NETBUF_CMD_ATTACH, args);
}

int netbuf_set_verb(struct args *args)
{
	return configure(NETBUF_CMD_SET, args);
}

/* detach NETDEV... [--force] */
int netbuf_detach_verb(struct args *args)
{
	bool force = args->argc && !strcmp(args->argv[args->argc - 1], "--force");
	struct nlmsghdr *nlh;
	const char *name;
	int ret;

	args->argc -= force;
	if (!args->argc)
		return usage("the netdev is missing");
	while ((name = next_arg(args))) {
		nlh = netbuf_request(NETBUF_CMD_DETACH, name);
		if (force)
			mnl_attr_put(nlh, NETBUF_A_FORCE, 0, NULL);
		ret = nl_send(nlh, NULL, NULL);
		if (ret)
			return netbuf_fail(name, ret);
	}
	return EXIT_OK;
}

/* --- hold, drain, flush --- */

/* Hold or drain. Nothing is printed. */
int netbuf_set_state(const char *name, enum netbuf_state state)
{
	struct nlmsghdr *nlh = netbuf_request(NETBUF_CMD_STATE_SET, name);

	mnl_attr_put_u32(nlh, NETBUF_A_STATE, state);
	return nl_send(nlh, NULL, NULL);
}

static int set_state(const char *name, enum netbuf_state state)
{
	int ret = netbuf_set_state(name, state);

	return ret ? netbuf_fail(name, ret) : EXIT_OK;
}

/* *before: whether it held already. */
static int hold_one(const char *name, bool *before)
{
	struct json_object *buffer;
	int ret = netbuf_get(name, &buffer);

	if (ret)
		return ret;
	*before = !strcmp(json_text(buffer, "state"), "hold");
	json_object_put(buffer);
	return netbuf_set_state(name, NETBUF_STATE_HOLD);
}

/* All of them, or none but those that held before; exit code. */
static int hold_all(struct args *names)
{
	bool *before = xalloc(names->argc * sizeof(*before));
	int i, ret = 0, code = EXIT_OK;

	for (i = 0; i < names->argc && !ret; i++)
		ret = hold_one(names->argv[i], &before[i]);
	if (ret) {
		code = netbuf_fail(names->argv[--i], ret);
		while (--i >= 0) {
			if (before[i])
				continue;
			netbuf_set_state(names->argv[i], NETBUF_STATE_DRAIN);
			err("%s: goes on again", names->argv[i]);
			code = EXIT_ROLLED_BACK;
		}
	}
	free(before);
	return code;
}

int netbuf_hold_verb(struct args *args)
{
	return args->argc ? hold_all(args) : usage("the netdev is missing");
}

int netbuf_flush_verb(struct args *args)
{
	int ret = EXIT_OK;

	if (!args->argc)
		return usage("the netdev is missing");
	while (!ret && args->argc)
		ret = send_simple(NETBUF_CMD_FLUSH, next_arg(args));
	return ret;
}

/* Its content does not matter: it is GET that knows. */
static int on_any_event(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return MNL_CB_OK;
}

static bool is_draining(const char *name, int *ret)
{
	struct json_object *buffers = json_object_new_array();
	bool draining = false;

	*ret = get_buffer(name, buffers);
	if (!*ret)
		draining = !strcmp(text(json_at(buffers, 0), "state"), "drain");
	json_object_put(buffers);
	return draining;
}

static int wait_drained(struct mnl_socket *events, const char *name, uint64_t deadline_ns)
{
	int ret;

	while (is_draining(name, &ret)) {
		if (now_ns(CLOCK_MONOTONIC) >= deadline_ns) {
			err("%s: still drains: does its guest run?", name);
			return EXIT_TIMEOUT;
		}
		nl_receive(events, DRAIN_POLL_MS, on_any_event, NULL);
	}
	return ret;
}

/* The options of drain stand behind the netdevs. */
static int parse_drain(struct args *args, uint64_t *timeout_ns, bool *no_wait)
{
	struct args rest = *args;
	const char *value = NULL;

	while (rest.argc && *rest.argv[0] != '-')
		next_arg(&rest);
	args->argc -= rest.argc;
	while (rest.argc) {
		if (next_option(&rest, "--timeout", &value)) {
			if (!value || parse_time(value, timeout_ns))
				return usage("--timeout needs a time such as 30s");
		} else if (next_flag(&rest, "--no-wait")) {
			*no_wait = true;
		} else {
			return usage("'%s' is unknown to netbuf drain", next_arg(&rest));
		}
	}
	if (value && *no_wait)
		return usage("--no-wait waits for nothing: leave --timeout out");
	return args->argc ? EXIT_OK : usage("the netdev is missing");
}

/* drain NETDEV... [--timeout TIME] [--no-wait] */
int netbuf_drain_verb(struct args *args)
{
	uint64_t timeout_ns = DRAIN_TIMEOUT_NS;
	struct mnl_socket *events;
	bool no_wait = false;
	int ret = parse_drain(args, &timeout_ns, &no_wait), i;

	if (ret)
		return ret;
	events = nl_subscribe(&nl_netbuf);
	for (i = 0; !ret && i < args->argc; i++)
		ret = set_state(args->argv[i], NETBUF_STATE_DRAIN);
	timeout_ns += now_ns(CLOCK_MONOTONIC);
	for (i = 0; !ret && !no_wait && i < args->argc; i++)
		ret = wait_drained(events, args->argv[i], timeout_ns);
	mnl_socket_close(events);
	return ret;
}

/* --- monitor --- */

const struct event_source netbuf_events = {
	.object = "netbuf",
	.family = &nl_netbuf,
	.seq = NETBUF_A_EVENT_SEQ,
	.decode = decode,
	.events = event_names,
	.n_events = ARRAY_SIZE(event_names),
};

static void print_event(struct json_object *json)
{
	char when[64];

	if (options.json) {
		json_print(json);
		return;
	}
	printf("%s %s %s %s ingress=%" PRIu64 " egress=%" PRIu64 "\n",
	       format_instant(when, sizeof(when),
			      json_object_get_uint64(json_object_object_get(json, "time_ns"))),
	       text(json, "event"), text(json, "name"), text(json, "state"),
	       number(json, "ingress", "frames"), number(json, "egress", "frames"));
	fflush(stdout);
	json_object_put(json);
}

static bool show_event(const struct nlmsghdr *nlh, void *data)
{
	(void)data;
	print_event(decode(nlh));
	return true;
}

/* monitor [--count N] [--timeout TIME] */
int netbuf_monitor_verb(struct args *args)
{
	struct watch watch = { .family = &nl_netbuf,
			       .seq = NETBUF_A_EVENT_SEQ,
			       .show = show_event };

	return watch_verb(&watch, args, "netbuf");
}
