// SPDX-License-Identifier: GPL-2.0
/*
 * What QEMU says of a guest before it is stopped: whether it can be had back as it is, and
 * what of it a saved state will not have. Runs in threads: no netlink here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_tun.h>

#include "cluster/cluster.h"

#define CLASS_ETHERNET 0x0200 /* of PCI */

/* Only these can be had back as they were. */
int guest_note_status(struct guest *guest)
{
	struct json_object *info;
	const char *status;
	int ret = guest_call(guest, "query-status", NULL, -1, &info);

	if (ret)
		return ret;
	status = json_text(info, "status");
	guest->ran = !strcmp(status, "running");
	if (!guest->ran && strcmp(status, "paused") && strcmp(status, "prelaunch")) {
		snprintf(
			guest->why, sizeof(guest->why),
			"its state is '%.32s': only one that runs, or is paused, can be saved or moved",
			status);
		ret = -EBUSY;
	}
	json_object_put(info);
	return ret;
}

/* Somebody's migration is not for us to spoil; what cannot be saved is told before all stand. */
static int check_migration(struct guest *guest)
{
	struct json_object *info, *reasons;
	int ret = guest_call(guest, "query-migrate", NULL, -1, &info);

	if (ret)
		return ret;
	reasons = json_object_object_get(info, "blocked-reasons");
	if (migration_is_busy(info))
		snprintf(guest->why, sizeof(guest->why),
			 "it migrates: wait until that is over, or cancel it");
	else if (json_count(reasons))
		snprintf(guest->why, sizeof(guest->why), "QEMU cannot save it: %.200s",
			 json_text_at(reasons, 0));
	if (migration_is_busy(info) || json_count(reasons))
		ret = -EBUSY;
	json_object_put(info);
	return ret;
}

static int note_bandwidth(struct guest *guest)
{
	struct json_object *info;
	int ret = guest_call(guest, "query-migrate-parameters", NULL, -1, &info);

	if (ret)
		return ret;
	guest->bandwidth = json_number(info, "max-bandwidth");
	guest->downtime_ms = json_number(info, "downtime-limit");
	json_object_put(info);
	return 0;
}

/*
 * A stream to a file has all of the guest in the one format that is loaded again, and nobody is
 * asked before it ends: its guests would stand until the caller's time is over.
 */
