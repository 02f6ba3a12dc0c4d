// SPDX-License-Identifier: GPL-2.0
/*
 * The port of an LPAR whose guest starts, or has ended: the original is logged in before the
 * guest's disks are looked for, and logged out when they are nobody's any more.
 *
 * /run/lparkit/NAME/fc says that it was a start which has logged it in: what an operator has
 * logged in stays so. The identity stays, too: it knows whether it has moved to another host.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fc/fc.h"
#include "lpar/lpar.h"

#define LOOK_MS 50
#define LINK_TIMEOUT_NS (30 * NSEC_PER_SEC)
/* So long a disk that was just closed may be open again: udev looks at what was written. */
#define CLOSE_TIMEOUT_NS (10 * NSEC_PER_SEC)

/* So long after its deadline a logout is given up: it has no way back, and may never end. */
#define LOGOUT_SLACK_NS (5 * NSEC_PER_SEC)

/* --- the note --- */

static const char *note_path(char *buf, size_t size, const char *lpar)
{
	return run_path(buf, size, lpar, "fc");
}

/* *made: there was none. */
static int make_note(const char *lpar, bool *made)
{
	char path[PATH_MAX];
	int fd = open(note_path(path, sizeof(path), lpar), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		      0644);

	*made = fd >= 0;
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno == EEXIST)
		return 0;
	err("LPAR %s: %s: %s", lpar, path, strerror(errno));
	return -errno;
}

static void remove_note(const char *lpar)
{
	char path[PATH_MAX];

	unlink(note_path(path, sizeof(path), lpar));
}

/* Has a start logged its port in, and no stop logged it out? */
bool fc_guest_is_noted(const char *lpar)
{
	char path[PATH_MAX];

	return !access(note_path(path, sizeof(path), lpar), F_OK);
}

/* --- the identity --- */

static bool has_wwn(struct json_object *identity, const char *key, uint64_t wwn)
{
	char text[WWN_CHARS + 1];

	return !strcmp(json_text(identity, key), wwn_format(text, sizeof(text), wwn));
}

/* A host that has just booted has its adapters before they have their links. */
static int wait_parent(const char *lpar, uint64_t *parent)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + LINK_TIMEOUT_NS;
	int ret = fc_find_parent(parent);

	while (ret && left_ns(deadline_ns) && !interrupted()) {
		sleep_ms(LOOK_MS);
		ret = fc_find_parent(parent);
	}
	if (ret)
		err("LPAR %s: no Fibre Channel adapter of this host has a link and room for a port: see 'lparctl fc list'",
		    lpar);
	return ret;
}

/* The adapter of the description; with "any" the present one, if it is there. */
static int choose_parent(const struct lpar_config *config, struct json_object *identity,
			 uint64_t *parent)
{
	*parent = config->guest.fc.parent;
	if (*parent != FC_PARENT_ANY)
		return 0;
	if (identity && !wwn_parse(json_text(identity, "parent"), parent) && wwn_is_here(*parent))
		return 0;
	return wait_parent(config->name, parent);
}

static int define(const struct lpar_config *config, struct fc_launch *launch)
{
	const uint64_t *wwn = config->guest.fc.wwn;
	struct nlmsghdr *nlh;
	uint64_t parent;
	int ret;

	if (choose_parent(config, NULL, &parent))
		return EXIT_FAILED;
	nlh = fc_request(FCN_CMD_DEFINE, config->name);
	mnl_attr_put_u64(nlh, FCN_A_WWNN, wwn[WWN_NODE]);
	mnl_attr_put_u64(nlh, FCN_A_WWPN_ORIGINAL, wwn[WWN_ORIGINAL]);
	mnl_attr_put_u64(nlh, FCN_A_WWPN_MAINTENANCE, wwn[WWN_MAINTENANCE]);
	mnl_attr_put_u64(nlh, FCN_A_PARENT, parent);
	ret = nl_send(nlh, NULL, NULL);
	launch->defined = !ret;
	return ret ? fc_fail(config->name, ret) : EXIT_OK;
}

static int set_parent(const char *lpar, uint64_t parent)
{
	struct nlmsghdr *nlh = fc_request(FCN_CMD_SET, lpar);
	int ret;

	mnl_attr_put_u64(nlh, FCN_A_PARENT, parent);
	ret = nl_send(nlh, NULL, NULL);
	return ret ? fc_fail(lpar, ret) : EXIT_OK;
}

/* One that is there already has to be the described one. */
static int adopt(const struct lpar_config *config, struct json_object *identity,
		 struct fc_launch *launch)
{
	const uint64_t *wwn = config->guest.fc.wwn;
	uint64_t former, parent;
	int ret;

