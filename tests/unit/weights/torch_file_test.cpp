// SPDX-License-Identifier: Apache-2.0
#include "weights/torch_file.hpp"

#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/weights/refusal.hpp"
#include "unit/weights/torch_bytes.hpp"

namespace osteon::test {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using weights::read_torch;
using weights::TensorData;
using weights::TorchIndex;

/// Bytes of the floats 0, 1, 2, ...
std::string floats(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0f);
  return {reinterpret_cast<const char*>(values.data()), count * sizeof(float)};
}

std::vector<float> values(const TensorData& tensor) {
  EXPECT_EQ(tensor.dtype, "F32");
  std::vector<float> result(tensor.size / sizeof(float));
  if (tensor.size > 0) std::memcpy(result.data(), tensor.data, tensor.size);
  return result;
}

std::vector<std::string> names(const TorchIndex& index) {
  std::vector<std::string> result;
  for (const TensorData& tensor : index.state.tensors) result.push_back(tensor.name);
  return result;
}

bool lies_in(const TensorData& tensor, const std::string& file) {
  const auto* begin = reinterpret_cast<const std::byte*>(file.data());
  return tensor.data >= begin && tensor.data + tensor.size <= begin + file.size();
}

/// A file with one tensor `w` over a storage of twelve floats.
std::string one_tensor(std::int64_t offset, const std::vector<std::int64_t>& shape,
                       const std::vector<std::int64_t>& strides) {
  return torch_zip(dict({{text("w"), tensor(storage("FloatStorage", "0", 12), offset, shape, strides)}}),
                   {{"0", floats(12)}});
}

void expect_file_refused(const std::string& file, const std::string& part, const std::string& key = {}) {
  expect_refused([&] { read_torch(file, "w.pth", key); }, part);
}

TEST(TorchFile, ReadsAStateDictWhereItLies) {
  const Code object =
      ordered_dict({{text("conv.weight"), tensor(storage("FloatStorage", "0", 12), 0, {3, 4}, {4, 1})},
                    {text("bn.num_batches_tracked"), tensor(storage("LongStorage", "1", 1), 0, {}, {})}}) +
      dict({{text("_metadata"), ordered_dict({{text(""), dict({{text("version"), "K\1"}})}})}}) + "b";
  const std::string file = torch_zip(object, {{"0", floats(12)}, {"1", little(7, 8)}});
  const TorchIndex index = read_torch(file, "w.pth");
  EXPECT_EQ(index.format, weights::TorchFormat::kZip);
  EXPECT_THAT(names(index), ElementsAre("conv.weight", "bn.num_batches_tracked"));
  const TensorData& weight = index.state.tensors[0];
  EXPECT_THAT(weight.shape, ElementsAre(3, 4));
  EXPECT_EQ(values(weight)[11], 11.0f);
  EXPECT_TRUE(lies_in(weight, file));
  const TensorData& counter = index.state.tensors[1];
  EXPECT_EQ(counter.dtype, "I64");
  EXPECT_THAT(counter.shape, IsEmpty());
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(counter.data), counter.size), little(7, 8));
  EXPECT_THAT(index.state.left_out, IsEmpty());
}

TEST(TorchFile, ReadsLegacyFiles) {
  const Code object = ordered_dict({{text("a"), vector("FloatStorage", "140", 3, true)},
                                    {text("b"), tensor(storage("FloatStorage", "77", 2, true), 1, {1}, {1})}});
  const std::string file = torch_legacy(object, {{"140", floats(3)}, {"77", floats(2)}}, 4);
  const TorchIndex index = read_torch(file, "w.pth");
  EXPECT_EQ(index.format, weights::TorchFormat::kLegacy);
  ASSERT_THAT(names(index), ElementsAre("a", "b"));
  EXPECT_THAT(values(index.state.tensors[0]), ElementsAre(0, 1, 2));
  EXPECT_THAT(values(index.state.tensors[1]), ElementsAre(1));
  EXPECT_TRUE(lies_in(index.state.tensors[0], file));
}

