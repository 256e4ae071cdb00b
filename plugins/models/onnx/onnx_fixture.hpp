// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <osteon/abi/all.h>
#include <osteon/sdk/random.hpp>
#include <osteon/sdk/testing.hpp>

#include "protobuf.hpp"
#include "support/program.hpp"

/// ONNX files by hand, and the plugin that reads them behind its C functions.
namespace osteon::models::onnx_test {

using protobuf::put_bytes;
using protobuf::put_varint;
using Sizes = std::vector<std::int64_t>;

// What is needed of onnx.proto to write a file by hand.
constexpr std::uint64_t kFloat = 1;
constexpr std::uint32_t kInts = 8, kAttributeType = 20;
constexpr std::uint64_t kTypeInts = 7;

inline std::string tensor(const std::string& name, const Sizes& sizes, const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string message;
  for (const std::int64_t size : sizes) put_varint(message, 1, static_cast<std::uint64_t>(size));
  put_varint(message, 2, kFloat);
  put_bytes(message, 8, name);
  put_bytes(message, 9, bytes);
  return message;
}

inline std::string ints(const std::string& name, const Sizes& values) {
  std::string message;
  put_bytes(message, 1, name);
  for (const std::int64_t value : values) put_varint(message, kInts, static_cast<std::uint64_t>(value));
  put_varint(message, kAttributeType, kTypeInts);
  return message;
}

inline std::string number(const std::string& name, std::int64_t value) {
  std::string message;
  put_bytes(message, 1, name);
  put_varint(message, 3, static_cast<std::uint64_t>(value));
  put_varint(message, kAttributeType, 2);
  return message;
}

inline std::string node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
                        const std::vector<std::string>& attributes = {}) {
  std::string message;
  for (const std::string& input : inputs) put_bytes(message, 1, input);
  put_bytes(message, 2, output);
  put_bytes(message, 3, output + "_node");
  put_bytes(message, 4, type);
  for (const std::string& attribute : attributes) put_bytes(message, 5, attribute);
  return message;
}

/// A declaration of an input or output; sizes of 0 are free.
inline std::string declared(const std::string& name, const Sizes& sizes, std::uint64_t element = kFloat) {
  std::string shape, tensor_type, type, message;
  for (const std::int64_t size : sizes) {
    std::string dimension;
    if (size > 0)
      put_varint(dimension, 1, static_cast<std::uint64_t>(size));
    else
      put_bytes(dimension, 2, "free");
    put_bytes(shape, 1, dimension);
  }
  put_varint(tensor_type, 1, element);
  put_bytes(tensor_type, 2, shape);
  put_bytes(type, 1, tensor_type);
  put_bytes(message, 1, name);
  put_bytes(message, 2, type);
  return message;
}

inline std::string model_of(const std::string& graph) {
  std::string opset, message;
  put_varint(opset, 2, 13);
  put_varint(message, 1, 7);
  put_bytes(message, 7, graph);
  put_bytes(message, 8, opset);
  return message;
}

/// A file of these nodes and initializers that takes `image`, of two channels, and gives `logits`.
inline std::string graph_file(const std::vector<std::string>& nodes, const std::vector<std::string>& initializers) {
  std::string graph;
  for (const std::string& each : nodes) put_bytes(graph, 1, each);
  for (const std::string& each : initializers) put_bytes(graph, 5, each);
  put_bytes(graph, 11, declared("image", {0, 2, 0, 0}));
  put_bytes(graph, 12, declared("logits", {0, 3, 0, 0}));
  return model_of(graph);
}

/// A convolution 3 x 3 of 2 channels to 3 with padding 1, and a ReLU.
struct ConvRelu {
  ConvRelu() {
    sdk::Random random(3, 1);
    for (float& w : weight) w = static_cast<float>(random.uniform(-1, 1));
    for (float& b : bias) b = static_cast<float>(random.uniform(-1, 1));
  }

  std::string graph(const Sizes& input) const {
    std::string message;
    put_bytes(message, 1,
              node("Conv", {"image", "weight", "bias"}, "hidden",
                   {ints("kernel_shape", {3, 3}), ints("pads", {1, 1, 1, 1}), ints("strides", {stride, stride})}));
    put_bytes(message, 1, node("Relu", {"hidden"}, "logits"));
    put_bytes(message, 2, "net");
    put_bytes(message, 5, tensor("weight", {3, 2, 3, 3}, weight));
    put_bytes(message, 5, tensor("bias", {3}, bias));
    put_bytes(message, 11, declared("image", input));
    put_bytes(message, 12, declared("logits", {0, 3, 0, 0}));
    return message;
  }
  std::string file(const Sizes& input = {0, 2, 0, 0}) const { return model_of(graph(input)); }

  /// The same by hand, of one image [2, height, width].
  std::vector<float> logits(const float* image, std::int64_t height, std::int64_t width) const {
    std::vector<float> result;
    for (std::size_t k = 0; k < 3; ++k)
      for (std::int64_t y = 0; y < height; y += stride)
        for (std::int64_t x = 0; x < width; x += stride) {
          double sum = bias[k];
          for (std::int64_t c = 0; c < 2; ++c)
            for (std::int64_t dy = -1; dy <= 1; ++dy)
              for (std::int64_t dx = -1; dx <= 1; ++dx) {
                if (y + dy < 0 || y + dy >= height || x + dx < 0 || x + dx >= width) continue;
                sum += weight[k * 18 + static_cast<std::size_t>(c * 9 + (dy + 1) * 3 + dx + 1)] *
                       image[(c * height + y + dy) * width + x + dx];
              }
          result.push_back(static_cast<float>(std::max(0.0, sum)));
        }
    return result;
  }

