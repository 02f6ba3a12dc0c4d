// SPDX-License-Identifier: GPL-2.0
/*
 * World wide names of LPARs: wwnn=, wwpn=, wwpn-maintenance= and fc-parent= of a description,
 * and the registry of those that this host has given to LPARs or has seen them have. It has a
 * line for each: LPAR, node, original and maintenance name. Lines are only added: the storage
 * may know a name for longer than the LPAR lives.
 */
#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

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

struct line {
	char lpar[LPAR_NAME_MAX + 1];
	uint64_t wwn[WWN_NAMES];
};

struct registry {
	char path[PATH_MAX];
	FILE *file;
	struct line *line;
	size_t n;
	long end; /* of the lines that are whole */
	bool open_ended; /* the last of them has no end of line */
};

/* --- descriptions --- */

static const char *set_wwn(uint64_t *wwn, const char *value)
{
	*wwn = 0;
	return *value && wwn_parse(value, wwn)
		       ? "is not a world wide name such as 20:01:00:00:00:00:00:01"
		       : NULL;
}

/* Of a key of a description; an empty value takes it back. Returns NULL, or what is wrong. */
const char *wwn_set(struct fc_config *fc, enum wwn which, const char *value)
{
	return set_wwn(&fc->wwn[which], value);
}

const char *fc_parent_set(struct fc_config *fc, const char *value)
{
	if (strcmp(value, "any"))
		return set_wwn(&fc->parent, value);
	fc->parent = FC_PARENT_ANY;
	return NULL;
}

static bool is_port(const struct fc_config *fc, uint64_t wwn)
{
	return wwn == fc->wwn[WWN_ORIGINAL] || wwn == fc->wwn[WWN_MAINTENANCE];
}

/* All of the names or none, each for itself, and an adapter for them. What is wrong is said. */
int wwns_check(const struct lpar_config *config)
{
	const struct fc_config *fc = &config->guest.fc;
	size_t i, n = 0;

	for (i = 0; i < WWN_NAMES; i++)
		n += !!fc->wwn[i];
	if (n && n < WWN_NAMES)
		err("LPAR %s: wwnn=, wwpn= and wwpn-maintenance= belong together", config->name);
	else if (n && !fc->parent)
		err("LPAR %s: its names need fc-parent=, the adapter that they are logged in at",
		    config->name);
	else if (n && fc->wwn[WWN_ORIGINAL] == fc->wwn[WWN_MAINTENANCE])
		err("LPAR %s: wwpn= and wwpn-maintenance= are the same", config->name);
	else if (n && is_port(fc, fc->parent))
		err("LPAR %s: a name of its own is that of fc-parent=", config->name);
	else
		return 0;
	return -EINVAL;
}

/* A port name that both have, or 0. */
uint64_t wwn_shared(const struct fc_config *a, const struct fc_config *b)
{
	size_t i;

	for (i = WWN_ORIGINAL; i < WWN_NAMES; i++)
		if (a->wwn[i] && is_port(b, a->wwn[i]))
			return a->wwn[i];
	return 0;
}

/* Has this host an fc_host of this name? Its virtual ports are some, too. */
bool wwn_is_here(uint64_t wwn)
{
	char pattern[PATH_MAX], text[64];
	bool found = false;
	uint64_t name;
	glob_t files;
	size_t i;

	rooted(pattern, sizeof(pattern), "/sys/class/fc_host/*/port_name");
	if (glob(pattern, 0, NULL, &files))
		return false;
	for (i = 0; i < files.gl_pathc && !found; i++)
		found = !read_text(files.gl_pathv[i], text, sizeof(text)) &&
			!wwn_parse(text, &name) && name == wwn;
	globfree(&files);
	return found;
}

static void write_names(FILE *to, const uint64_t *wwn)
{
	static const char *const keys[] = { "wwnn", "wwpn", "wwpn-maintenance" };
	char text[WWN_CHARS + 1];
	size_t i;

	for (i = 0; i < WWN_NAMES; i++)
		fprintf(to, "%s=%s\n", keys[i], wwn_format(text, sizeof(text), wwn[i]));
}

static bool is_written(const struct lpar_config *config)
{
	size_t i;

	for (i = 0; i < config->n_lines; i++)
		if (!strcmp(config->line[i].name, "wwpn"))
			return true;
	return false;
}

