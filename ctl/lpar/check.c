// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl check: finds what would keep an LPAR from being activated before
 * anything is started. The INI files are compared with this host and with each
 * other without the kernel module; an LPAR that the module knows is checked by
 * it too.
 */
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/genetlink.h>

#include "lpar/lpar.h"

struct report {
	const char *name;
	const char *file; /* NULL: only the kernel knows it */
	struct json_object *problems;
};

/* All siblings of every CPU must be in: a shared core would be a shared cache. */
static void check_cores(struct report *report, const struct cpus *cpus)
{
	char list[LPAR_CPULIST_MAX + 1];
	struct cpus siblings, rest;
	unsigned int cpu;

	for (cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (!cpus_has(cpus, cpu))
			continue;
		if (core_cpus(cpu, &siblings))
			continue;
		cpus_andnot(&rest, &siblings, cpus);
		if (!cpus_empty(&rest))
			json_add(report->problems, "CPU %u is half a core: add its sibling %s", cpu,
				 cpus_format(list, sizeof(list), &rest));
	}
}

static void check_cpus(struct report *report, const struct lpar_config *config)
{
	char list[LPAR_CPULIST_MAX + 1];
	struct cpus cpus, online, offline;

	cpus_parse(config->cpus, &cpus);
	if (cpus_has(&cpus, 0))
		json_add(report->problems, "CPU 0 belongs to the host: leave it out");
	if (cpus_online(&online))
		online = cpus;
	cpus_andnot(&offline, &cpus, &online);
	if (!cpus_empty(&offline))
		json_add(report->problems, "CPU %s is not online",
			 cpus_format(list, sizeof(list), &offline));
	check_cores(report, &cpus);
	say_isolated(config->name, config->cpus);
}

static void check_pin(struct report *report, const struct lpar_config *config)
{
	char list[LPAR_CPULIST_MAX + 1];
	struct cpus cpus, pins;

	if (!config->guest.pin.cpus)
		return;
	cpus_parse(config->cpus, &cpus);
	cpus_parse(config->guest.pin.cpus, &pins);
	cpus_andnot(&pins, &pins, &cpus);
	if (!cpus_empty(&pins))
		json_add(report->problems, "vcpu-pin: CPU %s is not in cpus",
			 cpus_format(list, sizeof(list), &pins));
}

static void check_memory(struct report *report, const struct lpar_config *config)
{
	char path[PATH_MAX];

	if (config->memory % PIECE_BYTES)
		json_add(report->problems, "memory is no multiple of 2 MiB");
	if (config->node == LPAR_NODE_ANY)
		return;
	rooted(path, sizeof(path), "/sys/devices/system/node/node%d", config->node);
	if (access(path, F_OK))
		json_add(report->problems, "NUMA node %d does not exist", config->node);
}

static void check_disks(struct report *report, const struct lpar_config *config)
{
	struct stat st;
	size_t i;

	for (i = 0; i < config->n_disks; i++) {
		if (stat(config->disk[i], &st))
			json_add(report->problems, "disk %s: %s", config->disk[i], strerror(errno));
		else if (!S_ISBLK(st.st_mode))
			json_add(report->problems, "disk %s is no block device", config->disk[i]);
	}
}

static void check_file(struct report *report, const char *key, const char *path)
{
	if (path && access(path, R_OK))
		json_add(report->problems, "%s %s: %s", key, path, strerror(errno));
}

/* Kernels differ in who may open a persistent tap that has no owner: with some, everybody. */
static bool is_anybodys(const char *netdev)
{
	static const char *const keys[] = { "owner", "group" };
	char path[PATH_MAX], text[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/%s", netdev, keys[i]);
		if (read_text(path, text, sizeof(text)) || strcmp(text, "-1"))
			return false;
	}
	return true;
}

/* On another host than that of a root directory there may be others. */
static void check_nics(struct report *report, const struct lpar_config *config)
{
	const struct guest_config *guest = &config->guest;
	size_t i;

	for (i = 0; i < guest->n_nics && !*options.root; i++) {
		const char *netdev = guest->nic[i].netdev;

		if (!if_nametoindex(netdev))
			json_add(report->problems, "net %s: no such netdev", netdev);
		else if (is_anybodys(netdev))
			/* It keeps nobody from being started. */
			say("%s: net %s: a tap without an owner, which users may open on some kernels: 'ip tuntap add %s mode tap user root' makes one for root alone",
			    report->name, netdev, netdev);
	}
}

