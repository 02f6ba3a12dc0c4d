// SPDX-License-Identifier: GPL-2.0
/*
 * Whether a guest's CPU is the same at both hosts of a migration. It is not in QEMU's stream:
 * a guest that goes on without a feature that it has seen crashes. So each QEMU is asked what
 * the CPU that it has made can do, whatever cpu= and its host say.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/move_check.h"

/* Named in a message. */
#define NAMES_CHARS 256

static struct json_object *property_request(const char *cpu, const char *property)
{
	struct json_object *request = json_object_new_object();

	json_put(request, "path", cpu);
	if (property)
		json_put(request, "property", property);
	return request;
}

static int get_property(struct guest *guest, const char *cpu, const char *property,
			struct json_object **value)
{
	return guest_call(guest, "qom-get", property_request(cpu, property), -1, value);
}

/* QEMU's own switches begin with x-, and names with _ are others' second ones. */
static bool is_feature(struct json_object *property)
{
	const char *name = json_text(property, "name");

	return !strcmp(json_text(property, "type"), "bool") && strncmp(name, "x-", 2) &&
	       !strchr(name, '_');
}

static int note_features(struct guest *guest, const char *cpu, struct json_object *features)
{
	struct json_object *list, *value;
	size_t i;
	int ret = guest_call(guest, "qom-list", property_request(cpu, NULL), -1, &list);

	if (ret)
		return ret;
	for (i = 0; !ret && i < json_count(list); i++) {
		const char *name = json_text(json_at(list, i), "name");

		if (!is_feature(json_at(list, i)))
			continue;
		ret = get_property(guest, cpu, name, &value);
		if (ret)
			break;
		if (json_object_get_boolean(value))
			json_object_array_add(features, json_object_new_string(name));
		json_object_put(value);
	}
	json_object_put(list);
	return ret;
}

static int note_identity(struct guest *guest, const char *cpu, struct json_object *noted)
{
	struct json_object *value;
	int ret = get_property(guest, cpu, "vendor", &value);

	if (ret)
		return ret;
	json_object_object_add(noted, "vendor", value);
	ret = get_property(guest, cpu, "phys-bits", &value);
	if (!ret)
		json_object_object_add(noted, "phys_bits", value);
	return ret;
}

/*
 * {vendor, phys_bits, features} of its first CPU, which is as the others are; to be put, also
 * after a failure.
 */
int cpu_note(struct guest *guest, struct json_object **noted)
{
	struct json_object *cpus, *features = json_object_new_array();
	char *path;
	int ret;

	*noted = json_object_new_object();
	json_object_object_add(*noted, "features", features);
	ret = guest_call(guest, "query-cpus-fast", NULL, -1, &cpus);
	if (ret)
		return ret;
	path = xstrdup(json_text(json_at(cpus, 0), "qom-path"));
	json_object_put(cpus);
	ret = note_features(guest, path, features);
	if (!ret)
		ret = note_identity(guest, path, *noted);
	free(path);
	return ret;
}

static bool has_feature(struct json_object *features, const char *name)
{
	size_t i;

	for (i = 0; i < json_count(features); i++)
		if (!strcmp(json_text_at(features, i), name))
			return true;
	return false;
}

/* Those that one has and another has not, as many as there is room for; returns how many. */
static size_t name_missing(struct json_object *one, struct json_object *other, char *names,
			   size_t size)
{
	struct json_object *wanted = json_object_object_get(one, "features");
	struct json_object *there = json_object_object_get(other, "features");
	size_t i, n = 0, len = 0;

	*names = 0;
	for (i = 0; i < json_count(wanted); i++) {
		const char *name = json_text_at(wanted, i);

		if (has_feature(there, name))
			continue;
		n++;
		if (len + strlen(name) + 2 * sizeof(", ...") < size)
			len += snprintf(names + len, size - len, "%s%s", len ? ", " : "", name);
		else if (len && (len < 3 || strcmp(names + len - 3, "...")))
			len += snprintf(names + len, size - len, ", ...");
	}
	return n;
}

/* What is of no use to it here; with a message. */
static int check_identity(const struct guest *guest, struct json_object *here,
			  struct json_object *source)
{
	if (strcmp(json_text(here, "vendor"), json_text(source, "vendor"))) {
		err("guest %s: its CPU is one of %.32s here, and of %.32s at the source: a cpu= that names a model is the same everywhere",
		    guest->name, json_text(here, "vendor"), json_text(source, "vendor"));
		return -EPROTO;
	}
	if (json_number(here, "phys_bits") >= json_number(source, "phys_bits"))
		return 0;
	err("guest %s: its CPU has addresses of %d bits here, and of %d at the source: give it ',phys-bits=%d' in cpu=, and start it anew",
	    guest->name, (int)json_number(here, "phys_bits"), (int)json_number(source, "phys_bits"),
	    (int)json_number(here, "phys_bits"));
	return -EPROTO;
}

/*
 * Does its CPU have here what it has at the source? What it has here alone is no harm until it
 * is to go back: that is a warning.
 */
int cpu_compare(struct guest *guest, struct json_object *source)
{
	char names[NAMES_CHARS];
	struct json_object *here;
	size_t n;
	int ret = guest_failed(guest, "its CPU", cpu_note(guest, &here));

	if (!ret)
		ret = check_identity(guest, here, source);
	n = ret ? 0 : name_missing(source, here, names, sizeof(names));
	if (n) {
		err("guest %s: its CPU lacks here what it has at the source (%zu): %s: let cpu= name a model that both hosts can be, of 'qemu-system-x86_64 -cpu help', and start it anew",
		    guest->name, n, names);
		ret = -EPROTO;
	}
	n = ret ? 0 : name_missing(here, source, names, sizeof(names));
	if (n)
		json_add(
			guest->warnings,
			"has a CPU there with more than it has here (%zu): %s: it cannot move back until it is started anew here",
			n, names);
	json_object_put(here);
	return ret;
}
