#include "services/risk/engine/stop.h"

#include "common/base/assert.h"

#include <math.h>
#include <string.h>

static const keel_stop_state table[KEEL_STOP_STATES][KEEL_STOP_EVENTS] = {
    [KEEL_STOP_ACTIVE] =
        {
            [KEEL_STOP_BREACH] = KEEL_STOP_REDUCING,
            [KEEL_STOP_FLAT] = KEEL_STOP_ACTIVE,
            [KEEL_STOP_HALT] = KEEL_STOP_HALTED,
            [KEEL_STOP_RESUME] = KEEL_STOP_ACTIVE,
            [KEEL_STOP_TIMER] = KEEL_STOP_ACTIVE,
        },
    [KEEL_STOP_REDUCING] =
        {
            [KEEL_STOP_BREACH] = KEEL_STOP_REDUCING,
            [KEEL_STOP_FLAT] = KEEL_STOP_STOPPED,
            [KEEL_STOP_HALT] = KEEL_STOP_HALTED_REDUCING,
            [KEEL_STOP_RESUME] = KEEL_STOP_ACTIVE,
            [KEEL_STOP_TIMER] = KEEL_STOP_REDUCING, /* what is held is closed first */
        },
    [KEEL_STOP_STOPPED] =
        {
            [KEEL_STOP_BREACH] = KEEL_STOP_STOPPED,
            [KEEL_STOP_FLAT] = KEEL_STOP_STOPPED,
            [KEEL_STOP_HALT] = KEEL_STOP_HALTED_STOPPED,
            [KEEL_STOP_RESUME] = KEEL_STOP_ACTIVE,
            [KEEL_STOP_TIMER] = KEEL_STOP_ACTIVE,
        },
    [KEEL_STOP_HALTED] =
        {
            [KEEL_STOP_BREACH] = KEEL_STOP_HALTED_REDUCING,
            [KEEL_STOP_FLAT] = KEEL_STOP_HALTED,
            [KEEL_STOP_HALT] = KEEL_STOP_HALTED,
            [KEEL_STOP_RESUME] = KEEL_STOP_ACTIVE,
            [KEEL_STOP_TIMER] = KEEL_STOP_HALTED,
        },
    [KEEL_STOP_HALTED_REDUCING] =
        {
            [KEEL_STOP_BREACH] = KEEL_STOP_HALTED_REDUCING,
            [KEEL_STOP_FLAT] = KEEL_STOP_HALTED_STOPPED,
            [KEEL_STOP_HALT] = KEEL_STOP_HALTED_REDUCING,
            [KEEL_STOP_RESUME] = KEEL_STOP_REDUCING,
            [KEEL_STOP_TIMER] = KEEL_STOP_HALTED_REDUCING,
        },
    [KEEL_STOP_HALTED_STOPPED] =
        {
            [KEEL_STOP_BREACH] = KEEL_STOP_HALTED_STOPPED,
            [KEEL_STOP_FLAT] = KEEL_STOP_HALTED_STOPPED,
            [KEEL_STOP_HALT] = KEEL_STOP_HALTED_STOPPED,
            [KEEL_STOP_RESUME] = KEEL_STOP_STOPPED,
            [KEEL_STOP_TIMER] = KEEL_STOP_HALTED_STOPPED, /* a clock does not overrule a person */
        },
};

static const keel_trading_mode modes[KEEL_STOP_STATES] = {
    [KEEL_STOP_ACTIVE] = KEEL_TRADING_ACTIVE,
    [KEEL_STOP_REDUCING] = KEEL_TRADING_REDUCING,
    [KEEL_STOP_STOPPED] = KEEL_TRADING_HALTED,
    [KEEL_STOP_HALTED] = KEEL_TRADING_HALTED,
    [KEEL_STOP_HALTED_REDUCING] = KEEL_TRADING_HALTED,
    [KEEL_STOP_HALTED_STOPPED] = KEEL_TRADING_HALTED,
};

keel_stop_state keel_stop_next(keel_stop_state state, keel_stop_event event)
{
    KEEL_ASSERT(state < KEEL_STOP_STATES && event < KEEL_STOP_EVENTS);
    return table[state][event];
}

