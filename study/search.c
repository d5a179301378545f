/* SPDX-License-Identifier: Apache-2.0 */
#include "study/search.h"

#include <stdio.h>
#include <string.h>

#define SEARCH(id) extern const search search_##id;
#include "study/searches.def"
#undef SEARCH

static const search *const searches[] = {
#define SEARCH(id) &search_##id,
#include "study/searches.def"
#undef SEARCH
};

const search *search_at(size_t index)
{
    return index < sizeof searches / sizeof *searches ? searches[index] : NULL;
}

topn_status search_find(study *work, const char *name, const search **out)
{
    char known[256] = "";
    for (size_t i = 0, at = 0; search_at(i); i++) {
        *out = search_at(i);
        if (strcmp(search_at(i)->name, name) == 0)
            return TOPN_OK;
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", at ? ", " : "", search_at(i)->name);
    }
    *out = NULL;
    return study_fail(work, TOPN_ERROR_OPTION, "there is no search \"%s\"; there are %s", name, known);
}