	if (!has_wwn(identity, "wwnn", wwn[WWN_NODE]) ||
	    !has_wwn(identity, "wwpn_original", wwn[WWN_ORIGINAL]) ||
	    !has_wwn(identity, "wwpn_maintenance", wwn[WWN_MAINTENANCE])) {
		err("LPAR %s: it has an identity with other names than its description: 'lparctl fc delete %s' first",
		    config->name, config->name);
		return EXIT_FAILED;
	}
	if (choose_parent(config, identity, &parent))
		return EXIT_FAILED;
	if (has_wwn(identity, "parent", parent))
		return EXIT_OK;
	ret = set_parent(config->name, parent);
	if (!ret && !wwn_parse(json_text(identity, "parent"), &former))
		launch->parent = former;
	return ret;
}

static bool is_absent(struct json_object *identity)
{
	return !strcmp(json_text(json_object_object_get(identity, "original"), "state"), "absent");
}

static int define_or_adopt(const struct lpar_config *config, struct fc_launch *launch, bool *absent)
{
	struct json_object *identity;
	int ret = fc_get(config->name, &identity);

	*absent = true;
	if (ret == -ENOENT)
		return define(config, launch);
	if (ret)
		return fc_fail(config->name, ret);
	*absent = is_absent(identity);
	ret = adopt(config, identity, launch);
	json_object_put(identity);
	return ret;
}

/* --- login --- */

static int request_operation(const char *lpar, enum fcn_operation operation)
{
	struct nlmsghdr *nlh = fc_request(FCN_CMD_START, lpar);

	mnl_attr_put_u32(nlh, FCN_A_OPERATION, operation);
	return nl_send(nlh, NULL, NULL);
}

/* The first disk that is not there; NULL: all are. */
static const char *missing_disk(const struct lpar_config *config)
{
	struct stat st;
	size_t i;

	for (i = 0; i < config->n_disks; i++)
		if (stat(config->disk[i], &st) || !S_ISBLK(st.st_mode))
			return config->disk[i];
	return NULL;
}

/* The port knows its disks before udev has given them names. */
static int wait_disks(const struct lpar_config *config, uint64_t timeout_ns)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + timeout_ns;
	const char *disk;

	while ((disk = missing_disk(config))) {
		if (interrupted()) {
			err("LPAR %s: interrupted", config->name);
			return EXIT_FAILED;
		}
		if (!left_ns(deadline_ns)) {
			err("LPAR %s: the port is logged in, and disk %s does not come",
			    config->name, disk);
			return EXIT_TIMEOUT;
		}
		sleep_ms(LOOK_MS);
	}
	return EXIT_OK;
}

/* What the port is, and its disks. */
static int finish_login(const struct lpar_config *config)
{
	struct json_object *identity;
	int ret = fc_get(config->name, &identity);
	uint64_t storage_ns;

	if (ret)
		return fc_fail(config->name, ret);
	say("%s: port %s is logged in at host%s", config->name,
	    json_text(identity, "wwpn_original"),
	    json_text(json_object_object_get(identity, "original"), "host"));
	storage_ns = json_number(identity, "storage_ms") * NSEC_PER_MSEC;
	json_object_put(identity);
	return wait_disks(config, storage_ns);
}

/*
 * Log the original of a description with fc-parent= in, and wait for the disks. Signals are
 * to be caught already. What was done when it fails is for fc_guest_undo(). Exit code.
 */
int fc_guest_login(const struct lpar_config *config, struct fc_launch *launch)
{
	const char *lpar = config->name;
	bool absent;
	int ret;

	if (fc_journal_refuse(lpar) || fc_away_refuse(lpar) || wwns_claim(config))
		return EXIT_FAILED;
	ret = define_or_adopt(config, launch, &absent);
	if (ret)
		return ret;
	/* Before it is asked for: whoever is killed has a stop to log it out. */
	if (absent && make_note(lpar, &launch->noted))
		return EXIT_FAILED;
	ret = request_operation(lpar, FCN_OPERATION_LOGIN);
	if (ret)
		return fc_fail(lpar, ret);
	launch->logged_in = absent;
	ret = fc_wait(lpar, "idle");
	return ret ? ret : finish_login(config);
}

/* --- logout --- */

/* Does a map of device mapper, or the like, have one of its disks? It will not let it go soon. */
static bool is_held(struct json_object *identity)
{
	struct json_object *original = json_object_object_get(identity, "original");
	struct json_object *paths = json_object_object_get(original, "paths");
	char pattern[PATH_MAX];
	bool held = false;
	glob_t holders;
	size_t i;

	for (i = 0; i < json_count(paths) && !held; i++) {
		rooted(pattern, sizeof(pattern), "/sys/class/block/%s/holders/*",
		       json_text(json_at(paths, i), "disk"));
		held = !glob(pattern, 0, NULL, &holders);
		if (held)
			globfree(&holders);
	}
	return held;
}

/* With open disks it is refused; whoever has just closed one may be looked at by udev. */
static int ask_logout(const char *lpar, struct json_object *identity)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + CLOSE_TIMEOUT_NS;
	int ret = request_operation(lpar, FCN_OPERATION_LOGOUT);

	while (ret == -EBUSY && left_ns(deadline_ns) && !is_held(identity)) {
		sleep_ms(LOOK_MS);
		ret = request_operation(lpar, FCN_OPERATION_LOGOUT);
	}
	return ret;
}

