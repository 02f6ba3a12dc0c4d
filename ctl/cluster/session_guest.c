// SPDX-License-Identifier: GPL-2.0
/*
 * A guest of a session: its netdevs, volumes and monitor, and what is done to it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "cluster/cluster.h"

/* For QEMU to say who it is, and to end. */
#define QMP_TIMEOUT_MS 5000
#define END_MS 10000
/* For another lparctl, whose own limits are shorter. */
#define VERB_NS (600 * NSEC_PER_SEC)
/* /dev/net/tun */
#define TUN_MAJOR 10
#define TUN_MINOR 200

/* What a step in the guest's own words has failed of. */
int guest_failed(struct guest *guest, const char *doing, int ret)
{
	if (ret)
		err("guest %s: %s: %s", guest->name, doing,
		    *guest->why ? guest->why : strerror(-ret));
	return ret;
}

void guest_add_netdev(struct guest *guest, const char *name, bool ours)
{
	size_t n = guest->n_netdevs, i;

	for (i = 0; i < n; i++)
		if (!strcmp(guest->netdev[i].name, name))
			return;
	guest->netdev = xrealloc(guest->netdev, (n + 1) * sizeof(*guest->netdev));
	guest->netdev[n] = (struct netdev){ .ours = ours };
	snprintf(guest->netdev[n].name, sizeof(guest->netdev[n].name), "%s", name);
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
struct json_object *guest_netdevs(const struct guest *guest)
{
	struct json_object *names = json_object_new_array();
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++)
		json_object_array_add(names, json_object_new_string(guest->netdev[i].name));
	return names;
}

struct json_object *guest_volumes(const struct guest *guest)
{
	struct json_object *names = json_object_new_array();
	size_t i;

	for (i = 0; i < guest->n_volumes; i++)
		json_object_array_add(names, json_object_new_string(guest->volume[i]));
	return names;
}

/* --- which process it is --- */

/* Of a guest that lparctl has not started: who listens at its monitor, if that is a member. */
static pid_t listener(const struct guest *guest, const struct lpar *lpar)
{
	pid_t pid = qmp_listener(guest->monitor, QMP_TIMEOUT_MS);

	return pid && lpar_has_member(lpar, pid) ? pid : 0;
}

/* The QEMU that runs in its LPAR now; -ENOENT without a message when there is none. */
int guest_find(struct guest *guest)
{
	struct lpar lpar;
	int ret = lpar_get(guest->name, &lpar);

	guest->pid = ret ? 0 : guest->monitor ? listener(guest, &lpar) : lpar_guest_pid(&lpar);
	guest->memory = lpar.memory;
	guest->frozen = lpar.gate == LPAR_GATE_CLOSED;
	lpar_free(&lpar);
	return guest->pid ? 0 : -ENOENT;
}

/* Its gate is closed, by whomever. */
bool guest_is_frozen(const char *name)
{
	struct lpar lpar;
	bool closed = !lpar_get(name, &lpar) && lpar.gate == LPAR_GATE_CLOSED;

	lpar_free(&lpar);
	return closed;
}

/* From now on this QEMU is meant, and no other one. */
int guest_claim(struct guest *guest)
{
	return process_find(guest->pid, &guest->process);
}

/* Was it started by this operation, which has not come to claim it? */
static bool is_marked(const struct guest *guest)
{
	const struct session *session = guest->session;

	return (session->kind == SESSION_RESTORE || session->kind == SESSION_ENTER) &&
	       *session->id && process_has_variable(guest->pid, SESSION_VARIABLE, session->id);
}

/* Nobody else has taken it since its QEMU was there. */
static bool is_deserted(const char *name)
{
	struct lpar lpar;
	bool deserted = !lpar_get(name, &lpar) && lpar_is_fenced(&lpar) && !lpar.n_members;

	lpar_free(&lpar);
	return deserted;
}

/*
 * Is the guest there that the operation is about? One that has been started under its
 * name since, by somebody else, is none of ours.
 */