/* As lines of [guest], if the description does not have them. */
void wwns_write(FILE *to, const struct lpar_config *config)
{
	if (config->guest.fc.wwn[WWN_ORIGINAL] && !is_written(config))
		write_names(to, config->guest.fc.wwn);
}

/* --- the registry --- */

static bool parse_line(const char *text, struct line *line)
{
	char name[WWN_NAMES][32];
	int i;

	if (sscanf(text, "%31s %31s %31s %31s", line->lpar, name[WWN_NODE], name[WWN_ORIGINAL],
		   name[WWN_MAINTENANCE]) != 4)
		return false;
	for (i = 0; i < WWN_NAMES; i++)
		if (wwn_parse(name[i], &line->wwn[i]))
			return false;
	return true;
}

static void add_line(struct registry *registry, const struct line *line)
{
	registry->line = xrealloc(registry->line, (registry->n + 1) * sizeof(*registry->line));
	registry->line[registry->n++] = *line;
}

/*
 * -EBADMSG when a line is not understood: it may have a name that is not to be given twice. What
 * a full disk or a crash has left of the last one was given to nobody: it is none.
 */
static int read_lines(struct registry *registry)
{
	struct line line;
	char text[256];

	while (fgets(text, sizeof(text), registry->file)) {
		registry->open_ended = !strchr(text, '\n');
		if (registry->open_ended && !feof(registry->file))
			return -EBADMSG;
		if (parse_line(text, &line)) {
			add_line(registry, &line);
			registry->end += strlen(text);
		} else if (registry->open_ended) {
			registry->open_ended = false;
			break;
		} else {
			return -EBADMSG;
		}
	}
	return ferror(registry->file) ? -EIO : 0;
}

static int cut_off(struct registry *registry)
{
	return ftruncate(fileno(registry->file), registry->end) ? -errno : 0;
}

static void close_registry(struct registry *registry)
{
	if (registry->file)
		fclose(registry->file);
	free(registry->line);
}

static int registry_fail(const struct registry *registry, int error)
{
	err("%s: %s", registry->path,
	    error == -EBADMSG ? "a line is not understood; mend it by hand" : strerror(-error));
	return error;
}

/*
 * To be changed, and so locked: two at a time would give the same names. Nobody but root may
 * lock it. To be closed in either case.
 */
static int open_registry(struct registry *registry)
{
	char dir[PATH_MAX];
	int fd, ret;

	memset(registry, 0, sizeof(*registry));
	rooted(registry->path, sizeof(registry->path), "%s", REGISTRY);
	ret = make_dir(rooted(dir, sizeof(dir), "%s", REGISTRY_DIR), 0755);
	fd = ret ? ret : lock_file(registry->path, LOCK_EX);
	if (fd < 0)
		return registry_fail(registry, fd);
	registry->file = fdopen(fd, "a+");
	rewind(registry->file);
	ret = read_lines(registry);
	return ret ? registry_fail(registry, ret) : 0;
}

/* It is on disk before anybody uses it, and whole or not there. */
static int write_line(struct registry *registry, const struct line *line)
{
	int ret = cut_off(registry);

	if (ret)
		return registry_fail(registry, ret);
	fprintf(registry->file, "%s%s %016" PRIx64 " %016" PRIx64 " %016" PRIx64 "\n",
		registry->open_ended ? "\n" : "", line->lpar, line->wwn[WWN_NODE],
		line->wwn[WWN_ORIGINAL], line->wwn[WWN_MAINTENANCE]);
	if (fflush(registry->file) || fsync(fileno(registry->file)))
		ret = -errno;
	if (!ret)
		ret = sync_parent(registry->path);
	if (ret) {
		__fpurge(registry->file);
		cut_off(registry);
		return registry_fail(registry, ret);
	}
	add_line(registry, line);
	registry->end = ftell(registry->file);
	registry->open_ended = false;
	return 0;
}

/* The last names that an LPAR was given, or NULL. */
static const struct line *names_of(const struct registry *registry, const char *lpar)
{
	size_t i = registry->n;

	while (i--)
		if (!strcmp(registry->line[i].lpar, lpar))
			return &registry->line[i];
	return NULL;
}

