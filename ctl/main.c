// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl: the options before the first word.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verbs.h"

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

/* -j and -p may also come last, as in "lparctl list -j". */
static void take_last(struct args *args)
{
	const char *last;

	for (; args->argc > 1; args->argc--) {
		last = args->argv[args->argc - 1];
		if (!strcmp(last, "-p") || !strcmp(last, "--pretty"))
			options.pretty = true;
		else if (strcmp(last, "-j") && strcmp(last, "--json"))
			return;
		options.json = true;
	}
}

/* Whoever has started us may do so with anything. */
static void settle(void)
{
	int fd;

	/* What is closed would be the first file that we open, and get our messages. */
	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
	/* Nobody else writes what we make. */
	umask(umask(0) | 022);
	/* He may not care for his children. */
	signal(SIGCHLD, SIG_DFL);
	pipe_catch();
}

static int run(int argc, char **argv)
{
	int ret = parse_options(argc, argv);
	struct args args = { argc - optind, argv + optind };

	if (ret >= 0)
		return ret;
	if (!args.argc) {
		help_print(stderr);
		return EXIT_USAGE;
	}
	take_last(&args);
	return run_words(&args);
}

int main(int argc, char **argv)
{
	int ret;

	settle();
	ret = run(argc, argv);
	if (fflush(stdout) || ferror(stdout)) {
		pipe_end();
		err("cannot write the output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return ret;
}
