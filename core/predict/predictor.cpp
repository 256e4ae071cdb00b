// SPDX-License-Identifier: Apache-2.0
#include "predict/predictor.hpp"

#include <stdexcept>
#include <utility>

#include "base/error.hpp"
#include "plugin/handle_support.hpp"
#include "predict/finite.hpp"
#include "predict/reading.hpp"

namespace osteon::predict {
namespace {

osteon_status status_of(const Error& e) {
  switch (e.code()) {
    case ExitCode::kInterrupted:
      return OSTEON_CANCELLED;
    case ExitCode::kResources:
      return OSTEON_OUT_OF_MEMORY;
    case ExitCode::kData:
      return OSTEON_BAD_INPUT;
    default:
      return OSTEON_FAILED;
  }
}

// What a plugin makes of a value that is not finite may look like one that is.
void expect_all_finite(const osteon_call* call, const Predictor& predictor,
                       const std::vector<const osteon_image*>& images, const osteon_predict_request& request,
                       const std::vector<OwnedPrediction>& predictions) {
  for (std::size_t i = 0; i < images.size(); ++i) {
    const osteon_prediction& prediction = predictions[i].raw();
    if (prediction.status != OSTEON_OK) continue;
    naming_not_finite(predictor, *images[i], request, prediction.form,
                      [&] { expect_finite(sdk::Call(call), prediction); });
  }
}

// What a plugin holds while it reads.
struct Opened {
  sdk::detail::KnownImages images;
  std::vector<std::int32_t> classes;
  std::unique_ptr<Reading> reading;
};

template <class Work>
osteon_status guarded(osteon_error* error, Work&& work) {
  try {
    work();
    return OSTEON_OK;
  } catch (const Error& e) {
    return sdk::detail::report(error, status_of(e), e.what());
  } catch (...) {
    return sdk::detail::report_current_exception(error);
  }
}

osteon_status read_raw(const osteon_call* call, const osteon_predictor*, osteon_reading* reading, std::int64_t rows,
                       osteon_prediction* prediction, osteon_error* error) {
  return guarded(error, [&] {
    sdk::detail::check_out(1, &prediction);
    reinterpret_cast<Opened*>(reading)->reading->read(call, rows).move_to(prediction);
  });
}

void close_raw(const osteon_predictor*, osteon_reading* reading) { delete reinterpret_cast<Opened*>(reading); }

}  // namespace

Predictor::Predictor(const plugin::ClassContext& classes, const Gives& gives, std::vector<double> thresholds,
                     std::int64_t batch_size)
    : classes_(classes),
      names_(plugin::name_pointers(classes_.names)),
      thresholds_(std::move(thresholds)),
      raw_(sdk::sized<osteon_predictor>()) {
  if (!thresholds_.empty() && thresholds_.size() != names_.size())
    throw std::logic_error("a predictor has one threshold for each class, or none");
  raw_.labels = plugin::labels_of(classes_);
  raw_.n_classes = static_cast<std::int64_t>(names_.size());
  raw_.class_names = names_.data();
  raw_.host = this;
  raw_.predict = predict_raw;
  raw_.gives_forms = gives.forms;
  raw_.gives_grids = gives.grids;
  raw_.thresholds = thresholds_.empty() || classes_.multiclass ? nullptr : thresholds_.data();
  raw_.batch_size = batch_size;
  raw_.open = open_raw;
  raw_.read = read_raw;
  raw_.close = close_raw;
}

osteon_predict_request Predictor::checked(const osteon_predict_request* request, std::uint32_t flags) const {
  const osteon_predict_request asked = sdk::known(request, "a request", flags);
  sdk::detail::check_request(asked, raw_.n_classes);
  constexpr std::uint32_t kElements =
      OSTEON_SET(OSTEON_ELEMENT_FLOAT32) | OSTEON_SET(OSTEON_ELEMENT_FLOAT16) | OSTEON_SET(OSTEON_ELEMENT_BFLOAT16);
  if ((asked.elements & ~kElements) != 0)
    throw sdk::Unsupported("a request takes elements " + std::to_string(asked.elements) +
                           ", some of which are unknown");
  if ((gives_forms() & OSTEON_SET(asked.form)) == 0 || (gives_grids() & OSTEON_SET(asked.grid)) == 0)
    throw sdk::Unsupported(name() + " does not give form " + std::to_string(asked.form) + " on grid " +
                           std::to_string(asked.grid));
  return asked;
}

std::unique_ptr<Reading> Predictor::open(const osteon_call* call, const osteon_image& image,
                                         const osteon_predict_request& request) const {
  return std::make_unique<HeldReading>(call, *this, image, request);
}

void Predictor::predict_regions(const osteon_call* call, const std::vector<const osteon_image*>& images,
                                const osteon_predict_request& request,
                                std::vector<OwnedPrediction>& predictions) const {
  for (std::size_t i = 0; i < images.size(); ++i) {
    try {
      predictions[i] = predict_region(call, *this, *images[i], request);
    } catch (const sdk::BadInput& e) {
      if ((request.flags & OSTEON_PREDICT_EACH) == 0) throw;
      predictions[i].refuse(e.what());
    }
  }
}

osteon_status Predictor::open_raw(const osteon_call* call, const osteon_predictor* self, const osteon_image* image,
                                  const osteon_predict_request* request, osteon_reading** out, osteon_error* error) {
  return guarded(error, [&] {
    const auto& predictor = *static_cast<const Predictor*>(self->host);
    osteon_predict_request asked = predictor.checked(request, 0);
    if (asked.grid != OSTEON_GRID_IMAGE) throw sdk::Unsupported("bands are read on the image's grid");
    auto opened = std::make_unique<Opened>(
        Opened{{1, &image}, {asked.classes, asked.classes + asked.n_classes}, std::unique_ptr<Reading>()});
    asked.classes = opened->classes.data();
    const osteon_image& known = *opened->images.list()[0];
    pixels_of(known);
    opened->reading = predictor.open(call, known, asked);
    *out = reinterpret_cast<osteon_reading*>(opened.release());
  });
}

osteon_status Predictor::predict_raw(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                                     const osteon_image* const* images, const osteon_predict_request* request,
                                     osteon_prediction* const* predictions, osteon_error* error) {
  return guarded(error, [&] {
    const auto& predictor = *static_cast<const Predictor*>(self->host);
    const osteon_predict_request asked =
        predictor.checked(request, OSTEON_PREDICT_EACH | std::uint32_t{OSTEON_PREDICT_REGION});
    const sdk::detail::KnownImages looked_at(n, images);
    sdk::detail::check_out(n, predictions);
    std::vector<OwnedPrediction> owned(n);
    if ((asked.flags & OSTEON_PREDICT_REGION) != 0)
      predictor.predict_regions(call, looked_at.list(), asked, owned);
    else
      predictor.predict(call, looked_at.list(), asked, owned);
    if (is_as_the_model_gives(asked)) expect_all_finite(call, predictor, looked_at.list(), asked, owned);
    for (std::uint64_t i = 0; i < n; ++i) owned[i].move_to(predictions[i]);
  });
}

RootImage::RootImage(const cv::Mat& pixels, std::string name, const RootFacts& facts)
    : name_(std::move(name)),
      facts_(facts),
      greys_(pixels),
      shape_{pixels.rows, pixels.cols, pixels.channels()},
      strides_{std::int64_t{pixels.cols} * pixels.channels(), pixels.channels(), 1},
      image_(sdk::sized<osteon_image>()) {
  if (pixels.depth() != CV_32F || !pixels.isContinuous())
    throw sdk::InvalidArgument("a root image is continuous and float32");
  image_.pixels = {pixels.data, {OSTEON_DEVICE_CPU, 0}, 3, sdk::dtype_of<float>(), shape_.data(), strides_.data(), 0};
  image_.to_root[0] = image_.to_root[4] = 1;
  image_.root = name_.c_str();
  image_.digest = facts_.digest ? facts_.digest->data() : nullptr;
  image_.spacing[0] = facts_.spacing[0];
  image_.spacing[1] = facts_.spacing[1];
  image_.host = &greys_;
}

cv::Mat pixels_of(const osteon_image& image) {
  const osteon_tensor_view& view = image.pixels;
  float* data = sdk::data_of<float>(view, "an image");
  if (view.ndim != 3 || (view.shape[2] != 1 && view.shape[2] != 3))
    throw sdk::InvalidArgument("an image is [H, W, 1] or [H, W, 3], not " + sdk::shape_text(view));
  if (view.shape[0] < 1 || view.shape[1] < 1) throw sdk::BadInput(name_of(image) + " has no pixels");
  return cv::Mat(static_cast<int>(view.shape[0]), static_cast<int>(view.shape[1]),
                 CV_32FC(static_cast<int>(view.shape[2])), data);
}

std::string name_of(const osteon_image& image) {
  return image.root != nullptr ? "image '" + std::string(image.root) + "'" : "an image";
}

}  // namespace osteon::predict
