// SPDX-License-Identifier: GPL-2.0
/*
 * What is told of a cluster that was saved or restored: skews, pauses, frames.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/cluster.h"

/* Answers of all hosts to the last step go into the manifest. */
void cluster_keep_answers(struct cluster *cluster, const char *key)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	size_t i;

	for (i = 0; i < cluster->channels.n; i++)
		json_object_object_add(json_at(hosts, i), key,
				       json_object_get(cluster->channels.channel[i].answer));
}

struct range {
	int64_t first;
	int64_t last;
};

static void widen(struct range *range, int64_t value)
{
	if (!range->first || value < range->first)
		range->first = value;
	if (value > range->last)
		range->last = value;
}

/* The times at which gates acted on one host, and on all. */
void cluster_put_skew(struct cluster *cluster, const char *step)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	struct range all = { 0, 0 };
	int64_t error_ns = 0;
	size_t i, j;

	for (i = 0; i < json_count(hosts); i++) {
		struct json_object *host = json_at(hosts, i);
		struct json_object *answer = json_object_object_get(host, step);
		struct json_object *points =
			json_object_object_get(json_object_object_get(answer, "cut"), "points");
		const struct channel *channel = &cluster->channels.channel[i];
		struct range own = { 0, 0 };

		for (j = 0; j < json_count(points); j++) {
			struct json_object *point = json_at(points, j);
			int64_t fired = json_number(point, "fired_ns");

			if (strcmp(json_text(point, "kind"), "gate"))
				continue;
			widen(&own, fired);
			widen(&all, fired - channel->offset_ns);
		}
		json_put_s64(answer, "skew_ns", own.last - own.first);
		if (channel->error_ns > error_ns)
			error_ns = channel->error_ns;
	}
	json_put_s64(json_object_object_get(cluster->manifest, step), "skew_ns",
		     all.last - all.first);
	json_put_s64(json_object_object_get(cluster->manifest, step), "clock_error_ns", error_ns);
}

static struct json_object *find_point(struct json_object *cut, const char *name)
{
	struct json_object *points = json_object_object_get(cut, "points");
	size_t i;

	for (i = 0; i < json_count(points); i++) {
		struct json_object *point = json_at(points, i);

		if (!strcmp(json_text(point, "kind"), "gate") &&
		    !strcmp(json_text(point, "name"), name))
			return point;
	}
	return NULL;
}

struct json_object *cluster_saved_guests(struct json_object *host)
{
	return json_object_object_get(json_object_object_get(host, "description"), "guests");
}

static void put_cell(char *buf, size_t size, int64_t ns)
{
	if (ns)
		format_time(buf, size, ns);
	else
		snprintf(buf, size, "-");
}

/*
 * From the instant of a cut until QEMU stopped the guest or had it go on; less than 0 before
 * it, 0 for one that was paused.
 */
static int64_t since_cut(struct json_object *answer, const char *guest)
{
	int64_t halted = json_number(json_object_object_get(answer, "halted"), guest);

	return halted ? halted - json_number(json_object_object_get(answer, "cut"), "deadline_ns")
		      : 0;
}

/* The guest's clock ran on without it before it stood, and before its gate opened. */
static int64_t clock_jump(struct json_object *host, const char *guest)
{
	struct json_object *stop = json_object_object_get(host, "stop");
	struct json_object *resume = json_object_object_get(host, "resume");
	int64_t jump = 0;

	/* One that stood before is none of ours. */
	if (stop && since_cut(stop, guest) > 0)
		jump += since_cut(stop, guest);
	if (resume && since_cut(resume, guest) < 0)
		jump -= since_cut(resume, guest);
	return jump;
}

static int64_t gate_lateness(struct json_object *answer, const char *guest)
{
	return json_number(find_point(json_object_object_get(answer, "cut"), guest), "latency_ns");
}

