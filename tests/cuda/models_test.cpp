// SPDX-License-Identifier: Apache-2.0
// Every model of the tree on a CUDA device against itself on the CPU: logits, gradients, mixed precision,
// recomputation.
#include <cmath>
#include <mutex>
#include <optional>

#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/cuda.h>

#include "engine/device.hpp"
#include "engine/session.hpp"
#include "recipe/load_recipe.hpp"
#include "support/found_plugins.hpp"
#include "support/model_checks.hpp"
#include "support/program.hpp"
#include "train/parameters.hpp"

namespace osteon {
namespace {

constexpr osteon_device kCuda{OSTEON_DEVICE_CUDA, 0};
constexpr std::int64_t kSide = 96;

struct Case {
  const char* name;
  const char* keys;     ///< of [model], a narrow one, without dropout
  const char* dropout;  ///< what adds it; nullptr: the model has none that can be switched
  bool random = false;  ///< draws in training whatever the keys say
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

const Case kCases[] = {
    {"unet", "plugin = 'unet'\nencoder = 'resnet18'\nwidth = 0.25\ndecoder_channels = [32, 32, 16, 16, 16]\n", nullptr},
    {"unet_basic", "plugin = 'unet'\nencoder = 'basic'\nwidth = 0.125\nupsampling = 'transposed'\n", nullptr},
    {"unet_efficientnet",
     "plugin = 'unet'\nencoder = 'efficientnet-b0'\nwidth = 0.5\nupsampling = 'bilinear'\ndecoder_channels = [32, 32, "
     "16, 16, 16]\n",
     nullptr, true},
    {"unetplusplus", "plugin = 'unetplusplus'\nencoder = 'resnet18'\nwidth = 0.25\ndeep_supervision = true\n", nullptr},
    {"deeplabv3plus", "plugin = 'deeplabv3plus'\nencoder = 'resnet18'\nwidth = 0.25\ndecoder_channels = 32\n",
     "dropout = 0.3\n"},
    {"unet3plus", "plugin = 'unet3plus'\nfilters = 8\ndeep_supervision = true\nclassification_guided = 'per_class'\n",
     "dropout = 0.3\n"},
    {"segformer", "plugin = 'segformer'\nwidth = 0.5\ndecoder_channels = 32\n", "dropout = 0.3\ndrop_path = 0.3\n"},
    {"convnext_upernet", "plugin = 'convnext_upernet'\nwidth = 0.25\ndecoder_channels = 32\nauxiliary_channels = 16\n",
     "dropout = 0.3\ndrop_path = 0.3\n"}};

/// The model of these keys, its running statistics away from 0 and 1.
std::unique_ptr<plugin::Model> make(const std::string& keys) {
  const test::TemporaryFolder folder;
  test::write_text(folder / "recipe.toml",
                   "recipe = 1\n[data]\nlayout = 'class_png'\nroot = '.'\nclasses = ['a', 'b', 'c', 'd', 'e']\n"
                   "image_size = 96\nchannels = 3\n[train]\nepochs = 0\n[model]\n" +
                       keys);
  recipe::LoadOptions options;
  options.schemas = test::registry().schemas();
  auto model = engine::make_model(recipe::load_recipe(folder / "recipe.toml", options).recipe, test::registry(), 2);
  std::uint64_t seed = 0;
  const plugin::Call call;
  for (const train::HostTensor& tensor : train::host_tensors(*model, call)) {
    if (!tensor.parameter && tensor.value.is_floating_point()) {
      const bool mean = tensor.name.find("mean") != std::string::npos;
      const at::Tensor random = test::random_tensor(tensor.value.sizes().vec(), ++seed);
      // Means about 0, so that the ReLUs let half of it through.
      tensor.value.copy_(mean ? (random - 0.5) * 0.1 : random + 0.5);
    }
  }
  model->parameters_changed();
  return model;
}

std::string without_dropout(const Case& c) {
  std::string keys = c.keys;
  if (c.dropout == nullptr) return keys;
  for (const char* key : {"dropout", "drop_path"})
    if (std::string(c.dropout).find(key) != std::string::npos) keys += std::string(key) + " = 0.0\n";
  return keys;
}

at::Tensor infer(const plugin::Model& model, osteon_device device, const at::Tensor& x, bool plain) {
  const sdk::TorchView view(x);
  const plugin::Call call;
  plugin::Model::ForwardOptions options;
  options.plain = plain;
  const sdk::OwnedTensor logits =
      predict::infer(call.raw(), model, engine::model_device(device).get(), view.view(), options);
  EXPECT_EQ(logits.view().device.type, OSTEON_DEVICE_CPU);
  return sdk::borrow(logits.view()).to(at::kFloat).clone();
}

/// Greatest difference in parts of the expected range.
double difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).abs().max() / (expected.max() - expected.min())).item<double>();
}

