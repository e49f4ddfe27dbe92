/* app.h - the feed as a table of callbacks, for keel-feed and for the in-process host.
 *
 * ROOM     services/feed, app side.
 */
#ifndef KEEL_SERVICES_FEED_APP_H
#define KEEL_SERVICES_FEED_APP_H

#include "common/service/service.h"

extern const keel_service_spec keel_feed_spec;

#endif
