/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as dm-snapsync's own code needs to run in user space:
 * one thread, no interrupts, work that runs when the test says so, and disks
 * that lose what was not flushed (disk.c). All of <linux/...> that the module
 * includes leads here.
 */
#ifndef SNAPUSER_KERNEL_H
#define SNAPUSER_KERNEL_H

#include <asm/types.h>
#include <assert.h>
#include <ctype.h>
#include <endian.h>
#include <errno.h>
#include <limits.h>
#include <linux/types.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* Names of the C library that the kernel has not. */
#define rename test_rename

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s64 s64;
typedef u64 sector_t;
typedef unsigned int blk_opf_t;
typedef unsigned int blk_mode_t;
typedef u8 blk_status_t;
typedef unsigned int gfp_t;
typedef s64 ktime_t;
typedef struct {
	int counter;
} atomic_t;

#define __percpu
#define __acquires(x)
#define __releases(x)
#define __acquire(x)
#define __release(x)
#define __init
#define __exit
#define __maybe_unused __attribute__((unused))
#define THIS_MODULE NULL
#define MODULE_DESCRIPTION(x)
#define MODULE_LICENSE(x)

/* Numbers */
#define BIT(n) (1UL << (n))
#define U32_MAX UINT32_MAX
#define S32_MAX INT32_MAX
#define S64_MAX INT64_MAX
#define BITS_PER_LONG 64
#define BIT_WORD(n) ((n) / BITS_PER_LONG)
#define BITS_TO_LONGS(n) (((n) + 63) / 64)
#define PAGE_SIZE 4096UL
#define SECTOR_SHIFT 9
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define DIV_ROUND_UP_ULL(n, d) DIV_ROUND_UP((unsigned long long)(n), d)
#define round_up(x, y) (DIV_ROUND_UP(x, y) * (y))
#define round_down(x, y) ((x) / (y) * (y))
#define PAGE_ALIGN(x) round_up(x, PAGE_SIZE)
#define min_t(type, a, b)                          \
	({                                         \
		type min_a_ = (a), min_b_ = (b);   \
		min_a_ < min_b_ ? min_a_ : min_b_; \
	})
#define max_t(type, a, b)                          \
	({                                         \
		type max_a_ = (a), max_b_ = (b);   \
		max_a_ > max_b_ ? max_a_ : max_b_; \
	})
#define min(a, b) min_t(typeof((a) + (b)), a, b)
#define max(a, b) max_t(typeof((a) + (b)), a, b)
#define max3(a, b, c) max(max(a, b), c)
#define swap(a, b)                     \
	({                             \
		typeof(a) swap_ = (a); \
		(a) = (b);             \
		(b) = swap_;           \
	})
#define ilog2(n) (63 - __builtin_clzll(n))
#define __ffs(n) ((unsigned int)__builtin_ctzl(n))
#define fls(n) ((n) ? 32 - __builtin_clz(n) : 0)
#define is_power_of_2(n) ((n) && !((n) & ((n)-1)))
#define div_u64(n, d) ((u64)(n) / (d))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))
#define struct_size(p, member, n) (sizeof(*(p)) + sizeof((p)->member[0]) * (n))

static inline int kstrtou64(const char *text, unsigned int radix, u64 *value)
{
	char *end;

	*value = strtoull(text, &end, radix);
	return *text && !*end ? 0 : -EINVAL;
}

static inline char *bin2hex(char *text, const void *bytes, size_t count)
{
	const u8 *byte = bytes;

	for (; count; count--, text += 2)
		sprintf(text, "%02x", *byte++);
	return text;
}

static inline int hex2bin(u8 *bytes, const char *text, size_t count)
{
	for (; count; count--, text += 2)
		if (!isxdigit(text[0]) || !isxdigit(text[1]) || sscanf(text, "%2hhx", bytes++) != 1)
			return -EINVAL;
	return 0;
}

static inline u64 div64_u64_rem(u64 n, u64 d, u64 *rest)
{
	*rest = n % d;
	return n / d;
}

#define cpu_to_le16 htole16
#define cpu_to_le32 htole32
#define cpu_to_le64 htole64
#define le16_to_cpu le16toh
#define le32_to_cpu le32toh
#define le64_to_cpu le64toh

