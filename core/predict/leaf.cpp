// SPDX-License-Identifier: Apache-2.0
#include "predict/leaf.hpp"

#include <cstring>
#include <memory>
#include <utility>

#include <opencv2/imgproc.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/half.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/vector_math.hpp>

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

// A row of pixels to a row of each plane, normalised. The number of channels is known, so that loops over it become
// shuffles.
template <std::int64_t kChannels>
OSTEON_INLINE void split(const float* pixels, std::int64_t count, const float* scale, const float* shift,
                         std::int64_t plane, float* out) {
  for (std::int64_t c = 0; c < kChannels; ++c) {
    float* row = out + c * plane;
    const float times = scale[c], plus = shift[c];
    OSTEON_VECTOR_LOOP
    for (std::int64_t x = 0; x < count; ++x) row[x] = pixels[x * kChannels + c] * times + plus;
  }
}
OSTEON_MULTIVERSION void split_1(const float* pixels, std::int64_t count, const float* scale, const float* shift,
                                 std::int64_t plane, float* out) {
  split<1>(pixels, count, scale, shift, plane, out);
}
OSTEON_MULTIVERSION void split_3(const float* pixels, std::int64_t count, const float* scale, const float* shift,
                                 std::int64_t plane, float* out) {
  split<3>(pixels, count, scale, shift, plane, out);
}

// Planes of float32, normalised, into a batch.
void write_planes(const sdk::Call& call, const cv::Mat& pixels, const recipe::DataSection& data, float* out) {
  const auto channels = static_cast<std::size_t>(pixels.channels());
  std::vector<float> scale(channels, 1), shift(channels, 0);
  for (std::size_t i = 0; i < channels; ++i) {
    const double mean = data.mean.empty() ? 0 : data.mean[i], std = data.std.empty() ? 1 : data.std[i];
    scale[i] = static_cast<float>(1 / std);
    shift[i] = static_cast<float>(-mean / std);
  }
  const auto function = channels == 1 ? split_1 : split_3;
  const std::int64_t width = pixels.cols, plane = width * pixels.rows;
  sdk::parallel_for(call, pixels.rows, [&](std::int64_t y, int) {
    function(pixels.ptr<float>(static_cast<int>(y)), width, scale.data(), shift.data(), plane, out + y * width);
  });
}

// Logits [1, K, H, W] as [K, H, W], in the same memory.
sdk::OwnedTensor without_batch(sdk::OwnedTensor whole) {
  auto owner = std::make_unique<sdk::OwnedTensor>(std::move(whole));
  osteon_tensor tensor{};
  tensor.struct_size = sizeof tensor;
  tensor.view = owner->view();
  --tensor.view.ndim;
  ++tensor.view.shape;
  ++tensor.view.strides;
  tensor.release = [](osteon_tensor* self) { delete static_cast<sdk::OwnedTensor*>(self->owner); };
  tensor.owner = owner.release();
  return sdk::OwnedTensor(tensor);
}

// The first height x width logits of each class of one image of a batch, as float32.
sdk::OwnedTensor cut(const sdk::Call& call, const osteon_tensor_view& logits, std::int64_t image, std::int64_t height,
                     std::int64_t width) {
  const std::int64_t classes = logits.shape[1];
  sdk::OwnedTensor values = call.allocate<float>({classes, height, width});
  float* out = values.data<float>();
  sdk::parallel_for(call, classes, [&](std::int64_t c, int) {
    for (std::int64_t y = 0; y < height; ++y) {
      const std::int64_t at = image * logits.strides[0] + c * logits.strides[1] + y * logits.strides[2];
      copy_row(logits, at, width, out + (c * height + y) * width);
    }
  });
  return values;
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
      options_(std::move(options)) {}

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
    write_planes(call, inputs[first + i].pixels, data_,
                 batch.data<float>() + static_cast<std::int64_t>(i) * channels * height * width);

  plugin::Model::ForwardOptions options;
  options.precision = options_.precision;
  options.plain = options_.plain;
  sdk::OwnedTensor logits = infer(raw, *model_, options_.device.get(), batch.view(), options);
  batch.reset();

  const plugin::ModelOutput& output = model_->outputs().front();
  const osteon_tensor_view view = logits.view();
  const std::int64_t h = view.shape[2], w = view.shape[3];
  for (std::size_t i = 0; i < count; ++i) {
    const Input& input = inputs[first + i];
    // The part of the grid that lies over the image, padding cut away.
    const std::int64_t kept_h = std::max<std::int64_t>(1, (input.height + output.stride - 1) / output.stride);
    const std::int64_t kept_w = std::max<std::int64_t>(1, (input.width + output.stride - 1) / output.stride);
    const bool as_they_are = count == 1 && kept_h == h && kept_w == w && view.dtype == sdk::dtype_of<float>() &&
                             view.device.type == OSTEON_DEVICE_CPU && sdk::is_contiguous(view);
    sdk::OwnedTensor values =
        as_they_are ? without_batch(std::move(logits)) : cut(call, view, static_cast<std::int64_t>(i), kept_h, kept_w);
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
