// SPDX-License-Identifier: Apache-2.0
// ONNX files that are changed in small and in large ways: each is refused, or runs. Whatever OpenCV is given by what
// the checks let through, the process stays alive; the sanitizers watch. Seeds are fixed, so a failure comes back: the
// file that was tried last lies in the folder that the test names when it begins.
#include <iostream>
#include <random>

#include <sys/resource.h>

#include "net_pool.hpp"
#include "onnx_file.hpp"
#include "onnx_fixture.hpp"

namespace osteon::models::onnx_test {
namespace {

std::string integers(const std::string& name, const std::vector<std::int64_t>& values) {
  std::string bytes(values.size() * sizeof(std::int64_t), '\0'), message;
  std::memcpy(bytes.data(), values.data(), bytes.size());
  put_varint(message, 1, values.size());
  put_varint(message, 2, 7);
  put_bytes(message, 8, name);
  put_bytes(message, 9, bytes);
  return message;
}

std::string epsilon() {
  std::string message;
  put_bytes(message, 1, "epsilon");
  message += "\x15" + std::string("\xac\xc5\x27\x37", 4);  // field 2, 32 bits: 1e-5
  put_varint(message, kAttributeType, 1);
  return message;
}

std::string text_attribute(const std::string& name, const std::string& value) {
  std::string message;
  put_bytes(message, 1, name);
  put_bytes(message, 4, value);
  put_varint(message, kAttributeType, 3);
  return message;
}

/// Networks of what segmentation is made of: down and up, with normalization, joined and resized.
std::vector<std::string> corpus() {
  const ConvRelu plain;
  const std::string pads = ints("pads", {1, 1, 1, 1}), kernel = ints("kernel_shape", {3, 3});
  const std::string weight = tensor("weight", {3, 2, 3, 3}, plain.weight), three = tensor("three", {3}, {1, 2, 3});
  const std::string up = tensor("up", {3, 3, 2, 2}, std::vector<float>(36, 0.5f));
  const std::string two = ints("strides", {2, 2}), pair = ints("kernel_shape", {2, 2});
  return {
      plain.file(),
      graph_file({node("Conv", {"image", "weight", "three"}, "a", {kernel, pads, two}),
                  node("BatchNormalization", {"a", "three", "three", "three", "three"}, "b", {epsilon()}),
                  node("Relu", {"b"}, "c"), node("ConvTranspose", {"c", "up"}, "logits", {pair, two})},
                 {weight, three, up}),
      graph_file(
          {node("Conv", {"image", "weight"}, "a", {kernel, pads}), node("MaxPool", {"a"}, "b", {pair, two}),
           node("Resize", {"b", "", "scales"}, "c", {text_attribute("mode", "nearest")}), node("Add", {"a", "c"}, "d"),
           node("InstanceNormalization", {"d", "three", "three"}, "logits", {epsilon()})},
          {weight, three, tensor("scales", {4}, {1, 1, 2, 2})}),
      graph_file({node("Conv", {"image", "weight"}, "a", {kernel, pads}), node("Shape", {"a"}, "s"),
                  node("Gather", {"s", "zero"}, "n"), node("Slice", {"a", "zero", "one", "one"}, "first"),
                  node("Concat", {"first", "first", "first"}, "b", {ints("axis", {1})}),
                  node("Transpose", {"b"}, "t", {ints("perm", {0, 1, 3, 2})}),
                  node("Transpose", {"t"}, "u", {ints("perm", {0, 1, 3, 2})}), node("Reshape", {"u", "s"}, "logits")},
                 {weight, integers("zero", {0}), integers("one", {1})}),
  };
}

/// Runs a file, if the checks and OpenCV take it.
class Fuzz : public testing::Test {
 protected:
  Fuzz() {
    std::cout << "files are tried as " << file() << std::endl;
#ifndef __SANITIZE_ADDRESS__  // which reserves more than any limit
    // Sizes that a file asks for may be beyond any memory: that is an error to be told, and no test of this machine's.
    getrlimit(RLIMIT_AS, &before_);
    rlimit small = before_;
    small.rlim_cur = rlim_t{6} << 30;
    setrlimit(RLIMIT_AS, &small);
#endif
  }
  ~Fuzz() override {
#ifndef __SANITIZE_ADDRESS__
    setrlimit(RLIMIT_AS, &before_);
#endif
  }
  std::string file() const { return (folder_ / "tried.onnx").string(); }
  void try_file(const std::string& bytes) {
    test::write_text(file(), bytes);
    try {
      const OnnxFile read(file());
      NetPool pool(read, read.outputs().front());
      pool.run(cv::Mat(std::vector<int>{1, 2, 8, 8}, CV_32F, cv::Scalar(0.5)), 1, [](const cv::Mat&) {});
      ++taken_;
    } catch (const std::exception& e) {
      EXPECT_STRNE(e.what(), "");
      ++refused_;
    }
  }
  void expect_both() const {
    EXPECT_GT(taken_, 0);
    EXPECT_GT(refused_, 0);
  }

