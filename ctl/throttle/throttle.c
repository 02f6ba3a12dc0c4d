// SPDX-License-Identifier: GPL-2.0
/*
 * Object throttle: guests dirty their memory no faster than they are told to.
 * A target is decoded into JSON at once; people get text made from it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <linux/genetlink.h>

#include "throttle/throttle.h"

/* clang-format off */
static const char *const state_names[] = {
	[DT_STATE_BLOCKED] = "blocked",
	[DT_STATE_ARMED] = "armed",
	[DT_STATE_THROTTLING] = "throttling",
	[DT_STATE_BYPASSED] = "bypassed",
	[DT_STATE_POLLED] = "polled",
};

static const char *const mode_names[] = {
	[DT_MODE_COUNT] = "count",
	[DT_MODE_LIMIT] = "limit",
	[DT_MODE_DELAY] = "delay",
	[DT_MODE_AUTO] = "auto",
};

static const char *const event_names[] = {
	[DT_EVENT_ATTACHED] = "attached",
	[DT_EVENT_DETACHED] = "detached",
	[DT_EVENT_EXITED] = "exited",
	[DT_EVENT_TIMEOUT] = "timeout",
	[DT_EVENT_STATE] = "state",
};

static const char *const source_names[] = {
	[DT_SOURCE_LOG] = "log",
	[DT_SOURCE_FAULTS] = "faults",
};

enum kind { U32, U64, FLAG, TEXT, STATE, MODE, SOURCE, EVENT };

/* Attributes of replies and events, in the order in which they are shown. */
static const struct {
	const char *name;
	uint16_t type;
	enum kind kind;
} values[] = {
	{ "time_ns", DT_A_EVENT_TIME_NS, U64 },
	{ "seq", DT_A_EVENT_SEQ, U64 },
	{ "event", DT_A_EVENT, EVENT },
	{ "pid", DT_A_PID, U32 },
	{ "address", DT_A_ADDRESS, TEXT },
	{ "state", DT_A_STATE, STATE },
	{ "reason", DT_A_REASON, TEXT },
	{ "source", DT_A_SOURCE, SOURCE },
	{ "no_log", DT_A_NO_LOG, TEXT },
	{ "mode", DT_A_MODE, MODE },
	{ "limit", DT_A_LIMIT, U64 },
	{ "delay_us", DT_A_DELAY_US, U32 },
	{ "rate", DT_A_RATE, U32 },
	{ "force", DT_A_FORCE, FLAG },
	{ "share", DT_A_SHARE, U32 },
	{ "transfer_rate", DT_A_TRANSFER_RATE, U64 },
	{ "timeout_ms", DT_A_TIMEOUT_MS, U32 },
	{ "effective_limit", DT_A_EFFECTIVE_LIMIT, U64 },
	{ "rate_1s", DT_A_RATE_1S, U64 },
	{ "rate_10s", DT_A_RATE_10S, U64 },
	{ "dirty_bytes", DT_A_DIRTY_BYTES, U64 },
	{ "pass_ms", DT_A_PASS_MS, U64 },
	{ "converging", DT_A_CONVERGING, FLAG },
	{ "faults", DT_A_FAULTS, U64 },
	{ "pages", DT_A_PAGES, U64 },
	{ "foreign", DT_A_FOREIGN, U64 },
	{ "undelayed", DT_A_UNDELAYED, U64 },
	{ "interrupts", DT_A_INTERRUPTS, U64 },
	{ "delayed", DT_A_DELAYED, U64 },
	{ "merged", DT_A_MERGED, U64 },
	{ "refused", DT_A_REFUSED, U32 },
	{ "delayed_us", DT_A_DELAYED_US, U64 },
};
/* clang-format on */

struct nl_family nl_throttle = { .name = DT_FAMILY_NAME, .version = DT_FAMILY_VERSION };

/* A request about a process; to be sent by nl_send(). */
struct nlmsghdr *throttle_request(enum dt_cmd cmd, pid_t pid)
{
	struct nlmsghdr *nlh = nl_begin(&nl_throttle, cmd, NLM_F_ACK);

	mnl_attr_put_u32(nlh, DT_A_PID, pid);
	return nlh;
}

/* --- what a target is --- */

static const char *name_of(const char *const *names, size_t n, uint32_t number)
{
	return number < n ? names[number] : "unknown";
}

static struct json_object *decode_value(enum kind kind, const struct nlattr *attr)
{
	const char *text = NULL;

