// SPDX-License-Identifier: GPL-2.0
/*
 * Which parts of a disk come first: what its file systems use, by libext2fs,
 * and by the tools of XFS (relocate_xfs.c); and what "relocate send" makes of
 * such a list, or of one of relocate-source.
 *
 * All that is not known to be free counts as used. The bitmaps of a file system
 * that was not unmounted cleanly may lag behind its data: its list says what
 * comes first, but not what may be left out, and "exact" is false.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <blkid/blkid.h>
#include <ext2fs/ext2fs.h>

#include "relocate/relocate.h"
#include "snap/snap.h"

#define SECTOR 512

/* Less than that between two ranges is not worth a third. */
#define GAP_SECTORS 128

/* Ranges in one message. */
#define SEND_MAX 200

/* A partition, or the whole disk. */
struct area {
	uint64_t start;
	uint64_t count;
	char what[32];
	bool exact;
};

struct order {
	const char *path;
	uint64_t sectors;
	struct ranges used;
	struct area *area;
	size_t n_areas;
	uint64_t at; /* all below is in @used, or known to be free */
};

void add_range(struct ranges *ranges, uint64_t start, uint64_t count, uint64_t weight)
{
	if (ranges->n == ranges->size) {
		ranges->size = ranges->size ? 2 * ranges->size : 256;
		ranges->range = xrealloc(ranges->range, ranges->size * sizeof(struct range));
	}
	ranges->range[ranges->n++] = (struct range){ start, count, weight };
}

/* In ascending order; a small gap is filled. */
static void add_used(struct ranges *used, uint64_t start, uint64_t count)
{
	struct range *last = used->n ? &used->range[used->n - 1] : NULL;

	if (!count)
		return;
	if (last && start <= last->start + last->count + GAP_SECTORS)
		last->count = start + count - last->start;
	else
		add_range(used, start, count, 0);
}

static bool is_clean(ext2_filsys fs)
{
	return fs->super->s_state & EXT2_VALID_FS && !(fs->super->s_state & EXT2_ERROR_FS) &&
	       !ext2fs_has_feature_journal_needs_recovery(fs->super);
}

/* What its bitmap says, in sectors of the disk. */
static void add_blocks(struct order *order, ext2_filsys fs, const struct area *area)
{
	uint64_t per_block = fs->blocksize / SECTOR;
	blk64_t end = ext2fs_blocks_count(fs->super), block = 0, last;

	/* Before the first data block there is the boot sector. */
	add_used(&order->used, area->start, fs->super->s_first_data_block * per_block);
	block = fs->super->s_first_data_block;
	while (block < end &&
	       !ext2fs_find_first_set_block_bitmap2(fs->block_map, block, end - 1, &block)) {
		if (ext2fs_find_first_zero_block_bitmap2(fs->block_map, block, end - 1, &last))
			last = end;
		add_used(&order->used, area->start + block * per_block, (last - block) * per_block);
		block = last;
	}
	/* The file system may be smaller than its partition. */
	order->at = area->start + end * per_block;
}

/*
 * Returns 0 and sets @type to the one that is there, 1 if there is none, a negative value if it
 * cannot be told. An older one may show through below what came after it: all must agree.
 */
static int signature(const char *path, uint64_t start, uint64_t count, char *type, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	blkid_probe probe = fd < 0 ? NULL : blkid_new_probe();
	const char *found = "";
	int ret = -1;

	if (probe && !blkid_probe_set_device(probe, fd, start * SECTOR, count * SECTOR) &&
	    !blkid_probe_enable_superblocks(probe, 1))
		ret = blkid_do_safeprobe(probe);
	if (!ret)
		blkid_probe_lookup_value(probe, "TYPE", &found, NULL);
	snprintf(type, size, "%s", found);
	if (probe)
		blkid_free_probe(probe);
	if (fd >= 0)
		close(fd);
	return ret;
}

