// SPDX-License-Identifier: GPL-2.0
/*
 * Events in systemd's journal: a line, the event's values as fields, and for what somebody has
 * to do something about a MESSAGE_ID, by which journalctl -x finds cause and remedy in
 * lparkit.catalog.
 */
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "event/event.h"

struct journal {
	int fd;
	struct sockaddr_un addr;
	uint64_t left_out; /* since it has taken the last one */
};

/* clang-format off */
static const struct message {
	const char *object, *event;
	const char *key, *value; /* only if it has that; NULL: always */
	int priority;
	const char *id;
} messages[] = {
	{ "lpar", "violation", NULL, NULL, LOG_WARNING,
	  "1e958620a36e4431bb6f4e49bc81bd98" },
	{ "lpar", "strayed", NULL, NULL, LOG_WARNING,
	  "47dac3cd333b4dd385b1de038feef2ce" },
	{ "lpar", "irq-strayed", NULL, NULL, LOG_WARNING,
	  "53cc517c75d74856b8d6dac43d8aceb7" },
	{ "lpar", "gate-timeout", NULL, NULL, LOG_ERR,
	  "1d471022aec94e8591fb1766cea3e6b1" },
	{ "lpar", "memory-failed", NULL, NULL, LOG_CRIT,
	  "62947112087d49be9bae5a1c9385e407" },
	{ "lpar", "state", "state", "degraded", LOG_WARNING,
	  "26641a45535243a69dd7b92d0ac5cd5f" },
	{ "netbuf", "high-water", NULL, NULL, LOG_WARNING,
	  "f38ece679fdb43779be04b0af0238d8d" },
	{ "netbuf", "drop", NULL, NULL, LOG_ERR,
	  "73b48a515b29467e9467f3b4338d09db" },
	{ "throttle", "timeout", NULL, NULL, LOG_WARNING,
	  "2cb1868b01d249d6b858cd51faddeed3" },
	{ "fc", "step", "state", "stuck", LOG_ERR,
	  "85e3abc2221f4b47b8bf7a8a15b64bd6" },
};
/* clang-format on */

static const struct message *find(struct json_object *event)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(messages); i++)
		if (!strcmp(json_text(event, "object"), messages[i].object) &&
		    !strcmp(json_text(event, "event"), messages[i].event) &&
		    (!messages[i].key ||
		     !strcmp(json_text(event, messages[i].key), messages[i].value)))
			return &messages[i];
	return NULL;
}

/* As the journal wants it: a value may have a line feed in it, so it comes by its length. */
static void put(FILE *to, const char *prefix, const char *key, const char *value)
{
	uint64_t len = htole64(strlen(value));

	fputs(prefix, to);
	while (*key)
		fputc(toupper((unsigned char)*key++), to);
	fputc('\n', to);
	fwrite(&len, sizeof(len), 1, to);
	fprintf(to, "%s\n", value);
}

static void put_values(FILE *to, struct json_object *event)
{
	json_object_object_foreach(event, key, value) {
		if (!json_object_is_type(value, json_type_null))
			put(to, "LPARKIT_", key, json_object_get_string(value));
	}
}

static char *datagram(struct json_object *event, size_t *size)
{
	const struct message *message = find(event);
	char *text = event_text(event), *data = NULL, priority[2] = "";
	FILE *to = open_memstream(&data, size);

	if (to) {
		*priority = '0' + (message ? message->priority : LOG_INFO);
		put(to, "", "message", text);
		put(to, "", "priority", priority);
		put(to, "", "syslog_identifier", "lparkit");
		if (message)
			put(to, "", "message_id", message->id);
		put_values(to, event);
		fclose(to);
	}
	free(text);
	return data;
}

static void tell_left_out(struct journal *journal)
{
	if (journal->left_out)
		err("%s: %" PRIu64 " events were left out", journal->addr.sun_path,
		    journal->left_out);
	journal->left_out = 0;
}

/*
 * Waits for nobody: hooks are to hear of a host whose journal stands. What cannot be sent is
 * told once, and how much that was when something can: the journal may be started anew.
 */
void journal_send(struct journal *journal, struct json_object *event)
{
	size_t size = 0;
	char *data = datagram(event, &size);
	bool sent = data && sendto(journal->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT,
				   (struct sockaddr *)&journal->addr, sizeof(journal->addr)) >= 0;

	if (sent)
		tell_left_out(journal);
	else if (!journal->left_out++)
		err("%s: %s", journal->addr.sun_path,
		    errno == EAGAIN ? "takes no more events" : strerror(errno));
	free(data);
}

struct journal *journal_open(void)
{
	struct journal *journal = xalloc(sizeof(*journal));
	char path[PATH_MAX];

	memset(journal, 0, sizeof(*journal));
	rooted(path, sizeof(path), "/run/systemd/journal/socket");
	journal->addr.sun_family = AF_UNIX;
	journal->fd = -1;
	if (access(path, F_OK) || strlen(path) >= sizeof(journal->addr.sun_path)) {
		err("%s: no journal is there: systemd-journald has to run", path);
		journal_close(journal);
		return NULL;
	}
	strcpy(journal->addr.sun_path, path);
	journal->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (journal->fd < 0) {
		err("journal: %s", strerror(errno));
		journal_close(journal);
		return NULL;
	}
	return journal;
}

void journal_close(struct journal *journal)
{
	if (!journal)
		return;
	tell_left_out(journal);
	if (journal->fd >= 0)
		close(journal->fd);
	free(journal);
}
