/* SPDX-License-Identifier: Apache-2.0 */
#include "study/rendering.h"

static void write_report(FILE *file, const json_t *report)
{
    json_dumpf(report, file, JSON_INDENT(1));
    fputc('\n', file);
}

const rendering rendering_json = {
    .name = "json", .ending = "json", .summary = "all that is known; what --verify reads", .write = write_report};