static void add_ext(struct order *order, struct area *area)
{
	char io_options[40];
	ext2_filsys fs;

	snprintf(io_options, sizeof(io_options), "offset=%" PRIu64, area->start * SECTOR);
	if (ext2fs_open2(order->path, io_options, EXT2_FLAG_64BITS | EXT2_FLAG_SOFTSUPP_FEATURES, 0,
			 0, unix_io_manager, &fs))
		return;
	if (!ext2fs_read_block_bitmap(fs) &&
	    ext2fs_blocks_count(fs->super) * (fs->blocksize / SECTOR) <= area->count) {
		snprintf(area->what, sizeof(area->what), "ext");
		area->exact = is_clean(fs);
		add_blocks(order, fs, area);
	}
	ext2fs_close_free(&fs);
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The kernel's disk that begins at a sector of the order's, to be freed; NULL if there is none. */
static char *partition_path(const struct order *order, uint64_t start)
{
	char *pattern, text[32], *path = NULL;
	struct stat st;
	glob_t found;
	size_t i;

	if (stat(order->path, &st) || !S_ISBLK(st.st_mode))
		return NULL;
	pattern = xprintf("/sys/dev/block/%u:%u/*/start", major(st.st_rdev), minor(st.st_rdev));
	if (glob(pattern, 0, NULL, &found))
		found.gl_pathc = 0;
	for (i = 0; i < found.gl_pathc && !path; i++) {
		char *at = found.gl_pathv[i];

		if (read_text(at, text, sizeof(text)) || strtoull(text, NULL, 10) != start)
			continue;
		*strrchr(at, '/') = 0;
		path = xprintf("/dev/%s", strrchr(at, '/') + 1);
	}
	if (found.gl_pathc)
		globfree(&found);
	free(pattern);
	return path;
}

/* All but what is free, of which no two ranges overlap. */
static void add_all_but(struct order *order, const struct area *area, struct ranges *free_ranges,
			uint64_t end)
{
	uint64_t at = 0;
	size_t i;

	if (free_ranges->n)
		qsort(free_ranges->range, free_ranges->n, sizeof(struct range), by_start);
	for (i = 0; i < free_ranges->n; i++) {
		const struct range *range = &free_ranges->range[i];

		if (range->start > at)
			add_used(&order->used, area->start + at, range->start - at);
		if (range->start + range->count > at)
			at = range->start + range->count;
	}
	if (end > at)
		add_used(&order->used, area->start + at, end - at);
	order->at = area->start + end;
}

static void add_xfs(struct order *order, struct area *area)
{
	char *path = area->start ? partition_path(order, area->start) : xstrdup(order->path);
	struct ranges free_ranges = {};
	uint64_t end;
	bool clean;

	if (path && xfs_find_free(path, area->count, &free_ranges, &end, &clean)) {
		snprintf(area->what, sizeof(area->what), "xfs");
		area->exact = clean;
		add_all_but(order, area, &free_ranges, end);
	}
	free(free_ranges.range);
	free(path);
}

/* If it is none that is understood, all of it counts as used. */
static void add_file_system(struct order *order, struct area *area)
{
	char type[32];

	if (signature(order->path, area->start, area->count, type, sizeof(type)))
		return;
	if (!strncmp(type, "ext", 3))
		add_ext(order, area);
	else if (!strcmp(type, "xfs"))
		add_xfs(order, area);
}

/* With @look, what it has is asked of the file system in it. */
static void add_area(struct order *order, uint64_t start, uint64_t count, bool look)
{
	struct area area = { start, count, "unknown", true };

	/* Between partitions there are tables and boot loaders. */
	if (start > order->at)
		add_used(&order->used, order->at, start - order->at);
	order->at = start;
	if (look)
		add_file_system(order, &area);
	if (order->at < start + count)
		add_used(&order->used, order->at, start + count - order->at);
	order->at = start + count;
	order->area = xrealloc(order->area, (order->n_areas + 1) * sizeof(area));
	order->area[order->n_areas++] = area;
}

/* Partitions that hold data, in ascending order, each sector once; none: an empty list. */
static struct ranges find_partitions(const char *path, uint64_t sectors)
{
	blkid_probe probe = blkid_new_probe_from_filename(path);
	blkid_partlist list = probe ? blkid_probe_get_partitions(probe) : NULL;
	int n = list ? blkid_partlist_numof_partitions(list) : 0, i;
	struct ranges found = {};

	for (i = 0; i < n; i++) {
		blkid_partition part = blkid_partlist_get_partition(list, i);
		blkid_loff_t start = blkid_partition_get_start(part);
		blkid_loff_t size = blkid_partition_get_size(part);

		/* An extended partition holds others, which are listed, too. */
		if (blkid_partition_is_extended(part) || start < 0 || size <= 0 ||
		    (uint64_t)start >= sectors || (uint64_t)size > sectors - start)
			continue;
		add_range(&found, start, size, 0);
	}
	if (probe)
		blkid_free_probe(probe);
	if (found.n)
		qsort(found.range, found.n, sizeof(struct range), by_start);
	return found;
}

/*
 * A table of partitions may be left from before there was a file system on the whole disk, or
 * the reverse: then nobody knows what is used.
 */
static void find_used(struct order *order)
{
	struct ranges parts = find_partitions(order->path, order->sectors);
	char type[32];
	bool both = parts.n && signature(order->path, 0, order->sectors, type, sizeof(type)) != 1;
	size_t i;

	if (both || !parts.n)
		add_area(order, 0, order->sectors, !both);
	for (i = 0; i < parts.n; i++)
		if (parts.range[i].start >= order->at)
			add_area(order, parts.range[i].start, parts.range[i].count, true);
	if (order->at < order->sectors)
		add_used(&order->used, order->at, order->sectors - order->at);
	free(parts.range);
}

static bool is_exact(const struct order *order)
{
	size_t i;

	for (i = 0; i < order->n_areas; i++)
		if (!order->area[i].exact)
			return false;
	return true;
}

static struct json_object *ranges_json(const struct ranges *ranges)
{
	struct json_object *list = json_object_new_array(), *json;
	size_t i;

	for (i = 0; i < ranges->n; i++) {
		json = json_object_new_object();
		json_put_u64(json, "start", ranges->range[i].start);
		json_put_u64(json, "count", ranges->range[i].count);
		json_object_array_add(list, json);
	}
	return list;
}

static void print_json(const struct order *order)
{
	struct json_object *json = json_object_new_object(), *areas = json_object_new_array();
	size_t i;

	for (i = 0; i < order->n_areas; i++) {
		struct json_object *area = json_object_new_object();

		json_put_u64(area, "start", order->area[i].start);
		json_put_u64(area, "count", order->area[i].count);
		json_put(area, "what", order->area[i].what);
		json_put_flag(area, "exact", order->area[i].exact);
		json_object_array_add(areas, area);
	}
	json_put_flag(json, "exact", is_exact(order));
	json_object_object_add(json, "areas", areas);
	json_object_object_add(json, "used", ranges_json(&order->used));
	json_print(json);
}

static void print_areas(const struct order *order)
{
	size_t i;

	for (i = 0; i < order->n_areas; i++)
		fprintf(stderr, "%" PRIu64 " sectors at %" PRIu64 ": %s%s\n", order->area[i].count,
			order->area[i].start, order->area[i].what,
			order->area[i].exact ? "" : ", not unmounted cleanly");
}

/* Lines that "relocate send" reads; by the last one it knows that none was lost on the way. */
static void print_lines(const struct order *order)
{
	size_t i;

	for (i = 0; i < order->used.n; i++)
		printf("%" PRIu64 " %" PRIu64 "\n", order->used.range[i].start,
		       order->used.range[i].count);
	printf("end %zu\n", order->used.n);
}

static uint64_t size_of(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

	if (fd >= 0)
		close(fd);
	return size < 0 ? 0 : size / SECTOR;
}

/* With --exact, a list that may lack something is a failed check, and no list in lines. */
int relocate_order_verb(struct args *args)
{
	struct order order = { .path = next_arg(args) };
	bool exact = order.path && next_flag(args, "--exact");
	int ret = EXIT_OK;

	if (!order.path || args->argc)
		return usage("order wants a disk, and maybe --exact");
	order.sectors = size_of(order.path);
	if (!order.sectors) {
		err("cannot open %s: %s", order.path, strerror(errno));
		return EXIT_FAILED;
	}
	find_used(&order);
	exact = !exact || is_exact(&order);
	if (!options.json)
		print_areas(&order);
	if (options.json)
		print_json(&order);
	else if (exact)
		print_lines(&order);
	if (!exact) {
		err("a file system on %s was not unmounted cleanly: more may be in use than its bitmaps say",
		    order.path);
		ret = EXIT_CHECK;
	}
	free(order.used.range);
	free(order.area);
	return ret;
}

/* Heaviest first; ascending among equals. */
static int by_weight(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return by_start(a, b);
}

/* Returns 1 for a range, 0 for the end, -EINVAL for neither, and for a line that was cut. */
static int read_line(const char *line, struct ranges *ranges, size_t *said)
{
	uint64_t start, count, weight = 0;

	if (!strchr(line, '\n'))
		return -EINVAL;
	if (sscanf(line, "end %zu", said) == 1)
		return 0;
	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNu64, &start, &count, &weight) < 2 || !count)
		return -EINVAL;
	add_range(ranges, start, count, weight);
	return 1;
}

