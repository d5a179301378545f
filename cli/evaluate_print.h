/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation reports as table, JSON and CSV. names, reports [count]: one per model; the first is what the others are
 * compared with.
 */
#ifndef TOPN_CLI_EVALUATE_PRINT_H
#define TOPN_CLI_EVALUATE_PRINT_H

#include <stdio.h>
#include <topn/topn.h>

#include "table.h"

topn_status evaluation_print(topn_context *context, output_format format, size_t count, const char *const *names,
                             topn_report *const *reports);
/* CSV: (model,) user, one column a metric. */
void evaluation_write_users(FILE *file, size_t count, const char *const *names, topn_report *const *reports);

#endif
