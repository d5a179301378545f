/* SPDX-License-Identifier: Apache-2.0
 *
 * Deletes events that are older than they may be: at the start and every ten minutes, a few at a time on a connection
 * of its own, so that nobody who writes waits long for it.
 */
#ifndef TOPN_SERVER_RETENTION_H
#define TOPN_SERVER_RETENTION_H

#include "store.h"

typedef struct retention retention;

/* seconds: what an event's time may be before now; 0 keeps all, and *out is NULL. One line in `why` on failure. */
bool retention_start(const char *where, double seconds, retention **out, char *why, size_t why_size);
/* Events deleted since the start. */
uint64_t retention_deleted(retention *retention);
void retention_stop(retention *retention);

#endif
