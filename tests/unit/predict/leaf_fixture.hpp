// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "predict/leaf.hpp"
#include "support/predictions.hpp"

// A leaf over a model of the tests' own, whose logits are known.
namespace osteon::predict {

/// What the model of the test is and what it saw.
struct Probe {
  std::int64_t channels = 1, classes = 2, stride = 1, multiple = 1;
  bool align_corners = false, bfloat = false;
  float spoilt = 0;                            ///< the logit of class 1 at row 3, column 5, where it is not 0
  osteon_device device{OSTEON_DEVICE_CPU, 0};  ///< where it is
  std::vector<std::vector<std::int64_t>> shapes;
  std::vector<float> last;       ///< the last input
  const void* logits = nullptr;  ///< the last output
};
inline Probe probe;

// Any function of class and place in the padded grid, exact in bfloat16.
inline float logit(std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<float>((5 * c + 3 * y + 7 * x * x) % 23 - 11) / 4;
}

inline osteon_status forward(const osteon_call* call, osteon_model*, const osteon_forward_options*,
                             const osteon_tensor_view* input, std::uint64_t, osteon_tensor* const* outputs,
                             osteon_tape**, osteon_error* error) {
  return sdk::detail::guard(error, [&] {
    probe.shapes.emplace_back(input->shape, input->shape + 4);
    if (input->device.type != probe.device.type || input->device.id != probe.device.id)
      throw sdk::InvalidArgument("the input is not where the model is");
    osteon_tensor_view there = *input;
    there.device = {OSTEON_DEVICE_CPU, 0};  // the device of these tests is memory by another name
    const float* data = sdk::data_of<const float>(there, "the input");
    probe.last.assign(data, data + sdk::element_count(*input));
    const std::int64_t n = input->shape[0], h = (input->shape[2] + probe.stride - 1) / probe.stride,
                       w = (input->shape[3] + probe.stride - 1) / probe.stride;
    sdk::OwnedTensor out = sdk::Call(call).allocate(
        probe.bfloat ? osteon_dtype{OSTEON_DTYPE_BFLOAT, 16, 1} : sdk::dtype_of<float>(), {n, probe.classes, h, w});
    for (std::int64_t i = 0; i < n * probe.classes * h * w; ++i) {
      const std::int64_t c = i / (h * w) % probe.classes, y = i / w % h, x = i % w;
      const float value = probe.spoilt != 0 && c == 1 && y == 3 && x == 5 ? probe.spoilt : logit(c, y, x);
      std::uint32_t bits;
      std::memcpy(&bits, &value, 4);
      if (probe.bfloat)
        static_cast<std::uint16_t*>(out.view().data)[i] = static_cast<std::uint16_t>(bits >> 16);
      else
        static_cast<float*>(out.view().data)[i] = value;
    }
    probe.logits = out.view().data;
    out.move_to(outputs[0]);
  });
}

inline std::shared_ptr<plugin::Model> probe_model(const plugin::ClassContext& classes) {
  static osteon_model_api api{};
  api.struct_size = sizeof api;
  api.create = [](const osteon_call*, const osteon_value* const*, const osteon_model_request*, osteon_model** out,
                  osteon_error*) {
    *out = reinterpret_cast<osteon_model*>(&probe);
    return osteon_status{OSTEON_OK};
  };
  api.destroy = [](osteon_model*) {};
  api.info = [](const osteon_model*) -> const osteon_model_info* {
    static osteon_model_output output;
    static const osteon_model_output* const outputs[] = {&output};
    static osteon_model_info info;
    output = sdk::sized<osteon_model_output>();
    output.flags = probe.align_corners ? std::uint32_t{OSTEON_OUTPUT_ALIGN_CORNERS} : 0u;
    output.role = OSTEON_OUTPUT_MAIN;
    output.name = "main";
    output.loss_weight = 1;
    output.stride = probe.stride;
    output.channels = probe.classes;
    info = sdk::sized<osteon_model_info>();
    info.in_channels = probe.channels;
    info.n_classes = probe.classes;
    info.size_multiple = probe.multiple;
    info.n_outputs = 1;
    info.outputs = outputs;
    return &info;
  };
  api.forward = forward;
  static osteon_component component = sdk::sized<osteon_component>();
  component.api = &api;
  plugin::LoadedComponent loaded;
  loaded.component = &component;
  loaded.schema.name = "probe";
  return std::make_shared<plugin::Model>(loaded, plugin::Parameters{}, classes, probe.channels, 1, plugin::Call());
}

class LeafTest : public ::testing::Test {
 protected:
  void SetUp() override {
    probe = {};
    recipe_.data.image_size = {32, 40};
    recipe_.data.channels = 1;
  }
  Leaf leaf(bool multiclass = false) const {
    const plugin::ClassContext classes = test::classes(static_cast<int>(probe.classes), multiclass);
    return Leaf(probe_model(classes), recipe_, classes, options());
  }
  static LeafOptions options() {
    LeafOptions options;
    if (probe.bfloat) options.precision = OSTEON_PRECISION_BFLOAT16;
    return options;
  }
  static cv::Mat pixels(int height, int width, int channels = 1) {
    cv::Mat made(height, width, CV_32FC(channels));
    cv::RNG rng(3);
    rng.fill(made, cv::RNG::UNIFORM, 0, 1);
    return made;
  }
  OwnedPrediction predict(const Leaf& leaf, const cv::Mat& image, osteon_predict_request request) const {
    const RootImage root(image, "image");
    std::vector<OwnedPrediction> predictions(1);
    leaf.predict(call_.raw(), {root.get()}, request, predictions);
    return std::move(predictions[0]);
  }
  plugin::Call call_;
  recipe::Recipe recipe_;
};

}  // namespace osteon::predict
