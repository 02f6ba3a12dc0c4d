// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptions of LPARs: /etc/lparkit/NAME.lpar, then the drop-ins
 * /etc/lparkit/NAME.lpar.d/NN-WHAT.conf in the order of their names. Later values
 * replace earlier ones; lists (disk, args) grow, and an empty value empties
 * them, as systemd does it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <ini.h>

#include "lpar/lpar.h"

/* A kernel command line and a path each fit; inih would cut lines silently. */
#define LINE_BYTES 4096

static int parse_user(const char *text, uint32_t *uid)
{
	struct passwd *user = getpwnam(text);
	uint64_t number;

	if (user) {
		*uid = user->pw_uid;
		return 0;
	}
	/* The highest number means "nobody given" to the kernel. */
	if (parse_uint(text, UINT32_MAX - 1, &number))
		return -ENOENT;
	*uid = number;
	return 0;
}

static int parse_group(const char *text, uint32_t *gid)
{
	struct group *group = getgrnam(text);
	uint64_t number;

	if (group) {
		*gid = group->gr_gid;
		return 0;
	}
	if (parse_uint(text, UINT32_MAX - 1, &number))
		return -ENOENT;
	*gid = number;
	return 0;
}

/* USER[:GROUP], names or numbers. */
static int parse_owner(const char *text, struct lpar_config *config)
{
	const char *colon = strchr(text, ':');
	char *user;
	int ret;

	user = colon ? strndup(text, colon - text) : strdup(text);
	if (!user)
		return -ENOMEM;
	ret = parse_user(user, &config->owner_uid);
	free(user);
	if (ret)
		return ret;
	config->given |= KEY_OWNER_UID;
	/* Without a group it is root's, and no former line's. */
	config->owner_gid = 0;
	config->given &= ~KEY_OWNER_GID;
	if (!colon)
		return 0;
	config->given |= KEY_OWNER_GID;
	return parse_group(colon + 1, &config->owner_gid);
}

void config_init(struct lpar_config *config, const char *name)
{
	memset(config, 0, sizeof(*config));
	if (name)
		snprintf(config->name, sizeof(config->name), "%s", name);
	config->node = LPAR_NODE_ANY;
	config->gate_timeout_ms = LPAR_GATE_TIMEOUT_DEFAULT_MS;
}

static void clear_disks(struct lpar_config *config)
{
	while (config->n_disks)
		free(config->disk[--config->n_disks]);
}

static void clear_args(struct guest_config *guest)
{
	while (guest->n_args)
		free(guest->args[--guest->n_args]);
}

void config_free(struct lpar_config *config)
{
	struct guest_config *guest = &config->guest;

	clear_disks(config);
	clear_args(guest);
	activation_free(guest);
	while (config->n_lines)
		free(config->line[--config->n_lines].value);
	free(config->line);
	free(config->file);
	free(guest->kernel);
	free(guest->initrd);
	free(guest->append);
	free(guest->binary);
	free(guest->cpu);
	free(guest->machine);
	free(guest->accel);
	free(guest->user);
	free(guest->pin.cpus);
	free(guest->nic);
	free(guest->args);
	memset(config, 0, sizeof(*config));
}

static const char *set_cpus(struct lpar_config *config, const char *value)
{
	struct cpus cpus;

	if (strlen(value) > LPAR_CPULIST_MAX || cpus_parse(value, &cpus))
		return "is not a list of CPUs such as 2-3,6-7";
	strcpy(config->cpus, value);
	config->given |= KEY_CPUS;
	return NULL;
}

static const char *set_memory(struct lpar_config *config, const char *value)
{
	if (parse_size(value, &config->memory))
		return "is not a size such as 512M or 1G";
	config->given |= KEY_MEMORY;
	return NULL;
}

static const char *set_node(struct lpar_config *config, const char *value)
{
	uint64_t node;

	if (!strcmp(value, "any"))
		config->node = LPAR_NODE_ANY;
	else if (parse_uint(value, INT32_MAX, &node))
		return "is not a NUMA node or 'any'";
	else
		config->node = node;
	config->given |= KEY_NODE;
	return NULL;
}

