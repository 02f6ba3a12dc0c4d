// SPDX-License-Identifier: GPL-2.0
/*
 * Sets of LUNs. Two ports see the same LUNs if these have the same names by VPD
 * page 0x83, sizes and block sizes. LUN numbers and the number of paths may
 * differ: they are the storage's and the fabric's business.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>
#include "fcnpiv.h"

/**
 * fcn_luns_init() - make room
 * @luns: empty set afterwards
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int fcn_luns_init(struct fcn_luns *luns)
{
	luns->count = 0;
	luns->overflow = false;
	luns->lun = kvcalloc(FCNPIV_PATHS_MAX, sizeof(*luns->lun), GFP_KERNEL);
	return luns->lun ? 0 : -ENOMEM;
}

/**
 * fcn_luns_free() - the reverse
 * @luns: set, or zeroes
 *
 * Context: process.
 */
void fcn_luns_free(struct fcn_luns *luns)
{
	kvfree(luns->lun);
	luns->lun = NULL;
	luns->count = 0;
}

/**
 * fcn_luns_add() - room for one more
 * @luns: set
 *
 * Return: zeroed entry, or NULL if it is full; that is remembered.
 */
struct fcn_lun *fcn_luns_add(struct fcn_luns *luns)
{
	struct fcn_lun *lun;

	if (luns->count == FCNPIV_PATHS_MAX) {
		luns->overflow = true;
		return NULL;
	}
	lun = &luns->lun[luns->count++];
	memset(lun, 0, sizeof(*lun));
	return lun;
}

/**
 * fcn_luns_find() - a LUN by its name
 * @luns: set
 * @id: name by VPD page 0x83
 *
 * Return: the first path to it, or NULL.
 */
const struct fcn_lun *fcn_luns_find(const struct fcn_luns *luns, const char *id)
{
	unsigned int i;

	for (i = 0; i < luns->count; i++)
		if (!strcmp(luns->lun[i].id, id))
			return &luns->lun[i];
	return NULL;
}

/**
 * fcn_luns_copy() - what is to be expected from now on
 * @to: set
 * @from: what is seen; of several paths to a LUN one is copied
 */
void fcn_luns_copy(struct fcn_luns *to, const struct fcn_luns *from)
{
	struct fcn_lun *lun;
	unsigned int i;

	to->count = 0;
	to->overflow = from->overflow;
	for (i = 0; i < from->count; i++) {
		if (fcn_luns_find(to, from->lun[i].id))
			continue;
		lun = fcn_luns_add(to);
		if (!lun)
			return;
		strscpy(lun->id, from->lun[i].id, sizeof(lun->id));
		lun->sectors = from->lun[i].sectors;
		lun->block_size = from->lun[i].block_size;
	}
}

static __printf(2, 3) bool differ(char *why, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, FCNPIV_REASON_MAX + 1, fmt, args);
	va_end(args);
	return false;
}

static bool is_sound(const struct fcn_lun *lun, char *why)
{
	if (!lun->devt)
		return differ(why, "LUN %llu has no disk yet", lun->number);
	if (!lun->id[0])
		return differ(why, "disk %s has no name in VPD page 0x83", lun->disk);
	if (!lun->runs)
		return differ(why, "disk %s does not run", lun->disk);
	if (!lun->sectors)
		return differ(why, "the size of disk %s is not known yet", lun->disk);
	return true;
}

/**
 * fcn_luns_are_sound() - can they be told apart, and used?
 * @seen: what a port sees
 * @why: FCNPIV_REASON_MAX + 1 bytes: if not, what is wrong
 *
 * Two paths to one LUN have to agree on its size.
 *
 * Return: true if so.
 */
bool fcn_luns_are_sound(const struct fcn_luns *seen, char *why)
{
	const struct fcn_lun *lun, *first;
	unsigned int i;

	if (seen->overflow)
		return differ(why, "there are more than %d paths to disks", FCNPIV_PATHS_MAX);
	for (i = 0; i < seen->count; i++) {
		lun = &seen->lun[i];
		if (!is_sound(lun, why))
			return false;
		first = fcn_luns_find(seen, lun->id);
		if (first->sectors != lun->sectors || first->block_size != lun->block_size)
			return differ(why, "disks %s and %s are one LUN, but differ in size",
				      first->disk, lun->disk);
	}
	return true;
}

/**
 * fcn_luns_match() - are these the LUNs that are expected?
 * @seen: what a port sees
 * @expected: what it has to see
 * @why: FCNPIV_REASON_MAX + 1 bytes: if not, where they differ
 *
 * Return: true if there are all of them, no other, and all can be used.
 */
bool fcn_luns_match(const struct fcn_luns *seen, const struct fcn_luns *expected, char *why)
{
	const struct fcn_lun *lun, *wanted;
	unsigned int i;

	if (!fcn_luns_are_sound(seen, why))
		return false;
	if (expected->overflow)
		return differ(why, "more than %d LUNs are expected", FCNPIV_PATHS_MAX);
	for (i = 0; i < seen->count; i++) {
		lun = &seen->lun[i];
		wanted = fcn_luns_find(expected, lun->id);
		if (!wanted)
			return differ(why, "LUN %s is not expected", lun->id);
		if (wanted->sectors != lun->sectors || wanted->block_size != lun->block_size)
			return differ(why, "LUN %s has another size than is expected", lun->id);
	}
	for (i = 0; i < expected->count; i++)
		if (!fcn_luns_find(seen, expected->lun[i].id))
			return differ(why, "LUN %s is missing", expected->lun[i].id);
	return true;
}
