// SPDX-License-Identifier: GPL-2.0
/*
 * lparctl execd: the remote end of lparctl cluster. One request a line on
 * standard input, answers on standard output; whatever is under way is undone
 * when the input ends, and also when the caller is silent: an empty line is a sign of
 * life. A connection may break without a word, and guests that stand must not wait for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <syslog.h>
#include <unistd.h>

#include "cluster/cluster.h"

/* Manifests and lists of names are far shorter. */
#define LINE_MAX_BYTES (1 << 20)
#define IDLE_MS 50

static struct {
	char *buf;
	size_t len;
	uint64_t heard_ns; /* CLOCK_MONOTONIC of the last byte */
	uint64_t silence_ns; /* that long the caller may say nothing; 0 = for ever, before hello */
	bool over; /* the caller is gone */
} input;

/* The input has been looked at, and there was nothing. */
static void note_silence(void)
{
	uint64_t now = now_ns(CLOCK_MONOTONIC);

	if (input.over || !input.silence_ns || now < input.heard_ns + input.silence_ns)
		return;
	input.over = true;
	syslog(LOG_WARNING, "the caller is silent: giving up what is under way");
}

/* A signal is as the end of the input: what is under way is undone before we end. */
static bool is_over(void)
{
	return input.over || interrupted();
}

static void read_input(int timeout_ms)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	ssize_t got;

	if (poll(&pfd, 1, timeout_ms) <= 0) {
		note_silence();
		return;
	}
	got = read(STDIN_FILENO, input.buf + input.len, LINE_MAX_BYTES - input.len);
	if (got > 0) {
		input.len += got;
		input.heard_ns = now_ns(CLOCK_MONOTONIC);
	} else if (!got || (errno != EINTR && errno != EAGAIN)) {
		input.over = true;
	}
}

static void drop_input(size_t len)
{
	input.len -= len;
	memmove(input.buf, input.buf + len, input.len);
}

/* A request, that is; signs of life are gone with that. */
static bool has_line(void)
{
	size_t beats = 0;

	while (beats < input.len && input.buf[beats] == '\n')
		beats++;
	if (beats)
		drop_input(beats);
	return memchr(input.buf, '\n', input.len);
}

/* The next request, or NULL when there will be none. */
static struct json_object *next_request(void)
{
	struct json_object *json;
	char *end;

	while (!has_line() && !is_over() && input.len < LINE_MAX_BYTES)
		read_input(1000);
	end = memchr(input.buf, '\n', input.len);
	if (!end || input.over)
		return NULL;
	*end++ = 0;
	json = json_tokener_parse(input.buf);
	drop_input(end - input.buf);
	return json ? json : json_object_new_object();
}

/* While a request is at work the caller has nothing to say but abort. */
static bool is_wanted(struct session *session)
{
	(void)session;
	if (!has_line() && !is_over())
		read_input(IDLE_MS);
	return !has_line() && !is_over();
}

/* The caller may be stuck, or gone, with the pipe full. */
static int tell(const char *text)
{
	struct pollfd pfd = { .fd = STDOUT_FILENO, .events = POLLOUT };
	size_t len = strlen(text);
	ssize_t done;

	while (len) {
		if (!poll(&pfd, 1, input.silence_ns ? poll_ms(input.silence_ns) : -1))
			return -ETIMEDOUT;
		done = write(STDOUT_FILENO, text, len);
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		text += done > 0 ? done : 0;
		len -= done > 0 ? done : 0;
	}
	return 0;
}

static void say_line(struct json_object *json)
{
	char *line;

	line = xprintf("%s\n", json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN));
	if (!input.over && tell(line))
		input.over = true;
	free(line);
	json_object_put(json);
}

static void answer(const char *kind, struct json_object *value)
{
	struct json_object *json = json_object_new_object();

	json_object_object_add(json, kind, value);
	say_line(json);
}

static void answer_error(int error)
{
	struct json_object *json = json_object_new_object();

	json_put(json, "error", *err_captured() ? err_captured() : strerror(-error));
	/* Nobody can say whether it is well. */
	if (error == -ENOMEDIUM)
		json_put_flag(json, "absent", true);
	/* Not of a volume that is not active, or for want of memory. */
	if (error == -EBADMSG || error == -ENOENT)
		json_put_flag(json, "damaged", true);
	say_line(json);
}

void execd_progress(struct json_object *progress)
{
	answer("progress", progress);
}

/* --- requests without a file of their own --- */

/* A state that not all hosts have said they keep is of no use to anybody. */
static void note_unwanted(struct session *session, struct json_object *request)
{
	snprintf(session->unwanted, sizeof(session->unwanted), "%s", json_text(request, "remove"));
}

static int add_running(const struct lpar *lpar, void *data)
{
	if (lpar_guest_pid(lpar))
		json_object_array_add(data, json_object_new_string(lpar->name));
	return 0;
}

/* Of what was undone: the guests that are there now. One that went on has no way back. */
static struct json_object *running(void)
{
	struct json_object *names = json_object_new_array();

	/* What is not known is not told. */
	lpar_for_each(add_running, names);
	return names;
}

