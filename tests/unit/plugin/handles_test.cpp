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
#include <osteon/sdk/known.hpp>
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
  bool gives_gradient = true, trained = false, has_presence = false, keeps_its_memory = false;
  std::vector<std::int64_t> shape;  // of the output; empty: what was promised
  std::int64_t n_classes = 2, channels = 2;
  std::int64_t stride_of_output = 2;
  std::uint32_t output_role = OSTEON_OUTPUT_MAIN, output_flags = 0, tensor_flags = 0, part = OSTEON_PART_HEAD;
  std::uint32_t output_size = sizeof(osteon_model_output);
  const char* output_name = "main";
  std::vector<std::uint64_t> ready;  // what backward says is complete
  std::uint64_t byte_offset = 0;
  std::optional<std::int64_t> last_stride;  // of tensors that are given
  std::uint32_t role = OSTEON_TENSOR_PARAMETER;
  std::uint32_t way = OSTEON_AUGMENTATION_GEOMETRIC;
  std::function<void(osteon_warp&)> warp;
  std::uint32_t form = OSTEON_FORM_PROBABILITIES;
  std::uint32_t ensembler_flags = 0;
  osteon_weight_part weight_part{};  // what is said of every file of weights
  const char* dialect = "theirs";
  int instances = 0, tapes = 0, tensors = 0, warps = 0, bands = 0;
};
Behaviour g;
float* g_bound = nullptr;  // where the value of "w" was bound to

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
      call->allocate(call, OSTEON_MEMORY_DEVICE, g.dtype, static_cast<std::int32_t>(shape.size()), shape.data(), &counted->inner, nullptr);
  if (status != OSTEON_OK) return status;
  out->view = counted->inner.view;
  out->view.byte_offset = g.byte_offset;
  out->view.device.type = g.device;
  if (g.last_stride) out->view.strides[out->view.ndim - 1] = *g.last_stride;
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
    static osteon_model_output output, presence;
    static const osteon_model_output* const outputs[] = {&output, &presence};
    static osteon_model_info info;
    output = sdk::sized<osteon_model_output>();
    output.struct_size = g.output_size;
    output.flags = g.output_flags;
    output.role = g.output_role;
    output.name = g.output_name;
    output.loss_weight = 1;
    output.stride = g.stride_of_output;
    output.channels = g.channels;
    presence = sdk::sized<osteon_model_output>();
    presence.role = OSTEON_OUTPUT_PRESENCE;
    presence.name = "presence";
    presence.channels = 2;
    info = sdk::sized<osteon_model_info>();
    info.in_channels = 3;
    info.n_classes = g.n_classes;
    info.size_multiple = 1;
    info.n_outputs = g.has_presence ? 2 : 1;
    info.outputs = outputs;
    return g.gives_info ? &info : nullptr;
  };
  api.tensors = [](const osteon_call*, osteon_model*, std::uint64_t* count, const osteon_named_tensor* const** out,
                   osteon_error*) {
    static std::int64_t one = 1;
    static float value[16], grad[16];
    static osteon_named_tensor tensor;
    static const osteon_named_tensor* const list[] = {&tensor};
    tensor = sdk::sized<osteon_named_tensor>();
    tensor.flags = g.tensor_flags;
    tensor.role = g.role;
    tensor.part = g.part;
    tensor.depth = -1;
    tensor.name = "w";
    tensor.value = {g_bound != nullptr ? g_bound : value, {1, 0}, 1, g.dtype, &one, &one, 0};
    tensor.grad = {g.trained && g.gives_gradient ? grad : nullptr, {1, 0}, 1, kFloat, &one, &one, 0};
    *count = 1;
    *out = list;
    return osteon_status{OSTEON_OK};
  };
  api.set_trainable = [](const osteon_call*, osteon_model*, std::uint64_t count, const std::uint64_t*, osteon_error*) {
    g.trained = count > 0;
    return osteon_status{OSTEON_OK};
  };
  api.bind = [](const osteon_call*, osteon_model*, std::uint64_t, const std::uint64_t*,
                const osteon_tensor_view* const* values, const osteon_tensor_view* const*, osteon_error*) {
    if (!g.keeps_its_memory) g_bound = static_cast<float*>(values[0]->data);
    return osteon_status{OSTEON_OK};
  };
  api.forward = [](const osteon_call* call, osteon_model*, const osteon_forward_options* options,
                   const osteon_tensor_view* input, std::uint64_t n_outputs, osteon_tensor* const* outputs,
                   osteon_tape** tape, osteon_error*) {
    if (options->mode == OSTEON_MODE_TRAINING && g.gives_tape) {
      ++g.tapes;
      *tape = reinterpret_cast<osteon_tape*>(&g);
    }
    if (n_outputs == 2) give_tensor(call, {input->shape[0], 2, 1, 1}, outputs[1]);
    return give_tensor(call, {input->shape[0], 2, (input->shape[2] + 1) / 2, (input->shape[3] + 1) / 2}, outputs[0]);
  };
  api.backward = [](const osteon_call*, osteon_model*, osteon_tape*, std::uint64_t, const osteon_tensor_view* const*,
                    osteon_gradient_ready ready, void* user, osteon_tensor*, osteon_error*) {
    for (const std::uint64_t index : g.ready)
      if (ready != nullptr) ready(user, index, nullptr);
    return osteon_status{OSTEON_OK};
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
             part(user, &g.weight_part);
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
    info = sdk::sized<osteon_augmentation_info>();
    info.way = g.way;
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
    static osteon_postprocessor_info info;
    info = sdk::sized<osteon_postprocessor_info>();
    info.shape = OSTEON_POSTPROCESSOR_MAP;
    info.needs_forms = info.gives_forms = OSTEON_SET(OSTEON_FORM_PROBABILITIES);
    info.needs_grids = info.gives_grids = OSTEON_SET(OSTEON_GRID_IMAGE);
    return g.gives_info ? &info : nullptr;
  };
  api.process = [](const osteon_call* call, const osteon_postprocessor*, const osteon_predictor*, std::uint64_t,
                   const osteon_image* const*, const osteon_predict_request*, osteon_prediction* const* predictions,
                   osteon_error*) {
    predictions[0]->form = g.form;
    predictions[0]->to_image[0] = predictions[0]->to_image[4] = 1;
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
    info = sdk::sized<osteon_ensembler_info>();
    info.flags = g.ensembler_flags;
    info.takes = info.gives = OSTEON_FORM_PROBABILITIES;
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
  void SetUp() override {
    g = {};
    g_bound = nullptr;
  }
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
  g.has_presence = true;
  g.tensor_flags = OSTEON_TENSOR_NO_DECAY;
  Model m = model();
  EXPECT_EQ(sdk::shape_text(m.infer(call_.raw(), input_, {}).view()), "[1, 2, 3, 4]");
  const std::vector<sdk::OwnedTensor> all = m.infer_all(call_.raw(), input_, {});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(sdk::shape_text(all[1].view()), "[1, 2, 1, 1]");
  EXPECT_EQ(m.outputs()[1].role, OSTEON_OUTPUT_PRESENCE);
  EXPECT_EQ(m.outputs()[1].stride, 0);
  EXPECT_EQ(m.outputs()[0].channels, 2);
  ASSERT_EQ(m.tensors(call_).size(), 1u);
  EXPECT_EQ(m.tensors(call_)[0].grad, nullptr);
  EXPECT_EQ(m.tensors(call_)[0].part, OSTEON_PART_HEAD);
  EXPECT_EQ(m.tensors(call_)[0].depth, -1);
  EXPECT_FALSE(m.tensors(call_)[0].decays);
  m.set_trainable(call_, {0});
  EXPECT_NE(m.tensors(call_)[0].grad, nullptr);
  const Model::TrainingResult result = m.forward(call_, input_, {});
  EXPECT_EQ(g.tapes, 1);
  alignas(64) float memory[16];
  const sdk::BorrowedTensor place(memory, {1});
  m.bind(call_, {0}, {place}, {});
  EXPECT_EQ(m.tensors(call_)[0].value->data, memory);
}