static bool address_is_taken(const struct registry *registry, uint64_t address)
{
	size_t i, j;

	for (i = 0; i < registry->n; i++)
		for (j = 0; j < WWN_NAMES; j++)
			if ((registry->line[i].wwn[j] & ADDRESS_MASK) == address)
				return true;
	return false;
}

static int generate(struct registry *registry, const char *lpar)
{
	struct line line = { 0 };
	uint64_t address;
	int i;

	do {
		if (getrandom(&address, sizeof(address), 0) != sizeof(address))
			return registry_fail(registry, -EIO);
		address = (address & ADDRESS_MASK & ~ADDRESS_GROUP) | ADDRESS_LOCAL;
	} while (address_is_taken(registry, address));
	snprintf(line.lpar, sizeof(line.lpar), "%s", lpar);
	for (i = 0; i < WWN_NAMES; i++)
		line.wwn[i] = NAA_EXTENDED | NUMBER(i) | address;
	return write_line(registry, &line);
}

/* Names of its own, the same ones each time unless new ones are wanted. What fails is said. */
int wwns_give(const char *lpar, bool new, uint64_t *wwn)
{
	struct registry registry;
	int ret = open_registry(&registry);

	if (!ret && (new || !names_of(&registry, lpar)))
		ret = generate(&registry, lpar);
	if (!ret)
		memcpy(wwn, names_of(&registry, lpar)->wwn, sizeof(registry.line->wwn));
	close_registry(&registry);
	return ret;
}

/* With fc-parent= alone it has those that the registry gives. */
int wwns_complete(struct lpar_config *config)
{
	struct fc_config *fc = &config->guest.fc;

	return fc->parent && !fc->wwn[WWN_ORIGINAL] ? wwns_give(config->name, false, fc->wwn) : 0;
}

/* Another LPAR that has, or had, one of these port names; NULL: there is none. */
static const char *other_owner(const struct registry *registry, const struct lpar_config *config)
{
	const struct line *line = registry->line;
	size_t i;

	for (i = 0; i < registry->n; i++)
		if (strcmp(line[i].lpar, config->name) &&
		    (is_port(&config->guest.fc, line[i].wwn[WWN_ORIGINAL]) ||
		     is_port(&config->guest.fc, line[i].wwn[WWN_MAINTENANCE])))
			return line[i].lpar;
	return NULL;
}

/*
 * Whose were the names of a description? True, if another LPAR's, with its name. Without the
 * right to read the registry there is nothing to be said.
 */
bool wwns_were_given(const struct lpar_config *config, char *owner, size_t size)
{
	struct registry registry = { 0 };
	const char *other = NULL;

	if (!config->guest.fc.wwn[WWN_ORIGINAL])
		return false;
	rooted(registry.path, sizeof(registry.path), "%s", REGISTRY);
	registry.file = fopen(registry.path, "re");
	if (registry.file && !flock(fileno(registry.file), LOCK_SH) && !read_lines(&registry))
		other = other_owner(&registry, config);
	if (other)
		snprintf(owner, size, "%s", other);
	close_registry(&registry);
	return other;
}

/* The names of a description become those of its LPAR for ever. What is in the way is said. */
int wwns_claim(const struct lpar_config *config)
{
	const uint64_t *wwn = config->guest.fc.wwn;
	struct line line = { 0 };
	struct registry registry;
	const struct line *last;
	const char *other;
	int ret;

	if (!wwn[WWN_ORIGINAL])
		return 0;
	ret = open_registry(&registry);
	other = ret ? NULL : other_owner(&registry, config);
	last = ret ? NULL : names_of(&registry, config->name);
	if (other) {
		err("LPAR %s: its world wide names were given to LPAR %s, and the storage may still know them by that: see %s",
		    config->name, other, registry.path);
		ret = -EEXIST;
	} else if (!ret && (!last || memcmp(last->wwn, wwn, sizeof(last->wwn)))) {
		memcpy(line.wwn, wwn, sizeof(line.wwn));
		snprintf(line.lpar, sizeof(line.lpar), "%s", config->name);
		ret = write_line(&registry, &line);
	}
	close_registry(&registry);
	return ret;
}
