// SPDX-License-Identifier: GPL-2.0
/*
 * What the programs share that send states; see sides.h.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "sides.h"

struct side source = { .snap.name = "source", .chunk = 8 };
struct side target = { .snap.name = "target", .chunk = 16 };
u8 one[SECTORS * 512], two[SECTORS * 512], three[SECTORS * 512], shown[SECTORS * 512];
struct sent full, later, changed;

int side_message(const struct snap_volume *snap, const char *text, char **answer)
{
	struct side *side = container_of(snap, struct side, snap);

	if (side->at_message)
		side->at_message(side);
	if (side->is_silent) {
		side->is_silent = false;
		side->n_restores = 0;
		return -EIO;
	}
	if (!answer)
		return volume_message(&side->vol, "%s", text);
	*answer = volume_answer(&side->vol, 1 << 16, "%s", text);
	return *answer ? 0 : -EINVAL;
}

int open_side(struct side *side)
{
	struct ss_volume_args args = { .chunk_sectors = side->chunk };

	if (side->group)
		snprintf(args.group, sizeof(args.group), "%s", side->group);
	return volume_open(&side->vol, side->snap.name, side->base, side->store, &args);
}

void new_side(struct side *side, u8 byte)
{
	side->snap.message = side_message;
	side->base = disk_new(SECTORS);
	memset(side->base->now, byte, SECTORS * 512);
	side->store = disk_new(STORE_SECTORS);
	assert(!open_side(side));
}

void free_side(struct side *side)
{
	volume_close(&side->vol);
	disk_free(side->base);
	disk_free(side->store);
}

void side_fill(struct side *side, u8 byte, sector_t sector, unsigned int sectors)
{
	u8 *data = malloc(sectors * 512);

	memset(data, byte, sectors * 512);
	assert(!volume_io(&side->vol, REQ_OP_WRITE, sector, data, sectors));
	free(data);
}

bool side_shows(struct side *side, const u8 *content)
{
	assert(!volume_io(&side->vol, REQ_OP_READ, 0, shown, SECTORS));
	return !memcmp(shown, content, sizeof(shown));
}

bool has(const struct side *side, const char *name)
{
	struct snap_states states;
	bool found;

	assert(!snap_read_states(&side->snap, &states));
	found = snap_find_state(&states, name);
	free(states.state);
	return found;
}

/* A state, which runs then. */
bool has_state(struct side *side, const char *name, const u8 *content)
{
	return !volume_message(&side->vol, "restore %s", name) && side_shows(side, content);
}

static int read_view(void *view, uint64_t sector, void *data, size_t sectors)
{
	memcpy(data, (u8 *)view + sector * 512, sectors * 512);
	return 0;
}

static int send_to(int fd, const struct side *side, const char *from, const char *to,
		   const u8 *content, sector_t at)
{
	struct snap_sender sender = {
		.volume = &side->snap,
		.from = from,
		.to = to,
		.at = at,
		.mark = MARK,
		.sectors = side->vol.args.sectors,
		.has_other_base = side->has_other_base,
		.view = (void *)content,
		.read = read_view,
		.fd = fd,
	};
	struct stream_header header;
	int ret = snap_prepare_send(&sender, &header);

	return ret ? ret : snap_send(&sender, &header);
}

static void find_records(struct sent *sent)
{
	size_t at = sizeof(struct stream_header);
	struct stream_record record;

	for (sent->n_records = 0; at < sent->size; sent->n_records++) {
		assert(sent->n_records < RECORDS);
		sent->record[sent->n_records] = at;
		memcpy(&record, sent->data + at, sizeof(record));
		at += sizeof(record);
		if (le32toh(record.type) == STREAM_DATA)
			at += le64toh(record.sectors) * 512;
	}
	assert(at == sent->size);
}

int send_of(const struct side *side, struct sent *sent, const char *from, const char *to,
	    const u8 *content, sector_t at)
{
	int fd = memfd_create("sent", 0);
	int ret = send_to(fd, side, from, to, content, at);

	sent->size = lseek(fd, 0, SEEK_CUR);
	assert(sent->size <= sizeof(sent->data));
	assert(pread(fd, sent->data, sent->size, 0) == (ssize_t)sent->size);
	close(fd);
	if (!ret)
		find_records(sent);
	return ret;
}

