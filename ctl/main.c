// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl: options, dispatch and the words of the command line.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cluster.h"

struct options options = { .root = "" };

/* For those who pass the reason of a failure on instead of printing it. */
static struct {
	bool on;
	char text[1024]; /* the first one: what follows is its consequence */
} captured;

void err_capture(bool on)
{
	captured.on = on;
	captured.text[0] = 0;
}

const char *err_captured(void)
{
	return captured.text;
}

/* To stderr: "lparctl: TEXT". */
void err(const char *fmt, ...)
{
	va_list ap;

	if (captured.on) {
		va_start(ap, fmt);
		if (!*captured.text)
			vsnprintf(captured.text, sizeof(captured.text), fmt, ap);
		va_end(ap);
		return;
	}
	fflush(stdout);
	fputs("lparctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

/* What was done, to people; a reader of JSON is not to be disturbed. */
void say(const char *fmt, ...)
{
	va_list ap;

	if (options.json)
		return;
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

int usage(const char *fmt, ...)
{
	va_list ap;

	fputs("lparctl: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("\nTry 'lparctl help'.\n", stderr);
	return EXIT_USAGE;
}

/* The next word of the command line, or NULL. */
const char *next_arg(struct args *args)
{
	if (!args->argc)
		return NULL;
	args->argc--;
	return *args->argv++;
}

/*
 * Take "--option VALUE" or "--option=VALUE" when it is next. *value is NULL
 * when the value is missing.
 */
bool next_option(struct args *args, const char *option, const char **value)
{
	size_t len = strlen(option);

	if (!args->argc || strncmp(args->argv[0], option, len))
		return false;
	if (args->argv[0][len] == '=') {
		*value = next_arg(args) + len + 1;
		return true;
	}
	if (args->argv[0][len])
		return false;
	next_arg(args);
	*value = next_arg(args);
	return true;
}

bool next_flag(struct args *args, const char *flag)
{
	if (!args->argc || strcmp(args->argv[0], flag))
		return false;
	next_arg(args);
	return true;
}

/* A path below --root. */
const char *rooted(char *buf, size_t size, const char *fmt, ...)
{
	int len = snprintf(buf, size, "%s", options.root);
	va_list ap;

	if (len < 0 || (size_t)len >= size)
		return "";
	va_start(ap, fmt);
	vsnprintf(buf + len, size - len, fmt, ap);
	va_end(ap);
	return buf;
}

/* As in iproute2, the first entry that begins with the word is meant. */
static const struct command *find_command(const struct command *table, const char *word)
{
	for (; *word && table->name; table++)
		if (!strncmp(table->name, word, strlen(word)))
			return table;
	return NULL;
}

int run_command(const char *what, const struct command *table, struct args *args)
{
	const char *word = next_arg(args);
	const struct command *command = word ? find_command(table, word) : NULL;

	if (!word)
		return usage("%s is missing", what);
	if (!command)
		return usage("%s '%s' is unknown", what, word);
	return command->run(args);
}

static int help_object(struct args *args);

/* clang-format off */
static const struct command objects[] = {
	{ "lpar", lpar_object },
	{ "cut", cut_object },
	{ "netbuf", netbuf_object },
	{ "throttle", throttle_object },
	{ "monitor", monitor_object },
	{ "snap", snap_object },
	{ "cluster", cluster_object },
	{ "execd", execd_verb },
	{ "help", help_object },
	{ NULL, NULL },
};
/* clang-format on */

static int help_object(struct args *args)
{
	const char *word = next_arg(args);
	const struct command *object = word ? find_command(objects, word) : NULL;

	if (word && !object)
		return usage("object '%s' is unknown", word);
	if (object)
		help_print_object(object->name);
	else
		help_print(stdout);
	return EXIT_OK;
}

static bool asks_for_help(const struct args *args)
{
	const char *last = args->argv[args->argc - 1];

	return args->argc > 1 && (!strcmp(last, "--help") || !strcmp(last, "-h"));
}

/* The object lpar may be left out: "lparctl start web". */
static int run_object(struct args *args)
{
	const struct command *object = find_command(objects, args->argv[0]);

	if (asks_for_help(args)) {
		help_print_object(object ? object->name : "lpar");
		return EXIT_OK;
	}
	return object ? run_command("object", objects, args) : lpar_object(args);
}

enum {
	OPT_ROOT = 256,
};

/* clang-format off */
static const struct option long_options[] = {
	{ "json", no_argument, NULL, 'j' },
	{ "pretty", no_argument, NULL, 'p' },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};
/* clang-format on */

/* Returns -1 to go on, otherwise an exit code. */
static int parse_options(int argc, char **argv)
{
	int c;

	/* "+": options end at the object, what follows belongs to the verb. */
	while ((c = getopt_long(argc, argv, "+jphV", long_options, NULL)) != -1) {
		switch (c) {
		case 'p':
			options.pretty = true;
			/* fall through */
		case 'j':
			options.json = true;
			break;
		case OPT_ROOT:
			options.root = optarg;
			break;
		case 'h':
			help_print(stdout);
			return EXIT_OK;
		case 'V':
			puts("lparctl " LPARKIT_VERSION);
			return EXIT_OK;
		default:
			fputs("Try 'lparctl help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	return -1;
}

int main(int argc, char **argv)
{
	int ret = parse_options(argc, argv);
	struct args args = { argc - optind, argv + optind };

	if (ret >= 0)
		return ret;
	if (!args.argc) {
		help_print(stderr);
		return EXIT_USAGE;
	}
	ret = run_object(&args);
	if (fflush(stdout) || ferror(stdout)) {
		err("cannot write the output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return ret;
}