/// Outputs and gradients of a training step, on the CPU.
struct Step {
  std::vector<at::Tensor> outputs;
  at::Tensor grads;
};

Step train_step(plugin::Model& model, osteon_device device, std::uint32_t precision = OSTEON_PRECISION_FLOAT32,
                double scale = 1) {
  const auto there = [&](const at::Tensor& tensor) { return tensor.to(sdk::to_torch_device(device)); };
  plugin::CallOptions call_options;
  call_options.device = device;
  const plugin::Call call(std::move(call_options));
  std::vector<std::uint64_t> parameters;
  for (std::uint64_t i = 0; i < model.tensors(call).size(); ++i)
    if (model.tensors(call)[i].parameter) parameters.push_back(i);
  model.set_trainable(call, parameters);
  const std::vector<train::HostTensor> tensors = train::host_tensors(model, call);
  train::zero_gradients(tensors);
  const sdk::TorchView input(there(test::random_tensor({2, 3, kSide, kSide}, 1) - 0.5));
  plugin::Model::ForwardOptions options;
  options.precision = precision;
  options.seed = 7;
  auto forward = model.forward(call, input.view(), options);
  Step step;
  std::vector<sdk::TorchView> views;
  for (const sdk::OwnedTensor& output : forward.outputs) {
    const at::Tensor logits = sdk::borrow(output.view());
    step.outputs.push_back(logits.to(at::kCPU, at::kFloat).clone());
    const at::Tensor grad = (test::random_tensor(logits.sizes().vec(), 2) - 0.5) * scale;
    views.emplace_back(there(grad).to(logits.scalar_type()).contiguous());
  }
  std::vector<const osteon_tensor_view*> grads(views.begin(), views.end());
  std::size_t reports = 0;
  bool on_a_stream = true;
  std::mutex mutex;
  model.backward(call, std::move(forward.tape), grads, nullptr, [&](std::uint64_t, void* stream) {
    const std::lock_guard<std::mutex> lock(mutex);
    ++reports;
    // LibTorch's default stream is the null one, so all that can be said is that the CPU has none.
    on_a_stream = on_a_stream && (device.type != OSTEON_DEVICE_CPU || stream == nullptr);
  });
  EXPECT_EQ(reports, parameters.size());
  EXPECT_TRUE(on_a_stream);
  std::vector<at::Tensor> parts;
  for (const train::HostTensor& tensor : tensors)
    if (tensor.grad.defined()) parts.push_back((tensor.grad / scale).cpu().flatten());
  step.grads = at::cat(parts);
  return step;
}

double relative_difference(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).norm() / expected.norm()).item<double>();
}

class OnCuda : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
    engine::prepare_accelerators();
  }
};

