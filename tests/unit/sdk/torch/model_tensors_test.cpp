// SPDX-License-Identifier: Apache-2.0
// A model's tensors as the host sees them: which have gradients, where they lie, what is said of them.
#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "toys.hpp"

namespace osteon::sdk {
namespace {

using ::testing::HasSubstr;

/// Two convolutions with normalisation in between, and a buffer that is a bool.
struct Deeper : nn::Module {
  using Params = NoParams;
  Deeper(const Params&, const ModelRequest& request)
      : stem(register_module("stem", nn::Conv2d(nn::Conv2dOptions(request.in_channels, 4, 3).padding(1)))),
        norm(register_module("norm", nn::BatchNorm2d(4))),
        head(register_module("head", nn::Conv2d(nn::Conv2dOptions(4, request.n_classes, 1)))),
        mirrored(register_buffer("mirrored", at::tensor({0, 1, 0}, at::kByte).to(at::kBool))) {}
  at::Tensor forward(const at::Tensor& x) {
    const at::Tensor y = head(at::relu(norm(stem(x))));
    return at::where(mirrored.view({1, 3, 1, 1}), -y, y);
  }
  nn::Conv2d stem;
  nn::BatchNorm2d norm;
  nn::Conv2d head;
  at::Tensor mirrored;
};

/// Gradients of one training step on the ramp; what was there before is zeroed.
void step(ModelUnderTest& model) {
  model.zero_grads();
  ModelUnderTest::Step step(model, ramp(2));
  step.backward({ramp(3)});
}

std::vector<std::string> trained(const ModelUnderTest& model) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < model.tensors().size(); ++i)
    if (model.is_trained(i)) names.emplace_back(model.tensors()[i]->name);
  return names;
}

TEST(TorchTensors, HaveNoGradientsUntilTheHostTrainsThem) {
  const auto model = make<Deeper>();
  model->infer(RecordingCall(), ramp(2));
  EXPECT_TRUE(trained(*model).empty());
  const osteon_named_tensor& weight = *model->tensors()[model->index_of("stem.weight")];
  EXPECT_EQ(shape_text(weight.grad), "[4, 2, 3, 3]");
  EXPECT_EQ(weight.grad.dtype, dtype_of<float>());
  // A training forward before the choice is a mistake of the host's.
  const TorchView input(ramp(2));
  auto options = sized<osteon_forward_options>();
  options.mode = OSTEON_MODE_TRAINING;
  OwnedTensor output;
  osteon_tensor* const outputs[] = {output.out()};
  osteon_tape* tape = nullptr;
  const RecordingCall call;
  const auto [status, text] = failure([&] {
    check([&](osteon_error* e) {
      return model->api().forward(call.raw(), model->get(), &options, input, 1, outputs, &tape, e);
    });
  });
  EXPECT_EQ(status, OSTEON_INVALID_ARGUMENT);
  EXPECT_THAT(text, HasSubstr("set_trainable"));
}

TEST(TorchTensors, HaveGradientsExactlyWhileTheyAreTrained) {
  const auto model = make<Deeper>();
  const std::uint64_t weight = model->index_of("head.weight"), bias = model->index_of("head.bias");
  model->set_trainable({weight, bias});
  EXPECT_EQ(trained(*model), (std::vector<std::string>{"head.weight", "head.bias"}));
  EXPECT_EQ(model->all_grads().abs().max().item<float>(), 0);
  step(*model);
  const at::Tensor kept = model->grad("head.weight").clone();
  EXPECT_GT(kept.abs().max().item<float>(), 0);
  // One goes, one stays as it is, one comes.
  model->set_trainable({weight, model->index_of("stem.bias")});
  EXPECT_EQ(trained(*model), (std::vector<std::string>{"stem.bias", "head.weight"}));
  EXPECT_TRUE(model->grad("head.weight").equal(kept));
  EXPECT_EQ(model->grad("stem.bias").abs().max().item<float>(), 0);
  model->set_trainable({});
  EXPECT_TRUE(trained(*model).empty());
  ModelUnderTest::Step(*model, ramp(2)).backward({ramp(3)});  // a step in which nothing learns is one
}

