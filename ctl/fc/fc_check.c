// SPDX-License-Identifier: GPL-2.0
/*
 * fc check: finds what would keep an identity from moving to another host. Nothing is changed,
 * here or there: the other host is asked by "fc list" and "fc show".
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

struct check {
	const char *lpar;
	struct fc_peer peer;
	struct json_object *identity;
	struct json_object *problems;
	struct json_object *unknown; /* what could not be found out */
};

static struct json_object *port(const struct check *check, const char *name)
{
	return json_object_object_get(check->identity, name);
}

static bool port_is(const struct check *check, const char *name, const char *state)
{
	return !strcmp(json_text(port(check, name), "state"), state);
}

static struct json_object *paths(const struct check *check, const char *name)
{
	return json_object_object_get(port(check, name), "paths");
}

/* --- this host --- */

static void check_operation(struct check *check)
{
	if (json_flag(check->identity, "away"))
		json_add(check->problems, "it lives on another host");
	if (strcmp(json_text(check->identity, "step"), "idle"))
		json_add(check->problems, "an operation is under way: %s",
			 json_text(check->identity, "step"));
}

static void check_original(struct check *check)
{
	struct json_object *original = port(check, "original");

	if (!port_is(check, "original", "active"))
		json_add(check->problems, "the original is not logged in here: it is %s",
			 json_text(original, "state"));
	else if (!json_count(paths(check, "original")))
		json_add(check->problems, "the original sees no disk");
	else if (!json_flag(original, "matches"))
		json_add(
			check->problems,
			"the original does not see just the LUNs that it should, or one of them does not run");
}

static bool is_same_lun(struct json_object *a, struct json_object *b)
{
	return !strcmp(json_text(a, "id"), json_text(b, "id")) &&
	       json_number(a, "sectors") == json_number(b, "sectors") &&
	       json_number(a, "block_size") == json_number(b, "block_size");
}

/* Each LUN that one port sees the other one has to see, too. */
static void compare_luns(struct check *check, const char *seen_by, const char *not_by)
{
	struct json_object *those = paths(check, seen_by), *others = paths(check, not_by);
	size_t i, j;

	for (i = 0; i < json_count(those); i++) {
		for (j = 0; j < json_count(others); j++)
			if (is_same_lun(json_at(those, i), json_at(others, j)))
				break;
		if (j == json_count(others))
			json_add(check->problems, "LUN %s (%s) is seen by the %s port only",
				 json_text(json_at(those, i), "id"),
				 json_text(json_at(those, i), "disk"), seen_by);
	}
}

/* Before it has logged in nobody can know what it sees. */
static void check_maintenance(struct check *check)
{
	if (port_is(check, "maintenance", "active")) {
		compare_luns(check, "original", "maintenance");
		compare_luns(check, "maintenance", "original");
	} else if (port_is(check, "maintenance", "absent")) {
		json_add(
			check->unknown,
			"what the maintenance name sees: 'lparctl fc login %s --maintenance' would show it",
			check->lpar);
	} else {
		json_add(check->problems, "the maintenance port is %s",
			 json_text(port(check, "maintenance"), "state"));
	}
}

static struct json_object *find_host(struct json_object *hosts, const char *wwpn)
{
	size_t i;

	for (i = 0; i < json_count(hosts); i++)
		if (!strcmp(json_text(json_at(hosts, i), "wwpn"), wwpn))
			return json_at(hosts, i);
	return NULL;
}

static void check_parent(struct check *check)
{
	const char *parent = json_text(check->identity, "parent");
	struct json_object *hosts = fc_hosts(false), *host = find_host(hosts, parent);

	if (!host)
		json_add(check->problems, "its adapter %s is not here", parent);
	else if (strcmp(json_text(host, "state"), "Online"))
		json_add(check->problems, "its adapter %s is %s", parent, json_text(host, "state"));
	else if (port_is(check, "maintenance", "absent") && fc_room(host) <= 0)
		json_add(check->problems, "its adapter %s has no room for another port", parent);
	json_object_put(hosts);
}

