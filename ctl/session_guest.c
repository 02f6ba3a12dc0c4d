// SPDX-License-Identifier: GPL-2.0
/*
 * A guest of a session: its netdevs, volumes and monitor, and what is done to it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"

#define QMP_TIMEOUT_MS 20000
#define DRAIN_TIMEOUT_NS (20 * NSEC_PER_SEC)

void guest_add_netdev(struct guest *guest, const char *name, bool ours)
{
	size_t n = guest->n_netdevs, i;

	for (i = 0; i < n; i++)
		if (!strcmp(guest->netdev[i].name, name))
			return;
	guest->netdev = xrealloc(guest->netdev, (n + 1) * sizeof(*guest->netdev));
	snprintf(guest->netdev[n].name, sizeof(guest->netdev[n].name), "%s", name);
	guest->netdev[n].ours = ours;
	guest->n_netdevs++;
}

void guest_add_volume(struct guest *guest, const char *name)
{
	size_t n = guest->n_volumes;

	guest->volume = xrealloc(guest->volume, (n + 1) * sizeof(*guest->volume));
	guest->volume[n] = xstrdup(name);
	guest->n_volumes++;
}

/* Their names, as an array. */
struct json_object *guest_volumes(const struct guest *guest)
{
	struct json_object *names = json_object_new_array();
	size_t i;

	for (i = 0; i < guest->n_volumes; i++)
		json_object_array_add(names, json_object_new_string(guest->volume[i]));
	return names;
}

/* Its QEMU; -ENOENT without a message when there is none. */
int guest_find(struct guest *guest)
{
	struct lpar lpar;
	int ret = lpar_get(guest->name, &lpar);

	guest->pid = ret ? 0 : lpar_guest_pid(&lpar);
	guest->memory = lpar.memory;
	lpar_free(&lpar);
	return guest->pid ? 0 : -ENOENT;
}

int guest_find_volumes(struct guest *guest)
{
	char volume[128];
	struct lpar lpar;
	size_t i;
	int ret = lpar_get(guest->name, &lpar);

	for (i = 0; !ret && i < lpar.n_disks; i++) {
		ret = snap_volume_of(lpar.disk[i], volume, sizeof(volume));
		if (ret)
			err("guest %s: its disk %s is no snapsync volume, so its content cannot be saved: see snapsync in the user guide",
			    guest->name, lpar.disk[i]);
		else
			guest_add_volume(guest, volume);
	}
	lpar_free(&lpar);
	return ret;
}

/* The kernel tells the netdev of each open tap. */
static void find_netdev(struct guest *guest, const char *path)
{
	FILE *file = fopen(path, "re");
	char line[256], name[64];

	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "iff: %63s", name) == 1)
			guest_add_netdev(guest, name, false);
	fclose(file);
}

int guest_find_netdevs(struct guest *guest)
{
	char *path = xprintf("/proc/%d/fdinfo", guest->pid);
	struct dirent *entry;
	DIR *dir = guest->pid ? opendir(path) : NULL;

	while (dir && (entry = readdir(dir))) {
		char *file = xprintf("%s/%s", path, entry->d_name);

		find_netdev(guest, file);
		free(file);
	}
	if (dir)
		closedir(dir);
	free(path);
	return dir ? 0 : -ENOENT;
}

static int attach_netdev(struct guest *guest, struct netdev *netdev)
{
	struct json_object *buffer;
	struct nlmsghdr *nlh;
	int ret = netbuf_get(netdev->name, &buffer);
	const char *lpar;

	if (ret == -ENOENT) {
		nlh = netbuf_request(NETBUF_CMD_ATTACH, netdev->name);
		mnl_attr_put_strz(nlh, NETBUF_A_LPAR, guest->name);
		ret = nl_send(nlh, NULL, NULL);
		netdev->ours = !ret;
		return ret ? netbuf_fail(netdev->name, ret) : 0;
	}
	if (ret)
		return netbuf_fail(netdev->name, ret);
	lpar = json_text(buffer, "lpar");
	if (strcmp(lpar, guest->name)) {
		err("%s: its buffer takes part in the cuts of %s%s: run 'lparctl netbuf set %s --lpar %s'",
		    netdev->name, *lpar ? "LPAR " : "no LPAR", lpar, netdev->name, guest->name);
		ret = -EBUSY;
	}
	json_object_put(buffer);
	return ret;
}

/* All its netdevs have a buffer that takes part in its cuts. */
int guest_attach(struct guest *guest)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < guest->n_netdevs; i++)
		ret = attach_netdev(guest, &guest->netdev[i]);
	return ret;
}

static void wait_drained(const char *name, uint64_t deadline_ns)
{
	struct json_object *buffer;
	bool over;

	do {
		if (netbuf_get(name, &buffer))
			return;
		over = !strcmp(json_text(buffer, "state"), "pass") ||
		       now_ns(CLOCK_MONOTONIC) > deadline_ns;
		json_object_put(buffer);
		if (!over)
			sleep_ms(5);
	} while (!over);
}

