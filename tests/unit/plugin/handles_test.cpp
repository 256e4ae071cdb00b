// SPDX-License-Identifier: Apache-2.0
// Components that break their promises: each is caught where it happens, named, and nothing leaks or crashes.
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <osteon/abi/draft/weight_names.h>
#include <osteon/sdk/tensor.hpp>

#include "base/error.hpp"
#include "plugin/augmentation.hpp"
#include "plugin/ensembler.hpp"
#include "plugin/loss.hpp"
#include "plugin/model.hpp"
#include "plugin/postprocessor.hpp"

namespace osteon::plugin {
namespace {

using ::testing::HasSubstr;

const ClassContext kClasses = {false, {"a", "b"}, {}};
constexpr osteon_dtype kFloat = {OSTEON_DTYPE_FLOAT, 32, 1};

// How the fakes behave, and what is left of what they made.
struct Behaviour {
  osteon_status create = OSTEON_OK;
  bool gives_instance = true;
  bool gives_info = true;
  bool gives_output = true;
  bool gives_tape = true;
  osteon_dtype dtype = kFloat;
  std::int32_t device = OSTEON_DEVICE_CPU;
  bool gives_gradient = true;
  std::vector<std::int64_t> shape;  // of the output; empty: what was promised
  std::int64_t n_classes = 2;
  std::int64_t stride_of_output = 2;
  std::uint64_t byte_offset = 0;
  bool negative_stride = false;
  std::uint32_t role = OSTEON_TENSOR_PARAMETER;
  std::uint32_t way = OSTEON_AUGMENTATION_GEOMETRIC;
  std::function<void(osteon_warp&)> warp;
  std::uint32_t form = OSTEON_FORM_PROBABILITIES;
  std::uint32_t fits = 0;
  osteon_weight_part part{};  // what is said of every file of weights
  const char* dialect = "theirs";
  int instances = 0, tapes = 0, tensors = 0, warps = 0, bands = 0;
};
Behaviour g;

osteon_status give_instance(void** out) {
  if (g.create != OSTEON_OK) return g.create;
  if (!g.gives_instance) return OSTEON_OK;
  ++g.instances;
  *out = &g;
  return OSTEON_OK;
}
template <class T>
void destroy(T* instance) {
  if (instance != nullptr) --g.instances;
}

// A tensor from the call's own pool, counted until it is released, and spoilt as told.
osteon_status give_tensor(const osteon_call* call, std::vector<std::int64_t> shape, osteon_tensor* out) {
  if (!g.gives_output) return OSTEON_OK;
  if (!g.shape.empty()) shape = g.shape;
  struct Counted {
    osteon_tensor inner;
  };
  auto* counted = new Counted{};
  counted->inner.struct_size = sizeof(osteon_tensor);
  const osteon_status status =
      call->allocate(call, g.dtype, static_cast<std::int32_t>(shape.size()), shape.data(), &counted->inner, nullptr);
  if (status != OSTEON_OK) return status;
  out->view = counted->inner.view;
  out->view.byte_offset = g.byte_offset;
  out->view.device.type = g.device;
  if (g.negative_stride) out->view.strides[0] = -1;
  out->owner = counted;
  out->release = [](osteon_tensor* self) {
    auto* owned = static_cast<Counted*>(self->owner);
    owned->inner.release(&owned->inner);
    delete owned;
    --g.tensors;
  };
  ++g.tensors;
  return OSTEON_OK;
}

osteon_model_api model_api() {
  osteon_model_api api{};
  api.struct_size = sizeof api;
  api.create = [](const osteon_call*, const osteon_value* const*, const osteon_model_request*, osteon_model** out,
                  osteon_error*) { return give_instance(reinterpret_cast<void**>(out)); };
  api.destroy = destroy<osteon_model>;
  api.info = [](const osteon_model*) -> const osteon_model_info* {
    static osteon_model_output output{sizeof output, 0, "main", 1.0, 1};
    static const osteon_model_output* const outputs[] = {&output};
    static osteon_model_info info{sizeof info, 0, 3, 2, 1, 1, outputs};
    output.stride = g.stride_of_output;
    info.n_classes = g.n_classes;
    return g.gives_info ? &info : nullptr;
  };
  api.tensors = [](osteon_model*, std::uint64_t* count, const osteon_named_tensor* const** out, osteon_error*) {
    static std::int64_t one = 1;
    static float value[16], grad[16];
    static osteon_named_tensor tensor{};
    tensor = {sizeof tensor,
              g.role,
              "w",
              {value, {1, 0}, 1, g.dtype, &one, &one, 0},
              {g.gives_gradient ? grad : nullptr, {1, 0}, 1, kFloat, &one, &one, 0}};
    static const osteon_named_tensor* const list[] = {&tensor};
    *count = 1;
    *out = list;
    return osteon_status{OSTEON_OK};
  };
  api.forward = [](const osteon_call* call, osteon_model*, const osteon_forward_options* options,
                   const osteon_tensor_view* input, std::uint64_t, osteon_tensor* const* outputs, osteon_tape** tape,
                   osteon_error*) {
    if (options->mode == OSTEON_MODE_TRAINING && g.gives_tape) {
      ++g.tapes;
      *tape = reinterpret_cast<osteon_tape*>(&g);
    }
    return give_tensor(call, {input->shape[0], 2, (input->shape[2] + 1) / 2, (input->shape[3] + 1) / 2}, outputs[0]);
  };
  api.release_tape = [](osteon_model*, osteon_tape* tape) {
    if (tape != nullptr) --g.tapes;
  };
  return api;
}

const void* model_extension(const char* id) {
  if (std::string(id) != OSTEON_EXTENSION_WEIGHT_NAMES) return nullptr;
  static const char* dialects[1];
  static osteon_weight_names names{};
  dialects[0] = g.dialect;
  names = {sizeof names, 0, 1, dialects,
           [](const osteon_model*, std::uint64_t, std::uint64_t, const osteon_weight_entry* const*,
              void (*part)(void*, const osteon_weight_part*), void* user, osteon_error*) {
             part(user, &g.part);
             return osteon_status{OSTEON_OK};
           }};
  return &names;
}

osteon_loss_api loss_api() {
  osteon_loss_api api{};
  api.struct_size = sizeof api;
  api.create = [](const osteon_call*, const osteon_value* const*, const osteon_loss_request*, osteon_loss** out,
                  osteon_error*) { return give_instance(reinterpret_cast<void**>(out)); };
  api.destroy = destroy<osteon_loss>;
  return api;
}

osteon_augmentation_api augmentation_api() {
  osteon_augmentation_api api{};
  api.struct_size = sizeof api;
  api.create = [](const osteon_call*, const osteon_value* const*, const osteon_augmentation_request*,
                  osteon_augmentation** out, osteon_error*) { return give_instance(reinterpret_cast<void**>(out)); };
  api.destroy = destroy<osteon_augmentation>;
  api.info = [](const osteon_augmentation*) -> const osteon_augmentation_info* {
    static osteon_augmentation_info info{};
    info = {sizeof info, g.way, 0, 0};
    return g.gives_info ? &info : nullptr;
  };
  api.sample_warp = [](const osteon_call*, const osteon_augmentation*, const osteon_random_key*,
                       const osteon_warp_request*, osteon_warp* warp, osteon_error*) {
    ++g.warps;
    if (g.warp) g.warp(*warp);
    return osteon_status{OSTEON_OK};
  };
  api.end_warp = [](const osteon_augmentation*, osteon_warp*) { --g.warps; };
  return api;
}

osteon_postprocessor_api postprocessor_api() {
  osteon_postprocessor_api api{};
  api.struct_size = sizeof api;
  api.create = [](const osteon_call*, const osteon_value* const*, const osteon_postprocessor_request*,
                  osteon_postprocessor** out, osteon_error*) { return give_instance(reinterpret_cast<void**>(out)); };
  api.destroy = destroy<osteon_postprocessor>;
  api.info = [](const osteon_postprocessor*) -> const osteon_postprocessor_info* {
    static const osteon_postprocessor_info info{sizeof info, OSTEON_POSTPROCESSOR_MAP, 4, 4, 4, 4};
    return g.gives_info ? &info : nullptr;
  };
  api.process = [](const osteon_call* call, const osteon_postprocessor*, const osteon_predictor*, std::uint64_t,
                   const osteon_image* const*, const osteon_predict_request*, osteon_prediction* const* predictions,
                   osteon_error*) {
    predictions[0]->form = g.form;
    return give_tensor(call, {2, 4, 4}, &predictions[0]->values);
  };
  return api;
}

osteon_ensembler_api ensembler_api() {
  osteon_ensembler_api api{};
  api.struct_size = sizeof api;
  api.create = [](const osteon_call*, const osteon_value* const*, const osteon_ensembler_request*,
                  osteon_ensembler** out, osteon_error*) { return give_instance(reinterpret_cast<void**>(out)); };
  api.destroy = destroy<osteon_ensembler>;
  api.info = [](const osteon_ensembler*) -> const osteon_ensembler_info* {
    static osteon_ensembler_info info{};
    info = {sizeof info, OSTEON_FORM_PROBABILITIES, OSTEON_FORM_PROBABILITIES, g.fits};
    return g.gives_info ? &info : nullptr;
  };
  api.begin = [](const osteon_call*, const osteon_ensembler*, const osteon_band*, osteon_accumulation** out,
                 osteon_error*) {
    if (!g.gives_output) return osteon_status{OSTEON_OK};
    ++g.bands;
    *out = reinterpret_cast<osteon_accumulation*>(&g);
    return osteon_status{OSTEON_OK};
  };
  api.finish = [](const osteon_call* call, osteon_accumulation*, osteon_tensor* out, osteon_error*) {
    --g.bands;
    return out == nullptr ? osteon_status{OSTEON_OK} : give_tensor(call, {2, 4, 4}, out);
  };
  return api;
}

class Handles : public ::testing::Test {
 protected:
  void SetUp() override { g = {}; }
  void TearDown() override {
    EXPECT_EQ(g.instances, 0);
    EXPECT_EQ(g.tapes, 0);
    EXPECT_EQ(g.tensors, 0);
    EXPECT_EQ(g.warps, 0);
    EXPECT_EQ(g.bands, 0);
  }
  LoadedComponent component(Kind kind) {
    static const osteon_model_api model = model_api();
    static const osteon_loss_api loss = loss_api();
    static const osteon_augmentation_api augmentation = augmentation_api();
    static const osteon_postprocessor_api post = postprocessor_api();
    static const osteon_ensembler_api ensembler = ensembler_api();
    const void* const apis[] = {&model, &loss, &augmentation, &post, &ensembler};
    raw_.struct_size = sizeof raw_;
    raw_.api = apis[static_cast<std::size_t>(kind)];
    LoadedComponent loaded;
    loaded.component = &raw_;
    loaded.schema.name = "fake";
    loaded.schema.kind = kind;
    return loaded;
  }
  Model model() { return {component(Kind::kModel), {}, kClasses, 3, 1, call_}; }
  osteon_component raw_{};
  const Call call_;
  std::int64_t shape_[4] = {1, 3, 5, 8}, strides_[4] = {120, 40, 8, 1};
  float pixels_[120] = {};
  osteon_tensor_view input_ = {pixels_, {OSTEON_DEVICE_CPU, 0}, 4, kFloat, shape_, strides_, 0};
};

// The code and text of what was thrown.
template <class F>
std::pair<ExitCode, std::string> thrown(const F& function) {
  try {
    function();
  } catch (const Error& e) {
    return {e.code(), e.what()};
  }
  return {ExitCode::kDone, "nothing was thrown"};
}
#define EXPECT_MISBEHAVED(statement, part)                \
  do {                                                    \
    const auto [code, text] = thrown([&] { statement; }); \
    EXPECT_EQ(code, ExitCode::kPlugin);                   \
    EXPECT_THAT(text, HasSubstr(" 'fake'"));              \
    EXPECT_THAT(text, HasSubstr(part));                   \
  } while (false)

TEST_F(Handles, WorkWithComponentsThatKeepTheirPromises) {
  Model m = model();
  EXPECT_EQ(sdk::shape_text(m.infer(call_.raw(), input_, {}).view()), "[1, 2, 3, 4]");
  const Model::TrainingResult result = m.forward(call_, input_, {});
  EXPECT_EQ(g.tapes, 1);
  EXPECT_EQ(m.tensors().size(), 1u);
}

TEST_F(Handles, RefuseAnInstanceThatIsNone) {
  g.gives_instance = false;
  EXPECT_MISBEHAVED(model(), "create: returned OK without a model");
  EXPECT_MISBEHAVED(Loss(component(Kind::kLoss), {}, kClasses, call_), "without a loss");
  EXPECT_MISBEHAVED(Augmentation(component(Kind::kAugmentation), {}, kClasses, call_), "without an augmentation");
  EXPECT_MISBEHAVED(Postprocessor(component(Kind::kPostprocessor), {}, kClasses, call_), "without a post-processor");
  EXPECT_MISBEHAVED(Ensembler(component(Kind::kEnsembler), {}, kClasses, {"m"}, call_), "without an ensembler");
}

TEST_F(Handles, DestroyAnInstanceWhoseInfoIsNoGood) {
  g.gives_info = false;
  EXPECT_MISBEHAVED(model(), "info");
  EXPECT_MISBEHAVED(Augmentation(component(Kind::kAugmentation), {}, kClasses, call_), "info");
  EXPECT_MISBEHAVED(Postprocessor(component(Kind::kPostprocessor), {}, kClasses, call_), "info");
  EXPECT_MISBEHAVED(Ensembler(component(Kind::kEnsembler), {}, kClasses, {"m"}, call_), "info");
  g.gives_info = true;
  g.n_classes = 5;
  EXPECT_MISBEHAVED(model(), "other channels or classes");
  g.n_classes = 2;
  g.stride_of_output = 0;
  EXPECT_MISBEHAVED(model(), "no name or no stride");
  g.way = 3;
  EXPECT_MISBEHAVED(Augmentation(component(Kind::kAugmentation), {}, kClasses, call_), "neither geometric");
  g.way = OSTEON_AUGMENTATION_PHOTOMETRIC;  // without apply
  EXPECT_MISBEHAVED(Augmentation(component(Kind::kAugmentation), {}, kClasses, call_), "neither geometric");
  g.fits = 1;  // without fit_*
  EXPECT_MISBEHAVED(Ensembler(component(Kind::kEnsembler), {}, kClasses, {"m"}, call_),
                    "without functions to fit with");
}

TEST_F(Handles, SayWhenAComponentCannotBeMade) {
  g.create = OSTEON_INVALID_ARGUMENT;
  const auto [code, text] = thrown([&] { model(); });
  EXPECT_EQ(code, ExitCode::kUsage);
  EXPECT_THAT(text, HasSubstr("model 'fake' cannot be made"));
}

TEST_F(Handles, RefuseOutputsThatAreNotWhatWasPromised) {
  const auto infer = [&] { model().infer(call_.raw(), input_, {}); };
  g.shape = {1, 2, 5, 8};
  EXPECT_MISBEHAVED(infer(), "gave a tensor of shape [1, 2, 5, 8] where [1, 2, 3, 4] was promised");
  g.shape = {1, 2, 3};
  EXPECT_MISBEHAVED(infer(), "[1, 2, 3]");
  g.shape = {};
  g.dtype = {OSTEON_DTYPE_FLOAT, 64, 1};
  EXPECT_MISBEHAVED(infer(), "float64");
  g.dtype = kFloat;
  g.byte_offset = 4;
  EXPECT_MISBEHAVED(infer(), "byte offset");
  g.byte_offset = 0;
  g.negative_stride = true;
  EXPECT_MISBEHAVED(infer(), "negative stride");
  g.negative_stride = false;
  g.gives_output = false;
  EXPECT_MISBEHAVED(infer(), "without giving a tensor");
}

TEST_F(Handles, RefuseOutputsOnAnotherDevice) {
  g.device = OSTEON_DEVICE_CUDA;
  const Model m = model();
  EXPECT_MISBEHAVED(m.infer(call_.raw(), input_, {}), "device");
}

TEST_F(Handles, RefusePredictionsOfAnotherShapeOrType) {
  const Postprocessor post(component(Kind::kPostprocessor), {}, kClasses, call_);
  osteon_predict_request request{};
  request.struct_size = sizeof request;
  request.form = OSTEON_FORM_PROBABILITIES;
  request.grid = OSTEON_GRID_IMAGE;
  std::int64_t shape[] = {4, 4, 1};
  osteon_image image{};
  image.pixels.shape = shape;
  const osteon_image* images[] = {&image};
  osteon_predictor inner{};
  inner.n_classes = 2;
  const auto process = [&] {
    osteon_prediction prediction{};
    prediction.struct_size = sizeof prediction;
    osteon_prediction* predictions[] = {&prediction};
    const auto outcome = thrown([&] { post.process(call_.raw(), inner, 1, images, request, predictions); });
    prediction.values.release(&prediction.values);
    return outcome;
  };
  EXPECT_THAT(process().second, HasSubstr("nothing was thrown"));
  shape[1] = 5;
  EXPECT_THAT(process().second, HasSubstr("[2, 4, 4] where [2, 4, 5]"));
  request.grid = OSTEON_GRID_MODEL;
  EXPECT_THAT(process().second, HasSubstr("nothing was thrown"));
  inner.n_classes = 3;
  EXPECT_THAT(process().second, HasSubstr("[2, 4, 4] where [3, any, any]"));
  inner.n_classes = 2;
  g.dtype = {OSTEON_DTYPE_FLOAT, 64, 1};
  EXPECT_THAT(process().second, HasSubstr("float64"));
}

TEST_F(Handles, RefuseCombinationsOfAnotherShapeOrType) {
  const Ensembler ensembler(component(Kind::kEnsembler), {}, kClasses, {"m"}, call_);
  osteon_band band{};
  band.n_classes = 2;
  band.height = 4;
  band.width = 5;
  EXPECT_MISBEHAVED(ensembler.begin(call_.raw(), band).finish(call_.raw()), "[2, 4, 4] where [2, 4, 5]");
  band.width = 4;
  EXPECT_FALSE(ensembler.begin(call_.raw(), band).finish(call_.raw()).empty());
  g.dtype = {OSTEON_DTYPE_FLOAT, 64, 1};
  EXPECT_MISBEHAVED(ensembler.begin(call_.raw(), band).finish(call_.raw()), "float64");
}

TEST_F(Handles, RefuseParametersWithoutGradients) {
  g.gives_gradient = false;
  EXPECT_MISBEHAVED(model().tensors(), "gradient");
  g.role = OSTEON_TENSOR_BUFFER;
  EXPECT_EQ(model().tensors().size(), 1u);
}

TEST_F(Handles, ReleaseTheTapeOfATrainingForwardThatIsRefused) {
  g.shape = {9};
  EXPECT_MISBEHAVED(model().forward(call_, input_, {}), "[9]");
  g.shape = {};
  g.gives_tape = false;
  EXPECT_MISBEHAVED(model().forward(call_, input_, {}), "no tape in training");
}

TEST_F(Handles, RefuseParametersThatNobodyCouldTrain) {
  g.role = 7;
  EXPECT_MISBEHAVED(model().tensors(), "unknown role");
  g.role = OSTEON_TENSOR_PARAMETER;
  g.dtype = {OSTEON_DTYPE_FLOAT, 16, 1};
  EXPECT_MISBEHAVED(model().tensors(), "parameter 'w' is not float32");
  g.role = OSTEON_TENSOR_BUFFER;
  EXPECT_EQ(model().tensors().at(0).grad, nullptr);
}

TEST_F(Handles, TakeNamesOfWeightsThatAreInTheFile) {
  raw_.extension = model_extension;
  const Model m = model();
  EXPECT_EQ(m.weight_dialects(), std::vector<std::string>{"theirs"});
  const std::vector<WeightEntry> file = {{"a", {4, 3}}, {"b", {}}};
  const auto translated = [&](std::uint64_t entry, std::int64_t first, std::int64_t rows, const char* target) {
    g.part = {sizeof g.part, 0, entry, first, rows, target};
    return m.translate_weights(0, file);
  };
  const std::vector<WeightPart> parts = translated(0, 1, 3, "w");
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].entry, 0u);
  EXPECT_EQ(parts[0].first_row, 1);
  EXPECT_EQ(parts[0].n_rows, 3);
  EXPECT_EQ(parts[0].target, "w");
  EXPECT_EQ(translated(1, 0, 1, nullptr)[0].target, std::nullopt);
  EXPECT_MISBEHAVED(translated(2, 0, 1, "w"), "translate: names entry 2 of 2");
  EXPECT_MISBEHAVED(translated(0, 2, 3, "w"), "takes 3 rows from row 2 of 'a', which has 4");
  EXPECT_MISBEHAVED(translated(0, -1, 1, "w"), "from row -1");
  EXPECT_MISBEHAVED(translated(0, 1, INT64_MAX, "w"), "of 'a', which has 4");
  EXPECT_MISBEHAVED(translated(1, 0, 2, "w"), "of 'b', which has 1");
  g.part.flags = 1;
  EXPECT_MISBEHAVED(m.translate_weights(0, file), "unknown flags");
  g.dialect = nullptr;
  EXPECT_MISBEHAVED(m.weight_dialects(), "a dialect without a name");
  raw_.extension = nullptr;
  EXPECT_TRUE(m.weight_dialects().empty());
}

