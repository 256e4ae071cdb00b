// SPDX-License-Identifier: Apache-2.0
#include "weights/names.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "unit/weights/toy_model.hpp"
#include "weights/load_weights.hpp"

namespace {

using namespace osteon;
using namespace osteon::weights;
using test::ToyFile;
using test::ToyModel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string refusal(const ToyFile& file, const ToyModel& model, const LoadOptions& options = {}) {
  try {
    load_into(file.tensors(), model.weights(), options, "file");
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_EQ(e.where(), "file");
    return e.what();
  }
  return "(none)";
}

/// An encoder of four tensors and a head.
ToyModel segmenter() {
  ToyModel model;
  for (const char* name : {"encoder.stem.weight", "encoder.layer1.0.weight", "encoder.layer1.1.weight"})
    model.add(name, {4, 2});
  return model.add("encoder.norm.bias", {4}).add("head.weight", {2, 4});
}

TEST(Names, AreTakenAsTheyAre) {
  ToyModel model = segmenter();
  const ToyFile file = ToyFile().add_all(model);
  const MatchedNames matched = match_names(file.tensors(), model.weights(), "file");
  EXPECT_EQ(matched.how, "");
  EXPECT_EQ(matched.tensors.size(), 5u);
  EXPECT_THAT(matched.unexpected, IsEmpty());
}

TEST(Names, LoseThePrefixesOfWrappers) {
  for (const std::string wrapper : {"module.", "state_dict.", "state_dict.model.module."}) {
    ToyModel model = segmenter();
    const ToyFile file = ToyFile().add_all(model, wrapper);
    const LoadReport report = load_into(file.tensors(), model.weights(), {/*strict=*/true}, "file");
    EXPECT_EQ(report.text(), "names read without `" + wrapper + "`");
    EXPECT_EQ(model.values("encoder.norm.bias"), file.values(wrapper + "encoder.norm.bias"));
  }
}

/// `name` with a wrapper's component behind its first.
std::string wrapped(const std::string& name, const std::string& wrapper) {
  const std::size_t dot = name.find('.') + 1;
  return name.substr(0, dot) + wrapper + "." + name.substr(dot);
}

TEST(Names, LoseWrappersWhereverTheyAre) {
  for (const std::string wrapper : {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}) {
    // Every module wrapped; the encoder alone; the encoder twice, in a wrapped model in a checkpoint.
    ToyModel every = segmenter(), encoder = segmenter(), nested = segmenter();
    ToyFile all, some, deep;
    for (const plugin::NamedTensor& tensor : every.weights().tensors) {
      const std::vector<std::int64_t> shape = {tensor.value->shape, tensor.value->shape + tensor.value->ndim};
      const bool in_encoder = tensor.name.rfind("encoder.", 0) == 0;
      all.add(wrapped(tensor.name, wrapper), shape);
      some.add(in_encoder ? wrapped(tensor.name, wrapper) : tensor.name, shape);
      deep.add("state.module." + (in_encoder ? wrapped(wrapped(tensor.name, wrapper), "_orig_mod") : tensor.name),
               shape);
    }
    EXPECT_EQ(load_into(all.tensors(), every.weights(), {/*strict=*/true}, "file").text(),
              "names read without the wrappers `" + wrapper + "`");
    EXPECT_EQ(load_into(some.tensors(), encoder.weights(), {/*strict=*/true}, "file").text(),
              "names read without the wrappers `" + wrapper + "`");
    EXPECT_EQ(encoder.values("head.weight"), some.values("head.weight"));
    EXPECT_EQ(encoder.values("encoder.norm.bias"), some.values("encoder." + wrapper + ".norm.bias"));
    EXPECT_THAT(load_into(deep.tensors(), nested.weights(), {/*strict=*/true}, "file").text(),
                HasSubstr("without the wrappers `_"));
  }
}

TEST(Names, OfAnEncoderAloneLoseWrappersToo) {
  ToyModel model = segmenter();
  const ToyFile file = ToyFile()
                           .add("stem.weight", {4, 2})
                           .add("layer1._checkpoint_wrapped_module.0.weight", {4, 2})
                           .add("layer1._checkpoint_wrapped_module.1.weight", {4, 2})
                           .add("norm.bias", {4});
  const LoadReport report = load_into(file.tensors(), model.weights(), {}, "file");
  EXPECT_EQ(report.loaded.size(), 4u);
  EXPECT_EQ(report.notes.at(0), "names read below `encoder.`, without the wrappers `_checkpoint_wrapped_module`");
}

TEST(Names, MayHaveTheComponentsOfWrappers) {
  ToyModel model;
  for (const char* name : {"net.module.a.weight", "net.module.b.weight", "net.c.weight"}) model.add(name, {4, 2});
  EXPECT_EQ(match_names(ToyFile().add_all(model).tensors(), model.weights(), "file").how, "");
  for (const std::string wrapper : {"module.", "_orig_mod.", "module._orig_mod."}) {
    const ToyFile file = ToyFile().add_all(model, wrapper);
    const LoadReport report = load_into(file.tensors(), model.weights(), {/*strict=*/true}, "file");
    EXPECT_EQ(model.values("net.module.b.weight"), file.values(wrapper + "net.module.b.weight")) << report.text();
  }
}

TEST(Names, OfTheModelItselfNeverLoseTheirPlaces) {
  // The encoder in an unknown wrapper, the rest as it is.
  ToyModel model = segmenter();
  ToyFile file;
  for (const char* name : {"encoder.net.stem.weight", "encoder.net.layer1.0.weight", "encoder.net.layer1.1.weight"})
    file.add(name, {4, 2});
  file.add("encoder.net.norm.bias", {4}).add("head.weight", {2, 4});
  EXPECT_TRUE(load_into(file.tensors(), model.weights(), {/*strict=*/true}, "file").complete());
  EXPECT_EQ(model.values("head.weight"), file.values("head.weight"));

  // A copy under other names beside them.
  ToyModel again = segmenter();
  const ToyFile copies = ToyFile().add_all(again, "average.").add_all(again);
  const LoadReport report = load_into(copies.tensors(), again.weights(), {}, "file");
  EXPECT_EQ(report.unexpected.size(), 5u);
  EXPECT_EQ(again.values("encoder.norm.bias"), copies.values("encoder.norm.bias"));
}

TEST(Names, OfTheModelInAnotherSizeAreMisshapen) {
  // Blocks of which each has the shapes of the next one's in a model of half the width.
  const auto blocks = [](ToyModel model, std::int64_t width) {
    for (int i = 0; i < 4; ++i)
      for (const char* end : {"conv.weight", "norm.weight", "norm.bias"})
        model.add("blocks." + std::to_string(i) + "." + end, {width >> i, 2});
    return model;
  };
  for (const std::string wrapper : {"", "model.", "module."}) {
    const ToyModel model = blocks(ToyModel(), 64);
    const ToyFile file = ToyFile().add_all(blocks(ToyModel(), 32), wrapper);
    EXPECT_THAT(refusal(file, model), HasSubstr("12 tensors of another shape")) << wrapper;
    const ToyModel same_head = blocks(ToyModel().add("head.weight", {2, 4}), 64);
    const ToyFile with_head = ToyFile().add_all(blocks(ToyModel().add("head.weight", {2, 4}), 32), wrapper);
    const LoadReport report = load_into(with_head.tensors(), same_head.weights(), {}, "file");
    EXPECT_THAT(report.loaded, ElementsAre("head.weight"));
    EXPECT_EQ(report.misshapen.size(), 12u);
  }
}

TEST(Names, OfAnEncoderAloneAreReadBelowIt) {
  ToyModel model = segmenter();
  const ToyFile file = ToyFile()
                           .add("stem.weight", {4, 2})
                           .add("layer1.0.weight", {4, 2})
                           .add("layer1.1.weight", {4, 2})
                           .add("norm.bias", {4})
                           .add("fc.weight", {1000, 4});
  const LoadReport report = load_into(file.tensors(), model.weights(), {}, "file");
  EXPECT_EQ(
      report.text(),
      "names read below `encoder.`\n1 tensor of the model not in the file: head.weight\n1 tensor of the file not in "
      "the model: fc.weight");
  EXPECT_EQ(report.loaded.size(), 4u);
  EXPECT_EQ(model.values("encoder.layer1.1.weight"), file.values("layer1.1.weight"));
  EXPECT_THAT(refusal(file, model, {/*strict=*/true}), HasSubstr("not in the model: fc.weight"));
}

TEST(Names, BelowOneModuleAreReadBelowAnother) {
  ToyModel model = segmenter();
  const ToyFile file = ToyFile()
                           .add("module.backbone.stem.weight", {4, 2})
                           .add("module.backbone.layer1.0.weight", {4, 2})
                           .add("module.backbone.layer1.1.weight", {4, 2})
                           .add("module.backbone.norm.bias", {4})
                           .add("module.classifier.weight", {21, 4});
  const MatchedNames matched = match_names(file.tensors(), model.weights(), "file");
  EXPECT_EQ(matched.how, "names below `module.backbone.` read below `encoder.`");
  EXPECT_THAT(matched.unexpected, ElementsAre("module.classifier.weight"));
  EXPECT_EQ(matched.tensors.size(), 4u);
}

TEST(Names, OfTheWholeModelAreFoundBesideAnOptimizers) {
  ToyModel model = segmenter();
  ToyFile file = ToyFile().add_all(model, "model.");
  for (int i = 0; i < 5; ++i) file.add("optimizer.state." + std::to_string(i) + ".exp_avg", {4, 2});
  const MatchedNames matched = match_names(file.tensors(), model.weights(), "file");
  EXPECT_EQ(matched.how, "names read without `model.`");
  EXPECT_EQ(matched.unexpected.size(), 5u);
}

TEST(Names, ThatSuitTwoReadingsAreRefused) {
  ToyModel model = segmenter();
  const ToyFile file = ToyFile().add_all(model, "model.").add_all(model, "average.");
  const std::string message = refusal(file, model);
  EXPECT_THAT(message, HasSubstr("names read without `average.`"));
  EXPECT_THAT(message, HasSubstr("names read without `model.`"));
  EXPECT_THAT(message, HasSubstr("by model.weights_key in a recipe or by --key on the command line: \"average\" or "
                                 "\"model\""));

  ToyModel twins;
  twins.add("left.conv.weight", {4, 2}).add("right.conv.weight", {4, 2});
  const std::string below = refusal(ToyFile().add("conv.weight", {4, 2}), twins);
  EXPECT_THAT(below, HasSubstr("read below `right.`"));
  EXPECT_THAT(below, HasSubstr("in a file of their own"));
}

TEST(Names, AreReadWithTheFewestChanges) {
  // Both places take it; one of them is not called "layer1.0".
  ToyModel model = segmenter();
  const MatchedNames matched = match_names(ToyFile().add("layer1.0.weight", {4, 2}).tensors(), model.weights(), "file");
  EXPECT_EQ(matched.how, "names read below `encoder.`");
  ASSERT_EQ(matched.tensors.size(), 1u);
  EXPECT_EQ(matched.tensors[0].name, "encoder.layer1.0.weight");
}

TEST(Names, OfAnotherNetworkDoNotFitByChance) {
  // A normalisation of another network has the shapes of one of ours, and its layers' last names.
  ToyModel model;
  model.add("norm.weight", {4}).add("norm.bias", {4});
  ToyFile file;
  file.add("blocks.0.ln.weight", {4}).add("blocks.0.ln.bias", {4});
  for (int i = 0; i < 30; ++i) file.add("blocks.0.mlp" + std::to_string(i) + ".weight", {7, 7});
  EXPECT_THAT(refusal(file, model), HasSubstr("no tensor of this file fits the model"));
}

TEST(Names, DecideWhereNoShapeFits) {
  ToyModel model = segmenter();
  ToyFile file;
  for (const char* name : {"stem.weight", "layer1.0.weight", "layer1.1.weight"}) file.add(name, {8, 2});
  file.add("norm.bias", {8}).add_counter("steps");
  model.add_counter("encoder.steps");
  EXPECT_EQ(
      refusal(file, model),
      "no tensor of this file fits the model\nnames read below `encoder.`\n1 tensor of the model not in the file: "
      "head.weight\n4 tensors of another shape or type: encoder.stem.weight (file F32 [8, 2], model F32 [4, 2]), "
      "encoder.layer1.0.weight (file F32 [8, 2], model F32 [4, 2]), encoder.layer1.1.weight (file F32 [8, 2], "
      "model F32 [4, 2]), encoder.norm.bias (file F32 [8], model F32 [4])");
}

/// q, k and v as three layers here, as one there; a linear layer here, a 1x1 convolution there; an unused classifier.
ToyModel attention() {
  ToyModel model;
  for (const char* name : {"att.query", "att.key", "att.value"}) model.add(std::string(name) + ".weight", {2, 3});
  model.add("mlp.weight", {4, 3}).add("scale", {3}).add("head.weight", {5, 3});
  model.dialect("stacked", [](const std::vector<plugin::WeightEntry>& entries) {
    std::vector<plugin::WeightPart> parts;
    for (std::size_t e = 0; e < entries.size(); ++e) {
      const std::string& name = entries[e].name;
      const std::int64_t rows = entries[e].shape.empty() ? 1 : entries[e].shape[0];
      if (name == "qkv.weight")
        for (const auto& [first, target] :
             {std::pair{0, "att.query.weight"}, {2, "att.key.weight"}, {4, "att.value.weight"}})
          parts.push_back({e, first, 2, target});
      if (name == "ffn.weight") parts.push_back({e, 0, rows, "mlp.weight"});
      if (name == "gamma") parts.push_back({e, 0, rows, "scale"});
      if (name == "imagenet.weight") parts.push_back({e, 0, rows, std::nullopt});
    }
    return parts;
  });
  return model;
}

ToyFile stacked(const std::string& wrapper = "") {
  return ToyFile()
      .add(wrapper + "qkv.weight", {6, 3})
      .add(wrapper + "ffn.weight", {4, 3, 1, 1})
      .add(wrapper + "gamma", {3, 1, 1})
      .add(wrapper + "imagenet.weight", {1000, 3})
      .add(wrapper + "head.weight", {5, 3});
}

TEST(Dialects, SplitReshapeAndPutAside) {
  for (const std::string wrapper : {"", "state_dict."}) {
    ToyModel model = attention();
    const ToyFile file = stacked(wrapper);
    const LoadReport report = load_into(file.tensors(), model.weights(), {/*strict=*/true}, "file");
    EXPECT_EQ(report.text(),
              (wrapper.empty() ? "names" : "names below `state_dict.`") +
                  std::string(" read as those of stacked\n1 tensor of the file that the model has no use "
                              "for: ") +
                  wrapper + "imagenet.weight");
    const std::vector<float> qkv = file.values(wrapper + "qkv.weight");
    EXPECT_EQ(model.values("att.query.weight"), std::vector<float>(qkv.begin(), qkv.begin() + 6));
    EXPECT_EQ(model.values("att.key.weight"), std::vector<float>(qkv.begin() + 6, qkv.begin() + 12));
    EXPECT_EQ(model.values("att.value.weight"), std::vector<float>(qkv.begin() + 12, qkv.end()));
    EXPECT_EQ(model.values("mlp.weight"), file.values(wrapper + "ffn.weight"));
    EXPECT_EQ(model.values("scale"), file.values(wrapper + "gamma"));
    EXPECT_EQ(model.values("head.weight"), file.values(wrapper + "head.weight")) << "a name that no rule knows stays";
  }
}

TEST(Dialects, DoNotTurnWhatHasOtherDimensions) {
  ToyModel model = attention();
  ToyFile file = ToyFile().add("qkv.weight", {6, 3}).add("ffn.weight", {3, 4}).add("gamma", {3});
  const LoadReport report = load_into(file.tensors(), model.weights(), {}, "file");
  ASSERT_EQ(report.misshapen.size(), 1u);
  EXPECT_EQ(report.misshapen[0].file, "F32 [3, 4]");
  EXPECT_THAT(report.missing, ElementsAre("head.weight"));
}

TEST(Dialects, GiveWayToTheModelsOwnNames) {
  ToyModel model = attention();
  const ToyFile file = ToyFile().add_all(model);
  EXPECT_EQ(match_names(file.tensors(), model.weights(), "file").how, "");
}

TEST(Dialects, KnowWhatTheModelsOwnNamesHaveNoUseFor) {
  ToyModel model = attention();
  const ToyFile file = ToyFile().add_all(model).add("imagenet.weight", {1000, 3});
  const MatchedNames matched = match_names(file.tensors(), model.weights(), "file");
  EXPECT_EQ(matched.how, "names read as those of stacked");
  EXPECT_THAT(matched.unused, ElementsAre("imagenet.weight"));
  EXPECT_EQ(matched.tensors.size(), 6u);
}

TEST(Dialects, AreChosenByWhatTheyGive) {
  ToyModel model = attention();
  model.dialect("nothing", [](const auto&) { return std::vector<plugin::WeightPart>(); });
  model.dialect("half", [](const std::vector<plugin::WeightEntry>& entries) {
    std::vector<plugin::WeightPart> parts;
    for (std::size_t e = 0; e < entries.size(); ++e)
      if (entries[e].name == "gamma") parts.push_back({e, 0, 3, "scale"});
    return parts;
  });
  EXPECT_EQ(match_names(stacked().tensors(), model.weights(), "file").how, "names read as those of stacked");
}

TEST(Dialects, MayNotReadTwoTensorsAsOne) {
  ToyModel model;
  model.add("scale", {3}).add("shift", {3});
  model.dialect("doubled", [](const std::vector<plugin::WeightEntry>& entries) {
    std::vector<plugin::WeightPart> parts;
    for (std::size_t e = 0; e < entries.size(); ++e)
      parts.push_back({e, 0, 3, entries[e].name == "c" ? "shift" : "scale"});
    return parts;
  });
  EXPECT_THAT(refusal(ToyFile().add("a", {3}).add("b", {3}).add("c", {3}), model),
              HasSubstr("both 'a' and 'b' are read as 'scale'"));
}

TEST(Dialects, LeaveTheModelsOwnNamesAlone) {
  ToyModel model = attention();
  const ToyFile file = stacked().add("mlp.weight", {4, 3});
  const LoadReport report = load_into(file.tensors(), model.weights(), {}, "file");
  EXPECT_EQ(model.values("mlp.weight"), file.values("mlp.weight"));
  EXPECT_THAT(report.unexpected, ElementsAre("ffn.weight"));
}

TEST(Names, OfCountersMayBeMissing) {
  ToyModel model = segmenter();
  const ToyFile file = ToyFile().add_all(model);
  model.add_counter("encoder.norm.num_batches_tracked");
  const LoadReport report = load_into(file.tensors(), model.weights(), {/*strict=*/true}, "file");
  EXPECT_EQ(report.text(),
            "1 tensor of the model not in the file, counters, left as they are: encoder.norm.num_batches_tracked");
  EXPECT_TRUE(report.complete());
}

}  // namespace
