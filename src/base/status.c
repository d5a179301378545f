/* SPDX-License-Identifier: Apache-2.0 */
#include <topn/topn.h>

#ifndef TOPN_VERSION
#error "TOPN_VERSION comes from the build"
#endif

const char *topn_status_name(topn_status status)
{
    switch (status) {
#define STATUS_NAME(id, value, name, text)                                                                             \
    case id:                                                                                                           \
        return name;
        TOPN_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "unknown";
}

const char *topn_status_text(topn_status status)
{
    switch (status) {
#define STATUS_TEXT(id, value, name, text)                                                                             \
    case id:                                                                                                           \
        return text;
        TOPN_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "not a status of this library";
}

const char *topn_version(void)
{
    return TOPN_VERSION;
}
