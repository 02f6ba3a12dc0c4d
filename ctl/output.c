// SPDX-License-Identifier: GPL-2.0
/*
 * Names of the ABI's numbers, tables for people, JSON for programs.
 */
#include <stdlib.h>
#include <ctype.h>
#include <string.h>

#include "lparctl.h"

/* clang-format off */
static const char *const state_names[] = {
	[LPAR_STATE_DEFINED] = "defined",
	[LPAR_STATE_ACTIVE] = "active",
	[LPAR_STATE_MIGRATING] = "migrating",
	[LPAR_STATE_SAVED] = "saved",
	[LPAR_STATE_DEGRADED] = "degraded",
};

static const char *const gate_names[] = {
	[LPAR_GATE_OPEN] = "open",
	[LPAR_GATE_ARMED] = "armed",
	[LPAR_GATE_CLOSED] = "closed",
};

static const char *const pages_names[] = {
	[LPAR_PAGES_ANY] = "any",
	[LPAR_PAGES_LARGE] = "large",
};

static const char *const cut_action_names[] = {
	[LPAR_CUT_CLOSE] = "close",
	[LPAR_CUT_OPEN] = "open",
};

static const char *const cut_state_names[] = {
	[LPAR_CUT_ARMED] = "armed",
	[LPAR_CUT_FIRED] = "fired",
	[LPAR_CUT_CANCELLED] = "cancelled",
};

static const char *const event_names[] = {
	[LPAR_EVENT_CREATED] = "created",
	[LPAR_EVENT_DELETED] = "deleted",
	[LPAR_EVENT_CHANGED] = "changed",
	[LPAR_EVENT_STATE] = "state",
	[LPAR_EVENT_STAGE] = "stage",
	[LPAR_EVENT_MEMBER_ADDED] = "member-added",
	[LPAR_EVENT_MEMBER_REMOVED] = "member-removed",
	[LPAR_EVENT_VIOLATION] = "violation",
	[LPAR_EVENT_GATE_CLOSED] = "gate-closed",
	[LPAR_EVENT_GATE_OPENED] = "gate-opened",
	[LPAR_EVENT_GATE_TIMEOUT] = "gate-timeout",
	[LPAR_EVENT_MEMORY_HELD] = "memory-held",
	[LPAR_EVENT_MEMORY_RELEASED] = "memory-released",
	[LPAR_EVENT_CUT_ARMED] = "cut-armed",
	[LPAR_EVENT_CUT_FIRED] = "cut-fired",
	[LPAR_EVENT_CUT_CANCELLED] = "cut-cancelled",
	[LPAR_EVENT_MEMORY_FAILED] = "memory-failed",
	[LPAR_EVENT_STRAYED] = "strayed",
};
/* clang-format on */

static const char *name_of(const char *const *names, size_t n, uint32_t number)
{
	return number < n ? names[number] : "unknown";
}

static int number_of(const char *const *names, size_t n, const char *name)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return i;
	return -1;
}

const char *pages_name(uint32_t pages)
{
	return name_of(pages_names, ARRAY_SIZE(pages_names), pages);
}

int pages_number(const char *name)
{
	return number_of(pages_names, ARRAY_SIZE(pages_names), name);
}

const char *state_name(uint32_t state)
{
	return name_of(state_names, ARRAY_SIZE(state_names), state);
}

const char *gate_name(uint32_t gate)
{
	return name_of(gate_names, ARRAY_SIZE(gate_names), gate);
}

const char *cut_action_name(uint32_t action)
{
	return name_of(cut_action_names, ARRAY_SIZE(cut_action_names), action);
}

const char *cut_state_name(uint32_t state)
{
	return name_of(cut_state_names, ARRAY_SIZE(cut_state_names), state);
}

const char *event_name(uint32_t event)
{
	return name_of(event_names, ARRAY_SIZE(event_names), event);
}

/* -1 for a name that is none. */
int state_number(const char *name)
{
	return number_of(state_names, ARRAY_SIZE(state_names), name);
}

int event_number(const char *name)
{
	return number_of(event_names, ARRAY_SIZE(event_names), name);
}

int cut_action_number(const char *name)
{
	return number_of(cut_action_names, ARRAY_SIZE(cut_action_names), name);
}

/* The rows of a table wait here until the widths of its columns are known. */
static struct {
	char **cell;
	size_t n_cells;
	size_t n_columns;
} table;

/* Add a row; every row of a table has the same number of cells. */
void table_row(const char *const *cell, size_t n)
{
	size_t i;

	table.cell = xrealloc(table.cell, (table.n_cells + n) * sizeof(*table.cell));
	table.n_columns = n;
	for (i = 0; i < n; i++)
		table.cell[table.n_cells++] = xstrdup(*cell[i] ? cell[i] : "-");
}

static int column_width(size_t column)
{
	size_t width = 0, i;

	for (i = column; i < table.n_cells; i += table.n_columns)
		if (strlen(table.cell[i]) > width)
			width = strlen(table.cell[i]);
	return width;
}

/* Print the rows in aligned columns and forget them. */
void table_print(void)
{
	int width[16] = { 0 };
	size_t i, column;

	for (i = 0; i < table.n_columns && i < ARRAY_SIZE(width); i++)
		width[i] = column_width(i);
	for (i = 0; i < table.n_cells; i++) {
		column = i % table.n_columns;
		if (column + 1 == table.n_columns)
			printf("%s\n", table.cell[i]);
		else
			printf("%-*s  ", width[column], table.cell[i]);
		free(table.cell[i]);
	}
	free(table.cell);
	memset(&table, 0, sizeof(table));
}

void json_put(struct json_object *object, const char *key, const char *value)
{
	json_object_object_add(object, key, json_object_new_string(value));
}

void json_put_u64(struct json_object *object, const char *key, uint64_t value)
{
	json_object_object_add(object, key, json_object_new_uint64(value));
}

void json_put_s64(struct json_object *object, const char *key, int64_t value)
{
	json_object_object_add(object, key, json_object_new_int64(value));
}

/* What comes from outside may end up on a terminal. To be freed. */
char *json_printable(struct json_object *value)
{
	char *text = xstrdup(value ? json_object_get_string(value) : ""), *c;

	for (c = text; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?';
	return text;
}

/* Print and free. A reader of a pipe gets it at once. */
void json_print(struct json_object *json)
{
	int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

	if (options.pretty)
		flags |= JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
	puts(json_object_to_json_string_ext(json, flags));
	fflush(stdout);
	json_object_put(json);
}
