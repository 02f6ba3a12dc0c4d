// SPDX-License-Identifier: GPL-2.0
/*
 * Disks that both hosts of a migration see: told apart by what is theirs in the whole world,
 * as their names, sizes and contents may be those of another disk at the other host.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cluster/move_check.h"

#define ID_CHARS 256

struct disk_facts {
	char id[ID_CHARS]; /* "" = it has none that would do */
	char sectors[24];
	bool read_only;
	bool is_dm;
};

/* One value of a disk, or of the whole one that it is a part of. */
static int read_fact(dev_t dev, const char *file, char *buf, size_t size)
{
	char path[PATH_MAX];

	return read_text(rooted(path, sizeof(path), "/sys/dev/block/%u:%u/%s", major(dev),
				minor(dev), file),
			 buf, size);
}

/* Not NVMe's made of a serial number, nor NAA's type 3, which whoever likes gives away. */
static bool is_unique(const char *id)
{
	static const char *const kinds[] = { "naa.", "eui.", "uuid." };
	size_t i;

	if (!strncmp(id, "naa.3", 5))
		return false;
	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(id, kinds[i], strlen(kinds[i])))
			return true;
	return false;
}

/*
 * A map of multipath is called by the name of its paths: SCSI's with its type as a digit, NVMe's
 * as it is.
 */
static void read_multipath(const char *uuid, char *id)
{
	char text[ID_CHARS];

	if (strncmp(uuid, "mpath-", 6))
		return;
	uuid += 6;
	if (*uuid == '3')
		snprintf(text, sizeof(text), "naa.%s", uuid + 1);
	else if (*uuid == '2')
		snprintf(text, sizeof(text), "eui.%s", uuid + 1);
	else
		snprintf(text, sizeof(text), "%s", uuid);
	if (is_unique(text))
		snprintf(id, ID_CHARS, "%s", text);
}

/* Where the device, and what a partition is a part of, have their names. */
static void read_id(dev_t dev, struct disk_facts *facts)
{
	static const char *const files[] = { "device/wwid", "wwid" };
	char start[24] = "", file[32], text[ID_CHARS] = "";
	bool is_part = !read_fact(dev, "partition", text, sizeof(text)) &&
		       !read_fact(dev, "start", start, sizeof(start));
	const char *up = is_part ? "../" : "";
	size_t i, len;

	for (i = 0; !*facts->id && i < ARRAY_SIZE(files); i++) {
		snprintf(file, sizeof(file), "%s%s", up, files[i]);
		if (!read_fact(dev, file, text, sizeof(text)) && is_unique(text))
			snprintf(facts->id, sizeof(facts->id), "%s", text);
	}
	if (!read_fact(dev, "dm/uuid", text, sizeof(text))) {
		facts->is_dm = true;
		read_multipath(text, facts->id);
	}
	len = strlen(facts->id);
	if (len && is_part)
		snprintf(facts->id + len, sizeof(facts->id) - len, " from sector %s", start);
}

static int read_facts(const char *path, struct disk_facts *facts)
{
	char text[8] = "";
	struct stat st;

	memset(facts, 0, sizeof(*facts));
	if (stat(path, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	read_id(st.st_rdev, facts);
	read_fact(st.st_rdev, "ro", text, sizeof(text));
	facts->read_only = !strcmp(text, "1");
	return read_fact(st.st_rdev, "size", facts->sectors, sizeof(facts->sectors));
}

static int refuse_unknown(const char *name, const char *path, const struct disk_facts *facts)
{
	err("guest %s: disk %s: %s, so the guest cannot move with it", name, path,
	    facts->is_dm
		    ? "it is a device of device mapper, which is this host's alone, unless multipath has made it of what has a WWID of type naa., eui. or uuid."
		    : "it has no name that no other disk has (a WWID of type naa., eui. or uuid.)");
	return -EOPNOTSUPP;
}

/* [{path, id, sectors}] of what it has claimed; to be put, also after a failure. */
int disks_note(const struct lpar *lpar, struct json_object **noted)
{
	struct disk_facts facts;
	size_t i;
	int ret = 0;

	*noted = json_object_new_array();
	for (i = 0; !ret && i < lpar->n_disks; i++) {
		struct json_object *disk = json_object_new_object();

		json_object_array_add(*noted, disk);
		ret = read_facts(lpar->disk[i], &facts);
		if (ret)
			err("guest %s: disk %s: %s", lpar->name, lpar->disk[i], strerror(-ret));
		else if (!*facts.id)
			ret = refuse_unknown(lpar->name, lpar->disk[i], &facts);
		json_put(disk, "path", lpar->disk[i]);
		json_put(disk, "id", facts.id);
		json_put(disk, "sectors", facts.sectors);
	}
	return ret;
}

static int compare_one(const char *name, const char *path, struct json_object *source)
{
	struct disk_facts facts;
	int ret = read_facts(path, &facts);

	if (ret) {
		err("guest %s: disk %s: %s here: both hosts have to see it", name, path,
		    strerror(-ret));
		return ret;
	}
	/* No name is none that both have. */
	if (!*facts.id || strcmp(facts.id, json_text(source, "id"))) {
		err("guest %s: disk %s is %s here, and %.128s at the source: its path has to be that of the same disk at both, as those of /dev/disk/by-id are",
		    name, path, *facts.id ? facts.id : "nothing with a WWID",
		    json_text(source, "id"));
		return -ENODEV;
	}
	if (strcmp(facts.sectors, json_text(source, "sectors"))) {
		err("guest %s: disk %s has %s sectors here, and %.24s at the source: let this host look again, as by 'echo 1' to its device/rescan",
		    name, path, facts.sectors, json_text(source, "sectors"));
		return -ENODEV;
	}
	if (!facts.read_only)
		return 0;
	err("guest %s: disk %s is read-only here", name, path);
	return -EROFS;
}

/* Is each the one that the source has told of? */
int disks_compare(const struct lpar_config *config, struct json_object *source)
{
	size_t i;
	int ret = 0;

	if (config->n_disks != json_count(source)) {
		err("LPAR %s: its description has %zu disks, and the guest %zu", config->name,
		    config->n_disks, json_count(source));
		return -EINVAL;
	}
	for (i = 0; !ret && i < config->n_disks; i++)
		ret = compare_one(config->name, config->disk[i], json_at(source, i));
	return ret;
}
