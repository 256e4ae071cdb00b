// SPDX-License-Identifier: Apache-2.0
#include "predict/leaf.hpp"

#include <cstring>

#include <opencv2/imgproc.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/half.hpp>

#include "data/view.hpp"
#include "predict/grid.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
namespace {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

cv::Mat with_channels(const cv::Mat& pixels, int channels) {
  if (pixels.channels() == channels) return pixels;
  cv::Mat converted;
  cv::cvtColor(pixels, converted, channels == 3 ? cv::COLOR_GRAY2RGB : cv::COLOR_RGB2GRAY);
  return converted;
}

// A row of logits, in whatever precision the model gave them, as float32.
void copy_row(const osteon_tensor_view& view, std::int64_t at, std::int64_t count, float* out) {
  const std::int64_t step = view.strides[3];
  if (view.dtype == sdk::dtype_of<float>()) {
    const float* in = static_cast<const float*>(view.data) + at;
    for (std::int64_t x = 0; x < count; ++x) out[x] = in[x * step];
    return;
  }
  const auto* in = static_cast<const std::uint16_t*>(view.data) + at;
  const bool half = view.dtype.code == OSTEON_DTYPE_FLOAT;
  for (std::int64_t x = 0; x < count; ++x)
    out[x] = half ? sdk::float_from_half(in[x * step]) : sdk::float_from_bfloat(in[x * step]);
}

// Planes of float32, normalised, into a batch.
void write_planes(const cv::Mat& pixels, const recipe::DataSection& data, float* out) {
  const int channels = pixels.channels();
  const auto size = static_cast<std::size_t>(pixels.total());
  for (int c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const double mean = data.mean.empty() ? 0 : data.mean[i], std = data.std.empty() ? 1 : data.std[i];
    cv::Mat plane(pixels.rows, pixels.cols, CV_32F, out + i * size);
    cv::extractChannel(pixels, plane, c);
    if (mean != 0 || std != 1) plane.convertTo(plane, CV_32F, 1 / std, -mean / std);
  }
}

}  // namespace

struct Leaf::Input {
  cv::Mat pixels;                      // as the model takes it, padded
  std::int64_t height = 0, width = 0;  // of what is not padding
  std::int64_t image_height = 0, image_width = 0;
};

Leaf::Leaf(std::shared_ptr<const plugin::Model> model, const recipe::Recipe& recipe,
           const plugin::ClassContext& classes, LeafOptions options)
    : Predictor(classes, Gives{}),
      model_(std::move(model)),
      data_(recipe.data),
      batch_size_(static_cast<std::size_t>(recipe.predict.batch_size)),
      options_(options) {}

Leaf::Input Leaf::prepare(const osteon_image& image, std::uint32_t scale) const {
  const cv::Mat source = pixels_of(image);
  Input input;
  input.image_height = source.rows;
  input.image_width = source.cols;
  const cv::Size size =
      scale == OSTEON_SCALE_NATIVE ? source.size() : cv::Size(data_.image_size[1], data_.image_size[0]);
  cv::Mat pixels = with_channels(data::resize_image(source, size), data_.channels);
  input.height = size.height;
  input.width = size.width;
  const std::int64_t multiple = model_->size_multiple();
  const int bottom = static_cast<int>(round_up(size.height, multiple)) - size.height;
  const int right = static_cast<int>(round_up(size.width, multiple)) - size.width;
  // Mirrored, so that the model sees no edge where there is none; an image smaller than its padding is continued by its
  // edge.
  const bool mirrors = bottom < size.height && right < size.width;
  if (bottom > 0 || right > 0) {
    cv::Mat padded;
    cv::copyMakeBorder(pixels, padded, 0, bottom, 0, right, mirrors ? cv::BORDER_REFLECT_101 : cv::BORDER_REPLICATE);
    pixels = padded;
  }
  input.pixels = pixels;
  return input;
}

