// SPDX-License-Identifier: GPL-2.0
/*
 * A saved state on disk: JSON files that are whole or not there, digests,
 * directories.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cluster/cluster.h"

#define READ_BYTES (1 << 20)

static int file_error(const char *path)
{
	int ret = -errno;

	err("%s: %s", path, strerror(errno));
	return ret;
}

/* Ends a digest; as sha256sum prints it. */
void digest_end(EVP_MD_CTX *digest, char *hex)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned int len = 0, i;

	EVP_DigestFinal_ex(digest, sum, &len);
	for (i = 0; i < len; i++)
		snprintf(hex + 2 * i, 3, "%02x", sum[i]);
	EVP_MD_CTX_free(digest);
}

/* SHA-256 of a file. */
int digest_file(const char *path, char *hex)
{
	unsigned char *buf = xalloc(READ_BYTES);
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = -1;
	int ret = 0;

	EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
	while (fd >= 0 && (got = read(fd, buf, READ_BYTES)) > 0)
		EVP_DigestUpdate(digest, buf, got);
	if (got < 0)
		ret = file_error(path);
	digest_end(digest, hex);
	if (fd >= 0)
		close(fd);
	free(buf);
	return ret;
}

/* The directory above, when nothing else is in it. */
static void remove_parent(const char *path)
{
	char *parent = xstrdup(path), *end = strrchr(parent, '/');

	if (end) {
		*end = 0;
		rmdir(parent);
	}
	free(parent);
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name);

	return len >= strlen(end) && !strcmp(name + len - strlen(end), end);
}

/* What a save writes, also what becomes of it where a file has a name as it is written. */
static bool is_saved(const char *name)
{
	return ends_with(name, STATE_SUFFIX) || ends_with(name, ".lpar") ||
	       !strncmp(name, "description.json", strlen("description.json")) ||
	       !strncmp(name, "frames.pcapng", strlen("frames.pcapng"));
}

/* Whose directory it is not, or who has put more into it, finds all as it was. */
static int check_saved(DIR *dir, const char *path)
{
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..") ||
		    is_saved(entry->d_name))
			continue;
		err("%s has a file %s that no save has written: nothing is removed", path,
		    entry->d_name);
		return -ENOTEMPTY;
	}
	rewinddir(dir);
	return 0;
}

/* A host's directory of files; one that is not there is no error. */
int remove_dir(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	int ret;

	if (!dir && errno != ENOENT)
		return file_error(path);
	if (!dir) {
		remove_parent(path);
		return 0;
	}
	ret = check_saved(dir, path);
	while (!ret && (entry = readdir(dir)))
		if (is_saved(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	if (ret)
		return ret;
	if (rmdir(path))
		return file_error(path);
	remove_parent(path);
	return 0;
}

/* Root alone can read it, and it survives a crash; no message. */
int saved_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	size_t len = strlen(text);
	int ret = 0;

	if (fd < 0)
		return -errno;
	errno = EIO;
	if (write(fd, text, len) != (ssize_t)len || fsync(fd))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

/* Not every file system can: NFS has links. */
static int rename_new(const char *part, const char *path)
{
	if (!renameat2(AT_FDCWD, part, AT_FDCWD, path, RENAME_NOREPLACE))
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return link(part, path) || unlink(part) ? -errno : 0;
}

static int store(const char *path, struct json_object *json, bool is_new)
{
	int flags = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
		    JSON_C_TO_STRING_NOSLASHESCAPE;
	/* Two may store under a new name; otherwise it takes the place of what a killed one has left. */
	char *part = is_new ? xprintf("%s.part.%d", path, getpid()) : xprintf("%s.part", path);
	int ret = saved_write(part, json_object_to_json_string_ext(json, flags));

	if (!ret && is_new)
		ret = rename_new(part, path);
	else if (!ret && rename(part, path))
		ret = -errno;
	if (!ret)
		ret = sync_parent(path);
	if (ret) {
		unlink(part);
		err("%s: %s", path,
		    is_new && ret == -EEXIST ? "another lparctl has saved under that name meanwhile"
					     : strerror(-ret));
	}
	free(part);
	return ret;
}

/* It appears under its name when it is whole. */
int saved_store(const char *path, struct json_object *json)
{
	return store(path, json, false);
}

/* The same, or -EEXIST. */
int saved_store_new(const char *path, struct json_object *json)
{
	return store(path, json, true);
}

/* NULL, with the reason printed, when it is not there or of another version. */
struct json_object *saved_load(const char *path)
{
	struct json_object *json = json_object_from_file(path);

	if (!json) {
		err("%s: %s", path, access(path, F_OK) ? strerror(errno) : "damaged: no JSON");
		return NULL;
	}
	if (json_number(json, "version") == CLUSTER_VERSION)
		return json;
	err("%s: version %s; this lparctl knows %d", path, json_text(json, "version"),
	    CLUSTER_VERSION);
	json_object_put(json);
	return NULL;
}

/* The same of one whose digest is known; what cannot be read is not what was saved. */
struct json_object *saved_load_as(const char *path, const char *digest)
{
	char hex[DIGEST_CHARS + 1];

	if (digest_file(path, hex))
		return NULL;
	if (!strcmp(hex, digest))
		return saved_load(path);
	err(DAMAGED, path);
	return NULL;
}

static bool is_state(const struct session *session, const char *file)
{
	size_t i, len;

	for (i = 0; i < session->n_guests; i++) {
		len = strlen(session->guest[i].name);
		if (!strncmp(file, session->guest[i].name, len) &&
		    !strcmp(file + len, STATE_SUFFIX))
			return true;
	}
	return false;
}

/* Every file is what it was, but for the guests' states, of which migrate_check() says so. */
int saved_verify_rest(const struct session *session, struct json_object *description)
{
	struct json_object *files = json_object_object_get(description, "files");
	char hex[DIGEST_CHARS + 1];
	size_t i;
	int ret;

	for (i = 0; i < json_count(files); i++) {
		struct json_object *file = json_at(files, i);
		char *path;

		if (is_state(session, json_text(file, "name")))
			continue;
		path = session_file(session, json_text(file, "name"));
		ret = digest_file(path, hex);
		if (!ret && strcmp(hex, json_text(file, "sha256"))) {
			err(DAMAGED, path);
			ret = -EBADMSG;
		}
		free(path);
		if (ret)
			return ret;
	}
	return 0;
}

static int delete_states(struct session *session)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < json_count(session->others); i++) {
		const char *volume = json_text_at(session->others, i);

		child_begins(volume);
		/* One that is gone already is what was asked for: a delete may be repeated. */
		ret = snap_has_state(volume, session->state);
		if (ret > 0)
			ret = snap_change(volume, "delete", session->state);
		if (ret)
			err("volume %s: cannot delete %s: %s", volume, session->state,
			    snap_reason(ret));
	}
	return ret;
}