TEST(TorchFile, ReadsEveryDtype) {
  struct Case {
    const char *storage, *dtype;
    std::size_t size;
  };
  for (const Case& c : {Case{"DoubleStorage", "F64", 8},
                        {"FloatStorage", "F32", 4},
                        {"HalfStorage", "F16", 2},
                        {"BFloat16Storage", "BF16", 2},
                        {"LongStorage", "I64", 8},
                        {"IntStorage", "I32", 4},
                        {"ShortStorage", "I16", 2},
                        {"CharStorage", "I8", 1},
                        {"ByteStorage", "U8", 1},
                        {"BoolStorage", "BOOL", 1},
                        {"ComplexFloatStorage", "C64", 8}}) {
    const std::string bytes(3 * c.size, 'x'),
        file = torch_zip(dict({{text("w"), vector(c.storage, "0", 3)}}), {{"0", bytes}});
    const TorchIndex index = read_torch(file, "w.pth");
    EXPECT_EQ(index.state.tensors[0].dtype, c.dtype);
    EXPECT_EQ(index.state.tensors[0].size, bytes.size()) << c.dtype;
  }
  expect_file_refused(torch_zip(dict({{text("w"), vector("ComplexDoubleStorage", "0", 1)}}), {{"0", floats(4)}}),
                      "'w' is of a dtype (complex128)");
}

TEST(TorchFile, ReadsTypedTensorsOfNewerVersions) {
  const auto typed = [](const std::string& dtype) {
    const Code stored =
        tuple({text("storage"), global("torch.storage", "UntypedStorage"), text("0"), text("cpu"), integer(6)}) + "Q";
    return torch_zip(
        dict({{text("w"), call(global("torch._utils", "_rebuild_tensor_v3"),
                               tuple({stored, integer(1), numbers({2}), numbers({1}), "\x89",
                                      call(global("collections", "OrderedDict"), ")"), global("torch", dtype)}))}}),
        {{"0", "abcdef"}});
  };
  const std::string file = typed("uint16");
  const TorchIndex index = read_torch(file, "w.pth");
  EXPECT_EQ(index.state.tensors[0].dtype, "U16");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(index.state.tensors[0].data), 4), "cdef");
  expect_file_refused(typed("uint32"), "reaches out of its storage");
  expect_file_refused(typed("Size"), "has no dtype");
}

TEST(TorchFile, PacksViews) {
  const auto packed = [](std::int64_t offset, const std::vector<std::int64_t>& shape,
                         const std::vector<std::int64_t>& strides) {
    const std::string file = one_tensor(offset, shape, strides);
    const TorchIndex index = read_torch(file, "w.pth");
    return values(index.state.tensors[0]);
  };
  EXPECT_THAT(packed(0, {4, 3}, {1, 4}), ElementsAre(0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11));  // transposed
  EXPECT_THAT(packed(1, {2, 2}, {4, 2}), ElementsAre(1, 3, 5, 7));                            // every other column
  EXPECT_THAT(packed(5, {3}, {0}), ElementsAre(5, 5, 5));                                     // expanded
  EXPECT_THAT(packed(0, {2, 1, 2, 3}, {1, 99, 6, 2}), ElementsAre(0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11));
  EXPECT_THAT(packed(2, {3}, {1}), ElementsAre(2, 3, 4));
  EXPECT_THAT(packed(11, {}, {}), ElementsAre(11));
  EXPECT_THAT(packed(11, {1, 1}, {INT64_MAX, INT64_MAX}), ElementsAre(11));
  EXPECT_THAT(packed(99, {0, 5}, {5, 1}), IsEmpty());
  EXPECT_THAT(packed(0, {0, INT64_MAX, INT64_MAX}, {5, 1, INT64_MAX}), IsEmpty());
}

