/* settings.h - the feed section of the configuration, and the source that it describes.
 *
 * ROOM     services/feed, app side.
 * MEMORY   keel_feed_source_open gives an owned source; names of files and symbols live only while
 *          it works.
 */
#ifndef KEEL_SERVICES_FEED_SETTINGS_H
#define KEEL_SERVICES_FEED_SETTINGS_H

#include "common/config/config.h"
#include "services/feed/engine/source.h"

enum { KEEL_FEED_SOURCE_TEXT_MAX = 200 };

typedef struct keel_feed_settings {
    int source; /* index into "simulator|csv" */
    int stamp;  /* keel_stamp */
    int rows;   /* 0 = all of the files, or 1000 of the simulator */
    int64_t seed;
    const char *start; /* simulator: open of the first bar */
    int tail_nu;
    double jump_probability;
    double jump_size;
    double missing_frac;
} keel_feed_settings;

/* Rows whose fields are offsets into a keel_feed_settings. */
extern const keel_cfg_row keel_feed_rows[];

/* What a source is opened for. */
typedef struct keel_feed_request {
    const keel_config *config;
    const keel_feed_settings *settings;
    const keel_universe *universe; /* sealed */
    int64_t bar_ns;
} keel_feed_request;

/* Open the configured source. NULL and *err, naming file or key. `name` = "simulator" or the file
 * names, cut to KEEL_FEED_SOURCE_TEXT_MAX - 1 bytes. */
KEEL_MUST_CHECK keel_feed_source *keel_feed_source_open(const keel_feed_request *request,
                                                        char name[KEEL_FEED_SOURCE_TEXT_MAX],
                                                        keel_err *err);

#endif
