// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <osteon/abi/predictor.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/known.hpp>

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
  bool finite() const {
    return std::all_of(m, m + 6, [](double value) { return std::isfinite(value); });
  }
};

/// The OSTEON_ELEMENT_* of an element type; 0 when it is none that predictions have.
constexpr std::uint32_t element_of(osteon_dtype type) noexcept {
  if (type == dtype_of<float>()) return OSTEON_ELEMENT_FLOAT32;
  if (type == osteon_dtype{OSTEON_DTYPE_FLOAT, 16, 1}) return OSTEON_ELEMENT_FLOAT16;
  return type == osteon_dtype{OSTEON_DTYPE_BFLOAT, 16, 1} ? std::uint32_t{OSTEON_ELEMENT_BFLOAT16} : 0u;
}

/// Whether who made `request` takes logits or probabilities of this element type.
constexpr bool takes_element(const osteon_predict_request& request, osteon_dtype type) noexcept {
  const std::uint32_t element = element_of(type);
  return element == OSTEON_ELEMENT_FLOAT32 || (element != 0 && (request.elements & OSTEON_SET(element)) != 0);
}

/// A request for all classes at the recipe's scale, in float32.
inline osteon_predict_request make_request(std::uint32_t form, std::uint32_t grid) {
  auto request = sized<osteon_predict_request>();
  request.form = form;
  request.grid = grid;
  request.scale = OSTEON_SCALE_RECIPE;
  return request;
}

/// What a component would be put on, before there is anything of either; see osteon_beneath.
struct Beneath {
  static constexpr std::uint32_t kForms =
      OSTEON_SET(OSTEON_FORM_LOGITS) | OSTEON_SET(OSTEON_FORM_PROBABILITIES) | OSTEON_SET(OSTEON_FORM_BITS);
  static constexpr std::uint32_t kGrids = OSTEON_SET(OSTEON_GRID_MODEL) | OSTEON_SET(OSTEON_GRID_IMAGE);
  bool multiclass = false;
  std::uint32_t gives_forms = kForms;  ///< OSTEON_SET of OSTEON_FORM_*
  std::uint32_t gives_grids = kGrids;  ///< and of OSTEON_GRID_*

  bool gives_form(std::uint32_t form) const noexcept { return (gives_forms & OSTEON_SET(form)) != 0; }
  bool gives_grid(std::uint32_t grid) const noexcept { return (gives_grids & OSTEON_SET(grid)) != 0; }
};

namespace detail {

inline Beneath known_beneath(const osteon_beneath* given) {
  const osteon_beneath beneath = known(given, "what lies beneath");
  return {is_multiclass(beneath.labels), beneath.gives_forms, beneath.gives_grids};
}

}  // namespace detail

/// An image that a post-processor makes to have it predicted. Owns its pixels.
class Image {
 public:
  /// A part of `source`, or a turned copy of it. Its place in the root image is composed; name, digest and spacing are
  /// the root image's own and are borrowed from `source`.
  /// @param to_source  a pixel of this image to one of `source`
  Image(OwnedTensor pixels, const Affine& to_source, const osteon_image& source)
      : pixels_(std::move(pixels)), raw_(known(&source, "an image")) {
    raw_.pixels = pixels_.view();
    const Affine to_root = Affine::of(raw_.to_root).after(to_source);
    std::memcpy(raw_.to_root, to_root.m, sizeof to_root.m);
  }
  Image(Image&&) = default;
  Image& operator=(Image&&) = default;

  /// To be called where the pixels are not the root image's own: brighter, filtered, interpolated. What is made of such
  /// an image cannot be kept under the root image's digest.
  Image& altered() noexcept {
    raw_.digest = nullptr;
    return *this;
  }
  const osteon_image* raw() const noexcept { return &raw_; }
  float* data() const { return pixels_.data<float>("an image"); }

 private:
  OwnedTensor pixels_;
  osteon_image raw_;
};

