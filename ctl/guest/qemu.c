// SPDX-License-Identifier: GPL-2.0
/*
 * The command line of an LPAR's QEMU, from section [guest] of its INI file.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "guest/guest.h"

/* Lives until exec: nothing of it is ever freed. */
struct words {
	char **word;
	size_t n;
};

static void add(struct words *words, const char *word)
{
	words->word = xrealloc(words->word, (words->n + 2) * sizeof(*words->word));
	words->word[words->n++] = xstrdup(word);
	words->word[words->n] = NULL;
}

static void add_option(struct words *words, const char *option, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void add_option(struct words *words, const char *option, const char *fmt, ...)
{
	char value[2 * PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	add(words, option);
	add(words, value);
}

/* A comma within a QEMU option is written twice. */
static const char *escape(char *buf, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len + 2 < size; text++) {
		if (*text == ',')
			buf[len++] = ',';
		buf[len++] = *text;
	}
	buf[len] = 0;
	return buf;
}

static const char *or_default(const char *value, const char *otherwise)
{
	return value ? value : otherwise;
}

static unsigned int vcpus(const struct lpar_config *config)
{
	struct cpus cpus;

	if (config->guest.vcpus)
		return config->guest.vcpus;
	if (cpus_parse(config->cpus, &cpus) || cpus_empty(&cpus))
		return 1;
	return cpus_count(&cpus);
}

static void add_machine(struct words *words, const struct lpar_config *config)
{
	const struct guest_config *guest = &config->guest;
	char path[PATH_MAX], escaped[2 * PATH_MAX];

	add_option(words, "-name", "%s,debug-threads=on", config->name);
	add_option(words, "-machine", "%s,memory-backend=lpar", or_default(guest->machine, "q35"));
	add_option(words, "-object",
		   "memory-backend-file,id=lpar,size=%" PRIu64 ",mem-path=%s,share=on,align=2M",
		   config->memory,
		   escape(escaped, sizeof(escaped),
			  lpar_memory_path(path, sizeof(path), config->name)));
	/* In KiB: QEMU would take a bare number for MiB. */
	add_option(words, "-m", "%" PRIu64 "k", config->memory / 1024);
	add_option(words, "-smp", "%u", vcpus(config));
	add_option(words, "-cpu", "%s", or_default(guest->cpu, "host"));
	add_option(words, "-accel", "%s", or_default(guest->accel, "kvm"));
	add(words, "-nodefaults");
	add_option(words, "-display", "none");
}

/*
 * QEMU opens a block device without O_EXCL, which the LPAR's own exclusive
 * claim allows.
 */
static void add_disks(struct words *words, const struct lpar_config *config)
{
	static const char *const on_error[] = {
		[DISK_ERROR_FULL] = "werror=enospc,rerror=report",
		[DISK_ERROR_STOP] = "werror=stop,rerror=stop",
		[DISK_ERROR_REPORT] = "werror=report,rerror=report",
	};
	char path[2 * LPAR_PATH_MAX + 2];
	size_t i;

	for (i = 0; i < config->n_disks; i++) {
		add_option(
			words, "-drive",
			"file=%s,format=raw,if=none,id=disk%zu,cache=none,aio=native,discard=unmap,%s",
			escape(path, sizeof(path), config->disk[i]), i,
			on_error[config->guest.disk_error]);
		add_option(words, "-device", "virtio-blk-pci,drive=disk%zu", i);
	}
}

/* The boot ROM of a NIC is of another size on another host, and would be in the way there. */
static void add_nics(struct words *words, const struct guest_config *guest)
{
	char mac[MAC_CHARS + 1];
	size_t i;

	for (i = 0; i < guest->n_nics; i++) {
		add_option(words, "-netdev", "tap,id=nic%zu,ifname=%s,script=no,downscript=no", i,
			   guest->nic[i].netdev);
		add_option(words, "-device", "virtio-net-pci,netdev=nic%zu,mac=%s,romfile=", i,
			   mac_format(mac, guest->nic[i].mac));
	}
}

static void add_boot(struct words *words, const struct guest_config *guest)
{
	if (guest->kernel)
		add_option(words, "-kernel", "%s", guest->kernel);
	if (guest->initrd)
		add_option(words, "-initrd", "%s", guest->initrd);
	if (guest->append)
		add_option(words, "-append", "%s", guest->append);
}

/* One that whoever looks may use, and one of lparctl's own. */
static void add_monitors(struct words *words, const struct lpar_config *config)
{
	static const char *const sockets[] = { "qmp.sock", "lparctl.sock" };
	char path[PATH_MAX], escaped[2 * PATH_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sockets); i++) {
		run_path(path, sizeof(path), config->name, sockets[i]);
		add_option(words, "-qmp", "unix:%s,server=on,wait=off",
			   escape(escaped, sizeof(escaped), path));
	}
}

/* The first serial port: those of args= come behind it. */
static void add_console(struct words *words, const struct lpar_config *config)
{
	char path[PATH_MAX], escaped[2 * PATH_MAX];

	if (!config->guest.console)
		return;
	run_path(path, sizeof(path), config->name, "console.sock");
	add_option(words, "-serial", "unix:%s,server=on,wait=off",
		   escape(escaped, sizeof(escaped), path));
}

/* An argv for execvp(). Incoming: it waits for a migration, and then stays paused. */
char **qemu_command(const struct lpar_config *config, bool incoming)
{
	struct words words = { NULL, 0 };
	char path[PATH_MAX];
	size_t i;

	add(&words, or_default(config->guest.binary, "qemu-system-x86_64"));
	add_machine(&words, config);
	add_monitors(&words, config);
	add_console(&words, config);
	add_option(&words, "-pidfile", "%s",
		   run_path(path, sizeof(path), config->name, "qemu.pid"));
	add_disks(&words, config);
	add_nics(&words, &config->guest);
	add_boot(&words, &config->guest);
	for (i = 0; i < config->guest.n_args; i++)
		add(&words, config->guest.args[i]);
	if (incoming) {
		add(&words, "-S");
		add_option(&words, "-incoming", "defer");
	}
	return words.word;
}
