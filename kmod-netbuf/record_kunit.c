// SPDX-License-Identifier: GPL-2.0
/* KUnit tests of record.c: frames of a NIC that puts some together, which no host VM has. */
#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include "netbuf.h"

#define GSO_SIZE	1000
#define PAYLOAD		2500

static struct sk_buff *new_frame(struct kunit *test)
{
	unsigned int len = ETH_HLEN + sizeof(struct iphdr) + sizeof(struct tcphdr) + PAYLOAD;
	struct sk_buff *skb = netbuf_frame_alloc(0, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, skb);
	memset(skb->data, 0, len);
	return skb;
}

static void fill(struct sk_buff *skb)
{
	struct ethhdr *eth = (struct ethhdr *)skb->data;
	struct iphdr *ip = (struct iphdr *)(eth + 1);
	struct tcphdr *tcp = (struct tcphdr *)(ip + 1);

	eth->h_proto = htons(ETH_P_IP);
	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tot_len = htons(skb->len - ETH_HLEN),
		.ttl = 64,
		.protocol = IPPROTO_TCP,
	};
	tcp->doff = sizeof(*tcp) / 4;
}

static void put_together_by_a_nic(struct kunit *test)
{
	struct sk_buff *skb = new_frame(test), *loaded = new_frame(test);
	struct net_device *dev = alloc_etherdev(0);
	struct netbuf_record record;

	KUNIT_ASSERT_NOT_NULL(test, dev);
	fill(skb);
	fill(loaded);
	skb_reset_mac_header(skb);
	skb->protocol = htons(ETH_P_IP);
	skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb_shinfo(skb)->gso_size = GSO_SIZE;
	KUNIT_EXPECT_EQ(test, netbuf_record_make(&record, skb, NETBUF_EGRESS), 0);
	KUNIT_EXPECT_EQ(test, record.length, loaded->len);
	KUNIT_EXPECT_EQ(test, netbuf_record_apply(&record, loaded, dev), 0);
	KUNIT_EXPECT_EQ(test, skb_shinfo(loaded)->gso_size, GSO_SIZE);
	KUNIT_EXPECT_TRUE(test, skb_shinfo(loaded)->gso_type & SKB_GSO_TCPV4);
	KUNIT_EXPECT_EQ(test, (int)loaded->ip_summed, CHECKSUM_UNNECESSARY);
	kfree_skb(loaded);
	kfree_skb(skb);
	free_netdev(dev);
}

static struct kunit_case record_cases[] = {
	KUNIT_CASE(put_together_by_a_nic),
	{}
};

static struct kunit_suite record_suite = {
	.name = "netbuf_record",
	.test_cases = record_cases,
};

kunit_test_suite(record_suite);