/* Memory order: one thread */
#define READ_ONCE(x) (*(const volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile typeof(x) *)&(x) = (value))
#define smp_load_acquire(p) READ_ONCE(*(p))
#define smp_store_release(p, value) WRITE_ONCE(*(p), value)
#define smp_mb__after_atomic() ((void)0)
#define smp_rmb() ((void)0)
#define smp_wmb() ((void)0)
#define smp_mb() ((void)0)
#define rcu_read_lock() ((void)0)
#define rcu_read_unlock() ((void)0)

#define atomic_read(v) ((v)->counter)
#define atomic_set(v, n) ((v)->counter = (n))
#define atomic_inc(v) ((v)->counter++)
#define atomic_dec(v) ((v)->counter--)
#define atomic_add(n, v) ((v)->counter += (n))
#define atomic_sub(n, v) ((v)->counter -= (n))
#define atomic_dec_and_test(v) (!--(v)->counter)

#define WARN_ON_ONCE(x)       \
	({                    \
		assert(!(x)); \
		false;        \
	})
#define BUILD_BUG_ON(x) _Static_assert(!(x), #x)

/* Bits */
#define DECLARE_BITMAP(name, bits) unsigned long name[BITS_TO_LONGS(bits)]

static inline bool test_bit(unsigned long n, const unsigned long *map)
{
	return map[n / 64] >> n % 64 & 1;
}

static inline void __set_bit(unsigned long n, unsigned long *map)
{
	map[n / 64] |= 1UL << n % 64;
}

static inline void __clear_bit(unsigned long n, unsigned long *map)
{
	map[n / 64] &= ~(1UL << n % 64);
}

static inline void __change_bit(unsigned long n, unsigned long *map)
{
	map[n / 64] ^= 1UL << n % 64;
}

static inline void __assign_bit(unsigned long n, unsigned long *map, bool value)
{
	value ? __set_bit(n, map) : __clear_bit(n, map);
}

static inline bool test_and_set_bit(unsigned long n, unsigned long *map)
{
	bool was = test_bit(n, map);

	__set_bit(n, map);
	return was;
}

static inline bool test_and_clear_bit(unsigned long n, unsigned long *map)
{
	bool was = test_bit(n, map);

	__clear_bit(n, map);
	return was;
}

static inline unsigned long find_next_value(const unsigned long *map, unsigned long size,
					    unsigned long from, bool value)
{
	while (from < size && test_bit(from, map) != value) {
		if (!(from % 64) && from + 64 <= size && map[from / 64] == (value ? 0 : ~0UL))
			from += 64;
		else
			from++;
	}
	return from < size ? from : size;
}

#define find_next_bit(map, size, from) find_next_value(map, size, from, true)
#define find_next_zero_bit(map, size, from) find_next_value(map, size, from, false)
#define for_each_set_bit(bit, map, size)                          \
	for ((bit) = find_next_bit(map, size, 0); (bit) < (size); \
	     (bit) = find_next_bit(map, size, (bit) + 1))

static inline unsigned long find_last_bit(const unsigned long *map, unsigned long size)
{
	unsigned long at = size;

	while (at--)
		if (test_bit(at, map))
			return at;
	return size;
}

static inline void bitmap_set(unsigned long *map, unsigned int start, unsigned int n)
{
	while (n--)
		__set_bit(start++, map);
}

static inline void bitmap_clear(unsigned long *map, unsigned int start, unsigned int n)
{
	while (n--)
		__clear_bit(start++, map);
}

#define bitmap_bytes(bits) (BITS_TO_LONGS(bits) * sizeof(long))
#define bitmap_zero(map, bits) memset(map, 0, bitmap_bytes(bits))
#define bitmap_copy(to, from, bits) memcpy(to, from, bitmap_bytes(bits))
#define bitmap_empty(map, bits) (find_next_bit(map, bits, 0) >= (bits))

static inline bool bitmap_intersects(const unsigned long *a, const unsigned long *b,
				     unsigned int bits)
{
	unsigned int i;

	for (i = 0; i < bits / BITS_PER_LONG; i++)
		if (a[i] & b[i])
			return true;
	return false;
}

