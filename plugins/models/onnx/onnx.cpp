// SPDX-License-Identifier: Apache-2.0
#include "onnx.hpp"

#include <algorithm>

#include <osteon/sdk/grid_trial.hpp>

namespace osteon::models {
namespace {

std::string names_of(const std::vector<std::string>& outputs) {
  std::string names;
  for (const std::string& each : outputs) names += (names.empty() ? "'" : ", '") + each + "'";
  return names;
}

/// The output that a recipe names, or the first; that it is one of several is said.
std::string chosen_output(const sdk::Call& call, const OnnxFile& file, const std::string& name) {
  const auto& there = file.outputs();
  if (name.empty() && there.size() > 1)
    call.info("the network has the outputs " + names_of(there) + "; the first is taken, output_name chooses another");
  if (name.empty()) return there.front();
  if (std::find(there.begin(), there.end(), name) != there.end()) return name;
  throw sdk::InvalidArgument("the network has no output '" + name + "'; it has " + names_of(there));
}

/// How messages call an output.
std::string output_text(const OnnxFile& file, const std::string& name) {
  const auto& there = file.outputs();
  const std::string text = "the output '" + name + "'";
  return there.size() == 1 ? text : text + " (of " + names_of(there) + ", which output_name chooses among)";
}

// Of the images that show what an output looks like, where the network does not want larger ones.
constexpr std::int64_t kTrialSide = 64;

std::string size_text(std::int64_t height, std::int64_t width) {
  return std::to_string(height) + " x " + std::to_string(width);
}

/// One image of a batch as OpenCV sees it.
cv::Mat image_of(const osteon_tensor_view& images, std::int64_t index) {
  const int sizes[] = {1, static_cast<int>(images.shape[1]), static_cast<int>(images.shape[2]),
                       static_cast<int>(images.shape[3])};
  auto* data = static_cast<float*>(images.data) + index * images.strides[0];
  return cv::Mat(4, sizes, CV_32F, data);
}

/// The size that a file fixes; 0 and 0 when it fixes none.
struct FixedSize {
  std::int64_t height, width;
};
FixedSize fixed_size(const OnnxFile& file, std::int64_t in_channels) {
  const auto& shape = file.input_shape();
  if (shape[0] > 1)
    throw sdk::InvalidArgument("the network takes batches of " + std::to_string(shape[0]) +
                               " alone; export it with a batch of 1 or a free one");
  if (shape[1] != 0 && shape[1] != in_channels)
    throw sdk::InvalidArgument("the network takes " + std::to_string(shape[1]) + " channels, data.channels is " +
                               std::to_string(in_channels));
  if ((shape[2] == 0) != (shape[3] == 0))
    throw sdk::InvalidArgument("the network fixes one of height and width; export it with both fixed or both free");
  return {shape[2], shape[3]};
}

}  // namespace

Onnx::Onnx(const sdk::Call& call, const Params& params, std::int64_t in_channels, std::int64_t n_classes)
    : file_(params.file), pool_(file_, chosen_output(call, file_, params.output_name)) {
  const FixedSize fixed = fixed_size(file_, in_channels);
  const sdk::TrialRun trial = [&](std::int64_t n, std::int64_t height, std::int64_t width, bool) {
    call.stop_if_cancelled();
    const std::vector<int> sizes = {static_cast<int>(n), static_cast<int>(in_channels), static_cast<int>(height),
                                    static_cast<int>(width)};
    std::vector<std::vector<std::int64_t>> shapes;
    try {
      pool_.run(cv::Mat(sizes, CV_32F, cv::Scalar(0)), call.threads(),
                [&](const cv::Mat& output) { shapes.emplace_back(output.size.p, output.size.p + output.dims); });
    } catch (const cv::Exception& e) {
      throw sdk::InvalidArgument("the network cannot see " + size_text(height, width) + " pixels of " +
                                 std::to_string(in_channels) + " channels. " + one_line(e));
    }
    return shapes;
  };

  sdk::TrialWish wish;
  wish.n_classes = n_classes;
  wish.stride = params.stride;
  wish.size_multiple = params.size_multiple;
  wish.height = fixed.height;
  wish.width = fixed.width;
  const sdk::Grid grid = sdk::find_grid(trial, wish);
  info_.in_channels = in_channels;
  const std::int64_t side =
      std::max<std::int64_t>(grid.size_multiple, kTrialSide / grid.size_multiple * grid.size_multiple);
  const std::string &output = pool_.output(), &maker = file_.maker_of(output);
  if (sdk::needs_activation_trial(params.activation, maker))
    activation_ = sdk::resolve_activation(
        params.activation, output_text(file_, output), maker,
        try_activation(call, fixed.height > 0 ? fixed.height : side, fixed.width > 0 ? fixed.width : side));
  pool_.clear();
  output_.flags = params.align_corners ? std::uint32_t{OSTEON_OUTPUT_ALIGN_CORNERS} : 0;
  output_.role = OSTEON_OUTPUT_MAIN;
  output_.name = "main";
  output_.loss_weight = 1;
  output_.stride = grid.strides[0];
  output_.channels = n_classes;
  info_.n_classes = n_classes;
  info_.size_multiple = grid.size_multiple;
  info_.n_outputs = 1;
  info_.outputs = outputs_;
}

sdk::ActivationTrial Onnx::try_activation(const sdk::Call& call, std::int64_t height, std::int64_t width) {
  sdk::ActivationTrial trial;
  for (const int which : {0, 1}) {
    call.stop_if_cancelled();
    std::vector<float> probe = sdk::activation_probe(info_.in_channels * height * width, which);
    const std::vector<int> sizes = {1, static_cast<int>(info_.in_channels), static_cast<int>(height),
                                    static_cast<int>(width)};
    pool_.run(cv::Mat(sizes, CV_32F, probe.data()), call.threads(), [&](const cv::Mat& output) {
      if (output.type() != CV_32F || output.dims != 4) throw sdk::InvalidArgument("the output is not of float32");
      trial.add(output.ptr<float>(), output.size[1], std::int64_t{output.size[2]} * output.size[3]);
    });
  }
  return trial;
}

void Onnx::check_images(const osteon_tensor_view& images) const {
  if (images.ndim != 4 || images.shape[1] != info_.in_channels)
    throw sdk::InvalidArgument("the input is " + sdk::shape_text(images) + ", expected [N, " +
                               std::to_string(info_.in_channels) + ", H, W]");
  if (images.dtype != sdk::dtype_of<float>())
    throw sdk::InvalidArgument("the input is " + sdk::to_string(images.dtype) + ", expected float32");
  if (images.device.type != OSTEON_DEVICE_CPU) throw sdk::InvalidArgument("the input is not on the CPU");
  if (sdk::element_count(images) == 0) throw sdk::InvalidArgument("the input has no image or no pixel");
  sdk::expect_canonical(images, "the input");
  const std::int64_t height = images.shape[2], width = images.shape[3], multiple = info_.size_multiple;
  if (height % multiple != 0 || width % multiple != 0)
    throw sdk::InvalidArgument("the input is " + size_text(height, width) + ", expected multiples of " +
                               std::to_string(multiple));
  const auto& fixed = file_.input_shape();
  if (fixed[2] != 0 && (height != fixed[2] || width != fixed[3]))
    throw sdk::InvalidArgument("the input is " + size_text(height, width) + ", and the file fixes " +
                               size_text(fixed[2], fixed[3]) + "; say so by data.image_size, or export free sizes");
}

sdk::OwnedTensor Onnx::infer(const sdk::Call& call, const osteon_tensor_view& images) {
  check_images(images);
  const auto ceil_div = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t n = images.shape[0];
  const std::vector<int> expected = {1, static_cast<int>(info_.n_classes),
                                     static_cast<int>(ceil_div(images.shape[2], output_.stride)),
                                     static_cast<int>(ceil_div(images.shape[3], output_.stride))};
  sdk::OwnedTensor logits = call.allocate<float>({n, expected[1], expected[2], expected[3]});
  const std::size_t count = static_cast<std::size_t>(sdk::element_count(logits.view()) / n);
  for (std::int64_t i = 0; i < n; ++i) {
    call.stop_if_cancelled();
    pool_.run(image_of(images, i), call.threads(), [&](const cv::Mat& output) {
      if (output.type() != CV_32F ||
          !std::equal(expected.begin(), expected.end(), output.size.p, output.size.p + output.dims))
        throw sdk::Error(OSTEON_FAILED, "an image of " + size_text(images.shape[2], images.shape[3]) +
                                            " became something else than float32 logits of " +
                                            size_text(expected[2], expected[3]) + "; say `size_multiple`");
      const float* from = output.ptr<float>();
      float* to = logits.data<float>() + static_cast<std::size_t>(i) * count;
      if (activation_ == sdk::OutputActivation::kNone)
        std::copy_n(from, count, to);
      else
        std::transform(from, from + count, to, [this](float value) { return sdk::undone(activation_, value); });
    });
  }
  return logits;
}

}  // namespace osteon::models
