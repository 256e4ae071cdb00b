// SPDX-License-Identifier: Apache-2.0
// What holds for every plugin of a kind, run over all that are found.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include <osteon/sdk/call.hpp>
#include <osteon/sdk/random.hpp>

#include "base/error.hpp"
#include "plugin/augmentation.hpp"
#include "plugin/ensembler.hpp"
#include "plugin/loss.hpp"
#include "plugin/model.hpp"
#include "plugin/postprocessor.hpp"
#include "predict/bridge.hpp"
#include "predict/predictor.hpp"
#include "predict/resample.hpp"
#include "predict/tensor_cache.hpp"
#include "support/found_plugins.hpp"

namespace osteon::test {
namespace {

using plugin::Kind;

std::string component_name(const ::testing::TestParamInfo<std::string>& found) { return found.param; }

plugin::ClassContext three_classes(bool multiclass = false) { return {multiclass, {"a", "b", "c"}, {0, 2, 1}}; }

sdk::OwnedTensor random_tensor(const plugin::Call& call, const std::vector<std::int64_t>& shape, std::uint64_t seed,
                               double low = -1, double high = 1) {
  sdk::OwnedTensor tensor = sdk::Call(call.raw()).allocate<float>(shape);
  sdk::Random random(seed, 0);
  for (std::int64_t i = 0; i < sdk::element_count(tensor.view()); ++i)
    tensor.data<float>()[i] = static_cast<float>(random.uniform(low, high));
  return tensor;
}

std::vector<float> copy_of(const osteon_tensor_view& view) {
  const float* data = sdk::data_of<const float>(view, "a tensor");
  return {data, data + sdk::element_count(view)};
}

// ---------------------------------------------------------------------------------------------------- every kind

class EveryPlugin : public ::testing::TestWithParam<plugin::ComponentSchema> {};

TEST_P(EveryPlugin, SaysWhatItIs) {
  const plugin::ComponentSchema& schema = GetParam();
  EXPECT_FALSE(schema.doc.empty());
  for (const plugin::ParameterSpec& spec : schema.parameters) EXPECT_GT(spec.doc.size(), 3u) << spec.name;
}

TEST_P(EveryPlugin, LoadsAsItWasScanned) {
  const plugin::LoadedComponent component = registry().load(GetParam().kind, GetParam().name);
  EXPECT_EQ(component.library_sha256.size(), 64u);
  EXPECT_TRUE(component.supports_device(OSTEON_DEVICE_CPU));
}

std::string test_name(const ::testing::TestParamInfo<plugin::ComponentSchema>& info) {
  return std::string(plugin::to_string(info.param.kind)) + "_" + info.param.name;
}
INSTANTIATE_TEST_SUITE_P(Found, EveryPlugin, ::testing::ValuesIn(registry().schemas()), test_name);

// --------------------------------------------------------------------------------------------------------- models

/// Defaults, but narrow where a model lets us choose: it keeps the same promises in a fraction of the time.
plugin::Parameters narrow_parameters(const plugin::ComponentSchema& schema) {
  plugin::Parameters parameters = default_parameters(schema);
  const std::map<std::string, std::int64_t> channels = {
      {"filters", 16}, {"decoder_channels", 32}, {"auxiliary_channels", 16}};
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const plugin::ParameterSpec& spec = schema.parameters[i];
    if (spec.name == "width") parameters[i] = std::vector<double>{0.25};
    const auto found = channels.find(spec.name);
    if (found != channels.end() && !spec.list) parameters[i] = std::vector<std::int64_t>{found->second};
  }
  return parameters;
}

class EveryModel : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!has_all_defaults(registry().load(Kind::kModel, GetParam()).schema))
      GTEST_SKIP() << "needs parameters that have no defaults";
  }
  std::unique_ptr<plugin::Model> make(std::uint64_t seed = 7) {
    plugin::LoadedComponent component = registry().load(Kind::kModel, GetParam());
    const plugin::Parameters parameters = narrow_parameters(component.schema);
    return std::make_unique<plugin::Model>(component, parameters, three_classes(), 1, seed, call_);
  }
  // Has all parameters trained, so that they have gradients.
  void train_all(plugin::Model& model) {
    std::vector<std::uint64_t> all;
    const std::vector<plugin::NamedTensor>& tensors = model.tensors(call_);
    for (std::size_t i = 0; i < tensors.size(); ++i)
      if (tensors[i].parameter) all.push_back(i);
    model.set_trainable(call_, all);
  }
  sdk::OwnedTensor input(const plugin::Model& model, std::int64_t multiples, std::uint64_t seed = 1) {
    const std::int64_t side = std::max<std::int64_t>(32, model.size_multiple()) * multiples;
    return random_tensor(call_, {2, 1, side, side}, seed);
  }
  plugin::Call call_;
};

