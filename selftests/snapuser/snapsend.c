// SPDX-License-Identifier: GPL-2.0
/*
 * snapsend: states are sent from one volume to another, by lparctl's own code and
 * dm-snapsync's, through a file that is cut off, or damaged, at each record.
 */
#include "sides.h"

static bool same_in_list(void)
{
	struct snap_states here, there;
	const struct snap_state *a, *b;
	bool same;

	assert(!snap_read_states(&source.snap, &here) && !snap_read_states(&target.snap, &there));
	a = snap_find_state(&here, "one");
	b = snap_find_state(&there, "one");
	same = a && b && a->time == b->time && !strcmp(a->note, b->note) &&
	       !strcmp(a->note, "the first of them") && snap_has_uuid(a->uuid) &&
	       !memcmp(a->uuid, b->uuid, SS_UUID_SIZE);
	free(here.state);
	free(there.state);
	return same;
}

static void whole(void)
{
	tap_check(!send_state(&full, NULL, "one", one, 0), "a state is sent");
	tap_check(!receive_all(&target, &full) && side_shows(&target, one),
		  "and runs on the other side");
	tap_check(has_state(&target, "one", one), "as a state");
	tap_check(same_in_list(), "with time, note and transaction");
	tap_check(!has(&target, STREAM_RECEIVING), "nothing else is left");
	tap_check(receive_all(&target, &full) == -ECANCELED, "it is not received twice");
	tap_check(!send_state(&later, "one", "two", two, 0) && later.size < full.size,
		  "what another has that it has not is less");
	tap_check(!receive_all(&target, &later) && has_state(&target, "two", two), "and enough");
	tap_check(has_state(&target, "one", one), "the former state is as it was");
	tap_check(send_state(&changed, "one", "nothing", two, 0) == -ENOENT &&
			  send_state(&changed, "nothing", "two", two, 0) == -ENOENT &&
			  send_state(&changed, NULL, "-", two, 0) == -ENOENT &&
			  send_state(&changed, NULL, "one", one, SECTORS + 1) == -ERANGE,
		  "what is none is not sent");
}

/*
 * Cut off: there is no such state, and what ran before runs again, but after a kill.
 * It goes on from where it is said, or from the beginning.
 */
static bool goes_on(size_t size, bool power, bool again)
{
	uint64_t at = 0;
	int ret;

	give_up();
	target.is_killed = power;
	ret = receive(&target, &later, size);
	target.is_killed = false;
	if (ret != -EPIPE || has(&target, "two") || (!power && !side_shows(&target, one)))
		return false;
	reopen_target(power);
	if (has(&target, "two") || snap_received(&target.snap, NULL, &at))
		return false;
	/* What runs above what came is not what counts. */
	if (power && has(&target, STREAM_RECEIVING))
		side_fill(&target, 'x', 0, 2048);
	assert(!send_state(&changed, "one", "two", two, again ? 0 : at));
	return !receive_all(&target, &changed) && has_state(&target, "two", two) &&
	       has_state(&target, "one", one) && !has(&target, STREAM_RECEIVING);
}

static size_t end_of(const struct sent *sent, unsigned int i)
{
	return i + 1 < sent->n_records ? sent->record[i + 1] : sent->size;
}

static void cut_off(void)
{
	unsigned int i, failed = 0, how;

	for (i = 0; i < later.n_records; i++) {
		size_t start = later.record[i], part = (end_of(&later, i) - start) / 5;

		for (how = 0; how < 4; how++) {
			failed += !goes_on(start, how & 1, how & 2);
			failed += !goes_on(start + (how + 1) * part, how & 1, how & 2);
		}
	}
	tap_check(!failed && i > 10, "cut off at each of %u records, it goes on: %u do not", i,
		  failed);
	tap_check(goes_on(0, false, false) && goes_on(100, true, false), "or within the header");
	tap_check(checker_check(target.store->fd) == SOUND, "the store is sound");
}

