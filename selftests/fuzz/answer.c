// SPDX-License-Identifier: GPL-2.0
/* What a host answers to the caller, and what that makes of it. */
#include "fuzz.h"

#include "../../ctl/cluster/cluster.h"

static void take_all(struct cluster *cluster)
{
	if (channels_gather(&cluster->channels, "op"))
		return;
	cluster_keep_answers(cluster, "stop");
	cluster_keep_answers(cluster, "description");
	cluster_put_skew(cluster, "stop");
	cluster_warn_lost(cluster);
	cluster_report(cluster, "stop", "saved");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct channel channel = { .host = "a", .pending = 2 };
	struct cluster cluster = { .name = "one", .channels = { .channel = &channel, .n = 1 } };
	struct json_object *hosts = json_object_new_array();
	int ends[2], null = open("/dev/null", O_WRONLY);

	/* More would not go into the pipe at once. */
	if (size > 60000 || pipe(ends))
		return 0;
	if (write(ends[1], data, size) != (ssize_t)size)
		abort();
	close(ends[1]);
	channel.from = ends[0];
	channel.to = null;
	cluster.channels.timeout_ns = NSEC_PER_SEC;
	cluster.manifest = json_object_new_object();
	json_object_array_add(hosts, json_object_new_object());
	json_object_object_add(cluster.manifest, "hosts", hosts);
	json_object_object_add(cluster.manifest, "stop", json_object_new_object());
	err_capture(true);
	take_all(&cluster);
	json_object_put(cluster.manifest);
	json_object_put(channel.answer);
	free(channel.error);
	free(channel.line);
	close(ends[0]);
	close(null);
	return 0;
}
