// SPDX-License-Identifier: GPL-2.0
/*
 * A source that is a disk of another host: "relocate start --from", "relocate connect".
 *
 * nbdkit runs on that host, at the other end of ssh, and reads the disk; the kernel's nbd
 * client has the other end of ssh's socket. No port is open anywhere, and when either end is
 * gone, nothing is left of it.
 *
 * When the connection dies, the target holds what the guest asks of the source. The next
 * connection is another nbd device, and is given to the target in its place: what was under
 * way is asked of it at once. An nbd device that is given another socket would ask again only
 * when each request had timed out, and a time-out that is short enough for that is too short
 * for a slow link.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "relocate/relocate.h"
#include "snap/snap.h"

/* For ssh, nbdkit and the first answers, on a host that is busy. */
#define ATTEMPT_NS (60 * (uint64_t)NSEC_PER_SEC)
/* Between two attempts, at first and at most. */
#define PAUSE_NS NSEC_PER_SEC
#define PAUSE_MOST_NS (15 * NSEC_PER_SEC)
#define TICK_MS 200
#define END_MS 2000
/* Of either end of the disk, and between them. */
#define SAMPLE_BYTES 65536
#define SAMPLE_BLOCKS 64
#define SAMPLE_BLOCK_BYTES 4096
/* Reads under way: as many as the target may have. */
#define THREADS "64"

enum state {
	SERVES,
	COMPLETE,
	REPLACED,
	GONE,
};

/* HOST:DEV. */
static int parse_place(const char *place, struct from *from)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789/._+:@=-";
	const char *slash = strstr(place, ":/");

	if (!slash || (size_t)(slash - place) >= sizeof(from->host))
		return -EINVAL;
	snprintf(from->host, sizeof(from->host), "%.*s", (int)(slash - place), place);
	from->disk = slash + 1;
	/* A shell over there reads it. */
	return host_is_valid(from->host) && strspn(from->disk, safe) == strlen(from->disk)
		       ? 0
		       : -EINVAL;
}

/* --- a connection --- */

static void become_server(const struct from *from, int sock)
{
	char *file = xprintf("file=%s", from->disk);
	char **words = host_words(from->via, from->host,
				  (const char *const[]){ "nbdkit", "-r", "-s", "-t", THREADS,
							 "file", file, NULL });

	/* Ctrl-C is for us, and who kills us leaves the guest its disk. */
	setsid();
	dup2(sock, STDIN_FILENO);
	dup2(sock, STDOUT_FILENO);
	if (words)
		execvp(words[0], words);
	fprintf(stderr, "lparctl: %s: %s\n", words ? words[0] : from->via,
		words ? strerror(errno) : "is not a command");
	_exit(EXIT_FAILED);
}

static bool has_ended(struct from *from)
{
	if (from->pid > 0 && waitpid(from->pid, NULL, WNOHANG))
		from->pid = 0;
	return from->pid <= 0;
}

static void end_server(struct from *from)
{
	unsigned int ms;

	if (has_ended(from))
		return;
	kill(-from->pid, SIGTERM);
	for (ms = 0; ms < END_MS && !has_ended(from); ms += 10)
		sleep_ms(10);
	if (has_ended(from))
		return;
	kill(-from->pid, SIGKILL);
	kill(from->pid, SIGKILL);
	waitpid(from->pid, NULL, 0);
	from->pid = 0;
}

/*
 * By the first and the last blocks: partition tables, labels and UUIDs are there. Clones of one
 * image have the same ones; so by blocks that are spread evenly, too.
 */
static int take_sample(struct from *from, int fd, uint64_t deadline_ns, unsigned char *sample)
{
	uint32_t len = from->nbd.bytes < SAMPLE_BYTES ? from->nbd.bytes : SAMPLE_BYTES;
	uint64_t apart = from->nbd.bytes / (SAMPLE_BLOCKS + 1) & -(uint64_t)SAMPLE_BLOCK_BYTES, at;
	size_t size = 2 * (size_t)len;
	char *data = xalloc(size + SAMPLE_BLOCKS * SAMPLE_BLOCK_BYTES);
	int ret = nbd_read(fd, deadline_ns, 0, data, len);

	ret = ret ? ret : nbd_read(fd, deadline_ns, from->nbd.bytes - len, data + len, len);
	for (at = apart; !ret && apart && at <= SAMPLE_BLOCKS * apart; at += apart) {
		ret = nbd_read(fd, deadline_ns, at, data + size, SAMPLE_BLOCK_BYTES);
		size += SAMPLE_BLOCK_BYTES;
	}
	if (!ret && !EVP_Digest(data, size, sample, NULL, EVP_sha256(), NULL))
		ret = -ENOMEM;
	free(data);
	return ret;
}

