// SPDX-License-Identifier: Apache-2.0
#include "onnx.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <osteon/abi/all.h>
#include <osteon/sdk/random.hpp>
#include <osteon/sdk/testing.hpp>

#include "protobuf.hpp"
#include "support/program.hpp"
#include "support/rounding.hpp"

namespace osteon::models {
namespace {

using protobuf::put_bytes;
using protobuf::put_varint;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Sizes = std::vector<std::int64_t>;

// What is needed of onnx.proto to write a file by hand.
constexpr std::uint64_t kFloat = 1;
constexpr std::uint32_t kInts = 8, kAttributeType = 20;
constexpr std::uint64_t kTypeInts = 7;

std::string tensor(const std::string& name, const Sizes& sizes, const std::vector<float>& values) {
  std::string bytes(values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), values.data(), bytes.size());
  std::string message;
  for (const std::int64_t size : sizes) put_varint(message, 1, static_cast<std::uint64_t>(size));
  put_varint(message, 2, kFloat);
  put_bytes(message, 8, name);
  put_bytes(message, 9, bytes);
  return message;
}

std::string ints(const std::string& name, const Sizes& values) {
  std::string message;
  put_bytes(message, 1, name);
  for (const std::int64_t value : values) put_varint(message, kInts, static_cast<std::uint64_t>(value));
  put_varint(message, kAttributeType, kTypeInts);
  return message;
}

std::string node(const std::string& type, const std::vector<std::string>& inputs, const std::string& output,
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
std::string declared(const std::string& name, const Sizes& sizes, std::uint64_t element = kFloat) {
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

std::string model_of(const std::string& graph) {
  std::string opset, message;
  put_varint(opset, 2, 13);
  put_varint(message, 1, 7);
  put_bytes(message, 7, graph);
  put_bytes(message, 8, opset);
  return message;
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

std::vector<float> random_images(const Sizes& sizes, std::uint64_t seed = 1) {
  std::vector<float> values(static_cast<std::size_t>(sizes[0] * sizes[1] * sizes[2] * sizes[3]));
  sdk::Random random(seed, 2);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  return values;
}

/// The plugin behind its C functions.
class Model {
 public:
  explicit Model(const std::string& file, std::int64_t channels = 2, std::int64_t classes = 3,
                 std::int64_t size_multiple = 0, const char* output = "") {
    const char* path = file.c_str();
    const std::int64_t zero = 0;
    const auto value = [](std::uint32_t type) {
      auto made = sdk::sized<osteon_value>();
      made.type = type;
      made.count = 1;
      return made;
    };
    osteon_value file_value = value(OSTEON_PARAM_PATH), output_value = value(OSTEON_PARAM_STRING);
    osteon_value stride = value(OSTEON_PARAM_INT), multiple = stride, corners = value(OSTEON_PARAM_BOOL);
    file_value.strings = &path;
    output_value.strings = &output;
    stride.ints = corners.ints = &zero;
    multiple.ints = &size_multiple;
    const osteon_value* const values[] = {&file_value, &output_value, &stride, &multiple, &corners};
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

/// Of the toy network: two layers of sums over tens of products, with values of the size of 1.
const double kTolerance = test::rounding(1024, 2);

void expect_near(const std::vector<float>& got, const std::vector<float>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], kTolerance) << i;
}

class OnnxTest : public testing::Test {
 protected:
  std::string save(const std::string& bytes, const std::string& name = "net.onnx") {
    test::write_text(folder_ / name, bytes);
    return (folder_ / name).string();
  }
  /// The message with which the plugin refuses a file.
  std::string refusal(const std::string& bytes, std::int64_t channels = 2, std::int64_t classes = 3) {
    try {
      Model model(save(bytes), channels, classes);
    } catch (const sdk::Error& e) {
      EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT) << e.what();
      EXPECT_THAT(e.what(), Not(HasSubstr("\n")));
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
      EXPECT_THAT(e.what(), HasSubstr(text));
    }
  }

  test::TemporaryFolder folder_;
  ConvRelu net_;
};

TEST_F(OnnxTest, PredictsEveryImageOfABatchAtAnySize) {
  const Model model(save(net_.file()));
  EXPECT_EQ(model.info().size_multiple, 1);
  EXPECT_EQ(model.info().outputs[0]->stride, 1);
  for (const Sizes& sizes : {Sizes{1, 2, 32, 32}, Sizes{3, 2, 17, 40}, Sizes{1, 2, 1, 1}}) {
    const std::vector<float> images = random_images(sizes);
    std::vector<float> expected;
    for (std::int64_t i = 0; i < sizes[0]; ++i) {
      const auto logits = net_.logits(images.data() + i * sizes[1] * sizes[2] * sizes[3], sizes[2], sizes[3]);
      expected.insert(expected.end(), logits.begin(), logits.end());
    }
    for (const std::uint32_t threads : {1u, 8u})
      expect_near(model.infer(sdk::BorrowedTensor(images.data(), sizes), threads), expected);
  }
}

TEST_F(OnnxTest, FindsTheStride) {
  net_.stride = 2;
  const Model model(save(net_.file()));
  EXPECT_EQ(model.info().outputs[0]->stride, 2);
  const Sizes sizes{1, 2, 31, 40};
  const std::vector<float> images = random_images(sizes);
  expect_near(model.infer(sdk::BorrowedTensor(images.data(), sizes)), net_.logits(images.data(), 31, 40));
}

TEST_F(OnnxTest, RefusesAnInputThatIsNotContiguous) {
  const Model model(save(net_.file()));
  Sizes sizes{1, 2, 9, 7};
  const std::vector<float> images = random_images(sizes);
  std::int64_t strides[] = {126, 1, 14, 2};  // channels last
  osteon_tensor_view view = sdk::BorrowedTensor(images.data(), sizes).view();
  view.shape = sizes.data();
  view.strides = strides;
  expect_error(OSTEON_INVALID_ARGUMENT, "the input is not contiguous", [&] { model.infer(&view); });
}

TEST_F(OnnxTest, TakesTheOneSizeThatAFileFixes) {
  const Model model(save(net_.file({1, 2, 24, 36})));
  EXPECT_EQ(model.info().size_multiple, 12);
  const std::vector<float> images = random_images({1, 2, 24, 36});
  expect_near(model.infer(sdk::BorrowedTensor(images.data(), {1, 2, 24, 36})), net_.logits(images.data(), 24, 36));
  expect_error(OSTEON_INVALID_ARGUMENT, "the file fixes 24 x 36", [&] {
    model.infer(sdk::BorrowedTensor(images.data(), {1, 2, 24, 24}));
  });
  EXPECT_THAT(refusal(net_.file({4, 2, 24, 36})), HasSubstr("batches of 4"));
  EXPECT_THAT(refusal(net_.file({1, 2, 24, 0})), HasSubstr("fixes one of height and width"));
}

TEST_F(OnnxTest, PredictsTheSameFromManyThreads) {
  const Model model(save(net_.file()));
  std::vector<std::thread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t)
    threads.emplace_back([&, t] {
      const std::int64_t height = 16 + 8 * static_cast<std::int64_t>(t % 2);
      for (std::uint64_t round = 0; round < 30; ++round) {
        const Sizes sizes{1, 2, height, 20};
        const std::vector<float> images = random_images(sizes, 100 * t + round);
        const auto got = model.infer(sdk::BorrowedTensor(images.data(), sizes));
        const auto expected = net_.logits(images.data(), height, 20);
        for (std::size_t i = 0; i < got.size(); ++i) wrong[t] += std::abs(got[i] - expected[i]) > kTolerance;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_F(OnnxTest, SaysThatItCannotBeTrained) {
  const Model model(save(net_.file()));
  const std::vector<float> images = random_images({1, 2, 8, 8});
  const sdk::BorrowedTensor view(images.data(), {1, 2, 8, 8});
  const sdk::testing::TestCall call;
  const char* const kWhere = "train it where it comes from";
  expect_error(OSTEON_UNSUPPORTED, kWhere,
               [&] { model.forward(call, view, OSTEON_MODE_TRAINING, OSTEON_PRECISION_FLOAT32); });
  expect_error(OSTEON_UNSUPPORTED, kWhere, [&] {
    sdk::check([&](osteon_error* e) { return Model::api().set_trainable(call.raw(), model.raw(), 0, nullptr, e); });
  });
  expect_error(OSTEON_UNSUPPORTED, "shows none of them", [&] {
    sdk::check(
        [&](osteon_error* e) { return Model::api().bind(call.raw(), model.raw(), 0, nullptr, nullptr, nullptr, e); });
  });
  expect_error(OSTEON_UNSUPPORTED, "float32 alone",
               [&] { model.forward(call, view, OSTEON_MODE_INFERENCE, OSTEON_PRECISION_BFLOAT16); });
  std::uint64_t count = 7;
  const osteon_named_tensor* const* list = nullptr;
  EXPECT_EQ(Model::api().tensors(call.raw(), model.raw(), &count, &list, nullptr), OSTEON_OK);
  EXPECT_EQ(count, 0u);
}

TEST_F(OnnxTest, HasOneOutputInEitherWay) {
  const Model model(save(net_.file()));
  EXPECT_EQ(model.info().outputs[0]->role, OSTEON_OUTPUT_MAIN);
  EXPECT_EQ(model.info().outputs[0]->channels, 3);
  const std::vector<float> images = random_images({1, 2, 8, 8});
  const sdk::BorrowedTensor view(images.data(), {1, 2, 8, 8});
  const sdk::testing::TestCall call;
  const std::vector<float> expected = model.infer(view);
  for (const std::uint32_t flags : {OSTEON_FORWARD_ALL_OUTPUTS, OSTEON_FORWARD_PLAIN})
    for (const std::uint32_t precision : {OSTEON_PRECISION_FLOAT32, OSTEON_PRECISION_TF32}) {
      const sdk::OwnedTensor output = model.forward(call, view, OSTEON_MODE_INFERENCE, precision, flags);
      EXPECT_EQ(std::vector<float>(output.data<float>(), output.data<float>() + expected.size()), expected);
    }
  expect_error(OSTEON_UNSUPPORTED, "0x8000",
               [&] { model.forward(call, view, OSTEON_MODE_INFERENCE, OSTEON_PRECISION_FLOAT32, 0x8000); });
}

TEST_F(OnnxTest, StopsBetweenImages) {
  const Model model(save(net_.file()));
  const std::vector<float> images = random_images({2, 2, 8, 8});
  sdk::testing::TestCall call;
  call.cancel = true;
  expect_error(OSTEON_CANCELLED, "cancelled", [&] {
    model.forward(call, sdk::BorrowedTensor(images.data(), {2, 2, 8, 8}), OSTEON_MODE_INFERENCE,
                  OSTEON_PRECISION_FLOAT32);
  });
}

TEST_F(OnnxTest, RefusesWhatTheDataDoesNotFit) {
  EXPECT_THAT(refusal(net_.file(), 2, 29), HasSubstr("gives 3 classes, data.classes has 29"));
  EXPECT_THAT(refusal(net_.file(), 1, 3), HasSubstr("takes 2 channels, data.channels is 1"));
  EXPECT_THAT(refusal(net_.file({0, 0, 0, 0}), 1, 3), HasSubstr("cannot see 128 x 128 pixels of 1 channels"));
  expect_error(OSTEON_INVALID_ARGUMENT, "no output 'mask'; it has 'logits'",
               [&] { Model(save(net_.file()), 2, 3, 0, "mask"); });
}

TEST_F(OnnxTest, RefusesWhatOpenCVCannotImportAndNamesTheNode) {
  std::string graph = net_.graph({0, 2, 0, 0});
  put_bytes(graph, 1, node("NoSuchOperator", {"logits"}, "more"));
  EXPECT_THAT(refusal(model_of(graph)), AllOf(HasSubstr("OpenCV"), HasSubstr("NoSuchOperator")));
}

TEST_F(OnnxTest, RefusesFilesOfAnotherKind) {
  EXPECT_THAT(refusal(""), HasSubstr("no graph"));
  EXPECT_THAT(refusal("no protocol buffer"), HasSubstr("is no ONNX file"));
  std::string graph = net_.graph({0, 2, 0, 0});
  put_bytes(graph, 11, declared("second", {0, 2, 0, 0}));
  EXPECT_THAT(refusal(model_of(graph)), HasSubstr("more than one input"));
  graph = net_.graph({0, 2, 0, 0});
  std::string elsewhere = tensor("elsewhere", {1}, {1});
  put_varint(elsewhere, 14, 1);
  put_bytes(graph, 5, elsewhere);
  EXPECT_THAT(refusal(model_of(graph)), HasSubstr("weights in other files"));
  EXPECT_THAT(refusal(net_.file({0, 2, 0})), HasSubstr("3 dimensions"));
  std::string half;
  put_bytes(half, 11, declared("image", {0, 2, 0, 0}, 10));
  put_bytes(half, 12, declared("logits", {0, 3, 0, 0}));
  EXPECT_THAT(refusal(model_of(half)), HasSubstr("not float32"));
}

// Whatever a file holds: a refusal, or a network that still answers.
TEST_F(OnnxTest, SurvivesCutAndChangedFiles) {
  const std::string whole = net_.file();
  for (std::size_t size = 0; size < whole.size(); size += 7) EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
  const std::vector<float> images = random_images({1, 2, 8, 8});
  int taken = 0, refused = 0;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x15);
    try {
      Model(save(changed)).infer(sdk::BorrowedTensor(images.data(), {1, 2, 8, 8}));
      ++taken;
    } catch (const sdk::Error& e) {
      EXPECT_STRNE(e.what(), "");
      ++refused;
    }
  }
  EXPECT_GT(taken, 0);
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace osteon::models