/*
 * START COUNT [WEIGHT] in each line of standard input, then "end N". With @whole that must
 * be there: what is not in the list is never fetched.
 */
static int read_ranges(struct ranges *ranges, bool whole)
{
	size_t said = 0;
	unsigned int number;
	char line[128];
	int ret = 1;

	for (number = 1; ret == 1 && fgets(line, sizeof(line), stdin); number++) {
		ret = read_line(line, ranges, &said);
		if (ret < 0) {
			err("line %u: START COUNT [WEIGHT] is wanted, in sectors, or end and the number of lines",
			    number);
			return ret;
		}
	}
	if (ferror(stdin) || (ret == 1 && whole) || (!ret && said != ranges->n)) {
		err("the list is not whole: it has %zu ranges, and %s", ranges->n,
		    ret ? "no line \"end\"" : "another number in its line \"end\"");
		return -EINVAL;
	}
	if (whole && !ranges->n) {
		err("the list is empty: by --end nothing would ever be fetched");
		return -EINVAL;
	}
	if (ranges->n)
		qsort(ranges->range, ranges->n, sizeof(struct range), by_weight);
	return 0;
}

static int send_some(const char *volume, const char *list, const struct range *range, size_t n)
{
	char *text = xalloc(n * 44 + 16), *at = text + sprintf(text, "%s", list);
	size_t i;
	int ret;

	for (i = 0; i < n; i++)
		at += sprintf(at, " %" PRIu64 " %" PRIu64, range[i].start, range[i].count);
	ret = snap_message(volume, text, NULL);
	free(text);
	return ret;
}

