// SPDX-License-Identifier: GPL-2.0
/*
 * Channels to hosts: an execd at the other end of a command such as ssh.
 * Requests go to all at once; each host has one at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster.h"

#define READ_BYTES 65536
/* The best of so many round trips is the one with the least noise. */
#define CLOCK_ROUNDS 16
/* For undoing what a failed operation has done. */
#define ABORT_TIMEOUT_NS (120 * (uint64_t)NSEC_PER_SEC)

/* Who gives up while hosts work gets them back as they were. */
void channels_catch_signals(void)
{
	interrupt_catch(0);
	signal(SIGPIPE, SIG_IGN);
}

/* --- opening and closing --- */

static char **command_line(const char *prefix, const char *host)
{
	char **words = NULL;
	size_t n = 0;

	if (split_words(prefix, &words, &n) || !n)
		return NULL;
	words = xrealloc(words, (n + 4) * sizeof(*words));
	words[n++] = xstrdup(host);
	words[n++] = xstrdup("lparctl");
	words[n++] = xstrdup("execd");
	words[n] = NULL;
	return words;
}

static void become_command(char **words, const int *to, const int *from)
{
	/* Ctrl-C is for us: the other end must live to undo what it did. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	dup2(to[0], STDIN_FILENO);
	dup2(from[1], STDOUT_FILENO);
	execvp(words[0], words);
	fprintf(stderr, "lparctl: %s: %s\n", words[0], strerror(errno));
	_exit(EXIT_FAILED);
}

static int open_one(struct channels *channels, struct channel *channel)
{
	char **words = command_line(channels->prefix, channel->host);
	int to[2], from[2], i;

	if (!words) {
		err("--via '%s' is not a command", channels->prefix);
		return -EINVAL;
	}
	if (pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC))
		return -errno;
	channel->pid = fork();
	if (!channel->pid)
		become_command(words, to, from);
	close(to[0]);
	close(from[1]);
	channel->to = to[1];
	channel->from = from[0];
	channel->dead = channel->pid < 0;
	channel->pending = 0;
	channel->len = 0;
	for (i = 0; words[i]; i++)
		free(words[i]);
	free(words);
	return channel->dead ? -EAGAIN : 0;
}

static void close_one(struct channel *channel)
{
	if (channel->pid <= 0)
		return;
	close(channel->to);
	close(channel->from);
	waitpid(channel->pid, NULL, 0);
	channel->pid = 0;
	channel->dead = true;
}

int channels_open(struct channels *channels)
{
	struct json_object *hello = json_object_new_object();
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < channels->n; i++)
		ret = open_one(channels, &channels->channel[i]);
	json_put_u64(hello, "version", CLUSTER_VERSION);
	if (!ret)
		ret = channels_ask(channels, "hello", json_object_get(hello));
	json_object_put(hello);
	return ret;
}

void channels_close(struct channels *channels)
{
	size_t i;

	for (i = 0; i < channels->n; i++) {
		close_one(&channels->channel[i]);
		json_object_put(channels->channel[i].answer);
		free(channels->channel[i].error);
		free(channels->channel[i].line);
	}
}

/* --- requests and answers --- */

static void lose(struct channel *channel, const char *why)
{
	channel->dead = true;
	channel->pending = 0;
	free(channel->error);
	channel->error = xstrdup(why);
}

/* Consumes the request. */
void channel_send(struct channel *channel, struct json_object *request)
{
	const char *text = json_object_to_json_string_ext(request, JSON_C_TO_STRING_PLAIN);
	char *line = xprintf("%s\n", text);

	json_object_put(channel->answer);
	channel->answer = NULL;
	free(channel->error);
	channel->error = NULL;
	channel->pending++;
	if (write(channel->to, line, strlen(line)) != (ssize_t)strlen(line))
		lose(channel, "the connection is lost");
	free(line);
	json_object_put(request);
}

static void take_answer(struct channels *channels, struct channel *channel, const char *line)
{
	struct json_object *json = json_tokener_parse(line), *value;

	if (json_object_object_get_ex(json, "progress", &value)) {
		if (channels->progress)
			channels->progress(channel, value);
		json_object_put(json);
		return;
	}
	if (channel->pending)
		channel->pending--;
	if (json_object_object_get_ex(json, "result", &value)) {
		json_object_put(channel->answer);
		channel->answer = json_object_get(value);
	} else {
		free(channel->error);
		channel->error = xstrdup(json_object_object_get_ex(json, "error", &value)
						 ? json_object_get_string(value)
						 : "what answers there is not lparctl execd");
	}
	json_object_put(json);
}

static void read_channel(struct channels *channels, struct channel *channel)
{
	ssize_t got;
	char *end;

	channel->line = xrealloc(channel->line, channel->len + READ_BYTES + 1);
	got = read(channel->from, channel->line + channel->len, READ_BYTES);
	if (got <= 0) {
		if (got < 0 && errno == EINTR)
			return;
		lose(channel, "the connection is lost");
		return;
	}
	channel->len += got;
	while ((end = memchr(channel->line, '\n', channel->len))) {
		*end++ = 0;
		take_answer(channels, channel, channel->line);
		channel->len -= end - channel->line;
		memmove(channel->line, end, channel->len);
	}
}

static size_t add_pollfds(const struct channels *channels, struct pollfd *pfd)
{
	size_t i, n = 0;

	for (i = 0; i < channels->n; i++) {
		pfd[i].fd = channels->channel[i].pending ? channels->channel[i].from : -1;
		pfd[i].events = POLLIN;
		n += channels->channel[i].pending != 0;
	}
	return n;
}

static const struct channel *find_failed(const struct channels *channels)
{
	size_t i;

	for (i = 0; i < channels->n; i++)
		if (channels->channel[i].error)
			return &channels->channel[i];
	return NULL;
}

/* Read until all have answered, one has failed, or the time is over. */
static int wait_answers(struct channels *channels, uint64_t deadline_ns, bool all)
{
	struct pollfd *pfd = xalloc(channels->n * sizeof(*pfd));
	int64_t left;
	size_t i;
	int ret = 0;

	while (!ret && add_pollfds(channels, pfd) && (all || !find_failed(channels))) {
		left = deadline_ns - now_ns(CLOCK_MONOTONIC);
		if (left <= 0)
			ret = -ETIMEDOUT;
		else if (interrupted() && !all)
			ret = -EINTR;
		else if (poll(pfd, channels->n, left / NSEC_PER_MSEC + 1) > 0)
			for (i = 0; i < channels->n; i++)
				if (pfd[i].fd >= 0 && pfd[i].revents)
					read_channel(channels, &channels->channel[i]);
	}
	free(pfd);
	return ret;
}

static const char *slow_host(const struct channels *channels)
{
	size_t i;

	for (i = 0; i < channels->n; i++)
		if (channels->channel[i].pending)
			return channels->channel[i].host;
	return "?";
}

/* Answers to the requests that were sent; op names the step in messages. */
int channels_gather(struct channels *channels, const char *op)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + channels->timeout_ns;
	int ret = wait_answers(channels, deadline_ns, false);
	const struct channel *failed = find_failed(channels);

	if (failed) {
		err("host %s: %s: %s", failed->host, op, failed->error);
		return -EIO;
	}
	if (ret == -ETIMEDOUT)
		err("host %s: %s: no answer in time", slow_host(channels), op);
	else if (ret || interrupted())
		err("%s: interrupted", op);
	return interrupted() && !ret ? -EINTR : ret;
}

