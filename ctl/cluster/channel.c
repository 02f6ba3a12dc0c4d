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
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/cluster.h"

#define READ_BYTES 65536
/* A description of hundreds of guests; a host that has been taken over sends no more. */
#define LINE_MOST_BYTES (16 << 20)
/* The best of so many round trips is the one with the least noise. */
#define CLOCK_ROUNDS 16
/* Where that is not enough: a host has no time now and then, so more of them, one each 20 ms. */
#define CLOCK_PATIENCE_NS (5 * (uint64_t)NSEC_PER_SEC)
#define CLOCK_PAUSE_MS 20
/* For undoing what a failed operation has done, at least and at most. */
#define ABORT_LEAST_NS (30 * (uint64_t)NSEC_PER_SEC)
#define ABORT_MOST_NS (120 * (uint64_t)NSEC_PER_SEC)
/* That often a host hears that we are there. */
#define BEAT_NS (2 * (uint64_t)NSEC_PER_SEC)
/* A host that does not for so long undoes what it has begun; BEAT_NS is well below. */
#define SILENCE_NS (30 * (uint64_t)NSEC_PER_SEC)
/* For a command to end by itself, and once more after it was told to. */
#define CLOSE_NS (2 * (uint64_t)NSEC_PER_SEC)

/* Who gives up while hosts work gets them back as they were. */
void channels_catch_signals(void)
{
	interrupt_catch(0);
}

/* --- opening and closing --- */

/* Root needs nobody's help to work on its own host. */
static bool is_local(const struct channels *channels, const char *host)
{
	struct utsname uts;

	/* That very one: another host may be called so. */
	if (host == channels->here)
		return true;
	if (channels->prefix || geteuid() || uname(&uts))
		return false;
	return !strcmp(host, "localhost") || !strcmp(host, uts.nodename);
}

/* What is to be executed, and with which words. To be freed, with each word. */
static char **command_line(const struct channels *channels, const struct channel *channel)
{
	static const char *const execd[] = { "lparctl", "execd", NULL };

	if (channel->local)
		return self_words(execd + 1);
	return host_words(channels->prefix, channel->host, execd);
}

/* In a session of its own: Ctrl-C is for us, the other end must live to undo what it did. */
static void become_command(const struct channel *channel, char **words, const int *to,
			   const int *from)
{
	setsid();
	dup2(to[0], STDIN_FILENO);
	dup2(from[1], STDOUT_FILENO);
	if (channel->local)
		execv("/proc/self/exe", words);
	else
		execvp(words[0], words);
	fprintf(stderr, "lparctl: %s: %s\n", words[0], strerror(errno));
	_exit(EXIT_FAILED);
}

static int open_one(const struct channels *channels, struct channel *channel)
{
	int to[2], from[2];
	char **words;

	channel->local = is_local(channels, channel->host);
	words = command_line(channels, channel);
	if (!words) {
		err("--via '%s' is not a command", channels->prefix);
		return -EINVAL;
	}
	if (pipe2(to, O_CLOEXEC))
		return -errno;
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return -errno;
	}
	/* A host that takes nothing must not keep us from the others. */
	fcntl(to[1], F_SETFL, O_NONBLOCK);
	channel->pid = fork();
	if (!channel->pid)
		become_command(channel, words, to, from);
	close(to[0]);
	close(from[1]);
	channel->to = to[1];
	channel->from = from[0];
	channel->dead = channel->pid < 0;
	channel->pending = 0;
	channel->len = 0;
	host_words_free(words);
	return channel->dead ? -EAGAIN : 0;
}

/* Has it ended, or does it until then? */
static bool ends_until(struct channel *channel, uint64_t deadline_ns)
{
	while (channel->pid > 0) {
		if (waitpid(channel->pid, NULL, WNOHANG))
			channel->pid = 0;
		else if (now_ns(CLOCK_MONOTONIC) >= deadline_ns)
			return false;
		else
			sleep_ms(5);
	}
	return true;
}

/* With all that it has started; it may not have come to have a session of its own. */
static void tell_to_end(const struct channel *channel, int signal)
{
	kill(-channel->pid, signal);
	kill(channel->pid, signal);
}

/* Whoever gives up does not wait. */
static uint64_t close_time(const struct channels *channels)
{
	return interrupted() && !channels->deaf ? 0 : CLOSE_NS;
}

/* What did not end with its input; an execd of this host is left to finish. */
static void end_command(const struct channels *channels, struct channel *channel,
			uint64_t deadline_ns)
{
	if (ends_until(channel, deadline_ns))
		return;
	tell_to_end(channel, SIGTERM);
	if (ends_until(channel, now_ns(CLOCK_MONOTONIC) + close_time(channels)))
		return;
	if (channel->local) {
		err("host %s: lparctl execd, pid %d, is still at work: what it undoes is not known",
		    channel->host, channel->pid);
	} else {
		tell_to_end(channel, SIGKILL);
		ends_until(channel, UINT64_MAX);
	}
	channel->pid = 0;
}

