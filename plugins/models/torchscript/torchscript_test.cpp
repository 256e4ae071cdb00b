// SPDX-License-Identifier: Apache-2.0
#include "torchscript.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn.h>

#include "support/model_checks.hpp"
#include "support/program.hpp"

namespace osteon::models {
namespace {

using test::ModelUnderTest;
using test::random_tensor;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using torch::jit::Module;

/// The network of these tests in eager C++: what its script is held against.
struct EagerImpl : torch::nn::Module {
  EagerImpl()
      : conv(register_module("conv", torch::nn::Conv2d(torch::nn::Conv2dOptions(2, 8, 3).stride(2).padding(1)))),
        norm(register_module("norm", torch::nn::BatchNorm2d(8))),
        head(register_module("head", torch::nn::Conv2d(8, 3, 1))) {
    test::shake(*this, 5);
    norm->running_mean.sub_(1);  // about 0, so that the ReLU lets half of it through
  }
  torch::Tensor forward(const torch::Tensor& x) { return head(torch::relu(norm(conv(x)))); }
  torch::nn::Conv2d conv;
  torch::nn::BatchNorm2d norm;
  torch::nn::Conv2d head;
};
TORCH_MODULE(Eager);

const char* const kConv =
    "def forward(self, x):\n  return torch.conv2d(x, self.weight, self.bias, [{0}, {0}], [{1}, {1}])\n";
const char* const kNorm =
    "def forward(self, x):\n"
    "  return torch.batch_norm(x, self.weight, self.bias, self.running_mean, self.running_var, self.training, 0.1, "
    "1e-5, "
    "False)\n";

std::string filled(std::string text, const std::string& first, const std::string& second) {
  for (std::size_t i; (i = text.find("{0}")) != std::string::npos;) text.replace(i, 3, first);
  for (std::size_t i; (i = text.find("{1}")) != std::string::npos;) text.replace(i, 3, second);
  return text;
}

/// A scripted child with copies of an eager layer's tensors.
Module scripted(const std::string& name, torch::nn::Module& layer, const std::string& code) {
  Module script(name);
  script.register_attribute("training", c10::BoolType::get(), true);
  for (const auto& item : layer.named_parameters())
    script.register_parameter(item.key(), item.value().detach().clone(), /*is_buffer=*/false);
  for (const auto& item : layer.named_buffers()) script.register_buffer(item.key(), item.value().clone());
  script.define(code);
  return script;
}

/// `eager` as a script whose forward ends with `ending`; `y` are its logits and `z` its hidden features.
Module script_of(EagerImpl& eager, const std::string& ending = "return y") {
  Module script("Net");
  script.register_attribute("training", c10::BoolType::get(), true);
  script.register_module("conv", scripted("Conv", *eager.conv, filled(kConv, "2", "1")));
  script.register_module("norm", scripted("Norm", *eager.norm, kNorm));
  script.register_module("head", scripted("Head", *eager.head, filled(kConv, "1", "0")));
  script.define(
      "def forward(self, x):\n"
      "  z = torch.relu(self.norm.forward(self.conv.forward(x)))\n"
      "  y = self.head.forward(z)\n"
      "  " +
      ending + "\n");
  return script;
}

/// A script without tensors.
Module script_with(const std::string& body) {
  Module script("Net");
  script.define("def forward(self, x):\n" + body);
  return script;
}

class TorchScript : public testing::Test {
 protected:
  TorchScript() {
    const sdk::SeedGuard seed(at::kCPU, 7);
    eager_ = Eager();
  }
  std::string save(const Module& script, const std::string& name = "net.pt") {
    script.save((folder_ / name).string());
    return (folder_ / name).string();
  }
  ModelUnderTest::Values values(const std::string& file) {
    ModelUnderTest::Values given;
    given.strings["file"] = file;
    return given;
  }
  /// The message with which the plugin refuses.
  std::string refusal(const ModelUnderTest::Values& given, std::int64_t channels = 2, std::int64_t classes = 3) {
    try {
      ModelUnderTest(given, channels, classes);
    } catch (const sdk::Error& e) {
      EXPECT_EQ(e.status(), OSTEON_INVALID_ARGUMENT) << e.what();
      EXPECT_THAT(e.what(), Not(HasSubstr("\n")));
      return e.what();
    }
    return "taken";
  }
  std::string refusal(const Module& script) { return refusal(values(save(script))); }

