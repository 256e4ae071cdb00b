// SPDX-License-Identifier: Apache-2.0
#include "plugin/descriptor.hpp"

#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "unit/plugin/fake_component.hpp"

namespace osteon::plugin {
namespace {

using test::FakeLibrary;
using test::FakeParameter;
using ::testing::HasSubstr;

// Why a library with this change is refused; empty when it is not.
std::string refusal(const std::function<void(FakeLibrary&)>& change) {
  FakeLibrary library;
  change(library);
  try {
    describe(library.plugin());
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kPlugin);
    return e.what();
  }
  return "";
}

std::string refusal_of_parameter(const std::function<void(FakeParameter&)>& change) {
  return refusal([&](FakeLibrary& library) { change(library.parameter); });
}

std::string refusal_of_plugin(const std::function<void(osteon_plugin&)>& change) {
  FakeLibrary library;
  osteon_plugin plugin = library.plugin();
  change(plugin);
  try {
    describe(plugin);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

TEST(Abi, TakesEveryMinorVersionFromTheOldestOn) {
  EXPECT_EQ(abi_refusal(OSTEON_ABI_VERSION), "");
  EXPECT_EQ(abi_refusal(OSTEON_ABI_VERSION + 1), "") << "newer than this host";
  EXPECT_EQ(abi_refusal(OSTEON_ABI_OLDEST_MINOR), "");
  EXPECT_EQ(
      abi_refusal(1),
      "was built for plugin ABI 0.1, and this host takes 0.2 and what came after it within major version 0; build "
      "the plugin again with this host's SDK");
  EXPECT_THAT(abi_refusal(OSTEON_ABI_VERSION + 0x10000), HasSubstr("was built for plugin ABI 1."));
  EXPECT_EQ(abi_text(0x00030007), "3.7");
}

TEST(Describe, ReadsASoundLibrary) {
  FakeLibrary library;
  const LibraryDescription description = describe(library.plugin());
  EXPECT_EQ(description.name, "library");
  EXPECT_EQ(description.version, "1.0.0");
  ASSERT_EQ(description.components.size(), 1u);
  const ComponentSchema& schema = description.components[0];
  EXPECT_EQ(schema.kind, Kind::kLoss);
  EXPECT_EQ(schema.name, "fake");
  EXPECT_EQ(schema.reference, "");
  ASSERT_EQ(schema.parameters.size(), 1u);
  EXPECT_EQ(schema.parameters[0].default_value, ParameterValue(std::vector<std::int64_t>{3}));
}

TEST(Describe, LooksAtTheAbiBeforeAnythingElse) {
  const std::string why = refusal_of_plugin([](osteon_plugin& p) {
    p.abi_version = 0x00050002;
    p.name = reinterpret_cast<const char*>(8);  // of another meaning there
    p.components = nullptr;
  });
  EXPECT_THAT(why, HasSubstr("built for plugin ABI 5.2, and this host takes 0.2"));
}

TEST(Describe, RefusesBrokenLibraries) {
  EXPECT_THAT(refusal_of_plugin([](auto& p) { p.struct_size = 4; }), HasSubstr("its struct is too small"));
  EXPECT_THAT(refusal_of_plugin([](auto& p) { p.struct_size = 40; }),
              HasSubstr("the library's description is 40 bytes long, at least 48 were expected"));
  EXPECT_THAT(refusal_of_plugin([](auto& p) { p.flags = 1; }), HasSubstr("is newer than this host"));
  EXPECT_THAT(refusal_of_plugin([](auto& p) { p.name = nullptr; }), HasSubstr("the library has no name"));
  EXPECT_THAT(refusal_of_plugin([](auto& p) { p.n_components = 0; }), HasSubstr("holds no component"));
  EXPECT_THAT(refusal_of_plugin([](auto& p) { p.components = nullptr; }), HasSubstr("holds no component"));
  EXPECT_THAT(refusal([](auto& l) { l.components = {nullptr}; }), HasSubstr("a component is null"));
  EXPECT_THAT(refusal([](auto& l) {
                l.components = {&l.component, &l.component};
              }),
              HasSubstr("two components are called 'fake', and have one version"));
}

TEST(Describe, TakesSeveralVersionsOfOneName) {
  FakeLibrary library;
  osteon_component newer{};
  library.plugin();
  newer = library.component;
  newer.version = "1.10.0";
  library.components = {&library.component, &newer};
  const osteon_plugin plugin = library.plugin();
  EXPECT_EQ(describe(plugin).components.size(), 2u);
  EXPECT_EQ(component_of(plugin, Kind::kLoss, "fake").component, &newer);
  EXPECT_EQ(component_of(plugin, Kind::kLoss, "fake", "1.2").component, &library.component);
  EXPECT_EQ(component_of(plugin, Kind::kLoss, "fake", "1.2").schema.version, "1.2.3");
  EXPECT_THROW(component_of(plugin, Kind::kLoss, "fake", "2"), Error);
}

// Why the component of a library with this change is left aside; fails when it is not.
std::string skipped(const std::function<void(FakeLibrary&)>& change) {
  FakeLibrary library;
  change(library);
  const LibraryDescription description = describe(library.plugin());
  EXPECT_TRUE(description.components.empty());
  if (description.skipped.size() != 1) return "";
  EXPECT_EQ(description.skipped[0].name, "fake");
  EXPECT_EQ(description.skipped[0].version, "1.2.3");
  return description.skipped[0].reason;
}

TEST(Describe, LeavesAComponentAsideThatIsNewerThanTheHost) {
  EXPECT_THAT(skipped([](auto& l) { l.component.kind = 6; }),
              HasSubstr("it is of kind 6, which this host does not know"));
  EXPECT_THAT(skipped([](auto& l) { l.parameter.spec.type = 11; }),
              HasSubstr("its parameter 'depth' is of type 11, which this host does not know"));
  EXPECT_THAT(skipped([](auto& l) { l.parameter.spec.flags = 1u << 9; }), HasSubstr("flags 0x0200"));
  EXPECT_THAT(skipped([](auto& l) { l.parameter.value.flags = 1; }), HasSubstr("flags 0x0001"));
  EXPECT_THAT(skipped([](auto& l) { l.component.flags = 1u << 15; }), HasSubstr("flags 0x8000"));
  EXPECT_THAT(skipped([](auto& l) { l.api.flags = 2; }), HasSubstr("fake's functions has flags 0x0002"));
}

TEST(Describe, PassesOverFlagsThatNeedNotBeUnderstood) {
  EXPECT_EQ(refusal([](FakeLibrary& l) {
              l.component.flags = l.api.flags = l.parameter.spec.flags = l.parameter.value.flags = OSTEON_FLAGS_MAY;
            }),
            "");
  EXPECT_EQ(refusal_of_plugin([](auto& p) { p.flags = OSTEON_FLAGS_MAY; }), "");
}

TEST(Describe, KeepsTheOthersOfALibraryWhereOneIsNewer) {
  FakeLibrary library;
  library.plugin();
  osteon_component newer = library.component;
  newer.kind = 77;
  library.components = {&newer, &library.component};
  const LibraryDescription description = describe(library.plugin());
  EXPECT_EQ(description.components.size(), 1u);
  ASSERT_EQ(description.skipped.size(), 1u);
  EXPECT_EQ(description.skipped[0].kind, "kind 77");
  EXPECT_EQ(component_of(library.plugin(), Kind::kLoss, "fake").component, &library.component);
}

// A struct that is longer than ours: what it says is read as far as we know it.
TEST(Describe, ReadsStructsThatAreLongerThanItsOwn) {
  struct Longer {
    osteon_component component;
    std::uint64_t more;
  };
  FakeLibrary library;
  library.plugin();
  Longer longer{library.component, 0x5555555555555555};
  longer.component.struct_size = sizeof longer;
  library.components = {&longer.component};
  EXPECT_EQ(describe(library.plugin()).components.size(), 1u);
}

TEST(Describe, RefusesBrokenComponents) {
  EXPECT_THAT(refusal([](auto& l) { l.component.struct_size = 104; }),
              HasSubstr("a component is 104 bytes long, at least 112 were expected"));
  for (const char* name : {"", "Fake", "9lives", "with space", "dot.ted", "_x", "b\xc3\xa4r"})
    EXPECT_THAT(refusal([&](auto& l) { l.component.name = name; }), HasSubstr("a component's name is not")) << name;
  EXPECT_THAT(refusal([](auto& l) { l.component.name = nullptr; }), HasSubstr("a component's name is not"));
  EXPECT_THAT(refusal([](auto& l) { l.component.version = nullptr; }), HasSubstr("it has no version"));
  EXPECT_THAT(refusal([](auto& l) { l.component.version = ""; }), HasSubstr("it has no version"));
  EXPECT_THAT(refusal([](auto& l) { l.component.api = nullptr; }), HasSubstr("functions of its kind are missing"));
  EXPECT_THAT(refusal([](auto& l) { l.api.evaluate = nullptr; }), HasSubstr("functions of its kind are missing"));
  EXPECT_THAT(refusal([](auto& l) { l.api.struct_size = 24; }),
              HasSubstr("fake's functions is 24 bytes long, at least 32 were expected"));
  EXPECT_THAT(refusal([](auto& l) { l.devices.clear(); }), HasSubstr("it lists no device"));
}

TEST(Describe, RefusesArraysThatAreNotThere) {
  FakeLibrary library;
  const osteon_plugin plugin = library.plugin();
  const auto why = [&] {
    try {
      describe(plugin);
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  library.component.params = nullptr;
  EXPECT_THAT(why(), HasSubstr("its parameters are null"));
  library.plugin();
  library.component.devices = nullptr;
  EXPECT_THAT(why(), HasSubstr("its devices or element types are null"));
  library.plugin();
  library.component.dtypes = nullptr;
  EXPECT_THAT(why(), HasSubstr("its devices or element types are null"));
}

TEST(Describe, WantsTheFunctionsOfEachKind) {
  // An api struct of zeros: nothing of any kind is there.
  osteon_model_api model{};
  osteon_augmentation_api augmentation{};
  osteon_postprocessor_api post{};
  osteon_ensembler_api ensembler{};
  model.struct_size = sizeof model;
  augmentation.struct_size = sizeof augmentation;
  post.struct_size = sizeof post;
  ensembler.struct_size = sizeof ensembler;
  const std::vector<std::pair<std::uint32_t, const void*>> kinds = {{OSTEON_KIND_MODEL, &model},
                                                                    {OSTEON_KIND_AUGMENTATION, &augmentation},
                                                                    {OSTEON_KIND_POSTPROCESSOR, &post},
                                                                    {OSTEON_KIND_ENSEMBLER, &ensembler}};
  for (const auto& [kind, api] : kinds)
    EXPECT_THAT(refusal([kind = kind, api = api](FakeLibrary& l) {
                  l.component.kind = kind;
                  l.component.api = api;
                }),
                HasSubstr("functions of its kind are missing"))
        << kind;
}

TEST(Describe, RefusesBrokenParameters) {
  EXPECT_THAT(refusal([](auto& l) { l.parameters = {nullptr}; }), HasSubstr("a parameter is NULL"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.struct_size = 104; }),
              HasSubstr("a parameter is 104 bytes long, at least 112 were expected"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.name = "Depth"; }), HasSubstr("a parameter's name is not"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.name = nullptr; }), HasSubstr("a parameter's name is not"));
  for (const char* key : {OSTEON_RESERVED_KEYS})
    EXPECT_THAT(refusal_of_parameter([&](auto& p) { p.spec.name = key; }), HasSubstr("this key belongs to recipes"))
        << key;
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.doc = nullptr; }), HasSubstr("no line of documentation"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.type = OSTEON_PARAM_CLASSES; }),
              HasSubstr("class names are always a list"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.type = OSTEON_PARAM_CHOICE; }),
              HasSubstr("a choice without choices"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.minimum = 5, p.spec.maximum = 4; }),
              HasSubstr("bounds are upside down"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.minimum = NAN; }), HasSubstr("bounds are upside down"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.n_choices = 2; }), HasSubstr("a list of strings is null"));
  static const char* const kNulls[] = {nullptr};
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.n_aliases = 1, p.spec.aliases = kNulls; }),
              HasSubstr("a string is null"));
  static const char* const kOwnName[] = {"depth"};
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.n_aliases = 1, p.spec.aliases = kOwnName; }),
              HasSubstr("the name is taken twice"));
  EXPECT_THAT(refusal([](auto& l) {
                l.parameters = {&l.parameter.spec, &l.parameter.spec};
              }),
              HasSubstr("the name is taken twice"));
  static const char* const kReserved[] = {"weight"};
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.n_aliases = 1, p.spec.aliases = kReserved; }),
              HasSubstr("'weight' is a key that belongs to recipes"));
  static const char* const kNoName[] = {"Old-Depth"};
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.n_aliases = 1, p.spec.aliases = kNoName; }),
              HasSubstr("its other name 'Old-Depth'"));
}