TEST_P(OnCuda, GivesTheLogitsOfTheCpu) {
  const auto model = make(without_dropout(GetParam()));
  const at::Tensor x = test::random_tensor({2, 3, kSide, kSide}, 1) - 0.5;
  const at::Tensor expected = infer(*model, {OSTEON_DEVICE_CPU, 0}, x, /*plain=*/true);
  engine::move_model(*model, kCuda);
  EXPECT_LE(difference(infer(*model, kCuda, x, /*plain=*/true), expected), 1e-4);
  // The plan tries its ways one after the other; each one's result is used.
  for (int i = 0; i < 12; ++i) ASSERT_LE(difference(infer(*model, kCuda, x, /*plain=*/false), expected), 1e-4) << i;
  for (const std::string& line : model->inference_plan()) RecordProperty("plan", line);
}

TEST_P(OnCuda, GivesTheGradientsOfTheCpu) {
  if (GetParam().random) GTEST_SKIP() << "draws its stochastic depth from the device's generator";
  const auto cpu = make(without_dropout(GetParam())), cuda = make(without_dropout(GetParam()));
  const Step expected = train_step(*cpu, {OSTEON_DEVICE_CPU, 0});
  engine::move_model(*cuda, kCuda);
  const Step got = train_step(*cuda, kCuda);
  for (std::size_t i = 0; i < got.outputs.size(); ++i)
    EXPECT_LE(difference(got.outputs[i], expected.outputs[i]), 1e-4) << "output " << i;
  // A ReLU whose input is rounding away from 0 passes its gradient on one side only: up to 0.012 was seen (U-Net++).
  EXPECT_LE(relative_difference(got.grads, expected.grads), 3e-2);
  // Running statistics moved alike.
  const plugin::Call call;
  const auto a = train::host_tensors(*cpu, call), b = train::host_tensors(*cuda, call);
  for (std::size_t i = 0; i < a.size(); ++i)
    EXPECT_TRUE(a[i].parameter || b[i].value.cpu().to(at::kFloat).allclose(a[i].value.to(at::kFloat), 1e-3, 1e-4))
        << a[i].name;
}

TEST_P(OnCuda, TrainsInMixedPrecision) {
  const auto model = make(without_dropout(GetParam()));
  engine::move_model(*model, kCuda);
  const Step whole = train_step(*model, kCuda);
  // Not scaled up: gradients of weights are sums over all pixels, and float16 ends at 65504.
  const Step half = train_step(*model, kCuda, OSTEON_PRECISION_FLOAT16);
  ASSERT_TRUE(half.grads.isfinite().all().item<bool>());
  const double cosine = ((half.grads * whole.grads).sum() / (half.grads.norm() * whole.grads.norm())).item<double>();
  EXPECT_GE(cosine, 0.95);
}

// TF32 rounds, is allowed within the model's own forward and backward alone, and is put back.
TEST_P(OnCuda, TrainsInTf32) {
  if (GetParam().random) GTEST_SKIP() << "draws its stochastic depth from the device's generator";
  const auto model = make(without_dropout(GetParam())), rounded = make(without_dropout(GetParam()));
  for (plugin::Model* m : {model.get(), rounded.get()}) engine::move_model(*m, kCuda);
  const Step whole = train_step(*model, kCuda), tf32 = train_step(*rounded, kCuda, OSTEON_PRECISION_TF32);
  const double cosine = ((tf32.grads * whole.grads).sum() / (tf32.grads.norm() * whole.grads.norm())).item<double>();
  EXPECT_GE(cosine, 0.98);
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
  EXPECT_FALSE(at::globalContext().allowTF32CuBLAS());
}