void guest_look(struct guest *guest)
{
	guest->ended = false;
	if (guest->process.start) {
		guest->pid = process_lives(&guest->process) ? guest->process.pid : 0;
		guest->ended = !guest->pid && is_deserted(guest->name);
	} else if (guest_find(guest) || !is_marked(guest)) {
		guest->pid = 0;
	}
}

int guest_lock(struct guest *guest)
{
	if (guest->lock < 0)
		guest->lock = lpar_lock(guest->name);
	return guest->lock < 0 ? -EBUSY : 0;
}

void guest_unlock(struct guest *guest)
{
	if (guest->lock < 0)
		return;
	/* Closed alone it would stay held by a child of another thread that has yet to exec. */
	flock(guest->lock, LOCK_UN);
	close(guest->lock);
	guest->lock = -1;
}

/* --- what it has --- */

int guest_find_volumes(struct guest *guest)
{
	char volume[128];
	struct lpar lpar;
	size_t i;
	int ret = lpar_get(guest->name, &lpar);

	for (i = 0; !ret && i < lpar.n_disks; i++) {
		json_object_array_add(guest->disks, json_object_new_string(lpar.disk[i]));
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

/* Whose fd it was is not asked, nor its file system, which may be the guest's own and be silent. */
static bool is_tun(int dir, const char *path, int flags)
{
	struct statx st;

	return !statx(dir, path, flags | AT_STATX_DONT_SYNC, STATX_TYPE, &st) &&
	       S_ISCHR(st.stx_mode) && st.stx_rdev_major == TUN_MAJOR &&
	       st.stx_rdev_minor == TUN_MINOR;
}

/* A name of another network namespace is that of somebody else's netdev in ours. */
static bool is_here(int tun)
{
	int fd = ioctl(tun, TUNGETDEVNETNS);
	struct stat ours, its;
	bool here = fd >= 0 && !fstat(fd, &its) && !stat("/proc/self/ns/net", &ours) &&
		    its.st_dev == ours.st_dev && its.st_ino == ours.st_ino;

	if (fd >= 0)
		close(fd);
	return here;
}

/* The device itself is asked: what /proc says of a process may be words of its own. */
static int find_netdev(struct guest *guest, int tun)
{
	struct ifreq ifr = { 0 };

	if (!is_tun(tun, "", AT_EMPTY_PATH) || ioctl(tun, TUNGETIFF, &ifr))
		return 0;
	if (!is_here(tun)) {
		err("guest %s: it has a tap of another network namespace than this one",
		    guest->name);
		return -ENODEV;
	}
	ifr.ifr_name[IFNAMSIZ - 1] = 0;
	guest_add_netdev(guest, ifr.ifr_name, false);
	return 0;
}

static int find_netdevs(struct guest *guest, int pidfd, DIR *dir)
{
	struct dirent *entry;
	int ret = 0;

	while (!ret && (entry = readdir(dir))) {
		int tun;

		if (entry->d_name[0] == '.' || !is_tun(dirfd(dir), entry->d_name, 0))
			continue;
		tun = syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (tun >= 0) {
			ret = find_netdev(guest, tun);
			close(tun);
		} else if (errno != EBADF) {
			ret = -errno;
			err("guest %s: its taps cannot be looked at: %s", guest->name,
			    strerror(-ret));
		}
	}
	return ret;
}

int guest_find_netdevs(struct guest *guest)
{
	char *path = xprintf("/proc/%d/fd", guest->pid);
	struct process process = guest->process;
	int pidfd = -ESRCH, ret = -ENOENT;
	DIR *dir;

	if (process.start || !process_find(guest->pid, &process))
		pidfd = process_open(&process);
	dir = pidfd < 0 ? NULL : opendir(path);
	if (dir) {
		ret = find_netdevs(guest, pidfd, dir);
		closedir(dir);
	}
	if (pidfd >= 0)
		close(pidfd);
	free(path);
	return ret;
}

/* Frames that were to be held, and were not. */
uint64_t netdev_lost(struct json_object *buffer)
{
	static const char *const directions[] = { "ingress", "egress" };
	uint64_t lost = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(directions); i++) {
		struct json_object *queue = json_object_object_get(buffer, directions[i]);

		lost += json_number(queue, "dropped_limit") + json_number(queue, "dropped_memory");
	}
	return lost;
}

/* Whoever holds frames would find them sent. */
static int check_passes(const struct netdev *netdev, struct json_object *buffer)
{
	const char *state = json_text(buffer, "state");

	if (!strcmp(state, "pass"))
		return 0;
	err("%s: its buffer is in use (%s): run 'lparctl netbuf drain %s' first", netdev->name,
	    state, netdev->name);
	return -EBUSY;
}

static int attach_netdev(struct guest *guest, struct netdev *netdev)
{
	struct json_object *buffer;
	struct nlmsghdr *nlh;
	int ret = netbuf_get(netdev->name, &buffer);
	const char *lpar;

	if (ret == -ENOENT) {
		/* On record first: what is attached when we are killed is not the user's. */
		netdev->ours = true;
		ret = session_store(guest->session);
		if (ret)
			return ret;
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
	} else {
		ret = check_passes(netdev, buffer);
	}
	netdev->lost = netdev_lost(buffer);
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

/* By now: nobody else holds its frames. */
int guest_check_unused(const struct guest *guest)
{
	struct json_object *buffer;
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < guest->n_netdevs; i++) {
		ret = netbuf_get(guest->netdev[i].name, &buffer);
		if (ret)
			return netbuf_fail(guest->netdev[i].name, ret);
		ret = check_passes(&guest->netdev[i], buffer);
		json_object_put(buffer);
	}
	return ret;
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

/* Send on what is held. */
void guest_drain(struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++)
		netbuf_set_state(guest->netdev[i].name, NETBUF_STATE_DRAIN);
}

/*
 * The same in a thread, where no netlink is: its QEMU runs. One that stands reads a frame from its
 * tap, and throws it away when its vhost starts again. What fails here, session_detach() does.
 */
void guest_let_frames_go(const struct guest *guest)
{
	char path[PATH_MAX];
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++)
		write_text(rooted(path, sizeof(path), "/sys/class/net/%s/netbuf/state",
				  guest->netdev[i].name),
			   "drain");
}