TEST(TorchFile, PacksElementsOfEverySize) {
  for (const auto& [type, size] : std::vector<std::pair<std::string, std::size_t>>{
           {"ByteStorage", 1}, {"HalfStorage", 2}, {"FloatStorage", 4}, {"DoubleStorage", 8}}) {
    std::string bytes, wanted;
    for (const char c : {'a', 'b', 'c', 'd'}) bytes += std::string(size, c);
    for (const char c : {'a', 'c', 'b', 'd'}) wanted += std::string(size, c);
    const Code view = tensor(storage(type, "0", 4), 0, {2, 2}, {1, 2});
    const std::string file = torch_zip(dict({{text("w"), view}}), {{"0", bytes}});
    const TorchIndex index = read_torch(file, "w.pth");
    const TensorData& packed = index.state.tensors.at(0);
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(packed.data), packed.size), wanted) << type;
    EXPECT_FALSE(lies_in(packed, file));
  }
}

TEST(TorchFile, TensorsMayShareAStorage) {
  const Code stored = storage("FloatStorage", "0", 4);
  const std::string file = torch_zip(dict({{text("tied"), tensor(stored, 0, {4}, {1})},
                                           {text("weight"), tensor(stored, 0, {2, 2}, {2, 1})},
                                           {text("part"), tensor(stored, 2, {2}, {1})}}),
                                     {{"0", floats(4)}});
  const TorchIndex index = read_torch(file, "w.pth");
  EXPECT_EQ(index.state.tensors[0].data, index.state.tensors[1].data);
  EXPECT_THAT(values(index.state.tensors[2]), ElementsAre(2, 3));
  EXPECT_EQ(index.checksums.size(), 1u);
}

TEST(TorchFile, ParametersAndSubclassesAreTheirTensors) {
  const Code plain = vector("FloatStorage", "0", 3), hooks = call(global("collections", "OrderedDict"), ")");
  const Code parameter = call(global("torch._utils", "_rebuild_parameter"), tuple({plain, "\x88", hooks}));
  const Code with_state =
      call(global("torch._utils", "_rebuild_parameter_with_state"), tuple({parameter, "\x88", hooks, "}"}));
  const Code arguments =
      tuple({storage("FloatStorage", "0", 3), integer(0), numbers({3}), numbers({1}), "\x89", hooks});
  const Code subclass =
      call(global("torch._tensor", "_rebuild_from_type_v2"),
           tuple({global("torch._utils", "_rebuild_tensor_v2"), global("torch", "Tensor"), arguments, "}"}));
  for (const Code& code : {parameter, with_state, subclass}) {
    const std::string file = torch_zip(dict({{text("w"), code}}), {{"0", floats(3)}});
    EXPECT_THAT(values(read_torch(file, "w.pth").state.tensors.at(0)), ElementsAre(0, 1, 2));
  }
  Code deep = plain;
  for (int i = 0; i < 20; ++i) deep = call(global("torch._utils", "_rebuild_parameter"), tuple({deep, "\x88", hooks}));
  const Code empty = call(global("torch._utils", "_rebuild_parameter"), ")");
  const Code strange = call(global("torch._tensor", "_rebuild_from_type_v2"),
                            tuple({global("torch", "Size"), global("torch", "Tensor"), arguments, "}"}));
  for (const auto& [code, part] : std::vector<std::pair<Code, std::string>>{
           {deep, "too many parameters"},
           {empty, "a parameter without a tensor"},
           {strange, "made by 'torch.Size'"},
           {call(global("torch._utils", "_rebuild_qtensor"), arguments), "made by 'torch._utils._rebuild_qtensor'"}})
    expect_file_refused(torch_zip(dict({{text("w"), code}}), {{"0", floats(3)}}), part);
}

