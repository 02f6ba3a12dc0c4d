// SPDX-License-Identifier: GPL-2.0
/*
 * For tests of lpar.ko: takes part in each cut, and does not finish while wait=1, as
 * somebody whose disk does not answer.
 */
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <lparkit/cut.h>

static DECLARE_WAIT_QUEUE_HEAD(released);
static bool wait = true;

static int set_wait(const char *value, const struct kernel_param *param)
{
	int err = param_set_bool(value, param);

	wake_up_all(&released);
	return err;
}

static const struct kernel_param_ops wait_ops = {
	.set = set_wait,
	.get = param_get_bool,
};

module_param_cb(wait, &wait_ops, &wait, 0644);
MODULE_PARM_DESC(wait, "does not finish (1)");

static struct lpar_cut_class slow;

static int collect(struct lpar_cut *cut, const char *lpar_name)
{
	struct lpar_cut_point *point = kzalloc(sizeof(*point), GFP_KERNEL);

	if (!point)
		return -ENOMEM;
	strscpy(point->name, lpar_name, sizeof(point->name));
	lpar_cut_add(cut, &slow, point);
	return 0;
}

static void fire(struct lpar_cut_point *point, enum lpar_cut_action action)
{
	point->fired = ktime_get_real();
}

static void finish(struct lpar_cut_point *point, enum lpar_cut_action action, bool fired)
{
	wait_event(released, !fired || !READ_ONCE(wait));
}

static void release(struct lpar_cut_point *point)
{
	kfree(point);
}

/* Before the gates, whose turn does not come while it waits. */
static struct lpar_cut_class slow = {
	.owner = THIS_MODULE,
	.kind = "slow",
	.order = LPAR_CUT_ORDER_NET,
	.collect = collect,
	.fire = fire,
	.finish = finish,
	.release = release,
};

static int __init slowcut_init(void)
{
	return lpar_cut_register(&slow);
}

static void __exit slowcut_exit(void)
{
	lpar_cut_unregister(&slow);
}

module_init(slowcut_init);
module_exit(slowcut_exit);

MODULE_DESCRIPTION("A participant in cuts that does not finish, for tests of lparkit");
MODULE_AUTHOR("The lparkit authors");
MODULE_LICENSE("GPL");
