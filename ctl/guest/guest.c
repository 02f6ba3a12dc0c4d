// SPDX-License-Identifier: GPL-2.0
/*
 * start and stop: an LPAR together with its QEMU.
 *
 * start: log the Fibre Channel port in, define, activate, move interrupts, run QEMU, wait for
 * its QMP socket, pin its vCPUs. What fails undoes what came before, in reverse order.
 *
 * /run/lparkit/NAME holds qemu.pid, process (the same, and its start), qmp.sock, lparctl.sock,
 * console.sock, agent.sock, qemu.log, irqs, watched and qemu/alive (see supervisor.c), fc (see
 * fc_guest.c), and lpar.conf, the description that the guest was started with; lock, when locked,
 * keeps a second start or stop of the same LPAR away, and the monitor of lparctl's own is for its
 * holder. That it runs is on record elsewhere, too, see running.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fc/fc.h"
#include "guest/guest.h"
#include "snap/snap.h"

#define START_TIMEOUT_NS (60 * NSEC_PER_SEC) /* until QMP answers */
#define STOP_TIMEOUT_NS (60 * NSEC_PER_SEC) /* for the guest's own shutdown */
#define QMP_TIMEOUT_MS 2000
#define HEAR_MS 50 /* between looks at whether a start is given up */
#define KILL_TIMEOUT_NS (10 * NSEC_PER_SEC) /* for QEMU to die */

/* What is asked of start and stop; what start has done so far, and a failure has to undo. */
struct launch {
	const char *name;
	struct lpar_config config;
	struct lpar lpar;
	struct lpar before; /* as it was before it was defined anew */
	bool incoming; /* QEMU waits for a migration */
	bool wait; /* until the guest has ended */
	struct fc_launch fc;
	enum guest_end end; /* of stop */
	uint64_t timeout_ns;
	uint64_t deadline_ns; /* of QEMU's first answer */
	bool created;
	bool redefined;
	bool activated;
	bool irqs;
	bool noted; /* on record as running */
	struct json_object *former; /* what was on record, or NULL */
	pid_t pid; /* QEMU, our child */
};

/* QEMU would make one, which is down and in no bridge, and nobody would hear of it. */
int guest_check_netdevs(const struct lpar_config *config)
{
	size_t i;

	for (i = 0; i < config->guest.n_nics; i++) {
		const char *netdev = config->guest.nic[i].netdev;

		if (if_nametoindex(netdev))
			continue;
		err("LPAR %s: net %s: no such netdev: make it by 'ip tuntap add %s mode tap user root'",
		    config->name, netdev, netdev);
		return -ENODEV;
	}
	return 0;
}

/* A guest on a part of a state would see a disk that never was. */
static int disks_check(const struct lpar_config *config)
{
	size_t i;
	int ret;

	for (i = 0; i < config->n_disks; i++) {
		ret = snap_is_partial(config->disk[i]);
		if (!ret)
			continue;
		if (ret < 0)
			err("LPAR %s: cannot tell what disk %s runs: %s", config->name,
			    config->disk[i], snap_reason(ret));
		else
			err("LPAR %s: disk %s runs a part of a state that it has not received yet: "
			    "restore another",
			    config->name, config->disk[i]);
		return -EBUSY;
	}
	return 0;
}

/*
 * What an active LPAR has claimed is what is saved of it, and what others are kept off:
 * another description changes neither.
 */
static int claims_check(const struct launch *launch)
{
	const struct lpar_config *config = &launch->config;
	const struct lpar *lpar = &launch->lpar;
	bool same = config->n_disks == lpar->n_disks;
	size_t i;

	if (!lpar_is_fenced(lpar))
		return 0;
	for (i = 0; same && i < lpar->n_disks; i++)
		same = same_disk(config->disk[i], lpar->disk[i]);
	if (same)
		return 0;
	err("LPAR %s: it is active with other disks than those of %s: 'lparctl deactivate %s' first",
	    launch->name, config->file, launch->name);
	return -EBUSY;
}

/* The INI file is the truth as long as the LPAR holds nothing. */
static int define(struct launch *launch)
{
	int ret = lpar_get(launch->name, &launch->before);

	if (ret == -ENOENT) {
		ret = config_apply(LPAR_CMD_CREATE, &launch->config, launch->config.given);
		launch->created = !ret;
	} else if (!ret && !lpar_is_fenced(&launch->before)) {
		ret = config_apply(LPAR_CMD_SET, &launch->config, KEY_ALL);
		launch->redefined = !ret;
	}
	if (!ret)
		ret = lpar_get(launch->name, &launch->lpar);
	return ret ? lpar_fail(launch->name, ret) : EXIT_OK;
}

