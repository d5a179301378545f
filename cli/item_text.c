/* SPDX-License-Identifier: Apache-2.0 */
#include "item_text.h"

#include <math.h>
#include <stdlib.h>

#include "text.h"

bool items_titled(const topn_model *model)
{
    for (uint32_t i = 0; i < topn_model_items(model); i++)
        if (*item_title(model, i))
            return true;
    return false;
}

const char *item_title(const topn_model *model, uint32_t item)
{
    const char *title = topn_model_item_title(model, item);
    return title ? title : "";
}

const char *item_label(const topn_model *model, uint32_t item)
{
    const char *title = item_title(model, item);
    return *title ? title : topn_model_item_id(model, item);
}

json_t *item_json(const topn_model *model, uint32_t item, const char *name, double value)
{
    json_t *object = json_object();
    json_object_set_new(object, "item", text_json(topn_model_item_id(model, item)));
    if (*item_title(model, item))
        json_object_set_new(object, "title", text_json(item_title(model, item)));
    json_object_set_new(object, name, score_json((float)value));
    return object;
}

const char *score_text(float score, output_format format, char out[32])
{
    int digits = 6;
    snprintf(out, 32, "%.*g", digits, (double)score);
    while (format != OUTPUT_TABLE && strtof(out, NULL) != score && isfinite(score) && ++digits <= 9)
        snprintf(out, 32, "%.*g", digits, (double)score);
    return out;
}

json_t *score_json(float score)
{
    char text[32];
    return real_json(strtod(score_text(score, OUTPUT_JSON, text), NULL));
}
