#include "services/feed/engine/pick.h"

#include "common/base/mem.h"
#include "common/base/text.h"

#include <string.h>

static bool is_listed(const char *name, const char *const *list, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0)
            return true;
    return false;
}

/* KEEL_EUNKNOWN names the closest symbol of any file. */
static keel_status refuse_unknown(const keel_csv *const *files, int files_n, const char *name,
                                  keel_err *err)
{
    const char **all = keel_xcalloc((size_t)files_n * KEEL_UNIVERSE_MAX, sizeof *all);
    size_t n = 0;
    for (int f = 0; f < files_n; f++)
        for (int s = 0; s < files[f]->symbols_n; s++)
            all[n++] = keel_csv_symbol(files[f], s);
    const char *nearest = keel_text_nearest(name, all, n);
    const keel_status status =
        keel_err_set(err, KEEL_EUNKNOWN, "no file has the symbol '%s'%s%s%s", name,
                     nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                     nearest != NULL ? "'?" : "");
    keel_free(&all);
    return status;
}

static int find_symbol(const keel_csv *file, const char *name)
{
    for (int s = 0; s < file->symbols_n; s++)
        if (strcmp(name, keel_csv_symbol(file, s)) == 0)
            return s;
    return -1;
}

static keel_status add(const keel_csv *const *files, keel_pick *pick, keel_pick_item item,
                       keel_err *err)
{
    for (int i = 0; i < pick->n; i++)
        if (strcmp(pick->items[i].name, item.name) == 0)
            return keel_err_set(err, KEEL_EEXIST, "the symbol '%s' is in %s and in %s", item.name,
                                files[pick->items[i].file]->name, files[item.file]->name);
    if (!keel_name_ok(item.name, KEEL_SYMBOL_MAX))
        return keel_err_set(err, KEEL_EINVAL,
                            "%s: the column '%s' cannot be a symbol: 1..%d letters, digits or "
                            "_:/@-. (leave it out with --exclude)",
                            files[item.file]->name, item.name, KEEL_SYMBOL_MAX - 1);
    if (pick->n == KEEL_UNIVERSE_MAX)
        return keel_err_set(err, KEEL_ETOOBIG, "more than %d symbols; choose some with --assets",
                            KEEL_UNIVERSE_MAX);
    pick->items[pick->n++] = item;
    return KEEL_OK;
}

/* Every file's column of one name: a second one is refused by add(). */
static keel_status add_named(const keel_csv *const *files, int files_n, const char *name,
                             keel_pick *pick, keel_err *err)
{
    bool found = false;
    for (int f = 0; f < files_n; f++) {
        const int s = find_symbol(files[f], name);
        if (s < 0)
            continue;
        found = true;
        KEEL_TRY(add(files, pick, (keel_pick_item){f, s, keel_csv_symbol(files[f], s)}, err));
    }
    return found ? KEEL_OK : refuse_unknown(files, files_n, name, err);
}

static keel_status add_all(const keel_csv *const *files, int files_n,
                           const keel_feed_choice *choice, keel_pick *pick, keel_err *err)
{
    for (int f = 0; f < files_n; f++)
        for (int s = 0; s < files[f]->symbols_n; s++) {
            const char *name = keel_csv_symbol(files[f], s);
            if (!is_listed(name, choice->exclude, choice->exclude_n))
                KEEL_TRY(add(files, pick, (keel_pick_item){f, s, name}, err));
        }
    return KEEL_OK;
}

keel_status keel_pick_make(const keel_csv *const *files, int files_n,
                           const keel_feed_choice *choice, keel_pick *pick, keel_err *err)
{
    pick->n = 0;
    for (int i = 0; i < choice->exclude_n; i++) {
        bool found = false;
        for (int f = 0; f < files_n && !found; f++)
            found = find_symbol(files[f], choice->exclude[i]) >= 0;
        if (!found)
            return refuse_unknown(files, files_n, choice->exclude[i], err);
    }
    for (int i = 0; i < choice->assets_n; i++)
        if (!is_listed(choice->assets[i], choice->exclude, choice->exclude_n))
            KEEL_TRY(add_named(files, files_n, choice->assets[i], pick, err));
    if (choice->assets_n == 0)
        KEEL_TRY(add_all(files, files_n, choice, pick, err));
    if (pick->n == 0)
        return keel_err_set(err, KEEL_ENOTFOUND, "no symbol is left after --exclude");
    return KEEL_OK;
}

keel_status keel_pick_match(keel_pick *pick, const keel_universe *universe, keel_err *err)
{
    keel_pick ordered = {.n = universe->n};
    for (int i = 0; i < pick->n; i++) {
        const int at = keel_universe_find(universe, pick->items[i].name);
        if (at < 0)
            return keel_err_set(err, KEEL_EUNKNOWN,
                                "the files have '%s', which is not in universe '%s'; add it there, "
                                "or name it in feed.exclude",
                                pick->items[i].name, universe->id);
        ordered.items[at] = pick->items[i];
    }
    for (int i = 0; i < universe->n; i++)
        if (ordered.items[i].name == NULL)
            return keel_err_set(err, KEEL_ENOTFOUND,
                                "universe '%s' has '%s', which no file gives (or feed.assets and "
                                "feed.exclude leave it out)",
                                universe->id, universe->instruments[i].symbol);
    *pick = ordered;
    return KEEL_OK;
}
