// SPDX-License-Identifier: GPL-2.0
/*
 * World wide names, and other bytes, as text.
 */
#include <errno.h>
#include <string.h>

#include "lib/lib.h"

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Bytes as hex digits, all of them, with or without colons between them. */
int parse_hex(const char *text, uint8_t *bytes, size_t n)
{
	bool colons = strlen(text) == 3 * n - 1;
	size_t i;

	if (!colons && strlen(text) != 2 * n)
		return -EINVAL;
	for (i = 0; i < n; i++, text += 2) {
		if (colons && i && *text++ != ':')
			return -EINVAL;
		if (hex_digit(text[0]) < 0 || hex_digit(text[1]) < 0)
			return -EINVAL;
		bytes[i] = hex_digit(text[0]) << 4 | hex_digit(text[1]);
	}
	return 0;
}

/* 20:01:00:00:00:00:00:01, 2001000000000001, or with 0x as in sysfs. */
int wwn_parse(const char *text, uint64_t *wwn)
{
	uint8_t bytes[sizeof(*wwn)];
	size_t i;

	if (!strncmp(text, "0x", 2))
		text += 2;
	if (parse_hex(text, bytes, sizeof(bytes)))
		return -EINVAL;
	*wwn = 0;
	for (i = 0; i < sizeof(bytes); i++)
		*wwn = *wwn << 8 | bytes[i];
	return *wwn && *wwn != UINT64_MAX ? 0 : -EINVAL;
}

/* WWN_CHARS + 1 bytes are enough. */
const char *wwn_format(char *buf, size_t size, uint64_t wwn)
{
	char *at = buf;
	int i;

	for (i = 7; i >= 0; i--)
		at += snprintf(at, size - (at - buf), "%02x%s",
			       (unsigned int)(wwn >> (8 * i) & 0xff), i ? ":" : "");
	return buf;
}