TEST_P(EveryModel, HasTensorsOfUniqueNamesAndFiniteValues) {
  auto model = make();
  std::set<std::string> names;
  bool parameters = false;
  for (const plugin::NamedTensor& tensor : model->tensors(call_)) {
    EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
    EXPECT_EQ(tensor.grad, nullptr) << tensor.name << " has a gradient, and nobody trains it";
    parameters = parameters || tensor.parameter;
    if (!tensor.parameter) continue;
    for (const float value : copy_of(*tensor.value)) ASSERT_TRUE(std::isfinite(value)) << tensor.name;
  }
  EXPECT_TRUE(parameters);
}

TEST_P(EveryModel, HasGradientsOfWhatIsTrained) {
  auto model = make();
  train_all(*model);
  for (const plugin::NamedTensor& tensor : model->tensors(call_)) {
    EXPECT_EQ(tensor.grad != nullptr, tensor.parameter) << tensor.name;
    if (!tensor.parameter) continue;
    for (const float value : copy_of(*tensor.grad)) ASSERT_EQ(value, 0) << tensor.name;
  }
}

TEST_P(EveryModel, GivesAllItsOutputsWhenAsked) {
  auto model = make();
  const sdk::OwnedTensor x = input(*model, 2);
  const auto main = copy_of(model->infer(call_.raw(), x.view(), {}).view());
  const std::vector<sdk::OwnedTensor> outputs = model->infer_all(call_.raw(), x.view(), {});
  ASSERT_EQ(outputs.size(), model->outputs().size());
  ASSERT_EQ(outputs[0].view().ndim, 4);
  const auto again = copy_of(outputs[0].view());
  ASSERT_EQ(again.size(), main.size());
  double largest = 0, apart = 0;
  for (std::size_t i = 0; i < main.size(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(main[i])));
    apart = std::max(apart, std::abs(static_cast<double>(main[i]) - static_cast<double>(again[i])));
  }
  // As near as two ways to run one network are, compiled or not.
  EXPECT_LE(apart, 2e-4 * (1e-3 + largest));
}

TEST_P(EveryModel, StartsFromItsSeed) {
  auto a = make(7), b = make(7), c = make(8);
  const auto &of_a = a->tensors(call_), &of_b = b->tensors(call_), &of_c = c->tensors(call_);
  bool differs = false;
  for (std::size_t i = 0; i < of_a.size(); ++i) {
    if (!of_a[i].parameter) continue;
    const auto x = copy_of(*of_a[i].value), y = copy_of(*of_b[i].value), z = copy_of(*of_c[i].value);
    EXPECT_EQ(x, y) << of_a[i].name;
    differs = differs || x != z;
  }
  EXPECT_TRUE(differs);
}

TEST_P(EveryModel, PredictsTheSameTwiceAtTwoSizesAndLeavesItsInputAlone) {
  auto model = make();
  for (const std::int64_t multiples : {1, 2}) {
    const sdk::OwnedTensor x = input(*model, multiples);
    const auto before = copy_of(x.view());
    const auto first = copy_of(model->infer(call_.raw(), x.view(), {}).view());
    const auto second = copy_of(model->infer(call_.raw(), x.view(), {}).view());
    EXPECT_EQ(first, second);
    EXPECT_EQ(copy_of(x.view()), before);
    for (const float value : first) ASSERT_TRUE(std::isfinite(value));
  }
}

