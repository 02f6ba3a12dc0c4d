// SPDX-License-Identifier: GPL-2.0
/*
 * Object relocate: disks that follow their guests, by device-mapper tables and
 * messages. Lists of what comes first are in relocate_order.c, sources on
 * other hosts in relocate_from.c.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <libdevmapper.h>

#include "../include/uapi/lparkit/relocate.h"
#include "relocate/relocate.h"
#include "snap/snap.h"

#define BAR_WIDTH 24
#define INTERVAL_NS NSEC_PER_SEC
#define RATE_MAX ((uint64_t)1 << 40)

/* A status line, see Documentation/relocate.md. */
struct status {
	char mode[8];
	char stage[16];
	uint64_t region; /* bytes */
	uint64_t present;
	uint64_t total;
	uint64_t demand;
	uint64_t copied;
	uint64_t written;
	uint64_t zeroed;
	uint64_t source_kib;
	unsigned int waiting;
	unsigned int fetching;
	unsigned int slots;
	char source[16];
	uint64_t transaction;
	char flags[32];
	char reason[64];
};

/* What "start" says. */
struct start {
	const char *volume;
	const char *dest;
	const char *source; /* "-": there is none yet */
	const char *place; /* HOST:DEV, NULL = --source says */
	struct from from;
	const char *meta;
	char options[256];
	unsigned int n_options;
	uint64_t sectors;
};

/* What the module means by an error. */
static const char *reason(int error)
{
	switch (-error) {
	case ENODEV:
		return "no device mapper";
	case ENXIO:
		return "no such volume, or it is not active";
	case EINVAL:
		return "not a relocate volume, or not what it understands";
	case EBUSY:
		return "in use, or its lists are complete already";
	case ENOSPC:
		return "too many ranges";
	default:
		return strerror(-error);
	}
}

static int fail(const char *what, const char *volume, int error)
{
	err("cannot %s %s: %s", what, volume, reason(error));
	return EXIT_FAILED;
}

/* Sets *params, to be freed, to what the first target says; -EINVAL if it is none of ours. */
static int read_params(int type, const char *volume, char **params)
{
	struct dm_task *task = snap_task(type, volume);
	char *target = NULL, *text = NULL;
	uint64_t start, length;
	struct dm_info info;
	int ret;

	*params = NULL;
	if (!task)
		return -ENODEV;
	ret = snap_run_task(task);
	if (!ret && (!dm_task_get_info(task, &info) || !info.exists))
		ret = -ENXIO;
	if (!ret)
		dm_get_next_target(task, NULL, &start, &length, &target, &text);
	if (!ret && (!target || strcmp(target, "relocate") || !text))
		ret = -EINVAL;
	if (!ret)
		*params = xstrdup(text);
	dm_task_destroy(task);
	return ret;
}

static int read_status(const char *volume, struct status *status)
{
	char *params;
	int ret = read_params(DM_DEVICE_STATUS, volume, &params), end = 0;

	memset(status, 0, sizeof(*status));
	if (ret)
		return ret;
	if (sscanf(params,
		   "%7s %15s %" SCNu64 " %" SCNu64 "/%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %u %u %u %15s %" SCNu64 " %31s%n",
		   status->mode, status->stage, &status->region, &status->present, &status->total,
		   &status->demand, &status->copied, &status->written, &status->zeroed,
		   &status->source_kib, &status->waiting, &status->fetching, &status->slots,
		   status->source, &status->transaction, status->flags, &end) < 16)
		ret = -EBADMSG;
	else if (params[end] == ' ')
		snprintf(status->reason, sizeof(status->reason), "%s", params + end + 1);
	status->region *= 1024;
	free(params);
	return ret;
}

static bool is_complete(const struct status *status)
{
	return !strcmp(status->stage, "complete");
}

int relocate_is_complete(const char *volume, bool *complete)
{
	struct status status;
	int ret = read_status(volume, &status);

	*complete = !ret && is_complete(&status);
	return ret;
}

static bool is_written(const struct status *status)
{
	return strstr(status->flags, "written");
}

/* --- start --- */

