// SPDX-License-Identifier: Apache-2.0
#include "weights/safetensors.hpp"

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace {

using namespace osteon;
using namespace osteon::weights;

/// A file from its header text and data; `length` instead of the header's own when given.
std::string file_of(const std::string& header, const std::string& data, std::int64_t length = -1) {
  const auto n = length < 0 ? header.size() : static_cast<std::uint64_t>(length);
  std::string file;
  for (int i = 0; i < 8; ++i) file.push_back(static_cast<char>(n >> (8 * i) & 255));
  return file + header + data;
}

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":[)" + shape + R"(],"data_offsets":[)" + offsets + "]}";
}

/// Expects a refusal at `offset` of the file whose message contains `text`.
void expect_refused(const std::string& file, std::uint64_t offset, const std::string& text) {
  try {
    read_index(file, "w.safetensors");
    ADD_FAILURE() << "accepted; expected: " << text;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::kData);
    EXPECT_EQ(e.where(), "w.safetensors:" + std::to_string(offset)) << e.what();
    EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

class Folder {
 public:
  Folder() : path_(std::filesystem::temp_directory_path() / ("osteon_safetensors_" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

TensorData tensor(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
                  const std::string& bytes) {
  return {name, dtype, std::move(shape), reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

TEST(Safetensors, ReadsAHandBuiltFile) {
  // The example of the format's README, and a scalar, an empty tensor and metadata, in an order unlike that of the
  // data.
  const std::string header = "{" + entry("b", "F16", "", "4,6") + "," + R"("__metadata__":{"made":"by hand"},)" +
                             entry("TEST", "F16", "1,2", "0,4") + "," + entry("none", "I64", "3,0", "6,6") + "}  ";
  const std::string file = file_of(header, "\x01\x02\x03\x04\x05\x06");  // the index points into it
  const Index index = read_index(file, "x");
  ASSERT_EQ(index.tensors.size(), 3u);
  EXPECT_EQ(index.tensors[0].name, "TEST");
  EXPECT_EQ(index.tensors[0].shape, (std::vector<std::int64_t>{1, 2}));
  EXPECT_EQ(index.tensors[0].size, 4u);
  EXPECT_EQ(static_cast<int>(index.tensors[0].data[3]), 4);
  EXPECT_EQ(index.tensors[1].name, "b");
  EXPECT_TRUE(index.tensors[1].shape.empty());
  EXPECT_EQ(static_cast<int>(index.tensors[1].data[0]), 5);
  EXPECT_EQ(index.tensors[2].size, 0u);
  EXPECT_EQ(index.metadata.at("made"), "by hand");
}

TEST(Safetensors, ReadsAFileWithoutTensors) { EXPECT_TRUE(read_index(file_of("{}", ""), "x").tensors.empty()); }

TEST(Safetensors, RefusesBadLengths) {
  expect_refused("", 0, "has 0 bytes");
  expect_refused("1234567", 0, "has 7 bytes");
  expect_refused(file_of("{}", "", 3), 0, "only 2 bytes follow");
  expect_refused(file_of("{}", "", 100'000'001), 0, "at most 100000000");
  expect_refused(file_of("{}", "", INT64_MAX), 0, "at most 100000000");
  expect_refused(file_of("", ""), 8, "does not begin with '{'");
  expect_refused(file_of("  ", ""), 8, "does not begin with '{'");
  expect_refused(file_of("\xef\xbb\xbf{}", ""), 8, "does not begin with '{'");
}

TEST(Safetensors, RefusesWhatIsNoJson) {
  expect_refused(file_of("{x", ""), 9, "no JSON");
  expect_refused(file_of("{}}", ""), 10, "no JSON");
  expect_refused(file_of("{\"\xff\":1}", ""), 10, "no JSON");
}

TEST(Safetensors, RefusesAnotherStructure) {
  expect_refused(file_of(R"({"a":1})", ""), 8 + 6, "'a' is a number; an object was expected");
  expect_refused(file_of(R"({"a":{}})", ""), 8 + 1, "'a' needs all of dtype, shape and data_offsets");
  expect_refused(file_of(R"({"a":{"dtype":"U8","dtype":"U8"}})", ""), 8 + 25, "dtype twice");
  expect_refused(file_of(R"({"a":{"shape":[-1]}})", ""), 8 + 17, "a negative number; whole numbers");
  expect_refused(file_of(R"({"a":{"shape":[1.5]}})", ""), 8 + 18, "the number 1.5");
  expect_refused(file_of(R"({"a":{"shape":[[1]]}})", ""), 8 + 15, "a list; whole numbers");
  expect_refused(file_of(R"({"a":{"shape":[18446744073709551615]}})", ""), 8 + 35, "the size 18446744073709551615");
  expect_refused(file_of(R"({"a":{"data_offsets":[0]}})", ""), 8 + 23, "has 1 numbers");
  expect_refused(file_of(R"({"a":{"data_offsets":[0,1,2]}})", ""), 8 + 27, "has 3 numbers");
  expect_refused(file_of(R"({"__metadata__":{"a":1}})", ""), 8 + 22, "a string was expected");
  expect_refused(file_of(R"({"__metadata__":{"a":{"b":"c"}}})", ""), 8 + 21, "an object; a string was expected");
  expect_refused(file_of("{" + entry("a", "U8", "1", "0,1") + "," + entry("a", "U8", "1", "1,2") + "}", "xy"),
                 8 + 2 + entry("a", "U8", "1", "0,1").size(), "begins at 1");
  expect_refused(file_of(R"({"__metadata__":{},"__metadata__":{}})", ""), 8 + 19, "'__metadata__' is there twice");
}

TEST(Safetensors, RefusesDeepNestingAtOnce) {
  std::string deep = "{";
  for (int i = 0; i < 100000; ++i) deep += "\"a\":{";
  expect_refused(file_of(deep, ""), 8 + 8 + 5 * 125 + 2, "nests too deeply");
}

// What the reference implementation (version 0.8, which parses by serde_json) makes of headers that no writer of it
// makes.
TEST(Safetensors, TakesWhatTheReferenceTakes) {
  const auto read = [](const std::string& header, const std::string& data) {
    const std::string file = file_of(header, data);
    return read_index(file, "x").tensors.size();
  };
  const std::string a = entry("a", "U8", "2", "0,2");
  EXPECT_EQ(read(" \t\r\n{" + a + "} \n", "xy"), 1u);
  EXPECT_EQ(read("{\"__metadata__\":null," + a + "}", "xy"), 1u);
  EXPECT_EQ(read("{" + a + "," + a + "}", "xy"), 1u);
  EXPECT_EQ(read("{" + entry("a", "F64", "9", "5,77") + "," + a + "}", "xy"), 1u) << "the last of a name counts";
  EXPECT_EQ(read(R"({"__metadata__":{"k":"1","k":"2"}})", ""), 0u);
  EXPECT_EQ(
      read(R"({"a":{"note":{"x":[1,-2,3.5,"s",null,true,{}]},"dtype":"U8","shape":[2],"n":null,"data_offsets":[0,2]}})",
           "xy"),
      1u);
  EXPECT_EQ(read("{" + entry("a", "U8", "0,4611686018427387904,4611686018427387904", "0,0") + "}", ""), 1u);
  EXPECT_EQ(read("{" + entry("", "U8", "1,1,1,1,1,1,1,1,1,1", "0,1") + "}", "x"), 1u);
  EXPECT_EQ(read("{" + entry("a\\u0000b", "U8", "1", "0,1") + "}", "x"), 1u);
  for (const char* dtype : {"BOOL", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"})
    EXPECT_EQ(read("{" + entry("a", dtype, "2", "0,2") + "}", "xy"), 1u) << dtype;
  EXPECT_EQ(read(R"({"b":["U8",[1],[2,3]],)" + a + "}", "xyz"), 2u) << "an entry as a list";
  EXPECT_EQ(read(R"({"a":{"dtype":{"U8":null},"shape":[2],"data_offsets":[0,2]},"b":[{"U8":null},[],[2,3]]})", "xyz"),
            2u);
  EXPECT_EQ(read("{" + entry("a", "F4", "4", "0,2") + "}", "xy"), 1u);
  EXPECT_EQ(read("{" + entry("a", "F6_E2M3", "4", "0,3") + "}", "xyz"), 1u);
}

TEST(Safetensors, RefusesWhatTheReferenceRefuses) {
  const std::string a = entry("a", "U8", "2", "0,2");
  expect_refused(file_of("{" + a + "}" + std::string(1, '\0') + "junk", "xy"), 8 + a.size() + 2, "a NUL byte");
  expect_refused(file_of("{" + a + "}" + std::string(7, '\0'), "xy"), 8 + a.size() + 2, "a NUL byte");
  expect_refused(file_of("{" + entry("a", "U8", "4611686018427387904,4611686018427387904,0", "0,0") + "}", ""), 9,
                 "too large for any file");
  expect_refused(file_of("{" + entry("\\ud800", "U8", "2", "0,2") + "}", "xy"), 8 + 8, "no JSON");
  for (const char* dtype : {"f32", "FLOAT", "C128", "U4", "I4", ""})
    expect_refused(file_of("{" + entry("a", dtype, "8", "0,8") + "}", "12345678"), 9, "which the format does not know");
  for (const char* bad :
       {R"({"__metadata__":[]})", R"({"__metadata__":{"a":null}})", R"({"a":null})", R"([])", R"({"a":["U8",[0]]})",
        R"({"a":["U8",[0],[0,0],0]})", R"({"a":[[0],"U8",[0,0]]})", R"({"a":[{"U8":null,"I8":null},[0],[0,0]]})",
        R"({"a":[{"U8":1},[0],[0,0]]})", R"({"a":[{},[0],[0,0]]})", R"({"a":["U8",{},[0,0]]})", R"({"a":[]})", R"({,})",
        R"({"a":{"dtype":"U8","shape":[2.0],"data_offsets":[0,2]}})",
        R"({"a":{"dtype":"U8","shape":[2e0],"data_offsets":[0,2]}})",
        R"({"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}})",
        R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},})",
        R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"n":1e999}})", R"({/**/})"})
    EXPECT_THROW(read_index(file_of(bad, ""), "x"), Error) << bad;
}

TEST(Safetensors, RefusesTensorsThatDoNotFit) {
  const auto one = [](const std::string& dtype, const std::string& shape, const std::string& offsets,
                      const std::string& data) { return file_of("{" + entry("a", dtype, shape, offsets) + "}", data); };
  expect_refused(one("F33", "1", "0,4", "1234"), 9, "the dtype 'F33'");
  expect_refused(one("F32", "2", "0,4", "1234"), 9, "takes 8 bytes");
  expect_refused(one("F32", "1", "4,0", "1234"), 9, "begins at 4");
  expect_refused(one("F32", "1", "0,18446744073709551615", "1234"), 9, "takes 4 bytes");
  expect_refused(one("F32", "1", "1,5", "12345"), 9, "begins at 1; the data before it ends at 0");
  expect_refused(one("F32", "1", "0,4", "123"), 9, "only 3 bytes of data");
  expect_refused(one("F32", "9223372036854775807,8", "0,4", "1234"), 9, "too large for any file");
  expect_refused(one("F4", "3", "0,2", "12"), 9, "whole bytes");
  const std::string trailing = one("F32", "1", "0,4", "12345");
  expect_refused(trailing, trailing.size() - 1, "1 bytes follow the last tensor");
  const std::string first = entry("a", "U8", "2", "0,2");
  expect_refused(file_of("{" + first + "," + entry("b", "U8", "2", "1,3") + "}", "123"), 8 + 2 + first.size(),
                 "begins at 1; the data before it ends at 2");
  expect_refused(file_of("{" + first + "," + entry("b", "U8", "2", "3,5") + "}", "12345"), 8 + 2 + first.size(),
                 "neither gaps");
}

TEST(Safetensors, NoTruncationAndNoBitFlipDoesHarm) {
  const std::string header = R"({"__metadata__":{"a":"b"},)" + entry("x.weight", "F32", "2,3", "0,24") + "," +
                             entry("x.\\u00e4", "I64", "1", "24,32") + "}  ";
  const std::string file = file_of(header, std::string(32, 'd'));
  ASSERT_NO_THROW(read_index(file, "x"));
  // Refused, or taken with every byte inside the file; the sanitizers watch.
  const auto touch = [](const std::string& bytes) {
    try {
      unsigned sum = 0;
      for (const TensorData& t : read_index(bytes, "x").tensors)
        for (std::uint64_t i = 0; i < t.size; ++i) sum += static_cast<unsigned>(t.data[i]);
      EXPECT_LE(sum, 255u * bytes.size());
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kData);
      EXPECT_EQ(e.where().rfind("x:", 0), 0u) << e.where();
    }
  };
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_THROW(read_index(file.substr(0, size), "x"), Error) << size;
    touch(file.substr(0, size) + std::string(file.size() - size, '\0'));
  }
  for (std::size_t byte = 0; byte < 8 + header.size(); ++byte)
    for (int bit = 0; bit < 8; ++bit) {
      std::string broken = file;
      broken[byte] = static_cast<char>(broken[byte] ^ (1 << bit));
      touch(broken);
    }
  for (std::size_t byte = 8; byte < 8 + header.size(); ++byte)
    for (const char c : {'\0', '"', '{', '}', '[', ']', '9', '-', ','}) {
      std::string broken = file;
      broken[byte] = c;
      touch(broken);
    }
}

