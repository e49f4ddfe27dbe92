#include "services/strategy-coordinator/engine/coordinator.h"

#include "common/base/mem.h"
#include "common/base/pack.h"
#include "common/base/text.h"

#include <string.h>

enum { MAGIC = 0x4b435343, VERSION = 1 };

struct keel_coordinator {
    const keel_universe *universe;
    char portfolio[KEEL_NAME_MAX];
    keel_coordinator_view view;
};

keel_coordinator *keel_coordinator_new(const keel_coordinator_cfg *cfg, keel_err *err)
{
    char portfolio[KEEL_NAME_MAX];
    if (cfg->portfolio[0] == '\0' ||
        keel_text_copy(portfolio, sizeof portfolio, cfg->portfolio) != KEEL_OK) {
        (void)keel_err_set(err, KEEL_EINVAL, "portfolio name: 1..%d bytes", KEEL_NAME_MAX - 1);
        return NULL;
    }
    keel_coordinator *coordinator = keel_xcalloc(1, sizeof *coordinator);
    coordinator->universe = cfg->universe;
    memcpy(coordinator->portfolio, portfolio, sizeof portfolio);
    coordinator->view.mode = KEEL_TRADING_HALTED;
    return coordinator;
}

void keel_coordinator_free(keel_coordinator **coordinator)
{
    if (coordinator != NULL)
        keel_free(coordinator);
}

keel_status keel_coordinator_on_row(keel_coordinator *coordinator, const keel_bar_row *row)
{
    KEEL_TRY(keel_bar_row_check(row));
    if (row->universe_hash != coordinator->universe->hash || row->n != coordinator->universe->n)
        return KEEL_EUNKNOWN;
    if (row->close_ns <= coordinator->view.now_ns)
        return KEEL_EORDER;
    coordinator->view.now_ns = row->close_ns;
    coordinator->view.rows++;
    return KEEL_OK;
}

keel_status keel_coordinator_on_portfolio(keel_coordinator *coordinator,
                                          const keel_portfolio_state *portfolio)
{
    if (portfolio->universe_hash != coordinator->universe->hash ||
        strcmp(portfolio->portfolio, coordinator->portfolio) != 0)
        return KEEL_EUNKNOWN;
    coordinator->view.equity_micros = portfolio->equity_micros;
    return KEEL_OK;
}

keel_status keel_coordinator_on_trading(keel_coordinator *coordinator,
                                        const keel_trading_state *trading)
{
    if (strcmp(trading->portfolio, coordinator->portfolio) != 0)
        return KEEL_EUNKNOWN;
    const bool is_known =
        trading->mode > KEEL_TRADING_UNSPECIFIED && trading->mode <= KEEL_TRADING_HALTED;
    const keel_trading_mode mode = is_known ? trading->mode : KEEL_TRADING_HALTED;
    coordinator->view.mode_changes += mode != coordinator->view.mode;
    coordinator->view.mode = mode;
    return KEEL_OK;
}

keel_status keel_coordinator_on_step(keel_coordinator *coordinator, uint64_t step,
                                     keel_coordinator_view *view)
{
    if (step <= coordinator->view.step)
        return KEEL_EORDER;
    coordinator->view.step = step;
    if (view != NULL)
        *view = coordinator->view;
    return KEEL_OK;
}

keel_status keel_coordinator_save(const keel_coordinator *coordinator, uint8_t *buf, size_t cap,
                                  size_t *len)
{
    const keel_coordinator_view *view = &coordinator->view;
    keel_packer p = keel_packer_over(buf, cap);
    keel_pack_u32(&p, MAGIC);
    keel_pack_u32(&p, VERSION);
    keel_pack_u64(&p, coordinator->universe->hash);
    keel_pack_u64(&p, view->step);
    keel_pack_i64(&p, view->now_ns);
    keel_pack_i64(&p, view->equity_micros);
    keel_pack_u8(&p, (uint8_t)view->mode);
    keel_pack_u32(&p, view->rows);
    keel_pack_u32(&p, view->mode_changes);
    return keel_packer_done(&p, len);
}

keel_status keel_coordinator_load(keel_coordinator *coordinator, const uint8_t *buf, size_t len)
{
    keel_coordinator_view view;
    keel_unpacker u = keel_unpacker_over(buf, len);
    const bool is_ours = keel_unpack_u32(&u) == MAGIC;
    const uint32_t version = keel_unpack_u32(&u);
    const uint64_t hash = keel_unpack_u64(&u);
    memset(&view, 0, sizeof view);
    view.step = keel_unpack_u64(&u);
    view.now_ns = keel_unpack_i64(&u);
    view.equity_micros = keel_unpack_i64(&u);
    view.mode = (keel_trading_mode)keel_unpack_u8(&u);
    view.rows = keel_unpack_u32(&u);
    view.mode_changes = keel_unpack_u32(&u);
    if (!is_ours)
        return KEEL_EFORMAT;
    if (version != VERSION)
        return KEEL_EVERSION;
    KEEL_TRY(keel_unpacker_done(&u));
    if (view.mode <= KEEL_TRADING_UNSPECIFIED || view.mode > KEEL_TRADING_HALTED)
        return KEEL_EFORMAT;
    if (hash != coordinator->universe->hash)
        return KEEL_EUNKNOWN;
    coordinator->view = view;
    return KEEL_OK;
}