/* The number of a disk, as MAJOR:MINOR; "" if it is none. */
static const char *disk_dev(char *buf, size_t size, const char *path)
{
	struct stat st;

	*buf = 0;
	if (!stat(path, &st) && S_ISBLK(st.st_mode))
		snprintf(buf, size, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return buf;
}

static bool is_path(const struct check *check, const char *disk)
{
	struct json_object *all = paths(check, "original");
	char path[PATH_MAX], dev[64], wanted[64];
	size_t i;

	disk_dev(wanted, sizeof(wanted), disk);
	for (i = 0; *wanted && i < json_count(all); i++) {
		rooted(path, sizeof(path), "/sys/class/block/%s/dev",
		       json_text(json_at(all, i), "disk"));
		if (!read_text(path, dev, sizeof(dev)) && !strcmp(dev, wanted))
			return true;
	}
	return false;
}

/* A guest that has a path itself cannot be moved to another one. */
static void check_disks(struct check *check)
{
	struct lpar lpar;
	size_t i;

	if (!nl_available(&nl_lpar))
		return;
	if (!lpar_get(check->lpar, &lpar))
		for (i = 0; i < lpar.n_disks; i++)
			if (is_path(check, lpar.disk[i]))
				json_add(
					check->problems,
					"disk %s is a path of the original itself: the LPAR needs a map of device mapper over it, which can change over to another path",
					lpar.disk[i]);
	lpar_free(&lpar);
}

/* --- the other host --- */

/* Whoever has logged it in: an identity, sysfs, or a former move that has not ended. */
static void check_absent(struct check *check, struct json_object *hosts, const char *name,
			 const char *key)
{
	const char *wwpn = json_text(check->identity, key);
	struct json_object *host = find_host(hosts, wwpn);

	if (host)
		json_add(check->problems, "%s: the %s name %s is logged in there: %s",
			 check->peer.host, name, wwpn, json_text(host, "host"));
}

static bool is_name(const struct check *check, const char *wwpn)
{
	return !strcmp(wwpn, json_text(check->identity, "wwpn_original")) ||
	       !strcmp(wwpn, json_text(check->identity, "wwpn_maintenance"));
}

static bool has_same_names(const struct check *check, struct json_object *other)
{
	static const char *const keys[] = { "wwnn", "wwpn_original", "wwpn_maintenance" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (strcmp(json_text(check->identity, keys[i]), json_text(other, keys[i])))
			return false;
	return true;
}

static void check_identity(struct check *check, struct json_object *other)
{
	const char *lpar = json_text(other, "lpar");

	if (strcmp(lpar, check->lpar)) {
		if (is_name(check, json_text(other, "wwpn_original")) ||
		    is_name(check, json_text(other, "wwpn_maintenance")))
			json_add(check->problems, "%s: LPAR %s has one of its names there",
				 check->peer.host, lpar);
	} else if (!has_same_names(check, other)) {
		json_add(check->problems, "%s: its identity has other names there",
			 check->peer.host);
	} else if (strcmp(json_text(other, "step"), "idle")) {
		json_add(check->problems, "%s: an operation is under way there: %s",
			 check->peer.host, json_text(other, "step"));
	}
}

static int check_peer(struct check *check)
{
	struct json_object *hosts = fc_peer_ask(&check->peer, "list", "--all");
	struct json_object *identities = hosts ? fc_peer_ask(&check->peer, "show", NULL) : NULL;
	size_t i;

	if (identities) {
		check_absent(check, hosts, "original", "wwpn_original");
		check_absent(check, hosts, "maintenance", "wwpn_maintenance");
		if (!fc_best_host(hosts))
			json_add(check->problems, "%s: no adapter has a link and room for a port",
				 check->peer.host);
		for (i = 0; i < json_count(identities); i++)
			check_identity(check, json_at(identities, i));
	}
	json_object_put(hosts);
	json_object_put(identities);
	return identities ? 0 : -EIO;
}

/* --- the verb --- */

static void print_texts(const struct check *check, struct json_object *texts, const char *what)
{
	size_t i;

	for (i = 0; i < json_count(texts); i++)
		say("%s: %s%s", check->lpar, what, json_text_at(texts, i));
}

static int print_check(struct check *check)
{
	struct json_object *json = json_object_new_object();
	size_t n = json_count(check->problems);

	print_texts(check, check->problems, "");
	print_texts(check, check->unknown, "not known: ");
	if (!n)
		say("%s: ok", check->lpar);
	json_put(json, "lpar", check->lpar);
	if (check->peer.host)
		json_put(json, "peer", check->peer.host);
	json_object_object_add(json, "problems", json_object_get(check->problems));
	json_object_object_add(json, "unknown", json_object_get(check->unknown));
	if (options.json)
		json_print(json);
	else
		json_object_put(json);
	return n ? EXIT_CHECK : EXIT_OK;
}

/* Exit code of what could not be looked at. */
static int find_problems(struct check *check)
{
	int ret = fc_get(check->lpar, &check->identity);

	if (ret)
		return fc_fail(check->lpar, ret);
	check_operation(check);
	check_original(check);
	check_maintenance(check);
	check_parent(check);
	check_disks(check);
	return check->peer.host && check_peer(check) ? EXIT_FAILED : EXIT_OK;
}

static int run_check(struct check *check, int (*print)(struct check *check))
{
	int ret;

	check->problems = json_object_new_array();
	check->unknown = json_object_new_array();
	ret = find_problems(check);
	if (!ret)
		ret = print(check);
	json_object_put(check->identity);
	json_object_put(check->problems);
	json_object_put(check->unknown);
	return ret;
}

static int tell_problems(struct check *check)
{
	size_t i;

	for (i = 0; i < json_count(check->problems); i++)
		err("LPAR %s: %s", check->lpar, json_text_at(check->problems, i));
	return i ? EXIT_CHECK : EXIT_OK;
}

/* Before a move: only what is in its way is said. */
int fc_check_move(const char *lpar, const struct fc_peer *peer)
{
	struct check check = { .lpar = lpar, .peer = *peer };

	return run_check(&check, tell_problems);
}

static int parse_words(struct args *args, struct check *check)
{
	int ret = EXIT_OK;

	check->lpar = next_arg(args);
	if (!check->lpar || *check->lpar == '-')
		return usage("the name of an LPAR is missing");
	if (!name_is_valid(check->lpar))
		return usage("'%s' is no name of an LPAR", check->lpar);
	while (args->argc)
		if (!fc_peer_option(&check->peer, "--peer", args, &ret))
			return usage("'%s' is unknown to fc check", next_arg(args));
		else if (ret)
			return ret;
	return check->peer.via && !check->peer.host ? usage("--via is of no use without --peer")
						    : EXIT_OK;
}

/* check LPAR [--peer HOST [--via COMMAND]] */
int fc_check_verb(struct args *args)
{
	struct check check = { 0 };
	int ret = parse_words(args, &check);

	return ret ? ret : run_check(&check, print_check);
}
