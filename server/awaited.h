/* SPDX-License-Identifier: Apache-2.0
 *
 * Functions of topn.h that the library does not have yet: NULL until it does. Goes when they are there.
 */
#ifndef TOPN_SERVER_AWAITED_H
#define TOPN_SERVER_AWAITED_H

#include <topn/topn.h>

#pragma weak topn_attributes_create
#pragma weak topn_attributes_free
#pragma weak topn_attributes_set
#pragma weak topn_attributes_read
#pragma weak topn_filter_create
#pragma weak topn_diversify

#endif
