// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl snap send and receive: states travel between volumes of device mapper,
 * by standard output and input.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <libdevmapper.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>

#include "snap/snap.h"
#include "snap/snap_stream.h"

/* Each mark is a take, and leaves work for the reaper. */
#define MARK_NS (5 * NSEC_PER_SEC)
#define LOOK_NS (3 * NSEC_PER_SEC)
#define LOOK_POLL_MS 50

static const char *reason(int error)
{
	switch (-error) {
	case EPIPE:
		return "the stream ends too early";
	case EBADMSG:
		return "the stream is damaged";
	case EPROTONOSUPPORT:
		return "that is no stream, or one of a newer lparctl";
	case EINVAL:
		return "that is no snapsync volume, or the state is a part of one on its way here";
	case ERANGE:
		return "--at is beyond the end of the volume";
	case ENODATA:
		return "the state has no UUID";
	case EXDEV:
		return "a state was received before the volume grew: take another, and send that";
	case ETXTBSY:
		return "somebody else wrote to it meanwhile, or STORE had no zero chunks left: go on";
	case EINPROGRESS:
		return "a cut of its group does not become a state";
	default:
		return snap_reason(error);
	}
}

/* Of sectors, past the page cache. */
static int open_disk(const char *name, int flags, uint64_t *sectors)
{
	char *path = xprintf("/dev/mapper/%s", name);
	int fd = open(path, flags | O_DIRECT | O_CLOEXEC), ret = fd < 0 ? -errno : fd;
	uint64_t bytes = 0;

	if (fd >= 0 && ioctl(fd, BLKGETSIZE64, &bytes)) {
		ret = -errno;
		close(fd);
	}
	*sectors = bytes / STREAM_SECTOR;
	free(path);
	return ret;
}

/* What is to be done with a device of that name; rules of udev that look into it are left out. */
static int run_task(struct dm_task *task, const char *name)
{
	uint32_t cookie = 0;
	int ret;

	if (!dm_task_set_name(task, name) ||
	    !dm_task_set_cookie(task, &cookie,
				DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG |
					DM_UDEV_DISABLE_DISK_RULES_FLAG |
					DM_UDEV_DISABLE_OTHER_RULES_FLAG))
		return -ENOMEM;
	ret = snap_run_task(task);
	dm_udev_wait(cookie);
	return ret;
}

static int create_view(const char *view, const struct snap_sender *sender)
{
	char *volume = snap_quoted(sender->volume->name), *state = snap_quoted(sender->to);
	char *params = xprintf("/dev/mapper/%s %s", volume, state);
	struct dm_task *task = dm_task_create(DM_DEVICE_CREATE);
	int ret = -ENOMEM;

	if (task && dm_task_set_ro(task) &&
	    dm_task_add_target(task, 0, sender->sectors, "snapsync-view", params))
		ret = run_task(task, view);
	if (task)
		dm_task_destroy(task);
	free(params);
	free(state);
	free(volume);
	return ret;
}

/* At once, or when nobody has it open any more: also if that is since we were killed. */
static void remove_view(const char *view)
{
	struct dm_task *task = dm_task_create(DM_DEVICE_REMOVE);

	if (!task || !dm_task_deferred_remove(task) || run_task(task, view))
		err("cannot remove %s", view);
	if (task)
		dm_task_destroy(task);
}

/* A file, by which the state stays, and can be read. Its name is nobody else's, in any container. */
static int open_view(const struct snap_sender *sender)
{
	uint64_t number, sectors;
	char *view;
	int ret;

	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		return -EIO;
	view = xprintf("snap-send.%016" PRIx64, number);
	ret = create_view(view, sender);
	/* The state was there a moment ago. */
	if (ret == -EINVAL)
		ret = -ESTALE;
	if (!ret) {
		ret = open_disk(view, O_RDONLY, &sectors);
		remove_view(view);
	}
	free(view);
	return ret;
}

