// SPDX-License-Identifier: GPL-2.0
/*
 * Tables for people, JSON for programs.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/lib.h"

/* The rows of a table wait here until the widths of its columns are known. */
static struct {
	char **cell;
	size_t n_cells;
	size_t n_columns;
} table;

/*
 * What comes from outside may end up on a terminal, which is not to obey it: control characters
 * become '?', but for those that are kept.
 */
char *make_printable(char *text, const char *kept)
{
	unsigned char *c;

	for (c = (unsigned char *)text; *c; c++) {
		/* Some are of two bytes in UTF-8. */
		if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) {
			*c++ = '?';
			*c = '?';
		} else if (iscntrl(*c) && !strchr(kept, *c)) {
			*c = '?';
		}
	}
	return text;
}

/* Add a row; every row of a table has the same number of cells. Whose words they are is no matter. */
void table_row(const char *const *cell, size_t n)
{
	size_t i;

	table.cell = xrealloc(table.cell, (table.n_cells + n) * sizeof(*table.cell));
	table.n_columns = n;
	for (i = 0; i < n; i++)
		table.cell[table.n_cells++] = make_printable(xstrdup(*cell[i] ? cell[i] : "-"), "");
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

void json_put_flag(struct json_object *object, const char *key, bool value)
{
	json_object_object_add(object, key, json_object_new_boolean(value));
}

/* A text to an array of them, of which each is as long as a line may be. */
void json_add(struct json_object *array, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_object_array_add(array, json_object_new_string(text));
}

/* To be freed. */
char *json_printable(struct json_object *value)
{
	return make_printable(xstrdup(value ? json_object_get_string(value) : ""), "");
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
