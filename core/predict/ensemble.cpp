// SPDX-License-Identifier: Apache-2.0
#include "predict/ensemble.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include <osteon/sdk/call.hpp>

#include "base/error.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
namespace {

// Classes that are combined at once: 29 float planes of 2048 x 2048 are 487 MB, eight are 134.
constexpr std::size_t kGroup = 8;

sdk::OwnedTensor pack_bits(const osteon_call* call, const osteon_tensor_view& probabilities,
                           const std::vector<std::int32_t>& classes, const std::vector<double>& thresholds) {
  const std::int64_t k = probabilities.shape[0], pixels = probabilities.shape[1] * probabilities.shape[2];
  sdk::OwnedTensor bits =
      sdk::Call(call).allocate<std::int32_t>({(k + 31) / 32, probabilities.shape[1], probabilities.shape[2]});
  auto* out = reinterpret_cast<std::uint32_t*>(bits.data<std::int32_t>());
  std::fill_n(out, (k + 31) / 32 * pixels, 0u);
  const float* in = sdk::data_of<const float>(probabilities, "a prediction");
  for (std::int64_t c = 0; c < k; ++c) {
    const auto threshold =
        static_cast<float>(thresholds[static_cast<std::size_t>(classes[static_cast<std::size_t>(c)])]);
    for (std::int64_t i = 0; i < pixels; ++i)
      out[c / 32 * pixels + i] |= (in[c * pixels + i] > threshold ? 1u : 0u) << (c % 32);
  }
  return bits;
}

// A copy of `count` classes of a prediction from `first` on.
OwnedPrediction slice(const osteon_call* call, const OwnedPrediction& whole, std::int64_t first, std::int64_t count) {
  const osteon_tensor_view& view = whole.view();
  const std::int64_t pixels = view.shape[1] * view.shape[2];
  sdk::OwnedTensor values = sdk::Call(call).allocate<float>({count, view.shape[1], view.shape[2]});
  std::copy_n(sdk::data_of<const float>(view, "a prediction") + first * pixels, count * pixels, values.data<float>());
  OwnedPrediction part;
  part.raw().form = whole.raw().form;
  part.raw().flags = whole.raw().flags;
  std::copy_n(whole.raw().to_image, 6, part.raw().to_image);
  values.move_to(&part.raw().values);
  return part;
}

}  // namespace

Ensemble::Ensemble(std::shared_ptr<plugin::Ensembler> ensembler, std::vector<std::shared_ptr<const Predictor>> members,
                   const plugin::ClassContext& classes, std::vector<std::vector<double>> thresholds)
    : Predictor(classes, {OSTEON_SET(ensembler->info().gives), OSTEON_SET(OSTEON_GRID_IMAGE)}),
      ensembler_(std::move(ensembler)),
      members_(std::move(members)),
      thresholds_(std::move(thresholds)) {
  for (const auto& member : members_)
    if (member->classes().names != classes.names)
      throw Error(ExitCode::kUsage,
                  "a member of the ensemble has other classes than the ensemble, or another order of them");
}

struct Ensemble::Group {
  std::vector<std::int32_t> classes;
  osteon_band band{};
  std::optional<plugin::Ensembler::Accumulation> accumulation;
};

bool Ensemble::needs(std::int64_t member, const std::vector<std::int32_t>& classes) const {
  return std::any_of(classes.begin(), classes.end(), [&](std::int32_t c) { return ensembler_->needed(member, c); });
}

