/* SPDX-License-Identifier: Apache-2.0
 *
 * What `topn train` does between training and saving: priors from a file, metrics on held-back events.
 */
#ifndef TOPN_CLI_AFTER_TRAINING_H
#define TOPN_CLI_AFTER_TRAINING_H

#include "session.h"

/* Lines "id TAB prior" (or a comma) replace the priors of those items; *model is replaced by its copy. */
int set_priors(struct session *session, const char *path, topn_model **model);
/* Evaluates on PREFIX-seen.tsv and PREFIX-hidden.tsv and records the metrics in the model. */
int validate(struct session *session, const char *prefix, topn_model *model);

#endif
