// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <osteon/sdk/params.hpp>

/// Keys that recipes write the same way for every architecture.
namespace osteon::layers {

/// Adds the key `width`, which Params has as a double.
/// @param least  what leaves every layer of the encoder a channel
template <class Params>
void add_width(sdk::Schema<Params>& schema, double least = 0.125) {
  schema.add("width", &Params::width, "factor on the encoder's channels; below 1 public weights do not fit")
      .between(least, 1);
}

/// Adds the key `checkpointing`, which Params has as a bool.
/// @param parts  of the network, whose inputs are kept
template <class Params>
void add_checkpointing(sdk::Schema<Params>& schema, const std::string& parts) {
  const std::string doc = "keep only what goes into " + parts +
                          ", and compute the rest again on the way back: less memory, more time, the same gradients";
  schema.add("checkpointing", &Params::checkpointing, doc.c_str());
}

}  // namespace osteon::layers