/* In sectors, 0 if it cannot be opened; whoever it is has been read from once then. */
static uint64_t disk_sectors(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0;
	char block[4096];

	if (fd < 0)
		return 0;
	if (ioctl(fd, BLKGETSIZE64, &bytes) || pread(fd, block, sizeof(block), 0) < 0)
		bytes = 0;
	close(fd);
	return bytes / 512;
}

/* What META says, if there is no SOURCE that does. */
static uint64_t meta_sectors(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t sectors = 0;
	struct rl_super super;
	unsigned int i;

	for (i = 0; fd >= 0 && i < 2; i++)
		if (pread(fd, &super, sizeof(super), i * SS_BLOCK_SIZE) == sizeof(super) &&
		    !memcmp(super.magic, RL_MAGIC, sizeof(super.magic)))
			sectors = le64toh(super.volume_sectors);
	if (fd >= 0)
		close(fd);
	return sectors;
}

static void add_option(struct start *start, const char *key, const char *value)
{
	size_t used = strlen(start->options);

	snprintf(start->options + used, sizeof(start->options) - used, " %s %s", key, value);
	start->n_options += 2;
}

/* SIZE to KiB or MiB. */
static int add_size(struct start *start, const char *key, const char *value, unsigned int shift)
{
	uint64_t bytes;
	char text[24];

	if (!value || parse_size(value, &bytes) || bytes & ((1 << shift) - 1))
		return usage("--%s wants a SIZE in whole %ciB", key, shift == 10 ? 'K' : 'M');
	snprintf(text, sizeof(text), "%" PRIu64, bytes >> shift);
	add_option(start, key, text);
	return EXIT_OK;
}

static int add_time(struct start *start, const char *value)
{
	char text[24];
	uint64_t ns;

	if (!value || parse_time(value, &ns))
		return usage("--fail-after wants a TIME");
	snprintf(text, sizeof(text), "%" PRIu64, (uint64_t)(ns / NSEC_PER_MSEC));
	add_option(start, "fail_after", text);
	return EXIT_OK;
}

static int parse_start_option(struct start *start, struct args *args)
{
	const char *value = NULL;
	int ret;

	if (next_option(args, "--dest", &start->dest) ||
	    next_option(args, "--source", &start->source) ||
	    next_option(args, "--from", &start->place) || next_option(args, "--meta", &start->meta))
		return EXIT_OK;
	if (from_option(&start->from, args, &ret))
		return ret;
	if (next_option(args, "--order", &value)) {
		if (!value || strspn(value, "hotusedr,") != strlen(value))
			return usage("--order is hot,used,rest or a part of it");
		add_option(start, "order", value);
		return EXIT_OK;
	}
	if (next_option(args, "--region", &value))
		return add_size(start, "region", value, 10);
	if (next_option(args, "--fetch", &value))
		return add_size(start, "fetch", value, 10);
	if (next_option(args, "--ahead", &value))
		return add_size(start, "ahead", value, 10);
	if (next_option(args, "--rate", &value))
		return add_size(start, "rate", value, 20);
	if (next_option(args, "--window", &value))
		return add_size(start, "window", value, 20);
	if (next_option(args, "--fail-after", &value))
		return add_time(start, value);
	return usage("'%s' is unknown", args->argv[0]);
}

static int parse_start(struct start *start, struct args *args)
{
	int ret = EXIT_OK;

	memset(start, 0, sizeof(*start));
	start->source = "-";
	start->from.patience_ns = UINT64_MAX;
	start->volume = next_arg(args);
	while (start->volume && args->argc && !ret)
		ret = parse_start_option(start, args);
	if (ret)
		return ret;
	if (!start->volume || !start->dest || !start->meta || !start->source)
		return usage("start wants a volume, --dest DEV and --meta DEV");
	if (start->place && strcmp(start->source, "-"))
		return usage("the source is --from HOST:DEV or --source DEV");
	if (!start->place && (start->from.via || start->from.patience_ns != UINT64_MAX))
		return usage("--via and --deadline are for --from HOST:DEV");
	if (start->from.patience_ns == UINT64_MAX)
		start->from.patience_ns = FROM_PATIENCE_NS;
	return EXIT_OK;
}

static int create(const struct start *start)
{
	char *params = xprintf("%s %s %s %u%s", start->dest, start->source, start->meta,
			       start->n_options, start->options);
	int ret = snap_create_device(start->volume, "relocate", start->sectors, params);

	free(params);
	return ret ? EXIT_FAILED : EXIT_OK;
}

