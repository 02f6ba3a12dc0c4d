// SPDX-License-Identifier: GPL-2.0
/*
 * Words of the command line and of INI files to values, and back; small files.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/lib.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* clang-format off */
static const struct unit size_units[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "K", 1ULL << 10 },
	{ "M", 1ULL << 20 },
	{ "G", 1ULL << 30 },
	{ "T", 1ULL << 40 },
	{ "KiB", 1ULL << 10 },
	{ "MiB", 1ULL << 20 },
	{ "GiB", 1ULL << 30 },
	{ "TiB", 1ULL << 40 },
	{ NULL, 0 },
};

static const struct unit time_units[] = {
	{ "", NSEC_PER_SEC },
	{ "s", NSEC_PER_SEC },
	{ "ms", NSEC_PER_MSEC },
	{ "us", 1000 },
	{ "ns", 1 },
	{ "m", 60 * NSEC_PER_SEC },
	{ "min", 60 * NSEC_PER_SEC },
	{ "h", 3600 * NSEC_PER_SEC },
	{ NULL, 0 },
};
/* clang-format on */

int parse_uint(const char *text, uint64_t max, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	*value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	return errno || *value > max ? -ERANGE : 0;
}

/* DIGITS[.DIGITS]UNIT, exact to the last digit that the unit can hold. */
static int parse_quantity(const char *text, const struct unit *units, uint64_t *value)
{
	const char *fraction = "";
	unsigned __int128 sum;
	uint64_t scale;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	sum = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end == '.') {
		fraction = end + 1;
		end += 1 + strspn(fraction, "0123456789");
	}
	while (units->name && strcasecmp(units->name, end))
		units++;
	if (!units->name)
		return -EINVAL;
	sum *= units->factor;
	for (scale = units->factor; isdigit((unsigned char)*fraction); fraction++) {
		/* Ten times finer each; what is below one is dropped. */
		sum += scale * (*fraction - '0') / 10;
		scale /= 10;
	}
	if (sum > UINT64_MAX)
		return -ERANGE;
	*value = sum;
	return 0;
}

/* "512M", "1G", "1.5GiB". */
int parse_size(const char *text, uint64_t *bytes)
{
	return parse_quantity(text, size_units, bytes);
}

/* "500ms", "30s", "2m"; seconds without a unit. */
int parse_time(const char *text, uint64_t *ns)
{
	return parse_quantity(text, time_units, ns);
}

/* "YYYY-MM-DD HH:MM:SS[.FRACTION][Z]", also with a T; local time without Z. */
static int parse_calendar(const char *text, uint64_t *ns)
{
	struct tm tm = { .tm_isdst = -1 };
	char fraction[24] = "0.";
	uint64_t part = 0;
	const char *end;
	time_t seconds;
	size_t len;

	end = strptime(text, "%Y-%m-%d", &tm);
	if (!end || (*end != ' ' && *end != 'T'))
		return -EINVAL;
	end = strptime(end + 1, "%H:%M:%S", &tm);
	if (!end)
		return -EINVAL;
	if (*end == '.') {
		len = strspn(++end, "0123456789");
		if (!len || len > 9)
			return -EINVAL;
		memcpy(fraction + 2, end, len);
		parse_time(fraction, &part);
		end += len;
	}
	if (strcmp(end, "Z") && *end)
		return -EINVAL;
	seconds = *end ? timegm(&tm) : mktime(&tm);
	if (seconds <= 0)
		return -EINVAL;
	*ns = (uint64_t)seconds * NSEC_PER_SEC + part;
	return 0;
}

/* An instant on CLOCK_REALTIME; 0 means now. */
int parse_instant(const char *text, uint64_t *ns)
{
	int ret;

	if (!strcmp(text, "now")) {
		*ns = 0;
		return 0;
	}
	if (*text == '@')
		return parse_time(text + 1, ns);
	if (*text != '+')
		return parse_calendar(text, ns);
	ret = parse_time(text + 1, ns);
	if (ret || __builtin_add_overflow(*ns, now_ns(CLOCK_REALTIME), ns))
		return ret ? ret : -ERANGE;
	return 0;
}