/*
 * A host that has booted may have given the name to another disk. The source does not change
 * from the hand-over on, so that a disk with other blocks is another one: -EMEDIUMTYPE.
 */
static int check_disk(struct from *from, int fd, uint64_t deadline_ns, uint64_t bytes_before)
{
	unsigned char sample[sizeof(from->sample)];
	int ret = take_sample(from, fd, deadline_ns, sample);

	if (ret)
		return ret;
	if (bytes_before &&
	    (from->nbd.bytes != bytes_before || memcmp(sample, from->sample, sizeof(sample)))) {
		from->nbd.bytes = bytes_before;
		return -EMEDIUMTYPE;
	}
	memcpy(from->sample, sample, sizeof(sample));
	return 0;
}

static int begin(struct from *from, int fd)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + ATTEMPT_NS;
	uint64_t bytes_before = from->nbd.bytes;
	int ret = nbd_negotiate(fd, deadline_ns, &from->nbd);

	if (ret)
		from->nbd.bytes = bytes_before;
	else
		ret = check_disk(from, fd, deadline_ns, bytes_before);
	return ret ? ret : nbd_attach(fd, from->owner, &from->nbd);
}

static int open_connection(struct from *from)
{
	int fd[2], ret;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd))
		return -errno;
	fflush(stdout);
	from->pid = fork();
	if (!from->pid)
		become_server(from, fd[1]);
	close(fd[1]);
	ret = from->pid < 0 ? -errno : begin(from, fd[0]);
	close(fd[0]);
	if (ret)
		end_server(from);
	return ret;
}

void from_close(struct from *from)
{
	/* Its index may be another's by now. */
	if (nbd_index_of(from->nbd.number, from->owner) == from->nbd.index)
		nbd_detach(from->nbd.index);
	end_server(from);
}

static const char *reason(int error)
{
	switch (-error) {
	case ECONNRESET:
	case EPIPE:
		return "its server has ended: what it says is above";
	case EPROTO:
		return "its server speaks something else than NBD";
	case ETIMEDOUT:
		return "no answer";
	default:
		return nl_text(error);
	}
}

/*
 * The first connection to the disk @place, HOST:DEV, for @volume. Sets from->nbd.
 * Returns an exit code.
 */
int from_open(struct from *from, const char *volume, const char *place)
{
	int ret;

	from->volume = volume;
	from->place = place;
	if (parse_place(place, from))
		return usage("--from wants HOST:DEV, the path of a disk over there");
	snprintf(from->owner, sizeof(from->owner), "lparkit relocate %s", volume);
	if (nbd_check())
		return EXIT_FAILED;
	interrupt_catch(0);
	ret = open_connection(from);
	if (!ret)
		return EXIT_OK;
	err("cannot connect to %s: %s", place, reason(ret));
	return EXIT_FAILED;
}

/* --- while the disk arrives --- */

/*
 * Is the volume still there, and with this source, or without one if that is @lost? Who cannot
 * tell, for want of memory or the like, looks again.
 */
static enum state look(const struct from *from, bool lost)
{
	char *source = relocate_table_word(from->volume, 1);
	bool same = !source || !strcmp(source, lost ? "-" : from->nbd.number), complete;
	int ret = relocate_is_complete(from->volume, &complete);

	free(source);
	if (ret)
		return ret == -ENXIO || ret == -EINVAL ? GONE : SERVES;
	/* It was before, as a complete volume has no source. */
	if (complete)
		return COMPLETE;
	return same ? SERVES : REPLACED;
}

/* First the volume lets go of it: the number may be that of another disk soon. */
static int lose(struct from *from)
{
	int ret = relocate_give_source(from->volume, "-");

	from_close(from);
	return ret;
}

static int end(struct from *from, enum state state, bool lost)
{
	int ret = 0;

	if (state == SERVES && !lost)
		ret = lose(from);
	else if (!lost)
		from_close(from);
	switch (state) {
	case COMPLETE:
		say("%s is complete: %s is not needed any more", from->volume, from->place);
		return EXIT_OK;
	case GONE:
		say("%s is not there any more", from->volume);
		return EXIT_OK;
	case REPLACED:
		say("%s has been given another source", from->volume);
		return EXIT_OK;
	default:
		if (ret)
			err("cannot take the source from %s: %s", from->volume, strerror(-ret));
		err("%s has no source now: 'lparctl relocate connect %s %s' gives it back",
		    from->volume, from->volume, from->place);
		return EXIT_FAILED;
	}
}