  test::TemporaryFolder folder_;
  rlimit before_{};
  int taken_ = 0, refused_ = 0;
};
using OnnxFuzz = Fuzz;
using LongOnnxFuzz = Fuzz;

TEST_F(OnnxFuzz, TheCorpusIsGood) {
  for (const std::string& each : corpus()) {
    test::write_text(file(), each);
    const OnnxFile read(file());
    NetPool pool(read, "logits");
    pool.run(cv::Mat(std::vector<int>{1, 2, 8, 8}, CV_32F, cv::Scalar(0.5)), 1,
             [](const cv::Mat& logits) { EXPECT_EQ(logits.total(), 3u * 8 * 8); });
  }
}

TEST_F(LongOnnxFuzz, EveryByteReplacedByTelling) {
  const std::string telling("\0\x01\x02\x05\x08\x7f\x80\xff", 8);
  std::size_t next = 0;
  for (const std::string& seed : corpus())
    for (std::size_t at = 0; at < seed.size(); ++at) {
      std::string changed = seed;
      changed[at] = telling[next++ % telling.size()];
      try_file(changed);
    }
  expect_both();
}

/// Pieces removed, doubled, moved and mixed between the files.
TEST_F(LongOnnxFuzz, PiecesCutAndPasted) {
  std::mt19937 random(20240401);  // the standard fixes its numbers
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const std::vector<std::string> all = corpus();
  for (int round = 0; round < 5000; ++round) {
    std::string changed = all[below(all.size())];
    for (std::size_t changes = 1 + below(3); changes > 0 && changed.size() > 2; --changes) {
      const std::string& donor = all[below(all.size())];
      const std::size_t at = below(changed.size()), from = below(donor.size()), length = 1 + below(8);
      switch (below(4)) {
        case 0:
          changed.erase(at, length);
          break;
        case 1:
          changed.insert(at, donor, from, length);
          break;
        case 2:
          changed.replace(at, length, donor, from, length);
          break;
        default:
          changed[at] = static_cast<char>(random() & 255);
      }
    }
    try_file(changed);
  }
  expect_both();
}

/// Changes that leave the messages whole: names, types, numbers and values become those of another place.
TEST_F(LongOnnxFuzz, FieldsExchanged) {
  std::mt19937 random(20240402);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random()) % n; };
  const std::vector<std::string> all = corpus();
  const std::function<void(std::string_view, int, std::vector<std::string>&)> collect =
      [&](std::string_view message, int depth, std::vector<std::string>& leaves) {
        protobuf::Reader reader(message);
        while (const auto field = reader.next()) {
          leaves.emplace_back(field->whole);
          if (field->is_bytes && depth > 0) try {
              collect(field->bytes, depth - 1, leaves);
            } catch (const sdk::BadInput&) {
              // no message, but a text or values
            }
        }
      };
  const std::function<std::string(std::string_view, int, const std::vector<std::string>&)> changed =
      [&](std::string_view message, int depth, const std::vector<std::string>& leaves) {
        std::string result;
        std::vector<protobuf::Field> fields;
        protobuf::Reader reader(message);
        while (const auto field = reader.next()) fields.push_back(*field);
        const std::size_t chosen = below(fields.size());
        for (std::size_t i = 0; i < fields.size(); ++i) {
          const protobuf::Field& field = fields[i];
          if (i != chosen) {
            result += field.whole;
          } else if (field.is_bytes && depth > 0 && below(8) != 0) {
            std::string inner;
            try {
              inner = field.bytes.empty() ? "" : changed(field.bytes, depth - 1, leaves);
            } catch (const sdk::BadInput&) {
              inner = std::string(field.bytes.substr(0, below(field.bytes.size() + 1)));
            }
            put_bytes(result, field.number, inner);
          } else if (field.is_varint) {
            const std::int64_t numbers[] = {0, 1, 2, 3, 7, -1, 64, 1 << 16, 1 << 30, std::int64_t{1} << 40};
            put_varint(result, field.number, static_cast<std::uint64_t>(numbers[below(std::size(numbers))]));
          } else {
            result += leaves[below(leaves.size())];
          }
        }
        return result;
      };
  std::vector<std::string> leaves;
  for (const std::string& each : all) collect(each, 5, leaves);
  for (int round = 0; round < 5000; ++round) {
    std::string file = all[below(all.size())];
    for (std::size_t changes = 1 + below(2); changes > 0; --changes) {
      try {
        file = changed(file, 5, leaves);
      } catch (const sdk::BadInput&) {
        break;  // what was pasted is no message
      }
    }
    try_file(file);
  }
  expect_both();
}

}  // namespace
}  // namespace osteon::models::onnx_test