	switch (kind) {
	case U64:
		return json_object_new_uint64(mnl_attr_get_u64(attr));
	case U32:
		return json_object_new_uint64(mnl_attr_get_u32(attr));
	case FLAG:
		return json_object_new_boolean(mnl_attr_get_u32(attr));
	case TEXT:
		text = mnl_attr_get_str(attr);
		break;
	case STATE:
		text = name_of(state_names, ARRAY_SIZE(state_names), mnl_attr_get_u32(attr));
		break;
	case MODE:
		text = name_of(mode_names, ARRAY_SIZE(mode_names), mnl_attr_get_u32(attr));
		break;
	case SOURCE:
		text = name_of(source_names, ARRAY_SIZE(source_names), mnl_attr_get_u32(attr));
		break;
	case EVENT:
		text = name_of(event_names, ARRAY_SIZE(event_names), mnl_attr_get_u32(attr));
		break;
	}
	return json_object_new_string(text);
}

static struct json_object *decode_vcpu(const struct nlattr *nest)
{
	const struct nlattr *tb[DT_A_VCPU_MAX + 1];
	struct json_object *json = json_object_new_object();

	if (nl_parse(tb, ARRAY_SIZE(tb), nest))
		return json;
	if (tb[DT_A_VCPU_ID])
		json_put_u64(json, "id", mnl_attr_get_u32(tb[DT_A_VCPU_ID]));
	if (tb[DT_A_VCPU_TID])
		json_put_u64(json, "tid", mnl_attr_get_u32(tb[DT_A_VCPU_TID]));
	if (tb[DT_A_VCPU_PAGES])
		json_put_u64(json, "pages", mnl_attr_get_u64(tb[DT_A_VCPU_PAGES]));
	if (tb[DT_A_VCPU_DELAYED_US])
		json_put_u64(json, "delayed_us", mnl_attr_get_u64(tb[DT_A_VCPU_DELAYED_US]));
	return json;
}

/* A reply or an event; of a target also its vCPUs. */
struct json_object *throttle_decode(const struct nlmsghdr *nlh)
{
	struct json_object *json = json_object_new_object(), *vcpus;
	const struct nlattr **tb = nl_attrs(nlh);
	const struct nlattr *attr;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(values); i++)
		if (tb[values[i].type])
			json_object_object_add(json, values[i].name,
					       decode_value(values[i].kind, tb[values[i].type]));
	if (tb[DT_A_EVENT] || tb[DT_A_ADDRESS])
		return json;
	vcpus = json_object_new_array();
	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == DT_A_VCPU)
			json_object_array_add(vcpus, decode_vcpu(attr));
	json_object_object_add(json, "vcpus", vcpus);
	return json;
}

static int on_target(const struct nlmsghdr *nlh, void *data)
{
	json_object_array_add(data, throttle_decode(nlh));
	return MNL_CB_OK;
}

/* A target, to be put; -ENOENT when it is none. Nothing is printed. */
int throttle_get(pid_t pid, struct json_object **target)
{
	struct json_object *targets = json_object_new_array();
	int ret = nl_send(throttle_request(DT_CMD_GET, pid), on_target, targets);

	if (!ret && !json_count(targets))
		ret = -EBADMSG;
	if (!ret)
		*target = json_object_get(json_at(targets, 0));
	json_object_put(targets);
	return ret;
}

/* QEMU as started by us, or whoever has its memory, or the only member. */
static pid_t guest_of(const struct lpar *lpar)
{
	pid_t pid = lpar_guest_pid(lpar);

	if (!pid)
		pid = lpar->holder;
	if (!pid && lpar->n_members == 1)
		pid = lpar->member[0];
	return pid;
}

/*
 * The process that a word of the command line means: its id, or an LPAR, whose
 * guest it is; then *name, unless it is NULL, is the word. 0 when there is none,
 * which was printed.
 */
pid_t throttle_pid(const char *word, const char **name)
{
	struct lpar lpar;
	uint64_t number;
	pid_t pid = 0;
	int ret;

	if (!parse_uint(word, INT32_MAX, &number) && number)
		return number;
	ret = lpar_get(word, &lpar);
	if (!ret)
		pid = guest_of(&lpar);
	lpar_free(&lpar);
	if (ret)
		lpar_fail(word, ret);
	else if (!pid)
		err("LPAR %s: no guest runs in it", word);
	if (name)
		*name = word;
	return pid;
}

/* --- show --- */

/* MiB per second, or a dash for none. */
static const char *format_rate(char *buf, size_t size, uint64_t rate)
{
	if (rate)
		snprintf(buf, size, "%.1f MiB/s", rate / 1048576.0);
	else
		snprintf(buf, size, "-");
	return buf;
}

static const char *format_mib(char *buf, size_t size, struct json_object *json, const char *key)
{
	if (json_object_object_get(json, key))
		snprintf(buf, size, "%.1f MiB", json_number(json, key) / 1048576.0);
	else
		snprintf(buf, size, "-");
	return buf;
}

