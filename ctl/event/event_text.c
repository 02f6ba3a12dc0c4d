// SPDX-License-Identifier: GPL-2.0
/* An event as a line of text. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"

/* Those that the line begins with, or that say nothing to people. */
static bool is_left_out(const char *key)
{
	static const char *const keys[] = { "time_ns", "seq", "event", "object" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i], key))
			return true;
	return false;
}

/* " key=value" for each key, with that of the nest in front. */
static void put_values(FILE *to, struct json_object *json, const char *nest)
{
	char *text, *name, *at;

	json_object_object_foreach(json, key, value) {
		if (!*nest && is_left_out(key))
			continue;
		name = *nest ? xprintf("%s.%s", nest, key) : xstrdup(key);
		if (json_object_is_type(value, json_type_object)) {
			put_values(to, value, name);
		} else if (json_object_is_type(value, json_type_string)) {
			/* The name of a process is whatever its user likes. */
			text = json_printable(value);
			for (at = text; *at; at++)
				if (*at == '"')
					*at = '\'';
			fprintf(to, " %s=\"%s\"", name, text);
			free(text);
		} else {
			fprintf(to, " %s=%s", name, json_object_get_string(value));
		}
		free(name);
	}
}

/* OBJECT EVENT KEY=VALUE...: to be freed */
char *event_text(struct json_object *event)
{
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return xstrdup("");
	fprintf(to, "%s %s", json_text(event, "object"), json_text(event, "event"));
	put_values(to, event, "");
	fclose(to);
	return text;
}
