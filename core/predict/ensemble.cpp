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

}  // namespace

Ensemble::Ensemble(std::shared_ptr<plugin::Ensembler> ensembler, std::vector<Member> members,
                   const plugin::ClassContext& classes, std::string who, std::vector<double> thresholds)
    : Predictor(classes, {OSTEON_SET(ensembler->info().gives), OSTEON_SET(OSTEON_GRID_IMAGE)}, std::move(thresholds)),
      ensembler_(std::move(ensembler)),
      members_(std::move(members)),
      who_(std::move(who)) {
  for (std::size_t m = 0; m < members_.size(); ++m)
    expect_form(*members_[m].predictor, ensembler_->info().takes, "member " + std::to_string(m) + " of the ensemble");
}

struct Ensemble::Group {
  std::vector<std::int32_t> classes;
  osteon_band band{};
  std::optional<plugin::Ensembler::Accumulation> accumulation;
};

bool Ensemble::needs(std::int64_t member, const std::vector<std::int32_t>& classes) const {
  return std::any_of(classes.begin(), classes.end(), [&](std::int32_t c) { return ensembler_->needed(member, c); });
}

// One forward of the member for all groups, which get their parts of it one after the other.
void Ensemble::add_member(const osteon_call* call, const osteon_call* combining, std::size_t m,
                          const osteon_image& image, std::uint32_t scale, std::vector<Group>& groups) const {
  const auto member = static_cast<std::int64_t>(m);
  std::vector<std::int32_t> asked;
  for (const Group& group : groups)
    if (needs(member, group.classes)) asked.insert(asked.end(), group.classes.begin(), group.classes.end());
  if (asked.empty()) return;
  const Opinion opinion(call, members_[m], image, ensembler_->info().takes, scale, asked);
  for (Group& group : groups) {
    if (!needs(member, group.classes)) continue;
    sdk::Call(call).stop_if_cancelled();
    const sdk::OwnedTensor part = opinion.band(call, group.classes, {0, group.band.height});
    group.accumulation->add(combining, member, part.view());
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
  plugin::DeriveOptions options;
  options.who = who_;
  const plugin::Call combining(call, options);
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
    group.band = sdk::sized<osteon_band>();
    group.band.height = height;
    group.band.width = width;
    group.band.n_classes = group.classes.size();
    group.band.classes = group.classes.data();
    group.accumulation.emplace(ensembler_->begin(combining.raw(), group.band));
  }
  for (std::size_t m = 0; m < members_.size(); ++m) add_member(call, combining.raw(), m, image, request.scale, groups);

  sdk::OwnedTensor out = bits ? sdk::Call(call).allocate<std::int32_t>({(k + 31) / 32, height, width})
                              : sdk::Call(call).allocate<float>({k, height, width});
  auto* target = static_cast<char*>(out.view().data);
  for (Group& group : groups) {
    const sdk::OwnedTensor part = group.accumulation->finish(combining.raw());
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
  const bool each = (request.flags & OSTEON_PREDICT_EACH) != 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    try {
      pixels_of(*images[i]);
      predict_one(call, *images[i], request, predictions[i]);
    } catch (const sdk::BadInput& e) {
      if (!each) throw;
      predictions[i].refuse(e.what());
    } catch (const Error& e) {
      if (!each || e.code() != ExitCode::kData) throw;
      predictions[i].refuse(e.what());
    }
  }
}

}  // namespace osteon::predict