static inline bool bitmap_andnot(unsigned long *to, const unsigned long *a, const unsigned long *b,
				 unsigned int bits)
{
	unsigned long any = 0;
	unsigned int i;

	for (i = 0; i < BITS_TO_LONGS(bits); i++)
		any |= to[i] = a[i] & ~b[i];
	return any;
}

/* Text */
#define strscpy(to, from, size) ((void)snprintf(to, size, "%s", from))

static inline void strscpy_pad(char *to, const char *from, size_t size)
{
	memset(to, 0, size);
	strscpy(to, from, size);
}

static inline size_t strlcat(char *to, const char *from, size_t size)
{
	size_t length = strlen(to);

	return length + snprintf(to + length, size - length, "%s", from);
}

static inline void *memchr_inv(const void *at, int byte, size_t size)
{
	const u8 *p = at;

	for (; size; size--, p++)
		if (*p != (u8)byte)
			return (void *)p;
	return NULL;
}

/* Memory; an allocation fails when the test wants it */
enum { GFP_KERNEL = 1, GFP_NOIO = 2, __GFP_ZERO = 4, __GFP_NOWARN = 8, __GFP_NORETRY = 16 };
extern size_t test_alloc_max; /* larger ones fail, if it is set */
void *test_alloc(size_t size, gfp_t gfp);

#define kmalloc(size, gfp) test_alloc(size, gfp)
#define kzalloc(size, gfp) test_alloc(size, (gfp) | __GFP_ZERO)
#define kvzalloc kzalloc
#define vzalloc(size) kzalloc(size, GFP_KERNEL)
#define kvcalloc(n, size, gfp) kzalloc((n) * (size), gfp)
#define kvmalloc kmalloc
#define __vmalloc kmalloc
#define __get_free_page(gfp) ((unsigned long)test_alloc(PAGE_SIZE, gfp))
#define kfree free
#define kvfree free
#define vfree free
#define free_page(p) free((void *)(p))
#define memalloc_noio_save() 0U
#define memalloc_noio_restore(noio) ((void)(noio))

#define ERR_PTR(error) ((void *)(long)(error))
#define PTR_ERR(p) ((long)(p))
#define IS_ERR(p) ((unsigned long)(p) > -4096UL)
#define IS_ERR_OR_NULL(p) (!(p) || IS_ERR(p))

/* Locks: taking one twice is found */
struct mutex {
	bool held;
};
typedef struct mutex raw_spinlock_t;
typedef struct mutex spinlock_t;
extern unsigned int test_locks;

static inline void mutex_lock(struct mutex *lock)
{
	assert(!lock->held);
	lock->held = true;
	test_locks++;
}

static inline int mutex_lock_killable(struct mutex *lock)
{
	mutex_lock(lock);
	return 0;
}

static inline bool mutex_trylock(struct mutex *lock)
{
	if (!lock->held)
		test_locks++;
	return !lock->held && (lock->held = true);
}

static inline void mutex_unlock(struct mutex *lock)
{
	assert(lock->held);
	lock->held = false;
	test_locks--;
}

#define DEFINE_MUTEX(name) struct mutex name
#define mutex_init(lock) ((lock)->held = false)
#define raw_spin_lock_init mutex_init
#define spin_lock_init mutex_init
#define raw_spin_lock mutex_lock
#define raw_spin_unlock mutex_unlock
#define raw_spin_lock_nest_lock(lock, outer) mutex_lock(lock)
#define raw_spin_lock_irq mutex_lock
#define raw_spin_unlock_irq mutex_unlock
#define spin_lock_irq mutex_lock
#define spin_unlock_irq mutex_unlock
#define raw_spin_lock_irqsave(lock, flags) ((flags) = 0, mutex_lock(lock))
#define raw_spin_unlock_irqrestore(lock, flags) ((void)(flags), mutex_unlock(lock))
#define spin_lock_irqsave raw_spin_lock_irqsave
#define spin_unlock_irqrestore raw_spin_unlock_irqrestore
#define local_irq_save(flags) ((flags) = 0)
#define local_irq_restore(flags) ((void)(flags))
#define lockdep_assert_held(lock) assert((lock)->held)

