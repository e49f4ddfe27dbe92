#include "services/cli/signal_args.h"

#include "common/base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static keel_status take_names(const keel_args *args, keel_signal *s, keel_err *err)
{
    const char *strategy = args->operands[0], *symbol = args->operands[1];
    if (!keel_name_ok(strategy, sizeof s->strategy) ||
        keel_text_copy(s->strategy, sizeof s->strategy, strategy) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL,
                            "'%.80s' cannot be the name of a strategy: at most %d letters, digits "
                            "and _:/@-.",
                            strategy, KEEL_NAME_MAX - 1);
    if (!keel_name_ok(symbol, sizeof s->symbol) ||
        keel_text_copy(s->symbol, sizeof s->symbol, symbol) != KEEL_OK)
        return keel_err_set(err, KEEL_EINVAL,
                            "'%.80s' cannot be a symbol: at most %d letters, digits and _:/@-.",
                            symbol, KEEL_SYMBOL_MAX - 1);
    return KEEL_OK;
}

static keel_status take_side(const keel_args *args, keel_signal *s, keel_err *err)
{
    static const char *const sides[] = {"long", "short", "flat"};
    const char *word = args->operands[2];
    if (keel_side_parse(word, &s->side) == KEEL_OK)
        return KEEL_OK;
    const char *near = keel_text_nearest(word, sides, 3);
    if (strcmp(word, "buy") == 0)
        near = "long";
    else if (strcmp(word, "sell") == 0) /* of what is held, or short? */
        near = NULL;
    return keel_err_set(err, KEEL_EINVAL, "'%.80s' is not a side: long, short or flat%s%s%s", word,
                        near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                        near != NULL ? "'?" : "");
}

static const char *id_fault(const char *id)
{
    if (strlen(id) >= KEEL_SIGNAL_ID_MAX)
        return "is longer than 64 bytes";
    if (!keel_text_is_utf8(id, strlen(id)))
        return "is not UTF-8";
    for (const char *p = id; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return "has a control character";
    return NULL;
}

static keel_status take_id(const keel_args *args, int64_t now_ns, keel_signal *s, keel_err *err)
{
    const char *given = keel_args_text(args, "id");
    const char *fault = given != NULL ? id_fault(given) : NULL;
    if (fault != NULL)
        return keel_err_set(err, KEEL_EINVAL, "--id: the id %s", fault);
    if (given != NULL)
        return keel_text_copy(s->signal_id, sizeof s->signal_id, given);
    snprintf(s->signal_id, sizeof s->signal_id, "cli-%" PRId64, now_ns);
    return KEEL_OK;
}

/* A price on the wrong side of another one is a slip of the hand; the coordinator would refuse it
 * too, but by then the signal has been used up. */
static keel_status check_sides(const keel_signal *s, keel_err *err)
{
    const bool is_long = s->side == KEEL_SIDE_LONG;
    const double reference = s->entry;
    const char *wrong = is_long ? "above" : "below", *right = is_long ? "below" : "above";
    if (s->side == KEEL_SIDE_FLAT && (s->stop > 0.0 || s->target > 0.0))
        return keel_err_set(err, KEEL_EINVAL, "flat closes a position: it has no stop or target");
    if (s->stop > 0.0 && s->target > 0.0 && (is_long ? s->stop >= s->target : s->stop <= s->target))
        return keel_err_set(err, KEEL_EINVAL, "--stop %g: of a %s it is %s --target %g", s->stop,
                            keel_side_name(s->side), right, s->target);
    if (reference <= 0.0)
        return KEEL_OK;
    if (s->stop > 0.0 && (is_long ? s->stop >= reference : s->stop <= reference))
        return keel_err_set(err, KEEL_EINVAL, "--stop %g: of a %s it is %s --entry %g", s->stop,
                            keel_side_name(s->side), right, reference);
    if (s->target > 0.0 && (is_long ? s->target <= reference : s->target >= reference))
        return keel_err_set(err, KEEL_EINVAL, "--target %g: of a %s it is %s --entry %g", s->target,
                            keel_side_name(s->side), wrong, reference);
    return KEEL_OK;
}

keel_status keel_signal_of_args(const keel_args *args, int64_t now_ns, keel_signal *signal,
                                keel_err *err)
{
    keel_signal s = {.confidence_frac = keel_args_fraction(args, "confidence")};
    KEEL_TRY(take_names(args, &s, err));
    KEEL_TRY(take_side(args, &s, err));
    KEEL_TRY(take_id(args, now_ns, &s, err));
    s.entry = keel_args_price(args, "entry");
    s.stop = keel_args_price(args, "stop");
    s.target = keel_args_price(args, "target");
    if (keel_args_on(args, "valid"))
        s.valid_until_ns = keel_args_duration(args, "valid");
    KEEL_TRY(check_sides(&s, err));
    *signal = s;
    return KEEL_OK;
}