TEST(TorchTensors, StayAsTheyWereWhenTheChoiceIsRefused) {
  const auto model = make<Deeper>();
  model->set_trainable({model->index_of("head.weight")});
  for (const std::uint64_t wrong : {std::uint64_t{model->index_of("mirrored")}, std::uint64_t{99}})
    EXPECT_EQ(failure([&] {
                model->set_trainable({model->index_of("stem.weight"), wrong});
              }).first,
              OSTEON_INVALID_ARGUMENT);
  EXPECT_EQ(trained(*model), std::vector<std::string>{"head.weight"});
}

/// One block of memory in which all tensors of a model lie one after the other, each aligned to 64 bytes: values in the
/// first half, gradients in the second.
class FlatBlock {
 public:
  explicit FlatBlock(const ModelUnderTest& model) {
    std::size_t size = 0;
    for (const osteon_named_tensor* t : model.tensors()) {
      offsets_.push_back(size);
      size += (static_cast<std::size_t>(element_count(t->value)) * (t->value.dtype.bits / 8u) + 63) / 64 * 64;
    }
    memory_.reset(static_cast<std::byte*>(std::aligned_alloc(64, 2 * size)));
    std::memset(memory_.get(), 0, 2 * size);
    size_ = size;
    for (std::size_t i = 0; i < model.tensors().size(); ++i) {
      const osteon_tensor_view& value = model.tensors()[i]->value;
      const std::vector<std::int64_t> shape(value.shape, value.shape + value.ndim);
      views_.emplace_back(memory_.get() + offsets_[i], value.dtype, shape);
      views_.emplace_back(memory_.get() + size_ + offsets_[i], dtype_of<float>(), shape);
      indices.push_back(i);
    }
    for (std::size_t i = 0; i < indices.size(); ++i) {
      values.push_back(views_[2 * i]);
      grads.push_back(model.is_trained(i) ? static_cast<const osteon_tensor_view*>(views_[2 * i + 1]) : nullptr);
    }
  }
  void fill(int byte) { std::memset(memory_.get(), byte, 2 * size_); }
  bool contains(const void* data) const { return data >= memory_.get() && data < memory_.get() + 2 * size_; }

  std::vector<std::uint64_t> indices;
  std::vector<const osteon_tensor_view*> values, grads;

 private:
  struct Free {
    void operator()(std::byte* memory) const { std::free(memory); }
  };
  std::unique_ptr<std::byte, Free> memory_;
  std::size_t size_ = 0;
  std::vector<std::size_t> offsets_;
  std::vector<BorrowedTensor> views_;
};

TEST(TorchTensors, WorkInMemoryOfTheHosts) {
  const auto model = make<Deeper>(), plain = make<Deeper>();
  model->train_all();
  FlatBlock block(*model);
  model->bind(block.indices, block.values, block.grads);
  for (std::size_t i = 0; i < block.indices.size(); ++i) {
    EXPECT_EQ(model->tensors()[i]->value.data, block.values[i]->data) << model->tensors()[i]->name;
    if (block.grads[i] != nullptr) {
      EXPECT_EQ(model->tensors()[i]->grad.data, block.grads[i]->data);
    }
  }
  for (int i = 0; i < 2; ++i) {
    step(*plain);
    step(*model);  // and verify() finds everything where the host believes it to be
    EXPECT_TRUE(model->all_grads().equal(plain->all_grads()));
    EXPECT_TRUE(model->value("norm.running_mean").equal(plain->value("norm.running_mean")));
    for (ModelUnderTest* m : {model.get(), plain.get()}) {
      m->value("stem.weight").sub_(m->grad("stem.weight"));  // an optimizer, in the block
      m->api().parameters_changed(m->get(), 1);
    }
    EXPECT_TRUE(model->infer(RecordingCall(), ramp(2)).equal(plain->infer(RecordingCall(), ramp(2))));
  }
  // The block is all that there is: what is written there is what the network computes with.
  model->value("mirrored").logical_not_();
  EXPECT_TRUE(model->infer(RecordingCall(), ramp(2)).neg().equal(plain->infer(RecordingCall(), ramp(2))));
}