TEST_F(Handles, HearOfGradientsThatAreComplete) {
  Model m = model();
  std::vector<std::uint64_t> heard;
  g.ready = {0};
  m.backward(call_, {}, {}, nullptr, [&](std::uint64_t index, void*) { heard.push_back(index); });
  EXPECT_EQ(heard, std::vector<std::uint64_t>{0});
  // What the receiver throws does not pass through the plugin, and is not lost.
  EXPECT_THROW(m.backward(call_, {}, {}, nullptr, [](std::uint64_t, void*) { throw Interrupted(); }), Interrupted);
  g.ready = {0, 1};
  EXPECT_MISBEHAVED(m.backward(call_, {}, {}, nullptr, [](std::uint64_t, void*) {}), "a tensor that there is not");
  m.backward(call_, {}, {});
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
  EXPECT_MISBEHAVED(model(), "stride 0, which is 0 for presence and positive else");
  g.stride_of_output = 2;
  g.output_name = "";
  EXPECT_MISBEHAVED(model(), "an output has no name");
  g.output_name = "main";
  g.output_role = 9;
  EXPECT_MISBEHAVED(model(), "the role 9, which is unknown here");
  g.output_role = OSTEON_OUTPUT_AUXILIARY;
  EXPECT_MISBEHAVED(model(), "the first output is the main one");
  g.output_role = OSTEON_OUTPUT_MAIN;
  g.channels = 3;
  EXPECT_MISBEHAVED(model(), "3 channels for 2 classes");
  g.channels = 2;
  g.has_presence = true;
  g.output_name = "presence";
  EXPECT_MISBEHAVED(model(), "two outputs are called 'presence'");
  g.has_presence = false;
  g.output_name = "main";
  g.output_flags = 1u << 7;
  EXPECT_MISBEHAVED(model(), "an output has flags 0x0080 that must be understood");
  g.output_flags = 1u << 30;  // may be ignored
  EXPECT_EQ(model().outputs().size(), 1u);
  g.output_size = 40;
  EXPECT_MISBEHAVED(model(), "an output is 40 bytes long, at least 48 were expected");
  g.output_size = sizeof(osteon_model_output);
  g.way = 3;
  EXPECT_MISBEHAVED(Augmentation(component(Kind::kAugmentation), {}, kClasses, call_), "neither geometric");
  g.way = OSTEON_AUGMENTATION_PHOTOMETRIC;  // without apply
  EXPECT_MISBEHAVED(Augmentation(component(Kind::kAugmentation), {}, kClasses, call_), "neither geometric");
  g.ensembler_flags = OSTEON_ENSEMBLER_FITS;
  EXPECT_MISBEHAVED(Ensembler(component(Kind::kEnsembler), {}, kClasses, {"m"}, call_),
                    "says that it fits, and has no osteon.fit/1");
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
  // Of three rows of four: backwards, four times the first, every second one.
  g.last_stride = -1;
  EXPECT_MISBEHAVED(infer(), "negative stride");
  for (const std::int64_t stride : {0, 2}) {
    g.last_stride = stride;
    EXPECT_MISBEHAVED(infer(), "not contiguous");
    EXPECT_MISBEHAVED(model().infer_all(call_.raw(), input_, {}), "not contiguous");
    EXPECT_MISBEHAVED(model().forward(call_, input_, {}), "not contiguous");
  }
  g.last_stride.reset();
  g.gives_output = false;
  EXPECT_MISBEHAVED(infer(), "without giving a tensor");
}