keel_trading_mode keel_stop_mode(keel_stop_state state)
{
    KEEL_ASSERT(state < KEEL_STOP_STATES);
    return modes[state];
}

static bool is_halted_by_operator(keel_stop_state state)
{
    return state == KEEL_STOP_HALTED || state == KEEL_STOP_HALTED_REDUCING ||
           state == KEEL_STOP_HALTED_STOPPED;
}

bool keel_stop_is_latched(keel_stop_state state)
{
    return state != KEEL_STOP_ACTIVE && state != KEEL_STOP_HALTED;
}

void keel_stop_init(keel_stop *stop)
{
    memset(stop, 0, sizeof *stop);
    stop->state = KEEL_STOP_ACTIVE;
}

double keel_stop_drawdown(const keel_stop *stop)
{
    if (!stop->marked || stop->peak_micros <= 0)
        return 0;
    /* one rounding: 1 - equity / peak would put a fall of exactly 5 % above a limit of 5 % */
    const double fall = (double)stop->peak_micros - (double)stop->equity_micros;
    return fmin(1, fmax(0, fall / (double)stop->peak_micros));
}

static void say_stopped(keel_stop *stop, const keel_stop_cfg *cfg)
{
    keel_reason_set(&stop->reason, KEEL_REASON_DRAWDOWN_LIMIT,
                    "portfolio stop: drawdown %.4f above max_drawdown %.4f", stop->breach_drawdown,
                    cfg->max_drawdown);
}

static void re_arm(keel_stop *stop)
{
    stop->peak_micros = stop->equity_micros;
    stop->samples = stop->marked ? 1 : 0;
}

static void take(keel_stop *stop, const keel_stop_cfg *cfg, keel_stop_event event)
{
    const keel_stop_state before = stop->state;
    stop->state = keel_stop_next(before, event);
    KEEL_ASSERT(stop->state != KEEL_STOP_UNDECIDED);
    if (keel_stop_is_latched(before) && stop->state == KEEL_STOP_ACTIVE)
        re_arm(stop);
    if (is_halted_by_operator(before) && keel_stop_is_latched(stop->state) &&
        !is_halted_by_operator(stop->state))
        say_stopped(stop, cfg);
}

static bool is_kind(const keel_taken_request *request, const char *kind)
{
    return strcmp(request->kind, kind) == 0;
}

static void take_request(keel_stop *stop, const keel_stop_cfg *cfg,
                         const keel_taken_request *request, int64_t now_ns)
{
    if (is_kind(request, "halt")) {
        take(stop, cfg, KEEL_STOP_HALT);
        stop->halt_ns = now_ns;
        keel_reason_set(&stop->reason, KEEL_REASON_OPERATOR_HALT, "%s", request->reason);
        return;
    }
    const keel_stop_state before = stop->state;
    take(stop, cfg, KEEL_STOP_RESUME);
    if (before != KEEL_STOP_ACTIVE && stop->state == KEEL_STOP_ACTIVE)
        keel_reason_set(&stop->reason, KEEL_REASON_OPERATOR_RESUME, "%s", request->reason);
}

static void take_timer(keel_stop *stop, const keel_stop_cfg *cfg, int64_t now_ns)
{
    if (cfg->re_arm_ns == 0 || !keel_stop_is_latched(stop->state) ||
        now_ns - stop->breach_ns < cfg->re_arm_ns)
        return;
    take(stop, cfg, KEEL_STOP_TIMER);
    if (stop->state == KEEL_STOP_ACTIVE)
        keel_reason_set(&stop->reason, KEEL_REASON_TIMED_RE_ARM,
                        "re-armed by time after the portfolio stop; peak reset");
}

static void take_breach(keel_stop *stop, const keel_stop_cfg *cfg, int64_t now_ns)
{
    const bool was_latched = keel_stop_is_latched(stop->state);
    const double drawdown = keel_stop_drawdown(stop);
    if (!(drawdown > cfg->max_drawdown))
        return;
    take(stop, cfg, KEEL_STOP_BREACH);
    if (was_latched)
        return;
    stop->breach_drawdown = drawdown;
    stop->breach_ns = now_ns;
    stop->stops++;
    if (!is_halted_by_operator(stop->state))
        say_stopped(stop, cfg);
}