// One forward of the member for all groups. Where it has logits on its own grid they are brought to the image's group
// by group, so that its full-size planes are never there together. A softmax needs all of them.
void Ensemble::add_member(const osteon_call* call, std::size_t m, const osteon_image& image, std::uint32_t scale,
                          std::vector<Group>& groups) const {
  const Predictor& member = *members_[m];
  const std::uint32_t takes = ensembler_->info().takes;
  std::vector<std::int32_t> asked;
  for (const Group& group : groups)
    if (needs(static_cast<std::int64_t>(m), group.classes))
      asked.insert(asked.end(), group.classes.begin(), group.classes.end());
  if (asked.empty()) return;
  const bool small = !member.classes().multiclass && (member.gives_forms() & OSTEON_SET(OSTEON_FORM_LOGITS)) != 0 &&
                     (member.gives_grids() & OSTEON_SET(OSTEON_GRID_MODEL)) != 0;
  osteon_predict_request wanted =
      make_request(takes == OSTEON_FORM_BITS ? std::uint32_t{OSTEON_FORM_PROBABILITIES} : takes, OSTEON_GRID_IMAGE);
  wanted.scale = scale;
  osteon_predict_request request = wanted;
  if (small) {
    request.form = OSTEON_FORM_LOGITS;
    request.grid = OSTEON_GRID_MODEL;
  }
  request.n_classes = asked.size();
  request.classes = asked.data();
  std::vector<OwnedPrediction> whole(1);
  member.predict(call, {&image}, request, whole);

  std::int64_t first = 0;
  for (Group& group : groups) {
    if (!needs(static_cast<std::int64_t>(m), group.classes)) continue;
    sdk::Call(call).stop_if_cancelled();
    OwnedPrediction part = slice(call, whole[0], first, static_cast<std::int64_t>(group.classes.size()));
    first += static_cast<std::int64_t>(group.classes.size());
    convert(call, member.raw(), wanted, group.band.height, group.band.width, part.raw());
    if (takes == OSTEON_FORM_BITS) {
      const sdk::OwnedTensor bits = pack_bits(call, part.view(), group.classes, thresholds_[m]);
      group.accumulation->add(call, static_cast<std::int64_t>(m), bits.view());
    } else {
      group.accumulation->add(call, static_cast<std::int64_t>(m), part.view());
    }
  }
}

void Ensemble::predict_one(const osteon_call* call, const osteon_image& image, const osteon_predict_request& request,
                           OwnedPrediction& prediction) const {
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
  std::vector<Group> groups;
  for (std::size_t first = 0; first < wanted.size(); first += group_size)
    groups.push_back({{wanted.begin() + static_cast<std::ptrdiff_t>(first),
                       wanted.begin() + static_cast<std::ptrdiff_t>(std::min(first + group_size, wanted.size()))},
                      {},
                      {}});
  for (Group& group : groups) {
    group.band.struct_size = sizeof group.band;
    group.band.height = height;
    group.band.width = width;
    group.band.n_classes = group.classes.size();
    group.band.classes = group.classes.data();
    group.accumulation.emplace(ensembler_->begin(call, group.band));
  }
  for (std::size_t m = 0; m < members_.size(); ++m) add_member(call, m, image, request.scale, groups);

  sdk::OwnedTensor out = bits ? sdk::Call(call).allocate<std::int32_t>({(k + 31) / 32, height, width})
                              : sdk::Call(call).allocate<float>({k, height, width});
  auto* target = static_cast<char*>(out.view().data);
  for (Group& group : groups) {
    const sdk::OwnedTensor part = group.accumulation->finish(call);
    group.accumulation.reset();
    const std::int64_t planes = bits ? 1 : static_cast<std::int64_t>(group.classes.size());
    sdk::expect_shape(part.view(), {planes, height, width}, "an ensembler's result");
    const std::size_t bytes = static_cast<std::size_t>(planes * pixels) * 4;
    std::memcpy(target, part.view().data, bytes);
    target += bytes;
  }
  prediction.raw().form = ensembler_->info().gives;
  prediction.raw().to_image[0] = prediction.raw().to_image[4] = 1;
  out.move_to(&prediction.raw().values);
}

void Ensemble::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                       const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  if ((gives_forms() & OSTEON_SET(request.form)) == 0)
    throw sdk::Unsupported(name() + " gives form " + std::to_string(ensembler_->info().gives) + ", not form " +
                           std::to_string(request.form));
  for (std::size_t i = 0; i < images.size(); ++i) predict_one(call, *images[i], request, predictions[i]);
}

}  // namespace osteon::predict