/* Names that an LPAR had, though it is gone, are how the storage knows it. */
static void check_wwns(struct report *report, const struct lpar_config *config)
{
	const struct fc_config *fc = &config->guest.fc;
	char text[WWN_CHARS + 1], owner[LPAR_NAME_MAX + 1];

	if (fc->parent && fc->parent != FC_PARENT_ANY && !wwn_is_here(fc->parent))
		json_add(report->problems, "fc-parent %s: this host has no such adapter",
			 wwn_format(text, sizeof(text), fc->parent));
	if (wwns_were_given(config, owner, sizeof(owner)))
		json_add(report->problems, "its world wide names were given to LPAR %s", owner);
}

/* The same node under another name is the same disk. */
bool same_disk(const char *a, const char *b)
{
	struct stat st_a, st_b;

	if (!strcmp(a, b))
		return true;
	return !stat(a, &st_a) && !stat(b, &st_b) && S_ISBLK(st_a.st_mode) &&
	       S_ISBLK(st_b.st_mode) && st_a.st_rdev == st_b.st_rdev;
}

static void check_disk_overlap(struct report *report, const struct lpar_config *a,
			       const struct lpar_config *b)
{
	size_t i, j;

	for (i = 0; i < a->n_disks; i++)
		for (j = 0; j < b->n_disks; j++)
			if (same_disk(a->disk[i], b->disk[j]))
				json_add(report->problems, "disk %s is also in LPAR %s (%s)",
					 a->disk[i], b->name, b->file);
}

static void check_nic_overlap(struct report *report, const struct lpar_config *a,
			      const struct lpar_config *b)
{
	const struct nic *nic = a->guest.nic, *other = b->guest.nic;
	char mac[MAC_CHARS + 1];
	size_t i, j;

	for (i = 0; i < a->guest.n_nics; i++) {
		for (j = 0; j < b->guest.n_nics; j++) {
			if (!strcmp(nic[i].netdev, other[j].netdev))
				json_add(report->problems, "netdev %s is also in LPAR %s (%s)",
					 nic[i].netdev, b->name, b->file);
			if (nic[i].has_mac && other[j].has_mac &&
			    !memcmp(nic[i].mac, other[j].mac, MAC_BYTES))
				json_add(report->problems, "MAC %s is also in LPAR %s (%s)",
					 mac_format(mac, nic[i].mac), b->name, b->file);
		}
	}
}

static void check_wwn_overlap(struct report *report, const struct lpar_config *a,
			      const struct lpar_config *b)
{
	uint64_t wwn = wwn_shared(&a->guest.fc, &b->guest.fc);
	char text[WWN_CHARS + 1];

	if (wwn)
		json_add(report->problems, "port name %s is also in LPAR %s (%s)",
			 wwn_format(text, sizeof(text), wwn), b->name, b->file);
}

/* Two QEMUs of one user may trace each other. */
static void check_user_overlap(struct report *report, const struct lpar_config *a,
			       const struct lpar_config *b)
{
	if (a->guest.user && b->given & KEY_OWNER_UID && a->guest.uid == b->owner_uid)
		json_add(report->problems, "user %s is also that of LPAR %s (%s)", a->guest.user,
			 b->name, b->file);
}

static void check_overlap(struct report *report, const struct lpar_config *a,
			  const struct lpar_config *b)
{
	char list[LPAR_CPULIST_MAX + 1];
	struct cpus cpus_a, cpus_b;

	cpus_parse(a->cpus, &cpus_a);
	cpus_parse(b->cpus, &cpus_b);
	if (cpus_intersect(&cpus_a, &cpus_b)) {
		cpus_and(&cpus_a, &cpus_a, &cpus_b);
		json_add(report->problems, "CPU %s is also in LPAR %s (%s)",
			 cpus_format(list, sizeof(list), &cpus_a), b->name, b->file);
	}
	check_disk_overlap(report, a, b);
	check_nic_overlap(report, a, b);
	check_wwn_overlap(report, a, b);
	check_user_overlap(report, a, b);
}

static void check_config(struct report *report, const struct lpar_config *config,
			 const struct site *site)
{
	size_t i;

	check_cpus(report, config);
	check_pin(report, config);
	check_memory(report, config);
	check_disks(report, config);
	check_nics(report, config);
	check_wwns(report, config);
	check_file(report, "kernel", config->guest.kernel);
	check_file(report, "initrd", config->guest.initrd);
	for (i = 0; i < site->n; i++)
		if (strcmp(site->config[i].name, config->name))
			check_overlap(report, config, &site->config[i]);
}