static void target_row(struct json_object *json)
{
	char limit[32], rate[32], dirty[32], delayed[32], pass[32] = "-";
	struct json_object *converging = json_object_object_get(json, "converging");
	const char *cell[] = {
		json_text(json, "pid"),
		json_text(json, "state"),
		json_text(json, "mode"),
		format_rate(limit, sizeof(limit), json_number(json, "effective_limit")),
		format_rate(rate, sizeof(rate), json_number(json, "rate_1s")),
		format_mib(dirty, sizeof(dirty), json, "dirty_bytes"),
		pass,
		converging ? (json_object_get_boolean(converging) ? "yes" : "no") : "-",
		format_time(delayed, sizeof(delayed), json_number(json, "delayed_us") * 1000),
		*json_text(json, "reason") ? json_text(json, "reason") : "-",
	};

	if (json_object_object_get(json, "pass_ms"))
		format_time(pass, sizeof(pass), json_number(json, "pass_ms") * NSEC_PER_MSEC);
	table_row(cell, ARRAY_SIZE(cell));
}

static void print_targets(struct json_object *targets)
{
	static const char *const head[] = { "PID",   "STATE", "MODE",	    "LIMIT",   "DIRTYING",
					    "DIRTY", "PASS",  "CONVERGING", "DELAYED", "REASON" };
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(targets); i++)
		target_row(json_at(targets, i));
	table_print();
}

/* Which is the log, unless that does not work. */
static void print_source(struct json_object *target)
{
	const char *reason = json_text(target, "no_log");

	printf("dirty pages of %s are seen by: %s%s%s%s\n", json_text(target, "pid"),
	       json_text(target, "source"), *reason ? " (" : "", reason, *reason ? ")" : "");
}

static void print_vcpus(struct json_object *target)
{
	static const char *const head[] = { "VCPU", "TID", "PAGES", "DELAYED" };
	struct json_object *vcpus = json_object_object_get(target, "vcpus"), *vcpu;
	char delayed[32];
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(vcpus); i++) {
		vcpu = json_at(vcpus, i);
		format_time(delayed, sizeof(delayed), json_number(vcpu, "delayed_us") * 1000);
		table_row((const char *const[]){ json_text(vcpu, "id"), json_text(vcpu, "tid"),
						 json_text(vcpu, "pages"), delayed },
			  ARRAY_SIZE(head));
	}
	table_print();
}

static int add_target(const char *word, struct json_object *targets)
{
	pid_t pid = throttle_pid(word, NULL);
	struct json_object *target;
	int ret;

	if (!pid)
		return EXIT_FAILED;
	ret = throttle_get(pid, &target);
	if (ret)
		return nl_fail(word, ret);
	json_object_array_add(targets, target);
	return EXIT_OK;
}

/* show [PID|LPAR]...: with names also their vCPUs */
int throttle_show_verb(struct args *args)
{
	struct json_object *targets = json_object_new_array();
	bool named = args->argc;
	int ret = EXIT_OK;
	size_t i;

	if (!named) {
		ret = nl_send(nl_begin(&nl_throttle, DT_CMD_GET, NLM_F_DUMP), on_target, targets);
		ret = ret ? nl_fail("throttle", ret) : EXIT_OK;
	}
	while (!ret && args->argc)
		ret = add_target(next_arg(args), targets);
	if (!ret && options.json) {
		json_print(targets);
		return EXIT_OK;
	}
	if (!ret)
		print_targets(targets);
	for (i = 0; !ret && named && i < json_count(targets); i++) {
		print_source(json_at(targets, i));
		print_vcpus(json_at(targets, i));
	}
	json_object_put(targets);
	return ret;
}

/* --- attach, set, detach --- */

static const char *put_count(struct nlmsghdr *nlh, const char *value)
{
	(void)value;
	mnl_attr_put_u32(nlh, DT_A_MODE, DT_MODE_COUNT);
	return NULL;
}

static const char *put_limit(struct nlmsghdr *nlh, const char *value)
{
	uint64_t bytes;

	if (parse_size(value, &bytes) || !bytes)
		return "bytes per second such as 64M";
	mnl_attr_put_u32(nlh, DT_A_MODE, DT_MODE_LIMIT);
	mnl_attr_put_u64(nlh, DT_A_LIMIT, bytes);
	return NULL;
}

static const char *put_delay(struct nlmsghdr *nlh, const char *value)
{
	uint64_t ns;

	if (parse_time(value, &ns) || ns < 1000 || ns / 1000 > DIRTYTHROTTLE_DELAY_MAX_US)
		return "a time such as 1ms, 50ms at most";
	mnl_attr_put_u32(nlh, DT_A_MODE, DT_MODE_DELAY);
	mnl_attr_put_u32(nlh, DT_A_DELAY_US, ns / 1000);
	return NULL;
}

