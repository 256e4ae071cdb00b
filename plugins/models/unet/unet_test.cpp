// SPDX-License-Identifier: Apache-2.0
#include "unet.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/model_fixture.hpp"

namespace osteon::models {
namespace {

using test::ModelUnderTest;
using test::RecordingCall;

/// Small enough for a test of seconds: 8..64 channels.
ModelUnderTest::Values narrow() {
  ModelUnderTest::Values values;
  values.strings["encoder"] = "resnet18";
  values.ints["decoder_channels"] = {16, 16, 8, 8, 8};
  values.floats["width"] = 0.125;
  return values;
}

ModelUnderTest::Values with_encoder(const std::string& name) {
  ModelUnderTest::Values values;
  values.strings["encoder"] = name;
  return values;
}

at::Tensor random_image(std::vector<std::int64_t> shape, std::uint64_t seed) {
  auto generator = at::globalContext().defaultGenerator(at::kCPU).clone();
  generator.set_current_seed(seed);
  return at::rand(shape, generator);
}

struct Counts {
  std::int64_t encoder = 0, decoder = 0, head = 0;
  std::size_t encoder_entries = 0;
};

Counts count(const ModelUnderTest& model) {
  Counts counts;
  for (const osteon_named_tensor* t : model.tensors()) {
    const std::string name = t->name;
    const std::int64_t size = t->role == OSTEON_TENSOR_PARAMETER ? sdk::element_count(t->value) : 0;
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

// Counted in Python from torchvision 0.14 and segmentation_models.pytorch 0.3.3; 29 classes.
TEST_P(UNetSizes, AreThoseOfThePublicModels) {
  const Published& published = GetParam();
  const Counts counts = count(ModelUnderTest(with_encoder(published.encoder), 3, 29));
  EXPECT_EQ(counts.encoder, published.encoder_parameters);
  EXPECT_EQ(counts.encoder_entries, published.encoder_entries);
  EXPECT_EQ(counts.head, 4205);
  EXPECT_EQ(counts.decoder, published.decoder_parameters);
}
INSTANTIATE_TEST_SUITE_P(Encoders, UNetSizes,
                         testing::Values(Published{"resnet18", 11176512, 3151552, 120},
                                         Published{"resnet34", 21284672, 3151552, 216},
                                         Published{"resnet50", 23508032, 9012928, 318},
                                         Published{"resnet101", 42500160, 9012928, 624}),
                         [](const auto& p) { return std::string(p.param.encoder); });

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

TEST(UNet, GivesCanonicalViews) {
  const ModelUnderTest model(narrow(), 1, 3);
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
  const at::Tensor x = random_image({2, 2, 64, 96}, 1);
  EXPECT_EQ(model.infer(RecordingCall(), x).sizes(), (std::vector<std::int64_t>{2, 5, 64, 96}));
  const ModelUnderTest::Step step(model, x);
  EXPECT_EQ(step.output().sizes(), (std::vector<std::int64_t>{2, 5, 64, 96}));
}

TEST(UNet, RefusesSizesThatDoNotHalveFiveTimesAndNamesOneThatDoes) {
  const ModelUnderTest model(narrow(), 3, 2);
  try {
    model.infer(RecordingCall(), random_image({1, 3, 64, 70}, 1));
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

/// The loss of the gradient tests: logits weighted by fixed numbers.
at::Tensor weights_like(const at::Tensor& logits) { return random_image(logits.sizes().vec(), 99) - 0.5; }

TEST(UNet, GradientsAreThoseOfFiniteDifferences) {
  ModelUnderTest model(narrow(), 3, 2);
  const at::Tensor x = random_image({2, 3, 64, 64}, 3);
  const auto loss = [&] {
    const ModelUnderTest::Step step(model, x);
    return (step.output().to(at::kDouble) * weights_like(step.output())).sum().item<double>();
  };
  {
    ModelUnderTest::Step step(model, x);
    step.backward({weights_like(step.output())});
  }
  // Per parameter, along its own gradient, where the derivative is the gradient's norm.
  for (const char* name : {"encoder.conv1.weight", "encoder.layer3.0.downsample.0.weight",
                           "encoder.layer4.1.bn2.weight", "decoder.blocks.0.conv1.0.weight",
                           "decoder.blocks.4.conv2.1.bias", "segmentation_head.0.weight", "segmentation_head.0.bias"}) {
    at::Tensor value = model.value(name);
    const at::Tensor start = value.clone();
    const at::Tensor grad = model.grad(name);
    const double norm = grad.norm().item<double>();
    ASSERT_GT(norm, 0) << name;
    const double step = 1e-4 * std::max(1.0, start.norm().item<double>());
    value.copy_(start + grad * (step / norm));
    const double up = loss();
    value.copy_(start - grad * (step / norm));
    const double down = loss();
    value.copy_(start);
    EXPECT_NEAR((up - down) / (2 * step), norm, 0.03 * norm) << name;
  }
}

TEST(UNet, GradientsAreThoseOfPlainAutogradAndAddUp) {
  ModelUnderTest model(narrow(), 3, 2);
  // The same network outside the ABI, with the same weights.
  UNetImpl::Params params;
  params.encoder = "resnet18";
  params.decoder_channels = {16, 16, 8, 8, 8};
  params.width = 0.125;
  UNetImpl reference(params, {3, 2, {}, 0});
  for (auto& item : reference.named_parameters()) {
    const torch::NoGradGuard no_grad;
    item.value().copy_(model.value(item.key()));
  }
  const at::Tensor first = random_image({1, 3, 64, 64}, 3), second = random_image({1, 3, 32, 64}, 4);
  reference.train();
  at::Tensor wanted_input;
  for (const at::Tensor& x : {first, second}) {
    const at::Tensor leaf = x.clone().set_requires_grad(true);
    const at::Tensor logits = reference.forward(leaf);
    logits.backward(weights_like(logits));
    wanted_input = leaf.grad();
  }
  at::Tensor input_gradient;
  for (const at::Tensor& x : {first, second}) {
    ModelUnderTest::Step step(model, x, 0, OSTEON_FORWARD_INPUT_GRADIENT);
    const at::Tensor grad = weights_like(step.output());
    step.output().fill_(7);  // the output is ours to overwrite
    step.free_output(0);
    input_gradient = step.backward({grad}, nullptr, nullptr, true);
  }
  for (const auto& item : reference.named_parameters())
    EXPECT_TRUE(model.grad(item.key()).allclose(item.value().grad(), 1e-4, 1e-5)) << item.key();
  EXPECT_TRUE(input_gradient.allclose(wanted_input, 1e-4, 1e-6));
  EXPECT_TRUE(model.value("encoder.bn1.running_mean").allclose(reference.named_buffers()["encoder.bn1.running_mean"]));
  EXPECT_EQ(model.value("encoder.bn1.num_batches_tracked").item<std::int64_t>(), 2);
}

TEST(UNet, TrainsOnlyWhatItIsToldToAndKeepsFrozenStatistics) {
  ModelUnderTest model(narrow(), 3, 2);
  std::vector<std::uint64_t> decoder;
  for (std::size_t i = 0; i < model.tensors().size(); ++i)
    if (model.tensors()[i]->role == OSTEON_TENSOR_PARAMETER &&
        std::string(model.tensors()[i]->name).rfind("encoder.", 0) != 0)
      decoder.push_back(i);
  model.set_trainable(decoder);
  std::map<std::uint64_t, int> reports;
  {
    ModelUnderTest::Step step(model, random_image({1, 3, 64, 64}, 3));
    step.backward(
        {at::ones_like(step.output())},
        [](void* user, std::uint64_t index) { ++(*static_cast<std::map<std::uint64_t, int>*>(user))[index]; },
        &reports);
  }
  EXPECT_EQ(model.grad("encoder.conv1.weight").abs().max().item<float>(), 0);
  EXPECT_GT(model.grad("decoder.blocks.0.conv1.0.weight").abs().max().item<float>(), 0);
  EXPECT_EQ(model.value("encoder.bn1.num_batches_tracked").item<std::int64_t>(), 0);
  EXPECT_EQ(model.value("decoder.blocks.0.conv1.1.num_batches_tracked").item<std::int64_t>(), 1);
  EXPECT_EQ(reports.size(), decoder.size());
  for (const std::uint64_t index : decoder) EXPECT_EQ(reports[index], 1) << model.tensors()[index]->name;
  // A buffer cannot be trained, and nothing changes under a tape.
  EXPECT_THROW(model.set_trainable({model.index_of("encoder.bn1.running_mean")}), sdk::Error);
  const ModelUnderTest::Step step(model, random_image({1, 3, 64, 64}, 3));
  EXPECT_THROW(model.set_trainable({}), sdk::Error);
}

TEST(UNet, ATapeServesOnce) {
  ModelUnderTest model(narrow(), 3, 2);
  ModelUnderTest::Step step(model, random_image({1, 3, 64, 64}, 3));
  const at::Tensor grad = at::ones_like(step.output());
  EXPECT_THROW(step.backward({grad, grad}), sdk::Error);
  EXPECT_THROW(step.backward({grad}), sdk::Error);
}

TEST(UNet, EveryWayToPredictAgreesWithThePlainOneAlsoAfterTheWeightsChange) {
  ModelUnderTest model(narrow(), 3, 4);
  const auto* plan =
      static_cast<const osteon_inference_plan*>(model.component().extension(OSTEON_EXTENSION_INFERENCE_PLAN));
  ASSERT_NE(plan, nullptr);
  const RecordingCall call;
  const at::Tensor x = random_image({1, 3, 96, 64}, 3);
  for (int generation = 0; generation < 2; ++generation) {
    const at::Tensor expected = model.infer(call, x);
    const double range = (expected.max() - expected.min()).item<double>();
    for (int i = 0; i < 12; ++i)
      EXPECT_LE((model.infer(call, x, 0) - expected).abs().max().item<double>(), 1e-4 * range) << i;
    model.value("decoder.blocks.4.conv2.0.weight").mul_(1.5);
    model.value("encoder.bn1.running_mean").add_(0.1);
    model.api().parameters_changed(model.get(), 1);
  }
  std::vector<std::string> lines;
  sdk::check([&](osteon_error* e) {
    return plan->describe(
        model.get(),
        [](void* user, const char* text) { static_cast<std::vector<std::string>*>(user)->emplace_back(text); }, &lines,
        e);
  });
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].find("dropped"), std::string::npos) << lines[0];
  EXPECT_EQ(lines[0].find("not measured"), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find("; runs "), std::string::npos) << lines[0];
  EXPECT_EQ(call.lines.size(), 1u) << "the choice is logged once";
  RecordProperty("plan", lines[0]);
}

TEST(UNet, PredictsFromSeveralThreadsAtOnce) {
  ModelUnderTest model(narrow(), 3, 4);
  const at::Tensor x = random_image({1, 3, 64, 64}, 3);
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
    EXPECT_LE(difference, 1e-4 * (expected.max() - expected.min()).item<double>());
}

TEST(UNet, StopsWhenAskedTo) {
  const ModelUnderTest model(narrow(), 3, 2);
  RecordingCall call;
  call.cancel = true;
  try {
    model.infer(call, random_image({1, 3, 32, 32}, 1));
    FAIL();
  } catch (const sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_CANCELLED);
  }
}

TEST(UNet, RefusesWhatTheDeviceDoesNotHave) {
  ModelUnderTest model(narrow(), 3, 2);
  const at::Tensor x = random_image({1, 3, 32, 32}, 1);
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

TEST(UNet, TrainsInBfloat16WithFloat32Gradients) {
  ModelUnderTest model(narrow(), 3, 2);
  const at::Tensor x = random_image({2, 3, 128, 128}, 3);
  const auto run = [&](std::uint32_t precision) {
    model.zero_grads();
    ModelUnderTest::Step step(model, x, 0, 0, precision);
    const at::Tensor logits = step.output().clone();
    step.backward({weights_like(logits).to(logits.scalar_type())});
    return std::make_pair(logits, model.grad("segmentation_head.0.weight").clone());
  };
  const auto [wanted, wanted_grad] = run(OSTEON_PRECISION_FLOAT32);
  const auto [got, got_grad] = run(OSTEON_PRECISION_BFLOAT16);
  EXPECT_EQ(got.scalar_type(), at::kBFloat16);
  EXPECT_EQ(got_grad.scalar_type(), at::kFloat);
  // bfloat16 keeps 8 bits. Only the last layer is compared: through some 40 layers of small batches the noise is large.
  const auto cosine = [](const at::Tensor& a, const at::Tensor& b) {
    return ((a * b).sum() / (a.norm() * b.norm())).item<double>();
  };
  EXPECT_GT(cosine(got.to(at::kFloat), wanted), 0.99);
  EXPECT_GT(cosine(got_grad, wanted_grad), 0.98);
}

}  // namespace
}  // namespace osteon::models
