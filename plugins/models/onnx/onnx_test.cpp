// SPDX-License-Identifier: Apache-2.0
#include "onnx.hpp"

#include <cmath>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "onnx_fixture.hpp"
#include "support/rounding.hpp"

namespace osteon::models::onnx_test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// Of the toy network: two layers of sums over tens of products, with values of the size of 1.
const double kTolerance = test::rounding(1024, 2);

void expect_near(const std::vector<float>& got, const std::vector<float>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], kTolerance) << i;
}

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
  EXPECT_THAT(refusal(net_.file(), OSTEON_INVALID_ARGUMENT, 2, 29), HasSubstr("gives 3 classes, data.classes has 29"));
  EXPECT_THAT(refusal(net_.file(), OSTEON_INVALID_ARGUMENT, 1, 3), HasSubstr("takes 2 channels, data.channels is 1"));
  EXPECT_THAT(refusal(net_.file({0, 0, 0, 0}), OSTEON_INVALID_ARGUMENT, 1, 3),
              HasSubstr("cannot see 128 x 128 pixels of 1 channels"));
  expect_error(OSTEON_INVALID_ARGUMENT, "no output 'mask'; it has 'logits'",
               [&] { Model(save(net_.file()), 2, 3, 0, "mask"); });
}

TEST_F(OnnxTest, RefusesWhatOpenCVCannotImportAndNamesTheNode) {
  std::string graph = net_.graph({0, 2, 0, 0});
  put_bytes(graph, 1, node("NoSuchOperator", {"logits"}, "more"));
  EXPECT_THAT(refusal(model_of(graph)), AllOf(HasSubstr("OpenCV"), HasSubstr("NoSuchOperator")));
}

TEST_F(OnnxTest, RefusesFilesOfAnotherKind) {
  EXPECT_THAT(refusal("", OSTEON_BAD_INPUT), HasSubstr("no graph"));
  EXPECT_THAT(refusal("no protocol buffer", OSTEON_BAD_INPUT), HasSubstr("is no ONNX file"));
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

/// The toy network with what goes on behind its convolution.
std::string ended(const ConvRelu& net, const std::vector<std::string>& more, const std::vector<std::string>& outputs) {
  std::string graph;
  put_bytes(
      graph, 1,
      node("Conv", {"image", "weight", "bias"}, "raw", {ints("kernel_shape", {3, 3}), ints("pads", {1, 1, 1, 1})}));
  for (const std::string& each : more) put_bytes(graph, 1, each);
  put_bytes(graph, 5, tensor("weight", {3, 2, 3, 3}, net.weight));
  put_bytes(graph, 5, tensor("bias", {3}, net.bias));
  put_bytes(graph, 11, declared("image", {0, 2, 0, 0}));
  for (const std::string& each : outputs) put_bytes(graph, 12, declared(each, {0, 3, 0, 0}));
  return model_of(graph);
}

TEST_F(OnnxTest, NoticesAnActivationAtTheEndAndUndoesItWhereTheRecipeSaysSo) {
  const Sizes sizes{1, 2, 16, 20};
  const std::vector<float> images = random_images(sizes);
  const sdk::BorrowedTensor view(images.data(), sizes);
  const std::vector<float> raw = Model(save(ended(net_, {}, {"raw"}))).infer(view);
  for (const std::string type : {"Sigmoid", "Softmax"}) {
    const std::string bytes =
        ended(net_,
              {node(type, {"raw"}, "p",
                    type == "Softmax" ? std::vector<std::string>{number("axis", 1)} : std::vector<std::string>{})},
              {"p"});
    const std::string word = type == "Softmax" ? "softmax" : "sigmoid";
    EXPECT_THAT(refusal(bytes), AllOf(HasSubstr("the output 'p' is made by " + type),
                                      HasSubstr("say activation = \"" + word + "\""), HasSubstr("\"none\"")));
    const std::string file = save(bytes);
    const std::vector<float> p = Model(file, 2, 3, 0, "", "none").infer(view);
    const std::vector<float> undone = Model(file, 2, 3, 0, "", word.c_str()).infer(view);
    ASSERT_EQ(undone.size(), raw.size());
    const std::size_t pixels = raw.size() / 3;
    for (std::size_t i = 0; i < raw.size(); ++i) {
      EXPECT_TRUE(p[i] >= 0 && p[i] <= 1);
      // Of a softmax only what lies between two classes is known.
      const float expected = type == "Softmax" ? raw[i] - raw[i % pixels] : raw[i];
      ASSERT_NEAR(type == "Softmax" ? undone[i] - undone[i % pixels] : undone[i], expected, 1e-4) << type << i;
    }
    EXPECT_THAT(refusal_of([&] { Model(save(ended(net_, {}, {"raw"})), 2, 3, 0, "", word.c_str()); }),
                HasSubstr("values outside 0 to 1"));
  }
}

TEST_F(OnnxTest, NoticesOutputsBetweenZeroAndOneWhateverMadeThem) {
  // A sigmoid by hand: 0.5 tanh(x / 2) + 0.5, of which the last operation says nothing.
  std::string graph;
  const std::vector<std::string> tail = {node("Tanh", {"raw"}, "t"), node("Mul", {"t", "half"}, "m"),
                                         node("Add", {"m", "half"}, "logits")};
  std::string bytes = ended(net_, tail, {"logits"});
  graph = std::string(protobuf::bytes_of(bytes, 7));
  put_bytes(graph, 5, tensor("half", {1}, {0.5f}));
  bytes = model_of(graph);
  EXPECT_THAT(refusal(bytes), HasSubstr("lies in 0 to 1 for unlike images"));
  Model(save(bytes), 2, 3, 0, "", "sigmoid");
}

TEST_F(OnnxTest, SaysWhichOfSeveralOutputsItTakesAndTakesTheOneThatIsNamed) {
  const std::string bytes =
      ended(net_, {node("Sigmoid", {"raw"}, "prob"), node("Identity", {"raw"}, "logits")}, {"prob", "logits"});
  EXPECT_THAT(refusal(bytes), AllOf(HasSubstr("'prob' (of 'prob', 'logits', which output_name chooses among)")));
  const Sizes sizes{1, 2, 16, 20};
  const std::vector<float> images = random_images(sizes);
  const sdk::BorrowedTensor view(images.data(), sizes);
  EXPECT_EQ(Model(save(bytes), 2, 3, 0, "logits").infer(view), Model(save(ended(net_, {}, {"raw"}))).infer(view));
}

// Whatever a file holds: a refusal, or a network that still answers.
TEST_F(OnnxTest, SurvivesCutAndChangedFiles) {
  const std::string whole = net_.file();
  for (std::size_t size = 0; size < whole.size(); size += 7)
    EXPECT_NE(refusal(whole.substr(0, size), OSTEON_BAD_INPUT), "taken") << size;
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
}  // namespace osteon::models::onnx_test
