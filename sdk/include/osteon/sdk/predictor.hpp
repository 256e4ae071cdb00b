// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <osteon/abi/predictor.h>
#include <osteon/sdk/call.hpp>

namespace osteon::sdk {

/// A 2 x 3 affine of pixel coordinates, row-major; pixel centres are whole numbers.
struct Affine {
  double m[6] = {1, 0, 0, 0, 1, 0};

  static Affine of(const double (&values)[6]) {
    Affine a;
    std::memcpy(a.m, values, sizeof a.m);
    return a;
  }
  /// The map that applies `first`, then this.
  Affine after(const Affine& first) const {
    const double *a = m, *b = first.m;
    return of({a[0] * b[0] + a[1] * b[3], a[0] * b[1] + a[1] * b[4], a[0] * b[2] + a[1] * b[5] + a[2],
               a[3] * b[0] + a[4] * b[3], a[3] * b[1] + a[4] * b[4], a[3] * b[2] + a[4] * b[5] + a[5]});
  }
};

/// An image that a post-processor makes to have it predicted. Owns its pixels.
class Image {
 public:
  /// @param to_root  a pixel of this image to one of the root image
  Image(OwnedTensor pixels, const Affine& to_root, const char* root) : pixels_(std::move(pixels)) {
    raw_.struct_size = sizeof raw_;
    raw_.pixels = pixels_.view();
    std::memcpy(raw_.to_root, to_root.m, sizeof to_root.m);
    raw_.root = root;
  }
  Image(Image&&) = default;
  Image& operator=(Image&&) = default;
  const osteon_image* raw() const noexcept { return &raw_; }
  float* data() const { return pixels_.data<float>("an image"); }

 private:
  OwnedTensor pixels_;
  osteon_image raw_{};
};

/// A prediction that is owned.
class Prediction {
 public:
  Prediction() noexcept { clear(); }
  Prediction(Prediction&& other) noexcept : raw_(other.raw_) { other.clear(); }
  Prediction& operator=(Prediction&& other) noexcept {
    if (this != &other) {
      reset();
      raw_ = other.raw_;
      other.clear();
    }
    return *this;
  }
  Prediction(const Prediction&) = delete;
  Prediction& operator=(const Prediction&) = delete;
  ~Prediction() { reset(); }

  osteon_prediction& raw() noexcept { return raw_; }
  const osteon_prediction& raw() const noexcept { return raw_; }
  const osteon_tensor_view& view() const noexcept { return raw_.values.view; }
  std::int64_t classes() const noexcept { return view().shape[0]; }
  std::int64_t height() const noexcept { return view().shape[1]; }
  std::int64_t width() const noexcept { return view().shape[2]; }
  /// [K, H, W], to be worked in in place.
  float* data() const { return data_of<float>(view(), "a prediction"); }
  /// Replaces the values.
  void set(OwnedTensor values) {
    OwnedTensor old(raw_.values);
    values.move_to(&raw_.values);
  }
  /// Hands it to the caller of an ABI function. `out` may be of an older and shorter kind.
  void move_to(osteon_prediction* out) noexcept {
    const std::uint32_t size = out->struct_size;
    std::memcpy(out, &raw_, std::min<std::size_t>(size, sizeof raw_));
    out->struct_size = size;
    clear();
  }
  void reset() noexcept {
    if (raw_.values.release != nullptr) raw_.values.release(&raw_.values);
    clear();
  }

 private:
  void clear() noexcept {
    raw_ = osteon_prediction{};
    raw_.struct_size = sizeof raw_;
    raw_.values.struct_size = sizeof raw_.values;
  }
  osteon_prediction raw_;
};

/// Something that predicts; see osteon_predictor. Valid as long as what it was made from.
class Predictor {
 public:
  explicit Predictor(const osteon_predictor* raw) noexcept : raw_(raw) {}

  const osteon_predictor* raw() const noexcept { return raw_; }
  std::int64_t n_classes() const noexcept { return raw_->n_classes; }
  bool multiclass() const noexcept { return raw_->labels == OSTEON_LABELS_MULTICLASS; }
  /// Whether it can be asked for this OSTEON_FORM_* or OSTEON_GRID_*.
  bool gives_form(std::uint32_t form) const noexcept { return (raw_->gives_forms & OSTEON_SET(form)) != 0; }
  bool gives_grid(std::uint32_t grid) const noexcept { return (raw_->gives_grids & OSTEON_SET(grid)) != 0; }

  /// One prediction per image. Throws Error with what went wrong beneath.
  std::vector<Prediction> predict(const Call& call, const std::vector<const osteon_image*>& images,
                                  const osteon_predict_request& request) const {
    std::vector<Prediction> predictions(images.size());
    std::vector<osteon_prediction*> out;
    for (Prediction& prediction : predictions) out.push_back(&prediction.raw());
    check([&](osteon_error* error) {
      return raw_->predict(call.raw(), raw_, images.size(), images.data(), &request, out.data(), error);
    });
    return predictions;
  }

  /// Brings a prediction of a height x width image to the form and grid of `request`, by the host's one resampler.
  void convert(const Call& call, const osteon_predict_request& request, std::int64_t height, std::int64_t width,
               Prediction& prediction) const {
    const auto& service = call.service<osteon_resample_service>(OSTEON_SERVICE_RESAMPLE);
    check([&](osteon_error* error) {
      return service.convert(call.raw(), raw_, &request, height, width, &prediction.raw(), error);
    });
  }

  /// `request` as one for logits, from which finish() reaches every form: of multiclass data for all classes, because a
  /// softmax needs them all, and on the other grid where this predictor does not give the one that is wanted.
  osteon_predict_request as_logits(osteon_predict_request request) const noexcept {
    request.form = OSTEON_FORM_LOGITS;
    if (!gives_grid(request.grid))
      request.grid = request.grid == OSTEON_GRID_MODEL ? OSTEON_GRID_IMAGE : OSTEON_GRID_MODEL;
    if (multiclass()) {
      request.n_classes = 0;
      request.classes = nullptr;
    }
    return request;
  }

  /// convert(), and then leaves out classes that were not asked for. `prediction` has those that were, or all.
  void finish(const Call& call, const osteon_predict_request& request, std::int64_t height, std::int64_t width,
              Prediction& prediction) const {
    convert(call, request, height, width, prediction);
    if (request.n_classes == 0 || prediction.classes() == static_cast<std::int64_t>(request.n_classes)) return;
    const std::int64_t pixels = prediction.height() * prediction.width();
    OwnedTensor kept =
        call.allocate<float>({static_cast<std::int64_t>(request.n_classes), prediction.height(), prediction.width()});
    for (std::uint64_t k = 0; k < request.n_classes; ++k)
      std::copy_n(prediction.data() + request.classes[k] * pixels, pixels,
                  kept.data<float>() + static_cast<std::int64_t>(k) * pixels);
    prediction.set(std::move(kept));
  }

 private:
  const osteon_predictor* raw_;
};

/// A request for all classes at the recipe's scale.
inline osteon_predict_request make_request(std::uint32_t form, std::uint32_t grid) {
  osteon_predict_request request{};
  request.struct_size = sizeof request;
  request.form = form;
  request.grid = grid;
  request.scale = OSTEON_SCALE_RECIPE;
  return request;
}

}  // namespace osteon::sdk