static int set_cuts(const struct netdev *netdev, const char *lpar)
{
	struct nlmsghdr *nlh = netbuf_request(NETBUF_CMD_SET, netdev->name);

	mnl_attr_put_strz(nlh, NETBUF_A_LPAR, lpar);
	return nl_send(nlh, NULL, NULL);
}

/* Its buffers take part in no cut: a cut that opens gates lets no frame go. */
int guest_leave_cuts(const struct guest *guest)
{
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < guest->n_netdevs; i++) {
		ret = set_cuts(&guest->netdev[i], "");
		if (ret)
			netbuf_fail(guest->netdev[i].name, ret);
	}
	return ret;
}

/* Those that were there before, as guest_attach() has found them; a netdev may be gone by now. */
void guest_rejoin_cuts(const struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++)
		if (!guest->netdev[i].ours)
			set_cuts(&guest->netdev[i], guest->name);
}

/* Nobody is there any more for what is held. */
void guest_flush(struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++)
		nl_send(netbuf_request(NETBUF_CMD_FLUSH, guest->netdev[i].name), NULL, NULL);
}

/* A netdev that is gone has nothing more to send. */
bool guest_is_drained(struct guest *guest)
{
	struct json_object *buffer;
	bool passes = true;
	size_t i;

	for (i = 0; passes && i < guest->n_netdevs; i++) {
		if (netbuf_get(guest->netdev[i].name, &buffer))
			continue;
		passes = !strcmp(json_text(buffer, "state"), "pass");
		json_object_put(buffer);
	}
	return passes;
}

