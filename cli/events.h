/* SPDX-License-Identifier: Apache-2.0
 *
 * What "topn events import|export|count|expire" share.
 */
#ifndef TOPN_CLI_EVENTS_H
#define TOPN_CLI_EVENTS_H

#include "server/store.h"
#include "session.h"

/* The columns of an export. A file with this first line is imported with its kinds, contexts and deletions. */
#define EXPORT_HEADER "user,item,weight,time,kind,context"
#define EXPORT_HEADER_DELETED EXPORT_HEADER ",deleted"

/* How a store is called in messages: an address may hold a password. */
const char *events_name(const char *where);
/* Opens a store; made when missing only where `make` says so. Returns an exit code. */
int events_open(const char *where, bool make, store **out);
/* complain()s what went wrong with it. */
int events_fault(const char *where, const store *from);
/* Seconds since 1970, YYYY-MM-DD[THH:MM:SS] in UTC, or so long before now: 90d, 12h, 30m. */
bool events_time(const char *text, int64_t *out);

int events_import(struct session *session, const char *where, const char *path);
int events_export(struct session *session, const char *where);

#endif
