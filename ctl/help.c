// SPDX-License-Identifier: GPL-2.0
/*
 * What "lparctl help" says, of all objects or of one.
 */
#include <string.h>

#include "lparctl.h"

static const char usage_text[] = "Usage: lparctl [OPTIONS] [lpar] VERB ...\n"
				 "       lparctl [OPTIONS] cut ...\n"
				 "       lparctl [OPTIONS] netbuf ...\n"
				 "       lparctl [OPTIONS] throttle ...\n"
				 "       lparctl [OPTIONS] monitor ...\n"
				 "       lparctl [OPTIONS] snap ...\n"
				 "       lparctl [OPTIONS] cluster ...\n"
				 "       lparctl help [OBJECT]\n";

/* clang-format off */
static const struct {
	const char *object;
	const char *text;
} objects[] = {
	{ "lpar",
	  "LPARs\n"
	  "  create NAME [KEY VALUE]... | create [NAME] -f FILE | create NAME\n"
	  "  set NAME KEY VALUE...\n"
	  "    KEY := cpus LIST | memory SIZE | node N|any | pages any|large |\n"
	  "           owner USER[:GROUP] | disk PATH | gate-timeout TIME\n"
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
	  "  pin NAME\n"
	  "  stage NAME [number N] [text TEXT] [progress PERCENT]\n"
	  "             [transfer-rate SIZE] [dirty SIZE] [state STATE]\n" },
	{ "cut",
	  "Cuts: gates of several LPARs close, or open, at one instant\n"
	  "  cut --at INSTANT --lpar NAME[,NAME]... [--action close|open] [--no-wait]\n"
	  "    INSTANT := now | +TIME | @SECONDS | YYYY-MM-DD HH:MM:SS[.FRACTION][Z]\n"
	  "  cut list | cut show ID | cut cancel ID\n" },
	{ "netbuf",
	  "Netdevs: frames are held while a guest is saved and restored\n"
	  "  netbuf attach NETDEV [SETTING]... | netbuf set NETDEV SETTING...\n"
	  "    SETTING := --lpar NAME | --limit-frames N | --limit-bytes SIZE |\n"
	  "               --policy tail-drop|head-drop|pass | --high-water PERCENT |\n"
	  "               --filter EXPRESSION | --unmatched pass|drop | --copy yes|no\n"
	  "  netbuf detach NETDEV... [--force]\n"
	  "  netbuf hold NETDEV... | netbuf flush NETDEV...\n"
	  "  netbuf drain NETDEV... [--timeout TIME] [--no-wait]\n"
	  "  netbuf save FILE NETDEV... | netbuf load FILE [NETDEV[=NETDEV]]...\n"
	  "  netbuf show [NETDEV]... | netbuf monitor [--count N] [--timeout TIME]\n" },
	{ "throttle",
	  "Throttles: a migrating guest dirties no faster than the link carries\n"
	  "  throttle attach PID|LPAR [SETTING]... | throttle set PID|LPAR SETTING...\n"
	  "    SETTING := --count | --limit SIZE | --delay TIME | --auto PERCENT |\n"
	  "               --transfer-rate SIZE | --watchdog TIME\n"
	  "  throttle detach PID|LPAR...\n"
	  "  throttle follow QMP-SOCKET [--target PID|LPAR] [--share PERCENT]\n"
	  "                  [--watchdog TIME] [--wait TIME]\n"
	  "  throttle show [PID|LPAR]... | throttle monitor [--count N] [--timeout TIME]\n"
	  "  throttle msi [DEVICE [--delay TIME | --rate N | off] [--force] [--watchdog TIME]]\n"
	  "  throttle msi DEVICE --limit SIZE --counter FILE [--force] [--watchdog TIME]\n" },
	{ "snap",
	  "States of snapsync volumes\n"
	  "  snap list VOLUME\n"
	  "  snap take VOLUME NAME [note TEXT]\n"
	  "  snap restore VOLUME NAME [--group] [--force]\n"
	  "  snap delete VOLUME NAME [--group]\n"
	  "  snap rename VOLUME OLD NEW [--group]\n"
	  "  snap settle VOLUME NAME keep|drop [--group]\n"
	  "  snap merge VOLUME NAME\n"
	  "  snap check STORE [--repair] [--force]\n" },
	{ "cluster",
	  "Clusters: guests of several hosts are saved, and restored, at one instant\n"
	  "  cluster save NAME --hosts HOST[,HOST]... [--lpar NAME[,NAME]...] [--continue]\n"
	  "               [--wait TIME] [--max-skew TIME] [OPTION]...\n"
	  "  cluster restore NAME [--hosts HOST[,HOST]...] [--max-skew TIME] [OPTION]...\n"
	  "  cluster verify NAME [--hosts HOST[,HOST]...] [OPTION]...\n"
	  "  cluster delete NAME [--hosts HOST[,HOST]...] [OPTION]...\n"
	  "  cluster list [--dir DIR] | cluster show NAME [--dir DIR]\n"
	  "  cluster recover\n"
	  "    OPTION := --via COMMAND | --dir DIR | --timeout TIME\n" },
	{ "monitor",
	  "Events\n"
	  "  monitor [--lpar NAME] [--event EVENT] [--count N] [--timeout TIME]\n" },
};
/* clang-format on */

static const char words_text[] =
	"Words may be abbreviated. SIZE is 512M or 1G, TIME is 500ms, 30s or 2m.\n";

static const char options_text[] =
	"Options\n"
	"  -j, --json      JSON output of list, show, check, cut, netbuf, throttle and monitor\n"
	"  -p, --pretty    indented JSON\n"
	"      --root DIR  look for /dev/lpar, /etc, /proc, /run and /sys below DIR\n"
	"  -h, --help      this text\n"
	"  -V, --version   the version\n"
	"\n"
	"Exit code: 0 ok, 1 failed, 2 usage, 3 check failed, 4 time-out, 5 rolled back\n";

void help_print(FILE *to)
{
	size_t i;

	fputs(usage_text, to);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		fprintf(to, "\n%s", objects[i].text);
	fprintf(to, "\n%s\n%s", words_text, options_text);
}

/* Everything, for an object that has no part of its own. */
void help_print_object(const char *object)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		if (strcmp(objects[i].object, object))
			continue;
		printf("%s\n%s", objects[i].text, words_text);
		return;
	}
	help_print(stdout);
}
