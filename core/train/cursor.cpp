// SPDX-License-Identifier: Apache-2.0
#include "train/cursor.hpp"

namespace osteon::train {
namespace {

/// Visits every field with its name, for reading and writing alike.
template <class AnyCursor, class Visit>
void visit_fields(AnyCursor& c, Visit&& visit) {
  visit("epoch", c.epoch);
  visit("images", c.images);
  visit("trained", c.trained);
  visit("steps", c.steps);
  visit("loss_sum", c.loss_sum);
  visit("loss_count", c.loss_count);
  visit("learning_rate", c.learning_rate);
  visit("epoch_seconds", c.epoch_seconds);
  visit("skipped", c.skipped);
  visit("skipped_in_row", c.skipped_in_row);
  visit("last_loss", c.last_loss);
  visit("best", c.best);
  visit("best_epoch", c.best_epoch);
  visit("seconds", c.seconds);
}

}  // namespace

void Cursor::next_epoch() {
  last_loss = mean_loss();
  ++epoch;
  images = 0;
  trained = false;
  loss_sum = 0;
  loss_count = 0;
  epoch_seconds = 0;
  skipped = 0;
}

nlohmann::json to_json(const Cursor& cursor) {
  nlohmann::json json;
  visit_fields(cursor, [&](const char* name, const auto& field) { json[name] = field; });
  return json;
}

Cursor cursor_from_json(const nlohmann::json& json) {
  Cursor cursor;
  visit_fields(cursor, [&](const char* name, auto& field) { json.at(name).get_to(field); });
  return cursor;
}

}  // namespace osteon::train