TEST(TorchFile, FindsTheStateDictInACheckpoint) {
  const Code weights = dict({{text("w"), vector("FloatStorage", "0", 3)}});
  const Code other = dict({{text("v"), vector("FloatStorage", "0", 3)}});
  const Code optimizer = dict({{text("state"), dict({{integer(0), other}})}, {text("param_groups"), "]"}});
  const auto read = [&](const Entries& entries, const std::string& key = {}) {
    static std::string file;
    file = torch_zip(dict(entries), {{"0", floats(3)}});
    return read_torch(file, "w.pth", key).state;
  };
  for (const char* usual : {"state_dict", "model_state_dict", "model", "module", "net", "network", "weights",
                            "state_dict_ema", "model_ema", "ema"}) {
    const auto state =
        read({{text("epoch"), "K\3"}, {text("other"), other}, {text(usual), weights}, {text("optimizer"), optimizer}});
    EXPECT_EQ(state.key, usual);
    EXPECT_EQ(state.tensors.at(0).name, "w");
    EXPECT_THAT(state.others, ElementsAre("other"));
    EXPECT_THAT(state.left_out, ElementsAre("epoch (a number)", "other (a dict of 1)", "optimizer (a dict of 2)"));
  }
  EXPECT_EQ(read({{text("model_ema"), other}, {text("state_dict"), weights}}).key, "state_dict");
  EXPECT_EQ(read({{text("model"), dict({{text("state_dict"), weights}})}, {text("x"), "N"}}).key, "model.state_dict");
  EXPECT_EQ(read({{text("mine"), weights}, {text("epoch"), "K\3"}}).key, "mine");
  EXPECT_EQ(read({{text("w"), vector("FloatStorage", "0", 3)}, {text("more"), weights}}).key, "");
  // A tensor beside the weights does not make the checkpoint a state dict.
  EXPECT_EQ(read({{text("best"), vector("FloatStorage", "0", 3)}, {text("state_dict"), weights}}).key, "state_dict");
  EXPECT_EQ(read({{text("a"), other}, {text("b"), weights}}, "b").tensors.at(0).name, "w");
  EXPECT_EQ(read({{text("a"), dict({{text("b"), weights}})}, {text("state_dict"), other}}, "a.b").key, "a.b");
}

TEST(TorchFile, RefusesToGuess) {
  const Code weights = dict({{text("w"), vector("FloatStorage", "0", 3)}});
  const Code other = dict({{text("v"), vector("FloatStorage", "0", 3)}});
  const std::string two = torch_zip(dict({{text("student"), weights}, {text("teacher"), other}}), {{"0", floats(3)}});
  expect_file_refused(two,
                      "model.weights_key in a recipe or by --key on the command line. There is 'student', 'teacher'");
  expect_file_refused(
      two, "no state dict 'model', nor tensors whose names begin with 'model.'; there is 'student', 'teacher'",
      "model");
}

TEST(TorchFile, LooksThroughListsAndTuples) {
  const Code one = vector("FloatStorage", "0", 3);
  const Code weights = dict({{text("w"), one}}), other = dict({{text("v"), one}});
  const auto read = [&](const Code& object, const std::string& key = {}) {
    static std::string file;
    file = torch_zip(object, {{"0", floats(3)}});
    return read_torch(file, "w.pth", key).state;
  };
  EXPECT_EQ(read(tuple({weights, "K\3"})).key, "0");
  EXPECT_THAT(read(tuple({weights, "K\3"})).left_out, ElementsAre("1 (a number)"));
  EXPECT_EQ(read(dict({{text("models"), "](" + weights + other + "e"}}), "models.1").tensors.at(0).name, "v");
  expect_file_refused(torch_zip(tuple({weights, other}), {{"0", floats(3)}}), "There is '0', '1'");
  // A learning rate may be a tensor in the list of an optimizer's groups.
  const Code optimizer = dict({{text("param_groups"), "](" + dict({{text("lr"), one}}) + "e"}});
  EXPECT_EQ(read(dict({{text("optimizers"), "](" + optimizer + "e"}, {text("net_g"), weights}})).key, "net_g");
  // A list that contains itself.
  EXPECT_EQ(read("]q\1(h\1" + weights + "e").key, "1");
}

