// SPDX-License-Identifier: Apache-2.0
#include "predict/some_classes.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <numeric>
#include <utility>

#include <osteon/sdk/call.hpp>

#include "predict/bit_planes.hpp"
#include "predict/bridge.hpp"
#include "predict/finite.hpp"
#include "predict/reading.hpp"
#include "predict/reform.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
namespace {

using Classes = std::vector<std::int32_t>;

std::vector<double> thresholds_of(const Predictor& all, const Classes& classes) {
  std::vector<double> some;
  for (std::size_t k = 0; k < classes.size() && !all.thresholds().empty(); ++k)
    some.push_back(all.thresholds()[static_cast<std::size_t>(classes[k])]);
  return some;
}

osteon_predict_request for_classes(osteon_predict_request request, const Classes& classes) {
  request.n_classes = classes.size();
  request.classes = classes.data();
  return request;
}

// Where the elements of `some` stand among those of `all`; both rise.
Classes positions(const Classes& some, const Classes& all) {
  Classes found;
  for (const std::int32_t c : some)
    found.push_back(static_cast<std::int32_t>(std::lower_bound(all.begin(), all.end(), c) - all.begin()));
  return found;
}

// Some planes of a prediction, as one of its own.
OwnedPrediction part_of(const osteon_call* call, OwnedPrediction& whole, const Classes& at) {
  OwnedPrediction part;
  part.raw().form = whole.raw().form;
  std::copy_n(whole.raw().to_image, 6, part.raw().to_image);
  const osteon_tensor_view& view = whole.view();
  if (whole.raw().form == OSTEON_FORM_BITS) {
    part.set(pick_bits(call, view, {at.begin(), at.end()}, {0, view.shape[1]}));
    return part;
  }
  const std::int64_t plane = view.shape[1] * view.shape[2] * (view.dtype.bits / 8);
  sdk::OwnedTensor values =
      sdk::Call(call).allocate(view.dtype, {static_cast<std::int64_t>(at.size()), view.shape[1], view.shape[2]});
  for (std::size_t k = 0; k < at.size(); ++k)
    std::memcpy(static_cast<char*>(values.view().data) + static_cast<std::int64_t>(k) * plane,
                static_cast<const char*>(view.data) + at[k] * plane, static_cast<std::size_t>(plane));
  part.set(std::move(values));
  return part;
}

bool on_one_grid(const OwnedPrediction& a, const OwnedPrediction& b) {
  return a.height() == b.height() && a.width() == b.width() &&
         std::equal(a.raw().to_image, a.raw().to_image + 6, b.raw().to_image);
}

// Planes of two predictions on one grid, in the order that `places` has of the first's followed by the second's.
sdk::OwnedTensor join_bits(const osteon_call* call, const OwnedPrediction& own, const OwnedPrediction& others,
                           const std::vector<std::int64_t>& places) {
  const auto bytes = [](const OwnedPrediction& of) {
    return static_cast<std::size_t>(sdk::element_count(of.view())) * 4;
  };
  const sdk::OwnedTensor both =
      sdk::Call(call).allocate<std::int32_t>({own.classes() + others.classes(), own.height(), own.width()});
  auto* to = static_cast<char*>(both.view().data);
  std::memcpy(to, own.view().data, bytes(own));
  std::memcpy(to + bytes(own), others.view().data, bytes(others));
  return pick_bits(call, both.view(), places, {0, own.height()});
}
sdk::OwnedTensor join_floats(const osteon_call* call, const OwnedPrediction& own, const OwnedPrediction& others,
                             const std::vector<std::int64_t>& places) {
  const std::int64_t plane = own.height() * own.width(), first_of_others = own.classes();
  sdk::OwnedTensor values =
      sdk::Call(call).allocate<float>({static_cast<std::int64_t>(places.size()), own.height(), own.width()});
  float* to = values.data<float>();
  for (const std::int64_t place : places) {
    const float* from =
        place < first_of_others ? own.data() + place * plane : others.data() + (place - first_of_others) * plane;
    to = std::copy_n(from, plane, to);
  }
  return values;
}

/// Narrowed, while one request is worked on: the first time that it is asked for that request's own images, other
/// classes come along.
class Tapped final : public Narrowed {
 public:
  Tapped(std::shared_ptr<const Predictor> inner, const Classes& own, const Classes& others,
         const std::vector<const osteon_image*>& images)
      : Narrowed(std::move(inner), own), others_(others), images_(images) {}

  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override {
    if (others_.empty() || !are_the_same(images) || asked_.exchange(true))
      return Narrowed::predict(call, images, request, predictions);
    const Classes own = inner_classes(request);
    Classes both;
    std::set_union(own.begin(), own.end(), others_.begin(), others_.end(), std::back_inserter(both));
    inner().predict(call, images, for_classes(request, both), predictions);
    brought_.resize(images.size());
    for (std::size_t i = 0; i < images.size(); ++i) {
      if (predictions[i].refused()) continue;
      brought_[i] = part_of(call, predictions[i], positions(others_, both));
      predictions[i] = part_of(call, predictions[i], positions(own, both));
    }
  }
  /// One for each image, of the other classes; none where nobody asked.
  std::vector<OwnedPrediction>& brought() const noexcept { return brought_; }

