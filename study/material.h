/* SPDX-License-Identifier: Apache-2.0
 *
 * The data of a study, read and split once for each value of the reader's options that trials ask for, and shares of
 * the users to train on. Splits are drawn with the study's seed, whatever the seed of a trial.
 */
#ifndef TOPN_STUDY_MATERIAL_H
#define TOPN_STUDY_MATERIAL_H

#include <jansson.h>

#include "study/study.h"

typedef struct material_source {
    const char *data;           /* file with the events */
    const topn_options *reader; /* of TOPN_KIND_READER */
    const topn_options *split;  /* of TOPN_KIND_SPLIT; NULL: train on all, judge by `prefix` */
    const char *test;           /* file of given test events, for the protocol "fixed", or NULL */
    const char *prefix;         /* PREFIX-seen.tsv and PREFIX-hidden.tsv, in place of a protocol; or NULL */
} material_source;

typedef struct material {
    char *key;
    topn_options *reader; /* as it was read with */
    topn_data *all;
    topn_split *split; /* NULL with a prefix */
    topn_data *owned[2];
    const topn_data *train; /* to train on while tuning */
    const topn_data *seen;  /* to judge trials by: the validation parts */
    const topn_data *hidden;
    topn_split *shared; /* of which part_train is a share of the users of train */
    double share;
    const topn_data *part_train;
} material;

typedef struct materials materials;

topn_status materials_create(study *work, const material_source *from, materials **out);
void materials_free(materials *old);
/* The data with the reader's options among `settings`, and with part_train the given share (0 < share ≤ 1) of the users
 * of train. Lent until the next call. DATA where those options change which events are held back. */
topn_status materials_get(study *work, materials *from, const json_t *settings, double share, const material **out);
/* A copy of options, to be changed. */
topn_status options_copy(study *work, topn_kind kind, const char *name, const topn_options *from, topn_options **out);

#endif
