// SPDX-License-Identifier: GPL-2.0
/*
 * World wide names that this host has given to LPARs, one line for each: LPAR,
 * node, original and maintenance name. Lines are only added: the storage may know
 * a name for longer than the LPAR lives.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

#define REGISTRY_DIR "/var/lib/lparkit"
#define REGISTRY REGISTRY_DIR "/wwn"

/*
 * IEEE extended names (NAA 2) with a locally administered address, which no
 * vendor gives to an adapter: 2, a number of 12 bits, 48 bits of the address.
 */
#define NAA_EXTENDED 0x2000000000000000ULL
#define NUMBER(n) ((uint64_t)(n) << 48)
#define ADDRESS_MASK 0x0000ffffffffffffULL
#define ADDRESS_LOCAL 0x0000020000000000ULL
#define ADDRESS_GROUP 0x0000010000000000ULL

enum {
	NODE,
	ORIGINAL,
	MAINTENANCE,
	NAMES,
};

struct names {
	char lpar[LPAR_NAME_MAX + 1];
	uint64_t wwn[NAMES];
};

static bool parse_line(const char *line, struct names *names)
{
	char text[NAMES][32];
	int i;

	if (sscanf(line, "%31s %31s %31s %31s", names->lpar, text[NODE], text[ORIGINAL],
		   text[MAINTENANCE]) != 4)
		return false;
	for (i = 0; i < NAMES; i++)
		if (wwn_parse(text[i], &names->wwn[i]))
			return false;
	return true;
}

/*
 * The names of an LPAR, the last ones given to it; -ENOENT when there are none,
 * -EBADMSG when a line is not understood: it may have a name that is not to be
 * given twice. *taken, unless it is NULL, tells whether this address was given.
 */
static int find(FILE *registry, const char *lpar, struct names *names, uint64_t address,
		bool *taken)
{
	struct names line;
	int ret = -ENOENT;
	char text[256];

	rewind(registry);
	if (taken)
		*taken = false;
	while (fgets(text, sizeof(text), registry)) {
		if (!parse_line(text, &line))
			return -EBADMSG;
		if (taken && (line.wwn[NODE] & ADDRESS_MASK) == address)
			*taken = true;
		if (strcmp(line.lpar, lpar))
			continue;
		*names = line;
		ret = 0;
	}
	return ret;
}

/* Opened and locked: two at a time would give the same names. Nobody else may lock it. */
static FILE *open_registry(void)
{
	char path[512];
	int fd;

	mkdir(rooted(path, sizeof(path), "%s", REGISTRY_DIR), 0755);
	fd = lock_file(rooted(path, sizeof(path), "%s", REGISTRY), LOCK_EX);
	if (fd >= 0)
		return fdopen(fd, "a+");
	err("%s: %s", path, strerror(-fd));
	return NULL;
}

/* It is on disk before anybody uses it. */
static int add(FILE *registry, const struct names *names)
{
	fprintf(registry, "%s %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n", names->lpar,
		names->wwn[NODE], names->wwn[ORIGINAL], names->wwn[MAINTENANCE]);
	return fflush(registry) || fsync(fileno(registry)) ? -errno : 0;
}

static int generate(FILE *registry, const char *lpar, struct names *names)
{
	struct names other;
	uint64_t address;
	bool taken;
	int i, ret;

	do {
		if (getrandom(&address, sizeof(address), 0) != sizeof(address))
			return -EIO;
		address = (address & ADDRESS_MASK & ~ADDRESS_GROUP) | ADDRESS_LOCAL;
		ret = find(registry, lpar, &other, address, &taken);
		if (ret && ret != -ENOENT)
			return ret;
	} while (taken);
	snprintf(names->lpar, sizeof(names->lpar), "%s", lpar);
	for (i = 0; i < NAMES; i++)
		names->wwn[i] = NAA_EXTENDED | NUMBER(i) | address;
	return add(registry, names);
}

static void print(const struct names *names)
{
	static const char *const keys[] = { "wwnn", "wwpn", "wwpn_maintenance" };
	static const char *const words[] = { "--wwnn", "--wwpn", "--wwpn-maintenance" };
	struct json_object *json = json_object_new_object();
	char text[32];
	int i;

	json_put(json, "lpar", names->lpar);
	for (i = 0; i < NAMES; i++)
		json_put(json, keys[i], wwn_format(text, sizeof(text), names->wwn[i]));
	if (options.json) {
		json_print(json);
		return;
	}
	for (i = 0; i < NAMES; i++)
		printf("%s %s%s", words[i], json_text(json, keys[i]), i + 1 < NAMES ? " " : "\n");
	json_object_put(json);
}

/* generate LPAR [--new]: names of its own, the same ones each time */
int fc_generate_verb(struct args *args)
{
	const char *lpar = next_arg(args);
	struct names names;
	FILE *registry;
	bool new;
	int ret;

	if (!lpar || !name_is_valid(lpar))
		return usage("the name of an LPAR is missing");
	new = next_flag(args, "--new");
	if (args->argc)
		return usage("'%s' is unknown to fc generate", next_arg(args));
	registry = open_registry();
	if (!registry)
		return EXIT_FAILED;
	ret = find(registry, lpar, &names, 0, NULL);
	if (ret == -ENOENT || (!ret && new))
		ret = generate(registry, lpar, &names);
	fclose(registry);
	if (ret) {
		err("%s: %s", REGISTRY,
		    ret == -EBADMSG ? "a line is not understood; mend it by hand" : strerror(-ret));
		return EXIT_FAILED;
	}
	print(&names);
	return EXIT_OK;
}