// Values in memory of the host's on the device.
TEST_P(OnCuda, WorksInMemoryOfTheHosts) {
  const auto model = make(without_dropout(GetParam()));
  const at::Tensor x = test::random_tensor({1, 3, kSide, kSide}, 1) - 0.5;
  engine::move_model(*model, kCuda);
  const at::Tensor expected = infer(*model, kCuda, x, /*plain=*/true);
  plugin::CallOptions options;
  options.device = kCuda;
  const plugin::Call call(std::move(options));
  std::vector<std::uint64_t> all;
  std::vector<sdk::TorchView> blocks;
  std::vector<const osteon_tensor_view*> values;
  for (const train::HostTensor& tensor : train::host_tensors(*model, call)) {
    all.push_back(all.size());
    blocks.emplace_back(at::empty_like(tensor.value, at::MemoryFormat::Contiguous));
  }
  for (const sdk::TorchView& block : blocks) values.push_back(block);
  model->bind(call, all, values, {});
  EXPECT_TRUE(infer(*model, kCuda, x, /*plain=*/true).equal(expected));
  model->move(plugin::Call(), {OSTEON_DEVICE_CPU, 0});
  blocks.clear();
  EXPECT_LE(difference(infer(*model, {OSTEON_DEVICE_CPU, 0}, x, /*plain=*/true), expected), 1e-4);
}

TEST_P(OnCuda, RecomputesWithTheSameDraws) {
  for (const std::uint32_t precision : {OSTEON_PRECISION_FLOAT32, OSTEON_PRECISION_FLOAT16}) {
    const std::string keys = std::string(GetParam().keys) + (GetParam().dropout ? GetParam().dropout : "");
    const auto plain = make(keys), recomputing = make(keys + "checkpointing = true\n");
    engine::move_model(*plain, kCuda);
    engine::move_model(*recomputing, kCuda);
    const Step a = train_step(*plain, kCuda, precision, 16), b = train_step(*recomputing, kCuda, precision, 16);
    const bool half = precision == OSTEON_PRECISION_FLOAT16;
    EXPECT_LE(difference(b.outputs[0], a.outputs[0]), half ? 1e-2 : 1e-4);
    EXPECT_LE(relative_difference(b.grads, a.grads), half ? 0.1 : 5e-3);
  }
}

TEST_P(OnCuda, ComesBackToTheCpu) {
  const auto model = make(without_dropout(GetParam()));
  const at::Tensor x = test::random_tensor({1, 3, kSide, kSide}, 1) - 0.5;
  const at::Tensor expected = infer(*model, {OSTEON_DEVICE_CPU, 0}, x, /*plain=*/false);
  engine::move_model(*model, kCuda);
  infer(*model, kCuda, x, /*plain=*/false);
  model->move(plugin::Call(), {OSTEON_DEVICE_CPU, 0});
  EXPECT_LE(difference(infer(*model, {OSTEON_DEVICE_CPU, 0}, x, /*plain=*/false), expected), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Every, OnCuda, ::testing::ValuesIn(kCases),
                         [](const auto& p) { return std::string(p.param.name); });

TEST(PrecisionOnCuda, Float32IsFloat32UnlessTf32IsAskedFor) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
  engine::prepare_accelerators();
  const at::Tensor a = test::random_tensor({256, 512}, 1).cuda(), b = test::random_tensor({512, 256}, 2).cuda();
  const at::Tensor exact = a.to(at::kDouble).matmul(b.to(at::kDouble));
  const auto error = [&](std::uint32_t precision) {
    const sdk::PrecisionGuard guard(a.device(), precision);
    return relative_difference(a.matmul(b).to(at::kDouble), exact);
  };
  EXPECT_LE(error(OSTEON_PRECISION_FLOAT32), 1e-6);
  EXPECT_LE(error(OSTEON_PRECISION_TF32), 1e-3);  // 10 bits of mantissa
  EXPECT_LE(error(OSTEON_PRECISION_FLOAT32), 1e-6) << "put back";
}