static void close_pipes(struct channel *channel)
{
	if (channel->pid <= 0)
		return;
	close(channel->to);
	close(channel->from);
	channel->dead = true;
}

static struct json_object *new_hello(void)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "op", "hello");
	json_put_u64(json, "version", CLUSTER_PROTOCOL);
	json_put_u64(json, "silence_ns", SILENCE_NS);
	return json;
}

/* Of which none is open yet. */
void channels_name(struct channels *channels, const char *const *hosts, size_t n)
{
	size_t i;

	channels->channel = xalloc(n * sizeof(*channels->channel));
	channels->n = n;
	for (i = 0; i < n; i++) {
		channels->channel[i].host = hosts[i];
		channels->channel[i].dead = true;
	}
}

/* One of them. */
int channel_open(struct channels *channels, struct channel *channel)
{
	int ret = open_one(channels, channel);

	if (ret)
		return ret;
	channel_send(channel, new_hello());
	return channels_gather(channels, "hello");
}

/* All of them at once. */
int channels_open(struct channels *channels, const char *const *hosts, size_t n)
{
	size_t i;
	int ret = 0;

	channels_name(channels, hosts, n);
	for (i = 0; !ret && i < n; i++)
		ret = open_one(channels, &channels->channel[i]);
	return ret ? ret : channels_ask(channels, "hello", new_hello());
}

static void forget_answer(struct channel *channel)
{
	json_object_put(channel->answer);
	channel->answer = NULL;
	free(channel->error);
	channel->error = NULL;
	channel->absent = channel->damaged = false;
}

/* Those that were opened, if any. */
void channels_close(struct channels *channels)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + close_time(channels);
	size_t i;

	for (i = 0; i < channels->n; i++)
		close_pipes(&channels->channel[i]);
	for (i = 0; i < channels->n; i++) {
		struct channel *channel = &channels->channel[i];

		end_command(channels, channel, deadline_ns);
		forget_answer(channel);
		free(channel->line);
	}
	free(channels->channel);
	channels->channel = NULL;
	channels->n = 0;
}

/* --- requests and answers --- */

static void lose(struct channel *channel, const char *why)
{
	channel->dead = true;
	channel->pending = 0;
	forget_answer(channel);
	channel->error = xstrdup(why);
}

/* Consumes the request. */
void channel_send(struct channel *channel, struct json_object *request)
{
	const char *text = json_object_to_json_string_ext(
		request, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *line = xprintf("%s\n", text);
	ssize_t done = -1;

	forget_answer(channel);
	channel->pending++;
	errno = 0;
	if (!channel->dead)
		done = write(channel->to, line, strlen(line));
	if (done >= 0 && (size_t)done < strlen(line))
		lose(channel, "it takes no request that is so long");
	else if (done < 0)
		lose(channel, errno == EAGAIN ? "it takes no requests" : "the connection is lost");
	free(line);
	json_object_put(request);
}

/* An empty line to each host, which would give us up otherwise. */
static void beat(struct channels *channels)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	size_t i;

	if (now < channels->beat_ns)
		return;
	channels->beat_ns = now + BEAT_NS;
	for (i = 0; i < channels->n; i++)
		/* One that takes nothing now has not read what is there; one that is lost says so. */
		if (!channels->channel[i].dead && write(channels->channel[i].to, "\n", 1) < 0)
			continue;
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
	/* The last one counts: who is told to undo may have had another request under way. */
	forget_answer(channel);
	if (json_object_object_get_ex(json, "result", &value) &&
	    json_object_is_type(value, json_type_object)) {
		channel->answer = json_object_get(value);
	} else {
		channel->error = json_object_object_get_ex(json, "error", &value)
					 ? json_printable(value)
					 : xstrdup("what answers there is not lparctl execd");
		channel->absent = json_flag(json, "absent");
		channel->damaged = json_flag(json, "damaged");
	}
	json_object_put(json);
}

