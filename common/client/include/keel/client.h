/* <keel/client.h> - read any topic, decode it, ask services. */
#ifndef KEEL_CLIENT_H
#define KEEL_CLIENT_H

#include "common/client/client.h"
#include "common/wire/wire.h"

#endif