int send_state(struct sent *sent, const char *from, const char *to, const u8 *content, sector_t at)
{
	return send_of(&source, sent, from, to, content, at);
}

/* As a disk with blocks of 4 KiB, past the page cache. */
static int write_target(void *disk, uint64_t sector, const void *data, size_t sectors)
{
	struct side *side = disk;

	if ((sector | sectors) % 8)
		return -EINVAL;
	side->writes++;
	if (side->at_write)
		side->at_write(side);
	if (side->is_broken) {
		volume_io(&side->vol, REQ_OP_WRITE, sector, (void *)data, 8);
		return -EIO;
	}
	return volume_io(&side->vol, REQ_OP_WRITE, sector, (void *)data, sectors);
}

static int zero_target(void *disk, uint64_t sector, uint64_t sectors)
{
	struct side *side = disk;

	if ((sector | sectors) % 8)
		return -EINVAL;
	return volume_io(&side->vol, REQ_OP_WRITE_ZEROES, sector, NULL, sectors);
}

static int check_target(void *disk)
{
	struct side *side = disk;

	return side->in_use ? -EADDRINUSE : 0;
}

static int restore_target(void *disk, const char *state)
{
	struct side *side = disk;

	if (side->is_killed && strcmp(state, STREAM_RECEIVING))
		return -EIO;
	side->n_restores++;
	return volume_message(&side->vol, "restore %s", state);
}

static bool target_is_reaping(void *disk)
{
	struct side *side = disk;

	return side->is_reaping;
}

/* As much of it as there is. */
int receive(struct side *side, const struct sent *sent, size_t size)
{
	int fd = memfd_create("received", 0);
	struct snap_receiver receiver = {
		.volume = &side->snap,
		.sectors = side->vol.args.sectors,
		.disk = side,
		.write = write_target,
		.zero = zero_target,
		.check = check_target,
		.restore = restore_target,
		.is_reaping = target_is_reaping,
		.fd = fd,
	};
	struct stream_header header;
	int ret;

	assert(write(fd, sent->data, size) == (ssize_t)size);
	lseek(fd, 0, SEEK_SET);
	ret = snap_receive(&receiver, &header);
	close(fd);
	return ret;
}

int receive_all(struct side *side, const struct sent *sent)
{
	return receive(side, sent, sent->size);
}

/* The target has only the state one, which runs. */
void give_up(void)
{
	assert(!volume_message(&target.vol, "restore one"));
	if (has(&target, STREAM_RECEIVING))
		assert(!volume_message(&target.vol, "delete %s", STREAM_RECEIVING));
	if (has(&target, "two"))
		assert(!volume_message(&target.vol, "delete two"));
}

/* Data, zeroes, what is of BASE, and pieces of a chunk. */
static void make_source(void)
{
	struct test_volume *vol = &source.vol;

	new_side(&source, 'S');
	side_fill(&source, 'a', 0, 700);
	volume_io(vol, REQ_OP_WRITE_ZEROES, 300, NULL, 600);
	assert(!volume_message(vol, "take one the first of them"));
	assert(!volume_io(vol, REQ_OP_READ, 0, one, SECTORS));
	side_fill(&source, 'b', 3, 2);
	side_fill(&source, 'b', 250, 300);
	volume_io(vol, REQ_OP_WRITE_ZEROES, 128, NULL, 128);
	volume_io(vol, REQ_OP_WRITE_ZEROES, 1500, NULL, 200);
	side_fill(&source, 'b', 1000, 1);
	side_fill(&source, 'b', 2047, 1);
	assert(!volume_message(vol, "take two"));
	assert(!volume_io(vol, REQ_OP_READ, 0, two, SECTORS));
	side_fill(&source, 'c', 500, 900);
	assert(!volume_message(vol, "take three"));
	assert(!volume_io(vol, REQ_OP_READ, 0, three, SECTORS));
}

/* The power goes, or the table. */
void reopen_target(bool power)
{
	u8 *image = malloc(STORE_SECTORS * 512);

	if (power)
		disk_lose_power(target.store, image);
	volume_close(&target.vol);
	if (power)
		disk_set(target.store, image);
	free(image);
	assert(!open_side(&target));
}

void sides_begin(void)
{
	make_source();
	new_side(&target, 'T');
}

void sides_end(void)
{
	free_side(&source);
	free_side(&target);
}
