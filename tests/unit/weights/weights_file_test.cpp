// SPDX-License-Identifier: Apache-2.0
#include "weights/weights_file.hpp"

#include <string>

#include <gtest/gtest.h>

#include "support/program.hpp"
#include "unit/weights/refusal.hpp"
#include "unit/weights/torch_bytes.hpp"

namespace osteon::test {
namespace {

using weights::WeightsFile;

const Code kObject = dict({{text("w"), vector("ByteStorage", "0", 3)}});

class WeightsFileTest : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& bytes) {
    const auto path = folder_ / "anything.bin";  // the name says nothing
    write_text(path, bytes);
    return path;
  }
  void expect_not_opened(const std::string& bytes, const std::string& part, const std::string& key = {}) {
    const auto path = write(bytes);
    expect_refused([&] { WeightsFile(path, key); }, part);
  }
  TemporaryFolder folder_;
};

TEST_F(WeightsFileTest, TellsFormatsByTheirContent) {
  const std::string header = R"({"__metadata__":{"a":"b"},"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
  const std::pair<const char*, std::string> files[] = {
      {"safetensors", little(header.size(), 8) + header + "xyz"},
      {"PyTorch", torch_zip(kObject, {{"0", "xyz"}})},
      {"PyTorch, legacy", torch_legacy(dict({{text("w"), vector("ByteStorage", "0", 3, true)}}), {{"0", "xyz"}}, 1)}};
  for (const auto& [format, bytes] : files) {
    const WeightsFile file(write(bytes));
    EXPECT_STREQ(file.format(), format);
    ASSERT_EQ(file.tensors().size(), 1u) << format;
    EXPECT_EQ(file.tensors()[0].name, "w");
    EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.tensors()[0].data), 3), "xyz") << format;
    EXPECT_EQ(file.metadata().size(), std::string(format) == "safetensors" ? 1u : 0u);
    EXPECT_NO_THROW(file.verify());
  }
}

// The length of a header can be any number, those that the other formats begin with included.
TEST_F(WeightsFileTest, ASafetensorsHeaderMayBeginLikeAPickle) {
  for (const std::size_t length : {0x80u, 0x280u}) {
    const std::string header = R"({"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
    const WeightsFile file(write(little(length, 8) + header + std::string(length - header.size(), ' ') + "xyz"));
    EXPECT_STREQ(file.format(), "safetensors");
  }
}

TEST_F(WeightsFileTest, RefusesWhatIsNoFileOfWeights) {
  expect_not_opened("", "the file is empty");
  expect_not_opened("<!DOCTYPE html>", "neither safetensors nor one of torch.save; it begins with '<!DOCTYPE html>'");
  expect_not_opened("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull");
  expect_not_opened("PK", "cut short");
  expect_not_opened("\x80", "cut short");
  expect_not_opened(little(2, 8) + "{}", "there is no 'model' to choose", "model");
  expect_refused([&] { WeightsFile(folder_ / "absent"); }, "No such file");
  expect_refused([&] { WeightsFile file(folder_.path()); }, "not a regular file", folder_.path().string());
}

TEST_F(WeightsFileTest, ComparesChecksumsWhenAsked) {
  std::string bytes = torch_zip(kObject, {{"0", "xyz"}});
  const std::size_t at = bytes.find("xyz");
  bytes[at] = 'X';
  const auto path = write(bytes);
  const WeightsFile file(path);
  expect_refused([&] { file.verify(); }, "'archive/data/0' does not have the checksum",
                 path.string() + ":" + std::to_string(at));
}

}  // namespace
}  // namespace osteon::test