static int start_from(struct start *start)
{
	int ret = from_open(&start->from, start->volume, start->place);

	if (ret)
		return ret;
	start->source = start->from.nbd.number;
	start->sectors = start->from.nbd.bytes / 512;
	ret = create(start);
	if (!ret)
		return from_keep(&start->from);
	from_close(&start->from);
	return ret;
}

int relocate_start_verb(struct args *args)
{
	struct start start;
	int ret = parse_start(&start, args);

	if (ret)
		return ret;
	if (start.place)
		return start_from(&start);
	start.sectors = strcmp(start.source, "-") ? disk_sectors(start.source)
						  : meta_sectors(start.meta);
	if (start.sectors)
		return create(&start);
	err("cannot tell the size of the disk from %s",
	    strcmp(start.source, "-") ? start.source : start.meta);
	return EXIT_FAILED;
}

/* --- status --- */

static struct json_object *status_json(const char *volume, const struct status *status,
				       uint64_t rate)
{
	struct json_object *json = json_object_new_object();
	uint64_t left = (status->total - status->present) * status->region;

	json_put(json, "volume", volume);
	json_put(json, "mode", status->mode);
	json_put(json, "stage", status->stage);
	json_put(json, "source", status->source);
	json_put_u64(json, "region_bytes", status->region);
	json_put_u64(json, "present_bytes", status->present * status->region);
	json_put_u64(json, "total_bytes", status->total * status->region);
	json_put_u64(json, "demand_bytes", status->demand * status->region);
	json_put_u64(json, "copied_bytes", status->copied * status->region);
	json_put_u64(json, "written_bytes", status->written * status->region);
	json_put_u64(json, "zeroed_bytes", status->zeroed * status->region);
	json_put_u64(json, "source_bytes", status->source_kib * 1024);
	json_put_u64(json, "waiting", status->waiting);
	json_put_u64(json, "fetching", status->fetching);
	json_put_u64(json, "rate", rate);
	if (rate)
		json_put_u64(json, "seconds_left", left / rate);
	json_put_flag(json, "complete", is_complete(status));
	json_put_flag(json, "written", is_written(status));
	json_put(json, "reason", status->reason);
	return json;
}

static void print_bar(const struct status *status)
{
	unsigned int full = status->total ? status->present * BAR_WIDTH / status->total : 0, i;

	putchar('[');
	for (i = 0; i < BAR_WIDTH; i++)
		putchar(i < full ? '#' : '.');
	printf("] %3" PRIu64 "%%", status->total ? status->present * 100 / status->total : 0);
}

static void print_status(const char *volume, const struct status *status, uint64_t rate)
{
	uint64_t left = (status->total - status->present) * status->region;
	char present[32], total[32], demand[32], copied[32], written[32], speed[32], time[64];

	printf("%s: ", volume);
	print_bar(status);
	printf("  %s, source %s%s%s\n", status->stage, status->source, *status->reason ? ", " : "",
	       status->reason);
	printf("  %s of %s are here: %s on demand, %s copied, %s written by the guest\n",
	       format_size(present, sizeof(present), status->present * status->region),
	       format_size(total, sizeof(total), status->total * status->region),
	       format_size(demand, sizeof(demand), status->demand * status->region),
	       format_size(copied, sizeof(copied), status->copied * status->region),
	       format_size(written, sizeof(written), status->written * status->region));
	if (rate)
		printf("  %s/s, %s left\n", format_size(speed, sizeof(speed), rate),
		       format_time(time, sizeof(time), left / rate * NSEC_PER_SEC));
	if (status->waiting)
		printf("  %u requests of the guest wait\n", status->waiting);
}

/* What became present meanwhile, in bytes a second. */
static int measure(const char *volume, struct status *status, uint64_t interval_ns, uint64_t *rate)
{
	uint64_t before = status->present, start = now_ns(CLOCK_MONOTONIC), took;
	int ret;

	*rate = 0;
	if (!interval_ns || is_complete(status))
		return 0;
	sleep_ms(interval_ns / NSEC_PER_MSEC);
	ret = read_status(volume, status);
	took = now_ns(CLOCK_MONOTONIC) - start;
	if (!ret && took)
		*rate = (double)(status->present - before) * status->region * NSEC_PER_SEC / took;
	return ret;
}