static const char *set_pages(struct lpar_config *config, const char *value)
{
	int pages = pages_number(value);

	if (pages < 0)
		return "is not 'any' or 'large'";
	config->pages = pages;
	config->given |= KEY_PAGES;
	return NULL;
}

static const char *set_owner(struct lpar_config *config, const char *value)
{
	return parse_owner(value, config) ? "is not a known USER[:GROUP]" : NULL;
}

static const char *set_disk(struct lpar_config *config, const char *value)
{
	if (*value && *value != '/')
		return "is not an absolute path";
	if (strlen(value) > LPAR_PATH_MAX)
		return "is too long a path";
	if (*value && config->n_disks == LPAR_DISKS_MAX)
		return "is one disk too many";
	if (*value)
		config->disk[config->n_disks++] = xstrdup(value);
	else
		clear_disks(config);
	config->given |= KEY_DISK;
	return NULL;
}

static const char *set_gate_timeout(struct lpar_config *config, const char *value)
{
	uint64_t ns;

	if (parse_time(value, &ns) || ns / NSEC_PER_MSEC < LPAR_GATE_TIMEOUT_MIN_MS ||
	    ns / NSEC_PER_MSEC > LPAR_GATE_TIMEOUT_MAX_MS)
		return "is not a time between 100ms and 1h";
	config->gate_timeout_ms = ns / NSEC_PER_MSEC;
	config->given |= KEY_GATE_TIMEOUT;
	return NULL;
}

static const char *set_vcpus(struct lpar_config *config, const char *value)
{
	uint64_t vcpus;

	if (parse_uint(value, CPUS_MAX, &vcpus) || !vcpus)
		return "is not a number of vCPUs";
	config->guest.vcpus = vcpus;
	return NULL;
}

static const char *set_vcpu_pin(struct lpar_config *config, const char *value)
{
	struct pin_config *pin = &config->guest.pin;
	struct cpus cpus;

	free(pin->cpus);
	pin->cpus = NULL;
	pin->none = !strcmp(value, "none");
	if (pin->none || !strcmp(value, "auto"))
		return NULL;
	if (!*value || cpus_parse(value, &cpus))
		return "is not 'auto', 'none' or a list of CPUs such as 2-3,6-7";
	pin->cpus = xstrdup(value);
	return NULL;
}

static const char *set_disk_error(struct lpar_config *config, const char *value)
{
	static const char *const names[] = {
		[DISK_ERROR_FULL] = "full",
		[DISK_ERROR_STOP] = "stop",
		[DISK_ERROR_REPORT] = "report",
	};
	int error = find_word(names, ARRAY_SIZE(names), value);

	if (error < 0)
		return "is not 'full', 'stop' or 'report'";
	config->guest.disk_error = error;
	return NULL;
}

static const char *set_flag(bool *flag, const char *value)
{
	*flag = !strcmp(value, "yes");
	return *flag || !strcmp(value, "no") ? NULL : "is not 'yes' or 'no'";
}

static const char *set_console(struct lpar_config *config, const char *value)
{
	return set_flag(&config->guest.console, value);
}

static const char *set_agent(struct lpar_config *config, const char *value)
{
	return set_flag(&config->guest.agent, value);
}

/* The user exists here, as his LPAR's memory becomes his. */
static const char *set_user(struct lpar_config *config, const char *value)
{
	struct guest_config *guest = &config->guest;
	struct passwd *user = NULL;
	uint64_t uid;

	free(guest->user);
	guest->user = NULL;
	guest->uid = 0;
	guest->gid = 0;
	if (!*value)
		return NULL;
	user = getpwnam(value);
	if (!user && !parse_uint(value, UINT32_MAX - 1, &uid))
		user = getpwuid(uid);
	if (!user)
		return "is not a user of this host";
	if (!user->pw_uid || !user->pw_gid)
		return "is root, whom QEMU runs as without user=, or of his group";
	guest->user = xstrdup(value);
	guest->uid = user->pw_uid;
	guest->gid = user->pw_gid;
	return NULL;
}

