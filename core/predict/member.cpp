// SPDX-License-Identifier: Apache-2.0
#include "predict/member.hpp"

#include <algorithm>

#include <osteon/sdk/call.hpp>

#include "base/error.hpp"
#include "predict/bit_planes.hpp"
#include "predict/finite.hpp"

namespace osteon::predict {
namespace {

osteon_predict_request request_for(const Predictor& member, std::uint32_t form) {
  const MemberQuestion question = member_question(gives_of(member), member.classes().multiclass, form);
  return make_request(question.form, question.grid);
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
  const std::string why = member_misfit(gives_of(member), member.classes().multiclass, form, who);
  if (!why.empty()) throw Error(ExitCode::kUsage, why);
}

Opinion::Opinion(const osteon_call* call, const Member& member, const osteon_image& image, std::uint32_t form,
                 std::uint32_t scale, const std::vector<std::int32_t>& classes)
    : member_(member), form_(form), height_(image.pixels.shape[0]), width_(image.pixels.shape[1]) {
  for (const std::int32_t c : classes)
    if (const std::int32_t channel = member.channels[static_cast<std::size_t>(c)]; channel >= 0)
      asked_.push_back(channel);
  std::sort(asked_.begin(), asked_.end());
  osteon_predict_request request = request_for(*member.predictor, form);
  request.scale = scale;
  request.n_classes = asked_.size();
  request.classes = asked_.data();
  std::vector<OwnedPrediction> predictions(1);
  member.predictor->predict(call, {&image}, request, predictions);
  whole_ = std::move(predictions[0]);
  naming_not_finite(*member.predictor, image, request, whole_.raw().form,
                    [&] { expect_finite(sdk::Call(call), whole_.raw()); });
}

std::int64_t Opinion::plane_of(std::int32_t class_index) const {
  const std::int32_t channel = member_.channels[static_cast<std::size_t>(class_index)];
  const auto found = std::lower_bound(asked_.begin(), asked_.end(), channel);
  return channel < 0 || found == asked_.end() || *found != channel ? -1 : found - asked_.begin();
}

sdk::OwnedTensor Opinion::band(const osteon_call* call, const std::vector<std::int32_t>& classes, RowRange rows) const {
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
  if (whole_.raw().form == OSTEON_FORM_BITS) return pick_bits(call, whole_.view(), planes, rows);
  const auto k = static_cast<std::int64_t>(classes.size());
  sdk::OwnedTensor values = sdk::Call(call).allocate<float>({k, rows.count, width_});
  resample_rows(call, whole_.raw(), planes, rows, height_, width_, values.data<float>());
  if (whole_.raw().form == OSTEON_FORM_LOGITS && form_ != OSTEON_FORM_LOGITS)
    Activation(call, false).apply(values.data<float>(), k, rows.count * width_);
  return form_ == OSTEON_FORM_BITS ? pack_bits(call, values.view(), thresholds) : std::move(values);
}

}  // namespace osteon::predict
