// SPDX-License-Identifier: Apache-2.0
#include "weights/safetensors_header.hpp"

#include <array>
#include <iterator>
#include <limits>
#include <set>

#include <nlohmann/json.hpp>

#include "base/error.hpp"

namespace osteon::weights {
namespace {

/// Walks over the text and tells how far the parser has read, which its events do not.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* at, const char** reached) : at_(at), reached_(reached) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    if (reached_ != nullptr) *reached_ = at_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  const char** reached_;
};

/// How deep what nobody needs may nest inside of an entry: the reference implementation's limit.
constexpr int kMaxIgnoredDepth = 125;

/// Takes the parser's events and accepts the one structure that the format has, as leniently as the reference
/// implementation does. Nothing that is kept nests, so a hostile header costs no more memory than its own size.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  HeaderReader(std::string_view json, std::uint64_t base, const std::string& path)
      : json_(json), base_(base), path_(path), reached_(json.data()) {}

  const char** reached() { return &reached_; }
  /// Of tensors that are there twice the last counts.
  Header take() {
    std::set<std::string> later;
    std::vector<HeaderEntry> entries;
    for (auto entry = header_.entries.rbegin(); entry != header_.entries.rend(); ++entry)
      if (later.insert(entry->name).second) entries.push_back(std::move(*entry));
    header_.entries.assign(std::make_move_iterator(entries.rbegin()), std::make_move_iterator(entries.rend()));
    return std::move(header_);
  }

  bool start_object(std::size_t) override {
    if (ignoring_) return ignore_start();
    if (state_ == State::kStart) return enter(State::kTop);
    if (state_ == State::kTop && key_ == "__metadata__") return enter(State::kMetadata);
    if (state_ == State::kTop) return start_entry(/*listed=*/false);
    if (state_ == State::kEntry && key_ == "dtype") {
      variants_ = 0;
      return enter(State::kVariant);
    }
    return refuse_value("an object");
  }
  bool end_object() override {
    if (ignoring_) return ignore_end();
    if (state_ == State::kVariant) {
      if (variants_ != 1) return refuse_value("an object of " + std::to_string(variants_));
      return end_field();
    }
    if (state_ == State::kEntry) {
      if (!seen_.count("dtype") || !seen_.count("shape") || !seen_.count("data_offsets"))
        fail("tensor '" + header_.entries.back().name + "' needs all of dtype, shape and data_offsets",
             header_.entries.back().offset - base_);
      return enter(State::kTop);
    }
    return enter(state_ == State::kMetadata ? State::kTop : State::kDone);
  }

  bool key(std::string& text) override {
    if (ignoring_) return true;
    if (state_ == State::kVariant) {
      header_.entries.back().dtype = text;
      ++variants_;
      return true;
    }
    key_ = text;
    if (state_ == State::kTop) {
      // The text of the key stands at the first quote after the last event, which was `{` or `}`.
      key_offset_ = json_.find('"', after_last_event_);
      if (text == "__metadata__" && has_metadata_) fail("'__metadata__' is there twice", key_offset_);
      has_metadata_ |= text == "__metadata__";
    } else if (state_ == State::kEntry) {
      ignoring_ = text != "dtype" && text != "shape" && text != "data_offsets";
      if (!ignoring_ && !seen_.insert(text).second)
        fail("tensor '" + header_.entries.back().name + "' has " + text + " twice");
    }
    return true;
  }

  bool string(std::string& text) override {
    if (ignoring_) return ignore_value();
    if (state_ == State::kMetadata) {
      header_.metadata[key_] = text;
      return true;
    }
    if (state_ != State::kEntry || key_ != "dtype") return refuse_value("a string");
    header_.entries.back().dtype = text;
    return end_field();
  }

  bool start_array(std::size_t) override {
    if (ignoring_) return ignore_start();
    if (state_ == State::kTop && key_ != "__metadata__") return start_entry(/*listed=*/true);
    if (state_ != State::kEntry || (key_ != "shape" && key_ != "data_offsets")) return refuse_value("a list");
    offsets_ = 0;
    return enter(key_ == "shape" ? State::kShape : State::kOffsets);
  }
  bool end_array() override {
    if (ignoring_) return ignore_end();
    if (state_ == State::kOffsets && offsets_ != 2)
      fail("data_offsets of '" + header_.entries.back().name + "' has " + std::to_string(offsets_) +
           " numbers; a begin and an end were expected");
    if (state_ != State::kEntry) return end_field();
    if (fields_ != kFields.size())
      fail("tensor '" + header_.entries.back().name + "' is a list of " + std::to_string(fields_) +
           "; dtype, shape and data_offsets were expected");
    listed_ = false;
    return enter(State::kTop);
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (ignoring_) return ignore_value();
    HeaderEntry* entry = header_.entries.empty() ? nullptr : &header_.entries.back();
    if (state_ == State::kShape) {
      if (value > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
        fail("shape of '" + entry->name + "' has the size " + std::to_string(value));
      entry->shape.push_back(static_cast<std::int64_t>(value));
      return true;
    }
    if (state_ != State::kOffsets) return refuse_value("a number");
    if (offsets_ == 0) entry->begin = value;
    if (offsets_ == 1) entry->end = value;
    ++offsets_;
    return true;
  }
  bool number_integer(number_integer_t) override {
    return ignoring_ ? ignore_value() : refuse_value("a negative number");
  }
  bool number_float(number_float_t, const string_t& text) override {
    return ignoring_ ? ignore_value() : refuse_value("the number " + text);
  }
  bool null() override {
    if (ignoring_) return ignore_value();
    if (state_ == State::kTop && key_ == "__metadata__") return enter(State::kTop);  // the same as none
    if (state_ == State::kVariant) return true;
    return refuse_value("null");
  }
  bool boolean(bool) override { return ignoring_ ? ignore_value() : refuse_value("a truth value"); }
  bool binary(binary_t&) override { return refuse_value("binary data"); }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception& error) override {
    // "[json.exception.parse_error.101] parse error at line 1, column 7: syntax error ...": what counts stands last.
    const std::string text = error.what();
    const std::size_t cut = text.find(": ");
    fail("the header is no JSON: " + (cut == std::string::npos ? text : text.substr(cut + 2)),
         position > 0 ? position - 1 : 0);
  }