// One object in two places, as Python refers to it.
TEST(TorchFile, AStateDictMayBeUnderTwoKeys) {
  const Code weights = dict({{text("w"), vector("FloatStorage", "0", 3)}}) + "q\7";
  const Code other = dict({{text("v"), vector("FloatStorage", "0", 3)}});
  const std::string file =
      torch_zip(dict({{text("best"), weights}, {text("last"), other}, {text("model"), "h\7"}}), {{"0", floats(3)}});
  EXPECT_THAT(names(read_torch(file, "w.pth")), ElementsAre("w"));
  EXPECT_THAT(names(read_torch(file, "w.pth", "model")), ElementsAre("w"));
  EXPECT_THAT(names(read_torch(file, "w.pth", "best")), ElementsAre("w"));
  EXPECT_THAT(names(read_torch(file, "w.pth", "last")), ElementsAre("v"));
}

TEST(TorchFile, AKeyMayBeWhatNamesBeginWith) {
  const Code one = vector("FloatStorage", "0", 3);
  const Code both = dict({{text("model.w"), one}, {text("ema.model.w"), one}, {text("ema.n"), one}, {text("x"), "N"}});
  const auto read = [&](const Code& object, const std::string& key) {
    static std::string file;
    file = torch_zip(object, {{"0", floats(3)}});
    return read_torch(file, "w.pth", key);
  };
  for (const std::string key : {"ema", "state_dict.ema"}) {
    const TorchIndex index = read(dict({{text("state_dict"), both}}), key);
    EXPECT_THAT(names(index), ElementsAre("model.w", "n"));
    EXPECT_EQ(index.state.key, key);
    EXPECT_THAT(index.state.left_out, ElementsAre("model.w (a tensor)", "x (None)"));
  }
  EXPECT_THAT(names(read(both, "ema.model")), ElementsAre("w"));
  EXPECT_THAT(names(read(dict({{text("state_dict"), both}, {text("ema"), dict({{text("v"), one}})}}), "ema")),
              ElementsAre("v"));
  expect_file_refused(torch_zip(both, {{"0", floats(3)}}), "begin with 'e.'; there is the whole file", "e");
}

TEST(TorchFile, SaysWhatAFileWithoutAStateDictHolds) {
  const Code one = vector("FloatStorage", "0", 3);
  expect_file_refused(torch_zip(one, {{"0", floats(3)}}), "it holds a tensor");
  expect_file_refused(torch_zip("](" + one + "e", {{"0", floats(3)}}), "it holds a list of 1: 0 (a tensor)");
  expect_file_refused(torch_zip("N", {}), "it holds None");
  expect_file_refused(torch_zip(dict({{"K\1", one}, {text("lr"), "G12345678"}}), {{"0", floats(3)}}),
                      "it holds a dict of 2: 1 (a tensor), lr (a number)");
  Entries many;
  for (int i = 0; i < 100; ++i) many.push_back({text("k" + std::to_string(i)), "N"});
  expect_file_refused(torch_zip(dict(many), {}), "k9 (None), and 90 more");
}

TEST(TorchFile, WhatIsNoTensorIsLeftOutAndSaid) {
  const std::string file = torch_zip(dict({{text("w"), vector("FloatStorage", "0", 3)},
                                           {text("_extra_state"), "N"},
                                           {text("best"), "\x88"},
                                           {text("by"), text("hand")},
                                           {text("betas"), numbers({1, 2})},
                                           {text("stored"), storage("FloatStorage", "0", 3)},
                                           {"K\5", vector("FloatStorage", "0", 3)},
                                           {text("size"), call(global("torch", "Size"), tuple({numbers({1})}))}}),
                                     {{"0", floats(3)}});
  EXPECT_THAT(read_torch(file, "w.pth").state.left_out,
              ElementsAre("_extra_state (None)", "best (a truth value)", "by (a text)", "betas (a tuple of 2)",
                          "stored (a storage)", "5 (a tensor)", "size (torch.Size)"));
}

