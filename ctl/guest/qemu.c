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

/* Where QEMU finds a disk: by its name, or in a set of descriptors that it is given. */
static void add_disk_file(struct words *words, char *file, size_t size, const char *path,
			  size_t number, const struct qemu_files *files)
{
	char escaped[2 * LPAR_PATH_MAX + 2];

	if (!files) {
		snprintf(file, size, "file=%s", escape(escaped, sizeof(escaped), path));
		return;
	}
	add_option(words, "-add-fd", "set=%zu,fd=%d", number, files->disk[number][0]);
	add_option(words, "-add-fd", "set=%zu,fd=%d", number, files->disk[number][1]);
	snprintf(file, size, "file.driver=host_device,file.filename=/dev/fdset/%zu", number);
}

/*
 * QEMU opens a block device without O_EXCL, which the LPAR's own exclusive
 * claim allows.
 */
static void add_disks(struct words *words, const struct lpar_config *config,
		      const struct qemu_files *files)
{
	static const char *const on_error[] = {
		[DISK_ERROR_FULL] = "werror=enospc,rerror=report",
		[DISK_ERROR_STOP] = "werror=stop,rerror=stop",
		[DISK_ERROR_REPORT] = "werror=report,rerror=report",
	};
	char file[2 * LPAR_PATH_MAX + 16];
	size_t i;

	for (i = 0; i < config->n_disks; i++) {
		add_disk_file(words, file, sizeof(file), config->disk[i], i, files);
		add_option(
			words, "-drive",
			"%s,format=raw,if=none,id=disk%zu,cache=none,aio=native,discard=unmap,%s",
			file, i, on_error[config->guest.disk_error]);
		add_option(words, "-device", "virtio-blk-pci,drive=disk%zu", i);
	}
}

/* The boot ROM of a NIC is of another size on another host, and would be in the way there. */
static void add_nics(struct words *words, const struct guest_config *guest,
		     const struct qemu_files *files)
{
	char mac[MAC_CHARS + 1];
	size_t i;

	for (i = 0; i < guest->n_nics; i++) {
		if (files)
			add_option(words, "-netdev", "tap,id=nic%zu,fd=%d", i, files->nic[i]);
		else
			add_option(words, "-netdev",
				   "tap,id=nic%zu,ifname=%s,script=no,downscript=no", i,
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
const char *const qemu_monitors[QEMU_MONITORS] = { "qmp.sock", "lparctl.sock" };

/* A socket that QEMU makes, or one that listens already: one client, and no wait for it. */
static void add_socket(struct words *words, const struct lpar_config *config, const char *id,
		       const char *file, const int *fd)
{
	char path[PATH_MAX], escaped[2 * PATH_MAX];

	if (fd) {
		add_option(words, "-chardev", "socket,id=%s,fd=%d,server=on,wait=off", id, *fd);
		return;
	}
	run_path(path, sizeof(path), config->name, file);
	add_option(words, "-chardev", "socket,id=%s,path=%s,server=on,wait=off", id,
		   escape(escaped, sizeof(escaped), path));
}

static void add_monitors(struct words *words, const struct lpar_config *config,
			 const struct qemu_files *files)
{
	char id[32];
	size_t i;

	for (i = 0; i < QEMU_MONITORS; i++) {
		snprintf(id, sizeof(id), "monitor%zu", i);
		add_socket(words, config, id, qemu_monitors[i], files ? &files->monitor[i] : NULL);
		add_option(words, "-mon", "chardev=%s,mode=control", id);
	}
}

/* The first serial port: those of args= come behind it. */
static void add_console(struct words *words, const struct lpar_config *config,
			const struct qemu_files *files)
{
	if (!config->guest.console)
		return;
	add_socket(words, config, "console", "console.sock", files ? &files->console : NULL);
	add_option(words, "-serial", "chardev:console");
}

/* A port by the name that qemu-ga looks for, behind all devices that were there before it. */
static void add_agent(struct words *words, const struct lpar_config *config,
		      const struct qemu_files *files)
{
	if (!config->guest.agent)
		return;
	add_socket(words, config, "agent", "agent.sock", files ? &files->agent : NULL);
	add_option(words, "-device", "virtio-serial-pci");
	add_option(words, "-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0");
}

/* What QEMU needs not, it cannot do; its own scripts are among that. */
static void add_sandbox(struct words *words)
{
	add_option(words, "-sandbox",
		   "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

const char *qemu_binary(const struct lpar_config *config)
{
	return or_default(config->guest.binary, "qemu-system-x86_64");
}

/*
 * An argv for execvp(). With files QEMU is a user of its own. Incoming: it waits for a migration,
 * and then stays paused.
 */
char **qemu_command(const struct lpar_config *config, const struct qemu_files *files, bool incoming)
{
	struct words words = { NULL, 0 };
	char path[PATH_MAX];
	size_t i;

	add(&words, qemu_binary(config));
	add_machine(&words, config);
	if (files)
		add_sandbox(&words);
	add_monitors(&words, config, files);
	add_console(&words, config, files);
	add_option(&words, "-pidfile", "%s",
		   run_path(path, sizeof(path), config->name, "qemu/alive"));
	add_disks(&words, config, files);
	add_nics(&words, &config->guest, files);
	add_agent(&words, config, files);
	add_boot(&words, &config->guest);
	for (i = 0; i < config->guest.n_args; i++)
		add(&words, config->guest.args[i]);
	if (incoming) {
		add(&words, "-S");
		add_option(&words, "-incoming", "defer");
	}
	return words.word;
}