TEST_F(Handles, EndWarpsThatTheyRefuse) {
  const Augmentation augmentation(component(Kind::kAugmentation), {}, kClasses, call_);
  const osteon_random_key key{{1, 2}};
  const auto sample = [&] { augmentation.sample_warp(call_, key, 8, 8); };
  sample();
  g.warp = [](osteon_warp& warp) { warp.height = 0; };
  EXPECT_MISBEHAVED(sample(), "an empty output");
  g.warp = [](osteon_warp& warp) { warp.kind = OSTEON_WARP_FREE; };  // without map_points
  EXPECT_MISBEHAVED(sample(), "a kind of warp that it has no functions for");
  g.warp = [](osteon_warp& warp) { warp.kind = 99; };
  EXPECT_MISBEHAVED(sample(), "a kind of warp");
  g.warp = [](osteon_warp& warp) { warp.border = 0; };
  EXPECT_MISBEHAVED(sample(), "an unknown border");
}

TEST_F(Handles, PresetTheWarpToTheIdentityOnTheInputsSize) {
  const Augmentation augmentation(component(Kind::kAugmentation), {}, kClasses, call_);
  const Augmentation::Warp warp = augmentation.sample_warp(call_, {{1, 2}}, 6, 8);
  EXPECT_EQ(warp.get().height, 6);
  EXPECT_EQ(warp.get().width, 8);
  const double identity[] = {1, 0, 0, 0, 1, 0};
  EXPECT_EQ(std::memcmp(warp.get().matrix, identity, sizeof identity), 0);
}

