/* SPDX-License-Identifier: Apache-2.0
 *
 * The one thread that writes events: batches that arrive while the disk is busy are committed together, so many small
 * requests cost one sync. Bounded: what does not fit is refused at once (503), not queued.
 */
#ifndef TOPN_SERVER_WRITER_H
#define TOPN_SERVER_WRITER_H

#include "store.h"

typedef struct writer writer;

/* Called on the writer's thread when the batch is on disk, or with what kept it from being written. */
typedef void writer_done(store_status status, bool repeated, const char *message, void *user_data);

/* While the store does not answer, a batch is tried again for two seconds, then its sender is told. After
 * STORE_UNCERTAIN only one with an idempotency key is.
 * limit: events waiting at most. `where` as for store_open. */
store_status writer_start(const char *where, size_t limit, writer **out, char *why, size_t why_size);
/* Copies the events. false when the queue is full or stopped: done is not called then. May be called by any thread. */
bool writer_submit(writer *writer, const stored_event *events, size_t count, const char *idempotency_key,
                   uint64_t contents, writer_done *done, void *user_data);
/* Events waiting, events written since the start, commits, batches that were not written. */
typedef struct writer_figures {
    uint64_t waiting, written, commits, failures;
} writer_figures;
writer_figures writer_read_figures(writer *writer);
/* Writes what waits, answers it, ends the thread. */
void writer_stop(writer *writer);

#endif
