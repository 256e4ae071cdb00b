// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <osteon/sdk/loss.hpp>

/// What focal.cpp computes on the CPU and focal_expression.hpp by LibTorch elsewhere.
namespace osteon::losses {

inline constexpr std::uint32_t kFocalUnderstands =
    OSTEON_LOSS_PIXEL_WEIGHT | OSTEON_LOSS_CLASS_VALID | OSTEON_LOSS_SOFT_TARGET;

struct FocalParams {
  std::string mode = "pixel";
  double alpha = 0.25;
  double gamma = 2;
  std::vector<double> class_weight;

  bool of_batch() const { return mode == "batch"; }

  static void schema(sdk::Schema<FocalParams>& s) {
    s.add("mode", &FocalParams::mode, "pixel: each pixel by its own probability; batch: the mean by its own")
        .choices({"pixel", "batch"});
    s.add("alpha", &FocalParams::alpha,
          "pixel: weight of set pixels, 1 - alpha of clear ones; batch: a factor; below 0: none")
        .between(-1, 1);
    s.add("gamma", &FocalParams::gamma, "how much less easy pixels count; 0: as much").between(0, 100);
    s.add("class_weight", &FocalParams::class_weight, "weight of each class in the mean: one per class, or none for 1")
        .at_least(0);
  }
};

}  // namespace osteon::losses