TEST_P(EveryModel, AddsGradientsUpAndReachesEveryParameter) {
  auto model = make();
  train_all(*model);
  // Four steps of the deepest grid a side: attention over one key, or batch normalization of one pixel, passes nothing
  // on.
  const sdk::OwnedTensor x = input(*model, 4);
  // Gives the outputs, one after the other.
  const auto train = [&](std::uint64_t seed) {
    plugin::Model::ForwardOptions options;
    options.seed = seed;
    auto result = model->forward(call_, x.view(), options);
    std::vector<float> outputs;
    for (const sdk::OwnedTensor& output : result.outputs)
      for (const float value : copy_of(output.view())) outputs.push_back(value);
    std::vector<sdk::OwnedTensor> grads;
    std::vector<const osteon_tensor_view*> views;
    for (const sdk::OwnedTensor& output : result.outputs) {
      const osteon_tensor_view& view = output.view();
      grads.push_back(random_tensor(call_, {view.shape, view.shape + view.ndim}, 3, -1e-2, 1e-2));
    }
    for (const sdk::OwnedTensor& grad : grads) views.push_back(&grad.view());
    model->backward(call_, std::move(result.tape), views);
    return outputs;
  };
  const auto gradients = [&] {
    std::map<std::string, std::vector<float>> all;
    for (const plugin::NamedTensor& tensor : model->tensors(call_)) {
      if (tensor.parameter) all[tensor.name] = copy_of(*tensor.grad);
    }
    return all;
  };
  const auto norm = [](const std::vector<float>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0, [](double sum, float v) { return sum + std::abs(v); });
  };

  // One seed, so the same batch statistics and the same layers left out: the second backward adds what the first did.
  train(0);
  const auto once = gradients();
  train(0);
  const auto twice = gradients();
  for (const auto& [name, values] : once) {
    double difference = 0;
    for (std::size_t k = 0; k < values.size(); ++k) {
      ASSERT_TRUE(std::isfinite(values[k])) << name;
      difference += std::abs(twice.at(name)[k] - 2 * values[k]);
    }
    EXPECT_LT(difference, 1e-3 * norm(values) + 1e-6) << name;
  }
  // Stochastic depth may leave a layer out at one seed; not at eight.
  const auto unreached = [&](const auto& item) { return norm(item.second) == 0; };
  if (std::any_of(twice.begin(), twice.end(), unreached))
    for (std::uint64_t seed = 1; seed < 8; ++seed) train(seed);
  // What has no gradient after that must make no difference, as a bias in front of a normalisation by batch does not.
  std::string without;
  const auto before = train(0);
  const auto reached = gradients();
  for (const plugin::NamedTensor& tensor : model->tensors(call_)) {
    if (!tensor.parameter || norm(reached.at(tensor.name)) > 0) continue;
    without += " " + tensor.name;
    auto* values = static_cast<float*>(tensor.value->data);
    for (std::int64_t i = 0; i < sdk::element_count(*tensor.value); ++i) values[i] += 0.5f;
  }
  model->parameters_changed();
  const auto after = train(0);
  ASSERT_EQ(after.size(), before.size());
  double difference = 0;
  for (std::size_t i = 0; i < after.size(); ++i)
    difference = std::max(difference, std::abs(static_cast<double>(after[i]) - static_cast<double>(before[i])));
  EXPECT_LE(difference, 1e-4 * norm(before) / static_cast<double>(before.size())) << "no gradient reaches" << without;
}
INSTANTIATE_TEST_SUITE_P(Found, EveryModel, ::testing::ValuesIn(names_of(Kind::kModel)), component_name);

// --------------------------------------------------------------------------------------------------------- losses

class EveryLoss : public ::testing::TestWithParam<std::string> {
 protected:
  static constexpr std::int64_t kN = 2, kK = 3, kH = 3, kW = 5;