static int give_up(const struct from *from, int error)
{
	if (error == -EMEDIUMTYPE)
		err("%s is another disk than before: what the guest of %s reads and is not here yet waits; when it is the right one, run 'lparctl relocate connect %s HOST:DEV'",
		    from->place, from->volume, from->volume);
	else
		err("%s cannot be reached: what the guest of %s reads and is not here yet waits; when it can be, run 'lparctl relocate connect %s %s'",
		    from->place, from->volume, from->volume, from->place);
	return error == -EMEDIUMTYPE ? EXIT_FAILED : EXIT_TIMEOUT;
}

/* Another connection: 0, or why there is none yet. */
static int connect_again(struct from *from)
{
	int ret = open_connection(from);

	if (ret)
		return ret;
	ret = relocate_give_source(from->volume, from->nbd.number);
	if (ret) {
		from_close(from);
		return ret;
	}
	say("%s: connected to %s again", from->volume, from->place);
	return 0;
}

/* The connection is lost. Returns SERVES when there is another; otherwise sets the exit code. */
static enum state regain(struct from *from, int *code)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC), deadline = now + from->patience_ns, next = now;
	uint64_t pause = PAUSE_NS;
	enum state state = SERVES;
	bool let_go;
	int ret = 0;

	*code = EXIT_OK;
	err("%s: the connection to %s is lost", from->volume, from->place);
	let_go = !lose(from);
	while (!interrupted()) {
		let_go = let_go || !relocate_give_source(from->volume, "-");
		state = look(from, let_go);
		now = now_ns(CLOCK_MONOTONIC);
		if (state != SERVES)
			break;
		if (let_go && now >= next) {
			ret = connect_again(from);
			if (!ret)
				return SERVES;
			next = now_ns(CLOCK_MONOTONIC) + pause;
			pause = 2 * pause < PAUSE_MOST_NS ? 2 * pause : PAUSE_MOST_NS;
		}
		if (ret == -EMEDIUMTYPE || (from->patience_ns && now >= deadline)) {
			*code = give_up(from, ret);
			return GONE;
		}
		sleep_ms(TICK_MS);
	}
	*code = end(from, state, true);
	return GONE;
}

/*
 * From now on @from is the source of its volume, as long as that needs one: another
 * connection when this one is lost. Returns an exit code when it is over.
 */
int from_keep(struct from *from)
{
	enum state state;
	int code;

	say("%s: fed from %s, until all is here", from->volume, from->place);
	for (;;) {
		state = look(from, false);
		if (state != SERVES || interrupted())
			return end(from, state, false);
		if (has_ended(from) && regain(from, &code) != SERVES)
			return code;
		sleep_ms(TICK_MS);
	}
}

/* --- connect --- */

bool from_option(struct from *from, struct args *args, int *ret)
{
	const char *value = NULL;

	*ret = EXIT_OK;
	if (next_option(args, "--via", &from->via)) {
		if (!from->via)
			*ret = usage("--via wants a command");
		return true;
	}
	if (!next_option(args, "--deadline", &value))
		return false;
	if (!value || parse_time(value, &from->patience_ns))
		*ret = usage("--deadline wants a TIME");
	return true;
}

/* A device that a former one has left goes when the volume has the new one. */
static int replace(struct from *from)
{
	char *former = relocate_table_word(from->volume, 1);
	int index = former ? nbd_index_of(former, from->owner) : -1;
	int ret = relocate_give_source(from->volume, from->nbd.number);

	if (ret)
		from_close(from);
	else if (index >= 0 && nbd_index_of(former, from->owner) == index)
		nbd_detach(index);
	free(former);
	return ret;
}

int relocate_connect_verb(struct args *args)
{
	struct from from = { .patience_ns = FROM_PATIENCE_NS };
	const char *volume = next_arg(args), *place = next_arg(args);
	bool complete;
	int ret = EXIT_OK;

	while (place && args->argc && !ret)
		if (!from_option(&from, args, &ret))
			return usage("'%s' is unknown", args->argv[0]);
	if (ret)
		return ret;
	if (!place)
		return usage("connect wants a volume, and HOST:DEV");
	ret = relocate_is_complete(volume, &complete);
	if (ret || complete) {
		err("cannot connect %s: %s", volume,
		    ret ? "it is no relocate volume, or not active" : "it is complete");
		return EXIT_FAILED;
	}
	ret = from_open(&from, volume, place);
	if (ret)
		return ret;
	ret = replace(&from);
	if (!ret)
		return from_keep(&from);
	err("cannot give %s to %s: %s", place, volume, strerror(-ret));
	return EXIT_FAILED;
}