static int on_problem(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr *attr;

	mnl_attr_for_each(attr, nlh, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(attr) == LPAR_A_PROBLEM)
			json_add(((struct report *)data)->problems, "%s", mnl_attr_get_str(attr));
	return MNL_CB_OK;
}

/* As irqbalance does it, or a driver that sets its interrupts up anew. */
static void check_interrupts(struct report *report, const struct lpar *lpar)
{
	int irq = irqs_strayed(lpar->name, lpar->cpus);

	if (irq >= 0)
		json_add(
			report->problems,
			"interrupt %d may come to its CPUs again; keep irqbalance off them and run 'lparctl activate %s --host'",
			irq, lpar->name);
}

/* Pinned pages are not handed on; a disk that does not answer may have some for long. */
static void check_left(struct report *report, const struct lpar *lpar)
{
	char size[32];

	if (lpar->memory_left)
		json_add(
			report->problems,
			"%s of its memory are still pinned for a former holder, and it cannot be opened before they are let go; deactivate and activate it for other memory",
			format_size(size, sizeof(size), lpar->memory_left));
}

/* What the module says; an LPAR that holds its resources has passed already. */
static int check_kernel(struct report *report)
{
	struct lpar lpar;
	int ret = lpar_get(report->name, &lpar);

	if (!ret && lpar.state == LPAR_STATE_DEGRADED)
		json_add(report->problems, "it is degraded: %s", lpar.reason);
	if (!ret && !report->file)
		say_isolated(report->name, lpar.cpus);
	if (!ret)
		check_left(report, &lpar);
	if (!ret)
		check_interrupts(report, &lpar);
	if (!ret && !lpar_is_fenced(&lpar))
		ret = nl_send(nl_request(LPAR_CMD_CHECK, report->name), on_problem, report);
	lpar_free(&lpar);
	return ret;
}

/* Takes over the problems. */
static int print_report(const struct report *report, struct json_object *json)
{
	size_t i, n = json_count(report->problems);
	struct json_object *object = json_object_new_object();

	json_put(object, "name", report->name);
	if (report->file)
		json_put(object, "file", report->file);
	json_object_object_add(object, "problems", report->problems);
	json_object_array_add(json, object);
	if (!n)
		say("%s: ok", report->name);
	for (i = 0; i < n; i++)
		say("%s: %s", report->name, json_text_at(report->problems, i));
	return n ? EXIT_CHECK : EXIT_OK;
}

static int check_one(const char *name, const struct lpar_config *config, const struct site *site,
		     struct json_object *json)
{
	struct report report = { .name = name, .problems = json_object_new_array() };
	int ret = 0;

	if (config) {
		report.file = config->file;
		check_config(&report, config, site);
	}
	/* Another root is another host: this kernel knows nothing of it. */
	if (!config || (!*options.root && nl_available(&nl_lpar)))
		ret = check_kernel(&report);
	if (ret && !(config && ret == -ENOENT)) {
		err("LPAR %s: %s", name, nl_text(ret));
		json_object_put(report.problems);
		return EXIT_FAILED;
	}
	return print_report(&report, json);
}

/* What was captured of it; whoever reads JSON is not to take it for fine. */
static int report_unreadable(const char *name, const char *file, struct json_object *json)
{
	struct json_object *object = json_object_new_object(), *problems = json_object_new_array();

	json_add(problems, "%s", err_captured());
	err_capture(false);
	err("%s", json_text_at(problems, 0));
	json_put(object, "name", name);
	if (file)
		json_put(object, "file", file);
	json_object_object_add(object, "problems", problems);
	json_object_array_add(json, object);
	return EXIT_CHECK;
}

static bool is_file(const char *word)
{
	size_t len = strlen(word);

	return strchr(word, '/') || (len > 5 && !strcmp(word + len - 5, ".lpar"));
}

static int check_word(const char *word, const struct site *site, struct json_object *json)
{
	struct lpar_config config = { 0 };
	int ret;

	if (!is_file(word) && !config_exists(word))
		return check_one(word, NULL, site, json);
	err_capture(true);
	ret = config_load(&config, is_file(word) ? word : NULL, is_file(word) ? NULL : word);
	if (ret)
		ret = report_unreadable(is_file(word) ? "" : word, config.file, json);
	err_capture(false);
	if (ret == EXIT_OK)
		ret = check_one(config.name, &config, site, json);
	config_free(&config);
	return ret;
}

