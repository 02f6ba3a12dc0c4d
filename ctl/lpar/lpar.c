// SPDX-License-Identifier: GPL-2.0
/*
 * Object lpar: the registry. Its verbs that run a guest are in run.c and guest.c.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lpar/lpar.h"

/* The words KEY VALUE ... of create and set. */
static int parse_keys(struct args *args, struct lpar_config *config)
{
	const char *key, *value, *why = NULL;
	int ret;

	while ((key = next_arg(args))) {
		value = next_arg(args);
		if (!value)
			return usage("the value of '%s' is missing", key);
		ret = config_set(config, key, value, &why);
		if (ret == -ENOENT)
			return usage("key '%s' is unknown", key);
		if (ret)
			return usage("%s '%s' %s", key, value, why);
	}
	return EXIT_OK;
}

static int create_from(const char *file, const char *name)
{
	struct lpar_config config = { 0 };
	int ret = config_load(&config, file, name);

	if (!ret) {
		ret = config_apply(LPAR_CMD_CREATE, &config, config.given);
		if (ret)
			lpar_fail(config.name, ret);
	}
	config_free(&config);
	return ret ? EXIT_FAILED : EXIT_OK;
}

static int apply_keys(enum lpar_cmd cmd, const char *name, struct args *args)
{
	struct lpar_config config;
	int ret;

	if (strlen(name) > LPAR_NAME_MAX)
		return usage("name '%s' is longer than %d", name, LPAR_NAME_MAX);
	config_init(&config, name);
	ret = parse_keys(args, &config);
	if (!ret) {
		ret = config_apply(cmd, &config, config.given);
		if (ret)
			ret = lpar_fail(name, ret);
	}
	config_free(&config);
	return ret;
}

/* create [NAME] -f FILE | create NAME [KEY VALUE]... */
int lpar_create_verb(struct args *args)
{
	const char *name = NULL, *file = NULL;

	if (args->argc && args->argv[0][0] != '-')
		name = next_arg(args);
	if (next_option(args, "-f", &file) || next_option(args, "--file", &file)) {
		if (!file || args->argc)
			return usage("create [NAME] -f FILE");
		return create_from(file, name);
	}
	if (!name)
		return usage("the name of the LPAR is missing");
	if (!args->argc && config_exists(name))
		return create_from(NULL, name);
	return apply_keys(LPAR_CMD_CREATE, name, args);
}

int lpar_set_verb(struct args *args)
{
	const char *name = next_arg(args);

	if (!name || !args->argc)
		return usage("set NAME KEY VALUE...");
	return apply_keys(LPAR_CMD_SET, name, args);
}

int lpar_delete_verb(struct args *args)
{
	const char *name;
	int ret;

	if (!args->argc)
		return usage("the name of the LPAR is missing");
	while ((name = next_arg(args))) {
		ret = nl_simple(LPAR_CMD_DELETE, name);
		if (ret)
			return lpar_fail(name, ret);
	}
	return EXIT_OK;
}

static const char *format_node(char *buf, size_t size, int32_t node)
{
	if (node == LPAR_NODE_ANY)
		return "any";
	snprintf(buf, size, "%d", node);
	return buf;
}

/* LPARs with what their guests say of themselves. */
struct view {
	struct lpars lpars;
	struct json_object **guest;
};

static void view_begin(struct view *view)
{
	view->guest = status_get_all(&view->lpars);
}

static void view_end(struct view *view)
{
	size_t i;

	for (i = 0; i < view->lpars.n; i++)
		json_object_put(view->guest[i]);
	free(view->guest);
	lpars_free(&view->lpars);
}

static void view_print_json(const struct view *view)
{
	struct json_object *array = json_object_new_array(), *json;
	size_t i;

	for (i = 0; i < view->lpars.n; i++) {
		json = lpar_json(&view->lpars.lpar[i]);
		json_object_object_add(json, "guest", json_object_get(view->guest[i]));
		json_object_array_add(array, json);
	}
	json_print(array);
}

static void list_row(const struct lpar *lpar, struct json_object *guest)
{
	char *status = json_printable(json_object_object_get(guest, "status"));
	char memory[32], node[16], members[16];
	const char *cell[] = {
		lpar->name,
		state_name(lpar->state),
		lpar->cpus,
		format_size(memory, sizeof(memory), lpar->memory),
		format_node(node, sizeof(node), lpar->node),
		gate_name(lpar->gate),
		members,
		status,
		lpar->stage.number ? lpar->stage.text : "",
		lpar->reason,
	};

	snprintf(members, sizeof(members), "%" PRIu32, lpar->members);
	table_row(cell, ARRAY_SIZE(cell));
	free(status);
}