/* A whole one, too: the target has another BASE. */
static void cut_off_whole(void)
{
	unsigned int i, failed = 0;
	uint64_t at;

	for (i = 0; i < full.n_records; i++) {
		struct side fresh = { .snap.name = "fresh", .chunk = 8 };

		new_side(&fresh, 'F');
		failed += receive(&fresh, &full, full.record[i]) != -EPIPE || has(&fresh, "one");
		assert(!snap_received(&fresh.snap, NULL, &at));
		assert(!send_state(&changed, NULL, "one", one, at));
		failed += receive_all(&fresh, &changed) || !has_state(&fresh, "one", one);
		free_side(&fresh);
	}
	tap_check(!failed, "a whole one goes on, too");
}

static bool is_refused(void)
{
	int ret;

	give_up();
	ret = receive_all(&target, &changed);
	return ret && ret != -ENOSPC && !has(&target, "two") && has_state(&target, "one", one);
}

static void flip(size_t byte, unsigned int *failed)
{
	changed = later;
	changed.data[byte] ^= 1 << byte % 8;
	*failed += !is_refused();
}

/* A bit of each byte of a head, and three of the data. */
static void damaged(void)
{
	unsigned int i, j, failed = 0;

	for (j = 0; j < sizeof(struct stream_header); j++)
		flip(j, &failed);
	tap_check(!failed, "a bit of each byte of the header");
	for (i = 0; i < later.n_records; i++) {
		size_t start = later.record[i], data = start + sizeof(struct stream_record);
		size_t end = end_of(&later, i);

		for (j = start; j < data; j++)
			flip(j, &failed);
		if (end == data)
			continue;
		flip(data, &failed);
		flip((data + end) / 2, &failed);
		flip(end - 1, &failed);
	}
	tap_check(!failed, "and of each record: %u of them are taken", failed);
	give_up();
	tap_check(!receive_all(&target, &later) && has_state(&target, "two", two),
		  "without them it is received");
}

/* Behind what @changed has. */
static void put_record(const struct sent *sent, unsigned int i)
{
	size_t size = end_of(sent, i) - sent->record[i];

	memcpy(changed.data + changed.size, sent->data + sent->record[i], size);
	changed.size += size;
}

/* @changed is @later, but for one that is omitted, repeated, or that of @full. */
static void rearrange(unsigned int omitted, unsigned int repeated, unsigned int foreign)
{
	unsigned int i;

	memcpy(changed.data, later.data, sizeof(struct stream_header));
	changed.size = sizeof(struct stream_header);
	for (i = 0; i < later.n_records; i++) {
		if (i != omitted)
			put_record(i == foreign ? &full : &later, i);
		if (i == repeated)
			put_record(&later, i);
	}
}

static void rearranged(void)
{
	unsigned int i, none = later.n_records, failed = 0;

	for (i = 0; i < later.n_records - 1; i++) {
		rearrange(i, none, none);
		failed += !is_refused();
		rearrange(none, i, none);
		failed += !is_refused();
		if (i >= full.n_records)
			continue;
		rearrange(none, none, i);
		failed += !is_refused();
	}
	tap_check(!failed, "a record is missing, twice there, or of another stream");
}

/* What would lose something, or make something wrong. */
static void refused(void)
{
	struct side fresh = { .snap.name = "fresh", .chunk = 8 };
	const size_t half = later.record[later.n_records / 2];
	uint64_t at;

	give_up();
	side_fill(&target, 'y', 77, 1);
	tap_check(receive_all(&target, &later) == -ECANCELED, "what was written is not lost");
	tap_check(!volume_io(&target.vol, REQ_OP_READ, 77, shown, 1) && *shown == 'y',
		  "it is there");
	give_up();
	target.in_use = true;
	tap_check(receive_all(&target, &later) == -EADDRINUSE && !has(&target, STREAM_RECEIVING),
		  "nor while others have it open");
	target.in_use = false;
	receive(&target, &later, half);
	assert(!send_state(&changed, "one", "three", three, 0));
	tap_check(receive_all(&target, &changed) == -ECANCELED &&
			  !snap_received(&target.snap, (void *)changed.data, &at) && !at &&
			  !snap_received(&target.snap, (void *)later.data, &at) && at,
		  "another state is half received");
	side_fill(&target, 'w', 88, 1);
	tap_check(receive_all(&target, &later) == -ECANCELED &&
			  !volume_io(&target.vol, REQ_OP_READ, 88, shown, 1) && *shown == 'w',
		  "nor is lost what was written since it was broken off");
	give_up();
	assert(!send_state(&changed, "one", "two", two, MARK));
	tap_check(receive_all(&target, &changed) == -ECANCELED, "the beginning is missing");
	volume_message(&target.vol, "take two");
	tap_check(receive_all(&target, &later) == -ECANCELED, "another state has the name");
	give_up();
	new_side(&fresh, 'F');
	tap_check(receive_all(&fresh, &later) == -ECANCELED, "no state to begin with");
	side_fill(&fresh, 'f', 0, 1);
	tap_check(receive_all(&fresh, &full) == -ECANCELED, "nor where something was written");
	free_side(&fresh);
}

