// SPDX-License-Identifier: GPL-2.0
/*
 * The serial console of a guest: what is typed goes to its first serial port, and what it
 * says there comes to the terminal.
 *
 * QEMU serves one client, and lets others wait without a word; so whoever has the console
 * has a lock, whose file has his process id.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include "guest/guest.h"

#define ESCAPE 0x1d /* Ctrl-] */
#define ROOM_BYTES 4096

struct console {
	const char *name;
	int sock;
	bool is_terminal;
	struct termios before;
	bool escaped; /* the last key was the escape */
	bool over; /* the user has said so */
	bool ended; /* the guest has */
	bool deaf; /* nothing more comes from the user */
	char waiting[ROOM_BYTES]; /* for the guest, which may be slow to read */
	size_t n_waiting;
};

/* Returns a file descriptor that holds the lock, or -1. */
static int lock_console(const char *name)
{
	char path[PATH_MAX], text[32];
	int fd = lock_file(run_path(path, sizeof(path), name, "console.lock"), LOCK_EX | LOCK_NB);

	if (fd == -EWOULDBLOCK) {
		if (read_text(path, text, sizeof(text)) || !*text)
			strcpy(text, "unknown");
		err("LPAR %s: its console is in use, by process %s", name, text);
		return -1;
	}
	if (fd < 0) {
		err("LPAR %s: %s: %s", name, path, strerror(-fd));
		return -1;
	}
	snprintf(text, sizeof(text), "%d\n", getpid());
	if (ftruncate(fd, 0) || write(fd, text, strlen(text)) < 0)
		err("LPAR %s: %s: %s", name, path, strerror(errno));
	return fd;
}

/* The guest's end of it; or -1. A queue that is full is not waited for. */
static int connect_console(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	char path[PATH_MAX];
	int error = 0;

	run_path(path, sizeof(path), name, "console.sock");
	if (strlen(path) >= sizeof(addr.sun_path))
		error = ENAMETOOLONG;
	else
		strcpy(addr.sun_path, path);
	if (!error && (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr))))
		error = errno;
	if (!error)
		return fd;
	err("LPAR %s: %s: %s", name, path,
	    error == ENOENT
		    ? "its guest has no console: console=yes in its description gives it one"
	    : error == EAGAIN ? "somebody else has connected to it"
			      : strerror(error));
	if (fd >= 0)
		close(fd);
	return -1;
}

/* A signal ends the wait for output that is under way; the mode is set all the same. */
static void set_terminal(const struct termios *mode)
{
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, mode) && errno == EINTR)
		tcsetattr(STDIN_FILENO, TCSANOW, mode);
}

/* Every key is the guest's, but for the escape. */
static void take_terminal(struct console *console)
{
	struct termios raw;

	console->is_terminal = !tcgetattr(STDIN_FILENO, &console->before);
	if (!console->is_terminal)
		return;
	raw = console->before;
	cfmakeraw(&raw);
	set_terminal(&raw);
	/* Not before: whatever is typed upon this is the guest's. */
	printf("%s: console; Ctrl-] . ends it\r\n", console->name);
	fflush(stdout);
}

static void give_terminal_back(const struct console *console)
{
	if (!console->is_terminal)
		return;
	set_terminal(&console->before);
	puts("");
}

static void put(struct console *console, char c)
{
	/* A guest that reads nothing must not keep the escape from being read. */
	if (console->n_waiting < sizeof(console->waiting))
		console->waiting[console->n_waiting++] = c;
}

/* Behind an escape a point ends it, another escape is one for the guest. */
static void take_key(struct console *console, char c)
{
	bool escaped = console->escaped;

	console->escaped = !escaped && c == ESCAPE && console->is_terminal;
	if (escaped && c == '.')
		console->over = true;
	else if (escaped && c != ESCAPE)
		put(console, ESCAPE);
	if (!console->escaped && !console->over)
		put(console, c);
}

static bool has_room(const struct console *console)
{
	return console->n_waiting < sizeof(console->waiting) / 2;
}

