/* SPDX-License-Identifier: Apache-2.0
 *
 * The data of a study, read and split once for each value of the reader's options that trials ask for, and shares of
 * the users to train on. Splits are drawn with the study's seed, whatever the seed of a trial.
 */
#ifndef TOPN_STUDY_MATERIAL_H
#define TOPN_STUDY_MATERIAL_H

#include <jansson.h>

#include "study/study.h"

/* Events are put away for the test by `outer` first, what is left is held back from trials by `split`:
 *
 *     all ──outer──▶ full ──split──▶ train, seen, hidden        an outer protocol that makes validation parts
 *              └───▶ test_seen, test_hidden                     itself takes the place of split
 */
typedef struct material_source {
    const char *data;           /* file with the events */
    const topn_options *reader; /* of TOPN_KIND_READER */
    const topn_options *outer;  /* of TOPN_KIND_SPLIT; NULL: no test part */
    const char *test;           /* file of given test events, for an outer protocol "fixed", or NULL */
    const topn_options *split;  /* of TOPN_KIND_SPLIT; NULL: judge by `prefix` */
    const char *prefix;         /* PREFIX-seen.tsv and PREFIX-hidden.tsv, in place of a protocol; or NULL */
    const char *test_prefix;    /* the same in place of an outer protocol */
} material_source;

typedef struct material {
    char *key;
    topn_options *reader; /* as it was read with */
    topn_data *all, *test;
    topn_split *outer, *split;
    topn_data *files[4];            /* of the prefixes */
    const topn_data *full;          /* what final models are trained on */
    const topn_data *train;         /* what trials are trained on … */
    const topn_data *seen, *hidden; /* … and judged by */
    const topn_data *test_seen, *test_hidden;
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
