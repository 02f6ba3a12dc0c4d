// SPDX-License-Identifier: GPL-2.0
/*
 * Whether the QEMU of a migration's destination can be what the source's is: before there is
 * one, so that no memory is zeroed for nothing.
 */
#include <errno.h>

#include "cluster/move_check.h"

static int check_kind(const char *name, const struct qemu_kind *kind, struct json_object *request)
{
	const char *version = json_text(request, "qemu"), *machine = json_text(request, "machine");

	/* Newer ones write what older ones may not understand. */
	if (qemu_is_older(kind->version, version)) {
		err("guest %s: %s here is QEMU %s, older than %.32s at the source: update it here",
		    name, kind->binary, kind->version, version);
		return -EPROTO;
	}
	if (qemu_kind_has(kind, machine))
		return 0;
	err("guest %s: it is a %.64s, and %s here, QEMU %s, is none: give it a machine= of '%s -machine help', and start it anew",
	    name, machine, kind->binary, kind->version, kind->binary);
	return -EPROTO;
}

/* Runs it for a moment. */
int move_check_qemu(const struct lpar_config *config, struct json_object *request)
{
	struct qemu_kind kind = { 0 };
	int ret = qemu_kind_read(&kind, qemu_binary(config));

	if (!ret)
		ret = check_kind(config->name, &kind, request);
	qemu_kind_free(&kind);
	return ret;
}