/* A state that shows BASE has the transaction, but not the content of the sender's. */
static void base_shines_through(void)
{
	struct side copy = { .snap.name = "copy", .chunk = 8 };
	char uuid[2 * SS_UUID_SIZE + 1], origin[2 * SS_UUID_SIZE + 1];
	struct stream_header *header = (void *)full.data;

	new_side(&copy, 'C');
	snap_format_uuid(uuid, header->to);
	side_fill(&copy, 'a', 0, 2047);
	snap_format_uuid(origin, header->to_origin);
	tap_check(!volume_message(&copy.vol, "receive one - 0 %llu %s %s 1",
				  ss_written(copy.vol.volume), uuid, origin),
		  "a state of that take");
	tap_check(receive_all(&copy, &later) == -ECANCELED, "of which a sector is that of BASE");
	free_side(&copy);
}

/* What the volumes of a group have of one take has one transaction, but not one content. */
static void other_member(void)
{
	struct side wal = { .snap.name = "wal", .chunk = 8, .group = "db" };
	struct side data = { .snap.name = "data", .chunk = 8, .group = "db" };
	struct side copy = { .snap.name = "copy", .chunk = 8 };
	u8 *tuesday = malloc(sizeof(shown));
	static struct sent other;

	new_side(&data, 'D');
	new_side(&wal, 'W');
	side_fill(&data, 'd', 0, 400);
	side_fill(&wal, 'w', 200, 300);
	assert(!volume_message(&data.vol, "take monday"));
	assert(side_shows(&data, shown) && !send_of(&data, &changed, NULL, "monday", shown, 0));
	side_fill(&data, 'e', 10, 300);
	side_fill(&wal, 'v', 900, 100);
	assert(!volume_message(&data.vol, "take tuesday"));
	new_side(&copy, 'C');
	assert(!receive_all(&copy, &changed));
	assert(side_shows(&wal, shown) && !send_of(&wal, &other, "monday", "tuesday", shown, 0));
	tap_check(receive_all(&copy, &other) == -ECANCELED && !has(&copy, "tuesday"),
		  "what another volume has since the same take");
	assert(side_shows(&data, shown) && !send_of(&data, &other, "monday", "tuesday", shown, 0));
	assert(receive(&copy, &other, other.record[other.n_records - 1]) == -EPIPE);
	assert(!volume_message(&copy.vol, "restore monday"));
	assert(side_shows(&wal, shown) && !send_of(&wal, &changed, NULL, "tuesday", shown, 0));
	tap_check(receive_all(&copy, &changed) == -ECANCELED,
		  "nor goes it on where the other was broken off");
	assert(!volume_io(&data.vol, REQ_OP_READ, 0, tuesday, SECTORS));
	tap_check(!receive_all(&copy, &other) && has_state(&copy, "tuesday", tuesday),
		  "its own does");
	free(tuesday);
	free_side(&copy);
	free_side(&wal);
	free_side(&data);
}

/* The newest record of the states is lost, and the one before counts. */
static void salvage(struct side *side)
{
	unsigned int slot = test_bit(0, side->vol.volume->current_slot[SS_KIND_LAYER]);

	volume_close(&side->vol);
	side->store->now[(SS_LAYER_BLOCK + slot) * SS_BLOCK_SIZE + 100] ^= 1;
	assert(checker_check(side->store->fd) == LOST);
	assert(!checker_repair(side->store->fd, true) && !open_side(side));
}

