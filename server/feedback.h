/* SPDX-License-Identifier: Apache-2.0
 *
 * Events on their way to the disk.
 */
#ifndef TOPN_SERVER_FEEDBACK_H
#define TOPN_SERVER_FEEDBACK_H

#include "call.h"
#include "store.h"

/* Hands the events (copied) to the writer; the call is answered when they are on disk, with `reported` as their number
 * and `unknown` as that of items that the model does not know. The call may be gone afterwards. */
void submit_events(call *call, const stored_event *events, size_t count, size_t reported, size_t unknown);

#endif