TEST(Safetensors, WritesTheBytesThatTheFormatDescribes) {
  const Folder folder;
  write_safetensors(folder / "w.safetensors",
                    {tensor("b", "U8", {1}, "\x07"), tensor("c", "F32", {}, "wxyz"), tensor("a", "F32", {1}, "abcd")},
                    {{"format", "pt"}});
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
      R"("c":{"dtype":"F32","shape":[],"data_offsets":[4,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_file(folder / "w.safetensors"), file_of(padded, "abcdwxyz\x07"));
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  const Folder folder;
  const std::string bytes(240, 'q'), name = "layer.\xc3\xa4 \"quoted\"\n";
  write_safetensors(folder / "w.safetensors",
                    {tensor(name, "F32", {3, 4, 5}, bytes), tensor("empty", "F64", {0, 7}, ""),
                     tensor("flag", "BOOL", {2}, "\x01\x01")},
                    {{"epoch", "3"}});
  const SafetensorsFile file(folder / "w.safetensors");
  EXPECT_EQ(file.metadata().at("epoch"), "3");
  ASSERT_NE(file.find(name), nullptr);
  EXPECT_EQ(file.find(name)->shape, (std::vector<std::int64_t>{3, 4, 5}));
  EXPECT_EQ(std::memcmp(file.find(name)->data, bytes.data(), bytes.size()), 0);
  EXPECT_EQ(file.find("empty")->shape, (std::vector<std::int64_t>{0, 7}));
  EXPECT_EQ(file.find("absent"), nullptr);
  // The data of each tensor lies aligned to its elements.
  for (const TensorData& t : file.tensors())
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(t.data) % (*dtype_bits(t.dtype) / 8), 0u) << t.name;
}