/* An empty list is sent, too: whether the volume is there and takes one is to be known. */
static int send_all(const char *volume, const char *list, const struct ranges *ranges)
{
	size_t i = 0, n;
	int ret;

	do {
		n = ranges->n - i < SEND_MAX ? ranges->n - i : SEND_MAX;
		ret = send_some(volume, list, ranges->range + i, n);
		i += n;
	} while (!ret && i < ranges->n);
	return ret;
}

static const char *send_reason(int error)
{
	switch (-error) {
	case ENXIO:
		return "no such volume, or it is not active";
	case EBUSY:
		return "its lists are complete";
	case ENOSPC:
		return "too many ranges";
	case ESTALE:
		return "its table has received other ranges, or was loaded anew meanwhile: send the message \"forget\", and all lists again";
	case EINVAL:
		return "not a relocate volume, not in its order, or a range is not on it";
	default:
		return strerror(-error);
	}
}

/* How many there are, so that a table that lacks some of them refuses it. */
static int send_end(const char *volume, const char *list, const struct ranges *ranges)
{
	char *text = xprintf("end %s %zu", list, ranges->n);
	int ret = snap_message(volume, text, NULL);

	free(text);
	return ret;
}

int relocate_send_verb(struct args *args)
{
	const char *volume = next_arg(args), *list = next_arg(args);
	bool end = list && next_flag(args, "--end");
	struct ranges ranges = {};
	int ret;

	if (!list || args->argc || (strcmp(list, "hot") && strcmp(list, "used")))
		return usage(
			"send wants a volume, hot or used, and maybe --end; ranges come on standard input");
	ret = read_ranges(&ranges, end);
	if (ret) {
		free(ranges.range);
		return EXIT_FAILED;
	}
	ret = send_all(volume, list, &ranges);
	if (!ret && end)
		ret = send_end(volume, list, &ranges);
	free(ranges.range);
	if (!ret)
		return EXIT_OK;
	err("cannot send a list to %s: %s", volume, send_reason(ret));
	return EXIT_FAILED;
}
