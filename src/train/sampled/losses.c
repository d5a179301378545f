/* SPDX-License-Identifier: Apache-2.0 */
#include "base/registry.h"
#include "train/sampled/loss.h"

#define LOSS(identifier, name) extern const sampled_loss sampled_loss_##identifier;
#include "train/sampled/losses.def"
#undef LOSS

static const sampled_loss *const losses[] = {
#define LOSS(identifier, name) &sampled_loss_##identifier,
#include "train/sampled/losses.def"
#undef LOSS
};

REGISTRY_ACCESS(sampled_loss, sampled_loss, losses)