TEST_F(Handles, RefuseLogitsOfATypeThatThePrecisionDoesNotHave) {
  const Model m = model();
  Model::ForwardOptions options;
  const auto gives = [&](osteon_dtype type, std::uint32_t precision) {
    g.dtype = type;
    options.precision = precision;
    return thrown([&] { m.infer(call_.raw(), input_, options); }).second;
  };
  constexpr osteon_dtype kHalf = {OSTEON_DTYPE_FLOAT, 16, 1}, kBfloat = {OSTEON_DTYPE_BFLOAT, 16, 1};
  for (const std::uint32_t precision : {OSTEON_PRECISION_FLOAT32, OSTEON_PRECISION_TF32}) {
    EXPECT_EQ(gives(kFloat, precision), "nothing was thrown");
    EXPECT_THAT(gives(kHalf, precision), HasSubstr("gave a tensor of float16"));
    EXPECT_THAT(gives(kBfloat, precision), HasSubstr("gave a tensor of bfloat16"));
  }
  EXPECT_EQ(gives(kHalf, OSTEON_PRECISION_FLOAT16), "nothing was thrown");
  EXPECT_EQ(gives(kBfloat, OSTEON_PRECISION_BFLOAT16), "nothing was thrown");
  EXPECT_EQ(gives(kFloat, OSTEON_PRECISION_BFLOAT16), "nothing was thrown");
  EXPECT_THAT(gives(kHalf, OSTEON_PRECISION_BFLOAT16), HasSubstr("float16"));
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

TEST_F(Handles, RefuseGradientsOfOtherThanWhatIsTrained) {
  g.gives_gradient = false;
  EXPECT_MISBEHAVED(model().set_trainable(call_, {0}), "'w' is trained and has no gradient");
  g.gives_gradient = true;
  EXPECT_MISBEHAVED(model().tensors(call_), "'w' has a gradient and is not trained");
}

TEST_F(Handles, RefuseAModelThatDoesNotUseTheMemoryThatItTook) {
  g.keeps_its_memory = true;
  alignas(64) float memory[16];
  const sdk::BorrowedTensor place(memory, {1});
  EXPECT_MISBEHAVED(model().bind(call_, {0}, {place}, {}), "'w' does not lie in the memory that it was given");
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
  EXPECT_MISBEHAVED(model().tensors(call_), "unknown role");
  g.role = OSTEON_TENSOR_PARAMETER;
  g.part = 4;
  EXPECT_MISBEHAVED(model().tensors(call_), "'w' is of part 4, which is unknown here");
  g.part = OSTEON_PART_UNKNOWN;
  g.tensor_flags = 1;
  EXPECT_MISBEHAVED(model().tensors(call_), "flags 0x0001 that must be understood");
  g.tensor_flags = 1u << 25;
  EXPECT_TRUE(model().tensors(call_).at(0).decays);
  g.dtype = {OSTEON_DTYPE_FLOAT, 16, 1};
  EXPECT_MISBEHAVED(model().tensors(call_), "parameter 'w' is not float32");
  g.role = OSTEON_TENSOR_BUFFER;
  EXPECT_EQ(model().tensors(call_).at(0).grad, nullptr);
}

TEST_F(Handles, TakeNamesOfWeightsThatAreInTheFile) {
  raw_.extension = model_extension;
  const Model m = model();
  EXPECT_EQ(m.weight_dialects(), std::vector<std::string>{"theirs"});
  const std::vector<WeightEntry> file = {{"a", {4, 3}}, {"b", {}}};
  const auto translated = [&](std::uint64_t entry, std::int64_t first, std::int64_t rows, const char* target) {
    g.weight_part = {sizeof g.weight_part, 0, entry, first, rows, target};
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
  g.weight_part.flags = 1;
  EXPECT_MISBEHAVED(m.translate_weights(0, file), "a part has flags 0x0001");
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
  prediction = sdk::sized<osteon_prediction>();
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