TEST(Safetensors, RefusesToWriteNonsense) {
  const Folder folder;
  const auto write = [&](std::vector<TensorData> tensors) {
    write_safetensors(folder / "w.safetensors", std::move(tensors));
  };
  EXPECT_THROW(write({tensor("a", "U8", {1}, "x"), tensor("a", "U8", {1}, "x")}), std::invalid_argument);
  EXPECT_THROW(write({tensor("a", "F31", {1}, "x")}), std::invalid_argument);
  EXPECT_THROW(write({tensor("a", "F32", {1}, "x")}), std::invalid_argument);
  EXPECT_THROW(write({tensor("__metadata__", "U8", {1}, "x")}), std::invalid_argument);
  EXPECT_THROW(write({tensor("\xff", "U8", {1}, "x")}), std::invalid_argument);
  EXPECT_FALSE(std::filesystem::exists(folder / "w.safetensors"));
}

TEST(Safetensors, NamesAFileThatCannotBeOpened) {
  const Folder folder;
  for (const auto& path : {folder / "absent.safetensors", folder / "."}) {
    try {
      SafetensorsFile file(path);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.where(), path.string());
    }
  }
}

TEST(Safetensors, AnEmptyFileIsRefused) {
  const Folder folder;
  std::ofstream(folder / "w.safetensors").flush();
  EXPECT_THROW(SafetensorsFile(folder / "w.safetensors"), Error);
}

}  // namespace
