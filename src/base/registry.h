/* SPDX-License-Identifier: Apache-2.0
 *
 * Access to a registry: a table of pointers to descriptors, each of which has a `name`.
 *
 *     static const method *const methods[] = {…};
 *     REGISTRY_ACCESS(method, method, methods)
 *
 * defines what the header declares:
 *
 *     const method *method_at(size_t index);          NULL past the end
 *     const method *method_find(const char *name);    NULL when there is none
 */
#ifndef TOPN_BASE_REGISTRY_H
#define TOPN_BASE_REGISTRY_H

#include <stddef.h>
#include <string.h>

#define REGISTRY_ACCESS(type, prefix, table)                                                                           \
    const type *prefix##_at(size_t index)                                                                              \
    {                                                                                                                  \
        return index < sizeof table / sizeof *table ? table[index] : NULL;                                             \
    }                                                                                                                  \
                                                                                                                       \
    const type *prefix##_find(const char *name)                                                                        \
    {                                                                                                                  \
        for (size_t index = 0; index < sizeof table / sizeof *table; index++)                                          \
            if (strcmp(table[index]->name, name) == 0)                                                                 \
                return table[index];                                                                                   \
        return NULL;                                                                                                   \
    }

#endif
