/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _COMPAT_LINUX_VIRTIO_NET_H
#define _COMPAT_LINUX_VIRTIO_NET_H

#include_next <linux/virtio_net.h>

/* What struct virtio_net_hdr can say about segmentation: UDP only since 6.2. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
#define VIRTIO_NET_SKB_GSO (SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | SKB_GSO_DODGY)
#else
#define VIRTIO_NET_SKB_GSO (SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | SKB_GSO_DODGY | \
			    SKB_GSO_UDP_L4)
#endif

#endif /* _COMPAT_LINUX_VIRTIO_NET_H */