static void list_table(const struct view *view)
{
	static const char *const head[] = { "NAME", "STATE",   "CPUS",	"MEMORY", "NODE",
					    "GATE", "MEMBERS", "GUEST", "STAGE",  "REASON" };
	size_t i;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < view->lpars.n; i++)
		list_row(&view->lpars.lpar[i], view->guest[i]);
	table_print();
}

int lpar_list_verb(struct args *args)
{
	struct view view = { 0 };
	int ret;

	if (args->argc)
		return usage("list takes no arguments: see show");
	ret = lpars_get(NULL, &view.lpars);
	if (ret) {
		lpars_free(&view.lpars);
		return nl_fail("list", ret);
	}
	view_begin(&view);
	if (options.json)
		view_print_json(&view);
	else
		list_table(&view);
	view_end(&view);
	return EXIT_OK;
}

static void show_pids(const char *key, const uint32_t *pids, size_t n)
{
	size_t i;

	printf("  %-13s", key);
	for (i = 0; i < n; i++)
		printf("%s%" PRIu32, i ? " " : "", pids[i]);
	puts(n ? "" : "-");
}

static void show_lists(const struct lpar *lpar)
{
	size_t i;

	show_pids("members", lpar->member, lpar->n_members);
	if (lpar->members > lpar->n_members)
		printf("  %-13sand %" PRIu32 " more\n", "",
		       lpar->members - (uint32_t)lpar->n_members);
	if (lpar->n_grants)
		show_pids("grants", lpar->grant, lpar->n_grants);
	for (i = 0; i < lpar->n_disks; i++)
		printf("  %-13s%s\n", i ? "" : "disks", lpar->disk[i]);
}

static void show_guest(struct json_object *guest)
{
	char *text = guest ? status_text(guest) : NULL;

	if (text)
		printf("  guest        %s\n", text);
	free(text);
}

static void show_stage(const struct stage *stage)
{
	char size[32];

	if (!stage->number)
		return;
	printf("  stage        %" PRIu32 " %s, %" PRIu32 " %%\n", stage->number, stage->text,
	       stage->progress);
	printf("  transfer     %.1f MiB/s, dirty %s\n", stage->transfer_rate / 1048576.0,
	       format_size(size, sizeof(size), stage->dirty_bytes));
}

static void show_gate(const struct lpar *lpar)
{
	char time[32];

	printf("  gate         %s, time-out %" PRIu32 " ms, vCPUs %" PRIu32 ", held %" PRIu32,
	       gate_name(lpar->gate), lpar->gate_timeout_ms, lpar->gate_vcpus, lpar->gate_held);
	if (lpar->gate_stop_ns)
		printf(", last stop %s", format_time(time, sizeof(time), lpar->gate_stop_ns));
	putchar('\n');
}

static void show_memory(const struct lpar *lpar)
{
	char size[32], node[16], adj[16];

	printf("  memory       %s, node %s", format_size(size, sizeof(size), lpar->memory),
	       format_node(node, sizeof(node), lpar->node));
	if (lpar->pages == LPAR_PAGES_LARGE)
		printf(", large pages only");
	if (lpar->memory_small)
		printf(", in 4 KiB pages %s", format_size(size, sizeof(size), lpar->memory_small));
	if (lpar->memory_bad)
		printf(", with hardware errors %s",
		       format_size(size, sizeof(size), lpar->memory_bad));
	if (lpar->memory_left)
		printf(", pinned for a former holder %s",
		       format_size(size, sizeof(size), lpar->memory_left));
	if (lpar->holder)
		printf(", held by %" PRIu32, lpar->holder);
	if (lpar->holder && !oom_read(lpar->holder, adj, sizeof(adj)))
		printf(" (oom_score_adj %s)", adj);
	printf(", owner %" PRIu32 ":%" PRIu32 "\n", lpar->owner_uid, lpar->owner_gid);
}

/* What the threads that are not pinned run on, as the kernel module decides it. */
static void pin_others(const struct lpar *lpar, struct cpus *others)
{
	struct cpus online;
	char path[PATH_MAX];
	size_t i;

	cpus_parse(lpar->cpus, others);
	for (i = 0; i < lpar->n_pins; i++)
		others->word[lpar->pin[i].cpu / 64] &= ~(1ULL << lpar->pin[i].cpu % 64);
	rooted(path, sizeof(path), "/sys/devices/system/cpu/online");
	if (!cpus_read(path, &online))
		cpus_and(others, others, &online);
	if (cpus_empty(others))
		cpus_parse(lpar->cpus, others);
}

