// SPDX-License-Identifier: GPL-2.0
/*
 * snapmeanwhile: what happens to the receiver while a state comes: others write, restore, take
 * states or have the volume open, a cut, a disk that fails. As in snapsend.
 */
#include "sides.h"

static void restore_once(struct side *side)
{
	if (side->writes != 3)
		return;
	assert(!volume_message(&side->vol, "restore %s", STREAM_RECEIVING));
}

/* What another restores in the middle of it is not mixed with what comes. */
static void restored_meanwhile(void)
{
	give_up();
	target.writes = 0;
	target.at_write = restore_once;
	tap_check(receive_all(&target, &later) == -ESTALE && !has(&target, "two"),
		  "what runs was restored by another");
	target.at_write = NULL;
	give_up();
}

static void restore_other(struct side *side)
{
	if (side->writes == 2)
		assert(!volume_message(&side->vol, "restore one"));
}

/* Also where no mark is noted: it ends soon, and what is behind is as it was restored. */
static void restored_between_marks(void)
{
	give_up();
	target.writes = 0;
	target.is_reaping = true;
	target.at_write = restore_other;
	tap_check(receive_all(&target, &later) == -ESTALE && !has(&target, "two"),
		  "what runs was restored by another, and no mark is noted");
	target.at_write = NULL;
	target.is_reaping = false;
	tap_check(!volume_io(&target.vol, REQ_OP_READ, 0, shown, SECTORS) && target.writes == 2 &&
			  !memcmp(shown + 2 * MARK * 512, one + 2 * MARK * 512,
				  sizeof(one) - 2 * MARK * 512),
		  "nothing is written there from the next mark on");
	tap_check(has_state(&target, "one", one), "restored once more it is whole");
	give_up();
}

/* Who comes and goes in the middle of it, and what is done then. */
static struct {
	blk_opf_t opf;
	sector_t sector;
	unsigned int step;  /* the one before which it is done, 0 = never */
	unsigned int steps; /* so far */
} other;

static void write_at_step(struct side *side)
{
	u8 data[8 * 512];

	if (++other.steps != other.step)
		return;
	memset(data, 'o', sizeof(data));
	assert(!volume_io(&side->vol, other.opf, other.sector, data, 8));
}

/* Once for each step: what was received is what was sent, or nothing. */
static unsigned int count_mixed(bool goes_on)
{
	unsigned int mixed = 0, refused = 0, last = 0;

	for (other.step = 0; other.step <= last; other.step++) {
		int ret;

		give_up();
		if (goes_on)
			receive(&target, &later, later.record[later.n_records / 2]);
		other.steps = 0;
		target.at_write = target.at_message = write_at_step;
		ret = receive_all(&target, &later);
		target.at_write = target.at_message = NULL;
		refused += !!ret;
		mixed += ret ? has(&target, "two") : !has_state(&target, "two", two);
		mixed += !has_state(&target, "one", one);
		if (!other.step)
			last = ret ? 0 : other.steps;
	}
	return mixed + (last < 20 || !refused);
}

static void written_meanwhile(void)
{
	static const struct {
		blk_opf_t opf;
		sector_t sector;
		const char *what;
	} ways[] = {
		{ REQ_OP_WRITE, 72, "writes" },
		{ REQ_OP_WRITE_ZEROES, 72, "writes zeroes" },
		{ REQ_OP_DISCARD, 0, "discards what came" },
	};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		other.opf = ways[i].opf;
		other.sector = ways[i].sector;
		tap_check(!count_mixed(false), "somebody %s in the middle", ways[i].what);
		tap_check(!count_mixed(true), "or when it goes on");
	}
	give_up();
}

static void take_nightly(struct side *side)
{
	if (side->writes == 2)
		assert(!volume_message(&side->vol, "take nightly"));
}

/* Received but for the end, while somebody takes a state; and once more. */
static bool breaks_twice(struct side *side, const struct sent *sent, const u8 *content)
{
	const size_t most = sent->record[sent->n_records - 1];
	int first, second;

	side->writes = 0;
	side->at_write = take_nightly;
	first = receive(side, sent, most);
	side->at_write = NULL;
	assert(has(side, "nightly"));
	second = receive(side, sent, most);
	return first == -EPIPE && second == -EPIPE && side_shows(side, content);
}

