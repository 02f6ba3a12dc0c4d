// SPDX-License-Identifier: GPL-2.0
/*
 * Real cluster software, where the initramfs has some: /start starts it, and all that it
 * says is in /log, of which the host may ask. Once settled it says nothing more, so that
 * each further line is something that it has noticed.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ha.h"

#define START "/start"
#define LOG "/log"

static long forgotten; /* bytes of LOG */

/* Lines that are not forgotten and have TEXT in them, up to MOST; LINE is the last read. */
static unsigned long find(const char *text, unsigned long most, char *line, size_t size)
{
	FILE *log = fopen(LOG, "re");
	unsigned long count = 0;

	if (!log)
		return 0;
	fseek(log, forgotten, SEEK_SET);
	while (count < most && fgets(line, size, log))
		count += !!strstr(line, text);
	fclose(log);
	return count;
}

static void forget(void)
{
	FILE *log = fopen(LOG, "re");

	if (!log)
		return;
	fseek(log, 0, SEEK_END);
	forgotten = ftell(log);
	fclose(log);
}

/**
 * ha_command() - "forget", "count [TEXT]" of lines since then, "line N" of them
 * @command: what to do
 * @answer: one line
 * @size: its size
 */
void ha_command(const char *command, char *answer, size_t size)
{
	unsigned long number;
	char line[256] = "";

	snprintf(answer, size, "ok");
	if (!strcmp(command, "forget"))
		forget();
	else if (!strcmp(command, "count"))
		snprintf(answer, size, "ok %lu", find("", ULONG_MAX, line, sizeof(line)));
	else if (!strncmp(command, "count ", 6))
		snprintf(answer, size, "ok %lu", find(command + 6, ULONG_MAX, line, sizeof(line)));
	else if (sscanf(command, "line %lu", &number) != 1)
		snprintf(answer, size, "fail unknown ha command");
	else if (find("", number, line, sizeof(line)) < number)
		snprintf(answer, size, "fail no such line");
	else
		snprintf(answer, size, "ok %.*s", (int)strcspn(line, "\n"), line);
}

/**
 * ha_start() - start what the initramfs has
 *
 * The network is up, and the environment is the kernel's command line.
 */
void ha_start(void)
{
	char *argv[] = { START, NULL };
	int err, status;
	pid_t pid;

	if (access(START, X_OK))
		return;
	err = posix_spawn(&pid, START, NULL, NULL, argv, environ);
	if (err || waitpid(pid, &status, 0) != pid || status)
		printf("init: " START ": %s\n", err ? strerror(err) : "failed");
}
