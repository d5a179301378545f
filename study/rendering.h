/* SPDX-License-Identifier: Apache-2.0
 *
 * A form of the report of a comparison is one file that exports one descriptor; renderings.def lists them.
 */
#ifndef TOPN_STUDY_RENDERING_H
#define TOPN_STUDY_RENDERING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct rendering {
    const char *name;   /* "html" */
    const char *ending; /* of its file: "html" */
    const char *summary;
    void (*write)(FILE *file, const json_t *report);
} rendering;

/* NULL past the end. */
const rendering *rendering_at(size_t index);
const rendering *rendering_find(const char *name);

/* What several forms show. Entries best first by the mean of the first metric, those that failed last; a new array. */
json_t *rendering_sorted(const json_t *report);
/* Name of a metric; NULL past the end. */
const char *rendering_metric(const json_t *report, size_t index);
/* mean, low or high of a metric of an entry; NAN where there is none. */
double rendering_value(const json_t *entry, const char *metric, const char *which);
/* A figure of an entry ("seconds"); NAN where there is none. */
double rendering_figure(const json_t *entry, const char *key);
/* The test of two entries, NULL where there is none; *sign is −1 where it is of b against a. */
const json_t *rendering_test(const json_t *report, const char *a, const char *b, double *sign);
/* "3: 0.40885 to 0.41001": seeds of an entry and the range of their means of the first metric; "" with one seed. */
void rendering_seeds(const json_t *report, const json_t *entry, char out[64]);
/* "1.2 MiB" in out */
void rendering_bytes(double bytes, char out[32]);

#endif