/* What is made of a damaged store may be older than it was: it is not taken for what it was. */
static void salvaged(void)
{
	struct side copy = { .snap.name = "copy", .chunk = 8 };
	struct side third = { .snap.name = "third", .chunk = 8 };
	u8 *mine = malloc(sizeof(shown));
	static struct sent sent;

	new_side(&copy, 'C');
	new_side(&third, '3');
	assert(!receive_all(&copy, &full));
	side_fill(&copy, 'm', 500, 100);
	assert(!volume_message(&copy.vol, "take mine") && side_shows(&copy, shown));
	memcpy(mine, shown, sizeof(shown));
	assert(!send_of(&copy, &sent, NULL, "mine", mine, 0) && !receive_all(&third, &sent));
	assert(!volume_message(&copy.vol, "take lost"));
	salvage(&copy);
	assert(has(&copy, "one") && has(&copy, "mine"));
	side_fill(&copy, 'n', 700, 10);
	assert(!volume_message(&copy.vol, "take next") && side_shows(&copy, shown));
	assert(!send_of(&copy, &sent, "mine", "next", shown, 0));
	tap_check(receive_all(&third, &sent) == -ECANCELED && !has(&third, "next"),
		  "nothing builds upon what was salvaged where it was taken");
	assert(!volume_message(&copy.vol, "restore one"));
	tap_check(receive_all(&copy, &later) == -ECANCELED && !has(&copy, "two"),
		  "nor where it was received");
	assert(!volume_message(&copy.vol, "restore next"));
	assert(side_shows(&copy, shown) && !send_of(&copy, &sent, NULL, "next", shown, 0));
	assert(!volume_message(&third.vol, "restore mine"));
	tap_check(!receive_all(&third, &sent), "what is taken since is whole");
	side_fill(&copy, 'p', 800, 10);
	assert(!volume_message(&copy.vol, "take later") && side_shows(&copy, shown));
	memcpy(mine, shown, sizeof(shown));
	assert(!send_of(&copy, &sent, "next", "later", mine, 0));
	tap_check(!receive_all(&third, &sent) && has_state(&third, "later", mine),
		  "and more builds upon it");
	free(mine);
	free_side(&third);
	free_side(&copy);
}

/* A part that was salvaged is not gone on with, by any name, and still is one. */
static void salvaged_part(void)
{
	struct side copy = { .snap.name = "copy", .chunk = 8 };

	new_side(&copy, 'C');
	assert(receive(&copy, &full, full.record[full.n_records - 1]) == -EPIPE);
	assert(!volume_message(&copy.vol, "take lost"));
	salvage(&copy);
	assert(has(&copy, STREAM_RECEIVING));
	tap_check(receive_all(&copy, &full) == -ECANCELED && !has(&copy, "one"),
		  "a part that was salvaged is of nothing");
	tap_check(snap_runs_part(&copy.snap) == 1, "and is a part");
	free_side(&copy);
}

/* From hand to hand it is the same state, unless it shows what is not the sender's. */
static void sent_on(void)
{
	struct ss_volume_args args = { .chunk_sectors = 8, .sectors = SECTORS };
	struct side copy = { .snap = { "copy", side_message }, .chunk = 8 };
	struct side third = { .snap.name = "third", .chunk = 8 };

	copy.base = disk_new(SECTORS + 128);
	copy.store = disk_new(STORE_SECTORS);
	assert(!volume_open(&copy.vol, "copy", copy.base, copy.store, &args));
	new_side(&third, '3');
	assert(!receive_all(&copy, &full));
	tap_check(!send_of(&copy, &changed, NULL, "one", one, 0) &&
			  !receive_all(&third, &changed) && has_state(&third, "one", one),
		  "what was received is sent on");
	tap_check(!receive_all(&third, &later) && has_state(&third, "two", two),
		  "what the first sends builds upon it");
	assert(!volume_reload(&copy.vol, SECTORS + 128));
	tap_check(send_of(&copy, &changed, NULL, "one", one, 0) == -EXDEV,
		  "since the volume has grown it is another");
	source.has_other_base = true;
	tap_check(send_state(&changed, NULL, "one", one, 0) == -EMEDIUMTYPE,
		  "nor is one that shows another base disk what was taken");
	source.has_other_base = false;
	free_side(&third);
	free_side(&copy);
}

