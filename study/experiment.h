/* SPDX-License-Identifier: Apache-2.0
 *
 * What a comparison is to do: a YAML file (docs/comparing.md), read into a plan, a JSON object in which everything
 * stands that decides the result; reports carry it, so that they can be repeated:
 *
 *     {"title": "…", "data": "path", "test": "path" | null, "split": "folder" | null, "reader": {settings},
 *      "protocol": "strong", "protocol_options": {settings}, "validation": "weak", "validation_options": {settings},
 *      "metrics": ["ndcg@100", …], "seed": 1, "seeds": [1, 2], "bootstrap": 1000, "confidence": 0.95,
 *      "tune": {"trials": 20, "search": "parzen", "share_of": "sweeps"},
 *      "entries": [{"name": "EASE", "method": "ease", "options": {settings}, "search": null | {"declared": true,
 *                   "ranges": {"l2": "1..1000 log"}}}]}
 */
#ifndef TOPN_STUDY_EXPERIMENT_H
#define TOPN_STUDY_EXPERIMENT_H

#include <jansson.h>

#include "study/study.h"

/* Paths in the file are relative to its folder; in the plan they are as the program opens them. OPTION naming file and
 * line, what stands there and what would be right. *plan is the caller's. */
topn_status experiment_read(study *work, const char *path, json_t **plan);

#endif