// Schedulers, configurations and loggers of all the libraries there are.
TEST(TorchFile, WhatLiesBesideTheWeightsMayBeAnything) {
  const Code weights = dict({{text("w"), vector("FloatStorage", "0", 3)}});
  const Code counter = call(global("collections", "Counter"), tuple({dict({{"K\1", "K\1"}})}));
  const Code config = global("omegaconf.dictconfig", "DictConfig") + ")\x81" + dict({{text("_content"), "}"}}) + "b";
  const Code hparams =
      set_items(global("pytorch_lightning.utilities.parsing", "AttributeDict") + ")\x81", {{text("lr"), "K\1"}});
  const Code method = call(global("__builtin__", "getattr"), tuple({global("torch.optim", "OneCycleLR"), text("f")}));
  const Code quantized = call(global("torch._utils", "_rebuild_qtensor"), tuple({storage("QInt8Storage", "9", 4)}));
  const Code attack = call(global("os", "system"), tuple({text("false")}));
  const Code cyclic = "]q\1h\1\x85q\2a0h\2";
  const std::string file = torch_zip(dict({{text("counter"), counter},
                                           {text("config"), config},
                                           {text("hparams"), hparams},
                                           {text("method"), method},
                                           {text("quantized"), quantized},
                                           {text("attack"), attack},
                                           {text("cyclic"), cyclic},
                                           {text("state_dict"), weights}}),
                                     {{"0", floats(3)}});
  const TorchIndex index = read_torch(file, "w.pth");
  EXPECT_THAT(names(index), ElementsAre("w"));
  EXPECT_THAT(index.state.left_out,
              ElementsAre("counter (collections.Counter)", "config (omegaconf.dictconfig.DictConfig)",
                          "hparams (a dict of 1)", "method (__builtin__.getattr)", "quantized (a tensor)",
                          "attack (os.system)", "cyclic (a tuple of 1)"));
}

TEST(TorchFile, AStateDictMayBeOfAnUnknownKindOfDict) {
  const Code weights =
      set_items(global("easydict", "EasyDict") + ")\x81", {{text("w"), vector("FloatStorage", "0", 3)}});
  const std::string file = torch_zip(dict({{text("model"), weights}}), {{"0", floats(3)}});
  EXPECT_EQ(read_torch(file, "w.pth").state.key, "model");
}

TEST(TorchFile, AWholeModelIsRefusedWithWhatToDo) {
  const Code model = global("my.net", "Net") + ")\x81" + dict({{text("training"), "\x88"}}) + "b";
  expect_file_refused(torch_zip(model, {}), "it holds my.net.Net. In Python, torch.save(model.state_dict()");
  const Code legacy = tuple({text("module"), global("my.net", "Net"), text("net.py"), text("code")}) + "Q)\x81}b";
  expect_file_refused(torch_legacy(legacy, {}, 4), "it holds my.net.Net");
}

TEST(TorchFile, RefusesViewsThatLeaveTheirStorage) {
  const std::string part = "'w' reaches out of its storage '0' of 48 bytes";
  expect_file_refused(one_tensor(0, {13}, {1}), part);
  expect_file_refused(one_tensor(1, {12}, {1}), part);
  expect_file_refused(one_tensor(12, {}, {}), part);
  expect_file_refused(one_tensor(INT64_MAX, {1}, {1}), part);
  expect_file_refused(one_tensor(0, {2}, {12}), part);
  expect_file_refused(one_tensor(0, {2}, {INT64_MAX}), part);
  expect_file_refused(one_tensor(0, {3, 3}, {INT64_MAX, INT64_MAX}), part);
  expect_file_refused(one_tensor(0, {INT64_MAX, INT64_MAX}, {0, 0}), part);
  expect_file_refused(one_tensor(0, {INT64_MAX}, {1}), part);
  expect_file_refused(one_tensor(-1, {1}, {1}), "else than whole numbers from 0 in its offset");
  expect_file_refused(one_tensor(0, {-1}, {1}), "else than whole numbers from 0 in its shape");
  expect_file_refused(one_tensor(11, {2}, {-1}), "else than whole numbers from 0 in its strides");
  expect_file_refused(one_tensor(0, {1, 2}, {1}), "not as many strides as sizes");
  expect_file_refused(one_tensor(0, std::vector<std::int64_t>(65, 1), std::vector<std::int64_t>(65, 1)),
                      "at most 64 numbers as its shape");
}

