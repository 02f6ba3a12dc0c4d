// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU's monitor when libvirt has it: one command at a time, by virsh, which
 * knows how to reach libvirt and may be set up by its own variables and files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"

/* Where the system's libvirt notes the processes of its domains. */
#define PID_FILE "/run/libvirt/qemu/%s.pid"

/* As qmp_call(), without arguments. */
int virsh_call(const char *domain, const char *command, struct qmp_reply *reply,
	       unsigned int timeout_ms)
{
	char *name = xprintf("--domain=%s", domain);
	char *line = xprintf("{\"execute\":\"%s\"}", command);
	char *const words[] = { "virsh", "-q", "qemu-monitor-command", name, line, NULL };
	struct json_object *json, *result;
	static char answer[65536];
	int ret;

	ret = program_output(words, answer, sizeof(answer), timeout_ms);
	free(name);
	free(line);
	if (ret)
		return ret;
	json = json_tokener_parse(answer);
	if (json_object_object_get_ex(json, "return", &result))
		reply->result = json_object_get(result);
	else
		ret = -EBADMSG;
	json_object_put(json);
	return ret;
}

/* The process of a domain that runs; 0 if that is not known. */
pid_t virsh_pid(const char *domain)
{
	char path[512], text[32];
	uint64_t pid;

	if (strchr(domain, '/'))
		return 0;
	rooted(path, sizeof(path), PID_FILE, domain);
	if (read_text(path, text, sizeof(text)))
		return 0;
	text[strcspn(text, "\n")] = 0;
	return parse_uint(text, INT32_MAX, &pid) ? 0 : pid;
}
