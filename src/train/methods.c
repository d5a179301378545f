/* SPDX-License-Identifier: Apache-2.0 */
#include "train/method.h"

#include "base/registry.h"

#define METHOD(identifier) extern const method method_##identifier;
#include "train/methods.def"
#undef METHOD

static const method *const methods[] = {
#define METHOD(identifier) &method_##identifier,
#include "train/methods.def"
#undef METHOD
};

REGISTRY_ACCESS(method, method, methods)
