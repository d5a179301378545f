/* SPDX-License-Identifier: Apache-2.0
 *
 * Charts as inline SVG: points with names, bars, and curves over the same axis from 0 to 100 %.
 */
#ifndef TOPN_STUDY_CHART_H
#define TOPN_STUDY_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct chart_point {
    const char *name;
    double x, y;
    double low, high; /* interval of y; NAN = none */
} chart_point;

typedef struct chart_curve {
    const char *name;
    const double *y; /* [count] at even steps of x */
    size_t count;
} chart_curve;

/* What stands along the horizontal axis: SECONDS and BYTES by ratios. */
typedef enum chart_scale { CHART_LINEAR, CHART_SECONDS, CHART_BYTES } chart_scale;

/* Points without finite coordinates are left out, by ratios those at or below 0, too. Names are put where they cover
 * least. Writes nothing but a remark where no point is left. */
void chart_points(FILE *file, const char *title, const char *x_title, const char *y_title, chart_scale scale,
                  const chart_point *points, size_t count);
void chart_bars(FILE *file, const char *title, const char *x_title, const chart_point *points, size_t count);
void chart_curves(FILE *file, const char *title, const char *x_title, const char *y_title, const chart_curve *curves,
                  size_t count);
/* Text with the characters that HTML and SVG give a meaning to escaped. */
void chart_text(FILE *file, const char *text);

#endif