/* A driver or a fabric that does not answer keeps nobody else waiting. Exit code. */
static int wait_idle(const char *lpar, struct json_object *identity)
{
	uint64_t timeout_ns = json_number(identity, "logout_ms") * NSEC_PER_MSEC + LOGOUT_SLACK_NS;

	return fc_wait_until(lpar, "idle", now_ns(CLOCK_MONOTONIC) + timeout_ns);
}

static bool is_under_way(struct json_object *identity, const char *operation)
{
	return strcmp(json_text(identity, "step"), "idle") &&
	       !strcmp(json_text(identity, "operation"), operation);
}

/*
 * Whoever began a login or a logout may have been killed, or was told to end: the login of the
 * original goes back, and what is not ours to end is waited for. Moves are not. Exit code.
 */
static int end_operation(const char *lpar, struct json_object *identity)
{
	bool login = is_under_way(identity, "login");
	int ret;

	if (!login && !is_under_way(identity, "logout"))
		return EXIT_OK;
	/* Refused if it has ended, or goes back already. */
	if (login && strcmp(json_text(identity, "port"), "maintenance"))
		nl_send(fc_request(FCN_CMD_ABORT, lpar), NULL, NULL);
	ret = wait_idle(lpar, identity);
	return ret == EXIT_ROLLED_BACK ? EXIT_OK : ret;
}

/* As end_operation() has left it; 0 when there is none, or -errno. To be put. */
static int get_ended(const char *lpar, struct json_object **identity, int *code)
{
	int ret = fc_get(lpar, identity);

	if (ret)
		return ret;
	*code = end_operation(lpar, *identity);
	json_object_put(*identity);
	return fc_get(lpar, identity);
}

static bool is_moving(struct json_object *identity)
{
	return is_under_way(identity, "source") || is_under_way(identity, "destination");
}

/* 0 when there is none, or -errno, -EINPROGRESS: a move; exit code of the logout in *code. */
static int log_out(const char *lpar, int *code)
{
	struct json_object *identity;
	int ret;

	*code = EXIT_OK;
	ret = get_ended(lpar, &identity, code);
	if (ret)
		return ret;
	if (!*code && is_moving(identity)) {
		ret = -EINPROGRESS;
	} else if (!*code && !is_absent(identity)) {
		ret = ask_logout(lpar, identity);
		*code = ret ? EXIT_FAILED : wait_idle(lpar, identity);
	}
	if (*code == EXIT_TIMEOUT)
		err("LPAR %s: its port is not logged out yet: the next stop waits for it again",
		    lpar);
	json_object_put(identity);
	return ret;
}

/* Has it the adapter that it had, or is it gone as it was? */
static int undo_identity(const char *lpar, const struct fc_launch *launch)
{
	int ret = 0;

	if (launch->defined)
		ret = nl_send(fc_request(FCN_CMD_DELETE, lpar), NULL, NULL);
	if (ret && ret != -ENOENT)
		return fc_fail(lpar, ret);
	return launch->parent ? set_parent(lpar, launch->parent) : EXIT_OK;
}

/*
 * As it was before fc_guest_login(), which may have been broken off; else -EBUSY. What fails
 * is said.
 */
int fc_guest_undo(const char *lpar, const struct fc_launch *launch)
{
	int code = EXIT_OK, ret = 0;

	if (launch->logged_in)
		ret = log_out(lpar, &code);
	if (ret)
		fc_fail(lpar, ret);
	if (ret || code)
		return -EBUSY;
	if (launch->noted)
		remove_note(lpar);
	return undo_identity(lpar, launch) ? -EBUSY : 0;
}

/*
 * Log out what a start has logged in, unless it is on another host now. The guest has none of
 * its disks any more, but the host may have, as a map over them: then it stays logged in, and
 * the next stop tries again. Exit code.
 */
int fc_guest_logout(const char *lpar)
{
	int code, ret;

	if (!fc_guest_is_noted(lpar))
		return EXIT_OK;
	if (!nl_available(&nl_fcnpiv)) {
		err("LPAR %s: fcnpiv is not loaded: if its port is logged in, it stays so", lpar);
		return EXIT_FAILED;
	}
	ret = log_out(lpar, &code);
	if (ret == -EBUSY) {
		say("%s: port stays logged in: %s", lpar, nl_text(ret));
		return EXIT_OK;
	}
	if (ret == -EINPROGRESS) {
		say("%s: port is left alone, as a move of it is not over: see 'lparctl fc recover %s'; the next stop logs it out",
		    lpar, lpar);
		return EXIT_OK;
	}
	if (ret == -ENOENT) {
		err("LPAR %s: its identity was deleted: if its port is logged in, it stays so",
		    lpar);
		remove_note(lpar);
	} else if (ret) {
		fc_fail(lpar, ret);
	}
	if (ret || code)
		return ret ? EXIT_FAILED : code;
	say("%s: port is logged out", lpar);
	remove_note(lpar);
	return EXIT_OK;
}