/* One shell word: quotes and backslashes, but no expansion. */
static int split_word(const char **text, char *word)
{
	char quote = 0;

	for (; **text && (quote || !isspace((unsigned char)**text)); (*text)++) {
		if (!quote && (**text == '\'' || **text == '"')) {
			quote = **text;
		} else if (**text == quote) {
			quote = 0;
		} else if (**text == '\\' && quote != '\'') {
			if (!*++*text)
				return -EINVAL;
			*word++ = **text;
		} else {
			*word++ = **text;
		}
	}
	*word = 0;
	return quote ? -EINVAL : 0;
}

/* Which of them it is, or -1; some may be NULL. */
int find_word(const char *const *words, size_t n, const char *word)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (words[i] && !strcmp(words[i], word))
			return i;
	return -1;
}

/* Append the shell words in text to an array that ends with NULL. */
int split_words(const char *text, char ***words, size_t *n_words)
{
	char *word;

	for (;;) {
		while (isspace((unsigned char)*text))
			text++;
		if (!*text)
			return 0;
		word = xalloc(strlen(text) + 1);
		if (split_word(&text, word)) {
			free(word);
			return -EINVAL;
		}
		*words = xrealloc(*words, (*n_words + 2) * sizeof(**words));
		(*words)[(*n_words)++] = word;
		(*words)[*n_words] = NULL;
	}
}

/* The largest unit that needs no fraction. */
const char *format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char units[] = "\0KMGT";
	size_t unit = 0;

	while (bytes && !(bytes % 1024) && units[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	snprintf(buf, size, unit ? "%" PRIu64 "%c" : "%" PRIu64, bytes, units[unit]);
	return buf;
}

const char *format_time(char *buf, size_t size, int64_t ns)
{
	double value = ns;

	if (value > -1e3 && value < 1e3)
		snprintf(buf, size, "%" PRId64 " ns", ns);
	else if (value > -1e6 && value < 1e6)
		snprintf(buf, size, "%.1f us", value / 1e3);
	else if (value > -1e9 && value < 1e9)
		snprintf(buf, size, "%.1f ms", value / 1e6);
	else
		snprintf(buf, size, "%.3f s", value / 1e9);
	return buf;
}

/* Local time with microseconds, in the form that parse_instant() reads. */
const char *format_instant(char *buf, size_t size, uint64_t ns)
{
	time_t seconds = ns / NSEC_PER_SEC;
	struct tm tm;
	size_t len;

	localtime_r(&seconds, &tm);
	len = strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf + len, size - len, ".%06u", (unsigned int)(ns % NSEC_PER_SEC / 1000));
	return buf;
}

uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

/* For poll(), which cannot wait longer than some weeks. */
int poll_ms(uint64_t ns)
{
	uint64_t ms = (ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;

	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Until a deadline of CLOCK_MONOTONIC; 0 when it is over. */
uint64_t left_ns(uint64_t deadline_ns)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	return deadline_ns > now ? deadline_ns - now : 0;
}

void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * NSEC_PER_MSEC };

	nanosleep(&ts, NULL);
}

static void out_of_memory(void)
{
	err("out of memory");
	exit(EXIT_FAILED);
}

/* Zeroed; never NULL: a command that has no memory can only give up. */
void *xalloc(size_t size)
{
	void *memory = calloc(1, size ? size : 1);

	if (!memory)
		out_of_memory();
	return memory;
}

void *xrealloc(void *memory, size_t size)
{
	memory = realloc(memory, size);
	if (!memory)
		out_of_memory();
	return memory;
}

char *xstrdup(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		out_of_memory();
	return copy;
}

char *xprintf(const char *fmt, ...)
{
	va_list ap;
	char *text;
	int ret;

	va_start(ap, fmt);
	ret = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (ret < 0)
		out_of_memory();
	return text;
}
