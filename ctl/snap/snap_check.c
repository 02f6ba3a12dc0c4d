// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl snap check: what is wrong with a STORE that is not in use, and its
 * repair.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "snap/snap.h"
#include "snap/snap_store.h"

static size_t count_states(const struct store *store)
{
	size_t count = 0;
	u32 number;

	for (number = 1; number < SS_LAYERS_MAX; number++)
		count += !!(le32toh(store->layer[number].flags) & SS_LAYER_NAMED);
	return count;
}

static void print_list(const char *path, struct json_object *list, const char *remark)
{
	size_t n = json_count(list), i;

	for (i = 0; i < n; i++)
		say("%s: %s%s", path, json_text_at(list, i), remark);
}

static void print_text(const struct store *store, const char *path)
{
	bool is_lost = store_is_lost(store);

	print_list(path, store->problems, "");
	print_list(path, store->damages, is_lost ? "" : "; activation repairs it");
	if (!is_lost)
		printf("%s: %s, %zu states, %zu chunks, transaction %llu\n", path,
		       json_count(store->damages) ? "nothing is lost" : "ok", count_states(store),
		       store->count[SS_KIND_DATA], store->seq);
}

static void print_json(const struct store *store, const char *path)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "store", path);
	json_put_u64(json, "states", count_states(store));
	json_put_u64(json, "chunks", store->count[SS_KIND_DATA]);
	json_put_u64(json, "zero_chunks", store->count[SS_KIND_ZERO]);
	json_put_u64(json, "chunk_bytes", (uint64_t)store->chunk_sectors * SS_SECTOR_SIZE);
	json_put_u64(json, "transaction", store->seq);
	json_put_u64(json, "uncommitted_slots", store->n_stale);
	json_object_object_add(json, "problems", json_object_get(store->problems));
	json_object_object_add(json, "repairable", json_object_get(store->damages));
	json_print(json);
}

/* Reads, and reports. Returns an exit code. */
static int check(int fd, const char *path)
{
	struct store *store = store_new(fd);
	bool is_well;

	store_check(store);
	is_well = !store_is_lost(store) && !json_count(store->damages);
	if (options.json)
		print_json(store, path);
	else
		print_text(store, path);
	store_free(store);
	return is_well ? EXIT_OK : EXIT_CHECK;
}

/* Then what is left to report is what could not be repaired. */
static int repair(int fd, const char *path, bool force)
{
	struct store *store = store_new(fd);
	int ret = store_repair(store, force);

	if (ret == -EUCLEAN)
		err("%s: not repaired, as it is not certain that nothing is lost; --force goes on with what is sound",
		    path);
	else if (ret)
		err("%s: not repaired: %s", path, strerror(-ret));
	store_free(store);
	return ret ? EXIT_FAILED : EXIT_OK;
}

static bool is_file_of(const struct stat *store, char *loop)
{
	char path[PATH_MAX];
	struct stat st;

	if (read_text(loop, path, sizeof(path)))
		return false;
	path[strcspn(path, "\n")] = 0;
	return !stat(path, &st) && st.st_dev == store->st_dev && st.st_ino == store->st_ino;
}

/* O_EXCL keeps nobody from a file: the module may have it by a loop device. */
static int check_no_loop(const char *path, int fd)
{
	char pattern[PATH_MAX];
	struct stat st;
	glob_t loops;
	size_t i;
	int ret;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return 0;
	ret = find_files(rooted(pattern, sizeof(pattern), "/sys/block/loop*/loop/backing_file"),
			 &loops);
	for (i = 0; !ret && i < loops.gl_pathc; i++)
		if (is_file_of(&st, loops.gl_pathv[i]))
			ret = -EBUSY;
	if (ret == -EBUSY)
		err("%s: a loop device has it ('losetup -j %s' says which): detach it first, or repair that device",
		    path, path);
	globfree(&loops);
	return ret;
}

/* Nobody else has it open for writing, nor does the module. */
static int open_store(const char *path, bool writes)
{
	int fd = open(path, (writes ? O_RDWR | O_EXCL : O_RDONLY) | O_CLOEXEC);

	if (fd < 0) {
		err("%s: %s", path, strerror(errno));
		return fd;
	}
	if (writes && check_no_loop(path, fd)) {
		close(fd);
		return -EBUSY;
	}
	/* The module writes past the page cache, where somebody may have left what was there before. */
	if (ioctl(fd, BLKFLSBUF) && errno != ENOTTY)
		say("%s: cannot forget what is in memory: %s", path, strerror(errno));
	return fd;
}

/* Exit code: 0, 1 when the device cannot be opened, or repaired, 3 when anything is wrong. */
int snap_check_verb(struct args *args)
{
	const char *path = next_arg(args);
	bool repairs = next_flag(args, "--repair"), force = repairs && next_flag(args, "--force");
	int fd, ret = EXIT_OK, found;

	if (!path || args->argc)
		return usage("check wants a STORE");
	fd = open_store(path, repairs);
	if (fd < 0)
		return EXIT_FAILED;
	if (repairs)
		ret = repair(fd, path, force);
	found = check(fd, path);
	close(fd);
	return found ? found : ret;
}