/* What came of a state, and was kept by another name, is not that state. */
static void renamed_part(void)
{
	u8 *part = malloc(sizeof(shown));
	struct side copy = { .snap.name = "copy", .chunk = 8 };

	give_up();
	assert(receive(&target, &later, later.record[later.n_records - 1]) == -EPIPE);
	tap_check(send_of(&target, &changed, NULL, STREAM_RECEIVING, shown, 0) == -EINVAL,
		  "a part is not sent");
	assert(!volume_message(&target.vol, "rename %s part", STREAM_RECEIVING));
	assert(!volume_message(&target.vol, "restore part"));
	assert(!volume_io(&target.vol, REQ_OP_READ, 0, part, SECTORS));
	assert(!send_state(&changed, "two", "three", three, 0));
	tap_check(receive_all(&target, &changed) == -ECANCELED && !has(&target, "three"),
		  "nothing builds upon a part, by whatever name");
	assert(!volume_message(&target.vol, "restore one"));
	tap_check(!receive_all(&target, &later) && has_state(&target, "two", two) &&
			  has_state(&target, "part", part),
		  "all of it comes beside it");
	assert(!send_of(&target, &changed, NULL, "part", part, 0));
	new_side(&copy, 'C');
	assert(!receive_all(&copy, &changed));
	tap_check(has_state(&copy, "part", part), "which may be sent as what it is");
	assert(!send_state(&changed, "two", "three", three, 0));
	tap_check(receive_all(&copy, &changed) == -ECANCELED, "and is not taken for more there");
	free_side(&copy);
	give_up();
	volume_message(&target.vol, "delete part");
	free(part);
}

static int answer_nothing(const struct snap_volume *snap, const char *text, char **answer)
{
	(void)snap;
	(void)text;
	(void)answer;
	return -EIO;
}

/* Nobody starts from a part, whatever it is called or what was taken above it. */
static void runs_a_part(void)
{
	const struct snap_volume broken = { "broken", answer_nothing };
	char above[SS_NAME_MAX + 1] = "";

	give_up();
	tap_check(!snap_runs_part(&target.snap) && !snap_needs_part(&target.snap, "one", above) &&
			  snap_runs_part(&broken) < 0,
		  "what runs is no part, or nobody knows");
	target.is_killed = true;
	assert(receive(&target, &later, later.record[later.n_records - 1]) == -EPIPE);
	target.is_killed = false;
	tap_check(snap_runs_part(&target.snap) == 1 &&
			  snap_needs_part(&target.snap, STREAM_RECEIVING, above) == 1 &&
			  !strcmp(above, "-"),
		  "a part runs after a kill, and stays");
	assert(!volume_message(&target.vol, "take nightly"));
	tap_check(snap_runs_part(&target.snap) == 1, "also if a state was taken above it");
	assert(!volume_message(&target.vol, "rename %s part", STREAM_RECEIVING));
	tap_check(snap_runs_part(&target.snap) == 1 &&
			  snap_needs_part(&target.snap, "part", above) == 1,
		  "or if it has another name");
	assert(!volume_message(&target.vol, "restore one"));
	tap_check(!snap_runs_part(&target.snap) &&
			  snap_needs_part(&target.snap, "part", above) == 1 &&
			  !strcmp(above, "nightly"),
		  "what was taken above it needs it");
	assert(!volume_message(&target.vol, "delete nightly"));
	tap_check(!snap_needs_part(&target.snap, "part", above), "without that it may go");
	assert(!volume_message(&target.vol, "delete part"));
}

/* Notes by hand: one that says more than there is would make a state of nothing. */
static void wrong_notes(void)
{
	char *note[3], uuid[2 * SS_UUID_SIZE + 1], origin[2 * SS_UUID_SIZE + 1];
	struct stream_header *header = (void *)later.data;
	unsigned int i, failed = 0;

	snap_format_uuid(uuid, header->to);
	snap_format_uuid(origin, header->to_origin);
	assert(asprintf(&note[0], "at %u of %s %s", SECTORS * 512 + 4096, uuid, origin) > 0 &&
	       asprintf(&note[1], "at 4096foo of %s %s", uuid, origin) > 0 &&
	       asprintf(&note[2], "at 4096 of %s %sx", uuid, origin) > 0);
	for (i = 0; i < 3; i++) {
		give_up();
		assert(!volume_message(&target.vol, "take %s %s", STREAM_RECEIVING, note[i]));
		failed += receive_all(&target, &later) != -ECANCELED || has(&target, "two");
		free(note[i]);
	}
	tap_check(!failed, "a note that is none of ours");
}

