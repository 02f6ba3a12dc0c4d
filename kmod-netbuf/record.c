// SPDX-License-Identifier: GPL-2.0
/*
 * What a frame is beside its bytes, so that it can be written to a file and
 * become the same frame again, on another netdev of another host.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/virtio_net.h>
#include "netbuf.h"

static void make_vlan(struct netbuf_record *record, const struct sk_buff *skb)
{
	if (!skb_vlan_tag_present(skb))
		return;
	record->vlan_proto = ntohs(skb->vlan_proto);
	record->vlan_tci = skb_vlan_tag_get(skb);
}

/* A NIC that puts frames together (LRO) tells how long they were, and not that they are TCP. */
static void make_lro(struct virtio_net_hdr *vnet, const struct sk_buff *skb)
{
	*vnet = (struct virtio_net_hdr){
		.gso_type = skb->protocol == htons(ETH_P_IPV6) ? VIRTIO_NET_HDR_GSO_TCPV6 :
								VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = __cpu_to_virtio16(true, skb_shinfo(skb)->gso_size),
		.hdr_len = __cpu_to_virtio16(true, skb_headlen(skb)),
	};
	if (skb->ip_summed == CHECKSUM_UNNECESSARY)
		vnet->flags = VIRTIO_NET_HDR_F_DATA_VALID;
}

/* Its offsets count from skb->data. */
static int make_vnet(struct virtio_net_hdr *vnet, const struct sk_buff *skb)
{
	if (!skb_is_gso(skb) || skb_shinfo(skb)->gso_type)
		return virtio_net_hdr_from_skb(skb, vnet, true, true, 0);
	make_lro(vnet, skb);
	return 0;
}

/**
 * netbuf_record_make() - describe a held frame
 * @record: description
 * @skb: held frame, with nobody else to see it
 * @direction: of the frame
 *
 * Context: any.
 * Return: 0, or -EINVAL for segmentation that cannot be described, which
 * netbuf_frame_take() lets into no queue.
 */
int netbuf_record_make(struct netbuf_record *record, struct sk_buff *skb,
		       enum netbuf_direction direction)
{
	unsigned int mac_len = netbuf_frame_mac_len(skb);
	int err;

	memset(record, 0, sizeof(*record));
	record->direction = direction;
	record->time = NETBUF_TAG(skb)->time;
	record->length = mac_len + skb->len;
	record->queue = skb_get_queue_mapping(skb);
	record->mark = skb->mark;
	record->priority = skb->priority;
	make_vlan(record, skb);
	__skb_push(skb, mac_len);
	err = make_vnet(&record->vnet, skb);
	__skb_pull(skb, mac_len);
	return err;
}

/* Under RPS the kernel warns of a receive queue that does not exist. */
static u16 usable_queue(const struct netbuf_record *record, const struct net_device *dev)
{
	unsigned int queues = record->direction == NETBUF_INGRESS ? dev->real_num_rx_queues :
								     dev->real_num_tx_queues;

	/* 0 is "not recorded", 1 the first, on ingress. */
	return record->queue < queues + (record->direction == NETBUF_INGRESS) ? record->queue : 0;
}

/**
 * netbuf_record_apply() - make bytes that came from outside a frame again
 * @record: description, not to be trusted
 * @skb: bytes from the MAC header on
 * @dev: netdev whose frame it is to be
 *
 * Context: process.
 * Return: 0; -EINVAL when record and bytes cannot belong together.
 */
int netbuf_record_apply(const struct netbuf_record *record, struct sk_buff *skb,
			struct net_device *dev)
{
	if (!pskb_may_pull(skb, ETH_HLEN))
		return -EINVAL;
	/* For a header that says GSO but not where: it is looked for by the device's rules. */
	skb->dev = dev;
	skb_reset_mac_header(skb);
	if (virtio_net_hdr_to_skb(skb, &record->vnet, true))
		return -EINVAL;
	if ((record->vnet.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) ==
	    VIRTIO_NET_HDR_F_DATA_VALID)
		skb->ip_summed = CHECKSUM_UNNECESSARY;
	skb->protocol = eth_type_trans(skb, dev);
	skb_reset_network_header(skb);
	skb_reset_mac_len(skb);
	skb_probe_transport_header(skb);
	if (record->direction == NETBUF_EGRESS) {
		__skb_push(skb, ETH_HLEN);
		skb->pkt_type = PACKET_HOST;
	}
	if (record->vlan_proto)
		__vlan_hwaccel_put_tag(skb, htons(record->vlan_proto), record->vlan_tci);
	skb_set_queue_mapping(skb, usable_queue(record, dev));
	skb->mark = record->mark;
	skb->priority = record->priority;
	*NETBUF_TAG(skb) = (struct netbuf_tag){ .time = record->time };
	return 0;
}
