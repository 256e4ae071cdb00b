// SPDX-License-Identifier: Apache-2.0
#include "exports/rle.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "base/error.hpp"

namespace osteon::exports {
namespace {

/// The runs of up to 32 classes while a plane is walked.
class RunWriter {
 public:
  RunWriter(std::vector<std::string>& texts, std::size_t first) : texts_(texts), first_(first) {}

  /// The pixel at `position` (from 0) differs from the one before in the bits of `changed`.
  void change(std::uint32_t changed, std::uint32_t now, std::int64_t position) {
    for (; changed != 0; changed &= changed - 1) {
      const int bit = __builtin_ctz(changed);
      if ((now >> bit & 1U) != 0) {
        start_[bit] = position;
      } else {
        write(bit, position);
      }
    }
  }

 private:
  void write(int bit, std::int64_t end) {
    std::string& text = texts_[first_ + static_cast<std::size_t>(bit)];
    if (!text.empty()) text += ' ';
    text += std::to_string(start_[bit] + 1);
    text += ' ';
    text += std::to_string(end - start_[bit]);
  }

  std::vector<std::string>& texts_;
  std::size_t first_;
  std::int64_t start_[32] = {};
};

/// Whether words[0 .. 15] all equal `value` in the bits of `mask`; a straight line that becomes vector instructions.
bool same16(const std::uint32_t* words, std::uint32_t value, std::uint32_t mask) {
  std::uint32_t difference = 0;
  for (int i = 0; i < 16; ++i) difference |= words[i] ^ value;
  return (difference & mask) == 0;
}

void walk_plane(const cv::Mat& plane, std::uint32_t mask, RunWriter& writer) {
  std::uint32_t before = 0;
  std::int64_t position = 0;
  for (int y = 0; y < plane.rows; ++y) {
    const std::uint32_t* row = plane.ptr<std::uint32_t>(y);
    for (int x = 0; x < plane.cols;) {
      // Labels are mostly background and wide bones: long stretches of the same word.
      if (x + 16 <= plane.cols && same16(row + x, before, mask)) {
        x += 16;
        continue;
      }
      const int end = std::min(x + 16, plane.cols);
      for (; x < end; ++x) {
        const std::uint32_t now = row[x] & mask;
        if (now != before) writer.change(now ^ before, now, position + x);
        before = now;
      }
    }
    position += plane.cols;
  }
  writer.change(before, 0, position);
}

/// A bit that stands for no class would name a text that is not there.
std::uint32_t class_mask(int classes, int plane) {
  const int bits = std::min(32, classes - 32 * plane);
  return bits == 32 ? ~0U : (1U << bits) - 1;
}

void check_class(const data::Labels& labels, int c) {
  if (c < 0 || c >= labels.classes())
    throw Error(ExitCode::kData, "class " + std::to_string(c) + " does not exist; there are " +
                                     std::to_string(labels.classes()) + " classes");
}

/// A run as pixels [begin, end), from 0.
struct Run {
  std::int64_t begin;
  std::int64_t end;
};

class RunParser {
 public:
  RunParser(std::string_view text, std::int64_t pixels) : text_(text), pixels_(pixels) {}

  std::vector<Run> parse() {
    std::vector<Run> runs;
    std::int64_t covered = 0;
    for (skip_spaces(); at_ < text_.size(); skip_spaces()) {
      ++pair_;
      const std::int64_t start = number("start");
      skip_spaces();
      if (at_ == text_.size()) fail("has a start but no length");
      const std::int64_t length = number("length");
      if (start - 1 < covered)
        fail("starts at " + std::to_string(start) + ", before the end of the run in front of it");
      if (length > pixels_ - (start - 1)) fail("ends beyond the image's " + std::to_string(pixels_) + " pixels");
      runs.push_back({start - 1, start - 1 + length});
      covered = runs.back().end;
    }
    return runs;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::kData, "run " + std::to_string(pair_) + " of the mask " + what);
  }

  void skip_spaces() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  std::int64_t number(const char* name) {
    std::int64_t value = 0;
    const char* const begin = text_.data() + at_;
    const char* const end = text_.data() + text_.size();
    // from_chars takes a minus sign.
    const auto [next, error] = std::from_chars(begin, end, value);
    const bool whole = next == end || *next == ' ';
    if (error == std::errc::result_out_of_range) fail(std::string("has a ") + name + " that is too large");
    if (error != std::errc() || !whole || value < 1) {
      const std::string_view word(begin, static_cast<std::size_t>(std::find(begin, end, ' ') - begin));
      fail(std::string("has the ") + name + " '" + std::string(word.substr(0, 40)) +
           "'; it must be a whole number, 1 or more");
    }
    at_ = static_cast<std::size_t>(next - text_.data());
    return value;
  }

  std::string_view text_;
  std::int64_t pixels_;
  std::size_t at_ = 0;
  std::int64_t pair_ = 0;
};

}  // namespace

std::vector<std::string> encode_rle(const data::Labels& labels) {
  std::vector<std::string> texts(static_cast<std::size_t>(labels.classes()));
  for (std::size_t p = 0; p < labels.planes().size(); ++p) {
    RunWriter writer(texts, 32 * p);
    walk_plane(labels.planes()[p], class_mask(labels.classes(), static_cast<int>(p)), writer);
  }
  return texts;
}

std::string encode_rle(const data::Labels& labels, int c) {
  check_class(labels, c);
  const int bit = c % 32;
  std::vector<std::string> texts(static_cast<std::size_t>(bit + 1));
  RunWriter writer(texts, 0);
  walk_plane(labels.planes()[static_cast<std::size_t>(c / 32)], 1U << bit, writer);
  return std::move(texts.back());
}

void decode_rle(std::string_view text, data::Labels& labels, int c) {
  check_class(labels, c);
  const std::int64_t width = labels.size().width;
  const std::vector<Run> runs = RunParser(text, width * labels.size().height).parse();
  cv::Mat& plane = labels.planes()[static_cast<std::size_t>(c / 32)];
  const std::uint32_t bit = 1U << (c % 32);
  for (const Run& run : runs) {
    for (std::int64_t at = run.begin; at < run.end;) {
      const std::int64_t stop = std::min(run.end, (at / width + 1) * width);
      std::uint32_t* row = plane.ptr<std::uint32_t>(static_cast<int>(at / width));
      for (std::int64_t x = at % width; x < at % width + (stop - at); ++x) row[x] |= bit;
      at = stop;
    }
  }
}

}  // namespace osteon::exports