  // nullptr for labels that the loss has no meaning for.
  std::unique_ptr<plugin::Loss> make(bool multiclass) {
    plugin::LoadedComponent component = registry().load(Kind::kLoss, GetParam());
    try {
      return std::make_unique<plugin::Loss>(component, default_parameters(component.schema), three_classes(multiclass),
                                            call_);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      return nullptr;
    }
  }
  std::vector<std::int32_t> target(bool multiclass) {
    sdk::Random random(5, 5);
    std::vector<std::int32_t> planes(kN * kH * kW);
    for (auto& bits : planes)
      bits = multiclass ? 1 << random.below(kK) : static_cast<std::int32_t>(random.below(1 << kK));
    return planes;
  }
  double evaluate(const plugin::Loss& loss, std::vector<float>& logits, std::vector<std::int32_t>& planes,
                  std::vector<std::uint8_t>* valid, std::vector<float>* grad, double scale = 1,
                  bool accumulate = false) {
    const sdk::BorrowedTensor x(logits.data(), {kN, kK, kH, kW}), y(planes.data(), {kN, 1, kH, kW});
    const sdk::BorrowedTensor v(valid != nullptr ? valid->data() : nullptr, {kN, kH, kW});
    const sdk::BorrowedTensor g(grad != nullptr ? grad->data() : nullptr, {kN, kK, kH, kW});
    auto input = sdk::sized<osteon_loss_input>();
    input.flags = accumulate ? std::uint32_t{OSTEON_LOSS_ACCUMULATE} : 0u;
    input.logits = x;
    input.target = y;
    input.valid = valid != nullptr ? static_cast<const osteon_tensor_view*>(v) : nullptr;
    input.grad_scale = scale;
    input.grad = grad != nullptr ? static_cast<const osteon_tensor_view*>(g) : nullptr;
    return loss.evaluate(call_, input);
  }
  // Memory as the ABI promises it: aligned to 64 bytes is what a vector is not; losses of this tree read unaligned
  // rows, the ABI's own checks are the validator's business.
  plugin::Call call_;
};

TEST_P(EveryLoss, HasTheGradientOfItsValue) {
  int kinds = 0;
  for (const bool multiclass : {false, true}) {
    const auto loss = make(multiclass);
    if (!loss) continue;
    ++kinds;
    sdk::Random random(1, 2);
    std::vector<float> logits(kN * kK * kH * kW), grad(logits.size());
    for (float& x : logits) x = static_cast<float>(random.uniform(-2, 2));
    auto planes = target(multiclass);
    std::vector<std::uint8_t> valid(kN * kH * kW, 1);
    valid[3] = valid[20] = 0;
    evaluate(*loss, logits, planes, &valid, &grad, 3.0);
    for (std::size_t i = 0; i < logits.size(); i += 7) {
      const auto numeric = [&](float step) {
        auto up = logits, down = logits;
        up[i] += step;
        down[i] -= step;
        return 3.0 * (evaluate(*loss, up, planes, &valid, nullptr) - evaluate(*loss, down, planes, &valid, nullptr)) /
               (2 * double{step});
      };
      const auto bound = [](double slope) { return 2e-3 * std::max(0.05, std::abs(slope)); };
      // Losses that sort their pixels have kinks, where another order begins: a smaller step does not reach over one.
      double slope = numeric(2e-2f);
      if (std::abs(grad[i] - slope) > bound(slope)) slope = numeric(4e-3f);
      EXPECT_NEAR(grad[i], slope, bound(slope)) << "at " << i << (multiclass ? ", multiclass" : ", multilabel");
    }
    std::vector<float> again = grad;
    evaluate(*loss, logits, planes, &valid, &again, 3.0, true);
    for (std::size_t i = 0; i < grad.size(); ++i) EXPECT_NEAR(again[i], 2 * grad[i], 1e-6 + 1e-5 * std::abs(grad[i]));
    for (std::int64_t k = 0; k < kK; ++k)
      EXPECT_EQ(grad[static_cast<std::size_t>(k * kH * kW + 3)], 0) << "an invalid pixel contributes";
  }
  EXPECT_GT(kinds, 0) << "the loss takes no kind of labels";
}
INSTANTIATE_TEST_SUITE_P(Found, EveryLoss, ::testing::ValuesIn(names_of(Kind::kLoss)), component_name);

// -------------------------------------------------------------------------------------------------- augmentations

class EveryAugmentation : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<plugin::Augmentation> make() {
    plugin::LoadedComponent component = registry().load(Kind::kAugmentation, GetParam());
    return std::make_unique<plugin::Augmentation>(component, default_parameters(component.schema), three_classes(),
                                                  call_);
  }
  plugin::Call call_;
};