static const char *set_args(struct lpar_config *config, const char *value)
{
	if (!*value)
		clear_args(&config->guest);
	else if (split_words(value, &config->guest.args, &config->guest.n_args))
		return "has a quote that does not end";
	return NULL;
}

static const char *set_wwnn(struct lpar_config *config, const char *value)
{
	return wwn_set(&config->guest.fc, WWN_NODE, value);
}

static const char *set_wwpn(struct lpar_config *config, const char *value)
{
	return wwn_set(&config->guest.fc, WWN_ORIGINAL, value);
}

static const char *set_maintenance(struct lpar_config *config, const char *value)
{
	return wwn_set(&config->guest.fc, WWN_MAINTENANCE, value);
}

static const char *set_fc_parent(struct lpar_config *config, const char *value)
{
	return fc_parent_set(&config->guest.fc, value);
}

static const char *set_net(struct lpar_config *config, const char *value)
{
	return nic_add(&config->guest, value);
}

static const char *replace(char **text, const char *value)
{
	free(*text);
	*text = *value ? xstrdup(value) : NULL;
	return NULL;
}

#define TEXT_SETTER(key)                                                            \
	static const char *set_##key(struct lpar_config *config, const char *value) \
	{                                                                           \
		return replace(&config->guest.key, value);                          \
	}

TEXT_SETTER(kernel)
TEXT_SETTER(initrd)
TEXT_SETTER(append)
TEXT_SETTER(binary)
TEXT_SETTER(cpu)
TEXT_SETTER(machine)
TEXT_SETTER(accel)

struct key {
	const char *section;
	const char *name;
	/* Returns NULL, or what is wrong with the value. */
	const char *(*set)(struct lpar_config *config, const char *value);
	bool is_list;
};

/* clang-format off */
static const struct key keys[] = {
	{ "lpar", "cpus", set_cpus },
	{ "lpar", "memory", set_memory },
	{ "lpar", "node", set_node },
	{ "lpar", "pages", set_pages },
	{ "lpar", "owner", set_owner },
	{ "lpar", "disk", set_disk, true },
	{ "lpar", "gate-timeout", set_gate_timeout },
	{ "guest", "kernel", set_kernel },
	{ "guest", "initrd", set_initrd },
	{ "guest", "append", set_append },
	{ "guest", "net", set_net, true },
	{ "guest", "wwnn", set_wwnn },
	{ "guest", "wwpn", set_wwpn },
	{ "guest", "wwpn-maintenance", set_maintenance },
	{ "guest", "fc-parent", set_fc_parent },
	{ "guest", "disk-error", set_disk_error },
	{ "guest", "console", set_console },
	{ "guest", "agent", set_agent },
	{ "guest", "user", set_user },
	{ "guest", "args", set_args, true },
	{ "guest", "activation", activation_set },
	{ "guest", "after", activation_add_after, true },
	{ "guest", "delay", activation_set_delay },
	{ "guest", "vcpus", set_vcpus },
	{ "guest", "vcpu-pin", set_vcpu_pin },
	{ "guest", "accel", set_accel },
	{ "guest", "binary", set_binary },
	{ "guest", "cpu", set_cpu },
	{ "guest", "machine", set_machine },
};
/* clang-format on */

