// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "unet_fixture.hpp"

namespace osteon::models {
namespace {

ModelUnderTest::Values with_encoder(const std::string& name) {
  ModelUnderTest::Values values;
  values.strings["encoder"] = name;
  return values;
}

struct Counts {
  std::int64_t encoder = 0, decoder = 0, head = 0;
  std::size_t encoder_entries = 0;
};

/// What public code counts as parameters, trained or not.
bool is_weight(const std::string& name) {
  const std::string last = name.substr(name.rfind('.') + 1);
  return last == "weight" || last == "bias";
}

Counts count(const ModelUnderTest& model) {
  Counts counts;
  for (const osteon_named_tensor* t : model.tensors()) {
    const std::string name = t->name;
    const std::int64_t size = is_weight(name) ? sdk::element_count(t->value) : 0;
    if (name.rfind("encoder.", 0) == 0) {
      counts.encoder += size;
      ++counts.encoder_entries;
    } else if (name.rfind("decoder.", 0) == 0) {
      counts.decoder += size;
    } else if (name.rfind("segmentation_head.", 0) == 0) {
      counts.head += size;
    } else {
      ADD_FAILURE() << name << " has none of the public prefixes";
    }
  }
  return counts;
}

struct Published {
  const char* encoder;
  std::int64_t encoder_parameters, decoder_parameters;
  std::size_t encoder_entries;
};

class UNetSizes : public testing::TestWithParam<Published> {};

// Counted in Python from torchvision 0.14 and segmentation_models.pytorch 0.3.3; `basic` from the reference in
// tests/parity/encoders.py. 29 classes.
TEST_P(UNetSizes, AreThoseOfThePublicModels) {
  const Published& published = GetParam();
  const ModelUnderTest model(with_encoder(published.encoder), 3, 29);
  const Counts counts = count(model);
  EXPECT_EQ(counts.encoder, published.encoder_parameters);
  EXPECT_EQ(counts.encoder_entries, published.encoder_entries);
  EXPECT_EQ(counts.head, (std::string(published.encoder) == "basic" ? 64 : 16) * 9 * 29 + 29);
  EXPECT_EQ(counts.decoder, published.decoder_parameters);
  const at::Tensor logits = model.infer(RecordingCall(), random_tensor({1, 3, 32, 64}, 1));
  EXPECT_EQ(logits.sizes(), (std::vector<std::int64_t>{1, 29, 32, 64}));
  EXPECT_TRUE(logits.isfinite().all().item<bool>());
}
INSTANTIATE_TEST_SUITE_P(
    Encoders, UNetSizes,
    testing::Values(
        Published{"resnet18", 11176512, 3151552, 120}, Published{"resnet34", 21284672, 3151552, 216},
        Published{"resnet50", 23508032, 9012928, 318}, Published{"resnet101", 42500160, 9012928, 624},
        Published{"efficientnet-b0", 4007548, 2243776, 358}, Published{"efficientnet-b1", 6513184, 2243776, 506},
        Published{"efficientnet-b2", 7700994, 2345152, 506}, Published{"efficientnet-b3", 10696232, 2462656, 572},
        Published{"efficientnet-b4", 17548616, 2676928, 704}, Published{"efficientnet-b5", 28340784, 2875072, 852},
        Published{"efficientnet-b6", 40735704, 3089344, 984}, Published{"efficientnet-b7", 63786960, 3308224, 1198},
        Published{"basic", 18851136, 12537600, 70}),
    [](const auto& p) {
      std::string name = p.param.encoder;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(UNetSizes, CoverEveryEncoder) { EXPECT_EQ(encoders::encoder_names().size(), 13u); }

TEST(UNet, NamesWeightsAsPublicCheckpointsDo) {
  const ModelUnderTest model({}, 3, 29);
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"encoder.conv1.weight", {64, 3, 7, 7}},
      {"encoder.bn1.running_var", {64}},
      {"encoder.layer1.0.conv1.weight", {64, 64, 3, 3}},
      {"encoder.layer2.0.downsample.0.weight", {128, 64, 1, 1}},
      {"encoder.layer2.0.downsample.1.running_mean", {128}},
      {"encoder.layer4.2.bn2.num_batches_tracked", {}},
      {"decoder.blocks.0.conv1.0.weight", {256, 768, 3, 3}},
      {"decoder.blocks.1.conv1.0.weight", {128, 384, 3, 3}},
      {"decoder.blocks.2.conv1.0.weight", {64, 192, 3, 3}},
      {"decoder.blocks.3.conv1.0.weight", {32, 128, 3, 3}},
      {"decoder.blocks.4.conv1.0.weight", {16, 32, 3, 3}},
      {"decoder.blocks.4.conv2.1.weight", {16}},
      {"segmentation_head.0.weight", {29, 16, 3, 3}},
      {"segmentation_head.0.bias", {29}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  EXPECT_THROW(model.value("decoder.blocks.0.conv1.0.bias"), std::out_of_range);
  EXPECT_THROW(model.value("encoder.fc.weight"), std::out_of_range);
  EXPECT_EQ(model.value("encoder.bn1.num_batches_tracked").scalar_type(), at::kLong);
}

TEST(UNet, NamesEfficientNetsWeightsAsPublicCheckpointsDo) {
  const ModelUnderTest model(with_encoder("efficientnet-b0"), 1, 2);
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"encoder._conv_stem.weight", {32, 1, 3, 3}},
      {"encoder._bn0.running_mean", {32}},
      {"encoder._blocks.0._depthwise_conv.weight", {32, 1, 3, 3}},
      {"encoder._blocks.0._se_reduce.weight", {8, 32, 1, 1}},
      {"encoder._blocks.0._se_expand.bias", {32}},
      {"encoder._blocks.0._project_conv.weight", {16, 32, 1, 1}},
      {"encoder._blocks.3._expand_conv.weight", {144, 24, 1, 1}},
      {"encoder._blocks.3._depthwise_conv.weight", {144, 1, 5, 5}},
      {"encoder._blocks.15._bn2.num_batches_tracked", {}},
      {"encoder._blocks.15._se_reduce.bias", {48}},
      {"encoder._conv_head.weight", {1280, 320, 1, 1}},
      {"encoder._bn1.running_var", {1280}},
      {"decoder.blocks.0.conv1.0.weight", {256, 432, 3, 3}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  EXPECT_THROW(model.value("encoder._blocks.0._expand_conv.weight"), std::out_of_range);
  EXPECT_THROW(model.value("encoder._fc.weight"), std::out_of_range);
  // What only a classifier would use is carried along and never trained.
  for (const char* name : {"encoder._conv_head.weight", "encoder._bn1.weight", "encoder._bn1.bias"})
    EXPECT_EQ(model.tensors()[model.index_of(name)]->role, OSTEON_TENSOR_BUFFER) << name;
}

TEST(UNet, DecodesPlainConvolutionsToTheirOwnWidths) {
  ModelUnderTest::Values values = with_encoder("basic");
  values.strings["upsampling"] = "transposed";
  values.ints["head_kernel"] = {1};
  const ModelUnderTest model(values, 3, 29);
  const std::map<std::string, std::vector<std::int64_t>> expected = {
      {"decoder.blocks.0.up.weight", {1024, 512, 2, 2}},
      {"decoder.blocks.0.conv1.0.weight", {512, 1024, 3, 3}},
      {"decoder.blocks.3.up.bias", {64}},
      {"decoder.blocks.3.conv1.0.weight", {64, 128, 3, 3}},
      {"decoder.blocks.3.conv2.0.weight", {64, 64, 3, 3}},
      {"segmentation_head.0.weight", {29, 64, 1, 1}}};
  for (const auto& [name, shape] : expected) EXPECT_EQ(model.value(name).sizes(), at::IntArrayRef(shape)) << name;
  EXPECT_THROW(model.value("decoder.blocks.4.conv1.0.weight"), std::out_of_range);
  EXPECT_EQ(model.info().size_multiple, 16u);
}

/// The message of the error that creating a model with `values` ends in.
std::string refusal(const ModelUnderTest::Values& values) {
  try {
    const ModelUnderTest model(values, 3, 2);
  } catch (const sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
    return e.what();
  }
  return "none";
}

TEST(UNet, RefusesDecodersThatDoNotFitTheEncoder) {
  ModelUnderTest::Values values = with_encoder("basic");
  values.ints["decoder_channels"] = {16, 16, 8, 8, 8};
  EXPECT_NE(refusal(values).find("over basic the decoder has 4 blocks"), std::string::npos) << refusal(values);
  values = with_encoder("efficientnet-b0");
  values.ints["decoder_channels"] = {16, 16, 8, 8};
  EXPECT_NE(refusal(values).find("has 5 blocks"), std::string::npos) << refusal(values);
  values = narrow();
  values.ints["head_kernel"] = {2};
  EXPECT_NE(refusal(values).find("must be odd"), std::string::npos) << refusal(values);
}

TEST(UNet, GivesCanonicalViews) {
  ModelUnderTest model(narrow(), 1, 3);
  model.train_all();
  std::set<std::string> names;
  for (const osteon_named_tensor* t : model.tensors()) {
    EXPECT_TRUE(names.insert(t->name).second) << t->name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t->value.data) % 64, 0u) << t->name;
    EXPECT_TRUE(sdk::is_contiguous(t->value)) << t->name;
    EXPECT_EQ(t->grad.data != nullptr, t->role == OSTEON_TENSOR_PARAMETER) << t->name;
  }
}

TEST(UNet, GivesOneLogitPerPixelAndClass) {
  ModelUnderTest model(narrow(), 2, 5);
  const at::Tensor x = random_tensor({2, 2, 64, 96}, 1);
  EXPECT_EQ(model.infer(RecordingCall(), x).sizes(), (std::vector<std::int64_t>{2, 5, 64, 96}));
  const ModelUnderTest::Step step(model, x);
  EXPECT_EQ(step.output().sizes(), (std::vector<std::int64_t>{2, 5, 64, 96}));
}

TEST(UNet, RefusesSizesThatDoNotHalveFiveTimesAndNamesOneThatDoes) {
  const ModelUnderTest model(narrow(), 3, 2);
  try {
    model.infer(RecordingCall(), random_tensor({1, 3, 64, 70}, 1));
    FAIL();
  } catch (const sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT);
    EXPECT_NE(std::string(e.what()).find("multiples of 32"), std::string::npos) << e.what();
    EXPECT_EQ(std::string(e.what()).find("frame #"), std::string::npos) << e.what();
  }
}

TEST(UNet, StartsFromTheSeedAlone) {
  const ModelUnderTest a(narrow(), 3, 2, 7), b(narrow(), 3, 2, 7), c(narrow(), 3, 2, 8);
  const std::string name = "decoder.blocks.2.conv1.0.weight";
  EXPECT_TRUE(a.value(name).equal(b.value(name)));
  EXPECT_FALSE(a.value(name).equal(c.value(name)));
}

TEST(UNet, StartsAsThePublicModelsDo) {
  const ModelUnderTest model({}, 3, 29);
  const auto deviation = [&](const char* name) { return model.value(name).std().item<double>(); };
  const auto largest = [&](const char* name) { return model.value(name).abs().max().item<double>(); };
  // Encoder: normal, sqrt(2 / fan out). Decoder: uniform within sqrt(6 / fan in). Head: within sqrt(6 / (fan in + fan
  // out)).
  EXPECT_NEAR(deviation("encoder.layer3.1.conv1.weight"), std::sqrt(2.0 / (256 * 9)), 1e-4);
  EXPECT_NEAR(deviation("encoder.layer2.0.downsample.0.weight"), std::sqrt(2.0 / 128), 2e-3);
  EXPECT_NEAR(largest("decoder.blocks.1.conv1.0.weight"), std::sqrt(6.0 / (384 * 9)), 1e-4);
  EXPECT_NEAR(largest("segmentation_head.0.weight"), std::sqrt(6.0 / (16 * 9 + 29 * 9)), 2e-3);
  EXPECT_EQ(largest("segmentation_head.0.bias"), 0);
  EXPECT_EQ(deviation("decoder.blocks.0.conv2.1.weight"), 0);
  EXPECT_EQ(largest("encoder.bn1.bias"), 0);
}

TEST(UNet, LeavesTheProcessesRandomNumbersAlone) {
  const at::Tensor before = at::globalContext().defaultGenerator(at::kCPU).get_state();
  const ModelUnderTest model(narrow(), 3, 2);
  EXPECT_TRUE(at::globalContext().defaultGenerator(at::kCPU).get_state().equal(before));
}

class UNetEncoders : public testing::TestWithParam<std::pair<const char*, const char*>> {};
INSTANTIATE_TEST_SUITE_P(And, UNetEncoders,
                         testing::Values(std::pair("resnet18", "nearest"), std::pair("resnet50", "transposed"),
                                         std::pair("efficientnet-b0", "nearest"), std::pair("basic", "bilinear"),
                                         std::pair("basic", "transposed")));

TEST_P(UNetEncoders, OwnKernelsGiveWhatAutogradGives) {
  for (const std::int64_t images : {1, 2}) {
    UNetImpl::Params params;
    std::tie(params.encoder, params.upsampling) = GetParam();
    params.width = images == 2 ? 0.375 : 0.5;  // channels that fill no whole vectors, and such that do
    params.head_kernel = images == 2 ? 1 : 5;
    params.decoder_channels = {48, 37, 24, 19};
    if (params.encoder == "basic")
      params.head_kernel = 3;
    else
      params.decoder_channels.push_back(7);
    UNetImpl model(params, {images, 5, {}, 0});
    test::shake_statistics(model, 1);
    test::expect_own_kernels_agree(model, random_tensor({images, images, 64, 96}, 2));
  }
}

TEST_P(UNetEncoders, PredictWithTheWeightsAndStatisticsOfTheMoment) {
  const auto [encoder, upsampling] = GetParam();
  ModelUnderTest model(narrow(encoder, upsampling), 3, 4), fresh(narrow(encoder, upsampling), 3, 4, /*seed=*/2);
  std::vector<std::string> names = {"decoder.blocks.3.conv2.0.weight", "decoder.blocks.3.conv2.1.running_mean",
                                    "segmentation_head.0.bias"};
  if (upsampling == std::string("transposed")) names.emplace_back("decoder.blocks.2.up.weight");
  test::expect_new_weights_count(model, fresh, random_tensor({1, 3, 96, 64}, 3), names);
}

TEST(UNet, SaysThatItRunsItsOwnKernels) {
  const ModelUnderTest model(narrow(), 3, 2);
  const auto* plan =
      static_cast<const osteon_inference_plan*>(model.component().extension(OSTEON_EXTENSION_INFERENCE_PLAN));
  ASSERT_NE(plan, nullptr);
  std::vector<std::string> lines;
  sdk::check([&](osteon_error* e) {
    return plan->describe(
        model.get(),
        [](void* user, const char* text) { static_cast<std::vector<std::string>*>(user)->emplace_back(text); }, &lines,
        e);
  });
  EXPECT_EQ(lines, std::vector<std::string>{"float32 on the CPU: runs the model's own kernels"});
}

TEST(UNet, HidesNoNaN) {
  const ModelUnderTest model(narrow(), 3, 2);
  at::Tensor x = random_tensor({1, 3, 64, 64}, 1);
  x[0][1][40][20] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(model.infer(RecordingCall(), x)[0][0][40][20].isnan().item<bool>());
}

TEST(UNet, PredictsFromSeveralThreadsAtOnce) {
  ModelUnderTest model(narrow(), 3, 4);
  const at::Tensor x = random_tensor({1, 3, 64, 64}, 3);
  const at::Tensor expected = model.infer(RecordingCall(), x);
  std::vector<double> differences(4);
  std::vector<std::thread> threads;
  for (double& difference : differences)
    threads.emplace_back([&] {
      const RecordingCall call;
      for (int i = 0; i < 8; ++i)
        difference = std::max(difference, (model.infer(call, x, 0) - expected).abs().max().item<double>());
    });
  for (std::thread& thread : threads) thread.join();
  for (const double difference : differences)
    EXPECT_LE(difference, test::rounding_of(model.parameters()) * (expected.max() - expected.min()).item<double>());
}

TEST(UNet, StopsWhenAskedTo) {
  const ModelUnderTest model(narrow(), 3, 2);
  RecordingCall call;
  call.cancel = true;
  try {
    model.infer(call, random_tensor({1, 3, 32, 32}, 1));
    FAIL();
  } catch (const sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_CANCELLED);
  }
}

TEST(UNet, RefusesWhatTheDeviceDoesNotHave) {
  ModelUnderTest model(narrow(), 3, 2);
  const at::Tensor x = random_tensor({1, 3, 32, 32}, 1);
  const auto status_of = [](auto&& function) {
    try {
      function();
    } catch (const sdk::Error& e) {
      return e.status();
    }
    return osteon_status{OSTEON_OK};
  };
  EXPECT_EQ(status_of([&] { model.infer(RecordingCall(), x, 0, OSTEON_PRECISION_FLOAT16); }), OSTEON_UNSUPPORTED);
  EXPECT_EQ(status_of([&] { model.infer(RecordingCall(), x, 0, 9); }), OSTEON_UNSUPPORTED);
  EXPECT_EQ(status_of([&] { model.infer(RecordingCall(), x, 1u << 9); }), OSTEON_UNSUPPORTED);
  const RecordingCall call;
  const osteon_device beyond{OSTEON_DEVICE_CUDA, 99};
  EXPECT_EQ(status_of([&] {
              sdk::check([&](osteon_error* e) { return model.api().move(call.raw(), model.get(), beyond, e); });
            }),
            OSTEON_UNSUPPORTED);
}

}  // namespace
}  // namespace osteon::models
