/* SPDX-License-Identifier: Apache-2.0
 *
 * Published data sets: filters and splits under one name, and the counts that must come of them. presets.def lists
 * them.
 */
#ifndef TOPN_CLI_PRESET_H
#define TOPN_CLI_PRESET_H

#include "session.h"

/* Rows for the own options of a command that reads data; session_apply acts on the first. */
#define PRESET_OPTIONS                                                                                                 \
    {"preset", 0, PRESET_NAMES, "",                                                                                    \
     "options by which a published data set was made from its original files, and the counts it must have"},           \
    {                                                                                                                  \
        "expect", 0, "USERS,ITEMS,EVENTS", "", "fail unless the filters leave so many; * = any number"                 \
    }
#define PRESET_NAMES (preset_names + 1)
extern const char preset_names[]; /* "|ml20m|netflix|msd" */

typedef struct data_counts {
    uint64_t users, items, events;
} data_counts;

/* Where an assignment that a preset made comes from; what the chosen protocol lacks is left out, not refused. */
extern const char preset_origin[];
/* Adds the options of --preset, weaker than all that was given. */
int preset_apply(struct session *session);
/* CODE_FAILED with expected and found counts unless they are those of the option --`name`; `when`: "after the filters".
 */
int preset_expect(const struct session *session, const char *name, const char *path, const char *when,
                  data_counts found);
data_counts preset_counts(const topn_data *data);

#endif
