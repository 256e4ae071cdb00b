// SPDX-License-Identifier: Apache-2.0
#include "unit/abi/layout.h"

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>

extern "C" uint32_t osteon_test_abi_version_in_c(void);
extern "C" uint32_t osteon_test_set_in_c(uint32_t form);

namespace {

constexpr const char* kHeaders[] = {"all",   "augmentation", "call",          "ensembler", "entry",  "labels", "loss",
                                    "model", "params",       "postprocessor", "predictor", "tensor", "version"};

std::string text_of(const std::string& header) {
  std::ifstream file(std::string(OSTEON_SOURCE_DIR) + "/sdk/include/osteon/abi/" + header + ".h");
  EXPECT_TRUE(file) << header;
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> lines_of(const std::string& header) {
  std::istringstream text(text_of(header));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

bool begins_with(const std::string& text, const std::string& beginning) { return text.rfind(beginning, 0) == 0; }

TEST(AbiLayout, IsTheSameInBothLanguages) {
  // Offsets, sizes and numbers are asserted while layout.h compiles, once as C11 and once as C++17; values of macros
  // are left.
  EXPECT_EQ(osteon_test_abi_version_in_c(), OSTEON_ABI_VERSION);
  for (uint32_t form = 0; form < 32; ++form) EXPECT_EQ(osteon_test_set_in_c(form), OSTEON_SET(form));
}

TEST(AbiLayout, CrossesAsPlainMemory) {
  EXPECT_TRUE(std::is_trivial_v<osteon_tensor> && std::is_standard_layout_v<osteon_tensor>);
  EXPECT_TRUE(std::is_trivial_v<osteon_call> && std::is_standard_layout_v<osteon_call>);
  EXPECT_TRUE(std::is_trivial_v<osteon_component> && std::is_standard_layout_v<osteon_component>);
  EXPECT_TRUE(std::is_trivial_v<osteon_prediction> && std::is_standard_layout_v<osteon_prediction>);
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
  std::ifstream file(std::string(OSTEON_SOURCE_DIR) + "/tests/unit/abi/layout.h");
  const std::string pins{std::istreambuf_iterator<char>(file), {}};
  const std::string begin = "typedef struct ";
  int structs = 0;
  for (const char* header : kHeaders)
    for (const std::string& line : lines_of(header)) {
      if (!begins_with(line, begin) || line.back() != '{') continue;
      const std::string name = line.substr(begin.size(), line.find(' ', begin.size()) - begin.size());
      EXPECT_NE(pins.find("OSTEON_SIZE(" + name + ","), std::string::npos) << name << " is not pinned";
      ++structs;
    }
  EXPECT_GT(structs, 30);
}

}  // namespace