TEST(TorchTensors, LeaveTheHostsMemoryWhenTheyMove) {
  const auto model = make<Deeper>();
  model->train_all();
  FlatBlock block(*model);
  model->bind(block.indices, block.values, block.grads);
  step(*model);
  const at::Tensor values = model->value("stem.weight").clone(), grads = model->all_grads().clone();
  const at::Tensor logits = model->infer(RecordingCall(), ramp(2));
  model->move({OSTEON_DEVICE_CPU, 0});
  block.fill(0x7f);
  for (const osteon_named_tensor* t : model->tensors()) {
    EXPECT_FALSE(block.contains(t->value.data)) << t->name;
    EXPECT_FALSE(block.contains(t->grad.data)) << t->name;
  }
  EXPECT_TRUE(model->value("stem.weight").equal(values));
  EXPECT_TRUE(model->all_grads().equal(grads));
  EXPECT_TRUE(model->infer(RecordingCall(), ramp(2)).equal(logits));
}

TEST(TorchTensors, AreBoundOneByOne) {
  const auto model = make<Deeper>();
  model->set_trainable({model->index_of("head.weight")});
  FlatBlock block(*model);
  const std::uint64_t head = model->index_of("head.weight"), stem = model->index_of("stem.weight");
  const void* const stem_before = model->tensors()[stem]->value.data;
  model->bind({head}, {}, {block.grads[head]});
  EXPECT_FALSE(block.contains(model->tensors()[head]->value.data));
  EXPECT_TRUE(block.contains(model->tensors()[head]->grad.data));
  model->bind({stem, head}, {nullptr, block.values[head]}, {});
  EXPECT_EQ(model->tensors()[stem]->value.data, stem_before);
  EXPECT_TRUE(block.contains(model->tensors()[head]->value.data));
  EXPECT_TRUE(block.contains(model->tensors()[head]->grad.data));
  // What is trained anew has a gradient of its own, and the value stays where it is.
  model->set_trainable({stem});
  model->set_trainable({stem, head});
  EXPECT_FALSE(block.contains(model->tensors()[head]->grad.data));
  EXPECT_TRUE(block.contains(model->tensors()[head]->value.data));
}

TEST(TorchTensors, StayWhereTheyAreWhenTheirNewPlaceDoesNotFit) {
  const auto model = make<Deeper>();
  model->set_trainable({model->index_of("head.weight")});
  FlatBlock block(*model);
  const std::uint64_t head = model->index_of("head.weight"), stem = model->index_of("stem.weight");
  alignas(64) float memory[64] = {};
  const BorrowedTensor other_shape(memory, {3, 4}), misaligned(memory + 1, {3, 4, 1, 1});
  const BorrowedTensor other_type(reinterpret_cast<std::int32_t*>(memory), {3, 4, 1, 1});
  std::int64_t shape[] = {3, 4, 1, 1}, gaps[] = {8, 2, 1, 1};
  osteon_tensor_view strided = misaligned.view(), elsewhere = *block.values[head];
  strided.data = memory;
  strided.shape = shape;
  strided.strides = gaps;
  elsewhere.device = {OSTEON_DEVICE_CUDA, 0};
  const auto refusal = [&](std::uint64_t index, const osteon_tensor_view* value, const osteon_tensor_view* grad) {
    // Behind one that fits.
    const auto [status, text] = failure([&] {
      model->bind({model->index_of("stem.bias"), index}, {block.values[model->index_of("stem.bias")], value},
                  {nullptr, grad});
    });
    EXPECT_EQ(status, OSTEON_INVALID_ARGUMENT) << text;
    for (const osteon_named_tensor* t : model->tensors()) EXPECT_FALSE(block.contains(t->value.data)) << t->name;
    return text;
  };
  EXPECT_THAT(refusal(head, other_shape, nullptr),
              HasSubstr("the value of 'head.weight' would be bound to float32 [3, 4]"));
  EXPECT_THAT(refusal(head, other_type, nullptr), HasSubstr("int32"));
  EXPECT_THAT(refusal(head, misaligned, nullptr), HasSubstr("64 bytes"));
  EXPECT_THAT(refusal(head, &strided, nullptr), HasSubstr("not contiguous"));
  EXPECT_THAT(refusal(head, nullptr, other_shape), HasSubstr("the gradient of 'head.weight'"));
  EXPECT_THAT(refusal(stem, nullptr, block.values[stem]), HasSubstr("'stem.weight' is not trained"));
  EXPECT_THAT(refusal(99, nullptr, nullptr), HasSubstr("no tensor 99"));
  EXPECT_THAT(refusal(model->index_of("stem.bias"), nullptr, nullptr), HasSubstr("bound twice"));
  EXPECT_NE(failure([&] { model->bind({head}, {&elsewhere}, {}); }).first, OSTEON_OK);
  const ModelUnderTest::Step step(*model, ramp(2));
  EXPECT_THAT(failure([&] { model->bind({head}, {block.values[head]}, {}); }).second, HasSubstr("tapes"));
}