/* All, or a negative errno. */
static int read_disk(void *disk, uint64_t sector, void *data, size_t sectors)
{
	size_t bytes = sectors * STREAM_SECTOR, done = 0;

	while (done < bytes) {
		ssize_t ret = pread(*(int *)disk, (char *)data + done, bytes - done,
				    sector * STREAM_SECTOR + done);

		if (ret <= 0)
			return ret ? -errno : -EIO;
		done += ret;
	}
	return 0;
}

static int send_state(struct snap_sender *sender)
{
	struct stream_header header;
	int ret = open_disk(sender->volume->name, O_RDONLY, &sender->sectors), view;

	if (ret < 0)
		return ret;
	close(ret);
	ret = snap_has_other_base(sender->volume->name);
	if (ret < 0)
		return ret;
	sender->has_other_base = ret;
	ret = snap_prepare_send(sender, &header);
	if (ret)
		return ret;
	view = open_view(sender);
	if (view < 0)
		return view;
	sender->view = &view;
	ret = snap_send(sender, &header);
	close(view);
	return ret;
}

static int parse_at(const char *text, uint64_t *at)
{
	uint64_t bytes;

	if (!text || parse_uint(text, UINT64_MAX, &bytes) || bytes % STREAM_SECTOR)
		return usage("--at wants a number of bytes, as snap receive --at says it");
	*at = bytes / STREAM_SECTOR;
	return EXIT_OK;
}

static int parse_send(struct args *args, struct snap_volume *volume, struct snap_sender *sender)
{
	const char *at = "0";

	*volume = snap_volume(next_arg(args));
	while (args->argc) {
		if (next_option(args, "--from", &sender->from)) {
			if (!sender->from)
				return usage("--from wants a state");
		} else if (!next_option(args, "--at", &at)) {
			if (sender->to)
				return usage("send wants one state");
			sender->to = next_arg(args);
		}
	}
	if (!volume->name || !sender->to)
		return usage("send wants a volume and a state");
	return parse_at(at, &sender->at);
}

int snap_send_verb(struct args *args)
{
	struct snap_volume volume;
	struct snap_sender sender = {
		.volume = &volume,
		.mark = STREAM_MARK,
		.read = read_disk,
		.fd = STDOUT_FILENO,
	};
	int ret = parse_send(args, &volume, &sender);

	if (ret)
		return ret;
	if (isatty(sender.fd))
		return usage("the state goes to standard output: lead that elsewhere");
	ret = send_state(&sender);
	if (ret)
		err("cannot send %s of %s: %s", sender.to, volume.name,
		    ret == -EPIPE ? "nobody reads it any more" : reason(ret));
	return ret ? EXIT_FAILED : EXIT_OK;
}

/* A volume that is written. */
struct disk {
	int fd;
	const char *name;
	bool is_full; /* STORE has no space */
	bool is_flushed; /* nothing that others wrote before is in the page cache */
};

/* No space is another thing for one who writes than for one who takes a state. */
static int write_error(struct disk *disk, int error)
{
	disk->is_full = error == ENOSPC;
	return -error;
}

static int write_disk(void *of, uint64_t sector, const void *data, size_t sectors)
{
	struct disk *disk = of;
	size_t bytes = sectors * STREAM_SECTOR, done = 0;

	while (done < bytes) {
		ssize_t ret = pwrite(disk->fd, (const char *)data + done, bytes - done,
				     sector * STREAM_SECTOR + done);

		if (ret <= 0)
			return ret ? write_error(disk, errno) : -EIO;
		done += ret;
	}
	return 0;
}

static int zero_disk(void *of, uint64_t sector, uint64_t sectors)
{
	struct disk *disk = of;
	uint64_t range[2] = { sector * STREAM_SECTOR, sectors * STREAM_SECTOR };

	return ioctl(disk->fd, BLKZEROOUT, range) ? write_error(disk, errno) : 0;
}

/*
 * Those who only look what there is, as udev does, are gone soon. What one of them wrote before the
 * first look, through the page cache, is written by then: it is found in what runs.
 */
