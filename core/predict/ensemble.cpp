// SPDX-License-Identifier: Apache-2.0
#include "predict/ensemble.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <numeric>

#include <osteon/sdk/call.hpp>

#include "base/error.hpp"
#include "predict/finite.hpp"
#include "predict/reading.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
namespace {

// Classes that a member is added to at once: one that is needed for a single class of a group is added for all of it.
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

/// What the members say of one image, summed up and not yet finished.
class Ensemble::Sums final : public Reading {
 public:
  Sums(const osteon_call* call, const Ensemble& of, const osteon_image& image, const osteon_predict_request& request)
      : Reading(image.pixels.shape[0]),
        of_(of),
        image_(image),
        request_(request),
        height_(image.pixels.shape[0]),
        width_(image.pixels.shape[1]) {
    std::vector<std::int32_t> wanted(request.classes, request.classes + request.n_classes);
    if (wanted.empty()) {
      wanted.resize(of.classes().names.size());
      std::iota(wanted.begin(), wanted.end(), 0);
    }
    // Bits are packed 32 classes to a plane; groups of 32 keep planes whole.
    const std::size_t group = bits() ? 32 : kGroup;
    for (std::size_t first = 0; first < wanted.size(); first += group)
      groups_.emplace_back(wanted.begin() + static_cast<std::ptrdiff_t>(first),
                           wanted.begin() + static_cast<std::ptrdiff_t>(std::min(first + group, wanted.size())));
    planes_ = static_cast<std::int64_t>(bits() ? groups_.size() : wanted.size());
    begin(call, rows_of_band(static_cast<std::int64_t>(wanted.size()), height_, width_));
    for (std::size_t m = 0; m < of.members_.size(); ++m) add_member(call, m);
  }

 protected:
  OwnedPrediction next(const osteon_call* call, RowRange rows) override {
    sdk::OwnedTensor out = bits() ? sdk::Call(call).allocate<std::int32_t>({planes_, rows.count, width_})
                                  : sdk::Call(call).allocate<float>({planes_, rows.count, width_});
    auto* target = static_cast<char*>(out.view().data);
    for (std::int64_t done = 0; done < rows.count;) {
      Band& band = finished(call, rows.first + done);
      const std::int64_t skipped = rows.first + done - band.rows.first;
      const std::int64_t count = std::min(band.rows.count - skipped, rows.count - done);
      char* plane = target + done * width_ * kElement;
      for (const sdk::OwnedTensor& part : band.parts)
        for (std::int64_t k = 0; k < part.view().shape[0]; ++k, plane += rows.count * width_ * kElement)
          std::memcpy(plane,
                      static_cast<const char*>(part.view().data) + (k * band.rows.count + skipped) * width_ * kElement,
                      static_cast<std::size_t>(count * width_ * kElement));
      done += count;
      if (skipped + count == band.rows.count) bands_.pop_front();
    }
    OwnedPrediction result;
    result.raw().form = of_.ensembler_->info().gives;
    result.set(std::move(out));
    naming_not_finite(of_, image_, request_.get(), result.raw().form,
                      [&] { expect_finite(sdk::Call(call), result.raw(), rows.first); });
    return result;
  }
  void pass(const osteon_call*, RowRange rows) override {
    while (!bands_.empty() && bands_.front().rows.first + bands_.front().rows.count <= rows.first + rows.count)
      bands_.pop_front();
  }

 private:
  static constexpr std::int64_t kElement = 4;  // bytes, of float32 and of bit planes

  struct Band {
    RowRange rows;
    std::vector<plugin::Ensembler::Accumulation> sums;  // of each group
    std::vector<sdk::OwnedTensor> parts;                // the same, finished
  };

  bool bits() const { return of_.ensembler_->info().gives == OSTEON_FORM_BITS; }
  plugin::Call combining(const osteon_call* call) const {
    plugin::DeriveOptions options;
    options.who = of_.who_;
    return plugin::Call(call, options);
  }
  bool needs(std::int64_t member, const std::vector<std::int32_t>& classes) const {
    return std::any_of(classes.begin(), classes.end(),
                       [&](std::int32_t c) { return of_.ensembler_->needed(member, c); });
  }

  void begin(const osteon_call* call, std::int64_t step) {
    const plugin::Call own = combining(call);
    for (std::int64_t first = 0; first < height_; first += step) {
      Band& band = bands_.emplace_back();
      band.rows = {first, std::min(step, height_ - first)};
      for (const std::vector<std::int32_t>& group : groups_) {
        auto asked = sdk::sized<osteon_band>();
        asked.first_row = first;
        asked.height = band.rows.count;
        asked.width = width_;
        asked.n_classes = group.size();
        asked.classes = group.data();
        band.sums.push_back(of_.ensembler_->begin(own.raw(), asked));
      }
    }
  }

  // The member runs once for all groups and bands, which get their parts of it one after the other.
  void add_member(const osteon_call* call, std::size_t m) {
    const auto member = static_cast<std::int64_t>(m);
    std::vector<std::int32_t> asked;
    for (const std::vector<std::int32_t>& group : groups_)
      if (needs(member, group)) asked.insert(asked.end(), group.begin(), group.end());
    if (asked.empty()) return;
    Opinion opinion(call, of_.members_[m], image_, of_.ensembler_->info().takes, request_.get().scale, asked);
    const plugin::Call own = combining(call);
    for (Band& band : bands_) {
      sdk::Call(call).stop_if_cancelled();
      opinion.advance(call, band.rows.count);
      for (std::size_t g = 0; g < groups_.size(); ++g) {
        if (!needs(member, groups_[g])) continue;
        const sdk::OwnedTensor part = opinion.band(call, groups_[g]);
        band.sums[g].add(own.raw(), member, part.view());
      }
    }
  }

  // The first band, which holds `row`.
  Band& finished(const osteon_call* call, std::int64_t row) {
    while (row >= bands_.front().rows.first + bands_.front().rows.count) bands_.pop_front();
    Band& band = bands_.front();
    if (!band.parts.empty()) return band;
    const plugin::Call own = combining(call);
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      band.parts.push_back(band.sums[g].finish(own.raw()));
      const std::int64_t planes = bits() ? 1 : static_cast<std::int64_t>(groups_[g].size());
      sdk::expect_shape(band.parts.back().view(), {planes, band.rows.count, width_}, "an ensembler's result");
    }
    band.sums.clear();
    return band;
  }

  const Ensemble& of_;
  const osteon_image& image_;
  KeptRequest request_;
  std::int64_t height_, width_, planes_ = 0;
  std::vector<std::vector<std::int32_t>> groups_;  // of the wanted classes
  std::deque<Band> bands_;                         // that were not read to their ends
};

std::unique_ptr<Reading> Ensemble::open(const osteon_call* call, const osteon_image& image,
                                        const osteon_predict_request& request) const {
  return std::make_unique<Sums>(call, *this, image, request);
}

OwnedPrediction Ensemble::predict_one(const osteon_call* call, const osteon_image& image,
                                      const osteon_predict_request& request) const {
  return open(call, image, request)->read(call, image.pixels.shape[0]);
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
      predictions[i] = predict_one(call, *images[i], request);
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