/* The same request to all; consumed, NULL = without arguments. */
int channels_ask(struct channels *channels, const char *op, struct json_object *request)
{
	size_t i;

	request = request ? request : json_object_new_object();
	json_put(request, "op", op);
	for (i = 0; i < channels->n; i++)
		if (!channels->channel[i].dead)
			channel_send(&channels->channel[i], json_object_get(request));
	json_object_put(request);
	return channels_gather(channels, op);
}

/* --- undoing --- */

static struct json_object *plain_request(const char *op)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "op", op);
	return json;
}

/* Another execd finds what the lost one has left; hello undoes it. */
static void reopen(struct channels *channels, struct channel *channel)
{
	struct json_object *hello = plain_request("hello");

	json_put_u64(hello, "version", CLUSTER_VERSION);
	close_one(channel);
	if (open_one(channels, channel))
		json_object_put(hello);
	else
		channel_send(channel, hello);
}

/* All hosts go back to where they were; who cannot be reached is named. */
void channels_abort(struct channels *channels)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + ABORT_TIMEOUT_NS;
	size_t i;

	for (i = 0; i < channels->n; i++) {
		struct channel *channel = &channels->channel[i];

		if (channel->dead)
			reopen(channels, channel);
		else
			channel_send(channel, plain_request("abort"));
	}
	wait_answers(channels, deadline_ns, true);
	for (i = 0; i < channels->n; i++) {
		struct channel *channel = &channels->channel[i];

		if (channel->pending || channel->dead)
			err("host %s cannot be reached: what is left there is undone by 'lparctl cluster recover' on it",
			    channel->host);
		else if (channel->error && !channel->answer)
			err("host %s: undoing: %s", channel->host, channel->error);
	}
}

