// SPDX-License-Identifier: GPL-2.0
/*
 * Object cut: one instant for several LPARs, armed in the kernel. A cut is
 * decoded into JSON at once; people get a table made from it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/genetlink.h>

#include "lpar/lpar.h"

/* A cut that did not fire this long after its deadline never will. */
#define FIRE_GRACE_NS (5 * NSEC_PER_SEC)
/* A disk that does not answer may keep a cut from being over for ever. */
#define CANCEL_PATIENCE_NS (10 * NSEC_PER_SEC)
#define CANCEL_AGAIN_US 50000

static int cut_fail(uint32_t id, int error)
{
	char what[32];

	snprintf(what, sizeof(what), "cut %" PRIu32, id);
	return nl_fail(what, error);
}

static struct json_object *decode_point(const struct nlattr *nest)
{
	struct json_object *json = json_object_new_object();
	const struct nlattr *tb[LPAR_A_POINT_MAX + 1];

	if (nl_parse(tb, ARRAY_SIZE(tb), nest))
		return json;
	if (tb[LPAR_A_POINT_KIND])
		json_put(json, "kind", mnl_attr_get_str(tb[LPAR_A_POINT_KIND]));
	if (tb[LPAR_A_POINT_NAME])
		json_put(json, "name", mnl_attr_get_str(tb[LPAR_A_POINT_NAME]));
	if (tb[LPAR_A_POINT_FIRED_NS])
		json_put_u64(json, "fired_ns", mnl_attr_get_u64(tb[LPAR_A_POINT_FIRED_NS]));
	if (tb[LPAR_A_POINT_LATENCY_NS])
		json_put_s64(json, "latency_ns", mnl_attr_get_u64(tb[LPAR_A_POINT_LATENCY_NS]));
	if (tb[LPAR_A_POINT_DONE_NS])
		json_put_u64(json, "done_ns", mnl_attr_get_u64(tb[LPAR_A_POINT_DONE_NS]));
	if (tb[LPAR_A_POINT_COUNT])
		json_put_u64(json, "count", mnl_attr_get_u32(tb[LPAR_A_POINT_COUNT]));
	if (tb[LPAR_A_POINT_ERROR])
		json_put_s64(json, "error", (int32_t)mnl_attr_get_u32(tb[LPAR_A_POINT_ERROR]));
	return json;
}

/* A cut may be told in several messages, each of which has a part of its lists. */
static void extend(struct json_object *json, const struct nlmsghdr *nlh)
{
	struct json_object *lpars = json_object_object_get(json, "lpars");
	struct json_object *points = json_object_object_get(json, "points");
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr)) {
		if (mnl_attr_get_type(attr) == LPAR_A_CUT_LPAR)
			json_object_array_add(lpars,
					      json_object_new_string(mnl_attr_get_str(attr)));
		else if (mnl_attr_get_type(attr) == LPAR_A_CUT_POINT)
			json_object_array_add(points, decode_point(attr));
	}
}

static struct json_object *decode(const struct nlmsghdr *nlh)
{
	struct json_object *json = json_object_new_object();
	const struct nlattr **tb = nl_attrs(nlh);

	if (tb[LPAR_A_CUT_ID])
		json_put_u64(json, "id", mnl_attr_get_u32(tb[LPAR_A_CUT_ID]));
	if (tb[LPAR_A_CUT_ACTION])
		json_put(json, "action", cut_action_name(mnl_attr_get_u32(tb[LPAR_A_CUT_ACTION])));
	if (tb[LPAR_A_CUT_STATE])
		json_put(json, "state", cut_state_name(mnl_attr_get_u32(tb[LPAR_A_CUT_STATE])));
	if (tb[LPAR_A_CUT_DEADLINE_NS])
		json_put_u64(json, "deadline_ns", mnl_attr_get_u64(tb[LPAR_A_CUT_DEADLINE_NS]));
	if (tb[LPAR_A_CUT_SKEW_NS])
		json_put_u64(json, "skew_ns", mnl_attr_get_u64(tb[LPAR_A_CUT_SKEW_NS]));
	json_object_object_add(json, "lpars", json_object_new_array());
	json_object_object_add(json, "points", json_object_new_array());
	return json;
}

/* The first message about a cut has its state, those that follow have not. */
static int on_part(const struct nlmsghdr *nlh, void *data)
{
	struct json_object *cuts = data;
	size_t n;

	if (nl_attrs(nlh)[LPAR_A_CUT_STATE])
		json_object_array_add(cuts, decode(nlh));
	n = json_count(cuts);
	if (n)
		extend(json_object_array_get_idx(cuts, n - 1), nlh);
	return MNL_CB_OK;
}