keel_status keel_stop_step(keel_stop *stop, const keel_stop_cfg *cfg, const keel_stop_mark *mark,
                           const keel_taken_request *requests, int n)
{
    for (int i = 0; i < n; i++)
        if (!is_kind(&requests[i], "halt") && !is_kind(&requests[i], "resume"))
            return KEEL_EUNKNOWN;
    if (mark->fresh) {
        stop->equity_micros = mark->equity_micros;
        if (!stop->marked || mark->equity_micros > stop->peak_micros)
            stop->peak_micros = mark->equity_micros;
        stop->marked = true;
        stop->samples++;
    }
    for (int i = 0; i < n; i++)
        take_request(stop, cfg, &requests[i], mark->now_ns);
    take_timer(stop, cfg, mark->now_ns);
    if (mark->fresh && mark->is_flat)
        take(stop, cfg, KEEL_STOP_FLAT);
    take_breach(stop, cfg, mark->now_ns);
    return KEEL_OK;
}

int keel_stop_latches(const keel_stop *stop, const keel_stop_cfg *cfg,
                      keel_latch out[KEEL_LATCHES_MAX])
{
    int n = 0;
    if (keel_stop_is_latched(stop->state))
        out[n++] = (keel_latch){
            .code = KEEL_REASON_DRAWDOWN_LIMIT,
            .name = "portfolio.max_drawdown",
            .value = stop->breach_drawdown,
            .limit = cfg->max_drawdown,
            .since_ns = stop->breach_ns,
            .re_arm_ns = cfg->re_arm_ns > 0 ? stop->breach_ns + cfg->re_arm_ns : 0,
        };
    if (is_halted_by_operator(stop->state))
        out[n++] = (keel_latch){
            .code = KEEL_REASON_OPERATOR_HALT,
            .name = "operator.halt",
            .since_ns = stop->halt_ns,
        };
    return n;
}

void keel_stop_save(const keel_stop *stop, keel_packer *packer)
{
    keel_pack_u8(packer, (uint8_t)stop->state);
    keel_pack_u32(packer, (uint32_t)stop->reason.code);
    keel_pack_str(packer, stop->reason.text);
    keel_pack_u8(packer, stop->marked);
    keel_pack_i64(packer, stop->equity_micros);
    keel_pack_i64(packer, stop->peak_micros);
    keel_pack_u32(packer, stop->samples);
    keel_pack_real(packer, stop->breach_drawdown);
    keel_pack_i64(packer, stop->breach_ns);
    keel_pack_i64(packer, stop->halt_ns);
    keel_pack_u32(packer, stop->stops);
}

void keel_stop_load(keel_stop *stop, keel_unpacker *unpacker)
{
    memset(stop, 0, sizeof *stop);
    stop->state = (keel_stop_state)keel_unpack_u8(unpacker);
    const int code = (int)keel_unpack_u32(unpacker);
    stop->reason.code = (keel_reason_code)code;
    keel_unpack_str(unpacker, stop->reason.text, sizeof stop->reason.text);
    const uint8_t marked = keel_unpack_u8(unpacker);
    stop->marked = marked != 0;
    stop->equity_micros = keel_unpack_i64(unpacker);
    stop->peak_micros = keel_unpack_i64(unpacker);
    stop->samples = keel_unpack_u32(unpacker);
    stop->breach_drawdown = keel_unpack_real(unpacker);
    stop->breach_ns = keel_unpack_i64(unpacker);
    stop->halt_ns = keel_unpack_i64(unpacker);
    stop->stops = keel_unpack_u32(unpacker);
    if (stop->state <= KEEL_STOP_UNDECIDED || stop->state >= KEEL_STOP_STATES || marked > 1 ||
        (code != KEEL_REASON_UNSPECIFIED && keel_reason_is_known(code) == 0))
        unpacker->failed = true;
}
