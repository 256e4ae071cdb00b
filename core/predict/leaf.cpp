// SPDX-License-Identifier: Apache-2.0
#include "predict/leaf.hpp"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include <opencv2/imgproc.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/parallel.hpp>

#include "data/view.hpp"
#include "predict/elements.hpp"
#include "predict/finite.hpp"
#include "predict/grid.hpp"
#include "predict/predict.hpp"
#include "predict/resample.hpp"

namespace osteon::predict {
namespace {

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// A network makes NaN of all that it sees around one, and a mask cannot tell it from background.
void expect_finite_pixels(const osteon_image& image, const cv::Mat& pixels) {
  const std::int64_t width = std::int64_t{pixels.cols} * pixels.channels();
  for (int y = 0; y < pixels.rows; ++y) {
    const float* row = pixels.ptr<float>(y);
    if (!any_not_finite(row, width)) continue;
    std::int64_t x = 0;
    while (!any_not_finite(row + x, 1)) ++x;
    throw sdk::BadInput(name_of(image) + " has a value that is not finite in row " + std::to_string(y) + ", column " +
                        std::to_string(x / pixels.channels()));
  }
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

// The first height x width logits of each class of one image of a batch: as they are where `type` is theirs, else as
// float32.
sdk::OwnedTensor cut(const sdk::Call& call, const osteon_tensor_view& logits, osteon_dtype type, std::int64_t image,
                     std::int64_t height, std::int64_t width) {
  const std::int64_t classes = logits.shape[1], h = logits.shape[2], w = logits.shape[3];
  const std::int64_t from_size = logits.dtype.bits / 8, to_size = type.bits / 8;
  sdk::OwnedTensor values = call.allocate(type, {classes, height, width});
  auto* out = static_cast<char*>(values.view().data);
  const auto* in = static_cast<const char*>(logits.data);
  sdk::parallel_for(call, classes, [&](std::int64_t c, int) {
    for (std::int64_t y = 0; y < height; ++y) {
      const char* from = in + ((image * classes + c) * h + y) * w * from_size;
      char* to = out + (c * height + y) * width * to_size;
      if (type == logits.dtype)
        std::memcpy(to, from, static_cast<std::size_t>(width * to_size));
      else
        to_float32(logits.dtype, from, width, reinterpret_cast<float*>(to));
    }
  });
  return values;
}

// Of the source image, whatever part or copy of it this is.
const data::GreyStatistics& statistics_of(const osteon_image& image) {
  if (image.host != nullptr) return *static_cast<const data::GreyStatistics*>(image.host);
  throw sdk::InvalidArgument(name_of(image) +
                             " was made by a post-processor that does not hand on what the host knows of its source "
                             "(osteon_image.host), and data.intensity needs the grey values of the whole of it");
}

}  // namespace

cv::Size smallest_size(std::int64_t multiple, const std::vector<int>& image_size) {
  constexpr std::int64_t kLeast = 32;
  const auto side = static_cast<int>(round_up(std::max(2 * multiple, kLeast), multiple));
  return {std::min(side, image_size[1]), std::min(side, image_size[0])};
}

struct Leaf::Input {
  std::size_t image = 0;               // whose it is, of the request
  cv::Mat pixels;                      // as the model takes it, padded
  std::int64_t height = 0, width = 0;  // of what is not padding
  std::int64_t image_height = 0, image_width = 0;
};

Leaf::Leaf(std::shared_ptr<const plugin::Model> model, const recipe::Recipe& recipe,
           const plugin::ClassContext& classes, LeafOptions options)
    : Leaf([model] { return model; }, model->component().schema.name, recipe, classes, std::move(options)) {}

Leaf::Leaf(ModelSource source, std::string plugin, const recipe::Recipe& recipe, const plugin::ClassContext& classes,
           LeafOptions options)
    : Predictor(classes, Gives{}, decision_of(recipe).thresholds, recipe.predict.batch_size),
      source_(std::move(source)),
      plugin_(std::move(plugin)),
      data_(recipe.data),
      intensity_(data::intensity_of(recipe.data)),
      batch_size_(static_cast<std::size_t>(recipe.predict.batch_size)),
      options_(std::move(options)) {}

Leaf::Input Leaf::prepare(const plugin::Model& model, const osteon_image& image, std::uint32_t scale) const {
  const cv::Mat source = pixels_of(image);
  expect_finite_pixels(image, source);
  Input input;
  input.image_height = source.rows;
  input.image_width = source.cols;
  const cv::Size seen = in_trial() ? smallest_size(model.size_multiple(), data_.image_size)
                                   : cv::Size(data_.image_size[1], data_.image_size[0]);
  const cv::Size size = scale == OSTEON_SCALE_NATIVE ? source.size() : seen;
  cv::Mat pixels = data::resize_image(source, size);
  if (intensity_.kind != data::Intensity::Kind::kFixed) {
    if (pixels.data == source.data) pixels = source.clone();
    statistics_of(image).map(intensity_).apply(pixels);
  }
  pixels = data::with_channels(pixels, data_.channels);
  input.height = size.height;
  input.width = size.width;
  const std::int64_t multiple = model.size_multiple();
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

void Leaf::run_batch(const osteon_call* raw, const plugin::Model& model, const std::vector<const Input*>& inputs,
                     const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  const sdk::Call call(raw);
  const cv::Mat& sample = inputs[0]->pixels;
  const std::int64_t channels = sample.channels(), height = sample.rows, width = sample.cols;
  sdk::OwnedTensor batch = call.allocate<float>({static_cast<std::int64_t>(inputs.size()), channels, height, width});
  for (std::size_t i = 0; i < inputs.size(); ++i)
    data::write_planes(raw, inputs[i]->pixels, data::model_scale(intensity_), data_.mean, data_.std,
                       batch.data<float>() + static_cast<std::int64_t>(i) * channels * height * width);

  plugin::Model::ForwardOptions options;
  options.precision = options_.precision;
  options.plain = options_.plain || in_trial();
  sdk::OwnedTensor logits = infer(raw, model, options_.device.get(), batch.view(), options);
  batch.reset();

  const plugin::ModelOutput& output = model.outputs().front();
  const osteon_tensor_view view = logits.view();
  const std::int64_t h = view.shape[2], w = view.shape[3];
  const osteon_dtype type = sdk::takes_element(request, view.dtype) ? view.dtype : sdk::dtype_of<float>();
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Input& input = *inputs[i];
    // The part of the grid that lies over the image, padding cut away.
    const std::int64_t kept_h = std::max<std::int64_t>(1, (input.height + output.stride - 1) / output.stride);
    const std::int64_t kept_w = std::max<std::int64_t>(1, (input.width + output.stride - 1) / output.stride);
    const bool as_they_are = inputs.size() == 1 && kept_h == h && kept_w == w && view.dtype == type;
    sdk::OwnedTensor values = as_they_are ? without_batch(std::move(logits))
                                          : cut(call, view, type, static_cast<std::int64_t>(i), kept_h, kept_w);
    osteon_prediction& prediction = predictions[input.image].raw();
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

std::vector<Leaf::Input> Leaf::prepare_all(const plugin::Model& model, const std::vector<const osteon_image*>& images,
                                           const osteon_predict_request& request,
                                           std::vector<OwnedPrediction>& predictions) const {
  std::vector<Input> inputs;
  for (std::size_t i = 0; i < images.size(); ++i) {
    try {
      inputs.push_back(prepare(model, *images[i], request.scale));
      inputs.back().image = i;
    } catch (const sdk::BadInput& e) {
      if ((request.flags & OSTEON_PREDICT_EACH) == 0) throw;
      predictions[i].refuse(e.what());
    }
  }
  return inputs;
}

void Leaf::predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
                   const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const {
  if ((gives_forms() & OSTEON_SET(request.form)) == 0)
    throw sdk::Unsupported("a model gives logits and probabilities, not form " + std::to_string(request.form));
  const std::shared_ptr<const plugin::Model> model = source_();  // in use until this returns
  const std::vector<Input> inputs = prepare_all(*model, images, request, predictions);
  // Inputs of one size go together, wherever they stand.
  std::vector<std::vector<const Input*>> batches;
  for (const Input& input : inputs) {
    const auto open = std::find_if(batches.rbegin(), batches.rend(), [&](const std::vector<const Input*>& batch) {
      return batch[0]->pixels.size() == input.pixels.size();
    });
    if (open == batches.rend() || open->size() >= batch_size_)
      batches.push_back({&input});
    else
      open->push_back(&input);
  }
  plugin::DeriveOptions derived;
  derived.who = options_.who;
  const plugin::Call own(call, derived);
  for (const std::vector<const Input*>& batch : batches) {
    sdk::Call(call).stop_if_cancelled();
    run_batch(own.raw(), *model, batch, request, predictions);
  }
  for (const Input& input : inputs) {
    osteon_prediction& prediction = predictions[input.image].raw();
    // Logits on their own grid are looked at by who reads them.
    if (!is_as_the_model_gives(request))
      naming_not_finite(*this, *images[input.image], sdk::make_request(request.form, request.grid), OSTEON_FORM_LOGITS,
                        [&] { expect_finite(sdk::Call(call), prediction); });
    const auto change = [&] { convert(call, raw(), request, input.image_height, input.image_width, prediction); };
    // A softmax needs all classes; a sigmoid and a resize are cheaper on those that are wanted.
    if (classes().multiclass) change();
    select_classes(call, request, prediction);
    if (!classes().multiclass) change();
  }
}

}  // namespace osteon::predict
