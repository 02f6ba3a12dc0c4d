// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of buffer.c: what takes hardware that a host VM has not.
 */
#include <kunit/test.h>
#include <linux/device/bus.h>
#include <linux/etherdevice.h>
#include "netbuf.h"

static int three_functions(struct device *dev)
{
	return 3;
}

static const struct bus_type bus = {
	.name = "netbuf-kunit",
	.num_vf = three_functions,
};

static void virtual_functions_are_told(struct kunit *test)
{
	struct device *adapter = kunit_kzalloc(test, sizeof(*adapter), GFP_KERNEL);
	struct net_device *dev = alloc_etherdev(0);
	const char *why;

	KUNIT_ASSERT_NOT_NULL(test, adapter);
	KUNIT_ASSERT_NOT_NULL(test, dev);
	adapter->bus = &bus;
	KUNIT_EXPECT_NULL(test, netbuf_blind_spot(dev));
	dev->dev.parent = adapter;
	why = netbuf_blind_spot(dev);
	dev->dev.parent = NULL;
	free_netdev(dev);
	KUNIT_ASSERT_NOT_NULL(test, why);
	KUNIT_EXPECT_NOT_NULL(test, strstr(why, "SR-IOV"));
}

static struct kunit_case buffer_cases[] = {
	KUNIT_CASE(virtual_functions_are_told),
	{}
};

static struct kunit_suite buffer_suite = {
	.name = "netbuf_buffer",
	.test_cases = buffer_cases,
};

kunit_test_suite(buffer_suite);