void Leaf::run_batch(const osteon_call* raw, const std::vector<Input>& inputs, std::size_t first, std::size_t count,
                     std::vector<OwnedPrediction>& predictions) const {
  const sdk::Call call(raw);
  const cv::Mat& sample = inputs[first].pixels;
  const std::int64_t channels = sample.channels(), height = sample.rows, width = sample.cols;
  sdk::OwnedTensor batch = call.allocate<float>({static_cast<std::int64_t>(count), channels, height, width});
  for (std::size_t i = 0; i < count; ++i)
    write_planes(inputs[first + i].pixels, data_,
                 batch.data<float>() + static_cast<std::int64_t>(i) * channels * height * width);

  plugin::Model::ForwardOptions options;
  options.precision = options_.precision;
  options.plain = options_.plain;
  const sdk::OwnedTensor logits = model_->infer(raw, batch.view(), options);
  batch.reset();

  const plugin::ModelOutput& output = model_->outputs().front();
  const osteon_tensor_view& view = logits.view();
  const std::int64_t k = view.shape[1], h = view.shape[2], w = view.shape[3];
  for (std::size_t i = 0; i < count; ++i) {
    const Input& input = inputs[first + i];
    // The part of the grid that lies over the image, padding cut away.
    const std::int64_t kept_h = std::max<std::int64_t>(1, (input.height + output.stride - 1) / output.stride);
    const std::int64_t kept_w = std::max<std::int64_t>(1, (input.width + output.stride - 1) / output.stride);
    sdk::OwnedTensor values = call.allocate<float>({k, kept_h, kept_w});
    for (std::int64_t c = 0; c < k; ++c)
      for (std::int64_t y = 0; y < kept_h; ++y) {
        const std::int64_t at =
            static_cast<std::int64_t>(i) * view.strides[0] + c * view.strides[1] + y * view.strides[2];
        copy_row(view, at, kept_w, values.data<float>() + (c * kept_h + y) * kept_w);
      }
    osteon_prediction& prediction = predictions[first + i].raw();
    prediction.form = OSTEON_FORM_LOGITS;
    // Where a logit lies: in the padded input first, then, by the view's resize, in the image.
    const AxisMap x = covering(w, width, output.align_corners), y = covering(h, height, output.align_corners);
    const AxisMap view_x = covering(input.width, input.image_width, false),
                  view_y = covering(input.height, input.image_height, false);
    const double map[6] = {x.scale * view_x.scale,
                           0,
                           x.offset * view_x.scale + view_x.offset,
                           0,
                           y.scale * view_y.scale,
                           y.offset * view_y.scale + view_y.offset};
    std::memcpy(prediction.to_image, map, sizeof map);
    values.move_to(&prediction.values);
  }
}

void Leaf::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                   const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  if ((gives_forms() & OSTEON_SET(request.form)) == 0)
    throw sdk::Unsupported("a model gives logits and probabilities, not form " + std::to_string(request.form));
  std::vector<Input> inputs;
  for (const osteon_image* image : images) inputs.push_back(prepare(*image, request.scale));
  for (std::size_t first = 0; first < inputs.size();) {
    std::size_t count = 1;
    while (count < batch_size_ && first + count < inputs.size() &&
           inputs[first + count].pixels.size() == inputs[first].pixels.size())
      ++count;
    sdk::Call(call).stop_if_cancelled();
    run_batch(call, inputs, first, count, predictions);
    first += count;
  }
  for (std::size_t i = 0; i < images.size(); ++i) {
    osteon_prediction& prediction = predictions[i].raw();
    const auto change = [&] {
      convert(call, raw(), request, inputs[i].image_height, inputs[i].image_width, prediction);
    };
    // A softmax needs all classes; a sigmoid and a resize are cheaper on those that are wanted.
    if (classes().multiclass) change();
    select_classes(call, request, prediction);
    if (!classes().multiclass) change();
  }
}

}  // namespace osteon::predict
