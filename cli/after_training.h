/* SPDX-License-Identifier: Apache-2.0
 *
 * What `topn train` does between training and saving: priors from a file.
 */
#ifndef TOPN_CLI_AFTER_TRAINING_H
#define TOPN_CLI_AFTER_TRAINING_H

#include "session.h"

/* Lines "id TAB prior" (or a comma) replace the priors of those items; *model is replaced by its copy. */
int set_priors(struct session *session, const char *path, topn_model **model);

#endif
