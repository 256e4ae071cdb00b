// SPDX-License-Identifier: Apache-2.0
#include "weights/weights_file.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "support/program.hpp"
#include "unit/weights/refusal.hpp"
#include "unit/weights/torch_bytes.hpp"
#include "weights/shard_index.hpp"

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
    EXPECT_EQ(file.format(), format);
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
    EXPECT_EQ(file.format(), "safetensors");
  }
}

TEST_F(WeightsFileTest, ASafetensorsHeaderMayBeginWithWhiteSpace) {
  const std::string header = R"( {"w":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
  EXPECT_EQ(WeightsFile(write(little(header.size(), 8) + header + "xyz")).tensors().size(), 1u);
  // A length that begins like JSON.
  const std::string longer = header.substr(1) + std::string('{' - header.size() + 1, ' ');
  ASSERT_EQ(longer.size(), std::size_t{'{'});
  EXPECT_EQ(WeightsFile(write(little(longer.size(), 8) + longer + "xyz")).format(), "safetensors");
}

/// A safetensors file of one tensor of three bytes.
std::string shard(const std::string& name, const std::string& bytes) {
  const std::string header =
      R"({"__metadata__":{"format":"pt"},")" + name + R"(":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})";
  return little(header.size(), 8) + header + bytes;
}

class ShardsTest : public WeightsFileTest {
 protected:
  ShardsTest() {
    write_text(folder_ / "model-1.safetensors", shard("a", "xyz"));
    write_text(folder_ / "model-2.safetensors", shard("b", "uvw"));
    write_text(folder_ / "model-3.bin", torch_zip(kObject, {{"0", "rst"}}));
  }
  std::filesystem::path index(const std::string& text) {
    write_text(folder_ / "model.safetensors.index.json", text);
    return folder_ / "model.safetensors.index.json";
  }
  void expect_index_refused(const std::string& text, const std::string& part,
                            const std::optional<std::string>& where = {}) {
    const auto path = index(text);
    expect_refused([&] { WeightsFile file(path); }, part, where);
  }
};

TEST_F(ShardsTest, AreReadByTheirIndex) {
  const WeightsFile file(index(R"({
    "metadata": {"total_size": 6, "more": [1, {"deep": null}]},
    "weight_map": {"b": "model-2.safetensors", "a": "model-1.safetensors"}})"));
  EXPECT_EQ(file.format(), "safetensors in 2 shards");
  ASSERT_EQ(file.tensors().size(), 2u);
  EXPECT_EQ(file.tensors()[0].name, "b");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.tensors()[0].data), 3), "uvw");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.tensors()[1].data), 3), "xyz");
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_TRUE(file.left_out().empty());
  EXPECT_EQ(weights::shards_of(file.path()),
            (std::vector<std::filesystem::path>{folder_ / "model-2.safetensors", folder_ / "model-1.safetensors"}));
  EXPECT_TRUE(weights::shards_of(folder_ / "model-1.safetensors").empty());
}

TEST_F(ShardsTest, MayBeFilesOfPyTorch) {
  const WeightsFile file(index(R"({"weight_map":{"w":"model-3.bin"}})"));
  EXPECT_EQ(file.format(), "PyTorch in 1 shard");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.tensors().at(0).data), 3), "rst");
  EXPECT_NO_THROW(file.verify());
  std::string damaged = torch_zip(kObject, {{"0", "rst"}});
  damaged[damaged.find("rst")] = 'R';
  write_text(folder_ / "model-3.bin", damaged);
  expect_refused([&] { WeightsFile(file.path()).verify(); }, "does not have the checksum");
}

// What a training saves to go on from may be loaded as weights too.
TEST_F(WeightsFileTest, OfACheckpointTheWeightsAreTaken) {
  const auto entry = [](const std::string& name, int at) {
    return ",\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[)" + std::to_string(at) + "," +
           std::to_string(at + 1) + "]}";
  };
  const std::string header = R"({"__metadata__":{"format":"osteon-checkpoint-2"})" + entry("weights/a.b", 0) +
                             entry("average/a.b", 1) + entry("average_updates", 2) + entry("exp_avg/a.b", 3) +
                             entry("exp_avg/c", 4) + "}";
  const auto path = write(little(header.size(), 8) + header + "vwxyz");
  const WeightsFile file(path), averages(path, "average");
  ASSERT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.tensors()[0].name, "a.b");
  EXPECT_EQ(static_cast<char>(file.tensors()[0].data[0]), 'v');
  EXPECT_EQ(file.key(), "weights");
  EXPECT_TRUE(file.metadata().empty());
  EXPECT_EQ(file.other_keys(), std::vector<std::string>{"average"});
  EXPECT_EQ(file.left_out(),
            (std::vector<std::string>{"average (a tensor)", "average_updates (a tensor)", "exp_avg (2 tensors)"}));
  EXPECT_EQ(static_cast<char>(averages.tensors().at(0).data[0]), 'w');
}

TEST_F(ShardsTest, AKeyIsWhatNamesBeginWith) {
  write_text(folder_ / "model-1.safetensors", shard("ema.a", "xyz"));
  const WeightsFile file(index(R"({"weight_map": {"ema.a": "model-1.safetensors", "b": "model-2.safetensors"}})"),
                         "ema");
  ASSERT_EQ(file.tensors().size(), 1u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.left_out(), std::vector<std::string>{"b (a tensor)"});
  const WeightsFile one(folder_ / "model-1.safetensors", "ema");
  EXPECT_EQ(one.tensors().at(0).name, "a");
  EXPECT_EQ(one.key(), "ema");
}

TEST_F(ShardsTest, SayWhatTheIndexDoesNotName) {
  const WeightsFile file(index(R"({"weight_map":{"a":"model-1.safetensors"}})"));
  EXPECT_TRUE(file.left_out().empty());
  write_text(folder_ / "model-1.safetensors", slurp(folder_ / "model-2.safetensors"));
  expect_refused([&] { WeightsFile again(file.path()); }, "the tensor 'a' is in it, and it is not",
                 (folder_ / "model-1.safetensors").string());
  EXPECT_EQ(WeightsFile(index(R"({"weight_map":{}})")).tensors().size(), 0u);
}

TEST_F(ShardsTest, AreRefusedWhereTheIndexIsWrong) {
  expect_index_refused(R"({"weight_map":{"a":"model-9.safetensors"}})", "names as a shard",
                       (folder_ / "model-9.safetensors").string());
  for (const char* name : {"../model-1.safetensors", "/etc/passwd", "sub/model-1.safetensors", "..", ""})
    expect_index_refused(R"({"weight_map":{"a":")" + std::string(name) + "\"}}", "in the index's own folder");
  expect_index_refused(R"({"weight_map":{"a":"model.safetensors.index.json"}})", "is an index of shards itself");
  expect_index_refused(R"({"weight_map":{"a":1}})", "something else than a file name for 'a'");
  expect_index_refused(R"({"weight_map":["a"]})", "something else than a file name");
  expect_index_refused(R"({"weight_map":"a"})", "something else than a file name");
  expect_index_refused(R"({"weight_map":{"a":{"b":"c"}}})", "something else than a file name");
  expect_index_refused(R"({"weight_map":{"a":"model-1.safetensors","a":"model-1.safetensors"}})", "'a' twice");
  expect_index_refused(R"({"model_type": "bert", "layers": 12})", "JSON without a `weight_map`");
  expect_index_refused(R"({"weight_map":{"a")", "but is none from here on");
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
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  expect_refused([&] { WeightsFile file(folder_ / "pipe"); }, "not a regular file");  // at once
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
