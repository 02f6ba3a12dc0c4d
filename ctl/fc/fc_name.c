// SPDX-License-Identifier: GPL-2.0
/*
 * World wide names and tokens as text, and the fc_hosts of this host.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fc/fc.h"

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Bytes as hex digits, all of them, with or without colons between them. */
static int parse_bytes(const char *text, uint8_t *bytes, size_t n)
{
	bool colons = strlen(text) == 3 * n - 1;
	size_t i;

	if (!colons && strlen(text) != 2 * n)
		return -EINVAL;
	for (i = 0; i < n; i++, text += 2) {
		if (colons && i && *text++ != ':')
			return -EINVAL;
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return -EINVAL;
		bytes[i] = hex_digit(text[0]) << 4 | hex_digit(text[1]);
	}
	return 0;
}

/* 20:01:00:00:00:00:00:01, 2001000000000001, or with 0x as in sysfs. */
int wwn_parse(const char *text, uint64_t *wwn)
{
	uint8_t bytes[sizeof(*wwn)];
	size_t i;

	if (!strncmp(text, "0x", 2))
		text += 2;
	if (parse_bytes(text, bytes, sizeof(bytes)))
		return -EINVAL;
	*wwn = 0;
	for (i = 0; i < sizeof(bytes); i++)
		*wwn = *wwn << 8 | bytes[i];
	return *wwn && *wwn != UINT64_MAX ? 0 : -EINVAL;
}

const char *wwn_format(char *buf, size_t size, uint64_t wwn)
{
	char *at = buf;
	int i;

	for (i = 7; i >= 0; i--)
		at += snprintf(at, size - (at - buf), "%02x%s",
			       (unsigned int)(wwn >> (8 * i) & 0xff), i ? ":" : "");
	return buf;
}

int token_parse(const char *text, uint8_t *token)
{
	return parse_bytes(text, token, FCNPIV_TOKEN_SIZE);
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
	return !strncmp(entry->d_name, "host", 4) && !is_virtual(entry->d_name);
}

static struct json_object *read_hosts(void)
{
	struct json_object *hosts = json_object_new_array();
	struct dirent **entry;
	char path[256];
	int i, n = scandir(rooted(path, sizeof(path), "/sys/class/fc_host"), &entry, is_host,
			   versionsort);

	for (i = 0; i < n; i++) {
		add_host(hosts, entry[i]->d_name);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return hosts;
}

/* list: adapters, and how many ports they have room for */
int fc_list_verb(struct args *args)
{
	static const char *const head[] = { "HOST",  "WWPN",	  "STATE",
					    "SPEED", "NPIV USED", "NPIV MAX" };
	struct json_object *hosts, *json;
	size_t i;

	if (args->argc)
		return usage("'%s' is unknown to fc list", next_arg(args));
	hosts = read_hosts();
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