 private:
  bool are_the_same(const std::vector<const osteon_image*>& images) const {
    return std::equal(images.begin(), images.end(), images_.begin(), images_.end(),
                      [](const osteon_image* a, const osteon_image* b) { return a->pixels.data == b->pixels.data; });
  }

  const Classes& others_;
  const std::vector<const osteon_image*>& images_;
  mutable std::atomic<bool> asked_{false};
  mutable std::vector<OwnedPrediction> brought_;
};

}  // namespace

plugin::ClassContext narrowed(const plugin::ClassContext& all, const Classes& classes) {
  plugin::ClassContext some;
  some.multiclass = all.multiclass;
  for (const std::int32_t c : classes) some.names.push_back(all.names[static_cast<std::size_t>(c)]);
  for (std::size_t k = 0; k < classes.size() && !all.mirrored.empty(); ++k) {
    const std::int32_t becomes = all.mirrored[static_cast<std::size_t>(classes[k])];
    const bool there = std::binary_search(classes.begin(), classes.end(), becomes);
    some.mirrored.push_back(there ? positions({becomes}, classes)[0] : static_cast<std::int32_t>(k));
  }
  return some;
}

Narrowed::Narrowed(std::shared_ptr<const Predictor> inner, Classes classes)
    : Predictor(narrowed(inner->classes(), classes), {inner->gives_forms(), inner->gives_grids()},
                thresholds_of(*inner, classes), inner->batch_size()),
      inner_(std::move(inner)),
      classes_(std::move(classes)) {}

Classes Narrowed::inner_classes(const osteon_predict_request& request) const {
  if (request.n_classes == 0) return classes_;
  Classes own;
  for (std::uint64_t k = 0; k < request.n_classes; ++k)
    own.push_back(classes_[static_cast<std::size_t>(request.classes[k])]);
  return own;
}

void Narrowed::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                       const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  const Classes own = inner_classes(request);
  inner_->predict(call, images, for_classes(request, own), predictions);
}

std::unique_ptr<Reading> Narrowed::open(const osteon_call* call, const osteon_image& image,
                                        const osteon_predict_request& request) const {
  return inner_->open(call, image, for_classes(request, inner_classes(request)));
}

/// Which classes of a request are the post-processor's, and what is said of these and of the others.
struct SomeClasses::Parts {
  Classes wanted, own, others;
  std::vector<OwnedPrediction> of_own, of_others;

  Parts(const osteon_predict_request& request, std::size_t n_classes, const Classes& classes)
      : wanted(request.classes, request.classes + request.n_classes) {
    if (wanted.empty()) {
      wanted.resize(n_classes);
      std::iota(wanted.begin(), wanted.end(), 0);
    }
    std::set_intersection(wanted.begin(), wanted.end(), classes.begin(), classes.end(), std::back_inserter(own));
    std::set_difference(wanted.begin(), wanted.end(), classes.begin(), classes.end(), std::back_inserter(others));
  }
  /// Where each class that is wanted stands when the others follow the post-processor's own, which are filled up to a
  /// multiple of `unit`.
  std::vector<std::int64_t> places(std::int64_t unit) const {
    const std::int64_t before = (static_cast<std::int64_t>(own.size()) + unit - 1) / unit * unit;
    std::vector<std::int64_t> found;
    for (const std::int32_t c : wanted)
      found.push_back(std::binary_search(own.begin(), own.end(), c) ? positions({c}, own)[0]
                                                                    : before + positions({c}, others)[0]);
    return found;
  }
};