struct json_object *cut_get(uint32_t id, int *error)
{
	struct nlmsghdr *nlh = nl_begin(&nl_lpar, LPAR_CMD_CUT_GET, NLM_F_DUMP);
	struct json_object *cuts = json_object_new_array();
	struct json_object *cut = NULL;

	mnl_attr_put_u32(nlh, LPAR_A_CUT_ID, id);
	*error = nl_send(nlh, on_part, cuts);
	if (!*error && !json_count(cuts))
		*error = -EBADMSG;
	if (!*error)
		cut = json_object_get(json_object_array_get_idx(cuts, 0));
	json_object_put(cuts);
	return cut;
}

/* From the deadline until the participant's work had its full effect. */
static const char *format_done(char *buf, size_t size, struct json_object *point)
{
	int64_t done = json_number(point, "done_ns");

	if (!done)
		return "";
	return format_time(buf, size,
			   done - json_number(point, "fired_ns") +
				   json_number(point, "latency_ns"));
}

static void point_row(struct json_object *point)
{
	char latency[32], done[32], count[32];
	const char *cell[] = {
		json_text(point, "kind"),
		json_text(point, "name"),
		format_time(latency, sizeof(latency), json_number(point, "latency_ns")),
		format_done(done, sizeof(done), point),
		count,
		json_number(point, "error") ? strerror(-json_number(point, "error")) : "ok",
	};

	snprintf(count, sizeof(count), "%" PRId64, json_number(point, "count"));
	table_row(cell, ARRAY_SIZE(cell));
}

static void print_points(struct json_object *points)
{
	static const char *const head[] = { "KIND", "NAME", "LATENCY", "DONE", "COUNT", "RESULT" };
	size_t i;

	if (!json_count(points))
		return;
	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(points); i++)
		point_row(json_at(points, i));
	table_print();
}

static void print_cut(struct json_object *cut)
{
	char when[64], skew[32];

	printf("cut %s: %s %s at %s", json_text(cut, "id"), json_text(cut, "action"),
	       json_text(cut, "state"),
	       format_instant(when, sizeof(when), json_number(cut, "deadline_ns")));
	if (!strcmp(json_text(cut, "state"), "fired"))
		printf(", skew %s", format_time(skew, sizeof(skew), json_number(cut, "skew_ns")));
	putchar('\n');
	print_points(json_object_object_get(cut, "points"));
}

/* Prints and frees. A participant that failed makes the cut fail. */
static int report_cut(struct json_object *cut)
{
	struct json_object *points = json_object_object_get(cut, "points");
	int ret = EXIT_OK;
	size_t i;

	for (i = 0; i < json_count(points); i++)
		if (json_number(json_at(points, i), "error"))
			ret = EXIT_FAILED;
	if (options.json) {
		json_print(cut);
	} else {
		print_cut(cut);
		json_object_put(cut);
	}
	return ret;
}

/* Its content does not matter: it is CUT_GET that knows. */
static int on_event(const struct nlmsghdr *nlh, void *data)
{
	(void)nlh;
	(void)data;
	return MNL_CB_OK;
}

/*
 * Ask the kernel after each event until the cut has fired. The socket was
 * subscribed before the cut was armed, so that no event can be missed.
 */
static int wait_cut(uint32_t id, uint64_t deadline_ns, struct mnl_socket *events)
{
	struct json_object *cut;
	int64_t left;
	int ret;

	for (;;) {
		cut = cut_get(id, &ret);
		if (ret)
			return cut_fail(id, ret);
		if (!strcmp(json_text(cut, "state"), "fired"))
			return report_cut(cut);
		if (!strcmp(json_text(cut, "state"), "cancelled"))
			break;
		json_object_put(cut);
		left = deadline_ns + FIRE_GRACE_NS - now_ns(CLOCK_REALTIME);
		if (left <= 0) {
			err("cut %" PRIu32 " did not fire", id);
			return EXIT_TIMEOUT;
		}
		nl_receive(events, left / NSEC_PER_MSEC + 1, on_event, NULL);
	}
	json_object_put(cut);
	err("cut %" PRIu32 " was cancelled", id);
	return EXIT_FAILED;
}

/* Takes the request away, whoever made it. */
static int cancel(uint32_t id)
{
	struct nlmsghdr *nlh = nl_request(LPAR_CMD_CUT_CANCEL, NULL);

	mnl_attr_put_u32(nlh, LPAR_A_CUT_ID, id);
	return nl_send(nlh, NULL, NULL);
}

