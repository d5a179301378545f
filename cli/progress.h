/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress on standard error: a bar on a terminal, a plain line every few seconds elsewhere, nothing when quiet. And
 * cancellation: the first SIGINT, SIGTERM or SIGHUP makes the callback stop the library, the second one ends the
 * program.
 */
#ifndef TOPN_CLI_PROGRESS_H
#define TOPN_CLI_PROGRESS_H

#include <stdbool.h>
#include <topn/topn.h>

void progress_start(bool quiet);
/* topn_progress_callback */
bool progress_show(const topn_progress *progress, void *user_data);
/* topn_log_callback; user_data: NULL, or the name of the file that the lines are about */
void progress_log(const char *line, void *user_data);
/* One line of information, unless quiet. */
void inform(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Prints the information still held back, or drops it. */
void progress_flush(bool keep);
/* Wipes the bar, if one is drawn. */
void progress_clear(void);
/* Whether a signal asked to stop. */
bool interrupted(void);

#endif