/* A change within a change is found. */
typedef struct {
	unsigned int sequence;
} seqcount_raw_spinlock_t;

#define seqcount_raw_spinlock_init(seq, lock) ((seq)->sequence = 0)
#define write_seqcount_begin(seq) assert(++(seq)->sequence & 1)
#define write_seqcount_end(seq) assert(!(++(seq)->sequence & 1))
#define read_seqcount_begin(seq) (assert(!((seq)->sequence & 1)), (seq)->sequence)
#define read_seqcount_retry(seq, start) ((seq)->sequence != (start))

/* One CPU */
#define alloc_percpu(type) ((type *)kzalloc(sizeof(type), GFP_KERNEL))
#define free_percpu free
#define per_cpu_ptr(p, cpu) (p)
#define this_cpu_ptr(p) (p)
#define this_cpu_inc(x) ((x)++)
#define this_cpu_dec(x) ((x)--)
#define this_cpu_add(x, n) ((x) += (n))
#define for_each_possible_cpu(cpu) for ((cpu) = 0; (cpu) < 1; (cpu)++)

/* Lists */
struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD(name) struct list_head name = { &(name), &(name) }
#define INIT_LIST_HEAD(list) ((list)->next = (list)->prev = (list))
#define list_empty(list) ((list)->next == (list))

static inline void list_add_tail(struct list_head *node, struct list_head *list)
{
	node->next = list;
	node->prev = list->prev;
	list->prev->next = node;
	list->prev = node;
}

static inline void list_del(struct list_head *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
}

static inline void list_del_init(struct list_head *node)
{
	list_del(node);
	INIT_LIST_HEAD(node);
}

#define list_entry container_of
#define list_first_entry(list, type, member) list_entry((list)->next, type, member)
#define list_for_each_entry(p, list, member)                                         \
	for (p = list_entry((list)->next, typeof(*p), member); &p->member != (list); \
	     p = list_entry(p->member.next, typeof(*p), member))

struct kref {
	int count;
};

#define kref_init(ref) ((ref)->count = 1)
#define kref_get(ref) ((void)(ref)->count++)

static inline void kref_put(struct kref *ref, void (*release)(struct kref *ref))
{
	if (!--ref->count)
		release(ref);
}

static inline void kref_put_mutex(struct kref *ref, void (*release)(struct kref *ref),
				  struct mutex *lock)
{
	if (--ref->count)
		return;
	mutex_lock(lock);
	release(ref);
}

/* Waiting: what is waited for has happened, or never would */
typedef struct {
	int unused;
} wait_queue_head_t;

struct completion {
	bool done;
};

void test_io_ended(void);

#define init_waitqueue_head(queue) ((void)(queue))
#define wq_has_sleeper(queue) false
#define wake_up(queue) ((void)(queue))
#define wait_event(queue, condition) assert(condition)
#define wait_event_killable(queue, condition) \
	({                                    \
		assert(condition);            \
		0;                            \
	})
#define wait_event_killable_timeout(queue, condition, time) \
	({                                                  \
		assert(condition);                          \
		1L;                                         \
	})
#define init_completion(completion) ((completion)->done = false)
#define complete(completion) ((completion)->done = true)
#define wait_for_completion(completion) (assert((completion)->done), test_io_ended())

/* Time and work */
#define HZ 100
#define NSEC_PER_USEC 1000L
#define NSEC_PER_SEC 1000000000L
extern unsigned long jiffies;
#define msecs_to_jiffies(ms) ((ms) / 10)
#define time_after_eq(a, b) ((long)((a) - (b)) >= 0)
#define msleep(ms) ((void)(ms))
#define cond_resched() ((void)0)
#define ktime_to_ns(time) (time)
ktime_t ktime_get_real(void);

struct timespec64 {
	s64 tv_sec;
	long tv_nsec;
};

#define ktime_to_timespec64(time) \
	((struct timespec64){ (time) / NSEC_PER_SEC, (time) % NSEC_PER_SEC })

static inline void time64_to_tm(s64 seconds, int offset, struct tm *tm)
{
	time_t time = seconds + offset;

	gmtime_r(&time, tm);
}

