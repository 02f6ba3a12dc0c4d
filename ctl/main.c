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

static const char help_text[] =
	"Usage: lparctl [OPTIONS] [lpar] VERB ...\n"
	"       lparctl [OPTIONS] cut ...\n"
	"       lparctl [OPTIONS] netbuf ...\n"
	"       lparctl [OPTIONS] throttle ...\n"
	"       lparctl [OPTIONS] monitor ...\n"
	"       lparctl [OPTIONS] snap ...\n"
	"       lparctl [OPTIONS] cluster ...\n"
	"\n"
	"LPARs\n"
	"  create NAME [KEY VALUE]... | create [NAME] -f FILE | create NAME\n"
	"  set NAME KEY VALUE...\n"
	"    KEY := cpus LIST | memory SIZE | node N|any | owner USER[:GROUP] |\n"
	"           disk PATH | gate-timeout TIME\n"
	"  delete NAME...\n"
	"  list\n"
	"  show [NAME]...\n"
	"  check [NAME|FILE]...\n"
	"  activate NAME [--host]\n"
	"  deactivate NAME [--force]\n"
	"  start NAME [--timeout TIME] [--file FILE] [--incoming]\n"
	"  stop NAME [--timeout TIME]\n"
	"  freeze NAME... [--timeout TIME]\n"
	"  thaw NAME...\n"
	"  member add|del NAME PID...\n"
	"  stage NAME [number N] [text TEXT] [progress PERCENT]\n"
	"             [transfer-rate SIZE] [dirty SIZE] [state STATE]\n"
	"\n"
	"Cuts: gates of several LPARs close, or open, at one instant\n"
	"  cut --at INSTANT --lpar NAME[,NAME]... [--action close|open] [--no-wait]\n"
	"    INSTANT := now | +TIME | @SECONDS | YYYY-MM-DD HH:MM:SS[.FRACTION][Z]\n"
	"  cut list | cut show ID | cut cancel ID\n"
	"\n"
	"Netdevs: frames are held while a guest is saved and restored\n"
	"  netbuf attach NETDEV [SETTING]... | netbuf set NETDEV SETTING...\n"
	"    SETTING := --lpar NAME | --limit-frames N | --limit-bytes SIZE |\n"
	"               --policy tail-drop|head-drop|pass | --high-water PERCENT |\n"
	"               --filter EXPRESSION | --unmatched pass|drop | --copy yes|no\n"
	"  netbuf detach NETDEV... [--force]\n"
	"  netbuf hold NETDEV... | netbuf flush NETDEV...\n"
	"  netbuf drain NETDEV... [--timeout TIME] [--no-wait]\n"
	"  netbuf save FILE NETDEV... | netbuf load FILE [NETDEV[=NETDEV]]...\n"
	"  netbuf show [NETDEV]... | netbuf monitor [--count N] [--timeout TIME]\n"
	"\n"
	"Throttles: a migrating guest dirties no faster than the link carries\n"
	"  throttle attach PID|LPAR [SETTING]... | throttle set PID|LPAR SETTING...\n"
	"    SETTING := --count | --limit SIZE | --delay TIME | --auto PERCENT |\n"
	"               --transfer-rate SIZE | --watchdog TIME\n"
	"  throttle detach PID|LPAR...\n"
	"  throttle follow QMP-SOCKET [--target PID|LPAR] [--share PERCENT]\n"
	"                  [--watchdog TIME] [--wait TIME]\n"
	"  throttle show [PID|LPAR]... | throttle monitor [--count N] [--timeout TIME]\n"
	"  throttle msi [DEVICE [--delay TIME | --rate N | off] [--force] [--watchdog TIME]]\n"
	"  throttle msi DEVICE --limit SIZE --counter FILE [--force] [--watchdog TIME]\n"
	"\n"
	"States of snapsync volumes\n"
	"  snap list VOLUME\n"
	"  snap take VOLUME NAME [note TEXT]\n"
	"  snap restore|delete VOLUME NAME [--group]\n"
	"  snap rename VOLUME OLD NEW [--group]\n"
	"  snap merge VOLUME NAME\n"
	"  snap check STORE\n"
	"\n"
	"Clusters: guests of several hosts are saved, and restored, at one instant\n"
	"  cluster save NAME --hosts HOST[,HOST]... [--lpar NAME[,NAME]...] [--continue]\n"
	"               [--wait TIME] [--max-skew TIME] [OPTION]...\n"
	"  cluster restore NAME [--hosts HOST[,HOST]...] [--max-skew TIME] [OPTION]...\n"
	"  cluster list | cluster show NAME | cluster verify NAME | cluster delete NAME\n"
	"  cluster recover\n"
	"    OPTION := --via COMMAND | --dir DIR | --timeout TIME\n"
	"\n"
	"Events\n"
	"  monitor [--lpar NAME] [--event EVENT] [--count N] [--timeout TIME]\n"
	"\n"
	"Words may be abbreviated. SIZE is 512M or 1G, TIME is 500ms, 30s or 2m.\n"
	"\n"
	"Options\n"
	"  -j, --json      JSON output of list, show, check, cut, netbuf, throttle and monitor\n"
	"  -p, --pretty    indented JSON\n"
	"      --root DIR  look for /etc, /proc, /run and /sys below DIR\n"
	"  -h, --help      this text\n"
	"  -V, --version   the version\n"
	"\n"
	"Exit code: 0 ok, 1 failed, 2 usage, 3 check failed, 4 time-out, 5 rolled back\n";

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

static int help_object(struct args *args)
{
	(void)args;
	fputs(help_text, stdout);
	return EXIT_OK;
}

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
			return help_object(NULL);
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
		fputs(help_text, stderr);
		return EXIT_USAGE;
	}
	/* The object lpar may be left out: "lparctl start web". */
	if (find_command(objects, args.argv[0]))
		ret = run_command("object", objects, &args);
	else
		ret = lpar_object(&args);
	if (fflush(stdout) || ferror(stdout)) {
		err("cannot write the output: %s", strerror(errno));
		return EXIT_FAILED;
	}
	return ret;
}
