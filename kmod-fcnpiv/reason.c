// SPDX-License-Identifier: GPL-2.0
/* Reasons, in words: of what is refused, and of what has failed. */
#include <linux/atomic.h>
#include <linux/kernel.h>
#include <linux/netlink.h>
#include "fcnpiv.h"

/**
 * fcn_fail() - say why something is refused, or has failed
 * @why: FCNPIV_REASON_MAX + 1 bytes for the reason
 * @err: negative errno
 * @fmt: one line
 *
 * Context: any that may call vsnprintf().
 * Return: @err.
 */
int fcn_fail(char *why, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, FCNPIV_REASON_MAX + 1, fmt, args);
	va_end(args);
	return err;
}

/*
 * Texts of refusals. extack keeps a pointer that is read after the operation has
 * returned, and 6.1 has no room for formatted texts in it; so they live in a ring
 * that is much longer than the number of callers at one time. What everybody may
 * call has constant texts, so that only administrators turn the ring.
 */
#define REFUSALS	64
static char refusals[REFUSALS][2 * FCNPIV_REASON_MAX];
static atomic_t next_refusal;

/**
 * fcn_refuse() - say why something is refused
 * @extack: where to say it, or NULL
 * @err: negative errno
 * @fmt: one line that names the remedy
 *
 * Context: any that may call vsnprintf().
 * Return: @err.
 */
int fcn_refuse(struct netlink_ext_ack *extack, int err, const char *fmt, ...)
{
	char *text = refusals[(unsigned int)atomic_inc_return(&next_refusal) % REFUSALS];
	va_list args;

	if (!extack)
		return err;
	va_start(args, fmt);
	vsnprintf(text, sizeof(refusals[0]), fmt, args);
	va_end(args);
	extack->_msg = text;
	return err;
}