int relocate_status_verb(struct args *args)
{
	uint64_t interval_ns = INTERVAL_NS, rate;
	const char *volume = next_arg(args), *value = NULL;
	struct json_object *json;
	struct status status;
	int ret;

	if (volume && next_option(args, "--interval", &value) &&
	    (!value || parse_time(value, &interval_ns)))
		return usage("--interval wants a TIME");
	if (!volume || args->argc)
		return usage("status wants a volume");
	ret = read_status(volume, &status);
	ret = ret ? ret : measure(volume, &status, interval_ns, &rate);
	if (ret)
		return fail("read the status of", volume, ret);
	if (!options.json) {
		print_status(volume, &status, rate);
		return EXIT_OK;
	}
	json = status_json(volume, &status, rate);
	json_print(json);
	return EXIT_OK;
}

/* --- messages --- */

static int tell(const char *volume, const char *what, const char *fmt, const char *value)
{
	char *text = xprintf("%s%s%s", fmt, value ? " " : "", value ? value : "");
	int ret = snap_message(volume, text, NULL);

	free(text);
	return ret ? fail(what, volume, ret) : EXIT_OK;
}

/* Its number, or "-"; it must have been read from once, so that nobody waits for it here. */
int relocate_give_source(const char *volume, const char *number)
{
	char *text = xprintf("source %s", number);
	int ret = snap_message(volume, text, NULL);

	free(text);
	return ret;
}

int relocate_pause_verb(struct args *args)
{
	const char *volume = next_arg(args);

	if (!volume || args->argc)
		return usage("pause wants a volume");
	return tell(volume, "pause", "pause", NULL);
}

int relocate_resume_verb(struct args *args)
{
	const char *volume = next_arg(args);

	if (!volume || args->argc)
		return usage("resume wants a volume");
	return tell(volume, "resume", "resume", NULL);
}

int relocate_rate_verb(struct args *args)
{
	const char *volume = next_arg(args), *value = next_arg(args);
	uint64_t bytes;
	char text[24];

	if (!volume || !value || args->argc || parse_size(value, &bytes) || bytes > RATE_MAX ||
	    bytes % (1 << 20))
		return usage("rate wants a volume, and a SIZE in whole MiB a second, 0 = no limit");
	snprintf(text, sizeof(text), "%" PRIu64, bytes >> 20);
	return tell(volume, "set the rate of", "rate", text);
}