static const struct key *find_key(const char *section, const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (!strcmp(keys[i].section, section) && !strcmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

/* Set a key of section [lpar]; -EINVAL with *why, -ENOENT for an unknown key. */
int config_set(struct lpar_config *config, const char *key, const char *value, const char **why)
{
	const struct key *found = find_key("lpar", key);

	if (!found)
		return -ENOENT;
	*why = found->set(config, value);
	return *why ? -EINVAL : 0;
}

static void forget_lines(struct lpar_config *config, const struct key *key)
{
	size_t i, n = 0;

	for (i = 0; i < config->n_lines; i++) {
		if (config->line[i].name == key->name)
			free(config->line[i].value);
		else
			config->line[n++] = config->line[i];
	}
	config->n_lines = n;
}

/* The same as with the value itself: lists grow, and nothing is left of what is empty. */
static void note_line(struct lpar_config *config, const struct key *key, const char *value)
{
	if (!key->is_list || !*value)
		forget_lines(config, key);
	if (!*value)
		return;
	config->line = xrealloc(config->line, (config->n_lines + 1) * sizeof(*config->line));
	config->line[config->n_lines++] =
		(struct config_line){ key->section, key->name, xstrdup(value) };
}

/* Words of a file are printed when something is wrong with them. */
static bool has_control(const char *line)
{
	for (; *line; line++)
		if (iscntrl((unsigned char)*line) && !isspace((unsigned char)*line))
			return true;
	return false;
}

/* As if a file had the line, in whichever section it belongs to; returns NULL, or what is wrong. */
const char *config_add(struct lpar_config *config, const char *name, const char *value)
{
	const struct key *key = find_key("lpar", name);
	const char *why;

	if (!key)
		key = find_key("guest", name);
	if (!key)
		return "belongs to no key: see lpar.conf(5)";
	/* Nobody could read the file that it is written to, nor any other of the site then. */
	if (has_control(value))
		return "has a control character";
	/* With '=', the end of the line and that of the text. */
	if (strlen(name) + strlen(value) + 3 > LINE_BYTES)
		return "is too long for a line of a file";
	why = key->set(config, value);
	if (!why)
		note_line(config, key, value);
	return why;
}

/* The file that is being read; inih counts lines, but does not tell. */
struct reader {
	FILE *stream;
	const char *file;
	unsigned int line;
	bool failed;
	struct lpar_config *config;
	config_other other; /* NULL: there are no other sections */
	void *data;
};

static void complain(struct reader *reader, const char *what, const char *word, const char *why)
{
	err("%s:%u: %s '%s' %s", reader->file, reader->line, what, word, why);
	reader->failed = true;
}

static bool section_known(const char *section)
{
	return !strcmp(section, "lpar") || !strcmp(section, "guest");
}

static void set_value(struct reader *reader, const char *section, const char *name,
		      const char *value)
{
	const struct key *key = find_key(section, name);
	const char *why;

	if (!section_known(section))
		complain(reader, "section", section, "is unknown: [lpar] or [guest] is meant");
	else if (!reader->config)
		complain(reader, "section", section, "describes no LPAR: [export] is missing");
	else if (!key)
		complain(reader, "key", name, "is unknown: see lpar.conf(5)");
	else if ((why = key->set(reader->config, value)))
		complain(reader, name, value, why);
	else
		note_line(reader->config, key, value);
}

static int on_value(void *data, const char *section, const char *name, const char *value)
{
	struct reader *reader = data;
	const char *why;

	if (reader->failed)
		return 0;
	if (!reader->other || section_known(section)) {
		set_value(reader, section, name, value);
	} else {
		why = reader->other(reader->data, section, name, value, &reader->config);
		if (why)
			complain(reader, name, value, why);
	}
	return !reader->failed;
}

static char *read_line(char *buf, int size, void *data)
{
	struct reader *reader = data;
	char *line = fgets(buf, size, reader->stream);

	if (!line || reader->failed)
		return NULL;
	reader->line++;
	if (has_control(line))
		err("%s:%u: the line has a control character", reader->file, reader->line);
	else if (strchr(line, '\n') || feof(reader->stream))
		return line;
	else if (strlen(line) + 1 < (size_t)size)
		err("%s:%u: the line has a NUL byte", reader->file, reader->line);
	else
		err("%s:%u: the line is longer than %d bytes", reader->file, reader->line, size);
	reader->failed = true;
	return NULL;
}

/* inih tells the number of a line without "=", but not that it was the reason. */
static int parse_stream(struct reader *reader)
{
	int ret;

	/* One value is one line; a ';' belongs to the value, as QEMU's may have one. */
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_stop_on_first_error = true;
	ini_max_line = LINE_BYTES;

	ret = ini_parse_stream(read_line, reader, on_value, reader);
	if (reader->failed)
		return -EINVAL;
	if (ferror(reader->stream)) {
		err("%s: %s", reader->file, strerror(errno));
		return -EIO;
	}
	if (ret > 0)
		err("%s:%d: neither [SECTION] nor KEY=VALUE", reader->file, ret);
	return ret ? -EINVAL : 0;
}

static int parse_file(void *data, const char *file)
{
	struct reader reader = { .file = file, .config = data };
	int ret;

	reader.stream = fopen(file, "re");
	if (!reader.stream) {
		ret = -errno;
		err("%s: %s", file, strerror(errno));
		return ret;
	}
	ret = parse_stream(&reader);
	fclose(reader.stream);
	return ret;
}

/* Descriptions one behind the other, parted by what other() knows. Errors are printed here. */
int config_read(FILE *stream, const char *file, config_other other, void *data)
{
	struct reader reader = { .stream = stream, .file = file, .other = other, .data = data };

	return parse_stream(&reader);
}

static int is_drop_in(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && end && !strcmp(end, ".conf");
}

/* The drop-ins of a description, in their order, until one fails. */
static int for_each_drop_in(const char *file, int (*visit)(void *data, const char *path),
			    void *data)
{
	char path[PATH_MAX];
	struct dirent **entry;
	int i, n, ret = 0;

	snprintf(path, sizeof(path), "%s.d", file);
	n = scandir(path, &entry, is_drop_in, alphasort);
	if (n < 0 && errno != ENOENT) {
		ret = -errno;
		err("%s: %s", path, strerror(errno));
	}
	if (n < 0)
		return ret;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s.d/%s", file, entry[i]->d_name);
		if (!ret)
			ret = visit(data, path);
		free(entry[i]);
	}
	free(entry);
	return ret;
}

/* A description, then its drop-ins. */
static int for_each_part(const char *file, int (*visit)(void *data, const char *path), void *data)
{
	int ret = visit(data, file);

	return ret ? ret : for_each_drop_in(file, visit, data);
}

static int copy_part(void *data, const char *path)
{
	FILE *from = fopen(path, "re");
	char buf[LINE_BYTES];
	int ret = from ? 0 : -errno;
	size_t len;

	while (from && (len = fread(buf, 1, sizeof(buf), from)))
		fwrite(buf, 1, len, data);
	if (from)
		fclose(from);
	fputc('\n', data);
	return ret;
}

/* A description and its drop-ins become one file, which says the same. */
int config_copy(const char *from, const char *to)
{
	FILE *copy = begin_file(to, 0644);
	int ret = copy ? 0 : -errno;

	/* The original may be removed next. Half a description would be another machine's. */
	if (copy)
		ret = replace_file(copy, to, for_each_part(from, copy_part, copy));
	if (ret)
		err("cannot copy %s to %s: %s", from, to, strerror(-ret));
	return ret;
}

/* "/some/where/web.lpar" describes the LPAR web. */
static int name_from_file(char *name, size_t size, const char *file)
{
	const char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
	const char *end = strrchr(base, '.');
	size_t len = end && !strcmp(end, ".lpar") ? (size_t)(end - base) : strlen(base);

	snprintf(name, size, "%.*s", (int)len, base);
	return len < size && name_is_valid(name) ? 0 : -EINVAL;
}

const char *config_path(char *buf, size_t size, const char *name)
{
	return rooted(buf, size, "/etc/lparkit/%s.lpar", name);
}

bool config_exists(const char *name)
{
	char path[PATH_MAX];

	return name_is_valid(name) && !access(config_path(path, sizeof(path), name), F_OK);
}

static int refuse_drop_in(void *data, const char *path)
{
	const char *const *name = data;

	err("%s would be part of LPAR %s: remove it", path, *name);
	return -EEXIST;
}

/* Without a description, what a former LPAR has left. The first is said; 0 = there is none. */
int config_refuse_drop_ins(const char *name)
{
	char path[PATH_MAX];

	return for_each_drop_in(config_path(path, sizeof(path), name), refuse_drop_in, &name);
}

/* Who QEMU runs as has the LPAR's memory. */
static int complete_owner(struct lpar_config *config)
{
	const struct guest_config *guest = &config->guest;

	if (!guest->user)
		return 0;
	if (!(config->given & KEY_OWNER_UID))
		config->owner_uid = guest->uid;
	config->given |= KEY_OWNER_UID;
	if (config->owner_uid == guest->uid)
		return 0;
	err("LPAR %s: owner= is not user=%s: QEMU could not open its memory", config->name,
	    guest->user);
	return -EINVAL;
}

/* What one key says of another. What is wrong is said. */
int config_complete(struct lpar_config *config)
{
	int ret = complete_owner(config);

	return ret ? ret : wwns_check(config);
}

/*
 * Read an INI file and its drop-ins. Without a file it is that of the name,
 * without a name it is that of the file. Errors are printed here.
 */
int config_load(struct lpar_config *config, const char *file, const char *name)
{
	char path[PATH_MAX], own_name[LPAR_NAME_MAX + 1];
	int ret;

	if (name ? !name_is_valid(name) : name_from_file(own_name, sizeof(own_name), file)) {
		err("%s: no name for an LPAR: " NAME_RULE, name ? name : file);
		return -EINVAL;
	}
	config_init(config, name ? name : own_name);
	if (!file)
		file = config_path(path, sizeof(path), name);
	config->file = xstrdup(file);
	ret = for_each_part(config->file, parse_file, config);
	return ret ? ret : config_complete(config);
}

/* The kernel takes the number of a device; it would not open our paths. */
static int put_disk(struct nlmsghdr *nlh, const char *path)
{
	struct nlattr *nest;
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	nest = mnl_attr_nest_start(nlh, LPAR_A_DISK);
	mnl_attr_put_strz(nlh, LPAR_A_DISK_PATH, path);
	mnl_attr_put_u32(nlh, LPAR_A_DISK_MAJOR, major(st.st_rdev));
	mnl_attr_put_u32(nlh, LPAR_A_DISK_MINOR, minor(st.st_rdev));
	mnl_attr_nest_end(nlh, nest);
	return 0;
}

static int put_disks(struct nlmsghdr *nlh, const struct lpar_config *config)
{
	size_t i;
	int ret = 0;

	for (i = 0; i < config->n_disks && !ret; i++) {
		ret = put_disk(nlh, config->disk[i]);
		if (ret)
			nl_refuse("disk %s: %s", config->disk[i], strerror(-ret));
	}
	return ret;
}

/* Send the chosen keys with a CREATE or SET request. */
int config_apply(enum lpar_cmd cmd, const struct lpar_config *config, unsigned int keys)
{
	struct nlmsghdr *nlh = nl_request(cmd, config->name);
	int ret = keys & KEY_DISK ? put_disks(nlh, config) : 0;

	if (ret)
		return ret;
	if (keys & KEY_CPUS)
		mnl_attr_put_strz(nlh, LPAR_A_CPUS, config->cpus);
	if (keys & KEY_MEMORY)
		mnl_attr_put_u64(nlh, LPAR_A_MEMORY, config->memory);
	if (keys & KEY_NODE)
		mnl_attr_put_u32(nlh, LPAR_A_NODE, config->node);
	if (keys & KEY_PAGES)
		mnl_attr_put_u32(nlh, LPAR_A_PAGES, config->pages);
	if (keys & KEY_OWNER_UID)
		mnl_attr_put_u32(nlh, LPAR_A_OWNER_UID, config->owner_uid);
	if (keys & KEY_OWNER_GID)
		mnl_attr_put_u32(nlh, LPAR_A_OWNER_GID, config->owner_gid);
	if (keys & KEY_GATE_TIMEOUT)
		mnl_attr_put_u32(nlh, LPAR_A_GATE_TIMEOUT_MS, config->gate_timeout_ms);
	/* An empty one empties the list of an LPAR that has one. */
	if (cmd == LPAR_CMD_SET && keys & KEY_DISK && !config->n_disks)
		mnl_attr_put(nlh, LPAR_A_DISK | NLA_F_NESTED, 0, NULL);
	return nl_send(nlh, NULL, NULL);
}
