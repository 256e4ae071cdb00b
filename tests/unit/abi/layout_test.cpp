// SPDX-License-Identifier: Apache-2.0
#include "unit/abi/layout.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/abi/layout_kinds.h"
#include "unit/abi/numbers.h"

extern "C" uint32_t osteon_test_abi_version_in_c(void);
extern "C" uint32_t osteon_test_set_in_c(uint32_t form);
extern "C" uint32_t osteon_test_unknown_flags_in_c(uint32_t flags, uint32_t known);
extern "C" int osteon_test_has_extension_in_c(const osteon_component* component);
extern "C" const char* const* osteon_test_reserved_keys_in_c(void);

namespace {

constexpr const char* kHeaders[] = {"all",       "augmentation",  "band",  "call",   "ensembler",    "entry",
                                    "fit",       "labels",        "loss",  "model",  "named_tensor", "params",
                                    "predictor", "postprocessor", "sizes", "tensor", "version"};

std::string text_of(const std::string& path) {
  std::ifstream file(std::string(OSTEON_SOURCE_DIR) + "/" + path);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> lines_of(const std::string& header) {
  std::istringstream text(text_of("sdk/include/osteon/abi/" + header + ".h"));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

bool begins_with(const std::string& text, const std::string& beginning) { return text.rfind(beginning, 0) == 0; }

// Names of the structs that a header defines.
std::vector<std::string> structs_of(const std::string& header) {
  const std::string begin = "typedef struct ";
  std::vector<std::string> names;
  for (const std::string& line : lines_of(header))
    if (begins_with(line, begin) && line.back() == '{')
      names.push_back(line.substr(begin.size(), line.find(' ', begin.size()) - begin.size()));
  return names;
}

TEST(AbiLayout, IsTheSameInBothLanguages) {
  // Offsets, sizes and numbers are asserted while layout.h and numbers.h compile, once as C11 and once as C++17; values
  // of macros are left.
  EXPECT_EQ(osteon_test_abi_version_in_c(), OSTEON_ABI_VERSION);
  for (uint32_t form = 0; form < 32; ++form) EXPECT_EQ(osteon_test_set_in_c(form), OSTEON_SET(form));
}

TEST(AbiLayout, CrossesAsPlainMemory) {
#define OSTEON_IS_PLAIN(type, bytes) EXPECT_TRUE(std::is_trivial_v<type>&& std::is_standard_layout_v<type>) << #type;
  OSTEON_EACH_STRUCT(OSTEON_IS_PLAIN)
  OSTEON_IS_PLAIN(osteon_tensor, 72)
  OSTEON_IS_PLAIN(osteon_random_key, 16)
#undef OSTEON_IS_PLAIN
}

// DLPack 0.8's DLTensor, written down from its specification.
struct DLTensor {
  void* data;
  struct {
    int32_t device_type, device_id;
  } device;
  int32_t ndim;
  struct {
    uint8_t code, bits;
    uint16_t lanes;
  } dtype;
  int64_t *shape, *strides;
  uint64_t byte_offset;
};

TEST(AbiLayout, HasTheViewOfDLPack) {
  EXPECT_EQ(sizeof(osteon_tensor_view), sizeof(DLTensor));
  EXPECT_EQ(offsetof(osteon_tensor_view, device), offsetof(DLTensor, device));
  EXPECT_EQ(offsetof(osteon_tensor_view, ndim), offsetof(DLTensor, ndim));
  EXPECT_EQ(offsetof(osteon_tensor_view, dtype), offsetof(DLTensor, dtype));
  EXPECT_EQ(offsetof(osteon_tensor_view, shape), offsetof(DLTensor, shape));
  EXPECT_EQ(offsetof(osteon_tensor_view, strides), offsetof(DLTensor, strides));
  EXPECT_EQ(offsetof(osteon_tensor_view, byte_offset), offsetof(DLTensor, byte_offset));
}

TEST(AbiGrowth, AFieldIsThereWhenTheStructIsLongEnoughForAllOfIt) {
  osteon_component component{};
  for (const uint32_t size : {0u, 4u, 104u, 105u, 111u}) {
    component.struct_size = size;
    EXPECT_FALSE(OSTEON_HAS(&component, extension)) << size;
    EXPECT_FALSE(osteon_test_has_extension_in_c(&component)) << size;
  }
  for (const uint32_t size : {112u, 113u, 120u, 0xffffffffu}) {
    component.struct_size = size;
    EXPECT_TRUE(OSTEON_HAS(&component, extension)) << size;
    EXPECT_TRUE(osteon_test_has_extension_in_c(&component)) << size;
  }
  component.struct_size = 104;
  EXPECT_TRUE(OSTEON_HAS(&component, api));
}

TEST(AbiGrowth, FlagsHaveAHalfThatMustBeUnderstoodAndOneThatNeedNot) {
  EXPECT_EQ(OSTEON_FLAGS_MUST ^ OSTEON_FLAGS_MAY, 0xffffffffu);
  for (uint32_t bit = 0; bit < 32; ++bit) {
    const uint32_t flag = 1u << bit;
    const bool refused = bit < 16;
    EXPECT_EQ(OSTEON_FLAGS_UNKNOWN(flag, 0), refused ? flag : 0u) << bit;
    EXPECT_EQ(OSTEON_FLAGS_UNKNOWN(flag, flag), 0u) << bit;
    EXPECT_EQ(osteon_test_unknown_flags_in_c(flag | 1u, 1u), OSTEON_FLAGS_UNKNOWN(flag | 1u, 1u)) << bit;
  }
  EXPECT_EQ(OSTEON_FLAGS_UNKNOWN(0xffffffffu, OSTEON_LOSS_ACCUMULATE), 0xfffeu);
}

TEST(AbiGrowth, HasASizeForEveryStructThatCanGrow) {
  const std::set<std::string> frozen = {"osteon_tensor_view", "osteon_device", "osteon_dtype", "osteon_tensor",
                                        "osteon_random_key"};
  std::set<std::string> defined, listed;
  for (const char* header : kHeaders)
    for (const std::string& name : structs_of(header))
      if (frozen.count(name) == 0) defined.insert(name);
#define OSTEON_NAME(type, bytes) listed.insert(#type);
  OSTEON_EACH_STRUCT(OSTEON_NAME)
#undef OSTEON_NAME
  EXPECT_THAT(listed, testing::ContainerEq(defined));
}

TEST(AbiHeaders, HaveOneClosedListOfReservedKeys) {
  const char* const keys[] = {OSTEON_RESERVED_KEYS};
  std::set<std::string> in_c;
  for (const char* const* key = osteon_test_reserved_keys_in_c(); *key != nullptr; ++key) in_c.insert(*key);
  // What recipes have today, and what is kept for later; never more.
  EXPECT_THAT(in_c, testing::UnorderedElementsAre("plugin", "p", "weight", "weights", "strict", "stem", "group",
                                                  "steps", "count", "member", "classes", "output", "version",
                                                  "weights_key", "name", "when", "isolate"));
  EXPECT_EQ(in_c.size(), sizeof keys / sizeof keys[0]);
}

TEST(AbiHeaders, IncludeNothingButTheStandardIntegersAndEachOther) {
  std::set<std::string> allowed = {"<stdint.h>", "<stddef.h>"};
  for (const char* header : kHeaders) allowed.insert("\"" + std::string(header) + ".h\"");
  for (const char* header : kHeaders)
    for (const std::string& line : lines_of(header)) {
      if (!begins_with(line, "#include ")) continue;
      EXPECT_TRUE(allowed.count(line.substr(9))) << header << ".h: " << line;
    }
}

TEST(AbiHeaders, HaveEveryStructPinned) {
  const std::string pins = text_of("tests/unit/abi/layout.h") + text_of("tests/unit/abi/layout_kinds.h");
  int structs = 0;
  for (const char* header : kHeaders)
    for (const std::string& name : structs_of(header)) {
      EXPECT_NE(pins.find("OSTEON_SIZE(" + name + ","), std::string::npos) << name << " is not pinned";
      ++structs;
    }
  EXPECT_GT(structs, 40);
}

}  // namespace
