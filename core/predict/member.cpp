// SPDX-License-Identifier: Apache-2.0
#include "predict/member.hpp"

#include <algorithm>

#include <osteon/sdk/call.hpp>

#include "base/error.hpp"
#include "predict/bit_planes.hpp"

namespace osteon::predict {
namespace {

// Some planes of a band; a plane of -1 is 0.
sdk::OwnedTensor pick_planes(const osteon_call* call, const osteon_tensor_view& band,
                             const std::vector<std::int64_t>& planes) {
  const std::int64_t plane = band.shape[1] * band.shape[2];
  sdk::OwnedTensor picked =
      sdk::Call(call).allocate<float>({static_cast<std::int64_t>(planes.size()), band.shape[1], band.shape[2]});
  const float* from = sdk::data_of<const float>(band, "a band");
  float* to = picked.data<float>();
  for (const std::int64_t p : planes) {
    if (p < 0)
      std::fill_n(to, plane, 0.0f);
    else
      std::copy_n(from + p * plane, plane, to);
    to += plane;
  }
  return picked;
}

sdk::OwnedTensor pack_bits(const osteon_call* call, const osteon_tensor_view& probabilities,
                           const std::vector<double>& thresholds) {
  const std::int64_t k = probabilities.shape[0], pixels = probabilities.shape[1] * probabilities.shape[2];
  sdk::OwnedTensor bits =
      sdk::Call(call).allocate<std::int32_t>({(k + 31) / 32, probabilities.shape[1], probabilities.shape[2]});
  auto* out = reinterpret_cast<std::uint32_t*>(bits.data<std::int32_t>());
  std::fill_n(out, (k + 31) / 32 * pixels, 0u);
  const float* in = sdk::data_of<const float>(probabilities, "a prediction");
  for (std::int64_t c = 0; c < k; ++c) {
    const auto threshold = static_cast<float>(thresholds[static_cast<std::size_t>(c)]);
    for (std::int64_t i = 0; i < pixels; ++i)
      out[c / 32 * pixels + i] |= (in[c * pixels + i] > threshold ? 1u : 0u) << (c % 32);
  }
  return bits;
}

}  // namespace

std::vector<std::uint8_t> class_table(const std::vector<Member>& members, const plugin::ClassContext& classes) {
  std::vector<std::uint8_t> table;
  for (const Member& member : members)
    for (const std::int32_t channel : member.channels) table.push_back(channel >= 0 ? 1 : 0);
  for (std::size_t c = 0; c < classes.names.size(); ++c)
    if (std::none_of(members.begin(), members.end(), [c](const Member& member) { return member.channels[c] >= 0; }))
      throw Error(ExitCode::kUsage, "no member of the ensemble has the class '" + classes.names[c] + "'");
  if (std::find(table.begin(), table.end(), 0) == table.end()) table.clear();
  return table;
}

void expect_form(const Predictor& member, std::uint32_t form, const std::string& who) {
  const std::string why = member_misfit(gives_of(member), form, who);
  if (!why.empty()) throw Error(ExitCode::kUsage, why);
}

Opinion::Opinion(const osteon_call* call, const Member& member, const osteon_image& image, std::uint32_t form,
                 std::uint32_t scale, const std::vector<std::int32_t>& classes)
    : member_(member), form_(form) {
  for (const std::int32_t c : classes)
    if (const std::int32_t channel = member.channels[static_cast<std::size_t>(c)]; channel >= 0)
      asked_.push_back(channel);
  std::sort(asked_.begin(), asked_.end());
  osteon_predict_request request = make_request(form_of_member(gives_of(*member.predictor), form), OSTEON_GRID_IMAGE);
  request.scale = scale;
  request.n_classes = asked_.size();
  request.classes = asked_.data();
  // What it does not give is made of what it does.
  if (gives_of(*member.predictor).form(request.form))
    reading_ = member.predictor->open(call, image, request);
  else
    reading_ = std::make_unique<HeldReading>(call, *member.predictor, image, request);
}

std::int64_t Opinion::plane_of(std::int32_t class_index) const {
  const std::int32_t channel = member_.channels[static_cast<std::size_t>(class_index)];
  const auto found = std::lower_bound(asked_.begin(), asked_.end(), channel);
  return channel < 0 || found == asked_.end() || *found != channel ? -1 : found - asked_.begin();
}

sdk::OwnedTensor Opinion::band(const osteon_call* call, const std::vector<std::int32_t>& classes) const {
  std::vector<std::int64_t> planes;
  std::vector<double> thresholds;
  for (const std::int32_t c : classes) {
    planes.push_back(plane_of(c));
    if (form_ != OSTEON_FORM_BITS) continue;
    // No probability is above 1: what the member does not have is not set.
    thresholds.push_back(
        planes.back() < 0
            ? 1.0
            : member_.thresholds[static_cast<std::size_t>(member_.channels[static_cast<std::size_t>(c)])]);
  }
  if (band_.raw().form == OSTEON_FORM_BITS) return pick_bits(call, band_.view(), planes, {0, band_.height()});
  sdk::OwnedTensor values = pick_planes(call, band_.view(), planes);
  return form_ == OSTEON_FORM_BITS ? pack_bits(call, values.view(), thresholds) : std::move(values);
}

}  // namespace osteon::predict
