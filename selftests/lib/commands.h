/* SPDX-License-Identifier: GPL-2.0 */
/* A program that runs on and is told what to do through a UNIX socket. */
#ifndef LPARKIT_COMMANDS_H
#define LPARKIT_COMMANDS_H

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "die.h"

static inline struct sockaddr_un socket_address(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return address;
}

/* Never returns. A connection is for one command, a line; act() writes the answer. */
static inline void serve_commands(const char *path, void (*act)(const char *command, FILE *reply))
{
	struct sockaddr_un address = socket_address(path);
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 8))
		die("listen on %s", path);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		FILE *reply = fd < 0 ? NULL : fdopen(fd, "w");
		char command[32];
		ssize_t bytes;

		if (!reply)
			continue;
		bytes = read(fd, command, sizeof(command) - 1);
		if (bytes > 0) {
			command[bytes] = '\0';
			command[strcspn(command, "\n")] = '\0';
			act(command, reply);
		}
		fclose(reply);
	}
}

/* Prints the answer. Returns 0. */
static inline int send_command(const char *path, const char *command)
{
	struct sockaddr_un address = socket_address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[1024];
	ssize_t bytes;

	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect to %s", path);
	if (dprintf(fd, "%s\n", command) < 0)
		die("send");
	while ((bytes = read(fd, reply, sizeof(reply))) > 0)
		fwrite(reply, 1, bytes, stdout);
	return 0;
}

#endif /* LPARKIT_COMMANDS_H */
