/* SPDX-License-Identifier: Apache-2.0
 *
 * How a model was trained, as its metadata say: the same again, on other events.
 */
#ifndef TOPN_CLI_RECORDED_H
#define TOPN_CLI_RECORDED_H

#include "session.h"

/* An entry of the model's metadata; NULL where it has none. */
const char *recorded_value(const topn_model *model, const char *key);
/* Sets the options whose names stand in the metadata behind the prefix: "index.hnsw.option.". */
int recorded_take(struct session *session, const topn_model *model, const char *prefix, topn_options *options);
/* Options of its method: for methods that improve sweep by sweep as many sweeps as were best; no checkpoint, nothing to
 * start from. */
int recorded_method(struct session *session, const topn_model *model, topn_options **out);
/* All of its reader's options: to be recorded again. */
int recorded_reader(struct session *session, const topn_model *model, topn_options **out);
/* Of these the rules on events that don't come from a file; without `few` none that leaves out users and items with few
 * events. */
int recorded_rules(struct session *session, const topn_model *model, bool few, topn_options **out);

#endif