static int define_as_before(const struct lpar *lpar)
{
	struct json_object *before = lpar_json(lpar);
	int ret = lpar_define_as(before);

	json_object_put(before);
	return ret;
}

static int fence(struct launch *launch)
{
	const char *cpus = launch->lpar.cpus;
	int ret;

	if (!lpar_is_fenced(&launch->lpar)) {
		ret = nl_simple(LPAR_CMD_ACTIVATE, launch->name);
		if (ret)
			return lpar_fail(launch->name, ret);
		launch->activated = true;
		say("%s: active", launch->name);
	}
	say_isolated(launch->name, cpus);
	irqs_move(launch->name);
	launch->irqs = true;
	return EXIT_OK;
}

/* Of a kernel that says which it is. */
static bool is_device_of(const struct stat *st, const struct lpar *lpar)
{
	char path[PATH_MAX], text[32], is[32];

	rooted(path, sizeof(path), "/sys/class/lpar/%s/mem/dev", lpar->name);
	if (read_text(path, text, sizeof(text)))
		return true;
	snprintf(is, sizeof(is), "%u:%u", major(st->st_rdev), minor(st->st_rdev));
	return !strcmp(text, is) && st->st_uid == lpar->owner_uid;
}

/*
 * QEMU would make a regular file where there is none, and call it memory. devtmpfs does not
 * tell that another file was in its way, or that it could not take a former owner's away.
 */
static int check_memory(const struct launch *launch)
{
	char path[PATH_MAX];
	struct stat st;

	lpar_memory_path(path, sizeof(path), launch->name);
	if (stat(path, &st) || !S_ISCHR(st.st_mode)) {
		err("LPAR %s: %s is no character device: is devtmpfs mounted on /dev?",
		    launch->name, path);
		return EXIT_FAILED;
	}
	if (is_device_of(&st, &launch->lpar))
		return EXIT_OK;
	err("LPAR %s: %s is not the device of its memory, or not user %u's: run 'lparctl delete %s' and remove that file, then start again",
	    launch->name, path, launch->lpar.owner_uid, launch->name);
	return EXIT_FAILED;
}

