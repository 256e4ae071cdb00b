// SPDX-License-Identifier: Apache-2.0
#include "weights/shard_index.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "weights/byte_reader.hpp"
#include "weights/mapped_file.hpp"
#include "weights/safetensors.hpp"

namespace osteon::weights {
namespace {

constexpr std::size_t kMaxIndex = 100'000'000;  // bytes, as many as a header of safetensors may have

/// Takes {"weight_map": {string: string}} out of any other JSON around it, which may nest as it likes.
class IndexReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit IndexReader(const std::string& path) : path_(path) {}
  ShardIndex take() {
    if (!found_) fail("the file is JSON without a `weight_map`, which an index of shards has; it holds no weights");
    return std::move(index_);
  }

  bool start_object(std::size_t) override {
    if (++depth_ > 2) refuse_value();
    return true;
  }
  bool start_array(std::size_t) override {
    ++depth_;
    return refuse_value();
  }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& text) override {
    if (depth_ == 1) in_map_ = text == "weight_map";
    found_ |= depth_ == 1 && in_map_;
    tensor_ = text;
    return true;
  }
  bool string(std::string& text) override {
    if (!in_map_) return true;
    if (depth_ != 2) return refuse_value();
    if (!tensors_.insert(tensor_).second) fail("the index names the tensor '" + shown(tensor_) + "' twice");
    index_.tensors.push_back({tensor_, shard(text)});
    return true;
  }
  bool null() override { return refuse_value(); }
  bool boolean(bool) override { return refuse_value(); }
  bool number_integer(number_integer_t) override { return refuse_value(); }
  bool number_unsigned(number_unsigned_t) override { return refuse_value(); }
  bool number_float(number_float_t, const string_t&) override { return refuse_value(); }
  bool binary(binary_t&) override { return refuse_value(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override {
    refuse(path_, position > 0 ? position - 1 : 0,
           "the file begins as JSON, as an index of shards does, but is none from here on");
  }

 private:
  bool close() {
    --depth_;
    return true;
  }
  /// Only the map matters: what stands elsewhere may be anything.
  bool refuse_value() const {
    if (in_map_) fail("the `weight_map` of the index has something else than a file name for '" + shown(tensor_) + "'");
    return true;
  }
  std::size_t shard(const std::string& name) {
    const std::filesystem::path path = name;
    if (name.empty() || name == "." || name == ".." || path.filename() != path || name.find('\0') != std::string::npos)
      fail("the index says that '" + shown(tensor_) + "' is in '" + shown(name) +
           "'; shards are files in the index's own folder");
    const auto [place, fresh] = shards_.emplace(name, index_.shards.size());
    if (fresh) index_.shards.push_back(name);
    return place->second;
  }
  [[noreturn]] void fail(const std::string& message) const { throw Error(ExitCode::kData, message, path_); }

  const std::string& path_;
  std::size_t depth_ = 0;
  bool in_map_ = false, found_ = false;
  std::string tensor_;
  std::set<std::string> tensors_;
  std::map<std::string, std::size_t> shards_;
  ShardIndex index_;
};

}  // namespace

bool looks_like_shard_index(std::string_view file) noexcept {
  return begins_object(file) && file.substr(0, 8).find('\0') == std::string_view::npos;
}

ShardIndex read_shard_index(std::string_view file, const std::string& path) {
  if (file.size() > kMaxIndex)
    throw Error(ExitCode::kData,
                "the file begins as an index of shards does, and has " + std::to_string(file.size()) +
                    " bytes; at most " + std::to_string(kMaxIndex) + " were expected",
                path);
  IndexReader reader(path);
  nlohmann::json::sax_parse(file, &reader);
  return reader.take();
}

std::vector<std::filesystem::path> shards_of(const std::filesystem::path& file) {
  const MappedFile index(file);
  std::vector<std::filesystem::path> paths;
  if (!looks_like_shard_index(index.bytes())) return paths;
  for (const std::string& name : read_shard_index(index.bytes(), file.string()).shards)
    paths.push_back(file.parent_path() / name);
  return paths;
}

}  // namespace osteon::weights