/* One that is being armed or finished is neither to be cancelled nor over. */
static void cancel_surely(uint32_t id)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + CANCEL_PATIENCE_NS;
	int ret = cancel(id);

	while ((ret == -EAGAIN || ret == -EINPROGRESS) && now_ns(CLOCK_MONOTONIC) < end) {
		usleep(CANCEL_AGAIN_US);
		ret = cancel(id);
	}
	if (ret == -EAGAIN || ret == -EINPROGRESS)
		err("cut %" PRIu32
		    " has fired, and its disks do not answer: states cut-... that it takes stay, see 'lparctl cut show'",
		    id);
}

/*
 * The request of this instant that is armed for this LPAR, or was, as long as the kernel remembers
 * it; NULL if there is none. Whoever has armed it may have been killed before he got to know its
 * number; and a number may be another's once the module was loaded anew.
 */
struct json_object *cut_find(const char *lpar, uint64_t deadline_ns)
{
	struct json_object *cuts = json_object_new_array(), *cut = NULL;
	size_t i;

	nl_dump(LPAR_CMD_CUT_GET, on_part, cuts);
	for (i = 0; !cut && i < json_count(cuts); i++)
		if ((uint64_t)json_number(json_at(cuts, i), "deadline_ns") == deadline_ns &&
		    json_is_among(json_object_object_get(json_at(cuts, i), "lpars"), lpar))
			cut = json_object_get(json_at(cuts, i));
	json_object_put(cuts);
	return cut;
}

/* Takes it away, if it is armed. */
void cut_cancel_of(const char *lpar, uint64_t deadline_ns)
{
	struct json_object *cut = cut_find(lpar, deadline_ns);

	if (!strcmp(json_text(cut, "state"), "armed"))
		cancel_surely(json_number(cut, "id"));
	json_object_put(cut);
}

struct arm {
	const char *at; /* as given */
	uint64_t deadline_ns;
	uint32_t id;
	int action;
	bool no_wait;
	char *lpars; /* NAME,NAME...; cut at its commas */
};

/* --lpar may be given more than once. */
static void add_lpars(struct arm *arm, const char *lpars)
{
	char *all = arm->lpars ? xprintf("%s,%s", arm->lpars, lpars) : xstrdup(lpars);

	free(arm->lpars);
	arm->lpars = all;
}

static int parse_arm(struct args *args, struct arm *arm)
{
	const char *value = "";

	while (args->argc) {
		if (next_option(args, "--at", &value)) {
			if (!value || parse_instant(value, &arm->deadline_ns))
				return usage("--at needs now, +TIME, @SECONDS or a date and time");
			arm->at = value;
		} else if (next_option(args, "--lpar", &value)) {
			if (!value)
				return usage("--lpar needs NAME[,NAME]...");
			add_lpars(arm, value);
		} else if (next_option(args, "--action", &value)) {
			arm->action = value ? cut_action_number(value) : -1;
			if (arm->action < 0)
				return usage("--action is close or open");
		} else if (next_flag(args, "--no-wait")) {
			arm->no_wait = true;
		} else {
			return usage("'%s' is unknown to cut", next_arg(args));
		}
	}
	if (!arm->at || !arm->lpars)
		return usage("cut --at INSTANT --lpar NAME[,NAME]...");
	return EXIT_OK;
}

struct armed {
	uint32_t id;
	uint64_t deadline_ns;
};

static int on_armed(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr **tb = nl_attrs(nlh);
	struct armed *armed = data;

	if (tb[LPAR_A_CUT_ID])
		armed->id = mnl_attr_get_u32(tb[LPAR_A_CUT_ID]);
	if (tb[LPAR_A_CUT_DEADLINE_NS])
		armed->deadline_ns = mnl_attr_get_u64(tb[LPAR_A_CUT_DEADLINE_NS]);
	return MNL_CB_OK;
}

/* Arm a cut for LPARs by their names. A deadline of 0 becomes the present instant. */
int cut_arm(int action, uint64_t *deadline_ns, const char *const *lpars, size_t n, uint32_t *id)
{
	struct nlmsghdr *nlh = nl_request(LPAR_CMD_CUT_ARM, NULL);
	struct armed armed = { .deadline_ns = *deadline_ns };
	size_t i;
	int ret;

	mnl_attr_put_u64(nlh, LPAR_A_CUT_DEADLINE_NS, *deadline_ns);
	mnl_attr_put_u32(nlh, LPAR_A_CUT_ACTION, action);
	for (i = 0; i < n; i++)
		if (!mnl_attr_put_strz_check(nlh, NL_REQUEST_BYTES, LPAR_A_CUT_LPAR, lpars[i])) {
			err("too many LPARs in one cut");
			return -E2BIG;
		}
	ret = nl_send(nlh, on_armed, &armed);
	*id = armed.id;
	*deadline_ns = armed.deadline_ns;
	if (ret)
		nl_fail("cut", ret);
	return ret;
}