static int check_disk(void *of)
{
	uint64_t end = now_ns(CLOCK_MONOTONIC) + LOOK_NS;
	struct disk *disk = of;
	int ret;

	while ((ret = snap_check_closed(disk->name, 1)) == -EADDRINUSE &&
	       now_ns(CLOCK_MONOTONIC) < end)
		sleep_ms(LOOK_POLL_MS);
	if (ret || disk->is_flushed)
		return ret;
	disk->is_flushed = true;
	return fsync(disk->fd) || ioctl(disk->fd, BLKFLSBUF, 0) ? -errno : 0;
}

static int restore_disk(void *of, const char *state)
{
	const struct disk *disk = of;

	return snap_restore(disk->name, state);
}

static bool is_reaping(void *of)
{
	const struct disk *disk = of;

	return snap_is_reaping(disk->name);
}

static void report(const struct stream_header *header)
{
	char uuid[2 * SS_UUID_SIZE + 1];
	struct json_object *json;

	if (!options.json)
		return;
	json = json_object_new_object();
	snap_format_uuid(uuid, header->to);
	json_put(json, "name", header->to_name);
	json_put(json, "uuid", uuid);
	json_print(json);
}

static int fail(const struct disk *disk, const struct snap_volume *volume,
		const struct stream_header *header, int error)
{
	uint64_t at = 0;

	if (error == -ECANCELED)
		return EXIT_FAILED;
	err("%s did not receive %s: %s", volume->name,
	    *header->to_name ? header->to_name : "a state",
	    disk->is_full ? "STORE is full: make it larger, then go on" : reason(error));
	if (*header->to_name && !snap_received(volume, header, &at) && at)
		err("what came is kept: go on with snap send --at %" PRIu64, at * STREAM_SECTOR);
	return EXIT_FAILED;
}

static int receive_state(const struct snap_volume *volume)
{
	struct disk disk = { .name = volume->name };
	struct snap_receiver receiver = {
		.volume = volume,
		.disk = &disk,
		.write = write_disk,
		.zero = zero_disk,
		.check = check_disk,
		.restore = restore_disk,
		.is_reaping = is_reaping,
		.mark_ns = MARK_NS,
		.fd = STDIN_FILENO,
	};
	struct stream_header header = { 0 };
	int ret;

	disk.fd = open_disk(disk.name, O_RDWR | O_EXCL, &receiver.sectors);
	if (disk.fd < 0)
		return fail(&disk, volume, &header, disk.fd == -EBUSY ? -EADDRINUSE : disk.fd);
	ret = snap_receive(&receiver, &header);
	close(disk.fd);
	if (ret)
		return fail(&disk, volume, &header, ret);
	report(&header);
	return EXIT_OK;
}

static int print_received(const struct snap_volume *volume)
{
	struct json_object *json;
	uint64_t at;
	int ret = snap_received(volume, NULL, &at);

	if (ret) {
		err("cannot tell what %s has received: %s", volume->name, snap_reason(ret));
		return EXIT_FAILED;
	}
	if (!options.json) {
		printf("%" PRIu64 "\n", at * STREAM_SECTOR);
		return EXIT_OK;
	}
	json = json_object_new_object();
	json_put_u64(json, "at", at * STREAM_SECTOR);
	json_print(json);
	return EXIT_OK;
}

int snap_receive_verb(struct args *args)
{
	const struct snap_volume volume = snap_volume(next_arg(args));
	bool asks = next_flag(args, "--at");

	if (!volume.name || args->argc)
		return usage("receive wants a volume, and maybe --at");
	if (asks)
		return print_received(&volume);
	if (isatty(STDIN_FILENO))
		return usage("the state comes from standard input: lead that from snap send");
	return receive_state(&volume);
}

/* Is what a disk runs a part of a state that it was, or is, to receive? 1, 0 or a negative errno. */
int snap_is_partial(const char *disk)
{
	char name[DM_NAME_LEN] = "";
	const struct snap_volume volume = snap_volume(name);
	int ret = snap_volume_of(disk, name, sizeof(name));

	/* No block device, none of device mapper, no volume. */
	if (ret == -ENOTBLK || ret == -ENOENT || ret == -EINVAL)
		return 0;
	return ret ? ret : snap_runs_part(&volume);
}
