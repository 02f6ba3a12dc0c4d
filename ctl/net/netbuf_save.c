// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl netbuf save: held frames to a file. It appears under its name only
 * when it is whole.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/genetlink.h>

#include "net/netbuf.h"
#include "net/pcapng.h"

struct save {
	FILE *file;
	uint32_t interface;
	uint64_t frames; /* of that interface */
	int error; /* of the file, or of what the kernel sent */
	struct pcapng_frame frame; /* being put together from its parts */
	uint32_t received;
};

static uint8_t frame_data[NETBUF_FRAME_MAX];

static void get_record(struct pcapng_record *record, const struct nlattr **tb)
{
	memset(record, 0, sizeof(*record));
	if (tb[NETBUF_A_FRAME_VNET])
		memcpy(record->vnet, mnl_attr_get_payload(tb[NETBUF_A_FRAME_VNET]),
		       sizeof(record->vnet));
	if (tb[NETBUF_A_FRAME_VLAN_PROTO])
		record->vlan_proto = mnl_attr_get_u16(tb[NETBUF_A_FRAME_VLAN_PROTO]);
	if (tb[NETBUF_A_FRAME_VLAN_TCI])
		record->vlan_tci = mnl_attr_get_u16(tb[NETBUF_A_FRAME_VLAN_TCI]);
	if (tb[NETBUF_A_FRAME_QUEUE])
		record->queue = mnl_attr_get_u16(tb[NETBUF_A_FRAME_QUEUE]);
	if (tb[NETBUF_A_FRAME_MARK])
		record->mark = mnl_attr_get_u32(tb[NETBUF_A_FRAME_MARK]);
	if (tb[NETBUF_A_FRAME_PRIORITY])
		record->priority = mnl_attr_get_u32(tb[NETBUF_A_FRAME_PRIORITY]);
}

static void begin_frame(struct save *save, const struct nlattr **tb)
{
	struct pcapng_frame *frame = &save->frame;

	frame->interface = save->interface;
	frame->data = frame_data;
	frame->length = mnl_attr_get_u32(tb[NETBUF_A_FRAME_LENGTH]);
	frame->direction = NETBUF_INGRESS;
	if (tb[NETBUF_A_FRAME_DIRECTION] &&
	    mnl_attr_get_u32(tb[NETBUF_A_FRAME_DIRECTION]) == NETBUF_EGRESS)
		frame->direction = NETBUF_EGRESS;
	frame->time_ns = 0;
	if (tb[NETBUF_A_FRAME_TIME_NS])
		frame->time_ns = mnl_attr_get_u64(tb[NETBUF_A_FRAME_TIME_NS]);
	get_record(&frame->record, tb);
	save->received = 0;
}

static int add_part(struct save *save, const struct nlattr *nest)
{
	const struct nlattr *tb[NETBUF_A_FRAME_MAX + 1];
	uint32_t len;

	if (nl_parse(tb, ARRAY_SIZE(tb), nest) || !tb[NETBUF_A_FRAME_DATA])
		return -EBADMSG;
	if (tb[NETBUF_A_FRAME_LENGTH])
		begin_frame(save, tb);
	len = mnl_attr_get_payload_len(tb[NETBUF_A_FRAME_DATA]);
	if (save->frame.length > sizeof(frame_data) || len > save->frame.length - save->received)
		return -EBADMSG;
	memcpy(frame_data + save->received, mnl_attr_get_payload(tb[NETBUF_A_FRAME_DATA]), len);
	save->received += len;
	if (save->received < save->frame.length)
		return 0;
	save->frames++;
	return pcapng_write_frame(save->file, &save->frame);
}

static int on_part(const struct nlmsghdr *nlh, void *data)
{
	const struct nlattr **tb = nl_attrs(nlh);
	struct save *save = data;

	if (!save->error && tb[NETBUF_A_FRAME])
		save->error = add_part(save, tb[NETBUF_A_FRAME]);
	return MNL_CB_OK;
}

static int save_netdev(struct save *save, const char *name)
{
	struct nlmsghdr *nlh = nl_begin(&nl_netbuf, NETBUF_CMD_SAVE, NLM_F_DUMP);
	int ret;

	mnl_attr_put_strz(nlh, NETBUF_A_IFNAME, name);
	save->frames = 0;
	ret = nl_send(nlh, on_part, save);
	if (ret)
		return netbuf_fail(name, ret);
	if (save->error)
		return nl_fail("save", save->error);
	return EXIT_OK;
}

/* All blocks of the file. */
static int save_netdevs(FILE *file, char *const *names, int n, uint64_t *frames)
{
	struct save save = { .file = file };
	int ret, i, error = pcapng_write_header(file);

	for (i = 0; !error && i < n; i++)
		error = pcapng_write_interface(file, names[i]);
	for (i = 0; !error && i < n; i++) {
		save.interface = i;
		ret = save_netdev(&save, names[i]);
		if (ret)
			return ret;
		frames[i] = save.frames;
	}
	for (i = 0; !error && i < n; i++)
		error = pcapng_write_count(file, i, frames[i], now_ns(CLOCK_REALTIME));
	return error ? nl_fail("save", error) : EXIT_OK;
}

/* What netdevs hold, to a file; frames[i] becomes the number of each. */
int netbuf_save(const char *path, char *const *names, int n, uint64_t *frames)
{
	/* What guests say to each other is nobody else's. */
	FILE *file = begin_file(path, 0600);
	int error = file ? 0 : -errno;
	int ret = file ? save_netdevs(file, names, n, frames) : EXIT_OK;

	if (file)
		error = replace_file(file, path, ret ? -EIO : 0);
	/* Of the netdevs something was said. */
	if (ret || !error)
		return ret;
	err("%s: %s", path, strerror(-error));
	return EXIT_FAILED;
}

static void report(const char *path, struct args *args, const uint64_t *frames)
{
	struct json_object *json = json_object_new_object();
	int i;

	for (i = 0; i < args->argc; i++) {
		say("%s: %" PRIu64 " frames saved to %s", args->argv[i], frames[i], path);
		json_put_u64(json, args->argv[i], frames[i]);
	}
	if (options.json)
		json_print(json);
	else
		json_object_put(json);
}

/* save FILE NETDEV... */
int netbuf_save_verb(struct args *args)
{
	const char *path = next_arg(args);
	uint64_t *frames;
	int ret;

	if (!args->argc)
		return usage("netbuf save FILE NETDEV...");
	frames = xalloc(args->argc * sizeof(*frames));
	ret = netbuf_save(path, args->argv, args->argc, frames);
	if (!ret)
		report(path, args, frames);
	free(frames);
	return ret;
}