/* --- clocks --- */

static int ask_clock(struct channels *channels, struct channel *channel)
{
	int64_t before, after, there;
	int ret;

	before = now_ns(CLOCK_REALTIME);
	channel_send(channel, plain_request("clock"));
	ret = channels_gather(channels, "clock");
	after = now_ns(CLOCK_REALTIME);
	if (ret)
		return ret;
	there = json_number(channel->answer, "time_ns");
	if (after - before > channel->worst_trip_ns)
		channel->worst_trip_ns = after - before;
	if (channel->best_trip_ns && after - before >= channel->best_trip_ns)
		return 0;
	/* The answer was given between: in the middle, or at worst at either end (Cristian). */
	channel->best_trip_ns = after - before;
	channel->error_ns = (after - before + 1) / 2;
	channel->offset_ns = there - (before + channel->error_ns);
	return 0;
}

/* The clocks of two hosts may be that far apart. */
static int64_t worst_distance(const struct channel *a, const struct channel *b)
{
	return llabs(a->offset_ns - b->offset_ns) + a->error_ns + b->error_ns;
}

/* Each host's offset to our clock; refused when two may differ by more than the limit. */
int channels_compare_clocks(struct channels *channels, uint64_t limit_ns)
{
	char worst[32], limit[32];
	size_t i, j;
	int round, ret = 0;

	for (i = 0; i < channels->n; i++)
		for (round = 0; !ret && round < CLOCK_ROUNDS; round++)
			ret = ask_clock(channels, &channels->channel[i]);
	for (i = 0; !ret && i < channels->n; i++)
		for (j = 0; !ret && j < i; j++) {
			const struct channel *a = &channels->channel[j];
			const struct channel *b = &channels->channel[i];

			if (worst_distance(a, b) <= (int64_t)limit_ns)
				continue;
			err("clocks of %s and %s may be %s apart, the limit is %s: synchronise them (chrony, PTP), or raise --max-skew",
			    a->host, b->host,
			    format_time(worst, sizeof(worst), worst_distance(a, b)),
			    format_time(limit, sizeof(limit), limit_ns));
			ret = -ERANGE;
		}
	return ret;
}

/* The longest of all hosts: what an answer, or a frame under way, may take. */
int64_t channels_worst_trip(const struct channels *channels)
{
	int64_t longest = 0;
	size_t i;

	for (i = 0; i < channels->n; i++)
		if (channels->channel[i].worst_trip_ns > longest)
			longest = channels->channel[i].worst_trip_ns;
	return longest;
}