static int send_arm(struct arm *arm)
{
	const char **names = xalloc((strlen(arm->lpars) + 1) * sizeof(*names));
	char *name, *rest;
	size_t n = 0;
	int ret;

	for (name = strtok_r(arm->lpars, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
		names[n++] = name;
	/* +TIME counts from here: getting ready must not eat it up. */
	parse_instant(arm->at, &arm->deadline_ns);
	ret = cut_arm(arm->action, &arm->deadline_ns, names, n, &arm->id);
	free(names);
	return ret == -ETIMEDOUT ? EXIT_TIMEOUT : ret ? EXIT_FAILED : EXIT_OK;
}

static void report_armed(const struct arm *arm)
{
	struct json_object *json;
	char when[64];

	say("cut %" PRIu32 ": %s armed for %s", arm->id, cut_action_name(arm->action),
	    format_instant(when, sizeof(when), arm->deadline_ns));
	if (!options.json)
		return;
	json = json_object_new_object();
	json_put_u64(json, "id", arm->id);
	json_put(json, "action", cut_action_name(arm->action));
	json_put(json, "state", "armed");
	json_put_u64(json, "deadline_ns", arm->deadline_ns);
	json_print(json);
}

/* cut --at INSTANT --lpar NAME[,NAME]... [--action close|open] [--no-wait] */
int cut_arm_verb(struct args *args)
{
	struct arm arm = { .action = LPAR_CUT_CLOSE };
	struct mnl_socket *events = NULL;
	int ret = parse_arm(args, &arm);

	if (!ret && !arm.no_wait)
		events = nl_subscribe(&nl_lpar);
	if (!ret)
		ret = send_arm(&arm);
	if (!ret && events)
		ret = wait_cut(arm.id, arm.deadline_ns, events);
	else if (!ret)
		report_armed(&arm);
	if (events)
		mnl_socket_close(events);
	free(arm.lpars);
	return ret;
}

static int parse_id(struct args *args, uint32_t *id)
{
	const char *word = next_arg(args);
	uint64_t value;

	if (!word || args->argc || parse_uint(word, UINT32_MAX, &value))
		return usage("the number of one cut is needed: see cut list");
	*id = value;
	return EXIT_OK;
}

int cut_cancel_verb(struct args *args)
{
	uint32_t id;
	int ret = parse_id(args, &id);

	if (ret)
		return ret;
	ret = cancel(id);
	return ret ? cut_fail(id, ret) : EXIT_OK;
}

int cut_show_verb(struct args *args)
{
	struct json_object *cut;
	uint32_t id;
	int ret = parse_id(args, &id);

	if (ret)
		return ret;
	cut = cut_get(id, &ret);
	if (ret)
		return cut_fail(id, ret);
	report_cut(cut);
	return EXIT_OK;
}

static void cut_row(struct json_object *cut)
{
	struct json_object *lpars = json_object_object_get(cut, "lpars");
	bool fired = !strcmp(json_text(cut, "state"), "fired");
	char when[64], skew[32], names[1024] = "";
	const char *cell[] = {
		json_text(cut, "id"),
		json_text(cut, "state"),
		json_text(cut, "action"),
		format_instant(when, sizeof(when), json_number(cut, "deadline_ns")),
		fired ? format_time(skew, sizeof(skew), json_number(cut, "skew_ns")) : "",
		names,
	};
	size_t i, len = 0;

	for (i = 0; i < json_count(lpars) && len < sizeof(names); i++)
		len += snprintf(names + len, sizeof(names) - len, i ? ",%s" : "%s",
				json_text_at(lpars, i));
	table_row(cell, ARRAY_SIZE(cell));
}

int cut_list_verb(struct args *args)
{
	static const char *const head[] = { "ID", "STATE", "ACTION", "DEADLINE", "SKEW", "LPARS" };
	struct json_object *cuts = json_object_new_array();
	size_t i;
	int ret;

	if (args->argc)
		return usage("cut list takes no arguments");
	ret = nl_dump(LPAR_CMD_CUT_GET, on_part, cuts);
	if (ret) {
		json_object_put(cuts);
		return nl_fail("cut list", ret);
	}
	if (options.json) {
		json_print(cuts);
		return EXIT_OK;
	}
	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(cuts); i++)
		cut_row(json_at(cuts, i));
	table_print();
	json_object_put(cuts);
	return EXIT_OK;
}