TEST(Describe, RefusesBrokenDefaults) {
  const auto required = [](auto& p) { p.spec.flags = OSTEON_PARAM_REQUIRED; };
  EXPECT_THAT(refusal_of_parameter(required), HasSubstr("either required or has a default"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.default_value = nullptr; }),
              HasSubstr("either required or has a default"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.value.type = OSTEON_PARAM_FLOAT; }),
              HasSubstr("its default has another type"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.value.count = 2; }), HasSubstr("its default has 2 elements"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.value.ints = nullptr; }),
              HasSubstr("no elements where its type keeps them"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.maximum = 2; }),
              HasSubstr("its default breaks its own bounds"));
  EXPECT_THAT(refusal_of_parameter([](auto& p) { p.spec.flags = OSTEON_PARAM_LIST, p.spec.min_count = 2; }),
              HasSubstr("has 1 elements, outside its own limits"));

  static const double kDown[] = {2, 1};
  static const double kNan[] = {NAN};
  const auto floats = [](FakeParameter& p, std::uint32_t type, const double* list, std::uint64_t count) {
    p.spec.type = p.value.type = type;
    p.value.count = count;
    p.value.floats = list;
  };
  EXPECT_THAT(refusal_of_parameter([&](auto& p) { floats(p, OSTEON_PARAM_FLOAT_RANGE, kDown, 2); }),
              HasSubstr("runs downwards"));
  EXPECT_THAT(refusal_of_parameter([&](auto& p) { floats(p, OSTEON_PARAM_FLOAT_RANGE, kDown, 1); }),
              HasSubstr("has 1 elements"));
  EXPECT_THAT(refusal_of_parameter([&](auto& p) { floats(p, OSTEON_PARAM_FLOAT, kNan, 1); }),
              HasSubstr("breaks its own bounds"));

  static const std::int64_t kWholeDown[] = {2, 1};
  EXPECT_THAT(refusal_of_parameter([&](auto& p) {
                p.spec.type = p.value.type = OSTEON_PARAM_INT_RANGE;
                p.value.count = 2;
                p.value.ints = kWholeDown;
              }),
              HasSubstr("runs downwards"));
  static const double kThree[] = {0, 1, 2, 3, 4, 3};
  EXPECT_THAT(refusal_of_parameter([&](auto& p) {
                floats(p, OSTEON_PARAM_FLOAT_RANGE, kThree, 6);
                p.spec.flags = OSTEON_PARAM_LIST;
              }),
              HasSubstr("runs downwards"));
  EXPECT_THAT(refusal_of_parameter([&](auto& p) {
                floats(p, OSTEON_PARAM_FLOAT_RANGE, kThree, 5);
                p.spec.flags = OSTEON_PARAM_LIST;
              }),
              HasSubstr("has 5 elements"));
  EXPECT_EQ(refusal_of_parameter([&](auto& p) {
              floats(p, OSTEON_PARAM_FLOAT_RANGE, kThree, 4);
              p.spec.flags = OSTEON_PARAM_LIST;
              p.spec.max_count = 2;
            }),
            "");

  static const char* const kChoices[] = {"small", "large"};
  static const char* const kOther[] = {"medium"};
  static const char* const kNothing[] = {nullptr};
  const auto choice = [](FakeParameter& p, const char* const* given) {
    p.spec.type = p.value.type = OSTEON_PARAM_CHOICE;
    p.spec.n_choices = 2;
    p.spec.choices = kChoices;
    p.value.strings = given;
  };
  EXPECT_THAT(refusal_of_parameter([&](auto& p) { choice(p, kOther); }), HasSubstr("'medium' is none of its choices"));
  EXPECT_THAT(refusal_of_parameter([&](auto& p) { choice(p, kNothing); }), HasSubstr("holds a null string"));
  EXPECT_EQ(refusal_of_parameter([&](auto& p) { choice(p, kChoices); }), "");
}

TEST(ComponentOf, FindsByKindAndName) {
  FakeLibrary library;
  const osteon_plugin plugin = library.plugin();
  const LoadedComponent loaded = component_of(plugin, Kind::kLoss, "fake");
  EXPECT_EQ(loaded.component, &library.component);
  EXPECT_TRUE(loaded.supports_device(OSTEON_DEVICE_CPU));
  EXPECT_FALSE(loaded.supports_device(OSTEON_DEVICE_CUDA));
  EXPECT_TRUE(loaded.supports_dtype({OSTEON_DTYPE_FLOAT, 32, 1}));
  EXPECT_FALSE(loaded.supports_dtype({OSTEON_DTYPE_FLOAT, 16, 1}));
  EXPECT_THROW(component_of(plugin, Kind::kModel, "fake"), Error);
  EXPECT_THROW(component_of(plugin, Kind::kLoss, "other"), Error);
}

}  // namespace
}  // namespace osteon::plugin