// A view with strides of 0 takes no room in a file, and as much as it says outside of it.
TEST(TorchFile, RefusesRepetitionBeyondReason) {
  expect_file_refused(one_tensor(0, {1'000'000'000'000}, {0}), "take more than 16 times the size of the file");
  Entries many;
  for (int i = 0; i < 100; ++i)
    many.push_back({text("w" + std::to_string(i)), tensor(storage("FloatStorage", "0", 12), 0, {250'000}, {0})});
  expect_file_refused(torch_zip(dict(many), {{"0", floats(12)}}), "'w67' and those before it");  // at 64 MiB
}

TEST(TorchFile, RefusesStoragesThatAreNotThere) {
  const auto file = [](const Code& code, const std::string& bytes) {
    return torch_zip(dict({{text("w"), code}}), {{"0", bytes}});
  };
  expect_file_refused(file(vector("FloatStorage", "1", 3), floats(3)), "the archive has no storage '1'");
  expect_file_refused(file(vector("FloatStorage", "../0", 3), floats(3)), "the archive has no storage '../0'");
  expect_file_refused(file(vector("FloatStorage", "0", 4), floats(3)), "takes 16 bytes; the archive has 12 for it");
  expect_file_refused(file(vector("FloatStorage", "0", 2), floats(3)), "takes 8 bytes; the archive has 12 for it");
  expect_file_refused(file(vector("FloatStorage", "0", INT64_MAX), floats(3)), "too large for any file");
  expect_file_refused(file(vector("FloatStorage", "0", -1), floats(3)), "not as torch.save writes it");
  expect_file_refused(file(vector("FloatStorage", std::string(1000, '0'), 3), floats(3)),
                      "not as torch.save writes it");
  expect_file_refused(file(tensor("N", 0, {3}, {1}), floats(3)), "a storage was expected here");
  expect_file_refused(file(tensor(tuple({text("module")}) + "Q", 0, {3}, {1}), floats(3)), "else than a storage");
}

TEST(TorchFile, RefusesAStateDictWithTheSameNameTwice) {
  const Code one = vector("FloatStorage", "0", 3);
  expect_file_refused(torch_zip(dict({{text("w"), one}, {text("w"), one}}), {{"0", floats(3)}}),
                      "'w' is in the state dict twice");
}

TEST(TorchFile, RefusesLazilyConjugatedViews) {
  const Code hooks = call(global("collections", "OrderedDict"), ")");
  const Code view = call(global("torch._utils", "_rebuild_tensor_v2"),
                         tuple({storage("FloatStorage", "0", 3), integer(0), numbers({3}), numbers({1}), "\x89", hooks,
                                dict({{text("conj"), "\x88"}})}));
  expect_file_refused(torch_zip(dict({{text("w"), view}}), {{"0", floats(3)}}), "resolve_conj");
}

TEST(TorchFile, RefusesOtherByteOrders) {
  const Code object = dict({{text("w"), vector("FloatStorage", "0", 3)}});
  const std::string good = torch_zip(object, {{"0", floats(3)}}, {{"archive/byteorder", "little"}});
  EXPECT_NO_THROW(read_torch(good, "w.pth"));
  expect_file_refused(torch_zip(object, {{"0", floats(3)}}, {{"archive/byteorder", "big"}}), "the byte order 'big'");
  const Code legacy = dict({{text("w"), vector("FloatStorage", "0", 3, true)}});
  expect_file_refused(torch_legacy(legacy, {{"0", floats(3)}}, 4, false), "big-endian");
}

TEST(TorchFile, TellsWhatOtherArchivesAre) {
  expect_file_refused(zip_of({{"m/data.pkl", "x"}, {"m/code/__torch__.py", "x", 8}, {"m/constants.pkl", "x"}}),
                      "TorchScript");
  expect_file_refused(zip_of({{"word/document.xml", "x"}}), "not one of torch.save");
  expect_file_refused(zip_of({}), "not one of torch.save");
}

TEST(TorchFile, RefusesADamagedPickle) {
  ZipMember damaged{"archive/data.pkl", pickle_of("N")};
  damaged.crc32 = 1;
  expect_file_refused(zip_of({damaged}), "does not have the checksum that was recorded");
}

TEST(TorchFile, RefusesBrokenLegacyFiles) {
  const Code object = dict({{text("w"), vector("FloatStorage", "0", 3, true)}});
  const std::string good = torch_legacy(object, {{"0", floats(3)}}, 4);
  ASSERT_NO_THROW(read_torch(good, "w.pth"));
  for (std::size_t size = 2; size < good.size(); ++size)
    expect_refused([&] { read_torch(good.substr(0, size), "w.pth"); }, "");
  expect_file_refused(pickle_of("N"), "is a pickle, but not one of torch.save");
  expect_file_refused(pickle_of(kMagic) + pickle_of("K\1"), "of another version than 1001");
  expect_file_refused(torch_legacy(object, {{"0", floats(4)}}, 4), "has 4 elements here; its tensors say 3");
  expect_file_refused(torch_legacy(object, {{"1", floats(3)}}, 4), "belongs to no tensor");
  expect_file_refused(torch_legacy(object, {}, 4), "the file has no storage '0'");
  const Code two_sizes =
      dict({{text("w"), vector("FloatStorage", "0", 3, true)}, {text("v"), vector("FloatStorage", "0", 4, true)}});
  expect_file_refused(torch_legacy(two_sizes, {{"0", floats(3)}}, 4), "takes 16 bytes; the file has 12 for it");
  const Code window = tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(3),
                             tuple({text("v"), integer(0), integer(3)})}) +
                      "Q";
  expect_file_refused(torch_legacy(dict({{text("w"), tensor(window, 0, {3}, {1})}}), {{"0", floats(3)}}, 4),
                      "before 0.4");
}

TEST(TorchFile, RefusesEveryTruncation) {
  const std::string file = torch_zip(dict({{text("w"), vector("FloatStorage", "0", 3)}}), {{"0", floats(3)}});
  for (std::size_t size = 2; size < file.size(); ++size)
    expect_refused([&] { read_torch(file.substr(0, size), "w.pth"); }, "");
}

// Dicts that hold each other, and one another many times over, are looked at once each.
TEST(TorchFile, LooksThroughKnotsOnce) {
  Code knot = "}q" + std::string(1, '\0');
  for (int level = 1; level <= 200; ++level) {
    knot += "}(";
    for (int i = 0; i < 50; ++i)
      knot += text("k" + std::to_string(i)) + "h" + little(static_cast<std::uint64_t>(level - 1), 1);
    knot += "uq" + little(static_cast<std::uint64_t>(level), 1);
  }
  const Code holder = dict({{text("w"), vector("FloatStorage", "0", 3)}, {text("knot"), knot.substr(0)}});
  Code object =
      "}q\xff"
      "(" +
      text("self") + "h\xff" + text("knot");
  object += "](" + knot + "e" + text("last") + "h\xc8" + text("state_dict") + holder + "u";
  const std::string file = torch_zip(object, {{"0", floats(3)}});
  EXPECT_EQ(read_torch(file, "w.pth").state.key, "state_dict");
}

TEST(TorchFile, FindsTheStateDictAmongManyDicts) {
  const Code weights = dict({{text("w"), vector("FloatStorage", "0", 3)}});
  Entries logs, weighty;
  for (int i = 0; i < 10001; ++i) {
    logs.push_back({text(std::to_string(i)), dict({{text("loss"), "K\1"}})});
    weighty.push_back({text(std::to_string(i)), weights});
  }
  const std::string file = torch_zip(dict({{text("logs"), dict(logs)}, {text("model"), weights}}), {{"0", floats(3)}});
  EXPECT_EQ(read_torch(file, "w.pth").state.key, "model");
  expect_file_refused(torch_zip(dict(weighty), {{"0", floats(3)}}), "more than 10000 state dicts");
}

}  // namespace
}  // namespace osteon::test
