// SPDX-License-Identifier: GPL-2.0
/*
 * Signals that ask a command to end: it undoes what it has begun, and then does.
 */
#include <signal.h>

#include "lib/lib.h"

static volatile sig_atomic_t asked; /* that often */

static void on_signal(int signal)
{
	(void)signal;
	asked++;
}

/*
 * From now on SIGINT, SIGTERM and SIGHUP only make interrupted() true. @flags are
 * those of sigaction(2): without SA_RESTART they also end what waits. SIGHUP stays
 * ignored under nohup.
 */
void interrupt_catch(int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags }, before;

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (sigaction(SIGHUP, NULL, &before) || before.sa_handler != SIG_IGN)
		sigaction(SIGHUP, &action, NULL);
}

static volatile sig_atomic_t unread;

static void on_pipe(int signal)
{
	(void)signal;
	unread = 1;
}

/*
 * Nobody may read what we say: that must not end us in the middle of a change. Programs that we
 * start do not inherit this.
 */
void pipe_catch(void)
{
	struct sigaction action = { .sa_handler = on_pipe, .sa_flags = SA_RESTART };

	sigaction(SIGPIPE, &action, NULL);
}

/* Now that all is done we end as others do. */
void pipe_end(void)
{
	if (!unread)
		return;
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
}

bool interrupted(void)
{
	return asked;
}

/* Who asks again does not want to wait for what is being undone. */
unsigned int interruptions(void)
{
	return asked;
}