  test::TemporaryFolder folder_;
  Eager eager_{nullptr};
};

TEST_F(TorchScript, ListsTensorsUnderTheNamesOfTheStateDict) {
  const ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  std::vector<std::string> parameters, buffers;
  for (const osteon_named_tensor* tensor : model.tensors())
    (tensor->role == OSTEON_TENSOR_PARAMETER ? parameters : buffers).push_back(tensor->name);
  EXPECT_THAT(parameters,
              ElementsAre("conv.weight", "conv.bias", "norm.weight", "norm.bias", "head.weight", "head.bias"));
  EXPECT_THAT(buffers, ElementsAre("norm.running_mean", "norm.running_var", "norm.num_batches_tracked"));
  for (const auto& item : eager_->named_parameters()) EXPECT_TRUE(model.value(item.key()).equal(item.value()));
}

TEST_F(TorchScript, RefusesWeightsThatAreNotFinite) {
  const auto why_bad = [&](const Module& script) -> std::string {
    try {
      ModelUnderTest(values(save(script)), 2, 3);
    } catch (const sdk::Error& e) {
      EXPECT_EQ(e.status(), OSTEON_BAD_INPUT) << e.what();
      return e.what();
    }
    return "taken";
  };
  Module script = script_of(*eager_);
  script.register_buffer("mask", torch::full({2}, -INFINITY));
  EXPECT_EQ(why_bad(script), "taken");
  const torch::NoGradGuard no_grad;
  const torch::Tensor variance = script.attr("norm").toModule().attr("running_var").toTensor();
  variance[1] = INFINITY;
  EXPECT_THAT(why_bad(script), HasSubstr("'norm.running_var' (1 of 8 values)"));
  variance[1] = 1;
  script.attr("head").toModule().attr("bias").toTensor()[2] = NAN;
  EXPECT_THAT(why_bad(script),
              HasSubstr("not finite, with which nothing can be predicted: 'head.bias' (1 of 3 values)"));
  script.train(false);
  EXPECT_THAT(why_bad(torch::jit::freeze(script)), HasSubstr("not finite"));
}

TEST_F(TorchScript, FindsStrideAndAnySize) {
  const ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  EXPECT_EQ(model.info().size_multiple, 1);
  ASSERT_EQ(model.info().n_outputs, 1u);
  EXPECT_EQ(model.info().outputs[0]->stride, 2);
}

TEST_F(TorchScript, FindsTheMultipleOfSizesThatAScriptInsistsOn) {
  const Module script = script_with(
      "  assert x.size(2) % 8 == 0 and x.size(3) % 8 == 0\n"
      "  return torch.cat([x, x[:, :1]], 1)\n");
  EXPECT_EQ(ModelUnderTest(values(save(script)), 2, 3).info().size_multiple, 8);
}

TEST_F(TorchScript, TakesANetworkOfOneSize) {
  const Module script = script_with(
      "  assert x.size(2) == 96 and x.size(3) == 96, '96 pixels are all I see'\n"
      "  return torch.cat([x, x[:, :1]], 1)\n");
  ModelUnderTest::Values given = values(save(script));
  EXPECT_THAT(refusal(given), AllOf(HasSubstr("96 pixels are all I see"), HasSubstr("size_multiple")));
  given.ints["size_multiple"] = {96};
  EXPECT_EQ(ModelUnderTest(given, 2, 3).info().size_multiple, 96);
}

TEST_F(TorchScript, PredictsAsEagerDoesWhateverWayIsFastest) {
  const ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  eager_->eval();
  const test::RecordingCall call;
  for (const auto& shape : {std::vector<std::int64_t>{1, 2, 32, 48}, {3, 2, 33, 17}}) {
    const at::Tensor x = random_tensor(shape, 1), expected = eager_(x).detach();
    EXPECT_TRUE(model.infer(call, x).equal(expected)) << x.sizes();
    for (int i = 0; i < 12; ++i)
      EXPECT_LE(test::greatest_difference(model.infer(call, x, 0), expected),
                test::rounding_of(eager_->parameters()) * expected.abs().max().item<double>())
          << x.sizes() << ", forward " << i;
  }
  for (const std::string& line : call.lines) EXPECT_THAT(line, Not(HasSubstr("is not used")));
}

TEST_F(TorchScript, TrainsAsEagerAutogradDoes) {
  ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  const at::Tensor x = random_tensor({2, 2, 24, 20}, 1), cotangent = random_tensor({2, 3, 12, 10}, 2) - 0.5;
  eager_->train();
  for (int step = 0; step < 3; ++step) {  // an executor that profiled would change its mind after the first
    ModelUnderTest::Step ours(model, x);
    const at::Tensor expected = eager_(x);
    EXPECT_TRUE(ours.output().equal(expected));
    ours.backward({cotangent});
    expected.backward(cotangent);
  }
  for (const auto& item : eager_->named_parameters())
    EXPECT_LE(test::greatest_difference(model.grad(item.key()), item.value().grad()),
              test::rounding_of(eager_->parameters(), 3 * x.numel() / x.size(1)) *
                  item.value().grad().abs().max().item<double>())
        << item.key();
  EXPECT_TRUE(model.value("norm.running_mean").equal(eager_->norm->running_mean));
  EXPECT_TRUE(model.value("norm.running_var").equal(eager_->norm->running_var));
}

TEST_F(TorchScript, HasTheGradientsThatFiniteDifferencesHave) {
  ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  test::expect_finite_differences(model, random_tensor({2, 2, 16, 16}, 3),
                                  {"conv.weight", "norm.weight", "head.weight", "head.bias"});
}

TEST_F(TorchScript, GivesTheGradientOfItsInput) {
  ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  at::Tensor x = random_tensor({2, 2, 16, 16}, 3);
  ModelUnderTest::Step step(model, x, 0, OSTEON_FORWARD_INPUT_GRADIENT);
  const at::Tensor cotangent = random_tensor({2, 3, 8, 8}, 4);
  const at::Tensor got = step.backward({cotangent}, nullptr, nullptr, true);
  x.requires_grad_(true);
  eager_(x).backward(cotangent);
  EXPECT_LE(test::greatest_difference(got, x.grad()),
            test::rounding_of(eager_->parameters(), x.numel() / x.size(1)) * x.grad().abs().max().item<double>());
}

// The host's switch reaches the script's own: a frozen normalisation uses and keeps its statistics.
TEST_F(TorchScript, KeepsStatisticsOfFrozenNormalisation) {
  ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  model.set_trainable({model.index_of("head.weight"), model.index_of("head.bias")});
  const at::Tensor before = model.value("norm.running_mean").clone(), x = random_tensor({2, 2, 16, 16}, 3);
  {
    ModelUnderTest::Step step(model, x);
    eager_->eval();
    EXPECT_TRUE(step.output().equal(eager_(x)));
    step.backward({random_tensor({2, 3, 8, 8}, 4)});
  }
  EXPECT_TRUE(model.value("norm.running_mean").equal(before));
  EXPECT_FALSE(model.is_trained(model.index_of("conv.weight")));
  EXPECT_GT(model.grad("head.weight").abs().max().item<float>(), 0);
}

TEST_F(TorchScript, StateMovesFromOneInstanceToAnother) {
  const std::string file = save(script_of(*eager_));
  ModelUnderTest first(values(file), 2, 3), second(values(file), 2, 3);
  const test::RecordingCall call;
  const at::Tensor x = random_tensor({2, 2, 16, 16}, 3), start = second.infer(call, x);
  {
    ModelUnderTest::Step step(first, x);
    step.backward({random_tensor({2, 3, 8, 8}, 4)});
  }
  first.value("conv.weight").sub_(first.grad("conv.weight"), 0.1);
  first.api().parameters_changed(first.get(), 1);
  EXPECT_TRUE(second.infer(call, x).equal(start)) << "instances share tensors";
  for (std::size_t i = 0; i < first.tensors().size(); ++i)
    sdk::borrow(second.tensors()[i]->value).copy_(sdk::borrow(first.tensors()[i]->value));
  second.api().parameters_changed(second.get(), 1);
  EXPECT_FALSE(second.infer(call, x).equal(start));
  EXPECT_TRUE(second.infer(call, x).equal(first.infer(call, x)));
}

TEST_F(TorchScript, TrainsInMixedPrecision) {
  ModelUnderTest model(values(save(script_of(*eager_))), 2, 3);
  const at::Tensor x = random_tensor({2, 2, 32, 32}, 3), cotangent = random_tensor({2, 3, 16, 16}, 4);
  ModelUnderTest::Step step(model, x, 0, 0, OSTEON_PRECISION_BFLOAT16);
  at::Tensor expected;
  {
    const sdk::PrecisionGuard precision(at::kCPU, OSTEON_PRECISION_BFLOAT16);
    expected = eager_(x);
  }
  EXPECT_EQ(step.output().scalar_type(), at::kBFloat16);
  EXPECT_TRUE(step.output().equal(expected));
  step.backward({cotangent.to(at::kBFloat16)});
  expected.backward(cotangent.to(at::kBFloat16));
  for (const auto& item : eager_->named_parameters())
    EXPECT_LE((model.grad(item.key()) - item.value().grad()).norm().item<float>(),
              test::rounding<c10::BFloat16>(3) * item.value().grad().norm().item<double>())
        << item.key();
}

TEST_F(TorchScript, DrawsDropoutFromTheForwardsSeedInTrainingAlone) {
  Module script = script_of(*eager_, "return torch.dropout(y, 0.5, self.training)");
  ModelUnderTest model(values(save(script)), 2, 3);
  const at::Tensor x = random_tensor({1, 2, 32, 32}, 3);
  const auto trained = [&](std::uint64_t seed) { return ModelUnderTest::Step(model, x, seed).output().clone(); };
  EXPECT_TRUE(trained(1).equal(trained(1)));
  EXPECT_FALSE(trained(1).equal(trained(2)));
  EXPECT_NEAR((trained(1) == 0).to(at::kFloat).mean().item<float>(), 0.5, 0.1);
  const test::RecordingCall call;
  EXPECT_EQ((model.infer(call, x) == 0).sum().item<std::int64_t>(), 0);
}

TEST_F(TorchScript, FindsItsOutputsInTuplesListsAndDicts) {
  const at::Tensor x = random_tensor({1, 2, 16, 16}, 3);
  eager_->eval();
  const at::Tensor logits = eager_(x).detach();
  const auto infer = [&](const std::string& ending, const std::vector<std::string>& outputs) {
    TorchScriptImpl::Params params;
    params.file = save(script_of(*eager_, ending));
    params.outputs = outputs;
    TorchScriptImpl model(params, {2, 3, {}, 0});
    model.eval();
    return model.forward(x, sdk::Outputs::kMain).at(0).detach();
  };
  EXPECT_TRUE(infer("return (y, z)", {}).equal(logits));
  EXPECT_TRUE(infer("return [y, z]", {}).equal(logits));
  EXPECT_TRUE(infer("return {'out': y, 'aux': z}", {}).equal(logits));
  EXPECT_TRUE(infer("return (z, y)", {"1"}).equal(logits));
  EXPECT_TRUE(infer("return {'features': z, 'logits': y}", {"logits"}).equal(logits));
}

TEST_F(TorchScript, NamesWhatThereIsWhenAnOutputIsNot) {
  EXPECT_THAT(refusal(script_of(*eager_, "return {'logits': y, 'features': z}")),
              AllOf(HasSubstr("no tensor 'out'"), HasSubstr("'logits', 'features'")));
  EXPECT_THAT(refusal(script_with("  return 3\n")), HasSubstr("Int"));
  EXPECT_THAT(refusal(script_with("  return (3, x)\n")), HasSubstr("'0' (no tensor), '1'"));
}

TEST_F(TorchScript, TrainsAuxiliaryHeadsThatOnlyTrainingHas) {
  Module script = script_of(*eager_,
                            "out = {'out': y}\n"
                            "  if self.training:\n"
                            "    out['aux'] = torch.avg_pool2d(y, [4, 4])\n"
                            "  return out");
  TorchScriptImpl::Params params;
  params.file = save(script);
  params.outputs = {"out", "aux"};
  params.auxiliary = 0.3;
  TorchScriptImpl model(params, {2, 3, {}, 0});
  const sdk::ModelTraits traits = model.traits();
  ASSERT_EQ(traits.outputs.size(), 2u);
  EXPECT_EQ(traits.outputs[0].name, "main");
  EXPECT_EQ(traits.outputs[0].stride, 2);
  EXPECT_EQ(traits.outputs[1].name, "aux");
  EXPECT_EQ(traits.outputs[1].stride, 8);
  EXPECT_EQ(traits.outputs[1].loss_weight, 0.3);
  model.train();
  const at::Tensor x = random_tensor({1, 2, 32, 32}, 1);
  EXPECT_EQ(model.forward(x, sdk::Outputs::kAll).size(), 2u);
  model.eval();
  EXPECT_EQ(model.forward(x, sdk::Outputs::kMain).size(), 1u);
  try {
    model.forward(x, sdk::Outputs::kAll);
    FAIL();
  } catch (const sdk::Error& e) {
    EXPECT_EQ(e.status(), OSTEON_UNSUPPORTED);
    EXPECT_THAT(e.what(), HasSubstr("when it predicts, the script gives no tensor 'aux'"));
  }
}

TEST_F(TorchScript, GivesAllOutputsWhereTheScriptDoes) {
  ModelUnderTest::Values values;
  values.strings["file"] = save(script_of(*eager_, "return (y, torch.avg_pool2d(y, [2, 2]))"));
  TorchScriptImpl::Params params;
  params.file = values.strings["file"];
  params.outputs = {"0", "1"};
  TorchScriptImpl model(params, {2, 3, {}, 0});
  model.eval();
  const std::vector<at::Tensor> outputs = model.forward(random_tensor({1, 2, 32, 32}, 1), sdk::Outputs::kAll);
  ASSERT_EQ(outputs.size(), 2u);
  EXPECT_TRUE(outputs[1].equal(at::avg_pool2d(outputs[0], {2, 2})));
}

// The trial works on a copy: what it did in training mode is not in the model.
TEST_F(TorchScript, BeginsAsTheArchiveSays) {
  TorchScriptImpl::Params params;
  params.file = save(script_of(*eager_, "return (y, torch.avg_pool2d(y, [2, 2]))"));
  params.outputs = {"0", "1"};
  TorchScriptImpl model(params, {2, 3, {}, 0});
  EXPECT_TRUE(model.named_buffers()["norm.running_mean"].equal(eager_->norm->running_mean));
}

TEST_F(TorchScript, ListsASharedTensorOnce) {
  Module script = script_of(*eager_);
  Module twin = script.attr("head").toModule();
  script.register_parameter("tied", twin.attr("weight").toTensor(), /*is_buffer=*/false);
  const ModelUnderTest model(values(save(script)), 2, 3);
  std::vector<std::string> names;
  for (const osteon_named_tensor* tensor : model.tensors()) names.push_back(tensor->name);
  EXPECT_EQ(
      std::count_if(names.begin(), names.end(), [](const std::string& n) { return n == "tied" || n == "head.weight"; }),
      1);
}

TEST_F(TorchScript, TrainsWhatWasSavedUntrainable) {
  Module script = script_of(*eager_);
  for (at::Tensor parameter : script.parameters()) parameter.set_requires_grad(false);
  ModelUnderTest model(values(save(script)), 2, 3);
  ModelUnderTest::Step step(model, random_tensor({2, 2, 16, 16}, 3));
  step.backward({random_tensor({2, 3, 8, 8}, 4)});
  EXPECT_GT(model.grad("conv.weight").abs().max().item<float>(), 0);
}

TEST_F(TorchScript, RefusesWhatTheDataDoesNotFit) {
  const ModelUnderTest::Values given = values(save(script_of(*eager_)));
  EXPECT_THAT(refusal(given, 2, 29), HasSubstr("gives 3 classes, data.classes has 29"));
  EXPECT_THAT(refusal(given, 3, 3),
              AllOf(HasSubstr("cannot see an image [1, 3, 128, 128]"), HasSubstr("data.channels")));
  ModelUnderTest::Values wrong = given;
  wrong.ints["stride"] = {4};
  EXPECT_THAT(refusal(wrong), HasSubstr("stride is 4"));
  EXPECT_THAT(refusal(script_with("  return torch.cat([x, x[:, :1]], 1)[:, :, 7:]\n")), HasSubstr("no whole stride"));
  EXPECT_THAT(refusal(script_with("  return x.mean([2, 3])\n")), HasSubstr("expected logits [N, classes, H, W]"));
}

TEST_F(TorchScript, NoticesAnActivationAtTheEndAndUndoesItWhereTheRecipeSaysSo) {
  const at::Tensor x = random_tensor({1, 2, 16, 16}, 3);
  eager_->eval();
  const at::Tensor logits = eager_(x).detach();
  const auto values_with = [&](const std::string& ending, const char* activation) {
    ModelUnderTest::Values given = values(save(script_of(*eager_, ending)));
    given.strings["activation"] = activation;
    return given;
  };
  const auto infer = [&](const std::string& ending, const char* activation) {
    TorchScriptImpl::Params params;
    params.file = save(script_of(*eager_, ending));
    params.activation = activation;
    TorchScriptImpl model(params, {2, 3, {}, 0});
    model.eval();
    return model.forward(x, sdk::Outputs::kMain).at(0).detach();
  };
  EXPECT_THAT(
      refusal(script_of(*eager_, "return torch.sigmoid(y)")),
      AllOf(HasSubstr("is made by aten::sigmoid"), HasSubstr("activation = \"sigmoid\""), HasSubstr("\"none\"")));
  EXPECT_THAT(refusal(script_of(*eager_, "return {'out': torch.softmax(y, 1), 'aux': y}")),
              AllOf(HasSubstr("is made by aten::softmax"), HasSubstr("activation = \"softmax\"")));
  EXPECT_THAT(refusal(script_of(*eager_, "return (torch.tanh(y / 2) + 1) / 2")),
              HasSubstr("lies in 0 to 1 for unlike images"));
  EXPECT_THAT(refusal(values_with("return y", "sigmoid")), HasSubstr("values outside 0 to 1"));
  EXPECT_LE(test::greatest_difference(infer("return torch.sigmoid(y)", "sigmoid"), logits), 1e-4);
  const at::Tensor softmax = infer("return torch.softmax(y, 1)", "softmax");
  EXPECT_LE(test::greatest_difference(at::softmax(softmax, 1), at::softmax(logits, 1)), 1e-5);
  EXPECT_TRUE(infer("return torch.sigmoid(y)", "none").equal(at::sigmoid(logits)));
  EXPECT_TRUE(infer("return torch.sigmoid(1000 * y)", "sigmoid").isfinite().all().item<bool>());
}

TEST_F(TorchScript, TrainsThroughAnActivationThatIsUndone) {
  ModelUnderTest::Values given = values(save(script_of(*eager_, "return torch.sigmoid(y)")));
  given.strings["activation"] = "sigmoid";
  ModelUnderTest model(given, 2, 3);
  const at::Tensor x = random_tensor({2, 2, 16, 16}, 3), cotangent = random_tensor({2, 3, 8, 8}, 4);
  ModelUnderTest::Step step(model, x);
  step.backward({cotangent});
  eager_->train();
  eager_(x).backward(cotangent);
  const at::Tensor expected = eager_->head->weight.grad();
  EXPECT_LE(test::greatest_difference(model.grad("head.weight"), expected), 1e-3 * expected.abs().max().item<double>());
}

TEST_F(TorchScript, SaysWhichOfSeveralOutputsItTakes) {
  const auto remark = [&](const std::string& ending, const std::vector<std::string>& outputs) {
    TorchScriptImpl::Params params;
    params.file = save(script_of(*eager_, ending));
    params.outputs = outputs;
    return TorchScriptImpl(params, {2, 3, {}, 0}).remark();
  };
  EXPECT_EQ(remark("return y", {}), "");
  EXPECT_THAT(remark("return (y, z)", {}), AllOf(HasSubstr("gives '0', '1'"), HasSubstr("the first is taken")));
  EXPECT_THAT(remark("return {'aux': z, 'out': y}", {}), HasSubstr("'out' is taken"));
  EXPECT_EQ(remark("return (z, y)", {"1"}), "");
}

TEST_F(TorchScript, SaysWhatTheScriptSays) {
  const std::string cuda =
      refusal(script_with("  return torch.cat([x, x[:, :1]], 1) + torch.zeros([1], device=torch.device('cuda:0'))\n"));
  EXPECT_THAT(cuda, AllOf(HasSubstr("Could not run 'aten::"), HasSubstr("from the 'CUDA' backend"),
                          HasSubstr("makes tensors on a CUDA device"), Not(HasSubstr("registered at")),
                          Not(HasSubstr("data.channels"))));
  const std::string raised = refusal(script_with("  assert x.size(2) < 0, 'only 512'\n  return x\n"));
  EXPECT_THAT(raised, AllOf(HasSubstr("only 512"), Not(HasSubstr("data.channels"))));
  Module two("Net");
  two.define("def forward(self, x, y: int):\n  return x * y\n");
  EXPECT_THAT(refusal(two), AllOf(HasSubstr("missing value for argument 'y'"), Not(HasSubstr("data.channels"))));
  EXPECT_THAT(refusal(Module("Net")), AllOf(HasSubstr("'forward' is not defined"), Not(HasSubstr("data.channels"))));
}

TEST_F(TorchScript, RefusesParametersThatAreNotFloat32) {
  Module script = script_of(*eager_);
  script.register_parameter("wide", at::zeros({2}, at::kDouble), /*is_buffer=*/false);
  EXPECT_THAT(refusal(script), AllOf(HasSubstr("'wide' is Double"), HasSubstr("module.float()")));
}

TEST_F(TorchScript, RefusesWhatIsNoArchiveInOneLine) {
  EXPECT_THAT(refusal(values((folder_ / "missing.pt").string())), HasSubstr("there is no file"));
  test::write_text(folder_ / "text.pt", "no archive at all");
  EXPECT_THAT(refusal(values((folder_ / "text.pt").string())), HasSubstr("text.pt is no archive of torch.jit.save"));
  const std::string whole = test::slurp(save(script_of(*eager_)));
  for (std::size_t part = 0; part < 16; ++part) {
    test::write_text(folder_ / "cut.pt", whole.substr(0, whole.size() * part / 16));
    EXPECT_THAT(refusal(values((folder_ / "cut.pt").string())), HasSubstr("cut.pt is no archive")) << part;
  }
}

// Bytes that changed on the way: a refusal, or, where no entry's content was hit, the network as it was.
TEST_F(TorchScript, NoticesChangedBytes) {
  const std::string whole = test::slurp(save(script_of(*eager_)));
  const test::RecordingCall call;
  const at::Tensor x = random_tensor({1, 2, 16, 16}, 1);
  eager_->eval();
  const at::Tensor expected = eager_(x).detach();
  int refused = 0;
  for (std::size_t i = 0; i < whole.size(); i += whole.size() / 700 + 1) {
    std::string changed = whole;
    changed[i] = static_cast<char>(changed[i] ^ 0x55);
    test::write_text(folder_ / "changed.pt", changed);
    try {
      const ModelUnderTest model(values((folder_ / "changed.pt").string()), 2, 3);
      EXPECT_TRUE(model.infer(call, x).equal(expected)) << "byte " << i;
    } catch (const sdk::Error& e) {
      EXPECT_STRNE(e.what(), "");
      ++refused;
    }
  }
  EXPECT_GT(refused, 200);
}

TEST_F(TorchScript, NamesTheEntryThatIsDamaged) {
  std::string changed = test::slurp(save(script_of(*eager_)));
  const auto weight = eager_->head->weight.contiguous();
  const std::string bytes(static_cast<const char*>(weight.data_ptr()), static_cast<std::size_t>(weight.nbytes()));
  const std::size_t at = changed.find(bytes);
  ASSERT_NE(at, std::string::npos);
  changed[at + 5] ^= 1;
  test::write_text(folder_ / "damaged.pt", changed);
  EXPECT_THAT(refusal(values((folder_ / "damaged.pt").string())), AllOf(HasSubstr("data/"), HasSubstr("checksum")));
}

}  // namespace
}  // namespace osteon::models
