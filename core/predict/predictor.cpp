// SPDX-License-Identifier: Apache-2.0
#include "predict/predictor.hpp"

#include "base/error.hpp"
#include "plugin/handle_support.hpp"

namespace osteon::predict {
namespace {

osteon_status status_of(const Error& e) {
  if (e.code() == ExitCode::kInterrupted) return OSTEON_CANCELLED;
  return e.code() == ExitCode::kResources ? OSTEON_OUT_OF_MEMORY : OSTEON_FAILED;
}

}  // namespace

Predictor::Predictor(const plugin::ClassContext& classes, const Gives& gives)
    : classes_(classes), names_(plugin::name_pointers(classes_.names)) {
  raw_.struct_size = sizeof raw_;
  raw_.labels = plugin::labels_of(classes_);
  raw_.n_classes = static_cast<std::int64_t>(names_.size());
  raw_.class_names = names_.data();
  raw_.host = this;
  raw_.predict = predict_raw;
  raw_.gives_forms = gives.forms;
  raw_.gives_grids = gives.grids;
}

osteon_status Predictor::predict_raw(const osteon_call* call, const osteon_predictor* self, std::uint64_t n,
                                     const osteon_image* const* images, const osteon_predict_request* request,
                                     osteon_prediction* const* predictions, osteon_error* error) {
  try {
    std::vector<OwnedPrediction> owned(n);
    static_cast<const Predictor*>(self->host)
        ->predict(call, std::vector<const osteon_image*>(images, images + n), *request, owned);
    for (std::uint64_t i = 0; i < n; ++i) owned[i].move_to(predictions[i]);
    return OSTEON_OK;
  } catch (const Error& e) {
    return sdk::detail::report(error, status_of(e), e.what());
  } catch (...) {
    return sdk::detail::report_current_exception(error);
  }
}

RootImage::RootImage(const cv::Mat& pixels, std::string name)
    : name_(std::move(name)),
      shape_{pixels.rows, pixels.cols, pixels.channels()},
      strides_{std::int64_t{pixels.cols} * pixels.channels(), pixels.channels(), 1} {
  if (pixels.depth() != CV_32F || !pixels.isContinuous())
    throw sdk::InvalidArgument("a root image is continuous and float32");
  image_.struct_size = sizeof image_;
  image_.pixels = {pixels.data, {OSTEON_DEVICE_CPU, 0}, 3, sdk::dtype_of<float>(), shape_.data(), strides_.data(), 0};
  image_.to_root[0] = image_.to_root[4] = 1;
  image_.root = name_.c_str();
}

cv::Mat pixels_of(const osteon_image& image) {
  const osteon_tensor_view& view = image.pixels;
  float* data = sdk::data_of<float>(view, "an image");
  if (view.ndim != 3 || (view.shape[2] != 1 && view.shape[2] != 3))
    throw sdk::InvalidArgument("an image is [H, W, 1] or [H, W, 3], not " + sdk::shape_text(view));
  return cv::Mat(static_cast<int>(view.shape[0]), static_cast<int>(view.shape[1]),
                 CV_32FC(static_cast<int>(view.shape[2])), data);
}

}  // namespace osteon::predict
