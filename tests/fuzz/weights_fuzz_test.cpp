// SPDX-License-Identifier: Apache-2.0
// Files of weights, broken in every small way and in many large ones: each is refused with its place, or read with all
// tensors inside of what there is. The sanitizers watch; seeds are fixed, so a failure comes back.
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.hpp"
#include "fuzz/mutation.hpp"
#include "unit/weights/torch_bytes.hpp"
#include "weights/safetensors.hpp"
#include "weights/shard_index.hpp"
#include "weights/torch_file.hpp"

namespace osteon::test {
namespace {

/// Calls `read()`, which gives tensors or refuses, and touches every byte of them.
template <class Read>
void touch_all(Read&& read, const std::string& where) {
  try {
    unsigned sum = 0;
    for (const weights::TensorData& tensor : read())
      for (std::uint64_t i = 0; i < tensor.size; ++i) sum += static_cast<unsigned>(tensor.data[i]);
    volatile unsigned keep = sum;
    static_cast<void>(keep);
  } catch (const Error& e) {
    ASSERT_EQ(e.code(), ExitCode::kData);
    ASSERT_EQ(e.where().rfind(where, 0), 0u) << e.where();
    ASSERT_NE(std::string(e.what()), "");
  }
}

/// Reads a file and touches every byte that it gives.
void touch(const std::string& file) {
  weights::TorchIndex index;
  touch_all([&] { return (index = weights::read_torch(file, "f")).state.tensors; }, "f:");
}

Code checkpoint(bool legacy) {
  const Code hooks = call(global("collections", "OrderedDict"), ")");
  const Code stored = storage("FloatStorage", "0", 6, legacy);
  const Code weights = ordered_dict({
      {text("a.weight"), tensor(stored, 0, {2, 3}, {3, 1}) + "q\1"},
      {text("a.view"), tensor(stored, 1, {2, 2}, {1, 3})},
      {text("again"), "h\1"},
      {text("p"), call(global("torch._utils", "_rebuild_parameter"),
                       tuple({vector("FloatStorage", "1", 2, legacy), "\x88", hooks}))},
  });
  return dict({{text("state_dict"), weights + dict({{text("_metadata"), "N"}}) + "b"},
               {text("epoch"), "K\3"},
               {text("args"), global("argparse", "Namespace") + ")\x81}b"}});
}

std::vector<std::string> seeds() {
  const Storages storages = {{"0", std::string(24, 'f')}, {"1", std::string(8, 'g')}};
  std::vector<ZipMember> members = {{"a/data.pkl", pickle_of(checkpoint(false))}, {"a/byteorder", "little"}};
  members[0].crc32 = 0;  // or hardly any change of the pickle would get past its checksum
  for (const auto& [key, bytes] : storages) members.push_back({"a/data/" + key, bytes, 0, 8});
  ZipEnds zip64;
  zip64.zip64 = true;
  members[2].zip64 = true;
  return {zip_of(members), zip_of(members, zip64), torch_legacy(checkpoint(true), storages, 4)};
}

TEST(WeightsFuzz, TheSeedsAreGood) {
  for (const std::string& seed : seeds()) EXPECT_EQ(weights::read_torch(seed, "f").state.tensors.size(), 4u);
}

TEST(WeightsFuzz, EveryBitFlip) {
  for (const std::string& seed : seeds())
    for (std::size_t byte = 0; byte < seed.size(); ++byte)
      for (int bit = 0; bit < 8; ++bit) {
        std::string file = seed;
        file[byte] = static_cast<char>(file[byte] ^ (1 << bit));
        touch(file);
      }
}

TEST(WeightsFuzz, EveryByteReplacedByTelling) {
  const std::string telling = std::string("\0\x01\x7f\x80\xff", 5) +
                              "(.N]})tRQbuseqh\x85\x87\x81\x93\x94lo"
                              "c\x8a";
  for (const std::string& seed : seeds())
    for (std::size_t byte = 0; byte < seed.size(); ++byte)
      for (const char c : telling) {
        std::string file = seed;
        file[byte] = c;
        touch(file);
      }
}

TEST(WeightsFuzz, EveryFieldMadeHuge) {
  for (const std::string& seed : seeds())
    for (const std::size_t size : {2u, 4u, 8u})
      for (std::size_t byte = 0; byte + size <= seed.size(); ++byte)
        for (const char c : {'\xff', '\x7f', '\0'}) {
          std::string file = seed;
          file.replace(byte, size, size, c);
          touch(file);
        }
}

/// Pieces removed, doubled, moved and mixed between the seeds.
TEST(WeightsFuzz, PiecesCutAndPasted) {
  std::mt19937 random(20240229);  // the standard fixes its numbers
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const std::vector<std::string> all = seeds();
  for (int round = 0; round < 60000; ++round) {
    std::string file = all[below(all.size())];
    for (std::size_t changes = 1 + below(4); changes > 0 && file.size() > 2; --changes) {
      const std::string& donor = all[below(all.size())];
      const std::size_t at = below(file.size()), from = below(donor.size()), length = 1 + below(40);
      switch (below(4)) {
        case 0:
          file.erase(at, length);
          break;
        case 1:
          file.insert(at, donor, from, length);
          break;
        case 2:
          file.replace(at, length, donor, from, length);
          break;
        default:
          file[at] = static_cast<char>(random() & 255);
      }
    }
    touch(file);
  }
}

/// Pickles of opcodes at random, which get far deeper than changed files.
TEST(WeightsFuzz, RandomPrograms) {
  std::mt19937 random(20240301);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const std::vector<Code> pieces = {"(",
                                    "N",
                                    "\x88",
                                    "]",
                                    "}",
                                    ")",
                                    "t",
                                    "\x85",
                                    "\x86",
                                    "\x87",
                                    "a",
                                    "e",
                                    "s",
                                    "u",
                                    "R",
                                    "\x81",
                                    "b",
                                    "Q",
                                    "0",
                                    "1",
                                    "2",
                                    "q\1",
                                    "q\2",
                                    "\x94",
                                    "l",
                                    "d",
                                    "\x8f",
                                    "\x90",
                                    "\x91",
                                    "\x92",
                                    "\x8c\x03my.\x8c\x03Net\x93",
                                    "o",
                                    "h\1",
                                    "h\2",
                                    text("w"),
                                    text("storage"),
                                    text("0"),
                                    integer(0),
                                    integer(1),
                                    integer(3),
                                    integer(-1),
                                    integer(INT64_MAX),
                                    numbers({3}),
                                    numbers({1}),
                                    storage("FloatStorage", "0", 3),
                                    vector("FloatStorage", "0", 3),
                                    dict({{text("w"), vector("FloatStorage", "0", 3)}}),
                                    global("torch._utils", "_rebuild_tensor_v2"),
                                    global("torch._utils", "_rebuild_parameter"),
                                    global("torch._tensor", "_rebuild_from_type_v2"),
                                    global("collections", "OrderedDict"),
                                    global("torch", "Size"),
                                    global("my.net", "Net"),
                                    global("torch._utils", "_rebuild_qtensor"),
                                    global("torch", "float32")};
  for (int round = 0; round < 60000; ++round) {
    Code code = below(2) == 0 ? "}" : "";
    for (std::size_t i = 1 + below(30); i > 0; --i) code += pieces[below(pieces.size())];
    touch(torch_zip(code, {{"0", std::string(12, 'f')}}));
  }
}

/// An archive that records no checksums, or hardly any change of its pickle would get past them.
std::string without_checksums(std::string file) {
  const std::string entry = "PK\1\2";
  for (std::size_t at = file.find(entry); at != std::string::npos; at = file.find(entry, at + 1))
    file.replace(at + 16, 4, 4, '\0');
  return file;
}

// What means something in a pickle, a zip's record or a safetensors header.
const std::vector<std::string>& tokens() {
  static const std::vector<std::string> kTokens = [] {
    std::vector<std::string> list;
    for (const char c : std::string("\0\x01\x7f\x80\xff\"{}[]:,0919.()-eNRtuh", 26)) list.emplace_back(1, c);
    for (const char* word :
         {"PK\x03\x04", "PK\x01\x02", "PK\x05\x06", "\xff\xff\xff\xff", "dtype", "shape", "data_offsets",
          "__metadata__", "weight_map", "ctorch\n", "collections\nOrderedDict\n", "\x8a\x0a"})
      list.emplace_back(word);
    return list;
  }();
  return kTokens;
}

TEST(LongWeightsFuzz, MutatedFilesOfTorch) {
  std::vector<std::string> files;
  for (const std::string& file : corpus("torch")) files.push_back(without_checksums(file));
  for (std::string& seed : seeds()) files.push_back(std::move(seed));
  fuzz(files, tokens(), touch);
}

TEST(LongWeightsFuzz, MutatedSafetensors) {
  fuzz(corpus("safetensors"), tokens(), [](const std::string& file) {
    touch_all([&] { return weights::read_index(file, "f").tensors; }, "f:");
    touch_all(
        [&] {
          weights::read_shard_index(file, "f");
          return std::vector<weights::TensorData>();
        },
        "f");
  });
}

}  // namespace
}  // namespace osteon::test