SomeClasses::SomeClasses(std::shared_ptr<const Predictor> inner, std::shared_ptr<const Link> link, Classes classes,
                         Decision decision)
    : Predictor(inner->classes(), link->gives(), inner->thresholds(), inner->batch_size()),
      inner_(std::move(inner)),
      link_(std::move(link)),
      classes_(std::move(classes)),
      decision_(std::move(decision)) {}

void SomeClasses::predict_own(const osteon_call* call, const std::vector<const osteon_image*>& images,
                              const osteon_predict_request& request, Parts& parts) const {
  // A wrapper may ask for other images than these, and for these more than once.
  static const Classes kNone;
  const Tapped beneath(inner_, classes_, link_->is_map() ? parts.others : kNone, images);
  const Classes own = positions(parts.own, classes_);
  parts.of_own.resize(images.size());
  link_->process(call, beneath, images, for_classes(request, own), parts.of_own);
  parts.of_others = std::move(beneath.brought());
}

void SomeClasses::predict_others(const osteon_call* call, const std::vector<const osteon_image*>& images,
                                 const osteon_predict_request& request, Parts& parts) const {
  osteon_predict_request below = for_classes(request, parts.others);
  if ((inner_->gives_forms() & OSTEON_SET(below.form)) == 0) {
    below.form = form_to_decide(*inner_);
    if (request.form == OSTEON_FORM_BITS) below.grid = grid_to_decide(*inner_);
  }
  if ((inner_->gives_grids() & OSTEON_SET(below.grid)) == 0)
    below.grid = below.grid == OSTEON_GRID_MODEL ? OSTEON_GRID_IMAGE : OSTEON_GRID_MODEL;
  parts.of_others.resize(images.size());
  inner_->predict(call, images, below, parts.of_others);
}

OwnedPrediction SomeClasses::joined(const osteon_call* call, const osteon_image& image,
                                    const osteon_predict_request& request, Parts& parts, std::size_t i) const {
  const std::int64_t height = image.pixels.shape[0], width = image.pixels.shape[1];
  if (!parts.others.empty() && !parts.of_others[i].refused()) {
    const osteon_predict_request asked = for_classes(request, parts.others);
    OwnedPrediction& others = parts.of_others[i];
    naming_not_finite(*inner_, image, asked, others.raw().form,
                      [&] { reform(call, *inner_, asked, height, width, decision_, others); });
  }
  if (parts.own.empty() || (!parts.others.empty() && parts.of_others[i].refused()))
    return std::move(parts.of_others[i]);
  if (parts.others.empty() || parts.of_own[i].refused()) return std::move(parts.of_own[i]);
  OwnedPrediction &own = parts.of_own[i], &others = parts.of_others[i];
  if (!on_one_grid(own, others)) {
    // The image's is the one that both can be brought to.
    const osteon_predict_request common = make_request(request.form, OSTEON_GRID_IMAGE);
    for (OwnedPrediction* each : {&own, &others}) convert(call, raw(), common, height, width, each->raw());
  }
  OwnedPrediction result;
  result.raw().form = request.form;
  std::copy_n(own.raw().to_image, 6, result.raw().to_image);
  result.set(request.form == OSTEON_FORM_BITS ? join_bits(call, own, others, parts.places(32))
                                              : join_floats(call, own, others, parts.places(1)));
  return result;
}

void SomeClasses::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                          const osteon_predict_request& asked, std::vector<OwnedPrediction>& predictions) const {
  osteon_predict_request request = asked;
  request.elements = 0;  // both parts are float32, so that they can be joined
  Parts parts(request, classes().names.size(), classes_);
  if (!parts.own.empty()) predict_own(call, images, request, parts);
  if (!parts.others.empty() && parts.of_others.empty()) predict_others(call, images, request, parts);
  for (std::size_t i = 0; i < images.size(); ++i) predictions[i] = joined(call, *images[i], request, parts, i);
}

}  // namespace osteon::predict