TEST_P(EveryAugmentation, ObeysItsKey) {
  const auto augmentation = make();
  for (std::uint64_t k = 0; k < 20; ++k) {
    const osteon_random_key key{{k, 99}};
    if (augmentation->geometric()) {
      const double boxes[12] = {3, 4, 20, 30, NAN, NAN, NAN, NAN, 0, 0, 52, 36};
      plugin::Augmentation::View view;
      view.class_boxes = augmentation->wants_boxes() ? boxes : nullptr;
      const auto a = augmentation->sample_warp(call_, key, 37, 53, view),
                 b = augmentation->sample_warp(call_, key, 37, 53, view);
      EXPECT_EQ(a.get().kind, b.get().kind);
      EXPECT_EQ(std::memcmp(a.get().matrix, b.get().matrix, sizeof a.get().matrix), 0);
      if (const std::int32_t* source = a.get().class_source) {
        for (int c = 0; c < 3; ++c) EXPECT_TRUE(source[c] >= 0 && source[c] < 3);
      }
    } else {
      std::vector<std::uint8_t> a(37 * 53 * 3), b;
      for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<std::uint8_t>(i * 31);
      b = a;
      for (std::vector<std::uint8_t>* pixels : {&a, &b}) {
        const sdk::BorrowedTensor view(pixels->data(), {37, 53, 3});
        auto request = sdk::sized<osteon_pixels>();
        request.image = view;
        request.maximum = 255;
        augmentation->apply(call_, key, request);
      }
      EXPECT_EQ(a, b);
    }
  }
}

TEST_P(EveryAugmentation, StaysInTheRangeOfFloats) {
  const auto augmentation = make();
  if (augmentation->geometric() || !augmentation->component().supports_dtype(sdk::dtype_of<float>()))
    GTEST_SKIP() << "sees no float pixels";
  for (std::uint64_t k = 0; k < 20; ++k) {
    std::vector<float> pixels(16 * 16);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i) / 255.0f;
    const sdk::BorrowedTensor view(pixels.data(), {16, 16, 1});
    auto request = sdk::sized<osteon_pixels>();
    request.image = view;
    request.maximum = 1;
    augmentation->apply(call_, {{k, 1}}, request);
    for (const float value : pixels) ASSERT_TRUE(value >= 0 && value <= 1) << value;
  }
}
INSTANTIATE_TEST_SUITE_P(Found, EveryAugmentation, ::testing::ValuesIn(names_of(Kind::kAugmentation)), component_name);

// -------------------------------------------------------------------------------------------------- post-processors

/// Gives each class a constant logit.
class ConstantPredictor final : public predict::Predictor {
 public:
  ConstantPredictor() : Predictor(three_classes(), {}) {}
  std::string name() const override { return "a constant"; }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request,
               std::vector<predict::OwnedPrediction>& predictions) const override {
    for (std::size_t i = 0; i < images.size(); ++i) {
      const std::int64_t height = images[i]->pixels.shape[0], width = images[i]->pixels.shape[1];
      sdk::OwnedTensor values = sdk::Call(call).allocate<float>({3, height, width});
      for (std::int64_t c = 0; c < 3; ++c)
        std::fill_n(values.data<float>() + c * height * width, height * width, static_cast<float>(c) - 1.0f);
      osteon_prediction& prediction = predictions[i].raw();
      prediction.form = OSTEON_FORM_LOGITS;
      prediction.to_image[0] = prediction.to_image[4] = 1;
      values.move_to(&prediction.values);
      predict::select_classes(call, request, prediction);
      predict::convert(call, raw(), request, height, width, prediction);
    }
  }
};

class EveryPostprocessor : public ::testing::TestWithParam<std::string> {};