/*
 * What is to be deleted, NULL where nothing is described; the digest is "" if no manifest has
 * it. Then, or when this has been tried before, a description that is not there at all is that
 * of nothing: one that cannot be read, or is where nothing is mounted, alone names the states of
 * the volumes, which nobody would find any more.
 */
static int load_doomed(const char *dir, const char *digest, bool again,
		       struct json_object **description)
{
	char *path = xprintf("%s/description.json", dir);
	int ret = 0;

	*description = NULL;
	if (!access(path, F_OK)) {
		*description = *digest ? saved_load_as(path, digest) : saved_load(path);
		ret = *description ? 0 : -EBADMSG;
	} else if (errno != ENOENT) {
		ret = file_error(path);
	} else if (*digest && !again) {
		err("%s is not there: is its directory mounted? If it is gone for good, delete once more",
		    path);
		ret = -ENOENT;
	}
	free(path);
	return ret;
}

/* Of all its guests. */
static struct json_object *described_volumes(struct json_object *description)
{
	struct json_object *guests = json_object_object_get(description, "guests");
	struct json_object *all = json_object_new_array();
	size_t i, j;

	for (i = 0; i < json_count(guests); i++) {
		struct json_object *some = json_object_object_get(json_at(guests, i), "volumes");

		for (j = 0; j < json_count(some); j++)
			json_object_array_add(all, json_object_get(json_at(some, j)));
	}
	return all;
}

static int delete_dir(struct session *session, const char *dir, const char *digest, bool again)
{
	struct json_object *description;
	int ret = load_doomed(dir, digest, again, &description);

	session->others = described_volumes(description);
	json_object_put(description);
	if (!ret && json_count(session->others))
		ret = child_run(session, delete_states);
	json_object_put(session->others);
	session->others = NULL;
	return ret ? ret : remove_dir(dir);
}

/*
 * delete: {name, dir, host, sha256, again} -> {found}: the directory and the states of the volumes; and
 * what a save has left under that name when its host died
 */
int saved_delete(struct session *session, struct json_object *request, struct json_object **result)
{
	int ret = session_begin(session, SESSION_NONE, request);
	char *part;

	if (ret)
		return ret;
	part = xprintf("%s.part", session->dir);
	*result = json_object_new_object();
	json_put_flag(*result, "found", !access(session->dir, F_OK) || !access(part, F_OK));
	ret = delete_dir(session, session->dir, json_text(request, "sha256"),
			 json_flag(request, "again"));
	if (!ret)
		ret = delete_dir(session, part, "", true);
	free(part);
	session_end(session);
	return ret;
}