/* Take those buffers away that were not there before. */
void guest_detach(struct guest *guest)
{
	size_t i;

	for (i = 0; i < guest->n_netdevs; i++) {
		struct netdev *netdev = &guest->netdev[i];

		if (netdev->ours)
			nl_send(netbuf_request(NETBUF_CMD_DETACH, netdev->name), NULL, NULL);
		netdev->ours = false;
	}
}

/*
 * Run our own verbs, such as start and stop, each for a guest, at the same
 * time; what they complain of is the reason of a failure.
 */
int guest_run_lparctl(struct guest *guest, const char *const *words)
{
	/* A file: what it leaves behind would keep a pipe open. */
	int said = memfd_create("said", MFD_CLOEXEC), status = 0;
	bool ended;
	char **all;
	ssize_t len;
	pid_t pid;
	size_t i;

	if (said < 0)
		return -errno;
	all = self_words(words);
	pid = fork();
	if (!pid) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(said, STDERR_FILENO);
		execv("/proc/self/exe", all);
		_exit(EXIT_FAILED);
	}
	for (i = 0; all[i]; i++)
		free(all[i]);
	free(all);
	ended = pid > 0 && !process_await(pid, &status, VERB_NS);
	len = pread(said, guest->why, sizeof(guest->why) - 1, 0);
	close(said);
	guest->why[len < 0 ? 0 : len] = 0;
	guest->why[strcspn(guest->why, "\n")] = 0;
	if (!strncmp(guest->why, "lparctl: ", 9))
		memmove(guest->why, guest->why + 9, strlen(guest->why + 9) + 1);
	if (pid < 0)
		return -ECHILD;
	if (!ended) {
		snprintf(guest->why, sizeof(guest->why), "'lparctl %s' of it does not end",
			 words[0]);
		return -ETIMEDOUT;
	}
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EIO;
}

/* Its QEMU waits for what the guest was, as that file describes it. */
int guest_start_incoming(struct guest *guest, const char *file)
{
	const char *const words[] = { "start", guest->name, "--file", file, "--incoming", NULL };

	return guest_run_lparctl(guest, words);
}

/* What was started so is what is meant from now on, and its netdevs have buffers. */
int guest_take_incoming(struct guest *guest)
{
	int ret = guest_find(guest);

	if (!ret)
		ret = guest_claim(guest);
	if (ret)
		err("guest %s: its QEMU is gone", guest->name);
	if (!ret)
		ret = guest_lock(guest);
	if (!ret)
		ret = guest_find_netdevs(guest);
	return ret ? ret : guest_attach(guest);
}

/* lparctl stop knows only of those that it has started: this one ends by its process. */
static int end_process(const struct process *process)
{
	static const int signals[] = { SIGTERM, SIGKILL };
	struct pollfd pfd = { .fd = process_open(process), .events = POLLIN };
	size_t i;
	int n = 0;

	for (i = 0; pfd.fd >= 0 && !n && i < ARRAY_SIZE(signals); i++) {
		syscall(SYS_pidfd_send_signal, pfd.fd, signals[i], NULL, 0);
		n = poll(&pfd, 1, END_MS);
	}
	if (pfd.fd >= 0)
		close(pfd.fd);
	return pfd.fd < 0 || n == 1 ? 0 : -ETIMEDOUT;
}

/*
 * Its LPAR is given back, whether its QEMU is there or not: it runs elsewhere, or is saved, and is
 * not to run again here, not even if this host goes down just now.
 */
int guest_give_back(struct guest *guest)
{
	const char *const words[] = { "stop", guest->name, "--timeout", "0s", "--forget", NULL };

	return guest_run_lparctl(guest, words);
}

/* Its QEMU ends, if it has not, and its LPAR is given back. */
int guest_end(struct guest *guest)
{
	if (!guest->pid && !guest->ended)
		return 0;
	guest_disconnect(guest);
	guest_unlock(guest);
	if (guest->pid && guest->monitor && end_process(&guest->process)) {
		snprintf(guest->why, sizeof(guest->why), "QEMU, pid %d, does not go", guest->pid);
		return -ETIMEDOUT;
	}
	return guest_give_back(guest);
}
