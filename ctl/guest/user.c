// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU as a user of its own (user=): what root opens for it, and how it is root no more.
 *
 * All but the check runs in the child that becomes QEMU. It has a pipe for what fails, as its
 * standard error is the guest's log already.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest/guest.h"

/* Processes of one user may trace each other. */
static int refuse_other(const struct lpar *lpar, void *data)
{
	const struct lpar_config *config = data;

	if (lpar->owner_uid != config->guest.uid || !strcmp(lpar->name, config->name))
		return 0;
	err("LPAR %s: user=%s is that of LPAR %s, too: each needs one of its own", config->name,
	    config->guest.user, lpar->name);
	return -EBUSY;
}

/* The group that /dev/kvm is open to, or 0 if it wants none; -EACCES: it is for root alone. */
static int kvm_group(gid_t *gid)
{
	char path[PATH_MAX];
	struct stat st;

	*gid = 0;
	/* Where there is none QEMU says so. */
	if (stat(rooted(path, sizeof(path), "/dev/kvm"), &st) || (st.st_mode & 06) == 06)
		return 0;
	if (!st.st_gid || (st.st_mode & 060) != 060)
		return -EACCES;
	*gid = st.st_gid;
	return 0;
}

static bool wants_kvm(const struct guest_config *guest)
{
	return !guest->accel || !strncmp(guest->accel, "kvm", 3);
}

/* Of an LPAR that is defined, so that of two that start at once one sees the other. */
int user_check(const struct lpar_config *config, const struct lpar *lpar)
{
	const struct guest_config *guest = &config->guest;
	gid_t gid;

	if (!guest->user)
		return 0;
	if (lpar->owner_uid != guest->uid) {
		err("LPAR %s: its memory belongs to user %u, not to user=%s: 'lparctl deactivate %s' lets it change hands",
		    config->name, lpar->owner_uid, guest->user, config->name);
		return -EBUSY;
	}
	if (wants_kvm(guest) && kvm_group(&gid)) {
		err("LPAR %s: /dev/kvm is for root alone: give it a group, as by 'chgrp kvm /dev/kvm; chmod 660 /dev/kvm'",
		    config->name);
		return -EACCES;
	}
	return lpar_for_each(refuse_other, (void *)config);
}

/* --- what is opened for it --- */

static int failed(int report, const char *what)
{
	dprintf(report, "%s: %s", what, strerror(errno));
	return -1;
}

/* One client at a time, as QEMU's own. */
static int listen_at(const char *name, const char *file, int report)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), ret = -1;
	char path[PATH_MAX];
	mode_t before;

	run_path(path, sizeof(path), name, file);
	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return failed(report, path);
	}
	strcpy(addr.sun_path, path);
	before = umask(0177);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		ret = listen(fd, 1);
	umask(before);
	return ret ? failed(report, path) : fd;
}

/* As QEMU opens one by its name. */
static int open_tap(const char *netdev, int report)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	unsigned int features;
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	if (fd < 0)
		return failed(report, "/dev/net/tun");
	if (!ioctl(fd, TUNGETFEATURES, &features) && features & IFF_VNET_HDR)
		ifr.ifr_flags |= IFF_VNET_HDR;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", netdev);
	return ioctl(fd, TUNSETIFF, &ifr) ? failed(report, netdev) : fd;
}

/* What is open now is not for it, whoever has left it open; what is opened from here on is. */
int user_open(const struct lpar_config *config, struct qemu_files *files, int report)
{
	const struct guest_config *guest = &config->guest;
	size_t i;

	files->nic = xalloc((guest->n_nics + 1) * sizeof(*files->nic));
	for (i = 0; i < QEMU_MONITORS; i++) {
		files->monitor[i] = listen_at(config->name, qemu_monitors[i], report);
		if (files->monitor[i] < 0)
			return -1;
	}
	if (guest->console) {
		files->console = listen_at(config->name, "console.sock", report);
		if (files->console < 0)
			return -1;
	}
	if (guest->agent) {
		files->agent = listen_at(config->name, "agent.sock", report);
		if (files->agent < 0)
			return -1;
	}
	for (i = 0; i < config->n_disks; i++) {
		files->disk[i][0] = open(config->disk[i], O_RDONLY);
		files->disk[i][1] = open(config->disk[i], O_RDWR);
		if (files->disk[i][0] < 0 || files->disk[i][1] < 0)
			return failed(report, config->disk[i]);
	}
	for (i = 0; i < guest->n_nics; i++) {
		files->nic[i] = open_tap(guest->nic[i].netdev, report);
		if (files->nic[i] < 0)
			return -1;
	}
	return 0;
}

/* --- becoming it --- */

/* Root's may hold secrets. What is left is for QEMU to be found, and for us to know it by. */
static void clean_environment(void)
{
	static const char *const kept[] = { "PATH=", "LANG=", "TZ=", "LPARKIT_" };
	char **from = environ, **to = environ;
	size_t i;

	for (; *from; from++) {
		for (i = 0; i < ARRAY_SIZE(kept); i++)
			if (!strncmp(*from, kept[i], strlen(kept[i])))
				break;
		if (i < ARRAY_SIZE(kept))
			*to++ = *from;
	}
	*to = NULL;
}

/* For good: nothing that it execs makes it more again. */
int user_become(const struct guest_config *guest, int report)
{
	gid_t group;

	if (kvm_group(&group))
		group = 0;
	if (setgroups(group ? 1 : 0, &group) || setresgid(guest->gid, guest->gid, guest->gid) ||
	    setresuid(guest->uid, guest->uid, guest->uid) ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || chdir("/"))
		return failed(report, guest->user);
	clean_environment();
	return 0;
}