static bool spoils_save(const char *capability)
{
	static const char *const bad[] = {
		"background-snapshot",	   "compress", "mapped-ram",	 "multifd",
		"pause-before-switchover", "x-colo",   "x-ignore-shared"
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		if (!strcmp(bad[i], capability))
			return true;
	return false;
}

static int check_capabilities(struct guest *guest)
{
	struct json_object *list;
	size_t i;
	int ret = guest_call(guest, "query-migrate-capabilities", NULL, -1, &list);

	for (i = 0; !ret && i < json_count(list); i++) {
		const char *name = json_text(json_at(list, i), "capability");

		if (!json_flag(json_at(list, i), "state"))
			continue;
		guest->pauses |= !strcmp(name, "pause-before-switchover");
		if (guest->session->kind != SESSION_SAVE || !spoils_save(name))
			continue;
		snprintf(guest->why, sizeof(guest->why),
			 "QEMU's %.64s is on: turn it off by 'migrate-set-capabilities' first",
			 name);
		ret = -EBUSY;
	}
	json_object_put(list);
	return ret;
}

/* The clock of a guest without it runs on while the guest stands. */
static bool has_kvmclock(struct guest *guest)
{
	struct json_object *cpus = NULL, *value = NULL, *path;
	bool has = false;

	if (guest_call(guest, "query-cpus-fast", NULL, -1, &cpus))
		return false;
	path = json_object_new_object();
	json_put(path, "path", json_text(json_at(cpus, 0), "qom-path"));
	json_put(path, "property", "kvmclock");
	if (!guest_call(guest, "qom-get", path, -1, &value))
		has = json_object_get_boolean(value);
	json_object_put(value);
	json_object_put(cpus);
	return has;
}

/* --- disks --- */

static bool is_known_disk(const struct guest *guest, struct json_object *block)
{
	const char *file = json_text(json_object_object_get(block, "inserted"), "file");
	int number = disk_number(block);
	size_t i;

	/* Who has started his QEMU himself may have given it anything. */
	if (number >= 0 && !guest->monitor)
		return (size_t)number < json_count(guest->disks);
	for (i = 0; i < json_count(guest->disks); i++)
		if (same_disk(json_text_at(guest->disks, i), file))
			return true;
	return false;
}

/* Flash is memory: it is in the stream, and written out again when that is loaded. */
static bool is_flash(struct json_object *block)
{
	return !strncmp(json_text(block, "device"), "pflash", 6) ||
	       !strncmp(json_text(block, "qdev"), "/machine/system.flash", 21);
}

/* A disk that was not saved would be another one for the guest that comes back. */
static int check_disks(struct guest *guest)
{
	struct json_object *blocks = NULL;
	size_t i;
	int ret = guest_call(guest, "query-block", NULL, -1, &blocks);

	for (i = 0; !ret && i < json_count(blocks); i++) {
		struct json_object *block = json_at(blocks, i);
		struct json_object *inserted = json_object_object_get(block, "inserted");

		if (!inserted || json_flag(inserted, "ro") || is_flash(block) ||
		    is_known_disk(guest, block))
			continue;
		snprintf(
			guest->why, sizeof(guest->why),
			"its disk %.150s is none of its LPAR: name it by disk=, as a snapsync volume",
			json_text(inserted, "file"));
		ret = -EBUSY;
	}
	json_object_put(blocks);
	return ret;
}

/* --- netdevs --- */

static size_t count_nics(struct json_object *devices)
{
	size_t i, n = 0;

	for (i = 0; i < json_count(devices); i++) {
		struct json_object *device = json_at(devices, i);

		n += json_number(json_object_object_get(device, "class_info"), "class") ==
		     CLASS_ETHERNET;
		n += count_nics(json_object_object_get(json_object_object_get(device, "pci_bridge"),
						       "devices"));
	}
	return n;
}

/* QEMU's own tap goes with it, and the next one is in no bridge. */
static bool is_persistent(const char *netdev)
{
	char path[128], flags[32];

	snprintf(path, sizeof(path), "/sys/class/net/%s/tun_flags", netdev);
	return read_text(path, flags, sizeof(flags)) || strtoul(flags, NULL, 16) & IFF_PERSIST;
}

static int check_nics(struct guest *guest)
{
	struct json_object *buses;
	size_t i, n = 0;
	int ret = guest_call(guest, "query-pci", NULL, -1, &buses);

	if (ret)
		return ret;
	for (i = 0; i < json_count(buses); i++)
		n += count_nics(json_object_object_get(json_at(buses, i), "devices"));
	json_object_put(buses);
	if (n > guest->n_netdevs)
		json_add(
			guest->warnings,
			"has %zu NICs and %zu taps: frames of the others are neither held nor saved",
			n, guest->n_netdevs);
	for (i = 0; i < guest->n_netdevs; i++)
		if (!is_persistent(guest->netdev[i].name))
			json_add(
				guest->warnings,
				"has a tap %s that QEMU has made: it is down and in no bridge after a restore, unless a script of QEMU's sees to that, or 'ip tuntap add' makes it before",
				guest->netdev[i].name);
	return 0;
}

/* --- versions --- */

static bool is_word(const char *text)
{
	return *text && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789._-") == strlen(text);
}

/* Of QEMU, and of the machine type. */
int guest_note_versions(struct guest *guest)
{
	struct json_object *version, *number, *type, *path = json_object_new_object();
	char *end;
	int ret = guest_call(guest, "query-version", NULL, -1, &version);

	if (ret) {
		json_object_put(path);
		return ret;
	}
	number = json_object_object_get(version, "qemu");
	snprintf(guest->qemu, sizeof(guest->qemu), "%d.%d.%d", (int)json_number(number, "major"),
		 (int)json_number(number, "minor"), (int)json_number(number, "micro"));
	json_object_put(version);
	json_put(path, "path", "/machine");
	json_put(path, "property", "type");
	ret = guest_call(guest, "qom-get", path, -1, &type);
	if (ret)
		return ret;
	snprintf(guest->machine, sizeof(guest->machine), "%s",
		 json_object_is_type(type, json_type_string) ? json_object_get_string(type) : "");
	json_object_put(type);
	end = strstr(guest->machine, "-machine");
	if (end)
		*end = 0;
	/* It becomes a line of an INI file. */
	if (is_word(guest->machine))
		return 0;
	snprintf(guest->why, sizeof(guest->why), "QEMU says no machine type");
	return -EBADMSG;
}

/* Before a save: what undo must know of, what restore needs, and whether it can be saved at all. */
int guest_inspect(struct guest *guest)
{
	int ret = guest_note_status(guest);

	if (!ret)
		ret = check_migration(guest);
	if (!ret)
		ret = check_disks(guest);
	if (!ret)
		ret = check_nics(guest);
	if (!ret)
		ret = note_bandwidth(guest);
	if (!ret)
		ret = check_capabilities(guest);
	if (!ret)
		ret = guest_note_versions(guest);
	if (!ret && !has_kvmclock(guest))
		json_add(guest->warnings, "has no kvm-clock: its clock will jump");
	return ret;
}
