// SPDX-License-Identifier: GPL-2.0
/*
 * What a QEMU says of itself without a guest: its version, and which machines it can be.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/guest.h"

#define ANSWER_MS 10000
#define ANSWER_BYTES 65536

/* What it prints, to be freed; NULL, which is told, if it does not answer. */
static char *ask(const char *binary, char *option, char *value)
{
	char *words[] = { (char *)binary, option, value, NULL }, *text = xalloc(ANSWER_BYTES);
	int ret = command_output(words, text, ANSWER_BYTES, ANSWER_MS);

	if (!ret)
		return text;
	err("%s %s: %s", binary, option, strerror(-ret));
	free(text);
	return NULL;
}

static int parse_version(struct qemu_kind *kind, const char *text)
{
	const char *at = strstr(text, " version "), *digits = "0123456789.";
	size_t len;

	at = at ? at + strlen(" version ") : "";
	len = strspn(at, digits);
	snprintf(kind->version, sizeof(kind->version), "%.*s", (int)len, at);
	if (*kind->version)
		return 0;
	err("%s --version: no version, but '%.*s'", kind->binary, (int)strcspn(text, "\n"), text);
	return -EBADMSG;
}

/* Runs @binary, twice and for a moment. Errors are printed here. */
int qemu_kind_read(struct qemu_kind *kind, const char *binary)
{
	char *text = ask(binary, "--version", NULL);
	int ret;

	*kind = (struct qemu_kind){ .binary = xstrdup(binary) };
	ret = text ? parse_version(kind, text) : -EIO;
	free(text);
	if (!ret)
		kind->machines = ask(binary, "-machine", "help");
	return !ret && !kind->machines ? -EIO : ret;
}

void qemu_kind_free(struct qemu_kind *kind)
{
	free(kind->binary);
	free(kind->machines);
	*kind = (struct qemu_kind){ 0 };
}

/* Its list has a line for each, which begins with the name. */
bool qemu_kind_has(const struct qemu_kind *kind, const char *machine)
{
	size_t len = strlen(machine);
	const char *line;

	for (line = kind->machines; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (!strncmp(line, machine, len) && line[len] == ' ')
			return true;
	return false;
}

/* Newer ones write what older ones may not understand. */
bool qemu_is_older(const char *version, const char *than)
{
	return strverscmp(version, than) < 0;
}