/* What holds nothing yet is in nobody's way. */
static void nothing_came(void)
{
	give_up();
	assert(receive(&target, &later, later.record[0] + 10) == -EPIPE);
	assert(!send_state(&changed, "one", "three", three, 0));
	tap_check(!receive_all(&target, &changed) && has_state(&target, "three", three),
		  "another state comes after one of which nothing did");
	give_up();
	volume_message(&target.vol, "delete three");
}

static int become(const char *name, const char *replaced, const char *uuid)
{
	return volume_message(&target.vol, "receive %s %s %llu %llu %s %s 5 a note", name, replaced,
			      target.vol.volume->restores, ss_written(target.vol.volume), uuid,
			      uuid);
}

/* What the message itself refuses. */
static void the_message(void)
{
	const char *uuid = "00112233445566778899aabbccddeeff";
	const char *none = "00000000000000000000000000000000";

	give_up();
	side_fill(&target, 'm', 0, 8);
	tap_check(become("m", "-", none) == -EINVAL && become("m", "-", "0011") == -EINVAL &&
			  become("-", "-", uuid) == -EINVAL &&
			  become("m", "-", uuid + 1) == -EINVAL &&
			  become("m", "-", "0011223344556677x899aabbccddeeff") == -EINVAL,
		  "what makes no sense");
	tap_check(volume_message(&target.vol, "receive m - %llu 0 %s - 5",
				 target.vol.volume->restores, uuid) == -EINVAL &&
			  volume_message(&target.vol, "receive m - x 0 %s %s 5", uuid, uuid) ==
				  -EINVAL &&
			  volume_message(&target.vol, "receive m - 0 x %s %s 5", uuid, uuid) ==
				  -EINVAL,
		  "or is not whole");
	tap_check(volume_message(&target.vol, "receive m - %llu %llu %s %s 5",
				 target.vol.volume->restores + 1, ss_written(target.vol.volume),
				 uuid, uuid) == -ESTALE,
		  "or is about what ran before");
	tap_check(volume_message(&target.vol, "receive m - %llu %llu %s %s 5",
				 target.vol.volume->restores, ss_written(target.vol.volume) - 8,
				 uuid, uuid) == -ETXTBSY,
		  "or about less than what was written");
	tap_check(become("one", "-", uuid) == -EEXIST, "a name that is in use");
	tap_check(become("m", "nothing", uuid) == -ENOENT, "in place of none");
	tap_check(!become("m", "-", uuid), "is refused, but no more");
	tap_check(become("n", "-", uuid) == -ENOTUNIQ, "a transaction is that of one state");
	side_fill(&target, 'n', 8, 8);
	tap_check(!become("n", "m", uuid) && !has(&target, "m"),
		  "of the one that is replaced, too");
	volume_message(&target.vol, "restore one");
	tap_check(become("o", "n", uuid) == -ESTALE && has(&target, "n"),
		  "what runs is above what is replaced");
	reopen_target(true);
	tap_check(!volume_message(&target.vol, "restore n") &&
			  !volume_io(&target.vol, REQ_OP_READ, 0, shown, 16) && shown[0] == 'm' &&
			  shown[8 * 512] == 'n',
		  "it is durable");
	volume_message(&target.vol, "delete n");
}

int main(void)
{
	tap_plan(66);
	sides_begin();
	whole();
	cut_off();
	cut_off_whole();
	damaged();
	rearranged();
	refused();
	base_shines_through();
	other_member();
	salvaged();
	salvaged_part();
	sent_on();
	renamed_part();
	runs_a_part();
	nothing_came();
	wrong_notes();
	the_message();
	sides_end();
	return tap_done();
}