/* Who takes a state in the middle of it, has a part; what ran before is none. */
static void taken_meanwhile(void)
{
	struct side fresh = { .snap.name = "fresh", .chunk = 8 };
	u8 *former = malloc(sizeof(shown));

	give_up();
	tap_check(breaks_twice(&target, &later, one), "a state is taken, it breaks off twice");
	tap_check(!receive_all(&target, &later) && has_state(&target, "two", two),
		  "and goes on then");
	assert(!volume_message(&target.vol, "delete nightly"));
	give_up();
	new_side(&fresh, 'F');
	side_fill(&fresh, 'f', 3, 9);
	assert(!volume_message(&fresh.vol, "take mine") && side_shows(&fresh, shown));
	memcpy(former, shown, sizeof(shown));
	tap_check(breaks_twice(&fresh, &full, former), "a whole one, too");
	free(former);
	free_side(&fresh);
}

static void use_target(struct side *side)
{
	side->in_use = true;
}

/* The end fails: what came is kept to the last byte. */
static void end_fails(void)
{
	uint64_t at = 0;

	give_up();
	target.is_reaping = true;
	target.at_write = use_target;
	tap_check(receive_all(&target, &later) == -EADDRINUSE && !has(&target, "two"),
		  "at the end others have it open");
	target.at_write = NULL;
	target.is_reaping = false;
	target.in_use = false;
	tap_check(!snap_received(&target.snap, NULL, &at) && at == SECTORS, "all of it is kept");
	assert(!send_state(&changed, "one", "two", two, at));
	tap_check(!receive_all(&target, &changed) && has_state(&target, "two", two),
		  "and is the state then");
	give_up();
}

static void break_disk(struct side *side)
{
	side->is_broken = side->writes == 3;
}

/* A write fails: that some of it is done is no sign of another who writes. */
static void write_fails(void)
{
	give_up();
	target.writes = 0;
	target.at_write = break_disk;
	tap_check(receive_all(&target, &later) == -EIO && side_shows(&target, one),
		  "a write fails, what ran runs again");
	target.at_write = NULL;
	target.is_broken = false;
	give_up();
}

static void fail_once(struct side *side)
{
	side->is_silent = side->n_restores;
}

/* What begins to go on, and cannot, leaves what ran. */
static void begin_fails(void)
{
	give_up();
	assert(receive(&target, &later, later.record[later.n_records - 1]) == -EPIPE);
	target.n_restores = 0;
	target.at_message = fail_once;
	tap_check(receive_all(&target, &later) == -EIO, "it cannot go on");
	target.at_message = NULL;
	target.is_silent = false;
	tap_check(side_shows(&target, one), "what ran runs again");
	give_up();
}

static unsigned int messages;

static void cut_for_a_while(struct side *side)
{
	(void)side;
	if (messages++ == 8)
		volume_cut_fire("lpar");
	if (messages == 14)
		volume_cut_finish();
}

/* An LPAR's cut that is not a state yet is waited for. */
static void cut_meanwhile(void)
{
	struct side copy = { .snap.name = "copy", .chunk = 8, .group = "lpar" };

	new_side(&copy, 'C');
	copy.at_message = cut_for_a_while;
	tap_check(!receive_all(&copy, &full) && messages > 14 && has_state(&copy, "one", one),
		  "a cut in the middle of it is finished first");
	free_side(&copy);
}

static unsigned int marks(struct side *side)
{
	give_up();
	messages = 0;
	assert(!receive_all(side, &later));
	return messages;
}

static void count_message(struct side *side)
{
	(void)side;
	messages++;
}

/* A mark leaves something to be freed: as long as that is not done, there is no other. */
static void fewer_marks(void)
{
	unsigned int all;

	target.at_message = count_message;
	all = marks(&target);
	target.is_reaping = true;
	tap_check(marks(&target) < all, "marks wait for the reaper");
	target.is_reaping = false;
	target.at_message = NULL;
}

/* The target has the first state; the second comes in each case. */
static void send_both(void)
{
	assert(!send_state(&full, NULL, "one", one, 0) && !receive_all(&target, &full));
	assert(!send_state(&later, "one", "two", two, 0));
}

int main(void)
{
	tap_plan(21);
	sides_begin();
	send_both();
	restored_meanwhile();
	restored_between_marks();
	written_meanwhile();
	taken_meanwhile();
	end_fails();
	write_fails();
	begin_fails();
	cut_meanwhile();
	fewer_marks();
	sides_end();
	return tap_done();
}