// The script's constants and attributes, which no state dict names, move along; a frozen one has nothing else.
TEST(TorchScriptOnCuda, MovesWhatItsStateDoesNotName) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
  engine::prepare_accelerators();
  torch::jit::Module script("__torch__.Net");
  script.register_attribute("training", c10::BoolType::get(), false);
  script.register_parameter("weight", test::random_tensor({5, 3, 1, 1}, 1), /*is_buffer=*/false);
  script.register_attribute("shift", c10::TensorType::get(), test::random_tensor({1, 5, 1, 1}, 2));
  script.define("def forward(self, x):\n  return torch.conv2d(x, self.weight) + self.shift\n");
  const test::TemporaryFolder folder;
  script.save((folder / "net.pt").string());
  script.eval();
  torch::jit::freeze(script).save((folder / "frozen.pt").string());
  for (const char* file : {"net.pt", "frozen.pt"}) {
    SCOPED_TRACE(file);
    const auto model = make("plugin = 'torchscript'\nfile = '" + (folder / file).string() + "'\n");
    const at::Tensor x = test::random_tensor({2, 3, 32, 32}, 3);
    const at::Tensor expected = infer(*model, {OSTEON_DEVICE_CPU, 0}, x, /*plain=*/true);
    engine::move_model(*model, kCuda);
    for (int i = 0; i < 10; ++i) ASSERT_LE(difference(infer(*model, kCuda, x, i == 0), expected), 1e-4);
    model->move(plugin::Call(), {OSTEON_DEVICE_CPU, 0});
    EXPECT_LE(difference(infer(*model, {OSTEON_DEVICE_CPU, 0}, x, /*plain=*/true), expected), 1e-6);
  }
}

TEST(Devices, AreThoseOfTheComponents) {
  const plugin::LoadedComponent tta = test::registry().load(plugin::Kind::kPostprocessor, "tta");
  const plugin::LoadedComponent unet = test::registry().load(plugin::Kind::kModel, "unet");
  EXPECT_EQ(engine::choose_device("train.device", "cpu", {unet}).type, OSTEON_DEVICE_CPU);
  EXPECT_EQ(engine::choose_device("train.device", "auto", {unet, tta}).type, OSTEON_DEVICE_CPU);
  EXPECT_EQ(engine::choose_device("train.device", "auto", {unet}).type,
            torch::cuda::is_available() ? OSTEON_DEVICE_CUDA : OSTEON_DEVICE_CPU);
  try {
    engine::choose_device("predict.device", "cuda", {unet, tta});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kUsage);
    const std::string text = e.what();
    EXPECT_NE(text.find("predict.device"), std::string::npos) << text;
    EXPECT_NE(text.find(torch::cuda::is_available() ? "tta" : "osteon doctor"), std::string::npos) << text;
  }
}

TEST(Devices, TrainEveryLossOfTheTreeOnCuda) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
  for (const std::string& name : test::names_of(plugin::Kind::kLoss))
    EXPECT_TRUE(test::registry().load(plugin::Kind::kLoss, name).supports_device(OSTEON_DEVICE_CUDA)) << name;
}

TEST(Devices, GivePinnedMemoryThroughTheCall) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
  engine::prepare_accelerators();
  plugin::CallOptions options;
  options.device = kCuda;
  const plugin::Call call(std::move(options));
  const sdk::OwnedTensor tensor = sdk::Call(call.raw()).allocate<float>({2, 3}, OSTEON_MEMORY_PINNED);
  EXPECT_EQ(tensor.view().device.type, OSTEON_DEVICE_CPU);
  EXPECT_TRUE(sdk::borrow(tensor.view()).is_pinned());
}

TEST(Devices, GiveMemoryThroughTheCall) {
  if (!torch::cuda::is_available()) GTEST_SKIP() << "there is no CUDA device";
  engine::prepare_accelerators();
  plugin::CallOptions options;
  options.device = kCuda;
  const plugin::Call call(std::move(options));
  const sdk::OwnedTensor tensor = sdk::Call(call.raw()).allocate<float>({2, 3});
  EXPECT_EQ(tensor.view().device.type, OSTEON_DEVICE_CUDA);
  at::Tensor borrowed = sdk::borrow(tensor.view());
  EXPECT_EQ(borrowed.fill_(2).sum().item<float>(), 12);
  EXPECT_THROW(sdk::Call(call.raw()).allocate<float>({std::int64_t{1} << 44}), sdk::Error);
}

}  // namespace
}  // namespace osteon