static int check_all(const struct site *site, struct json_object *json)
{
	int ret = EXIT_OK;
	size_t i;

	for (i = 0; i < site->n; i++) {
		int one = check_one(site->config[i].name, &site->config[i], site, json);

		ret = ret == EXIT_OK ? one : ret;
	}
	return ret;
}

static int check_words(struct args *args, const struct site *site, struct json_object *json)
{
	int ret = EXIT_OK;

	while (args->argc) {
		int one = check_word(next_arg(args), site, json);

		ret = ret == EXIT_OK ? one : ret;
	}
	return ret;
}

/* check [NAME|FILE]... */
int check_verb(struct args *args)
{
	struct json_object *json = json_object_new_array();
	struct site site;
	int ret;

	/* Nobody can say what a file with errors overlaps. */
	err_capture(true);
	ret = site_load(&site);
	if (ret)
		ret = report_unreadable("", site.n ? site.config[site.n - 1].file : NULL, json);
	err_capture(false);
	if (ret == EXIT_OK && args->argc)
		ret = check_words(args, &site, json);
	else if (ret == EXIT_OK)
		ret = check_all(&site, json);
	if (options.json)
		json_print(json);
	else
		json_object_put(json);
	site_free(&site);
	return ret;
}

/* What LPARs want of a node, or of all (LPAR_NODE_ANY), against what it can give them. */
static void check_sum(struct report *report, const struct site *site, int node, uint64_t has)
{
	char wanted[32], there[32], where[32] = "this host";
	uint64_t sum = 0;
	size_t i;

	has = memory_for_lpars(has);
	for (i = 0; i < site->n; i++)
		if ((node == LPAR_NODE_ANY || site->config[i].node == node) &&
		    __builtin_add_overflow(sum, site->config[i].memory, &sum))
			sum = UINT64_MAX;
	if (sum <= has)
		return;
	if (node != LPAR_NODE_ANY)
		snprintf(where, sizeof(where), "node %d", node);
	json_add(report->problems, "memory: %s has %s for LPARs, with this one they want %s", where,
		 format_size(there, sizeof(there), has), format_size(wanted, sizeof(wanted), sum));
}

/* Not that all of it is free now: that all of them can run together. */
static void check_room(struct report *report, const struct lpar_config *config,
		       const struct site *site)
{
	uint64_t has;

	if (config->node != LPAR_NODE_ANY && node_memory(config->node, &has))
		check_sum(report, site, config->node, has);
	if (host_memory(&has))
		check_sum(report, site, LPAR_NODE_ANY, has);
}

/* What it would have of the host, which may have been chosen for it. */
static void put_resources(struct json_object *json, const struct lpar_config *config)
{
	json_put(json, "cpus", config->cpus);
	json_put_u64(json, "memory", config->memory);
	if (config->node == LPAR_NODE_ANY)
		json_put(json, "node", "any");
	else
		json_put_s64(json, "node", config->node);
}

static int check_comer(const struct lpar_config *config, const struct site *site,
		       struct json_object *json)
{
	struct report report = { .name = config->name, .problems = json_object_new_array() };
	int ret;

	report.file = config->file;
	check_config(&report, config, site);
	check_room(&report, config, site);
	ret = print_report(&report, json);
	put_resources(json_at(json, json_count(json) - 1), config);
	return ret;
}

/*
 * Descriptions that are to come to this host, beside those that it has, and one another: what
 * is found of each goes into the array. Exit code.
 */
int check_comers(struct lpar_config *config, size_t n, struct json_object *json)
{
	struct site site = { 0 }, all;
	int ret = site_load(&site) ? EXIT_CHECK : EXIT_OK;
	size_t i;

	all.n = site.n + n;
	all.config = xalloc(all.n * sizeof(*all.config));
	if (site.n)
		memcpy(all.config, site.config, site.n * sizeof(*all.config));
	memcpy(all.config + site.n, config, n * sizeof(*all.config));
	for (i = 0; i < n && (ret == EXIT_OK || json_count(json)); i++) {
		int one = check_comer(&config[i], &all, json);

		ret = ret == EXIT_OK ? one : ret;
	}
	free(all.config);
	site_free(&site);
	return ret;
}

/* The same, and it is said. */
int check_comers_aloud(struct lpar_config *config, size_t n)
{
	struct json_object *json = json_object_new_array();
	int ret = check_comers(config, n, json);

	if (options.json)
		json_print(json);
	else
		json_object_put(json);
	return ret;
}
