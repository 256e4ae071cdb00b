// SPDX-License-Identifier: Apache-2.0
#include "predict/predictor.hpp"

#include <stdexcept>
#include <utility>

#include "base/error.hpp"
#include "plugin/handle_support.hpp"
#include "predict/finite.hpp"

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

}  // namespace

Predictor::Predictor(const plugin::ClassContext& classes, const Gives& gives, std::vector<double> thresholds)
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
}

osteon_status Predictor::predict_raw(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                                     const osteon_image* const* images, const osteon_predict_request* request,
                                     osteon_prediction* const* predictions, osteon_error* error) {
  try {
    const auto& predictor = *static_cast<const Predictor*>(self->host);
    const osteon_predict_request asked = sdk::known(request, "a request", std::uint32_t{OSTEON_PREDICT_EACH});
    sdk::detail::check_request(asked, predictor.raw().n_classes);
    if ((predictor.gives_forms() & OSTEON_SET(asked.form)) == 0 ||
        (predictor.gives_grids() & OSTEON_SET(asked.grid)) == 0)
      throw sdk::Unsupported(predictor.name() + " does not give form " + std::to_string(asked.form) + " on grid " +
                             std::to_string(asked.grid));
    const sdk::detail::KnownImages looked_at(n, images);
    sdk::detail::check_out(n, predictions);
    std::vector<OwnedPrediction> owned(n);
    predictor.predict(call, looked_at.list(), asked, owned);
    if (is_as_the_model_gives(asked)) expect_all_finite(call, predictor, looked_at.list(), asked, owned);
    for (std::uint64_t i = 0; i < n; ++i) owned[i].move_to(predictions[i]);
    return OSTEON_OK;
  } catch (const Error& e) {
    return sdk::detail::report(error, status_of(e), e.what());
  } catch (...) {
    return sdk::detail::report_current_exception(error);
  }
}

RootImage::RootImage(const cv::Mat& pixels, std::string name, const RootFacts& facts)
    : name_(std::move(name)),
      facts_(facts),
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
