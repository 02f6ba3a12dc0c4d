// SPDX-License-Identifier: GPL-2.0
/*
 * Tokens as text, and the fc_hosts of this host.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

int token_parse(const char *text, uint8_t *token)
{
	return parse_hex(text, token, FCNPIV_TOKEN_SIZE);
}

const char *token_format(char *buf, size_t size, const uint8_t *token, size_t len)
{
	size_t i;

	*buf = 0;
	for (i = 0; i < len && 2 * i + 3 <= size; i++)
		snprintf(buf + 2 * i, 3, "%02x", token[i]);
	return buf;
}

/* --- fc_hosts --- */

static int read_host(const char *host, const char *file, char *buf, size_t size)
{
	char path[512];

	return read_text(rooted(path, sizeof(path), "/sys/class/fc_host/%s/%s", host, file), buf,
			 size);
}

/* A port of a port: its device is a child of the vport's. */
static bool is_virtual(const char *host)
{
	char path[512], *target;
	bool virtual;

	target = realpath(rooted(path, sizeof(path), "/sys/class/fc_host/%s", host), NULL);
	virtual = target && strstr(target, "/vport-");
	free(target);
	return virtual;
}

static int read_wwpn(const char *host, uint64_t *wwpn)
{
	char text[64];
	int ret = read_host(host, "port_name", text, sizeof(text));

	return ret ? ret : wwn_parse(text, wwpn);
}

/* The port name of the fc_host that a word means: its name, or hostN. */
int fc_parent(const char *word, uint64_t *wwpn)
{
	if (!wwn_parse(word, wwpn))
		return 0;
	if (strncmp(word, "host", 4) || strchr(word, '/'))
		return -EINVAL;
	return read_wwpn(word, wwpn);
}

static void put_file(struct json_object *json, const char *key, const char *host, const char *file)
{
	char text[128];

	if (!read_host(host, file, text, sizeof(text)))
		json_put(json, key, text);
}

static void add_host(struct json_object *hosts, const char *host)
{
	struct json_object *json = json_object_new_object();
	char text[32];
	uint64_t wwpn;

	json_put(json, "host", host);
	json_put_flag(json, "virtual", is_virtual(host));
	if (!read_wwpn(host, &wwpn))
		json_put(json, "wwpn", wwn_format(text, sizeof(text), wwpn));
	put_file(json, "state", host, "port_state");
	put_file(json, "speed", host, "speed");
	put_file(json, "npiv_in_use", host, "npiv_vports_inuse");
	put_file(json, "npiv_max", host, "max_npiv_vports");
	json_object_array_add(hosts, json);
}

static int is_host(const struct dirent *entry)
{
	return !strncmp(entry->d_name, "host", 4);
}

static int is_adapter(const struct dirent *entry)
{
	return is_host(entry) && !is_virtual(entry->d_name);
}

/* The adapters, or all ports, as "fc list" shows them. */
struct json_object *fc_hosts(bool all)
{
	struct json_object *hosts = json_object_new_array();
	struct dirent **entry;
	char path[256];
	int i, n = scandir(rooted(path, sizeof(path), "/sys/class/fc_host"), &entry,
			   all ? is_host : is_adapter, versionsort);

	for (i = 0; i < n; i++) {
		add_host(hosts, entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return hosts;
}

/* For so many more ports, if it has a link. */
int64_t fc_room(struct json_object *host)
{
	if (json_flag(host, "virtual") || strcmp(json_text(host, "state"), "Online"))
		return 0;
	return json_number(host, "npiv_max") - json_number(host, "npiv_in_use");
}

/* That which has room for most ports; NULL: none has. */
struct json_object *fc_best_host(struct json_object *hosts)
{
	struct json_object *best = NULL, *host;
	size_t i;

	for (i = 0; i < json_count(hosts); i++) {
		host = json_at(hosts, i);
		if (fc_room(host) > (best ? fc_room(best) : 0))
			best = host;
	}
	return best;
}

/* The adapter that has a link and room for most ports; -ENODEV: none has. */
int fc_find_parent(uint64_t *wwpn)
{
	struct json_object *hosts = fc_hosts(false), *best = fc_best_host(hosts);
	int ret = best ? wwn_parse(json_text(best, "wwpn"), wwpn) : -ENODEV;

	json_object_put(hosts);
	return ret;
}

/* list [--all]: adapters, and how many ports they have room for; also virtual ports */
int fc_list_verb(struct args *args)
{
	static const char *const head[] = { "HOST",  "WWPN",	  "STATE",
					    "SPEED", "NPIV USED", "NPIV MAX" };
	bool all = next_flag(args, "--all");
	struct json_object *hosts, *json;
	size_t i;

	if (args->argc)
		return usage("'%s' is unknown to fc list", next_arg(args));
	hosts = fc_hosts(all);
	if (options.json) {
		json_print(hosts);
		return EXIT_OK;
	}
	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(hosts); i++) {
		json = json_at(hosts, i);
		table_row((const char *const[]){ json_text(json, "host"), json_text(json, "wwpn"),
						 json_text(json, "state"), json_text(json, "speed"),
						 json_text(json, "npiv_in_use"),
						 json_text(json, "npiv_max") },
			  ARRAY_SIZE(head));
	}
	table_print();
	json_object_put(hosts);
	return EXIT_OK;
}

/* --- names for LPARs --- */

static void print_names(const char *lpar, const uint64_t *wwn)
{
	static const char *const keys[] = { "wwnn", "wwpn", "wwpn_maintenance" };
	static const char *const words[] = { "--wwnn", "--wwpn", "--wwpn-maintenance" };
	struct json_object *json = json_object_new_object();
	char text[WWN_CHARS + 1];
	int i;

	json_put(json, "lpar", lpar);
	for (i = 0; i < WWN_NAMES; i++)
		json_put(json, keys[i], wwn_format(text, sizeof(text), wwn[i]));
	if (options.json) {
		json_print(json);
		return;
	}
	for (i = 0; i < WWN_NAMES; i++)
		printf("%s %s%s", words[i], json_text(json, keys[i]),
		       i + 1 < WWN_NAMES ? " " : "\n");
	json_object_put(json);
}

/* generate LPAR [--new]: names of its own, the same ones each time */
int fc_generate_verb(struct args *args)
{
	const char *lpar = next_arg(args);
	uint64_t wwn[WWN_NAMES];
	bool new;

	if (!lpar || !name_is_valid(lpar))
		return usage("the name of an LPAR is missing");
	new = next_flag(args, "--new");
	if (args->argc)
		return usage("'%s' is unknown to fc generate", next_arg(args));
	if (wwns_give(lpar, new, wwn))
		return EXIT_FAILED;
	print_names(lpar, wwn);
	return EXIT_OK;
}
