// SPDX-License-Identifier: GPL-2.0
/* What a QEMU that has been taken over says on its monitor. */
#include "fuzz.h"

#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>

struct speech {
	int listener;
	const uint8_t *data;
	size_t size;
};

/* Greets, and says its piece, whatever is asked. */
static void *speak(void *data)
{
	static const char greeting[] = "{\"QMP\": {}}\n{\"return\": {}, \"id\": 1}\n";
	const struct speech *speech = data;
	int fd = accept(speech->listener, NULL, NULL);

	if (fd < 0)
		return NULL;
	if (send(fd, greeting, strlen(greeting), MSG_NOSIGNAL) > 0)
		send(fd, speech->data, speech->size, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	/* Until the other side has had enough. */
	while (read(fd, (char[512]){ 0 }, 512) > 0)
		;
	close(fd);
	return NULL;
}

static void talk(const char *path)
{
	struct qmp_reply reply = { .event = "STOP" };
	struct qmp *qmp;

	if (qmp_open(path, 1000, &qmp))
		return;
	qmp_call(qmp, "stop", NULL, -1, &reply, 1000);
	json_object_put(reply.result);
	qmp_command(qmp, "cont", 1000);
	qmp_close(qmp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct speech speech = { socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), data, size };
	pthread_t thread;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%.90s", fuzz_path("qmp"));
	unlink(addr.sun_path);
	if (bind(speech.listener, (struct sockaddr *)&addr, sizeof(addr)) ||
	    listen(speech.listener, 1) || pthread_create(&thread, NULL, speak, &speech))
		abort();
	talk(addr.sun_path);
	shutdown(speech.listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(speech.listener);
	return 0;
}
