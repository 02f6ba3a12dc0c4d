// SPDX-License-Identifier: GPL-2.0
/*
 * netbuf.ko: holds the frames of netdevs while guests are saved and restored.
 * See Documentation/netbuf.md.
 */
#include <linux/module.h>
#include <lparkit/cut.h>
#include "netbuf.h"

/* Bound to CPUs, since not all are for the host's work: see drain.c. */
struct workqueue_struct *netbuf_wq;

static int __init netbuf_init(void)
{
	int err;

	err = netbuf_queues_init();
	if (err)
		return err;
	err = -ENOMEM;
	netbuf_wq = alloc_workqueue("netbuf", WQ_PERCPU | WQ_CPU_INTENSIVE, 0);
	if (!netbuf_wq)
		goto err_queues;
	err = netbuf_flight_init();
	if (err)
		goto err_wq;
	err = netbuf_buffer_init();
	if (err)
		goto err_flight;
	err = lpar_cut_register(&netbuf_cut_class);
	if (err)
		goto err_buffer;
	err = netbuf_netlink_init();
	if (err)
		goto err_cut;
	return 0;

err_cut:
	lpar_cut_unregister(&netbuf_cut_class);
err_buffer:
	netbuf_buffer_exit();
err_flight:
	netbuf_flight_exit();
err_wq:
	destroy_workqueue(netbuf_wq);
err_queues:
	netbuf_queues_exit();
	return err;
}

/* Attached netdevs, armed cuts and frames in flight hold the module. */
static void __exit netbuf_exit(void)
{
	netbuf_netlink_exit();
	lpar_cut_unregister(&netbuf_cut_class);
	netbuf_buffer_exit();
	netbuf_flight_exit();
	destroy_workqueue(netbuf_wq);
	netbuf_queues_exit();
}

module_init(netbuf_init);
module_exit(netbuf_exit);

MODULE_DESCRIPTION("Holds the frames of netdevs while guests are saved and restored");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