/* A guest that is told to go on when its gate is open is as late as that. */
static int64_t lateness(struct json_object *host, const char *guest)
{
	struct json_object *stop = json_object_object_get(host, "stop");
	struct json_object *resume = json_object_object_get(host, "resume");
	int64_t late = 0;

	if (stop && gate_lateness(stop, guest) > late)
		late = gate_lateness(stop, guest);
	if (resume && gate_lateness(resume, guest) > late)
		late = gate_lateness(resume, guest);
	if (resume && since_cut(resume, guest) > late)
		late = since_cut(resume, guest);
	return late;
}

static int64_t pause_of(struct json_object *host)
{
	struct json_object *stop = json_object_object_get(host, "stop");
	struct json_object *resume = json_object_object_get(host, "resume");

	if (!stop || !resume)
		return 0;
	return json_number(json_object_object_get(resume, "cut"), "deadline_ns") -
	       json_number(json_object_object_get(stop, "cut"), "deadline_ns");
}

static void guest_row(struct json_object *host, struct json_object *guest)
{
	const char *name = json_text(guest, "name");
	char late[32], jump[32], pause[32], write[32], load[32], size[32], from[32], to[32];
	const char *cell[] = {
		name, json_text(host, "host"), late, jump, pause, write, load, size, from, to
	};

	put_cell(late, sizeof(late), lateness(host, name));
	put_cell(jump, sizeof(jump), clock_jump(host, name));
	put_cell(pause, sizeof(pause), pause_of(host));
	put_cell(write, sizeof(write), json_number(guest, "write_ns"));
	put_cell(load, sizeof(load),
		 json_number(json_object_object_get(json_object_object_get(host, "load"), "guests"),
			     name));
	snprintf(size, sizeof(size), "%.1f", json_number(guest, "state_bytes") / 1048576.0);
	snprintf(from, sizeof(from), "%" PRId64, json_number(guest, "frames_from_guest"));
	snprintf(to, sizeof(to), "%" PRId64, json_number(guest, "frames_to_guest"));
	table_row(cell, ARRAY_SIZE(cell));
}

static void print_guests(struct json_object *manifest)
{
	static const char *const head[] = { "GUEST", "HOST", "LATE", "JUMP",	   "PAUSE",
					    "SAVE",  "LOAD", "MIB",  "FRAMES-OUT", "FRAMES-IN" };
	struct json_object *hosts = json_object_object_get(manifest, "hosts");
	size_t i, j;

	table_row(head, ARRAY_SIZE(head));
	for (i = 0; i < json_count(hosts); i++) {
		struct json_object *host = json_at(hosts, i);
		struct json_object *guests = cluster_saved_guests(host);

		for (j = 0; j < json_count(guests); j++)
			guest_row(host, json_at(guests, j));
	}
	table_print();
}

/* Peers see them as lost on the wire; a buffer that is larger would have held them. */
void cluster_warn_lost(struct cluster *cluster)
{
	struct json_object *hosts = json_object_object_get(cluster->manifest, "hosts");
	size_t i, j;

	for (i = 0; i < json_count(hosts); i++) {
		struct json_object *guests = cluster_saved_guests(json_at(hosts, i));

		for (j = 0; j < json_count(guests); j++) {
			struct json_object *guest = json_at(guests, j);
			char *name = json_printable(json_object_object_get(guest, "name"));

			if (json_number(guest, "frames_lost"))
				err("warning: guest %s: %" PRId64
				    " frames were lost beyond the limits of its buffers: see 'lparctl netbuf set --limit-frames'",
				    name, json_number(guest, "frames_lost"));
			free(name);
		}
	}
}

void cluster_report(struct cluster *cluster, const char *step, const char *done)
{
	struct json_object *cut = json_object_object_get(cluster->manifest, step);
	char skew[32], error[32], when[64];

	if (options.json) {
		json_print(json_object_get(cluster->manifest));
		return;
	}
	printf("%s %s at %s, skew between all gates %s (clocks known to %s)\n", cluster->name, done,
	       format_instant(when, sizeof(when), json_number(cut, "at_ns")),
	       format_time(skew, sizeof(skew), json_number(cut, "skew_ns")),
	       format_time(error, sizeof(error), json_number(cut, "clock_error_ns")));
	print_guests(cluster->manifest);
}