TEST_F(Handles, RefusePredictionsOfAnotherForm) {
  const Postprocessor post(component(Kind::kPostprocessor), {}, kClasses, call_);
  osteon_predict_request request{};
  request.struct_size = sizeof request;
  request.form = OSTEON_FORM_LOGITS;
  osteon_prediction prediction{};
  prediction.struct_size = sizeof prediction;
  osteon_prediction* predictions[] = {&prediction};
  const osteon_image image{};
  const osteon_image* images[] = {&image};
  const osteon_predictor inner{};
  const auto process = [&] { post.process(call_.raw(), inner, 1, images, request, predictions); };
  EXPECT_MISBEHAVED(process(), "gave form 2 where 1 was asked for");
  prediction.values.release(&prediction.values);
  prediction = {};
  request.form = OSTEON_FORM_PROBABILITIES;
  g.gives_output = false;
  EXPECT_MISBEHAVED(process(), "gave no [K, H, W] tensor");
}

TEST_F(Handles, DropBandsThatAreNotFinished) {
  const Ensembler ensembler(component(Kind::kEnsembler), {}, kClasses, {"m"}, call_);
  osteon_band band{};
  band.n_classes = 2;
  band.height = band.width = 4;
  {
    const auto accumulation = ensembler.begin(call_.raw(), band);
    EXPECT_EQ(g.bands, 1);
  }
  EXPECT_EQ(g.bands, 0);
  auto finished = ensembler.begin(call_.raw(), band);
  EXPECT_FALSE(finished.finish(call_.raw()).empty());
  auto nothing = ensembler.begin(call_.raw(), band);
  g.gives_output = false;
  EXPECT_MISBEHAVED(nothing.finish(call_.raw()), "without a tensor");
  EXPECT_MISBEHAVED(ensembler.begin(call_.raw(), band), "without an accumulation");
}

}  // namespace
}  // namespace osteon::plugin