int relocate_source_verb(struct args *args)
{
	const char *volume = next_arg(args), *disk = next_arg(args);
	char number[32];
	struct stat st;

	if (!volume || !disk || args->argc)
		return usage("source wants a volume, and a disk or -");
	if (!strcmp(disk, "-"))
		return tell(volume, "take the source from", "source", disk);
	/* If it hangs, it is here, and not where a suspend would wait for it. */
	if (stat(disk, &st) || !S_ISBLK(st.st_mode) || !disk_sectors(disk)) {
		err("cannot read %s: %s", disk, strerror(errno ? errno : ENOTBLK));
		return EXIT_FAILED;
	}
	snprintf(number, sizeof(number), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return tell(volume, "give a source to", "source", number);
}

/* --- the end --- */

/* The N-th word of the table, from 0, to be freed; or NULL. */
char *relocate_table_word(const char *volume, unsigned int n)
{
	char *params, *word = NULL, *rest, *found = NULL;

	if (read_params(DM_DEVICE_TABLE, volume, &params))
		return NULL;
	for (word = strtok_r(params, " ", &rest); word && n; n--)
		word = strtok_r(NULL, " ", &rest);
	if (word)
		found = xstrdup(word);
	free(params);
	return found;
}

static int run_simple(int type, const char *volume)
{
	struct dm_task *task = snap_task(type, volume);
	bool udev = type == DM_DEVICE_RESUME || type == DM_DEVICE_REMOVE;
	uint32_t cookie = 0;
	int ret = 0;

	if (!task)
		return -ENODEV;
	if (udev && !dm_task_set_cookie(task, &cookie, 0))
		ret = -ENOMEM;
	/* Nobody freezes the guest's file systems for a table of the same disk. */
	if (type == DM_DEVICE_RESUME && !dm_task_skip_lockfs(task))
		ret = -ENOMEM;
	if (!ret)
		ret = snap_run_task(task);
	if (cookie)
		dm_udev_wait(cookie);
	dm_task_destroy(task);
	return ret;
}

static int load_linear(const char *volume, const char *dest, uint64_t sectors)
{
	struct dm_task *task = snap_task(DM_DEVICE_RELOAD, volume);
	char *params = xprintf("%s 0", dest);
	int ret = 0;

	if (!task)
		ret = -ENODEV;
	else if (!dm_task_add_target(task, 0, sectors, "linear", params))
		ret = -ENOMEM;
	else
		ret = snap_run_task(task);
	if (task)
		dm_task_destroy(task);
	free(params);
	return ret;
}

/*
 * The guest's requests wait for some ms; DEST has all of the disk, durably. The kernel suspends,
 * swaps and resumes in one request, which no signal leaves half done.
 */
static int swap_table(const char *volume)
{
	char *dest = relocate_table_word(volume, 0), *path = xprintf("/dev/mapper/%s", volume);
	uint64_t sectors = disk_sectors(path);
	int ret = dest && sectors ? load_linear(volume, dest, sectors) : -ENXIO;

	free(path);
	free(dest);
	if (ret)
		return ret;
	ret = run_simple(DM_DEVICE_RESUME, volume);
	/* A swap that fails leaves it suspended: the guest goes on with the old table. */
	if (ret && !run_simple(DM_DEVICE_CLEAR, volume))
		run_simple(DM_DEVICE_RESUME, volume);
	return ret;
}

int relocate_finish_verb(struct args *args)
{
	const char *volume = next_arg(args);
	struct status status;
	int ret;

	if (!volume || args->argc)
		return usage("finish wants a volume");
	ret = read_status(volume, &status);
	if (ret)
		return fail("finish", volume, ret);
	if (!is_complete(&status)) {
		err("%s is not complete: %" PRIu64 " of %" PRIu64 " bytes are still to come",
		    volume, (status.total - status.present) * status.region,
		    status.total * status.region);
		return EXIT_FAILED;
	}
	ret = swap_table(volume);
	return ret ? fail("finish", volume, ret) : EXIT_OK;
}

/*
 * The kernel's own name of a disk, to be freed, by its number; or NULL. /dev/block has such
 * numbers, but only where udev runs.
 */
static char *disk_path(const char *number)
{
	char *path = xprintf("/sys/dev/block/%s/uevent", number), text[1024], *name = NULL;
	int ret = read_text(path, text, sizeof(text));

	free(path);
	if (!ret)
		name = strstr(text, "DEVNAME=");
	return name ? xprintf("/dev/%.*s", (int)strcspn(name + 8, "\n"), name + 8) : NULL;
}

/* So that nobody goes on with it by mistake. */
static int wipe_meta(const char *number)
{
	static const char zeroes[RL_MAP_BLOCK * SS_BLOCK_SIZE];
	char *path = disk_path(number);
	int fd, ret = 0;

	if (!path)
		return -ENOENT;
	fd = open(path, O_WRONLY | O_EXCL | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, zeroes, sizeof(zeroes), 0) != sizeof(zeroes) || fsync(fd))
		ret = errno ? -errno : -EIO;
	if (fd >= 0)
		close(fd);
	free(path);
	return ret;
}

int relocate_abort_verb(struct args *args)
{
	const char *volume = next_arg(args);
	bool discard = volume && next_flag(args, "--discard-writes");
	struct status status;
	char *meta;
	int ret;

	if (!volume || args->argc)
		return usage("abort wants a volume, and maybe --discard-writes");
	ret = read_status(volume, &status);
	if (ret)
		return fail("abort", volume, ret);
	if (is_written(&status) && !discard) {
		err("the guest has written to %s here; --discard-writes throws that away", volume);
		return EXIT_FAILED;
	}
	meta = relocate_table_word(volume, 2);
	ret = meta ? run_simple(DM_DEVICE_REMOVE, volume) : -ENXIO;
	ret = ret ? ret : wipe_meta(meta);
	free(meta);
	return ret ? fail("abort", volume, ret) : EXIT_OK;
}
