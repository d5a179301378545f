/* SPDX-License-Identifier: Apache-2.0
 *
 * How items of a model are shown.
 */
#ifndef TOPN_CLI_ITEM_TEXT_H
#define TOPN_CLI_ITEM_TEXT_H

#include <jansson.h>
#include <topn/topn.h>

#include "table.h"

/* Whether any item has a title. */
bool items_titled(const topn_model *model);
/* Title, or "" where there is none. */
const char *item_title(const topn_model *model, uint32_t item);
/* Title where there is one, else the id. */
const char *item_label(const topn_model *model, uint32_t item);
/* {"item": id, "title": …, "<name>": value}; the title only where there is one. */
json_t *item_json(const topn_model *model, uint32_t item, const char *name, double value);
/* Six digits for people (OUTPUT_TABLE), else the shortest text that reads back as the same float. */
const char *score_text(float score, output_format format, char out[32]);
/* The same number as JSON. */
json_t *score_json(float score);

#endif