struct work_struct {
	void (*fn)(struct work_struct *work);
	struct list_head node;
	bool pending;
};

struct delayed_work {
	struct work_struct work;
	bool pending;
	unsigned long due;
	struct list_head node;
};

struct workqueue_struct {
	int unused;
};

enum { WQ_MEM_RECLAIM = 1, WQ_HIGHPRI = 2 };
#define to_delayed_work(work_) container_of(work_, struct delayed_work, work)
#define alloc_ordered_workqueue(fmt, flags, ...) \
	((struct workqueue_struct *)kzalloc(sizeof(struct workqueue_struct), GFP_KERNEL))
#define destroy_workqueue free
#define INIT_WORK(work_, fn_) ((work_)->fn = (fn_), (work_)->pending = false)
#define INIT_DELAYED_WORK(dwork, fn_) (INIT_WORK(&(dwork)->work, fn_), (dwork)->pending = false)
#define delayed_work_pending(dwork) ((dwork)->pending)
void queue_work(struct workqueue_struct *wq, struct work_struct *work);
void queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay);
void mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork, unsigned long delay);
void cancel_work_sync(struct work_struct *work);
void cancel_delayed_work_sync(struct delayed_work *dwork);
void test_run_work(void);
void test_pass_second(void);

/* Sums: lparctl's own */
u32 crc32c(u32 crc, const void *data, size_t size);
void generate_random_uuid(u8 *uuid);

static inline u32 hash_32(u32 value, unsigned int bits)
{
	return value * 0x61C88647U >> (32 - bits);
}

static inline u64 get_random_u64(void)
{
	return (u64)random() << 32 ^ random();
}

/* Disks, see disk.c */
struct block_device;
struct request_queue;
sector_t bdev_nr_sectors(const struct block_device *disk);
#define bdev_logical_block_size(disk) 512U

enum {
	REQ_OP_READ,
	REQ_OP_WRITE,
	REQ_OP_DISCARD,
	REQ_OP_WRITE_ZEROES,
	REQ_OP_MASK = 0xff,
	REQ_SYNC = 1 << 8,
	REQ_META = 1 << 9,
	REQ_FUA = 1 << 10,
	REQ_PREFLUSH = 1 << 11,
};

enum {
	BLK_STS_OK,
	BLK_STS_NOTSUPP,
	BLK_STS_NOSPC,
	BLK_STS_IOERR,
	BLK_STS_DM_REQUEUE,
	BLK_STS_RESOURCE,
};

struct bvec_iter {
	sector_t bi_sector;
};

/**
 * struct bio - one of the test's
 * @bi_iter: where on the disk
 * @sectors: length; @left of those that it had come later
 * @data: as long
 * @ended: for good
 * @private: what dm gives to the target
 */
struct bio {
	struct bvec_iter bi_iter;
	blk_opf_t bi_opf;
	blk_status_t bi_status;
	struct block_device *bi_bdev;
	unsigned int sectors;
	unsigned int left;
	void *data;
	bool ended;
	struct bio *bi_next;
	u64 private[8];
};

struct bio_list {
	struct bio *head, *tail;
};

#define BIO_EMPTY_LIST     \
	{                  \
		NULL, NULL \
	}
#define bio_list_init(list) ((list)->head = (list)->tail = NULL)
#define bio_list_empty(list) (!(list)->head)

static inline void bio_list_add(struct bio_list *list, struct bio *bio)
{
	bio->bi_next = NULL;
	if (list->tail)
		list->tail->bi_next = bio;
	else
		list->head = bio;
	list->tail = bio;
}

static inline void bio_list_add_head(struct bio_list *list, struct bio *bio)
{
	bio->bi_next = list->head;
	list->head = bio;
	if (!list->tail)
		list->tail = bio;
}

static inline struct bio *bio_list_pop(struct bio_list *list)
{
	struct bio *bio = list->head;

	if (bio && !(list->head = bio->bi_next))
		list->tail = NULL;
	return bio;
}

static inline void bio_list_merge(struct bio_list *to, struct bio_list *from)
{
	if (!from->head)
		return;
	if (to->tail)
		to->tail->bi_next = from->head;
	else
		to->head = from->head;
	to->tail = from->tail;
}