static void read_channel(struct channels *channels, struct channel *channel)
{
	ssize_t got;
	char *end;

	if (channel->len > LINE_MOST_BYTES) {
		lose(channel, "its answer has no end");
		return;
	}
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

/*
 * Of those that have nothing to say it is of interest whether they are lost, as long as all can
 * be given up.
 */
static size_t add_pollfds(const struct channels *channels, struct pollfd *pfd, bool undoing)
{
	size_t i, n = 0;

	for (i = 0; i < channels->n; i++) {
		const struct channel *channel = &channels->channel[i];
		bool watched = channel->pending ||
			       (!channel->dead && !undoing && !channels->no_return);

		pfd[i].fd = watched ? channel->from : -1;
		pfd[i].events = channel->pending ? POLLIN : 0;
		n += channel->pending != 0;
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

/* Until an answer comes, or a host is to be told that we are there. */
static void wait_some(struct channels *channels, struct pollfd *pfd, uint64_t left_ns)
{
	uint64_t wait_ns = left_ns < BEAT_NS ? left_ns : BEAT_NS;
	size_t i;
	int n;

	beat(channels);
	n = poll(pfd, channels->n, poll_ms(wait_ns));
	for (i = 0; n > 0 && i < channels->n; i++)
		if (pfd[i].fd >= 0 && pfd[i].revents && pfd[i].events)
			read_channel(channels, &channels->channel[i]);
		else if (pfd[i].fd >= 0 && pfd[i].revents)
			lose(&channels->channel[i], "the connection is lost");
}

/*
 * Read until all have answered, one has failed, the time is over or somebody has given up.
 * Hosts that undo are not left because one has failed.
 */
static int wait_answers(struct channels *channels, uint64_t deadline_ns, bool undoing)
{
	struct pollfd *pfd = xalloc(channels->n * sizeof(*pfd));
	unsigned int before = undoing ? interruptions() : 0;
	int64_t left;
	int ret = 0;

	while (!ret && add_pollfds(channels, pfd, undoing) && (undoing || !find_failed(channels))) {
		left = deadline_ns - now_ns(CLOCK_MONOTONIC);
		if (left <= 0)
			ret = -ETIMEDOUT;
		else if (interruptions() > before && !channels->deaf)
			ret = -EINTR;
		else
			wait_some(channels, pfd, left);
	}
	free(pfd);
	return ret;
}

/* Every host that has failed; true if any has. */
static bool report_failed(const struct channels *channels, const char *op)
{
	size_t i, n = 0;

	for (i = 0; i < channels->n; i++) {
		const struct channel *channel = &channels->channel[i];

		if (!channel->error)
			continue;
		err("host %s: %s: %s", channel->host, op, channel->error);
		n++;
	}
	return n;
}

static void report_late(const struct channels *channels, const char *op)
{
	size_t i;

	for (i = 0; i < channels->n; i++)
		if (channels->channel[i].pending)
			err("host %s: %s: no answer in time", channels->channel[i].host, op);
}

/* Answers to the requests that were sent; op names the step in messages. */
int channels_gather(struct channels *channels, const char *op)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	int ret = wait_answers(channels, now + channels->timeout_ns, false);

	if (report_failed(channels, op))
		return -EIO;
	if (ret == -ETIMEDOUT)
		report_late(channels, op);
	else if (interrupted() && !channels->deaf)
		err("%s: interrupted", op);
	return interrupted() && !channels->deaf && !ret ? -EINTR : ret;
}

/* The same where something is undone, or finished: who has failed does not keep the others. */
int channels_insist(struct channels *channels, const char *op)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);
	int ret = wait_answers(channels, now + channels->timeout_ns, true);

	if (report_failed(channels, op))
		return -EIO;
	if (ret)
		report_late(channels, op);
	return ret;
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

static struct json_object *with_unwanted(struct json_object *request, const char *unwanted)
{
	json_put(request, "remove", unwanted);
	return request;
}

/* Another execd finds what the lost one has left; hello undoes it. */
static void reopen(const struct channels *channels, struct channel *channel, const char *unwanted)
{
	close_pipes(channel);
	/* An execd that is being killed may not be gone yet; guests that it was starting come. */
	end_command(channels, channel, now_ns(CLOCK_MONOTONIC) + close_time(channels));
	if (!open_one(channels, channel))
		channel_send(channel, with_unwanted(new_hello(), unwanted));
}

static uint64_t abort_time(const struct channels *channels)
{
	if (channels->timeout_ns < ABORT_LEAST_NS)
		return ABORT_LEAST_NS;
	return channels->timeout_ns < ABORT_MOST_NS ? channels->timeout_ns : ABORT_MOST_NS;
}

/* Is this host as it was? */
static bool is_undone(const struct channel *channel)
{
	if (channel->pending || channel->dead)
		err("host %s cannot be reached: it undoes what is left there by itself, or by 'lparctl cluster recover' on it",
		    channel->host);
	else if (channel->error)
		err("host %s: undoing: %s", channel->host, channel->error);
	else
		return true;
	return false;
}

/*
 * All hosts go back to where they were; who has not, is named, and makes this fail. The
 * saved state of the unwanted name, "" for none, is removed even where it was to be kept.
 * Whoever interrupts this leaves the rest to the hosts.
 */
int channels_abort(struct channels *channels, const char *unwanted)
{
	uint64_t deadline_ns = now_ns(CLOCK_MONOTONIC) + abort_time(channels);
	bool dead[CLUSTER_HOSTS_MAX];
	int ret = 0;
	size_t i;

	for (i = 0; i < channels->n; i++)
		dead[i] = channels->channel[i].dead;
	/* Who is there does not wait for who is not. */
	for (i = 0; i < channels->n; i++)
		if (!dead[i])
			channel_send(&channels->channel[i],
				     with_unwanted(plain_request("abort"), unwanted));
	for (i = 0; i < channels->n; i++)
		if (dead[i])
			reopen(channels, &channels->channel[i], unwanted);
	wait_answers(channels, deadline_ns, true);
	for (i = 0; i < channels->n; i++)
		if (!is_undone(&channels->channel[i]))
			ret = -EIO;
	return ret;
}

/* --- clocks --- */

/* A trip is timed by a clock that nobody sets. */
static int ask_clock(struct channels *channels, struct channel *channel)
{
	int64_t before = now_ns(CLOCK_REALTIME);
	int64_t trip = -(int64_t)now_ns(CLOCK_MONOTONIC);
	int ret;

	channel_send(channel, plain_request("clock"));
	ret = channels_gather(channels, "clock");
	trip += now_ns(CLOCK_MONOTONIC);
	if (ret)
		return ret;
	if (trip > channel->worst_trip_ns)
		channel->worst_trip_ns = trip;
	if (channel->best_trip_ns && trip >= channel->best_trip_ns)
		return 0;
	/* The answer was given between: in the middle, or at worst at either end (Cristian). */
	channel->best_trip_ns = trip;
	channel->error_ns = (trip + 1) / 2;
	channel->offset_ns = json_number(channel->answer, "time_ns") - (before + channel->error_ns);
	return 0;
}

/* As they were measured; that far they may be from it, either way. */
static int64_t clock_distance(const struct channel *a, const struct channel *b)
{
	return llabs(a->offset_ns - b->offset_ns);
}

static int64_t clock_doubt(const struct channel *a, const struct channel *b)
{
	return a->error_ns + b->error_ns;
}

/* Two hosts whose clocks may differ by more than the limit; false: there are none. */
static bool find_apart(struct channels *channels, int64_t limit_ns, struct channel **a,
		       struct channel **b)
{
	size_t i, j;

	for (i = 0; i < channels->n; i++)
		for (j = 0; j < i; j++) {
			*a = &channels->channel[j];
			*b = &channels->channel[i];
			if (clock_distance(*a, *b) + clock_doubt(*a, *b) > limit_ns)
				return true;
		}
	return false;
}

/* Which of both it is decides what helps. */
static void report_apart(const struct channel *a, const struct channel *b, int64_t limit_ns)
{
	int64_t distance = clock_distance(a, b);
	char apart[32], doubt[32], limit[32];

	format_time(apart, sizeof(apart), distance);
	format_time(doubt, sizeof(doubt), clock_doubt(a, b));
	format_time(limit, sizeof(limit), limit_ns);
	if (distance > limit_ns)
		err("clocks of %s and %s are %s apart, give or take %s, the limit is %s: synchronise them (chrony, PTP), or raise --max-skew",
		    a->host, b->host, apart, doubt, limit);
	else
		err("clocks of %s and %s are not known well enough: they seem %s apart, give or take %s, since answers take so long, and the limit is %s: try again when hosts and network are less busy, or raise --max-skew",
		    a->host, b->host, apart, doubt, limit);
}

/* No further answer brings them near enough, or there is no time for one. */
static bool is_hopeless(const struct channel *a, const struct channel *b, int64_t limit_ns,
			uint64_t deadline_ns)
{
	return clock_distance(a, b) - clock_doubt(a, b) > limit_ns ||
	       now_ns(CLOCK_MONOTONIC) >= deadline_ns;
}

/*
 * Each host's offset to our clock; refused when two may differ by more than the limit. Hosts that
 * answer late are asked again, for a while: only the fastest answer counts.
 */
int channels_compare_clocks(struct channels *channels, uint64_t limit_ns)
{
	uint64_t patience_ns = channels->timeout_ns < CLOCK_PATIENCE_NS ? channels->timeout_ns
									: CLOCK_PATIENCE_NS;
	struct channel *a, *b;
	uint64_t deadline_ns;
	size_t i;
	int round, ret = 0;

	for (i = 0; i < channels->n; i++)
		for (round = 0; !ret && round < CLOCK_ROUNDS; round++)
			ret = ask_clock(channels, &channels->channel[i]);
	deadline_ns = now_ns(CLOCK_MONOTONIC) + patience_ns;
	while (!ret && find_apart(channels, limit_ns, &a, &b)) {
		if (is_hopeless(a, b, limit_ns, deadline_ns)) {
			report_apart(a, b, limit_ns);
			return -ERANGE;
		}
		sleep_ms(CLOCK_PAUSE_MS);
		ret = ask_clock(channels, a);
		ret = ret ? ret : ask_clock(channels, b);
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
