// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/annotation.hpp"

#include <numeric>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "data/phantom/random.hpp"

namespace osteon::data::phantom {
namespace {

std::string made_up_id(Random& random) { return fmt::format("{:016x}{:08x}", random.bits(), random.bits() >> 32); }

std::vector<std::size_t> shuffled(std::size_t n, Random& random) {
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = n; i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<std::size_t>(random.below(static_cast<int>(i)))]);
  }
  return order;
}

}  // namespace

std::string annotation_json(const PhantomHand& hand, const std::string& stem, const std::string& folder,
                            std::uint64_t seed) {
  Random random(seed, {});
  nlohmann::ordered_json annotations = nlohmann::ordered_json::array();
  for (std::size_t c : shuffled(hand.outlines.size(), random)) {
    nlohmann::ordered_json points = nlohmann::ordered_json::array();
    for (const cv::Point& p : hand.outlines[c]) points.push_back({p.x, p.y});
    annotations.push_back({{"id", made_up_id(random)},
                           {"type", "poly_seg"},
                           {"attributes", nlohmann::ordered_json::object()},
                           {"points", std::move(points)},
                           {"label", phantom_classes()[c]}});
  }
  const nlohmann::ordered_json document = {{"annotations", std::move(annotations)},
                                           {"attributes", nlohmann::ordered_json::object()},
                                           {"file_id", made_up_id(random)},
                                           {"filename", stem + ".jpg"},
                                           {"parent_path", "/" + folder},
                                           {"last_modifier_id", made_up_id(random)},
                                           {"metadata", {{"width", 3060}, {"height", 3060}}},
                                           {"last_workers", nlohmann::ordered_json::array()}};
  return document.dump();
}

}  // namespace osteon::data::phantom
