/*
 * losses: the power is lost at every step of a machine.
 */
#include "support/losses.h"

#include "support/test.h"

enum { WAYS = 5 }; /* nothing arrives, all, some by chance; and twice with a torn piece */

static struct mn_sim_loss loss_draw(struct losses *losses, int way)
{
    size_t pending = mn_sim_pending(losses->os, losses->path);
    struct mn_sim_loss loss = {.seed = test_random(&losses->random)};

    loss.keep = way == 0 ? 0 : way == 1 ? UINT64_MAX : loss.seed;
    loss.random = way == 2;
    if (way > 2 && pending) {
        loss.tear = (enum mn_sim_tear)(1 + loss.seed % 3);
        loss.torn = loss.seed / 3 % pending;
    }
    return loss;
}

static enum mn_sim_fault losses_hook(void *context, const struct mn_sim_event *event)
{
    struct losses *losses = context;
    struct mn_error error = *mn_error_last();

    if (*losses->stop || losses->inside) return MN_SIM_PASS;
    if (event->op != MN_SIM_WRITE && event->op != MN_SIM_SYNC && event->op != MN_SIM_RESIZE) {
        return MN_SIM_PASS;
    }
    losses->inside = true;
    for (int way = 0; way < WAYS && !*losses->stop; way++) {
        struct mn_sim_loss loss = loss_draw(losses, way);

        losses->look(losses->context, &loss);
    }
    losses->inside = false;
    *mn_error_last() = error;
    return MN_SIM_PASS;
}

void losses_begin(struct losses *losses)
{
    if (losses->random == 0) losses->random = 1; /* zero stays zero */
    mn_sim_set_hook(losses->os, losses_hook, losses);
}