  std::int64_t stride = 1;
  std::vector<float> weight = std::vector<float>(54), bias = std::vector<float>(3);
};

inline std::vector<float> random_images(const Sizes& sizes, std::uint64_t seed = 1) {
  std::vector<float> values(static_cast<std::size_t>(sizes[0] * sizes[1] * sizes[2] * sizes[3]));
  sdk::Random random(seed, 2);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

/// The plugin behind its C functions.
class Model {
 public:
  explicit Model(const std::string& file, std::int64_t channels = 2, std::int64_t classes = 3,
                 std::int64_t size_multiple = 0, const char* output = "", const char* activation = "auto") {
    const char* path = file.c_str();
    const std::int64_t zero = 0;
    const auto value = [](std::uint32_t type) {
      auto made = sdk::sized<osteon_value>();
      made.type = type;
      made.count = 1;
      return made;
    };
    osteon_value file_value = value(OSTEON_PARAM_PATH), output_value = value(OSTEON_PARAM_STRING),
                 activation_value = value(OSTEON_PARAM_CHOICE);
    osteon_value stride = value(OSTEON_PARAM_INT), multiple = stride, corners = value(OSTEON_PARAM_BOOL);
    file_value.strings = &path;
    output_value.strings = &output;
    activation_value.strings = &activation;
    stride.ints = corners.ints = &zero;
    multiple.ints = &size_multiple;
    const osteon_value* const values[] = {&file_value, &output_value, &activation_value, &stride, &multiple, &corners};
    const std::vector<const char*> names(static_cast<std::size_t>(classes), "class");
    auto request = sdk::sized<osteon_model_request>();
    request.in_channels = channels;
    request.n_classes = classes;
    request.class_names = names.data();
    const sdk::testing::TestCall call;
    sdk::check([&](osteon_error* e) { return api().create(call.raw(), values, &request, &model_, e); });
  }
  ~Model() { api().destroy(model_); }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  static const osteon_component& component() { return *osteon_get_plugin(OSTEON_ABI_VERSION)->components[0]; }
  static const osteon_model_api& api() { return *static_cast<const osteon_model_api*>(component().api); }
  osteon_model* raw() const { return model_; }
  const osteon_model_info& info() const { return *api().info(model_); }

  std::vector<float> infer(const osteon_tensor_view* images, std::uint32_t threads = 1) const {
    const sdk::testing::TestCall call(threads);
    sdk::OwnedTensor output = forward(call, images, OSTEON_MODE_INFERENCE, OSTEON_PRECISION_FLOAT32);
    const float* data = output.data<float>();
    return {data, data + sdk::element_count(output.view())};
  }
  sdk::OwnedTensor forward(const sdk::testing::TestCall& call, const osteon_tensor_view* images, std::uint32_t mode,
                           std::uint32_t precision, std::uint32_t flags = 0) const {
    auto options = sdk::sized<osteon_forward_options>();
    options.flags = flags;
    options.mode = mode;
    options.precision = precision;
    sdk::OwnedTensor output;
    osteon_tensor* const outputs[] = {output.out()};
    osteon_tape* tape = nullptr;
    sdk::check([&](osteon_error* e) {
      return api().forward(call.raw(), model_, &options, images, 1, outputs,
                           mode == OSTEON_MODE_TRAINING ? &tape : nullptr, e);
    });
    return output;
  }

 private:
  osteon_model* model_ = nullptr;
};

class OnnxTest : public testing::Test {
 protected:
  std::string save(const std::string& bytes, const std::string& name = "net.onnx") {
    test::write_text(folder_ / name, bytes);
    return (folder_ / name).string();
  }
  /// The message with which the plugin refuses a file, with this status.
  std::string refusal(const std::string& bytes, osteon_status status = OSTEON_INVALID_ARGUMENT,
                      std::int64_t channels = 2, std::int64_t classes = 3) {
    try {
      Model model(save(bytes), channels, classes);
    } catch (const sdk::Error& e) {
      EXPECT_EQ(e.status(), status) << e.what();
      EXPECT_THAT(e.what(), testing::Not(testing::HasSubstr("\n")));
      return e.what();
    }
    return "taken";
  }
  template <class Work>
  std::string refusal_of(Work&& work) {
    try {
      work();
    } catch (const sdk::Error& e) {
      EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
      return e.what();
    }
    return "taken";
  }
  template <class Work>
  void expect_error(osteon_status status, const std::string& text, Work&& work) {
    try {
      work();
      ADD_FAILURE() << "nothing was refused";
    } catch (const sdk::Error& e) {
      EXPECT_EQ(e.status(), status);
      EXPECT_THAT(e.what(), testing::HasSubstr(text));
    }
  }

  test::TemporaryFolder folder_;
  ConvRelu net_;
};

}  // namespace osteon::models::onnx_test
