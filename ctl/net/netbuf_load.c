// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl netbuf load: frames from a file, in front of those that are held.
 * The kernel keeps them aside until all have come.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "net/netbuf.h"
#include "net/pcapng.h"

/* What a part of a frame takes in a request beside its data. */
#define PART_BYTES 256

struct target {
	char name[NETBUF_IFNAME_MAX + 1]; /* "" = its frames are left out */
	uint64_t frames;
};

struct load {
	struct args *map; /* words FROM or FROM=TO; none = each to its own name */
	struct target *target; /* by the interface's number in the file */
	uint32_t n_targets;
	struct nlmsghdr *request; /* being filled, or NULL */
	uint32_t interface; /* whose frames are in it */
};

/* Where frames of a netdev in the file go; NULL when they are left out. */
static const char *map_name(const struct args *map, const char *name)
{
	size_t len = strlen(name);
	int i;

	for (i = 0; i < map->argc; i++) {
		if (strncmp(map->argv[i], name, len))
			continue;
		if (!map->argv[i][len])
			return name;
		if (map->argv[i][len] == '=')
			return map->argv[i] + len + 1;
	}
	return map->argc ? NULL : name;
}

static int on_interface(uint32_t number, const char *name, void *data)
{
	struct load *load = data;
	const char *to = map_name(load->map, name);

	load->target = xrealloc(load->target, (number + 1) * sizeof(*load->target));
	load->n_targets = number + 1;
	memset(&load->target[number], 0, sizeof(*load->target));
	snprintf(load->target[number].name, sizeof(load->target->name), "%s", to ? to : "");
	return 0;
}

static int send_request(struct load *load)
{
	struct nlmsghdr *nlh = load->request;
	int ret;

	load->request = NULL;
	if (!nlh)
		return 0;
	ret = nl_send(nlh, NULL, NULL);
	if (ret)
		netbuf_fail(load->target[load->interface].name, ret);
	return ret;
}

static void put_record(struct nlmsghdr *nlh, const struct pcapng_frame *frame)
{
	const struct pcapng_record *record = &frame->record;

	mnl_attr_put_u32(nlh, NETBUF_A_FRAME_DIRECTION, frame->direction);
	mnl_attr_put_u64(nlh, NETBUF_A_FRAME_TIME_NS, frame->time_ns);
	mnl_attr_put_u32(nlh, NETBUF_A_FRAME_LENGTH, frame->length);
	mnl_attr_put(nlh, NETBUF_A_FRAME_VNET, sizeof(record->vnet), record->vnet);
	if (record->vlan_proto) {
		mnl_attr_put_u16(nlh, NETBUF_A_FRAME_VLAN_PROTO, record->vlan_proto);
		mnl_attr_put_u16(nlh, NETBUF_A_FRAME_VLAN_TCI, record->vlan_tci);
	}
	mnl_attr_put_u16(nlh, NETBUF_A_FRAME_QUEUE, record->queue);
	mnl_attr_put_u32(nlh, NETBUF_A_FRAME_MARK, record->mark);
	mnl_attr_put_u32(nlh, NETBUF_A_FRAME_PRIORITY, record->priority);
}

static int put_part(struct load *load, const struct pcapng_frame *frame, uint32_t offset,
		    uint32_t len)
{
	const char *name = load->target[frame->interface].name;
	struct nlattr *nest;
	int ret = 0;

	if (load->request &&
	    (load->interface != frame->interface || nl_room(load->request) < len + PART_BYTES))
		ret = send_request(load);
	if (ret)
		return ret;
	if (!load->request)
		load->request = netbuf_request(NETBUF_CMD_LOAD, name);
	load->interface = frame->interface;
	nest = mnl_attr_nest_start(load->request, NETBUF_A_FRAME);
	if (!offset)
		put_record(load->request, frame);
	mnl_attr_put_u32(load->request, NETBUF_A_FRAME_OFFSET, offset);
	mnl_attr_put(load->request, NETBUF_A_FRAME_DATA, len, frame->data + offset);
	mnl_attr_nest_end(load->request, nest);
	return 0;
}

static int on_frame(const struct pcapng_frame *frame, void *data)
{
	struct load *load = data;
	struct target *target = &load->target[frame->interface];
	uint32_t offset, len;
	int ret = 0;

	if (!*target->name)
		return 0;
	target->frames++;
	for (offset = 0; !ret && offset < frame->length; offset += len) {
		len = frame->length - offset;
		if (len > NETBUF_CHUNK_MAX)
			len = NETBUF_CHUNK_MAX;
		ret = put_part(load, frame, offset, len);
	}
	return ret;
}

static int commit(void)
{
	int ret = nl_send(nl_begin(&nl_netbuf, NETBUF_CMD_COMMIT, NLM_F_ACK), NULL, NULL);

	return ret ? nl_fail("load", ret) : EXIT_OK;
}

static void report(const struct load *load)
{
	struct json_object *json = json_object_new_object();
	uint32_t i;

	for (i = 0; i < load->n_targets; i++) {
		if (!*load->target[i].name)
			continue;
		say("%s: %" PRIu64 " frames loaded", load->target[i].name, load->target[i].frames);
		json_put_u64(json, load->target[i].name, load->target[i].frames);
	}
	if (options.json)
		json_print(json);
	else
		json_object_put(json);
}

static int load_file(const char *path, struct load *load)
{
	const struct pcapng_reader reader = {
		.interface = on_interface,
		.frame = on_frame,
		.data = load,
	};
	int ret = pcapng_read(path, &reader);

	if (!ret)
		ret = send_request(load);
	return ret ? EXIT_FAILED : commit();
}

/* All frames of a file, each to the netdev that has its name. */
int netbuf_load(const char *path)
{
	struct args none = { 0, NULL };
	struct load load = { .map = &none };
	int ret = load_file(path, &load);

	free(load.target);
	return ret;
}

/* load FILE [NETDEV[=NETDEV]]... */
int netbuf_load_verb(struct args *args)
{
	const char *path = next_arg(args);
	struct load load = { .map = args };
	int ret;

	if (!path)
		return usage("netbuf load FILE [NETDEV[=NETDEV]]...");
	ret = load_file(path, &load);
	if (!ret)
		report(&load);
	free(load.target);
	return ret;
}