 private:
  /// kVariant: a dtype as {"F32": null}, which the reference implementation reads as "F32".
  enum class State { kStart, kTop, kMetadata, kEntry, kVariant, kShape, kOffsets, kDone };
  /// An entry may be a list of these.
  static constexpr std::array<const char*, 3> kFields = {"dtype", "shape", "data_offsets"};

  bool ignore_start() {
    if (++ignored_depth_ > kMaxIgnoredDepth) fail("the header nests too deeply");
    return true;
  }
  bool ignore_end() {
    --ignored_depth_;
    return ignore_value();
  }
  bool ignore_value() {
    ignoring_ = ignored_depth_ > 0;
    return true;
  }

  bool start_entry(bool listed) {
    HeaderEntry& entry = header_.entries.emplace_back();
    entry.name = key_;
    entry.offset = base_ + key_offset_;
    seen_.clear();
    fields_ = 0;
    listed_ = listed;
    if (listed_) key_ = kFields[0];
    return enter(State::kEntry);
  }
  /// What comes next in a list is known by its place.
  bool end_field() {
    ++fields_;
    if (listed_) key_ = fields_ < kFields.size() ? kFields[fields_] : "something more";
    return enter(State::kEntry);
  }
  bool enter(State next) {
    state_ = next;
    after_last_event_ = position();
    return true;
  }
  std::size_t position() const { return static_cast<std::size_t>(reached_ - json_.data()); }

  [[noreturn]] bool refuse_value(const std::string& what) const {
    switch (state_) {
      case State::kStart:
        fail("the header is " + what + "; an object was expected");
      case State::kTop:
        fail("'" + key_ + "' is " + what + "; an object was expected");
      case State::kMetadata:
        fail("__metadata__ '" + key_ + "' is " + what + "; a string was expected");
      case State::kShape:
      case State::kOffsets:
        fail(key_ + " of '" + header_.entries.back().name + "' has " + what + "; whole numbers from 0 were expected");
      case State::kVariant:
        fail("dtype of '" + header_.entries.back().name + "' is " + what + "; a string was expected");
      default:
        fail(key_ + " of '" + header_.entries.back().name + "' is " + what + "; " +
             (key_ == "dtype" ? "a string" : "a list") + " was expected");
    }
  }
  [[noreturn]] void fail(const std::string& message) const {
    const std::size_t at = position();
    fail(message, at > 0 ? at - 1 : 0);
  }
  [[noreturn]] void fail(const std::string& message, std::uint64_t at) const {
    throw Error(ExitCode::kData, message, path_ + ":" + std::to_string(base_ + at));
  }

  std::string_view json_;
  std::uint64_t base_;
  const std::string& path_;
  const char* reached_;
  State state_ = State::kStart;
  std::string key_;
  std::size_t key_offset_ = 0, after_last_event_ = 0;
  bool has_metadata_ = false;
  bool ignoring_ = false;       ///< the value of a key that the format does not know is being read
  int ignored_depth_ = 0;       ///< lists and objects that are open inside of it
  std::set<std::string> seen_;  ///< keys of the entry being read
  std::size_t fields_ = 0;      ///< of the entry being read that are done
  bool listed_ = false;         ///< it is a list
  int variants_ = 0;            ///< names in a dtype that is an object
  int offsets_ = 0;
  Header header_;
};

}  // namespace

Header parse_header(std::string_view json, std::uint64_t base, const std::string& path) {
  // The parser takes it for the end of its input, whatever follows.
  if (const std::size_t nul = json.find('\0'); nul != std::string_view::npos)
    throw Error(ExitCode::kData, "the header is no JSON: it has a NUL byte", path + ":" + std::to_string(base + nul));
  HeaderReader reader(json, base, path);
  const CountingIterator begin(json.data(), reader.reached()), end(json.data() + json.size(), nullptr);
  nlohmann::json::sax_parse(begin, end, &reader);
  return reader.take();
}

}  // namespace osteon::weights