// Logits of -1 everywhere stay below the middle, and those of 1 above it.
TEST_P(EveryPostprocessor, KeepsAConstantsSideAndGivesWhatIsAskedFor) {
  predict::install_resample_service();
  predict::install_cache_service();
  const plugin::LoadedComponent component = registry().load(Kind::kPostprocessor, GetParam());
  if (!has_all_defaults(component.schema)) GTEST_SKIP() << "needs parameters that have no defaults";
  const plugin::Call call;
  plugin::Postprocessor post(component, default_parameters(component.schema), three_classes(), call);
  if (post.fit() != nullptr) post.fit()->changed();  // as if the state that it begins with had been loaded
  const bool gives_probabilities = (post.info().gives_forms & OSTEON_SET(OSTEON_FORM_PROBABILITIES)) != 0;
  const bool gives_masks = (post.info().gives_forms & OSTEON_SET(OSTEON_FORM_BITS)) != 0;
  if (!gives_probabilities && !gives_masks) GTEST_SKIP() << "gives logits alone";
  std::shared_ptr<const predict::Predictor> inner = std::make_shared<ConstantPredictor>();
  if ((post.info().needs_forms & inner->gives_forms()) == 0)
    inner =
        std::make_shared<predict::Bridge>(inner, post.info().needs_forms, predict::Decision{false, {0.5, 0.5, 0.5}});
  const cv::Mat pixels(20, 31, CV_32FC1, cv::Scalar(0.5));
  const predict::RootImage image(pixels, "test");
  const std::int32_t subset[] = {0, 2};
  for (const bool all : {true, false}) {
    osteon_predict_request request =
        predict::make_request(gives_probabilities ? OSTEON_FORM_PROBABILITIES : OSTEON_FORM_BITS, OSTEON_GRID_IMAGE);
    request.n_classes = all ? 0 : 2;
    request.classes = subset;
    predict::OwnedPrediction prediction;
    osteon_prediction* out[] = {&prediction.raw()};
    const osteon_image* images[] = {image.get()};
    post.process(call.raw(), inner->raw(), 1, images, request, out);
    const std::int64_t classes = all ? 3 : 2, pixel_count = 20 * 31;
    if (!gives_probabilities) {
      ASSERT_EQ(sdk::shape_text(prediction.view()), "[1, 20, 31]");
      const auto* words = static_cast<const std::uint32_t*>(prediction.view().data);
      for (std::int64_t i = 0; i < pixel_count; ++i)
        ASSERT_EQ(words[i] & (1u | 1u << (classes - 1)), 1u << (classes - 1));
      continue;
    }
    ASSERT_EQ(sdk::shape_text(prediction.view()), all ? "[3, 20, 31]" : "[2, 20, 31]");
    const auto values = copy_of(prediction.view());
    for (std::int64_t i = 0; i < classes * pixel_count; ++i) {
      const float value = values[static_cast<std::size_t>(i)];
      ASSERT_TRUE(value >= 0 && value <= 1);
      // `mirrored` exchanges b and c in a mirrored copy, so of these a symmetric average may come back.
      if (i < pixel_count) {
        ASSERT_LT(value, 0.5f);
      } else if (i >= (classes - 1) * pixel_count) {
        ASSERT_GT(value, 0.5f);
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Found, EveryPostprocessor, ::testing::ValuesIn(names_of(Kind::kPostprocessor)),
                         component_name);

// ------------------------------------------------------------------------------------------------------ ensemblers

class EveryEnsembler : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryEnsembler, AgreesWhateverTheOrderOfMembers) {
  const plugin::LoadedComponent component = registry().load(Kind::kEnsembler, GetParam());
  const plugin::Call call;
  const plugin::Ensembler ensembler(component, default_parameters(component.schema), three_classes(), {"x", "y", "z"},
                                    call);
  if (ensembler.fit() != nullptr) GTEST_SKIP() << "is fitted first";
  if (ensembler.info().takes == OSTEON_FORM_BITS) GTEST_SKIP() << "votes on bits";
  const std::int32_t classes[] = {0, 1, 2};
  auto band = sdk::sized<osteon_band>();
  band.height = 6;
  band.width = 9;
  band.n_classes = 3;
  band.classes = classes;
  std::vector<sdk::OwnedTensor> members;
  for (std::uint64_t m = 0; m < 3; ++m) members.push_back(random_tensor(call, {3, 6, 9}, m, 0, 1));
  std::vector<std::vector<float>> results;
  for (const std::vector<std::int64_t>& order : {std::vector<std::int64_t>{0, 1, 2}, {2, 0, 1}, {1, 2, 0}}) {
    auto accumulation = ensembler.begin(call.raw(), band);
    for (const std::int64_t m : order)
      if (ensembler.needed(m, 0) || ensembler.needed(m, 1) || ensembler.needed(m, 2))
        accumulation.add(call.raw(), m, members[static_cast<std::size_t>(m)].view());
    results.push_back(copy_of(accumulation.finish(call.raw()).view()));
  }
  for (const auto& result : results)
    for (std::size_t i = 0; i < result.size(); ++i) {
      EXPECT_NEAR(result[i], results[0][i], 1e-6);
      EXPECT_TRUE(result[i] >= 0 && result[i] <= 1);
    }
}
INSTANTIATE_TEST_SUITE_P(Found, EveryEnsembler, ::testing::ValuesIn(names_of(Kind::kEnsembler)), component_name);

}  // namespace
}  // namespace osteon::test
