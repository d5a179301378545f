/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of the Netflix Prize.
 */
#ifndef TOPN_INGEST_NETFLIX_H
#define TOPN_INGEST_NETFLIX_H

#include "ingest/events.h"

topn_status netflix_read_folder(topn_context *context, const char *folder, event_sink *sink);

#endif
