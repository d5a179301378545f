/* SPDX-License-Identifier: Apache-2.0
 *
 * The list of items that a question is answered with, and how it is written.
 */
#ifndef TOPN_SERVER_LISTS_H
#define TOPN_SERVER_LISTS_H

#include "question.h"

/* JSON Schemas of answers, in parts. */
#define SCHEMA_ITEM_FIELDS                                                                                             \
    "\"id\":{\"type\":\"string\"},\"title\":{\"type\":[\"string\",\"null\"]},\"score\":{\"type\":[\"number\","         \
    "\"null\"]}"
#define SCHEMA_LIST                                                                                                    \
    "\"items\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{" SCHEMA_ITEM_FIELDS                 \
    ",\"because\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"id\":{\"type\":\"string\"},"    \
    "\"title\":{\"type\":[\"string\",\"null\"]},\"contribution\":{\"type\":\"number\"}}}}}}}"
#define SCHEMA_ORIGIN                                                                                                  \
    "\"model\":{\"type\":\"string\"},\"source\":{\"type\":\"string\",\"enum\":[\"model\",\"features\",\"context\","    \
    "\"popularity\"]},\"reason\":{\"type\":\"string\"},\"history\":{\"type\":\"integer\"},"                            \
    "\"live\":{\"type\":\"boolean\"},\"unknown_items\":{\"type\":\"integer\"},"                                        \
    "\"retriever\":{\"type\":\"string\"},\"unknown_context\":{\"type\":\"integer\"},\"stale\":{\"type\":\"boolean\"}," \
    "\"filtered\":{\"type\":\"integer\"}"

/* {"id": …, "title": …} and a number under `name`; title only where there is one. */
json_t *item_value(const question *question, uint32_t item, const char *name, double number);

/* The list of the person that the question is about, with all that question_describe says. NULL: replied. */
json_t *list_answer(question *question);
/* The same for a given request of the model: neighbors. */
json_t *list_of_request(question *question, const topn_request *request);
/* The list of the most popular items but the history's. */
json_t *list_of_popular(question *question);

#endif
