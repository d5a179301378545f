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

/* Points without finite coordinates are left out; with log_x so are those at or below 0. Writes nothing but a remark
 * where no point is left. */
void chart_points(FILE *file, const char *title, const char *x_title, const char *y_title, bool log_x,
                  const chart_point *points, size_t count);
void chart_bars(FILE *file, const char *title, const char *x_title, const chart_point *points, size_t count);
void chart_curves(FILE *file, const char *title, const char *x_title, const char *y_title, const chart_curve *curves,
                  size_t count);
/* Text with the characters that HTML and SVG give a meaning to escaped. */
void chart_text(FILE *file, const char *text);

#endif