/* Who has a CPU of its own, and what is left for the others. */
static void show_pins(const struct lpar *lpar)
{
	char list[LPAR_CPULIST_MAX + 1];
	struct cpus others;
	size_t i;

	if (!lpar->n_pins)
		return;
	printf("  vCPUs        ");
	for (i = 0; i < lpar->n_pins; i++)
		printf("%" PRIu32 " on CPU %" PRIu32 ", ", lpar->pin[i].vcpu, lpar->pin[i].cpu);
	pin_others(lpar, &others);
	printf("others on %s\n", cpus_format(list, sizeof(list), &others));
}

static void show_one(const struct lpar *lpar, struct json_object *guest)
{
	printf("%s: %s%s%s%s\n", lpar->name, state_name(lpar->state), *lpar->reason ? " (" : "",
	       lpar->reason, *lpar->reason ? ")" : "");
	printf("  cpus         %s, violations %" PRIu64 ", strays %" PRIu64 "\n",
	       *lpar->cpus ? lpar->cpus : "-", lpar->violations, lpar->strays);
	show_pins(lpar);
	show_memory(lpar);
	show_lists(lpar);
	show_guest(guest);
	show_gate(lpar);
	show_stage(&lpar->stage);
}

/* Those that are named, until one is not there, or all; exit code. */
static int find_lpars(struct args *args, struct lpars *lpars)
{
	const char *name;
	int ret = args->argc ? 0 : lpars_get(NULL, lpars);

	if (ret)
		return nl_fail("show", ret);
	while ((name = next_arg(args))) {
		ret = lpars_get(name, lpars);
		if (ret)
			return lpar_fail(name, ret);
	}
	return EXIT_OK;
}

/* show [NAME]... */
int lpar_show_verb(struct args *args)
{
	struct view view = { 0 };
	int ret = find_lpars(args, &view.lpars);
	size_t i;

	view_begin(&view);
	if (options.json && ret == EXIT_OK)
		view_print_json(&view);
	for (i = 0; !options.json && i < view.lpars.n; i++)
		show_one(&view.lpars.lpar[i], view.guest[i]);
	view_end(&view);
	return ret;
}

/* activate NAME [--host] */
int lpar_activate_verb(struct args *args)
{
	const char *name = next_arg(args);
	bool host = next_flag(args, "--host");
	struct lpar lpar;
	int ret;

	if (!name || args->argc)
		return usage("activate NAME [--host]");
	ret = lpar_get(name, &lpar);
	/* Interrupts that have come back are moved again. */
	if (!ret && !(host && lpar_is_fenced(&lpar)))
		ret = nl_simple(LPAR_CMD_ACTIVATE, name);
	if (ret)
		ret = lpar_fail(name, ret);
	else
		say_isolated(name, lpar.cpus);
	if (ret == EXIT_OK && host)
		irqs_move(name);
	lpar_free(&lpar);
	return ret;
}

/* By force also with members and a holder of the memory. */
int deactivate(const char *name, bool force)
{
	struct nlmsghdr *nlh = nl_request(LPAR_CMD_DEACTIVATE, name);

	if (force)
		mnl_attr_put(nlh, LPAR_A_FORCE, 0, NULL);
	return nl_send(nlh, NULL, NULL);
}

/* Exit code. */
static int deactivate_locked(const struct lpar *lpar, bool force)
{
	pid_t guest = lpar_guest_pid(lpar);
	int ret = deactivate(lpar->name, force);

	if (ret)
		return lpar_fail(lpar->name, ret);
	irqs_restore(lpar->name, lpar->cpus);
	if (guest)
		say("%s: its guest, pid %d, runs on outside of it until 'lparctl stop %s'",
		    lpar->name, guest, lpar->name);
	return EXIT_OK;
}

/* deactivate NAME [--force] */
int lpar_deactivate_verb(struct args *args)
{
	const char *name = next_arg(args);
	bool force = next_flag(args, "--force");
	struct lpar lpar;
	int lock, ret;

	if (!name || args->argc)
		return usage("deactivate NAME [--force]");
	ret = lpar_get(name, &lpar);
	if (ret)
		return lpar_fail(name, ret);
	/* Not between the activation of a start and its QEMU; what hangs is no reason to wait. */
	lock = lpar_lock(name);
	if (lock >= 0 || force)
		ret = deactivate_locked(&lpar, force);
	else
		ret = EXIT_FAILED;
	if (lock >= 0)
		close(lock);
	lpar_free(&lpar);
	return ret;
}