int guest_hold(struct guest *guest)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < guest->n_netdevs; i++) {
		ret = netbuf_set_state(guest->netdev[i].name, NETBUF_STATE_HOLD);
		if (ret)
			netbuf_fail(guest->netdev[i].name, ret);
	}
	return ret;
}

/* Send on what is held, then take those buffers away that were not there before. */
void guest_detach(struct guest *guest)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + DRAIN_TIMEOUT_NS;
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++) {
		struct netdev *netdev = &guest->netdev[i];

		if (netbuf_set_state(netdev->name, NETBUF_STATE_DRAIN))
			continue;
		wait_drained(netdev->name, deadline_ns);
		if (netdev->ours)
			nl_send(netbuf_request(NETBUF_CMD_DETACH, netdev->name), NULL, NULL);
		netdev->ours = false;
	}
}

int guest_connect(struct guest *guest)
{
	char path[PATH_MAX];
	int ret;

	if (guest->qmp)
		return 0;
	ret = qmp_open(run_monitor(path, sizeof(path), guest->name), QMP_TIMEOUT_MS, &guest->qmp);
	if (ret)
		snprintf(guest->why, sizeof(guest->why),
			 "QEMU does not answer on its QMP socket: %s", strerror(-ret));
	return ret;
}

static int call(struct guest *guest, const char *command, struct json_object *arguments, int pass,
		struct qmp_reply *reply)
{
	int ret = qmp_call(guest->qmp, command, arguments, pass, reply, QMP_TIMEOUT_MS);

	if (ret)
		snprintf(guest->why, sizeof(guest->why), "QMP %s: %s", command,
			 *reply->why ? reply->why : strerror(-ret));
	return ret;
}

/* In any thread; the reason of a failure is in guest->why. */
int guest_call(struct guest *guest, const char *command, struct json_object *arguments, int pass,
	       struct json_object **result)
{
	struct qmp_reply reply = { 0 };
	int ret = call(guest, command, arguments, pass, &reply);

	if (!ret && result)
		*result = reply.result;
	else
		json_object_put(reply.result);
	return ret;
}

/* The same for a command without arguments whose effect an event tells of: guest->halted_ns. */
int guest_halt(struct guest *guest, const char *command, const char *event)
{
	struct qmp_reply reply = { .event = event };
	int ret = call(guest, command, NULL, -1, &reply);

	json_object_put(reply.result);
	/* One that stood, or ran, already says nothing. */
	guest->halted_ns = reply.event_ns ? reply.event_ns : now_ns(CLOCK_REALTIME);
	return ret;
}

/*
 * Run our own verbs, such as start and stop, each for a guest, at the same
 * time; what they complain of is the reason of a failure.
 */
int guest_run_lparctl(struct guest *guest, const char *const *words)
{
	int ends[2], status = 0;
	ssize_t len, total = 0;
	char **all;
	pid_t pid;
	size_t i;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	all = self_words(words);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		execv("/proc/self/exe", all);
		_exit(EXIT_FAILED);
	}
	close(ends[1]);
	for (i = 0; all[i]; i++)
		free(all[i]);
	free(all);
	while (pid > 0 && total + 1 < (ssize_t)sizeof(guest->why) &&
	       (len = read(ends[0], guest->why + total, sizeof(guest->why) - 1 - total)) > 0)
		total += len;
	close(ends[0]);
	guest->why[total] = 0;
	guest->why[strcspn(guest->why, "\n")] = 0;
	if (!strncmp(guest->why, "lparctl: ", 9))
		memmove(guest->why, guest->why + 9, strlen(guest->why + 9) + 1);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

/* Its migration, if one is under way, has ended. */
static int cancel_migration(struct guest *guest)
{
	struct json_object *info;
	bool busy;
	int ret;

	do {
		guest_call(guest, "migrate_cancel", NULL, -1, NULL);
		ret = guest_call(guest, "query-migrate", NULL, -1, &info);
		if (ret)
			return ret;
		busy = !strcmp(json_text(info, "status"), "active") ||
		       !strcmp(json_text(info, "status"), "setup") ||
		       !strcmp(json_text(info, "status"), "cancelling");
		json_object_put(info);
		if (busy)
			sleep_ms(20);
	} while (busy);
	return 0;
}

/* A guest that stands because of us goes on; it may have been killed, too. */
int guest_go_on(struct guest *guest)
{
	struct json_object *status;
	bool stands;
	int ret;

	if (!guest->pid)
		return 0;
	ret = guest_connect(guest);
	if (!ret)
		ret = guest_call(guest, "query-status", NULL, -1, &status);
	if (ret)
		return ret;
	stands = !json_object_get_boolean(json_object_object_get(status, "running"));
	json_object_put(status);
	if (!stands)
		return 0;
	ret = cancel_migration(guest);
	if (ret)
		return ret;
	return guest_call(guest, "cont", NULL, -1, NULL);
}

/* Its QEMU ends, and its LPAR is given back. */
int guest_end(struct guest *guest)
{
	const char *const words[] = { "stop", guest->name, "--timeout", "0s", NULL };

	if (!guest->pid)
		return 0;
	qmp_close(guest->qmp);
	guest->qmp = NULL;
	return guest_run_lparctl(guest, words);
}
