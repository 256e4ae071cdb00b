// SPDX-License-Identifier: Apache-2.0
#include "predict/stored.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include <osteon/sdk/call.hpp>

#include "predict/grid.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {

Stored::Stored(const plugin::ClassContext& classes, sdk::OwnedTensor values, cv::Size image,
               std::vector<double> thresholds)
    : Predictor(classes, {OSTEON_SET(OSTEON_FORM_PROBABILITIES), Gives{}.grids}, std::move(thresholds)),
      values_(std::move(values)),
      image_(image) {}

OwnedPrediction Stored::planes(const osteon_call* call, const std::vector<std::int32_t>& classes) const {
  const std::int64_t height = values_.view().shape[1], width = values_.view().shape[2], plane = height * width;
  sdk::OwnedTensor values = sdk::Call(call).allocate<float>({static_cast<std::int64_t>(classes.size()), height, width});
  for (std::size_t k = 0; k < classes.size(); ++k)
    std::copy_n(values_.data<float>() + classes[k] * plane, plane,
                values.data<float>() + static_cast<std::int64_t>(k) * plane);
  OwnedPrediction prediction;
  prediction.raw().form = OSTEON_FORM_PROBABILITIES;
  const AxisMap x = covering(width, image_.width, false), y = covering(height, image_.height, false);
  const double map[6] = {x.scale, 0, x.offset, 0, y.scale, y.offset};
  std::copy_n(map, 6, prediction.raw().to_image);
  prediction.set(std::move(values));
  return prediction;
}

void Stored::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                     const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  std::vector<std::int32_t> wanted(request.classes, request.classes + request.n_classes);
  if (wanted.empty()) {
    wanted.resize(classes().names.size());
    std::iota(wanted.begin(), wanted.end(), 0);
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    const osteon_image& image = *images[i];
    const bool same = image.pixels.shape[0] == image_.height && image.pixels.shape[1] == image_.width &&
                      std::equal(image.to_root, image.to_root + 6, sdk::Affine().m);
    if (!same) {
      asked_for_another_ = true;
      throw sdk::Unsupported("there are probabilities of the image as it is alone");
    }
    predictions[i] = planes(call, wanted);
    convert(call, raw(), request, image_.height, image_.width, predictions[i].raw());
  }
}

}  // namespace osteon::predict