static int hello(struct session *session, struct json_object *request, struct json_object **result)
{
	struct utsname uts;
	int ret;

	if (json_number(request, "version") != CLUSTER_PROTOCOL) {
		err("lparctl is of another version on this host");
		return -EPROTO;
	}
	input.silence_ns = json_number(request, "silence_ns");
	ret = nl_check(&nl_lpar);
	if (!ret)
		ret = nl_check(&nl_netbuf);
	if (ret)
		return ret;
	uname(&uts);
	*result = json_object_new_object();
	json_put(*result, "host", uts.nodename);
	json_put(*result, "kernel", uts.release);
	note_unwanted(session, request);
	ret = session_recover(session);
	session->unwanted[0] = 0;
	json_object_object_add(*result, "running", running());
	return ret;
}

static int clock_request(struct session *session, struct json_object *request,
			 struct json_object **result)
{
	(void)session;
	(void)request;
	*result = json_object_new_object();
	json_put_u64(*result, "time_ns", now_ns(CLOCK_REALTIME));
	return 0;
}

static int abort_request(struct session *session, struct json_object *request,
			 struct json_object **result)
{
	int ret;

	describe_undo();
	note_unwanted(session, request);
	ret = session_abort(session);
	*result = json_object_new_object();
	json_object_object_add(*result, "running", running());
	return ret;
}

/* --- dispatch --- */

struct request {
	const char *name;
	request_fn *run;
	bool in_session; /* only after begin, load, leave or enter */
};

/* clang-format off */
static const struct request requests[] = {
	{ "hello", hello, false },
	{ "clock", clock_request, false },
	{ "describe", describe_add, false },
	{ "describe-check", describe_check, false },
	{ "describe-write", describe_write, false },
	{ "describe-keep", describe_keep, false },
	{ "begin", save_begin, false },
	{ "arm", cut_arm_request, true },
	{ "stop", save_stop, true },
	{ "write", save_write, true },
	{ "disks", save_disks, true },
	{ "frames", save_frames, true },
	{ "commit", save_commit, true },
	{ "keep", save_keep, true },
	{ "discard", save_discard, true },
	{ "check", restore_check, false },
	{ "load", restore_load, false },
	{ "resume", cut_resume_request, true },
	{ "delete", saved_delete, false },
	{ "leave", leave_begin, false },
	{ "copy", leave_copy, true },
	{ "halt", leave_stop, true },
	{ "finish", leave_finish, true },
	{ "held", leave_frames, true },
	{ "decide", leave_decide, false },
	{ "release", leave_release, false },
	{ "forget", leave_forget, false },
	{ "stay", leave_stay, false },
	{ "enter", enter_begin, false },
	{ "take", enter_frames, true },
	{ "prepare", enter_prepare, true },
	{ "run", enter_run, false },
	{ "abandon", enter_abandon, false },
	{ "where", move_state, false },
	{ "abort", abort_request, false },
};
/* clang-format on */

static const struct request *find_request(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(requests); i++)
		if (!strcmp(requests[i].name, name))
			return &requests[i];
	return NULL;
}

static const struct session *served; /* NULL = none */

/* Somebody has called exit(), for want of memory: whoever comes next has to undo. */
static void tell_left(void)
{
	if (!served || served->kind == SESSION_NONE)
		return;
	err_capture(false);
	err("execd has ended in the middle of an operation: 'lparctl cluster recover' on this host undoes what is left of it");
	syslog(LOG_ERR, "ended in the middle of an operation: see lparctl cluster recover");
}

static void serve(struct session *session, struct json_object *request)
{
	const struct request *known = find_request(json_text(request, "op"));
	struct json_object *result = NULL;
	int ret = -EPROTO;

	err_capture(true);
	if (!known)
		err("request '%s' is unknown", json_text(request, "op"));
	else if (known->in_session && session->kind == SESSION_NONE)
		err("request '%s' comes too early", known->name);
	else
		ret = known->run(session, request, &result);
	if (ret) {
		json_object_put(result);
		answer_error(ret);
	} else {
		answer("result", result ? result : json_object_new_object());
	}
	err_capture(false);
}

/* execd */
int execd_verb(struct args *args)
{
	struct session session = { .idle = is_wanted };
	struct json_object *request;
	int ret = 0;

	if (args->argc)
		return usage("execd takes no arguments: it is started by lparctl cluster");
	interrupt_catch(0);
	signal(SIGPIPE, SIG_IGN);
	openlog("lparctl execd", LOG_PID, LOG_DAEMON);
	/* A terminal is shared with others. */
	if (!isatty(STDOUT_FILENO))
		fcntl(STDOUT_FILENO, F_SETFL, fcntl(STDOUT_FILENO, F_GETFL) | O_NONBLOCK);
	/* Nothing is said to people here. */
	options.json = true;
	if (!served)
		atexit(tell_left);
	served = &session;
	/* A fuzzer serves many callers. */
	memset(&input, 0, sizeof(input));
	input.buf = xalloc(LINE_MAX_BYTES);
	while ((request = next_request())) {
		session.idle = is_wanted;
		serve(&session, request);
		json_object_put(request);
	}
	describe_undo();
	if (session.kind != SESSION_NONE)
		ret = session_undo(&session);
	served = NULL;
	free(input.buf);
	return ret ? EXIT_FAILED : EXIT_OK;
}