#define bio_op(bio) ((bio)->bi_opf & REQ_OP_MASK)
#define bio_sectors(bio) ((bio)->sectors)
#define bio_end_sector(bio) ((bio)->bi_iter.bi_sector + (bio)->sectors)
#define bio_set_dev(bio, disk) ((void)((bio)->bi_bdev = (disk)))
#define dm_per_bio_data(bio, size) \
	(assert((size) <= sizeof((bio)->private)), (void *)(bio)->private)

static inline void dm_accept_partial_bio(struct bio *bio, unsigned int sectors)
{
	assert(sectors && sectors <= bio->sectors);
	bio->left += bio->sectors - sectors;
	bio->sectors = sectors;
}

static inline void bio_advance(struct bio *bio, unsigned int bytes)
{
	assert(bytes / 512 <= bio->sectors);
	bio->bi_iter.bi_sector += bytes / 512;
	bio->sectors -= bytes / 512;
}

static inline void bio_endio(struct bio *bio)
{
	bio->ended = true;
}

static inline void bio_io_error(struct bio *bio)
{
	bio->bi_status = BLK_STS_IOERR;
	bio_endio(bio);
}

static inline void zero_fill_bio(struct bio *bio)
{
	memset(bio->data, 0, 512 * bio->sectors);
}

void submit_bio_noacct(struct bio *bio);
int blkdev_issue_flush(struct block_device *disk);
#define sync_blockdev(disk) ((void)(disk))
int blkdev_issue_zeroout(struct block_device *disk, sector_t sector, sector_t sectors, gfp_t gfp,
			 unsigned int flags);

/* dm-io */
enum { DM_IO_VMA, DM_IO_KMEM, IOPRIO_DEFAULT = 0 };
struct dm_io_client;
#define DM_IO_NOTIFY(name) void name(unsigned long error, void *context)
typedef DM_IO_NOTIFY((*io_notify_fn));

struct dm_io_region {
	struct block_device *bdev;
	sector_t sector;
	sector_t count;
};

struct dm_io_request {
	blk_opf_t bi_opf;
	struct {
		int type;
		union {
			void *vma;
			void *addr;
		} ptr;
	} mem;
	struct {
		void (*fn)(unsigned long error, void *context);
		void *context;
	} notify;
	struct dm_io_client *client;
};

int test_dm_io(struct dm_io_request *request, struct dm_io_region *region);
#define dm_io(request, n, region, errors, unsupported, prio) test_dm_io(request, region)
#define dm_io_client_create() ((struct dm_io_client *)kzalloc(1, GFP_KERNEL))
#define dm_io_client_destroy(client) free(client)

/* Device mapper */
#define DM_NAME_LEN 128
enum { DM_MAPIO_SUBMITTED, DM_MAPIO_REMAPPED, DM_MAPIO_KILL };
enum { DM_ENDIO_DONE, DM_ENDIO_INCOMPLETE };
struct gendisk;
struct target_type;

struct mapped_device {
	const char *name;
};

struct dm_table {
	struct mapped_device *md;
};

struct dm_target {
	struct dm_table *table;
	sector_t len;
};

#define dm_table_event(table) ((void)(table))
#define dm_table_get_md(table) ((table)->md)
#define dm_table_device_name(table) ((table)->md->name)
#define dm_disk(md) ((struct gendisk *)(md))
#define disk_devt(disk) ((dev_t)(long)(disk))

static inline int dm_copy_name_and_uuid(struct mapped_device *md, char *name, char *uuid)
{
	(void)uuid;
	snprintf(name, DM_NAME_LEN, "%s", md->name);
	return 0;
}

#define DMEMIT(...) \
	(sz += sz >= maxlen ? 0 : (unsigned int)snprintf(result + sz, maxlen - sz, __VA_ARGS__))

/* What the kernel log would say; the last is kept. */
extern char test_log[256];
void test_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define DMERR test_say
#define DMWARN test_say
#define DMINFO test_say
#define DMWARN_LIMIT test_say

#endif /* SNAPUSER_KERNEL_H */
