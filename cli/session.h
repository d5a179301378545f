/* SPDX-License-Identifier: Apache-2.0
 *
 * What one run of the program works with: the context, the parsed command line, the library's options made from it;
 * and steps that several commands share. Functions that return int return an exit code and have said why.
 */
#ifndef TOPN_CLI_SESSION_H
#define TOPN_CLI_SESSION_H

#include "arguments.h"
#include "complain.h"

struct session {
    topn_context *context;
    arguments arguments;
    topn_options *options[TOPN_KIND_COUNT]; /* of the kinds that the command takes; else NULL */
    output_format format;
    bool quiet;
};

/* Makes the option objects, those of `method` (NULL for commands without) included, and applies presets and flags. */
int session_apply(struct session *session, const char *method);
void session_clear(struct session *session);

/* CODE_DONE for TOPN_OK; else prints the context's message and returns the exit code of the status. */
int session_check(struct session *session, topn_status status);
/* Own option by name; NULL when it was not given and has no default. */
const char *session_value(const struct session *session, const char *name);
bool session_flag(const struct session *session, const char *name);
/* The same, an error when it is missing. */
int session_required(const struct session *session, const char *name, const char **out);
/* A whole number within bounds. */
int session_count(const struct session *session, const char *name, size_t minimum, size_t maximum, size_t *out);
const char *session_operand(const struct session *session, size_t index);

/* Reads data with the reader options given (NULL: the session's). The log says which columns were taken. */
int session_read(struct session *session, const char *path, const topn_options *reader, topn_data **out);
/* Writes data in the binary form or, when the command's own option "text" is set, as text, and says how many. */
int session_save_data(struct session *session, const topn_data *data, const char *path);
int session_load(struct session *session, const char *path, topn_model **out);
/* A model, a retriever over it and one query. All are freed by answer_clear. */
typedef struct answerer {
    topn_model *model;
    topn_retriever *retriever;
    topn_query *query;
} answerer;
int session_open(struct session *session, const char *path, answerer *out);
void answerer_clear(answerer *with);
/* Whether a file may be made at `path`, asked before long work: the folder exists and is writable, it is no folder. */
int session_output_check(const char *path);

#endif