TEST(TorchTensors, ReportTheirGradientsWithTheStream) {
  const auto model = make<Deeper>();
  const std::vector<std::uint64_t> chosen = {model->index_of("stem.weight"), model->index_of("head.bias")};
  model->set_trainable(chosen);
  struct Reports {
    std::vector<std::uint64_t> indices;
    bool no_stream = true;
  } reports;
  ModelUnderTest::Step step(*model, ramp(2));
  step.backward(
      {ramp(3)},
      [](void* user, std::uint64_t index, void* stream) {
        auto& r = *static_cast<Reports*>(user);
        r.indices.push_back(index);
        r.no_stream = r.no_stream && stream == nullptr;
      },
      &reports);
  std::sort(reports.indices.begin(), reports.indices.end());
  EXPECT_EQ(reports.indices, chosen);
  EXPECT_TRUE(reports.no_stream) << "the CPU has none";
}

struct KnowsItsParts : Deeper {
  using Deeper::Deeper;
  TensorTraits tensor_traits(const std::string& name, TensorTraits usual) const {
    if (name.rfind("stem.", 0) == 0) usual = {Part::kEncoder, 0, usual.decays};
    if (name == "head.bias") usual.decays = true;
    return usual;
  }
};

TEST(TorchTensors, SayWhatTheyArePartOf) {
  const auto usual = make<Deeper>(), own = make<KnowsItsParts>();
  const auto at = [](const ModelUnderTest& model, const char* name) -> const osteon_named_tensor& {
    return *model.tensors()[model.index_of(name)];
  };
  EXPECT_EQ(at(*usual, "stem.weight").part, OSTEON_PART_UNKNOWN);
  EXPECT_EQ(at(*usual, "stem.weight").depth, -1);
  EXPECT_EQ(at(*usual, "stem.weight").flags, 0u);
  EXPECT_EQ(at(*usual, "norm.weight").flags, OSTEON_TENSOR_NO_DECAY);
  EXPECT_EQ(at(*usual, "norm.running_mean").flags, 0u) << "nothing decays a buffer";
  EXPECT_EQ(at(*usual, "head.bias").part, OSTEON_PART_HEAD);
  EXPECT_EQ(at(*usual, "head.bias").flags, OSTEON_TENSOR_NO_DECAY);
  EXPECT_EQ(at(*own, "stem.bias").part, OSTEON_PART_ENCODER);
  EXPECT_EQ(at(*own, "stem.bias").depth, 0);
  EXPECT_EQ(at(*own, "stem.bias").flags, OSTEON_TENSOR_NO_DECAY);
  EXPECT_EQ(at(*own, "head.bias").flags, 0u);
}

TEST(UsualTraits, GoByTheFirstComponentOfAName) {
  const auto part = [](const char* name) { return usual_traits(name, 4).part; };
  for (const char* name : {"encoder.conv1.weight", "backbone.embeddings.weight"})
    EXPECT_EQ(part(name), Part::kEncoder) << name;
  for (const char* name : {"decoder.blocks.0.conv1.0.weight", "neck.weight"})
    EXPECT_EQ(part(name), Part::kDecoder) << name;
  for (const char* name : {"segmentation_head.0.bias", "head.weight", "heads.1.weight", "classifier.weight",
                           "aux_classifier.4.weight", "auxiliary_heads.x_1_3.weight"})
    EXPECT_EQ(part(name), Part::kHead) << name;
  for (const char* name : {"encoders.weight", "layer1.head.weight", "weight", ""})
    EXPECT_EQ(part(name), Part::kUnknown) << name;
}

TEST(TorchTensors, OfBoolsCrossAsBools) {
  const auto model = make<Deeper>();
  const osteon_named_tensor& mirrored = *model->tensors()[model->index_of("mirrored")];
  EXPECT_EQ(mirrored.value.dtype, (osteon_dtype{OSTEON_DTYPE_BOOL, 8, 1}));
  EXPECT_EQ(mirrored.role, OSTEON_TENSOR_BUFFER);
  static_cast<std::uint8_t*>(mirrored.value.data)[1] = 0;
  EXPECT_FALSE(model->value("mirrored").any().item<bool>());
}

}  // namespace
}  // namespace osteon::sdk