/// A prediction that is owned.
class Prediction {
 public:
  Prediction() noexcept { forget(); }
  Prediction(Prediction&& other) noexcept : raw_(other.raw_), refusal_(std::move(other.refusal_)) { other.forget(); }
  Prediction& operator=(Prediction&& other) noexcept {
    if (this != &other) {
      reset();
      raw_ = other.raw_;
      refusal_ = std::move(other.refusal_);
      other.forget();
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
  /// [K, H, W], to be worked in in place. Of float32, which is what is given unless a request takes other elements too.
  float* data() const { return data_of<float>(view(), "a prediction"); }
  /// Replaces the values.
  void set(OwnedTensor values) {
    OwnedTensor old(raw_.values);
    values.move_to(&raw_.values);
  }

  /// Whether the image could not be predicted, and why. Only where each image was asked for by itself.
  bool refused() const noexcept { return raw_.status != OSTEON_OK; }
  const std::string& refusal() const noexcept { return refusal_; }
  /// There is no prediction, because the image cannot be worked on.
  void refuse(std::string why) {
    reset();
    raw_.status = OSTEON_BAD_INPUT;
    refusal_ = std::move(why);
  }

  /// Hands it to the caller of an ABI function. `out` may be of an older and shorter kind.
  void move_to(osteon_prediction* out) noexcept {
    raw_.error = out->error;  // the caller's own
    if (refused()) detail::report(out->error, raw_.status, refusal_.c_str());
    fill_known(raw_, out);
    forget();
  }
  void reset() noexcept {
    if (raw_.values.release != nullptr) raw_.values.release(&raw_.values);
    forget();
  }
  /// As reset(), but the values are somebody else's.
  void forget() noexcept {
    raw_ = sized<osteon_prediction>();
    raw_.values.struct_size = sizeof raw_.values;
    refusal_.clear();
  }

 private:
  osteon_prediction raw_;
  std::string refusal_;
};

namespace detail {

/// Throws unless a request is one: of a form, grid and scale that there are, for classes that rise and exist.
inline void check_request(const osteon_predict_request& request, std::int64_t n_classes) {
  if (request.form < OSTEON_FORM_LOGITS || request.form > OSTEON_FORM_BITS || request.grid < OSTEON_GRID_MODEL ||
      request.grid > OSTEON_GRID_IMAGE || request.scale < OSTEON_SCALE_RECIPE || request.scale > OSTEON_SCALE_NATIVE)
    throw Unsupported("a request for form " + std::to_string(request.form) + " on grid " +
                      std::to_string(request.grid) + " at scale " + std::to_string(request.scale) +
                      " is for something unknown");
  if ((request.flags & OSTEON_PREDICT_REGION) != 0 && request.grid != OSTEON_GRID_IMAGE)
    throw Unsupported("a region is one of the image's grid");
  if (request.n_classes > 0 && request.classes == nullptr) throw InvalidArgument("a request's classes are NULL");
  for (std::uint64_t k = 0; k < request.n_classes; ++k)
    if (request.classes[k] < 0 || request.classes[k] >= n_classes ||
        (k > 0 && request.classes[k] <= request.classes[k - 1]))
      throw InvalidArgument("a request's classes do not rise, or are not among the " + std::to_string(n_classes) +
                            " that there are");
}

/// Throws unless an image is one; it may be without pixels.
inline void check_image(const osteon_image& image) {
  const std::string name = image.root != nullptr ? "image '" + std::string(image.root) + "'" : "an image";
  expect_canonical(image.pixels, name.c_str());
  expect_shape(image.pixels, {-1, -1, -1}, name.c_str());
  data_of<const float>(image.pixels, name.c_str());
  if (image.pixels.shape[2] != 1 && image.pixels.shape[2] != 3)
    throw InvalidArgument(name + " has " + std::to_string(image.pixels.shape[2]) + " channels, expected 1 or 3");
  if (!Affine::of(image.to_root).finite()) throw InvalidArgument(name + " has a to_root that is not finite");
}

/// The images of a request, looked at. One whose struct has all fields that are known here stays where it is, so that
/// what is new in it reaches those who know it; of a shorter one a completed copy is made.
class KnownImages {
 public:
  KnownImages(std::uint64_t n, const osteon_image* const* images) {
    if (n > 0 && images == nullptr) throw InvalidArgument("the images are NULL");
    for (std::uint64_t i = 0; i < n; ++i) {
      const osteon_image image = known(images[i], "an image");
      check_image(image);
      const bool whole = images[i]->struct_size >= sizeof image;
      list_.push_back(whole ? images[i] : &copies_.emplace_back(image));
    }
  }
  const std::vector<const osteon_image*>& list() const noexcept { return list_; }

 private:
  std::deque<osteon_image> copies_;  // a deque: the list points into it
  std::vector<const osteon_image*> list_;
};

/// Throws unless these are structs that a prediction can be given to.
inline void check_out(std::uint64_t n, osteon_prediction* const* predictions) {
  if (n > 0 && predictions == nullptr) throw InvalidArgument("the predictions are NULL");
  for (std::uint64_t i = 0; i < n; ++i) known(predictions[i], "a prediction");
}

/// Predictions as out-structs for one call, with room for the text of each image that is refused.
class OutPredictions {
 public:
  explicit OutPredictions(std::vector<Prediction>& predictions) : predictions_(predictions) {
    for (Prediction& prediction : predictions) {
      prediction.raw().error = errors_.emplace_back().out();
      pointers_.push_back(&prediction.raw());
    }
  }
  OutPredictions(const OutPredictions&) = delete;
  OutPredictions& operator=(const OutPredictions&) = delete;
  osteon_prediction* const* data() const noexcept { return pointers_.data(); }

  /// The call failed: nothing in them is owned.
  void forget() noexcept {
    for (Prediction& prediction : predictions_) prediction.forget();
  }
  /// The call succeeded: takes the texts over.
  void take() {
    for (std::size_t i = 0; i < predictions_.size(); ++i) {
      predictions_[i].raw().error = nullptr;
      if (!predictions_[i].refused()) continue;
      const std::string text = errors_[i].text();
      predictions_[i].refuse(text.empty() ? "the image cannot be predicted" : text);
    }
  }

 private:
  std::vector<Prediction>& predictions_;
  std::deque<ErrorBuffer> errors_;
  std::vector<osteon_prediction*> pointers_;
};

}  // namespace detail

/// A prediction of one image that is read in bands of rows, from the top to the bottom. Closed when it dies, before the
/// predictor and the image.
class Reading {
 public:
  virtual ~Reading() = default;
  Reading() = default;
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

  /// The next rows, at least one and no more than are left: float32 [K, rows, W], or bit planes. to_image says where
  /// they lie.
  virtual Prediction read(const Call& call, std::int64_t rows) = 0;
};

namespace detail {

/// A reading of the host's.
class HostReading final : public Reading {
 public:
  HostReading(const osteon_predictor* of, osteon_reading* reading) : of_(of), reading_(reading) {}
  ~HostReading() override { of_->close(of_, reading_); }

  Prediction read(const Call& call, std::int64_t rows) override {
    std::vector<Prediction> band(1);
    check([&](osteon_error* error) { return of_->read(call.raw(), of_, reading_, rows, &band[0].raw(), error); });
    known(&band[0].raw(), "a prediction");
    return std::move(band[0]);
  }

 private:
  const osteon_predictor* of_;
  osteon_reading* reading_;
};

/// Bands of what was predicted at once, for a host that has no readings.
class CutReading final : public Reading {
 public:
  explicit CutReading(Prediction whole) : whole_(std::move(whole)) {}

  Prediction read(const Call& call, std::int64_t rows) override {
    const osteon_tensor_view& view = whole_.view();
    if (rows < 1 || rows > view.shape[1] - at_)
      throw InvalidArgument(std::to_string(rows) + " rows were asked for, and " + std::to_string(view.shape[1] - at_) +
                            " are left");
    const std::int64_t row = view.shape[2] * (view.dtype.bits / 8);
    OwnedTensor values = call.allocate(view.dtype, {view.shape[0], rows, view.shape[2]});
    for (std::int64_t k = 0; k < view.shape[0]; ++k)
      std::copy_n(static_cast<const char*>(view.data) + (k * view.shape[1] + at_) * row, rows * row,
                  static_cast<char*>(values.view().data) + k * rows * row);
    Prediction band;
    band.raw().form = whole_.raw().form;
    band.raw().to_image[0] = band.raw().to_image[4] = 1;
    band.raw().to_image[5] = static_cast<double>(at_);
    band.set(std::move(values));
    at_ += rows;
    return band;
  }

 private:
  Prediction whole_;
  std::int64_t at_ = 0;
};

}  // namespace detail

/// Something that predicts; see osteon_predictor. Valid as long as what it was made from.
class Predictor {
 public:
  explicit Predictor(const osteon_predictor* raw) : raw_(raw), known_(known(raw, "a predictor")) {}

  const osteon_predictor* raw() const noexcept { return raw_; }
  std::int64_t n_classes() const noexcept { return known_.n_classes; }
  bool multiclass() const noexcept { return known_.labels == OSTEON_LABELS_MULTICLASS; }
  /// Whether it can be asked for this OSTEON_FORM_* or OSTEON_GRID_*.
  bool gives_form(std::uint32_t form) const noexcept { return (known_.gives_forms & OSTEON_SET(form)) != 0; }
  bool gives_grid(std::uint32_t grid) const noexcept { return (known_.gives_grids & OSTEON_SET(grid)) != 0; }

  /// Whether it has thresholds(): not of multiclass data, nor of a host before 0.3.
  bool has_thresholds() const noexcept { return known_.thresholds != nullptr; }
  /// The probability above which a pixel is of the class, 0..1: those in force, whoever set them. Without any, the 0.5
  /// that a recipe has by itself.
  /// @param class_index  of all its classes
  double threshold(std::int64_t class_index) const noexcept {
    return has_thresholds() ? known_.thresholds[class_index] : 0.5;
  }

  /// Images that a model beneath runs together; more at once hold more memory and are not faster. At least 1.
  std::int64_t batch_size() const noexcept { return std::max<std::int64_t>(1, known_.batch_size); }

  /// Opens a prediction of one image on its own grid, which is read in bands, so that nobody has to hold all of it:
  /// models beneath run once. The image, the request's classes and this predictor's host side outlive it.
  std::unique_ptr<Reading> open(const Call& call, const osteon_image& image, osteon_predict_request request) const {
    request.flags = 0;
    request.grid = OSTEON_GRID_IMAGE;
    request.elements = 0;
    if (known_.open == nullptr) {
      std::vector<Prediction> whole = ask(call, {&image}, request);
      return std::make_unique<detail::CutReading>(std::move(whole[0]));
    }
    osteon_reading* reading = nullptr;
    check([&](osteon_error* error) { return known_.open(call.raw(), raw_, &image, &request, &reading, error); });
    return std::make_unique<detail::HostReading>(raw_, reading);
  }

  /// One prediction per image. Throws Error with what went wrong beneath; of an image that cannot be predicted it is
  /// OSTEON_BAD_INPUT.
  std::vector<Prediction> predict(const Call& call, const std::vector<const osteon_image*>& images,
                                  osteon_predict_request request) const {
    request.flags &= ~std::uint32_t{OSTEON_PREDICT_EACH};
    return ask(call, images, request);
  }
  /// The same, but an image that cannot be predicted does not fail the others: its prediction is refused().
  std::vector<Prediction> predict_each(const Call& call, const std::vector<const osteon_image*>& images,
                                       osteon_predict_request request) const {
    request.flags |= OSTEON_PREDICT_EACH;
    return ask(call, images, request);
  }

  /// Brings a prediction of a height x width image to the form, grid and element types of `request`, by the host's one
  /// resampler.
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
    if (request.n_classes == 0 || prediction.raw().form == OSTEON_FORM_BITS ||
        prediction.classes() == static_cast<std::int64_t>(request.n_classes))
      return;
    const osteon_tensor_view& view = prediction.view();
    OwnedTensor kept = call.allocate(
        view.dtype, {static_cast<std::int64_t>(request.n_classes), prediction.height(), prediction.width()});
    const std::int64_t plane = prediction.height() * prediction.width() * (view.dtype.bits / 8);
    for (std::uint64_t k = 0; k < request.n_classes; ++k)
      std::copy_n(static_cast<const char*>(view.data) + request.classes[k] * plane, plane,
                  static_cast<char*>(kept.view().data) + static_cast<std::int64_t>(k) * plane);
    prediction.set(std::move(kept));
  }

  /// finish() for a band that was read of this predictor.
  void finish_band(const Call& call, const osteon_predict_request& request, Prediction& band) const {
    double& row = band.raw().to_image[5];
    const double first = std::exchange(row, 0);
    finish(call, request, band.height(), band.width(), band);
    row = first;
  }

 private:
  std::vector<Prediction> ask(const Call& call, const std::vector<const osteon_image*>& images,
                              const osteon_predict_request& request) const {
    std::vector<Prediction> predictions(images.size());
    detail::OutPredictions out(predictions);
    try {
      check([&](osteon_error* error) {
        return known_.predict(call.raw(), raw_, images.size(), images.data(), &request, out.data(), error);
      });
    } catch (...) {
      out.forget();
      throw;
    }
    for (Prediction& prediction : predictions) known(&prediction.raw(), "a prediction");
    out.take();
    return predictions;
  }

  const osteon_predictor* raw_;
  osteon_predictor known_;
};

}  // namespace osteon::sdk