static void redirect(const char *name)
{
	char path[PATH_MAX];
	int log = open(run_path(path, sizeof(path), name, "qemu.log"),
		       O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	dup2(null, STDIN_FILENO);
	dup2(log < 0 ? null : log, STDOUT_FILENO);
	dup2(log < 0 ? null : log, STDERR_FILENO);
}

static int note(const char *name, const char *file, const char *text, int report)
{
	char path[PATH_MAX];
	int fd = open(run_path(path, sizeof(path), name, file),
		      O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	int ret = fd < 0 || dprintf(fd, "%s\n", text) < 0 ? -errno : 0;

	if (ret)
		dprintf(report, "%s: %s", path, strerror(-ret));
	if (fd >= 0)
		close(fd);
	return ret;
}

/* What is believed: QEMU's own is where its user may write. */
static int note_process(const char *name, int report)
{
	struct process self;
	char text[64];

	process_find(getpid(), &self);
	snprintf(text, sizeof(text), "%d %llu", self.pid, (unsigned long long)self.start);
	if (note(name, "process", text, report))
		return -EIO;
	snprintf(text, sizeof(text), "%d", self.pid);
	return note(name, "qemu.pid", text, report);
}

/* Never returns if all is well. */
static void exec_qemu(const struct launch *launch, int report)
{
	const struct lpar_config *config = &launch->config;
	struct qemu_files files = { 0 };
	char **argv;

	/* What whoever calls us has open, as a lock or a pipe, he would not get rid of. */
	if (close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC)) {
		dprintf(report, "close_range: %s", strerror(errno));
		return;
	}
	if (config->guest.user &&
	    (user_open(config, &files, report) || user_become(&config->guest, report)))
		return;
	argv = qemu_command(config, config->guest.user ? &files : NULL, launch->incoming);
	execvp(argv[0], argv);
	dprintf(report, "%s: %s", argv[0], strerror(errno));
}

/*
 * A service manager's CPUAffinity= or a taskset around us counts as our own wish, and newer
 * kernels would give QEMU no more of its LPAR's CPUs than are among it. Where we may run
 * since the fence is up, none of them is; and a wish that the LPAR meets nowhere is none.
 */
static void forget_affinity(void)
{
	struct cpus here = { 0 };

	if (!sched_getaffinity(0, sizeof(here), (cpu_set_t *)&here))
		sched_setaffinity(0, sizeof(here), (cpu_set_t *)&here);
}

/* In the child: become a member by our own pid, then QEMU. Never returns. */
static void become_qemu(const struct launch *launch, int report)
{
	struct nlmsghdr *nlh;
	int ret;

	setsid();
	redirect(launch->name);
	ret = oom_discount(launch->lpar.memory);
	if (ret) {
		dprintf(report, "oom_score_adj of QEMU: %s", strerror(-ret));
		_exit(EXIT_FAILED);
	}
	forget_affinity();
	nlh = nl_request(LPAR_CMD_MEMBER_ADD, launch->name);
	mnl_attr_put_u32(nlh, LPAR_A_MEMBER, getpid());
	ret = nl_send(nlh, NULL, NULL);
	if (ret)
		dprintf(report, "QEMU does not become a member: %s", nl_text(ret));
	else if (!note_process(launch->name, report))
		exec_qemu(launch, report);
	_exit(EXIT_FAILED);
}

/* A description that comes from elsewhere with a guest is worth nothing without that. */
static int note_running(struct launch *launch)
{
	char path[PATH_MAX], *file = NULL;
	int ret;

	config_path(path, sizeof(path), launch->name);
	if (!launch->incoming && strcmp(launch->config.file, path))
		file = realpath(launch->config.file, NULL);
	/* What cannot be read is replaced. */
	err_capture(true);
	running_load(launch->name, &launch->former);
	err_capture(false);
	launch->noted = true;
	ret = running_note(launch->name, file, launch->incoming);
	free(file);
	return ret;
}

/* One that ran when its host crashed, or whose QEMU did, is still to run again. */
static int undo_record(struct launch *launch)
{
	if (launch->former)
		return running_store(launch->name, launch->former);
	/* Where none could be written there is none to remove. */
	return running_forget(launch->name) && running_is_noted(launch->name) ? -EIO : 0;
}

/*
 * What keeps the child from being QEMU, or nothing: the pipe closes by itself at exec. A program, or
 * what it is to inherit, may be on a file system that does not answer.
 */
static int hear_child(const struct launch *launch, int pipe)
{
	struct pollfd pfd = { .fd = pipe, .events = POLLIN };
	char text[512];
	ssize_t len;

	while (poll(&pfd, 1, HEAR_MS) <= 0) {
		if (interrupted()) {
			err("LPAR %s: interrupted", launch->name);
			return EXIT_FAILED;
		}
		if (now_ns(CLOCK_MONOTONIC) > launch->deadline_ns) {
			err("LPAR %s: %s does not begin to run", launch->name,
			    qemu_binary(&launch->config));
			return EXIT_TIMEOUT;
		}
	}
	len = read(pipe, text, sizeof(text));
	if (!len)
		return EXIT_OK;
	err("LPAR %s: %.*s", launch->name, (int)(len < 0 ? 0 : len), text);
	return EXIT_FAILED;
}

static int run_qemu(struct launch *launch)
{
	char path[PATH_MAX];
	int fd[2], ret;

	fflush(stdout);
	guest_forget_run(launch->name);
	run_path(path, sizeof(path), launch->name, "lpar.conf");
	if (config_copy(launch->config.file, path) || config_record(&launch->config, path) ||
	    place_make(&launch->config))
		return EXIT_FAILED;
	/* From here on: whoever kills us kills no guest. Before there is one, it counts as ended. */
	if (launch->wait && guest_note_watched(launch->name))
		return EXIT_FAILED;
	if (note_running(launch))
		return EXIT_FAILED;
	if (pipe2(fd, O_CLOEXEC)) {
		err("LPAR %s: pipe: %s", launch->name, strerror(errno));
		return EXIT_FAILED;
	}
	launch->deadline_ns = now_ns(CLOCK_MONOTONIC) + launch->timeout_ns;
	launch->pid = fork();
	if (!launch->pid)
		become_qemu(launch, fd[1]);
	ret = launch->pid < 0 ? -errno : 0;
	close(fd[1]);
	if (ret)
		err("LPAR %s: fork: %s", launch->name, strerror(-ret));
	ret = ret ? EXIT_FAILED : hear_child(launch, fd[0]);
	close(fd[0]);
	return ret;
}

/* Ready is who answers on QMP. */
static int wait_ready(struct launch *launch)
{
	char path[PATH_MAX];
	struct qmp *qmp;

	run_path(path, sizeof(path), launch->name, "lparctl.sock");
	while (qmp_open(path, QMP_TIMEOUT_MS, &qmp)) {
		if (waitpid(launch->pid, NULL, WNOHANG) == launch->pid) {
			launch->pid = 0;
			err("LPAR %s: QEMU ended at once", launch->name);
			guest_show_log(launch->name);
			return EXIT_FAILED;
		}
		if (interrupted()) {
			err("LPAR %s: interrupted", launch->name);
			return EXIT_FAILED;
		}
		if (now_ns(CLOCK_MONOTONIC) > launch->deadline_ns) {
			err("LPAR %s: QEMU does not answer on %s", launch->name, path);
			return EXIT_TIMEOUT;
		}
		sleep_ms(20);
	}
	qmp_close(qmp);
	return EXIT_OK;
}

/* Whatever it waits for, nobody can have its LPAR before it is gone, nor is it forgotten. */
static int kill_child(struct launch *launch)
{
	int status;

	if (launch->pid <= 0)
		return 0;
	kill(launch->pid, SIGKILL);
	if (process_await(launch->pid, &status, KILL_TIMEOUT_NS)) {
		err("LPAR %s: QEMU, pid %d, does not go: 'lparctl stop %s' once it does",
		    launch->name, launch->pid, launch->name);
		return -ETIMEDOUT;
	}
	guest_wait_left(launch->name, launch->pid);
	return 0;
}

/* Undo what was done, last things first; returns the exit code of start. */
static int undo(struct launch *launch, int code)
{
	const struct fc_launch *fc = &launch->fc;
	bool undone = launch->created || launch->activated || launch->irqs || fc->defined ||
		      fc->logged_in || fc->parent;
	int ret = kill_child(launch), recorded = 0;

	if (launch->noted)
		recorded = undo_record(launch);
	if (ret)
		return code;
	/* Or it would be taken for the run of a guest that has ended. */
	if (launch->irqs)
		guest_forget_run(launch->name);
	if (launch->activated)
		ret = deactivate(launch->name, true);
	if (launch->irqs)
		irqs_restore(launch->name, launch->lpar.cpus);
	if (launch->created && !ret)
		ret = nl_simple(LPAR_CMD_DELETE, launch->name);
	else if (launch->redefined && !ret)
		ret = define_as_before(&launch->before);
	if (ret)
		lpar_fail(launch->name, ret);
	/* Its disks are nobody's any more. */
	if (!ret)
		ret = fc_guest_undo(launch->name, fc);
	if (!undone || ret || recorded)
		return code;
	err("LPAR %s: not started, everything is as it was", launch->name);
	return EXIT_ROLLED_BACK;
}

static struct json_object *report_nics(const struct launch *launch)
{
	struct json_object *nics = json_object_new_array(), *json;
	const struct guest_config *guest = &launch->config.guest;
	char mac[MAC_CHARS + 1];
	size_t i;

	for (i = 0; i < guest->n_nics; i++) {
		mac_format(mac, guest->nic[i].mac);
		say("%s: NIC at %s has MAC %s", launch->name, guest->nic[i].netdev, mac);
		json = json_object_new_object();
		json_put(json, "netdev", guest->nic[i].netdev);
		json_put(json, "mac", mac);
		json_object_array_add(nics, json);
	}
	return nics;
}

static void report(const struct launch *launch)
{
	struct json_object *json, *nics = report_nics(launch);
	char path[PATH_MAX];

	run_path(path, sizeof(path), launch->name, "qmp.sock");
	say("%s: guest %s, pid %d, QMP %s", launch->name,
	    launch->incoming ? "waits for a migration" : "runs", launch->pid, path);
	if (!options.json) {
		json_object_put(nics);
		return;
	}
	json = json_object_new_object();
	json_put(json, "name", launch->name);
	json_put_s64(json, "pid", launch->pid);
	json_put(json, "qmp", path);
	json_put(json, "log", run_path(path, sizeof(path), launch->name, "qemu.log"));
	json_object_object_add(json, "nics", nics);
	json_print(json);
}

/* A guest that runs already has its disks. */
static int log_in(struct launch *launch)
{
	struct lpar lpar;
	bool runs;

	if (!launch->config.guest.fc.parent)
		return EXIT_OK;
	runs = !lpar_get(launch->name, &lpar) && lpar_guest_pid(&lpar);
	lpar_free(&lpar);
	return runs ? EXIT_OK : fc_guest_login(&launch->config, &launch->fc);
}

/*
 * One that is restored was on record when that began. Somebody may have stopped or forgotten it
 * since, and it may run on another host by now.
 */
static int wish_check(const struct launch *launch)
{
	if (running_is_noted(launch->name) || !running_is_claimed(launch->name))
		return EXIT_OK;
	err("LPAR %s: it was stopped or forgotten as 'boot restore' was about to start it",
	    launch->name);
	return EXIT_FAILED;
}

/*
 * One that a forced deactivation has left without its LPAR would be forgotten, and two of a guest
 * be at its disks.
 */
static int outside_check(const struct launch *launch)
{
	struct process process;
	struct lpar lpar;
	bool inside;

	if (guest_find_noted(launch->name, &process))
		return EXIT_OK;
	inside = !lpar_get(launch->name, &lpar) && lpar_guest_pid(&lpar) == process.pid;
	lpar_free(&lpar);
	if (inside)
		return EXIT_OK;
	err("LPAR %s: its QEMU, pid %d, still runs, outside of it: 'lparctl stop %s' ends it",
	    launch->name, process.pid, launch->name);
	return EXIT_FAILED;
}

/* With --wait one that runs already is as good, or one that has ended and is given back. */
static int start(struct launch *launch)
{
	int ret = wish_check(launch);
	pid_t pid;

	if (!ret)
		ret = outside_check(launch);
	if (!ret)
		ret = log_in(launch);
	if (!ret && disks_check(&launch->config))
		ret = EXIT_FAILED;
	if (!ret)
		ret = define(launch);
	if (ret)
		return undo(launch, ret);
	pid = lpar_guest_pid(&launch->lpar);
	if (pid && launch->wait) {
		say("%s: guest runs already, pid %d, and is watched", launch->name, pid);
		return EXIT_OK;
	}
	if (launch->wait && guest_ended_unseen(&launch->lpar)) {
		say("%s: guest has ended as its supervisor was gone", launch->name);
		return EXIT_OK;
	}
	if (pid) {
		err("LPAR %s: its guest runs already, pid %d", launch->name, pid);
		return EXIT_FAILED;
	}
	/* A forced deactivation may have come since. */
	if (outside_check(launch) || claims_check(launch) ||
	    user_check(&launch->config, &launch->lpar))
		return undo(launch, EXIT_FAILED);
	ret = fence(launch);
	/* Since then nobody can have it for a while to receive what is only a part yet. */
	if (!ret)
		ret = disks_check(&launch->config) ? EXIT_FAILED : check_memory(launch);
	if (!ret)
		ret = run_qemu(launch);
	if (!ret)
		ret = wait_ready(launch);
	if (!ret)
		ret = pin_guest(&launch->lpar, &launch->config.guest.pin);
	if (ret)
		return undo(launch, ret);
	report(launch);
	return EXIT_OK;
}

/* NAME [OPTION]... of start and stop; file is NULL for stop. */
static int parse_words(struct args *args, const char *verb, struct launch *launch,
		       const char **file)
{
	const char **name = &launch->name;
	const char *value = NULL;

	*name = next_arg(args);
	while (*name && args->argc) {
		if (next_option(args, "--timeout", &value)) {
			if (!value || parse_time(value, &launch->timeout_ns))
				return usage("--timeout needs a time such as 30s");
		} else if (file && next_option(args, "--file", file)) {
			if (!*file)
				return usage("--file needs a file");
		} else if (file && next_flag(args, "--incoming")) {
			launch->incoming = true;
		} else if (file && next_flag(args, "--wait")) {
			launch->wait = true;
		} else if (!file && launch->end) {
			return usage("'%s' is one too many: --keep or --forget", next_arg(args));
		} else if (!file && next_flag(args, "--keep")) {
			launch->end = GUEST_HALTED;
		} else if (!file && next_flag(args, "--forget")) {
			launch->end = GUEST_LEFT;
		} else {
			return usage("'%s' is unknown to %s", next_arg(args), verb);
		}
	}
	if (!*name)
		return usage("%s NAME [--timeout TIME]%s", verb,
			     file ? " [--file FILE] [--incoming] [--wait]" : " [--keep|--forget]");
	if (!name_is_valid(*name))
		return usage("'%s' is no name for an LPAR: " NAME_RULE, *name);
	return EXIT_OK;
}

int start_verb(struct args *args)
{
	struct launch launch = { .timeout_ns = START_TIMEOUT_NS };
	const char *file = NULL;
	int lock = -1;
	int ret;

	ret = parse_words(args, "start", &launch, &file);
	if (ret)
		return ret;
	ret = EXIT_FAILED;
	if (config_load(&launch.config, file, launch.name))
		goto out;
	if (!launch.config.memory) {
		err("LPAR %s: a guest needs memory= in %s", launch.name, launch.config.file);
		goto out;
	}
	if (nics_complete(&launch.config) || guest_check_netdevs(&launch.config) ||
	    wwns_complete(&launch.config))
		goto out;
	/* Requests to the kernel are finished first: their result is needed to undo them. */
	interrupt_catch(SA_RESTART);
	lock = lpar_lock(launch.name);
	if (lock >= 0)
		ret = start(&launch);
out:
	if (lock >= 0)
		close(lock);
	if (!ret && launch.wait)
		ret = guest_supervise(launch.name, launch.pid);
	json_object_put(launch.former);
	lpar_free(&launch.lpar);
	lpar_free(&launch.before);
	config_free(&launch.config);
	return ret;
}

/* One that lparctl has started; if there is none, that is said. */
bool guest_runs(const struct lpar *lpar)
{
	if (lpar_guest_pid(lpar))
		return true;
	err("LPAR %s: no guest of 'lparctl start' runs in it", lpar->name);
	return false;
}

/* What only the holder of an LPAR's lock may do, QEMU's monitor being for him; exit code. */
int guest_locked(const char *name, int (*act)(const struct lpar *lpar, void *data), void *data)
{
	struct lpar lpar;
	int lock, ret;

	/* No directory is made for one that is not there. */
	ret = lpar_get(name, &lpar);
	lpar_free(&lpar);
	if (ret)
		return lpar_fail(name, ret);
	lock = lpar_lock(name);
	if (lock < 0)
		return EXIT_FAILED;
	/* Whoever had the lock may have changed it. */
	ret = lpar_get(name, &lpar);
	ret = ret ? lpar_fail(name, ret) : act(&lpar, data);
	lpar_free(&lpar);
	close(lock);
	return ret;
}

static int stop(const struct lpar *lpar, void *data)
{
	const struct launch *launch = data;
	struct json_object *json;
	const char *how;
	int ret = guest_stop(lpar, launch->timeout_ns, launch->end, &how);

	if (ret || !options.json)
		return ret;
	json = json_object_new_object();
	json_put(json, "name", lpar->name);
	json_put(json, "guest", how);
	json_print(json);
	return ret;
}

/* Of an LPAR that was deleted after its QEMU was left outside. */
static bool is_outside(const char *name)
{
	struct process process;

	return !guest_find_noted(name, &process);
}

/*
 * A start that was killed before it has defined the LPAR has left its port, or there is a QEMU
 * outside. Exit code.
 */
static int stop_undefined(struct launch *launch)
{
	struct lpar lpar;
	int lock, ret;

	lock = lpar_lock(launch->name);
	if (lock < 0)
		return EXIT_FAILED;
	/* Another start may have had the lock. */
	ret = lpar_get(launch->name, &lpar);
	snprintf(lpar.name, sizeof(lpar.name), "%s", launch->name);
	if (!ret || (ret == -ENOENT && is_outside(launch->name)))
		ret = stop(&lpar, launch);
	else
		ret = ret == -ENOENT ? fc_guest_logout(launch->name) : lpar_fail(launch->name, ret);
	lpar_free(&lpar);
	close(lock);
	return ret;
}

int stop_verb(struct args *args)
{
	struct launch launch = { .timeout_ns = STOP_TIMEOUT_NS };
	int ret = parse_words(args, "stop", &launch, NULL);
	struct lpar lpar;

	if (ret)
		return ret;
	ret = lpar_get(launch.name, &lpar);
	lpar_free(&lpar);
	if (ret == -ENOENT && (fc_guest_is_noted(launch.name) || is_outside(launch.name)))
		return stop_undefined(&launch);
	return guest_locked(launch.name, stop, &launch);
}
