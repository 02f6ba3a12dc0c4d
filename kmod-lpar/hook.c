// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints that lpar.ko listens to. The kernel exports no tracepoint of
 * its own by name, but lets every module walk over them.
 */
#include <linux/module.h>
#include <linux/tracepoint.h>
#include "lpar.h"

/* Changing a tracepoint rewrites kernel code, so a hook stays on for a while. */
#define IDLE_DELAY	(5 * HZ)

/**
 * struct hook - a tracepoint
 * @name: as the kernel calls it
 * @tp: the tracepoint
 * @lock: guards @probe and @users
 * @probe: what is registered, or NULL
 * @users: who wants it
 * @idle: withdraws a probe that nobody has wanted for a while
 */
struct hook {
	const char *name;
	struct tracepoint *tp;
	struct mutex lock;	/* registration */
	void *probe;
	unsigned int users;
	struct delayed_work idle;
};

static struct hook hooks[LPAR_HOOKS] = {
	[LPAR_HOOK_SCHED_SWITCH]	= { .name = "sched_switch" },
	[LPAR_HOOK_PROCESS_FORK]	= { .name = "sched_process_fork" },
	[LPAR_HOOK_PROCESS_EXIT]	= { .name = "sched_process_exit" },
	[LPAR_HOOK_SYS_ENTER]		= { .name = "sys_enter" },
	[LPAR_HOOK_IRQ_HANDLER_ENTRY]	= { .name = "irq_handler_entry" },
#ifdef CONFIG_MEMORY_FAILURE
	[LPAR_HOOK_MEMORY_FAILURE]	= { .name = "memory_failure_event" },
#endif
};

static void note_tracepoint(struct tracepoint *tp, void *priv)
{
	unsigned int i;

	for (i = 0; i < LPAR_HOOKS; i++)
		if (!strcmp(tp->name, hooks[i].name))
			hooks[i].tp = tp;
}

/*
 * Does not wait until the probe has run for the last time: on 7.2 that lasts as long as any
 * sleepable BPF program of the host does, and it is of no use before the module goes.
 */
static void withdraw(struct work_struct *work)
{
	struct hook *hook = container_of(to_delayed_work(work), struct hook, idle);

	mutex_lock(&hook->lock);
	if (hook->probe && !hook->users) {
		tracepoint_probe_unregister(hook->tp, hook->probe, NULL);
		hook->probe = NULL;
	}
	mutex_unlock(&hook->lock);
}

/**
 * lpar_hook_init() - find the tracepoints
 *
 * Context: may sleep.
 * Return: 0, or -EOPNOTSUPP when this kernel was built without one of them.
 */
int lpar_hook_init(void)
{
	unsigned int i;

	for_each_kernel_tracepoint(note_tracepoint, NULL);
	for (i = 0; i < LPAR_HOOKS; i++) {
		mutex_init(&hooks[i].lock);
		INIT_DELAYED_WORK(&hooks[i].idle, withdraw);
		if (!hooks[i].tp) {
			pr_err("lpar: this kernel has no tracepoint %s (CONFIG_FTRACE_SYSCALLS, CONFIG_RAS)\n",
			       hooks[i].name);
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/**
 * lpar_hook_exit() - withdraw all probes, at module exit; they have no users
 *
 * Context: may sleep. No probe runs on return.
 */
void lpar_hook_exit(void)
{
	unsigned int i;

	for (i = 0; i < LPAR_HOOKS; i++) {
		cancel_delayed_work_sync(&hooks[i].idle);
		withdraw(&hooks[i].idle.work);
	}
	/* For those that were withdrawn before, too. */
	tracepoint_synchronize_unregister();
}

/**
 * lpar_hook_get() - listen to a tracepoint; counted
 * @nr: tracepoint
 * @probe: function of its prototype, with a leading void *data; one for each tracepoint
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int lpar_hook_get(enum lpar_hook nr, void *probe)
{
	struct hook *hook = &hooks[nr];
	int err = 0;

	mutex_lock(&hook->lock);
	if (!hook->probe)
		err = tracepoint_probe_register(hook->tp, probe, NULL);
	if (!err) {
		hook->probe = probe;
		hook->users++;
	}
	mutex_unlock(&hook->lock);
	return err;
}

/**
 * lpar_hook_put() - the reverse
 * @nr: tracepoint; its probe may run for some seconds yet
 *
 * Context: may sleep.
 */
void lpar_hook_put(enum lpar_hook nr)
{
	struct hook *hook = &hooks[nr];

	mutex_lock(&hook->lock);
	if (!--hook->users)
		lpar_work_set(&hook->idle, IDLE_DELAY);
	mutex_unlock(&hook->lock);
}