static void read_user(struct console *console)
{
	char buf[ROOM_BYTES / 4];
	ssize_t got = read(STDIN_FILENO, buf, sizeof(buf)), i;

	if (got < 0 && errno == EINTR)
		return;
	console->deaf = got <= 0;
	/* Who has hung up a terminal is gone; a file that ends is one that has been told. */
	console->over = console->deaf && console->is_terminal;
	for (i = 0; i < got && !console->over; i++)
		take_key(console, buf[i]);
}

/* At the guest's end: -errno, or 0 when it has ended or is not ready. */
static int guest_failed(struct console *console)
{
	console->ended = errno == EPIPE || errno == ECONNRESET;
	return console->ended || errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static int write_guest(struct console *console)
{
	ssize_t sent = send(console->sock, console->waiting, console->n_waiting, MSG_NOSIGNAL);

	if (sent < 0)
		return guest_failed(console);
	console->n_waiting -= sent;
	memmove(console->waiting, console->waiting + sent, console->n_waiting);
	return 0;
}

static int write_user(const char *buf, ssize_t len)
{
	ssize_t done, at;

	for (at = 0; at < len && !interrupted(); at += done > 0 ? done : 0) {
		done = write(STDOUT_FILENO, buf + at, len - at);
		if (done < 0 && errno != EINTR)
			return -errno;
	}
	return 0;
}

static int read_guest(struct console *console)
{
	char buf[ROOM_BYTES];
	ssize_t got = read(console->sock, buf, sizeof(buf));

	if (got > 0)
		return write_user(buf, got);
	if (got < 0)
		return guest_failed(console);
	console->ended = true;
	return 0;
}

/* True when one is ready; a signal that comes before the wait ends it as well. */
static bool wait_ready(struct pollfd *pfd, nfds_t n)
{
	sigset_t all, before;
	bool ready;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	ready = !interrupted() && ppoll(pfd, n, NULL, &before) > 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ready;
}

/* Until somebody has enough of it. */
static int talk(struct console *console)
{
	struct pollfd pfd[2] = { { .fd = console->sock }, { .events = POLLIN } };
	int ret = 0;

	while (!ret && !console->over && !console->ended && !interrupted()) {
		pfd[0].events = POLLIN | (console->n_waiting ? POLLOUT : 0);
		/* What comes from a terminal may be the escape. */
		pfd[1].fd = !console->deaf && (console->is_terminal || has_room(console))
				    ? STDIN_FILENO
				    : -1;
		if (!wait_ready(pfd, 2))
			continue;
		if (pfd[1].revents)
			read_user(console);
		if (pfd[0].revents & POLLOUT)
			ret = write_guest(console);
		if (!ret && !console->ended && pfd[0].revents & ~POLLOUT)
			ret = read_guest(console);
	}
	return ret;
}

static int run(struct console *console)
{
	int ret;

	/* The terminal is given back whoever ends this, and whoever ends to read it. */
	interrupt_catch(0);
	take_terminal(console);
	ret = talk(console);
	give_terminal_back(console);
	if (console->ended) {
		err("LPAR %s: its guest has ended", console->name);
		return EXIT_OK;
	}
	if (ret)
		err("LPAR %s: console: %s", console->name, strerror(-ret));
	return ret ? EXIT_FAILED : EXIT_OK;
}

/* console NAME */
int console_verb(struct args *args)
{
	struct console console = { .name = next_arg(args) };
	struct lpar lpar;
	int lock, ret;
	bool runs;

	if (!console.name || args->argc)
		return usage("console NAME");
	ret = lpar_get(console.name, &lpar);
	if (ret)
		return lpar_fail(console.name, ret);
	runs = guest_runs(&lpar);
	lpar_free(&lpar);
	if (!runs)
		return EXIT_FAILED;
	lock = lock_console(console.name);
	if (lock < 0)
		return EXIT_FAILED;
	console.sock = connect_console(console.name);
	ret = console.sock < 0 ? EXIT_FAILED : run(&console);
	if (console.sock >= 0)
		close(console.sock);
	close(lock);
	return ret;
}
