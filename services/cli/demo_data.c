#include "services/cli/demo_data.h"

#include "common/base/mem.h"
#include "common/domain/universe.h"
#include "services/cli/door.h"
#include "services/cli/run_program.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What configuration knows of an instrument; an inspection says more than that. */
static const char *const instrument_keys[] = {
    "symbol", "sector", "currency", "price_exp", "qty_exp", "lot", "min_notional", "session",
};

static json_t *instruments_of(const json_t *inspection)
{
    const json_t *from = json_object_get(inspection, "instruments");
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(from); i++) {
        json_t *one = json_object();
        for (size_t k = 0; k < sizeof instrument_keys / sizeof *instrument_keys; k++) {
            json_t *value = json_object_get(json_array_get(from, i), instrument_keys[k]);
            if (value != NULL && !(json_is_string(value) && json_string_length(value) == 0))
                json_object_set(one, instrument_keys[k], value);
        }
        json_array_append_new(list, one);
    }
    return list;
}

static keel_status set_json(keel_run_config *config, const char *key, json_t *value, keel_err *err)
{
    char *text = json_dumps(value, JSON_COMPACT);
    const keel_status status =
        text != NULL ? keel_run_config_set(config, key, text, err) : KEEL_EFORMAT;
    free(text);
    json_decref(value);
    return status;
}

keel_status keel_demo_use_inspection(const char *json, keel_run_config *config, keel_err *err)
{
    json_error_t error;
    json_t *all = json_loads(json, 0, &error);
    const char *bar = json_string_value(json_object_get(all, "bar"));
    const json_t *list = json_object_get(all, "instruments");
    const char *currency = json_string_value(json_object_get(json_array_get(list, 0), "currency"));
    keel_status status = KEEL_OK;
    if (bar == NULL || json_array_size(list) == 0)
        status = keel_err_set(err, KEEL_EFORMAT, "the inspection names no bar or no instrument");
    if (status == KEEL_OK)
        status = keel_run_config_set_text(config, "universe.bar", bar, err);
    if (status == KEEL_OK && currency != NULL)
        status = keel_run_config_set_text(config, "universe.currency", currency, err);
    if (status == KEEL_OK)
        status = set_json(config, "universe.instruments", instruments_of(all), err);
    if (status == KEEL_OK)
        status = keel_run_config_set(config, "feed.source", "csv", err);
    json_decref(all);
    return status;
}

/* Absolute names, because services do not run in this folder. */
static keel_status list_files(const char *const *files, int n, json_t *list, keel_err *err)
{
    char full[PATH_MAX];
    for (int i = 0; i < n; i++) {
        if (realpath(files[i], full) == NULL)
            return keel_err_set(err, KEEL_EFORMAT, "%s: %s", files[i], strerror(errno));
        json_array_append_new(list, json_string(full));
    }
    return KEEL_OK;
}

static keel_status set_feed(const keel_args *args, keel_run_config *config, json_t *files,
                            keel_err *err)
{
    static const char *const pairs[][2] = {
        {"assets", "feed.assets"}, {"exclude", "feed.exclude"}, {"stamp", "feed.stamp"}};
    KEEL_TRY(set_json(config, "feed.files", json_incref(files), err));
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *value = keel_args_text(args, pairs[i][0]);
        if (value != NULL)
            KEEL_TRY(keel_run_config_set_text(config, pairs[i][1], value, err));
    }
    return KEEL_OK;
}

static int inspect(const keel_args *args, const json_t *files, keel_run_config *config,
                   const keel_cli *cli)
{
    static const char *const options[][2] = {
        {"assets", "--assets"}, {"exclude", "--exclude"}, {"stamp", "--stamp"}};
    char program[2 * KEEL_PATH_CAP];
    const char *words[KEEL_ARGS_MAX + 16] = {program, "inspect", "--json"};
    keel_err err;
    int n = 3, code;
    if (keel_program_path("backtest", program, &err) != KEEL_OK)
        return keel_cli_fail(cli, &err);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const char *value = keel_args_text(args, options[i][0]);
        if (value == NULL)
            continue;
        words[n++] = options[i][1];
        words[n++] = value;
    }
    for (size_t i = 0; i < json_array_size(files); i++)
        words[n++] = json_string_value(json_array_get(files, i));
    char *text = keel_program_read(words, KEEL_CAPTURE_OUT, &code, &err);
    if (text == NULL)
        return keel_cli_fail(cli, &err);
    if (code == KEEL_EXIT_OK && keel_demo_use_inspection(text, config, &err) != KEEL_OK)
        code = keel_cli_fail(cli, &err);
    keel_free(&text);
    return code;
}

int keel_demo_use_files(const keel_args *args, keel_run_config *config, const keel_cli *cli)
{
    const char *names[KEEL_ARGS_MAX];
    keel_err err;
    const int n = keel_args_list(args, "data", names, KEEL_ARGS_MAX);
    json_t *files = json_array();
    int code = KEEL_EXIT_OK;
    if (list_files(names, n, files, &err) != KEEL_OK)
        code = keel_cli_fail(cli, &err);
    if (code == KEEL_EXIT_OK)
        code = inspect(args, files, config, cli);
    if (code == KEEL_EXIT_OK && set_feed(args, config, files, &err) != KEEL_OK)
        code = keel_cli_fail(cli, &err);
    json_decref(files);
    return code;
}
