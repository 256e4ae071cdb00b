// SPDX-License-Identifier: Apache-2.0
#include "predict/ensemble.hpp"

#include <cstring>
#include <numeric>

#include <osteon/sdk/call.hpp>

#include "base/error.hpp"

namespace osteon::predict {
namespace {

// Classes that are combined at once: 29 float planes of 2048 x 2048 are 487 MB, eight are 134.
constexpr std::size_t kGroup = 8;

sdk::OwnedTensor pack_bits(const osteon_call* call, const osteon_tensor_view& probabilities, const std::vector<std::int32_t>& classes,
                           const std::vector<double>& thresholds) {
  const std::int64_t k = probabilities.shape[0], pixels = probabilities.shape[1] * probabilities.shape[2];
  sdk::OwnedTensor bits = sdk::Call(call).allocate<std::int32_t>({(k + 31) / 32, probabilities.shape[1], probabilities.shape[2]});
  auto* out = reinterpret_cast<std::uint32_t*>(bits.data<std::int32_t>());
  std::fill_n(out, (k + 31) / 32 * pixels, 0u);
  const float* in = sdk::data_of<const float>(probabilities, "a prediction");
  for (std::int64_t c = 0; c < k; ++c) {
    const auto threshold = static_cast<float>(thresholds[static_cast<std::size_t>(classes[static_cast<std::size_t>(c)])]);
    for (std::int64_t i = 0; i < pixels; ++i) out[c / 32 * pixels + i] |= (in[c * pixels + i] > threshold ? 1u : 0u) << (c % 32);
  }
  return bits;
}

}  // namespace

Ensemble::Ensemble(std::shared_ptr<plugin::Ensembler> ensembler, std::vector<std::shared_ptr<const Predictor>> members,
                   const plugin::ClassContext& classes, std::vector<std::vector<double>> thresholds)
    : Predictor(classes), ensembler_(std::move(ensembler)), members_(std::move(members)), thresholds_(std::move(thresholds)) {
  for (const auto& member : members_)
    if (member->classes().names != classes.names)
      throw Error(ExitCode::kUsage, "a member of the ensemble has other classes than the ensemble, or another order of them");
}

std::uint32_t Ensemble::gives_forms() const { return OSTEON_SET(ensembler_->info().gives); }

sdk::OwnedTensor member_prediction(const osteon_call* call, const Predictor& member, const osteon_image& image, std::uint32_t form,
                                   const std::vector<std::int32_t>& classes, std::uint32_t scale, const std::vector<double>& thresholds) {
  osteon_predict_request request = make_request(form == OSTEON_FORM_BITS ? std::uint32_t{OSTEON_FORM_PROBABILITIES} : form, OSTEON_GRID_IMAGE);
  request.scale = scale;
  request.n_classes = classes.size();
  request.classes = classes.data();
  std::vector<OwnedPrediction> predictions(1);
  member.predict(call, {&image}, request, predictions);
  if (form == OSTEON_FORM_BITS) return pack_bits(call, predictions[0].view(), classes, thresholds);
  sdk::OwnedTensor values(predictions[0].raw().values);
  predictions[0].raw().values = {};
  return values;
}

sdk::OwnedTensor Ensemble::combine(const osteon_call* call, const osteon_image& image, const std::vector<std::int32_t>& group, std::uint32_t scale) const {
  osteon_band band{};
  band.struct_size = sizeof band;
  band.height = image.pixels.shape[0];
  band.width = image.pixels.shape[1];
  band.n_classes = group.size();
  band.classes = group.data();
  plugin::Ensembler::Accumulation accumulation = ensembler_->begin(call, band);
  for (std::size_t m = 0; m < members_.size(); ++m) {
    const auto member = static_cast<std::int64_t>(m);
    bool needed = false;
    for (const std::int32_t c : group) needed = needed || ensembler_->needed(member, c);
    if (!needed) continue;
    sdk::Call(call).stop_if_cancelled();
    const sdk::OwnedTensor values = member_prediction(call, *members_[m], image, ensembler_->info().takes, group, scale, thresholds_[m]);
    accumulation.add(call, member, values.view());
  }
  return accumulation.finish(call);
}

void Ensemble::predict_one(const osteon_call* call, const osteon_image& image, const osteon_predict_request& request, OwnedPrediction& prediction) const {
  std::vector<std::int32_t> wanted(request.classes, request.classes + request.n_classes);
  if (wanted.empty()) {
    wanted.resize(classes().names.size());
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1], pixels = height * width;
  const bool bits = ensembler_->info().gives == OSTEON_FORM_BITS;
  // Bits are packed 32 classes to a plane; groups of 32 keep planes whole.
  const std::size_t group_size = bits ? 32 : kGroup;
  const auto k = static_cast<std::int64_t>(wanted.size());
  sdk::OwnedTensor out = bits ? sdk::Call(call).allocate<std::int32_t>({(k + 31) / 32, height, width}) : sdk::Call(call).allocate<float>({k, height, width});
  for (std::size_t first = 0; first < wanted.size(); first += group_size) {
    const std::vector<std::int32_t> group(wanted.begin() + static_cast<std::ptrdiff_t>(first),
                                          wanted.begin() + static_cast<std::ptrdiff_t>(std::min(first + group_size, wanted.size())));
    const sdk::OwnedTensor part = combine(call, image, group, request.scale);
    const std::int64_t planes = bits ? 1 : static_cast<std::int64_t>(group.size());
    sdk::expect_shape(part.view(), {planes, height, width}, "an ensembler's result");
    const std::size_t at = bits ? first / 32 : first;
    std::memcpy(static_cast<char*>(out.view().data) + at * static_cast<std::size_t>(pixels) * 4, part.view().data, static_cast<std::size_t>(planes * pixels) * 4);
  }
  prediction.raw().form = ensembler_->info().gives;
  prediction.raw().to_image[0] = prediction.raw().to_image[4] = 1;
  out.move_to(&prediction.raw().values);
}

void Ensemble::predict(const osteon_call* call, const std::vector<const osteon_image*>& images, const osteon_predict_request& request,
                       std::vector<OwnedPrediction>& predictions) const {
  if ((gives_forms() & OSTEON_SET(request.form)) == 0)
    throw sdk::Unsupported(name() + " gives form " + std::to_string(ensembler_->info().gives) + ", not form " + std::to_string(request.form));
  for (std::size_t i = 0; i < images.size(); ++i) predict_one(call, *images[i], request, predictions[i]);
}

}  // namespace osteon::predict
