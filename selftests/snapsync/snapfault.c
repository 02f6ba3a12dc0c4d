// SPDX-License-Identifier: GPL-2.0
/*
 * snapfault: fails each allocation of a request to device mapper, one after the other.
 *
 *	snapfault message NAME MESSAGE [UNDO]	UNDO is sent when the message succeeded
 *	snapfault create NAME SECTORS PARAMETERS [TARGET]	a device, which is removed again
 *
 * Ends when a request needs no more allocations than were tried. Fails if none of the
 * faults led to a refusal, or if one led to anything else than "no memory", or what the
 * module says of a lack of it.
 */
#include <stdint.h>

#include "../lpar/failnth.h"
#include "dmmessage.h"

/* More allocations than this would be a loop of our own. */
#define NTH_MAX 5000

static int control;
static const char *target = "snapsync";

/* Returns 0 or a negative errno. */
static int send(unsigned long command, const char *name, uint64_t sectors, const char *parameters)
{
	char request[1024] __attribute__((aligned(8))) = "";
	struct dm_ioctl *dm = (struct dm_ioctl *)request;
	struct dm_target_spec *spec = (struct dm_target_spec *)(dm + 1);

	dm->version[0] = DM_VERSION_MAJOR;
	dm->data_size = sizeof(request);
	dm->data_start = sizeof(*dm);
	strncpy(dm->name, name, sizeof(dm->name) - 1);
	if (parameters) {
		dm->target_count = 1;
		spec->length = sectors;
		strncpy(spec->target_type, target, sizeof(spec->target_type) - 1);
		strncpy((char *)(spec + 1), parameters, 512);
	}
	return ioctl(control, command, dm) ? -errno : 0;
}

/* As dmsetup does: a device, its table, and the table in use. */
static int create(const char *name, uint64_t sectors, const char *parameters)
{
	int err = send(DM_DEV_CREATE, name, 0, NULL);

	if (err)
		return err;
	err = send(DM_TABLE_LOAD, name, sectors, parameters);
	err = err ? err : send(DM_DEV_SUSPEND, name, 0, NULL);
	if (err)
		send(DM_DEV_REMOVE, name, 0, NULL);
	return err;
}

static int request(char **argv)
{
	if (!strcmp(argv[1], "create"))
		return create(argv[2], strtoull(argv[3], NULL, 10), argv[4]);
	return dm_message(control, argv[2], argv[3]);
}

static int undo(char **argv)
{
	if (!strcmp(argv[1], "create"))
		return send(DM_DEV_REMOVE, argv[2], 0, NULL);
	return argv[4] ? dm_message(control, argv[2], argv[4]) : 0;
}

int main(int argc, char **argv)
{
	int countdown, refusals = 0, err = 0;
	long nth, left = 0;

	if (argc < 4 || argc > 6) {
		fputs("usage: snapfault message NAME MESSAGE [UNDO] | create NAME SECTORS PARAMETERS [TARGET]\n",
		      stderr);
		return 2;
	}
	if (argc == 6)
		target = argv[5];
	control = dm_control();
	countdown = open_countdown();
	for (nth = 1; !left && nth < NTH_MAX; nth++) {
		set_countdown(countdown, nth);
		err = request(argv);
		left = countdown_left(countdown);
		set_countdown(countdown, 0);
		if (err && err != -ENOMEM && err != -ENOSPC)
			break;
		if (!err && undo(argv))
			break;
		refusals += !!err;
	}
	printf("# %ld allocations, %d refusals, at last %s\n", nth - 1, refusals, strerror(-err));
	return err || !left || !refusals;
}
