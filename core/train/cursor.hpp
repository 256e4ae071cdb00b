// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include <nlohmann/json.hpp>

namespace osteon::train {

/// Where training stands after a whole optimizer step, with the sums of the epoch that is under way.
struct Cursor {
  std::int64_t epoch = 0;   ///< the one to go on in
  std::int64_t images = 0;  ///< of its order, how many were trained on: where it goes on, in batches of any size
  bool trained = false;     ///< all of them were; what is left is to validate and to write the epoch down
  std::int64_t steps = 0;   ///< optimizer steps so far, those that were left out with them
  double loss_sum = 0;      ///< over the epoch's batches so far
  std::int64_t loss_count = 0;
  double learning_rate = 0;         ///< of the last step
  double epoch_seconds = 0;         ///< of training in this epoch so far
  std::int64_t skipped = 0;         ///< steps of this epoch that were left out, for their gradients were not finite
  std::int64_t skipped_in_row = 0;  ///< the last ones, of any epoch
  double last_loss = 0;             ///< mean over the last epoch that was trained whole
  double best = -1;                 ///< best validation Dice so far; below 0: none
  std::int64_t best_epoch = -1;
  double seconds = 0;  ///< of training so far

  double mean_loss() const { return loss_count > 0 ? loss_sum / static_cast<double>(loss_count) : 0; }
  /// To the beginning of the next epoch.
  void next_epoch();
};

/// All of it, exactly.
nlohmann::json to_json(const Cursor& cursor);
/// Throws nlohmann::json::exception where something is missing.
Cursor cursor_from_json(const nlohmann::json& json);

}  // namespace osteon::train
