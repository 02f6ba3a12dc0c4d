/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel, and of KUnit, as those files of fcnpiv.ko need that neither
 * sleep nor lock nor look at the world. All that they include of the kernel's leads here.
 */
#ifndef FCNUSER_KERNEL_H
#define FCNUSER_KERNEL_H

#include <asm/types.h>
#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#define U32_MAX UINT32_MAX
#define U64_MAX UINT64_MAX
#define HZ 100
#define GFP_KERNEL 0
#define BITS_PER_LONG (8 * sizeof(long))

#define __printf(text, first) __attribute__((format(printf, text, first)))
#define fallthrough __attribute__((fallthrough))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define min_t(type, a, b) ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + BITS_PER_LONG - 1) / BITS_PER_LONG]
#define test_bit(bit, word) ((*(word) >> (bit)) & 1)
#define __set_bit(bit, word) (*(word) |= 1UL << (bit))

#define strscpy(to, from, size) ((void)snprintf(to, size, "%s", from))
#define scnprintf snprintf
#define kvcalloc(n, size, gfp) calloc(n, size)
#define kvfree free
#define kmalloc(size, gfp) malloc(size)
#define kfree free

struct kref {
	int count;
};

struct list_head {
	struct list_head *next, *prev;
};

struct mutex {
	int held;
};

struct work_struct {
	int pending;
};

struct delayed_work {
	struct work_struct work;
};

typedef struct {
	int counter;
} atomic_t;

#define atomic_inc_return(v) __atomic_add_fetch(&(v)->counter, 1, __ATOMIC_SEQ_CST)

struct netlink_ext_ack {
	const char *_msg;
};

struct sk_buff;
struct workqueue_struct;

static inline u32 get_unaligned_be32(const void *from)
{
	u32 value;

	memcpy(&value, from, sizeof(value));
	return be32toh(value);
}

static inline u64 get_unaligned_be64(const void *from)
{
	u64 value;

	memcpy(&value, from, sizeof(value));
	return be64toh(value);
}

static inline void put_unaligned_be16(u16 value, void *to)
{
	value = htobe16(value);
	memcpy(to, &value, sizeof(value));
}

static inline void put_unaligned_be32(u32 value, void *to)
{
	value = htobe32(value);
	memcpy(to, &value, sizeof(value));
}

static inline void put_unaligned_be64(u64 value, void *to)
{
	value = htobe64(value);
	memcpy(to, &value, sizeof(value));
}

static inline void get_random_bytes(void *to, size_t len)
{
	u8 *byte = to;

	while (len--)
		*byte++ = rand();
}

/* --- SCSI: no device answers --- */

#define PERSISTENT_RESERVE_IN 0x5e
#define ILLEGAL_REQUEST 5
#define REQ_OP_DRV_IN 0

struct scsi_device {
	u64 lun;
};

struct scsi_sense_hdr {
	u8 sense_key;
};

struct scsi_exec_args {
	struct scsi_sense_hdr *sshdr;
};

static inline bool scsi_sense_valid(const struct scsi_sense_hdr *sense)
{
	return sense->sense_key;
}

static inline int scsi_execute_cmd(struct scsi_device *sdev, const u8 *cdb, int op, void *buffer,
				   unsigned int len, int timeout, int retries,
				   const struct scsi_exec_args *args)
{
	return -EIO;
}

/* --- KUnit --- */

struct kunit {
	bool failed;
	struct memory *memory; /* freed when the case is over */
};

struct kunit_case {
	void (*run)(struct kunit *test);
	const char *name;
};

struct kunit_suite {
	const char *name;
	struct kunit_case *test_cases;
};

void suite_add(struct kunit_suite *suite);
void *suite_alloc(struct kunit *test, size_t size);
void suite_free(struct kunit *test, void *data);
void suite_fail(struct kunit *test, const char *file, int line, bool ends, const char *fmt, ...)
	__printf(5, 6);

#define KUNIT_CASE(function)                       \
	{                                          \
		.run = function, .name = #function \
	}

#define kunit_test_suites(suite)                                 \
	__attribute__((constructor)) static void add_suite(void) \
	{                                                        \
		suite_add(suite);                                \
	}

#define kunit_kzalloc(test, size, gfp) suite_alloc(test, size)
#define kunit_kfree(test, data) suite_free(test, data)

#define REQUIRE(test, ends, fine, ...)                                           \
	do {                                                                     \
		if (!(fine))                                                     \
			suite_fail(test, __FILE__, __LINE__, ends, __VA_ARGS__); \
	} while (0)

#define REQUIRE_EQ(test, ends, a, b)                                                         \
	do {                                                                                 \
		long long left = (long long)(a), right = (long long)(b);                     \
		REQUIRE(test, ends, left == right, "%s is %lld, not %lld", #a, left, right); \
	} while (0)

#define KUNIT_EXPECT_EQ(test, a, b) REQUIRE_EQ(test, false, a, b)
#define KUNIT_ASSERT_EQ(test, a, b) REQUIRE_EQ(test, true, a, b)
#define KUNIT_EXPECT_NE(test, a, b) REQUIRE(test, false, (a) != (b), "%s is %s", #a, #b)
#define KUNIT_ASSERT_NE(test, a, b) REQUIRE(test, true, (a) != (b), "%s is %s", #a, #b)
#define KUNIT_EXPECT_TRUE(test, a) REQUIRE(test, false, a, "not %s", #a)
#define KUNIT_ASSERT_TRUE(test, a) REQUIRE(test, true, a, "not %s", #a)
#define KUNIT_EXPECT_FALSE(test, a) REQUIRE(test, false, !(a), "%s", #a)
#define KUNIT_ASSERT_TRUE_MSG(test, a, ...) REQUIRE(test, true, a, __VA_ARGS__)
#define KUNIT_ASSERT_FALSE_MSG(test, a, ...) REQUIRE(test, true, !(a), __VA_ARGS__)
#define KUNIT_EXPECT_NULL(test, a) REQUIRE(test, false, !(a), "%s is there", #a)
#define KUNIT_EXPECT_NOT_NULL(test, a) REQUIRE(test, false, a, "no %s", #a)
#define KUNIT_ASSERT_NOT_NULL(test, a) REQUIRE(test, true, a, "no %s", #a)
#define KUNIT_EXPECT_STREQ(test, a, b) \
	REQUIRE(test, false, !strcmp(a, b), "%s is '%s', not '%s'", #a, a, b)

#endif /* FCNUSER_KERNEL_H */