static const char *put_auto(struct nlmsghdr *nlh, const char *value)
{
	uint64_t share;

	if (parse_uint(value, DIRTYTHROTTLE_SHARE_MAX, &share) || !share)
		return "a percentage, 1 to 100";
	mnl_attr_put_u32(nlh, DT_A_MODE, DT_MODE_AUTO);
	mnl_attr_put_u32(nlh, DT_A_SHARE, share);
	return NULL;
}

static const char *put_transfer_rate(struct nlmsghdr *nlh, const char *value)
{
	uint64_t bytes;

	if (parse_size(value, &bytes))
		return "bytes per second such as 64M";
	mnl_attr_put_u64(nlh, DT_A_TRANSFER_RATE, bytes);
	return NULL;
}

/* In milliseconds. */
int throttle_parse_watchdog(const char *value, uint32_t *ms)
{
	uint64_t ns;

	if (!value || parse_time(value, &ns) || ns / NSEC_PER_MSEC > DIRTYTHROTTLE_TIMEOUT_MAX_MS)
		return -EINVAL;
	*ms = ns / NSEC_PER_MSEC;
	return 0;
}

static const char *put_watchdog(struct nlmsghdr *nlh, const char *value)
{
	uint32_t ms;

	if (throttle_parse_watchdog(value, &ms))
		return "a time such as 10s, or 0 for none";
	mnl_attr_put_u32(nlh, DT_A_TIMEOUT_MS, ms);
	return NULL;
}

/* clang-format off */
static const struct setting settings[] = {
	{ "--count", put_count, true },
	{ "--limit", put_limit, false },
	{ "--delay", put_delay, false },
	{ "--auto", put_auto, false },
	{ "--transfer-rate", put_transfer_rate, false },
	{ "--watchdog", put_watchdog, false },
	{ NULL, NULL, false },
};
/* clang-format on */

static int configure(enum dt_cmd cmd, struct args *args)
{
	const char *word = next_arg(args);
	struct nlmsghdr *nlh;
	pid_t pid;
	int ret;

	if (!word || *word == '-')
		return usage("the process id, or the LPAR, is missing");
	pid = throttle_pid(word, NULL);
	if (!pid)
		return EXIT_FAILED;
	nlh = throttle_request(cmd, pid);
	ret = put_settings(nlh, args, settings, "throttle");
	if (ret)
		return ret;
	ret = nl_send(nlh, NULL, NULL);
	return ret ? nl_fail(word, ret) : EXIT_OK;
}

/* attach PID|LPAR [SETTING]... */
int throttle_attach_verb(struct args *args)
{
	return configure(DT_CMD_ATTACH, args);
}

/* set PID|LPAR SETTING... */
int throttle_set_verb(struct args *args)
{
	return configure(DT_CMD_SET, args);
}

/* detach PID|LPAR... */
int throttle_detach_verb(struct args *args)
{
	const char *word;
	pid_t pid;
	int ret;

	if (!args->argc)
		return usage("the process id, or the LPAR, is missing");
	while ((word = next_arg(args))) {
		pid = throttle_pid(word, NULL);
		if (!pid)
			return EXIT_FAILED;
		ret = nl_send(throttle_request(DT_CMD_DETACH, pid), NULL, NULL);
		if (ret)
			return nl_fail(word, ret);
	}
	return EXIT_OK;
}

/* --- monitor --- */

const struct event_source throttle_events = {
	.object = "throttle",
	.family = &nl_throttle,
	.seq = DT_A_EVENT_SEQ,
	.decode = throttle_decode,
	.events = event_names,
	.n_events = ARRAY_SIZE(event_names),
};

static bool show_event(const struct nlmsghdr *nlh, void *data)
{
	struct json_object *json = throttle_decode(nlh);
	char when[64];

	(void)data;
	if (options.json) {
		json_print(json);
		return true;
	}
	format_instant(when, sizeof(when), json_number(json, "time_ns"));
	printf("%s %s %s%s %s %s\n", when, json_text(json, "event"), json_text(json, "pid"),
	       json_text(json, "address"), json_text(json, "state"), json_text(json, "reason"));
	fflush(stdout);
	json_object_put(json);
	return true;
}

/* monitor [--count N] [--timeout TIME] */
int throttle_monitor_verb(struct args *args)
{
	struct watch watch = { .family = &nl_throttle, .seq = DT_A_EVENT_SEQ, .show = show_event };

	return watch_verb(&watch, args, "throttle");
}
